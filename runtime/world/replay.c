/*
 * replay.c - what was done before, from its deltas.
 *
 * Each delta is honoured once, at the point that it names, if that comes and
 * the one it chose may go on then; all else is the default. So a history can be
 * told by those of its deltas that matter, and still be told when the program
 * has changed in places that do not.
 */
#include "runtime/world/strategies.h"
#include "runtime/world/tempo.h"

#include "runtime/plat/memory.h"

/* The i-th is of the i-th delta, and its `first` of the i-th chain of the table. */
struct replay_place {
    uint32_t first; /* which delta, plus 1 */
    uint32_t next;  /* likewise */
    bool done;      /* it was honoured */
};

static size_t chain_of(const struct replay *replay, uint64_t at, uint32_t op)
{
    return (size_t)sim_mix(at + op) & replay->mask;
}

/* Earlier deltas stand first. */
bool thrum_replay_prepare(struct replay *replay)
{
    size_t size = 1;

    while (size <= replay->count)
        size *= 2;
    replay->places = thrum_memory_get(size * sizeof *replay->places, 16);
    if (!replay->places)
        return false;
    replay->mask = size - 1;
    for (size_t i = replay->count; i-- > 0;) {
        struct replay_place *chain =
            &replay->places[chain_of(replay, replay->deltas[i].at, replay->deltas[i].op)];

        replay->places[i].next = chain->first;
        chain->first = (uint32_t)i + 1;
    }
    return true;
}

void thrum_replay_fini(struct replay *replay)
{
    thrum_memory_put(replay->places);
}

static void begin(void *self, struct sim *sim)
{
    struct replay *replay = self;

    (void)sim;
    replay->matched = 0;
    for (size_t i = 0; i < replay->count; i++)
        replay->places[i].done = false;
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
static size_t find_at(const struct replay *replay, uint64_t at, uint32_t op, uint32_t before,
                      enum delta_kind kind)
{
    size_t i = replay->places[chain_of(replay, at, op)].first;

    while (i > 0 && (replay->places[i - 1].done || replay->deltas[i - 1].at != at ||
                     replay->deltas[i - 1].op != op || replay->deltas[i - 1].before != before ||
                     replay->deltas[i - 1].kind != (uint32_t)kind))
        i = replay->places[i - 1].next;
    return i > 0 ? i - 1 : replay->count;
}

static size_t find(const struct replay *replay, const struct player *player, uint32_t before,
                   enum delta_kind kind)
{
    return find_at(replay, player->id, player->op, before, kind);
}

static size_t honour(struct replay *replay, size_t i, size_t answer)
{
    replay->places[i].done = true;
    replay->matched++;
    replay->deviates = i + 1;
    return answer;
}

static size_t choose(void *self, struct sim *sim, const struct choice *choice)
{
    struct replay *replay = self;
    const struct player *first = choice_at(sim, choice, 0);
    size_t i = find(replay, first, first->asked, DELTA_GOES);
    size_t index;

    if (replay->by_chance && replay->matched == replay->count)
        return oracle_below(sim->oracle, choice->count);
    if (i == replay->count)
        return 0;
    index = index_of(sim, choice, replay->deltas[i].chosen);
    return index < choice->count ? honour(replay, i, index) : 0;
}

static size_t draw(void *self, struct sim *sim, size_t n)
{
    struct replay *replay = self;
    size_t i = find(replay, sim->running, sim->running->asked, DELTA_DRAWN);

    if (replay->by_chance && replay->matched == replay->count)
        return oracle_below(sim->oracle, n);
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

static size_t tempo(void *self, struct sim *sim, const struct tempo_question *question)
{
    struct replay *replay = self;
    size_t i = find_at(replay, question->at, question->op, question->before,
                       (enum delta_kind)question->kind);

    (void)sim;
    if (i == replay->count || replay->deltas[i].chosen >= question->count)
        return 0;
    return honour(replay, i, (size_t)replay->deltas[i].chosen);
}

static uint32_t fault(void *self, struct sim *sim, const struct player *player, uint32_t kind)
{
    struct replay *replay = self;
    size_t i = find(replay, player, player->faced, DELTA_FAULT);

    (void)sim, (void)kind;
    if (i == replay->count)
        return 0;
    (void)honour(replay, i, 0);
    return (uint32_t)replay->deltas[i].chosen;
}

static void turn(void *self, struct sim *sim, struct player *player)
{
    struct replay *replay = self;

    if (replay->turn)
        replay->turn(replay->arg, sim, player, replay->deviates);
    replay->deviates = 0;
}

const struct strategy thrum_replay_strategy = {.begin = begin,
                                               .born = born,
                                               .choose = choose,
                                               .draw = draw,
                                               .cancels = cancels,
                                               .fault = fault,
                                               .tempo = tempo,
                                               .turn = turn};
