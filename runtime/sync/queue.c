/*
 * queue.c - items handed from tasks to tasks.
 *
 * One lock guards all: the one of the getters' list. The lists of putters and
 * of joiners have none of their own that is used.
 *
 * An item goes straight to a getter who waits, before he is claimed: one that
 * cannot be claimed was cancelled, cannot leave before the lock is free, and
 * takes no notice of what was written. A getter who waits for other things too,
 * into the same memory perhaps, is given it after the claim. The item of a
 * putter who waits goes into the room that a get leaves, after he was claimed. A
 * putter who was passed over because he did not seem to sleep puts his item
 * later, and gives it to a getter who has come meanwhile.
 *
 * `count` and `state` are changed under the lock, and looked at without it.
 */
#include <thrum/detail/point.h>

#include <thrum/queue.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/point.h"
#include "runtime/sched/lent.h"
#include "runtime/sync/select.h"
#include "runtime/task/scope.h"
#include "runtime/task/waiters.h"

#define SHUT 1u
#define FIRST_ROOM 16

/* What a waiter is told by who claims it. LATER: its item is copied after that, under the lock. */
enum told { TOLD_NOTHING = 0, TOLD_SHUT = 1, TOLD_LATER = 2, TOLD_NO_ROOM = 3 };

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

static size_t count_of(const thrum_queue *queue)
{
    return load_relaxed(&queue->count); /* relaxed: the lock, or a glance */
}

static void set_count(thrum_queue *queue, size_t count)
{
    store_relaxed(&queue->count, count); /* relaxed: likewise */
}

static bool is_shut(const thrum_queue *queue)
{
    return load_relaxed(&queue->state) & SHUT; /* relaxed: likewise */
}

static __attribute__((noreturn, cold)) void no_queue(void)
{
    thrum_panic("a thrum_queue was used that was never initialised (thrum_queue_init), or that was "
                "destroyed");
}

