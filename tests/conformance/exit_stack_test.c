/* exit_stack_test.c - the rules of exit stacks and managers: see README.md. */
#include "tests/conformance/conform.h"

#include <thrum/macros.h>

enum { FILES = 4 };

struct file {
    thrum_exit exit;
    int *opened;
    int *closed;
    int told;
};

static int file_open(void *arg)
{
    struct file *file = arg;
    int status = thrum_yield();

    if (!status)
        ++*file->opened;
    return status;
}

static int file_close(void *arg, int status)
{
    struct file *file = arg;

    SPAN;
    CHECK_EQ(thrum_yield(), 0); /* shielded */
    file->told = status;
    ++*file->closed;
    return 0;
}

static const thrum_manager files_manager = {file_open, file_close};

/* AsyncExitStack: whatever happens, what was opened is closed, in reverse order. */
RULE(all_that_was_entered_is_left)
{
    thrum_exit_stack stack = THRUM_EXIT_STACK_INIT;
    struct file files[FILES];
    int opened = 0, closed = 0;
    int status = 0;

    SPAN;
    for (int i = 0; i < FILES && !status; i++) {
        files[i] = (struct file){.opened = &opened, .closed = &closed, .told = 1};
        status = thrum_exit_stack_enter(&stack, &files[i].exit, &files_manager, &files[i]);
    }
    if (!status)
        status = thrum_yield();
    EXPECT_EQ(opened, FILES);
    status = thrum_exit_stack_close(&stack, status, NULL);
    EXPECT_EQ(status, 0);
    CHECK_EQ(closed, opened);
}

/* A task of its own for an exit, as for any cleanup. */
static int flush(void *arg)
{
    SPAN;
    CHECK_EQ(thrum_yield(), 0);
    ++*(int *)arg;
    return 0;
}

static int flush_with_a_task(void *arg, int status)
{
    thrum_group group;

    (void)status;
    SPAN;
    open_group(&group);
    CHECK_EQ(spawn_forgotten(&group, flush, arg), 0);
    return close_group(&group, 0);
}

RULE(exits_run_tasks_and_are_not_disturbed)
{
    thrum_exit_stack stack = THRUM_EXIT_STACK_INIT;
    thrum_exit exits[3];
    int flushed = 0;
    int status;

    SPAN;
    for (int i = 0; i < 3; i++)
        thrum_exit_stack_push(&stack, &exits[i], flush_with_a_task, &flushed);
    status = thrum_yield();
    status = thrum_exit_stack_close(&stack, status, NULL);
    EXPECT_EQ(status, 0);
    CHECK_EQ(flushed, 3);
}

static int use(struct file *file)
{
    int status = 0;

    THRUM_WITH (&files_manager, file, status) {
        status = thrum_yield();
        if (!status)
            status = thrum_yield();
    }
    return status;
}

/* `async with`: the exit knows whether the body failed, was cancelled or went well. */
RULE(a_manager_is_told_how_it_went)
{
    int opened = 0, closed = 0;
    struct file file = {.opened = &opened, .closed = &closed, .told = 1};
    int status;

    SPAN;
    status = use(&file);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(file.told, 0);
    CHECK_EQ(closed, opened);
    CHECK(opened == 0 || file.told == status || (file.told == 0 && status == THRUM_ECANCELED));
}

struct cancelled {
    struct file file;
    thrum_event inside;
};

static int use_for_ever(void *arg)
{
    struct cancelled *cancelled = arg;
    int status = 0;

    SPAN;
    THRUM_WITH (&files_manager, &cancelled->file, status) {
        raise_flag(&cancelled->inside);
        status = rest();
    }
    return status;
}

RULE(a_cancel_is_an_outcome_of_its_own)
{
    int opened = 0, closed = 0;
    struct cancelled cancelled = {{.opened = &opened, .closed = &closed, .told = 1},
                                  THRUM_EVENT_INIT};
    struct finish end;
    thrum_group group;
    thrum_task *task;

    SPAN;
    open_group(&group);
    task = spawn(&group, use_for_ever, &cancelled);
    AWAIT(&cancelled.inside);
    if (task)
        (void)thrum_task_cancel(task, 0, NULL);
    end = finish(task);
    EXPECT_EQ(end.kind, THRUM_CANCELLED);
    EXPECT_EQ(cancelled.file.told, THRUM_ECANCELED);
    EXPECT_EQ(close_group(&group, 0), 0);
    CHECK_EQ(closed, opened);
    thrum_event_destroy(&cancelled.inside);
}
