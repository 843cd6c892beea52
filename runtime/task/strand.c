/*
 * strand.c - the tree of fibers through which cancels find sleepers.
 *
 * `place` says where below its parent a strand hangs: in the upper half how
 * many scopes the parent's task has around the scope in which ours was started
 * (its depth, itself and shields included), in the lower half the depth of the
 * innermost shield among them, 0 if there is none. A cancel from depth d on
 * reaches it if d <= depth, and if no shield stands in between: shield < d.
 *
 * A strand may be entered by its own task, and by any below it, at once: each
 * takes a slot, and who comes second gives his back.
 *
 * Edges
 *   strand.tier    enter -> walk    the tier, and those further out
 *   strand.enter   enter -> walk    where the strand hangs
 *   strand.life    begin -> walk    the fields of an earlier life are gone
 *   strand.way     enter -> walk    the life in which this is the way up
 *   strand.told    waits -> sleep   who waits, and what for: a sequence lock (Boehm 2012)
 */
#include "runtime/task/strand.h"

#include <thrum/fault.h>

#include <errno.h>

#include "runtime/base/point.h"
#include "runtime/task/scope.h"
#include "runtime/task/slab.h"
#include "runtime/task/task.h"
#include "runtime/task/wait.h"

/* Records and what holds locals are not counted: they come and go in the middle of a chain. */
static bool counts(const struct thrum_scope *scope)
{
    return !(scope_flags(scope) & (SCOPE_RECORD | SCOPE_LOCALS));
}

uint32_t thrum_scope_depth(const struct thrum_scope *scope)
{
    const void *fiber = scope->fiber;
    uint32_t depth = 0, steps = 0;

    for (; scope && scope->fiber == fiber; scope = scope_next(scope, &steps))
        depth += counts(scope);
    return depth;
}

/* Depth of the innermost shield around a scope on its own fiber. */
static uint32_t shield_depth(const struct thrum_scope *scope)
{
    const void *fiber = scope->fiber;
    uint32_t steps = 0;

    for (; scope && scope->fiber == fiber; scope = scope_next(scope, &steps))
        if (scope_flags(scope) & SCOPE_SHIELD)
            return thrum_scope_depth(scope);
    return 0;
}

bool thrum_strand_below(const struct strand *strand, const struct strand *parent, uint64_t life,
                        uint32_t depth)
{
    uint64_t place = load_relaxed(&strand->place); /* relaxed: the caller's key says if it counts */

    return load_relaxed(&strand->parent) == word_of(parent) && /* relaxed: likewise */
           load_relaxed(&strand->parent_life) == life &&       /* relaxed: likewise */
           depth <= place >> 32 && ((uint32_t)place < depth || (uint32_t)place == 0);
}

void thrum_strand_begin(struct strand *strand, struct thrum_scope *base)
{
    uint64_t life = load_relaxed(&strand->life) + 1; /* relaxed: only who runs it writes it */

    store_relaxed(&strand->slot, 0);             /* relaxed: released by the life */
    store_relaxed(&strand->parent, 0);           /* relaxed: likewise */
    store_relaxed(&strand->looked, 0);           /* relaxed: likewise */
    store_relaxed(&strand->base, word_of(base)); /* relaxed: likewise */
    strand->returns = 0;
    store_release(&strand->life, life); /* EDGE strand.life */
}

static struct tier *tier_of(uint64_t word)
{
    return pointer_of(word);
}

static void tier_free(struct tier *tier)
{
    struct roster_segment *segment;

    while ((segment = thrum_roster_shed(&tier->roster)) != NULL)
        thrum_slab_put(SLAB_SEGMENT, segment);
    thrum_slab_put(SLAB_TIER, tier);
}

static void leave(struct strand *strand)
{
    /* MUTANT-OK acquire: who entered us has ended, and that was acquired */
    uint64_t slot = load_acquire(&strand->slot); /* EDGE strand.enter: who entered us has ended */
    struct tier *tier;

    if (slot) {
        POINT("strand.leave");
        tier = tier_of(load_relaxed(&strand->tier)); /* relaxed: as above */
        thrum_roster_remove(&tier->roster, pointer_of(slot));
    }
    while ((tier = tier_of(load_relaxed(&strand->tiers))) != NULL) { /* relaxed: all have ended */
        store_relaxed(&strand->tiers, load_relaxed(&tier->shallower)); /* relaxed: likewise */
        tier_free(tier);
    }
}

