/*
 * executor.c - threads that run calls.
 *
 *   QUEUED --thread--> RUNNING --> OVER
 *      \----cancel, close, no thread---^
 *
 * All is kept under one lock; it is not of the scheduling core. What it
 * protects is a few stores, and no system call is made under it. Who finds it
 * taken looks again for a moment before it sleeps, for the holder is nearly
 * through.
 *
 * How many threads. Calls that only compute need no more threads than there
 * are CPUs that the workers leave free: others would take turns with them. Calls
 * that wait need one each. Which is which, time tells: a call that runs for longer than
 * BRISK_NS counts as one that waits. As many calls as there are such CPUs, and always
 * one, begin at once; further ones when one that runs has shown that it waits,
 * and then all that were queued. While there is somebody in the queue and all who run are
 * still brisk, one thread, the watcher, sleeps no longer than until the oldest of
 * them is not.
 *
 * One thread at a time is called: the one that comes calls the next, if there
 * is still something for it. So a crowd of calls costs no crowd of wake-ups, and
 * who queues them pays for one at most.
 *
 * A thread that has nothing to do sleeps on a word of its own; the one that was
 * idle last is called first, so that the others can leave. Before it sleeps
 * one of them looks for as long as a wake-up takes, if CPUs are free: a task
 * that makes one call after the other then pays for no wake-up at all.
 *
 * Edges
 *   executor.call   call -> thread             there is something to look at
 *   executor.told   cancel -> check_cancelled  the flag
 *   executor.left   thread -> close            all that the thread did
 */
#include "runtime/offload/executor.h"

#include <thrum/fault.h>
#include <thrum/time.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/point.h"
#include "runtime/plat/clock.h"
#include "runtime/plat/cpus.h"
#include "runtime/plat/futex.h"
#include "runtime/plat/memory.h"
#include "runtime/plat/thread.h"
#include "runtime/sched/lent.h"
#include "runtime/task/lock.h"

#define IDLE_NS_DEFAULT ((int64_t)10 * 1000 * 1000 * 1000)
#define SIMULATED_LOOK_NS 1000 /* virtual: between two looks for a free thread */
#define LATENCY_MOST 60        /* of a simulated call, as a power of two */
#define BRISK_NS 100000 /* who runs for longer seems to wait for something */
#define SPIN_NS 20000   /* what a wake-up of a sleeping CPU takes */
#define VAIN_MAX 6      /* 2 to that many times nobody looks */
#define LOCK_TURNS 100  /* looks at a lock that is taken */

/* `called` of an idler. */
enum { IDLE_LOOKS, IDLE_SLEEPS, IDLE_CALLED };

struct idler {
    struct idler *next; /* lock: idle longer than this one */
    uint32_t called;    /* atomic, futex */
};

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

/* The call that runs on this thread. Not kept across a suspension: there is none. */
static __thread uint64_t running; /* atomic: tasks of a simulated world have the thread in turn */

/* Whose this thread is. */
static __thread const struct thrum_executor *employer;

int thrum_thread_check_cancelled(void)
{
    const struct call *call = pointer_of(load_relaxed(&running)); /* relaxed: the thread's own */

    if (!call || !load_acquire(&call->cancelled)) /* EDGE executor.told */
        return 0;
    return THRUM_ECANCELED;
}

static void enter(struct thrum_executor *executor)
{
    if (executor->cpus > 1)
        for (int i = 0; i < LOCK_TURNS; i++) {
            if (load_relaxed(&executor->lock) == LOCK_FREE) /* relaxed: a guess */
                break;
            cpu_pause();
        }
    lock_enter(&executor->lock);
}

static void leave(struct thrum_executor *executor)
{
    lock_leave(&executor->lock);
}

/* ---- lists, under the lock ------------------------------------------------------------------ */

static void append(struct calls *calls, struct call *call)
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

static void take_out(struct calls *calls, struct call *call)
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

/* Whoever waits for it can go on: returns the fiber, if it is asleep. It may run already if not. */
static struct fiber *finish(struct call *call, int status)
{
    struct fiber *asleep = NULL;

    call->status = status;
    call->state = CALL_OVER;
    if (!call->abandoned)
        (void)thrum_wait_claim(&call->wait, WAIT_WOKEN, &asleep);
    return asleep;
}

