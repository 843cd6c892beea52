/*
 * executor.c - threads that run calls, and the tasks that wait for them.
 *
 *   QUEUED --thread--> RUNNING --> DONE
 *      \---cancel, close---> GONE
 *
 * All is kept under one lock, a futex; it is not of the scheduling core. A call
 * lies on its task's stack, or, if it may be abandoned, in memory of its own
 * that whoever is last frees: the task or the thread.
 *
 * A thread that has nothing to do sleeps on a word of its own; the thread that
 * was idle last is woken first, so that the others can leave.
 *
 * Edges
 *   executor.call   submit -> thread          the call's arguments (under the lock)
 *   executor.told   cancel -> check_cancelled  the flag
 *   executor.left   thread -> close            all that the thread did
 */
#include <thrum/executor.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/point.h"
#include "runtime/plat/clock.h"
#include "runtime/plat/futex.h"
#include "runtime/plat/memory.h"
#include "runtime/plat/thread.h"
#include "runtime/task/locals.h"
#include "runtime/task/lock.h"
#include "runtime/task/scope.h"
#include "runtime/task/wait.h"

#define IDLE_NS_DEFAULT ((int64_t)10 * 1000 * 1000 * 1000)

enum call_state { CALL_QUEUED, CALL_RUNNING, CALL_DONE, CALL_GONE };

struct call {
    struct call *next; /* lock: in the queue */
    struct call *prev; /* lock: likewise */
    thrum_fn fn;
    void *arg;
    void (*drop)(void *arg);
    struct locals *locals; /* what the task sees */
    struct wait wait;      /* lock: whom to wake */
    enum call_state state; /* lock */
    int status;            /* once DONE */
    uint32_t cancelled;    /* atomic */
    bool own;              /* it is in memory of its own */
    bool abandoned;        /* lock: nobody waits any more */
};

struct idler {
    struct idler *next; /* lock: idle longer than this one */
    uint32_t called;    /* atomic, futex */
};

struct thrum_executor {
    uint32_t lock;
    uint32_t left; /* atomic, futex: threads, for close */
    struct call *first;
    struct call *last;
    struct idler *idle; /* newest first */
    size_t waiting;
    size_t busy;
    uint32_t limit;
    bool closing;
    int64_t idle_ns;
    char name[12];
};

/* The call that runs on this thread. Not kept across a suspension: there is none. */
static __thread struct call *running;

int thrum_thread_check_cancelled(void)
{
    if (!running || !load_acquire(&running->cancelled)) /* EDGE executor.told */
        return 0;
    return THRUM_ECANCELED;
}

/* ---- the queue, under the lock ---------------------------------------------------------------- */

static void append(struct thrum_executor *executor, struct call *call)
{
    call->next = NULL;
    call->prev = executor->last;
    if (executor->last)
        executor->last->next = call;
    else
        executor->first = call;
    executor->last = call;
    executor->waiting++;
}

static void take_out(struct thrum_executor *executor, struct call *call)
{
    if (call->prev)
        call->prev->next = call->next;
    else
        executor->first = call->next;
    if (call->next)
        call->next->prev = call->prev;
    else
        executor->last = call->prev;
    executor->waiting--;
}

/* ---- threads ---------------------------------------------------------------------------------- */

/* Nobody will look at it any more. */
static void bury(struct call *call)
{
    if (call->drop)
        call->drop(call->arg);
    thrum_locals_put(call->locals);
    if (call->own)
        thrum_memory_put(call);
}

/* Lock held, and free for as long as the call runs. */
static void run(struct thrum_executor *executor, struct call *call)
{
    struct fiber *asleep = NULL;
    bool abandoned;
    int status;

    take_out(executor, call);
    call->state = CALL_RUNNING;
    executor->busy++;
    lock_leave(&executor->lock);
    running = call;
    thrum_locals_borrow(call->locals);
    status = call->fn(call->arg);
    thrum_locals_borrow(NULL);
    running = NULL;
    lock_enter(&executor->lock);
    executor->busy--;
    call->status = status;
    call->state = CALL_DONE;
    abandoned = call->abandoned;
    POINT("executor.done");
    if (!abandoned)
        (void)thrum_wait_claim(&call->wait, WAIT_WOKEN, &asleep);
    lock_leave(&executor->lock); /* the call may be gone, unless it was abandoned */
    if (asleep)
        thrum_ready(asleep);
    if (abandoned)
        bury(call);
    lock_enter(&executor->lock);
}

static void forget(struct thrum_executor *executor, struct idler *self)
{
    struct idler **at = &executor->idle;

    while (*at != self)
        at = &(*at)->next;
    *at = self->next;
}

