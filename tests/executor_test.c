/*
 * executor_test.c - calls run on threads, their results come back, and a cancel
 * stops, tells or abandons them.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "runtime/atomic/verbs.h"
#include "runtime/plat/fault.h"
#include "runtime/plat/thread.h"
#include "workers.h"

/* What calls and their tasks share. */
static struct {
    thrum_executor *executor;
    uint32_t ran;     /* atomic: calls that began */
    uint32_t ended;   /* atomic: calls that ended */
    uint32_t told;    /* atomic: calls that heard of a cancel */
    uint32_t dropped; /* atomic */
    uint32_t go;      /* atomic: calls may end */
} shared;

/* Runs the task everywhere, each time with a new executor of that many threads. */
static void play(thrum_fn fn, uint32_t threads)
{
    static const int counts[] = {1, 2, 8};

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        thrum_executor_options options = THRUM_EXECUTOR_OPTIONS_INIT;
        size_t busy = 1;

        memset(&shared, 0, sizeof shared);
        options.threads = threads;
        CHECK_EQ(thrum_executor_create(&shared.executor, &options), 0);
        CHECK_EQ(run_with(counts[i], fn, NULL), 0);
        CHECK_EQ(thrum_executor_close(shared.executor, thrum_s(3600), &busy), 0);
        CHECK_EQ(busy, 0);
    }
}

static int give(void *arg)
{
    add_relaxed(&shared.ran, 1); /* relaxed: a counter */
    CHECK_EQ(thrum_self(), 0);
    CHECK_EQ(thrum_thread_check_cancelled(), 0);
    return *(const int *)arg;
}

/* Until it is told, or may end. */
static int linger(void *arg)
{
    (void)arg;
    add_relaxed(&shared.ran, 1);                                         /* relaxed: a counter */
    while (!load_relaxed(&shared.go) && !thrum_thread_check_cancelled()) /* relaxed: a flag */
        sched_yield();
    add_relaxed(&shared.told, thrum_thread_check_cancelled() != 0); /* relaxed: a counter */
    add_relaxed(&shared.ended, 1);                                  /* relaxed: a counter */
    return -EIO;
}

static void drop(void *copy)
{
    CHECK_EQ(*(const int *)copy, 42);
    add_release(&shared.dropped, 1);
}

static void await(const uint32_t *counter, uint32_t n)
{
    while (load_relaxed(counter) < n) /* relaxed: a counter */
        CHECK_EQ(thrum_yield(), 0);
}

/* ---- results -------------------------------------------------------------------------------- */

static int results(void *arg)
{
    (void)arg;
    CHECK_EQ(thrum_executor_threads(shared.executor), 0);
    for (int i = 0; i < 200; i++) {
        int status = i % 3 ? i : -i;

        CHECK_EQ(thrum_to_thread(shared.executor, give, &status), status);
        CHECK_EQ(thrum_to_thread_copy(shared.executor, give, &status, sizeof status, NULL), status);
    }
    CHECK_EQ(shared.ran, 400);
    CHECK_LE(thrum_executor_threads(shared.executor), 4);
    return 0;
}

TEST(a_call_s_result_comes_back)
{
    play(results, 4);
}

static int one_call(void *arg)
{
    return thrum_to_thread(shared.executor, give, arg);
}

static int crowd(void *arg)
{
    int zero = 0;
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < many(4000); i++)
        CHECK_EQ(thrum_group_spawn(&group, one_call, &zero, NULL, NULL), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(shared.ran, many(4000));
    CHECK_EQ(thrum_executor_waiting(shared.executor), 0);
    return 0;
}

TEST(more_calls_than_threads_all_run)
{
    play(crowd, 3);
}

/* ---- turns ---------------------------------------------------------------------------------- */

enum { IN_LINE = 20 };

static uint32_t came[IN_LINE]; /* in which order calls began */

static int note(void *arg)
{
    came[add_relaxed(&shared.ended, 1)] = *(const uint32_t *)arg; /* relaxed: one thread */
    return 0;
}

