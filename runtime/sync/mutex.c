/*
 * mutex.c - a lock for tasks, held across suspensions.
 *
 *   FREE --lock--> HELD --lock--> WAITED
 *
 * In WAITED somebody waits: unlock then hands the lock over, under the list's
 * lock, and the state stays. Its owner is known at all times.
 *
 * Edges
 *   mutex.held   unlock -> lock   what was done under the lock
 */
#include <thrum/detail/point.h>

#include <errno.h>
#include <stdio.h>

#include "runtime/base/point.h"
#include "runtime/sync/mutex.h"
#include "runtime/sync/select.h"
#include "runtime/task/detect.h"

enum mutex_state { MUTEX_FREE = 0, MUTEX_HELD = 1, MUTEX_WAITED = 2 };

_Static_assert(sizeof(thrum_mutex) == 32, "the size that the header promises");
_Static_assert(offsetof(thrum_mutex, state) == offsetof(struct waiters, state),
               "a mutex begins like a list of waiters");

static struct waiters *list_of(const thrum_mutex *mutex)
{
    return (struct waiters *)(uintptr_t)mutex;
}

void thrum_mutex_init(thrum_mutex *mutex)
{
    *mutex = (thrum_mutex)THRUM_MUTEX_INIT;
}

bool thrum_mutex_locked(const thrum_mutex *mutex)
{
    return load_relaxed(&mutex->state) != MUTEX_FREE; /* relaxed: a glance */
}

void thrum_mutex_destroy(thrum_mutex *mutex)
{
    waiters_lock_last(list_of(mutex)); /* the last unlock may still be leaving */
    if (thrum_mutex_locked(mutex))
        thrum_panic("thrum_mutex_destroy was called on a mutex that is locked");
    waiters_unlock(list_of(mutex));
}

bool thrum_mutex_owned(const thrum_mutex *mutex)
{
    return load_relaxed(&mutex->owner) == task_here(); /* relaxed: only its owner finds itself */
}

static void own(thrum_mutex *mutex)
{
    store_relaxed(&mutex->owner, task_here()); /* relaxed: only its owner finds itself */
}

/* Whoever has it is known to detect.c. */
static void know(const thrum_mutex *mutex, const void *where)
{
    thrum_detect_held(mutex, "mutex", where);
}

static bool take(thrum_mutex *mutex)
{
    uint32_t free = load_relaxed(&mutex->state); /* relaxed: a guess; swaps that fail are dear */

    if (free != MUTEX_FREE || !cas_acquire(&mutex->state, &free, MUTEX_HELD)) /* EDGE mutex.held */
        return false;
    own(mutex);
    return true;
}

/* Lock of the list held. Say that somebody waits; false: it was free, and is ours. */
static bool must_wait(thrum_mutex *mutex)
{
    uint32_t seen = load_relaxed(&mutex->state); /* relaxed: a guess */

    while (seen != MUTEX_WAITED)
        if (cas_acquire(&mutex->state, &seen, seen + 1)) /* EDGE mutex.held */
            return seen == MUTEX_HELD;
    return true;
}

/* Lock of the list held. A waiter has given up: if it was the last, nobody waits. */
static bool left(struct waiters *list, struct waiter *self, struct woken *woken)
{
    uint32_t waited = MUTEX_WAITED;

    (void)self, (void)woken;
    if (!list->first)
        /* MUTANT-OK release: who has it releases what is done under it */
        cas_release(&list->state, &waited, MUTEX_HELD); /* EDGE mutex.held; else unlock was first */
    return false;
}

static bool again(struct waiters *list, struct waiter *self)
{
    (void)self;
    return !must_wait((thrum_mutex *)(void *)list);
}

/* Until `again` others may still take it. */
static bool ready(struct waiters *list, struct waiter *self)
{
    uint32_t seen = load_relaxed(&list->state); /* relaxed: a guess */

    (void)self;
    while (seen == MUTEX_HELD)
        /* relaxed: nothing is taken; who finds it takes the lock */
        if (cas_relaxed(&list->state, &seen, MUTEX_WAITED))
            return false;
    return seen == MUTEX_FREE;
}

