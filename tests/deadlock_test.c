/*
 * deadlock_test.c - when every task waits and nothing can wake one, the run
 * ends with a report of who waits for what; and never otherwise.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/atomic/verbs.h"
#include "workers.h"

static const int counts[] = {1, 2, 8};

#define COUNTS (sizeof(counts) / sizeof(counts[0]))

/* ---- reports --------------------------------------------------------------------------------- */

/* What a report said. One thread at a time writes one. */
static char said[8192];
static int reports;

static void hear(const char *line, void *context)
{
    (void)context;
    if (strncmp(line, "thrum: deadlock", 15) == 0)
        reports++;
    strncat(said, line, sizeof said - strlen(said) - 2);
    strcat(said, "\n");
}

static thrum_runtime *listening(int workers)
{
    thrum_options options = THRUM_OPTIONS_INIT;
    thrum_runtime *runtime;

    options.workers = workers;
    options.report = hear;
    said[0] = '\0';
    reports = 0;
    CHECK_EQ(thrum_runtime_create(&runtime, &options), 0);
    return runtime;
}

/* Run it, and expect one report. */
static int deadlocks(thrum_fn fn, void *arg, int workers)
{
    thrum_runtime *runtime = listening(workers);
    int status = thrum_runtime_run(runtime, fn, arg, NULL);

    CHECK_EQ(thrum_runtime_close(runtime), 0);
    CHECK_EQ(reports, 1);
    return status;
}

static void check_said(const char *format, const void *object)
{
    char text[128];

    snprintf(text, sizeof text, format, object);
    if (!strstr(said, text)) {
        fprintf(stderr, "expected '%s' in:\n%s", text, said);
        CHECK(strstr(said, text) != NULL);
    }
}

/* The cycle has a line that says so: in the simulated world tasks are called by their paths. */
static void check_cycle(const char *who, const char *waits, const char *whom, const void *object)
{
    const char *cycle = strstr(said, "  the cycle:\n");
    bool named = !getenv("THRUM_SIM");
    char words[128], text[128];

    snprintf(words, sizeof words, waits, object);
    CHECK(cycle != NULL);
    cycle = strstr(cycle, words);
    CHECK(cycle != NULL);
    if (!named)
        return;
    snprintf(text, sizeof text, "    task %s 0x", who);
    CHECK(strstr(said, text) != NULL);
    snprintf(text, sizeof text, "task %s 0x", whom);
    CHECK(strncmp(cycle + strlen(words), text, strlen(text)) == 0);
}

static int wait_for(void *event)
{
    return thrum_event_wait(event);
}

static int spawn_named(thrum_group *group, thrum_fn fn, void *arg, const char *name,
                       thrum_task **out)
{
    thrum_task_options options = THRUM_TASK_OPTIONS_INIT;

    options.name = name;
    return thrum_group_spawn(group, fn, arg, &options, out);
}

/* ---- deadlocks ------------------------------------------------------------------------------- */

TEST(a_root_that_waits_for_ever)
{
    for (size_t i = 0; i < COUNTS; i++) {
        thrum_event never = THRUM_EVENT_INIT;

        CHECK_EQ(deadlocks(wait_for, &never, counts[i]), THRUM_EDEADLOCK);
        check_said("root task", NULL);
        check_said("waits for event %p", &never);
    }
}

struct two {
    thrum_event left, right;
};

static int two_wait(void *arg)
{
    struct two *two = arg;
    thrum_group_options options = THRUM_GROUP_OPTIONS_INIT;
    thrum_group group;
    int status;

    options.name = "both";
    CHECK_EQ(thrum_group_open(&group, &options), 0);
    CHECK_EQ(spawn_named(&group, wait_for, &two->left, "left", NULL), 0);
    CHECK_EQ(spawn_named(&group, wait_for, &two->right, "right", NULL), 0);
    status = thrum_yield(); /* they start on fibers of their own */
    return thrum_group_close(&group, status, NULL);
}