/* None of those that wait will ever begin; -EAGAIN: for want of threads. */
static void dismiss(struct thrum_executor *executor, int status)
{
    struct fiber *asleep;
    struct call *call;

    do {
        asleep = NULL;
        enter(executor);
        call = executor->waiting.first;
        if (status == -EAGAIN && load_relaxed(&executor->left) != 0) /* relaxed: the lock */
            call = NULL;
        if (call) {
            take_out(&executor->waiting, call);
            asleep = finish(call, status);
        }
        leave(executor);
        if (asleep)
            thrum_ready(asleep);
    } while (call);
}

/* CPUs that the workers do not use. A glance. */
static uint32_t free_cpus(const struct thrum_executor *executor, const struct scheduler *scheduler)
{
    uint32_t awake = thrum_scheduler_awake(scheduler);

    return awake < executor->cpus ? executor->cpus - awake : 0;
}

/* ---- whom to call, under the lock ----------------------------------------------------------- */

static bool has_room(const struct thrum_executor *executor)
{
    return executor->running.count - executor->slow < executor->free_cpus || executor->let_in > 0;
}

/* 0: a call may begin. Else how long until it should be asked again. */
static int64_t until_room(struct thrum_executor *executor)
{
    int64_t now = 0;

    while (!has_room(executor)) {
        int64_t age;

        now = now ? now : thrum_clock_now();
        age = now - executor->brisk->began;
        if (age < BRISK_NS)
            return BRISK_NS - age;
        executor->brisk->slow = true;
        executor->slow++;
        executor->brisk = executor->brisk->next;
        executor->let_in = executor->waiting.count;
    }
    return 0;
}

/* What to do about it when the lock is free again. */
struct summons {
    struct idler *idler; /* wake it, */
    bool thread;         /* or make a thread */
};

static struct summons call_idler(struct idler *idler)
{
    bool sleeps =
        exchange_release(&idler->called, IDLE_CALLED) == IDLE_SLEEPS; /* EDGE executor.call */

    return (struct summons){.idler = sleeps ? idler : NULL};
}

/* Something has changed. Is there a thread to be called? */
static struct summons look_for_thread(struct thrum_executor *executor)
{
    struct summons summons = {.idler = NULL};
    struct idler *idler = executor->watcher;

    if (!executor->waiting.count || executor->coming || (idler && !has_room(executor)))
        return summons;
    if (idler) {
        executor->watcher = NULL;
    } else if ((idler = executor->idle) != NULL) {
        executor->idle = idler->next;
    } else if (load_relaxed(&executor->left) < executor->limit) { /* relaxed: the lock */
        add_relaxed(&executor->left, 1);                          /* relaxed: the lock */
        summons.thread = true;
    } else {
        return summons;
    }
    executor->coming = true;
    return idler ? call_idler(idler) : summons;
}

static void *thread_main(void *arg);

/* The thread that was to come will not. */
static void miss(struct thrum_executor *executor)
{
    bool last;

    enter(executor);
    executor->coming = false;
    last = add_acq_rel(&executor->left, (uint32_t)-1) == 1; /* EDGE executor.left */
    leave(executor);
    if (last)
        dismiss(executor, -EAGAIN);
}

static bool is_any(struct summons summons)
{
    return summons.idler || summons.thread;
}

/* Lock free. An idler that was called may be gone: the address is all we need. */
static void summon(struct thrum_executor *executor, struct summons summons)
{
    pthread_t thread;

    if (summons.idler)
        thrum_futex_wake(&summons.idler->called, 1);
    if (!summons.thread)
        return;
    if (thrum_thread_create(&thread, thread_main, executor, executor->name))
        miss(executor);
    else
        pthread_detach(thread);
}

/* ---- threads -------------------------------------------------------------------------------- */

void thrum_call_bury(struct call *call)
{
    if (call->drop)
        call->drop(call->arg);
    thrum_locals_put(call->locals);
    if (call->own)
        thrum_lent_put(call);
}

/* Lock held. The call begins. */
static void begin(struct thrum_executor *executor, struct call *call)
{
    take_out(&executor->waiting, call);
    if (executor->let_in > 0)
        executor->let_in = executor->waiting.count ? executor->let_in - 1 : 0;
    append(&executor->running, call);
    if (!executor->brisk)
        executor->brisk = call;
    call->began = thrum_clock_now();
    call->state = CALL_RUNNING;
}

