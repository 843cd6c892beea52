/*
 * explore_test.c - the simulated world finds what is wrong with small programs,
 * tells it shortly, and does the same again.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/atomic/verbs.h"
#include "tests/check.h"
#include "tests/workers.h"

enum { LOST = -1001, TORN = -1002 };

static thrum_explore_options quiet(thrum_strategy strategy)
{
    thrum_explore_options options = THRUM_EXPLORE_OPTIONS_INIT;

    options.strategy = (uint32_t)strategy;
    options.flags = THRUM_EXPLORE_QUIET;
    return options;
}

/* Run several functions as tasks, and close. */
static int together(const thrum_fn *fns, size_t n, void *arg)
{
    thrum_child children[8];
    thrum_group group;

    CHECK_LE(n, 8);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (size_t i = 0; i < n; i++)
        CHECK_EQ(thrum_group_spawn_child(&group, &children[i], fns[i], arg), 0);
    return thrum_group_close(&group, 0, NULL);
}

/* ---- programs ------------------------------------------------------------------------------- */

/* Two tasks count without a lock. */
static int count_up(void *arg)
{
    int *n = arg;

    thrum_shared_store(n, thrum_shared_load(n) + 1);
    return 0;
}

static int lost_update(void *arg)
{
    int n = 0;
    int status = together((thrum_fn[]){count_up, count_up}, 2, &n);

    (void)arg;
    return status ? status : n == 2 ? 0 : LOST;
}

struct counter {
    thrum_mutex mutex;
    int n;
};

static int count_up_locked(void *arg)
{
    struct counter *counter = arg;

    for (int i = 0; i < 4; i++) {
        int status = thrum_mutex_lock(&counter->mutex);

        if (status)
            return status;
        thrum_shared_store(&counter->n, thrum_shared_load(&counter->n) + 1);
        thrum_mutex_unlock(&counter->mutex);
    }
    return 0;
}

static int kept_update(void *arg)
{
    struct counter counter = {THRUM_MUTEX_INIT, 0};
    int status =
        together((thrum_fn[]){count_up_locked, count_up_locked, count_up_locked}, 3, &counter);

    (void)arg;
    return status ? status : counter.n == 12 ? 0 : LOST;
}

/* Two mutexes, taken in two orders. */
static int take_both(thrum_mutex *first, thrum_mutex *second)
{
    int status = thrum_mutex_lock(first);

    if (status)
        return status;
    status = thrum_mutex_lock(second);
    if (!status)
        thrum_mutex_unlock(second);
    thrum_mutex_unlock(first);
    return status;
}

static int in_one_order(void *arg)
{
    thrum_mutex *mutexes = arg;

    return take_both(&mutexes[0], &mutexes[1]);
}

static int in_the_other(void *arg)
{
    thrum_mutex *mutexes = arg;

    return take_both(&mutexes[1], &mutexes[0]);
}

static int embrace(void *arg)
{
    thrum_mutex mutexes[2] = {THRUM_MUTEX_INIT, THRUM_MUTEX_INIT};

    (void)arg;
    return together((thrum_fn[]){in_one_order, in_the_other}, 2, mutexes);
}

/* A signal is given before anybody waits, once in a while. */
struct signal {
    thrum_mutex mutex;
    thrum_cond cond;
    int ready;
};

static int wait_for_it(void *arg)
{
    struct signal *signal = arg;
    int status = 0;

    if (thrum_shared_load(&signal->ready)) /* without the lock */
        return 0;
    status = thrum_mutex_lock(&signal->mutex);
    if (status)
        return status;
    status = thrum_cond_wait(&signal->cond, &signal->mutex);
    thrum_mutex_unlock(&signal->mutex);
    return status;
}

static int give_it(void *arg)
{
    struct signal *signal = arg;
    int status = thrum_mutex_lock(&signal->mutex);

    if (status)
        return status;
    thrum_shared_store(&signal->ready, 1);
    thrum_cond_notify_all(&signal->cond);
    thrum_mutex_unlock(&signal->mutex);
    return 0;
}

static int lost_wakeup(void *arg)
{
    struct signal signal = {THRUM_MUTEX_INIT, THRUM_COND_INIT, 0};

    (void)arg;
    return together((thrum_fn[]){wait_for_it, give_it}, 2, &signal);
}

/* Nobody ever says so. */
static int spin(void *arg)
{
    int *flag = arg;

    while (!thrum_shared_load(flag)) {
        int status = thrum_yield();

        if (status)
            return status;
    }
    return 0;
}

