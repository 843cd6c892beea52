/*
 * perturb.h - what a run must not depend on, made other than it was the last time.
 *
 *   stacks       tasks have other ones, stand elsewhere on them, and find other bytes there
 *   heap         malloc's free blocks are others, in another order, with other bytes in them; what
 *                thrum_malloc and the runtime hand out unfilled has other bytes in it
 *   handles      the runtime's own blocks come in another order
 *   environment  a copy in another order, with a variable more. Strings stay where they are, for
 *                somebody may have kept one
 *
 * Each is so in the first of two runs and otherwise in the second, and as before after both.
 */
#ifndef THRUM_EXPLORE_PERTURB_H
#define THRUM_EXPLORE_PERTURB_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/world/sim.h"

#define PERTURB_KEPT 64

/* Zero-filled at first. */
struct perturbed {
    void *kept[PERTURB_KEPT]; /* blocks of the heap */
    unsigned kept_count;
    char **environment; /* as it was; NULL: as it is */
    char **copy;
};

/* A run of this world begins, the first or second of two that have one seed. */
void thrum_perturb_begin(struct perturbed *perturbed, struct sim *sim, uint64_t seed, bool second);
/* It has ended. */
void thrum_perturb_end(struct perturbed *perturbed, struct sim *sim);

#endif
