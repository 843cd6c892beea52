/*
 * runner_test.c - what semantics 2.7 asks of running: once at a time per task,
 * in pieces, an orderly end, errors that nobody took, SIGINT.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/atomic/verbs.h"
#include "tests/workers.h"

static const int counts[] = {1, 2, 8};

#define COUNTS (sizeof(counts) / sizeof(counts[0]))

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}


/* ---- run ------------------------------------------------------------------------------------- */

static int run_inside(void *arg)
{
    CHECK_EQ(thrum_run(nothing, NULL, NULL, NULL), THRUM_ENESTED);
    CHECK_EQ(thrum_runtime_run(thrum_runtime_self(), nothing, NULL, NULL), THRUM_ENESTED);
    CHECK(thrum_runtime_self() == arg || !arg);
    return 0;
}

TEST(run_is_refused_inside_a_task)
{
    for (size_t i = 0; i < COUNTS; i++) {
        thrum_runtime *runtime = runtime_with(counts[i]);

        CHECK_EQ(thrum_runtime_run(runtime, run_inside, runtime, NULL), 0);
        CHECK_EQ(run_with(counts[i], run_inside, NULL), 0);
        CHECK_EQ(thrum_runtime_close(runtime), 0);
    }
    CHECK(thrum_runtime_self() == NULL);
}

/* ---- an orderly end -------------------------------------------------------------------------- */

struct ending {
    thrum_runtime *runtime;
    thrum_fn fn;
    thrum_event never;
    uint32_t running; /* atomic */
    uint32_t cleaned; /* atomic */
    int status;
};

static void note_reason(struct ending *ending)
{
    thrum_reason reason;

    CHECK_EQ(thrum_cancel_reason(&reason), 0);
    CHECK_EQ(reason.code, THRUM_ESHUTDOWN);
    CHECK_EQ(thrum_sleep(1000), 0); /* cleanup takes its time */
    add_relaxed(&ending->cleaned, 1); /* relaxed: a counter */
}

static int sleep_on(void *arg)
{
    struct ending *ending = arg;

    add_relaxed(&ending->running, 1); /* relaxed: a counter */
    CHECK_EQ(thrum_event_wait(&ending->never), THRUM_ECANCELED);
    note_reason(ending);
    return THRUM_ECANCELED;
}

static int compute_on(void *arg)
{
    struct ending *ending = arg;

    add_relaxed(&ending->running, 1); /* relaxed: a counter */
    while (thrum_checkpoint() == 0)
        continue;
    note_reason(ending);
    return THRUM_ECANCELED;
}

static int both_on(void *arg)
{
    thrum_child children[10];
    thrum_group group;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(thrum_group_spawn_child(&group, &children[i], i ? sleep_on : compute_on, arg), 0);
    return thrum_group_close(&group, 0, NULL);
}

static void *run_it(void *arg)
{
    struct ending *ending = arg;

    ending->status = thrum_runtime_run(ending->runtime, ending->fn, ending, NULL);
    return NULL;
}

