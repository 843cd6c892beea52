/*
 * parallel.h - loops over ranges on all cores. For sorting see sort.h.
 *
 * A range is halved until its parts are of `grain` indices at most, and the
 * halves run in parallel (thrum/branch.h). The tree of halves depends on the
 * range and the grain alone, so that a reduction gives the same bits on any
 * number of workers, floating point included. With a grain of 0 there are
 * about a thousand parts.
 *
 * The first part that fails (returns a negative status) stops the others: those
 * that sleep are cancelled, those that have not begun never do. What the calling
 * task is cancelled for reaches them too.
 *
 *   context   task
 *   suspends  until all parts have ended
 *   returns   0; the status of a part that failed; THRUM_ECANCELED; -ENOMEM; -EINVAL: begin lies
 *             beyond end
 */
#ifndef THRUM_PARALLEL_H
#define THRUM_PARALLEL_H

#include <thrum/types.h>

THRUM_BEGIN_DECLS

/* Do [begin, end). 0 or a negative status. */
typedef int (*thrum_range_fn)(size_t begin, size_t end, void *arg);

THRUM_API THRUM_NODISCARD int thrum_parallel_for(size_t begin, size_t end, size_t grain,
                                                 thrum_range_fn fn, void *arg);

/* Add what [begin, end) gives to *sum. 0 or a negative status. */
typedef int (*thrum_map_fn)(size_t begin, size_t end, void *sum, void *arg);
/* Add *right, which stands to the right, to *left. */
typedef void (*thrum_join_fn)(void *left, const void *right, void *arg);

/*
 * Sums of sum_bytes (at most THRUM_SUM_MAX) over parts, joined from left to
 * right. Each part begins with a copy of *sum as it is at the call, which must
 * be the neutral element; *sum becomes the whole. -EINVAL too: sum_bytes is out of range.
 */
#define THRUM_SUM_MAX 512
THRUM_API THRUM_NODISCARD int thrum_parallel_reduce(size_t begin, size_t end, size_t grain,
                                                    thrum_map_fn map, thrum_join_fn join,
                                                    void *sum, size_t sum_bytes, void *arg);

/*
 * The sums of all that stands before each index (Blelloch 1990). Part by part
 * `map` adds up, as above; then write(begin, end, sum, arg) is called for each part
 * with what all before it gives in *sum, adds its own to that, and writes on its
 * way what it likes: before it adds an index what is to its left, or after it,
 * with the index. *sum is the neutral element, and becomes what the last `write` made
 * of it. Parts are of `grain` indices each, but the last.
 *
 *   returns   also -ENOMEM: no memory for a sum of each part
 */
THRUM_API THRUM_NODISCARD int thrum_parallel_scan(size_t begin, size_t end, size_t grain,
                                                  thrum_map_fn map, thrum_map_fn write,
                                                  thrum_join_fn join, void *sum, size_t sum_bytes,
                                                  void *arg);

/* Call each function with its argument, in parallel. */
typedef struct thrum_invocation {
    thrum_fn fn;
    void *arg;
} thrum_invocation;

THRUM_API THRUM_NODISCARD int thrum_parallel_invoke(const thrum_invocation *calls, size_t n);

THRUM_END_DECLS

#endif
