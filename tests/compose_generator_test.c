/*
 * compose_generator_test.c - generators: what they hand out, whose they are,
 * how they end, and the stacks that they run on.
 */
#include <errno.h>
#include <string.h>

#include <thrum/thrum.h>

#include "runtime/plat/stack.h"
#include "runtime/sched/coroutine.h"
#include "tests/racing.h"
#include "tests/workers.h"

/* ---- values ---------------------------------------------------------------------------------- */

struct counter {
    int from, to;
    int status;         /* what the body returns */
    int begun;          /* how often it has begun, */
    int ended;          /* and ended */
    int said;           /* what the last yield has returned */
    int (*pause)(void); /* before each value; NULL: nothing */
};

static int count(thrum_generator *generator, void *arg)
{
    struct counter *counter = arg;

    counter->begun++;
    for (int i = counter->from; i < counter->to && !counter->said; i++) {
        if (counter->pause)
            counter->said = counter->pause();
        if (!counter->said)
            counter->said = thrum_generator_yield(generator, &i);
    }
    counter->ended++;
    return counter->said && counter->said != THRUM_ECLOSED ? counter->said : counter->status;
}

static int yields(void)
{
    return thrum_yield();
}

static int sleeps(void)
{
    return thrum_sleep(1000);
}

static void count_up(struct counter counter)
{
    thrum_generator generator;
    int value = -1;

    CHECK_EQ(thrum_generator_open(&generator, count, &counter, sizeof value), 0);
    CHECK_EQ(counter.begun, 0);
    for (int i = counter.from; i < counter.to; i++) {
        CHECK_EQ(thrum_generator_next(&generator, &value), 1);
        CHECK_EQ(value, i);
    }
    CHECK_EQ(thrum_generator_next(&generator, &value), counter.status);
    CHECK_EQ(thrum_generator_next(&generator, &value), 0); /* an error is told once */
    CHECK_EQ(thrum_generator_next(&generator, &value), 0);
    CHECK_EQ(value, counter.to > counter.from ? counter.to - 1 : -1);
    CHECK_EQ(thrum_generator_close(&generator, 7), 7);
    CHECK_EQ(counter.begun, 1);
    CHECK_EQ(counter.ended, 1);
}

static int hands_out(void *arg)
{
    (void)arg;
    count_up((struct counter){.from = 3, .to = 8});
    count_up((struct counter){.from = 3, .to = 3});
    count_up((struct counter){.from = 0, .to = 5, .status = -EIO});
    count_up((struct counter){.from = 0, .to = 100, .pause = yields});
    count_up((struct counter){.from = 0, .to = 10, .pause = sleeps});
    return 0;
}

TEST(values_come_in_order_and_then_the_end_for_ever)
{
    run_everywhere(hands_out, NULL);
}

static int nothing_at_all(thrum_generator *generator, void *arg)
{
    (void)arg;
    return thrum_generator_yield(generator, NULL) ? 0 : 5; /* more than 0 is an end, too */
}

static int without_bytes(void *arg)
{
    thrum_generator generator;

    (void)arg;
    CHECK_EQ(thrum_generator_open(&generator, nothing_at_all, NULL, 0), 0);
    CHECK_EQ(thrum_generator_next(&generator, NULL), 1);
    CHECK_EQ(thrum_generator_next(&generator, NULL), 0);
    return thrum_generator_close(&generator, 0);
}

TEST(a_value_may_have_no_bytes)
{
    run_everywhere(without_bytes, NULL);
}

/* ---- part of the consumer's task ------------------------------------------------------------- */

static const thrum_local local = THRUM_LOCAL_INIT(NULL, NULL);

static int look_around(thrum_generator *generator, void *arg)
{
    static int inner;
    uint64_t self = thrum_self();
    int status;

    CHECK(thrum_local_get(&local) == arg);
    if (thrum_local_set(&local, &inner))
        return -ENOMEM;
    status = thrum_generator_yield(generator, &self);
    CHECK_EQ(thrum_self(), self);
    CHECK(thrum_local_get(&local) == &inner);
    return status ? status : thrum_generator_yield(generator, &self);
}

static int is_the_same(void *arg)
{
    thrum_generator generator;
    uint64_t self = 0;
    int outer;

    (void)arg;
    CHECK_EQ(thrum_local_set(&local, &outer), 0);
    CHECK_EQ(thrum_generator_open(&generator, look_around, &outer, sizeof self), 0);
    CHECK_EQ(thrum_generator_next(&generator, &self), 1);
    CHECK_EQ(self, thrum_self());
    CHECK(thrum_local_get(&local) != &outer);
    CHECK_EQ(thrum_generator_next(&generator, &self), 1);
    CHECK_EQ(self, thrum_self());
    return thrum_generator_close(&generator, 0);
}

TEST(the_body_has_its_consumer_s_identity_and_locals)
{
    run_everywhere(is_the_same, NULL);
}

