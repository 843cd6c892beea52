/*
 * locals.h - values that tasks inherit: where they stand, and what the other
 * files have to do for them. What this is built of stands in locals.c.
 */
#ifndef THRUM_TASK_LOCALS_H
#define THRUM_TASK_LOCALS_H

#include <thrum/group.h>
#include <thrum/local.h>
#include <thrum/task.h>

/* ---- scopes and ends ------------------------------------------------------------------------- */

/* What holds a task's values in its chain of scopes. */
struct locals_node;

/* Does the running task keep values right inside of this scope, and nothing else? */
bool thrum_locals_on(const struct thrum_scope *scope);

/*
 * The scope is about to be closed: take what stands on it out of the chain,
 * and put it back in once the scope is gone. NULL: nothing stands there.
 */
struct locals_node *thrum_locals_lift(const struct thrum_scope *scope);
void thrum_locals_lower(struct locals_node *node);

/* The running task is about to end: what it has set itself goes. */
void thrum_locals_leave(void);

/* All tasks of the group have ended; this was lifted off it. */
void thrum_locals_group_closed(struct locals_node *node, const struct thrum_group *group);

/* ---- threads --------------------------------------------------------------------------------- */

/* The values of a task at one moment: never changes, counted. */
struct locals;

/* The running task's, for a thread that works for it: a reference; and one less. */
struct locals *thrum_locals_lend(void);
void thrum_locals_put(struct locals *values);

/* The calling thread, which runs no task, sees these; NULL: none. The caller has a reference. */
void thrum_locals_borrow(struct locals *values);

/* ---- starts ---------------------------------------------------------------------------------- */

/*
 * The running task spawns this into the group: if it sees other values there
 * than here, let the child or task start in a stamp. 0 or -ENOMEM.
 */
int thrum_locals_stamp(struct thrum_child *child, struct thrum_group *group);
int thrum_locals_give(struct thrum_task *task, struct thrum_group *group);

/* The task has ended, or was not spawned. */
void thrum_locals_take_back(struct thrum_task *task);

/* A branch begins, elsewhere than in its join: keep what it has inherited. 0 or -ENOMEM. */
int thrum_locals_capture(struct thrum_scope *start);

#endif
