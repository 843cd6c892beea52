/*
 * time.h - the clock, sleeping, and deadlines.
 *
 * A duration is an int64_t in nanoseconds. A point in time is a thrum_time,
 * and so cannot be mixed up with one. Sums saturate: what would lie beyond the
 * end of the range never comes.
 */
#ifndef THRUM_TIME_H
#define THRUM_TIME_H

#include <thrum/scope.h>
#include <thrum/types.h>

THRUM_BEGIN_DECLS

/* A point in time on the monotonic clock. */
typedef struct thrum_time {
    int64_t ns;
} thrum_time;

/* The duration that does not end. */
#define THRUM_FOREVER INT64_MAX

/* Durations in nanoseconds; too large ones last for ever. */
static inline int64_t thrum_scaled(int64_t n, int64_t unit)
{
    return n > INT64_MAX / unit ? INT64_MAX : n < INT64_MIN / unit ? INT64_MIN : n * unit;
}

static inline int64_t thrum_us(int64_t n)
{
    return thrum_scaled(n, 1000);
}

static inline int64_t thrum_ms(int64_t n)
{
    return thrum_scaled(n, 1000000);
}

static inline int64_t thrum_s(int64_t n)
{
    return thrum_scaled(n, 1000000000);
}

static inline thrum_time thrum_never(void)
{
    thrum_time never = {INT64_MAX};

    return never;
}

/* `at`, and `duration` more. */
static inline thrum_time thrum_later(thrum_time at, int64_t duration)
{
    thrum_time sum;

    if (at.ns == INT64_MAX || duration == INT64_MAX)
        return thrum_never();
    if (__builtin_add_overflow(at.ns, duration, &sum.ns))
        sum.ns = duration > 0 ? INT64_MAX : INT64_MIN;
    return sum;
}

/* The duration from `from` to `to`. */
static inline int64_t thrum_between(thrum_time from, thrum_time to)
{
    int64_t difference;

    if (to.ns == INT64_MAX)
        return INT64_MAX;
    if (__builtin_sub_overflow(to.ns, from.ns, &difference))
        difference = to.ns > from.ns ? INT64_MAX : INT64_MIN;
    return difference;
}

/* Now; and `duration` from now. Any thread. */
THRUM_API thrum_time thrum_now(void);
THRUM_API thrum_time thrum_in(int64_t duration);

/*
 * Sleep for `duration` nanoseconds, or until `when`; never less. A duration of
 * 0 and a point in the past are a yield.
 *
 *   context   task
 *   suspends  yes
 *   returns   0; THRUM_ECANCELED; -EINVAL: a negative duration; -ENOMEM
 */
THRUM_API THRUM_NODISCARD int thrum_sleep(int64_t duration);
THRUM_API THRUM_NODISCARD int thrum_sleep_until(thrum_time when);

/* Its fields are the runtime's own. In the caller's memory, from begin to end. */
typedef struct thrum_timeout {
    struct thrum_scope scope;
    uint64_t deadline; /* atomic: struct deadline * */
    uint64_t key;      /* atomic, owner */
    int64_t when;      /* atomic, owner */
    uint32_t state;
    uint32_t unused;
} thrum_timeout;

/*
 * Open a scope that is cancelled when its time is up. With a duration of 0, or
 * a point in the past, the task runs on to its first suspension, and is
 * cancelled there. THRUM_FOREVER and thrum_never(): it does not expire.
 *
 *   context   task
 *   suspends  no
 *   returns   0; -EINVAL: a negative duration; -ENOMEM
 */
THRUM_API THRUM_NODISCARD int thrum_timeout_begin(thrum_timeout *timeout, int64_t duration);
THRUM_API THRUM_NODISCARD int thrum_timeout_begin_at(thrum_timeout *timeout, thrum_time when);

/*
 * Give it another time, from now.
 *
 *   context   the task that opened it
 *   returns   0; -EINVAL, -ENOMEM: as before; THRUM_ESTATE: it has expired, nothing has changed
 */
THRUM_API THRUM_NODISCARD int thrum_timeout_reschedule(thrum_timeout *timeout, int64_t duration);
THRUM_API THRUM_NODISCARD int thrum_timeout_reschedule_at(thrum_timeout *timeout, thrum_time when);

/*
 * Close it. `status` is the caller's so far. If it is THRUM_ECANCELED, the
 * timeout has expired, and no scope further out was cancelled as well, it
 * becomes THRUM_ETIMEOUT; of nested ones that expired only the outermost says
 * so. Any other status stays as it is.
 *
 *   context   the task that opened it
 *   suspends  no
 *   returns   the status to go on with
 */
THRUM_API int thrum_timeout_end(thrum_timeout *timeout, int status);

/* Has it expired? Its time? By the task that opened it, after end too. */
THRUM_API bool thrum_timeout_expired(const thrum_timeout *timeout);
THRUM_API thrum_time thrum_timeout_when(const thrum_timeout *timeout);

/*
 * When a timeout will cancel the calling task: the earliest of those around it,
 * its own and those of the tasks to which it belongs, out to the innermost
 * shield; thrum_never() if there is none. For what has a limit of its own,
 * poll(2) on another thread, or a request to a server.
 *
 *   context   task
 *   suspends  no; looks at every scope around the task
 */
THRUM_API thrum_time thrum_deadline(void);

/*
 * Run fn(arg) with a timeout around it. With a duration of 0 it is not called.
 *
 *   context   task
 *   suspends  as fn does
 *   returns   what fn returned; THRUM_ETIMEOUT: it ended cancelled because its time was up;
 *             -EINVAL: a negative duration; -ENOMEM
 */
THRUM_API THRUM_NODISCARD int thrum_wait_for(thrum_fn fn, void *arg, int64_t duration);

THRUM_END_DECLS

#endif
