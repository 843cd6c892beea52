/*
 * hooks_test.c - compiled with the compiler's hooks (tools/hooks), programs whose tasks share plain
 * data are explored as they are: no access is told by shared.h.
 *
 * Each has a twin that locks. Its bug is found, and in the twin there is none.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <thrum/thrum.h>

#include "runtime/atomic/verbs.h"
#include "tests/check.h"
#include "tests/workers.h"

enum { WRONG = -1001, SEEDS = 8, SCHEDULES = 1000 };

struct pair {
    long a, b, c, d;
};

/* What the programs share; the root begins with all of it zero. */
static struct {
    thrum_mutex mutex;
    bool orderly; /* the twin */
    int n, made, *box, thing, inside;
    bool ready, wants[2], wrong;
    uint64_t atomic;
    struct pair pair;
} here;

static int together(thrum_fn one, thrum_fn other, void *arg)
{
    thrum_child children[2];
    thrum_group group;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_child(&group, &children[0], one, arg), 0);
    CHECK_EQ(thrum_group_spawn_child(&group, &children[1], other, arg), 0);
    return thrum_group_close(&group, 0, NULL);
}

static void enter(void)
{
    if (here.orderly)
        CHECK_EQ(thrum_mutex_lock(&here.mutex), 0);
}

static void leave(void)
{
    if (here.orderly)
        thrum_mutex_unlock(&here.mutex);
}

/* ---- an update is lost: one of a word, one of the root's own frame --------------------------- */

static int count_up(void *arg)
{
    int *n = arg;

    enter();
    ++*n;
    leave();
    return 0;
}

static int lost_update(void)
{
    int status = together(count_up, count_up, &here.n);

    return status ? status : here.n == 2 ? 0 : WRONG;
}

static int lost_in_frame(void)
{
    int n = 0, status = together(count_up, count_up, &n);

    return status ? status : n == 2 ? 0 : WRONG;
}

/* ---- what was looked at is not so any more --------------------------------------------------- */

static int make_once(void *arg)
{
    (void)arg;
    enter();
    if (!here.box) {
        here.made++;
        here.box = &here.thing;
    }
    leave();
    return 0;
}

static int check_then_act(void)
{
    int status = together(make_once, make_once, NULL);

    return status ? status : here.made == 1 ? 0 : WRONG;
}

/* ---- published before it is made ------------------------------------------------------------- */

/* Optimisers know nothing of what stands between two of these. */
static __attribute__((noinline)) void set(bool *at)
{
    *at = true;
}

static int publish(void *arg)
{
    (void)arg;
    enter();
    set(&here.ready);
    here.n = 42;
    leave();
    return 0;
}

static int consume(void *arg)
{
    (void)arg;
    enter();
    if (here.ready && here.n != 42)
        set(&here.wrong);
    leave();
    return 0;
}

static int published_early(void)
{
    int status = together(publish, consume, NULL);

    return status ? status : here.wrong ? WRONG : 0;
}

/* ---- a flag that is raised after the other has been looked at -------------------------------- */

static __attribute__((noinline)) int move(int by)
{
    here.inside += by;
    return here.inside;
}

static int go_inside(int self)
{
    enter();
    if (!here.wants[!self]) {
        set(&here.wants[self]);
        if (move(1) != 1)
            set(&here.wrong);
        (void)move(-1);
        here.wants[self] = false;
    }
    leave();
    return 0;
}

static int go_first(void *arg)
{
    (void)arg;
    return go_inside(0);
}

static int go_second(void *arg)
{
    (void)arg;
    return go_inside(1);
}

static int flags_in_wrong_order(void)
{
    int status = together(go_first, go_second, NULL);

    return status ? status : here.wrong ? WRONG : 0;
}

/* ---- a struct that is copied while it changes ------------------------------------------------ */

static int change(void *arg)
{
    (void)arg;
    enter();
    here.pair.a -= 10;
    here.pair.d += 10;
    leave();
    return 0;
}

static int copy(void *arg)
{
    struct pair pair;

    (void)arg;
    enter();
    pair = here.pair;
    leave();
    if (pair.a + pair.d != 0)
        set(&here.wrong);
    return 0;
}