/* Lock held. Sleep until called; false: it was long enough. */
static bool rest(struct thrum_executor *executor, struct idler *self)
{
    int64_t until = thrum_clock_now() + executor->idle_ns;
    int64_t now;

    store_relaxed(&self->called, 0); /* relaxed: under the lock */
    self->next = executor->idle;
    executor->idle = self;
    lock_leave(&executor->lock);
    while (!load_acquire(&self->called)) { /* EDGE executor.call */
        now = thrum_clock_now();
        if (now >= until)
            break;
        thrum_futex_wait(&self->called, 0, until - now);
    }
    lock_enter(&executor->lock);
    if (load_relaxed(&self->called)) /* relaxed: under the lock */
        return true;
    forget(executor, self);
    return false;
}

static void *thread_main(void *arg)
{
    struct thrum_executor *executor = arg;
    struct idler self = {NULL, 0};

    lock_enter(&executor->lock);
    do
        while (executor->first)
            run(executor, executor->first);
    while (!executor->closing && (rest(executor, &self) || executor->first));
    add_acq_rel(&executor->left, (uint32_t)-1); /* EDGE executor.left */
    thrum_futex_wake(&executor->left, INT32_MAX);
    lock_leave(&executor->lock); /* the executor may be gone after */
    return NULL;
}

/* Lock held. Call somebody who is idle. */
static struct idler *call_idler(struct thrum_executor *executor)
{
    struct idler *idler = executor->idle;

    if (idler) {
        executor->idle = idler->next;
        store_release(&idler->called, 1); /* EDGE executor.call */
    }
    return idler;
}

/* The call is queued: somebody shall run it. 0, or -EAGAIN: nobody ever will. */
static int engage(struct thrum_executor *executor)
{
    struct idler *idler;
    pthread_t thread;
    bool start;
    int err;

    lock_enter(&executor->lock);
    idler = call_idler(executor);
    if (idler)
        thrum_futex_wake(&idler->called, 1); /* under the lock: or its stack might be gone */
    start = !idler && load_relaxed(&executor->left) < executor->limit; /* relaxed: the lock */
    if (start)
        add_relaxed(&executor->left, 1); /* relaxed: the lock */
    lock_leave(&executor->lock);
    if (!start)
        return 0;
    err = thrum_thread_create(&thread, thread_main, executor, executor->name);
    if (!err) {
        pthread_detach(thread);
        return 0;
    }
    return add_acq_rel(&executor->left, (uint32_t)-1) == 1 ? -EAGAIN : 0;
}

/* ---- calls ------------------------------------------------------------------------------------ */

static const struct wait_kind a_thread = {.what = "a thread of executor"};

/* Lock held, free afterwards. Wait for what a cancel could not stop. */
static void wait_deaf(struct thrum_executor *executor, struct call *call)
{
    thrum_wait_begin_deaf(&call->wait);
    thrum_strand_waits(call->wait.strand, &a_thread, executor);
    lock_leave(&executor->lock);
    (void)thrum_wait_sleep(&call->wait);
}

/* The task was cancelled. Lock held, free afterwards. True: the call is the task's again. */
static bool stop(struct thrum_executor *executor, struct call *call)
{
    if (call->state == CALL_QUEUED) {
        take_out(executor, call);
        call->state = CALL_GONE;
    }
    if (call->state != CALL_RUNNING) {
        lock_leave(&executor->lock);
        return true;
    }
    store_release(&call->cancelled, 1); /* EDGE executor.told */
    if (call->own) {
        call->abandoned = true;
        lock_leave(&executor->lock);
        return false;
    }
    wait_deaf(executor, call);
    return true;
}

/* Until it is over. What the task returns. *mine: the call is the task's again. */
static int await_end(struct thrum_executor *executor, struct call *call, bool *mine)
{
    for (;;) {
        struct wait wait;
        int status;

        thrum_strand_waits(call->wait.strand, &a_thread, executor);
        if (thrum_wait_sleep(&call->wait) == WAIT_WOKEN)
            return call->state == CALL_GONE ? THRUM_ESHUTDOWN : call->status;
        status = thrum_cancel_deliver();
        if (status) {
            lock_enter(&executor->lock);
            *mine = stop(executor, call);
            return status;
        }
        if (thrum_wait_begin(&wait)) /* no memory to be found by cancels: be deaf to them */
            thrum_wait_begin_deaf(&wait);
        lock_enter(&executor->lock);
        call->wait = wait;
        status = call->state == CALL_DONE ? call->status : THRUM_ESHUTDOWN;
        if (call->state == CALL_DONE || call->state == CALL_GONE) {
            lock_leave(&executor->lock);
            return status;
        }
        lock_leave(&executor->lock);
    }
}

/* The thread will wake us: we are not stuck. */
static int await(struct thrum_executor *executor, struct call *call, bool *mine)
{
    int status;

    thrum_scheduler_hold(worker_here()->scheduler);
    status = await_end(executor, call, mine);
    thrum_scheduler_release(worker_here()->scheduler);
    return status;
}

