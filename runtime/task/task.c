/*
 * task.c - tasks in the runtime's memory, with a handle and a name.
 *
 * `requests` is one word, so that each cancel comes before the task's end, and
 * before what it takes back, or after it:
 *
 *   lower half   how many were made and not taken back; TASK_HANDLED; TASK_COPIED;
 *                CLOSED, once the task has ended and takes no more
 *   upper half   all that were made: the cancels of its scope
 *
 * Edges
 *   cancel.mark      cancel -> sum, end                   the cancel and its reason
 *   task.ended       thrum_task_end -> thrum_task_ended   the outcome
 *   task.running     thrum_task_start -> cancel           where it runs
 *   task.reference   unref -> unref, end                  all use before the memory is reused
 */
#include <thrum/detail/point.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/point.h"
#include "runtime/sched/lent.h"
#include "runtime/task/cancel.h"
#include "runtime/task/task.h"

#define ONE_REQUEST ((uint64_t)1 << 32 | 1)
#define CLOSED ((uint64_t)1 << 30)
#define COUNT (TASK_COPIED - 1)

static void prepare(struct thrum_task *task, struct thrum_group *group, thrum_fn fn, void *arg,
                    const struct thrum_site *site)
{
    task->child = (struct thrum_child){fn, arg, word_of(&group->scope) | KIND_TASK};
    task->requests = 0;
    task->name = "";
    task->site = site;
}

/* Somebody is given a handle. */
static void prepare_handle(struct thrum_task *task)
{
    task->references = 2;
    task->requests |= TASK_HANDLED;
    task->scope = (struct thrum_scope){.flags = SCOPE_TASK};
    task->slabs = &runtime_of(worker_here()->scheduler)->slabs;
    task->waiters = (struct waiters){.first = NULL};
    task->done_first = NULL;
    task->done_last = NULL;
    task->called = NULL;
    task->awaited = false;
    task->starting = NULL;
    task->daemon = false;
    store_relaxed(&task->text[0], 0); /* relaxed: for dumps */
    store_relaxed(&task->state, TASK_PENDING); /* relaxed: released with the spawn */
}

static void set_name(struct thrum_task *task, const char *name)
{
    uint64_t words[sizeof task->text / sizeof task->text[0]] = {0};

    strncat((char *)words, name, sizeof words - 1);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        store_relaxed(&task->text[i], words[i]); /* relaxed: a dump that is late may still read */
    task->name = (const char *)task->text;
}

static bool valid(const thrum_task_options *options)
{
    return !options || (options->size == sizeof *options && options->unused == 0);
}

static int copy_argument(struct thrum_task *task, const void *arg, size_t size)
{
    void *copy = task->room;

    if (size > sizeof task->room) {
        copy = thrum_lent_get_raw(size, 16);
        if (!copy)
            return -ENOMEM;
        task->requests |= TASK_COPIED;
    }
    memcpy(copy, arg, size);
    task->child.arg = copy;
    return 0;
}

/* Does it own what it was spawned with: values of locals, a copy of its argument? */
static bool is_loaded(const struct thrum_task *task)
{
    return (task->child.owner & KIND_STAMPED) ||
           (load_relaxed(&task->requests) & TASK_COPIED); /* relaxed: that bit is constant */
}

/* It was not spawned, or has ended. */
static void unload(struct thrum_task *task)
{
    if (load_relaxed(&task->requests) & TASK_COPIED) /* relaxed: likewise */
        thrum_lent_put(task->child.arg);
    thrum_locals_take_back(task);
}

/* Spawned, or refused and given back. */
static int push(struct thrum_group *group, struct thrum_task *task, bool daemon)
{
    int err = thrum_lane_push(thrum_lane_self(), task) ? 0 : thrum_worker_pushed();

    if (UNLIKELY(err)) {
        thrum_group_dismiss(group, daemon);
        unload(task);
        thrum_slab_put(SLAB_TASK, task);
    }
    return err;
}

/* Is it another runtime's? Its tasks could not wake an owner of ours, nor we theirs. */
static bool is_foreign(const struct thrum_group *group)
{
    const struct fiber *opener = group->scope.fiber;

    return opener->home != worker_here()->scheduler;
}

