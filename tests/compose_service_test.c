/*
 * compose_service_test.c - a service is ready when start returns, gone when stop
 * does, and nobody is kept waiting by one that has ended.
 */
#include "tests/conformance/conform.h"
#include "racing.h"
#include "skipping.h"

#define SECOND INT64_C(1000000000)

struct log {
    uint32_t runs;    /* atomic */
    uint32_t handled; /* atomic */
    uint32_t sum;     /* atomic */
    uint32_t ended;   /* atomic */
    int fails;        /* so many runs, after they were ready */
    thrum_event reached;
};

static thrum_service_options service_of(thrum_service_fn run, void *arg)
{
    thrum_service_options options = THRUM_SERVICE_OPTIONS_INIT;

    options.run = run;
    options.arg = arg;
    return options;
}

/* Stop it, if it was started. */
static int stop(int started, thrum_service *service, int64_t patience)
{
    return started ? THRUM_ECANCELED : thrum_service_stop(service, patience, NULL);
}

/* ---- start and stop -------------------------------------------------------------------------- */

static int tick(thrum_service *service, void *arg)
{
    struct log *log = arg;
    thrum_service_health health;
    int status;

    SPAN;
    add_relaxed(&log->runs, 1); /* relaxed: counters, all of them */
    thrum_service_ready(service);
    while ((status = thrum_service_pause(service, thrum_us(10))) == 0)
        raise_flag(&log->reached);
    add_relaxed(&log->ended, 1); /* relaxed */
    if (status != THRUM_ESHUTDOWN)
        return status;
    thrum_service_ready(service); /* too late: it is to stop */
    thrum_service_health_get(service, &health);
    CHECK_EQ(health.state, THRUM_SERVICE_STOPPING);
    return 0;
}

RULE(a_service_runs_until_it_is_told_to_stop)
{
    struct log log = {.reached = THRUM_EVENT_INIT};
    thrum_service_options options = service_of(tick, &log);
    thrum_service_health health;
    thrum_service service;
    thrum_group group;
    int started;

    SPAN;
    open_group(&group);
    options.name = "tick";
    started = thrum_service_start(&service, &group, &options);
    EXPECT_EQ(started, 0);
    if (!started) {
        thrum_service_health_get(&service, &health);
        EXPECT_EQ(health.state, THRUM_SERVICE_RUNNING);
        EXPECT(!thrum_service_stopping(&service));
        AWAIT(&log.reached);
    }
    EXPECT_EQ(stop(started, &service, THRUM_FOREVER), 0);
    CHECK_EQ(log.runs, log.ended);
    EXPECT_EQ(close_group(&group, 0), 0);
}

static int fail_before(thrum_service *service, void *arg)
{
    SPAN;
    (void)service;
    (void)thrum_yield();
    return thrum_fail(*(int *)arg, "no disk");
}

static int start_in_vain(void *arg)
{
    thrum_service_options options = service_of(fail_before, arg);
    thrum_service service;
    thrum_group group;
    int status;

    SPAN;
    open_group(&group);
    status = thrum_service_start(&service, &group, &options);
    if (!status)
        status = thrum_service_stop(&service, 0, NULL);
    EXPECT_EQ(close_group(&group, 0), 0); /* the group has not failed */
    return status;
}

RULE(one_that_fails_before_it_is_ready_fails_its_start)
{
    thrum_outcome outcome = {THRUM_OK, 0, NULL};
    thrum_group group;
    thrum_task *task;
    int broken = -EIO;

    SPAN;
    open_collecting(&group);
    task = spawn(&group, start_in_vain, &broken);
    if (task)
        (void)!thrum_task_join(task, &outcome);
    thrum_task_unref(task);
    EXPECT_EQ(outcome.status, -EIO);
    EXPECT(outcome.error && !strcmp(thrum_error_message(outcome.error), "no disk"));
    thrum_error_free(outcome.error);
    (void)close_group(&group, 0);
}

static int end_at_once(thrum_service *service, void *arg)
{
    SPAN;
    (void)service;
    (void)arg;
    return 0;
}

RULE(one_that_ends_before_it_is_ready_was_never_started)
{
    thrum_service_options options = service_of(end_at_once, NULL);
    thrum_service service;
    thrum_group group;

    SPAN;
    open_group(&group);
    EXPECT_EQ(thrum_service_start(&service, &group, &options), THRUM_ESTATE);
    EXPECT_EQ(close_group(&group, 0), 0);
}

