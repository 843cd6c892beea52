/*
 * roster.h - a set of words that many threads add to and remove from, and that
 * anybody can walk at any time.
 *
 * Segments of slots, never given back while the roster is in use. A free slot
 * holds the address of the next free one, with the lowest bit set; words must
 * have that bit clear. Segments are type-stable (a pool's), so that a walk
 * that has lost its roster still reads slots: who walks must be able to tell
 * from the words themselves whether they concern it.
 *
 *   class   lock-free
 */
#ifndef THRUM_WORK_ROSTER_H
#define THRUM_WORK_ROSTER_H

#include "runtime/work/pool.h"

#ifndef ROSTER_SLOTS
#define ROSTER_SLOTS 61
#endif

struct roster_segment {
    struct pool_item item; /* while it is in a pool */
    uint64_t older;        /* atomic: struct roster_segment * */
    uint64_t slots[ROSTER_SLOTS]; /* atomic */
};

struct roster {
    thrum_pair free;   /* lo: a free slot's address, hi: version */
    uint64_t segments; /* atomic: struct roster_segment *, newest first */
};

/* Where a walk is. */
struct roster_at {
    struct roster_segment *segment;
    unsigned next;
};

/* Add a word; its slot. NULL: there is no slot, add a segment. */
uint64_t *thrum_roster_add(struct roster *roster, uint64_t word);
/* Give it a segment, and add a word. */
uint64_t *thrum_roster_grow(struct roster *roster, struct roster_segment *segment, uint64_t word);
void thrum_roster_remove(struct roster *roster, uint64_t *slot);

/* Nobody adds or removes any more and all words are removed: the segments, one at a time. */
struct roster_segment *thrum_roster_shed(struct roster *roster);

/* Walk: the next word that is there, 0 at the end. */
struct roster_at thrum_roster_walk(const struct roster *roster);
/* From the word after this slot on. */
struct roster_at thrum_roster_walk_from(const struct roster *roster, const uint64_t *slot);
uint64_t thrum_roster_next(struct roster_at *at);

/* Where the word stood that has been returned last. */
static inline const uint64_t *roster_slot(const struct roster_at *at)
{
    return &at->segment->slots[at->next - 1];
}

#endif