TEST(the_report_says_who_waits_for_what)
{
    for (size_t i = 0; i < COUNTS; i++) {
        struct two two = {THRUM_EVENT_INIT, THRUM_EVENT_INIT};

        CHECK_EQ(deadlocks(two_wait, &two, counts[i]), THRUM_EDEADLOCK);
        check_said("task left", NULL);
        check_said("task right", NULL);
        check_said("waits for event %p", &two.left);
        check_said("waits for event %p", &two.right);
    }
    if (!getenv("THRUM_SIM")) /* there they may start inside its close, where nobody waits for them */
        check_said("waits for the tasks of group both", NULL);
}

/* The first of several: of so many as the line has room for. */
static int select_any(void *arg)
{
    struct two *two = arg;
    thrum_case cases[6];
    int i;

    for (i = 0; i < 6; i++)
        cases[i] = thrum_case_event(i % 2 ? &two->right : &two->left);
    cases[1] = thrum_case_at(thrum_never());
    i = thrum_select(cases, 6, 0);
    return i < 0 ? i : 0;
}

static int select_one(void *arg)
{
    struct two *two = arg;
    thrum_case cases[] = {thrum_case_at(thrum_never()), thrum_case_event(&two->right)};

    return thrum_select(cases, 2, 0);
}

static int select_none(void *arg)
{
    thrum_case one = thrum_case_at(thrum_never());

    (void)arg;
    return thrum_select(&one, 1, 0);
}

TEST(a_select_says_what_it_waits_for)
{
    for (size_t i = 0; i < COUNTS; i++) {
        struct two two = {THRUM_EVENT_INIT, THRUM_EVENT_INIT};

        CHECK_EQ(deadlocks(select_any, &two, counts[i]), THRUM_EDEADLOCK);
        check_said("waits for the first of several: event %p, event ", &two.left);
        check_said(" event %p", &two.right);
        check_said(" more\n", NULL);
        CHECK_EQ(deadlocks(select_one, &two, counts[i]), THRUM_EDEADLOCK);
        check_said("waits for event %p\n", &two.right);
        CHECK_EQ(deadlocks(select_none, NULL, counts[i]), THRUM_EDEADLOCK);
        check_said("waits for a time that never comes\n", NULL);
    }
}

struct locks {
    thrum_mutex first, second;
    thrum_event has_first, has_second;
    uint64_t holders[2];
};

static int lock_both(thrum_mutex *mine, thrum_event *have, thrum_event *other, thrum_mutex *his)
{
    int status = thrum_mutex_lock(mine);

    if (status)
        return status;
    thrum_event_set(have);
    status = thrum_event_wait(other);
    if (!status)
        status = thrum_mutex_lock(his);
    if (!status)
        thrum_mutex_unlock(his);
    thrum_mutex_unlock(mine);
    return status;
}

static int first_then_second(void *arg)
{
    struct locks *locks = arg;

    locks->holders[0] = thrum_self();
    return lock_both(&locks->first, &locks->has_first, &locks->has_second, &locks->second);
}

static int second_then_first(void *arg)
{
    struct locks *locks = arg;

    locks->holders[1] = thrum_self();
    return lock_both(&locks->second, &locks->has_second, &locks->has_first, &locks->first);
}

static int embrace(void *arg)
{
    thrum_group group;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(spawn_named(&group, first_then_second, arg, "one", NULL), 0);
    CHECK_EQ(spawn_named(&group, second_then_first, arg, "two", NULL), 0);
    return thrum_group_close(&group, 0, NULL);
}

TEST(two_tasks_hold_what_the_other_wants)
{
    for (size_t i = 0; i < COUNTS; i++) {
        struct locks locks = {THRUM_MUTEX_INIT, THRUM_MUTEX_INIT, THRUM_EVENT_INIT,
                              THRUM_EVENT_INIT, {0, 0}};
        char text[64];

        CHECK_EQ(deadlocks(embrace, &locks, counts[i]), THRUM_EDEADLOCK);
        for (int k = 0; k < 2; k++) {
            snprintf(text, sizeof text, "mutex %%p, held by 0x%llx",
                     (unsigned long long)locks.holders[k]);
            check_said(text, k == 0 ? &locks.first : &locks.second);
        }
        check_said("  the cycle:\n", NULL);
        check_cycle("one", "waits for mutex %p, held by ", "two", &locks.second);
        check_cycle("two", "waits for mutex %p, held by ", "one", &locks.first);
    }
}

