/*
 * queue.c - items handed from tasks to tasks.
 *
 * One lock guards all: the one of the getters' list. The lists of putters and
 * of joiners have none of their own that is used.
 *
 * An item goes straight to a getter who waits, before he is claimed: one that
 * cannot be claimed was cancelled, cannot leave before the lock is free, and
 * takes no notice of what was written. The item of a putter who waits goes into
 * the room that a get leaves, after he was claimed. A putter who was passed over
 * because he did not seem to sleep puts his item later, and gives it to a getter
 * who has come meanwhile.
 */
#include <thrum/queue.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/point.h"
#include "runtime/plat/memory.h"
#include "runtime/task/scope.h"
#include "runtime/task/waiters.h"

#define SHUT 1u
#define FIRST_ROOM 16

/* What a waiter is told by who claims it. LATER: its item is copied after that, under the lock. */
enum told { TOLD_NOTHING = 0, TOLD_SHUT = 1, TOLD_LATER = 2 };

_Static_assert(offsetof(thrum_queue, put_first) == sizeof(struct waiters),
               "a queue begins with three lists of waiters");
_Static_assert(sizeof(thrum_queue) == 136, "the size that the header promises");

static struct waiters *getters(thrum_queue *queue)
{
    return (struct waiters *)(void *)&queue->first;
}

static struct waiters *putters(thrum_queue *queue)
{
    return (struct waiters *)(void *)&queue->put_first;
}

static struct waiters *joiners(thrum_queue *queue)
{
    return (struct waiters *)(void *)&queue->join_first;
}

static void enter(thrum_queue *queue)
{
    lock_enter(&queue->lock);
}

static void leave(thrum_queue *queue, const struct woken *woken)
{
    lock_leave(&queue->lock);
    POINT("queue.ready");
    thrum_woken_ready(woken);
}

/* ---- the ring, or the heap ------------------------------------------------------------------- */

static unsigned char *at(const thrum_queue *queue, size_t index)
{
    return queue->ring + index * queue->item;
}

static size_t wrap(const thrum_queue *queue, size_t index)
{
    return index >= queue->room ? index - queue->room : index;
}

static void swap(thrum_queue *queue, size_t a, size_t b)
{
    unsigned char *left = at(queue, a);
    unsigned char *right = at(queue, b);

    for (size_t i = 0; i < queue->item; i++) {
        unsigned char byte = left[i];

        left[i] = right[i];
        right[i] = byte;
    }
}

static void rise(thrum_queue *queue, size_t index)
{
    while (index > 0 && queue->before(at(queue, index), at(queue, (index - 1) / 2))) {
        swap(queue, index, (index - 1) / 2);
        index = (index - 1) / 2;
    }
}

static void sink(thrum_queue *queue)
{
    size_t index = 0;

    for (;;) {
        size_t child = 2 * index + 1;

        if (child >= queue->count)
            return;
        if (child + 1 < queue->count && queue->before(at(queue, child + 1), at(queue, child)))
            child++;
        if (!queue->before(at(queue, child), at(queue, index)))
            return;
        swap(queue, index, child);
        index = child;
    }
}

/* There is room. */
static void store(thrum_queue *queue, const void *item)
{
    bool ring = queue->order == THRUM_FIFO;

    memcpy(at(queue, ring ? wrap(queue, queue->head + queue->count) : queue->count), item,
           queue->item);
    queue->count++;
    if (queue->order == THRUM_PRIORITY)
        rise(queue, queue->count - 1);
}

/* There is one. */
static void fetch(thrum_queue *queue, void *item)
{
    queue->count--;
    switch (queue->order) {
    case THRUM_FIFO:
        memcpy(item, at(queue, queue->head), queue->item);
        queue->head = wrap(queue, queue->head + 1);
        return;
    case THRUM_LIFO:
        memcpy(item, at(queue, queue->count), queue->item);
        return;
    default:
        memcpy(item, at(queue, 0), queue->item);
        memmove(at(queue, 0), at(queue, queue->count), queue->item);
        sink(queue);
    }
}