static int spin_for_ever(void *arg)
{
    int flag = 0;

    (void)arg;
    return together((thrum_fn[]){spin}, 1, &flag);
}

/* Spinning ends, because a sleeper says so, although all else only looks and yields. */
static int say_so(void *arg)
{
    int status = thrum_sleep(thrum_s(3600));

    thrum_shared_store((int *)arg, 1);
    return status;
}

static int spin_for_an_hour(void *arg)
{
    int flag = 0;

    (void)arg;
    return together((thrum_fn[]){spin, say_so, spin}, 3, &flag);
}

/* ---- finding -------------------------------------------------------------------------------- */

static void finds(thrum_fn fn, int status, thrum_strategy strategy)
{
    thrum_explore_options options = quiet(strategy);
    thrum_explore_result result;
    size_t matched = 0;

    for (uint64_t seed = 0; seed < 20; seed++) {
        options.seed = seed;
        CHECK_EQ(thrum_explore(&options, fn, NULL, &result), status);
        CHECK_EQ(result.status, status);
        CHECK_LE(1, result.failing);
        CHECK_EQ(result.failing, result.schedules);
        CHECK_LE(result.deltas, 2);
        CHECK_EQ(thrum_replay(result.replay, fn, NULL, &matched), status);
        CHECK_EQ(matched, result.deltas);
    }
}

static const thrum_strategy strategies[] = {THRUM_STRATEGY_DEFAULT, THRUM_STRATEGY_RANDOM,
                                            THRUM_STRATEGY_PCT,     THRUM_STRATEGY_POS,
                                            THRUM_STRATEGY_SURW,    THRUM_STRATEGY_SYSTEMATIC,
                                            THRUM_STRATEGY_DELAY,   THRUM_STRATEGY_PORTFOLIO};

#define STRATEGIES (sizeof strategies / sizeof strategies[0])

TEST(every_strategy_finds_a_lost_update)
{
    for (size_t i = 0; i < STRATEGIES; i++)
        finds(lost_update, LOST, strategies[i]);
}

TEST(every_strategy_finds_a_deadly_embrace)
{
    for (size_t i = 0; i < STRATEGIES; i++)
        finds(embrace, THRUM_EDEADLOCK, strategies[i]);
}

TEST(every_strategy_finds_a_lost_wakeup)
{
    for (size_t i = 0; i < STRATEGIES; i++)
        finds(lost_wakeup, THRUM_EDEADLOCK, strategies[i]);
}

TEST(nothing_is_found_where_nothing_is)
{
    for (size_t i = 0; i < STRATEGIES; i++) {
        thrum_explore_options options = quiet(strategies[i]);
        thrum_explore_result result;

        options.schedules = 3000;
        options.delays = 3;
        CHECK_EQ(thrum_explore(&options, kept_update, NULL, &result), 0);
        CHECK_EQ(result.failing, 0);
        CHECK_EQ(result.failures, 0);
        CHECK(result.complete || result.schedules == 3000);
    }
}

/*
 * Each of two tasks begins, loads and stores: three steps in two rows have 20 orders. The update
 * is kept only if one of them has stored before the other loads.
 */
TEST(all_orders_are_counted)
{
    thrum_explore_options options = quiet(THRUM_STRATEGY_SYSTEMATIC);
    thrum_explore_result result;

    options.flags |= THRUM_EXPLORE_ALL;
    CHECK_EQ(thrum_explore(&options, lost_update, NULL, &result), LOST);
    CHECK(result.complete);
    CHECK_EQ(result.schedules, 31); /* in 11 of the 20 a join may find its child stolen, or not */
    CHECK_EQ(result.failures, 18);
    options.delays = 0;
    CHECK_EQ(thrum_explore(&options, lost_update, NULL, &result), 0);
    CHECK(result.complete);
    CHECK_EQ(result.schedules, 1);
}

