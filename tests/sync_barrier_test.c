/*
 * sync_barrier_test.c - nobody passes a barrier before all have come; one that
 * is broken lets nobody wait.
 */
#include "racing.h"

struct arena {
    thrum_barrier barrier;
    uint32_t places[RACERS];
};

static int come(void *arg)
{
    struct racer *racer = arg;
    struct arena *arena = racer->arena;

    racer->status = thrum_barrier_wait(&arena->barrier, &arena->places[racer->number]);
    return 0;
}

static void spawn_some(thrum_group *group, struct arena *arena, struct racer *racers, int n)
{
    for (int i = 0; i < n; i++) {
        racers[i] = (struct racer){arena, i, NEVER_RAN};
        CHECK_EQ(thrum_group_spawn(group, come, &racers[i], NULL, NULL), 0);
    }
    while (thrum_barrier_waiting(&arena->barrier) != (uint32_t)n)
        thrum_yield();
}

static int plain(void *arg)
{
    struct arena arena;
    struct racer racers[RACERS];
    thrum_group group;
    uint32_t place;
    unsigned seen = 0;

    (void)arg;
    CHECK_EQ(thrum_barrier_init(&arena.barrier, 0), -EINVAL);
    CHECK_EQ(thrum_barrier_init(&arena.barrier, RACERS + 1), 0);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    spawn_some(&group, &arena, racers, RACERS);
    CHECK_EQ(thrum_barrier_wait(&arena.barrier, &place), 0);
    CHECK_EQ(place, RACERS);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    for (int i = 0; i < RACERS; i++) {
        CHECK_EQ(racers[i].status, 0);
        seen |= 1u << arena.places[i];
    }
    CHECK_EQ(seen, (1u << RACERS) - 1);
    CHECK_EQ(thrum_barrier_waiting(&arena.barrier), 0);
    thrum_barrier_destroy(&arena.barrier);
    return 0;
}

TEST(all_come_and_each_has_a_place)
{
    run_everywhere(plain, NULL);
}

static int alone(void *arg)
{
    thrum_barrier barrier;
    uint32_t place = 7;

    (void)arg;
    CHECK_EQ(thrum_barrier_init(&barrier, 1), 0);
    no_allocation_begin();
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(thrum_barrier_wait(&barrier, &place), 0);
    no_allocation_end();
    CHECK_EQ(place, 0);
    return 0;
}

TEST(the_last_one_does_not_wait_and_allocates_nothing)
{
    CHECK_EQ(run_with(1, alone, NULL), 0);
}

static int broken(void *arg)
{
    struct arena arena;
    struct racer racers[RACERS];

    (void)arg;
    CHECK_EQ(thrum_barrier_init(&arena.barrier, RACERS + 1), 0);
    for (int abort = 0; abort < 2; abort++) {
        thrum_group group;

        CHECK_EQ(thrum_group_open(&group, NULL), 0);
        spawn_some(&group, &arena, racers, RACERS);
        if (abort)
            thrum_barrier_abort(&arena.barrier);
        else
            thrum_barrier_reset(&arena.barrier);
        CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
        for (int i = 0; i < RACERS; i++)
            CHECK_EQ(racers[i].status, THRUM_EBROKEN);
        CHECK_EQ(thrum_barrier_broken(&arena.barrier), abort);
    }
    CHECK_EQ(thrum_barrier_wait(&arena.barrier, NULL), THRUM_EBROKEN);
    thrum_barrier_reset(&arena.barrier);
    CHECK(!thrum_barrier_broken(&arena.barrier));
    for (int i = 0; i < 2; i++) { /* and it can be passed again; a reset of nobody harms nobody */
        thrum_group group;

        CHECK_EQ(thrum_group_open(&group, NULL), 0);
        spawn_some(&group, &arena, racers, RACERS);
        CHECK_EQ(thrum_barrier_wait(&arena.barrier, NULL), 0);
        CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
        for (int k = 0; k < RACERS; k++)
            CHECK_EQ(racers[k].status, 0);
        thrum_barrier_reset(&arena.barrier);
    }
    thrum_barrier_destroy(&arena.barrier);
    return 0;
}

TEST(a_broken_barrier_lets_nobody_wait)
{
    run_everywhere(broken, NULL);
}

