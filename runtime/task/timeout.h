/*
 * timeout.h - what of a timeout stays when its scope is gone: the race between
 * its time and its end.
 */
#ifndef THRUM_TASK_TIMEOUT_H
#define THRUM_TASK_TIMEOUT_H

#include <thrum/time.h>

#include "runtime/sched/timers.h"
#include "runtime/task/strand.h"

/* Type-stable. */
struct deadline {
    struct timer timer; /* first */
    struct pool_item item;
    uint64_t word;         /* atomic: see timeout.c */
    uint64_t strand;       /* atomic: where its scope is, */
    uint64_t life;         /* atomic: in which life, */
    uint64_t depth;        /* atomic: and how deep. All valid while the word's key is */
};

/* Has the timeout's time been up? */
bool thrum_deadline_expired(const thrum_timeout *timeout);

/* Timers of the task layer: a deadline's key is odd, a sleeper's even. */
bool thrum_deadline_pending(struct timer *timer, uint64_t key);
void thrum_deadline_expire(struct timer *timer, uint64_t key);

#endif
