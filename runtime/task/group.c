/*
 * group.c - the slow paths of groups: everything but the spawn that finds
 * room and the join that finds the child unstolen.
 *
 * Who is left is counted in two parts. `own` is the owner's: tasks that it
 * has spawned. A task that its join runs inline leaves that part without an
 * atomic operation. One that ran elsewhere is subtracted from `remote`; one
 * that another task of the group spawned is added there. `remote` starts at a
 * large base, so that it cannot become 0 while the owner does not wait. An
 * owner that has to wait gives up its own part in one addition:
 *
 *     remote = base - ended elsewhere + spawned by others
 *     waits:   remote += own part - base       the owner's fiber has left its stack
 *
 * Whoever brings remote to 0 wakes the owner; nobody else touches the group
 * after his subtraction.
 *
 * The lowest bit of the scope's owner says that the owner's inline paths must
 * not be taken: the group was cancelled, to the owner's knowledge, or it is
 * one of those in counted.c, whose `own` part is always 0.
 *
 * Edges
 *   group.ended   thrum_group_ended -> close   what the task did
 *   group.waits   commit -> thrum_group_ended  the waiter
 */
#include <thrum/detail/point.h>

#include <errno.h>
#include <stdio.h>

#include "runtime/base/point.h"
#include "runtime/task/cancel.h"
#include "runtime/task/scope.h"
#include "runtime/task/task.h"
#include "runtime/task/unhandled.h"

#define REMOTE_BASE THRUM_GROUP_REMOTE_NONE

static bool has_options(const struct thrum_group *group)
{
    return scope_flags(&group->scope) & SCOPE_OPTIONS;
}

static const char *name_of(const struct thrum_group *group)
{
    return has_options(group) ? group->name : NULL;
}

/* ---- ends ------------------------------------------------------------------------------------ */

void thrum_group_ended(struct thrum_group *group, bool daemon)
{
    void *fiber = group->scope.fiber;

    POINT("group.end");
    if (UNLIKELY(group_is_counted(group)))
        thrum_counted_leave(group, daemon);
    if (add_acq_rel(&group->remote, (uint64_t)-1) == 1) { /* EDGE group.ended, group.waits */
        POINT("group.ended");
        thrum_ready(fiber);
    }
}

/* True: we are the first to set this flag. All flags keep close from its inline path. */
bool thrum_group_flag(struct thrum_group *group, uint64_t bit)
{
    uint64_t seen = load_relaxed(&group->failures); /* relaxed: a guess */

    while (!(seen & bit))
        /* MUTANT-OK acquire: a flag says nothing about what others wrote */
        /* MUTANT-OK release: nor does it; what is pushed goes on through this swap */
        if (cas_acq_rel(&group->failures, &seen, seen | bit)) /* EDGE error.add */
            return true;
    return false;
}

static void abort_for(struct thrum_group *group, const char *name, int status)
{
    bool goes_on = has_options(group) && (group->policy & (THRUM_COLLECT | THRUM_FIRST_OK));

    if (!goes_on && thrum_group_flag(group, FAILURES_CANCELLED)) {
        char text[64];

        snprintf(text, sizeof text, "%.24s failed: %s", name[0] ? name : "a task",
                 thrum_errname(status));
        thrum_cancel_scope(&group->scope, THRUM_EGROUP, text, NULL, 0);
    }
}

void thrum_group_note(struct thrum_group *group, const struct thrum_child *child,
                      struct ending ending, struct thrum_error **out)
{
    const struct thrum_task *task =
        kind_of(child) == KIND_TASK ? container_of(child, const struct thrum_task, child) : NULL;
    const struct thrum_site *site = task ? task->site : NULL;
    const char *name = task ? task->name : "";
    struct thrum_error *leaf;

    if (UNLIKELY(ending.told || ending.cancelled)) /* close has to look for its owner too */
        thrum_group_flag(group, FAILURES_LOOK);
    if (ending.status >= 0 || ending.cancelled) {
        if (UNLIKELY(group_is_counted(group)) && !ending.cancelled &&
            !(task && (task_is_daemon(task) || task_is_starting(task))))
            thrum_counted_succeeded(group);
        return;
    }
    leaf = thrum_error_leaf(ending.status, name, site ? site->file : NULL, site ? site->line : 0,
                            ending.detail);
    if (out && leaf)
        *out = thrum_error_ref(leaf);
    if (task && task_is_starting(task)) { /* who waits for it is told, and nobody else */
        thrum_error_free(leaf);
        return;
    }
    thrum_error_push(&group->failures, leaf);
    abort_for(group, name, ending.status);
}

