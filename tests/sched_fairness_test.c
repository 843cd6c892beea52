/*
 * sched_fairness_test.c - nobody starves: not an unstarted task behind tasks
 * that yield, not one that yields behind ever new tasks, not one from outside
 * behind either, nor anybody behind a task that never waits.
 *
 * Each test ends only if the one that might starve gets its turn.
 */
#include <pthread.h>
#include <sched.h>

#include "runtime/atomic/verbs.h"
#include "workers.h"

struct stage {
    thrum_group *group;
    thrum_runtime *runtime;
    thrum_event event;
    uint32_t over;    /* atomic */
    uint32_t started; /* atomic */
};

static bool over(struct stage *stage)
{
    return load_acquire(&stage->over) != 0;
}

static int end_it(void *arg)
{
    store_release(&((struct stage *)arg)->over, 1);
    return 0;
}

static int yield_until_over(void *arg)
{
    struct stage *stage = arg;

    add_relaxed(&stage->started, 1); /* relaxed: a counter */
    while (!over(stage))
        thrum_yield();
    return 0;
}

static int yield_then_end_it(void *arg)
{
    for (int i = 0; i < 10; i++)
        thrum_yield();
    return end_it(arg);
}

/* Ever new tasks: each spawns its successor. */
static int spawn_until_over(void *arg)
{
    struct stage *stage = arg;

    if (over(stage))
        return 0;
    return thrum_group_spawn(stage->group, spawn_until_over, stage, NULL, NULL);
}

static int spawn_two_until_over(void *arg)
{
    struct stage *stage = arg;

    if (over(stage))
        return 0;
    if (thrum_group_spawn(stage->group, spawn_until_over, stage, NULL, NULL))
        return -1;
    thrum_yield();
    return thrum_group_spawn(stage->group, spawn_two_until_over, stage, NULL, NULL);
}

static int pass_until_over(void *arg)
{
    struct stage *stage = arg;

    add_relaxed(&stage->started, 1); /* relaxed: a counter */
    while (!over(stage))
        CHECK_EQ(thrum_event_wait(&stage->event), 0);
    return 0;
}

static void check_spawn(struct stage *stage, thrum_fn fn)
{
    CHECK_EQ(thrum_group_spawn(stage->group, fn, stage, NULL, NULL), 0);
}

/* The busy ones first, then the victim. */
static int play(thrum_fn busy, int n, thrum_fn victim)
{
    thrum_group group;
    struct stage stage = {&group, NULL, THRUM_EVENT_INIT, 0, 0};

    thrum_event_set(&stage.event);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < n; i++)
        check_spawn(&stage, busy);
    for (int i = 0; i < 5; i++)
        thrum_yield();
    check_spawn(&stage, victim);
    return thrum_group_close(&group, 0, NULL);
}

static int behind_yields(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(play(yield_until_over, 20, end_it), 0);
        CHECK_EQ(play(yield_until_over, 20, yield_then_end_it), 0);
    }
    return 0;
}

TEST(an_unstarted_task_does_not_starve_behind_yields)
{
    run_everywhere(behind_yields, NULL);
}

static int behind_spawns(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(play(spawn_until_over, 20, yield_then_end_it), 0);
        CHECK_EQ(play(spawn_two_until_over, 2, yield_then_end_it), 0);
        CHECK_EQ(play(spawn_two_until_over, 2, end_it), 0);
    }
    return 0;
}

TEST(a_task_that_yields_does_not_starve_behind_new_tasks)
{
    run_everywhere(behind_spawns, NULL);
}

static int behind_a_ready_event(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(play(pass_until_over, 1, end_it), 0);
        CHECK_EQ(play(pass_until_over, 5, yield_then_end_it), 0);
    }
    return 0;
}

TEST(a_task_that_never_has_to_wait_lets_others_run)
{
    run_everywhere(behind_a_ready_event, NULL);
}

/* ---- the ready queue overflows --------------------------------------------------------------- */

struct lap {
    uint32_t *ahead; /* atomic: how many have finished each lap */
    uint32_t n;
};

#define LAPS 5

/* Lap k + 1 is run only when everybody has run lap k: nobody may be left behind for ever. */
static int run_laps(void *arg)
{
    struct lap *lap = arg;

    for (int k = 0; k < LAPS; k++) {
        add_relaxed(&lap->ahead[k], 1); /* relaxed: a counter */
        while (load_relaxed(&lap->ahead[k]) < lap->n) /* relaxed: a counter */
            thrum_yield();
    }
    return 0;
}

