/*
 * sync_select_test.c - one of several things happens and of the others nothing,
 * whoever else waits for them. What happens at once is select_race_test.c's.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "racing.h"
#include "skipping.h"

/* ---- one thing of each kind ------------------------------------------------------------------ */

enum { TAKEN = 7, PUT = 5, WANTED = 2 };

static const enum thrum_case_kind kinds[] = {THRUM_CASE_GET,     THRUM_CASE_PUT,   THRUM_CASE_EVENT,
                                             THRUM_CASE_ACQUIRE, THRUM_CASE_LOCK,  THRUM_CASE_LATCH,
                                             THRUM_CASE_PROMISE, THRUM_CASE_ENDED, THRUM_CASE_FD,
                                             THRUM_CASE_READ,    THRUM_CASE_WRITE};

#define KINDS ((int)(sizeof kinds / sizeof kinds[0]))

/* Something to wait for that is not there yet. */
struct thing {
    enum thrum_case_kind kind;
    thrum_queue queue;
    thrum_event event;
    thrum_sem sem;
    thrum_mutex mutex;
    thrum_latch latch;
    thrum_promise promise;
    thrum_rwlock rwlock;
    int pipe[2];
    thrum_task *task; /* has the lock, or is the one that is waited for */
    thrum_event end;  /* and ends, or unlocks it, after this */
    thrum_event locked;
    int value; /* the promise's */
    int item;  /* where the case writes, or reads */
};

static int hold_mutex(void *arg)
{
    struct thing *thing = arg;

    CHECK_EQ(thrum_mutex_lock(&thing->mutex), 0);
    thrum_event_set(&thing->locked);
    CHECK_EQ(thrum_event_wait(&thing->end), 0);
    thrum_mutex_unlock(&thing->mutex);
    return 0;
}

static int hold_rwlock(void *arg)
{
    struct thing *thing = arg;

    CHECK_EQ(thrum_rwlock_write(&thing->rwlock), 0);
    thrum_event_set(&thing->locked);
    CHECK_EQ(thrum_event_wait(&thing->end), 0);
    thrum_rwlock_write_unlock(&thing->rwlock);
    return 0;
}

/* One byte, or -1. Out of line: errno is that of the thread it runs on. */
static __attribute__((noinline)) int try_read(int fd)
{
    unsigned char byte;
    ssize_t got = read(fd, &byte, 1);

    CHECK(got == 1 || (got == -1 && errno == EAGAIN));
    return got == 1 ? byte : -1;
}

static __attribute__((noinline)) void write_byte(int fd, unsigned char byte)
{
    CHECK_EQ(write(fd, &byte, 1), 1);
}

static int wait_for_end(void *arg)
{
    return thrum_event_wait(&((struct thing *)arg)->end);
}

static void set_up(struct thing *thing, enum thrum_case_kind kind, thrum_group *group)
{
    thrum_queue_options one = THRUM_QUEUE_OPTIONS_INIT;

    one.limit = 1;
    memset(thing, 0, sizeof *thing);
    thing->kind = kind;
    thing->item = kind == THRUM_CASE_PUT ? PUT : -1;
    thrum_event_init(&thing->event);
    thrum_event_init(&thing->end);
    thrum_event_init(&thing->locked);
    thrum_mutex_init(&thing->mutex);
    thrum_latch_init(&thing->latch, 1);
    thrum_promise_init(&thing->promise, &thing->value, sizeof thing->value);
    CHECK_EQ(thrum_sem_init(&thing->sem, 0, 0), 0);
    CHECK_EQ(thrum_queue_init(&thing->queue, sizeof(int), &one), 0);
    if (kind == THRUM_CASE_PUT)
        CHECK_EQ(thrum_queue_put(&thing->queue, &(int){TAKEN}), 0);
    if (kind == THRUM_CASE_LOCK) {
        CHECK_EQ(thrum_group_spawn(group, hold_mutex, thing, NULL, &thing->task), 0);
        CHECK_EQ(thrum_event_wait(&thing->locked), 0);
    } else if (kind == THRUM_CASE_READ || kind == THRUM_CASE_WRITE) {
        CHECK_EQ(thrum_group_spawn(group, hold_rwlock, thing, NULL, &thing->task), 0);
        CHECK_EQ(thrum_event_wait(&thing->locked), 0);
    } else if (kind == THRUM_CASE_FD) {
        CHECK_EQ(pipe2(thing->pipe, O_NONBLOCK | O_CLOEXEC), 0);
    } else if (kind == THRUM_CASE_ENDED) {
        CHECK_EQ(thrum_group_spawn(group, wait_for_end, thing, NULL, &thing->task), 0);
    }
}

static thrum_case case_of(struct thing *thing)
{
    switch (thing->kind) {
    case THRUM_CASE_GET:
        return thrum_case_get(&thing->queue, &thing->item);
    case THRUM_CASE_PUT:
        return thrum_case_put(&thing->queue, &thing->item);
    case THRUM_CASE_EVENT:
        return thrum_case_event(&thing->event);
    case THRUM_CASE_ACQUIRE:
        return thrum_case_acquire(&thing->sem, WANTED);
    case THRUM_CASE_LOCK:
        return thrum_case_lock(&thing->mutex);
    case THRUM_CASE_LATCH:
        return thrum_case_latch(&thing->latch);
    case THRUM_CASE_PROMISE:
        return thrum_case_promise(&thing->promise, &thing->item);
    case THRUM_CASE_FD:
        return thrum_case_fd(thing->pipe[0], THRUM_FD_READ);
    case THRUM_CASE_READ:
        return thrum_case_read(&thing->rwlock);
    case THRUM_CASE_WRITE:
        return thrum_case_write(&thing->rwlock);
    default:
        return thrum_case_ended(thing->task);
    }
}

/* It is there now, or is about to be. */
static void make_ready(struct thing *thing)
{
    int item;

    switch (thing->kind) {
    case THRUM_CASE_GET:
        CHECK_EQ(thrum_queue_try_put(&thing->queue, &(int){TAKEN}), 0);
        break;
    case THRUM_CASE_PUT:
        CHECK_EQ(thrum_queue_try_get(&thing->queue, &item), 0);
        CHECK_EQ(item, TAKEN);
        break;
    case THRUM_CASE_EVENT:
        thrum_event_set(&thing->event);
        break;
    case THRUM_CASE_ACQUIRE:
        CHECK_EQ(thrum_sem_release(&thing->sem, 1), 0);
        CHECK_EQ(thrum_sem_release(&thing->sem, 1), 0);
        break;
    case THRUM_CASE_LATCH:
        CHECK_EQ(thrum_latch_count_down(&thing->latch, 1), 0);
        break;
    case THRUM_CASE_PROMISE:
        CHECK_EQ(thrum_promise_set(&thing->promise, &(int){TAKEN}), 0);
        break;
    case THRUM_CASE_FD:
        write_byte(thing->pipe[1], TAKEN);
        break;
    default:
        thrum_event_set(&thing->end);
    }
}

static void make_ready_for_sure(struct thing *thing)
{
    make_ready(thing);
    if (thing->task)
        while (!thrum_task_ended(thing->task, NULL))
            CHECK_EQ(thrum_yield(), 0);
}

/* What the case that is chosen says. */
static int result_of(const struct thing *thing)
{
    return thing->kind == THRUM_CASE_FD ? THRUM_FD_READ : 0;
}

