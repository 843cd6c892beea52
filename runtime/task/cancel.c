/*
 * cancel.c - cancelling: marking a scope, and waking who sleeps below it.
 *
 *   mark     the scope counts one more cancel
 *   alert    all fibers will look before they start anything inline, and all
 *            that are about to sleep will look once more
 *   walk     everybody asleep below the scope is woken
 *
 * The walk goes through the tree of fibers (strand.c), never through anybody's
 * stack, and takes no lock: strands are type-stable, and each is fired at by
 * the key that was read before it was looked at. So a canceller that stops in
 * the middle delays nobody. It may wake one that was not meant, if that one
 * changes its place at the wrong moment: who is woken by a cancel looks whether
 * there is one, and sleeps on if not (thrum_cancel_deliver).
 *
 * Edges
 *   cancel.mark   mark -> sum          the cancel and its reason
 *   cancel.seen   alert <-> commit     one sees the other
 */
#include <thrum/detail/point.h>

#include "runtime/task/cancel.h"

#include <string.h>

#include "runtime/base/point.h"
#include "runtime/sched/lent.h"
#include "runtime/task/task.h"
#include "runtime/task/wait.h"
#include "runtime/task/walk.h"

void thrum_cancel_keep_reason(struct thrum_scope *scope, const thrum_reason *given)
{
    thrum_reason *reason = thrum_lent_get(sizeof *reason, 16);
    uint64_t none = 0;

    if (!reason)
        return;
    *reason = *given;
    /* MUTANT-OK acquire: what is there is not looked at */
    if (!cas_acq_rel(&scope->reason, &none, word_of(reason))) /* EDGE cancel.mark */
        thrum_lent_put(reason);
}

void thrum_cancel_explain(struct thrum_scope *scope, int code, const char *text, const char *file,
                          int line)
{
    thrum_reason reason = {.code = code, .file = file, .line = line};

    if (load_relaxed(&scope->reason)) /* relaxed: a hint */
        return;
    reason.task = thrum_lane_self()->fiber ? thrum_self() : 0;
    strncat(reason.text, text ? text : "", sizeof reason.text - 1);
    thrum_cancel_keep_reason(scope, &reason);
}

void thrum_cancel_mark(struct thrum_scope *scope, int code, const char *text, const char *file,
                       int line)
{
    thrum_cancel_explain(scope, code, text, file, line);
    POINT("cancel.mark");
    /* MUTANT-OK acquire: nothing is read that others wrote before their marks */
    add_acq_rel(&scope->cancels, 1); /* EDGE cancel.mark */
}

void thrum_reason_free(struct thrum_scope *scope)
{
    thrum_lent_put(pointer_of(load_relaxed(&scope->reason))); /* relaxed: nobody else is left */
    store_relaxed(&scope->reason, 0);                           /* relaxed: likewise */
}

/* ---- the spread ------------------------------------------------------------------------------ */

struct spread {
    const struct cancel_target *target;
    uint64_t alert;      /* who has looked since knows all about it */
    unsigned long woken; /* for who wants to know */
    struct walk walk;
};

static bool still_open(const struct spread *spread)
{
    const struct cancel_target *target = spread->target;

    /* MUTANT-OK acquire: a hint; who is woken for nothing sleeps on */
    return !target->word || load_acquire(target->word) == target->value; /* EDGE deadline.open */
}

/* Wake it, unless it has looked since. */
static void wake(struct spread *spread, struct strand *strand, const struct wait *wait)
{
    if (load_relaxed(&strand->looked) >= spread->alert) /* relaxed: goes with the key */
        return;
    POINT("cancel.fire");
    spread->woken += thrum_wait_fire(wait, WAIT_CANCELLED);
}

/* One that the walk has come to: wake it; true: there may be others below it. */
static bool visit(struct spread *spread, struct strand *strand, uint64_t *life)
{
    uint32_t from = walk_depth(&spread->walk) == 1 ? spread->target->depth : 0;
    struct wait wait;
    bool asleep = thrum_wait_of(strand, &wait);

    *life = load_acquire(&strand->life); /* EDGE strand.life */
    if (!thrum_walk_holds(&spread->walk, strand, from) || !still_open(spread))
        return false;
    if (asleep)
        wake(spread, strand, &wait);
    /* MUTANT-OK acquire: the walk that begins with it acquires it again */
    return load_acquire(&strand->tiers) != 0 && /* EDGE strand.tier */
           thrum_walk_stands_here(&spread->walk, strand);
}

static void spread_below(struct spread *spread)
{
    const struct cancel_target *target = spread->target;
    struct strand *strand;
    uint64_t life;

    thrum_walk_begin(&spread->walk, target->strand, target->life, target->depth);
    for (;;) {
        strand = thrum_walk_next(&spread->walk);
        POINT("cancel.walk");
        if (!strand && !spread->walk.lost)
            return;
        if (!strand) /* tasks have ended meanwhile: from the top; who was woken stays awake */
            thrum_walk_begin(&spread->walk, target->strand, target->life, target->depth);
        else if (visit(spread, strand, &life))
            thrum_walk_descend(&spread->walk, strand, life);
    }
}

/* The fiber on which the scope is: asleep inside it? */
static void visit_target(struct spread *spread)
{
    const struct cancel_target *target = spread->target;
    struct wait wait;

    if (!thrum_wait_of(target->strand, &wait))
        return;
    /* MUTANT-OK acquire: its sleep's fence has brought it; else somebody is woken for nothing */
    if (load_acquire(&target->strand->life) == target->life && still_open(spread)) /* EDGE
                                                                           strand.life */
        wake(spread, target->strand, &wait);
}

void thrum_cancel_spread(const struct cancel_target *target)
{
    struct scheduler *scheduler = fiber_of(target->strand)->home;
    struct spread spread = {.target = target};
    const struct worker *worker = thrum_worker_self();
    bool outside = !worker || worker->scheduler != scheduler;

    if (outside)
        thrum_scheduler_hold(scheduler);
    spread.alert = thrum_alert(scheduler);
    world_hide(scheduler->world); /* that they were woken tells them nothing; the mark does */
    visit_target(&spread);
    spread_below(&spread);
    world_show(scheduler->world);
    if (thrum_lane_self()->fiber)
        thrum_scope_look(); /* it may be ours: we start nothing inline without a look */
    if (outside)
        thrum_scheduler_release(scheduler);
}

void thrum_cancel_scope(struct thrum_scope *scope, int code, const char *text, const char *file,
                        int line)
{
    struct strand *strand = strand_of(scope->fiber);
    struct cancel_target target = {.strand = strand,
                                   .life = load_relaxed(&strand->life), /* relaxed: it is open */
                                   .depth = thrum_scope_depth(scope)};

    thrum_cancel_mark(scope, code, text, file, line);
    thrum_cancel_spread(&target);
}

void thrum_scope_cancel_at(thrum_scope *scope, int code, const char *text, const char *file,
                           int line)
{
    thrum_point_at(THRUM_POINT_RELEASE, scope);
    if (!scope->owner)
        thrum_panic("thrum_scope_cancel was called on a scope that is not open");
    thrum_cancel_scope(scope, code, text, file, line);
}
