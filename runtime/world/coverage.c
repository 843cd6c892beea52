/* coverage.c - a bit for each pair. For want of memory nothing is new. */
#include "runtime/world/coverage.h"

#include "runtime/plat/memory.h"
#include "runtime/world/sim.h"

#define EXACT 32 /* points of a task that are told apart */

void thrum_coverage_fini(struct coverage *coverage)
{
    thrum_memory_put(coverage->seen);
    thrum_memory_put(coverage->last);
}

void thrum_coverage_begin(struct coverage *coverage)
{
    if (!coverage->seen)
        coverage->seen = thrum_memory_get(COVERAGE_BITS / 8, 64);
    coverage->age++;
    coverage->fresh = 0;
}

static struct coverage_last *last_of(struct coverage *coverage, uint32_t object)
{
    while (object >= coverage->last_count)
        if (!thrum_memory_reserve(&coverage->last, coverage->last_count, &coverage->last_count,
                                  sizeof *coverage->last))
            return NULL;
    return &coverage->last[object];
}

static uint64_t event_of(const struct player *player)
{
    uint32_t op = player->op;

    if (op >= EXACT)
        op = EXACT + (31 - (uint32_t)__builtin_clz(op));
    return sim_mix(player->id ^ (uint64_t)op << 8 ^ player->what);
}

static void note(struct coverage *coverage, uint64_t pair)
{
    size_t bit = (size_t)pair % COVERAGE_BITS;
    uint64_t *word = &coverage->seen[bit / 64];

    if (*word >> bit % 64 & 1)
        return;
    *word |= (uint64_t)1 << bit % 64;
    coverage->fresh++;
    coverage->pairs++;
}

void thrum_coverage_turn(struct coverage *coverage, const struct player *player)
{
    struct coverage_last *last;
    uint64_t event;

    if (player->object_id == 0 || !coverage->seen)
        return;
    last = last_of(coverage, player->object_id);
    if (!last)
        return;
    event = event_of(player);
    if (last->age == coverage->age && last->player != player->id)
        note(coverage, sim_mix(3 * last->event + event));
    *last = (struct coverage_last){player->id, event, coverage->age};
}