static bool is_full(const thrum_queue *queue)
{
    return queue->limit && queue->count == queue->limit;
}

/*
 * Make room for one more in an unbounded queue, without holding the lock while
 * memory is got. Lock held, before and after. 0 or -ENOMEM.
 */
static int make_room(thrum_queue *queue)
{
    while (queue->count == queue->room) {
        size_t room = queue->room * 2;
        unsigned char *ring = NULL;
        unsigned char *old = NULL;

        lock_leave(&queue->lock);
        if (room <= SIZE_MAX / 2 / queue->item)
            ring = thrum_memory_get_raw(room * queue->item, 64);
        lock_enter(&queue->lock);
        if (!ring)
            return queue->count == queue->room ? -ENOMEM : 0;
        if (room == queue->room * 2) { /* nobody was faster */
            size_t first = queue->room - queue->head;

            memcpy(ring, at(queue, queue->head), first * queue->item);
            memcpy(ring + first * queue->item, queue->ring, queue->head * queue->item);
            old = queue->ring;
            queue->ring = ring;
            queue->room = room;
            queue->head = 0;
            ring = NULL;
        }
        lock_leave(&queue->lock);
        thrum_memory_put(ring);
        thrum_memory_put(old);
        lock_enter(&queue->lock);
    }
    return 0;
}

/* ---- life ------------------------------------------------------------------------------------ */

int thrum_queue_init(thrum_queue *queue, size_t item_bytes, const thrum_queue_options *options)
{
    static const thrum_queue_options defaults = THRUM_QUEUE_OPTIONS_INIT;
    size_t room;

    if (!options)
        options = &defaults;
    room = options->limit ? options->limit : FIRST_ROOM;
    if (options->size != sizeof *options || options->order > THRUM_PRIORITY || item_bytes == 0 ||
        room > SIZE_MAX / 2 / item_bytes || (options->ring && !options->limit) ||
        (options->order == THRUM_PRIORITY) != (options->before != NULL))
        return -EINVAL;
    *queue = (thrum_queue){.order = options->order,
                           .before = options->before,
                           .item = item_bytes,
                           .limit = options->limit,
                           .room = room,
                           .ring = options->ring};
    if (options->ring)
        queue->put_state = 1; /* the ring is the caller's */
    else
        queue->ring = thrum_memory_get_raw(room * item_bytes, 64);
    return queue->ring ? 0 : -ENOMEM;
}

void thrum_queue_destroy(thrum_queue *queue)
{
    thrum_lock_enter_last(&queue->lock); /* the last call may still be leaving */
    if (queue->first || queue->put_first || queue->join_first)
        thrum_panic("thrum_queue_destroy was called while a task waits; shut it down, and join "
                    "the task first");
    lock_leave(&queue->lock);
    if (!queue->put_state)
        thrum_memory_put(queue->ring);
    queue->ring = NULL;
}

/* ---- putting and getting, under the lock ----------------------------------------------------- */

/* To a getter who waits. False: there is none. */
static bool hand_over(thrum_queue *queue, const void *item, struct woken *woken)
{
    struct waiters *list = getters(queue);

    while (list->first) {
        list->first->stamp = TOLD_NOTHING;
        memcpy(list->first->item, item, queue->item);
        if (thrum_waiters_claim_first(list, woken))
            return true;
    }
    return false;
}

/* 0; -EAGAIN: it is full; THRUM_ESHUTDOWN; -ENOMEM. */
static int put(thrum_queue *queue, const void *item, struct woken *woken)
{
    int status = 0;

    if (queue->state & SHUT)
        return THRUM_ESHUTDOWN;
    if (!hand_over(queue, item, woken)) {
        if (is_full(queue))
            return -EAGAIN;
        if (!queue->limit)
            status = make_room(queue);
        if (status)
            return status;
        if (queue->state & SHUT) /* while room was made */
            return THRUM_ESHUTDOWN;
        if (!hand_over(queue, item, woken))
            store(queue, item);
    }
    queue->unfinished++;
    return 0;
}

