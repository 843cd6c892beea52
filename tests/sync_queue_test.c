/*
 * sync_queue_test.c - every item that was put is got once, in the order that
 * was asked for, whatever is cancelled; and a queue that is shut down lets
 * nobody wait.
 */
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "racing.h"

static bool smaller(const void *a, const void *b)
{
    return *(const int *)a < *(const int *)b;
}

static thrum_queue_options bounded(size_t limit)
{
    thrum_queue_options options = THRUM_QUEUE_OPTIONS_INIT;

    options.limit = limit;
    return options;
}

static thrum_queue_options ordered(uint32_t order)
{
    thrum_queue_options options = THRUM_QUEUE_OPTIONS_INIT;

    options.order = order;
    options.before = order == THRUM_PRIORITY ? smaller : NULL;
    return options;
}

static int get(thrum_queue *queue)
{
    int item = -1;

    CHECK_EQ(thrum_queue_get(queue, &item), 0);
    return item;
}

/* ---- orders ---------------------------------------------------------------------------------- */

static void in_out(uint32_t order, const int *in, const int *out, int n)
{
    thrum_queue_options options = ordered(order);
    thrum_queue queue;

    CHECK_EQ(thrum_queue_init(&queue, sizeof(int), &options), 0);
    for (int i = 0; i < n; i++)
        CHECK_EQ(thrum_queue_put(&queue, &in[i]), 0);
    CHECK_EQ(thrum_queue_count(&queue), n);
    for (int i = 0; i < n; i++)
        CHECK_EQ(get(&queue), out[i]);
    CHECK_EQ(thrum_queue_try_get(&queue, &(int){0}), -EAGAIN);
    thrum_queue_destroy(&queue);
}

static int orders(void *arg)
{
    static const int in[] = {3, 1, 4, 1, 5, 9, 2, 6};
    static const int reversed[] = {6, 2, 9, 5, 1, 4, 1, 3};
    static const int sorted[] = {1, 1, 2, 3, 4, 5, 6, 9};

    (void)arg;
    in_out(THRUM_FIFO, in, in, 8);
    in_out(THRUM_LIFO, in, reversed, 8);
    in_out(THRUM_PRIORITY, in, sorted, 8);
    return 0;
}

TEST(items_come_out_in_the_order_that_was_asked_for)
{
    run_everywhere(orders, NULL);
}

/* Grown, wrapped around, half emptied, grown again: against a plain list. */
static int grows(void *arg)
{
    thrum_queue queue;
    int next_in = 0;
    int next_out = 0;
    uint64_t seed = 88172645463325252u;

    (void)arg;
    CHECK_EQ(thrum_queue_init(&queue, sizeof(int), NULL), 0);
    for (int i = 0; i < 200; i++) {
        int puts = (int)(random_next(&seed) % 300);
        int gets = (int)(random_next(&seed) % 300);

        for (int k = 0; k < puts; k++, next_in++)
            CHECK_EQ(thrum_queue_put(&queue, &next_in), 0);
        for (int k = 0; k < gets && next_out < next_in; k++)
            CHECK_EQ(get(&queue), next_out++);
        CHECK_EQ(thrum_queue_count(&queue), next_in - next_out);
    }
    thrum_queue_destroy(&queue);
    return 0;
}

TEST(a_queue_without_a_limit_grows)
{
    CHECK_EQ(run_with(1, grows, NULL), 0);
}

static int grows_sorted(void *arg)
{
    thrum_queue_options options = ordered(THRUM_PRIORITY);
    thrum_queue queue;
    uint64_t seed = 88172645463325252u;
    int last = -1;

    (void)arg;
    CHECK_EQ(thrum_queue_init(&queue, sizeof(int), &options), 0);
    for (int i = 0; i < 5000; i++)
        CHECK_EQ(thrum_queue_put(&queue, &(int){(int)(random_next(&seed) % 10000)}), 0);
    for (int i = 0; i < 5000; i++) {
        int item = get(&queue);

        CHECK_LE(last, item);
        last = item;
    }
    thrum_queue_destroy(&queue);
    return 0;
}

TEST(five_thousand_come_out_sorted)
{
    CHECK_EQ(run_with(1, grows_sorted, NULL), 0);
}

