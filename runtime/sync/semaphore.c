/*
 * semaphore.c - permits that tasks take and give back.
 *
 * `state` is the number of free permits, and WAITED while somebody waits.
 * Without that flag it is changed by compare-and-swap alone; with it, only
 * under the lock, so that nobody overtakes.
 *
 * `debt`, under the lock, is how many permits are to go as soon as they come
 * back. While there is one nothing is free, and the flag is up, so that whoever
 * gives permits back takes the lock, and pays.
 *
 * Edges
 *   sem.permit   release -> acquire   what was done with the permit before
 */
#include <thrum/detail/point.h>

#include <thrum/semaphore.h>

#include <errno.h>

#include "runtime/sched/world.h"
#include "runtime/sync/select.h"
#include "runtime/task/waiters.h"

#define WAITED 0x80000000u

_Static_assert(sizeof(thrum_sem) == 32, "the size that the header promises");
_Static_assert(offsetof(thrum_sem, state) == offsetof(struct waiters, state),
               "a semaphore begins like a list of waiters");

static struct waiters *list_of(const thrum_sem *sem)
{
    return (struct waiters *)(uintptr_t)sem;
}

int thrum_sem_init(thrum_sem *sem, uint32_t permits, uint32_t bound)
{
    if (bound == 0)
        bound = THRUM_PERMITS_MAX;
    if (permits > bound || bound > THRUM_PERMITS_MAX)
        return -EINVAL;
    *sem = (thrum_sem){.state = permits, .bound = bound};
    return 0;
}

void thrum_sem_destroy(thrum_sem *sem)
{
    waiters_lock_last(list_of(sem)); /* the last release may still be leaving */
    if (sem->first)
        thrum_panic("thrum_sem_destroy was called while a task waits for a permit");
    waiters_unlock(list_of(sem));
}

uint32_t thrum_sem_permits(const thrum_sem *sem)
{
    return load_relaxed(&sem->state) & ~WAITED; /* relaxed: a glance */
}

bool thrum_sem_locked(const thrum_sem *sem)
{
    uint32_t state = load_relaxed(&sem->state); /* relaxed: a glance */

    return state == 0 || (state & WAITED);
}

static bool in_range(const thrum_sem *sem, uint32_t n)
{
    return n != 0 && n <= sem->bound;
}

static bool can_have(uint32_t state, uint32_t n)
{
    return !(state & WAITED) && state >= n;
}

static bool take(thrum_sem *sem, uint32_t n)
{
    uint32_t seen = load_relaxed(&sem->state); /* relaxed: a guess */

    while (can_have(seen, n))
        if (cas_acquire(&sem->state, &seen, seen - n)) /* EDGE sem.permit */
            return true;
    return false;
}

int thrum_sem_try_acquire(thrum_sem *sem, uint32_t n)
{
    thrum_point_at(THRUM_POINT_ACQUIRE, sem);
    if (!in_range(sem, n))
        return -EINVAL;
    if (!take(sem, n))
        return -EAGAIN;
    thrum_has(sem, "semaphore", (int)n);
    return 0;
}

/* Lock held. */
static uint32_t flag_of(const struct waiters *list)
{
    return list->first || ((const thrum_sem *)(const void *)list)->debt ? WAITED : 0;
}

/* Lock held. Hand out what is there to those who come first. True: there are more of them. */
static bool grant(void *arg, struct woken *woken)
{
    struct waiters *list = arg;
    uint32_t seen = load_relaxed(&list->state); /* relaxed: the lock, if somebody waits */
    uint32_t free = seen & ~WAITED;

    if (!(seen & WAITED)) /* all was handed out */
        return false;
    for (unsigned k = 0; k < WAKE_BATCH && list->first && list->first->stamp <= free; k++) {
        uint32_t n = list->first->stamp;

        if (thrum_waiters_claim_first(list, woken))
            free -= n;
    }
    store_release(&list->state, free | flag_of(list)); /* EDGE sem.permit */
    return list->first && list->first->stamp <= free;
}

static bool left(struct waiters *list, struct waiter *self, struct woken *woken)
{
    (void)self;
    return grant(list, woken);
}

/* Lock held. Say that somebody waits, unless the permits are there and he is the `next`. */
static bool must_wait(thrum_sem *sem, uint32_t n, bool next)
{
    uint32_t seen = load_relaxed(&sem->state); /* relaxed: a guess */

    for (;;) {
        bool free = next && (seen & ~WAITED) >= n;

        if (cas_acquire(&sem->state, &seen, free ? seen - n : seen | WAITED)) /* EDGE sem.permit */
            return !free;
    }
}

static bool again(struct waiters *list, struct waiter *self)
{
    return !must_wait((thrum_sem *)(void *)list, self->stamp, !self->linked || list->first == self);
}

