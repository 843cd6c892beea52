/*
 * task.h - what the task layer's files share: the kinds of tasks and the
 * states of their life.
 *
 * Everything that stands in a deque begins like a thrum_child. Its `owner`
 * word holds the scope in which it starts and, in the low bits, the kind.
 */
#ifndef THRUM_TASK_TASK_H
#define THRUM_TASK_TASK_H

#include <thrum/thrum.h>

#include "runtime/atomic/verbs.h"
#include "runtime/base/base.h"
#include "runtime/sched/worker.h"
#include "runtime/task/error.h"
#include "runtime/task/fd.h"
#include "runtime/task/locals.h"
#include "runtime/task/record.h"
#include "runtime/task/scope.h"
#include "runtime/task/slab.h"
#include "runtime/task/strand.h"
#include "runtime/task/waiters.h"

enum task_kind {
    KIND_BRANCH = 0,                /* thrum_branch */
    KIND_TASK = 1,                  /* struct thrum_task */
    KIND_CHILD = THRUM_KIND_CHILD,  /* thrum_child: the caller's memory */
    KIND_ROOT = 3                   /* struct root: what a runtime was asked to run */
};

#define KIND_MASK ((uint64_t)3)
#define KIND_STAMPED ((uint64_t)4) /* a child or task that starts in one of locals.c's stamps */

enum task_state { TASK_PENDING, TASK_RUNNING, TASK_ENDED };

/*
 * Two cache lines come first: the first is all that is touched of a task that
 * nobody has a handle to, and the second its scope. Without a handle it has
 * none: it starts in its group's, as a child does.
 */
struct thrum_task {
    struct thrum_child child; /* first */
    uint64_t requests;        /* atomic: cancels through the handle, see task.c */
    const char *name;         /* in `text`, or "" */
    const struct thrum_site *site; /* where it was spawned, or NULL */
    struct pool_item item;

    /* For who has a handle: */
    struct thrum_scope scope; /* around all that it does */
    struct slabs *slabs;      /* constant: where it came from */
    uint32_t references;      /* atomic */
    uint64_t state;           /* atomic: enum task_state */
    uint64_t strand;          /* valid once running: where, */
    uint64_t life;            /* in which life, */
    uint32_t depth;           /* and how deep */
    int status;               /* valid once ended */
    bool cancelled;           /* valid once ended: it ended for a cancel */
    struct thrum_error *error; /* valid once ended: why it failed, or NULL */
    bool daemon;              /* constant */
    struct starting *starting; /* its own: who waits for it to have started, or NULL */
    struct waiters waiters;   /* who waits for its end; its lock is that of the next fields too */
    thrum_done *done_first;   /* lock: to be called when it has ended */
    thrum_done *done_last;    /* lock */
    thrum_done *called;       /* lock: being called, */
    const void *caller;       /* lock: and on which lane */
    uint32_t calling;         /* atomic, futex: calls begun and ended */
    bool awaited;             /* lock: somebody sleeps on it */

    uint64_t text[3]; /* atomic: a name's bytes; 0: none */
    unsigned char room[64] __attribute__((aligned(16))); /* for a copy of its argument */
};

/* In requests, constant. */
#define TASK_HANDLED ((uint64_t)1 << 31) /* somebody was given a handle */
#define TASK_COPIED ((uint64_t)1 << 29)  /* the copy of its argument is not in its room */
#define TASK_FLAGS (TASK_HANDLED | TASK_COPIED)

struct root {
    struct thrum_child child; /* first */
    struct thrum_scope scope; /* around all that it does; outside of it only the runtime's */
    struct thrum_runtime *runtime;
    struct root *next; /* the runtime's `roots` */
    struct root *prev; /* likewise */
    /* When it has ended, on a worker; `done` is not set then. NULL: somebody waits for `done`. */
    void (*ended)(struct root *root, bool cancelled);
    uint64_t since;    /* the scheduler's moment when it was entered there */
    uint32_t deadlocked; /* atomic: it was cancelled for that */
    struct thrum_error *error; /* valid once done: why it failed, or NULL */
    int status;                /* likewise */
    uint32_t done;             /* atomic, futex */
};