/* The handle is there before the task is: it may look for itself where its spawner has it. */
static int push_told(struct thrum_group *group, struct thrum_task *task, bool daemon,
                     thrum_task **out)
{
    thrum_task *before = out ? *out : NULL;
    int err;

    if (out)
        *out = task;
    err = push(group, task, daemon);
    if (err && out)
        *out = before;
    return err;
}

int thrum_task_spawn(struct thrum_group *group, const struct spawn *spawn, thrum_task **out)
{
    struct thrum_task *task;
    int err;

    thrum_group_check_spawn(group);
    if (UNLIKELY(is_foreign(group)))
        return THRUM_EFOREIGN;
    if (!valid(spawn->options))
        return -EINVAL;
    err = thrum_group_admit(group, spawn->daemon);
    if (err)
        return err;
    task = thrum_slab_get(SLAB_TASK);
    if (!task) {
        thrum_group_dismiss(group, spawn->daemon);
        return -ENOMEM;
    }
    prepare(task, group, spawn->fn, spawn->arg, spawn->site);
    if ((spawn->size && copy_argument(task, spawn->arg, spawn->size)) ||
        thrum_locals_give(task, group)) {
        unload(task);
        thrum_group_dismiss(group, spawn->daemon);
        thrum_slab_put(SLAB_TASK, task);
        return -ENOMEM;
    }
    if (out || spawn->daemon) {
        prepare_handle(task);
        task->references = out ? 2 : 1;
        task->starting = spawn->starting;
        task->daemon = spawn->daemon;
    }
    if (spawn->options && spawn->options->name)
        set_name(task, spawn->options->name);
    POINT("task.spawn");
    return push_told(group, task, spawn->daemon, out);
}

int thrum_group_spawn_at(thrum_group *group, thrum_fn fn, void *arg,
                         const thrum_task_options *options, thrum_task **out,
                         const struct thrum_site *site)
{
    struct thrum_lane *lane = thrum_lane_self();
    uint64_t owner = load_relaxed(&group->scope.owner); /* relaxed: only we could be in it */
    bool owned = owner == word_of(lane->current);
    struct thrum_task *task;

    if (UNLIKELY(!owned)) {
        struct spawn spawn = {.fn = fn, .arg = arg, .options = options, .site = site};

        return thrum_task_spawn(group, &spawn, out);
    }
    if (!valid(options))
        return -EINVAL;
    if (UNLIKELY(group_shuts_down(group)))
        return THRUM_ESHUTDOWN;
    task = thrum_slab_get(SLAB_TASK);
    if (UNLIKELY(!task))
        return -ENOMEM;
    prepare(task, group, fn, arg, site);
    if (out)
        prepare_handle(task);
    if (options && options->name)
        set_name(task, options->name);
    group->own++;
    POINT("task.spawn");
    return push_told(group, task, false, out);
}

int thrum_group_spawn_copy_at(thrum_group *group, thrum_fn fn, const void *arg, size_t size,
                              const thrum_task_options *options, thrum_task **out,
                              const struct thrum_site *site)
{
    struct spawn spawn = {.fn = fn,
                          .arg = pointer_of(word_of(arg)),
                          .options = options,
                          .site = site,
                          .size = size};

    return thrum_task_spawn(group, &spawn, out);
}

int thrum_group_daemon_at(thrum_group *group, thrum_fn fn, void *arg,
                          const thrum_task_options *options, thrum_task **out,
                          const struct thrum_site *site)
{
    struct spawn spawn = {.fn = fn, .arg = arg, .options = options, .site = site, .daemon = true};

    thrum_group_check_spawn(group);
    if (is_foreign(group))
        return THRUM_EFOREIGN;
    if (!group_is_counted(group) || !(group->policy & THRUM_DAEMONS))
        return THRUM_ESTATE;
    return thrum_task_spawn(group, &spawn, out);
}

/* ---- its life -------------------------------------------------------------------------------- */

struct thrum_scope *thrum_task_start(struct thrum_task *task)
{
    struct thrum_lane *lane = thrum_lane_self();
    struct strand *strand = strand_of(lane->fiber);

