/*
 * descriptors.h - the kernel's descriptors in a simulated world.
 *
 * The kernel says what is ready, and the oracle when that is noticed: whenever
 * somebody could go first, all that are waited for are looked at, without
 * waiting, and each that is found ready is something that may happen (happen.h), in
 * the order in which they were armed. What becomes ready by what tasks do, on pipes,
 * socket pairs, eventfds, is therefore the same each time.
 *
 * What comes from outside is not. It is waited for only while there is a hold
 * (thrum/hold.h), in real time.
 */
#ifndef THRUM_WORLD_DESCRIPTORS_H
#define THRUM_WORLD_DESCRIPTORS_H

#include <stddef.h>

#include "runtime/plat/poll.h"
#include "runtime/world/notice.h"

struct descriptor {
    struct notice notice;
    uint64_t order; /* of the last arming among all */
    bool network;   /* the kernel takes its time to bring what was sent to it */
};

/* Of a sim. Zero-filled: there are none. */
struct descriptors {
    struct descriptor **all; /* by number; NULL: nobody has waited for it */
    size_t count, capacity;
    struct descriptor **found; /* room for all */
    size_t found_capacity;
    uint64_t armings;
    uint64_t networks; /* how many have `network` */
    uint64_t outside;  /* how often the real world was waited for, in this history */
};

/* As thrum_poll_arm, for the running task, or for those that one has left waiting. */
int thrum_descriptors_arm(struct sim *sim, int fd, uint32_t events, uint64_t key, bool *known);

/* As thrum_poll_forget. */
void thrum_descriptors_forget(struct sim *sim, int fd);

/* Whatever is ready may happen. */
void thrum_descriptors_look(struct sim *sim);

/* Nobody can go on, and time is about to pass. True: the kernel still had something on its way. */
bool thrum_descriptors_settle(struct sim *sim);

/*
 * Nobody can go on, and there is a hold: until somebody outside has come, or a descriptor, or so
 * many nanoseconds have really passed (-1: however many).
 */
void thrum_descriptors_wait_outside(struct sim *sim, int64_t patience);

/* Nothing runs: a new history begins. */
void thrum_descriptors_restart(struct sim *sim);
void thrum_descriptors_fini(struct sim *sim);

#endif
