/*
 * event.c - a flag that tasks can wait for.
 *
 * The flag is `state`. A set wakes all that came before it, even if it is cleared
 * meanwhile: whoever a set passes over, because it does not seem to sleep, is
 * unlinked, and so knows.
 *
 * Edges
 *   event.set   set -> wait   what the setter did before
 */
#include <thrum/detail/point.h>

#include <thrum/event.h>

#include "runtime/base/point.h"
#include "runtime/sync/select.h"
#include "runtime/task/scope.h"
#include "runtime/task/waiters.h"

enum event_state { EVENT_CLEAR = 0, EVENT_SET = 1 };

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

    waiters_lock_last(list); /* the last set may still be leaving */
    if (list->first)
        thrum_panic("thrum_event_destroy was called while a task waits for the event; set it, "
                    "and join the task first");
    waiters_unlock(list);
}

static bool is_set(const thrum_event *event)
{
    return load_acquire(&event->state) == EVENT_SET; /* EDGE event.set */
}

bool thrum_event_is_set(const thrum_event *event)
{
    thrum_point_at(THRUM_POINT_READ, event);
    return is_set(event);
}

static bool again(struct waiters *list, struct waiter *self)
{
    return !self->linked || load_relaxed(&list->state) == EVENT_SET; /* relaxed: under the lock */
}

static const struct waiters_kind kind = {.again = again, .wait = {.what = "event"}};

int thrum_event_wait(thrum_event *event)
{
    struct waiter self;

    thrum_point_at(THRUM_POINT_ACQUIRE, event);
    if (!task_calls())
        thrum_panic("thrum_event_wait was called outside a task");
    if (is_set(event)) {
        thrum_spend();
        return 0;
    }
    return thrum_waiter_wait(list_of(event), &self, &kind);
}

void thrum_event_set(thrum_event *event)
{
    struct waiters *list = list_of(event);

    thrum_point_at(THRUM_POINT_RELEASE, event);
    waiters_lock(list);
    store_release(&list->state, EVENT_SET);                /* EDGE event.set */
    thrum_waiters_wake_all(&list->lock, list, NULL, NULL); /* the event may be gone */
}

void thrum_event_clear(thrum_event *event)
{
    struct waiters *list = list_of(event);

    thrum_point_at(THRUM_POINT_WRITE, event);
    waiters_lock(list);
    store_relaxed(&list->state, EVENT_CLEAR); /* relaxed: who sees it learns nothing */
    waiters_unlock(list);
}

/* ---- in a select ----------------------------------------------------------------------------- */

static bool glance(const thrum_case *one)
{
    return is_set(one->object);
}

const struct select_kind thrum_select_event = {.waiters = &kind, .glance = glance};