static int one_note(void *arg)
{
    return thrum_to_thread(shared.executor, note, arg);
}

static int hold_the_thread(void *arg)
{
    (void)arg;
    add_relaxed(&shared.ran, 1);      /* relaxed: a counter */
    while (!load_relaxed(&shared.go)) /* relaxed: a flag */
        (void)thrum_thread_check_cancelled();
    return 0;
}

static int holding(void *arg)
{
    return thrum_to_thread(shared.executor, hold_the_thread, arg);
}

static int line_up(void *arg)
{
    uint32_t numbers[IN_LINE];
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, holding, NULL, NULL, NULL), 0);
    await(&shared.ran, 1);
    for (uint32_t i = 0; i < IN_LINE; i++) {
        numbers[i] = i;
        CHECK_EQ(thrum_group_spawn(&group, one_note, &numbers[i], NULL, NULL), 0);
        while (thrum_executor_waiting(shared.executor) <= i)
            CHECK_EQ(thrum_yield(), 0);
    }
    store_relaxed(&shared.go, 1); /* relaxed: a flag */
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    for (uint32_t i = 0; i < IN_LINE; i++)
        CHECK_EQ(came[i], i);
    return 0;
}

TEST(calls_begin_in_the_order_in_which_they_came)
{
    play(line_up, 1);
}

static const thrum_local whose = THRUM_LOCAL_INIT(NULL, NULL);
static uint32_t here[2]; /* atomic: which of two calls has begun */

/* Each waits for the other, and sees its own task's locals all the time. */
static int meet_the_other(void *arg)
{
    uint32_t *mine = arg, *other = &here[mine == here];

    store_release(mine, 1);
    do
        CHECK_EQ(thrum_thread_check_cancelled(), 0);
    while (!load_acquire(other));
    CHECK(thrum_local_get(&whose) == arg);
    return 0;
}

static int with_a_local(void *arg)
{
    CHECK_EQ(thrum_local_set(&whose, arg), 0);
    return thrum_to_thread(shared.executor, meet_the_other, arg);
}

static int two_meet(void *arg)
{
    thrum_group group;

    (void)arg;
    for (int i = 0; i < many(400); i++) {
        memset(here, 0, sizeof here);
        CHECK_EQ(thrum_group_open(&group, NULL), 0);
        CHECK_EQ(thrum_group_spawn(&group, with_a_local, &here[0], NULL, NULL), 0);
        CHECK_EQ(thrum_group_spawn(&group, with_a_local, &here[1], NULL, NULL), 0);
        CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    }
    return 0;
}

TEST(where_a_call_asks_for_its_cancel_others_go_on)
{
    play(two_meet, 2);
}

/* Told once, it goes on asking: nobody else is kept. */
static int ask_on(void *arg)
{
    (void)arg;
    while (!load_relaxed(&shared.go)) /* relaxed: a flag */
        (void)thrum_thread_check_cancelled();
    CHECK_EQ(thrum_thread_check_cancelled(), THRUM_ECANCELED);
    return 0;
}

static int asking_on(void *arg)
{
    thrum_timeout timeout;
    int status;

    (void)arg;
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_ms(1)), 0);
    status = thrum_to_thread(shared.executor, ask_on, NULL);
    CHECK_EQ(status, THRUM_ECANCELED);
    CHECK_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
    return 0;
}

static int outlast(void *arg)
{
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, asking_on, NULL, NULL, NULL), 0);
    CHECK_EQ(thrum_sleep(thrum_ms(2)), 0);
    store_relaxed(&shared.go, 1); /* relaxed: a flag */
    return thrum_group_close(&group, 0, NULL);
}

TEST(a_call_may_ask_again_after_it_was_told)
{
    play(outlast, 1);
}

/* ---- cancels -------------------------------------------------------------------------------- */

static int lingering(void *arg)
{
    (void)arg;
    return thrum_to_thread(shared.executor, linger, NULL);
}

static int lingering_copy(void *arg)
{
    int value = 42;

    (void)arg;
    return thrum_to_thread_copy(shared.executor, linger, &value, sizeof value, drop);
}

