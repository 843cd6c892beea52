/* wait.c - until some of several tasks have ended: as they end, with a timeout around. */
#include <errno.h>

#include <thrum/completed.h>
#include <thrum/fault.h>

#define FEW 8 /* tasks that need no memory but the stack's */

static bool has_failed(const thrum_task *task)
{
    thrum_outcome outcome = {THRUM_OK, 0, NULL};

    (void)thrum_task_outcome(task, &outcome);
    thrum_error_free(outcome.error);
    return outcome.kind == THRUM_FAILED;
}

static int wait_until(thrum_completed *all, unsigned when)
{
    thrum_task *task;
    int status;

    while ((status = thrum_completed_next(all, &task)) == 0)
        if (when == THRUM_FIRST_COMPLETED || (when == THRUM_FIRST_EXCEPTION && has_failed(task)))
            break;
    return status == -ENOENT ? 0 : status;
}

static int wait_with(thrum_completion *nodes, thrum_task *const *tasks, size_t n, unsigned when,
                     int64_t duration)
{
    thrum_completed all;
    thrum_timeout timeout;
    int status = thrum_timeout_begin(&timeout, duration);

    if (status)
        return status;
    thrum_completed_begin(&all, nodes, tasks, n);
    status = wait_until(&all, when);
    thrum_completed_end(&all);
    status = thrum_timeout_end(&timeout, status);
    return status == THRUM_ETIMEOUT ? 0 : status;
}

static size_t count_ended(thrum_task *const *tasks, size_t n)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++)
        count += thrum_task_ended(tasks[i], NULL);
    return count;
}

/* Would it be waited for ever? One that cannot end stands among those that must. */
static bool is_hopeless(thrum_task *const *tasks, size_t n, unsigned when)
{
    size_t hopeless = 0;

    for (size_t i = 0; i < n; i++)
        hopeless += thrum_task_needs_me(tasks[i]);
    return when == THRUM_ALL_COMPLETED ? hopeless != 0 : hopeless == n;
}

int thrum_wait(thrum_task *const *tasks, size_t n, unsigned when, int64_t duration, size_t *n_done)
{
    thrum_completion few[FEW];
    thrum_completion *nodes = few;
    int status;

    if (n == 0 || n > SIZE_MAX / sizeof *nodes || when < THRUM_FIRST_COMPLETED ||
        when > THRUM_ALL_COMPLETED || duration < 0)
        return -EINVAL;
    if (is_hopeless(tasks, n, when))
        return -EDEADLK;
    if (n > FEW)
        nodes = (thrum_completion *)thrum_malloc(n * sizeof *nodes);
    if (!nodes)
        return -ENOMEM;
    status = wait_with(nodes, tasks, n, when, duration);
    if (nodes != few)
        thrum_free(nodes);
    if (status == 0 && n_done)
        *n_done = count_ended(tasks, n);
    return status;
}
