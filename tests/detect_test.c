/*
 * detect_test.c - mistakes that are found while a program runs: what belongs to a thread held by
 * who suspends; locks that are left locked; cancels that are swallowed. And what is none.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "workers.h"

static int object;

/* What the report hook was given. */
static struct heard {
    pthread_mutex_t lock;
    unsigned n;
    char last[512];
} heard = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void hear(const char *line, void *context)
{
    struct heard *to = context;

    pthread_mutex_lock(&to->lock);
    to->n++;
    snprintf(to->last, sizeof to->last, "%s", line);
    pthread_mutex_unlock(&to->lock);
}

static void nobody(const thrum_error *error, void *context)
{
    (void)error;
    (void)context;
}

/* How many mistakes are found in it. */
static unsigned findings_of(int workers, uint32_t flags, thrum_fn fn, void *arg)
{
    thrum_options options = THRUM_OPTIONS_INIT;
    thrum_runtime *runtime;
    uint64_t findings;

    heard.n = 0;
    heard.last[0] = '\0';
    options.workers = workers;
    options.flags = flags;
    options.report = hear;
    options.unhandled = nobody;
    options.context = &heard;
    CHECK_EQ(thrum_runtime_create(&runtime, &options), 0);
    (void)!thrum_runtime_run(runtime, fn, arg, NULL);
    findings = thrum_runtime_findings(runtime);
    CHECK_EQ(thrum_runtime_close(runtime), 0);
    CHECK_EQ(heard.n, findings);
    return (unsigned)findings;
}

static void finds(unsigned n, thrum_fn fn, void *arg)
{
    static const int counts[] = {1, 2, 8};

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        unsigned found;

        if (getenv("THRUM_DETECT") == NULL)
            CHECK_EQ(findings_of(counts[i], 0, fn, arg), 0);
        found = findings_of(counts[i], THRUM_DETECT, fn, arg);
        if (found != n)
            CHECK_STR_EQ(heard.last, "");
        CHECK_EQ(found, n);
    }
}

/* The last line that was heard says this. */
static void check_says(const char *text)
{
    if (!strstr(heard.last, text))
        check_str_eq(CHECK_SITE("the line"), heard.last, text);
}

/* ---- what belongs to a thread ---------------------------------------------------------------- */

static void dies(thrum_fn fn, const char *sentence)
{
    CHECK_DEATH((void)run_with(1, fn, NULL), sentence);
    CHECK_DEATH((void)run_with(8, fn, NULL), sentence);
}

static int suspends(void *arg)
{
    (void)arg;
    thrum_stay_begin(&object, "the printer's lock");
    return thrum_yield();
}

static int ends(void *arg)
{
    (void)arg;
    thrum_stay_begin(&object, "the printer's lock");
    return 0;
}

static int blocks(void *arg)
{
    thrum_blocking blocking;

    (void)arg;
    thrum_stay_begin(&object, "the printer's lock");
    return thrum_blocking_begin(&blocking);
}

static int leaves_a_section(void *arg)
{
    thrum_blocking blocking;

    (void)arg;
    CHECK_EQ(thrum_blocking_begin(&blocking), 0);
    thrum_stay_begin(&object, "the printer's lock");
    thrum_blocking_end(&blocking);
    return 0;
}

static int child_suspends(void *arg)
{
    (void)arg;
    return thrum_sleep(1000);
}

static int closes(void *arg)
{
    thrum_child child;
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    thrum_stay_begin(&object, "the printer's lock");
    CHECK_EQ(thrum_group_spawn_child(&group, &child, child_suspends, NULL), 0);
    return thrum_group_close(&group, 0, NULL);
}

TEST(who_holds_what_is_a_thread_s_must_not_suspend)
{
    dies(suspends, "a task suspends and holds what belongs to its thread: the printer's lock");
    dies(suspends, "taken at detect_test");
    dies(closes, "a task suspends and holds what belongs to its thread: the printer's lock");
    dies(ends, "a task has ended and holds what belongs to its thread: the printer's lock");
}

TEST(nor_give_its_worker_away)
{
    REAL_WORLD_ONLY;
    dies(blocks, "a task calls thrum_blocking_begin, whose end is a suspension, and holds what");
    dies(leaves_a_section, "a task calls thrum_blocking_end, which suspends, and holds what");
}

