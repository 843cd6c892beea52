/* wait.c - event, latch, barrier, once, promise, select, timeouts, shields. */
#include "tests/seeded/kit.h"

static int cancel_at_ten(uint32_t lane)
{
    AT(10);
    crew_cancel(lane);
    return 0;
}

static int cancel_0_at_ten(void *arg)
{
    (void)arg;
    return cancel_at_ten(0);
}

static int cancel_1_at_ten(void *arg)
{
    (void)arg;
    return cancel_at_ten(1);
}

/* ---- events ---------------------------------------------------------------------------------- */

static struct {
    thrum_event event;
    struct log log;
} e;

static int event_wait(void *arg)
{
    uint32_t call = log_begin(&e.log, LANE, EVENT_WAIT, 0);

    return log_end(&e.log, call, thrum_event_wait(&e.event), 0);
}

static void event_change(uint32_t lane, bool set)
{
    uint32_t call = log_begin(&e.log, lane, set ? EVENT_SET : EVENT_CLEAR, 0);

    if (set)
        thrum_event_set(&e.event);
    else
        thrum_event_clear(&e.event);
    log_end(&e.log, call, 0, 0);
}

/* Set only for a moment: who waits by then goes on. */
static int pulse(void *arg)
{
    AT(10);
    event_change(LANE, true);
    event_change(LANE, false);
    return 0;
}

static int pulse_and_set(void *arg)
{
    event_change(LANE, true);
    event_change(LANE, false);
    event_change(LANE, true);
    return 0;
}

/* Something is cancelled around it, and it does not hear of that: it waits on. */
static int event_wait_shielded(void *arg)
{
    thrum_shield shield;
    int status;

    thrum_shield_begin(&shield);
    status = event_wait(arg);
    if (thrum_shield_end(&shield) && status == 0)
        return 0;
    return status;
}

static int event_run(const thrum_fn *fns, size_t n)
{
    memset(&e, 0, sizeof e);
    log_init(&e.log);
    thrum_event_init(&e.event);
    DO(crew_run(fns, n));
    DO(log_check(&e.log, model_event));
    thrum_event_destroy(&e.event);
    return 0;
}

static int event_pulse(void *arg)
{
    static const thrum_fn fns[] = {event_wait, event_wait_shielded, event_wait,
                                   pulse,      cancel_0_at_ten,     cancel_1_at_ten};

    (void)arg;
    return event_run(fns, sizeof fns / sizeof fns[0]);
}

static int event_mix(void *arg)
{
    static const thrum_fn fns[] = {event_wait, event_wait_shielded, pulse_and_set, event_wait,
                                   cancel_1_at_ten};

    (void)arg;
    return event_run(fns, sizeof fns / sizeof fns[0]);
}

/* ---- latches --------------------------------------------------------------------------------- */

static struct {
    thrum_latch latch;
    int counted;
    int passed;
} l;

static int latch_wait(void *arg)
{
    (void)arg;
    DO(thrum_latch_wait(&l.latch));
    EXPECT(l.counted == 3, EARLY);
    l.passed++;
    return 0;
}

static int count_down(void *arg)
{
    uint32_t n = LANE % 2 + 1;

    l.counted += (int)n;
    EXPECT(thrum_latch_count_down(&l.latch, n) == 0, WRONG);
    return 0;
}

static int latch(void *arg)
{
    (void)arg;
    l.counted = l.passed = 0;
    thrum_latch_init(&l.latch, 3);
    DO(CREW(latch_wait, latch_wait, count_down, count_down, latch_wait, cancel_1_at_ten));
    EXPECT(l.passed == 3, LOST);
    EXPECT(thrum_latch_count_down(&l.latch, 1) == -EINVAL, WRONG);
    thrum_latch_destroy(&l.latch);
    return 0;
}

/* ---- barriers -------------------------------------------------------------------------------- */

static struct {
    thrum_barrier barrier;
    uint32_t places; /* a bit for each index that was handed out */
    int passed;
    int broken;
    int round[CREW_MAX];
    int64_t begin;
} ba;

