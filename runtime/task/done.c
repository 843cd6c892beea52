/*
 * done.c - functions that are called when a task has ended.
 *
 * They stand in a list of the task, in the order in which they came, under the
 * lock of those who wait for it. Who ends the task takes one after the other
 * out of it and calls each without the lock. Once it has been taken out its
 * memory is the caller's again, but for one thing: who takes back a function
 * that is being called waits until it has returned. `called` says which it is,
 * and `calling` is what he sleeps on; both are the task's own.
 */
#include "runtime/plat/futex.h"
#include "runtime/task/task.h"

#include <limits.h>

enum { LOOKED_AT = 8 /* nodes, for one that comes twice: there may be many under the lock */ };

static void link_last(struct thrum_task *task, thrum_done *done)
{
    done->prev = task->done_last;
    done->next = NULL;
    if (task->done_last)
        task->done_last->next = done;
    else
        task->done_first = done;
    task->done_last = done;
    done->linked = true;
}

static void unlink(struct thrum_task *task, thrum_done *done)
{
    if (done->prev)
        done->prev->next = done->next;
    else
        task->done_first = done->next;
    if (done->next)
        done->next->prev = done->prev;
    else
        task->done_last = done->prev;
    done->linked = false;
}

/* Is it in the list already? Its own fields say nothing, for it may never have been set. */
static bool among_the_last(const struct thrum_task *task, const thrum_done *done)
{
    const thrum_done *one = task->done_last;

    for (int i = 0; i < LOOKED_AT && one; i++, one = one->prev)
        if (one == done)
            return true;
    return false;
}

/*
 * Outside of any task, so that whatever would suspend stops the process (check_task_runs);
 * without a limit of the stack to open a group takes its slow path, which looks.
 */
static void call(struct thrum_task *task, thrum_done_fn fn, void *arg)
{
    struct thrum_lane *lane = thrum_lane_self();
    const void *current = lane->current;
    uintptr_t limit = lane->stack_limit;

    if (!thrum_worker_self()) {
        fn(task, arg);
        return;
    }
    lane->current = NULL;
    lane->stack_limit = 0;
    fn(task, arg);
    if (lane->stack_limit == 0) /* nobody wants the owner's attention */
        lane->stack_limit = limit;
    lane->current = current;
}

/* The next to be called: a copy, for its memory is the caller's again. False: that was all. */
static bool take(struct thrum_task *task, thrum_done *copy)
{
    thrum_done *done;
    bool awaited;

    waiters_lock(&task->waiters);
    done = task->done_first;
    if (done) {
        unlink(task, done);
        *copy = *done;
    }
    task->called = done;
    task->caller = thrum_lane_self();
    store_relaxed(&task->calling, load_relaxed(&task->calling) + 1); /* relaxed: the lock */
    awaited = task->awaited;
    task->awaited = false;
    waiters_unlock(&task->waiters);
    if (awaited)
        thrum_futex_wake(&task->calling, INT_MAX);
    return done != NULL;
}

void thrum_task_call_done(struct thrum_task *task)
{
    thrum_done done;

    while (take(task, &done)) {
        call(task, done.fn, done.arg);
        thrum_task_unref(task); /* the function's reference; the caller has one too */
    }
}

void thrum_task_on_end(thrum_task *task, thrum_done *done, thrum_done_fn fn, void *arg)
{
    bool ended;

    done->fn = fn;
    done->arg = arg;
    done->linked = false;
    waiters_lock(&task->waiters);
    ended = thrum_task_over(task, NULL);
    if (!ended) {
        if (UNLIKELY(among_the_last(task, done)))
            thrum_panic("thrum_task_on_end was given a thrum_done that is in use already; take it "
                        "back by thrum_task_off_end first, or have another one");
        link_last(task, done);
        thrum_task_ref(task);
    }
    waiters_unlock(&task->waiters);
    if (ended)
        call(task, fn, arg);
}

bool thrum_task_off_end(thrum_task *task, thrum_done *done)
{
    bool linked;

    waiters_lock(&task->waiters);
    while (task->called == done && task->caller != thrum_lane_self()) {
        uint32_t calling = load_relaxed(&task->calling); /* relaxed: the lock */

        task->awaited = true;
        waiters_unlock(&task->waiters);
        thrum_futex_wait(&task->calling, calling, -1);
        waiters_lock(&task->waiters);
    }
    linked = done->linked;
    if (linked)
        unlink(task, done);
    waiters_unlock(&task->waiters);
    if (linked)
        thrum_task_unref(task);
    return linked;
}
