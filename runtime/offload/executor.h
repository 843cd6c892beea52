/*
 * executor.h - threads that run calls: what is needed of them by those who make
 * calls.
 */
#ifndef THRUM_OFFLOAD_EXECUTOR_H
#define THRUM_OFFLOAD_EXECUTOR_H

#include <thrum/executor.h>

#include "runtime/task/locals.h"
#include "runtime/task/wait.h"

enum call_state { CALL_QUEUED, CALL_RUNNING, CALL_OVER };

/*
 * It lies on its task's stack, or, if it may be abandoned, in memory of its own that
 * whoever is last frees: the task or the thread.
 */
struct call {
    struct call *next; /* lock: in its list */
    struct call *prev; /* lock: likewise */
    thrum_fn fn;
    void *arg;
    void (*drop)(void *arg);
    struct locals *locals; /* what the task sees */
    struct wait wait;      /* lock: whom to wake */
    const void *caller;    /* the task, if it makes the call itself: simulated.c */
    int64_t began;         /* lock: once it runs */
    enum call_state state; /* lock */
    int status;            /* once it is over */
    uint32_t cancelled;    /* atomic */
    bool slow;             /* lock: it has run for so long that it seems to wait for something */
    bool own;              /* it is in memory of its own */
    bool abandoned;        /* lock: nobody waits any more */
    char task[24];         /* the name of its task, if it is in memory of its own */
};

/* Queue it, and see to it that a thread comes. 0, or THRUM_ESHUTDOWN: it was not queued. */
int thrum_executor_submit(struct thrum_executor *executor, struct call *call);

/*
 * In a simulated world, where there are no threads: the calling task makes the call itself, in a
 * time of its own. What the call has returned, or THRUM_ECANCELED, THRUM_ESHUTDOWN, -ENOMEM.
 */
int thrum_executor_simulate(struct thrum_executor *executor, struct call *call);

/* It asks whether it was cancelled, and others go on. On its task's fiber. */
void thrum_call_pause(struct call *call);

/* Who slept has a new sleep. False: the call is over, nobody will wake it. */
bool thrum_executor_sleep_again(struct thrum_executor *executor, struct call *call,
                                const struct wait *wait);

enum call_fate {
    FATE_OVER,     /* it has ended, or it never began and never will */
    FATE_RUNS,     /* it runs, and was told; it ends the sleep that was given */
    FATE_ABANDONED /* it runs, and is the thread's now */
};

/* The task was cancelled. */
enum call_fate thrum_executor_cancel(struct thrum_executor *executor, struct call *call,
                                     const struct wait *wait);

/* Nobody will look at the call any more. */
void thrum_call_bury(struct call *call);

/* own.c: the one of the calling task's runtime, made on first use. NULL: out of memory. */
struct thrum_executor *thrum_executor_own(void);

/* As thrum_executor_create, but nobody will miss it. */
int thrum_executor_make(struct thrum_executor **out, const struct thrum_executor_options *options);

/* ---- closing --------------------------------------------------------------------------------- */

/* Take no more calls; those that have not begun are over. */
void thrum_executor_shut(struct thrum_executor *executor);

/* Wait at most `patience` nanoseconds until all threads have left. How many have not. */
uint32_t thrum_executor_wait(struct thrum_executor *executor, int64_t patience);

/* All threads have left. */
void thrum_executor_free(struct thrum_executor *executor);

/* Whoever leaves last frees it. False: nobody is left, it is still the caller's. */
bool thrum_executor_leave_behind(struct thrum_executor *executor);

/* Copies of the calls that run now, the oldest first, at most n. How many there are. */
size_t thrum_executor_running(struct thrum_executor *executor, struct call *copies, size_t n);

#endif