struct circle {
    thrum_task *tasks[2];
    thrum_event go;
    uint32_t next; /* atomic */
};

static int join_the_other(void *arg)
{
    struct circle *circle = arg;
    uint32_t self = add_relaxed(&circle->next, 1); /* relaxed: a counter */
    int status = thrum_event_wait(&circle->go);

    return status ? status : thrum_shield_join(circle->tasks[1 - self], NULL);
}

static int join_in_a_circle(void *arg)
{
    struct circle *circle = arg;
    thrum_group group;
    int status;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(spawn_named(&group, join_the_other, arg, i ? "b" : "a", &circle->tasks[i]), 0);
        while ((int)load_relaxed(&circle->next) <= i) /* relaxed: a counter */
            CHECK_EQ(thrum_yield(), 0);
    }
    thrum_event_set(&circle->go);
    status = thrum_group_close(&group, 0, NULL);
    for (int i = 0; i < 2; i++)
        thrum_task_unref(circle->tasks[i]);
    return status;
}

TEST(two_tasks_join_each_other)
{
    for (size_t i = 0; i < COUNTS; i++) {
        struct circle circle = {{NULL, NULL}, THRUM_EVENT_INIT, 0};

        CHECK_EQ(deadlocks(join_in_a_circle, &circle, counts[i]), THRUM_EDEADLOCK);
        check_said("waits for the end of task a", NULL);
        check_said("  the cycle:\n", NULL);
        check_said(", which is ", NULL);
        check_said("waits for the end of task b", NULL);
    }
}

struct notes {
    thrum_event never;
    uint32_t cleaned; /* atomic */
    int code;
};

static int clean_up(void *arg)
{
    struct notes *notes = arg;
    thrum_reason reason = {.code = 0};
    int status = thrum_event_wait(&notes->never);

    CHECK_EQ(status, THRUM_ECANCELED);
    CHECK_EQ(thrum_cancel_reason(&reason), 0);
    CHECK_EQ(reason.code, THRUM_EDEADLOCK);
    CHECK_EQ(thrum_sleep(thrum_us(100)), 0); /* cleanup may wait for what can come */
    add_relaxed(&notes->cleaned, 1);         /* relaxed: a counter */
    return status;
}

static int many_clean_up(void *arg)
{
    thrum_child children[50];
    thrum_group group;
    int status;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_n(&group, children, 50, clean_up, arg, 0), 0);
    status = thrum_group_close(&group, 0, NULL);
    CHECK_EQ(status, THRUM_ECANCELED);
    return status;
}

TEST(who_is_cancelled_for_it_cleans_up)
{
    for (size_t i = 0; i < COUNTS; i++) {
        struct notes notes = {THRUM_EVENT_INIT, 0, 0};

        CHECK_EQ(deadlocks(many_clean_up, &notes, counts[i]), THRUM_EDEADLOCK);
        CHECK_EQ(notes.cleaned, 50);
    }
}

static int swallow_it(void *event)
{
    return thrum_event_wait(event) == THRUM_ECANCELED ? 7 : 0;
}

static int fail_of_it(void *event)
{
    return thrum_event_wait(event) == THRUM_ECANCELED ? -EIO : 0;
}

TEST(what_a_root_makes_of_it_is_returned)
{
    thrum_event never = THRUM_EVENT_INIT;

    CHECK_EQ(deadlocks(swallow_it, &never, 2), 7);
    CHECK_EQ(deadlocks(fail_of_it, &never, 2), -EIO);
}

TEST(the_error_says_deadlock)
{
    thrum_event never = THRUM_EVENT_INIT;
    thrum_runtime *runtime = listening(2);
    thrum_error *error;

    CHECK_EQ(thrum_runtime_run(runtime, wait_for, &never, &error), THRUM_EDEADLOCK);
    CHECK_EQ(thrum_error_code(error), THRUM_EDEADLOCK);
    thrum_error_free(error);
    CHECK_EQ(thrum_runtime_close(runtime), 0);
}

