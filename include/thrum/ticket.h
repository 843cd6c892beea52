/*
 * ticket.h - threads that run no task have tasks run: start them, wait for them,
 * cancel them.
 *
 *     thrum_ticket *ticket;
 *     int status = thrum_submit(runtime, fetch, &page, &ticket);
 *
 *     if (status)
 *         return status;
 *     do_something_else();
 *     thrum_ticket_wait(ticket, THRUM_FOREVER, &outcome);
 *     thrum_ticket_unref(ticket);
 *
 * What is submitted belongs to the runtime itself, as what thrum_runtime_run
 * runs does: thrum_runtime_cancel and SIGINT cancel it, and to close the runtime
 * cancels it and waits for its end.
 */
#ifndef THRUM_TICKET_H
#define THRUM_TICKET_H

#include <thrum/run.h>
#include <thrum/task.h>
#include <thrum/types.h>

THRUM_BEGIN_DECLS

/* Reference-counted; may outlive its task, and its runtime too. */
typedef struct thrum_ticket thrum_ticket;

/*
 * Run fn(arg) as a task on the runtime. *out is a handle, to be given back with
 * thrum_ticket_unref. What `arg` points to must last until the task has ended.
 *
 *   context   any thread, tasks of any runtime included
 *   suspends  no
 *   returns   0; THRUM_ESHUTDOWN: the runtime is closing; -ENOMEM; THRUM_ESTATE: in the child of
 *             a fork
 */
THRUM_API THRUM_NODISCARD int thrum_submit(thrum_runtime *runtime, thrum_fn fn, void *arg,
                                           thrum_ticket **out);

/*
 * The same without a handle: run something there, soon. If it fails, that is an error that
 * nobody took (run.h, `unhandled`).
 */
THRUM_API THRUM_NODISCARD int thrum_post(thrum_runtime *runtime, thrum_fn fn, void *arg);

/*
 * Wait until the task has ended, at most `patience` nanoseconds. That its time is up does
 * nothing to it. `outcome`, unless NULL, is then how it ended (the caller frees its error).
 *
 *   context   a thread that runs no task
 *   returns   0; THRUM_ETIMEOUT: it has not ended; -EINVAL: a negative patience; THRUM_ENESTED
 */
THRUM_API THRUM_NODISCARD int thrum_ticket_wait(thrum_ticket *ticket, int64_t patience,
                                                thrum_outcome *outcome);

/* Has it ended? Then *outcome, unless NULL, is how. Any thread. */
THRUM_API bool thrum_ticket_ended(const thrum_ticket *ticket, thrum_outcome *outcome);

/*
 * Cancel it, as thrum_scope_cancel does (scope.h).
 *
 *   context   any thread
 *   suspends  no
 *   returns   true: it will hear of it, unless it ends before; false: it has ended
 */
#define thrum_ticket_cancel(ticket, code, text) \
    thrum_ticket_cancel_at(ticket, code, text, __FILE__, __LINE__)
THRUM_API bool thrum_ticket_cancel_at(thrum_ticket *ticket, int code, const char *text,
                                      const char *file, int line);

/* One reference more, one less. The task goes on. NULL is allowed. Any thread. */
THRUM_API thrum_ticket *thrum_ticket_ref(thrum_ticket *ticket);
THRUM_API void thrum_ticket_unref(thrum_ticket *ticket);

/*
 * Run fn(arg) as a task on the runtime and wait for its end, as thrum_runtime_run does. If it
 * takes longer than `patience` nanoseconds, it is cancelled, and its end waited for all the same,
 * for it may use the caller's memory. With a patience of 0 fn is not called.
 *
 *   context   a thread that runs no task
 *   returns   what fn returned; THRUM_ETIMEOUT: it ended because its time was up; -EINVAL: a
 *             negative patience; what thrum_runtime_run says
 */
THRUM_API THRUM_NODISCARD int thrum_block_on(thrum_runtime *runtime, thrum_fn fn, void *arg,
                                             int64_t patience, thrum_error **errors);

THRUM_END_DECLS

#endif