struct sim;

struct thrum_runtime {
    struct scheduler scheduler;
    struct sim *sim;         /* constant: the simulated world; NULL: the real one */
    struct oracle *oracle;   /* constant: its own; NULL: who explores has one */
    pthread_mutex_t driving; /* simulated: one run at a time is the worker */
    struct slabs slabs;
    struct fds fds;
    struct thrum_scope scope; /* around all roots */
    struct place {            /* on which that scope is, as if it were a task's */
        struct fiber fiber;
        struct strand strand;
    } place;
    uint32_t workers;        /* atomic: a task may ask while a change waits for its worker */
    pthread_mutex_t control; /* one change of the workers at a time; the fields below */
    uint32_t runs;           /* atomic, futex: runs under way, and who else keeps the runtime from
                                being freed; RUNS_CLOSED */
    pthread_mutex_t roots_lock; /* for a few steps at a time; the next two */
    struct root *roots;         /* under way */
    struct settler *settlers;   /* settle.c: who waits until all others do, the oldest first */
    thrum_options options;   /* constant: as given */
    uint64_t unhandled;      /* atomic: errors that nobody took */
    uint64_t findings;       /* atomic: mistakes that were detected */
    uint32_t held;           /* atomic, futex: holds that the program has taken, */
    uint32_t held_loosely;   /* atomic, futex: and loose ones */
    uint64_t hold_reason;    /* atomic: const char *, of the one that it took last */
    uint64_t executor;     /* atomic: struct thrum_executor *, its own, or 0 (offload/own.c) */
    uint64_t executor_end; /* atomic: int (*)(struct thrum_runtime *), once it has one */
    struct thrum_runtime *next; /* registry.c */
};

static inline bool runtime_is_guest(const struct thrum_runtime *runtime)
{
    return runtime->options.flags & THRUM_GUEST;
}

static inline enum task_kind kind_of(const struct thrum_child *child)
{
    return (enum task_kind)(child->owner & KIND_MASK);
}

/* The scope in which it starts. */
static inline struct thrum_scope *start_of(const struct thrum_child *child)
{
    return pointer_of(child->owner & ~(KIND_MASK | KIND_STAMPED));
}

/* Of a child or a task. */
static inline struct thrum_group *group_of(const struct thrum_child *child)
{
    struct thrum_scope *scope = start_of(child);

    if (UNLIKELY(child->owner & KIND_STAMPED))
        scope = scope_outer(scope);
    return container_of(scope, struct thrum_group, scope);
}

static inline struct thrum_runtime *runtime_of(const struct scheduler *scheduler)
{
    return container_of(scheduler, struct thrum_runtime, scheduler);
}

/* For reports: its address, and name if it has one. Any thread; it may have ended. */
void thrum_task_tell(const struct thrum_task *task, bool named, char *text, size_t size);

/* The process stops if we are a task that fork has taken into another process. */
void thrum_task_check_process(void);

/* How a task ended. */
struct ending {
    int status;
    bool cancelled;             /* and not failed */
    bool told;                  /* a cancel was delivered to it */
    struct thrum_error *detail; /* what it has said of its failure, or NULL */
};

/* From what its function returned and what it left behind. */
struct ending thrum_ending(int status, struct remains remains);

/* It never started, for a cancel; or for want of memory. */
struct ending thrum_ending_unstarted(int status);

/* A task that ran inline has ended, and what it keeps about itself goes; or its remains stay. */
void thrum_task_left(struct thrum_scope *start, int status, bool keep);

/* ---- joins (group.c, branch.c) ------------------------------------------------------------ */

/* Put back what a join popped and did not want. */
void thrum_unpop(void *task);

/*
 * Pop as the slow path does, for the join of a group or branch, giving way first if the inline
 * joins have had their time.
 */
void *thrum_pop_politely(const void *joined, void *popped);

/* Look for cancels before an inline start, unless there can be none. True: there may be. */
bool thrum_look_before_start(void);

/* Was it cancelled before it started? `may`: there may be something in its chain, look at that. */
bool thrum_dead_before(struct thrum_child *child, bool may);

