/*
 * world.h - who decides in a scheduler.
 *
 * In the real world nobody: order comes from queues, threads and the kernel's
 * clock. A simulated world has one worker and no thread; whoever runs a task on
 * it (thrum_scheduler_drive) is that worker until the task has ended. All that
 * the workers of the real one leave to chance it is asked for, through this
 * table. The fast paths know nothing of it: its worker's deque is poisoned for
 * good, and its `overdue` is never 0, so that each of them ends in a slow path.
 */
#ifndef THRUM_SCHED_WORLD_H
#define THRUM_SCHED_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <thrum/detail/draw.h>
#include <thrum/detail/point.h>

#include "runtime/atomic/verbs.h"
#include "runtime/base/base.h"
#include "runtime/sched/io.h"

#include "runtime/plat/sanitizer.h"

struct fiber;
struct scheduler;
struct timer;
struct worker;

struct world {
    /* On the loop. Who goes on; NULL: what the worker was driven for is done. */
    struct fiber *(*pick)(struct world *world, struct worker *worker);
    /* The running task has pushed an unstarted one, which is the world's from here. 0 or -ENOMEM:
     * then it never was pushed. */
    int (*pushed)(struct world *world, void *task);
    /*
     * The running task joins `joined`, and asks for an unstarted task of it, to run it here; NULL:
     * it must wait.
     */
    void *(*pop)(struct world *world, const void *joined);
    /* What time it is. */
    int64_t (*now)(struct world *world);
    /* How often the running task has left by itself: thrum_scheduler_turn_here. */
    uint64_t (*turn)(struct world *world);
    /* The running task arms a timer: as thrum_timer_arm. Calling off is not told. */
    int (*timer)(struct world *world, struct timer *timer, int64_t when_ns, uint64_t key);
    /* A number below n, for the running task, where the real world would toss a coin. */
    size_t (*draw)(struct world *world, size_t n);
    /* The running task is about to do something that others may notice: detail/point.h. */
    void (*point)(struct world *world, unsigned what, const void *object);
    /* Is the running task dealt a fault (thrum/fault.h)? At a place that has this number. 0: no. */
    uint32_t (*fault)(struct world *world, uint32_t kind, uint64_t place);
    /* As thrum_poller_arm and _forget; what is found goes to the verb `polled`, on the loop. */
    int (*arm)(struct world *world, int fd, uint32_t events, uint64_t key, bool *known);
    void (*forget)(struct world *world, int fd);
    /* The running task has n more of an object that does not know who has it; n < 0: less. */
    void (*has)(struct world *world, const void *object, const char *what, int n);
    /* The running task has locked the object, in a call that returns to `where`; has unlocked it. */
    void (*held)(struct world *world, const void *object, const char *what, const void *where);
    void (*released)(struct world *world, const void *object);
    /* As thrum_poller_valid and _peek, for numbers of its own: with FD_OF_WORLD. */
    bool (*valid)(struct world *world, int fd);
    int (*peek)(struct world *world, int fd, uint32_t events);
    const struct io_verbs *io; /* its network */
    bool decides; /* on the loop: nobody has a turn, and hooks that are called there are no task */
    bool races;   /* constant: ThreadSanitizer watches its tasks: plat/races.h */
    bool refuses; /* constant in a history: the verb `fault` is to be asked */
    const uint32_t *until; /* atomic: not 0: done. The world's, while it is driven */
};

/* Is it a simulated one whose tasks are watched for races (plat/races.h)? */
static inline bool world_races(const struct world *world)
{
    return SANITIZER_RACES && world != NULL && world->races;
}

/*
 * Between these a task does what the scheduler would do in another thread: in a simulated world
 * it is not seen. They nest.
 */
static inline void world_hide(const struct world *world)
{
    if (world_races(world))
        sanitizer_hide();
}

static inline void world_show(const struct world *world)
{
    if (world_races(world))
        sanitizer_show();
}

/* The calling task's world; NULL: it is the real one, or this is no task. */
struct world *thrum_world_self(void);

/* For reports in a simulated world: see `has`. In the real one a load and a branch. */
void thrum_has_slow(const void *object, const char *what, int n);

#ifdef THRUM_MODEL
static inline void thrum_has(const void *object, const char *what, int n)
{
    (void)object, (void)what, (void)n;
}
#else
static inline void thrum_has(const void *object, const char *what, int n)
{
    if (UNLIKELY(load_relaxed(&thrum_simulated))) /* relaxed: as in detail/point.h */
        thrum_has_slow(object, what, n);
}
#endif

/* The time in the calling thread's world, as thrum_clock_now. */
int64_t thrum_world_now(void);

#endif
