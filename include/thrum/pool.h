/*
 * pool.h - a resource pool: a few things that are costly to make, connections
 * for example, lent to one task at a time and used again.
 *
 *     status = thrum_pool_acquire(&pool, &lent);
 *     if (status)
 *         return status;
 *     status = query(lent->resource);
 *     if (status)
 *         (void)thrum_pool_discard(&pool, lent); // broken: destroyed
 *     else
 *         (void)thrum_pool_release(&pool, lent);
 *
 * A pool has places, as many as its limit. A place may have a resource or not;
 * who acquires gets a place, the one whose resource was used last if there is one,
 * and has a resource made if it has none. Places are handed on in the order in
 * which tasks came. Whatever is cancelled, fails or breaks, the place comes back.
 *
 * Resources that have been idle for too long are destroyed when they are met with,
 * by thrum_pool_trim, or by a task that thrum_pool_keep is run as.
 *
 *   class   one lock bit, of a queue; a thread stopped there delays only
 *           users of this pool
 */
#ifndef THRUM_POOL_H
#define THRUM_POOL_H

#include <thrum/event.h>
#include <thrum/queue.h>
#include <thrum/task.h>
#include <thrum/types.h>

THRUM_BEGIN_DECLS

/* A place. What is not `resource` is the library's own. */
typedef struct thrum_pooled {
    void *resource;
    int64_t since; /* when it was released */
    uint64_t next; /* thrum_pooled * */
    uint64_t user; /* atomic: thrum_task *, of thrum_pool_run */
    bool lent;
} thrum_pooled;

/*
 * What a pool is told to do; all are called in the task that needs it, and may
 * suspend.
 *
 * Make a resource: 0, and *resource, which is not NULL; or a negative status, which acquire returns.
 */
typedef int (*thrum_pool_create_fn)(void **resource, void *context);
/* Is it still good? 0; negative: no, it is destroyed and another one made. */
typedef int (*thrum_pool_check_fn)(void *resource, void *context);
/* End it. Cancels do not reach in there. */
typedef void (*thrum_pool_destroy_fn)(void *resource, void *context);

/* Its fields are the library's own. Never copy one. */
typedef struct thrum_pool {
    thrum_queue free; /* of thrum_pooled *: those that are not lent */
    thrum_pooled *places;
    thrum_pooled *own; /* the same, if the pool has allocated them */
    thrum_pool_create_fn create;
    thrum_pool_check_fn check;
    thrum_pool_destroy_fn destroy;
    void *context;
    int64_t idle_ns;
    size_t limit;
    size_t left;        /* who closes: places that have not come back */
    uint64_t existing;  /* atomic: resources */
    uint64_t returned;  /* atomic: thrum_pooled *, those that came back after the shutdown */
    uint64_t giving;    /* atomic: who gives back after the shutdown, and has not left yet */
    uint64_t closing;   /* atomic: 1: it is */
    uint64_t immediate; /* atomic: 1: uses are cancelled too */
    thrum_event came_back;
    thrum_event closed; /* as `closing`, for who sleeps */
} thrum_pool;

typedef struct thrum_pool_options {
    uint32_t size;  /* sizeof(thrum_pool_options), set by THRUM_POOL_OPTIONS_INIT */
    uint32_t limit; /* how many resources there are at most, at least 1 */
    thrum_pool_create_fn create;
    thrum_pool_check_fn check; /* before each resource that was idle is lent; NULL: all are good */
    thrum_pool_destroy_fn destroy;
    void *context;        /* for the three of them */
    int64_t idle_ns;      /* how long one is kept without use; THRUM_FOREVER: always */
    thrum_pooled *places; /* the caller's memory for `limit` places; NULL: allocated */
} thrum_pool_options;

#define THRUM_POOL_OPTIONS_INIT                                                 \
    {                                                                           \
        sizeof(thrum_pool_options), 10, NULL, NULL, NULL, NULL, INT64_MAX, NULL \
    }

/* A pool without resources yet. Any thread. 0; -ENOMEM; -EINVAL: an option is out of range. */
THRUM_API THRUM_NODISCARD int thrum_pool_init(thrum_pool *pool, const thrum_pool_options *options);

