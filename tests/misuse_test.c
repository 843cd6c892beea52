/*
 * misuse_test.c - whoever breaks the contract gets a sentence that says what
 * was wrong, or a code, and never silence.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "workers.h"

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* ---- codes ----------------------------------------------------------------------------------- */

struct nested {
    thrum_runtime *runtime;
};

static int nest(void *arg)
{
    struct nested *nested = arg;
    thrum_runtime *another = NULL;

    CHECK_EQ(thrum_run(nothing, NULL, NULL, NULL), THRUM_ENESTED);
    CHECK_EQ(thrum_runtime_create(&another, NULL), THRUM_ENESTED);
    CHECK(another == NULL);
    CHECK_EQ(thrum_runtime_run(nested->runtime, nothing, NULL, NULL), THRUM_ENESTED);
    CHECK_EQ(thrum_runtime_set_workers(nested->runtime, 1), THRUM_ENESTED);
    CHECK_EQ(thrum_runtime_close(nested->runtime), THRUM_ENESTED);
    return thrum_yield();
}

TEST(a_runtime_inside_a_task_is_refused)
{
    static const int counts[] = {1, 2, 8, 64};

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct nested nested = {runtime_with(counts[i])};

        CHECK_EQ(thrum_runtime_run(nested.runtime, nest, &nested, NULL), 0);
        CHECK_EQ(run_with(counts[i], nest, &nested), 0); /* from a task of another */
        CHECK_EQ(thrum_runtime_close(nested.runtime), 0);
    }
}

/* A number of nanoseconds below zero is a mistake, wherever one is given; nothing has begun then. */
static int never_called(void *arg)
{
    (void)arg;
    CHECK(false);
    return 0;
}

static int give_less_than_nothing(void *arg)
{
    static const int64_t durations[] = {-1, -THRUM_FOREVER, INT64_MIN};
    thrum_task *task;
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, nothing, NULL, NULL, &task), 0);
    for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
        thrum_call call = THRUM_CALL(never_called, NULL);
        size_t winner = 7, n_done = 7;
        thrum_timeout timeout;
        thrum_time when;

        CHECK_EQ(thrum_sleep(durations[i]), -EINVAL);
        CHECK_EQ(thrum_timeout_begin(&timeout, durations[i]), -EINVAL);
        CHECK_EQ(thrum_wait_for(never_called, NULL, durations[i]), -EINVAL);
        CHECK_EQ(thrum_wait(&task, 1, THRUM_ALL_COMPLETED, durations[i], &n_done), -EINVAL);
        CHECK_EQ(thrum_race(&call, 1, durations[i], &winner), -EINVAL);
        CHECK(winner == 7 && n_done == 7);
        CHECK_EQ(thrum_timeout_begin(&timeout, thrum_s(1000)), 0);
        when = thrum_timeout_when(&timeout);
        CHECK_EQ(thrum_timeout_reschedule(&timeout, durations[i]), -EINVAL);
        CHECK_EQ(thrum_timeout_when(&timeout).ns, when.ns);
        CHECK_EQ(thrum_timeout_end(&timeout, 0), 0);
    }
    thrum_task_unref(task);
    return thrum_group_close(&group, 0, NULL);
}

TEST(negative_durations_are_refused)
{
    thrum_executor_options options = THRUM_EXECUTOR_OPTIONS_INIT;
    thrum_executor *executor = NULL;

    run_everywhere(give_less_than_nothing, NULL);
    options.idle_ns = -1;
    CHECK_EQ(thrum_executor_create(&executor, &options), -EINVAL);
    CHECK(executor == NULL);
    CHECK_EQ(thrum_executor_create(&executor, NULL), 0);
    CHECK_EQ(thrum_executor_close(executor, INT64_MIN, NULL), -EINVAL);
    CHECK_EQ(thrum_executor_close(executor, 0, NULL), 0);
}

/* Whoever waits for itself would wait for ever. */
struct self {
    thrum_task *task;
    thrum_event known;
};

static int wait_for_oneself(void *arg)
{
    struct self *self = arg;
    thrum_completion node;
    thrum_completed all;
    thrum_outcome outcome = {THRUM_FAILED, 7, NULL};
    size_t n_done = 7;

    CHECK_EQ(thrum_event_wait(&self->known), 0);
    CHECK(thrum_task_needs_me(self->task));
    CHECK_EQ(thrum_task_join(self->task, &outcome), -EDEADLK);
    CHECK_EQ(thrum_shield_join(self->task, &outcome), -EDEADLK);
    CHECK_EQ(thrum_wait(&self->task, 1, THRUM_FIRST_COMPLETED, 0, &n_done), -EDEADLK);
    CHECK(outcome.status == 7 && n_done == 7);
    thrum_completed_begin(&all, &node, &self->task, 1); /* that may be asked, with a time limit */
    thrum_completed_end(&all);
    return 0;
}

static int let_it_wait_for_itself(void *arg)
{
    struct self self = {NULL, THRUM_EVENT_INIT};
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, wait_for_oneself, &self, NULL, &self.task), 0);
    thrum_event_set(&self.known);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    thrum_task_unref(self.task);
    thrum_event_destroy(&self.known);
    return 0;
}

TEST(joining_oneself_is_refused)
{
    run_everywhere(let_it_wait_for_itself, NULL);
}

/* ---- objects of another runtime --------------------------------------------------------------- */

struct abroad {
    thrum_runtime *home;
    thrum_group *group;
    thrum_task *task;
    thrum_scope *scope;
    thrum_event shown, over;
};

static int sleep_long(void *arg)
{
    (void)arg;
    return thrum_sleep(thrum_s(1000));
}

/* What it has is another runtime's to see, until that says that it is over. */
static int shows(void *arg)
{
    struct abroad *abroad = arg;
    thrum_group_options options = THRUM_GROUP_OPTIONS_INIT;
    thrum_group group;
    thrum_scope scope;
    int status;

    options.flags = THRUM_DAEMONS;
    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    CHECK_EQ(thrum_group_open(&group, &options), 0);
    CHECK_EQ(thrum_group_spawn(&group, sleep_long, NULL, NULL, &abroad->task), 0);
    abroad->group = &group;
    abroad->scope = &scope;
    abroad->home = thrum_runtime_self();
    thrum_hold(abroad->home, "another runtime has seen what we have");
    thrum_event_set(&abroad->shown);
    status = thrum_event_wait(&abroad->over);
    status = thrum_group_close(&group, status, NULL);
    thrum_task_unref(abroad->task);
    return thrum_scope_end(&scope, status);
}

static void *show(void *arg)
{
    CHECK_EQ(run_with(2, shows, arg), 0);
    return NULL;
}

