/*
 * select.h - what a select needs to know of the objects that it waits for. Each
 * object's file says it of its own.
 */
#ifndef THRUM_SYNC_SELECT_H
#define THRUM_SYNC_SELECT_H

#include <thrum/select.h>

#include "runtime/task/waiters.h"

struct select_kind {
    const struct waiters_kind *waiters; /* with `ready`, unless its `again` takes nothing */
    struct waiters *(*list)(void *object); /* NULL: the object begins with it */
    uint32_t *(*lock)(void *object);       /* NULL: the list's */
    /* 0; a status: it could never be chosen. NULL: nothing can be wrong. */
    int (*check)(thrum_case *one);
    /* Without the lock. Is it there? It need not be true any more when it is looked at again. */
    bool (*glance)(const thrum_case *one);
    /* Lock held. Fill in what the object wants to find in a waiter that comes. NULL: nothing. */
    void (*enter)(thrum_case *one, struct waiter *self);
    /* Lock held. It was chosen: what the call that waits for it alone would return. NULL: 0. */
    int (*result)(thrum_case *one, const struct waiter *self);
    /* Lock held; free afterwards. NULL: there is nothing to do on leaving it. */
    void (*unlock)(void *object);
};

extern const struct select_kind thrum_select_get;
extern const struct select_kind thrum_select_put;
extern const struct select_kind thrum_select_event;
extern const struct select_kind thrum_select_acquire;
extern const struct select_kind thrum_select_lock;
extern const struct select_kind thrum_select_read;
extern const struct select_kind thrum_select_write;
extern const struct select_kind thrum_select_latch;
extern const struct select_kind thrum_select_promise;

#endif
