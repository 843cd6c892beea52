/*
 * macros_test.c - blocks are closed on every way out, arguments are copied.
 * What C++ makes of the same header is tests/macros_cxx_test.cc.
 */
#include <errno.h>
#include <string.h>

#include <thrum/detail/atomic.h>
#include <thrum/macros.h>
#include <thrum/thrum.h>

#include "runtime/plat/memory.h"
#include "tests/check.h"
#include "tests/workers.h"

/* ---- blocks ---------------------------------------------------------------------------------- */

static int count(void *arg)
{
    uint64_t *counter = arg;

    return thrum_yield() ? THRUM_ECANCELED : (thrum_add_relaxed_64(counter, 1), 0);
}

enum way { BY_END, BY_BREAK, BY_CONTINUE, BY_GOTO, BY_RETURN, WAYS };

/* A group with one task inside of all other blocks, left in some way. */
static int leave(enum way way, uint64_t *counter, int *status)
{
    static const thrum_local local = THRUM_LOCAL_INIT(NULL, NULL);

    THRUM_LOCAL (&local, counter, *status)
        THRUM_SHIELD (*status)
            THRUM_TIMEOUT (timeout, thrum_s(100), *status)
                THRUM_SCOPE (scope, 0, *status) {
                    CHECK(!thrum_timeout_expired(timeout));
                    CHECK(!thrum_scope_cancelled(scope));
                    THRUM_GROUP (group, NULL, *status) {
                        CHECK_EQ(
                            thrum_group_spawn(group, count, thrum_local_get(&local), NULL, NULL),
                            0);
                        if (way == BY_BREAK)
                            break;
                        if (way == BY_CONTINUE)
                            continue;
                        if (way == BY_GOTO)
                            goto out;
                        if (way == BY_RETURN)
                            return 1;
                        CHECK_EQ(way, BY_END);
                    }
                }
out:
    CHECK_EQ(*counter, 1);
    CHECK(thrum_local_get(&local) == NULL);
    return 0;
}

static int leaves_all_ways(void *arg)
{
    (void)arg;
    for (int way = BY_END; way < WAYS; way++) {
        uint64_t counter = 0;
        int status = 0;

        CHECK_EQ(leave((enum way)way, &counter, &status), way == BY_RETURN);
        CHECK_EQ(counter, 1);
        CHECK_EQ(status, 0);
    }
    return 0;
}

TEST(blocks_are_closed_on_every_way_out)
{
    run_everywhere(leaves_all_ways, NULL);
}

static int fails(void *arg)
{
    return thrum_fail(-EIO, "sector %d is gone", *(int *)arg);
}

static int statuses(void *arg)
{
    static const thrum_group_options wrong = {.size = 1};
    int sector = 5;
    int status = 0;

    (void)arg;
    THRUM_GROUP (group, &wrong, status) {
        CHECK(group == NULL); /* never reached */
    }
    CHECK_EQ(status, -EINVAL);
    status = 0;
    THRUM_TIMEOUT (timeout, -1, status) {
        CHECK(timeout == NULL); /* likewise */
    }
    CHECK_EQ(status, -EINVAL);
    status = 0;
    THRUM_TIMEOUT (timeout, 0, status) {
        status = thrum_sleep(THRUM_FOREVER);
        CHECK_EQ(status, THRUM_ECANCELED);
        CHECK(thrum_timeout_expired(timeout));
    }
    CHECK_EQ(status, THRUM_ETIMEOUT);
    status = 0;
    THRUM_SCOPE (scope, 0, status) {
        THRUM_SHIELD (status) {
            thrum_scope_cancel(scope, 0, NULL);
            CHECK_EQ(thrum_yield(), 0);
        }
        CHECK_EQ(status, THRUM_ECANCELED);
    }
    CHECK_EQ(status, 0);
    {
        thrum_case cases[] = {thrum_case_at(thrum_never()), thrum_case_now(), thrum_case_now()};

        CHECK_EQ(THRUM_SELECT(cases, THRUM_SELECT_ORDERED), 1);
    }
    THRUM_GROUP (group, NULL, status) {
        status = thrum_group_spawn(group, fails, &sector, NULL, NULL);
    }
    return status;
}

TEST(a_blocks_status_is_what_it_makes_of_the_bodys)
{
    thrum_error *errors;

    CHECK_EQ(thrum_run(statuses, NULL, NULL, &errors), THRUM_EGROUP);
    CHECK_EQ(thrum_error_count(errors), 1);
    CHECK_EQ(thrum_error_code(thrum_error_child(errors, 0)), -EIO);
    CHECK_STR_EQ(thrum_error_message(thrum_error_child(errors, 0)), "sector 5 is gone");
    thrum_error_free(errors);
}

/* ---- defer ----------------------------------------------------------------------------------- */

static char said[8];

static void say(void *arg)
{
    strcat(said, arg);
}

static int defers(bool early)
{
    char first[] = "a";
    char *text = first;

    THRUM_DEFER(say, text);
    text = NULL;
    if (early)
        return 1;
    THRUM_DEFER(say, (char[]){"b"});
    THRUM_DEFER(say, (char[]){"c"});
    strcat(said, "-");
    return text != NULL;
}

