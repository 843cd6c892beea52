/* lock.c - what an uncontended lock never does: see lock.h. */
#include "runtime/task/lock.h"

#include <limits.h>

#include "runtime/base/point.h"

void thrum_lock_enter_slow(uint32_t *lock)
{
    uint32_t seen = load_relaxed(lock); /* relaxed: a guess */

    for (;;) {
        uint32_t wanted = (seen & ~(uint32_t)LOCK_STATE) | LOCK_WANTED;

        if ((seen & LOCK_STATE) == LOCK_FREE) { /* others may still sleep: as if they did */
            if (cas_acquire(lock, &seen, wanted)) /* EDGE lock.held */
                return;
        } else if (seen == wanted || cas_relaxed(lock, &seen, wanted)) { /* relaxed: only asks */
            POINT("lock.wait");
            thrum_futex_wait(lock, wanted, -1);
            seen = load_relaxed(lock); /* relaxed: a guess */
        }
    }
}

/* Returns what it was. */
static uint32_t leave(uint32_t *lock, uint32_t pins)
{
    uint32_t seen = load_relaxed(lock); /* relaxed: a guess */

    while (!cas_release(lock, &seen, (seen & ~(uint32_t)LOCK_STATE) - pins)) /* EDGE lock.held */
        continue;
    return seen;
}

void thrum_lock_leave_slow(uint32_t *lock)
{
    if ((leave(lock, 0) & LOCK_STATE) == LOCK_WANTED)
        thrum_futex_wake(lock, 1);
}

void thrum_lock_unpin(uint32_t *lock)
{
    (void)leave(lock, LOCK_PIN);
    thrum_futex_wake(lock, INT_MAX); /* who waits for the lock, and who for the pins to go */
}

void thrum_lock_enter_last(uint32_t *lock)
{
    for (;;) {
        uint32_t pins;

        lock_enter(lock);
        pins = load_relaxed(lock) & ~(uint32_t)LOCK_STATE; /* relaxed: pins change under the lock */
        if (!pins)
            return;
        lock_leave(lock);
        thrum_futex_wait(lock, pins, -1);
    }
}
