/*
 * task_group_test.c - a group runs every one of its tasks once, waits for all
 * of them, and its close says how they ended.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runtime/atomic/verbs.h"
#include "workers.h"

/* ---- exactly once -------------------------------------------------------------------------- */

static int count(void *arg)
{
    add_relaxed((uint32_t *)arg, 1); /* relaxed: a counter */
    return 0;
}

static int count_after_yields(void *arg)
{
    thrum_yield();
    count(arg);
    return thrum_yield();
}

/* Spawns n children, each with a counter of its own. */
static void children_run_once(int n, thrum_fn fn)
{
    thrum_child *children = calloc((size_t)n + 1, sizeof(*children));
    uint32_t *counts = calloc((size_t)n + 1, sizeof(*counts));
    thrum_group group;

    CHECK(children && counts);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < n; i++)
        CHECK_EQ(thrum_group_spawn_child(&group, &children[i], fn, &counts[i]), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    for (int i = 0; i < n; i++)
        CHECK_EQ(counts[i], 1);
    free(counts);
    free(children);
}

static int numbers_of_children(void *arg)
{
    static const int ns[] = {0, 1, 2, 3, 10, 255, 256, 257, 1000, 70000};

    (void)arg;
    for (size_t i = 0; i < sizeof(ns) / sizeof(ns[0]); i++) {
        int n = ns[i] > 1000 ? many(ns[i]) : ns[i];

        children_run_once(n, count);
        children_run_once(n > 1000 ? n / 10 : n, count_after_yields);
    }
    return 0;
}

TEST(each_child_runs_once_before_close_returns)
{
    run_everywhere(numbers_of_children, NULL);
}

struct cell {
    char padding[24];
    uint32_t count;
    uint32_t last;
};

static int count_cell(void *arg)
{
    return count(&((struct cell *)arg)->count);
}

static int cells(void *arg)
{
    struct cell cells[100];
    thrum_child children[100];
    thrum_group group;

    (void)arg;
    memset(cells, 0, sizeof(cells));
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_n(&group, children, 0, count_cell, cells, sizeof(cells[0])), 0);
    CHECK_EQ(thrum_group_spawn_n(&group, children, 100, count_cell, cells, sizeof(cells[0])), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    for (int i = 0; i < 100; i++)
        CHECK_EQ(cells[i].count, 1);
    return 0;
}

TEST(spawn_n_gives_each_child_its_element)
{
    run_everywhere(cells, NULL);
}

/* Spawns n tasks of both kinds, in a pattern, into one group. */
static int both_kinds(void *arg)
{
    uint32_t done = 0;

    (void)arg;
    for (unsigned pattern = 0; pattern < 64; pattern++) {
        thrum_child children[6];
        thrum_group group;

        CHECK_EQ(thrum_group_open(&group, NULL), 0);
        for (unsigned i = 0; i < 6; i++) {
            if (pattern >> i & 1)
                CHECK_EQ(thrum_group_spawn_child(&group, &children[i], count, &done), 0);
            else
                CHECK_EQ(thrum_group_spawn(&group, count_after_yields, &done, NULL, NULL), 0);
        }
        CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
        CHECK_EQ(done, (pattern + 1) * 6);
    }
    return 0;
}

TEST(both_kinds_of_task_mix_in_a_group)
{
    run_everywhere(both_kinds, NULL);
}

/* ---- trees --------------------------------------------------------------------------------- */

struct tree {
    int depth;
    uint32_t *leaves;
    thrum_fn leaf;
};

static int grow_tree(void *arg)
{
    struct tree *self = arg;
    struct tree below = {self->depth - 1, self->leaves, self->leaf};
    thrum_child children[4];
    thrum_group group;

    if (self->depth == 0)
        return self->leaf(self->leaves);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_n(&group, children, 4, grow_tree, &below, 0), 0);
    return thrum_group_close(&group, 0, NULL);
}

static int trees(void *arg)
{
    uint32_t leaves = 0;
    struct tree still = {6, &leaves, count};
    struct tree moving = {5, &leaves, count_after_yields};

    (void)arg;
    CHECK_EQ(grow_tree(&still), 0);
    CHECK_EQ(leaves, 4096);
    CHECK_EQ(grow_tree(&moving), 0);
    CHECK_EQ(leaves, 4096 + 1024);
    return 0;
}

TEST(groups_nest_in_their_tasks)
{
    run_everywhere(trees, NULL);
}

struct fib {
    int n;
    long result;
};

static int fib(void *arg)
{
    struct fib *self = arg;
    struct fib left = {self->n - 1, 0};
    struct fib right = {self->n - 2, 0};
    thrum_child child;
    thrum_group group;
    int status;

    self->result = self->n;
    if (self->n < 2)
        return 0;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_child(&group, &child, fib, &left), 0);
    status = fib(&right);
    status = thrum_group_close(&group, status, NULL);
    self->result = left.result + right.result;
    return status;
}

