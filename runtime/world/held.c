/* held.c - a list, for the last that was locked is most often the first to be unlocked. */
#include "runtime/world/held.h"

#include "runtime/plat/memory.h"
#include "runtime/world/sim.h"

void thrum_held_fini(struct held_locks *held)
{
    thrum_memory_put(held->locks);
}

void thrum_held_add(struct sim *sim, struct player *player, struct held_lock lock)
{
    struct held_locks *held = &sim->held;

    if (held->count == held->capacity &&
        !thrum_memory_reserve(&held->locks, held->count, &held->capacity, sizeof *held->locks)) {
        sim->out_of_memory = true;
        return;
    }
    player->references++; /* to be named, even if it ends */
    lock.player = player;
    held->locks[held->count++] = lock;
}

static void forget(struct sim *sim, size_t index)
{
    struct held_locks *held = &sim->held;
    struct player *player = held->locks[index].player;

    held->count--;
    for (; index < held->count; index++)
        held->locks[index] = held->locks[index + 1];
    thrum_sim_unref(sim, player);
}

void thrum_held_drop(struct sim *sim, const void *object)
{
    for (size_t i = sim->held.count; i-- > 0;)
        if (sim->held.locks[i].object == object) {
            forget(sim, i);
            return;
        }
}

void thrum_held_clear(struct sim *sim)
{
    while (sim->held.count > 0)
        forget(sim, sim->held.count - 1);
}