void thrum_strand_end(struct strand *strand)
{
    const struct world *world = fiber_of(strand)->home->world;

    world_hide(world);
    leave(strand);
    world_show(world);
}

/* ---- tiers ----------------------------------------------------------------------------------- */

/* The link behind which the tier of this depth stands, or is to stand. */
static uint64_t *place_for(struct strand *strand, uint32_t depth)
{
    uint64_t *link = &strand->tiers;
    struct tier *tier;

    /* MUTANT-OK acquire: tier_get reads the link again, and its swap fails if it was an old one */
    while ((tier = tier_of(load_acquire(link))) != NULL && /* EDGE strand.tier */
           load_relaxed(&tier->depth) > depth)             /* relaxed: came with the link */
        link = &tier->shallower;
    return link;
}

/* The strand's tier of this depth, made if need be; NULL: out of memory. Any task below it. */
static struct tier *tier_get(struct strand *strand, uint32_t depth)
{
    struct tier *made = NULL;

    for (;;) {
        uint64_t *link = place_for(strand, depth);
        uint64_t next = load_acquire(link); /* EDGE strand.tier */

        if (next && load_relaxed(&tier_of(next)->depth) > depth) /* relaxed: came with the link */
            continue; /* somebody was faster, and deeper */
        if (next && load_relaxed(&tier_of(next)->depth) == depth) { /* relaxed: likewise */
            if (made)
                thrum_slab_put(SLAB_TIER, made);
            return tier_of(next);
        }
        if (!made)
            made = thrum_slab_get(SLAB_TIER);
        if (!made)
            return NULL;
        store_relaxed(&made->depth, depth);    /* relaxed: released below */
        store_relaxed(&made->shallower, next); /* relaxed: likewise */
        POINT("strand.tier");
        /* MUTANT-OK acquire: what it replaces was acquired above; if it fails, it is read again */
        if (cas_acq_rel(link, &next, word_of(made))) /* EDGE strand.tier */
            return made;
    }
}

static struct tier_at at_tier(struct tier *tier)
{
    struct tier_at at = {.tier = tier};

    if (tier)
        at.at = thrum_roster_walk(&tier->roster);
    return at;
}

struct tier_at thrum_strand_walk(const struct strand *strand)
{
    return at_tier(tier_of(load_acquire(&strand->tiers))); /* EDGE strand.tier */
}

struct tier_at thrum_strand_walk_from(struct tier *tier, const uint64_t *slot)
{
    return (struct tier_at){tier, thrum_roster_walk_from(&tier->roster, slot)};
}

struct strand *thrum_strand_next(struct tier_at *at, uint32_t depth)
{
    while (at->tier && load_relaxed(&at->tier->depth) >= depth) { /* relaxed: came with the link */
        struct strand *strand = pointer_of(thrum_roster_next(&at->at));

        if (strand)
            return strand;
        *at = at_tier(tier_of(load_acquire(&at->tier->shallower))); /* EDGE strand.tier */
    }
    return NULL;
}

/* ---- entering -------------------------------------------------------------------------------- */

static uint64_t *slot_get(struct tier *tier, const struct strand *strand)
{
    uint64_t *slot = thrum_roster_add(&tier->roster, word_of(strand));
    struct roster_segment *segment;

    if (slot)
        return slot;
    segment = thrum_slab_get(SLAB_SEGMENT);
    return segment ? thrum_roster_grow(&tier->roster, segment, word_of(strand)) : NULL;
}