static int fib_20(void *arg)
{
    struct fib top = {20, 0};

    (void)arg;
    CHECK_EQ(fib(&top), 0);
    CHECK_EQ(top.result, 6765);
    return 0;
}

TEST(fib_is_right)
{
    run_everywhere(fib_20, NULL);
}

static int chain(void *arg)
{
    int *length = arg;
    thrum_child child;
    thrum_group group;

    if (*length == 0)
        return 0;
    --*length;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_child(&group, &child, chain, length), 0);
    return thrum_group_close(&group, 0, NULL);
}

static int chain_of_tasks(void *arg)
{
    int *length = arg;
    thrum_group group;

    if (*length == 0)
        return 0;
    --*length;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, chain_of_tasks, length, NULL, NULL), 0);
    return thrum_group_close(&group, 0, NULL);
}

static int long_chains(void *arg)
{
    int length = 10000;

    (void)arg;
    CHECK_EQ(chain(&length), 0);
    CHECK_EQ(length, 0);
    length = 10000;
    CHECK_EQ(chain_of_tasks(&length), 0);
    CHECK_EQ(length, 0);
    return 0;
}

/* Each level takes a piece of the stack; when it is short the next one gets a new stack. */
TEST(ten_thousand_groups_nest_on_small_stacks)
{
    if (getenv("THRUM_SIM") != NULL)
        SKIP("nothing runs inline there, and each start looks at all scopes around it");
    run_everywhere(long_chains, NULL);
}

static int open_many(void *arg)
{
    thrum_group groups[50];
    thrum_child children[50];
    uint32_t done = 0;

    (void)arg;
    for (int i = 0; i < 50; i++) {
        CHECK_EQ(thrum_group_open(&groups[i], NULL), 0);
        CHECK_EQ(thrum_group_spawn_child(&groups[i], &children[i], count, &done), 0);
    }
    /* Into an outer group, while inner ones are open. */
    CHECK_EQ(thrum_group_spawn(&groups[7], count_after_yields, &done, NULL, NULL), 0);
    for (int i = 49; i >= 0; i--)
        CHECK_EQ(thrum_group_close(&groups[i], 0, NULL), 0);
    CHECK_EQ(done, 51);
    return 0;
}

TEST(a_task_opens_many_groups_one_inside_the_other)
{
    run_everywhere(open_many, NULL);
}

static int reopen(void *arg)
{
    thrum_group_options options = THRUM_GROUP_OPTIONS_INIT;
    thrum_group group;
    thrum_child child;
    uint32_t done = 0;

    (void)arg;
    options.name = "again";
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(thrum_group_open(&group, i % 2 ? &options : NULL), 0);
        CHECK_EQ(thrum_group_spawn_child(&group, &child, count, &done), 0);
        CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    }
    CHECK_EQ(done, 100);
    return 0;
}

TEST(a_group_is_opened_again)
{
    run_everywhere(reopen, NULL);
}

/* ---- members ------------------------------------------------------------------------------- */

struct member {
    thrum_group *group;
    uint32_t *done;
    int depth;
    struct member *below; /* one for each depth */
};

static int member(void *arg)
{
    struct member *self = arg;

    count(self->done);
    if (self->depth == 0)
        return 0;
    for (int i = 0; i < 2; i++)
        CHECK_EQ(thrum_group_spawn(self->group, member, self->below, NULL, NULL), 0);
    return self->depth % 2 ? thrum_yield() : 0;
}

/* Spawns into the outer group from a task of an inner one. */
static int inner_member(void *arg)
{
    thrum_group inner;

    CHECK_EQ(thrum_group_open(&inner, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&inner, member, arg, NULL, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&inner, member, arg, NULL, NULL), 0);
    return thrum_group_close(&inner, 0, NULL);
}

#define DEPTH 10

static int members(void *arg)
{
    struct member levels[DEPTH + 1];
    thrum_group group;
    uint32_t done = 0;

    (void)arg;
    for (int i = 0; i <= DEPTH; i++)
        levels[i] = (struct member){&group, &done, i, i ? &levels[i - 1] : NULL};
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, member, &levels[DEPTH], NULL, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, inner_member, &levels[DEPTH - 1], NULL, NULL), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(done, (1 << (DEPTH + 1)) - 1 + 2 * ((1 << DEPTH) - 1));
    return 0;
}

TEST(tasks_of_a_group_spawn_into_it)
{
    run_everywhere(members, NULL);
}

/* ---- statuses ------------------------------------------------------------------------------ */

