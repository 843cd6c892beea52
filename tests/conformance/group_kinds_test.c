/*
 * group_kinds_test.c - the rules of groups that end at the first success, that
 * have a limit or daemons, and of tasks that say when they have started: see
 * README.md.
 */
#include "tests/conformance/conform.h"

#include "tests/workers.h"

static const int broken = -EIO;
static const int worse = -EPERM;

/* Opened with these flags and this limit. */
static void open_kind(thrum_group *group, uint32_t flags, uint32_t limit)
{
    thrum_group_options options = THRUM_GROUP_OPTIONS_INIT;

    options.flags = flags;
    options.limit = limit;
    CHECK_EQ(thrum_group_open(group, &options), 0);
}

/* ---- the first success ----------------------------------------------------------------------- */

RULE(the_first_success_cancels_the_others)
{
    thrum_group group;
    thrum_task *sleeper, *failed, *quick;
    thrum_error *errors = NULL;
    struct finish end;
    int status;

    SPAN;
    open_kind(&group, THRUM_FIRST_OK, 0);
    sleeper = spawn(&group, sleep_on, NULL);
    failed = spawn(&group, fail_with, (void *)&broken);
    EXPECT_EQ(finish(failed).kind, THRUM_FAILED);
    EXPECT(!thrum_cancel_pending()); /* a failure is no reason to stop */
    quick = spawn(&group, nothing, NULL);
    end = finish(quick);
    EXPECT_EQ(end.kind, THRUM_OK);
    status = end.join ? end.join : thrum_yield(); /* the owner is called to close too */
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT_EQ(spawn_forgotten(&group, nothing, NULL), THRUM_ESHUTDOWN);
    EXPECT_EQ(thrum_group_close(&group, status, &errors), 0);
    EXPECT(errors == NULL);
    thrum_error_free(errors);
    EXPECT_EQ(finish(sleeper).kind, THRUM_CANCELLED);
    EXPECT(!thrum_cancel_pending());
}

RULE(if_none_succeeds_all_failures_are_told)
{
    thrum_group group;
    thrum_error *errors = NULL;

    SPAN;
    open_kind(&group, THRUM_FIRST_OK, 0);
    (void)spawn_forgotten(&group, fail_with, (void *)&broken);
    (void)spawn_forgotten(&group, fail_with, (void *)&worse);
    EXPECT_EQ(thrum_group_close(&group, 0, &errors), THRUM_EGROUP);
    EXPECT_EQ(thrum_error_count(errors), 2);
    EXPECT(thrum_error_has(errors, -EIO) && thrum_error_has(errors, -EPERM));
    thrum_error_free(errors);
}

RULE(who_was_cancelled_has_not_succeeded)
{
    thrum_group group;
    thrum_task *task;

    SPAN;
    open_kind(&group, THRUM_FIRST_OK, 0);
    task = spawn(&group, nothing, NULL);
    if (task)
        thrum_task_cancel(task, 1, NULL);
    if (finish(task).kind != THRUM_OK)
        EXPECT_EQ(spawn_forgotten(&group, nothing, NULL), 0); /* not shutting down */
    EXPECT_EQ(close_group(&group, 0), 0);
}

RULE(a_child_in_the_callers_memory_may_be_the_first)
{
    thrum_child children[2];
    thrum_group group;
    int status;

    SPAN;
    open_kind(&group, THRUM_FIRST_OK, 0);
    status = thrum_group_spawn_child(&group, &children[0], sleep_on, NULL);
    if (!status)
        status = thrum_group_spawn_child(&group, &children[1], nothing, NULL);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(close_group(&group, status), 0);
}

RULE(the_owners_own_failure_is_told_even_so)
{
    thrum_group group;

    SPAN;
    open_kind(&group, THRUM_FIRST_OK, 0);
    (void)spawn_forgotten(&group, nothing, NULL);
    EXPECT_EQ(close_group(&group, -EIO), -EIO);
}

RULE(an_empty_group_of_any_kind_is_left_at_once)
{
    static const uint32_t flags[] = {THRUM_FIRST_OK, THRUM_DAEMONS, THRUM_COLLECT, 0};
    thrum_group group;

    SPAN;
    for (int i = 0; i < 4; i++) {
        open_kind(&group, flags[i], 3);
        EXPECT_EQ(close_group(&group, 0), 0);
    }
}

