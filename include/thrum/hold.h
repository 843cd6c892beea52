/*
 * hold.h - threads outside that wake tasks, and reports of who waits for what.
 *
 * When every task of a runtime waits, and nothing can wake one, the tasks under
 * way are deadlocked: a report of who waits for what is written, and they are
 * cancelled, once, with the reason THRUM_EDEADLOCK. A root task that ends
 * cancelled for it makes thrum_run return THRUM_EDEADLOCK. If tasks still wait
 * when all has come to rest again, the process stops with a second report.
 *
 * What can wake a task is known to the runtime: another task, a timer, and,
 * with THRUM_HANDLE_SIGINT, the first SIGINT. A thread that runs no task, or
 * a task of another runtime, is not: who lets one set an event, say, that tasks
 * here wait for, announces it with a hold, from before they may wait until the
 * wake has been made. A wake without a hold comes too late if it comes after the
 * report; while the report is being written it stops the process.
 *
 *     thrum_hold(runtime, "the printer's thread");
 *     ... the thread sets the event ...
 *     thrum_release(runtime);
 *
 * A deadlock of some tasks while others run is not found; thrum_dump shows it.
 *
 * In a simulated world somebody outside is of the real one: while a hold is out and no task can go
 * on, he is waited for, and virtual time passes no faster than real time does.
 */
#ifndef THRUM_HOLD_H
#define THRUM_HOLD_H

#include <thrum/run.h>
#include <thrum/types.h>

THRUM_BEGIN_DECLS

/*
 * Somebody outside will wake tasks of the runtime: as long as a hold is out,
 * waiting for ever is no deadlock. Holds are counted. `reason` (a constant
 * string, or NULL) is for reports. Any thread may release; to close the runtime
 * waits until all holds have been released.
 *
 *   context   any thread
 *   suspends  no
 *   misuse    a release without a hold: the process stops
 */
THRUM_API void thrum_hold(thrum_runtime *runtime, const char *reason);
THRUM_API void thrum_release(thrum_runtime *runtime);

/*
 * The same for somebody who may wake tasks, or never come: a signal, an operator, a call that was
 * abandoned. To wait for him for ever is no deadlock; but nobody waits until he has come: while
 * only loose holds are out, thrum_settle and thrum_advance (test.h) go on, a clock that jumps
 * jumps. In a simulated world it is as if nobody were there: time passes, and to wait for ever is
 * a deadlock.
 *
 *   context   as above; each is released by its own function
 */
THRUM_API void thrum_hold_loosely(thrum_runtime *runtime, const char *reason);
THRUM_API void thrum_release_loosely(thrum_runtime *runtime);

/*
 * Write to a file descriptor what every sleeping task of every runtime of the
 * process waits for: a line each, indented below the task that waits for it.
 * Tasks go on meanwhile, so lines may be of different moments; a task that
 * joins its tasks is shown if one of them sleeps. Not for signal handlers.
 *
 *   context   any thread
 *   suspends  no
 *   returns   0; -errno: what write(2) said
 */
THRUM_API int thrum_dump(int fd);

THRUM_END_DECLS

#endif
