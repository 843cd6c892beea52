/*
 * twice.h - THRUM_EXPLORE_TWICE: a run is repeated from its text, with all changed that it must not
 * depend on (perturb.h), and compared with the first, step by step (world/twin.h).
 */
#ifndef THRUM_EXPLORE_TWICE_H
#define THRUM_EXPLORE_TWICE_H

#include "runtime/explore/perturb.h"
#include "runtime/explore/explorer.h"
#include "runtime/world/twin.h"

struct twice {
    struct twin twin;
    struct perturbed perturbed;
    uint64_t seed; /* of this run's changes */
};

/* 0 or -ENOMEM. */
int thrum_twice_init(struct explorer *explorer);
void thrum_twice_fini(struct explorer *explorer);

/* The first run begins, of this number; it has ended. */
void thrum_twice_begin(struct explorer *explorer, uint64_t run);
void thrum_twice_leave(struct explorer *explorer);

/*
 * It had this status: once more. 0: it was the same; THRUM_EDIVERGED: the result says where it
 * was not, and so does a line on standard error; -ENOMEM.
 */
int thrum_twice_end(struct explorer *explorer, const struct oracle *oracle, int status,
                    thrum_explore_result *result);

#endif