/* Two run, the others wait for a thread. */
static int cancel_all(void *arg)
{
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < many(2000); i++)
        CHECK_EQ(thrum_group_spawn(&group, lingering, NULL, NULL, NULL), 0);
    await(&shared.ran, 2);
    thrum_group_cancel(&group, -1, NULL);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(shared.ran, shared.ended); /* waited for */
    CHECK_EQ(shared.ran, shared.told);
    return 0;
}

TEST(a_cancelled_call_is_told_and_waited_for_or_never_begins)
{
    play(cancel_all, 2);
}

/* Rule 4: a level cancel would be told again and again, but the call has our memory. */
static int cancel_all_in_level(void *arg)
{
    thrum_group_options options = THRUM_GROUP_OPTIONS_INIT;
    thrum_group group;

    (void)arg;
    options.flags = THRUM_LEVEL;
    CHECK_EQ(thrum_group_open(&group, &options), 0);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(thrum_group_spawn(&group, lingering, NULL, NULL, NULL), 0);
    await(&shared.ran, 2);
    thrum_group_cancel(&group, -1, NULL);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(shared.ran, shared.ended);
    CHECK_EQ(shared.ran, shared.told);
    return 0;
}

TEST(a_call_is_waited_for_in_level_style_too)
{
    play(cancel_all_in_level, 2);
}

static int abandon(void *arg)
{
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 50; i++)
        CHECK_EQ(thrum_group_spawn(&group, lingering_copy, NULL, NULL, NULL), 0);
    await(&shared.ran, 2);
    while (thrum_executor_waiting(shared.executor) < 48) /* a task that never began has no copy */
        CHECK_EQ(thrum_yield(), 0);
    thrum_group_cancel(&group, -1, NULL);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    await(&shared.dropped, 50); /* by tasks, and by the threads when they are through */
    return 0;
}

TEST(an_abandoned_call_drops_its_copy_once)
{
    play(abandon, 2);
    CHECK_EQ(shared.dropped, 50);
}

static int shielded(void *arg)
{
    thrum_timeout timeout;
    thrum_shield shield;
    int status;

    (void)arg;
    store_relaxed(&shared.go, 1); /* relaxed: a flag */
    CHECK_EQ(thrum_timeout_begin(&timeout, 0), 0);
    thrum_shield_begin(&shield);
    CHECK_EQ(thrum_to_thread(shared.executor, linger, NULL), -EIO);
    status = thrum_shield_end(&shield);
    CHECK_EQ(status, THRUM_ECANCELED);
    CHECK_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
    CHECK_EQ(shared.told, 0);
    return 0;
}

TEST(a_shielded_call_is_left_alone)
{
    play(shielded, 2);
}

static int blink(void *arg)
{
    add_relaxed((uint32_t *)arg, 1); /* relaxed: a counter */
    return 7;
}

struct race {
    uint32_t began; /* atomic */
    int status;
};

static int racer(void *arg)
{
    struct race *race = arg;

    race->status = thrum_to_thread(shared.executor, blink, &race->began);
    return race->status < 0 ? race->status : 0;
}

/* Whatever a cancel meets: either it never began, or it is over when its task goes on. */
static int races(void *arg)
{
    int rounds = getenv("THRUM_SIM") ? 500 : 34000; /* in all 100,000 and more */

    (void)arg;
    for (int i = 0; i < rounds; i++) {
        struct race race = {0, 0};
        thrum_group group;
        thrum_child child;

        CHECK_EQ(thrum_group_open(&group, NULL), 0);
        CHECK_EQ(thrum_group_spawn_child(&group, &child, racer, &race), 0);
        for (int j = 0; j < i % 4; j++)
            (void)thrum_yield();
        thrum_group_cancel(&group, -1, NULL);
        CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
        CHECK(race.status == 7 || race.status == 0 || race.status == THRUM_ECANCELED);
        CHECK(race.status != 7 || load_relaxed(&race.began) == 1); /* relaxed: it has ended */
    }
    return 0;
}

