/*
 * fault_test.c - what goes wrong once in a while is found by exploring with faults, told shortly,
 * and does no harm to Thrum itself.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/check.h"
#include "tests/workers.h"

enum { BROKEN = -1001, LEAKED = -1002 };

static thrum_explore_options faulty(thrum_strategy strategy, uint32_t faults)
{
    thrum_explore_options options = THRUM_EXPLORE_OPTIONS_INIT;

    options.strategy = (uint32_t)strategy;
    options.flags = THRUM_EXPLORE_QUIET;
    options.faults = faults;
    return options;
}

static const thrum_strategy strategies[] = {THRUM_STRATEGY_DEFAULT, THRUM_STRATEGY_RANDOM,
                                            THRUM_STRATEGY_PCT,     THRUM_STRATEGY_POS,
                                            THRUM_STRATEGY_SURW,    THRUM_STRATEGY_SYSTEMATIC};

#define STRATEGIES (sizeof strategies / sizeof strategies[0])

/* Found by every strategy, in one place or two, and not without faults. */
static void finds(thrum_fn fn, int status, uint32_t faults, size_t deltas)
{
    for (size_t i = 0; i < STRATEGIES; i++) {
        thrum_explore_options options = faulty(strategies[i], faults);
        thrum_explore_result result;
        size_t matched = 0;

        if (strategies[i] == THRUM_STRATEGY_SYSTEMATIC && faults == THRUM_FAULT_LATENCY)
            continue;
        options.delays = 2;
        CHECK_EQ(thrum_explore(&options, fn, NULL, &result), status);
        CHECK_LE(result.deltas, deltas);
        CHECK(strchr(result.replay, '#') != NULL);
        CHECK_EQ(thrum_replay(result.replay, fn, NULL, &matched), status);
        CHECK_EQ(matched, result.deltas);
        options.flags |= THRUM_EXPLORE_TWICE;
        CHECK_EQ(thrum_explore(&options, fn, NULL, &result), status);
        options.faults = 0;
        options.schedules = 300;
        CHECK_EQ(thrum_explore(&options, fn, NULL, NULL), 0);
    }
}

/* ---- places of the program's own ------------------------------------------------------------ */

struct store {
    thrum_mutex mutex;
    int written;
};

static int write_block(struct store *store)
{
    if (thrum_buggify())
        return -EIO;
    store->written++;
    return 0;
}

/* Its way out in case of an error forgets the lock. */
static int save(void *arg)
{
    struct store *store = arg;
    int status = thrum_mutex_lock(&store->mutex);

    if (status)
        return status;
    for (int i = 0; i < 3; i++)
        if (write_block(store))
            return 0; /* it will be tried again */
    thrum_mutex_unlock(&store->mutex);
    return 0;
}

static int save_once(void *arg)
{
    struct store store = {THRUM_MUTEX_INIT, 0};

    (void)arg;
    return save(&store);
}

TEST(an_error_path_that_forgets_a_lock_is_found)
{
    finds(save_once, THRUM_ELEFT, THRUM_FAULT_BUGGIFY, 1);
}

static int nothing_happens(void *arg)
{
    int *times = arg;

    for (int i = 0; i < 100; i++)
        *times += thrum_buggify();
    return 0;
}

TEST(in_the_real_world_and_without_the_option_nothing_goes_wrong)
{
    thrum_explore_options options = faulty(THRUM_STRATEGY_RANDOM, 0);
    int times = 0;

    CHECK_EQ(thrum_run(nothing_happens, &times, NULL, NULL), 0);
    options.schedules = 100;
    CHECK_EQ(thrum_explore(&options, nothing_happens, &times, NULL), 0);
    options.faults = THRUM_FAULT_MEMORY;
    CHECK_EQ(thrum_explore(&options, nothing_happens, &times, NULL), 0);
    CHECK_EQ(times, 0);
    CHECK(!thrum_buggify());
    options.faults = THRUM_FAULT_BUGGIFY;
    options.schedules = 1000;
    CHECK_EQ(thrum_explore(&options, nothing_happens, &times, NULL), 0);
    CHECK_LE(1000 * 100 / 32, times); /* 1/16 are expected */
    CHECK_LE(times, 1000 * 100 / 8);
}