static void enter(thrum_queue *queue)
{
    lock_enter(&queue->lock);
    if (UNLIKELY(!queue->ring))
        no_queue();
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
    size_t count = count_of(queue);
    size_t index = 0;

    for (;;) {
        size_t child = 2 * index + 1;

        if (child >= count)
            return;
        if (child + 1 < count && queue->before(at(queue, child + 1), at(queue, child)))
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
    size_t count = count_of(queue);

    memcpy(at(queue, ring ? wrap(queue, queue->head + count) : count), item, queue->item);
    set_count(queue, count + 1);
    if (queue->order == THRUM_PRIORITY)
        rise(queue, count);
}

/* There is one. */
static void fetch(thrum_queue *queue, void *item)
{
    size_t count = count_of(queue) - 1;

    set_count(queue, count);
    switch (queue->order) {
    case THRUM_FIFO:
        memcpy(item, at(queue, queue->head), queue->item);
        queue->head = wrap(queue, queue->head + 1);
        return;
    case THRUM_LIFO:
        memcpy(item, at(queue, count), queue->item);
        return;
    default:
        memcpy(item, at(queue, 0), queue->item);
        memmove(at(queue, 0), at(queue, count), queue->item);
        sink(queue);
    }
}

static bool is_full(const thrum_queue *queue)
{
    return queue->limit && count_of(queue) == queue->limit;
}

/*
 * Make room for one more in an unbounded queue, without holding the lock while
 * memory is got. Lock held, before and after. 0 or -ENOMEM.
 */
static int make_room(thrum_queue *queue)
{
    while (count_of(queue) == queue->room) {
        size_t room = queue->room * 2;
        unsigned char *ring = NULL;
        unsigned char *old = NULL;

        lock_leave(&queue->lock);
        if (room <= SIZE_MAX / 2 / queue->item)
            ring = thrum_lent_get_raw(room * queue->item, 64);
        lock_enter(&queue->lock);
        if (!ring)
            return count_of(queue) == queue->room ? -ENOMEM : 0;
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
        thrum_lent_put(ring);
        thrum_lent_put(old);
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
        queue->ring = thrum_lent_get_raw(room * item_bytes, 64);
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
        thrum_lent_put(queue->ring);
    queue->ring = NULL;
}

/* ---- putting and getting, under the lock ----------------------------------------------------- */

/* After the claim: he has other things to wait for, and takes the lock before he returns. */
static bool give_later(thrum_queue *queue, const void *item, struct woken *woken)
{
    struct waiters *list = getters(queue);
    void *to = list->first->item;

    list->first->stamp = TOLD_NOTHING;
    if (!thrum_waiters_claim_first(list, woken))
        return false;
    memcpy(to, item, queue->item);
    return true;
}

/* To a getter who waits. False: there is none. */
static bool hand_over(thrum_queue *queue, const void *item, struct woken *woken)
{
    struct waiters *list = getters(queue);

    while (list->first) {
        if (list->first->shared) {
            if (give_later(queue, item, woken))
                return true;
            continue;
        }
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

    while (!is_shut(queue) && !status) {
        bool given = hand_over(queue, item, woken);

        if (given || count_of(queue) < queue->room) {
            if (!given)
                store(queue, item);
            queue->unfinished++;
            return 0;
        }
        status = queue->limit ? -EAGAIN : make_room(queue);
    }
    return status ? status : THRUM_ESHUTDOWN;
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
    if (count_of(queue) == 0)
        return is_shut(queue) ? THRUM_ESHUTDOWN : -EAGAIN;
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

    thrum_point_at(THRUM_POINT_RELEASE, queue);
    enter(queue);
    status = put(queue, item, &woken);
    leave(queue, &woken);
    return status;
}

int thrum_queue_try_get(thrum_queue *queue, void *item)
{
    struct woken woken = {NULL, NULL, 0};
    int status;

    thrum_point_at(THRUM_POINT_ACQUIRE, queue);
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

static bool get_ready(struct waiters *list, struct waiter *self)
{
    thrum_queue *queue = queue_of_getters(list);

    (void)self;
    return count_of(queue) != 0 || is_shut(queue);
}

/* Come, or passed over while it did not seem to sleep: is there one for it now? */
static bool get_again(struct waiters *list, struct waiter *self)
{
    thrum_queue *queue = queue_of_getters(list);

    if (count_of(queue) != 0) {
        fetch(queue, self->item);
        self->stamp = TOLD_NOTHING;
        return true;
    }
    if (is_shut(queue))
        self->stamp = TOLD_SHUT;
    return is_shut(queue);
}

static bool get_left(struct waiters *list, struct waiter *self, struct woken *woken)
{
    (void)self;
    let_in(queue_of_getters(list), woken);
    return false;
}

/* Who waited, or was going to, puts it himself: what he is told. See put_left. */
static enum told put_late(thrum_queue *queue, const struct waiter *self)
{
    if (!queue->limit && !is_shut(queue) && make_room(queue))
        return TOLD_NO_ROOM;
    if (is_shut(queue))
        return TOLD_SHUT;
    store(queue, self->item);
    queue->unfinished++;
    return TOLD_NOTHING;
}

static bool put_ready(struct waiters *list, struct waiter *self)
{
    thrum_queue *queue = queue_of_putters(list);

    (void)self;
    return is_shut(queue) || !is_full(queue);
}

static bool put_again(struct waiters *list, struct waiter *self)
{
    bool ready = put_ready(list, self);

    if (ready)
        self->stamp = put_late(queue_of_putters(list), self);
    return ready;
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
    while (waiting->first && count_of(queue) != 0) {
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
    .again = get_again, .ready = get_ready, .left = get_left, .wait = {.what = "queue", .tell = tell_getters}};
static const struct waiters_kind putting = {
    .again = put_again, .ready = put_ready, .left = put_left, .wait = {.what = "queue", .tell = tell_putters}};

static int status_of(const struct waiter *self)
{
    return self->stamp == TOLD_SHUT ? THRUM_ESHUTDOWN : self->stamp == TOLD_NO_ROOM ? -ENOMEM : 0;
}

/* Lock held; free afterwards. Wait in one of the queue's lists, with an item or for one. */
static int wait_in(thrum_queue *queue, struct waiters *list, void *item,
                   const struct waiters_kind *kind)
{
    struct waiter self;
    int status;

    self.stamp = TOLD_NOTHING;
    self.item = item;
    if (LIKELY(thrum_waiter_begin_now(&self))) {
        thrum_waiters_link(list, &self);
        lock_leave(&queue->lock);
        status = thrum_waiter_sleep(&queue->lock, list, &self, kind);
    } else {
        lock_leave(&queue->lock);
        status = thrum_waiter_wait_under(&queue->lock, list, &self, kind);
    }
    if (UNLIKELY(status))
        return status;
    if (self.stamp == TOLD_LATER) {
        lock_enter(&queue->lock); /* who claimed us may still be at it */
        lock_leave(&queue->lock);
    }
    return status_of(&self);
}

/* Lock held; free afterwards. It goes without waiting. */
static int pass(thrum_queue *queue, const struct woken *woken, int status)
{
    leave(queue, woken);
    thrum_spend();
    return status;
}

int thrum_queue_put(thrum_queue *queue, const void *item)
{
    struct woken woken = {NULL, NULL, 0};
    int status;

    thrum_point_at(THRUM_POINT_RELEASE, queue);
    if (!task_calls())
        thrum_panic("thrum_queue_put was called outside a task; use thrum_queue_try_put there");
    enter(queue);
    status = put(queue, item, &woken);
    if (status != -EAGAIN)
        return pass(queue, &woken, status);
    return wait_in(queue, putters(queue), pointer_of(word_of(item)), &putting);
}

int thrum_queue_get(thrum_queue *queue, void *item)
{
    struct woken woken = {NULL, NULL, 0};
    int status;

    thrum_point_at(THRUM_POINT_ACQUIRE, queue);
    if (!task_calls())
        thrum_panic("thrum_queue_get was called outside a task; use thrum_queue_try_get there");
    enter(queue);
    status = get(queue, item, &woken);
    if (status != -EAGAIN)
        return pass(queue, &woken, status);
    return wait_in(queue, getters(queue), item, &getting);
}

int thrum_queue_task_done(thrum_queue *queue)
{
    int status = 0;

    thrum_point_at(THRUM_POINT_RELEASE, queue);
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

static const struct waiters_kind joining = {.again = all_done, .wait = {.what = "queue", .tell = tell_joiners}};

int thrum_queue_join(thrum_queue *queue)
{
    thrum_point_at(THRUM_POINT_ACQUIRE, queue);
    if (!task_calls())
        thrum_panic("thrum_queue_join was called outside a task");
    enter(queue);
    if (queue->unfinished == 0) {
        lock_leave(&queue->lock);
        return 0;
    }
    return wait_in(queue, joiners(queue), NULL, &joining);
}

void thrum_queue_shutdown(thrum_queue *queue, bool immediate)
{
    thrum_point_at(THRUM_POINT_RELEASE, queue);
    enter(queue);
    lock_pin(&queue->lock);
    store_relaxed(&queue->state, SHUT); /* relaxed: likewise */
    if (immediate) {
        size_t count = count_of(queue);

        queue->unfinished -= count < queue->unfinished ? count : queue->unfinished;
        set_count(queue, 0);
        queue->head = 0;
    }
    thrum_waiters_wake_all(&queue->lock, putters(queue), tell_shut, NULL);
    enter(queue);
    if (count_of(queue) == 0) {
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
    thrum_point_at(THRUM_POINT_READ, queue);
    return count_of(queue);
}

size_t thrum_queue_unfinished(thrum_queue *queue)
{
    size_t unfinished;

    thrum_point_at(THRUM_POINT_READ, queue);
    enter(queue);
    unfinished = queue->unfinished;
    lock_leave(&queue->lock);
    return unfinished;
}

/* ---- in a select ----------------------------------------------------------------------------- */

static struct waiters *list_of_putters(void *queue)
{
    return putters(queue);
}

static uint32_t *lock_of_putters(void *queue)
{
    return &((thrum_queue *)queue)->lock;
}

static bool can_get(const thrum_case *one)
{
    const thrum_queue *queue = one->object;

    return count_of(queue) != 0 || is_shut(queue);
}

static bool can_put(const thrum_case *one)
{
    const thrum_queue *queue = one->object;

    return is_shut(queue) || !is_full(queue);
}

static void bring(thrum_case *one, struct waiter *self)
{
    self->item = one->item;
}

static int told(thrum_case *one, const struct waiter *self)
{
    (void)one;
    return status_of(self);
}

const struct select_kind thrum_select_get = {
    .waiters = &getting, .glance = can_get, .enter = bring, .result = told};
const struct select_kind thrum_select_put = {.waiters = &putting,
                                             .list = list_of_putters,
                                             .lock = lock_of_putters,
                                             .glance = can_put,
                                             .enter = bring,
                                             .result = told};
