/*
 * select.h - waiting for the first of several things: an item or room in a
 * queue, an event, permits, a mutex or rwlock, a latch, a promise, the end of a
 * task, a descriptor that is ready, a point in time. A condition is none of them:
 * to wait for it lets go of a mutex, which would be an effect of a case that is not
 * chosen.
 *
 *     int item;
 *     thrum_case cases[] = {thrum_case_get(&queue, &item), thrum_case_event(&stop),
 *                           thrum_case_after(thrum_ms(100))};
 *
 *     switch (thrum_select(cases, 3, 0)) {
 *     case 0:
 *         if (cases[0].result == 0)
 *             use(item);
 *         ...
 *
 * One of them happens, as if it had been waited for alone; of the others
 * nothing: no item is taken, no permit, no place in a line is lost to those
 * behind it. Each waits in its object's line, in the order in which it came,
 * beside those who wait for nothing else.
 *
 * An array of cases may be used for one select after the other; what it points to
 * lasts until the call has returned, the objects too.
 *
 *   class   as the objects; no allocation, whatever the number of cases
 */
#ifndef THRUM_SELECT_H
#define THRUM_SELECT_H

#include <thrum/event.h>
#include <thrum/fd.h>
#include <thrum/latch.h>
#include <thrum/mutex.h>
#include <thrum/promise.h>
#include <thrum/queue.h>
#include <thrum/rwlock.h>
#include <thrum/semaphore.h>
#include <thrum/task.h>
#include <thrum/time.h>
#include <thrum/types.h>

THRUM_BEGIN_DECLS

enum thrum_case_kind {
    THRUM_CASE_GET = 1,
    THRUM_CASE_PUT = 2,
    THRUM_CASE_EVENT = 3,
    THRUM_CASE_ACQUIRE = 4,
    THRUM_CASE_LOCK = 5,
    THRUM_CASE_LATCH = 6,
    THRUM_CASE_PROMISE = 7,
    THRUM_CASE_ENDED = 8,
    THRUM_CASE_TIME = 9,
    THRUM_CASE_NOW = 10,
    THRUM_CASE_FD = 11,
    THRUM_CASE_READ = 12,
    THRUM_CASE_WRITE = 13
};

/* One thing that may happen. `result` is for the reader, the other fields are the runtime's. */
typedef struct thrum_case {
    uint32_t kind;
    uint32_t permits;
    int result; /* of the case that was chosen: see its constructor. Others' are untouched */
    int fd;
    void *object;
    void *item;
    int64_t when;
    uint64_t waiter[6];
} thrum_case;

static inline thrum_case thrum_case_of(enum thrum_case_kind kind, void *object, void *item)
{
    thrum_case one = {(uint32_t)kind, 0, 0, 0, object, item, 0, {0, 0, 0, 0, 0, 0}};

    return one;
}

/*
 * An item for *item. Result: 0; THRUM_ESHUTDOWN: it is shut down and empty, and always ready.
 * Several cases may share one *item: only the case that is chosen writes it.
 */
static inline thrum_case thrum_case_get(thrum_queue *queue, void *item)
{
    return thrum_case_of(THRUM_CASE_GET, queue, item);
}

/* Put a copy of *item. Result: 0; THRUM_ESHUTDOWN: it is shut down, and always ready; -ENOMEM. */
static inline thrum_case thrum_case_put(thrum_queue *queue, const void *item)
{
    return thrum_case_of(THRUM_CASE_PUT, queue, (void *)(uintptr_t)item);
}

/* The event is set, if only for a moment after the call. Result: 0. */
static inline thrum_case thrum_case_event(thrum_event *event)
{
    return thrum_case_of(THRUM_CASE_EVENT, event, NULL);
}

/*
 * Take n permits. Result: 0. Nobody overtakes: of two cases with the same semaphore the second
 * one stands behind the first.
 */
static inline thrum_case thrum_case_acquire(thrum_sem *sem, uint32_t n)
{
    thrum_case one = thrum_case_of(THRUM_CASE_ACQUIRE, sem, NULL);

    one.permits = n;
    return one;
}

