/*
 * lent.h - memory that the runtime gets for a task, and that somebody is to give back: errors,
 * values of locals, copies of arguments, queues' rings. Caches and what lasts as long as a runtime
 * come from plat/memory.h.
 *
 * A simulated world may refuse it (thrum/fault.h), and misses what did not come back.
 */
#ifndef THRUM_SCHED_LENT_H
#define THRUM_SCHED_LENT_H

#include <stddef.h>
#include <stdint.h>

/* As thrum_memory_get, thrum_memory_get_raw and thrum_memory_put. */
void *thrum_lent_get(size_t bytes, size_t align);
void *thrum_lent_get_raw(size_t bytes, size_t align);
void thrum_lent_put(void *memory);

/* So many of something else were got (or, less than 0, put). */
void thrum_lent_note(int n);

/* How much more often the calling thread has got than put. */
int64_t thrum_lent_count(void);

#endif
