/* notice.c - see notice.h. */
#include "runtime/world/notice.h"

#include <thrum/fault.h>

#include "runtime/world/sim.h"

#define LATENCY_MOST 60 /* as a power of two */

static void happens(struct sim *sim, struct happening *happening)
{
    struct notice *notice = container_of(happening, struct notice, noticed);

    if (notice->key != notice->armed && thrum_happening_announce(sim, happening))
        thrum_panic("a simulated world has no memory for what happens");
    sim->inner->polled(sim->worker->scheduler, notice->key, notice->events);
}

int64_t thrum_latency(struct sim *sim)
{
    uint32_t power = thrum_oracle_fault(sim->oracle, sim, sim->running, THRUM_FAULT_LATENCY, 0);

    return power ? (int64_t)1 << (power < LATENCY_MOST ? power : LATENCY_MOST) : 0;
}

int thrum_notice_arm(struct sim *sim, struct notice *notice, uint64_t key)
{
    int err = 0;

    notice->noticed.happens = happens;
    if (notice->noticed.state <= HAPPENING_ANNOUNCED)
        err = thrum_happening_announce(sim, &notice->noticed);
    if (err)
        return err;
    notice->armed = key;
    notice->delay = thrum_latency(sim);
    return 0;
}

bool thrum_notice_found(struct notice *notice, uint64_t key, uint32_t events)
{
    if (key != notice->armed)
        return false;
    notice->key = key;
    notice->events = events;
    return notice->noticed.state == HAPPENING_ANNOUNCED;
}

void thrum_notice_begin(struct sim *sim, struct notice *notice)
{
    thrum_happening_begin(sim, &notice->noticed, notice->delay);
}
