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
 * Or the compiler tells of every plain access, and the program stays as it is: its own sources are
 * compiled with -fsanitize=thread, by GCC or Clang, and linked without it, but with a library of
 * functions of that tool's names. In Bazel, and Thrum itself is built as ever:
 *
 *     cc_test(
 *         name = "orders_test",
 *         srcs = ["orders.c", "orders_test.c"],
 *         copts = ["-fsanitize=thread", "-O1"],
 *         deps = ["@thrum", "@thrum//:thrum_hooks"],
 *     )
 *
 * Other sanitizers do not go with it. Atomic operations are points then too. No points are: what a
 * task has on its own stack; what it does between thrum_stay_begin and thrum_stay_end (detect.h:
 * with a lock of the C library's, say); errno, which is kept; the places inside of a struct that is
 * copied; and what the C library does, with GCC memcpy and memset too. What the optimiser has put
 * together is one access: -O0 has the most. Signal handlers must not be compiled so. In the real
 * world each access takes a call, a load and a branch. tools/hooks/hooks.c has the details.
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