/* Until `again` others may still take what is free. */
static bool ready(struct waiters *list, struct waiter *self)
{
    uint32_t seen = load_relaxed(&list->state); /* relaxed: a guess */
    bool next = !self->linked || list->first == self;

    for (;;) {
        if (next && (seen & ~WAITED) >= self->stamp)
            return true;
        /* relaxed: nothing is taken; who finds the flag takes the lock */
        if (cas_relaxed(&list->state, &seen, seen | WAITED))
            return false;
    }
}

static const struct waiters_kind kind = {
    .again = again, .ready = ready, .left = left, .wait = {.what = "semaphore"}};

static int wait_for(thrum_sem *sem, uint32_t n)
{
    struct waiter self = {.stamp = n};
    int status = thrum_waiter_wait(list_of(sem), &self, &kind);

    if (!status)
        thrum_has(sem, "semaphore", (int)n);
    return status;
}

int thrum_sem_acquire(thrum_sem *sem, uint32_t n)
{

    thrum_point_at(THRUM_POINT_ACQUIRE, sem);
    if (!task_calls())
        thrum_panic("thrum_sem_acquire was called outside a task; use thrum_sem_try_acquire there");
    if (!in_range(sem, n))
        return -EINVAL;
    if (LIKELY(can_have(load_relaxed(&sem->state), n))) { /* relaxed: a guess */
        thrum_spend(); /* before: who gives way keeps nobody waiting */
        if (LIKELY(take(sem, n))) {
            thrum_has(sem, "semaphore", (int)n);
            return 0;
        }
    }
    return wait_for(sem, n);
}

/* Lock held. Of n permits that come back, how many go? */
static uint32_t owed(const thrum_sem *sem, uint32_t n)
{
    return sem->debt < n ? sem->debt : n;
}

int thrum_sem_release(thrum_sem *sem, uint32_t n)
{
    uint32_t seen = load_relaxed(&sem->state); /* relaxed: a guess */
    uint32_t paid;

    thrum_point_at(THRUM_POINT_RELEASE, sem);
    if (n > sem->bound)
        return -EINVAL;
    thrum_has(sem, "semaphore", -(int)n);
    while (!(seen & WAITED)) {
        if (seen > sem->bound - n)
            return -EINVAL;
        if (cas_release(&sem->state, &seen, seen + n)) /* EDGE sem.permit */
            return 0;
    }
    waiters_lock(list_of(sem));
    seen = load_relaxed(&sem->state); /* relaxed: a guess */
    paid = owed(sem, n);
    n -= paid;
    do {
        if ((seen & ~WAITED) > sem->bound - n) {
            waiters_unlock(list_of(sem));
            return -EINVAL;
        }
        /*
         * MUTANT-OK acquire: not needed by those who wait for nothing else: they have acquired the
         * permits when they said so, and the lock brings them. By a select it is; its model kills
         * this mutant ("two permits").
         */
    } while (!cas_acq_rel(&sem->state, &seen, seen + n)); /* EDGE sem.permit */
    sem->debt -= paid;
    thrum_waiters_wake(&sem->lock, grant, list_of(sem));
    return 0;
}

int thrum_sem_reduce(thrum_sem *sem, uint32_t n)
{
    uint32_t seen, free, left;

    thrum_point_at(THRUM_POINT_ACQUIRE, sem);
    waiters_lock(list_of(sem));
    if (n > THRUM_PERMITS_MAX - sem->debt) {
        waiters_unlock(list_of(sem));
        return -EINVAL;
    }
    seen = load_relaxed(&sem->state); /* relaxed: a guess */
    do {
        free = seen & ~WAITED;
        left = free < n ? 0 : free - n;
        /* relaxed: nobody is given them, so nothing comes with them */
    } while (!cas_relaxed(&sem->state, &seen, left | (free < n ? WAITED : seen & WAITED)));
    sem->debt += free < n ? n - free : 0;
    waiters_unlock(list_of(sem));
    return 0;
}

/* ---- in a select ----------------------------------------------------------------------------- */

static int check(thrum_case *one)
{
    return in_range(one->object, one->permits) ? 0 : -EINVAL;
}

static bool glance(const thrum_case *one)
{
    uint32_t state = load_relaxed(&((const thrum_sem *)one->object)->state); /* relaxed: a guess */

    return !(state & WAITED) && state >= one->permits;
}

static void come(thrum_case *one, struct waiter *self)
{
    self->stamp = one->permits;
}

static int result(thrum_case *one, const struct waiter *self)
{
    (void)self;
    thrum_has(one->object, "semaphore", (int)one->permits);
    return 0;
}

const struct select_kind thrum_select_acquire = {
    .waiters = &kind, .check = check, .glance = glance, .enter = come, .result = result};