RULE(options_that_contradict_themselves_are_refused)
{
    thrum_group_options options = THRUM_GROUP_OPTIONS_INIT;
    thrum_group group;

    SPAN;
    options.flags = THRUM_COLLECT | THRUM_FIRST_OK;
    CHECK_EQ(thrum_group_open(&group, &options), -EINVAL);
    options.flags = 1u << 20;
    CHECK_EQ(thrum_group_open(&group, &options), -EINVAL);
    options.flags = 0;
    options.unused = 1;
    CHECK_EQ(thrum_group_open(&group, &options), -EINVAL);
}

/* ---- limits ---------------------------------------------------------------------------------- */

struct crowd {
    uint32_t here; /* atomic */
    uint32_t most; /* atomic */
    uint32_t been; /* atomic */
};

static int come_and_go(void *arg)
{
    struct crowd *crowd = arg;
    uint32_t here = add_relaxed(&crowd->here, 1) + 1; /* relaxed: counters, all of them */
    uint32_t most = load_relaxed(&crowd->most);       /* relaxed */
    int status;

    SPAN;
    while (most < here && !cas_relaxed(&crowd->most, &most, here)) /* relaxed */
        continue;
    status = thrum_yield();
    add_relaxed(&crowd->here, (uint32_t)-1); /* relaxed */
    add_relaxed(&crowd->been, 1);            /* relaxed */
    return status;
}

RULE(there_are_never_more_than_the_limit)
{
    for (uint32_t limit = 1; limit < 5; limit++) {
        struct crowd crowd = {0, 0, 0};
        thrum_group group;
        int status = 0;

        SPAN;
        open_kind(&group, 0, limit);
        for (int i = 0; i < 12 && !status; i++)
            status = spawn_forgotten(&group, come_and_go, &crowd);
        EXPECT_EQ(status, 0);
        EXPECT_EQ(close_group(&group, status), 0);
        EXPECT_EQ(load_relaxed(&crowd.been), 12); /* relaxed: they have ended */
        CHECK_LE(load_relaxed(&crowd.most), limit);  /* relaxed: likewise */
        CHECK_EQ(load_relaxed(&crowd.here), 0);      /* relaxed: likewise */
    }
}

RULE(children_in_the_callers_memory_keep_to_it_too)
{
    struct crowd crowd = {0, 0, 0};
    thrum_child children[8];
    thrum_group group;
    int status;

    SPAN;
    open_kind(&group, 0, 2);
    status = thrum_group_spawn_n(&group, children, 8, come_and_go, &crowd, 0);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(close_group(&group, status), 0);
    CHECK_LE(load_relaxed(&crowd.most), 2); /* relaxed: they have ended */
}

RULE(a_spawn_that_waits_for_room_can_time_out)
{
    thrum_event event = THRUM_EVENT_INIT;
    thrum_timeout timeout;
    thrum_group group;
    thrum_task *task;
    thrum_event ran = THRUM_EVENT_INIT;
    int status;

    SPAN;
    open_kind(&group, 0, 1);
    task = spawn(&group, wait_event, &event);
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_us(20)), 0);
    status = spawn_forgotten(&group, sleep_on, &ran);
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
    thrum_event_set(&event);
    EXPECT_EQ(finish(task).kind, THRUM_OK);
    EXPECT_EQ(spawn_forgotten(&group, nothing, NULL), 0); /* its room is free again */
    EXPECT_EQ(close_group(&group, 0), 0);
    CHECK(!raised(&ran));
    thrum_event_destroy(&event);
}

RULE(a_failure_ends_the_wait_for_room)
{
    thrum_group group;
    thrum_event ran = THRUM_EVENT_INIT;
    int status;

    SPAN;
    open_kind(&group, 0, 1);
    status = spawn_forgotten(&group, fail_with, (void *)&broken);
    EXPECT_EQ(status, 0);
    status = spawn_forgotten(&group, sleep_on, &ran); /* it may have been cancelled, or come late */
    EXPECT(status == THRUM_ECANCELED || status == THRUM_ESHUTDOWN);
    EXPECT_EQ(close_group(&group, status), THRUM_EGROUP);
    EXPECT(!raised(&ran));
}

struct nest {
    thrum_group *group;
    struct crowd *crowd;
};

static int spawn_two(void *arg)
{
    struct nest *nest = arg;
    int status = 0;

    SPAN;
    for (int i = 0; i < 2 && !status; i++)
        status = spawn_forgotten(nest->group, come_and_go, nest->crowd);
    return status;
}

