/* memory.c - the one door to the allocator. */
#include "runtime/plat/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime/atomic/verbs.h"

#define HUGE_PAGE ((size_t)2 << 20)
#define RESERVE_FIRST 64 /* places that an array begins with */

static uint32_t countdown = UINT32_MAX; /* atomic; UINT32_MAX: no failure wanted */

void thrum_memory_fail_after(int n)
{
    store_relaxed(&countdown, n < 0 ? UINT32_MAX : (uint32_t)n); /* relaxed: a counter */
}

static bool must_fail(void)
{
    uint32_t left = load_relaxed(&countdown); /* relaxed: a counter */

    while (left != UINT32_MAX)
        if (cas_relaxed(&countdown, &left, left - 1)) /* relaxed: a counter */
            return left == 0;
    return false;
}

void *thrum_memory_get_raw(size_t bytes, size_t align)
{
    bool huge = bytes >= HUGE_PAGE;
    void *memory;

    if (must_fail())
        return NULL;
    if (huge)
        align = HUGE_PAGE;
    bytes = (bytes + align - 1) & ~(align - 1);
    memory = aligned_alloc(align, bytes);
    if (memory && huge)
        (void)madvise(memory, bytes, MADV_HUGEPAGE); /* a wish: a page fault each 2 MiB, not 4 KiB */
    return memory;
}

void *thrum_memory_get(size_t bytes, size_t align)
{
    void *memory = thrum_memory_get_raw(bytes, align);

    if (memory)
        memset(memory, 0, bytes);
    return memory;
}

void thrum_memory_put(void *memory)
{
    free(memory);
}

bool thrum_memory_double(void *table, size_t *mask, size_t first, size_t size,
                         struct memory_before *before)
{
    void *places, *old;
    size_t count;

    memcpy(&old, table, sizeof old);
    count = old ? 2 * (*mask + 1) : first;
    places = thrum_memory_get(count * size, 64);
    if (!places)
        return false;
    *before = (struct memory_before){old, old ? *mask + 1 : 0};
    memcpy(table, &places, sizeof places);
    *mask = count - 1;
    return true;
}

bool thrum_memory_reserve(void *array, size_t count, size_t *capacity, size_t size)
{
    size_t wanted = *capacity ? 2 * *capacity : RESERVE_FIRST;
    void *old, *fresh;

    if (count < *capacity)
        return true;
    fresh = thrum_memory_get(wanted * size, 64);
    if (!fresh)
        return false;
    memcpy(&old, array, sizeof old);
    if (count)
        memcpy(fresh, old, count * size);
    thrum_memory_put(old);
    memcpy(array, &fresh, sizeof fresh);
    *capacity = wanted;
    return true;
}
