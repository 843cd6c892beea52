/* report.h - what happened in one run, turn by turn, for people. */
#ifndef THRUM_EXPLORE_REPORT_H
#define THRUM_EXPLORE_REPORT_H

#include <stdio.h>

#include "runtime/explore/text.h"
#include "runtime/world/sim.h"

/* One turn. */
struct turn {
    int64_t now;
    uint64_t player; /* its id */
    uint32_t op;
    uint32_t what;   /* enum thrum_point_kind */
    uint32_t object; /* 0: none */
    uint32_t lane;   /* of the player: by order of appearance */
    uint32_t delta;  /* by default another would have had it; which delta made it, plus 1 */
    char path[24];
};

#define REPORT_DELTAS 16 /* that can be explained */

struct report {
    struct turn *turns; /* the last of them */
    size_t count, capacity;
    bool lent;         /* they are somebody else's, and cannot grow */
    uint64_t left_out; /* before them */
    uint32_t lanes;
    bool incomplete; /* there was no memory for more */
    uint32_t deltas; /* that can be explained: all of the history's, or none */
    char words[REPORT_DELTAS][DELTA_BYTES];
    unsigned chances; /* runs by chance after the first 0, 1, 2, ... of them; 0: none */
    unsigned failed[REPORT_DELTAS + 1]; /* of those */
};

/* What a player does whose turn is at such a point (enum thrum_point_kind, SIM_HAPPENS). */
const char *thrum_report_doing(unsigned what);

/* What the replay strategy tells of each turn. */
void thrum_report_turn(struct report *report, const struct sim *sim, const struct player *player,
                       uint32_t delta);
/* Nothing has happened yet. */
void thrum_report_reset(struct report *report);
void thrum_report_fini(struct report *report);

/* The last turn as a line of text. */
void thrum_report_last(const struct report *report, FILE *file);

/* As lines of text: what the deltas did, and the last `most` turns. */
void thrum_report_text(const struct report *report, FILE *file, size_t most);

/*
 * As a page that needs nothing else: tasks side by side, time downwards, the places marked at
 * which the order was not the ordinary one, and the accesses that they have brought out of order.
 */
void thrum_report_html(const struct report *report, FILE *file, const char *title,
                       const char *replay);

#endif
