/*
 * sched_timers_test.c - deadlines under a scheduler with a task layer of its
 * own: nobody is woken early, nobody is forgotten, whoever computes, leaves or
 * has been stopped.
 *
 * The library is built with THRUM_POINTS, so that workers can be stopped.
 */
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "runtime/atomic/verbs.h"
#include "runtime/base/point.h"
#include "runtime/plat/clock.h"
#include "runtime/plat/futex.h"
#include "runtime/plat/memory.h"
#include "runtime/sched/internal.h"
#include "workers.h"

#define US INT64_C(1000)
#define MS INT64_C(1000000)
#define S INT64_C(1000000000)
#define DAY (86400 * S)

void (*thrum_point_hook)(const char *name);

/* ---- a task layer --------------------------------------------------------------------------- */

static struct scheduler *scheduler;
static uint32_t jobs_left; /* atomic */

struct job {
    void (*run)(void *arg);
    void *arg;
};

/* One sleep at a time. */
enum { SLEEP_EXPIRED, SLEEP_OPEN, SLEEP_CALLED_OFF, SLEEP_ASLEEP };

struct sleep {
    struct timer timer;
    uint64_t word;  /* atomic: key * 4 + SLEEP_* */
    uint64_t key;   /* the sleeping task */
    uint64_t wakes; /* atomic: by the timer */
    uint64_t fiber; /* atomic: struct fiber *, the sleeping task's */
};

static void run_job(void *task)
{
    struct job *job = task;

    job->run(job->arg);
    add_acq_rel(&jobs_left, (uint32_t)-1);
}

static void refuse(void *task, int err)
{
    (void)task;
    CHECK_EQ(err, 0);
}

static bool pending(struct timer *timer, uint64_t key)
{
    uint64_t word = load_acquire(&container_of(timer, struct sleep, timer)->word);

    return word == key * 4 + SLEEP_OPEN || word == key * 4 + SLEEP_ASLEEP;
}

/* False: somebody else was faster. */
static bool end(struct sleep *sleep, uint64_t key, unsigned result)
{
    struct fiber *fiber;
    uint64_t seen = key * 4 + SLEEP_OPEN;

    if (cas_acq_rel(&sleep->word, &seen, key * 4 + result))
        return true;
    fiber = pointer_of(load_relaxed(&sleep->fiber)); /* relaxed: void unless the swap succeeds */
    if (seen != key * 4 + SLEEP_ASLEEP || !cas_acq_rel(&sleep->word, &seen, key * 4 + result))
        return false;
    thrum_ready(fiber);
    return true;
}

static void expire(struct timer *timer, uint64_t key)
{
    struct sleep *sleep = container_of(timer, struct sleep, timer);

    if (end(sleep, key, SLEEP_EXPIRED))
        add_relaxed(&sleep->wakes, 1); /* relaxed: a counter */
}

static const struct task_verbs verbs = {
    .run = run_job, .refuse = refuse, .pending = pending, .expire = expire};

static void commit(void *arg, struct fiber *left)
{
    struct sleep *sleep = arg;
    uint64_t open = sleep->key * 4 + SLEEP_OPEN;

    if (!cas_acq_rel(&sleep->word, &open, sleep->key * 4 + SLEEP_ASLEEP))
        thrum_ready(left);
}

/* Armed by its own flow, before anybody can let it go on. */
static void sleep_until(struct sleep *sleep, int64_t until)
{
    uint64_t key = ++sleep->key;

    store_relaxed(&sleep->fiber, word_of(thrum_fiber_self())); /* relaxed: released with the word */
    store_release(&sleep->word, key * 4 + SLEEP_OPEN);
    CHECK_EQ(thrum_timer_arm(&sleep->timer, until, key), 0);
    thrum_suspend(commit, sleep);
    if (load_acquire(&sleep->word) == key * 4 + SLEEP_EXPIRED)
        CHECK_LE(until, thrum_clock_now());
    else
        thrum_timer_disarm(&sleep->timer, key);
}

static void begin(unsigned workers)
{
    scheduler = thrum_memory_get(sizeof *scheduler, CACHE_LINE);
    CHECK_EQ(thrum_scheduler_init(scheduler, &verbs, 64, 64 << 10), 0);
    CHECK_EQ(thrum_scheduler_resize(scheduler, workers), 0);
}

