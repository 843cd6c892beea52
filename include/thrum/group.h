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
#include <thrum/error.h>
#include <thrum/types.h>

THRUM_BEGIN_DECLS

/* Its fields are the runtime's own. */
typedef struct thrum_child {
    thrum_fn fn;
    void *arg;
    uint64_t owner; /* the group's address, and in the low bits the kind */
} thrum_child;

/* Its fields are the runtime's own. In the caller's memory, from open to close. */
typedef struct thrum_group {
    uint64_t own;              /* owner: tasks that it has spawned and not yet joined */
    const void *owner;         /* owner: identity of the task that opened it; NULL: closed */
    struct thrum_group *outer; /* owner: the group that was innermost before */
    uint64_t remote;           /* atomic: see runtime/task/group.c */
    uint64_t failures;         /* atomic: struct thrum_error *, newest first */
    uint64_t waiter;           /* owner: fiber that waits in close */
    const char *name;          /* constant, may be NULL */
    uint64_t unused;
} thrum_group;

typedef struct thrum_group_options {
    uint32_t size;    /* sizeof(thrum_group_options), set by THRUM_GROUP_OPTIONS_INIT */
    uint32_t unused;  /* 0 */
    const char *name; /* must outlive the group; NULL: none */
} thrum_group_options;

#define THRUM_GROUP_OPTIONS_INIT \
    {                            \
        sizeof(thrum_group_options), 0, NULL \
    }

/* The atomic count of a group nobody waits for. */
#define THRUM_GROUP_REMOTE_NONE ((uint64_t)1 << 62)

THRUM_API THRUM_COLD int thrum_group_open_slow(thrum_group *group, const thrum_group_options *options);
THRUM_API THRUM_COLD int thrum_group_spawn_slow(thrum_group *group, thrum_child *child);
THRUM_API THRUM_COLD int thrum_group_close_slow(thrum_group *group, int status, thrum_error **errors);
THRUM_API THRUM_COLD void thrum_group_fail(thrum_group *group, const thrum_child *child, int status);
THRUM_API THRUM_COLD thrum_child *thrum_group_join_slow(thrum_group *group, thrum_child *popped);
THRUM_API THRUM_COLD void thrum_group_join_short(thrum_group *group);
THRUM_API THRUM_COLD __attribute__((noreturn)) void thrum_group_left_open(const thrum_group *group);

/*
 * Open a group. `options` may be NULL.
 *
 *   context   task
 *   suspends  no
 *   returns   0; -EINVAL: an option is out of range
 */
THRUM_NODISCARD static inline int thrum_group_open(thrum_group *group,
                                                   const thrum_group_options *options)
{
    struct thrum_lane *lane = thrum_lane_self();

    group->own = 0;
    group->owner = lane->current;
    group->outer = lane->scope;
    group->remote = THRUM_GROUP_REMOTE_NONE;
    group->failures = 0;
    group->name = NULL;
    if (THRUM_UNLIKELY(lane->stack_limit == 0 || options != NULL))
        return thrum_group_open_slow(group, options);
    lane->scope = group;
    return 0;
}

/*
 * Spawn a child that runs fn(arg). `child` is the caller's memory until close.
 *
 *   context   the task that opened the group
 *   suspends  no
 *   returns   0; -ENOMEM: nothing was spawned
 *   misuse    a closed group, or another task's: the process stops
 */
THRUM_NODISCARD static inline int thrum_group_spawn_child(thrum_group *group, thrum_child *child,
                                                          thrum_fn fn, void *arg)
{
    struct thrum_lane *lane = thrum_lane_self();

    child->fn = fn;
    child->arg = arg;
    child->owner = (uint64_t)(uintptr_t)group;
    if (THRUM_UNLIKELY(group->owner != lane->current))
        return thrum_group_spawn_slow(group, NULL);
    group->own++;
    if (THRUM_LIKELY(thrum_lane_push(lane, child)))
        return 0;
    return thrum_group_spawn_slow(group, child);
}

/*
 * Spawn n children, child i running fn(base + i * stride).
 *
 *   context   the task that opened the group
 *   suspends  no
 *   returns   0; -ENOMEM: fewer were spawned, and *children beyond them are untouched;
 *             close the group as after any error
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
    status = child->fn(child->arg);
    lane = thrum_lane_self(); /* it may have suspended and woken elsewhere */
    if (THRUM_UNLIKELY(lane->scope != group))
        thrum_group_left_open(lane->scope);
    lane->current = group->owner;
    if (THRUM_UNLIKELY(status < 0))
        thrum_group_fail(group, child, status);
}

/*
 * Wait until all tasks of the group have ended, and close it. `status` is the
 * caller's own status so far. Must be called on every path out of the group,
 * in reverse order of opening.
 *
 * `errors` may be NULL; else *errors becomes NULL, or the failures of the
 * group's tasks when THRUM_EGROUP is returned (the caller frees them, error.h;
 * NULL even then if there was no memory for them).
 *
 *   context   the task that opened the group
 *   suspends  until the last task has ended; now and then even so, to let others run
 *   returns   status, if negative; else THRUM_EGROUP if a task failed; else status
 *   misuse    a group that is closed, not the innermost, or another task's: the
 *             process stops
 */
static inline int thrum_group_close(thrum_group *group, int status, thrum_error **errors)
{
    struct thrum_lane *lane = thrum_lane_self();

    if (THRUM_UNLIKELY(group->owner != lane->current || lane->scope != group))
        return thrum_group_close_slow(group, status, errors);
    while (group->own != 0) {
        thrum_child *child;

        lane = thrum_lane_self();
        if (THRUM_UNLIKELY(thrum_stack_pointer() <= lane->stack_limit)) {
            thrum_group_join_short(group);
            break;
        }
        child = (thrum_child *)thrum_lane_pop(lane);
        if (THRUM_UNLIKELY(!child || child->owner != (uint64_t)(uintptr_t)group)) {
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
    lane->scope = group->outer;
    group->owner = NULL;
    if (errors)
        *errors = NULL;
    return status;
}

THRUM_END_DECLS

#endif
