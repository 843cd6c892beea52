/*
 * errors_test.c - error trees: a group's failures, who, why, in which order;
 * errors of the program's own; how trees are sorted and shown, as deep as they
 * like; and what status codes are called.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/atomic/verbs.h"
#include "runtime/plat/memory.h"
#include "runtime/task/error.h"
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
    CHECK_EQ(thrum_group_spawn_at(group, fn, arg, &options, NULL, NULL), 0);
}

/* A tree of one group: fails with -EIO ("disk"), -EPERM ("door"), and once without a name. */
static thrum_error *grow_error(const char *name)
{
    thrum_group_options options = THRUM_GROUP_OPTIONS_INIT;
    thrum_error *errors;
    thrum_child child;
    thrum_group group;

    options.name = name;
    options.flags = THRUM_COLLECT;
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
    IN_ORDER_ONLY;
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

    CHECK_EQ(thrum_group_open(&group, collecting()), 0);
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

    CHECK_EQ(thrum_group_open(&group, collecting()), 0);
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

        CHECK_EQ(thrum_group_open(&group, collecting()), 0);
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
    char text[4096];
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
    CHECK_EQ(thrum_error_format(error, text, sizeof text), strlen(expected));
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
    IN_ORDER_ONLY;
    CHECK_EQ(run_with(1, print_tree, NULL), 0);
}

/* A tree with all that a line can show. */
static thrum_error *furnish(void)
{
    uint64_t failures = FAILURES_CANCELLED;
    thrum_error *answer = thrum_error_new(-ETIMEDOUT, "no answer from %s", "the controller");
    thrum_error *sector = thrum_error_wrap(-EIO, answer, "sector %d is gone", 5);
    thrum_error *house;

    thrum_error_free(answer);
    thrum_error_push(&failures, thrum_error_leaf(-EIO, "disk", "house.c", 20, sector));
    thrum_error_push(&failures, NULL);
    thrum_error_push(&failures, thrum_error_leaf(-EPERM, "door", "house.c", 21, NULL));
    thrum_error_push(&failures, thrum_error_leaf(-20000, NULL, NULL, 7, NULL));
    CHECK_EQ(failures & FAILURES_FLAGS, FAILURES_CANCELLED | FAILURES_LOST);
    house = thrum_error_of(failures, "house");
    CHECK(house != NULL);
    return house;
}

TEST(a_line_shows_message_cause_and_place)
{
    thrum_error *house = furnish();

    check_printed(house, "house: THRUM_EGROUP: a task of the group failed"
                         " (and at least 1 more, lost for want of memory)\n"
                         "  disk: EIO: sector 5 is gone (spawned at house.c:20)\n"
                         "    caused by: ETIMEDOUT: no answer from the controller\n"
                         "  door: EPERM: Operation not permitted (spawned at house.c:21)\n"
                         "  status -20000: unknown status\n");
    thrum_error_free(house);
}

TEST(a_line_stays_one_line)
{
    thrum_error *error = thrum_error_new(-EIO, "a\nb\x7f%c\xC3\xA9", '\t');

    CHECK_STR_EQ(thrum_error_message(error), "a\nb\x7f\t\xC3\xA9");
    check_printed(error, "EIO: a?b??\xC3\xA9\n");
    thrum_error_free(error);
}

TEST(format_is_cut_off_like_snprintf)
{
    thrum_error *house = furnish();
    size_t length = thrum_error_format(house, NULL, 0);
    char whole[1024], text[1024];

    CHECK_LT(length, sizeof whole);
    CHECK_EQ(thrum_error_format(house, whole, sizeof whole), length);
    CHECK_EQ(strlen(whole), length);
    for (size_t size = 1; size <= length + 2; size++) {
        size_t shown = size - 1 < length ? size - 1 : length;

        memset(text, '#', sizeof text);
        CHECK_EQ(thrum_error_format(house, text, size), length);
        CHECK_EQ(strlen(text), shown);
        CHECK(memcmp(text, whole, shown) == 0);
        CHECK_EQ(text[size], '#');
    }
    thrum_error_free(house);
}

