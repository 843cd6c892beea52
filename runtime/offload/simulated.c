/*
 * simulated.c - calls in a simulated world, where there are no threads.
 *
 * The calling task makes the call itself. What the call does it does in one moment, when its time
 * begins or when it is over; only where it asks whether it was cancelled, others go on meanwhile.
 * There are places as there would be threads: who finds none waits for one, first come, first
 * served.
 */
#include <thrum/fault.h>
#include <thrum/scope.h>
#include <thrum/time.h>

#include <errno.h>

#include "runtime/offload/internal.h"
#include "runtime/sched/worker.h"
#include "runtime/sched/world.h"
#include "runtime/task/scope.h"

#define LATENCY_MOST 60 /* of a call, as a power of two */
#define PAUSE_NS 1000   /* between two looks of a call for its cancel, at least */
#define PAUSE_PART 8    /* and such a part of the time that it has run */

static const struct wait_kind a_place = {.what = "a thread of executor"};

/* ---- places ---------------------------------------------------------------------------------- */

/* Lock held. There is a place: whose is it? (Calls of real tasks are none of ours.) */
static struct fiber *pass_on(struct thrum_executor *executor)
{
    struct call *next = executor->waiting.first;
    struct fiber *asleep = NULL;

    if (!next || !next->caller || executor->running.count >= executor->limit)
        return NULL;
    calls_take_out(&executor->waiting, next);
    calls_append(&executor->running, next);
    next->state = CALL_RUNNING;
    (void)thrum_wait_claim(&next->wait, WAIT_WOKEN, &asleep);
    return asleep;
}

/* It waits no more, and has no place. */
static void leave_place(struct thrum_executor *executor, struct call *call)
{
    struct fiber *asleep;

    executor_enter(executor);
    if (call->state != CALL_OVER)
        calls_take_out(call->state == CALL_QUEUED ? &executor->waiting : &executor->running, call);
    call->state = CALL_OVER;
    asleep = pass_on(executor);
    executor_leave(executor);
    if (asleep)
        thrum_ready(asleep);
}

/* 0: it has a place. -EAGAIN: it waits for one. */
static int ask_for_place(struct thrum_executor *executor, struct call *call)
{
    bool any;
    int status;

    executor_enter(executor);
    any = executor->running.count < executor->limit && !executor->waiting.first;
    status = executor->closing ? THRUM_ESHUTDOWN : any ? 0 : -EAGAIN;
    if (status == 0)
        calls_append(&executor->running, call);
    else if (status == -EAGAIN)
        calls_append(&executor->waiting, call);
    call->state = status == 0 ? CALL_RUNNING : CALL_QUEUED;
    executor_leave(executor);
    return status;
}

static bool still_queued(struct thrum_executor *executor, struct call *call,
                         const struct wait *wait)
{
    bool queued;

    executor_enter(executor);
    call->wait = *wait;
    queued = call->state == CALL_QUEUED;
    executor_leave(executor);
    return queued;
}

static int wait_for_place(struct thrum_executor *executor, struct call *call)
{
    struct wait wait;
    int status = thrum_wait_begin(&wait);

    while (!status && still_queued(executor, call, &wait)) {
        thrum_strand_waits(wait.strand, &a_place, executor);
        if (thrum_wait_sleep(&wait) == WAIT_WOKEN)
            break;
        status = thrum_cancel_deliver();
        if (!status && thrum_wait_begin(&wait)) /* no memory to be found by cancels */
            thrum_wait_begin_deaf(&wait);
    }
    if (!status && call->state == CALL_OVER) /* nobody will ever have one */
        status = call->status;
    if (status)
        leave_place(executor, call);
    return status;
}

static int take_place(struct thrum_executor *executor, struct call *call)
{
    int status = ask_for_place(executor, call);

    return status == -EAGAIN ? wait_for_place(executor, call) : status;
}

/* ---- the call -------------------------------------------------------------------------------- */

/* As on a thread: no task runs meanwhile. */
static int run_apart(struct call *call)
{
    int status;

    thrum_lane_self()->current = NULL;
    status = thrum_call_run(call);
    thrum_lane_self()->current = call->caller;
    return status;
}

/* It was told; that others cancel again changes nothing. */
static void sleep_deaf(int64_t ns)
{
    thrum_shield shield;

    thrum_shield_begin(&shield);
    (void)!thrum_sleep(ns);
    (void)!thrum_shield_end(&shield);
}

/*
 * The longer it has run, the longer. Without memory to sleep it does not; it will ask again.
 */
void thrum_call_pause(struct call *call)
{
    int64_t part = (thrum_world_now() - call->began) / PAUSE_PART;
    int64_t ns = part > PAUSE_NS ? part : PAUSE_NS;

    thrum_lane_self()->current = call->caller;
    if (load_relaxed(&call->cancelled)) /* relaxed: one thread */
        sleep_deaf(ns);
    else if (thrum_sleep(ns) == THRUM_ECANCELED)
        store_release(&call->cancelled, 1); /* EDGE executor.told */
    thrum_lane_self()->current = NULL;
}

static int cancelled(const struct call *call)
{
    return load_relaxed(&call->cancelled) ? THRUM_ECANCELED : 0; /* relaxed: one thread */
}

/* Whether the call hears of a cancel is chosen by when it does what it does. */
int thrum_executor_simulate(struct thrum_executor *executor, struct call *call)
{
    static const int64_t takes_ns[] = {100000, 0, 10000000, 1000000000};
    uint32_t power = thrum_fault(THRUM_FAULT_LATENCY);
    int64_t ns = power ? (int64_t)1 << (power < LATENCY_MOST ? power : LATENCY_MOST)
                       : takes_ns[thrum_draw_below(sizeof takes_ns / sizeof takes_ns[0])];
    bool late = thrum_draw_below(2) != 0;
    int status, stopped, value = 0;

    if (thrum_fault(THRUM_FAULT_THREAD))
        return -EAGAIN;
    call->caller = thrum_lane_self()->current;
    status = take_place(executor, call);
    if (status)
        return status;
    call->began = thrum_world_now();
    if (!late)
        value = run_apart(call);
    stopped = cancelled(call);
    if (!stopped)
        stopped = thrum_sleep(ns);
    if (late) {
        store_release(&call->cancelled, stopped != 0); /* EDGE executor.told */
        value = run_apart(call);
        stopped = stopped ? stopped : cancelled(call);
    }
    leave_place(executor, call);
    return stopped ? stopped : value;
}
