/*
 * cancel_model.c - cancelling in the explorer: cancel.c, strand.c, scope.c,
 * wait.c, waiters.c, timeout.c, record.c of runtime/task, with real rosters and
 * events, walks that remember one fiber of their way, and rosters of three.
 *
 * A tree of tasks: `top` has a scope and in it a group, in which the victims
 * start; cancellers are other threads. The rest is world.h's.
 *
 * Oracles: who is below the cancelled scope is told, or does not start; who is
 * not, is not; each once; with the reason; by a sleep that ends once, after the
 * fiber has left its stack. Who is never told sleeps for ever, which the
 * explorer calls a deadlock. What stood on a stack is not touched any more.
 */
#include "runtime/task/walk.h"
#include "tests/model/world.h"

static thrum_event never, event, second;
static bool joined;   /* what is waited for are joins, the first by task 0, the second by task 1 */
static uint32_t step; /* atomic: what threads wait for from each other */

static struct walk walk;    /* plain */
static thrum_scope scope;   /* of top: what is cancelled */
static thrum_scope inner;   /* of top, inside the group */
static thrum_shield shield; /* of top, around the group */
static thrum_group group;   /* of top */
static thrum_group below;   /* of middle, who is a child of top */
static thrum_group far;     /* of elsewhere */
static thrum_group deeper;  /* of top, inside the group and a scope */

thrum_time thrum_in(int64_t duration)
{
    return (thrum_time){duration};
}

/* ---- beginnings ------------------------------------------------------------------------------ */

static void begin(void)
{
    begin_world();
    never = event = second = (thrum_event)THRUM_EVENT_INIT;
    step = 0;
    joined = false;
    model_name(&scope.cancels, "cancels");
}

static void begin_top(bool with_shield, bool with_inner)
{
    begin();
    start_in(TOP, &root);
    enter_thread(TOP);
    MODEL_CHECK(thrum_scope_begin(&scope, 0) == 0);
    if (with_shield)
        thrum_shield_begin(&shield);
    thrum_scope_look();
    open_in(TOP, &group);
    enter_thread(TOP);
    if (with_inner)
        MODEL_CHECK(thrum_scope_begin(&inner, 0) == 0);
    enter_thread(-1);
}

/* Threads 0 and 1 are victims that have started, and have heard all. */
static void begin_two(void)
{
    begin_top(false, false);
    for (int i = 0; i < 2; i++) {
        start_in(i, &group.scope);
        hear(i);
    }
}

static void begin_unstarted(void)
{
    begin_top(false, false);
}

/* Their place is known before. */
static void begin_entered(void)
{
    begin_two();
    for (int i = 0; i < 2; i++)
        MODEL_CHECK(thrum_strand_enter(&places[i].strand) == 0);
}

static void begin_inner(void)
{
    begin_top(false, true);
    for (int i = 0; i < 2; i++)
        start_in(i, &group.scope);
}

static void begin_shield(void)
{
    begin_top(true, false);
    for (int i = 0; i < 2; i++)
        start_in(i, &group.scope);
}

/* Both hang below a middle one, which is not entered yet. */
static void begin_deep(void)
{
    begin_top(false, false);
    start_in(MIDDLE, &group.scope);
    open_in(MIDDLE, &below);
    for (int i = 0; i < 2; i++)
        start_in(i, &below.scope);
}

/* Not in its first life, as top is. */
static void begin_elsewhere(void)
{
    start_in(ELSEWHERE, &root);
    start_in(ELSEWHERE, &root);
    open_in(ELSEWHERE, &far);
}

static void begin_lives(void)
{
    begin_entered();
    begin_elsewhere();
}

/* Thread 0 has a child in thread 1 and ends after it; thread 2 comes after them on the way. */
static void begin_ways(void)
{
    begin_top(false, false);
    begin_elsewhere();
    start_in(0, &group.scope);
    open_in(0, &below);
    start_in(1, &below.scope);
    start_in(2, &group.scope);
    for (int i = 0; i < 3; i++)
        MODEL_CHECK(thrum_strand_enter(&places[i].strand) == 0);
}

