/*
 * hunt.c - how soon which strategy finds which bug.
 *
 *     hunt [-s seeds] [-n schedules] [-x] [-p] [name ...]
 *
 * prints a table: for each program how many seeds of `seeds` have found its bug, and how many
 * schedules that took on average, for every strategy, beside the published numbers; how short the
 * shrunk histories are, and how long shrinking took. -x: the default strategy only; -p: and the
 * portfolio.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/bugs/kit.h"

#define SAMPLES_MAX 100000

static const thrum_strategy strategies[] = {THRUM_STRATEGY_DEFAULT, THRUM_STRATEGY_PORTFOLIO,
                                            THRUM_STRATEGY_PCT,     THRUM_STRATEGY_POS,
                                            THRUM_STRATEGY_SURW,    THRUM_STRATEGY_RANDOM};

static int seeds = 20;
static unsigned long long schedules; /* 0: the program's own */
static size_t strategies_count = 6;
static double times[SAMPLES_MAX]; /* of shrinking */
static size_t times_count;
static size_t shrunk_count, short_count; /* failures of the default; those told in few bytes */
static size_t programs, found_programs;

struct found {
    int count;
    double mean;
    unsigned deltas; /* the most */
    size_t bytes;
    double ms; /* of shrinking, the most */
};

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* How long shrinking took, in seconds: its share of all runs. */
static double keep(const thrum_explore_result *result, double elapsed)
{
    double runs = (double)(result->schedules + result->shrunk);
    double time = elapsed * (double)result->shrunk / runs;

    if (times_count < SAMPLES_MAX)
        times[times_count++] = time;
    shrunk_count++;
    short_count += result->deltas <= 5 && strlen(result->replay) <= 64;
    return time;
}

static struct found hunt(const struct bug *bug, thrum_strategy strategy)
{
    thrum_explore_options options = THRUM_EXPLORE_OPTIONS_INIT;
    struct found found = {0, 0, 0, 0, 0};

    options.strategy = (uint32_t)strategy;
    options.flags = THRUM_EXPLORE_QUIET | THRUM_EXPLORE_LEAVE;
    options.schedules = schedules ? schedules : bug->limit;
    for (int seed = 0; seed < seeds; seed++) {
        thrum_explore_result result;
        double begin = seconds();
        int status;

        options.seed = (uint64_t)seed;
        status = thrum_explore(&options, bug->fn, NULL, &result);
        if (status != 0 && status != bug->status)
            fprintf(stderr, "%s: %s, not %s\n", bug->name, thrum_errname(status),
                    thrum_errname(bug->status));
        if (status == 0)
            continue;
        found.count++;
        found.mean += (double)result.failing;
        if (result.deltas > found.deltas)
            found.deltas = result.deltas;
        if (strlen(result.replay) > found.bytes)
            found.bytes = strlen(result.replay);
        if (strategy == THRUM_STRATEGY_DEFAULT) {
            double ms = 1000 * keep(&result, seconds() - begin);

            found.ms = ms > found.ms ? ms : found.ms;
        }
    }
    if (found.count)
        found.mean /= found.count;
    return found;
}

static void cell(const struct found *found)
{
    if (!found->count)
        printf(" never |");
    else if (found->count < seeds)
        printf(" %.0f (%d) |", found->mean, found->count);
    else
        printf(" %.0f |", found->mean);
}

static void row(const struct bug *bug)
{
    struct found found[sizeof strategies / sizeof strategies[0]];

    for (size_t i = 0; i < strategies_count; i++)
        found[i] = hunt(bug, strategies[i]);
    programs++;
    found_programs += found[0].count > 0;
    printf("| %s |", bug->name);
    for (size_t i = 0; i < strategies_count; i++)
        cell(&found[i]);
    printf(" %s | %s | %s | %u | %zu | %.1f |\n", bug->pct, bug->pos, bug->surw, found[0].deltas,
           found[0].bytes, found[0].ms);
    fflush(stdout);
}

static void head(void)
{
    static const char *const names[] = {"default", "portfolio", "PCT3", "POS", "SURW", "random"};

    printf("| program |");
    for (size_t i = 0; i < strategies_count; i++)
        printf(" %s |", names[i]);
    printf(" published PCT3 | POS | SURW | deltas | bytes | ms |\n|---|");
    for (size_t i = 0; i < strategies_count + 6; i++)
        printf("--:|");
    printf("\n");
}

static bool wanted(const struct bug *bug, char **names, int count)
{
    for (int i = 0; i < count; i++)
        if (strstr(bug->name, names[i]))
            return true;
    return count == 0;
}

static int by_size(const void *a, const void *b)
{
    double x, y;

    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    int first = 1;

    for (; first < argc && argv[first][0] == '-'; first++) {
        if (argv[first][1] == 'x')
            strategies_count = 1;
        else if (argv[first][1] == 'p')
            strategies_count = 2;
        else if (argv[first][1] == 's' && first + 1 < argc)
            seeds = atoi(argv[++first]);
        else if (argv[first][1] == 'n' && first + 1 < argc)
            schedules = strtoull(argv[++first], NULL, 0);
    }
    head();
    for (size_t i = 0; bugs_all[i]; i++)
        for (const struct bug *bug = bugs_all[i]; bug->name; bug++)
            if (wanted(bug, argv + first, argc - first))
                row(bug);
    qsort(times, times_count, sizeof times[0], by_size);
    printf("\nThe default strategy has found %zu of %zu.\n", found_programs, programs);
    if (shrunk_count)
        printf("Shrinking: %.1f %% of %zu failures are told in at most 5 deltas and 64 bytes; it "
               "took %.4f s in the median, %.4f s at most.\n",
               100.0 * (double)short_count / (double)shrunk_count, shrunk_count,
               times[times_count / 2], times[times_count - 1]);
    return 0;
}
