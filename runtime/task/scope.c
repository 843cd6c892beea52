/*
 * scope.c - chains of scopes, and whether a cancel is to be delivered.
 *
 * Every scope counts how many times it was cancelled. A task's sum is over its
 * chain, from its innermost scope out to the nearest shield or the runtime. It
 * remembers the sum that it has seen; a cancel is deliverable iff the sum is
 * larger now. That needs no order between cancels: none can be missed or be
 * delivered twice, whichever comes first.
 *
 * What was seen is kept in the innermost shield of the task, else in its
 * record, else it is what its start scope's opener had seen when it opened it
 * (`base`; 0 if nothing in the chain was cancelled then). A delivery notes, in
 * each scope that the task has opened, how much of the sum is further out
 * (`seen`): that is what it goes on with when it leaves the scope.
 *
 * Requests that a task has taken back (`base` of its own scope counts them) are
 * still in the sums of those below it, some of whom have been told of them. They
 * are void: a sum is news only if it is larger than all that are void, too.
 *
 * The sum need not be taken while nothing is cancelled anywhere in the chain:
 * then the fiber has `heard` the scheduler's alert, and every cancel that
 * could concern it raises the alert. Otherwise it looks each time, at
 * suspensions and before inline starts.
 *
 * Edges
 *   cancel.mark    thrum_cancel_mark -> sum          the cancel and its reason
 *   cancel.void    forget -> sum                     as many cancels, at least
 *   cancel.seen    alert <-> wait's commit, checks   one sees the other
 *   record.made    record_get -> scope_outer         the record in the chain
 */
#include <thrum/detail/point.h>

#include "runtime/task/scope.h"

#include <errno.h>

#include "runtime/base/point.h"
#include "runtime/task/cancel.h"
#include "runtime/task/detect.h"
#include "runtime/task/locals.h"
#include "runtime/task/strand.h"
#include "runtime/task/task.h"
#include "runtime/task/timeout.h"

/* How many cancels a level style task may return from at once before it must let others run. */
#define RETURNS_MAX 16

uint32_t thrum_scope_cancels(const struct thrum_scope *scope)
{
    uint32_t cancels = load_acquire(&scope->cancels); /* EDGE cancel.mark */

    if (scope_flags(scope) & SCOPE_TASK)
        cancels += task_cancels(container_of(scope, const struct thrum_task, scope));
    if (scope_flags(scope) & SCOPE_TIMEOUT)
        cancels += thrum_deadline_expired((const thrum_timeout *)(const void *)scope);
    return cancels;
}

/* Requests that the task whose own scope it is has taken back. */
static uint64_t taken_back(const struct thrum_scope *scope)
{
    /* MUTANT-OK acquire: who misses a request for one taken back too early looks at its alert */
    return scope_flags(scope) & SCOPE_TASK ? load_acquire(&scope->base) : 0; /* EDGE cancel.void */
}

struct sum {
    uint64_t cancels;
    uint64_t taken_back; /* of these */
    bool level;
    const struct thrum_scope *shield; /* where it ends, or NULL */
};

static struct sum sum_from(const struct thrum_scope *scope)
{
    struct sum sum = {0, 0, false, NULL};
    uint32_t steps = 0;

    for (; scope && !(scope_flags(scope) & SCOPE_SHIELD); scope = scope_next(scope, &steps)) {
        uint64_t back = taken_back(scope); /* first, so that they are among those counted */
        uint32_t cancels = thrum_scope_cancels(scope);

        sum.taken_back += back;
        sum.cancels += cancels;
        sum.level |= cancels && (scope_flags(scope) & SCOPE_LEVEL);
    }
    sum.shield = scope;
    return sum;
}

/* Is there one that is not void, beyond what was seen? */
static bool is_news(const struct sum *sum, uint64_t seen)
{
    return sum->cancels > seen && sum->cancels > sum->taken_back;
}

/*
 * Was nothing cancelled in the chain, shields of this fiber notwithstanding? Tasks that start
 * in a scope around such a shield ask what its fiber has heard.
 */
static bool is_quiet(const struct sum *sum, const void *fiber)
{
    const struct thrum_scope *shield = sum->shield;
    struct sum outside;

    if (sum->cancels > sum->taken_back)
        return false;
    if (LIKELY(!shield || shield->fiber != fiber))
        return true;
    outside = sum_from(scope_outer(shield));
    return is_quiet(&outside, fiber);
}