/* What is printed by an exploration. */
static size_t said_by(const thrum_explore_options *options, thrum_fn fn, int status, char *said,
                      size_t size)
{
    FILE *file = tmpfile();
    int saved = dup(STDERR_FILENO);
    size_t length;

    fflush(stderr);
    CHECK(file != NULL && saved >= 0 && dup2(fileno(file), STDERR_FILENO) >= 0);
    CHECK_EQ(thrum_explore(options, fn, NULL, NULL), status);
    CHECK(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    rewind(file);
    length = fread(said, 1, size - 1, file);
    said[length] = '\0';
    fclose(file);
    return length;
}

TEST(all_orders_are_certified)
{
    thrum_explore_options options = THRUM_EXPLORE_OPTIONS_INIT;
    char said[8192];

    options.strategy = THRUM_STRATEGY_SYSTEMATIC;
    options.name = "two counters";
    options.flags = THRUM_EXPLORE_ALL;
    (void)said_by(&options, lost_update, LOST, said, sizeof said);
    CHECK(strstr(said, "thrum: two counters: all 31 orders were run, in 161 decisions: 18 failed; "
                       "hash 0cdfd7e84227fb39\n") != NULL);
    options.delays = 2;
    (void)said_by(&options, kept_update, 0, said, sizeof said);
    CHECK(strstr(said, " orders with at most 2 delays were run, in ") != NULL);
    CHECK(strstr(said, ": 0 failed; hash ") != NULL);
    options.schedules = 10; /* too few for all */
    CHECK_EQ(said_by(&options, kept_update, 0, said, sizeof said), 0);
    options.schedules = 0;
    options.flags |= THRUM_EXPLORE_QUIET;
    CHECK_EQ(said_by(&options, kept_update, 0, said, sizeof said), 0);
}

TEST(a_run_that_does_not_end_is_cut_off)
{
    thrum_explore_options options = quiet(THRUM_STRATEGY_DEFAULT);
    thrum_explore_result result;

    options.steps = 10000;
    CHECK_EQ(thrum_explore(&options, spin_for_ever, NULL, &result), THRUM_ELIVELOCK);
    CHECK_EQ(result.failing, 1);
    CHECK_EQ(result.deltas, 0);
}

TEST(time_passes_for_those_who_spin)
{
    for (size_t i = 0; i < STRATEGIES; i++) {
        thrum_explore_options options = quiet(strategies[i]);

        options.schedules = 20;
        CHECK_EQ(thrum_explore(&options, spin_for_an_hour, NULL, NULL), 0);
    }
}

/* Without a yield. */
static int look_until_set(void *arg)
{
    while (!thrum_shared_load((int *)arg))
        continue;
    return 0;
}

static int set_flag(void *arg)
{
    thrum_shared_store((int *)arg, 1);
    return 0;
}

static int looks_for_ever(void *arg)
{
    int flag = 0;

    (void)arg;
    return together((thrum_fn[]){look_until_set, set_flag, look_until_set}, 3, &flag);
}

TEST(who_spins_lets_others_go_in_the_end)
{
    for (size_t i = 0; i < STRATEGIES; i++) {
        thrum_explore_options options = quiet(strategies[i]);

        options.schedules = 50;
        options.delays = 1;
        CHECK_EQ(thrum_explore(&options, looks_for_ever, NULL, NULL), 0);
    }
}

/* ---- the same again ------------------------------------------------------------------------- */

TEST(the_same_seed_does_the_same)
{
    for (size_t i = 0; i < STRATEGIES; i++) {
        thrum_explore_options options = quiet(strategies[i]);
        thrum_explore_result first, second, other;

        options.schedules = 200;
        options.seed = 5;
        CHECK_EQ(thrum_explore(&options, kept_update, NULL, &first), 0);
        CHECK_EQ(thrum_explore(&options, kept_update, NULL, &second), 0);
        CHECK(first.hash == second.hash);
        CHECK_EQ(first.decisions, second.decisions);
        options.seed = 6;
        CHECK_EQ(thrum_explore(&options, kept_update, NULL, &other), 0);
        CHECK((first.hash != other.hash) == (strategies[i] != THRUM_STRATEGY_SYSTEMATIC));
    }
}

TEST(every_run_can_be_replayed)
{
    for (size_t i = 0; i < STRATEGIES; i++) {
        thrum_explore_options options = quiet(strategies[i]);

        options.flags |= THRUM_EXPLORE_TWICE;
        options.schedules = 300;
        CHECK_EQ(thrum_explore(&options, kept_update, NULL, NULL), 0);
    }
}

static int not_the_same(void *arg)
{
    int *calls = arg;

    return (*calls)++ % 2 ? kept_update(NULL) : 0;
}

TEST(another_source_of_chance_is_noticed)
{
    thrum_explore_options options = quiet(THRUM_STRATEGY_DEFAULT);
    int calls = 0;

    options.flags |= THRUM_EXPLORE_TWICE;
    CHECK_EQ(thrum_explore(&options, not_the_same, &calls, NULL), THRUM_EDIVERGED);
}

TEST(a_history_that_matches_nowhere_is_the_ordinary_one)
{
    size_t matched = 9;

    CHECK_EQ(thrum_replay("", lost_update, NULL, &matched), 0);
    CHECK_EQ(matched, 0);
    CHECK_EQ(thrum_replay(" 7@1>9  3.4.5@8>r1.2 ", lost_update, NULL, &matched), 0);
    CHECK_EQ(matched, 0);
}

TEST(a_text_that_is_no_history_is_refused)
{
    static const char *const texts[] = {"x",
                                        "1",
                                        "1@",
                                        "1@2",
                                        "1@2>",
                                        "1@2>x",
                                        "1@2>3x",
                                        "1@2>3,1@2>4",
                                        "@1>2",
                                        "1.@2>3",
                                        "1..2@2>3",
                                        "-1@2>3",
                                        "4294967296@2>3",
                                        "1@99999999999>2",
                                        ">",
                                        "1>2@3",
                                        "\xff\xfe"};
    char *huge;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        CHECK_EQ(thrum_replay(texts[i], lost_update, NULL, NULL), -EINVAL);
    huge = malloc(1000001);
    memset(huge, '1', 1000000);
    huge[1000000] = '\0';
    CHECK_EQ(thrum_replay(huge, lost_update, NULL, NULL), -EINVAL);
    free(huge);
}

TEST(options_out_of_range_are_refused)
{
    thrum_explore_options options = quiet(THRUM_STRATEGY_DEFAULT);

    options.strategy = 77;
    CHECK_EQ(thrum_explore(&options, lost_update, NULL, NULL), -EINVAL);
    options = quiet(THRUM_STRATEGY_PCT);
    options.depth = 17;
    CHECK_EQ(thrum_explore(&options, lost_update, NULL, NULL), -EINVAL);
    options = quiet(THRUM_STRATEGY_DEFAULT);
    options.flags = 1u << 31;
    CHECK_EQ(thrum_explore(&options, lost_update, NULL, NULL), -EINVAL);
    options = quiet(THRUM_STRATEGY_DEFAULT);
    options.size--;
    CHECK_EQ(thrum_explore(&options, lost_update, NULL, NULL), THRUM_ELAYOUT);
}

/* ---- time ----------------------------------------------------------------------------------- */

static int live_for_a_year(void *arg)
{
    int64_t begin = thrum_now().ns;

    (void)arg;
    for (int day = 0; day < 365; day++)
        for (int hour = 0; hour < 24; hour++)
            CHECK_EQ(thrum_sleep(thrum_s(3600)), 0);
    CHECK_EQ(thrum_now().ns - begin, (int64_t)365 * 24 * 3600 * 1000000000);
    return 0;
}

TEST(a_year_is_over_at_once)
{
    thrum_options options = THRUM_OPTIONS_INIT;

    options.flags = THRUM_SIMULATE;
    for (options.seed = 0; options.seed < 3; options.seed++)
        CHECK_EQ(thrum_run(live_for_a_year, NULL, &options, NULL), 0);
}

static int wait_in_vain(void *arg)
{
    thrum_timeout timeout;
    thrum_event event = THRUM_EVENT_INIT;

    (void)arg;
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_s(30)), 0);
    CHECK_EQ(thrum_timeout_end(&timeout, thrum_event_wait(&event)), THRUM_ETIMEOUT);
    return 0;
}