/* Close it while so many tasks of that kind run. */
static void close_over(thrum_fn fn, uint32_t tasks, int workers)
{
    struct ending ending = {.runtime = runtime_with(workers), .fn = fn, .never = THRUM_EVENT_INIT};
    pthread_t thread;

    thrum_hold(ending.runtime, "it will be closed");
    CHECK_EQ(pthread_create(&thread, NULL, run_it, &ending), 0);
    while (load_relaxed(&ending.running) < tasks) /* relaxed: a counter */
        sched_yield();
    thrum_release(ending.runtime);
    CHECK_EQ(thrum_runtime_close(ending.runtime), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(ending.status, THRUM_ECANCELED);
    CHECK_EQ(ending.cleaned, tasks);
}

TEST(close_cancels_what_computes_and_waits_for_it)
{
    for (size_t i = 0; i < COUNTS; i++)
        for (int k = 0; k < many(100) + 1; k++)
            close_over(compute_on, 1, counts[i]);
}

/* With more workers than CPUs all ten may run at once, and all wait. */
TEST(close_cancels_all_and_waits_for_them)
{
    for (int k = 0; k < many(60) + 1; k++)
        close_over(both_on, 10, 12);
}

static int swallow(void *arg)
{
    struct ending *ending = arg;

    thrum_cancel_absorb();
    add_relaxed(&ending->running, 1); /* relaxed: a counter */
    while (thrum_checkpoint() == 0)
        continue;
    /* It goes on, and another run is refused now. */
    store_release(&ending->cleaned, 1);
    while (load_acquire(&ending->cleaned) == 1)
        (void)thrum_yield();
    return 3;
}

static void *close_it(void *arg)
{
    CHECK_EQ(thrum_runtime_close(arg), 0);
    return NULL;
}

TEST(a_runtime_that_closes_takes_no_more_runs)
{
    REAL_WORLD_ONLY;
    for (size_t i = 0; i < COUNTS; i++) {
        struct ending ending = {.runtime = runtime_with(counts[i]), .fn = swallow};
        pthread_t runner, closer;

        CHECK_EQ(pthread_create(&runner, NULL, run_it, &ending), 0);
        while (!load_relaxed(&ending.running)) /* relaxed: a flag */
            sched_yield();
        CHECK_EQ(pthread_create(&closer, NULL, close_it, ending.runtime), 0);
        while (!load_acquire(&ending.cleaned))
            sched_yield();
        CHECK_EQ(thrum_runtime_run(ending.runtime, nothing, NULL, NULL), THRUM_ESHUTDOWN);
        store_release(&ending.cleaned, 2);
        CHECK_EQ(pthread_join(runner, NULL), 0);
        CHECK_EQ(pthread_join(closer, NULL), 0);
        CHECK_EQ(ending.status, 3); /* the result is the caller's */
    }
}

/* ---- errors that nobody took ----------------------------------------------------------------- */

static uint32_t heard;       /* atomic: errors */
static uint32_t heard_leaves; /* atomic */

static void pass_over(const thrum_error *leaf, void *context)
{
    (void)leaf;
    (void)context;
}

static size_t leaves_of(const thrum_error *error)
{
    return thrum_error_leaves(error, pass_over, NULL);
}

static void hear(const thrum_error *error, void *context)
{
    CHECK(context == &heard);
    CHECK_EQ(thrum_error_code(error), THRUM_EGROUP);
    add_relaxed(&heard, 1); /* relaxed: a counter */
    add_relaxed(&heard_leaves, (uint32_t)leaves_of(error)); /* relaxed: too */
}

static int fail(void *arg)
{
    (void)arg;
    return -EIO;
}

static int fail_after_a_sleep(void *arg)
{
    CHECK_EQ(thrum_sleep(1000), 0);
    return fail(arg);
}

/* A group of two that fail; its status. */
static int two_fail(thrum_error **errors)
{
    static const thrum_group_options options = {.size = sizeof options, .flags = THRUM_COLLECT};
    thrum_child children[2];
    thrum_group group;

    CHECK_EQ(thrum_group_open(&group, &options), 0);
    CHECK_EQ(thrum_group_spawn_child(&group, &children[0], fail, NULL), 0);
    CHECK_EQ(thrum_group_spawn_child(&group, &children[1], fail_after_a_sleep, NULL), 0);
    return thrum_group_close(&group, 0, errors);
}

/* Runs fn; how many errors were heard, and that they were counted. */
static uint32_t hears(thrum_fn fn, int status, int workers)
{
    thrum_options options = THRUM_OPTIONS_INIT;
    thrum_runtime *runtime;

    store_relaxed(&heard, 0);        /* relaxed: nobody runs */
    store_relaxed(&heard_leaves, 0); /* relaxed: likewise */
    options.workers = workers;
    options.unhandled = hear;
    options.context = &heard;
    CHECK_EQ(thrum_runtime_create(&runtime, &options), 0);
    CHECK_EQ(thrum_runtime_run(runtime, fn, NULL, NULL), status);
    CHECK_EQ(thrum_runtime_unhandled(runtime), load_relaxed(&heard)); /* relaxed: a counter */
    CHECK_EQ(thrum_runtime_close(runtime), 0);
    CHECK_EQ(load_relaxed(&heard_leaves), 2 * load_relaxed(&heard)); /* relaxed: likewise */
    return load_relaxed(&heard);                                     /* relaxed: likewise */
}

static int take_it(void *arg)
{
    thrum_error *errors;

    (void)arg;
    CHECK_EQ(two_fail(&errors), THRUM_EGROUP);
    thrum_error_free(errors);
    return 0;
}

static int forget_it(void *arg)
{
    (void)arg;
    CHECK_EQ(two_fail(NULL), THRUM_EGROUP);
    return 0;
}

static int forget_it_twice(void *arg)
{
    forget_it(arg);
    return forget_it(arg);
}

static int return_it(void *arg)
{
    (void)arg;
    return two_fail(NULL);
}

/* What has failed below is the cause of what the task made of it. */
static int make_something_of_it(void *arg)
{
    (void)arg;
    CHECK_EQ(two_fail(NULL), THRUM_EGROUP);
    return -EPERM;
}

static int below(thrum_fn fn, thrum_error **errors)
{
    thrum_child child;
    thrum_group group;
    int status;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    status = thrum_group_spawn_child(&group, &child, fn, NULL);
    return thrum_group_close(&group, status, errors);
}

static int a_child_forgets_it(void *arg)
{
    (void)arg;
    return below(forget_it, NULL);
}

static int a_child_returns_it(void *arg)
{
    thrum_error *errors;

    (void)arg;
    CHECK_EQ(below(return_it, &errors), THRUM_EGROUP);
    CHECK_EQ(leaves_of(errors), 2);
    thrum_error_free(errors);
    return 0;
}

static int a_child_makes_something_of_it(void *arg)
{
    thrum_error *errors;
    const thrum_error *cause;

    (void)arg;
    CHECK_EQ(below(make_something_of_it, &errors), THRUM_EGROUP);
    cause = thrum_error_cause(thrum_error_child(errors, 0));
    CHECK_EQ(thrum_error_code(thrum_error_child(errors, 0)), -EPERM);
    CHECK_EQ(thrum_error_code(cause), THRUM_EGROUP);
    CHECK_EQ(thrum_error_count(cause), 2);
    thrum_error_free(errors);
    return 0;
}

static int a_branch_returns_it(void *arg)
{
    thrum_branch branch;

    CHECK_EQ(thrum_fork(&branch, return_it, arg), 0);
    CHECK_EQ(thrum_join(&branch, return_it, arg), THRUM_EGROUP);
    return 0;
}

static int a_handle_has_it(void *arg)
{
    thrum_outcome outcome;
    thrum_error *errors;
    thrum_group group;
    thrum_task *task;

    CHECK_EQ(thrum_group_open(&group, collecting()), 0);
    CHECK_EQ(thrum_group_spawn(&group, return_it, arg, NULL, &task), 0);
    CHECK_EQ(thrum_task_join(task, &outcome), 0);
    CHECK_EQ(leaves_of(outcome.error), 2);
    thrum_error_free(outcome.error);
    thrum_task_unref(task);
    CHECK_EQ(thrum_group_close(&group, 0, &errors), THRUM_EGROUP);
    thrum_error_free(errors);
    return 0;
}

TEST(an_error_that_nobody_took_is_heard_once)
{
    for (size_t i = 0; i < COUNTS; i++) {
        CHECK_EQ(hears(take_it, 0, counts[i]), 0);
        CHECK_EQ(hears(forget_it, 0, counts[i]), 1);
        CHECK_EQ(hears(forget_it_twice, 0, counts[i]), 2);
        CHECK_EQ(hears(return_it, THRUM_EGROUP, counts[i]), 1); /* a status says not who */
        CHECK_EQ(hears(a_child_forgets_it, 0, counts[i]), 1);
        CHECK_EQ(hears(a_child_returns_it, 0, counts[i]), 0);
        CHECK_EQ(hears(a_child_makes_something_of_it, 0, counts[i]), 0);
        CHECK_EQ(hears(a_branch_returns_it, 0, counts[i]), 1);
        CHECK_EQ(hears(a_handle_has_it, 0, counts[i]), 0);
    }
}

TEST(a_status_that_is_returned_was_taken)
{
    for (size_t i = 0; i < COUNTS; i++)
        CHECK_EQ(hears(fail, -EIO, counts[i]), 0);
}

static void forget_strictly(void)
{
    thrum_options options = THRUM_OPTIONS_INIT;

    options.flags = THRUM_STRICT;
    (void)!thrum_run(forget_it, NULL, &options, NULL);
}

static void forget_aloud(void)
{
    CHECK_EQ(run_with(2, forget_it, NULL), 0);
    abort();
}

TEST(by_default_it_is_printed)
{
    CHECK_DEATH(forget_aloud(), "thrum: an error that nobody took:\nTHRUM_EGROUP");
    CHECK_DEATH(forget_aloud(), "EIO");
}

TEST(a_strict_runtime_stops_the_process)
{
    CHECK_DEATH(forget_strictly(), "thrum: an error that nobody took:\nTHRUM_EGROUP");
    CHECK_DEATH(forget_strictly(), "an error was not taken, and the runtime is strict");
}

/* ---- SIGINT ---------------------------------------------------------------------------------- */

#if defined(__SANITIZE_THREAD__)
#define SIGNALS_COME false
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SIGNALS_COME false
#endif
#endif

#ifndef SIGNALS_COME
#define SIGNALS_COME true
#endif

static thrum_runtime *handling(int workers)
{
    thrum_options options = THRUM_OPTIONS_INIT;
    thrum_runtime *runtime;

    if (!SIGNALS_COME)
        SKIP("ThreadSanitizer keeps a signal back while its thread is in a system call");
    options.workers = workers;
    options.flags = THRUM_HANDLE_SIGINT;
    CHECK_EQ(thrum_runtime_create(&runtime, &options), 0);
    return runtime;
}

static void check_interrupted(void)
{
    thrum_reason reason;

    CHECK_EQ(thrum_cancel_reason(&reason), 0);
    CHECK_EQ(reason.code, -EINTR);
    CHECK_STR_EQ(reason.text, "SIGINT");
}

static int until_interrupted_asleep(void *arg)
{
    thrum_event never = THRUM_EVENT_INIT;

    add_acq_rel((uint32_t *)arg, 1);
    CHECK_EQ(thrum_event_wait(&never), THRUM_ECANCELED);
    check_interrupted();
    return THRUM_ECANCELED;
}

static int until_interrupted_busy(void *arg)
{
    add_acq_rel((uint32_t *)arg, 1);
    while (thrum_checkpoint() == 0)
        continue;
    check_interrupted();
    return THRUM_ECANCELED;
}

/* A child of each worker. */
static int all_busy(void *arg)
{
    thrum_child children[8];
    thrum_group group;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_n(&group, children, 8, until_interrupted_busy, arg, 0), 0);
    return thrum_group_close(&group, 0, NULL);
}