static int torn_copy(void)
{
    int status = together(change, copy, NULL);

    return status ? status : here.wrong ? WRONG : 0;
}

/* ---- two atomic steps instead of one --------------------------------------------------------- */

static int count_atomic(void *arg)
{
    (void)arg;
    if (here.orderly)
        (void)add_relaxed(&here.atomic, 1); /* relaxed: nothing hangs on it */
    else
        store_relaxed(&here.atomic, load_relaxed(&here.atomic) + 1); /* relaxed: likewise */
    return 0;
}

static int two_steps(void)
{
    int status = together(count_atomic, count_atomic, NULL);

    return status ? status : here.atomic == 2 ? 0 : WRONG;
}

/* ---- what finds them ------------------------------------------------------------------------- */

static const struct program {
    const char *name;
    int (*fn)(void);
} programs[] = {
    {"lost_update", lost_update},
    {"lost_in_frame", lost_in_frame},
    {"check_then_act", check_then_act},
    {"published_early", published_early},
    {"flags_in_wrong_order", flags_in_wrong_order},
    {"torn_copy", torn_copy},
    {"two_steps", two_steps},
};

enum { PROGRAMS = sizeof programs / sizeof *programs };

struct run {
    const struct program *program;
    bool orderly;
};

static int root(void *arg)
{
    const struct run *run = arg;

    memset(&here, 0, sizeof here);
    here.orderly = run->orderly;
    return run->program->fn();
}

static int explore(struct run *run, uint64_t seed, thrum_explore_result *result)
{
    thrum_explore_options options = THRUM_EXPLORE_OPTIONS_INIT;

    options.flags = THRUM_EXPLORE_QUIET;
    options.schedules = SCHEDULES;
    options.seed = seed;
    return thrum_explore(&options, root, run, result);
}

TEST(bugs_of_plain_accesses_are_found_and_replayed)
{
    for (unsigned i = 0; i < PROGRAMS; i++)
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            struct run run = {&programs[i], false};
            thrum_explore_result result;
            size_t matched;

            if (explore(&run, seed, &result) != WRONG)
                check_fail(CHECK_SITE(programs[i].name));
            CHECK_EQ(thrum_replay(result.replay, root, &run, &matched), WRONG);
            CHECK_EQ(matched, result.deltas);
        }
}

TEST(twins_have_none)
{
    for (unsigned i = 0; i < PROGRAMS; i++) {
        struct run run = {&programs[i], true};
        thrum_explore_result result;

        if (explore(&run, 1, &result) != 0)
            check_fail(CHECK_SITE(programs[i].name));
        CHECK_EQ(result.schedules, SCHEDULES);
        CHECK_NE(result.decisions, 0);
    }
}

/* ---- what is no point ------------------------------------------------------------------------ */

enum { STEPS = 100 };

static void scribble(volatile char *room)
{
    for (int i = 0; i < STEPS; i++)
        room[i] = (char)i;
}

static int in_own_frame(void *arg)
{
    volatile char room[STEPS];

    (void)arg;
    scribble(room);
    return room[0];
}

static int in_owners_frame(void *arg)
{
    scribble(arg);
    return 0;
}

static int nowhere(void *arg)
{
    (void)arg;
    return 0;
}

static int both(void *arg)
{
    thrum_fn fn = *(thrum_fn *)arg;
    char room[STEPS];

    return together(fn, fn, room);
}

/* In the ordinary order, in which they run on their owner's stack. */
static uint64_t decisions_of(thrum_fn fn)
{
    thrum_explore_options options = THRUM_EXPLORE_OPTIONS_INIT;
    thrum_explore_result result;

    options.flags = THRUM_EXPLORE_QUIET;
    options.schedules = 1;
    options.strategy = THRUM_STRATEGY_SYSTEMATIC;
    CHECK_EQ(thrum_explore(&options, both, &fn, &result), 0);
    return result.decisions;
}

TEST(a_task_shares_its_owners_frame_and_not_its_own)
{
    uint64_t none = decisions_of(nowhere);

    CHECK_EQ(decisions_of(in_own_frame), none);
    /* The first of them has the other to fear at each step; the second is alone. */
    CHECK_EQ(decisions_of(in_owners_frame), none + STEPS);
}