static void finish(void)
{
    thrum_scheduler_fini(scheduler);
    thrum_memory_put(scheduler);
}

static void start(struct job *job)
{
    add_acq_rel(&jobs_left, 1);
    CHECK_EQ(thrum_scheduler_start(scheduler, job), 0);
}

static void nap(int64_t ns)
{
    struct timespec time = {.tv_sec = ns / S, .tv_nsec = ns % S};

    nanosleep(&time, NULL);
}

static void await(const uint32_t *counter, uint32_t value)
{
    for (int naps = 0; load_acquire(counter) != value; naps++) {
        CHECK_LT(naps, 600000);
        nap(100 * US);
    }
}

/* ---- sleeping ------------------------------------------------------------------------------- */

enum { SLEEPERS = 2000 };

static struct sleep sleeps[SLEEPERS];
static struct job jobs[SLEEPERS];
static uint32_t asleep; /* atomic: have been at it */

static void sleep_for_a_while(void *arg)
{
    struct sleep *sleep = arg;
    int64_t number = sleep - sleeps;

    add_relaxed(&asleep, 1); /* relaxed: a counter */
    for (int64_t round = 0; round < 5; round++)
        sleep_until(sleep, thrum_clock_now() + (number * 7919 + round * 104729) % 20000 * US);
}

static void start_all(unsigned n, void (*run)(void *arg))
{
    for (unsigned i = 0; i < n; i++) {
        jobs[i] = (struct job){run, &sleeps[i]};
        start(&jobs[i]);
    }
}

static void sleepers_with(unsigned workers)
{
    memset(sleeps, 0, sizeof sleeps);
    begin(workers);
    start_all((unsigned)many(SLEEPERS), sleep_for_a_while);
    await(&jobs_left, 0);
    finish(); /* the clock counts a wake after it */
    for (int i = 0; i < many(SLEEPERS); i++)
        CHECK_EQ(sleeps[i].wakes, 5);
}

TEST(nobody_wakes_early_and_nobody_is_forgotten)
{
    sleepers_with(1);
    sleepers_with(2);
    sleepers_with(8);
    if (!WORKERS_SLOW)
        sleepers_with(64);
}

static int64_t sleep_ns;

static void sleep_once(void *arg)
{
    struct sleep *sleep = arg;
    int64_t until = thrum_clock_now();

    until = until > INT64_MAX - sleep_ns ? INT64_MAX : until + sleep_ns;
    add_relaxed(&asleep, 1); /* relaxed: a counter */
    sleep_until(sleep, until);
}

/* All sleep for so long, and then so much time passes. */
static void skip_over(int64_t sleep, int64_t skip)
{
    int n = 100;

    memset(sleeps, 0, sizeof sleeps);
    store_relaxed(&asleep, 0); /* relaxed: a counter */
    sleep_ns = sleep;
    begin(4);
    start_all((unsigned)n, sleep_once);
    await(&asleep, (uint32_t)n);
    nap(20 * MS);
    CHECK_EQ(load_acquire(&jobs_left), n);
    thrum_clock_skip(skip);
    thrum_scheduler_stir(scheduler);
    await(&jobs_left, 0);
    finish();
}

TEST(twelve_days_pass)
{
    skip_over(12 * DAY, 12 * DAY);
}

TEST(795_days_pass)
{
    skip_over(795 * DAY, 795 * DAY);
}

TEST(the_end_of_time_comes)
{
    thrum_clock_skip(INT64_MAX - 400 * DAY);
    skip_over(399 * DAY, 399 * DAY);
    sleep_ns = INT64_MAX - thrum_clock_now() - 10 * S;
    skip_over(sleep_ns, INT64_MAX);
    CHECK_EQ(thrum_clock_now(), INT64_MAX);
}

/* What never comes is not armed, and can be called off as well. */
static void never(void *arg)
{
    struct sleep *sleep = arg;
    struct worker *worker = thrum_worker_self();

    store_release(&sleep->word, 4 + SLEEP_OPEN);
    CHECK_EQ(thrum_timer_arm(&sleep->timer, INT64_MAX, 1), 0);
    CHECK_EQ(thrum_heap_count(&worker->timers.heap), 0);
    CHECK(!timers_any(&worker->timers));
    CHECK(end(sleep, 1, SLEEP_CALLED_OFF));
    thrum_timer_disarm(&sleep->timer, 1);
    CHECK_EQ(worker->timers.stale, 0);
    CHECK_EQ(worker->timers.remote, 0);
}

