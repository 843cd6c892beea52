/*
 * branch.c - the slow paths of fork and join.
 *
 * A branch's state word: while it is pending, or runs inside its join, its
 * forker's identity; the fiber that waits, with WAITS; or, once it has ended
 * elsewhere, DONE with the status in the upper half. Whoever finds the other
 * there acts: the end wakes the fiber, the fiber does not go to sleep.
 *
 * Edges
 *   branch.ended   end -> join      what the branch did
 *   branch.waits   commit -> end    the fiber's registers are in memory
 */
#include "runtime/base/point.h"
#include "runtime/task/detect.h"
#include "runtime/task/scope.h"
#include "runtime/task/task.h"
#include "runtime/task/unhandled.h"

#define DONE ((uint64_t)1)
#define WAITS ((uint64_t)2)

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

    if (seen & WAITS)
        thrum_ready(pointer_of(seen & ~WAITS));
}

static void commit(void *arg, struct fiber *left)
{
    struct thrum_branch *branch = arg;
    uint64_t pending = word_of(left->current); /* who joins it has forked it */

    POINT("branch.wait");
    /* MUTANT-OK acquire: the join's last load acquires it again */
    if (!cas_acq_rel(&branch->state, &pending, word_of(left) | WAITS)) /* EDGE branch.waits */
        thrum_ready(left);                                             /* it has ended meanwhile */
}

int thrum_fork_slow(thrum_branch *branch)
{
    int err;

    (void)branch;
    err = thrum_worker_pushed();
    if (detecting() && !err)
        thrum_detect_forked();
    return err;
}

static const struct wait_kind a_branch = {.what = "branch"};

/* Sleep until it has ended; `next`, unless NULL, starts here meanwhile. */
static void sleep_until_ended(struct thrum_branch *branch, void *next)
{
    thrum_strand_joins(strand_of(thrum_lane_self()->fiber), &a_branch, branch);
    if (next)
        thrum_suspend_for(next, commit, branch);
    else
        thrum_suspend(commit, branch);
    thrum_strand_joined(strand_of(thrum_lane_self()->fiber));
}

/* While it has not ended its state is who has forked it, and may join it. */
static void check_forker(const struct thrum_branch *branch)
{
    uint64_t state = load_relaxed(&branch->state); /* relaxed: only its end changes it meanwhile */

    if (UNLIKELY(!(state & DONE) && state != word_of(thrum_lane_self()->current)))
        thrum_panic("thrum_join was called by a task that did not fork the branch");
}

/* Whatever was popped that is not the branch goes back; the branch is elsewhere. */
static int wait_elsewhere(struct thrum_branch *branch, void *popped)
{
    if (popped)
        thrum_unpop(popped);
    /* MUTANT-OK acquire: the load below acquires it again */
    if (!(load_acquire(&branch->state) & DONE)) /* EDGE branch.ended */
        sleep_until_ended(branch, NULL);
    /* MUTANT-OK acquire: the load above, commit, or the door of thrum_ready has acquired it */
    return status_of(load_acquire(&branch->state)); /* EDGE branch.ended */
}

static struct thrum_scope *start_scope(struct thrum_branch *branch)
{
    return start_of((struct thrum_child *)(void *)branch);
}

/*
 * The branch may run here only in the scope in which it was forked: whatever
 * can cancel its joiner must reach it too. (Records and locals stand in the
 * chain, but are no scopes that can be cancelled.)
 */
static bool same_scope(struct thrum_branch *branch)
{
    struct thrum_scope *here = thrum_lane_self()->scope;

    while (here != start_scope(branch) && scope_flags(here) & (SCOPE_RECORD | SCOPE_LOCALS))
        here = scope_outer(here);
    return here == start_scope(branch);
}

/* Runs the branch here, at its price of a slow path, without what was set since the fork. */
static int run_here(struct thrum_branch *branch)
{
    struct thrum_lane *lane = thrum_lane_self();
    const void *forker = lane->current;
    struct thrum_scope *scope = lane->scope;
    struct thrum_scope *start = scope_flags(scope) & SCOPE_LOCALS ? scope_outer(scope) : scope;
    int status;

    lane->current = branch;
    lane->scope = start;
    status = THRUM_RUN_HERE(branch->fn, branch->arg, branch);
    thrum_drop(thrum_record_close(start, status).detail);
    lane = thrum_lane_self();
    lane->current = forker;
    lane->scope = scope;
    return status;
}

bool thrum_join_slow(struct thrum_branch *branch, void *popped, int *status)
{
    popped = thrum_pop_politely(branch, popped);
    check_forker(branch);
    if (detecting())
        thrum_detect_joined();
    if (popped != branch) {
        *status = wait_elsewhere(branch, popped);
        return false;
    }
    if (thrum_look_before_start() && thrum_scope_start_cancelled(start_scope(branch))) {
        *status = THRUM_ECANCELED;
        return false;
    }
    if (thrum_stack_suffices() && same_scope(branch)) {
        if (thrum_lane_self()->scope == start_scope(branch))
            return true;
        *status = run_here(branch);
        return false;
    }
    sleep_until_ended(branch, branch);
    /* MUTANT-OK acquire: commit or the door of thrum_ready has acquired it */
    *status = status_of(load_acquire(&branch->state)); /* EDGE branch.ended */
    return false;
}

bool thrum_join_unpopped(struct thrum_branch *branch, int *status)
{
    return thrum_join_slow(branch, thrum_lane_pop(thrum_lane_self()), status);
}

int thrum_branch_leave(struct thrum_branch *branch, int status)
{
    thrum_task_left(start_scope(branch), status, false); /* that is all its joiner asks for */
    return status;
}
