/*
 * stop_test.c - a worker that stops at the worst moment keeps nobody else's
 * task from running.
 *
 * The library is built with THRUM_POINTS. For every point of the lists below,
 * ROUNDS times: four workers run jobs that have nothing to do with each other,
 * started by three threads from outside; the first worker to pass the point
 * after a random number of passes stops there, as if its thread had been
 * stopped by the kernel. A quiet moment later more jobs come. All jobs must
 * end but the one whose task is on the stopped worker; there are points where
 * none is, and then all must. Then the worker goes on, and that one must end too.
 *
 * With the points of cancels other jobs run: in each two tasks cancel the same
 * group of sleepers, so that who stops in the middle of his walk may keep
 * nobody from being told by the other. There each task counts for itself.
 *
 * Each list is tested with membarrier and without. THRUM_STOP_ROUNDS sets
 * another number of rounds.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <thrum/thrum.h>

#include "runtime/atomic/verbs.h"
#include "runtime/base/point.h"
#include "runtime/plat/clock.h"
#include "runtime/plat/futex.h"
#include "runtime/task/task.h"
#include "tests/check.h"

#ifndef THRUM_POINTS
#error "build this test and the library with -DTHRUM_POINTS"
#endif

#define US INT64_C(1000)
#define S INT64_C(1000000000)
#define THIEF_NS (1000 * US)

enum {
    ROUNDS = 30,
    WORKERS = 4,
    FOREIGN = 3, /* fewer than workers: there are thieves */
    JOBS_BEFORE = 4000, /* without the stop: it will not come any more */
    JOBS_AFTER = 10,
    CROWD = READY_SLOTS + 200, /* more ready tasks than a worker's queue has room for */
    WATCHDOG_S = 20
};

void (*thrum_point_hook)(const char *name);

/* ---- the stop ------------------------------------------------------------------------------- */

/* What is armed; one at a time. */
static struct {
    uint64_t name;      /* atomic: const char *; NULL: none */
    uint32_t countdown; /* atomic: passes until the stop */
    uint32_t passes;    /* atomic: all of them */
    uint32_t stopped;   /* atomic, futex: a worker has been stopped */
    uint32_t release;   /* atomic, futex */
} stop;

/* An alert between the last look and the sleep: every other time, for it leads to another look. */
static void alert_now_and_then(void)
{
    static __thread bool just;

    just = !just;
    if (just && thrum_worker_self())
        thrum_alert(thrum_worker_self()->scheduler);
}

/* Whoever has given his worker away, or gives his thread back, has none. */
static bool is_ours(const char *name)
{
    return thrum_worker_self() || strncmp(name, "seat.", 5) == 0;
}

static void hook(const char *name)
{
    const char *armed = pointer_of(load_acquire(&stop.name));

    if (armed && strcmp(armed, "wait.unsleep") == 0 && strcmp(name, "wait.commit") == 0)
        alert_now_and_then();
    if (!armed || strcmp(armed, name) != 0 || !is_ours(name))
        return;
    add_relaxed(&stop.passes, 1); /* relaxed: a counter */
    if (add_acq_rel(&stop.countdown, (uint32_t)-1) != 1)
        return;
    store_release(&stop.stopped, 1);
    thrum_futex_wake(&stop.stopped, 1);
    while (!load_acquire(&stop.release))
        thrum_futex_wait(&stop.release, 0, -1);
}

static void arm(const char *name, uint32_t countdown)
{
    store_release(&stop.countdown, countdown);
    store_release(&stop.passes, 0);
    store_release(&stop.stopped, 0);
    store_release(&stop.release, 0);
    store_release(&stop.name, word_of(name));
}

static void release(void)
{
    store_release(&stop.name, 0);
    store_release(&stop.release, 1);
    thrum_futex_wake(&stop.release, 1);
}

/* ---- jobs ----------------------------------------------------------------------------------- */

/* What the jobs are: all kinds; crowds; what cancels; what waits for objects; what blocks. */
enum mix { MIX_ALL, MIX_CROWDS, MIX_CANCELS, MIX_STORMS, MIX_OBJECTS, MIX_BLOCKS };

