/*
 * seat.c - the threads on which workers run.
 *
 *     the task's thread                      a spare thread
 *
 *     give_away: the lane is nobody's  --->  runs the worker
 *     the task blocks, on its fiber
 *     come_back: the fiber leaves it,
 *     the thread's own flow goes on:
 *     it is a spare one, makes the
 *     fiber ready, and waits           <---  the next who gives away
 *
 * The worker's thread is whoever runs it last: that is the one to be joined when it has
 * gone, so the two exchange their places in it under the lock before the spare one
 * is called. The lock is held for a few steps, never while a thread is made.
 *
 * While the task is away a hold is out for it (rest.c): it is neither at rest nor known
 * to any worker. It is released by the thread that has made the task ready.
 *
 * Edges
 *   seat.called   give_away -> seat_main   the worker, as its last thread has left it
 */
#include "runtime/sched/seat.h"

#include <errno.h>

#include "runtime/base/point.h"
#include "runtime/plat/futex.h"
#include "runtime/plat/memory.h"
#include "runtime/plat/overflow.h"
#include "runtime/plat/thread.h"
#include "runtime/sched/internal.h"

enum { SEAT_SPARE = 0, SEAT_CALLED, SEAT_ENDS };

static __thread struct seat *here;

/* A fiber asks: it may have come from another thread. */
static NOINLINE struct seat *seat_here(void)
{
    struct seat *seat = here;

    __asm__ __volatile__("" : "+r"(seat) : : "memory");
    return seat;
}

static void push_spare(struct seat *seat)
{
    struct scheduler *scheduler = seat->scheduler;

    pthread_mutex_lock(&scheduler->spares_lock);
    seat->next = scheduler->spares;
    scheduler->spares = seat;
    pthread_mutex_unlock(&scheduler->spares_lock);
}

static struct seat *pop_spare(struct scheduler *scheduler)
{
    struct seat *seat;

    pthread_mutex_lock(&scheduler->spares_lock);
    seat = scheduler->spares;
    if (seat)
        scheduler->spares = seat->next;
    pthread_mutex_unlock(&scheduler->spares_lock);
    return seat;
}

/* ---- the thread ----------------------------------------------------------------------------- */

/*
 * The fiber that was here without a worker has left. We are spare before it is ready, for whatever
 * it does then may end the scheduler.
 */
static void dismiss(struct seat *seat)
{
    struct scheduler *scheduler = seat->scheduler;
    struct fiber *fiber = seat->fiber;

    seat->fiber = NULL;
    push_spare(seat);
    POINT("seat.spare");
    thrum_ready(fiber);
    POINT("seat.ready");
    thrum_scheduler_release(scheduler);
}

/* Until it is given a worker. False: it is to end. */
static bool await_call(struct seat *seat)
{
    uint32_t called;

    while ((called = load_acquire(&seat->called)) == SEAT_SPARE) /* EDGE seat.called */
        thrum_futex_wait(&seat->called, SEAT_SPARE, -1);
    store_relaxed(&seat->called, SEAT_SPARE); /* relaxed: nobody calls who has not found us spare */
    return called == SEAT_CALLED;
}

/* Counted as awake already. True: the worker has gone. False: it was given away. */
static bool run(struct seat *seat)
{
    struct worker *worker = seat->worker;

    for (;;) {
        if (!thrum_worker_stay(worker, seat))
            return false;
        if (thrum_worker_linger(worker))
            return true;
        thrum_worker_stirs(worker->scheduler);
    }
}

static void *seat_main(void *arg)
{
    struct seat *seat = arg;

    here = seat;
    thrum_overflow_thread_init();
    while (await_call(seat) && !run(seat))
        dismiss(seat);
    thrum_overflow_thread_fini();
    return NULL;
}

/* ---- making and ending ---------------------------------------------------------------------- */

int thrum_seat_make(struct scheduler *scheduler, struct worker *worker, const char *name,
                    struct seat **out)
{
    struct seat *seat = thrum_memory_get(sizeof *seat, CACHE_LINE);
    int err;

    if (!seat)
        return -ENOMEM;
    seat->scheduler = scheduler;
    seat->worker = worker;
    store_relaxed(&seat->called, worker ? SEAT_CALLED : SEAT_SPARE); /* relaxed: no thread yet */
    if (worker) /* before it runs: it may give the worker away at once */
        store_release(&worker->seat, word_of(seat)); /* EDGE sched.leave */
    err = thrum_thread_create(&seat->thread, seat_main, seat, name);
    if (err)
        thrum_memory_put(seat);
    else if (out)
        *out = seat;
    return err;
}

void thrum_seat_join(struct seat *seat)
{
    pthread_join(seat->thread, NULL);
    if (seat->loop_stack)
        thrum_context_fini(&seat->loop);
    thrum_memory_put(seat->loop_stack);
    thrum_memory_put(seat);
}

static void call(struct seat *seat, uint32_t what)
{
    store_release(&seat->called, what); /* EDGE seat.called */
    thrum_futex_wake(&seat->called, 1);
}

void thrum_seats_end(struct scheduler *scheduler)
{
    struct seat *seat;

    while ((seat = pop_spare(scheduler)) != NULL) {
        call(seat, SEAT_ENDS);
        thrum_seat_join(seat);
    }
}

/* ---- giving away, and coming back ----------------------------------------------------------- */

/* Another thread for the worker; NULL: none can be had. */
static struct seat *spare_for(struct scheduler *scheduler)
{
    struct seat *spare = pop_spare(scheduler);

    if (!spare && thrum_seat_make(scheduler, NULL, "thrum-spare", &spare))
        return NULL;
    return spare;
}

/* Apart from the thread's stack, or valgrind would take the two for one. False: no memory. */
static bool make_loop(struct seat *seat)
{
    if (seat->loop_stack)
        return true;
    seat->loop_stack = thrum_memory_get_raw(SEAT_LOOP_BYTES, CACHE_LINE);
    if (seat->loop_stack)
        thrum_context_loop(&seat->loop, seat->loop_stack, seat->loop_stack + SEAT_LOOP_BYTES);
    return seat->loop_stack != NULL;
}

bool thrum_worker_give_away(void)
{
    struct worker *worker = thrum_worker_self();
    struct thrum_lane *lane = &worker->deque.lane;
    struct fiber *fiber = lane->fiber;
    struct seat *seat = seat_here();
    struct seat *spare = NULL;

    /* A guest's worker, or a simulated one, is run by a thread of the program's. */
    if (seat && seat->worker == worker && make_loop(seat))
        spare = spare_for(worker->scheduler);
    if (!spare)
        return false;
    thrum_scheduler_hold(worker->scheduler);
    fiber->current = lane->current;
    fiber->scope = lane->scope;
    seat->fiber = fiber;
    seat->worker = NULL;
    lane->fiber = NULL;
    thrum_worker_here(NULL);
    spare->worker = worker;
    store_release(&worker->seat, word_of(spare)); /* EDGE sched.leave */
    POINT("seat.given");
    call(spare, SEAT_CALLED);
    return true;
}

static struct context *go_home(void *arg)
{
    return &((struct seat *)arg)->home;
}

void thrum_worker_come_back(void)
{
    struct seat *seat = seat_here();

    thrum_context_leave(&seat->fiber->context, &seat->loop, go_home, seat);
}

bool thrum_worker_given_away(void)
{
    const struct seat *seat = seat_here();

    return seat && seat->fiber && !thrum_worker_self();
}
