/*
 * portfolio_test.c - strategies that share the runs: by what they show, by the seed alone, in
 * shards too; and when to stop.
 */
#include <errno.h>

#include "tests/check.h"
#include "tests/workers.h"

enum { LOST = -1001 };

static thrum_explore_options portfolio(uint64_t seed, uint64_t schedules)
{
    thrum_explore_options options = THRUM_EXPLORE_OPTIONS_INIT;

    options.strategy = THRUM_STRATEGY_PORTFOLIO;
    options.flags = THRUM_EXPLORE_QUIET;
    options.seed = seed;
    options.schedules = schedules;
    return options;
}

static int count_up(void *arg)
{
    int *n = arg;

    for (int i = 0; i < 4; i++)
        thrum_shared_store(n, thrum_shared_load(n) + 1);
    return 0;
}

/* The sum is wrong in most orders, and never so small but in few. */
static int add(int least)
{
    thrum_child children[3];
    thrum_group group;
    int n = 0, status = thrum_group_open(&group, NULL);

    for (int i = 0; i < 3 && !status; i++)
        status = thrum_group_spawn_child(&group, &children[i], count_up, &n);
    status = thrum_group_close(&group, status, NULL);
    return status ? status : n < least ? LOST : 0;
}

static int add_some(void *arg)
{
    (void)arg;
    return add(0);
}

static int add_more(void *arg)
{
    (void)arg;
    return add(5);
}

TEST(the_same_seed_takes_the_same_turns)
{
    thrum_explore_options options = portfolio(5, 600);
    thrum_explore_result first, second, other;

    CHECK_EQ(thrum_explore(&options, add_some, NULL, &first), 0);
    CHECK_EQ(thrum_explore(&options, add_some, NULL, &second), 0);
    CHECK(first.hash == second.hash);
    CHECK_EQ(first.pairs, second.pairs);
    CHECK_LE(50, first.pairs);
    options.seed = 6;
    CHECK_EQ(thrum_explore(&options, add_some, NULL, &other), 0);
    CHECK(first.hash != other.hash);
}

TEST(each_shard_makes_its_own_runs_and_the_same_each_time)
{
    thrum_explore_options options = portfolio(1, 200);
    uint64_t hashes[4];

    options.shards = 4;
    for (options.shard = 0; options.shard < 4; options.shard++) {
        thrum_explore_result result, again;

        CHECK_EQ(thrum_explore(&options, add_some, NULL, &result), 0);
        CHECK_EQ(thrum_explore(&options, add_some, NULL, &again), 0);
        CHECK(result.hash == again.hash);
        CHECK_EQ(result.schedules, 200);
        hashes[options.shard] = result.hash;
        for (uint32_t i = 0; i < options.shard; i++)
            CHECK(hashes[i] != result.hash);
    }
    CHECK_EQ(thrum_explore(&options, add_some, NULL, NULL), -EINVAL); /* there is no shard 4 */
    options.shard = 0;
    options.strategy = THRUM_STRATEGY_SYSTEMATIC;
    CHECK_EQ(thrum_explore(&options, add_some, NULL, NULL), -EINVAL);
}

/* The runs of a strategy without memory are those of its shards. */
TEST(shards_share_the_runs_of_a_seed)
{
    thrum_explore_options options = portfolio(3, 8);
    thrum_explore_result all, parts[2];

    options.strategy = THRUM_STRATEGY_RANDOM;
    CHECK_EQ(thrum_explore(&options, add_some, NULL, &all), 0);
    options.schedules = 4;
    options.shards = 2;
    for (options.shard = 0; options.shard < 2; options.shard++)
        CHECK_EQ(thrum_explore(&options, add_some, NULL, &parts[options.shard]), 0);
    CHECK_EQ(all.decisions, parts[0].decisions + parts[1].decisions);
}

TEST(nothing_new_for_long_is_a_reason_to_stop)
{
    static const thrum_strategy strategies[] = {THRUM_STRATEGY_DEFAULT, THRUM_STRATEGY_PORTFOLIO,
                                                THRUM_STRATEGY_RANDOM};

    for (size_t i = 0; i < sizeof strategies / sizeof strategies[0]; i++) {
        thrum_explore_options options = portfolio(0, 1000000);
        thrum_explore_result result;

        options.strategy = (uint32_t)strategies[i];
        options.plateau = 300;
        CHECK_EQ(thrum_explore(&options, add_some, NULL, &result), 0);
        CHECK(result.plateau);
        CHECK_LE(300, result.schedules);
        CHECK_LE(result.schedules, 100000);
        CHECK_LE(50, result.pairs);
    }
}

TEST(a_failure_is_found_before)
{
    thrum_explore_options options = portfolio(0, 10000);
    thrum_explore_result result;

    options.plateau = 5000;
    for (options.seed = 0; options.seed < 10; options.seed++) {
        CHECK_EQ(thrum_explore(&options, add_more, NULL, &result), LOST);
        CHECK(!result.plateau);
        CHECK_EQ(thrum_replay(result.replay, add_more, NULL, NULL), LOST);
    }
}
