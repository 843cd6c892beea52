/*
 * run.h - runtimes: the workers on which tasks run.
 *
 * Several may exist in one process. The thread that starts one runs no tasks
 * itself; it waits.
 */
#ifndef THRUM_RUN_H
#define THRUM_RUN_H

#include <thrum/error.h>
#include <thrum/types.h>

THRUM_BEGIN_DECLS

typedef struct thrum_runtime thrum_runtime;

#define THRUM_WORKERS_MAX 1024

typedef struct thrum_options {
    uint32_t size;        /* sizeof(thrum_options), set by THRUM_OPTIONS_INIT */
    int32_t workers;      /* 0: as many as the process may use CPUs (affinity, cgroup quota) */
    uint64_t stack_bytes; /* of a stack; a task may count on half of it, for it may start on
                             its parent's. 0: 64 KiB. 32 KiB to 1 GiB */
    uint32_t layout;      /* THRUM_LAYOUT, set by THRUM_OPTIONS_INIT */
    uint32_t unused;      /* 0 */
} thrum_options;

#define THRUM_OPTIONS_INIT \
    {                      \
        sizeof(thrum_options), 0, 0, THRUM_LAYOUT, 0 \
    }

/*
 * Run fn(arg) as a task on a runtime of its own, and wait until it and all it
 * spawned have ended. `options` may be NULL.
 *
 *   context   a thread that runs no task
 *   returns   what fn returned; -EINVAL: an option is out of range; -ENOMEM, -EAGAIN:
 *             memory or threads could not be had; THRUM_ENESTED: called inside a task;
 *             THRUM_ELAYOUT
 */
THRUM_API THRUM_NODISCARD int thrum_run(thrum_fn fn, void *arg, const thrum_options *options);

/* The same in pieces. run may be called any number of times, from several threads at once. */
THRUM_API THRUM_NODISCARD int thrum_runtime_create(thrum_runtime **out,
                                                   const thrum_options *options);
THRUM_API THRUM_NODISCARD int thrum_runtime_run(thrum_runtime *runtime, thrum_fn fn, void *arg);

/*
 * Change the number of workers while tasks run. A worker that leaves ends the
 * turn of its task first; what waits in its queues goes to the others.
 *
 *   context   a thread that runs no task
 *   returns   0; -EINVAL: not in 1 to THRUM_WORKERS_MAX; -EAGAIN, -ENOMEM: fewer threads
 *             could be had than wanted; THRUM_ENESTED
 */
THRUM_API THRUM_NODISCARD int thrum_runtime_set_workers(thrum_runtime *runtime, int workers);

/* How many workers there are. Any thread. */
THRUM_API int thrum_runtime_workers(thrum_runtime *runtime);

/*
 * End the workers and free the runtime. NULL is allowed.
 *
 *   context   a thread that runs no task; no run may be under way
 *   returns   0; THRUM_ENESTED; THRUM_ESTATE: a run is under way, nothing has changed
 */
THRUM_API int thrum_runtime_close(thrum_runtime *runtime);

THRUM_END_DECLS

#endif
