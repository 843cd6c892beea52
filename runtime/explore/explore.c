/* explore.c - thrum_explore: runs, until one of them fails; then its shortest story. */
#include <thrum/explore.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/explore/failure.h"
#include "runtime/explore/mend.h"
#include "runtime/explore/twice.h"
#include "runtime/plat/memory.h"

#define MIXTURE 8 /* of so many runs of the default strategy */
#define MIX_POS 4 /* this one is by POS, */
#define MIX_PCT 7 /* and this one by PCT, of changing depth */

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

static uint64_t seed_of(const struct explorer *explorer, uint64_t run)
{
    return sim_mix(explorer->options.seed) + run * UINT64_C(0x9e3779b97f4a7c15);
}

static void use(struct oracle *oracle, struct explorer *explorer, uint32_t strategy, uint64_t run)
{
    oracle->seed = seed_of(explorer, run);
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
    case THRUM_STRATEGY_DELAY:
        oracle->strategy = &thrum_delay_strategy;
        oracle->self = &explorer->delaying;
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

/* The number of its run, all shards counted. */
static uint64_t number_of(const struct explorer *explorer, uint64_t run)
{
    const thrum_explore_options *options = &explorer->options;

    return options->shards ? run * options->shards + options->shard : run;
}

static uint32_t from_portfolio(struct explorer *explorer, uint64_t run)
{
    static const uint32_t strategies[ARMS] = {[ARM_SURW] = THRUM_STRATEGY_SURW,
                                              [ARM_SURW_ALIKE] = THRUM_STRATEGY_SURW,
                                              [ARM_SURW_ALL] = THRUM_STRATEGY_SURW,
                                              [ARM_POS] = THRUM_STRATEGY_POS,
                                              [ARM_PCT] = THRUM_STRATEGY_PCT,
                                              [ARM_DELAY] = THRUM_STRATEGY_DELAY,
                                              [ARM_RANDOM] = THRUM_STRATEGY_RANDOM};
    enum portfolio_arm arm = thrum_portfolio_choose(&explorer->portfolio, seed_of(explorer, run));
    unsigned turn = (unsigned)explorer->portfolio.runs[arm];

    explorer->surw.alike = arm == ARM_SURW_ALIKE;
    explorer->surw.all = arm == ARM_SURW_ALL;
    explorer->pct.depth = 2 + turn % 4;
    explorer->delaying.delays = 1 + turn % 4;
    return strategies[arm];
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
    if (strategy == THRUM_STRATEGY_PORTFOLIO)
        strategy = from_portfolio(explorer, run);
    use(oracle, explorer, strategy, run);
    if (explorer->options.faults) {
        oracle->may_fault = true;
        oracle->faults = &explorer->faults;
        thrum_faults_begin(&explorer->faults, oracle->seed, run);
    }
    if (explorer->options.flags & THRUM_EXPLORE_TIMERS) {
        oracle->may_hurry = true;
        oracle->tempo = &explorer->tempo;
        thrum_tempo_begin(&explorer->tempo, oracle->seed);
    }
}

/* ---- runs of one process -------------------------------------------------------------------- */

struct here {
    struct explorer *explorer;
    struct oracle recorded;
};

static int attempt(void *arg, const struct delta *deltas, size_t count, struct story *story,
                   const struct delta **recorded, size_t *recorded_count)
{
    struct here *here = arg;
    struct retelling retelling = {.story = story, .recorded = &here->recorded};
    int status;

    here->explorer->talks = story && !(here->explorer->options.flags & THRUM_EXPLORE_QUIET);
    status = thrum_explorer_replay(here->explorer, deltas, count, &retelling);
    here->explorer->talks = false;
    *recorded = here->recorded.deltas;
    *recorded_count = here->recorded.deltas_count;
    return status;
}

static unsigned failing(void *arg, const struct delta *deltas, size_t count, int status,
                        unsigned runs)
{
    const struct here *here = arg;
    unsigned failed = 0;

    for (unsigned i = 0; i < runs; i++) {
        struct retelling retelling = {.by_chance = true, .seed = sim_mix(i + 1)};

        failed += thrum_explorer_replay(here->explorer, deltas, count, &retelling) == status;
    }
    return failed;
}

static int investigate(struct explorer *explorer, const struct oracle *oracle,
                       thrum_explore_result *result)
{
    struct here here = {.explorer = explorer};
    struct attempts attempts = {attempt, failing, &here};
    struct story *story = thrum_memory_get(sizeof *story, 16);
    int err;

    if (!story)
        return -ENOMEM;
    err = thrum_failure_investigate(&attempts, &explorer->options, oracle->deltas,
                                    oracle->deltas_count, story, result);
    thrum_oracle_fini(&here.recorded);
    thrum_report_fini(&story->report);
    thrum_memory_put(story);
    return err;
}

/* ---- many runs ------------------------------------------------------------------------------ */

/* Which pairs does the run show? */
static void watch(struct explorer *explorer)
{
    const thrum_explore_options *options = &explorer->options;

    if (options->strategy != THRUM_STRATEGY_PORTFOLIO && options->plateau == 0)
        return;
    thrum_coverage_begin(&explorer->coverage);
    explorer->sim->coverage = &explorer->coverage;
}

static void learn(struct explorer *explorer, thrum_explore_result *result)
{
    if (!explorer->sim->coverage)
        return;
    explorer->sim->coverage = NULL; /* replays show nothing new */
    explorer->stale = explorer->coverage.fresh ? 0 : explorer->stale + 1;
    result->pairs = explorer->coverage.pairs;
    if (explorer->options.strategy == THRUM_STRATEGY_PORTFOLIO)
        thrum_portfolio_learn(&explorer->portfolio, explorer->coverage.fresh);
}

static bool on_plateau(const struct explorer *explorer, thrum_explore_result *result)
{
    result->plateau = explorer->options.plateau && explorer->stale >= explorer->options.plateau;
    return result->plateau;
}

static int one(struct explorer *explorer, struct oracle *oracle, thrum_explore_result *result)
{
    int status, err = 0;

    choose(oracle, explorer, number_of(explorer, result->schedules));
    watch(explorer);
    if (explorer->twice)
        thrum_twice_begin(explorer, result->schedules);
    status = thrum_explorer_run(explorer, oracle);
    if (explorer->twice)
        thrum_twice_leave(explorer);
    learn(explorer, result);
    if (status == -ENOMEM && (oracle->overflow || explorer->sim->out_of_memory))
        return status;
    if (explorer->sim->steps > explorer->turns)
        explorer->turns = explorer->sim->steps;
    result->schedules++;
    result->decisions += oracle->decisions;
    result->hash = sim_mix(result->hash + explorer->hash);
    if (explorer->twice)
        err = thrum_twice_end(explorer, oracle, status, result);
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

/* What a search through all orders is worth. */
static void certify(const thrum_explore_options *options, const thrum_explore_result *result)
{
    char name[64], bound[48] = "";

    thrum_program_name(options, name);
    if (options->delays != UINT64_MAX)
        snprintf(bound, sizeof bound, " with at most %" PRIu64 " delays", options->delays);
    fprintf(stderr,
            "thrum: %s%sall %" PRIu64 " orders%s%s were run, in %" PRIu64 " decisions: %" PRIu64
            " failed; hash %016" PRIx64 "\n",
            name, name[0] ? ": " : "", result->schedules, bound,
            options->flags & THRUM_EXPLORE_CANCEL ? ", with a cancel before each turn," : "",
            result->decisions, result->failures, result->hash);
}

static int explore(struct explorer *explorer, struct oracle *oracle, thrum_explore_result *result)
{
    bool all = explorer->options.flags & THRUM_EXPLORE_ALL;
    int err = explorer->options.flags & THRUM_EXPLORE_TWICE ? thrum_twice_init(explorer) : 0;

    while (!err && result->schedules < explorer->options.schedules && (all || !result->failing) &&
           !on_plateau(explorer, result)) {
        err = one(explorer, oracle, result);
        if (explorer->options.strategy != THRUM_STRATEGY_SYSTEMATIC)
            continue;
        if (!thrum_systematic_next(&explorer->systematic) && !next_cancel(explorer)) {
            result->complete = !explorer->systematic.incomplete && !explorer->systematic.diverged;
            break;
        }
    }
    thrum_twice_fini(explorer);
    if (!err && result->complete && !(explorer->options.flags & THRUM_EXPLORE_QUIET))
        certify(&explorer->options, result);
    return err ? err : result->status;
}

/* ---- one run -------------------------------------------------------------------------------- */

/*
 * As told, or if it does not fail then, a history nearby that does. *matched is of the first, *runs
 * how many it took.
 */
static int replay(struct explorer *explorer, struct history *history, struct story *story,
                  size_t *matched, uint64_t *runs)
{
    struct retelling retelling = {.story = story, .matched = matched};
    char text[THRUM_REPLAY_BYTES];
    int status;

    *runs = 1;
    explorer->talks = true;
    status = thrum_explorer_replay(explorer, history->deltas, history->count, &retelling);
    explorer->talks = false;
    if (status != 0 || !thrum_mend(explorer, history, runs))
        return status;
    thrum_report_reset(&story->report);
    retelling.matched = NULL;
    explorer->talks = true;
    status = thrum_explorer_replay(explorer, history->deltas, history->count, &retelling);
    explorer->talks = false;
    (void)thrum_story_text(story, history->deltas, history->count, text, sizeof text);
    fprintf(stderr,
            "thrum: as it was told it does not fail; one nearby does, after %" PRIu64
            " tries: THRUM_REPLAY='%s'\n",
            *runs - 1, text);
    return status;
}

/* Is the file about this program? */
static bool is_meant(const struct explorer *explorer, const struct history *history)
{
    char name[64];

    thrum_program_name(&explorer->options, name);
    if (!history->program[0] || !name[0] || strcmp(history->program, name) == 0)
        return true;
    fprintf(stderr, "thrum: %s: not run, for the history is one of %s\n", name, history->program);
    return false;
}

static int tell_again(struct explorer *explorer, struct history *history,
                      thrum_explore_result *result)
{
    struct story *story = thrum_memory_get(sizeof *story, 16);
    size_t matched, told = history->count;

    if (!story)
        return -ENOMEM;
    result->status = replay(explorer, history, story, &matched, &result->schedules);
    result->hash = story->hash;
    if (result->status != 0)
        result->failing = result->failures = 1;
    result->deltas = (uint32_t)story->matched;
    (void)thrum_story_text(story, history->deltas, history->count, result->replay,
                           sizeof result->replay);
    thrum_failure_page(story, &explorer->options, result->status, result->replay);
    fprintf(stderr, "thrum: replayed, %zu of %zu deltas matched: %s (%d)%s\n", matched, told,
            thrum_errname(result->status), result->status,
            history->hash && history->hash != story->hash ? "; not the same run as then" : "");
    thrum_report_fini(&story->report);
    thrum_memory_put(story);
    return result->status;
}

/* THRUM_REPLAY: this one history, and what came of it. */
static int replay_wanted(struct explorer *explorer, const char *wanted,
                         thrum_explore_result *result)
{
    struct history history;
    int status = thrum_history_get(wanted, &history);

    if (status)
        return status;
    explorer->steps = getenv("THRUM_STEPS") != NULL;
    if (!number_from("THRUM_BREAK", &explorer->break_at))
        status = -EINVAL;
    else if (is_meant(explorer, &history))
        status = tell_again(explorer, &history, result);
    thrum_history_fini(&history);
    return status;
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
    if (getenv("THRUM_TWICE"))
        options.flags |= THRUM_EXPLORE_TWICE;
    if (options.flags & THRUM_EXPLORE_ISOLATE && !text) {
        status = thrum_explore_isolated(&options, fn, arg, explore, &result);
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
    struct story *story = thrum_memory_get(sizeof *story, 16);
    struct explorer explorer;
    struct history history;
    uint64_t runs;
    int status = story ? thrum_history_text(text, &history) : -ENOMEM;

    if (!status) {
        status = thrum_explorer_init(&explorer, NULL, fn, arg);
        if (!status) {
            status = replay(&explorer, &history, story, matched, &runs);
            thrum_explorer_fini(&explorer);
        }
        thrum_history_fini(&history);
        thrum_report_fini(&story->report);
    }
    thrum_memory_put(story);
    return status;
}
