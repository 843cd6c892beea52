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

/*
 * Flags.
 *
 *   THRUM_STRICT         an error that nobody took (see `unhandled`) is printed and stops the
 *                        process
 *   THRUM_HANDLE_SIGINT  the first SIGINT cancels all that was run on this runtime and is under
 *                        way, with the reason -EINTR "SIGINT"; the next one, and any while nothing
 *                        is under way, ends the process. When all runs have returned it begins
 *                        anew. The handler that was there before comes back at close. Only one
 *                        runtime at a time may have this flag.
 *   THRUM_SIMULATE       tasks run in the simulated world: on the thread that calls run, one at a
 *                        time, on a clock that jumps to the next deadline when all wait, in an
 *                        order drawn from `seed` (0: a join runs its own children, newest first;
 *                        else who has waited longest goes on). The same
 *                        program with the same seed does the same again. explore.h has more.
 *                        THRUM_SIM=seed in the environment sets the flag, and the seed, for every
 *                        runtime of the process.
 *   THRUM_GUEST          one worker without a thread, for somebody else's loop: guest.h
 *   THRUM_DETECT         look for mistakes, at a price: detect.h. THRUM_DETECT=1 in the environment
 *                        sets the flag for every runtime of the process
 */
#define THRUM_STRICT 1u
#define THRUM_HANDLE_SIGINT 2u
#define THRUM_SIMULATE 4u
#define THRUM_GUEST 8u
#define THRUM_DETECT 16u

typedef struct thrum_options {
    uint32_t size;        /* sizeof(thrum_options), set by THRUM_OPTIONS_INIT */
    int32_t workers;      /* 0: as many as the process may use CPUs (affinity, cgroup quota);
                             with THRUM_GUEST 0 or 1 */
    uint64_t stack_bytes; /* of a stack; a task may count on half of it, for it may start on
                             its parent's. 0: 64 KiB. 32 KiB to 1 GiB */
    uint32_t layout;      /* THRUM_LAYOUT, set by THRUM_OPTIONS_INIT */
    uint32_t flags;       /* see above */
    /*
     * An error that nobody took; the tree lives as long as the call. That is the tree of a group's
     * failures, if thrum_group_close was called without `errors` and its caller ends without
     * returning THRUM_EGROUP (with a status of its own the tree becomes that one's cause), or
     * forgets it for the next one, or is a branch; and if a root has returned it and thrum_run was
     * called without `errors`. Who wants to ignore failures takes them and frees them. A status
     * that is returned counts as taken. NULL: printed to file descriptor 2. Called on any of the
     * runtime's threads or a caller of thrum_run, with little stack; it must call nothing that
     * suspends, and nothing of this header but thrum_runtime_self.
     */
    void (*unhandled)(const thrum_error *error, void *context);
    /*
     * A line of a deadlock report (hold.h), about what close waits for, or about a mistake that
     * THRUM_DETECT has found, without its end. NULL: written to file descriptor 2. Called on any
     * thread; it must call nothing of Thrum's.
     */
    void (*report)(const char *line, void *context);
    void *context; /* for both */
    uint32_t call_threads; /* of the runtime's own executor (executor.h), at most; 0:
                              THRUM_EXECUTOR_THREADS */
    uint32_t unused;       /* 0 */
    int64_t abandoned_ns;  /* how long close waits for calls of that executor that were abandoned
                              and still run; 0: five minutes */
    uint64_t seed; /* for THRUM_SIMULATE */
} thrum_options;

#define THRUM_OPTIONS_INIT \
    {                      \
        sizeof(thrum_options), 0, 0, THRUM_LAYOUT, 0, NULL, NULL, NULL, 0, 0, 0, 0 \
    }

