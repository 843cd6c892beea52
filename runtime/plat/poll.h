/*
 * poll.h - sleeping until a descriptor is ready, a time has come, or another
 * thread says so.
 *
 * Descriptors are armed for one event each: an arming that has brought one is
 * over. Each event goes to one of those who sleep and look.
 */
#ifndef THRUM_PLAT_POLL_H
#define THRUM_PLAT_POLL_H

#include <stdbool.h>
#include <stdint.h>

struct poll {
    int epoll_fd;
    int event_fd;
};

/* What a descriptor can be ready for. One that has failed or hung up is ready for both. */
enum { POLL_READ = 1, POLL_WRITE = 2, POLL_BOTH = 3 };

#define POLL_MOST 64 /* events that one look finds */

struct poll_event {
    uint64_t key;    /* of the arming */
    uint32_t events; /* POLL_* */
};

/* Returns 0 or a negative errno, and then nothing is open. */
int thrum_poll_init(struct poll *poll);
void thrum_poll_fini(struct poll *poll);

/*
 * Say once when the descriptor is ready for one of `events`; at once if it is already. An
 * arming of the same number before this one is over, though what it has found may still be on
 * its way. *known: a guess whether the descriptor has been armed before; becomes what was so. If a
 * number was known and is not any more, it has been closed meanwhile. A key is not 0. Returns 0;
 * -EBADF; -EPERM: one never waits for it, it is a file on a disk; -ENOMEM, -ENOSPC. After an
 * error nothing is armed.
 */
int thrum_poll_arm(struct poll *poll, int fd, uint32_t events, uint64_t key, bool *known);
/* Arm it no more. */
void thrum_poll_forget(struct poll *poll, int fd);

/* Is there a descriptor of this number? */
bool thrum_poll_valid(int fd);

/* Any thread. For which of `events` it is ready now, always for a file on a disk; or -EBADF. */
int thrum_poll_peek(int fd, uint32_t events);

/*
 * Sleep at most timeout_ns nanoseconds; negative: for ever. Returns the number of descriptors that
 * were found ready, which is 0 after a time-out, a wake or a signal. A wake ends one sleep, now or
 * later. One thread at a time.
 */
int thrum_poll_wait(struct poll *poll, int64_t timeout_ns, struct poll_event found[POLL_MOST]);

/* Any thread. The same without sleeping, and a wake is left for who sleeps. */
int thrum_poll_look(struct poll *poll, struct poll_event found[POLL_MOST]);

/* Any thread may call it, and a signal handler. */
void thrum_poll_wake(struct poll *poll);

#endif
