/* mend.c - near a history that does not fail any more: see mend.h. */
#include "runtime/explore/mend.h"

#include <errno.h>
#include <string.h>

#include "runtime/plat/memory.h"

#define RUNS_MAX 20000                /* tries */
#define TURNS_MAX ((uint64_t)1 << 22) /* in all of them */
#define FARTHEST 6                    /* steps that the points of a history may have been moved */
#define SINGLY 12 /* deltas that are moved one by one; more are moved together */

/* What has happened to paths. */
struct detour {
    uint32_t prefix; /* a number in front; 0: none */
    bool shorter;    /* the first one has gone */
    uint32_t from;   /* numbers from this one on are moved */
    int shift;       /* so far */
    /* Not 0: so many behind the last one known there is a new one, whom a join would run first. */
    uint32_t newcomer;
};

struct mend {
    struct explorer *explorer;
    struct history *history;
    struct oracle recorded;
    struct delta *some; /* a try, and room for one more in front */
    size_t more;        /* 1: there is one more in front */
    int *moved;         /* the points of each */
    uint64_t runs, turns;
};

/* ---- a try ---------------------------------------------------------------------------------- */

/* The path after the detour: only the first number behind the root is moved. */
static uint64_t detoured(const struct path *path, const struct detour *detour)
{
    struct path now = {.depth = 0};
    uint32_t first = detour->shorter ? 2 : 1;

    if (path->depth > PATH_DEPTH)
        return path->id;
    thrum_path_step(&now, path->numbers[0]);
    if (detour->prefix)
        thrum_path_step(&now, detour->prefix);
    for (uint32_t i = first; i < path->depth; i++) {
        int64_t number = path->numbers[i];

        if (i == first && path->numbers[i] >= detour->from && !(number & HAPPENING_NUMBER))
            number += detour->shift;
        thrum_path_step(&now, number > 0 ? (uint32_t)number : 0);
    }
    return now.id;
}

static uint32_t larger(uint32_t last, const struct path *path)
{
    bool known = path->depth > 1 && !(path->numbers[1] & HAPPENING_NUMBER);

    return known && path->numbers[1] > last ? path->numbers[1] : last;
}

/* The root's last child that is known. */
static uint32_t last_known(const struct history *history)
{
    uint32_t last = 0;

    for (size_t i = 0; i < history->count; i++)
        last = larger(larger(last, &history->places[i].at), &history->places[i].chosen);
    return last;
}

static uint64_t child_of_root(uint32_t number)
{
    struct path path = {.depth = 0};

    thrum_path_step(&path, 0);
    thrum_path_step(&path, number);
    return path.id;
}

/* The one before the newcomer goes first, as it did. */
static void put_first(struct mend *mend, uint32_t newcomer)
{
    uint32_t last = last_known(mend->history);

    mend->more = 1;
    mend->some[0] = (struct delta){.kind = DELTA_GOES,
                                   .at = child_of_root(last + newcomer),
                                   .chosen = child_of_root(last + newcomer - 1)};
}

static void walk_around(struct mend *mend, const struct detour *detour)
{
    const struct history *history = mend->history;
    struct delta *some;

    mend->more = 0;
    if (detour->newcomer)
        put_first(mend, detour->newcomer);
    some = mend->some + mend->more;
    for (size_t i = 0; i < history->count; i++) {
        some[i] = history->deltas[i];
        some[i].at = detoured(&history->places[i].at, detour);
        if (history->deltas[i].kind == DELTA_GOES)
            some[i].chosen = detoured(&history->places[i].chosen, detour);
    }
}

static bool exhausted(const struct mend *mend)
{
    return mend->runs >= RUNS_MAX || mend->turns >= TURNS_MAX;
}

static bool fails(struct mend *mend)
{
    struct explorer *explorer = mend->explorer;
    const struct history *history = mend->history;
    size_t count = history->count + mend->more;
    struct retelling retelling = {.recorded = &mend->recorded};
    int status;

    for (size_t i = 0; i < history->count; i++)
        mend->some[i + mend->more].op = history->deltas[i].op + (uint32_t)mend->moved[i];
    mend->runs++;
    status = thrum_explorer_replay(explorer, mend->some, count, &retelling);
    mend->turns += explorer->sim->steps;
    return status != 0 && status != -ENOMEM && mend->recorded.deltas_count <= count;
}

/* ---- which --------------------------------------------------------------------------------- */

