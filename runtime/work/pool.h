/*
 * pool.h - recycled objects (fibers, tasks): a cache for each worker, and one
 * store of batches that they share, so that a worker that only frees feeds
 * one that only takes.
 *
 *   class   lock-free. A cache belongs to one thread; the store to all.
 */
#ifndef THRUM_WORK_POOL_H
#define THRUM_WORK_POOL_H

#include "runtime/atomic/verbs.h"
#include "runtime/base/base.h"

#define POOL_BATCH 32

/* First member of what is pooled. Type-stable while the store lives. */
struct pool_item {
    struct pool_item *next; /* owner of the batch */
    uint64_t next_batch;    /* atomic: struct pool_item *, of a batch's first item */
};

struct pool_store {
    thrum_pair head __attribute__((aligned(CACHE_LINE))); /* lo: first batch, hi: version */
};

struct pool_cache {
    struct pool_store *store;
    struct pool_item *items; /* newest first */
    struct pool_item *full;  /* a whole batch, or NULL */
    unsigned count;          /* of items */
};

/* NULL: none in the cache nor in the store. */
struct pool_item *thrum_pool_get(struct pool_cache *cache);
void thrum_pool_put(struct pool_cache *cache, struct pool_item *item);

/* Hand all that the cache holds to the store. */
void thrum_pool_flush(struct pool_cache *cache);

#endif
