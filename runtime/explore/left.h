/*
 * left.h - what a run has left behind when it has ended: tasks, locks, memory, descriptors.
 */
#ifndef THRUM_EXPLORE_LEFT_H
#define THRUM_EXPLORE_LEFT_H

#include <stdbool.h>

#include "runtime/plat/descriptors.h"
#include "runtime/sched/lent.h"

struct explorer;

/* What there was before. */
struct left {
    int64_t lent[LENT_KINDS];
    int64_t counted;              /* by the program */
    struct descriptors_open open; /* if that is asked for */
};

/* The run begins. */
void thrum_left_begin(struct explorer *explorer, struct left *left);

/* It has ended: has it left something behind? Then lines about it, if the explorer talks. */
bool thrum_left_any(struct explorer *explorer, const struct left *left);

#endif
