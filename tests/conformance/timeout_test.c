/* timeout_test.c - the rules of timeouts and wait_for: see README.md. */
#include "tests/conformance/conform.h"

static const int broken = -EIO;

/* ---- expiry ---------------------------------------------------------------------------------- */

RULE(a_timeout_cancels_what_takes_too_long)
{
    thrum_timeout timeout;
    int status;

    SPAN;
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_us(50)), 0);
    status = thrum_sleep(THRUM_FOREVER);
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
    EXPECT(thrum_timeout_expired(&timeout));
}

RULE(a_timeout_that_is_not_needed_leaves_no_trace)
{
    thrum_timeout timeout;

    SPAN;
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_s(1000)), 0);
    EXPECT_EQ(thrum_yield(), 0);
    EXPECT_EQ(thrum_timeout_end(&timeout, 17), 17);
    EXPECT(!thrum_timeout_expired(&timeout));
    EXPECT(!thrum_cancel_pending());
}

RULE(a_timeout_without_end_never_expires)
{
    thrum_timeout timeout;

    SPAN;
    CHECK_EQ(thrum_timeout_begin(&timeout, THRUM_FOREVER), 0);
    EXPECT_EQ(thrum_timeout_when(&timeout).ns, thrum_never().ns);
    EXPECT_EQ(thrum_yield(), 0);
    EXPECT_EQ(thrum_timeout_end(&timeout, -EIO), -EIO);
    CHECK_EQ(thrum_timeout_begin_at(&timeout, thrum_never()), 0);
    EXPECT_EQ(thrum_yield(), 0);
    EXPECT_EQ(thrum_timeout_end(&timeout, 0), 0);
    EXPECT(!thrum_timeout_expired(&timeout));
}

/* Durations of 0, and points in the past: the body runs on to its first suspension, a yield too. */
RULE(a_timeout_of_nothing_runs_to_the_first_suspension)
{
    thrum_timeout timeout;
    int status;

    SPAN;
    CHECK_EQ(thrum_timeout_begin(&timeout, 0), 0);
    status = thrum_yield();
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);

    CHECK_EQ(thrum_timeout_begin_at(&timeout, (thrum_time){INT64_MIN}), 0);
    status = thrum_sleep(THRUM_FOREVER);
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
    EXPECT_EQ(thrum_yield(), 0);
}

RULE(what_does_not_suspend_is_not_timed_out)
{
    thrum_timeout timeout;

    SPAN;
    CHECK_EQ(thrum_timeout_begin(&timeout, 0), 0);
    EXPECT_EQ(thrum_timeout_end(&timeout, 17), 17);
    EXPECT(thrum_timeout_expired(&timeout));
    EXPECT_EQ(thrum_yield(), 0); /* nothing of it is left */
}

/* ---- what end makes of a status -------------------------------------------------------------- */

RULE(another_error_passes_through_an_expired_timeout)
{
    thrum_timeout timeout;

    SPAN;
    CHECK_EQ(thrum_timeout_begin(&timeout, 0), 0);
    EXPECT_EQ(thrum_yield(), THRUM_ECANCELED);
    EXPECT_EQ(thrum_timeout_end(&timeout, -EIO), -EIO);
    EXPECT(thrum_timeout_expired(&timeout));
    EXPECT_EQ(thrum_yield(), 0);
}

RULE(a_timeout_that_was_swallowed_has_expired_all_the_same)
{
    thrum_timeout timeout;

    SPAN;
    CHECK_EQ(thrum_timeout_begin(&timeout, 0), 0);
    EXPECT_EQ(thrum_yield(), THRUM_ECANCELED);
    EXPECT_EQ(thrum_timeout_end(&timeout, 3), 3);
    EXPECT(thrum_timeout_expired(&timeout));
    EXPECT_EQ(thrum_yield(), 0);
}

struct inside {
    thrum_timeout timeout;
    int64_t duration;
    thrum_event ready;
    int delivered;
    int ended;
};

