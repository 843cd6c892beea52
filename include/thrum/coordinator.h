/*
 * coordinator.h - several services as one: started in the order in which they
 * need each other, stopped in reverse, all of them when one fails.
 *
 *     thrum_service database, cache, web;
 *     static const size_t needs[] = {0, 1};
 *     thrum_part parts[] = {
 *         {&database, &database_options, NULL, 0, THRUM_FOREVER},
 *         {&cache, &cache_options, needs, 1, THRUM_FOREVER},  // needs parts[0]
 *         {&web, &web_options, needs, 2, thrum_s(5)},         // and both of them
 *     };
 *     thrum_coordinator all;
 *
 *     status = thrum_coordinator_start(&all, &group, parts, 3);
 *     if (status)
 *         return status;
 *     status = thrum_coordinator_wait(&all); // until one ends, or a cancel
 *     return thrum_coordinator_stop(&all, status, NULL);
 *
 *   class   as service.h
 */
#ifndef THRUM_COORDINATOR_H
#define THRUM_COORDINATOR_H

#include <thrum/event.h>
#include <thrum/service.h>
#include <thrum/types.h>

THRUM_BEGIN_DECLS

/* One of the services. The last three are the library's own. */
typedef struct thrum_part {
    thrum_service *service;
    const thrum_service_options *options; /* `ended` apart; a failure is always contained */
    const size_t *needs;                  /* the places of those that it needs to be started */
    size_t needs_count;
    int64_t patience;   /* for its stop: see thrum_service_stop */
    size_t order;       /* the place of the part that was started as the i-th one */
    thrum_error *error; /* what it failed with */
    bool placed;
} thrum_part;

/* Its fields are the library's own. Never copy one. */
typedef struct thrum_coordinator {
    thrum_part *parts;
    size_t n;
    size_t started; /* how many of the order are */
    thrum_event ended;
} thrum_coordinator;

/*
 * Start n services in the group, one after the other, each when all that it
 * needs are ready; those that need nothing of each other in the order in which they
 * stand. If one fails to start, those that have are stopped in reverse order. `parts`, and
 * what it points to, must last until stop has returned.
 *
 *   context   the group's owner, or any task below the group
 *   suspends  yes
 *   returns   0; what thrum_service_start says of the one that did not start: there is nothing to
 *             stop; -EINVAL: a place is out of range; -ELOOP: some need each other in a circle
 */
THRUM_API THRUM_NODISCARD int thrum_coordinator_start(thrum_coordinator *coordinator,
                                                      thrum_group *group, thrum_part *parts,
                                                      size_t n);

/*
 * Wait until one of them has ended, well or badly.
 *
 *   context   task
 *   suspends  yes
 *   returns   0: one has, stop them; THRUM_ECANCELED; -ENOMEM
 */
THRUM_API THRUM_NODISCARD int thrum_coordinator_wait(thrum_coordinator *coordinator);

/*
 * Stop all of them, in the reverse order of their start, each with its patience.
 * `status` is the caller's own so far. A cancel of the caller that comes now leaves no more
 * patience: those that are left are cancelled, in that order, and waited for.
 *
 * *errors becomes NULL, or a tree of what services failed with when THRUM_EGROUP
 * is returned (the caller frees it, error.h; NULL even then if there was no memory
 * for it). If `errors` is NULL, it becomes what the calling task has to say if it
 * returns THRUM_EGROUP itself.
 *
 *   context   task; once
 *   suspends  yes
 *   returns   THRUM_EGROUP if a service failed; else status, if that is negative; else
 *             THRUM_ECANCELED, THRUM_ETIMEOUT: one was cancelled, for that reason (service.h);
 *             else status
 */
THRUM_API THRUM_NODISCARD int thrum_coordinator_stop(thrum_coordinator *coordinator, int status,
                                                     thrum_error **errors);

THRUM_END_DECLS

#endif