/* ---- errors of the program's own --------------------------------------------------------------- */

TEST(an_error_says_what_it_was_told)
{
    thrum_error *error = thrum_error_new(-EIO, "%s %d", "sector", 5);

    CHECK_EQ(thrum_error_code(error), -EIO);
    CHECK_STR_EQ(thrum_error_name(error), "");
    CHECK_STR_EQ(thrum_error_message(error), "sector 5");
    CHECK(thrum_error_cause(error) == NULL);
    CHECK_EQ(thrum_error_count(error), 0);
    CHECK_EQ(thrum_error_lost(error), 0);
    CHECK_STR_EQ(thrum_error_file(error), "");
    CHECK_EQ(thrum_error_line(error), 0);
    thrum_error_free(error);

    error = thrum_error_new(INT_MIN, NULL);
    CHECK_EQ(thrum_error_code(error), INT_MIN);
    CHECK_STR_EQ(thrum_error_message(error), "");
    thrum_error_free(error);
    CHECK_DEATH((void)!thrum_error_new(0, "fine"), "codes of failures are negative");
    CHECK_DEATH((void)!thrum_error_wrap(5, NULL, NULL), "codes of failures are negative");
}

TEST(a_cause_outlives_its_first_owner)
{
    thrum_error *cause = thrum_error_new(-ETIMEDOUT, "no answer");
    thrum_error *error = thrum_error_wrap(-EIO, cause, "sector 5");

    CHECK(thrum_error_cause(error) == cause);
    thrum_error_free(cause);
    CHECK_STR_EQ(thrum_error_message(thrum_error_cause(error)), "no answer");
    CHECK(thrum_error_ref(thrum_error_cause(error)) == cause);
    thrum_error_free(error);
    CHECK_STR_EQ(thrum_error_message(cause), "no answer");
    thrum_error_free(cause);

    error = thrum_error_wrap(-EIO, NULL, "by itself");
    CHECK(thrum_error_cause(error) == NULL);
    thrum_error_free(error);
}

TEST(long_texts_are_cut_between_characters)
{
    for (int before = 190; before <= 205; before++) {
        int left = 200 - before, whole = left < 0 ? 0 : left - left % 3;
        thrum_error *error;
        char expected[210];

        memset(expected, 'x', sizeof expected);
        error = thrum_error_new(-EIO, "%.*s%s", before, expected, "€€€€€");
        CHECK(error != NULL);
        memcpy(expected + (before < 200 ? before : 200), "€€€€€", (size_t)whole);
        expected[(before < 200 ? before : 200) + whole] = '\0';
        CHECK_STR_EQ(thrum_error_message(error), expected);
        thrum_error_free(error);
    }
}

TEST(long_names_and_bad_utf8_are_cut_too)
{
    thrum_error *error = thrum_error_leaf(-EIO, "012345678901234567890123456789", "f.c", 1, NULL);
    char junk[240];

    CHECK_STR_EQ(thrum_error_name(error), "012345678901234567890123456");
    thrum_error_free(error);
    memset(junk, 0x80, sizeof junk);
    junk[sizeof junk - 1] = '\0';
    error = thrum_error_new(-EIO, "%s", junk);
    CHECK_EQ(strlen(thrum_error_message(error)), 200);
    thrum_error_free(error);
}