void thrum_group_end_task(struct thrum_group *group, struct thrum_task *task, struct ending ending)
{
    struct thrum_error *error = NULL;

    ending = task_settled(task, ending);
    thrum_group_note(group, &task->child, ending, task_handled(task) ? &error : NULL);
    thrum_task_end(task, ending, error);
}

struct ending thrum_ending(int status, struct remains remains)
{
    struct ending ending = {.status = status, .told = remains.delivered};

    ending.cancelled = status == THRUM_ECANCELED && remains.delivered;
    if (status < 0 && !ending.cancelled)
        ending.detail = remains.detail;
    else
        thrum_drop(remains.detail);
    return ending;
}

struct ending thrum_ending_unstarted(int status)
{
    return (struct ending){.status = status, .cancelled = status == THRUM_ECANCELED};
}

/* A child that ran inline has returned a negative status. */
void thrum_group_fail(thrum_group *group, thrum_child *child, int status)
{
    struct strand *strand = strand_of(thrum_lane_self()->fiber);
    struct remains remains = strand->left;

    strand->left = (struct remains){false, NULL};
    thrum_group_note(group, child, thrum_ending(status, remains), NULL);
}

void thrum_task_left(struct thrum_scope *start, int status, bool keep)
{
    struct remains remains;
    struct thrum_group *group;

    thrum_task_check_process();
    remains = thrum_record_close(start, status);
    group = scope_start_group(start);
    if (remains.delivered && group) /* close has to look for its owner too */
        thrum_group_flag(group, FAILURES_LOOK);
    if (keep)
        strand_of(thrum_lane_self()->fiber)->left = remains;
    else
        thrum_drop(remains.detail);
    thrum_scope_look(); /* what the task had seen, its owner may not have */
}

/* What a failed child leaves is kept for thrum_group_fail, which follows at once. */
void thrum_task_leave(struct thrum_scope *start, int status)
{
    thrum_task_left(start, status, status < 0);
}

/* ---- waiting --------------------------------------------------------------------------------- */

static void wait_commit(void *arg, struct fiber *left)
{
    struct thrum_group *group = arg;
    uint64_t own = group->own;

    POINT("group.wait");
    if (add_acq_rel(&group->remote, own - REMOTE_BASE) == REMOTE_BASE - own)
        thrum_ready(left); /* EDGE group.ended, group.waits: all had ended meanwhile */
}

static void tell(const void *object, bool still, char *text, size_t size)
{
    const char *name = still ? name_of(object) : NULL;

    if (name)
        snprintf(text, size, "the tasks of group %s", name);
    else
        snprintf(text, size, "the tasks of group %p", object);
}

static const struct wait_kind its_tasks = {.what = "group", .tell = tell};

/*
 * Wait for all that is left, which is no longer for the owner to run. `next`,
 * unless NULL, is one of them and starts at once. Cancels do not end this wait,
 * but reach whom it waits for.
 */
static void wait_for_all(struct thrum_group *group, void *next)
{
    struct strand *strand = strand_of(group->scope.fiber);
    bool waits = next || load_acquire(&group->remote) != REMOTE_BASE - group->own; /* EDGE
                                                                           group.ended */

    if (waits) { /* for want of memory it stays out: those below enter it when they sleep */
        (void)thrum_strand_enter(strand);
        thrum_strand_joins(strand, &its_tasks, group);
    }
    if (next)
        thrum_suspend_for(next, wait_commit, group);
    else if (waits)
        thrum_suspend(wait_commit, group);
    if (waits)
        thrum_strand_joined(strand);
    group->own = 0;
    store_relaxed(&group->remote, REMOTE_BASE); /* relaxed: nobody else is left */
    if (waits && thrum_look_before_start()) /* cancelled meanwhile: close has to say so */
        thrum_group_flag(group, FAILURES_LOOK);
}

/* ---- joins ----------------------------------------------------------------------------------- */

void thrum_unpop(void *task)
{
    if (!thrum_lane_push(thrum_lane_self(), task))
        (void)thrum_worker_pushed(); /* there is room: it was there before */
}

