/*
 * detect.h - mistakes that are found while the program runs.
 *
 * Two kinds. What belongs to a thread, a pthread mutex above all, must not be held by a
 * task that suspends, for it may go on on another thread. Whoever says what he holds
 * (thrum_stay_begin) has it looked at whenever he suspends. Nobody need say it of the C library's
 * locks in a program that links the target `//:detect` as well: it wraps pthread_mutex_lock,
 * mtx_lock and their like at link time (-Wl,--wrap), in all objects that are linked
 * statically; what is locked inside of shared libraries it does not see.
 *
 * The others cost something, and are looked for on runtimes with the flag THRUM_DETECT (run.h).
 * Each that is found is one line for the `report` hook, is counted, and with THRUM_STRICT
 * stops the process:
 *
 *   - a task has ended with a thrum_mutex locked, or a thrum_rwlock for writing: nobody can
 *     ever unlock it. The line says where it was locked
 *   - a task has ended and not joined a branch (branch.h): that stops the process, strict or not,
 *     for the branch is on its stack
 *   - a group is opened that stands open further out: likewise
 *   - a task was told that it is cancelled, by a scope that is not of its own opening, and has
 *     ended with success all the same, so that who asks how it ended never hears of the
 *     cancel. Legitimate: it has taken the request back (thrum_uncancel); the task itself was who
 *     cancelled; it is a root task, whose status is the program's answer, or a daemon, of which
 *     nobody wants more than its end; it says that it means it (thrum_cancel_absorb)
 *   - a task was told so, and has begun to wait THRUM_DETECT_WAITS times since, outside of
 *     shields: it does not seem to end
 *   - a task in a scope of the level style has got THRUM_ECANCELED from THRUM_DETECT_RETURNS
 *     calls in a row, and goes on calling
 */
#ifndef THRUM_DETECT_H
#define THRUM_DETECT_H

#include <thrum/run.h>
#include <thrum/types.h>

THRUM_BEGIN_DECLS

#define THRUM_DETECT_WAITS 100
#define THRUM_DETECT_RETURNS 16

/*
 * From here to the end the caller has something that belongs to its thread: a lock of
 * the C library's, a thread-local variable, somebody else's callback above it on the stack.
 * `object` says which (the lock's address), `what` what it is, for the sentence: a constant string,
 * "the cache's lock". They nest, and may be given back in any order.
 *
 *   context   any thread; means something in tasks
 *   suspends  no
 *   returns   end: false: it was not begun on this thread, or too many were (16)
 *   misuse    the task suspends before the end, or ends, or begins a section of blocking.h, or
 *             leaves one of those in which it has begun this: the process stops
 */
THRUM_API void thrum_stay_begin(const void *object, const char *what);
THRUM_API bool thrum_stay_end(const void *object);

/* begin, for wrappers: `where` is the address of the code to be shown, a return address. */
THRUM_API void thrum_stay_begin_at(const void *object, const char *what, const void *where);

/*
 * What the calling task makes of cancels is its own affair, from here on: it may go on after
 * one, or end with success, and means it. Nothing changes but that this is no mistake.
 *
 *   context   task
 */
THRUM_API void thrum_cancel_absorb(void);

/* How many mistakes were found (see above). Any thread. */
THRUM_API uint64_t thrum_runtime_findings(thrum_runtime *runtime);

THRUM_END_DECLS

#endif
