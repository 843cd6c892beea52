/*
 * ticket_test.c - threads that run no task have tasks run, wait for them and cancel
 * them; a runtime that closes ends them.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "runtime/atomic/verbs.h"
#include "runtime/plat/memory.h"
#include "workers.h"

static const int counts[] = {1, 2, 8};

#define COUNTS (sizeof(counts) / sizeof(counts[0]))

/* Runs the test with runtimes of some sizes. */
static void play(void (*test)(thrum_runtime *runtime))
{
    for (size_t i = 0; i < COUNTS; i++) {
        thrum_runtime *runtime = runtime_with(counts[i]);

        test(runtime);
        CHECK_EQ(thrum_runtime_close(runtime), 0);
    }
}

static thrum_ticket *submit(thrum_runtime *runtime, thrum_fn fn, void *arg)
{
    thrum_ticket *ticket = NULL;

    CHECK_EQ(thrum_submit(runtime, fn, arg, &ticket), 0);
    return ticket;
}

/* Its outcome; gives it back, and the error too. */
static thrum_outcome finish(thrum_ticket *ticket)
{
    thrum_outcome outcome;

    CHECK_EQ(thrum_ticket_wait(ticket, thrum_s(3600), &outcome), 0);
    CHECK(thrum_ticket_ended(ticket, NULL));
    thrum_ticket_unref(ticket);
    thrum_error_free(outcome.error);
    outcome.error = NULL;
    return outcome;
}

static int give(void *arg)
{
    CHECK(thrum_self() != 0);
    return *(const int *)arg;
}

/* Until it is cancelled. */
static int linger(void *arg)
{
    int status;

    if (arg)
        add_release((uint32_t *)arg, 1);
    do
        status = thrum_sleep(thrum_s(3600));
    while (status == 0);
    return status;
}

static void await(const uint32_t *counter, uint32_t n)
{
    while (load_acquire(counter) < n)
        sched_yield();
}

/* ---- results -------------------------------------------------------------------------------- */

static void results(thrum_runtime *runtime)
{
    for (int i = 0; i < 100; i++) {
        int status = i % 3 ? i : -i;
        thrum_outcome outcome = finish(submit(runtime, give, &status));

        CHECK_EQ(outcome.status, status);
        CHECK_EQ(outcome.kind, status < 0 ? THRUM_FAILED : THRUM_OK);
    }
}

TEST(the_result_of_what_was_submitted_comes_back)
{
    play(results);
}

static int fail_inside(void *arg)
{
    int status = -EIO;
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, give, &status, NULL, NULL), 0);
    return thrum_group_close(&group, 0, NULL);
}

static void failures(thrum_runtime *runtime)
{
    thrum_ticket *ticket = submit(runtime, fail_inside, NULL);
    thrum_outcome outcome;

    for (int i = 0; i < 2; i++) { /* as often as it is asked for */
        CHECK_EQ(thrum_ticket_wait(ticket, THRUM_FOREVER, &outcome), 0);
        CHECK_EQ(outcome.kind, THRUM_FAILED);
        CHECK_EQ(outcome.status, THRUM_EGROUP);
        CHECK_EQ(thrum_error_code(thrum_error_child(outcome.error, 0)), -EIO);
        thrum_error_free(outcome.error);
    }
    thrum_ticket_unref(ticket);
    CHECK_EQ(thrum_runtime_unhandled(runtime), 0);
}

TEST(what_was_submitted_and_fails_says_why)
{
    play(failures);
}

static void patience(thrum_runtime *runtime)
{
    thrum_ticket *ticket = submit(runtime, linger, NULL);

    CHECK(!thrum_ticket_ended(ticket, NULL));
    CHECK_EQ(thrum_ticket_wait(ticket, -1, NULL), -EINVAL);
    CHECK_EQ(thrum_ticket_wait(ticket, 0, NULL), THRUM_ETIMEOUT);
    CHECK_EQ(thrum_ticket_wait(ticket, thrum_ms(1), NULL), THRUM_ETIMEOUT);
    CHECK(thrum_ticket_cancel(ticket, 7, "enough"));
    CHECK_EQ(finish(ticket).kind, THRUM_CANCELLED);
}