static int options_checked(void *arg)
{
    thrum_queue_options options = THRUM_QUEUE_OPTIONS_INIT;
    thrum_queue queue;
    char ring[4];

    (void)arg;
    CHECK_EQ(thrum_queue_init(&queue, 0, NULL), -EINVAL);
    options.size = 1;
    CHECK_EQ(thrum_queue_init(&queue, 4, &options), -EINVAL);
    options = bounded(SIZE_MAX / 2);
    CHECK_EQ(thrum_queue_init(&queue, 4, &options), -EINVAL);
    options = ordered(THRUM_PRIORITY);
    options.before = NULL;
    CHECK_EQ(thrum_queue_init(&queue, 4, &options), -EINVAL);
    options = bounded(0);
    options.ring = ring;
    CHECK_EQ(thrum_queue_init(&queue, 4, &options), -EINVAL);
    options = bounded(1);
    thrum_memory_fail_after(0);
    CHECK_EQ(thrum_queue_init(&queue, 4, &options), -ENOMEM);
    return 0;
}

TEST(bad_options_are_refused)
{
    CHECK_EQ(run_with(1, options_checked, NULL), 0);
}

/* In memory of the caller's, nothing is allocated. */
static int no_allocation(void *arg)
{
    int ring[4];
    thrum_queue_options options = bounded(4);
    thrum_queue queue;

    (void)arg;
    options.ring = ring;
    no_allocation_begin();
    CHECK_EQ(thrum_queue_init(&queue, sizeof(int), &options), 0);
    for (int i = 0; i < 1000; i++) {
        for (int k = 0; k < 4; k++)
            CHECK_EQ(thrum_queue_put(&queue, &k), 0);
        CHECK_EQ(thrum_queue_try_put(&queue, &i), -EAGAIN);
        for (int k = 0; k < 4; k++)
            CHECK_EQ(get(&queue), k);
    }
    thrum_queue_destroy(&queue);
    no_allocation_end();
    return 0;
}

TEST(a_queue_in_the_caller_s_memory_allocates_nothing)
{
    CHECK_EQ(run_with(1, no_allocation, NULL), 0);
}

/* ---- waiting --------------------------------------------------------------------------------- */

struct line {
    thrum_queue queue;
    int put; /* one worker: no two at once */
    int got;
};

static int put_mine(void *arg)
{
    struct racer *racer = arg;
    struct line *line = racer->arena;

    CHECK_EQ(thrum_queue_put(&line->queue, &racer->number), 0);
    CHECK_EQ(line->put++, racer->number);
    return 0;
}

static int get_mine(void *arg)
{
    struct racer *racer = arg;
    struct line *line = racer->arena;

    CHECK_EQ(get(&line->queue), racer->number);
    CHECK_EQ(line->got++, racer->number);
    return 0;
}

static void spawn_all(thrum_group *group, thrum_fn fn, struct line *line, struct racer *racers,
                      int n)
{
    for (int i = 0; i < n; i++) {
        racers[i] = (struct racer){line, i, NEVER_RAN};
        CHECK_EQ(thrum_group_spawn(group, fn, &racers[i], NULL, NULL), 0);
    }
    thrum_yield();
}

static int in_order(void *arg)
{
    thrum_queue_options options = bounded(1);
    struct line line = {.put = 0};
    struct racer racers[50];
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_queue_init(&line.queue, sizeof(int), &options), 0);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    spawn_all(&group, put_mine, &line, racers, 50);
    CHECK_EQ(line.put, 1);
    for (int i = 0; i < 50; i++) {
        CHECK_EQ(get(&line.queue), i);
        if (i < 49) /* its room was given to who waited */
            CHECK_EQ(thrum_queue_try_put(&line.queue, &i), -EAGAIN);
    }
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    spawn_all(&group, get_mine, &line, racers, 50);
    for (int i = 0; i < 50; i++) {
        CHECK_EQ(thrum_queue_put(&line.queue, &i), 0);
        CHECK_EQ(thrum_queue_try_get(&line.queue, &(int){0}), -EAGAIN); /* it was handed over */
    }
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    thrum_queue_destroy(&line.queue);
    return 0;
}

TEST(who_waits_is_served_in_order_of_arrival)
{
    IN_ORDER_ONLY;
    CHECK_EQ(run_with(1, in_order, NULL), 0);
}

/* ---- task_done, join ------------------------------------------------------------------------- */

struct work {
    thrum_queue queue;
    uint32_t done;   /* atomic */
    uint32_t number; /* atomic */
};

