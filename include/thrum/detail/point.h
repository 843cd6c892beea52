/*
 * point.h - the places at which a simulated world may let another task go first.
 *
 * Not an interface for users: what they may use is in shared.h. In the real
 * world a point is one load of a word that never changes, and a branch.
 */
#ifndef THRUM_DETAIL_POINT_H
#define THRUM_DETAIL_POINT_H

#include <thrum/detail/atomic.h>
#include <thrum/types.h>

THRUM_BEGIN_DECLS

/* What the task is about to do with the object. */
enum thrum_point_kind {
    THRUM_POINT_START, /* begin, or go on after a sleep: nothing that anybody notices */
    THRUM_POINT_READ,
    THRUM_POINT_WRITE,
    THRUM_POINT_RMW,
    THRUM_POINT_ACQUIRE, /* take something that others may want, or wait for it */
    THRUM_POINT_RELEASE, /* give something to others */
    THRUM_POINT_HERE     /* with no object in particular */
};

/* Atomic: how many simulated worlds there are. */
extern THRUM_API uint32_t thrum_simulated;

THRUM_API THRUM_COLD void thrum_point_slow(unsigned what, const void *object);

#ifdef THRUM_MODEL /* the explorer has points of its own */
static inline void thrum_point_at(unsigned what, const void *object)
{
    (void)what;
    (void)object;
}
#else
static inline void thrum_point_at(unsigned what, const void *object)
{
    if (THRUM_UNLIKELY(thrum_load_relaxed_32(&thrum_simulated))) /* relaxed: a task of such a world
                                                                    comes after its making */
        thrum_point_slow(what, object);
}
#endif

THRUM_END_DECLS

#endif
