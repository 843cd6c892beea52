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
    bool deviates;   /* by default another would have had it */
    char path[24];
};

struct report {
    struct turn *turns; /* the last of them */
    size_t count, capacity;
    uint64_t left_out; /* before them */
    uint32_t lanes;
    bool incomplete; /* there was no memory for more */
};

/* What the replay strategy tells of each turn. */
void thrum_report_turn(struct report *report, const struct sim *sim, const struct player *player,
                       bool deviates);
void thrum_report_fini(struct report *report);

/* As lines of text: the last `most` turns. */
void thrum_report_text(const struct report *report, FILE *file, size_t most);

/*
 * As a page that needs nothing else: tasks side by side, time downwards, the places marked at
 * which the order was not the ordinary one, and the accesses that they have brought out of order.
 */
void thrum_report_html(const struct report *report, FILE *file, const char *title,
                       const char *replay);

#endif
