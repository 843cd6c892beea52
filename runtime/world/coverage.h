/*
 * coverage.h - which pairs of steps have been seen next to each other: of two tasks, on one object.
 *
 * Who did what on an object, and who did what on it next: a set of these pairs, kept over all
 * histories, tells how much new a history has shown. Paths, points and kinds are compared, no
 * addresses. Late points of a task count as one with those about as late, so that a long
 * loop brings new pairs no longer.
 */
#ifndef THRUM_WORLD_COVERAGE_H
#define THRUM_WORLD_COVERAGE_H

#include <stddef.h>
#include <stdint.h>

struct player;

#define COVERAGE_BITS ((size_t)1 << 18) /* hashes of pairs */

struct coverage_last {
    uint64_t player; /* id of who was there last, */
    uint64_t event;  /* and what he did */
    uint32_t age;    /* in which history */
};

/* Zero-filled at first. */
struct coverage {
    uint64_t *seen;
    struct coverage_last *last; /* of each object, by its number */
    size_t last_count;
    uint32_t age;
    uint64_t fresh; /* pairs that this history has brought */
    uint64_t pairs; /* all histories */
};

void thrum_coverage_fini(struct coverage *coverage);

/* A history begins. */
void thrum_coverage_begin(struct coverage *coverage);

/* The player has its turn. */
void thrum_coverage_turn(struct coverage *coverage, const struct player *player);

#endif
