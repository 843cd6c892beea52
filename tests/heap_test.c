/*
 * heap_test.c - the heap of deadlines against a plain list, and scans of it
 * while its owner is at work.
 */
#include <pthread.h>
#include <stdlib.h>

#include "runtime/plat/memory.h"
#include "runtime/work/heap.h"
#include "workers.h"

enum { ITEMS = 3000 };

struct thing {
    uint64_t when; /* atomic: 0: not in the heap */
    uint64_t seen; /* scanner: in which scan */
};

static struct thing things[ITEMS];

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13; /* xorshift64 (Marsaglia 2003) */
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

static void add(struct heap *heap, struct thing *thing, int64_t when)
{
    size_t index;

    CHECK_EQ(thrum_heap_reserve(heap), 0);
    index = thrum_heap_push(heap, (struct heap_entry){when, thing, (uint64_t)when * 3});
    CHECK(thrum_heap_at(heap, index).item == thing);
    store_release(&thing->when, (uint64_t)when);
}

static void take(struct heap *heap, size_t index)
{
    struct heap_entry entry = thrum_heap_at(heap, index);
    struct thing *thing = entry.item;

    CHECK_EQ(entry.when, (int64_t)thing->when);
    CHECK_EQ(entry.key, thing->when * 3);
    store_release(&thing->when, 0);
    thrum_heap_remove(heap, index);
}

static int64_t earliest(size_t *count)
{
    int64_t first = INT64_MAX;

    *count = 0;
    for (int i = 0; i < ITEMS; i++) {
        if (things[i].when == 0)
            continue;
        ++*count;
        first = (int64_t)things[i].when < first ? (int64_t)things[i].when : first;
    }
    return first;
}

static void check_first(const struct heap *heap)
{
    size_t count;
    int64_t first = earliest(&count);

    CHECK_EQ(thrum_heap_count(heap), count);
    if (count > 0)
        CHECK_EQ(thrum_heap_at(heap, 0).when, first);
}

/* One step of a random life; more and fewer entries in turn. */
static void step(struct heap *heap, uint64_t *random, bool grow)
{
    uint64_t dice = random_next(random) % 100;
    struct thing *thing = &things[random_next(random) % ITEMS];
    size_t count = thrum_heap_count(heap);

    if (dice < (grow ? 70u : 30u)) {
        if (thing->when == 0)
            add(heap, thing, (int64_t)(random_next(random) >> dice / 2 | 1) & INT64_MAX);
    } else if (count > 0) {
        take(heap, dice % 2 ? 0 : random_next(random) % count);
    }
}

TEST(the_first_is_always_the_earliest)
{
    struct heap heap = {.count = 0};
    uint64_t random = 88172645463325252u;

    for (int i = 0; i < many(60000); i++) {
        step(&heap, &random, i / 4000 % 2 == 0);
        if (i % 16 == 0)
            check_first(&heap);
    }
    thrum_heap_fini(&heap);
}

TEST(what_comes_out_is_sorted)
{
    struct heap heap = {.count = 0};
    uint64_t random = 2463534242u;
    int64_t last = 0;

    for (int i = 0; i < ITEMS; i++)
        add(&heap, &things[i], (int64_t)(random_next(&random) % 1000) + 1);
    while (thrum_heap_count(&heap) > 0) {
        CHECK_LE(last, thrum_heap_at(&heap, 0).when);
        last = thrum_heap_at(&heap, 0).when;
        take(&heap, 0);
    }
    thrum_heap_fini(&heap);
}

TEST(without_memory_nothing_is_lost)
{
    struct heap heap = {.count = 0};
    int added = 0;

    for (int i = 0; i < ITEMS; i++) {
        thrum_memory_fail_after(i % 3 == 0 ? 0 : -1);
        if (thrum_heap_reserve(&heap) == 0) {
            thrum_heap_push(&heap, (struct heap_entry){ITEMS - i, &things[i], 0});
            added++;
        }
    }
    thrum_memory_fail_after(-1);
    CHECK_EQ(thrum_heap_count(&heap), added);
    for (int last = 0; added > 0; added--) {
        CHECK_LT(last, thrum_heap_at(&heap, 0).when);
        last = (int)thrum_heap_at(&heap, 0).when;
        thrum_heap_remove(&heap, 0);
    }
    thrum_heap_fini(&heap);
}

/* ---- scans ---------------------------------------------------------------------------------- */

static struct heap shared;
static uint32_t stop; /* atomic */

static bool mark(void *arg, int64_t when, void *item)
{
    uint64_t *round = arg;

    (void)when;
    ((struct thing *)item)->seen = *round;
    return true;
}

/* A thing with the same time before and after has been there all the time: times do not repeat. */
static int scan_once(uint64_t round)
{
    static uint64_t before[ITEMS];
    uint64_t version;

    for (int i = 0; i < ITEMS; i++)
        before[i] = load_acquire(&things[i].when);
    if (!thrum_heap_scan(&shared, mark, &round, &version))
        return 0;
    for (int i = 0; i < ITEMS; i++)
        if (before[i] != 0 && load_acquire(&things[i].when) == before[i])
            CHECK_EQ(things[i].seen, round);
    return 1;
}

static void *scan_on(void *arg)
{
    uint32_t *exact = arg; /* atomic */

    for (uint64_t round = 1; !load_acquire(&stop); round++)
        if (scan_once(round))
            add_relaxed(exact, 1); /* relaxed: a counter */
    return NULL;
}

TEST(a_scan_that_says_so_has_seen_all)
{
    uint64_t random = 362436069;
    int64_t next = 1;
    pthread_t thread;
    uint32_t exact = 0; /* atomic */

    CHECK_EQ(pthread_create(&thread, NULL, scan_on, &exact), 0);
    /* relaxed: a counter */
    for (int i = 0; i < many(40000) || load_relaxed(&exact) == 0; i++) {
        struct thing *thing = &things[random_next(&random) % ITEMS];
        size_t count = thrum_heap_count(&shared);

        if (thing->when == 0)
            add(&shared, thing, next++ * 1000003 % 1000000007);
        else
            take(&shared, i % 2 ? 0 : random_next(&random) % count);
        if (i % 64 == 0) /* let one be exact now and then */
            for (volatile int k = 0; k < 20000; k++)
                ;
    }
    store_release(&stop, 1);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(scan_once(UINT64_MAX), 1);
    thrum_heap_fini(&shared);
}
