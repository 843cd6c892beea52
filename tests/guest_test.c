/*
 * guest_test.c - a runtime whose tasks run in the turns that a loop of the test's
 * own takes for it.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "runtime/atomic/verbs.h"
#include "workers.h"

static thrum_runtime *guest(void)
{
    thrum_options options = THRUM_OPTIONS_INIT;
    thrum_runtime *runtime;

    options.flags = THRUM_GUEST;
    CHECK_EQ(thrum_runtime_create(&runtime, &options), 0);
    return runtime;
}

/* Would a loop that waits for the descriptor sleep now? For at most so many milliseconds. */
static bool is_readable(const thrum_runtime *runtime, int ms)
{
    struct pollfd fd = {.fd = thrum_poll_fd(runtime), .events = POLLIN};

    CHECK_LE(0, fd.fd);
    return poll(&fd, 1, ms) == 1;
}

static int milliseconds(int64_t ns)
{
    return ns >= thrum_s(3600) ? -1 : (int)((ns + 999999) / 1000000);
}

/* The loop: sleeps as it is told to, until *counter is n. Returns how many turns it took. */
static int loop(thrum_runtime *runtime, int64_t budget, const uint32_t *counter, uint32_t n)
{
    int64_t next = 0;
    int turns = 0;

    while (load_acquire(counter) < n) {
        (void)is_readable(runtime, milliseconds(next));
        CHECK_EQ(thrum_turn(runtime, budget, &next), 0);
        turns++;
    }
    return turns;
}

/* ---- what a loop does ----------------------------------------------------------------------- */

static pthread_t loops_thread;

static int count(void *arg)
{
    CHECK(pthread_equal(pthread_self(), loops_thread));
    add_release((uint32_t *)arg, 1);
    return 0;
}

static int branch_out(void *arg)
{
    thrum_child children[100];
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    if (!status)
        status = thrum_group_spawn_n(&group, children, 100, count, arg, 0);
    if (!status)
        status = thrum_yield();
    return thrum_group_close(&group, status, NULL);
}

TEST(tasks_run_on_the_thread_that_takes_the_turns)
{
    thrum_runtime *runtime = guest();
    uint32_t ran = 0;

    loops_thread = pthread_self();
    for (int i = 0; i < 100; i++)
        CHECK_EQ(thrum_post(runtime, branch_out, &ran), 0);
    loop(runtime, thrum_ms(1), &ran, 10000);
    CHECK_EQ(ran, 10000);
    CHECK_EQ(thrum_runtime_workers(runtime), 1);
    CHECK_EQ(thrum_runtime_close(runtime), 0);
}

/* After a turn that says that there is nothing the loop can sleep, and is woken for something. */
TEST(the_descriptor_is_readable_when_there_is_something_to_do)
{
    thrum_runtime *runtime = guest();
    uint32_t ran = 0;
    int64_t next = 1;

    loops_thread = pthread_self();
    CHECK(is_readable(runtime, 0)); /* the first turn */
    CHECK_EQ(thrum_turn(runtime, thrum_ms(1), &next), 0);
    CHECK_EQ(next, THRUM_FOREVER);
    CHECK(!is_readable(runtime, 0));
    for (uint32_t i = 1; i <= 1000; i++) {
        CHECK_EQ(thrum_post(runtime, count, &ran), 0);
        CHECK(is_readable(runtime, 0));
        CHECK_EQ(thrum_turn(runtime, thrum_s(3600), &next), 0);
        CHECK_EQ(ran, i);
        CHECK_EQ(next, THRUM_FOREVER);
        CHECK(!is_readable(runtime, 0));
    }
    CHECK_EQ(thrum_runtime_close(runtime), 0);
}

static int yield_for_long(void *arg)
{
    const uint32_t *stop = arg;

    while (!load_acquire(stop))
        if (thrum_yield())
            return THRUM_ECANCELED;
    return 0;
}

