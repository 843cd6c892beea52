/*
 * blocking_test.c - a task that blocks in a section of its own keeps its thread,
 * and its worker goes on without it.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "runtime/atomic/verbs.h"
#include "runtime/plat/fault.h"
#include "runtime/plat/thread.h"
#include "workers.h"

/* Blocks until a byte comes. */
static void block_for(int fd)
{
    char byte;

    CHECK_EQ(read(fd, &byte, 1), 1);
}

struct pipes {
    int ends[2];
    uint32_t inside; /* atomic: sections that have begun */
    uint32_t beside; /* atomic: what others did meanwhile */
};

static void pipes_init(struct pipes *pipes)
{
    memset(pipes, 0, sizeof *pipes);
    CHECK_EQ(pipe(pipes->ends), 0);
}

static void pipes_fini(struct pipes *pipes)
{
    close(pipes->ends[0]);
    close(pipes->ends[1]);
}

static int blocks(void *arg)
{
    struct pipes *pipes = arg;
    uint64_t self = thrum_self();
    thrum_blocking blocking;
    pthread_t thread;

    CHECK_EQ(thrum_blocking_begin(&blocking), 0);
    thread = pthread_self();
    CHECK_EQ(thrum_self(), 0);
    add_release(&pipes->inside, 1);
    block_for(pipes->ends[0]);
    CHECK(pthread_equal(thread, pthread_self()));
    thrum_blocking_end(&blocking);
    CHECK_EQ(thrum_self(), self);
    return thrum_yield();
}

static int counts_beside(void *arg)
{
    struct pipes *pipes = arg;

    add_release(&pipes->beside, 1);
    return thrum_yield();
}

enum { BLOCKERS = 40 };

/* More tasks block than there are workers; others run, come and go; then all go on. */
static int many_block(void *arg)
{
    struct pipes *pipes = arg;
    char bytes[BLOCKERS] = {0};
    thrum_group group;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < BLOCKERS; i++)
        CHECK_EQ(thrum_group_spawn(&group, blocks, pipes, NULL, NULL), 0);
    while (load_acquire(&pipes->inside) < BLOCKERS)
        CHECK_EQ(thrum_yield(), 0);
    for (int i = 0; i < many(2000); i++)
        CHECK_EQ(thrum_group_spawn(&group, counts_beside, pipes, NULL, NULL), 0);
    while (load_acquire(&pipes->beside) < (uint32_t)many(2000))
        CHECK_EQ(thrum_sleep(1000), 0); /* timers go on too */
    CHECK_EQ(write(pipes->ends[1], bytes, BLOCKERS), BLOCKERS);
    return thrum_group_close(&group, 0, NULL);
}

TEST(others_go_on_while_tasks_block)
{
    static const int counts[] = {1, 2, 8};

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct pipes pipes;

        pipes_init(&pipes);
        CHECK_EQ(run_with(counts[i], many_block, &pipes), 0);
        pipes_fini(&pipes);
    }
}

/* ---- many short ones ------------------------------------------------------------------------ */

static int short_sections(void *arg)
{
    uint32_t *sum = arg;
    uint32_t mine = 0; /* on the stack, in the section too */

    for (int i = 0; i < 200; i++) {
        thrum_blocking blocking;

        CHECK_EQ(thrum_blocking_begin(&blocking), 0);
        mine++;
        if (i % 3 == 0)
            sched_yield();
        thrum_blocking_end(&blocking);
        if (i % 5 == 0)
            CHECK_EQ(thrum_yield(), 0);
    }
    add_relaxed(sum, mine); /* relaxed: a counter */
    return 0;
}

/* Some are run by the owner's join, with its frames below them. */
static int crowd(void *arg)
{
    int n = many(200) < 20 ? 20 : many(200);
    thrum_child children[200];
    thrum_group group;
    uint32_t sum = 0;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_n(&group, children, (size_t)n, short_sections, &sum, 0), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(sum, (uint32_t)n * 200);
    return 0;
}

TEST(sections_come_and_go_and_threads_change_places)
{
    run_everywhere(crowd, NULL);
}

