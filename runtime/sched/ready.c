/*
 * ready.c - the ready queue: a mirror of the deque (work/deque.c).
 *
 *        mine        end                head            tail
 *     ----+-- window --+---- stolen ------+--- shared ----+----
 *     the owner takes here              thieves take here
 *
 * The owner sets a few fibers aside for itself, with one swap of `shared`, and
 * takes them with plain loads and stores. `ceiling` is the window's end as the
 * owner knows it; whoever poisons it is noticed at the next take. A thief that
 * finds nothing shared asks the owner by that to share what it has, at its next take; if the owner
 * does not come by, it takes a fiber from the window's end by revocation. As in the deque:
 *
 *   thief                               owner, take
 *   R1 w = shared                       P1 mine = i + 1
 *   R2 ceiling = POISON                 P2 (light fence)
 *   R3 heavy fence                      P3 i >= ceiling: slow
 *   R4 m = mine; m >= end: nothing      P4 slot i is mine
 *   R5 cas shared w -> end - 1          slow: U1 ceiling = end
 *                                             U2 cas shared, version + 1
 *
 * A window may be open: its end, and the head with it, lie beyond the tail, so that what the owner
 * pushes next is its own at once. That is for when nobody looks for work: of two tasks that wake
 * one another each would cost a swap otherwise. For thieves an open window ends with the tail. Who
 * revokes there moves the head back to it: a push that it has not seen is then shared, and the
 * owner will find the poison before it takes anything.
 *
 * and the proof is that of deque.c with the directions turned round: a take
 * with P1 before the heavy fence's point is seen by R4; one with P1 after it
 * finds the poison, or the value of a U1 whose U2 makes R5 fail.
 *
 * Edges
 *   ready.push        push -> steal            the fiber and its saved flow
 *   ready.share       owner, thief -> steal    slots of the window; a slot may be reused
 *   ready.attention   take <-> revoke          one sees the other's store
 */
#include "runtime/sched/ready.h"

#include "runtime/base/point.h"

#define CEILING_POISON ((uint64_t)0)
#define GAP_MASK ((uint64_t)0xffff)

_Static_assert(READY_SLOTS <= GAP_MASK, "the gap between window and head has 16 bits");

static thrum_pair shared_load(const struct ready_queue *queue)
{
    thrum_pair shared;

    shared.hi = load_acquire(&queue->shared.hi); /* EDGE ready.share */
    shared.lo = load_relaxed(&queue->shared.lo); /* relaxed: checked by the swap */
    return shared;
}

static uint64_t end_of(thrum_pair shared)
{
    return shared.lo - (shared.hi & GAP_MASK);
}

static uint64_t lower(uint64_t a, uint64_t b)
{
    return (int64_t)(a - b) < 0 ? a : b;
}

/* The next version, with another head and end. */
static thrum_pair shared_with(thrum_pair shared, uint64_t head, uint64_t end)
{
    return (thrum_pair){head, ((shared.hi & ~GAP_MASK) + GAP_MASK + 1) | (head - end)};
}

/*
 * Owner. Head and end of the window become these, the ceiling is no longer
 * poisoned, and revocations under way are aborted. False: a thief was faster.
 */
static bool settle(struct ready_queue *queue, thrum_pair *seen, uint64_t head, uint64_t end)
{
    store_relaxed(&queue->ceiling, end); /* relaxed: the swap below releases it */
    POINT("ready.settle");
    return cas_acq_rel_pair(&queue->shared, seen, shared_with(*seen, head, end));
    /* EDGE ready.share */
}

void *thrum_ready_take_slow(struct ready_queue *queue, bool open)
{
    uint64_t index = load_relaxed(&queue->mine) - 1; /* relaxed: only we write it */
    uint64_t tail = load_relaxed(&queue->tail);      /* relaxed: only we write it */
    thrum_pair seen = shared_load(queue);

    for (;;) {
        uint64_t head = seen.lo;
        uint64_t end = end_of(seen);
        uint64_t window = tail - head < READY_WINDOW && !open ? tail - head : READY_WINDOW;

        if ((int64_t)(index - end) < 0) { /* it is in the window: we were only called */
            bool all = (int64_t)(tail - end) <= 0; /* nothing is shared or stolen */

            /* A swap that failed on a torn pair may have sent us to a branch that moved it. */
            store_relaxed(&queue->mine, index + 1); /* relaxed: the swap below releases it */
            if (settle(queue, &seen, all ? index + 1 : head, all ? index + 1 : end))
                return ready_slot(queue, index);
        } else if (head == tail) { /* what was stolen no longer takes room */
            /* MUTANT-OK release: fences order it; slots are released with tail and window */
            store_release(&queue->mine, head); /* EDGE ready.attention */
            if (settle(queue, &seen, head, head))
                return NULL;
        } else { /* the next window */
            /* MUTANT-OK release: as above */
            store_release(&queue->mine, head + 1); /* EDGE ready.attention */
            if (settle(queue, &seen, head + window, head + window))
                return ready_slot(queue, head);
        }
    }
}