TEST(what_is_deferred_runs_at_the_end_last_first)
{
    CHECK_EQ(defers(false), 0);
    CHECK_STR_EQ(said, "-cba");
    said[0] = '\0';
    CHECK_EQ(defers(true), 1);
    CHECK_STR_EQ(said, "a");
}

/* ---- arguments ------------------------------------------------------------------------------- */

struct large {
    uint64_t words[20];
};

THRUM_FN(add, uint64_t *, sum, int, n)
{
    thrum_add_relaxed_64(sum, (uint64_t)n);
    return 0;
}

THRUM_FN(add_eight, uint64_t *, sum, char, a, short, b, int, c, long, d, float, e, double, f,
         const char *, g)
{
    return add(sum, a + b + c + (int)d + (int)e + (int)f + g[0]);
}

THRUM_FN(add_large, uint64_t *, sum, struct large, all)
{
    int total = 0;

    for (size_t i = 0; i < sizeof all.words / sizeof all.words[0]; i++)
        total += (int)all.words[i];
    return add(sum, total);
}

THRUM_FN(yields, int, times)
{
    int status = 0;

    for (int i = 0; i < times && !status; i++)
        status = thrum_yield();
    return status;
}

static int spawns(void *arg)
{
    thrum_task_options options = THRUM_TASK_OPTIONS_INIT;
    uint64_t sum = 0;
    int status = 0;

    (void)arg;
    THRUM_GROUP (group, NULL, status) {
        struct large large = {{1, 2, 3}};
        thrum_task *task;

        options.name = "adder";
        for (int i = 0; i < 100; i++)
            CHECK_EQ(THRUM_SPAWN(group, add, &sum, i), 0);
        CHECK_EQ(THRUM_SPAWN(group, add_eight, &sum, 1, 2, 3, 4, 5.5f, 6.5, "a"), 0);
        CHECK_EQ(THRUM_SPAWN(group, add_large, &sum, large), 0);
        memset(&large, 0, sizeof large);
        CHECK_EQ(THRUM_SPAWN(group, yields, 3), 0);
        CHECK_EQ(THRUM_SPAWN_TASK(group, &options, &task, add, &sum, 1000), 0);
        CHECK_STR_EQ(thrum_task_name(task), "adder");
        CHECK_EQ(thrum_task_join(task, NULL), 0);
        thrum_task_unref(task);
    }
    CHECK_EQ(status, 0);
    CHECK_EQ(sum, 99 * 100 / 2 + (1 + 2 + 3 + 4 + 5 + 6 + 'a') + 6 + 1000);
    return 0;
}

TEST(arguments_are_copied_at_the_spawn)
{
    run_everywhere(spawns, NULL);
}

static int refuses(void *arg)
{
    struct large large = {{1}};
    uint64_t sum = 0;
    int status = 0;

    (void)arg;
    THRUM_GROUP (group, NULL, status) {
        CHECK_EQ(THRUM_SPAWN(group, add, &sum, 1), 0); /* the slab has objects from here on */
        thrum_memory_fail_after(0);
        CHECK_EQ(THRUM_SPAWN(group, add_large, &sum, large), -ENOMEM);
        thrum_memory_fail_after(-1);
        CHECK_EQ(THRUM_SPAWN(group, add_large, &sum, large), 0); /* never runs, leaks nothing */
        thrum_group_cancel(group, 0, NULL);
        CHECK_EQ(THRUM_SPAWN(group, add_large, &sum, large), THRUM_ESHUTDOWN);
    }
    CHECK_EQ(status, 0);
    CHECK_EQ(sum, 0);
    return 0;
}

TEST(copies_of_tasks_that_never_run_are_given_back)
{
    CHECK_EQ(run_with(1, refuses, NULL), 0);
}

/* ---- failing --------------------------------------------------------------------------------- */

static int fails_with_a_cause(void *arg)
{
    thrum_error *cause = thrum_error_new(-ETIMEDOUT, "no answer");
    thrum_error *error = thrum_error_wrap(-EIO, cause, NULL);

    (void)arg;
    thrum_error_free(cause);
    thrum_fail(-EPERM, "this is forgotten");
    return thrum_fail_with(error);
}

static int fails_otherwise(void *arg)
{
    (void)arg;
    thrum_fail(-EIO, "but then it was not that");
    return -EPERM;
}

TEST(what_a_task_says_goes_with_the_code_that_it_returns)
{
    thrum_error *errors;

    CHECK_EQ(thrum_run(fails_with_a_cause, NULL, NULL, &errors), -EIO);
    CHECK_EQ(thrum_error_code(thrum_error_cause(errors)), -ETIMEDOUT);
    CHECK_STR_EQ(thrum_error_message(errors), "");
    thrum_error_free(errors);
    CHECK_EQ(thrum_run(fails_otherwise, NULL, NULL, &errors), -EPERM);
    CHECK_STR_EQ(thrum_error_message(errors), "");
    thrum_error_free(errors);
    CHECK_EQ(thrum_fail(-EIO, "outside"), -EIO);
    CHECK_EQ(thrum_fail_with(NULL), 0);
    CHECK_DEATH(thrum_fail(1, "no failure"), "codes of failures are negative");
}