/*
 * Run fn(arg) as a task on a runtime of its own, and wait until it and all it
 * spawned have ended. `options` may be NULL. So may `errors`; else *errors
 * becomes NULL, or, if fn failed, why (the caller frees it, error.h).
 *
 *   context   a thread that runs no task
 *   returns   what fn returned; THRUM_EDEADLOCK: it ended cancelled, because all tasks waited
 *             and nothing could wake one (hold.h); -EINVAL: an option is out of range; -ENOMEM,
 *             -EAGAIN: memory or threads could not be had; -EBUSY: another runtime handles
 *             SIGINT; THRUM_ENESTED: called inside a task; THRUM_ELAYOUT
 */
THRUM_API THRUM_NODISCARD int thrum_run(thrum_fn fn, void *arg, const thrum_options *options,
                                        thrum_error **errors);

/*
 * The same in pieces. run may be called any number of times, from several threads at once; it
 * returns THRUM_ESHUTDOWN if the runtime is closing, and THRUM_ESTATE in the child of a fork and if
 * the runtime is a guest.
 *
 * Fork: the child has none of its parent's workers. There create and run make a runtime of its
 * own, also when a task has forked, which is no task any more in the child: it must not return,
 * but end by _exit or exec. Of what it has inherited, run, close and set_workers return
 * THRUM_ESTATE, and have changed nothing; all else that would wake, cancel, spawn or wait there
 * stops the child with a sentence. The locks of objects may be held by threads that it does
 * not have: it must leave its parent's events and other objects alone.
 */
THRUM_API THRUM_NODISCARD int thrum_runtime_create(thrum_runtime **out,
                                                   const thrum_options *options);
THRUM_API THRUM_NODISCARD int thrum_runtime_run(thrum_runtime *runtime, thrum_fn fn, void *arg,
                                                thrum_error **errors);

/*
 * Change the number of workers while tasks run. A worker that leaves ends the
 * turn of its task first; what waits in its queues goes to the others.
 *
 *   context   a thread that runs no task
 *   returns   0; -EINVAL: not in 1 to THRUM_WORKERS_MAX; -EAGAIN, -ENOMEM: fewer threads
 *             could be had than wanted; THRUM_ENESTED; THRUM_ESTATE: in the child of a fork, or
 *             the runtime is a guest
 */
THRUM_API THRUM_NODISCARD int thrum_runtime_set_workers(thrum_runtime *runtime, int workers);

/* How many workers there are. Any thread. */
THRUM_API int thrum_runtime_workers(thrum_runtime *runtime);

/* The runtime on which the calling task runs; NULL outside tasks. */
THRUM_API thrum_runtime *thrum_runtime_self(void);

/* How many errors there were that nobody took (thrum_options). Any thread. */
THRUM_API uint64_t thrum_runtime_unhandled(thrum_runtime *runtime);

/*
 * Cancel all that runs on it now, from the outermost scope on, and all that is
 * started on it later. As thrum_scope_cancel (scope.h); any thread. In the child of a fork the
 * process stops.
 */
#define thrum_runtime_cancel(runtime, code, text) \
    thrum_runtime_cancel_at(runtime, code, text, __FILE__, __LINE__)
THRUM_API void thrum_runtime_cancel_at(thrum_runtime *runtime, int code, const char *text,
                                       const char *file, int line);

/*
 * End the workers and free the runtime. NULL is allowed. If runs are under way, they are
 * cancelled, with the reason THRUM_ESHUTDOWN, and waited for: their callers get back what the
 * tasks have returned, and that is the last they may do with the runtime. There is no time limit:
 * tasks clean up as after any cancel. Then it closes the runtime's own executor: for calls that
 * were abandoned it waits at most `abandoned_ns`. What it has to wait for it says, a line for each
 * call, when a second has passed; and once more if it leaves them behind. To be called once; the
 * handle is gone afterwards.
 *
 *   context   a thread that runs no task
 *   returns   0; THRUM_ETIMEOUT: likewise, but some of those calls still run, on threads of their
 *             own; THRUM_ENESTED, THRUM_ESTATE (in the child of a fork): nothing has changed
 */
THRUM_API int thrum_runtime_close(thrum_runtime *runtime);

THRUM_END_DECLS

#endif
