/*
 * threads.c - the threads of an executor: how many there are, and who is called.
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
#include <errno.h>
#include <limits.h>
#include <pthread.h>

#include "runtime/base/point.h"
#include "runtime/offload/internal.h"
#include "runtime/plat/clock.h"
#include "runtime/plat/futex.h"
#include "runtime/plat/thread.h"

#define BRISK_NS 100000 /* who runs for longer seems to wait for something */
#define SPIN_NS 20000   /* what a wake-up of a sleeping CPU takes */
#define VAIN_MAX 6      /* 2 to that many times nobody looks */

/* `called` of an idler. */
enum { IDLE_LOOKS, IDLE_SLEEPS, IDLE_CALLED };

struct idler {
    struct idler *next; /* lock: idle longer than this one */
    uint32_t called;    /* atomic, futex */
};

/* The call that runs on this thread. */
static __thread uint64_t running; /* atomic: tasks of a simulated world have the thread in turn */

/* Whose this thread is. */
static __thread const struct thrum_executor *employer;

/* Asked for anew each time: a simulated call may go on elsewhere. */
static NOINLINE void set_running(struct call *call)
{
    store_relaxed(&running, word_of(call)); /* relaxed: the thread's own */
    thrum_locals_borrow(call ? call->locals : NULL);
}

int thrum_thread_check_cancelled(void)
{
    struct call *call = pointer_of(load_relaxed(&running)); /* relaxed: the thread's own */

    if (call && UNLIKELY(call->caller != NULL) && thrum_worker_self()) {
        /* The thread is for others meanwhile. */
        set_running(NULL);
        thrum_call_pause(call);
        set_running(call);
    }
    if (!call || !load_acquire(&call->cancelled)) /* EDGE executor.told */
        return 0;
    return THRUM_ECANCELED;
}

bool thrum_threads_mine(const struct thrum_executor *executor)
{
    return employer == executor;
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

static struct summons call_idler(struct idler *idler)
{
    bool sleeps =
        exchange_release(&idler->called, IDLE_CALLED) == IDLE_SLEEPS; /* EDGE executor.call */

    return (struct summons){.idler = sleeps ? idler : NULL};
}

struct summons thrum_threads_look(struct thrum_executor *executor)
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

    executor_enter(executor);
    executor->coming = false;
    last = add_acq_rel(&executor->left, (uint32_t)-1) == 1; /* EDGE executor.left */
    executor_leave(executor);
    if (last)
        thrum_executor_dismiss(executor, -EAGAIN);
}

/* Lock free. An idler that was called may be gone: the address is all we need. */
void thrum_threads_summon(struct thrum_executor *executor, struct summons summons)
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

/* Lock held. The call begins. */
static void begin(struct thrum_executor *executor, struct call *call)
{
    calls_take_out(&executor->waiting, call);
    if (executor->let_in > 0)
        executor->let_in = executor->waiting.count ? executor->let_in - 1 : 0;
    calls_append(&executor->running, call);
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
    calls_take_out(&executor->running, call);
    return thrum_call_finish(call, status);
}

int thrum_call_run(struct call *call)
{
    int status;

    set_running(call);
    status = call->fn(call->arg);
    set_running(NULL);
    POINT("executor.done");
    return status;
}

/* Are there any that the workers of whom we work for do not use? Their task waits for us. */
static bool cpus_are_free(const struct thrum_executor *executor, const struct call *call)
{
    return executor_free_cpus(executor, fiber_of(call->wait.strand)->home) > 0;
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
        summons = thrum_threads_look(executor);
        executor_leave(executor);
        if (asleep)
            thrum_ready(asleep);
        if (buried)
            thrum_call_bury(buried);
        thrum_threads_summon(executor, summons);
        status = call ? thrum_call_run(call) : 0;
        executor_enter(executor);
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
    executor_leave(executor);
    if (look)
        look_for_call(self);
    slept = sleep_until_called(self, ns);
    executor_enter(executor);
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

    executor_leave(executor);
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
    executor_enter(executor);
    executor->coming = false;
    do
        look = serve(executor);
    while (!(executor->closing && !executor->waiting.count) && rest(executor, &self, look));
    go(executor);
    return NULL;
}

void thrum_threads_shut(struct thrum_executor *executor)
{
    struct idler *idler;

    do {
        struct summons summons = {.idler = NULL};

        executor_enter(executor);
        idler = executor->watcher ? executor->watcher : executor->idle;
        if (idler) {
            forget(executor, idler);
            summons = call_idler(idler);
        }
        executor_leave(executor);
        thrum_threads_summon(executor, summons);
    } while (idler);
}