static int wait_twice(void *event)
{
    int status = thrum_event_wait(event);

    (void)!thrum_event_wait(event);
    return status;
}

TEST(who_waits_again_ends_the_process)
{
    thrum_event never = THRUM_EVENT_INIT;

    for (size_t i = 0; i < COUNTS; i++) {
        CHECK_DEATH((void)!run_with(counts[i], wait_twice, &never),
                    "thrum: deadlock: every task waits, and nothing can wake one:");
        CHECK_DEATH((void)!run_with(counts[i], wait_twice, &never),
                    "thrum: tasks do not end after they were cancelled for a deadlock");
    }
}

TEST(a_runtime_lives_on_after_a_deadlock)
{
    thrum_event never = THRUM_EVENT_INIT, set = THRUM_EVENT_INIT;
    thrum_runtime *runtime = listening(2);

    thrum_event_set(&set);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(thrum_runtime_run(runtime, wait_for, &never, NULL), THRUM_EDEADLOCK);
        CHECK_EQ(thrum_runtime_run(runtime, wait_for, &set, NULL), 0);
    }
    CHECK_EQ(reports, 20);
    CHECK_EQ(thrum_runtime_close(runtime), 0);
}

/* A timer that nobody wants any more does not hide it, however many there are. */
static int wait_after_timeouts(void *event)
{
    for (int i = 0; i < 1000; i++) {
        thrum_timeout timeout;

        CHECK_EQ(thrum_timeout_begin(&timeout, thrum_s(3600 + i % 7)), 0);
        if (i % 50 == 0)
            CHECK_EQ(thrum_yield(), 0);
        CHECK_EQ(thrum_timeout_end(&timeout, 0), 0);
    }
    return thrum_event_wait(event);
}

TEST(timers_that_were_called_off_hide_nothing)
{
    for (size_t i = 0; i < COUNTS; i++) {
        thrum_event never = THRUM_EVENT_INIT;

        CHECK_EQ(deadlocks(wait_after_timeouts, &never, counts[i]), THRUM_EDEADLOCK);
    }
}

static int wait_with_a_deadline(void *event)
{
    thrum_timeout timeout;

    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_ms(2)), 0);
    CHECK_EQ(thrum_timeout_end(&timeout, thrum_event_wait(event)), THRUM_ETIMEOUT);
    return thrum_event_wait(event);
}

/* While a deadline is armed it is none; afterwards it is. */
TEST(a_deadline_comes_first)
{
    for (size_t i = 0; i < COUNTS; i++) {
        thrum_event never = THRUM_EVENT_INIT;

        CHECK_EQ(deadlocks(wait_with_a_deadline, &never, counts[i]), THRUM_EDEADLOCK);
    }
}

/* ---- no deadlocks ---------------------------------------------------------------------------- */

struct outside {
    thrum_runtime *runtime;
    thrum_event event;
    uint32_t asked; /* atomic: rounds that the task has begun */
    int rounds;
    void (*hold)(thrum_runtime *runtime, const char *reason);
    void (*release)(thrum_runtime *runtime);
};

static void *answer_from_outside(void *arg)
{
    struct outside *outside = arg;

    for (int i = 1; i <= outside->rounds; i++) {
        while ((int)load_acquire(&outside->asked) < i)
            sched_yield();
        thrum_event_set(&outside->event);
        outside->release(outside->runtime);
    }
    return NULL;
}

static int ask_outside(void *arg)
{
    struct outside *outside = arg;

    for (int i = 1; i <= outside->rounds; i++) {
        outside->hold(thrum_runtime_self(), "a thread outside");
        store_release(&outside->asked, (uint32_t)i);
        CHECK_EQ(thrum_event_wait(&outside->event), 0);
        thrum_event_clear(&outside->event);
    }
    return 0;
}

