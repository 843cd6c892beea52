/* cancel_test.c - the rules of cancelling tasks and scopes, and of shields: see README.md. */
#include "tests/conformance/conform.h"

#include <pthread.h>

#include "tests/workers.h"

static int must_not_run(void *arg)
{
    (void)arg;
    if (!disturbed())
        check_fail(CHECK_SITE("it is never called"));
    return 0;
}

/* ---- requests -------------------------------------------------------------------------------- */

RULE(a_task_that_has_ended_cannot_be_cancelled)
{
    thrum_group group;
    thrum_task *task;

    SPAN;
    open_group(&group);
    task = spawn(&group, nothing, NULL);
    if (task) {
        EXPECT_EQ(thrum_task_join(task, NULL), 0);
        EXPECT(!thrum_task_cancel(task, 0, NULL));
        EXPECT(!thrum_task_cancel(task, 0, NULL));
        EXPECT_EQ(thrum_task_cancelling(task), 0); /* what was refused is not counted */
    }
    EXPECT_EQ(finish(task).kind, THRUM_OK);
    EXPECT_EQ(close_group(&group, 0), 0);
}

struct counts {
    thrum_event ready;
    thrum_event cancelled;
    int delivered[3];
    int before, after, left[3];
};

static int counts_requests(void *arg)
{
    struct counts *counts = arg;

    SPAN;
    counts->before = thrum_cancelling();
    raise_flag(&counts->ready);
    AWAIT(&counts->cancelled);
    counts->delivered[0] = thrum_cancel_pending();
    counts->after = thrum_cancelling();
    for (int i = 0; i < 3; i++)
        counts->left[i] = thrum_uncancel();
    counts->delivered[1] = thrum_cancel_pending();
    counts->delivered[2] = thrum_yield();
    return 0;
}

static int waits_shielded_for(void *arg)
{
    struct counts *counts = arg;
    thrum_shield shield;
    int status;

    SPAN;
    thrum_shield_begin(&shield);
    status = counts_requests(counts);
    EXPECT_EQ(thrum_shield_end(&shield), 0);
    return status;
}

/* Every call counts, and says that it was heard; taken back before delivery they are forgotten. */
RULE(requests_are_counted_and_can_be_taken_back)
{
    struct counts counts = {.ready = THRUM_EVENT_INIT};
    thrum_group group;
    thrum_task *task;

    SPAN;
    open_group(&group);
    task = spawn(&group, waits_shielded_for, &counts);
    AWAIT(&counts.ready);
    if (task) {
        EXPECT(thrum_task_cancel(task, 0, NULL));
        EXPECT(thrum_task_cancel(task, 0, NULL));
    }
    raise_flag(&counts.cancelled);
    EXPECT_EQ(finish(task).kind, THRUM_OK);
    EXPECT_EQ(close_group(&group, 0), 0);
    EXPECT_EQ(counts.before, 0);
    EXPECT_EQ(counts.after, 2);
    EXPECT_EQ(counts.left[0], 1);
    EXPECT_EQ(counts.left[1], 0);
    EXPECT_EQ(counts.left[2], 0);
    EXPECT_EQ(counts.delivered[2], 0);
}

struct steps {
    thrum_event ready;
    thrum_event go;
    thrum_event again;
    thrum_event event;
    thrum_task *task;
    int seen[4];
};

static int uncancels_one(void *arg)
{
    struct steps *steps = arg;
    thrum_shield shield;

    SPAN;
    thrum_cancel_absorb();
    thrum_shield_begin(&shield);
    raise_flag(&steps->ready);
    AWAIT(&steps->go);
    steps->seen[0] = thrum_uncancel();
    steps->seen[1] = thrum_shield_end(&shield);
    return 0;
}

RULE(a_request_that_is_left_is_delivered)
{
    struct steps steps = {.ready = THRUM_EVENT_INIT};
    thrum_group group;
    thrum_task *task;

    SPAN;
    open_group(&group);
    task = spawn(&group, uncancels_one, &steps);
    AWAIT(&steps.ready);
    if (task) {
        EXPECT(thrum_task_cancel(task, 0, NULL));
        EXPECT(thrum_task_cancel(task, 0, NULL));
    }
    raise_flag(&steps.go);
    (void)finish(task);
    EXPECT_EQ(close_group(&group, 0), 0);
    EXPECT_EQ(steps.seen[0], 1);
    EXPECT_EQ(steps.seen[1], THRUM_ECANCELED);
}

static int delivered_then_uncancels(void *arg)
{
    struct steps *steps = arg;

    SPAN;
    raise_flag(&steps->ready);
    steps->seen[0] = thrum_sleep(THRUM_FOREVER);
    steps->seen[1] = thrum_uncancel();
    steps->seen[2] = thrum_yield();
    raise_flag(&steps->go);
    steps->seen[3] = rest(); /* a new request is delivered anew */
    return steps->seen[3];
}

RULE(after_uncancel_a_new_request_is_delivered_anew)
{
    struct steps steps = {.ready = THRUM_EVENT_INIT};
    thrum_group group;
    thrum_task *task;

    SPAN;
    open_group(&group);
    task = spawn(&group, delivered_then_uncancels, &steps);
    AWAIT(&steps.ready);
    if (task)
        EXPECT(thrum_task_cancel(task, 0, NULL));
    AWAIT(&steps.go);
    if (task)
        EXPECT(thrum_task_cancel(task, 0, NULL));
    EXPECT_EQ(finish(task).kind, THRUM_CANCELLED);
    EXPECT_EQ(close_group(&group, 0), 0);
    EXPECT_EQ(steps.seen[0], THRUM_ECANCELED);
    EXPECT_EQ(steps.seen[1], 0);
    EXPECT_EQ(steps.seen[2], 0);
    EXPECT_EQ(steps.seen[3], THRUM_ECANCELED);
}

/* Told, and taken back: what the task returns then is how it ends, a cancel's status too. */
static int takes_back_and_returns(void *arg)
{
    struct steps *steps = arg;

    SPAN;
    raise_flag(&steps->ready);
    steps->seen[0] = thrum_sleep(THRUM_FOREVER);
    steps->seen[1] = thrum_uncancel();
    return steps->seen[2];
}

RULE(who_has_taken_a_request_back_ends_as_it_says)
{
    static const int statuses[] = {5, -EIO, THRUM_ECANCELED};
    static const enum thrum_kind kinds[] = {THRUM_OK, THRUM_FAILED, THRUM_CANCELLED};

    SPAN;
    for (int i = 0; i < 3; i++) {
        struct steps steps = {.ready = THRUM_EVENT_INIT, .seen = {0, 7, statuses[i], 0}};
        thrum_group group;
        thrum_task *task;
        struct finish end;

        open_collecting(&group);
        task = spawn(&group, takes_back_and_returns, &steps);
        AWAIT(&steps.ready);
        if (task)
            EXPECT(thrum_task_cancel(task, 0, NULL));
        end = finish(task);
        EXPECT_EQ(end.kind, kinds[i]);
        EXPECT_EQ(end.status, statuses[i]);
        EXPECT_EQ(close_group(&group, 0), kinds[i] == THRUM_FAILED ? THRUM_EGROUP : 0);
        EXPECT_EQ(steps.seen[0], THRUM_ECANCELED);
        EXPECT_EQ(steps.seen[1], 0);
    }
}

