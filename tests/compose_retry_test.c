/*
 * compose_retry_test.c - a call is made again only if it has failed, not too
 * often, not too early and not too long; and never after a cancel.
 */
#include "skipping.h"
#include "tests/conformance/conform.h"
#include "workers.h"

#define SECOND INT64_C(1000000000)

/* Fails so many times, and then succeeds. */
struct flaky {
    int failures;
    int status;
    int calls;
    thrum_time last;
    int64_t shortest; /* between two calls */
};

static int flaky(void *arg)
{
    struct flaky *flaky = arg;
    thrum_time now = thrum_now();

    SPAN;
    if (flaky->calls++ && thrum_between(flaky->last, now) < flaky->shortest)
        flaky->shortest = thrum_between(flaky->last, now);
    flaky->last = now;
    return flaky->calls <= flaky->failures ? flaky->status : 7;
}

static thrum_retry_options quick(void)
{
    thrum_retry_options options = THRUM_RETRY_OPTIONS_INIT;

    options.base_ns = thrum_us(20);
    options.cap_ns = thrum_us(50);
    return options;
}

RULE(a_success_is_returned_and_nothing_is_tried_again)
{
    struct flaky once = {.failures = 0, .shortest = INT64_MAX};
    uint32_t attempts = 9;

    SPAN;
    EXPECT_EQ(thrum_retry(NULL, flaky, &once, &attempts), 7);
    EXPECT_EQ(attempts, 1);
    EXPECT_EQ(once.calls, 1);
}

RULE(failures_are_tried_again_until_one_succeeds)
{
    struct flaky twice = {.failures = 2, .status = -EIO, .shortest = INT64_MAX};
    thrum_retry_options options = quick();
    uint32_t attempts;

    SPAN;
    EXPECT_EQ(thrum_retry(&options, flaky, &twice, &attempts), 7);
    EXPECT_EQ(attempts, 3);
    EXPECT_EQ(twice.calls, 3);
    EXPECT(twice.shortest >= thrum_us(18)); /* a tenth is drawn */
}

RULE(the_last_failure_is_told)
{
    struct flaky often = {.failures = 9, .status = -EIO, .shortest = INT64_MAX};
    thrum_retry_options options = quick();
    uint32_t attempts;

    SPAN;
    EXPECT_EQ(thrum_retry(&options, flaky, &often, &attempts), -EIO);
    EXPECT_EQ(attempts, 3);
    options.attempts = 1;
    EXPECT_EQ(thrum_retry(&options, flaky, &often, &attempts), -EIO);
    EXPECT_EQ(attempts, 1);
    options.attempts = 0; /* any number: the ninth failure was the last one */
    EXPECT_EQ(thrum_retry(&options, flaky, &often, &attempts), 7);
    EXPECT_EQ(attempts, 6);
}

/* ---- cancels --------------------------------------------------------------------------------- */

static int cancelled_once(void *arg)
{
    int *calls = arg;

    SPAN;
    ++*calls;
    return rest();
}

RULE(a_cancelled_attempt_is_the_last)
{
    thrum_retry_options options = quick();
    thrum_timeout timeout;
    int calls = 0, status;

    SPAN;
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_us(30)), 0);
    status = thrum_retry(&options, cancelled_once, &calls, NULL);
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
    EXPECT_EQ(calls, 1);
}

RULE(a_wait_is_cancelled)
{
    struct flaky often = {.failures = 9, .status = -EIO, .shortest = INT64_MAX};
    thrum_retry_options options = quick();
    thrum_timeout timeout;
    int status;

    SPAN;
    options.base_ns = options.cap_ns = THRUM_FOREVER;
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_us(30)), 0);
    status = thrum_retry(&options, flaky, &often, NULL);
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
    EXPECT_EQ(often.calls, 1);
}

static int hide_the_cancel(void *arg)
{
    SPAN;
    (void)cancelled_once(arg);
    return -EIO; /* as asyncio's `except Exception` would not, but C may */
}

/* Told of the cancel in the attempt, which makes a failure of it: that is one more attempt. */
RULE(an_attempt_that_swallows_its_cancel_has_failed)
{
    thrum_retry_options options = quick();
    thrum_timeout timeout;
    int calls = 0;

    SPAN;
    options.attempts = 2;
    options.attempt_ns = thrum_us(30);
    CHECK_EQ(thrum_timeout_begin(&timeout, THRUM_FOREVER), 0);
    EXPECT_EQ(thrum_timeout_end(&timeout, thrum_retry(&options, hide_the_cancel, &calls, NULL)),
              -EIO);
    EXPECT_EQ(calls, 2);
}

/* ---- times ----------------------------------------------------------------------------------- */