static int submit(struct thrum_executor *executor, struct call *call, bool *mine)
{
    int status = thrum_cancel_check();

    *mine = true;
    if (!status)
        status = thrum_wait_begin(&call->wait);
    if (status)
        return status;
    lock_enter(&executor->lock);
    if (executor->closing) {
        lock_leave(&executor->lock);
        return THRUM_ESHUTDOWN;
    }
    append(executor, call);
    lock_leave(&executor->lock);
    POINT("executor.queued");
    if (engage(executor)) {
        lock_enter(&executor->lock);
        if (call->state == CALL_QUEUED) {
            take_out(executor, call);
            lock_leave(&executor->lock);
            return -EAGAIN;
        }
        lock_leave(&executor->lock);
    }
    return await(executor, call, mine);
}

static void check_inside(const char *call)
{
    if (!thrum_worker_self())
        thrum_panic("%s was called outside a task; there, call the function itself", call);
}

int thrum_to_thread(thrum_executor *executor, thrum_fn fn, void *arg)
{
    struct call call = {.fn = fn, .arg = arg};
    bool mine;
    int status;

    check_inside("thrum_to_thread");
    call.locals = thrum_locals_lend();
    status = submit(executor, &call, &mine);
    bury(&call);
    return status;
}

int thrum_to_thread_copy(thrum_executor *executor, thrum_fn fn, const void *arg, size_t bytes,
                         void (*drop)(void *copy))
{
    struct call *call;
    bool mine;
    int status;

    check_inside("thrum_to_thread_copy");
    call = thrum_memory_get(sizeof *call + 16 + bytes, 16);
    if (!call)
        return -ENOMEM;
    call->fn = fn;
    call->arg = (void *)(((uintptr_t)(call + 1) + 15) & ~(uintptr_t)15);
    call->drop = drop;
    call->own = true;
    call->locals = thrum_locals_lend();
    memcpy(call->arg, arg, bytes);
    status = submit(executor, call, &mine);
    if (mine)
        bury(call);
    return status;
}

/* ---- life ------------------------------------------------------------------------------------- */

int thrum_executor_create(thrum_executor **out, const thrum_executor_options *options)
{
    static const thrum_executor_options defaults = THRUM_EXECUTOR_OPTIONS_INIT;
    struct thrum_executor *executor;

    if (!options)
        options = &defaults;
    if (options->size != sizeof *options || options->idle_ns < 0)
        return -EINVAL;
    executor = thrum_memory_get(sizeof *executor, CACHE_LINE);
    if (!executor)
        return -ENOMEM;
    executor->limit = options->threads ? options->threads : THRUM_EXECUTOR_THREADS;
    executor->idle_ns = options->idle_ns ? options->idle_ns : IDLE_NS_DEFAULT;
    snprintf(executor->name, sizeof executor->name, "%s",
             options->name ? options->name : "thrum-call");
    *out = executor;
    return 0;
}

size_t thrum_executor_threads(thrum_executor *executor)
{
    return load_relaxed(&executor->left); /* relaxed: a glance */
}

size_t thrum_executor_waiting(thrum_executor *executor)
{
    size_t waiting;

    lock_enter(&executor->lock);
    waiting = executor->waiting;
    lock_leave(&executor->lock);
    return waiting;
}

/* Lock held. Those that have not begun never will. */
static void dismiss(struct thrum_executor *executor)
{
    while (executor->first) {
        struct call *call = executor->first;
        struct fiber *asleep = NULL;

        take_out(executor, call);
        call->state = CALL_GONE;
        if (thrum_wait_claim(&call->wait, WAIT_WOKEN, &asleep) && asleep)
            thrum_ready(asleep);
    }
}

/* Nobody stays who has nothing to do. */
static void send_home(struct thrum_executor *executor)
{
    struct idler *idler;

    lock_enter(&executor->lock);
    executor->closing = true;
    dismiss(executor);
    while ((idler = call_idler(executor)) != NULL)
        thrum_futex_wake(&idler->called, 1); /* under the lock: or its stack might be gone */
    lock_leave(&executor->lock);
}

int thrum_executor_close(thrum_executor *executor, int64_t patience, size_t *busy)
{
    int64_t begin = thrum_clock_now();
    uint32_t left;

    if (patience < 0)
        return -EINVAL;
    send_home(executor);
    while ((left = load_acquire(&executor->left)) != 0) { /* EDGE executor.left */
        int64_t spent = thrum_clock_now() - begin;

        if (spent >= patience)
            break;
        thrum_futex_wait(&executor->left, left, patience - spent);
    }
    if (busy)
        *busy = left;
    if (left)
        return THRUM_ETIMEOUT;
    lock_enter(&executor->lock); /* the last thread may still be leaving */
    lock_leave(&executor->lock);
    thrum_memory_put(executor);
    return 0;
}
