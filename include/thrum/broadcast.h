/*
 * broadcast.h - items that every subscriber gets, in the order in which they
 * were sent.
 *
 * Sending never waits. The last `limit` items are kept; a subscriber that
 * falls further behind goes on with the oldest one that is left, and is told
 * how many it has missed: nothing is lost in silence, and nobody is held up by
 * who is slow. Where every item must arrive, give each subscriber a queue
 * (queue.h).
 *
 *   class   one lock bit for each broadcast; a thread stopped there delays only
 *           users of this broadcast
 */
#ifndef THRUM_BROADCAST_H
#define THRUM_BROADCAST_H

#include <thrum/types.h>

THRUM_BEGIN_DECLS

/* Its fields are the runtime's own. 56 bytes, and the ring. Never copy one. */
typedef struct thrum_broadcast {
    void *first;
    void *last;
    uint32_t lock;
    uint32_t state;
    unsigned char *ring;
    size_t item;
    size_t limit;
    uint64_t sent;
} thrum_broadcast;

/* Who gets the items: used by one task at a time. Its fields are the runtime's own. */
typedef struct thrum_subscriber {
    thrum_broadcast *broadcast;
    uint64_t next;
} thrum_subscriber;

/*
 * Of items of that many bytes, the last `limit` of which are kept in `ring`,
 * the caller's memory. 0; -EINVAL: a size is 0 or too large, there is no ring.
 */
THRUM_API THRUM_NODISCARD int thrum_broadcast_init(thrum_broadcast *broadcast, size_t item_bytes,
                                                   size_t limit, void *ring);

/*
 * Nothing to free, but call it before the memory goes: the last send may still be about to leave.
 * Every thrum_broadcast_receive must have returned. Misuse: a task still waits; the process stops.
 */
THRUM_API void thrum_broadcast_destroy(thrum_broadcast *broadcast);

/* Subscribe to what is sent from now on. Any thread. There is nothing to give back. */
THRUM_API void thrum_broadcast_subscribe(thrum_broadcast *broadcast, thrum_subscriber *subscriber);

/* Send a copy of *item. Any thread; does not suspend. 0; THRUM_ESHUTDOWN. */
THRUM_API int thrum_broadcast_send(thrum_broadcast *broadcast, const void *item);

/*
 * The next item into *item; sleep until there is one. *missed becomes the
 * number of items that were dropped before it, usually 0. A call that is
 * cancelled has taken nothing.
 *
 *   context   task
 *   suspends  while there is none; now and then even so, to let others run
 *   returns   0; THRUM_ECANCELED; THRUM_ESHUTDOWN: there is none, and will be none; -ENOMEM
 */
THRUM_API THRUM_NODISCARD int thrum_broadcast_receive(thrum_subscriber *subscriber, void *item,
                                                      uint64_t *missed);

/* The same without waiting. Any thread. -EAGAIN: there is none. */
THRUM_API THRUM_NODISCARD int thrum_broadcast_try_receive(thrum_subscriber *subscriber, void *item,
                                                          uint64_t *missed);

/* Nothing is sent any more; what is left may be received. Any thread; does not suspend. */
THRUM_API void thrum_broadcast_shutdown(thrum_broadcast *broadcast);

THRUM_END_DECLS

#endif
