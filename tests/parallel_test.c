/*
 * parallel_test.c - loops over ranges: every index once, the same sums
 * everywhere, failures and cancels stop the rest.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/atomic/verbs.h"
#include "workers.h"

#define N 100000

static uint32_t visits[N]; /* atomic */

static int visit(size_t begin, size_t end, void *arg)
{
    const size_t *grain = arg;

    CHECK_LT(begin, end);
    CHECK(!*grain || end - begin <= *grain);
    for (size_t i = begin; i < end; i++)
        add_relaxed(&visits[i], 1); /* relaxed: a counter */
    return 0;
}

static int every_index(void *arg)
{
    static const size_t grains[] = {0, 1, 7, N, 2 * N};

    (void)arg;
    for (size_t g = 0; g < sizeof grains / sizeof grains[0]; g++) {
        size_t grain = grains[g];
        size_t n = grain == 1 ? (size_t)many(N) : N;

        memset(visits, 0, sizeof visits);
        CHECK_EQ(thrum_parallel_for(3, n, grain, visit, &grain), 0);
        for (size_t i = 0; i < N; i++)
            CHECK_EQ(visits[i], i >= 3 && i < n);
    }
    CHECK_EQ(thrum_parallel_for(5, 5, 1, visit, NULL), 0);
    CHECK_EQ(thrum_parallel_for(6, 5, 1, visit, NULL), -EINVAL);
    return 0;
}

TEST(a_loop_does_every_index_once)
{
    run_everywhere(every_index, NULL);
}

/* ---- failures and cancels ---------------------------------------------------------------------- */

static uint32_t done; /* atomic */

static int fail_late(size_t begin, size_t end, void *arg)
{
    (void)end;
    if (begin == 4000)
        return -EIO;
    add_relaxed(&done, 1); /* relaxed: a counter */
    return begin > 4000 ? thrum_sleep(thrum_s(1000)) : (int)(intptr_t)arg;
}

static int failing(void *arg)
{
    (void)arg;
    done = 0;
    CHECK_EQ(thrum_parallel_for(0, 5000, 1, fail_late, NULL), -EIO);
    CHECK_EQ(thrum_cancel_pending(), false);
    return 0;
}

TEST(a_failure_stops_the_other_parts)
{
    run_everywhere(failing, NULL);
}

static int sleep_long(size_t begin, size_t end, void *arg)
{
    (void)begin;
    (void)end;
    (void)arg;
    return thrum_sleep(thrum_s(1000));
}

static int timed_out(void *arg)
{
    thrum_timeout timeout;

    (void)arg;
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_ms(5)), 0);
    CHECK_EQ(thrum_timeout_end(&timeout, thrum_parallel_for(0, 300, 1, sleep_long, NULL)),
             THRUM_ETIMEOUT);
    return 0;
}

TEST(a_cancel_from_outside_reaches_all_parts)
{
    run_everywhere(timed_out, NULL);
}

/* ---- reductions --------------------------------------------------------------------------------- */

static int add_up(size_t begin, size_t end, void *sum, void *arg)
{
    double *total = sum;

    (void)arg;
    for (size_t i = begin; i < end; i++)
        *total += 1.0 / (double)(i + 1);
    return 0;
}

static void add(void *left, const void *right, void *arg)
{
    (void)arg;
    *(double *)left += *(const double *)right;
}

