/* group_test.c - the rules of task groups: see README.md. */
#include "tests/conformance/conform.h"

static const int broken = -EIO;
static const int denied = -EPERM;

static int must_not_run(void *arg)
{
    (void)arg;
    if (!disturbed())
        check_fail(CHECK_SITE("it is never called"));
    return 0;
}

/* Fails with *code once the flag is raised. */
struct failing {
    thrum_event go;
    thrum_event ready;
    int code;
};

static int fails_when_told(void *arg)
{
    struct failing *failing = arg;

    SPAN;
    raise_flag(&failing->ready);
    AWAIT(&failing->go);
    return failing->code;
}

/* ---- spawning -------------------------------------------------------------------------------- */

struct late {
    thrum_group group;
    thrum_event closing;
    uint32_t ran;
};

static int counts(void *arg)
{
    SPAN;
    add_relaxed((uint32_t *)arg, 1); /* relaxed: a counter */
    return 0;
}

static int spawns_late(void *arg)
{
    struct late *late = arg;

    SPAN;
    for (int i = 0; i < 5; i++) {
        EXPECT_EQ(spawn_forgotten(&late->group, counts, &late->ran), 0);
        EXPECT_EQ(thrum_yield(), 0);
    }
    return 0;
}

/* The owner is in close already, as long as one task of the group lives. */
RULE(a_member_spawns_while_the_owner_closes)
{
    struct late late = {.ran = 0};

    SPAN;
    open_group(&late.group);
    EXPECT_EQ(spawn_forgotten(&late.group, spawns_late, &late), 0);
    EXPECT_EQ(spawn_forgotten(&late.group, spawns_late, &late), 0);
    EXPECT_EQ(close_group(&late.group, 0), 0);
    EXPECT_EQ(load_relaxed(&late.ran), 10);
}

static int spawns_into_aborting(void *arg)
{
    thrum_group *group = arg;

    SPAN;
    EXPECT_EQ(thrum_sleep(THRUM_FOREVER), THRUM_ECANCELED);
    EXPECT_EQ(spawn_forgotten(group, must_not_run, NULL), THRUM_ESHUTDOWN);
    return THRUM_ECANCELED;
}

/* By its owner and by its members, of both kinds. */
RULE(a_group_that_aborts_takes_no_more)
{
    thrum_child child;
    thrum_group group;

    SPAN;
    open_group(&group);
    EXPECT_EQ(spawn_forgotten(&group, spawns_into_aborting, &group), 0);
    EXPECT_EQ(thrum_yield(), 0);
    thrum_group_cancel(&group, 0, NULL);
    EXPECT_EQ(spawn_forgotten(&group, must_not_run, NULL), THRUM_ESHUTDOWN);
    EXPECT_EQ(thrum_group_spawn_child(&group, &child, must_not_run, NULL), THRUM_ESHUTDOWN);
    EXPECT(!spawn(&group, must_not_run, NULL));
    EXPECT_EQ(close_group(&group, 0), 0);
}

/* Tasks that have ended leave nothing behind in a group that lives long. */
RULE(a_group_that_lives_long_does_not_grow)
{
    uint32_t ran = 0;
    thrum_group group;

    SPAN;
    open_group(&group);
    for (int i = 0; i < 100; i++)
        EXPECT_EQ(finish(spawn(&group, counts, &ran)).kind, THRUM_OK);
    EXPECT_EQ(load_relaxed(&ran), 100);
    EXPECT_EQ(close_group(&group, 0), 0);
}

/* ---- children that are cancelled, and children that fail -------------------------------------- */

RULE(a_cancelled_child_is_neither_an_error_nor_a_reason)
{
    struct failing other = {.code = 0};
    thrum_task *cancelled, *stays;
    thrum_event ready = THRUM_EVENT_INIT;
    thrum_error *errors;
    thrum_group group;

    SPAN;
    open_group(&group);
    cancelled = spawn(&group, sleep_on, &ready);
    stays = spawn(&group, fails_when_told, &other);
    AWAIT(&ready);
    if (cancelled)
        EXPECT(thrum_task_cancel(cancelled, 0, NULL));
    EXPECT_EQ(finish(cancelled).kind, THRUM_CANCELLED);
    EXPECT_EQ(thrum_yield(), 0); /* its owner goes on */
    raise_flag(&other.go);
    EXPECT_EQ(finish(stays).kind, THRUM_OK);
    EXPECT_EQ(thrum_group_close(&group, 0, &errors), 0);
    EXPECT(!errors);
    thrum_error_free(errors);
}

