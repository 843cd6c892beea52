/*
 * task_done_test.c - functions that are called when a task has ended: once,
 * in order, and not any more once they are taken back.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "runtime/atomic/verbs.h"
#include "workers.h"

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int wait_for(void *arg)
{
    return thrum_event_wait(arg);
}

static int fail(void *arg)
{
    (void)arg;
    return -EIO;
}

struct seen {
    uint64_t calls; /* atomic */
    uint64_t at;    /* atomic: the call's number among all */
    enum thrum_kind kind;
    uint64_t *order;
};

static void look(thrum_task *task, void *arg)
{
    struct seen *seen = arg;
    thrum_outcome outcome;

    CHECK_EQ(thrum_self(), 0);
    CHECK(thrum_task_outcome(task, &outcome));
    seen->kind = outcome.kind;
    thrum_error_free(outcome.error);
    store_relaxed(&seen->at, seen->order ? add_relaxed(seen->order, 1) : 0); /* relaxed: counters */
    add_relaxed(&seen->calls, 1);                                            /* relaxed: likewise */
}

/* ---- called ---------------------------------------------------------------------------------- */

static int in_order(void *arg)
{
    thrum_event event = THRUM_EVENT_INIT;
    struct seen seen[5] = {{.calls = 0}};
    thrum_done done[5];
    uint64_t order = 0;
    thrum_group group;
    thrum_task *task;

    (void)arg;
    for (int i = 0; i < 5; i++)
        seen[i].order = &order;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, wait_for, &event, NULL, &task), 0);
    for (int i = 0; i < 4; i++)
        thrum_task_on_end(task, &done[i], look, &seen[i]);
    CHECK(!thrum_task_outcome(task, NULL));
    CHECK(thrum_task_off_end(task, &done[1]));
    CHECK_EQ(seen[0].calls, 0);
    thrum_event_set(&event);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(load_relaxed(&seen[0].calls), 1); /* relaxed: before close returned */
    CHECK_EQ(load_relaxed(&seen[1].calls), 0); /* relaxed: likewise */
    CHECK_EQ(load_relaxed(&seen[2].at), 1);    /* relaxed: likewise */
    CHECK_EQ(load_relaxed(&seen[3].at), 2);    /* relaxed: likewise */
    CHECK_EQ(seen[0].kind, THRUM_OK);
    CHECK(!thrum_task_off_end(task, &done[0]));
    thrum_task_on_end(task, &done[4], look, &seen[4]); /* at once */
    CHECK_EQ(seen[4].at, 3);
    CHECK(!thrum_task_off_end(task, &done[4]));
    thrum_task_unref(task);
    thrum_event_destroy(&event);
    return 0;
}

TEST(done_functions_are_called_once_in_order_before_the_group_is_left)
{
    run_everywhere(in_order, NULL);
}

static int each_end(void *arg)
{
    static const thrum_fn fns[] = {nothing, fail, nothing};
    static const enum thrum_kind kinds[] = {THRUM_OK, THRUM_FAILED, THRUM_CANCELLED};

    (void)arg;
    for (int i = 0; i < 3; i++) { /* run inline, on a fiber, or never */
        for (int wait = 0; wait < 2; wait++) {
            struct seen seen = {.calls = 0};
            thrum_done done;
            thrum_group group;
            thrum_task *task;

            CHECK_EQ(thrum_group_open(&group, collecting()), 0);
            CHECK_EQ(thrum_group_spawn(&group, fns[i], NULL, NULL, &task), 0);
            thrum_task_on_end(task, &done, look, &seen);
            if (i == 2)
                (void)thrum_task_cancel(task, 1, NULL); /* unless it was quicker */
            thrum_task_unref(task); /* the function keeps it */
            if (wait)
                thrum_yield();
            CHECK_EQ(thrum_group_close(&group, 0, NULL), i == 1 ? THRUM_EGROUP : 0);
            CHECK_EQ(load_relaxed(&seen.calls), 1); /* relaxed: before close returned */
            CHECK(seen.kind == kinds[i] || i == 2);
        }
    }
    return 0;
}

TEST(done_functions_see_every_kind_of_end)
{
    run_everywhere(each_end, NULL);
}

