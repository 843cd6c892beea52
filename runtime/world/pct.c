/*
 * pct.c - probabilistic concurrency testing (Burckhardt, Kothari, Musuvathi,
 * Nagarakatte: A Randomized Scheduler with Probabilistic Guarantees of Finding
 * Bugs, ASPLOS 2010).
 *
 * Every player has a random priority; the highest goes on. At depth - 1 random
 * places the one that runs is put below all others. A bug of that depth is
 * found with a probability of at least 1 / (players * length ^ (depth - 1)).
 * Who yields goes below all others too, and who goes on for longer than whole histories
 * are, or a spinning player would starve them.
 */
#include "runtime/world/strategies.h"

#define PATIENCE 16
#define ABOVE ((uint64_t)1 << 63) /* priorities that were drawn; below it those that were lowered */

static void begin(void *self, struct sim *sim)
{
    struct pct *pct = self;

    pct->choices = 0;
    pct->low = ABOVE;
    for (unsigned i = 0; i + 1 < pct->depth; i++)
        pct->change[i] = pct->length ? oracle_below(sim->oracle, pct->length) : 0;
}

static void born(void *self, struct sim *sim, struct player *player)
{
    (void)self;
    player->stake.priority = oracle_random(sim->oracle) | ABOVE;
}

static size_t highest(const struct sim *sim, const struct choice *choice)
{
    size_t best = 0;

    for (size_t i = 1; i < choice->count; i++)
        if (choice_at(sim, choice, i)->stake.priority >
            choice_at(sim, choice, best)->stake.priority)
            best = i;
    return best;
}

static size_t choose(void *self, struct sim *sim, const struct choice *choice)
{
    struct pct *pct = self;
    uint64_t at = pct->choices++, patience = pct->shortest + PATIENCE;

    for (size_t i = 0; i < choice->count; i++) {
        struct player *player = choice_at(sim, choice, i);

        bool last = i == choice->count - 1; /* it has just arrived */

        if ((player->yielded && (last || player->stake.priority >= ABOVE)) ||
            (player == choice->runs && sim->streak > patience))
            player->stake.priority = --pct->low;
    }
    for (unsigned i = 0; i + 1 < pct->depth; i++)
        if (pct->change[i] == at)
            choice_at(sim, choice, highest(sim, choice))->stake.priority = --pct->low;
    return highest(sim, choice);
}

static void end(void *self, struct sim *sim)
{
    struct pct *pct = self;

    if (sim->steps < pct->shortest || pct->shortest == 0)
        pct->shortest = sim->steps;
    if (pct->choices > pct->length)
        pct->length = pct->choices;
}

const struct strategy thrum_pct_strategy = {
    .begin = begin, .born = born, .choose = choose, .end = end};
