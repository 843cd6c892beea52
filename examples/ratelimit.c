/*
 * ratelimit.c - pages are fetched three at a time, at most a hundred requests a second, and
 * again if the server was busy.
 *
 * Three things that are often mixed up: how many at once (the limit of gather), how many in a time
 * (thrum_rate), and what to do about failures (thrum_retry). Every request passes the
 * rate limiter, a repeated one too.
 *
 * Prints:
 *     page 0: fetched in attempt 1
 *     page 1: fetched in attempt 1
 *     page 2: fetched in attempt 3
 *     page 3: fetched in attempt 1
 *     page 4: not found
 *     page 5: fetched in attempt 1
 *     8 requests took 60 ms at least
 */
#include <errno.h>
#include <stdio.h>

#include <thrum/thrum.h>

enum { PAGES = 6, BURST = 2 };

static thrum_rate rate = THRUM_RATE_INIT(100, 1000000000, BURST);

struct page {
    int number;
    uint32_t attempts;
};

/* What would be a request to a server: 2 is busy twice, 4 is not there. */
static int request(void *arg)
{
    struct page *page = arg;
    int status = thrum_rate_acquire(&rate, 1);

    if (status)
        return status;
    page->attempts++;
    if (page->number == 4)
        return -ENOENT;
    return page->number == 2 && page->attempts < 3 ? -EAGAIN : 0;
}

static bool is_worth_it(int status, uint32_t attempt, int64_t wait, void *context)
{
    (void)attempt;
    (void)wait;
    (void)context;
    return status == -EAGAIN;
}

static int fetch(void *arg)
{
    thrum_retry_options options = THRUM_RETRY_OPTIONS_INIT;

    options.base_ns = thrum_ms(1);
    options.cap_ns = thrum_ms(10);
    options.jitter = 50;
    options.retryable = is_worth_it;
    return thrum_retry(&options, request, arg, NULL);
}

static int root(void *arg)
{
    struct page pages[PAGES];
    thrum_call calls[PAGES];
    thrum_time begin = thrum_now();
    uint32_t requests = 0;
    int status;

    (void)arg;
    for (int i = 0; i < PAGES; i++) {
        pages[i] = (struct page){i, 0};
        calls[i] = (thrum_call)THRUM_CALL(fetch, &pages[i]);
    }
    status = thrum_gather(calls, PAGES, THRUM_COLLECT, 3, NULL);
    if (status)
        return status;
    for (int i = 0; i < PAGES; i++) {
        requests += pages[i].attempts;
        if (calls[i].outcome.kind == THRUM_OK)
            printf("page %d: fetched in attempt %u\n", i, pages[i].attempts);
        else
            printf("page %d: not found\n", i);
        thrum_error_free(calls[i].outcome.error);
    }
    if (thrum_between(begin, thrum_now()) >= (requests - BURST) * thrum_ms(10))
        printf("%u requests took %u ms at least\n", requests, (requests - BURST) * 10);
    return 0;
}

int main(void)
{
    return thrum_run(root, NULL, NULL, NULL) ? 1 : 0;
}