/* Is there stack enough for an inline start? */
bool thrum_stack_suffices(void);

/* What goes on as the running task's own failure. Takes the reference. */
void thrum_task_detail(struct thrum_error *error);

/* The struct thrum_task of the running task, if it has one; else NULL. */
struct thrum_task *thrum_task_self(void);

/*
 * Wait for something that the task will do, or its end, by wait(arg): each cancel that ends the
 * wait is passed on to the task. 0, THRUM_ECANCELED: it was; -ENOMEM.
 */
int thrum_task_wait(struct thrum_task *task, int (*wait)(void *arg), void *arg);

/* May the running task wait for its end? 0, THRUM_EFOREIGN, -EDEADLK. */
int thrum_task_check_join(const struct thrum_task *task, const char *call);

/* Those in its `waiters`. */
extern const struct waiters_kind thrum_task_joiners;

/* Spawn a task that is more than others are, or into a group that counts. */
struct spawn {
    thrum_fn fn;
    void *arg;
    const thrum_task_options *options;
    const struct thrum_site *site;
    struct starting *starting;
    size_t size; /* of what arg points to, if it is to be copied */
    bool daemon;
};
int thrum_task_spawn(struct thrum_group *group, const struct spawn *spawn, thrum_task **out);

/* ---- ends ------------------------------------------------------------------------------------ */

/* A task of the group has ended, anywhere. Records a failure; *out, unless NULL, is its error. */
void thrum_group_note(struct thrum_group *group, const struct thrum_child *child,
                      struct ending ending, struct thrum_error **out);

/* One with memory of the runtime's has ended: settled, noted, and told to who has a handle. */
void thrum_group_end_task(struct thrum_group *group, struct thrum_task *task, struct ending ending);

/* And it ran on a fiber of its own. The group may be gone after. */
void thrum_group_ended(struct thrum_group *group, bool daemon);

static inline bool group_is_counted(const struct thrum_group *group)
{
    return scope_flags(&group->scope) & SCOPE_COUNTED; /* set before anybody else knows the group */
}

/* Set one of the flags of its failures. True: we are the first. */
bool thrum_group_flag(struct thrum_group *group, uint64_t bit);

/* Groups that count who is left (counted.c): opened, a task spawned, ended, closed. */
void thrum_counted_open(struct thrum_group *group);
/* May suspend. 0, THRUM_ESHUTDOWN, THRUM_ECANCELED, -ENOMEM. */
int thrum_counted_enter(struct thrum_group *group, bool daemon);
void thrum_counted_leave(struct thrum_group *group, bool daemon);
void thrum_counted_close(struct thrum_group *group);

/* A task that is no daemon has succeeded. */
void thrum_counted_succeeded(struct thrum_group *group);

/* Does it take no more tasks? */
static inline bool group_shuts_down(const struct thrum_group *group)
{
    /* MUTANT-OK acquire: what goes with the cancel is not looked at */
    return load_acquire(&group->scope.cancels) != 0; /* EDGE cancel.mark */
}

/* The process stops unless the calling thread may spawn into the group. */
void thrum_group_check_spawn(const struct thrum_group *group);

/*
 * Count a task that is about to be spawned. In a counted group it may suspend.
 * 0, THRUM_ESHUTDOWN, THRUM_ECANCELED, -ENOMEM. Dismiss it if it was not spawned after all.
 */
int thrum_group_admit(struct thrum_group *group, bool daemon);
void thrum_group_dismiss(struct thrum_group *group, bool daemon);

static inline bool task_handled(const struct thrum_task *task)
{
    return load_relaxed(&task->requests) & TASK_HANDLED; /* relaxed: that bit is constant */
}

/* Was it cancelled through its handle? */
static inline bool task_cancelled(const struct thrum_task *task)
{
    return (load_relaxed(&task->requests) & ~TASK_FLAGS) != 0; /* relaxed: what happened before
                                                                    is seen, the rest later */
}

/* It takes no more requests. True: there are some that it has not been told of. */
bool thrum_task_close_requests(struct thrum_task *task);

