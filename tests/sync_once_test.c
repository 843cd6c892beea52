/*
 * sync_once_test.c - it is done once, and whoever fails leaves it to the next.
 */
#include "racing.h"

struct arena {
    thrum_once once;
    uint64_t failures; /* how many are to fail first; under once */
    uint64_t tried;    /* under once */
    uint64_t done;     /* under once */
};

static int do_it(void *arg)
{
    struct arena *arena = arg;
    int status = thrum_yield();

    arena->tried++;
    if (status)
        return status;
    if (arena->failures) {
        arena->failures--;
        return -EIO;
    }
    arena->done++;
    return 7;
}

static int recurse(void *arg)
{
    CHECK_EQ(thrum_once_run(arg, recurse, arg), -EDEADLK);
    return 0;
}

static int plain(void *arg)
{
    struct arena arena = {.once = THRUM_ONCE_INIT, .failures = 1};
    thrum_once other = THRUM_ONCE_INIT;

    (void)arg;
    CHECK_EQ(thrum_once_run(&arena.once, do_it, &arena), -EIO);
    CHECK(!thrum_once_done(&arena.once));
    CHECK_EQ(thrum_once_run(&arena.once, do_it, &arena), 0);
    CHECK(thrum_once_done(&arena.once));
    no_allocation_begin();
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(thrum_once_run(&arena.once, do_it, &arena), 0);
    no_allocation_end();
    CHECK_EQ(arena.done, 1);
    CHECK_EQ(arena.tried, 2);
    CHECK_EQ(thrum_once_run(&other, recurse, &other), 0);
    return 0;
}

TEST(it_is_done_once_and_anew_after_a_failure)
{
    CHECK_EQ(run_with(1, plain, NULL), 0);
}

static int need(void *arg)
{
    struct racer *racer = arg;
    struct arena *arena = racer->arena;

    racer->status = thrum_once_run(&arena->once, do_it, arena);
    if (racer->status == 0)
        CHECK_EQ(arena->done, 1);
    return racer->status;
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int races(void *arg)
{
    uint64_t seed = 88172645463325252u;

    (void)arg;
    for (int i = 0; i < race_rounds(); i++) {
        struct arena arena = {.once = THRUM_ONCE_INIT};
        struct race it = {.wait = need, .wake = nothing, .arena = &arena};
        uint64_t succeeded = 0;

        race(&it, random_next(&seed));
        for (int k = 0; k < RACERS; k++)
            succeeded += it.racers[k].status == 0;
        CHECK_EQ(arena.done, thrum_once_done(&arena.once));
        CHECK(arena.done || !succeeded);
    }
    return 0;
}

TEST(a_cancel_races_with_the_end_of_it)
{
    run_everywhere(races, NULL);
}

static int hammer(void *arg)
{
    struct arena *arena = arg;
    int status = thrum_once_run(&arena->once, do_it, arena);

    CHECK(status == 0 || status == -EIO);
    if (status == 0)
        CHECK_EQ(arena->done, 1);
    return 0;
}

static int crowds(void *arg)
{
    struct arena arena = {.once = THRUM_ONCE_INIT, .failures = (unsigned)crowd_size() / 2};

    (void)arg;
    crowd(crowd_size(), hammer, &arena);
    CHECK_EQ(arena.tried, crowd_size() / 2 + 1);
    CHECK_EQ(arena.done, 1);
    return 0;
}

TEST(ten_thousand_tasks_need_it_and_half_of_them_fail)
{
    run_everywhere(crowds, NULL);
}
