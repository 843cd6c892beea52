/* wait_test.c - the rules of waiting for several tasks: see README.md. */
#include "tests/conformance/conform.h"

#include "tests/workers.h"

#ifndef RACES
#define RACES 40000 /* for each number of workers; 350000 make the million: see README.md */
#endif

static const int broken = -EIO;

/* n tasks that run fn(arg); how many there are, and THRUM_ESHUTDOWN if not all. */
static int spawn_many(thrum_group *group, thrum_task **tasks, size_t n, thrum_fn fn, void *arg)
{
    for (size_t i = 0; i < n; i++)
        tasks[i] = NULL;
    for (size_t i = 0; i < n; i++) {
        tasks[i] = spawn(group, fn, arg);
        if (!tasks[i])
            return THRUM_ESHUTDOWN;
    }
    return 0;
}

static void give_back(thrum_task **tasks, size_t n)
{
    for (size_t i = 0; i < n; i++)
        thrum_task_unref(tasks[i]);
}

/* ---- when to return -------------------------------------------------------------------------- */

RULE(first_completed_returns_with_the_first)
{
    thrum_event event = THRUM_EVENT_INIT;
    thrum_task *tasks[3] = {NULL, NULL, NULL};
    thrum_group group;
    size_t n = 17;
    int status;

    SPAN;
    open_group(&group);
    status = spawn_many(&group, tasks, 2, wait_event, &event);
    tasks[2] = spawn(&group, nothing, NULL);
    if (!status && tasks[2]) {
        EXPECT_EQ(thrum_wait(tasks, 3, THRUM_FIRST_COMPLETED, THRUM_FOREVER, &n), 0);
        EXPECT_EQ(n, 1);
        EXPECT(thrum_task_ended(tasks[2], NULL) && !thrum_task_ended(tasks[0], NULL));
    }
    thrum_event_set(&event);
    EXPECT_EQ(close_group(&group, 0), 0);
    give_back(tasks, 3);
    thrum_event_destroy(&event);
}

RULE(first_completed_may_return_several)
{
    thrum_task *tasks[20];
    thrum_group group;
    size_t n = 0;
    int status;

    SPAN;
    open_group(&group);
    status = spawn_many(&group, tasks, 20, nothing, NULL);
    for (int i = 0; i < 20 && !status; i++)
        status = thrum_shield_join(tasks[i], NULL);
    if (!status) {
        EXPECT_EQ(thrum_wait(tasks, 20, THRUM_FIRST_COMPLETED, THRUM_FOREVER, &n), 0);
        EXPECT_EQ(n, 20);
    }
    EXPECT_EQ(close_group(&group, 0), 0);
    give_back(tasks, 20);
}

/* A failure is an end like any other, and so is a cancel. */
RULE(first_completed_counts_failures_and_cancels)
{
    thrum_event event = THRUM_EVENT_INIT;
    thrum_task *tasks[2] = {NULL, NULL};
    thrum_group group;

    SPAN;
    for (int i = 0; i < 2; i++) {
        size_t n = 17;

        open_collecting(&group);
        thrum_event_clear(&event);
        tasks[0] = spawn(&group, wait_event, &event);
        tasks[1] = spawn(&group, i ? sleep_on : fail_with, i ? NULL : (void *)&broken);
        if (tasks[0] && tasks[1]) {
            if (i)
                (void)thrum_task_cancel(tasks[1], 1, NULL);
            EXPECT_EQ(thrum_wait(tasks, 2, THRUM_FIRST_COMPLETED, THRUM_FOREVER, &n), 0);
            EXPECT_EQ(n, 1);
            EXPECT(thrum_task_ended(tasks[1], NULL));
            /* those that have ended are counted without any time too */
            EXPECT_EQ(thrum_wait(tasks, 2, THRUM_ALL_COMPLETED, 0, &n), 0);
            EXPECT_EQ(n, 1);
        }
        thrum_event_set(&event);
        EXPECT_EQ(close_group(&group, 0), i ? 0 : THRUM_EGROUP);
        give_back(tasks, 2);
    }
    thrum_event_destroy(&event);
}