struct load {
    thrum_runtime *runtime;
    enum mix mix;
    pthread_t threads[FOREIGN];
    uint32_t tickets;  /* atomic: jobs taken */
    uint32_t limit;    /* atomic: jobs there are to be */
    uint32_t parts;    /* atomic: independent parts of jobs that were spawned */
    uint32_t finished; /* atomic: jobs and parts */
};

static void spin(int64_t ns)
{
    int64_t end = thrum_clock_now() + ns;

    while (thrum_clock_now() < end)
        cpu_pause();
}

static void nap(int64_t ns)
{
    struct timespec time = {.tv_sec = 0, .tv_nsec = ns};

    nanosleep(&time, NULL);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int work(void *arg)
{
    (void)arg;
    spin(2 * US);
    return 0;
}

static int yields(void *arg)
{
    (void)arg;
    for (int i = 0; i < 4; i++)
        if (thrum_yield())
            return -1;
    return 0;
}

struct fork {
    int depth;
};

static int forks(void *arg)
{
    struct fork half = {((struct fork *)arg)->depth - 1};
    thrum_branch branch;
    int status;

    if (half.depth < 0)
        return work(NULL);
    status = thrum_fork(&branch, forks, &half);
    if (status)
        return status;
    status = forks(&half);
    return thrum_join_first(status, thrum_join(&branch, forks, &half));
}

/* What a thief has to take; until then its owner does not come by. */
struct bait {
    struct fork fork;
    uint32_t taken; /* atomic */
};

static int bitten(void *arg)
{
    struct bait *bait = arg;

    store_release(&bait->taken, 1);
    return forks(&bait->fork);
}

static void wait_for_thief(struct bait *bait)
{
    int64_t end = thrum_clock_now() + THIEF_NS;

    while (!load_acquire(&bait->taken) && thrum_clock_now() < end)
        sched_yield();
}

static int job_forks(void *arg)
{
    struct bait bait = {{5}, 0};
    struct fork half = bait.fork;
    thrum_branch branch;
    int status = thrum_fork(&branch, bitten, &bait);

    (void)arg;
    if (status)
        return status;
    wait_for_thief(&bait);
    status = forks(&half);
    return thrum_join_first(status, thrum_join(&branch, bitten, &bait));
}

static int bitten_slowly(void *arg)
{
    struct bait *bait = arg;

    store_release(&bait->taken, 1);
    nap(200 * US);
    return forks(&bait->fork);
}

/* The thief is still at it when the join comes. */
static int job_waits(void *arg)
{
    struct bait bait = {{3}, 0};
    thrum_branch branch;
    int status = thrum_fork(&branch, bitten_slowly, &bait);

    (void)arg;
    if (status)
        return status;
    wait_for_thief(&bait);
    return thrum_join(&branch, bitten_slowly, &bait);
}

/* A tree of groups. */
static int grows(void *arg)
{
    struct fork part = {((struct fork *)arg)->depth - 1};
    thrum_child children[3];
    thrum_group group;
    int status;

    if (part.depth < 0)
        return work(NULL);
    status = thrum_group_open(&group, NULL);
    if (status)
        return status;
    status = thrum_group_spawn_n(&group, children, 3, grows, &part, 0);
    return thrum_group_close(&group, status, NULL);
}

static int job_tree(void *arg)
{
    struct fork whole = {3};

    (void)arg;
    return grows(&whole);
}

struct talk {
    thrum_event there, back;
};

static int answers(void *arg)
{
    struct talk *talk = arg;
    int status = thrum_event_wait(&talk->there);

    thrum_event_set(&talk->back);
    return status;
}

static int job_events(void *arg)
{
    struct talk talks[3];
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    (void)arg;
    for (int i = 0; i < 3 && !status; i++) {
        thrum_event_init(&talks[i].there);
        thrum_event_init(&talks[i].back);
        status = thrum_group_spawn(&group, answers, &talks[i], NULL, NULL);
        spin(2 * US);
        thrum_event_set(&talks[i].there);
        if (!status)
            status = thrum_event_wait(&talks[i].back);
    }
    return thrum_group_close(&group, status, NULL);
}

struct crowd {
    thrum_event event;
    int64_t ns;
};

static int waits(void *arg)
{
    struct crowd *crowd = arg;
    int status = thrum_event_wait(&crowd->event);

    spin(crowd->ns);
    return status;
}

/* `n` tasks become ready at once, and each then keeps its worker for a while. */
static int meets(int n, int64_t ns)
{
    struct crowd crowd = {THRUM_EVENT_INIT, ns};
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    for (int i = 0; i < n && !status; i++)
        status = thrum_group_spawn(&group, waits, &crowd, NULL, NULL);
    if (!status)
        status = thrum_yield();
    thrum_event_set(&crowd.event);
    spin(ns);
    return thrum_group_close(&group, status, NULL);
}

static int job_meets(void *arg)
{
    (void)arg;
    return meets(24, 100 * US);
}

static int job_crowd(void *arg)
{
    (void)arg;
    return meets(CROWD, 0);
}

/* `n` tasks of the runtime's own memory. */
static int spawns(thrum_fn fn, void *arg, int n)
{
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    for (int i = 0; i < n && !status; i++)
        status = thrum_group_spawn(&group, fn, arg, NULL, NULL);
    return thrum_group_close(&group, status, NULL);
}

static int job_yields(void *arg)
{
    (void)arg;
    return spawns(yields, NULL, 6);
}

/* Tasks that spawn more into the group they are in. */
static int joins_in(void *arg)
{
    int status = thrum_group_spawn(arg, yields, NULL, NULL, NULL);

    return status ? status : thrum_group_spawn(arg, work, NULL, NULL, NULL);
}

static int job_members(void *arg)
{
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    (void)arg;
    for (int i = 0; i < 4 && !status; i++)
        status = thrum_group_spawn(&group, joins_in, &group, NULL, NULL);
    return thrum_group_close(&group, status, NULL);
}

/* More than the deque and the caches have room for. */
static int job_wide(void *arg)
{
    (void)arg;
    return spawns(nothing, NULL, 600);
}

static int part(void *arg)
{
    struct load *load = arg;
    struct fork whole = {1};
    int status = grows(&whole);

    if (!status)
        status = thrum_yield();
    add_acq_rel(&load->finished, 1);
    return status;
}

static int job_parts(void *arg)
{
    struct load *load = arg;
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    for (int i = 0; i < 6 && !status; i++) {
        add_acq_rel(&load->parts, 1);
        status = thrum_group_spawn(&group, part, load, NULL, NULL);
    }
    return thrum_group_close(&group, status, NULL);
}

/* Timeouts that come and such that do not, over sleeps that end and such that do not. */
static int sleeps(void *arg)
{
    int64_t ns = *(const int64_t *)arg;
    int status = 0;

    for (int i = 0; i < 4 && !status; i++) {
        thrum_timeout timeout;

        status = thrum_timeout_begin(&timeout, i % 2 ? ns : thrum_s(60));
        if (!status)
            status = thrum_timeout_end(&timeout, thrum_sleep(i % 2 ? thrum_s(60) : ns));
        if (i % 2)
            status = status == THRUM_ETIMEOUT ? 0 : -1;
    }
    return status;
}

static int job_sleeps(void *arg)
{
    static int64_t ns[] = {50 * US, 120 * US, 200 * US, 90 * US, 300 * US, 70 * US};
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    (void)arg;
    for (size_t i = 0; i < sizeof ns / sizeof ns[0] && !status; i++)
        status = thrum_group_spawn(&group, sleeps, &ns[i], NULL, NULL);
    return thrum_group_close(&group, status, NULL);
}

/* ---- jobs that cancel ------------------------------------------------------------------------ */

enum { SLEEPERS = 8, CANCELLERS = 2 };

static int sleep_long(void *arg)
{
    (void)arg;
    return thrum_sleep(thrum_s(1000));
}

static int sleep_below(void *arg)
{
    thrum_child child;
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    if (status)
        return status;
    status = thrum_group_spawn_child(&group, &child, sleep_long, arg);
    return thrum_group_close(&group, status, NULL);
}

static int wait_for_nothing(void *arg)
{
    thrum_event event = THRUM_EVENT_INIT;
    int status = thrum_event_wait(&event);

    (void)arg;
    thrum_event_destroy(&event);
    return status;
}

static int sleep_in_timeout(void *arg)
{
    thrum_timeout timeout;
    int status = thrum_timeout_begin(&timeout, thrum_s(1000));

    return status ? status : thrum_timeout_end(&timeout, sleep_below(arg));
}

struct doomed {
    struct load *load;
    thrum_group *group;
    uint32_t begun; /* atomic: all are counted, the cancels may come */
};

static int cancels(void *arg)
{
    struct doomed *doomed = arg;

    while (!load_acquire(&doomed->begun))
        thrum_yield();
    thrum_group_cancel(doomed->group, 1, "all of it");
    return 0;
}

static void count_end(thrum_task *task, void *load)
{
    (void)task;
    add_acq_rel(&((struct load *)load)->finished, 1);
}

/* In the group; its end is counted, even if it never begins. */
static thrum_task *spawn_counted(struct load *load, thrum_group *group, thrum_fn fn, void *arg,
                                 thrum_done *done)
{
    thrum_task *task;

    CHECK_EQ(thrum_group_spawn(group, fn, arg, NULL, &task), 0);
    thrum_task_on_end(task, done, count_end, load);
    return task;
}

/* Sleepers of all kinds, and who cancels them. */
static int job_cancels(void *arg)
{
    static const thrum_fn kinds[] = {sleep_long, sleep_below, wait_for_nothing, sleep_in_timeout};
    struct doomed doomed = {.load = arg};
    thrum_done done[SLEEPERS + CANCELLERS];
    thrum_task *tasks[SLEEPERS + CANCELLERS];
    thrum_group outer, group;
    thrum_shield shield;

    CHECK_EQ(thrum_group_open(&outer, NULL), 0);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    doomed.group = &group;
    for (int i = 0; i < SLEEPERS; i++)
        tasks[i] = spawn_counted(arg, &group, kinds[i % 4], NULL, &done[i]);
    for (int i = SLEEPERS; i < SLEEPERS + CANCELLERS; i++)
        tasks[i] = spawn_counted(arg, &outer, cancels, &doomed, &done[i]);
    add_acq_rel(&doomed.load->parts, SLEEPERS + CANCELLERS);
    store_release(&doomed.begun, 1);
    thrum_shield_begin(&shield);
    for (int i = SLEEPERS; i < SLEEPERS + CANCELLERS; i++)
        CHECK_EQ(thrum_task_join(tasks[i], NULL), 0);
    (void)!thrum_shield_end(&shield);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    for (int i = 0; i < SLEEPERS + CANCELLERS; i++)
        thrum_task_unref(tasks[i]);
    return thrum_group_close(&outer, 0, NULL);
}

/* One task cancels without end, and the others go to sleep and wake all the time. */
static int rages(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2000; i++) {
        thrum_scope scope;
        int status = thrum_scope_begin(&scope, 0);

        if (status)
            return status;
        thrum_scope_cancel(&scope, 0, NULL);
        (void)thrum_scope_end(&scope, 0);
    }
    return 0;
}

