/*
 * task.h - tasks with a handle, and what a task can ask about itself.
 */
#ifndef THRUM_TASK_H
#define THRUM_TASK_H

#include <thrum/group.h>
#include <thrum/types.h>

THRUM_BEGIN_DECLS

/* Reference-counted; may outlive its group, but not its runtime: give it back before close. */
typedef struct thrum_task thrum_task;

typedef struct thrum_task_options {
    uint32_t size;    /* sizeof(thrum_task_options), set by THRUM_TASK_OPTIONS_INIT */
    uint32_t unused;  /* 0 */
    const char *name; /* copied, at most 23 bytes of it; NULL: none */
} thrum_task_options;

#define THRUM_TASK_OPTIONS_INIT \
    {                           \
        sizeof(thrum_task_options), 0, NULL \
    }

/* Where something stands in the program. Constant. */
struct thrum_site {
    const char *file;
    int line;
};

#define THRUM_SITE                                                     \
    (__extension__({                                                   \
        static const struct thrum_site thrum_site = {__FILE__, __LINE__}; \
        &thrum_site;                                                   \
    }))

/*
 * Spawn a task that runs fn(arg) into a group. `options` may be NULL. `out`
 * may be NULL; else *out is a handle, to be given back with thrum_task_unref; it stands there
 * before the task can start.
 *
 *   context   the group's owner, or any task below the group
 *   suspends  no; if the group has a limit, until there is room
 *   returns   0; -ENOMEM: nothing was spawned; -EINVAL: an option is out of range;
 *             THRUM_ESHUTDOWN: the group was cancelled; THRUM_ECANCELED: the caller was,
 *             waiting for room; THRUM_EFOREIGN: it is another runtime's group
 *   misuse    a closed group: the process stops
 */
#define thrum_group_spawn(group, fn, arg, options, out) \
    thrum_group_spawn_at(group, fn, arg, options, out, THRUM_SITE)
THRUM_API THRUM_NODISCARD int thrum_group_spawn_at(thrum_group *group, thrum_fn fn, void *arg,
                                                   const thrum_task_options *options,
                                                   thrum_task **out,
                                                   const struct thrum_site *site);

/*
 * The same with a copy of the `size` bytes that `arg` points to: fn is called
 * with the copy's address, aligned to 16 bytes; it lasts until the task has
 * ended. Up to 64 bytes cost no allocation.
 */
#define thrum_group_spawn_copy(group, fn, arg, size, options, out) \
    thrum_group_spawn_copy_at(group, fn, arg, size, options, out, THRUM_SITE)
THRUM_API THRUM_NODISCARD int thrum_group_spawn_copy_at(thrum_group *group, thrum_fn fn,
                                                        const void *arg, size_t size,
                                                        const thrum_task_options *options,
                                                        thrum_task **out,
                                                        const struct thrum_site *site);

/*
 * As thrum_group_spawn, for a daemon: a task that goes on as long as others of its group
 * do. When the owner is in close and all but daemons have ended, the group is
 * cancelled; close waits until the daemons have ended too. A daemon that fails
 * is a failure like any other; what a daemon spawns is not a daemon.
 *
 *   returns   also THRUM_ESTATE: the group was not opened with THRUM_DAEMONS
 */
#define thrum_group_daemon(group, fn, arg, options, out) \
    thrum_group_daemon_at(group, fn, arg, options, out, THRUM_SITE)
THRUM_API THRUM_NODISCARD int thrum_group_daemon_at(thrum_group *group, thrum_fn fn, void *arg,
                                                    const thrum_task_options *options,
                                                    thrum_task **out,
                                                    const struct thrum_site *site);

/*
 * Spawn a task, and wait until it says by thrum_started that it has started.
 * `value`, unless NULL, is then what it has said. It goes on as a task of the
 * group like any other.
 *
 * If it ends before, that is this call's failure and not the group's: the
 * status is the task's; THRUM_ESTATE if that was no failure. A cancel of the
 * calling task is passed on to it, and its start or end waited for all the same.
 *
 *   context   the group's owner, or any task below the group
 *   suspends  yes
 *   returns   0; what thrum_group_spawn says; the task's status, THRUM_ESTATE: see above;
 *             THRUM_ECANCELED: the calling task was cancelled, and the task, which may have
 *             started or not, with it; or the task was, before it had started
 */
#define thrum_group_start(group, fn, arg, options, value) \
    thrum_group_start_at(group, fn, arg, options, value, THRUM_SITE)
THRUM_API THRUM_NODISCARD int thrum_group_start_at(thrum_group *group, thrum_fn fn, void *arg,
                                                   const thrum_task_options *options,
                                                   void **value, const struct thrum_site *site);

/*
 * The calling task has started: let the thrum_group_start that waits for it
 * return.
 *
 *   context   a task spawned by thrum_group_start
 *   suspends  no
 *   returns   0; THRUM_ESTATE: nobody waits for that, the task was spawned otherwise or has
 *             said so before
 */
THRUM_API int thrum_started(void *value);

/* One reference more, one less. Any thread. */
THRUM_API thrum_task *thrum_task_ref(thrum_task *task);
THRUM_API void thrum_task_unref(thrum_task *task);

/* Has it ended? Then *status, unless NULL, is how: see thrum_outcome. Any thread. */
THRUM_API bool thrum_task_ended(const thrum_task *task, int *status);

enum thrum_kind { THRUM_OK = 0, THRUM_FAILED = 1, THRUM_CANCELLED = 2 };

/*
 * What a status says, of a task or a part of one that has come to its end. A
 * generator's body that was closed (THRUM_ECLOSED) has not failed either.
 */
