/*
 * app_test.c - a user's tests. One is wrong if it is told to.
 */
#include <stdlib.h>

#include <thrum/test.h>

static thrum_mock answer = THRUM_MOCK_INIT("answer");

static int ask(int *number)
{
    return thrum_mock_call(&answer, number, sizeof *number, THRUM_NO_ARGS);
}

static int patient(void *arg)
{
    return ask(arg);
}

THRUM_TEST(a_slow_answer_is_given_up)
{
    int number = 0;

    THRUM_ANSWERS(&answer, .delay = thrum_ms(20));
    THRUM_EXPECT_STATUS(thrum_wait_for(patient, &number, thrum_ms(1)), THRUM_ETIMEOUT);
    THRUM_EXPECT_CALLS(&answer, 1);
    return 0;
}

THRUM_TEST(wrong)
{
    if (!getenv("APP_TEST_WRONG"))
        THRUM_SKIP("it is to show what a failure looks like");
    THRUM_EXPECT_EQ(1 + 1, 3);
    return 0;
}

THRUM_TEST_MAIN
