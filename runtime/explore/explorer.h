/* explorer.h - what exploring, replaying and shrinking share: one program, run again and again. */
#ifndef THRUM_EXPLORE_EXPLORER_H
#define THRUM_EXPLORE_EXPLORER_H

#include <thrum/explore.h>

#include "runtime/explore/portfolio.h"
#include "runtime/world/faults.h"
#include "runtime/world/strategies.h"
#include "runtime/world/tempo.h"

struct explorer {
    thrum_explore_options options;
    thrum_fn fn;
    void *arg;
    thrum_runtime *runtime;
    struct sim *sim;
    bool talks;         /* deadlock reports are printed */
    bool steps;         /* turns are printed, as they come, and breaks are made */
    uint64_t break_at;  /* the number of a turn; 0: at the last of the deltas */
    bool isolated;      /* another process looks into failures */
    bool exceeded;      /* this run was cut off */
    bool cancelled;     /* its root was cancelled to see what becomes of it */
    uint64_t turns;     /* the most that a run has had */
    uint64_t cancel_at; /* SYSTEMATIC: before which the root is cancelled; 0: never */
    uint64_t hash;      /* of the last run */
    struct faults faults;
    struct tempo tempo;
    struct coverage coverage;
    struct portfolio portfolio;
    uint64_t stale; /* runs in a row that have brought no new pair */
    struct delaying delaying;
    struct twice *twice; /* TWICE; or NULL */
    struct surw surw;
    struct pct pct;
    struct systematic systematic;
};

/* A runtime in the simulated world. 0 or a negative code. */
int thrum_explorer_init(struct explorer *explorer, const thrum_explore_options *options,
                        thrum_fn fn, void *arg);
void thrum_explorer_fini(struct explorer *explorer);

/* One run; the oracle's deltas become those of this one. Its status. */
int thrum_explorer_run(struct explorer *explorer, struct oracle *oracle);

/* What there is to a run as deltas tell it, besides them; each may be left out. */
struct story;
struct retelling {
    struct story *story;     /* to be filled in */
    size_t *matched;         /* how many of them came to pass */
    struct oracle *recorded; /* gets those of this run */
    bool by_chance;          /* behind the last of them anybody goes first; from this seed */
    uint64_t seed;
};

/* Its status, or -ENOMEM. */
int thrum_explorer_replay(struct explorer *explorer, const struct delta *deltas, size_t count,
                          const struct retelling *retelling);

/*
 * For debuggers: //tools/replay --gdb stops here, before a task has its turn. `suspended` is where
 * the task goes on; NULL: we are on its own stack.
 */
struct context;
void thrum_replay_break(const char *task, unsigned long turn, const struct context *suspended);

/*
 * isolated.c: as thrum_explore, in processes of their own, so that a crash is a failure like any
 * other. `search` explores in the first of them: it fills in the result, but does not look into a
 * failure.
 */
int thrum_explore_isolated(const thrum_explore_options *options, thrum_fn fn, void *arg,
                           int (*search)(struct explorer *explorer, struct oracle *oracle,
                                         thrum_explore_result *result),
                           thrum_explore_result *result);

#endif