static inline enum thrum_kind thrum_kind_of(int status)
{
    if (status >= 0)
        return THRUM_OK;
    return status == THRUM_ECANCELED || status == THRUM_ECLOSED ? THRUM_CANCELLED : THRUM_FAILED;
}

/* How a task ended. */
typedef struct thrum_outcome {
    enum thrum_kind kind;
    int status;         /* what its function returned; THRUM_ECANCELED if cancelled */
    thrum_error *error; /* of a failed one; the receiver frees it. NULL: no memory for it */
} thrum_outcome;

/*
 * The same in full; `outcome` may be NULL, and is untouched unless the task
 * has ended. Any thread.
 */
THRUM_API bool thrum_task_outcome(const thrum_task *task, thrum_outcome *outcome);

/*
 * Is it the calling task, or one that cannot end before the calling task has?
 * To wait for its end would be to wait for ever. Any thread; false outside
 * tasks.
 */
THRUM_API bool thrum_task_needs_me(const thrum_task *task);

/*
 * Wait until the task has ended. If the calling task is cancelled meanwhile,
 * the cancel is passed on to the task, and its end is waited for all the same.
 * `outcome` may be NULL.
 *
 *   context   task
 *   suspends  unless it has ended
 *   returns   0: it has ended, see *outcome; THRUM_ECANCELED: likewise, and a cancel was
 *             delivered here; -ENOMEM: nothing was waited for; -EDEADLK: the task is the
 *             calling one, or one that waits for it to end; THRUM_EFOREIGN
 */
THRUM_API THRUM_NODISCARD int thrum_task_join(thrum_task *task, thrum_outcome *outcome);

/*
 * The same, but a cancel of the calling task only ends the wait: the task goes
 * on, and *outcome is not set.
 */
THRUM_API THRUM_NODISCARD int thrum_shield_join(thrum_task *task, thrum_outcome *outcome);

/*
 * Cancel the task, wherever it is: see scope.h. Each call is one more request
 * (thrum_cancelling). A task that ends without having heard of it counts as
 * cancelled.
 *
 *   context   any thread
 *   suspends  no
 *   returns   true: it will hear of it; false: it has ended
 */
#define thrum_task_cancel(task, code, text) \
    thrum_task_cancel_at(task, code, text, __FILE__, __LINE__)
THRUM_API bool thrum_task_cancel_at(thrum_task *task, int code, const char *text, const char *file,
                                    int line);

/* How many such requests were not taken back (thrum_uncancel), told or not. Any thread. */
THRUM_API int thrum_task_cancelling(const thrum_task *task);

/*
 * Why it was cancelled, if it has ended so: the reason of the first request, or of the cancel of
 * a scope around it. Any thread. Returns 0, or -ENOENT: it has not, or there was no memory for
 * a reason.
 */
THRUM_API int thrum_task_reason(const thrum_task *task, thrum_reason *reason);

/* A function to be called when a task has ended. Its fields are the runtime's own. */
typedef void (*thrum_done_fn)(thrum_task *task, void *arg);

typedef struct thrum_done {
    struct thrum_done *next;
    struct thrum_done *prev;
    thrum_done_fn fn;
    void *arg;
    bool linked;
} thrum_done;

/*
 * When the task has ended, call fn(task, arg), once: by the worker that ends
 * the task, after it has an outcome and before its group can be closed; or
 * here and now, if it has ended already. Several are called in the order in
 * which they came. `done` is the caller's memory until fn is called, or
 * thrum_task_off_end has returned.
 *
 * fn runs in no task, and on little stack: it may do what any thread may do,
 * thrum_event_set and thrum_task_cancel for example, and be done soon. If it
 * tries to wait or to spawn, the process stops. The task is kept until fn has
 * returned.
 *
 *   context   any thread that has a handle of the task
 *   suspends  no
 *   misuse    a `done` that is in use: the process stops, if it is seen
 */
THRUM_API void thrum_task_on_end(thrum_task *task, thrum_done *done, thrum_done_fn fn, void *arg);

/*
 * Take it back. It is not called any more when this has returned, and not
 * being called either: if it is just being called by another thread, this
 * waits until it has returned, without letting another task run.
 *
 *   context   any thread that has a handle of the task; fn itself too
 *   suspends  no
 *   returns   true: it will never be called; false: it was
 */
THRUM_API bool thrum_task_off_end(thrum_task *task, thrum_done *done);

/* The name given at spawn, or "". Lives as long as the handle. Any thread. */
THRUM_API const char *thrum_task_name(const thrum_task *task);

/*
 * The calling task: a number that no other running task of the process has,
 * inlined children included; 0 outside tasks. For comparing and printing.
 */
THRUM_API uint64_t thrum_self(void);

/* That number of a task, as long as there is a handle of it. Any thread. */
THRUM_API uint64_t thrum_task_id(const thrum_task *task);

/*
 * The calling task's handle, one reference more, to be given back; so that a
 * task may cancel itself, or show itself to others. NULL: it has none, for
 * nobody asked for one at its spawn. Any thread.
 */
THRUM_API THRUM_NODISCARD thrum_task *thrum_task_current(void);

/* The calling task's name; "" if it has none or outside tasks. Valid until the task ends. */
THRUM_API const char *thrum_self_name(void);

/*
 * Let everything that is ready, and every task spawned here but not started,
 * go first.
 *
 *   context   task
 *   suspends  yes
 *   returns   0, THRUM_ECANCELED
 */
THRUM_API int thrum_yield(void);

THRUM_END_DECLS

#endif