void *thrum_pop_politely(const void *joined, void *popped)
{
    bool overdue = false;

    if (popped)
        return popped;
    popped = thrum_worker_pop(joined, &overdue);
    while (popped && overdue) {
        thrum_unpop(popped);
        thrum_give_way_briefly();
        overdue = false;
        popped = thrum_lane_pop(thrum_lane_self());
        if (!popped)
            popped = thrum_worker_pop(joined, &overdue);
    }
    return popped;
}

bool thrum_look_before_start(void)
{
    const struct thrum_lane *lane = thrum_lane_self();
    const struct fiber *fiber = lane->fiber;

    if (load_relaxed(&fiber->heard) != load_relaxed(&fiber->home->alert)) /* relaxed: see */
        thrum_scope_look();                                               /* thrum_cancel_check */
    return lane->stack_limit == UINTPTR_MAX;
}

bool thrum_stack_suffices(void)
{
    const struct fiber *fiber = thrum_lane_self()->fiber;

    return thrum_stack_pointer() > fiber->stack_limit;
}

/* The owner runs one of the group's tasks inline. */
static void run_task(struct thrum_group *group, struct thrum_task *task)
{
    struct thrum_lane *lane = thrum_lane_self();
    const void *owner = lane->current;
    struct ending ending = {.status = 0};
    struct thrum_scope *around;

    group->own--;
    lane->current = task;
    around = thrum_task_start(task);
    ending.status = task->child.fn(task->child.arg);
    lane = thrum_lane_self();
    if (UNLIKELY(ending.status < 0 || lane->scope != around)) {
        ending = thrum_ending(ending.status, thrum_record_close(around, ending.status));
        lane = thrum_lane_self();
    }
    lane->current = owner;
    lane->scope = &group->scope;
    if (LIKELY(ending.status >= 0 && !ending.told))
        thrum_task_end(task, task_settled(task, ending), NULL);
    else
        thrum_group_end_task(group, task, ending);
}

/*
 * As the inline close runs its children: all tasks of the group that stand at
 * the bottom, while nothing asks for attention. Returns what is there then.
 * (It is called from a cold path, and hot all the same.)
 */
static __attribute__((hot, noinline)) struct thrum_child *run_tasks(struct thrum_group *group,
                                                                     struct thrum_child *popped)
{
    uint64_t ours = word_of(&group->scope) | KIND_TASK;

    while (popped && popped->owner == ours && !thrum_lane_is_short(thrum_lane_self()) &&
           !task_cancelled(container_of(popped, struct thrum_task, child))) {
        run_task(group, container_of(popped, struct thrum_task, child));
        popped = group->own == 0 ? NULL : thrum_lane_pop(thrum_lane_self());
    }
    return popped;
}

static bool is_of(const struct thrum_child *child, const struct thrum_group *group)
{
    return child && (kind_of(child) == KIND_CHILD || kind_of(child) == KIND_TASK) &&
           group_of(child) == group;
}

/* The owner ends one of the group's that was cancelled before it could start. */
static void end_dead(struct thrum_group *group, struct thrum_child *child)
{
    thrum_group_flag(group, FAILURES_LOOK);
    group->own--;
    if (kind_of(child) == KIND_TASK)
        thrum_group_end_task(group, container_of(child, struct thrum_task, child),
                             thrum_ending_unstarted(THRUM_ECANCELED));
}

/*
 * The next child that the owner can run itself, after it has run all tasks of
 * the other kind that were spawned later, and ended those that were cancelled
 * before they started; NULL: all of the group have ended. `popped` is what the
 * owner found at its bottom, or NULL.
 */
thrum_child *thrum_group_join_slow(thrum_group *group, thrum_child *popped)
{
    for (;;) {
        popped = run_tasks(group, popped);
        if (group->own == 0)
            return NULL;
        popped = thrum_pop_politely(group, popped);
        if (!is_of(popped, group)) { /* a stranger's goes back: ours are elsewhere */
            if (popped)
                thrum_unpop(popped);
            wait_for_all(group, NULL);
            return NULL;
        }
        if (thrum_dead_before(popped, thrum_look_before_start())) {
            end_dead(group, popped);
        } else if (!thrum_stack_suffices()) {
            wait_for_all(group, popped);
            return NULL;
        } else if (kind_of(popped) == KIND_TASK) {
            thrum_lane_self()->scope = start_of(popped);
            run_task(group, container_of(popped, struct thrum_task, child));
        } else {
            return popped;
        }
        if (group->own == 0)
            return NULL;
        popped = thrum_lane_pop(thrum_lane_self());
    }
}