static int job_storm(void *arg)
{
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    if (!status)
        status = thrum_group_spawn(&group, rages, NULL, NULL, NULL);
    for (int i = 0; i < 20 && !status; i++)
        status = job_events(arg);
    return thrum_group_close(&group, status, NULL);
}

/* Cancelled at any moment before its start, or after. */
static int job_pending(void *arg)
{
    thrum_task *task;
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(thrum_group_spawn(&group, sleep_below, NULL, NULL, &task), 0);
        spin(i * US);
        thrum_task_cancel(task, 0, NULL);
        thrum_task_unref(task);
    }
    return thrum_group_close(&group, 0, NULL);
}

/* ---- jobs with an object --------------------------------------------------------------------- */

struct market {
    thrum_queue queue;
    thrum_sem sem;
    thrum_event never;
};

enum { GOODS = 20 };

/* If there is no room at once, until there is, or something that never happens. */
static int offer(struct market *market, const int *item)
{
    thrum_case cases[] = {thrum_case_event(&market->never), thrum_case_put(&market->queue, item)};
    int chosen = thrum_select(cases, 2, 0);

    return chosen < 0 ? chosen : cases[chosen].result;
}

static int sells(void *arg)
{
    struct market *market = arg;
    int status = 0;

    for (int i = 0; i < GOODS && !status; i++) {
        status = i % 3 ? offer(market, &i) : thrum_queue_put(&market->queue, &i);
        if (i % 2 == 0)
            CHECK_EQ(thrum_sem_release(&market->sem, 1), 0);
    }
    return status;
}

