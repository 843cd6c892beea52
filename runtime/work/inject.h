/*
 * inject.h - the runtime's common queue: ready fibers that come from outside a
 * worker, or that found a worker's own queue full.
 *
 * First in first out, unbounded, any thread may push and take. A push cannot
 * fail: it brings its own node.
 *
 *   class   lock-free: a thread stopped at any instruction hides no item
 */
#ifndef THRUM_WORK_INJECT_H
#define THRUM_WORK_INJECT_H

#include "runtime/atomic/verbs.h"
#include "runtime/base/base.h"

/* Type-stable: never given back while the queue lives. */
struct inject_node {
    thrum_pair next; /* lo: struct inject_node *, hi: version */
    uint64_t value;  /* atomic */
    uint64_t unused;
};

struct inject {
    thrum_pair head __attribute__((aligned(CACHE_LINE))); /* lo: node, hi: version */
    thrum_pair tail __attribute__((aligned(CACHE_LINE)));
};

/* `first` becomes the queue's own. */
void thrum_inject_init(struct inject *queue, struct inject_node *first);

/* `node` belongs to the queue from here on. */
void thrum_inject_push(struct inject *queue, struct inject_node *node, void *value);

/* NULL: empty. Else *spare is a node that belongs to the caller. */
void *thrum_inject_take(struct inject *queue, struct inject_node **spare);

/* Who takes: guesses at what takes would give next, to be prefetched only. Returns how many. */
unsigned thrum_inject_glance(const struct inject *queue, void **values, unsigned most);

bool thrum_inject_empty(const struct inject *queue);

#endif
