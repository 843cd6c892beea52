/*
 * overflow.h - a stack overflow ends the process with a sentence.
 *
 * The handler runs on a stack of its own, which each thread that runs tasks
 * has to set up. Faults that are not overflows of our stacks go to whoever
 * handled them before.
 */
#ifndef THRUM_PLAT_OVERFLOW_H
#define THRUM_PLAT_OVERFLOW_H

/* Install the handler, once per process. Returns 0 or a negative errno. */
int thrum_overflow_install(void);

/*
 * Give the calling thread an alternate signal stack with a guard, and take it
 * away again. Returns 0 or a negative errno.
 */
int thrum_overflow_thread_init(void);
void thrum_overflow_thread_fini(void);

/* Who names the running task: async-signal-safe; may return NULL. */
void thrum_overflow_set_namer(const char *(*namer)(void));

#endif