/* Groups and children that do not live on a stack: Thrum's inline functions touch them. */
enum { BRANCHES = 3, LEAVES = 2 };

static struct {
    thrum_group group;
    thrum_child leaves[LEAVES];
} branches[BRANCHES];
static thrum_group trunk;
static thrum_child children[BRANCHES];

static int count_locked(void *arg)
{
    (void)arg;
    CHECK_EQ(thrum_mutex_lock(&here.mutex), 0);
    here.n++;
    thrum_mutex_unlock(&here.mutex);
    return 0;
}

static int branch_out(void *arg)
{
    size_t i = (size_t)(uintptr_t)arg;

    CHECK_EQ(thrum_group_open(&branches[i].group, NULL), 0);
    for (int leaf = 0; leaf < LEAVES; leaf++)
        CHECK_EQ(thrum_group_spawn_child(&branches[i].group, &branches[i].leaves[leaf],
                                         count_locked, NULL),
                 0);
    return thrum_group_close(&branches[i].group, 0, NULL);
}

static int in_static_memory(void *arg)
{
    (void)arg;
    memset(&here, 0, sizeof here);
    CHECK_EQ(thrum_group_open(&trunk, NULL), 0);
    for (uintptr_t i = 0; i < BRANCHES; i++)
        CHECK_EQ(thrum_group_spawn_child(&trunk, &children[i], branch_out, (void *)i), 0);
    CHECK_EQ(thrum_group_close(&trunk, 0, NULL), 0);
    return here.n == BRANCHES * LEAVES ? 0 : WRONG;
}

TEST(groups_in_shared_memory_are_no_obstacle)
{
    thrum_explore_options options = THRUM_EXPLORE_OPTIONS_INIT;
    thrum_explore_result result;

    options.flags = THRUM_EXPLORE_QUIET | THRUM_EXPLORE_TWICE;
    options.schedules = SCHEDULES;
    CHECK_EQ(thrum_explore(&options, in_static_memory, NULL, &result), 0);
}

/* Between these nobody else goes. */
static int count_staying(void *arg)
{
    (void)arg;
    thrum_stay_begin(&here.n, "a count");
    here.n++;
    CHECK(thrum_stay_end(&here.n));
    return 0;
}

static int stays(void)
{
    int status = together(count_staying, count_staying, NULL);

    return status ? status : here.n == 2 ? 0 : WRONG;
}

TEST(who_holds_what_is_his_threads_keeps_it)
{
    static const struct program program = {"stays", stays};
    struct run run = {&program, false};
    thrum_explore_result result;

    CHECK_EQ(explore(&run, 1, &result), 0);
}

/* errno is as it was when others have gone first. */
static int set_errno(void *arg)
{
    errno = (int)(intptr_t)arg;
    here.n++;
    return errno == (int)(intptr_t)arg ? 0 : WRONG;
}

static int set_errno_otherwise(void *arg)
{
    return set_errno((void *)((intptr_t)arg + 1));
}

static int errnos(void)
{
    return together(set_errno, set_errno_otherwise, (void *)1);
}

TEST(errno_is_kept)
{
    static const struct program program = {"errno", errnos};
    struct run run = {&program, false};
    thrum_explore_result result;

    CHECK_EQ(explore(&run, 1, &result), 0);
}

/* ---- the real world -------------------------------------------------------------------------- */

static int add_many(void *arg)
{
    for (int i = 0; i < 500; i++)
        CHECK_EQ(count_up(arg), 0);
    return 0;
}

static int all_twins(void *arg)
{
    for (unsigned i = 0; i < PROGRAMS; i++) {
        struct run run = {&programs[i], true};

        CHECK_EQ(root(&run), 0);
    }
    here.n = 0;
    CHECK_EQ(together(add_many, add_many, &here.n), 0);
    CHECK_EQ(here.n, 1000);
    return in_static_memory(arg);
}

TEST(twins_run_on_all_workers)
{
    static const int workers[] = {1, 2, 8};

    for (int i = 0; i < 3; i++)
        for (int round = 0; round < 20; round++)
            CHECK_EQ(run_with(workers[i], all_twins, NULL), 0);
}
