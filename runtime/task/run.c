/*
 * run.c - the life of a task on a fiber of its own: start, run, end.
 *
 * (A task that its owner's join runs inline never comes here: that is
 * thrum_group_run_here and thrum_join, in the public headers.)
 */
#include <errno.h>

#include "runtime/base/point.h"
#include "runtime/sched/stay.h"
#include "runtime/task/cancel.h"
#include "runtime/task/detect.h"
#include "runtime/task/scope.h"
#include "runtime/task/task.h"
#include "runtime/task/unhandled.h"

static const char *name_of(const struct thrum_child *child)
{
    if (kind_of(child) != KIND_TASK)
        return "";
    return container_of(child, const struct thrum_task, child)->name;
}

static void task_end(struct thrum_task *task, struct ending ending)
{
    struct thrum_group *group = group_of(&task->child);
    bool daemon = task_is_daemon(task);

    thrum_group_end_task(group, task, ending);
    thrum_group_ended(group, daemon);
}

/* Last use of the descriptor, whose memory may be the caller's. */
static void end(struct thrum_child *child, struct ending ending)
{
    struct thrum_group *group;

    switch (kind_of(child)) {
    case KIND_ROOT:
        thrum_root_end(container_of(child, struct root, child), ending);
        return;
    case KIND_BRANCH:
        thrum_drop(ending.detail);
        thrum_branch_end((struct thrum_branch *)(void *)child, ending.status);
        return;
    case KIND_TASK:
        task_end(container_of(child, struct thrum_task, child), ending);
        return;
    case KIND_CHILD:
        group = group_of(child);
        thrum_group_note(group, child, ending, NULL);
        thrum_group_ended(group, false);
        return;
    }
}

/*
 * Nothing in its chain was cancelled if its opener's fiber has heard the last
 * alert. Then ours has too.
 */
static bool may_be_cancelled(const struct thrum_scope *start, struct strand *strand)
{
    const struct fiber *opener = start->fiber;
    uint64_t alert = load_acquire(&fiber_of(strand)->home->alert); /* EDGE cancel.seen */

    if (UNLIKELY(load_relaxed(&opener->heard) != alert)) /* relaxed: what it had heard when it
                                                            spawned us happened before */
        return true;
    if (detecting() && thrum_detects()) {
        thrum_detect_started();
        return true;
    }
    store_relaxed(&strand->looked, alert); /* relaxed: read with a sleep's key */
    thrum_heard(alert);
    return false;
}

bool thrum_dead_before(struct thrum_child *child, bool may)
{
    if (kind_of(child) == KIND_TASK &&
        task_cancelled(container_of(child, struct thrum_task, child)))
        return true;
    return may && thrum_scope_start_cancelled(start_of(child));
}

void thrum_task_check_process(void)
{
    if (UNLIKELY(thrum_worker_given_away()))
        thrum_panic("a task has ended between thrum_blocking_begin and thrum_blocking_end");
    if (UNLIKELY(!thrum_worker_self()))
        thrum_panic("a task that has forked returned in the child, where it is no task any more; "
                    "end the child with _exit or exec");
    if (UNLIKELY(worker_here()->stays != 0))
        thrum_stay_panic("has ended");
}

static void run(void *task)
{
    struct thrum_child *child = task;
    struct thrum_lane *lane = thrum_lane_self();
    struct thrum_scope *start = start_of(child);
    struct strand *strand = strand_of(lane->fiber);
    struct ending ending;

    thrum_strand_begin(strand, start);
    lane->current = child;
    lane->scope = start;
    if (thrum_dead_before(child, may_be_cancelled(start, strand) || kind_of(child) == KIND_TASK)) {
        ending = thrum_ending_unstarted(THRUM_ECANCELED);
    } else if (kind_of(child) == KIND_BRANCH && thrum_locals_capture(start)) {
        ending = thrum_ending_unstarted(-ENOMEM);
    } else {
        struct thrum_scope *around = start;
        int status;

        if (kind_of(child) == KIND_TASK)
            around = thrum_task_start(container_of(child, struct thrum_task, child));
        POINT("task.run");
        status = child->fn(child->arg);
        thrum_task_check_process();
        ending = thrum_ending(status, thrum_record_close(around, status));
    }
    lane = thrum_lane_self();
    lane->current = NULL;
    lane->scope = NULL;
    thrum_strand_end(strand);
    end(child, ending);
}

static void refuse(void *task, int err)
{
    end(task, thrum_ending_unstarted(err));
}

static bool joins(const void *task, const void *joined)
{
    return kind_of(task) == KIND_BRANCH ? task == joined : group_of(task) == joined;
}

const struct task_verbs thrum_task_verbs = {.run = run,
                                            .refuse = refuse,
                                            .joins = joins,
                                            .pending = thrum_timer_pending,
                                            .expire = thrum_timer_expire,
                                            .stuck = thrum_stuck,
                                            .settled = thrum_settled,
                                            .polled = thrum_fd_polled};

/* ---- what a task knows about itself ---------------------------------------------------------- */

uint64_t thrum_self(void)
{
    return thrum_worker_self() ? word_of(thrum_lane_self()->current) : 0;
}

const char *thrum_self_name(void)
{
    const struct thrum_child *child = thrum_worker_self() ? thrum_lane_self()->current : NULL;

    return child ? name_of(child) : "";
}

int thrum_yield(void)
{
    if (!thrum_worker_self())
        thrum_panic("thrum_yield was called outside a task; use sched_yield there");
    check_task_runs();
    thrum_give_way();
    return thrum_cancel_check();
}
