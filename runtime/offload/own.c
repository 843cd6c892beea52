/*
 * own.c - the executor that a runtime has of its own: made when a task first
 * asks for it, closed with the runtime.
 *
 * When the runtime closes no task is left, so what still runs has been abandoned. It
 * has been told; close waits for it, says after a while what it waits for, and in
 * the end leaves it behind: the threads run on, and the last one to leave frees the
 * executor.
 *
 * Edges
 *   executor.own   make -> use   the executor is initialised
 */
#include <thrum/fault.h>

#include <stdio.h>

#include "runtime/offload/executor.h"
#include "runtime/plat/clock.h"
#include "runtime/task/task.h"

#define ABANDONED_NS_DEFAULT ((int64_t)300 * 1000 * 1000 * 1000) /* as asyncio's */
#define SAY_NS ((int64_t)1000 * 1000 * 1000) /* after so long, what is waited for */
#define SAID 16                              /* calls that are told in full */

static void say(struct thrum_runtime *runtime, struct thrum_executor *executor, const char *what)
{
    struct call calls[SAID];
    size_t n = thrum_executor_running(executor, calls, SAID);
    int64_t now = thrum_clock_now();
    char text[160];

    snprintf(text, sizeof text,
             "thrum: the runtime closes, and %s %zu calls that were abandoned:", what, n);
    thrum_runtime_say(runtime, text);
    for (size_t i = 0; i < n && i < SAID; i++) {
        snprintf(text, sizeof text, "  function %p of task %s, for %.1f s",
                 (void *)(uintptr_t)calls[i].fn, calls[i].task[0] ? calls[i].task : "(no name)",
                 (double)(now - calls[i].began) / 1e9);
        thrum_runtime_say(runtime, text);
    }
}

/* All runs have ended. Returns 0, or THRUM_ETIMEOUT: calls were left behind. */
static int end(struct thrum_runtime *runtime)
{
    struct thrum_executor *executor =
        pointer_of(load_acquire(&runtime->executor)); /* EDGE executor.own */
    int64_t patience = runtime->options.abandoned_ns;

    patience = patience ? patience : ABANDONED_NS_DEFAULT;
    thrum_executor_shut(executor);
    if (thrum_executor_wait(executor, patience < SAY_NS ? patience : SAY_NS) == 0) {
        thrum_executor_free(executor);
        return 0;
    }
    if (patience > SAY_NS) {
        say(runtime, executor, "waits for");
        (void)thrum_executor_wait(executor, patience - SAY_NS);
    }
    if (thrum_executor_wait(executor, 0) != 0)
        say(runtime, executor, "leaves behind");
    if (thrum_executor_leave_behind(executor))
        return THRUM_ETIMEOUT;
    thrum_executor_free(executor);
    return 0;
}

struct thrum_executor *thrum_executor_own(void)
{
    struct thrum_runtime *runtime = thrum_runtime_self();
    thrum_executor_options options = THRUM_EXECUTOR_OPTIONS_INIT;
    uint64_t made = load_acquire(&runtime->executor); /* EDGE executor.own */
    struct thrum_executor *executor;

    if (thrum_fault(THRUM_FAULT_MEMORY)) /* made or not: each history is to ask for the same */
        return NULL;
    if (LIKELY(made != 0))
        return pointer_of(made);
    options.threads = runtime->options.call_threads;
    if (thrum_executor_make(&executor, &options))
        return NULL;
    store_relaxed(&runtime->executor_end,
                  (uint64_t)(uintptr_t)end);                       /* relaxed: the next releases */
    if (cas_acq_rel(&runtime->executor, &made, word_of(executor))) /* EDGE executor.own */
        return executor;
    thrum_executor_free(executor);
    return pointer_of(made);
}