/* asyncio's cancelling_level_preserved: groups and timeouts cancel, and request nothing. */
static int fails_in_a_group(void)
{
    static const int code = -EIO;
    thrum_group group;
    int status;

    open_group(&group);
    EXPECT_EQ(spawn_forgotten(&group, fail_with, (void *)(uintptr_t)&code), 0);
    status = rest();
    EXPECT_EQ(status, THRUM_ECANCELED);
    return close_group(&group, status);
}

static int times_out(void)
{
    thrum_timeout timeout;

    CHECK_EQ(thrum_timeout_begin(&timeout, 0), 0);
    return thrum_timeout_end(&timeout, thrum_yield());
}

static int counts_through_scopes(void *arg)
{
    struct steps *steps = arg;

    SPAN;
    thrum_cancel_absorb();
    for (int requests = 0; requests < 2; requests++) {
        EXPECT_EQ(thrum_cancelling(), requests);
        EXPECT_EQ(fails_in_a_group(), THRUM_EGROUP);
        EXPECT_EQ(thrum_cancelling(), requests);
        EXPECT_EQ(times_out(), THRUM_ETIMEOUT);
        EXPECT_EQ(thrum_cancelling(), requests);
        if (requests == 0) {
            raise_flag(&steps->ready);
            EXPECT_EQ(rest(), THRUM_ECANCELED);
        }
    }
    return thrum_uncancel();
}

RULE(groups_and_timeouts_leave_the_count_alone)
{
    struct steps steps = {.ready = THRUM_EVENT_INIT};
    thrum_group group;
    thrum_task *task;
    struct finish end;

    SPAN;
    open_group(&group);
    task = spawn(&group, counts_through_scopes, &steps);
    AWAIT(&steps.ready);
    if (task)
        EXPECT(thrum_task_cancel(task, 0, NULL));
    end = finish(task);
    EXPECT_EQ(end.kind, THRUM_OK);
    EXPECT_EQ(end.status, 0);
    EXPECT_EQ(close_group(&group, 0), 0);
}

/* asyncio's test_cancel_current_task: told at the next suspension, or never, or taken back. */
struct oneself {
    thrum_task *task;
    thrum_event known;
    int way;
};

static int cancels_itself(void *arg)
{
    struct oneself *self = arg;

    SPAN;
    AWAIT(&self->known);
    if (!self->task)
        return 0;
    EXPECT(thrum_task_cancel(self->task, 0, NULL));
    EXPECT_EQ(thrum_cancelling(), 1);
    EXPECT(thrum_cancel_pending());
    switch (self->way) {
    case 0:
        return rest();
    case 1:
        EXPECT_EQ(thrum_uncancel(), 0);
        EXPECT_EQ(thrum_yield(), 0);
        return 3;
    default:
        return 3;
    }
}

RULE(a_task_may_cancel_itself)
{
    static const enum thrum_kind kinds[] = {THRUM_CANCELLED, THRUM_OK, THRUM_CANCELLED};

    SPAN;
    for (int way = 0; way < 3; way++) {
        struct oneself self = {.known = THRUM_EVENT_INIT, .way = way};
        thrum_group group;

        open_group(&group);
        self.task = spawn(&group, cancels_itself, &self);
        raise_flag(&self.known);
        EXPECT_EQ(finish(self.task).kind, kinds[way]);
        EXPECT_EQ(close_group(&group, 0), 0);
    }
}

/* ---- delivery -------------------------------------------------------------------------------- */

RULE(a_sleeper_is_woken_by_its_cancel)
{
    thrum_event event = THRUM_EVENT_INIT;
    thrum_task *tasks[2];
    thrum_group group;
    thrum_event ready = THRUM_EVENT_INIT;

    SPAN;
    open_group(&group);
    tasks[0] = spawn(&group, sleep_on, &ready);
    tasks[1] = spawn(&group, wait_event, &event);
    AWAIT(&ready);
    for (int i = 0; i < 2; i++) {
        if (tasks[i])
            EXPECT(thrum_task_cancel(tasks[i], 0, NULL));
        EXPECT_EQ(finish(tasks[i]).kind, THRUM_CANCELLED);
    }
    EXPECT_EQ(close_group(&group, 0), 0);
    thrum_event_destroy(&event); /* nobody waits for it any more */
}

static int computes_then_sleeps(void *arg)
{
    struct steps *steps = arg;

    SPAN;
    raise_flag(&steps->ready);
    AWAIT(&steps->go); /* under a shield: it computes, as far as cancels are concerned */
    return 0;
}

static int runs_on(void *arg)
{
    struct steps *steps = arg;
    thrum_shield shield;

    SPAN;
    thrum_shield_begin(&shield);
    (void)computes_then_sleeps(steps);
    steps->seen[0] = thrum_cancelling();
    steps->seen[1] = thrum_shield_end(&shield); /* nothing before it has told us */
    steps->seen[2] = thrum_sleep(0);
    return steps->seen[1];
}

RULE(a_running_task_is_told_at_its_next_suspension)
{
    struct steps steps = {.ready = THRUM_EVENT_INIT};
    thrum_group group;
    thrum_task *task;

    SPAN;
    open_group(&group);
    task = spawn(&group, runs_on, &steps);
    AWAIT(&steps.ready);
    if (task)
        EXPECT(thrum_task_cancel(task, 0, NULL));
    raise_flag(&steps.go);
    EXPECT_EQ(finish(task).kind, THRUM_CANCELLED);
    EXPECT_EQ(close_group(&group, 0), 0);
    EXPECT_EQ(steps.seen[0], 1);
    EXPECT_EQ(steps.seen[1], THRUM_ECANCELED);
    EXPECT_EQ(steps.seen[2], 0);
}

struct pair {
    thrum_task *inner;
    thrum_event ready[2];
};

static int joins(void *arg)
{
    struct pair *pair = arg;
    struct finish end;

    SPAN;
    raise_flag(&pair->ready[1]);
    end = finish(thrum_task_ref(pair->inner));
    EXPECT_EQ(end.join, THRUM_ECANCELED);
    EXPECT_EQ(end.kind, THRUM_CANCELLED);
    return end.join;
}

/* Rule 8. */
RULE(a_join_passes_its_cancel_on_and_waits)
{
    struct pair pair = {.inner = NULL};
    thrum_task *outer = NULL;
    thrum_group group;

    SPAN;
    open_group(&group);
    pair.inner = spawn(&group, sleep_on, &pair.ready[0]);
    if (pair.inner)
        outer = spawn(&group, joins, &pair);
    AWAIT(&pair.ready[0]);
    AWAIT(&pair.ready[1]); /* it may or may not wait yet */
    if (outer)
        EXPECT(thrum_task_cancel(outer, 0, NULL));
    EXPECT_EQ(finish(outer).kind, THRUM_CANCELLED);
    EXPECT(!pair.inner || thrum_task_ended(pair.inner, NULL));
    EXPECT_EQ(finish(pair.inner).kind, THRUM_CANCELLED);
    EXPECT_EQ(close_group(&group, 0), 0);
}

