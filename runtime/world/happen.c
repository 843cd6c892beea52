/* happen.c - announcing, waiting for its time, and being called off: see happen.h. */
#include "runtime/world/happen.h"

#include <errno.h>

#include "runtime/world/sim.h"

int thrum_happening_announce(struct sim *sim, struct happening *happening)
{
    thrum_happening_call_off(sim, happening);
    happening->player = thrum_sim_cause(sim, happening);
    if (!happening->player)
        return -ENOMEM;
    happening->state = HAPPENING_ANNOUNCED;
    return 0;
}

static void be_due(struct sim *sim, struct happening *happening)
{
    happening->state = HAPPENING_DUE;
    thrum_sim_arrive(sim, happening->player);
}

void thrum_happening_begin(struct sim *sim, struct happening *happening, int64_t delay)
{
    struct happening **place = &sim->later;

    ASSERT(happening->state == HAPPENING_ANNOUNCED);
    if (delay <= 0) {
        be_due(sim, happening);
        return;
    }
    happening->when = sim->now + delay;
    happening->state = HAPPENING_LATER;
    while (*place && (*place)->when <= happening->when)
        place = &(*place)->next;
    happening->next = *place;
    *place = happening;
}

static void take_out(struct sim *sim, struct happening *happening)
{
    struct happening **place = &sim->later;

    while (*place != happening)
        place = &(*place)->next;
    *place = happening->next;
}

void thrum_happening_call_off(struct sim *sim, struct happening *happening)
{
    if (happening->state == HAPPENING_NONE)
        return;
    if (happening->state == HAPPENING_LATER)
        take_out(sim, happening);
    if (happening->state == HAPPENING_DUE)
        thrum_sim_depart(sim, happening->player);
    thrum_sim_end(sim, happening->player);
    happening->player = NULL;
    happening->state = HAPPENING_NONE;
}

int64_t thrum_happenings_first(const struct sim *sim)
{
    return sim->later ? sim->later->when : INT64_MAX;
}

void thrum_happenings_pass(struct sim *sim)
{
    while (sim->later && sim->later->when <= sim->now) {
        struct happening *first = sim->later;

        sim->later = first->next;
        be_due(sim, first);
    }
}
