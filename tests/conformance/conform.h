/*
 * conform.h - how a rule of Thrum's semantics is tested.
 *
 *     RULE(a_cancelled_sleep_returns_at_once)
 *     {
 *         ...
 *         EXPECT_EQ(finish(sleeper).kind, THRUM_CANCELLED);
 *     }
 *
 * A rule is the body of a task. It is a TEST three times over:
 *
 *   undisturbed   with 1, 2 and 8 workers, several times each; all that it
 *                 expects must be true
 *   cancelled     (built with THRUM_POINTS) with 1 and 2 workers: how many
 *                 suspensions are there, of the rule's task and all below it?
 *                 Then once for each of them: the rule's task is cancelled
 *                 from outside while that fiber has left its stack and is not
 *                 yet asleep. What the rule expects is now void, but what holds
 *                 for all programs is not: it ends, whoever entered a span has
 *                 left it exactly once, and all of the runtime's objects are
 *                 back where they came from.
 *   in turn       (THRUM_SIM) a task beside the rule's cancels it in its first
 *                 turn, in its second, and so on; the seed says what goes before.
 *                 The same holds.
 *
 * So a rule closes what it opens on every path, and never waits for what only a
 * task can bring that may have been cancelled: see AWAIT.
 */
#ifndef THRUM_TESTS_CONFORMANCE_CONFORM_H
#define THRUM_TESTS_CONFORMANCE_CONFORM_H

#include <errno.h>
#include <string.h>
#include <thrum/thrum.h>

#include "runtime/atomic/verbs.h"
#include "tests/check.h"

#define RULE(id)                     \
    static void rule_##id(void);     \
    TEST(id)                         \
    {                                \
        conform(rule_##id);          \
    }                                \
    static void rule_##id(void)

/* Runs the rule in all the ways told above. */
void conform(void (*rule)(void));

/* Has the rule been cancelled from outside? */
bool disturbed(void);

/* Both sides are evaluated first: a cancel that comes meanwhile makes them void. */
#define EXPECT_EQ(a, b)                                                                \
    do {                                                                               \
        intmax_t expect_a_ = (intmax_t)(a);                                            \
        intmax_t expect_b_ = (intmax_t)(b);                                            \
        if (expect_a_ != expect_b_ && !disturbed())                                    \
            check_fail_values(CHECK_SITE(#a " == " #b), expect_a_, expect_b_);         \
    } while (0)

#define EXPECT(condition)                          \
    do {                                           \
        if (!(condition) && !disturbed())          \
            check_fail(CHECK_SITE(#condition));    \
    } while (0)

/* Wait until the flag is raised, or nothing is to be expected any more. */
#define AWAIT(flag)                                                     \
    do {                                                                \
        while (!raised(flag) && !disturbed())                           \
            EXPECT_EQ(thrum_event_wait(flag), 0);                       \
    } while (0)

/* From here to the end of the block: entered once, left once. */
#define SPAN __attribute__((cleanup(span_leave), unused)) int span_here = span_enter()
int span_enter(void);
void span_leave(int *span);

/* ---- what rules are made of ------------------------------------------------------------------ */

/* A flag that one task raises and another looks at or waits for: an event. */
static inline void raise_flag(thrum_event *flag)
{
    thrum_event_set(flag);
}

static inline bool raised(const thrum_event *flag)
{
    return thrum_event_is_set(flag);
}

/* Spawn, and get a handle; NULL if the group takes no more. */
thrum_task *spawn(thrum_group *group, thrum_fn fn, void *arg);

/* Spawn, and never ask for it again. */
int spawn_forgotten(thrum_group *group, thrum_fn fn, void *arg);

/* Its outcome, joined and given back. NULL: cancelled. The error is freed. */
struct finish {
    int join; /* what thrum_task_join said */
    enum thrum_kind kind;
    int status;
};
struct finish finish(thrum_task *task);

void open_group(thrum_group *group);
void open_collecting(thrum_group *group);

/* Close it, and forget its errors. */
int close_group(thrum_group *group, int status);

/*
 * Sleep until cancelled, for who may have been told already: does not, if that
 * was a cancel from outside.
 */
int rest(void);

/* Sleeps until it is cancelled; its status. arg: a flag to raise before, or NULL. */
int sleep_on(void *arg);

/* Waits for an event. */
int wait_event(void *arg);

/* Returns at once; fails with *(int *)arg. */
int nothing(void *arg);
int fail_with(void *arg);

#endif