static int consume(void *arg)
{
    struct work *work = arg;
    int item;
    int status;

    while ((status = thrum_queue_get(&work->queue, &item)) == 0) {
        add_relaxed(&work->done, 1); /* relaxed: a counter */
        CHECK_EQ(thrum_queue_task_done(&work->queue), 0);
    }
    CHECK_EQ(status, THRUM_ESHUTDOWN);
    return 0;
}

static int joined(void *arg)
{
    thrum_queue_options options = bounded(5);
    struct work work = {.done = 0};
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_queue_init(&work.queue, sizeof(int), &options), 0);
    CHECK_EQ(thrum_queue_join(&work.queue), 0);
    CHECK_EQ(thrum_queue_task_done(&work.queue), -EINVAL);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(thrum_group_spawn(&group, consume, &work, NULL, NULL), 0);
    for (uint32_t round = 1; round <= 10; round++) {
        for (int i = 0; i < 100; i++)
            CHECK_EQ(thrum_queue_put(&work.queue, &i), 0);
        CHECK_EQ(thrum_queue_join(&work.queue), 0);
        CHECK_EQ(load_relaxed(&work.done), 100 * round); /* relaxed: a counter */
        CHECK_EQ(thrum_queue_unfinished(&work.queue), 0);
    }
    thrum_queue_shutdown(&work.queue, false); /* one call for four consumers */
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(thrum_queue_task_done(&work.queue), -EINVAL);
    thrum_queue_destroy(&work.queue);
    return 0;
}

TEST(join_waits_until_all_is_done)
{
    run_everywhere(joined, NULL);
}

/* ---- shutdown -------------------------------------------------------------------------------- */

static int put_or_shut(void *arg)
{
    CHECK_EQ(thrum_queue_put(arg, &(int){7}), THRUM_ESHUTDOWN);
    return 0;
}

static int join_it(void *arg)
{
    CHECK_EQ(thrum_queue_join(arg), 0);
    return 0;
}

static int drained(void *arg)
{
    thrum_queue_options options = bounded(2);
    thrum_queue queue;
    thrum_group group;
    int item;

    (void)arg;
    CHECK_EQ(thrum_queue_init(&queue, sizeof(int), &options), 0);
    CHECK_EQ(thrum_queue_put(&queue, &(int){1}), 0);
    CHECK_EQ(thrum_queue_put(&queue, &(int){2}), 0);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, put_or_shut, &queue, NULL, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, join_it, &queue, NULL, NULL), 0);
    thrum_yield();
    thrum_queue_shutdown(&queue, false);
    CHECK_EQ(thrum_queue_put(&queue, &(int){3}), THRUM_ESHUTDOWN);
    CHECK_EQ(get(&queue), 1);
    CHECK_EQ(get(&queue), 2);
    CHECK_EQ(thrum_queue_get(&queue, &item), THRUM_ESHUTDOWN);
    CHECK_EQ(thrum_queue_unfinished(&queue), 2);
    CHECK_EQ(thrum_queue_task_done(&queue), 0);
    CHECK_EQ(thrum_queue_task_done(&queue), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    thrum_queue_shutdown(&queue, true);
    thrum_queue_destroy(&queue);
    return 0;
}

TEST(a_shutdown_lets_what_is_left_be_got)
{
    run_everywhere(drained, NULL);
}

static int dropped(void *arg)
{
    thrum_queue queue;
    thrum_group group;
    int item;

    (void)arg;
    CHECK_EQ(thrum_queue_init(&queue, sizeof(int), NULL), 0);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(thrum_queue_put(&queue, &i), 0);
    CHECK_EQ(get(&queue), 0);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, join_it, &queue, NULL, NULL), 0);
    thrum_yield();
    thrum_queue_shutdown(&queue, true);
    CHECK_EQ(thrum_queue_count(&queue), 0);
    CHECK_EQ(thrum_queue_get(&queue, &item), THRUM_ESHUTDOWN);
    CHECK_EQ(thrum_queue_unfinished(&queue), 1); /* the one that was got */
    CHECK_EQ(thrum_queue_task_done(&queue), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    thrum_queue_destroy(&queue);
    return 0;
}

TEST(an_immediate_shutdown_drops_what_is_left)
{
    run_everywhere(dropped, NULL);
}

