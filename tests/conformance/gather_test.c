/* gather_test.c - the rules of gather: see README.md. */
#include "tests/conformance/conform.h"

static const int broken = -EIO;
static const int worse = -EPERM;

static void forget_outcomes(thrum_call *calls, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        thrum_error_free(calls[i].outcome.error);
        calls[i].outcome.error = NULL; /* a call that is never made leaves it alone */
    }
}

/* ---- all go well ----------------------------------------------------------------------------- */

RULE(gather_of_nothing_returns_at_once)
{
    static const unsigned policies[] = {THRUM_FAIL_FAST, THRUM_COLLECT, THRUM_FIRST_OK};
    thrum_error *errors;

    SPAN;
    for (int i = 0; i < 3; i++) {
        errors = (thrum_error *)&errors;
        CHECK_EQ(thrum_gather(NULL, 0, policies[i], 0, &errors), 0);
        CHECK(errors == NULL);
    }
    CHECK_EQ(thrum_gather(NULL, 0, 1, 0, NULL), -EINVAL);
    CHECK_EQ(thrum_gather(NULL, 0, THRUM_COLLECT | THRUM_FIRST_OK, 0, NULL), -EINVAL);
}

static int number(void *arg)
{
    SPAN;
    if (thrum_yield())
        return THRUM_ECANCELED;
    return *(const int *)arg;
}

RULE(gather_returns_when_all_have_ended_each_with_its_outcome)
{
    static const int numbers[] = {0, 1, 2, 3, 4};
    thrum_call calls[5];

    SPAN;
    for (int i = 0; i < 5; i++)
        calls[i] = (thrum_call)THRUM_CALL(number, (void *)&numbers[i]);
    EXPECT_EQ(thrum_gather(calls, 5, THRUM_FAIL_FAST, 0, NULL), 0);
    for (int i = 0; i < 5; i++) {
        EXPECT_EQ(calls[i].outcome.kind, THRUM_OK);
        EXPECT_EQ(calls[i].outcome.status, i);
    }
    forget_outcomes(calls, 5);
}

/* ---- failures -------------------------------------------------------------------------------- */

RULE(fail_fast_cancels_the_siblings_and_tells_of_the_failure)
{
    thrum_call calls[] = {THRUM_CALL(sleep_on, NULL), THRUM_CALL(fail_with, (void *)&broken),
                          THRUM_CALL(sleep_on, NULL)};
    thrum_error *errors = NULL;

    SPAN;
    EXPECT_EQ(thrum_gather(calls, 3, THRUM_FAIL_FAST, 0, &errors), THRUM_EGROUP);
    EXPECT_EQ(thrum_error_count(errors), 1);
    EXPECT_EQ(thrum_error_code(thrum_error_child(errors, 0)), -EIO);
    EXPECT(strstr(thrum_error_file(thrum_error_child(errors, 0)), "gather_test.c") != NULL);
    EXPECT_EQ(calls[0].outcome.kind, THRUM_CANCELLED);
    EXPECT_EQ(calls[1].outcome.kind, THRUM_FAILED);
    EXPECT_EQ(calls[1].outcome.status, -EIO);
    EXPECT_EQ(thrum_error_code(calls[1].outcome.error), -EIO);
    EXPECT_EQ(calls[2].outcome.kind, THRUM_CANCELLED);
    EXPECT(!thrum_cancel_pending()); /* the caller is none the worse */
    thrum_error_free(errors);
    forget_outcomes(calls, 3);
}

RULE(collect_keeps_all_outcomes_in_the_order_of_the_calls)
{
    thrum_call calls[] = {THRUM_CALL(nothing, NULL), THRUM_CALL(fail_with, (void *)&broken),
                          THRUM_CALL(nothing, NULL), THRUM_CALL(fail_with, (void *)&worse)};
    thrum_error *errors = NULL;

    SPAN;
    EXPECT_EQ(thrum_gather(calls, 4, THRUM_COLLECT, 0, &errors), 0);
    CHECK(errors == NULL || disturbed());
    EXPECT_EQ(calls[0].outcome.kind, THRUM_OK);
    EXPECT_EQ(calls[1].outcome.status, -EIO);
    EXPECT_EQ(calls[2].outcome.kind, THRUM_OK);
    EXPECT_EQ(calls[3].outcome.status, -EPERM);
    thrum_error_free(errors);
    forget_outcomes(calls, 4);
}