/* Its owner: as tasks are called in the same report. */
static void tell(const void *object, bool still, char *text, size_t size)
{
    const thrum_mutex *mutex = object;

    if (still)
        snprintf(text, size, "mutex %p, held by %p", object,
                 pointer_of(load_relaxed(&mutex->owner))); /* relaxed: everybody sleeps */
    else
        snprintf(text, size, "mutex %p", object);
}

static void blockers(const void *object, const struct strand *strand, struct blockers *blockers)
{
    const thrum_mutex *mutex = object;

    (void)strand;
    blockers->add(blockers, load_relaxed(&mutex->owner), "held by"); /* relaxed: everybody sleeps */
}

static const struct waiters_kind kind = {
    .again = again, .ready = ready, .left = left, .wait = {"mutex", tell, blockers}};

int thrum_mutex_wait(thrum_mutex *mutex, struct waiter *self, const void *where)
{
    struct waiters *list = list_of(mutex);
    int status = thrum_waiter_stay(&list->lock, list, self, &kind);

    if (status)
        return status;
    own(mutex);
    if (detecting())
        know(mutex, where);
    return 0;
}

int thrum_mutex_try(thrum_mutex *mutex, const void *where)
{
    thrum_point_at(THRUM_POINT_ACQUIRE, mutex);
    if (!task_calls())
        thrum_panic("thrum_mutex_trylock was called outside a task");
    if (!take(mutex))
        return -EBUSY;
    if (detecting())
        know(mutex, where);
    return 0;
}

int thrum_mutex_trylock(thrum_mutex *mutex)
{
    return thrum_mutex_try(mutex, __builtin_return_address(0));
}

/* Apart, or the quick way would pay for its frame. */
static NOINLINE int lock_later(thrum_mutex *mutex, const void *where)
{
    struct waiter self;
    int status;

    if (thrum_mutex_owned(mutex))
        return -EDEADLK;
    status = thrum_waiter_begin(&self);
    return status ? status : thrum_mutex_wait(mutex, &self, where);
}

int thrum_mutex_lock(thrum_mutex *mutex)
{
    thrum_point_at(THRUM_POINT_ACQUIRE, mutex);
    if (!task_calls())
        thrum_panic("thrum_mutex_lock was called outside a task");
    if (LIKELY(!thrum_mutex_locked(mutex))) {
        thrum_spend(); /* before: who gives way keeps nobody waiting */
        if (LIKELY(take(mutex))) {
            if (detecting())
                know(mutex, __builtin_return_address(0));
            return 0;
        }
    }
    return lock_later(mutex, __builtin_return_address(0));
}

void thrum_mutex_unlock(thrum_mutex *mutex)
{
    struct waiters *list = list_of(mutex);
    struct woken woken = {NULL, NULL, 0};
    uint32_t held = MUTEX_HELD;

    if (!thrum_mutex_locked(mutex))
        thrum_panic("thrum_mutex_unlock was called on a mutex that is not locked");
    if (!task_calls() || !thrum_mutex_owned(mutex))
        thrum_panic("thrum_mutex_unlock was called by a task that has not locked the mutex");
    store_relaxed(&mutex->owner, 0); /* relaxed: only its owner finds itself */
    if (detecting())
        thrum_detect_released(mutex);
    if (LIKELY(load_relaxed(&mutex->state) == MUTEX_HELD &&    /* relaxed: a guess, as in take */
               cas_release(&mutex->state, &held, MUTEX_FREE))) /* EDGE mutex.held */
        return;
    waiters_lock(list);
    if (!thrum_waiters_claim(list, &woken))
        store_release(&mutex->state, MUTEX_FREE); /* EDGE mutex.held */
    else if (!list->first)
        /* MUTANT-OK release: who has it now has acquired the claim */
        store_release(&mutex->state, MUTEX_HELD); /* EDGE mutex.held */
    waiters_unlock(list);
    POINT("mutex.ready");
    thrum_woken_ready(&woken);
}

/* ---- in a select ----------------------------------------------------------------------------- */

static int check(thrum_case *one)
{
    return thrum_mutex_owned(one->object) ? -EDEADLK : 0;
}

static bool glance(const thrum_case *one)
{
    return !thrum_mutex_locked(one->object);
}

static int result(thrum_case *one, const struct waiter *self)
{
    (void)self;
    own(one->object);
    if (detecting())
        know(one->object, NULL);
    return 0;
}

const struct select_kind thrum_select_lock = {
    .waiters = &kind, .check = check, .glance = glance, .result = result};
