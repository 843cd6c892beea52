/* explore.c - thrum_explore: runs, until one of them fails; then its shortest story. */
#include <thrum/explore.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/explore/explorer.h"
#include "runtime/explore/report.h"
#include "runtime/explore/text.h"
#include "runtime/plat/memory.h"

#define REPORTED 40 /* turns that are printed of a failure: its last */
#define MIXTURE 8   /* of so many runs of the default strategy */
#define MIX_POS 4   /* this one is by POS, */
#define MIX_PCT 7   /* and this one by PCT, of changing depth */

static const char *const names[] = {"default", "random", "pct", "pos", "surw", "systematic"};

static bool number_from(const char *name, uint64_t *number)
{
    const char *text = getenv(name);
    char *end;

    if (!text)
        return true;
    *number = strtoull(text, &end, 0);
    return *text != '\0' && *end == '\0';
}

/* ---- who chooses ---------------------------------------------------------------------------- */

static void use(struct oracle *oracle, struct explorer *explorer, uint32_t strategy, uint64_t run)
{
    oracle->seed = sim_mix(explorer->options.seed) + run * UINT64_C(0x9e3779b97f4a7c15);
    switch (strategy) {
    case THRUM_STRATEGY_RANDOM:
        oracle->strategy = &thrum_random_strategy;
        return;
    case THRUM_STRATEGY_PCT:
        oracle->strategy = &thrum_pct_strategy;
        oracle->self = &explorer->pct;
        return;
    case THRUM_STRATEGY_POS:
        oracle->strategy = &thrum_pos_strategy;
        return;
    case THRUM_STRATEGY_SYSTEMATIC:
        oracle->strategy = &thrum_systematic_strategy;
        oracle->self = &explorer->systematic;
        return;
    default:
        oracle->strategy = &thrum_surw_strategy;
        oracle->self = &explorer->surw;
        return;
    }
}

/*
 * Before which turn the root is cancelled: each in turn, and when all have been, any. All orders
 * are gone through for each.
 */
static uint64_t cancel_at(struct oracle *oracle, const struct explorer *explorer, uint64_t run)
{
    if (explorer->options.strategy == THRUM_STRATEGY_SYSTEMATIC)
        return explorer->cancel_at;
    if (run <= explorer->turns)
        return run; /* 0: the first run is left alone */
    return oracle_below(oracle, explorer->turns + 1);
}

static void choose(struct oracle *oracle, struct explorer *explorer, uint64_t run)
{
    uint32_t strategy = explorer->options.strategy;

    oracle->may_cancel = explorer->options.flags & THRUM_EXPLORE_CANCEL;
    oracle->cancel_at = oracle->may_cancel ? cancel_at(oracle, explorer, run) : 0;
    if (strategy == THRUM_STRATEGY_DEFAULT) {
        strategy = THRUM_STRATEGY_SURW;
        explorer->surw.alike = run % 2;
        explorer->surw.all = run % 4 >= 2;
        if (run % MIXTURE == MIX_POS)
            strategy = THRUM_STRATEGY_POS;
        if (run % MIXTURE == MIX_PCT) {
            strategy = THRUM_STRATEGY_PCT;
            explorer->pct.depth = 2 + (unsigned)(run / MIXTURE % 4);
        }
    }
    use(oracle, explorer, strategy, run);
}

/* ---- a failure ------------------------------------------------------------------------------ */

static void tell(const thrum_explore_options *options, const thrum_explore_result *result)
{
    const char *name = options->name;

    if (options->flags & THRUM_EXPLORE_QUIET)
        return;
    fprintf(stderr,
            "thrum: %s%srun %" PRIu64 " (%s, seed %" PRIu64 ") failed: %s (%d); the same again: "
            "THRUM_REPLAY='%s'\n",
            name ? name : "", name ? ": " : "", result->failing, names[options->strategy],
            options->seed, thrum_errname(result->status), result->status, result->replay);
}