static int joins_swallowing(void *arg)
{
    struct pair *pair = arg;
    struct finish end;

    SPAN;
    raise_flag(&pair->ready[1]);
    end = finish(thrum_task_ref(pair->inner));
    EXPECT_EQ(end.join, THRUM_ECANCELED);
    EXPECT_EQ(end.kind, THRUM_OK);
    EXPECT_EQ(end.status, 7);
    return end.join;
}

static int swallows(void *arg)
{
    SPAN;
    thrum_cancel_absorb();
    raise_flag(arg);
    EXPECT_EQ(thrum_sleep(THRUM_FOREVER), THRUM_ECANCELED);
    return 7;
}

/* The task keeps its value; who joined has been cancelled all the same. */
RULE(a_task_that_swallows_its_cancel_keeps_its_value)
{
    struct pair pair = {.inner = NULL};
    thrum_task *outer = NULL;
    thrum_group group;

    SPAN;
    open_group(&group);
    pair.inner = spawn(&group, swallows, &pair.ready[0]);
    if (pair.inner)
        outer = spawn(&group, joins_swallowing, &pair);
    AWAIT(&pair.ready[0]);
    AWAIT(&pair.ready[1]);
    if (outer)
        (void)thrum_task_cancel(outer, 0, NULL);
    EXPECT_EQ(finish(outer).kind, THRUM_CANCELLED);
    (void)finish(pair.inner);
    EXPECT_EQ(close_group(&group, 0), 0);
}

static int waits_then_sleeps(void *arg)
{
    struct steps *steps = arg;

    SPAN;
    raise_flag(&steps->ready);
    steps->seen[0] = thrum_event_wait(&steps->event);
    steps->seen[1] = rest();
    return steps->seen[1];
}

/* The wait has been ended by what it waited for: it returns that, and the cancel comes after. */
RULE(a_wait_that_has_ended_keeps_its_result)
{
    struct steps steps = {.event = THRUM_EVENT_INIT};
    thrum_group group;
    thrum_task *task;

    SPAN;
    open_group(&group);
    task = spawn(&group, waits_then_sleeps, &steps);
    AWAIT(&steps.ready);
    (void)thrum_yield();
    thrum_event_set(&steps.event);
    if (task)
        (void)thrum_task_cancel(task, 0, NULL);
    EXPECT_EQ(finish(task).kind, THRUM_CANCELLED);
    EXPECT_EQ(close_group(&group, 0), 0);
    EXPECT_EQ(steps.seen[0], 0);
    EXPECT_EQ(steps.seen[1], THRUM_ECANCELED);
    thrum_event_destroy(&steps.event);
}

/* ---- before the start, at the end ------------------------------------------------------------ */

/* With one worker nobody else can have started it. */
static int cancels_before_start(void *arg)
{
    thrum_task *tasks[10];
    thrum_group group;

    (void)arg;
    open_group(&group);
    for (int i = 0; i < 10; i++)
        tasks[i] = spawn(&group, must_not_run, NULL);
    for (int i = 0; i < 10; i++)
        CHECK(thrum_task_cancel(tasks[i], 0, NULL));
    for (int i = 0; i < 10; i++) {
        struct finish end = finish(tasks[i]);

        CHECK_EQ(end.join, 0);
        CHECK_EQ(end.kind, THRUM_CANCELLED);
        CHECK_EQ(end.status, THRUM_ECANCELED);
    }
    for (int i = 0; i < 10; i++) { /* and those that close would run itself */
        tasks[i] = spawn(&group, must_not_run, NULL);
        CHECK(thrum_task_cancel(tasks[i], 0, NULL));
    }
    CHECK_EQ(close_group(&group, 0), 0);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(finish(tasks[i]).kind, THRUM_CANCELLED);
    return 0;
}

TEST(a_task_cancelled_before_its_start_never_runs)
{
    IN_ORDER_ONLY;
    CHECK_EQ(run_with(1, cancels_before_start, NULL), 0);
}

/* With several workers it may have started: a cancel that was heard is how it ends all the same. */
RULE(a_cancel_that_is_heard_is_how_the_task_ends)
{
    thrum_group group;

    SPAN;
    open_group(&group);
    for (int i = 0; i < 20; i++) {
        thrum_task *task = spawn(&group, nothing, NULL);
        bool heard = task && thrum_task_cancel(task, 0, NULL);

        EXPECT_EQ(finish(task).kind, heard ? THRUM_CANCELLED : THRUM_OK);
    }
    EXPECT_EQ(close_group(&group, 0), 0);
}

/* Children, tasks, and what hangs below scopes and runtimes. */
RULE(nothing_starts_below_a_scope_that_was_cancelled)
{
    thrum_child children[3];
    thrum_branch branch;
    thrum_group group;
    thrum_scope scope;
    int status;

    IN_ORDER_ONLY;
    SPAN;
    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    open_group(&group);
    thrum_scope_cancel(&scope, 0, NULL);
    status = thrum_group_spawn_n(&group, children, 3, must_not_run, NULL, 0);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(spawn_forgotten(&group, must_not_run, NULL), 0);
    status = close_group(&group, status);
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT_EQ(thrum_scope_end(&scope, status), 0);

    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    thrum_scope_cancel(&scope, 0, NULL); /* a fork before it might have begun elsewhere */
    CHECK_EQ(thrum_fork(&branch, must_not_run, NULL), 0);
    status = thrum_join(&branch, must_not_run, NULL);
    EXPECT(status == THRUM_ECANCELED || status == 0);
    status = thrum_yield();
    EXPECT_EQ(thrum_scope_end(&scope, status), 0);
}

static int ends_without_suspending(void *arg)
{
    struct steps *steps = arg;
    int64_t end = thrum_now().ns + thrum_s(20);

    SPAN;
    raise_flag(&steps->ready);
    while (!raised(&steps->go) && thrum_now().ns < end && !disturbed())
        continue;
    return 0;
}

static void *cancel_from_thread(void *arg)
{
    struct steps *steps = arg;
    thrum_task *task = steps->task;

    while (!raised(&steps->ready) && !thrum_task_ended(task, NULL))
        continue;
    EXPECT(thrum_task_cancel(task, 0, NULL));
    raise_flag(&steps->go);
    return NULL;
}

/* How a task that runs fn ends while a thread outside cancels it. */
static void cancel_from_outside(thrum_fn fn, void *(*canceller)(void *), struct finish *end)
{
    struct steps steps = {.ready = THRUM_EVENT_INIT};
    thrum_group group;
    thrum_task *task;
    pthread_t thread;

    open_group(&group);
    task = spawn(&group, fn, &steps);
    if (task) {
        steps.task = task;
        thrum_hold(thrum_runtime_self(), "a thread cancels");
        CHECK_EQ(pthread_create(&thread, NULL, canceller, &steps), 0);
        *end = finish(thrum_task_ref(task));
        CHECK_EQ(pthread_join(thread, NULL), 0);
        thrum_release(thrum_runtime_self());
        thrum_task_unref(task);
    }
    EXPECT_EQ(close_group(&group, 0), 0);
}

