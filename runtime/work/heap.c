/*
 * heap.c - a heap of four children each, in segments that never move.
 *
 * An entry is always whole in some place: whoever moves, is first copied to
 * where it goes, over something that stands elsewhere too or is no longer
 * wanted. The last entry, which fills the hole of one removed, stays where it
 * is, beyond all comparisons, until it has been copied into its new place;
 * only then the count goes down. Only an entry that is being added is nowhere
 * for a while, until push returns.
 *
 * So a scan that runs while the owner stands still meets every entry. If the
 * owner moves on, one may slip by from where the scan has not been to where
 * it has. For that the old place has to be overwritten after the new one was
 * written: `version` goes up before each of both, so a scan that meets what
 * has been written over sees a version later than the one it began with. It
 * goes up once more at the end of push: what was seen with an older version
 * need not hold what was pushed.
 *
 * Edges
 *   heap.count   push, remove -> scan   all that was written to slots before
 *   heap.slot    write -> scan          the version that announced it
 *   heap.push    push -> scan           the new entry, and the count
 */
#include "runtime/work/heap.h"

#include <errno.h>

#include "runtime/base/point.h"
#include "runtime/plat/memory.h"

#define FIRST_BITS 6 /* the first segment has 64 positions, each later one as many as all before */

/* ---- positions ----------------------------------------------------------------------------- */

static unsigned segment_of(uint64_t position)
{
    uint64_t floor = (uint64_t)1 << (FIRST_BITS - 1);

    return 63 - (unsigned)__builtin_clzll(position | floor) - (FIRST_BITS - 1);
}

static uint64_t segment_begin(unsigned segment)
{
    return segment == 0 ? 0 : (uint64_t)1 << (segment + FIRST_BITS - 1);
}

static uint64_t segment_end(unsigned segment)
{
    return (uint64_t)1 << (segment + FIRST_BITS);
}

static struct heap_slot *slot_at(const struct heap *heap, uint64_t position)
{
    uint64_t base = load_relaxed(&heap->segments[segment_of(position)]); /* relaxed: see count */

    return pointer_of(base + position * sizeof(struct heap_slot));
}

static uint64_t parent_of(uint64_t position)
{
    return position / 4 + 2;
}

static uint64_t first_child_of(uint64_t position)
{
    return position * 4 - 8;
}

/* ---- the owner's reads and writes ----------------------------------------------------------- */

static uint64_t count_of(const struct heap *heap)
{
    return load_relaxed(&heap->count); /* relaxed: only we write it */
}

static int64_t when_at(const struct heap *heap, uint64_t position)
{
    return (int64_t)load_relaxed(&slot_at(heap, position)->when); /* relaxed: only we write it */
}

static struct heap_entry read_at(const struct heap *heap, uint64_t position)
{
    const struct heap_slot *slot = slot_at(heap, position);

    return (struct heap_entry){
        (int64_t)load_relaxed(&slot->when), /* relaxed: only we write it */
        pointer_of(load_relaxed(&slot->item)), /* relaxed: only we write it */
        load_relaxed(&slot->key), /* relaxed: only we write it */
    };
}

static void announce(struct heap *heap)
{
    uint64_t version = load_relaxed(&heap->version); /* relaxed: only we write it */

    store_release(&heap->version, version + 1); /* EDGE heap.slot, heap.push */
}

static void write_at(struct heap *heap, uint64_t position, struct heap_entry entry)
{
    struct heap_slot *slot = slot_at(heap, position);

    POINT("timer.sift");
    announce(heap);
    store_release(&slot->when, (uint64_t)entry.when); /* EDGE heap.slot */
    store_release(&slot->item, word_of(entry.item)); /* EDGE heap.slot */
    store_relaxed(&slot->key, entry.key);            /* relaxed: only we read it */
}

/* The entry goes to `hole`, or above. Where. */
static uint64_t rise(struct heap *heap, uint64_t hole, struct heap_entry entry)
{
    while (hole > HEAP_ROOT && when_at(heap, parent_of(hole)) > entry.when) {
        write_at(heap, hole, read_at(heap, parent_of(hole)));
        hole = parent_of(hole);
    }
    write_at(heap, hole, entry);
    return hole;
}

