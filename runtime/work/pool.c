/*
 * pool.c - caches over a versioned stack of batches (Treiber 1986).
 *
 * A cache holds up to two batches, one in use and one full, so that a thread
 * that takes and frees in turn at a batch's edge does not go to the store
 * each time.
 *
 * Edges
 *   pool.batch   store_push -> store_pop   the items of the batch
 */
#include "runtime/work/pool.h"

#include "runtime/base/point.h"

static void store_push(struct pool_store *store, struct pool_item *batch)
{
    thrum_pair seen;

    seen.hi = load_relaxed(&store->head.hi); /* relaxed: a guess */
    seen.lo = load_relaxed(&store->head.lo); /* relaxed: a guess */
    do {
        store_relaxed(&batch->next_batch, seen.lo); /* relaxed: the swap releases it */
        POINT("pool.push");
        /* MUTANT-OK acquire: what it replaces is not looked at; its release is carried on */
    } while (!cas_acq_rel_pair(&store->head, &seen,
                               ((thrum_pair){word_of(batch), seen.hi + 1}))); /* EDGE pool.batch */
}

static struct pool_item *store_pop(struct pool_store *store)
{
    thrum_pair seen;
    struct pool_item *batch;
    uint64_t next;

    seen.hi = load_acquire(&store->head.hi); /* EDGE pool.batch */
    /* MUTANT-OK acquire: the swap succeeds only with the version, acquired above */
    seen.lo = load_acquire(&store->head.lo); /* EDGE pool.batch */
    do {
        batch = pointer_of(seen.lo);
        if (!batch)
            return NULL;
        next = load_relaxed(&batch->next_batch); /* relaxed: void unless the swap succeeds */
        POINT("pool.pop");
        /* MUTANT-OK release: a pop writes nothing of its own, and carries on what was released */
    } while (!cas_acq_rel_pair(&store->head, &seen, ((thrum_pair){next, seen.hi + 1})));
    return batch; /* EDGE pool.batch */
}

struct pool_item *thrum_pool_get(struct pool_cache *cache)
{
    struct pool_item *item = cache->items;

    if (UNLIKELY(!item)) {
        item = cache->full ? cache->full : store_pop(cache->store);
        if (!item)
            return NULL;
        cache->full = NULL;
        cache->count = POOL_BATCH; /* a flushed batch may be shorter: then the list ends first */
    }
    cache->items = item->next;
    cache->count = item->next ? cache->count - 1 : 0;
    return item;
}

void thrum_pool_put(struct pool_cache *cache, struct pool_item *item)
{
    if (UNLIKELY(cache->count == POOL_BATCH)) {
        if (cache->full)
            store_push(cache->store, cache->full);
        cache->full = cache->items;
        cache->items = NULL;
        cache->count = 0;
    }
    item->next = cache->items;
    cache->items = item;
    cache->count++;
}

void thrum_pool_flush(struct pool_cache *cache)
{
    if (cache->full)
        store_push(cache->store, cache->full);
    if (cache->items)
        store_push(cache->store, cache->items);
    cache->full = NULL;
    cache->items = NULL;
    cache->count = 0;
}