/* Lock held. It has ended. */
static struct fiber *end(struct thrum_executor *executor, struct call *call, int status)
{
    executor->slow -= call->slow;
    if (executor->brisk == call)
        executor->brisk = call->next;
    take_out(&executor->running, call);
    return finish(call, status);
}

static int run(struct call *call)
{
    int status;

    store_relaxed(&running, word_of(call)); /* relaxed: the thread's own */
    thrum_locals_borrow(call->locals);
    status = call->fn(call->arg);
    thrum_locals_borrow(NULL);
    store_relaxed(&running, 0); /* relaxed: likewise */
    POINT("executor.done");
    return status;
}

/* Are there any that the workers of whom we work for do not use? Their task waits for us. */
static bool cpus_are_free(const struct thrum_executor *executor, const struct call *call)
{
    return free_cpus(executor, fiber_of(call->wait.strand)->home) > 0;
}

/*
 * Lock held, when it is called and when it returns. Run calls as long as there are any that may
 * begin. Returns whether it is worthwhile to look for another before sleeping.
 */
static bool serve(struct thrum_executor *executor)
{
    struct call *buried = NULL;
    struct fiber *asleep = NULL;
    bool has_run = false, look = false;

    for (;;) {
        struct call *call = executor->waiting.first;
        struct summons summons;
        int status;

        if (call && !has_run && until_room(executor) != 0)
            call = NULL;
        if (!call && !asleep && !buried)
            return look;
        if (call)
            begin(executor, call);
        summons = look_for_thread(executor);
        leave(executor);
        if (asleep)
            thrum_ready(asleep);
        if (buried)
            thrum_call_bury(buried);
        summon(executor, summons);
        status = call ? run(call) : 0;
        enter(executor);
        asleep = NULL;
        buried = NULL;
        has_run = call != NULL;
        if (!call)
            continue;
        look = !call->abandoned && cpus_are_free(executor, call);
        buried = call->abandoned ? call : NULL;
        asleep = end(executor, call, status);
    }
}

static void forget(struct thrum_executor *executor, struct idler *self)
{
    struct idler **at = &executor->idle;

    if (executor->watcher == self) {
        executor->watcher = NULL;
        return;
    }
    while (*at != self)
        at = &(*at)->next;
    *at = self->next;
}

/* For a moment. */
static void look_for_call(const struct idler *self)
{
    int64_t until = thrum_clock_now() + SPIN_NS;

    do
        for (int i = 0; i < 16; i++)
            cpu_pause();
    while (load_relaxed(&self->called) == IDLE_LOOKS && thrum_clock_now() < until);
    /* relaxed: looked at again */
}

/* Lock held. Is it worthwhile? One at a time; and rarely if it was in vain the last times. */
static bool may_look(struct thrum_executor *executor)
{
    if (executor->looking)
        return false;
    if (executor->to_skip == 0)
        return true;
    executor->to_skip--;
    return false;
}

/* Lock held. Who looked has found a call, or not. */
static void learn(struct thrum_executor *executor, bool found)
{
    executor->looking = false;
    if (found)
        executor->in_vain = 0;
    else if (executor->in_vain < VAIN_MAX)
        executor->in_vain++;
    executor->to_skip = (1u << executor->in_vain) - 1;
}

/* Until called, or the time is up. Returns whether it had to sleep. */
static bool sleep_until_called(struct idler *self, int64_t ns)
{
    int64_t until = thrum_clock_now() + ns, now;
    uint32_t looks = IDLE_LOOKS;

    if (!cas_relaxed(&self->called, &looks, IDLE_SLEEPS)) /* relaxed: who calls has the lock */
        return false;
    while (load_relaxed(&self->called) != IDLE_CALLED) { /* relaxed: we take the lock */
        now = thrum_clock_now();
        if (now >= until)
            break;
        thrum_futex_wait(&self->called, IDLE_SLEEPS, until - now);
    }
    return true;
}

/*
 * Lock held, when it is called and when it returns. Sleep until called. False: it was long
 * enough, and there is nothing to do.
 */
