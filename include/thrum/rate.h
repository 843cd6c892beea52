/*
 * rate.h - so many in so much time: a rate limiter.
 *
 *     static thrum_rate rate = THRUM_RATE_INIT(10, 1000000000, 5); // 10 a second, 5 at once
 *
 *     status = thrum_rate_acquire(&rate, 1);
 *
 * A token bucket: it fills with `n` tokens in every `period`, and holds at most
 * `burst` of them; it begins full. What is kept of it is one point in time, at
 * which the bucket will be full again (the generic cell rate algorithm, ITU-T
 * I.371). Whoever acquires moves it on in one atomic step, and so reserves a
 * time of its own; then it sleeps until then, and holds nothing meanwhile. So
 * reservations are served in the order in which they were made.
 *
 * For how many may do something at the same time take a semaphore
 * (semaphore.h): that is another question.
 *
 *   class   lock-free
 */
#ifndef THRUM_RATE_H
#define THRUM_RATE_H

#include <thrum/time.h>
#include <thrum/types.h>

THRUM_BEGIN_DECLS

/* Its fields are the library's own. 32 bytes. Never copy one. */
typedef struct thrum_rate {
    uint64_t full_at; /* atomic: int64_t ns */
    int64_t interval; /* of one token, ns */
    int64_t burst;
    uint64_t unused;
} thrum_rate;

/* n in every period_ns, all at least 1; the time for each is rounded up to whole nanoseconds. */
#define THRUM_RATE_INIT(n, period_ns, burst)     \
    {                                            \
        0, ((period_ns)-1) / (n) + 1, (burst), 0 \
    }

/* Same as THRUM_RATE_INIT. 0; -EINVAL: an argument is less than 1. */
THRUM_API THRUM_NODISCARD int thrum_rate_init(thrum_rate *rate, int64_t n, int64_t period_ns,
                                              int64_t burst);

/* Nothing to free. No task may be waiting. */
THRUM_API void thrum_rate_destroy(thrum_rate *rate);

/*
 * Take n tokens; sleep until they are there. A call that is cancelled has taken
 * none if nobody has reserved after it; else its tokens are lost, for those who
 * came after it have their times already.
 *
 *   context   task
 *   suspends  until its time; now and then even so, to let others run
 *   returns   0; THRUM_ECANCELED; -EINVAL: n is less than 1 or more than the burst; -ENOMEM
 */
THRUM_API THRUM_NODISCARD int thrum_rate_acquire(thrum_rate *rate, int64_t n);

/* The same, unless it would take longer than `patience`: -EAGAIN then, at once. */
THRUM_API THRUM_NODISCARD int thrum_rate_acquire_within(thrum_rate *rate, int64_t n,
                                                        int64_t patience);

/* Take them if they are there. Any thread; does not suspend. 0; -EAGAIN; -EINVAL. */
THRUM_API THRUM_NODISCARD int thrum_rate_try_acquire(thrum_rate *rate, int64_t n);

/* How long an acquire of n would take now. A glance. Any thread. THRUM_FOREVER: it would fail. */
THRUM_API int64_t thrum_rate_wait(const thrum_rate *rate, int64_t n);

THRUM_END_DECLS

#endif
