/*
 * group.c - the slow paths of groups: everything but the spawn that finds
 * room and the join that finds the child unstolen.
 *
 * Who is left is counted in two parts. `own` is the owner's: tasks that it
 * has spawned. A task that its join runs inline leaves that part without an
 * atomic operation. One that ran
 * elsewhere is subtracted from `remote`; one that another task of the group
 * spawned is added there. `remote` starts at a large base, so that it cannot
 * become 0 while the owner does not wait. An owner that has to wait gives up
 * its own part in one addition:
 *
 *     remote = base - ended elsewhere + spawned by others
 *     waits:   remote += own part - base       the owner's fiber has left its stack
 *
 * Whoever brings remote to 0 wakes the owner; nobody else touches the group
 * after his subtraction.
 *
 * Edges
 *   group.ended   thrum_group_ended -> close   what the task did
 *   group.waits   commit -> thrum_group_ended  the waiter
 */
#include <errno.h>

#include "runtime/base/point.h"
#include "runtime/task/task.h"

#define REMOTE_BASE THRUM_GROUP_REMOTE_NONE

/* ---- ends ------------------------------------------------------------------------------------ */

void thrum_group_ended(struct thrum_group *group)
{
    POINT("group.end");
    if (add_acq_rel(&group->remote, (uint64_t)-1) == 1) { /* EDGE group.ended, group.waits */
        POINT("group.ended");
        thrum_ready(pointer_of(group->waiter));
    }
}

void thrum_group_fail(thrum_group *group, const thrum_child *child, int status)
{
    const char *name = "";

    if (kind_of(child) == KIND_TASK)
        name = container_of(child, const struct thrum_task, child)->name;
    thrum_error_add(&group->failures, status, name);
}

void thrum_group_left_open(const thrum_group *group)
{
    thrum_panic("a task ended and left a group open%s%s; every thrum_group_open needs its "
                "thrum_group_close on every path",
                group && group->name ? ": " : "", group && group->name ? group->name : "");
}

static void wait_commit(void *arg, struct fiber *left)
{
    struct thrum_group *group = arg;
    uint64_t own = group->own;

    group->waiter = word_of(left);
    POINT("group.wait");
    if (add_acq_rel(&group->remote, own - REMOTE_BASE) == REMOTE_BASE - own)
        thrum_ready(left); /* EDGE group.ended, group.waits: all had ended meanwhile */
}

/*
 * Wait for all that is left, which is no longer for the owner to run. `next`,
 * unless NULL, is one of them and starts at once.
 */
static void wait_for_all(struct thrum_group *group, void *next)
{
    if (next)
        thrum_suspend_for(next, wait_commit, group);
    else if (load_acquire(&group->remote) != REMOTE_BASE - group->own) /* EDGE group.ended */
        thrum_suspend(wait_commit, group);
    group->own = 0;
    store_relaxed(&group->remote, REMOTE_BASE); /* relaxed: nobody else is left */
}

/* ---- joins ----------------------------------------------------------------------------------- */

void thrum_unpop(void *task)
{
    if (!thrum_lane_push(thrum_lane_self(), task))
        (void)thrum_worker_pushed(); /* there is room: it was there before */
}

void *thrum_pop_politely(void *popped)
{
    bool overdue = false;

    if (popped)
        return popped;
    popped = thrum_worker_pop(&overdue);
    while (popped && overdue) {
        thrum_unpop(popped);
        thrum_give_way_briefly();
        overdue = false;
        popped = thrum_lane_pop(thrum_lane_self());
        if (!popped)
            popped = thrum_worker_pop(&overdue);
    }
    return popped;
}

/* The owner runs one of the group's tasks inline. */
static void run_task_here(struct thrum_group *group, struct thrum_child *child)
{
    struct thrum_task *task = container_of(child, struct thrum_task, child);
    struct thrum_lane *lane = thrum_lane_self();
    int status;

    group->own--;
    lane->current = child;
    status = child->fn(child->arg);
    lane = thrum_lane_self();
    if (UNLIKELY(lane->scope != group))
        thrum_group_left_open(lane->scope);
    lane->current = group->owner;
    if (UNLIKELY(status < 0))
        thrum_group_fail(group, child, status);
    thrum_task_end(task, status);
}

static bool is_of(const struct thrum_child *child, const struct thrum_group *group,
                  enum task_kind kind)
{
    return child && child->owner == (word_of(group) | kind);
}