static int sleep_inside(void *arg)
{
    struct inside *inside = arg;

    SPAN;
    CHECK_EQ(thrum_timeout_begin(&inside->timeout, inside->duration), 0);
    raise_flag(&inside->ready);
    inside->delivered = thrum_sleep(THRUM_FOREVER);
    inside->ended = thrum_timeout_end(&inside->timeout, inside->delivered);
    return inside->ended;
}

RULE(a_foreign_cancel_stays_a_cancel)
{
    struct inside inside = {.duration = thrum_s(1000)};
    thrum_group group;
    thrum_task *task;

    SPAN;
    open_group(&group);
    task = spawn(&group, sleep_inside, &inside);
    AWAIT(&inside.ready);
    if (task)
        (void)thrum_task_cancel(task, 0, NULL);
    EXPECT_EQ(finish(task).kind, THRUM_CANCELLED);
    EXPECT_EQ(close_group(&group, 0), 0);
    EXPECT_EQ(inside.ended, THRUM_ECANCELED);
    EXPECT(!thrum_timeout_expired(&inside.timeout));
}

/* Both at once: the cancel from outside is not hidden by the timeout. */
RULE(a_foreign_cancel_wins_over_the_timeout)
{
    thrum_timeout timeout;
    thrum_scope scope;
    int status;

    SPAN;
    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    CHECK_EQ(thrum_timeout_begin(&timeout, 0), 0);
    thrum_scope_cancel(&scope, 0, NULL);
    status = thrum_yield();
    EXPECT_EQ(status, THRUM_ECANCELED);
    status = thrum_timeout_end(&timeout, status);
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT_EQ(thrum_scope_end(&scope, status), 0);
    EXPECT_EQ(thrum_yield(), 0);
}

/* It was delivered to the inner one before; the end of that one tells of the outer. */
RULE(a_cancel_that_comes_after_the_expiry_is_told_at_the_end)
{
    thrum_timeout timeout;
    thrum_scope scope;
    int status;

    SPAN;
    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    CHECK_EQ(thrum_timeout_begin(&timeout, 0), 0);
    EXPECT_EQ(thrum_yield(), THRUM_ECANCELED);
    thrum_scope_cancel(&scope, 0, NULL);
    status = thrum_timeout_end(&timeout, THRUM_ECANCELED);
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT_EQ(thrum_yield(), 0); /* once is enough */
    EXPECT_EQ(thrum_scope_end(&scope, status), 0);
}

/* A cancel that was delivered before the timeout began is not its business. */
RULE(a_timeout_works_in_the_cleanup_of_a_cancelled_task)
{
    thrum_timeout timeout;
    thrum_scope scope;
    int status;

    SPAN;
    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    thrum_scope_cancel(&scope, 0, NULL);
    EXPECT_EQ(thrum_yield(), THRUM_ECANCELED);
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_us(50)), 0);
    status = thrum_sleep(THRUM_FOREVER);
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
    EXPECT_EQ(thrum_scope_end(&scope, THRUM_ECANCELED), 0);
}

/* asyncio's test_timeout_after_cancellation and test_cancel_in_timeout_after_cancellation. */
struct cleaning {
    thrum_event ready[2];
    int seen[4];
};

static int cleans_up_in_time(void *arg)
{
    struct cleaning *cleaning = arg;
    thrum_timeout timeout;

    SPAN;
    raise_flag(&cleaning->ready[0]);
    cleaning->seen[0] = rest();
    CHECK_EQ(thrum_timeout_begin(&timeout, 0), 0);
    cleaning->seen[1] = thrum_timeout_end(&timeout, rest());
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_s(1000)), 0);
    raise_flag(&cleaning->ready[1]);
    cleaning->seen[2] = thrum_timeout_end(&timeout, rest());
    cleaning->seen[3] = thrum_timeout_expired(&timeout);
    return cleaning->seen[2];
}