/* The same, but the child has ended, and it is thread 1 that comes after. */
static void begin_ways_alone(void)
{
    begin_top(false, false);
    begin_elsewhere();
    start_in(0, &group.scope);
    open_in(0, &below);
    start_in(MIDDLE, &below.scope);
    start_in(1, &group.scope);
    MODEL_CHECK(thrum_strand_enter(&places[0].strand) == 0);
    MODEL_CHECK(thrum_strand_enter(&places[MIDDLE].strand) == 0);
    MODEL_CHECK(thrum_strand_enter(&places[1].strand) == 0);
    enter_thread(MIDDLE);
    end(MIDDLE);
    enter_thread(-1);
    step = 1;
}

/* A walk has descended to the fiber of thread 0, and not yet been at that of thread 2. */
static void begin_way_up(void)
{
    begin_top(false, false);
    begin_elsewhere();
    for (int i = 0; i < 3; i += 2) {
        start_in(i, &group.scope);
        MODEL_CHECK(thrum_strand_enter(&places[i].strand) == 0);
    }
    thrum_walk_begin(&walk, &places[TOP].strand, load_acquire(&places[TOP].strand.life), 0);
    MODEL_CHECK(thrum_walk_next(&walk) == &places[0].strand);
    thrum_walk_descend(&walk, &places[0].strand, load_acquire(&places[0].strand.life));
}

/* Thread 0 goes on as top; a child of its group is thread 1. */
static void begin_above(void)
{
    begin_top(false, false);
    workers[0].deque.lane = workers[TOP].deque.lane;
    start_in(1, &group.scope);
}

/* Two groups of top at different depths, so that their children hang in tiers of their own. */
static void begin_depths(bool with_shallow)
{
    begin_top(false, true);
    open_in(TOP, &deeper);
    start_in(0, &group.scope);
    start_in(1, &deeper.scope);
    start_in(2, &deeper.scope);
    if (with_shallow)
        MODEL_CHECK(thrum_strand_enter(&places[0].strand) == 0);
}

/* The tier further in is made in front of one that is there; or both at once. */
static void begin_tiers(void) { begin_depths(true); }
static void begin_no_tiers(void) { begin_depths(false); }

/* Or one between two that are there: what is started in a scope, as a branch, hangs there. */
static void begin_between(void)
{
    begin_depths(true);
    MODEL_CHECK(thrum_strand_enter(&places[1].strand) == 0);
    start_in(2, &inner);
}

/* Top, in a scope, has been told of a cancel further out: it looks at every check. */
static void begin_told(void)
{
    begin_top(false, true);
    enter_thread(TOP);
    thrum_scope_cancel(&scope, 3, "before");
    MODEL_CHECK(thrum_cancel_check() == THRUM_ECANCELED);
    enter_thread(-1);
    workers[0].deque.lane = workers[TOP].deque.lane;
}

/* ---- victims --------------------------------------------------------------------------------- */

static void check_reason(void)
{
    thrum_reason reason;

    MODEL_CHECK(thrum_cancel_reason(&reason) == 0);
    MODEL_CHECK(reason.code == 1 || reason.code == 2);
}

/* Nothing else wakes it. */
static void be_told(int number)
{
    MODEL_CHECK(thrum_event_wait(&never) == THRUM_ECANCELED);
    check_reason();
    MODEL_CHECK(thrum_cancel_check() == 0);
    end(number);
}
static void told_0(void) { be_told(0); }
static void told_1(void) { be_told(1); }

static void told_above(void)
{
    MODEL_CHECK(thrum_event_wait(&never) == THRUM_ECANCELED);
    check_reason();
}

static void told_2(void)
{
    MODEL_CHECK(thrum_event_wait(&never) == THRUM_ECANCELED);
    end(2);
}

/* Told at its next check, or not yet. */
static void checks(void)
{
    if (thrum_cancel_check())
        check_reason();
}

/* Enters, and does not sleep. */
static void enters_0(void)
{
    MODEL_CHECK(thrum_strand_enter(&places[0].strand) == 0);
}
static void enters_2(void)
{
    MODEL_CHECK(thrum_strand_enter(&places[2].strand) == 0);
}