/* Interrupts once `going` says that tasks run. */
static void *interrupt(void *arg)
{
    while (!load_acquire((uint32_t *)arg))
        sched_yield();
    usleep(2000); /* so that they sleep, most often */
    kill(getpid(), SIGINT);
    return NULL;
}

static void interrupt_each(thrum_fn fn)
{
    for (size_t i = 0; i < COUNTS; i++) {
        thrum_runtime *runtime = handling(counts[i]);

        for (int k = 0; k < 10; k++) { /* each run begins anew */
            uint32_t going = 0;
            pthread_t thread;

            CHECK_EQ(pthread_create(&thread, NULL, interrupt, &going), 0);
            CHECK_EQ(thrum_runtime_run(runtime, fn, &going, NULL), THRUM_ECANCELED);
            CHECK_EQ(pthread_join(thread, NULL), 0);
            CHECK_EQ(thrum_runtime_run(runtime, nothing, NULL, NULL), 0);
        }
        CHECK_EQ(thrum_runtime_close(runtime), 0);
    }
}

TEST(sigint_cancels_those_who_sleep)
{
    REAL_WORLD_ONLY; /* a simulated one finds a deadlock before the signal comes */
    interrupt_each(until_interrupted_asleep);
}

/* Who swallows it ends as he likes: its status is what run returns. */
static int swallow_the_interrupt(void *arg)
{
    CHECK_EQ(until_interrupted_asleep(arg), THRUM_ECANCELED);
    CHECK_EQ(thrum_sleep(1000), 0); /* told once */
    return 3;
}

