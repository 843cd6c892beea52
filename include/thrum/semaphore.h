/*
 * semaphore.h - permits that tasks take and give back.
 *
 * First come, first served: a permit that is handed over is never free in
 * between, and nobody who asks for few overtakes one who asks for many.
 *
 *   class   lock-free while nobody waits; the wait list has a lock bit of its
 *           own: a thread stopped there delays only users of this semaphore
 */
#ifndef THRUM_SEMAPHORE_H
#define THRUM_SEMAPHORE_H

#include <thrum/types.h>

THRUM_BEGIN_DECLS

#define THRUM_PERMITS_MAX 0x7fffffffu

/* Its fields are the runtime's own. 32 bytes. Never copy one. */
typedef struct thrum_sem {
    void *first;
    void *last;
    uint32_t lock;
    uint32_t state;
    uint32_t bound;
    uint32_t debt;
} thrum_sem;

/* With that many permits; the other is bounded: it never has more than it began with. */
#define THRUM_SEM_INIT(permits)                                   \
    {                                                             \
        NULL, NULL, 0, (permits), THRUM_PERMITS_MAX, 0            \
    }
#define THRUM_SEM_INIT_BOUNDED(permits)                           \
    {                                                             \
        NULL, NULL, 0, (permits), (permits), 0                    \
    }

/* At most `bound` permits (0: no bound but THRUM_PERMITS_MAX). 0; -EINVAL: out of range. */
THRUM_API THRUM_NODISCARD int thrum_sem_init(thrum_sem *sem, uint32_t permits, uint32_t bound);

/*
 * Nothing to free, but call it before the memory goes: the last release may still be about to
 * leave. Misuse: a task still waits; the process stops.
 */
THRUM_API void thrum_sem_destroy(thrum_sem *sem);

/*
 * Take n permits; sleep until they can be had. A call that is cancelled has
 * taken none.
 *
 *   context   task
 *   suspends  unless they are free and nobody waits; now and then even so, to let others run
 *   returns   0; THRUM_ECANCELED; -ENOMEM; -EINVAL: n is 0 or above the bound
 */
THRUM_API THRUM_NODISCARD int thrum_sem_acquire(thrum_sem *sem, uint32_t n);

/* Take them if they are free and nobody waits. Any thread. 0; -EAGAIN; -EINVAL. */
THRUM_API THRUM_NODISCARD int thrum_sem_try_acquire(thrum_sem *sem, uint32_t n);

/*
 * Give n permits, and wake who can now go on.
 *
 *   context   task or any thread
 *   suspends  no
 *   returns   0; -EINVAL: there would be more than the bound, nothing has changed
 */
THRUM_API int thrum_sem_release(thrum_sem *sem, uint32_t n);

/*
 * There are to be n permits fewer, for good: free ones go at once, the others when they are given
 * back. Until then nobody is let in. The bound stays as it is; a release brings permits back.
 * (As Java's reducePermits, which is protected there, and Tokio's forget_permits, which takes free
 * ones alone.)
 *
 *   context   task or any thread
 *   suspends  no
 *   returns   0; -EINVAL: more than THRUM_PERMITS_MAX would be outstanding, nothing has changed
 */
THRUM_API int thrum_sem_reduce(thrum_sem *sem, uint32_t n);

/* Free permits; and would an acquire of one wait? A glance. Any thread. */
THRUM_API uint32_t thrum_sem_permits(const thrum_sem *sem);
THRUM_API bool thrum_sem_locked(const thrum_sem *sem);

THRUM_END_DECLS

#endif