TEST(null_is_no_error)
{
    thrum_error *yes, *no, *nothing[2] = {NULL, NULL};
    char text[4] = "#";
    int code = -EIO;

    CHECK_EQ(thrum_error_code(NULL), 0);
    CHECK_STR_EQ(thrum_error_name(NULL), "");
    CHECK_STR_EQ(thrum_error_message(NULL), "");
    CHECK_STR_EQ(thrum_error_file(NULL), "");
    CHECK_EQ(thrum_error_line(NULL), 0);
    CHECK_EQ(thrum_error_count(NULL), 0);
    CHECK_EQ(thrum_error_lost(NULL), 0);
    CHECK(thrum_error_cause(NULL) == NULL);
    CHECK(thrum_error_child(NULL, 0) == NULL);
    CHECK(thrum_error_ref(NULL) == NULL);
    CHECK(!thrum_error_has(NULL, 0));
    CHECK(!thrum_error_match_code(NULL, &code));
    CHECK_EQ(thrum_error_leaves(NULL, NULL, NULL), 0);
    CHECK_EQ(thrum_error_print(NULL, -1), 0);
    CHECK_EQ(thrum_error_format(NULL, text, sizeof text), 0);
    CHECK_STR_EQ(text, "");
    CHECK_EQ(thrum_error_split(NULL, thrum_error_match_code, &code, &yes, &no), 0);
    CHECK(!yes && !no);
    CHECK_EQ(thrum_error_merge("none", nothing, 2, &yes), 0);
    CHECK(!yes);
    CHECK_EQ(thrum_error_merge("none", NULL, 0, &yes), 0);
    CHECK(!yes);
}

/* ---- what tasks say about themselves ------------------------------------------------------------ */

TEST(a_detail_counts_if_its_code_is_the_status)
{
    thrum_error *cause = thrum_error_new(-ETIMEDOUT, "no answer");
    thrum_error *detail = thrum_error_wrap(-EIO, cause, "sector 5");
    thrum_error *leaf = thrum_error_leaf(-EIO, "disk", "house.c", 20, thrum_error_ref(detail));

    CHECK_EQ(thrum_error_code(leaf), -EIO);
    CHECK_STR_EQ(thrum_error_name(leaf), "disk");
    CHECK_STR_EQ(thrum_error_message(leaf), "sector 5");
    CHECK_STR_EQ(thrum_error_file(leaf), "house.c");
    CHECK_EQ(thrum_error_line(leaf), 20);
    CHECK(thrum_error_cause(leaf) == cause);
    thrum_error_free(leaf);

    leaf = thrum_error_leaf(-EPERM, "disk", "house.c", 20, detail);
    CHECK_EQ(thrum_error_code(leaf), -EPERM);
    CHECK_STR_EQ(thrum_error_message(leaf), "");
    CHECK(thrum_error_cause(leaf) == NULL);
    thrum_error_free(leaf);
    thrum_error_free(cause);
}

TEST(a_detail_gives_children_and_what_the_task_lacks)
{
    uint64_t failures = 0;
    thrum_error *inner, *leaf;

    thrum_error_add(&failures, -EIO, "disk");
    thrum_error_add(&failures, -EPERM, "door");
    thrum_error_push(&failures, NULL);
    inner = thrum_error_of(failures, "house");
    leaf = thrum_error_leaf(THRUM_EGROUP, "builder", "town.c", 3, thrum_error_ref(inner));
    CHECK_STR_EQ(thrum_error_name(leaf), "builder");
    CHECK_STR_EQ(thrum_error_file(leaf), "town.c");
    CHECK_EQ(thrum_error_count(leaf), 2);
    CHECK_EQ(thrum_error_lost(leaf), 1);
    CHECK(thrum_error_child(leaf, 0) == thrum_error_child(inner, 0));
    CHECK(thrum_error_child(leaf, 1) == thrum_error_child(inner, 1));
    thrum_error_free(inner);

    inner = leaf;
    leaf = thrum_error_leaf(THRUM_EGROUP, "", NULL, 0, inner);
    CHECK_STR_EQ(thrum_error_name(leaf), "builder");
    CHECK_STR_EQ(thrum_error_file(leaf), "town.c");
    CHECK_EQ(thrum_error_line(leaf), 3);
    CHECK_EQ(thrum_error_count(leaf), 2);
    thrum_error_free(leaf);
}

TEST(without_failures_there_is_no_tree)
{
    thrum_error *error;

    CHECK(thrum_error_of(0, "house") == NULL);
    CHECK(thrum_error_of(FAILURES_CANCELLED, "house") == NULL);
    error = thrum_error_of(FAILURES_CANCELLED | FAILURES_LOST, "house");
    CHECK_EQ(thrum_error_count(error), 0);
    CHECK_EQ(thrum_error_lost(error), 1);
    thrum_error_free(error);
}

