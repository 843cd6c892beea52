/*
 * clock.c - a thread that acts while all workers compute, or one has stopped.
 *
 * It sleeps while nobody is awake: no worker, and no thread that publishes
 * from outside. Else it looks, every TICK_NS, for
 *
 *   workers that have made no pick for two ticks: a task that only spawns and
 *   joins runs everything inline and never comes back to its loop. It asks
 *   them to give way at their next inline join, and to share what they have.
 *
 *   work that lies about while workers are parked. The event count wakes
 *   nobody while somebody searches, and the kernel may have stopped that one;
 *   or one that has claimed a sleeper and not called it, or published and not
 *   notified. It calls a parked worker, whatever the count says.
 *
 * Edges
 *   sched.busy   stirs <-> sleep   one sees the other
 */
#include "runtime/plat/futex.h"
#include "runtime/plat/thread.h"
#include "runtime/sched/internal.h"

#define TICK_NS 5000000

struct watch {
    uint32_t visits;
    unsigned ticks; /* since visits last changed */
};

struct clock {
    struct watch watches[IDLE_WORKERS_MAX];
    unsigned in_sight; /* ticks for which there has been work to take */
    unsigned next;     /* whom to look at first, so that each has its turn */
};

static void hurry(struct scheduler *scheduler, struct watch *watches)
{
    unsigned n = load_acquire(&scheduler->known); /* EDGE sched.worker */

    for (unsigned i = 0; i < n; i++) {
        struct worker *worker = worker_at(scheduler, i);
        uint32_t visits = load_relaxed(&worker->visits); /* relaxed: a hint */
        struct watch *watch = &watches[i];

        watch->ticks = visits == watch->visits ? watch->ticks + 1 : 0;
        watch->visits = visits;
        if (watch->ticks < 2)
            continue;
        store_relaxed(&worker->overdue, 1); /* relaxed: a request, sent again if lost */
        thrum_deque_ask(&worker->deque);
    }
}

static void rouse(struct scheduler *scheduler, struct clock *clock)
{
    unsigned n = load_acquire(&scheduler->known); /* EDGE sched.worker */

    clock->in_sight = thrum_work_in_sight(scheduler) ? clock->in_sight + 1 : 0;
    if (clock->in_sight < 2)
        return;
    for (unsigned i = 0; i < n; i++) {
        struct worker *worker = worker_at(scheduler, clock->next++ % n);

        if (load_relaxed(&worker->parked)) { /* relaxed: a hint, we look again */
            thrum_worker_call(worker);
            return;
        }
    }
}

static void sleep_while_idle(struct scheduler *scheduler)
{
    exchange_seq(&scheduler->clock_asleep, 1); /* EDGE sched.busy */
    thrum_futex_wait(&scheduler->busy, 0, -1);
    store_relaxed(&scheduler->clock_asleep, 0); /* relaxed: a wake too many does no harm */
}

static void *clock_main(void *arg)
{
    struct scheduler *scheduler = arg;
    struct clock clock = {.in_sight = 0};

    while (!load_acquire(&scheduler->clock_stop)) { /* EDGE sched.clock */
        if (load_relaxed(&scheduler->busy) == 0)    /* relaxed: the futex checks again */
            sleep_while_idle(scheduler);
        thrum_futex_wait(&scheduler->clock_stop, 0, TICK_NS);
        hurry(scheduler, clock.watches);
        rouse(scheduler, &clock);
    }
    return NULL;
}

int thrum_clock_start(struct scheduler *scheduler)
{
    int err = thrum_thread_create(&scheduler->clock_thread, clock_main, scheduler, "thrum-clock");

    scheduler->clock_started = err == 0;
    return err;
}

void thrum_clock_stop(struct scheduler *scheduler)
{
    if (!scheduler->clock_started)
        return;
    store_release(&scheduler->clock_stop, 1); /* EDGE sched.clock */
    thrum_worker_stirs(scheduler); /* or it might sleep for want of a busy worker */
    thrum_futex_wake(&scheduler->clock_stop, 1);
    pthread_join(scheduler->clock_thread, NULL);
}