/* The first of the children of `position` that stand below `end`; 0: there is none. */
static uint64_t first_below(const struct heap *heap, uint64_t position, uint64_t end)
{
    uint64_t child = first_child_of(position);
    uint64_t stop = child + 4 < end ? child + 4 : end;
    uint64_t first = child;

    if (child >= end)
        return 0;
    while (++child < stop)
        if (when_at(heap, child) < when_at(heap, first))
            first = child;
    return first;
}

/* The entry goes to `hole`, or below, where it stays under `end`. */
static void sink(struct heap *heap, uint64_t hole, uint64_t end, struct heap_entry entry)
{
    uint64_t child = first_below(heap, hole, end);

    while (child != 0 && when_at(heap, child) < entry.when) {
        write_at(heap, hole, read_at(heap, child));
        hole = child;
        child = first_below(heap, hole, end);
    }
    write_at(heap, hole, entry);
}

/* ---- the owner ------------------------------------------------------------------------------ */

int thrum_heap_reserve(struct heap *heap)
{
    uint64_t position = HEAP_ROOT + count_of(heap);
    unsigned segment = segment_of(position);
    uint64_t begin = segment_begin(segment);
    struct heap_slot *slots;

    if (LIKELY(load_relaxed(&heap->segments[segment]) != 0)) /* relaxed: only we write it */
        return 0;
    slots = thrum_memory_get_raw((segment_end(segment) - begin) * sizeof *slots, CACHE_LINE);
    if (!slots)
        return -ENOMEM;
    /* relaxed: see count */
    store_relaxed(&heap->segments[segment], word_of(slots) - begin * sizeof *slots);
    return 0;
}

void thrum_heap_fini(struct heap *heap)
{
    for (unsigned i = 0; i < HEAP_SEGMENTS; i++) {
        uint64_t base = load_relaxed(&heap->segments[i]); /* relaxed: nobody is left */

        if (base)
            thrum_memory_put(pointer_of(base + segment_begin(i) * sizeof(struct heap_slot)));
    }
}

size_t thrum_heap_push(struct heap *heap, struct heap_entry entry)
{
    uint64_t count = count_of(heap);
    uint64_t end = HEAP_ROOT + count;
    uint64_t place = end;

    write_at(heap, end, entry);
    store_release(&heap->count, count + 1); /* EDGE heap.count */
    if (end > HEAP_ROOT && when_at(heap, parent_of(end)) > entry.when)
        place = rise(heap, end, entry);
    announce(heap);
    return place - HEAP_ROOT;
}

size_t thrum_heap_count(const struct heap *heap)
{
    return count_of(heap);
}

struct heap_entry thrum_heap_at(const struct heap *heap, size_t index)
{
    return read_at(heap, HEAP_ROOT + index);
}

void thrum_heap_void(struct heap *heap, size_t index)
{
    store_relaxed(&slot_at(heap, HEAP_ROOT + index)->key, 0); /* relaxed: only we read it */
}

void thrum_heap_remove(struct heap *heap, size_t index)
{
    uint64_t count = count_of(heap);
    uint64_t hole = HEAP_ROOT + index;
    uint64_t end = HEAP_ROOT + count - 1; /* where the last stands */
    struct heap_entry last = read_at(heap, end);

    ASSERT(index < count);
    if (hole != end) {
        if (hole > HEAP_ROOT && when_at(heap, parent_of(hole)) > last.when)
            (void)rise(heap, hole, last);
        else
            sink(heap, hole, end, last);
    }
    POINT("timer.remove");
    store_release(&heap->count, count - 1); /* EDGE heap.count */
}

/* ---- anybody -------------------------------------------------------------------------------- */

bool thrum_heap_scan(const struct heap *heap, bool (*visit)(void *arg, int64_t when, void *item),
                     void *arg, uint64_t *version)
{
    uint64_t end;

    *version = load_acquire(&heap->version);      /* EDGE heap.slot, heap.push */
    end = HEAP_ROOT + load_acquire(&heap->count); /* EDGE heap.count */
    for (uint64_t position = HEAP_ROOT; position < end; position++) {
        const struct heap_slot *slot = slot_at(heap, position);
        int64_t when = (int64_t)load_acquire(&slot->when); /* EDGE heap.slot */
        void *item = pointer_of(load_acquire(&slot->item)); /* EDGE heap.slot */

        if (!visit(arg, when, item))
            return false;
    }
    return load_relaxed(&heap->version) == *version; /* relaxed: the loads above acquire */
}