/* It was chosen. */
static void check_taken(struct thing *thing)
{
    int item;

    switch (thing->kind) {
    case THRUM_CASE_GET:
        CHECK_EQ(thing->item, TAKEN);
        CHECK_EQ(thrum_queue_count(&thing->queue), 0);
        break;
    case THRUM_CASE_PUT:
        CHECK_EQ(thrum_queue_try_get(&thing->queue, &item), 0);
        CHECK_EQ(item, PUT);
        break;
    case THRUM_CASE_ACQUIRE:
        CHECK_EQ(thrum_sem_permits(&thing->sem), 0);
        break;
    case THRUM_CASE_LOCK:
        CHECK_EQ(thrum_mutex_trylock(&thing->mutex), -EBUSY);
        thrum_mutex_unlock(&thing->mutex); /* it is ours */
        CHECK(!thrum_mutex_locked(&thing->mutex));
        break;
    case THRUM_CASE_READ:
        CHECK_EQ(thrum_rwlock_try_write(&thing->rwlock), -EBUSY);
        thrum_rwlock_read_unlock(&thing->rwlock); /* it is ours */
        CHECK_EQ(thing->rwlock.state, 0);
        break;
    case THRUM_CASE_WRITE:
        CHECK_EQ(thrum_rwlock_try_read(&thing->rwlock), -EBUSY);
        thrum_rwlock_write_unlock(&thing->rwlock);
        CHECK_EQ(thing->rwlock.state, 0);
        break;
    case THRUM_CASE_PROMISE:
        CHECK_EQ(thing->item, TAKEN);
        break;
    case THRUM_CASE_FD:
        CHECK_EQ(try_read(thing->pipe[0]), TAKEN); /* it was not read */
        break;
    default:
        break;
    }
}

/* It was not chosen, whether it is there or not: nobody stands in its line, nothing was taken. */
static void check_untouched(struct thing *thing, bool ready)
{
    int item;

    CHECK(thing->kind == THRUM_CASE_LOCK || !thing->mutex.first);
    switch (thing->kind) {
    case THRUM_CASE_GET:
        CHECK_EQ(thing->item, -1);
        CHECK_EQ(thrum_queue_count(&thing->queue), ready);
        break;
    case THRUM_CASE_PUT:
        CHECK_EQ(thrum_queue_count(&thing->queue), !ready);
        if (!ready) {
            CHECK_EQ(thrum_queue_try_get(&thing->queue, &item), 0);
            CHECK_EQ(item, TAKEN);
            CHECK_EQ(thrum_queue_count(&thing->queue), 0); /* nobody waited to put */
        }
        break;
    case THRUM_CASE_ACQUIRE:
        CHECK_EQ(thrum_sem_permits(&thing->sem), ready ? WANTED : 0);
        CHECK_EQ(thrum_sem_release(&thing->sem, 1), 0);
        CHECK(!thrum_sem_locked(&thing->sem)); /* nobody waits for more */
        break;
    case THRUM_CASE_LOCK:
        CHECK_EQ(thrum_mutex_locked(&thing->mutex), !ready);
        break;
    case THRUM_CASE_READ:
    case THRUM_CASE_WRITE:
        CHECK_EQ(thing->rwlock.state == 0, ready);
        break;
    case THRUM_CASE_FD:
        CHECK_EQ(try_read(thing->pipe[0]), ready ? TAKEN : -1);
        break;
    case THRUM_CASE_PROMISE:
        CHECK_EQ(thing->item, -1);
        break;
    default:
        break;
    }
}

static void tear_down(struct thing *thing)
{
    thrum_event_set(&thing->end);
    if (thing->task) {
        CHECK_EQ(thrum_task_join(thing->task, NULL), 0);
        thrum_task_unref(thing->task);
    }
    thrum_queue_destroy(&thing->queue);
    thrum_event_destroy(&thing->event);
    thrum_event_destroy(&thing->end);
    thrum_event_destroy(&thing->locked);
    thrum_sem_destroy(&thing->sem);
    thrum_mutex_destroy(&thing->mutex);
    thrum_rwlock_destroy(&thing->rwlock);
    thrum_latch_destroy(&thing->latch);
    thrum_promise_destroy(&thing->promise);
    if (thing->kind == THRUM_CASE_FD) {
        CHECK_EQ(close(thing->pipe[0]), 0);
        CHECK_EQ(close(thing->pipe[1]), 0);
    }
}

static int make_ready_later(void *arg)
{
    thrum_yield();
    make_ready(arg);
    return 0;
}

/* ---- alone ----------------------------------------------------------------------------------- */

static int each_alone(void *arg)
{
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int kind = 0; kind < KINDS; kind++)
        for (int waits = 0; waits < 2; waits++) {
            struct thing thing;
            thrum_case one;

            set_up(&thing, kinds[kind], &group);
            one = case_of(&thing);
            one.result = 1;
            if (waits)
                CHECK_EQ(thrum_group_spawn(&group, make_ready_later, &thing, NULL, NULL), 0);
            else
                make_ready_for_sure(&thing);
            CHECK_EQ(thrum_select(&one, 1, 0), 0);
            CHECK_EQ(one.result, result_of(&thing));
            check_taken(&thing);
            tear_down(&thing);
        }
    return thrum_group_close(&group, 0, NULL);
}

TEST(each_kind_alone)
{
    run_everywhere(each_alone, NULL);
}

/* ---- in pairs -------------------------------------------------------------------------------- */

static void pair(thrum_group *group, enum thrum_case_kind a, enum thrum_case_kind b, int way)
{
    struct thing things[2];
    thrum_case cases[3];
    size_t n = 2;
    int chosen;

    set_up(&things[0], a, group);
    set_up(&things[1], b, group);
    cases[0] = case_of(&things[0]);
    cases[1] = case_of(&things[1]);
    switch (way) {
    case 0: /* none */
        cases[n++] = thrum_case_now();
        CHECK_EQ(thrum_select(cases, n, 0), 2);
        check_untouched(&things[0], false);
        check_untouched(&things[1], false);
        break;
    case 1: /* the one or the other */
    case 2:
        make_ready_for_sure(&things[way - 1]);
        CHECK_EQ(thrum_select(cases, n, 0), way - 1);
        check_taken(&things[way - 1]);
        check_untouched(&things[2 - way], false);
        break;
    case 3: /* both: the first in order */
    case 4: /* both: any */
        make_ready_for_sure(&things[0]);
        make_ready_for_sure(&things[1]);
        chosen = thrum_select(cases, n, way == 3 ? THRUM_SELECT_ORDERED : 0);
        CHECK(chosen == 0 || (way == 4 && chosen == 1));
        check_taken(&things[chosen]);
        check_untouched(&things[1 - chosen], true);
        break;
    case 5: /* one later */
    case 6:
        CHECK_EQ(thrum_group_spawn(group, make_ready_later, &things[way - 5], NULL, NULL), 0);
        CHECK_EQ(thrum_select(cases, n, 0), way - 5);
        check_taken(&things[way - 5]);
        check_untouched(&things[6 - way], false);
        break;
    default: /* neither, in time */
        cases[n++] = thrum_case_after(1000);
        CHECK_EQ(thrum_select(cases, n, 0), 2);
        CHECK_LE(cases[2].when, thrum_now().ns);
        check_untouched(&things[0], false);
        check_untouched(&things[1], false);
    }
    tear_down(&things[0]);
    tear_down(&things[1]);
}