RULE(the_first_failure_cancels_the_others_and_wakes_the_owner)
{
    struct failing failing = {.code = -EIO};
    thrum_task *sleeper;
    thrum_error *errors;
    thrum_reason reason = {.code = 1};
    thrum_group group;
    int status;

    SPAN;
    open_group(&group);
    sleeper = spawn(&group, sleep_on, NULL);
    EXPECT_EQ(spawn_forgotten(&group, fails_when_told, &failing), 0);
    raise_flag(&failing.go);
    status = thrum_sleep(THRUM_FOREVER);
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT_EQ(thrum_cancel_reason(&reason), 0);
    EXPECT_EQ(reason.code, THRUM_EGROUP);
    status = thrum_group_close(&group, status, &errors);
    EXPECT_EQ(status, THRUM_EGROUP);
    EXPECT_EQ(thrum_error_count(errors), 1);
    EXPECT_EQ(thrum_error_code(thrum_error_child(errors, 0)), -EIO);
    thrum_error_free(errors);
    EXPECT_EQ(finish(sleeper).kind, THRUM_CANCELLED);
    EXPECT_EQ(thrum_yield(), 0); /* the group's own cancel went with it */
}

/* In close, and of children that close runs itself. */
RULE(a_failure_reaches_an_owner_that_closes)
{
    thrum_child children[3];
    thrum_error *errors;
    thrum_group group;

    SPAN;
    open_group(&group);
    CHECK_EQ(thrum_group_spawn_child(&group, &children[0], sleep_on, NULL), 0);
    EXPECT_EQ(spawn_forgotten(&group, sleep_on, NULL), 0);
    CHECK_EQ(thrum_group_spawn_child(&group, &children[1], fail_with, (void *)(uintptr_t)&broken),
             0); /* the last: once it has failed the group takes no more */
    (void)thrum_yield(); /* some start, or none */
    EXPECT_EQ(thrum_group_close(&group, 0, &errors), THRUM_EGROUP);
    EXPECT_EQ(thrum_error_count(errors), 1);
    thrum_error_free(errors);
    EXPECT_EQ(thrum_yield(), 0);
}

/* The same when it is cancelled. */
static int fails_late(void *arg)
{
    struct failing *failing = arg;

    SPAN;
    raise_flag(&failing->ready);
    EXPECT_EQ(thrum_sleep(THRUM_FOREVER), THRUM_ECANCELED);
    return failing->code;
}

static int has_code(const thrum_error *errors, int code)
{
    return thrum_error_has(errors, code);
}

RULE(failures_of_those_that_were_cancelled_are_collected_too)
{
    struct failing failing[2] = {{.code = -EIO}, {.code = -EPERM}};
    thrum_error *errors;
    thrum_group group;

    SPAN;
    open_group(&group);
    EXPECT_EQ(spawn_forgotten(&group, fails_when_told, &failing[0]), 0);
    EXPECT_EQ(spawn_forgotten(&group, fails_late, &failing[1]), 0);
    AWAIT(&failing[1].ready);
    raise_flag(&failing[0].go);
    EXPECT_EQ(thrum_group_close(&group, 0, &errors), THRUM_EGROUP);
    EXPECT_EQ(thrum_error_count(errors), 2);
    EXPECT(has_code(errors, -EIO));
    EXPECT(has_code(errors, -EPERM));
    thrum_error_free(errors);
}

