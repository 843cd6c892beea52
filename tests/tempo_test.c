/*
 * tempo_test.c - the order of timers is explored: which of two that are due together is first,
 * and whether one is faster than a task that may go on.
 */
#include <errno.h>
#include <string.h>

#include "tests/check.h"
#include "tests/workers.h"

enum { BROKEN = -1001, TOO_EARLY = -1002 };

static const thrum_strategy strategies[] = {THRUM_STRATEGY_DEFAULT, THRUM_STRATEGY_RANDOM,
                                            THRUM_STRATEGY_PCT,     THRUM_STRATEGY_POS,
                                            THRUM_STRATEGY_SURW,    THRUM_STRATEGY_SYSTEMATIC};

#define STRATEGIES (sizeof strategies / sizeof strategies[0])

static thrum_explore_options timers(thrum_strategy strategy, int64_t slack)
{
    thrum_explore_options options = THRUM_EXPLORE_OPTIONS_INIT;

    options.strategy = (uint32_t)strategy;
    options.flags = THRUM_EXPLORE_QUIET | THRUM_EXPLORE_TIMERS;
    options.timer_slack = slack;
    options.schedules = 2000;
    options.delays = 3;
    return options;
}

/* Every strategy finds it with this slack, tells it shortly, and does it again. */
static void finds(thrum_fn fn, int status, int64_t slack, const char *mark)
{
    for (size_t i = 0; i < STRATEGIES; i++) {
        thrum_explore_options options = timers(strategies[i], slack);
        thrum_explore_result result;
        size_t matched = 0;

        CHECK_EQ(thrum_explore(&options, fn, NULL, &result), status);
        CHECK_LE(result.deltas, 3);
        CHECK(strstr(result.replay, mark) != NULL);
        CHECK_EQ(thrum_replay(result.replay, fn, NULL, &matched), status);
        CHECK_EQ(matched, result.deltas);
        options.flags |= THRUM_EXPLORE_TWICE;
        CHECK_EQ(thrum_explore(&options, fn, NULL, &result), status);
    }
}

static void finds_nothing(thrum_fn fn, uint32_t flags, int64_t slack)
{
    for (size_t i = 0; i < STRATEGIES; i++) {
        thrum_explore_options options = timers(strategies[i], slack);

        options.flags = THRUM_EXPLORE_QUIET | THRUM_EXPLORE_TWICE | flags;
        options.schedules = WORKERS_SLOW ? 50 : 500;
        CHECK_EQ(thrum_explore(&options, fn, NULL, NULL), 0);
    }
}

/* Close, and say how the first task has failed. */
static int ended(thrum_group *group, int status)
{
    thrum_error *errors;

    status = thrum_group_close(group, status, &errors);
    if (status == THRUM_EGROUP)
        status = thrum_error_code(thrum_error_child(errors, 0));
    thrum_error_free(errors);
    return status;
}

static int together(thrum_fn one, thrum_fn other, void *arg)
{
    thrum_child children[2];
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    if (status)
        return status;
    status = thrum_group_spawn_child(&group, &children[0], one, arg);
    if (!status)
        status = thrum_group_spawn_child(&group, &children[1], other, arg);
    return ended(&group, status);
}

static int wait_for_1_ms(thrum_event *event)
{
    thrum_timeout timeout;
    int status = thrum_timeout_begin(&timeout, thrum_ms(1));

    return status ? status : thrum_timeout_end(&timeout, thrum_event_wait(event));
}

/* ---- at the same moment ----------------------------------------------------------------------- */

static int answer_after_1_ms(void *arg)
{
    int status = thrum_sleep(thrum_ms(1));

    thrum_event_set(arg);
    return status;
}

/* It counts on the answer being too late. */
static int expect_none(void *arg)
{
    int status = wait_for_1_ms(arg);

    return status == THRUM_ETIMEOUT ? 0 : status ? status : BROKEN;
}

static int answer_at_the_deadline(void *arg)
{
    thrum_event event = THRUM_EVENT_INIT;

    (void)arg;
    return together(expect_none, answer_after_1_ms, &event);
}

TEST(an_answer_at_the_deadline_may_be_in_time)
{
    finds_nothing(answer_at_the_deadline, 0, 0);
    finds(answer_at_the_deadline, BROKEN, 0, "");
}