static int each_pair(void *arg)
{
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int a = 0; a < KINDS; a++)
        for (int b = 0; b < KINDS; b++)
            for (int way = 0; way <= 7; way++)
                pair(&group, kinds[a], kinds[b], way);
    return thrum_group_close(&group, 0, NULL);
}

TEST(each_pair_of_kinds)
{
    run_everywhere(each_pair, NULL);
}

/* ---- cancels --------------------------------------------------------------------------------- */

struct all_kinds {
    struct thing things[KINDS];
    thrum_case cases[KINDS + 1];
    bool shielded;
    uint32_t begun; /* atomic */
    int status;
};

static int select_all(void *arg)
{
    struct all_kinds *all = arg;
    thrum_shield shield;

    if (all->shielded)
        thrum_shield_begin(&shield);
    store_release(&all->begun, 1);
    all->status = thrum_select(all->cases, KINDS + 1, 0);
    if (all->shielded)
        CHECK_EQ(thrum_shield_end(&shield), THRUM_ECANCELED);
    return all->status < 0 ? all->status : 0;
}

static void begin_all(struct all_kinds *all, thrum_group *group, thrum_task **task)
{
    for (int i = 0; i < KINDS; i++) {
        set_up(&all->things[i], kinds[i], group);
        all->cases[i] = case_of(&all->things[i]);
        all->cases[i].result = 1;
    }
    all->cases[KINDS] = thrum_case_after(thrum_s(1000000));
    all->status = -1;
    CHECK_EQ(thrum_group_spawn(group, select_all, all, NULL, task), 0);
    while (!load_acquire(&all->begun))
        CHECK_EQ(thrum_yield(), 0);
    for (int i = 0; i < 20; i++) /* it most often sleeps then */
        CHECK_EQ(thrum_yield(), 0);
}

static int cancelled(void *arg)
{
    struct all_kinds all = {.shielded = false};
    thrum_group group;
    thrum_task *task;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, collecting()), 0);
    begin_all(&all, &group, &task);
    CHECK(thrum_task_cancel(task, 0, NULL));
    CHECK_EQ(thrum_task_join(task, NULL), 0);
    CHECK_EQ(all.status, THRUM_ECANCELED);
    for (int i = 0; i < KINDS; i++) {
        CHECK_EQ(all.cases[i].result, 1);
        check_untouched(&all.things[i], false);
        tear_down(&all.things[i]);
    }
    thrum_task_unref(task);
    return thrum_group_close(&group, 0, NULL);
}

TEST(a_cancel_ends_it_and_nothing_has_happened)
{
    run_everywhere(cancelled, NULL);
}

/* The cancel wakes it, and is not for it: it sleeps on, in all its lines. */
static int woken_for_nobody(void *arg)
{
    (void)arg;
    for (int i = 0; i < KINDS; i++) {
        struct all_kinds all = {.shielded = true};
        thrum_group group;
        thrum_task *task;

        CHECK_EQ(thrum_group_open(&group, collecting()), 0);
        begin_all(&all, &group, &task);
        CHECK(thrum_task_cancel(task, 0, NULL));
        if (i % 2)
            CHECK_EQ(thrum_yield(), 0);
        make_ready(&all.things[i]);
        CHECK_EQ(thrum_task_join(task, NULL), 0);
        CHECK_EQ(all.status, i);
        CHECK_EQ(all.cases[i].result, result_of(&all.things[i]));
        for (int k = 0; k < KINDS; k++) {
            if (k == i && kinds[k] == THRUM_CASE_LOCK)
                all.things[k].mutex.state = 0; /* its owner has ended and kept it */
            else if (k == i && kinds[k] == THRUM_CASE_WRITE)
                all.things[k].rwlock.state = 0; /* likewise */
            else if (k == i)
                check_taken(&all.things[k]);
            else
                check_untouched(&all.things[k], false);
            tear_down(&all.things[k]);
        }
        thrum_task_unref(task);
        CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    }
    return 0;
}

TEST(a_cancel_that_is_not_for_it_changes_nothing)
{
    run_everywhere(woken_for_nobody, NULL);
}

/* One that was cancelled before: what is ready is taken, else it is told. */
static int cancelled_before(void *arg)
{
    thrum_event event = THRUM_EVENT_INIT;
    thrum_case cases[2];
    thrum_scope scope;

    (void)arg;
    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    thrum_scope_cancel(&scope, 0, NULL);
    cases[0] = thrum_case_event(&event);
    cases[1] = thrum_case_now();
    CHECK_EQ(thrum_select(cases, 2, 0), 1);
    CHECK_EQ(thrum_select(cases, 1, 0), THRUM_ECANCELED);
    thrum_event_set(&event);
    CHECK_EQ(thrum_select(cases, 1, 0), 0);
    return thrum_scope_end(&scope, 0);
}

TEST(it_is_told_of_a_cancel_if_it_must_wait)
{
    run_everywhere(cancelled_before, NULL);
}

/* ---- which of several ------------------------------------------------------------------------ */

/* Three of six are ready: each is chosen as often as the others, wherever it stands. */
static int fair(void *arg)
{
    enum { ROUNDS = 3000 };
    thrum_event set = THRUM_EVENT_INIT;
    thrum_event never = THRUM_EVENT_INIT;
    thrum_latch open = THRUM_LATCH_INIT(0);
    thrum_sem sem = THRUM_SEM_INIT(1);
    thrum_case cases[] = {thrum_case_event(&never),    thrum_case_event(&set),
                          thrum_case_latch(&open),     thrum_case_event(&never),
                          thrum_case_event(&never),    thrum_case_acquire(&sem, 1),
                          thrum_case_at(thrum_never())};
    int times[7] = {0};

    (void)arg;
    thrum_event_set(&set);
    for (int i = 0; i < ROUNDS; i++) {
        int chosen = thrum_select(cases, 7, 0);

        times[chosen]++;
        if (chosen == 5)
            CHECK_EQ(thrum_sem_release(&sem, 1), 0);
    }
    CHECK_EQ(times[1] + times[2] + times[5], ROUNDS);
    CHECK_LE(ROUNDS / 4, times[1]);
    CHECK_LE(ROUNDS / 4, times[2]);
    CHECK_LE(ROUNDS / 4, times[5]);
    for (int i = 0; i < ROUNDS; i++)
        CHECK_EQ(thrum_select(cases, 7, THRUM_SELECT_ORDERED), 1);
    return 0;
}

TEST(each_that_is_ready_has_the_same_chance)
{
    run_everywhere(fair, NULL);
}

/* The order of the array, for each set of those that are ready. */
static int ordered(void *arg)
{
    (void)arg;
    for (unsigned set = 1; set < 16; set++) {
        thrum_event events[4];
        thrum_case cases[4];

        for (int i = 0; i < 4; i++) {
            thrum_event_init(&events[i]);
            cases[i] = thrum_case_event(&events[i]);
            if (set >> i & 1)
                thrum_event_set(&events[i]);
        }
        CHECK_EQ(thrum_select(cases, 4, THRUM_SELECT_ORDERED), __builtin_ctz(set));
        CHECK(set >> thrum_select(cases, 4, 0) & 1);
    }
    return 0;
}

