/*
 * once.c - something that is done once.
 *
 *   NEW --run--> RUNNING --succeeded--> DONE
 *     \<--failed, nobody waits--/
 *
 * Who fails hands RUNNING over to who has waited longest.
 *
 * Edges
 *   once.done   run -> run   what was done, or tried
 */
#include <thrum/detail/point.h>

#include <thrum/once.h>

#include <errno.h>

#include "runtime/base/point.h"
#include "runtime/sched/worker.h"
#include "runtime/task/waiters.h"

enum once_state { ONCE_NEW = 0, ONCE_RUNNING = 1, ONCE_DONE = 2 };

_Static_assert(offsetof(thrum_once, owner) == sizeof(struct waiters),
               "it begins like a list of waiters");
_Static_assert(sizeof(thrum_once) == 32, "the size that the header promises");

static struct waiters *list_of(const thrum_once *once)
{
    return (struct waiters *)(uintptr_t)once;
}

static bool is_done(const thrum_once *once)
{
    return load_acquire(&once->state) == ONCE_DONE; /* EDGE once.done */
}

bool thrum_once_done(const thrum_once *once)
{
    thrum_point_at(THRUM_POINT_READ, once);
    return is_done(once);
}

/* Lock held. Is there nothing to wait for? The stamp: the state in which the waiter goes on. */
static bool again(struct waiters *list, struct waiter *self)
{
    uint32_t state = load_relaxed(&list->state); /* relaxed: under the lock */

    if (state == ONCE_NEW)
        store_release(&list->state, ONCE_RUNNING); /* EDGE once.done */
    self->stamp = state == ONCE_DONE ? ONCE_DONE : ONCE_RUNNING;
    return state != ONCE_RUNNING;
}

static const struct waiters_kind kind = {.again = again, .wait = {.what = "once"}};

static void tell(struct waiter *waiter, void *arg)
{
    (void)arg;
    waiter->stamp = ONCE_DONE;
}

static void succeed(thrum_once *once)
{
    struct waiters *list = list_of(once);

    waiters_lock(list);
    store_relaxed(&once->owner, 0);         /* relaxed: only its owner finds itself */
    store_release(&list->state, ONCE_DONE); /* EDGE once.done */
    thrum_waiters_wake_all(&list->lock, list, tell, NULL);
}

/* Whoever has waited longest tries next. */
static void give_up(thrum_once *once)
{
    struct waiters *list = list_of(once);
    struct woken woken = {NULL, NULL, 0};

    waiters_lock(list);
    store_relaxed(&once->owner, 0); /* relaxed: only its owner finds itself */
    while (list->first && woken.n == 0) {
        list->first->stamp = ONCE_RUNNING;
        thrum_waiters_claim_first(list, &woken);
    }
    if (woken.n == 0)
        store_release(&list->state, ONCE_NEW); /* EDGE once.done */
    waiters_unlock(list);
    POINT("once.ready");
    thrum_woken_ready(&woken);
}

int thrum_once_run(thrum_once *once, thrum_fn fn, void *arg)
{
    struct waiter self;
    int status;

    thrum_point_at(THRUM_POINT_ACQUIRE, once);
    if (!task_calls())
        thrum_panic("thrum_once_run was called outside a task");
    if (LIKELY(is_done(once))) {
        thrum_spend();
        return 0;
    }
    if (load_relaxed(&once->owner) == task_here()) /* relaxed: only its owner finds itself */
        return -EDEADLK;
    status = thrum_waiter_wait(list_of(once), &self, &kind); /* self.stamp: done, or ours to do */
    if (status || self.stamp == ONCE_DONE)
        return status;
    store_relaxed(&once->owner, task_here()); /* relaxed: only its owner finds itself */
    status = fn(arg);
    if (status < 0)
        give_up(once);
    else
        succeed(once);
    return status < 0 ? status : 0;
}
