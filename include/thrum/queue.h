/*
 * queue.h - items handed from tasks to tasks: first in first out, last in
 * first out, or by priority.
 *
 * Items have a fixed size and are copied. Waiting tasks are served in the order
 * in which they came. No item is lost or taken twice, whatever is cancelled.
 *
 *   class   one lock bit for each queue; a thread stopped there delays only
 *           users of this queue
 */
#ifndef THRUM_QUEUE_H
#define THRUM_QUEUE_H

#include <thrum/types.h>

THRUM_BEGIN_DECLS

enum thrum_order { THRUM_FIFO = 0, THRUM_LIFO = 1, THRUM_PRIORITY = 2 };

/* Does `a` come out before `b`? Must not suspend; is called under the queue's lock. */
typedef bool (*thrum_before)(const void *a, const void *b);

/* Its fields are the runtime's own. 136 bytes, and the ring. Never copy one. */
typedef struct thrum_queue {
    void *first; /* who waits to get */
    void *last;
    uint32_t lock;
    uint32_t state;
    void *put_first; /* who waits to put */
    void *put_last;
    uint32_t put_lock;
    uint32_t put_state;
    void *join_first; /* who waits for all to be done */
    void *join_last;
    uint32_t join_lock;
    uint32_t order;
    unsigned char *ring;
    thrum_before before;
    size_t item;
    size_t limit; /* 0: unbounded */
    size_t room;  /* of the ring */
    size_t head;
    size_t count;
    size_t unfinished;
} thrum_queue;

typedef struct thrum_queue_options {
    uint32_t size; /* sizeof(thrum_queue_options), set by THRUM_QUEUE_OPTIONS_INIT */
    uint32_t order;      /* enum thrum_order */
    size_t limit;        /* how many items it holds; 0: no limit, it grows */
    void *ring;          /* the caller's memory for `limit` items; NULL: allocated */
    thrum_before before; /* for THRUM_PRIORITY; equal ones come out in any order */
} thrum_queue_options;

#define THRUM_QUEUE_OPTIONS_INIT                        \
    {                                                   \
        sizeof(thrum_queue_options), 0, 0, NULL, NULL   \
    }

/*
 * A queue of items of that many bytes. `options` may be NULL: first in first
 * out, unbounded. 0; -ENOMEM; -EINVAL: an option is out of range.
 */
THRUM_API THRUM_NODISCARD int thrum_queue_init(thrum_queue *queue, size_t item_bytes,
                                               const thrum_queue_options *options);

/* Frees what it has allocated; items that are left are dropped. Misuse: a task still waits. */
THRUM_API void thrum_queue_destroy(thrum_queue *queue);

/*
 * Put a copy of *item; sleep while it is full. A call that is cancelled has put
 * nothing.
 *
 *   context   task
 *   suspends  while it is full; now and then even so, to let others run
 *   returns   0; THRUM_ECANCELED; THRUM_ESHUTDOWN; -ENOMEM
 */
THRUM_API THRUM_NODISCARD int thrum_queue_put(thrum_queue *queue, const void *item);

/*
 * Take one into *item; sleep while it is empty. A call that is cancelled has
 * taken nothing; what *item is then is not said.
 *
 *   context   task
 *   suspends  while it is empty; now and then even so, to let others run
 *   returns   0; THRUM_ECANCELED; THRUM_ESHUTDOWN: it is shut down and empty; -ENOMEM
 */
THRUM_API THRUM_NODISCARD int thrum_queue_get(thrum_queue *queue, void *item);

/* The same without waiting. Any thread. -EAGAIN: it is full; it is empty. */
THRUM_API THRUM_NODISCARD int thrum_queue_try_put(thrum_queue *queue, const void *item);
THRUM_API THRUM_NODISCARD int thrum_queue_try_get(thrum_queue *queue, void *item);

/*
 * Every put is a piece of work; who has got an item says when it is done.
 * Any thread. 0; -EINVAL: it was said more often than items were put.
 */
THRUM_API int thrum_queue_task_done(thrum_queue *queue);

/* Sleep until all that was put is done. Context: task. 0; THRUM_ECANCELED; -ENOMEM. */
THRUM_API THRUM_NODISCARD int thrum_queue_join(thrum_queue *queue);

/*
 * No more puts: they, and those that wait, get THRUM_ESHUTDOWN; gets take what
 * is left, and then get it too. With `immediate` what is left is dropped, and
 * counts as done. Any thread; does not suspend. Again: no harm.
 */
THRUM_API void thrum_queue_shutdown(thrum_queue *queue, bool immediate);

/* How many items it holds; pieces of work not done. A glance. Any thread. */
THRUM_API size_t thrum_queue_count(thrum_queue *queue);
THRUM_API size_t thrum_queue_unfinished(thrum_queue *queue);

THRUM_END_DECLS

#endif
