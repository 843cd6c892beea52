/* conform.c - running rules undisturbed, and cancelling them everywhere: see conform.h. */
#include "tests/conformance/conform.h"

#include <pthread.h>
#include <stdio.h>

#include "runtime/base/point.h"
#include "runtime/plat/futex.h"
#include "runtime/sched/coroutine.h"
#include "runtime/task/task.h"
#include "tests/workers.h"

enum {
    TIMES = 20,              /* with each number of workers */
    SUSPENSIONS_MAX = 20000, /* of one rule; more means that it polls */
    TURNS = 60,              /* in the simulated world: the last one at which it is cancelled */
    LATE = 3,                /* or it has ended before so many times */
    CHUNK_OBJECTS = 64       /* of slab.c */
};

static struct {
    void (*rule)(void);
    uint32_t fired;   /* atomic: the rule was cancelled from outside */
    uint32_t entered; /* atomic: spans */
    uint32_t left;    /* atomic */
} now;

bool disturbed(void)
{
    return load_acquire(&now.fired) != 0;
}

int span_enter(void)
{
    add_relaxed(&now.entered, 1); /* relaxed: a counter */
    return 0;
}

void span_leave(int *span)
{
    (void)span;
    add_relaxed(&now.left, 1); /* relaxed: a counter */
}

/* ---- nothing is lost ------------------------------------------------------------------------- */

static size_t length_of(const struct pool_item *item)
{
    size_t n = 0;

    for (; item; item = item->next)
        n++;
    return n;
}

/* The place of root tasks keeps what it has once had. */
static size_t kept_objects(const thrum_runtime *runtime)
{
    const struct tier *tier = pointer_of(runtime->place.strand.tiers);
    size_t n = 0;

    for (; tier; tier = pointer_of(tier->shallower)) {
        const struct roster_segment *segment = pointer_of(tier->roster.segments);

        for (n++; segment; segment = pointer_of(segment->older))
            n++;
    }
    return n;
}

/* All of the task layer's objects that are free; the runtime is at rest. */
static size_t free_objects(const thrum_runtime *runtime)
{
    size_t n = 0;

    for (int kind = 0; kind < SLAB_KINDS; kind++) {
        const struct pool_item *batch = pointer_of(runtime->slabs.stores[kind].head.lo);

        for (; batch; batch = pointer_of(batch->next_batch))
            n += length_of(batch);
        for (unsigned i = 0; i < runtime->scheduler.known; i++) {
            const struct worker *worker = pointer_of(runtime->scheduler.workers[i]);

            n += length_of(worker->above[kind].items) + length_of(worker->above[kind].full);
        }
    }
    return n;
}

static size_t all_objects(const thrum_runtime *runtime)
{
    size_t n = 0;

    for (const uint64_t *chunk = pointer_of(runtime->slabs.chunks); chunk;
         chunk = pointer_of(*chunk))
        n += CHUNK_OBJECTS;
    return n;
}

/* Of the one worker: all that it has made are free. */
static void check_coroutines(const struct worker *worker)
{
    const struct coroutine *coroutine = worker->source.coroutines;
    const struct pool_item *batch = pointer_of(worker->scheduler->coroutines.head.lo);
    size_t n = length_of(worker->coroutines.items) + length_of(worker->coroutines.full);

    for (; batch; batch = pointer_of(batch->next_batch))
        n += length_of(batch);
    for (; coroutine; coroutine = coroutine->older)
        n--;
    CHECK_EQ(n, 0);
}

/* With one worker all that it did happened before the end of the root task. */
static void check_objects(thrum_runtime *runtime)
{
    if (thrum_runtime_workers(runtime) != 1)
        return;
    CHECK_EQ(free_objects(runtime) + kept_objects(runtime), all_objects(runtime));
    check_coroutines(pointer_of(runtime->scheduler.workers[0]));
}

/* ---- one run --------------------------------------------------------------------------------- */

#ifdef THRUM_POINTS

void (*thrum_point_hook)(const char *name);

