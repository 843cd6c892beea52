/*
 * misuse_test.c - whoever breaks the contract gets a sentence that says what
 * was wrong, or a code, and never silence.
 */
#include <errno.h>
#include <pthread.h>

#include "workers.h"

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* ---- codes ----------------------------------------------------------------------------------- */

struct nested {
    thrum_runtime *runtime;
};

static int nest(void *arg)
{
    struct nested *nested = arg;
    thrum_runtime *another = NULL;

    CHECK_EQ(thrum_run(nothing, NULL, NULL), THRUM_ENESTED);
    CHECK_EQ(thrum_runtime_create(&another, NULL), THRUM_ENESTED);
    CHECK(another == NULL);
    CHECK_EQ(thrum_runtime_run(nested->runtime, nothing, NULL), THRUM_ENESTED);
    CHECK_EQ(thrum_runtime_set_workers(nested->runtime, 1), THRUM_ENESTED);
    CHECK_EQ(thrum_runtime_close(nested->runtime), THRUM_ENESTED);
    return thrum_yield();
}

TEST(a_runtime_inside_a_task_is_refused)
{
    static const int counts[] = {1, 2, 8, 64};

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct nested nested = {runtime_with(counts[i])};

        CHECK_EQ(thrum_runtime_run(nested.runtime, nest, &nested), 0);
        CHECK_EQ(run_with(counts[i], nest, &nested), 0); /* from a task of another */
        CHECK_EQ(thrum_runtime_close(nested.runtime), 0);
    }
}

/* ---- sentences: groups ----------------------------------------------------------------------- */

/* Each of these is run as a task and must not come back. */
static void dies(thrum_fn fn, const char *sentence)
{
    CHECK_DEATH((void)run_with(1, fn, NULL), sentence);
    CHECK_DEATH((void)run_with(8, fn, NULL), sentence);
}

static int close_twice(void *arg)
{
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    return thrum_group_close(&group, 0, NULL);
}

TEST(closing_a_group_twice)
{
    dies(close_twice, "thrum_group_close was called on a group that is not open; close it once");
}

static int spawn_child_after_close(void *arg)
{
    thrum_child child;
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    return thrum_group_spawn_child(&group, &child, nothing, NULL);
}

static int spawn_task_after_close(void *arg)
{
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    return thrum_group_spawn(&group, nothing, NULL, NULL, NULL);
}

TEST(spawning_into_a_closed_group)
{
    dies(spawn_child_after_close, "a task was spawned into a group that is not open");
    dies(spawn_task_after_close, "a task was spawned into a group that is not open");
}

static int spawn_child_into(void *arg)
{
    static thrum_child child;

    return thrum_group_spawn_child(arg, &child, nothing, NULL);
}

static int let_member_spawn_child(void *arg)
{
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, spawn_child_into, &group, NULL, NULL), 0);
    return thrum_group_close(&group, 0, NULL);
}

TEST(spawning_a_child_into_another_task_s_group)
{
    dies(let_member_spawn_child, "thrum_group_spawn_child was called by a task that did not open "
                                 "the group; use thrum_group_spawn there");
}

static int close_of(void *arg)
{
    return thrum_group_close(arg, 0, NULL);
}

static int let_member_close(void *arg)
{
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, close_of, &group, NULL, NULL), 0);
    return thrum_group_close(&group, 0, NULL);
}

TEST(closing_another_task_s_group)
{
    dies(let_member_close, "thrum_group_close was called by a task that did not open the group");
}

static int leave_open(void *arg)
{
    static thrum_group group;
    thrum_group_options options = THRUM_GROUP_OPTIONS_INIT;

    (void)arg;
    options.name = "forgotten";
    return thrum_group_open(&group, &options);
}

static int child_leaves_open(void *arg)
{
    thrum_child child;
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_child(&group, &child, leave_open, NULL), 0);
    return thrum_group_close(&group, 0, NULL);
}

static int task_leaves_open(void *arg)
{
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, leave_open, NULL, NULL, NULL), 0);
    return thrum_group_close(&group, 0, NULL);
}

static int started_task_leaves_open(void *arg)
{
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, leave_open, NULL, NULL, NULL), 0);
    thrum_yield();
    return thrum_group_close(&group, 0, NULL);
}

TEST(a_task_that_leaves_a_group_open)
{
    static const char sentence[] = "a task ended and left a group open: forgotten";

    dies(leave_open, sentence);
    dies(child_leaves_open, sentence);
    dies(task_leaves_open, sentence);
    dies(started_task_leaves_open, sentence);
}

