/*
 * walk.h - a walk through the tree of fibers (strand.h), from one of them
 * downwards, while tasks start and end.
 *
 *     thrum_walk_begin(&walk, strand, life, 0);
 *     while ((strand = thrum_walk_next(&walk)) != NULL)
 *         if (it is of interest)
 *             thrum_walk_descend(&walk, strand, its life);
 *     walk.lost: the tree has changed so that the walk cannot go on
 *
 * It needs no memory but its own, however deep the tree is: of the way back it
 * remembers so much, and asks further up. It takes no lock. What it comes to
 * may be something else already: thrum_walk_holds says whether it hangs there.
 */
#ifndef THRUM_TASK_WALK_H
#define THRUM_TASK_WALK_H

#include "runtime/task/strand.h"

#ifndef WALK_LEVELS
#define WALK_LEVELS 32 /* how many fibers deep the way back is remembered */
#endif

struct walk_level {
    struct strand *strand;
    uint64_t life;
    struct tier_at at;
};

struct walk {
    unsigned depth; /* levels below the first strand */
    unsigned known; /* levels from here to `depth` are remembered */
    uint32_t from;  /* how deep those hang at the least that are directly below the first */
    bool lost;
    struct walk_level levels[WALK_LEVELS];
};

/* Below this strand, in this life of it; and of those that hang there from this depth on. */
void thrum_walk_begin(struct walk *walk, struct strand *strand, uint64_t life, uint32_t depth);

/* The next one; NULL: that was all, or the walk is lost. */
struct strand *thrum_walk_next(struct walk *walk);

/* Go on below the one that was returned last, in this life of it. */
void thrum_walk_descend(struct walk *walk, struct strand *strand, uint64_t life);

/* How far below the first one that was is which was returned last; from 1. */
static inline unsigned walk_depth(const struct walk *walk)
{
    return walk->depth + 1;
}

/*
 * Is this where it is entered? It may stand in a second place as well, until who has entered it
 * too late has taken it out again. Who descended there might come back to its first place, and
 * again to its second. Whoever sleeps below it knows its place, and so do we, if a full fence
 * lies between his sleep and our look.
 */
bool thrum_walk_stands_here(const struct walk *walk, const struct strand *strand);

/* Does it hang where the walk is, inside of a scope that deep? (See thrum_strand_below.) */
bool thrum_walk_holds(const struct walk *walk, const struct strand *strand, uint32_t depth);

#endif