/* test_cancel_at_end: cancelled while it ran, and it never asked. */
RULE(a_task_that_returns_without_having_heard_ends_cancelled)
{
    struct finish end = {.kind = THRUM_OK};

    SPAN;
    cancel_from_outside(ends_without_suspending, cancel_from_thread, &end);
    EXPECT_EQ(end.kind, THRUM_CANCELLED);
    EXPECT_EQ(end.status, THRUM_ECANCELED);
}

static int swallows_one_and_ends(void *arg)
{
    struct steps *steps = arg;
    thrum_shield shield;

    SPAN;
    thrum_cancel_absorb();
    raise_flag(&steps->ready);
    steps->seen[0] = thrum_sleep(THRUM_FOREVER);
    thrum_shield_begin(&shield);
    raise_flag(&steps->go);
    AWAIT(&steps->again);
    steps->seen[1] = thrum_cancelling();
    return thrum_shield_end(&shield) ? 0 : 1;
}

/* It has heard of both: the second at the shield's end. */
RULE(a_second_request_is_heard_of_too)
{
    struct steps steps = {.ready = THRUM_EVENT_INIT};
    thrum_group group;
    thrum_task *task;
    struct finish end;

    SPAN;
    open_group(&group);
    task = spawn(&group, swallows_one_and_ends, &steps);
    AWAIT(&steps.ready);
    if (task)
        EXPECT(thrum_task_cancel(task, 0, NULL));
    AWAIT(&steps.go);
    if (task)
        EXPECT(thrum_task_cancel(task, 0, NULL));
    raise_flag(&steps.again);
    end = finish(task);
    EXPECT_EQ(end.kind, THRUM_OK);
    EXPECT_EQ(end.status, 0);
    EXPECT_EQ(close_group(&group, 0), 0);
    EXPECT_EQ(steps.seen[0], THRUM_ECANCELED);
    EXPECT_EQ(steps.seen[1], 2);
}

static int swallows_one_and_computes(void *arg)
{
    struct steps *steps = arg;
    int64_t end = thrum_now().ns + thrum_s(20);

    SPAN;
    thrum_cancel_absorb();
    raise_flag(&steps->ready);
    steps->seen[0] = thrum_sleep(THRUM_FOREVER);
    raise_flag(&steps->go);
    while (thrum_cancelling() != 2 && thrum_now().ns < end && !disturbed())
        continue;
    return 0;
}

static void *cancel_twice_from_thread(void *arg)
{
    struct steps *steps = arg;
    thrum_task *task = steps->task;

    while (!raised(&steps->ready) && !thrum_task_ended(task, NULL))
        continue;
    EXPECT(thrum_task_cancel(task, 0, NULL));
    while (!raised(&steps->go) && !thrum_task_ended(task, NULL))
        continue;
    EXPECT(thrum_task_cancel(task, 0, NULL));
    return NULL;
}

/* The value wins over a cancel that was heard of, not over one that was not. */
RULE(a_task_that_has_not_heard_of_the_second_request_ends_cancelled)
{
    struct finish end = {.kind = THRUM_OK};

    SPAN;
    cancel_from_outside(swallows_one_and_computes, cancel_twice_from_thread, &end);
    EXPECT_EQ(end.kind, THRUM_CANCELLED);
}

static int computes_then_waits(void *arg)
{
    struct steps *steps = arg;
    int64_t end = thrum_now().ns + thrum_s(20);

    SPAN;
    raise_flag(&steps->ready);
    while (!raised(&steps->go) && thrum_now().ns < end && !disturbed())
        continue;
    steps->seen[0] = thrum_event_wait(&steps->event);
    return steps->seen[0];
}

/* Cancelled while it computes, and not interrupted: the wait that follows returns at once. */
RULE(who_computes_is_told_by_its_next_wait)
{
    struct finish end = {.kind = THRUM_OK};

    SPAN;
    cancel_from_outside(computes_then_waits, cancel_from_thread, &end);
    EXPECT_EQ(end.kind, THRUM_CANCELLED);
    EXPECT_EQ(end.status, THRUM_ECANCELED);
}

/* ---- edge and level -------------------------------------------------------------------------- */

RULE(a_cancel_is_delivered_once)
{
    thrum_scope scope;

    SPAN;
    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    thrum_scope_cancel(&scope, 0, NULL);
    EXPECT(thrum_cancel_pending());
    EXPECT_EQ(thrum_yield(), THRUM_ECANCELED);
    EXPECT(!thrum_cancel_pending());
    EXPECT_EQ(thrum_yield(), 0);
    EXPECT_EQ(thrum_sleep(thrum_us(10)), 0);
    EXPECT_EQ(thrum_checkpoint(), 0);
    thrum_scope_cancel(&scope, 0, NULL); /* one request more, one delivery more */
    EXPECT_EQ(thrum_checkpoint(), THRUM_ECANCELED);
    EXPECT_EQ(thrum_checkpoint(), 0);
    EXPECT(thrum_scope_cancelled(&scope));
    EXPECT_EQ(thrum_scope_end(&scope, THRUM_ECANCELED), 0);
}

RULE(requests_that_come_before_a_delivery_are_delivered_together)
{
    thrum_shield shield;
    thrum_scope scope;

    SPAN;
    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    for (int i = 0; i < 3; i++)
        thrum_scope_cancel(&scope, 0, NULL);
    EXPECT_EQ(thrum_yield(), THRUM_ECANCELED);
    EXPECT_EQ(thrum_yield(), 0);
    thrum_shield_begin(&shield);
    for (int i = 0; i < 3; i++)
        thrum_scope_cancel(&scope, 0, NULL);
    EXPECT_EQ(thrum_shield_end(&shield), THRUM_ECANCELED);
    EXPECT_EQ(thrum_yield(), 0);
    EXPECT_EQ(thrum_scope_end(&scope, THRUM_ECANCELED), 0);
}

RULE(a_level_cancel_is_delivered_until_its_scope_is_left)
{
    thrum_event event = THRUM_EVENT_INIT;
    thrum_scope scope;

    SPAN;
    thrum_cancel_absorb();
    CHECK_EQ(thrum_scope_begin(&scope, THRUM_LEVEL), 0);
    EXPECT_EQ(thrum_yield(), 0);
    thrum_scope_cancel(&scope, 0, NULL);
    for (int i = 0; i < 40; i++) { /* more than it may return from at once */
        EXPECT_EQ(thrum_yield(), THRUM_ECANCELED);
        EXPECT_EQ(thrum_sleep(THRUM_FOREVER), THRUM_ECANCELED);
        EXPECT_EQ(thrum_event_wait(&event), THRUM_ECANCELED);
        EXPECT_EQ(thrum_checkpoint(), THRUM_ECANCELED);
    }
    EXPECT_EQ(thrum_scope_end(&scope, THRUM_ECANCELED), 0);
    EXPECT_EQ(thrum_yield(), 0);
    thrum_event_destroy(&event);
}

