/*
 * races.h - ThreadSanitizer in a simulated world, where one thread runs all tasks.
 *
 * What one thread does one after the other is in order for the tool, and no race
 * would be left. So in such a world
 *
 *   - each task has an *identity*: it is a thread of its own for the tool, whichever stack it
 *     runs on and whoever was there before;
 *   - the loop that decides stands apart (sanitizer_stand_apart): going from task to task orders
 *     nothing;
 *   - what the scheduler does for its tasks is hidden (sanitizer_hide), or belongs to whoever runs
 *     and is forgotten at each switch: its queues are no synchronisation among them;
 *   - what is left are the edges of the real world: of the task layer's and the primitives' atomic
 *     operations, and those that go through the scheduler, told in so many words: from a spawn to
 *     the beginning, from thrum_ready to going on.
 *
 * So two tasks that share a word without more race in every history in which they both touch it,
 * and the history is a seed's. What the tool forgets is lost: of each 8 bytes it keeps the last four
 * accesses.
 *
 * In other builds all of this is empty. It takes time, so a world is watched if it is wanted:
 * THRUM_RACES=1 in the environment, or THRUM_EXPLORE_RACES.
 */
#ifndef THRUM_PLAT_RACES_H
#define THRUM_PLAT_RACES_H

#include <stdint.h>

#include "runtime/plat/sanitizer.h"

/* Two accesses to one place that nothing has ordered. */
struct race {
    const void *pcs[2]; /* in the functions that have made them; the later one first */
    const void *address;
};

/* Can they be found? */
bool thrum_races_possible(void);

/*
 * Are worlds that are made now to be watched? If THRUM_RACES stands in the environment, and while
 * somebody wants it.
 */
bool thrum_races_wanted(void);
void thrum_races_want(bool want);

/*
 * From here on races are counted for who asks, and told only if `told`; before, they are reported
 * as the tool does it. What earlier races have left behind is put in order, so that the same are
 * found again.
 */
void thrum_races_begin(bool told);

/* How many there were since. */
uint64_t thrum_races_end(void);

/* The last one. */
struct race thrum_races_last(void);

#ifdef SANITIZER_THREAD

/*
 * On the loop's identity. The flow goes on as a task with one of its own, which comes after
 * sanitizer_release(spawned), on a stack [low, top) that is like new.
 */
void thrum_identity_begin(void *low, void *top, const void *spawned);

/* What reports call it. */
void thrum_identity_name(const char *name);

/*
 * A world has ended. The tool forgets who was in those of the calling thread: of a process that has
 * but one thread a child may be forked and looked at.
 */
void thrum_identities_forget(void);

/* The task has ended. */
void thrum_identity_end(const struct sanitizer_fiber *loop);

#else

static inline void thrum_identity_begin(void *low, void *top, const void *spawned)
{
    (void)low;
    (void)top;
    (void)spawned;
}

static inline void thrum_identity_name(const char *name)
{
    (void)name;
}

static inline void thrum_identities_forget(void)
{
}

static inline void thrum_identity_end(const struct sanitizer_fiber *loop)
{
    (void)loop;
}

#endif

#endif