static void be_answered(void (*hold)(thrum_runtime *runtime, const char *reason),
                        void (*release)(thrum_runtime *runtime))
{
    for (size_t i = 0; i < COUNTS; i++) {
        struct outside outside = {
            listening(counts[i]), THRUM_EVENT_INIT, 0, many(20000), hold, release};
        pthread_t thread;

        CHECK_EQ(pthread_create(&thread, NULL, answer_from_outside, &outside), 0);
        CHECK_EQ(thrum_runtime_run(outside.runtime, ask_outside, &outside, NULL), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        CHECK_EQ(thrum_runtime_close(outside.runtime), 0);
        CHECK_EQ(reports, 0);
    }
}

TEST(with_a_hold_it_is_none)
{
    be_answered(thrum_hold, thrum_release);
}

TEST(with_a_loose_hold_it_is_none_either)
{
    REAL_WORLD_ONLY;
    be_answered(thrum_hold_loosely, thrum_release_loosely);
}

static int wait_with_no_hold_left(void *event)
{
    thrum_hold_loosely(thrum_runtime_self(), "an operator");
    thrum_release_loosely(thrum_runtime_self());
    return thrum_event_wait(event);
}

TEST(when_a_loose_hold_is_released_it_is_one)
{
    for (size_t i = 0; i < COUNTS; i++) {
        thrum_event never = THRUM_EVENT_INIT;

        CHECK_EQ(deadlocks(wait_with_no_hold_left, &never, counts[i]), THRUM_EDEADLOCK);
    }
}

static int run_short(void *arg)
{
    return *(const int *)arg ? thrum_sleep(thrum_us(*(const int *)arg)) : thrum_yield();
}

static void *run_many(void *arg)
{
    for (int i = 0; i < many(2000); i++) {
        int us = i % 5 == 0 ? i % 100 : 0;

        CHECK_EQ(thrum_runtime_run(arg, run_short, &us, NULL), 0);
    }
    return NULL;
}

/* Runs begin and end all the time, and workers come and go. */
TEST(the_begin_and_the_end_of_runs_are_none)
{
    for (size_t i = 0; i < COUNTS; i++) {
        thrum_runtime *runtime = listening(counts[i]);
        pthread_t threads[4];

        for (int k = 0; k < 4; k++)
            CHECK_EQ(pthread_create(&threads[k], NULL, run_many, runtime), 0);
        for (int k = 0; k < many(400); k++)
            CHECK_EQ(thrum_runtime_set_workers(runtime, 1 + k % 5), 0);
        for (int k = 0; k < 4; k++)
            CHECK_EQ(pthread_join(threads[k], NULL), 0);
        CHECK_EQ(thrum_runtime_close(runtime), 0);
        CHECK_EQ(reports, 0);
    }
}

static int sleep_often(void *arg)
{
    int n = *(const int *)arg;

    for (int i = 0; i < many(400); i++)
        CHECK_EQ(thrum_sleep(thrum_us(i * n % 300)), 0);
    return 0;
}

static int many_sleep_often(void *arg)
{
    static int kinds[] = {1, 3, 7, 11, 13};
    thrum_child children[5];
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_n(&group, children, 5, sleep_often, kinds, sizeof kinds[0]), 0);
    return thrum_group_close(&group, 0, NULL);
}

/* Timers end in workers, in the clock's thread, and in workers that have left. */
TEST(sleepers_are_none)
{
    for (size_t i = 0; i < COUNTS; i++) {
        thrum_runtime *runtime = listening(counts[i]);

        CHECK_EQ(thrum_runtime_run(runtime, many_sleep_often, NULL, NULL), 0);
        CHECK_EQ(thrum_runtime_set_workers(runtime, 1), 0);
        CHECK_EQ(thrum_runtime_run(runtime, many_sleep_often, NULL, NULL), 0);
        CHECK_EQ(thrum_runtime_close(runtime), 0);
        CHECK_EQ(reports, 0);
    }
}

static int block_then_set(void *event)
{
    usleep(20000); /* blocks its worker: that is no sleep */
    thrum_event_set(event);
    return 0;
}

