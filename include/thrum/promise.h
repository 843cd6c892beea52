/*
 * promise.h - a value that is set once, by any thread, and waited for by any
 * number of tasks.
 *
 * The value lies in the promise's maker's memory. Who makes a promise sets it,
 * fails it, or drops it; a dropped one is broken, so that nobody waits for ever.
 *
 *   class   lock-free once it is resolved; the wait list has a lock bit of its
 *           own: a thread stopped there delays only users of this promise
 */
#ifndef THRUM_PROMISE_H
#define THRUM_PROMISE_H

#include <thrum/types.h>

THRUM_BEGIN_DECLS

/* Its fields are the runtime's own. 48 bytes. Never copy one. */
typedef struct thrum_promise {
    void *first;
    void *last;
    uint32_t lock;
    uint32_t state;
    void *value;
    size_t bytes;
    int status;
    uint32_t unused;
} thrum_promise;

/* `value` has room for that many bytes, and lives as long as the promise; 0 bytes: no value. */
#define THRUM_PROMISE_INIT(value, bytes)         \
    {                                            \
        NULL, NULL, 0, 0, (value), (bytes), 0, 0 \
    }

/* Same as THRUM_PROMISE_INIT. */
THRUM_API void thrum_promise_init(thrum_promise *promise, void *value, size_t bytes);

/*
 * Nothing to free. If it was not resolved it is now, with THRUM_EBROKEN. The
 * memory must last until every thrum_promise_wait has returned.
 */
THRUM_API void thrum_promise_destroy(thrum_promise *promise);

/*
 * Resolve it: with a copy of *value; with a negative status; because nobody
 * will (THRUM_EBROKEN). Wakes all who wait.
 *
 *   context   task or any thread
 *   suspends  no
 *   returns   0; THRUM_ESTATE: it was resolved before, nothing has changed; fail: -EINVAL: the
 *             status is not negative
 */
THRUM_API int thrum_promise_set(thrum_promise *promise, const void *value);
THRUM_API int thrum_promise_fail(thrum_promise *promise, int status);
THRUM_API int thrum_promise_drop(thrum_promise *promise);

/*
 * Wait until it is resolved. *value, unless NULL, becomes a copy of the value
 * if there is one.
 *
 *   context   task
 *   suspends  unless it is; now and then even so, to let others run
 *   returns   0: there is a value; the status that it failed with; THRUM_EBROKEN;
 *             THRUM_ECANCELED; -ENOMEM
 */
THRUM_API THRUM_NODISCARD int thrum_promise_wait(thrum_promise *promise, void *value);

/* Is it resolved? Then *status, unless NULL, is as wait would return it. Any thread. */
THRUM_API bool thrum_promise_resolved(const thrum_promise *promise, int *status);

THRUM_END_DECLS

#endif
