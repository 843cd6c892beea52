/*
 * task_branch_test.c - fork and join: the branch runs once, its status comes
 * back, stolen or not, suspended or not, and however deep.
 */
#include <errno.h>

#include "runtime/atomic/verbs.h"
#include "workers.h"

struct fib {
    int n;
    int yields; /* below this n, each call yields once */
    long result;
};

static int fib(void *arg)
{
    struct fib *self = arg;
    struct fib left = {self->n - 1, self->yields, 0};
    struct fib right = {self->n - 2, self->yields, 0};
    thrum_branch branch;
    int status;

    self->result = self->n;
    if (self->n < self->yields)
        thrum_yield();
    if (self->n < 2)
        return 0;
    status = thrum_fork(&branch, fib, &left);
    CHECK_EQ(status, 0);
    status = fib(&right);
    status = thrum_join_first(status, thrum_join(&branch, fib, &left));
    self->result = left.result + right.result;
    return status;
}

static int fibs(void *arg)
{
    struct fib still = {22, 0, 0};
    struct fib moving = {14, 20, 0};

    (void)arg;
    CHECK_EQ(fib(&still), 0);
    CHECK_EQ(still.result, 17711);
    CHECK_EQ(fib(&moving), 0);
    CHECK_EQ(moving.result, 377);
    return 0;
}

TEST(fib_is_right)
{
    run_everywhere(fibs, NULL);
}

static int chain(void *arg)
{
    int *length = arg;
    thrum_branch branch;

    if (*length == 0)
        return -EDOM;
    --*length;
    CHECK_EQ(thrum_fork(&branch, chain, length), 0);
    return thrum_join(&branch, chain, length);
}

static int long_chain(void *arg)
{
    int length = 10000;

    (void)arg;
    CHECK_EQ(chain(&length), -EDOM);
    CHECK_EQ(length, 0);
    return 0;
}

/* Each level takes a piece of the stack; when it is short the next one gets a new stack. */
TEST(ten_thousand_branches_nest_on_small_stacks)
{
    run_everywhere(long_chain, NULL);
}

static int give_back(void *arg)
{
    return *(int *)arg;
}

static int give_back_later(void *arg)
{
    thrum_yield();
    return give_back(arg);
}

static int statuses(void *arg)
{
    static const int given[] = {0, 3, -1, -EIO, THRUM_EGROUP};

    (void)arg;
    for (int i = 0; i < 200; i++) {
        int status = given[i % 5];
        thrum_branch branch;

        CHECK_EQ(thrum_fork(&branch, give_back, &status), 0);
        CHECK_EQ(thrum_join(&branch, give_back, &status), status);
        CHECK_EQ(thrum_fork(&branch, give_back_later, &status), 0);
        CHECK_EQ(thrum_join(&branch, give_back_later, &status), status);
        CHECK_EQ(thrum_fork(&branch, give_back_later, &status), 0);
        thrum_yield(); /* now it has started elsewhere */
        CHECK_EQ(thrum_join(&branch, give_back_later, &status), status);
    }
    return 0;
}

TEST(join_returns_what_the_branch_returned)
{
    run_everywhere(statuses, NULL);
}

TEST(join_first_prefers_the_first_failure)
{
    CHECK_EQ(thrum_join_first(0, 0), 0);
    CHECK_EQ(thrum_join_first(1, 2), 0);
    CHECK_EQ(thrum_join_first(-1, 0), -1);
    CHECK_EQ(thrum_join_first(0, -2), -2);
    CHECK_EQ(thrum_join_first(-1, -2), -1);
}

static int count(void *arg)
{
    add_relaxed((uint32_t *)arg, 1); /* relaxed: a counter */
    return 0;
}

static int sleep_then_count(void *arg)
{
    thrum_yield();
    return count(arg);
}

#define BRANCHES 600

static int many_at_once(void *arg)
{
    static const thrum_fn fns[] = {count, sleep_then_count};
    thrum_branch branches[BRANCHES];
    uint32_t done = 0;

    (void)arg;
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < BRANCHES; i++) {
            CHECK_EQ(thrum_fork(&branches[i], fns[i % 2], &done), 0);
            if (i % 100 == round)
                thrum_yield();
        }
        for (int i = BRANCHES - 1; i >= 0; i--)
            CHECK_EQ(thrum_join(&branches[i], fns[i % 2], &done), 0);
        CHECK_EQ(done, (uint32_t)(round + 1) * BRANCHES);
    }
    return 0;
}

TEST(many_branches_are_open_at_once)
{
    run_everywhere(many_at_once, NULL);
}

/* Branches inside groups inside branches; `depth` levels of each. */
struct mixed {
    int depth;
    uint32_t *leaves;
};

static int mix(void *arg)
{
    struct mixed *self = arg;
    struct mixed below = {self->depth - 1, self->leaves};
    thrum_child children[2];
    thrum_branch branch;
    thrum_group group;
    int status;

    if (self->depth == 0)
        return sleep_then_count(self->leaves);
    CHECK_EQ(thrum_fork(&branch, mix, &below), 0);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_n(&group, children, 2, mix, &below, 0), 0);
    status = mix(&below);
    status = thrum_group_close(&group, status, NULL);
    return thrum_join_first(status, thrum_join(&branch, mix, &below));
}

static int mixed(void *arg)
{
    uint32_t leaves = 0;
    struct mixed top = {6, &leaves};

    (void)arg;
    CHECK_EQ(mix(&top), 0);
    CHECK_EQ(leaves, 4096);
    return 0;
}

TEST(groups_and_branches_nest_in_each_other)
{
    run_everywhere(mixed, NULL);
}

/* ---- a branch that sleeps while it stands on its parent's stack ------------------------------ */

static int await(void *arg)
{
    CHECK_EQ(thrum_event_wait(arg), 0);
    return -EIO;
}

static int set(void *arg)
{
    thrum_event_set(arg);
    return 0;
}

static int asleep_inside_a_join(void *arg)
{
    (void)arg;
    for (int i = 0; i < 200; i++) {
        thrum_event event = THRUM_EVENT_INIT;
        uint64_t self = thrum_self();
        thrum_branch branch;
        thrum_child child;
        thrum_group group;

        CHECK_EQ(thrum_group_open(&group, NULL), 0);
        CHECK_EQ(thrum_group_spawn(&group, set, &event, NULL, NULL), 0);
        CHECK_EQ(thrum_fork(&branch, await, &event), 0);
        CHECK_EQ(thrum_join(&branch, await, &event), -EIO);
        CHECK_EQ(thrum_self(), self);
        thrum_event_clear(&event);
        CHECK_EQ(thrum_group_spawn(&group, set, &event, NULL, NULL), 0);
        CHECK_EQ(thrum_group_spawn_child(&group, &child, await, &event), 0);
        CHECK_EQ(thrum_group_close(&group, 0, NULL), THRUM_EGROUP);
        CHECK_EQ(thrum_self(), self);
        thrum_event_destroy(&event);
    }
    return 0;
}

/* With one worker the setter runs only because the sleeper left its parent's stack alone. */
TEST(a_child_sleeps_inside_its_parent_s_join)
{
    run_everywhere(asleep_inside_a_join, NULL);
}
