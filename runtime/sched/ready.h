/*
 * ready.h - a worker's ready fibers: first in first out, of fixed size.
 *
 * The owner pushes, and takes the oldest without a read-modify-write; thieves
 * take from the rest. ready.c tells how. What finds no room goes to the
 * injection queue.
 *
 *   class   lock-free: a thread stopped at any instruction stops no other
 */
#ifndef THRUM_SCHED_READY_H
#define THRUM_SCHED_READY_H

#include "runtime/atomic/asymmetric.h"
#include "runtime/base/base.h"

#ifndef READY_SLOTS /* models have fewer */
#define READY_SLOTS 1024
#endif
#ifndef READY_WINDOW
#define READY_WINDOW 16 /* what the owner sets aside for itself at a time */
#endif

struct ready_queue {
    uint64_t mine __attribute__((aligned(CACHE_LINE))); /* atomic, written by the owner: next to take */
    uint64_t ceiling; /* atomic: the window's end; poisoned (0) by who wants the owner's attention */
    uint64_t tail;    /* atomic, written by the owner: index of the next push */

    /* lo: head, the next for thieves. hi: version << 16 | head - end of the window. */
    thrum_pair shared __attribute__((aligned(CACHE_LINE)));
    uint64_t slots[READY_SLOTS]; /* atomic */
};

/* Owner. */
void *thrum_ready_take_slow(struct ready_queue *queue, bool open);
/* Owner. What take would give, or NULL; thieves may be faster. */
void *thrum_ready_peek_slow(const struct ready_queue *queue);

/* Owner. Set the oldest aside for the owner, unless some are already. */
void thrum_ready_keep(struct ready_queue *queue);

/*
 * Any thread. The oldest that is not set aside for the owner, if it was pushed when the tail was
 * below `limit`; NULL: there is none, or another was faster.
 */
#define READY_ANY UINT64_MAX
void *thrum_ready_steal(struct ready_queue *queue, uint64_t limit);

/* Any thread. A guess: could thrum_ready_steal take one? And where the tail is. */
bool thrum_ready_shares(const struct ready_queue *queue, uint64_t *tail);

/*
 * Any thread. The owner is to share what it has set aside, at its next take; it does unless some
 * of it was revoked.
 */
void thrum_ready_ask(struct ready_queue *queue);

/* Any thread. One that is set aside for the owner, at the price of a heavy fence; or NULL. */
void *thrum_ready_revoke(struct ready_queue *queue);

/* Any thread. A guess that is exact once nobody changes anything. */
bool thrum_ready_empty(const struct ready_queue *queue);

static inline void *ready_slot(const struct ready_queue *queue, uint64_t index)
{
    return pointer_of(load_relaxed(&queue->slots[index % READY_SLOTS])); /* relaxed: ordered by
                                                        tail or shared, or void unless taken */
}

/* Owner. False: full. */
static inline bool ready_push(struct ready_queue *queue, void *fiber)
{
    uint64_t tail = load_relaxed(&queue->tail); /* relaxed: only we write it */

    if (tail - load_relaxed(&queue->mine) == READY_SLOTS) /* relaxed: only we write it */
        return false;
    store_relaxed(&queue->slots[tail % READY_SLOTS], word_of(fiber)); /* relaxed: see tail */
    store_release(&queue->tail, tail + 1);                            /* EDGE ready.push */
    return true;
}

/* Owner. False: there is nothing. */
static inline bool ready_more(const struct ready_queue *queue)
{
    return load_relaxed(&queue->tail) != load_relaxed(&queue->mine); /* relaxed: only we write them */
}

/* Owner. Is there something in the window? */
static inline bool ready_window(const struct ready_queue *queue, uint64_t *index)
{
    *index = load_relaxed(&queue->mine);                             /* relaxed: only we write it */
    return (int64_t)(*index - load_relaxed(&queue->ceiling)) < 0 &&  /* relaxed: a guess */
           *index != load_relaxed(&queue->tail);                     /* relaxed: only we write it */
}

/* Owner. */
static inline void *ready_peek(const struct ready_queue *queue)
{
    uint64_t index;

    if (LIKELY(ready_window(queue, &index)))
        return ready_slot(queue, index);
    return thrum_ready_peek_slow(queue);
}

/*
 * Owner. The oldest; NULL: empty. `open`: nobody looks for work, so that what is pushed next may
 * be set aside, too.
 */
static inline void *ready_take(struct ready_queue *queue, bool open)
{
    uint64_t index = load_relaxed(&queue->mine); /* relaxed: only we write it */

    if (index == load_relaxed(&queue->tail)) /* relaxed: only we write it */
        return NULL;
    /* MUTANT-OK release: fences order it; slots are released with tail and window */
    store_release(&queue->mine, index + 1); /* EDGE ready.attention */
    fence_light();
    if (LIKELY((int64_t)(index - load_relaxed(&queue->ceiling)) < 0)) /* EDGE ready.attention */
        return ready_slot(queue, index);                              /* relaxed: fenced */
    return thrum_ready_take_slow(queue, open);
}

#endif