/* All that hang below top, and where they say. */
static void check_tiers(void)
{
    struct tier_at at = thrum_strand_walk(&places[TOP].strand);
    const struct strand *found;
    uint64_t last = UINT64_MAX;
    unsigned seen = 0;

    while ((found = thrum_strand_next(&at, 0)) != NULL) {
        int number = number_of(fiber_of(found));
        uint64_t depth = load_acquire(&at.tier->depth);

        MODEL_CHECK(depth == (number == 0 ? 2 : 4) && depth <= last);
        last = depth;
        MODEL_CHECK((seen & 1u << number) == 0);
        seen |= 1u << number;
    }
    MODEL_CHECK((seen & 1) && (seen & 4));
}

/* Starts, or is dead before. */
static void start_0(void)
{
    start_in(0, &group.scope);
    if (thrum_scope_start_cancelled(&group.scope))
        end(0);
    else
        be_told(0);
}

/* By two cancellers: once, or twice. */
static void told_twice(void)
{
    MODEL_CHECK(thrum_event_wait(&never) == THRUM_ECANCELED);
    check_reason();
    (void)thrum_cancel_check();
    MODEL_CHECK(thrum_cancel_check() == 0 || load_acquire(&scope.cancels) == 2);
    end(0);
}

/* By the object or by the cancel, and then by the other. */
static void either_0(void)
{
    int status = thrum_event_wait(&event);

    MODEL_CHECK(status == 0 || status == THRUM_ECANCELED);
    MODEL_CHECK(thrum_event_wait(status ? &event : &never) == (status ? 0 : THRUM_ECANCELED));
    end(0);
}

/* Only by the object. */
static void untold_0(void)
{
    MODEL_CHECK(thrum_event_wait(&event) == 0);
    MODEL_CHECK(thrum_cancel_check() == 0);
    end(0);
}

/* One life below the scope, one elsewhere. */
static void two_lives(void)
{
    int status = thrum_event_wait(&event);

    MODEL_CHECK(status == 0 || status == THRUM_ECANCELED);
    end(0);
    start_in(0, &far.scope);
    MODEL_CHECK(thrum_event_wait(&second) == 0);
    MODEL_CHECK(thrum_cancel_check() == 0);
    end(0);
}

static void way_child(void)
{
    MODEL_CHECK(thrum_event_wait(&never) == THRUM_ECANCELED);
    end(1);
    store_release(&step, 1);
    model_futex_wake(&step, 1);
}

static void way_parent(void)
{
    struct thrum_lane *lane = thrum_lane_self();

    while (load_acquire(&step) == 0)
        model_futex_wait(&step, 0);
    lane->scope = &group.scope; /* closed */
    end(0);
    start_in(0, &far.scope);
    MODEL_CHECK(thrum_strand_enter(&places[0].strand) == 0);
}

static void moves_away(void)
{
    end(0);
    start_in(0, &far.scope);
    MODEL_CHECK(thrum_strand_enter(&places[0].strand) == 0);
}

/* It comes by all who have stayed, or knows that it is lost. */
static void walks_on(void)
{
    const struct strand *found;
    bool seen = false;

    while ((found = thrum_walk_next(&walk)) != NULL)
        seen |= found == &places[2].strand && thrum_walk_holds(&walk, found, 0);
    MODEL_CHECK(seen || walk.lost);
}

/* ---- who ends sleeps ------------------------------------------------------------------------- */

static void cancel(void) { thrum_scope_cancel(&scope, 1, "one"); }
static void cancel_2(void) { thrum_scope_cancel(&scope, 2, "two"); }
static void cancel_inner(void) { thrum_scope_cancel(&inner, 1, "inner"); }
static void cancel_inner_2(void) { thrum_scope_cancel(&inner, 2, "inner too"); }
static void set(void) { thrum_event_set(&event); }
static void set_both(void) { thrum_event_set(&event); thrum_event_set(&second); }

/* One that thinks that the sleep is its to end. */
static void mistake(void)
{
    struct wait wait;

    if (thrum_wait_of(&places[0].strand, &wait))
        thrum_wait_fire(&wait, WAIT_CANCELLED);
}

/* ---- what a sleep is for, as others see it ---------------------------------------------------- */

static const struct wait_kind one_kind = {.what = "one"}, other_kind = {.what = "other"};