TEST(a_turn_ends_when_its_time_is_up_and_there_is_more_to_do)
{
    thrum_runtime *runtime = guest();
    uint32_t stop = 0;
    thrum_ticket *ticket;
    int64_t next;

    CHECK_EQ(thrum_submit(runtime, yield_for_long, &stop, &ticket), 0);
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(thrum_turn(runtime, i % 2 ? 0 : 1000, &next), 0);
        CHECK_EQ(next, 0);
        CHECK(is_readable(runtime, 0));
    }
    store_release(&stop, 1);
    CHECK_EQ(thrum_turn(runtime, thrum_s(3600), &next), 0);
    CHECK(thrum_ticket_ended(ticket, NULL));
    CHECK_EQ(next, THRUM_FOREVER);
    thrum_ticket_unref(ticket);
    CHECK_EQ(thrum_runtime_close(runtime), 0);
}

struct naps {
    uint32_t done;
    int64_t ns;
};

static int naps(void *arg)
{
    struct naps *self = arg;

    for (int i = 0; i < 10; i++)
        CHECK_EQ(thrum_sleep(self->ns), 0);
    add_release(&self->done, 1);
    return 0;
}

/* The loop is told; and woken, if it does not listen. */
TEST(timers_are_told_and_make_the_descriptor_readable)
{
    thrum_runtime *runtime = guest();
    struct naps naps_here = {0, thrum_ms(1)};
    int64_t next;

    CHECK_EQ(thrum_post(runtime, naps, &naps_here), 0);
    CHECK_EQ(thrum_turn(runtime, thrum_s(3600), &next), 0);
    CHECK_LE(next, thrum_ms(1));
    loop(runtime, thrum_ms(1), &naps_here.done, 1);
    CHECK_EQ(thrum_post(runtime, naps, &naps_here), 0);
    while (load_acquire(&naps_here.done) < 2) {
        CHECK(is_readable(runtime, -1));
        CHECK_EQ(thrum_turn(runtime, thrum_ms(1), NULL), 0);
    }
    CHECK_EQ(thrum_runtime_close(runtime), 0);
}

/* ---- others --------------------------------------------------------------------------------- */

struct crowd {
    thrum_runtime *runtime;
    uint32_t ran;
};

static void *post_many(void *arg)
{
    struct crowd *crowd = arg;

    for (int i = 0; i < many(20000); i++)
        CHECK_EQ(thrum_post(crowd->runtime, count, &crowd->ran), 0);
    return NULL;
}

TEST(other_threads_post_while_the_loop_sleeps_and_runs)
{
    struct crowd crowd = {guest(), 0};
    pthread_t threads[3];

    loops_thread = pthread_self();
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, post_many, &crowd), 0);
    loop(crowd.runtime, 1000, &crowd.ran, (uint32_t)(3 * many(20000)));
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_EQ(thrum_runtime_close(crowd.runtime), 0);
}

static int nothing(void *arg)
{
    return *(int *)arg;
}

static int call_out(void *arg)
{
    int five = 5;

    for (int i = 0; i < 100; i++)
        CHECK_EQ(thrum_to_thread(NULL, nothing, &five), 5);
    add_release((uint32_t *)arg, 1);
    return 0;
}

TEST(tasks_call_threads_and_wait_for_them)
{
    thrum_runtime *runtime = guest();
    uint32_t done = 0;

    for (int i = 0; i < 10; i++)
        CHECK_EQ(thrum_post(runtime, call_out, &done), 0);
    loop(runtime, thrum_ms(1), &done, 10);
    CHECK_EQ(thrum_runtime_close(runtime), 0);
}

struct piped {
    int ends[2];
    uint32_t bytes;
};

static int read_bytes(void *arg)
{
    struct piped *piped = arg;
    char byte;

    for (int i = 0; i < 100; i++) {
        CHECK_LE(0, thrum_fd_wait(piped->ends[0], THRUM_FD_READ));
        CHECK_EQ(read(piped->ends[0], &byte, 1), 1);
        add_release(&piped->bytes, 1);
    }
    return 0;
}