static int sets_twice(thrum_generator *generator, void *arg)
{
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(thrum_local_set(&local, arg), 0);
        if (thrum_generator_yield(generator, NULL))
            break;
    }
    return 0;
}

/* What holds the values is made inside. */
static int sets_inside(void *arg)
{
    thrum_generator generator;
    thrum_scope scope;
    int value;

    (void)arg;
    CHECK_EQ(thrum_generator_open(&generator, sets_twice, &value, 0), 0);
    CHECK_EQ(thrum_generator_next(&generator, NULL), 1);
    CHECK(thrum_local_get(&local) == &value);
    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    CHECK_EQ(thrum_generator_next(&generator, NULL), 1);
    CHECK_EQ(thrum_scope_end(&scope, 0), 0);
    CHECK(thrum_local_get(&local) == &value);
    return thrum_generator_close(&generator, 0);
}

TEST(a_local_that_a_body_sets_stays_set)
{
    run_everywhere(sets_inside, NULL);
}

/* The chain gets its record inside: outside of everything, also of the group that is open. */
static int records_inside(thrum_generator *generator, void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        (void)thrum_fail(-EIO, "value %d", i);
        if (thrum_generator_yield(generator, &i))
            return 0;
    }
    return thrum_fail(-EIO, "the body is at its end");
}

static int ask_for_all(void *arg)
{
    int value, status;

    while ((status = thrum_generator_next(arg, &value)) == 1)
        continue;
    return status;
}

static int text_travels(void *arg)
{
    thrum_generator generator;
    thrum_error *errors = NULL;
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_generator_open(&generator, records_inside, NULL, sizeof(int)), 0);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, ask_for_all, &generator, NULL, NULL), 0);
    CHECK_EQ(thrum_group_close(&group, 0, &errors), THRUM_EGROUP);
    CHECK_EQ(thrum_error_count(errors), 1);
    CHECK_STR_EQ(thrum_error_message(thrum_error_child(errors, 0)), "the body is at its end");
    thrum_error_free(errors);
    return thrum_generator_close(&generator, 0);
}

TEST(what_the_body_says_of_its_failure_is_the_consumer_s)
{
    run_everywhere(text_travels, NULL);
}

/* Each node of a tree is a generator that hands on what those below it hand out. */
struct node {
    int depth;
    int name;
};

static int walk(thrum_generator *generator, void *arg)
{
    const struct node *at = arg;
    int status = thrum_generator_yield(generator, &at->name);

    for (int side = 0; side < 2 && !status && at->depth > 0; side++) {
        struct node below = {at->depth - 1, 2 * at->name + side};
        thrum_generator inner;
        int name;

        CHECK_EQ(thrum_generator_open(&inner, walk, &below, sizeof name), 0);
        while ((status = thrum_generator_next(&inner, &name)) == 1) {
            status = thrum_generator_yield(generator, &name);
            if (status)
                break;
        }
        status = thrum_generator_close(&inner, status);
    }
    return status;
}

static int walks(void *arg)
{
    struct node root = {7, 1};
    thrum_generator generator;
    int last = 0;
    int n = 0;
    int name;

    (void)arg;
    CHECK_EQ(thrum_generator_open(&generator, walk, &root, sizeof name), 0);
    while (thrum_generator_next(&generator, &name) == 1) {
        CHECK(name == 2 * last || n < 255); /* depth first */
        last = name;
        n++;
    }
    CHECK_EQ(n, 255);
    CHECK_EQ(thrum_generator_close(&generator, 0), 0);
    CHECK_EQ(thrum_generator_open(&generator, walk, &root, sizeof name), 0);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(thrum_generator_next(&generator, &name), 1);
    return thrum_generator_close(&generator, 0); /* six of them or so are left at a yield */
}

TEST(generators_hand_on_what_others_hand_out)
{
    run_everywhere(walks, NULL);
}

/* A body that is given what its consumer has opened, and closes it. */
static int consumes_and_closes(thrum_generator *generator, void *arg)
{
    thrum_iter *source = arg;
    int status, value;

    while ((status = thrum_iter_next(source, &value)) == 1) {
        status = thrum_generator_yield(generator, &value);
        if (status)
            break;
    }
    return thrum_iter_close(source, status);
}

static int gives_away(void *arg)
{
    (void)arg;
    for (int n = 1; n < 6; n++) {
        struct counter counter = {.to = 3, .pause = yields};
        thrum_generator source, generator;
        int value;

        CHECK_EQ(thrum_generator_open(&source, count, &counter, sizeof value), 0);
        CHECK_EQ(thrum_generator_open(&generator, consumes_and_closes, &source.iter, sizeof value),
                 0);
        for (int i = 0; i < n; i++)
            CHECK_EQ(thrum_generator_next(&generator, &value), i < 3);
        CHECK_EQ(thrum_generator_close(&generator, 0), 0);
        CHECK_EQ(counter.ended, 1);
    }
    return 0;
}

TEST(a_body_may_close_what_its_task_has_opened)
{
    run_everywhere(gives_away, NULL);
}

