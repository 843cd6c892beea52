/*
 * latch.h - a count that goes down to 0 once, and lets all pass.
 *
 *   class   lock-free but for the wait list, which has a lock bit of its own: a
 *           thread stopped there delays only users of this latch
 */
#ifndef THRUM_LATCH_H
#define THRUM_LATCH_H

#include <thrum/types.h>

THRUM_BEGIN_DECLS

/* Its fields are the runtime's own. 24 bytes. Never copy one. */
typedef struct thrum_latch {
    void *first;
    void *last;
    uint32_t lock;
    uint32_t state;
} thrum_latch;

#define THRUM_LATCH_INIT(count)     \
    {                               \
        NULL, NULL, 0, (count)      \
    }

/* Same as THRUM_LATCH_INIT. */
THRUM_API void thrum_latch_init(thrum_latch *latch, uint32_t count);

/*
 * Nothing to free, but call it before the memory goes: the last count down may still be about to
 * leave. Misuse: a task still waits; the process stops.
 */
THRUM_API void thrum_latch_destroy(thrum_latch *latch);

/*
 * Take n off the count; at 0 all who wait go on, and nobody waits any more.
 * Any thread; does not suspend. 0; -EINVAL: the count is less than n, nothing has changed.
 */
THRUM_API int thrum_latch_count_down(thrum_latch *latch, uint32_t n);

/*
 * Wait until the count is 0.
 *
 *   context   task
 *   suspends  unless it is; now and then even so, to let others run
 *   returns   0; THRUM_ECANCELED; -ENOMEM
 */
THRUM_API THRUM_NODISCARD int thrum_latch_wait(thrum_latch *latch);

/* The count. A glance. Any thread. */
THRUM_API uint32_t thrum_latch_count(const thrum_latch *latch);

THRUM_END_DECLS

#endif
