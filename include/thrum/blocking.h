/*
 * blocking.h - a task blocks where it is, and another thread does its worker's work.
 *
 *     thrum_blocking blocking;
 *
 *     thrum_blocking_begin(&blocking);
 *     n = read(fd, buffer, sizeof buffer);
 *     thrum_blocking_end(&blocking);
 *
 * Between begin and end the task keeps its thread and its stack, and its worker goes on
 * on another thread, made if need be; so all other tasks do. It costs about as much as
 * thrum_to_thread (executor.h), which has limits and hears of cancels, and can be
 * abandoned; this needs no function of its own, and may use what stands on the task's
 * stack. The threads stay until the runtime closes: as many as there were such sections at
 * once.
 */
#ifndef THRUM_BLOCKING_H
#define THRUM_BLOCKING_H

#include <thrum/types.h>

THRUM_BEGIN_DECLS

/* Its fields are the runtime's own. In the caller's memory, from begin to end. */
typedef struct thrum_blocking {
    uint64_t away;
    void *locals;
} thrum_blocking;

/*
 * From here to the end the caller runs on one thread, as one that runs no task: it may block,
 * hold locks and use thread-local variables, and do what any thread may do; it sees its
 * task's locals (local.h). It must not spawn, wait, yield, or return from the task's
 * function: the process stops. If no thread can be had the section holds its worker up,
 * as it would have without; so it does in a guest (guest.h). A cancel is told after the end.
 *
 *   context   task
 *   suspends  no
 *   returns   0; -EAGAIN: there is no other thread for the worker. Go on all the same
 *   misuse    begin in a section: the process stops
 */
THRUM_API int thrum_blocking_begin(thrum_blocking *blocking);

/*
 * The task goes on on a worker, this one or another, when it is its turn.
 *
 *   context   the task, and the function, that began the section
 *   suspends  yes, and does not hear of cancels here
 *   misuse    no section has begun: the process stops
 */
THRUM_API void thrum_blocking_end(thrum_blocking *blocking);

THRUM_END_DECLS

#endif