static bool rest(struct thrum_executor *executor, struct idler *self, bool look)
{
    bool watch = executor->waiting.count && !executor->watcher;
    int64_t ns = watch ? until_room(executor) : executor->idle_ns;
    bool slept;

    if (watch && ns == 0)
        return true;
    store_relaxed(&self->called, IDLE_LOOKS); /* relaxed: under the lock */
    if (watch) {
        executor->watcher = self;
    } else {
        self->next = executor->idle;
        executor->idle = self;
    }
    look = look && !watch && may_look(executor);
    executor->looking |= look;
    leave(executor);
    if (look)
        look_for_call(self);
    slept = sleep_until_called(self, ns);
    enter(executor);
    if (look)
        learn(executor, load_relaxed(&self->called) == IDLE_CALLED && !slept);
    if (load_acquire(&self->called) == IDLE_CALLED) { /* EDGE executor.call */
        executor->coming = false;
        return true;
    }
    forget(executor, self);
    return watch || executor->waiting.count;
}

/* Lock held, free afterwards. The last that the thread does here. */
static void go(struct thrum_executor *executor)
{
    bool last = add_acq_rel(&executor->left, (uint32_t)-1) == 1; /* EDGE executor.left */
    bool left_behind = executor->left_behind;

    leave(executor);
    thrum_futex_wake(&executor->left, INT_MAX); /* it may be gone: the address is all we need */
    if (last && left_behind)
        thrum_executor_free(executor);
}

static void *thread_main(void *arg)
{
    struct thrum_executor *executor = arg;
    struct idler self = {NULL, 0};
    bool look;

    employer = executor;
    enter(executor);
    executor->coming = false;
    do
        look = serve(executor);
    while (!(executor->closing && !executor->waiting.count) && rest(executor, &self, look));
    go(executor);
    return NULL;
}

/* ---- calls ---------------------------------------------------------------------------------- */

int thrum_executor_submit(struct thrum_executor *executor, struct call *call)
{
    uint32_t cpus = free_cpus(executor, worker_here()->scheduler);
    struct summons summons;

    enter(executor);
    if (executor->closing) {
        leave(executor);
        return THRUM_ESHUTDOWN;
    }
    append(&executor->waiting, call);
    executor->free_cpus = cpus ? cpus : 1;
    summons = look_for_thread(executor);
    leave(executor);
    POINT("executor.queued");
    if (is_any(summons))
        thrum_worker_hasten();
    summon(executor, summons);
    return 0;
}

/* Is there room for one more at a time? 0, -EAGAIN: not yet, THRUM_ESHUTDOWN. */
static int admit(struct thrum_executor *executor, struct call *call)
{
    int status = 0;

    enter(executor);
    if (executor->closing)
        status = THRUM_ESHUTDOWN;
    else if (executor->running.count >= executor->limit)
        status = -EAGAIN;
    else
        append(&executor->running, call);
    leave(executor);
    return status;
}

/* As on a thread: no task runs meanwhile. */
static int run_apart(struct call *call)
{
    const void *task = thrum_lane_self()->current;
    int status;

    thrum_lane_self()->current = NULL;
    status = run(call);
    thrum_lane_self()->current = task;
    return status;
}

/*
 * What the call does it does in one moment, when its time begins or when it is over: whether it
 * hears of a cancel is chosen like that.
 */
int thrum_executor_simulate(struct thrum_executor *executor, struct call *call)
{
    static const int64_t takes_ns[] = {100000, 0, 10000000, 1000000000};
    uint32_t power = thrum_fault(THRUM_FAULT_LATENCY);
    int64_t ns = power ? (int64_t)1 << (power < LATENCY_MOST ? power : LATENCY_MOST)
                       : takes_ns[thrum_draw_below(sizeof takes_ns / sizeof takes_ns[0])];
    bool late = thrum_draw_below(2) != 0;
    int status, cancelled, value = 0;

    if (thrum_fault(THRUM_FAULT_THREAD))
        return -EAGAIN;
    while ((status = admit(executor, call)) == -EAGAIN)
        if ((status = thrum_sleep(SIMULATED_LOOK_NS)) != 0)
            return status;
    if (status)
        return status;
    if (!late)
        value = run_apart(call);
    cancelled = thrum_sleep(ns);
    if (late) {
        store_release(&call->cancelled, cancelled != 0); /* EDGE executor.told */
        value = run_apart(call);
    }
    enter(executor);
    take_out(&executor->running, call);
    leave(executor);
    return cancelled ? cancelled : value;
}

