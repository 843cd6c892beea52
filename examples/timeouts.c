/*
 * timeouts.c - deadlines belong to blocks of code, not to calls.
 *
 * Whatever suspends inside of a timeout is cancelled when its time is up: sleeps, waits, joins, and
 * all tasks of groups that were opened inside. Only the block that caused it says so.
 *
 * Prints:
 *     quick: success
 *     slow: the timeout expired
 *     inner: the timeout expired, outer goes on: success
 *     both: inner says that the task was cancelled, outer the timeout expired
 *     more time: success
 */
#include <stdio.h>

#include <thrum/thrum.h>

/* Stands for what takes as long as it takes: here 0, or for ever. */
static int work(void *arg)
{
    return thrum_sleep(*(const int64_t *)arg);
}

static const char *say(int status)
{
    return status == THRUM_ETIMEOUT    ? "the timeout expired"
           : status == THRUM_ECANCELED ? "the task was cancelled"
                                       : thrum_strerror(status);
}

/* Works in a timeout in a timeout. */
static int nested(int64_t outer_time, int64_t inner_time, int *inner_status)
{
    int64_t forever = THRUM_FOREVER;
    thrum_timeout outer, inner;
    int status = thrum_timeout_begin(&outer, outer_time);

    if (status)
        return status;
    status = thrum_timeout_begin(&inner, inner_time);
    if (!status)
        status = *inner_status = thrum_timeout_end(&inner, work(&forever));
    if (status == THRUM_ETIMEOUT) /* only the inner one's time was up: we go on */
        status = 0;
    return thrum_timeout_end(&outer, status);
}

/* A timeout that gets more time when there is progress. */
static int patient(void)
{
    thrum_timeout timeout;
    int status = thrum_timeout_begin(&timeout, thrum_s(60));

    if (status)
        return status;
    for (int step = 0; step < 3 && !status; step++) {
        status = thrum_sleep(0);
        if (!status)
            status = thrum_timeout_reschedule(&timeout, thrum_s(60));
    }
    return thrum_timeout_end(&timeout, status);
}

static int root(void *arg)
{
    int64_t none = 0, forever = THRUM_FOREVER;
    int inner, outer;

    (void)arg;
    printf("quick: %s\n", say(thrum_wait_for(work, &none, thrum_s(60))));
    printf("slow: %s\n", say(thrum_wait_for(work, &forever, thrum_ms(10))));
    outer = nested(thrum_s(60), thrum_ms(10), &inner);
    printf("inner: %s, outer goes on: %s\n", say(inner), say(outer));
    outer = nested(thrum_ms(10), thrum_s(60), &inner);
    printf("both: inner says that %s, outer %s\n", say(inner), say(outer));
    printf("more time: %s\n", say(patient()));
    return 0;
}

int main(void)
{
    return thrum_run(root, NULL, NULL, NULL) ? 1 : 0;
}
