/*
 * once.h - something that is done once, by the first task that needs it.
 *
 *   class   lock-free once it is done; the wait list has a lock bit of its own:
 *           a thread stopped there delays only users of this object
 */
#ifndef THRUM_ONCE_H
#define THRUM_ONCE_H

#include <thrum/types.h>

THRUM_BEGIN_DECLS

/* Its fields are the runtime's own. 32 bytes. Never copy one. */
typedef struct thrum_once {
    void *first;
    void *last;
    uint32_t lock;
    uint32_t state;
    uint64_t owner;
} thrum_once;

#define THRUM_ONCE_INIT     \
    {                       \
        NULL, NULL, 0, 0, 0 \
    }

/*
 * Run fn(arg) unless that has succeeded before; while another task is at it,
 * wait for that one. If it fails (a negative status, a cancel's too), it has
 * not been done: its own task gets that status, and who has waited longest
 * tries in its turn, with its own function.
 *
 *   context   task
 *   suspends  as fn does, or while another task is at it; now and then even so
 *   returns   0: it is done; what fn returned, if that was negative; THRUM_ECANCELED; -ENOMEM;
 *             -EDEADLK: called by fn itself
 */
THRUM_API THRUM_NODISCARD int thrum_once_run(thrum_once *once, thrum_fn fn, void *arg);

/* Has it been done? Then all that it did is seen. Any thread. */
THRUM_API bool thrum_once_done(const thrum_once *once);

THRUM_END_DECLS

#endif