TEST(never_is_not_armed)
{
    begin(1);
    start_all(1, never);
    await(&jobs_left, 0);
    finish();
}

static long switches_while_asleep(void)
{
    struct rusage before, after;

    CHECK_EQ(getrusage(RUSAGE_SELF, &before), 0);
    nap(200 * MS);
    CHECK_EQ(getrusage(RUSAGE_SELF, &after), 0);
    return after.ru_nvcsw - before.ru_nvcsw;
}

/*
 * Time passes slowly for who only sleeps: a sleeping process does not run. On
 * a busy machine some may still be on their way to sleep: the best counts.
 */
TEST(a_sleeper_costs_nothing)
{
    long best = LONG_MAX;

    memset(sleeps, 0, sizeof sleeps);
    store_relaxed(&asleep, 0); /* relaxed: a counter */
    sleep_ns = 2 * S;
    begin(4);
    start_all(50, sleep_once);
    await(&asleep, 50);
    for (int i = 0; i < 5 && best > 20; i++) {
        long switches = switches_while_asleep();

        best = switches < best ? switches : best;
    }
    CHECK_LE(best, 20);
    await(&jobs_left, 0);
    finish();
}

/* ---- who computes ---------------------------------------------------------------------------- */

static void sleep_briefly(void *arg)
{
    sleep_until(arg, thrum_clock_now() + 10 * MS);
}

/* Computes until all the sleepers have woken, on others' workers. */
static void compute(void *arg)
{
    int64_t watchdog = thrum_clock_now() + 60 * S;

    (void)arg;
    while (load_acquire(&jobs_left) > 1) {
        CHECK_LT(thrum_clock_now(), watchdog);
        cpu_pause();
    }
}

/* All sleepers are armed on the worker that then computes: it was the only one. */
TEST(a_deadline_acts_while_its_worker_computes)
{
    static struct job computing = {compute, NULL};

    for (int i = 0; i < many(20); i++) {
        memset(sleeps, 0, sizeof sleeps);
        begin(1);
        start_all(100, sleep_briefly);
        start(&computing);
        CHECK_EQ(thrum_scheduler_resize(scheduler, 3), 0);
        await(&jobs_left, 0);
        finish();
    }
}

/* A worker that never has nothing to do. */
static void yield_on(void *arg)
{
    (void)arg;
    while (load_acquire(&jobs_left) > 3)
        thrum_give_way();
}

TEST(a_deadline_acts_while_others_yield)
{
    static struct job yielding = {yield_on, NULL};

    for (int i = 0; i < many(20); i++) {
        memset(sleeps, 0, sizeof sleeps);
        begin(1);
        start_all(100, sleep_briefly);
        for (int k = 0; k < 3; k++)
            start(&yielding);
        await(&jobs_left, 0);
        finish();
    }
}

/* ---- calling off ----------------------------------------------------------------------------- */

struct pair {
    struct sleep sleep;
    uint32_t done; /* atomic */
    uint32_t called_off; /* atomic */
};

static struct pair pairs[200];

static void sleep_often(void *arg)
{
    struct pair *pair = arg;

    for (int i = 0; i < many(400); i++)
        sleep_until(&pair->sleep, thrum_clock_now() + (i % 3 == 0 ? 50 * US : 3600 * S));
    store_release(&pair->done, 1);
}

/* Whoever is faster, the timer or we: one of both wakes it. */
static void wake_often(void *arg)
{
    struct pair *pair = arg;

    while (!load_acquire(&pair->done)) {
        uint64_t word = load_acquire(&pair->sleep.word);

        pair->called_off += end(&pair->sleep, word / 4, SLEEP_CALLED_OFF);
        thrum_give_way();
    }
}

static void call_off_with(unsigned workers)
{
    static struct job halves[400];

    memset(pairs, 0, sizeof pairs);
    begin(workers);
    for (int i = 0; i < 200; i++) {
        halves[2 * i] = (struct job){sleep_often, &pairs[i]};
        halves[2 * i + 1] = (struct job){wake_often, &pairs[i]};
        start(&halves[2 * i]);
        start(&halves[2 * i + 1]);
    }
    await(&jobs_left, 0);
    for (unsigned i = 0; i < workers; i++) /* what is stale has been swept away */
        CHECK_LE(thrum_heap_count(&worker_at(scheduler, i)->timers.heap), 2000);
    finish(); /* the clock counts a wake after it */
    for (int i = 0; i < 200; i++)
        CHECK_EQ(pairs[i].sleep.wakes + pairs[i].called_off, many(400));
}

