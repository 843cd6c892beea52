/*
 * condition.h - waiting, with a mutex, until something that it guards changes.
 *
 *     while (!ready && !status)
 *         status = thrum_cond_wait(&cond, &mutex);
 *
 * Wake-ups may be for no reason: always ask again. thrum_cond_await does.
 *
 *   class   the wait list has a lock bit of its own: a thread stopped there
 *           delays only users of this condition
 */
#ifndef THRUM_CONDITION_H
#define THRUM_CONDITION_H

#include <thrum/mutex.h>
#include <thrum/types.h>

THRUM_BEGIN_DECLS

/* Its fields are the runtime's own. 24 bytes. Never copy one. */
typedef struct thrum_cond {
    void *first;
    void *last;
    uint32_t lock;
    uint32_t state;
} thrum_cond;

#define THRUM_COND_INIT     \
    {                       \
        NULL, NULL, 0, 0    \
    }

/* Same as THRUM_COND_INIT. */
THRUM_API void thrum_cond_init(thrum_cond *cond);

/*
 * Nothing to free, but call it before the memory goes: the last notify may still be about to leave.
 * Misuse: a task still waits; the process stops.
 */
THRUM_API void thrum_cond_destroy(thrum_cond *cond);

/*
 * Unlock the mutex, sleep until notified, and lock it again, in any case: after
 * a cancel too. A task that was notified and cancelled at once passes the
 * notification on. Several conditions may share a mutex.
 *
 *   context   the task that has locked the mutex
 *   suspends  yes
 *   returns   0; THRUM_ECANCELED; -ENOMEM: it has not waited
 *   misuse    the calling task has not locked the mutex: the process stops
 */
THRUM_API THRUM_NODISCARD int thrum_cond_wait(thrum_cond *cond, thrum_mutex *mutex);

/*
 * Wait until predicate(arg) is true: the loop above in one call (asyncio's Condition.wait_for). The
 * predicate is asked at once, and again after each wake-up, by the calling task, with the mutex
 * locked; it must not unlock it.
 *
 *   context   the task that has locked the mutex, and has it again on every return
 *   suspends  unless the predicate is true at once
 *   cancel    ends it; the predicate may have become true meanwhile
 *   returns   0: it is true; THRUM_ECANCELED; -ENOMEM: it has not waited (again)
 *   misuse    the calling task has not locked the mutex: the process stops
 */
THRUM_API THRUM_NODISCARD int thrum_cond_await(thrum_cond *cond, thrum_mutex *mutex,
                                               bool (*predicate)(void *arg), void *arg);

/*
 * Wake at most n of those who wait, in the order in which they came; all of
 * them.
 *
 *   context   task or any thread; usually with the mutex locked
 *   suspends  no
 */
THRUM_API void thrum_cond_notify(thrum_cond *cond, size_t n);
THRUM_API void thrum_cond_notify_all(thrum_cond *cond);

THRUM_END_DECLS

#endif
