/*
 * branch.c - the slow paths of fork and join.
 *
 * A branch's state word: 0 pending, a fiber that waits, or, once it has ended,
 * DONE with the status in the upper half. Whoever finds the other there acts:
 * the end wakes the fiber, the fiber does not go to sleep.
 *
 * Edges
 *   branch.ended   end -> join      what the branch did
 *   branch.waits   commit -> end    the fiber's registers are in memory
 */
#include "runtime/task/task.h"
#include "runtime/base/point.h"

#define DONE ((uint64_t)1)

static uint64_t done_with(int status)
{
    return (uint64_t)(uint32_t)status << 32 | DONE;
}

static int status_of(uint64_t state)
{
    return (int)(uint32_t)(state >> 32);
}

void thrum_branch_end(struct thrum_branch *branch, int status)
{
    uint64_t seen;

    POINT("branch.end");
    seen = exchange_acq_rel(&branch->state, done_with(status));
    /* EDGE branch.ended, branch.waits; *branch may be gone from here on */
    POINT("branch.ended");

    if (seen)
        thrum_ready(pointer_of(seen));
}

static void commit(void *arg, struct fiber *left)
{
    struct thrum_branch *branch = arg;
    uint64_t pending = 0;

    POINT("branch.wait");
    /* MUTANT-OK acquire: the join's last load acquires it again */
    if (!cas_acq_rel(&branch->state, &pending, word_of(left))) /* EDGE branch.waits */
        thrum_ready(left);                                     /* it has ended meanwhile */
}

int thrum_fork_slow(thrum_branch *branch)
{
    (void)branch;
    return thrum_worker_pushed();
}

/* Whatever was popped that is not the branch goes back; the branch is elsewhere. */
static int wait_elsewhere(struct thrum_branch *branch, void *popped)
{
    if (popped)
        thrum_unpop(popped);
    /* MUTANT-OK acquire: the load below acquires it again */
    if (!(load_acquire(&branch->state) & DONE)) /* EDGE branch.ended */
        thrum_suspend(commit, branch);
    /* MUTANT-OK acquire: the load above, commit, or the door of thrum_ready has acquired it */
    return status_of(load_acquire(&branch->state)); /* EDGE branch.ended */
}

bool thrum_join_slow(thrum_branch *branch, void *popped, int *status)
{
    popped = thrum_pop_politely(popped);
    if (popped == branch)
        return true;
    *status = wait_elsewhere(branch, popped);
    return false;
}

int thrum_join_short(thrum_branch *branch)
{
    void *popped = thrum_pop_politely(thrum_lane_pop(thrum_lane_self()));

    if (popped != branch)
        return wait_elsewhere(branch, popped);
    thrum_suspend_for(branch, commit, branch);
    /* MUTANT-OK acquire: commit or the door of thrum_ready has acquired it */
    return status_of(load_acquire(&branch->state)); /* EDGE branch.ended */
}