/* THRUM_REPORT: a page about it. */
static void write_page(const struct report *report, const thrum_explore_options *options,
                       int status, const char *replay)
{
    const char *path = getenv("THRUM_REPORT");
    char title[128];
    FILE *file;

    if (!path)
        return;
    snprintf(title, sizeof title, "%s: %s", options->name ? options->name : "a run",
             thrum_errname(status));
    file = fopen(path, "w");
    if (file)
        thrum_report_html(report, file, title, replay);
    if (!file || fclose(file))
        fprintf(stderr, "thrum: the report could not be written to %s: %s\n", path,
                strerror(errno));
}

/* Its text, from a last run that is allowed to talk. */
static int write_down(struct explorer *explorer, const struct delta *deltas, size_t count,
                      thrum_explore_result *result)
{
    struct delta_paths *paths = thrum_memory_get((count + 1) * sizeof *paths, 16);
    struct report report = {0};

    if (!paths)
        return -ENOMEM;
    explorer->talks = !(explorer->options.flags & THRUM_EXPLORE_QUIET);
    explorer->report = &report;
    (void)thrum_explorer_replay(explorer, deltas, count, paths, NULL, NULL);
    explorer->report = NULL;
    (void)thrum_deltas_write(deltas, paths, count, result->replay, sizeof result->replay);
    thrum_memory_put(paths);
    if (explorer->talks)
        thrum_report_text(&report, stderr, REPORTED);
    explorer->talks = false;
    write_page(&report, &explorer->options, result->status, result->replay);
    thrum_report_fini(&report);
    return 0;
}

struct here {
    struct explorer *explorer;
    struct oracle recorded;
};

static int attempt(void *arg, const struct delta *deltas, size_t count,
                   const struct delta **recorded, size_t *recorded_count)
{
    struct here *here = arg;
    int status = thrum_explorer_replay(here->explorer, deltas, count, NULL, NULL, &here->recorded);

    *recorded = here->recorded.deltas;
    *recorded_count = here->recorded.deltas_count;
    return status;
}

static int investigate(struct explorer *explorer, const struct oracle *oracle,
                       thrum_explore_result *result)
{
    struct here here = {.explorer = explorer};
    struct attempts attempts = {attempt, &here};
    size_t count = oracle->deltas_count;
    struct delta *deltas = thrum_memory_get((count + 1) * sizeof *deltas, 16);
    int err;

    if (!deltas)
        return -ENOMEM;
    if (count)
        memcpy(deltas, oracle->deltas, count * sizeof *deltas);
    count = thrum_shrink(&attempts, deltas, count, result->status, &result->shrunk);
    thrum_oracle_fini(&here.recorded);
    result->deltas = (uint32_t)count;
    err = write_down(explorer, deltas, count, result);
    thrum_memory_put(deltas);
    if (!err)
        tell(&explorer->options, result);
    return err;
}

/* The run once more, from its deltas: it must be the same. */
static int repeat(struct explorer *explorer, const struct oracle *oracle, int status)
{
    uint64_t hash = explorer->hash;
    int again =
        thrum_explorer_replay(explorer, oracle->deltas, oracle->deltas_count, NULL, NULL, NULL);

    if (again == status && explorer->hash == hash)
        return 0;
    if (!(explorer->options.flags & THRUM_EXPLORE_QUIET))
        fprintf(stderr,
                "thrum: a run was repeated and was not the same: it depends on more than its order "
                "(addresses, time, state that an earlier run has left)\n");
    return THRUM_EDIVERGED;
}

/* ---- many runs ------------------------------------------------------------------------------ */

static int one(struct explorer *explorer, struct oracle *oracle, thrum_explore_result *result)
{
    int status, err = 0;

    choose(oracle, explorer, result->schedules);
    status = thrum_explorer_run(explorer, oracle);
    if (status == -ENOMEM && (oracle->overflow || explorer->sim->out_of_memory))
        return status;
    if (explorer->sim->steps > explorer->turns)
        explorer->turns = explorer->sim->steps;
    result->schedules++;
    result->decisions += oracle->decisions;
    result->hash = sim_mix(result->hash + explorer->hash);
    if (explorer->options.flags & THRUM_EXPLORE_TWICE)
        err = repeat(explorer, oracle, status);
    if (err || status == 0)
        return err;
    result->failures++;
    if (result->failing)
        return 0;
    result->failing = result->schedules;
    result->status = status;
    return explorer->isolated ? 0 : investigate(explorer, oracle, result);
}

