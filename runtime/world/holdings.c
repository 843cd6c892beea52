/*
 * holdings.c - who has what, of objects that do not know it themselves: locks for reading, permits.
 * For reports, and for who looks at what a history has left (explore/left.c); nothing is decided by it.
 */
#include "runtime/plat/memory.h"
#include "runtime/world/sim.h"

/* Of the player, or of anybody if it has none. */
static struct holding *find(struct sim *sim, const void *object, const struct player *player)
{
    struct holding *any = NULL;

    for (size_t i = 0; i < sim->holdings_count; i++) {
        struct holding *holding = &sim->holdings[i];

        if (holding->object != object)
            continue;
        if (holding->player == player->id)
            return holding;
        any = holding;
    }
    return any;
}

static void add(struct sim *sim, const struct player *player, const void *object, const char *what,
                uint32_t n)
{
    struct holding *holding = find(sim, object, player);

    if (holding && holding->player == player->id) {
        holding->n += n;
        return;
    }
    if (!thrum_memory_reserve(&sim->holdings, sim->holdings_count, &sim->holdings_capacity,
                              sizeof *sim->holdings))
        return;
    holding = &sim->holdings[sim->holdings_count++];
    *holding = (struct holding){.object = object, .what = what, .player = player->id, .n = n};
    thrum_player_path(player, holding->path, sizeof holding->path);
}

/* Whoever gives back what another has taken gives it back for that one. */
static void subtract(struct sim *sim, const struct player *player, const void *object, uint32_t n)
{
    struct holding *holding;

    while (n > 0 && (holding = find(sim, object, player)) != NULL) {
        uint32_t less = holding->n < n ? holding->n : n;

        n -= less;
        holding->n -= less;
        if (holding->n == 0)
            *holding = sim->holdings[--sim->holdings_count];
    }
}

void thrum_sim_has(struct sim *sim, const struct player *player, const void *object,
                   const char *what, int n)
{
    if (n > 0)
        add(sim, player, object, what, (uint32_t)n);
    else
        subtract(sim, player, object, (uint32_t)-n);
}