TEST(a_wait_that_takes_too_long_does_nothing_to_the_task)
{
    play(patience);
}

/* ---- cancels -------------------------------------------------------------------------------- */

struct why {
    uint32_t began; /* atomic */
    thrum_reason reason;
};

static int ask_why(void *arg)
{
    struct why *why = arg;
    int status = linger(&why->began);

    CHECK_EQ(thrum_cancel_reason(&why->reason), 0);
    return status;
}

static void reasons(thrum_runtime *runtime)
{
    struct why why = {.began = 0};
    thrum_ticket *ticket = submit(runtime, ask_why, &why);
    thrum_ticket *other = submit(runtime, linger, NULL);

    await(&why.began, 1);
    CHECK(thrum_ticket_cancel(ticket, 7, "from outside"));
    CHECK_EQ(finish(ticket).status, THRUM_ECANCELED);
    CHECK_EQ(why.reason.code, 7);
    CHECK_STR_EQ(why.reason.text, "from outside");
    CHECK(!thrum_ticket_ended(other, NULL)); /* nobody else was meant */
    CHECK(thrum_ticket_cancel(other, 0, NULL));
    CHECK_EQ(thrum_ticket_wait(other, THRUM_FOREVER, NULL), 0);
    CHECK(!thrum_ticket_cancel(other, 0, NULL)); /* it has ended */
    thrum_ticket_unref(other);
}

TEST(a_cancel_from_outside_has_its_reason_and_reaches_no_other)
{
    play(reasons);
}

struct many {
    thrum_runtime *runtime;
    pthread_t thread;
};

/* Cancels at any moment of a task's life; the ticket may be given back before its end. */
static void *submit_and_cancel(void *arg)
{
    struct many *self = arg;

    for (int i = 0; i < many(4000); i++) {
        int status = i % 5;
        thrum_ticket *ticket = submit(self->runtime, i % 2 ? linger : give, i % 2 ? NULL : &status);
        thrum_ticket *again = thrum_ticket_ref(ticket);

        if (i % 3 == 0)
            CHECK_EQ(thrum_ticket_wait(ticket, 0, NULL) & ~THRUM_ETIMEOUT, 0);
        (void)thrum_ticket_cancel(ticket, 0, NULL);
        thrum_ticket_unref(ticket);
        if (i % 2)
            CHECK_EQ(finish(again).kind, THRUM_CANCELLED);
        else
            CHECK(finish(again).kind != THRUM_FAILED);
    }
    return NULL;
}

