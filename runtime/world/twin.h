/*
 * twin.h - is a run the same as one before? What the first does is noted, step by step; the second
 * is compared with it, and the first step that is another is kept.
 *
 * Notes cost a copy each. Where in the program a step stands is noted only if that is asked for:
 * it takes a walk up the stack.
 */
#ifndef THRUM_WORLD_TWIN_H
#define THRUM_WORLD_TWIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct player;
struct sim;

#define TWIN_PLACES 8 /* callers that are kept of a step */

/* What a step does besides turns (enum thrum_point_kind, SIM_HAPPENS). */
enum { TWIN_DRAWS = 32, TWIN_ENDS };

struct twin_step {
    uint64_t player;   /* its id */
    uint64_t hash;     /* of all until then: of faults and timers too */
    uint64_t decision; /* how many places with more than one answer there were before */
    int64_t now;
    uint32_t op;
    uint32_t object; /* its number; TWIN_DRAWS: below which number */
    uint32_t what;
    const void *where[TWIN_PLACES]; /* who called, the nearest first; NULL: nobody further */
};

struct twin_birth {
    uint64_t id, parent;
    uint32_t number;
    bool root;
};

/* Where a player is, who waits there for its turn. */
struct twin_site {
    uint64_t player;
    const void *where[TWIN_PLACES];
};

/* Zero-filled at first. */
struct twin {
    struct twin_step *steps; /* of the first run */
    size_t count, capacity;
    struct twin_birth *births; /* of both */
    size_t births_count, births_capacity;
    struct twin_site *sites;
    size_t sites_count, sites_capacity;
    size_t at;       /* of the steps, so many were the same */
    bool compares;   /* it is the second run */
    bool places;     /* are wanted */
    bool incomplete; /* there was no memory for all of the first */
    bool differs;    /* from step `at` on, which was */
    struct twin_step second;
};

void thrum_twin_fini(struct twin *twin);

/* The first run begins; the second one does. */
void thrum_twin_first(struct twin *twin, bool places);
void thrum_twin_second(struct twin *twin);
/* The second has ended. */
void thrum_twin_end(struct twin *twin);

/* What the world tells. */
void thrum_twin_born(struct twin *twin, const struct player *player);
void thrum_twin_turn(struct twin *twin, const struct sim *sim, const struct player *player);
void thrum_twin_draw(struct twin *twin, const struct sim *sim, const struct player *player,
                     size_t n);
/* The player, on its stack, is about to do something. */
void thrum_twin_here(struct twin *twin, const struct player *player);

/* The path of a player of either run, from its id. Returns its length. */
size_t thrum_twin_path(const struct twin *twin, uint64_t id, char *text, size_t size);

#endif
