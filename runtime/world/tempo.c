/* tempo.c - timers that expire one by one. */
#include "runtime/world/tempo.h"

#include "runtime/world/happen.h"
#include "runtime/world/sim.h"

#define POWERS 6 /* 1 in 2 to 1 in 64 */

/* ---- by chance ------------------------------------------------------------------------------- */

static size_t random_below(struct tempo *tempo, size_t n)
{
    uint64_t word = sim_mix(tempo->seed + ++tempo->drawn * UINT64_C(0x9e3779b97f4a7c15));

    return (size_t)((word >> 32) * n >> 32);
}

void thrum_tempo_begin(struct tempo *tempo, uint64_t seed)
{
    tempo->seed = sim_mix(seed ^ UINT64_C(0x74656d706f));
    tempo->drawn = 0;
    tempo->power = random_below(tempo, 4) ? 1 + (unsigned)random_below(tempo, POWERS) : 0;
}

size_t thrum_tempo_draw(struct tempo *tempo, const struct tempo_question *question)
{
    if (tempo->power == 0)
        return 0;
    if (question->due)
        return random_below(tempo, question->count);
    if (random_below(tempo, (size_t)1 << tempo->power) != 0)
        return 0;
    return 1 + random_below(tempo, question->count - 1);
}

/* ---- expiring -------------------------------------------------------------------------------- */

static void expire(struct sim *sim, size_t place)
{
    struct sim_timer timer = thrum_sim_timers_take(&sim->timers, place);

    if (timer.when > sim->now)
        sim->now = timer.when;
    sim->inner->expire(timer.timer, timer.key);
}

void thrum_tempo_expire(struct sim *sim)
{
    const struct sim_timer *first;

    while ((first = thrum_sim_timers_first(&sim->timers)) != NULL && first->when <= sim->now)
        expire(sim, 0);
}

/* Whoever replays knows no slack: the places of a list do not depend on it. */
static int64_t limit_from(const struct sim *sim, int64_t since)
{
    int64_t slack = sim->oracle->tempo ? sim->oracle->tempo->slack : INT64_MAX;
    int64_t limit = since > INT64_MAX - slack ? INT64_MAX : since + slack;

    return limit > sim->now ? limit : sim->now;
}

/* One of the timers, or all that are due. */
static void pass_to(struct sim *sim, struct sim_timer *first)
{
    struct tempo_question question = {.kind = DELTA_TIE, .due = true};
    size_t places[SIM_TIMERS_MOST];

    if (!sim->oracle->may_hurry) {
        thrum_tempo_expire(sim);
        return;
    }
    question.at = first->armer->id;
    question.op = first->armer->op;
    question.before = first->armer->hurried++;
    question.count =
        thrum_sim_timers_list(&sim->timers, limit_from(sim, first->when), SIM_TIMERS_MOST, places);
    expire(sim, places[thrum_oracle_tempo(sim->oracle, sim, &question)]);
    sim->drains = true;
}

bool thrum_tempo_pass(struct sim *sim)
{
    struct sim_timer *first = thrum_sim_timers_first(&sim->timers);
    int64_t happening = thrum_happenings_first(sim);
    int64_t when = first && first->when < happening ? first->when : happening;

    if (when == TIMER_NEVER)
        return false;
    if (when > sim->now)
        sim->now = when;
    if (first && first->when <= sim->now)
        pass_to(sim, first);
    thrum_happenings_pass(sim);
    return true;
}

/* Since when has the first of those that may go on been held up? */
static int64_t held_up_since(const struct sim *sim, const struct player *player)
{
    int64_t since = player->since;

    if (sim->count > 0 && sim_waiting(sim, 0)->since < since)
        since = sim_waiting(sim, 0)->since;
    return since;
}

/*
 * First what is due with the timer for which time has passed, then the tasks, then what is not due
 * yet, or has waited already.
 */
void thrum_tempo_hurry(struct sim *sim, struct player *player)
{
    if (sim->fair) {
        thrum_tempo_expire(sim);
        return;
    }
    while (thrum_sim_timers_first(&sim->timers)) {
        struct tempo_question question = {player->id,  player->op, player->hurried++,
                                          DELTA_EARLY, 0,          false};
        size_t places[SIM_TIMERS_MOST], due = 0, index, n;

        n = thrum_sim_timers_list(&sim->timers, limit_from(sim, held_up_since(sim, player)),
                                  SIM_TIMERS_MOST, places);
        while (sim->drains && due < n && sim->timers.heap[places[due]].when <= sim->now)
            due++;
        question.count = n + 1;
        question.due = due > 0;
        index = thrum_oracle_tempo(sim->oracle, sim, &question);
        if (index == due)
            break;
        expire(sim, places[index < due ? index : index - 1]);
        thrum_happenings_pass(sim);
    }
    sim->drains = false;
}
