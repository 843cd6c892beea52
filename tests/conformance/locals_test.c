/*
 * locals_test.c - task locals, as asyncio's contextvars: copied at the spawn,
 * set by each task for itself, given back by tokens, dropped once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <thrum/detail/atomic.h>
#include <thrum/thrum.h>

#include "runtime/plat/memory.h"
#include "tests/check.h"
#include "tests/workers.h"

#define LOCALS 3
#define UNSET (-1)

/* Values are numbers of their own memory, so that a leak or a double free shows. */
static uint64_t alive;

static void drop(void *value)
{
    thrum_add_relaxed_64(&alive, (uint64_t)-1); /* relaxed: a counter */
    free(value);
}

static const thrum_local locals[LOCALS] = {
    THRUM_LOCAL_INIT(NULL, drop), THRUM_LOCAL_INIT(NULL, drop), THRUM_LOCAL_INIT(NULL, drop)};

static int *number(int n)
{
    int *value = malloc(sizeof *value);

    CHECK(value != NULL);
    *value = n;
    thrum_add_relaxed_64(&alive, 1); /* relaxed: a counter */
    return value;
}

static void set(int which, int n)
{
    CHECK_EQ(thrum_local_set(&locals[which], number(n)), 0);
}

static int get(int which)
{
    const int *value = thrum_local_get(&locals[which]);

    return value ? *value : UNSET;
}

/* Run it with 1, 2, 8 and 64 workers; nothing may be left. */
static void everywhere(thrum_fn fn)
{
    run_everywhere(fn, NULL);
    CHECK_EQ(alive, 0);
}

/* What a task expects to see of the first local, and what it changes. */
struct look {
    thrum_child child;
    int expected;
    int sets; /* UNSET: nothing */
};

static int look(void *arg)
{
    const struct look *self = arg;

    CHECK_EQ(get(0), self->expected);
    CHECK_EQ(thrum_yield(), 0);
    CHECK_EQ(get(0), self->expected);
    if (self->sets != UNSET) {
        set(0, self->sets);
        CHECK_EQ(get(0), self->sets);
    }
    return 0;
}

static void spawn_look(thrum_group *group, struct look *child, int expected, int sets)
{
    child->expected = expected;
    child->sets = sets;
    CHECK_EQ(thrum_group_spawn_child(group, &child->child, look, child), 0);
}

static void spawn_look_task(thrum_group *group, struct look *child, int expected, int sets)
{
    child->expected = expected;
    child->sets = sets;
    CHECK_EQ(thrum_group_spawn(group, look, child, NULL, NULL), 0);
}

/* ---- values ---------------------------------------------------------------------------------- */

TEST(outside_tasks_a_local_has_its_initial_value)
{
    static int five = 5;
    static const thrum_local local = THRUM_LOCAL_INIT(&five, NULL);

    CHECK_EQ(*(int *)thrum_local_get(&local), 5);
    CHECK_DEATH((void)!thrum_local_set(&local, NULL), "outside a task");
}

static int sets_and_ends(void *arg)
{
    CHECK_EQ(get(0), UNSET);
    set(0, *(const int *)arg);
    CHECK_EQ(get(0), *(const int *)arg);
    return 0;
}

/* asyncio's Runner keeps its context from run to run; here each run begins anew. */
TEST(a_run_begins_with_initial_values)
{
    static const int counts[] = {1, 2, 8};

    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        thrum_runtime *runtime = runtime_with(counts[i]);

        for (int n = 0; n < 3; n++)
            CHECK_EQ(thrum_runtime_run(runtime, sets_and_ends, &n, NULL), 0);
        CHECK_EQ(thrum_runtime_close(runtime), 0);
        CHECK_EQ(alive, 0);
    }
}

static int sets_again_and_again(void *arg)
{
    (void)arg;
    CHECK_EQ(get(0), UNSET);
    for (int i = 0; i < 100; i++) {
        set(0, i);
        set(1, 2 * i);
        CHECK_EQ(get(0), i);
        CHECK_EQ(get(1), 2 * i);
        CHECK_EQ(get(2), UNSET);
        CHECK_EQ((int)thrum_load_relaxed_64(&alive), 2);
    }
    return 0;
}

