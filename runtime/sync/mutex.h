/* mutex.h - what the condition needs of the mutex. */
#ifndef THRUM_SYNC_MUTEX_H
#define THRUM_SYNC_MUTEX_H

#include <thrum/mutex.h>

#include "runtime/task/waiters.h"

/* Does the running task have it? */
bool thrum_mutex_owned(const thrum_mutex *mutex);

/*
 * Lock it, behind all who wait; the sleep is begun. 0, THRUM_ECANCELED, -ENOMEM. `where`: the
 * return address of the call that locks it, for detect.c.
 */
int thrum_mutex_wait(thrum_mutex *mutex, struct waiter *self, const void *where);

/* Lock it if it is free. 0, -EBUSY. */
int thrum_mutex_try(thrum_mutex *mutex, const void *where);

#endif
