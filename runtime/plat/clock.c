/*
 * clock.c - the monotonic clock of the kernel, which keeps what clock.h says,
 * and what tests have skipped.
 */
#include "runtime/plat/clock.h"

#include <time.h>

#include "runtime/atomic/verbs.h"

static uint64_t skipped; /* atomic: ns, at most INT64_MAX */

static int64_t sum(int64_t a, int64_t b)
{
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}

int64_t thrum_clock_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail: the clock exists */
    /* relaxed: a number only */
    return sum((int64_t)now.tv_sec * 1000000000 + now.tv_nsec, (int64_t)load_relaxed(&skipped));
}

void thrum_clock_skip(int64_t ns)
{
    uint64_t seen = load_relaxed(&skipped); /* relaxed: a guess */

    while (!cas_relaxed(&skipped, &seen, (uint64_t)sum((int64_t)seen, ns)))
        ; /* relaxed: a number only */
}