/* What was popped and cannot be run here goes back, if it is a stranger's, or else to a fiber. */
static void wait_with(struct thrum_group *group, struct thrum_child *popped)
{
    if (popped && !is_of(popped, group, KIND_CHILD) && !is_of(popped, group, KIND_TASK)) {
        thrum_unpop(popped); /* ours are elsewhere */
        popped = NULL;
    }
    wait_for_all(group, popped);
}

/*
 * The next child that the owner can run itself, after it has run all tasks of
 * the other kind that were spawned later; NULL: all of the group have ended.
 * `popped` is what the owner found at its bottom, or NULL.
 */
thrum_child *thrum_group_join_slow(thrum_group *group, thrum_child *popped)
{
    popped = thrum_pop_politely(popped);
    while (is_of(popped, group, KIND_TASK)) {
        run_task_here(group, popped);
        if (group->own == 0)
            return NULL;
        if (thrum_stack_pointer() <= thrum_lane_self()->stack_limit) {
            thrum_group_join_short(group);
            return NULL;
        }
        popped = thrum_pop_politely(thrum_lane_pop(thrum_lane_self()));
    }
    if (is_of(popped, group, KIND_CHILD))
        return popped;
    wait_with(group, popped);
    return NULL;
}

/* Too little stack is left to run a child here: it gets a fiber of its own. */
void thrum_group_join_short(thrum_group *group)
{
    wait_with(group, thrum_pop_politely(thrum_lane_pop(thrum_lane_self())));
}

static void check_close(const struct thrum_group *group)
{
    const struct thrum_lane *lane = thrum_lane_self();

    if (!thrum_worker_self())
        thrum_panic("thrum_group_close was called outside a task");
    if (!group->owner)
        thrum_panic("thrum_group_close was called on a group that is not open; close it once");
    if (group->owner != lane->current)
        thrum_panic("thrum_group_close was called by a task that did not open the group");
    if (lane->scope != group)
        thrum_panic("thrum_group_close was called while a group opened later is still open; "
                    "close groups in reverse order of opening");
}

static int collect(struct thrum_group *group, int status, struct thrum_error **errors)
{
    /* MUTANT-OK acquire: who failed has ended, and that was acquired */
    uint64_t failures = load_acquire(&group->failures); /* EDGE error.add */

    if (errors)
        *errors = NULL;
    if (!failures)
        return status;
    group->failures = 0;
    if (status >= 0 && errors) {
        *errors = thrum_error_of(failures, group->name);
    } else {
        thrum_error_free(thrum_error_of(failures, NULL));
    }
    return status < 0 ? status : THRUM_EGROUP;
}

int thrum_group_close_slow(thrum_group *group, int status, struct thrum_error **errors)
{
    check_close(group);
    wait_for_all(group, NULL);
    thrum_lane_self()->scope = group->outer;
    group->owner = NULL;
    return collect(group, status, errors);
}

/* ---- opening and spawning -------------------------------------------------------------------- */

int thrum_group_open_slow(thrum_group *group, const thrum_group_options *options)
{
    if (!thrum_worker_self())
        thrum_panic("thrum_group_open was called outside a task; start one with thrum_run");
    if (options) {
        if (options->size != sizeof *options || options->unused != 0)
            return -EINVAL;
        group->name = options->name;
    }
    thrum_lane_self()->scope = group;
    return 0;
}

void thrum_group_check_spawn(const struct thrum_group *group)
{
    if (!thrum_worker_self())
        thrum_panic("a task was spawned from a thread that runs no task; start one with thrum_run");
    if (!group->owner)
        thrum_panic("a task was spawned into a group that is not open");
}

int thrum_group_spawn_slow(thrum_group *group, thrum_child *child)
{
    int err;

    thrum_group_check_spawn(group);
    if (!child)
        thrum_panic("thrum_group_spawn_child was called by a task that did not open the group; "
                    "use thrum_group_spawn there");
    err = thrum_worker_pushed();
    if (err)
        group->own--;
    return err;
}

int thrum_group_spawn_n(thrum_group *group, thrum_child *children, size_t n, thrum_fn fn,
                        void *base, size_t stride)
{
    for (size_t i = 0; i < n; i++) {
        int err = thrum_group_spawn_child(group, &children[i], fn, (char *)base + i * stride);

        if (err)
            return err;
    }
    return 0;
}
