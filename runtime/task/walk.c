/* walk.c - through the tree of fibers: see walk.h. */
#include "runtime/task/walk.h"

static struct walk_level *level_at(struct walk *walk)
{
    return &walk->levels[walk->depth % WALK_LEVELS];
}

void thrum_walk_begin(struct walk *walk, struct strand *strand, uint64_t life, uint32_t depth)
{
    walk->from = depth;
    walk->depth = 0;
    walk->known = 0;
    walk->lost = false;
    walk->levels[0] = (struct walk_level){strand, life, thrum_strand_walk(strand)};
}

void thrum_walk_descend(struct walk *walk, struct strand *strand, uint64_t life)
{
    walk->depth++;
    if (walk->depth - walk->known >= WALK_LEVELS)
        walk->known = walk->depth - WALK_LEVELS + 1;
    *level_at(walk) = (struct walk_level){strand, life, thrum_strand_walk(strand)};
}

bool thrum_walk_holds(const struct walk *walk, const struct strand *strand, uint32_t depth)
{
    const struct walk_level *level = &walk->levels[walk->depth % WALK_LEVELS];

    return thrum_strand_below(strand, level->strand, level->life, depth);
}

bool thrum_walk_stands_here(const struct walk *walk, const struct strand *strand)
{
    const struct walk_level *level = &walk->levels[walk->depth % WALK_LEVELS];

    return load_relaxed(&strand->slot) == word_of(roster_slot(&level->at.at)); /* relaxed: see
                                                                                  walk.h */
}

/* The way up has been overwritten: `done`, which we have finished, knows it, if it still lives. */
static bool ask_the_way(struct walk *walk, const struct walk_level *done)
{
    const struct strand *strand = done->strand;
    struct strand *parent = pointer_of(load_acquire(&strand->parent)); /* EDGE strand.way */
    uint64_t life = load_acquire(&strand->parent_life);                /* EDGE strand.way */
    const uint64_t *slot = pointer_of(load_acquire(&strand->slot));    /* EDGE strand.enter */
    struct tier *tier = pointer_of(load_acquire(&strand->tier));       /* EDGE strand.way */

    /* MUTANT-OK acquire: it is read last, to be compared */
    if (load_acquire(&strand->life) != done->life || !parent || !slot) /* EDGE strand.life */
        return false;
    *level_at(walk) = (struct walk_level){parent, life, thrum_strand_walk_from(tier, slot)};
    return true;
}

static bool ascend(struct walk *walk)
{
    struct walk_level done = *level_at(walk);

    walk->depth--;
    if (walk->depth >= walk->known)
        return true;
    walk->known = walk->depth;
    walk->lost = !ask_the_way(walk, &done);
    return !walk->lost;
}

struct strand *thrum_walk_next(struct walk *walk)
{
    for (;;) {
        uint32_t from = walk->depth == 0 ? walk->from : 0;
        struct strand *strand = thrum_strand_next(&level_at(walk)->at, from);

        if (strand)
            return strand;
        if (walk->depth == 0 || !ascend(walk))
            return NULL;
    }
}
