/*
 * sync_broadcast_test.c - every subscriber gets every item in order, or is told
 * how many it has missed.
 */
#include <pthread.h>

#include "racing.h"

#define SENDS 5

struct arena {
    thrum_broadcast broadcast;
    thrum_subscriber subscribers[RACERS];
    uint64_t ring[8];
    uint64_t total;
    uint32_t number; /* atomic */
};

static void open_with(struct arena *arena, size_t limit)
{
    *arena = (struct arena){.number = 0};
    CHECK_EQ(thrum_broadcast_init(&arena->broadcast, sizeof(uint64_t), limit, arena->ring), 0);
}

static void send(struct arena *arena)
{
    CHECK_EQ(thrum_broadcast_send(&arena->broadcast, &arena->total), 0);
    arena->total++;
}

static int plain(void *arg)
{
    struct arena arena;
    thrum_subscriber early, late;
    uint64_t item, missed;

    (void)arg;
    CHECK_EQ(thrum_broadcast_init(&arena.broadcast, 0, 1, arena.ring), -EINVAL);
    CHECK_EQ(thrum_broadcast_init(&arena.broadcast, 8, 0, arena.ring), -EINVAL);
    CHECK_EQ(thrum_broadcast_init(&arena.broadcast, 8, SIZE_MAX, arena.ring), -EINVAL);
    CHECK_EQ(thrum_broadcast_init(&arena.broadcast, 8, 1, NULL), -EINVAL);
    open_with(&arena, 4);
    no_allocation_begin();
    thrum_broadcast_subscribe(&arena.broadcast, &early);
    CHECK_EQ(thrum_broadcast_try_receive(&early, &item, &missed), -EAGAIN);
    for (int i = 0; i < 3; i++)
        send(&arena);
    thrum_broadcast_subscribe(&arena.broadcast, &late);
    for (int i = 0; i < 4; i++)
        send(&arena);
    CHECK_EQ(thrum_broadcast_receive(&early, &item, &missed), 0);
    CHECK_EQ(item, 3);
    CHECK_EQ(missed, 3);
    thrum_broadcast_shutdown(&arena.broadcast);
    CHECK_EQ(thrum_broadcast_send(&arena.broadcast, &item), THRUM_ESHUTDOWN);
    for (uint64_t i = 3; i < 7; i++) {
        CHECK_EQ(thrum_broadcast_receive(&late, &item, &missed), 0);
        CHECK_EQ(item, i);
        CHECK_EQ(missed, 0);
    }
    CHECK_EQ(thrum_broadcast_receive(&late, &item, &missed), THRUM_ESHUTDOWN);
    no_allocation_end();
    thrum_broadcast_destroy(&arena.broadcast);
    return 0;
}

TEST(who_is_slow_is_told_what_it_has_missed)
{
    CHECK_EQ(run_with(1, plain, NULL), 0);
}

/* ---- races ----------------------------------------------------------------------------------- */

static int receive(void *arg)
{
    struct racer *racer = arg;
    struct arena *arena = racer->arena;
    uint64_t item, missed;

    racer->status =
        thrum_broadcast_receive(&arena->subscribers[racer->number], &item, &missed);
    if (racer->status == 0) {
        CHECK_EQ(item, 0);
        CHECK_EQ(missed, 0);
    }
    return racer->status;
}

static int send_two(void *arg)
{
    send(arg);
    send(arg);
    return 0;
}

static int races(void *arg)
{
    uint64_t seed = 88172645463325252u;

    (void)arg;
    for (int i = 0; i < race_rounds(); i++) {
        struct arena arena;
        struct race it = {.wait = receive, .wake = send_two, .arena = &arena};

        open_with(&arena, 2);
        for (int k = 0; k < RACERS; k++)
            thrum_broadcast_subscribe(&arena.broadcast, &arena.subscribers[k]);
        race(&it, random_next(&seed));
        for (int k = 0; k < RACERS; k++) {
            uint64_t item, missed;
            bool got = it.racers[k].status == 0;

            CHECK_EQ(thrum_broadcast_try_receive(&arena.subscribers[k], &item, &missed), 0);
            CHECK_EQ(item, got); /* who was cancelled has taken nothing */
            CHECK_EQ(missed, 0);
        }
        thrum_broadcast_destroy(&arena.broadcast);
    }
    return 0;
}

TEST(a_cancel_races_with_the_send)
{
    run_everywhere(races, NULL);
}

/* ---- crowds ---------------------------------------------------------------------------------- */

static int follow(void *arg)
{
    struct arena *arena = arg;
    thrum_subscriber subscriber;
    uint64_t next, item, missed;
    int status;

    thrum_broadcast_subscribe(&arena->broadcast, &subscriber);
    add_relaxed(&arena->number, 1); /* relaxed: a counter */
    next = subscriber.next;
    while ((status = thrum_broadcast_receive(&subscriber, &item, &missed)) == 0) {
        CHECK_EQ(item, next + missed);
        next = item + 1;
    }
    CHECK_EQ(status, THRUM_ESHUTDOWN);
    CHECK_EQ(next, SENDS);
    return 0;
}

static int crowds(void *arg)
{
    struct arena arena;
    thrum_group group;

    (void)arg;
    open_with(&arena, 2);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < crowd_size(); i++)
        CHECK_EQ(thrum_group_spawn(&group, follow, &arena, NULL, NULL), 0);
    while (load_relaxed(&arena.number) < (uint32_t)crowd_size()) /* relaxed: a counter */
        thrum_yield();
    for (int i = 0; i < SENDS; i++) {
        send(&arena);
        thrum_yield();
    }
    thrum_broadcast_shutdown(&arena.broadcast);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    thrum_broadcast_destroy(&arena.broadcast);
    return 0;
}

TEST(ten_thousand_subscribers_follow)
{
    run_everywhere(crowds, NULL);
}

static void *send_outside(void *arg)
{
    for (int i = 0; i < SENDS; i++)
        send(arg);
    thrum_broadcast_shutdown(&((struct arena *)arg)->broadcast);
    return NULL;
}

static int from_outside(void *arg)
{
    struct arena arena;
    thrum_group group;
    pthread_t thread;

    (void)arg;
    open_with(&arena, 2);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(thrum_group_spawn(&group, follow, &arena, NULL, NULL), 0);
    while (load_relaxed(&arena.number) < 10) /* relaxed: a counter */
        thrum_yield();
    thrum_hold(thrum_runtime_self(), "a thread sends");
    CHECK_EQ(pthread_create(&thread, NULL, send_outside, &arena), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    thrum_release(thrum_runtime_self());
    thrum_broadcast_destroy(&arena.broadcast);
    return 0;
}

TEST(a_thread_that_runs_no_task_sends)
{
    run_everywhere(from_outside, NULL);
}