RULE(first_exception_does_not_count_the_cancelled)
{
    thrum_event event = THRUM_EVENT_INIT;
    thrum_task *tasks[4] = {NULL, NULL, NULL, NULL};
    thrum_group group;
    size_t n = 0;

    SPAN;
    open_collecting(&group);
    tasks[0] = spawn(&group, wait_event, &event);
    tasks[1] = spawn(&group, sleep_on, NULL);
    tasks[2] = spawn(&group, nothing, NULL);
    tasks[3] = spawn(&group, fail_with, (void *)&broken);
    if (tasks[0] && tasks[1] && tasks[2] && tasks[3]) {
        (void)thrum_task_cancel(tasks[1], 1, NULL);
        EXPECT_EQ(thrum_wait(&tasks[1], 2, THRUM_ALL_COMPLETED, THRUM_FOREVER, NULL), 0);
        EXPECT_EQ(thrum_wait(tasks, 3, THRUM_FIRST_EXCEPTION, thrum_us(50), &n), 0);
        EXPECT_EQ(n, 2); /* it was time that ended it: the success and the cancelled one do not */
        EXPECT_EQ(thrum_wait(tasks, 4, THRUM_FIRST_EXCEPTION, THRUM_FOREVER, &n), 0);
        EXPECT(n == 3 && !thrum_task_ended(tasks[0], NULL));
    }
    thrum_event_set(&event);
    EXPECT_EQ(close_group(&group, 0), THRUM_EGROUP);
    give_back(tasks, 4);
    thrum_event_destroy(&event);
}

RULE(first_exception_without_one_waits_for_all)
{
    thrum_task *tasks[3];
    thrum_group group;
    size_t n = 0;

    SPAN;
    open_group(&group);
    if (spawn_many(&group, tasks, 3, nothing, NULL) == 0) {
        EXPECT_EQ(thrum_wait(tasks, 3, THRUM_FIRST_EXCEPTION, THRUM_FOREVER, &n), 0);
        EXPECT_EQ(n, 3);
    }
    EXPECT_EQ(close_group(&group, 0), 0);
    give_back(tasks, 3);
}

RULE(all_completed_waits_for_failures_too)
{
    thrum_task *tasks[12];
    thrum_group group;
    size_t n = 0;

    SPAN;
    open_collecting(&group);
    if (spawn_many(&group, tasks, 12, fail_with, (void *)&broken) == 0) {
        EXPECT_EQ(thrum_wait(tasks, 12, THRUM_ALL_COMPLETED, THRUM_FOREVER, &n), 0);
        EXPECT_EQ(n, 12);
    }
    EXPECT_EQ(close_group(&group, 0), THRUM_EGROUP);
    give_back(tasks, 12);
}

RULE(a_task_may_be_waited_for_twice_at_once)
{
    thrum_task *task, *tasks[3];
    thrum_group group;
    size_t n = 0;

    SPAN;
    open_group(&group);
    task = spawn(&group, nothing, NULL);
    if (task) {
        tasks[0] = tasks[1] = tasks[2] = task;
        EXPECT_EQ(thrum_wait(tasks, 3, THRUM_ALL_COMPLETED, THRUM_FOREVER, &n), 0);
        EXPECT_EQ(n, 3);
    }
    EXPECT_EQ(close_group(&group, 0), 0);
    thrum_task_unref(task);
}

/* ---- time, and cancels ----------------------------------------------------------------------- */

RULE(that_the_time_is_up_is_no_error_and_cancels_nothing)
{
    static const unsigned whens[] = {THRUM_FIRST_COMPLETED, THRUM_FIRST_EXCEPTION,
                                     THRUM_ALL_COMPLETED};
    thrum_event event = THRUM_EVENT_INIT;
    thrum_task *tasks[2];
    thrum_group group;
    size_t n;

    SPAN;
    open_group(&group);
    if (spawn_many(&group, tasks, 2, wait_event, &event) == 0)
        for (int i = 0; i < 6; i++) {
            n = 17;
            EXPECT_EQ(thrum_wait(tasks, 2, whens[i % 3], i < 3 ? thrum_us(20) : 0, &n), 0);
            EXPECT_EQ(n, 0);
        }
    EXPECT(!thrum_cancel_pending());
    thrum_event_set(&event);
    for (int i = 0; i < 2; i++)
        EXPECT_EQ(finish(tasks[i]).kind, THRUM_OK);
    EXPECT_EQ(close_group(&group, 0), 0);
    thrum_event_destroy(&event);
}