/* All who wait are woken: to put, for the end of the work; what is dropped is done. */
static int woken_by_drop(void *arg)
{
    thrum_queue_options options = bounded(2);
    thrum_queue queue;
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_queue_init(&queue, sizeof(int), &options), 0);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(thrum_queue_put(&queue, &i), 0);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(thrum_group_spawn(&group, put_or_shut, &queue, NULL, NULL), 0);
        CHECK_EQ(thrum_group_spawn(&group, join_it, &queue, NULL, NULL), 0);
    }
    thrum_yield();
    thrum_queue_shutdown(&queue, true);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0); /* nobody says that anything is done */
    CHECK_EQ(thrum_queue_unfinished(&queue), 0);
    CHECK_EQ(thrum_queue_task_done(&queue), -EINVAL);
    CHECK_EQ(thrum_queue_join(&queue), 0);
    thrum_queue_shutdown(&queue, true);
    thrum_queue_shutdown(&queue, false); /* it stays as it is */
    CHECK_EQ(thrum_queue_get(&queue, &(int){0}), THRUM_ESHUTDOWN);
    thrum_queue_destroy(&queue);
    return 0;
}

TEST(an_immediate_shutdown_wakes_all_who_wait)
{
    run_everywhere(woken_by_drop, NULL);
}

static int get_or_shut(void *arg)
{
    int item;

    CHECK_EQ(thrum_queue_get(arg, &item), THRUM_ESHUTDOWN);
    return 0;
}

/* Of an empty one those who get are told; from then on also who will not wait. */
static int shut_twice(void *arg)
{
    thrum_queue_options options = bounded(1);
    thrum_queue queue;
    thrum_group group;
    int item = 4;

    (void)arg;
    CHECK_EQ(thrum_queue_init(&queue, sizeof(int), &options), 0);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(thrum_group_spawn(&group, get_or_shut, &queue, NULL, NULL), 0);
    thrum_yield();
    thrum_queue_shutdown(&queue, false);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(thrum_queue_try_put(&queue, &item), THRUM_ESHUTDOWN);
    CHECK_EQ(thrum_queue_try_get(&queue, &item), THRUM_ESHUTDOWN);
    thrum_queue_destroy(&queue);

    CHECK_EQ(thrum_queue_init(&queue, sizeof(int), &options), 0);
    CHECK_EQ(thrum_queue_put(&queue, &item), 0);
    thrum_queue_shutdown(&queue, false);
    CHECK_EQ(thrum_queue_try_put(&queue, &item), THRUM_ESHUTDOWN); /* full or not */
    CHECK_EQ(thrum_queue_count(&queue), 1);
    thrum_queue_shutdown(&queue, true); /* what was to be drained is dropped after all */
    CHECK_EQ(thrum_queue_count(&queue), 0);
    CHECK_EQ(thrum_queue_unfinished(&queue), 0);
    CHECK_EQ(thrum_queue_try_get(&queue, &item), THRUM_ESHUTDOWN);
    thrum_queue_destroy(&queue);
    return 0;
}

TEST(a_queue_that_is_shut_down_says_so_to_all)
{
    run_everywhere(shut_twice, NULL);
}

static int join_or_leave(void *arg)
{
    struct racer *racer = arg;

    racer->status = thrum_queue_join(racer->arena);
    return racer->status;
}

/* One who joins is cancelled; the others, and the work, know nothing of it. */
static int left_join(void *arg)
{
    struct racer racers[3];
    thrum_task *tasks[3];
    thrum_queue queue;
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_queue_init(&queue, sizeof(int), NULL), 0);
    CHECK_EQ(thrum_queue_put(&queue, &(int){1}), 0);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 3; i++) {
        racers[i] = (struct racer){&queue, i, THRUM_ECANCELED};
        CHECK_EQ(thrum_group_spawn(&group, join_or_leave, &racers[i], NULL, &tasks[i]), 0);
    }
    thrum_yield();
    CHECK(thrum_task_cancel(tasks[1], 0, NULL));
    while (!thrum_task_ended(tasks[1], NULL))
        thrum_yield();
    CHECK(!thrum_task_ended(tasks[0], NULL) && !thrum_task_ended(tasks[2], NULL));
    CHECK_EQ(get(&queue), 1);
    CHECK_EQ(thrum_queue_task_done(&queue), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(racers[i].status, i == 1 ? THRUM_ECANCELED : 0);
        thrum_task_unref(tasks[i]);
    }
    thrum_queue_destroy(&queue);
    return 0;
}

TEST(who_joins_may_be_cancelled)
{
    run_everywhere(left_join, NULL);
}

/* ---- cancels --------------------------------------------------------------------------------- */

/* What was put without a failure, and what was got: every item counts 1 << 8 * number. */
struct balance {
    thrum_queue queue;
    int got[2 * RACERS];
};

