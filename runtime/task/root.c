/*
 * root.c - what a runtime was asked to run: from the thread that asks and
 * waits, to the end of the task.
 *
 * Each root has a scope of its own inside the runtime's, so that what is under
 * way can be cancelled, and what is started later is not.
 *
 * Edges
 *   run.done   thrum_root_end -> thrum_runtime_run   the root's status, and all that its tasks did
 */
#include "runtime/plat/futex.h"
#include "runtime/task/cancel.h"
#include "runtime/task/scope.h"
#include "runtime/task/sigint.h"
#include "runtime/task/task.h"
#include "runtime/task/unhandled.h"

static void enter(struct root *root)
{
    struct thrum_runtime *runtime = root->runtime;

    pthread_mutex_lock(&runtime->roots_lock);
    root->since = thrum_scheduler_moment(&runtime->scheduler);
    root->next = runtime->roots;
    runtime->roots = root;
    pthread_mutex_unlock(&runtime->roots_lock);
}

static void leave(struct root *root)
{
    struct thrum_runtime *runtime = root->runtime;
    struct root **at = &runtime->roots;

    pthread_mutex_lock(&runtime->roots_lock);
    while (*at != root)
        at = &(*at)->next;
    *at = root->next;
    pthread_mutex_unlock(&runtime->roots_lock);
    thrum_reason_free(&root->scope);
}

/* From the entry to the start nobody may find that it does nothing. */
static int start(struct root *root)
{
    struct scheduler *scheduler = &root->runtime->scheduler;
    int err;

    thrum_scheduler_hold(scheduler);
    enter(root);
    err = thrum_scheduler_start(scheduler, &root->child);
    if (err)
        leave(root);
    thrum_scheduler_release(scheduler);
    return err;
}

static int begin(struct root *root)
{
    struct thrum_runtime *runtime = root->runtime;
    int err;

    pthread_mutex_lock(&runtime->control);
    err = runtime->closing ? THRUM_ESHUTDOWN : 0;
    if (!err && runtime->runs == 0)
        thrum_sigint_watch(runtime);
    if (!err)
        err = start(root);
    runtime->runs += err == 0;
    if (runtime->runs == 0)
        thrum_sigint_rest(runtime);
    pthread_mutex_unlock(&runtime->control);
    return err;
}

/* The last that this thread does with the runtime, which may be closed then. */
static void end(struct thrum_runtime *runtime)
{
    pthread_mutex_lock(&runtime->control);
    if (--runtime->runs == 0)
        thrum_sigint_rest(runtime);
    add_relaxed(&runtime->left, 1); /* relaxed: the lock */
    thrum_futex_wake(&runtime->left, 1);
    pthread_mutex_unlock(&runtime->control);
}

void thrum_root_end(struct root *root, struct ending ending)
{
    /* relaxed: who cancelled it set it before */
    bool deadlocked = ending.cancelled && load_relaxed(&root->deadlocked);

    root->status = deadlocked ? THRUM_EDEADLOCK : ending.status;
    if (deadlocked)
        root->error = thrum_error_new(THRUM_EDEADLOCK, NULL);
    else if (ending.status < 0 && !ending.cancelled)
        root->error = thrum_error_leaf(ending.status, "", NULL, 0, ending.detail);
    thrum_scheduler_ended(&root->runtime->scheduler);
    store_release(&root->done, 1); /* EDGE run.done; *root may be gone: the address is all we need */
    thrum_futex_wake(&root->done, 1);
}

/* A status alone does not say which tasks of a group have failed. */
static void hand_out(struct root *root, thrum_error **errors)
{
    if (errors)
        *errors = root->error;
    else if (thrum_error_count(root->error) != 0)
        thrum_unhandled(root->runtime, root->error);
    else
        thrum_error_free(root->error);
}

int thrum_runtime_run(thrum_runtime *runtime, thrum_fn fn, void *arg, thrum_error **errors)
{
    struct root root = {.runtime = runtime,
                        .scope = {.owner = word_of(runtime),
                                  .outer = word_of(&runtime->scope),
                                  .fiber = &runtime->place.fiber,
                                  .flags = SCOPE_ROOT}};
    int err;

    if (errors)
        *errors = NULL;
    if (thrum_worker_self())
        return THRUM_ENESTED;
    if (!thrum_scheduler_is_here(&runtime->scheduler))
        return THRUM_ESTATE;
    root.child = (struct thrum_child){fn, arg, word_of(&root.scope) | KIND_ROOT};
    err = begin(&root);
    if (err)
        return err;
    while (load_acquire(&root.done) == 0) /* EDGE run.done */
        thrum_futex_wait(&root.done, 0, -1);
    leave(&root);
    hand_out(&root, errors);
    end(runtime);
    return root.status;
}

/* Lock held. Is it under way, since then? */
static bool concerns(const struct root *root, uint64_t moment)
{
    return root->since <= moment && !load_acquire(&root->done); /* EDGE run.done */
}

void thrum_roots_cancel(struct thrum_runtime *runtime, uint64_t moment, int code, const char *text)
{
    struct cancel_target target = {.strand = &runtime->place.strand,
                                   .depth = thrum_scope_depth(&runtime->scope) + 1};

    pthread_mutex_lock(&runtime->roots_lock);
    for (struct root *root = runtime->roots; root; root = root->next) {
        if (!concerns(root, moment))
            continue;
        if (code == THRUM_EDEADLOCK && exchange_relaxed(&root->deadlocked, 1)) /* relaxed: the */
            continue;                                                          /* mark brings it */
        thrum_cancel_mark(&root->scope, code, text, NULL, 0);
    }
    pthread_mutex_unlock(&runtime->roots_lock);
    thrum_cancel_spread(&target);
}

bool thrum_roots_stuck(struct thrum_runtime *runtime, uint64_t moment)
{
    bool found = false;

    pthread_mutex_lock(&runtime->roots_lock);
    for (struct root *root = runtime->roots; root; root = root->next)
        found |= concerns(root, moment) && !load_relaxed(&root->deadlocked); /* relaxed: likewise */
    pthread_mutex_unlock(&runtime->roots_lock);
    return found;
}
