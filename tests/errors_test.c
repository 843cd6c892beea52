/*
 * errors_test.c - a group's failures as a tree: who, why, in which order; how
 * it prints; and what status codes are called.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/atomic/verbs.h"
#include "runtime/plat/memory.h"
#include "workers.h"

/* ---- codes --------------------------------------------------------------------------------- */

TEST(codes_have_names_and_sentences)
{
    CHECK_STR_EQ(thrum_errname(0), "OK");
    CHECK_STR_EQ(thrum_errname(3), "OK");
    CHECK_STR_EQ(thrum_errname(-ENOMEM), "ENOMEM");
    CHECK_STR_EQ(thrum_errname(THRUM_EGROUP), "THRUM_EGROUP");
    CHECK_STR_EQ(thrum_errname(THRUM_ESTATE), "THRUM_ESTATE");
    CHECK_STR_EQ(thrum_errname(THRUM_ENESTED), "THRUM_ENESTED");
    CHECK_STR_EQ(thrum_errname(THRUM_ELAYOUT), "THRUM_ELAYOUT");
    CHECK_STR_EQ(thrum_strerror(-ENOENT), "No such file or directory");
    CHECK_STR_EQ(thrum_strerror(THRUM_EGROUP), "a task of the group failed");
    for (int status = -5000; status <= 1; status++) {
        CHECK_NE(thrum_errname(status)[0], '\0');
        CHECK_NE(thrum_strerror(status)[0], '\0');
    }
    CHECK_NE(thrum_errname(INT32_MIN)[0], '\0');
    CHECK_NE(thrum_strerror(INT32_MIN)[0], '\0');
}

/* ---- trees --------------------------------------------------------------------------------- */

static int fail(void *arg)
{
    return (int)(intptr_t)arg;
}

static void spawn_named(thrum_group *group, const char *name, thrum_fn fn, void *arg)
{
    thrum_task_options options = THRUM_TASK_OPTIONS_INIT;

    options.name = name;
    CHECK_EQ(thrum_group_spawn(group, fn, arg, &options, NULL), 0);
}

/* A tree of one group: fails with -EIO ("disk"), -EPERM ("door"), and once without a name. */
static thrum_error *grow_error(const char *name)
{
    thrum_group_options options = THRUM_GROUP_OPTIONS_INIT;
    thrum_error *errors;
    thrum_child child;
    thrum_group group;

    options.name = name;
    CHECK_EQ(thrum_group_open(&group, &options), 0);
    spawn_named(&group, "disk", fail, (void *)(intptr_t)-EIO);
    thrum_yield();
    spawn_named(&group, "fine", fail, NULL);
    spawn_named(&group, "door", fail, (void *)(intptr_t)-EPERM);
    thrum_yield();
    CHECK_EQ(thrum_group_spawn_child(&group, &child, fail, (void *)(intptr_t)-ENOENT), 0);
    CHECK_EQ(thrum_group_close(&group, 0, &errors), THRUM_EGROUP);
    return errors;
}

static int tree_in_order(void *arg)
{
    thrum_error *errors = grow_error("house");
    const thrum_error *first, *second, *third;

    CHECK_EQ(thrum_error_code(errors), THRUM_EGROUP);
    CHECK_STR_EQ(thrum_error_name(errors), "house");
    CHECK_EQ(thrum_error_count(errors), 3);
    CHECK_EQ(thrum_error_lost(errors), 0);
    first = thrum_error_child(errors, 0);
    second = thrum_error_child(errors, 1);
    third = thrum_error_child(errors, 2);
    CHECK(thrum_error_child(errors, 3) == NULL);
    CHECK(thrum_error_child(errors, SIZE_MAX) == NULL);
    CHECK_EQ(thrum_error_code(first), -EIO);
    CHECK_STR_EQ(thrum_error_name(first), "disk");
    CHECK_EQ(thrum_error_count(first), 0);
    CHECK_EQ(thrum_error_code(second), -EPERM);
    CHECK_STR_EQ(thrum_error_name(second), "door");
    CHECK_EQ(thrum_error_code(third), -ENOENT);
    CHECK_STR_EQ(thrum_error_name(third), "");
    thrum_error_free(errors);
    thrum_error_free(NULL);
    return arg ? -1 : 0;
}

/* With one worker they end in order of spawning. */
TEST(the_tree_names_who_failed_in_order_of_ending)
{
    CHECK_EQ(run_with(1, tree_in_order, NULL), 0);
}

#define MANY 300

static int fail_later(void *arg)
{
    thrum_yield();
    return fail(arg);
}