/* The style is the cancelled scope's, not that of a scope inside or outside. */
RULE(the_style_is_the_cancelled_scope_s)
{
    thrum_scope level, edge;

    SPAN;
    CHECK_EQ(thrum_scope_begin(&level, THRUM_LEVEL), 0);
    CHECK_EQ(thrum_scope_begin(&edge, 0), 0);
    thrum_scope_cancel(&edge, 0, NULL);
    EXPECT_EQ(thrum_yield(), THRUM_ECANCELED);
    EXPECT_EQ(thrum_yield(), 0);
    EXPECT_EQ(thrum_scope_end(&edge, THRUM_ECANCELED), 0);
    CHECK_EQ(thrum_scope_begin(&edge, 0), 0);
    thrum_scope_cancel(&level, 0, NULL);
    EXPECT_EQ(thrum_yield(), THRUM_ECANCELED);
    EXPECT_EQ(thrum_yield(), THRUM_ECANCELED);
    EXPECT_EQ(thrum_scope_end(&edge, THRUM_ECANCELED), THRUM_ECANCELED);
    EXPECT_EQ(thrum_scope_end(&level, THRUM_ECANCELED), 0);
}

/* Rule 4: where the runtime must wait, it waits. */
RULE(a_level_cancel_does_not_keep_a_group_from_closing)
{
    struct steps steps = {.event = THRUM_EVENT_INIT};
    thrum_group group;
    thrum_scope scope;
    thrum_task *task;
    int status;

    SPAN;
    CHECK_EQ(thrum_scope_begin(&scope, THRUM_LEVEL), 0);
    open_group(&group);
    task = spawn(&group, runs_on, &steps);
    AWAIT(&steps.ready);
    thrum_scope_cancel(&scope, 0, NULL);
    EXPECT_EQ(thrum_yield(), THRUM_ECANCELED);
    raise_flag(&steps.go);
    EXPECT_EQ(finish(task).kind, THRUM_CANCELLED);
    status = close_group(&group, THRUM_ECANCELED);
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT_EQ(thrum_scope_end(&scope, status), 0);
}

struct level_wait {
    thrum_event waits; /* with the mutex given up */
    thrum_mutex mutex;
    thrum_cond cond;
};

static int waits_in_level(void *arg)
{
    struct level_wait *level = arg;
    int status = thrum_mutex_lock(&level->mutex);

    SPAN;
    if (status)
        return status;
    raise_flag(&level->waits);
    status = thrum_cond_wait(&level->cond, &level->mutex);
    EXPECT_EQ(status, THRUM_ECANCELED);
    thrum_mutex_unlock(&level->mutex); /* it is ours, whatever has become of the wait */
    return status;
}

RULE(a_level_cancel_does_not_keep_a_condition_from_its_mutex)
{
    struct level_wait level = {.waits = THRUM_EVENT_INIT,
                               .mutex = THRUM_MUTEX_INIT,
                               .cond = THRUM_COND_INIT};
    thrum_group_options options = THRUM_GROUP_OPTIONS_INIT;
    thrum_group group;
    thrum_task *task;

    SPAN;
    options.flags = THRUM_LEVEL;
    CHECK_EQ(thrum_group_open(&group, &options), 0);
    task = spawn(&group, waits_in_level, &level);
    AWAIT(&level.waits);
    if (thrum_mutex_lock(&level.mutex) == 0) { /* so it waits, or is gone */
        thrum_shield shield;

        thrum_shield_begin(&shield);
        thrum_group_cancel(&group, 0, NULL);
        for (int i = 0; i < 3; i++)
            EXPECT_EQ(thrum_yield(), 0); /* it is told, and waits for the mutex */
        EXPECT(!thrum_task_ended(task, NULL));
        (void)!thrum_shield_end(&shield);
        thrum_mutex_unlock(&level.mutex);
    }
    EXPECT_EQ(finish(task).kind, THRUM_CANCELLED);
    EXPECT_EQ(close_group(&group, THRUM_ECANCELED), 0);
    thrum_cond_destroy(&level.cond);
    thrum_mutex_destroy(&level.mutex);
    thrum_event_destroy(&level.waits);
}

/* ---- taking it back -------------------------------------------------------------------------- */

RULE(a_scope_takes_back_what_it_caused_and_nothing_else)
{
    thrum_scope outer, inner;
    int status;

    SPAN;
    for (int i = 0; i < 4; i++) { /* which of the two are cancelled */
        CHECK_EQ(thrum_scope_begin(&outer, 0), 0);
        CHECK_EQ(thrum_scope_begin(&inner, 0), 0);
        if (i & 1)
            thrum_scope_cancel(&inner, 0, NULL);
        if (i & 2)
            thrum_scope_cancel(&outer, 0, NULL);
        status = thrum_yield();
        EXPECT_EQ(status, i ? THRUM_ECANCELED : 0);
        status = thrum_scope_end(&inner, status);
        EXPECT_EQ(status, i & 2 ? THRUM_ECANCELED : 0);
        EXPECT_EQ(thrum_yield(), 0);
        EXPECT_EQ(thrum_scope_end(&outer, status), 0);
        EXPECT_EQ(thrum_yield(), 0);
    }
}

RULE(a_scope_takes_back_nothing_but_a_cancel)
{
    thrum_scope scope;

    SPAN;
    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    thrum_scope_cancel(&scope, 0, NULL);
    EXPECT_EQ(thrum_yield(), THRUM_ECANCELED);
    EXPECT_EQ(thrum_scope_end(&scope, -EIO), -EIO);
    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    thrum_scope_cancel(&scope, 0, NULL);
    EXPECT_EQ(thrum_scope_end(&scope, 9), 9); /* never delivered: gone with its scope */
    EXPECT_EQ(thrum_yield(), 0);
}

/* ---- rule 1 ---------------------------------------------------------------------------------- */

static int marks(void *arg)
{
    SPAN;
    EXPECT_EQ(thrum_yield(), 0);
    add_relaxed((uint32_t *)arg, 1); /* relaxed: a counter */
    return 0;
}

RULE(a_cancelled_task_runs_children_in_its_cleanup)
{
    thrum_child children[2];
    uint32_t ran = 0;
    thrum_branch branch;
    thrum_group group;
    thrum_scope scope;
    int status;

    SPAN;
    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    thrum_scope_cancel(&scope, 0, NULL);
    EXPECT_EQ(thrum_yield(), THRUM_ECANCELED);
    open_group(&group);
    status = thrum_group_spawn_n(&group, children, 2, marks, &ran, 0);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(spawn_forgotten(&group, marks, &ran), 0);
    EXPECT_EQ(finish(spawn(&group, marks, &ran)).kind, THRUM_OK);
    CHECK_EQ(thrum_fork(&branch, marks, &ran), 0);
    EXPECT_EQ(thrum_join(&branch, marks, &ran), 0);
    EXPECT_EQ(close_group(&group, status), 0);
    EXPECT_EQ(load_relaxed(&ran), 5);
    EXPECT_EQ(thrum_scope_end(&scope, THRUM_ECANCELED), 0);
}

RULE(a_cancel_in_a_shield_is_not_lost_to_an_inner_one)
{
    thrum_scope outer, inner;
    thrum_shield shield;

    SPAN;
    CHECK_EQ(thrum_scope_begin(&outer, 0), 0);
    thrum_shield_begin(&shield);
    CHECK_EQ(thrum_scope_begin(&inner, 0), 0);
    thrum_scope_cancel(&outer, 0, NULL);
    thrum_scope_cancel(&inner, 0, NULL);
    EXPECT_EQ(thrum_yield(), THRUM_ECANCELED); /* the inner one's, which came later */
    EXPECT_EQ(thrum_yield(), 0);
    EXPECT_EQ(thrum_scope_end(&inner, THRUM_ECANCELED), 0);
    EXPECT_EQ(thrum_yield(), 0);
    EXPECT_EQ(thrum_shield_end(&shield), THRUM_ECANCELED);
    EXPECT_EQ(thrum_yield(), 0);
    EXPECT_EQ(thrum_scope_end(&outer, THRUM_ECANCELED), 0);
}