static int wait_for_a_blocked_one(void *event)
{
    thrum_child child;
    thrum_group group;
    int status;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_child(&group, &child, block_then_set, event), 0);
    status = thrum_event_wait(event);
    return thrum_group_close(&group, status, NULL);
}

TEST(a_task_that_blocks_its_worker_is_none)
{
    for (size_t i = 0; i < COUNTS; i++) {
        thrum_event event = THRUM_EVENT_INIT;

        CHECK_EQ(run_with(counts[i], wait_for_a_blocked_one, &event), 0);
    }
}

static int rest_on_a_thread(void *arg)
{
    usleep(10000);
    return *(const int *)arg;
}

static int call_a_thread(void *arg)
{
    static int answer = 5;

    return thrum_to_thread(arg, rest_on_a_thread, &answer);
}

TEST(a_call_on_a_thread_is_none)
{
    thrum_executor *executor;

    CHECK_EQ(thrum_executor_create(&executor, NULL), 0);
    for (size_t i = 0; i < COUNTS; i++)
        CHECK_EQ(run_with(counts[i], call_a_thread, executor), 5);
    CHECK_EQ(thrum_executor_close(executor, thrum_s(60), NULL), 0);
}

struct pair {
    thrum_runtime *runtime;
    thrum_event never;
    uint32_t leave; /* atomic */
};

static void *run_wait(void *arg)
{
    struct pair *pair = arg;

    CHECK_EQ(thrum_runtime_run(pair->runtime, wait_for, &pair->never, NULL), THRUM_EDEADLOCK);
    return NULL;
}

static int look_on(void *arg)
{
    struct pair *pair = arg;

    for (int i = 0; i < 200; i++)
        CHECK_EQ(thrum_sleep(thrum_us(50)), 0);
    CHECK_EQ(reports, 0); /* the other one is stuck, but we might help it */
    store_release(&pair->leave, 1);
    return 0;
}

TEST(another_run_may_still_help)
{
    struct pair pair = {listening(2), THRUM_EVENT_INIT, 0};
    pthread_t thread;

    REAL_WORLD_ONLY;
    thrum_hold(pair.runtime, "the other run has not begun");
    CHECK_EQ(pthread_create(&thread, NULL, run_wait, &pair), 0);
    CHECK_EQ(thrum_runtime_run(pair.runtime, look_on, &pair, NULL), 0);
    thrum_release(pair.runtime);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(reports, 1);
    CHECK_EQ(thrum_runtime_close(pair.runtime), 0);
}

/* ---- misuse ---------------------------------------------------------------------------------- */

static void *set_it(void *event)
{
    thrum_event_set(event);
    return NULL;
}