TEST(a_value_is_dropped_when_another_is_set_and_when_the_task_ends)
{
    everywhere(sets_again_and_again);
}

static int sets_in_scopes(void *arg)
{
    thrum_scope scope;
    thrum_timeout timeout;
    thrum_shield shield;
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    set(0, 1);
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_s(100)), 0);
    CHECK_EQ(get(0), 1);
    thrum_shield_begin(&shield);
    set(0, 2);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    set(1, 3);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(get(0), 2);
    CHECK_EQ(get(1), 3);
    CHECK_EQ(thrum_shield_end(&shield), 0);
    CHECK_EQ(get(0), 2);
    CHECK_EQ(thrum_timeout_end(&timeout, 0), 0);
    set(2, 4);
    CHECK_EQ(thrum_scope_end(&scope, 0), 0);
    CHECK_EQ(get(0), 2);
    CHECK_EQ(get(1), 3);
    CHECK_EQ(get(2), 4);
    return 0;
}

TEST(what_is_set_in_a_scope_stays_set_after_it)
{
    everywhere(sets_in_scopes);
}

/* ---- inheriting ------------------------------------------------------------------------------ */

static int spawns_both_kinds(void *arg)
{
    struct look children[2];
    thrum_group group;

    (void)arg;
    set(0, 7);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    spawn_look(&group, &children[0], 7, 8);
    spawn_look_task(&group, &children[1], 7, 9);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(get(0), 7);
    return 0;
}

TEST(a_child_inherits_and_what_it_sets_its_parent_does_not_see)
{
    everywhere(spawns_both_kinds);
}

static int sets_between_spawns(void *arg)
{
    enum { N = 50 };
    struct look children[3 * N];
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < N; i++) {
        spawn_look(&group, &children[3 * i], i - 1, i % 2 ? UNSET : 1000 + i);
        spawn_look_task(&group, &children[3 * i + 1], i - 1, i % 3 ? UNSET : 2000 + i);
        spawn_look(&group, &children[3 * i + 2], i - 1, UNSET);
        set(0, i);
    }
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(get(0), N - 1);
    return 0;
}

TEST(each_child_sees_what_was_set_at_its_spawn)
{
    everywhere(sets_between_spawns);
}

static int nests(void *arg)
{
    struct look children[4];
    thrum_group outer, inner;

    (void)arg;
    CHECK_EQ(thrum_group_open(&outer, NULL), 0);
    spawn_look(&outer, &children[0], UNSET, UNSET);
    CHECK_EQ(thrum_group_open(&inner, NULL), 0);
    set(0, 1);
    spawn_look(&inner, &children[1], 1, UNSET);
    spawn_look(&outer, &children[2], 1, UNSET);
    CHECK_EQ(thrum_group_close(&inner, 0, NULL), 0);
    spawn_look(&outer, &children[3], 1, UNSET);
    CHECK_EQ(thrum_group_close(&outer, 0, NULL), 0);
    CHECK_EQ(get(0), 1);
    return 0;
}

TEST(groups_opened_before_and_after_a_set_know_it_apart)
{
    everywhere(nests);
}

/* A task that spawns into a group that is not its own. */
struct middle {
    thrum_group *group;
    struct look own, other;
};

static int spawns_for_another(void *arg)
{
    struct middle *self = arg;

    CHECK_EQ(get(0), 1);
    spawn_look_task(self->group, &self->other, 1, UNSET);
    set(0, 2);
    spawn_look_task(self->group, &self->own, 2, UNSET);
    return 0;
}

static int owns_what_others_spawn_into(void *arg)
{
    struct middle middle;
    thrum_group group;

    (void)arg;
    set(0, 1);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    middle.group = &group;
    CHECK_EQ(thrum_group_spawn(&group, spawns_for_another, &middle, NULL, NULL), 0);
    set(0, 3);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    return 0;
}

TEST(a_task_inherits_from_who_spawns_it_not_from_the_groups_owner)
{
    everywhere(owns_what_others_spawn_into);
}

