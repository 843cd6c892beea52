/*
 * group.h - task groups: who owns tasks, and waits for them.
 *
 * A group is opened, spawned into and closed by one task, its owner. It cannot
 * be left before all its tasks have ended: close waits for them. So a child
 * may use what stands on its owner's stack, the group itself included.
 *
 *     thrum_group group;
 *     thrum_child children[2];
 *     int status = thrum_group_open(&group, NULL);
 *
 *     if (status)
 *         return status;
 *     status = thrum_group_spawn_child(&group, &children[0], left, &a);
 *     if (!status)
 *         status = thrum_group_spawn_child(&group, &children[1], right, &b);
 *     return thrum_group_close(&group, status, NULL);
 *
 * Two kinds of task
 *
 *   thrum_child   its memory is the caller's, and must last until close. Only
 *                 the group's owner spawns it. A spawn is a handful of
 *                 stores, and if nobody steals the child it runs inside
 *                 close, on the owner's stack, for the price of a call.
 *   thrum_task    (task.h) its memory is the runtime's. Any task of the group
 *                 spawns it; it has a name, and a handle that may outlive the
 *                 group, but not the runtime.
 *
 * Children start in any order and on any worker. A child that ends with a
 * negative status has failed: close returns THRUM_EGROUP, and *errors says
 * who and why. So has one for which no stack could be had: it never ran, and
 * its status is -ENOMEM.
 */
#ifndef THRUM_GROUP_H
#define THRUM_GROUP_H

#include <thrum/detail/lane.h>
#include <thrum/detail/tsan.h>
#include <thrum/error.h>
#include <thrum/scope.h>
#include <thrum/types.h>

THRUM_BEGIN_DECLS

/* Its fields are the runtime's own. */
typedef struct thrum_child {
    thrum_fn fn;
    void *arg;
    uint64_t owner; /* its start scope, and in the low bits the kind */
} thrum_child;

/*
 * Its fields are the runtime's own. In the caller's memory, from open to close.
 * What thieves count in stands on another line than what the owner touches at
 * every spawn.
 */
typedef struct thrum_group {
    uint64_t own; /* owner: tasks that it has spawned and not yet joined */
    struct thrum_scope scope;
    const char *name;  /* valid if it was opened with options */
    uint64_t policy;   /* likewise: flags, and in the upper half the limit */
    uint64_t remote;   /* atomic: see runtime/task/group.c */
    uint64_t failures; /* atomic: struct thrum_error *, newest first, and flags */
    uint64_t alive;    /* atomic: this and all below: see runtime/task/counted.c */
    void *first;
    void *last;
    uint32_t lock;
    uint32_t state;
} thrum_group;

/*
 * What becomes of the others when a task ends.
 *
 *   THRUM_FAIL_FAST   the first that fails (returns a negative status that is
 *                     not a cancel's) cancels the others, and the owner, so
 *                     that it comes to close
 *   THRUM_COLLECT     they go on
 *   THRUM_FIRST_OK    the first that succeeds cancels the others, and the
 *                     owner; failures count only if none has succeeded
 */
#define THRUM_FAIL_FAST 0u
#define THRUM_COLLECT 2u
#define THRUM_FIRST_OK 4u

/* thrum_group_daemon (task.h) may be used. */
#define THRUM_DAEMONS 8u

/*
 * With a limit, THRUM_FIRST_OK or THRUM_DAEMONS no task runs inside close:
 * each has a stack of its own, and a spawn takes some atomic operations.
 */
typedef struct thrum_group_options {
    uint32_t size;    /* sizeof(thrum_group_options), set by THRUM_GROUP_OPTIONS_INIT */
    uint32_t flags;   /* one of the above, THRUM_DAEMONS, THRUM_LEVEL */
    const char *name; /* must outlive the group; NULL: none */
    uint32_t limit;   /* how many tasks there may be at once, daemons apart: a spawn waits until
                         there is room for its task, and can be cancelled there; a task that
                         spawns keeps its own place meanwhile. 0: any number */
    uint32_t unused;  /* 0 */
} thrum_group_options;