static int never_ready(thrum_service *service, void *arg)
{
    struct log *log = arg;
    int status;

    SPAN;
    (void)service;
    add_relaxed(&log->runs, 1); /* relaxed */
    status = rest();
    add_relaxed(&log->ended, 1); /* relaxed */
    return status;
}

RULE(a_start_that_is_cancelled_cancels_the_service_and_waits)
{
    struct log log = {.reached = THRUM_EVENT_INIT};
    thrum_service_options options = service_of(never_ready, &log);
    thrum_service service;
    thrum_timeout timeout;
    thrum_group group;
    int status;

    SPAN;
    open_group(&group);
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_us(30)), 0);
    status = thrum_service_start(&service, &group, &options);
    if (!disturbed())
        EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
    CHECK_EQ(log.runs, log.ended);
    EXPECT_EQ(close_group(&group, 0), 0);
}

RULE(in_a_group_that_is_cancelled_none_starts)
{
    struct log log = {.reached = THRUM_EVENT_INIT};
    thrum_service_options options = service_of(tick, &log);
    thrum_service service;
    thrum_shield shield;
    thrum_group group;
    int status;

    SPAN;
    open_group(&group);
    thrum_shield_begin(&shield);
    thrum_group_cancel(&group, 0, NULL);
    status = thrum_service_start(&service, &group, &options);
    CHECK(status == THRUM_ESHUTDOWN || status == THRUM_ECANCELED);
    (void)!thrum_shield_end(&shield);
    CHECK_EQ(log.runs, 0);
    (void)close_group(&group, 0);
}

/* ---- patience -------------------------------------------------------------------------------- */

static int stubborn(thrum_service *service, void *arg)
{
    SPAN;
    (void)arg;
    thrum_service_ready(service);
    return rest(); /* does not listen, but can be cancelled */
}

RULE(one_that_does_not_stop_in_time_is_cancelled)
{
    static const int64_t patiences[] = {20000, 0};

    for (int i = 0; i < 2; i++) {
        thrum_service_options options = service_of(stubborn, NULL);
        thrum_service service;
        thrum_group group;
        int started;

        SPAN;
        open_group(&group);
        started = thrum_service_start(&service, &group, &options);
        EXPECT_EQ(stop(started, &service, patiences[i]), i ? 0 : THRUM_ETIMEOUT);
        EXPECT_EQ(close_group(&group, 0), 0);
    }
}

RULE(a_stop_that_is_cancelled_cancels_the_service_and_waits)
{
    thrum_service_options options = service_of(stubborn, NULL);
    thrum_service service;
    thrum_timeout timeout;
    thrum_group group;
    int started, status;

    SPAN;
    open_group(&group);
    started = thrum_service_start(&service, &group, &options);
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_us(30)), 0);
    status = stop(started, &service, THRUM_FOREVER);
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
    EXPECT_EQ(close_group(&group, 0), 0);
}

static int stop_itself(thrum_service *service, void *arg)
{
    SPAN;
    thrum_service_ready(service);
    *(int *)arg = thrum_service_stop(service, 0, NULL);
    return 0;
}

RULE(a_service_cannot_wait_for_its_own_end)
{
    int status = -EDEADLK;
    thrum_service_options options = service_of(stop_itself, &status);
    thrum_service service;
    thrum_group group;
    int started;

    SPAN;
    open_group(&group);
    started = thrum_service_start(&service, &group, &options);
    EXPECT_EQ(stop(started, &service, THRUM_FOREVER), 0);
    CHECK_EQ(status, -EDEADLK);
    EXPECT_EQ(close_group(&group, 0), 0);
}

/* ---- items ----------------------------------------------------------------------------------- */

static int add_up(void *item, void *arg)
{
    struct log *log = arg;
    uint32_t n = *(uint32_t *)item;

    SPAN;
    if (thrum_yield())
        return THRUM_ECANCELED;
    add_relaxed(&log->handled, 1); /* relaxed */
    if (n % 5 == 4)
        return thrum_fail(-EIO, "a bad item");
    add_relaxed(&log->sum, n); /* relaxed */
    return 0;
}

static thrum_service_options adder(struct log *log, size_t limit)
{
    thrum_service_options options = THRUM_SERVICE_OPTIONS_INIT;

    options.handle = add_up;
    options.arg = log;
    options.item_bytes = sizeof(uint32_t);
    options.limit = limit;
    return options;
}

