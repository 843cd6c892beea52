/*
 * strand.h - what the task layer keeps of a fiber: its sleep, and its place in
 * the tree of fibers through which cancels find sleepers.
 *
 * A fiber hangs below the fiber on which the scope lives that its task was
 * started in. It is entered in one of that one's rosters when it first sleeps, and
 * stays until its task has ended: who sleeps again pays nothing. Compute-only
 * tasks are never entered.
 *
 * Strands stand beside their fibers and are as type-stable: whoever holds the
 * address of one may read it at any time, and learns from `life` and from the
 * key in `word` whether it still is what it was.
 */
#ifndef THRUM_TASK_STRAND_H
#define THRUM_TASK_STRAND_H

#include <thrum/scope.h>

#include "runtime/sched/timers.h"
#include "runtime/sched/worker.h"
#include "runtime/task/record.h"
#include "runtime/work/roster.h"

/*
 * Those that hang below a strand from one depth on: what is asleep below a
 * scope is found without a look at what is beside it. A strand's tiers are made
 * when somebody is first entered there, deepest first, and stay until its task
 * has ended.
 */
struct tier {
    struct roster roster;
    struct pool_item item;
    uint64_t shallower; /* atomic: struct tier * */
    uint64_t depth;     /* atomic: constant while it is in use */
};

/* Where a walk through all of them is. */
struct tier_at {
    struct tier *tier;
    struct roster_at at;
};

/* The first two fields share a line with the end of the fiber, the next five are one: a canceller
   that walks past touches these two lines only. */
struct strand {
    uint64_t word;        /* atomic: the sleep, see wait.c */
    uint64_t looked;      /* atomic, owner: the alert before the last look for cancels */
    uint64_t life;        /* atomic: tasks that have begun on this fiber */
    uint64_t parent;      /* atomic: struct strand *; valid once entered */
    uint64_t parent_life; /* atomic: valid once entered */
    uint64_t place;       /* atomic: see strand.c; valid once entered */
    uint64_t tiers;       /* atomic: struct tier *, those that hang below us */
    uint64_t tier;        /* atomic: struct tier *, ours in the parent; valid once entered */
    uint64_t base;        /* atomic: struct thrum_scope *, where the task was started */
    uint64_t slot;        /* atomic: uint64_t *, ours in the parent's roster; 0: not entered */
    struct timer timer;   /* of its sleep */
    struct record record; /* for the first task here that needs one */
    unsigned returns;     /* owner: level cancels returned without a sleep in between */
    uint64_t told;        /* atomic, owner: changes of the next three; odd: in one */
    uint64_t who;         /* atomic, owner: the task that waited last, and its kind; */
    uint64_t what;        /* atomic, owner: const struct wait_kind *, what for, */
    uint64_t object;      /* atomic, owner: and which */
    uint64_t joins;       /* atomic, owner: it waits for the end of a group or branch */
    struct thrum_generator *generator; /* owner: whose body runs, the innermost; or NULL */
    struct remains left;  /* owner: by an inline task that has just failed, until that is noted */
};

/* Who keeps a task waiting, in reports: add(blockers, task, "held by"), and 0: one who has gone. */
struct blockers {
    void (*add)(struct blockers *blockers, uint64_t task, const char *how);
};

/* What a task can wait for, in reports. Static. */
struct wait_kind {
    const char *what; /* "event"; its address follows, unless the next one says it all */
    /* NULL, or writes it. The object may be gone, unless `still`: then everybody sleeps. */
    void (*tell)(const void *object, bool still, char *text, size_t size);
    /* NULL, or calls add for each who keeps the strand waiting, if the object knows. All sleep. */
    void (*blockers)(const void *object, const struct strand *strand, struct blockers *blockers);
};

static inline struct strand *strand_of(const void *fiber)
{
    return fiber_above((struct fiber *)(uintptr_t)fiber);
}

static inline struct fiber *fiber_of(const struct strand *strand)
{
    return fiber_below(strand);
}

/* How many scopes the strand's own task has around this one, itself included; shields too. */
uint32_t thrum_scope_depth(const struct thrum_scope *scope);

/* Is the strand entered below `parent` in its `life`, so that a cancel from depth on reaches it? */
bool thrum_strand_below(const struct strand *strand, const struct strand *parent, uint64_t life,
                        uint32_t depth);

/* A task starts on the calling fiber, in this scope; it has ended. */
void thrum_strand_begin(struct strand *strand, struct thrum_scope *base);
void thrum_strand_end(struct strand *strand);

/* Walk those that hang below, from this depth on: the next one, NULL at the end. */
struct tier_at thrum_strand_walk(const struct strand *strand);
struct strand *thrum_strand_next(struct tier_at *at, uint32_t depth);
/* From behind this slot on. */
struct tier_at thrum_strand_walk_from(struct tier *tier, const uint64_t *slot);
/* What the running task is about to wait for. */
void thrum_strand_waits(struct strand *strand, const struct wait_kind *kind, const void *object);

/* Likewise, and it is the end of a group or a branch, for which it has no word; it is over. */
void thrum_strand_joins(struct strand *strand, const struct wait_kind *kind, const void *object);
void thrum_strand_joined(struct strand *strand);

#define WHO_NAMED ((uint64_t)4)
#define WHO_KIND ((uint64_t)7) /* what is not the task's address */

/* What a strand waits for. */
struct strand_sleep {
    uint64_t who;                 /* a task, its kind, and WHO_NAMED */
    const struct wait_kind *what; /* NULL: not known */
    const void *object;
};

/* Any thread. Does it sleep? Then what for. */
bool thrum_strand_sleep(const struct strand *strand, struct strand_sleep *sleep);

/* Enter it, and all above it. 0 or -ENOMEM. */
int thrum_strand_enter(struct strand *strand);

#endif