static uint64_t base_of(const struct thrum_scope *scope)
{
    return scope_flags(scope) & SCOPE_BASE ? load_relaxed(&scope->base) : 0;
    /* relaxed: constant once the scope is known, but for thrum_scope_forget */
}

/* Where the task of this identity keeps what it has seen outside of `scope`; NULL: nowhere. */
static struct thrum_scope *keeper_from(struct thrum_scope *scope, const void *task)
{
    uint32_t steps = 0;

    for (; scope && scope_owner(scope) == task; scope = scope_next(scope, &steps))
        if (scope_flags(scope) & (SCOPE_SHIELD | SCOPE_RECORD))
            return scope;
    return NULL;
}

/* The start scope of the task whose chain begins here. */
static struct thrum_scope *start_from(struct thrum_scope *scope, const void *task)
{
    while (scope && scope_owner(scope) == task)
        scope = scope_outer(scope);
    return scope;
}

/*
 * What a task that starts in this scope has seen: what its opener had when it opened it. What
 * that one was told of since does not count: a fork that came before has not been told.
 */
static uint64_t seen_at_start(const struct thrum_scope *start)
{
    /* Of a task that has not been told yet; or nothing that can be cancelled. */
    while (start && scope_flags(start) & (SCOPE_TASK | SCOPE_LOCALS))
        start = scope_outer(start);
    return start && !(scope_flags(start) & SCOPE_SHIELD) ? base_of(start) : 0;
}

/* What that task has seen of the sum from `scope` on. */
static uint64_t seen_from(struct thrum_scope *scope, const void *task)
{
    struct thrum_scope *keeper = keeper_from(scope, task);

    if (keeper)
        return load_relaxed(&keeper->seen); /* relaxed: only its task writes it */
    return seen_at_start(start_from(scope, task));
}

uint64_t thrum_scope_seen_at_start(void)
{
    const struct thrum_lane *lane = thrum_lane_self();

    return seen_at_start(start_from(lane->scope, lane->current));
}

/* ---- opening and closing --------------------------------------------------------------------- */

static __attribute__((noreturn, cold)) void opened_again(void)
{
    thrum_panic("a group, scope, timeout or shield was opened that is open already");
}

void thrum_scope_ring(void)
{
    thrum_panic("a group was opened that was open already, and has become its own outer scope; "
                "close it before it is opened again (with THRUM_DETECT that is noticed at once)");
}

/* Is it among those that the running task has opened? */
static bool stands_open(const struct thrum_scope *scope, const struct thrum_lane *lane)
{
    const struct thrum_scope *here = lane->scope;
    uint32_t steps = 0;

    while (here && here != scope && scope_owner(here) == lane->current)
        here = scope_next(here, &steps);
    return here == scope;
}

void thrum_scope_push(struct thrum_scope *scope, uint32_t flags)
{
    struct thrum_lane *lane = thrum_lane_self();

    if (UNLIKELY(stands_open(scope, lane)))
        opened_again();
    scope->outer = word_of(lane->scope);
    scope->owner = word_of(lane->current);
    scope->fiber = lane->fiber;
    scope->cancels = 0;
    scope->flags = flags | SCOPE_BASE;
    scope->reason = 0;
    scope->seen = 0;
    scope->base = seen_from(lane->scope, lane->current);
    lane->scope = scope;
}

static NOINLINE void check(const struct thrum_scope *scope, const char *call)
{
    const struct thrum_lane *lane = thrum_lane_self();

    if (!thrum_worker_self())
        thrum_panic("%s was called outside a task", call);
    if (!scope->owner)
        thrum_panic("%s was called on what is not open; close it once", call);
    if (scope_owner(scope) != lane->current)
        thrum_panic("%s was called by a task that did not open it", call);
    if (lane->scope != scope && !thrum_locals_on(scope))
        thrum_panic("%s was called while something opened later is still open; "
                    "close in reverse order of opening", call);
}

void thrum_scope_check(const struct thrum_scope *scope, const char *call)
{
    const struct thrum_lane *lane = thrum_lane_self();

    if (UNLIKELY(lane->scope != scope) || UNLIKELY(scope_owner(scope) != lane->current))
        check(scope, call);
}

const char *thrum_scope_kind(const struct thrum_scope *scope)
{
    uint32_t flags = scope_flags(scope);

    return scope_is_group(scope)   ? "group"
           : flags & SCOPE_TIMEOUT ? "timeout"
           : flags & SCOPE_SHIELD  ? "shield"
                                   : "scope";
}

