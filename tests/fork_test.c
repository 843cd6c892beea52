/*
 * fork_test.c - the child of a fork: its parent's runtimes are not its own, and
 * it may have some itself.
 *
 * Sanitizers do not survive a fork of a process with several threads: another
 * one may hold a lock of theirs in that moment (as that of AddressSanitizer's
 * allocator in GCC 12), which nobody in the child will ever release. There,
 * children make no runtimes.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/atomic/verbs.h"
#include "workers.h"

static const int counts[] = {1, 2, 8};

#define COUNTS (sizeof(counts) / sizeof(counts[0]))

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED true
#endif
#endif

#ifndef SANITIZED
#define SANITIZED false
#endif

static int add_one(void *arg)
{
    ++*(int *)arg;
    return thrum_yield();
}

/* In a child: use a runtime of its own. */
static void use_an_own_one(void)
{
    int n = 0;

    if (SANITIZED)
        return;
    CHECK_EQ(run_with(2, add_one, &n), 0);
    CHECK_EQ(n, 1);
}

/* What fn does in a child must end well. */
static void in_child(void (*fn)(void *arg), void *arg)
{
    pid_t pid = fork();
    int how = 0;

    CHECK_LE(0, pid);
    if (pid == 0) {
        fn(arg);
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &how, 0), pid);
    CHECK_EQ(how, 0);
}

static void refused(void *arg)
{
    thrum_runtime *runtime = arg;
    int n = 0;

    CHECK_EQ(thrum_self(), 0);
    CHECK(thrum_runtime_self() == NULL);
    CHECK_EQ(thrum_runtime_run(runtime, add_one, &n, NULL), THRUM_ESTATE);
    CHECK_EQ(thrum_runtime_set_workers(runtime, 3), THRUM_ESTATE);
    CHECK_EQ(thrum_runtime_close(runtime), THRUM_ESTATE);
    CHECK_EQ(thrum_dump(-1), 0); /* it has no runtimes */
    CHECK_EQ(n, 0);
    use_an_own_one();
}

TEST(a_child_is_refused_its_parent_s_runtime_and_has_its_own)
{
    for (size_t i = 0; i < COUNTS; i++) {
        thrum_runtime *runtime = runtime_with(counts[i]);
        int n = 0;

        for (int k = 0; k < 20; k++) {
            in_child(refused, runtime);
            CHECK_EQ(thrum_runtime_run(runtime, add_one, &n, NULL), 0);
        }
        CHECK_EQ(n, 20);
        CHECK_EQ(thrum_runtime_close(runtime), 0);
    }
}

static int fork_in_a_task(void *arg)
{
    (void)arg;
    in_child(refused, thrum_runtime_self());
    return thrum_yield();
}

static int many_fork(void *arg)
{
    thrum_child children[16];
    thrum_group group;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_n(&group, children, 16, fork_in_a_task, arg, 0), 0);
    return thrum_group_close(&group, 0, NULL);
}

TEST(tasks_fork)
{
    for (size_t i = 0; i < COUNTS; i++)
        CHECK_EQ(run_with(counts[i], many_fork, NULL), 0);
}

static void fork_twice(void *arg)
{
    refused(arg);
    if (!SANITIZED)
        CHECK_EQ(run_with(2, fork_in_a_task, NULL), 0);
}

TEST(children_fork)
{
    thrum_runtime *runtime = runtime_with(2);

    in_child(fork_twice, runtime);
    CHECK_EQ(thrum_runtime_close(runtime), 0);
}

/* ---- what stops the child -------------------------------------------------------------------- */

static thrum_event event = THRUM_EVENT_INIT;

/* Ends by SIGABRT, if all is well: its parent is the test. */
static void in_dying_child(void (*fn)(void *arg), void *arg)
{
    pid_t pid = fork();
    int how = 0;

    CHECK_LE(0, pid);
    if (pid == 0) {
        fn(arg);
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &how, 0), pid);
    CHECK(WIFSIGNALED(how) && WTERMSIG(how) == SIGABRT);
}

static void yield_on(void *arg)
{
    (void)arg;
    (void)thrum_yield();
}

static void spawn_on(void *group)
{
    thrum_child child;
    int n = 0;

    (void)!thrum_group_spawn_child(group, &child, add_one, &n);
}

static void close_on(void *group)
{
    (void)!thrum_group_close(group, 0, NULL);
}