/* All orders once more, with a cancel one turn later. */
static bool next_cancel(struct explorer *explorer)
{
    if (!(explorer->options.flags & THRUM_EXPLORE_CANCEL) ||
        explorer->cancel_at++ == explorer->turns)
        return false;
    explorer->systematic.given = 0;
    return true;
}

static int explore(struct explorer *explorer, struct oracle *oracle, thrum_explore_result *result)
{
    bool all = explorer->options.flags & THRUM_EXPLORE_ALL;
    int err = 0;

    while (!err && result->schedules < explorer->options.schedules && (all || !result->failing)) {
        err = one(explorer, oracle, result);
        if (explorer->options.strategy != THRUM_STRATEGY_SYSTEMATIC)
            continue;
        if (!thrum_systematic_next(&explorer->systematic) && !next_cancel(explorer)) {
            result->complete = !explorer->systematic.incomplete && !explorer->systematic.diverged;
            break;
        }
    }
    return err ? err : result->status;
}

static int replay(struct explorer *explorer, const char *text, size_t *matched)
{
    struct report report = {0};
    struct delta *deltas;
    int count = thrum_deltas_read(text, &deltas);
    int status;

    if (count < 0)
        return count;
    explorer->talks = true;
    explorer->report = &report;
    status = thrum_explorer_replay(explorer, deltas, (size_t)count, NULL, matched, NULL);
    explorer->report = NULL;
    write_page(&report, &explorer->options, status, text);
    thrum_report_fini(&report);
    thrum_memory_put(deltas);
    return status;
}

/* THRUM_REPLAY: this one history, and what came of it. */
static int replay_wanted(struct explorer *explorer, const char *text, thrum_explore_result *result)
{
    size_t matched = 0;

    result->schedules = 1;
    result->status = replay(explorer, text, &matched);
    if (result->status != 0) {
        result->failing = result->failures = 1;
        snprintf(result->replay, sizeof result->replay, "%s", text);
    }
    fprintf(stderr, "thrum: replayed, %zu places of the history came to pass: %s (%d)\n", matched,
            thrum_errname(result->status), result->status);
    return result->status;
}

static int explore_here(struct explorer *explorer, thrum_explore_result *result)
{
    struct oracle oracle = {0};
    int status = explore(explorer, &oracle, result);

    thrum_oracle_fini(&oracle);
    return status;
}

int thrum_explore(const thrum_explore_options *given, thrum_fn fn, void *arg,
                  thrum_explore_result *out)
{
    static const thrum_explore_options defaults = THRUM_EXPLORE_OPTIONS_INIT;
    thrum_explore_options options = given ? *given : defaults;
    const char *text = getenv("THRUM_REPLAY");
    thrum_explore_result result = {0};
    struct explorer explorer;
    int status;

    if (!number_from("THRUM_SEED", &options.seed) ||
        !number_from("THRUM_SCHEDULES", &options.schedules))
        return -EINVAL;
    if (options.flags & THRUM_EXPLORE_ISOLATE && !text) {
        status = thrum_explore_isolated(&options, fn, arg, explore, &result);
        if (result.failing)
            tell(&options, &result);
    } else {
        status = thrum_explorer_init(&explorer, &options, fn, arg);
        if (status)
            return status;
        status = text ? replay_wanted(&explorer, text, &result) : explore_here(&explorer, &result);
        thrum_explorer_fini(&explorer);
    }
    if (out)
        *out = result;
    return status;
}

int thrum_replay(const char *text, thrum_fn fn, void *arg, size_t *matched)
{
    struct explorer explorer;
    int status = thrum_explorer_init(&explorer, NULL, fn, arg);

    if (status)
        return status;
    status = replay(&explorer, text, matched);
    thrum_explorer_fini(&explorer);
    return status;
}