/* ---- merging ------------------------------------------------------------------------------------ */

TEST(merge_is_one_group_over_all)
{
    thrum_error *errors[3] = {thrum_error_new(-EIO, "one"), NULL, thrum_error_new(-EPERM, "two")};
    thrum_error *merged;

    CHECK_EQ(thrum_error_merge("both", errors, 3, &merged), 0);
    CHECK_EQ(thrum_error_code(merged), THRUM_EGROUP);
    CHECK_STR_EQ(thrum_error_name(merged), "both");
    CHECK_EQ(thrum_error_count(merged), 2);
    CHECK(thrum_error_child(merged, 0) == errors[0]);
    CHECK(thrum_error_child(merged, 1) == errors[2]);
    thrum_error_free(errors[0]);
    thrum_error_free(errors[2]);
    CHECK_STR_EQ(thrum_error_message(thrum_error_child(merged, 1)), "two");
    thrum_error_free(merged);
}

/* More nodes than any number can tell, in 100 allocations. */
TEST(shared_without_end)
{
    thrum_error *error = thrum_error_new(-EIO, NULL), *yes, *no;
    int code = -EIO;

    for (int i = 0; i < 100; i++) {
        thrum_error *thrice[3] = {error, error, error};
        thrum_error *merged;

        CHECK_EQ(thrum_error_merge(NULL, thrice, 3, &merged), 0);
        thrum_error_free(error);
        error = merged;
    }
    CHECK(error->size == SIZE_MAX && error->span == SIZE_MAX);
    CHECK(thrum_error_has(error, -EIO));
    CHECK_EQ(thrum_error_split(error, thrum_error_match_code, &code, &yes, &no), -ENOMEM);
    CHECK(!yes && !no);
    thrum_error_free(error);
}

/* ---- sorting ------------------------------------------------------------------------------------ */

/* street: (house: EIO, EPERM), (barn: EIO, EIO), EPERM caused by EIO, (shed: EPERM). */
static thrum_error *build_street(void)
{
    thrum_error *disk = thrum_error_new(-EIO, "disk"), *door = thrum_error_new(-EPERM, "door");
    thrum_error *gate = thrum_error_wrap(-EPERM, disk, "gate");
    thrum_error *in_house[] = {disk, door}, *in_barn[] = {disk, disk};
    thrum_error *in_street[4], *street;

    CHECK_EQ(thrum_error_merge("house", in_house, 2, &in_street[0]), 0);
    CHECK_EQ(thrum_error_merge("barn", in_barn, 2, &in_street[1]), 0);
    in_street[2] = gate;
    CHECK_EQ(thrum_error_merge("shed", &door, 1, &in_street[3]), 0);
    CHECK_EQ(thrum_error_merge("street", in_street, 4, &street), 0);
    for (int i = 0; i < 4; i++)
        thrum_error_free(in_street[i]);
    thrum_error_free(disk);
    thrum_error_free(door);
    return street;
}

static const char *const whole_street = "street: THRUM_EGROUP: a task of the group failed\n"
                                        "  house: THRUM_EGROUP: a task of the group failed\n"
                                        "    EIO: disk\n"
                                        "    EPERM: door\n"
                                        "  barn: THRUM_EGROUP: a task of the group failed\n"
                                        "    EIO: disk\n"
                                        "    EIO: disk\n"
                                        "  EPERM: gate\n"
                                        "    caused by: EIO: disk\n"
                                        "  shed: THRUM_EGROUP: a task of the group failed\n"
                                        "    EPERM: door\n";