static int get_one(void *arg)
{
    struct racer *racer = arg;
    struct balance *balance = racer->arena;
    int item = -1;

    racer->status = thrum_queue_get(&balance->queue, &item);
    if (racer->status == 0)
        balance->got[racer->number] = item;
    return racer->status;
}

static int put_four(void *arg)
{
    struct balance *balance = arg;

    for (int i = 0; i < RACERS; i++)
        CHECK_EQ(thrum_queue_put(&balance->queue, &i), 0);
    return 0;
}

static int get_races(void *arg)
{
    struct balance balance;
    uint64_t seed = 88172645463325252u;

    (void)arg;
    CHECK_EQ(thrum_queue_init(&balance.queue, sizeof(int), NULL), 0);
    for (int i = 0; i < race_rounds(); i++) {
        struct race it = {.wait = get_one, .wake = put_four, .arena = &balance};
        unsigned seen = 0;
        int item;
        int last = -1;

        race(&it, random_next(&seed));
        for (int k = 0; k < RACERS; k++) {
            if (it.racers[k].status)
                continue;
            CHECK(!(seen & 1u << balance.got[k]));
            seen |= 1u << balance.got[k];
        }
        while (thrum_queue_try_get(&balance.queue, &item) == 0) {
            CHECK(!(seen & 1u << item));
            CHECK_LT(last, item);
            seen |= 1u << item;
            last = item;
        }
        CHECK_EQ(seen, (1u << RACERS) - 1);
    }
    thrum_queue_destroy(&balance.queue);
    return 0;
}

TEST(a_cancel_races_with_the_put)
{
    run_everywhere(get_races, NULL);
}

static int put_one(void *arg)
{
    struct racer *racer = arg;
    struct balance *balance = racer->arena;

    racer->status = thrum_queue_put(&balance->queue, &racer->number);
    return racer->status;
}

/* There may be fewer than four: some were cancelled. */
static int get_four(void *arg)
{
    struct balance *balance = arg;
    int item;

    for (int i = 0; i < RACERS - 1; i++) {
        if (thrum_queue_try_get(&balance->queue, &item) == 0)
            balance->got[item]++;
        thrum_yield();
    }
    return 0;
}

static int put_races(void *arg)
{
    thrum_queue_options options = bounded(RACERS);
    struct balance balance;
    uint64_t seed = 88172645463325252u;
    int item;

    (void)arg;
    CHECK_EQ(thrum_queue_init(&balance.queue, sizeof(int), &options), 0);
    for (int i = 0; i < race_rounds(); i++) {
        struct race it = {.wait = put_one, .wake = get_four, .arena = &balance};

        memset(balance.got, 0, sizeof balance.got);
        for (int k = 1; k < RACERS; k++) /* one place is free; three gets follow */
            CHECK_EQ(thrum_queue_put(&balance.queue, &(int){RACERS + k}), 0);
        race(&it, random_next(&seed));
        while (thrum_queue_try_get(&balance.queue, &item) == 0)
            balance.got[item]++;
        for (int k = 0; k < RACERS; k++) {
            CHECK_EQ(balance.got[k], it.racers[k].status == 0);
            CHECK_EQ(balance.got[RACERS + k], k != 0);
        }
    }
    thrum_queue_destroy(&balance.queue);
    return 0;
}

TEST(a_cancel_races_with_the_get)
{
    run_everywhere(put_races, NULL);
}

/*
 * Cancels all over a scope wake tasks for nothing that are not below it; they sleep on, in their
 * place, and what was put meanwhile is theirs.
 */
struct shaken {
    thrum_queue queue;
    uint64_t sum;    /* atomic */
    uint32_t number; /* atomic */
    uint32_t left;   /* atomic: producers that are not done */
};

static int shake(void *arg)
{
    struct shaken *shaken = arg;
    uint32_t number = add_relaxed(&shaken->number, 1); /* relaxed: a counter */
    bool puts = number % 2;

    for (int i = 0; i < 200; i++) {
        thrum_scope scope;
        uint64_t item = (uint64_t)number * 1000 + (uint64_t)i;

        CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
        if (i % 3 == 0)
            thrum_scope_cancel(&scope, 0, NULL);
        CHECK_EQ(thrum_scope_end(&scope, 0), 0);
        if (puts) {
            CHECK_EQ(thrum_queue_put(&shaken->queue, &item), 0);
            add_relaxed(&shaken->sum, item); /* relaxed: a counter */
        } else {
            CHECK_EQ(thrum_queue_get(&shaken->queue, &item), 0);
            add_relaxed(&shaken->sum, -item); /* relaxed: a counter */
        }
    }
    return 0;
}

