/*
 * branch.h - fork and join of a single function: the cheapest task there is.
 *
 *     thrum_branch branch;
 *     int status = thrum_fork(&branch, fib, &left);
 *
 *     if (status)
 *         return status;
 *     status = fib(&right);
 *     return thrum_join_first(status, thrum_join(&branch, fib, &left));
 *
 * The function is named again at the join, so that the compiler can call it
 * directly, or inline it, in the usual case that nobody has stolen the branch.
 *
 * Every fork is joined by the same task, in reverse order of forking, before
 * any group or other scope is closed that was open at the fork.
 *
 * A cancel of the forking task reaches the branch, be it told of it earlier or
 * later: one that has not started never runs, and its join returns
 * THRUM_ECANCELED. So cleanup that forks, after its task was told of a cancel,
 * does so in a scope or group of its own (scope.h), which begins with what the
 * task has been told.
 *
 * A join waits for its branch, come what may. A scope or timeout that is opened
 * between fork and join has the join inside, but not the branch: its cancel
 * does not reach the branch, and is told after the join.
 */
#ifndef THRUM_BRANCH_H
#define THRUM_BRANCH_H

#include <thrum/detail/lane.h>
#include <thrum/detail/tsan.h>
#include <thrum/types.h>

THRUM_BEGIN_DECLS

/* Its fields are the runtime's own. In the caller's memory, from fork to join. */
typedef struct thrum_branch {
    thrum_fn fn;
    void *arg;
    uint64_t owner; /* the innermost scope at the fork; the low bits are the kind, 0 */
    uint64_t state; /* atomic: see runtime/task/branch.c */
} thrum_branch;

THRUM_API THRUM_COLD int thrum_fork_slow(thrum_branch *branch);
/* True: run it here. Else *status is how it ended. */
THRUM_API THRUM_COLD bool thrum_join_slow(thrum_branch *branch, void *popped, int *status);
/* The same for who has not popped yet. */
THRUM_API THRUM_COLD bool thrum_join_unpopped(thrum_branch *branch, int *status);
/* It has run here, and what it keeps about itself is to go. Returns status. */
THRUM_API THRUM_COLD int thrum_branch_leave(thrum_branch *branch, int status);

/*
 * Let fn(arg) run as a task of its own, until join.
 *
 *   context   task
 *   suspends  no
 *   returns   0; -ENOMEM: nothing was forked, do not join
 */
THRUM_NODISCARD static inline int thrum_fork(thrum_branch *branch, thrum_fn fn, void *arg)
{
    struct thrum_lane *lane = thrum_lane_self();

    branch->fn = fn;
    branch->arg = arg;
    branch->owner = (uint64_t)(uintptr_t)lane->scope;
    thrum_store_relaxed_64(&branch->state, (uint64_t)(uintptr_t)lane->current); /* relaxed: the
                                                                                   push releases it */
    if (THRUM_LIKELY(thrum_lane_push(lane, branch)))
        return 0;
    return thrum_fork_slow(branch);
}

/*
 * Wait for the branch. fn and arg are those of the fork.
 *
 *   context   the task that forked it
 *   suspends  if the branch was stolen and has not ended, or too little stack is left to run
 *             it here; now and then even without, to let others run
 *   returns   what fn returned; -ENOMEM: it could not be started
 *   misuse    a branch that another task has forked and that has not ended: the process stops
 */
THRUM_NODISCARD static inline __attribute__((always_inline)) int
thrum_join(thrum_branch *branch, thrum_fn fn, void *arg)
{
    struct thrum_lane *lane = thrum_lane_self();
    int status;

    if (THRUM_UNLIKELY(thrum_lane_is_short(lane) ||
                       (uint64_t)(uintptr_t)lane->scope != branch->owner)) {
        int other;

        if (!thrum_join_unpopped(branch, &other))
            return other;
        lane = thrum_lane_self();
    } else {
        void *popped = thrum_lane_pop(lane);

        if (THRUM_UNLIKELY(popped != branch)) {
            int other;

            if (!thrum_join_slow(branch, popped, &other))
                return other;
            lane = thrum_lane_self();
        }
    }
    lane->current = branch; /* nobody else knows it any more, and its state keeps our identity */
    status = THRUM_RUN_HERE(fn, arg, branch);
    lane = thrum_lane_self(); /* it may have suspended and woken elsewhere */
    if (THRUM_UNLIKELY((uint64_t)(uintptr_t)lane->scope != branch->owner)) {
        status = thrum_branch_leave(branch, status);
        lane = thrum_lane_self();
    }
    lane->current = (const void *)(uintptr_t)branch->state;
    return status;
}

/* Of two statuses the first that is negative, else 0. */
static inline int thrum_join_first(int status, int other)
{
    return status < 0 ? status : other < 0 ? other : 0;
}

THRUM_END_DECLS

#endif