TEST(cancel_and_end_race)
{
    play(races, 2);
}

/* ---- life ----------------------------------------------------------------------------------- */

static int leave_behind(void *arg)
{
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, lingering_copy, NULL, NULL, NULL), 0);
    await(&shared.ran, 1);
    thrum_group_cancel(&group, -1, NULL);
    return thrum_group_close(&group, 0, NULL);
}

static int deaf_call(void *arg)
{
    (void)arg;
    add_relaxed(&shared.ran, 1);      /* relaxed: a counter */
    while (!load_relaxed(&shared.go)) /* relaxed: a flag */
        sched_yield();
    return 0;
}

static int abandon_deaf(void *arg)
{
    int value = 42;

    (void)arg;
    return thrum_to_thread_copy(shared.executor, deaf_call, &value, sizeof value, drop);
}

static int leave_deaf(void *arg)
{
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, abandon_deaf, NULL, NULL, NULL), 0);
    await(&shared.ran, 1);
    thrum_group_cancel(&group, -1, NULL);
    return thrum_group_close(&group, 0, NULL);
}

TEST(close_says_what_it_waits_for)
{
    size_t busy = 0;

    REAL_WORLD_ONLY;
    memset(&shared, 0, sizeof shared);
    CHECK_EQ(thrum_executor_create(&shared.executor, NULL), 0);
    CHECK_EQ(run_with(2, leave_deaf, NULL), 0);
    CHECK_EQ(thrum_executor_close(shared.executor, -1, NULL), -EINVAL);
    CHECK_EQ(thrum_executor_close(shared.executor, 0, &busy), THRUM_ETIMEOUT);
    CHECK_EQ(busy, 1);
    store_relaxed(&shared.go, 1); /* relaxed: a flag */
    CHECK_EQ(thrum_executor_close(shared.executor, thrum_s(3600), &busy), 0);
    CHECK_EQ(busy, 0);
    CHECK_EQ(shared.dropped, 1);
}

TEST(close_waits_for_an_abandoned_call_that_listens)
{
    play(leave_behind, 1);
    CHECK_EQ(shared.dropped, 1);
}

static int without_threads(void *arg)
{
    int three = 3;

    (void)arg;
    store_relaxed(&thrum_thread_fail_after, 1); /* relaxed: this thread alone starts some now */
    CHECK_EQ(thrum_to_thread(shared.executor, give, &three), -EAGAIN);
    CHECK_EQ(shared.ran, 0);
    CHECK_EQ(thrum_to_thread(shared.executor, give, &three), 3);
    return 0;
}

TEST(without_a_thread_a_call_is_refused)
{
    REAL_WORLD_ONLY;
    play(without_threads, 2);
}

static int refused(void *arg)
{
    int *ran = arg;
    int status = thrum_to_thread(shared.executor, give, ran);

    return status == -EAGAIN ? 0 : -1;
}

/* All at once, so that some wait for the thread that another one could not make. */
static int refused_all(void *arg)
{
    thrum_group group;
    int three = 3;

    (void)arg;
    store_relaxed(&thrum_thread_fail_after, FAULT_ALWAYS); /* relaxed: nobody else starts threads */
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < many(4000); i++)
        CHECK_EQ(thrum_group_spawn(&group, refused, &three, NULL, NULL), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(shared.ran, 0);
    CHECK_EQ(thrum_executor_waiting(shared.executor), 0);
    CHECK_EQ(thrum_executor_threads(shared.executor), 0);
    store_relaxed(&thrum_thread_fail_after, 0); /* relaxed: likewise */
    CHECK_EQ(thrum_to_thread(shared.executor, give, &three), 3);
    return 0;
}

TEST(if_no_thread_can_ever_be_had_all_calls_are_refused)
{
    REAL_WORLD_ONLY;
    play(refused_all, 8);
}

