/*
 * sched_yield_test.c - in which order one worker takes what is ready and what
 * has not started.
 */
#include "workers.h"

#define ORDER_MAX 1000

/* One worker: no two tasks write at once. */
struct order {
    int seen[ORDER_MAX];
    int count;
};

struct mark {
    struct order *order;
    int number;
    int rounds;
};

static void note(struct mark *mark)
{
    CHECK_LT(mark->order->count, ORDER_MAX);
    mark->order->seen[mark->order->count++] = mark->number;
}

static int note_and_yield(void *arg)
{
    struct mark *mark = arg;

    note(mark);
    for (int i = 1; i < mark->rounds; i++) {
        thrum_yield();
        note(mark);
    }
    return 0;
}

#define TASKS 10

static void spawn_marks(thrum_group *group, struct order *order, struct mark *marks,
                        thrum_child *children, int rounds)
{
    for (int i = 0; i < TASKS; i++) {
        marks[i] = (struct mark){order, i, rounds};
        if (children)
            CHECK_EQ(thrum_group_spawn_child(group, &children[i], note_and_yield, &marks[i]), 0);
        else
            CHECK_EQ(thrum_group_spawn(group, note_and_yield, &marks[i], NULL, NULL), 0);
    }
}

static void check_rounds(const struct order *order, int rounds)
{
    CHECK_EQ(order->count, rounds * TASKS);
    for (int i = 0; i < order->count; i++)
        CHECK_EQ(order->seen[i], i % TASKS);
}

static void start_order(bool children)
{
    struct order order = {{0}, 0};
    struct mark marks[TASKS];
    thrum_child memory[TASKS];
    thrum_group group;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    spawn_marks(&group, &order, marks, children ? memory : NULL, 1);
    CHECK_EQ(order.count, 0);
    thrum_yield();
    check_rounds(&order, 1);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
}

static int start_orders(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++) {
        start_order(true);
        start_order(false);
    }
    return 0;
}

TEST(what_was_spawned_before_a_yield_starts_first_in_order)
{
    CHECK_EQ(run_with(1, start_orders, NULL), 0);
}

static int rounds(void *arg)
{
    struct order order = {{0}, 0};
    struct mark marks[TASKS];
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    spawn_marks(&group, &order, marks, NULL, 20);
    for (int i = 1; i <= 20; i++) {
        thrum_yield();
        check_rounds(&order, i);
    }
    return thrum_group_close(&group, 0, NULL);
}

TEST(those_who_yield_go_on_in_turn)
{
    CHECK_EQ(run_with(1, rounds, NULL), 0);
}

/* What is spawned later goes behind those who yielded earlier, each time. */
static int mixed(void *arg)
{
    struct order order = {{0}, 0};
    struct mark marks[2 * TASKS];
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    spawn_marks(&group, &order, marks, NULL, 3);
    thrum_yield(); /* all have yielded once */
    check_rounds(&order, 1);
    for (int i = TASKS; i < 2 * TASKS; i++) {
        marks[i] = (struct mark){&order, i, 2};
        CHECK_EQ(thrum_group_spawn(&group, note_and_yield, &marks[i], NULL, NULL), 0);
    }
    thrum_yield();
    CHECK_EQ(order.count, 3 * TASKS);
    for (int i = 0; i < 2 * TASKS; i++)
        CHECK_EQ(order.seen[TASKS + i], i);
    thrum_yield();
    CHECK_EQ(order.count, 5 * TASKS);
    for (int i = 0; i < 2 * TASKS; i++)
        CHECK_EQ(order.seen[3 * TASKS + i], i);
    return thrum_group_close(&group, 0, NULL);
}

TEST(new_tasks_go_behind_older_yields_and_before_newer_ones)
{
    CHECK_EQ(run_with(1, mixed, NULL), 0);
}

static int inline_order(void *arg)
{
    struct order order = {{0}, 0};
    struct mark marks[TASKS];
    thrum_child children[TASKS];
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    spawn_marks(&group, &order, marks, children, 1);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(order.count, TASKS);
    return 0;
}

TEST(close_runs_all_in_whatever_order)
{
    run_with(1, inline_order, NULL);
}

static int alone(void *arg)
{
    (void)arg;
    for (int i = 0; i < many(100000); i++)
        CHECK_EQ(thrum_yield(), 0);
    return 0;
}

TEST(a_task_that_is_alone_yields_to_itself)
{
    run_everywhere(alone, NULL);
}
