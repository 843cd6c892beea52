/*
 * programs.c - run the programs, in many orders.
 *
 *     programs [-s seeds] [-n schedules] [name ...]
 *
 * For each program and seed a line: the program, the seed, schedules made, and "fine"; or the one
 * that failed, how, the deltas of its shrunk history, their bytes and text. The exit status is 1 if
 * one has failed, 2 if there is no such program.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/seeded/kit.h"

static const struct program *const families[] = {programs_queue, programs_lock, programs_wait,
                                                 programs_group, programs_compose};

#define FAMILIES (sizeof families / sizeof families[0])

/* ---- what programs use ----------------------------------------------------------------------- */

struct crew crew;

int all_ended(thrum_group *group)
{
    thrum_error *errors = NULL;
    int status = thrum_group_close(group, 0, &errors);

    if (status == THRUM_EGROUP)
        status = thrum_error_code(thrum_error_child(errors, 0));
    thrum_error_free(errors);
    return status;
}

int crew_run(const thrum_fn *fns, size_t n)
{
    thrum_group group;
    int status;

    memset(&crew, 0, sizeof crew);
    DO(thrum_group_open(&group, NULL));
    for (size_t i = 0; i < n; i++)
        if (thrum_group_spawn(&group, fns[i], (void *)(uintptr_t)i, NULL, &crew.tasks[i]))
            break;
    status = all_ended(&group);
    for (size_t i = 0; i < n; i++)
        thrum_task_unref(crew.tasks[i]);
    return status;
}

void crew_cancel(uint32_t lane)
{
    crew.cancelled[lane] = true;
    (void)thrum_task_cancel(crew.tasks[lane], -1, "by the program");
    crew.told[lane] = true;
}

int log_check(const struct log *log, thrum_model model)
{
    thrum_linearity found;
    int status = thrum_history_check(&log->history, &model, &found);

    if (status == THRUM_EUNORDERED && getenv("SEEDED_DRAW"))
        thrum_history_tell(&log->history, &model, &found, NULL, NULL);
    return status;
}

/* ---- running them ---------------------------------------------------------------------------- */

static const char *name_of(int status)
{
    switch (status) {
    case LOST:
        return "lost";
    case TWICE:
        return "twice";
    case TURN:
        return "turn";
    case INSIDE:
        return "inside";
    case WRONG:
        return "wrong";
    case EARLY:
        return "early";
    case LEFT_OVER:
        return "left over";
    case THRUM_EUNORDERED:
        return "linearizability";
    case THRUM_EDEADLOCK:
        return "deadlock";
    case THRUM_ELIVELOCK:
        return "livelock";
    case THRUM_ECRASHED:
        return "crash";
    default:
        return thrum_errname(status);
    }
}

/* True: it has failed. */
static bool run(const struct program *program, uint64_t seed, uint64_t schedules)
{
    thrum_explore_options options = THRUM_EXPLORE_OPTIONS_INIT;
    thrum_explore_result result;
    int status;

    options.name = program->name;
    options.flags = THRUM_EXPLORE_ISOLATE | (getenv("SEEDED_DRAW") ? 0 : THRUM_EXPLORE_QUIET);
    options.seed = seed;
    options.schedules = schedules;
    options.steps = 100000;
    status = thrum_explore(&options, program->fn, NULL, &result);
    if (status == 0)
        printf("%s|%llu|%llu|fine\n", program->name, (unsigned long long)seed,
               (unsigned long long)result.schedules);
    else
        printf("%s|%llu|%llu|%s|%u|%zu|%s\n", program->name, (unsigned long long)seed,
               (unsigned long long)result.failing, name_of(status), result.deltas,
               strlen(result.replay), result.replay);
    fflush(stdout);
    return status != 0;
}

static bool wanted(const struct program *program, char **names, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(program->name, names[i]) == 0)
            return true;
    return count == 0;
}

int main(int argc, char **argv)
{
    uint64_t seeds = 1, schedules = 10000;
    bool failed = false, found = false;
    int first = 1;

    for (; first + 1 < argc && argv[first][0] == '-'; first += 2) {
        if (argv[first][1] == 's')
            seeds = strtoull(argv[first + 1], NULL, 0);
        else
            schedules = strtoull(argv[first + 1], NULL, 0);
    }
    for (size_t i = 0; i < FAMILIES; i++) {
        for (const struct program *program = families[i]; program->name; program++) {
            if (!wanted(program, argv + first, argc - first))
                continue;
            found = true;
            for (uint64_t seed = 0; seed < seeds; seed++)
                failed |= run(program, seed, schedules);
        }
    }
    return !found ? 2 : failed;
}
