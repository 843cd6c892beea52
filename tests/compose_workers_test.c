/*
 * compose_workers_test.c - every job that was submitted ends once, and who waits
 * for it is told how, whatever becomes of the workers.
 */
#include "tests/conformance/conform.h"
#include "racing.h"

static const int broken = -EIO;

/* A group with workers in it. */
struct staff {
    thrum_group group;
    thrum_workers workers;
    int opened;
};

static void hire(struct staff *staff, uint32_t count, size_t limit)
{
    thrum_workers_options options = THRUM_WORKERS_OPTIONS_INIT;

    options.count = count;
    options.limit = limit;
    open_collecting(&staff->group);
    staff->opened = thrum_workers_open(&staff->workers, &staff->group, &options);
    EXPECT_EQ(staff->opened, 0);
}

static void dismiss(struct staff *staff)
{
    if (!staff->opened)
        EXPECT_EQ(thrum_workers_close(&staff->workers), 0);
    EXPECT_EQ(close_group(&staff->group, 0), 0);
}

/* Submit it, if there is anybody to. */
static int submit(struct staff *staff, thrum_job *job, thrum_fn fn, void *arg)
{
    return staff->opened ? THRUM_ESHUTDOWN : thrum_workers_submit(&staff->workers, job, fn, arg);
}

/* Join it, if it was submitted; its kind. */
static struct finish join(int submitted, thrum_job *job)
{
    thrum_outcome outcome = {.kind = THRUM_CANCELLED, .status = THRUM_ECANCELED};
    int status = submitted ? THRUM_ECANCELED : thrum_job_join(job, &outcome);

    thrum_error_free(outcome.error);
    return (struct finish){status, outcome.kind, outcome.status};
}

/* ---- results --------------------------------------------------------------------------------- */

struct square {
    int n;
    int result;
    uint32_t calls; /* atomic */
};

static int square(void *arg)
{
    struct square *square = arg;

    SPAN;
    add_relaxed(&square->calls, 1); /* relaxed: a counter */
    if (thrum_yield())
        return THRUM_ECANCELED;
    square->result = square->n * square->n;
    return square->n;
}

RULE(jobs_are_done_and_tell_how_they_ended)
{
    struct square squares[5];
    thrum_job jobs[5];
    int submitted[5];
    struct staff staff;

    SPAN;
    hire(&staff, 2, 0);
    for (int i = 0; i < 5; i++) {
        squares[i] = (struct square){i, -1, 0};
        submitted[i] = submit(&staff, &jobs[i], square, &squares[i]);
    }
    for (int i = 0; i < 5; i++) {
        struct finish ended = join(submitted[i], &jobs[i]);

        EXPECT_EQ(ended.join, 0);
        EXPECT_EQ(ended.kind, THRUM_OK);
        EXPECT_EQ(ended.status, i);
        EXPECT_EQ(squares[i].result, i * i);
        CHECK_LE(squares[i].calls, 1);
    }
    dismiss(&staff);
}

RULE(a_job_that_fails_hurts_no_other)
{
    struct square four = {4, 0, 0};
    thrum_outcome outcome = {THRUM_OK, 0, NULL};
    struct staff staff;
    thrum_job bad, good;
    int first, second;

    SPAN;
    hire(&staff, 1, 0);
    first = submit(&staff, &bad, fail_with, (void *)&broken);
    second = submit(&staff, &good, square, &four);
    EXPECT_EQ(first ? first : thrum_job_join(&bad, &outcome), 0);
    EXPECT_EQ(outcome.kind, THRUM_FAILED);
    EXPECT_EQ(outcome.status, -EIO);
    EXPECT_EQ(thrum_error_code(outcome.error), -EIO);
    EXPECT(strstr(thrum_error_file(outcome.error), "compose_workers_test.c") != NULL);
    thrum_error_free(outcome.error);
    EXPECT_EQ(join(second, &good).kind, THRUM_OK);
    dismiss(&staff);
}

RULE(a_call_is_submitted_and_joined)
{
    struct square four = {4, 0, 0};
    thrum_outcome outcome = {THRUM_FAILED, 0, NULL};
    struct staff staff;

    SPAN;
    hire(&staff, 3, 1);
    EXPECT_EQ(staff.opened ? 0 : thrum_workers_call(&staff.workers, square, &four, &outcome), 0);
    EXPECT_EQ(outcome.kind, THRUM_OK);
    EXPECT_EQ(four.result, 16);
    dismiss(&staff);
}

/* ---- limits ---------------------------------------------------------------------------------- */

struct room {
    uint32_t here; /* atomic */
    uint32_t most; /* atomic */
};