/* One after the other: the tree has them in that order. */
RULE(errors_stand_in_the_order_in_which_tasks_ended)
{
    static const int codes[] = {-EIO, -EPERM, -EBUSY, -ENOENT};
    thrum_error *errors;
    thrum_group group;

    SPAN;
    open_collecting(&group);
    for (size_t i = 0; i < 4; i++)
        EXPECT_EQ(finish(spawn(&group, fail_with, (void *)(uintptr_t)&codes[i])).status, codes[i]);
    EXPECT_EQ(thrum_group_close(&group, 0, &errors), THRUM_EGROUP);
    EXPECT_EQ(thrum_error_count(errors), 4);
    for (size_t i = 0; i < thrum_error_count(errors); i++)
        EXPECT_EQ(thrum_error_code(thrum_error_child(errors, i)), codes[i]);
    thrum_error_free(errors);
}

static int fails_as_a_group(void *arg)
{
    thrum_group group;

    SPAN;
    open_group(&group);
    EXPECT_EQ(spawn_forgotten(&group, fail_with, arg), 0);
    return thrum_group_close(&group, 0, NULL);
}

RULE(trees_of_groups_nest)
{
    const thrum_error *inner;
    thrum_error *errors;
    thrum_group group;

    SPAN;
    open_collecting(&group);
    (void)finish(spawn(&group, fails_as_a_group, (void *)(uintptr_t)&broken));
    EXPECT_EQ(spawn_forgotten(&group, fails_as_a_group, (void *)(uintptr_t)&denied), 0);
    EXPECT_EQ(thrum_group_close(&group, 0, &errors), THRUM_EGROUP);
    EXPECT_EQ(thrum_error_count(errors), 2);
    inner = thrum_error_child(errors, 0);
    EXPECT_EQ(thrum_error_code(inner), THRUM_EGROUP);
    EXPECT_EQ(thrum_error_count(inner), 1);
    EXPECT_EQ(thrum_error_code(thrum_error_child(inner, 0)), -EIO);
    EXPECT(has_code(errors, -EPERM));
    thrum_error_free(errors);
}

RULE(a_collecting_group_lets_the_others_go_on)
{
    thrum_event event = THRUM_EVENT_INIT;
    thrum_task *waits;
    thrum_group group;

    SPAN;
    open_collecting(&group);
    waits = spawn(&group, wait_event, &event);
    EXPECT_EQ(finish(spawn(&group, fail_with, (void *)(uintptr_t)&broken)).kind, THRUM_FAILED);
    EXPECT_EQ(thrum_yield(), 0);
    thrum_event_set(&event);
    EXPECT_EQ(finish(waits).kind, THRUM_OK);
    EXPECT_EQ(close_group(&group, 0), THRUM_EGROUP);
    thrum_event_destroy(&event);
}

/* ---- the body's status: rule 6 ---------------------------------------------------------------- */

RULE(a_body_that_fails_cancels_the_children)
{
    thrum_event ready = THRUM_EVENT_INIT;
    thrum_task *sleeper;
    thrum_error *errors;
    thrum_group group;

    SPAN;
    open_group(&group);
    sleeper = spawn(&group, sleep_on, &ready);
    AWAIT(&ready);
    /* alone, it is what goes on: no tree is made of one who can speak for himself */
    EXPECT_EQ(thrum_group_close(&group, -EBUSY, &errors), -EBUSY);
    EXPECT(!errors);
    thrum_error_free(errors);
    EXPECT_EQ(finish(sleeper).kind, THRUM_CANCELLED);
    EXPECT_EQ(thrum_yield(), 0);
}

RULE(a_body_that_fails_joins_the_tree)
{
    thrum_error *errors;
    thrum_group group;

    SPAN;
    open_collecting(&group);
    (void)finish(spawn(&group, fail_with, (void *)(uintptr_t)&broken));
    EXPECT_EQ(thrum_group_close(&group, -EBUSY, &errors), THRUM_EGROUP);
    EXPECT_EQ(thrum_error_count(errors), 2);
    EXPECT(has_code(errors, -EIO));
    EXPECT(has_code(errors, -EBUSY));
    thrum_error_free(errors);
}