/* The k-th thread cannot be had: who has others waits for them. */
static int some_refused(void *arg)
{
    (void)arg;
    for (uint32_t k = 1; k <= 9; k++) {
        int status = 0;
        thrum_error *errors;
        thrum_group group;

        store_relaxed(&thrum_thread_fail_after, k); /* relaxed: a counter */
        CHECK_EQ(thrum_group_open(&group, collecting()), 0);
        for (int i = 0; i < 200; i++)
            CHECK_EQ(thrum_group_spawn(&group, one_call, &status, NULL, NULL), 0);
        status = thrum_group_close(&group, 0, &errors);
        CHECK(status == 0 || status == THRUM_EGROUP);
        thrum_error_free(errors);
        store_relaxed(&thrum_thread_fail_after, 0); /* relaxed: a counter */
        CHECK_EQ(thrum_executor_waiting(shared.executor), 0);
    }
    return 0;
}

TEST(a_thread_that_cannot_be_had_is_not_missed_where_there_are_others)
{
    REAL_WORLD_ONLY;
    play(some_refused, 8);
}

/* ---- saturated ------------------------------------------------------------------------------- */

enum { SATURATED = 10000, SATURATED_THREADS = 16 };

static int saturate(thrum_fn fn)
{
    thrum_group group;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < SATURATED; i++)
        CHECK_EQ(thrum_group_spawn(&group, fn, NULL, NULL, NULL), 0);
    await(&shared.ran, SATURATED_THREADS); /* calls that wait get a thread each */
    CHECK_EQ(thrum_executor_threads(shared.executor), SATURATED_THREADS);
    while (thrum_executor_waiting(shared.executor) < SATURATED - SATURATED_THREADS)
        CHECK_EQ(thrum_yield(), 0);
    thrum_group_cancel(&group, -1, NULL);
    return thrum_group_close(&group, 0, NULL);
}

static int saturate_and_wait(void *arg)
{
    (void)arg;
    CHECK_EQ(saturate(lingering), 0);
    CHECK_EQ(shared.ran, shared.ended); /* waited for */
    CHECK_EQ(shared.ran, shared.told);
    CHECK_EQ(thrum_executor_waiting(shared.executor), 0);
    return 0;
}

static int saturate_and_abandon(void *arg)
{
    (void)arg;
    return saturate(abandon_deaf);
}

TEST(a_saturated_executor_that_waits_closes_in_time)
{
    REAL_WORLD_ONLY;
    play(saturate_and_wait, SATURATED_THREADS);
}

/* The threads hear of nothing: close says so when its time is up, and goes on later. */
TEST(a_saturated_executor_that_abandons_closes_in_time)
{
    static const int counts[] = {1, 2, 8};

    REAL_WORLD_ONLY;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        thrum_executor_options options = THRUM_EXECUTOR_OPTIONS_INIT;
        size_t busy = 0;

        memset(&shared, 0, sizeof shared);
        options.threads = SATURATED_THREADS;
        CHECK_EQ(thrum_executor_create(&shared.executor, &options), 0);
        CHECK_EQ(run_with(counts[i], saturate_and_abandon, NULL), 0);
        CHECK_EQ(shared.ran, SATURATED_THREADS);
        CHECK_EQ(load_relaxed(&shared.dropped), SATURATED - SATURATED_THREADS);
        /* relaxed: by tasks, which have ended */
        CHECK_EQ(thrum_executor_close(shared.executor, thrum_ms(10), &busy), THRUM_ETIMEOUT);
        CHECK_EQ(busy, SATURATED_THREADS);
        store_relaxed(&shared.go, 1); /* relaxed: a flag */
        CHECK_EQ(thrum_executor_close(shared.executor, thrum_s(3600), &busy), 0);
        CHECK_EQ(shared.dropped, SATURATED);
    }
}

/* ---- how many threads ----------------------------------------------------------------------- */

/* Each waits for all others: none ends before all have a thread. */
static int meet(void *arg)
{
    (void)arg;
    add_relaxed(&shared.ran, 1);           /* relaxed: a counter */
    while (load_relaxed(&shared.ran) < 40) /* relaxed: a counter */
        sched_yield();
    return 0;
}

static int one_meeting(void *arg)
{
    return thrum_to_thread(shared.executor, meet, arg);
}