/*
 * Free what it has allocated, when close has returned 0, or if there was never anything in it.
 * Any thread. 0; -EBUSY: that is not so, nothing has changed.
 */
THRUM_API int thrum_pool_destroy(thrum_pool *pool);

/*
 * Borrow a resource; sleep until a place is free. A call that is cancelled or
 * fails has borrowed nothing; if it was cancelled while a resource was being
 * checked, that one is destroyed, since nobody knows what it was about to say.
 *
 *   context   task
 *   suspends  until a place is free; as create, check and destroy do
 *   returns   0; THRUM_ECANCELED; THRUM_ESHUTDOWN: it is being closed; what create returned; -ENOMEM
 */
THRUM_API THRUM_NODISCARD int thrum_pool_acquire(thrum_pool *pool, thrum_pooled **lent);

/*
 * Give it back, for others to use.
 *
 *   context   task or any thread
 *   suspends  no
 *   returns   0; -EINVAL: it was not lent
 */
THRUM_API int thrum_pool_release(thrum_pool *pool, thrum_pooled *lent);

/*
 * It is broken: destroy it, and give its place back.
 *
 *   context   task
 *   suspends  as destroy does
 *   returns   0; THRUM_ECANCELED: likewise, and a cancel was delivered here; -EINVAL: it was not
 *             lent
 */
THRUM_API int thrum_pool_discard(thrum_pool *pool, thrum_pooled *lent);

/* What thrum_pool_run calls. */
typedef int (*thrum_pool_use_fn)(void *resource, void *arg);

/*
 * Borrow a resource, call fn(resource, arg) as a task of its own, and give it back;
 * if that task was cancelled the resource is discarded, since nobody knows how
 * far it came. A failure of fn does not say that the resource is broken: that is
 * for the check to find out.
 *
 *   context   task
 *   suspends  as acquire, and as fn does
 *   returns   what acquire says; what fn returned, and what it has said of it becomes what the
 *             calling task has to say; THRUM_ECANCELED: the caller was cancelled;
 *             THRUM_ESHUTDOWN: fn was, by thrum_pool_shutdown
 */
#define thrum_pool_run(pool, fn, arg) thrum_pool_run_at(pool, fn, arg, THRUM_SITE)
THRUM_API THRUM_NODISCARD int thrum_pool_run_at(thrum_pool *pool, thrum_pool_use_fn fn, void *arg,
                                                const struct thrum_site *site);

/*
 * Destroy the resources that have been idle for too long.
 *
 *   context   task
 *   suspends  as destroy does
 *   returns   0; THRUM_ECANCELED: likewise, and a cancel was delivered here
 */
THRUM_API int thrum_pool_trim(thrum_pool *pool);

/*
 * A task's body, that trims the pool whenever a resource has been idle for too
 * long: spawn it with the pool as `arg`. It ends when the pool is being closed, or
 * when it is cancelled, and must have ended before the pool is destroyed.
 */
THRUM_API int thrum_pool_keep(void *pool);

/*
 * Lend no more: who waits, and who comes, gets THRUM_ESHUTDOWN. With `immediate` what
 * thrum_pool_run has called is cancelled; those who have borrowed by themselves are
 * left alone.
 *
 *   context   any thread
 *   suspends  no
 */
THRUM_API void thrum_pool_shutdown(thrum_pool *pool, bool immediate);

/*
 * The same, not immediate if it was not before; then destroy what is idle, wait until what is
 * lent has come back, and destroy that. If it is cancelled it may be called
 * again, and goes on.
 *
 *   context   task; one at a time
 *   suspends  until all is back; as destroy does
 *   returns   0; THRUM_ECANCELED: some may still be lent; -ENOMEM: likewise
 */
THRUM_API THRUM_NODISCARD int thrum_pool_close(thrum_pool *pool);

/* Resources that there are; places that are not lent. A glance. Any thread. */
THRUM_API size_t thrum_pool_existing(const thrum_pool *pool);
THRUM_API size_t thrum_pool_available(thrum_pool *pool);

THRUM_END_DECLS

#endif