TEST(a_sleep_ends_once)
{
    call_off_with(1);
    call_off_with(2);
    call_off_with(8);
}

enum { KEPT = 1000 };

static struct sleep armed[KEPT];

static void arm(struct sleep *sleep, int64_t when)
{
    sleep->key++;
    store_release(&sleep->word, sleep->key * 4 + SLEEP_OPEN);
    CHECK_EQ(thrum_timer_arm(&sleep->timer, when, sleep->key), 0);
}

static void call_off(struct sleep *sleep)
{
    CHECK(end(sleep, sleep->key, SLEEP_CALLED_OFF));
    thrum_timer_disarm(&sleep->timer, sleep->key);
}

/* Timeouts that do not come true, of all lengths, shorter and longer than those that stay. */
static void time_out_often(void *arg)
{
    const struct heap *heap = &thrum_worker_self()->timers.heap;
    int64_t now = thrum_clock_now();
    size_t most = 0;

    (void)arg;
    for (int i = 0; i < KEPT; i++)
        arm(&armed[i], now + 3600 * S + i * 7919 % KEPT * S);
    for (int i = 0; i < many(1000000); i++) {
        struct sleep *sleep = &armed[(unsigned)i * 2654435761u % KEPT];

        call_off(sleep);
        arm(sleep, now + 1800 * S + (int64_t)((unsigned)i * 40503u % 7200) * S);
        most = thrum_heap_count(heap) > most ? thrum_heap_count(heap) : most;
    }
    CHECK_LE(most, KEPT + KEPT / 2);
    for (int i = 0; i < KEPT; i++)
        call_off(&armed[i]);
    CHECK_LE(thrum_heap_count(heap), KEPT);
}

TEST(what_is_called_off_takes_no_room)
{
    begin(1);
    start_all(1, time_out_often);
    await(&jobs_left, 0);
    finish();
}

/* All of one length: none moves, and each is made void where it stands; those that stay come. */
static void call_off_where_they_stand(void *arg)
{
    const struct heap *heap = &thrum_worker_self()->timers.heap;

    (void)arg;
    for (int round = 0; round < 3; round++) {
        int64_t when = thrum_clock_now() + 3600 * S;

        for (int i = 0; i < KEPT; i++)
            arm(&armed[i], when);
        for (int i = 0; i < KEPT; i++) /* forwards, backwards, criss-cross */
            call_off(&armed[round == 0 ? i : round == 1 ? KEPT - 1 - i : i * 7919 % KEPT]);
        CHECK_LE(thrum_heap_count(heap), KEPT / 4);
    }
}

TEST(those_that_have_not_moved_are_void_where_they_stand)
{
    begin(1);
    start_all(1, call_off_where_they_stand);
    await(&jobs_left, 0);
    finish();
}

static void arm_without_memory(void *arg)
{
    const struct heap *heap = &thrum_worker_self()->timers.heap;
    int refused = 0;

    (void)arg;
    for (int i = 0; i < KEPT; i++) {
        struct sleep *sleep = &armed[i];
        int err;

        sleep->key++;
        store_release(&sleep->word, sleep->key * 4 + SLEEP_OPEN);
        thrum_memory_fail_after(0);
        err = thrum_timer_arm(&sleep->timer, INT64_MAX - 1, sleep->key);
        if (err) {
            CHECK_EQ(err, -ENOMEM);
            CHECK(end(sleep, sleep->key, SLEEP_CALLED_OFF));
            refused++;
        }
        thrum_memory_fail_after(-1);
        if (i % 100 == 99)
            arm(sleep, INT64_MAX - 1);
    }
    CHECK_LT(0, refused);
    CHECK_EQ(thrum_heap_count(heap), KEPT - refused + KEPT / 100);
}

TEST(arming_without_memory_is_refused)
{
    begin(1);
    start_all(1, arm_without_memory);
    await(&jobs_left, 0);
    finish();
}

