/*
 * timers.h - deadlines: each worker has a heap of those that were armed on it.
 *
 * What a timer is for, the layer above knows; it counts the armings of a timer
 * by keys, and two of its verbs (struct task_verbs) say of a key whether it is
 * still wanted, and end it. An arming is ended at least once when its time has
 * come: by its worker, or, if that is late, by the clock's thread.
 *
 *   class   lock-free; arming and expiring take no read-modify-write
 */
#ifndef THRUM_SCHED_TIMERS_H
#define THRUM_SCHED_TIMERS_H

#include "runtime/work/heap.h"

#define TIMER_NEVER INT64_MAX
#define TIMER_BEHIND 80 /* bytes: so far before a timer stands what is asked when it is due */

struct worker;
struct scheduler;

/*
 * In memory that is never unmapped before the scheduler's end, zero-filled at first. Keys
 * of one timer never come again, and it has one arming at a time: the newest.
 */
struct timer {
    uint64_t key;  /* atomic: the newest arming */
    uint64_t when; /* atomic: its time */
    uint64_t home; /* atomic: struct timers *, where it was armed; 0: nowhere */
    size_t place;  /* who arms and calls off: in that heap, unless it has moved since */
};

struct timers {
    struct heap heap;
    uint64_t cursor;    /* owner: how many entries a sweep has before it, towards the first */
    uint64_t voided;    /* owner: how many entries are no longer wanted, and say so: key 0 */
    uint64_t stale;     /* owner: about how many others are no longer wanted */
    uint64_t expected;  /* owner: what that was when the sweep began its round */
    uint64_t forgotten; /* owner: how many have been found since */
    uint64_t counted;   /* owner: how many of `remote` are in `stale` */
    uint32_t rounds;    /* owner: of the sweep */
    bool asks;          /* owner: it asks the timers, in this round */
    uint32_t looked;    /* owner: at which pick it looked at the clock */
    uint64_t next_due __attribute__((aligned(CACHE_LINE))); /* atomic, written by the owner: not
                                                               later than the first */
    uint64_t remote __attribute__((aligned(CACHE_LINE))); /* atomic: called off by others */
};

/*
 * On a worker, for its own heap. The arming `key` of the timer ends at when_ns, unless
 * that is TIMER_NEVER. It must be pending already, and no older one any more; nobody else
 * may arm this timer before the call has returned. 0 or -ENOMEM.
 */
int thrum_timer_arm(struct timer *timer, int64_t when_ns, uint64_t key);

/*
 * By who armed it, but on any thread. The arming is no longer pending, and its entry may go. To be
 * called once for an arming that was called off, before the next; for one that has expired there
 * is no need, it would only cost time.
 */
void thrum_timer_disarm(struct timer *timer, uint64_t key);

/* ---- for the scheduler's own files ---------------------------------------------------------- */

void thrum_timers_init(struct timers *timers);
void thrum_timers_fini(struct timers *timers);

/* Owner. Is anything armed? */
static inline bool timers_any(const struct timers *timers)
{
    /* relaxed: only we write it */
    return load_relaxed(&timers->next_due) != (uint64_t)TIMER_NEVER;
}

/* Owner. Is the first due? */
static inline bool timers_due(const struct timers *timers, int64_t now)
{
    int64_t due = (int64_t)load_relaxed(&timers->next_due); /* relaxed: only we write it */

    return due <= now && due != TIMER_NEVER;
}

/* Owner, on its loop. End what is due, but not without end: the rest at the next call. */
void thrum_timers_expire(struct worker *worker, int64_t now);

/* Owner, with time to spare. Forget a few entries that are no longer wanted. */
void thrum_timers_tidy(struct worker *worker);

/* Owner. How long it may sleep, in ns; negative: as long as it likes. */
int64_t thrum_timers_patience(const struct timers *timers);

/*
 * Is any armed that has not been called off? Exact if everybody is at rest, and if not, somebody
 * who stirs will look again.
 */
bool thrum_timers_wanted(const struct worker *worker);

/* What the clock remembers of a worker's timers. */
struct rescue {
    uint64_t version;  /* of the heap, when it was looked at */
    int64_t done;      /* all that was due then has been ended */
    int64_t next;      /* nothing more is due before, unless the version changes */
    int64_t not_before; /* the next look: looking takes time */
    bool exact;        /* the above holds */
};

/* The clock. End what is due of a worker that is late. */
void thrum_timers_rescue(struct worker *worker, struct rescue *rescue, int64_t now);

#endif