static int come_and_go(void *arg)
{
    struct room *room = arg;
    uint32_t here = add_relaxed(&room->here, 1) + 1; /* relaxed: counters, all of them */
    uint32_t most = load_relaxed(&room->most);       /* relaxed */
    int status;

    SPAN;
    while (most < here && !cas_relaxed(&room->most, &most, here)) /* relaxed */
        continue;
    status = thrum_yield();
    add_relaxed(&room->here, (uint32_t)-1); /* relaxed */
    return status;
}

RULE(never_more_jobs_at_once_than_workers)
{
    for (uint32_t count = 1; count <= 3; count++) {
        struct room room = {0, 0};
        struct staff staff;
        thrum_job jobs[9];

        SPAN;
        hire(&staff, count, 2);
        if (!staff.opened)
            EXPECT_EQ(
                thrum_workers_map(&staff.workers, jobs, 9, THRUM_COLLECT, come_and_go, &room, 0),
                0);
        CHECK_LE(load_relaxed(&room.most), count); /* relaxed: they have ended */
        dismiss(&staff);
    }
}

RULE(a_full_queue_keeps_submitters_waiting)
{
    thrum_event begun = THRUM_EVENT_INIT;
    struct staff staff;
    thrum_job jobs[3];
    thrum_timeout timeout;
    int submitted[2], status;

    SPAN;
    hire(&staff, 1, 1);
    submitted[0] = submit(&staff, &jobs[0], sleep_on, &begun);
    AWAIT(&begun);
    submitted[1] = submit(&staff, &jobs[1], nothing, NULL);
    if (!submitted[1])
        EXPECT_EQ(thrum_workers_try_submit(&staff.workers, &jobs[2], nothing, NULL), -EAGAIN);
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_us(30)), 0);
    status = submit(&staff, &jobs[2], nothing, NULL);
    if (!status)
        (void)join(status, &jobs[2]); /* in vain: disturbed */
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
    if (!submitted[0])
        (void)thrum_job_cancel(&jobs[0], 0, NULL);
    EXPECT_EQ(join(submitted[0], &jobs[0]).kind, THRUM_CANCELLED);
    EXPECT_EQ(join(submitted[1], &jobs[1]).kind, THRUM_OK);
    dismiss(&staff);
}

/* ---- cancels --------------------------------------------------------------------------------- */

RULE(a_cancelled_job_ends_cancelled_begun_or_not)
{
    thrum_event begun = THRUM_EVENT_INIT;
    struct square never = {4, 0, 0};
    struct staff staff;
    thrum_job first, second;
    int one, other;

    SPAN;
    hire(&staff, 1, 0);
    one = submit(&staff, &first, sleep_on, &begun);
    AWAIT(&begun);
    other = submit(&staff, &second, square, &never);
    if (!other)
        EXPECT(thrum_job_cancel(&second, 7, "not needed"));
    if (!one) {
        EXPECT(thrum_job_cancel(&first, 7, "not needed"));
        EXPECT(thrum_job_cancel(&first, 7, "again") || thrum_job_ended(&first));
    }
    EXPECT_EQ(join(one, &first).kind, THRUM_CANCELLED);
    EXPECT_EQ(join(other, &second).kind, THRUM_CANCELLED);
    EXPECT_EQ(never.calls, 0);
    dismiss(&staff);
}

RULE(who_is_cancelled_while_it_joins_cancels_the_job_and_waits)
{
    thrum_event begun = THRUM_EVENT_INIT;
    struct staff staff;
    thrum_timeout timeout;
    struct finish ended;
    thrum_job job;
    int submitted;

    SPAN;
    hire(&staff, 1, 0);
    submitted = submit(&staff, &job, sleep_on, &begun);
    AWAIT(&begun);
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_us(30)), 0);
    ended = join(submitted, &job);
    EXPECT_EQ(ended.join, THRUM_ECANCELED);
    EXPECT_EQ(ended.kind, THRUM_CANCELLED);
    EXPECT_EQ(thrum_timeout_end(&timeout, ended.join), THRUM_ETIMEOUT);
    dismiss(&staff);
}

/* The guides' pool forgets who waits when its workers are cancelled in the middle, or at all. */
RULE(workers_that_are_cancelled_leave_nobody_waiting)
{
    thrum_event begun = THRUM_EVENT_INIT;
    struct square never = {4, 0, 0};
    struct staff staff;
    thrum_job jobs[4];
    int submitted[4];

    SPAN;
    hire(&staff, 1, 0);
    submitted[0] = submit(&staff, &jobs[0], sleep_on, &begun);
    AWAIT(&begun);
    for (int i = 1; i < 4; i++)
        submitted[i] = submit(&staff, &jobs[i], square, &never);
    if (!staff.opened)
        thrum_workers_shutdown(&staff.workers, true);
    for (int i = 0; i < 4; i++)
        EXPECT_EQ(join(submitted[i], &jobs[i]).kind, THRUM_CANCELLED);
    EXPECT_EQ(never.calls, 0);
    EXPECT_EQ(submit(&staff, &jobs[0], square, &never), THRUM_ESHUTDOWN);
    dismiss(&staff);
}