/* ---- branches -------------------------------------------------------------------------------- */

static int forks(void *arg)
{
    struct look before = {.expected = UNSET, .sets = 5}, after = {.expected = 1, .sets = 6};
    thrum_branch first, second;

    (void)arg;
    CHECK_EQ(thrum_fork(&first, look, &before), 0);
    set(0, 1);
    CHECK_EQ(thrum_fork(&second, look, &after), 0);
    CHECK_EQ(get(0), 1);
    CHECK_EQ(thrum_join(&second, look, &after), 0);
    CHECK_EQ(thrum_join(&first, look, &before), 0);
    CHECK_EQ(get(0), 1);
    return 0;
}

static int forks_fresh(void *arg)
{
    (void)arg;
    for (int i = 0; i < many(1000); i++) {
        thrum_child child;
        thrum_group group;

        CHECK_EQ(thrum_group_open(&group, NULL), 0);
        CHECK_EQ(thrum_group_spawn_child(&group, &child, forks, NULL), 0);
        CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    }
    return 0;
}

TEST(a_branch_sees_what_was_set_at_its_fork)
{
    everywhere(forks_fresh);
}

struct sums {
    int depth;
    int expected;
};

static int adds_up(void *arg)
{
    const struct sums *self = arg;
    struct sums below = {self->depth - 1, self->expected};
    thrum_branch branch;

    CHECK_EQ(get(0), self->expected);
    if (self->depth == 0)
        return 0;
    if (self->depth % 3 == 0)
        set(0, below.expected = self->depth);
    CHECK_EQ(thrum_fork(&branch, adds_up, &below), 0);
    CHECK_EQ(adds_up(&(struct sums){0, below.expected}), 0);
    return thrum_join(&branch, adds_up, &below);
}

static int forks_deeply(void *arg)
{
    struct sums top = {200, UNSET};

    (void)arg;
    for (int i = 0; i < many(200); i++) {
        thrum_child child;
        thrum_group group;

        CHECK_EQ(thrum_group_open(&group, NULL), 0);
        CHECK_EQ(thrum_group_spawn_child(&group, &child, adds_up, &top), 0);
        CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    }
    return 0;
}

TEST(branches_inherit_from_branches)
{
    everywhere(forks_deeply);
}

/* ---- tokens ---------------------------------------------------------------------------------- */

static int swaps(void *arg)
{
    thrum_local_token first, second, other;

    (void)arg;
    CHECK_EQ(thrum_local_swap(&locals[0], number(1), &first), 0);
    CHECK_EQ(thrum_local_swap(&locals[0], number(2), &second), 0);
    CHECK_EQ(get(0), 2);
    CHECK_EQ(thrum_local_reset(&second), 0);
    CHECK_EQ(get(0), 1);
    CHECK_EQ(thrum_local_reset(&second), THRUM_ESTATE);
    CHECK_EQ(thrum_local_swap(&locals[1], number(3), &other), 0);
    CHECK_EQ(thrum_local_reset(&first), 0);
    CHECK_EQ(get(0), UNSET);
    CHECK_EQ(get(1), 3);
    CHECK_EQ(thrum_local_reset(&other), 0);
    CHECK_EQ(get(1), UNSET);
    return 0;
}

TEST(a_token_gives_back_one_local_in_any_order)
{
    everywhere(swaps);
}

static int swaps_around_spawns(void *arg)
{
    enum { N = 20 };
    struct look children[N];
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < N; i++) {
        thrum_local_token token;

        CHECK_EQ(thrum_local_swap(&locals[0], number(i), &token), 0);
        spawn_look(&group, &children[i], i, i);
        CHECK_EQ(thrum_local_reset(&token), 0);
        CHECK_EQ(get(0), UNSET);
    }
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    return 0;
}

TEST(a_child_keeps_the_value_that_was_reset_after_its_spawn)
{
    everywhere(swaps_around_spawns);
}

static int leaves_a_token(void *arg)
{
    thrum_local_token token;

    (void)arg;
    return thrum_local_swap(&locals[0], number(1), &token);
}

