/*
 * gather.h - several calls at once, each as a task of its own: all of them, or
 * the first that succeeds.
 *
 *     thrum_call calls[] = {THRUM_CALL(fetch, &a), THRUM_CALL(fetch, &b)};
 *     int status = thrum_gather(calls, 2, THRUM_FAIL_FAST, 0, NULL);
 *
 * Nobody is left behind: both functions return when every call has ended, and
 * a cancel of the caller is a cancel of all of them. How each has ended stands
 * in its `outcome` then, in the order of the calls; of those that failed the
 * caller frees outcome.error. One that has not been started, because it was
 * all over before, counts as cancelled.
 *
 *   class   lock-free but for a limit's wait list: see group.h
 */
#ifndef THRUM_GATHER_H
#define THRUM_GATHER_H

#include <thrum/task.h>

THRUM_BEGIN_DECLS

typedef struct thrum_call {
    thrum_fn fn;
    void *arg;
    thrum_outcome outcome; /* when gather or race has returned */

    /* These are the library's own. */
    thrum_task *task;
    void *race;
} thrum_call;

#define THRUM_CALL(fn, arg)                          \
    {                                                \
        (fn), (arg), {THRUM_OK, 0, NULL}, NULL, NULL \
    }

/*
 * Make n calls at once, and wait for all of them. At most `limit` run at the
 * same time; 0: any number. With no calls it returns 0 at once.
 *
 *   THRUM_FAIL_FAST   the first that fails cancels the others
 *   THRUM_COLLECT     a failure is an outcome like any other
 *   THRUM_FIRST_OK    the first that succeeds cancels the others
 *
 * A call that was cancelled has neither failed nor succeeded. *errors is as in
 * thrum_group_close (group.h): NULL, or with THRUM_EGROUP all failures.
 *
 *   context   task
 *   suspends  until all have ended
 *   returns   0; THRUM_EGROUP: one has failed; none has succeeded (THRUM_FIRST_OK); never with
 *             THRUM_COLLECT; THRUM_ECANCELED: the caller was cancelled, or all calls were
 *             (THRUM_FIRST_OK); -EINVAL: no such policy, nothing was called; -ENOMEM: those
 *             that had been started were cancelled
 */
#define thrum_gather(calls, n, policy, limit, errors) \
    thrum_gather_at(calls, n, policy, limit, errors, THRUM_SITE)
THRUM_API THRUM_NODISCARD int thrum_gather_at(thrum_call *calls, size_t n, unsigned policy,
                                              uint32_t limit, thrum_error **errors,
                                              const struct thrum_site *site);

/*
 * Make the first of n calls; the next when `stagger` nanoseconds are over, or
 * at once when the one before has failed; and so on. The first that succeeds
 * cancels the others. *winner is its index, and n if there is none. A stagger
 * of 0: all at once; THRUM_FOREVER: only after failures.
 *
 * If none succeeds, all failures become what the calling task has to say if
 * it returns THRUM_EGROUP itself.
 *
 *   context   task
 *   suspends  until all that were started have ended
 *   returns   0: one has succeeded; THRUM_EGROUP: all have failed, or were cancelled;
 *             THRUM_ECANCELED: the caller was cancelled, or all calls were; -EINVAL: no calls,
 *             or a negative stagger, nothing was called; -ENOMEM: those that had been
 *             started were cancelled
 */
#define thrum_race(calls, n, stagger, winner) \
    thrum_race_at(calls, n, stagger, winner, THRUM_SITE)
THRUM_API THRUM_NODISCARD int thrum_race_at(thrum_call *calls, size_t n, int64_t stagger,
                                            size_t *winner, const struct thrum_site *site);

THRUM_END_DECLS

#endif