/* The workers' group is cancelled, it may be before there is a single one. */
RULE(workers_that_never_ran_leave_nobody_waiting)
{
    for (int i = 0; i < 2; i++) {
        struct square never = {4, 0, 0};
        thrum_shield shield;
        struct staff staff;
        thrum_job job;
        int submitted;

        SPAN;
        hire(&staff, 2, 0);
        if (i)
            EXPECT_EQ(thrum_yield(), 0);
        thrum_shield_begin(&shield);
        thrum_group_cancel(&staff.group, 0, NULL);
        submitted = submit(&staff, &job, square, &never);
        if (submitted)
            EXPECT_EQ(submitted, THRUM_ESHUTDOWN);
        EXPECT_EQ(join(submitted, &job).kind, THRUM_CANCELLED);
        (void)!thrum_shield_end(&shield);
        if (!staff.opened)
            (void)!thrum_workers_close(&staff.workers);
        (void)close_group(&staff.group, 0);
    }
}

/* ---- ends ------------------------------------------------------------------------------------ */

RULE(a_shutdown_lets_what_was_submitted_be_done)
{
    struct square squares[5];
    thrum_job jobs[6];
    int submitted[5];
    struct staff staff;

    SPAN;
    hire(&staff, 2, 0);
    for (int i = 0; i < 5; i++) {
        squares[i] = (struct square){i, -1, 0};
        submitted[i] = submit(&staff, &jobs[i], square, &squares[i]);
    }
    if (!staff.opened)
        thrum_workers_shutdown(&staff.workers, false);
    EXPECT_EQ(submit(&staff, &jobs[5], nothing, NULL), THRUM_ESHUTDOWN);
    dismiss(&staff);
    for (int i = 0; i < 5; i++) {
        if (!submitted[i])
            CHECK(thrum_job_ended(&jobs[i]));
        EXPECT_EQ(join(submitted[i], &jobs[i]).kind, THRUM_OK);
    }
}

RULE(a_cancelled_close_cancels_the_jobs_and_waits)
{
    thrum_event begun = THRUM_EVENT_INIT;
    struct staff staff;
    thrum_timeout timeout;
    thrum_job job;
    int submitted, status = 0;

    SPAN;
    hire(&staff, 1, 0);
    submitted = submit(&staff, &job, sleep_on, &begun);
    AWAIT(&begun);
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_us(30)), 0);
    if (!staff.opened)
        status = thrum_workers_close(&staff.workers);
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
    if (!submitted)
        CHECK(thrum_job_ended(&job));
    EXPECT_EQ(join(submitted, &job).kind, THRUM_CANCELLED);
    EXPECT_EQ(close_group(&staff.group, 0), 0);
}

static int close_from_inside(void *arg)
{
    SPAN;
    return thrum_workers_close(arg);
}

RULE(a_job_cannot_wait_for_its_workers)
{
    struct staff staff;
    thrum_job job;
    int submitted;

    SPAN;
    hire(&staff, 1, 0);
    submitted = submit(&staff, &job, close_from_inside, &staff.workers);
    EXPECT_EQ(join(submitted, &job).status, -EDEADLK);
    dismiss(&staff);
}

TEST(options_out_of_range_are_refused)
{
    thrum_workers_options options = THRUM_WORKERS_OPTIONS_INIT;
    thrum_workers workers;

    options.count = 0;
    CHECK_EQ(thrum_workers_open(&workers, NULL, &options), -EINVAL);
}

/* ---- map ------------------------------------------------------------------------------------- */

RULE(a_map_has_its_results_in_order)
{
    struct square squares[20];
    struct staff staff;
    thrum_job jobs[20];

    SPAN;
    for (int i = 0; i < 20; i++)
        squares[i] = (struct square){i, -1, 0};
    hire(&staff, 3, 4);
    if (!staff.opened)
        EXPECT_EQ(thrum_workers_map(&staff.workers, jobs, 20, THRUM_FAIL_FAST, square, squares,
                                    sizeof squares[0]),
                  0);
    for (int i = 0; i < 20; i++) {
        EXPECT_EQ(jobs[i].outcome.status, i);
        EXPECT_EQ(squares[i].result, i * i);
        CHECK_LE(squares[i].calls, 1);
    }
    dismiss(&staff);
}