static int resets_anothers(void *arg)
{
    return thrum_local_reset(arg);
}

static int lends_a_token(void *arg)
{
    thrum_local_token token;
    thrum_child child;
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_local_swap(&locals[0], number(1), &token), 0);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_child(&group, &child, resets_anothers, &token), 0);
    return thrum_group_close(&group, 0, NULL);
}

TEST(misused_tokens_stop_the_process)
{
    CHECK_DEATH(run_with(1, leaves_a_token, NULL), "had swapped a local and not reset it");
    CHECK_DEATH(run_with(1, lends_a_token, NULL), "another task's token");
}

/* ---- cancels --------------------------------------------------------------------------------- */

static int sleeps_for_ever(void *arg)
{
    (void)arg;
    set(1, 1);
    return thrum_sleep(THRUM_FOREVER);
}

static int never_runs(void *arg)
{
    CHECK(arg != NULL);
    return 0;
}

static int cancels_children(void *arg)
{
    enum { N = 20 };
    thrum_child children[2 * N];
    thrum_group group;
    int status;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < N; i++) {
        set(0, i);
        CHECK_EQ(thrum_group_spawn_child(&group, &children[i], sleeps_for_ever, NULL), 0);
        CHECK_EQ(thrum_group_spawn(&group, sleeps_for_ever, NULL, NULL, NULL), 0);
    }
    CHECK_EQ(thrum_yield(), 0);
    thrum_group_cancel(&group, 0, "enough");
    CHECK_EQ(thrum_yield(), THRUM_ECANCELED);
    status = thrum_group_spawn_child(&group, &children[N], never_runs, NULL);
    CHECK_EQ(status, THRUM_ESHUTDOWN);
    CHECK_EQ(thrum_group_close(&group, THRUM_ECANCELED, NULL), 0);
    CHECK_EQ(get(0), N - 1);
    CHECK_EQ(get(1), UNSET);
    return 0;
}

static int cancels_unstarted(void *arg)
{
    enum { N = 20 };
    thrum_child children[N];
    thrum_scope scope;
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    thrum_scope_cancel(&scope, 0, NULL);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < N; i++) {
        set(0, i);
        CHECK_EQ(thrum_group_spawn_child(&group, &children[i], never_runs, NULL), 0);
        CHECK_EQ(thrum_group_spawn(&group, never_runs, NULL, NULL, NULL), 0);
    }
    CHECK_EQ(thrum_group_close(&group, 0, NULL), THRUM_ECANCELED);
    CHECK_EQ(thrum_scope_end(&scope, THRUM_ECANCELED), 0);
    return 0;
}

TEST(cancelled_children_let_go_of_their_values)
{
    everywhere(cancels_children);
    everywhere(cancels_unstarted);
}

/* With a local set, cleanup after a cancel runs children, as it does without. */
static int cleans_up(void *arg)
{
    struct look children[2];
    thrum_group group;

    (void)arg;
    CHECK_EQ(get(0), 1);
    set(0, 2);
    CHECK_EQ(thrum_sleep(THRUM_FOREVER), THRUM_ECANCELED);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    spawn_look(&group, &children[0], 2, UNSET);
    set(0, 3);
    spawn_look(&group, &children[1], 3, UNSET);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    return THRUM_ECANCELED;
}

static int times_out(void *arg)
{
    thrum_timeout timeout;
    int status;

    set(0, 1);
    CHECK_EQ(thrum_timeout_begin(&timeout, 0), 0);
    status = cleans_up(arg);
    CHECK_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
    CHECK_EQ(get(0), 3);
    CHECK_EQ(thrum_yield(), 0);
    set(0, 1);
    CHECK_EQ(thrum_wait_for(cleans_up, arg, thrum_ms(1)), THRUM_ETIMEOUT);
    CHECK_EQ(get(0), 3);
    return 0;
}

TEST(timeouts_and_cleanup_work_around_and_inside_of_sets)
{
    everywhere(times_out);
}

/* ---- threads --------------------------------------------------------------------------------- */

