/* shrink.c - the fewest places that make the difference. */
#include <string.h>

#include "runtime/explore/explorer.h"
#include "runtime/plat/memory.h"

struct shrink {
    struct explorer *explorer;
    int status;
    uint64_t runs;
    struct oracle recorded; /* what has really happened */
    struct delta *deltas;   /* the fewest so far */
    size_t count;
    struct delta *some; /* room for a try */
};

/* Does it still fail without those in [begin, end)? Then what has happened is all that is left. */
static bool does_without(struct shrink *shrink, size_t begin, size_t end)
{
    size_t count = begin + shrink->count - end;

    memcpy(shrink->some, shrink->deltas, begin * sizeof *shrink->some);
    memcpy(shrink->some + begin, shrink->deltas + end,
           (shrink->count - end) * sizeof *shrink->some);
    shrink->runs++;
    if (thrum_explorer_replay(shrink->explorer, shrink->some, count, NULL, NULL,
                              &shrink->recorded) != shrink->status)
        return false;
    if (shrink->recorded.deltas_count > count)
        return false;
    shrink->count = shrink->recorded.deltas_count;
    memcpy(shrink->deltas, shrink->recorded.deltas, shrink->count * sizeof *shrink->deltas);
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

size_t thrum_explorer_shrink(struct explorer *explorer, struct delta *deltas, size_t count,
                             int status, uint64_t *runs)
{
    struct shrink shrink = {
        .explorer = explorer, .status = status, .deltas = deltas, .count = count};

    shrink.some = thrum_memory_get((count + 1) * sizeof *shrink.some, 16);
    if (shrink.some)
        minimize(&shrink);
    thrum_memory_put(shrink.some);
    thrum_oracle_fini(&shrink.recorded);
    *runs += shrink.runs;
    return shrink.count;
}