static int buys(void *arg)
{
    struct market *market = arg;
    int status = 0, item;

    for (int i = 0; i < GOODS && !status; i++) {
        thrum_timeout timeout;

        status = thrum_queue_get(&market->queue, &item);
        if (status)
            break;
        status = thrum_timeout_begin(&timeout, 10 * US); /* it may come too late */
        if (!status)
            status = thrum_timeout_end(&timeout, thrum_sem_acquire(&market->sem, 1));
        status = status == THRUM_ETIMEOUT ? 0 : status;
    }
    return status;
}

/* A seller and a buyer: no more, for who wants the lock of who is stopped holds his worker up. */
static int job_market(void *arg)
{
    struct market market;
    thrum_queue_options options = THRUM_QUEUE_OPTIONS_INIT;
    thrum_group group;
    int status;

    (void)arg;
    options.limit = 2;
    CHECK_EQ(thrum_queue_init(&market.queue, sizeof(int), &options), 0);
    CHECK_EQ(thrum_sem_init(&market.sem, 0, 0), 0);
    thrum_event_init(&market.never);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    status = thrum_group_spawn(&group, sells, &market, NULL, NULL);
    if (!status)
        status = buys(&market);
    status = thrum_group_close(&group, status, NULL);
    thrum_sem_destroy(&market.sem);
    thrum_queue_destroy(&market.queue);
    return status;
}