    if (!task_handled(task))
        return lane->scope;
    task->scope.owner = word_of(&task->child);
    task->scope.outer = word_of(lane->scope);
    task->scope.fiber = lane->fiber;
    lane->scope = &task->scope;
    task->strand = word_of(strand);
    task->life = load_relaxed(&strand->life); /* relaxed: ours */
    task->depth = thrum_scope_depth(&task->scope);
    store_release(&task->state, TASK_RUNNING); /* EDGE task.running */
    return &task->scope;
}

/* Nobody has a handle any more. */
static void task_free(struct thrum_task *task)
{
    thrum_error_free(task->error);
    thrum_reason_free(&task->scope);
    thrum_slab_put_to(task->slabs, SLAB_TASK, task);
}

bool thrum_task_close_requests(struct thrum_task *task)
{
    uint64_t requests;

    if (load_acquire(&task->references) == 1) /* EDGE task.reference: nobody else can cancel */
        requests = load_relaxed(&task->requests); /* relaxed: likewise */
    else
        /* MUTANT-OK acquire: what goes with a cancel is not looked at any more */
        /* MUTANT-OK release: a cancel that comes too late touches nothing */
        requests = add_acq_rel(&task->requests, CLOSED); /* EDGE cancel.mark */
    return requests >> 32 != load_relaxed(&task->scope.seen); /* relaxed: only the task wrote it */
}

/* Why it was cancelled, if it was not through its handle: its group closes, and forgets it. */
static void keep_reason(struct thrum_task *task)
{
    bool started = load_relaxed(&task->state) != TASK_PENDING; /* relaxed: its own end */
    thrum_reason reason = {.code = 0};

    if (load_relaxed(&task->scope.reason)) /* relaxed: a hint */
        return;
    thrum_scope_reason(started ? &task->scope : start_of(&task->child), &reason);
    thrum_cancel_keep_reason(&task->scope, &reason);
}

void thrum_task_end(struct thrum_task *task, struct ending ending, struct thrum_error *error)
{
    bool done;

    if (UNLIKELY(is_loaded(task)))
        unload(task);
    if (!task_handled(task)) {
        thrum_slab_put(SLAB_TASK, task);
        return;
    }
    task->status = ending.status;
    task->cancelled = ending.cancelled;
    task->error = error;
    if (load_acquire(&task->references) == 1) { /* EDGE task.reference: nobody else can look */
        task_free(task);
        return;
    }
    if (ending.cancelled)
        keep_reason(task);
    if (UNLIKELY(task->starting != NULL))
        thrum_start_failed(task, ending, thrum_error_ref(error));
    POINT("task.end");
    waiters_lock(&task->waiters);
    store_release(&task->state, TASK_ENDED); /* EDGE task.ended */
    done = task->done_first != NULL;
    thrum_waiters_wake_all(&task->waiters.lock, &task->waiters, NULL, NULL);
    if (UNLIKELY(done))
        thrum_task_call_done(task);
    thrum_task_unref(task);
}

void thrum_task_tell(const struct thrum_task *task, bool named, char *text, size_t size)
{
    uint64_t words[sizeof task->text / sizeof task->text[0]] = {0};

    for (size_t i = 0; named && i < sizeof words / sizeof words[0]; i++)
        words[i] = load_relaxed(&task->text[i]); /* relaxed: another's name would do no harm */
    snprintf(text, size, "task %s%s%p", (const char *)words, words[0] ? " " : "",
             (const void *)task);
}

/* ---- handles --------------------------------------------------------------------------------- */

thrum_task *thrum_task_ref(thrum_task *task)
{
    add_relaxed(&task->references, 1); /* relaxed: the caller has one already */
    return task;
}

void thrum_task_unref(thrum_task *task)
{
    uint32_t references;

    if (!task)
        return;
    references = add_acq_rel(&task->references, (uint32_t)-1); /* EDGE task.reference */
    if (references == 1)
        task_free(task);
    else if (UNLIKELY(references == 0)) /* its memory is a task's for ever */
        thrum_panic("thrum_task_unref was called more often than handles of the task were given");
}

