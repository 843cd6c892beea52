/* as_completed_test.c - the rules of tasks as they end: see README.md. */
#include "tests/conformance/conform.h"

#include "tests/workers.h"

#ifndef RACES
#define RACES 10000 /* of eight tasks, for each number of workers */
#endif

#define N 6

static int in_turn(void *arg)
{
    thrum_event *event = arg;

    SPAN;
    return thrum_event_wait(event);
}

/* Tasks that end one after the other, as their events are set. */
struct row {
    thrum_group group;
    thrum_event events[N];
    thrum_task *tasks[N];
    thrum_completion nodes[2 * N];
    thrum_completed all;
    int status; /* 0: all were spawned */
};

static void row_open(struct row *row)
{
    row->status = 0;
    open_group(&row->group);
    for (int i = 0; i < N; i++) {
        thrum_event_init(&row->events[i]);
        row->tasks[i] = spawn(&row->group, in_turn, &row->events[i]);
        if (!row->tasks[i])
            row->status = THRUM_ESHUTDOWN;
    }
}

static void row_close(struct row *row)
{
    for (int i = 0; i < N; i++)
        thrum_event_set(&row->events[i]);
    EXPECT_EQ(close_group(&row->group, 0), 0);
    for (int i = 0; i < N; i++) {
        thrum_task_unref(row->tasks[i]);
        thrum_event_destroy(&row->events[i]);
    }
}

RULE(tasks_come_in_the_order_in_which_they_end)
{
    static const int order[N] = {3, 0, 5, 1, 4, 2};
    struct row row;
    thrum_task *task = NULL;

    SPAN;
    row_open(&row);
    if (!row.status) {
        thrum_completed_begin(&row.all, row.nodes, row.tasks, N);
        for (int i = 0; i < N && !row.status; i++) {
            thrum_event_set(&row.events[order[i]]);
            row.status = thrum_completed_next(&row.all, &task);
            EXPECT(task == row.tasks[order[i]]); /* the same handles */
            EXPECT(task && thrum_task_ended(task, NULL));
        }
        EXPECT_EQ(row.status, 0);
        EXPECT_EQ(thrum_completed_next(&row.all, &task), -ENOENT);
        thrum_completed_end(&row.all);
    }
    row_close(&row);
}

RULE(one_may_stop_and_go_on)
{
    struct row row;
    thrum_task *task = NULL;
    thrum_timeout timeout;
    int status;

    SPAN;
    row_open(&row);
    if (!row.status) {
        thrum_completed_begin(&row.all, row.nodes, row.tasks, 2);
        CHECK_EQ(thrum_timeout_begin(&timeout, thrum_us(20)), 0);
        status = thrum_completed_next(&row.all, &task);
        EXPECT_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
        EXPECT(task == NULL);
        thrum_event_set(&row.events[1]);
        EXPECT_EQ(thrum_completed_next(&row.all, &task), 0);
        EXPECT(task == row.tasks[1]);
        EXPECT_EQ(thrum_yield(), 0);
        thrum_event_set(&row.events[0]);
        EXPECT_EQ(thrum_completed_next(&row.all, &task), 0);
        EXPECT(task == row.tasks[0]);
        thrum_completed_end(&row.all);
    }
    row_close(&row);
}

RULE(duplicates_come_once)
{
    struct row row;
    thrum_task *task = NULL, *twice[2 * N];
    size_t n = 0;

    SPAN;
    row_open(&row);
    if (!row.status) {
        for (int i = 0; i < N; i++) {
            twice[i] = twice[2 * N - 1 - i] = row.tasks[i];
            thrum_event_set(&row.events[i]);
        }
        thrum_completed_begin(&row.all, row.nodes, twice, 2 * N);
        while (thrum_completed_next(&row.all, &task) == 0)
            n++;
        EXPECT_EQ(n, N);
        thrum_completed_end(&row.all);
    }
    row_close(&row);
}

RULE(of_no_tasks_there_is_no_next)
{
    thrum_completed all;
    thrum_task *task = NULL;

    SPAN;
    thrum_completed_begin(&all, NULL, NULL, 0);
    CHECK_EQ(thrum_completed_next(&all, &task), -ENOENT);
    thrum_completed_end(&all);
}

RULE(one_may_end_before_all_have_come)
{
    struct row row;
    thrum_task *task = NULL;

    SPAN;
    row_open(&row);
    if (!row.status) {
        thrum_completed_begin(&row.all, row.nodes, row.tasks, N);
        thrum_event_set(&row.events[2]);
        EXPECT_EQ(thrum_completed_next(&row.all, &task), 0);
        thrum_completed_end(&row.all);
        memset(row.nodes, 0xFF, sizeof row.nodes); /* nobody uses them any more */
        memset(&row.all, 0xFF, sizeof row.all);
    }
    row_close(&row);
}

RULE(those_that_ended_before_come_too)
{
    struct row row;
    thrum_task *task = NULL;

    SPAN;
    row_open(&row);
    if (!row.status) {
        thrum_event_set(&row.events[0]);
        row.status = thrum_shield_join(row.tasks[0], NULL);
        thrum_completed_begin(&row.all, row.nodes, row.tasks, N);
        EXPECT_EQ(thrum_completed_next(&row.all, &task), 0);
        EXPECT(task == row.tasks[0]);
        thrum_completed_end(&row.all);
    }
    row_close(&row);
}

/* ---- races ----------------------------------------------------------------------------------- */

#define MANY 8

static int end_soon(void *arg)
{
    for (int i = (int)(intptr_t)arg; i > 0; i--)
        if (thrum_yield())
            return THRUM_ECANCELED;
    return 0;
}

/* Every task comes once, whenever it ends and however often the waiter is interrupted. */
static void once_each(int round)
{
    thrum_task *tasks[MANY], *task;
    thrum_completion nodes[MANY];
    thrum_completed all;
    thrum_group group;
    unsigned seen = 0;
    int stop = round % (MANY + 3);
    int status = 0;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (intptr_t i = 0; i < MANY; i++)
        CHECK_EQ(thrum_group_spawn(&group, end_soon, (void *)(intptr_t)((round >> i) % 3), NULL,
                                   &tasks[i]),
                 0);
    thrum_completed_begin(&all, nodes, tasks, MANY);
    while (status != -ENOENT && stop-- > 0) {
        thrum_timeout timeout;

        CHECK_EQ(thrum_timeout_begin(&timeout, round % 2 ? round % 2000 : THRUM_FOREVER), 0);
        task = NULL;
        status = thrum_timeout_end(&timeout, thrum_completed_next(&all, &task));
        CHECK(status == 0 || status == -ENOENT || status == THRUM_ETIMEOUT);
        for (int i = 0; i < MANY; i++)
            if (task == tasks[i]) {
                CHECK(!(seen >> i & 1) && thrum_task_ended(task, NULL));
                seen |= 1u << i;
            }
    }
    CHECK_EQ(status == -ENOENT, status == -ENOENT && seen == (1u << MANY) - 1);
    thrum_completed_end(&all);
    memset(nodes, 0xFF, sizeof nodes);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    for (int i = 0; i < MANY; i++)
        thrum_task_unref(tasks[i]);
}

static int races(void *arg)
{
    (void)arg;
    for (int i = 0; i < many(RACES); i++)
        once_each(i);
    return 0;
}

TEST(each_comes_once_at_any_moment)
{
    CHECK_EQ(run_with(1, races, NULL), 0);
    CHECK_EQ(run_with(2, races, NULL), 0);
    CHECK_EQ(run_with(8, races, NULL), 0);
}