static int sees(void *arg)
{
    CHECK_EQ(get(0), *(int *)arg);
    return 0;
}

/* Until its task has been cancelled, and a little longer. */
static int outlives(void *arg)
{
    while (!thrum_thread_check_cancelled())
        continue;
    return sees(arg);
}

static int is_abandoned(void *arg)
{
    int expected = 2;

    return thrum_to_thread_copy(arg, outlives, &expected, sizeof expected, NULL);
}

static int works_on_threads(void *arg)
{
    int expected = UNSET;

    CHECK_EQ(thrum_to_thread(arg, sees, &expected), 0);
    set(0, expected = 1);
    CHECK_EQ(thrum_to_thread(arg, sees, &expected), 0);
    set(0, expected = 2);
    CHECK_EQ(thrum_to_thread_copy(arg, sees, &expected, sizeof expected, NULL), 0);
    CHECK_EQ(thrum_wait_for(is_abandoned, arg, thrum_ms(1)), THRUM_ETIMEOUT);
    return 0;
}

TEST(a_call_on_a_thread_sees_what_its_task_does)
{
    thrum_executor *executor;

    REAL_WORLD_ONLY;
    CHECK_EQ(thrum_executor_create(&executor, NULL), 0);
    run_everywhere(works_on_threads, executor);
    CHECK_EQ(thrum_executor_close(executor, thrum_s(60), NULL), 0);
    CHECK_EQ(thrum_load_relaxed_64(&alive), 0);
}

/* ---- done-callbacks -------------------------------------------------------------------------- */

static void is_told(thrum_task *task, void *arg)
{
    CHECK(thrum_task_ended(task, NULL));
    CHECK_EQ(get(0), UNSET);
    *(bool *)arg = true;
}

static int has_itself_told(void *arg)
{
    struct look child = {.expected = 1, .sets = 2};
    thrum_done done[2];
    bool told[2] = {false, false};
    thrum_group group;
    thrum_task *task;

    (void)arg;
    set(0, 1);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, look, &child, NULL, &task), 0);
    thrum_task_on_end(task, &done[0], is_told, &told[0]);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    thrum_task_on_end(task, &done[1], is_told, &told[1]);
    CHECK(told[0] && told[1]);
    CHECK_EQ(get(0), 1);
    thrum_task_unref(task);
    return 0;
}