RULE(cleanup_after_a_request_is_timed_out_and_requested_to_end)
{
    struct cleaning cleaning = {.seen = {0, 0, 0, 0}};
    thrum_group group;
    thrum_task *task;

    SPAN;
    open_group(&group);
    task = spawn(&group, cleans_up_in_time, &cleaning);
    for (int i = 0; i < 2; i++) {
        AWAIT(&cleaning.ready[i]);
        if (task)
            EXPECT(thrum_task_cancel(task, 0, NULL));
    }
    EXPECT_EQ(finish(task).kind, THRUM_CANCELLED);
    EXPECT_EQ(close_group(&group, 0), 0);
    EXPECT_EQ(cleaning.seen[0], THRUM_ECANCELED);
    EXPECT_EQ(cleaning.seen[1], THRUM_ETIMEOUT);
    EXPECT_EQ(cleaning.seen[2], THRUM_ECANCELED);
    EXPECT_EQ(cleaning.seen[3], 0);
}

/* ---- nested ---------------------------------------------------------------------------------- */

RULE(of_nested_timeouts_with_one_deadline_the_outermost_says_so)
{
    thrum_timeout outer, inner;
    thrum_time when = thrum_now();
    int status;

    SPAN;
    CHECK_EQ(thrum_timeout_begin_at(&outer, when), 0);
    CHECK_EQ(thrum_timeout_begin_at(&inner, when), 0);
    status = thrum_sleep(THRUM_FOREVER);
    EXPECT_EQ(status, THRUM_ECANCELED);
    status = thrum_timeout_end(&inner, status);
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT(thrum_timeout_expired(&inner));
    EXPECT_EQ(thrum_timeout_end(&outer, status), THRUM_ETIMEOUT);
}

RULE(an_outer_timeout_passes_through_the_inner_as_a_cancel)
{
    thrum_timeout outer, inner;
    int status;

    SPAN;
    CHECK_EQ(thrum_timeout_begin(&outer, thrum_us(50)), 0);
    CHECK_EQ(thrum_timeout_begin(&inner, thrum_s(1000)), 0);
    status = thrum_sleep(THRUM_FOREVER);
    EXPECT_EQ(status, THRUM_ECANCELED);
    status = thrum_timeout_end(&inner, status);
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT(!thrum_timeout_expired(&inner));
    EXPECT_EQ(thrum_timeout_end(&outer, status), THRUM_ETIMEOUT);
    EXPECT(thrum_timeout_expired(&outer));
}

RULE(an_inner_timeout_ends_before_the_outer)
{
    thrum_timeout outer, inner;
    int status;

    SPAN;
    CHECK_EQ(thrum_timeout_begin(&outer, thrum_s(1000)), 0);
    CHECK_EQ(thrum_timeout_begin(&inner, thrum_us(50)), 0);
    status = thrum_timeout_end(&inner, thrum_sleep(THRUM_FOREVER));
    EXPECT_EQ(status, THRUM_ETIMEOUT);
    EXPECT_EQ(thrum_yield(), 0);
    EXPECT_EQ(thrum_timeout_end(&outer, 0), 0);
    EXPECT(!thrum_timeout_expired(&outer));
}

/* The outer expires while the inner one's cancel is being handled. */
RULE(an_outer_timeout_is_not_lost_while_an_inner_one_is_handled)
{
    thrum_timeout outer, inner;
    int status;

    SPAN;
    CHECK_EQ(thrum_timeout_begin(&outer, thrum_s(1000)), 0);
    CHECK_EQ(thrum_timeout_begin(&inner, 0), 0);
    EXPECT_EQ(thrum_yield(), THRUM_ECANCELED);
    CHECK_EQ(thrum_timeout_reschedule(&outer, 0), 0);
    status = thrum_sleep(THRUM_FOREVER); /* the inner one's cleanup */
    EXPECT_EQ(status, THRUM_ECANCELED);
    status = thrum_timeout_end(&inner, status);
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT_EQ(thrum_timeout_end(&outer, status), THRUM_ETIMEOUT);
}

#define DEEP 30

