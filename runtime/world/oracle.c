/* oracle.c - asking the strategy, and remembering what differs from the default. */
#include "runtime/world/oracle.h"

#include <thrum/fault.h>

#include "runtime/plat/memory.h"
#include "runtime/world/faults.h"
#include "runtime/world/sim.h"
#include "runtime/world/tempo.h"

/* What was lent cannot grow. */
static NOINLINE bool deltas_grow(struct oracle *oracle)
{
    return !oracle->lent &&
           thrum_memory_reserve(&oracle->deltas, oracle->deltas_count, &oracle->deltas_capacity,
                                sizeof *oracle->deltas);
}

/* Where to write it down; NULL: nowhere. (By value it would go through memory, in other pieces.) */
static inline struct delta *next_delta(struct oracle *oracle)
{
    if (oracle->forgets)
        return NULL;
    if (UNLIKELY(oracle->deltas_count == oracle->deltas_capacity) && !deltas_grow(oracle)) {
        oracle->overflow = true;
        return NULL;
    }
    return &oracle->deltas[oracle->deltas_count++];
}

static inline void record(struct oracle *oracle, uint32_t kind, uint64_t at, uint32_t op,
                          uint32_t before, uint64_t chosen)
{
    struct delta *delta = next_delta(oracle);

    if (!delta)
        return;
    delta->at = at;
    delta->chosen = chosen;
    delta->op = op;
    delta->before = before;
    delta->kind = kind;
}

size_t thrum_oracle_choose(struct oracle *oracle, struct sim *sim, const struct choice *choice)
{
    size_t index = oracle->strategy->choose(oracle->self, sim, choice);
    struct player *first = choice_at(sim, choice, 0);
    uint32_t before = first->asked++;

    oracle->decisions++;
    if (index != 0)
        record(oracle, DELTA_GOES, first->id, first->op, before,
               choice_at(sim, choice, index)->id);
    return index;
}

size_t thrum_oracle_draw(struct oracle *oracle, struct sim *sim, size_t n)
{
    struct player *player = sim->running;
    size_t number = oracle->strategy->draw ? oracle->strategy->draw(oracle->self, sim, n)
                                           : oracle_below(oracle, n);
    uint32_t before = player->asked++;

    oracle->decisions++;
    if (UNLIKELY(sim->twin != NULL))
        thrum_twin_draw(sim->twin, sim, player, n);
    if (number != 0)
        record(oracle, DELTA_DRAWN, player->id, player->op, before, number);
    return number;
}

bool thrum_oracle_cancels(struct oracle *oracle, struct sim *sim, struct player *player)
{
    bool is = oracle->strategy->cancels ? oracle->strategy->cancels(oracle->self, sim, player)
                                        : sim->steps + 1 == oracle->cancel_at;

    if (is)
        record(oracle, DELTA_CANCELLED, player->id, player->op, player->turns, 0);
    player->turns++;
    return is;
}

uint32_t thrum_oracle_fault(struct oracle *oracle, struct sim *sim, struct player *player,
                            uint32_t kind, uint64_t place)
{
    uint32_t dealt = 0;

    if (!oracle->may_fault)
        return 0;
    if (oracle->strategy->fault)
        dealt = oracle->strategy->fault(oracle->self, sim, player, kind);
    else if (oracle->faults)
        dealt = thrum_faults_deal(oracle->faults, kind, place);
    if (dealt) {
        sim->refused |= (kind & (THRUM_FAULT_MEMORY | THRUM_FAULT_THREAD)) != 0;
        sim->hash = sim_mix(sim->hash ^ player->id) + kind;
        record(oracle, DELTA_FAULT, player->id, player->op, player->faced, dealt);
    }
    player->faced++;
    return dealt;
}

size_t thrum_oracle_tempo(struct oracle *oracle, struct sim *sim,
                          const struct tempo_question *question)
{
    size_t index = 0;

    if (question->count < 2)
        return 0;
    if (oracle->strategy->tempo)
        index = oracle->strategy->tempo(oracle->self, sim, question);
    else if (oracle->tempo)
        index = thrum_tempo_draw(oracle->tempo, question);
    oracle->decisions++;
    if (index != 0) {
        sim->hash = sim_mix(sim->hash ^ question->at) + index;
        record(oracle, question->kind, question->at, question->op, question->before, index);
    }
    return index;
}

void thrum_oracle_fini(struct oracle *oracle)
{
    if (!oracle->lent)
        thrum_memory_put(oracle->deltas);
    oracle->deltas = NULL;
    oracle->deltas_count = oracle->deltas_capacity = 0;
}