#define THRUM_GROUP_OPTIONS_INIT \
    {                            \
        sizeof(thrum_group_options), 0, NULL, 0, 0 \
    }

/* The kind of a thrum_child, in its owner word. A branch's is 0, which its fast path can do without. */
#define THRUM_KIND_CHILD 2

/* The atomic count of a group nobody waits for. */
#define THRUM_GROUP_REMOTE_NONE ((uint64_t)1 << 62)

THRUM_API THRUM_COLD int thrum_group_open_slow(thrum_group *group,
                                               const thrum_group_options *options);
THRUM_API THRUM_COLD int thrum_group_spawn_slow(thrum_group *group, thrum_child *child, bool pushed);
THRUM_API THRUM_COLD int thrum_group_close_slow(thrum_group *group, int status,
                                                thrum_error **errors);
THRUM_API THRUM_COLD void thrum_group_fail(thrum_group *group, thrum_child *child, int status);
THRUM_API THRUM_COLD thrum_child *thrum_group_join_slow(thrum_group *group, thrum_child *popped);
/* A task that ran inline has ended with this status, and what it keeps about itself is to go. */
THRUM_API THRUM_COLD void thrum_task_leave(struct thrum_scope *start, int status);

/*
 * Open a group. `options` may be NULL.
 *
 *   context   task
 *   suspends  no
 *   returns   0; -EINVAL: an option is out of range
 *   misuse    it is open, and nothing was opened since: the process stops
 */
THRUM_NODISCARD static inline int thrum_group_open(thrum_group *group,
                                                   const thrum_group_options *options)
{
    struct thrum_lane *lane = thrum_lane_self();

    group->own = 0;
    group->scope.owner = (uint64_t)(uintptr_t)lane->current;
    group->scope.outer = (uint64_t)(uintptr_t)lane->scope;
    group->scope.fiber = lane->fiber;
    group->scope.cancels = 0;
    group->scope.flags = 0;
    group->scope.reason = 0;
    group->remote = THRUM_GROUP_REMOTE_NONE;
    group->failures = 0;
    /* 0: no task runs here; UINTPTR_MAX: something may have been cancelled */
    if (THRUM_UNLIKELY(lane->stack_limit - 1 >= UINTPTR_MAX - 1 || options != NULL ||
                       lane->scope == &group->scope))
        return thrum_group_open_slow(group, options);
    lane->scope = &group->scope;
    return 0;
}

/*
 * Spawn a child that runs fn(arg). `child` is the caller's memory until close.
 *
 *   context   the task that opened the group
 *   suspends  no; if the group has a limit, until there is room
 *   returns   0; -ENOMEM: nothing was spawned; THRUM_ESHUTDOWN: nor here, for the group was
 *             cancelled (the owner may not know that yet; then the child is spawned, and
 *             never runs); THRUM_ECANCELED: nor here, for the owner was, waiting for room
 *   misuse    a closed group, or another task's: the process stops
 */
THRUM_NODISCARD static inline int thrum_group_spawn_child(thrum_group *group, thrum_child *child,
                                                          thrum_fn fn, void *arg)
{
    struct thrum_lane *lane = thrum_lane_self();

    child->fn = fn;
    child->arg = arg;
    child->owner = (uint64_t)(uintptr_t)&group->scope + THRUM_KIND_CHILD;
    if (THRUM_UNLIKELY(group->scope.owner != (uint64_t)(uintptr_t)lane->current))
        return thrum_group_spawn_slow(group, child, false);
    group->own++;
    if (THRUM_LIKELY(thrum_lane_push(lane, child)))
        return 0;
    return thrum_group_spawn_slow(group, child, true);
}

/*
 * Spawn n children, child i running fn(base + i * stride).
 *
 *   context   the task that opened the group
 *   suspends  as thrum_group_spawn_child
 *   returns   0; what thrum_group_spawn_child says: fewer were spawned, and *children beyond
 *             them are untouched; close the group as after any error
 */
