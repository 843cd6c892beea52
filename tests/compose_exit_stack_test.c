/*
 * compose_exit_stack_test.c - exits are called in reverse order, all of them,
 * and told how it went; what goes wrong is kept.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <thrum/macros.h>
#include <thrum/thrum.h>

#include "runtime/plat/memory.h"
#include "tests/check.h"
#include "tests/racing.h"
#include "tests/workers.h"

enum { EXITS = 20 };

/* What was called, in order, and what it was told. */
struct log {
    int n;
    int number[EXITS];
    int told[EXITS];
};

struct step {
    thrum_exit exit;
    struct log *log;
    int number;
    int says;
    bool waits;
};

static int step_exit(void *arg, int status)
{
    struct step *step = arg;
    struct log *log = step->log;

    if (step->waits)
        CHECK_EQ(thrum_yield(), 0);
    log->number[log->n] = step->number;
    log->told[log->n++] = status;
    return step->says < 0 ? thrum_fail(step->says, "exit %d", step->number) : step->says;
}

static void step_defer(void *arg)
{
    (void)step_exit(arg, 4711);
}

/* Close a stack of exits that say this, after a body with that status. */
static int close_with(struct log *log, int status, const int *says, int n, thrum_error **errors)
{
    thrum_exit_stack stack = THRUM_EXIT_STACK_INIT;
    struct step steps[EXITS];

    log->n = 0;
    for (int i = 0; i < n; i++) {
        steps[i] = (struct step){.log = log, .number = i, .says = says[i], .waits = i & 1};
        thrum_exit_stack_push(&stack, &steps[i].exit, step_exit, &steps[i]);
    }
    if (status < 0 && status != THRUM_ECANCELED)
        (void)thrum_fail(status, "the body");
    return thrum_exit_stack_close(&stack, status, errors);
}

static int in_order(void *arg)
{
    static const int says[] = {0, 1, 77, 0, THRUM_SWALLOW}; /* there is nothing to swallow */
    struct log log;

    (void)arg;
    CHECK_EQ(close_with(&log, 5, says, 5, NULL), 5);
    CHECK_EQ(log.n, 5);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(log.number[i], 4 - i);
        CHECK_EQ(log.told[i], 5);
    }
    CHECK_EQ(close_with(&log, -17, says, 0, NULL), -17);
    CHECK_EQ(close_with(&log, THRUM_ECANCELED, says, 3, NULL), THRUM_ECANCELED);
    CHECK_EQ(log.told[2], THRUM_ECANCELED);
    return 0;
}

TEST(exits_are_called_in_reverse_order_and_told_how_it_went)
{
    run_everywhere(in_order, NULL);
}

static void check_said(int code, const char *text)
{
    thrum_error *error = thrum_fail_take(code);

    CHECK_EQ(thrum_error_code(error), code);
    CHECK_STR_EQ(thrum_error_message(error), text);
    thrum_error_free(error);
}

static void check_leaf(const thrum_error *tree, size_t i, int code, const char *text)
{
    const thrum_error *leaf = thrum_error_child(tree, i);

    CHECK_EQ(thrum_error_code(leaf), code);
    CHECK_STR_EQ(thrum_error_message(leaf), text);
}

static int fail_alone(void *arg)
{
    static const int one[] = {0, -EIO, 0};
    static const int pass[] = {0, -ENOENT, 0}; /* the body's again */
    thrum_error *errors = NULL;
    struct log log;

    (void)arg;
    CHECK_EQ(close_with(&log, 0, one, 3, &errors), -EIO);
    CHECK(errors == NULL);
    CHECK_EQ(log.n, 3);
    CHECK_EQ(log.told[1], 0);
    CHECK_EQ(log.told[2], -EIO);
    check_said(-EIO, "exit 1");
    CHECK_EQ(close_with(&log, THRUM_ECANCELED, one, 3, &errors), -EIO);
    CHECK_EQ(log.told[1], THRUM_ECANCELED);
    check_said(-EIO, "exit 1");
    CHECK_EQ(close_with(&log, -ENOENT, pass, 3, &errors), -ENOENT);
    CHECK(errors == NULL);
    check_said(-ENOENT, "the body");
    return 0;
}

