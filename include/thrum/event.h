/*
 * event.h - a flag that tasks can wait for.
 *
 *   class   lock-free but for the wait list, which has a lock bit of its own:
 *           a thread stopped there delays only users of this event
 */
#ifndef THRUM_EVENT_H
#define THRUM_EVENT_H

#include <thrum/types.h>

THRUM_BEGIN_DECLS

/* Its fields are the runtime's own. 24 bytes. */
typedef struct thrum_event {
    void *first;
    void *last;
    uint32_t lock;
    uint32_t state;
} thrum_event;

#define THRUM_EVENT_INIT   \
    {                      \
        NULL, NULL, 0, 0   \
    }

/* Not set, nobody waits. Same as THRUM_EVENT_INIT. */
THRUM_API void thrum_event_init(thrum_event *event);

/*
 * Nothing to free, but call it before the memory goes: it waits for a set that has woken
 * everybody and is still about to leave. Misuse: a task still waits; the process stops.
 */
THRUM_API void thrum_event_destroy(thrum_event *event);

/*
 * Wait until the event is set.
 *
 *   context   task
 *   suspends  unless it is set; now and then even so, to let others run
 *   returns   0; THRUM_ECANCELED; -ENOMEM
 */
THRUM_API THRUM_NODISCARD int thrum_event_wait(thrum_event *event);

/*
 * Set it, and wake all who wait, in the order in which they came. Who waits
 * is woken even if the event is cleared right afterwards. The event may be
 * destroyed as soon as the last of them has returned. From a thread that runs
 * no task, or a task of another runtime: with a hold of the waiters' runtime
 * (hold.h), taken before they may wait and released after the call.
 *
 *   context   task or any thread
 *   suspends  no
 */
THRUM_API void thrum_event_set(thrum_event *event);

/* Clear it. Any thread. */
THRUM_API void thrum_event_clear(thrum_event *event);

/* Is it set? Any thread. */
THRUM_API bool thrum_event_is_set(const thrum_event *event);

THRUM_END_DECLS

#endif