static uint64_t bits_of(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static int sums(void *arg)
{
    uint64_t *bits = arg;

    for (size_t grain = 0; grain < 2; grain++) {
        double sum = 0.0;

        CHECK_EQ(thrum_parallel_reduce(0, N, grain * 100, add_up, add, &sum, sizeof sum, NULL), 0);
        CHECK(sum > 12.0 && sum < 12.1);
        if (bits[grain] == 0)
            bits[grain] = bits_of(sum);
        CHECK_EQ(bits[grain], bits_of(sum)); /* on any number of workers */
    }
    return 0;
}

TEST(a_sum_has_the_same_bits_on_any_number_of_workers)
{
    uint64_t bits[2] = {0, 0};
    double sum = 0;

    run_everywhere(sums, bits);
    (void)sum;
}

static int sums_out_of_range(void *arg)
{
    unsigned char sum[THRUM_SUM_MAX + 1];

    (void)arg;
    CHECK_EQ(thrum_parallel_reduce(0, 1, 0, add_up, add, sum, 0, NULL), -EINVAL);
    CHECK_EQ(thrum_parallel_reduce(0, 1, 0, add_up, add, sum, sizeof sum, NULL), -EINVAL);
    return 0;
}

TEST(a_sum_that_is_too_large_is_refused)
{
    CHECK_EQ(run_with(1, sums_out_of_range, NULL), 0);
}

/* ---- scans -------------------------------------------------------------------------------------- */

static uint32_t without[N], with[N];

static int count_up(size_t begin, size_t end, void *sum, void *arg)
{
    uint32_t *total = sum;

    (void)arg;
    for (size_t i = begin; i < end; i++)
        *total += (uint32_t)i % 7;
    return 0;
}

static int write_up(size_t begin, size_t end, void *sum, void *arg)
{
    uint32_t *total = sum;

    (void)arg;
    for (size_t i = begin; i < end; i++) {
        without[i] = *total;
        *total += (uint32_t)i % 7;
        with[i] = *total;
    }
    return 0;
}

static void add_counts(void *left, const void *right, void *arg)
{
    (void)arg;
    *(uint32_t *)left += *(const uint32_t *)right;
}

static int scans(void *arg)
{
    static const size_t grains[] = {0, 1, 7, N, 2 * N};

    (void)arg;
    for (size_t g = 0; g < sizeof grains / sizeof grains[0]; g++) {
        size_t n = grains[g] == 1 ? (size_t)many(N) : N;
        uint32_t sum = 0, want = 0;

        memset(without, 0xff, sizeof without);
        CHECK_EQ(thrum_parallel_scan(3, n, grains[g], count_up, write_up, add_counts, &sum,
                                     sizeof sum, NULL),
                 0);
        for (size_t i = 3; i < n; i++) {
            CHECK_EQ(without[i], want);
            want += (uint32_t)i % 7;
            CHECK_EQ(with[i], want);
        }
        CHECK_EQ(sum, want);
        CHECK_EQ(without[2], UINT32_MAX);
    }
    return 0;
}

TEST(a_scan_gives_each_index_what_is_before_it)
{
    run_everywhere(scans, NULL);
}

static double partial[N];

static int write_partial(size_t begin, size_t end, void *sum, void *arg)
{
    double *total = sum;

    (void)arg;
    for (size_t i = begin; i < end; i++)
        partial[i] = *total += 1.0 / (double)(i + 1);
    return 0;
}

static int partial_sums(void *arg)
{
    uint64_t *bits = arg;
    uint64_t mixed = 0;
    double sum = 0.0;

    CHECK_EQ(thrum_parallel_scan(0, N, 0, add_up, write_partial, add, &sum, sizeof sum, NULL), 0);
    CHECK_EQ(bits_of(sum), bits_of(partial[N - 1]));
    for (size_t i = 0; i < N; i++)
        mixed = mixed * 31 + bits_of(partial[i]);
    if (*bits == 0)
        *bits = mixed;
    CHECK_EQ(*bits, mixed); /* on any number of workers */
    return 0;
}

TEST(a_scan_has_the_same_bits_on_any_number_of_workers)
{
    uint64_t bits = 0;

    run_everywhere(partial_sums, &bits);
}

static int fail_at(size_t begin, size_t end, void *sum, void *arg)
{
    (void)sum;
    return begin <= *(const size_t *)arg && *(const size_t *)arg < end ? -EIO : 0;
}

static int scans_that_fail(void *arg)
{
    uint32_t sum = 0;
    size_t at = 4711;

    (void)arg;
    CHECK_EQ(thrum_parallel_scan(0, N, 10, fail_at, write_up, add_counts, &sum, sizeof sum, &at),
             -EIO);
    CHECK_EQ(thrum_parallel_scan(0, N, 10, count_up, fail_at, add_counts, &sum, sizeof sum, &at),
             -EIO);
    CHECK_EQ(thrum_parallel_scan(1, 0, 1, count_up, write_up, add_counts, &sum, 4, NULL), -EINVAL);
    CHECK_EQ(thrum_parallel_scan(0, 1, 1, count_up, write_up, add_counts, &sum, 0, NULL), -EINVAL);
    CHECK_EQ(thrum_parallel_scan(1, 1, 1, count_up, write_up, add_counts, &sum, 4, NULL), 0);
    return 0;
}

TEST(a_scan_that_fails_says_so)
{
    run_everywhere(scans_that_fail, NULL);
}

/* ---- invoke ------------------------------------------------------------------------------------- */

static int set(void *arg)
{
    *(int *)arg = 1;
    return 0;
}

static int invocations(void *arg)
{
    int flags[5] = {0};
    thrum_invocation calls[5];

    (void)arg;
    for (int i = 0; i < 5; i++)
        calls[i] = (thrum_invocation){set, &flags[i]};
    CHECK_EQ(thrum_parallel_invoke(calls, 5), 0);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(flags[i], 1);
    CHECK_EQ(thrum_parallel_invoke(calls, 0), 0);
    return 0;
}

TEST(invoke_calls_each_function)
{
    run_everywhere(invocations, NULL);
}