THRUM_API THRUM_NODISCARD int thrum_group_spawn_n(thrum_group *group, thrum_child *children,
                                                  size_t n, thrum_fn fn, void *base,
                                                  size_t stride);

/* Run a child here and now, as a task with an identity of its own. */
static inline void thrum_group_run_here(thrum_group *group, thrum_child *child)
{
    struct thrum_lane *lane = thrum_lane_self();
    int status;

    lane->current = child;
    status = THRUM_RUN_HERE(child->fn, child->arg, child);
    lane = thrum_lane_self(); /* it may have suspended and woken elsewhere */
    if (THRUM_UNLIKELY(lane->scope != &group->scope))
        thrum_task_leave(&group->scope, status);
    lane->current = (const void *)(uintptr_t)group->scope.owner;
    if (THRUM_UNLIKELY(status < 0))
        thrum_group_fail(group, child, status);
}

/*
 * Wait until all tasks of the group have ended, and close it. `status` is the
 * caller's own status so far. Must be called on every path out of the group,
 * in reverse order of opening.
 *
 * A negative status other than THRUM_ECANCELED cancels the tasks that are left,
 * and is one of the failures if there are others. *errors becomes NULL, or all
 * failures when THRUM_EGROUP is returned (the caller frees them, error.h; NULL
 * even then if there was no memory for them). If `errors` is NULL, they become
 * what the calling task has to say if it returns THRUM_EGROUP itself, so that
 * trees nest. A cancel from outside that comes together with failures is
 * delivered once more, at the next suspension.
 *
 *   context   the task that opened the group
 *   suspends  until the last task has ended; now and then even so, to let others run
 *   returns   THRUM_EGROUP if a task failed; else status; but a status of THRUM_ECANCELED that
 *             only a cancel of this group has caused becomes 0, and a status of 0 or more
 *             THRUM_ECANCELED if a cancel from outside came while it waited
 *   misuse    a group that is closed, not the innermost, or another task's: the
 *             process stops
 */
static inline int thrum_group_close(thrum_group *group, int status, thrum_error **errors)
{
    struct thrum_lane *lane = thrum_lane_self();

    if (THRUM_UNLIKELY(group->scope.owner != (uint64_t)(uintptr_t)lane->current ||
                       lane->scope != &group->scope ||
                       status < 0))
        return thrum_group_close_slow(group, status, errors);
    while (group->own != 0) {
        thrum_child *child;

        lane = thrum_lane_self();
        child = (thrum_child *)thrum_lane_pop(lane);
        if (THRUM_UNLIKELY(!child || thrum_lane_is_short(lane) ||
                           child->owner != (uint64_t)(uintptr_t)&group->scope + THRUM_KIND_CHILD)) {
            child = thrum_group_join_slow(group, child);
            if (!child)
                break;
        }
        group->own--;
        thrum_group_run_here(group, child);
    }
    if (THRUM_UNLIKELY(thrum_load_acquire_64(&group->remote) != THRUM_GROUP_REMOTE_NONE ||
                       thrum_load_relaxed_64(&group->failures) != 0))
        return thrum_group_close_slow(group, status, errors); /* EDGE group.ended */
    lane = thrum_lane_self();
    lane->scope = (struct thrum_scope *)(uintptr_t)group->scope.outer;
    group->scope.owner = 0;
    if (errors)
        *errors = NULL;
    return status;
}

/*
 * Cancel all tasks of the group, and its owner while it is in the group's
 * body; close absorbs that. Spawns are refused from now on. As
 * thrum_scope_cancel (scope.h); any task of the group, or any thread that
 * knows that it is open.
 */
#define thrum_group_cancel(group, code, text) \
    thrum_group_cancel_at(group, code, text, __FILE__, __LINE__)
THRUM_API void thrum_group_cancel_at(thrum_group *group, int code, const char *text,
                                     const char *file, int line);

THRUM_END_DECLS

#endif
