/*
 * guest.c - a worker without a thread: it runs when somebody else's loop lets it.
 *
 * A turn is the worker's usual walk, but it ends when there is nothing to do, or
 * when its time is up. Between turns of the first kind the worker sleeps as it
 * would in the poller: whoever has something for it makes the poller's descriptor
 * readable, and a descriptor that becomes ready does so by itself. Its first
 * timer's time the loop is told; if it is late, the clock's thread sees to it as for any
 * worker. After a turn of the second kind the worker counts as awake, and the
 * descriptor is readable.
 *
 * Edges
 *   guest.turn   turn -> turn   what the worker did in its last turn, on whatever thread
 */
#include "runtime/plat/clock.h"
#include "runtime/sched/internal.h"

#include <errno.h>

/* Not before something has run, or a short turn would be for nothing. */
bool thrum_turn_is_over(const struct worker *worker)
{
    return worker->tick != worker->turn_tick && thrum_clock_now() >= worker->turn_until;
}

int thrum_scheduler_add_guest(struct scheduler *scheduler)
{
    int err = thrum_worker_make(scheduler, 0);
    struct worker *worker;

    if (err)
        return err;
    worker = worker_at(scheduler, 0);
    worker->guest = true;
    store_relaxed(&worker->overdue, OVERDUE_TURN); /* relaxed: nobody knows it yet */
    scheduler->size = 1;
    thrum_worker_stirs(scheduler);
    thrum_poll_wake(&scheduler->poll); /* the first turn is due */
    return 0;
}

static int64_t later(int64_t a, int64_t ns)
{
    return a > INT64_MAX - ns ? INT64_MAX : a + ns;
}

/* How long the loop may leave us alone; INT64_MAX: until the descriptor is readable. */
static int64_t until_next(const struct worker *worker)
{
    int64_t patience;

    if (!worker->dozes)
        return 0;
    patience = thrum_timers_patience(&worker->timers);
    return patience < 0 ? INT64_MAX : patience;
}

bool thrum_scheduler_turn(struct scheduler *scheduler, int64_t patience, int64_t budget,
                          int64_t *next)
{
    struct worker *worker = worker_at(scheduler, 0);
    struct context home = {.sp = NULL};

    if (exchange_acquire(&scheduler->turning, 1)) /* EDGE guest.turn */
        return false;
    thrum_worker_here(worker);
    thrum_guest_wakes(worker, worker->dozes ? patience : 0);
    worker->turn_tick = worker->tick + 1;
    worker->turn_until = later(thrum_clock_now(), budget);
    worker->home = &home;
    thrum_context_leave(&home, &worker->loop, thrum_worker_next, worker);
    thrum_worker_here(NULL);
    if (!worker->dozes)
        thrum_poll_wake(&scheduler->poll);
    *next = until_next(worker);
    store_release(&scheduler->turning, 0); /* EDGE guest.turn */
    return true;
}
