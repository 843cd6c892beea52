/*
 * poll.h - sleeping until a descriptor is ready, a time has come, or another
 * thread says so.
 *
 * Descriptors are registered with epoll_fd by whoever owns them, with any
 * data but 0, which is the wake's.
 */
#ifndef THRUM_PLAT_POLL_H
#define THRUM_PLAT_POLL_H

#include <stdint.h>

struct poll {
    int epoll_fd;
    int event_fd;
};

/* Returns 0 or a negative errno, and then nothing is open. */
int thrum_poll_init(struct poll *poll);
void thrum_poll_fini(struct poll *poll);

/*
 * Sleep at most timeout_ns nanoseconds; negative: for ever. Returns the number
 * of descriptors that are ready, which is 0 after a time-out, a wake or a
 * signal. A wake ends one sleep, now or later.
 */
int thrum_poll_wait(struct poll *poll, int64_t timeout_ns);

/* Any thread may call it, and a signal handler. */
void thrum_poll_wake(struct poll *poll);

#endif