static int fail(void *arg)
{
    return (int)(intptr_t)arg;
}

static int close_with(int body, int child, bool slab, thrum_error **errors)
{
    thrum_child memory;
    thrum_group group;
    void *arg = (void *)(intptr_t)child;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    if (slab)
        CHECK_EQ(thrum_group_spawn(&group, fail, arg, NULL, NULL), 0);
    else
        CHECK_EQ(thrum_group_spawn_child(&group, &memory, fail, arg), 0);
    return thrum_group_close(&group, body, errors);
}

/* The owner's failure cancels the task, or the task was faster and both are in the tree. */
static void both_fail(bool slab)
{
    thrum_error *errors = (thrum_error *)(void *)&errors;
    int status = close_with(-EIO, -EPERM, slab, &errors);

    if (status == -EIO) {
        CHECK(errors == NULL);
        return;
    }
    CHECK_EQ(status, THRUM_EGROUP);
    CHECK_EQ(thrum_error_count(errors), 2);
    CHECK(thrum_error_has(errors, -EIO));
    CHECK(thrum_error_has(errors, -EPERM));
    thrum_error_free(errors);
}

static int statuses(void *arg)
{
    (void)arg;
    for (int i = 0; i < 40; i++) {
        bool slab = i % 2;
        thrum_error *errors = (thrum_error *)(void *)&errors;

        CHECK_EQ(close_with(0, 0, slab, &errors), 0);
        CHECK(errors == NULL);
        CHECK_EQ(close_with(5, 0, slab, NULL), 5);
        CHECK_EQ(close_with(0, 5, slab, NULL), 0);
        CHECK_EQ(close_with(-EIO, 0, slab, NULL), -EIO);
        errors = (thrum_error *)(void *)&errors;
        both_fail(slab);
        CHECK_EQ(close_with(0, -EPERM, slab, NULL), THRUM_EGROUP);
        CHECK_EQ(close_with(7, -EPERM, slab, &errors), THRUM_EGROUP);
        CHECK(errors != NULL);
        CHECK_EQ(thrum_error_code(errors), THRUM_EGROUP);
        CHECK_EQ(thrum_error_count(errors), 1);
        CHECK_EQ(thrum_error_code(thrum_error_child(errors, 0)), -EPERM);
        thrum_error_free(errors);
    }
    return 0;
}

TEST(close_returns_the_body_s_failure_or_else_the_children_s)
{
    run_everywhere(statuses, NULL);
}

static int bad_options(void *arg)
{
    thrum_group_options group_options = THRUM_GROUP_OPTIONS_INIT;
    thrum_task_options task_options = THRUM_TASK_OPTIONS_INIT;
    thrum_group group;
    uint32_t done = 0;

    (void)arg;
    group_options.size++;
    CHECK_EQ(thrum_group_open(&group, &group_options), -EINVAL);
    group_options = (thrum_group_options)THRUM_GROUP_OPTIONS_INIT;
    group_options.flags = 1u << 31;
    CHECK_EQ(thrum_group_open(&group, &group_options), -EINVAL);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    task_options.size--;
    CHECK_EQ(thrum_group_spawn(&group, count, &done, &task_options, NULL), -EINVAL);
    task_options = (thrum_task_options)THRUM_TASK_OPTIONS_INIT;
    task_options.unused = 1;
    CHECK_EQ(thrum_group_spawn(&group, count, &done, &task_options, NULL), -EINVAL);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(done, 0);
    return 0;
}

TEST(options_out_of_range_are_refused_and_nothing_happens)
{
    run_everywhere(bad_options, NULL);
}

/* ---- long life ----------------------------------------------------------------------------- */

static long resident_kilobytes(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[128];
    long kilobytes = -1;

    CHECK(file != NULL);
    while (fgets(line, sizeof(line), file))
        if (sscanf(line, "VmRSS: %ld", &kilobytes) == 1)
            break;
    fclose(file);
    return kilobytes;
}

static int serve(void *arg)
{
    int n = many(1000000);
    uint32_t done = 0;
    long before = 0;
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < n; i++) {
        CHECK_EQ(thrum_group_spawn(&group, count, &done, NULL, NULL), 0);
        if (i % 100 == 0)
            thrum_yield();
        while (i - (int)load_relaxed(&done) > 1000) /* relaxed: a counter */
            thrum_yield();
        if (i == n / 10)
            before = resident_kilobytes();
    }
    if (!WORKERS_SLOW)
        CHECK_LE(resident_kilobytes() - before, 8 << 10);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(done, n);
    return 0;
}

/* As a server does: the group stays open, tasks come and go. */
TEST(a_group_that_stays_open_does_not_grow)
{
    run_everywhere(serve, NULL);
}