/* The first to arm is the first to expire, and who waits for both knows which it was. */
static int first_of_two(void *arg)
{
    thrum_timeout one, other;
    thrum_event event = THRUM_EVENT_INIT;
    int status = thrum_timeout_begin(&one, thrum_ms(1));
    int inner;

    (void)arg;
    if (status)
        return status;
    status = thrum_timeout_begin(&other, thrum_ms(1));
    if (status)
        return thrum_timeout_end(&one, status);
    inner = thrum_timeout_end(&other, thrum_event_wait(&event));
    status = thrum_timeout_end(&one, thrum_checkpoint());
    return inner == THRUM_ETIMEOUT && status == 0 ? BROKEN : 0;
}

TEST(of_two_timers_of_one_moment_either_may_be_first)
{
    finds_nothing(first_of_two, 0, 0);
    finds(first_of_two, BROKEN, 0, "^");
}

/* ---- while somebody may go on ------------------------------------------------------------------ */

static int answer_at_once(void *arg)
{
    int status = 0;

    for (int i = 0; i < 3 && !status; i++)
        status = thrum_yield();
    thrum_event_set(arg);
    return status;
}

/* It counts on the answer being in time. */
static int expect_one(void *arg)
{
    int status = wait_for_1_ms(arg);

    return status == THRUM_ETIMEOUT ? BROKEN : status;
}

static int prompt_answer(void *arg)
{
    thrum_event event = THRUM_EVENT_INIT;

    (void)arg;
    return together(expect_one, answer_at_once, &event);
}

TEST(a_timeout_may_be_faster_than_a_task_that_may_go_on)
{
    finds_nothing(prompt_answer, 0, 0);
    finds_nothing(prompt_answer, THRUM_EXPLORE_TIMERS, thrum_us(500));
    finds(prompt_answer, BROKEN, thrum_ms(1), "~");
}

/* ---- within the slack -------------------------------------------------------------------------- */

static int shorter(void *arg)
{
    int *order = arg;
    int64_t begin = thrum_now().ns;
    int status = thrum_sleep(thrum_us(1000));

    if (thrum_now().ns < begin + thrum_us(1000))
        return TOO_EARLY;
    thrum_shared_store(order, 1);
    return status;
}

static int longer(void *arg)
{
    int64_t begin = thrum_now().ns;
    int status = thrum_sleep(thrum_us(1200));

    if (thrum_now().ns < begin + thrum_us(1200))
        return TOO_EARLY;
    return status ? status : thrum_shared_load((int *)arg) ? 0 : BROKEN;
}

static int one_after_the_other(void *arg)
{
    int order = 0;

    (void)arg;
    return together(longer, shorter, &order);
}

TEST(of_two_timers_the_later_may_be_first_within_the_slack)
{
    finds_nothing(one_after_the_other, 0, 0);
    finds_nothing(one_after_the_other, THRUM_EXPLORE_TIMERS, thrum_us(99));
    finds(one_after_the_other, BROKEN, thrum_us(200), "");
}

/* Nobody wakes too early, and whatever order it is, all ends. */
static int sleep_a_while(void *arg)
{
    int64_t ns = *(const int *)arg * thrum_us(100);
    int status = 0;

    for (int i = 0; i < 4 && !status; i++) {
        int64_t begin = thrum_now().ns;

        status = thrum_sleep(ns);
        if (!status && thrum_now().ns < begin + ns)
            return TOO_EARLY;
    }
    return status;
}

static int sleepers(void *arg)
{
    static int times[8] = {1, 2, 2, 3, 4, 4, 5, 1};
    thrum_child children[8];
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    (void)arg;
    if (status)
        return status;
    for (int i = 0; i < 8 && !status; i++)
        status = thrum_group_spawn_child(&group, &children[i], sleep_a_while, &times[i]);
    return ended(&group, status);
}

TEST(nobody_wakes_before_his_time)
{
    finds_nothing(sleepers, THRUM_EXPLORE_TIMERS, 0);
    finds_nothing(sleepers, THRUM_EXPLORE_TIMERS, thrum_us(150));
    finds_nothing(sleepers, THRUM_EXPLORE_TIMERS | THRUM_EXPLORE_CANCEL, thrum_ms(100));
}

TEST(a_history_with_timers_is_text_like_any_other)
{
    static const char *const texts[] = {"1@2~", "1@2^", "1@2~x", "1@2^3x", "~1", "1^1", "1@~1"};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        CHECK_EQ(thrum_replay(texts[i], sleepers, NULL, NULL), -EINVAL);
    CHECK_EQ(thrum_replay("1@0~4294967295 7@8:9^1", sleepers, NULL, NULL), 0);
}