TEST(done_callbacks_run_without_locals)
{
    everywhere(has_itself_told);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static int lacks_memory(void *arg)
{
    thrum_local_token token;
    int failures = 0;

    (void)arg;
    for (int n = 0;; n++) {
        int *value = number(n);
        int err;

        thrum_memory_fail_after(n);
        err = thrum_local_set(&locals[0], value);
        thrum_memory_fail_after(-1);
        if (!err)
            break;
        failures++;
        CHECK_EQ(err, -ENOMEM);
        CHECK_EQ(get(0), UNSET);
        drop(value);
    }
    CHECK_EQ(failures, 2);
    CHECK_EQ(thrum_local_swap(&locals[0], number(100), &token), 0);
    set(1, 5);
    thrum_memory_fail_after(0);
    CHECK_EQ(thrum_local_reset(&token), -ENOMEM);
    thrum_memory_fail_after(-1);
    CHECK_EQ(get(0), 100);
    CHECK_EQ(thrum_local_reset(&token), 0);
    CHECK_EQ(get(0), failures);
    return 0;
}

TEST(without_memory_nothing_changes)
{
    CHECK_EQ(run_with(1, lacks_memory, NULL), 0);
    CHECK_EQ(alive, 0);
}

static int lacks_memory_to_spawn(void *arg)
{
    thrum_child child;
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    set(0, 1);
    thrum_memory_fail_after(0);
    CHECK_EQ(thrum_group_spawn_child(&group, &child, never_runs, NULL), -ENOMEM);
    thrum_memory_fail_after(-1);
    return thrum_group_close(&group, 0, NULL);
}

TEST(a_spawn_that_cannot_keep_the_values_is_refused)
{
    CHECK_EQ(run_with(1, lacks_memory_to_spawn, NULL), 0);
    CHECK_EQ(alive, 0);
}

/* ---- all of it, by chance -------------------------------------------------------------------- */

/* A task that does things by chance, and knows what it must see. */
struct walk {
    thrum_child child;
    uint64_t random;
    int depth;
    int expected[LOCALS];
};

static unsigned chance(struct walk *walk, unsigned n)
{
    walk->random = walk->random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(walk->random >> 33) % n;
}

static void check_all(const struct walk *walk)
{
    for (int i = 0; i < LOCALS; i++)
        CHECK_EQ(get(i), walk->expected[i]);
}

static void set_one(struct walk *walk)
{
    int which = (int)chance(walk, LOCALS);

    walk->expected[which] = (int)chance(walk, 1000000);
    set(which, walk->expected[which]);
}

static struct walk below(struct walk *walk)
{
    struct walk child = *walk;

    child.random += chance(walk, 1u << 30);
    child.depth--;
    return child;
}

static int wander(void *arg);

static void wander_in_a_group(struct walk *walk)
{
    enum { N = 6 };
    struct walk *children = malloc(N * sizeof *children);
    thrum_group group;

    CHECK(children != NULL);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < N; i++) {
        children[i] = below(walk);
        if (chance(walk, 2))
            CHECK_EQ(thrum_group_spawn_child(&group, &children[i].child, wander, &children[i]), 0);
        else
            CHECK_EQ(thrum_group_spawn(&group, wander, &children[i], NULL, NULL), 0);
        if (chance(walk, 3) == 0)
            set_one(walk);
        if (chance(walk, 5) == 0 && walk->depth > 1) {
            struct walk inner = below(walk);

            memcpy(inner.expected, walk->expected, sizeof inner.expected);
            wander_in_a_group(&inner);
            memcpy(walk->expected, inner.expected, sizeof inner.expected);
        }
        check_all(walk);
    }
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    free(children);
}

static void wander_in_a_branch(struct walk *walk)
{
    struct walk left = below(walk), right = below(walk);
    thrum_branch first, second;

    CHECK_EQ(thrum_fork(&first, wander, &left), 0);
    CHECK_EQ(thrum_fork(&second, wander, &right), 0);
    check_all(walk);
    CHECK_EQ(thrum_join(&second, wander, &right), 0);
    CHECK_EQ(thrum_join(&first, wander, &left), 0);
}

static void wander_in_a_swap(struct walk *walk)
{
    int which = (int)chance(walk, LOCALS);
    int before = walk->expected[which];
    thrum_local_token token;

    walk->expected[which] = (int)chance(walk, 1000000);
    CHECK_EQ(thrum_local_swap(&locals[which], number(walk->expected[which]), &token), 0);
    if (walk->depth > 0)
        wander_in_a_group(walk);
    check_all(walk);
    CHECK_EQ(thrum_local_reset(&token), 0);
    walk->expected[which] = before;
}

static int wander(void *arg)
{
    struct walk *walk = arg;

    check_all(walk);
    for (int i = 0; i < 3; i++) {
        switch (chance(walk, 6)) {
        case 0:
            set_one(walk);
            break;
        case 1:
            CHECK_EQ(thrum_yield(), 0);
            break;
        case 2:
            wander_in_a_swap(walk);
            break;
        case 3:
            if (walk->depth > 0)
                wander_in_a_branch(walk);
            break;
        default:
            if (walk->depth > 0)
                wander_in_a_group(walk);
            break;
        }
        check_all(walk);
    }
    return 0;
}

static int wander_all(void *arg)
{
    (void)arg;
    for (int i = 0; i < many(60); i++) {
        thrum_child child;
        thrum_group group;
        struct walk top = {.random = (uint64_t)i, .depth = 3, .expected = {UNSET, UNSET, UNSET}};

        CHECK_EQ(thrum_group_open(&group, NULL), 0);
        CHECK_EQ(thrum_group_spawn_child(&group, &child, wander, &top), 0);
        CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    }
    return 0;
}

TEST(whatever_tasks_do_each_sees_its_own)
{
    everywhere(wander_all);
}
