/*
 * fault.h - making the k-th call fail, for tests.
 *
 * A countdown of 0 is off; k makes the k-th call from now fail, and is off
 * afterwards; FAULT_ALWAYS makes all fail until it is set again. Set it while nobody
 * else counts.
 */
#ifndef THRUM_PLAT_FAULT_H
#define THRUM_PLAT_FAULT_H

#include <stdbool.h>

#include "runtime/atomic/verbs.h"

#define FAULT_ALWAYS UINT32_MAX

static inline bool fault_due(uint32_t *countdown)
{
    uint32_t left = load_relaxed(countdown); /* relaxed: a counter */

    while (left != 0) {
        if (left == FAULT_ALWAYS)
            return true;
        if (cas_relaxed(countdown, &left, left - 1)) /* relaxed: a counter */
            return left == 1;
    }
    return false;
}

#endif
