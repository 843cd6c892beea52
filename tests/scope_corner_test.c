/*
 * scope_corner_test.c - cancels that are easily lost: between a shield and the
 * tasks outside of it, between a fork and its forker, behind a push, and in
 * scopes around a group that failed.
 */
#include <pthread.h>
#include <stdint.h>

#include <thrum/thrum.h>

#include "runtime/atomic/verbs.h"
#include "tests/check.h"
#include "tests/workers.h"

#define MS INT64_C(1000000)

static int runs(void *arg)
{
    add_relaxed((uint32_t *)arg, 1); /* relaxed: a counter */
    return 0;
}

static int sleeps(void *arg)
{
    thrum_event never = THRUM_EVENT_INIT;

    (void)arg;
    return thrum_event_wait(&never);
}

/* ---- a task that starts in a cancelled scope while its owner is in a shield ---------------- */

static int behind_a_shield(void *arg)
{
    uint32_t ran = 0;
    thrum_scope scope;
    thrum_group group;
    thrum_child children[8];
    thrum_shield shield;

    (void)arg;
    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    thrum_scope_cancel(&scope, 1, NULL);
    thrum_shield_begin(&shield);
    for (int i = 0; i < 8; i++)
        CHECK_EQ(thrum_group_spawn_child(&group, &children[i], runs, &ran), 0);
    CHECK_EQ(thrum_sleep(MS), 0);
    CHECK_EQ(thrum_shield_end(&shield), THRUM_ECANCELED);
    CHECK_EQ(thrum_group_close(&group, THRUM_ECANCELED, NULL), THRUM_ECANCELED);
    CHECK_EQ(load_relaxed(&ran), 0); /* relaxed: joined */
    return thrum_scope_end(&scope, THRUM_ECANCELED);
}

TEST(who_starts_looks_behind_its_owners_shield)
{
    run_everywhere(behind_a_shield, NULL);
}

/* ---- once each ------------------------------------------------------------------------------ */

static int told_once(void *arg)
{
    (void)arg;
    CHECK_EQ(sleeps(NULL), THRUM_ECANCELED);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(thrum_checkpoint(), 0);
    return THRUM_ECANCELED;
}

static int tells_once(void *arg)
{
    thrum_child child;
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_child(&group, &child, told_once, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, told_once, NULL, NULL, NULL), 0);
    CHECK_EQ(thrum_sleep(MS), 0);
    thrum_group_cancel(&group, 1, NULL);
    return thrum_group_close(&group, 0, NULL);
}

TEST(a_task_with_nothing_open_is_told_once)
{
    run_everywhere(tells_once, NULL);
}

/* ---- fork and join --------------------------------------------------------------------------- */

struct forker {
    thrum_scope *scope;
    thrum_event forked;
    bool told; /* the fork comes after a cancel that the forker was told of */
};

static int forker_in_scope(void *arg)
{
    struct forker *forker = arg;
    thrum_scope scope;
    thrum_branch branch;
    int status;

    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    if (forker->told) {
        thrum_scope_cancel(&scope, 1, NULL);
        CHECK_EQ(thrum_checkpoint(), THRUM_ECANCELED);
    }
    CHECK_EQ(thrum_fork(&branch, sleeps, NULL), 0);
    forker->scope = &scope;
    thrum_event_set(&forker->forked);
    status = sleeps(NULL);
    CHECK_EQ(status, THRUM_ECANCELED);
    CHECK_EQ(thrum_join(&branch, sleeps, NULL), THRUM_ECANCELED);
    return thrum_scope_end(&scope, status);
}

static int fork_is_told(void *arg)
{
    struct forker forker = {NULL, THRUM_EVENT_INIT, arg != NULL};
    thrum_child child;
    thrum_group group;
    int status;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_child(&group, &child, forker_in_scope, &forker), 0);
    CHECK_EQ(thrum_event_wait(&forker.forked), 0);
    CHECK_EQ(thrum_sleep(MS), 0); /* most likely both sleep */
    thrum_scope_cancel(forker.scope, 1, NULL);
    status = thrum_group_close(&group, 0, NULL);
    thrum_event_destroy(&forker.forked);
    return status;
}

