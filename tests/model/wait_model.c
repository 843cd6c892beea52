/*
 * wait_model.c - the three words that a task sleeps on, in the explorer: the
 * wait (runtime/task/wait.c), the branch (branch.c) and the group's count
 * (group.c), each against those who end the sleep.
 *
 * Oracle: the sleeper wakes exactly once, after it has gone to sleep in full
 * or not at all; it sees what who woke it did before; nobody touches what was
 * on its stack once it may have left; of two who end a sleep one wins; who is
 * late ends no later sleep; and a cancel never misses who goes to sleep.
 *
 * What the models never reach (failures, cancels of groups) is left undefined.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/task/cancel.h"
#include "runtime/task/locals.h"
#include "runtime/task/scope.h"
#include "runtime/task/task.h"
#include "runtime/task/wait.h"

/* As on a stack's top. */
static struct place place;
static struct scheduler scheduler;
static struct worker worker;
static uint64_t registers;   /* plain: saved before the commit, read by who resumes */
static uint32_t runnable;    /* atomic, futex: thrum_ready has been called */
static uint64_t message[3];  /* plain: what ends a sleep says first */
static uint64_t announced;   /* atomic: where the wait is, in the second sleep of two */
static uint64_t cancels;     /* atomic: marks on the sleeper's scope */
static unsigned wakes, wins, sleeps;
static struct wait still;    /* a wait that outlives its sleep */
static void *popped;         /* by the owner's slow path */
static thrum_branch *branch;
static thrum_group *group;

/* ---- the scheduler below ------------------------------------------------- */

__thread struct thrum_lane *thrum_lane_here;

struct worker *thrum_worker_self(void)
{
    return &worker;
}

struct fiber *thrum_fiber_self(void)
{
    return &place.fiber;
}

void thrum_ready(struct fiber *woken)
{
    MODEL_CHECK(woken == &place.fiber);
    MODEL_CHECK(model_read(&registers) == 1);
    wakes++;
    MODEL_CHECK(wakes == 1);
    store_release(&runnable, 1);
    model_futex_wake(&runnable, 1);
}

void thrum_suspend(void (*commit)(void *arg, struct fiber *left), void *arg)
{
    model_write(&registers, 1);
    commit(arg, &place.fiber);
    while (load_acquire(&runnable) == 0)
        model_futex_wait(&runnable, 0);
    store_relaxed(&runnable, 0); /* relaxed: nobody sets it before the next sleep */
    model_write(&registers, 0);
    sleeps += wakes;
    wakes = 0;
}

void thrum_suspend_for(void *task, void (*commit)(void *arg, struct fiber *left), void *arg)
{
    (void)task;
    thrum_suspend(commit, arg);
}

void thrum_give_way_briefly(void)
{
}

int thrum_worker_pushed(void)
{
    return 0;
}

void *thrum_worker_pop(const void *joined, bool *overdue)
{
    (void)joined;
    *overdue = false;
    return popped;
}

/* ---- the layer around ---------------------------------------------------- */

void thrum_strand_joins(struct strand *strand, const struct wait_kind *kind, const void *object)
{
    (void)strand;
    (void)kind;
    (void)object;
}

void thrum_strand_joined(struct strand *strand)
{
    (void)strand;
}

int thrum_strand_enter(struct strand *strand)
{
    (void)strand;
    return 0;
}

/* As scope.c does: what was seen goes with the alert that was read before. */
bool thrum_scope_look_for(struct fiber *fiber)
{
    uint64_t alert = load_acquire(&scheduler.alert);

    (void)fiber;
    store_relaxed(&place.strand.looked, alert); /* relaxed: read with a sleep's key */
    return load_acquire(&cancels) != 0;
}

void thrum_scope_check(const struct thrum_scope *scope, const char *call)
{
    (void)scope;
    (void)call;
}

int thrum_scope_pop(struct thrum_scope *scope, int status, int mine, bool again)
{
    (void)scope;
    (void)mine;
    (void)again;
    return status;
}

void thrum_reason_free(struct thrum_scope *scope)
{
    (void)scope;
}

int thrum_cancel_check(void)
{
    return 0;
}

