/*
 * limiter_test.c - never more calls at once than the limit, abandoned ones
 * included; and room is neither lost nor doubled.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "runtime/atomic/verbs.h"
#include "runtime/plat/memory.h"
#include "workers.h"

enum { LIMIT = 3 };

static struct {
    thrum_limiter *limiter;
    uint32_t ran;     /* atomic: calls that began */
    uint32_t inside;  /* atomic: calls that run */
    uint32_t most;    /* atomic: at once */
    uint32_t dropped; /* atomic */
    uint32_t go;      /* atomic: calls may end */
} shared;

/* Runs the task everywhere, with a new limiter. */
static void play(thrum_fn fn)
{
    static const int counts[] = {1, 2, 8};

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        memset(&shared, 0, sizeof shared);
        CHECK_EQ(thrum_limiter_create(&shared.limiter, LIMIT), 0);
        CHECK_EQ(run_with(counts[i], fn, NULL), 0);
        CHECK_EQ(thrum_limiter_room(shared.limiter), LIMIT);
        thrum_limiter_close(shared.limiter);
    }
}

static void enter(void)
{
    uint32_t inside = add_relaxed(&shared.inside, 1) + 1; /* relaxed: a counter */
    uint32_t most = load_relaxed(&shared.most);           /* relaxed: a counter */

    add_relaxed(&shared.ran, 1);                                       /* relaxed: a counter */
    while (most < inside && !cas_relaxed(&shared.most, &most, inside)) /* relaxed: a counter */
        continue;
}

static void leave(void)
{
    add_relaxed(&shared.inside, (uint32_t)-1); /* relaxed: a counter */
}

static int work(void *arg)
{
    enter();
    for (int i = 0; i < *(const int *)arg; i++)
        sched_yield();
    leave();
    return *(const int *)arg;
}

/* Hears of no cancel. */
static int deaf(void *arg)
{
    (void)arg;
    enter();
    while (!load_relaxed(&shared.go)) /* relaxed: a flag */
        sched_yield();
    leave();
    return 0;
}

static void drop(void *copy)
{
    CHECK_EQ(*(const int *)copy, 42);
    CHECK_EQ((uintptr_t)copy % 16, 0);
    add_release(&shared.dropped, 1);
}

/* ---- the limit ------------------------------------------------------------------------------- */

static int call_some(void *arg)
{
    int n = 5;

    (void)arg;
    CHECK_EQ(thrum_limiter_call(shared.limiter, NULL, work, &n), 5);
    CHECK_EQ(thrum_limiter_call_copy(shared.limiter, NULL, work, &n, sizeof n, NULL), 5);
    return 0;
}

static int crowd(void *arg)
{
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < many(2000); i++)
        CHECK_EQ(thrum_group_spawn(&group, call_some, NULL, NULL, NULL), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(shared.ran, 2 * many(2000));
    CHECK_LE(shared.most, LIMIT);
    return 0;
}

TEST(there_are_never_more_calls_than_the_limit)
{
    play(crowd);
}

/* ---- cancels --------------------------------------------------------------------------------- */

static int abandon(void *arg)
{
    int value = 42;

    (void)arg;
    return thrum_limiter_call_copy(shared.limiter, NULL, deaf, &value, sizeof value, drop);
}

static int call_quickly(void *arg)
{
    int none = 0;

    (void)arg;
    return thrum_limiter_call(shared.limiter, NULL, work, &none);
}

/* Abandoned calls keep their room until they have ended. */
static int abandon_all(void *arg)
{
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(thrum_group_spawn(&group, abandon, NULL, NULL, NULL), 0);
    while (load_relaxed(&shared.ran) < LIMIT) /* relaxed: a counter */
        CHECK_EQ(thrum_yield(), 0);
    thrum_group_cancel(&group, 0, NULL);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(thrum_limiter_room(shared.limiter), 0);
    CHECK_EQ(thrum_wait_for(call_quickly, NULL, thrum_ms(1)), THRUM_ETIMEOUT);
    store_relaxed(&shared.go, 1); /* relaxed: a flag */
    CHECK_EQ(call_quickly(NULL), 0);
    while (thrum_limiter_room(shared.limiter) < LIMIT)
        CHECK_EQ(thrum_yield(), 0);
    CHECK_EQ(load_relaxed(&shared.ran), LIMIT + 1); /* relaxed: a counter */
    CHECK_LE(load_relaxed(&shared.most), LIMIT);    /* relaxed: likewise */
    return 0;
}

