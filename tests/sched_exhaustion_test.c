/*
 * sched_exhaustion_test.c - memory, stacks and threads run out at every point
 * where they can: each time an ordinary code, and afterwards all works again.
 * Leaks are for the sanitizers to see.
 */
#include <errno.h>
#include <pthread.h>

#include "runtime/atomic/verbs.h"
#include "runtime/plat/memory.h"
#include "runtime/plat/stack.h"
#include "runtime/plat/thread.h"
#include "workers.h"

enum { CHILDREN = 40, TASKS = 200, LAST = 400 };

static int yield_once(void *arg)
{
    (void)arg;
    return thrum_yield();
}

static int pair(void *arg)
{
    thrum_branch branch;
    int status = thrum_fork(&branch, yield_once, arg);

    if (status)
        return status;
    status = yield_once(arg);
    return thrum_join_first(status, thrum_join(&branch, yield_once, arg));
}

static int chain(void *arg)
{
    int *length = arg;
    thrum_child child;
    thrum_group group;
    int status;

    if (--*length == 0)
        return 0;
    status = thrum_group_open(&group, NULL);
    if (status)
        return status;
    status = thrum_group_spawn_child(&group, &child, chain, length);
    return thrum_group_close(&group, status, NULL);
}

/* Spawns into the group that it belongs to. */
static int spawn_beside(void *arg)
{
    int status = 0;

    for (int i = 0; i < 5 && !status; i++)
        status = thrum_group_spawn(arg, yield_once, NULL, NULL, NULL);
    return status;
}

/* Something of everything. */
static int work(void *arg)
{
    thrum_child children[CHILDREN];
    int length = 300;
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    (void)arg;
    if (status)
        return status;
    status = thrum_group_spawn_n(&group, children, CHILDREN, pair, NULL, 0);
    for (int i = 0; i < TASKS && !status; i++)
        status = thrum_group_spawn(&group, i % 2 ? yield_once : spawn_beside, &group, NULL, NULL);
    if (!status)
        status = thrum_yield();
    if (!status)
        status = chain(&length);
    return thrum_group_close(&group, status, NULL);
}

static bool ordinary(int status)
{
    return status == 0 || status == -ENOMEM || status == -EAGAIN || status == THRUM_EGROUP;
}

/* Fails the k-th call, for each k that there is, with some numbers of workers. */
static void exhaust(void (*fail_after)(int k), int last)
{
    static const int counts[] = {1, 2, 8};
    int failures = 0;

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        for (int k = 1; k <= last; k++) {
            int status;

            fail_after(k);
            status = run_with(counts[i], work, NULL);
            fail_after(0);
            CHECK(ordinary(status));
            failures += status != 0;
            if (k % 50 == 0)
                CHECK_EQ(run_with(counts[i], work, NULL), 0);
        }
    CHECK_LT(0, failures);
}

static void memory_fails(int k)
{
    thrum_memory_fail_after(k - 1);
}

TEST(memory_runs_out)
{
    exhaust(memory_fails, 150);
}

static void stack_fails(int k)
{
    store_relaxed(&thrum_stack_fail_after, (uint32_t)k); /* relaxed: a counter */
}

TEST(stacks_run_out)
{
    exhaust(stack_fails, WORKERS_SLOW ? 60 : LAST);
}

static void thread_fails(int k)
{
    store_relaxed(&thrum_thread_fail_after, (uint32_t)k); /* relaxed: a counter */
}

TEST(threads_run_out)
{
    exhaust(thread_fails, 12);
    for (int k = 1; k <= 9; k++) { /* the clock and eight workers: each is missed */
        thread_fails(k);
        CHECK_EQ(run_with(8, work, NULL), -EAGAIN);
        CHECK_EQ(run_with(8, work, NULL), 0);
    }
}

TEST(workers_run_out_while_more_are_wanted)
{
    thrum_runtime *runtime;

    for (int k = 1; k <= 6; k++) {
        runtime = runtime_with(2);
        thread_fails(k);
        CHECK_EQ(thrum_runtime_set_workers(runtime, 8), -EAGAIN);
        CHECK_EQ(thrum_runtime_workers(runtime), 1 + k);
        CHECK_EQ(thrum_runtime_run(runtime, work, NULL, NULL), 0);
        CHECK_EQ(thrum_runtime_set_workers(runtime, 2), 0);
        CHECK_EQ(thrum_runtime_run(runtime, work, NULL, NULL), 0);
        CHECK_EQ(thrum_runtime_close(runtime), 0);
    }
    runtime = runtime_with(2);
    for (int k = 1; k <= 20; k++) {
        int status;

        memory_fails(k);
        status = thrum_runtime_set_workers(runtime, 64);
        memory_fails(0);
        CHECK(status == 0 || status == -ENOMEM);
        CHECK_EQ(thrum_runtime_run(runtime, work, NULL, NULL), 0);
        CHECK_EQ(thrum_runtime_set_workers(runtime, 2), 0);
    }
    CHECK_EQ(thrum_runtime_close(runtime), 0);
}

/* ---- a deque that cannot grow ---------------------------------------------------------------- */

static int nothing(void *arg)
{
    add_relaxed((uint32_t *)arg, 1); /* relaxed: a counter */
    return 0;
}

/* More children than the first ring has room for; the next ring cannot be had. */
static int spawn_too_many(void *arg)
{
    thrum_child children[1000];
    uint32_t done = 0, spawned = 0, refused = 0;
    thrum_group group;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 1000; i++) {
        int status;

        thrum_memory_fail_after(0);
        status = thrum_group_spawn_child(&group, &children[i], nothing, &done);
        thrum_memory_fail_after(-1);
        CHECK(status == 0 || status == -ENOMEM);
        spawned += status == 0;
        refused += status != 0;
    }
    CHECK_LT(0, refused);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(done, spawned);
    return arg ? -1 : 0;
}

TEST(a_spawn_without_room_is_refused_and_nothing_was_spawned)
{
    CHECK_EQ(run_with(1, spawn_too_many, NULL), 0);
}

/* ---- a task that cannot be started ----------------------------------------------------------- */

static int start_without_stack(void *arg)
{
    thrum_task_options options = THRUM_TASK_OPTIONS_INIT;
    thrum_branch branch;
    thrum_error *errors;
    thrum_task *task;
    thrum_group group;
    int status = 0;

    options.name = "no room";
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, yield_once, NULL, &options, &task), 0);
    stack_fails(1);
    thrum_yield();
    CHECK(thrum_task_ended(task, &status));
    CHECK_EQ(status, -ENOMEM);
    thrum_task_unref(task);
    CHECK_EQ(thrum_group_close(&group, 0, &errors), THRUM_EGROUP);
    CHECK_EQ(thrum_error_code(thrum_error_child(errors, 0)), -ENOMEM);
    CHECK_STR_EQ(thrum_error_name(thrum_error_child(errors, 0)), "no room");
    thrum_error_free(errors);

    CHECK_EQ(thrum_fork(&branch, yield_once, NULL), 0);
    stack_fails(1);
    thrum_yield();
    CHECK_EQ(thrum_join(&branch, yield_once, NULL), -ENOMEM);
    stack_fails(0);
    return arg ? -1 : 0;
}

TEST(a_task_that_gets_no_stack_has_failed_for_want_of_memory)
{
    CHECK_EQ(run_with(1, start_without_stack, NULL), 0);
}