static int all_failures(void *arg)
{
    bool seen[MANY + 1] = {false};
    thrum_child children[MANY];
    thrum_error *errors;
    thrum_group group;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < MANY; i++) {
        thrum_fn fn = i % 2 ? fail : fail_later;
        void *status = (void *)(intptr_t)(-1 - i);

        if (i % 3)
            CHECK_EQ(thrum_group_spawn_child(&group, &children[i], fn, status), 0);
        else
            CHECK_EQ(thrum_group_spawn(&group, fn, status, NULL, NULL), 0);
    }
    CHECK_EQ(thrum_group_close(&group, 0, &errors), THRUM_EGROUP);
    CHECK_EQ(thrum_error_count(errors), MANY);
    for (size_t i = 0; i < MANY; i++) {
        int code = thrum_error_code(thrum_error_child(errors, i));

        CHECK(code < 0 && code >= -MANY && !seen[-code]);
        seen[-code] = true;
    }
    thrum_error_free(errors);
    return arg ? -1 : 0;
}

TEST(no_failure_is_lost)
{
    run_everywhere(all_failures, NULL);
}

/* The trees below are not wanted: they are freed all the same (sanitizers look). */
static int unwanted(void *arg)
{
    thrum_child child;
    thrum_group group;
    int status;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_child(&group, &child, fail, arg), 0);
    status = thrum_group_close(&group, 0, NULL);
    CHECK_EQ(status, THRUM_EGROUP);
    return status;
}

static int failure_goes_up(void *arg)
{
    for (int i = 0; i < 20; i++) {
        thrum_error *errors;
        thrum_child child;
        thrum_group group;

        CHECK_EQ(thrum_group_open(&group, NULL), 0);
        CHECK_EQ(thrum_group_spawn_child(&group, &child, unwanted, (void *)(intptr_t)-EIO), 0);
        CHECK_EQ(thrum_group_close(&group, 0, &errors), THRUM_EGROUP);
        CHECK_EQ(thrum_error_count(errors), 1);
        CHECK_EQ(thrum_error_code(thrum_error_child(errors, 0)), THRUM_EGROUP);
        thrum_error_free(errors);
    }
    return arg ? -1 : 0;
}

TEST(a_failure_below_is_a_failure_above)
{
    run_everywhere(failure_goes_up, NULL);
}

/* ---- printing ------------------------------------------------------------------------------ */

static void check_printed(const thrum_error *error, const char *expected)
{
    char text[1024];
    size_t used = 0;
    ssize_t n;
    int ends[2];

    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    CHECK_EQ(thrum_error_print(error, ends[1]), 0);
    close(ends[1]);
    while ((n = read(ends[0], text + used, sizeof(text) - 1 - used)) > 0)
        used += (size_t)n;
    text[used] = '\0';
    close(ends[0]);
    CHECK_STR_EQ(text, expected);
}

static int print_tree(void *arg)
{
    thrum_error *errors = grow_error("house");

    check_printed(errors, "house: THRUM_EGROUP: a task of the group failed\n"
                          "  disk: EIO: Input/output error\n"
                          "  door: EPERM: Operation not permitted\n"
                          "  ENOENT: No such file or directory\n");
    CHECK_EQ(thrum_error_print(errors, -1), -EBADF);
    thrum_error_free(errors);
    errors = grow_error(NULL);
    check_printed(thrum_error_child(errors, 2), "ENOENT: No such file or directory\n");
    thrum_error_free(errors);
    return arg ? -1 : 0;
}

TEST(a_tree_prints_a_line_for_each_failure)
{
    CHECK_EQ(run_with(1, print_tree, NULL), 0);
}

/* ---- without memory -------------------------------------------------------------------------- */

static int close_without_memory(void *arg)
{
    thrum_error *errors;
    thrum_child children[3];
    thrum_group group;

    /* The first failure's node is lost. */
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(thrum_group_spawn_child(&group, &children[i], fail, (void *)(intptr_t)-EIO), 0);
    thrum_memory_fail_after(0);
    CHECK_EQ(thrum_group_close(&group, 0, &errors), THRUM_EGROUP);
    thrum_memory_fail_after(-1);
    CHECK(errors != NULL);
    CHECK_EQ(thrum_error_count(errors), 2);
    CHECK_EQ(thrum_error_lost(errors), 1);
    thrum_error_free(errors);

    /* The tree's root is lost, and the tree with it. */
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_child(&group, &children[0], fail, (void *)(intptr_t)-EIO), 0);
    thrum_memory_fail_after(1);
    CHECK_EQ(thrum_group_close(&group, 0, &errors), THRUM_EGROUP);
    thrum_memory_fail_after(-1);
    CHECK(errors == NULL);
    return arg ? -1 : 0;
}

TEST(without_memory_the_status_is_still_right)
{
    CHECK_EQ(run_with(1, close_without_memory, NULL), 0);
}