RULE(close_passes_a_status_on)
{
    thrum_group group;

    SPAN;
    open_group(&group);
    EXPECT_EQ(close_group(&group, 17), 17);
    open_group(&group);
    EXPECT_EQ(spawn_forgotten(&group, nothing, NULL), 0);
    EXPECT_EQ(close_group(&group, 17), 17);
    open_group(&group);
    EXPECT_EQ(close_group(&group, -EBUSY), -EBUSY);
    EXPECT_EQ(thrum_yield(), 0);
}

/* ---- cancels from outside --------------------------------------------------------------------- */

RULE(a_cancel_from_outside_in_the_body_goes_on_after_close)
{
    thrum_event ready = THRUM_EVENT_INIT;
    thrum_task *sleeper;
    thrum_group group;
    thrum_scope scope;
    int status;

    SPAN;
    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    open_group(&group);
    sleeper = spawn(&group, sleep_on, &ready);
    AWAIT(&ready);
    thrum_scope_cancel(&scope, 0, NULL);
    status = thrum_yield();
    EXPECT_EQ(status, THRUM_ECANCELED);
    status = close_group(&group, status);
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT_EQ(finish(sleeper).kind, THRUM_CANCELLED);
    EXPECT_EQ(thrum_scope_end(&scope, status), 0);
    EXPECT_EQ(thrum_yield(), 0);
}

struct closing {
    thrum_scope *scope;
    int times;
};

static int cancels_scope(void *arg)
{
    struct closing *closing = arg;

    SPAN;
    for (int i = 0; i < closing->times; i++) {
        thrum_scope_cancel(closing->scope, 0, NULL);
        (void)thrum_yield();
    }
    return 0;
}

/*
 * Again and again: close waits for all, and it is told once; by the next suspension, if
 * all had ended before close looked.
 */
RULE(a_cancel_from_outside_in_close_is_what_close_returns)
{
    thrum_group group;
    thrum_scope scope;
    struct closing closing = {&scope, 0};
    int status;

    SPAN;
    for (closing.times = 1; closing.times < 4; closing.times++) {
        CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
        open_group(&group);
        EXPECT_EQ(spawn_forgotten(&group, sleep_on, NULL), 0);
        EXPECT_EQ(spawn_forgotten(&group, cancels_scope, &closing), 0);
        status = close_group(&group, 0);
        EXPECT_EQ(thrum_yield(), status ? 0 : THRUM_ECANCELED);
        EXPECT_EQ(thrum_yield(), 0);
        EXPECT_EQ(thrum_scope_end(&scope, THRUM_ECANCELED), 0);
        EXPECT_EQ(thrum_yield(), 0);
    }
}

/* gh-116720: the errors are told first, the cancel at the next suspension. */
RULE(a_cancel_from_outside_with_failures_is_delivered_once_more)
{
    struct failing failing = {.code = -EIO};
    thrum_group group;
    thrum_scope scope;
    int status;

    SPAN;
    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    open_group(&group);
    EXPECT_EQ(spawn_forgotten(&group, fails_late, &failing), 0);
    AWAIT(&failing.ready);
    thrum_scope_cancel(&scope, 0, NULL);
    status = thrum_yield();
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT_EQ(close_group(&group, status), THRUM_EGROUP);
    EXPECT_EQ(thrum_yield(), THRUM_ECANCELED);
    EXPECT_EQ(thrum_yield(), 0);
    EXPECT_EQ(thrum_scope_end(&scope, 0), 0);
}

struct exiting {
    struct failing failing;
    thrum_event closing;
    thrum_event over;
    thrum_event cleaned;
    int seen[4];
};

static int cleans_up_and_fails(void *arg)
{
    struct exiting *exiting = arg;
    int status = fails_late(&exiting->failing);
    thrum_shield shield;

    SPAN;
    thrum_shield_begin(&shield); /* whatever comes now, its cleanup takes its time */
    raise_flag(&exiting->closing);
    AWAIT(&exiting->over);
    raise_flag(&exiting->cleaned);
    (void)!thrum_shield_end(&shield);
    return status;
}