static int spawn_abroad(void *arg)
{
    struct abroad *abroad = arg;
    thrum_task *task = NULL;
    void *value = NULL;
    size_t n_done = 7;

    CHECK_EQ(thrum_event_wait(&abroad->shown), 0);
    CHECK_EQ(thrum_group_spawn(abroad->group, never_called, NULL, NULL, &task), THRUM_EFOREIGN);
    CHECK_EQ(thrum_group_spawn_copy(abroad->group, never_called, &n_done, sizeof n_done, NULL, NULL),
             THRUM_EFOREIGN);
    CHECK_EQ(thrum_group_daemon(abroad->group, never_called, NULL, NULL, &task), THRUM_EFOREIGN);
    CHECK_EQ(thrum_group_start(abroad->group, never_called, NULL, NULL, &value), THRUM_EFOREIGN);
    CHECK(task == NULL && value == NULL);
    CHECK_EQ(thrum_task_join(abroad->task, NULL), THRUM_EFOREIGN);
    CHECK_EQ(thrum_shield_join(abroad->task, NULL), THRUM_EFOREIGN);
    CHECK_EQ(thrum_wait(&abroad->task, 1, THRUM_ALL_COMPLETED, thrum_us(10), &n_done), 0);
    CHECK_EQ(n_done, 0); /* who only asks for the end may do so */
    thrum_scope_cancel(abroad->scope, 0, NULL); /* and anybody may cancel */
    CHECK_EQ(thrum_wait(&abroad->task, 1, THRUM_ALL_COMPLETED, THRUM_FOREVER, &n_done), 0);
    CHECK_EQ(n_done, 1);
    return 0;
}

TEST(groups_and_tasks_of_another_runtime)
{
    static const int counts[] = {1, 2, 8};

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct abroad abroad = {.shown = THRUM_EVENT_INIT, .over = THRUM_EVENT_INIT};
        thrum_runtime *here = runtime_with(counts[i]);
        pthread_t thread;

        CHECK_EQ(pthread_create(&thread, NULL, show, &abroad), 0);
        thrum_hold(here, "another runtime shows what it has");
        CHECK_EQ(thrum_runtime_run(here, spawn_abroad, &abroad, NULL), 0);
        thrum_release(here);
        thrum_release(abroad.home);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        CHECK_EQ(thrum_runtime_close(here), 0);
    }
}

static int use_abroad(void *arg)
{
    struct abroad *abroad = arg;
    thrum_child child;

    CHECK_EQ(thrum_event_wait(&abroad->shown), 0);
    if (abroad->task)
        return thrum_group_spawn_child(abroad->group, &child, nothing, NULL);
    return thrum_group_close(abroad->group, 0, NULL);
}

/* Like any other task's. */
static void open_abroad(bool spawn)
{
    struct abroad abroad = {.shown = THRUM_EVENT_INIT, .over = THRUM_EVENT_INIT};
    thrum_runtime *here = runtime_with(2);
    pthread_t thread;

    CHECK_EQ(pthread_create(&thread, NULL, show, &abroad), 0);
    while (!thrum_event_is_set(&abroad.shown))
        sched_yield();
    if (!spawn)
        abroad.task = NULL;
    (void)!thrum_runtime_run(here, use_abroad, &abroad, NULL);
}

TEST(closing_a_group_of_another_runtime)
{
    CHECK_DEATH(open_abroad(true), "thrum_group_spawn_child was called by a task that did not open");
    CHECK_DEATH(open_abroad(false), "thrum_group_close was called by a task that did not open it");
}

/* ---- sentences: groups ----------------------------------------------------------------------- */

/* Each of these is run as a task and must not come back. */
static void dies(thrum_fn fn, const char *sentence)
{
    CHECK_DEATH((void)run_with(1, fn, NULL), sentence);
    CHECK_DEATH((void)run_with(8, fn, NULL), sentence);
}

static int close_twice(void *arg)
{
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    return thrum_group_close(&group, 0, NULL);
}

TEST(closing_a_group_twice)
{
    dies(close_twice, "thrum_group_close was called on what is not open; close it once");
}

static int spawn_child_after_close(void *arg)
{
    thrum_child child;
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    return thrum_group_spawn_child(&group, &child, nothing, NULL);
}

static int spawn_task_after_close(void *arg)
{
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    return thrum_group_spawn(&group, nothing, NULL, NULL, NULL);
}

TEST(spawning_into_a_closed_group)
{
    dies(spawn_child_after_close, "a task was spawned into a group that is not open");
    dies(spawn_task_after_close, "a task was spawned into a group that is not open");
}

static int spawn_child_into(void *arg)
{
    static thrum_child child;

    return thrum_group_spawn_child(arg, &child, nothing, NULL);
}

static int let_member_spawn_child(void *arg)
{
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, spawn_child_into, &group, NULL, NULL), 0);
    return thrum_group_close(&group, 0, NULL);
}

TEST(spawning_a_child_into_another_task_s_group)
{
    dies(let_member_spawn_child, "thrum_group_spawn_child was called by a task that did not open "
                                 "the group; use thrum_group_spawn there");
}

static int close_of(void *arg)
{
    return thrum_group_close(arg, 0, NULL);
}

static int let_member_close(void *arg)
{
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, close_of, &group, NULL, NULL), 0);
    return thrum_group_close(&group, 0, NULL);
}

TEST(closing_another_task_s_group)
{
    dies(let_member_close, "thrum_group_close was called by a task that did not open it");
}

static int leave_open(void *arg)
{
    static thrum_group group;
    thrum_group_options options = THRUM_GROUP_OPTIONS_INIT;

    (void)arg;
    options.name = "forgotten";
    return thrum_group_open(&group, &options);
}

static int child_leaves_open(void *arg)
{
    thrum_child child;
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_child(&group, &child, leave_open, NULL), 0);
    return thrum_group_close(&group, 0, NULL);
}

static int task_leaves_open(void *arg)
{
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, leave_open, NULL, NULL, NULL), 0);
    return thrum_group_close(&group, 0, NULL);
}

static int started_task_leaves_open(void *arg)
{
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, leave_open, NULL, NULL, NULL), 0);
    thrum_yield();
    return thrum_group_close(&group, 0, NULL);
}

TEST(a_task_that_leaves_a_group_open)
{
    static const char sentence[] = "a task ended and left a group open: forgotten";

    dies(leave_open, sentence);
    dies(child_leaves_open, sentence);
    dies(task_leaves_open, sentence);
    dies(started_task_leaves_open, sentence);
}

static int branch_leaves_open(void *arg)
{
    thrum_branch branch;

    CHECK_EQ(thrum_fork(&branch, leave_open, arg), 0);
    return thrum_join(&branch, leave_open, arg);
}

TEST(a_branch_that_leaves_a_group_open)
{
    dies(branch_leaves_open, "left a group open");
}

/* A branch that has not ended when another task joins it, wherever it runs. */
struct lent {
    thrum_branch branch;
    thrum_event joined;
};

static int wait_for_join(void *arg)
{
    struct lent *lent = arg;

    return thrum_event_wait(&lent->joined);
}

static int join_of(void *arg)
{
    struct lent *lent = arg;
    int status = thrum_join(&lent->branch, wait_for_join, lent);

    thrum_event_set(&lent->joined); /* never: else who has forked it need not wait for ever */
    return status;
}

static int let_member_join(void *arg)
{
    struct lent lent = {.joined = THRUM_EVENT_INIT};
    thrum_group group;
    int status;

    (void)arg;
    CHECK_EQ(thrum_fork(&lent.branch, wait_for_join, &lent), 0);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, join_of, &lent, NULL, NULL), 0);
    status = thrum_group_close(&group, 0, NULL);
    return status ? status : thrum_join(&lent.branch, wait_for_join, &lent);
}