static int barrier_begin(uint32_t parties)
{
    memset(&ba, 0, sizeof ba);
    ba.begin = thrum_now().ns;
    return thrum_barrier_init(&ba.barrier, parties);
}

static int come(void)
{
    uint32_t index = 99;
    int status = thrum_barrier_wait(&ba.barrier, &index);

    if (status == THRUM_EBROKEN)
        ba.broken++;
    DO(status);
    EXPECT(index < 3, WRONG);
    EXPECT(!(ba.places >> index & 1), TWICE);
    ba.places |= 1u << index;
    ba.passed++;
    return 0;
}

static int come_at_one(void *arg)
{
    (void)arg;
    AT(1);
    return come();
}

static int come_at_ten(void *arg)
{
    (void)arg;
    AT(10);
    DO(come());
    EXPECT(thrum_now().ns - ba.begin >= thrum_ms(20), EARLY);
    return 0;
}

static int come_at_twenty(void *arg)
{
    (void)arg;
    AT(20);
    return come();
}

static int cancel_0_at_five(void *arg)
{
    (void)arg;
    AT(5);
    crew_cancel(0);
    return 0;
}

/* Of three who have come one has given up: it takes a fourth. */
static int barrier_cancel(void *arg)
{
    (void)arg;
    DO(barrier_begin(3));
    DO(CREW(come_at_one, come_at_ten, come_at_ten, come_at_twenty, cancel_0_at_five));
    EXPECT(ba.passed == 3, LOST);
    EXPECT(thrum_barrier_waiting(&ba.barrier) == 0, LEFT_OVER);
    thrum_barrier_destroy(&ba.barrier);
    return 0;
}

/* Two of two, three times: nobody is ahead by more than one round. */
static int three_rounds(void *arg)
{
    for (int i = 0; i < 3; i++) {
        ba.round[LANE]++;
        DO(thrum_barrier_wait(&ba.barrier, NULL));
        EXPECT(ba.round[1 - LANE] >= ba.round[LANE], EARLY);
    }
    return 0;
}

static int barrier_rounds(void *arg)
{
    (void)arg;
    DO(barrier_begin(2));
    DO(CREW(three_rounds, three_rounds));
    EXPECT(thrum_barrier_waiting(&ba.barrier) == 0, LEFT_OVER);
    thrum_barrier_destroy(&ba.barrier);
    return 0;
}

static int break_it(void *arg)
{
    (void)arg;
    thrum_barrier_abort(&ba.barrier);
    return 0;
}

static int come_to_broken(void *arg)
{
    int status = come();

    (void)arg;
    return status == THRUM_EBROKEN ? 0 : status;
}

/* Whoever waits and whoever comes is told; after a reset all is well. */
static int barrier_abort(void *arg)
{
    (void)arg;
    DO(barrier_begin(3));
    DO(CREW(come_to_broken, come_to_broken, break_it, cancel_0_at_ten));
    EXPECT(ba.broken == 2, WRONG);
    EXPECT(thrum_barrier_broken(&ba.barrier), WRONG);
    EXPECT(thrum_barrier_wait(&ba.barrier, NULL) == THRUM_EBROKEN, WRONG);
    thrum_barrier_reset(&ba.barrier);
    EXPECT(!thrum_barrier_broken(&ba.barrier), WRONG);
    DO(CREW(come_at_one, come_at_one, come_at_one));
    EXPECT(ba.passed == 3, LOST);
    thrum_barrier_destroy(&ba.barrier);
    return 0;
}

static int reset_at_ten(void *arg)
{
    (void)arg;
    AT(10);
    thrum_barrier_reset(&ba.barrier);
    return 0;
}

static int come_before_reset(void *arg)
{
    int status;

    (void)arg;
    AT(1);
    status = come();
    return status == THRUM_EBROKEN ? 0 : status;
}