static int shakes(void *arg)
{
    thrum_queue_options options = bounded(1);
    struct shaken shaken = {.sum = 0};

    (void)arg;
    CHECK_EQ(thrum_queue_init(&shaken.queue, sizeof(uint64_t), &options), 0);
    crowd(200, shake, &shaken);
    CHECK_EQ(shaken.sum, 0);
    CHECK_EQ(thrum_queue_count(&shaken.queue), 0);
    thrum_queue_destroy(&shaken.queue);
    return 0;
}

TEST(what_others_cancel_disturbs_nobody)
{
    run_everywhere(shakes, NULL);
}

/* ---- crowds ---------------------------------------------------------------------------------- */

static int hammer(void *arg)
{
    struct work *work = arg;
    bool puts = add_relaxed(&work->number, 1) % 2; /* relaxed: a counter */

    for (int i = 0; i < 10; i++) {
        if (puts) {
            CHECK_EQ(thrum_queue_put(&work->queue, &i), 0);
        } else {
            get(&work->queue);
            CHECK_EQ(thrum_queue_task_done(&work->queue), 0);
        }
    }
    return 0;
}

static int crowds(void *arg)
{
    for (size_t limit = 0; limit < 9; limit += 4) {
        thrum_queue_options options = bounded(limit);
        struct work work = {.done = 0};

        (void)arg;
        CHECK_EQ(thrum_queue_init(&work.queue, sizeof(int), &options), 0);
        crowd(crowd_size(), hammer, &work);
        CHECK_EQ(thrum_queue_unfinished(&work.queue), 0);
        CHECK_EQ(thrum_queue_count(&work.queue), 0);
        thrum_queue_destroy(&work.queue);
    }
    return 0;
}

TEST(ten_thousand_tasks_put_and_get)
{
    run_everywhere(crowds, NULL);
}

/* Of each producer, the items come in the order in which it put them. */
struct message {
    uint32_t producer, number;
};

static int produce(void *arg)
{
    struct work *work = arg;
    struct message message = {add_relaxed(&work->number, 1), 1}; /* relaxed: a counter */

    for (; message.number <= 1000; message.number++)
        CHECK_EQ(thrum_queue_put(&work->queue, &message), 0);
    return 0;
}

static int consume_in_order(void *arg)
{
    struct work *work = arg;
    struct message message;
    uint32_t last[8] = {0};

    while (thrum_queue_get(&work->queue, &message) == 0) {
        CHECK_LT(last[message.producer], message.number);
        last[message.producer] = message.number;
        add_relaxed(&work->done, 1); /* relaxed: a counter */
        CHECK_EQ(thrum_queue_task_done(&work->queue), 0);
    }
    return 0;
}

static int pipe(void *arg)
{
    thrum_queue_options options = bounded(7);
    struct work work = {.done = 0};
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_queue_init(&work.queue, sizeof(struct message), &options), 0);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(thrum_group_spawn(&group, consume_in_order, &work, NULL, NULL), 0);
    crowd(8, produce, &work);
    CHECK_EQ(thrum_queue_join(&work.queue), 0);
    thrum_queue_shutdown(&work.queue, false);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(work.done, 8000);
    thrum_queue_destroy(&work.queue);
    return 0;
}

TEST(a_producer_s_items_stay_in_order)
{
    run_everywhere(pipe, NULL);
}

static void *put_outside(void *arg)
{
    for (int i = 0; i < 1000; i++)
        while (thrum_queue_try_put(arg, &i) == -EAGAIN)
            sched_yield();
    return NULL;
}

static int from_outside(void *arg)
{
    thrum_queue_options options = bounded(10);
    thrum_queue queue;
    pthread_t thread;

    (void)arg;
    CHECK_EQ(thrum_queue_init(&queue, sizeof(int), &options), 0);
    thrum_hold(thrum_runtime_self(), "a thread");
    CHECK_EQ(pthread_create(&thread, NULL, put_outside, &queue), 0);
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(get(&queue), i);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    thrum_release(thrum_runtime_self());
    thrum_queue_destroy(&queue);
    return 0;
}

TEST(a_thread_that_runs_no_task_puts)
{
    run_everywhere(from_outside, NULL);
}
