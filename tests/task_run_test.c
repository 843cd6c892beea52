/*
 * task_run_test.c - runtimes start, run what they are given, say how it ended,
 * and end.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "runtime/atomic/verbs.h"
#include "workers.h"

static int give_back(void *arg)
{
    return *(int *)arg;
}

TEST(what_the_task_returns_is_what_run_returns)
{
    static const int statuses[] = {0, 1, 7, -1, -EIO, THRUM_EGROUP, -100000};

    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        int status = statuses[i];

        CHECK_EQ(thrum_run(give_back, &status, NULL, NULL), status);
        CHECK_EQ(run_with(1, give_back, &status), status);
        CHECK_EQ(run_with(8, give_back, &status), status);
    }
}

static int add_one(void *arg)
{
    ++*(int *)arg;
    return thrum_yield();
}

TEST(a_runtime_runs_one_task_after_another)
{
    static const int counts[] = {1, 2, 8, 64};

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        thrum_runtime *runtime = runtime_with(counts[i]);
        int runs = many(2000);
        int done = 0;

        CHECK_EQ(thrum_runtime_workers(runtime), counts[i]);
        for (int run = 0; run < runs; run++)
            CHECK_EQ(thrum_runtime_run(runtime, add_one, &done, NULL), 0);
        CHECK_EQ(done, runs);
        CHECK_EQ(thrum_runtime_close(runtime), 0);
    }
}

TEST(runtimes_come_and_go)
{
    for (int i = 0; i < many(200); i++) {
        int done = 0;

        CHECK_EQ(thrum_runtime_close(runtime_with(i % 9 + 1)), 0);
        CHECK_EQ(run_with(i % 9 + 1, add_one, &done), 0);
        CHECK_EQ(done, 1);
    }
}

TEST(by_default_there_is_a_worker_at_least)
{
    thrum_runtime *runtime;

    CHECK_EQ(thrum_runtime_create(&runtime, NULL), 0);
    CHECK_LE(1, thrum_runtime_workers(runtime));
    CHECK_EQ(thrum_runtime_close(runtime), 0);
    CHECK_EQ(thrum_runtime_close(NULL), 0);
}

/* ---- several threads ----------------------------------------------------------------------- */

struct fib {
    int n;
    long result;
};

static int fib(void *arg)
{
    struct fib *self = arg;
    struct fib parts[2] = {{self->n - 1, 0}, {self->n - 2, 0}};
    thrum_child children[2];
    thrum_group group;
    int status;

    self->result = self->n;
    if (self->n < 2)
        return 0;
    status = thrum_group_open(&group, NULL);
    if (status)
        return status;
    status = thrum_group_spawn_n(&group, children, 2, fib, parts, sizeof(parts[0]));
    status = thrum_group_close(&group, status, NULL);
    self->result = parts[0].result + parts[1].result;
    return status;
}

#define THREADS 8

static void on_threads(void *(*fn)(void *), void *arg)
{
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, fn, arg), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
}

static void *run_a_runtime(void *arg)
{
    for (int i = 0; i < many(40); i++) {
        struct fib top = {12, 0};

        CHECK_EQ(run_with(i % 4 + 1, fib, &top), 0);
        CHECK_EQ(top.result, 144);
    }
    return arg;
}

TEST(several_runtimes_live_at_once)
{
    on_threads(run_a_runtime, NULL);
}

static void *run_here(void *arg)
{
    for (int i = 0; i < many(200); i++) {
        struct fib top = {12, 0};

        CHECK_EQ(thrum_runtime_run(arg, fib, &top, NULL), 0);
        CHECK_EQ(top.result, 144);
    }
    return arg;
}

TEST(several_threads_run_tasks_on_one_runtime)
{
    static const int counts[] = {1, 2, 8, 64};

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        thrum_runtime *runtime = runtime_with(counts[i]);

        on_threads(run_here, runtime);
        CHECK_EQ(thrum_runtime_close(runtime), 0);
    }
}

/* ---- options ------------------------------------------------------------------------------- */

/* Touches about `kilobytes` of stack. */
static __attribute__((noinline)) int use_stack(int kilobytes)
{
    volatile char part[1024];

    part[0] = (char)kilobytes;
    part[1023] = 1;
    return kilobytes > 1 ? use_stack(kilobytes - 1) + part[1023] : part[0];
}

static int deep(void *arg)
{
    use_stack(*(int *)arg);
    return 0;
}

TEST(a_task_has_the_stack_that_was_asked_for)
{
    thrum_options options = THRUM_OPTIONS_INIT;
    int kilobytes = 3000;

    if (WORKERS_SLOW)
        SKIP("frames have another size here");
    options.stack_bytes = (uint64_t)4 << 20;
    CHECK_EQ(thrum_run(deep, &kilobytes, &options, NULL), 0);
    options.stack_bytes = 0;
    kilobytes = 45;
    CHECK_EQ(thrum_run(deep, &kilobytes, &options, NULL), 0);
}

TEST(options_out_of_range_are_refused)
{
    static const int workers[] = {-1, -1000, INT32_MIN, THRUM_WORKERS_MAX + 1, 5000, INT32_MAX};
    static const uint64_t stacks[] = {1, 4096, (32 << 10) - 1, ((uint64_t)1 << 30) + 1, UINT64_MAX};
    int nothing = 0;

    for (size_t i = 0; i < sizeof(workers) / sizeof(workers[0]); i++)
        CHECK_EQ(run_with(workers[i], give_back, &nothing), -EINVAL);
    for (size_t i = 0; i < sizeof(stacks) / sizeof(stacks[0]); i++) {
        thrum_options options = THRUM_OPTIONS_INIT;

        options.stack_bytes = stacks[i];
        CHECK_EQ(thrum_run(give_back, &nothing, &options, NULL), -EINVAL);
    }
}

TEST(options_of_another_version_are_refused)
{
    thrum_options layout = THRUM_OPTIONS_INIT;
    thrum_options size = THRUM_OPTIONS_INIT;
    thrum_options flags = THRUM_OPTIONS_INIT;
    thrum_runtime *runtime = NULL;

    layout.layout = THRUM_LAYOUT + 1;
    size.size = 8;
    flags.flags = 1u << 31;
    CHECK_EQ(thrum_runtime_create(&runtime, &layout), THRUM_ELAYOUT);
    CHECK_EQ(thrum_runtime_create(&runtime, &size), THRUM_ELAYOUT);
    CHECK_EQ(thrum_runtime_create(&runtime, &flags), -EINVAL);
    CHECK(runtime == NULL);
}
