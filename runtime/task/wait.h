/*
 * wait.h - one sleep of one task, and the race to end it.
 *
 *     struct wait wait;
 *
 *     wait_begin(&wait);
 *     make it known to whoever may fire it;
 *     result = wait_sleep(&wait);
 *
 *   class   lock-free
 */
#ifndef THRUM_TASK_WAIT_H
#define THRUM_TASK_WAIT_H

#include "runtime/sched/worker.h"

struct wait {
    uint32_t state;      /* atomic: enum wait_state, or a result as int */
    struct fiber *fiber; /* constant */
};

void thrum_wait_begin(struct wait *wait);

/* Sleep until somebody fires; the result. */
int thrum_wait_sleep(struct wait *wait);

/*
 * Any thread. End the sleep with a result <= 0. False: somebody else has.
 * When it is true the sleeper may run already, and *wait be gone.
 */
bool thrum_wait_fire(struct wait *wait, int result);

#endif