static void set_while_it_is_reported(const char *line, void *event)
{
    pthread_t thread;

    (void)line;
    CHECK_EQ(pthread_create(&thread, NULL, set_it, event), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void wake_without_a_hold(void)
{
    thrum_event event = THRUM_EVENT_INIT;
    thrum_options options = THRUM_OPTIONS_INIT;

    options.report = set_while_it_is_reported;
    options.context = &event;
    (void)!thrum_run(wait_for, &event, &options, NULL);
}

TEST(a_wake_without_a_hold_while_it_is_reported)
{
    CHECK_DEATH(wake_without_a_hold(), "has woken one while a deadlock was reported; take a hold");
}

TEST(a_release_without_a_hold)
{
    thrum_runtime *runtime = runtime_with(1);

    thrum_hold(runtime, NULL);
    thrum_release(runtime);
    CHECK_EQ(thrum_runtime_close(runtime), 0);
    CHECK_DEATH(thrum_release(runtime_with(1)), "thrum_release was called without a thrum_hold");
}

static void mix_kinds(bool loosely)
{
    thrum_runtime *runtime = runtime_with(1);

    if (loosely) {
        thrum_hold_loosely(runtime, NULL);
        thrum_release(runtime);
    } else {
        thrum_hold(runtime, NULL);
        thrum_release_loosely(runtime);
    }
}

TEST(each_hold_is_released_by_its_own_function)
{
    thrum_runtime *runtime = runtime_with(1);

    thrum_hold_loosely(runtime, NULL);
    thrum_release_loosely(runtime);
    CHECK_EQ(thrum_runtime_close(runtime), 0);
    CHECK_DEATH(mix_kinds(true), "thrum_release was called without a thrum_hold before");
    CHECK_DEATH(mix_kinds(false), "thrum_release_loosely was called without a thrum_hold_loosely");
}

/* ---- dumps ----------------------------------------------------------------------------------- */

/* thrum_dump into `said`. */
static void dump(void)
{
    int fd = memfd_create("dump", 0);
    ssize_t n;

    CHECK_LE(0, fd);
    CHECK_EQ(thrum_dump(fd), 0);
    n = pread(fd, said, sizeof said - 1, 0);
    CHECK_LE(0, n);
    said[n] = '\0';
    close(fd);
}

struct partly {
    struct two two;
    uint32_t sleeping; /* atomic */
};

static int dump_the_others(void *arg)
{
    struct partly *partly = arg;
    thrum_group group;
    int status = 0;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(spawn_named(&group, wait_for, &partly->two.left, "left", NULL), 0);
    CHECK_EQ(spawn_named(&group, wait_for, &partly->two.right, "right", NULL), 0);
    CHECK_EQ(spawn_named(&group, select_any, &partly->two, "any", NULL), 0);
    do {
        CHECK_EQ(thrum_sleep(thrum_us(200)), 0);
        dump();
    } while (!strstr(said, "task left") || !strstr(said, "task right") ||
             !strstr(said, "task any"));
    check_said("waits for the first of several\n", NULL);
    check_said("waits for event %p", &partly->two.left);
    check_said("waits for event %p", &partly->two.right);
    check_said("runtime %p", thrum_runtime_self());
    check_said("the last one for: the test", NULL);
    thrum_event_set(&partly->two.left);
    thrum_event_set(&partly->two.right);
    return thrum_group_close(&group, status, NULL);
}

TEST(a_dump_shows_those_who_sleep)
{
    REAL_WORLD_ONLY;
    for (size_t i = 0; i < COUNTS; i++) {
        struct partly partly = {{THRUM_EVENT_INIT, THRUM_EVENT_INIT}, 0};
        thrum_runtime *runtime = runtime_with(counts[i]);

        thrum_hold(runtime, "the test");
        CHECK_EQ(thrum_runtime_run(runtime, dump_the_others, &partly, NULL), 0);
        thrum_release(runtime);
        CHECK_EQ(thrum_runtime_close(runtime), 0);
    }
    CHECK_EQ(thrum_dump(-1), 0); /* there is no runtime, and so nothing to write */
}

static uint32_t dumping; /* atomic */

static void *dump_on(void *arg)
{
    int fd = memfd_create("dump", 0);

    CHECK_LE(0, fd);
    while (load_acquire(&dumping)) {
        CHECK_EQ(thrum_dump(fd), 0);
        CHECK_EQ(ftruncate(fd, 0), 0);
    }
    close(fd);
    return arg;
}

static int nap(void *arg)
{
    return thrum_sleep(thrum_us(*(const int *)arg % 50));
}

static int come_and_go(void *arg)
{
    int n = *(const int *)arg;
    int less = n - 1;
    thrum_group group;

    if (n == 0)
        return nap(arg);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(spawn_named(&group, come_and_go, &less, i % 2 ? "odd" : NULL, NULL), 0);
        CHECK_EQ(spawn_named(&group, nap, &less, "even", NULL), 0);
    }
    return thrum_group_close(&group, thrum_yield(), NULL);
}

TEST(dumps_of_tasks_that_come_and_go)
{
    pthread_t thread;
    int depth = 4;

    store_release(&dumping, 1);
    CHECK_EQ(pthread_create(&thread, NULL, dump_on, NULL), 0);
    for (int i = 0; i < (WORKERS_SLOW ? 2 : 20); i++)
        CHECK_EQ(run_with(i % 4 + 1, come_and_go, &depth), 0);
    store_release(&dumping, 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}