static int exits(void *arg)
{
    struct exiting *exiting = arg;
    thrum_group group;

    SPAN;
    thrum_cancel_absorb();
    open_group(&group);
    EXPECT_EQ(spawn_forgotten(&group, cleans_up_and_fails, exiting), 0);
    exiting->seen[0] = close_group(&group, 0);
    exiting->seen[1] = raised(&exiting->cleaned);
    exiting->seen[2] = thrum_yield();
    exiting->seen[3] = thrum_yield();
    return 0;
}

/* The same in exit: asked once, or again and again, it waits for all, and is told once. */
static void exit_under_requests(int requests, int code, int closes, int then)
{
    struct exiting exiting = {.failing = {.code = code}};
    thrum_group group;
    thrum_task *task;

    open_group(&group);
    task = spawn(&group, exits, &exiting);
    AWAIT(&exiting.failing.ready);
    for (int i = 0; task && i < requests; i++) {
        EXPECT(thrum_task_cancel(task, 0, NULL));
        AWAIT(&exiting.closing); /* it has told its child */
        for (int k = 0; k < 3; k++)
            EXPECT_EQ(thrum_yield(), 0);
        EXPECT(!thrum_task_ended(task, NULL));
    }
    raise_flag(&exiting.over);
    EXPECT_EQ(finish(task).kind, THRUM_OK);
    EXPECT_EQ(close_group(&group, 0), 0);
    EXPECT_EQ(exiting.seen[0], closes);
    EXPECT_EQ(exiting.seen[1], 1);
    EXPECT_EQ(exiting.seen[2], then);
    EXPECT_EQ(exiting.seen[3], 0);
}

RULE(close_waits_however_often_it_is_cancelled)
{
    SPAN;
    exit_under_requests(1, THRUM_ECANCELED, THRUM_ECANCELED, 0);
    exit_under_requests(3, THRUM_ECANCELED, THRUM_ECANCELED, 0);
}

RULE(cancels_in_close_with_failures_are_delivered_once_more)
{
    SPAN;
    exit_under_requests(1, -EIO, THRUM_EGROUP, THRUM_ECANCELED);
    exit_under_requests(3, -EIO, THRUM_EGROUP, THRUM_ECANCELED);
}

/* Fails with `code` once it is told to, whatever is cancelled meanwhile. */
struct certain {
    thrum_event ready;
    thrum_event go;
    int code;
};

static int fails_for_certain(void *arg)
{
    struct certain *certain = arg;
    thrum_shield shield;

    SPAN;
    thrum_shield_begin(&shield);
    raise_flag(&certain->ready);
    AWAIT(&certain->go);
    (void)!thrum_shield_end(&shield);
    return certain->code;
}

/* asyncio's test_nested_groups_both_cancelled: the inner one's is taken, as by an except*. */
RULE(a_group_inside_of_one_that_fails_too_tells_of_its_own)
{
    struct certain fails[2] = {{.code = -EPERM}, {.code = -EIO}};
    thrum_group groups[2];
    int status;

    SPAN;
    for (int i = 1; i >= 0; i--) {
        open_group(&groups[i]);
        EXPECT_EQ(spawn_forgotten(&groups[i], fails_for_certain, &fails[i]), 0);
        AWAIT(&fails[i].ready);
    }
    raise_flag(&fails[0].go);
    raise_flag(&fails[1].go);
    for (int i = 0; i < 2; i++) {
        thrum_error *errors;

        status = rest(); /* both failures at once, or the first; then the second one, in any case */
        EXPECT_EQ(status, THRUM_ECANCELED);
        EXPECT_EQ(thrum_group_close(&groups[i], status, &errors), THRUM_EGROUP);
        EXPECT_EQ(thrum_error_count(errors), 1);
        EXPECT(has_code(errors, fails[i].code));
        thrum_error_free(errors);
    }
    EXPECT_EQ(thrum_yield(), 0);
}

/* asyncio's test_error_and_cancel: a request that comes with the failure is told after it. */
struct both {
    struct certain certain;
    thrum_event over; /* the request, and perhaps the failure */
    int seen[3];
};