TEST(split_keeps_the_shape)
{
    thrum_error *street = build_street(), *yes, *no;
    int code = -EIO;

    CHECK_EQ(thrum_error_split(street, thrum_error_match_code, &code, &yes, &no), 0);
    check_printed(yes, "street: THRUM_EGROUP: a task of the group failed\n"
                       "  house: THRUM_EGROUP: a task of the group failed\n"
                       "    EIO: disk\n"
                       "  barn: THRUM_EGROUP: a task of the group failed\n"
                       "    EIO: disk\n"
                       "    EIO: disk\n");
    check_printed(no, "street: THRUM_EGROUP: a task of the group failed\n"
                      "  house: THRUM_EGROUP: a task of the group failed\n"
                      "    EPERM: door\n"
                      "  EPERM: gate\n"
                      "    caused by: EIO: disk\n"
                      "  shed: THRUM_EGROUP: a task of the group failed\n"
                      "    EPERM: door\n");
    check_printed(street, whole_street);
    CHECK(thrum_error_child(yes, 1) == thrum_error_child(street, 1));
    CHECK(thrum_error_child(no, 1) == thrum_error_child(street, 2));
    CHECK(thrum_error_child(no, 2) == thrum_error_child(street, 3));
    thrum_error_free(street);
    CHECK_EQ(thrum_error_count(yes), 2);
    thrum_error_free(yes);
    CHECK_EQ(thrum_error_count(no), 3);
    thrum_error_free(no);
}

static bool match_all(const thrum_error *leaf, void *context)
{
    return leaf != NULL && context == NULL;
}

static bool match_none(const thrum_error *leaf, void *context)
{
    return leaf == NULL || context != NULL;
}

TEST(split_shares_what_it_need_not_change)
{
    thrum_error *street = build_street(), *yes, *no;
    int code = -EIO;

    CHECK_EQ(thrum_error_split(street, match_all, NULL, &yes, &no), 0);
    CHECK(yes == street && !no);
    thrum_error_free(yes);
    CHECK_EQ(thrum_error_split(street, match_none, NULL, &yes, &no), 0);
    CHECK(no == street && !yes);
    thrum_error_free(no);
    CHECK_EQ(thrum_error_split(street, thrum_error_match_code, &code, NULL, &no), 0);
    CHECK_EQ(thrum_error_count(no), 3);
    thrum_error_free(no);
    CHECK_EQ(thrum_error_split(street, thrum_error_match_code, &code, &yes, NULL), 0);
    CHECK_EQ(thrum_error_count(yes), 2);
    CHECK_EQ(thrum_error_split(yes, thrum_error_match_code, &code, NULL, NULL), 0);
    thrum_error_free(yes);
    thrum_error_free(street);
}

/* A group of one that matches, and another of which no more is known. */
TEST(what_was_lost_matches_nothing)
{
    uint64_t failures = 0;
    thrum_error *error, *yes, *no;
    int code = -EIO;

    thrum_error_add(&failures, -EIO, "disk");
    thrum_error_push(&failures, NULL);
    error = thrum_error_of(failures, "house");
    CHECK_EQ(thrum_error_split(error, thrum_error_match_code, &code, &yes, &no), 0);
    CHECK_EQ(thrum_error_count(yes), 1);
    CHECK_EQ(thrum_error_lost(yes), 0);
    CHECK_EQ(thrum_error_count(no), 0);
    CHECK_EQ(thrum_error_lost(no), 1);
    CHECK_STR_EQ(thrum_error_name(no), "house");
    thrum_error_free(yes);
    thrum_error_free(no);
    CHECK_EQ(thrum_error_split(error, match_none, NULL, &yes, &no), 0);
    CHECK(no == error && !yes);
    thrum_error_free(no);
    thrum_error_free(error);
}

TEST(a_leaf_is_sorted_too)
{
    thrum_error *leaf = thrum_error_new(-EIO, "disk"), *yes, *no;
    int code = -EIO;

    CHECK_EQ(thrum_error_split(leaf, thrum_error_match_code, &code, &yes, &no), 0);
    CHECK(yes == leaf && !no);
    thrum_error_free(yes);
    code = -EPERM;
    CHECK_EQ(thrum_error_split(leaf, thrum_error_match_code, &code, &yes, &no), 0);
    CHECK(no == leaf && !yes);
    thrum_error_free(no);
    thrum_error_free(leaf);
}