static int gives_back(void *arg)
{
    int objects[20] = {0};

    (void)arg;
    CHECK_EQ(thrum_stay_end(&objects[0]), false);
    thrum_stay_begin(&objects[0], "a");
    thrum_stay_begin(&objects[1], NULL);
    thrum_stay_begin(&objects[0], "a again");
    CHECK(thrum_stay_end(&objects[0])); /* in any order, the same one more than once */
    CHECK(thrum_stay_end(&objects[0]));
    CHECK_EQ(thrum_stay_end(&objects[0]), false);
    CHECK(thrum_stay_end(&objects[1]));
    CHECK_EQ(thrum_yield(), 0);
    for (int i = 0; i < 20; i++) /* more than it remembers: those it does not know */
        thrum_stay_begin(&objects[i], "one of many");
    for (int i = 0; i < 20; i++)
        CHECK_EQ(thrum_stay_end(&objects[i]), i < 16);
    return thrum_sleep(1000);
}

static int sections(void *arg)
{
    thrum_blocking blocking;

    (void)arg;
    (void)!thrum_blocking_begin(&blocking);
    thrum_stay_begin(&object, "in the section");
    CHECK(thrum_stay_end(&object));
    thrum_blocking_end(&blocking);
    return thrum_yield();
}

TEST(what_is_given_back_before_is_no_mistake)
{
    run_everywhere(gives_back, NULL);
    run_everywhere(sections, NULL);
}

static int sleeps(void *arg)
{
    (void)arg;
    return thrum_sleep(1000);
}

/* What the program's thread has is no task's, though they run on that thread. */
TEST(what_the_loop_s_thread_holds_is_no_task_s)
{
    thrum_options options = THRUM_OPTIONS_INIT;

    options.flags = THRUM_SIMULATE;
    thrum_stay_begin(&object, "the program's");
    CHECK_EQ(thrum_run(sleeps, NULL, &options, NULL), 0);
    CHECK(thrum_stay_end(&object));
}

/* ---- locks ----------------------------------------------------------------------------------- */

static thrum_mutex mutex = THRUM_MUTEX_INIT;
static thrum_rwlock rwlock = THRUM_RWLOCK_INIT;

static int locks(void *arg)
{
    (void)arg;
    thrum_mutex_init(&mutex);
    return thrum_mutex_lock(&mutex);
}

static int try_locks(void *arg)
{
    (void)arg;
    thrum_mutex_init(&mutex);
    return thrum_mutex_trylock(&mutex);
}

static int locks_for_writing(void *arg)
{
    (void)arg;
    thrum_rwlock_init(&rwlock);
    return thrum_rwlock_write(&rwlock);
}

static int selects(void *arg)
{
    thrum_case one = thrum_case_lock(&mutex);

    (void)arg;
    thrum_mutex_init(&mutex);
    return thrum_select(&one, 1, 0);
}

static int calls(void *arg)
{
    thrum_fn *fn = arg;

    return (*fn)(NULL);
}

/* Of a task of this name, whose status does not matter. */
static int in_a_task(void *arg)
{
    thrum_task_options options = THRUM_TASK_OPTIONS_INIT;
    thrum_group group;

    options.name = "forgetful";
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, calls, arg, &options, NULL), 0);
    return thrum_group_close(&group, 0, NULL);
}

static int in_a_child(void *arg)
{
    thrum_child child;
    thrum_group group;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_child(&group, &child, calls, arg), 0);
    return thrum_group_close(&group, 0, NULL);
}

static int in_a_branch(void *arg)
{
    thrum_branch branch;

    CHECK_EQ(thrum_fork(&branch, calls, arg), 0);
    return thrum_join(&branch, calls, arg);
}

TEST(a_lock_that_its_task_leaves_locked)
{
    thrum_fn fns[] = {locks, try_locks, locks_for_writing, selects};
    static const char *const what[] = {"the mutex 0x", "the mutex 0x", "the write lock 0x",
                                       "the mutex 0x"};
    static thrum_fn const kinds[] = {in_a_child, in_a_branch, in_a_task};

    for (size_t i = 0; i < sizeof(fns) / sizeof(fns[0]); i++) {
        for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
            finds(1, kinds[k], &fns[i]);
            CHECK_EQ(findings_of(2, THRUM_DETECT, kinds[k], &fns[i]), 1);
            check_says("has ended and not unlocked");
            check_says(what[i]);
        }
        check_says("\"forgetful\", spawned at ");
        check_says("detect_test.c:");
        check_says(fns[i] == selects ? "locked in a select" : "locked at detect_test");
        finds(1, fns[i], NULL); /* a root task's */
    }
}

static int locks_two(void *arg)
{
    thrum_mutex mutexes[3] = {THRUM_MUTEX_INIT, THRUM_MUTEX_INIT, THRUM_MUTEX_INIT};

    (void)arg;
    for (int i = 0; i < 3; i++)
        CHECK_EQ(thrum_mutex_lock(&mutexes[i]), 0);
    thrum_mutex_unlock(&mutexes[1]);
    return 0;
}