/* Cancels the call beside it, whose handle stands in the array while gather is under way. */
static int cancel_sibling(void *arg)
{
    thrum_call *sibling = arg;

    SPAN;
    (void)thrum_task_cancel(sibling->task, 7, NULL);
    return 0;
}

RULE(a_call_that_was_cancelled_has_not_failed)
{
    static const unsigned policies[] = {THRUM_FAIL_FAST, THRUM_COLLECT};

    SPAN;
    for (int i = 0; i < 2; i++) {
        thrum_call calls[2] = {THRUM_CALL(sleep_on, NULL), THRUM_CALL(cancel_sibling, NULL)};

        calls[1].arg = &calls[0];
        EXPECT_EQ(thrum_gather(calls, 2, policies[i], 0, NULL), 0);
        EXPECT_EQ(calls[0].outcome.kind, THRUM_CANCELLED);
        EXPECT_EQ(calls[0].outcome.status, THRUM_ECANCELED);
        EXPECT_EQ(calls[1].outcome.kind, THRUM_OK);
        forget_outcomes(calls, 2);
    }
}

RULE(failures_nest_if_nobody_takes_them)
{
    thrum_call inner[] = {THRUM_CALL(fail_with, (void *)&broken)};
    int status;

    SPAN;
    status = thrum_gather(inner, 1, THRUM_FAIL_FAST, 0, NULL);
    EXPECT_EQ(status, THRUM_EGROUP);
    forget_outcomes(inner, 1);
}

/* ---- the first success ----------------------------------------------------------------------- */

RULE(first_ok_cancels_the_others)
{
    thrum_call calls[] = {THRUM_CALL(sleep_on, NULL), THRUM_CALL(fail_with, (void *)&broken),
                          THRUM_CALL(nothing, NULL), THRUM_CALL(sleep_on, NULL)};
    thrum_error *errors = NULL;

    SPAN;
    EXPECT_EQ(thrum_gather(calls, 4, THRUM_FIRST_OK, 0, &errors), 0);
    EXPECT(errors == NULL);
    EXPECT_EQ(calls[0].outcome.kind, THRUM_CANCELLED);
    EXPECT_EQ(calls[2].outcome.kind, THRUM_OK);
    EXPECT_EQ(calls[3].outcome.kind, THRUM_CANCELLED);
    thrum_error_free(errors);
    forget_outcomes(calls, 4);
}

RULE(first_ok_without_a_success_tells_of_all_failures)
{
    thrum_call calls[] = {THRUM_CALL(fail_with, (void *)&broken),
                          THRUM_CALL(fail_with, (void *)&worse)};
    thrum_error *errors = NULL;

    SPAN;
    EXPECT_EQ(thrum_gather(calls, 2, THRUM_FIRST_OK, 0, &errors), THRUM_EGROUP);
    EXPECT_EQ(thrum_error_count(errors), 2);
    thrum_error_free(errors);
    forget_outcomes(calls, 2);
}

/* ---- limits ---------------------------------------------------------------------------------- */

struct crowd {
    uint32_t here; /* atomic */
    uint32_t most; /* atomic */
};

static int come_and_go(void *arg)
{
    struct crowd *crowd = arg;
    uint32_t here = add_relaxed(&crowd->here, 1) + 1; /* relaxed: counters, all of them */
    uint32_t most = load_relaxed(&crowd->most);       /* relaxed */
    int status;

    SPAN;
    while (most < here && !cas_relaxed(&crowd->most, &most, here)) /* relaxed */
        continue;
    status = thrum_yield();
    add_relaxed(&crowd->here, (uint32_t)-1); /* relaxed */
    return status;
}

RULE(no_more_run_at_once_than_the_limit)
{
    for (uint32_t limit = 1; limit <= 4; limit++) {
        struct crowd crowd = {0, 0};
        thrum_call calls[9];

        SPAN;
        for (int i = 0; i < 9; i++)
            calls[i] = (thrum_call)THRUM_CALL(come_and_go, &crowd);
        EXPECT_EQ(thrum_gather(calls, 9, THRUM_FAIL_FAST, limit, NULL), 0);
        CHECK_LE(load_relaxed(&crowd.most), limit); /* relaxed: they have ended */
        for (int i = 0; i < 9; i++)
            EXPECT_EQ(calls[i].outcome.kind, THRUM_OK);
    }
}