static int fork_and_forget(void *arg)
{
    static thrum_branch branch;

    (void)arg;
    return thrum_fork(&branch, nothing, NULL);
}

/* Who forks in vain is found with detectors. */
TEST(a_branch_that_is_never_joined)
{
    thrum_options options = THRUM_OPTIONS_INIT;

    options.workers = 2;
    options.flags = THRUM_DETECT;
    CHECK_DEATH((void)!thrum_run(fork_and_forget, NULL, &options, NULL),
                "has ended and left 1 branches that it has forked; every thrum_fork needs its");
    options.flags = THRUM_DETECT | THRUM_SIMULATE;
    CHECK_DEATH((void)!thrum_run(fork_and_forget, NULL, &options, NULL), "has ended and left 1 bran");
}

TEST(joining_another_task_s_branch)
{
    dies(let_member_join, "thrum_join was called by a task that did not fork the branch");
}

static int close_outer_first(void *arg)
{
    thrum_group outer, inner;

    (void)arg;
    CHECK_EQ(thrum_group_open(&outer, NULL), 0);
    CHECK_EQ(thrum_group_open(&inner, NULL), 0);
    CHECK_EQ(thrum_group_close(&outer, 0, NULL), 0);
    return thrum_group_close(&inner, 0, NULL);
}

TEST(closing_groups_out_of_order)
{
    dies(close_outer_first, "something opened later is still open; close in reverse order");
}

/* ---- sentences: scopes, timeouts, shields ----------------------------------------------------- */

/* The kinds of span that are begun and ended. */
enum span_kind { SPAN_SCOPE, SPAN_TIMEOUT, SPAN_NEVER, SPAN_SHIELD, SPAN_KINDS };

struct span {
    enum span_kind kind;
    thrum_scope scope;
    thrum_timeout timeout;
    thrum_shield shield;
};

static void begin_span(struct span *span)
{
    switch (span->kind) {
    case SPAN_SCOPE:
        CHECK_EQ(thrum_scope_begin(&span->scope, 0), 0);
        return;
    case SPAN_TIMEOUT:
        CHECK_EQ(thrum_timeout_begin(&span->timeout, thrum_s(1000)), 0);
        return;
    case SPAN_NEVER:
        CHECK_EQ(thrum_timeout_begin(&span->timeout, THRUM_FOREVER), 0);
        return;
    default:
        thrum_shield_begin(&span->shield);
    }
}

static int end_span(void *arg)
{
    struct span *span = arg;

    switch (span->kind) {
    case SPAN_SCOPE:
        return thrum_scope_end(&span->scope, 0);
    case SPAN_TIMEOUT:
    case SPAN_NEVER:
        return thrum_timeout_end(&span->timeout, 0);
    default:
        return thrum_shield_end(&span->shield);
    }
}

/* Each kind in turn; fn must not come back. */
static void spans_die(thrum_fn fn, const char *sentence)
{
    for (int kind = 0; kind < SPAN_KINDS; kind++) {
        struct span span = {.kind = (enum span_kind)kind};

        CHECK_DEATH((void)run_with(1, fn, &span), sentence);
        CHECK_DEATH((void)run_with(8, fn, &span), sentence);
    }
}

static int end_twice(void *arg)
{
    begin_span(arg);
    CHECK_EQ(end_span(arg), 0);
    return end_span(arg);
}

TEST(ending_a_scope_twice)
{
    spans_die(end_twice, "was called on what is not open; close it once");
}

static int let_task_end(void *arg)
{
    thrum_group group;

    begin_span(arg);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, end_span, arg, NULL, NULL), 0);
    return thrum_group_close(&group, 0, NULL);
}

TEST(ending_another_task_s_scope)
{
    spans_die(let_task_end, "was called by a task that did not open it");
}

static int end_outer_first(void *arg)
{
    struct span *outer = arg, inner = {.kind = outer->kind};

    begin_span(outer);
    begin_span(&inner);
    (void)end_span(outer);
    return end_span(&inner);
}

static int end_around_group(void *arg)
{
    thrum_group group;

    begin_span(arg);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    (void)end_span(arg);
    return thrum_group_close(&group, 0, NULL);
}

static int close_around_span(void *arg)
{
    thrum_group group;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    begin_span(arg);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    return end_span(arg);
}

TEST(ending_scopes_out_of_order)
{
    spans_die(end_outer_first, "something opened later is still open; close in reverse order");
    spans_die(end_around_group, "something opened later is still open; close in reverse order");
    spans_die(close_around_span, "something opened later is still open; close in reverse order");
}

static int leave_span_open(void *arg)
{
    static struct span span;

    span.kind = ((struct span *)arg)->kind;
    begin_span(&span);
    return 0;
}

static int child_leaves_span_open(void *arg)
{
    thrum_child child;
    thrum_group group;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_child(&group, &child, leave_span_open, arg), 0);
    return thrum_group_close(&group, 0, NULL);
}

static int task_leaves_span_open(void *arg)
{
    thrum_group group;
    thrum_task *task;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, leave_span_open, arg, NULL, &task), 0);
    CHECK_EQ(thrum_task_join(task, NULL), 0);
    return thrum_group_close(&group, 0, NULL);
}

static int branch_leaves_span_open(void *arg)
{
    thrum_branch branch;

    CHECK_EQ(thrum_fork(&branch, leave_span_open, arg), 0);
    return thrum_join(&branch, leave_span_open, arg);
}

TEST(a_task_that_leaves_a_scope_open)
{
    spans_die(leave_span_open, "a task ended and left a ");
    spans_die(child_leaves_span_open, "every begin needs its end on every path");
    spans_die(task_leaves_span_open, "every begin needs its end on every path");
    spans_die(branch_leaves_span_open, "every begin needs its end on every path");
}

static int begin_twice(void *arg)
{
    begin_span(arg);
    begin_span(arg);
    return 0;
}

static int open_twice(void *arg)
{
    static thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    return thrum_group_open(&group, NULL);
}

static int open_twice_with_options(void *arg)
{
    static thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, collecting()), 0);
    return thrum_group_open(&group, collecting());
}

/* Around another one, so that nobody sees it at once, but whoever looks at the chain. */
static int open_around(void *arg)
{
    static thrum_group group, inner;
    thrum_scope scope;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_open(&inner, NULL), 0);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    return thrum_scope_begin(&scope, 0);
}

static int open_around_and_cancel(void *arg)
{
    static thrum_group group, inner;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_open(&inner, NULL), 0);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    thrum_group_cancel(&group, 0, NULL);
    return thrum_yield();
}

static int open_around_and_fail(void *arg)
{
    static thrum_group group, inner;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_open(&inner, NULL), 0);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    return thrum_fail(-EIO, "no");
}

static int open_around_and_close(void *arg)
{
    static thrum_group group, inner;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_open(&inner, NULL), 0);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(thrum_group_close(&inner, 0, NULL), 0);
    return thrum_group_close(&group, 0, NULL);
}

static int begin_around(void *arg)
{
    thrum_timeout timeout;
    thrum_shield shield;
    thrum_scope scope;

    CHECK_EQ(thrum_timeout_begin(&timeout, THRUM_FOREVER), 0);
    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    thrum_shield_begin(&shield);
    switch (*(const int *)arg) {
    case 0:
        return thrum_timeout_begin(&timeout, THRUM_FOREVER);
    case 1:
        return thrum_scope_begin(&scope, 0);
    default:
        thrum_shield_begin(&shield);
        return 0;
    }
}