/* ---- taken back ------------------------------------------------------------------------------ */

/* Each round its function uses memory that the taker makes unusable right after. */
static void use(thrum_task *task, void *arg)
{
    uint64_t **word = arg;

    (void)task;
    add_relaxed(*word, 1); /* relaxed: a counter */
    sched_yield();
    add_relaxed(*word, 1); /* relaxed: a counter */
}

static int takes_back(void *arg)
{
    int rounds = many(20000);
    uint64_t called = 0, taken = 0;

    (void)arg;
    for (int i = 0; i < rounds; i++) {
        uint64_t count = 0;
        uint64_t *word = &count;
        thrum_done done;
        thrum_group group;
        thrum_task *task;
        bool back;

        CHECK_EQ(thrum_group_open(&group, NULL), 0);
        CHECK_EQ(thrum_group_spawn(&group, nothing, NULL, NULL, &task), 0);
        thrum_task_on_end(task, &done, use, &word);
        if (i % 3)
            thrum_yield();
        for (int k = 0; k < i % 50; k++)
            cpu_pause();
        back = thrum_task_off_end(task, &done);
        word = NULL;
        done.fn = NULL;
        CHECK_EQ(load_relaxed(&count), back ? 0 : 2); /* relaxed: it has returned, or never began */
        taken += back;
        called += !back;
        CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
        thrum_task_unref(task);
    }
    CHECK_EQ(taken + called, rounds);
    return 0;
}

TEST(a_function_taken_back_is_not_being_called)
{
    run_everywhere(takes_back, NULL);
}

struct shared {
    thrum_task *task;
    thrum_done done;
    uint64_t calls; /* atomic */
};

static void take_itself_back(thrum_task *task, void *arg)
{
    struct shared *shared = arg;

    CHECK(!thrum_task_off_end(task, &shared->done));
    add_relaxed(&shared->calls, 1); /* relaxed: a counter */
}

static int itself(void *arg)
{
    struct shared shared = {.calls = 0};
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, nothing, NULL, NULL, &shared.task), 0);
    thrum_task_on_end(shared.task, &shared.done, take_itself_back, &shared);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(load_relaxed(&shared.calls), 1); /* relaxed: before close returned */
    thrum_task_unref(shared.task);
    return 0;
}

TEST(a_function_may_take_itself_back)
{
    run_everywhere(itself, NULL);
}

/* ---- from outside ---------------------------------------------------------------------------- */

struct outside {
    uint64_t task;  /* atomic: thrum_task *, NULL: not there yet */
    uint64_t calls; /* atomic */
};

static int show(void *arg)
{
    struct outside *outside = arg;
    thrum_group group;
    thrum_task *task;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, nothing, NULL, NULL, &task), 0);
    store_release(&outside->task, (uint64_t)(uintptr_t)task);
    return thrum_group_close(&group, 0, NULL);
}

static void count(thrum_task *task, void *arg)
{
    (void)task;
    add_relaxed((uint64_t *)arg, 1); /* relaxed: a counter */
}

static void *watch(void *arg)
{
    struct outside *outside = arg;
    thrum_task *task;
    thrum_done done;

    while (!(task = (thrum_task *)(uintptr_t)load_acquire(&outside->task)))
        sched_yield();
    thrum_task_on_end(task, &done, count, &outside->calls);
    while (!thrum_task_ended(task, NULL))
        sched_yield();
    CHECK(load_relaxed(&outside->calls) <= 1); /* relaxed: a counter */
    if (!thrum_task_off_end(task, &done))
        CHECK_EQ(load_relaxed(&outside->calls), 1); /* relaxed: it has returned */
    thrum_task_unref(task);
    return NULL;
}

TEST(a_thread_that_runs_no_task_is_told)
{
    thrum_runtime *runtime = runtime_with(2);

    for (int i = 0; i < many(1000); i++) {
        struct outside outside = {0, 0};
        pthread_t thread;

        CHECK_EQ(pthread_create(&thread, NULL, watch, &outside), 0);
        CHECK_EQ(thrum_runtime_run(runtime, show, &outside, NULL), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
    CHECK_EQ(thrum_runtime_close(runtime), 0);
}

/* ---- misuse ---------------------------------------------------------------------------------- */

static void wait_there(thrum_task *task, void *arg)
{
    thrum_event event = THRUM_EVENT_INIT;

    (void)task;
    (void)arg;
    CHECK_EQ(thrum_event_wait(&event), 0);
}

static int waits_in_it(void *arg)
{
    thrum_done done;
    thrum_group group;
    thrum_task *task;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, nothing, NULL, NULL, &task), 0);
    thrum_task_on_end(task, &done, wait_there, NULL);
    return thrum_group_close(&group, 0, NULL);
}

