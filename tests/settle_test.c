/* settle_test.c - waiting until all others wait, and letting time pass. */
#include <errno.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "runtime/atomic/verbs.h"
#include "workers.h"

#define CHAIN 50

/* ---- settle ---------------------------------------------------------------------------------- */

/* Each sets the next one's event, so that the last one comes to its end after all others. */
struct chain {
    thrum_event events[CHAIN + 1];
    uint32_t moved; /* atomic */
};

struct link {
    struct chain *chain;
    int number;
};

static int pass_on(void *arg)
{
    struct link *link = arg;
    int status = thrum_event_wait(&link->chain->events[link->number]);

    if (status)
        return status;
    add_relaxed(&link->chain->moved, 1); /* relaxed: a counter */
    thrum_event_set(&link->chain->events[link->number + 1]);
    return thrum_event_wait(&link->chain->events[0]); /* nobody clears it: at once */
}

static int a_chain(void *arg)
{
    struct chain chain = {.moved = 0};
    struct link links[CHAIN];
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < CHAIN; i++) {
        links[i] = (struct link){&chain, i};
        CHECK_EQ(thrum_group_spawn(&group, pass_on, &links[i], NULL, NULL), 0);
    }
    CHECK_EQ(thrum_settle(), 0);
    CHECK_EQ(load_relaxed(&chain.moved), 0); /* relaxed: all sleep */
    thrum_event_set(&chain.events[0]);
    CHECK_EQ(thrum_settle(), 0);
    CHECK_EQ(load_relaxed(&chain.moved), CHAIN); /* relaxed: all have ended */
    return thrum_group_close(&group, 0, NULL);
}

static int chains(void *arg)
{
    for (int i = 0; i < many(400); i++)
        CHECK_EQ(a_chain(arg), 0);
    return 0;
}

TEST(settle_returns_when_all_that_could_happen_has)
{
    run_everywhere(chains, NULL);
}

static int sleep_for(void *arg)
{
    return thrum_sleep(*(const int64_t *)arg);
}

static int beside_a_sleeper(void *arg)
{
    int64_t hour = thrum_s(3600);
    thrum_task *task;
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, sleep_for, &hour, NULL, &task), 0);
    CHECK_EQ(thrum_settle(), 0);
    CHECK(!thrum_task_ended(task, NULL));
    CHECK(thrum_task_cancel(task, 0, NULL));
    CHECK_EQ(thrum_settle(), 0);
    CHECK(thrum_task_ended(task, NULL));
    thrum_task_unref(task);
    return thrum_group_close(&group, 0, NULL);
}

TEST(no_time_passes_in_a_settle)
{
    run_everywhere(beside_a_sleeper, NULL);
}

/* While one goes on, the others are still in their settle. */
struct settlers {
    uint32_t awake; /* atomic */
    uint32_t total; /* atomic */
};

static int settle_alone(void *arg)
{
    struct settlers *settlers = arg;

    for (int i = 0; i < 20; i++) {
        CHECK_EQ(thrum_settle(), 0);
        CHECK_EQ(add_acq_rel(&settlers->awake, 1), 0);
        for (int j = 0; j < 3; j++)
            CHECK_EQ(thrum_yield(), 0);
        add_relaxed(&settlers->total, 1); /* relaxed: a counter */
        add_acq_rel(&settlers->awake, (uint32_t)-1);
    }
    return 0;
}

static int several_settle(void *arg)
{
    struct settlers settlers = {0, 0};
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(thrum_group_spawn(&group, settle_alone, &settlers, NULL, NULL), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(load_relaxed(&settlers.total), 200); /* relaxed: all have ended */
    return 0;
}

TEST(several_settle_one_at_a_time)
{
    run_everywhere(several_settle, NULL);
}

static int settle_only(void *arg)
{
    (void)arg;
    return thrum_settle();
}

static int spin(void *arg)
{
    int status = 0;

    (void)arg;
    while (!status)
        status = thrum_yield();
    return status;
}

static int a_cancelled_settle(void *arg)
{
    thrum_task *settler, *spinner;
    thrum_group group;
    thrum_outcome outcome;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, spin, NULL, NULL, &spinner), 0);
    CHECK_EQ(thrum_group_spawn(&group, settle_only, NULL, NULL, &settler), 0);
    for (int i = 0; i < 10; i++)
        thrum_yield();
    CHECK(!thrum_task_ended(settler, NULL));
    CHECK(thrum_task_cancel(settler, 0, NULL));
    CHECK_EQ(thrum_task_join(settler, &outcome), 0);
    CHECK_EQ(outcome.status, THRUM_ECANCELED);
    CHECK(thrum_task_cancel(spinner, 0, NULL));
    CHECK_EQ(thrum_task_join(spinner, NULL), 0);
    CHECK_EQ(thrum_settle(), 0); /* nothing is left of it */
    thrum_task_unref(settler);
    thrum_task_unref(spinner);
    return thrum_group_close(&group, 0, NULL);
}