/* ---- shields --------------------------------------------------------------------------------- */

RULE(a_shield_defers_cancels_to_its_end)
{
    thrum_shield outer, inner;
    thrum_scope scope;

    SPAN;
    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    thrum_shield_begin(&outer);
    EXPECT_EQ(thrum_yield(), 0);
    thrum_shield_begin(&inner);
    thrum_scope_cancel(&scope, 0, NULL);
    EXPECT(!thrum_cancel_pending());
    EXPECT_EQ(thrum_yield(), 0);
    EXPECT_EQ(thrum_sleep(thrum_us(10)), 0);
    EXPECT_EQ(thrum_shield_end(&inner), 0);
    EXPECT_EQ(thrum_yield(), 0);
    EXPECT_EQ(thrum_shield_end(&outer), THRUM_ECANCELED);
    EXPECT_EQ(thrum_scope_end(&scope, THRUM_ECANCELED), 0);
}

/* What was delivered before it is not delivered again after it. */
RULE(a_shield_forgets_nothing_and_repeats_nothing)
{
    thrum_shield shield;
    thrum_scope scope;

    SPAN;
    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    thrum_scope_cancel(&scope, 0, NULL);
    EXPECT_EQ(thrum_yield(), THRUM_ECANCELED);
    thrum_shield_begin(&shield);
    EXPECT_EQ(thrum_yield(), 0);
    EXPECT_EQ(thrum_shield_end(&shield), 0);
    thrum_shield_begin(&shield);
    thrum_scope_cancel(&scope, 0, NULL);
    EXPECT_EQ(thrum_shield_end(&shield), THRUM_ECANCELED);
    EXPECT_EQ(thrum_yield(), 0);
    EXPECT_EQ(thrum_scope_end(&scope, THRUM_ECANCELED), 0);
}

RULE(children_in_a_shield_are_shielded_too)
{
    thrum_child child;
    uint32_t ran = 0;
    thrum_group group;
    thrum_shield shield;
    thrum_scope scope;

    SPAN;
    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    thrum_shield_begin(&shield);
    open_group(&group);
    thrum_scope_cancel(&scope, 0, NULL);
    CHECK_EQ(thrum_group_spawn_child(&group, &child, marks, &ran), 0);
    EXPECT_EQ(finish(spawn(&group, marks, &ran)).kind, THRUM_OK);
    EXPECT_EQ(close_group(&group, 0), 0);
    EXPECT_EQ(load_relaxed(&ran), 2);
    EXPECT_EQ(thrum_shield_end(&shield), THRUM_ECANCELED);
    EXPECT_EQ(thrum_scope_end(&scope, THRUM_ECANCELED), 0);
}

/* A scope inside of the shield is cancelled as any other. */
RULE(a_shield_is_no_shield_against_what_is_inside)
{
    thrum_timeout timeout;
    thrum_shield shield;
    int status;

    SPAN;
    thrum_shield_begin(&shield);
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_us(50)), 0);
    status = thrum_sleep(THRUM_FOREVER);
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
    EXPECT_EQ(thrum_shield_end(&shield), 0);
}

/* ---- reasons --------------------------------------------------------------------------------- */

RULE(the_reason_of_the_first_request_travels_with_it)
{
    static const char *const long_text =
        "a text that is longer than the sixty-three bytes that a reason has room for";
    thrum_reason reason = {.code = 1};
    thrum_scope scope;
    int line;

    SPAN;
    EXPECT_EQ(thrum_cancel_reason(&reason), -ENOENT);
    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    line = __LINE__ + 1;
    thrum_scope_cancel(&scope, -EIO, "the disk");
    thrum_scope_cancel(&scope, -EPERM, "too late");
    EXPECT_EQ(thrum_yield(), THRUM_ECANCELED);
    EXPECT_EQ(thrum_cancel_reason(&reason), 0);
    EXPECT_EQ(reason.code, -EIO);
    EXPECT_EQ(strcmp(reason.text, "the disk"), 0);
    EXPECT_EQ(reason.line, line);
    EXPECT(strstr(reason.file, "cancel_test.c"));
    EXPECT_EQ(reason.task, thrum_self());
    EXPECT_EQ(thrum_scope_end(&scope, 0), 0);

    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    thrum_scope_cancel(&scope, 3, long_text);
    EXPECT_EQ(thrum_yield(), THRUM_ECANCELED);
    EXPECT_EQ(thrum_cancel_reason(&reason), 0);
    EXPECT_EQ(strlen(reason.text), sizeof reason.text - 1);
    EXPECT_EQ(strncmp(reason.text, long_text, sizeof reason.text - 1), 0);
    EXPECT_EQ(thrum_scope_end(&scope, 0), 0);
}

static int tells_why(void *arg)
{
    struct steps *steps = arg;
    thrum_reason reason = {.code = 1};

    SPAN;
    raise_flag(&steps->ready);
    steps->seen[0] = thrum_sleep(THRUM_FOREVER);
    steps->seen[1] = thrum_cancel_reason(&reason);
    steps->seen[2] = reason.code;
    steps->seen[3] = strcmp(reason.text, "enough");
    return steps->seen[0];
}

static int joins_it(void *arg)
{
    struct pair *pair = arg;

    SPAN;
    raise_flag(&pair->ready[1]);
    return thrum_task_join(pair->inner, NULL);
}

RULE(a_reason_goes_down_through_joins)
{
    struct steps steps = {.ready = THRUM_EVENT_INIT};
    struct pair pair = {.inner = NULL};
    thrum_task *outer = NULL;
    thrum_group group;

    SPAN;
    open_group(&group);
    pair.inner = spawn(&group, tells_why, &steps);
    if (pair.inner)
        outer = spawn(&group, joins_it, &pair);
    AWAIT(&steps.ready);
    AWAIT(&pair.ready[1]);
    if (outer)
        (void)thrum_task_cancel(outer, -EBUSY, "enough");
    (void)finish(outer);
    (void)finish(pair.inner);
    EXPECT_EQ(close_group(&group, 0), 0);
    EXPECT_EQ(steps.seen[0], THRUM_ECANCELED);
    EXPECT_EQ(steps.seen[1], 0);
    EXPECT_EQ(steps.seen[2], -EBUSY);
    EXPECT_EQ(steps.seen[3], 0);
}

/* Three deep: each joins the next, and all wait for the last one's end. */
struct chain {
    thrum_task *next;
    thrum_event ready;
};

static int joins_the_next(void *arg)
{
    struct chain *chain = arg;
    struct finish end;

    SPAN;
    raise_flag(&chain->ready);
    end = finish(thrum_task_ref(chain->next));
    EXPECT_EQ(end.join, THRUM_ECANCELED);
    EXPECT_EQ(end.kind, THRUM_CANCELLED);
    return end.join;
}

