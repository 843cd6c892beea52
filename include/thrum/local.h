/*
 * local.h - values that belong to a task and are inherited by the tasks that
 * it spawns: a request's id, a trace's span, a user, a limit.
 *
 *     static const thrum_local request = THRUM_LOCAL_INIT(NULL, free);
 *
 *     status = thrum_local_set(&request, strdup("GET /"));
 *     ...
 *     log_line(thrum_local_get(&request));
 *
 * A local is a constant object of the program; its address is its name. Each
 * task has a value of its own for each local. A task that is spawned begins
 * with the values that its spawner had at the spawn; whatever either of them
 * sets afterwards, the other does not see. A branch (branch.h) begins with
 * those that its forker had at the fork; only what the forker sets between
 * fork and join, having set a local in the same scope before the fork, the
 * branch may see or not, depending on when it starts. A call on a thread of an
 * executor (executor.h) sees those of the task that made it, and sets none.
 *
 * A value belongs to the tasks that can see it. When nobody can any more, at
 * the latest when the last group that was open while it was set is closed and
 * the task that set it has ended, the local's `drop` is called with it, once,
 * by whichever thread that is. It must not suspend, nor use locals.
 *
 * Locals cost nothing where none is set: children inherit by where they stand,
 * not by being given anything. Setting one copies the addresses of the task's
 * other values: they are meant for a handful, not for hundreds.
 */
#ifndef THRUM_LOCAL_H
#define THRUM_LOCAL_H

#include <thrum/types.h>

THRUM_BEGIN_DECLS

typedef struct thrum_local {
    void *initial;             /* the value where none was set; never dropped */
    void (*drop)(void *value); /* NULL: nothing is to be done */
} thrum_local;

#define THRUM_LOCAL_INIT(initial, drop) \
    {                                   \
        initial, drop                   \
    }

/*
 * The calling task's value. Outside tasks and their calls, the initial one. What it points to
 * is safe until the task sets or resets this local, or ends.
 *
 *   context   any thread
 *   suspends  no
 */
THRUM_API void *thrum_local_get(const thrum_local *local);

/*
 * Set the calling task's value, until it ends or sets another.
 *
 *   context   task
 *   suspends  no
 *   returns   0: the value is dropped when nobody sees it any more; -ENOMEM: nothing has
 *             changed, and the value is still the caller's
 */
THRUM_API THRUM_NODISCARD int thrum_local_set(const thrum_local *local, void *value);

/* Its fields are the runtime's own. In the caller's memory, from swap to reset. */
typedef struct thrum_local_token {
    const thrum_local *local;
    const void *task;
    void *before;
    void *after;
} thrum_local_token;

/*
 * The same, and keep in *token what to go back to. Every swap needs its reset
 * before the task ends; else the process stops.
 */
THRUM_API THRUM_NODISCARD int thrum_local_swap(const thrum_local *local, void *value,
                                               thrum_local_token *token);

/*
 * Give the local the value that it had before the swap, or none. Other locals
 * stay as they are.
 *
 *   context   the task that swapped
 *   suspends  no
 *   returns   0; THRUM_ESTATE: the token was used already; -ENOMEM: nothing has changed, and
 *             the token may be used again. (Never if the task has set nothing since the swap
 *             and is in the same scope.)
 *   misuse    another task's token: the process stops
 */
THRUM_API THRUM_NODISCARD int thrum_local_reset(thrum_local_token *token);

THRUM_END_DECLS

#endif