/* With detectors every open looks. */
static int with_detectors(thrum_fn fn, void *arg)
{
    thrum_options options = THRUM_OPTIONS_INIT;

    options.workers = 2;
    options.flags = THRUM_DETECT;
    return thrum_run(fn, arg, &options, NULL);
}

TEST(opening_what_is_open_further_out)
{
    static const thrum_fn fns[] = {open_around, open_around_and_cancel, open_around_and_fail};

    for (size_t i = 0; i < sizeof(fns) / sizeof(fns[0]); i++) {
        CHECK_DEATH((void)run_with(1, fns[i], NULL), "a group was opened that was open already");
        CHECK_DEATH((void)with_detectors(fns[i], NULL), "was opened that is open already");
    }
    dies(open_around_and_close, "thrum_group_close was called on what is not open");
    CHECK_DEATH((void)with_detectors(open_around_and_close, NULL), "was opened that is open alre");
    for (int i = 0; i < 3; i++)
        CHECK_DEATH((void)run_with(1, begin_around, &i), "was opened that is open already");
}

TEST(opening_what_is_open)
{
    spans_die(begin_twice, "was opened that is open already");
    dies(open_twice_with_options, "was opened that is open already");
    dies(open_twice, "was opened that is open already");
}

static int reschedule(void *arg)
{
    return thrum_timeout_reschedule(arg, thrum_s(1));
}

static int let_task_reschedule(void *arg)
{
    thrum_timeout timeout;
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_s(1000)), 0);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, reschedule, &timeout, NULL, NULL), 0);
    return thrum_timeout_end(&timeout, thrum_group_close(&group, 0, NULL));
}

TEST(rescheduling_another_task_s_timeout)
{
    dies(let_task_reschedule, "thrum_timeout_reschedule was called by a task that did not open");
}

static int cancel_closed(void *arg)
{
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    thrum_group_cancel(&group, 0, NULL);
    return 0;
}

static int cancel_ended(void *arg)
{
    thrum_scope scope;

    (void)arg;
    CHECK_EQ(thrum_scope_begin(&scope, 0), 0);
    CHECK_EQ(thrum_scope_end(&scope, 0), 0);
    thrum_scope_cancel(&scope, 0, NULL);
    return 0;
}

TEST(cancelling_what_is_closed)
{
    dies(cancel_closed, "thrum_group_cancel was called on a group that is not open");
    dies(cancel_ended, "thrum_scope_cancel was called on a scope that is not open");
}

static int unknown_flags(void *arg)
{
    thrum_group_options options = THRUM_GROUP_OPTIONS_INIT;
    thrum_task_options task_options = THRUM_TASK_OPTIONS_INIT;
    thrum_scope scope;
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_scope_begin(&scope, ~0u), -EINVAL);
    options.flags = ~0u;
    CHECK_EQ(thrum_group_open(&group, &options), -EINVAL);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    task_options.size--;
    CHECK_EQ(thrum_group_spawn(&group, nothing, NULL, &task_options, NULL), -EINVAL);
    return thrum_group_close(&group, 0, NULL);
}

TEST(options_out_of_range)
{
    run_everywhere(unknown_flags, NULL);
}

/* ---- sentences: objects ---------------------------------------------------------------------- */

static int await(void *arg)
{
    return thrum_event_wait(arg);
}

/* Objects that are given back while a task waits: one kind each, and what it is told. */
struct object {
    const char *sentence;
    thrum_fn wait;
    void (*destroy)(struct object *object);
    thrum_mutex mutex;
    thrum_cond cond;
    thrum_sem sem;
    thrum_latch latch;
    thrum_barrier barrier;
    thrum_queue queue;
    thrum_broadcast broadcast;
    unsigned char ring[64];
    thrum_event waits;
};

#define DESTROYS(noun, object_of)                      \
    static void destroy_##noun(struct object *object)  \
    {                                                  \
        thrum_##noun##_destroy(&object->object_of);    \
    }

DESTROYS(cond, cond)
DESTROYS(sem, sem)
DESTROYS(latch, latch)
DESTROYS(barrier, barrier)
DESTROYS(queue, queue)
DESTROYS(broadcast, broadcast)

static int wait_cond(void *arg)
{
    struct object *object = arg;
    int status = thrum_mutex_lock(&object->mutex);

    thrum_event_set(&object->waits);
    return status ? status : thrum_cond_wait(&object->cond, &object->mutex);
}

static int wait_sem(void *arg)
{
    struct object *object = arg;

    thrum_event_set(&object->waits);
    return thrum_sem_acquire(&object->sem, 1);
}

static int wait_latch(void *arg)
{
    struct object *object = arg;

    thrum_event_set(&object->waits);
    return thrum_latch_wait(&object->latch);
}

static int wait_barrier(void *arg)
{
    struct object *object = arg;
    uint32_t index;

    thrum_event_set(&object->waits);
    return thrum_barrier_wait(&object->barrier, &index);
}

static int wait_queue(void *arg)
{
    struct object *object = arg;
    int item;

    thrum_event_set(&object->waits);
    return thrum_queue_get(&object->queue, &item);
}

static int wait_broadcast(void *arg)
{
    struct object *object = arg;
    thrum_subscriber subscriber;
    uint64_t missed;
    int item;

    thrum_broadcast_subscribe(&object->broadcast, &subscriber);
    thrum_event_set(&object->waits);
    return thrum_broadcast_receive(&subscriber, &item, &missed);
}

static void begin_object(struct object *object)
{
    thrum_mutex_init(&object->mutex);
    thrum_cond_init(&object->cond);
    CHECK_EQ(thrum_sem_init(&object->sem, 0, 0), 0);
    thrum_latch_init(&object->latch, 1);
    thrum_event_init(&object->waits);
    CHECK_EQ(thrum_barrier_init(&object->barrier, 2), 0);
    CHECK_EQ(thrum_queue_init(&object->queue, sizeof(int), NULL), 0);
    CHECK_EQ(thrum_broadcast_init(&object->broadcast, sizeof(int), 4, object->ring), 0);
}

/* With one worker: once it has said so, and we are back, it waits. */
static int destroy_while_it_waits(void *arg)
{
    struct object *object = arg;
    thrum_group group;

    begin_object(object);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, object->wait, object, NULL, NULL), 0);
    CHECK_EQ(thrum_event_wait(&object->waits), 0);
    CHECK_EQ(thrum_yield(), 0);
    object->destroy(object);
    return thrum_group_close(&group, 0, NULL);
}

TEST(destroying_what_somebody_waits_for)
{
    static struct object objects[] = {
        {.sentence = "thrum_cond_destroy was called while a task waits for the condition",
         .wait = wait_cond,
         .destroy = destroy_cond},
        {.sentence = "thrum_sem_destroy was called while a task waits for a permit",
         .wait = wait_sem,
         .destroy = destroy_sem},
        {.sentence = "thrum_latch_destroy was called while a task waits for the latch",
         .wait = wait_latch,
         .destroy = destroy_latch},
        {.sentence = "thrum_barrier_destroy was called while a task waits at the barrier",
         .wait = wait_barrier,
         .destroy = destroy_barrier},
        {.sentence = "thrum_queue_destroy was called while a task waits; shut it down",
         .wait = wait_queue,
         .destroy = destroy_queue},
        {.sentence = "thrum_broadcast_destroy was called while a task waits; shut it down",
         .wait = wait_broadcast,
         .destroy = destroy_broadcast},
    };

    for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++)
        CHECK_DEATH((void)run_with(1, destroy_while_it_waits, &objects[i]), objects[i].sentence);
}