TEST(who_settles_beside_one_that_never_waits_can_be_cancelled)
{
    run_everywhere(a_cancelled_settle, NULL);
}

struct call {
    thrum_event begun;
    uint32_t done; /* atomic */
};

static int on_a_thread(void *arg)
{
    struct call *call = arg;

    thrum_event_set(&call->begun);
    for (volatile int i = 0; i < 1000000; i++)
        continue;
    store_relaxed(&call->done, 1); /* relaxed: its end brings it */
    return 0;
}

static int call_out(void *arg)
{
    return thrum_to_thread(NULL, on_a_thread, arg);
}

static int beside_a_call(void *arg)
{
    struct call call = {.begun = THRUM_EVENT_INIT};
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, call_out, &call, NULL, NULL), 0);
    CHECK_EQ(thrum_event_wait(&call.begun), 0);
    CHECK_EQ(thrum_settle(), 0);
    CHECK_EQ(load_relaxed(&call.done), 1); /* relaxed: its task has ended */
    return thrum_group_close(&group, 0, NULL);
}

TEST(calls_on_other_threads_are_waited_for)
{
    run_everywhere(beside_a_call, NULL);
}

static int settle_then_hang(void *arg)
{
    thrum_event never = THRUM_EVENT_INIT;
    int status = thrum_settle();

    (void)arg;
    return status ? status : thrum_event_wait(&never);
}

static void no_report(const char *line, void *context)
{
    (void)line, (void)context;
}

TEST(deadlocks_are_found_all_the_same)
{
    thrum_options options = THRUM_OPTIONS_INIT;

    options.report = no_report;
    for (options.workers = 1; options.workers <= 4; options.workers++)
        CHECK_EQ(thrum_run(settle_then_hang, NULL, &options, NULL), THRUM_EDEADLOCK);
}

TEST(a_guest_never_settles)
{
    thrum_options options = THRUM_OPTIONS_INIT;
    thrum_runtime *runtime;
    thrum_ticket *ticket;
    thrum_outcome outcome;
    int64_t next;

    options.flags = THRUM_GUEST;
    CHECK_EQ(thrum_runtime_create(&runtime, &options), 0);
    CHECK_EQ(thrum_submit(runtime, settle_only, NULL, &ticket), 0);
    while (!thrum_ticket_ended(ticket, &outcome))
        CHECK_EQ(thrum_turn(runtime, INT64_MAX, &next), 0);
    CHECK_EQ(outcome.status, -ENOTSUP);
    thrum_error_free(outcome.error);
    thrum_ticket_unref(ticket);
    CHECK_EQ(thrum_runtime_close(runtime), 0);
}

TEST(settle_is_for_tasks)
{
    CHECK_DEATH((void)!thrum_settle(), "thrum_settle was called outside a task");
}

/* ---- advance --------------------------------------------------------------------------------- */

#define SLEEPERS 20

struct sleepers {
    uint32_t woken; /* atomic */
    int order[SLEEPERS];
};

struct sleeper {
    struct sleepers *all;
    int number;
};

/* So far apart that what really passes, if the machine has other things to do, is nothing. */
static int sleep_and_note(void *arg)
{
    struct sleeper *sleeper = arg;
    int status = thrum_sleep(thrum_s(100 * (10 + sleeper->number)));

    if (!status)
        sleeper->all->order[add_acq_rel(&sleeper->all->woken, 1)] = sleeper->number;
    return status;
}