bool thrum_task_over(const thrum_task *task, int *status)
{
    if (load_acquire(&task->state) != TASK_ENDED) /* EDGE task.ended */
        return false;
    if (status)
        *status = task->status;
    return true;
}

bool thrum_task_ended(const thrum_task *task, int *status)
{
    thrum_point_at(THRUM_POINT_READ, task);
    return thrum_task_over(task, status);
}

int thrum_task_reason(const thrum_task *task, thrum_reason *reason)
{
    const thrum_reason *why = NULL;

    if (thrum_task_over(task, NULL) && task->cancelled)
        /* MUTANT-OK acquire: no model asks; the end brings it, but for a cancel that comes later */
        why = pointer_of(load_acquire(&task->scope.reason)); /* EDGE cancel.mark */
    if (!why)
        return -ENOENT;
    *reason = *why;
    return 0;
}

int thrum_task_cancelling(const thrum_task *task)
{
    return (int)(load_relaxed(&task->requests) & COUNT); /* relaxed: a glance */
}

const char *thrum_task_name(const thrum_task *task)
{
    return task->name;
}

static void spread(const struct thrum_task *task)
{
    struct cancel_target target = {.strand = pointer_of(task->strand),
                                   .life = task->life,
                                   .depth = task->depth,
                                   .word = &task->state,
                                   .value = TASK_RUNNING};

    thrum_cancel_spread(&target);
}

bool thrum_task_cancel_at(thrum_task *task, int code, const char *text, const char *file, int line)
{
    struct scheduler *scheduler =
        &container_of(task->slabs, struct thrum_runtime, slabs)->scheduler;
    uint64_t seen = load_relaxed(&task->requests); /* relaxed: a guess */

    thrum_point_at(THRUM_POINT_RELEASE, task);
    if (!(seen & CLOSED))
        thrum_cancel_explain(&task->scope, code, text, file, line);
    POINT("cancel.mark");
    do {
        if (seen & CLOSED)
            return false;
        /* MUTANT-OK acquire: nothing is read that goes with others' requests */
    } while (!cas_acq_rel(&task->requests, &seen, seen + ONE_REQUEST)); /* EDGE cancel.mark */
    /* MUTANT-OK acquire: a hint; one that has started is seen after the alert */
    if (load_acquire(&task->state) == TASK_PENDING) { /* EDGE task.running */
        thrum_alert(scheduler);
        POINT("cancel.pending");
    }
    /* If it has started meanwhile, it may sleep since before the alert. */
    if (load_acquire(&task->state) == TASK_RUNNING) /* EDGE task.running */
        spread(task);
    return true;
}

struct thrum_task *thrum_task_self(void)
{
    struct thrum_child *child = (struct thrum_child *)(uintptr_t)thrum_lane_self()->current;

    return child && kind_of(child) == KIND_TASK ? container_of(child, struct thrum_task, child)
                                                : NULL;
}

thrum_task *thrum_task_current(void)
{
    struct thrum_task *task = thrum_worker_self() ? thrum_task_self() : NULL;

    return task && task_handled(task) ? thrum_task_ref(task) : NULL;
}

uint64_t thrum_task_id(const thrum_task *task)
{
    return word_of(&task->child);
}

int thrum_cancelling(void)
{
    const struct thrum_task *task;

    thrum_check_inside("thrum_cancelling");
    task = thrum_task_self();
    return task ? (int)(load_relaxed(&task->requests) & COUNT) : 0; /* relaxed: a counter */
}

int thrum_uncancel(void)
{
    struct thrum_task *task;
    uint64_t seen;

    thrum_check_inside("thrum_uncancel");
    task = thrum_task_self();
    seen = task ? load_relaxed(&task->requests) : 0; /* relaxed: only we take any back */
    if ((seen & COUNT) == 0)
        return 0;
    /* MUTANT-OK acquire: what goes with the requests is not looked at */
    /* MUTANT-OK release: it gives nothing, and who cancels carries on what others gave */
    seen = add_acq_rel(&task->requests, (uint64_t)-1) - 1; /* EDGE cancel.mark */
    if ((seen & COUNT) == 0)
        thrum_scope_forget(&task->scope, (uint32_t)(seen >> 32));
    return (int)(seen & COUNT);
}