/* Two wait for a third; one is cancelled while it is reset; then three come. */
static int barrier_reset(void *arg)
{
    (void)arg;
    DO(barrier_begin(3));
    DO(CREW(come_before_reset, come_before_reset, reset_at_ten, cancel_0_at_ten));
    EXPECT(thrum_barrier_waiting(&ba.barrier) == 0, LEFT_OVER);
    DO(CREW(come_at_one, come_at_one, come_at_one));
    EXPECT(ba.passed == 3, LOST);
    thrum_barrier_destroy(&ba.barrier);
    return 0;
}

/* ---- once ------------------------------------------------------------------------------------ */

static struct {
    thrum_once once;
    int inside;
    int tries;
    int done;
} on;

static int try_it(void *arg)
{
    int status;

    (void)arg;
    EXPECT(on.inside++ == 0, INSIDE);
    EXPECT(on.done == 0, TWICE);
    status = thrum_yield();
    on.inside--;
    if (!status && on.tries++ == 0)
        status = -EIO; /* the first try that is not cancelled fails */
    on.done += !status;
    return status;
}

static int need_it(void *arg)
{
    int status = thrum_once_run(&on.once, try_it, NULL);

    (void)arg;
    EXPECT(status || (on.done == 1 && thrum_once_done(&on.once)), EARLY);
    return status == -EIO ? 0 : status;
}

static int cancel_1(void *arg)
{
    (void)arg;
    crew_cancel(1);
    return 0;
}

static int once(void *arg)
{
    (void)arg;
    memset(&on, 0, sizeof on);
    DO(CREW(need_it, need_it, need_it, need_it, cancel_1));
    EXPECT(on.done == 1, LOST);
    EXPECT(!on.once.first, LEFT_OVER);
    return 0;
}

/* ---- promises -------------------------------------------------------------------------------- */

static struct {
    thrum_promise promise;
    int64_t value;
    struct log log;
} p;

static int promise_wait(void *arg)
{
    int64_t value = 0;
    uint32_t call = log_begin(&p.log, LANE, PROMISE_WAIT, 0);
    int status = log_end(&p.log, call, thrum_promise_wait(&p.promise, &value), 0);

    p.log.records[call].got = value; /* what it was is known only now */
    return status == THRUM_ECANCELED ? status : 0;
}

static int promise_set(void *arg)
{
    int64_t value = LANE;
    uint32_t call = log_begin(&p.log, LANE, PROMISE_SET, value);

    log_end(&p.log, call, thrum_promise_set(&p.promise, &value), 0);
    return 0;
}

static int promise_fail(void *arg)
{
    uint32_t call = log_begin(&p.log, LANE, PROMISE_FAIL, -EIO);

    log_end(&p.log, call, thrum_promise_fail(&p.promise, -EIO), 0);
    return 0;
}

static int promise_drop(void *arg)
{
    uint32_t call = log_begin(&p.log, LANE, PROMISE_DROP, 0);

    log_end(&p.log, call, thrum_promise_drop(&p.promise), 0);
    return 0;
}

static int promise(void *arg)
{
    (void)arg;
    memset(&p, 0, sizeof p);
    log_init(&p.log);
    thrum_promise_init(&p.promise, &p.value, sizeof p.value);
    DO(CREW(promise_wait, promise_wait, promise_set, promise_fail, promise_drop, promise_wait,
            cancel_1));
    DO(log_check(&p.log, model_promise));
    thrum_promise_destroy(&p.promise);
    return 0;
}

/* ---- selects --------------------------------------------------------------------------------- */

static struct {
    thrum_queue queues[2];
    thrum_sem sem;
    thrum_mutex mutex;
    thrum_event event;
    int64_t put, got; /* sums */
    int count;
    uint32_t free;
    bool other;
} se;

static int select_begin(size_t limit)
{
    thrum_queue_options options = THRUM_QUEUE_OPTIONS_INIT;

    memset(&se, 0, sizeof se);
    options.limit = limit;
    DO(thrum_queue_init(&se.queues[0], sizeof(int64_t), &options));
    return thrum_queue_init(&se.queues[1], sizeof(int64_t), &options);
}