static int in_order(void *arg)
{
    struct sleepers all = {.woken = 0};
    struct sleeper sleepers[SLEEPERS];
    thrum_time begin = thrum_now();
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < SLEEPERS; i++) {
        sleepers[i] = (struct sleeper){&all, (i * 7) % SLEEPERS};
        CHECK_EQ(thrum_group_spawn(&group, sleep_and_note, &sleepers[i], NULL, NULL), 0);
    }
    CHECK_EQ(thrum_advance(thrum_s(900)), 0);
    CHECK_EQ(load_relaxed(&all.woken), 0); /* relaxed: settled */
    CHECK_EQ(thrum_advance(thrum_s(1100)), 0);
    CHECK_EQ(load_relaxed(&all.woken), 11); /* relaxed: settled: 1000 to 2000 */
    CHECK_EQ(thrum_advance(thrum_s(6000)), 0);
    CHECK_EQ(load_relaxed(&all.woken), SLEEPERS); /* relaxed: settled */
    for (int i = 0; i < SLEEPERS; i++)
        CHECK_EQ(all.order[i], i);
    CHECK_LE(thrum_s(8000), thrum_between(begin, thrum_now()));
    return thrum_group_close(&group, 0, NULL);
}

TEST(what_is_due_comes_in_order_while_time_is_advanced)
{
    run_everywhere(in_order, NULL);
}

static int tick(void *arg)
{
    int status = 0;

    while (!status) {
        status = thrum_sleep(thrum_s(100));
        if (!status)
            add_relaxed((uint32_t *)arg, 1); /* relaxed: a counter */
    }
    return status;
}

/* Time that really passes meanwhile does not make it miss one. */
static int ticks(void *arg)
{
    uint32_t n = 0;
    thrum_group group;
    thrum_time begin = thrum_now();

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, tick, &n, NULL, NULL), 0);
    CHECK_EQ(thrum_advance(thrum_s(1000)), 0);
    CHECK_EQ(load_relaxed(&n), 10); /* relaxed: settled */
    CHECK_EQ(thrum_advance(0), 0);
    CHECK_EQ(load_relaxed(&n), 10); /* relaxed: settled */
    CHECK_LE(thrum_s(1000), thrum_between(begin, thrum_now()));
    thrum_group_cancel(&group, 0, NULL);
    return thrum_group_close(&group, 0, NULL);
}

TEST(what_comes_again_and_again_comes_as_often_as_it_should)
{
    run_everywhere(ticks, NULL);
}

static int backwards(void *arg)
{
    (void)arg;
    CHECK_EQ(thrum_advance(-1), -EINVAL);
    return 0;
}

TEST(time_does_not_go_back)
{
    CHECK_EQ(run_with(1, backwards, NULL), 0);
}

/* ---- a clock that jumps ---------------------------------------------------------------------- */

static int jumping(int workers, thrum_fn fn, void *arg)
{
    thrum_runtime *runtime = runtime_with(workers);
    int status;

    thrum_runtime_jump(runtime);
    status = thrum_runtime_run(runtime, fn, arg, NULL);
    CHECK_EQ(thrum_runtime_close(runtime), 0);
    return status;
}

static void jumping_everywhere(thrum_fn fn, void *arg)
{
    for (int workers = 1; workers <= 8; workers *= 2)
        CHECK_EQ(jumping(workers, fn, arg), 0);
}

#define DAYS 100

static int sleep_for_days(void *arg)
{
    struct sleeper *sleeper = arg;

    for (int i = 0; i < DAYS; i++)
        CHECK_EQ(thrum_sleep(thrum_s(86400 + sleeper->number)), 0);
    add_relaxed(&sleeper->all->woken, 1); /* relaxed: a counter */
    return 0;
}

static int many_sleep_for_days(void *arg)
{
    struct sleepers all = {.woken = 0};
    struct sleeper sleepers[SLEEPERS];
    thrum_time begin = thrum_now();
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < SLEEPERS; i++) {
        sleepers[i] = (struct sleeper){&all, i};
        CHECK_EQ(thrum_group_spawn(&group, sleep_for_days, &sleepers[i], NULL, NULL), 0);
    }
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(load_relaxed(&all.woken), SLEEPERS); /* relaxed: all have ended */
    CHECK_LE(thrum_s(DAYS * (int64_t)86400), thrum_between(begin, thrum_now()));
    return 0;
}