static int overflow(void *arg)
{
    uint32_t ahead[LAPS] = {0};
    struct lap lap = {ahead, (uint32_t)(WORKERS_SLOW ? 1500 : 5000)};
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (uint32_t i = 0; i < lap.n; i++)
        CHECK_EQ(thrum_group_spawn(&group, run_laps, &lap, NULL, NULL), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    for (int k = 0; k < LAPS; k++)
        CHECK_EQ(ahead[k], lap.n);
    return 0;
}

TEST(thousands_that_yield_all_keep_running)
{
    run_everywhere(overflow, NULL);
}

/* ---- from outside ---------------------------------------------------------------------------- */

static int busy_yields(void *arg)
{
    struct stage *stage = arg;
    thrum_group group;

    stage->group = &group;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 20; i++)
        check_spawn(stage, yield_until_over);
    return thrum_group_close(&group, 0, NULL);
}

static int busy_spawns(void *arg)
{
    struct stage *stage = arg;
    thrum_group group;

    stage->group = &group;
    store_release(&stage->started, 20);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 20; i++)
        check_spawn(stage, spawn_until_over);
    return thrum_group_close(&group, 0, NULL);
}

static int busy_passes(void *arg)
{
    struct stage *stage = arg;
    thrum_group group;

    stage->group = &group;
    thrum_event_set(&stage->event);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 20; i++)
        check_spawn(stage, pass_until_over);
    return thrum_group_close(&group, 0, NULL);
}

/* Nothing but spawns and inline joins: 2 to the power of depth calls. */
struct tree {
    struct stage *stage;
    int depth;
};

static int grow(void *arg)
{
    struct tree *self = arg;
    struct tree below = {self->stage, self->depth - 1};
    thrum_child children[2];
    thrum_group group;

    if (self->depth == 0)
        return 0;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_n(&group, children, 2, grow, &below, 0), 0);
    return thrum_group_close(&group, 0, NULL);
}

static int fork_tree(void *arg)
{
    struct tree *self = arg;
    struct tree below = {self->stage, self->depth - 1};
    thrum_branch branch;
    int status;

    if (self->depth == 0)
        return 0;
    CHECK_EQ(thrum_fork(&branch, fork_tree, &below), 0);
    status = fork_tree(&below);
    return thrum_join_first(status, thrum_join(&branch, fork_tree, &below));
}

/* One join after another for ever, never a yield. */
static int grow_until_over(void *arg)
{
    struct tree tree = {arg, 10};

    add_relaxed(&tree.stage->started, 20); /* relaxed: a counter */
    while (!over(tree.stage))
        CHECK_EQ(grow(&tree), 0);
    return 0;
}

static int fork_until_over(void *arg)
{
    struct tree tree = {arg, 10};

    add_relaxed(&tree.stage->started, 20); /* relaxed: a counter */
    while (!over(tree.stage))
        CHECK_EQ(fork_tree(&tree), 0);
    return 0;
}

static int two_trees(void *arg)
{
    struct stage *stage = arg;
    thrum_group group;
    thrum_child children[2];

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_child(&group, &children[0], grow_until_over, stage), 0);
    CHECK_EQ(thrum_group_spawn_child(&group, &children[1], fork_until_over, stage), 0);
    return thrum_group_close(&group, 0, NULL);
}

static thrum_fn busy_fn; /* of the thread below */

static void *keep_busy(void *arg)
{
    struct stage *stage = arg;

    CHECK_EQ(thrum_runtime_run(stage->runtime, busy_fn, stage, NULL), 0);
    return NULL;
}

static void run_beside(int workers, thrum_fn busy, thrum_fn victim)
{
    struct stage stage = {NULL, runtime_with(workers), THRUM_EVENT_INIT, 0, 0};
    pthread_t thread;

    busy_fn = busy;
    CHECK_EQ(pthread_create(&thread, NULL, keep_busy, &stage), 0);
    while (load_acquire(&stage.started) < 20)
        sched_yield();
    CHECK_EQ(thrum_runtime_run(stage.runtime, victim, &stage, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(thrum_runtime_close(stage.runtime), 0);
}

TEST(what_comes_from_outside_is_served)
{
    static const thrum_fn busy[] = {busy_yields, busy_spawns, busy_passes, two_trees};
    static const int counts[] = {1, 2, 8};

    for (size_t i = 0; i < sizeof(busy) / sizeof(busy[0]); i++)
        for (size_t k = 0; k < sizeof(counts) / sizeof(counts[0]); k++) {
            run_beside(counts[k], busy[i], end_it);
            run_beside(counts[k], busy[i], yield_then_end_it);
        }
}

/* ---- only spawns and joins ------------------------------------------------------------------- */

static int beside_a_tree(void *arg)
{
    CHECK_EQ(play(grow_until_over, 1, end_it), 0);
    CHECK_EQ(play(fork_until_over, 1, end_it), 0);
    CHECK_EQ(play(grow_until_over, 3, yield_then_end_it), 0);
    CHECK_EQ(play(fork_until_over, 3, yield_then_end_it), 0);
    return arg ? -1 : 0;
}

/* The clock thread makes inline joins give way. */
TEST(a_task_that_only_spawns_and_joins_lets_others_run)
{
    run_everywhere(beside_a_tree, NULL);
}
