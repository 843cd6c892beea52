/*
 * check_test.c - the harness itself: what passes, what fails, what is seen.
 */
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void say_and_abort(const char *text)
{
    fprintf(stderr, "%s\n", text);
    abort();
}

static void expect_death_of_a_survivor(void)
{
    CHECK_DEATH((void)0, "nothing");
}

static void *fail_in_thread(void *arg)
{
    CHECK_STR_EQ(arg, "left");
    return NULL;
}

static void fail_beside_main(void)
{
    pthread_t thread;

    pthread_create(&thread, NULL, fail_in_thread, "right");
    pthread_join(thread, NULL);
}

static int one_more(int *counter)
{
    return ++*counter;
}

TEST(checks_that_hold)
{
    int x = 3;

    CHECK(x == 3);
    CHECK_EQ(x, 3);
    CHECK_NE(&x, NULL);
    CHECK_LT(-1, x);
    CHECK_LE(x, 3);
    CHECK_STR_EQ("a", "a");
}

TEST(operands_are_evaluated_once)
{
    int counter = 0;

    CHECK_EQ(one_more(&counter), 1);
    CHECK_EQ(counter, 1);
}

TEST(failures_show_values)
{
    CHECK_DEATH({ CHECK_EQ(1 + 1, 3); }, "1 + 1 == 3 (2 and 3;");
    CHECK_DEATH({ CHECK(1 > 2); }, "not true: 1 > 2");
    CHECK_DEATH(fail_beside_main(), "left:  right");
}

TEST(death_is_seen)
{
    CHECK_DEATH(say_and_abort("last words"), "last words");
    CHECK_DEATH(
        {
            fputs("by status", stderr);
            _exit(3);
        },
        "by status");
}

TEST(survivors_are_failures)
{
    CHECK_DEATH(expect_death_of_a_survivor(), "survived: (void)0");
    CHECK_DEATH({ CHECK_DEATH(say_and_abort("one thing"), "another"); }, "expected on stderr");
}

TEST(skipping_tells_why)
{
    CHECK_DEATH(SKIP("no such device"), "skipped: no such device");
}