/* No task locals here. */
struct locals_node *thrum_locals_lift(const struct thrum_scope *scope)
{
    (void)scope;
    return NULL;
}

void thrum_locals_lower(struct locals_node *node)
{
    (void)node;
}

void thrum_locals_group_closed(struct locals_node *node, const struct thrum_group *closed)
{
    (void)node;
    (void)closed;
}

/* ---- beginnings and ends ------------------------------------------------- */

static void begin(void)
{
    struct thrum_lane *lane = &worker.deque.lane;

    thrum_lane_here = lane;
    memset(lane, 0, sizeof(*lane));
    memset(&place, 0, sizeof(place));
    memset(&scheduler, 0, sizeof(scheduler));
    place.fiber.home = &scheduler;
    place.fiber.stack_limit = UINTPTR_MAX; /* nothing starts inline */
    place.strand.slot = word_of(&place);   /* it is entered */
    lane->floor = INT64_MAX;
    lane->fiber = &place.fiber;
    lane->current = &worker;
    registers = 0;
    runnable = 0;
    memset(message, 0, sizeof(message));
    announced = 0;
    cancels = 0;
    popped = NULL;
    wakes = wins = sleeps = 0;
    memset(&still, 0, sizeof(still));
    model_name(&runnable, "runnable");
    model_name(&announced, "announced");
    model_name(&cancels, "cancels");
    model_name(&scheduler.alert, "alert");
    model_name(&place.strand.word, "word");
    model_name(&place.strand.looked, "looked");
}

static void begin_branch(void)
{
    begin();
    branch = memset(model_alloc(sizeof(*branch)), 0, sizeof(*branch));
    branch->state = word_of(worker.deque.lane.current); /* who has forked it */
    place.fiber.current = worker.deque.lane.current;
    model_name(&branch->state, "branch");
}

/* Not stolen, but the stack is short: it starts on a fiber while the joiner waits. */
static void begin_branch_here(void)
{
    begin_branch();
    popped = branch;
}

/* Two children elsewhere. */
static void begin_group(void)
{
    begin();
    group = memset(model_alloc(sizeof(*group)), 0, sizeof(*group));
    group->own = 2;
    group->scope.owner = word_of(&worker);
    group->scope.fiber = &place.fiber;
    group->remote = THRUM_GROUP_REMOTE_NONE;
    worker.deque.lane.scope = &group->scope;
    model_name(&group->remote, "remote");
}

static void begin_group_1(void)
{
    begin_group();
    group->own = 1;
}

static void check(void)
{
    MODEL_CHECK(wakes == 0 && sleeps <= 1);
}

static void check_one_wins(void)
{
    MODEL_CHECK(wins == 1);
    check();
}

static void check_two_sleeps(void)
{
    MODEL_CHECK(wins == 2);
    MODEL_CHECK(wakes == 0 && sleeps <= 2);
}

/* ---- threads -------------------------------------------------------------- */

/* On the sleeper's stack: gone when the sleep is over. */
static void sleeper(void)
{
    struct wait *wait = model_alloc(sizeof(*wait));

    MODEL_CHECK(thrum_wait_begin(wait) == 0);
    store_release(&announced, word_of(wait));
    MODEL_CHECK(thrum_wait_sleep(wait) == WAIT_WOKEN);
    MODEL_CHECK(model_read(&message[1]) == 1);
    model_free(wait);
}

static void firer(void)
{
    struct wait *wait;

    while (!(wait = pointer_of(load_acquire(&announced))))
        model_yield();
    model_write(&message[1], 1);
    MODEL_CHECK(thrum_wait_fire(wait, WAIT_WOKEN));
}

/* Two may end it; what the winner said is seen. */
static void begin_still(void)
{
    begin();
    MODEL_CHECK(thrum_wait_begin(&still) == 0);
}

static unsigned said_by(enum wait_end end)
{
    return end == WAIT_WOKEN ? 1 : 2;
}

static void still_sleeper(void)
{
    enum wait_end end = thrum_wait_sleep(&still);

    MODEL_CHECK(end == WAIT_WOKEN || end == WAIT_TIMED);
    MODEL_CHECK(model_read(&message[said_by(end)]) == 1);
}