RULE(many_timeouts_deep_each_takes_back_its_own)
{
    thrum_timeout timeouts[DEEP];
    int status = 0;

    SPAN;
    for (int i = 0; i < DEEP; i++)
        CHECK_EQ(thrum_timeout_begin(&timeouts[i], i % 2 ? 0 : thrum_s(1000)), 0);
    status = thrum_yield();
    for (int i = DEEP - 1; i >= 0; i--) {
        EXPECT_EQ(status, i == 0 ? THRUM_ETIMEOUT : THRUM_ECANCELED);
        status = thrum_timeout_end(&timeouts[i], status);
    }
    EXPECT_EQ(status, THRUM_ETIMEOUT);
    EXPECT_EQ(thrum_yield(), 0);
}

/* asyncio's test_nested_timeouts_loop_busy: both are overdue when the task comes to wait. */
RULE(of_two_that_are_overdue_the_outer_says_so)
{
    thrum_timeout outer, inner;
    thrum_time now = thrum_now();
    int status;

    SPAN;
    for (int i = 0; i < 2; i++) { /* whichever was the earlier */
        CHECK_EQ(thrum_timeout_begin_at(&outer, thrum_later(now, i ? -1000 : -2000)), 0);
        CHECK_EQ(thrum_timeout_begin_at(&inner, thrum_later(now, i ? -2000 : -1000)), 0);
        status = thrum_sleep(thrum_s(1000));
        EXPECT_EQ(status, THRUM_ECANCELED);
        status = thrum_timeout_end(&inner, status);
        EXPECT_EQ(status, THRUM_ECANCELED);
        EXPECT_EQ(thrum_timeout_end(&outer, status), THRUM_ETIMEOUT);
        EXPECT_EQ(thrum_yield(), 0);
    }
}

/* asyncio's test_nested_timeout_in_finally: the cleanup has a time of its own, and the outer's error. */
RULE(cleanup_of_a_timeout_has_a_timeout_of_its_own)
{
    thrum_timeout outer, inner;
    int status;

    SPAN;
    CHECK_EQ(thrum_timeout_begin(&outer, 0), 0);
    status = thrum_sleep(THRUM_FOREVER);
    EXPECT_EQ(status, THRUM_ECANCELED);
    CHECK_EQ(thrum_timeout_begin(&inner, thrum_us(50)), 0);
    EXPECT_EQ(thrum_timeout_end(&inner, thrum_sleep(THRUM_FOREVER)), THRUM_ETIMEOUT);
    EXPECT_EQ(thrum_yield(), 0);
    EXPECT_EQ(thrum_timeout_end(&outer, status), THRUM_ETIMEOUT);
}

/* ---- reschedule ------------------------------------------------------------------------------ */

RULE(a_timeout_is_put_off)
{
    thrum_timeout timeout;
    thrum_time when;

    SPAN;
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_s(1000)), 0);
    when = thrum_in(thrum_s(2000));
    EXPECT_EQ(thrum_timeout_reschedule_at(&timeout, when), 0);
    EXPECT_EQ(thrum_timeout_when(&timeout).ns, when.ns);
    EXPECT_EQ(thrum_timeout_reschedule(&timeout, THRUM_FOREVER), 0);
    EXPECT_EQ(thrum_timeout_when(&timeout).ns, thrum_never().ns);
    EXPECT_EQ(thrum_yield(), 0);
    EXPECT_EQ(thrum_timeout_end(&timeout, 0), 0);
}

RULE(a_timeout_is_brought_forward)
{
    thrum_timeout timeout;
    int status;

    SPAN;
    CHECK_EQ(thrum_timeout_begin(&timeout, THRUM_FOREVER), 0);
    EXPECT_EQ(thrum_timeout_reschedule(&timeout, thrum_us(50)), 0);
    status = thrum_sleep(THRUM_FOREVER);
    EXPECT_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
}

RULE(a_timeout_is_brought_forward_into_the_past)
{
    thrum_timeout timeout;
    int status;

    SPAN;
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_s(1000)), 0);
    EXPECT_EQ(thrum_timeout_reschedule_at(&timeout, thrum_later(thrum_now(), -1000)), 0);
    status = thrum_yield();
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
}

