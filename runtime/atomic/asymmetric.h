/*
 * asymmetric.h - a fence in two halves: one side pays nothing, the other pays
 * for both.
 *
 * Two threads that each store to one word and then load the other's (Dekker)
 * need a full fence each, so that at least one sees the other's store. The
 * frequent side uses fence_light, the rare side fence_heavy. With
 * membarrier(2) the light half only binds the compiler, and the heavy half
 * makes every running thread of the process pass a full fence somewhere
 * between the call and its return. Where membarrier is missing both halves
 * are full fences.
 */
#ifndef THRUM_ATOMIC_ASYMMETRIC_H
#define THRUM_ATOMIC_ASYMMETRIC_H

#include "runtime/atomic/verbs.h"
#include "runtime/plat/membarrier.h"

/* Set before the first worker starts, constant afterwards. */
extern bool thrum_asymmetric;

#ifndef THRUM_MODEL /* tests/model/atomic.h has its own, which know their line */

static inline void fence_light(void)
{
    if (thrum_asymmetric)
        fence_compiler();
    else
        fence_seq();
}

static inline void fence_heavy(void)
{
    if (thrum_asymmetric)
        thrum_membarrier();
    else
        fence_seq();
}

#endif /* THRUM_MODEL */

#endif