TEST(in_order_the_first_one_is_chosen)
{
    run_everywhere(ordered, NULL);
}

/* ---- time ------------------------------------------------------------------------------------ */

static int times(void *arg)
{
    thrum_event event = THRUM_EVENT_INIT;
    thrum_time start = thrum_now();
    thrum_case cases[] = {thrum_case_at(thrum_never()), thrum_case_event(&event),
                          thrum_case_at(thrum_later(start, thrum_s(3600))),
                          thrum_case_at(thrum_later(start, thrum_ms(1))), thrum_case_now()};

    (void)arg;
    CHECK_EQ(thrum_select(cases, 4, 0), 3); /* the earlier one */
    CHECK_LE(start.ns + thrum_ms(1), thrum_now().ns);
    CHECK_EQ(skip(thrum_s(3600)), 0);
    CHECK_EQ(thrum_select(&cases[1], 2, 0), 1);
    CHECK_LE(start.ns + thrum_s(3600), thrum_now().ns);
    CHECK_EQ(thrum_select(cases, 5, THRUM_SELECT_ORDERED), 2); /* both are past */
    CHECK_EQ(thrum_select(&cases[2], 1, 0), 0);
    CHECK_EQ(cases[2].result, 0);
    cases[2] = thrum_case_after(thrum_s(1000000));
    CHECK_EQ(thrum_select(&cases[4], 1, 0), 0);
    thrum_event_set(&event);
    CHECK_EQ(thrum_select(cases, 3, 0), 1);
    /* One that is long past takes its turn among the others. */
    cases[2] = thrum_case_after(-1);
    for (int chosen[2] = {0, 0}; chosen[0] == 0 || chosen[1] == 0;)
        chosen[thrum_select(&cases[1], 2, 0)]++;
    return 0;
}

TEST(a_point_in_time)
{
    run_everywhere(times, NULL);
}

/* Nothing of a time that was not chosen is left: later sleeps end at theirs. */
static int called_off(void *arg)
{
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < many(2000); i++) {
        struct thing thing;
        thrum_case cases[2];
        thrum_time when;

        set_up(&thing, THRUM_CASE_EVENT, &group);
        cases[0] = case_of(&thing);
        cases[1] = thrum_case_after(thrum_us(i % 7));
        CHECK_EQ(thrum_group_spawn(&group, make_ready_later, &thing, NULL, NULL), 0);
        CHECK_LE(0, thrum_select(cases, 2, 0));
        when = thrum_in(thrum_us(5));
        CHECK_EQ(thrum_sleep_until(when), 0);
        CHECK_LE(when.ns, thrum_now().ns);
        CHECK_EQ(thrum_event_wait(&thing.event), 0);
        tear_down(&thing);
    }
    return thrum_group_close(&group, 0, NULL);
}

TEST(a_time_that_was_not_chosen_is_called_off)
{
    run_everywhere(called_off, NULL);
}

/* ---- results --------------------------------------------------------------------------------- */

static int shut_down_later(void *queue)
{
    thrum_yield();
    thrum_queue_shutdown(queue, false);
    return 0;
}

static int shut_down(void *arg)
{
    thrum_queue_options one = THRUM_QUEUE_OPTIONS_INIT;
    thrum_event never = THRUM_EVENT_INIT;

    (void)arg;
    one.limit = 1;
    for (int way = 0; way < 4; way++) {
        thrum_queue queue;
        thrum_group group;
        thrum_case cases[2];
        int item = -1;

        CHECK_EQ(thrum_queue_init(&queue, sizeof(int), &one), 0);
        CHECK_EQ(thrum_group_open(&group, NULL), 0);
        if (way & 1)
            CHECK_EQ(thrum_queue_put(&queue, &(int){1}), 0);
        cases[0] = way & 1 ? thrum_case_put(&queue, &item) : thrum_case_get(&queue, &item);
        cases[1] = thrum_case_event(&never);
        if (way & 2)
            thrum_queue_shutdown(&queue, false);
        else
            CHECK_EQ(thrum_group_spawn(&group, shut_down_later, &queue, NULL, NULL), 0);
        CHECK_EQ(thrum_select(cases, 2, 0), 0);
        CHECK_EQ(cases[0].result, THRUM_ESHUTDOWN);
        CHECK_EQ(item, -1);
        if (way & 1) { /* what is left is still got */
            cases[0] = thrum_case_get(&queue, &item);
            CHECK_EQ(thrum_select(cases, 2, 0), 0);
            CHECK_EQ(cases[0].result, 0);
            CHECK_EQ(item, 1);
        }
        CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
        thrum_queue_destroy(&queue);
    }
    return 0;
}

TEST(a_queue_that_is_shut_down_is_chosen_and_says_so)
{
    run_everywhere(shut_down, NULL);
}

static int break_later(void *promise)
{
    thrum_yield();
    CHECK_EQ(thrum_promise_drop(promise), 0);
    return 0;
}

static int fail(void *arg)
{
    (void)arg;
    thrum_yield();
    return -EIO;
}

static int failures(void *arg)
{
    thrum_event never = THRUM_EVENT_INIT;
    int value;
    int item = -1;
    thrum_promise promise = THRUM_PROMISE_INIT(&value, sizeof value);
    thrum_outcome outcome;
    thrum_error *errors;
    thrum_group group;
    thrum_task *task;
    thrum_case cases[2];

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, collecting()), 0);
    CHECK_EQ(thrum_group_spawn(&group, break_later, &promise, NULL, NULL), 0);
    cases[0] = thrum_case_event(&never);
    cases[1] = thrum_case_promise(&promise, &item);
    CHECK_EQ(thrum_select(cases, 2, 0), 1);
    CHECK_EQ(cases[1].result, THRUM_EBROKEN);
    CHECK_EQ(item, -1);
    CHECK_EQ(thrum_select(cases, 2, 0), 1);
    CHECK_EQ(cases[1].result, THRUM_EBROKEN);
    CHECK_EQ(thrum_group_spawn(&group, fail, NULL, NULL, &task), 0);
    cases[1] = thrum_case_ended(task);
    CHECK_EQ(thrum_select(cases, 2, 0), 1);
    CHECK_EQ(cases[1].result, -EIO);
    CHECK(thrum_task_outcome(task, &outcome));
    CHECK_EQ(outcome.kind, THRUM_FAILED);
    thrum_error_free(outcome.error);
    thrum_task_unref(task);
    CHECK_EQ(thrum_group_close(&group, 0, &errors), THRUM_EGROUP);
    thrum_error_free(errors);
    return 0;
}

TEST(a_broken_promise_and_a_failed_task_are_chosen_and_say_so)
{
    run_everywhere(failures, NULL);
}

