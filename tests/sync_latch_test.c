/*
 * sync_latch_test.c - nobody passes a latch before its count is 0, and then
 * everybody does.
 */
#include "racing.h"

static int plain(void *arg)
{
    thrum_latch latch = THRUM_LATCH_INIT(3);

    (void)arg;
    CHECK_EQ(thrum_latch_count(&latch), 3);
    CHECK_EQ(thrum_latch_count_down(&latch, 4), -EINVAL);
    CHECK_EQ(thrum_latch_count_down(&latch, 2), 0);
    CHECK_EQ(thrum_latch_count_down(&latch, 1), 0);
    CHECK_EQ(thrum_latch_count_down(&latch, 1), -EINVAL);
    no_allocation_begin();
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(thrum_latch_wait(&latch), 0);
    no_allocation_end();
    thrum_latch_destroy(&latch);
    thrum_latch_init(&latch, 0);
    CHECK_EQ(thrum_latch_wait(&latch), 0);
    return 0;
}

TEST(an_open_latch_lets_pass_without_allocating)
{
    CHECK_EQ(run_with(1, plain, NULL), 0);
}

struct arena {
    thrum_latch latch;
    uint32_t done; /* written before the last count down */
};

static int pass(void *arg)
{
    struct racer *racer = arg;
    struct arena *arena = racer->arena;

    racer->status = thrum_latch_wait(&arena->latch);
    if (racer->status == 0)
        CHECK_EQ(arena->done, 1);
    return racer->status;
}

static int count_down(void *arg)
{
    struct arena *arena = arg;

    CHECK_EQ(thrum_latch_count_down(&arena->latch, 1), 0);
    arena->done = 1;
    CHECK_EQ(thrum_latch_count_down(&arena->latch, 1), 0);
    return 0;
}

static int races(void *arg)
{
    uint64_t seed = 88172645463325252u;

    (void)arg;
    for (int i = 0; i < race_rounds(); i++) {
        struct arena arena = {THRUM_LATCH_INIT(2), 0};
        struct race it = {.wait = pass, .wake = count_down, .arena = &arena};

        race(&it, random_next(&seed));
        thrum_latch_destroy(&arena.latch);
    }
    return 0;
}

TEST(a_cancel_races_with_the_last_count_down)
{
    run_everywhere(races, NULL);
}

static int hammer(void *arg)
{
    CHECK_EQ(thrum_latch_count_down(arg, 1), 0);
    CHECK_EQ(thrum_latch_wait(arg), 0);
    CHECK_EQ(thrum_latch_count(arg), 0);
    return 0;
}

static int crowds(void *arg)
{
    thrum_latch latch = THRUM_LATCH_INIT((uint32_t)crowd_size());

    (void)arg;
    crowd(crowd_size(), hammer, &latch);
    thrum_latch_destroy(&latch);
    return 0;
}

TEST(ten_thousand_tasks_wait_for_one_another)
{
    run_everywhere(crowds, NULL);
}