void thrum_scope_left_open(const struct thrum_scope *scope)
{
    const char *name = NULL;

    if (scope && !scope_is_group(scope))
        thrum_panic("a task ended and left a %s open; every begin needs its end on every path",
                    thrum_scope_kind(scope));
    if (scope && scope_flags(scope) & SCOPE_OPTIONS)
        name = container_of(scope, const struct thrum_group, scope)->name;
    thrum_panic("a task ended and left a group open%s%s; every thrum_group_open needs its "
                "thrum_group_close on every path",
                name ? ": " : "", name ? name : "");
}

static void deliver(void);

/*
 * What was delivered inside is to be delivered again: the scopes further out, up to the
 * keeper, have seen no more of what is outside of them than when they were opened.
 */
static void unsee(struct thrum_scope *scope, const struct thrum_scope *keeper)
{
    for (; scope != keeper; scope = scope_outer(scope))
        store_relaxed(&scope->seen, base_of(scope)); /* relaxed: only its task writes it */
}

static NOINLINE int pop(struct thrum_scope *scope, int status, int mine, bool again)
{
    struct thrum_lane *lane = thrum_lane_self();
    struct locals_node *locals = thrum_locals_lift(scope);
    struct thrum_scope *outer = scope_outer(scope);
    uint32_t own = thrum_scope_cancels(scope);
    struct sum sum = sum_from(outer);
    uint64_t before = base_of(scope);
    struct thrum_scope *keeper = keeper_from(outer, lane->current);

    if (keeper && again) {
        unsee(outer, keeper);
        store_relaxed(&keeper->seen, before); /* relaxed: only its task writes it */
    } else if (keeper && (scope_flags(scope) & SCOPE_SEEN)) {
        store_relaxed(&keeper->seen, load_relaxed(&scope->seen)); /* relaxed: likewise */
    }
    lane->scope = outer;
    scope->owner = 0;
    if (status == THRUM_ECANCELED && own && !is_news(&sum, before) && !sum.level)
        status = mine;
    else if (status == THRUM_ECANCELED && !again && is_news(&sum, seen_from(outer, lane->current)))
        deliver(); /* the status tells of it */
    thrum_locals_lower(locals);
    if (own || sum.cancels || lane->stack_limit == UINTPTR_MAX)
        thrum_scope_look();
    return status;
}

/*
 * Nothing is cancelled that this fiber has not looked at, and what it has seen is as before. (Of a
 * cancel that comes meanwhile it hears, and finds that it was for a scope that is closed.)
 */
static inline bool pops_quietly(const struct thrum_lane *lane, const struct thrum_scope *scope)
{
    const struct fiber *fiber = lane->fiber;

    /* relaxed: as in thrum_cancel_check */
    return load_relaxed(&fiber->heard) == load_relaxed(&fiber->home->alert) && /* relaxed: above */
           lane->stack_limit != UINTPTR_MAX && !(scope_flags(scope) & SCOPE_SEEN);
}

int thrum_scope_pop(struct thrum_scope *scope, int status, int mine, bool again)
{
    struct thrum_lane *lane = thrum_lane_self();

    if (UNLIKELY(lane->scope != scope) || status == THRUM_ECANCELED || again ||
        !pops_quietly(lane, scope))
        return pop(scope, status, mine, again);
    lane->scope = scope_outer(scope);
    scope->owner = 0;
    return status;
}

bool thrum_scope_start_cancelled(struct thrum_scope *scope)
{
    struct sum sum = sum_from(scope);

    return is_news(&sum, seen_at_start(scope));
}

/* ---- looking and delivering ------------------------------------------------------------------ */

/*
 * The chain of a fiber: has it been cancelled? Sets what the fiber has heard:
 * the alert read before the look, if there was nothing at all (is_quiet).
 */
static bool look(struct strand *strand, struct thrum_scope *scope, const void *task,
                 uint64_t *heard)
{
    uint64_t alert = load_acquire(&fiber_of(strand)->home->alert); /* EDGE cancel.seen */
    struct sum sum = sum_from(scope);

    POINT("scope.looked");
    store_relaxed(&strand->looked, alert); /* relaxed: read with the sleep's key */
    *heard = !is_quiet(&sum, fiber_of(strand)) || (detecting() && thrum_detects()) ? 0 : alert;
    return sum.cancels && (sum.level || is_news(&sum, seen_from(scope, task)));
}