TEST(where_there_is_nothing_but_sleep_time_jumps)
{
    jumping_everywhere(many_sleep_for_days, NULL);
}

static void real_pause(void)
{
    struct timespec pause = {0, 20000000}; /* time for a jump that must not be */

    nanosleep(&pause, NULL);
}

static int call_that_takes_time(void *arg)
{
    (void)arg;
    real_pause();
    return 0;
}

static int call_within_an_hour(void *arg)
{
    (void)arg;
    return thrum_to_thread(NULL, call_that_takes_time, NULL);
}

static int no_jump_beside_a_call(void *arg)
{
    return thrum_wait_for(call_within_an_hour, arg, thrum_s(3600));
}

TEST(time_does_not_jump_beside_a_call_on_another_thread)
{
    REAL_WORLD_ONLY;
    jumping_everywhere(no_jump_beside_a_call, NULL);
}

static void *write_later(void *arg)
{
    real_pause();
    CHECK_EQ(write(((int *)arg)[1], "x", 1), 1);
    return NULL;
}

static int wait_readable(void *arg)
{
    return thrum_fd_wait(((int *)arg)[0], THRUM_FD_READ);
}

static int no_jump_beside_a_descriptor(void *arg)
{
    int ends[2];
    pthread_t thread;
    int status;

    (void)arg;
    CHECK_EQ(pipe(ends), 0);
    CHECK_EQ(pthread_create(&thread, NULL, write_later, ends), 0);
    status = thrum_wait_for(wait_readable, ends, thrum_s(3600));
    CHECK_EQ(pthread_join(thread, NULL), 0);
    close(ends[0]);
    close(ends[1]);
    return status < 0 ? status : 0;
}

TEST(time_does_not_jump_beside_a_descriptor)
{
    REAL_WORLD_ONLY;
    jumping_everywhere(no_jump_beside_a_descriptor, NULL);
}

TEST(a_deadlock_is_one_with_such_a_clock_too)
{
    thrum_options options = THRUM_OPTIONS_INIT;
    thrum_runtime *runtime;

    options.report = no_report;
    options.workers = 2;
    CHECK_EQ(thrum_runtime_create(&runtime, &options), 0);
    thrum_runtime_jump(runtime);
    CHECK_EQ(thrum_runtime_run(runtime, settle_then_hang, NULL, NULL), THRUM_EDEADLOCK);
    CHECK_EQ(thrum_runtime_close(runtime), 0);
}

/* ---- turns ----------------------------------------------------------------------------------- */

static int change_turns(void *arg)
{
    uint64_t turn = thrum_self_turn();
    thrum_event set = THRUM_EVENT_INIT;

    (void)arg;
    thrum_event_set(&set);
    CHECK_EQ(thrum_self_turn(), turn);
    CHECK_EQ(thrum_yield(), 0);
    CHECK_NE(thrum_self_turn(), turn);
    turn = thrum_self_turn();
    CHECK_EQ(thrum_sleep(1), 0);
    CHECK_NE(thrum_self_turn(), turn);
    return 0;
}

TEST(a_turn_ends_with_a_wait_or_a_yield)
{
    run_everywhere(change_turns, NULL);
}

/* ---- loose holds ----------------------------------------------------------------------------- */

/* Nobody comes; nobody is waited for. */
static int beside_a_loose_hold(void *arg)
{
    thrum_event never = THRUM_EVENT_INIT;
    thrum_timeout timeout;
    int status;

    (void)arg;
    thrum_hold_loosely(thrum_runtime_self(), "nobody");
    CHECK_EQ(thrum_settle(), 0);
    CHECK_EQ(thrum_advance(thrum_s(3600)), 0);
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_s(3600)), 0);
    status = thrum_event_wait(&never);
    CHECK_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
    thrum_release_loosely(thrum_runtime_self());
    return 0;
}

TEST(a_loose_hold_keeps_nothing_from_settling_nor_time_from_jumping)
{
    static const int counts[] = {1, 2, 8};

    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        thrum_runtime *runtime = runtime_with(counts[i]);

        thrum_runtime_jump(runtime);
        CHECK_EQ(thrum_runtime_run(runtime, beside_a_loose_hold, NULL, NULL), 0);
        CHECK_EQ(thrum_runtime_close(runtime), 0);
    }
}
