/*
 * limiter.h - at most so many calls on other threads at once, whatever executors
 * they are made on.
 *
 * An executor limits its threads; a limiter limits one kind of call: those to a
 * library that bears no more, a server that gets angry. Calls that wait for their
 * turn wait as tasks, first come, first served, and keep no thread.
 *
 * A call that was abandoned counts until it has really ended.
 */
#ifndef THRUM_LIMITER_H
#define THRUM_LIMITER_H

#include <thrum/executor.h>
#include <thrum/types.h>

THRUM_BEGIN_DECLS

typedef struct thrum_limiter thrum_limiter;

#define THRUM_LIMITER_MOST 0xffffffu

/*
 * At most `calls` at once. Any thread. 0; -ENOMEM; -EINVAL: calls is 0 or above
 * THRUM_LIMITER_MOST.
 */
THRUM_API THRUM_NODISCARD int thrum_limiter_create(thrum_limiter **out, uint32_t calls);

/*
 * No more calls are made with it by anybody; those that still run keep what they need of it
 * until they have ended. NULL is allowed. Any thread.
 */
THRUM_API void thrum_limiter_close(thrum_limiter *limiter);

/*
 * From now on at most `calls` at once. If that is more, those that have waited longest begin at
 * once; if it is less, those that run go on, and none begins until fewer than that are left
 * (AnyIO's and Trio's CapacityLimiter.total_tokens).
 *
 *   context   any thread
 *   suspends  no
 *   returns   0; -EINVAL: as above, nothing has changed
 */
THRUM_API THRUM_NODISCARD int thrum_limiter_resize(thrum_limiter *limiter, uint32_t calls);

/*
 * How many calls may be under way, how many are, how many wait for their turn, and how many more
 * could begin now. Glances, each at another moment. Any thread.
 */
THRUM_API uint32_t thrum_limiter_total(const thrum_limiter *limiter);
THRUM_API uint32_t thrum_limiter_running(const thrum_limiter *limiter);
THRUM_API uint32_t thrum_limiter_waiting(const thrum_limiter *limiter);
THRUM_API uint32_t thrum_limiter_room(const thrum_limiter *limiter);

/*
 * As thrum_to_thread and thrum_to_thread_copy (executor.h), when there is room.
 *
 *   context   task
 *   suspends  yes
 *   returns   what they say; a call that is cancelled while it waits for its turn never begins.
 *             drop(copy) is called once in any case, but for -ENOMEM, after which there may have
 *             been no copy
 */
THRUM_API THRUM_NODISCARD int thrum_limiter_call(thrum_limiter *limiter, thrum_executor *executor,
                                                 thrum_fn fn, void *arg);
THRUM_API THRUM_NODISCARD int thrum_limiter_call_copy(thrum_limiter *limiter,
                                                      thrum_executor *executor, thrum_fn fn,
                                                      const void *arg, size_t bytes,
                                                      void (*drop)(void *copy));

THRUM_END_DECLS

#endif