void thrum_scope_look(void)
{
    const struct thrum_lane *lane = thrum_lane_self();
    uint64_t heard;

    look(strand_of(lane->fiber), lane->scope, lane->current, &heard);
    thrum_heard(heard);
}

bool thrum_scope_look_for(struct fiber *fiber)
{
    uint64_t heard;
    bool found = look(strand_of(fiber), fiber->scope, fiber->current, &heard);

    store_relaxed(&fiber->heard, heard); /* relaxed: only who runs it, or puts it to sleep */
    return found;
}

void thrum_scope_reason(const struct thrum_scope *scope, thrum_reason *reason)
{
    for (; scope && !(scope_flags(scope) & SCOPE_SHIELD); scope = scope_outer(scope)) {
        if (thrum_scope_cancels(scope) == taken_back(scope))
            continue;
        /* MUTANT-OK acquire: it is compared only */
        if (scope_flags(scope) & SCOPE_TIMEOUT && load_acquire(&scope->cancels) == 0) {
            *reason = (thrum_reason){.code = THRUM_ETIMEOUT, .text = "the timeout expired"};
        } else {
            const thrum_reason *given = pointer_of(load_acquire(&scope->reason));
            /* EDGE cancel.mark */

            if (given)
                *reason = *given;
        }
        return;
    }
}

/* Can the task close this scope, so that `seen` counts? */
static bool can_close(const struct thrum_scope *scope)
{
    return !(scope_flags(scope) & (SCOPE_RECORD | SCOPE_TASK | SCOPE_LOCALS));
}

/* The running task is told of all that is cancelled in its chain. */
static void deliver(void)
{
    const struct thrum_lane *lane = thrum_lane_self();
    const void *task = lane->current;
    bool recorded = thrum_record_find() != NULL;
    struct record *record = thrum_record_get(); /* it becomes part of the chain */
    struct thrum_scope *keeper = keeper_from(lane->scope, task);
    struct thrum_scope *scope;
    uint64_t sum = 0, inside = 0;

    for (scope = lane->scope; scope && !(scope_flags(scope) & SCOPE_SHIELD);
         scope = scope_outer(scope)) {
        uint32_t cancels = thrum_scope_cancels(scope);

        sum += cancels;
        if (record && scope == &record->scope)
            inside = sum;
        if (scope_owner(scope) != task)
            continue;
        if (scope_flags(scope) & SCOPE_TASK) /* its own: see thrum_scope_forget */
            store_relaxed(&scope->seen, cancels); /* relaxed: only its task writes it */
        else if (can_close(scope))
            store_relaxed(&scope->seen, sum); /* relaxed: likewise */
    }
    for (scope = lane->scope; scope && scope_owner(scope) == task; scope = scope_outer(scope)) {
        if (scope_flags(scope) & SCOPE_SHIELD)
            break;
        if (!can_close(scope))
            continue;
        store_relaxed(&scope->seen, sum - load_relaxed(&scope->seen)); /* relaxed: likewise */
        store_relaxed(&scope->flags, scope_flags(scope) | SCOPE_SEEN); /* relaxed: likewise */
    }
    if (keeper)
        store_relaxed(&keeper->seen, sum); /* relaxed: likewise */
    if (record) {
        if (!recorded && keeper == &record->scope) /* nothing has been forked in it yet */
            store_relaxed(&record->scope.base, sum - inside); /* relaxed: likewise */
        record->delivered = true;
        thrum_scope_reason(lane->scope, &record->reason);
        if (detecting())
            thrum_detect_delivered(record);
    }
}

bool thrum_scope_cancelled_from(struct thrum_scope *scope)
{
    struct sum sum = sum_from(scope);

    return is_news(&sum, seen_at_start(start_from(scope, thrum_lane_self()->current)));
}

bool thrum_scope_level(void)
{
    return sum_from(thrum_lane_self()->scope).level;
}

/* The running task has seen so many more, which it took back, of what is outside of `scope`. */
static void see_more(struct thrum_scope *scope, uint32_t more)
{
    uint32_t flags = scope_flags(scope);

    if (flags & (SCOPE_SEEN | SCOPE_RECORD))
        store_relaxed(&scope->seen, load_relaxed(&scope->seen) + more); /* relaxed: only its */
    if (flags & SCOPE_BASE)                                             /* task writes it */
        store_relaxed(&scope->base, load_relaxed(&scope->base) + more); /* relaxed: likewise */
}

