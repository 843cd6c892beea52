/*
 * executor.c - calls on threads: how they are queued, cancelled and dismissed; and the life of
 * whoever has the threads (threads.c).
 *
 *   QUEUED --thread--> RUNNING --> OVER
 *      \----cancel, close, no thread---^
 */
#include <thrum/fault.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/point.h"
#include "runtime/offload/internal.h"
#include "runtime/plat/clock.h"
#include "runtime/plat/cpus.h"
#include "runtime/plat/futex.h"
#include "runtime/plat/memory.h"
#include "runtime/sched/lent.h"

#define IDLE_NS_DEFAULT ((int64_t)10 * 1000 * 1000 * 1000)

struct fiber *thrum_call_finish(struct call *call, int status)
{
    struct fiber *asleep = NULL;

    call->status = status;
    call->state = CALL_OVER;
    if (!call->abandoned)
        (void)thrum_wait_claim(&call->wait, WAIT_WOKEN, &asleep);
    return asleep;
}

void thrum_executor_dismiss(struct thrum_executor *executor, int status)
{
    struct fiber *asleep;
    struct call *call;

    do {
        asleep = NULL;
        executor_enter(executor);
        call = executor->waiting.first;
        if (status == -EAGAIN && load_relaxed(&executor->left) != 0) /* relaxed: the lock */
            call = NULL;
        if (call) {
            calls_take_out(&executor->waiting, call);
            asleep = thrum_call_finish(call, status);
        }
        executor_leave(executor);
        if (asleep)
            thrum_ready(asleep);
    } while (call);
}

void thrum_call_bury(struct call *call)
{
    if (call->drop)
        call->drop(call->arg);
    thrum_locals_put(call->locals);
    if (call->own)
        thrum_lent_put(call);
}

/* ---- calls ---------------------------------------------------------------------------------- */

int thrum_executor_submit(struct thrum_executor *executor, struct call *call)
{
    uint32_t cpus = executor_free_cpus(executor, worker_here()->scheduler);
    struct summons summons;

    executor_enter(executor);
    if (executor->closing) {
        executor_leave(executor);
        return THRUM_ESHUTDOWN;
    }
    calls_append(&executor->waiting, call);
    executor->free_cpus = cpus ? cpus : 1;
    summons = thrum_threads_look(executor);
    executor_leave(executor);
    POINT("executor.queued");
    if (summons_any(summons))
        thrum_worker_hasten();
    thrum_threads_summon(executor, summons);
    return 0;
}

bool thrum_executor_sleep_again(struct thrum_executor *executor, struct call *call,
                                const struct wait *wait)
{
    bool over;

    executor_enter(executor);
    call->wait = *wait;
    over = call->state == CALL_OVER;
    executor_leave(executor);
    return !over;
}

enum call_fate thrum_executor_cancel(struct thrum_executor *executor, struct call *call,
                                     const struct wait *wait)
{
    enum call_fate fate = FATE_OVER;

    executor_enter(executor);
    if (call->state == CALL_QUEUED) {
        calls_take_out(&executor->waiting, call);
        call->state = CALL_OVER;
    } else if (call->state == CALL_RUNNING) {
        store_release(&call->cancelled, 1); /* EDGE executor.told */
        call->abandoned = call->own;
        call->wait = *wait;
        fate = call->own ? FATE_ABANDONED : FATE_RUNS;
    }
    executor_leave(executor);
    return fate;
}

/* ---- life ----------------------------------------------------------------------------------- */

int thrum_executor_make(struct thrum_executor **out, const thrum_executor_options *options)
{
    static const thrum_executor_options defaults = THRUM_EXECUTOR_OPTIONS_INIT;
    struct thrum_executor *executor;

    if (!options)
        options = &defaults;
    if (options->size != sizeof *options || options->idle_ns < 0)
        return -EINVAL;
    executor = thrum_memory_get(sizeof *executor, CACHE_LINE);
    if (!executor)
        return -ENOMEM;
    executor->limit = options->threads ? options->threads : THRUM_EXECUTOR_THREADS;
    executor->idle_ns = options->idle_ns ? options->idle_ns : IDLE_NS_DEFAULT;
    executor->cpus = (uint32_t)thrum_cpus_available();
    snprintf(executor->name, sizeof executor->name, "%s",
             options->name ? options->name : "thrum-call");
    *out = executor;
    return 0;
}

int thrum_executor_create(thrum_executor **out, const thrum_executor_options *options)
{
    int err = thrum_fault(THRUM_FAULT_MEMORY) ? -ENOMEM : thrum_executor_make(out, options);

    if (!err)
        thrum_lent_note(LENT_EXECUTOR, 1);
    return err;
}

void thrum_executor_free(struct thrum_executor *executor)
{
    executor_enter(executor); /* the last thread may still be leaving */
    executor_leave(executor);
    thrum_memory_put(executor);
}

size_t thrum_executor_threads(thrum_executor *executor)
{
    return load_relaxed(&executor->left); /* relaxed: a glance */
}

size_t thrum_executor_waiting(thrum_executor *executor)
{
    size_t waiting;

    executor_enter(executor);
    waiting = executor->waiting.count;
    executor_leave(executor);
    return waiting;
}

size_t thrum_executor_running(struct thrum_executor *executor, struct call *copies, size_t n)
{
    const struct call *call;
    size_t count;

    executor_enter(executor);
    call = executor->running.first;
    for (size_t i = 0; i < n && call; i++, call = call->next)
        copies[i] = *call;
    count = executor->running.count;
    executor_leave(executor);
    return count;
}

void thrum_executor_shut(struct thrum_executor *executor)
{
    executor_enter(executor);
    executor->closing = true;
    executor_leave(executor);
    thrum_executor_dismiss(executor, THRUM_ESHUTDOWN);
    thrum_threads_shut(executor);
}

uint32_t thrum_executor_wait(struct thrum_executor *executor, int64_t patience)
{
    int64_t begin = thrum_clock_now();
    uint32_t left;

    while ((left = load_acquire(&executor->left)) != 0) { /* EDGE executor.left */
        int64_t spent = thrum_clock_now() - begin;

        if (spent >= patience)
            break;
        thrum_futex_wait(&executor->left, left, patience - spent);
    }
    return left;
}

bool thrum_executor_leave_behind(struct thrum_executor *executor)
{
    bool any;

    executor_enter(executor);
    any = load_relaxed(&executor->left) != 0; /* relaxed: the lock */
    executor->left_behind = any;
    executor_leave(executor);
    return any;
}

int thrum_executor_close(thrum_executor *executor, int64_t patience, size_t *busy)
{
    uint32_t left;

    if (patience < 0)
        return -EINVAL;
    if (thrum_threads_mine(executor))
        return -EDEADLK;
    if (patience > 0 && thrum_worker_self()) /* its calls may wait for what runs on this worker */
        return THRUM_ENESTED;
    thrum_executor_shut(executor);
    left = thrum_executor_wait(executor, patience);
    if (busy)
        *busy = left;
    if (left)
        return THRUM_ETIMEOUT;
    thrum_lent_note(LENT_EXECUTOR, -1);
    thrum_executor_free(executor);
    return 0;
}
