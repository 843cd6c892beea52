/*
 * completed.h - waiting for several tasks: until some have ended, or for one
 * after the other as they end.
 *
 * Neither cancels anything, and nothing that is waited for runs on the
 * caller's stack: who waits for a shorter time than the tasks take, by a
 * timeout around it (time.h), goes on in time.
 *
 *   class   lock-free but for the tasks' and an event's wait lists
 */
#ifndef THRUM_COMPLETED_H
#define THRUM_COMPLETED_H

#include <thrum/event.h>
#include <thrum/task.h>
#include <thrum/time.h>

THRUM_BEGIN_DECLS

/* When to return. */
#define THRUM_FIRST_COMPLETED 1u /* one has ended */
#define THRUM_FIRST_EXCEPTION 2u /* one has failed, being cancelled apart; or all have ended */
#define THRUM_ALL_COMPLETED 3u   /* all have ended */

/*
 * Wait until some of n tasks have ended, at most `duration` nanoseconds;
 * THRUM_FOREVER: without end. That the time is up is no error. *n_done, unless
 * NULL, is how many of them have ended then: ask each with thrum_task_ended.
 *
 *   context   task; the caller has a handle of each
 *   suspends  unless that is so already
 *   returns   0; THRUM_ECANCELED: the tasks go on; -EINVAL: n is 0, no such `when`, a negative
 *             duration; -EDEADLK: it could never be so, for a task that would have to end is
 *             the calling one, or waits for it to end; -ENOMEM
 */
THRUM_API THRUM_NODISCARD int thrum_wait(thrum_task *const *tasks, size_t n, unsigned when,
                                         int64_t duration, size_t *n_done);

/* One task that is waited for. Its fields are the library's own. */
typedef struct thrum_completion {
    thrum_done done;
    thrum_task *task; /* NULL: it stands in the list already */
    struct thrum_completed *all;
    struct thrum_completion *next;
    struct thrum_completion *head; /* of a chain of equal hashes, for finding duplicates, */
    struct thrum_completion *same; /* and the next in ours */
} thrum_completion;

/* Tasks as they end. Its fields are the library's own. */
typedef struct thrum_completed {
    thrum_event event;
    uint64_t arrived;        /* atomic: thrum_completion *, newest first */
    thrum_completion *ready; /* in order, to be handed out */
    thrum_completion *nodes;
    size_t n;
    size_t left; /* to be handed out, now or later */
} thrum_completed;

/*
 * Begin to wait for n tasks, for which `nodes` has room; all of it, and the
 * handles, must last until thrum_completed_end. One that stands there twice is
 * handed out once.
 *
 *     thrum_completed_begin(&all, nodes, tasks, n);
 *     while ((status = thrum_completed_next(&all, &task)) == 0)
 *         ...
 *     thrum_completed_end(&all);
 *
 *   context   any thread
 *   suspends  no
 */
THRUM_API void thrum_completed_begin(thrum_completed *all, thrum_completion *nodes,
                                     thrum_task *const *tasks, size_t n);

/*
 * The next one that has ended, in the order in which they do. One may stop in
 * the middle, after a cancel too, and go on later.
 *
 *   context   task; one at a time
 *   suspends  unless there is one
 *   returns   0; -ENOENT: all were handed out; THRUM_ECANCELED, -ENOMEM: none was handed out
 */
THRUM_API THRUM_NODISCARD int thrum_completed_next(thrum_completed *all, thrum_task **task);

/* No more of it. The tasks go on. Any thread; suspends: no. */
THRUM_API void thrum_completed_end(thrum_completed *all);

THRUM_END_DECLS

#endif
