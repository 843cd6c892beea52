/* generator_test.c - the rules of generators: see README.md. */
#include "tests/conformance/conform.h"

/* ---- bodies ---------------------------------------------------------------------------------- */

/* 0, 1, 2, ... below *(int *)arg, with a wait before each. */
static int count(thrum_generator *generator, void *arg)
{
    int status = 0;

    SPAN;
    for (int i = 0; i < *(const int *)arg && !status; i++) {
        status = thrum_yield();
        if (!status)
            status = thrum_generator_yield(generator, &i);
    }
    return status;
}

/* What count hands out, doubled, and with a file to close at the end, which takes a wait. */
static int twice(thrum_generator *generator, void *arg)
{
    thrum_generator source;
    int status, value;

    SPAN;
    CHECK_EQ(thrum_generator_open(&source, count, arg, sizeof value), 0);
    while ((status = thrum_generator_next(&source, &value)) == 1) {
        value *= 2;
        status = thrum_generator_yield(generator, &value);
        if (status)
            break;
    }
    status = thrum_generator_close(&source, status);
    return thrum_yield() ? THRUM_ECANCELED : status;
}

static int fail_after_one(thrum_generator *generator, void *arg)
{
    int status = thrum_generator_yield(generator, arg);

    SPAN;
    return status ? status : thrum_fail(-EIO, "no more than one");
}

/* ---- loops ----------------------------------------------------------------------------------- */

/* Ask until the end, or n times; the sum of what came. */
static int sum(thrum_generator_fn fn, int limit, int n, int *status)
{
    thrum_generator generator;
    int total = 0;
    int value;

    SPAN;
    CHECK_EQ(thrum_generator_open(&generator, fn, &limit, sizeof value), 0);
    *status = 0;
    while (n-- > 0 && (*status = thrum_generator_next(&generator, &value)) == 1)
        total += value;
    *status = thrum_generator_close(&generator, *status == 1 ? 0 : *status);
    return total;
}

RULE(a_loop_goes_to_the_end)
{
    int status;

    EXPECT_EQ(sum(count, 5, 100, &status), 10);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(sum(count, 0, 100, &status), 0);
    EXPECT_EQ(status, 0);
}

/* Class iterators are not closed by a break, and generators only in the end: here at once. */
RULE(a_loop_that_is_left_closes_the_generator_at_once)
{
    int status;

    EXPECT_EQ(sum(twice, 10, 4, &status), 12);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(sum(twice, 10, 0, &status), 0);
    EXPECT_EQ(status, 0);
}

RULE(an_end_stays_an_end)
{
    thrum_generator generator;
    int limit = 1, value = 0;

    SPAN;
    CHECK_EQ(thrum_generator_open(&generator, count, &limit, sizeof value), 0);
    EXPECT_EQ(thrum_generator_next(&generator, &value), 1);
    EXPECT_EQ(thrum_generator_next(&generator, &value), 0);
    EXPECT_EQ(thrum_generator_next(&generator, &value), 0);
    EXPECT_EQ(thrum_generator_close(&generator, 0), 0);
}

RULE(a_failure_is_told_once_and_ends_it)
{
    thrum_generator generator;
    int value = 4;

    SPAN;
    CHECK_EQ(thrum_generator_open(&generator, fail_after_one, &value, sizeof value), 0);
    EXPECT_EQ(thrum_generator_next(&generator, &value), 1);
    EXPECT_EQ(thrum_generator_next(&generator, &value), -EIO);
    EXPECT_EQ(thrum_generator_next(&generator, &value), 0);
    EXPECT_EQ(thrum_generator_close(&generator, -EIO), -EIO);
}

/* ---- closing --------------------------------------------------------------------------------- */

static int never(thrum_generator *generator, void *arg)
{
    (void)generator;
    CHECK(!arg);
    return 0;
}

RULE(a_generator_that_was_never_asked_never_begins)
{
    thrum_generator generator;
    int here;

    SPAN;
    CHECK_EQ(thrum_generator_open(&generator, never, &here, 0), 0);
    EXPECT_EQ(thrum_yield(), 0);
    EXPECT_EQ(thrum_generator_close(&generator, 5), 5);
}

