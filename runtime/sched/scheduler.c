/*
 * scheduler.c - the set of workers: making them, having more or fewer of
 * them, ending them.
 *
 * A worker's structure stays until the scheduler ends, for thieves look at
 * all of them. A worker that retires leaves its queues behind; the others
 * empty them.
 *
 * Edges
 *   sched.worker   worker_make -> worker_at   the worker is initialised
 *   sched.leave    resize -> must_leave       a worker is to retire
 *   sched.clock    clock_stop -> clock_main   the clock is to end
 */
#include <errno.h>
#include <stdio.h>

#include "runtime/atomic/asymmetric.h"
#include "runtime/plat/cpus.h"
#include "runtime/plat/memory.h"
#include "runtime/plat/overflow.h"
#include "runtime/plat/thread.h"
#include "runtime/sched/internal.h"

#define DEQUE_CAPACITY 256
#define LOOP_STACK_BYTES ((size_t)128 << 10)

static void *worker_main(void *arg)
{
    struct worker *worker = arg;
    struct scheduler *scheduler = worker->scheduler;

    thrum_overflow_thread_init();
    thrum_worker_here(worker);
    thrum_worker_stirs(scheduler);
    thrum_context_leave(&worker->home, &worker->loop, thrum_worker_next, worker);
    thrum_pool_flush(&worker->fibers);
    thrum_worker_here(NULL);
    fence_light(); /* EDGE idle.search: what is left in our queues is for others */
    thrum_notify(scheduler);
    thrum_worker_rests(scheduler);
    thrum_overflow_thread_fini();
    return NULL;
}

static int worker_make(struct scheduler *scheduler, unsigned index)
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
    worker->fibers.store = &scheduler->fibers;
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
    thrum_deque_fini(&worker->deque);
    thrum_memory_put(worker);
}

static int worker_start(struct scheduler *scheduler, unsigned index)
{
    struct worker *worker;
    char name[24];
    int err = 0;

    if (index >= load_relaxed(&scheduler->known)) /* relaxed: only the controller writes it */
        err = worker_make(scheduler, index);
    if (err)
        return err;
    worker = worker_at(scheduler, index);
    snprintf(name, sizeof name, "thrum-%u", index);
    store_relaxed(&worker->retiring, 0); /* relaxed: the thread does not exist yet */
    err = thrum_thread_create(&worker->thread, worker_main, worker, name);
    worker->started = err == 0;
    return err;
}

static void worker_retire(struct worker *worker)
{
    if (!worker->started)
        return;
    store_release(&worker->retiring, 1); /* EDGE sched.leave */
    thrum_worker_call(worker);
}

static void worker_join(struct worker *worker)
{
    if (!worker->started)
        return;
    pthread_join(worker->thread, NULL);
    worker->started = false;
}

unsigned thrum_scheduler_size(const struct scheduler *scheduler)
{
    unsigned known = load_relaxed(&scheduler->known); /* relaxed: only the controller writes it */
    unsigned n = 0;

    while (n < known && worker_at(scheduler, n)->started)
        n++;
    return n;
}

int thrum_scheduler_resize(struct scheduler *scheduler, unsigned n)
{
    unsigned have = thrum_scheduler_size(scheduler);
    int err = 0;

    store_relaxed(&scheduler->oversubscribed, (int)n > thrum_cpus_available()); /* relaxed: a hint */
    for (unsigned i = have; i < n && !err; i++)
        err = worker_start(scheduler, i);
    for (unsigned i = n; i < have; i++)
        worker_retire(worker_at(scheduler, i));
    for (unsigned i = n; i < have; i++)
        worker_join(worker_at(scheduler, i));
    return err;
}

/* Once: other runtimes' workers read it. */
static pthread_once_t fences_once = PTHREAD_ONCE_INIT;

static void choose_fences(void)
{
    thrum_asymmetric = thrum_membarrier_setup();
}

int thrum_scheduler_init(struct scheduler *scheduler, const struct task_verbs *verbs,
                         unsigned workers_max, size_t stack_bytes)
{
    struct inject_node *node;
    int err;

    pthread_once(&fences_once, choose_fences);
    thrum_idle_init(&scheduler->idle, workers_max);
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
    err = thrum_clock_start(scheduler);
    if (err)
        goto fini_poll;
    return 0;

fini_poll:
    thrum_poll_fini(&scheduler->poll);
fini_source:
    thrum_fiber_source_fini(&scheduler->outside);
    thrum_stack_arena_fini(&scheduler->loops);
    return err;
}

void thrum_scheduler_fini(struct scheduler *scheduler)
{
    unsigned known = load_relaxed(&scheduler->known); /* relaxed: only the controller writes it */

    thrum_scheduler_resize(scheduler, 0);
    thrum_clock_stop(scheduler);
    for (unsigned i = 0; i < known; i++)
        worker_free(worker_at(scheduler, i));
    thrum_poll_fini(&scheduler->poll);
    thrum_fiber_source_fini(&scheduler->outside);
    thrum_stack_arena_fini(&scheduler->loops);
}
