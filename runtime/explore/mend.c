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
};

struct mend {
    struct explorer *explorer;
    struct history *history;
    struct oracle recorded;
    struct delta *some; /* a try */
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

static void walk_around(struct mend *mend, const struct detour *detour)
{
    const struct history *history = mend->history;

    for (size_t i = 0; i < history->count; i++) {
        mend->some[i] = history->deltas[i];
        mend->some[i].at = detoured(&history->places[i].at, detour);
        if (history->deltas[i].kind == DELTA_GOES)
            mend->some[i].chosen = detoured(&history->places[i].chosen, detour);
    }
}

static bool exhausted(const struct mend *mend)
{
    return mend->runs >= RUNS_MAX || mend->turns >= TURNS_MAX;
}

static bool fails(struct mend *mend)
{
    struct explorer *explorer = mend->explorer;
    struct history *history = mend->history;
    struct retelling retelling = {.recorded = &mend->recorded};
    int status;

    for (size_t i = 0; i < history->count; i++)
        mend->some[i].op = history->deltas[i].op + (uint32_t)mend->moved[i];
    mend->runs++;
    status = thrum_explorer_replay(explorer, mend->some, history->count, &retelling);
    mend->turns += explorer->sim->steps;
    return status != 0 && status != -ENOMEM && mend->recorded.deltas_count <= history->count;
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
                                            {.shift = -1},
                                            {.shorter = true},
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

bool thrum_mend(struct explorer *explorer, struct history *history, uint64_t *runs)
{
    struct mend mend = {.explorer = explorer, .history = history};
    bool found = false;

    if (history->count == 0)
        return false;
    mend.some = thrum_memory_get(history->count * sizeof *mend.some, 16);
    mend.moved = thrum_memory_get(history->count * sizeof *mend.moved, 16);
    if (mend.some && mend.moved)
        found = search(&mend);
    if (found) {
        history->count = mend.recorded.deltas_count;
        if (history->count)
            memcpy(history->deltas, mend.recorded.deltas, history->count * sizeof *history->deltas);
        history->hash = 0;
    }
    *runs += mend.runs;
    thrum_oracle_fini(&mend.recorded);
    thrum_memory_put(mend.some);
    thrum_memory_put(mend.moved);
    return found;
}
