/*
 * settle.c - for tests: waiting until all others wait, and letting time pass.
 *
 * That all wait sched/rest.c knows, or, in a simulated world, who finds that
 * nobody may go on. It is told one settler at a time, the oldest, so that while
 * that one goes on all others wait, the other settlers included.
 *
 * A settler stands on the stack of its task and is linked under a lock until it
 * is claimed, or has left.
 */
#include <thrum/test.h>

#include <errno.h>
#include <stdio.h>

#include "runtime/plat/clock.h"
#include "runtime/task/task.h"
#include "runtime/task/wait.h"

struct settler {
    struct settler *next;
    struct wait wait;
    bool linked;
};

static void tell(const void *object, bool still, char *text, size_t size)
{
    (void)object, (void)still;
    snprintf(text, size, "all others to wait");
}

static const struct wait_kind settling = {.tell = tell};

static void enter(struct thrum_runtime *runtime, struct settler *self)
{
    struct settler **last = &runtime->settlers;

    pthread_mutex_lock(&runtime->roots_lock);
    while (*last)
        last = &(*last)->next;
    *last = self;
    pthread_mutex_unlock(&runtime->roots_lock);
    add_relaxed(&runtime->scheduler.settling, 1); /* relaxed: brought by busy */
}

static void leave(struct thrum_runtime *runtime, struct settler *self)
{
    struct settler **at = &runtime->settlers;

    pthread_mutex_lock(&runtime->roots_lock);
    if (self->linked) {
        while (*at != self)
            at = &(*at)->next;
        *at = self->next;
    }
    pthread_mutex_unlock(&runtime->roots_lock);
    add_relaxed(&runtime->scheduler.settling, (uint64_t)-1); /* relaxed: brought by busy */
}

void thrum_settled(struct scheduler *scheduler)
{
    struct thrum_runtime *runtime = runtime_of(scheduler);
    struct fiber *asleep = NULL;
    bool claimed = false;

    pthread_mutex_lock(&runtime->roots_lock);
    while (runtime->settlers && !claimed) {
        struct settler *first = runtime->settlers;

        runtime->settlers = first->next;
        first->linked = false;
        claimed = thrum_wait_claim(&first->wait, WAIT_WOKEN, &asleep);
    }
    pthread_mutex_unlock(&runtime->roots_lock);
    if (asleep)
        thrum_ready(asleep);
}

/* 0, THRUM_ECANCELED, -ENOMEM, -EAGAIN: it was woken for nobody. */
static int settle_once(struct thrum_runtime *runtime)
{
    struct settler self = {.linked = true};
    int status = thrum_wait_begin(&self.wait);
    enum wait_end end;

    if (status)
        return status;
    enter(runtime, &self);
    thrum_strand_waits(self.wait.strand, &settling, NULL);
    end = thrum_wait_sleep(&self.wait);
    leave(runtime, &self);
    if (end == WAIT_WOKEN)
        return 0;
    status = thrum_cancel_deliver();
    return status ? status : -EAGAIN;
}

static struct thrum_runtime *runtime_here(const char *call)
{
    if (!thrum_worker_self())
        thrum_panic("%s was called outside a task; it is for the tasks of a test", call);
    return runtime_of(thrum_worker_self()->scheduler);
}

static int settle(struct thrum_runtime *runtime)
{
    int status;

    if (runtime_is_guest(runtime))
        return -ENOTSUP;
    status = thrum_cancel_check();
    while (!status) {
        status = settle_once(runtime);
        if (status != -EAGAIN)
            break;
        status = 0;
    }
    return status;
}

int thrum_settle(void)
{
    return settle(runtime_here("thrum_settle"));
}

/* Time that really passes meanwhile is not counted: whatever was to end in time does. */
static int advance(struct thrum_runtime *runtime, int64_t left)
{
    struct scheduler *scheduler = &runtime->scheduler;
    int status = settle(runtime);

    while (!status && (left > 0 || thrum_scheduler_due(scheduler) <= thrum_clock_now())) {
        left -= thrum_scheduler_jump(scheduler, thrum_scheduler_due(scheduler), left);
        status = settle(runtime);
    }
    return status;
}

int thrum_advance(int64_t duration)
{
    struct thrum_runtime *runtime = runtime_here("thrum_advance");
    int status;

    if (duration < 0)
        return -EINVAL;
    if (!runtime->sim)
        return advance(runtime, duration);
    status = thrum_sleep(duration);
    return status ? status : settle(runtime);
}

void thrum_runtime_jump(thrum_runtime *runtime)
{
    thrum_scheduler_here(&runtime->scheduler);
    store_relaxed(&runtime->scheduler.jumps, 1); /* relaxed: the next run brings it */
}

bool thrum_test_simulated(void)
{
    return runtime_here("thrum_test_simulated")->sim != NULL;
}

uint64_t thrum_self_turn(void)
{
    (void)runtime_here("thrum_self_turn");
    return thrum_scheduler_turn_here();
}
