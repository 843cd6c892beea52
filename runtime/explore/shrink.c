/* shrink.c - the fewest places that make the difference. */
#include <string.h>

#include "runtime/explore/explorer.h"
#include "runtime/plat/memory.h"

struct shrink {
    const struct attempts *attempts;
    int status;
    uint64_t runs;
    struct delta *deltas;   /* the fewest so far */
    size_t count;
    struct delta *some; /* room for a try */
};

/* Does it still fail without those in [begin, end)? Then what has happened is all that is left. */
static bool does_without(struct shrink *shrink, size_t begin, size_t end)
{
    size_t count = begin + shrink->count - end, happened;
    const struct delta *recorded;

    memcpy(shrink->some, shrink->deltas, begin * sizeof *shrink->some);
    memcpy(shrink->some + begin, shrink->deltas + end,
           (shrink->count - end) * sizeof *shrink->some);
    shrink->runs++;
    if (shrink->attempts->attempt(shrink->attempts->arg, shrink->some, count, &recorded,
                                  &happened) != shrink->status ||
        happened > count)
        return false;
    shrink->count = happened;
    if (happened)
        memcpy(shrink->deltas, recorded, happened * sizeof *shrink->deltas);
    return true;
}

/* One round: without each of `parts` parts in turn. True: one of them was not needed. */
static bool round_of(struct shrink *shrink, size_t parts)
{
    size_t size = (shrink->count + parts - 1) / parts;

    for (size_t begin = 0; begin < shrink->count; begin += size) {
        size_t end = begin + size < shrink->count ? begin + size : shrink->count;

        if (does_without(shrink, begin, end))
            return true;
    }
    return false;
}

static void minimize(struct shrink *shrink)
{
    size_t parts = 2;

    if (shrink->count == 0 || does_without(shrink, 0, shrink->count))
        return;
    while (shrink->count > 0) {
        if (parts > shrink->count)
            parts = shrink->count;
        if (round_of(shrink, parts))
            parts = parts > 2 ? parts - 1 : 2;
        else if (parts == shrink->count)
            return;
        else
            parts *= 2;
    }
}

size_t thrum_shrink(const struct attempts *attempts, struct delta *deltas, size_t count,
                    int status, uint64_t *runs)
{
    struct shrink shrink = {
        .attempts = attempts, .status = status, .deltas = deltas, .count = count};

    shrink.some = thrum_memory_get((count + 1) * sizeof *shrink.some, 16);
    if (shrink.some)
        minimize(&shrink);
    thrum_memory_put(shrink.some);
    *runs += shrink.runs;
    return shrink.count;
}