RULE(what_was_submitted_is_handled_before_the_stop)
{
    struct log log = {.reached = THRUM_EVENT_INIT};
    thrum_service_options options = adder(&log, 3);
    thrum_service_health health = {.failed = 0};
    thrum_service service;
    thrum_group group;
    int started;

    SPAN;
    open_group(&group);
    started = thrum_service_start(&service, &group, &options);
    for (uint32_t i = 0; i < 10 && !started; i++)
        EXPECT_EQ(thrum_service_submit(&service, &i), 0);
    if (!started) {
        thrum_service_health_get(&service, &health);
        CHECK_LE(health.waiting, 3);
    }
    EXPECT_EQ(stop(started, &service, THRUM_FOREVER), 0);
    EXPECT_EQ(log.handled, 10);
    EXPECT_EQ(log.sum, 45 - 4 - 9); /* a bad item hurts no other */
    EXPECT_EQ(close_group(&group, 0), 0);
}

/* The guides' processor counts the item that its stop has dropped as done. */
RULE(a_stop_without_patience_leaves_items_and_says_so)
{
    thrum_service_options options = service_of(stubborn, NULL);
    thrum_service service;
    thrum_group group;
    uint32_t item = 1;
    int started;

    SPAN;
    open_group(&group);
    options.item_bytes = sizeof item;
    started = thrum_service_start(&service, &group, &options);
    if (!started)
        EXPECT_EQ(thrum_service_submit(&service, &item), 0);
    EXPECT_EQ(stop(started, &service, thrum_us(20)), THRUM_ETIMEOUT);
    EXPECT_EQ(close_group(&group, 0), 0);
}

struct sender {
    thrum_service *service;
    int status;
};

static int send_for_ever(void *arg)
{
    struct sender *sender = arg;
    uint32_t item = 1;

    SPAN;
    do
        sender->status = thrum_service_submit(sender->service, &item);
    while (!sender->status);
    return sender->status == THRUM_ESHUTDOWN ? 0 : sender->status;
}

static int run_and_end(thrum_service *service, void *arg)
{
    uint32_t item;
    int status;

    SPAN;
    thrum_service_ready(service);
    status = thrum_service_next(service, &item);
    return status ? status : *(int *)arg;
}

/* It takes one item and ends, well or badly: who has more of them is told. */
RULE(who_submits_to_one_that_has_ended_is_told)
{
    static const int ends[] = {0, -EIO};

    for (int i = 0; i < 2; i++) {
        int end = ends[i];
        thrum_service_options options = service_of(run_and_end, &end);
        thrum_service service;
        struct sender sender = {&service, 0};
        thrum_group group;
        thrum_task *task;
        int started;

        SPAN;
        options.flags = THRUM_CONTAINED;
        options.item_bytes = sizeof(uint32_t);
        options.limit = 1;
        open_group(&group);
        started = thrum_service_start(&service, &group, &options);
        if (!started) {
            task = spawn(&group, send_for_ever, &sender);
            (void)finish(task);
            EXPECT_EQ(sender.status, THRUM_ESHUTDOWN);
        }
        EXPECT_EQ(stop(started, &service, THRUM_FOREVER), ends[i]);
        EXPECT_EQ(close_group(&group, 0), 0);
    }
}

RULE(one_that_takes_no_items_says_so)
{
    struct log log = {.reached = THRUM_EVENT_INIT};
    thrum_service_options options = service_of(tick, &log);
    thrum_service service;
    thrum_group group;
    int started;

    SPAN;
    open_group(&group);
    started = thrum_service_start(&service, &group, &options);
    if (!started) {
        CHECK_EQ(thrum_service_submit(&service, &log), -EINVAL);
        CHECK_EQ(thrum_service_try_submit(&service, &log), -EINVAL);
        CHECK_EQ(thrum_service_next(&service, &log), -EINVAL);
    }
    EXPECT_EQ(stop(started, &service, THRUM_FOREVER), 0);
    EXPECT_EQ(close_group(&group, 0), 0);
}

/* ---- failures and restarts ------------------------------------------------------------------- */

static int fail_after(thrum_service *service, void *arg)
{
    struct log *log = arg;

    SPAN;
    thrum_service_ready(service);
    if (thrum_yield())
        return THRUM_ECANCELED;
    if (add_relaxed(&log->runs, 1) < (uint32_t)log->fails) /* relaxed */
        return -EIO;
    raise_flag(&log->reached);
    return thrum_service_pause(service, THRUM_FOREVER) == THRUM_ESHUTDOWN ? 0 : THRUM_ECANCELED;
}