TEST(an_abandoned_call_counts_until_it_has_ended)
{
    REAL_WORLD_ONLY;
    play(abandon_all);
}

static void say_nothing(const char *line, void *context)
{
    (void)line;
    (void)context;
}

/* It ends after the limiter was closed and the runtime is gone. */
TEST(a_limiter_lives_as_long_as_its_calls)
{
    thrum_options options = THRUM_OPTIONS_INIT;
    thrum_runtime *runtime;
    thrum_ticket *ticket;

    REAL_WORLD_ONLY;
    memset(&shared, 0, sizeof shared);
    options.abandoned_ns = 1;
    options.report = say_nothing;
    CHECK_EQ(thrum_limiter_create(&shared.limiter, LIMIT), 0);
    CHECK_EQ(thrum_runtime_create(&runtime, &options), 0);
    CHECK_EQ(thrum_submit(runtime, abandon, NULL, &ticket), 0);
    while (load_relaxed(&shared.ran) == 0) /* relaxed: a counter */
        sched_yield();
    CHECK_EQ(thrum_runtime_close(runtime), THRUM_ETIMEOUT);
    thrum_ticket_unref(ticket);
    thrum_limiter_close(shared.limiter);
    store_relaxed(&shared.go, 1); /* relaxed: a flag */
    while (!load_acquire(&shared.dropped))
        sched_yield();
}

static int races(void *arg)
{
    (void)arg;
    for (int i = 0; i < many(4000); i++) {
        thrum_group group;

        store_relaxed(&shared.go, 1); /* relaxed: a flag */
        CHECK_EQ(thrum_group_open(&group, NULL), 0);
        for (int j = 0; j < 2 * LIMIT; j++)
            CHECK_EQ(thrum_group_spawn(&group, j % 2 ? abandon : call_quickly, NULL, NULL, NULL),
                     0);
        for (int j = 0; j < i % 5; j++)
            CHECK_EQ(thrum_yield(), 0);
        thrum_group_cancel(&group, 0, NULL);
        CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    }
    while (thrum_limiter_room(shared.limiter) < LIMIT)
        CHECK_EQ(thrum_yield(), 0);
    CHECK_LE(load_relaxed(&shared.most), LIMIT); /* relaxed: a counter */
    return 0;
}

TEST(cancels_lose_no_room)
{
    play(races);
}

/* ---- another limit --------------------------------------------------------------------------- */

enum { IN_LINE = 12 };

static uint32_t turn;    /* atomic: calls that have begun */
static uint32_t may_end; /* atomic: those that came before that one */

/* In the order in which they begin. */
static int take_turn(void *arg)
{
    uint32_t mine;

    enter();
    mine = add_acq_rel(&turn, 1);
    *(uint32_t *)arg = mine;
    while (load_relaxed(&may_end) <= mine) /* relaxed: a number */
        (void)thrum_thread_check_cancelled();
    leave();
    return 0;
}

static int taking_turn(void *arg)
{
    return thrum_limiter_call(shared.limiter, NULL, take_turn, arg);
}

/* So many have begun, and no more do. */
static void await_turns(uint32_t calls)
{
    while (load_acquire(&turn) < calls || thrum_limiter_waiting(shared.limiter) != IN_LINE - calls)
        CHECK_EQ(thrum_yield(), 0);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(thrum_yield(), 0);
    CHECK_EQ(load_acquire(&turn), calls);
}

static void let_end(uint32_t calls)
{
    store_relaxed(&may_end, calls); /* relaxed: a number */
}