TEST(a_done_function_that_waits_stops_the_process)
{
    CHECK_DEATH((void)run_with(1, waits_in_it, NULL), "has tried to wait");
    CHECK_DEATH((void)run_with(8, waits_in_it, NULL), "has tried to wait");
}

/* What only a task may do, by a function that runs in none. */
static void yield_there(thrum_task *task, void *arg)
{
    (void)task, (void)arg;
    (void)thrum_yield();
}

static void sleep_there(thrum_task *task, void *arg)
{
    (void)task, (void)arg;
    (void)!thrum_sleep(thrum_us(1));
}

static void compute_there(thrum_task *task, void *arg)
{
    (void)task, (void)arg;
    while (thrum_checkpoint() == 0) /* it would hear the cancel of who runs it */
        continue;
}

static void open_there(thrum_task *task, void *arg)
{
    thrum_group group;

    (void)task, (void)arg;
    (void)!thrum_group_open(&group, NULL);
}

static void spawn_there(thrum_task *task, void *arg)
{
    (void)task;
    (void)!thrum_group_spawn((thrum_group *)arg, nothing, NULL, NULL, NULL);
}

static void use_event_there(thrum_task *task, void *arg)
{
    thrum_event event = THRUM_EVENT_INIT;

    (void)task, (void)arg;
    thrum_event_set(&event);
    for (;;) /* it need not wait, but now and then it lets others run */
        (void)!thrum_event_wait(&event);
}

struct there {
    thrum_done_fn fn;
    bool late; /* given when the task has ended */
};

static int does_it_there(void *arg)
{
    const struct there *there = arg;
    thrum_event event = THRUM_EVENT_INIT;
    thrum_done done;
    thrum_group group;
    thrum_task *task;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, wait_for, &event, NULL, &task), 0);
    if (there->late) {
        thrum_event_set(&event);
        CHECK_EQ(thrum_task_join(task, NULL), 0);
    }
    thrum_task_on_end(task, &done, there->fn, &group);
    thrum_event_set(&event);
    return thrum_group_close(&group, 0, NULL);
}

TEST(a_done_function_that_does_what_only_tasks_may_stops_the_process)
{
    static const thrum_done_fn fns[] = {yield_there, sleep_there, compute_there,
                                        open_there,  spawn_there, use_event_there};

    for (size_t i = 0; i < 2 * sizeof(fns) / sizeof(fns[0]); i++) {
        struct there there = {fns[i / 2], i % 2};

        CHECK_DEATH((void)run_with(1, does_it_there, &there), "has tried to wait or to spawn");
        CHECK_DEATH((void)run_with(8, does_it_there, &there), "has tried to wait or to spawn");
    }
}

static int gives_it_twice(void *arg)
{
    thrum_event event = THRUM_EVENT_INIT;
    uint64_t calls = 0;
    thrum_done done[2];
    thrum_group group;
    thrum_task *task;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, wait_for, &event, NULL, &task), 0);
    thrum_task_on_end(task, &done[0], count, &calls);
    CHECK(thrum_task_off_end(task, &done[0]));
    thrum_task_on_end(task, &done[0], count, &calls); /* that may be done */
    if (arg)
        thrum_task_on_end(task, &done[1], count, &calls);
    thrum_task_on_end(task, &done[0], count, &calls);
    thrum_event_set(&event);
    return thrum_group_close(&group, 0, NULL);
}

TEST(a_node_that_is_in_use)
{
    CHECK_DEATH((void)run_with(1, gives_it_twice, NULL), "a thrum_done that is in use already");
    CHECK_DEATH((void)run_with(8, gives_it_twice, &(int){1}),
                "a thrum_done that is in use already");
}
