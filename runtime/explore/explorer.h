/* explorer.h - what exploring, replaying and shrinking share: one program, run again and again. */
#ifndef THRUM_EXPLORE_EXPLORER_H
#define THRUM_EXPLORE_EXPLORER_H

#include <thrum/explore.h>

#include "runtime/world/strategies.h"

struct explorer {
    thrum_explore_options options;
    thrum_fn fn;
    void *arg;
    thrum_runtime *runtime;
    struct sim *sim;
    bool talks;            /* deadlock reports are printed */
    struct report *report; /* what is replayed is told here; or NULL */
    bool isolated;         /* another process looks into failures */
    bool exceeded;         /* this run was cut off */
    bool cancelled;        /* its root was cancelled to see what becomes of it */
    uint64_t turns;        /* the most that a run has had */
    uint64_t cancel_at;    /* SYSTEMATIC: before which the root is cancelled; 0: never */
    uint64_t hash;         /* of the last run */
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

/*
 * One run as the deltas tell. *matched, unless NULL: how many came to pass. `paths`, unless NULL:
 * room for those of each delta. Its status, or -ENOMEM.
 */
struct delta_paths;
struct report;
int thrum_explorer_replay(struct explorer *explorer, const struct delta *deltas, size_t count,
                          struct delta_paths *paths, size_t *matched, struct oracle *recorded);

/*
 * Find as few of the deltas as still give this status (Zeller, Hildebrandt: Simplifying and
 * Isolating Failure-Inducing Input, 2002). They are changed in place; their number is returned,
 * and *runs raised by how many it took. `attempt` makes a run of some of them; *recorded, with
 * *recorded_count of them, is what has really happened then.
 */
struct attempts {
    int (*attempt)(void *arg, const struct delta *deltas, size_t count,
                   const struct delta **recorded, size_t *recorded_count);
    void *arg;
};

size_t thrum_shrink(const struct attempts *attempts, struct delta *deltas, size_t count, int status,
                    uint64_t *runs);

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
