/*
 * compose_iter_test.c - iterators over arrays, queues, generators and other
 * iterators.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <thrum/macros.h>
#include <thrum/thrum.h>

#include "tests/check.h"
#include "tests/racing.h"
#include "tests/workers.h"

static const int ten[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};

/* An iterator that knows how often it was asked and closed, and may fail in between. */
struct probe {
    thrum_iter iter;
    int at, end;
    int fails_at;   /* once */
    uint32_t asked; /* atomic */
    int closed;
    int told; /* by close */
    int says; /* at close, unless 0 */
    bool waits;
};

static int probe_next(thrum_iter *iter, void *item)
{
    struct probe *probe = (struct probe *)iter;

    add_relaxed(&probe->asked, 1); /* relaxed: a counter */
    if (probe->waits && thrum_yield())
        return THRUM_ECANCELED;
    if (probe->at == probe->fails_at && probe->fails_at > 0) {
        probe->fails_at = 0;
        return thrum_fail(-EIO, "value %d", probe->at);
    }
    if (probe->at == probe->end)
        return 0;
    memcpy(item, &probe->at, sizeof probe->at);
    probe->at++;
    return 1;
}

static int probe_close(thrum_iter *iter, int status)
{
    struct probe *probe = (struct probe *)iter;

    probe->closed++;
    probe->told = status;
    return probe->says ? probe->says : status;
}

static struct probe probe_to(int end)
{
    return (struct probe){.iter = {probe_next, probe_close, sizeof(int)}, .end = end};
}

/* That these come, and then the end for ever. */
static void check_ints(thrum_iter *iter, const int *want, size_t n)
{
    int got;

    for (size_t i = 0; i < n; i++) {
        CHECK_EQ(thrum_iter_next(iter, &got), 1);
        CHECK_EQ(got, want[i]);
    }
    CHECK_EQ(thrum_iter_next(iter, &got), 0);
    CHECK_EQ(thrum_iter_next(iter, &got), 0);
}

/* ---- sources --------------------------------------------------------------------------------- */

static int from_array(void *arg)
{
    thrum_array_iter array;

    (void)arg;
    check_ints(thrum_iter_array(&array, ten, 10, sizeof(int)), ten, 10);
    check_ints(thrum_iter_array(&array, NULL, 0, sizeof(int)), ten, 0);
    CHECK_EQ(thrum_iter_close(&array.iter, -7), -7);
    return 0;
}

TEST(an_array_s_values)
{
    run_everywhere(from_array, NULL);
}

static int put_ten(void *arg)
{
    thrum_queue *queue = arg;

    for (int i = 0; i < 10; i++)
        CHECK_EQ(thrum_queue_put(queue, &ten[i]), 0);
    thrum_queue_shutdown(queue, false);
    return 0;
}

static int from_queue(void *arg)
{
    thrum_queue_options options = THRUM_QUEUE_OPTIONS_INIT;
    thrum_queue_iter iter;
    thrum_queue queue;
    thrum_group group;

    (void)arg;
    options.limit = 2;
    CHECK_EQ(thrum_queue_init(&queue, sizeof(int), &options), 0);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, put_ten, &queue, NULL, NULL), 0);
    check_ints(thrum_iter_queue(&iter, &queue, sizeof(int)), ten, 10);
    CHECK_EQ(thrum_iter_close(&iter.iter, 0), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    thrum_queue_destroy(&queue);
    return 0;
}

TEST(a_queue_s_values_until_it_is_shut_down)
{
    run_everywhere(from_queue, NULL);
}

/* ---- map, filter, take, batch ---------------------------------------------------------------- */

static int square(const void *from, void *to, void *arg)
{
    const int *in = from;
    long *out = to;

    if (thrum_yield())
        return THRUM_ECANCELED;
    if (*in == *(const int *)arg)
        return thrum_fail(-EDOM, "%d has no square", *in);
    *out = (long)*in * *in;
    return 0;
}

static int maps(void *arg)
{
    struct probe probe = probe_to(5);
    thrum_map_iter map;
    int no_square = 3;
    int room;
    long out;
    thrum_iter *iter = thrum_iter_map(&map, &probe.iter, &room, square, &no_square, sizeof out);

    (void)arg;
    for (int i = 0; i < 5; i++) {
        int status = thrum_iter_next(iter, &out);

        CHECK_EQ(status, i == 3 ? -EDOM : 1);
        if (i != 3)
            CHECK_EQ(out, i * i);
    }
    CHECK_EQ(thrum_iter_next(iter, &out), 0);
    CHECK_EQ(thrum_iter_close(iter, 2), 2);
    CHECK_EQ(probe.closed, 1);
    return 0;
}

