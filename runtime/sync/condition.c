/*
 * condition.c - waiting, with a mutex, until something that it guards changes.
 *
 * A waiter is linked before the mutex is unlocked, so that whoever changes
 * what it guards finds it.
 */
#include <thrum/detail/point.h>

#include <thrum/condition.h>

#include "runtime/base/point.h"
#include "runtime/sync/mutex.h"
#include "runtime/task/scope.h"

_Static_assert(sizeof(thrum_cond) == sizeof(struct waiters), "a condition is a list of waiters");
_Static_assert(sizeof(thrum_cond) == 24, "the size that the header promises");

static struct waiters *list_of(const thrum_cond *cond)
{
    return (struct waiters *)(uintptr_t)cond;
}

void thrum_cond_init(thrum_cond *cond)
{
    *cond = (thrum_cond)THRUM_COND_INIT;
}

void thrum_cond_destroy(thrum_cond *cond)
{
    waiters_lock_last(list_of(cond)); /* the last notify may still be leaving */
    if (cond->first)
        thrum_panic("thrum_cond_destroy was called while a task waits for the condition");
    waiters_unlock(list_of(cond));
}

/* Whatever has become of the caller, it goes on with the mutex. */
static void lock_again(thrum_mutex *mutex, const void *where)
{
    struct waiter self;

    if (thrum_mutex_try(mutex, where) == 0)
        return;
    self.linked = false;
    thrum_wait_begin_deaf(&self.wait);
    (void)thrum_mutex_wait(mutex, &self, where); /* a deaf sleep is not cancelled */
}

/* Somebody has notified it while it did not seem to sleep: it was for it all the same. */
static bool again(struct waiters *list, struct waiter *self)
{
    (void)list;
    return !self->linked;
}

static const struct waiters_kind kind = {.again = again, .wait = {.what = "condition"}};

static void check_locked(const thrum_mutex *mutex, const char *call)
{
    if (!thrum_worker_self() || !thrum_mutex_owned(mutex))
        thrum_panic("%s was called by a task that has not locked the mutex", call);
}

/* `where` says who has locked the mutex. */
static int wait_once(thrum_cond *cond, thrum_mutex *mutex, const void *where)
{
    struct waiters *list = list_of(cond);
    struct waiter self;
    int status;

    thrum_point_at(THRUM_POINT_ACQUIRE, cond);
    status = thrum_waiter_begin(&self);
    if (status)
        return status;
    waiters_lock(list);
    thrum_waiters_link(list, &self);
    waiters_unlock(list);
    POINT("cond.linked");
    thrum_mutex_unlock(mutex);
    status = thrum_waiter_sleep(&list->lock, list, &self, &kind);
    lock_again(mutex, where);
    return status;
}

int thrum_cond_wait(thrum_cond *cond, thrum_mutex *mutex)
{
    check_locked(mutex, "thrum_cond_wait");
    return wait_once(cond, mutex, __builtin_return_address(0));
}

int thrum_cond_await(thrum_cond *cond, thrum_mutex *mutex, bool (*predicate)(void *arg), void *arg)
{
    int status = 0;

    check_locked(mutex, "thrum_cond_await");
    while (!status && !predicate(arg))
        status = wait_once(cond, mutex, __builtin_return_address(0));
    return status;
}

struct notice {
    struct waiters *list;
    size_t n; /* how many are still to be woken */
};

static bool notify_some(void *arg, struct woken *woken)
{
    struct notice *notice = arg;

    for (unsigned k = 0; k < WAKE_BATCH && notice->list->first && woken->n < notice->n; k++)
        thrum_waiters_claim_first(notice->list, woken);
    notice->n -= woken->n;
    return notice->n != 0 && notice->list->first;
}

/* Who comes between two batches may be among them: his wait began before the call was over. */
void thrum_cond_notify(thrum_cond *cond, size_t n)
{
    struct notice notice = {list_of(cond), n};

    thrum_point_at(THRUM_POINT_RELEASE, cond);
    waiters_lock(notice.list);
    thrum_waiters_wake(&notice.list->lock, notify_some, &notice);
}

void thrum_cond_notify_all(thrum_cond *cond)
{
    struct waiters *list = list_of(cond);

    thrum_point_at(THRUM_POINT_RELEASE, cond);
    waiters_lock(list);
    thrum_waiters_wake_all(&list->lock, list, NULL, NULL);
}