void thrum_strand_waits(struct strand *strand, const struct wait_kind *kind, const void *object)
{
    const struct thrum_child *child = thrum_lane_self()->current;
    uint64_t told = load_relaxed(&strand->told); /* relaxed: only we write it */
    uint64_t who = word_of(child) | kind_of(child);

    if (kind_of(child) == KIND_TASK && container_of(child, const struct thrum_task, child)->name[0])
        who |= WHO_NAMED;
    store_relaxed(&strand->told, told + 1);          /* relaxed: released below */
    store_release(&strand->who, who);                /* EDGE strand.told */
    store_release(&strand->what, word_of(kind));     /* EDGE strand.told */
    store_release(&strand->object, word_of(object)); /* EDGE strand.told */
    store_release(&strand->told, told + 2);          /* EDGE strand.told */
}

void thrum_strand_joins(struct strand *strand, const struct wait_kind *kind, const void *object)
{
    thrum_strand_waits(strand, kind, object);
    store_relaxed(&strand->joins, 1); /* relaxed: a hint; who is at rest has been acquired */
}

void thrum_strand_joined(struct strand *strand)
{
    store_relaxed(&strand->joins, 0); /* relaxed: likewise */
}

bool thrum_strand_sleep(const struct strand *strand, struct strand_sleep *sleep)
{
    uint64_t told = load_acquire(&strand->told); /* EDGE strand.told */

    if (!thrum_wait_asleep(strand) && !load_relaxed(&strand->joins)) /* relaxed: likewise */
        return false;
    sleep->who = load_acquire(&strand->who);                  /* EDGE strand.told */
    sleep->what = pointer_of(load_acquire(&strand->what));     /* EDGE strand.told */
    sleep->object = pointer_of(load_acquire(&strand->object)); /* EDGE strand.told */
    return !(told & 1) && load_relaxed(&strand->told) == told; /* relaxed: those above acquire */
}

/* Enter one whose parent is entered. */
static int enter(struct strand *strand, struct strand *parent, const struct thrum_scope *base)
{
    uint32_t depth = thrum_scope_depth(base);
    struct tier *tier = thrum_fault(THRUM_FAULT_MEMORY) ? NULL : tier_get(parent, depth);
    uint64_t *slot;
    uint64_t none = 0;

    if (!tier)
        return -ENOMEM;
    /* Several may do this at once, and write the same. The parent lives as long as we. */
    store_release(&strand->parent_life, load_relaxed(&parent->life)); /* EDGE strand.way */
    store_relaxed(&strand->place, (uint64_t)depth << 32 | shield_depth(base)); /* relaxed: released
                                                                                  below */
    store_release(&strand->tier, word_of(tier)); /* EDGE strand.way */
    store_release(&strand->parent, word_of(parent)); /* EDGE strand.way */
    POINT("strand.enter");
    slot = slot_get(tier, strand);
    if (!slot)
        return -ENOMEM;
    POINT("strand.entered");
    /* MUTANT-OK acquire: the fence of the sleep that comes next acquires it */
    if (!cas_acq_rel(&strand->slot, &none, word_of(slot))) /* EDGE strand.enter */
        thrum_roster_remove(&tier->roster, slot);
    return 0;
}

static struct strand *parent_of(const struct strand *strand)
{
    const struct thrum_scope *base = pointer_of(load_relaxed(&strand->base));
    /* relaxed: it was written before we were started */

    return base ? strand_of(base->fiber) : NULL;
}

static int enter_all(struct strand *strand)
{
    /* MUTANT-OK acquire: the fence of the sleep that comes next acquires it */
    while (!load_acquire(&strand->slot)) { /* EDGE strand.enter */
        struct strand *highest = strand;
        struct strand *parent = parent_of(strand);
        int err;

        if (!parent)
            return 0; /* the runtime's own */
        for (struct strand *above; (above = parent_of(parent)) != NULL &&
                                   /* MUTANT-OK acquire: as above */
                                   !load_acquire(&parent->slot);) { /* EDGE strand.enter */
            highest = parent;
            parent = above;
        }
        err = enter(highest, parent, pointer_of(load_relaxed(&highest->base))); /* relaxed: as
                                                                                   above */
        if (err)
            return err;
    }
    return 0;
}

int thrum_strand_enter(struct strand *strand)
{
    const struct world *world = fiber_of(strand)->home->world;
    int err;

    world_hide(world);
    err = enter_all(strand);
    world_show(world);
    return err;
}