static void note(const thrum_error *leaf, void *context)
{
    strcat(context, thrum_error_message(leaf));
    strcat(context, " ");
}

TEST(leaves_come_in_order)
{
    thrum_error *street = build_street();
    char seen[64] = "";

    CHECK_EQ(thrum_error_leaves(street, note, seen), 6);
    CHECK_STR_EQ(seen, "disk door disk disk gate door ");
    CHECK(thrum_error_has(street, -EIO));
    CHECK(thrum_error_has(street, THRUM_EGROUP));
    CHECK(!thrum_error_has(street, -ENOENT));
    CHECK(!thrum_error_has(thrum_error_child(street, 2), -EIO)); /* its cause is not asked */
    thrum_error_free(street);
}

/* ---- of any depth ------------------------------------------------------------------------------- */

/* The plain recursive way, which the library's is compared with. */
struct recursive {
    char *text;
    size_t used;
    bool sorted; /* only those that have leaves with `code`, or without */
    bool matching;
    int code;
};

static bool keeps(const struct recursive *how, const thrum_error *error)
{
    bool kept = !how->sorted;

    if (thrum_error_count(error) == 0)
        kept = kept || (thrum_error_code(error) == how->code) == how->matching;
    for (size_t i = 0; i < thrum_error_count(error) && !kept; i++)
        kept = keeps(how, thrum_error_child(error, i));
    return kept;
}

static void show(struct recursive *how, const thrum_error *error, size_t depth, const char *why)
{
    const char *message = thrum_error_message(error);
    bool sorted = how->sorted;
    char level[32] = "";

    if (!keeps(how, error))
        return;
    if (depth > 40)
        (void)snprintf(level, sizeof level, "[%zu] ", depth);
    how->used += (size_t)sprintf(how->text + how->used, "%*s%s%s%s: %s\n",
                                 (int)(2 * (depth < 40 ? depth : 40)), "", level, why,
                                 thrum_errname(thrum_error_code(error)),
                                 message[0] ? message : thrum_strerror(thrum_error_code(error)));
    how->sorted = false;
    if (thrum_error_cause(error))
        show(how, thrum_error_cause(error), depth + 1, "caused by: ");
    how->sorted = sorted;
    for (size_t i = 0; i < thrum_error_count(error); i++)
        show(how, thrum_error_child(error, i), depth + 1, "");
}

static void compare(const thrum_error *error, const thrum_error *whole, struct recursive how)
{
    static char text[8 << 20], expected[8 << 20];
    size_t length = thrum_error_format(error, text, sizeof text);

    how.text = expected;
    expected[0] = '\0';
    show(&how, whole, 0, "");
    CHECK_LT(length, sizeof text);
    CHECK_EQ(length, how.used);
    CHECK(strcmp(text, expected) == 0);
}

/* One level more: `tree`, whose reference it takes, with a leaf beside it or without. */
static thrum_error *grow(thrum_error *tree, thrum_error *before, thrum_error *behind)
{
    thrum_error *parts[3] = {before, tree, behind}, *grown;

    CHECK_EQ(thrum_error_merge(NULL, parts, 3, &grown), 0);
    thrum_error_free(tree);
    return grown;
}

/* From below: now and then a leaf beside, which may have a tree for its cause, or a cause. */
static thrum_error *grow_wild(unsigned *seed, int levels, const thrum_error *cause)
{
    thrum_error *tree = thrum_error_new(-EIO, "seed");

    for (int i = 0; i < levels; i++) {
        int code = rand_r(seed) % 2 ? -EIO : -EPERM;
        thrum_error *beside = NULL;

        if (rand_r(seed) % 8 == 0)
            beside = thrum_error_wrap(code, rand_r(seed) % 16 ? NULL : cause, "beside %d", i);
        if (rand_r(seed) % 2)
            tree = grow(tree, beside, NULL);
        else
            tree = grow(tree, NULL, beside);
        if (cause && rand_r(seed) % 128 == 0) { /* not yet shared, so it may be given one */
            tree->cause = thrum_error_ref(cause);
            tree->span += cause->span;
        }
        thrum_error_free(beside);
    }
    return tree;
}

