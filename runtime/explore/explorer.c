/* explorer.c - a program that can be run again and again. */
#include "runtime/explore/explorer.h"

#include <thrum/error.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "runtime/explore/failure.h"
#include "runtime/explore/left.h"
#include "runtime/plat/overflow.h"
#include "runtime/plat/races.h"
#include "runtime/task/detect.h"
#include "runtime/task/task.h"

#define STEPS ((uint64_t)1 << 20)
#define SCHEDULES 10000
#define DEPTH 3
#define FAULTS (THRUM_FAULT_BUGGIFY | THRUM_FAULT_MEMORY | THRUM_FAULT_THREAD | THRUM_FAULT_LATENCY)

/* The run has become too long. It is cancelled, and everybody gets turns until it has ended. */
static void exceeded(void *arg)
{
    struct explorer *explorer = arg;

    if (explorer->exceeded)
        thrum_panic("a simulated run goes on for %llu turns after it was cancelled for not ending; "
                    "let tasks return when a call returns THRUM_ECANCELED",
                    (unsigned long long)explorer->options.steps);
    explorer->exceeded = true;
    explorer->sim->steps_max *= 2;
    thrum_roots_cancel(explorer->runtime, UINT64_MAX, THRUM_ELIVELOCK, "the run does not end");
}

static void cancel_root(void *arg)
{
    struct explorer *explorer = arg;

    explorer->cancelled = true;
    thrum_roots_cancel(explorer->runtime, UINT64_MAX, THRUM_ECANCELED, "the explorer cancels");
}

static void report(const char *line, void *context)
{
    const struct explorer *explorer = context;
    ssize_t ignored;

    if (!explorer->talks)
        return;
    ignored = write(STDERR_FILENO, line, strlen(line));
    ignored = write(STDERR_FILENO, "\n", 1);
    (void)ignored;
}

static void unhandled(const thrum_error *error, void *context)
{
    (void)error, (void)context;
}

static int check(const thrum_explore_options *options)
{
    if (options->size != sizeof *options)
        return THRUM_ELAYOUT;
    if (options->strategy > THRUM_STRATEGY_PORTFOLIO || options->depth > PCT_DEPTH_MAX ||
        options->faults & ~FAULTS || options->unused != 0 || options->timer_slack < 0 ||
        (options->strategy == THRUM_STRATEGY_DELAY && options->depth > DELAYS_MOST) ||
        (options->shards && options->shard >= options->shards) ||
        (options->shards > 1 && options->strategy == THRUM_STRATEGY_SYSTEMATIC) ||
        options->flags & ~(THRUM_EXPLORE_QUIET | THRUM_EXPLORE_TWICE | THRUM_EXPLORE_ALL |
                           THRUM_EXPLORE_CANCEL | THRUM_EXPLORE_ISOLATE | THRUM_EXPLORE_TIMERS |
                           THRUM_EXPLORE_FDS | THRUM_EXPLORE_PERMITS | THRUM_EXPLORE_LEAVE | THRUM_EXPLORE_RACES) ||
        (options->flags & THRUM_EXPLORE_ALL && options->flags & THRUM_EXPLORE_ISOLATE))
        return -EINVAL;
    return 0;
}

int thrum_explorer_init(struct explorer *explorer, const thrum_explore_options *options,
                        thrum_fn fn, void *arg)
{
    static const thrum_explore_options defaults = THRUM_EXPLORE_OPTIONS_INIT;
    thrum_options world = THRUM_OPTIONS_INIT;
    int err;

    *explorer = (struct explorer){.options = options ? *options : defaults, .fn = fn, .arg = arg};
    err = check(&explorer->options);
    if (err)
        return err;
    if (explorer->options.steps == 0)
        explorer->options.steps = STEPS;
    if (explorer->options.schedules == 0)
        explorer->options.schedules = SCHEDULES;
    explorer->pct.depth = explorer->options.depth ? explorer->options.depth : DEPTH;
    explorer->delaying.delays = DEPTH;
    if (explorer->options.depth && explorer->options.depth <= DELAYS_MOST)
        explorer->delaying.delays = explorer->options.depth;
    explorer->systematic.bound = explorer->options.delays;
    explorer->faults.kinds = explorer->options.faults;
    explorer->tempo.slack = explorer->options.timer_slack;
    world.flags = THRUM_SIMULATE;
    world.report = report;
    world.unhandled = unhandled;
    world.context = explorer;
    thrum_races_want(explorer->options.flags & THRUM_EXPLORE_RACES);
    err = thrum_runtime_create(&explorer->runtime, &world);
    thrum_races_want(false);
    if (err)
        return err;
    explorer->sim = explorer->runtime->sim;
    explorer->sim->exceeded = exceeded;
    explorer->sim->cancel = cancel_root;
    explorer->sim->arg = explorer;
    explorer->sim->looks = !(explorer->options.flags & THRUM_EXPLORE_LEAVE);
    thrum_detect_count(explorer->sim->looks);
    thrum_overflow_thread_init();
    return 0;
}