RULE(a_cancel_goes_down_a_chain_of_joins)
{
    struct steps steps = {.ready = THRUM_EVENT_INIT};
    struct chain chain[3];
    thrum_task *tasks[4];
    thrum_group group;

    SPAN;
    memset(chain, 0, sizeof chain);
    open_group(&group);
    tasks[0] = spawn(&group, tells_why, &steps);
    for (int i = 0; i < 3; i++) {
        chain[i].next = tasks[i];
        tasks[i + 1] = tasks[i] ? spawn(&group, joins_the_next, &chain[i]) : NULL;
    }
    AWAIT(&steps.ready);
    for (int i = 0; i < 3; i++)
        AWAIT(&chain[i].ready);
    if (tasks[3])
        EXPECT(thrum_task_cancel(tasks[3], -EBUSY, "enough"));
    EXPECT_EQ(finish(tasks[3]).kind, THRUM_CANCELLED);
    for (int i = 0; i < 3; i++) {
        EXPECT(!tasks[i] || thrum_task_ended(tasks[i], NULL));
        EXPECT_EQ(finish(tasks[i]).kind, THRUM_CANCELLED);
    }
    EXPECT_EQ(close_group(&group, 0), 0);
    EXPECT_EQ(steps.seen[2], -EBUSY);
    EXPECT_EQ(steps.seen[3], 0);
}

static int waits_to_be_cancelled(void *arg)
{
    SPAN;
    if (arg)
        raise_flag(arg);
    return rest();
}

/* Who has its handle is told why it has ended: through the handle, or by its group. */
static void check_reason(thrum_task *task, int code, const char *text)
{
    thrum_reason reason = {.code = 1};

    if (!task)
        return;
    EXPECT_EQ(thrum_task_reason(task, &reason), 0);
    EXPECT_EQ(reason.code, code);
    EXPECT_EQ(strcmp(reason.text, text), 0);
    if (!disturbed())
        CHECK(strstr(reason.file, "cancel_test.c"));
}

RULE(the_reason_is_told_to_who_has_the_handle)
{
    thrum_event ready = THRUM_EVENT_INIT;
    thrum_task *by_handle, *by_group, *unstarted, *well;
    thrum_reason reason;
    thrum_group group;
    bool again;

    SPAN;
    open_group(&group);
    well = spawn(&group, nothing, NULL);
    if (well)
        EXPECT_EQ(finish(thrum_task_ref(well)).kind, THRUM_OK); /* before the group is cancelled */
    by_handle = spawn(&group, waits_to_be_cancelled, &ready);
    AWAIT(&ready);
    if (by_handle) {
        EXPECT_EQ(thrum_task_reason(by_handle, &reason), -ENOENT);
        EXPECT_EQ(thrum_task_cancelling(by_handle), 0);
        EXPECT(thrum_task_cancel(by_handle, -EPIPE, "nobody reads it"));
        again = thrum_task_cancel(by_handle, -EIO, "again"); /* unless it has ended meanwhile */
        EXPECT_EQ(thrum_task_join(by_handle, NULL), 0);
        EXPECT_EQ(thrum_task_cancelling(by_handle), 1 + again);
    }
    thrum_event_clear(&ready);
    by_group = spawn(&group, waits_to_be_cancelled, &ready);
    AWAIT(&ready);
    unstarted = spawn(&group, waits_to_be_cancelled, NULL);
    thrum_group_cancel(&group, -EBUSY, "enough");
    EXPECT_EQ(close_group(&group, 0), 0);
    check_reason(by_handle, -EPIPE, "nobody reads it");
    check_reason(by_group, -EBUSY, "enough");
    check_reason(unstarted, -EBUSY, "enough");
    if (well)
        EXPECT_EQ(thrum_task_reason(well, &reason), -ENOENT);
    thrum_task_unref(well);
    thrum_task_unref(by_handle);
    thrum_task_unref(by_group);
    thrum_task_unref(unstarted);
}

RULE(a_timeout_s_reason_says_so)
{
    thrum_reason reason = {.code = 1};
    thrum_timeout timeout;

    SPAN;
    CHECK_EQ(thrum_timeout_begin(&timeout, 0), 0);
    EXPECT_EQ(thrum_yield(), THRUM_ECANCELED);
    EXPECT_EQ(thrum_cancel_reason(&reason), 0);
    EXPECT_EQ(reason.code, THRUM_ETIMEOUT);
    EXPECT_EQ(thrum_timeout_end(&timeout, 0), 0);
}

/* ---- cancelled is not failed ----------------------------------------------------------------- */

/* Rule 5: the code alone does not make a task cancelled. */
RULE(a_task_is_cancelled_only_if_it_was_told)
{
    static const int codes[] = {THRUM_ECANCELED, -ECANCELED, THRUM_ETIMEOUT, -ETIMEDOUT};
    thrum_group group;

    SPAN;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        struct finish end;

        open_collecting(&group);
        end = finish(spawn(&group, fail_with, (void *)(uintptr_t)&codes[i]));
        EXPECT_EQ(end.kind, THRUM_FAILED);
        EXPECT_EQ(end.status, codes[i]);
        EXPECT_EQ(close_group(&group, 0), THRUM_EGROUP);
    }
}

static int swallow_or_fail(void *arg)
{
    thrum_scope scope;
    int status;

    SPAN;
    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    thrum_scope_cancel(&scope, 0, NULL);
    status = thrum_yield();
    EXPECT_EQ(thrum_scope_end(&scope, status), 0);
    return *(const int *)arg;
}

/* Descriptors are used again, and what one task was told says nothing about the next in its place. */
RULE(what_one_child_was_told_is_not_the_next_one_s)
{
    static const int codes[] = {0, THRUM_ECANCELED};
    thrum_child child;
    thrum_group group;

    SPAN;
    open_group(&group);
    CHECK_EQ(thrum_group_spawn_child(&group, &child, swallow_or_fail, (void *)(uintptr_t)&codes[0]),
             0);
    EXPECT_EQ(close_group(&group, 0), 0);
    open_group(&group);
    CHECK_EQ(thrum_group_spawn_child(&group, &child, fail_with, (void *)(uintptr_t)&codes[1]), 0);
    EXPECT_EQ(close_group(&group, 0), THRUM_EGROUP);
}

/* ---- how far it reaches ---------------------------------------------------------------------- */

#define DEPTH 40

struct deep {
    int depth;
    bool inline_child;
    thrum_event *ready;
};

static int grow(void *arg)
{
    struct deep *self = arg;
    struct deep below = {self->depth - 1, self->inline_child, self->ready};
    thrum_child child;
    thrum_group group;
    int status;

    SPAN;
    if (self->depth == 0)
        return sleep_on(self->ready);
    open_group(&group);
    status = self->inline_child ? thrum_group_spawn_child(&group, &child, grow, &below)
                                : spawn_forgotten(&group, grow, &below);
    return close_group(&group, status);
}

