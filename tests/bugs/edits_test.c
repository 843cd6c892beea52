/*
 * edits_test.c - a kept history still shows its bug after the program was changed elsewhere.
 *
 * Of each program the shrunk history is run again on the program with each of the changes of
 * edits.h, as it was told, and, if that does not fail, as it is mended (explore/mend.c). The table says
 * of how many the one and the other does; and for comparison, how many of the mended ones as many
 * runs by chance would have found.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/bugs/kit.h"
#include "tests/check.h"
#include "tests/workers.h"

enum { HARD = 10000, GOAL = 80 /* percent */ };

static const char *const names[EDITS] = {"a line in a log, in each task",
                                         "a line in a log before each write",
                                         "another lock, in the first task",
                                         "other declarations first",
                                         "another group before",
                                         "another task in front",
                                         "another task that yields and sleeps",
                                         "an outer group",
                                         "a time-out around"};

static struct {
    unsigned as_told, mended, by_chance, runs;
} found[EDITS];
static unsigned programs;

/* All that is printed about it is of no use here. */
static int explore_quietly(const struct bug *bug, struct edited *edited, const char *replay,
                           uint64_t by_chance, thrum_explore_result *result)
{
    thrum_explore_options options = THRUM_EXPLORE_OPTIONS_INIT;
    int saved = dup(STDERR_FILENO);
    int null = open("/dev/null", O_WRONLY);
    int status;

    options.flags = THRUM_EXPLORE_QUIET | THRUM_EXPLORE_LEAVE;
    options.schedules = by_chance ? by_chance : bug->limit;
    options.strategy = by_chance ? THRUM_STRATEGY_RANDOM : THRUM_STRATEGY_DEFAULT;
    if (replay)
        CHECK_EQ(setenv("THRUM_REPLAY", replay, 1), 0);
    CHECK(saved >= 0 && null >= 0 && dup2(null, STDERR_FILENO) >= 0);
    status = thrum_explore(&options, edited ? edited_root : bug->fn, edited, result);
    CHECK(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    close(null);
    CHECK_EQ(unsetenv("THRUM_REPLAY"), 0);
    return status;
}

/* Within a time-out nobody waits for ever. */
static bool is_the_same(int status, int original)
{
    return status == original ||
           (bugs_edits & EDIT_TIMEOUT && original == THRUM_EDEADLOCK && status == THRUM_ETIMEOUT);
}

static void edit(const struct bug *bug, const char *replay)
{
    for (unsigned i = 0; i < EDITS; i++) {
        struct edited edited = {bug->fn, NULL};
        thrum_explore_result result;
        int status;

        bugs_edits = 1u << i;
        status = explore_quietly(bug, &edited, replay, 0, &result);
        found[i].runs += (unsigned)result.schedules;
        if (!is_the_same(status, bug->status))
            continue;
        if (result.schedules == 1) {
            found[i].as_told++;
            continue;
        }
        found[i].mended++;
        found[i].by_chance += is_the_same(
            explore_quietly(bug, &edited, NULL, result.schedules, &result), bug->status);
    }
    bugs_edits = 0;
}

static void print_table(unsigned *still)
{
    printf("| change | as told | mended | fail still | runs | mended, by chance |\n"
           "|---|--:|--:|--:|--:|--:|\n");
    for (unsigned i = 0; i < EDITS; i++) {
        printf("| %s | %u %% | %u %% | %u %% | %.1f | %u %% |\n", names[i],
               100 * found[i].as_told / programs, 100 * found[i].mended / programs,
               100 * (found[i].as_told + found[i].mended) / programs,
               (double)found[i].runs / programs,
               found[i].mended ? 100 * found[i].by_chance / found[i].mended : 0);
        *still += found[i].as_told + found[i].mended;
    }
    printf("Of %u histories %u %% fail still.\n", programs, 100 * *still / (EDITS * programs));
}

/* Sanitizers take their time for a hundred stacks. */
static bool is_large(const struct bug *bug)
{
    return bug->limit > HARD || (WORKERS_SLOW && strstr(bug->name, "0"));
}

TEST(most_histories_outlive_an_edit)
{
    unsigned still = 0;

    for (size_t i = 0; bugs_all[i]; i++)
        for (const struct bug *bug = bugs_all[i]; bug->name; bug++) {
            thrum_explore_result result;

            if (is_large(bug) || (WORKERS_SLOW && programs == 24))
                continue;
            CHECK_EQ(explore_quietly(bug, NULL, NULL, 0, &result), bug->status);
            programs++;
            edit(bug, result.replay);
        }
    CHECK_LE(20, programs);
    print_table(&still);
    CHECK_LE(GOAL * EDITS * programs, 100 * still);
    for (unsigned i = 0; i < EDITS; i++)
        CHECK_LE(GOAL * programs, 100 * (found[i].as_told + found[i].mended));
}

/* Two changes at once, of each kind of number. */
TEST(many_outlive_two)
{
    unsigned both = 0, all = 0;

    for (const struct bug *bug = bugs_sct; bug->name; bug++)
        for (unsigned i = 0; i < EDITS && !is_large(bug); i++) {
            struct edited edited = {bug->fn, NULL};
            thrum_explore_result result;

            CHECK_EQ(explore_quietly(bug, NULL, NULL, 0, &result), bug->status);
            bugs_edits = 1u << i | 1u << (i + 4) % EDITS;
            all++;
            both +=
                is_the_same(explore_quietly(bug, &edited, result.replay, 0, &result), bug->status);
            bugs_edits = 0;
        }
    printf("Of %u, each changed in two ways, %u %% fail still.\n", all, 100 * both / all);
    CHECK_LE(GOAL * all, 100 * both);
}
