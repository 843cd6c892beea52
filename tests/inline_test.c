/*
 * inline_test.c - in the simulated world, too, a join runs what it waits for on its own task's
 * stack, or finds that it was stolen. Which of the two is a decision, so that what goes wrong in one
 * of them alone is found, told in few words, and done again.
 */
#include <thrum/thrum.h>

#include "tests/check.h"

#define FOUND 1

static const uint32_t strategies[] = {THRUM_STRATEGY_DEFAULT, THRUM_STRATEGY_RANDOM,
                                      THRUM_STRATEGY_PCT,     THRUM_STRATEGY_POS,
                                      THRUM_STRATEGY_SURW,    THRUM_STRATEGY_SYSTEMATIC};
#define STRATEGIES (sizeof strategies / sizeof strategies[0])

static thrum_explore_options quiet(size_t strategy)
{
    thrum_explore_options options = THRUM_EXPLORE_OPTIONS_INIT;

    options.strategy = strategies[strategy];
    options.flags = THRUM_EXPLORE_QUIET;
    options.schedules = 300;
    return options;
}

static uintptr_t here(void)
{
    return (uintptr_t)__builtin_frame_address(0);
}

/* On one stack? No two tasks' stacks are as close as that. */
static bool near(uintptr_t a, uintptr_t b)
{
    return (a > b ? a - b : b - a) < 4096;
}

/* ---- either is found ------------------------------------------------------------------------- */

struct place {
    uintptr_t owner;
    bool on_owners_stack; /* fails there; or else on another */
    bool found;
};

static int fails_at_one_place(void *arg)
{
    struct place *place = arg;

    place->found = near(here(), place->owner) == place->on_owners_stack;
    return 0;
}

static int child(void *arg)
{
    struct place place = {here(), *(bool *)arg, false};
    thrum_child children[1];
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    if (!status)
        status = thrum_group_spawn_child(&group, children, fails_at_one_place, &place);
    status = thrum_group_close(&group, status, NULL);
    return status ? status : place.found ? FOUND : 0;
}

static int task(void *arg)
{
    struct place place = {here(), *(bool *)arg, false};
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    if (!status)
        status = thrum_group_spawn(&group, fails_at_one_place, &place, NULL, NULL);
    status = thrum_group_close(&group, status, NULL);
    return status ? status : place.found ? FOUND : 0;
}

static int branch(void *arg)
{
    struct place place = {here(), *(bool *)arg, false};
    thrum_branch forked;
    int status = thrum_fork(&forked, fails_at_one_place, &place);

    if (!status)
        status = thrum_join(&forked, fails_at_one_place, &place);
    return status ? status : place.found ? FOUND : 0;
}

TEST(a_join_runs_it_here_or_finds_it_stolen)
{
    static const thrum_fn fns[] = {child, task, branch};

    for (size_t i = 0; i < STRATEGIES; i++)
        for (size_t k = 0; k < sizeof fns / sizeof fns[0]; k++) {
            thrum_explore_options options = quiet(i);
            thrum_explore_result result;
            bool on_owners_stack = true;

            CHECK_EQ(thrum_explore(&options, fns[k], &on_owners_stack, &result), FOUND);
            CHECK_STR_EQ(result.replay, ""); /* what is cheapest is what is ordinary */
            on_owners_stack = false;
            CHECK_EQ(thrum_explore(&options, fns[k], &on_owners_stack, &result), FOUND);
            CHECK_EQ(result.deltas, 1);
            CHECK_STR_EQ(result.replay, "1@0=1");
            CHECK_EQ(thrum_replay(result.replay, fns[k], &on_owners_stack, NULL), FOUND);
            CHECK_EQ(thrum_replay("", fns[k], &on_owners_stack, NULL), 0);
        }
}

/* ---- what must be so in both ----------------------------------------------------------------- */

static void holds(thrum_fn fn, unsigned flags)
{
    for (size_t i = 0; i < STRATEGIES; i++) {
        thrum_explore_options options = quiet(i);

        options.flags |= THRUM_EXPLORE_TWICE | flags;
        CHECK_EQ(thrum_explore(&options, fn, NULL, NULL), 0);
    }
}

/* Deeper than joins run one in the other: what comes then starts on another stack. */
static int deep(void *arg)
{
    int n = *(int *)arg - 1;
    volatile char room[2000];
    thrum_branch forked;
    int status;

    room[0] = 0;
    if (n < 0)
        return room[0];
    status = thrum_fork(&forked, deep, &n);
    return status ? status : thrum_join(&forked, deep, &n);
}

static int falls_deep(void *arg)
{
    int n = 100;

    (void)arg;
    return deep(&n);
}

TEST(no_depth_is_too_deep)
{
    holds(falls_deep, 0);
}

