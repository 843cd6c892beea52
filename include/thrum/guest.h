/*
 * guest.h - a runtime inside of somebody else's loop: that of a GUI, a game, a
 * server.
 *
 * With THRUM_GUEST (run.h) a runtime has one worker, and it has no thread. Its
 * tasks run in turns, on the thread that takes them, and so between the loop's own
 * callbacks, whose data they may use without a lock:
 *
 *     the loop waits for thrum_poll_fd(runtime) to be readable, or `next` to pass;
 *     then: thrum_turn(runtime, thrum_ms(2), &next);
 *
 * Tasks are started by thrum_submit and thrum_post (ticket.h), by the loop or by any other
 * thread; thrum_runtime_run and thrum_block_on would wait for turns that their own thread
 * might have to take, and are refused. As the loop may wake tasks at any time, nothing is
 * reported as a deadlock. thrum_runtime_close takes the turns that are left itself.
 */
#ifndef THRUM_GUEST_H
#define THRUM_GUEST_H

#include <thrum/run.h>
#include <thrum/types.h>

THRUM_BEGIN_DECLS

/*
 * A descriptor that is readable while there is something to do: for poll, epoll and the like. It
 * is the runtime's own: not to be read, and not to be closed.
 *
 *   context   any thread
 *   returns   the descriptor; THRUM_ESTATE: the runtime is no guest
 */
THRUM_API int thrum_poll_fd(const thrum_runtime *runtime);

/*
 * Let tasks run, on the calling thread, until all of them wait, or about `budget` nanoseconds have
 * passed (a task is not interrupted). *next, unless NULL: the next turn is due in so many
 * nanoseconds, even if the descriptor is not readable before; 0: at once, there is more to do;
 * THRUM_FOREVER: when the descriptor is readable. Who does not mind *next is a few milliseconds late
 * with timers, no more: they make the descriptor readable too.
 *
 *   context   a thread that runs no task; one at a time, not always the same
 *   returns   0; -EINVAL: a negative budget; THRUM_ENESTED; THRUM_ESTATE: the runtime is no
 *             guest, or another thread is taking a turn
 */
THRUM_API THRUM_NODISCARD int thrum_turn(thrum_runtime *runtime, int64_t budget, int64_t *next);

THRUM_END_DECLS

#endif
