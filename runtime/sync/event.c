/*
 * event.c - a flag that tasks can wait for.
 *
 * `state` has the flag in its lowest bit and counts the sets above it: a task
 * remembers the count when it begins to wait, and a set wakes all that came
 * before it, in batches, without holding the lock while it wakes them. WAKING
 * says that a set is between two of its batches.
 *
 * Edges
 *   event.set   set -> wait   what the setter did before
 */
#include <thrum/event.h>

#include <limits.h>

#include "runtime/base/point.h"
#include "runtime/task/scope.h"
#include "runtime/task/waiters.h"

#define SET 1u
#define WAKING 2u /* a set is between two batches, and will be back */
#define COUNT_ONE 4u
#define BATCH 64 /* how many a set wakes before it gives others a turn at the lock */

_Static_assert(sizeof(thrum_event) == sizeof(struct waiters), "an event is a list of waiters");
_Static_assert(sizeof(thrum_event) == 24, "the size that the header promises");

static struct waiters *list_of(const thrum_event *event)
{
    return (struct waiters *)(uintptr_t)event;
}

void thrum_event_init(thrum_event *event)
{
    *event = (thrum_event)THRUM_EVENT_INIT;
}

void thrum_event_destroy(thrum_event *event)
{
    struct waiters *list = list_of(event);
    uint32_t state;

    waiters_lock(list); /* the last set may still be leaving */
    while ((state = load_relaxed(&list->state)) & WAKING) { /* relaxed: the lock */
        waiters_unlock(list);
        thrum_futex_wait(&list->state, state, -1);
        waiters_lock(list);
    }
    if (list->first)
        thrum_panic("thrum_event_destroy was called while a task waits for the event; set it, "
                    "and join the task first");
    waiters_unlock(list);
}

bool thrum_event_is_set(const thrum_event *event)
{
    return load_acquire(&list_of(event)->state) & SET; /* EDGE event.set */
}

static uint32_t count_of(const struct waiters *list)
{
    return load_relaxed(&list->state) & ~(SET | WAKING); /* relaxed: looked at under the lock */
}

static bool again(struct waiters *list, struct waiter *self)
{
    return self->stamp != count_of(list) || load_relaxed(&list->state) & SET; /* relaxed: under the
                                                                                 lock */
}

static const struct waiters_kind kind = {.again = again, .wait = {.what = "event"}};

int thrum_event_wait(thrum_event *event)
{
    struct waiters *list = list_of(event);
    struct waiter self;

    if (!thrum_worker_self())
        thrum_panic("thrum_event_wait was called outside a task");
    if (thrum_event_is_set(event)) {
        thrum_spend();
        return 0;
    }
    self.stamp = count_of(list);
    return thrum_waiter_wait(list, &self, &kind);
}

/* Lock held. Does anybody wait who came before the last set? */
static bool more(const struct waiters *list)
{
    return list->first && (int32_t)(list->first->stamp - count_of(list)) < 0;
}

void thrum_event_set(thrum_event *event)
{
    struct waiters *list = list_of(event);
    struct woken woken = {NULL, NULL, 0};
    uint32_t waking;

    waiters_lock(list);
    waking = load_relaxed(&list->state) & WAKING;                         /* relaxed: the lock */
    store_release(&list->state, (count_of(list) + COUNT_ONE) | SET | waking); /* EDGE event.set */
    while (!waking && more(list)) {
        while (woken.n < BATCH && more(list))
            thrum_waiters_claim(list, &woken);
        if (!more(list))
            break;
        store_release(&list->state, load_relaxed(&list->state) | WAKING); /* relaxed: the lock */
        waiters_unlock(list);
        POINT("event.fire");
        thrum_woken_ready(&woken);
        woken = (struct woken){NULL, NULL, 0};
        waiters_lock(list);
        store_release(&list->state, load_relaxed(&list->state) & ~WAKING); /* relaxed: the lock */
        thrum_futex_wake(&list->state, INT_MAX);
    }
    waiters_unlock(list);
    POINT("event.fired");
    thrum_woken_ready(&woken); /* the event may be gone */
}

void thrum_event_clear(thrum_event *event)
{
    struct waiters *list = list_of(event);

    waiters_lock(list);
    store_release(&list->state, load_relaxed(&list->state) & ~SET); /* relaxed: the lock */
    waiters_unlock(list);
}
