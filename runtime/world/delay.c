/*
 * delay.c - the default order, but for a few delays at random places (Emmi, Qadeer, Rakamaric:
 * Delay-Bounded Scheduling, POPL 2011, by chance instead of one after the other).
 */
#include "runtime/world/strategies.h"

static void begin(void *self, struct sim *sim)
{
    struct delaying *delaying = self;

    delaying->choices = 0;
    for (unsigned i = 0; i < delaying->delays; i++)
        delaying->at[i] = delaying->length ? oracle_below(sim->oracle, delaying->length) : 0;
}

static size_t choose(void *self, struct sim *sim, const struct choice *choice)
{
    struct delaying *delaying = self;
    uint64_t at = delaying->choices++;

    for (unsigned i = 0; i < delaying->delays; i++)
        if (delaying->at[i] == at)
            return 1 + oracle_below(sim->oracle, choice->count - 1);
    return 0;
}

static void end(void *self, struct sim *sim)
{
    struct delaying *delaying = self;

    (void)sim;
    if (delaying->choices > delaying->length)
        delaying->length = delaying->choices;
}

const struct strategy thrum_delay_strategy = {.begin = begin, .choose = choose, .end = end};
