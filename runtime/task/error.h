/*
 * error.h - nodes of error trees, and how failing tasks hand them to their
 * group.
 *
 * A group keeps one word: the nodes of the tasks that have failed, newest
 * first, and flags in the low bits.
 */
#ifndef THRUM_TASK_ERROR_H
#define THRUM_TASK_ERROR_H

#include <stdarg.h>

#include <thrum/error.h>

#include "runtime/atomic/verbs.h"

#define FAILURES_LOST ((uint64_t)1)      /* a node was lost for want of memory */
#define FAILURES_CANCELLED ((uint64_t)2) /* the group's own; nothing here reads it */
#define FAILURES_LOOK ((uint64_t)4)      /* likewise */
#define FAILURES_SUCCEEDED ((uint64_t)8) /* likewise */
#define FAILURES_FLAGS ((uint64_t)15)    /* nodes are at multiples of 16 */

/* One allocation: the node, its children's addresses, its texts. */
struct thrum_error {
    uint64_t references;       /* atomic */
    struct thrum_error *next;  /* of whoever holds it alone: in a group's list, or when freed */
    struct thrum_error *cause; /* this and all below: constant */
    size_t count;              /* of children */
    size_t lost;
    size_t size; /* nodes of the tree, this one included, without causes */
    size_t span; /* the same with causes and what is below them */
    const char *name;
    const char *message;
    const char *file;
    int line;
    int code;
    struct thrum_error *children[];
};

/*
 * The node of a task that has failed with `status`; NULL: no memory. `file` is
 * a constant string or NULL. `detail`, of which it takes the reference, is what
 * the task itself has to say, or NULL: it counts if its code is the status, and
 * then gives message, cause and children, and the name and place that are not
 * given here. A group's tree with another code becomes the cause.
 */
struct thrum_error *thrum_error_leaf(int status, const char *name, const char *file, int line,
                                     struct thrum_error *detail);

/* As thrum_error_wrap. */
__attribute__((format(printf, 3, 0))) struct thrum_error *
thrum_error_say(int code, struct thrum_error *cause, const char *format, va_list arguments);

/*
 * Add a node to a group's failures, in any thread. It must be fresh from
 * thrum_error_leaf, and is the group's from now on. NULL: it was lost.
 */
void thrum_error_push(uint64_t *failures, struct thrum_error *leaf);

/* The same for a task that says nothing about itself. */
void thrum_error_add(uint64_t *failures, int status, const char *name);

/*
 * The group's tree, of all that was pushed, in that order. The caller has
 * acquired `failures` (EDGE error.add) and owns them; they are taken even if
 * the result is NULL for want of memory. NULL too if there were none.
 */
struct thrum_error *thrum_error_of(uint64_t failures, const char *name);

#endif
