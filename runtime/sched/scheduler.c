/*
 * scheduler.c - the set of workers: making them, having more or fewer of
 * them, ending them.
 *
 * A worker's structure stays until the scheduler ends, for thieves look at
 * all of them. A worker that retires leaves its queues behind; the others
 * empty them.
 *
 * Edges
 *   sched.worker   thrum_worker_make -> worker_at   the worker is initialised
 *   sched.leave    resize -> must_leave       a worker is to leave, or to stay after all
 *   sched.clock    clock_stop -> clock_main   the clock is to end
 *   sched.visit    ready from outside -> fini  a foreign thread has left the scheduler
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>

#include "runtime/atomic/asymmetric.h"
#include "runtime/plat/clock.h"
#include "runtime/plat/cpus.h"
#include "runtime/plat/memory.h"
#include "runtime/plat/overflow.h"
#include "runtime/plat/thread.h"
#include "runtime/sched/internal.h"

#define DEQUE_CAPACITY 256
#define LOOP_STACK_BYTES ((size_t)128 << 10)

bool thrum_worker_stay(struct worker *worker, struct seat *seat)
{
    struct scheduler *scheduler = worker->scheduler;

    worker->home = &seat->home;
    thrum_worker_here(worker);
    thrum_context_leave(&seat->home, &worker->loop, thrum_worker_next, worker);
    if (seat->fiber)
        return false;
    thrum_pool_flush(&worker->fibers);
    thrum_pool_flush(&worker->coroutines);
    for (unsigned i = 0; i < WORKER_CACHES; i++)
        thrum_pool_flush(&worker->above[i]);
    thrum_worker_here(NULL);
    fence_light(); /* EDGE idle.search: what is left in our queues is for others */
    thrum_notify(scheduler);
    thrum_worker_rests(scheduler);
    return true;
}

int thrum_worker_make(struct scheduler *scheduler, unsigned index)
{
    struct worker *worker = thrum_memory_get(sizeof *worker, CACHE_LINE);
    struct stack stack;
    uint32_t number;
    int err;

    if (!worker)
        return -ENOMEM;
    err = thrum_deque_init(&worker->deque, DEQUE_CAPACITY);
    if (err)
        goto free_worker;
    err = thrum_stack_new(&scheduler->loops, &stack, &number);
    if (err)
        goto fini_deque;
    thrum_context_loop(&worker->loop, stack.low, stack.top);
    thrum_fiber_source_init(&worker->source, scheduler, scheduler->stack_bytes);
    thrum_timers_init(&worker->timers);
    worker->fibers.store = &scheduler->fibers;
    worker->coroutines.store = &scheduler->coroutines;
    worker->scheduler = scheduler;
    worker->index = index;
    worker->random = (index + 1) * UINT64_C(0x9e3779b97f4a7c15);
    worker->inject_turn = 1; /* the first pick looks there */
    worker->until_inject = 1;
    store_release(&scheduler->workers[index], word_of(worker)); /* EDGE sched.worker */
    store_release(&scheduler->known, index + 1);                /* EDGE sched.worker */
    return 0;

fini_deque:
    thrum_deque_fini(&worker->deque);
free_worker:
    thrum_memory_put(worker);
    return err;
}

static void worker_free(struct worker *worker)
{
    thrum_context_fini(&worker->loop);
    thrum_fiber_source_fini(&worker->source);
    thrum_timers_fini(&worker->timers);
    thrum_deque_fini(&worker->deque);
    thrum_memory_put(worker);
}

static void worker_join(struct worker *worker)
{
    thrum_seat_join(pointer_of(load_acquire(&worker->seat))); /* EDGE sched.leave */
    worker->started = false;
}

/* Its thread is there, and will stay. */
static bool worker_keep(struct worker *worker)
{
    uint32_t leaves = WORKER_LEAVES;

    if (!worker->started)
        return false;
    if (cas_acq_rel(&worker->retiring, &leaves, WORKER_STAYS)) { /* EDGE sched.leave */
        thrum_worker_call(worker);
        return true;
    }
    worker_join(worker);
    return false;
}