/*
 * Those who wait to put can, as far as there is room. A claimed putter takes
 * the lock once more before it returns, for its item is stored after the claim.
 */
static void let_in(thrum_queue *queue, struct woken *woken)
{
    struct waiters *list = putters(queue);

    while (list->first && !is_full(queue)) {
        struct waiter *first = list->first;
        const void *item = first->item;

        first->stamp = TOLD_LATER;
        if (!thrum_waiters_claim_first(list, woken))
            continue;
        store(queue, item);
        queue->unfinished++;
    }
}

/* 0; -EAGAIN: it is empty; THRUM_ESHUTDOWN. */
static int get(thrum_queue *queue, void *item, struct woken *woken)
{
    if (queue->count == 0)
        return queue->state & SHUT ? THRUM_ESHUTDOWN : -EAGAIN;
    fetch(queue, item);
    let_in(queue, woken);
    return 0;
}

static void tell_shut(struct waiter *waiter, void *arg)
{
    (void)arg;
    waiter->stamp = TOLD_SHUT;
}

/* ---- calls ----------------------------------------------------------------------------------- */

int thrum_queue_try_put(thrum_queue *queue, const void *item)
{
    struct woken woken = {NULL, NULL, 0};
    int status;

    enter(queue);
    status = put(queue, item, &woken);
    leave(queue, &woken);
    return status;
}

int thrum_queue_try_get(thrum_queue *queue, void *item)
{
    struct woken woken = {NULL, NULL, 0};
    int status;

    enter(queue);
    status = get(queue, item, &woken);
    leave(queue, &woken);
    return status;
}

static thrum_queue *queue_of_getters(struct waiters *list)
{
    return container_of((void *)list, thrum_queue, first);
}

static thrum_queue *queue_of_putters(struct waiters *list)
{
    return container_of((void *)list, thrum_queue, put_first);
}

/* Come, or passed over while it did not seem to sleep: is there one for it now? */
static bool get_again(struct waiters *list, struct waiter *self)
{
    thrum_queue *queue = queue_of_getters(list);

    if (queue->count != 0) {
        fetch(queue, self->item);
        self->stamp = TOLD_NOTHING;
        return true;
    }
    if (queue->state & SHUT)
        self->stamp = TOLD_SHUT;
    return queue->state & SHUT;
}

static bool get_left(struct waiters *list, struct waiter *self, struct woken *woken)
{
    (void)self;
    let_in(queue_of_getters(list), woken);
    return false;
}

static bool put_again(struct waiters *list, struct waiter *self)
{
    thrum_queue *queue = queue_of_putters(list);

    if (queue->state & SHUT) {
        self->stamp = TOLD_SHUT;
        return true;
    }
    if (is_full(queue))
        return false;
    store(queue, self->item); /* see put_left */
    queue->unfinished++;
    self->stamp = TOLD_NOTHING;
    return true;
}

/*
 * After put_again: while we were passed over others may have emptied the queue, and wait to get. A
 * claimed getter takes the lock once more before it returns: it is given its item after the claim.
 */
static bool put_left(struct waiters *list, struct waiter *self, struct woken *woken)
{
    thrum_queue *queue = queue_of_putters(list);
    struct waiters *waiting = getters(queue);

    (void)self;
    while (waiting->first && queue->count != 0) {
        struct waiter *first = waiting->first;
        void *item = first->item;

        first->stamp = TOLD_LATER;
        if (thrum_waiters_claim_first(waiting, woken))
            fetch(queue, item);
    }
    return false;
}

static void tell_getters(const void *object, bool still, char *text, size_t size)
{
    (void)still;
    snprintf(text, size, "an item of queue %p",
             (const void *)container_of(object, thrum_queue, first));
}

static void tell_putters(const void *object, bool still, char *text, size_t size)
{
    (void)still;
    snprintf(text, size, "room in queue %p",
             (const void *)container_of(object, thrum_queue, put_first));
}

static void tell_joiners(const void *object, bool still, char *text, size_t size)
{
    (void)still;
    snprintf(text, size, "the last item of queue %p to be done",
             (const void *)container_of(object, thrum_queue, join_first));
}