/* Cancels the rule's task while a worker waits in the hook. */
static struct {
    uint64_t victim;  /* atomic: thrum_task *; 0: none */
    uint64_t target;  /* the victim that the hook has seen */
    uint32_t inside;  /* atomic: workers in the hook */
    uint32_t passes;  /* atomic: suspensions so far */
    uint32_t at;      /* atomic: cancel at this one; 0: never */
    uint32_t wanted;  /* atomic, futex: how many cancels, */
    uint32_t done;    /* atomic, futex: and how many there were */
    uint32_t end;     /* atomic */
} canceller;

static void cancel_now(uint64_t victim)
{
    uint32_t ticket;
    uint32_t done;

    canceller.target = victim;
    ticket = add_acq_rel(&canceller.wanted, 1) + 1;
    thrum_futex_wake(&canceller.wanted, 1);
    while ((done = load_acquire(&canceller.done)) != ticket)
        thrum_futex_wait(&canceller.done, done, -1);
}

static void hook(const char *name)
{
    uint64_t victim;

    if (strcmp(name, "suspend.left") != 0 || !thrum_worker_self())
        return;
    add_seq(&canceller.inside, 1);
    victim = load_acquire(&canceller.victim);
    if (victim && add_acq_rel(&canceller.passes, 1) + 1 == load_acquire(&canceller.at))
        cancel_now(victim);
    add_seq(&canceller.inside, (uint32_t)-1);
}

static void *cancel_on_request(void *arg)
{
    uint32_t seen = 0;

    (void)arg;
    for (;;) {
        while (load_acquire(&canceller.wanted) == seen)
            thrum_futex_wait(&canceller.wanted, seen, -1);
        if (load_acquire(&canceller.end))
            return NULL;
        seen++;
        store_release(&now.fired, 1);
        (void)thrum_task_cancel(pointer_of(canceller.target), -EINTR, "the harness");
        store_release(&canceller.done, seen);
        thrum_futex_wake(&canceller.done, 1);
    }
}

static void reset_passes(void)
{
    store_release(&canceller.passes, 0);
}

static void show_victim(thrum_task *victim)
{
    store_release(&canceller.victim, word_of(victim));
}

/* From now on it is not cancelled. */
static void hide_victim(void)
{
    exchange_seq(&canceller.victim, 0);
    while (load_acquire(&canceller.inside))
        (void)thrum_yield();
}

#else

static void reset_passes(void)
{
}

static void show_victim(thrum_task *victim)
{
    (void)victim;
}

static void hide_victim(void)
{
}

#endif

/* In the simulated world: a task beside the rule's, which cancels it when it has had its turns. */
static struct {
    thrum_task *victim;
    int turns; /* -1: there is none */
    bool late; /* the rule had ended */
} beside = {.turns = -1};

static int cancel_beside(void *arg)
{
    (void)arg;
    for (int i = 0; i < beside.turns; i++)
        CHECK_EQ(thrum_yield(), 0);
    store_release(&now.fired, 1);
    beside.late = !thrum_task_cancel(beside.victim, -EINTR, "the harness");
    return 0;
}

static int run_rule(void *arg)
{
    (void)arg;
    SPAN;
    now.rule();
    return 0;
}

static int run_once(void *arg)
{
    thrum_group group;
    thrum_task *victim;
    thrum_outcome outcome = {.kind = THRUM_OK};
    int status;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, run_rule, NULL, NULL, &victim), 0);
    beside.victim = victim;
    if (beside.turns >= 0)
        CHECK_EQ(thrum_group_spawn(&group, cancel_beside, NULL, NULL, NULL), 0);
    show_victim(victim);
    CHECK_EQ(thrum_task_join(victim, &outcome), 0);
    hide_victim();
    if (!disturbed())
        CHECK_EQ(outcome.kind, THRUM_OK);
    thrum_error_free(outcome.error);
    status = thrum_group_close(&group, 0, NULL);
    thrum_task_unref(victim);
    return status;
}

