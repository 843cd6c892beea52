/*
 * history_test.c - files of histories: what is written is read again, and what is cut off, corrupt,
 * huge or hostile is refused with the line and the reason. tests/corpus/history holds files
 * that must be read (good_*) and others that must not (bad_*); CONTRIBUTING.md says how to fuzz.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/explore/history.h"
#include "tests/check.h"
#include "tests/workers.h"

enum { LOST = -1001, BYTES = 65536 };

static int read_it(const char *bytes, size_t length, struct history_error *error)
{
    struct history history;
    int status = thrum_history_read(bytes, length, &history, error);

    if (!status)
        thrum_history_fini(&history);
    return status;
}

static void check_refused(const char *bytes, size_t line, const char *reason)
{
    struct history_error error = {0, NULL};

    CHECK_EQ(read_it(bytes, strlen(bytes), &error), -EINVAL);
    CHECK_EQ(error.line, line);
    if (!error.reason || !strstr(error.reason, reason))
        fprintf(stderr, "not '%s': %s\n", reason, error.reason);
    CHECK(error.reason && strstr(error.reason, reason));
}

TEST(a_refusal_says_where_and_why)
{
    check_refused("", 1, "empty");
    check_refused("hello\n", 1, "no history");
    check_refused("thrum-history x\n", 1, "version should be a number");
    check_refused("thrum-history 2\n", 1, "version 1 is");
    check_refused("thrum-history 1\n", 1, "before the deltas");
    check_refused("thrum-history 1\ndeltas 1", 2, "middle of this line");
    check_refused("thrum-history 1\ndeltas 1\n", 2, "before all deltas");
    check_refused("thrum-history 1\ndeltas 1\n1@2>2\n", 3, "before 'end'");
    check_refused("thrum-history 1\ndeltas 1\n1@2>2\n1@2>3\n", 4, "more deltas than announced");
    check_refused("thrum-history 1\ndeltas 1\nx@2>2\nend\n", 3, "a task should stand");
    check_refused("thrum-history 1\ndeltas 1\n1.x@2>2\nend\n", 3, "a task should stand");
    check_refused("thrum-history 1\ndeltas 1\n1>2\nend\n", 3, "'@'");
    check_refused("thrum-history 1\ndeltas 1\n1@>2\nend\n", 3, "number of a point");
    check_refused("thrum-history 1\ndeltas 1\n1@2:>2\nend\n", 3, "asked before");
    check_refused("thrum-history 1\ndeltas 1\n1@2\nend\n", 3, "'>', '=', '!', '#', '~' or '^'");
    check_refused("thrum-history 1\ndeltas 1\n1@2>\nend\n", 3, "went first");
    check_refused("thrum-history 1\ndeltas 1\n1@2=x\nend\n", 3, "was drawn");
    check_refused("thrum-history 1\ndeltas 1\n1@2!x\nend\n", 3, "nothing behind");
    check_refused("thrum-history 1\n\n# well\ncolour red\n", 4, "no such fact");
    check_refused("thrum-history 1\nseed -1\n", 2, "seed should be");
    check_refused("thrum-history 1\nseed 99999999999999999999\n", 2, "seed should be");
    check_refused("thrum-history 1\nseed 1\nseed 1\n", 3, "told before");
    check_refused("thrum-history 1\nprogram \n", 2, "program's name");
    check_refused("thrum-history 1\nhash 0123456789ABCDEF\n", 2, "hexadecimal");
    check_refused("thrum-history 1\ndeltas 4097\n", 2, "at most 4096");
    check_refused("thrum-history 1\nprogram \x1b[2J\n", 2, "control character");
    check_refused("thrum-history 1\ndeltas 0\nend\nend\n", 4, "behind 'end'");
}

/* A file of the corpus, and how long it is. */
static size_t load(const char *name, char *bytes)
{
    char path[512];
    size_t length;
    FILE *file;

    snprintf(path, sizeof path, "tests/corpus/history/%s", name);
    file = fopen(path, "rb");
    CHECK(file != NULL);
    length = fread(bytes, 1, BYTES, file);
    fclose(file);
    return length;
}

/* Cut off anywhere it is refused; with any byte changed it is refused or read, and nothing else. */
static void check_spoilt(char *bytes, size_t length)
{
    struct history_error error = {0, NULL};
    const char *end = strstr(bytes, "\nend\n");

    CHECK(end != NULL);
    for (size_t less = 0; less < (size_t)(end - bytes) + 5; less++)
        CHECK_EQ(read_it(bytes, less, &error), -EINVAL);
    for (size_t i = 0; i < length; i++)
        for (int byte = 0; byte < 256; byte++) {
            char before = bytes[i];
            int status;

            bytes[i] = (char)byte;
            status = read_it(bytes, length, &error);
            CHECK(status == 0 || (status == -EINVAL && error.reason && error.line > 0));
            bytes[i] = before;
        }
}