static void check_wild(unsigned seed)
{
    thrum_error *cause = grow_wild(&seed, 1 + (int)(seed * 37 % 700), NULL);
    thrum_error *tree = grow_wild(&seed, 1 + (int)(seed * 53 % 1500), cause), *yes, *no;
    struct recursive how = {.code = -EIO};

    compare(tree, tree, how);
    CHECK_EQ(thrum_error_split(tree, thrum_error_match_code, &how.code, &yes, &no), 0);
    how.sorted = true;
    compare(no, tree, how);
    how.matching = true;
    compare(yes, tree, how);
    thrum_error_free(cause);
    thrum_error_free(tree);
    thrum_error_free(yes);
    thrum_error_free(no);
}

TEST(trees_of_every_shape_are_walked_and_sorted_right)
{
    for (unsigned seed = 1; seed <= (unsigned)many(200); seed++)
        check_wild(seed);
}

static int levels = 100000;

static void count(const thrum_error *leaf, void *context)
{
    size_t *counts = context;

    counts[thrum_error_code(leaf) == -EIO]++;
}

static void check_deep(thrum_error *tree)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    size_t counts[2] = {0, 0};
    thrum_error *yes, *no;
    int code = -EIO;

    CHECK_EQ(thrum_error_leaves(tree, count, counts), levels + 1);
    CHECK_EQ(counts[0], levels / 2);
    CHECK(thrum_error_has(tree, -EIO));
    CHECK(!thrum_error_has(tree, -ENOENT));
    CHECK_LT((size_t)levels * 100, thrum_error_format(tree, NULL, 0));
    CHECK_EQ(thrum_error_print(tree, null), 0);
    CHECK_EQ(thrum_error_split(tree, thrum_error_match_code, &code, &yes, &no), 0);
    CHECK_EQ(thrum_error_leaves(yes, count, counts), levels / 2 + 1);
    CHECK_EQ(thrum_error_leaves(no, count, counts), levels / 2);
    thrum_error_free(yes);
    thrum_error_free(no);
    close(null);
}

/* On a stack of 64 KiB. */
static int go_deep(void *arg)
{
    thrum_error *beside[2] = {thrum_error_new(-EIO, NULL), thrum_error_new(-EPERM, NULL)};
    thrum_error *tree = thrum_error_ref(beside[0]), *deep;

    for (int i = 0; i < levels; i++)
        tree = i % 4 < 2 ? grow(tree, beside[i % 2], NULL) : grow(tree, NULL, beside[i % 2]);
    check_deep(tree);
    thrum_error_free(tree);

    deep = thrum_error_new(-EIO, NULL);
    for (int i = 0; i < levels; i++) {
        thrum_error *outer = thrum_error_wrap(-EIO, deep, "level %d", i);

        thrum_error_free(deep);
        deep = outer;
    }
    CHECK_EQ(thrum_error_leaves(deep, count, (size_t[2]){0, 0}), 1);
    CHECK_LT((size_t)levels * 100, thrum_error_format(deep, NULL, 0));
    thrum_error_free(deep);
    thrum_error_free(beside[0]);
    thrum_error_free(beside[1]);
    return arg ? -1 : 0;
}

TEST(no_tree_is_too_deep_for_a_stack)
{
    if (getenv("THRUM_SIM")) /* that sees these often, and has nothing to decide in them */
        levels = 5000;
    CHECK_EQ(run_with(1, go_deep, NULL), 0);
}

/* ---- shared by many ------------------------------------------------------------------------------ */

static int use_street(void *arg)
{
    thrum_error *street = arg, *yes, *no;
    int code = -EPERM;

    for (int i = 0; i < many(200); i++) {
        thrum_error *mine = thrum_error_ref(thrum_error_child(street, (size_t)i % 4));

        CHECK_EQ(thrum_error_split(street, thrum_error_match_code, &code, &yes, &no), 0);
        CHECK_EQ(thrum_error_count(yes), 3);
        CHECK_EQ(thrum_error_count(no), 2);
        CHECK(thrum_error_code(mine) < 0);
        thrum_error_free(mine);
        thrum_error_free(yes);
        thrum_error_free(no);
    }
    thrum_error_free(street); /* whoever is last frees it */
    return 0;
}

