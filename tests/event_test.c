/*
 * event_test.c - whoever waits for an event is woken once it is set, nobody
 * before, and in order of arrival.
 */
#include <pthread.h>
#include <sched.h>

#include "runtime/atomic/verbs.h"
#include "runtime/plat/memory.h"
#include "workers.h"

static int set_before(void *arg)
{
    thrum_event event = THRUM_EVENT_INIT;

    (void)arg;
    CHECK(!thrum_event_is_set(&event));
    thrum_event_set(&event);
    CHECK(thrum_event_is_set(&event));
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(thrum_event_wait(&event), 0);
    thrum_event_set(&event);
    thrum_event_clear(&event);
    CHECK(!thrum_event_is_set(&event));
    thrum_event_destroy(&event);
    thrum_event_init(&event);
    CHECK(!thrum_event_is_set(&event));
    thrum_event_destroy(&event);
    return 0;
}

TEST(who_comes_after_the_set_passes)
{
    run_everywhere(set_before, NULL);
}

static int no_allocation(void *arg)
{
    thrum_event event = THRUM_EVENT_INIT;

    (void)arg;
    thrum_memory_fail_after(0); /* the one that is to fail is still to come at the end */
    thrum_event_set(&event);
    CHECK_EQ(thrum_event_wait(&event), 0);
    thrum_event_clear(&event);
    CHECK(!thrum_event_is_set(&event));
    CHECK(thrum_memory_get(16, 16) == NULL);
    thrum_memory_fail_after(-1);
    thrum_event_destroy(&event);
    return 0;
}

TEST(a_set_event_lets_pass_without_allocating)
{
    CHECK_EQ(run_with(1, no_allocation, NULL), 0);
}

struct crowd {
    thrum_event event;
    uint32_t waiting; /* atomic */
    uint32_t passed;  /* atomic */
    bool set;         /* written before the event is set */
};

static int pass(void *arg)
{
    struct crowd *crowd = arg;

    add_relaxed(&crowd->waiting, 1); /* relaxed: a counter */
    CHECK_EQ(thrum_event_wait(&crowd->event), 0);
    CHECK(crowd->set);
    add_relaxed(&crowd->passed, 1); /* relaxed: a counter */
    return 0;
}

/* Spawns n tasks that wait, and returns when all have started. */
static void gather(thrum_group *group, struct crowd *crowd, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        CHECK_EQ(thrum_group_spawn(group, pass, crowd, NULL, NULL), 0);
    while (load_relaxed(&crowd->waiting) < n) /* relaxed: a counter */
        thrum_yield();
}

static int crowds(void *arg)
{
    static const int sizes[] = {1, 2, 100, 20000};

    (void)arg;
    for (int i = 0; i < 4; i++) {
        struct crowd crowd = {THRUM_EVENT_INIT, 0, 0, false};
        uint32_t n = (uint32_t)(sizes[i] > 100 ? many(sizes[i]) : sizes[i]);
        thrum_group group;

        CHECK_EQ(thrum_group_open(&group, NULL), 0);
        gather(&group, &crowd, n);
        CHECK_EQ(load_relaxed(&crowd.passed), 0); /* relaxed: a counter */
        crowd.set = true;
        thrum_event_set(&crowd.event);
        CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
        CHECK_EQ(crowd.passed, n);
        thrum_event_destroy(&crowd.event);
    }
    return 0;
}

TEST(all_who_wait_are_woken)
{
    run_everywhere(crowds, NULL);
}

static int hundred_thousand(void *arg)
{
    struct crowd crowd = {THRUM_EVENT_INIT, 0, 0, true};
    uint32_t n = (uint32_t)many(100000);
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    gather(&group, &crowd, n);
    thrum_event_set(&crowd.event);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(crowd.passed, n);
    return 0;
}

TEST(a_hundred_thousand_wait)
{
    CHECK_EQ(run_with(1, hundred_thousand, NULL), 0);
    CHECK_EQ(run_with(8, hundred_thousand, NULL), 0);
}

/* Whoever is in the list is woken, though the event is not set any more when it runs. */
static int set_and_clear(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++) {
        struct crowd crowd = {THRUM_EVENT_INIT, 0, 0, true};
        thrum_group group;

        CHECK_EQ(thrum_group_open(&group, NULL), 0);
        for (uint32_t k = 0; k < 10; k++)
            CHECK_EQ(thrum_group_spawn(&group, pass, &crowd, NULL, NULL), 0);
        while (load_relaxed(&crowd.passed) < 10) { /* relaxed: a counter */
            thrum_event_set(&crowd.event);
            thrum_event_clear(&crowd.event);
            thrum_yield();
        }
        CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
        thrum_event_destroy(&crowd.event);
    }
    return 0;
}

TEST(a_clear_right_after_the_set_takes_nothing_back)
{
    run_everywhere(set_and_clear, NULL);
}

struct fray {
    thrum_event event;
    uint32_t busy; /* atomic: waiters that have not had enough */
};

static int wait_often(void *arg)
{
    struct fray *fray = arg;

    for (int i = 0; i < 50; i++)
        CHECK_EQ(thrum_event_wait(&fray->event), 0);
    add_relaxed(&fray->busy, (uint32_t)-1); /* relaxed: a counter */
    return 0;
}

static int set_and_clear_often(void *arg)
{
    struct fray *fray = arg;

    while (load_relaxed(&fray->busy) != 0) { /* relaxed: a counter */
        thrum_event_set(&fray->event);
        thrum_event_clear(&fray->event);
        thrum_yield();
    }
    thrum_event_set(&fray->event);
    return 0;
}