RULE(an_attempt_that_takes_too_long_is_cancelled_and_tried_again)
{
    thrum_retry_options options = quick();
    uint32_t attempts;
    int calls = 0;

    SPAN;
    options.attempt_ns = thrum_us(30);
    EXPECT_EQ(thrum_retry(&options, cancelled_once, &calls, &attempts), THRUM_ETIMEOUT);
    EXPECT_EQ(attempts, 3);
    EXPECT_EQ(calls, 3);
}

RULE(when_all_the_time_is_over_the_attempt_is_cancelled)
{
    thrum_retry_options options = quick();
    int calls = 0;

    SPAN;
    options.total_ns = thrum_us(50);
    EXPECT_EQ(thrum_retry(&options, cancelled_once, &calls, NULL), THRUM_ETIMEOUT);
    EXPECT_EQ(calls, 1);
    EXPECT(!thrum_cancel_pending());
}

RULE(a_wait_that_would_end_too_late_is_not_begun)
{
    struct flaky often = {.failures = 9, .status = -EIO, .shortest = INT64_MAX};
    thrum_retry_options options = quick();

    SPAN;
    options.base_ns = options.cap_ns = 4000 * SECOND;
    options.total_ns = 3000 * SECOND;
    EXPECT_EQ(thrum_retry(&options, flaky, &often, NULL), -EIO);
    EXPECT_EQ(often.calls, 1);
}

/* The waits of hours, in no time. */
static int hours(void *arg)
{
    struct flaky often = {.failures = 6, .status = -EAGAIN, .shortest = INT64_MAX};
    thrum_retry_options options = THRUM_RETRY_OPTIONS_INIT;
    thrum_time begin = thrum_now();
    uint32_t attempts;

    (void)arg;
    options.attempts = 7;
    options.base_ns = 600 * SECOND;
    options.cap_ns = 3600 * SECOND;
    options.jitter = 0;
    CHECK_EQ(thrum_retry(&options, flaky, &often, &attempts), 7);
    CHECK_EQ(attempts, 7);
    CHECK_LE(600 * SECOND, often.shortest);
    /* 10, 20, 40, 60, 60 and 60 minutes */
    CHECK_LE(250 * 60 * SECOND, thrum_between(begin, thrum_now()));
    return 0;
}

static int hours_fly(void *arg)
{
    return run_flying(60 * SECOND, hours, arg);
}

TEST(waits_are_as_long_as_was_asked_for)
{
    run_everywhere(hours_fly, NULL);
}

/* ---- what is worth another attempt ----------------------------------------------------------- */

struct judge {
    uint32_t asked;
    int64_t waits;
};

static bool only_eagain(int status, uint32_t attempt, int64_t wait, void *context)
{
    struct judge *judge = context;

    judge->asked++;
    judge->waits += wait;
    CHECK_EQ(attempt, judge->asked);
    return status == -EAGAIN;
}

RULE(a_failure_that_is_not_worth_it_is_told_at_once)
{
    struct flaky other = {.failures = 9, .status = -EPERM, .shortest = INT64_MAX};
    struct flaky again = {.failures = 2, .status = -EAGAIN, .shortest = INT64_MAX};
    struct judge judge = {0, 0};
    thrum_retry_options options = quick();

    SPAN;
    options.retryable = only_eagain;
    options.context = &judge;
    options.jitter = 0;
    EXPECT_EQ(thrum_retry(&options, flaky, &other, NULL), -EPERM);
    EXPECT_EQ(other.calls, 1);
    judge = (struct judge){0, 0};
    EXPECT_EQ(thrum_retry(&options, flaky, &again, NULL), 7);
    EXPECT_EQ(judge.asked, 2);
    EXPECT_EQ(judge.waits, thrum_us(20) + thrum_us(40));
}

TEST(options_out_of_range_are_refused)
{
    thrum_retry_options options = THRUM_RETRY_OPTIONS_INIT;
    thrum_backoff backoff;
    int calls = 0;

    options.jitter = 101;
    CHECK_EQ(thrum_backoff_init(&backoff, &options), -EINVAL);
    CHECK_EQ(thrum_retry(&options, cancelled_once, &calls, NULL), -EINVAL);
    options.jitter = 0;
    options.base_ns = -1;
    CHECK_EQ(thrum_retry(&options, cancelled_once, &calls, NULL), -EINVAL);
    options.base_ns = 0;
    options.total_ns = 0;
    CHECK_EQ(thrum_retry(&options, cancelled_once, &calls, NULL), -EINVAL);
    options.total_ns = 1;
    options.attempt_ns = -1;
    CHECK_EQ(thrum_retry(&options, cancelled_once, &calls, NULL), -EINVAL);
    CHECK_EQ(calls, 0);
}

/* ---- what is said of it ----------------------------------------------------------------------- */

