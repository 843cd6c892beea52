/*
 * misuse_test.c - whoever breaks the contract gets a sentence that says what
 * was wrong, or a code, and never silence.
 */
#include <errno.h>
#include <pthread.h>

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
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    (void)thrum_group_close(&group, 0, NULL);
    return thrum_group_close(&group, 0, NULL);
}

static int open_twice_with_options(void *arg)
{
    static thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, collecting()), 0);
    return thrum_group_open(&group, collecting());
}

TEST(opening_what_is_open)
{
    spans_die(begin_twice, "was opened that is open already");
    dies(open_twice_with_options, "was opened that is open already");
    dies(open_twice, "thrum_group_close was called on what is not open; close it once");
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

/* ---- sentences: events ----------------------------------------------------------------------- */

static int await(void *arg)
{
    return thrum_event_wait(arg);
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
