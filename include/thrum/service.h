/*
 * service.h - a background service: a task that goes on until it is told to
 * stop, with a beginning and an end that others can wait for.
 *
 *     static int tick(thrum_service *service, void *arg)
 *     {
 *         int status;
 *
 *         thrum_service_ready(service);
 *         while ((status = thrum_service_pause(service, thrum_s(1))) == 0)
 *             ...
 *         return status == THRUM_ESHUTDOWN ? 0 : status;
 *     }
 *
 * It belongs to a group of the caller's. What is submitted to it waits in a
 * queue until it takes it. To stop it is to say so, to let it finish what was
 * submitted, and to cancel it if that takes too long.
 *
 *   class   lock bits of its event, queue and promises; a thread stopped there
 *           delays only users of this service
 */
#ifndef THRUM_SERVICE_H
#define THRUM_SERVICE_H

#include <thrum/event.h>
#include <thrum/promise.h>
#include <thrum/queue.h>
#include <thrum/retry.h>
#include <thrum/task.h>
#include <thrum/types.h>

THRUM_BEGIN_DECLS

typedef struct thrum_service thrum_service;

/* What a service does. Until it calls thrum_service_ready it is starting. */
typedef int (*thrum_service_fn)(thrum_service *service, void *arg);
/* What it does with one item. A failure is counted, and the next one taken. */
typedef int (*thrum_handle_fn)(void *item, void *arg);

/*
 * THRUM_CONTAINED: that it fails is told by thrum_service_stop alone. Else it is
 * a failure of the group as well (task.h), which by default cancels the others.
 */
#define THRUM_CONTAINED 1u

typedef struct thrum_service_options {
    uint32_t size;          /* sizeof(thrum_service_options), set by THRUM_SERVICE_OPTIONS_INIT */
    uint32_t flags;         /* 0, THRUM_CONTAINED */
    const char *name;       /* of its task; copied. NULL: none */
    thrum_service_fn run;   /* one of them: what it does, */
    thrum_handle_fn handle; /* or what it does with each item */
    void *arg;              /* for either */
    size_t item_bytes;      /* of what is submitted; 0: nothing can be */
    size_t limit;           /* how many items may wait; 0: any number */
    uint32_t restarts;      /* if it fails after it was ready, how often it is run again */
    uint32_t unused;        /* 0 */
    const thrum_retry_options *backoff; /* how long after (retry.h); NULL: a second, two, ... */
    thrum_event *ended;                 /* set when it has ended; NULL: none */
} thrum_service_options;

#define THRUM_SERVICE_OPTIONS_INIT                                                       \
    {                                                                                    \
        sizeof(thrum_service_options), 0, NULL, NULL, NULL, NULL, 0, 0, 0, 0, NULL, NULL \
    }

enum thrum_service_state {
    THRUM_SERVICE_STARTING = 0,
    THRUM_SERVICE_RUNNING = 1,    /* it has said that it is ready */
    THRUM_SERVICE_RESTARTING = 2, /* it has failed, and will be run again */
    THRUM_SERVICE_STOPPING = 3,   /* it was told to stop */
    THRUM_SERVICE_ENDED = 4
};

/* Its fields are the library's own. In the caller's memory, from start to stop. Never copy one. */
struct thrum_service {
    thrum_queue inbox;
    thrum_event stop;
    thrum_promise started;
    thrum_task *task;
    thrum_done done;
    thrum_service_fn run;
    thrum_handle_fn handle;
    void *arg;
    thrum_event *ended;
    thrum_backoff backoff;
    size_t item_bytes;
    thrum_error *error; /* of a failure that is not the group's */
    uint64_t state;     /* atomic: enum thrum_service_state */
    uint64_t restarted; /* atomic: how often */
    uint64_t handled;   /* atomic: items, and how many of them failed */
    uint64_t failed;    /* atomic */
    uint64_t failure;   /* atomic: the last status it failed with; int64_t */
    uint32_t restarts;
    uint32_t flags;
    int status; /* how it has ended */
    bool ran;
};

/* ---- its users ------------------------------------------------------------------------------- */