/* Those from i on are moved by `left` steps in all. True: one of these fails. */
static bool move_singly(struct mend *mend, size_t i, int left)
{
    if (i == mend->history->count)
        return left == 0 && fails(mend);
    for (int steps = 0; steps <= left; steps++)
        for (int sign = 1; sign >= (steps ? -1 : 1); sign -= 2) {
            if (exhausted(mend))
                return false;
            mend->moved[i] = sign * steps;
            if (move_singly(mend, i + 1, left - steps))
                return true;
        }
    return false;
}

static bool move_together(struct mend *mend, int steps)
{
    for (size_t i = 0; i < mend->history->count; i++)
        mend->moved[i] = steps;
    return !exhausted(mend) && fails(mend);
}

static bool move(struct mend *mend, int steps)
{
    if (move_together(mend, steps) || (steps && move_together(mend, -steps)))
        return true;
    return steps && mend->history->count > 1 && mend->history->count <= SINGLY &&
           move_singly(mend, 0, steps);
}

/* Is there a path with this number as its first? Those are where a shift may begin. */
static bool begins(const struct history *history, uint32_t number)
{
    for (size_t i = 0; i < history->count; i++) {
        const struct places *places = &history->places[i];

        if ((places->at.depth > 1 && places->at.numbers[1] == number) ||
            (places->chosen.depth > 1 && places->chosen.numbers[1] == number))
            return true;
    }
    return false;
}

static bool try_detour(struct mend *mend, struct detour detour, int steps)
{
    walk_around(mend, &detour);
    return move(mend, steps);
}

/* From each number on that there is. */
static bool try_shifts(struct mend *mend, struct detour detour, int steps)
{
    for (detour.from = 0; detour.from < 256; detour.from++) {
        if (detour.from && !begins(mend->history, detour.from))
            continue;
        if (exhausted(mend))
            return false;
        if (try_detour(mend, detour, steps))
            return true;
    }
    return false;
}

/* All that lie so many steps away: a changed path counts as one. */
static bool try_at(struct mend *mend, int distance)
{
    static const struct detour detours[] = {{.shift = 1},
                                            {.prefix = 1},
                                            {.newcomer = 1},
                                            {.newcomer = 2},
                                            {.shift = -1},
                                            {.shorter = true},
                                            {.newcomer = 3},
                                            {.newcomer = 4},
                                            {.prefix = 2},
                                            {.shift = 2},
                                            {.shift = -2},
                                            {.prefix = 1, .shift = 1},
                                            {.prefix = 2, .shift = 1}};

    if (try_detour(mend, (struct detour){.prefix = 0}, distance))
        return true;
    for (size_t i = 0; distance > 0 && i < sizeof detours / sizeof detours[0]; i++) {
        bool shifts = detours[i].shift != 0;

        if (shifts ? try_shifts(mend, detours[i], distance - 1)
                   : try_detour(mend, detours[i], distance - 1))
            return true;
    }
    return false;
}

static bool search(struct mend *mend)
{
    for (int distance = 1; distance <= FARTHEST && !exhausted(mend); distance++)
        if (try_at(mend, distance))
            return true;
    return false;
}

/* By what has happened. False: there was no memory. */
static bool replace(struct history *history, const struct oracle *recorded)
{
    size_t bytes = recorded->deltas_count * sizeof *history->deltas;
    struct delta *deltas = thrum_memory_get(bytes + 1, 16);

    if (!deltas)
        return false;
    if (bytes)
        memcpy(deltas, recorded->deltas, bytes);
    thrum_memory_put(history->deltas);
    history->deltas = deltas;
    history->count = recorded->deltas_count;
    history->hash = 0;
    return true;
}

bool thrum_mend(struct explorer *explorer, struct history *history, uint64_t *runs)
{
    struct mend mend = {.explorer = explorer, .history = history};
    bool found = false;

    if (history->count == 0)
        return false;
    mend.some = thrum_memory_get((history->count + 1) * sizeof *mend.some, 16);
    mend.moved = thrum_memory_get(history->count * sizeof *mend.moved, 16);
    if (mend.some && mend.moved)
        found = search(&mend);
    if (found)
        found = replace(history, &mend.recorded);
    *runs += mend.runs;
    thrum_oracle_fini(&mend.recorded);
    thrum_memory_put(mend.some);
    thrum_memory_put(mend.moved);
    return found;
}