TEST(map_makes_values_of_another_size)
{
    run_everywhere(maps, NULL);
}

static int is_odd(const void *item, void *arg)
{
    int value = *(const int *)item;

    if (thrum_yield())
        return THRUM_ECANCELED;
    return arg && value == *(const int *)arg ? -ERANGE : value & 1;
}

static int filters(void *arg)
{
    static const int odd[] = {1, 3, 5, 7, 9};
    struct probe probe = probe_to(10);
    thrum_filter_iter filter;
    int out_of_range = 2;
    int value;
    thrum_iter *iter = thrum_iter_filter(&filter, &probe.iter, is_odd, NULL);

    (void)arg;
    check_ints(iter, odd, 5);
    CHECK_EQ(thrum_iter_close(iter, 0), 0);
    CHECK_EQ(probe.closed, 1);
    probe = probe_to(10);
    iter = thrum_iter_filter(&filter, &probe.iter, is_odd, &out_of_range);
    CHECK_EQ(thrum_iter_next(iter, &value), 1);
    CHECK_EQ(thrum_iter_next(iter, &value), -ERANGE);
    CHECK_EQ(thrum_iter_next(iter, &value), 1);
    CHECK_EQ(value, 3);
    CHECK_EQ(thrum_iter_close(iter, -ERANGE), -ERANGE);
    CHECK_EQ(probe.told, -ERANGE);
    return 0;
}

TEST(filter_passes_values_over)
{
    run_everywhere(filters, NULL);
}

static int takes(void *arg)
{
    struct probe probe = probe_to(1000);
    thrum_take_iter take;
    thrum_iter *iter = thrum_iter_take(&take, &probe.iter, 7);

    (void)arg;
    check_ints(iter, ten, 7);
    CHECK_EQ(probe.asked, 7);
    CHECK_EQ(thrum_iter_close(iter, 0), 0);
    CHECK_EQ(probe.closed, 1);
    probe = probe_to(3);
    check_ints(thrum_iter_take(&take, &probe.iter, 7), ten, 3);
    probe = probe_to(3);
    check_ints(thrum_iter_take(&take, &probe.iter, 0), ten, 0);
    CHECK_EQ(probe.asked, 0);
    return 0;
}

TEST(take_asks_no_more_than_it_wants)
{
    run_everywhere(takes, NULL);
}

static void check_batch(thrum_iter *iter, int first, size_t n)
{
    thrum_batch batch = {NULL, 0};

    CHECK_EQ(thrum_iter_next(iter, &batch), 1);
    CHECK_EQ(batch.n, n);
    for (size_t i = 0; i < n; i++)
        CHECK_EQ(((int *)batch.items)[i], first + (int)i);
}

static int batches(void *arg)
{
    struct probe probe = probe_to(10);
    thrum_batch_iter batch;
    thrum_batch out;
    int room[4];
    thrum_iter *iter = thrum_iter_batch(&batch, &probe.iter, room, 4);

    (void)arg;
    check_batch(iter, 0, 4);
    check_batch(iter, 4, 4);
    check_batch(iter, 8, 2);
    CHECK_EQ(thrum_iter_next(iter, &out), 0);
    CHECK_EQ(thrum_iter_close(iter, 0), 0);
    CHECK_EQ(probe.closed, 1);

    probe = probe_to(8); /* nothing is lost when the source fails */
    probe.fails_at = 6;
    iter = thrum_iter_batch(&batch, &probe.iter, room, 4);
    check_batch(iter, 0, 4);
    CHECK_EQ(thrum_iter_next(iter, &out), -EIO);
    check_batch(iter, 4, 4);
    CHECK_EQ(thrum_iter_next(iter, &out), 0);
    return 0;
}

TEST(batches_are_full_but_for_the_last)
{
    run_everywhere(batches, NULL);
}

/* ---- collect and loops ----------------------------------------------------------------------- */