static int destroy_with_waiter(void *arg)
{
    thrum_event event = THRUM_EVENT_INIT;
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, await, &event, NULL, NULL), 0);
    for (int i = 0; i < 1000; i++)
        thrum_yield();
    while (!event.first) /* it may have started elsewhere */
        thrum_yield();
    thrum_event_destroy(&event);
    return thrum_group_close(&group, 0, NULL);
}

TEST(destroying_an_event_that_somebody_waits_for)
{
    CHECK_DEATH((void)run_with(1, destroy_with_waiter, NULL),
                "thrum_event_destroy was called while a task waits for the event");
}

/* ---- objects: numbers out of range, and ends that come twice --------------------------------- */

static bool before(const void *a, const void *b)
{
    return *(const int *)a < *(const int *)b;
}

static void init_queues(void)
{
    thrum_queue_options options = THRUM_QUEUE_OPTIONS_INIT;
    thrum_queue queue;

    CHECK_EQ(thrum_queue_init(&queue, 0, NULL), -EINVAL);
    CHECK_EQ(thrum_queue_init(&queue, SIZE_MAX - 3, NULL), -EINVAL);
    options.limit = SIZE_MAX / 2; /* what it would take does not fit in a number */
    CHECK_EQ(thrum_queue_init(&queue, 64, &options), -EINVAL);
    options.limit = 0;
    options.order = THRUM_PRIORITY; /* and no way to compare */
    CHECK_EQ(thrum_queue_init(&queue, sizeof(int), &options), -EINVAL);
    options.order = THRUM_FIFO;
    options.before = before; /* and no need for one */
    CHECK_EQ(thrum_queue_init(&queue, sizeof(int), &options), -EINVAL);
    options.order = 99;
    CHECK_EQ(thrum_queue_init(&queue, sizeof(int), &options), -EINVAL);
}

static void init_objects(void)
{
    thrum_broadcast broadcast;
    thrum_barrier barrier;
    thrum_limiter *limiter = NULL;
    thrum_rate rate;
    unsigned char ring[64];
    thrum_sem sem;

    CHECK_EQ(thrum_barrier_init(&barrier, 0), -EINVAL);
    CHECK_EQ(thrum_broadcast_init(&broadcast, 0, 4, ring), -EINVAL);
    CHECK_EQ(thrum_broadcast_init(&broadcast, 4, 0, ring), -EINVAL);
    CHECK_EQ(thrum_broadcast_init(&broadcast, 4, 4, NULL), -EINVAL);
    CHECK_EQ(thrum_broadcast_init(&broadcast, SIZE_MAX / 2, 4, ring), -EINVAL);
    CHECK_EQ(thrum_limiter_create(&limiter, 0), -EINVAL);
    CHECK_EQ(thrum_limiter_create(&limiter, UINT32_MAX), -EINVAL);
    CHECK(limiter == NULL);
    CHECK_EQ(thrum_rate_init(&rate, 0, 1000, 1), -EINVAL);
    CHECK_EQ(thrum_rate_init(&rate, -1, 1000, 1), -EINVAL);
    CHECK_EQ(thrum_rate_init(&rate, 1, 0, 1), -EINVAL);
    CHECK_EQ(thrum_rate_init(&rate, 1, 1000, 0), -EINVAL);
    CHECK_EQ(thrum_sem_init(&sem, 5, 3), -EINVAL);
    CHECK_EQ(thrum_sem_init(&sem, UINT32_MAX, 0), -EINVAL);
}

static int count_too_far(void *arg)
{
    thrum_sem bounded = THRUM_SEM_INIT_BOUNDED(1), sem = THRUM_SEM_INIT(5);
    thrum_latch latch;
    thrum_queue queue;
    thrum_rate rate;

    (void)arg;
    CHECK_EQ(thrum_sem_release(&bounded, 1), -EINVAL);
    CHECK_EQ(thrum_sem_release(&sem, UINT32_MAX), -EINVAL);
    CHECK_EQ(thrum_sem_acquire(&sem, 0), -EINVAL);
    CHECK_EQ(thrum_sem_acquire(&bounded, 2), -EINVAL);
    CHECK_EQ(thrum_sem_permits(&bounded), 1);
    thrum_latch_init(&latch, 1);
    CHECK_EQ(thrum_latch_count_down(&latch, 2), -EINVAL);
    CHECK_EQ(thrum_latch_count(&latch), 1);
    CHECK_EQ(thrum_queue_init(&queue, sizeof(int), NULL), 0);
    CHECK_EQ(thrum_queue_task_done(&queue), -EINVAL);
    thrum_queue_destroy(&queue);
    CHECK_EQ(thrum_rate_init(&rate, 1, 1000, 2), 0);
    CHECK_EQ(thrum_rate_acquire(&rate, 3), -EINVAL);
    CHECK_EQ(thrum_rate_acquire(&rate, 0), -EINVAL);
    CHECK_EQ(thrum_rate_acquire(&rate, -1), -EINVAL);
    CHECK_EQ(thrum_rate_acquire_within(&rate, 1, -1), -EINVAL);
    thrum_rate_destroy(&rate);
    return 0;
}

static int wait_for_nothing(void *arg)
{
    thrum_case one = thrum_case_now();
    thrum_call call = THRUM_CALL(nothing, NULL);
    size_t n_done;

    (void)arg;
    CHECK_EQ(thrum_wait(NULL, 0, THRUM_ALL_COMPLETED, 0, &n_done), -EINVAL);
    CHECK_EQ(thrum_race(&call, 0, 0, NULL), -EINVAL);
    CHECK_EQ(thrum_gather(&call, 1, ~0u, 0, NULL), -EINVAL);
    CHECK_EQ(thrum_gather(NULL, 0, 0, 0, NULL), 0); /* nothing is done at once */
    CHECK_EQ(thrum_select(&one, 0, 0), -EINVAL);
    CHECK_EQ(thrum_select(&one, 1, ~0u), -EINVAL);
    one.kind = 99;
    CHECK_EQ(thrum_select(&one, 1, 0), -EINVAL);
    CHECK_EQ(thrum_fd_wait(-1, THRUM_FD_READ), -EBADF);
    CHECK_EQ(thrum_fd_wait(0, 0), -EINVAL);
    CHECK_EQ(thrum_fd_wait(0, ~0u), -EINVAL);
    CHECK_EQ(thrum_parallel_for(10, 3, 1, NULL, NULL), -EINVAL);
    return 0;
}

TEST(numbers_out_of_range)
{
    init_queues();
    init_objects();
    run_everywhere(count_too_far, NULL);
    run_everywhere(wait_for_nothing, NULL);
}