TEST(a_sigint_that_is_swallowed_changes_no_result)
{
    REAL_WORLD_ONLY; /* likewise */
    for (size_t i = 0; i < COUNTS; i++) {
        thrum_runtime *runtime = handling(counts[i]);

        for (int k = 0; k < 3; k++) {
            uint32_t going = 0;
            pthread_t thread;

            CHECK_EQ(pthread_create(&thread, NULL, interrupt, &going), 0);
            CHECK_EQ(thrum_runtime_run(runtime, swallow_the_interrupt, &going, NULL), 3);
            CHECK_EQ(pthread_join(thread, NULL), 0);
        }
        CHECK_EQ(thrum_runtime_close(runtime), 0);
    }
}

TEST(sigint_cancels_those_who_compute)
{
    interrupt_each(until_interrupted_busy);
    interrupt_each(all_busy);
}

static int ignore_it(void *arg)
{
    (void)arg;
    kill(getpid(), SIGINT);
    while (thrum_checkpoint() == 0)
        continue;
    kill(getpid(), SIGINT);
    return pause();
}

static void ignore_sigint(void)
{
    (void)!thrum_runtime_run(handling(2), ignore_it, NULL, NULL);
}

static void interrupt_nothing(void)
{
    handling(2);
    kill(getpid(), SIGINT);
    pause();
}