/* ---- joining --------------------------------------------------------------------------------- */

static bool ended(struct waiters *list, struct waiter *self)
{
    (void)self;
    return thrum_task_over(container_of(list, struct thrum_task, waiters), NULL);
}

static void tell(const void *object, bool still, char *text, size_t size)
{
    const struct waiters *list = object;

    (void)still; /* tasks are type-stable */
    snprintf(text, size, "the end of ");
    thrum_task_tell(container_of(list, const struct thrum_task, waiters), true,
                    text + strlen(text), size - strlen(text));
}

static void blockers(const void *object, const struct strand *strand, struct blockers *blockers)
{
    const struct waiters *list = object;

    (void)strand;
    blockers->add(blockers, word_of(&container_of(list, const struct thrum_task, waiters)->child),
                  "which is");
}

const struct waiters_kind thrum_task_joiners = {.again = ended, .wait = {"task", tell, blockers}};

/* Until it has ended. 0, THRUM_ECANCELED, -ENOMEM. */
static int wait_for_end(void *arg)
{
    struct thrum_task *task = arg;
    struct waiter self;

    return thrum_task_over(task, NULL) ? 0 : thrum_waiter_wait(&task->waiters, &self, &thrum_task_joiners);
}

/* Whoever is in our chain waits for us. */
bool thrum_task_needs_me(const thrum_task *task)
{
    const struct thrum_scope *scope = thrum_lane_self()->scope;

    while (scope && scope != &task->scope)
        scope = scope_outer(scope);
    return scope != NULL;
}

int thrum_task_check_join(const struct thrum_task *task, const char *call)
{
    thrum_check_inside(call);
    if (task->slabs != &runtime_of(thrum_worker_self()->scheduler)->slabs)
        return THRUM_EFOREIGN;
    return thrum_task_needs_me(task) ? -EDEADLK : 0;
}

static void give_outcome(const struct thrum_task *task, thrum_outcome *outcome)
{
    *outcome = (thrum_outcome){.kind = task->cancelled    ? THRUM_CANCELLED
                                       : task->status < 0 ? THRUM_FAILED
                                                          : THRUM_OK,
                               .status = task->status,
                               .error = task->error ? thrum_error_ref(task->error) : NULL};
}

bool thrum_task_outcome(const thrum_task *task, thrum_outcome *outcome)
{
    if (!thrum_task_over(task, NULL))
        return false;
    if (outcome)
        give_outcome(task, outcome);
    return true;
}

int thrum_task_wait(struct thrum_task *task, int (*wait)(void *arg), void *arg)
{
    thrum_shield shield = {.unused = 0};
    int cancelled = 0;
    int status;

    while ((status = wait(arg)) == THRUM_ECANCELED) {
        thrum_reason reason = {.code = THRUM_ECANCELED};

        cancelled = status;
        (void)thrum_cancel_reason(&reason);
        thrum_task_cancel_at(task, reason.code, reason.text, reason.file, reason.line);
        if (thrum_scope_level() && !shield.scope.owner)
            thrum_shield_begin(&shield); /* or we would be told at once, again and again */
    }
    if (shield.scope.owner)
        cancelled = thrum_shield_end(&shield) ? THRUM_ECANCELED : cancelled;
    return status ? status : cancelled;
}

int thrum_task_join(thrum_task *task, thrum_outcome *outcome)
{
    int status = thrum_task_check_join(task, "thrum_task_join");

    thrum_point_at(THRUM_POINT_ACQUIRE, task);
    if (!status)
        status = thrum_task_wait(task, wait_for_end, task);
    if (status == 0 || status == THRUM_ECANCELED)
        (void)thrum_task_outcome(task, outcome);
    return status;
}

int thrum_shield_join(thrum_task *task, thrum_outcome *outcome)
{
    int status = thrum_task_check_join(task, "thrum_shield_join");

    thrum_point_at(THRUM_POINT_ACQUIRE, task);
    if (!status)
        status = wait_for_end(task);
    if (!status)
        (void)thrum_task_outcome(task, outcome);
    return status;
}
