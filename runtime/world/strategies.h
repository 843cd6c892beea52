/*
 * strategies.h - ways to choose whose turn it is.
 *
 *   random      anybody
 *   pct         by random priorities, which change at a few random places: finds with certainty
 *               bugs of small depth (Burckhardt et al., ASPLOS 2010)
 *   pos         every event has a random priority, drawn anew when it races with one that has
 *               happened (Yuan et al., CAV 2018)
 *   surw        all orders of the events of one object, drawn by chance for each history, are
 *               equally likely (Zhao et al., ASPLOS 2025)
 *   delay       the default order, but for a few places (Emmi et al., POPL 2011, by chance)
 *   systematic  one after the other, all that differ from the default in few places
 *   replay      what was done before
 *
 * They use integers only, and no address decides anything: the same seed gives
 * the same history on every machine.
 */
#ifndef THRUM_WORLD_STRATEGIES_H
#define THRUM_WORLD_STRATEGIES_H

#include "runtime/world/sim.h"

extern const struct strategy thrum_random_strategy; /* self: unused */

#define PCT_DEPTH_MAX 16

struct pct {
    unsigned depth;   /* how many orderings the bug needs; 1 to PCT_DEPTH_MAX */
    uint64_t length;  /* how many choices a history has: the most seen so far */
    uint64_t choices; /* in this history */
    uint64_t change[PCT_DEPTH_MAX];
    uint64_t low;      /* the next priority below all others */
    uint64_t shortest; /* turns that the shortest history so far had */
};

extern const struct strategy thrum_pct_strategy; /* self: struct pct */
#define DELAYS_MOST 8

struct delaying {
    unsigned delays;  /* up to DELAYS_MOST */
    uint64_t length;  /* how many choices a history has: the most seen so far */
    uint64_t choices; /* in this history */
    uint64_t at[DELAYS_MOST];
};

extern const struct strategy thrum_delay_strategy; /* self: struct delaying */

extern const struct strategy thrum_pos_strategy; /* self: unused */

/* surw.c: what was seen of the program. Zero-filled at first. */
struct surw {
    struct surw_task *tasks; /* of all histories profiled, parents first */
    size_t tasks_count, tasks_capacity;
    uint32_t *index; /* hash table by id: where in tasks, plus 1 */
    size_t index_mask;
    struct surw_count *counts; /* hash table: how often a task touches an object */
    size_t counts_count, counts_mask;
    struct surw_name *names; /* hash table: which object a task touches at which point */
    size_t names_count, names_mask;
    uint32_t objects_known; /* numbers given to objects so far */
    uint32_t *objects;      /* those touched by several tasks, and written */
    size_t objects_count, objects_capacity;
    struct surw_seen *seen; /* of this history's objects, by id */
    size_t seen_count, seen_capacity;
    uint64_t total;    /* weights of all players alive */
    uint64_t *weights; /* of each task, with all below it, for this history's object */
    size_t weights_capacity;
    uint64_t shortest; /* turns that the shortest history so far had */
    uint64_t since;    /* turns since somebody has touched the object */
    bool *chosen;      /* is this object one of this history? By number */
    size_t chosen_capacity;
    bool all; /* a history has all objects, not one: to be set between histories */
    uint64_t histories;
    bool alike;              /* tasks that do the like count as one: to be set between histories */
    struct surw_kind *kinds; /* of those alive, if so */
    size_t kinds_count, kinds_capacity;
    bool profiles; /* this one is watched */
    bool selects;  /* this history has objects */
    struct player *intended;
    struct player **alive;
    size_t alive_count, alive_capacity;
};

extern const struct strategy thrum_surw_strategy; /* self: struct surw */
void thrum_surw_fini(struct surw *surw);

/* systematic.c. Zero-filled at first, but for the bound. */
struct branching {
    uint32_t index; /* what was chosen */
    uint32_t count; /* of so many */
};

struct systematic {
    uint64_t bound; /* how many delays at most */
    struct branching *path;
    size_t depth, capacity;
    size_t given;    /* so many are prescribed, the rest is the default */
    uint64_t spent;  /* delays, in this history */
    bool diverged;   /* the program did not do the same when asked the same */
    bool incomplete; /* there was no memory for all */
};

extern const struct strategy thrum_systematic_strategy; /* self: struct systematic */
/* Prescribe the next history. False: there are no more. */
bool thrum_systematic_next(struct systematic *all);
void thrum_systematic_fini(struct systematic *all);

struct replay {
    const struct delta *deltas;
    size_t count;
    struct replay_place *places; /* of each, and a hash table of where they are */
    size_t mask;
    size_t matched;  /* how many were */
    size_t deviates; /* the next turn does: which delta made it, plus 1 */
    bool by_chance;  /* when all are honoured, anybody goes first */
    /* Is told of all players; or NULL. */
    void (*born)(void *arg, const struct player *player);
    /* Is told of all turns, and which delta made it (plus 1; 0: it is the default); or NULL. */
    void (*turn)(void *arg, const struct sim *sim, const struct player *player, size_t delta);
    void *arg; /* for both */
};

extern const struct strategy thrum_replay_strategy; /* self: struct replay */
/* The deltas are there. False: out of memory. */
bool thrum_replay_prepare(struct replay *replay);
void thrum_replay_fini(struct replay *replay);

/* For runs that are not explored: random, from a seed; 0: in order. NULL: out of memory. */
struct oracle *thrum_oracle_random(uint64_t seed);
void thrum_oracle_free(struct oracle *oracle);

/* Does the environment ask for the simulated world (THRUM_SIM)? With which seed? */
bool thrum_simulation_wanted(uint64_t *seed);

#endif