static int fray(void *arg)
{
    struct fray fray = {THRUM_EVENT_INIT, 40};
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 44; i++) {
        thrum_fn fn = i % 11 == 10 ? set_and_clear_often : wait_often;

        CHECK_EQ(thrum_group_spawn(&group, fn, &fray, NULL, NULL), 0);
    }
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    thrum_event_destroy(&fray.event);
    return 0;
}

TEST(many_wait_set_and_clear_at_once)
{
    run_everywhere(fray, NULL);
}

/* ---- order --------------------------------------------------------------------------------- */

struct queue {
    thrum_event event;
    int next; /* whose turn it is; one worker: no two at once */
};

struct place {
    struct queue *queue;
    int number;
};

static int stand(void *arg)
{
    struct place *place = arg;

    CHECK_EQ(thrum_event_wait(&place->queue->event), 0);
    CHECK_EQ(place->queue->next++, place->number);
    return 0;
}

static int in_order(void *arg)
{
    struct queue queue = {THRUM_EVENT_INIT, 0};
    struct place places[500];
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 500; i++) {
        places[i] = (struct place){&queue, i};
        CHECK_EQ(thrum_group_spawn(&group, stand, &places[i], NULL, NULL), 0);
        if (i % 7 == 0)
            thrum_yield();
    }
    thrum_yield();
    CHECK_EQ(queue.next, 0);
    thrum_event_set(&queue.event);
    thrum_yield();
    CHECK_EQ(queue.next, 500);
    return thrum_group_close(&group, 0, NULL);
}

TEST(with_one_worker_they_go_on_in_order_of_arrival)
{
    IN_ORDER_ONLY;
    CHECK_EQ(run_with(1, in_order, NULL), 0);
}

/* ---- ends ---------------------------------------------------------------------------------- */

static int set_event(void *arg)
{
    thrum_event_set(arg);
    return 0;
}

/* The event's memory is given away as soon as the waiter goes on. */
static int gone_after_wake(void *arg)
{
    (void)arg;
    for (int i = 0; i < many(2000); i++) {
        thrum_event *event = malloc(sizeof(*event));
        thrum_group group;

        CHECK(event != NULL);
        thrum_event_init(event);
        CHECK_EQ(thrum_group_open(&group, NULL), 0);
        CHECK_EQ(thrum_group_spawn(&group, set_event, event, NULL, NULL), 0);
        CHECK_EQ(thrum_event_wait(event), 0);
        thrum_event_destroy(event);
        free(event);
        CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    }
    return 0;
}

TEST(an_event_is_destroyed_as_soon_as_the_waiter_returns)
{
    run_everywhere(gone_after_wake, NULL);
}

/* ---- tasks in turn --------------------------------------------------------------------------- */

struct turns {
    thrum_event mine, other;
    int rounds;
};

static int answer(void *arg)
{
    struct turns *turns = arg;

    for (int i = 0; i < turns->rounds; i++) {
        CHECK_EQ(thrum_event_wait(&turns->other), 0);
        thrum_event_clear(&turns->other);
        thrum_event_set(&turns->mine);
    }
    return 0;
}

static int take_turns(void *arg)
{
    struct turns turns = {THRUM_EVENT_INIT, THRUM_EVENT_INIT, many(5000)};
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, answer, &turns, NULL, NULL), 0);
    for (int i = 0; i < turns.rounds; i++) {
        thrum_event_set(&turns.other);
        CHECK_EQ(thrum_event_wait(&turns.mine), 0);
        thrum_event_clear(&turns.mine);
    }
    return thrum_group_close(&group, 0, NULL);
}

TEST(two_tasks_take_turns)
{
    run_everywhere(take_turns, NULL);
}

/* ---- other threads --------------------------------------------------------------------------- */

struct outside {
    thrum_runtime *runtime;
    thrum_event *events;
    int n;
};

static int await_each(void *arg)
{
    struct outside *outside = arg;

    for (int i = 0; i < outside->n; i++)
        CHECK_EQ(thrum_event_wait(&outside->events[i]), 0);
    return 0;
}

static void *run_await(void *arg)
{
    struct outside *outside = arg;

    CHECK_EQ(thrum_runtime_run(outside->runtime, await_each, outside, NULL), 0);
    return NULL;
}

TEST(a_thread_that_runs_no_task_sets_events)
{
    static const int counts[] = {1, 2, 8};

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct outside outside = {runtime_with(counts[i]), NULL, many(5000)};
        pthread_t thread;

        outside.events = calloc((size_t)outside.n, sizeof(*outside.events));
        CHECK(outside.events != NULL);
        thrum_hold(outside.runtime, "this thread sets events");
        CHECK_EQ(pthread_create(&thread, NULL, run_await, &outside), 0);
        for (int k = 0; k < outside.n; k++) {
            if (k % 3 == 0)
                sched_yield();
            thrum_event_set(&outside.events[k]);
        }
        thrum_release(outside.runtime);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        CHECK_EQ(thrum_runtime_close(outside.runtime), 0);
        free(outside.events);
    }
}

/* An event is shared by two runtimes: each task wakes on its own. */
TEST(an_event_wakes_tasks_of_other_runtimes)
{
    thrum_event events[100];
    struct outside outside = {runtime_with(2), events, 100};
    thrum_runtime *other = runtime_with(2);
    pthread_t thread;

    for (int i = 0; i < 100; i++)
        thrum_event_init(&events[i]);
    thrum_hold(outside.runtime, "tasks of another runtime set events");
    CHECK_EQ(pthread_create(&thread, NULL, run_await, &outside), 0);
    for (int i = 0; i < 100; i++)
        CHECK_EQ(thrum_runtime_run(other, set_event, &events[i], NULL), 0);
    thrum_release(outside.runtime);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(thrum_runtime_close(other), 0);
    CHECK_EQ(thrum_runtime_close(outside.runtime), 0);
}
