/* lent.c - memory that is to come back, counted by thread. */
#include "runtime/sched/lent.h"

#include <thrum/fault.h>

#include <stdlib.h>

#include "runtime/plat/memory.h"

/* A simulated world has one thread; with several the sum would tell, and nobody asks. */
static __thread int64_t out;

static void *count(void *memory)
{
    out += memory != NULL;
    return memory;
}

void *thrum_lent_get(size_t bytes, size_t align)
{
    return thrum_fault(THRUM_FAULT_MEMORY) ? NULL : count(thrum_memory_get(bytes, align));
}

void *thrum_lent_get_raw(size_t bytes, size_t align)
{
    return thrum_fault(THRUM_FAULT_MEMORY) ? NULL : count(thrum_memory_get_raw(bytes, align));
}

void thrum_lent_put(void *memory)
{
    out -= memory != NULL;
    thrum_memory_put(memory);
}

void thrum_lent_note(int n)
{
    out += n;
}

int64_t thrum_lent_count(void)
{
    return out;
}

void *thrum_malloc(size_t bytes)
{
    return thrum_fault(THRUM_FAULT_MEMORY) ? NULL : count(malloc(bytes));
}

void *thrum_calloc(size_t n, size_t bytes)
{
    return thrum_fault(THRUM_FAULT_MEMORY) ? NULL : count(calloc(n, bytes));
}

void *thrum_realloc(void *memory, size_t bytes)
{
    void *moved = thrum_fault(THRUM_FAULT_MEMORY) ? NULL : realloc(memory, bytes);

    out += moved && !memory;
    return moved;
}

void thrum_free(void *memory)
{
    out -= memory != NULL;
    free(memory);
}
