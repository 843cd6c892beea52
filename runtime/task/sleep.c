/*
 * sleep.c - the clock, and sleeping.
 *
 * A sleeper's timer stands in its strand; the sleep's key is the timer's.
 */
#include <errno.h>
#include <stdio.h>

#include <thrum/time.h>

#include "runtime/base/point.h"
#include "runtime/plat/clock.h"
#include "runtime/task/scope.h"
#include "runtime/task/task.h"
#include "runtime/task/timeout.h"
#include "runtime/task/wait.h"

_Static_assert(offsetof(struct strand, timer) - offsetof(struct strand, word) == TIMER_BEHIND,
               "what is prefetched is what will be asked");

thrum_time thrum_now(void)
{
    return (thrum_time){thrum_world_now()};
}

thrum_time thrum_in(int64_t duration)
{
    return thrum_later(thrum_now(), duration);
}

static struct strand *strand_from(struct timer *timer)
{
    return container_of(timer, struct strand, timer);
}

bool thrum_timer_pending(struct timer *timer, uint64_t key)
{
    struct wait wait = {.key = key};

    if (key & 1)
        return thrum_deadline_pending(timer, key);
    wait.strand = strand_from(timer);
    return thrum_wait_pending(&wait);
}

void thrum_timer_expire(struct timer *timer, uint64_t key)
{
    struct wait wait = {.key = key};

    if (key & 1) {
        thrum_deadline_expire(timer, key);
        return;
    }
    wait.strand = strand_from(timer);
    thrum_wait_fire(&wait, WAIT_TIMED);
}

static void tell(const void *when, bool still, char *text, size_t size)
{
    int64_t left = thrum_between(thrum_now(), (thrum_time){(int64_t)word_of(when)});

    (void)still;
    if (left == INT64_MAX)
        snprintf(text, size, "a time that never comes");
    else
        snprintf(text, size, "its time, in %.3f s", (double)left / 1e9);
}

const struct wait_kind thrum_sleep_wait = {.what = "time", .tell = tell};

/* One sleep: 0, THRUM_ECANCELED, -ENOMEM, -EAGAIN: it was woken for nobody. */
static int sleep_once(int64_t when)
{
    struct wait wait;
    int status = thrum_wait_begin(&wait);

    if (!status)
        status = when == INT64_MAX ? 0 : thrum_timer_arm(&wait.strand->timer, when, wait.key);
    if (status)
        return status;
    thrum_strand_waits(wait.strand, &thrum_sleep_wait, pointer_of((uint64_t)when));
    if (thrum_wait_sleep(&wait) == WAIT_TIMED)
        return 0;
    if (when != INT64_MAX)
        thrum_timer_disarm(&strand_of(thrum_lane_self()->fiber)->timer, wait.key);
    status = thrum_cancel_deliver();
    return status ? status : -EAGAIN;
}

int thrum_sleep_until(thrum_time when)
{
    int status;

    if (!thrum_worker_self())
        thrum_panic("thrum_sleep was called outside a task; use nanosleep there");
    check_task_runs();
    if (when.ns <= thrum_world_now())
        return thrum_yield();
    status = thrum_cancel_check();
    if (status)
        return status;
    do
        status = sleep_once(when.ns);
    while (status == -EAGAIN);
    return status;
}

int thrum_sleep(int64_t duration)
{
    if (duration < 0)
        return -EINVAL;
    return thrum_sleep_until(thrum_in(duration));
}
