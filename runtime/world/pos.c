/*
 * pos.c - partial order sampling (Yuan, Yang, Gu: Partial Order Aware
 * Concurrency Sampling, CAV 2018).
 *
 * What every player is about to do has a random priority; the highest goes on.
 * When it has, all that race with it, by touching the same object, one of them
 * to change it, draw anew.
 */
#include <thrum/detail/point.h>

#include "runtime/world/strategies.h"

/* Its priority, drawn when it came to this point. Who has yielded goes behind all others. */
static uint64_t priority(struct sim *sim, struct player *player)
{
    if (player->stake.drawn != player->op + 1) {
        player->stake.drawn = player->op + 1;
        player->stake.priority = oracle_random(sim->oracle) | 1;
    }
    return player->yielded ? player->stake.priority >> 32 : player->stake.priority;
}

static size_t choose(void *self, struct sim *sim, const struct choice *choice)
{
    size_t best = 0;
    uint64_t most = priority(sim, choice_at(sim, choice, 0));

    (void)self;
    for (size_t i = 1; i < choice->count; i++) {
        uint64_t own = priority(sim, choice_at(sim, choice, i));

        if (own > most) {
            best = i;
            most = own;
        }
    }
    return best;
}

static bool races(const struct player *a, const struct player *b)
{
    return a->object_id != 0 && a->object_id == b->object_id &&
           (a->what != THRUM_POINT_READ || b->what != THRUM_POINT_READ);
}

static void turn(void *self, struct sim *sim, struct player *player)
{
    (void)self;
    for (size_t i = 0; i < sim->count; i++) {
        struct player *other = sim_waiting(sim, i);

        if (other != player && races(player, other))
            other->stake.drawn = 0;
    }
}

const struct strategy thrum_pos_strategy = {.choose = choose, .turn = turn};
