/* simulated.c - calls in a simulated world, where there are no threads. */
#include <thrum/fault.h>
#include <thrum/time.h>

#include <errno.h>

#include "runtime/offload/internal.h"

#define SIMULATED_LOOK_NS 1000 /* virtual: between two looks for a free thread */
#define LATENCY_MOST 60        /* of a simulated call, as a power of two */

/* Is there room for one more at a time? 0, -EAGAIN: not yet, THRUM_ESHUTDOWN. */
static int admit(struct thrum_executor *executor, struct call *call)
{
    int status = 0;

    executor_enter(executor);
    if (executor->closing)
        status = THRUM_ESHUTDOWN;
    else if (executor->running.count >= executor->limit)
        status = -EAGAIN;
    else
        calls_append(&executor->running, call);
    executor_leave(executor);
    return status;
}

/* As on a thread: no task runs meanwhile. */
static int run_apart(struct call *call)
{
    const void *task = thrum_lane_self()->current;
    int status;

    thrum_lane_self()->current = NULL;
    status = thrum_call_run(call);
    thrum_lane_self()->current = task;
    return status;
}

/*
 * What the call does it does in one moment, when its time begins or when it is over: whether it
 * hears of a cancel is chosen like that.
 */
int thrum_executor_simulate(struct thrum_executor *executor, struct call *call)
{
    static const int64_t takes_ns[] = {100000, 0, 10000000, 1000000000};
    uint32_t power = thrum_fault(THRUM_FAULT_LATENCY);
    int64_t ns = power ? (int64_t)1 << (power < LATENCY_MOST ? power : LATENCY_MOST)
                       : takes_ns[thrum_draw_below(sizeof takes_ns / sizeof takes_ns[0])];
    bool late = thrum_draw_below(2) != 0;
    int status, cancelled, value = 0;

    if (thrum_fault(THRUM_FAULT_THREAD))
        return -EAGAIN;
    while ((status = admit(executor, call)) == -EAGAIN)
        if ((status = thrum_sleep(SIMULATED_LOOK_NS)) != 0)
            return status;
    if (status)
        return status;
    if (!late)
        value = run_apart(call);
    cancelled = thrum_sleep(ns);
    if (late) {
        store_release(&call->cancelled, cancelled != 0); /* EDGE executor.told */
        value = run_apart(call);
    }
    executor_enter(executor);
    calls_take_out(&executor->running, call);
    executor_leave(executor);
    return cancelled ? cancelled : value;
}