/* ---- closing --------------------------------------------------------------------------------- */

static int ask(thrum_generator *generator, int n)
{
    int value;

    for (int i = 0; i < n; i++)
        CHECK_EQ(thrum_generator_next(generator, &value), 1);
    return 0;
}

static int closes_early(void *arg)
{
    struct counter never = {.to = 10}, half = {.to = 10, .pause = yields}, again = {.to = 1};
    thrum_generator generator;

    (void)arg;
    CHECK_EQ(thrum_generator_open(&generator, count, &never, sizeof(int)), 0);
    CHECK_EQ(thrum_generator_close(&generator, 0), 0);
    CHECK_EQ(never.begun, 0);

    CHECK_EQ(thrum_generator_open(&generator, count, &half, sizeof(int)), 0);
    CHECK_EQ(ask(&generator, 4), 0);
    CHECK_EQ(half.ended, 0);
    CHECK_EQ(thrum_generator_close(&generator, 3), 3);
    CHECK_EQ(half.said, THRUM_ECLOSED);
    CHECK_EQ(half.ended, 1);

    CHECK_EQ(thrum_generator_open(&generator, count, &again, sizeof(int)), 0);
    CHECK_EQ(ask(&generator, 1), 0); /* all that there is, but the body does not know */
    CHECK_EQ(thrum_generator_close(&generator, 0), 0);
    CHECK_EQ(again.ended, 1);
    return 0;
}

TEST(close_ends_the_body_before_it_returns)
{
    run_everywhere(closes_early, NULL);
}

/* What the body says at its end. */
static int say(thrum_generator *generator, void *arg)
{
    int status = thrum_generator_yield(generator, NULL);

    CHECK_EQ(status, THRUM_ECLOSED);
    status = *(const int *)arg;
    return status >= 0 || status == THRUM_ECLOSED ? status : thrum_fail(status, "the body");
}

static int close_saying(int status, int body)
{
    thrum_generator generator;

    CHECK_EQ(thrum_generator_open(&generator, say, &body, 0), 0);
    CHECK_EQ(thrum_generator_next(&generator, NULL), 1);
    if (status < 0)
        (void)thrum_fail(status, "the caller");
    return thrum_generator_close(&generator, status);
}

static int merges(void *arg)
{
    thrum_error *error;

    (void)arg;
    CHECK_EQ(close_saying(0, 0), 0);
    CHECK_EQ(close_saying(9, 0), 9);
    CHECK_EQ(close_saying(9, 4), 9);
    CHECK_EQ(close_saying(0, THRUM_ECLOSED), 0);
    CHECK_EQ(close_saying(0, THRUM_ECANCELED), THRUM_ECANCELED);
    CHECK_EQ(close_saying(THRUM_ECANCELED, 0), THRUM_ECANCELED);
    CHECK_EQ(close_saying(THRUM_ECANCELED, THRUM_ECANCELED), THRUM_ECANCELED);
    CHECK_EQ(close_saying(THRUM_ECLOSED, 0), THRUM_ECLOSED);
    CHECK_EQ(close_saying(THRUM_ECLOSED, -EPERM), -EPERM);

    CHECK_EQ(close_saying(0, -EIO), -EIO);
    CHECK_EQ(close_saying(THRUM_ECANCELED, -EIO), -EIO);
    error = thrum_fail_take(-EIO);
    CHECK_STR_EQ(thrum_error_message(error), "the body");
    thrum_error_free(error);
    error = thrum_fail_take(-EIO);
    CHECK_EQ(thrum_error_code(error), -EIO); /* nothing was left to be said */
    CHECK_STR_EQ(thrum_error_message(error), "");
    thrum_error_free(error);

    CHECK_EQ(close_saying(-ENOENT, 0), -ENOENT);
    CHECK_EQ(close_saying(-ENOENT, THRUM_ECLOSED), -ENOENT);
    CHECK_EQ(close_saying(-ENOENT, THRUM_ECANCELED), -ENOENT);
    error = thrum_fail_take(-ENOENT);
    CHECK_STR_EQ(thrum_error_message(error), "the caller");
    thrum_error_free(error);

    CHECK_EQ(close_saying(-ENOENT, -EIO), THRUM_EGROUP);
    error = thrum_fail_take(THRUM_EGROUP);
    CHECK_EQ(thrum_error_count(error), 2);
    CHECK_EQ(thrum_error_code(thrum_error_child(error, 0)), -ENOENT);
    CHECK_STR_EQ(thrum_error_message(thrum_error_child(error, 0)), "the caller");
    CHECK_EQ(thrum_error_code(thrum_error_child(error, 1)), -EIO);
    CHECK_STR_EQ(thrum_error_message(thrum_error_child(error, 1)), "the body");
    thrum_error_free(error);
    return 0;
}

TEST(what_close_makes_of_both_statuses)
{
    run_everywhere(merges, NULL);
}

/* ---- cancels --------------------------------------------------------------------------------- */