TEST(fork_and_forker_are_both_told)
{
    run_everywhere(fork_is_told, NULL);
}

TEST(fork_and_forker_are_both_told_again)
{
    static int again;

    run_everywhere(fork_is_told, &again);
}

/* What was forked before the cancel does not start after it. */
static int fork_unstarted(void *arg)
{
    uint32_t ran = 0;
    thrum_scope scope;
    thrum_branch branch;

    (void)arg;
    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    CHECK_EQ(thrum_fork(&branch, runs, &ran), 0);
    thrum_scope_cancel(&scope, 1, NULL);
    CHECK_EQ(thrum_checkpoint(), THRUM_ECANCELED);
    CHECK_EQ(thrum_join(&branch, runs, &ran), load_relaxed(&ran) ? 0 : THRUM_ECANCELED);
    return thrum_scope_end(&scope, THRUM_ECANCELED);
}

static int fork_unstarted_alone(void *arg)
{
    uint32_t ran = 0;
    thrum_scope scope;
    thrum_branch branch;

    (void)arg;
    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    CHECK_EQ(thrum_fork(&branch, runs, &ran), 0);
    thrum_scope_cancel(&scope, 1, NULL);
    CHECK_EQ(thrum_checkpoint(), THRUM_ECANCELED);
    CHECK_EQ(thrum_join(&branch, runs, &ran), THRUM_ECANCELED);
    CHECK_EQ(load_relaxed(&ran), 0); /* relaxed: joined */
    return thrum_scope_end(&scope, THRUM_ECANCELED);
}

TEST(what_was_forked_before_does_not_start)
{
    run_everywhere(fork_unstarted, NULL);
    CHECK_EQ(run_with(1, fork_unstarted_alone, NULL), 0);
}

/* Cleanup may run branches, in a scope or group of its own. */
static int cleanup_forks(void *arg)
{
    uint32_t ran = 0;
    thrum_scope scope, cleanup;
    thrum_branch branch;

    (void)arg;
    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    thrum_scope_cancel(&scope, 1, NULL);
    CHECK_EQ(thrum_checkpoint(), THRUM_ECANCELED);
    CHECK_EQ(thrum_scope_begin(&cleanup, 0), 0);
    CHECK_EQ(thrum_fork(&branch, runs, &ran), 0);
    CHECK_EQ(thrum_join(&branch, runs, &ran), 0);
    CHECK_EQ(load_relaxed(&ran), 1); /* relaxed: joined */
    CHECK_EQ(thrum_scope_end(&cleanup, THRUM_ECANCELED), THRUM_ECANCELED);
    return thrum_scope_end(&scope, THRUM_ECANCELED);
}

TEST(cleanup_forks_in_a_scope_of_its_own)
{
    run_everywhere(cleanup_forks, NULL);
}

/* With nothing open: what it forks after it was told runs, and is told of the next. */
struct bottom {
    thrum_event begun;
    thrum_event told;
};

static int forks_at_the_bottom(void *arg)
{
    struct bottom *bottom = arg;
    uint32_t ran = 0;
    thrum_branch branch;

    thrum_event_set(&bottom->begun);
    CHECK_EQ(sleeps(NULL), THRUM_ECANCELED);
    CHECK_EQ(thrum_fork(&branch, runs, &ran), 0);
    CHECK_EQ(thrum_join(&branch, runs, &ran), 0);
    CHECK_EQ(load_relaxed(&ran), 1); /* relaxed: joined */
    CHECK_EQ(thrum_fork(&branch, sleeps, NULL), 0);
    thrum_event_set(&bottom->told);
    CHECK_EQ(sleeps(NULL), THRUM_ECANCELED);
    CHECK_EQ(thrum_join(&branch, sleeps, NULL), THRUM_ECANCELED);
    return THRUM_ECANCELED;
}