RULE(a_failure_is_the_groups_unless_it_is_contained)
{
    for (int i = 0; i < 2; i++) {
        struct log log = {.fails = 1, .reached = THRUM_EVENT_INIT};
        thrum_event ended = THRUM_EVENT_INIT;
        thrum_service_options options = service_of(fail_after, &log);
        thrum_service service;
        thrum_group group;
        int started;

        SPAN;
        options.flags = i ? THRUM_CONTAINED : 0;
        options.ended = &ended;
        open_collecting(&group);
        started = thrum_service_start(&service, &group, &options);
        if (!started)
            AWAIT(&ended);
        EXPECT_EQ(stop(started, &service, THRUM_FOREVER), -EIO);
        EXPECT_EQ(close_group(&group, 0), i ? 0 : THRUM_EGROUP);
    }
}

/* It ends by a timeout of its own, which is no timeout of the stop. */
static int times_out(thrum_service *service, void *arg)
{
    (void)arg;
    thrum_service_ready(service);
    if (thrum_service_pause(service, THRUM_FOREVER) != THRUM_ESHUTDOWN)
        return THRUM_ECANCELED;
    return thrum_fail(THRUM_ETIMEOUT, "the server did not answer");
}

struct stop_case {
    thrum_service_fn run;
    unsigned flags;
    int64_t patience;
    int stopped, status;
    enum thrum_kind kind;
    int closed;
};

RULE(the_stop_and_the_end_are_told_apart)
{
    static const struct stop_case cases[] = {
        {tick, 0, SECOND, 0, 0, THRUM_OK, 0},
        {times_out, THRUM_CONTAINED, SECOND, 0, THRUM_ETIMEOUT, THRUM_FAILED, 0},
        {times_out, 0, SECOND, 0, THRUM_ETIMEOUT, THRUM_FAILED, THRUM_EGROUP},
        {stubborn, 0, 20000, THRUM_ETIMEOUT, THRUM_ECANCELED, THRUM_CANCELLED, 0},
        {stubborn, 0, 0, 0, THRUM_ECANCELED, THRUM_CANCELLED, 0},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct stop_case *one = &cases[i];
        struct log log = {.reached = THRUM_EVENT_INIT};
        thrum_service_options options = service_of(one->run, &log);
        thrum_outcome outcome = {THRUM_OK, 17, NULL};
        thrum_service service;
        thrum_group group;

        SPAN;
        options.flags = one->flags;
        open_collecting(&group);
        if (thrum_service_start(&service, &group, &options) == 0) {
            EXPECT_EQ(thrum_service_stop(&service, one->patience, &outcome), one->stopped);
            EXPECT_EQ(outcome.kind, one->kind);
            EXPECT_EQ(outcome.status, one->status);
            if (outcome.kind == THRUM_FAILED && outcome.error && !disturbed())
                CHECK_STR_EQ(thrum_error_message(outcome.error), "the server did not answer");
            thrum_error_free(outcome.error);
        }
        EXPECT_EQ(close_group(&group, 0), one->closed);
    }
}

RULE(one_that_fails_is_run_again_as_often_as_was_asked_for)
{
    thrum_retry_options backoff = THRUM_RETRY_OPTIONS_INIT;

    backoff.base_ns = backoff.cap_ns = thrum_us(5);
    for (int fails = 2; fails <= 4; fails++) {
        struct log log = {.fails = fails, .reached = THRUM_EVENT_INIT};
        thrum_event ended = THRUM_EVENT_INIT;
        thrum_service_options options = service_of(fail_after, &log);
        thrum_service_health health;
        thrum_service service;
        thrum_group group;
        int started;

        SPAN;
        options.flags = THRUM_CONTAINED;
        options.restarts = 3;
        options.backoff = &backoff;
        options.ended = &ended;
        open_group(&group);
        started = thrum_service_start(&service, &group, &options);
        if (!started) {
            AWAIT(fails <= 3 ? &log.reached : &ended);
            thrum_service_health_get(&service, &health);
            EXPECT_EQ(health.restarted, fails <= 3 ? fails : 3);
            EXPECT_EQ(health.failure, -EIO);
            EXPECT_EQ(health.state, fails <= 3 ? THRUM_SERVICE_RUNNING : THRUM_SERVICE_ENDED);
        }
        EXPECT_EQ(stop(started, &service, THRUM_FOREVER), fails <= 3 ? 0 : -EIO);
        EXPECT_EQ(close_group(&group, 0), 0);
    }
}

