/*
 * wait.h - one sleep of one task, and the race to end it.
 *
 *     struct wait wait;
 *     int err = thrum_wait_begin(&wait);
 *
 *     if (err)
 *         return err;
 *     make it known to whoever may fire it;
 *     end = thrum_wait_sleep(&wait);
 *
 * A fiber has one wait at a time; its word is the strand's, so that it can be
 * looked at after the sleeper has gone. The key says which of the fiber's
 * sleeps is meant.
 *
 *   class   lock-free
 */
#ifndef THRUM_TASK_WAIT_H
#define THRUM_TASK_WAIT_H

#include "runtime/base/point.h"
#include "runtime/task/strand.h"

/* Who ended a sleep. */
enum wait_end {
    WAIT_WOKEN = 3,     /* what was waited for */
    WAIT_CANCELLED = 4, /* a cancel, or what looked like one: see thrum_cancel_deliver */
    WAIT_TIMED = 5      /* the time was up */
};

/* The word: see wait.c. */
enum wait_state {
    WAIT_OPEN = 1,
    WAIT_ASLEEP = 2,
    /* enum wait_end */
    WAIT_STATE = 7,
    WAIT_DEAF = 8, /* flag: no cancel ends it */
    WAIT_KEY_ONE = 16
};

struct wait {
    struct strand *strand;
    uint64_t key;
};

/*
 * Begin a sleep that cancels can end. The caller has looked for cancels since
 * it last woke (thrum_cancel_check). 0, or -ENOMEM.
 */
int thrum_wait_begin(struct wait *wait);

/*
 * The same, where a lock may be held, if that takes some stores and no more. False: the caller has
 * to look for cancels, or to be entered, first.
 */
bool thrum_wait_begin_now(struct wait *wait);

/* One that they cannot. */
void thrum_wait_begin_deaf(struct wait *wait);

/* Sleep until somebody fires. */
enum wait_end thrum_wait_sleep(struct wait *wait);

/*
 * Any thread. End the sleep. False: somebody else has, or it is long over.
 * When it is true the sleeper may run already.
 */
bool thrum_wait_fire(const struct wait *wait, enum wait_end end);

/*
 * The same in two steps, for who must not wake anybody under a lock: claim,
 * and afterwards, if *asleep, thrum_ready(*asleep).
 */
static inline bool thrum_wait_claim(const struct wait *wait, enum wait_end end,
                                    struct fiber **asleep)
{
    struct strand *strand = wait->strand; /* *wait may be gone once we win */
    uint64_t key = wait->key;
    uint64_t seen = load_relaxed(&strand->word); /* relaxed: a guess */

    do {
        uint64_t state = seen & WAIT_STATE;

        if ((seen & ~(uint64_t)WAIT_STATE) != key || (state != WAIT_OPEN && state != WAIT_ASLEEP))
            return false;
        POINT("wait.fire");
    } while (!cas_acq_rel(&strand->word, &seen, key | end)); /* EDGE wait.saved, wait.ended */
    *asleep = (seen & WAIT_STATE) == WAIT_ASLEEP ? fiber_of(strand) : NULL;
    return true;
}

/* Any thread. Does the strand sleep, or is it about to, so that a cancel may end it? Which sleep? */
bool thrum_wait_of(struct strand *strand, struct wait *wait);

/* Any thread. Does the strand sleep, and has left its stack? */
bool thrum_wait_asleep(const struct strand *strand);

/* Any thread. Has this sleep not ended? A guess. */
bool thrum_wait_pending(const struct wait *wait);

#endif
