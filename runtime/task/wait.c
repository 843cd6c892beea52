/*
 * wait.c - one word of state decides who ended a sleep.
 *
 *   OPEN <--commit--> ASLEEP ---fire---> an end
 *     \--------------fire---------------/
 *
 * Whoever moves the word to an end has ended the sleep; the others get false.
 * A fire that comes before the fiber has left its stack leaves the waking to
 * commit. The upper part of the word is the key, which counts the fiber's
 * sleeps: it never comes back, so that a fire that is late misses.
 *
 * A sleep that cancels may end looks once more for them after it has become
 * visible: either who cancels sees the sleep, or the sleep sees the alert. For
 * that look commit takes the sleep back, so that the fiber cannot wake
 * meanwhile and leave the scopes that are looked at.
 *
 * Edges
 *   wait.saved    commit -> fire    the fiber's registers are in memory
 *   wait.ended    fire -> sleep     what the waker wrote before firing
 *   cancel.seen   commit <-> alert  one sees the other
 */
#include "runtime/task/wait.h"

#include "runtime/base/point.h"
#include "runtime/task/scope.h"

static uint64_t key_next(const struct strand *strand)
{
    uint64_t word = load_relaxed(&strand->word); /* relaxed: its key is ours to change */

    return (word & ~(uint64_t)(WAIT_KEY_ONE - 1)) + WAIT_KEY_ONE;
}

static void begin(struct strand *strand, struct wait *wait, uint64_t flags)
{
    wait->strand = strand;
    wait->key = key_next(strand) | flags;
    strand->returns = 0;
    store_relaxed(&strand->what, 0); /* relaxed: nothing goes with it */
    /* MUTANT-OK release: who sees an older look or life than this sleep's wakes it for nothing */
    store_release(&strand->word, wait->key | WAIT_OPEN); /* EDGE wait.saved: what lives on looks */
}

int thrum_wait_begin(struct wait *wait)
{
    struct strand *strand = strand_of(thrum_lane_self()->fiber);

    check_task_runs();
    if (UNLIKELY(!load_relaxed(&strand->slot))) { /* relaxed: a hint, looked at again */
        int err = thrum_strand_enter(strand);

        if (err)
            return err;
    }
    begin(strand, wait, 0);
    return 0;
}

bool thrum_wait_begin_now(struct wait *wait)
{
    const struct thrum_lane *lane = thrum_lane_self();
    const struct fiber *fiber = lane->fiber;
    struct strand *strand = strand_of(fiber);

    if (UNLIKELY(!lane->current || !load_relaxed(&strand->slot) || /* relaxed: a hint */
                 load_relaxed(&fiber->heard) != load_relaxed(&fiber->home->alert)))
        return false; /* relaxed: see thrum_cancel_check */
    begin(strand, wait, 0);
    return true;
}

void thrum_wait_begin_deaf(struct wait *wait)
{
    check_task_runs();
    begin(strand_of(thrum_lane_self()->fiber), wait, WAIT_DEAF);
}

static bool move(struct wait *wait, uint64_t from, uint64_t to)
{
    uint64_t seen = wait->key | from;

    return cas_seq(&wait->strand->word, &seen, wait->key | to); /* EDGE wait.saved, wait.ended,
                                                                   cancel.seen */
}

static void commit(void *arg, struct fiber *left)
{
    struct wait wait = *(const struct wait *)arg; /* gone once the fiber is awake */
    struct strand *strand = wait.strand;
    const uint64_t *alert = &left->home->alert;

    for (;;) {
        uint64_t looked = load_relaxed(&strand->looked); /* relaxed: ours while it is OPEN */

        POINT("wait.commit");
        if (!move(&wait, WAIT_OPEN, WAIT_ASLEEP))
            break;
        if (wait.key & WAIT_DEAF || LIKELY(load_relaxed(alert) == looked))
            return; /* relaxed: the move is a full fence; EDGE cancel.seen */
        POINT("wait.unsleep");
        if (!move(&wait, WAIT_ASLEEP, WAIT_OPEN))
            return; /* woken */
        if (thrum_scope_look_for(left)) {
            move(&wait, WAIT_OPEN, WAIT_CANCELLED);
            break;
        }
    }
    thrum_ready(left);
}

enum wait_end thrum_wait_sleep(struct wait *wait)
{
    const uint64_t *word = &wait->strand->word;
    uint64_t state = load_acquire(word) & WAIT_STATE; /* EDGE wait.ended */

    if (state == WAIT_OPEN) {
        thrum_suspend(commit, wait);
        /* MUTANT-OK acquire: commit or the door of thrum_ready has acquired it */
        state = load_acquire(word) & WAIT_STATE; /* EDGE wait.ended */
    }
    return (enum wait_end)state;
}

bool thrum_wait_fire(const struct wait *wait, enum wait_end end)
{
    struct fiber *asleep;

    if (!thrum_wait_claim(wait, end, &asleep))
        return false;
    POINT("wait.fired");
    if (asleep)
        thrum_ready(asleep);
    return true;
}

bool thrum_wait_of(struct strand *strand, struct wait *wait)
{
    /* MUTANT-OK acquire: who sees an older look or life than the sleep's wakes it for nothing */
    uint64_t word = load_acquire(&strand->word); /* EDGE wait.saved */
    uint64_t state = word & WAIT_STATE;

    wait->strand = strand;
    wait->key = word & ~(uint64_t)WAIT_STATE;
    return (state == WAIT_OPEN || state == WAIT_ASLEEP) && !(word & WAIT_DEAF);
}

bool thrum_wait_asleep(const struct strand *strand)
{
    return (load_acquire(&strand->word) & WAIT_STATE) == WAIT_ASLEEP; /* EDGE wait.saved */
}

bool thrum_wait_pending(const struct wait *wait)
{
    uint64_t word = load_relaxed(&wait->strand->word); /* relaxed: a guess */
    uint64_t state = word & WAIT_STATE;

    return (word & ~(uint64_t)WAIT_STATE) == wait->key &&
           (state == WAIT_OPEN || state == WAIT_ASLEEP);
}