/* ---- jobs with descriptors ------------------------------------------------------------------- */

/* Two tasks and a byte that goes to and fro. */
struct line {
    int there[2], back[2];
};

enum { BYTES = 6 };

/* Out of line: errno is that of the thread it runs on. */
static __attribute__((noinline)) bool try_read(int fd)
{
    char byte;
    ssize_t got = read(fd, &byte, 1);

    CHECK(got == 1 || (got == -1 && errno == EAGAIN));
    return got == 1;
}

/* Alone, or beside something that never happens. */
static int await_byte(int fd, bool alone)
{
    thrum_event never = THRUM_EVENT_INIT;
    thrum_case cases[] = {thrum_case_event(&never), thrum_case_fd(fd, THRUM_FD_READ)};
    int chosen;

    if (alone)
        return thrum_fd_wait(fd, THRUM_FD_READ);
    chosen = thrum_select(cases, 2, 0);
    return chosen < 0 ? chosen : cases[1].result;
}

static int pass(const int from[2], const int to[2])
{
    for (int i = 0; i < BYTES; i++) {
        CHECK_EQ(write(to[1], "", 1), 1);
        while (!try_read(from[0])) {
            int ready = await_byte(from[0], i % 2 == 0);

            if (ready < 0)
                return ready;
        }
    }
    return 0;
}

static int passes_back(void *arg)
{
    const struct line *line = arg;

    return pass(line->there, line->back);
}

static int job_pipes(void *arg)
{
    struct line line;
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    (void)arg;
    CHECK_EQ(pipe2(line.there, O_NONBLOCK), 0);
    CHECK_EQ(pipe2(line.back, O_NONBLOCK), 0);
    if (!status)
        status = thrum_group_spawn(&group, passes_back, &line, NULL, NULL);
    if (!status)
        status = pass(line.back, line.there);
    status = thrum_group_close(&group, status, NULL);
    for (int i = 0; i < 2; i++) {
        close(line.there[i]);
        close(line.back[i]);
    }
    return status;
}

/* ---- jobs that block -------------------------------------------------------------------------- */

static int blocks(void *arg)
{
    thrum_blocking blocking;

    (void)arg;
    for (int i = 0; i < 3; i++) {
        (void)!thrum_blocking_begin(&blocking);
        nap(20 * US);
        thrum_blocking_end(&blocking);
    }
    return 0;
}

static int job_blocks(void *arg)
{
    (void)arg;
    return spawns(blocks, NULL, 3);
}

/* ---- the load -------------------------------------------------------------------------------- */

static const thrum_fn jobs[] = {job_forks,   job_tree, job_events, job_waits, job_yields,
                                job_members, job_wide, job_meets,  job_sleeps, job_pipes};

struct job {
    struct load *load;
    uint32_t ticket;
};

