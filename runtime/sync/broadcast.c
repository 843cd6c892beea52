/*
 * broadcast.c - items that every subscriber gets.
 *
 * Items are numbered; the last `limit` of them are in the ring. A subscriber
 * is nothing but the number of its next one, so that there may be any number
 * of them and none needs to be known. A send wakes all who wait; each looks for
 * itself, under the lock.
 */
#include <thrum/detail/point.h>

#include <thrum/broadcast.h>

#include <errno.h>
#include <string.h>

#include "runtime/sched/worker.h"
#include "runtime/task/waiters.h"

#define SHUT 1u

_Static_assert(offsetof(thrum_broadcast, ring) == sizeof(struct waiters),
               "a broadcast begins like a list of waiters");
_Static_assert(sizeof(thrum_broadcast) == 56, "the size that the header promises");

static struct waiters *list_of(thrum_broadcast *broadcast)
{
    return (struct waiters *)(void *)broadcast;
}

int thrum_broadcast_init(thrum_broadcast *broadcast, size_t item_bytes, size_t limit, void *ring)
{
    if (item_bytes == 0 || limit == 0 || limit > SIZE_MAX / item_bytes || !ring)
        return -EINVAL;
    *broadcast = (thrum_broadcast){.ring = ring, .item = item_bytes, .limit = limit};
    return 0;
}

void thrum_broadcast_destroy(thrum_broadcast *broadcast)
{
    waiters_lock_last(list_of(broadcast)); /* the last send may still be leaving */
    if (broadcast->first)
        thrum_panic("thrum_broadcast_destroy was called while a task waits; shut it down, and "
                    "join the task first");
    waiters_unlock(list_of(broadcast));
}

static void check(const thrum_broadcast *broadcast)
{
    if (UNLIKELY(broadcast->limit == 0))
        thrum_panic("a thrum_broadcast was used that was never initialised (thrum_broadcast_init)");
}

void thrum_broadcast_subscribe(thrum_broadcast *broadcast, thrum_subscriber *subscriber)
{
    thrum_point_at(THRUM_POINT_RELEASE, broadcast);
    subscriber->broadcast = broadcast;
    waiters_lock(list_of(broadcast));
    check(broadcast);
    subscriber->next = broadcast->sent;
    waiters_unlock(list_of(broadcast));
}

static unsigned char *place_of(const thrum_broadcast *broadcast, uint64_t number)
{
    return broadcast->ring + (size_t)(number % broadcast->limit) * broadcast->item;
}

int thrum_broadcast_send(thrum_broadcast *broadcast, const void *item)
{
    struct waiters *list = list_of(broadcast);

    thrum_point_at(THRUM_POINT_RELEASE, broadcast);
    waiters_lock(list);
    if (list->state & SHUT) {
        waiters_unlock(list);
        return THRUM_ESHUTDOWN;
    }
    check(broadcast);
    memcpy(place_of(broadcast, broadcast->sent), item, broadcast->item);
    broadcast->sent++;
    thrum_waiters_wake_all(&list->lock, list, NULL, NULL);
    return 0;
}

void thrum_broadcast_shutdown(thrum_broadcast *broadcast)
{
    struct waiters *list = list_of(broadcast);

    thrum_point_at(THRUM_POINT_RELEASE, broadcast);
    waiters_lock(list);
    list->state |= SHUT;
    thrum_waiters_wake_all(&list->lock, list, NULL, NULL);
}

/* Lock held. 0; -EAGAIN; THRUM_ESHUTDOWN. */
static int receive(thrum_subscriber *subscriber, void *item, uint64_t *missed)
{
    thrum_broadcast *broadcast = subscriber->broadcast;
    uint64_t behind = broadcast->sent - subscriber->next;

    if (behind == 0)
        return list_of(broadcast)->state & SHUT ? THRUM_ESHUTDOWN : -EAGAIN;
    *missed = behind > broadcast->limit ? behind - broadcast->limit : 0;
    subscriber->next += *missed;
    memcpy(item, place_of(broadcast, subscriber->next), broadcast->item);
    subscriber->next++;
    return 0;
}

int thrum_broadcast_try_receive(thrum_subscriber *subscriber, void *item, uint64_t *missed)
{
    struct waiters *list = list_of(subscriber->broadcast);
    int status;

    if (UNLIKELY(!list))
        thrum_panic("a thrum_subscriber was used that has not subscribed "
                    "(thrum_broadcast_subscribe)");
    thrum_point_at(THRUM_POINT_ACQUIRE, subscriber->broadcast);
    waiters_lock(list);
    status = receive(subscriber, item, missed);
    waiters_unlock(list);
    return status;
}

static bool again(struct waiters *list, struct waiter *self)
{
    const thrum_subscriber *subscriber = self->item;

    return list->state & SHUT || subscriber->broadcast->sent != subscriber->next;
}

static const struct waiters_kind kind = {.again = again, .wait = {.what = "broadcast"}};

int thrum_broadcast_receive(thrum_subscriber *subscriber, void *item, uint64_t *missed)
{
    struct waiter self;
    int status;

    if (!task_calls())
        thrum_panic("thrum_broadcast_receive was called outside a task; use "
                    "thrum_broadcast_try_receive there");
    status = thrum_broadcast_try_receive(subscriber, item, missed);
    if (status != -EAGAIN) {
        thrum_spend();
        return status;
    }
    self.item = subscriber;
    status = thrum_waiter_wait(list_of(subscriber->broadcast), &self, &kind);
    return status ? status : thrum_broadcast_try_receive(subscriber, item, missed);
}