TEST(each_lock_is_a_line)
{
    finds(2, locks_two, NULL);
}

static thrum_cond cond = THRUM_COND_INIT;
static int turn;

/* The mutex goes from hand to hand, through the condition too. */
static int takes_turns(void *arg)
{
    int mine = *(int *)arg;

    CHECK_EQ(thrum_mutex_lock(&mutex), 0);
    while (turn % 2 != mine % 2)
        CHECK_EQ(thrum_cond_wait(&cond, &mutex), 0);
    turn++;
    thrum_cond_notify_all(&cond);
    thrum_mutex_unlock(&mutex);
    CHECK_EQ(thrum_rwlock_write(&rwlock), 0);
    CHECK_EQ(thrum_yield(), 0);
    thrum_rwlock_write_unlock(&rwlock);
    CHECK_EQ(thrum_rwlock_read(&rwlock), 0);
    thrum_rwlock_read_unlock(&rwlock);
    return 0;
}

static int all_unlock(void *arg)
{
    int numbers[20];
    thrum_child children[20];
    thrum_group group;

    (void)arg;
    turn = 0;
    thrum_mutex_init(&mutex);
    thrum_rwlock_init(&rwlock);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 20; i++) {
        numbers[i] = i;
        CHECK_EQ(thrum_group_spawn_child(&group, &children[i], takes_turns, &numbers[i]), 0);
    }
    return thrum_group_close(&group, 0, NULL);
}

TEST(locks_that_are_unlocked_are_none)
{
    finds(0, all_unlock, NULL);
}

TEST(a_strict_runtime_stops_at_the_first)
{
    CHECK_DEATH((void)findings_of(2, THRUM_DETECT | THRUM_STRICT, locks, NULL),
                "a mistake was detected, and the runtime is strict: root task");
}

/* ---- cancels --------------------------------------------------------------------------------- */

struct victim {
    thrum_fn fn;
    thrum_event ready;
    thrum_task *task;
};

static int be_cancelled(void *arg)
{
    struct victim *victim = arg;

    thrum_event_set(&victim->ready);
    CHECK_EQ(thrum_sleep(THRUM_FOREVER), THRUM_ECANCELED);
    return victim->fn(victim);
}

/* A task that was cancelled goes on with `fn`. */
static int cancel_it(void *arg)
{
    thrum_fn *fn = arg;
    struct victim victim = {*fn, THRUM_EVENT_INIT, NULL};
    thrum_task_options options = THRUM_TASK_OPTIONS_INIT;
    thrum_group group;

    options.name = "deaf";
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, be_cancelled, &victim, &options, &victim.task), 0);
    CHECK_EQ(thrum_event_wait(&victim.ready), 0);
    CHECK(thrum_task_cancel(victim.task, -EPIPE, "nobody reads it"));
    (void)!thrum_group_close(&group, 0, NULL);
    thrum_task_unref(victim.task);
    return 0;
}

/* Likewise a child, by its group. */
static int cancel_its_group(void *arg)
{
    thrum_fn *fn = arg;
    struct victim victim = {*fn, THRUM_EVENT_INIT, NULL};
    thrum_child child;
    thrum_group group;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_child(&group, &child, be_cancelled, &victim), 0);
    CHECK_EQ(thrum_event_wait(&victim.ready), 0);
    thrum_group_cancel(&group, -EPIPE, "nobody reads it");
    (void)!thrum_group_close(&group, 0, NULL);
    return 0;
}

static int ends_well(void *arg)
{
    (void)arg;
    return 0;
}

static int goes_on(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3 * THRUM_DETECT_WAITS; i++)
        CHECK_EQ(thrum_sleep(0), 0);
    return THRUM_ECANCELED;
}

TEST(a_cancel_that_is_swallowed)
{
    thrum_fn fn = ends_well;

    finds(1, cancel_it, &fn);
    CHECK_EQ(findings_of(2, THRUM_DETECT, cancel_it, &fn), 1);
    check_says("\"deaf\", spawned at ");
    check_says("was told that it is cancelled (EPIPE: nobody reads it, by ");
    check_says("and has ended with success");
    finds(1, cancel_its_group, &fn);
}

TEST(a_cancelled_task_that_waits_and_waits)
{
    thrum_fn fn = goes_on;

    finds(1, cancel_it, &fn);
    CHECK_EQ(findings_of(2, THRUM_DETECT, cancel_it, &fn), 1);
    check_says("\"deaf\", spawned at ");
    check_says("was told that it is cancelled (EPIPE: nobody reads it, by ");
    check_says("and has waited 100 times since");
    finds(1, cancel_its_group, &fn);
}

