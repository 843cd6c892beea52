/* iter_test.c - the rules of iterators: see README.md. */
#include "tests/conformance/conform.h"

#include <stdlib.h>
#include <thrum/macros.h>

/* 0, 1, 2, ... below *(int *)arg, with a wait before each, and one to clean up. */
static int count(thrum_generator *generator, void *arg)
{
    int status = 0;

    SPAN;
    for (int i = 0; i < *(const int *)arg && !status; i++) {
        status = thrum_yield();
        if (!status)
            status = thrum_generator_yield(generator, &i);
    }
    return thrum_yield() && !status ? THRUM_ECANCELED : status;
}

static int is_even(const void *item, void *arg)
{
    int status = thrum_yield();

    (void)arg;
    return status ? status : *(const int *)item % 2 == 0;
}

/* `[x async for x in source if await is_even(x)]` */
RULE(a_comprehension_has_all_or_nothing)
{
    thrum_generator generator;
    thrum_filter_iter filter;
    void *items = NULL;
    size_t n = 0;
    int limit = 7;
    int status;

    SPAN;
    CHECK_EQ(thrum_generator_open(&generator, count, &limit, sizeof(int)), 0);
    status =
        thrum_iter_collect(thrum_iter_filter(&filter, &generator.iter, is_even, NULL), &items, &n);
    EXPECT_EQ(status, 0);
    CHECK_EQ(n, status ? 0 : 4);
    free(items);
}

RULE(a_loop_closes_what_it_goes_over)
{
    thrum_generator generator;
    thrum_take_iter take;
    int limit = 100;
    int sum = 0, status = 0;

    SPAN;
    CHECK_EQ(thrum_generator_open(&generator, count, &limit, sizeof(int)), 0);
    THRUM_FOREACH (int, value, thrum_iter_take(&take, &generator.iter, 50), status) {
        sum += value;
        status = thrum_yield();
        if (value == 4)
            break;
    }
    EXPECT_EQ(status, 0);
    EXPECT_EQ(sum, 10);
}

enum { SOURCES = 3, EACH = 4 };

RULE(a_merge_loses_nothing_and_ends_its_tasks)
{
    thrum_generator generators[SOURCES];
    thrum_iter *sources[SOURCES];
    thrum_merge_source nodes[SOURCES];
    thrum_merge_iter merge;
    thrum_group group;
    int room[SOURCES];
    int limit = EACH;
    int sum = 0, status = 0;

    SPAN;
    for (int i = 0; i < SOURCES; i++) {
        CHECK_EQ(thrum_generator_open(&generators[i], count, &limit, sizeof(int)), 0);
        sources[i] = &generators[i].iter;
    }
    open_group(&group);
    THRUM_FOREACH (int, value, thrum_iter_merge(&merge, &group, nodes, sources, SOURCES, room),
                   status) {
        sum += value;
        status = thrum_yield();
    }
    EXPECT_EQ(status, 0);
    EXPECT_EQ(sum, SOURCES * EACH * (EACH - 1) / 2);
    EXPECT_EQ(close_group(&group, status), 0);
}
