/*
 * sched_migration_test.c - a task that wakes on another thread sees that
 * thread's worker, and the runtime never mistakes one thread's errno for
 * another's. To be compiled with and without -fPIC: the compiler reaches
 * thread-local variables in different ways.
 *
 * Every call that may suspend is made again and again until the task has come
 * back on another thread MOVES times.
 */
#include <errno.h>
#include <sched.h>
#include <unistd.h>

#include "runtime/atomic/verbs.h"
#include "workers.h"

#define THREADS_MAX 256

enum { MOVES = 20, PATIENCE = 100 };

/* What a thread was found to be when it was first seen. */
struct known {
    uint64_t lane;     /* atomic */
    uint64_t errno_at; /* atomic */
};

static struct known known[THREADS_MAX];
static uint32_t threads;                /* atomic */
static __thread uint32_t thread_number; /* 0: not seen yet */

/* Out of line, so that nobody keeps the address of a thread-local variable. */
static __attribute__((noinline)) uint32_t this_thread(void)
{
    if (thread_number == 0)
        thread_number = add_relaxed(&threads, 1) + 1; /* relaxed: a counter */
    __asm__ __volatile__("" ::: "memory");
    return thread_number;
}

static __attribute__((noinline)) int *where_errno_is(void)
{
    __asm__ __volatile__("" ::: "memory");
    return &errno;
}

static void same_as_ever(uint64_t *at, const void *now)
{
    uint64_t first = 0;

    if (!cas_acq_rel(at, &first, (uint64_t)(uintptr_t)now))
        CHECK_EQ(first, (uint64_t)(uintptr_t)now);
}

/* Inlined into the function that suspends, as the library's own inline functions are. */
static inline __attribute__((always_inline)) void look_around(uint64_t self)
{
    struct thrum_lane *lane = thrum_lane_self();
    struct known *here = &known[this_thread() % THREADS_MAX];

    CHECK(lane == thrum_lane_self_slow());
    CHECK((uint64_t)(uintptr_t)lane->current == self);
    CHECK_EQ(thrum_self(), self);
    same_as_ever(&here->lane, lane);
    same_as_ever(&here->errno_at, where_errno_is());
    *where_errno_is() = EDOM;
}

/* ---- moving -------------------------------------------------------------------------------- */

/* Keeps its worker from the mover until that has woken on another one. */
static int hold_worker(void *arg)
{
    for (int i = 0; i < PATIENCE && !load_acquire((uint32_t *)arg); i++)
        sched_yield();
    return 0;
}

static void move_by_yield(uint64_t self)
{
    uint32_t back = 0;
    thrum_group group;

    look_around(self);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, hold_worker, &back, NULL, NULL), 0);
    look_around(self);
    thrum_yield();
    look_around(self);
    store_release(&back, 1);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    look_around(self);
}

static int mover(void *arg)
{
    uint64_t self = thrum_self();

    CHECK_NE(self, *(uint64_t *)arg);
    move_by_yield(self);
    return -EIO;
}

/* The child runs on this task's stack, unless it is stolen, and both move. */
static void move_in_a_child(uint64_t self)
{
    thrum_child child;
    thrum_group group;

    look_around(self);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_child(&group, &child, mover, &self), 0);
    look_around(self);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), THRUM_EGROUP);
    look_around(self);
}

static void move_in_a_task(uint64_t self)
{
    thrum_error *errors;
    thrum_group group;

    look_around(self);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, mover, &self, NULL, NULL), 0);
    look_around(self);
    CHECK_EQ(thrum_group_close(&group, 0, &errors), THRUM_EGROUP);
    look_around(self);
    CHECK_EQ(thrum_error_print(errors, -1), -EBADF);
    CHECK_EQ(*where_errno_is(), EBADF); /* of this thread */
    thrum_error_free(errors);
}

static void move_in_a_branch(uint64_t self)
{
    thrum_branch branch;

    look_around(self);
    CHECK_EQ(thrum_fork(&branch, mover, &self), 0);
    look_around(self);
    CHECK_EQ(thrum_join(&branch, mover, &self), -EIO);
    look_around(self);
}

struct call {
    thrum_event event;
    uint32_t thread; /* who is to be left */
};

/* Sets the event on another thread than the waiter's, if it can. */
static int set_elsewhere(void *arg)
{
    struct call *call = arg;

    for (int i = 0; i < PATIENCE && this_thread() == call->thread; i++)
        thrum_yield();
    thrum_event_set(&call->event);
    return 0;
}

static void move_by_event(uint64_t self)
{
    struct call call = {THRUM_EVENT_INIT, this_thread()};
    thrum_group group;

    look_around(self);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, set_elsewhere, &call, NULL, NULL), 0);
    CHECK_EQ(thrum_event_wait(&call.event), 0);
    look_around(self);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    look_around(self);
}

/* ---- the tests ------------------------------------------------------------------------------ */

struct way {
    void (*move)(uint64_t self);
    int rounds; /* at least so many */
    int moves;  /* of which so many ended on another thread */
};

static int move_often(void *arg)
{
    const struct way *way = arg;
    uint64_t self = thrum_self();
    int moves = 0;

    for (int i = 0; i < way->rounds || moves < way->moves; i++) {
        uint32_t before = this_thread();

        way->move(self);
        moves += this_thread() != before;
    }
    return 0;
}

static void try(void (*move)(uint64_t self))
{
    struct way way = {move, 0, MOVES};

    CHECK_EQ(run_with(2, move_often, &way), 0);
    CHECK_EQ(run_with(8, move_often, &way), 0);
    if (!WORKERS_SLOW)
        CHECK_EQ(run_with(64, move_often, &way), 0);
}

TEST(yield)
{
    try(move_by_yield);
}

TEST(close_over_a_child)
{
    try(move_in_a_child);
}

TEST(close_over_a_task)
{
    try(move_in_a_task);
}

TEST(join)
{
    try(move_in_a_branch);
}

TEST(event_wait)
{
    try(move_by_event);
}

/* While every worker has work of its own nobody needs to move. */
static int crowd(void *arg)
{
    struct way ways[] = {{move_by_yield, 10, 0}, {move_in_a_child, 10, 0},
                         {move_in_a_task, 10, 0}, {move_in_a_branch, 10, 0},
                         {move_by_event, 10, 0}};
    thrum_group group;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(thrum_group_spawn(&group, move_often, &ways[i % 5], NULL, NULL), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    return arg ? -1 : 0;
}

TEST(all_at_once)
{
    CHECK_EQ(run_with(2, crowd, NULL), 0);
    CHECK_EQ(run_with(8, crowd, NULL), 0);
}
