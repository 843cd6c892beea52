/*
 * hold.c - threads outside announce that they will wake somebody.
 *
 * Edges
 *   hold.out   release -> close   who held has left the runtime
 */
#include <thrum/hold.h>

#include "runtime/plat/futex.h"
#include "runtime/task/task.h"

void thrum_hold(thrum_runtime *runtime, const char *reason)
{
    add_relaxed(&runtime->held, 1); /* relaxed: a counter */
    thrum_scheduler_hold(&runtime->scheduler);
    store_relaxed(&runtime->hold_reason, word_of(reason ? reason : "")); /* relaxed: for reports */
}

void thrum_release(thrum_runtime *runtime)
{
    uint32_t *held = &runtime->held;

    if (load_relaxed(held) == 0) /* relaxed: the caller's own hold it sees */
        thrum_panic("thrum_release was called without a thrum_hold before it");
    thrum_scheduler_release(&runtime->scheduler);
    if (add_acq_rel(held, (uint32_t)-1) == 1) /* EDGE hold.out; the runtime may be gone: the */
        thrum_futex_wake(held, 1);            /* address is all we need */
}

void thrum_holds_wait(struct thrum_runtime *runtime)
{
    uint32_t held;

    while ((held = load_acquire(&runtime->held)) != 0) /* EDGE hold.out */
        thrum_futex_wait(&runtime->held, held, -1);
}
