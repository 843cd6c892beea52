/*
 * rwlock.h - a lock for tasks that many may have for reading, or one for
 * writing; held across suspensions.
 *
 * First come, first served, readers and writers in one queue: readers that
 * follow one another go together, none overtakes a writer who waits, and so
 * nobody starves. Hence no task locks for reading what it has locked for
 * reading already: a writer may have come in between, and each would wait for
 * the other.
 *
 *   class   lock-free while nobody waits; the wait list has a lock bit of its
 *           own: a thread stopped there delays only users of this lock
 */
#ifndef THRUM_RWLOCK_H
#define THRUM_RWLOCK_H

#include <thrum/types.h>

THRUM_BEGIN_DECLS

/* Its fields are the runtime's own. 32 bytes. Never copy one. */
typedef struct thrum_rwlock {
    void *first;
    void *last;
    uint32_t lock;
    uint32_t state;
    uint64_t owner;
} thrum_rwlock;

#define THRUM_RWLOCK_INIT   \
    {                       \
        NULL, NULL, 0, 0, 0 \
    }

/* Unlocked. Same as THRUM_RWLOCK_INIT. */
THRUM_API void thrum_rwlock_init(thrum_rwlock *rwlock);

/*
 * Nothing to free, but call it before the memory goes: the last unlock may still be about to leave.
 * Misuse: it is locked; the process stops.
 */
THRUM_API void thrum_rwlock_destroy(thrum_rwlock *rwlock);

/*
 * Lock it for reading, for writing; sleep until that can be had. A call that
 * is cancelled has not locked it.
 *
 *   context   task
 *   suspends  unless it can be had and nobody waits; now and then even so, to let others run
 *   returns   0; THRUM_ECANCELED; -ENOMEM; -EDEADLK: the calling task has it for writing
 */
THRUM_API THRUM_NODISCARD int thrum_rwlock_read(thrum_rwlock *rwlock);
THRUM_API THRUM_NODISCARD int thrum_rwlock_write(thrum_rwlock *rwlock);

/* The same without waiting. Context: task. 0; -EBUSY. */
THRUM_API THRUM_NODISCARD int thrum_rwlock_try_read(thrum_rwlock *rwlock);
THRUM_API THRUM_NODISCARD int thrum_rwlock_try_write(thrum_rwlock *rwlock);

/*
 * Unlock what was locked for reading, for writing.
 *
 *   context   for writing, the task that has locked it; for reading, any task
 *   suspends  no
 *   misuse    it is not locked that way, or for writing by another task: the process stops
 */
THRUM_API void thrum_rwlock_read_unlock(thrum_rwlock *rwlock);
THRUM_API void thrum_rwlock_write_unlock(thrum_rwlock *rwlock);

THRUM_END_DECLS

#endif