RULE(a_cancelled_wait_leaves_the_tasks_alone)
{
    thrum_event event = THRUM_EVENT_INIT;
    thrum_task *tasks[2];
    thrum_timeout timeout;
    thrum_group group;
    size_t n = 17;
    int status;

    SPAN;
    open_group(&group);
    if (spawn_many(&group, tasks, 2, wait_event, &event) == 0) {
        CHECK_EQ(thrum_timeout_begin(&timeout, thrum_us(20)), 0);
        status = thrum_wait(tasks, 2, THRUM_ALL_COMPLETED, thrum_s(1000), &n);
        EXPECT_EQ(status, THRUM_ECANCELED);
        EXPECT_EQ(n, 17);
        EXPECT_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
    }
    thrum_event_set(&event);
    for (int i = 0; i < 2; i++)
        EXPECT_EQ(finish(tasks[i]).kind, THRUM_OK);
    EXPECT_EQ(close_group(&group, 0), 0);
    thrum_event_destroy(&event);
}

RULE(bad_questions_are_refused)
{
    thrum_task *tasks[1];
    thrum_group group;
    size_t n = 17;

    SPAN;
    open_group(&group);
    tasks[0] = spawn(&group, nothing, NULL);
    CHECK_EQ(thrum_wait(tasks, 0, THRUM_ALL_COMPLETED, 0, &n), -EINVAL);
    CHECK_EQ(thrum_wait(NULL, 0, THRUM_ALL_COMPLETED, 0, &n), -EINVAL);
    CHECK_EQ(thrum_wait(tasks, 1, 0, 0, &n), -EINVAL);
    CHECK_EQ(thrum_wait(tasks, 1, 4, 0, &n), -EINVAL);
    CHECK_EQ(thrum_wait(tasks, 1, THRUM_ALL_COMPLETED, -1, &n), -EINVAL);
    CHECK_EQ(n, 17);
    EXPECT_EQ(close_group(&group, 0), 0);
    thrum_task_unref(tasks[0]);
}

struct self {
    thrum_task *tasks[2]; /* oneself, and another */
    thrum_event known;
};

static int wait_for_oneself(void *arg)
{
    struct self *self = arg;

    SPAN;
    if (thrum_event_wait(&self->known))
        return THRUM_ECANCELED;
    CHECK(thrum_task_needs_me(self->tasks[0]) && !thrum_task_needs_me(self->tasks[1]));
    CHECK_EQ(thrum_wait(self->tasks, 1, THRUM_FIRST_COMPLETED, THRUM_FOREVER, NULL), -EDEADLK);
    CHECK_EQ(thrum_wait(self->tasks, 2, THRUM_ALL_COMPLETED, THRUM_FOREVER, NULL), -EDEADLK);
    return thrum_wait(self->tasks, 2, THRUM_FIRST_COMPLETED, THRUM_FOREVER, NULL);
}

RULE(nobody_waits_for_himself)
{
    struct self self = {.known = THRUM_EVENT_INIT};
    thrum_group group;

    SPAN;
    open_group(&group);
    self.tasks[0] = spawn(&group, wait_for_oneself, &self);
    self.tasks[1] = spawn(&group, nothing, NULL);
    EXPECT(!self.tasks[0] || !thrum_task_needs_me(self.tasks[0]));
    if (self.tasks[0] && self.tasks[1])
        thrum_event_set(&self.known);
    else
        thrum_group_cancel(&group, 0, NULL);
    EXPECT_EQ(close_group(&group, 0), 0);
    thrum_task_unref(self.tasks[0]);
    thrum_task_unref(self.tasks[1]);
    thrum_event_destroy(&self.known);
}

/*
 * The scenario of rule 7 in the design: with one worker the task that is
 * waited for would fit on the waiter's stack, and must not be put there, for it
 * takes longer than the waiter has time.
 */
RULE(who_has_less_time_than_the_tasks_is_not_held_up_by_them)
{
    thrum_event event = THRUM_EVENT_INIT;
    thrum_task *task;
    thrum_timeout timeout;
    thrum_group group;
    size_t n = 17;
    int status;

    SPAN;
    open_group(&group);
    task = spawn(&group, wait_event, &event);
    if (task) {
        EXPECT_EQ(thrum_wait(&task, 1, THRUM_ALL_COMPLETED, thrum_us(20), &n), 0);
        EXPECT_EQ(n, 0);
        CHECK_EQ(thrum_timeout_begin(&timeout, thrum_us(20)), 0);
        status = thrum_shield_join(task, NULL);
        EXPECT_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
    }
    thrum_event_set(&event);
    EXPECT_EQ(close_group(&group, 0), 0);
    thrum_task_unref(task);
    thrum_event_destroy(&event);
}

