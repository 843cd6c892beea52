/*
 * seat.h - a thread that runs a worker, and may hand it to another thread.
 *
 * A task that is about to block gives its worker away: its own thread stays with the
 * task, in the middle of its stack, and a spare thread runs the worker in its
 * place. When the task is through, it leaves the thread, which makes it ready and is
 * a spare one from then on.
 */
#ifndef THRUM_SCHED_SEAT_H
#define THRUM_SCHED_SEAT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/plat/context.h"

struct scheduler;
struct worker;
struct fiber;

#define SEAT_LOOP_BYTES 16384

struct seat {
    struct scheduler *scheduler; /* constant */
    struct seat *next;           /* scheduler->spares_lock: while it is spare */
    pthread_t thread;
    uint32_t called;       /* atomic, futex: SEAT_* */
    struct worker *worker; /* whom it runs: by who calls, then the thread's own; NULL: nobody */
    struct fiber *fiber;   /* the thread's own: runs here without a worker; NULL: none does */
    struct context home;   /* the thread's own flow, while a fiber runs here */
    struct context loop;   /* on which such a fiber leaves; made when it is first needed, */
    char *loop_stack;      /* there */
};

/*
 * A thread that runs `worker` first, which is counted as awake already; NULL: a spare one.
 * `out` may be NULL. 0, -ENOMEM, -EAGAIN.
 */
int thrum_seat_make(struct scheduler *scheduler, struct worker *worker, const char *name,
                    struct seat **out);

/* Its thread has ended, or will: wait for that, and free it. */
void thrum_seat_join(struct seat *seat);

/* Controller, when no worker runs any more: the spare ones end. */
void thrum_seats_end(struct scheduler *scheduler);

/*
 * The calling task goes on without a worker, and may block; it must not wait or spawn. Its
 * worker is run by another thread. False: there is none, or none that could be had, and nothing
 * has changed.
 */
bool thrum_worker_give_away(void);

/* The task goes on on a worker. */
void thrum_worker_come_back(void);

/* Does a task run here without a worker? */
bool thrum_worker_given_away(void);

#endif