TEST(the_corpus)
{
    static char bytes[BYTES + 1];
    DIR *directory = opendir("tests/corpus/history");
    const struct dirent *entry;
    int good = 0, bad = 0;

    CHECK(directory != NULL);
    while ((entry = readdir(directory)) != NULL) {
        struct history_error error = {0, NULL};
        size_t length;
        int status;

        if (!strstr(entry->d_name, ".history"))
            continue;
        length = load(entry->d_name, bytes);
        bytes[length] = '\0';
        status = read_it(bytes, length, &error);
        if ((status == 0) != (strncmp(entry->d_name, "good_", 5) == 0))
            fprintf(stderr, "%s:%d: %s\n", entry->d_name, (int)error.line,
                    error.reason ? error.reason : "was read");
        CHECK_EQ(status == 0, strncmp(entry->d_name, "good_", 5) == 0);
        CHECK(status == 0 || (status == -EINVAL && error.reason && error.line > 0));
        good += status == 0;
        bad += status != 0;
        if (status == 0)
            check_spoilt(bytes, length);
    }
    closedir(directory);
    CHECK_LE(3, good);
    CHECK_LE(15, bad);
}

TEST(a_huge_file_is_refused)
{
    char *bytes = malloc(HISTORY_BYTES + 1);
    struct history_error error = {0, NULL};

    memset(bytes, '\n', HISTORY_BYTES + 1);
    CHECK_EQ(read_it(bytes, HISTORY_BYTES + 1, &error), -EINVAL);
    CHECK(strstr(error.reason, "too large") != NULL);
    CHECK_EQ(read_it(bytes, HISTORY_BYTES, &error), -EINVAL);
    CHECK(strstr(error.reason, "empty") != NULL);
    free(bytes);
}

/* ---- written, and read ---------------------------------------------------------------------- */

static int count_up(void *arg)
{
    int *n = arg;

    thrum_shared_store(n, thrum_shared_load(n) + 1);
    return 0;
}

static int lost_update(void *arg)
{
    thrum_child children[2];
    thrum_group group;
    int n = 0;
    int status;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(thrum_group_spawn_child(&group, &children[i], count_up, &n), 0);
    status = thrum_group_close(&group, 0, NULL);
    return status ? status : n == 2 ? 0 : LOST;
}

static int lost_and_dead(void *arg)
{
    if (lost_update(arg) == LOST)
        abort();
    return 0;
}

static char directory[64];

static void file_of(const char *name, char *path, size_t size)
{
    snprintf(path, size, "%s/%s", directory, name);
}

static thrum_explore_options with_artifacts(const char *name)
{
    thrum_explore_options options = THRUM_EXPLORE_OPTIONS_INIT;

    options.flags = THRUM_EXPLORE_QUIET;
    options.name = name;
    strcpy(directory, "/tmp/thrum-history-XXXXXX");
    CHECK(mkdtemp(directory) != NULL);
    CHECK_EQ(setenv("THRUM_ARTIFACTS", directory, 1), 0);
    return options;
}

static void clean_up(const char *name)
{
    char file[128];

    snprintf(file, sizeof file, "%s/%s.history", directory, name);
    CHECK_EQ(unlink(file), 0);
    snprintf(file, sizeof file, "%s/%s.html", directory, name);
    CHECK_EQ(unlink(file), 0);
    CHECK_EQ(rmdir(directory), 0);
}

static void check_same_again(thrum_fn fn, uint32_t flags, int status)
{
    thrum_explore_options options = with_artifacts("two: <counters>");
    thrum_explore_result first, again;
    char path[128];

    options.flags |= flags;
    CHECK_EQ(thrum_explore(&options, fn, NULL, &first), status);
    file_of("two___counters_.history", path, sizeof path);
    CHECK_EQ(setenv("THRUM_REPLAY", path, 1), 0);
    CHECK_EQ(thrum_explore(&options, lost_update, NULL, &again), LOST);
    CHECK_EQ(again.schedules, 1);
    CHECK_EQ(again.deltas, first.deltas);
    CHECK(strcmp(again.replay, first.replay) == 0);
    options.name = "something else";
    CHECK_EQ(thrum_explore(&options, lost_update, NULL, &again), 0);
    CHECK_EQ(again.schedules, 0);
    clean_up("two___counters_");
}

TEST(a_failure_is_a_file_that_does_the_same_again)
{
    check_same_again(lost_update, 0, LOST);
}

TEST(a_crash_is_too)
{
    check_same_again(lost_and_dead, THRUM_EXPLORE_ISOLATE, THRUM_ECRASHED);
}

TEST(a_file_that_cannot_be_read_is_refused)
{
    thrum_explore_options options = THRUM_EXPLORE_OPTIONS_INIT;

    CHECK_EQ(setenv("THRUM_REPLAY", "tests/corpus/history/bad_cut.history", 1), 0);
    CHECK_EQ(thrum_explore(&options, lost_update, NULL, NULL), -EINVAL);
    CHECK_EQ(setenv("THRUM_REPLAY", "tests/corpus/history/there_is_none", 1), 0);
    CHECK_EQ(thrum_explore(&options, lost_update, NULL, NULL), -ENOENT);
    CHECK_EQ(setenv("THRUM_REPLAY", "tests/", 1), 0);
    CHECK_EQ(thrum_explore(&options, lost_update, NULL, NULL), -EISDIR);
    CHECK_EQ(setenv("THRUM_REPLAY", "1@2>2 1@2", 1), 0);
    CHECK_EQ(thrum_explore(&options, lost_update, NULL, NULL), -EINVAL);
}
