/* lock.c - what an uncontended lock never does: see lock.h. */
#include "runtime/task/lock.h"

#include <limits.h>

#include "runtime/base/point.h"
#include "runtime/plat/futex.h"

#ifndef LOCK_LOOKS /* models have none */
/*
 * A section is over in less time than it takes to go to sleep, but several may want it: with 20
 * looks a queue between two workers took 2.4 times as long, with 4000 no less.
 */
#define LOCK_LOOKS 300
#endif

uint32_t thrum_lock_sleepers[LOCK_PLACES]; /* atomic: they want one of the locks that share it */

/* *seen: what it was, held. */
static bool try_enter(uint32_t *lock, uint32_t *seen)
{
    *seen = load_relaxed(lock); /* relaxed: a guess */
    while (!(*seen & LOCK_HELD))
        if (cas_acquire(lock, seen, *seen | LOCK_HELD)) /* EDGE lock.held */
            return true;
    return false;
}

void thrum_lock_enter_slow(uint32_t *lock)
{
    uint32_t *sleepers = lock_sleepers(lock);
    uint32_t seen;

    for (int i = 0; i < LOCK_LOOKS; i++) {
        if (try_enter(lock, &seen))
            return;
        cpu_pause();
    }
    add_relaxed(sleepers, 1); /* relaxed: fenced */
    fence_heavy();            /* EDGE lock.asleep */
    while (!try_enter(lock, &seen)) {
        POINT("lock.sleep");
        thrum_futex_wait(lock, seen, -1);
    }
    add_relaxed(sleepers, (uint32_t)-1); /* relaxed: a counter */
}

void thrum_lock_wake(uint32_t *lock)
{
    thrum_futex_wake(lock, 1);
}

void thrum_lock_unpin(uint32_t *lock)
{
    store_release(lock, load_relaxed(lock) - LOCK_PIN - LOCK_HELD); /* EDGE lock.held */
    /* relaxed: who has it alone changes it */
    thrum_futex_wake(lock, INT_MAX); /* who waits for the lock, and who for the pins to go */
}

void thrum_lock_enter_last(uint32_t *lock)
{
    for (;;) {
        uint32_t pins;

        lock_enter(lock);
        pins = load_relaxed(lock) - LOCK_HELD; /* relaxed: we have it */
        if (pins == 0)
            return;
        lock_leave(lock);
        thrum_futex_wait(lock, pins, -1);
    }
}