static int waits_for_ever(thrum_generator *generator, void *arg)
{
    int *cleaned = arg;
    int status = thrum_generator_yield(generator, NULL);

    if (!status)
        status = thrum_sleep(THRUM_FOREVER);
    if (status == THRUM_ECANCELED)
        CHECK_EQ(thrum_yield(), 0); /* told once: cleaning up may wait */
    ++*cleaned;
    return status;
}

static int times_out(void *arg)
{
    thrum_generator generator;
    thrum_timeout timeout;
    int cleaned = 0;
    int status;

    (void)arg;
    CHECK_EQ(thrum_generator_open(&generator, waits_for_ever, &cleaned, 0), 0);
    CHECK_EQ(thrum_generator_next(&generator, NULL), 1);
    CHECK_EQ(thrum_timeout_begin(&timeout, 1000), 0); /* around one value */
    status = thrum_generator_next(&generator, NULL);
    CHECK_EQ(status, THRUM_ECANCELED);
    CHECK_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
    CHECK_EQ(cleaned, 1);
    CHECK_EQ(thrum_generator_next(&generator, NULL), 0); /* it is over */
    return thrum_generator_close(&generator, 0);
}

TEST(a_cancel_that_a_body_is_told_of_ends_it)
{
    run_everywhere(times_out, NULL);
}

static int cleans_up_slowly(thrum_generator *generator, void *arg)
{
    int *cleaned = arg;
    int status = thrum_generator_yield(generator, NULL);

    CHECK_EQ(status, THRUM_ECLOSED);
    for (int i = 0; i < 40; i++)
        CHECK_EQ(thrum_yield(), 0);
    CHECK_EQ(thrum_sleep(1000), 0);
    ++*cleaned;
    return 0;
}

/* Cancelled before, with the cancel heard or not, in both styles. */
static int is_shielded(void *arg)
{
    (void)arg;
    for (unsigned bits = 0; bits < 4; bits++) {
        bool level = bits & 1, heard = bits & 2;
        thrum_generator generator;
        thrum_scope scope;
        int cleaned = 0;
        int status = 0;

        CHECK_EQ(thrum_scope_begin(&scope, level ? THRUM_LEVEL : 0), 0);
        CHECK_EQ(thrum_generator_open(&generator, cleans_up_slowly, &cleaned, 0), 0);
        CHECK_EQ(thrum_generator_next(&generator, NULL), 1);
        thrum_scope_cancel(&scope, 0, NULL);
        if (heard)
            status = thrum_yield();
        CHECK_EQ(status, heard ? THRUM_ECANCELED : 0);
        CHECK_EQ(thrum_generator_close(&generator, status), THRUM_ECANCELED);
        CHECK_EQ(cleaned, 1);
        CHECK_EQ(thrum_yield(), level ? THRUM_ECANCELED : 0);
        CHECK_EQ(thrum_scope_end(&scope, THRUM_ECANCELED), 0);
    }
    return 0;
}

TEST(cleaning_up_is_shielded_from_cancels_of_both_styles)
{
    run_everywhere(is_shielded, NULL);
}

static int cancels_itself(thrum_generator *generator, void *arg)
{
    thrum_scope_cancel((thrum_scope *)arg, 0, NULL);
    CHECK_EQ(thrum_generator_yield(generator, NULL), 0);
    CHECK_EQ(thrum_generator_yield(generator, NULL), 0);
    return thrum_checkpoint();
}

static int does_not_hear_at_yields(void *arg)
{
    thrum_generator generator;
    thrum_scope scope;

    (void)arg;
    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    CHECK_EQ(thrum_generator_open(&generator, cancels_itself, &scope, 0), 0);
    CHECK_EQ(thrum_generator_next(&generator, NULL), 1);
    CHECK(thrum_cancel_pending());
    CHECK_EQ(thrum_generator_next(&generator, NULL), 1);
    CHECK_EQ(thrum_generator_next(&generator, NULL), THRUM_ECANCELED);
    CHECK(!thrum_cancel_pending()); /* it was told inside, and is the same task */
    CHECK_EQ(thrum_generator_close(&generator, THRUM_ECANCELED), THRUM_ECANCELED);
    return thrum_scope_end(&scope, THRUM_ECANCELED);
}

TEST(yields_deliver_no_cancel)
{
    run_everywhere(does_not_hear_at_yields, NULL);
}

static int note_start(void *arg)
{
    ++*(int *)arg;
    return 0;
}

/* Children of a group of the body's, which is below the cancelled scope. */
static int spawns_in_vain(thrum_generator *generator, void *arg)
{
    int status = 0;

    while (!status) {
        thrum_child child;
        thrum_group group;

        CHECK_EQ(thrum_group_open(&group, NULL), 0);
        CHECK_EQ(thrum_group_spawn_child(&group, &child, note_start, arg), 0);
        status = thrum_group_close(&group, 0, NULL);
        CHECK_EQ(status, THRUM_ECANCELED);
        status = thrum_generator_yield(generator, NULL);
    }
    return status;
}