RULE(a_timeout_that_has_expired_is_not_put_off)
{
    thrum_timeout timeout;
    thrum_time when;

    SPAN;
    CHECK_EQ(thrum_timeout_begin(&timeout, 0), 0);
    when = thrum_timeout_when(&timeout);
    EXPECT_EQ(thrum_timeout_reschedule(&timeout, thrum_s(1)), THRUM_ESTATE);
    EXPECT_EQ(thrum_yield(), THRUM_ECANCELED);
    EXPECT_EQ(thrum_timeout_reschedule(&timeout, thrum_s(1)), THRUM_ESTATE);
    EXPECT_EQ(thrum_timeout_end(&timeout, THRUM_ECANCELED), THRUM_ETIMEOUT);
    EXPECT_EQ(thrum_timeout_reschedule(&timeout, thrum_s(1)), THRUM_ESTATE);
    EXPECT_EQ(thrum_timeout_when(&timeout).ns, when.ns);
}

/* The object may be used again once it is over. */
RULE(a_timeout_begins_anew)
{
    thrum_timeout timeout;

    SPAN;
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(thrum_timeout_begin(&timeout, i % 2 ? 0 : thrum_s(1000)), 0);
        EXPECT_EQ(thrum_timeout_end(&timeout, thrum_yield()), i % 2 ? THRUM_ETIMEOUT : 0);
        EXPECT_EQ(thrum_timeout_expired(&timeout), i % 2);
    }
}

/* ---- the deadline that counts ---------------------------------------------------------------- */

static int looks_for_its_deadline(void *arg)
{
    SPAN;
    *(thrum_time *)arg = thrum_deadline();
    return 0;
}

/* The earliest, whoever has set it; for tasks that are spawned, forked, called inline. */
static void every_kind_of_task_sees(thrum_time when)
{
    thrum_time seen[3] = {{0}, {0}, {0}};
    thrum_branch branch;
    thrum_group group;
    int status;

    EXPECT_EQ(thrum_deadline().ns, when.ns);
    CHECK_EQ(thrum_fork(&branch, looks_for_its_deadline, &seen[0]), 0);
    status = thrum_join(&branch, looks_for_its_deadline, &seen[0]);
    EXPECT_EQ(status, 0);
    open_group(&group);
    (void)spawn_forgotten(&group, looks_for_its_deadline, &seen[1]);
    (void)finish(spawn(&group, looks_for_its_deadline, &seen[2]));
    EXPECT_EQ(close_group(&group, 0), 0);
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(seen[i].ns, when.ns);
}

/* Trio's current_effective_deadline. */
RULE(a_task_knows_the_earliest_deadline_around_it)
{
    thrum_timeout outer, inner;
    thrum_shield shield;
    thrum_time soon = thrum_in(thrum_s(1000)), late = thrum_in(thrum_s(2000));

    SPAN;
    every_kind_of_task_sees(thrum_never());
    CHECK_EQ(thrum_timeout_begin_at(&outer, soon), 0);
    every_kind_of_task_sees(soon);
    CHECK_EQ(thrum_timeout_begin_at(&inner, late), 0);
    every_kind_of_task_sees(soon);
    EXPECT_EQ(thrum_timeout_reschedule_at(&outer, thrum_never()), 0);
    every_kind_of_task_sees(late);
    thrum_shield_begin(&shield);
    every_kind_of_task_sees(thrum_never());
    (void)!thrum_shield_end(&shield);
    EXPECT_EQ(thrum_timeout_end(&inner, 0), 0);
    every_kind_of_task_sees(thrum_never());
    EXPECT_EQ(thrum_timeout_end(&outer, 0), 0);
}

/* ---- over tasks ------------------------------------------------------------------------------ */