static int put_uninitialised(void *arg)
{
    static thrum_queue queue; /* zero-filled is no queue: it has no size of an item */
    int item = 1;

    (void)arg;
    return thrum_queue_try_put(&queue, &item);
}

static int get_destroyed(void *arg)
{
    thrum_queue queue;
    int item;

    (void)arg;
    CHECK_EQ(thrum_queue_init(&queue, sizeof item, NULL), 0);
    thrum_queue_destroy(&queue);
    return thrum_queue_get(&queue, &item);
}

TEST(a_queue_outside_of_its_life)
{
    dies(put_uninitialised, "a thrum_queue was used that was never initialised");
    dies(get_destroyed, "a thrum_queue was used that was never initialised (thrum_queue_init), or "
                        "that was destroyed");
}

static int come_to_no_barrier(void *arg)
{
    static thrum_barrier barrier;

    (void)arg;
    return thrum_barrier_wait(&barrier, NULL);
}

static int send_to_nobody(void *arg)
{
    static thrum_broadcast broadcast;

    (void)arg;
    return thrum_broadcast_send(&broadcast, "1");
}

static int subscribe_to_nothing(void *arg)
{
    static thrum_broadcast broadcast;
    thrum_subscriber subscriber;

    (void)arg;
    thrum_broadcast_subscribe(&broadcast, &subscriber);
    return 0;
}

static int receive_from_nobody(void *arg)
{
    static thrum_subscriber subscriber;
    uint64_t missed;
    char item;

    (void)arg;
    return thrum_broadcast_receive(&subscriber, &item, &missed);
}

static int reschedule_zeroes(void *arg)
{
    static thrum_timeout timeout;

    (void)arg;
    return thrum_timeout_reschedule(&timeout, 5);
}

static int close_zeroes(void *arg)
{
    static thrum_group group;

    (void)arg;
    return thrum_group_close(&group, 0, NULL);
}

static int spawn_into_zeroes(void *arg)
{
    static thrum_group group;

    (void)arg;
    return thrum_group_spawn(&group, nothing, NULL, NULL, NULL);
}

TEST(what_was_never_initialised)
{
    spans_die(end_span, "was called on what is not open");
    dies(reschedule_zeroes, "thrum_timeout_reschedule was called by a task that did not open");
    dies(close_zeroes, "thrum_group_close was called on what is not open");
    dies(spawn_into_zeroes, "a task was spawned into a group that is not open");
    dies(come_to_no_barrier, "a thrum_barrier was used that was never initialised");
    dies(send_to_nobody, "a thrum_broadcast was used that was never initialised");
    dies(subscribe_to_nothing, "a thrum_broadcast was used that was never initialised");
    dies(receive_from_nobody, "a thrum_subscriber was used that has not subscribed");
}

static int serve(thrum_service *service, void *arg)
{
    (void)arg;
    thrum_service_ready(service);
    return thrum_service_pause(service, THRUM_FOREVER) == THRUM_ESHUTDOWN ? 0 : THRUM_ECANCELED;
}

static int flush(void **items, int *statuses, size_t n, void *context)
{
    (void)items, (void)statuses, (void)n, (void)context;
    return 0;
}

static int end_composed_twice(void *arg)
{
    thrum_service_options service_options = THRUM_SERVICE_OPTIONS_INIT;
    thrum_batcher_options batcher_options = THRUM_BATCHER_OPTIONS_INIT;
    thrum_service service;
    thrum_batcher batcher;
    thrum_workers workers;
    thrum_group group;
    int item = 0;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    service_options.run = serve;
    CHECK_EQ(thrum_service_start(&service, &group, &service_options), 0);
    CHECK_EQ(thrum_service_stop(&service, THRUM_FOREVER, NULL), 0);
    CHECK_EQ(thrum_service_stop(&service, THRUM_FOREVER, NULL), THRUM_ESTATE);
    batcher_options.flush = flush;
    batcher_options.most = 0;
    CHECK_EQ(thrum_batcher_open(&batcher, &group, &batcher_options), -EINVAL);
    batcher_options.most = 1;
    CHECK_EQ(thrum_batcher_open(&batcher, &group, &batcher_options), 0);
    CHECK_EQ(thrum_batcher_close(&batcher), 0);
    CHECK_EQ(thrum_batcher_close(&batcher), THRUM_ESTATE);
    CHECK_EQ(thrum_batcher_submit(&batcher, &item), THRUM_ESHUTDOWN);
    CHECK_EQ(thrum_workers_open(&workers, &group, NULL), 0);
    CHECK_EQ(thrum_workers_close(&workers), 0);
    CHECK_EQ(thrum_workers_close(&workers), THRUM_ESTATE);
    return thrum_group_close(&group, 0, NULL);
}

static int end_again(void *arg)
{
    thrum_promise promise = THRUM_PROMISE_INIT(NULL, 0);
    thrum_broadcast broadcast;
    thrum_timeout timeout;
    unsigned char ring[64];
    int item = 1;

    (void)arg;
    CHECK_EQ(thrum_promise_fail(&promise, 3), -EINVAL);
    CHECK_EQ(thrum_promise_set(&promise, NULL), 0);
    CHECK_EQ(thrum_promise_set(&promise, NULL), THRUM_ESTATE);
    thrum_promise_destroy(&promise);
    CHECK_EQ(thrum_broadcast_init(&broadcast, sizeof item, 4, ring), 0);
    thrum_broadcast_shutdown(&broadcast);
    thrum_broadcast_shutdown(&broadcast);
    CHECK_EQ(thrum_broadcast_send(&broadcast, &item), THRUM_ESHUTDOWN);
    thrum_broadcast_destroy(&broadcast);
    CHECK_EQ(thrum_timeout_begin(&timeout, THRUM_FOREVER), 0);
    CHECK_EQ(thrum_timeout_end(&timeout, 0), 0);
    CHECK_EQ(thrum_timeout_reschedule(&timeout, 5), THRUM_ESTATE);
    CHECK_EQ(thrum_started(NULL), THRUM_ESTATE); /* nobody waits for our start */
    return 0;
}

TEST(what_has_ended_says_so)
{
    run_everywhere(end_composed_twice, NULL);
    run_everywhere(end_again, NULL);
}

static int unref_twice(void *arg)
{
    thrum_task *task;
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, nothing, NULL, NULL, &task), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    thrum_task_unref(task);
    thrum_task_unref(task);
    return 0;
}

TEST(a_handle_that_is_given_back_twice)
{
    dies(unref_twice, "thrum_task_unref was called more often than handles of the task were given");
}

static int close_from_inside(void *arg)
{
    return thrum_executor_close(arg, THRUM_FOREVER, NULL);
}

static int close_executor(void *arg)
{
    return thrum_to_thread(arg, close_from_inside, arg);
}

TEST(an_executor_cannot_wait_for_its_own_call)
{
    static const int counts[] = {1, 2, 8};
    thrum_executor *executor;

    REAL_WORLD_ONLY;
    CHECK_EQ(thrum_executor_create(&executor, NULL), 0);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        CHECK_EQ(run_with(counts[i], close_executor, executor), -EDEADLK);
    CHECK_EQ(thrum_executor_close(executor, THRUM_FOREVER, NULL), 0);
}

