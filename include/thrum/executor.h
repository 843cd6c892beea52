/*
 * executor.h - blocking work on threads of its own.
 *
 * A task that calls something that blocks (a library, a system call) holds its
 * worker up. thrum_to_thread runs it on a thread of an executor instead, while
 * the task sleeps:
 *
 *     status = thrum_to_thread(NULL, look_up, &name);
 *
 * An executor starts threads as they are needed, up to its limit, and lets them go
 * when they have been idle for a while. Of calls that are brief no more run at once
 * than there are CPUs without work; a call that has run for 0.1 ms counts as one that
 * waits for something, and makes room for others.
 *
 * Every runtime has an executor of its own, made when a task first asks for it
 * (NULL) and closed with the runtime: see `call_threads` and `abandoned_ns` in run.h.
 * Others keep kinds of work apart that would starve each other.
 */
#ifndef THRUM_EXECUTOR_H
#define THRUM_EXECUTOR_H

#include <thrum/types.h>

THRUM_BEGIN_DECLS

typedef struct thrum_executor thrum_executor;

#define THRUM_EXECUTOR_THREADS 64

typedef struct thrum_executor_options {
    uint32_t size;    /* sizeof(thrum_executor_options), set by THRUM_EXECUTOR_OPTIONS_INIT */
    uint32_t threads; /* at most; 0: THRUM_EXECUTOR_THREADS */
    const char *name; /* of its threads, at most 11 bytes of it; NULL: "thrum-call" */
    int64_t idle_ns;  /* how long a thread stays without work; 0: ten seconds */
} thrum_executor_options;

#define THRUM_EXECUTOR_OPTIONS_INIT \
    {                               \
        sizeof(thrum_executor_options), 0, NULL, 0 \
    }

/* `options` may be NULL. No thread is started yet. Any thread. 0; -ENOMEM; -EINVAL. */
THRUM_API THRUM_NODISCARD int thrum_executor_create(thrum_executor **out,
                                                    const thrum_executor_options *options);

/*
 * Take no more calls, wait at most `patience` nanoseconds until those under way
 * have ended, and free it. Calls that have not begun end with THRUM_ESHUTDOWN.
 *
 *   context   a thread that runs no task; a task may with a patience of 0
 *   returns   0; THRUM_ETIMEOUT: *busy (unless NULL) calls still run. Nothing is freed: close it
 *             again later, or leave it; -EINVAL: a negative patience; -EDEADLK: called by one of
 *             its calls; THRUM_ENESTED: a task would wait here, nothing has changed
 */
THRUM_API THRUM_NODISCARD int thrum_executor_close(thrum_executor *executor, int64_t patience,
                                                   size_t *busy);

/*
 * Run fn(arg) on a thread of the executor (NULL: the runtime's own); the calling task sleeps
 * meanwhile.
 * fn must not call what needs a task; it sees the task's locals (local.h).
 *
 * If the task is cancelled, a call that has not begun never will; one that has
 * is told (thrum_thread_check_cancelled) and waited for, since it may use the
 * task's memory.
 *
 *   context   task
 *   suspends  yes
 *   returns   what fn returned; THRUM_ECANCELED; THRUM_ESHUTDOWN: the executor is being closed;
 *             -EAGAIN: there is no thread, and none could be had; -ENOMEM
 */
THRUM_API THRUM_NODISCARD int thrum_to_thread(thrum_executor *executor, thrum_fn fn, void *arg);

/*
 * The same on a copy of *arg, which is the call's own. If the task is cancelled
 * the call is abandoned: it runs on, its result is dropped. Afterwards, in any
 * case and even if it never began, drop(copy) is called unless NULL, on the
 * thread on which it ran or else the task's.
 *
 *   returns   as before; after THRUM_ECANCELED the call may still run
 */
THRUM_API THRUM_NODISCARD int thrum_to_thread_copy(thrum_executor *executor, thrum_fn fn,
                                                   const void *arg, size_t bytes,
                                                   void (*drop)(void *copy));

/*
 * Has the task been cancelled for which this runs? Context: inside fn.
 * Returns 0, THRUM_ECANCELED. 0 elsewhere.
 *
 * In a simulated world, where a call is made between two steps of tasks, they go on here: a call
 * that waits for something there asks again and again.
 */
THRUM_API int thrum_thread_check_cancelled(void);

/* Threads there are, calls that wait for one. A glance. Any thread. */
THRUM_API size_t thrum_executor_threads(thrum_executor *executor);
THRUM_API size_t thrum_executor_waiting(thrum_executor *executor);

THRUM_END_DECLS

#endif