/* A child that its owner's close runs inline waits for its sibling, with a deadline. */
struct sibling {
    thrum_task *task;
    int status;
    size_t n;
};

static int wait_for_sibling(void *arg)
{
    struct sibling *sibling = arg;

    SPAN;
    sibling->status =
        thrum_wait(&sibling->task, 1, THRUM_ALL_COMPLETED, thrum_us(50), &sibling->n);
    thrum_task_cancel(sibling->task, 1, NULL);
    return sibling->status;
}

RULE(a_child_that_runs_inline_may_wait_for_its_sibling)
{
    struct sibling sibling = {.n = 17};
    thrum_child child;
    thrum_group group;
    int status = 0;

    SPAN;
    open_group(&group);
    sibling.task = spawn(&group, sleep_on, NULL);
    if (sibling.task)
        status = thrum_group_spawn_child(&group, &child, wait_for_sibling, &sibling);
    EXPECT_EQ(close_group(&group, status), 0);
    EXPECT_EQ(sibling.status, 0);
    EXPECT_EQ(sibling.n, 0);
    thrum_task_unref(sibling.task);
}

/* ---- races ----------------------------------------------------------------------------------- */

static int end_soon(void *arg)
{
    for (int i = (int)(intptr_t)arg; i > 0; i--)
        if (thrum_yield())
            return THRUM_ECANCELED;
    return 0;
}

static int cancel_soon(void *arg)
{
    thrum_scope_cancel((thrum_scope *)arg, 1, NULL);
    return 0;
}

/*
 * One wait: that of `when` for tasks that end at any moment, which is cancelled,
 * or times out, at any moment too. Whatever ends it, no task is lost.
 */
static int race_once(unsigned when, int i)
{
    thrum_task *tasks[2];
    thrum_child rival;
    thrum_group group, rivals;
    thrum_scope scope;
    size_t n = 17;
    int64_t duration = i % 3 == 0 ? i % 5000 : THRUM_FOREVER;
    bool cancels = i % 2;
    int status;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (intptr_t k = 0; k < 2; k++)
        CHECK_EQ(thrum_group_spawn(&group, end_soon, (void *)(intptr_t)((i >> k) % 3), NULL,
                                   &tasks[k]),
                 0);
    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    CHECK_EQ(thrum_group_open(&rivals, NULL), 0);
    if (cancels)
        CHECK_EQ(thrum_group_spawn_child(&rivals, &rival, cancel_soon, &scope), 0);
    status = thrum_wait(tasks, 2, when, duration, &n);
    if (status == 0 && duration == THRUM_FOREVER)
        CHECK_LE(when == THRUM_FIRST_COMPLETED ? 1 : 2, n);
    CHECK(status == 0 || (status == THRUM_ECANCELED && cancels && n == 17));
    status = thrum_group_close(&rivals, status, NULL);
    CHECK_EQ(thrum_scope_end(&scope, status), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    for (int k = 0; k < 2; k++) {
        CHECK(thrum_task_ended(tasks[k], &status));
        CHECK_EQ(status, 0); /* a cancelled wait cancels nobody */
        thrum_task_unref(tasks[k]);
    }
    return 0;
}

struct races {
    int rounds;
    unsigned when;
};

static int races(void *arg)
{
    const struct races *races = arg;

    for (int i = 0; i < many(races->rounds); i++)
        race_once(races->when, i);
    return 0;
}

static void race_everywhere(unsigned when)
{
    struct races what = {RACES, when};

    CHECK_EQ(run_with(1, races, &what), 0);
    CHECK_EQ(run_with(2, races, &what), 0);
    CHECK_EQ(run_with(8, races, &what), 0);
}

TEST(first_completed_against_cancels_and_time)
{
    race_everywhere(THRUM_FIRST_COMPLETED);
}

TEST(first_exception_against_cancels_and_time)
{
    race_everywhere(THRUM_FIRST_EXCEPTION);
}

TEST(all_completed_against_cancels_and_time)
{
    race_everywhere(THRUM_ALL_COMPLETED);
}