static int forty_meet(void *arg)
{
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 40; i++)
        CHECK_EQ(thrum_group_spawn(&group, one_meeting, NULL, NULL, NULL), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(thrum_executor_threads(shared.executor), 40);
    return 0;
}

TEST(calls_that_wait_for_each_other_all_get_a_thread)
{
    REAL_WORLD_ONLY;
    play(forty_meet, 40);
}

/* ---- the runtime's own ---------------------------------------------------------------------- */

static char said[4096];

static void hear(const char *line, void *context)
{
    (void)context;
    strncat(said, line, sizeof said - strlen(said) - 2);
    strcat(said, "\n");
}

static thrum_runtime *with_patience(int workers, int64_t ns)
{
    thrum_options options = THRUM_OPTIONS_INIT;
    thrum_runtime *runtime;

    memset(&shared, 0, sizeof shared);
    said[0] = '\0';
    options.workers = workers;
    options.report = hear;
    options.abandoned_ns = ns;
    CHECK_EQ(thrum_runtime_create(&runtime, &options), 0);
    return runtime;
}

static int crowd_of_its_own(void *arg)
{
    int zero = 0;
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < many(4000); i++)
        CHECK_EQ(thrum_group_spawn(&group, one_call, &zero, NULL, NULL), 0);
    return thrum_group_close(&group, 0, NULL);
}

TEST(a_runtime_has_an_executor_of_its_own)
{
    run_everywhere(crowd_of_its_own, NULL);
    CHECK_LE(3 * many(4000), shared.ran);
}

static int abandon_one(void *arg)
{
    thrum_task_options options = THRUM_TASK_OPTIONS_INIT;
    thrum_group group;

    (void)arg;
    options.name = "the deaf one";
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, abandon_deaf, NULL, &options, NULL), 0);
    await(&shared.ran, 1);
    thrum_group_cancel(&group, -1, NULL);
    return thrum_group_close(&group, 0, NULL);
}

TEST(close_leaves_behind_what_does_not_end_and_says_so)
{
    REAL_WORLD_ONLY;
    for (int workers = 1; workers <= 8; workers *= 2) {
        thrum_runtime *runtime = with_patience(workers, 1);

        CHECK_EQ(thrum_runtime_run(runtime, abandon_one, NULL, NULL), 0);
        CHECK_EQ(thrum_runtime_close(runtime), THRUM_ETIMEOUT);
        CHECK(strstr(said, "leaves behind 1 calls") != NULL);
        CHECK(strstr(said, "of task the deaf one") != NULL);
        store_relaxed(&shared.go, 1);          /* relaxed: a flag */
        while (!load_acquire(&shared.dropped)) /* the thread frees the rest */
            sched_yield();
    }
}

static int abandon_listening(void *arg)
{
    (void)arg;
    return leave_behind(NULL);
}

TEST(close_waits_for_what_ends_and_says_nothing)
{
    thrum_runtime *runtime = with_patience(2, 0);

    CHECK_EQ(thrum_runtime_run(runtime, abandon_listening, NULL, NULL), 0);
    CHECK_EQ(thrum_runtime_close(runtime), 0);
    CHECK_EQ(shared.dropped, 1);
    CHECK_STR_EQ(said, "");
}

TEST(options_out_of_range_are_refused)
{
    thrum_options of_runtime = THRUM_OPTIONS_INIT;
    thrum_runtime *runtime = NULL;
    thrum_executor_options options = THRUM_EXECUTOR_OPTIONS_INIT;
    thrum_executor *executor = NULL;

    options.idle_ns = -1;
    CHECK_EQ(thrum_executor_create(&executor, &options), -EINVAL);
    options = (thrum_executor_options)THRUM_EXECUTOR_OPTIONS_INIT;
    options.size--;
    CHECK_EQ(thrum_executor_create(&executor, &options), -EINVAL);
    CHECK(executor == NULL);
    of_runtime.abandoned_ns = -1;
    CHECK_EQ(thrum_runtime_create(&runtime, &of_runtime), -EINVAL);
}