/* Rule 2: a leaf 40 groups deep is found by a cancel of the root. */
RULE(a_cancel_finds_sleepers_forty_groups_deep)
{
    thrum_group group;

    SPAN;
    for (int inline_child = 0; inline_child < 2; inline_child++) {
        thrum_event ready = THRUM_EVENT_INIT;
        struct deep deep = {DEPTH, inline_child, &ready};
        thrum_task *task;

        open_group(&group);
        task = spawn(&group, grow, &deep);
        AWAIT(&ready);
        if (task)
            EXPECT(thrum_task_cancel(task, 0, NULL));
        EXPECT_EQ(finish(task).kind, THRUM_CANCELLED);
        EXPECT_EQ(close_group(&group, 0), 0);
    }
}

/* What is not below is left alone. */
RULE(a_cancel_leaves_others_alone)
{
    struct steps steps = {.event = THRUM_EVENT_INIT};
    thrum_event ready = THRUM_EVENT_INIT;
    thrum_group group;
    thrum_task *sleeper, *other;

    SPAN;
    open_group(&group);
    sleeper = spawn(&group, sleep_on, &ready);
    other = spawn(&group, wait_event, &steps.event);
    AWAIT(&ready);
    if (sleeper)
        EXPECT(thrum_task_cancel(sleeper, 0, NULL));
    EXPECT_EQ(finish(sleeper).kind, THRUM_CANCELLED);
    thrum_event_set(&steps.event);
    EXPECT_EQ(finish(other).kind, THRUM_OK);
    EXPECT_EQ(close_group(&group, 0), 0);
    thrum_event_destroy(&steps.event);
}

/* Trio's inheritance: who spawns stands in the scope, the group in which the task lives does not. */
RULE(a_task_belongs_to_its_group_not_to_the_scope_of_its_spawner)
{
    thrum_event go = THRUM_EVENT_INIT;
    thrum_timeout timeout;
    thrum_group group;
    thrum_scope scope;
    thrum_task *tasks[2];
    int status;

    SPAN;
    open_group(&group);
    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    tasks[0] = spawn(&group, wait_event, &go);
    thrum_scope_cancel(&scope, 0, NULL);
    status = thrum_yield();
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT_EQ(thrum_scope_end(&scope, status), 0);
    CHECK_EQ(thrum_timeout_begin(&timeout, 0), 0);
    tasks[1] = spawn(&group, wait_event, &go);
    status = thrum_yield();
    EXPECT_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
    EXPECT_EQ(thrum_yield(), 0);
    for (int i = 0; i < 2; i++)
        EXPECT(!tasks[i] || !thrum_task_ended(tasks[i], NULL));
    raise_flag(&go);
    for (int i = 0; i < 2; i++)
        EXPECT_EQ(finish(tasks[i]).kind, THRUM_OK);
    EXPECT_EQ(close_group(&group, 0), 0);
}

struct whole {
    thrum_runtime *runtime;
    thrum_event ready;
};

static int whole_sleeps(void *arg)
{
    struct whole *whole = arg;
    thrum_group group;
    int status;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(thrum_group_spawn(&group, sleep_on, NULL, NULL, NULL), 0);
    status = sleep_on(&whole->ready);
    return thrum_group_close(&group, status, NULL);
}

static void *cancel_whole(void *arg)
{
    struct whole *whole = arg;

    while (!raised(&whole->ready))
        continue;
    thrum_runtime_cancel(whole->runtime, 0, "all");
    thrum_release(whole->runtime);
    return NULL;
}

TEST(a_runtime_is_cancelled_as_a_whole)
{
    static const int counts[] = {1, 2, 8};

    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct whole whole = {.runtime = runtime_with(counts[i])};
        pthread_t thread;

        thrum_hold(whole.runtime, "a thread cancels");
        CHECK_EQ(pthread_create(&thread, NULL, cancel_whole, &whole), 0);
        CHECK_EQ(thrum_runtime_run(whole.runtime, whole_sleeps, &whole, NULL), THRUM_ECANCELED);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        /* and all that comes later */
        CHECK_EQ(thrum_runtime_run(whole.runtime, must_not_run, &whole, NULL), THRUM_ECANCELED);
        CHECK_EQ(thrum_runtime_close(whole.runtime), 0);
    }
}

/* ---- joining what cannot be joined ------------------------------------------------------------ */

struct lineage {
    thrum_task *self;
    thrum_event known;
};

static int joins_ancestor(void *arg)
{
    struct lineage *lineage = arg;

    SPAN;
    EXPECT_EQ(thrum_task_join(lineage->self, NULL), -EDEADLK);
    EXPECT_EQ(thrum_shield_join(lineage->self, NULL), -EDEADLK);
    return 0;
}

static int joins_itself(void *arg)
{
    struct lineage *lineage = arg;
    thrum_branch branch;
    thrum_group group;

    SPAN;
    AWAIT(&lineage->known);
    if (!raised(&lineage->known))
        return 0;
    (void)joins_ancestor(lineage);
    open_group(&group);
    EXPECT_EQ(spawn_forgotten(&group, joins_ancestor, lineage), 0);
    (void)thrum_yield();
    EXPECT_EQ(spawn_forgotten(&group, joins_ancestor, lineage), 0);
    EXPECT_EQ(close_group(&group, 0), 0);
    CHECK_EQ(thrum_fork(&branch, joins_ancestor, lineage), 0);
    EXPECT_EQ(thrum_join(&branch, joins_ancestor, lineage), 0);
    return 0;
}

RULE(nobody_joins_itself_or_who_waits_for_it)
{
    struct lineage lineage = {.self = NULL};
    thrum_group group;

    SPAN;
    open_group(&group);
    lineage.self = spawn(&group, joins_itself, &lineage);
    raise_flag(&lineage.known);
    EXPECT_EQ(finish(lineage.self).kind, THRUM_OK);
    EXPECT_EQ(close_group(&group, 0), 0);
}

struct stranger {
    thrum_task *task;
    thrum_event ready;
    thrum_event over;
};

static int shows_its_task(void *arg)
{
    struct stranger *stranger = arg;
    thrum_group group;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, sleep_on, NULL, NULL, &stranger->task), 0);
    raise_flag(&stranger->ready);
    while (!raised(&stranger->over))
        CHECK_EQ(thrum_yield(), 0);
    CHECK_EQ(thrum_task_join(stranger->task, NULL), 0);
    thrum_task_unref(stranger->task);
    return thrum_group_close(&group, 0, NULL);
}

static int joins_stranger(void *arg)
{
    struct stranger *stranger = arg;

    while (!raised(&stranger->ready))
        CHECK_EQ(thrum_yield(), 0);
    CHECK_EQ(thrum_task_join(stranger->task, NULL), THRUM_EFOREIGN);
    CHECK_EQ(thrum_shield_join(stranger->task, NULL), THRUM_EFOREIGN);
    CHECK(thrum_task_cancel(stranger->task, 0, NULL)); /* that may be done from anywhere */
    raise_flag(&stranger->over);
    return 0;
}

static void *run_stranger(void *arg)
{
    CHECK_EQ(run_with(2, shows_its_task, arg), 0);
    return NULL;
}

TEST(a_task_of_another_runtime_is_not_joined)
{
    static const int counts[] = {1, 2, 8};

    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct stranger stranger = {.task = NULL};
        pthread_t thread;

        CHECK_EQ(pthread_create(&thread, NULL, run_stranger, &stranger), 0);
        CHECK_EQ(run_with(counts[i], joins_stranger, &stranger), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
}
