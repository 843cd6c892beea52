/*
 * virtual_test.c - the whole scheduler, with 1 to 8 workers, in thousands of schedules on one
 * thread; README.md.
 *
 *     virtual_test [--schedules N] [--seed S]    N schedules, from seed S on
 *     virtual_test --seed S --trace              that one, with each switch
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <thrum/thrum.h>

#include "runtime/sched/internal.h"
#include "runtime/task/task.h"
#include "virtual/plat.h"
#include "virtual/programs.h"

#define SCHEDULES 6000
#define WORKERS_MOST 8

static thrum_runtime *runtime; /* of this schedule, while it has workers */

/*
 * Every thread sleeps. Then nothing may lie about that a worker could run, and nobody may count as
 * awake: a wake-up was lost.
 */
static void all_sleep(void)
{
    struct scheduler *scheduler = runtime ? &runtime->scheduler : NULL;

    if (!scheduler)
        return;
    if (thrum_work_in_sight(scheduler))
        machine_fail("all sleep, and there is work");
    if (thrum_scheduler_awake(scheduler))
        machine_fail("all sleep, and %u count as awake", thrum_scheduler_awake(scheduler));
}

static uint64_t schedule(uint64_t seed, bool trace)
{
    const struct program *program = &programs[seed % programs_count];
    thrum_options options = THRUM_OPTIONS_INIT;
    char name[64];
    int workers;

    snprintf(name, sizeof name, "%s", program->name);
    machine_begin(seed, name, trace);
    workers = machine_below(4) ? 1 + (int)machine_below(4) : 1 + (int)machine_below(WORKERS_MOST);
    virtual_cpus = machine_below(4) ? WORKERS_MOST : 1;
    snprintf(name, sizeof name, "%s, %d workers", program->name, workers);
    options.workers = workers;
    if (thrum_runtime_create(&runtime, &options))
        machine_fail("no runtime could be made");
    if (thrum_runtime_run(runtime, program->root, NULL, NULL))
        machine_fail("the program has failed");
    {
        thrum_runtime *closed = runtime;

        runtime = NULL;
        if (thrum_runtime_close(closed))
            machine_fail("the runtime could not be closed");
    }
    return machine_end();
}

/* A seed says all: the same again, alone or after others. */
static void check_replay(uint64_t seed, uint64_t hash)
{
    if (schedule(seed, false) != hash)
        machine_fail("the same seed has done something else");
}

int main(int argc, char **argv)
{
    uint64_t first = 1, schedules = SCHEDULES, points = 0, switches = 0;
    uint64_t longest = 0, longest_seed = 0;
    bool trace = false, one = false;
    clock_t begin = clock();

    unsetenv("THRUM_SIM");
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--trace"))
            trace = true;
        else if (!strcmp(argv[i], "--schedules") && i + 1 < argc)
            schedules = strtoull(argv[++i], NULL, 0);
        else if (!strcmp(argv[i], "--seed") && i + 1 < argc) {
            first = strtoull(argv[++i], NULL, 0);
            one = true;
        } else {
            fprintf(stderr, "usage: %s [--schedules N] [--seed S] [--trace]\n", argv[0]);
            return 2;
        }
    }
    if (one && schedules == SCHEDULES)
        schedules = 1;
    machine_all_sleep = all_sleep;
    for (uint64_t seed = first; seed < first + schedules; seed++) {
        uint64_t hash = schedule(seed, trace);

        if (machine_points() > longest) {
            longest = machine_points();
            longest_seed = seed;
        }
        points += machine_points();
        switches += machine_switches();
        if (seed % 16 == 0)
            check_replay(seed, hash);
    }
    printf("%" PRIu64 " schedules, %" PRIu64 " points, %" PRIu64 " switches, %.1f s\n", schedules,
           points, switches, (double)(clock() - begin) / CLOCKS_PER_SEC);
    printf("the longest: %" PRIu64 " points, seed %" PRIu64 "\n", longest, longest_seed);
    printf("1 passed, 0 failed\n");
    return 0;
}