/* ---- workers come and go -------------------------------------------------------------------- */

struct resized {
    thrum_runtime *runtime;
    uint32_t done; /* atomic */
};

static int crowds(void *arg)
{
    struct resized *resized = arg;

    for (int i = 0; i < 5; i++)
        CHECK_EQ(crowd(NULL), 0);
    store_release(&resized->done, 1);
    return 0;
}

static void *run_crowds(void *arg)
{
    struct resized *resized = arg;

    CHECK_EQ(thrum_runtime_run(resized->runtime, crowds, resized, NULL), 0);
    return NULL;
}

/* Whoever runs a worker that leaves is the one to be joined. */
TEST(workers_leave_and_come_while_they_are_given_away)
{
    struct resized resized = {runtime_with(4), 0};
    pthread_t thread;

    CHECK_EQ(pthread_create(&thread, NULL, run_crowds, &resized), 0);
    for (int n = 1; !load_acquire(&resized.done); n = n % 6 + 1)
        CHECK_EQ(thrum_runtime_set_workers(resized.runtime, n), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(thrum_runtime_close(resized.runtime), 0);
}

/* ---- what surrounds a section --------------------------------------------------------------- */

static int waits_shortly(void *arg)
{
    thrum_blocking blocking;
    thrum_timeout timeout;
    int status;

    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_ms(1)), 0);
    CHECK_EQ(thrum_blocking_begin(&blocking), 0);
    while (!load_acquire((uint32_t *)arg))
        sched_yield();
    thrum_blocking_end(&blocking);
    status = thrum_sleep(thrum_s(3600));
    return thrum_timeout_end(&timeout, status);
}

static int lets_go_later(void *arg)
{
    CHECK_EQ(thrum_sleep(thrum_ms(3)), 0);
    store_release((uint32_t *)arg, 1);
    return 0;
}

/* It is told when it is through, and is no deadlock meanwhile. */
static int cancelled_inside(void *arg)
{
    uint32_t go = 0;
    thrum_task *task;
    thrum_outcome outcome;
    thrum_error *errors;
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, collecting()), 0);
    CHECK_EQ(thrum_group_spawn(&group, waits_shortly, &go, NULL, &task), 0);
    CHECK_EQ(thrum_group_spawn(&group, lets_go_later, &go, NULL, NULL), 0);
    CHECK_EQ(thrum_task_join(task, &outcome), 0);
    CHECK_EQ(outcome.status, THRUM_ETIMEOUT);
    thrum_error_free(outcome.error);
    thrum_task_unref(task);
    CHECK_EQ(thrum_group_close(&group, 0, &errors), THRUM_EGROUP);
    thrum_error_free(errors);
    return 0;
}

TEST(a_cancel_is_told_after_the_section)
{
    run_everywhere(cancelled_inside, NULL);
}

static int initial = 1;
static const thrum_local local = THRUM_LOCAL_INIT(&initial, NULL);

static int sees_locals(void *arg)
{
    int two = 2;
    thrum_blocking blocking;

    (void)arg;
    CHECK_EQ(thrum_local_set(&local, &two), 0);
    CHECK_EQ(thrum_blocking_begin(&blocking), 0);
    CHECK(thrum_local_get(&local) == &two);
    thrum_blocking_end(&blocking);
    CHECK(thrum_local_get(&local) == &two);
    return 0;
}

TEST(a_section_sees_its_tasks_locals)
{
    run_everywhere(sees_locals, NULL);
}

static int all_alone(void *arg)
{
    thrum_blocking blocking;

    CHECK_EQ(thrum_blocking_begin(&blocking), 0);
    usleep(2000); /* everybody else is at rest: it is no deadlock */
    thrum_blocking_end(&blocking);
    return *(int *)arg;
}

TEST(a_task_that_blocks_is_no_deadlock)
{
    int five = 5;

    for (int workers = 1; workers <= 8; workers *= 2)
        CHECK_EQ(run_with(workers, all_alone, &five), 5);
}

