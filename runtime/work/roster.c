/*
 * roster.c - free slots are a versioned stack (Treiber 1986) through the slots.
 *
 * Edges
 *   roster.word   add -> walk     what the word points to
 *   roster.free   remove -> add   the slot, and the links of a segment's slots
 *   roster.grow   grow -> walk    the segment's slots
 */
#include "runtime/work/roster.h"

#include "runtime/base/point.h"

#define FREE ((uint64_t)1)
#define AHEAD 8 /* slots; what the words point to is cold */

static uint64_t *slot_at(uint64_t word)
{
    return pointer_of(word & ~FREE);
}

uint64_t *thrum_roster_add(struct roster *roster, uint64_t word)
{
    thrum_pair seen;
    uint64_t *slot;

    seen.hi = load_acquire(&roster->free.hi); /* EDGE roster.free */
    /* MUTANT-OK acquire: the swap succeeds only with the version, acquired above */
    seen.lo = load_acquire(&roster->free.lo); /* EDGE roster.free */
    do {
        uint64_t next;

        slot = slot_at(seen.lo);
        if (!slot)
            return NULL;
        next = load_relaxed(slot); /* relaxed: void unless the swap succeeds */
        POINT("roster.add");
        /* MUTANT-OK release: it writes nothing of its own, and carries on what was released */
        if (cas_acq_rel_pair(&roster->free, &seen, ((thrum_pair){next & ~FREE, seen.hi + 1})))
            break; /* EDGE roster.free */
    } while (true);
    store_release(slot, word); /* EDGE roster.word */
    return slot;
}

/* Slots first..last, linked, become free. */
static void give(struct roster *roster, uint64_t *first, uint64_t *last)
{
    thrum_pair seen;

    seen.hi = load_relaxed(&roster->free.hi); /* relaxed: a guess */
    seen.lo = load_relaxed(&roster->free.lo); /* relaxed: a guess */
    do {
        store_relaxed(last, seen.lo | FREE); /* relaxed: the swap releases it */
        POINT("roster.remove");
        /* MUTANT-OK acquire: what it replaces is not looked at; its release is carried on */
    } while (!cas_acq_rel_pair(&roster->free, &seen,
                               ((thrum_pair){word_of(first), seen.hi + 1}))); /* EDGE roster.free */
}

void thrum_roster_remove(struct roster *roster, uint64_t *slot)
{
    give(roster, slot, slot);
}

uint64_t *thrum_roster_grow(struct roster *roster, struct roster_segment *segment, uint64_t word)
{
    uint64_t *slots = segment->slots;
    uint64_t seen;

    for (unsigned i = 1; i < ROSTER_SLOTS - 1; i++)
        store_relaxed(&slots[i], word_of(&slots[i + 1]) | FREE); /* relaxed: released below */
    store_relaxed(&slots[0], word);                              /* relaxed: released below */
    store_relaxed(&slots[ROSTER_SLOTS - 1], FREE);               /* relaxed: released below */
    seen = load_relaxed(&roster->segments);                      /* relaxed: a guess */
    do {
        store_relaxed(&segment->older, seen); /* relaxed: the swap releases it */
        /* MUTANT-OK acquire: what it replaces is not looked at; its release is carried on */
    } while (!cas_acq_rel(&roster->segments, &seen, word_of(segment))); /* EDGE roster.grow */
    POINT("roster.grow");
    give(roster, &slots[1], &slots[ROSTER_SLOTS - 1]);
    return &slots[0];
}

struct roster_segment *thrum_roster_shed(struct roster *roster)
{
    struct roster_segment *segment = pointer_of(load_relaxed(&roster->segments));
    /* relaxed: whoever added or removed has ended, and that was acquired */

    if (!segment)
        return NULL;
    store_relaxed(&roster->segments, load_relaxed(&segment->older)); /* relaxed: likewise */
    if (!load_relaxed(&roster->segments)) {                          /* relaxed: likewise */
        store_relaxed(&roster->free.lo, 0); /* relaxed: the version stays, who comes next swaps */
        /* MUTANT-OK release: who adds next happens after us */
        store_release(&roster->free.hi, load_relaxed(&roster->free.hi) + 1); /* EDGE roster.free */
    }
    return segment;
}

struct roster_at thrum_roster_walk(const struct roster *roster)
{
    struct roster_at at = {pointer_of(load_acquire(&roster->segments)), 0}; /* EDGE roster.grow */

    return at;
}

struct roster_at thrum_roster_walk_from(const struct roster *roster, const uint64_t *slot)
{
    struct roster_at at = thrum_roster_walk(roster);

    while (at.segment && !(slot >= at.segment->slots && slot < at.segment->slots + ROSTER_SLOTS))
        /* MUTANT-OK acquire: the newest has brought the older; what is lost brings nothing */
        at.segment = pointer_of(load_acquire(&at.segment->older)); /* EDGE roster.grow */
    if (at.segment)
        at.next = (unsigned)(slot - at.segment->slots) + 1;
    return at;
}

/* What the next words point to, and a line more: together, so that misses of the TLB overlap. */
static void prefetch(const struct roster_segment *segment, unsigned next)
{
    for (unsigned i = next; i < next + AHEAD && i < ROSTER_SLOTS; i++) {
        const char *at = pointer_of(load_relaxed(&segment->slots[i])); /* relaxed: a guess */

        __builtin_prefetch(at);
        __builtin_prefetch(at + CACHE_LINE);
    }
}

uint64_t thrum_roster_next(struct roster_at *at)
{
    while (at->segment) {
        while (at->next < ROSTER_SLOTS) {
            uint64_t word;

            if (at->next % AHEAD == 0)
                prefetch(at->segment, at->next);
            word = load_acquire(&at->segment->slots[at->next++]); /* EDGE roster.word */
            if (word && !(word & FREE))
                return word;
        }
        /* MUTANT-OK acquire: the newest has brought the older; what is lost brings nothing */
        at->segment = pointer_of(load_acquire(&at->segment->older)); /* EDGE roster.grow */
        at->next = 0;
    }
    return 0;
}
