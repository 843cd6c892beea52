/*
 * ticket.c - tasks that threads outside have started: roots in memory of their own.
 *
 * A handle may be used when the task has ended and the runtime is gone. So who
 * cancels counts itself among the runs before it touches the runtime, under the
 * ticket's lock: the task takes itself out of the count after it has said, under the
 * same lock, that it has ended.
 *
 * Edges
 *   ticket.done       end -> wait           the outcome, and all that the task did
 *   ticket.reference  unref -> unref, end   all use before the memory is freed
 */
#include <thrum/ticket.h>

#include <errno.h>
#include <limits.h>

#include "runtime/plat/clock.h"
#include "runtime/plat/futex.h"
#include "runtime/sched/lent.h"
#include "runtime/task/cancel.h"
#include "runtime/task/lock.h"
#include "runtime/task/task.h"
#include "runtime/task/unhandled.h"

struct thrum_ticket {
    struct root root;    /* first */
    uint32_t references; /* atomic */
    uint32_t lock;
    bool ended;     /* lock: the runtime may be gone */
    bool cancelled; /* once done */
};

static struct thrum_ticket *ticket_of(struct root *root)
{
    return container_of(root, struct thrum_ticket, root);
}

thrum_ticket *thrum_ticket_ref(thrum_ticket *ticket)
{
    add_relaxed(&ticket->references, 1); /* relaxed: the caller has one already */
    return ticket;
}

void thrum_ticket_unref(thrum_ticket *ticket)
{
    if (!ticket || add_acq_rel(&ticket->references, (uint32_t)-1) != 1) /* EDGE ticket.reference */
        return;
    thrum_error_free(ticket->root.error);
    thrum_reason_free(&ticket->root.scope);
    thrum_lent_put(ticket);
}

/* On a worker; the last that the task does. */
static void end(struct root *root, bool cancelled)
{
    struct thrum_ticket *ticket = ticket_of(root);
    struct thrum_runtime *runtime = root->runtime;

    thrum_root_leave(root);
    lock_enter(&ticket->lock);
    ticket->ended = true;
    lock_leave(&ticket->lock);
    ticket->cancelled = cancelled;
    if (load_acquire(&ticket->references) == 1 && root->error) { /* EDGE ticket.reference */
        thrum_unhandled(runtime, root->error);                   /* nobody else can look at it */
        root->error = NULL;
    }
    store_release(&root->done, 1); /* EDGE ticket.done */
    thrum_futex_wake(&root->done, INT_MAX);
    thrum_ticket_unref(ticket);
    thrum_runs_leave(runtime);
}

static int submit(thrum_runtime *runtime, thrum_fn fn, void *arg, uint32_t references,
                  thrum_ticket **out)
{
    struct thrum_ticket *ticket;
    int err;

    if (!thrum_scheduler_is_here(&runtime->scheduler))
        return THRUM_ESTATE;
    ticket = thrum_lent_get(sizeof *ticket, CACHE_LINE);
    if (!ticket)
        return -ENOMEM;
    thrum_root_init(&ticket->root, runtime, fn, arg);
    ticket->root.ended = end;
    store_relaxed(&ticket->references, references); /* relaxed: nobody knows it yet */
    *out = ticket;                                  /* before it runs: fn may look */
    err = thrum_root_begin(&ticket->root);
    if (err) {
        *out = NULL;
        thrum_lent_put(ticket);
    }
    return err;
}

int thrum_submit(thrum_runtime *runtime, thrum_fn fn, void *arg, thrum_ticket **out)
{
    return submit(runtime, fn, arg, 2, out);
}

int thrum_post(thrum_runtime *runtime, thrum_fn fn, void *arg)
{
    thrum_ticket *ticket;

    return submit(runtime, fn, arg, 1, &ticket);
}

bool thrum_ticket_ended(const thrum_ticket *ticket, thrum_outcome *outcome)
{
    const struct root *root = &ticket->root;

    if (!load_acquire(&root->done)) /* EDGE ticket.done */
        return false;
    if (outcome)
        *outcome = (thrum_outcome){.kind = ticket->cancelled  ? THRUM_CANCELLED
                                           : root->status < 0 ? THRUM_FAILED
                                                              : THRUM_OK,
                                   .status = root->status,
                                   .error = root->error ? thrum_error_ref(root->error) : NULL};
    return true;
}

int thrum_ticket_wait(thrum_ticket *ticket, int64_t patience, thrum_outcome *outcome)
{
    int64_t begin = thrum_clock_now();

    if (thrum_worker_self())
        return THRUM_ENESTED;
    if (patience < 0)
        return -EINVAL;
    while (!thrum_ticket_ended(ticket, outcome)) {
        int64_t spent = thrum_clock_now() - begin;

        if (spent >= patience)
            return THRUM_ETIMEOUT;
        thrum_futex_wait(&ticket->root.done, 0, patience == INT64_MAX ? -1 : patience - spent);
    }
    return 0;
}

bool thrum_ticket_cancel_at(thrum_ticket *ticket, int code, const char *text, const char *file,
                            int line)
{
    struct thrum_runtime *runtime = ticket->root.runtime;
    bool ended;

    lock_enter(&ticket->lock);
    ended = ticket->ended;
    if (!ended)
        thrum_runs_enter(runtime);
    lock_leave(&ticket->lock);
    if (ended)
        return false;
    thrum_cancel_mark(&ticket->root.scope, code, text, file, line);
    thrum_roots_spread(runtime);
    thrum_runs_leave(runtime);
    return true;
}