/* Rule 7: nobody gets stuck under a child that it might have run itself. */
RULE(a_join_times_out_however_long_its_task_takes)
{
    thrum_timeout timeout;
    thrum_group group;
    thrum_task *task;
    struct finish end;

    SPAN;
    open_group(&group);
    task = spawn(&group, sleep_on, NULL);
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_us(50)), 0);
    end = finish(task);
    EXPECT_EQ(end.join, THRUM_ECANCELED);
    EXPECT_EQ(end.kind, THRUM_CANCELLED);
    EXPECT_EQ(thrum_timeout_end(&timeout, end.join), THRUM_ETIMEOUT);
    EXPECT_EQ(close_group(&group, 0), 0);
}

RULE(a_timeout_around_a_group_cancels_its_tasks)
{
    thrum_child children[3];
    thrum_timeout timeout;
    thrum_group group;
    int status;

    SPAN;
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_us(50)), 0);
    open_group(&group);
    status = thrum_group_spawn_n(&group, children, 3, sleep_on, NULL, 0);
    EXPECT_EQ(status, 0);
    (void)spawn_forgotten(&group, sleep_on, NULL);
    status = close_group(&group, status);
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
    EXPECT_EQ(thrum_yield(), 0);
}

static int takes_its_time(void *arg)
{
    SPAN;
    for (int i = 0; i < 3; i++)
        (void)thrum_yield();
    raise_flag(arg);
    return 0;
}

/* The branch was forked outside of it: it ends as if there were no timeout. */
RULE(a_timeout_between_fork_and_join_is_told_after_the_join)
{
    thrum_event ended = THRUM_EVENT_INIT;
    thrum_timeout timeout;
    thrum_branch branch;
    int status;

    SPAN;
    CHECK_EQ(thrum_fork(&branch, takes_its_time, &ended), 0);
    CHECK_EQ(thrum_timeout_begin(&timeout, 0), 0);
    EXPECT_EQ(thrum_join(&branch, takes_its_time, &ended), 0);
    EXPECT(raised(&ended));
    status = thrum_yield();
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
}

/* A failure inside is not hidden by the timeout, nor the timeout by it. */
RULE(a_group_that_fails_inside_an_expired_timeout_has_failed)
{
    thrum_timeout timeout;
    thrum_group group;
    int status;

    SPAN;
    CHECK_EQ(thrum_timeout_begin(&timeout, 0), 0);
    EXPECT_EQ(thrum_yield(), THRUM_ECANCELED);
    open_group(&group);
    (void)spawn_forgotten(&group, fail_with, (void *)(uintptr_t)&broken);
    status = close_group(&group, THRUM_ECANCELED);
    EXPECT_EQ(status, THRUM_EGROUP);
    EXPECT_EQ(thrum_timeout_end(&timeout, status), THRUM_EGROUP);
    EXPECT(thrum_timeout_expired(&timeout));
    EXPECT_EQ(thrum_yield(), 0);
}

/* ---- wait_for -------------------------------------------------------------------------------- */

static int waits_for(void *arg)
{
    SPAN;
    return thrum_wait_for(sleep_on, arg, thrum_s(1000));
}

static int yields(void *arg)
{
    int status = thrum_yield();

    return status ? status : *(const int *)arg;
}

static int swallows(void *arg)
{
    (void)arg;
    EXPECT_EQ(thrum_sleep(THRUM_FOREVER), THRUM_ECANCELED);
    return 5;
}

static int fails_late(void *arg)
{
    EXPECT_EQ(thrum_sleep(THRUM_FOREVER), THRUM_ECANCELED);
    return *(const int *)arg;
}

/* Its cleanup takes its time. */
static int cleans_up(void *arg)
{
    int status = thrum_sleep(THRUM_FOREVER);

    for (int i = 0; i < 3; i++)
        EXPECT_EQ(thrum_yield(), 0);
    raise_flag(arg);
    return status;
}

RULE(wait_for_returns_what_its_function_does)
{
    static const int three = 3;

    SPAN;
    EXPECT_EQ(thrum_wait_for(yields, (void *)(uintptr_t)&three, THRUM_FOREVER), 3);
    EXPECT_EQ(thrum_wait_for(yields, (void *)(uintptr_t)&three, thrum_s(1000)), 3);
    EXPECT_EQ(thrum_wait_for(yields, (void *)(uintptr_t)&broken, thrum_s(1000)), -EIO);
}