TEST(a_single_failure_stays_what_it_is)
{
    run_everywhere(fail_alone, NULL);
}

static int fail_together(void *arg)
{
    static const int two[] = {-EIO, 0, -EPERM};
    thrum_error *errors = NULL;
    struct log log;

    (void)arg;
    CHECK_EQ(close_with(&log, -ENOENT, two, 3, &errors), THRUM_EGROUP);
    CHECK_EQ(log.told[0], -ENOENT);
    CHECK_EQ(log.told[1], THRUM_EGROUP);
    CHECK_EQ(log.told[2], THRUM_EGROUP);
    CHECK_EQ(thrum_error_count(errors), 3);
    check_leaf(errors, 0, -ENOENT, "the body");
    check_leaf(errors, 1, -EPERM, "exit 2");
    check_leaf(errors, 2, -EIO, "exit 0");
    thrum_error_free(errors);

    CHECK_EQ(close_with(&log, 0, two, 3, NULL), THRUM_EGROUP); /* for the task to say */
    errors = thrum_fail_take(THRUM_EGROUP);
    CHECK_EQ(thrum_error_count(errors), 2);
    thrum_error_free(errors);
    return 0;
}

TEST(several_failures_are_a_tree_with_the_body_s_first)
{
    run_everywhere(fail_together, NULL);
}

static int fail_often(void *arg)
{
    thrum_error *errors;
    struct log log;
    int says[EXITS];

    (void)arg;
    for (int i = 0; i < EXITS; i++)
        says[i] = -100 - i;
    CHECK_EQ(close_with(&log, -ENOENT, says, EXITS, &errors), THRUM_EGROUP);
    CHECK_EQ(thrum_error_count(errors), EXITS + 1);
    CHECK_EQ(thrum_error_code(thrum_error_child(errors, EXITS)), -100);
    thrum_error_free(errors);
    return 0;
}

TEST(twenty_failures)
{
    run_everywhere(fail_often, NULL);
}

static int swallow(void *arg)
{
    static const int all[] = {0, THRUM_SWALLOW, -EIO, 0};
    static const int then[] = {-EPERM, THRUM_SWALLOW, -EIO, 0};
    thrum_error *errors;
    struct log log;

    (void)arg;
    CHECK_EQ(close_with(&log, -ENOENT, all, 4, &errors), 0);
    CHECK(errors == NULL);
    CHECK_EQ(log.told[2], THRUM_EGROUP);
    CHECK_EQ(log.told[3], 0);
    CHECK_EQ(close_with(&log, THRUM_ECANCELED, all, 2, &errors), 0);
    CHECK_EQ(close_with(&log, -ENOENT, then, 4, &errors), -EPERM); /* what is new is not */
    CHECK(errors == NULL);
    check_said(-EPERM, "exit 0");
    return 0;
}

TEST(an_exit_may_swallow_what_was_before_it)
{
    run_everywhere(swallow, NULL);
}

/* ---- resources ------------------------------------------------------------------------------- */

struct resource {
    thrum_exit exit;
    struct resource **slot; /* the memory of the exit goes with it */
    int *held;
    int refuses; /* to be entered */
};

static int resource_enter(void *arg)
{
    struct resource *resource = arg;

    if (thrum_yield())
        return THRUM_ECANCELED;
    if (resource->refuses)
        return resource->refuses;
    ++*resource->held;
    return 3;
}

static int resource_exit(void *arg, int status)
{
    struct resource *resource = arg;

    (void)status;
    --*resource->held;
    *resource->slot = NULL;
    free(resource);
    return thrum_yield();
}

static const thrum_manager resources = {resource_enter, resource_exit};

static int acquire(thrum_exit_stack *stack, struct resource **slot, int *held, int refuses)
{
    struct resource *resource = malloc(sizeof *resource);
    int status;

    CHECK(resource != NULL);
    *resource = (struct resource){.slot = slot, .held = held, .refuses = refuses};
    *slot = resource;
    status = thrum_exit_stack_enter(stack, &resource->exit, &resources, resource);
    if (status < 0) {
        free(resource);
        *slot = NULL;
    }
    return status;
}