static int branch_leaves_open(void *arg)
{
    thrum_branch branch;

    CHECK_EQ(thrum_fork(&branch, leave_open, arg), 0);
    return thrum_join(&branch, leave_open, arg);
}

TEST(a_branch_that_leaves_a_group_open)
{
    dies(branch_leaves_open, "left a group open");
}

static int close_outer_first(void *arg)
{
    thrum_group outer, inner;

    (void)arg;
    CHECK_EQ(thrum_group_open(&outer, NULL), 0);
    CHECK_EQ(thrum_group_open(&inner, NULL), 0);
    CHECK_EQ(thrum_group_close(&outer, 0, NULL), 0);
    return thrum_group_close(&inner, 0, NULL);
}

TEST(closing_groups_out_of_order)
{
    dies(close_outer_first, "a group opened later is still open; close groups in reverse order");
}

/* ---- sentences: events ----------------------------------------------------------------------- */

static int await(void *arg)
{
    return thrum_event_wait(arg);
}

static int destroy_with_waiter(void *arg)
{
    thrum_event event = THRUM_EVENT_INIT;
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, await, &event, NULL, NULL), 0);
    for (int i = 0; i < 1000; i++)
        thrum_yield();
    while (!event.first) /* it may have started elsewhere */
        thrum_yield();
    thrum_event_destroy(&event);
    return thrum_group_close(&group, 0, NULL);
}

TEST(destroying_an_event_that_somebody_waits_for)
{
    CHECK_DEATH((void)run_with(1, destroy_with_waiter, NULL),
                "thrum_event_destroy was called while a task waits for the event");
}

/* ---- sentences: threads that run no task ----------------------------------------------------- */

TEST(calls_from_a_thread_that_runs_no_task)
{
    static thrum_event event = THRUM_EVENT_INIT;
    thrum_group group = {.owner = NULL};
    thrum_branch branch;
    thrum_child child;

    CHECK_DEATH(CHECK_EQ(thrum_group_open(&group, NULL), 0), "outside a task; start one with");
    CHECK_DEATH(CHECK_EQ(thrum_group_spawn_child(&group, &child, nothing, NULL), 0),
                "from a thread that runs no task; start one with thrum_run");
    CHECK_DEATH(CHECK_EQ(thrum_group_spawn(&group, nothing, NULL, NULL, NULL), 0),
                "from a thread that runs no task; start one with thrum_run");
    CHECK_DEATH(CHECK_EQ(thrum_group_close(&group, 0, NULL), 0), "outside a task");
    CHECK_DEATH(CHECK_EQ(thrum_fork(&branch, nothing, NULL), 0), "thread that runs no task");
    CHECK_DEATH(CHECK_EQ(thrum_join(&branch, nothing, NULL), 0), "thread that runs no task");
    CHECK_DEATH(CHECK_EQ(thrum_yield(), 0), "thrum_yield was called outside a task");
    CHECK_DEATH(CHECK_EQ(thrum_event_wait(&event), 0), "thrum_event_wait was called outside");
}

static void *spawn_from_thread(void *arg)
{
    CHECK_EQ(thrum_group_spawn(arg, nothing, NULL, NULL, NULL), 0);
    return NULL;
}

static int let_thread_spawn(void *arg)
{
    thrum_group group;
    pthread_t thread;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(pthread_create(&thread, NULL, spawn_from_thread, &group), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    return thrum_group_close(&group, 0, NULL);
}

TEST(spawning_into_a_task_s_group_from_a_thread)
{
    dies(let_thread_spawn, "a task was spawned from a thread that runs no task");
}

/* ---- stack overflow -------------------------------------------------------------------------- */

static int dig(volatile char *above)
{
    volatile char here[512];

    here[0] = above ? above[0] : 'x';
    if (here[0] == 'y') /* never */
        return 0;
    here[511] = (char)dig(here);
    return here[511] + here[0];
}

static int dig_for_ever(void *arg)
{
    return dig(arg);
}

static void spawn_digger(thrum_group *group)
{
    thrum_task_options options = THRUM_TASK_OPTIONS_INIT;

    options.name = "mole";
    CHECK_EQ(thrum_group_spawn(group, dig_for_ever, NULL, &options, NULL), 0);
}

static int overflow_inline(void *arg)
{
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    spawn_digger(&group);
    return thrum_group_close(&group, 0, NULL);
}

static int overflow_elsewhere(void *arg)
{
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    spawn_digger(&group);
    thrum_yield();
    return thrum_group_close(&group, 0, NULL);
}

TEST(a_stack_overflow_names_the_task)
{
    dies(overflow_inline, "mole");
    dies(overflow_elsewhere, "mole");
    dies(dig_for_ever, "stack");
}