static int must_not_run(void *arg)
{
    (void)arg;
    check_fail(CHECK_SITE("it is never called"));
}

RULE(wait_for_of_no_time_does_not_begin)
{
    SPAN;
    EXPECT_EQ(thrum_wait_for(must_not_run, NULL, 0), THRUM_ETIMEOUT);
}

RULE(wait_for_times_out)
{
    SPAN;
    EXPECT_EQ(thrum_wait_for(sleep_on, NULL, thrum_us(50)), THRUM_ETIMEOUT);
    EXPECT_EQ(thrum_yield(), 0);
}

RULE(wait_for_waits_for_the_end_of_what_it_has_cancelled)
{
    thrum_event cleaned = THRUM_EVENT_INIT;

    SPAN;
    EXPECT_EQ(thrum_wait_for(cleans_up, &cleaned, thrum_us(50)), THRUM_ETIMEOUT);
    EXPECT(raised(&cleaned));
}

RULE(wait_for_passes_on_another_error_and_a_value)
{
    SPAN;
    EXPECT_EQ(thrum_wait_for(fails_late, (void *)(uintptr_t)&broken, thrum_us(50)), -EIO);
    EXPECT_EQ(thrum_wait_for(swallows, NULL, thrum_us(50)), 5);
}

RULE(cancelling_who_waits_for_cancels_what_it_waits_for)
{
    thrum_group group;
    thrum_event ready = THRUM_EVENT_INIT;
    thrum_task *task;
    struct finish end;

    SPAN;
    open_group(&group);
    task = spawn(&group, waits_for, &ready);
    AWAIT(&ready);
    if (task)
        (void)thrum_task_cancel(task, 0, NULL);
    end = finish(task);
    EXPECT_EQ(end.kind, THRUM_CANCELLED);
    EXPECT_EQ(end.status, THRUM_ECANCELED);
    EXPECT_EQ(close_group(&group, 0), 0);
}

/* What has ended wins over the time: a task's outcome, and a function that need not wait. */
RULE(what_has_ended_is_not_timed_out)
{
    static const int three = 3;
    thrum_timeout timeout;
    thrum_group group;
    thrum_task *task;

    SPAN;
    open_group(&group);
    task = spawn(&group, fail_with, (void *)(uintptr_t)&three);
    if (task)
        EXPECT_EQ(thrum_shield_join(task, NULL), 0);
    CHECK_EQ(thrum_timeout_begin(&timeout, 0), 0);
    if (task) {
        struct finish end = finish(task);

        EXPECT_EQ(end.join, 0);
        EXPECT_EQ(end.status, 3);
    }
    EXPECT_EQ(thrum_wait_for(fail_with, (void *)(uintptr_t)&three, thrum_s(1000)), 3);
    EXPECT_EQ(thrum_timeout_end(&timeout, 3), 3);
    EXPECT(thrum_timeout_expired(&timeout));
    EXPECT_EQ(thrum_yield(), 0);
    EXPECT_EQ(close_group(&group, 0), 0);
}

static int shield_joins(void *arg)
{
    SPAN;
    return thrum_shield_join(arg, NULL);
}

/* With a shield the waiting alone is cancelled. */
RULE(wait_for_of_a_shielded_task_leaves_it_alone)
{
    thrum_event event = THRUM_EVENT_INIT;
    thrum_group group;
    thrum_task *task;

    SPAN;
    open_group(&group);
    task = spawn(&group, wait_event, &event);
    if (task)
        EXPECT_EQ(thrum_wait_for(shield_joins, task, thrum_us(50)), THRUM_ETIMEOUT);
    EXPECT(!task || !thrum_task_ended(task, NULL));
    thrum_event_set(&event);
    EXPECT_EQ(finish(task).kind, THRUM_OK);
    EXPECT_EQ(close_group(&group, 0), 0);
    thrum_event_destroy(&event);
}