static int starts_nothing(void *arg)
{
    thrum_generator generator;
    int started = 0;

    (void)arg;
    for (int i = 0; i < 3; i++) {
        thrum_scope scope;
        thrum_child child;
        thrum_group group;
        int status;

        CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
        CHECK_EQ(thrum_generator_open(&generator, spawns_in_vain, &started, 0), 0);
        CHECK_EQ(thrum_group_open(&group, NULL), 0);
        thrum_scope_cancel(&scope, 0, NULL);
        if (i > 0) { /* we are told to look before inline starts: here, or only in the body */
            status = thrum_group_spawn_child(&group, &child, note_start, &started);
            CHECK(status == 0 || status == THRUM_ESHUTDOWN);
        }
        CHECK_EQ(thrum_generator_next(&generator, NULL), 1);
        CHECK_EQ(started, 0);
        status = thrum_group_close(&group, 0, NULL);
        CHECK_EQ(started, 0);
        CHECK_EQ(thrum_generator_close(&generator, status), status);
        CHECK_EQ(thrum_scope_end(&scope, THRUM_ECANCELED), 0);
    }
    return 0;
}

TEST(below_a_cancelled_scope_a_body_starts_nothing)
{
    run_everywhere(starts_nothing, NULL);
}

/* Two generators, one over the other, that count what they begin and what they end. */
struct balance {
    uint32_t begun; /* atomic */
    uint32_t ended; /* atomic */
};

static int pauses(thrum_generator *generator, void *arg)
{
    struct balance *balance = arg;
    int status = 0;

    add_relaxed(&balance->begun, 1); /* relaxed: a counter */
    while (!status) {
        status = thrum_yield();
        if (!status)
            status = thrum_generator_yield(generator, NULL);
    }
    if (status == THRUM_ECLOSED)
        CHECK_EQ(thrum_yield(), 0);  /* nobody disturbs it */
    add_relaxed(&balance->ended, 1); /* relaxed: a counter */
    return status;
}

static int hands_on(thrum_generator *generator, void *arg)
{
    struct balance *balance = arg;
    thrum_generator source;
    int status;

    add_relaxed(&balance->begun, 1); /* relaxed: a counter */
    CHECK_EQ(thrum_generator_open(&source, pauses, arg, 0), 0);
    while ((status = thrum_generator_next(&source, NULL)) == 1) {
        status = thrum_generator_yield(generator, NULL);
        if (status)
            break;
    }
    status = thrum_generator_close(&source, status);
    add_relaxed(&balance->ended, 1); /* relaxed: a counter */
    return status;
}

static int consumes(void *arg)
{
    thrum_generator generator;
    int status;

    CHECK_EQ(thrum_generator_open(&generator, hands_on, arg, 0), 0);
    for (int i = 0; (status = thrum_generator_next(&generator, NULL)) == 1 && i < 20; i++)
        continue;
    return thrum_generator_close(&generator, status);
}

static int cancel_at_random(void *arg)
{
    uint64_t random = 0x9E3779B97F4A7C15;
    struct balance balance = {0, 0};

    (void)arg;
    for (int round = 0; round < many(2000); round++) {
        thrum_task *tasks[4];
        thrum_group group;

        CHECK_EQ(thrum_group_open(&group, collecting()), 0);
        for (int i = 0; i < 4; i++)
            CHECK_EQ(thrum_group_spawn(&group, consumes, &balance, NULL, &tasks[i]), 0);
        for (int i = 0; i < 4; i++) {
            uint64_t bits = random_next(&random);

            for (uint64_t k = 0; k < bits % 13; k++)
                thrum_yield();
            if (bits & 256)
                thrum_task_cancel(tasks[i], 0, NULL);
        }
        CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
        for (int i = 0; i < 4; i++)
            thrum_task_unref(tasks[i]);
        CHECK_EQ(balance.begun, balance.ended);
    }
    return 0;
}

TEST(whatever_is_cancelled_when_each_body_ends_once)
{
    run_everywhere(cancel_at_random, NULL);
}

/* ---- tasks and stacks ------------------------------------------------------------------------ */

/* A join in each other's join: n deep, inline where the stack suffices. */
static int join_deep(void *arg)
{
    int left = *(const int *)arg;
    int next = left - 1;
    thrum_child child;
    thrum_group group;

    if (left == 0)
        return 0;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_child(&group, &child, join_deep, &next), 0);
    return thrum_group_close(&group, 0, NULL);
}

static int joins_deep(thrum_generator *generator, void *arg)
{
    int depth = many(20000);
    int status = 0;

    (void)arg;
    while (!status) {
        CHECK_EQ(join_deep(&depth), 0);
        status = thrum_generator_yield(generator, &depth);
    }
    return status;
}

static int spawns_inside(void *arg)
{
    int depth = many(20000);
    thrum_generator generator;

    CHECK_EQ(thrum_generator_open(&generator, joins_deep, NULL, sizeof(int)), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(ask(&generator, 1), 0);
        CHECK_EQ(join_deep(&depth), 0);
    }
    (void)arg;
    return thrum_generator_close(&generator, 0);
}

