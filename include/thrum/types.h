/*
 * types.h - what all of Thrum's headers share: linkage, status codes, task
 * functions.
 *
 * A status is 0 for success or a negative code: -errno for what the world
 * refused, one of the codes below for what Thrum itself has to say. errno is
 * never used to report: a task may wake on another thread, and a thread's
 * errno does not travel with it. Read errno before the next call that may
 * suspend.
 */
#ifndef THRUM_TYPES_H
#define THRUM_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define THRUM_BEGIN_DECLS extern "C" {
#define THRUM_END_DECLS }
#else
#define THRUM_BEGIN_DECLS
#define THRUM_END_DECLS
#endif

#define THRUM_API __attribute__((visibility("default")))
#define THRUM_NODISCARD __attribute__((warn_unused_result))
#define THRUM_COLD __attribute__((cold, noinline))
#define THRUM_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define THRUM_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

#define THRUM_VERSION_MAJOR 0
#define THRUM_VERSION_MINOR 1
#define THRUM_VERSION_PATCH 0

/*
 * Grows whenever a structure that the inline functions touch changes its
 * shape. A program compiled against another layout than the library's is
 * refused at thrum_runtime_create with THRUM_ELAYOUT.
 */
#define THRUM_LAYOUT 2

THRUM_BEGIN_DECLS

/* A task's body. Returns 0 or a negative status; results go through arg. */
typedef int (*thrum_fn)(void *arg);

enum {
    THRUM_EGROUP = -4097,  /* a child of the group failed */
    THRUM_ESTATE = -4098,  /* not in this state of the object's life */
    THRUM_ENESTED = -4099, /* a runtime cannot be started or joined from inside a task */
    THRUM_ELAYOUT = -4100, /* headers and library do not belong together */
    THRUM_ECANCELED = -4101, /* the calling task, or the one asked about, was cancelled */
    THRUM_ETIMEOUT = -4102,  /* a timeout scope's time was up */
    THRUM_EDEADLOCK = -4103, /* every task waited, and nothing could wake one */
    THRUM_EFOREIGN = -4104,  /* an object of another runtime */
    THRUM_ESHUTDOWN = -4105, /* the group, or the queue, is shutting down and takes no more */
    THRUM_EBROKEN = -4106,   /* a barrier was broken, a promise was not kept */
    THRUM_ECLOSED = -4107,   /* no more is wanted of a generator: its body shall end */
    THRUM_ELIVELOCK = -4110, /* a simulated run did not end */
    THRUM_EDIVERGED = -4111, /* a simulated run was repeated, and was not the same */
    THRUM_ECRASHED = -4112,  /* a simulated run has ended its process */
    THRUM_ELEFT = -4113,     /* a simulated run has ended and left something behind */
    THRUM_ERACE = -4114,     /* in a simulated run tasks have shared data without order */
    THRUM_EUNORDERED = -4116, /* no order of its calls explains a history */
    THRUM_ECHECK = -4120     /* something was not as a test expected */
};

/*
 * The code's name ("THRUM_EGROUP", "ENOMEM"), and a sentence about it. Static
 * strings; never NULL.
 *
 *   context   any thread
 */
THRUM_API const char *thrum_errname(int status);
THRUM_API const char *thrum_strerror(int status);

THRUM_END_DECLS

#endif
