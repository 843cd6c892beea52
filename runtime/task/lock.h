/*
 * lock.h - the lock bit of a wait list: one word, behind which a futex stands,
 * for sections that are short and bounded. No switch, no callback and no
 * allocation while it is held.
 *
 * Who leaves it makes no read-modify-write, half of what a lock costs that
 * nobody else wants: who wants it says so elsewhere, in one of a few counts that
 * all locks share, and pays for both with a heavy fence.
 *
 *   leave                            enter, while another has it
 *   L1 lock = free                   E1 sleepers + 1
 *   L2 (light fence)                 E2 heavy fence
 *   L3 sleepers != 0: wake one       E3 lock still held: sleep while it is
 *
 * Let F be where the heavy fence acts in the leaver's thread. L1 before F: E3
 * sees it. L1 after F: so is L3, which sees E1 and wakes one. All who are woken
 * look again, and are counted until they have the lock. After L1 the lock's
 * memory may be gone; a wake that comes late then wakes nobody, or somebody for
 * no reason.
 *
 * Who has more to do than a bounded section holds pins the lock, and leaves it
 * and enters it as often as it likes; whoever is about to destroy what the lock
 * is part of enters it as the last one, when nobody has it pinned any more.
 *
 * Edges
 *   lock.held     leave -> enter    what was written under the lock
 *   lock.asleep   leave <-> enter   one sees the other: as above
 */
#ifndef THRUM_TASK_LOCK_H
#define THRUM_TASK_LOCK_H

#include "runtime/atomic/asymmetric.h"
#include "runtime/base/base.h"

enum { LOCK_FREE = 0, LOCK_HELD = 1, LOCK_PIN = 2 };

#ifndef LOCK_PLACES /* models have fewer */
#define LOCK_PLACES 64
#endif

extern uint32_t thrum_lock_sleepers[LOCK_PLACES];

static inline uint32_t *lock_sleepers(const uint32_t *lock)
{
    return &thrum_lock_sleepers[((uintptr_t)lock >> 4) % LOCK_PLACES];
}

/* Somebody has it, or has it pinned. */
void thrum_lock_enter_slow(uint32_t *lock);
void thrum_lock_wake(uint32_t *lock);

static inline void lock_enter(uint32_t *lock)
{
    uint32_t seen = LOCK_FREE;

    if (UNLIKELY(!cas_acquire(lock, &seen, LOCK_HELD))) /* EDGE lock.held */
        thrum_lock_enter_slow(lock);
}

/* Enter it if nobody has it. */
static inline bool lock_try(uint32_t *lock)
{
    uint32_t seen = LOCK_FREE;

    return cas_acquire(lock, &seen, LOCK_HELD); /* EDGE lock.held */
}

static inline void lock_leave(uint32_t *lock)
{
    uint32_t pins = load_relaxed(lock) - LOCK_HELD; /* relaxed: who has it alone changes it */

    store_release(lock, pins);                            /* EDGE lock.held */
    fence_light();                                        /* EDGE lock.asleep */
    if (UNLIKELY(load_relaxed(lock_sleepers(lock)) != 0)) /* relaxed: fenced */
        thrum_lock_wake(lock);
}

/* Held. Whoever enters it as the last one waits until it has no pins. */
static inline void lock_pin(uint32_t *lock)
{
    store_relaxed(lock, load_relaxed(lock) + LOCK_PIN); /* relaxed: who has it alone changes it */
}

/* Held and pinned by us; left, and perhaps gone. */
void thrum_lock_unpin(uint32_t *lock);

/* Enter it when there are no pins: nobody will come any more. */
void thrum_lock_enter_last(uint32_t *lock);

#endif