TEST(a_body_runs_tasks_as_far_as_its_own_stack_suffices)
{
    run_everywhere(spawns_inside, NULL);
}

static int where(void *arg)
{
    *(uintptr_t *)arg = thrum_stack_pointer();
    return 0;
}

/*
 * With one worker a child runs on the stack of the body that joins it; unless the machine had no
 * time for the worker, so that the clock asks it to give way at its next join. Some do.
 */
enum { JOINS = 100 };

static int spawns_one(thrum_generator *generator, void *arg)
{
    uintptr_t at = 0, here = thrum_stack_pointer();
    thrum_child child;
    thrum_group group;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_child(&group, &child, where, &at), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    *(int *)arg += at < here && here - at < 4096;
    return thrum_generator_yield(generator, NULL) ? 0 : -EIO;
}

static int inline_inside(void *arg)
{
    thrum_generator generator;
    int inside = 0;

    (void)arg;
    for (int i = 0; i < JOINS; i++) {
        CHECK_EQ(thrum_generator_open(&generator, spawns_one, &inside, 0), 0);
        CHECK_EQ(thrum_generator_next(&generator, NULL), 1);
        CHECK_EQ(thrum_generator_close(&generator, 0), 0);
    }
    CHECK_LT(0, inside);
    return 0;
}

TEST(children_run_inline_on_a_generator_s_stack)
{
    if (getenv("THRUM_SIM") != NULL)
        SKIP("the simulated world decides what runs inline");
    CHECK_EQ(run_with(1, inline_inside, NULL), 0);
}

static int sum_up(void *arg)
{
    struct counter counter = {.to = 50, .pause = yields};
    thrum_generator generator;
    int sum = 0;
    int value;

    (void)arg;
    CHECK_EQ(thrum_generator_open(&generator, count, &counter, sizeof value), 0);
    while (thrum_generator_next(&generator, &value) == 1) {
        sum += value;
        CHECK_EQ(thrum_yield(), 0);
    }
    CHECK_EQ(sum, 1225);
    return thrum_generator_close(&generator, 0);
}

static int many_at_once(void *arg)
{
    (void)arg;
    crowd(many(1000), sum_up, NULL);
    return 0;
}

TEST(thousands_of_generators_move_between_workers)
{
    run_everywhere(many_at_once, NULL);
}

/* One generator, asked by many tasks in turn: its body goes on in each. */
struct shared {
    thrum_generator generator;
    thrum_mutex mutex;
    uint64_t sum;
};

static int ask_in_turn(void *arg)
{
    struct shared *shared = arg;
    int status = 1;

    while (status == 1) {
        int value = 0;

        CHECK_EQ(thrum_mutex_lock(&shared->mutex), 0);
        status = thrum_generator_next(&shared->generator, &value);
        shared->sum += (uint64_t)value;
        thrum_mutex_unlock(&shared->mutex);
    }
    return status;
}

static int shares(void *arg)
{
    struct counter counter = {.to = 500, .pause = yields};
    struct shared shared = {.mutex = THRUM_MUTEX_INIT};

    (void)arg;
    CHECK_EQ(thrum_generator_open(&shared.generator, count, &counter, sizeof(int)), 0);
    crowd(8, ask_in_turn, &shared);
    CHECK_EQ(shared.sum, 124750);
    thrum_mutex_destroy(&shared.mutex);
    return thrum_generator_close(&shared.generator, 0);
}

TEST(tasks_may_ask_one_generator_in_turn)
{
    run_everywhere(shares, NULL);
}

static int coroutines_here(void)
{
    const struct coroutine *coroutine = worker_here()->source.coroutines;
    int n = 0;

    for (; coroutine; coroutine = coroutine->older)
        n++;
    return n;
}

static int recycles(void *arg)
{
    thrum_generator two[2];
    struct counter counters[2] = {{.to = 9}, {.to = 9}};

    (void)arg;
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 2; i++)
            CHECK_EQ(thrum_generator_open(&two[i], count, &counters[i], sizeof(int)), 0);
        CHECK_EQ(ask(&two[0], 1), 0);
        CHECK_EQ(ask(&two[1], 1), 0);
        for (int i = 0; i < 2; i++) /* in any order */
            CHECK_EQ(thrum_generator_close(&two[i], 0), 0);
        counters[0].said = counters[1].said = 0;
    }
    CHECK_EQ(coroutines_here(), 2);
    return 0;
}

TEST(stacks_are_recycled)
{
    CHECK_EQ(run_with(1, recycles, NULL), 0);
}

static int allocates_nothing(void *arg)
{
    struct counter counter = {.to = 5};
    thrum_generator generator;

    (void)arg;
    CHECK_EQ(sum_up(NULL), 0);
    no_allocation_begin();
    CHECK_EQ(thrum_generator_open(&generator, count, &counter, sizeof(int)), 0);
    CHECK_EQ(ask(&generator, 3), 0);
    CHECK_EQ(thrum_generator_close(&generator, 0), 0);
    no_allocation_end();
    return 0;
}