/* Counted before it begins: it counts its tasks one by one. */
static int run_counted(struct job *job, thrum_fn fn)
{
    add_acq_rel(&job->load->finished, 1);
    return fn(job->load);
}

static int run_one(struct job *job, thrum_fn fn)
{
    int status = fn(NULL);

    add_acq_rel(&job->load->finished, 1);
    return status;
}

static int run_cancelling(struct job *job)
{
    switch (job->ticket % 4) {
    case 0:
        return run_one(job, job_forks);
    case 1:
        return run_one(job, job_pending);
    default:
        return run_counted(job, job_cancels);
    }
}

static int run_job(void *arg)
{
    struct job *job = arg;
    uint32_t kinds = sizeof jobs / sizeof jobs[0];
    uint32_t kind = job->ticket % (kinds + 1);

    switch (job->load->mix) {
    case MIX_CROWDS:
        return run_one(job, job_crowd);
    case MIX_CANCELS:
        return run_cancelling(job);
    case MIX_STORMS:
        return run_one(job, job_storm);
    case MIX_OBJECTS:
        return run_one(job, job->ticket % 4 ? job_market : job_tree);
    case MIX_BLOCKS:
        return run_one(job, job->ticket % 4 ? job_blocks : job_forks);
    default: /* the parts count one by one, the task that waits for them does not */
        return kind == kinds ? run_counted(job, job_parts) : run_one(job, jobs[kind]);
    }
}

static void *foreign_main(void *arg)
{
    struct load *load = arg;
    struct job job = {load, add_acq_rel(&load->tickets, 1)};

    while (job.ticket < load_acquire(&load->limit)) {
        if (job.ticket % 3 == 0)
            nap((job.ticket % 5 + 1) * 40 * US); /* now and then all workers go to sleep */
        CHECK_EQ(thrum_runtime_run(load->runtime, run_job, &job, NULL), 0);
        job.ticket = add_acq_rel(&load->tickets, 1);
    }
    return NULL;
}

static bool stands_in(const char *const *list, const char *point)
{
    while (*list && strcmp(*list, point) != 0)
        list++;
    return *list != NULL;
}

static const char *const full[] = {"inject.push", "inject.linked", NULL};

static const char *const cancel[] = {"cancel.mark",  "alert.raised",  "cancel.walk", "cancel.fire",
                                     "scope.looked",  "cancel.pending",
                                     "task.end",     "strand.leave",  "roster.remove", NULL};

/* Whoever is about to sleep sees an alert. */
static const char *const storm[] = {"wait.unsleep", NULL};

/* One who is known to who is stopped alone. */
static const char *const cancel_claimed[] = {"wait.fired", NULL};

/* A stop under the lock of an object delays who uses that. */
static const char *const objects[] = {"waiters.link",  "waiters.claim", "waiters.leave",
                                      "waiters.ready", "queue.ready",   "waiters.woken",
                                      "select.enter",  "select.leave",  NULL};

/* A thread is given a worker, or gives one back. */
static const char *const seats[] = {"seat.given", "seat.spare", "seat.ready", NULL};

static enum mix mix_for(const char *const *list, const char *point)
{
    return list == cancel || list == cancel_claimed ? MIX_CANCELS
           : list == storm                          ? MIX_STORMS
           : list == objects                        ? MIX_OBJECTS
           : list == seats                          ? MIX_BLOCKS
           : stands_in(full, point) ? MIX_CROWDS /* a worker uses it only when its own is full */
                                    : MIX_ALL;
}

static void load_begin(struct load *load, enum mix mix, uint32_t jobs_wanted)
{
    thrum_options options = THRUM_OPTIONS_INIT;

    *load = (struct load){.limit = jobs_wanted, .mix = mix};
    options.workers = WORKERS;
    CHECK_EQ(thrum_runtime_create(&load->runtime, &options), 0);
    for (int i = 0; i < FOREIGN; i++)
        CHECK_EQ(pthread_create(&load->threads[i], NULL, foreign_main, load), 0);
}

static int32_t unfinished(struct load *load)
{
    uint32_t wanted = load_acquire(&load->limit) + load_acquire(&load->parts);

    return (int32_t)(wanted - load_acquire(&load->finished));
}

