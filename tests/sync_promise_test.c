/*
 * sync_promise_test.c - a promise is resolved once, and everybody hears the
 * same; one that nobody keeps is broken.
 */
#include <pthread.h>

#include "racing.h"

static int plain(void *arg)
{
    int room = 0;
    int value = 42;
    int seen = 0;
    int status = 1;
    thrum_promise promise = THRUM_PROMISE_INIT(&room, sizeof room);

    (void)arg;
    CHECK(!thrum_promise_resolved(&promise, &status));
    CHECK_EQ(thrum_promise_fail(&promise, 0), -EINVAL);
    no_allocation_begin();
    CHECK_EQ(thrum_promise_set(&promise, &value), 0);
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(thrum_promise_wait(&promise, &seen), 0);
    no_allocation_end();
    CHECK_EQ(seen, 42);
    CHECK(thrum_promise_resolved(&promise, &status));
    CHECK_EQ(status, 0);
    CHECK_EQ(thrum_promise_set(&promise, &value), THRUM_ESTATE);
    CHECK_EQ(thrum_promise_fail(&promise, -EIO), THRUM_ESTATE);
    CHECK_EQ(thrum_promise_drop(&promise), THRUM_ESTATE);
    CHECK_EQ(thrum_promise_wait(&promise, NULL), 0);
    thrum_promise_destroy(&promise);
    thrum_promise_init(&promise, NULL, 0);
    CHECK_EQ(thrum_promise_fail(&promise, -EIO), 0);
    CHECK_EQ(thrum_promise_wait(&promise, NULL), -EIO);
    return 0;
}

TEST(a_promise_is_resolved_once)
{
    CHECK_EQ(run_with(1, plain, NULL), 0);
}

static int wait_for(void *arg)
{
    CHECK_EQ(thrum_promise_wait(arg, NULL), THRUM_EBROKEN);
    return 0;
}

static int dropped(void *arg)
{
    thrum_promise promise = THRUM_PROMISE_INIT(NULL, 0);
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(thrum_group_spawn(&group, wait_for, &promise, NULL, NULL), 0);
    thrum_yield();
    CHECK_EQ(thrum_promise_drop(&promise), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(thrum_promise_wait(&promise, NULL), THRUM_EBROKEN);
    thrum_promise_destroy(&promise);
    return 0;
}

TEST(a_dropped_promise_is_broken)
{
    run_everywhere(dropped, NULL);
}

struct arena {
    thrum_promise promise;
    long room;
    long seen[RACERS];
};

static int hear(void *arg)
{
    struct racer *racer = arg;
    struct arena *arena = racer->arena;

    racer->status = thrum_promise_wait(&arena->promise, &arena->seen[racer->number]);
    return racer->status;
}

static int keep(void *arg)
{
    struct arena *arena = arg;

    CHECK_EQ(thrum_promise_set(&arena->promise, &(long){77}), 0);
    return 0;
}

static int races(void *arg)
{
    uint64_t seed = 88172645463325252u;

    (void)arg;
    for (int i = 0; i < race_rounds(); i++) {
        struct arena arena = {.room = 0};
        struct race it = {.wait = hear, .wake = keep, .arena = &arena};

        thrum_promise_init(&arena.promise, &arena.room, sizeof arena.room);
        race(&it, random_next(&seed));
        for (int k = 0; k < RACERS; k++)
            CHECK_EQ(arena.seen[k], it.racers[k].status == 0 ? 77 : 0);
        thrum_promise_destroy(&arena.promise);
    }
    return 0;
}

TEST(a_cancel_races_with_the_set)
{
    run_everywhere(races, NULL);
}

struct contest {
    thrum_promise promise;
    uint64_t room;
    uint64_t number; /* atomic */
    uint64_t won;    /* atomic */
};

static int hammer(void *arg)
{
    struct contest *contest = arg;
    uint64_t mine = add_relaxed(&contest->number, 1); /* relaxed: a counter */
    uint64_t winner = 0;

    if (mine % 2 && thrum_promise_set(&contest->promise, &mine) == 0)
        store_relaxed(&contest->won, mine); /* relaxed: one does */
    CHECK_EQ(thrum_promise_wait(&contest->promise, &winner), 0);
    CHECK_EQ(winner % 2, 1);
    return 0;
}

static int crowds(void *arg)
{
    struct contest contest = {.number = 0};

    (void)arg;
    thrum_promise_init(&contest.promise, &contest.room, sizeof contest.room);
    crowd(crowd_size(), hammer, &contest);
    CHECK_EQ(contest.room, contest.won);
    thrum_promise_destroy(&contest.promise);
    return 0;
}

TEST(ten_thousand_tasks_hear_the_same)
{
    run_everywhere(crowds, NULL);
}

static void *set_outside(void *arg)
{
    CHECK_EQ(thrum_promise_set(arg, &(int){5}), 0);
    return NULL;
}

static int from_outside(void *arg)
{
    int room = 0;
    int seen = 0;
    thrum_promise promise = THRUM_PROMISE_INIT(&room, sizeof room);
    pthread_t thread;

    (void)arg;
    thrum_hold(thrum_runtime_self(), "a thread");
    CHECK_EQ(pthread_create(&thread, NULL, set_outside, &promise), 0);
    CHECK_EQ(thrum_promise_wait(&promise, &seen), 0);
    CHECK_EQ(seen, 5);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    thrum_release(thrum_runtime_self());
    thrum_promise_destroy(&promise);
    return 0;
}

TEST(a_thread_that_runs_no_task_sets_it)
{
    run_everywhere(from_outside, NULL);
}