/* How it has ended: if somebody has cancelled it, and it has not heard of that, it was cancelled. */
static inline struct ending task_settled(struct thrum_task *task, struct ending ending)
{
    if (task_handled(task) && thrum_task_close_requests(task) && ending.status >= 0) {
        ending.status = THRUM_ECANCELED;
        ending.cancelled = true;
    }
    return ending;
}

static inline bool task_is_daemon(const struct thrum_task *task)
{
    return task_handled(task) && task->daemon;
}

static inline bool task_is_starting(const struct thrum_task *task)
{
    return task_handled(task) && task->starting;
}

/* thrum_task_ended for the runtime itself: no point. */
bool thrum_task_over(const struct thrum_task *task, int *status);

/* A task starts here. Returns the scope that must be innermost when it has ended. */
struct thrum_scope *thrum_task_start(struct thrum_task *task);

/* How many cancels of its scope there were through its handle. */
static inline uint32_t task_cancels(const struct thrum_task *task)
{
    return (uint32_t)(load_acquire(&task->requests) >> 32); /* EDGE cancel.mark */
}

/* It has ended, as was settled. `error`: why it failed, for who has a handle; or NULL. */
void thrum_task_end(struct thrum_task *task, struct ending ending, struct thrum_error *error);

/* It has ended: call all who want to know. The caller has a reference. */
void thrum_task_call_done(struct thrum_task *task);

/* One that somebody waits for has ended before it had started. Takes the reference. */
void thrum_start_failed(struct thrum_task *task, struct ending ending, struct thrum_error *error);

/* A branch has ended. It may be gone after. */
void thrum_branch_end(struct thrum_branch *branch, int status);

/* Sleeps, whose object is the time, and timers: sleep.c. */
extern const struct wait_kind thrum_sleep_wait;
bool thrum_timer_pending(struct timer *timer, uint64_t key);
void thrum_timer_expire(struct timer *timer, uint64_t key);

/* root.c: one that is to run fn(arg); start it: 0, THRUM_ESHUTDOWN, -ENOMEM. */
void thrum_root_init(struct root *root, struct thrum_runtime *runtime, thrum_fn fn, void *arg);
int thrum_root_begin(struct root *root);

/* A root task has ended. It may be gone after. */
/* As thrum_runtime_run, by a thread that may be a worker: it can tell an overflow of a stack. */
int thrum_root_run(struct thrum_runtime *runtime, thrum_fn fn, void *arg, thrum_error **errors);

/* root.c: a root task has ended. It may be gone after. */
void thrum_root_end(struct root *root, struct ending ending);

/* It is no longer among the roots under way. */
void thrum_root_leave(struct root *root);

/* One more, one less who keeps the runtime. The last that who leaves does with it. */
#define RUNS_CLOSED ((uint32_t)1 << 31) /* no run begins any more */
void thrum_runs_enter(struct thrum_runtime *runtime);
void thrum_runs_leave(struct thrum_runtime *runtime);

/* Some roots were marked: wake all that sleep below them. */
void thrum_roots_spread(struct thrum_runtime *runtime);

/*
 * Any thread. Cancel the roots under way that have begun until `moment`; for THRUM_EDEADLOCK only
 * those that were not yet.
 */
void thrum_roots_cancel(struct thrum_runtime *runtime, uint64_t moment, int code,
                        const char *text);

/* Is there one among them that was not yet cancelled for THRUM_EDEADLOCK? */
bool thrum_roots_stuck(struct thrum_runtime *runtime, uint64_t moment);

/* deadlock.c: all tasks wait, and did at that moment, and nothing can wake them. */
void thrum_stuck(struct scheduler *scheduler, uint64_t moment);

/* settle.c: all tasks wait, and one of them for that. */
void thrum_settled(struct scheduler *scheduler);

/* A line for the program: to the hook that it gave for reports, or to file descriptor 2. */
void thrum_runtime_say(struct thrum_runtime *runtime, const char *text);

/* hold.c: until the program has released all its holds. */
void thrum_holds_wait(struct thrum_runtime *runtime);

extern const struct task_verbs thrum_task_verbs;

#endif
