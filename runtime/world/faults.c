/*
 * faults.c - dealing faults.
 *
 * What can be refused is refused in the first histories one after the other: the n-th
 * request in the n-th history, as long as a history makes so many. That is each error path once.
 * Afterwards a history has one fault anywhere, or several, or none, so that the
 * orders of a program that lacks nothing are explored as well.
 *
 * Places of the program's own are active or not for a whole history, as FoundationDB
 * has it: what goes wrong together now and then would hardly ever, if each time
 * were chosen for itself.
 */
#include "runtime/world/faults.h"

#include <thrum/fault.h>

#include "runtime/world/oracle.h"

#define REFUSABLE (THRUM_FAULT_MEMORY | THRUM_FAULT_THREAD)
#define POWER_LEAST 2
#define POWER_KINDS 5    /* 1 in 4 to 1 in 64 */
#define ACTIVE 4         /* one in so many places is, */
#define FIRES 4          /* and there one time in so many */
#define LATENCY_POWER 30 /* about 1 s */

static uint64_t random_below(struct faults *faults, uint64_t n)
{
    uint64_t word = sim_mix(faults->seed + ++faults->drawn * UINT64_C(0x9e3779b97f4a7c15));

    return (word >> 32) * n >> 32;
}

/* After each request was refused once. */
static void choose(struct faults *faults)
{
    switch (random_below(faults, 4)) {
    case 0:
        return;
    case 1:
        faults->refuse = 1 + random_below(faults, faults->most);
        return;
    default:
        faults->power = POWER_LEAST + (unsigned)random_below(faults, POWER_KINDS);
    }
}

void thrum_faults_begin(struct faults *faults, uint64_t seed, uint64_t history)
{
    if (faults->requests > faults->most)
        faults->most = faults->requests;
    faults->seed = sim_mix(seed ^ UINT64_C(0x6661756c7473));
    faults->drawn = 0;
    faults->requests = 0;
    faults->refuse = 0;
    faults->power = 0;
    if (history <= faults->most)
        faults->refuse = history; /* 0: the first is left alone */
    else if (faults->most > 0)
        choose(faults);
}

static uint32_t refuse(struct faults *faults)
{
    if (++faults->requests == faults->refuse)
        return 1;
    return faults->power && random_below(faults, (uint64_t)1 << faults->power) == 0;
}

static uint32_t buggify(struct faults *faults, uint64_t place)
{
    if (sim_mix(faults->seed ^ place) % ACTIVE != 0)
        return 0;
    return random_below(faults, FIRES) == 0;
}

bool thrum_faults_concern(const struct faults *faults, uint32_t kind)
{
    return faults && (faults->kinds & kind) && kind != THRUM_FAULT_LATENCY;
}

uint32_t thrum_faults_deal(struct faults *faults, uint32_t kind, uint64_t place)
{
    if (!(faults->kinds & kind))
        return 0;
    if (kind & REFUSABLE)
        return refuse(faults);
    if (kind == THRUM_FAULT_LATENCY)
        return 1 + (uint32_t)random_below(faults, LATENCY_POWER);
    return buggify(faults, place);
}