/* A queue without a limit has always room, and grows. */
static int grows(void *arg)
{
    thrum_event never = THRUM_EVENT_INIT;
    thrum_queue queue;
    int item;

    (void)arg;
    CHECK_EQ(thrum_queue_init(&queue, sizeof(int), NULL), 0);
    for (int i = 0; i < 1000; i++) {
        thrum_case cases[] = {thrum_case_event(&never), thrum_case_put(&queue, &i)};

        CHECK_EQ(thrum_select(cases, 2, 0), 1);
    }
    for (int i = 0; i < 1000; i++) {
        thrum_case one = thrum_case_get(&queue, &item);

        CHECK_EQ(thrum_select(&one, 1, 0), 0);
        CHECK_EQ(item, i);
    }
    for (int i = 0; i < 16; i++)
        CHECK_EQ(thrum_queue_put(&queue, &i), 0);
    while (thrum_queue_count(&queue) < 1024 && thrum_queue_try_put(&queue, &item) == 0)
        continue;
    thrum_memory_fail_after(0); /* the ring is full */
    {
        thrum_case one = thrum_case_put(&queue, &item);

        CHECK_EQ(thrum_select(&one, 1, 0), 0);
        CHECK_EQ(one.result, -ENOMEM);
    }
    thrum_memory_fail_after(-1);
    CHECK_EQ(thrum_queue_count(&queue), 1024);
    thrum_queue_destroy(&queue);
    return 0;
}

TEST(a_queue_without_a_limit_has_always_room)
{
    CHECK_EQ(run_with(1, grows, NULL), 0);
}

/* ---- descriptors ----------------------------------------------------------------------------- */

/* What thrum_fd_wait would return, the case says; it is ready then. */
static int descriptor_results(void *arg)
{
    char name[] = "/tmp/sync_select_test_XXXXXX";
    thrum_event never = THRUM_EVENT_INIT;
    int file = mkstemp(name);
    int sockets[2];

    (void)arg;
    CHECK_LE(0, file);
    CHECK_EQ(unlink(name), 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sockets), 0);
    write_byte(sockets[0], 1);
    for (int twice = 0; twice < 2; twice++) {
        struct {
            int fd;
            unsigned events;
            int result;
        } want[] = {{-1, THRUM_FD_READ, -EBADF},
                    {1 << 20, THRUM_FD_READ, -EBADF},
                    {file, THRUM_FD_READ, -EPERM},
                    {sockets[0], THRUM_FD_READ | THRUM_FD_WRITE, THRUM_FD_WRITE},
                    {sockets[1], THRUM_FD_READ | THRUM_FD_WRITE, THRUM_FD_READ | THRUM_FD_WRITE},
                    {sockets[1], THRUM_FD_READ, THRUM_FD_READ}};

        for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
            thrum_case cases[] = {thrum_case_event(&never),
                                  thrum_case_fd(want[i].fd, want[i].events), thrum_case_now()};

            CHECK_EQ(thrum_select(cases, 3, THRUM_SELECT_ORDERED), 1);
            CHECK_EQ(cases[1].result, want[i].result);
            CHECK_EQ(thrum_select(cases, 2, 0), 1);
            CHECK_EQ(cases[1].result, want[i].result);
        }
    }
    CHECK_EQ(close(sockets[0]), 0);
    CHECK_EQ(close(sockets[1]), 0);
    CHECK_EQ(close(file), 0);
    for (int i = 0; i < 2; i++) { /* it was a descriptor once */
        thrum_case one = thrum_case_fd(sockets[i], THRUM_FD_WRITE);

        CHECK_EQ(thrum_select(&one, 1, 0), 0);
        CHECK_EQ(one.result, -EBADF);
    }
    for (unsigned events = 0; events < 8; events += 4) {
        thrum_case one = thrum_case_fd(0, events);

        CHECK_EQ(thrum_select(&one, 1, 0), -EINVAL);
    }
    return 0;
}

TEST(a_case_of_a_descriptor_says_what_a_wait_would)
{
    run_everywhere(descriptor_results, NULL);
}

struct listener {
    int fd;
    thrum_event *stop;
    int chosen;
    int result;
    uint32_t *ended; /* atomic */
};

static int select_or_stop(void *arg)
{
    struct listener *listener = arg;
    thrum_case cases[] = {thrum_case_fd(listener->fd, THRUM_FD_READ),
                          thrum_case_event(listener->stop)};

    listener->chosen = thrum_select(cases, 2, 0);
    listener->result = cases[0].result;
    add_acq_rel(listener->ended, 1);
    return 0;
}

static int wait_alone(void *arg)
{
    struct listener *listener = arg;

    listener->result = thrum_fd_wait(listener->fd, THRUM_FD_READ);
    add_acq_rel(listener->ended, 1);
    return 0;
}