static int told_twice_at_the_bottom(void *arg)
{
    struct bottom bottom = {THRUM_EVENT_INIT, THRUM_EVENT_INIT};
    thrum_child child;
    thrum_group group;
    thrum_shield shield;
    thrum_scope scope;

    (void)arg;
    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_child(&group, &child, forks_at_the_bottom, &bottom), 0);
    CHECK_EQ(thrum_event_wait(&bottom.begun), 0);
    CHECK_EQ(thrum_sleep(MS), 0); /* most likely it sleeps */
    thrum_shield_begin(&shield);
    thrum_scope_cancel(&scope, 1, NULL);
    CHECK_EQ(thrum_event_wait(&bottom.told), 0);
    CHECK_EQ(thrum_sleep(MS), 0); /* most likely both sleep */
    thrum_scope_cancel(&scope, 2, NULL);
    CHECK_EQ(thrum_shield_end(&shield), THRUM_ECANCELED);
    CHECK_EQ(thrum_group_close(&group, THRUM_ECANCELED, NULL), THRUM_ECANCELED);
    thrum_event_destroy(&bottom.begun);
    thrum_event_destroy(&bottom.told);
    return thrum_scope_end(&scope, THRUM_ECANCELED);
}

TEST(forks_of_a_task_that_was_told_before)
{
    run_everywhere(told_twice_at_the_bottom, NULL);
}

/* A scope of the branch's own, forked in a shield by a task that was told before. */
static int opens_and_cancels(void *arg)
{
    thrum_scope scope;

    (void)arg;
    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    thrum_scope_cancel(&scope, 1, NULL);
    CHECK_EQ(thrum_checkpoint(), THRUM_ECANCELED);
    return thrum_scope_end(&scope, THRUM_ECANCELED);
}

static int forks_in_a_shield(void *arg)
{
    thrum_scope scope;
    thrum_shield shield;
    thrum_branch branch;

    (void)arg;
    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    thrum_scope_cancel(&scope, 1, NULL);
    CHECK_EQ(thrum_checkpoint(), THRUM_ECANCELED);
    thrum_shield_begin(&shield);
    CHECK_EQ(thrum_fork(&branch, opens_and_cancels, NULL), 0);
    CHECK_EQ(thrum_join(&branch, opens_and_cancels, NULL), 0);
    CHECK_EQ(thrum_shield_end(&shield), 0);
    return thrum_scope_end(&scope, THRUM_ECANCELED);
}

TEST(forks_in_a_shield_have_seen_nothing)
{
    run_everywhere(forks_in_a_shield, NULL);
}

/* ---- a push that answers the alert ----------------------------------------------------------- */

static void *cancels_group(void *group)
{
    thrum_group_cancel((thrum_group *)group, 1, NULL);
    return NULL;
}

static int push_after_alert(void *arg)
{
    uint32_t ran = 0;
    thrum_child children[3];
    thrum_group group;
    pthread_t thread;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_child(&group, &children[0], runs, &ran), 0);
    CHECK_EQ(pthread_create(&thread, NULL, cancels_group, &group), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    for (int i = 1; i < 3; i++)
        CHECK_EQ(thrum_group_spawn_child(&group, &children[i], runs, &ran), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(load_relaxed(&ran), 0); /* relaxed: joined */
    return 0;
}

TEST(a_push_does_not_swallow_the_alert)
{
    CHECK_EQ(run_with(1, push_after_alert, NULL), 0);
}

/* ---- a cancel that comes with failures is delivered once more ------------------------------- */

static int fails(void *arg)
{
    (void)arg;
    return -7;
}

static int redelivered(void *arg)
{
    thrum_scope outer, around;
    thrum_group group;
    thrum_error *errors;

    (void)arg;
    CHECK_EQ(thrum_scope_begin(&outer, 0), 0);
    CHECK_EQ(thrum_scope_begin(&around, 0), 0);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, fails, NULL, NULL, NULL), 0);
    CHECK_EQ(sleeps(NULL), THRUM_ECANCELED); /* the failure */
    thrum_scope_cancel(&outer, 1, NULL);
    CHECK_EQ(thrum_checkpoint(), THRUM_ECANCELED);
    CHECK_EQ(thrum_group_close(&group, THRUM_ECANCELED, &errors), THRUM_EGROUP);
    thrum_error_free(errors);
    CHECK_EQ(thrum_scope_end(&around, THRUM_EGROUP), THRUM_EGROUP);
    CHECK_EQ(thrum_checkpoint(), THRUM_ECANCELED);
    CHECK_EQ(thrum_checkpoint(), 0);
    return thrum_scope_end(&outer, THRUM_ECANCELED);
}