void thrum_scope_forget(struct thrum_scope *own, uint32_t cancels)
{
    const struct thrum_lane *lane = thrum_lane_self();
    uint32_t pending = cancels - (uint32_t)load_relaxed(&own->seen); /* relaxed: only we write it */
    struct thrum_scope *outside;

    if (pending == 0)
        return;
    (void)thrum_record_get(); /* it keeps what we have seen */
    outside = lane->scope;
    for (struct thrum_scope *scope = outside; scope != own; scope = scope_outer(scope))
        if (scope_flags(scope) & SCOPE_SHIELD)
            outside = scope_outer(scope);
    for (; outside != own; outside = scope_outer(outside))
        see_more(outside, pending);
    store_relaxed(&own->seen, cancels);                             /* relaxed: only we write it */
    /* MUTANT-OK release: as in taken_back */
    store_release(&own->base, load_relaxed(&own->base) + pending); /* EDGE cancel.void */
    thrum_scope_look();
}

int thrum_cancel_deliver(void)
{
    const struct thrum_lane *lane = thrum_lane_self();
    struct strand *strand = strand_of(lane->fiber);
    uint64_t heard;
    bool found;

    check_task_runs();
    found = look(strand, lane->scope, lane->current, &heard);

    if (found)
        deliver();
    if (detecting())
        thrum_detect_looked(found);
    thrum_heard(heard);
    return found ? THRUM_ECANCELED : 0;
}

int thrum_cancel_check(void)
{
    const struct thrum_lane *lane = thrum_lane_self();
    const struct fiber *fiber = lane->fiber;
    int status;

    if (LIKELY(load_relaxed(&fiber->heard) == load_relaxed(&fiber->home->alert)))
        return 0; /* relaxed: whoever must be seen happened before; others are seen later */
    status = thrum_cancel_deliver();
    if (status && ++strand_of(fiber)->returns >= RETURNS_MAX) {
        strand_of(fiber)->returns = 0;
        thrum_give_way(); /* it does not listen: others shall run all the same */
    }
    return status;
}

/* ---- the public side ------------------------------------------------------------------------- */

void thrum_check_inside(const char *call)
{
    if (UNLIKELY(!thrum_lane_self()->fiber) && !thrum_worker_self())
        thrum_panic("%s was called outside a task; start one with thrum_run", call);
    check_task_runs();
}

int thrum_scope_begin(thrum_scope *scope, unsigned flags)
{
    thrum_check_inside("thrum_scope_begin");
    if (flags & ~THRUM_LEVEL)
        return -EINVAL;
    thrum_scope_push(scope, SCOPE_PLAIN | flags);
    return 0;
}

int thrum_scope_end(thrum_scope *scope, int status)
{
    thrum_scope_check(scope, "thrum_scope_end");
    status = thrum_scope_pop(scope, status, 0, false);
    thrum_reason_free(scope);
    return status;
}

bool thrum_scope_cancelled(const thrum_scope *scope)
{
    return thrum_scope_cancels(scope) != 0;
}

void thrum_shield_begin(thrum_shield *shield)
{
    thrum_check_inside("thrum_shield_begin");
    thrum_scope_push(&shield->scope, SCOPE_SHIELD);
    thrum_scope_look();
}

int thrum_shield_end(thrum_shield *shield)
{
    struct locals_node *locals;

    thrum_scope_check(&shield->scope, "thrum_shield_end");
    locals = thrum_locals_lift(&shield->scope);
    thrum_lane_self()->scope = scope_outer(&shield->scope);
    shield->scope.owner = 0;
    thrum_locals_lower(locals);
    return thrum_cancel_deliver();
}

int thrum_checkpoint(void)
{
    thrum_point_at(THRUM_POINT_HERE, NULL);
    if (UNLIKELY(!thrum_worker_self()))
        thrum_check_inside("thrum_checkpoint");
    thrum_spend(); /* these two see a function of thrum_task_on_end's, soon enough */
    return thrum_cancel_check();
}

bool thrum_cancel_pending(void)
{
    const struct thrum_lane *lane = thrum_lane_self();
    uint64_t heard;

    thrum_point_at(THRUM_POINT_HERE, NULL);
    thrum_check_inside("thrum_cancel_pending");
    return look(strand_of(lane->fiber), lane->scope, lane->current, &heard);
}

int thrum_cancel_reason(thrum_reason *reason)
{
    const struct record *record;

    thrum_check_inside("thrum_cancel_reason");
    record = thrum_record_find();
    if (!record || !record->delivered)
        return -ENOENT;
    *reason = record->reason;
    return 0;
}
