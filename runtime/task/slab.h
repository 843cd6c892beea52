/*
 * slab.h - recycled objects of the task layer: each worker has a cache of each
 * kind. Their memory stays until the runtime ends, and is never anything else.
 */
#ifndef THRUM_TASK_SLAB_H
#define THRUM_TASK_SLAB_H

#include "runtime/sched/worker.h"

enum slab_kind { SLAB_TASK, SLAB_SEGMENT, SLAB_RECORD, SLAB_DEADLINE, SLAB_TIER, SLAB_KINDS };

_Static_assert((int)SLAB_KINDS <= WORKER_CACHES, "a worker has a cache for each kind");

struct slabs {
    struct pool_store stores[SLAB_KINDS];
    uint64_t chunks; /* atomic: memory, newest chunk first */
};

/* From a worker. NULL: out of memory. */
void *thrum_slab_get(enum slab_kind kind);
void thrum_slab_put(enum slab_kind kind, void *object);

/* From any thread. */
void thrum_slab_put_to(struct slabs *slabs, enum slab_kind kind, void *object);

/* At the runtime's end. */
void thrum_slabs_free(struct slabs *slabs);

#endif