static int collects(void *arg)
{
    struct probe probe = probe_to(1000);
    void *items = &probe;
    size_t n = 1;

    (void)arg;
    CHECK_EQ(thrum_iter_collect(&probe.iter, &items, &n), 0);
    CHECK_EQ(n, 1000);
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(((int *)items)[i], i);
    free(items);
    CHECK_EQ(probe.closed, 1);

    probe = probe_to(1000);
    probe.fails_at = 500;
    CHECK_EQ(thrum_iter_collect(&probe.iter, &items, &n), -EIO);
    CHECK(items == NULL);
    CHECK_EQ(n, 0);
    CHECK_EQ(probe.told, -EIO);

    probe = probe_to(3);
    probe.says = -EPIPE;
    CHECK_EQ(thrum_iter_collect(&probe.iter, &items, &n), -EPIPE);
    CHECK(items == NULL);

    probe = probe_to(0);
    CHECK_EQ(thrum_iter_collect(&probe.iter, &items, &n), 0);
    CHECK_EQ(n, 0);
    free(items);
    return 0;
}

TEST(collect_has_all_or_nothing)
{
    run_everywhere(collects, NULL);
}

enum way { BY_END, BY_BREAK, BY_GOTO, BY_RETURN, BY_STATUS, BY_FAILURE, WAYS };

static int loop(enum way way, struct probe *probe, int *sum, int *status)
{
    THRUM_FOREACH (int, value, &probe->iter, *status) {
        if (value == 2)
            continue;
        *sum += value;
        if (value < 4)
            continue;
        if (way == BY_BREAK)
            break;
        if (way == BY_GOTO)
            goto out;
        if (way == BY_RETURN)
            return 1;
        if (way == BY_STATUS)
            *status = -EBUSY;
    }
out:
    CHECK_EQ(probe->closed, 1);
    return 0;
}

static int loops(void *arg)
{
    (void)arg;
    for (int way = BY_END; way < WAYS; way++) {
        struct probe probe = probe_to(6);
        int status = 0, sum = 0;

        probe.fails_at = way == BY_FAILURE ? 5 : 0;
        CHECK_EQ(loop((enum way)way, &probe, &sum, &status), way == BY_RETURN);
        CHECK_EQ(sum, way == BY_END ? 13 : 8);
        CHECK_EQ(status, way == BY_STATUS ? -EBUSY : way == BY_FAILURE ? -EIO : 0);
        CHECK_EQ(probe.told, status);
        CHECK_EQ(probe.closed, 1);
    }
    return 0;
}

TEST(a_loop_closes_its_iterator_on_every_way_out)
{
    run_everywhere(loops, NULL);
}

/* ---- generators under all of it -------------------------------------------------------------- */

static int naturals(thrum_generator *generator, void *arg)
{
    int *ended = arg;
    int status = 0;

    for (int i = 0; !status; i++) {
        status = thrum_yield();
        if (!status)
            status = thrum_generator_yield(generator, &i);
    }
    ++*ended;
    return status;
}

static int streams(void *arg)
{
    thrum_generator generator;
    thrum_filter_iter filter;
    thrum_take_iter take;
    thrum_batch_iter batch;
    int ended = 0, sum = 0, status = 0;
    int room[3];
    thrum_iter *iter;

    (void)arg;
    CHECK_EQ(thrum_generator_open(&generator, naturals, &ended, sizeof(int)), 0);
    iter = thrum_iter_filter(&filter, &generator.iter, is_odd, NULL);
    iter = thrum_iter_batch(&batch, thrum_iter_take(&take, iter, 8), room, 3);
    THRUM_FOREACH (thrum_batch, items, iter, status)
        for (size_t i = 0; i < items.n; i++)
            sum += ((int *)items.items)[i];
    CHECK_EQ(status, 0);
    CHECK_EQ(sum, 64);
    CHECK_EQ(ended, 1); /* there would have been more */
    return 0;
}

TEST(closing_what_is_over_a_generator_ends_its_body)
{
    run_everywhere(streams, NULL);
}

/* ---- merge ----------------------------------------------------------------------------------- */

enum { SOURCES = 5, EACH = 40 };

struct merged {
    thrum_group group;
    thrum_merge_iter merge;
    thrum_merge_source nodes[SOURCES];
    thrum_iter *sources[SOURCES];
    int room[SOURCES];
    thrum_iter *iter;
};