/* Get four things, or none; the n-th cannot be had. */
static int acquire_all(thrum_exit_stack *out, struct resource **slots, int *held, int n)
{
    thrum_exit_stack stack = THRUM_EXIT_STACK_INIT;
    int status = 0;

    for (int i = 0; i < 4 && status >= 0; i++)
        status = acquire(&stack, &slots[i], held, i == n ? -EBUSY : 0);
    if (status >= 0) {
        CHECK_EQ(status, 3);
        thrum_exit_stack_pop_all(&stack, out);
    }
    return thrum_exit_stack_close(&stack, status, NULL);
}

static int all_or_nothing(void *arg)
{
    (void)arg;
    for (int n = 0; n <= 4; n++) {
        thrum_exit_stack stack = THRUM_EXIT_STACK_INIT;
        struct resource *slots[4] = {NULL, NULL, NULL, NULL};
        int held = 0;
        int status = acquire_all(&stack, slots, &held, n);

        CHECK_EQ(status, n == 4 ? 3 : -EBUSY);
        CHECK_EQ(held, n == 4 ? 4 : 0);
        CHECK_EQ(thrum_exit_stack_close(&stack, 0, NULL), 0);
        CHECK_EQ(held, 0);
        for (int i = 0; i < 4; i++)
            CHECK(slots[i] == NULL);
    }
    return 0;
}

TEST(what_cannot_be_had_as_a_whole_is_given_back)
{
    run_everywhere(all_or_nothing, NULL);
}

static int moves(void *arg)
{
    thrum_exit_stack one = THRUM_EXIT_STACK_INIT, other;
    struct step steps[4];
    struct log log = {.n = 0};

    (void)arg;
    thrum_exit_stack_init(&other);
    for (int i = 0; i < 4; i++) {
        steps[i] = (struct step){.log = &log, .number = i};
        thrum_exit_stack_push(i < 2 ? &one : &other, &steps[i].exit, step_exit, &steps[i]);
    }
    thrum_exit_stack_pop_all(&other, &one);
    CHECK_EQ(thrum_exit_stack_close(&other, 0, NULL), 0);
    CHECK_EQ(log.n, 0);
    thrum_exit_stack_pop_all(&other, &one); /* nothing to move */
    CHECK_EQ(thrum_exit_stack_close(&one, 0, NULL), 0);
    CHECK_EQ(log.n, 4);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(log.number[i], 3 - i);
    return 0;
}

TEST(a_stack_may_be_handed_on)
{
    run_everywhere(moves, NULL);
}

struct pusher {
    thrum_exit_stack stack;
    struct step step;
    thrum_exit exit;
    thrum_exit again;
};

static int push_one_more(void *arg, int status)
{
    struct pusher *pusher = arg;

    thrum_exit_stack_push(&pusher->stack, &pusher->step.exit, step_exit, &pusher->step);
    thrum_exit_stack_defer(&pusher->stack, &pusher->again, step_defer, &pusher->step);
    return status;
}

static int pushes(void *arg)
{
    struct log log = {.n = 0};
    struct pusher pusher = {.stack = THRUM_EXIT_STACK_INIT, .step = {.log = &log, .number = 8}};

    (void)arg;
    thrum_exit_stack_push(&pusher.stack, &pusher.exit, push_one_more, &pusher);
    CHECK_EQ(thrum_exit_stack_close(&pusher.stack, -EIO, NULL), -EIO);
    CHECK_EQ(log.n, 2);
    CHECK_EQ(log.told[0], 4711); /* the plain one knows nothing, */
    CHECK_EQ(log.told[1], -EIO); /* and has swallowed nothing */
    return 0;
}

TEST(what_an_exit_pushes_is_done_next)
{
    run_everywhere(pushes, NULL);
}

/* ---- cancels --------------------------------------------------------------------------------- */

static int waits_long(void *arg, int status)
{
    for (int i = 0; i < 40; i++)
        CHECK_EQ(thrum_yield(), 0);
    CHECK_EQ(thrum_sleep(1000), 0);
    *(int *)arg = status;
    return 0;
}

static int cancels(void *arg, int status)
{
    thrum_scope_cancel((thrum_scope *)arg, 0, NULL);
    return status;
}

static int swallows(void *arg, int status)
{
    (void)arg;
    (void)status;
    return THRUM_SWALLOW;
}