TEST(with_a_recycled_stack_nothing_is_allocated)
{
    CHECK_EQ(run_with(1, allocates_nothing, NULL), 0);
}

static int lacks_a_stack(void *arg)
{
    struct counter counter = {.to = 5};
    thrum_generator generator;
    int value;

    (void)arg;
    CHECK_EQ(thrum_generator_open(&generator, count, &counter, sizeof value), 0);
    thrum_stack_fail_after = 1;
    CHECK_EQ(thrum_generator_next(&generator, &value), -ENOMEM);
    CHECK_EQ(counter.begun, 0);
    CHECK_EQ(thrum_generator_next(&generator, &value), 1);
    CHECK_EQ(thrum_generator_close(&generator, 0), 0);
    CHECK_EQ(thrum_generator_open(&generator, count, &counter, sizeof value), 0);
    return thrum_generator_close(&generator, 0);
}

TEST(without_memory_for_a_stack_it_can_be_asked_again)
{
    CHECK_EQ(run_with(1, lacks_a_stack, NULL), 0);
}

static int lacks_a_record(void *arg)
{
    thrum_generator generator;
    int status;

    thrum_memory_fail_after(0);
    status = thrum_generator_open(&generator, count, NULL, 0);
    thrum_memory_fail_after(-1);
    if (status == 0)
        return thrum_generator_close(&generator, 0);
    CHECK_EQ(status, -ENOMEM);
    ++*(int *)arg;
    CHECK_EQ(thrum_generator_open(&generator, count, NULL, 0), 0);
    return thrum_generator_close(&generator, 0);
}

/* The first record on a stack needs no memory; that of a task that runs inline on it does. */
static int runs_who_lacks_a_record(void *arg)
{
    thrum_generator generator;
    thrum_child child;
    thrum_group group;
    int refused = 0;

    (void)arg;
    CHECK_EQ(thrum_generator_open(&generator, count, NULL, 0), 0);
    for (int i = 0; i < JOINS; i++) {
        CHECK_EQ(thrum_group_open(&group, NULL), 0);
        CHECK_EQ(thrum_group_spawn_child(&group, &child, lacks_a_record, &refused), 0);
        CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    }
    CHECK_LT(0, refused);
    return thrum_generator_close(&generator, 0);
}

TEST(without_memory_a_generator_cannot_be_opened)
{
    if (getenv("THRUM_SIM") != NULL)
        SKIP("the simulated world decides what runs inline");
    CHECK_EQ(run_with(1, runs_who_lacks_a_record, NULL), 0);
}

/* ---- misuse ---------------------------------------------------------------------------------- */

static void dies(thrum_fn fn, const char *sentence)
{
    CHECK_DEATH((void)run_with(1, fn, NULL), sentence);
    CHECK_DEATH((void)run_with(2, fn, NULL), sentence);
}

static void open_one(thrum_generator *generator, thrum_generator_fn fn, void *arg)
{
    CHECK_EQ(thrum_generator_open(generator, fn, arg, 0), 0);
}

static int next_one(thrum_generator_fn fn)
{
    thrum_generator generator;

    open_one(&generator, fn, NULL);
    return thrum_generator_close(&generator, thrum_generator_next(&generator, NULL));
}

static int leaves_open(void *arg)
{
    thrum_generator generator;

    (void)arg;
    open_one(&generator, nothing_at_all, NULL);
    return 0;
}

static int leaves_open_inline(void *arg)
{
    thrum_child child;
    thrum_group group;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_child(&group, &child, leaves_open, arg), 0);
    return thrum_group_close(&group, 0, NULL);
}

static int leaves_open_in_body(thrum_generator *generator, void *arg)
{
    (void)generator;
    return leaves_open(arg);
}

static int opens_in_body(void *arg)
{
    (void)arg;
    return next_one(leaves_open_in_body);
}

TEST(a_generator_that_is_left_open)
{
    dies(leaves_open, "a task ended and left a generator open");
    dies(leaves_open_inline, "a task ended and left a generator open");
    dies(opens_in_body, "a generator's body has returned and left a generator open");
}

static int yields_in_group(thrum_generator *generator, void *arg)
{
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    return thrum_generator_yield(generator, NULL);
}

static int yields_in_timeout(thrum_generator *generator, void *arg)
{
    thrum_timeout timeout;

    (void)arg;
    CHECK_EQ(thrum_timeout_begin(&timeout, THRUM_FOREVER), 0);
    return thrum_generator_yield(generator, NULL);
}

static int returns_in_shield(thrum_generator *generator, void *arg)
{
    static thrum_shield shield;

    (void)arg;
    (void)generator;
    thrum_shield_begin(&shield);
    return 0;
}

static int asks_one_in_group(void *arg)
{
    (void)arg;
    return next_one(yields_in_group);
}

