/*
 * fd.h - who waits for descriptors: see fd.c.
 */
#ifndef THRUM_TASK_FD_H
#define THRUM_TASK_FD_H

#include "runtime/sched/worker.h"

#define FD_CHUNKS 26 /* enough for all numbers */

/* Of a runtime. Zero-filled: there are none. */
struct fds {
    uint64_t chunks[FD_CHUNKS]; /* atomic: struct watch *, each twice as many as the one before */
};

/* The verb: see worker.h. */
void thrum_fd_polled(struct scheduler *scheduler, uint64_t key, uint32_t events);

/* At the runtime's end. */
void thrum_fds_free(struct fds *fds);

#endif