struct shielded {
    thrum_task *inner;
    thrum_event joins;
    int seen;
};

static int joins_shielded(void *arg)
{
    struct shielded *shielded = arg;

    SPAN;
    raise_flag(&shielded->joins);
    shielded->seen = thrum_shield_join(shielded->inner, NULL);
    return shielded->seen;
}

static int waits_and_fails(void *arg)
{
    SPAN;
    return thrum_event_wait(arg) ? THRUM_ECANCELED : broken;
}

/* Two waiters with shields are cancelled; the task fails later, and its group says so, once. */
RULE(a_failure_behind_shields_is_told_once)
{
    thrum_event event = THRUM_EVENT_INIT;
    struct shielded shielded[2];
    thrum_task *inner, *joiners[2] = {NULL, NULL};
    thrum_error *errors;
    thrum_group group;

    SPAN;
    memset(shielded, 0, sizeof shielded);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    inner = spawn(&group, waits_and_fails, &event);
    for (int i = 0; inner && i < 2; i++) {
        shielded[i].inner = inner;
        joiners[i] = spawn(&group, joins_shielded, &shielded[i]);
        AWAIT(&shielded[i].joins);
        if (joiners[i])
            EXPECT(thrum_task_cancel(joiners[i], 0, NULL));
    }
    for (int i = 0; i < 2; i++) {
        EXPECT_EQ(finish(joiners[i]).kind, THRUM_CANCELLED);
        EXPECT_EQ(shielded[i].seen, THRUM_ECANCELED);
    }
    EXPECT(!inner || !thrum_task_ended(inner, NULL));
    thrum_event_set(&event);
    EXPECT_EQ(thrum_group_close(&group, 0, &errors), THRUM_EGROUP);
    EXPECT_EQ(thrum_error_count(errors), 1);
    thrum_error_free(errors);
    thrum_task_unref(inner);
    thrum_event_destroy(&event);
}

/* The task that is waited for is cancelled: who waits is told of that, and is none himself. */
RULE(who_waits_for_a_task_that_is_cancelled_goes_on)
{
    thrum_event ready = THRUM_EVENT_INIT;
    thrum_outcome outcome = {.kind = THRUM_OK};
    thrum_group group;
    thrum_task *task;

    SPAN;
    open_group(&group);
    task = spawn(&group, sleep_on, &ready);
    AWAIT(&ready);
    if (task) {
        EXPECT(thrum_task_cancel(task, 0, NULL));
        EXPECT_EQ(thrum_shield_join(task, &outcome), 0);
        EXPECT_EQ(outcome.kind, THRUM_CANCELLED);
        EXPECT_EQ(outcome.status, THRUM_ECANCELED);
        thrum_error_free(outcome.error);
    }
    EXPECT_EQ(thrum_yield(), 0);
    EXPECT_EQ(finish(task).join, 0);
    EXPECT_EQ(close_group(&group, 0), 0);
}

/* ---- bad input ------------------------------------------------------------------------------- */

RULE(negative_durations_are_refused)
{
    thrum_timeout timeout;
    thrum_time when;

    SPAN;
    EXPECT_EQ(thrum_timeout_begin(&timeout, -1), -EINVAL);
    EXPECT_EQ(thrum_timeout_begin(&timeout, INT64_MIN), -EINVAL);
    EXPECT_EQ(thrum_wait_for(must_not_run, NULL, -1), -EINVAL);
    EXPECT_EQ(thrum_sleep(-1), -EINVAL);
    EXPECT_EQ(thrum_sleep(INT64_MIN), -EINVAL);
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_s(1000)), 0);
    when = thrum_timeout_when(&timeout);
    EXPECT_EQ(thrum_timeout_reschedule(&timeout, -1), -EINVAL);
    EXPECT_EQ(thrum_timeout_when(&timeout).ns, when.ns);
    EXPECT_EQ(thrum_timeout_end(&timeout, thrum_yield()), 0);
}
