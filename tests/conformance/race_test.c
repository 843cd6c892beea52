/* race_test.c - the rules of races: see README.md. */
#include "tests/conformance/conform.h"

#include "tests/workers.h"

#ifndef RACES
#define RACES 40000 /* for each number of workers; 350000 make the million: see README.md */
#endif

static const int broken = -EIO;
static const int worse = -EPERM;

static void forget_outcomes(thrum_call *calls, size_t n)
{
    for (size_t i = 0; i < n; i++)
        thrum_error_free(calls[i].outcome.error);
}

RULE(the_first_that_succeeds_wins_and_the_others_are_cancelled)
{
    thrum_call calls[] = {THRUM_CALL(sleep_on, NULL), THRUM_CALL(nothing, NULL),
                          THRUM_CALL(sleep_on, NULL)};
    size_t winner = 17;

    SPAN;
    EXPECT_EQ(thrum_race(calls, 3, 0, &winner), 0);
    EXPECT_EQ(winner, 1);
    EXPECT_EQ(calls[0].outcome.kind, THRUM_CANCELLED);
    EXPECT_EQ(calls[1].outcome.kind, THRUM_OK);
    EXPECT_EQ(calls[2].outcome.kind, THRUM_CANCELLED);
    EXPECT(!thrum_cancel_pending());
    forget_outcomes(calls, 3);
}

RULE(the_next_starts_when_the_one_before_has_failed)
{
    thrum_event ran = THRUM_EVENT_INIT;
    thrum_call calls[] = {THRUM_CALL(fail_with, (void *)&broken),
                          THRUM_CALL(fail_with, (void *)&worse), THRUM_CALL(nothing, NULL),
                          THRUM_CALL(sleep_on, NULL)};
    size_t winner = 17;

    SPAN;
    calls[3].arg = &ran;
    EXPECT_EQ(thrum_race(calls, 4, THRUM_FOREVER, &winner), 0);
    EXPECT_EQ(winner, 2);
    EXPECT_EQ(calls[0].outcome.status, -EIO);
    EXPECT_EQ(calls[1].outcome.status, -EPERM);
    EXPECT_EQ(calls[3].outcome.kind, THRUM_CANCELLED);
    CHECK(!raised(&ran)); /* it was not needed */
    forget_outcomes(calls, 4);
}

RULE(the_next_starts_when_the_time_is_over)
{
    thrum_call calls[] = {THRUM_CALL(sleep_on, NULL), THRUM_CALL(sleep_on, NULL),
                          THRUM_CALL(nothing, NULL)};
    size_t winner = 17;

    SPAN;
    EXPECT_EQ(thrum_race(calls, 3, thrum_us(20), &winner), 0);
    EXPECT_EQ(winner, 2);
    EXPECT_EQ(calls[0].outcome.kind, THRUM_CANCELLED);
    EXPECT_EQ(calls[1].outcome.kind, THRUM_CANCELLED);
    forget_outcomes(calls, 3);
}

RULE(if_none_succeeds_there_is_no_winner)
{
    thrum_call calls[] = {THRUM_CALL(fail_with, (void *)&broken),
                          THRUM_CALL(fail_with, (void *)&worse)};
    size_t winner = 17;

    SPAN;
    EXPECT_EQ(thrum_race(calls, 2, 0, &winner), THRUM_EGROUP);
    EXPECT_EQ(winner, 2);
    EXPECT_EQ(calls[0].outcome.status, -EIO);
    EXPECT_EQ(thrum_error_code(calls[0].outcome.error), -EIO);
    EXPECT_EQ(calls[1].outcome.status, -EPERM);
    forget_outcomes(calls, 2);
}

