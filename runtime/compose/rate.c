/*
 * rate.c - a rate limiter of one word.
 *
 * `full_at` is when the bucket will be full if nobody takes from it. n tokens
 * are there at full_at + n * interval - burst * interval, and taking them makes
 * full_at n intervals later. A full_at in the past is now: what runs over is
 * lost.
 */
#include <thrum/rate.h>

#include <errno.h>

#include <thrum/detail/atomic.h>
#include <thrum/scope.h>

int thrum_rate_init(thrum_rate *rate, int64_t n, int64_t period_ns, int64_t burst)
{
    if (n < 1 || period_ns < 1 || burst < 1)
        return -EINVAL;
    *rate = (thrum_rate)THRUM_RATE_INIT(n, period_ns, burst);
    return 0;
}

void thrum_rate_destroy(thrum_rate *rate)
{
    (void)rate;
}

static bool in_range(const thrum_rate *rate, int64_t n)
{
    return n >= 1 && n <= rate->burst;
}

/* A place in time: who has it may go on at `at`. */
struct reservation {
    thrum_time before; /* full_at without it */
    thrum_time after;  /* and with it */
    thrum_time at;
};

static struct reservation reservation_from(const thrum_rate *rate, int64_t n, uint64_t full_at,
                                           thrum_time now)
{
    thrum_time before = {(int64_t)full_at > now.ns ? (int64_t)full_at : now.ns};
    thrum_time after = thrum_later(before, thrum_scaled(n, rate->interval));
    int64_t whole = thrum_scaled(rate->burst, rate->interval);
    thrum_time at = {after.ns == INT64_MAX ? INT64_MAX : after.ns - whole};

    return (struct reservation){before, after, at};
}

/* Reserve, unless one would have to wait longer than `patience`. */
static int reserve(thrum_rate *rate, int64_t n, int64_t patience, struct reservation *mine)
{
    uint64_t seen = thrum_load_relaxed_64(&rate->full_at); /* relaxed: a number only */

    do {
        thrum_time now = thrum_now();

        *mine = reservation_from(rate, n, seen, now);
        if (patience != THRUM_FOREVER && thrum_between(now, mine->at) > patience)
            return -EAGAIN;
    } while (!thrum_cas_relaxed_64(&rate->full_at, &seen, (uint64_t)mine->after.ns));
    return 0; /* relaxed: it orders nothing else */
}

/* Nobody will use it. If others have reserved since, they have built on it. */
static void give_back(thrum_rate *rate, const struct reservation *mine)
{
    uint64_t seen = (uint64_t)mine->after.ns;

    (void)thrum_cas_relaxed_64(&rate->full_at, &seen, (uint64_t)mine->before.ns);
    /* relaxed: a number only */
}

int thrum_rate_acquire_within(thrum_rate *rate, int64_t n, int64_t patience)
{
    struct reservation mine;
    int status;

    if (!in_range(rate, n) || patience < 0)
        return -EINVAL;
    status = thrum_checkpoint();
    if (!status)
        status = reserve(rate, n, patience, &mine);
    if (status || mine.at.ns <= thrum_now().ns)
        return status;
    status = thrum_sleep_until(mine.at);
    if (status)
        give_back(rate, &mine);
    return status;
}

int thrum_rate_acquire(thrum_rate *rate, int64_t n)
{
    return thrum_rate_acquire_within(rate, n, THRUM_FOREVER);
}

int thrum_rate_try_acquire(thrum_rate *rate, int64_t n)
{
    struct reservation mine;

    return in_range(rate, n) ? reserve(rate, n, 0, &mine) : -EINVAL;
}

int64_t thrum_rate_wait(const thrum_rate *rate, int64_t n)
{
    uint64_t full_at = thrum_load_relaxed_64(&rate->full_at); /* relaxed: a glance */
    thrum_time now = thrum_now();
    int64_t wait;

    if (!in_range(rate, n))
        return THRUM_FOREVER;
    wait = thrum_between(now, reservation_from(rate, n, full_at, now).at);
    return wait > 0 ? wait : 0;
}
