/*
 * barrier.h - a number of tasks that wait for one another, again and again.
 *
 *   class   one lock bit for each barrier; a thread stopped there delays only
 *           users of this barrier
 */
#ifndef THRUM_BARRIER_H
#define THRUM_BARRIER_H

#include <thrum/types.h>

THRUM_BEGIN_DECLS

/* Its fields are the runtime's own. 32 bytes. Never copy one. */
typedef struct thrum_barrier {
    void *first;
    void *last;
    uint32_t lock;
    uint32_t state;
    uint32_t parties;
    uint32_t waiting;
} thrum_barrier;

/* For that many tasks. 0; -EINVAL: none. */
THRUM_API THRUM_NODISCARD int thrum_barrier_init(thrum_barrier *barrier, uint32_t parties);

/*
 * Nothing to free, but call it before the memory goes: who came last may still be about to leave.
 * Misuse: a task still waits; the process stops.
 */
THRUM_API void thrum_barrier_destroy(thrum_barrier *barrier);

/*
 * Wait until all have come; then it begins anew. *index, unless NULL, becomes
 * the order in which they came, from 0 to parties - 1. Who is cancelled while
 * he waits has not come; if the last one came at the same time, his place is
 * nobody's.
 *
 *   context   task
 *   suspends  but for the last
 *   returns   0; THRUM_ECANCELED; THRUM_EBROKEN: it is broken, or was reset; -ENOMEM
 */
THRUM_API THRUM_NODISCARD int thrum_barrier_wait(thrum_barrier *barrier, uint32_t *index);

/*
 * Who waits gets THRUM_EBROKEN. After a reset it begins anew; after an abort
 * everybody who comes gets it too, until a reset. Any thread; does not suspend.
 */
THRUM_API void thrum_barrier_reset(thrum_barrier *barrier);
THRUM_API void thrum_barrier_abort(thrum_barrier *barrier);

/* How many wait; is it broken? A glance. Any thread. */
THRUM_API uint32_t thrum_barrier_waiting(thrum_barrier *barrier);
THRUM_API bool thrum_barrier_broken(thrum_barrier *barrier);

THRUM_END_DECLS

#endif