static const struct waiters_kind getting = {
    .again = get_again, .left = get_left, .wait = {"queue", tell_getters}};
static const struct waiters_kind putting = {
    .again = put_again, .left = put_left, .wait = {"queue", tell_putters}};

/* Wait in one of the queue's lists, with an item or for one. */
static int wait_in(thrum_queue *queue, struct waiters *list, void *item,
                   const struct waiters_kind *kind)
{
    struct waiter self = {.stamp = TOLD_NOTHING, .item = item};
    int status = thrum_waiter_wait_under(&queue->lock, list, &self, kind);

    if (status)
        return status;
    if (self.stamp == TOLD_LATER) {
        lock_enter(&queue->lock); /* who claimed us may still be at it */
        lock_leave(&queue->lock);
    }
    return self.stamp == TOLD_SHUT ? THRUM_ESHUTDOWN : 0;
}

/* It went without waiting. */
static int passed(int status)
{
    thrum_spend();
    return status;
}

int thrum_queue_put(thrum_queue *queue, const void *item)
{
    int status;

    if (!thrum_worker_self())
        thrum_panic("thrum_queue_put was called outside a task; use thrum_queue_try_put there");
    status = thrum_queue_try_put(queue, item);
    if (status != -EAGAIN)
        return passed(status);
    return wait_in(queue, putters(queue), pointer_of(word_of(item)), &putting);
}

int thrum_queue_get(thrum_queue *queue, void *item)
{
    int status;

    if (!thrum_worker_self())
        thrum_panic("thrum_queue_get was called outside a task; use thrum_queue_try_get there");
    status = thrum_queue_try_get(queue, item);
    if (status != -EAGAIN)
        return passed(status);
    return wait_in(queue, getters(queue), item, &getting);
}

int thrum_queue_task_done(thrum_queue *queue)
{
    int status = 0;

    enter(queue);
    if (queue->unfinished == 0)
        status = -EINVAL;
    else if (--queue->unfinished == 0) {
        thrum_waiters_wake_all(&queue->lock, joiners(queue), NULL, NULL);
        return 0;
    }
    lock_leave(&queue->lock);
    return status;
}

static bool all_done(struct waiters *list, struct waiter *self)
{
    return !self->linked || container_of((void *)list, thrum_queue, join_first)->unfinished == 0;
}

static const struct waiters_kind joining = {.again = all_done, .wait = {"queue", tell_joiners}};

int thrum_queue_join(thrum_queue *queue)
{
    if (!thrum_worker_self())
        thrum_panic("thrum_queue_join was called outside a task");
    if (thrum_queue_unfinished(queue) == 0)
        return 0;
    return wait_in(queue, joiners(queue), NULL, &joining);
}

void thrum_queue_shutdown(thrum_queue *queue, bool immediate)
{
    enter(queue);
    lock_pin(&queue->lock);
    queue->state |= SHUT;
    if (immediate) {
        queue->unfinished -= queue->count < queue->unfinished ? queue->count : queue->unfinished;
        queue->count = 0;
        queue->head = 0;
    }
    thrum_waiters_wake_all(&queue->lock, putters(queue), tell_shut, NULL);
    enter(queue);
    if (queue->count == 0) {
        thrum_waiters_wake_all(&queue->lock, getters(queue), tell_shut, NULL);
        enter(queue);
    }
    if (queue->unfinished == 0) {
        thrum_waiters_wake_all(&queue->lock, joiners(queue), NULL, NULL);
        enter(queue);
    }
    thrum_lock_unpin(&queue->lock);
}

size_t thrum_queue_count(thrum_queue *queue)
{
    size_t count;

    enter(queue);
    count = queue->count;
    lock_leave(&queue->lock);
    return count;
}

size_t thrum_queue_unfinished(thrum_queue *queue)
{
    size_t unfinished;

    enter(queue);
    unfinished = queue->unfinished;
    lock_leave(&queue->lock);
    return unfinished;
}
