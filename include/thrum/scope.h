/*
 * scope.h - cancellation: scopes, shields, requests and their reasons.
 *
 * A scope is a span of a task's execution that can be cancelled: whatever the
 * task does inside it, and all tasks of groups opened inside it. Groups
 * (group.h), timeouts (time.h), tasks with a handle (task.h) and whole
 * runtimes (run.h) are scopes as well; a thrum_scope is one that is nothing
 * else.
 *
 * A cancel is a request. It is delivered when a task below the scope suspends,
 * or is asleep: the call returns THRUM_ECANCELED, having had no effect, and
 * the task is expected to clean up and to return that status. It never
 * interrupts running code. Tasks that have not started never run. As in
 * asyncio a request is delivered once to each task, so that cleanup may suspend
 * again; in a scope with THRUM_LEVEL, as in Trio, every call that would
 * suspend returns THRUM_ECANCELED until the scope is left.
 *
 * Scopes, timeouts, shields and groups are closed by the task that opened
 * them, in reverse order of opening, before it ends; anything else stops the
 * process. They may be cancelled by any thread as long as they are open.
 */
#ifndef THRUM_SCOPE_H
#define THRUM_SCOPE_H

#include <thrum/detail/lane.h>
#include <thrum/types.h>

THRUM_BEGIN_DECLS

/* Its fields are the runtime's own. In the caller's memory, from begin to end. */
typedef struct thrum_scope thrum_scope;

typedef struct thrum_shield {
    struct thrum_scope scope;
    uint64_t unused;
} thrum_shield;

/* Why something was cancelled. */
typedef struct thrum_reason {
    int code;         /* the canceller's; THRUM_ETIMEOUT: a timeout; THRUM_EGROUP: a task of the
                         group failed; THRUM_EDEADLOCK; THRUM_ESHUTDOWN: the runtime closes */
    int line;         /* 0: unknown */
    const char *file; /* where the cancel was called; NULL: unknown. Constant */
    uint64_t task;    /* thrum_self of who called it; 0: no task */
    char text[64];    /* the canceller's, cut to fit */
} thrum_reason;

/* Flag for scopes and groups: deliver a cancel at every suspension, not once. */
#define THRUM_LEVEL 1u

/*
 * Open a scope. `flags`: 0 or THRUM_LEVEL.
 *
 *   context   task
 *   suspends  no
 *   returns   0; -EINVAL: an unknown flag
 */
THRUM_API THRUM_NODISCARD int thrum_scope_begin(thrum_scope *scope, unsigned flags);

/*
 * Close it. `status` is the caller's so far; if it is THRUM_ECANCELED and no
 * scope further out was cancelled as well, it becomes 0: the scope takes back
 * what it caused.
 *
 *   context   the task that opened it
 *   suspends  no
 *   returns   the status to go on with
 */
THRUM_API int thrum_scope_end(thrum_scope *scope, int status);

/* Has it been cancelled? While it is open, any thread; after end, the task that opened it. */
THRUM_API bool thrum_scope_cancelled(const thrum_scope *scope);

/*
 * Cancel an open scope: see above. Again: one more request. `code` and `text`
 * (NULL: none; copied) are for whoever asks why; those of the first request
 * stay.
 *
 *   context   any thread
 *   suspends  no
 */
#define thrum_scope_cancel(scope, code, text) \
    thrum_scope_cancel_at(scope, code, text, __FILE__, __LINE__)
THRUM_API void thrum_scope_cancel_at(thrum_scope *scope, int code, const char *text,
                                     const char *file, int line);

/*
 * Between begin and end nothing that is cancelled outside is delivered; it is
 * kept, and end reports it.
 *
 *   context   task
 *   suspends  no
 *   returns   end: 0, or THRUM_ECANCELED if a cancel was waiting; it is delivered now
 */
THRUM_API void thrum_shield_begin(thrum_shield *shield);
THRUM_API THRUM_NODISCARD int thrum_shield_end(thrum_shield *shield);

/*
 * A place to be cancelled at, for tasks that compute. It costs two loads. Now
 * and then it lets others run.
 *
 *   context   task
 *   suspends  now and then
 *   returns   0, THRUM_ECANCELED
 */
THRUM_API THRUM_NODISCARD int thrum_checkpoint(void);

/* Would a cancel be delivered now? Delivers nothing. Context: task. */
THRUM_API bool thrum_cancel_pending(void);

/*
 * Why the calling task was cancelled last. Context: task. Returns 0, or
 * -ENOENT if no cancel was delivered to it.
 */
THRUM_API int thrum_cancel_reason(thrum_reason *reason);

/*
 * How many requests thrum_task_cancel has made to the calling task and
 * thrum_uncancel has not taken back; and take one back: at 0 a request that
 * was not delivered is forgotten. Returns how many are left. Always 0 for
 * tasks without a handle.
 *
 *   context   task
 */
THRUM_API int thrum_cancelling(void);
THRUM_API int thrum_uncancel(void);

THRUM_END_DECLS

#endif