/* Or than a stack has room for: the same, in each build at another depth. */
static int deep_in_large_steps(void *arg)
{
    int n = *(int *)arg - 1;
    volatile char room[8000];
    thrum_branch forked;
    int status;

    room[0] = 0;
    if (n < 0)
        return room[0];
    status = thrum_fork(&forked, deep_in_large_steps, &n);
    return status ? status : thrum_join(&forked, deep_in_large_steps, &n);
}

TEST(nor_are_large_steps)
{
    for (size_t i = 0; i < STRATEGIES; i++) {
        thrum_explore_options options = quiet(i);
        int n = 100;

        CHECK_EQ(thrum_explore(&options, deep_in_large_steps, &n, NULL), 0);
    }
}

/* Its owner's deadline ends it, on its owner's stack or on its own. */
static int sleeps_long(void *arg)
{
    return arg ? thrum_yield() : thrum_sleep(thrum_s(1000000));
}

static int is_in_time(void *arg)
{
    thrum_child children[2];
    thrum_timeout timeout;
    thrum_time begin = thrum_now();
    thrum_group group;
    int status = thrum_timeout_begin(&timeout, thrum_ms(1));

    if (status)
        return status;
    status = thrum_group_open(&group, NULL);
    if (!status)
        status = thrum_group_spawn_child(&group, &children[0], sleeps_long, NULL);
    if (!status)
        status = thrum_group_spawn_child(&group, &children[1], sleeps_long, &group);
    status = thrum_timeout_end(&timeout, thrum_group_close(&group, status, NULL));
    if (thrum_between(begin, thrum_now()) > thrum_ms(1))
        return FOUND;
    (void)arg;
    return status == THRUM_ETIMEOUT ? 0 : status ? status : FOUND;
}

TEST(a_deadline_reaches_what_its_owner_runs_inside_a_join)
{
    holds(is_in_time, 0);
}

static int is_cancelled(void *arg)
{
    int status = is_in_time(arg);

    return status == FOUND ? 0 : status;
}

TEST(a_cancel_before_every_turn_reaches_it_too)
{
    holds(is_cancelled, THRUM_EXPLORE_CANCEL);
}

/* What a child sets is its own, and what it leaves behind is its failure. */
static const thrum_local local = {NULL, NULL};

static int sets_and_fails(void *arg)
{
    int value = 0;
    int status = thrum_local_set(&local, &value);

    (void)arg;
    if (!status)
        status = thrum_yield();
    if (!status)
        status = thrum_local_get(&local) == &value ? -7 : FOUND;
    if (!status)
        status = FOUND;
    return status;
}

static int has_failing_children(void *arg)
{
    thrum_group_options options = THRUM_GROUP_OPTIONS_INIT;
    thrum_child children[2];
    thrum_error *errors;
    thrum_group group;
    int value = 0, status = thrum_local_set(&local, &value);

    (void)arg;
    if (status)
        return status;
    options.flags = THRUM_COLLECT;
    status = thrum_group_open(&group, &options);
    for (int i = 0; i < 2 && !status; i++)
        status = thrum_group_spawn_child(&group, &children[i], sets_and_fails, NULL);
    status = thrum_group_close(&group, status, &errors);
    if (status != THRUM_EGROUP || thrum_error_count(errors) != 2)
        return FOUND;
    thrum_error_free(errors);
    return thrum_local_get(&local) == &value ? 0 : FOUND;
}

TEST(what_a_child_sets_is_its_own_and_its_failure_is_its_owners)
{
    holds(has_failing_children, 0);
}

/* A tree of everything. */
static int counts(void *arg)
{
    thrum_shared_store((int *)arg, thrum_shared_load((int *)arg) + 1);
    return thrum_yield();
}

static int grows(void *arg)
{
    thrum_branch left, right;
    thrum_child children[2];
    thrum_group group;
    int n[2] = {0, 0}, status = thrum_fork(&left, counts, &n[0]);

    (void)arg;
    if (status)
        return status;
    status = thrum_fork(&right, counts, &n[1]);
    if (!status) {
        int other;

        status = thrum_group_open(&group, NULL);
        for (int i = 0; i < 2 && !status; i++)
            status = thrum_group_spawn_child(&group, &children[i], sleeps_long, &n);
        status = thrum_group_close(&group, status, NULL);
        other = thrum_join(&right, counts, &n[1]);
        status = thrum_join_first(status, other);
    }
    return thrum_join_first(status, thrum_join(&left, counts, &n[0]));
}

static int counts_leaves(void *arg)
{
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    for (int i = 0; i < 3 && !status; i++)
        status = thrum_group_spawn(&group, grows, NULL, NULL, NULL);
    (void)arg;
    return thrum_group_close(&group, status, NULL);
}

TEST(joins_inside_joins)
{
    holds(counts_leaves, 0);
}
