/*
 * slab.c - chunks of objects, over the workers' caches.
 *
 * Edges
 *   slab.chunk   carve -> thrum_slabs_free   the chunk's link
 */
#include "runtime/task/slab.h"

#include <thrum/fault.h>

#include "runtime/plat/memory.h"
#include "runtime/sched/lent.h"
#include "runtime/task/task.h"
#include "runtime/task/timeout.h"

#define CHUNK_OBJECTS 64

struct chunk {
    uint64_t older; /* struct chunk * */
} __attribute__((aligned(CACHE_LINE)));

static const struct {
    size_t bytes;
    size_t item; /* where the pool_item is */
} kinds[SLAB_KINDS] = {
    [SLAB_TASK] = {sizeof(struct thrum_task), offsetof(struct thrum_task, item)},
    [SLAB_SEGMENT] = {sizeof(struct roster_segment), offsetof(struct roster_segment, item)},
    [SLAB_RECORD] = {sizeof(struct record), offsetof(struct record, item)},
    [SLAB_DEADLINE] = {sizeof(struct deadline), offsetof(struct deadline, item)},
    [SLAB_TIER] = {sizeof(struct tier), offsetof(struct tier, item)},
};

/* Does it come back when the task has ended? Places in the tree of fibers stay with them. */
static bool is_lent(enum slab_kind kind)
{
    return kind != SLAB_TIER && kind != SLAB_SEGMENT;
}

/* In a simulated world: so many more were got. */
static void note(const struct worker *worker, enum slab_kind kind, int n)
{
    static const enum lent_kind lent[SLAB_KINDS] = {
        [SLAB_TASK] = LENT_TASK, [SLAB_RECORD] = LENT_RECORD, [SLAB_DEADLINE] = LENT_DEADLINE};

    if (UNLIKELY(worker->world != NULL) && is_lent(kind))
        thrum_lent_note(lent[kind], n);
}

static struct pool_item *item_of(enum slab_kind kind, void *object)
{
    return (struct pool_item *)(void *)((char *)object + kinds[kind].item);
}

static void *object_of(enum slab_kind kind, struct pool_item *item)
{
    return (char *)item - kinds[kind].item;
}

static struct slabs *slabs_of(struct worker *worker)
{
    return &container_of(worker->scheduler, struct thrum_runtime, scheduler)->slabs;
}

static struct pool_cache *cache_of(struct worker *worker, enum slab_kind kind)
{
    struct pool_cache *cache = &worker->above[kind];

    if (UNLIKELY(!cache->store))
        cache->store = &slabs_of(worker)->stores[kind];
    return cache;
}

/* Fill the cache from a new chunk. */
static bool carve(struct slabs *slabs, struct pool_cache *cache, enum slab_kind kind)
{
    size_t bytes = (kinds[kind].bytes + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
    struct chunk *chunk = thrum_memory_get(sizeof *chunk + CHUNK_OBJECTS * bytes, CACHE_LINE);

    if (!chunk)
        return false;
    chunk->older = load_relaxed(&slabs->chunks); /* relaxed: a guess */
    while (!cas_acq_rel(&slabs->chunks, &chunk->older, word_of(chunk))) /* EDGE slab.chunk */
        continue;
    for (unsigned i = 0; i < CHUNK_OBJECTS; i++)
        thrum_pool_put(cache, item_of(kind, (char *)(chunk + 1) + i * bytes));
    return true;
}

static NOINLINE struct pool_item *get_carved(struct worker *worker, enum slab_kind kind)
{
    struct pool_cache *cache = cache_of(worker, kind);

    return carve(slabs_of(worker), cache, kind) ? thrum_pool_get(cache) : NULL;
}

static inline struct pool_item *get(struct worker *worker, enum slab_kind kind)
{
    struct pool_item *item = thrum_pool_get(cache_of(worker, kind));

    return LIKELY(item != NULL) ? item : get_carved(worker, kind);
}

void *thrum_slab_get(enum slab_kind kind)
{
    struct worker *worker = worker_here();
    struct pool_item *item;

    if (is_lent(kind) && thrum_fault(THRUM_FAULT_MEMORY))
        return NULL;
    world_hide(worker->world);
    item = get(worker, kind);
    world_show(worker->world);
    if (UNLIKELY(!item))
        return NULL;
    if (world_races(worker->world))
        sanitizer_forget(object_of(kind, item), kinds[kind].bytes);
    note(worker, kind, 1);
    return object_of(kind, item);
}

void thrum_slab_put(enum slab_kind kind, void *object)
{
    struct worker *worker = worker_here();

    note(worker, kind, -1);
    world_hide(worker->world);
    thrum_pool_put(cache_of(worker, kind), item_of(kind, object));
    world_show(worker->world);
}

void thrum_slab_put_to(struct slabs *slabs, enum slab_kind kind, void *object)
{
    struct worker *worker = thrum_worker_self();
    struct pool_cache cache = {.store = &slabs->stores[kind]};

    if (worker && slabs_of(worker) == slabs) {
        thrum_slab_put(kind, object);
        return;
    }
    thrum_pool_put(&cache, item_of(kind, object));
    thrum_pool_flush(&cache);
}

void thrum_slabs_free(struct slabs *slabs)
{
    struct chunk *chunk = pointer_of(load_acquire(&slabs->chunks)); /* EDGE slab.chunk */

    while (chunk) {
        struct chunk *older = pointer_of(chunk->older);

        thrum_memory_put(chunk);
        chunk = older;
    }
    store_relaxed(&slabs->chunks, 0); /* relaxed: alone now */
}