static void merge_open(struct merged *merged)
{
    CHECK_EQ(thrum_group_open(&merged->group, NULL), 0);
    merged->iter = thrum_iter_merge(&merged->merge, &merged->group, merged->nodes, merged->sources,
                                    SOURCES, merged->room);
}

/* Source i hands out i * 1000, i * 1000 + 1, ... */
static void probes_open(struct merged *merged, struct probe *probes)
{
    for (int i = 0; i < SOURCES; i++) {
        probes[i] = probe_to(i * 1000 + EACH);
        probes[i].at = i * 1000;
        probes[i].waits = i & 1;
        merged->sources[i] = &probes[i].iter;
    }
    merge_open(merged);
}

static void check_closed(const struct probe *probes)
{
    for (int i = 0; i < SOURCES; i++)
        CHECK_EQ(probes[i].closed, 1);
}

static int merges(void *arg)
{
    struct probe probes[SOURCES];
    struct merged merged;
    int at[SOURCES] = {0};
    int status = 0;

    (void)arg;
    probes_open(&merged, probes);
    CHECK_EQ(probes[0].asked, 0);
    THRUM_FOREACH (int, value, merged.iter, status) {
        CHECK_EQ(value % 1000, at[value / 1000]); /* each one's in order */
        at[value / 1000]++;
        for (int i = 0; i < 10; i++)
            CHECK_EQ(thrum_yield(), 0);
        for (int i = 0; i < SOURCES; i++)                        /* one ahead at most */
            CHECK_LE(load_relaxed(&probes[i].asked), at[i] + 1); /* relaxed: a counter */
    }
    CHECK_EQ(status, 0);
    for (int i = 0; i < SOURCES; i++)
        CHECK_EQ(at[i], EACH);
    check_closed(probes);
    return thrum_group_close(&merged.group, 0, NULL);
}

TEST(merge_hands_out_all_values_each_source_s_in_order)
{
    run_everywhere(merges, NULL);
}

static int leaves_merge(void *arg)
{
    (void)arg;
    for (int n = 0; n < 12; n++) {
        struct probe probes[SOURCES];
        struct merged merged;
        int value;

        probes_open(&merged, probes);
        for (int i = 0; i < n; i++)
            CHECK_EQ(thrum_iter_next(merged.iter, &value), 1);
        CHECK_EQ(thrum_iter_close(merged.iter, n), n);
        check_closed(probes);
        for (int i = 0; i < SOURCES; i++)
            CHECK_LE(probes[i].asked, n + 1); /* one value ahead at most */
        CHECK_EQ(thrum_group_close(&merged.group, 0, NULL), 0);
    }
    return 0;
}

TEST(a_merge_may_be_left_at_any_value)
{
    run_everywhere(leaves_merge, NULL);
}

static int merge_fails(void *arg)
{
    struct probe probes[SOURCES];
    struct merged merged;
    thrum_error *error;
    int values = 0, failures = 0;
    int status, value;

    (void)arg;
    probes_open(&merged, probes);
    probes[2].fails_at = 2007;
    while ((status = thrum_iter_next(merged.iter, &value)) != 0) {
        if (status == 1) {
            values++;
            continue;
        }
        CHECK_EQ(status, -EIO);
        error = thrum_fail_take(-EIO);
        CHECK_STR_EQ(thrum_error_message(error), "value 2007");
        thrum_error_free(error);
        failures++;
    }
    CHECK_EQ(failures, 1);
    CHECK_EQ(values, (SOURCES - 1) * EACH + 7);
    CHECK_EQ(thrum_iter_close(merged.iter, 0), 0);
    check_closed(probes);
    return thrum_group_close(&merged.group, 0, NULL);
}

/* Nobody hears of it. */
static int merge_fails_in_vain(void *arg)
{
    struct probe probes[SOURCES];
    struct merged merged;
    int value;

    (void)arg;
    probes_open(&merged, probes);
    probes[2].fails_at = 2001;
    CHECK_EQ(thrum_iter_next(merged.iter, &value), 1);
    for (int i = 0; i < 20; i++)
        thrum_yield();
    CHECK_EQ(thrum_iter_close(merged.iter, 0), 0);
    return thrum_group_close(&merged.group, 0, NULL);
}

TEST(a_failing_source_is_told_once)
{
    run_everywhere(merge_fails, NULL);
    run_everywhere(merge_fails_in_vain, NULL);
}