/* Two selects and a wait on one descriptor: it closes, or becomes ready for all, or never does. */
static int told_together(void *arg)
{
    (void)arg;
    for (int round = 0; round < many(600); round++) {
        int way = round % 3;
        thrum_event stop = THRUM_EVENT_INIT;
        uint32_t ended = 0;
        struct listener all[3];
        int fds[2], want = way == 0 ? -EBADF : THRUM_FD_READ;
        thrum_group group;

        CHECK_EQ(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
        CHECK_EQ(thrum_group_open(&group, NULL), 0);
        for (int i = 0; i < 3; i++) {
            all[i] = (struct listener){fds[0], &stop, -1, 0, &ended};
            CHECK_EQ(thrum_group_spawn(&group, i == 1 ? wait_alone : select_or_stop, &all[i], NULL,
                                       NULL),
                     0);
        }
        maybe_yield((uint64_t)round >> 2);
        if (way == 2) {
            thrum_event_set(&stop);
            while (load_acquire(&ended) < 2)
                CHECK_EQ(thrum_yield(), 0);
        }
        while (way == 0 && load_acquire(&ended) < 3) {
            thrum_fd_closing(fds[0]); /* whether a task waits yet nobody can tell */
            CHECK_EQ(thrum_yield(), 0);
        }
        if (way != 0)
            write_byte(fds[1], 1);
        CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
        CHECK_EQ(all[1].result, want);
        for (int i = 0; i < 3; i += 2) {
            CHECK_EQ(all[i].chosen, way == 2);
            CHECK_EQ(all[i].result, way == 2 ? 0 : want);
        }
        CHECK_EQ(try_read(fds[0]), way == 0 ? -1 : 1);
        CHECK_EQ(close(fds[0]), 0);
        CHECK_EQ(close(fds[1]), 0);
    }
    return 0;
}

TEST(all_who_select_a_descriptor_are_told)
{
    run_everywhere(told_together, NULL);
}

static int warm_select(void *arg)
{
    thrum_event never = THRUM_EVENT_INIT;
    int fds[2];

    (void)arg;
    CHECK_EQ(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    for (int i = 0; i < 200; i++) {
        thrum_case cases[] = {thrum_case_event(&never), thrum_case_fd(fds[0], THRUM_FD_READ),
                              thrum_case_after(i % 2 ? 1000 : thrum_s(1000000))};

        if (i % 2 == 0)
            write_byte(fds[1], 1);
        if (i == 100)
            no_allocation_begin();
        CHECK_EQ(thrum_select(cases, 3, 0), i % 2 ? 2 : 1);
        CHECK_EQ(try_read(fds[0]), i % 2 ? -1 : 1);
    }
    no_allocation_end();
    CHECK_EQ(close(fds[0]), 0);
    CHECK_EQ(close(fds[1]), 0);
    return 0;
}

TEST(selects_of_a_descriptor_do_not_allocate)
{
    CHECK_EQ(run_with(1, warm_select, NULL), 0);
}

/* ---- readers and writers --------------------------------------------------------------------- */

struct library {
    thrum_rwlock locks[2];
    uint32_t readers[2]; /* atomic */
    uint32_t writers[2]; /* atomic */
    uint32_t visits;     /* atomic */
};

static int visit_library(void *arg)
{
    struct library *library = arg;

    for (int i = 0; i < 10; i++) {
        thrum_case cases[] = {
            thrum_case_read(&library->locks[0]), thrum_case_write(&library->locks[1]),
            thrum_case_write(&library->locks[0]), thrum_case_read(&library->locks[1])};
        int chosen = thrum_select(cases, 4, 0);
        int which = chosen == 1 || chosen == 3;

        CHECK_LE((unsigned)chosen, 3);
        CHECK_EQ(load_relaxed(&library->writers[which]), 0); /* relaxed: the lock orders it */
        if (chosen == 1 || chosen == 2) {
            CHECK_EQ(add_relaxed(&library->writers[which], 1), 0); /* relaxed: likewise */
            CHECK_EQ(load_relaxed(&library->readers[which]), 0);   /* relaxed: likewise */
        } else {
            add_relaxed(&library->readers[which], 1); /* relaxed: a counter */
        }
        if (i % 3 == 0)
            thrum_yield();
        add_relaxed(&library->visits, 1); /* relaxed: a counter */
        if (chosen == 1 || chosen == 2) {
            add_relaxed(&library->writers[which], (uint32_t)-1); /* relaxed: likewise */
            thrum_rwlock_write_unlock(&library->locks[which]);
        } else {
            add_relaxed(&library->readers[which], (uint32_t)-1); /* relaxed: likewise */
            thrum_rwlock_read_unlock(&library->locks[which]);
        }
    }
    return 0;
}

static int libraries(void *arg)
{
    struct library library = {.locks = {THRUM_RWLOCK_INIT, THRUM_RWLOCK_INIT}};

    (void)arg;
    crowd(many(2000), visit_library, &library);
    CHECK_EQ(library.visits, 10 * many(2000));
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(library.locks[i].state, 0);
        thrum_rwlock_destroy(&library.locks[i]);
    }
    return 0;
}

TEST(readers_and_writers_enter_by_the_lock_that_is_free)
{
    run_everywhere(libraries, NULL);
}

/* A writer who selects stands before the readers behind; if it goes, they come in. */
static int select_to_write(void *arg)
{
    struct thing *thing = arg;
    thrum_case cases[] = {thrum_case_write(&thing->rwlock), thrum_case_event(&thing->event)};
    int chosen = thrum_select(cases, 2, 0);

    thing->item = chosen;
    if (chosen == 0)
        thrum_rwlock_write_unlock(&thing->rwlock);
    return 0;
}

static int writer_gives_up(void *arg)
{
    struct thing thing = {.rwlock = THRUM_RWLOCK_INIT, .event = THRUM_EVENT_INIT, .item = -1};
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_rwlock_read(&thing.rwlock), 0);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, select_to_write, &thing, NULL, NULL), 0);
    while (thrum_rwlock_try_read(&thing.rwlock) == 0) { /* until it stands in line */
        thrum_rwlock_read_unlock(&thing.rwlock);
        CHECK_EQ(thrum_yield(), 0);
    }
    thrum_event_set(&thing.event);
    CHECK_EQ(thrum_rwlock_read(&thing.rwlock), 0); /* whoever has gone lets us in */
    thrum_rwlock_read_unlock(&thing.rwlock);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(thing.item, 1);
    thrum_rwlock_read_unlock(&thing.rwlock);
    thrum_rwlock_destroy(&thing.rwlock);
    return 0;
}

TEST(a_writer_who_chooses_otherwise_lets_readers_in)
{
    run_everywhere(writer_gives_up, NULL);
}

/* ---- what is refused ------------------------------------------------------------------------- */

static int select_task(void *arg)
{
    thrum_case one = thrum_case_ended(arg);

    return thrum_select(&one, 1, 0);
}

struct handle {
    thrum_task *task;
    thrum_event known;
    int status;
    uint32_t ready; /* atomic */
    uint32_t asked; /* atomic */
};

static int nap(void *arg)
{
    (void)arg;
    return thrum_sleep(THRUM_FOREVER);
}

static int select_self(void *arg)
{
    struct handle *handle = arg;

    CHECK_EQ(thrum_event_wait(&handle->known), 0);
    handle->status = select_task(handle->task);
    return 0;
}

static int refused(void *arg)
{
    thrum_event event = THRUM_EVENT_INIT;
    thrum_sem sem = THRUM_SEM_INIT_BOUNDED(2);
    thrum_mutex mutex = THRUM_MUTEX_INIT;
    thrum_rwlock rwlock = THRUM_RWLOCK_INIT;
    struct handle handle = {NULL, THRUM_EVENT_INIT, 0, 0, 0};
    thrum_case cases[2];
    thrum_group group;

    (void)arg;
    thrum_event_set(&event);
    cases[0] = thrum_case_event(&event);
    CHECK_EQ(thrum_select(cases, 0, 0), -EINVAL);
    CHECK_EQ(thrum_select(cases, 1, 2), -EINVAL);
    CHECK_EQ(thrum_select(cases, (size_t)INT32_MAX + 1, 0), -EINVAL);
    cases[1] = cases[0];
    cases[1].kind = 0;
    CHECK_EQ(thrum_select(cases, 2, 0), -EINVAL);
    cases[1].kind = THRUM_CASE_WRITE + 1;
    CHECK_EQ(thrum_select(cases, 2, 0), -EINVAL);
    cases[1] = thrum_case_acquire(&sem, 0);
    CHECK_EQ(thrum_select(cases, 2, 0), -EINVAL);
    cases[1] = thrum_case_acquire(&sem, 3);
    CHECK_EQ(thrum_select(cases, 2, 0), -EINVAL);
    cases[1] = thrum_case_lock(&mutex);
    CHECK_EQ(thrum_mutex_lock(&mutex), 0);
    CHECK_EQ(thrum_select(cases, 2, 0), -EDEADLK);
    thrum_mutex_unlock(&mutex);
    CHECK_EQ(thrum_select(&cases[1], 1, 0), 0);
    thrum_mutex_unlock(&mutex);
    for (int i = 0; i < 2; i++) {
        cases[1] = i ? thrum_case_write(&rwlock) : thrum_case_read(&rwlock);
        CHECK_EQ(thrum_rwlock_write(&rwlock), 0);
        CHECK_EQ(thrum_select(cases, 2, 0), -EDEADLK);
        thrum_rwlock_write_unlock(&rwlock);
    }
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, select_self, &handle, NULL, &handle.task), 0);
    thrum_event_set(&handle.known);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(handle.status, -EDEADLK);
    CHECK_EQ(select_task(handle.task), 0); /* it has ended */
    thrum_task_unref(handle.task);
    return 0;
}

TEST(what_cannot_be_is_refused)
{
    run_everywhere(refused, NULL);
}

/* A task of one runtime, and who waits for it in another. */
static int wait_in_one(void *arg)
{
    struct handle *handle = arg;
    thrum_group group;
    int status;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, nap, NULL, NULL, &handle->task), 0);
    store_release(&handle->ready, 1);
    while (!load_acquire(&handle->asked))
        CHECK_EQ(thrum_sleep(thrum_us(50)), 0);
    thrum_task_cancel(handle->task, 0, NULL);
    status = thrum_group_close(&group, 0, NULL);
    thrum_task_unref(handle->task);
    return status;
}

static void *run_one(void *arg)
{
    CHECK_EQ(run_with(1, wait_in_one, arg), 0);
    return NULL;
}

