/*
 * task.h - what the task layer's files share: the kinds of tasks and the
 * states of their life.
 *
 * Everything that stands in a deque begins like a thrum_child. Its `owner`
 * word holds the innermost group and, in the low bits, the kind.
 */
#ifndef THRUM_TASK_TASK_H
#define THRUM_TASK_TASK_H

#include <thrum/thrum.h>

#include "runtime/atomic/verbs.h"
#include "runtime/base/base.h"
#include "runtime/sched/worker.h"

enum task_kind {
    KIND_CHILD = 0,                   /* thrum_child: the caller's memory */
    KIND_TASK = 1,                    /* struct thrum_task */
    KIND_BRANCH = THRUM_KIND_BRANCH,  /* thrum_branch */
    KIND_ROOT = 3                     /* struct root: what a runtime was asked to run */
};

#define KIND_MASK ((uint64_t)3)

struct thrum_task {
    struct thrum_child child; /* first */
    struct pool_item item;
    struct pool_store *store; /* constant: where it goes when nobody wants it */
    uint32_t references;      /* atomic */
    uint32_t ended;           /* atomic */
    int status;               /* valid once ended */
    char name[24];
};

struct root {
    struct thrum_child child; /* first */
    int status;
    uint32_t done; /* atomic, futex */
};

struct thrum_runtime {
    struct scheduler scheduler;
    struct pool_store tasks;
    uint64_t chunks;         /* atomic: memory of tasks, newest chunk first */
    uint32_t workers;        /* atomic: a task may ask while a change waits for its worker */
    pthread_mutex_t control; /* one change of the workers at a time; the field below */
    unsigned runs;           /* under way */
};

static inline enum task_kind kind_of(const struct thrum_child *child)
{
    return (enum task_kind)(child->owner & KIND_MASK);
}

static inline struct thrum_group *group_of(const struct thrum_child *child)
{
    return pointer_of(child->owner & ~KIND_MASK);
}

/* Put back what a join popped and did not want. */
void thrum_unpop(void *task);

/* Pop as the slow path does, giving way first if the inline joins have had their time. */
void *thrum_pop_politely(void *popped);

/* A task that a join runs on its own stack has ended. */
void thrum_task_end(struct thrum_task *task, int status);

/* A task of the group, run on a fiber of its own, has ended. The group may be gone after. */
void thrum_group_ended(struct thrum_group *group);

/* The process stops unless the calling thread may spawn into the group. */
void thrum_group_check_spawn(const struct thrum_group *group);

/* At the runtime's end. */
void thrum_task_chunks_free(struct thrum_runtime *runtime);

/* A branch has ended. It may be gone after. */
void thrum_branch_end(struct thrum_branch *branch, int status);

/* error.c: the group's error from what its tasks have recorded; NULL: no memory. */
struct thrum_error *thrum_error_of(uint64_t failures, const char *name);
/* Record a failure, in any thread. */
void thrum_error_add(uint64_t *failures, int status, const char *name);

extern const struct task_verbs thrum_task_verbs;

#endif
