/* notice.c - see notice.h. */
#include "runtime/world/notice.h"

#include <thrum/fault.h>

#include "runtime/plat/races.h"
#include "runtime/world/sim.h"

#define BELOW 16384 /* bytes of the loop's stack that are used for that */
#define LATENCY_MOST 60 /* as a power of two */

/* For those who look for races it is the kernel that does it: no task, but it has locks as they. */
static void tell(const struct task_verbs *verbs, struct worker *worker, uint64_t key,
                 uint32_t events)
{
    struct scheduler *scheduler = worker->scheduler;
    const struct sanitizer_fiber *loop = &worker->loop.sanitizer;
    char *here = __builtin_frame_address(0); /* others have been here before, on the loop */
    bool races = world_races(worker->world);

    if (races)
        thrum_identity_begin(here - BELOW, here, &scheduler->world);
    verbs->polled(scheduler, key, events);
    if (races) {
        sanitizer_release(scheduler);
        thrum_identity_end(loop);
    }
}

static void happens(struct sim *sim, struct happening *happening)
{
    struct notice *notice = container_of(happening, struct notice, noticed);

    if (notice->key != notice->armed && thrum_happening_announce(sim, happening))
        thrum_panic("a simulated world has no memory for what happens");
    tell(sim->inner, sim->worker, notice->key, notice->events);
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
