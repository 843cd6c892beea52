/*
 * batcher.h - many small requests made one large one: items are collected until
 * there are enough of them, or the first has waited long enough, and handed to a
 * function together.
 *
 *     static int insert(void **rows, int *statuses, size_t n, void *database);
 *
 *     options.flush = insert;
 *     options.most = 100;
 *     options.wait_ns = thrum_ms(5);
 *     ...
 *     status = thrum_batcher_submit(&batcher, &row); // in any number of tasks
 *
 * Who submits waits until its batch is done, and is told how that went. So an
 * item may stand on its submitter's stack, and results may be written into it.
 *
 * One task, of a group of the caller's, calls the function: one batch after the
 * other, items in the order in which they came.
 *
 *   class   as its semaphore; tasks wait for one that has stopped inside, their workers do not
 */
#ifndef THRUM_BATCHER_H
#define THRUM_BATCHER_H

#include <thrum/event.h>
#include <thrum/semaphore.h>
#include <thrum/task.h>
#include <thrum/types.h>

THRUM_BEGIN_DECLS

/*
 * Do n items at once; may suspend. If it returns a negative status, all are told that; else
 * each is told its own of `statuses`, which begin as 0.
 */
typedef int (*thrum_flush_fn)(void **items, int *statuses, size_t n, void *context);

/* Its fields are the library's own. Never copy one. */
typedef struct thrum_batcher {
    thrum_sem lock; /* one permit */
    thrum_event news;
    thrum_event over; /* its task has ended */
    thrum_task *task;
    thrum_done done;
    thrum_flush_fn flush;
    void *context;
    int64_t wait_ns;
    size_t most;
    void **items; /* room for a batch, */
    int *statuses;
    void *first;      /* lock: who waits to be in one, struct entry */
    void *last;       /* lock */
    uint64_t count;   /* atomic, written under the lock */
    uint64_t inside;  /* atomic: who submits, and has not left yet */
    uint64_t hurry;   /* atomic: do not wait for more */
    uint64_t closing; /* atomic: take no more */
} thrum_batcher;

typedef struct thrum_batcher_options {
    uint32_t size;   /* sizeof(thrum_batcher_options), set by THRUM_BATCHER_OPTIONS_INIT */
    uint32_t unused; /* 0 */
    thrum_flush_fn flush;
    void *context;   /* for flush */
    size_t most;     /* items in a batch, at least 1 */
    int64_t wait_ns; /* how long the first item waits for others; THRUM_FOREVER: until there are
                        enough */
} thrum_batcher_options;

/* A hundred items or a millisecond. */
#define THRUM_BATCHER_OPTIONS_INIT                                 \
    {                                                              \
        sizeof(thrum_batcher_options), 0, NULL, NULL, 100, 1000000 \
    }

/*
 * Start the task that hands over batches. To be closed before the group is.
 *
 *   context   the group's owner, or any task below the group
 *   suspends  as thrum_group_spawn (task.h)
 *   returns   0; -EINVAL: an option is out of range; -ENOMEM; what thrum_group_spawn says
 */
THRUM_API THRUM_NODISCARD int thrum_batcher_open(thrum_batcher *batcher, thrum_group *group,
                                                 const thrum_batcher_options *options);

/*
 * Submit an item, and wait until its batch is done. If the calling task is
 * cancelled, an item that is in no batch yet is taken back; else the end of the batch
 * is waited for, since it uses the item.
 *
 *   context   task
 *   suspends  yes
 *   returns   what flush said of it; THRUM_ECANCELED: the caller was cancelled, and the item was
 *             taken back or its batch is done; THRUM_ESHUTDOWN: the batcher is being closed;
 *             THRUM_EBROKEN: its task has ended, before the batch was done; -EDEADLK: called
 *             by flush, or by a task that it waits for; -ENOMEM: it was taken back
 */
THRUM_API THRUM_NODISCARD int thrum_batcher_submit(thrum_batcher *batcher, void *item);

/* Hand over what there is, without waiting for more. Any thread; does not suspend. */
THRUM_API void thrum_batcher_hurry(thrum_batcher *batcher);

/*
 * Take no more, hand over what there is, and wait until that is done. A cancel of
 * the caller cancels the batch under way, and what is left is told THRUM_EBROKEN.
 * Who submits when it has returned 0 or THRUM_ECANCELED, while its memory is there, is refused.
 *
 *   context   task
 *   suspends  yes
 *   returns   0; THRUM_ECANCELED; -EDEADLK: called by flush; -ENOMEM: nothing was waited for,
 *             close it again; THRUM_ESTATE: it was closed before
 */
THRUM_API THRUM_NODISCARD int thrum_batcher_close(thrum_batcher *batcher);

/* Items that are in no batch yet. A glance. Any thread. */
THRUM_API size_t thrum_batcher_waiting(thrum_batcher *batcher);

THRUM_END_DECLS

#endif