static void sleep_for(const struct wait_kind *kind)
{
    struct wait wait;

    MODEL_CHECK(thrum_wait_begin(&wait) == 0);
    thrum_strand_waits(wait.strand, kind, kind->what);
    MODEL_CHECK(thrum_wait_sleep(&wait) == WAIT_CANCELLED);
}

static void waits_for_both(void)
{
    sleep_for(&one_kind);
    sleep_for(&other_kind);
    end(0);
}

/* It waits for the end of a group, and so does a task that it runs inline. */
static void joins_both(void)
{
    struct strand *strand = &places[0].strand;

    thrum_strand_joins(strand, &one_kind, one_kind.what);
    thrum_strand_joined(strand);
    thrum_lane_self()->current = &tasks[1];
    thrum_strand_joins(strand, &other_kind, other_kind.what);
    thrum_strand_joined(strand);
    end(0);
}

static void begin_joins(void)
{
    begin_entered();
    joined = true;
}

static void look_at_sleep(void)
{
    struct strand_sleep sleep;

    if (thrum_strand_sleep(&places[0].strand, &sleep)) {
        const struct thrum_child *who = pointer_of(sleep.who & ~KIND_MASK);

        MODEL_CHECK(sleep.what == NULL || sleep.object == sleep.what->what);
        MODEL_CHECK(sleep.what == NULL || who == &tasks[0] || sleep.what == &other_kind);
        MODEL_CHECK(sleep.what == NULL || who == &tasks[1] || sleep.what == &one_kind || !joined);
    }
}

/* Ends both sleeps. */
static void wake_both(void)
{
    for (int i = 0; i < 2;) {
        struct wait wait;

        if (thrum_wait_of(&places[0].strand, &wait) && thrum_wait_fire(&wait, WAIT_CANCELLED))
            i++;
        else
            model_yield();
    }
}

/* ---- timeouts -------------------------------------------------------------------------------- */

static void expire(uint64_t key)
{
    thrum_deadline_expire(pointer_of(load_relaxed(&armed_timer)), key); /* relaxed: with the key */
}

/* What is armed, and what is armed in its stead, until the task has ended. */
static void expirer(void)
{
    uint64_t key = 0;

    while (!load_acquire(&step)) {
        uint64_t now = load_acquire(&armed_key);

        if (now != key)
            expire(key = now);
        else
            model_yield();
    }
}

/* Once, late or not at all. */
static void late_expirer(void)
{
    uint64_t key = load_acquire(&armed_key);

    if (key)
        expire(key);
}

static thrum_timeout *begin_timeout(int64_t duration)
{
    thrum_timeout *timeout = model_alloc(sizeof(*timeout));

    MODEL_CHECK(thrum_timeout_begin(timeout, duration) == 0);
    return timeout;
}

static void times_out(void)
{
    thrum_timeout *timeout = begin_timeout(1);

    MODEL_CHECK(thrum_timeout_end(timeout, thrum_event_wait(&never)) == THRUM_ETIMEOUT);
    model_free(timeout);
    end(0);
    store_release(&step, 1);
}

static void moves_timeout(void)
{
    thrum_timeout *timeout = begin_timeout(1);
    int status = thrum_timeout_reschedule(timeout, 2);

    MODEL_CHECK(status == 0 || status == THRUM_ESTATE);
    MODEL_CHECK(thrum_timeout_end(timeout, thrum_event_wait(&never)) == THRUM_ETIMEOUT);
    model_free(timeout);
    end(0);
    store_release(&step, 1);
}

/* It may expire; the next, in the same deadline, does not. */
static void two_timeouts(void)
{
    thrum_timeout *timeout = begin_timeout(1);
    bool expired;
    int status;

    store_release(&old_key, armed_key);
    status = thrum_event_wait(&event);
    MODEL_CHECK(status == 0 || status == THRUM_ECANCELED);
    status = thrum_timeout_end(timeout, status);
    expired = thrum_timeout_expired(timeout);
    MODEL_CHECK(status == 0 || (status == THRUM_ETIMEOUT && expired));
    model_free(timeout);
    MODEL_CHECK(thrum_cancel_check() == 0);
    timeout = begin_timeout(1);
    MODEL_CHECK(thrum_timeout_end(timeout, thrum_event_wait(&second)) == 0);
    MODEL_CHECK(!thrum_timeout_expired(timeout));
    model_free(timeout);
    end(0);
}

