/*
 * start.c - spawning a task and waiting until it has started.
 *
 * Who waits has a `struct starting` on his stack, and stays until the task has
 * said that it has started, or has ended: a cancel is passed on to the task
 * meanwhile. The task knows of it until then, and forgets it first.
 */
#include <errno.h>

#include "runtime/task/task.h"

struct starting {
    struct waiters waiters;    /* state: START_* */
    void *value;               /* lock: what the task has said */
    int status;                /* lock: how it ended instead, */
    struct thrum_error *error; /* lock: and why, or NULL */
};

enum { START_WAITED_FOR = 0, START_DONE = 1, START_FAILED = 2 };

static bool over(struct waiters *list, struct waiter *self)
{
    (void)self;
    return load_relaxed(&list->state) != START_WAITED_FOR; /* relaxed: the lock */
}

static const struct waiters_kind kind = {.again = over, .wait = {.what = "start of a task"}};

static int wait_for_start(void *arg)
{
    struct starting *starting = arg;
    struct waiters *list = &starting->waiters;
    struct waiter self;
    bool done;
    int status;

    waiters_lock(list);
    done = over(list, NULL);
    waiters_unlock(list);
    if (done)
        return 0;
    status = thrum_waiter_begin(&self);
    if (status == -ENOMEM) /* the task knows of us, we cannot leave */
        thrum_wait_begin_deaf(&self.wait);
    else if (status)
        return status;
    return thrum_waiter_stay(&list->lock, list, &self, &kind);
}

/* The starter may be gone after: the task knows it no more. */
static void tell(struct thrum_task *task, uint32_t state, const struct starting *news)
{
    struct starting *starting = task->starting;
    struct woken woken = {NULL, NULL, 0};

    task->starting = NULL;
    waiters_lock(&starting->waiters);
    starting->value = news->value;
    starting->status = news->status;
    starting->error = news->error;
    store_relaxed(&starting->waiters.state, state); /* relaxed: the lock */
    (void)thrum_waiters_claim(&starting->waiters, &woken);
    waiters_unlock(&starting->waiters);
    thrum_woken_ready(&woken);
}

void thrum_start_failed(struct thrum_task *task, struct ending ending, struct thrum_error *error)
{
    struct starting news = {.status = ending.status < 0 ? ending.status : THRUM_ESTATE,
                            .error = error};

    tell(task, START_FAILED, &news);
}

int thrum_started(void *value)
{
    struct thrum_task *task = thrum_worker_self() ? thrum_task_self() : NULL;

    if (!task || !task_is_starting(task))
        return THRUM_ESTATE;
    tell(task, START_DONE, &(struct starting){.value = value});
    return 0;
}

/* 0, or how the task ended, of which the caller then speaks. */
static int result_of(const struct starting *starting, int cancelled, void **value)
{
    if (load_relaxed(&starting->waiters.state) == START_DONE) { /* relaxed: nobody else is left */
        if (value && !cancelled)
            *value = starting->value;
        return cancelled;
    }
    if (starting->error)
        thrum_task_detail(starting->error);
    return cancelled ? cancelled : starting->status;
}

int thrum_group_start_at(thrum_group *group, thrum_fn fn, void *arg,
                         const thrum_task_options *options, void **value,
                         const struct thrum_site *site)
{
    struct starting starting = {.waiters = {.first = NULL}};
    thrum_task *task;
    int status = thrum_task_spawn(group, &(struct spawn){.fn = fn, .arg = arg, .options = options,
                                                         .site = site, .starting = &starting},
                                  &task);

    if (status)
        return status;
    status = thrum_task_wait(task, wait_for_start, &starting);
    waiters_lock(&starting.waiters); /* who told us may still hold it, if we did not sleep yet */
    waiters_unlock(&starting.waiters);
    thrum_task_unref(task);
    return result_of(&starting, status, value);
}
