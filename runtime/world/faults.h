/*
 * faults.h - which requests a simulated world refuses, and where the program is buggified.
 *
 * Chance has a stream of its own here, so that a run with faults asks the strategy for
 * turns as one without them does.
 */
#ifndef THRUM_WORLD_FAULTS_H
#define THRUM_WORLD_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

/* Zero-filled at first, but for the kinds. */
struct faults {
    uint32_t kinds;    /* THRUM_FAULT_* */
    uint64_t most;     /* requests that a history has made */
    uint64_t seed;     /* of this history */
    uint64_t drawn;    /* random numbers so far */
    uint64_t requests; /* so far, that can be refused */
    uint64_t refuse;   /* this one, from 1; 0: none, */
    unsigned power;    /* but each with a probability of 1 in 2 to this power; 0: none */
};

/* The history with that number, from 0, begins. */
void thrum_faults_begin(struct faults *faults, uint64_t seed, uint64_t history);

/* What is dealt for a request of that kind at that place; 0: nothing. */
uint32_t thrum_faults_deal(struct faults *faults, uint32_t kind, uint64_t place);

/* Are requests of that kind refused at all? NULL: none are. */
bool thrum_faults_concern(const struct faults *faults, uint32_t kind);

#endif
