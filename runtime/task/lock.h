/*
 * lock.h - the lock bit of a wait list: a futex mutex of one word (Drepper
 * 2011) for sections that are short and bounded. No switch, no callback and
 * no allocation while it is held.
 *
 * Edges
 *   lock.held   leave -> enter   what was written under the lock
 */
#ifndef THRUM_TASK_LOCK_H
#define THRUM_TASK_LOCK_H

#include "runtime/atomic/verbs.h"
#include "runtime/plat/futex.h"

enum { LOCK_FREE = 0, LOCK_HELD = 1, LOCK_WANTED = 2 };

static inline void lock_enter(uint32_t *lock)
{
    uint32_t seen = LOCK_FREE;

    if (cas_acquire(lock, &seen, LOCK_HELD)) /* EDGE lock.held */
        return;
    while (exchange_acquire(lock, LOCK_WANTED) != LOCK_FREE) /* EDGE lock.held */
        thrum_futex_wait(lock, LOCK_WANTED, -1);
}

static inline void lock_leave(uint32_t *lock)
{
    if (exchange_release(lock, LOCK_FREE) == LOCK_WANTED) /* EDGE lock.held */
        thrum_futex_wake(lock, 1);
}

#endif