void thrum_ready_keep(struct ready_queue *queue)
{
    uint64_t tail = load_relaxed(&queue->tail); /* relaxed: only we write it */
    thrum_pair seen;
    uint64_t index;

    if (ready_window(queue, &index) || index == tail)
        return;
    seen = shared_load(queue);
    for (;;) {
        uint64_t head = seen.lo;
        uint64_t end = end_of(seen);
        uint64_t window = tail - head < READY_WINDOW ? tail - head : READY_WINDOW;

        if ((int64_t)(index - end) < 0) {       /* there is a window: we were only called */
            store_relaxed(&queue->mine, index); /* relaxed: the swap below releases it */
            if (settle(queue, &seen, head, end))
                return;
        } else {
            /* MUTANT-OK release: as in take */
            store_release(&queue->mine, head); /* EDGE ready.attention */
            if (settle(queue, &seen, head + window, head + window))
                return;
        }
    }
}

void *thrum_ready_peek_slow(const struct ready_queue *queue)
{
    uint64_t index = load_relaxed(&queue->mine); /* relaxed: only we write it */
    uint64_t tail = load_relaxed(&queue->tail);  /* relaxed: only we write it */
    thrum_pair seen = shared_load(queue);

    if (index != tail && (int64_t)(index - end_of(seen)) >= 0)
        index = seen.lo;
    return index == tail ? NULL : ready_slot(queue, index);
}

void *thrum_ready_steal(struct ready_queue *queue, uint64_t limit)
{
    thrum_pair seen = shared_load(queue);
    uint64_t tail = load_acquire(&queue->tail); /* EDGE ready.push */
    void *fiber;

    if ((int64_t)(tail - seen.lo) <= 0 || seen.lo >= limit)
        return NULL;
    fiber = ready_slot(queue, seen.lo);
    POINT("steal.ready");
    /* MUTANT-OK acquire: the swap finds the version that shared_load acquired */
    if (!cas_acq_rel_pair(&queue->shared, &seen, shared_with(seen, seen.lo + 1, end_of(seen))))
        return NULL; /* EDGE ready.share */
    return fiber;
}

void thrum_ready_ask(struct ready_queue *queue)
{
    store_relaxed(&queue->ceiling, CEILING_POISON); /* relaxed: a request */
}

void *thrum_ready_revoke(struct ready_queue *queue)
{
    thrum_pair seen = shared_load(queue);
    uint64_t head = seen.lo;
    uint64_t end = end_of(seen);
    uint64_t tail;
    void *fiber;

    thrum_ready_ask(queue);
    POINT("ready.poisoned");
    fence_heavy(); /* EDGE ready.attention */
    tail = load_acquire(&queue->tail); /* EDGE ready.push */
    if ((int64_t)(tail - end) < 0) /* an open window ends with what was pushed */
        end = head = tail;
    /* MUTANT-OK acquire: fences order it; the window's slots came with `shared` */
    if ((int64_t)(end - load_acquire(&queue->mine)) <= 0) /* EDGE ready.attention */
        return NULL;
    fiber = ready_slot(queue, end - 1);
    POINT("ready.revoke");
    /* MUTANT-OK acquire: the swap finds the version that shared_load acquired */
    if (!cas_acq_rel_pair(&queue->shared, &seen, shared_with(seen, head, end - 1)))
        return NULL; /* EDGE ready.share */
    return fiber;
}

bool thrum_ready_shares(const struct ready_queue *queue, uint64_t *tail)
{
    thrum_pair seen = shared_load(queue);

    *tail = load_relaxed(&queue->tail); /* relaxed: a guess */
    return (int64_t)(*tail - seen.lo) > 0;
}

bool thrum_ready_empty(const struct ready_queue *queue)
{
    thrum_pair seen = shared_load(queue);
    /* MUTANT-OK acquire: a guess; who then takes something acquires it there */
    uint64_t tail = load_acquire(&queue->tail); /* EDGE ready.push */
    uint64_t end = lower(end_of(seen), tail);

    return (int64_t)(tail - seen.lo) <= 0 &&
           /* MUTANT-OK acquire: likewise */
           (int64_t)(end - load_acquire(&queue->mine)) <= 0; /* EDGE ready.attention */
}