static void cancel_on(void *runtime)
{
    thrum_runtime_cancel(runtime, -EPERM, NULL);
}

static void hold_on(void *runtime)
{
    thrum_hold(runtime, NULL);
}

static void sleep_on(void *arg)
{
    (void)arg;
    (void)!thrum_sleep(1000);
}

static void wait_on(void *arg)
{
    (void)!thrum_event_wait(arg);
}

static int try_all(void *arg)
{
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    in_dying_child(yield_on, NULL);
    in_dying_child(sleep_on, NULL);
    in_dying_child(wait_on, &event);
    in_dying_child(spawn_on, &group);
    in_dying_child(close_on, &group);
    in_dying_child(cancel_on, thrum_runtime_self());
    in_dying_child(hold_on, thrum_runtime_self());
    return thrum_group_close(&group, 0, NULL);
}

TEST(what_a_child_may_not_do_stops_it)
{
    CHECK_EQ(run_with(1, try_all, NULL), 0);
    CHECK_EQ(run_with(8, try_all, NULL), 0);
}

/* In the process that is to die: fork in a task, and go on as if nothing had happened. */
static int return_in_the_child(void *arg)
{
    int how;
    pid_t pid = fork();

    (void)arg;
    if (pid == 0)
        return 0;
    waitpid(pid, &how, 0);
    if (WIFSIGNALED(how))
        abort();
    return 0;
}

static int inline_child_returns(void *arg)
{
    thrum_child child;
    thrum_group group;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_child(&group, &child, return_in_the_child, arg), 0);
    return thrum_group_close(&group, 0, NULL);
}

TEST(a_task_that_returns_in_the_child_stops_it)
{
    CHECK_DEATH((void)!run_with(2, return_in_the_child, NULL), "end the child with _exit or exec");
    CHECK_DEATH((void)!run_with(1, inline_child_returns, NULL), "end the child with _exit or exec");
}

struct sleeper {
    thrum_runtime *runtime;
    uint32_t asleep; /* atomic */
};

static int sleep_by_the_event(void *arg)
{
    struct sleeper *sleeper = arg;

    store_release(&sleeper->asleep, 1);
    return thrum_event_wait(&event);
}

static void *run_sleeper(void *arg)
{
    struct sleeper *sleeper = arg;

    CHECK_EQ(thrum_runtime_run(sleeper->runtime, sleep_by_the_event, sleeper, NULL), 0);
    return NULL;
}

static bool dump_says(const char *text)
{
    char dump[4096] = "";
    int fd = memfd_create("dump", 0);

    CHECK_LE(0, fd);
    CHECK_EQ(thrum_dump(fd), 0);
    CHECK_LE(0, pread(fd, dump, sizeof dump - 1, 0));
    close(fd);
    return strstr(dump, text) != NULL;
}

static void wake_parent_s(void *arg)
{
    thrum_event_set(arg);
}

TEST(a_child_that_wakes_its_parent_s_tasks_is_stopped)
{
    struct sleeper sleeper = {runtime_with(2), 0};
    pthread_t thread;

    thrum_hold(sleeper.runtime, "this thread sets the event");
    CHECK_EQ(pthread_create(&thread, NULL, run_sleeper, &sleeper), 0);
    while (!load_acquire(&sleeper.asleep) || !dump_says("waits for event"))
        sched_yield();
    in_dying_child(wake_parent_s, &event);
    thrum_event_set(&event);
    thrum_release(sleeper.runtime);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(thrum_runtime_close(sleeper.runtime), 0);
}

/* ---- SIGINT ---------------------------------------------------------------------------------- */

static int child_is_interrupted(void *arg)
{
    pid_t pid = fork();
    int how = 0;

    (void)arg;
    CHECK_LE(0, pid);
    if (pid == 0) {
        raise(SIGINT);
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &how, 0), pid);
    CHECK(WIFSIGNALED(how) && WTERMSIG(how) == SIGINT);
    return 0;
}

TEST(a_sigint_ends_a_child)
{
    thrum_options options = THRUM_OPTIONS_INIT;
    thrum_runtime *runtime;

    if (SANITIZED)
        SKIP("it makes a runtime in a child");
    options.flags = THRUM_HANDLE_SIGINT;
    CHECK_EQ(thrum_runtime_create(&runtime, &options), 0);
    CHECK_EQ(child_is_interrupted(NULL), 0);
    CHECK_EQ(thrum_runtime_close(runtime), 0);
}
