/*
 * root.c - what a runtime was asked to run: from the thread that asks and
 * waits, to the end of the task.
 *
 * Each root has a scope of its own inside the runtime's, so that what is under
 * way can be cancelled, and what is started later is not.
 *
 * Edges
 *   run.done   thrum_root_end -> thrum_runtime_run     the root's status, and all that its tasks did
 *   run.left   thrum_runs_leave -> thrum_runtime_close   who kept the runtime is done with it
 */
#include "runtime/plat/futex.h"
#include "runtime/plat/overflow.h"
#include "runtime/task/cancel.h"
#include "runtime/task/scope.h"
#include "runtime/task/sigint.h"
#include "runtime/task/task.h"
#include "runtime/task/unhandled.h"
#include "runtime/world/sim.h"

static void enter(struct root *root)
{
    struct thrum_runtime *runtime = root->runtime;

    pthread_mutex_lock(&runtime->roots_lock);
    root->since = thrum_scheduler_moment(&runtime->scheduler);
    root->prev = NULL;
    root->next = runtime->roots;
    if (root->next)
        root->next->prev = root;
    runtime->roots = root;
    pthread_mutex_unlock(&runtime->roots_lock);
}

void thrum_root_leave(struct root *root)
{
    struct thrum_runtime *runtime = root->runtime;

    pthread_mutex_lock(&runtime->roots_lock);
    if (root->prev)
        root->prev->next = root->next;
    else
        runtime->roots = root->next;
    if (root->next)
        root->next->prev = root->prev;
    pthread_mutex_unlock(&runtime->roots_lock);
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
        thrum_root_leave(root);
    thrum_scheduler_release(scheduler);
    return err;
}

static uint32_t runs_of(const struct thrum_runtime *runtime)
{
    return load_relaxed(&runtime->runs) & ~RUNS_CLOSED; /* relaxed: the first comes, and the last */
}                                                       /* goes, under the lock, if it matters */

int thrum_root_begin(struct root *root)
{
    struct thrum_runtime *runtime = root->runtime;
    int err = 0;

    pthread_mutex_lock(&runtime->control);
    if (load_relaxed(&runtime->runs) & RUNS_CLOSED) /* relaxed: the lock */
        err = THRUM_ESHUTDOWN;
    if (!err && runs_of(runtime) == 0)
        thrum_sigint_watch(runtime);
    thrum_runs_enter(runtime); /* before it starts: it may end at once */
    if (!err)
        err = start(root);
    pthread_mutex_unlock(&runtime->control);
    if (err)
        thrum_runs_leave(runtime);
    return err;
}

void thrum_runs_enter(struct thrum_runtime *runtime)
{
    add_relaxed(&runtime->runs, 1); /* relaxed: a counter */
}

static void leave_runs(struct thrum_runtime *runtime)
{
    uint32_t *runs = &runtime->runs;

    if (add_acq_rel(runs, (uint32_t)-1) == RUNS_CLOSED + 1) /* EDGE run.left; it may be gone: */
        thrum_futex_wake(runs, 1);                          /* the address is all we need */
}

/* Without SIGINT no lock is taken: it may be a worker that leaves. */
void thrum_runs_leave(struct thrum_runtime *runtime)
{
    if (!(runtime->options.flags & THRUM_HANDLE_SIGINT)) {
        leave_runs(runtime);
        return;
    }
    pthread_mutex_lock(&runtime->control);
    if (runs_of(runtime) == 1)
        thrum_sigint_rest(runtime);
    leave_runs(runtime);
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
    if (root->ended) {
        root->ended(root, ending.cancelled && !deadlocked);
        return;
    }
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

void thrum_root_init(struct root *root, struct thrum_runtime *runtime, thrum_fn fn, void *arg)
{
    *root = (struct root){.child = {fn, arg, word_of(&root->scope) | KIND_ROOT},
                          .scope = {.owner = word_of(runtime),
                                    .outer = word_of(&runtime->scope),
                                    .fiber = &runtime->place.fiber,
                                    .flags = SCOPE_ROOT},
                          .runtime = runtime};
}

static void drive(struct thrum_runtime *runtime, const uint32_t *done)
{
    uint64_t before = runtime->sim->descriptors.outside;

    thrum_scheduler_drive(&runtime->scheduler, done);
    if (runtime->sim->descriptors.outside != before)
        thrum_runtime_say(runtime, "thrum: this simulated run has waited in real time for "
                                   "descriptors, because there was a hold; it may not happen "
                                   "again as it did");
}

static void wait_for(struct root *root)
{
    struct thrum_runtime *runtime = root->runtime;

    if (runtime->sim)
        drive(runtime, &root->done);
    while (load_acquire(&root->done) == 0) /* EDGE run.done */
        thrum_futex_wait(&root->done, 0, -1);
}

int thrum_root_run(thrum_runtime *runtime, thrum_fn fn, void *arg, thrum_error **errors)
{
    struct root root;
    int err;

    if (errors)
        *errors = NULL;
    thrum_root_init(&root, runtime, fn, arg);
    if (runtime->sim)
        pthread_mutex_lock(&runtime->driving);
    err = thrum_root_begin(&root);
    if (!err)
        wait_for(&root);
    if (runtime->sim)
        pthread_mutex_unlock(&runtime->driving);
    if (err)
        return err;
    thrum_root_leave(&root);
    thrum_reason_free(&root.scope);
    hand_out(&root, errors);
    thrum_runs_leave(runtime);
    return root.status;
}

int thrum_runtime_run(thrum_runtime *runtime, thrum_fn fn, void *arg, thrum_error **errors)
{
    bool simulated;
    int status;

    if (errors)
        *errors = NULL;
    if (thrum_worker_self())
        return THRUM_ENESTED;
    if (!thrum_scheduler_is_here(&runtime->scheduler) || runtime_is_guest(runtime))
        return THRUM_ESTATE;
    simulated = runtime->sim != NULL;
    if (simulated)
        thrum_overflow_thread_init();
    status = thrum_root_run(runtime, fn, arg, errors); /* the runtime may be gone */
    if (simulated)
        thrum_overflow_thread_fini();
    return status;
}

/* Lock held. Is it under way, since then? */
static bool concerns(const struct root *root, uint64_t moment)
{
    return root->since <= moment && !load_acquire(&root->done); /* EDGE run.done */
}

void thrum_roots_spread(struct thrum_runtime *runtime)
{
    struct cancel_target target = {.strand = &runtime->place.strand,
                                   .depth = thrum_scope_depth(&runtime->scope) + 1};

    thrum_cancel_spread(&target);
}

void thrum_roots_cancel(struct thrum_runtime *runtime, uint64_t moment, int code, const char *text)
{
    pthread_mutex_lock(&runtime->roots_lock);
    for (struct root *root = runtime->roots; root; root = root->next) {
        if (!concerns(root, moment))
            continue;
        if (code == THRUM_EDEADLOCK && exchange_relaxed(&root->deadlocked, 1)) /* relaxed: the */
            continue;                                                          /* mark brings it */
        thrum_cancel_mark(&root->scope, code, text, NULL, 0);
    }
    pthread_mutex_unlock(&runtime->roots_lock);
    thrum_roots_spread(runtime);
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