static int select_foreign(void *arg)
{
    struct handle *handle = arg;

    while (!load_acquire(&handle->ready))
        CHECK_EQ(thrum_sleep(thrum_us(50)), 0);
    CHECK_EQ(select_task(handle->task), THRUM_EFOREIGN);
    store_release(&handle->asked, 1);
    return 0;
}

TEST(a_task_of_another_runtime_is_refused)
{
    struct handle handle = {NULL, THRUM_EVENT_INIT, 0, 0, 0};
    pthread_t thread;

    CHECK_EQ(pthread_create(&thread, NULL, run_one, &handle), 0);
    CHECK_EQ(run_with(1, select_foreign, &handle), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

TEST(outside_a_task_it_stops_the_process)
{
    thrum_case one = thrum_case_now();

    CHECK_DEATH(one.result = thrum_select(&one, 1, 0), "thrum_select was called outside a task");
}

/* ---- the same twice -------------------------------------------------------------------------- */

static int twice(void *arg)
{
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int kind = 0; kind < KINDS; kind++)
        for (int waits = 0; waits < 2; waits++) {
            struct thing thing;
            thrum_case cases[3];

            set_up(&thing, kinds[kind], &group);
            for (int i = 0; i < 3; i++)
                cases[i] = case_of(&thing);
            if (waits)
                CHECK_EQ(thrum_group_spawn(&group, make_ready_later, &thing, NULL, NULL), 0);
            else
                make_ready_for_sure(&thing);
            CHECK_LE((unsigned)thrum_select(cases, 3, 0), 2);
            check_taken(&thing);
            tear_down(&thing);
        }
    return thrum_group_close(&group, 0, NULL);
}

TEST(the_same_case_may_stand_there_twice)
{
    run_everywhere(twice, NULL);
}

/* One queue, to put into and to get from: one is always possible. */
static int both_ways(void *arg)
{
    thrum_queue_options one = THRUM_QUEUE_OPTIONS_INIT;
    thrum_queue queue;
    int in = PUT;
    int out = -1;

    (void)arg;
    one.limit = 1;
    CHECK_EQ(thrum_queue_init(&queue, sizeof(int), &one), 0);
    for (int i = 0; i < 10; i++) {
        thrum_case cases[] = {thrum_case_get(&queue, &out), thrum_case_put(&queue, &in)};

        CHECK_EQ(thrum_select(cases, 2, 0), i % 2 == 0);
        CHECK_EQ(thrum_queue_count(&queue), i % 2 == 0);
    }
    CHECK_EQ(out, PUT);
    thrum_queue_destroy(&queue);
    return 0;
}

TEST(one_queue_both_ways)
{
    run_everywhere(both_ways, NULL);
}

/* ---- beside others in line ------------------------------------------------------------------- */

struct line {
    thrum_sem sem;
    thrum_queue queue;
    thrum_event event;
    int next; /* one worker: no two at once */
    int gone; /* how many were chosen by the event */
};

/* Even ones wait for the semaphore or queue alone, odd ones for the event too. */
static int stand_for_permits(void *arg)
{
    struct racer *racer = arg;
    struct line *line = racer->arena;
    thrum_case cases[] = {thrum_case_event(&line->event), thrum_case_acquire(&line->sem, 1)};

    racer->status =
        racer->number % 2 ? thrum_select(cases, 2, 0) : thrum_sem_acquire(&line->sem, 1);
    if (racer->number % 2 && racer->status == 0)
        line->gone++;
    else
        CHECK_EQ(line->next++, racer->number);
    return 0;
}

static int stand_for_items(void *arg)
{
    struct racer *racer = arg;
    struct line *line = racer->arena;
    int item = -1;
    thrum_case cases[] = {thrum_case_event(&line->event), thrum_case_get(&line->queue, &item)};

    racer->status =
        racer->number % 2 ? thrum_select(cases, 2, 0) : thrum_queue_get(&line->queue, &item);
    if (racer->number % 2 && racer->status == 0) {
        CHECK_EQ(item, -1);
        line->gone++;
    } else {
        CHECK_EQ(line->next++, racer->number);
        CHECK_EQ(item, racer->number);
    }
    return 0;
}

static void give(struct line *line, int number)
{
    CHECK_EQ(thrum_sem_release(&line->sem, 1), 0);
    CHECK_EQ(thrum_queue_put(&line->queue, &number), 0);
}

static void in_line(thrum_fn stand, bool leave)
{
    struct line line = {.sem = THRUM_SEM_INIT(0), .event = THRUM_EVENT_INIT};
    struct racer racers[10];
    thrum_group group;

    CHECK_EQ(thrum_queue_init(&line.queue, sizeof(int), NULL), 0);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 10; i++) {
        racers[i] = (struct racer){&line, i, NEVER_RAN};
        CHECK_EQ(thrum_group_spawn(&group, stand, &racers[i], NULL, NULL), 0);
    }
    thrum_yield();
    for (int i = 0; i < 4; i++) {
        give(&line, i);
        thrum_yield();
        CHECK_EQ(line.next, i + 1);
    }
    if (leave) { /* 5, 7 and 9 go; the others keep their places */
        thrum_event_set(&line.event);
        give(&line, 4); /* before they have left their lines */
        thrum_yield();
        CHECK_EQ(line.gone, 3);
        for (int i = 6; i < 10; i += 2) {
            line.next = i;
            give(&line, i);
            thrum_yield();
            CHECK_EQ(line.next, i + 1);
        }
    } else {
        for (int i = 4; i < 10; i++)
            give(&line, i);
    }
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(line.gone, leave ? 3 : 0);
    thrum_queue_destroy(&line.queue);
    thrum_sem_destroy(&line.sem);
    thrum_event_destroy(&line.event);
}

static int lines(void *arg)
{
    (void)arg;
    for (int leave = 0; leave < 2; leave++) {
        in_line(stand_for_permits, leave);
        in_line(stand_for_items, leave);
    }
    return 0;
}

TEST(it_stands_in_line_with_those_who_wait_for_nothing_else)
{
    CHECK_EQ(run_with(1, lines, NULL), 0);
}

/* Who wants five stands first; when he goes, those behind him get what is there. */
static int select_five(void *arg)
{
    struct line *line = arg;
    thrum_case cases[] = {thrum_case_acquire(&line->sem, 5), thrum_case_event(&line->event)};

    CHECK_EQ(thrum_select(cases, 2, 0), 1);
    return 0;
}

static int acquire_one(void *arg)
{
    struct line *line = arg;

    CHECK_EQ(thrum_sem_acquire(&line->sem, 1), 0);
    line->next++;
    return 0;
}

static int lets_go(void *arg)
{
    struct line line = {.sem = THRUM_SEM_INIT(4), .event = THRUM_EVENT_INIT};
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, select_five, &line, NULL, NULL), 0);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(thrum_group_spawn(&group, acquire_one, &line, NULL, NULL), 0);
    thrum_yield();
    CHECK_EQ(line.next, 0);
    CHECK_EQ(thrum_sem_permits(&line.sem), 4);
    thrum_event_set(&line.event);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(line.next, 4);
    thrum_sem_destroy(&line.sem);
    return 0;
}

TEST(who_goes_lets_those_behind_him_go)
{
    CHECK_EQ(run_with(1, lets_go, NULL), 0);
}