RULE(who_waits_for_room_when_it_is_over_never_runs)
{
    static const unsigned policies[] = {THRUM_FAIL_FAST, THRUM_FIRST_OK};
    static const int ends[] = {-EIO, 0};

    SPAN;
    for (int i = 0; i < 2; i++) {
        thrum_event ran = THRUM_EVENT_INIT;
        thrum_call calls[3] = {THRUM_CALL(fail_with, (void *)&ends[i]), THRUM_CALL(sleep_on, NULL),
                               THRUM_CALL(sleep_on, &ran)};

        EXPECT_EQ(thrum_gather(calls, 3, policies[i], 1, NULL), i ? 0 : THRUM_EGROUP);
        EXPECT_EQ(calls[2].outcome.kind, THRUM_CANCELLED);
        CHECK(!raised(&ran));
        forget_outcomes(calls, 3);
    }
}

/* ---- cancelling ------------------------------------------------------------------------------ */

RULE(a_cancelled_gather_cancels_all_and_waits_for_them)
{
    static const unsigned policies[] = {THRUM_FAIL_FAST, THRUM_COLLECT, THRUM_FIRST_OK};

    SPAN;
    for (int i = 0; i < 6; i++) {
        thrum_call calls[3] = {THRUM_CALL(sleep_on, NULL), THRUM_CALL(sleep_on, NULL),
                               THRUM_CALL(sleep_on, NULL)};
        thrum_timeout timeout;
        int status;

        CHECK_EQ(thrum_timeout_begin(&timeout, thrum_us(30)), 0);
        status = thrum_gather(calls, 3, policies[i / 2], i % 2 ? 2 : 0, NULL);
        EXPECT_EQ(status, THRUM_ECANCELED);
        EXPECT_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
        for (int k = 0; k < 3; k++)
            EXPECT_EQ(calls[k].outcome.kind, THRUM_CANCELLED);
        forget_outcomes(calls, 3);
        EXPECT(!thrum_cancel_pending());
    }
}

static int fail_when_cancelled(void *arg)
{
    SPAN;
    (void)!thrum_sleep(THRUM_FOREVER);
    return *(const int *)arg;
}

RULE(a_cancelled_collect_is_cancelled_even_if_some_have_failed)
{
    thrum_call calls[2] = {THRUM_CALL(sleep_on, NULL),
                           THRUM_CALL(fail_when_cancelled, (void *)&broken)};
    thrum_timeout timeout;
    int status;

    SPAN;
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_us(30)), 0);
    status = thrum_gather(calls, 2, THRUM_COLLECT, 0, NULL);
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
    EXPECT_EQ(thrum_yield(), 0); /* it was told once */
    forget_outcomes(calls, 2);
}

static int gather_below(void *arg)
{
    thrum_call *calls = arg;

    SPAN;
    return thrum_gather(calls, 2, THRUM_FAIL_FAST, 0, NULL);
}

RULE(gathers_nest)
{
    thrum_call below[2][2] = {{THRUM_CALL(nothing, NULL), THRUM_CALL(nothing, NULL)},
                              {THRUM_CALL(fail_with, (void *)&broken), THRUM_CALL(sleep_on, NULL)}};
    thrum_call calls[2] = {THRUM_CALL(gather_below, below[0]), THRUM_CALL(gather_below, below[1])};
    thrum_error *errors = NULL;

    SPAN;
    EXPECT_EQ(thrum_gather(calls, 2, THRUM_COLLECT, 0, NULL), 0);
    EXPECT_EQ(calls[0].outcome.status, 0);
    EXPECT_EQ(calls[1].outcome.status, THRUM_EGROUP);
    EXPECT(thrum_error_has(calls[1].outcome.error, -EIO));
    forget_outcomes(calls, 2);
    forget_outcomes(below[1], 2);
    EXPECT_EQ(thrum_gather(calls, 2, THRUM_FAIL_FAST, 0, &errors), THRUM_EGROUP);
    EXPECT(thrum_error_has(errors, -EIO));
    thrum_error_free(errors);
    forget_outcomes(calls, 2);
    forget_outcomes(below[1], 2);
}
