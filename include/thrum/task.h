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

/*
 * Spawn a task that runs fn(arg) into a group. `options` may be NULL. `out`
 * may be NULL; else *out is a handle, to be given back with thrum_task_unref.
 *
 *   context   the group's owner, or any task below the group
 *   suspends  no
 *   returns   0; -ENOMEM: nothing was spawned; -EINVAL: an option is out of range
 *   misuse    a closed group: the process stops
 */
THRUM_API THRUM_NODISCARD int thrum_group_spawn(thrum_group *group, thrum_fn fn, void *arg,
                                                const thrum_task_options *options,
                                                thrum_task **out);

/* One reference more, one less. Any thread. */
THRUM_API thrum_task *thrum_task_ref(thrum_task *task);
THRUM_API void thrum_task_unref(thrum_task *task);

/* Has it ended? Then *status, unless NULL, is what its function returned. Any thread. */
THRUM_API bool thrum_task_ended(const thrum_task *task, int *status);

/* The name given at spawn, or "". Lives as long as the handle. Any thread. */
THRUM_API const char *thrum_task_name(const thrum_task *task);

/*
 * The calling task: a number that no other running task of the process has,
 * inlined children included; 0 outside tasks. For comparing and printing.
 */
THRUM_API uint64_t thrum_self(void);

/* The calling task's name; "" if it has none or outside tasks. Valid until the task ends. */
THRUM_API const char *thrum_self_name(void);

/*
 * Let everything that is ready, and every task spawned here but not started,
 * go first.
 *
 *   context   task
 *   suspends  yes
 *   returns   0
 */
THRUM_API int thrum_yield(void);

THRUM_END_DECLS

#endif
