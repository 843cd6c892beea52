/*
 * error.h - what went wrong: a tree of failures.
 *
 * A node is about one task or one group. It has a status, the name of whom it
 * is about, a message, the place where the task was spawned, and possibly a
 * cause: the error that was being handled when this one came up. A group's
 * node has the failures of its tasks below it, in the order in which they
 * ended; a node with none below it is a leaf.
 *
 *     house: THRUM_EGROUP: a task of the group failed
 *       disk: EIO: sector 5 is gone (spawned at house.c:20)
 *         caused by: ETIMEDOUT: no answer from the controller
 *       door: EPERM: Operation not permitted (spawned at house.c:21)
 *
 * Nodes never change, and are counted: any number of trees and threads may
 * share one. Whoever gets a `thrum_error *` owns one reference and gives it
 * back with thrum_error_free; what comes as `const thrum_error *` lives as long
 * as the tree that it was taken from. No function but thrum_error_free and
 * thrum_fail_with takes its caller's reference: each adds those that it keeps.
 *
 * NULL is no error, and every function takes it: its code is 0, its texts are
 * empty, and there is nothing below it.
 *
 * Trees may be of any depth: nothing here needs stack for it. All functions:
 *
 *   context   any thread
 *   suspends  no, unless a function does that the caller has passed
 */
#ifndef THRUM_ERROR_H
#define THRUM_ERROR_H

#include <thrum/types.h>

THRUM_BEGIN_DECLS

typedef struct thrum_error thrum_error;

/* ---- reading --------------------------------------------------------------------------------- */

/* The status: -errno, one of Thrum's own, or one of the program's. */
THRUM_API int thrum_error_code(const thrum_error *error);
/* Name of the task or group, at most 27 bytes of it; "" if it has none. */
THRUM_API const char *thrum_error_name(const thrum_error *error);
/* What was said about it, at most 200 bytes; "" if nothing was. */
THRUM_API const char *thrum_error_message(const thrum_error *error);
/* What was being handled when this came up; NULL if nothing was. */
THRUM_API const thrum_error *thrum_error_cause(const thrum_error *error);
/* How many failures there are directly below. */
THRUM_API size_t thrum_error_count(const thrum_error *error);
/* The i-th of them, from 0; NULL if there are not so many. */
THRUM_API const thrum_error *thrum_error_child(const thrum_error *error, size_t i);
/* Not 0: failures directly below, at least so many, were lost for want of memory. */
THRUM_API size_t thrum_error_lost(const thrum_error *error);
/* Where the task was spawned; "" and 0 if that is not known. */
THRUM_API const char *thrum_error_file(const thrum_error *error);
THRUM_API int thrum_error_line(const thrum_error *error);

/* ---- references ------------------------------------------------------------------------------ */

/* One reference more: thus a part of a tree may outlive the whole. */
THRUM_API thrum_error *thrum_error_ref(const thrum_error *error);
/* One reference less; the last one frees the node and lets go of all below it. */
THRUM_API void thrum_error_free(thrum_error *error);

/* ---- making ---------------------------------------------------------------------------------- */

/*
 * A leaf. `format` is printf's; NULL: no message.
 *
 *   returns   NULL: no memory
 *   misuse    a code that is not negative: the process stops
 */
THRUM_API THRUM_NODISCARD __attribute__((format(printf, 2, 3))) thrum_error *
thrum_error_new(int code, const char *format, ...);

/*
 * The same, with a cause: "this came up while that was being handled". The
 * cause may be a tree.
 */
THRUM_API THRUM_NODISCARD __attribute__((format(printf, 3, 4))) thrum_error *
thrum_error_wrap(int code, const thrum_error *cause, const char *format, ...);

/*
 * One THRUM_EGROUP over several errors, in their order; NULLs among them are
 * passed over. `name` is copied, and may be NULL.
 *
 *   returns   0, and *out is the tree, or NULL if there was nothing to merge;
 *             -ENOMEM, and *out is NULL
 */
THRUM_API THRUM_NODISCARD int thrum_error_merge(const char *name, thrum_error *const *errors,
                                                size_t n, thrum_error **out);

/*
 * Say what went wrong, for a task that is about to fail:
 *
 *     return thrum_fail(-EIO, "sector %d is gone", sector);
 *
 * The message goes into the error of the calling task if the task returns that
 * code, and replaces what it has said before. thrum_fail_with does the same with
 * an error, whose reference it takes; with NULL it forgets what was said. Outside
 * tasks they only return the code.
 *
 *   context   any thread
 *   returns   the code
 *   misuse    a code that is not negative: the process stops
 */
THRUM_API __attribute__((format(printf, 2, 3))) int thrum_fail(int code, const char *format, ...);
THRUM_API int thrum_fail_with(thrum_error *error);

/*
 * What the calling task would have for an error if it failed with this code:
 * for who keeps a failure instead of returning it. It has then said nothing.
 *
 *   returns   its error, the receiver's; NULL: no memory
 *   misuse    a code that is not negative: the process stops
 */
THRUM_API THRUM_NODISCARD thrum_error *thrum_fail_take(int code);

/* ---- asking and sorting ---------------------------------------------------------------------- */

typedef bool (*thrum_error_match_fn)(const thrum_error *leaf, void *context);
typedef void (*thrum_error_visit_fn)(const thrum_error *leaf, void *context);

/*
 * Sort the leaves: *yes becomes the tree of those that match, *no that of the
 * others. Both keep the shape of the whole; a node without leaves is left out,
 * and if there are none at all the tree is NULL. What is the same in a part as
 * in the whole is shared. `error` stays as it was. `yes` or `no` may be NULL.
 *
 * Every leaf is asked once, in the order of the tree. Causes go with their
 * node and are not asked. What was lost matches nothing: a node of which
 * thrum_error_lost is not 0 stays in *no, even alone.
 *
 *   returns   0; -ENOMEM, and both are NULL
 */
THRUM_API THRUM_NODISCARD int thrum_error_split(const thrum_error *error,
                                                thrum_error_match_fn match, void *context,
                                                thrum_error **yes, thrum_error **no);

/* For thrum_error_split: leaves with the code that `context`, an int *, points to. */
THRUM_API bool thrum_error_match_code(const thrum_error *leaf, void *context);

/* Does any node have this code? Causes are not asked. */
THRUM_API bool thrum_error_has(const thrum_error *error, int code);

/* Call visit for every leaf, in the order of the tree; how many there are. */
THRUM_API size_t thrum_error_leaves(const thrum_error *error, thrum_error_visit_fn visit,
                                    void *context);

/* ---- showing --------------------------------------------------------------------------------- */

/*
 * Write the tree, a line for each node, indented; needs no memory. Beyond 40
 * levels the indentation stays and the level's number leads the line.
 *
 *   returns   0; -errno: what write(2) said
 */
THRUM_API int thrum_error_print(const thrum_error *error, int fd);

/*
 * The same text into memory, cut off to size - 1 bytes and a final 0; `text`
 * may be NULL if size is 0.
 *
 *   returns   the length of the whole text, the final 0 not counted
 */
THRUM_API size_t thrum_error_format(const thrum_error *error, char *text, size_t size);

THRUM_END_DECLS

#endif