/* Lock the mutex. Result: 0. */
static inline thrum_case thrum_case_lock(thrum_mutex *mutex)
{
    return thrum_case_of(THRUM_CASE_LOCK, mutex, NULL);
}

/* Lock it for reading, for writing. Result: 0. Readers do not overtake a writer who selects. */
static inline thrum_case thrum_case_read(thrum_rwlock *rwlock)
{
    return thrum_case_of(THRUM_CASE_READ, rwlock, NULL);
}

static inline thrum_case thrum_case_write(thrum_rwlock *rwlock)
{
    return thrum_case_of(THRUM_CASE_WRITE, rwlock, NULL);
}

/* The latch's count is 0. Result: 0. */
static inline thrum_case thrum_case_latch(thrum_latch *latch)
{
    return thrum_case_of(THRUM_CASE_LATCH, latch, NULL);
}

/* The promise is resolved. *value and result: as of thrum_promise_wait, THRUM_EBROKEN for one. */
static inline thrum_case thrum_case_promise(thrum_promise *promise, void *value)
{
    return thrum_case_of(THRUM_CASE_PROMISE, promise, value);
}

/*
 * The task has ended; the caller has a handle. Result: its status, as of thrum_task_ended;
 * thrum_task_outcome says more. Nothing is passed on to it: it is not cancelled.
 */
static inline thrum_case thrum_case_ended(thrum_task *task)
{
    return thrum_case_of(THRUM_CASE_ENDED, task, NULL);
}

/*
 * The descriptor is ready for one of `events`, THRUM_FD_* or both. Result: those that have come,
 * and what else thrum_fd_wait returns but for a cancel: -EBADF, -EPERM, -ENOMEM, -ENOSPC. Nothing
 * is read or written; if another case is chosen, what was to be read still is. One that was
 * closed without thrum_fd_closing may never be chosen.
 */
static inline thrum_case thrum_case_fd(int fd, unsigned events)
{
    thrum_case one = thrum_case_of(THRUM_CASE_FD, NULL, NULL);

    one.fd = fd;
    one.permits = events;
    return one;
}

/* It is that time, or later; thrum_never(): a case that is never chosen. Result: 0. */
static inline thrum_case thrum_case_at(thrum_time when)
{
    thrum_case one = thrum_case_of(THRUM_CASE_TIME, NULL, NULL);

    one.when = when.ns;
    return one;
}

/* `duration` nanoseconds have passed since this was called, not since the select was. */
static inline thrum_case thrum_case_after(int64_t duration)
{
    return thrum_case_at(thrum_in(duration));
}

/* Nothing of the others can happen at once: with this one the select does not wait. Result: 0. */
static inline thrum_case thrum_case_now(void)
{
    return thrum_case_of(THRUM_CASE_NOW, NULL, NULL);
}

/*
 * Flags.
 *
 *   THRUM_SELECT_ORDERED   of several cases that are ready when it is called the first one in
 *                          the array is chosen; without it any of them, each as often as the
 *                          others
 */
#define THRUM_SELECT_ORDERED 1u

/*
 * Wait until one of n cases can happen, let it happen, and say which. Cases may stand for the
 * same object, or be equal.
 *
 * If several are ready when it is called, the flags decide; if none is, what happens first is
 * chosen. The cases are looked at one after the other, so "ready" is what each is in its turn.
 *
 *   context   task
 *   suspends  unless a case is ready, or there is one made by thrum_case_now; now and then even
 *             so, to let others run
 *   returns   the index of the case that was chosen, whose `result` then says what came of it;
 *             THRUM_ECANCELED, -ENOMEM: none was, nothing has happened;
 *             -EINVAL: n is 0 or beyond INT_MAX, no such flag, kind of case or event, a number
 *             of permits that is 0 or above the semaphore's bound; -EDEADLK: a case can never be
 *             chosen, for the calling task has that lock, is that task, or one that it waits
 *             for; THRUM_EFOREIGN: a task of another runtime
 */
THRUM_API THRUM_NODISCARD int thrum_select(thrum_case *cases, size_t n, unsigned flags);

THRUM_END_DECLS

#endif