static int worker_start(struct scheduler *scheduler, unsigned index)
{
    struct worker *worker;
    char name[24];
    int err = 0;

    if (index >= load_relaxed(&scheduler->known)) /* relaxed: only the controller writes it */
        err = thrum_worker_make(scheduler, index);
    if (err)
        return err;
    worker = worker_at(scheduler, index);
    if (worker_keep(worker))
        return 0;
    snprintf(name, sizeof name, "thrum-%u", index);
    store_relaxed(&worker->retiring, WORKER_STAYS); /* relaxed: the thread does not exist yet */
    thrum_worker_stirs(scheduler); /* for it: what is published before it runs is its to find */
    err = thrum_seat_make(scheduler, worker, name, NULL);
    worker->started = err == 0;
    if (err)
        thrum_worker_rests(scheduler);
    return err;
}

static void worker_tell(struct worker *worker, uint32_t what)
{
    store_release(&worker->retiring, what); /* EDGE sched.leave */
    thrum_worker_call(worker);
}

unsigned thrum_scheduler_size(const struct scheduler *scheduler)
{
    return scheduler->size;
}

/* Threads that have left. */
static void reap(struct scheduler *scheduler)
{
    unsigned known = load_relaxed(&scheduler->known); /* relaxed: only the controller writes it */

    for (unsigned i = scheduler->size; i < known; i++) {
        struct worker *worker = worker_at(scheduler, i);

        if (worker->started && load_acquire(&worker->retiring) == WORKER_GONE) /* EDGE sched.leave */
            worker_join(worker);
    }
}

int thrum_scheduler_resize(struct scheduler *scheduler, unsigned n)
{
    int err = 0;

    store_relaxed(&scheduler->oversubscribed, (int)n > thrum_cpus_available()); /* relaxed: a hint */
    reap(scheduler);
    while (scheduler->size < n && !err) {
        err = worker_start(scheduler, scheduler->size);
        scheduler->size += err == 0;
    }
    while (scheduler->size > n)
        worker_tell(worker_at(scheduler, --scheduler->size), WORKER_LEAVES);
    return err;
}

void thrum_scheduler_stir(struct scheduler *scheduler)
{
    unsigned known = load_acquire(&scheduler->known); /* EDGE sched.worker */

    for (unsigned i = 0; i < known; i++)
        thrum_worker_call(worker_at(scheduler, i));
    thrum_clock_call(scheduler);
}

int64_t thrum_scheduler_due(const struct scheduler *scheduler)
{
    unsigned known = load_acquire(&scheduler->known); /* EDGE sched.worker */
    int64_t first = TIMER_NEVER;

    for (unsigned i = 0; i < known; i++) {
        /* relaxed: rest has brought it, or it is a hint */
        int64_t due = (int64_t)load_relaxed(&worker_at(scheduler, i)->timers.next_due);

        if (due < first)
            first = due;
    }
    return first;
}

int64_t thrum_scheduler_jump(struct scheduler *scheduler, int64_t due, int64_t most)
{
    int64_t gap = due - thrum_clock_now();

    if (gap < 0)
        gap = 0;
    if (gap > most)
        gap = most;
    thrum_clock_skip(gap);
    thrum_scheduler_stir(scheduler);
    return gap;
}

/* All are to leave, whatever is armed. */
static void end_all(struct scheduler *scheduler)
{
    unsigned known = load_relaxed(&scheduler->known); /* relaxed: only the controller writes it */

    for (unsigned i = 0; i < known; i++)
        worker_tell(worker_at(scheduler, i), WORKER_ENDS);
    for (unsigned i = 0; i < known; i++)
        if (worker_at(scheduler, i)->started)
            worker_join(worker_at(scheduler, i));
    scheduler->size = 0;
}

/* Once: other runtimes' workers read it. */
static pthread_once_t process_once = PTHREAD_ONCE_INIT;
static int process_err;

/* Atomic: how many forks led here. */
static uint32_t forks;

/* In the child of a fork: of all threads only this one is left, and it is no worker. */
static void forked(void)
{
    store_relaxed(&forks, load_relaxed(&forks) + 1); /* relaxed: nobody else is there */
    thrum_worker_here(NULL);
}

static void prepare_process(void)
{
    thrum_asymmetric = thrum_membarrier_setup();
    process_err = -pthread_atfork(NULL, NULL, forked);
}

bool thrum_scheduler_is_here(const struct scheduler *scheduler)
{
    return scheduler->forks == load_relaxed(&forks); /* relaxed: it changes in a fork only */
}

