/*
 * run.c - the life of a task on a fiber of its own: start, run, end.
 *
 * (A task that its owner's join runs inline never comes here: that is
 * thrum_group_run_here and thrum_join, in the public headers.)
 *
 * Edges
 *   run.done   root_end -> thrum_runtime_run   the root's status, and all that its tasks did
 */
#include "runtime/plat/futex.h"
#include "runtime/task/task.h"

static const char *name_of(const struct thrum_child *child)
{
    if (kind_of(child) != KIND_TASK)
        return "";
    return container_of(child, const struct thrum_task, child)->name;
}

static void root_end(struct root *root, int status);

/* Last use of the descriptor, whose memory may be the caller's. */
static void end(struct thrum_child *child, int status)
{
    struct thrum_group *group = group_of(child);

    switch (kind_of(child)) {
    case KIND_ROOT:
        root_end(container_of(child, struct root, child), status);
        return;
    case KIND_BRANCH:
        thrum_branch_end((struct thrum_branch *)(void *)child, status);
        return;
    case KIND_TASK:
    case KIND_CHILD:
        if (status < 0)
            thrum_group_fail(group, child, status);
        if (kind_of(child) == KIND_TASK)
            thrum_task_end(container_of(child, struct thrum_task, child), status);
        thrum_group_ended(group);
        return;
    }
}

static void run(void *task)
{
    struct thrum_child *child = task;
    struct thrum_lane *lane = thrum_lane_self();
    struct thrum_group *scope = group_of(child);
    int status;

    lane->current = child;
    lane->scope = scope;
    status = child->fn(child->arg);
    lane = thrum_lane_self();
    if (UNLIKELY(lane->scope != scope))
        thrum_group_left_open(lane->scope);
    lane->current = NULL;
    lane->scope = NULL;
    end(child, status);
}

static void refuse(void *task, int err)
{
    end(task, err);
}

const struct task_verbs thrum_task_verbs = {.run = run, .refuse = refuse};

/* ---- what a runtime was asked to run -------------------------------------------------------- */

static void root_end(struct root *root, int status)
{
    root->status = status;
    store_release(&root->done, 1); /* EDGE run.done; *root may be gone: the address is all we need */
    thrum_futex_wake(&root->done, 1);
}

int thrum_runtime_run(thrum_runtime *runtime, thrum_fn fn, void *arg)
{
    struct root root = {.child = {.fn = fn, .arg = arg, .owner = KIND_ROOT}};
    int err;

    if (thrum_worker_self())
        return THRUM_ENESTED;
    pthread_mutex_lock(&runtime->control);
    err = thrum_scheduler_start(&runtime->scheduler, &root.child);
    if (!err)
        runtime->runs++;
    pthread_mutex_unlock(&runtime->control);
    if (err)
        return err;
    while (load_acquire(&root.done) == 0) /* EDGE run.done */
        thrum_futex_wait(&root.done, 0, -1);
    pthread_mutex_lock(&runtime->control);
    runtime->runs--;
    pthread_mutex_unlock(&runtime->control);
    return root.status;
}

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
    thrum_give_way();
    return 0;
}
