/*
 * heap.h - deadlines in order: a private heap that others may look at.
 *
 * One thread, the owner, adds and removes, with plain stores of words. Any
 * other may scan at any moment, whatever the owner is in the midst of, even
 * if it has been stopped there for good: heap.c tells why that loses nothing.
 *
 *   class   owner: wait-free but for memory; scan: wait-free
 */
#ifndef THRUM_WORK_HEAP_H
#define THRUM_WORK_HEAP_H

#include "runtime/atomic/verbs.h"
#include "runtime/base/base.h"

#define HEAP_SEGMENTS 28 /* the last begins at 2^32 */
#define HEAP_ROOT 3      /* position; the four children of one stand side by side and aligned */

struct heap_entry {
    int64_t when;
    void *item; /* type-stable: a scan may see it after its removal */
    uint64_t key;
};

struct heap_slot {
    uint64_t when; /* atomic, written by the owner */
    uint64_t item; /* atomic, written by the owner */
    uint64_t key;  /* atomic, written by the owner, who alone reads it */
};

/* All zero: empty. */
struct heap {
    uint64_t count;   /* atomic, written by the owner */
    uint64_t version; /* atomic, written by the owner: stores to slots */
    uint64_t segments[HEAP_SEGMENTS]; /* atomic: where position 0 would be, if all were like this */
};

/* Not in use by anybody. */
void thrum_heap_fini(struct heap *heap);

/* Owner. Room for one more; 0 or -ENOMEM. */
int thrum_heap_reserve(struct heap *heap);
/* Owner. There is room. Its index, until something else is added or removed. */
size_t thrum_heap_push(struct heap *heap, struct heap_entry entry);

/* Owner. How many; the one with index 0 is the first, the others have no order. */
size_t thrum_heap_count(const struct heap *heap);
struct heap_entry thrum_heap_at(const struct heap *heap, size_t index);
/* Owner. Its key becomes 0, and all else stays. */
void thrum_heap_void(struct heap *heap, size_t index);
/* Owner. The last takes its place, or goes on from there towards the first. */
void thrum_heap_remove(struct heap *heap, size_t index);

/*
 * Any thread. Calls visit for all entries, what is first before the others, and
 * perhaps for some twice or that have gone meanwhile, until it says false: enough. True: every entry that was
 * there all the time has been visited, and *version stands for what was seen:
 * while a later scan returns the same, nothing has come. False: the owner was
 * at work, and a scan that is to see all has to be made again; or it was enough.
 */
bool thrum_heap_scan(const struct heap *heap, bool (*visit)(void *arg, int64_t when, void *item),
                     void *arg, uint64_t *version);

#endif