/* The third one fails, the others would take for ever. */
static int third_fails(void *arg)
{
    int *number = arg;

    SPAN;
    return *number == 2 ? -EIO : rest();
}

RULE(the_first_failure_of_a_map_cancels_the_others)
{
    int numbers[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    struct staff staff;
    thrum_job jobs[8];

    SPAN;
    hire(&staff, 3, 2);
    if (!staff.opened) {
        EXPECT_EQ(thrum_workers_map(&staff.workers, jobs, 8, THRUM_FAIL_FAST, third_fails, numbers,
                                    sizeof numbers[0]),
                  THRUM_EGROUP);
        for (int i = 0; i < 8; i++) {
            EXPECT_EQ(jobs[i].outcome.kind, i == 2 ? THRUM_FAILED : THRUM_CANCELLED);
            thrum_error_free(jobs[i].outcome.error);
        }
    }
    dismiss(&staff);
}

static int odd_ones_fail(void *arg)
{
    int *number = arg;

    SPAN;
    if (thrum_yield())
        return THRUM_ECANCELED;
    return *number % 2 ? -EIO : 0;
}

RULE(a_map_that_collects_goes_on)
{
    int numbers[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    struct staff staff;
    thrum_job jobs[8];

    SPAN;
    hire(&staff, 2, 0);
    if (!staff.opened) {
        EXPECT_EQ(thrum_workers_map(&staff.workers, jobs, 8, THRUM_FIRST_OK, odd_ones_fail, numbers,
                                    sizeof numbers[0]),
                  -EINVAL);
        EXPECT_EQ(thrum_workers_map(&staff.workers, jobs, 8, THRUM_COLLECT, odd_ones_fail, numbers,
                                    sizeof numbers[0]),
                  0);
        for (int i = 0; i < 8; i++) {
            EXPECT_EQ(jobs[i].outcome.kind, i % 2 ? THRUM_FAILED : THRUM_OK);
            thrum_error_free(jobs[i].outcome.error);
        }
    }
    dismiss(&staff);
}

RULE(a_cancelled_map_cancels_all_and_waits)
{
    struct staff staff;
    thrum_job jobs[8];
    thrum_timeout timeout;
    int status = 0;

    SPAN;
    hire(&staff, 2, 3);
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_us(50)), 0);
    if (!staff.opened) {
        status = thrum_workers_map(&staff.workers, jobs, 8, THRUM_COLLECT, sleep_on, NULL, 0);
        for (int i = 0; i < 8; i++) {
            EXPECT_EQ(jobs[i].outcome.kind, THRUM_CANCELLED);
            thrum_error_free(jobs[i].outcome.error);
        }
    }
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
    dismiss(&staff);
}

/* ---- a crowd --------------------------------------------------------------------------------- */

enum { SUBMITTERS = 20, ROUNDS = 100 };

struct office {
    thrum_workers workers;
    uint32_t done;      /* atomic */
    uint32_t cancelled; /* atomic */
};

static int submit_and_maybe_cancel(void *arg)
{
    struct office *office = arg;
    uint64_t bits = thrum_self() | 1;

    for (int i = 0; i < ROUNDS; i++) {
        struct square four = {4, 0, 0};
        thrum_outcome outcome;
        thrum_job job;

        random_next(&bits);
        CHECK_EQ(thrum_workers_submit(&office->workers, &job, square, &four), 0);
        maybe_yield(bits >> 3);
        if (bits & 4)
            (void)thrum_job_cancel(&job, 0, NULL);
        CHECK_EQ(thrum_job_join(&job, &outcome), 0);
        CHECK_LE(four.calls, 1);
        CHECK_EQ(outcome.kind, outcome.status == 4 ? THRUM_OK : THRUM_CANCELLED);
        if (outcome.kind == THRUM_OK)
            CHECK_EQ(four.result, 16);
        add_relaxed(outcome.kind == THRUM_OK ? &office->done : &office->cancelled, 1);
        /* relaxed: counters */
    }
    return 0;
}

static int busy_office(void *arg)
{
    struct office office = {.done = 0};
    thrum_workers_options options = THRUM_WORKERS_OPTIONS_INIT;
    thrum_group group;

    (void)arg;
    options.limit = 3;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_workers_open(&office.workers, &group, &options), 0);
    crowd(SUBMITTERS, submit_and_maybe_cancel, &office);
    CHECK_EQ(thrum_workers_close(&office.workers), 0);
    CHECK_EQ(office.done + office.cancelled, SUBMITTERS * ROUNDS);
    CHECK(office.done > 0 && office.cancelled > 0);
    return thrum_group_close(&group, 0, NULL);
}

TEST(a_crowd_submits_and_cancels)
{
    run_everywhere(busy_office, NULL);
}
