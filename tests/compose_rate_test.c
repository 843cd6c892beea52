/*
 * compose_rate_test.c - never more than the burst and what has come since, in
 * the order of the reservations, and nothing is lost by who gives up last.
 */
#include "skipping.h"
#include "tests/conformance/conform.h"
#include "workers.h"

#define SECOND INT64_C(1000000000)

static int burst(void *arg)
{
    thrum_rate rate = THRUM_RATE_INIT(1, 1000 * SECOND, 3);
    thrum_time begin = thrum_now();

    (void)arg;
    CHECK_EQ(thrum_rate_wait(&rate, 3), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(thrum_rate_try_acquire(&rate, 1), 0);
    CHECK_EQ(thrum_rate_try_acquire(&rate, 1), -EAGAIN);
    CHECK_EQ(thrum_rate_acquire_within(&rate, 1, 500 * SECOND), -EAGAIN);
    CHECK_LE(thrum_rate_wait(&rate, 1), 1000 * SECOND);
    CHECK_LE(thrum_rate_wait(&rate, 3), 3000 * SECOND);
    CHECK_LT(2000 * SECOND, thrum_rate_wait(&rate, 3));
    skip(1000 * SECOND);
    CHECK_EQ(thrum_rate_try_acquire(&rate, 1), 0);
    CHECK_EQ(thrum_rate_try_acquire(&rate, 1), -EAGAIN);
    skip(100000 * SECOND); /* it holds three, however long one waits */
    CHECK_EQ(thrum_rate_try_acquire(&rate, 3), 0);
    CHECK_EQ(thrum_rate_try_acquire(&rate, 1), -EAGAIN);
    CHECK_LE(101000 * SECOND, thrum_between(begin, thrum_now()));
    thrum_rate_destroy(&rate);
    return 0;
}

TEST(it_begins_full_and_fills_with_time)
{
    run_everywhere(burst, NULL);
}

TEST(arguments_out_of_range_are_refused)
{
    thrum_rate rate;

    CHECK_EQ(thrum_rate_init(&rate, 0, 1, 1), -EINVAL);
    CHECK_EQ(thrum_rate_init(&rate, 1, 0, 1), -EINVAL);
    CHECK_EQ(thrum_rate_init(&rate, 1, 1, 0), -EINVAL);
    CHECK_EQ(thrum_rate_init(&rate, 3, 10, 5), 0);
    CHECK_EQ(rate.interval, 4); /* rounded up: never more than was asked for */
    CHECK_EQ(thrum_rate_try_acquire(&rate, 0), -EINVAL);
    CHECK_EQ(thrum_rate_try_acquire(&rate, 6), -EINVAL);
    CHECK_EQ(thrum_rate_wait(&rate, 6), THRUM_FOREVER);
    CHECK_EQ(thrum_rate_try_acquire(&rate, 5), 0);
}

/* Beyond the end of time nobody's turn comes, and nothing overflows. */
TEST(a_very_slow_one_stays_so)
{
    thrum_rate rate;

    CHECK_EQ(thrum_rate_init(&rate, 1, INT64_MAX, 1), 0);
    CHECK_EQ(thrum_rate_try_acquire(&rate, 1), -EAGAIN); /* it cannot be said when it is full */
    CHECK_EQ(thrum_rate_init(&rate, 1, INT64_MAX / 4, 2), 0);
    CHECK_EQ(thrum_rate_try_acquire(&rate, 2), 0);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(thrum_rate_try_acquire(&rate, 2), -EAGAIN);
}

/* ---- many ------------------------------------------------------------------------------------ */

enum { CALLERS = 20, CALLS = 10, BURST = 5 };

struct door {
    thrum_rate rate;
    thrum_time begin;
    thrum_time times[CALLERS * CALLS];
    uint32_t passed; /* atomic */
};

static int call(void *arg)
{
    struct door *door = arg;

    for (int i = 0; i < CALLS; i++) {
        CHECK_EQ(thrum_rate_acquire(&door->rate, 1), 0);
        door->times[add_relaxed(&door->passed, 1)] = thrum_now(); /* relaxed: a number */
    }
    return 0;
}

static int by_time(const void *a, const void *b)
{
    int64_t difference = thrum_between(*(const thrum_time *)b, *(const thrum_time *)a);

    return difference < 0 ? -1 : difference > 0;
}

static int all_call(void *arg)
{
    thrum_group group;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < CALLERS; i++)
        CHECK_EQ(thrum_group_spawn(&group, call, arg, NULL, NULL), 0);
    return thrum_group_close(&group, 0, NULL);
}

/* The k-th passes not before the burst and the time since the beginning allow it. */
static int flood(void *arg)
{
    struct door door = {THRUM_RATE_INIT(2, SECOND, BURST), thrum_now(), {{0}}, 0};

    (void)arg;
    CHECK_EQ(run_flying(SECOND / 10, all_call, &door), 0);
    CHECK_EQ(door.passed, CALLERS * CALLS);
    qsort(door.times, CALLERS * CALLS, sizeof(thrum_time), by_time);
    for (int i = BURST; i < CALLERS * CALLS; i++)
        CHECK_LE((i + 1 - BURST) * (SECOND / 2), thrum_between(door.begin, door.times[i]));
    return 0;
}

