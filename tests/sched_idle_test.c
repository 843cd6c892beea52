/*
 * sched_idle_test.c - a runtime with nothing to do uses no CPU: a measurement,
 * of CPU time, not of the wall's. It takes a few seconds.
 */
#include <sys/resource.h>
#include <time.h>

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
