/*
 * ready.h - a worker's ready fibers: first in first out, of fixed size.
 *
 * The owner pushes; the owner and thieves take the oldest. What finds no room
 * goes to the injection queue.
 *
 *   class   lock-free
 *
 * Edges
 *   ready.push   push -> peek    the fiber and its saved flow
 *   ready.take   take -> push    the slot was read and may be reused
 */
#ifndef THRUM_SCHED_READY_H
#define THRUM_SCHED_READY_H

#include "runtime/atomic/verbs.h"
#include "runtime/base/base.h"

#define READY_SLOTS 1024

struct ready_queue {
    uint64_t head __attribute__((aligned(CACHE_LINE))); /* atomic: index of the oldest */
    uint64_t tail __attribute__((aligned(CACHE_LINE))); /* atomic, written by the owner */
    uint64_t slots[READY_SLOTS];                        /* atomic */
};

static inline bool ready_empty(const struct ready_queue *queue)
{
    return load_relaxed(&queue->head) == load_acquire(&queue->tail); /* relaxed: a guess, or
                                                                       after a heavy fence */
}

/* Owner. False: full. */
static inline bool ready_push(struct ready_queue *queue, void *fiber)
{
    uint64_t tail = load_relaxed(&queue->tail); /* relaxed: only we write it */

    if (tail - load_acquire(&queue->head) == READY_SLOTS) /* EDGE ready.take */
        return false;
    store_relaxed(&queue->slots[tail % READY_SLOTS], word_of(fiber)); /* relaxed: see tail */
    store_release(&queue->tail, tail + 1);                            /* EDGE ready.push */
    return true;
}

/* The oldest, or NULL. *head is for take; a thief may be faster. */
static inline void *ready_peek(const struct ready_queue *queue, uint64_t *head)
{
    *head = load_acquire(&queue->head);
    if (*head == load_acquire(&queue->tail)) /* EDGE ready.push */
        return NULL;
    return pointer_of(load_relaxed(&queue->slots[*head % READY_SLOTS])); /* relaxed: void unless
                                                                            taken */
}

/* Takes what peek has shown; false: somebody else has. */
static inline bool ready_take(struct ready_queue *queue, uint64_t head)
{
    return cas_acq_rel(&queue->head, &head, head + 1); /* EDGE ready.take */
}

#endif
