/*
 * clock.h - time that only goes forward.
 */
#ifndef THRUM_PLAT_CLOCK_H
#define THRUM_PLAT_CLOCK_H

#include <stdint.h>

/* Nanoseconds since some fixed moment; never less than an earlier answer. */
int64_t thrum_clock_now(void);

/*
 * For tests: ns nanoseconds pass at once, for the whole process; the clock stops at INT64_MAX.
 * Who sleeps does not notice (see thrum_scheduler_stir).
 */
void thrum_clock_skip(int64_t ns);

#endif
