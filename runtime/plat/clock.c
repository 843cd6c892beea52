/*
 * clock.c - the monotonic clock of the kernel, which keeps what clock.h says.
 */
#include "runtime/plat/clock.h"

#include <time.h>

int64_t thrum_clock_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail: the clock exists */
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