/*
 * Start it, and wait until it is ready. If it ends before, that is this call's
 * failure and not the group's: what it has said of it becomes what the calling task has to
 * say. A cancel of the caller cancels it, and its end is waited for. Unless 0
 * was returned there is nothing to stop.
 *
 *   context   the group's owner, or any task below the group
 *   suspends  yes
 *   returns   0; what it failed with before it was ready; THRUM_ESTATE: it ended well before;
 *             THRUM_ECANCELED; -EINVAL: an option is out of range; -ENOMEM; what
 *             thrum_group_spawn says (task.h)
 */
THRUM_API THRUM_NODISCARD int thrum_service_start(thrum_service *service, thrum_group *group,
                                                  const thrum_service_options *options);

/*
 * Tell it to stop, and wait until it has ended: at most `patience` nanoseconds,
 * then it is cancelled, and its end waited for all the same. 0: it is cancelled at
 * once; THRUM_FOREVER: never. A cancel of the caller cancels it too. Submits are
 * refused from now on; what was submitted it may still take. To be called once.
 *
 * What became of the stop is returned, and how the service has ended is told by *outcome: of a
 * contained failure the error too, which the caller frees (error.h). If `outcome` is NULL a
 * failure of the service is returned in place of all but the caller's cancel, and if it was
 * contained it becomes what the calling task has to say.
 *
 *   context   task
 *   suspends  yes
 *   returns   0: it has ended, by itself or because it was cancelled at once as you wanted;
 *             THRUM_ETIMEOUT: it had to be cancelled, items may be left; THRUM_ECANCELED: the
 *             caller was cancelled, or, without `outcome`, the service, by others. For these it
 *             is gone; -EDEADLK: called by the service itself; -EINVAL: a negative patience;
 *             THRUM_ESTATE: it was stopped before
 */
THRUM_API int thrum_service_stop(thrum_service *service, int64_t patience, thrum_outcome *outcome);

/*
 * Submit a copy of *item; sleep while there is no room.
 *
 *   context   task; try_submit: any thread
 *   suspends  while `limit` items wait; now and then even so, to let others run
 *   returns   0; THRUM_ECANCELED; THRUM_ESHUTDOWN: it is to stop, or has ended; -EINVAL: it takes
 *             no items; -ENOMEM; try_submit: -EAGAIN: there is no room
 */
THRUM_API THRUM_NODISCARD int thrum_service_submit(thrum_service *service, const void *item);
THRUM_API THRUM_NODISCARD int thrum_service_try_submit(thrum_service *service, const void *item);

/* How it is. */
typedef struct thrum_service_health {
    enum thrum_service_state state;
    int failure;        /* the last status it failed with, it may be before a restart; 0: none */
    uint64_t restarted; /* how often */
    uint64_t waiting;   /* items */
    uint64_t handled;   /* items, by a `handle` */
    uint64_t failed;    /* and how many of them failed */
} thrum_service_health;

/* A glance. Any thread, from start to stop. */
THRUM_API void thrum_service_health_get(thrum_service *service, thrum_service_health *health);

/* ---- itself ---------------------------------------------------------------------------------- */

/* It is ready: thrum_service_start returns. Again: no harm. Context: its task. */
THRUM_API void thrum_service_ready(thrum_service *service);

/* Is it to stop? Any thread. */
THRUM_API bool thrum_service_stopping(const thrum_service *service);

/*
 * Sleep, unless it is to stop.
 *
 *   context   its task, or one below
 *   suspends  yes
 *   returns   0: the time is over; THRUM_ESHUTDOWN: it is to stop; THRUM_ECANCELED; -EINVAL: a
 *             negative duration; -ENOMEM
 */
THRUM_API THRUM_NODISCARD int thrum_service_pause(thrum_service *service, int64_t duration);

/*
 * The next item.
 *
 *   context   its task, or those below
 *   suspends  until there is one
 *   returns   0; THRUM_ESHUTDOWN: it is to stop, and there is none left; THRUM_ECANCELED; -EINVAL:
 *             it takes none; -ENOMEM
 */
THRUM_API THRUM_NODISCARD int thrum_service_next(thrum_service *service, void *item);

THRUM_END_DECLS

#endif