static int wait_for_calls(void *arg)
{
    CHECK_EQ(thrum_executor_close(arg, 1, NULL), THRUM_ENESTED);
    CHECK_EQ(thrum_executor_close(arg, THRUM_FOREVER, NULL), THRUM_ENESTED);
    return thrum_to_thread(arg, nothing, NULL); /* nothing has changed */
}

/* With one worker the call might wait for what runs on it. */
TEST(a_task_does_not_wait_for_the_calls_of_an_executor)
{
    thrum_executor *executor;

    REAL_WORLD_ONLY;
    CHECK_EQ(thrum_executor_create(&executor, NULL), 0);
    run_everywhere(wait_for_calls, executor);
    CHECK_EQ(thrum_executor_close(executor, THRUM_FOREVER, NULL), 0);
}

static void close_twice_in_a_row(void)
{
    thrum_runtime *runtime = runtime_with(2);

    CHECK_EQ(thrum_runtime_close(runtime), 0);
    CHECK_EQ(thrum_runtime_close(runtime), 0);
}

TEST(a_runtime_that_is_closed_twice)
{
    CHECK_DEATH(close_twice_in_a_row(), "thrum_runtime_close was called on what is no runtime");
}

static void options_of_runtimes(void)
{
    thrum_options options = THRUM_OPTIONS_INIT;
    thrum_runtime *runtime = NULL;
    int64_t next;

    options.workers = -1;
    CHECK_EQ(thrum_runtime_create(&runtime, &options), -EINVAL);
    options.workers = THRUM_WORKERS_MAX + 1;
    CHECK_EQ(thrum_runtime_create(&runtime, &options), -EINVAL);
    options.workers = 1;
    options.stack_bytes = 1;
    CHECK_EQ(thrum_runtime_create(&runtime, &options), -EINVAL);
    options.stack_bytes = 0;
    options.flags = ~0u;
    CHECK_EQ(thrum_runtime_create(&runtime, &options), -EINVAL);
    options.flags = 0;
    options.abandoned_ns = -1;
    CHECK_EQ(thrum_runtime_create(&runtime, &options), -EINVAL);
    options.abandoned_ns = 0;
    options.layout++;
    CHECK_EQ(thrum_runtime_create(&runtime, &options), THRUM_ELAYOUT);
    CHECK(runtime == NULL);
    options.layout--;
    CHECK_EQ(thrum_runtime_create(&runtime, &options), 0);
    CHECK_EQ(thrum_runtime_set_workers(runtime, 0), -EINVAL);
    CHECK_EQ(thrum_runtime_set_workers(runtime, -4), -EINVAL);
    CHECK_EQ(thrum_runtime_set_workers(runtime, THRUM_WORKERS_MAX + 1), -EINVAL);
    CHECK_EQ(thrum_turn(runtime, 1000, &next), THRUM_ESTATE);
    CHECK_EQ(thrum_poll_fd(runtime), THRUM_ESTATE);
    CHECK_EQ(thrum_runtime_close(runtime), 0);
}

TEST(options_of_runtimes_out_of_range)
{
    options_of_runtimes();
}

/* ---- sentences: threads that run no task ----------------------------------------------------- */

TEST(calls_from_a_thread_that_runs_no_task)
{
    static thrum_event event = THRUM_EVENT_INIT;
    thrum_group group = {.own = 0};
    thrum_timeout timeout = {.key = 0};
    thrum_shield shield = {.unused = 0};
    thrum_scope scope = {.owner = 0};
    thrum_reason reason;
    thrum_branch branch;
    thrum_child child;

    CHECK_DEATH(CHECK_EQ(thrum_group_open(&group, NULL), 0), "outside a task; start one with");
    CHECK_DEATH(CHECK_EQ(thrum_group_spawn_child(&group, &child, nothing, NULL), 0),
                "from a thread that runs no task; start one with thrum_run");
    CHECK_DEATH(CHECK_EQ(thrum_group_spawn(&group, nothing, NULL, NULL, NULL), 0),
                "from a thread that runs no task; start one with thrum_run");
    CHECK_DEATH(CHECK_EQ(thrum_group_close(&group, 0, NULL), 0), "outside a task");
    CHECK_DEATH(CHECK_EQ(thrum_fork(&branch, nothing, NULL), 0), "thread that runs no task");
    CHECK_DEATH(CHECK_EQ(thrum_join(&branch, nothing, NULL), 0), "thread that runs no task");
    CHECK_DEATH(CHECK_EQ(thrum_yield(), 0), "thrum_yield was called outside a task");
    CHECK_DEATH(CHECK_EQ(thrum_scope_begin(&scope, 0), 0), "thrum_scope_begin was called outside");
    CHECK_DEATH(CHECK_EQ(thrum_scope_end(&scope, 0), 0), "thrum_scope_end was called outside");
    CHECK_DEATH(thrum_shield_begin(&shield), "thrum_shield_begin was called outside a task");
    CHECK_DEATH(CHECK_EQ(thrum_shield_end(&shield), 0), "thrum_shield_end was called outside");
    CHECK_DEATH(CHECK_EQ(thrum_timeout_begin(&timeout, 1), 0), "thrum_timeout_begin was called");
    CHECK_DEATH(CHECK_EQ(thrum_timeout_reschedule(&timeout, 1), 0), "outside a task");
    CHECK_DEATH(CHECK_EQ(thrum_timeout_end(&timeout, 0), 0), "thrum_timeout_end was called outside");
    CHECK_DEATH(CHECK_EQ(thrum_wait_for(nothing, NULL, 0), 0), "thrum_wait_for was called outside");
    CHECK_DEATH(CHECK_EQ(thrum_wait_for(nothing, NULL, 1), 0), "outside a task");
    CHECK_DEATH(CHECK_EQ(thrum_sleep(1), 0), "thrum_sleep was called outside a task");
    CHECK_DEATH(CHECK_EQ(thrum_checkpoint(), 0), "thrum_checkpoint was called outside a task");
    CHECK_DEATH(CHECK(thrum_cancel_pending()), "thrum_cancel_pending was called outside a task");
    CHECK_DEATH(CHECK_EQ(thrum_cancel_reason(&reason), 0), "thrum_cancel_reason was called");
    CHECK_DEATH(CHECK_EQ(thrum_cancelling(), 1), "thrum_cancelling was called outside a task");
    CHECK_DEATH(CHECK_EQ(thrum_uncancel(), 1), "thrum_uncancel was called outside a task");
    CHECK_DEATH(CHECK_EQ(thrum_event_wait(&event), 0), "thrum_event_wait was called outside");
}