/* In a shield, so that its cancel is for nobody. */
static int select_in_shield(void *arg)
{
    struct racer *racer = arg;
    thrum_shield shield;

    thrum_shield_begin(&shield);
    CHECK_EQ(stand_for_items(racer), 0);
    CHECK_EQ(thrum_shield_end(&shield), THRUM_ECANCELED);
    return 0;
}

/*
 * While it is woken for nobody an item comes and goes to the next one in line. It stands before all
 * others again, and gets the one after.
 */
static int passed_over(void *arg)
{
    struct line line = {.event = THRUM_EVENT_INIT, .next = 0};
    struct racer racers[3] = {{&line, 1, NEVER_RAN}, {&line, 0, NEVER_RAN}, {&line, 2, NEVER_RAN}};
    thrum_group group;
    thrum_task *first;

    (void)arg;
    CHECK_EQ(thrum_queue_init(&line.queue, sizeof(int), NULL), 0);
    CHECK_EQ(thrum_group_open(&group, collecting()), 0);
    CHECK_EQ(thrum_group_spawn(&group, select_in_shield, &racers[0], NULL, &first), 0);
    CHECK_EQ(thrum_group_spawn(&group, stand_for_items, &racers[1], NULL, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, stand_for_items, &racers[2], NULL, NULL), 0);
    CHECK_EQ(thrum_yield(), 0);
    CHECK(thrum_task_cancel(first, 0, NULL));
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(thrum_queue_put(&line.queue, &i), 0);
        CHECK_EQ(thrum_yield(), 0);
        CHECK_EQ(line.next, i + 1);
    }
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    thrum_task_unref(first);
    thrum_queue_destroy(&line.queue);
    thrum_event_destroy(&line.event);
    return 0;
}

TEST(who_was_passed_over_stands_first_again)
{
    CHECK_EQ(run_with(1, passed_over, NULL), 0);
}

/* The same with an event that is set for a moment: the moment was enough. */
static int missed(void *arg)
{
    struct all_kinds *all = arg;
    thrum_group group;
    thrum_task *task;

    CHECK_EQ(thrum_group_open(&group, collecting()), 0);
    for (int twice = 0; twice < 2; twice++) {
        begin_all(all, &group, &task);
        CHECK(thrum_task_cancel(task, 0, NULL));
        thrum_event_set(&all->things[2].event);
        thrum_event_clear(&all->things[2].event);
        if (twice) /* and then something else comes, further in front */
            make_ready(&all->things[0]);
        CHECK_EQ(thrum_task_join(task, NULL), 0);
        CHECK_EQ(all->status, twice ? 0 : 2);
        thrum_task_unref(task);
        for (int i = 0; i < KINDS; i++)
            tear_down(&all->things[i]);
    }
    return thrum_group_close(&group, 0, NULL);
}

TEST(an_event_that_was_set_for_a_moment_is_not_missed)
{
    struct all_kinds all = {.shielded = true};

    CHECK_EQ(run_with(1, missed, &all), 0);
}

/* ---- from outside ---------------------------------------------------------------------------- */

enum { FROM_OUTSIDE = 1000 };

struct outside {
    thrum_queue queue;
    thrum_sem sem;
    bool tasks; /* of another runtime; else a thread that runs none */
};

static int give_items(void *arg)
{
    struct outside *outside = arg;

    for (int i = 0; i < FROM_OUTSIDE; i++) {
        if (i % 2)
            CHECK_EQ(thrum_sem_release(&outside->sem, 1), 0);
        else
            while (thrum_queue_try_put(&outside->queue, &i) == -EAGAIN)
                continue;
    }
    return 0;
}

static void *give_from_outside(void *arg)
{
    struct outside *outside = arg;

    if (outside->tasks)
        CHECK_EQ(run_with(1, give_items, outside), 0);
    else
        give_items(outside);
    return NULL;
}

static int take_from_outside(void *arg)
{
    thrum_queue_options options = THRUM_QUEUE_OPTIONS_INIT;
    struct outside outside = {.sem = THRUM_SEM_INIT(0), .tasks = *(bool *)arg};
    pthread_t thread;
    int item;
    thrum_case cases[] = {thrum_case_get(&outside.queue, &item),
                          thrum_case_acquire(&outside.sem, 1)};

    options.limit = 3;
    CHECK_EQ(thrum_queue_init(&outside.queue, sizeof(int), &options), 0);
    thrum_hold(thrum_runtime_self(), "the other thread");
    CHECK_EQ(pthread_create(&thread, NULL, give_from_outside, &outside), 0);
    for (int i = 0, next = 0; i < FROM_OUTSIDE; i++) {
        int chosen = thrum_select(cases, 2, 0);

        CHECK_LE((unsigned)chosen, 1);
        if (chosen == 0)
            CHECK_EQ(item, next);
        next += chosen == 0 ? 2 : 0;
    }
    CHECK_EQ(pthread_join(thread, NULL), 0);
    thrum_release(thrum_runtime_self());
    CHECK_EQ(thrum_queue_count(&outside.queue), 0);
    CHECK_EQ(thrum_sem_permits(&outside.sem), 0);
    thrum_queue_destroy(&outside.queue);
    thrum_sem_destroy(&outside.sem);
    return 0;
}

TEST(threads_and_other_runtimes_give)
{
    run_everywhere(take_from_outside, &(bool){false});
    run_everywhere(take_from_outside, &(bool){true});
}

/* ---- nothing is allocated -------------------------------------------------------------------- */

struct ball {
    thrum_queue there, back;
    thrum_event never;
    int rounds;
};

static int hit(void *arg)
{
    struct ball *ball = arg;
    int item;

    for (int i = 0; i < ball->rounds; i++) {
        thrum_case cases[] = {thrum_case_get(&ball->there, &item), thrum_case_event(&ball->never),
                              thrum_case_at(thrum_never())};

        CHECK_EQ(thrum_select(cases, 3, 0), 0);
        CHECK_EQ(item, i);
        cases[0] = thrum_case_put(&ball->back, &item);
        CHECK_EQ(thrum_select(cases, 3, 0), 0);
    }
    return 0;
}

static int play(void *arg)
{
    thrum_queue_options one = THRUM_QUEUE_OPTIONS_INIT;
    struct ball ball = {.never = THRUM_EVENT_INIT, .rounds = 2000};
    thrum_group group;
    int item;

    (void)arg;
    one.limit = 1;
    CHECK_EQ(thrum_queue_init(&ball.there, sizeof(int), &one), 0);
    CHECK_EQ(thrum_queue_init(&ball.back, sizeof(int), &one), 0);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, hit, &ball, NULL, NULL), 0);
    for (int i = 0; i < ball.rounds; i++) {
        thrum_case one_case = thrum_case_put(&ball.there, &i);

        CHECK_EQ(thrum_select(&one_case, 1, 0), 0);
        one_case = thrum_case_get(&ball.back, &item);
        CHECK_EQ(thrum_select(&one_case, 1, 0), 0);
        CHECK_EQ(item, i);
        if (i == 10) /* all have slept once */
            no_allocation_begin();
    }
    no_allocation_end();
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    thrum_queue_destroy(&ball.there);
    thrum_queue_destroy(&ball.back);
    return 0;
}

TEST(nothing_is_allocated)
{
    CHECK_EQ(run_with(1, play, NULL), 0);
}