bool thrum_executor_sleep_again(struct thrum_executor *executor, struct call *call,
                                const struct wait *wait)
{
    bool over;

    enter(executor);
    call->wait = *wait;
    over = call->state == CALL_OVER;
    leave(executor);
    return !over;
}

enum call_fate thrum_executor_cancel(struct thrum_executor *executor, struct call *call,
                                     const struct wait *wait)
{
    enum call_fate fate = FATE_OVER;

    enter(executor);
    if (call->state == CALL_QUEUED) {
        take_out(&executor->waiting, call);
        call->state = CALL_OVER;
    } else if (call->state == CALL_RUNNING) {
        store_release(&call->cancelled, 1); /* EDGE executor.told */
        call->abandoned = call->own;
        call->wait = *wait;
        fate = call->own ? FATE_ABANDONED : FATE_RUNS;
    }
    leave(executor);
    return fate;
}

/* ---- life ----------------------------------------------------------------------------------- */

int thrum_executor_make(struct thrum_executor **out, const thrum_executor_options *options)
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
    executor->cpus = (uint32_t)thrum_cpus_available();
    snprintf(executor->name, sizeof executor->name, "%s",
             options->name ? options->name : "thrum-call");
    *out = executor;
    return 0;
}

int thrum_executor_create(thrum_executor **out, const thrum_executor_options *options)
{
    int err = thrum_fault(THRUM_FAULT_MEMORY) ? -ENOMEM : thrum_executor_make(out, options);

    if (!err)
        thrum_lent_note(LENT_EXECUTOR, 1);
    return err;
}

void thrum_executor_free(struct thrum_executor *executor)
{
    enter(executor); /* the last thread may still be leaving */
    leave(executor);
    thrum_memory_put(executor);
}

size_t thrum_executor_threads(thrum_executor *executor)
{
    return load_relaxed(&executor->left); /* relaxed: a glance */
}

size_t thrum_executor_waiting(thrum_executor *executor)
{
    size_t waiting;

    enter(executor);
    waiting = executor->waiting.count;
    leave(executor);
    return waiting;
}

size_t thrum_executor_running(struct thrum_executor *executor, struct call *copies, size_t n)
{
    const struct call *call;
    size_t count;

    enter(executor);
    call = executor->running.first;
    for (size_t i = 0; i < n && call; i++, call = call->next)
        copies[i] = *call;
    count = executor->running.count;
    leave(executor);
    return count;
}

void thrum_executor_shut(struct thrum_executor *executor)
{
    struct idler *idler;

    enter(executor);
    executor->closing = true;
    leave(executor);
    dismiss(executor, THRUM_ESHUTDOWN);
    do { /* nobody stays who has nothing to do */
        struct summons summons = {.idler = NULL};

        enter(executor);
        idler = executor->watcher ? executor->watcher : executor->idle;
        if (idler) {
            forget(executor, idler);
            summons = call_idler(idler);
        }
        leave(executor);
        summon(executor, summons);
    } while (idler);
}

uint32_t thrum_executor_wait(struct thrum_executor *executor, int64_t patience)
{
    int64_t begin = thrum_clock_now();
    uint32_t left;

    while ((left = load_acquire(&executor->left)) != 0) { /* EDGE executor.left */
        int64_t spent = thrum_clock_now() - begin;

        if (spent >= patience)
            break;
        thrum_futex_wait(&executor->left, left, patience - spent);
    }
    return left;
}

bool thrum_executor_leave_behind(struct thrum_executor *executor)
{
    bool any;

    enter(executor);
    any = load_relaxed(&executor->left) != 0; /* relaxed: the lock */
    executor->left_behind = any;
    leave(executor);
    return any;
}

int thrum_executor_close(thrum_executor *executor, int64_t patience, size_t *busy)
{
    uint32_t left;

    if (patience < 0)
        return -EINVAL;
    if (employer == executor)
        return -EDEADLK;
    thrum_executor_shut(executor);
    left = thrum_executor_wait(executor, patience);
    if (busy)
        *busy = left;
    if (left)
        return THRUM_ETIMEOUT;
    thrum_lent_note(LENT_EXECUTOR, -1);
    thrum_executor_free(executor);
    return 0;
}