static int restarts_wait(void *arg)
{
    struct log log = {.fails = 3, .reached = THRUM_EVENT_INIT};
    thrum_service_options options = service_of(fail_after, &log);
    thrum_time begin = thrum_now();
    thrum_service service;
    thrum_group group;

    (void)arg;
    options.restarts = 3;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_service_start(&service, &group, &options), 0);
    CHECK_EQ(thrum_event_wait(&log.reached), 0);
    CHECK_LE((1 + 2 + 4) * SECOND * 9 / 10, thrum_between(begin, thrum_now()));
    CHECK_EQ(thrum_service_stop(&service, THRUM_FOREVER, NULL), 0);
    return thrum_group_close(&group, 0, NULL);
}

static int restarts_fly(void *arg)
{
    return run_flying(SECOND / 10, restarts_wait, arg);
}

TEST(restarts_come_after_longer_and_longer_waits)
{
    run_everywhere(restarts_fly, NULL);
}

RULE(one_that_waits_for_its_restart_is_stopped)
{
    struct log log = {.fails = 9, .reached = THRUM_EVENT_INIT};
    thrum_retry_options backoff = THRUM_RETRY_OPTIONS_INIT;
    thrum_service_options options = service_of(fail_after, &log);
    thrum_service_health health = {.state = THRUM_SERVICE_STARTING};
    thrum_service service;
    thrum_group group;
    int started;

    SPAN;
    backoff.base_ns = backoff.cap_ns = THRUM_FOREVER;
    backoff.jitter = 0;
    options.flags = THRUM_CONTAINED;
    options.restarts = 3;
    options.backoff = &backoff;
    open_group(&group);
    started = thrum_service_start(&service, &group, &options);
    while (!started && !disturbed() && health.state != THRUM_SERVICE_RESTARTING) {
        EXPECT_EQ(thrum_sleep(thrum_us(50)), 0);
        thrum_service_health_get(&service, &health);
    }
    EXPECT_EQ(stop(started, &service, THRUM_FOREVER), -EIO);
    CHECK_LE(log.runs, 1);
    EXPECT_EQ(close_group(&group, 0), 0);
}

TEST(options_out_of_range_are_refused)
{
    struct log log = {.fails = 0};
    thrum_service_options options = adder(&log, 0);
    thrum_service service;

    options.run = tick;
    CHECK_EQ(thrum_service_start(&service, NULL, &options), -EINVAL);
    options.run = NULL;
    options.item_bytes = 0;
    CHECK_EQ(thrum_service_start(&service, NULL, &options), -EINVAL);
    options.handle = NULL;
    CHECK_EQ(thrum_service_start(&service, NULL, &options), -EINVAL);
    options.run = tick;
    options.flags = 2;
    CHECK_EQ(thrum_service_start(&service, NULL, &options), -EINVAL);
}

/* ---- a crowd --------------------------------------------------------------------------------- */

struct shop {
    thrum_service service;
    uint32_t sent; /* atomic */
};

static int send_some(void *arg)
{
    struct shop *shop = arg;

    for (int i = 0; i < 50; i++) {
        uint32_t item = 0;
        int status = thrum_service_submit(&shop->service, &item);

        if (status)
            return status == THRUM_ESHUTDOWN ? 0 : status;
        add_relaxed(&shop->sent, 1); /* relaxed */
    }
    return 0;
}

static int stop_early(void *arg)
{
    (void)arg;
    for (int round = 0; round < many(100); round++) {
        struct log log = {.fails = 0};
        struct shop shop = {.sent = 0};
        thrum_service_options options = adder(&log, 4);
        thrum_group outer, inner;

        CHECK_EQ(thrum_group_open(&outer, NULL), 0);
        CHECK_EQ(thrum_service_start(&shop.service, &outer, &options), 0);
        CHECK_EQ(thrum_group_open(&inner, NULL), 0);
        for (int i = 0; i < 8; i++)
            CHECK_EQ(thrum_group_spawn(&inner, send_some, &shop, NULL, NULL), 0);
        maybe_yield((uint64_t)round);
        if (round & 4) /* they are refused in the middle */
            thrum_queue_shutdown(&shop.service.inbox, false);
        CHECK_EQ(thrum_group_close(&inner, 0, NULL), 0);
        CHECK_EQ(thrum_service_stop(&shop.service, THRUM_FOREVER, NULL), 0);
        CHECK_EQ(log.handled, shop.sent); /* what was taken was handled */
        CHECK_EQ(thrum_group_close(&outer, 0, NULL), 0);
    }
    return 0;
}

TEST(what_was_accepted_is_handled)
{
    run_everywhere(stop_early, NULL);
}
