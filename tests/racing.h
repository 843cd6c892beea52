/*
 * racing.h - what the tests of the primitives share: cancels that race with
 * wake-ups, crowds, and a look at whether a fast path allocates.
 */
#ifndef THRUM_TESTS_RACING_H
#define THRUM_TESTS_RACING_H

#include <errno.h>

#include "runtime/atomic/verbs.h"
#include "runtime/plat/memory.h"
#include "workers.h"

/* One task that waits, and how its wait ended. */
struct racer {
    void *arena;
    int number;
    int status; /* NEVER_RAN: it was cancelled before its start */
};

#define NEVER_RAN 1
#define RACERS 4

struct race {
    thrum_fn wait; /* of a racer: sets its status */
    thrum_fn wake; /* of the arena: so that all can go on */
    void *arena;
    struct racer racers[RACERS];
};

static inline uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13; /* xorshift64 (Marsaglia 2003) */
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

static inline void maybe_yield(uint64_t bits)
{
    for (uint64_t i = 0; i < (bits & 3); i++)
        thrum_yield();
}

/* RACERS wait; they are woken, and some of them cancelled, in some order or at once. */
static inline void race(struct race *race, uint64_t bits)
{
    thrum_task *tasks[RACERS];
    thrum_group group;

    CHECK_EQ(thrum_group_open(&group, collecting()), 0);
    for (int i = 0; i < RACERS; i++) {
        race->racers[i] = (struct racer){race->arena, i, NEVER_RAN};
        CHECK_EQ(thrum_group_spawn(&group, race->wait, &race->racers[i], NULL, &tasks[i]), 0);
    }
    maybe_yield(bits >> 8);
    if (bits & 16)
        CHECK_EQ(thrum_group_spawn(&group, race->wake, race->arena, NULL, NULL), 0);
    maybe_yield(bits >> 10);
    for (int i = 0; i < RACERS; i++)
        if (bits >> i & 1)
            thrum_task_cancel(tasks[i], 0, NULL);
    maybe_yield(bits >> 12);
    if (!(bits & 16))
        CHECK_EQ(race->wake(race->arena), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    for (int i = 0; i < RACERS; i++) {
        if (!(bits >> i & 1))
            CHECK_EQ(race->racers[i].status, 0);
        thrum_task_unref(tasks[i]);
    }
}

/* With four numbers of workers it comes to a million waits. */
static inline int race_rounds(void)
{
    return many(1 << 16);
}

/* n tasks run fn(arg) at once. */
static inline void crowd(int n, thrum_fn fn, void *arg)
{
    thrum_group group;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < n; i++)
        CHECK_EQ(thrum_group_spawn(&group, fn, arg, NULL, NULL), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
}

/* Who hammers one object. A simulated world finds by order what the real one finds by mass. */
static inline int crowd_size(void)
{
    return getenv("THRUM_SIM") != NULL ? 1000 : 10000;
}

/*
 * Between them nothing is allocated, by anybody: the allocation that was to fail is still to come.
 * The simulated world writes down who holds what, and may allocate.
 */
static inline void no_allocation_begin(void)
{
    if (getenv("THRUM_SIM"))
        return;
    thrum_memory_fail_after(0);
}

static inline void no_allocation_end(void)
{
    if (getenv("THRUM_SIM"))
        return;
    CHECK(thrum_memory_get(16, 16) == NULL);
    thrum_memory_fail_after(-1);
}

#endif
