/*
 * internal.h - what the files of an executor share.
 *
 * All is kept under one lock; it is not of the scheduling core. What it
 * protects is a few stores, and no system call is made under it. Who finds it
 * taken looks again for a moment before it sleeps, for the holder is nearly
 * through.
 */
#ifndef THRUM_OFFLOAD_INTERNAL_H
#define THRUM_OFFLOAD_INTERNAL_H

#include "runtime/offload/executor.h"
#include "runtime/task/lock.h"

#define EXECUTOR_LOCK_TURNS 100 /* looks at a lock that is taken */

struct calls {
    struct call *first;
    struct call *last;
    size_t count;
};

struct thrum_executor {
    uint32_t lock;
    uint32_t left; /* atomic, written under the lock, futex: threads, for close */
    struct calls waiting;
    struct calls running;  /* in the order in which they began */
    struct call *brisk;    /* of those that run: the first that does not seem to wait */
    size_t slow;           /* those before it */
    uint32_t free_cpus;    /* that workers did not use when the last call was queued; at least 1 */
    size_t let_in;         /* calls that may begin although as many as that are brisk */
    struct idler *idle;    /* newest first */
    struct idler *watcher; /* naps while calls are queued, or NULL */
    bool coming;           /* a thread was called, or made, and has not come yet */
    bool looking;          /* an idler looks for calls */
    unsigned in_vain;      /* looks in a row that found none */
    unsigned to_skip;      /* so many times nobody looks */
    bool closing;
    bool left_behind; /* whoever leaves last frees it */
    uint32_t limit;   /* constant, and the rest */
    uint32_t cpus;
    int64_t idle_ns;
    char name[12];
};

static inline void executor_enter(struct thrum_executor *executor)
{
    if (executor->cpus > 1)
        for (int i = 0; i < EXECUTOR_LOCK_TURNS; i++) {
            if (load_relaxed(&executor->lock) == LOCK_FREE) /* relaxed: a guess */
                break;
            cpu_pause();
        }
    lock_enter(&executor->lock);
}

static inline void executor_leave(struct thrum_executor *executor)
{
    lock_leave(&executor->lock);
}

/* ---- lists, under the lock ------------------------------------------------------------------ */

static inline void calls_append(struct calls *calls, struct call *call)
{
    call->next = NULL;
    call->prev = calls->last;
    if (calls->last)
        calls->last->next = call;
    else
        calls->first = call;
    calls->last = call;
    calls->count++;
}

static inline void calls_take_out(struct calls *calls, struct call *call)
{
    if (call->prev)
        call->prev->next = call->next;
    else
        calls->first = call->next;
    if (call->next)
        call->next->prev = call->prev;
    else
        calls->last = call->prev;
    calls->count--;
}

/* CPUs that the workers do not use. A glance. */
static inline uint32_t executor_free_cpus(const struct thrum_executor *executor,
                                          const struct scheduler *scheduler)
{
    uint32_t awake = thrum_scheduler_awake(scheduler);

    return awake < executor->cpus ? executor->cpus - awake : 0;
}

/* ---- executor.c ----------------------------------------------------------------------------- */

/*
 * Lock held. Whoever waits for it can go on: returns the fiber, if it is asleep. It may run already
 * if not.
 */
struct fiber *thrum_call_finish(struct call *call, int status);

/* None of those that wait will ever begin; -EAGAIN: for want of threads. */
void thrum_executor_dismiss(struct thrum_executor *executor, int status);

/* ---- threads.c ------------------------------------------------------------------------------ */

/* What to do about it when the lock is free again. */
struct summons {
    struct idler *idler; /* wake it, */
    bool thread;         /* or make a thread */
};

static inline bool summons_any(struct summons summons)
{
    return summons.idler || summons.thread;
}

/* Lock held. Something has changed. Is there a thread to be called? */
struct summons thrum_threads_look(struct thrum_executor *executor);

/* Lock free. Do it. */
void thrum_threads_summon(struct thrum_executor *executor, struct summons summons);

/* Nobody stays who has nothing to do. */
void thrum_threads_shut(struct thrum_executor *executor);

/* Is the calling thread one of its threads? */
bool thrum_threads_mine(const struct thrum_executor *executor);

/* What it says, run on this thread, by which it is told of a cancel. */
int thrum_call_run(struct call *call);

#endif
