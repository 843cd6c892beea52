/*
 * sched_idle_test.c - a runtime with nothing to do uses no CPU: a measurement,
 * of CPU time, not of the wall's. It takes a few seconds.
 */
#include <pthread.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "workers.h"

#define LIMIT_US 20000

static int64_t cpu_us(void)
{
    struct rusage usage;

    CHECK_EQ(getrusage(RUSAGE_SELF, &usage), 0);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * INT64_C(1000000) +
           usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

/* The second is what is measured, not something to wait for. */
static int64_t cpu_us_of_a_second(void)
{
    const struct timespec second = {1, 0};
    int64_t before = cpu_us();

    nanosleep(&second, NULL);
    return cpu_us() - before;
}

/* Workers may still be on their way to sleep: the best of three counts. */
static void check_idle(void)
{
    int64_t best = INT64_MAX;

    for (int i = 0; i < 3 && best > LIMIT_US; i++) {
        int64_t used = cpu_us_of_a_second();

        best = used < best ? used : best;
    }
    CHECK_LE(best, LIMIT_US);
}

static int yield_a_little(void *arg)
{
    for (int i = 0; i < 100; i++)
        thrum_yield();
    return *(int *)arg;
}

static int spread(void *arg)
{
    thrum_child children[200];
    thrum_group group;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_n(&group, children, 200, yield_a_little, arg, 0), 0);
    return thrum_group_close(&group, 0, NULL);
}

/* ---- while tasks wait for descriptors --------------------------------------------------------- */

static int wait_for_byte(void *arg)
{
    const int *fds = arg;

    CHECK_EQ(thrum_fd_wait(fds[0], THRUM_FD_READ), THRUM_FD_READ);
    return 0;
}

static void *run_waiter(void *arg)
{
    int *fds = arg;

    CHECK_EQ(run_with(fds[2], wait_for_byte, fds), 0);
    return NULL;
}

TEST(waiting_for_a_descriptor_uses_no_cpu)
{
    static const int counts[] = {1, 8};

    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        int fds[3] = {0, 0, counts[i]};
        pthread_t thread;

        CHECK_EQ(pipe(fds), 0);
        CHECK_EQ(pthread_create(&thread, NULL, run_waiter, fds), 0);
        check_idle();
        CHECK_EQ(write(fds[1], "", 1), 1);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        CHECK_EQ(close(fds[0]), 0);
        CHECK_EQ(close(fds[1]), 0);
    }
}

TEST(sixty_four_idle_workers_use_no_cpu)
{
    thrum_runtime *runtime = runtime_with(64);
    int status = 0;

    check_idle(); /* before anything ran */
    for (int i = 0; i < 10; i++)
        CHECK_EQ(thrum_runtime_run(runtime, spread, &status, NULL), 0);
    check_idle();
    CHECK_EQ(thrum_runtime_set_workers(runtime, 2), 0);
    CHECK_EQ(thrum_runtime_run(runtime, spread, &status, NULL), 0);
    check_idle();
    CHECK_EQ(thrum_runtime_close(runtime), 0);
}