RULE(tasks_of_the_group_wait_for_room_as_its_owner_does)
{
    struct crowd crowd = {0, 0, 0};
    struct nest nest;
    thrum_group group;
    int status = 0;

    SPAN;
    nest = (struct nest){&group, &crowd};
    open_kind(&group, 0, 3); /* two that spawn, and one that has room */
    for (int i = 0; i < 2 && !status; i++)
        status = spawn_forgotten(&group, spawn_two, &nest);
    EXPECT_EQ(close_group(&group, status), 0);
    EXPECT_EQ(load_relaxed(&crowd.been), 4); /* relaxed: they have ended */
    CHECK_LE(load_relaxed(&crowd.most), 3);  /* relaxed: likewise */
}

/* ---- daemons --------------------------------------------------------------------------------- */

static int spawn_daemon(thrum_group *group, thrum_fn fn, void *arg, thrum_task **task)
{
    *task = NULL;
    return thrum_group_daemon(group, fn, arg, NULL, task);
}

RULE(daemons_are_cancelled_when_all_others_have_ended)
{
    thrum_group group;
    thrum_task *daemon, *task;
    struct finish end;

    SPAN;
    open_kind(&group, THRUM_DAEMONS, 0);
    EXPECT_EQ(spawn_daemon(&group, sleep_on, NULL, &daemon), 0);
    task = spawn(&group, nothing, NULL);
    EXPECT_EQ(finish(task).kind, THRUM_OK);
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(thrum_yield(), 0);
    EXPECT(daemon && !thrum_task_ended(daemon, NULL)); /* the owner is one of the others */
    (void)spawn_forgotten(&group, nothing, NULL);
    EXPECT_EQ(close_group(&group, 0), 0);
    EXPECT(daemon && thrum_task_ended(daemon, NULL));
    end = finish(daemon);
    EXPECT_EQ(end.kind, THRUM_CANCELLED);
}

RULE(a_group_of_daemons_alone_is_left)
{
    thrum_group group;
    thrum_task *daemons[3];

    SPAN;
    open_kind(&group, THRUM_DAEMONS, 0);
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(spawn_daemon(&group, sleep_on, NULL, &daemons[i]), 0);
    EXPECT_EQ(close_group(&group, 0), 0);
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(finish(daemons[i]).kind, THRUM_CANCELLED);
}

RULE(a_daemon_that_ends_by_itself_is_not_missed)
{
    thrum_group group;
    thrum_task *daemon;

    SPAN;
    open_kind(&group, THRUM_DAEMONS, 0);
    EXPECT_EQ(spawn_daemon(&group, nothing, NULL, &daemon), 0);
    EXPECT_EQ(finish(daemon).kind, THRUM_OK);
    EXPECT_EQ(spawn_forgotten(&group, nothing, NULL), 0);
    EXPECT_EQ(close_group(&group, 0), 0);
}

RULE(a_daemon_that_fails_is_a_failure)
{
    thrum_group group;
    thrum_task *daemon, *sleeper;

    SPAN;
    open_kind(&group, THRUM_DAEMONS, 0);
    sleeper = spawn(&group, sleep_on, NULL);
    EXPECT_EQ(spawn_daemon(&group, fail_with, (void *)&broken, &daemon), 0);
    EXPECT_EQ(finish(daemon).kind, THRUM_FAILED);
    EXPECT_EQ(close_group(&group, 0), THRUM_EGROUP);
    EXPECT_EQ(finish(sleeper).kind, THRUM_CANCELLED);
}

RULE(a_daemon_that_succeeds_is_not_the_first_success)
{
    thrum_group group;
    thrum_task *daemon, *task;

    SPAN;
    open_kind(&group, THRUM_DAEMONS | THRUM_FIRST_OK, 0);
    EXPECT_EQ(spawn_daemon(&group, nothing, NULL, &daemon), 0);
    EXPECT_EQ(finish(daemon).kind, THRUM_OK);
    task = spawn(&group, nothing, NULL);
    EXPECT_EQ(finish(task).kind, THRUM_OK);
    EXPECT_EQ(close_group(&group, 0), 0);
}

RULE(daemons_take_no_room)
{
    thrum_group group;
    thrum_task *daemons[2];

    SPAN;
    open_kind(&group, THRUM_DAEMONS, 1);
    for (int i = 0; i < 2; i++)
        EXPECT_EQ(spawn_daemon(&group, sleep_on, NULL, &daemons[i]), 0);
    EXPECT_EQ(spawn_forgotten(&group, nothing, NULL), 0);
    EXPECT_EQ(close_group(&group, 0), 0);
    for (int i = 0; i < 2; i++)
        EXPECT_EQ(finish(daemons[i]).kind, THRUM_CANCELLED);
}