static int is_cancelled_and_fails(void *arg)
{
    struct both *both = arg;
    thrum_shield shield;
    thrum_group group;
    int status;

    SPAN;
    open_group(&group);
    thrum_shield_begin(&shield);
    EXPECT_EQ(spawn_forgotten(&group, fails_for_certain, &both->certain), 0);
    AWAIT(&both->over);
    status = thrum_shield_end(&shield);
    EXPECT_EQ(status, THRUM_ECANCELED);
    raise_flag(&both->certain.go);
    both->seen[0] = close_group(&group, status);
    both->seen[1] = thrum_cancelling();
    both->seen[2] = rest();
    return both->seen[2];
}

RULE(a_request_that_comes_with_a_failure_is_told_after_it)
{
    SPAN;
    for (int first = 0; first < 2; first++) { /* the failure is there when it is told, or is not */
        struct both both = {.certain = {.code = -EIO}};
        thrum_group group;
        thrum_task *task;

        open_group(&group);
        task = spawn(&group, is_cancelled_and_fails, &both);
        AWAIT(&both.certain.ready);
        if (task) {
            EXPECT_EQ(thrum_task_cancelling(task), 0);
            EXPECT(thrum_task_cancel(task, 0, NULL));
            EXPECT_EQ(thrum_task_cancelling(task), 1);
        }
        if (first) {
            raise_flag(&both.certain.go);
            for (int i = 0; i < 5; i++)
                EXPECT_EQ(thrum_yield(), 0);
        }
        raise_flag(&both.over);
        EXPECT_EQ(finish(task).kind, THRUM_CANCELLED);
        EXPECT_EQ(close_group(&group, 0), 0);
        EXPECT_EQ(both.seen[0], THRUM_EGROUP);
        EXPECT_EQ(both.seen[1], 1);
        EXPECT_EQ(both.seen[2], THRUM_ECANCELED);
    }
}

/* ---- cancelling a group ----------------------------------------------------------------------- */

RULE(a_cancelled_group_closes_without_error)
{
    thrum_event ready = THRUM_EVENT_INIT;
    thrum_task *sleeper;
    thrum_group group;
    int status;

    SPAN;
    open_group(&group);
    sleeper = spawn(&group, sleep_on, &ready);
    AWAIT(&ready);
    thrum_group_cancel(&group, 0, NULL);
    thrum_group_cancel(&group, 0, NULL);
    status = thrum_yield();
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT_EQ(close_group(&group, status), 0);
    EXPECT_EQ(finish(sleeper).kind, THRUM_CANCELLED);
    EXPECT_EQ(thrum_yield(), 0);

    open_group(&group); /* before the first suspension, and with a status */
    thrum_group_cancel(&group, 0, NULL);
    EXPECT_EQ(close_group(&group, 17), 17);
    EXPECT_EQ(thrum_yield(), 0);
}

static int cancels_group(void *arg)
{
    SPAN;
    thrum_group_cancel((thrum_group *)arg, 0, NULL);
    return 0;
}

/* gh-155418: at once, without having suspended; as a child, a task, from a fiber of its own. */
RULE(a_child_cancels_its_group)
{
    thrum_child child;
    thrum_group group;

    SPAN;
    for (int i = 0; i < 4; i++) {
        open_group(&group);
        EXPECT_EQ(spawn_forgotten(&group, sleep_on, NULL), 0);
        if (i & 1)
            EXPECT_EQ(thrum_group_spawn_child(&group, &child, cancels_group, &group), 0);
        else
            EXPECT_EQ(spawn_forgotten(&group, cancels_group, &group), 0);
        if (i & 2)
            EXPECT(thrum_sleep(THRUM_FOREVER) == THRUM_ECANCELED);
        EXPECT_EQ(close_group(&group, 0), 0);
        EXPECT_EQ(thrum_yield(), 0);
    }
}

