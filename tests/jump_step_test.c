/*
 * jump_step_test.c - whoever found that all are at rest, and is to set the clock forward, is
 * stopped before he does: the others go on, and come to rest with other deadlines.
 *
 * Without THRUM_POINTS nobody is stopped.
 */
#include <string.h>
#include <time.h>

#include "runtime/base/point.h"
#include "runtime/plat/clock.h"
#include "runtime/sched/internal.h"
#include "runtime/task/task.h"
#include "workers.h"

#define TIMES 5

void (*thrum_point_hook)(const char *name);

static struct {
    const struct scheduler *scheduler;
    uint32_t wanted; /* atomic: 1: stop who jumps next */
} stop;

static void nap(void)
{
    const struct timespec time = {0, 100000};

    nanosleep(&time, NULL);
}

/* Has a worker a deadline that is far off? */
static bool somebody_sleeps_long(void)
{
    unsigned known = load_acquire(&stop.scheduler->known);
    int64_t now = thrum_clock_now();

    for (unsigned i = 0; i < known; i++) {
        int64_t due = (int64_t)load_relaxed(&worker_at(stop.scheduler, i)->timers.next_due);

        if (due != TIMER_NEVER && due - now > thrum_s(1000))
            return true;
    }
    return false;
}

static void hook(const char *name)
{
    if (strcmp(name, "rest.tell") != 0 || !exchange_acquire(&stop.wanted, 0))
        return;
    for (int naps = 0; naps < 100000 && !somebody_sleeps_long(); naps++)
        nap();
}

static int sleep_an_hour(void *arg)
{
    int status = thrum_sleep(thrum_s(3600));

    add_release((uint32_t *)arg, status == 0);
    return status;
}

static int sleep_and_settle(void *arg)
{
    uint32_t woken = 0;
    thrum_child child;
    thrum_group group;

    (void)arg;
    store_release(&stop.wanted, 1);
    CHECK_EQ(thrum_sleep(thrum_ms(2)), 0);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_child(&group, &child, sleep_an_hour, &woken), 0);
    CHECK_EQ(thrum_settle(), 0);
    CHECK_EQ(load_acquire(&woken), 0); /* nobody has let time pass */
    store_release(&stop.wanted, 0);
    thrum_group_cancel(&group, 0, NULL);
    return thrum_group_close(&group, 0, NULL);
}

TEST(the_clock_jumps_to_what_was_next_when_all_were_at_rest)
{
    thrum_point_hook = hook;
    for (int workers = 2; workers <= 8; workers *= 4)
        for (int i = 0; i < TIMES; i++) {
            thrum_runtime *runtime = runtime_with(workers);

            stop.scheduler = &runtime->scheduler;
            thrum_runtime_jump(runtime);
            CHECK_EQ(thrum_runtime_run(runtime, sleep_and_settle, NULL, NULL), 0);
            CHECK_EQ(thrum_runtime_close(runtime), 0);
        }
    thrum_point_hook = NULL;
}