static int select_end(void)
{
    int64_t item;

    for (int i = 0; i < 2; i++)
        while (thrum_queue_try_get(&se.queues[i], &item) == 0)
            se.got += item;
    EXPECT(se.got >= se.put, LOST);
    EXPECT(se.got <= se.put, TWICE);
    thrum_queue_destroy(&se.queues[0]);
    thrum_queue_destroy(&se.queues[1]);
    return 0;
}

static int select_get(void *arg)
{
    int64_t item = 0;
    thrum_case cases[] = {thrum_case_get(&se.queues[0], &item),
                          thrum_case_get(&se.queues[1], &item), thrum_case_after(thrum_ms(20))};
    int chosen = thrum_select(cases, 3, 0);

    (void)arg;
    if (chosen < 0)
        return chosen;
    se.got += chosen < 2 ? item : 0;
    return 0;
}

static int put_both(void *arg)
{
    (void)arg;
    AT(10);
    for (int i = 0; i < 2; i++) {
        int64_t item = i ? 100 : 1;

        se.put += item;
        DO(thrum_queue_try_put(&se.queues[i], &item));
    }
    return 0;
}

static int get_plainly(void *arg)
{
    int64_t item = 0;
    thrum_timeout timeout;
    int status;

    (void)arg;
    AT(2);
    DO(thrum_timeout_begin(&timeout, thrum_ms(20)));
    status = thrum_timeout_end(&timeout, thrum_queue_get(&se.queues[0], &item));
    se.got += status ? 0 : item;
    return status == THRUM_ETIMEOUT ? 0 : status;
}

static int select_queues(void *arg)
{
    (void)arg;
    DO(select_begin(4));
    DO(CREW(select_get, select_get, get_plainly, put_both, put_both, cancel_0_at_ten));
    return select_end();
}

/* Full queues, room in both at once. */
static int select_put(void *arg)
{
    int64_t item = 10 * LANE + 10;
    thrum_case cases[] = {thrum_case_put(&se.queues[0], &item),
                          thrum_case_put(&se.queues[1], &item), thrum_case_after(thrum_ms(20))};
    int chosen = thrum_select(cases, 3, 0);

    if (chosen < 0)
        return chosen;
    se.put += chosen < 2 ? item : 0;
    return 0;
}

static int get_both(void *arg)
{
    (void)arg;
    AT(10);
    for (int i = 0; i < 2; i++) {
        int64_t item;

        DO(thrum_queue_try_get(&se.queues[i], &item));
        se.got += item;
    }
    return 0;
}

static int select_room(void *arg)
{
    int64_t item = 1;

    (void)arg;
    DO(select_begin(1));
    for (int i = 0; i < 2; i++)
        DO(thrum_queue_try_put(&se.queues[i], &item));
    se.put = 2;
    DO(CREW(select_put, select_put, get_both, cancel_1_at_ten));
    return select_end();
}

/* Two permits, a mutex or an event, whatever is first; behind it others wait for the same. */
static int select_any(void *arg)
{
    thrum_case cases[] = {thrum_case_acquire(&se.sem, 2), thrum_case_lock(&se.mutex),
                          thrum_case_event(&se.event)};
    int chosen;

    (void)arg;
    AT(1);
    chosen = thrum_select(cases, 3, 0);
    if (chosen < 0)
        return chosen;
    se.count++;
    if (chosen == 0)
        se.free += 2;
    if (chosen == 1) {
        EXPECT(!se.other, INSIDE);
        thrum_mutex_unlock(&se.mutex);
    }
    return 0;
}

static int behind_permit(void *arg)
{
    (void)arg;
    AT(2);
    DO(thrum_sem_acquire(&se.sem, 1));
    se.free++;
    return 0;
}

static int behind_mutex(void *arg)
{
    (void)arg;
    AT(2);
    DO(thrum_mutex_lock(&se.mutex));
    se.other = true;
    thrum_point();
    se.other = false;
    thrum_mutex_unlock(&se.mutex);
    return 0;
}

