/*
 * iter.h - iterators: things that are asked for one value after the other, and
 * closed. And what is made of them: others that map, filter, take, batch and
 * merge, and arrays.
 *
 *     thrum_iter *iter = thrum_iter_filter(&filter, &lines.iter, is_wanted, NULL);
 *     struct line line;
 *     int status;
 *
 *     while ((status = thrum_iter_next(iter, &line)) > 0)
 *         ...
 *     return thrum_iter_close(iter, status);
 *
 * Generators (generator.h) are iterators: lines.iter above is one's. An iterator
 * of your own is a struct that has a thrum_iter as its first member, and two
 * functions. All of them stand in the caller's memory. One that is made over
 * another has that one for its own: closing it closes both, the outer one
 * first. They are asked by one task at a time.
 *
 * Values are copied; all values of an iterator have the same size.
 *
 *   class   what the iterators below are; these here add nothing, but for
 *           thrum_iter_merge, which is lock-free but for an event's wait list
 */
#ifndef THRUM_ITER_H
#define THRUM_ITER_H

#include <thrum/event.h>
#include <thrum/queue.h>
#include <thrum/semaphore.h>
#include <thrum/task.h>
#include <thrum/types.h>

THRUM_BEGIN_DECLS

typedef struct thrum_iter thrum_iter;

struct thrum_iter {
    int (*next)(thrum_iter *iter, void *item);
    int (*close)(thrum_iter *iter, int status);
    size_t item_bytes;
};

/*
 * The next value, in *item.
 *
 *   context   task, unless the iterator says otherwise
 *   suspends  as the iterator does
 *   returns   1: *item is it; 0: there are no more; a negative status: none could be had. Who
 *             asks again after that may get more, or the end: the iterator says
 */
THRUM_NODISCARD static inline int thrum_iter_next(thrum_iter *iter, void *item)
{
    return iter->next(iter, item);
}

/*
 * No more is wanted. Once, on every path. `status` is the caller's so far.
 *
 *   context   the task that opened what is to be closed
 *   suspends  as the iterator does
 *   returns   the status to go on with
 */
static inline int thrum_iter_close(thrum_iter *iter, int status)
{
    return iter->close(iter, status);
}

/* ---- where values come from ------------------------------------------------------------------ */

/* The fields of these, and of all below, are the library's own. */
typedef struct thrum_array_iter {
    thrum_iter iter;
    const unsigned char *at;
    size_t left;
} thrum_array_iter;

/* n values that stand in an array, which must last. Any thread. */
THRUM_API thrum_iter *thrum_iter_array(thrum_array_iter *array, const void *items, size_t n,
                                       size_t item_bytes);

typedef struct thrum_queue_iter {
    thrum_iter iter;
    thrum_queue *queue;
} thrum_queue_iter;

/*
 * What is put into a queue (queue.h) whose items have that size, until it is
 * shut down and empty. Who asks says thrum_queue_task_done, if anybody waits for
 * that. Closing the iterator does nothing to the queue.
 */
THRUM_API thrum_iter *thrum_iter_queue(thrum_queue_iter *iter, thrum_queue *queue,
                                       size_t item_bytes);

/* ---- what is made of them -------------------------------------------------------------------- */

/* Make *to of *from. 0, or a negative status: next returns that. May suspend. */
typedef int (*thrum_iter_map_fn)(const void *from, void *to, void *arg);

typedef struct thrum_map_iter {
    thrum_iter iter;
    thrum_iter *source;
    thrum_iter_map_fn fn;
    void *arg;
    void *room;
} thrum_map_iter;

/*
 * What fn makes of each value. `room` is the caller's memory for one of the
 * source's. A value that fn fails for is lost; who asks again gets the next one.
 */
THRUM_API thrum_iter *thrum_iter_map(thrum_map_iter *map, thrum_iter *source, void *room,
                                     thrum_iter_map_fn fn, void *arg, size_t item_bytes);