TEST(a_history_with_faults_is_text_like_any_other)
{
    static const char *const texts[] = {"1@2#", "1@2#x", "1@2#3x", "#1", "1#1", "1@#1"};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        CHECK_EQ(thrum_replay(texts[i], save_once, NULL, NULL), -EINVAL);
    CHECK_EQ(thrum_replay("7@8:9#4294967295", save_once, NULL, NULL), 0);
}

/* ---- choices -------------------------------------------------------------------------------- */

static int the_third_is_bad(void *arg)
{
    (void)arg;
    return thrum_choose(5) == 3 && thrum_choose(2) == 1 ? BROKEN : 0;
}

TEST(a_choice_is_explored)
{
    for (size_t i = 0; i < STRATEGIES; i++) {
        thrum_explore_options options = faulty(strategies[i], 0);
        thrum_explore_result result;

        CHECK_EQ(thrum_explore(&options, the_third_is_bad, NULL, &result), BROKEN);
        CHECK_STR_EQ(result.replay, "0@0=3 0@0:1=1");
    }
}

/* ---- memory --------------------------------------------------------------------------------- */

/* The second allocation's error path gives back nothing. */
static int two_blocks(void **first)
{
    void *second;

    *first = thrum_malloc(100);
    if (!*first)
        return -ENOMEM;
    second = thrum_malloc(100);
    if (!second)
        return -ENOMEM;
    thrum_free(second);
    thrum_free(*first);
    *first = NULL;
    return 0;
}

static int blocks_come_back(void *arg)
{
    void *first;
    int status = two_blocks(&first);

    (void)arg;
    if (!first)
        return status;
    thrum_free(first);
    return LEAKED;
}

TEST(a_leak_behind_a_failed_allocation_is_found)
{
    thrum_explore_options options = faulty(THRUM_STRATEGY_DEFAULT, THRUM_FAULT_MEMORY);
    thrum_explore_result result;

    CHECK_EQ(thrum_explore(&options, blocks_come_back, NULL, &result), LEAKED);
    CHECK_STR_EQ(result.replay, "0@0:1#1");
}

/* ---- calls on threads ------------------------------------------------------------------------ */

static int answer(void *arg)
{
    (void)arg;
    return 0;
}

/* It counts on a call being over within a tenth of a second. */
static int hurried_call(void *arg)
{
    int64_t begin = thrum_now().ns;
    int status = thrum_to_thread(NULL, answer, NULL);

    (void)arg;
    if (status)
        return status == -EAGAIN ? 0 : status;
    return thrum_now().ns - begin == (int64_t)1 << 27 ? BROKEN : 0;
}

TEST(a_call_that_takes_long_is_found)
{
    finds(hurried_call, BROKEN, THRUM_FAULT_LATENCY, 1);
}

/* Its way out forgets that there may be no thread. */
static int call_of_threads(void *arg)
{
    (void)arg;
    return thrum_to_thread(NULL, answer, NULL) == -EAGAIN ? BROKEN : 0;
}

TEST(a_call_that_finds_no_thread_is_found)
{
    finds(call_of_threads, BROKEN, THRUM_FAULT_THREAD, 1);
}

/* ---- whatever Thrum itself asks for ---------------------------------------------------------- */

static int rest(void *arg)
{
    (void)arg;
    return thrum_sleep(thrum_ms(1));
}

static int fail(void *arg)
{
    (void)arg;
    return thrum_fail(-EIO, "on purpose");
}

/* Both of them, or what went wrong. */
static int children(void *arg)
{
    thrum_child some[4];
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    (void)arg;
    if (status)
        return status;
    for (int i = 0; i < 4 && !status; i++)
        status = thrum_group_spawn_child(&group, &some[i], rest, NULL);
    return thrum_group_close(&group, status, NULL);
}

static int copied(void *arg)
{
    const char *text = arg;
    int status = thrum_yield();

    CHECK_EQ(strlen(text), 99);
    return status;
}

