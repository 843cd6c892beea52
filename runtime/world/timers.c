/*
 * timers.c - a binary heap.
 *
 * What is no longer wanted goes when it comes to the top, and all of it when the heap would
 * have to grow, so that there are at most twice as many entries as ever were wanted at once.
 */
#include "runtime/world/timers.h"

#include <errno.h>

#include "runtime/plat/memory.h"
#include "runtime/sched/worker.h"

#define FRONTIER 64 /* places that a list may have in view */

static bool before(const struct sim_timer *a, const struct sim_timer *b)
{
    return a->when < b->when || (a->when == b->when && a->serial < b->serial);
}

static bool wanted(const struct sim_timers *timers, const struct sim_timer *timer)
{
    return timers->verbs->pending(timer->timer, timer->key);
}

/* ---- the heap -------------------------------------------------------------------------------- */

static void rise(struct sim_timers *timers, size_t at)
{
    struct sim_timer timer = timers->heap[at];

    for (; at > 0 && before(&timer, &timers->heap[(at - 1) / 2]); at = (at - 1) / 2)
        timers->heap[at] = timers->heap[(at - 1) / 2];
    timers->heap[at] = timer;
}

static void sink(struct sim_timers *timers, size_t at)
{
    struct sim_timer timer = timers->heap[at];

    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= timers->count)
            break;
        if (child + 1 < timers->count && before(&timers->heap[child + 1], &timers->heap[child]))
            child++;
        if (!before(&timers->heap[child], &timer))
            break;
        timers->heap[at] = timers->heap[child];
        at = child;
    }
    timers->heap[at] = timer;
}

struct sim_timer thrum_sim_timers_take(struct sim_timers *timers, size_t place)
{
    struct sim_timer taken = timers->heap[place];

    timers->heap[place] = timers->heap[--timers->count];
    if (place < timers->count) {
        sink(timers, place);
        rise(timers, place);
    }
    return taken;
}

static void drop_unwanted(struct sim_timers *timers)
{
    size_t kept = 0;

    for (size_t i = 0; i < timers->count; i++)
        if (wanted(timers, &timers->heap[i]))
            timers->heap[kept++] = timers->heap[i];
    timers->count = kept;
    for (size_t i = kept / 2; i-- > 0;)
        sink(timers, i);
}

static NOINLINE bool make_room(struct sim_timers *timers)
{
    drop_unwanted(timers);
    return 2 * timers->count < timers->capacity ||
           thrum_memory_reserve(&timers->heap, timers->capacity, &timers->capacity,
                                sizeof *timers->heap);
}

int thrum_sim_timers_add(struct sim_timers *timers, int64_t when, struct timer *timer, uint64_t key,
                         struct player *armer)
{
    size_t at;

    if (UNLIKELY(timers->count == timers->capacity) && !make_room(timers))
        return -ENOMEM;
    at = timers->count++;
    timers->heap[at] = (struct sim_timer){when, ++timers->serial, timer, key, armer};
    if (at > 0 && when < timers->heap[(at - 1) / 2].when) /* most are later than all */
        rise(timers, at);
    return 0;
}

void thrum_sim_timers_fini(struct sim_timers *timers)
{
    thrum_memory_put(timers->heap);
}

/* ---- looking --------------------------------------------------------------------------------- */

struct sim_timer *thrum_sim_timers_first(struct sim_timers *timers)
{
    while (timers->count > 0 && !wanted(timers, &timers->heap[0]))
        (void)thrum_sim_timers_take(timers, 0);
    return timers->count > 0 ? &timers->heap[0] : NULL;
}

/* Those whose parents were passed wait in the frontier, the first of them is next. */
size_t thrum_sim_timers_list(const struct sim_timers *timers, int64_t limit, size_t n,
                             size_t places[SIM_TIMERS_MOST])
{
    size_t frontier[FRONTIER], width = 0, found = 0;

    if (timers->count > 0)
        frontier[width++] = 0;
    while (width > 0 && found < n) {
        size_t best = 0, place;

        for (size_t i = 1; i < width; i++)
            if (before(&timers->heap[frontier[i]], &timers->heap[frontier[best]]))
                best = i;
        place = frontier[best];
        frontier[best] = frontier[--width];
        if (timers->heap[place].when > limit)
            break;
        if (wanted(timers, &timers->heap[place]))
            places[found++] = place;
        for (size_t child = 2 * place + 1; child <= 2 * place + 2; child++)
            if (child < timers->count && width < FRONTIER)
                frontier[width++] = child;
    }
    return found;
}
