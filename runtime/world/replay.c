/*
 * replay.c - what was done before, from its deltas.
 *
 * Each delta is honoured once, at the point that it names, if that comes and
 * the one it chose may go on then; all else is the default. So a history can be
 * told by those of its deltas that matter, and still be told when the program
 * has changed in places that do not.
 */
#include "runtime/world/strategies.h"

static void begin(void *self, struct sim *sim)
{
    struct replay *replay = self;

    (void)sim;
    replay->matched = 0;
    for (size_t i = 0; i < replay->count; i++)
        replay->done[i] = false;
}

static void born(void *self, struct sim *sim, struct player *player)
{
    const struct replay *replay = self;

    (void)sim;
    if (replay->born)
        replay->born(replay->arg, player);
}

static size_t index_of(const struct sim *sim, const struct choice *choice, uint64_t id)
{
    size_t i = 1;

    while (i < choice->count && choice_at(sim, choice, i)->id != id)
        i++;
    return i;
}

/* The delta for this place that has not been honoured yet, or `count`. */
static size_t find(const struct replay *replay, const struct player *player, uint32_t before,
                   enum delta_kind kind)
{
    size_t i = 0;

    while (i < replay->count &&
           (replay->done[i] || replay->deltas[i].at != player->id ||
            replay->deltas[i].op != player->op || replay->deltas[i].before != before ||
            replay->deltas[i].kind != (uint32_t)kind))
        i++;
    return i;
}

static size_t honour(struct replay *replay, size_t i, size_t answer)
{
    replay->done[i] = true;
    replay->matched++;
    replay->deviates = true;
    return answer;
}

static size_t choose(void *self, struct sim *sim, const struct choice *choice)
{
    struct replay *replay = self;
    const struct player *first = choice_at(sim, choice, 0);
    size_t i = find(replay, first, first->asked, DELTA_GOES);
    size_t index;

    if (i == replay->count)
        return 0;
    index = index_of(sim, choice, replay->deltas[i].chosen);
    return index < choice->count ? honour(replay, i, index) : 0;
}

static size_t draw(void *self, struct sim *sim, size_t n)
{
    struct replay *replay = self;
    size_t i = find(replay, sim->running, sim->running->asked, DELTA_DRAWN);

    if (i == replay->count || replay->deltas[i].chosen >= n)
        return 0;
    return honour(replay, i, (size_t)replay->deltas[i].chosen);
}

static bool cancels(void *self, struct sim *sim, const struct player *player)
{
    struct replay *replay = self;
    size_t i = find(replay, player, player->turns, DELTA_CANCELLED);

    (void)sim;
    return i < replay->count && honour(replay, i, true);
}

static void turn(void *self, struct sim *sim, struct player *player)
{
    struct replay *replay = self;

    if (replay->turn)
        replay->turn(replay->turn_arg, sim, player, replay->deviates);
    replay->deviates = false;
}

const struct strategy thrum_replay_strategy = {
    .begin = begin,
    .born = born,
    .choose = choose,
    .draw = draw,
    .cancels = cancels,
    .turn = turn};