RULE(a_cancelled_race_cancels_all_and_waits_for_them)
{
    static const int64_t staggers[] = {0, 1000, THRUM_FOREVER};

    SPAN;
    for (int i = 0; i < 3; i++) {
        thrum_call calls[3] = {THRUM_CALL(sleep_on, NULL), THRUM_CALL(sleep_on, NULL),
                               THRUM_CALL(sleep_on, NULL)};
        thrum_timeout timeout;
        size_t winner = 17;
        int status;

        CHECK_EQ(thrum_timeout_begin(&timeout, thrum_us(40)), 0);
        status = thrum_race(calls, 3, staggers[i], &winner);
        EXPECT_EQ(status, THRUM_ECANCELED);
        EXPECT_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
        EXPECT_EQ(winner, 3);
        for (int k = 0; k < 3; k++)
            EXPECT_EQ(calls[k].outcome.kind, THRUM_CANCELLED);
        forget_outcomes(calls, 3);
    }
}

static int succeed_all_the_same(void *arg)
{
    SPAN;
    thrum_cancel_absorb();
    (void)!thrum_sleep(THRUM_FOREVER);
    return *(const int *)arg;
}

RULE(a_loser_that_ends_well_has_not_won)
{
    static const int fine = 1;
    thrum_call calls[] = {THRUM_CALL(succeed_all_the_same, (void *)&fine),
                          THRUM_CALL(nothing, NULL)};
    size_t winner = 17;

    SPAN;
    EXPECT_EQ(thrum_race(calls, 2, 0, &winner), 0);
    EXPECT_EQ(winner, 1);
    forget_outcomes(calls, 2);
}

RULE(races_of_nobody_are_refused)
{
    thrum_call calls[] = {THRUM_CALL(nothing, NULL)};
    size_t winner = 17;

    SPAN;
    CHECK_EQ(thrum_race(calls, 0, 0, &winner), -EINVAL);
    CHECK_EQ(thrum_race(calls, 1, -1, &winner), -EINVAL);
    CHECK_EQ(winner, 17);
    EXPECT_EQ(thrum_race(calls, 1, 0, NULL), 0);
}

/* ---- races of races -------------------------------------------------------------------------- */

struct runner {
    int yields;
    int status;
};

static int run(void *arg)
{
    const struct runner *runner = arg;

    for (int i = 0; i < runner->yields; i++)
        if (thrum_yield())
            return THRUM_ECANCELED;
    return runner->status;
}

/* Three at once, of which some fail, against a time-out: there is one winner, or a reason. */
static void race_once(int i)
{
    struct runner runners[3];
    thrum_call calls[3];
    thrum_timeout timeout;
    size_t winner = 17;
    int status;

    for (int k = 0; k < 3; k++) {
        runners[k] = (struct runner){(i >> k) % 4, (i >> (k + 3)) % 3 ? 0 : -EIO};
        calls[k] = (thrum_call)THRUM_CALL(run, &runners[k]);
    }
    CHECK_EQ(thrum_timeout_begin(&timeout, i % 2 ? i % 5000 : THRUM_FOREVER), 0);
    status = thrum_race(calls, 3, i % 5 ? i % 700 : 0, &winner);
    CHECK(status == 0 || status == THRUM_EGROUP || (status == THRUM_ECANCELED && i % 2));
    status = thrum_timeout_end(&timeout, status);
    if (status == 0)
        CHECK_LE(winner, 2);
    if (winner < 3)
        CHECK_EQ(calls[winner].outcome.kind, THRUM_OK);
    else
        CHECK_EQ(winner, 3);
    for (int k = 0; k < 3; k++) {
        if (calls[k].outcome.kind == THRUM_OK)
            CHECK_NE(winner, 3);
        if (calls[k].outcome.kind == THRUM_FAILED)
            CHECK_EQ(calls[k].outcome.status, -EIO);
        CHECK(calls[k].task == NULL);
    }
    forget_outcomes(calls, 3);
}

static int races(void *arg)
{
    (void)arg;
    for (int i = 0; i < many(RACES); i++)
        race_once(i);
    return 0;
}

TEST(there_is_one_winner_or_a_reason)
{
    CHECK_EQ(run_with(1, races, NULL), 0);
    CHECK_EQ(run_with(2, races, NULL), 0);
    CHECK_EQ(run_with(8, races, NULL), 0);
}
