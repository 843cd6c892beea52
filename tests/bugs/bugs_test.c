/*
 * bugs_test.c - the default strategy finds the bugs of all these programs, tells them shortly, and a
 * deadlock's report says what is waited for. The whole table, with other strategies and the
 * published numbers, is printed by hunt.c. SafeStack takes longer: it is hunt's alone.
 */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bugs/kit.h"
#include "tests/check.h"

/*
 * CHECK_FEW=1 in the environment, for valgrind and qemu: one seed, and not the search for one among
 * a hundred, which runs the same code thousands of times more.
 */
enum { SEEDS = 3, HARD = 10000 /* more schedules than that: not here */ };

static uint64_t seeds(void)
{
    return getenv("CHECK_FEW") ? 1 : SEEDS;
}

static thrum_explore_result find_it(const struct bug *bug, uint64_t seed)
{
    thrum_explore_options options = THRUM_EXPLORE_OPTIONS_INIT;
    thrum_explore_result result;
    int status;

    options.flags = THRUM_EXPLORE_QUIET | THRUM_EXPLORE_LEAVE;
    options.schedules = bug->limit;
    options.seed = seed;
    status = thrum_explore(&options, bug->fn, NULL, &result);
    if (status != bug->status)
        fprintf(stderr, "%s, seed %d: %s in %d schedules\n", bug->name, (int)seed,
                thrum_errname(status), (int)result.schedules);
    CHECK_EQ(status, bug->status);
    return result;
}

TEST(the_default_strategy_finds_them)
{
    for (size_t i = 0; bugs_all[i]; i++)
        for (const struct bug *bug = bugs_all[i]; bug->name; bug++)
            for (uint64_t seed = 0; seed < seeds() && bug->limit <= HARD; seed++) {
                thrum_explore_result result = find_it(bug, seed);
                size_t matched;

                CHECK_LT(strlen(result.replay), sizeof result.replay - 1);
                CHECK_EQ(thrum_replay(result.replay, bug->fn, NULL, &matched), bug->status);
                CHECK_EQ(matched, result.deltas);
            }
}

/* The mean over 20 seeds, as the table's. */
static void check_mean(const char *name, uint64_t most)
{
    for (const struct bug *bug = bugs_sct; bug->name; bug++) {
        uint64_t sum = 0;

        if (strcmp(bug->name, name) != 0)
            continue;
        for (uint64_t seed = 0; seed < 20; seed++)
            sum += find_it(bug, seed).failing;
        CHECK_LE(sum, 20 * most);
        return;
    }
    CHECK(false); /* no such program */
}

TEST(one_among_a_hundred_alike_is_found)
{
    if (getenv("CHECK_FEW"))
        SKIP("some ten thousand schedules");
    check_mean("CS/reorder_100", 200);
    check_mean("CS/twostage_100", 450);
}

/* Nine of ten are told in at most 5 deltas and 64 bytes. */
TEST(most_are_told_shortly)
{
    int all = 0, brief = 0;

    for (size_t i = 0; bugs_all[i]; i++)
        for (const struct bug *bug = bugs_all[i]; bug->name; bug++) {
            thrum_explore_result result;

            if (bug->limit > HARD)
                continue;
            result = find_it(bug, SEEDS);
            all++;
            brief += result.deltas <= 5 && strlen(result.replay) <= 64;
        }
    CHECK_LE(9 * all, 10 * brief);
}

/* What is printed when the history is run again, into a file. */
static void replay_into(FILE *file, const struct bug *bug, const char *replay)
{
    int saved = dup(STDERR_FILENO);
    int status;

    fflush(stderr);
    CHECK(saved >= 0 && dup2(fileno(file), STDERR_FILENO) >= 0);
    status = thrum_replay(replay, bug->fn, NULL, NULL);
    CHECK(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    CHECK_EQ(status, bug->status);
}

/* "  1 waits for room in queue 0x1234, perhaps from 2": appends "1 queue? ". */
static void shorten(char *line, char *cycle, size_t size)
{
    static const char *const kinds[] = {"mutex", "rwlock", "queue", "latch", "condition"};
    const char *name = line + strspn(line, " ");
    const char *object = strstr(line, " waits for ");
    size_t used = strlen(cycle);

    CHECK(object != NULL);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strstr(object, kinds[i]))
            snprintf(cycle + used, size - used, "%.*s %s%s ", (int)(object - name), name, kinds[i],
                     strstr(object, ", perhaps from ") ? "?" : "");
    CHECK_LT(used, strlen(cycle));
}

/* What the report says of the cycle, as kit.h has it; of several ends the first one. */
static void read_cycle(char *report, char *cycle, size_t size)
{
    char *line, *rest = report;
    bool inside = false;

    cycle[0] = '\0';
    while ((line = strtok_r(rest, "\n", &rest)) != NULL) {
        const char *end = "  no cycle: ";

        if (inside && strncmp(line, "    ", 4) != 0)
            break;
        if (inside)
            shorten(line, cycle, size);
        if (strcmp(line, "  the cycle:") == 0)
            inside = true;
        if (strncmp(line, end, strlen(end)) != 0)
            continue;
        strcpy(cycle, "- ");
        shorten(line + strlen(end), cycle, size);
        break;
    }
    if (cycle[0])
        cycle[strlen(cycle) - 1] = '\0';
}

/* A cycle begins anywhere: the first step goes behind the others. */
static void turn(char *cycle, size_t size)
{
    char *second = strchr(cycle, ' ');
    char turned[256];

    second = second ? strchr(second + 1, ' ') : NULL;
    if (!second)
        return;
    snprintf(turned, sizeof turned, "%s %.*s", second + 1, (int)(second - cycle), cycle);
    snprintf(cycle, size, "%s", turned);
}

static bool is_as_told(const struct bug *bug, char *cycle, size_t size)
{
    if (cycle[0] == '-' || !strchr(cycle, ' '))
        return fnmatch(bug->cycle, cycle, 0) == 0;
    for (size_t i = 0; i < strlen(cycle); i++, turn(cycle, size))
        if (fnmatch(bug->cycle, cycle, 0) == 0)
            return true;
    return false;
}

static void check_report(const struct bug *bug, char *report)
{
    char copy[4096], cycle[256];

    strcpy(copy, report);
    read_cycle(report, cycle, sizeof cycle);
    if (!is_as_told(bug, cycle, sizeof cycle))
        fprintf(stderr, "%s should have the cycle '%s', not '%s':\n%s", bug->name, bug->cycle,
                cycle, copy);
    CHECK(is_as_told(bug, cycle, sizeof cycle));
}

/* Found by any seed: the cycle is the program's. */
TEST(reports_have_the_right_cycle)
{
    int blocking = 0;

    for (size_t i = 0; bugs_all[i]; i++)
        for (const struct bug *bug = bugs_all[i]; bug->name; bug++)
            for (uint64_t seed = 0; bug->status == THRUM_EDEADLOCK && seed < seeds(); seed++) {
                char report[4096] = "";
                FILE *file = tmpfile();

                CHECK(file != NULL);
                CHECK(*bug->cycle);
                replay_into(file, bug, find_it(bug, seed).replay);
                rewind(file);
                report[fread(report, 1, sizeof report - 1, file)] = '\0';
                fclose(file);
                check_report(bug, report);
                blocking++;
            }
    CHECK_EQ(blocking, 33 * (int)seeds());
}
