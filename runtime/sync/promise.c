/*
 * promise.c - a value that is set once, and waited for by any number of tasks.
 *
 *   OPEN --set, fail, drop--> RESOLVED
 *
 * Edges
 *   promise.done   resolve -> wait   the value, the status, and all done before
 */
#include <thrum/detail/point.h>

#include <thrum/promise.h>

#include <errno.h>
#include <string.h>

#include "runtime/sync/select.h"
#include "runtime/task/waiters.h"

enum promise_state { PROMISE_OPEN = 0, PROMISE_RESOLVED = 1 };

_Static_assert(offsetof(thrum_promise, value) == sizeof(struct waiters),
               "a promise begins like a list of waiters");
_Static_assert(sizeof(thrum_promise) == 48, "the size that the header promises");

static struct waiters *list_of(const thrum_promise *promise)
{
    return (struct waiters *)(uintptr_t)promise;
}

void thrum_promise_init(thrum_promise *promise, void *value, size_t bytes)
{
    *promise = (thrum_promise)THRUM_PROMISE_INIT(value, bytes);
}

static bool resolved(const thrum_promise *promise, int *status)
{
    if (load_acquire(&promise->state) == PROMISE_OPEN) /* EDGE promise.done */
        return false;
    if (status)
        *status = promise->status;
    return true;
}

bool thrum_promise_resolved(const thrum_promise *promise, int *status)
{
    thrum_point_at(THRUM_POINT_READ, promise);
    return resolved(promise, status);
}

static int resolve(thrum_promise *promise, const void *value, int status)
{
    struct waiters *list = list_of(promise);
    bool open;

    waiters_lock(list);
    open = load_relaxed(&list->state) == PROMISE_OPEN; /* relaxed: under the lock */
    if (open) {
        if (status == 0 && value && promise->bytes)
            memcpy(promise->value, value, promise->bytes);
        promise->status = status;
        store_release(&list->state, PROMISE_RESOLVED); /* EDGE promise.done */
        thrum_waiters_wake_all(&list->lock, list, NULL, NULL);
    } else {
        waiters_unlock(list);
    }
    return open ? 0 : THRUM_ESTATE;
}

int thrum_promise_set(thrum_promise *promise, const void *value)
{
    thrum_point_at(THRUM_POINT_RELEASE, promise);
    return resolve(promise, value, 0);
}

int thrum_promise_fail(thrum_promise *promise, int status)
{
    thrum_point_at(THRUM_POINT_RELEASE, promise);
    return status < 0 ? resolve(promise, NULL, status) : -EINVAL;
}

int thrum_promise_drop(thrum_promise *promise)
{
    thrum_point_at(THRUM_POINT_RELEASE, promise);
    return resolve(promise, NULL, THRUM_EBROKEN);
}

void thrum_promise_destroy(thrum_promise *promise)
{
    (void)thrum_promise_drop(promise);
    waiters_lock_last(list_of(promise)); /* who resolved it may still be leaving */
    waiters_unlock(list_of(promise));
}

static bool again(struct waiters *list, struct waiter *self)
{
    (void)self;
    return load_acquire(&list->state) != PROMISE_OPEN; /* EDGE promise.done */
}

static const struct waiters_kind kind = {.again = again, .wait = {.what = "promise"}};

/* It is resolved. */
static int give(const thrum_promise *promise, void *value)
{
    int status = 0;

    (void)resolved(promise, &status);
    if (status == 0 && value && promise->bytes)
        memcpy(value, promise->value, promise->bytes);
    return status;
}

int thrum_promise_wait(thrum_promise *promise, void *value)
{
    struct waiter self;
    int status = 0;

    thrum_point_at(THRUM_POINT_ACQUIRE, promise);
    if (!task_calls())
        thrum_panic("thrum_promise_wait was called outside a task");
    if (resolved(promise, NULL))
        thrum_spend();
    else
        status = thrum_waiter_wait(list_of(promise), &self, &kind);
    return status ? status : give(promise, value);
}

/* ---- in a select ----------------------------------------------------------------------------- */

static bool glance(const thrum_case *one)
{
    return resolved(one->object, NULL);
}

static int result(thrum_case *one, const struct waiter *self)
{
    (void)self;
    return give(one->object, one->item);
}

const struct select_kind thrum_select_promise = {
    .waiters = &kind, .glance = glance, .result = result};