static int other_limits(void *arg)
{
    uint32_t turns[IN_LINE];
    thrum_group group;

    (void)arg;
    let_end(0);
    store_relaxed(&turn, 0); /* relaxed: nobody else is there */
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (uint32_t i = 0; i < IN_LINE; i++) {
        CHECK_EQ(thrum_group_spawn(&group, taking_turn, &turns[i], NULL, NULL), 0);
        while (thrum_limiter_running(shared.limiter) + thrum_limiter_waiting(shared.limiter) <= i)
            CHECK_EQ(thrum_yield(), 0);
    }
    await_turns(3);
    CHECK_EQ(thrum_limiter_resize(shared.limiter, 5), 0);
    await_turns(5);
    CHECK_EQ(thrum_limiter_total(shared.limiter), 5);
    CHECK_EQ(thrum_limiter_running(shared.limiter), 5);
    CHECK_EQ(thrum_limiter_resize(shared.limiter, 2), 0);
    let_end(3); /* two of five are left, and nobody has come */
    while (thrum_limiter_running(shared.limiter) > 2)
        CHECK_EQ(thrum_yield(), 0);
    await_turns(5);
    let_end(4);
    await_turns(6);
    CHECK_EQ(thrum_limiter_running(shared.limiter), 2);
    CHECK_EQ(thrum_limiter_resize(shared.limiter, LIMIT), 0);
    await_turns(7);
    let_end(IN_LINE);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    for (uint32_t i = LIMIT; i < IN_LINE; i++)
        CHECK(turns[i] >= LIMIT); /* who came first went first */
    CHECK_EQ(thrum_limiter_running(shared.limiter), 0);
    CHECK_LE(shared.most, 5);
    return 0;
}

TEST(a_limit_can_change_while_calls_run)
{
    play(other_limits);
}

static int change_limits(void *arg)
{
    for (uint32_t i = 0; i < 200; i++) {
        int status = thrum_limiter_resize(shared.limiter, 1 + i % 7);

        if (!status)
            status = thrum_yield();
        if (status)
            return status;
    }
    return thrum_limiter_resize(arg, LIMIT);
}

static int crowd_and_changes(void *arg)
{
    thrum_group group;

    (void)arg;
    store_relaxed(&shared.go, 1); /* relaxed: a flag */
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, change_limits, shared.limiter, NULL, NULL), 0);
    for (int i = 0; i < many(2000); i++)
        CHECK_EQ(thrum_group_spawn(&group, i % 2 ? abandon : call_quickly, NULL, NULL, NULL), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    while (thrum_limiter_room(shared.limiter) < LIMIT)
        CHECK_EQ(thrum_yield(), 0);
    CHECK_LE(load_relaxed(&shared.most), 7); /* relaxed: a counter */
    CHECK_EQ(thrum_limiter_waiting(shared.limiter), 0);
    return 0;
}

TEST(changes_of_the_limit_lose_no_room)
{
    play(crowd_and_changes);
}

/* ---- no memory ------------------------------------------------------------------------------- */

static int without_memory(void *arg)
{
    (void)arg;
    store_relaxed(&shared.go, 1); /* relaxed: a flag */
    CHECK_EQ(thrum_sleep(1), 0);  /* what this fiber needs to sleep it has */
    for (int n = 0; n < 4; n++) {
        int status;

        thrum_memory_fail_after(n);
        status = abandon(NULL);
        thrum_memory_fail_after(-1);
        CHECK(status == 0 || status == -ENOMEM || status == -EAGAIN);
        CHECK_EQ(thrum_limiter_room(shared.limiter), LIMIT);
    }
    return 0;
}

TEST(without_memory_no_room_is_lost)
{
    play(without_memory);
}

TEST(a_limit_of_nothing_is_refused)
{
    thrum_limiter *limiter = NULL;

    CHECK_EQ(thrum_limiter_create(&limiter, 0), -EINVAL);
    CHECK_EQ(thrum_limiter_create(&limiter, THRUM_LIMITER_MOST + 1), -EINVAL);
    CHECK(limiter == NULL);
    thrum_limiter_close(NULL);
    CHECK_EQ(thrum_limiter_create(&limiter, THRUM_LIMITER_MOST), 0);
    CHECK_EQ(thrum_limiter_resize(limiter, 0), -EINVAL);
    CHECK_EQ(thrum_limiter_resize(limiter, THRUM_LIMITER_MOST + 1), -EINVAL);
    CHECK_EQ(thrum_limiter_total(limiter), THRUM_LIMITER_MOST);
    thrum_limiter_close(limiter);
}