static int let_go(void *arg)
{
    (void)arg;
    DO(thrum_mutex_lock(&se.mutex));
    AT(10);
    thrum_mutex_unlock(&se.mutex);
    return 0;
}

static int give_permits(void *arg)
{
    (void)arg;
    AT(10);
    DO(thrum_sem_release(&se.sem, 1));
    DO(thrum_sem_release(&se.sem, 2));
    return 0;
}

static int set_event(void *arg)
{
    (void)arg;
    AT(10);
    thrum_event_set(&se.event);
    return 0;
}

static int select_mixed(void *arg)
{
    (void)arg;
    memset(&se, 0, sizeof se);
    thrum_mutex_init(&se.mutex);
    thrum_event_init(&se.event);
    DO(thrum_sem_init(&se.sem, 0, 0));
    DO(CREW(let_go, select_any, behind_permit, behind_mutex, give_permits, set_event,
            cancel_1_at_ten));
    EXPECT(thrum_sem_permits(&se.sem) + se.free >= 3, LOST);
    EXPECT(thrum_sem_permits(&se.sem) + se.free <= 3, TWICE);
    EXPECT(!thrum_mutex_locked(&se.mutex), LEFT_OVER);
    EXPECT(se.count == 1 || crew.cancelled[1], LOST);
    thrum_mutex_destroy(&se.mutex);
    thrum_event_destroy(&se.event);
    thrum_sem_destroy(&se.sem);
    return 0;
}

/* The select wants more than there is, and goes for the event: the permit is for who is behind. */
static int select_two_or_event(void *arg)
{
    thrum_case cases[] = {thrum_case_acquire(&se.sem, 2), thrum_case_event(&se.event),
                          thrum_case_after(thrum_ms(12))};
    int64_t begin;
    int chosen;

    (void)arg;
    AT(1);
    chosen = thrum_select(cases, 3, 0);
    if (chosen < 0)
        return chosen;
    EXPECT(chosen == 1, WRONG);
    begin = thrum_now().ns;
    AT(5);
    EXPECT(thrum_now().ns - begin == thrum_ms(5), EARLY); /* its time is over with it */
    return 0;
}

static int give_one_permit(void *arg)
{
    (void)arg;
    AT(10);
    return thrum_sem_release(&se.sem, 1);
}

static int select_behind(void *arg)
{
    (void)arg;
    memset(&se, 0, sizeof se);
    thrum_event_init(&se.event);
    DO(thrum_sem_init(&se.sem, 0, 0));
    DO(CREW(behind_permit, select_two_or_event, give_one_permit, set_event));
    EXPECT(se.free == 1 && thrum_sem_permits(&se.sem) == 0, LOST);
    thrum_event_destroy(&se.event);
    thrum_sem_destroy(&se.sem);
    return 0;
}

/* ---- timeouts -------------------------------------------------------------------------------- */

/* The time is up just when it would have been there. */
static int sleep_until_its_end(void *arg)
{
    thrum_timeout timeout;
    int status;

    (void)arg;
    DO(thrum_timeout_begin(&timeout, thrum_ms(10)));
    status = thrum_timeout_end(&timeout, thrum_event_wait(&e.event));
    EXPECT(status == 0 || status == THRUM_ETIMEOUT, WRONG);
    EXPECT(status != THRUM_ETIMEOUT || thrum_timeout_expired(&timeout), WRONG);
    DO(thrum_sleep(thrum_ms(1))); /* it has no effect any more */
    return 0;
}

/* What was cancelled outside is not this timeout's. */
static int nested(void *arg)
{
    thrum_timeout outer, inner;
    int status;

    (void)arg;
    DO(thrum_timeout_begin(&outer, thrum_ms(10)));
    DO(thrum_timeout_begin(&inner, thrum_ms(10)));
    status = thrum_timeout_end(&inner, thrum_event_wait(&e.event));
    EXPECT(status == 0 || status == THRUM_ETIMEOUT || status == THRUM_ECANCELED, WRONG);
    EXPECT(status != THRUM_ECANCELED || thrum_timeout_expired(&outer), WRONG);
    EXPECT(status != THRUM_ETIMEOUT || !thrum_timeout_expired(&outer), WRONG);
    status = thrum_timeout_end(&outer, status);
    EXPECT(status == 0 || status == THRUM_ETIMEOUT, WRONG);
    DO(thrum_sleep(thrum_ms(1)));
    return 0;
}

