/*
 * error.h - what went wrong in a group: a tree of failures.
 *
 * Immutable. A node has a status, the name of the task or group it is about,
 * and, for THRUM_EGROUP, the failures of the group's tasks in the order in
 * which they ended.
 */
#ifndef THRUM_ERROR_H
#define THRUM_ERROR_H

#include <thrum/types.h>

THRUM_BEGIN_DECLS

typedef struct thrum_error thrum_error;

/*
 *   context   any thread
 *   suspends  no
 */

/* The status: -errno, or one of Thrum's own. */
THRUM_API int thrum_error_code(const thrum_error *error);
/* Name of the task or group; "" if it has none. Lives as long as the error. */
THRUM_API const char *thrum_error_name(const thrum_error *error);
/* How many failures there are directly below. */
THRUM_API size_t thrum_error_count(const thrum_error *error);
/* The i-th of them, from 0; NULL if there are not so many. Freed with its parent. */
THRUM_API const thrum_error *thrum_error_child(const thrum_error *error, size_t i);
/* Failures that could not be recorded for want of memory. */
THRUM_API size_t thrum_error_lost(const thrum_error *error);
/* Print the tree, a line for each node, indented. 0 or -errno. */
THRUM_API int thrum_error_print(const thrum_error *error, int fd);
/* Free the whole tree. NULL is allowed. */
THRUM_API void thrum_error_free(thrum_error *error);

THRUM_END_DECLS

#endif
