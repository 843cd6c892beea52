/* shrink.c - the fewest places that make the difference. */
#include <string.h>

#include "runtime/explore/failure.h"
#include "runtime/plat/memory.h"

#define JOINS_MAX 20000               /* tries */
#define TRIED_MAX ((uint64_t)1 << 24) /* to be tried in all: then it is short enough */

struct shrink {
    const struct attempts *attempts;
    int status;
    uint64_t runs;
    uint64_t tried;       /* deltas, in all runs */
    unsigned joins;       /* tried */
    struct delta *deltas; /* the fewest so far */
    size_t count;
    struct delta *some; /* room for a try */
};

/* Without those in [begin, end): what is left, in `some`, and how many. */
static size_t leave_out(struct shrink *shrink, size_t begin, size_t end)
{
    memcpy(shrink->some, shrink->deltas, begin * sizeof *shrink->some);
    memcpy(shrink->some + begin, shrink->deltas + end,
           (shrink->count - end) * sizeof *shrink->some);
    return begin + shrink->count - end;
}

/* Does it still fail with these? Then what has happened is all that is left. */
static bool does_with_some(struct shrink *shrink, size_t count)
{
    const struct delta *recorded;
    size_t happened;

    shrink->tried += count;
    if (shrink->tried > TRIED_MAX)
        return false;
    shrink->runs++;
    if (shrink->attempts->attempt(shrink->attempts->arg, shrink->some, count, NULL, &recorded,
                                  &happened) != shrink->status ||
        happened > count)
        return false;
    shrink->count = happened;
    if (happened)
        memcpy(shrink->deltas, recorded, happened * sizeof *shrink->deltas);
    return true;
}

static bool does_without(struct shrink *shrink, size_t begin, size_t end)
{
    return does_with_some(shrink, leave_out(shrink, begin, end));
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

/*
 * A chain of choices, A for B and at once B for C, can be one, A for C, and yet none of its links
 * can be left out. So: at the first of two places what was chosen at the second, with nothing
 * in between. The farthest apart are tried first.
 */
static bool joins(struct shrink *shrink)
{
    for (size_t begin = 0; begin + 1 < shrink->count; begin++)
        for (size_t end = shrink->count - 1; end > begin; end--) {
            size_t count;

            if (shrink->joins == JOINS_MAX)
                return false;
            if (shrink->deltas[begin].kind != DELTA_GOES ||
                shrink->deltas[end].kind != DELTA_GOES ||
                shrink->deltas[begin].chosen == shrink->deltas[end].chosen)
                continue;
            shrink->joins++;
            count = leave_out(shrink, begin + 1, end + 1);
            shrink->some[begin].chosen = shrink->deltas[end].chosen;
            if (does_with_some(shrink, count))
                return true;
        }
    return false;
}

size_t thrum_shrink(const struct attempts *attempts, struct delta *deltas, size_t count, int status,
                    uint64_t *runs)
{
    struct shrink shrink = {
        .attempts = attempts, .status = status, .deltas = deltas, .count = count};

    shrink.some = thrum_memory_get((count + 1) * sizeof *shrink.some, 16);
    if (shrink.some)
        do
            minimize(&shrink);
        while (joins(&shrink));
    thrum_memory_put(shrink.some);
    *runs += shrink.runs;
    return shrink.count;
}