/* Who gives up has not come: the others go on waiting, one place further up. */
static int gives_up(void *arg)
{
    struct arena arena;
    struct racer racers[3];
    thrum_task *first;
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_barrier_init(&arena.barrier, 3), 0);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    racers[0] = (struct racer){&arena, 0, NEVER_RAN};
    CHECK_EQ(thrum_group_spawn(&group, come, &racers[0], NULL, &first), 0);
    while (thrum_barrier_waiting(&arena.barrier) != 1)
        thrum_yield();
    racers[1] = (struct racer){&arena, 1, NEVER_RAN};
    CHECK_EQ(thrum_group_spawn(&group, come, &racers[1], NULL, NULL), 0);
    while (thrum_barrier_waiting(&arena.barrier) != 2)
        thrum_yield();
    thrum_task_cancel(first, 0, NULL);
    thrum_task_unref(first);
    while (thrum_barrier_waiting(&arena.barrier) != 1)
        thrum_yield();
    racers[2] = (struct racer){&arena, 2, NEVER_RAN};
    CHECK_EQ(thrum_group_spawn(&group, come, &racers[2], NULL, NULL), 0);
    while (thrum_barrier_waiting(&arena.barrier) != 2)
        thrum_yield();
    CHECK_EQ(thrum_barrier_wait(&arena.barrier, NULL), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(racers[0].status, THRUM_ECANCELED);
    CHECK_EQ(arena.places[1], 0);
    CHECK_EQ(arena.places[2], 1);
    return 0;
}

TEST(who_is_cancelled_has_not_come)
{
    run_everywhere(gives_up, NULL);
}

/* ---- rounds ---------------------------------------------------------------------------------- */

struct rounds {
    thrum_barrier barrier;
    uint32_t here; /* atomic */
    uint32_t parties;
};

/* Between two rounds nobody is a round ahead. */
static int go_round(void *arg)
{
    struct rounds *rounds = arg;

    for (uint32_t i = 0; i < 10; i++) {
        uint32_t here = add_relaxed(&rounds->here, 1); /* relaxed: a counter */

        CHECK_LE(rounds->parties * i, here);
        CHECK_LT(here, rounds->parties * (i + 1));
        CHECK_EQ(thrum_barrier_wait(&rounds->barrier, NULL), 0);
    }
    return 0;
}

static int crowds(void *arg)
{
    const int sizes[] = {1, 2, 7, crowd_size()};

    (void)arg;
    for (int i = 0; i < 4; i++) {
        struct rounds rounds = {.parties = (uint32_t)sizes[i]};

        CHECK_EQ(thrum_barrier_init(&rounds.barrier, rounds.parties), 0);
        crowd(sizes[i], go_round, &rounds);
        CHECK_EQ(rounds.here, rounds.parties * 10);
        thrum_barrier_destroy(&rounds.barrier);
    }
    return 0;
}

TEST(ten_thousand_tasks_go_ten_rounds)
{
    run_everywhere(crowds, NULL);
}

/* ---- cancel against the last one, and against abort ------------------------------------------- */

/* All come, one is cancelled, and as soon as it is decided the rest is told to go. */
static int races(void *arg)
{
    uint64_t seed = 88172645463325252u;

    (void)arg;
    for (int i = 0; i < race_rounds(); i++) {
        struct arena arena;
        struct racer racers[RACERS];
        thrum_task *tasks[RACERS];
        uint64_t bits = random_next(&seed);
        int passed = 0, given_up = 0;
        unsigned seen = 0;
        thrum_group group;

        CHECK_EQ(thrum_barrier_init(&arena.barrier, RACERS), 0);
        CHECK_EQ(thrum_group_open(&group, collecting()), 0);
        for (int k = 0; k < RACERS; k++) {
            racers[k] = (struct racer){&arena, k, NEVER_RAN};
            CHECK_EQ(thrum_group_spawn(&group, come, &racers[k], NULL, &tasks[k]), 0);
            maybe_yield(bits >> (8 + 2 * k) & 1);
        }
        thrum_task_cancel(tasks[bits % RACERS], 0, NULL);
        while (bits & 4 && !thrum_task_ended(tasks[bits % RACERS], NULL))
            thrum_yield();
        maybe_yield(bits >> 4);
        thrum_barrier_abort(&arena.barrier);
        CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
        for (int k = 0; k < RACERS; k++) {
            passed += racers[k].status == 0;
            seen |= racers[k].status == 0 ? 1u << arena.places[k] : 0;
            given_up += racers[k].status == THRUM_ECANCELED || racers[k].status == NEVER_RAN;
            thrum_task_unref(tasks[k]);
        }
        CHECK(passed == 0 || passed + given_up == RACERS);
        CHECK_EQ(passed, __builtin_popcount(seen));
        CHECK_EQ(thrum_barrier_waiting(&arena.barrier), 0);
        thrum_barrier_destroy(&arena.barrier);
    }
    return 0;
}

TEST(a_cancel_races_with_the_last_one)
{
    run_everywhere(races, NULL);
}
