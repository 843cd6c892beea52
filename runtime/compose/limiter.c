/*
 * limiter.c - a semaphore around calls on other threads.
 *
 * An abandoned call gives its permit back when its copy is dropped, on its thread,
 * when the task and even the caller of close may be long gone. So the limiter has a
 * reference for each call with a copy.
 *
 * Edges
 *   limiter.unref   unref -> unref   all use before the memory is freed
 */
#include <thrum/limiter.h>

#include <errno.h>
#include <string.h>

#include <thrum/detail/atomic.h>
#include <thrum/fault.h>
#include <thrum/hold.h>
#include <thrum/semaphore.h>

struct thrum_limiter {
    thrum_sem room;
    uint32_t references; /* atomic */
    uint32_t total;      /* atomic */
    uint32_t running;    /* atomic */
    uint32_t waiting;    /* atomic */
};

/* A call with a copy of its argument, which follows: aligned, for this is 32 bytes. */
struct held {
    thrum_limiter *limiter;
    thrum_fn fn;
    void (*drop)(void *copy);
    uint32_t references; /* atomic: the task's and the call's */
    uint32_t over;       /* atomic: it has given back what it has */
};

static bool in_range(uint32_t calls)
{
    return calls != 0 && calls <= THRUM_LIMITER_MOST;
}

int thrum_limiter_create(thrum_limiter **out, uint32_t calls)
{
    thrum_limiter *limiter;
    int err = -ENOMEM;

    if (!in_range(calls))
        return -EINVAL;
    limiter = thrum_malloc(sizeof *limiter);
    if (limiter)
        err = thrum_sem_init(&limiter->room, calls, 0);
    if (err) {
        thrum_free(limiter);
        return err;
    }
    thrum_store_relaxed_32(&limiter->references, 1); /* relaxed: nobody knows it yet */
    thrum_store_relaxed_32(&limiter->total, calls);  /* relaxed: likewise */
    thrum_store_relaxed_32(&limiter->running, 0);    /* relaxed: likewise */
    thrum_store_relaxed_32(&limiter->waiting, 0);    /* relaxed: likewise */
    *out = limiter;
    return 0;
}

/* Whoever else does the same at once: the differences add up in any order. */
int thrum_limiter_resize(thrum_limiter *limiter, uint32_t calls)
{
    uint32_t before;

    if (!in_range(calls))
        return -EINVAL;
    before = thrum_exchange_relaxed_32(&limiter->total, calls); /* relaxed: a number */
    if (calls >= before)
        return thrum_sem_release(&limiter->room, calls - before);
    return thrum_sem_reduce(&limiter->room, before - calls);
}

uint32_t thrum_limiter_total(const thrum_limiter *limiter)
{
    return thrum_load_relaxed_32(&limiter->total); /* relaxed: a glance */
}

uint32_t thrum_limiter_running(const thrum_limiter *limiter)
{
    return thrum_load_relaxed_32(&limiter->running); /* relaxed: a glance */
}

uint32_t thrum_limiter_waiting(const thrum_limiter *limiter)
{
    return thrum_load_relaxed_32(&limiter->waiting); /* relaxed: a glance */
}

static void unref(thrum_limiter *limiter)
{
    if (thrum_add_acq_rel_32(&limiter->references, (uint32_t)-1) != 1) /* EDGE limiter.unref */
        return;
    thrum_sem_destroy(&limiter->room);
    thrum_free(limiter);
}

void thrum_limiter_close(thrum_limiter *limiter)
{
    if (limiter)
        unref(limiter);
}

uint32_t thrum_limiter_room(const thrum_limiter *limiter)
{
    return thrum_sem_permits(&limiter->room);
}

/* Room is given back by threads outside, if calls were abandoned: to wait for it is no deadlock. */
static int wait_for_room(thrum_limiter *limiter)
{
    thrum_runtime *runtime = thrum_runtime_self();
    int status;

    thrum_add_relaxed_32(&limiter->waiting, 1); /* relaxed: a counter */
    if (runtime)
        thrum_hold_loosely(runtime, "calls of a limiter");
    status = thrum_sem_acquire(&limiter->room, 1); /* outside tasks it stops the process */
    if (runtime)
        thrum_release_loosely(runtime);
    thrum_add_relaxed_32(&limiter->waiting, (uint32_t)-1); /* relaxed: a counter */
    return status;
}

static int enter(thrum_limiter *limiter)
{
    int status = thrum_sem_try_acquire(&limiter->room, 1);

    if (status == -EAGAIN)
        status = wait_for_room(limiter);
    if (!status)
        thrum_add_relaxed_32(&limiter->running, 1); /* relaxed: a counter */
    return status;
}

static void leave(thrum_limiter *limiter)
{
    thrum_add_relaxed_32(&limiter->running, (uint32_t)-1); /* relaxed: a counter */
    thrum_sem_release(&limiter->room, 1);
}

int thrum_limiter_call(thrum_limiter *limiter, thrum_executor *executor, thrum_fn fn, void *arg)
{
    int status = enter(limiter);

    if (status)
        return status;
    status = thrum_to_thread(executor, fn, arg);
    leave(limiter);
    return status;
}

static int call_held(void *arg)
{
    struct held *held = *(struct held **)arg;

    return held->fn(held + 1);
}

static void put(struct held *held)
{
    if (thrum_add_acq_rel_32(&held->references, (uint32_t)-1) == 1) /* EDGE limiter.unref */
        thrum_free(held);
}

/* On the call's thread, or the task's. */
static void end(struct held *held)
{
    thrum_store_relaxed_32(&held->over, 1); /* relaxed: it is asked for only if nothing runs */
    if (held->drop)
        held->drop(held + 1);
    leave(held->limiter);
    unref(held->limiter);
    put(held);
}

static void drop_held(void *arg)
{
    end(*(struct held **)arg);
}

static struct held *held_new(thrum_limiter *limiter, thrum_fn fn, const void *arg, size_t bytes,
                             void (*drop)(void *copy))
{
    struct held *held = thrum_malloc(sizeof *held + bytes);

    if (!held)
        return NULL;
    *held = (struct held){.limiter = limiter, .fn = fn, .drop = drop};
    thrum_store_relaxed_32(&held->references, 2); /* relaxed: nobody knows it yet */
    memcpy(held + 1, arg, bytes);
    return held;
}

int thrum_limiter_call_copy(thrum_limiter *limiter, thrum_executor *executor, thrum_fn fn,
                            const void *arg, size_t bytes, void (*drop)(void *copy))
{
    struct held *held = held_new(limiter, fn, arg, bytes, drop);
    int status = held ? enter(limiter) : -ENOMEM;

    if (status) {
        if (held && drop)
            drop(held + 1);
        thrum_free(held);
        return status;
    }
    thrum_add_relaxed_32(&limiter->references, 1); /* relaxed: the caller has one */
    status = thrum_to_thread_copy(executor, call_held, &held, sizeof held, drop_held);
    if (status == -ENOMEM && !thrum_load_relaxed_32(&held->over)) /* relaxed: then nothing runs */
        end(held); /* there was no memory to begin with */
    put(held);
    return status;
}
