/*
 * shared.h - plain data that tasks share, told to the simulated world.
 *
 * In the simulated world (simulate.h) tasks take turns only where they meet:
 * at the calls of Thrum. What they do to shared memory in between is invisible
 * to it, and so are the bugs that hide there. These macros are the plain
 * accesses in the real world, no atomic ones, and say so to the simulated one.
 *
 *     thrum_shared_store(&account->sum, thrum_shared_load(&account->sum) + 1);
 *
 * In a program built with Clang's ThreadSanitizer the simulated world finds what tasks
 * share without order (explore.h): in plain accesses. Those that are told here are
 * meant, and it does not look at them.
 *
 *   context   anywhere; only inside a task of a simulated world anything happens
 *   suspends  in the simulated world others may run before the access; a cancel is not noticed
 */
#ifndef THRUM_SHARED_H
#define THRUM_SHARED_H

#include <thrum/detail/point.h>
#include <thrum/detail/tsan.h>

#ifdef THRUM_TSAN

/* Names of their own, for one may stand inside of another. */
#define THRUM_SHARED_NAME_2(n) thrum_shared_##n
#define THRUM_SHARED_NAME(n) THRUM_SHARED_NAME_2(n)

#define THRUM_SHARED_DO(what, at, operation, place, value)         \
    (__extension__({                                               \
        __typeof__(*(at)) *place = (at);                           \
        thrum_point_at((what), place);                             \
        thrum_tsan_hide();                                       \
        __typeof__((*place)operation) value = (*place)operation;     \
        thrum_tsan_show();                                       \
        value;                                                     \
    }))

#define THRUM_SHARED_STORE(at, what, place, value)                 \
    (__extension__({                                               \
        __typeof__(*(at)) *place = (at);                           \
        __typeof__(*(at)) value = (what);                          \
        thrum_point_at(THRUM_POINT_WRITE, place);                  \
        thrum_tsan_hide();                                       \
        *place = value;                                            \
        thrum_tsan_show();                                       \
        value;                                                     \
    }))

#define thrum_shared_load(at)                                                     \
    THRUM_SHARED_DO(THRUM_POINT_READ, at, , THRUM_SHARED_NAME(__COUNTER__), \
                    THRUM_SHARED_NAME(__COUNTER__))
#define thrum_shared_store(at, value)                                   \
    THRUM_SHARED_STORE(at, value, THRUM_SHARED_NAME(__COUNTER__), \
                       THRUM_SHARED_NAME(__COUNTER__))
#define thrum_shared_rmw(at, operation)                                                   \
    THRUM_SHARED_DO(THRUM_POINT_RMW, at, operation, THRUM_SHARED_NAME(__COUNTER__), \
                    THRUM_SHARED_NAME(__COUNTER__))

#else

/* The value of *at. */
#define thrum_shared_load(at) (thrum_point_at(THRUM_POINT_READ, (at)), *(at))

/* *at = value, which is found out first. */
#define thrum_shared_store(at, value)                                          \
    (__extension__({                                         \
        __typeof__(*(at)) thrum_shared_value_ = (value);     \
        thrum_point_at(THRUM_POINT_WRITE, (at));             \
        *(at) = thrum_shared_value_;                         \
    }))

/* Read and write in one step, as an atomic access does: thrum_shared_rmw(&n, += 1). */
#define thrum_shared_rmw(at, operation) (thrum_point_at(THRUM_POINT_RMW, (at)), *(at) operation)

#endif

/* Others may go first here. */
#define thrum_point() thrum_point_at(THRUM_POINT_HERE, NULL)

#endif