/* Another runtime may be run from inside. */
static int runs_another(void *arg)
{
    thrum_blocking blocking;
    int status;

    CHECK_EQ(thrum_blocking_begin(&blocking), 0);
    status = run_with(2, all_alone, arg);
    thrum_blocking_end(&blocking);
    return status;
}

TEST(a_section_may_run_another_runtime)
{
    int five = 5;

    CHECK_EQ(run_with(2, runs_another, &five), 5);
}

/* ---- no thread ------------------------------------------------------------------------------ */

static int without_threads(void *arg)
{
    thrum_blocking blocking;
    uint64_t self = thrum_self();

    (void)arg;
    store_relaxed(&thrum_thread_fail_after, FAULT_ALWAYS); /* relaxed: nobody else starts threads */
    CHECK_EQ(thrum_blocking_begin(&blocking), -EAGAIN);
    CHECK_EQ(thrum_self(), self);
    thrum_blocking_end(&blocking);
    store_relaxed(&thrum_thread_fail_after, 0); /* relaxed: likewise */
    CHECK_EQ(thrum_blocking_begin(&blocking), 0);
    thrum_blocking_end(&blocking);
    return 0;
}

TEST(without_a_thread_the_section_holds_its_worker_up)
{
    run_everywhere(without_threads, NULL);
}

static int in_a_guest(void *arg)
{
    thrum_blocking blocking;

    CHECK_EQ(thrum_blocking_begin(&blocking), -EAGAIN);
    thrum_blocking_end(&blocking);
    store_release((uint32_t *)arg, 1);
    return 0;
}

TEST(a_guest_has_no_thread_to_give)
{
    thrum_options options = THRUM_OPTIONS_INIT;
    thrum_runtime *runtime;
    uint32_t done = 0;

    options.flags = THRUM_GUEST;
    CHECK_EQ(thrum_runtime_create(&runtime, &options), 0);
    CHECK_EQ(thrum_post(runtime, in_a_guest, &done), 0);
    while (!load_acquire(&done))
        CHECK_EQ(thrum_turn(runtime, thrum_ms(1), NULL), 0);
    CHECK_EQ(thrum_runtime_close(runtime), 0);
}

/* ---- misuse --------------------------------------------------------------------------------- */

static int nests(void *arg)
{
    thrum_blocking outer, inner;

    (void)arg;
    (void)thrum_blocking_begin(&outer);
    (void)thrum_blocking_begin(&inner);
    return 0;
}

static int yields_inside(void *arg)
{
    thrum_blocking blocking;

    (void)arg;
    (void)thrum_blocking_begin(&blocking);
    return thrum_yield();
}

static int returns_inside(void *arg)
{
    thrum_blocking blocking;

    (void)arg;
    return thrum_blocking_begin(&blocking);
}

static int returns_inside_its_parent(void *arg)
{
    thrum_child child;
    thrum_group group;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_child(&group, &child, returns_inside, arg), 0);
    return thrum_group_close(&group, 0, NULL);
}

static int spawns_inside(void *arg)
{
    thrum_blocking blocking;
    thrum_child child;
    thrum_group group;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    (void)thrum_blocking_begin(&blocking);
    return thrum_group_spawn_child(&group, &child, returns_inside, arg);
}

static int ends_nothing(void *arg)
{
    thrum_blocking blocking = {.away = 0};

    (void)arg;
    thrum_blocking_end(&blocking);
    return 0;
}

static void dies(thrum_fn fn, const char *sentence)
{
    CHECK_DEATH((void)run_with(1, fn, NULL), sentence);
    CHECK_DEATH((void)run_with(8, fn, NULL), sentence);
}

TEST(what_a_section_must_not_do_stops_the_process)
{
    dies(nests, "between another one and its thrum_blocking_end");
    dies(yields_inside, "thrum_yield was called outside a task");
    dies(spawns_inside, "a task was spawned from a thread that runs no task");
    dies(returns_inside, "between thrum_blocking_begin and thrum_blocking_end");
    dies(returns_inside_its_parent, "between thrum_blocking_begin and thrum_blocking_end");
    dies(ends_nothing, "without a thrum_blocking_begin before it");
}
