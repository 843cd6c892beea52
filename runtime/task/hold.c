/*
 * hold.c - threads outside announce that they will wake somebody.
 *
 * Edges
 *   hold.out   release -> close   who held has left the runtime
 */
#include <thrum/hold.h>

#include "runtime/plat/futex.h"
#include "runtime/task/task.h"

static void take(uint32_t *held, thrum_runtime *runtime, const char *reason)
{
    add_relaxed(held, 1); /* relaxed: a counter */
    store_relaxed(&runtime->hold_reason, word_of(reason ? reason : "")); /* relaxed: for reports */
}

static void give_back(uint32_t *held)
{
    if (add_acq_rel(held, (uint32_t)-1) == 1) /* EDGE hold.out; the runtime may be gone: the */
        thrum_futex_wake(held, 1);            /* address is all we need */
}

void thrum_hold(thrum_runtime *runtime, const char *reason)
{
    take(&runtime->held, runtime, reason);
    thrum_scheduler_hold(&runtime->scheduler);
}

void thrum_release(thrum_runtime *runtime)
{
    if (load_relaxed(&runtime->held) == 0) /* relaxed: the caller's own hold it sees */
        thrum_panic("thrum_release was called without a thrum_hold before it");
    thrum_scheduler_release(&runtime->scheduler);
    give_back(&runtime->held);
}

void thrum_hold_loosely(thrum_runtime *runtime, const char *reason)
{
    take(&runtime->held_loosely, runtime, reason);
    thrum_scheduler_hold_loosely(&runtime->scheduler);
}

void thrum_release_loosely(thrum_runtime *runtime)
{
    if (load_relaxed(&runtime->held_loosely) == 0) /* relaxed: likewise */
        thrum_panic("thrum_release_loosely was called without a thrum_hold_loosely before it");
    thrum_scheduler_release_loosely(&runtime->scheduler);
    give_back(&runtime->held_loosely);
}

static void wait_for_none(uint32_t *held)
{
    uint32_t seen;

    while ((seen = load_acquire(held)) != 0) /* EDGE hold.out */
        thrum_futex_wait(held, seen, -1);
}

void thrum_holds_wait(struct thrum_runtime *runtime)
{
    wait_for_none(&runtime->held);
    wait_for_none(&runtime->held_loosely);
}