/* Cancelled before close, told or not, or in an exit; in both styles; and swallowed. */
static int shielded(void *arg)
{
    enum { LEVEL = 1, TOLD = 2, INSIDE = 4, SWALLOWED = 8 };

    (void)arg;
    for (unsigned bits = 0; bits < 16; bits++) {
        thrum_exit_stack stack = THRUM_EXIT_STACK_INIT;
        bool told = bits & TOLD && !(bits & INSIDE);
        thrum_exit exits[3];
        thrum_scope scope;
        int saw = 1;
        int status = 0;

        CHECK_EQ(thrum_scope_begin(&scope, bits & LEVEL ? THRUM_LEVEL : 0), 0);
        if (bits & SWALLOWED)
            thrum_exit_stack_push(&stack, &exits[0], swallows, NULL);
        thrum_exit_stack_push(&stack, &exits[1], waits_long, &saw);
        if (bits & INSIDE)
            thrum_exit_stack_push(&stack, &exits[2], cancels, &scope);
        else
            thrum_scope_cancel(&scope, 0, NULL);
        if (told)
            status = thrum_yield();
        status = thrum_exit_stack_close(&stack, status, NULL);
        CHECK_EQ(saw, told ? THRUM_ECANCELED : 0);
        if (told && bits & SWALLOWED && !(bits & LEVEL))
            CHECK_EQ(status, 0);
        else
            CHECK_EQ(status, THRUM_ECANCELED);
        CHECK_EQ(thrum_scope_end(&scope, status), 0);
    }
    return 0;
}

TEST(exits_are_shielded_from_cancels_of_both_styles)
{
    run_everywhere(shielded, NULL);
}

static int gives_up(void *arg, int status)
{
    thrum_timeout timeout;
    int waited;

    (void)status;
    CHECK_EQ(thrum_timeout_begin(&timeout, 1000), 0);
    waited = thrum_timeout_end(&timeout, thrum_event_wait(arg));
    CHECK_EQ(waited, THRUM_ETIMEOUT);
    return waited;
}

static int has_grace(void *arg)
{
    thrum_exit_stack stack = THRUM_EXIT_STACK_INIT;
    thrum_event never = THRUM_EVENT_INIT;
    thrum_exit exit;

    (void)arg;
    thrum_exit_stack_push(&stack, &exit, gives_up, &never);
    CHECK_EQ(thrum_exit_stack_close(&stack, 0, NULL), THRUM_ETIMEOUT);
    thrum_event_destroy(&never);
    return 0;
}

