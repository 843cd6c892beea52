/* lent.c - memory that is to come back, counted by thread. */
#include "runtime/sched/lent.h"

#include <thrum/fault.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/atomic/verbs.h"
#include "runtime/base/base.h"
#include "runtime/plat/memory.h"

/*
 * A simulated world has one thread; with several the sum would tell, and nobody asks. Atomic, so
 * that tasks do not seem to race for what is their thread's.
 */
static __thread uint64_t out[LENT_KINDS];
static __thread int dirt = -1;

static void add(enum lent_kind kind, int64_t n)
{
    uint64_t *at = &out[kind];

    store_relaxed(at, load_relaxed(at) + (uint64_t)n); /* relaxed: the thread's own */
}

static void *count(void *memory)
{
    add(LENT_MEMORY, memory != NULL);
    return memory;
}

void thrum_lent_dirt(int byte)
{
    dirt = byte;
}

static void *unfilled(void *memory, size_t bytes)
{
    if (UNLIKELY(dirt >= 0) && memory)
        memset(memory, dirt, bytes);
    return count(memory);
}

void *thrum_lent_get(size_t bytes, size_t align)
{
    return thrum_fault(THRUM_FAULT_MEMORY) ? NULL : count(thrum_memory_get(bytes, align));
}

void *thrum_lent_get_raw(size_t bytes, size_t align)
{
    if (thrum_fault(THRUM_FAULT_MEMORY))
        return NULL;
    return unfilled(thrum_memory_get_raw(bytes, align), bytes);
}

void thrum_lent_put(void *memory)
{
    add(LENT_MEMORY, -(memory != NULL));
    thrum_memory_put(memory);
}

void thrum_lent_note(enum lent_kind kind, int n)
{
    add(kind, n);
}

int64_t thrum_lent_count(enum lent_kind kind)
{
    return (int64_t)load_relaxed(&out[kind]); /* relaxed: the thread's own */
}

const char *thrum_lent_name(enum lent_kind kind)
{
    static const char *const names[LENT_KINDS] = {
        [LENT_MEMORY] = "blocks of memory (errors, locals, queues, thrum_malloc)",
        [LENT_TASK] = "tasks (thrum_task_unref)",
        [LENT_RECORD] = "records of tasks",
        [LENT_DEADLINE] = "timeouts (thrum_timeout_end)",
        [LENT_GENERATOR] = "generators (thrum_generator_close)",
        [LENT_EXECUTOR] = "executors (thrum_executor_close)"};

    return names[kind];
}

void *thrum_malloc(size_t bytes)
{
    return thrum_fault(THRUM_FAULT_MEMORY) ? NULL : unfilled(malloc(bytes), bytes);
}

void *thrum_calloc(size_t n, size_t bytes)
{
    return thrum_fault(THRUM_FAULT_MEMORY) ? NULL : count(calloc(n, bytes));
}

void *thrum_realloc(void *memory, size_t bytes)
{
    void *moved = thrum_fault(THRUM_FAULT_MEMORY) ? NULL : realloc(memory, bytes);

    add(LENT_MEMORY, moved && !memory);
    return moved;
}

void thrum_free(void *memory)
{
    add(LENT_MEMORY, -(memory != NULL));
    free(memory);
}