static int fail_with_text(void *arg)
{
    int *calls = arg;
    thrum_group group;

    SPAN;
    if (++*calls == 3)
        return -EIO; /* says nothing */
    if (*calls == 2)
        return thrum_fail(-EIO, "the second one");
    open_group(&group);
    (void)spawn_forgotten(&group, fail_with, &(int){-EPERM});
    return thrum_group_close(&group, 0, NULL);
}

static int retry_fail_with_text(void *arg)
{
    thrum_retry_options options = quick();

    SPAN;
    return thrum_retry(&options, fail_with_text, arg, NULL);
}

static int forgotten(void *arg)
{
    uint64_t before = thrum_runtime_unhandled(thrum_runtime_self());
    thrum_outcome outcome = {THRUM_OK, 0, NULL};
    thrum_task *task;
    thrum_group group;
    int calls = 0;

    (void)arg;
    open_collecting(&group);
    task = spawn(&group, retry_fail_with_text, &calls);
    CHECK_EQ(thrum_task_join(task, &outcome), 0);
    thrum_task_unref(task);
    CHECK_EQ(calls, 3);
    CHECK_EQ(outcome.status, -EIO);
    CHECK_STR_EQ(thrum_error_message(outcome.error), "");
    thrum_error_free(outcome.error);
    CHECK_EQ(close_group(&group, 0), THRUM_EGROUP);
    CHECK_EQ(thrum_runtime_unhandled(thrum_runtime_self()), before);
    return 0;
}

TEST(only_the_last_failure_is_told_of)
{
    run_everywhere(forgotten, NULL);
}

/* ---- the waits alone ------------------------------------------------------------------------- */

TEST(waits_double_up_to_the_cap)
{
    thrum_retry_options options = THRUM_RETRY_OPTIONS_INIT;
    thrum_backoff backoff;

    options.base_ns = 3;
    options.cap_ns = 20;
    options.jitter = 0;
    CHECK_EQ(thrum_backoff_init(&backoff, &options), 0);
    CHECK_EQ(thrum_backoff_next(&backoff), 3);
    CHECK_EQ(thrum_backoff_next(&backoff), 6);
    CHECK_EQ(thrum_backoff_next(&backoff), 12);
    CHECK_EQ(thrum_backoff_next(&backoff), 20);
    CHECK_EQ(thrum_backoff_next(&backoff), 20);
    thrum_backoff_reset(&backoff);
    CHECK_EQ(thrum_backoff_next(&backoff), 3);
    options.cap_ns = 2;
    CHECK_EQ(thrum_backoff_init(&backoff, &options), 0);
    CHECK_EQ(thrum_backoff_next(&backoff), 2);
    options.base_ns = options.cap_ns = INT64_MAX;
    options.jitter = 100;
    CHECK_EQ(thrum_backoff_init(&backoff, &options), 0);
    for (int i = 0; i < 100; i++)
        CHECK_LE(0, thrum_backoff_next(&backoff));
    options.base_ns = 0;
    CHECK_EQ(thrum_backoff_init(&backoff, &options), 0);
    CHECK_EQ(thrum_backoff_next(&backoff), 0);
    CHECK_EQ(thrum_backoff_next(&backoff), 0);
}

/* From (100 - jitter) to 100 per cent, all of it and nothing else; evenly; the same for a seed. */
TEST(what_is_drawn_stays_in_its_part)
{
    thrum_retry_options options = THRUM_RETRY_OPTIONS_INIT;
    int tenths[10];

    options.base_ns = options.cap_ns = 1000;
    for (options.jitter = 10; options.jitter <= 100; options.jitter += 45) {
        int64_t part = 10 * (int64_t)options.jitter;

        for (options.seed = 1; options.seed <= 20; options.seed++) {
            thrum_backoff one, same;

            memset(tenths, 0, sizeof tenths);
            CHECK_EQ(thrum_backoff_init(&one, &options), 0);
            CHECK_EQ(thrum_backoff_init(&same, &options), 0);
            for (int i = 0; i < 10000; i++) {
                int64_t wait = thrum_backoff_next(&one);

                CHECK_EQ(wait, thrum_backoff_next(&same));
                CHECK_LE(1000 - part, wait);
                CHECK_LE(wait, 1000);
                tenths[(1000 - wait) * 10 / (part + 1)]++;
            }
            for (int i = 0; i < 10; i++)
                CHECK_LE(800, tenths[i]); /* 1000 are to be expected, 30 off at most */
        }
    }
}

TEST(without_a_seed_each_draws_its_own)
{
    thrum_backoff one, other;
    int same = 0;

    CHECK_EQ(thrum_backoff_init(&one, NULL), 0);
    CHECK_EQ(thrum_backoff_init(&other, NULL), 0);
    for (int i = 0; i < 100; i++)
        same += thrum_backoff_next(&one) == thrum_backoff_next(&other);
    CHECK_LE(same, 2);
}