static int tasks(void *arg)
{
    char text[100];
    thrum_task *one = NULL, *two = NULL;
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    (void)arg;
    memset(text, 'x', 99);
    text[99] = '\0';
    if (status)
        return status;
    status = thrum_group_spawn_copy(&group, copied, text, sizeof text, NULL, &one);
    if (!status)
        status = thrum_group_spawn(&group, rest, NULL, NULL, &two);
    if (!status)
        status = thrum_task_join(one, NULL);
    if (two)
        thrum_task_cancel(two, -EINTR, "enough");
    if (one)
        thrum_task_unref(one);
    if (two)
        thrum_task_unref(two);
    return thrum_group_close(&group, status, NULL);
}

static int errors(void *arg)
{
    thrum_call calls[2] = {{.fn = fail}, {.fn = rest}};
    thrum_error *all = NULL;
    int status = thrum_gather(calls, 2, THRUM_COLLECT, 0, &all);

    (void)arg;
    for (int i = 0; i < 2; i++)
        thrum_error_free(calls[i].outcome.error);
    thrum_error_free(all);
    return status == -EIO || status == THRUM_EGROUP ? 0 : status;
}

static int timeouts(void *arg)
{
    thrum_timeout outer, inner;
    thrum_event event = THRUM_EVENT_INIT;
    int status = thrum_timeout_begin(&outer, thrum_ms(3));

    (void)arg;
    if (status)
        return status;
    status = thrum_timeout_begin(&inner, thrum_ms(1));
    if (!status) {
        status = thrum_timeout_end(&inner, thrum_event_wait(&event));
        if (status == THRUM_ETIMEOUT)
            status = thrum_sleep(thrum_ms(1));
    }
    return thrum_timeout_end(&outer, status);
}

static int queues(void *arg)
{
    thrum_queue queue;
    int status = thrum_queue_init(&queue, sizeof(int), NULL);

    (void)arg;
    if (status)
        return status;
    for (int i = 0; i < 300 && !status; i++)
        status = thrum_queue_put(&queue, &i);
    thrum_queue_destroy(&queue);
    return status;
}

static int locals(void *arg)
{
    static const thrum_local local = THRUM_LOCAL_INIT(NULL, thrum_free);
    void *value = thrum_malloc(10);
    int status;

    (void)arg;
    if (!value)
        return -ENOMEM;
    status = thrum_local_set(&local, value);
    if (status) {
        thrum_free(value);
        return status;
    }
    return children(NULL);
}

static int to_three(thrum_generator *generator, void *arg)
{
    int status = 0;

    (void)arg;
    for (int i = 0; i < 3 && !status; i++)
        status = thrum_generator_yield(generator, &i);
    return status == THRUM_ECLOSED ? 0 : status;
}

static int generators(void *arg)
{
    thrum_generator generator;
    int value, status = thrum_generator_open(&generator, to_three, NULL, sizeof value);

    (void)arg;
    if (status)
        return status;
    while ((status = thrum_generator_next(&generator, &value)) == 1)
        continue;
    return thrum_generator_close(&generator, status);
}

static void drop_nothing(void *copy)
{
    (void)copy;
}

static int calls(void *arg)
{
    thrum_executor *executor;
    int status = thrum_executor_create(&executor, NULL);
    int n = 1;

    (void)arg;
    if (status)
        return status;
    status = thrum_to_thread(executor, answer, NULL);
    if (!status)
        status = thrum_to_thread_copy(NULL, answer, &n, sizeof n, drop_nothing);
    CHECK_EQ(thrum_executor_close(executor, 0, NULL), 0);
    return status;
}

static int limited_calls(void *arg)
{
    thrum_limiter *limiter;
    int status = thrum_limiter_create(&limiter, 2);
    int n = 1;

    (void)arg;
    if (status)
        return status;
    status = thrum_limiter_call_copy(limiter, NULL, answer, &n, sizeof n, drop_nothing);
    thrum_limiter_close(limiter);
    return status;
}

static int racing(void *arg)
{
    thrum_call contenders[2] = {{.fn = rest}, {.fn = answer}};
    size_t winner;
    int status = thrum_race(contenders, 2, thrum_us(10), &winner);

    (void)arg;
    for (int i = 0; i < 2; i++)
        thrum_error_free(contenders[i].outcome.error);
    return status;
}