static int merge_of_unequals(void *arg)
{
    thrum_iter *sources[2];
    struct probe probe = probe_to(4);
    thrum_array_iter array;
    thrum_merge_source nodes[2];
    thrum_merge_iter merge;
    thrum_group group;
    int room[2], value;
    thrum_iter *iter;

    (void)arg;
    sources[0] = &probe.iter;
    sources[1] = thrum_iter_array(&array, "abc", 3, 1);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    iter = thrum_iter_merge(&merge, &group, nodes, sources, 2, room);
    CHECK_EQ(thrum_iter_next(iter, &value), -EINVAL);
    CHECK_EQ(thrum_iter_close(iter, -EINVAL), -EINVAL);
    CHECK_EQ(probe.closed, 1);
    iter = thrum_iter_merge(&merge, &group, nodes, sources, 0, room);
    CHECK_EQ(thrum_iter_next(iter, &value), 0);
    CHECK_EQ(thrum_iter_close(iter, 0), 0);
    return thrum_group_close(&group, 0, NULL);
}

TEST(a_merge_of_different_sizes_is_refused_and_one_of_nothing_is_empty)
{
    run_everywhere(merge_of_unequals, NULL);
}

/* Its tasks are cancelled, never to run or while they wait; in a group of their own. */
static int merge_is_cancelled(void *arg)
{
    (void)arg;
    for (int n = 0; n < 8; n++) {
        struct probe probes[SOURCES];
        struct merged merged;
        bool one = n & 1; /* else all */
        int cancelled = 0;
        int values = n;
        int status, value;

        probes_open(&merged, probes);
        for (int i = 0; i < n; i++)
            CHECK_EQ(thrum_iter_next(merged.iter, &value), 1);
        for (size_t i = 0; i < (one ? 1 : merged.merge.begun); i++)
            (void)thrum_task_cancel(merged.nodes[i].task, 0, NULL);
        while ((status = thrum_iter_next(merged.iter, &value)) != 0) {
            if (status < 0)
                CHECK_EQ(status, THRUM_ECANCELED);
            cancelled += status < 0;
            values += status == 1;
        }
        CHECK_LE(cancelled, one ? 1 : SOURCES);
        CHECK_LE(one ? (SOURCES - 1) * EACH : 0, values);
        CHECK_EQ(thrum_iter_close(merged.iter, 0), 0);
        check_closed(probes);
        CHECK_EQ(thrum_group_close(&merged.group, 0, NULL), 0);
    }
    return 0;
}

TEST(a_source_whose_task_is_cancelled_is_over)
{
    run_everywhere(merge_is_cancelled, NULL);
}

static int group_is_cancelled(void *arg)
{
    struct probe probes[SOURCES];
    struct merged merged;
    int status, value;

    (void)arg;
    probes_open(&merged, probes);
    thrum_group_cancel(&merged.group, 0, NULL);
    status = thrum_iter_next(merged.iter, &value);
    CHECK(status == THRUM_ESHUTDOWN || status == THRUM_ECANCELED || status == 1);
    while (status == 1)
        status = thrum_iter_next(merged.iter, &value);
    status = thrum_iter_close(merged.iter, THRUM_ECANCELED);
    CHECK_EQ(status, THRUM_ECANCELED);
    check_closed(probes);
    return thrum_group_close(&merged.group, status, NULL);
}

TEST(a_merge_in_a_group_that_is_cancelled)
{
    run_everywhere(group_is_cancelled, NULL);
}

static int merge_generators(void *arg)
{
    thrum_generator generators[SOURCES];
    struct merged merged;
    int ended[SOURCES] = {0};
    int n = 0, status = 0;

    (void)arg;
    for (int i = 0; i < SOURCES; i++) {
        CHECK_EQ(thrum_generator_open(&generators[i], naturals, &ended[i], sizeof(int)), 0);
        merged.sources[i] = &generators[i].iter;
    }
    merge_open(&merged);
    THRUM_FOREACH (int, value, merged.iter, status) {
        CHECK_LE(0, value);
        if (++n == 100)
            break;
    }
    CHECK_EQ(status, 0);
    for (int i = 0; i < SOURCES; i++)
        CHECK_LE(ended[i], 1); /* those that had begun */
    return thrum_group_close(&merged.group, 0, NULL);
}

TEST(generators_go_on_in_the_tasks_of_a_merge)
{
    run_everywhere(merge_generators, NULL);
}
