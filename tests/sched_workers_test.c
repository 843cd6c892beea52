/*
 * sched_workers_test.c - workers come and go while tasks run, and no task
 * notices.
 */
#include <errno.h>
#include <pthread.h>

#include "runtime/atomic/verbs.h"
#include "workers.h"

struct load {
    thrum_runtime *runtime;
    uint32_t stop; /* atomic */
};

struct fib {
    int n;
    bool moving;
    long result;
};

static int fib(void *arg)
{
    struct fib *self = arg;
    struct fib parts[2] = {{self->n - 1, self->moving, 0}, {self->n - 2, self->moving, 0}};
    thrum_child children[2];
    thrum_group group;
    int status;

    self->result = self->n;
    if (self->moving)
        thrum_yield();
    if (self->n < 2)
        return 0;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    status = thrum_group_spawn_n(&group, children, 2, fib, parts, sizeof(parts[0]));
    status = thrum_group_close(&group, status, NULL);
    self->result = parts[0].result + parts[1].result;
    return status;
}

static int count(void *arg)
{
    add_relaxed((uint32_t *)arg, 1); /* relaxed: a counter */
    return thrum_yield();
}

static int work(void *arg)
{
    struct load *load = arg;

    for (int round = 0; round < 20 && !load_acquire(&load->stop); round++) {
        struct fib still = {15, false, 0};
        struct fib moving = {10, true, 0};
        uint32_t done = 0;
        thrum_group group;

        CHECK_EQ(fib(&still), 0);
        CHECK_EQ(still.result, 610);
        CHECK_EQ(fib(&moving), 0);
        CHECK_EQ(moving.result, 55);
        CHECK_EQ(thrum_group_open(&group, NULL), 0);
        for (int i = 0; i < 50; i++)
            CHECK_EQ(thrum_group_spawn(&group, count, &done, NULL, NULL), 0);
        CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
        CHECK_EQ(done, 50);
    }
    return 0;
}

static void *run_work(void *arg)
{
    struct load *load = arg;

    while (!load_acquire(&load->stop))
        CHECK_EQ(thrum_runtime_run(load->runtime, work, load, NULL), 0);
    return NULL;
}

static void resize_under_load(const int *sizes, int count_of_sizes, int rounds)
{
    struct load load = {runtime_with(sizes[0]), 0};
    pthread_t threads[3];

    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, run_work, &load), 0);
    for (int i = 0; i < rounds; i++) {
        int size = sizes[i % count_of_sizes];

        CHECK_EQ(thrum_runtime_set_workers(load.runtime, size), 0);
        CHECK_EQ(thrum_runtime_workers(load.runtime), size);
    }
    store_release(&load.stop, 1);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_EQ(thrum_runtime_close(load.runtime), 0);
}

TEST(workers_are_added_and_removed_under_load)
{
    static const int slowly[] = {1, 2, 3, 4, 5, 6, 7, 8, 7, 6, 5, 4, 3, 2};
    static const int at_once[] = {8, 1};
    static const int few[] = {1, 2};
    static const int most[] = {64, 1, 30};

    resize_under_load(slowly, 14, many(300));
    resize_under_load(at_once, 2, many(200));
    resize_under_load(few, 2, many(200));
    resize_under_load(most, 3, 6);
}

static int fib_once(void *arg)
{
    struct fib top = {10, true, 0};

    CHECK_EQ(fib(&top), 0);
    CHECK_EQ(top.result, 55);
    return arg ? -1 : 0;
}

TEST(workers_are_added_and_removed_between_runs)
{
    thrum_runtime *runtime = runtime_with(1);

    for (int i = 0; i < many(200); i++) {
        CHECK_EQ(thrum_runtime_set_workers(runtime, i * 7 % 13 + 1), 0);
        CHECK_EQ(thrum_runtime_run(runtime, fib_once, NULL, NULL), 0);
        if (i % 3 == 0)
            CHECK_EQ(thrum_runtime_set_workers(runtime, i * 5 % 11 + 1), 0);
    }
    CHECK_EQ(thrum_runtime_close(runtime), 0);
}

struct sleepers {
    thrum_event event;
    uint32_t waiting; /* atomic */
    uint32_t woken;   /* atomic */
};

static int sleep_once(void *arg)
{
    struct sleepers *sleepers = arg;

    add_relaxed(&sleepers->waiting, 1); /* relaxed: a counter */
    CHECK_EQ(thrum_event_wait(&sleepers->event), 0);
    add_relaxed(&sleepers->woken, 1); /* relaxed: a counter */
    return 0;
}

static int many_sleep(void *arg)
{
    thrum_group group;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(thrum_group_spawn(&group, sleep_once, arg, NULL, NULL), 0);
    return thrum_group_close(&group, 0, NULL);
}

struct sleeping_run {
    thrum_runtime *runtime;
    struct sleepers sleepers;
};

static void *run_sleepers(void *arg)
{
    struct sleeping_run *run = arg;

    CHECK_EQ(thrum_runtime_run(run->runtime, many_sleep, &run->sleepers, NULL), 0);
    return NULL;
}

/* Tasks fell asleep on workers that have left since. */
TEST(tasks_wake_though_their_worker_has_left)
{
    for (int i = 0; i < many(60); i++) {
        struct sleeping_run run = {runtime_with(8), {THRUM_EVENT_INIT, 0, 0}};
        pthread_t thread;

        thrum_hold(run.runtime, "this thread sets the event");
        CHECK_EQ(pthread_create(&thread, NULL, run_sleepers, &run), 0);
        while (load_relaxed(&run.sleepers.waiting) < 1000) /* relaxed: a counter */
            CHECK_EQ(thrum_runtime_set_workers(run.runtime, 8), 0);
        CHECK_EQ(thrum_runtime_set_workers(run.runtime, 1), 0);
        thrum_event_set(&run.sleepers.event);
        thrum_release(run.runtime);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        CHECK_EQ(run.sleepers.woken, 1000);
        CHECK_EQ(thrum_runtime_close(run.runtime), 0);
    }
}

TEST(numbers_out_of_range_are_refused)
{
    thrum_runtime *runtime = runtime_with(3);

    CHECK_EQ(thrum_runtime_set_workers(runtime, 0), -EINVAL);
    CHECK_EQ(thrum_runtime_set_workers(runtime, -1), -EINVAL);
    CHECK_EQ(thrum_runtime_set_workers(runtime, THRUM_WORKERS_MAX + 1), -EINVAL);
    CHECK_EQ(thrum_runtime_workers(runtime), 3);
    CHECK_EQ(thrum_runtime_close(runtime), 0);
}