/* What a task waits for, the loop's one descriptor stands for. */
TEST(descriptors_that_tasks_wait_for_wake_the_loop)
{
    thrum_runtime *runtime = guest();
    struct piped piped = {.bytes = 0};

    CHECK_EQ(pipe(piped.ends), 0);
    CHECK_EQ(thrum_post(runtime, read_bytes, &piped), 0);
    for (uint32_t i = 1; i <= 100; i++) {
        CHECK_EQ(write(piped.ends[1], "x", 1), 1);
        loop(runtime, thrum_ms(1), &piped.bytes, i);
    }
    CHECK_EQ(thrum_runtime_close(runtime), 0);
    close(piped.ends[0]);
    close(piped.ends[1]);
}

/* ---- the end -------------------------------------------------------------------------------- */

static int linger(void *arg)
{
    int status = thrum_sleep(thrum_s(3600));

    CHECK_EQ(thrum_sleep(thrum_ms(1)), 0); /* its cleanup takes its time */
    add_release((uint32_t *)arg, 1);
    return status;
}

TEST(close_takes_the_turns_that_are_left)
{
    for (int turns = 0; turns < 3; turns++) {
        thrum_runtime *runtime = guest();
        uint32_t cleaned = 0;

        for (int i = 0; i < 10; i++)
            CHECK_EQ(thrum_post(runtime, linger, &cleaned), 0);
        for (int i = 0; i < turns; i++)
            CHECK_EQ(thrum_turn(runtime, thrum_s(3600), NULL), 0);
        CHECK_EQ(thrum_runtime_close(runtime), 0);
        CHECK_EQ(cleaned, turns ? 10 : 0); /* those that had not begun never will */
    }
}

static int waits_for_the_loop(void *arg)
{
    return thrum_event_wait(arg);
}

/* Nothing knows that the loop will set it, and nothing complains. */
TEST(a_guest_is_never_stuck)
{
    thrum_event event = THRUM_EVENT_INIT;
    thrum_runtime *runtime = guest();
    thrum_ticket *ticket;
    thrum_outcome outcome;

    CHECK_EQ(thrum_submit(runtime, waits_for_the_loop, &event, &ticket), 0);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(thrum_turn(runtime, thrum_ms(1), NULL), 0);
    CHECK(!thrum_ticket_ended(ticket, NULL));
    thrum_event_set(&event);
    CHECK_EQ(thrum_turn(runtime, thrum_s(3600), NULL), 0);
    CHECK(thrum_ticket_ended(ticket, &outcome));
    CHECK_EQ(outcome.status, 0);
    thrum_ticket_unref(ticket);
    CHECK_EQ(thrum_runtime_close(runtime), 0);
}

static int nests(void *arg)
{
    thrum_runtime *runtime = arg;

    CHECK_EQ(thrum_turn(runtime, 0, NULL), THRUM_ENESTED);
    return 0;
}

TEST(what_makes_no_sense_is_refused)
{
    thrum_options options = THRUM_OPTIONS_INIT;
    thrum_runtime *runtime = guest(), *other = runtime_with(1), *none = NULL;
    int zero = 0;

    options.flags = THRUM_GUEST;
    options.workers = 2;
    CHECK_EQ(thrum_runtime_create(&none, &options), -EINVAL);
    CHECK_EQ(thrum_runtime_run(runtime, nothing, &zero, NULL), THRUM_ESTATE);
    CHECK_EQ(thrum_block_on(runtime, nothing, &zero, 1, NULL), THRUM_ESTATE);
    CHECK_EQ(thrum_runtime_set_workers(runtime, 2), THRUM_ESTATE);
    CHECK_EQ(thrum_turn(runtime, -1, NULL), -EINVAL);
    CHECK_EQ(thrum_turn(other, 1, NULL), THRUM_ESTATE);
    CHECK_EQ(thrum_poll_fd(other), THRUM_ESTATE);
    CHECK_EQ(thrum_post(runtime, nests, runtime), 0);
    CHECK_EQ(thrum_turn(runtime, thrum_s(3600), NULL), 0);
    CHECK_EQ(thrum_runtime_close(other), 0);
    CHECK_EQ(thrum_runtime_close(runtime), 0);
}