static void expire_old(void)
{
    uint64_t key;

    while ((key = load_acquire(&old_key)) == 0)
        model_yield();
    expire(key);
}

/* A child of top's group, while top, inside whose timeout it is, moves that. */
static thrum_timeout moved;

static void begin_moved(void)
{
    begin();
    start_in(TOP, &root);
    enter_thread(TOP);
    MODEL_CHECK(thrum_timeout_begin(&moved, THRUM_FOREVER) == 0);
    open_in(TOP, &group);
    workers[0].deque.lane = workers[TOP].deque.lane;
    start_in(1, &group.scope);
}

static void mover(void)
{
    MODEL_CHECK(thrum_timeout_reschedule(&moved, 1) == 0);
    MODEL_CHECK(thrum_timeout_reschedule(&moved, 2) <= 0);
}

static void below_timeout(void)
{
    thrum_reason reason;

    (void)thrum_cancel_pending();
    MODEL_CHECK(thrum_event_wait(&never) == THRUM_ECANCELED);
    MODEL_CHECK(thrum_cancel_reason(&reason) == 0 && reason.code == THRUM_ETIMEOUT);
    end(1);
    store_release(&step, 1);
}

#define T(text, start, ...) {text, start, {__VA_ARGS__}, NULL, 0, 0, false}
#define FRESH(text, start, ...) {text, start, {__VA_ARGS__}, NULL, 0, 1, false}
#define LARGE(text, start, ...) {text, start, {__VA_ARGS__}, NULL, 1, 1, false}

/* The quick ones first: most mutants end there. */
static const struct model models[] = {
    T("sleep", begin_entered, told_0, cancel),
    T("enter", begin_two, told_0, cancel),
    T("start", begin_unstarted, start_0, cancel),
    T("expire", begin_two, times_out, expirer),
    T("moved", begin_two, moves_timeout, expirer),
    {"the way up", begin_way_up, {moves_away, walks_on}, NULL, 0, -3, false},
    {"one join or another", begin_joins, {joins_both, look_at_sleep}, NULL, -1, 0, false},
    {"tiers made at once", begin_no_tiers, {enters_0, enters_2}, check_tiers, 0, 1, false},
    LARGE("tier in front", begin_tiers, told_0, enters_2, cancel),
    LARGE("tier between", begin_between, told_0, enters_2, cancel),
    LARGE("one sleep or another", begin_entered, waits_for_both, look_at_sleep, wake_both),
    {"the way back alone", begin_ways_alone, {way_parent, told_1, cancel}, NULL, 1, -2, false},
    LARGE("two lives", begin_lives, two_lives, set_both, cancel),
    LARGE("expire twice", begin_two, times_out, expirer, late_expirer),
    LARGE("over", begin_two, two_timeouts, set_both, expire_old),
    FRESH("mistake", begin_entered, untold_0, set, mistake),
    FRESH("object", begin_entered, either_0, set, cancel),
    FRESH("two cancels", begin_entered, told_twice, cancel, cancel_2),
    FRESH("further in", begin_inner, untold_0, set, cancel_inner),
    T("two reasons", begin_told, checks, cancel_inner, cancel_inner_2),
    LARGE("moved above", begin_moved, mover, below_timeout, expirer),
    LARGE("told above", begin_above, told_above, told_1, cancel),
    FRESH("behind a shield", begin_shield, untold_0, set, cancel),
    LARGE("two sleepers", begin_two, told_0, told_1, cancel),
    LARGE("two below another", begin_deep, told_0, told_1, cancel),
    {"the way back", begin_ways, {way_parent, way_child, told_2, cancel}, NULL, 1, 0, false},
};

int main(int argc, char **argv)
{
    static const char *const subjects[] = {
        "runtime/task/cancel.", "runtime/task/strand.", "runtime/task/scope.",
        "runtime/task/waiters.", "runtime/task/timeout.", "runtime/task/record.",
        NULL};

    return model_main(argc, argv, models, sizeof(models) / sizeof(*models), subjects);
}
