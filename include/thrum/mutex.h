/*
 * mutex.h - a lock for tasks, held across suspensions.
 *
 * First come, first served: who unlocks hands the lock to who has waited
 * longest. Not recursive. Only the task that has locked it unlocks it.
 *
 *   class   lock-free while nobody waits; the wait list has a lock bit of its
 *           own: a thread stopped there delays only users of this mutex
 */
#ifndef THRUM_MUTEX_H
#define THRUM_MUTEX_H

#include <thrum/types.h>

THRUM_BEGIN_DECLS

/* Its fields are the runtime's own. 32 bytes. Never copy one. */
typedef struct thrum_mutex {
    void *first;
    void *last;
    uint32_t lock;
    uint32_t state;
    uint64_t owner;
} thrum_mutex;

#define THRUM_MUTEX_INIT       \
    {                          \
        NULL, NULL, 0, 0, 0    \
    }

/* Unlocked. Same as THRUM_MUTEX_INIT. */
THRUM_API void thrum_mutex_init(thrum_mutex *mutex);

/* Nothing to free. Misuse: it is locked; the process stops. */
THRUM_API void thrum_mutex_destroy(thrum_mutex *mutex);

/*
 * Lock it; sleep until it is free. A call that is cancelled has not locked it.
 *
 *   context   task
 *   suspends  unless it is free; now and then even so, to let others run
 *   returns   0; THRUM_ECANCELED; -ENOMEM; -EDEADLK: the calling task has it already
 */
THRUM_API THRUM_NODISCARD int thrum_mutex_lock(thrum_mutex *mutex);

/* Lock it if it is free. Context: task. Returns 0, -EBUSY. */
THRUM_API THRUM_NODISCARD int thrum_mutex_trylock(thrum_mutex *mutex);

/*
 * Unlock it.
 *
 *   context   the task that has locked it
 *   suspends  no
 *   misuse    it is not locked, or another task's: the process stops
 */
THRUM_API void thrum_mutex_unlock(thrum_mutex *mutex);

/* Is it locked? A glance. Any thread. */
THRUM_API bool thrum_mutex_locked(const thrum_mutex *mutex);

THRUM_END_DECLS

#endif