/* 1: keep it; 0: pass it over; a negative status: next returns that. May suspend. */
typedef int (*thrum_iter_filter_fn)(const void *item, void *arg);

typedef struct thrum_filter_iter {
    thrum_iter iter;
    thrum_iter *source;
    thrum_iter_filter_fn fn;
    void *arg;
} thrum_filter_iter;

/* Those values that fn keeps. */
THRUM_API thrum_iter *thrum_iter_filter(thrum_filter_iter *filter, thrum_iter *source,
                                        thrum_iter_filter_fn fn, void *arg);

typedef struct thrum_take_iter {
    thrum_iter iter;
    thrum_iter *source;
    size_t left;
} thrum_take_iter;

/* The first n values, at most: then the end, and the source is not asked. */
THRUM_API thrum_iter *thrum_iter_take(thrum_take_iter *take, thrum_iter *source, size_t n);

/* What thrum_iter_batch hands out. */
typedef struct thrum_batch {
    void *items; /* until the next one is asked for */
    size_t n;
} thrum_batch;

typedef struct thrum_batch_iter {
    thrum_iter iter;
    thrum_iter *source;
    unsigned char *room;
    size_t most;
    size_t count;
} thrum_batch_iter;

/*
 * A thrum_batch of n values each time, in `room`, the caller's memory for so
 * many; the last one may be shorter, and is never empty. When the source fails
 * that is told at once; what had been gathered is kept, and comes with the next
 * batch.
 */
THRUM_API thrum_iter *thrum_iter_batch(thrum_batch_iter *batch, thrum_iter *source, void *room,
                                       size_t n);

typedef struct thrum_merge_source {
    struct thrum_merge_iter *merge;
    struct thrum_merge_source *next; /* among those that have something */
    thrum_iter *source;
    thrum_task *task; /* which asks the source */
    thrum_done done;
    thrum_sem taken;
    void *item;
    thrum_error *error;
    int status;
    bool over; /* and that was told */
} thrum_merge_source;

typedef struct thrum_merge_iter {
    thrum_iter iter;
    thrum_group *group;
    thrum_merge_source *sources;
    size_t n;
    size_t begun;
    size_t left;               /* are not over */
    uint64_t ready;            /* atomic: thrum_merge_source *, newest first */
    thrum_merge_source *taken; /* in order */
    thrum_event event;
} thrum_merge_iter;

/*
 * The values of several iterators, of equal size, as they come: those of each
 * one in their order. Each is asked by a task of its own, which is spawned into
 * the group at the first next, and asks for a value more than was taken.
 * `nodes` is the caller's memory for n sources, and `room` for n values.
 *
 * When a source fails, next returns that once, after what had come before; who
 * asks again gets what the others have. A task that is cancelled, with its group
 * for example, counts as a source that fails with THRUM_ECANCELED. Closing cancels the tasks, waits for
 * them, and closes the sources, the last one first; that is shielded. It must be
 * closed before the group is.
 *
 *   context   next: the group's owner, or a task below the group
 *   returns   next: also THRUM_ECANCELED; what thrum_group_spawn says; -EINVAL: sizes differ
 */
THRUM_API thrum_iter *thrum_iter_merge(thrum_merge_iter *merge, thrum_group *group,
                                       thrum_merge_source *nodes, thrum_iter *const *sources,
                                       size_t n, void *room);

/* ---- where they go --------------------------------------------------------------------------- */

/*
 * All values, in memory that the caller frees by free(); and close it.
 *
 *   context   task
 *   suspends  as the iterator does
 *   returns   0 or more, what close said: *items has *n; else they are NULL and 0, and this is
 *             what next or close said; -ENOMEM
 */
THRUM_API THRUM_NODISCARD int thrum_iter_collect(thrum_iter *iter, void **items, size_t *n);

THRUM_END_DECLS

#endif