/* All that the inline close does, for groups that must not take it. */
static void join_all(struct thrum_group *group)
{
    while (group->own != 0) {
        thrum_child *child = thrum_group_join_slow(group, thrum_lane_pop(thrum_lane_self()));
        struct thrum_lane *lane = thrum_lane_self();
        const void *owner = lane->current;
        struct thrum_scope *start;
        int status;

        if (!child)
            break;
        group->own--;
        start = start_of(child);
        lane->current = child;
        lane->scope = start;
        status = THRUM_RUN_HERE(child->fn, child->arg, child);
        if (thrum_lane_self()->scope != start)
            thrum_task_leave(start, status);
        lane = thrum_lane_self();
        lane->current = owner;
        lane->scope = &group->scope;
        if (status < 0)
            thrum_group_fail(group, child, status);
    }
}

/* ---- closing --------------------------------------------------------------------------------- */

static bool is_error(int status)
{
    return status < 0 && status != THRUM_ECANCELED;
}

/* The body's own error is one of the tree's, if there is a tree. */
static void note_body(struct thrum_group *group, int status)
{
    struct record *record = thrum_record_find();
    struct ending ending = {.status = status};

    if (record) {
        ending.detail = record->detail;
        record->detail = NULL;
    }
    thrum_error_push(&group->failures, thrum_error_leaf(status, "", NULL, 0, ending.detail));
}

/* Nobody else is left. */
static uint64_t failures_of(const struct thrum_group *group)
{
    return load_relaxed(&group->failures) & /* relaxed: nobody else is left */
           ~(FAILURES_CANCELLED | FAILURES_LOOK | FAILURES_SUCCEEDED);
}

/* One has succeeded, and that was enough. */
static void forget_failures(struct thrum_group *group)
{
    thrum_error_free(thrum_error_of(failures_of(group), NULL));
    store_relaxed(&group->failures, 0); /* relaxed: nobody else is left */
}

int thrum_group_close_slow(thrum_group *group, int status, struct thrum_error **errors)
{
    struct locals_node *locals;
    uint64_t failures;
    bool waited;

    thrum_scope_check(&group->scope, "thrum_group_close");
    locals = thrum_locals_lift(&group->scope);
    if (errors)
        *errors = NULL;
    if (is_error(status) && thrum_group_flag(group, FAILURES_CANCELLED))
        thrum_cancel_scope(&group->scope, THRUM_EGROUP, "the group's owner failed", NULL, 0);
    if (group_is_counted(group))
        thrum_counted_close(group);
    waited = group->own != 0 || load_relaxed(&group->remote) != REMOTE_BASE; /* relaxed: a hint */
    join_all(group);
    wait_for_all(group, NULL);
    /* MUTANT-OK acquire: who failed has ended, and that was acquired */
    failures = load_acquire(&group->failures); /* EDGE error.add */
    waited |= (failures & FAILURES_LOOK) != 0;
    if (failures & FAILURES_SUCCEEDED)
        forget_failures(group);
    failures = failures_of(group);
    if (is_error(status) && (failures || (status == THRUM_EGROUP && errors))) {
        note_body(group, status);
        failures = failures_of(group);
    }
    thrum_locals_group_closed(locals, group);
    status = thrum_scope_pop(&group->scope, status, 0, failures != 0);
    thrum_locals_lower(locals);
    thrum_reason_free(&group->scope);
    if (failures) {
        struct thrum_error *tree = thrum_error_of(failures, name_of(group));

        if (errors)
            *errors = tree;
        else
            thrum_task_detail(tree);
        return THRUM_EGROUP;
    }
    if (status >= 0 && waited)
        return thrum_cancel_check() ? THRUM_ECANCELED : status;
    return status;
}

/* ---- opening and spawning -------------------------------------------------------------------- */

static bool options_valid(const thrum_group_options *options)
{
    uint32_t known = THRUM_COLLECT | THRUM_FIRST_OK | THRUM_DAEMONS | THRUM_LEVEL;
    uint32_t both = THRUM_COLLECT | THRUM_FIRST_OK;

    return options->size == sizeof *options && options->unused == 0 &&
           (options->flags & ~known) == 0 && (options->flags & both) != both;
}

