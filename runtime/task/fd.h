/*
 * fd.h - who waits for descriptors: see fd.c.
 */
#ifndef THRUM_TASK_FD_H
#define THRUM_TASK_FD_H

#include "runtime/sched/worker.h"
#include "runtime/task/waiters.h"

#define FD_CHUNKS 26 /* enough for all numbers */

/* Who waits for a descriptor. Zero-filled: nobody has. */
struct watch {
    struct waiters list; /* a waiter's stamp: what it waits for; its item: what has come */
    uint64_t posted;     /* atomic: generation of the last arming, and what it has found */
    uint32_t fd;         /* atomic: its number, if there was a select for it */
    bool known;          /* lock: the poller knows the number, as far as we know */
    struct woken woken;  /* lock: claimed, and to be made ready when it is left */
};

/* Of a runtime. Zero-filled: there are none. */
struct fds {
    /* Atomic: struct watch *, each twice as many as the one before; the kernel's, a world's own. */
    uint64_t chunks[2][FD_CHUNKS];
    struct watch none;          /* of numbers that are no descriptors */
};

/* The verb: see worker.h. */
void thrum_fd_polled(struct scheduler *scheduler, uint64_t key, uint32_t events);

/* What has come to a waiter that was claimed, or was ready: events, or a status. */
int thrum_fd_result(const struct waiter *self);

/*
 * For sync/select.c. The watch of a descriptor, which begins with its list. 0, -EINVAL: events,
 * -ENOMEM. Its lock is left by thrum_fd_unlock. A glance is without it.
 */
int thrum_fd_select(int fd, uint32_t events, void **watch);
bool thrum_fd_glance(int fd, uint32_t events);
void thrum_fd_unlock(void *watch);
extern const struct waiters_kind thrum_fd_waiters;

/* At the runtime's end. */
void thrum_fds_free(struct fds *fds);

#endif
