/*
 * latch.c - a count that goes down to 0 once, and lets all pass.
 *
 * The count is `state`, and changed under the lock. Who brings it to 0 wakes
 * all who wait; who comes later need not wait.
 *
 * Edges
 *   latch.open   count_down -> wait   what was done before the count went down
 */
#include <thrum/detail/point.h>

#include <thrum/latch.h>

#include <errno.h>

#include "runtime/sync/select.h"
#include "runtime/task/waiters.h"

_Static_assert(sizeof(thrum_latch) == sizeof(struct waiters), "a latch is a list of waiters");
_Static_assert(sizeof(thrum_latch) == 24, "the size that the header promises");

static struct waiters *list_of(const thrum_latch *latch)
{
    return (struct waiters *)(uintptr_t)latch;
}

void thrum_latch_init(thrum_latch *latch, uint32_t count)
{
    *latch = (thrum_latch)THRUM_LATCH_INIT(count);
}

void thrum_latch_destroy(thrum_latch *latch)
{
    waiters_lock_last(list_of(latch)); /* the last count down may still be leaving */
    if (latch->first)
        thrum_panic("thrum_latch_destroy was called while a task waits for the latch");
    waiters_unlock(list_of(latch));
}

uint32_t thrum_latch_count(const thrum_latch *latch)
{
    return load_acquire(&latch->state); /* EDGE latch.open */
}

int thrum_latch_count_down(thrum_latch *latch, uint32_t n)
{
    struct waiters *list = list_of(latch);
    uint32_t count;

    thrum_point_at(THRUM_POINT_RELEASE, latch);
    waiters_lock(list);
    count = load_relaxed(&list->state); /* relaxed: under the lock */
    if (count >= n)
        store_release(&list->state, count - n); /* EDGE latch.open; others': the lock's */
    if (count == n)
        thrum_waiters_wake_all(&list->lock, list, NULL, NULL);
    else
        waiters_unlock(list);
    return count >= n ? 0 : -EINVAL;
}

static bool again(struct waiters *list, struct waiter *self)
{
    (void)self;
    return load_acquire(&list->state) == 0; /* EDGE latch.open */
}

static const struct waiters_kind kind = {.again = again, .wait = {.what = "latch"}};

int thrum_latch_wait(thrum_latch *latch)
{
    struct waiter self;

    thrum_point_at(THRUM_POINT_ACQUIRE, latch);
    if (!task_calls())
        thrum_panic("thrum_latch_wait was called outside a task");
    if (thrum_latch_count(latch) == 0) {
        thrum_spend();
        return 0;
    }
    return thrum_waiter_wait(list_of(latch), &self, &kind);
}

/* ---- in a select ----------------------------------------------------------------------------- */

static bool glance(const thrum_case *one)
{
    return thrum_latch_count(one->object) == 0;
}

const struct select_kind thrum_select_latch = {.waiters = &kind, .glance = glance};
