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

/* What the calling thread is lent unfilled, thrum_malloc's too, has this byte in it; < 0: anything. */
void thrum_lent_dirt(int byte);

/* What is counted: memory, and what has caches of its own. */
enum lent_kind {
    LENT_MEMORY,
    LENT_TASK,
    LENT_RECORD,
    LENT_DEADLINE,
    LENT_GENERATOR,
    LENT_EXECUTOR,
    LENT_KINDS
};

/* So many of these were got (or, less than 0, put). */
void thrum_lent_note(enum lent_kind kind, int n);

/* How much more often the calling thread has got than put. */
int64_t thrum_lent_count(enum lent_kind kind);

/* "blocks of memory (errors, values, rings of queues, thrum_malloc)" */
const char *thrum_lent_name(enum lent_kind kind);

#endif
