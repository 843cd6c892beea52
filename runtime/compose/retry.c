/*
 * retry.c - a call that is made again when it has failed.
 *
 * The total time is a timeout around all attempts and waits; each attempt may
 * have one of its own. Both are scopes, so a cancel from outside stays one.
 */
#include <thrum/retry.h>

#include <errno.h>

#include <thrum/detail/draw.h>
#include <thrum/error.h>

static const thrum_retry_options defaults = THRUM_RETRY_OPTIONS_INIT;

/* ---- waits ----------------------------------------------------------------------------------- */

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* 0 to `most`; the remainder's bias is below 2^-20 for waits of hours. */
static int64_t draw_up_to(uint64_t *state, int64_t most)
{
    return (int64_t)(draw(state) % ((uint64_t)most + 1));
}

/* So that those who begin at the same moment draw differently. */
static uint64_t some_seed(void)
{
    return (uint64_t)thrum_draw_below(SIZE_MAX);
}

static bool waits_in_range(const thrum_retry_options *options)
{
    return options->base_ns >= 0 && options->cap_ns >= 0 && options->jitter <= 100;
}

/* `per_cent` hundredths of it, without overflow. */
static int64_t part_of(int64_t whole, uint32_t per_cent)
{
    return whole / 100 * per_cent + whole % 100 * per_cent / 100;
}

int thrum_backoff_init(thrum_backoff *backoff, const thrum_retry_options *options)
{
    if (!options)
        options = &defaults;
    if (!waits_in_range(options))
        return -EINVAL;
    *backoff = (thrum_backoff){
        .base = options->base_ns,
        .cap = options->cap_ns,
        .jitter = options->jitter,
        .state = options->seed ? options->seed : some_seed(),
    };
    thrum_backoff_reset(backoff);
    return 0;
}

void thrum_backoff_reset(thrum_backoff *backoff)
{
    backoff->next = backoff->base < backoff->cap ? backoff->base : backoff->cap;
}

int64_t thrum_backoff_next(thrum_backoff *backoff)
{
    int64_t wait = backoff->next;

    backoff->next = wait > backoff->cap / 2 ? backoff->cap : wait * 2;
    return wait - draw_up_to(&backoff->state, part_of(wait, backoff->jitter));
}

/* ---- attempts -------------------------------------------------------------------------------- */

struct retry {
    const thrum_retry_options *options;
    thrum_backoff backoff;
    thrum_time end;
    thrum_fn fn;
    void *arg;
    uint32_t made;
};

static int attempt(struct retry *retry)
{
    retry->made++;
    if (retry->options->attempt_ns == THRUM_FOREVER)
        return retry->fn(retry->arg);
    return thrum_wait_for(retry->fn, retry->arg, retry->options->attempt_ns);
}

/* It has failed with this status. True: make another one, after *wait. */
static bool goes_on(struct retry *retry, int status, int64_t *wait)
{
    const thrum_retry_options *options = retry->options;

    if (status >= 0 || status == THRUM_ECANCELED || retry->made == options->attempts)
        return false;
    *wait = thrum_backoff_next(&retry->backoff);
    if (options->retryable && !options->retryable(status, retry->made, *wait, options->context))
        return false;
    return *wait <= thrum_between(thrum_now(), retry->end);
}

static int attempts(struct retry *retry)
{
    int64_t wait;
    int status = attempt(retry);

    while (goes_on(retry, status, &wait)) {
        int slept = thrum_sleep(wait);

        if (slept)
            return slept;
        thrum_error_free(thrum_fail_take(status));
        status = attempt(retry);
    }
    return status;
}

static bool in_range(const thrum_retry_options *options)
{
    return options->size == sizeof *options && options->attempt_ns > 0 && options->total_ns > 0;
}

int thrum_retry(const thrum_retry_options *options, thrum_fn fn, void *arg, uint32_t *made)
{
    struct retry retry = {.options = options ? options : &defaults, .fn = fn, .arg = arg};
    thrum_timeout timeout;
    int status;

    if (made)
        *made = 0;
    if (!in_range(retry.options))
        return -EINVAL;
    status = thrum_backoff_init(&retry.backoff, retry.options);
    if (status)
        return status;
    retry.end = thrum_in(retry.options->total_ns);
    status = thrum_timeout_begin_at(&timeout, retry.end); /* one that never comes costs nothing */
    if (status)
        return status;
    status = thrum_timeout_end(&timeout, attempts(&retry));
    if (made)
        *made = retry.made;
    return status;
}
