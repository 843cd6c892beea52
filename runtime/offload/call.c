/*
 * call.c - a task that waits for a call on another thread.
 */
#include <errno.h>
#include <string.h>

#include "runtime/offload/executor.h"
#include "runtime/sched/lent.h"
#include "runtime/task/scope.h"

static const struct wait_kind a_thread = {.what = "a thread of executor"};

/* It was cancelled. What the task returns; *mine: the call is the task's again. */
static int stop(struct thrum_executor *executor, struct call *call, int status, bool *mine)
{
    struct wait wait;
    enum call_fate fate;

    thrum_wait_begin_deaf(&wait);
    fate = thrum_executor_cancel(executor, call, &wait);
    if (fate == FATE_RUNS) { /* it may use the task's memory */
        thrum_strand_waits(wait.strand, &a_thread, executor);
        (void)thrum_wait_sleep(&wait);
    }
    *mine = fate != FATE_ABANDONED;
    return status;
}

/* Until it is over. */
static int await_end(struct thrum_executor *executor, struct call *call, bool *mine)
{
    struct wait wait = call->wait;

    for (;;) {
        int status;

        thrum_strand_waits(wait.strand, &a_thread, executor);
        if (thrum_wait_sleep(&wait) == WAIT_WOKEN)
            return call->status;
        status = thrum_cancel_deliver();
        if (status)
            return stop(executor, call, status, mine);
        if (thrum_wait_begin(&wait)) /* no memory to be found by cancels: be deaf to them */
            thrum_wait_begin_deaf(&wait);
        if (!thrum_executor_sleep_again(executor, call, &wait))
            return call->status;
    }
}

/* The thread will wake us: we are not stuck meanwhile. */
static int make(struct thrum_executor *executor, struct call *call, bool *mine)
{
    int status = thrum_cancel_check();
    struct wait wait;

    *mine = true;
    if (!status && UNLIKELY(thrum_world_self() != NULL))
        return thrum_executor_simulate(executor, call);
    if (!status)
        status = thrum_wait_begin(&wait);
    if (status)
        return status;
    call->wait = wait;
    thrum_scheduler_hold(worker_here()->scheduler);
    status = thrum_executor_submit(executor, call);
    if (!status)
        status = await_end(executor, call, mine);
    thrum_scheduler_release(worker_here()->scheduler);
    return status;
}

int thrum_to_thread(thrum_executor *executor, thrum_fn fn, void *arg)
{
    struct call call = {.fn = fn, .arg = arg};
    bool mine;
    int status;

    if (!thrum_worker_self())
        thrum_panic("thrum_to_thread was called outside a task; there, call the function itself");
    if (!executor && !(executor = thrum_executor_own()))
        return -ENOMEM;
    call.locals = thrum_locals_lend();
    status = make(executor, &call, &mine);
    thrum_call_bury(&call);
    return status;
}

int thrum_to_thread_copy(thrum_executor *executor, thrum_fn fn, const void *arg, size_t bytes,
                         void (*drop)(void *copy))
{
    struct call *call;
    bool mine;
    int status;

    if (!thrum_worker_self())
        thrum_panic("thrum_to_thread_copy was called outside a task; there, call the function "
                    "itself");
    if (!executor && !(executor = thrum_executor_own()))
        return -ENOMEM;
    call = thrum_lent_get(sizeof *call + 16 + bytes, 16);
    if (!call)
        return -ENOMEM;
    call->fn = fn;
    call->arg = (void *)(((uintptr_t)(call + 1) + 15) & ~(uintptr_t)15);
    call->drop = drop;
    call->own = true;
    call->locals = thrum_locals_lend();
    strncat(call->task, thrum_self_name(), sizeof call->task - 1);
    memcpy(call->arg, arg, bytes);
    status = make(executor, call, &mine);
    if (mine)
        thrum_call_bury(call);
    return status;
}