static void load_end(struct load *load)
{
    for (int i = 0; i < FOREIGN; i++)
        pthread_join(load->threads[i], NULL);
    CHECK_EQ(unfinished(load), 0);
    CHECK_EQ(thrum_runtime_close(load->runtime), 0);
}

/* ---- one round ------------------------------------------------------------------------------ */

/* What a developer wants to see of a runtime that hangs. */
static void report(const struct load *load, const char *point)
{
    const struct scheduler *scheduler = &load->runtime->scheduler;

    fprintf(stderr,
            "%s: tickets %u limit %u parts %u finished %u; idle state %llx sleeping %llx "
            "busy %llx poller %u inject %s\n",
            point, load->tickets, load->limit, load->parts, load->finished,
            (unsigned long long)scheduler->idle.state,
            (unsigned long long)scheduler->idle.sleeping[0],
            (unsigned long long)scheduler->busy, scheduler->poller,
            thrum_inject_empty(&scheduler->inject) ? "empty" : "full");
    for (unsigned i = 0; i < WORKERS; i++) {
        const struct worker *worker = pointer_of(scheduler->workers[i]);

        fprintf(stderr, "  worker %u: top %llu shared %llu bottom %llu notified %u%s\n",
                i, (unsigned long long)worker->deque.shared.lo,
                (unsigned long long)(worker->deque.shared.hi & DEQUE_SHARED_MAX),
                (unsigned long long)worker->deque.lane.bottom,
                worker->notified,
                worker->deque.lane.fiber ? " runs a fiber" : "");
    }
}

/* False: the watchdog has lost its patience. */
static bool others_finish(struct load *load, int32_t held)
{
    int64_t end = thrum_clock_now() + WATCHDOG_S * S;

    while (unfinished(load) > held) {
        if (thrum_clock_now() > end)
            return false;
        nap(100 * US);
    }
    return true;
}

/* A worker stops at its countdown-th pass. */
static void round_at(const char *point, enum mix mix, uint32_t countdown, int32_t held)
{
    struct load load;
    bool reached, others_finished;

    arm(point, countdown);
    load_begin(&load, mix, JOBS_BEFORE);
    while (!load_acquire(&stop.stopped) && unfinished(&load) > 0)
        thrum_futex_wait(&stop.stopped, 0, 100 * 1000 * US);
    reached = load_acquire(&stop.stopped) != 0;
    if (!reached)
        fprintf(stderr, "%s: %u passes instead of %u\n", point, stop.passes, countdown);
    CHECK(reached);
    nap(300 * US);
    store_release(&load.limit, load_acquire(&load.tickets) + JOBS_AFTER);
    others_finished = others_finish(&load, held);
    if (!others_finished)
        report(&load, point);
    CHECK(others_finished);
    release();
    load_end(&load);
}

/* How often it is passed in a short while. */
static uint32_t passes_of(const char *point, enum mix mix)
{
    struct load load;

    arm(point, UINT32_MAX);
    load_begin(&load, mix, mix == MIX_CROWDS ? 6 : 54);
    load_end(&load);
    return stop.passes;
}

static uint32_t random_below(uint32_t n)
{
    static uint32_t state = 2463534242u;

    state ^= state << 13; /* xorshift32 (Marsaglia 2003) */
    state ^= state >> 17;
    state ^= state << 5;
    return state % n;
}

static int rounds_wanted(void)
{
    const char *text = getenv("THRUM_STOP_ROUNDS");

    return text ? atoi(text) : ROUNDS;
}

static void stop_at_each(const char *const *points, int32_t held, const char *membarrier)
{
    int rounds = rounds_wanted();

    CHECK(setenv("THRUM_MEMBARRIER", membarrier, 1) == 0);
    thrum_point_hook = hook;
    printf("%-18s %6s %6s %9s %6s\n", "point", "stops", "passed", "passes", "ms");
    for (int i = 0; points[i]; i++) {
        int64_t begin = thrum_clock_now();
        enum mix mix = mix_for(points, points[i]);
        uint32_t passes = passes_of(points[i], mix);
        uint32_t most = passes < 4 ? 1 : passes < 800 ? passes / 2 : 400;

        for (int k = 0; k < rounds; k++)
            round_at(points[i], mix, 1 + random_below(most), held);
        printf("%-18s %6d %6d %9u %6d\n", points[i], rounds, rounds, passes,
               (int)((thrum_clock_now() - begin) / (1000 * US)));
        fflush(stdout);
    }
}