/* ---- who leaves ------------------------------------------------------------------------------ */

TEST(timers_outlast_their_worker)
{
    static const unsigned sizes[] = {1, 8, 2, 6, 1, 3};

    for (int i = 0; i < many(40) + 1; i++) {
        memset(sleeps, 0, sizeof sleeps);
        store_relaxed(&asleep, 0); /* relaxed: a counter */
        begin(8);
        start_all(400, sleep_for_a_while);
        await(&asleep, 400);
        for (int k = 0; load_acquire(&jobs_left) > 0; k++) {
            CHECK_EQ(thrum_scheduler_resize(scheduler, sizes[k % 6]), 0);
            CHECK_EQ(thrum_scheduler_size(scheduler), sizes[k % 6]);
            if (k % 16 == 0)
                nap(500 * US);
        }
        finish();
    }
}

/* Its timer lies in the heap of one that has left, and is called off by one that stays. */
static struct pair parted;

static void sleep_long(void *arg)
{
    struct pair *pair = arg;

    store_release(&pair->called_off, thrum_worker_self()->index + 1);
    sleep_until(&pair->sleep, thrum_clock_now() + 3600 * S);
    store_release(&pair->done, 1);
}

static void wake_it(void *arg)
{
    struct pair *pair = arg;

    CHECK(end(&pair->sleep, 1, SLEEP_CALLED_OFF));
}

TEST(a_scheduler_ends_though_workers_linger)
{
    struct job sleeper = {sleep_long, &parted}, waker = {wake_it, &parted};

    begin(1);
    start(&sleeper);
    while (load_acquire(&parted.sleep.word) == 0)
        sched_yield();
    CHECK_EQ(thrum_scheduler_resize(scheduler, 3), 0);
    CHECK_EQ(thrum_scheduler_resize(scheduler, 1), 0);
    start(&waker);
    await(&jobs_left, 0);
    finish();
}

/* ---- who has been stopped --------------------------------------------------------------------- */

static struct {
    uint64_t name;      /* atomic: const char * */
    uint32_t countdown; /* atomic */
    uint32_t stopped;   /* atomic */
    uint32_t release;   /* atomic, futex */
} stop;

static void hook(const char *name)
{
    const char *wanted = pointer_of(load_acquire(&stop.name));

    if (!wanted || strcmp(wanted, name) != 0 || !thrum_worker_self())
        return;
    if (add_acq_rel(&stop.countdown, (uint32_t)-1) != 1)
        return;
    store_release(&stop.stopped, 1);
    while (!load_acquire(&stop.release))
        thrum_futex_wait(&stop.release, 0, -1);
}

static uint32_t woken; /* atomic */

static void sleep_in_rounds(void *arg)
{
    sleep_for_a_while(arg);
    add_acq_rel(&woken, 1);
}

/* A worker stops at the point; all sleepers but the one it was about to arm wake. */
static void stop_at(const char *point, uint32_t countdown, uint32_t held)
{
    enum { N = 300 };
    int64_t watchdog;

    memset(sleeps, 0, sizeof sleeps);
    store_release(&woken, 0);
    store_release(&stop.stopped, 0);
    store_release(&stop.release, 0);
    store_release(&stop.countdown, countdown);
    store_release(&stop.name, word_of(point));
    begin(4);
    start_all(N, sleep_in_rounds);
    watchdog = thrum_clock_now() + 30 * S;
    while (load_acquire(&woken) < N - held) {
        if (thrum_clock_now() > watchdog)
            printf("%s %u: %u of %d woken\n", point, countdown, load_acquire(&woken), N);
        CHECK_LT(thrum_clock_now(), watchdog);
        nap(200 * US);
    }
    store_release(&stop.name, 0);
    store_release(&stop.release, 1);
    thrum_futex_wake(&stop.release, 1);
    await(&jobs_left, 0);
    finish();
}

TEST(a_stopped_worker_keeps_nobody_asleep)
{
    static const char *const points[] = {"timer.arm",    "timer.sift", "timer.remove",
                                         "timer.expire", "park.begin", "park.futex",
                                         "park.poller",  "park.end",   "search.begin"};

    thrum_point_hook = hook;
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++)
        for (int k = 0; k < many(30) + 1; k++)
            stop_at(points[i], 1 + (uint32_t)(k * 37) % 200, 1);
}