TEST(never_more_than_the_burst_and_what_has_come_since)
{
    run_everywhere(flood, NULL);
}

/* ---- order ----------------------------------------------------------------------------------- */

struct line {
    thrum_rate rate;
    int arrived;
    int next;
};

static int stand(void *arg)
{
    struct line *line = arg;
    int mine = thrum_shared_rmw(&line->arrived, += 1) - 1; /* nothing else orders them */

    CHECK_EQ(thrum_rate_acquire(&line->rate, mine % 3 + 1), 0);
    CHECK_EQ(thrum_shared_rmw(&line->next, += 1) - 1, mine);
    return 0;
}

/* One worker: who comes first reserves first. */
static int in_line(void *arg)
{
    thrum_group group;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(thrum_group_spawn(&group, stand, arg, NULL, NULL), 0);
    return thrum_group_close(&group, 0, NULL);
}

/* In simulated time, for several who are late in the real one may be woken in any order. */
TEST(who_reserves_first_goes_first)
{
    struct line line = {THRUM_RATE_INIT(1, SECOND, 3), 0, 0};
    thrum_options options = THRUM_OPTIONS_INIT;

    IN_ORDER_ONLY;
    options.flags = THRUM_SIMULATE;
    CHECK_EQ(thrum_run(in_line, &line, &options, NULL), 0);
    CHECK_EQ(line.next, 10);
}

/* ---- cancels --------------------------------------------------------------------------------- */

static int acquire_one(void *arg)
{
    SPAN;
    return thrum_rate_acquire(arg, 1);
}

RULE(the_last_to_reserve_gives_back_what_it_does_not_use)
{
    thrum_rate rate = THRUM_RATE_INIT(1, 1000 * SECOND, 2);
    thrum_timeout timeout;
    int status;

    SPAN;
    EXPECT_EQ(thrum_rate_acquire(&rate, 2), 0);
    EXPECT(thrum_rate_wait(&rate, 1) <= 1000 * SECOND);
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_us(30)), 0);
    status = thrum_rate_acquire(&rate, 1);
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
    EXPECT(thrum_rate_wait(&rate, 1) <= 1000 * SECOND);
    EXPECT(thrum_rate_wait(&rate, 1) > 900 * SECOND);
}

/* Those who come after it have their times, and keep them. */
static int give_up_in_the_middle(void *arg)
{
    thrum_rate rate = THRUM_RATE_INIT(1, 1000 * SECOND, 1);
    thrum_task *tasks[3];
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_rate_acquire(&rate, 1), 0);
    CHECK_EQ(thrum_group_open(&group, collecting()), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(thrum_group_spawn(&group, acquire_one, &rate, NULL, &tasks[i]), 0);
        CHECK_EQ(thrum_yield(), 0);
        while (thrum_rate_wait(&rate, 1) <= (i + 1) * 1000 * SECOND)
            CHECK_EQ(thrum_yield(), 0);
    }
    CHECK(thrum_task_cancel(tasks[1], 0, NULL)); /* the third has reserved on top of it */
    CHECK_EQ(thrum_task_join(tasks[1], NULL), 0);
    CHECK_LT(3000 * SECOND, thrum_rate_wait(&rate, 1));
    CHECK(thrum_task_cancel(tasks[2], 0, NULL)); /* nobody has on top of this one */
    CHECK_EQ(thrum_task_join(tasks[2], NULL), 0);
    CHECK_LE(thrum_rate_wait(&rate, 1), 3000 * SECOND);
    CHECK(thrum_task_cancel(tasks[0], 0, NULL));
    for (int i = 0; i < 3; i++)
        thrum_task_unref(tasks[i]);
    return thrum_group_close(&group, 0, NULL);
}

TEST(in_the_middle_it_is_lost)
{
    run_everywhere(give_up_in_the_middle, NULL);
}

RULE(who_is_cancelled_already_takes_nothing)
{
    thrum_rate rate = THRUM_RATE_INIT(1, 1000 * SECOND, 1);
    thrum_scope scope;
    int status;

    SPAN;
    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    thrum_scope_cancel(&scope, 0, NULL);
    status = thrum_rate_acquire(&rate, 1);
    CHECK_EQ(status, THRUM_ECANCELED);
    (void)thrum_scope_end(&scope, status);
    CHECK_EQ(thrum_rate_try_acquire(&rate, 1), 0);
}

RULE(waits_end_in_time)
{
    thrum_rate rate = THRUM_RATE_INIT(1, 20000, 2);
    thrum_time begin = thrum_now();

    SPAN;
    for (int i = 0; i < 5; i++)
        EXPECT_EQ(thrum_rate_acquire(&rate, 1), 0);
    EXPECT(thrum_between(begin, thrum_now()) >= 3 * 20000);
}