/* ---- the points ------------------------------------------------------------------------------ */

static const char *const spawn[] = {"task.spawn", "deque.pushed", "deque.room",
                                    "deque.grow", "deque.settle", "spawn.notify",
                                    "pool.push",  "pool.pop",     NULL};

static const char *const steal[] = {"steal.taken", "fiber.made", "search.found", "search.last",
                                    NULL};

static const char *const revocation[] = {"steal.read",     "steal.ready", "revoke.poisoned",
                                     "revoke.fenced",   "revoke.swap",    "ready.poisoned",
                                     "ready.revoke",    NULL};

static const char *const wake[] = {"idle.claim",    "idle.claimed", "wake.noted",   "ready.push",
                                   "ready.pushed",  "ready.settle", "pick.notify",  "inject.push",
                                   "inject.linked", "inject.take",  "inject.taken", NULL};

static const char *const park[] = {"search.begin", "idle.sleep", "sleep.last",  "sleep.look",
                                   "park.begin",   "park.poller", "park.polled", "park.futex",
                                   "park.end",     NULL};

static const char *const finish[] = {"group.end", "group.ended", "branch.end",    "branch.ended",
                                     "wait.fire", "wait.fired",  "waiters.woken", NULL};

static const char *const timers[] = {"timer.arm",       "timer.sift",       "timer.remove",
                                     "timer.expire",    "deadline.expire",  "deadline.expired", NULL};

static const char *const enter[] = {"strand.enter", "strand.entered", "strand.leave", "roster.add",
                                    "roster.grow",  "roster.remove",  "strand.tier",  NULL};

static const char *const descriptors[] = {"fd.arm", "fd.posted", "fd.left", "poller.tell", NULL};

static const char *const join[] = {"deque.pop",   "deque.stolen",      "suspend.left",
                                   "group.wait",  "branch.wait",       "wait.commit",
                                   "suspend.committed", NULL};

/*
 * `held`: how many tasks a worker that stops there may have. 1: the one that runs on it, or whose
 * fiber it is putting to sleep or waking.
 */
#define STOPS(list, held)              \
    TEST(list)                         \
    {                                  \
        stop_at_each(list, held, "1"); \
    }                                  \
    TEST(list##_without_membarrier)    \
    {                                  \
        stop_at_each(list, held, "0"); \
    }

STOPS(spawn, 1)
STOPS(steal, 1)
STOPS(revocation, 0)
STOPS(wake, 1)
STOPS(park, 0)
STOPS(finish, 1)
STOPS(enter, 1)
STOPS(join, 1)
STOPS(timers, 1)
STOPS(cancel, 1)
STOPS(cancel_claimed, 2)
STOPS(storm, 1)
STOPS(objects, 1)
STOPS(descriptors, 1)
STOPS(seats, 1)

/* ---- a thread that makes its task ready ------------------------------------------------------- */

static pthread_t runs_the_test;
static uint32_t came_back; /* atomic: threads that have, and were spare before */

/*
 * A thread that has given its worker away is about to make its task ready: whatever that does next
 * may end the runtime, which has to know the thread by then, to join it.
 */
static void look_for_seat(const char *name)
{
    const struct scheduler *scheduler = pointer_of(load_acquire(&stop.name));
    bool spare = false;

    if (strcmp(name, "inject.push") != 0 || thrum_worker_self() ||
        pthread_equal(pthread_self(), runs_the_test))
        return;
    for (const struct seat *seat = scheduler->spares; seat; seat = seat->next)
        spare |= pthread_equal(seat->thread, pthread_self()) != 0;
    CHECK(spare);
    add_acq_rel(&came_back, 1);
}

static int block_alone(void *arg)
{
    store_release(&stop.name, word_of(thrum_worker_self()->scheduler));
    return blocks(arg);
}

TEST(who_comes_back_is_spare_before_his_task_is_ready)
{
    thrum_options options = THRUM_OPTIONS_INIT;

    options.workers = 2;
    runs_the_test = pthread_self();
    thrum_point_hook = look_for_seat;
    CHECK_EQ(thrum_run(block_alone, NULL, &options, NULL), 0);
    CHECK_EQ(came_back, 3);
}