struct late {
    thrum_group *group;
    thrum_event event;
    thrum_event ran;
};

static int say(void *arg)
{
    SPAN;
    thrum_event_set(arg);
    return 0;
}

static int spawn_late(void *arg)
{
    struct late *late = arg;
    int status;

    SPAN;
    status = thrum_event_wait(&late->event);
    if (!status)
        status = spawn_forgotten(late->group, say, &late->ran);
    return status ? status : thrum_sleep(THRUM_FOREVER);
}

RULE(what_a_daemon_spawns_is_no_daemon)
{
    struct late late = {.event = THRUM_EVENT_INIT, .ran = THRUM_EVENT_INIT};
    thrum_group group;
    thrum_task *daemon;

    SPAN;
    late.group = &group;
    open_kind(&group, THRUM_DAEMONS, 0);
    EXPECT_EQ(spawn_daemon(&group, spawn_late, &late, &daemon), 0);
    thrum_event_set(&late.event);
    EXPECT_EQ(thrum_event_wait(&late.ran), 0);
    EXPECT_EQ(close_group(&group, 0), 0);
    EXPECT_EQ(finish(daemon).kind, THRUM_CANCELLED);
    thrum_event_destroy(&late.event);
    thrum_event_destroy(&late.ran);
}

RULE(daemons_are_asked_for_when_the_group_is_opened)
{
    thrum_group group;
    thrum_task *daemon;

    SPAN;
    open_group(&group);
    CHECK_EQ(spawn_daemon(&group, nothing, NULL, &daemon), THRUM_ESTATE);
    EXPECT_EQ(close_group(&group, 0), 0);
}

/* ---- starting -------------------------------------------------------------------------------- */

static int serve(void *arg)
{
    SPAN;
    if (thrum_yield())
        return THRUM_ECANCELED;
    CHECK_EQ(thrum_started(arg), 0);
    CHECK_EQ(thrum_started(arg), THRUM_ESTATE); /* once */
    return thrum_sleep(THRUM_FOREVER);
}

RULE(start_returns_what_the_task_has_said)
{
    thrum_group group;
    int here = 0;
    void *value = NULL;

    SPAN;
    open_group(&group);
    EXPECT_EQ(thrum_group_start(&group, serve, &here, NULL, &value), 0);
    EXPECT(value == &here);
    EXPECT_EQ(thrum_group_start(&group, serve, NULL, NULL, NULL), 0);
    thrum_group_cancel(&group, 0, NULL);
    EXPECT_EQ(close_group(&group, 0), 0);
}

RULE(a_task_that_fails_before_it_has_started_fails_start)
{
    thrum_group group;
    void *value = &group;

    SPAN;
    open_group(&group);
    EXPECT_EQ(thrum_group_start(&group, fail_with, (void *)&broken, NULL, &value), -EIO);
    EXPECT(value == &group);
    EXPECT_EQ(thrum_group_start(&group, nothing, NULL, NULL, &value), THRUM_ESTATE);
    EXPECT(!thrum_cancel_pending()); /* it is no failure of the group */
    EXPECT_EQ(close_group(&group, 0), 0);
}

static int start_and_fail(void *arg)
{
    SPAN;
    CHECK_EQ(thrum_started(NULL), 0);
    return *(const int *)arg;
}

RULE(one_that_fails_afterwards_fails_the_group)
{
    thrum_group group;

    SPAN;
    open_group(&group);
    EXPECT_EQ(thrum_group_start(&group, start_and_fail, (void *)&broken, NULL, NULL), 0);
    EXPECT_EQ(close_group(&group, 0), THRUM_EGROUP);
}

RULE(a_cancelled_start_cancels_the_task)
{
    thrum_timeout timeout;
    thrum_group group;
    thrum_event slept = THRUM_EVENT_INIT;
    int status;

    SPAN;
    open_group(&group);
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_us(20)), 0);
    status = thrum_group_start(&group, sleep_on, &slept, NULL, NULL);
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
    EXPECT_EQ(close_group(&group, 0), 0); /* it has ended, or else this would wait for ever */
}

static int is_not_waited_for(void *arg)
{
    (void)arg;
    SPAN;
    CHECK_EQ(thrum_started(NULL), THRUM_ESTATE);
    return 0;
}