TEST(an_exit_may_have_a_time_of_its_own)
{
    run_everywhere(has_grace, NULL);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static int allocates_nothing(void *arg)
{
    static const int says[] = {0, 0, 0, THRUM_SWALLOW, 0};
    struct log log;

    (void)arg;
    CHECK_EQ(close_with(&log, 0, says, 5, NULL), 0);
    no_allocation_begin();
    CHECK_EQ(close_with(&log, 0, says, 5, NULL), 0);
    CHECK_EQ(close_with(&log, THRUM_ECANCELED, says, 3, NULL), THRUM_ECANCELED);
    no_allocation_end();
    return 0;
}

TEST(without_failures_nothing_is_allocated)
{
    CHECK_EQ(run_with(1, allocates_nothing, NULL), 0);
}

static int loses_errors(void *arg)
{
    static const int says[] = {-EIO, 0, -EPERM};

    (void)arg;
    for (int n = 0; n < 12; n++) {
        thrum_error *errors;
        struct log log;

        thrum_memory_fail_after(n);
        CHECK_EQ(close_with(&log, -ENOENT, says, 3, &errors), THRUM_EGROUP);
        thrum_memory_fail_after(-1);
        CHECK_EQ(log.n, 3);
        thrum_error_free(errors);
    }
    return 0;
}

TEST(without_memory_for_errors_the_status_stays)
{
    CHECK_EQ(run_with(1, loses_errors, NULL), 0);
}

/* ---- blocks ---------------------------------------------------------------------------------- */

enum way { BY_END, BY_BREAK, BY_CONTINUE, BY_GOTO, BY_RETURN, WAYS };

struct session {
    int entered, left, told;
    int refuses, says;
};

static int session_enter(void *arg)
{
    struct session *session = arg;

    if (session->refuses)
        return session->refuses;
    session->entered++;
    return thrum_yield();
}

static int session_exit(void *arg, int status)
{
    struct session *session = arg;

    session->left++;
    session->told = status;
    CHECK_EQ(thrum_yield(), 0);
    return session->says;
}

static const thrum_manager sessions = {session_enter, session_exit};

static int leave(enum way way, struct session *session, struct log *log, int *status)
{
    struct step step = {.log = log, .number = 1};

    THRUM_WITH (&sessions, session, *status)
        THRUM_EXIT_STACK (stack, *status) {
            thrum_exit_stack_push(stack, &step.exit, step_exit, &step);
            CHECK_EQ(session->entered, 1);
            *status = -EIO;
            if (way == BY_BREAK)
                break;
            if (way == BY_CONTINUE)
                continue;
            if (way == BY_GOTO)
                goto out;
            if (way == BY_RETURN)
                return 1;
        }
out:
    CHECK_EQ(session->left, 1);
    return 0;
}

static int leaves_all_ways(void *arg)
{
    (void)arg;
    for (int way = BY_END; way < WAYS; way++) {
        struct session session = {.entered = 0};
        struct log log = {.n = 0};
        int status = 0;

        CHECK_EQ(leave((enum way)way, &session, &log, &status), way == BY_RETURN);
        CHECK_EQ(status, -EIO);
        CHECK_EQ(log.n, 1);
        CHECK_EQ(session.left, 1);
        CHECK_EQ(session.told, -EIO);
    }
    return 0;
}

TEST(blocks_with_exits_are_closed_on_every_way_out)
{
    run_everywhere(leaves_all_ways, NULL);
}

static int with_outcomes(void *arg)
{
    struct session refusing = {.refuses = -EACCES}, swallowing = {.says = THRUM_SWALLOW};
    struct session failing = {.says = -EPIPE};
    int entered = 0, status = 0;

    (void)arg;
    THRUM_WITH (&sessions, &refusing, status)
        entered++;
    CHECK_EQ(entered, 0);
    CHECK_EQ(status, -EACCES);
    CHECK_EQ(refusing.left, 0);
    status = 0;
    THRUM_WITH (&sessions, &swallowing, status)
        status = -EIO;
    CHECK_EQ(status, 0);
    THRUM_WITH (&sessions, &failing, status)
        status = 6;
    CHECK_EQ(failing.told, 6);
    CHECK_EQ(status, -EPIPE);
    CHECK_EQ(thrum_kind_of(6), THRUM_OK);
    CHECK_EQ(thrum_kind_of(-EPIPE), THRUM_FAILED);
    CHECK_EQ(thrum_kind_of(THRUM_ECANCELED), THRUM_CANCELLED);
    CHECK_EQ(thrum_kind_of(THRUM_ECLOSED), THRUM_CANCELLED);
    CHECK_EQ(thrum_kind_of(-ECANCELED), THRUM_FAILED);
    return 0;
}

TEST(managers_are_told_the_outcome_and_change_it)
{
    run_everywhere(with_outcomes, NULL);
}

/* An exit is no scope: a body may yield inside of it. */
static int yields_in_session(thrum_generator *generator, void *arg)
{
    int status = 0;

    THRUM_WITH (&sessions, arg, status)
        for (int i = 0; i < 5 && !status; i++)
            status = thrum_generator_yield(generator, &i);
    return status;
}

static int session_in_generator(void *arg)
{
    (void)arg;
    for (int n = 0; n <= 6; n++) {
        struct session session = {.entered = 0};
        thrum_generator generator;
        int value;

        CHECK_EQ(thrum_generator_open(&generator, yields_in_session, &session, sizeof value), 0);
        for (int i = 0; i < n; i++)
            CHECK_EQ(thrum_generator_next(&generator, &value), i < 5);
        CHECK_EQ(session.entered, n > 0);
        CHECK_EQ(thrum_generator_close(&generator, 0), 0);
        CHECK_EQ(session.left, n > 0);
        CHECK_EQ(session.told, n > 0 && n < 6 ? THRUM_ECLOSED : 0);
    }
    return 0;
}

TEST(a_manager_in_a_generator_s_body_is_left_when_that_is_closed)
{
    run_everywhere(session_in_generator, NULL);
}
