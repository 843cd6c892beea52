/*
 * skipping.h - time that passes at once: for tests of what waits for long.
 *
 * The clock only ever runs faster than it would, so who asserts on it does so
 * from below: never too early.
 */
#ifndef THRUM_TESTS_SKIPPING_H
#define THRUM_TESTS_SKIPPING_H

#include <thrum/thrum.h>

#include "runtime/plat/clock.h"
#include "runtime/sched/world.h"
#include "runtime/task/task.h"

/* So much time passes, for the whole process; in the simulated world by sleeping. Context: task. */
static inline int skip(int64_t ns)
{
    if (thrum_world_self())
        return thrum_sleep(ns);
    thrum_clock_skip(ns);
    thrum_scheduler_stir(&thrum_runtime_self()->scheduler);
    return 0;
}

/* A daemon: *(int64_t *)arg nanoseconds pass each time that all others have had a turn. */
static inline int time_flies(void *arg)
{
    int status = 0;

    while (!status) {
        status = skip(*(const int64_t *)arg);
        if (!status)
            status = thrum_yield();
    }
    return status;
}

/* Run fn(arg) while time flies. */
static inline int run_flying(int64_t step, thrum_fn fn, void *arg)
{
    static const thrum_group_options options = {sizeof(options), THRUM_DAEMONS, NULL, 0, 0};
    thrum_group group;
    int status = thrum_group_open(&group, &options);

    if (status)
        return status;
    status = thrum_group_daemon(&group, time_flies, &step, NULL, NULL);
    if (!status)
        status = fn(arg);
    thrum_group_cancel(&group, 0, NULL);
    return thrum_group_close(&group, status, NULL);
}

#endif
