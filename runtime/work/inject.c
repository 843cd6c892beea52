/*
 * inject.c - the queue of Michael and Scott (1996), with versions.
 *
 * The node before the first item is a dummy; who takes an item makes the
 * item's node the new dummy and keeps the old one for his own next push.
 * Nodes therefore wander, and are never unmapped while the queue lives.
 *
 * A push gives its node's `next` a new version before it becomes NULL, so that
 * a pusher who slept since it read an older `next` there cannot hang its node
 * onto one that is not in the queue.
 *
 * Edges
 *   inject.link   push -> push, take   the node's value and next; what the item points to
 *   inject.head   take -> take, push   the old dummy may be reused
 */
#include "runtime/work/inject.h"

#include "runtime/base/point.h"

static thrum_pair pair_load(const thrum_pair *at)
{
    thrum_pair pair;

    /*
     * MUTANT-OK acquire: a torn pair fails its swap, and what it points to is acquired with lo. A
     * node that has left the queue shows no successor only after push's release of that, which
     * brings the head's newer version with it: unchanged() then sees that too.
     */
    pair.hi = load_acquire(&at->hi); /* EDGE inject.link, inject.head */
    pair.lo = load_acquire(&at->lo); /* EDGE inject.link, inject.head */
    return pair;
}

static bool pair_swap(thrum_pair *at, thrum_pair seen, const void *pointer)
{
    /* MUTANT-OK acquire: the swap finds what pair_load acquired */
    return cas_acq_rel_pair(at, &seen, ((thrum_pair){word_of(pointer), seen.hi + 1}));
    /* EDGE inject.link, inject.head */
}

static bool unchanged(const thrum_pair *at, thrum_pair seen)
{
    thrum_pair now = pair_load(at);

    return now.lo == seen.lo && now.hi == seen.hi;
}

static struct inject_node *node_of(thrum_pair pair)
{
    return pointer_of(pair.lo);
}

void thrum_inject_init(struct inject *queue, struct inject_node *first)
{
    first->next = (thrum_pair){0, 0};
    queue->head = (thrum_pair){word_of(first), 0};
    queue->tail = (thrum_pair){word_of(first), 0};
}

void thrum_inject_push(struct inject *queue, struct inject_node *node, void *value)
{
    uint64_t version = load_relaxed(&node->next.hi); /* relaxed: the node is ours */

    store_relaxed(&node->value, word_of(value)); /* relaxed: the link releases it */
    store_relaxed(&node->next.hi, version + 1);  /* relaxed: before the store below */
    store_release(&node->next.lo, 0);            /* EDGE inject.link */
    for (;;) {
        thrum_pair tail = pair_load(&queue->tail);
        thrum_pair next = pair_load(&node_of(tail)->next);

        if (!unchanged(&queue->tail, tail))
            continue;
        POINT("inject.push");
        if (next.lo != 0) /* the tail lags: help */
            pair_swap(&queue->tail, tail, node_of(next));
        else if (pair_swap(&node_of(tail)->next, next, node)) {
            POINT("inject.linked");
            pair_swap(&queue->tail, tail, node);
            return;
        }
    }
}

void *thrum_inject_take(struct inject *queue, struct inject_node **spare)
{
    for (;;) {
        thrum_pair head = pair_load(&queue->head);
        thrum_pair tail = pair_load(&queue->tail);
        thrum_pair next = pair_load(&node_of(head)->next);
        void *value;

        if (!unchanged(&queue->head, head))
            continue;
        if (next.lo == 0)
            return NULL;
        if (head.lo == tail.lo) { /* the tail lags: help, it must not point at a spare */
            pair_swap(&queue->tail, tail, node_of(next));
            continue;
        }
        value = pointer_of(load_relaxed(&node_of(next)->value)); /* relaxed: void unless the
                                                                    swap succeeds */
        POINT("inject.take");
        if (pair_swap(&queue->head, head, node_of(next))) {
            POINT("inject.taken");
            *spare = node_of(head);
            return value;
        }
    }
}

unsigned thrum_inject_glance(const struct inject *queue, void **values, unsigned most)
{
    const struct inject_node *node = pointer_of(load_relaxed(&queue->head.lo)); /* relaxed: nodes */
    unsigned n = 0;

    while (n < most && (node = pointer_of(load_relaxed(&node->next.lo))) != NULL) /* are type-stable, */
        values[n++] = pointer_of(load_relaxed(&node->value)); /* relaxed: and these are guesses */
    return n;
}

bool thrum_inject_empty(const struct inject *queue)
{
    thrum_pair head = pair_load(&queue->head);

    /* MUTANT-OK acquire: who then takes something acquires it there */
    return load_acquire(&node_of(head)->next.lo) == 0; /* EDGE inject.link */
}
