/*
 * cycle.h - who waits for whom when nothing goes on, and whether that goes round in a circle.
 *
 * Some objects know who keeps others waiting: a lock its owner, a group its tasks (struct
 * wait_kind, `blockers`); a simulated world knows who has a lock for reading, and permits. Of queues,
 * conditions, events and the like nobody knows who would have come to serve them: perhaps
 * anybody who is left. So a circle may have steps that are only possible.
 */
#ifndef THRUM_TASK_CYCLE_H
#define THRUM_TASK_CYCLE_H

#include "runtime/task/task.h"

#define SLEEPERS_MAX 100

/* A task that waits. */
struct sleeper {
    struct strand *strand;
    struct strand_sleep sleep;
    uint32_t depth; /* in the tree of fibers */
    char name[64];  /* as reports call it */
};

struct sleepers {
    struct sim *sim; /* or NULL */
    size_t count;    /* in the order of a walk through the tree: those below come next */
    struct sleeper all[SLEEPERS_MAX];
};

/* Everybody sleeps. Say, line by line, how they wait for one another. */
void thrum_cycle_tell(struct sleepers *sleepers, void (*line)(void *arg, const char *text),
                      void *arg);

/* The task of a strand_sleep's `who`, as task_here() calls it. */
static inline uint64_t task_of_who(uint64_t who)
{
    return who & ~WHO_KIND;
}

#endif
