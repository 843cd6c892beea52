/*
 * thread.h - threads of the runtime.
 */
#ifndef THRUM_PLAT_THREAD_H
#define THRUM_PLAT_THREAD_H

#include <pthread.h>
#include <stdint.h>

/*
 * Start a joinable thread that runs fn(arg) on a stack of 1 MiB. It handles no
 * signals but those that its own instructions cause, and SIGPROF: the others
 * are left to the program's threads. The name is for debuggers and is cut to
 * 15 bytes. Returns 0 or a negative errno, and then *out is untouched.
 */
int thrum_thread_create(pthread_t *out, void *(*fn)(void *), void *arg, const char *name);

/* For tests: see fault.h. The failure is -EAGAIN. */
extern uint32_t thrum_thread_fail_after;

#endif