TEST(the_second_sigint_ends_the_process)
{
    if (!SIGNALS_COME)
        SKIP("as above");
    CHECK_DEATH(ignore_sigint(), "");
}

TEST(a_sigint_while_nothing_runs_ends_the_process)
{
    if (!SIGNALS_COME)
        SKIP("as above");
    CHECK_DEATH(interrupt_nothing(), "");
}

static volatile sig_atomic_t mine;

static void count(int number)
{
    (void)number;
    mine++;
}

TEST(the_handler_of_before_comes_back)
{
    struct sigaction action = {.sa_handler = count}, now;
    thrum_options options = THRUM_OPTIONS_INIT;
    thrum_runtime *runtime, *second;

    CHECK_EQ(sigaction(SIGINT, &action, NULL), 0);
    runtime = handling(2);
    options.flags = THRUM_HANDLE_SIGINT;
    CHECK_EQ(thrum_runtime_create(&second, &options), -EBUSY);
    CHECK_EQ(thrum_runtime_close(runtime), 0);
    CHECK_EQ(sigaction(SIGINT, NULL, &now), 0);
    CHECK(now.sa_handler == count);
    raise(SIGINT);
    CHECK_EQ(mine, 1);
    CHECK_EQ(thrum_runtime_close(handling(2)), 0); /* the next may have it */
}

static int nap(void *arg)
{
    (void)arg;
    return thrum_sleep(1000);
}

/* Waiting for a SIGINT is no deadlock, but after it there is none to come. */
static int wait_again(void *arg)
{
    thrum_event never = THRUM_EVENT_INIT;

    CHECK_EQ(until_interrupted_asleep(arg), THRUM_ECANCELED);
    return thrum_event_wait(&never);
}

TEST(after_a_sigint_it_is_a_deadlock_to_wait_on)
{
    thrum_runtime *runtime = handling(2);
    uint32_t going = 0;
    pthread_t thread;

    REAL_WORLD_ONLY;
    CHECK_EQ(pthread_create(&thread, NULL, interrupt, &going), 0);
    CHECK_EQ(thrum_runtime_run(runtime, wait_again, &going, NULL), THRUM_EDEADLOCK);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(thrum_runtime_run(runtime, nap, NULL, NULL), 0);
    CHECK_EQ(thrum_runtime_close(runtime), 0);
}