static int calls_again(void *arg)
{
    thrum_scope scope;

    (void)arg;
    CHECK_EQ(thrum_scope_begin(&scope, THRUM_LEVEL), 0);
    thrum_scope_cancel(&scope, 0, NULL);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(thrum_sleep(1), THRUM_ECANCELED);
    return thrum_scope_end(&scope, 0);
}

TEST(a_task_that_calls_and_calls_in_level_style)
{
    finds(1, calls_again, NULL);
    check_says("got THRUM_ECANCELED from 16 calls in a row");
}

static int returns_it(void *arg)
{
    (void)arg;
    return THRUM_ECANCELED;
}

static int fails_instead(void *arg)
{
    (void)arg;
    return -EIO;
}

static int takes_it_back(void *arg)
{
    struct victim *victim = arg;

    while (thrum_cancelling() > 0)
        (void)thrum_uncancel();
    (void)goes_on(victim);
    return 0;
}

static int means_it(void *arg)
{
    thrum_cancel_absorb();
    (void)goes_on(arg);
    return 0;
}

static int cleans_up(void *arg)
{
    thrum_shield shield;

    thrum_shield_begin(&shield);
    (void)goes_on(arg);
    (void)!thrum_shield_end(&shield);
    return THRUM_ECANCELED;
}

TEST(what_a_cancelled_task_may_do)
{
    thrum_fn fns[] = {returns_it, fails_instead, means_it, cleans_up};
    thrum_fn back = takes_it_back;

    for (size_t i = 0; i < sizeof(fns) / sizeof(fns[0]); i++) {
        finds(0, cancel_it, &fns[i]);
        finds(0, cancel_its_group, &fns[i]);
    }
    finds(0, cancel_it, &back);
}

/* What it has opened itself it may cancel. */
static int own_scopes(void *arg)
{
    thrum_timeout timeout;
    thrum_scope scope;
    thrum_group group;
    int status;

    CHECK_EQ(thrum_timeout_begin(&timeout, 1000), 0);
    status = thrum_sleep(THRUM_FOREVER);
    CHECK_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    thrum_group_cancel(&group, 0, NULL);
    status = thrum_yield();
    CHECK_EQ(thrum_group_close(&group, status, NULL), 0);
    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    thrum_scope_cancel(&scope, 0, NULL);
    CHECK_EQ(thrum_yield(), THRUM_ECANCELED);
    CHECK_EQ(goes_on(arg), THRUM_ECANCELED); /* still inside */
    CHECK_EQ(thrum_scope_end(&scope, 0), 0);
    return 0;
}

static int cancels_its_group(void *arg)
{
    thrum_group_cancel((thrum_group *)arg, 0, "this one is enough");
    CHECK_EQ(thrum_yield(), THRUM_ECANCELED);
    return 0;
}

/* A task that has found what all look for, and daemons, which may end as they like. */
static int own_groups(void *arg)
{
    thrum_group_options options = THRUM_GROUP_OPTIONS_INIT;
    struct victim victim = {ends_well, THRUM_EVENT_INIT, NULL};
    thrum_child child;
    thrum_group group;

    CHECK_EQ(own_scopes(arg), 0);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_child(&group, &child, cancels_its_group, &group), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    options.flags = THRUM_DAEMONS;
    CHECK_EQ(thrum_group_open(&group, &options), 0);
    CHECK_EQ(thrum_group_daemon(&group, be_cancelled, &victim, NULL, NULL), 0);
    CHECK_EQ(thrum_event_wait(&victim.ready), 0);
    return thrum_group_close(&group, 0, NULL);
}

static int root_ends_well(void *arg)
{
    (void)arg;
    thrum_runtime_cancel(thrum_runtime_self(), 0, "SIGINT, say");
    CHECK_EQ(thrum_yield(), THRUM_ECANCELED);
    return 0;
}

TEST(cancels_of_one_s_own_and_of_root_tasks)
{
    thrum_fn fn = own_scopes;

    finds(0, own_groups, NULL);
    finds(0, in_a_child, &fn);
    finds(0, in_a_task, &fn);
    finds(0, root_ends_well, NULL);
}

/* A task that was not told has swallowed nothing. */
static int is_not_told(void *arg)
{
    thrum_event *go = arg;

    while (!thrum_event_is_set(go))
        continue;
    return 0;
}

static int cancel_unheard(void *arg)
{
    thrum_event go = THRUM_EVENT_INIT;
    thrum_child child;
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    thrum_event_set(&go);
    CHECK_EQ(thrum_group_spawn_child(&group, &child, is_not_told, &go), 0);
    thrum_group_cancel(&group, 0, NULL);
    return thrum_group_close(&group, 0, NULL);
}

TEST(who_was_not_told_has_swallowed_nothing)
{
    finds(0, cancel_unheard, NULL);
}
