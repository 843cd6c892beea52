/*
 * lock.h - the lock bit of a wait list: a futex mutex of one word (Drepper
 * 2011) for sections that are short and bounded. No switch, no callback and
 * no allocation while it is held.
 *
 * Who has more to do than a bounded section holds pins the lock, and leaves it
 * and enters it as often as it likes; whoever is about to destroy what the lock
 * is part of enters it as the last one, when nobody has it pinned any more.
 *
 * Edges
 *   lock.held   leave -> enter   what was written under the lock
 */
#ifndef THRUM_TASK_LOCK_H
#define THRUM_TASK_LOCK_H

#include "runtime/atomic/verbs.h"
#include "runtime/base/base.h"
#include "runtime/plat/futex.h"

enum { LOCK_FREE = 0, LOCK_HELD = 1, LOCK_WANTED = 2, LOCK_STATE = 3, LOCK_PIN = 4 };

/* Whatever it takes to enter and leave it. */
void thrum_lock_enter_slow(uint32_t *lock);
void thrum_lock_leave_slow(uint32_t *lock);

static inline void lock_enter(uint32_t *lock)
{
    uint32_t seen = LOCK_FREE;

    if (UNLIKELY(!cas_acquire(lock, &seen, LOCK_HELD))) /* EDGE lock.held */
        thrum_lock_enter_slow(lock);
}

/* Without waiting. */
static inline bool lock_try(uint32_t *lock)
{
    uint32_t seen = LOCK_FREE;

    return cas_acquire(lock, &seen, LOCK_HELD); /* EDGE lock.held */
}

static inline void lock_leave(uint32_t *lock)
{
    uint32_t seen = LOCK_HELD;

    if (UNLIKELY(!cas_release(lock, &seen, LOCK_FREE))) /* EDGE lock.held */
        thrum_lock_leave_slow(lock);
}

/* Held. Whoever enters it as the last one waits until it has no pins. */
static inline void lock_pin(uint32_t *lock)
{
    add_relaxed(lock, LOCK_PIN); /* relaxed: the lock */
}

/* Held and pinned by us; left, and perhaps gone. */
void thrum_lock_unpin(uint32_t *lock);

/* Enter it when there are no pins: nobody will come any more. */
void thrum_lock_enter_last(uint32_t *lock);

#endif