static void cancels(thrum_runtime *runtime)
{
    struct many threads[4];

    for (int i = 0; i < 4; i++) {
        threads[i].runtime = runtime;
        CHECK_EQ(pthread_create(&threads[i].thread, NULL, submit_and_cancel, &threads[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_join(threads[i].thread, NULL), 0);
}

TEST(cancels_from_several_threads_meet_every_moment_of_a_task)
{
    play(cancels);
}

/* ---- without a handle ----------------------------------------------------------------------- */

static int count(void *arg)
{
    add_release((uint32_t *)arg, 1);
    return thrum_yield();
}

static void posts(thrum_runtime *runtime)
{
    uint32_t ran = 0;

    for (int i = 0; i < many(2000); i++)
        CHECK_EQ(thrum_post(runtime, count, &ran), 0);
    await(&ran, (uint32_t)many(2000));
}

TEST(what_is_posted_runs)
{
    play(posts);
}

static struct {
    uint32_t errors; /* atomic */
    int code;
} heard;

static void hear(const thrum_error *error, void *context)
{
    (void)context;
    heard.code = thrum_error_code(error);
    add_release(&heard.errors, 1);
}

TEST(a_failure_that_nobody_can_look_at_is_reported)
{
    for (size_t i = 0; i < COUNTS; i++) {
        thrum_options options = THRUM_OPTIONS_INIT;
        thrum_runtime *runtime;
        int status = -EIO;

        heard.errors = 0;
        options.workers = counts[i];
        options.unhandled = hear;
        CHECK_EQ(thrum_runtime_create(&runtime, &options), 0);
        CHECK_EQ(thrum_post(runtime, give, &status), 0);
        await(&heard.errors, 1);
        CHECK_EQ(heard.code, -EIO);
        CHECK_EQ(thrum_runtime_unhandled(runtime), 1);
        CHECK_EQ(thrum_runtime_close(runtime), 0);
    }
}

/* ---- from tasks ----------------------------------------------------------------------------- */

struct two {
    thrum_runtime *here, *there;
    uint32_t ran; /* atomic */
};

static int submit_from_inside(void *arg)
{
    struct two *two = arg;
    thrum_ticket *ticket = NULL;

    CHECK_EQ(thrum_submit(two->there, count, &two->ran, &ticket), 0);
    CHECK_EQ(thrum_post(two->here, count, &two->ran), 0);
    CHECK_EQ(thrum_ticket_wait(ticket, 0, NULL), THRUM_ENESTED);
    while (!thrum_ticket_ended(ticket, NULL) || load_acquire(&two->ran) < 2)
        CHECK_EQ(thrum_yield(), 0);
    thrum_ticket_unref(ticket);
    return 0;
}

static void from_tasks(thrum_runtime *runtime)
{
    struct two two = {runtime, runtime_with(2), 0};

    CHECK_EQ(thrum_runtime_run(runtime, submit_from_inside, &two, NULL), 0);
    CHECK_EQ(thrum_runtime_close(two.there), 0);
}

TEST(tasks_submit_too_to_any_runtime)
{
    play(from_tasks);
}

/* ---- closing -------------------------------------------------------------------------------- */

/* In its cleanup it wants to start more. */
static int stubborn(void *arg)
{
    uint32_t *began = arg;
    int status = linger(began);
    thrum_ticket *ticket = NULL;

    CHECK_EQ(thrum_post(thrum_runtime_self(), count, began), THRUM_ESHUTDOWN);
    CHECK_EQ(thrum_submit(thrum_runtime_self(), count, began, &ticket), THRUM_ESHUTDOWN);
    CHECK(ticket == NULL);
    return status;
}

TEST(close_cancels_and_waits_and_tickets_outlive_it)
{
    for (size_t i = 0; i < COUNTS; i++) {
        thrum_runtime *runtime = runtime_with(counts[i]);
        thrum_ticket *tickets[20];
        uint32_t began = 0;

        for (int j = 0; j < 20; j++) {
            tickets[j] = submit(runtime, stubborn, &began);
            CHECK_EQ(thrum_post(runtime, linger, NULL), 0);
        }
        await(&began, 20);
        CHECK_EQ(thrum_runtime_close(runtime), 0);
        CHECK_EQ(began, 20);
        for (int j = 0; j < 20; j++) {
            CHECK(!thrum_ticket_cancel(tickets[j], 0, NULL));
            CHECK_EQ(finish(tickets[j]).kind, THRUM_CANCELLED);
        }
    }
}

static void *cancel_late(void *arg)
{
    thrum_ticket *ticket = arg;

    while (thrum_ticket_cancel(ticket, 0, NULL))
        continue;
    thrum_ticket_unref(ticket);
    return NULL;
}

/* Whoever cancels keeps the runtime, or does not touch it. */
TEST(cancels_and_close_race)
{
    for (int i = 0; i < many(600); i++) {
        thrum_runtime *runtime = runtime_with(1 + i % 2);
        thrum_ticket *ticket = submit(runtime, linger, NULL);
        pthread_t thread;

        CHECK_EQ(pthread_create(&thread, NULL, cancel_late, thrum_ticket_ref(ticket)), 0);
        CHECK_EQ(thrum_runtime_close(runtime), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        CHECK_EQ(finish(ticket).kind, THRUM_CANCELLED);
    }
}

static int forever(void *arg)
{
    return thrum_event_wait(arg);
}

/* One that waits for ever is as stuck as any run. */
TEST(what_was_submitted_can_deadlock)
{
    thrum_event never = THRUM_EVENT_INIT;

    for (size_t i = 0; i < COUNTS; i++) {
        thrum_runtime *runtime = runtime_with(counts[i]);
        thrum_outcome outcome = finish(submit(runtime, forever, &never));

        CHECK_EQ(outcome.kind, THRUM_FAILED);
        CHECK_EQ(outcome.status, THRUM_EDEADLOCK);
        CHECK_EQ(thrum_runtime_close(runtime), 0);
    }
}

static void without_memory(thrum_runtime *runtime)
{
    thrum_ticket *ticket = NULL;
    int zero = 0;

    for (int n = 0; n < 2; n++) {
        int status;

        thrum_memory_fail_after(n);
        status = thrum_submit(runtime, give, &zero, &ticket);
        thrum_memory_fail_after(-1);
        CHECK(status == 0 || status == -ENOMEM);
        if (status)
            CHECK(ticket == NULL);
        else
            CHECK_EQ(finish(ticket).status, 0);
    }
}

TEST(without_memory_nothing_is_submitted)
{
    play(without_memory);
}

/* ---- block_on ------------------------------------------------------------------------------- */

static int nap(void *arg)
{
    (void)arg;
    return thrum_sleep(thrum_ms(1));
}

/* Its cleanup takes its time. */
static int clean_up(void *arg)
{
    int status = linger(NULL);

    CHECK_EQ(thrum_sleep(thrum_ms(2)), 0);
    add_release((uint32_t *)arg, 1);
    return status;
}

static int swallow(void *arg)
{
    (void)linger(NULL);
    return *(const int *)arg;
}

static void block(thrum_runtime *runtime)
{
    thrum_error *errors = NULL;
    uint32_t cleaned = 0;
    int five = 5, failed = -EIO;

    CHECK_EQ(thrum_block_on(runtime, give, &five, THRUM_FOREVER, &errors), 5);
    CHECK(errors == NULL);
    CHECK_EQ(thrum_block_on(runtime, nap, NULL, thrum_s(3600), NULL), 0);
    CHECK_EQ(thrum_block_on(runtime, give, &failed, thrum_s(3600), &errors), -EIO);
    CHECK_EQ(thrum_error_code(errors), -EIO);
    thrum_error_free(errors);
    CHECK_EQ(thrum_block_on(runtime, clean_up, &cleaned, thrum_ms(1), NULL), THRUM_ETIMEOUT);
    CHECK_EQ(cleaned, 1); /* it was waited for */
    CHECK_EQ(thrum_block_on(runtime, swallow, &five, thrum_ms(1), NULL), 5);
    CHECK_EQ(thrum_block_on(runtime, swallow, &failed, thrum_ms(1), NULL), -EIO);
    CHECK_EQ(thrum_block_on(runtime, clean_up, &cleaned, 0, NULL), THRUM_ETIMEOUT);
    CHECK_EQ(thrum_block_on(runtime, clean_up, &cleaned, -1, NULL), -EINVAL);
    CHECK_EQ(cleaned, 1);
}

TEST(block_on_returns_what_its_function_does_or_cancels_it_and_waits)
{
    play(block);
}

static int block_inside(void *arg)
{
    CHECK_EQ(thrum_block_on(arg, nap, NULL, THRUM_FOREVER, NULL), THRUM_ENESTED);
    return 0;
}

static void nested(thrum_runtime *runtime)
{
    CHECK_EQ(thrum_runtime_run(runtime, block_inside, runtime, NULL), 0);
}

TEST(block_on_is_not_for_tasks)
{
    play(nested);
}
