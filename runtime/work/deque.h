/*
 * deque.h - a worker's unstarted tasks: a lock-free split deque that grows
 * without bound.
 *
 * The owner pushes and pops at the bottom without a read-modify-write and
 * without a fence; thieves take from the top. deque.c tells how and why.
 *
 *   class   lock-free: a thread stopped at any instruction stops no other
 */
#ifndef THRUM_WORK_DEQUE_H
#define THRUM_WORK_DEQUE_H

#include <thrum/detail/lane.h>

#include "runtime/atomic/verbs.h"
#include "runtime/base/base.h"

#define DEQUE_SHARED_MAX 0xffffu /* what one word can count; the rest stays private a while */

struct deque_ring {
    struct deque_ring *older; /* owner: kept until fini, thieves may still look */
    uint64_t mask;            /* constant */
    uint64_t slots[];         /* atomic */
};

struct deque {
    struct thrum_lane lane; /* first: the owner's end */

    /*
     * lo: top, the index of the oldest task, which only grows.
     * hi: version << 16 | number of shared tasks.
     */
    thrum_pair shared __attribute__((aligned(CACHE_LINE)));
    uint64_t ring;  /* atomic: struct deque_ring *, for thieves */
    uint64_t limit; /* atomic: stands for lane.limit where membarrier is missing */
    uint64_t floor; /* atomic: stands for lane.floor where membarrier is missing */
};

/* Capacity is a power of two of at least 2. 0 or -ENOMEM. */
int thrum_deque_init(struct deque *deque, uint64_t capacity);
void thrum_deque_fini(struct deque *deque);

/*
 * Owner. After thrum_lane_push said false: make room for the next push, give
 * to who asked. -ENOMEM: no room could be made, and the pushed task is taken
 * back (0 if a thief was faster).
 */
int thrum_deque_pushed(struct deque *deque);

/* Owner. After thrum_lane_pop said NULL: finish the pop. NULL: empty. */
void *thrum_deque_pop(struct deque *deque);

/*
 * Owner, of a deque that nobody else looks at and that is never un-poisoned. After thrum_lane_push:
 * what was pushed, taken back; after thrum_lane_pop: the pop, undone.
 */
void *thrum_deque_unpush(struct deque *deque);
void thrum_deque_unpop(struct deque *deque);

/* Owner, before the first push: every push and pop is to take its slow path for good. */
void thrum_deque_poison(struct deque *deque);

/* Owner. The oldest task; NULL: empty. */
void *thrum_deque_take(struct deque *deque);

/* Any thread. The oldest shared task; NULL: none is shared, or another thief was faster. */
void *thrum_deque_steal(struct deque *deque);

/* Any thread. Ask the owner to share at its next push or pop. */
void thrum_deque_ask(struct deque *deque);

/*
 * Any thread. Share half of the owner's private tasks without the owner's
 * help; costs a heavy fence. True if something is shared now.
 */
bool thrum_deque_revoke(struct deque *deque);

/* Any thread. Call the owner at its next push: see idle.c. */
void thrum_deque_alarm(struct deque *deque);

/* Any thread. A guess that is exact once nobody changes anything. */
bool thrum_deque_empty(const struct deque *deque);

/* Owner. Index of the oldest task, and of the next push: the order of arrival. */
uint64_t thrum_deque_top(const struct deque *deque);

#endif