TEST(redelivered_beyond_a_scope_around_the_group)
{
    run_everywhere(redelivered, NULL);
}

/* ---- requests that are taken back ------------------------------------------------------------ */

/* The child was told of a request that its parent then takes back; the next is another. */
struct pair {
    thrum_event begun;
    thrum_event told;
    thrum_task *self;
};

static int told_twice(void *arg)
{
    struct pair *pair = arg;

    thrum_event_set(&pair->begun);
    CHECK_EQ(sleeps(NULL), THRUM_ECANCELED);
    thrum_event_set(&pair->told);
    return sleeps(NULL);
}

static int takes_back(void *arg)
{
    struct pair *pair = arg;
    thrum_group group;
    thrum_shield shield;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, told_twice, pair, NULL, NULL), 0);
    CHECK_EQ(thrum_event_wait(&pair->begun), 0);
    CHECK_EQ(thrum_sleep(MS), 0); /* most likely it sleeps */
    thrum_shield_begin(&shield);
    CHECK(thrum_task_cancel(pair->self, 1, NULL));
    CHECK_EQ(thrum_event_wait(&pair->told), 0);
    CHECK_EQ(thrum_sleep(MS), 0); /* most likely it sleeps again */
    CHECK_EQ(thrum_uncancel(), 0);
    CHECK_EQ(thrum_shield_end(&shield), 0);
    CHECK_EQ(thrum_checkpoint(), 0);
    CHECK(thrum_task_cancel(pair->self, 1, NULL));
    return thrum_group_close(&group, 0, NULL);
}

static int uncancel(void *arg)
{
    struct pair pair = {THRUM_EVENT_INIT, THRUM_EVENT_INIT, NULL};
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, takes_back, &pair, NULL, &pair.self), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    thrum_task_unref(pair.self);
    thrum_event_destroy(&pair.begun);
    thrum_event_destroy(&pair.told);
    return 0;
}

TEST(request_after_one_that_was_taken_back)
{
    run_everywhere(uncancel, NULL);
}

/* ---- a timeout that is moved while others look at it ---------------------------------------- */

static int looks(void *arg)
{
    uint32_t *stop = arg;

    while (!load_acquire(stop)) {
        CHECK(!thrum_cancel_pending());
        CHECK_EQ(thrum_yield(), 0);
    }
    return 0;
}

static int reschedules(void *arg)
{
    uint32_t stop = 0;
    thrum_timeout timeout;
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_timeout_begin(&timeout, THRUM_FOREVER), 0);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(thrum_group_spawn(&group, looks, &stop, NULL, NULL), 0);
    for (int i = 0; i < many(2000); i++) {
        CHECK_EQ(thrum_timeout_reschedule(&timeout, 3600 * 1000 * MS), 0);
        if (i % 16 == 0)
            CHECK_EQ(thrum_yield(), 0);
    }
    store_release(&stop, 1);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    return thrum_timeout_end(&timeout, 0);
}

TEST(timeout_moved_while_others_look)
{
    run_everywhere(reschedules, NULL);
}