#define USERS 64

static int share_street(void *arg)
{
    thrum_error *street = build_street();
    thrum_child children[USERS];
    thrum_group group;

    CHECK_EQ(thrum_group_open(&group, collecting()), 0);
    for (int i = 0; i < USERS; i++)
        CHECK_EQ(thrum_group_spawn_child(&group, &children[i], use_street, thrum_error_ref(street)),
                 0);
    thrum_error_free(street);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    return arg ? -1 : 0;
}

TEST(many_tasks_share_a_tree)
{
    run_everywhere(share_street, NULL);
}

/* ---- without memory -------------------------------------------------------------------------- */

static int close_without_memory(void *arg)
{
    thrum_error *errors;
    thrum_child children[3];
    thrum_group group;

    /* The first failure's node is lost. */
    CHECK_EQ(thrum_group_open(&group, collecting()), 0);
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
    CHECK_EQ(thrum_group_open(&group, collecting()), 0);
    CHECK_EQ(thrum_group_spawn_child(&group, &children[0], fail, (void *)(intptr_t)-EIO), 0);
    thrum_memory_fail_after(1);
    CHECK_EQ(thrum_group_close(&group, 0, &errors), THRUM_EGROUP);
    thrum_memory_fail_after(-1);
    CHECK(errors == NULL);
    return arg ? -1 : 0;
}

TEST(without_memory_the_status_is_still_right)
{
    REAL_WORLD_ONLY;
    CHECK_EQ(run_with(1, close_without_memory, NULL), 0);
}

TEST(without_memory_nothing_is_made)
{
    thrum_error *cause = thrum_error_new(-EIO, NULL), *out = cause;

    thrum_memory_fail_after(0);
    CHECK(thrum_error_new(-EIO, "none") == NULL);
    thrum_memory_fail_after(0);
    CHECK(thrum_error_wrap(-EIO, cause, "none") == NULL);
    thrum_memory_fail_after(0);
    CHECK_EQ(thrum_error_merge("none", &cause, 1, &out), -ENOMEM);
    CHECK(out == NULL);
    thrum_memory_fail_after(0);
    CHECK(thrum_error_leaf(-EIO, "none", NULL, 0, thrum_error_ref(cause)) == NULL);
    CHECK_EQ(load_relaxed(&cause->references), 1);
    thrum_error_free(cause);
}

TEST(without_memory_split_leaves_all_as_it_was)
{
    thrum_error *street = build_street(), *yes = street, *no = street;
    int code = -EIO, n = 0;

    for (;; n++) {
        thrum_memory_fail_after(n);
        if (thrum_error_split(street, thrum_error_match_code, &code, &yes, &no) == 0)
            break;
        CHECK(!yes && !no);
        CHECK_EQ(load_relaxed(&street->references), 1);
        for (size_t i = 0; i < 4; i++)
            CHECK_EQ(load_relaxed(&street->children[i]->references), 1);
    }
    thrum_memory_fail_after(-1);
    CHECK_EQ(n, 5); /* the sheet, two of the house, two of the street */
    check_printed(street, whole_street);
    thrum_error_free(yes);
    thrum_error_free(no);
    thrum_error_free(street);
}

TEST(showing_needs_no_memory)
{
    thrum_error *street = build_street();
    char text[1024];

    thrum_memory_fail_after(0);
    CHECK_EQ(thrum_error_format(street, text, sizeof text), strlen(whole_street));
    CHECK(thrum_error_has(street, -EPERM));
    CHECK(thrum_error_new(-EIO, NULL) == NULL); /* the first to ask for any */
    CHECK_STR_EQ(text, whole_street);
    thrum_error_free(street);
}