TEST(deadlines_come_when_all_wait)
{
    thrum_options options = THRUM_OPTIONS_INIT;

    options.flags = THRUM_SIMULATE;
    for (options.seed = 0; options.seed < 20; options.seed++)
        CHECK_EQ(thrum_run(wait_in_vain, NULL, &options, NULL), 0);
}

/* ---- whoever is not of that world ----------------------------------------------------------- */

static void *set_it(void *arg)
{
    thrum_event_set(arg);
    return NULL;
}

static int be_woken_from_outside(void *arg)
{
    thrum_event event = THRUM_EVENT_INIT;
    pthread_t thread;

    (void)arg;
    thrum_hold(thrum_runtime_self(), "a thread sets the event");
    CHECK_EQ(pthread_create(&thread, NULL, set_it, &event), 0);
    CHECK_EQ(thrum_event_wait(&event), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    thrum_release(thrum_runtime_self());
    return 0;
}

TEST(a_thread_outside_may_wake_a_task)
{
    thrum_options options = THRUM_OPTIONS_INIT;

    options.flags = THRUM_SIMULATE;
    for (int i = 0; i < many(200); i++)
        CHECK_EQ(thrum_run(be_woken_from_outside, NULL, &options, NULL), 0);
}

/* ---- cancels -------------------------------------------------------------------------------- */

enum { LEAKED = -1003 };

struct room {
    thrum_mutex mutex;
    int inside;
    bool careless;
};

/* Two rests, and a way out after each; the careless one forgets the second. */
static int visit(void *arg)
{
    struct room *room = arg;
    int status = thrum_mutex_lock(&room->mutex);

    if (status)
        return status;
    room->inside++;
    status = thrum_sleep(thrum_ms(1));
    if (!status)
        status = thrum_sleep(thrum_ms(1));
    if (status && room->careless)
        return status;
    room->inside--;
    thrum_mutex_unlock(&room->mutex);
    return status;
}

static int visits(bool careless)
{
    struct room room = {THRUM_MUTEX_INIT, 0, careless};
    int status = together((thrum_fn[]){visit, visit}, 2, &room);

    return room.inside ? LEAKED : status;
}

static int careful_visits(void *arg)
{
    (void)arg;
    return visits(false);
}

static int careless_visits(void *arg)
{
    (void)arg;
    return visits(true);
}

TEST(a_cancel_before_every_turn)
{
    for (size_t i = 0; i < STRATEGIES; i++) {
        thrum_explore_options options = quiet(strategies[i]);
        thrum_explore_result result;

        options.schedules = 500;
        options.delays = 1;
        CHECK_EQ(thrum_explore(&options, careless_visits, NULL, &result), 0);
        options.flags |= THRUM_EXPLORE_CANCEL;
        CHECK_EQ(thrum_explore(&options, careful_visits, NULL, &result), 0);
        CHECK_EQ(thrum_explore(&options, careless_visits, NULL, &result), LEAKED);
        CHECK_LE(result.deltas, 2);
        CHECK(strchr(result.replay, '!') != NULL);
        CHECK_EQ(thrum_replay(result.replay, careless_visits, NULL, NULL), LEAKED);
        options.flags |= THRUM_EXPLORE_TWICE;
        CHECK_EQ(thrum_explore(&options, careful_visits, NULL, &result), 0);
    }
}

/* ---- crashes -------------------------------------------------------------------------------- */

static int crash_if_lost(void *arg)
{
    (void)arg;
    if (lost_update(NULL))
        abort();
    return 0;
}

static int unlock_what_is_not_locked(void *arg)
{
    thrum_mutex *mutex = arg;

    if (thrum_mutex_locked(mutex))
        return 0;
    thrum_mutex_unlock(mutex);
    return 0;
}

static int lock_shortly(void *arg)
{
    int status = thrum_mutex_lock(arg);

    if (status)
        return status;
    status = thrum_yield();
    thrum_mutex_unlock(arg);
    return status;
}

static int broken_contract(void *arg)
{
    thrum_mutex mutex = THRUM_MUTEX_INIT;

    (void)arg;
    return together((thrum_fn[]){lock_shortly, unlock_what_is_not_locked}, 2, &mutex);
}

TEST(a_crash_is_a_failure_like_any_other)
{
    size_t n =
        WORKERS_SLOW ? 1 : STRATEGIES; /* TSan sleeps for a second in every child that ends */

    for (size_t i = 0; i < n; i++) {
        thrum_explore_options options = quiet(strategies[i]);
        thrum_explore_result result;

        options.flags |= THRUM_EXPLORE_ISOLATE;
        options.schedules = 1000;
        CHECK_EQ(thrum_explore(&options, crash_if_lost, NULL, &result), THRUM_ECRASHED);
        CHECK_LE(1, result.failing);
        CHECK_LE(result.deltas, 2); /* one is enough, but not each history has it in it */
        CHECK_EQ(thrum_replay(result.replay, lost_update, NULL, NULL), LOST);
        CHECK_EQ(thrum_explore(&options, broken_contract, NULL, &result), THRUM_ECRASHED);
        CHECK_EQ(thrum_explore(&options, lost_update, NULL, &result), LOST);
        CHECK_LE(result.deltas, 2);
        CHECK_EQ(thrum_explore(&options, kept_update, NULL, &result), 0);
    }
}

/* ---- calls on threads ----------------------------------------------------------------------- */

struct call_log {
    uint32_t made; /* atomic: on threads, even if simulated ones */
    uint32_t heard;
};

static int call(void *arg)
{
    struct call_log *log = arg;

    CHECK_EQ(thrum_self(), 0);
    add_relaxed(&log->made, 1); /* relaxed: counters */
    add_relaxed(&log->heard, thrum_thread_check_cancelled() != 0); /* relaxed: likewise */
    return -7;
}

static int call_within(void *arg)
{
    struct call_log *log = arg;
    thrum_timeout timeout;
    int status = thrum_timeout_begin(&timeout, thrum_ms(5));

    if (status)
        return status;
    status = thrum_timeout_end(&timeout, thrum_to_thread(NULL, call, log));
    return status == -7 || status == THRUM_ETIMEOUT ? 0 : status;
}

static struct call_log calls;

static int two_calls(void *arg)
{
    (void)arg;
    return together((thrum_fn[]){call_within, call_within}, 2, &calls);
}

TEST(calls_on_threads_take_virtual_time)
{
    thrum_explore_options options = quiet(THRUM_STRATEGY_RANDOM);

    options.schedules = 500;
    options.flags |= THRUM_EXPLORE_TWICE;
    CHECK_EQ(thrum_explore(&options, two_calls, NULL, NULL), 0);
    CHECK_EQ(calls.made, 4 * 500);
    CHECK_LE(100, calls.heard);
    CHECK_LE(calls.heard, 1900);
}

/* ---- hooks ---------------------------------------------------------------------------------- */

struct told {
    size_t chosen;
    int lines;
};

/* On the scheduler's loop, between two tasks: where nobody can go first. */
static void report_shared(const char *line, void *context)
{
    struct told *told = context;

    (void)line;
    thrum_point();
    thrum_shared_rmw(&told->lines, += 1);
    told->chosen = thrum_choose(3);
    CHECK(!thrum_buggify());
}

static int wait_for_ever(void *arg)
{
    thrum_event event = THRUM_EVENT_INIT;

    (void)arg;
    return thrum_event_wait(&event);
}

static int two_wait_for_ever(void *arg)
{
    (void)arg;
    return together((thrum_fn[]){wait_for_ever, wait_for_ever}, 2, NULL);
}

TEST(what_a_hook_shares_is_no_point)
{
    struct told told = {.lines = 0};
    thrum_options options = THRUM_OPTIONS_INIT;
    thrum_runtime *runtime;

    options.flags = THRUM_SIMULATE;
    options.seed = 1;
    options.report = report_shared;
    options.context = &told;
    CHECK_EQ(thrum_runtime_create(&runtime, &options), 0);
    CHECK_EQ(thrum_runtime_run(runtime, two_wait_for_ever, NULL, NULL), THRUM_EDEADLOCK);
    CHECK_LE(2, told.lines);
    CHECK_LT(told.chosen, 3);
    CHECK_EQ(thrum_runtime_close(runtime), 0);
}

/* ---- what people see ------------------------------------------------------------------------ */

TEST(a_failure_is_a_page_with_a_picture)
{
    thrum_explore_options options = quiet(THRUM_STRATEGY_DEFAULT);
    char path[] = "/tmp/thrum-report-XXXXXX";
    int fd = mkstemp(path);
    char page[16384];
    ssize_t length;

    CHECK_LE(0, fd);
    CHECK_EQ(setenv("THRUM_REPORT", path, 1), 0);
    options.name = "two <counters>";
    CHECK_EQ(thrum_explore(&options, lost_update, NULL, NULL), LOST);
    length = read(fd, page, sizeof page - 1);
    CHECK_LE(1, length);
    page[length] = '\0';
    CHECK(strstr(page, "<h1>two &lt;counters&gt;: ") != NULL);
    CHECK(strstr(page, "THRUM_REPLAY='2@") != NULL);
    CHECK(strstr(page, "<th>task 2</th>") != NULL);
    CHECK(strstr(page, "<td class=\"on delta\"") != NULL);
    CHECK(strstr(page, "<td class=\"on race\"") != NULL);
    CHECK(strstr(page, "<td><code>2@") != NULL); /* how likely it was after the first delta */
    CHECK(strstr(page, "writes object 1") != NULL);
    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(close(fd), 0);
}
