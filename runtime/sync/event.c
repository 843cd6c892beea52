/*
 * event.c - a flag that tasks can wait for.
 *
 * Waits stand on their tasks' stacks, in a list in order of arrival. Set takes
 * the whole list under the lock and fires it afterwards; a wait that has been
 * fired is gone, so its successor is read first.
 *
 * Edges
 *   event.set   set -> wait   what the setter did before
 */
#include <thrum/event.h>

#include "runtime/base/point.h"
#include "runtime/sync/lock.h"
#include "runtime/task/wait.h"

struct event_wait {
    struct wait wait;
    struct event_wait *next; /* lock */
};

void thrum_event_init(thrum_event *event)
{
    *event = (thrum_event)THRUM_EVENT_INIT;
}

void thrum_event_destroy(thrum_event *event)
{
    lock_enter(&event->lock); /* the last set may still be leaving */
    if (event->first)
        thrum_panic("thrum_event_destroy was called while a task waits for the event; set it, "
                    "and join the task first");
    lock_leave(&event->lock);
}

bool thrum_event_is_set(const thrum_event *event)
{
    return load_acquire(&event->set) != 0; /* EDGE event.set */
}

/* Joins the list; false: the event was set meanwhile. */
static bool enlist(thrum_event *event, struct event_wait *self)
{
    bool set;

    lock_enter(&event->lock);
    set = thrum_event_is_set(event);
    if (!set) {
        if (event->last)
            ((struct event_wait *)event->last)->next = self;
        else
            event->first = self;
        event->last = self;
    }
    lock_leave(&event->lock);
    return !set;
}

int thrum_event_wait(thrum_event *event)
{
    struct event_wait self = {.next = NULL};

    if (!thrum_worker_self())
        thrum_panic("thrum_event_wait was called outside a task");
    if (!thrum_event_is_set(event)) {
        thrum_wait_begin(&self.wait);
        if (enlist(event, &self))
            return thrum_wait_sleep(&self.wait);
    }
    thrum_spend();
    return 0;
}

void thrum_event_set(thrum_event *event)
{
    struct event_wait *wait;

    lock_enter(&event->lock);
    store_release(&event->set, 1); /* EDGE event.set */
    wait = event->first;
    event->first = NULL;
    event->last = NULL;
    lock_leave(&event->lock);
    POINT("event.fire");
    while (wait) {
        struct event_wait *next = wait->next;

        thrum_wait_fire(&wait->wait, 0);
        wait = next;
    }
}

void thrum_event_clear(thrum_event *event)
{
    store_release(&event->set, 0);
}