int thrum_group_open_slow(thrum_group *group, const thrum_group_options *options)
{
    if (!thrum_worker_self())
        thrum_panic("thrum_group_open was called outside a task; start one with thrum_run");
    check_task_runs();
    if (options && !options_valid(options)) {
        group->scope.owner = 0;
        return -EINVAL;
    }
    thrum_scope_push(&group->scope, 0);
    if (!options)
        return 0;
    group->name = options->name;
    group->policy = options->flags | (uint64_t)options->limit << 32;
    group->scope.flags |= SCOPE_OPTIONS | (options->flags & THRUM_LEVEL);
    if (options->limit || (options->flags & (THRUM_FIRST_OK | THRUM_DAEMONS)))
        thrum_counted_open(group);
    return 0;
}

void thrum_group_check_spawn(const struct thrum_group *group)
{
    if (!thrum_worker_self())
        thrum_panic("a task was spawned from a thread that runs no task; start one with thrum_run");
    check_task_runs();
    if (!load_relaxed(&group->scope.owner)) /* relaxed: it cannot be closed meanwhile */
        thrum_panic("a task was spawned into a group that is not open");
}

/* Is the calling task its owner? Then it counts without atomics. */
static bool counts_alone(const struct thrum_group *group)
{
    return scope_owner(&group->scope) == thrum_lane_self()->current;
}

int thrum_group_admit(struct thrum_group *group, bool daemon)
{
    if (group_shuts_down(group))
        return THRUM_ESHUTDOWN;
    if (UNLIKELY(group_is_counted(group)))
        return thrum_counted_enter(group, daemon);
    if (counts_alone(group))
        group->own++;
    else
        add_relaxed(&group->remote, 1); /* relaxed: a counter that cannot reach 0, we are in it */
    return 0;
}

void thrum_group_dismiss(struct thrum_group *group, bool daemon)
{
    bool counted = group_is_counted(group);

    if (counted)
        thrum_counted_leave(group, daemon);
    if (!counted && counts_alone(group))
        group->own--;
    else
        add_relaxed(&group->remote, (uint64_t)-1); /* relaxed: we are in it */
}

/* `pushed`: it stands in the deque already, and the push wants attention. Else it was refused. */
int thrum_group_spawn_slow(thrum_group *group, thrum_child *child, bool pushed)
{
    int err;

    if (!pushed) {
        thrum_group_check_spawn(group);
        if (scope_owner(&group->scope) != thrum_lane_self()->current)
            thrum_panic("thrum_group_spawn_child was called by a task that did not open the "
                        "group; use thrum_group_spawn there");
        err = thrum_group_admit(group, false);
        if (!err && thrum_locals_stamp(child, group)) {
            thrum_group_dismiss(group, false);
            err = -ENOMEM;
        }
        if (err || thrum_lane_push(thrum_lane_self(), child))
            return err;
    }
    err = thrum_worker_pushed();
    if (err)
        thrum_group_dismiss(group, false);
    return err;
}

int thrum_group_spawn_n(thrum_group *group, thrum_child *children, size_t n, thrum_fn fn,
                        void *base, size_t stride)
{
    int status = 0;

    /* A sum of numbers: of base NULL, which means nothing to fn, C knows no elements. */
    for (size_t i = 0; i < n && !status; i++)
        status = thrum_group_spawn_child(group, &children[i], fn,
                                         (void *)((uintptr_t)base + i * stride));
    return status;
}

/* ---- cancelling ------------------------------------------------------------------------------ */

void thrum_group_cancel_at(thrum_group *group, int code, const char *text, const char *file,
                           int line)
{
    const struct thrum_lane *lane = thrum_lane_self();

    thrum_point_at(THRUM_POINT_RELEASE, group);
    if (!load_relaxed(&group->scope.owner)) /* relaxed: it cannot be closed meanwhile */
        thrum_panic("thrum_group_cancel was called on a group that is not open");
    thrum_group_flag(group, FAILURES_CANCELLED);
    if (thrum_worker_self() && scope_owner(&group->scope) == lane->current)
        scope_tag(&group->scope); /* we know: spawns are refused */
    thrum_cancel_scope(&group->scope, code, text, file, line);
}