static int serve(thrum_service *service, void *arg)
{
    int status;

    (void)arg;
    thrum_service_ready(service);
    do
        status = thrum_service_pause(service, thrum_ms(1));
    while (!status);
    return status == THRUM_ESHUTDOWN ? 0 : status;
}

static int services(void *arg)
{
    thrum_service_options options = THRUM_SERVICE_OPTIONS_INIT;
    thrum_service service;
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    (void)arg;
    if (status)
        return status;
    options.run = serve;
    status = thrum_service_start(&service, &group, &options);
    if (!status)
        status = thrum_service_stop(&service, thrum_s(1), NULL);
    return thrum_group_close(&group, status, NULL);
}

static int workers(void *arg)
{
    thrum_workers_options options = THRUM_WORKERS_OPTIONS_INIT;
    thrum_outcome outcome = {THRUM_OK, 0, NULL};
    thrum_workers pool;
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    (void)arg;
    if (status)
        return status;
    options.count = 2;
    status = thrum_workers_open(&pool, &group, &options);
    if (!status) {
        int ended;

        status = thrum_workers_call(&pool, rest, NULL, &outcome);
        thrum_error_free(outcome.error);
        while ((ended = thrum_workers_close(&pool)) == -ENOMEM)
            continue;
        status = status ? status : ended;
        if (status == THRUM_ESHUTDOWN)
            status = 0; /* no worker is left: the group says why */
    }
    return thrum_group_close(&group, status, NULL);
}

static int flush(void **items, int *statuses, size_t n, void *context)
{
    (void)context, (void)items;
    for (size_t i = 0; i < n; i++)
        statuses[i] = 0;
    return thrum_yield();
}

static int batches(void *arg)
{
    thrum_batcher_options options = THRUM_BATCHER_OPTIONS_INIT;
    thrum_batcher batcher;
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    (void)arg;
    if (status)
        return status;
    options.flush = flush;
    status = thrum_batcher_open(&batcher, &group, &options);
    if (!status) {
        int ended, item = 1;

        status = thrum_batcher_submit(&batcher, &item);
        while ((ended = thrum_batcher_close(&batcher)) == -ENOMEM)
            continue;
        status = status ? status : ended;
        if (status == THRUM_EBROKEN)
            status = 0; /* its task could not run: the group says why */
    }
    return thrum_group_close(&group, status, NULL);
}

static int gathering(void *arg)
{
    static const int ten[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    thrum_array_iter array;
    void *items = NULL;
    size_t n = 0;
    int status = thrum_iter_collect(thrum_iter_array(&array, ten, 10, sizeof ten[0]), &items, &n);

    (void)arg;
    free(items);
    return status;
}

static int by_value(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static int sorting(void *arg)
{
    int numbers[64];
    int status;

    (void)arg;
    for (int i = 0; i < 64; i++)
        numbers[i] = i * 37 % 64;
    status = thrum_parallel_sort(numbers, 64, sizeof numbers[0], by_value);
    if (!status)
        for (int i = 0; i < 64; i++)
            CHECK_EQ(numbers[i], i);
    return status;
}

static const thrum_fn users[] = {children, tasks,      errors,  timeouts,      queues,
                                 locals,   generators, calls,   limited_calls, racing,
                                 services, workers,    batches, gathering,     sorting};

/* Every request is refused in turn, in the ordinary order and in others: no status but of lack. */
TEST(a_refused_allocation_is_a_clean_code)
{
    for (size_t i = 0; i < sizeof users / sizeof users[0]; i++) {
        thrum_explore_options options =
            faulty(THRUM_STRATEGY_DEFAULT, THRUM_FAULT_MEMORY | THRUM_FAULT_THREAD);
        thrum_explore_result result;

        options.flags |= THRUM_EXPLORE_TWICE;
        options.schedules = 400;
        CHECK_EQ(thrum_explore(&options, users[i], NULL, &result), 0);
        options.strategy = THRUM_STRATEGY_SYSTEMATIC;
        options.schedules = 2000;
        options.delays = 1;
        CHECK_EQ(thrum_explore(&options, users[i], NULL, &result), 0);
        CHECK(result.complete);
    }
}
