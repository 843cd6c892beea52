/*
 * notice.h - that a descriptor is ready, and that it is noticed: what the kernel's
 * descriptors and the simulated ones share.
 *
 * An arming is for one event (sched/worker.h). When that has come it is something that
 * may happen (happen.h), and its happening tells who has armed. It may be late: with
 * THRUM_FAULT_LATENCY by a time that was drawn when it was armed.
 */
#ifndef THRUM_WORLD_NOTICE_H
#define THRUM_WORLD_NOTICE_H

#include "runtime/world/happen.h"

/* Zero-filled: nothing is armed. */
struct notice {
    struct happening noticed; /* first */
    uint64_t armed;           /* key of the last arming */
    uint64_t key;             /* of the arming that has found something, */
    uint32_t events;          /* and what */
    int64_t delay;            /* between becoming ready and being noticed */
};

/* By the running player. 0 or -ENOMEM. */
int thrum_notice_arm(struct sim *sim, struct notice *notice, uint64_t key);

/*
 * What was armed with this key has come. True: it is to begin; false: it was found before and is
 * not noticed yet, or it is of an arming that is no more.
 */
bool thrum_notice_found(struct notice *notice, uint64_t key, uint32_t events);
void thrum_notice_begin(struct sim *sim, struct notice *notice);

/* How long something takes, in ns, if latency is explored; else 0. For the running player. */
int64_t thrum_latency(struct sim *sim);

#endif