static void fire_still(enum wait_end end)
{
    model_write(&message[said_by(end)], 1);
    if (thrum_wait_fire(&still, end))
        wins++;
}
static void firer_woken(void) { fire_still(WAIT_WOKEN); }
static void firer_timed(void) { fire_still(WAIT_TIMED); }

/* Who tells about sleepers sees all that they did before, while they sleep. */
static void looker(void)
{
    if (thrum_wait_asleep(&place.strand))
        MODEL_CHECK(model_read(&registers) == 1);
    fire_still(WAIT_WOKEN);
}

/* A second sleep of the same fiber, which the first one's firers must miss. */
static void sleeper_again(void)
{
    struct wait again;

    MODEL_CHECK(thrum_wait_sleep(&still) == WAIT_WOKEN);
    thrum_wait_begin_deaf(&again);
    store_release(&announced, word_of(&again));
    MODEL_CHECK(thrum_wait_sleep(&again) == WAIT_TIMED);
}

static void firer_first(void)
{
    if (thrum_wait_fire(&still, WAIT_WOKEN))
        wins++;
}

static void firer_second(void)
{
    const struct wait *again;

    while (!(again = pointer_of(load_acquire(&announced))))
        model_yield();
    MODEL_CHECK(thrum_wait_fire(again, WAIT_TIMED));
    wins++;
}

/* Nobody but a cancel ends it: it is heard before the sleep, or in it. */
static void cancelled_sleeper(void)
{
    struct wait wait;

    if (thrum_scope_look_for(&place.fiber))
        return;
    MODEL_CHECK(thrum_wait_begin(&wait) == 0);
    MODEL_CHECK(thrum_wait_sleep(&wait) == WAIT_CANCELLED);
    MODEL_CHECK(load_acquire(&cancels) == 1);
}

/* As cancel.c does: mark, alert, look at the sleep. */
static void canceller(void)
{
    uint64_t alert;
    struct wait wait;

    add_acq_rel(&cancels, 1);
    alert = add_seq(&scheduler.alert, 1) + 1;
    /* relaxed: goes with the key */
    if (thrum_wait_of(&place.strand, &wait) && load_relaxed(&place.strand.looked) < alert)
        thrum_wait_fire(&wait, WAIT_CANCELLED);
}

static void joiner(void)
{
    int status = 0;

    MODEL_CHECK(!thrum_join_slow(branch, NULL, &status));
    MODEL_CHECK(status == -7);
    MODEL_CHECK(model_read(&message[0]) == 1);
    model_free(branch);
}

static void ender(void)
{
    model_write(&message[0], 1);
    thrum_branch_end(branch, -7);
}

static void closer(void)
{
    uint64_t children = group->own;

    MODEL_CHECK(thrum_group_close_slow(group, 0, NULL) == 0);
    for (uint64_t i = 1; i <= children; i++)
        MODEL_CHECK(model_read(&message[i]) == 1);
    model_free(group);
}

static void child(int number)
{
    model_write(&message[number], 1);
    thrum_group_ended(group, false);
}
static void child_1(void) { child(1); }
static void child_2(void) { child(2); }

#define T(text, start, end, ...) {text, start, {__VA_ARGS__}, end, 0, 0, false}

static const struct model models[] = {
    T("wait", begin, check, sleeper, firer),
    T("wait, two", begin_still, check_one_wins, still_sleeper, firer_woken, firer_timed),
    T("wait, looked at", begin_still, check_one_wins, still_sleeper, looker),
    {"wait, late", begin_still, {sleeper_again, firer_first, firer_first, firer_second},
     check_two_sleeps, 1, 0, false},
    T("wait, cancel", begin, check, cancelled_sleeper, canceller),
    T("branch", begin_branch, check, joiner, ender),
    T("branch, short stack, here", begin_branch_here, check, joiner, ender),
    T("group of one", begin_group_1, check, closer, child_1),
    T("group of two", begin_group, check, closer, child_1, child_2),
};

int main(int argc, char **argv)
{
    static const char *const subjects[] = {"runtime/task/wait.", "runtime/task/branch.",
                                           "runtime/task/group.", NULL};

    return model_main(argc, argv, models, sizeof(models) / sizeof(*models), subjects);
}