RULE(only_who_is_waited_for_can_have_started)
{
    thrum_child child;
    thrum_group group;

    SPAN;
    CHECK_EQ(thrum_started(NULL), THRUM_ESTATE);
    open_group(&group);
    (void)spawn_forgotten(&group, is_not_waited_for, NULL);
    (void)!thrum_group_spawn_child(&group, &child, is_not_waited_for, NULL);
    EXPECT_EQ(close_group(&group, 0), 0);
}

RULE(start_keeps_to_the_limit)
{
    thrum_timeout timeout;
    thrum_group group;
    int status;

    SPAN;
    open_kind(&group, 0, 1);
    EXPECT_EQ(thrum_group_start(&group, serve, NULL, NULL, NULL), 0);
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_us(20)), 0);
    status = thrum_group_start(&group, serve, NULL, NULL, NULL);
    EXPECT_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
    thrum_group_cancel(&group, 0, NULL);
    EXPECT_EQ(close_group(&group, 0), 0);
}

/* ---- races ----------------------------------------------------------------------------------- */

/*
 * A full group of two, a task of which ends just when the spawn that waits for
 * its room is cancelled: the room is neither lost nor taken twice.
 */
static int end_when_told(void *arg)
{
    for (uint32_t *word = arg; !load_acquire(word);)
        if (thrum_yield())
            return THRUM_ECANCELED;
    return 0;
}

static int cancel_scope(void *arg)
{
    thrum_scope_cancel((thrum_scope *)arg, 0, NULL);
    return 0;
}

static int room_races(void *arg)
{
    int rounds = many(*(int *)arg);

    for (int i = 0; i < rounds; i++) {
        struct crowd crowd = {0, 0, 0};
        thrum_group group, rivals;
        thrum_child rival;
        thrum_scope scope;
        uint32_t told = 0;
        int status;

        open_kind(&group, 0, 1);
        CHECK_EQ(spawn_forgotten(&group, end_when_told, &told), 0);
        CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
        CHECK_EQ(thrum_group_open(&rivals, NULL), 0);
        if (i % 4)
            CHECK_EQ(thrum_group_spawn_child(&rivals, &rival, cancel_scope, &scope), 0);
        store_release(&told, 1);
        status = spawn_forgotten(&group, come_and_go, &crowd);
        CHECK(status == 0 || status == THRUM_ECANCELED);
        status = thrum_group_close(&rivals, status, NULL);
        status = thrum_scope_end(&scope, status);
        CHECK_EQ(status, 0);
        CHECK_EQ(spawn_forgotten(&group, come_and_go, &crowd), 0); /* there is room again */
        CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
        CHECK_LE(crowd.most, 1);
        CHECK_LE(1, crowd.been);
    }
    return 0;
}

TEST(room_is_neither_lost_nor_doubled)
{
    int rounds = 20000;

    CHECK_EQ(run_with(1, room_races, &rounds), 0);
    CHECK_EQ(run_with(2, room_races, &rounds), 0);
    CHECK_EQ(run_with(8, room_races, &rounds), 0);
}

static int succeed_after_yields(void *arg)
{
    for (int i = 0; i < *(int *)arg; i++)
        if (thrum_yield())
            return THRUM_ECANCELED;
    return 0;
}

static int first_races(void *arg)
{
    int rounds = many(*(int *)arg);

    for (int i = 0; i < rounds; i++) {
        int yields[4] = {i % 3, i / 3 % 3, i / 9 % 3, i / 27 % 3};
        thrum_task *tasks[4];
        thrum_group group;
        int succeeded = 0;
        int spawned = 0;
        int status = 0;

        open_kind(&group, THRUM_FIRST_OK | THRUM_DAEMONS, 0);
        while (spawned < 4 && !(status = thrum_group_spawn(&group, succeed_after_yields,
                                                           &yields[spawned], NULL,
                                                           &tasks[spawned])))
            spawned++;
        CHECK(status == 0 || status == THRUM_ESHUTDOWN);
        CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
        for (int k = 0; k < spawned; k++) {
            int end;

            CHECK(thrum_task_ended(tasks[k], &end));
            CHECK(end == 0 || end == THRUM_ECANCELED);
            succeeded += end == 0;
            thrum_task_unref(tasks[k]);
        }
        CHECK_LE(1, succeeded);
    }
    return 0;
}

TEST(somebody_is_always_first)
{
    int rounds = 20000;

    CHECK_EQ(run_with(1, first_races, &rounds), 0);
    CHECK_EQ(run_with(2, first_races, &rounds), 0);
    CHECK_EQ(run_with(8, first_races, &rounds), 0);
}
