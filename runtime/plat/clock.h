/*
 * clock.h - time that only goes forward.
 */
#ifndef THRUM_PLAT_CLOCK_H
#define THRUM_PLAT_CLOCK_H

#include <stdint.h>

/* Nanoseconds since some fixed moment; never less than an earlier answer. */
int64_t thrum_clock_now(void);

#endif