/* It was given more time, if it had not expired. */
static int postponed(void *arg)
{
    int64_t begin = thrum_now().ns;
    thrum_timeout timeout;
    int status, moved;

    (void)arg;
    DO(thrum_timeout_begin(&timeout, thrum_ms(10)));
    status = thrum_sleep(thrum_ms(9));
    moved = thrum_timeout_reschedule(&timeout, thrum_ms(20));
    EXPECT(status || moved == 0, WRONG);
    status = thrum_timeout_end(&timeout, thrum_sleep(thrum_s(1)));
    EXPECT(status == THRUM_ETIMEOUT, WRONG);
    EXPECT(thrum_now().ns - begin == thrum_ms(29), EARLY);
    return 0;
}

static int timeout_tie(void *arg)
{
    (void)arg;
    thrum_event_init(&e.event);
    memset(&se, 0, sizeof se);
    DO(CREW(sleep_until_its_end, nested, sleep_until_its_end, postponed, nested, pulse));
    thrum_event_destroy(&e.event);
    return 0;
}

/* Sleeps and timeouts one after the other: none ends by what was meant for another. */
static int many_sleeps(void *arg)
{
    int64_t begin = thrum_now().ns;

    for (int i = 1; i <= 3; i++) {
        thrum_timeout timeout;
        int status;

        DO(thrum_timeout_begin(&timeout, thrum_ms(3)));
        status = thrum_timeout_end(&timeout, thrum_sleep(thrum_ms((LANE + (uint32_t)i) % 5)));
        EXPECT(status == 0 || status == THRUM_ETIMEOUT, WRONG);
        EXPECT((status == 0) <= ((LANE + (uint32_t)i) % 5 <= 3), WRONG);
        EXPECT((status != 0) <= ((LANE + (uint32_t)i) % 5 >= 3), WRONG);
        EXPECT(thrum_now().ns >= begin, WRONG);
        DO(thrum_sleep(thrum_ms(2)));
    }
    return 0;
}

static int timeout_row(void *arg)
{
    (void)arg;
    return CREW(many_sleeps, many_sleeps, many_sleeps);
}

/* A shield keeps a cancel for later, whether it comes before or while the task sleeps. */
static int shielded(void *arg)
{
    thrum_shield shield;
    int status;

    (void)arg;
    thrum_shield_begin(&shield);
    status = thrum_sleep(thrum_ms(10));
    EXPECT(status == 0, WRONG);
    status = thrum_sleep(thrum_ms(5));
    EXPECT(status == 0, WRONG);
    status = thrum_shield_end(&shield);
    EXPECT(status == THRUM_ECANCELED, LOST);
    EXPECT(thrum_sleep(thrum_ms(1)) == 0, TWICE); /* it is told once */
    return 0;
}

static int shield(void *arg)
{
    (void)arg;
    return CREW(shielded, shielded, cancel_0_at_ten, cancel_1);
}

const struct program programs_wait[] = {{"event_pulse", event_pulse},
                                        {"event_mix", event_mix},
                                        {"latch", latch},
                                        {"barrier_cancel", barrier_cancel},
                                        {"barrier_rounds", barrier_rounds},
                                        {"barrier_abort", barrier_abort},
                                        {"barrier_reset", barrier_reset},
                                        {"once", once},
                                        {"promise", promise},
                                        {"select_queues", select_queues},
                                        {"select_room", select_room},
                                        {"select_mixed", select_mixed},
                                        {"select_behind", select_behind},
                                        {"timeout_tie", timeout_tie},
                                        {"timeout_row", timeout_row},
                                        {"shield", shield},
                                        {NULL, NULL}};