/* gh-155433 */
RULE(a_cancel_from_outside_is_not_lost_in_a_cancelled_group)
{
    thrum_group group;
    thrum_scope scope;
    int status;

    SPAN;
    for (int i = 0; i < 4; i++) { /* in which order, and with a suspension or without */
        CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
        open_group(&group);
        if (i & 1)
            thrum_scope_cancel(&scope, 0, NULL);
        thrum_group_cancel(&group, 0, NULL);
        if (!(i & 1))
            thrum_scope_cancel(&scope, 0, NULL);
        status = i & 2 ? thrum_yield() : 0;
        status = close_group(&group, status);
        EXPECT_EQ(status, i & 2 ? THRUM_ECANCELED : 0);
        EXPECT_EQ(thrum_yield(), i & 2 ? 0 : THRUM_ECANCELED);
        EXPECT_EQ(thrum_scope_end(&scope, THRUM_ECANCELED), 0);
        EXPECT_EQ(thrum_yield(), 0);
    }
}

/* A group that was cancelled tells of failures all the same. */
RULE(a_cancelled_group_still_tells_of_failures)
{
    struct failing failing = {.code = -EIO};
    thrum_group group;
    thrum_task *task;

    SPAN;
    open_group(&group);
    task = spawn(&group, fails_when_told, &failing);
    AWAIT(&failing.ready);
    raise_flag(&failing.go);
    (void)finish(task);
    thrum_group_cancel(&group, 0, NULL);
    EXPECT_EQ(close_group(&group, 0), THRUM_EGROUP);
    EXPECT_EQ(thrum_yield(), 0);
}

/* ---- close waits ------------------------------------------------------------------------------ */

struct cleanup {
    thrum_event ready;
    uint32_t done; /* atomic */
};

static int cleans_up(void *arg)
{
    struct cleanup *cleanup = arg;
    int status;

    SPAN;
    raise_flag(&cleanup->ready);
    status = thrum_sleep(THRUM_FOREVER);
    for (int i = 0; i < 5; i++)
        EXPECT_EQ(thrum_yield(), 0);
    EXPECT_EQ(thrum_sleep(thrum_us(20)), 0);
    store_release(&cleanup->done, 1);
    return status;
}

/* Cleanup may suspend, and close waits for it. */
RULE(close_waits_for_the_cleanup_of_cancelled_children)
{
    struct cleanup cleanups[3];
    thrum_group group;

    SPAN;
    memset(cleanups, 0, sizeof cleanups);
    open_group(&group);
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(spawn_forgotten(&group, cleans_up, &cleanups[i]), 0);
    for (int i = 0; i < 3; i++)
        AWAIT(&cleanups[i].ready);
    thrum_group_cancel(&group, 0, NULL);
    EXPECT_EQ(close_group(&group, 0), 0);
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(load_acquire(&cleanups[i].done), 1);
}

/* Children on the owner's stack, on others, tasks: all are found in their sleep. */
RULE(a_failure_finds_all_that_sleep_below)
{
    thrum_child children[4];
    thrum_group outer, inner;

    SPAN;
    open_group(&outer);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(thrum_group_spawn_child(&outer, &children[i], sleep_on, NULL), 0);
    EXPECT_EQ(thrum_yield(), 0);
    open_group(&inner);
    for (int i = 2; i < 4; i++)
        EXPECT_EQ(thrum_group_spawn_child(&inner, &children[i], sleep_on, NULL), 0);
    EXPECT_EQ(spawn_forgotten(&outer, fail_with, (void *)(uintptr_t)&broken), 0);
    EXPECT_EQ(close_group(&inner, 0), THRUM_ECANCELED);
    EXPECT_EQ(close_group(&outer, THRUM_ECANCELED), THRUM_EGROUP);
    EXPECT_EQ(thrum_yield(), 0);
}

/* A branch that its joiner runs itself keeps what it has to say apart from the joiner. */
RULE(a_branch_that_fails_says_nothing_for_its_joiner)
{
    thrum_branch branch;

    SPAN;
    CHECK_EQ(thrum_fork(&branch, fails_as_a_group, (void *)(uintptr_t)&broken), 0);
    EXPECT_EQ(fails_as_a_group((void *)(uintptr_t)&denied), THRUM_EGROUP);
    EXPECT_EQ(thrum_join(&branch, fails_as_a_group, (void *)(uintptr_t)&broken), THRUM_EGROUP);
    EXPECT_EQ(thrum_yield(), 0);
}