static void run_on(thrum_runtime *runtime)
{
    store_release(&now.fired, 0);
    store_release(&now.entered, 0);
    store_release(&now.left, 0);
    reset_passes();
    CHECK_EQ(thrum_runtime_run(runtime, run_once, NULL, NULL), 0);
    CHECK_EQ(now.entered, now.left);
    check_objects(runtime);
}

static void undisturbed(void)
{
    static const int counts[] = {1, 2, 8};

    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        thrum_runtime *runtime = runtime_with(counts[i]);

        for (int k = 0; k < many(TIMES); k++)
            run_on(runtime);
        CHECK_EQ(thrum_runtime_close(runtime), 0);
    }
}

/* Before the first turn of who cancels it, before the second, and so on. */
static void cancelled_in_turn(void)
{
    thrum_runtime *runtime = runtime_with(1);
    int late = 0;

    for (beside.turns = 0; beside.turns < TURNS && late < LATE; beside.turns++) {
        run_on(runtime);
        late += beside.late;
    }
    beside.turns = -1;
    CHECK_EQ(thrum_runtime_close(runtime), 0);
}

#ifdef THRUM_POINTS

/* Cancel at the first suspension, at the second, and so on. */
static void cancelled_everywhere(int workers)
{
    thrum_runtime *runtime = runtime_with(workers);
    uint32_t n;

    store_release(&canceller.at, 0);
    run_on(runtime);
    n = load_acquire(&canceller.passes);
    CHECK_LE(n, SUSPENSIONS_MAX);
    for (uint32_t at = 1; at <= n; at++) {
        store_release(&canceller.at, at);
        run_on(runtime);
    }
    CHECK_EQ(thrum_runtime_close(runtime), 0);
}

static void cancelled(void)
{
    pthread_t thread;

    thrum_point_hook = hook;
    CHECK_EQ(pthread_create(&thread, NULL, cancel_on_request, NULL), 0);
    cancelled_everywhere(1);
    cancelled_everywhere(2);
    store_release(&canceller.end, 1);
    add_acq_rel(&canceller.wanted, 1);
    thrum_futex_wake(&canceller.wanted, 1);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    thrum_point_hook = NULL;
}

#else

static void cancelled(void)
{
}

#endif

void conform(void (*rule)(void))
{
    now.rule = rule;
    undisturbed();
    if (getenv("THRUM_SIM"))
        cancelled_in_turn();
    else
        cancelled();
}

/* ---- what rules are made of ------------------------------------------------------------------ */

thrum_task *spawn(thrum_group *group, thrum_fn fn, void *arg)
{
    thrum_task *task;

    return thrum_group_spawn(group, fn, arg, NULL, &task) == 0 ? task : NULL;
}

int spawn_forgotten(thrum_group *group, thrum_fn fn, void *arg)
{
    return thrum_group_spawn(group, fn, arg, NULL, NULL);
}

struct finish finish(thrum_task *task)
{
    thrum_outcome outcome = {.kind = THRUM_CANCELLED, .status = THRUM_ECANCELED};
    int join = THRUM_ECANCELED;

    if (task)
        join = thrum_task_join(task, &outcome);
    thrum_task_unref(task);
    thrum_error_free(outcome.error);
    return (struct finish){join, outcome.kind, outcome.status};
}

void open_group(thrum_group *group)
{
    CHECK_EQ(thrum_group_open(group, NULL), 0);
}

void open_collecting(thrum_group *group)
{
    CHECK_EQ(thrum_group_open(group, collecting()), 0);
}

int close_group(thrum_group *group, int status)
{
    thrum_error *errors = NULL;

    status = thrum_group_close(group, status, &errors);
    thrum_error_free(errors);
    return status;
}

int rest(void)
{
    return disturbed() ? THRUM_ECANCELED : thrum_sleep(THRUM_FOREVER);
}

int sleep_on(void *arg)
{
    SPAN;
    if (arg)
        raise_flag(arg);
    return rest();
}

int wait_event(void *arg)
{
    SPAN;
    return thrum_event_wait(arg);
}

int nothing(void *arg)
{
    (void)arg;
    SPAN;
    return 0;
}

int fail_with(void *arg)
{
    SPAN;
    return *(const int *)arg;
}