void thrum_scheduler_here(const struct scheduler *scheduler)
{
    if (UNLIKELY(!thrum_scheduler_is_here(scheduler)))
        thrum_panic("the child of a fork has used a runtime of its parent, whose workers it does "
                    "not have; make one of its own");
}

/* All but the clock. */
static int init(struct scheduler *scheduler, const struct task_verbs *verbs, unsigned workers_max,
                size_t stack_bytes)
{
    struct inject_node *node;
    int err;

    pthread_once(&process_once, prepare_process);
    if (process_err)
        return process_err;
    scheduler->forks = load_relaxed(&forks); /* relaxed: it changes in a fork only */
    thrum_idle_init(&scheduler->idle, workers_max);
    store_relaxed(&scheduler->alert, 1); /* relaxed: nobody knows it yet */
    pthread_mutex_init(&scheduler->spares_lock, NULL);
    thrum_fiber_source_init(&scheduler->outside, scheduler, stack_bytes);
    thrum_stack_arena_init(&scheduler->loops, LOOP_STACK_BYTES);
    scheduler->roots.store = &scheduler->fibers;
    scheduler->verbs = verbs;
    scheduler->workers_max = workers_max;
    scheduler->stack_bytes = stack_bytes;
    node = thrum_fiber_node(&scheduler->outside);
    if (!node) {
        err = -ENOMEM;
        goto fini_source;
    }
    thrum_inject_init(&scheduler->inject, node);
    err = thrum_poll_init(&scheduler->poll);
    if (err)
        goto fini_source;
    return 0;

fini_source:
    thrum_fiber_source_fini(&scheduler->outside);
    thrum_stack_arena_fini(&scheduler->loops);
    return err;
}

static void fini(struct scheduler *scheduler)
{
    unsigned known = load_relaxed(&scheduler->known); /* relaxed: only the controller writes it */

    for (unsigned i = 0; i < known; i++)
        worker_free(worker_at(scheduler, i));
    thrum_poll_fini(&scheduler->poll);
    thrum_fiber_source_fini(&scheduler->outside);
    thrum_stack_arena_fini(&scheduler->loops);
}

int thrum_scheduler_init(struct scheduler *scheduler, const struct task_verbs *verbs,
                         unsigned workers_max, size_t stack_bytes)
{
    int err = init(scheduler, verbs, workers_max, stack_bytes);

    if (err)
        return err;
    err = thrum_clock_start(scheduler);
    if (err)
        fini(scheduler);
    return err;
}

const struct context *thrum_world_loop(const struct scheduler *scheduler)
{
    return world_races(scheduler->world) ? &worker_at(scheduler, 0)->loop : NULL;
}

/* The worker counts as awake for good: whether all is at rest, the world says. */
int thrum_scheduler_init_simulated(struct scheduler *scheduler, const struct task_verbs *verbs,
                                   size_t stack_bytes, struct world *world)
{
    struct worker *worker;
    int err = init(scheduler, verbs, 1, stack_bytes);

    if (err)
        return err;
    scheduler->world = world;
    err = thrum_worker_make(scheduler, 0);
    if (err) {
        fini(scheduler);
        return err;
    }
    worker = worker_at(scheduler, 0);
    worker->world = world;
    if (world_races(world))
        sanitizer_stand_apart(&worker->loop.sanitizer);
    store_relaxed(&worker->overdue, OVERDUE_WORLD); /* relaxed: nobody knows it yet */
    thrum_deque_poison(&worker->deque);
    thrum_worker_stirs(scheduler);
    scheduler->size = 1;
    return 0;
}

void thrum_scheduler_drive(struct scheduler *scheduler, const uint32_t *done)
{
    struct worker *worker = worker_at(scheduler, 0);
    struct context home = {.sp = NULL};

    scheduler->world->until = done;
    worker->home = &home;
    thrum_worker_here(worker);
    sanitizer_release(&scheduler->world);
    thrum_context_leave(&home, &worker->loop, thrum_worker_next, worker);
    sanitizer_acquire(scheduler);
    thrum_worker_here(NULL);
}

void thrum_scheduler_fini(struct scheduler *scheduler)
{
    while (load_acquire(&scheduler->visitors)) /* EDGE sched.visit */
        sched_yield(); /* what they came for has run already */
    end_all(scheduler);
    thrum_seats_end(scheduler);
    if (!scheduler->world)
        thrum_clock_stop(scheduler);
    fini(scheduler);
}
