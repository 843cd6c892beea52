/*
 * retry.h - a call that is made again when it has failed, after longer and
 * longer waits.
 *
 * The wait doubles with each failure up to a cap, and a part of it is drawn by
 * lot, so that those who have failed together do not come back together
 * (Brooker, "Exponential Backoff and Jitter", AWS 2015: jitter 100 is the "full"
 * one of that article, 50 the "equal" one). All in integers; the generator is
 * splitmix64 (Steele, Lea, Flood 2014).
 *
 * A cancel is never retried, neither in an attempt nor in a wait.
 */
#ifndef THRUM_RETRY_H
#define THRUM_RETRY_H

#include <thrum/time.h>
#include <thrum/types.h>

THRUM_BEGIN_DECLS

/*
 * Is it worth another attempt? `attempt` is the one that has just failed, from
 * 1; `wait` what would be waited, in nanoseconds. A place for logging, too. Must
 * not suspend.
 */
typedef bool (*thrum_retry_fn)(int status, uint32_t attempt, int64_t wait, void *context);

typedef struct thrum_retry_options {
    uint32_t size;      /* sizeof(thrum_retry_options), set by THRUM_RETRY_OPTIONS_INIT */
    uint32_t attempts;  /* at most; 0: any number */
    int64_t base_ns;    /* the wait after the first failure, before the draw */
    int64_t cap_ns;     /* it is never longer than that, */
    uint32_t jitter;    /* and per cent of it are drawn: it is cut by 0 to so many. 0 to 100 */
    uint32_t unused;    /* 0 */
    int64_t attempt_ns; /* each attempt is cancelled after so long; THRUM_FOREVER: never */
    int64_t total_ns;   /* all of it is: see thrum_retry; THRUM_FOREVER: never */
    uint64_t seed;      /* of the draws; 0: another one each time */
    thrum_retry_fn retryable; /* NULL: every failure is */
    void *context;            /* for retryable */
} thrum_retry_options;

/* Three attempts, a second after the first and two after the second, a tenth of it drawn. */
#define THRUM_RETRY_OPTIONS_INIT                                                                 \
    {                                                                                            \
        sizeof(thrum_retry_options), 3, 1000000000, 60000000000, 10, 0, INT64_MAX, INT64_MAX, 0, \
            NULL, NULL                                                                           \
    }

/*
 * Call fn(arg), in the calling task, until it returns something else than a
 * failure: a negative status that is not THRUM_ECANCELED. `options` may be NULL:
 * those above. *attempts, unless NULL, is how often it was called.
 *
 * When total_ns are over, the attempt under way is cancelled. A wait that would
 * end later is not begun: the failure is told at once.
 *
 * What the calling task has to say of a failure (thrum_fail, and the errors of a group, error.h)
 * is forgotten when another attempt follows: the error of the last one is told.
 *
 *   context   task
 *   suspends  as fn does; between attempts
 *   returns   what fn returned last, a failure if it was the last attempt or not worth another;
 *             THRUM_ECANCELED; THRUM_ETIMEOUT: the last attempt took longer than attempt_ns, or
 *             total_ns are over; -EINVAL: an option is out of range, fn was not called; -ENOMEM
 */
THRUM_API THRUM_NODISCARD int thrum_retry(const thrum_retry_options *options, thrum_fn fn,
                                          void *arg, uint32_t *attempts);

/* The waits alone, for a loop of one's own. Its fields are the library's own. */
typedef struct thrum_backoff {
    int64_t next;
    int64_t base;
    int64_t cap;
    uint32_t jitter;
    uint32_t unused;
    uint64_t state;
} thrum_backoff;

/*
 * Of the options base_ns, cap_ns, jitter and seed count. `options` may be NULL.
 * Any thread. 0; -EINVAL.
 */
THRUM_API THRUM_NODISCARD int thrum_backoff_init(thrum_backoff *backoff,
                                                 const thrum_retry_options *options);

/* How long to wait this time, in nanoseconds. */
THRUM_API int64_t thrum_backoff_next(thrum_backoff *backoff);

/* All is well again: begin with the first wait. The draws go on. */
THRUM_API void thrum_backoff_reset(thrum_backoff *backoff);

THRUM_END_DECLS

#endif
