/*
 * wait.c - one word of state decides who ended a sleep.
 *
 *   OPEN ---commit---> ASLEEP ---fire---> result
 *     \--------------fire----------------/
 *
 * Whoever moves `state` to a result (<= 0) has ended it; the others get false.
 * A fire that comes before the fiber has left its stack leaves the waking to
 * commit.
 *
 * Edges
 *   wait.saved   commit -> fire    the fiber's registers are in memory
 *   wait.ended   fire -> sleep     what the waker wrote before firing
 */
#include "runtime/task/wait.h"

#include "runtime/base/point.h"

enum wait_state { WAIT_OPEN = 1, WAIT_ASLEEP = 2 };

void thrum_wait_begin(struct wait *wait)
{
    wait->fiber = thrum_fiber_self();
    store_relaxed(&wait->state, WAIT_OPEN); /* relaxed: nobody knows it yet */
}

static void commit(void *arg, struct fiber *left)
{
    struct wait *wait = arg;
    uint32_t seen = WAIT_OPEN;

    POINT("wait.commit");
    /* MUTANT-OK acquire: the sleeper's last load acquires it again */
    if (!cas_acq_rel(&wait->state, &seen, WAIT_ASLEEP)) /* EDGE wait.saved, wait.ended */
        thrum_ready(left);
}

int thrum_wait_sleep(struct wait *wait)
{
    uint32_t state = load_acquire(&wait->state); /* EDGE wait.ended */

    if (state == WAIT_OPEN) {
        thrum_suspend(commit, wait);
        /* MUTANT-OK acquire: commit or the door of thrum_ready has acquired it */
        state = load_acquire(&wait->state); /* EDGE wait.ended */
    }
    return (int)state;
}

bool thrum_wait_fire(struct wait *wait, int result)
{
    struct fiber *fiber = wait->fiber;         /* *wait may be gone once we win */
    uint32_t seen = load_relaxed(&wait->state); /* relaxed: a guess */

    ASSERT(result <= 0);
    do {
        if ((int)seen <= 0)
            return false;
        POINT("wait.fire");
    } while (!cas_acq_rel(&wait->state, &seen, (uint32_t)result)); /* EDGE wait.saved, wait.ended */

    POINT("wait.fired");
    if (seen == WAIT_ASLEEP)
        thrum_ready(fiber);
    return true;
}