void thrum_explorer_fini(struct explorer *explorer)
{
    thrum_detect_count(-(int)explorer->sim->looks);
    thrum_overflow_thread_fini();
    thrum_sim_restart(explorer->sim, explorer->runtime->oracle);
    thrum_runtime_close(explorer->runtime);
    thrum_coverage_fini(&explorer->coverage);
    thrum_surw_fini(&explorer->surw);
    thrum_systematic_fini(&explorer->systematic);
}

/* A group without leaves has lost them: there was no memory. */
static bool is_no_lack(const thrum_error *leaf, void *context)
{
    int code = thrum_error_code(leaf);

    (void)context;
    return code != -ENOMEM && code != -EAGAIN && code != THRUM_EGROUP;
}

/* What was refused is all that the program complains of. */
static bool is_lack(int status, const thrum_error *errors)
{
    thrum_error *others;
    bool any;

    if (status == -ENOMEM || status == -EAGAIN)
        return true;
    if (status != THRUM_EGROUP || thrum_error_split(errors, is_no_lack, NULL, &others, NULL))
        return false;
    any = others != NULL;
    thrum_error_free(others);
    return !any;
}

int thrum_explorer_run(struct explorer *explorer, struct oracle *oracle)
{
    thrum_error *errors;
    struct left left;
    bool lacks;
    uint64_t races;
    int status;

    thrum_left_begin(explorer, &left);
    oracle->drawn = 0;
    oracle->decisions = 0;
    oracle->deltas_count = 0;
    explorer->exceeded = explorer->cancelled = false;
    explorer->sim->steps_max = explorer->options.steps;
    thrum_sim_restart(explorer->sim, oracle);
    thrum_races_begin(explorer->talks);
    status = thrum_root_run(explorer->runtime, explorer->fn, explorer->arg, &errors);
    lacks = explorer->sim->refused && is_lack(status, errors);
    thrum_error_free(errors);
    races = thrum_races_end();
    explorer->hash = sim_mix(explorer->sim->hash + (uint64_t)(int64_t)status);
    if (oracle->strategy->end)
        oracle->strategy->end(oracle->self, explorer->sim);
    if (explorer->sim->out_of_memory || oracle->overflow)
        return -ENOMEM;
    if (explorer->exceeded)
        return THRUM_ELIVELOCK;
    if (status && !lacks && !(explorer->cancelled && status == THRUM_ECANCELED))
        return status;
    if (races)
        return THRUM_ERACE;
    return explorer->sim->looks && thrum_left_any(explorer, &left) ? THRUM_ELEFT : 0;
}

/* ---- as deltas tell it ----------------------------------------------------------------------- */

struct telling {
    struct explorer *explorer;
    const struct delta *deltas;
    size_t count;
    struct story *story;
};

static void name(void *arg, const struct player *player)
{
    const struct telling *telling = arg;

    for (size_t i = 0; i < telling->count && i < STORY_DELTAS; i++) {
        struct delta_paths *paths = &telling->story->paths[i];

        if (telling->deltas[i].at == player->id)
            thrum_player_path(player, paths->at, sizeof paths->at);
        if (telling->deltas[i].kind == DELTA_GOES && telling->deltas[i].chosen == player->id)
            thrum_player_path(player, paths->chosen, sizeof paths->chosen);
    }
}

NOINLINE void thrum_replay_break(const char *task, unsigned long turn,
                                 const struct context *suspended)
{
    __asm__ volatile("" : : "r"(task), "r"(turn), "r"(suspended) : "memory");
}

static void note_turn(void *arg, const struct sim *sim, const struct player *player, size_t delta)
{
    const struct telling *telling = arg;
    const struct explorer *explorer = telling->explorer;
    struct report *report = &telling->story->report;

    thrum_report_turn(report, sim, player, (uint32_t)delta);
    if (!explorer->steps)
        return;
    thrum_report_last(report, stderr);
    if (explorer->break_at ? explorer->break_at == sim->steps + 1 : delta == telling->count) {
        char path[64];

        thrum_player_path(player, path, sizeof path);
        thrum_replay_break(
            path, (unsigned long)sim->steps + 1,
            player->fiber && player->fiber != thrum_fiber_self() ? &player->fiber->context : NULL);
    }
}

int thrum_explorer_replay(struct explorer *explorer, const struct delta *deltas, size_t count,
                          const struct retelling *retelling)
{
    struct story *story = retelling->story;
    struct telling telling = {explorer, deltas, count, story};
    struct oracle own = {0}, *oracle = retelling->recorded ? retelling->recorded : &own;
    struct replay replay = {.deltas = deltas,
                            .count = count,
                            .by_chance = retelling->by_chance,
                            .born = story ? name : NULL,
                            .turn = story ? note_turn : NULL,
                            .arg = &telling};
    int status;

    if (!thrum_replay_prepare(&replay))
        return -ENOMEM;
    oracle->strategy = &thrum_replay_strategy;
    oracle->self = &replay;
    oracle->seed = retelling->seed;
    oracle->forgets = !retelling->recorded;
    oracle->may_cancel = true;
    oracle->may_fault = true;
    oracle->may_hurry = true;
    status = thrum_explorer_run(explorer, oracle);
    if (retelling->matched)
        *retelling->matched = replay.matched;
    if (story) {
        story->matched = replay.matched;
        story->hash = explorer->hash;
    }
    thrum_replay_fini(&replay);
    return status;
}