static int asks_one_in_timeout(void *arg)
{
    (void)arg;
    return next_one(yields_in_timeout);
}

static int asks_one_in_shield(void *arg)
{
    (void)arg;
    return next_one(returns_in_shield);
}

static int closes_the_consumer_s(thrum_generator *generator, void *arg)
{
    (void)thrum_scope_end(arg, 0);
    return thrum_generator_yield(generator, NULL);
}

static int has_its_scope_closed(void *arg)
{
    thrum_generator generator;
    thrum_scope scope;

    (void)arg;
    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    open_one(&generator, closes_the_consumer_s, &scope);
    return thrum_generator_next(&generator, NULL);
}

TEST(a_yield_with_something_open)
{
    dies(asks_one_in_group, "a generator's body has yielded with a group open");
    dies(asks_one_in_timeout, "a generator's body has yielded with a timeout open");
    dies(asks_one_in_shield, "a generator's body has returned with a shield open");
    dies(has_its_scope_closed, "after it has closed what its consumer opened");
}

static int does_not_listen(thrum_generator *generator, void *arg)
{
    (void)arg;
    while (thrum_generator_yield(generator, NULL) != -EIO)
        continue;
    return 0;
}

static int closes_who_does_not_listen(void *arg)
{
    (void)arg;
    return next_one(does_not_listen);
}

TEST(a_yield_after_the_close)
{
    dies(closes_who_does_not_listen, "a generator's body has yielded after THRUM_ECLOSED");
}

static int yield_for(void *arg)
{
    return thrum_generator_yield(arg, NULL);
}

static int has_a_child_yield(thrum_generator *generator, void *arg)
{
    thrum_child child;
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_child(&group, &child, yield_for, generator), 0);
    return thrum_group_close(&group, 0, NULL);
}

static int child_yields(void *arg)
{
    (void)arg;
    return next_one(has_a_child_yield);
}

static int consumer_yields(void *arg)
{
    thrum_generator generator;

    open_one(&generator, nothing_at_all, NULL);
    (void)arg;
    return thrum_generator_yield(&generator, NULL);
}

static int yield_for_outer(thrum_generator *generator, void *arg)
{
    (void)generator;
    return thrum_generator_yield(arg, NULL);
}

static int inner_yields_for(thrum_generator *generator, void *arg)
{
    thrum_generator inner;

    open_one(&inner, yield_for_outer, generator);
    (void)arg;
    return thrum_generator_next(&inner, NULL);
}

static int inner_yields(void *arg)
{
    (void)arg;
    return next_one(inner_yields_for);
}

TEST(a_yield_outside_of_the_body)
{
    dies(child_yields, "thrum_generator_yield was called outside of the generator's body");
    dies(consumer_yields, "thrum_generator_yield was called outside of the generator's body");
    dies(inner_yields, "thrum_generator_yield was called outside of the generator's body");
}

static int asks_itself(thrum_generator *generator, void *arg)
{
    (void)arg;
    return thrum_generator_next(generator, NULL);
}

static int asks_who_asks_itself(void *arg)
{
    (void)arg;
    return next_one(asks_itself);
}

static int asks_closed(void *arg)
{
    thrum_generator generator;

    open_one(&generator, nothing_at_all, NULL);
    (void)arg;
    CHECK_EQ(thrum_generator_close(&generator, 0), 0);
    return thrum_generator_next(&generator, NULL);
}

static int close_of(void *arg)
{
    return thrum_generator_close(arg, 0);
}

static int child_closes(void *arg)
{
    thrum_generator generator;
    thrum_child child;
    thrum_group group;

    open_one(&generator, nothing_at_all, NULL);
    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_child(&group, &child, close_of, &generator), 0);
    return thrum_group_close(&group, 0, NULL);
}

TEST(who_may_ask_and_who_may_close)
{
    dies(asks_who_asks_itself, "thrum_generator_next was called on a generator whose body runs");
    dies(asks_closed, "thrum_generator_next was called on a generator that is not open");
    dies(child_closes, "thrum_generator_close was called by a task or a body that did not open");
}

static int dig(volatile char *above)
{
    volatile char here[512];

    here[0] = above ? above[0] : 'x';
    if (here[0] == 'y') /* never */
        return 0;
    here[511] = (char)dig(here);
    return here[511] + here[0];
}

static int digs(thrum_generator *generator, void *arg)
{
    (void)generator;
    return dig(arg);
}

static int asks_who_digs(void *arg)
{
    (void)arg;
    return next_one(digs);
}

static int names_who_digs(void *arg)
{
    thrum_task_options options = THRUM_TASK_OPTIONS_INIT;
    thrum_group group;

    (void)arg;
    options.name = "mole";
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, asks_who_digs, NULL, &options, NULL), 0);
    return thrum_group_close(&group, 0, NULL);
}

TEST(a_stack_overflow_in_a_body_names_the_task)
{
    dies(names_who_digs, "mole");
}