/* Whatever may wait: objects first, none of which would have to. */
TEST(objects_of_a_thread_that_runs_no_task)
{
    static thrum_mutex mutex;
    static thrum_cond cond;
    static thrum_sem sem = THRUM_SEM_INIT(3);
    static thrum_once once;
    static thrum_promise promise = THRUM_PROMISE_INIT(NULL, 0);
    thrum_latch latch;
    thrum_barrier barrier;
    thrum_rwlock rwlock;
    thrum_queue queue;
    thrum_broadcast broadcast;
    thrum_subscriber subscriber;
    unsigned char ring[16];
    uint64_t missed;
    int item = 0;

    thrum_latch_init(&latch, 0);
    thrum_rwlock_init(&rwlock);
    CHECK_EQ(thrum_barrier_init(&barrier, 1), 0);
    CHECK_EQ(thrum_promise_set(&promise, NULL), 0);
    CHECK_EQ(thrum_queue_init(&queue, sizeof item, NULL), 0);
    CHECK_EQ(thrum_queue_try_put(&queue, &item), 0);
    CHECK_EQ(thrum_broadcast_init(&broadcast, sizeof item, 4, ring), 0);
    thrum_broadcast_subscribe(&broadcast, &subscriber);
    CHECK_EQ(thrum_broadcast_send(&broadcast, &item), 0);
    CHECK_DEATH((void)!thrum_mutex_lock(&mutex), "thrum_mutex_lock was called outside a task");
    CHECK_DEATH((void)!thrum_mutex_trylock(&mutex), "thrum_mutex_trylock was called outside");
    CHECK_DEATH((void)!thrum_cond_wait(&cond, &mutex), "a task that has not locked the mutex");
    CHECK_DEATH((void)!thrum_sem_acquire(&sem, 1), "thrum_sem_acquire was called outside a task");
    CHECK_DEATH((void)!thrum_latch_wait(&latch), "thrum_latch_wait was called outside a task");
    CHECK_DEATH((void)!thrum_barrier_wait(&barrier, NULL), "thrum_barrier_wait was called outside");
    CHECK_DEATH((void)!thrum_rwlock_read(&rwlock),
                "a thrum_rwlock was to be locked outside a task");
    CHECK_DEATH((void)!thrum_rwlock_write(&rwlock), "a thrum_rwlock was to be locked outside");
    CHECK_DEATH((void)!thrum_once_run(&once, nothing, NULL), "thrum_once_run was called outside");
    CHECK_DEATH((void)!thrum_promise_wait(&promise, NULL), "thrum_promise_wait was called outside");
    CHECK_DEATH((void)!thrum_queue_put(&queue, &item), "thrum_queue_put was called outside a task");
    CHECK_DEATH((void)!thrum_queue_get(&queue, &item), "thrum_queue_get was called outside a task");
    CHECK_DEATH((void)!thrum_queue_join(&queue), "thrum_queue_join was called outside a task");
    CHECK_DEATH((void)!thrum_broadcast_receive(&subscriber, &item, &missed),
                "thrum_broadcast_receive was called outside a task");
    thrum_queue_destroy(&queue);
}

static int keep_handle(void *arg)
{
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    if (!status)
        status = thrum_group_spawn(&group, nothing, NULL, NULL, arg);
    return thrum_group_close(&group, status, NULL);
}

static int no_part(size_t begin, size_t end, void *arg)
{
    (void)begin, (void)end, (void)arg;
    return 0;
}

/* And tasks; those that are over too. */
TEST(tasks_of_a_thread_that_runs_no_task)
{
    static const thrum_local local = THRUM_LOCAL_INIT(NULL, NULL);
    thrum_retry_options retry = THRUM_RETRY_OPTIONS_INIT;
    thrum_runtime *runtime = runtime_with(1);
    thrum_call call = THRUM_CALL(nothing, NULL);
    thrum_case now = thrum_case_now();
    thrum_local_token token;
    thrum_blocking blocking;
    thrum_task *task;

    CHECK_EQ(thrum_runtime_run(runtime, keep_handle, &task, NULL), 0);
    CHECK_DEATH((void)!thrum_task_join(task, NULL), "thrum_task_join was called outside a task");
    CHECK_DEATH((void)!thrum_shield_join(task, NULL),
                "thrum_shield_join was called outside a task");
    CHECK_DEATH((void)!thrum_wait(&task, 1, THRUM_ALL_COMPLETED, 5, NULL), "outside a task");
    CHECK_DEATH((void)!thrum_wait(&task, 1, THRUM_ALL_COMPLETED, 0, NULL), "outside a task");
    CHECK_DEATH((void)!thrum_select(&now, 1, 0), "thrum_select was called outside a task");
    CHECK_DEATH((void)!thrum_gather(&call, 1, THRUM_COLLECT, 0, NULL), "outside a task");
    CHECK_DEATH((void)!thrum_race(&call, 1, 0, NULL), "outside a task; start one with thrum_run");
    CHECK_DEATH((void)!thrum_parallel_for(0, 9, 1, no_part, NULL),
                "outside a task; start one with");
    CHECK_DEATH((void)!thrum_retry(&retry, nothing, NULL, NULL), "outside a task; start one with");
    CHECK_DEATH((void)!thrum_to_thread(NULL, nothing, NULL), "thrum_to_thread was called outside");
    CHECK_DEATH((void)!thrum_to_thread_copy(NULL, nothing, &call, 1, NULL), "was called outside");
    CHECK_DEATH((void)!thrum_fd_wait(0, THRUM_FD_READ), "thrum_fd_wait was called outside a task");
    CHECK_DEATH((void)!thrum_local_set(&local, NULL), "thrum_local_set was called outside a task");
    CHECK_DEATH((void)!thrum_local_swap(&local, NULL, &token),
                "thrum_local_swap was called outside");
    CHECK_DEATH(thrum_cancel_absorb(), "thrum_cancel_absorb was called outside a task");
    CHECK_DEATH((void)thrum_blocking_begin(&blocking), "thrum_blocking_begin was called outside");
    CHECK_DEATH(thrum_blocking_end(&blocking), "without a thrum_blocking_begin before it");
    CHECK_EQ(thrum_started(NULL), THRUM_ESTATE); /* nobody waits for its start */
    thrum_task_unref(task);
    CHECK_EQ(thrum_runtime_close(runtime), 0);
}

static void *spawn_from_thread(void *arg)
{
    CHECK_EQ(thrum_group_spawn(arg, nothing, NULL, NULL, NULL), 0);
    return NULL;
}

static int let_thread_spawn(void *arg)
{
    thrum_group group;
    pthread_t thread;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(pthread_create(&thread, NULL, spawn_from_thread, &group), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    return thrum_group_close(&group, 0, NULL);
}

TEST(spawning_into_a_task_s_group_from_a_thread)
{
    dies(let_thread_spawn, "a task was spawned from a thread that runs no task");
}

/* ---- stack overflow -------------------------------------------------------------------------- */

static int dig(volatile char *above)
{
    volatile char here[512];

    here[0] = above ? above[0] : 'x';
    if (here[0] == 'y') /* never */
        return 0;
    here[511] = (char)dig(here);
    return here[511] + here[0];
}

static int dig_for_ever(void *arg)
{
    return dig(arg);
}

static void spawn_digger(thrum_group *group)
{
    thrum_task_options options = THRUM_TASK_OPTIONS_INIT;

    options.name = "mole";
    CHECK_EQ(thrum_group_spawn(group, dig_for_ever, NULL, &options, NULL), 0);
}

static int overflow_inline(void *arg)
{
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    spawn_digger(&group);
    return thrum_group_close(&group, 0, NULL);
}

static int overflow_elsewhere(void *arg)
{
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    spawn_digger(&group);
    thrum_yield();
    return thrum_group_close(&group, 0, NULL);
}

TEST(a_stack_overflow_names_the_task)
{
    dies(overflow_inline, "mole");
    dies(overflow_elsewhere, "mole");
    dies(dig_for_ever, "stack");
}