/* A task of its own that the cleanup waits for, and which waits itself. */
static int flush(void *arg)
{
    SPAN;
    CHECK_EQ(thrum_yield(), 0); /* below the shield: whatever is cancelled */
    ++*(int *)arg;
    return 0;
}

static int cleans_up(thrum_generator *generator, void *arg)
{
    int status = thrum_generator_yield(generator, NULL);
    thrum_group group;

    SPAN;
    CHECK_EQ(status, THRUM_ECLOSED);
    open_group(&group);
    CHECK_EQ(spawn_forgotten(&group, flush, arg), 0);
    CHECK_EQ(thrum_yield(), 0);
    return close_group(&group, 0);
}

RULE(cleaning_up_waits_and_is_not_disturbed)
{
    thrum_generator generator;
    int flushed = 0;
    int status;

    SPAN;
    CHECK_EQ(thrum_generator_open(&generator, cleans_up, &flushed, 0), 0);
    status = thrum_generator_next(&generator, NULL);
    EXPECT_EQ(status, 1);
    status = thrum_generator_close(&generator, 0);
    EXPECT_EQ(status, 0);
    CHECK_EQ(flushed, 1); /* come what may: it does not wait before its yield */
}

/* ---- cancels --------------------------------------------------------------------------------- */

static int waits(thrum_generator *generator, void *arg)
{
    int status;

    SPAN;
    (void)generator;
    raise_flag(arg);
    status = rest();
    (void)thrum_yield();
    return status;
}

static int consume(void *arg)
{
    thrum_generator generator;
    int status;

    SPAN;
    CHECK_EQ(thrum_generator_open(&generator, waits, arg, 0), 0);
    status = thrum_generator_next(&generator, NULL);
    return thrum_generator_close(&generator, status);
}

RULE(a_cancel_of_the_consumer_is_told_to_the_body)
{
    thrum_event inside = THRUM_EVENT_INIT;
    thrum_group group;
    thrum_task *consumer;
    struct finish end;

    SPAN;
    open_group(&group);
    consumer = spawn(&group, consume, &inside);
    AWAIT(&inside);
    if (consumer)
        (void)thrum_task_cancel(consumer, 0, NULL);
    end = finish(consumer);
    EXPECT_EQ(end.kind, THRUM_CANCELLED);
    EXPECT_EQ(close_group(&group, 0), 0);
    thrum_event_destroy(&inside);
}

RULE(a_timeout_around_one_value_ends_the_generator)
{
    thrum_event inside = THRUM_EVENT_INIT;
    thrum_generator generator;
    thrum_timeout timeout;
    int status;

    SPAN;
    CHECK_EQ(thrum_generator_open(&generator, waits, &inside, 0), 0);
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_us(50)), 0);
    status = thrum_generator_next(&generator, NULL);
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
    EXPECT_EQ(thrum_generator_next(&generator, NULL), 0);
    EXPECT_EQ(thrum_generator_close(&generator, 0), 0);
    thrum_event_destroy(&inside);
}

/* ---- several tasks --------------------------------------------------------------------------- */

struct shared {
    thrum_generator generator;
    thrum_mutex mutex;
    uint32_t total; /* lock: the mutex */
};

static int ask_in_turn(void *arg)
{
    struct shared *shared = arg;
    int status = 1;

    SPAN;
    while (status == 1) {
        int value = 0;

        status = thrum_mutex_lock(&shared->mutex);
        if (status)
            return status;
        status = thrum_generator_next(&shared->generator, &value);
        shared->total += (uint32_t)value;
        thrum_mutex_unlock(&shared->mutex);
    }
    return status;
}

RULE(tasks_take_turns_at_one_generator)
{
    struct shared shared = {.mutex = THRUM_MUTEX_INIT};
    thrum_group group;
    int limit = 6;

    SPAN;
    CHECK_EQ(thrum_generator_open(&shared.generator, twice, &limit, sizeof limit), 0);
    open_group(&group);
    for (int i = 0; i < 3; i++)
        (void)spawn_forgotten(&group, ask_in_turn, &shared);
    EXPECT_EQ(close_group(&group, 0), 0);
    EXPECT_EQ(shared.total, 30);
    EXPECT_EQ(thrum_generator_close(&shared.generator, 0), 0);
    thrum_mutex_destroy(&shared.mutex);
}
