/*
 * surw.c - selectively uniform random walk (Zhao, Wolff, Mathur, Roychoudhury:
 * Selectively Uniform Concurrency Testing, ASPLOS 2025).
 *
 * A walk that takes each next step with the same probability does not reach all
 * histories equally often: those in which one task does many steps in a row
 * hardly ever. It would, if every task were chosen in proportion to the number
 * of interleavings that are left, and that is, if nothing blocks, in proportion
 * to how many events are to come of it. For the events of a whole program the
 * number of histories is hopeless; so for each history one shared object is
 * drawn, and only the order of what is done to that is chosen like this: one
 * player is *intended* to be the next to touch it, others that are about to
 * stop before, and everything else happens in any order.
 *
 * Of a hundred tasks that do the like and one that does something else, the one
 * is seldom the first, though all orders among the hundred are the same to it. So
 * in some histories tasks *alike*, those with one parent that touch the same
 * objects in the same ways, count as one when the intended one is drawn.
 *
 * In other histories, which the explorer mixes in, all objects count as one: a bug
 * that needs many switches at several objects is found like that.
 *
 * How many events are to be expected is learned from the first histories, and
 * now and then again. What a task that has not started yet will do counts with
 * who will start it, and goes over to it then; if that one was intended, so
 * may the task be.
 *
 * Objects have numbers that last from history to history. An address would not
 * do: it may be another each time. Which object it is, is told by who touches
 * it first, and at which of its points; whoever touches an object in a history
 * that is watched lends its number to that place, unless it has one.
 */
#include <thrum/detail/point.h>

#include "runtime/plat/memory.h"
#include "runtime/world/strategies.h"

#include <string.h>

#define NOWHERE UINT32_MAX
#define FIRST 64
#define NAMES_MAX ((size_t)1 << 16)
#define PATIENCE 16
#define PROFILES 2 /* the first histories are watched, and then each that is a power of two */

struct surw_task {
    uint64_t id;       /* its path's */
    uint32_t parent;   /* or NOWHERE */
    uint64_t likeness; /* of what it touches, and how */
};

/* How often a task touches an object. */
struct surw_count {
    uint32_t object; /* 0: the place is free */
    uint32_t task;
    uint32_t ways; /* a bit for each of enum thrum_point_kind */
    uint32_t most; /* in any history watched */
    uint32_t now;  /* in this one */
};

/* At that point of that task an object was touched. */
struct surw_name {
    uint64_t place; /* 0: free */
    uint32_t object;
};

/* Tasks alike that are alive. */
struct surw_kind {
    uint64_t likeness;
    uint64_t most;  /* the greatest weight */
    uint64_t total; /* of all weights */
    struct player *one; /* of them; NULL: there are several */
};

/* What has been seen of an object in this history: by its id. */
struct surw_seen {
    uint32_t object; /* its number; 0: not known yet */
    uint32_t task;   /* who touched it first, or NOWHERE */
    bool shared;
    bool written;
    bool chosen; /* it is one of this history's */
};

/* ---- the profile ------------------------------------------------------------------------------- */

static uint32_t *index_slot(struct surw *surw, uint64_t id)
{
    size_t at = (size_t)id & surw->index_mask;

    while (surw->index[at] && surw->tasks[surw->index[at] - 1].id != id)
        at = (at + 1) & surw->index_mask;
    return &surw->index[at];
}

static bool index_grow(struct surw *surw)
{
    struct memory_before before;

    if (!thrum_memory_double(&surw->index, &surw->index_mask, 2 * FIRST, sizeof *surw->index,
                             &before))
        return false;
    thrum_memory_put(before.places);
    for (uint32_t i = 0; i < surw->tasks_count; i++)
        *index_slot(surw, surw->tasks[i].id) = i + 1;
    return true;
}

static uint32_t task_find(struct surw *surw, uint64_t id)
{
    return surw->index ? *index_slot(surw, id) - 1 : NOWHERE; /* 0 - 1 is NOWHERE */
}

static uint32_t task_learn(struct surw *surw, const struct player *player)
{
    uint32_t parent = player->parent ? player->parent->stake.entry : NOWHERE;

    if (surw->tasks_count == UINT32_MAX / 4 ||
        (2 * surw->tasks_count >= surw->index_mask && !index_grow(surw)) ||
        !thrum_memory_reserve(&surw->tasks, surw->tasks_count, &surw->tasks_capacity,
                              sizeof *surw->tasks))
        return NOWHERE;
    surw->tasks[surw->tasks_count] = (struct surw_task){player->id, parent, 0};
    surw->tasks_count++;
    *index_slot(surw, player->id) = (uint32_t)surw->tasks_count;
    return (uint32_t)surw->tasks_count - 1;
}

static struct surw_count *count_slot(struct surw_count *counts, size_t mask, uint32_t task,
                                     uint32_t object)
{
    size_t at = (size_t)sim_mix((uint64_t)object << 32 | task) & mask;

    while (counts[at].object && (counts[at].object != object || counts[at].task != task))
        at = (at + 1) & mask;
    return &counts[at];
}

static bool counts_grow(struct surw *surw)
{
    struct memory_before before;
    const struct surw_count *old;

    if (!thrum_memory_double(&surw->counts, &surw->counts_mask, 2 * FIRST, sizeof *surw->counts,
                             &before))
        return false;
    old = before.places;
    for (size_t i = 0; i < before.count; i++)
        if (old[i].object)
            *count_slot(surw->counts, surw->counts_mask, old[i].task, old[i].object) = old[i];
    thrum_memory_put(before.places);
    return true;
}

static struct surw_name *name_slot(struct surw_name *names, size_t mask, uint64_t place)
{
    size_t at = (size_t)place & mask;

    while (names[at].place && names[at].place != place)
        at = (at + 1) & mask;
    return &names[at];
}

static bool names_grow(struct surw *surw)
{
    struct memory_before before;
    const struct surw_name *old;

    if (!thrum_memory_double(&surw->names, &surw->names_mask, 2 * FIRST, sizeof *surw->names,
                             &before))
        return false;
    old = before.places;
    for (size_t i = 0; i < before.count; i++)
        if (old[i].place)
            *name_slot(surw->names, surw->names_mask, old[i].place) = old[i];
    thrum_memory_put(before.places);
    return true;
}

static uint64_t place_of(const struct player *player)
{
    return sim_mix(player->id + player->op * UINT64_C(0x9e3779b97f4a7c15)) | 1;
}

static void lend(struct surw *surw, const struct player *player, uint32_t object)
{
    struct surw_name *name;

    if (surw->names_count == NAMES_MAX ||
        (2 * surw->names_count >= surw->names_mask && !names_grow(surw)))
        return;
    name = name_slot(surw->names, surw->names_mask, place_of(player));
    if (name->place)
        return;
    *name = (struct surw_name){place_of(player), object};
    surw->names_count++;
}

/* What is seen in this history of the object that the player is about to touch. NULL: none. */
static struct surw_seen *seen_of(struct surw *surw, const struct player *player)
{
    struct surw_seen *seen;

    if (player->object_id == 0)
        return NULL;
    while (surw->seen_count < player->object_id) {
        if (!thrum_memory_reserve(&surw->seen, surw->seen_count, &surw->seen_capacity,
                                  sizeof *surw->seen))
            return NULL;
        surw->seen[surw->seen_count++] = (struct surw_seen){.task = NOWHERE};
    }
    seen = &surw->seen[player->object_id - 1];
    if (seen->object == 0 && surw->names) {
        seen->object = name_slot(surw->names, surw->names_mask, place_of(player))->object;
        seen->chosen =
            surw->selects && seen->object < surw->chosen_capacity && surw->chosen[seen->object];
    }
    return seen;
}

static void learn_count(struct surw *surw, const struct player *player, uint32_t object)
{
    uint32_t task = player->stake.entry;
    struct surw_count *count;

    if (2 * surw->counts_count >= surw->counts_mask && !counts_grow(surw))
        return;
    count = count_slot(surw->counts, surw->counts_mask, task, object);
    if (!count->object) {
        *count = (struct surw_count){.object = object, .task = task};
        surw->counts_count++;
    }
    count->ways |= 1u << player->what;
    count->now++;
}

static void learn(struct surw *surw, const struct player *player)
{
    struct surw_seen *seen = seen_of(surw, player);

    if (!seen || player->stake.entry == NOWHERE)
        return;
    if (seen->object == 0)
        seen->object = ++surw->objects_known;
    if (seen->task == NOWHERE)
        seen->task = player->stake.entry;
    seen->shared |= seen->task != player->stake.entry;
    seen->written |= player->what != THRUM_POINT_READ;
    lend(surw, player, seen->object);
    learn_count(surw, player, seen->object);
}

static bool knows(const struct surw *surw, uint32_t object)
{
    for (size_t i = 0; i < surw->objects_count; i++)
        if (surw->objects[i] == object)
            return true;
    return false;
}

/* What was learned of the history that has ended. */
static void remember(struct surw *surw)
{
    for (size_t i = 0; i < surw->tasks_count; i++)
        surw->tasks[i].likeness = surw->tasks[i].parent;
    for (size_t i = 0; surw->counts && i <= surw->counts_mask; i++) {
        struct surw_count *count = &surw->counts[i];

        if (count->now > count->most)
            count->most = count->now;
        count->now = 0;
        if (count->object)
            surw->tasks[count->task].likeness +=
                sim_mix((uint64_t)count->object << 32 | count->ways);
    }
    for (size_t i = 0; i < surw->seen_count; i++) {
        const struct surw_seen *seen = &surw->seen[i];

        if (seen->shared && seen->written && !knows(surw, seen->object) &&
            thrum_memory_reserve(&surw->objects, surw->objects_count, &surw->objects_capacity,
                                 sizeof *surw->objects))
            surw->objects[surw->objects_count++] = seen->object;
    }
}

/* ---- one history --------------------------------------------------------------------------------- */

/* Of each task, with all that it starts: what is expected for the objects of this history. */
static bool weigh(struct surw *surw)
{
    while (surw->weights_capacity < surw->tasks_count)
        if (!thrum_memory_reserve(&surw->weights, surw->weights_capacity, &surw->weights_capacity,
                                  sizeof *surw->weights))
            return false;
    for (size_t i = 0; i < surw->tasks_count; i++)
        surw->weights[i] = 0;
    for (size_t i = 0; i <= surw->counts_mask; i++)
        if (surw->counts[i].object && surw->chosen[surw->counts[i].object])
            surw->weights[surw->counts[i].task] += surw->counts[i].most;
    for (size_t i = surw->tasks_count; i-- > 0;)
        if (surw->tasks[i].parent != NOWHERE)
            surw->weights[surw->tasks[i].parent] += surw->weights[i];
    return true;
}

/* Draw the objects of this history. */
static bool select_objects(struct surw *surw, struct sim *sim)
{
    size_t one;

    while (surw->chosen_capacity <= surw->objects_known)
        if (!thrum_memory_reserve(&surw->chosen, surw->chosen_capacity, &surw->chosen_capacity,
                                  sizeof *surw->chosen))
            return false;
    memset(surw->chosen, 0, surw->chosen_capacity * sizeof *surw->chosen);
    one = oracle_below(sim->oracle, surw->objects_count);
    for (size_t i = 0; i < surw->objects_count; i++)
        surw->chosen[surw->objects[i]] = i == one || surw->all;
    return weigh(surw);
}

static void begin(void *self, struct sim *sim)
{
    struct surw *surw = self;

    surw->profiles = surw->histories < PROFILES || (surw->histories & (surw->histories - 1)) == 0;
    surw->histories++;
    surw->since = 0;
    surw->seen_count = 0;
    surw->intended = NULL;
    surw->alive_count = 0;
    surw->total = 0;
    surw->selects = surw->objects_count > 0 && select_objects(surw, sim);
}

static void end(void *self, struct sim *sim)
{
    struct surw *surw = self;

    if (sim->steps < surw->shortest || surw->shortest == 0)
        surw->shortest = sim->steps;
    if (surw->profiles)
        remember(surw);
}

static inline void weigh_player(struct surw *surw, struct player *player, uint64_t weight)
{
    surw->total += weight - player->stake.weight;
    player->stake.weight = weight;
}

static void born(void *self, struct sim *sim, struct player *player)
{
    struct surw *surw = self;
    struct player *parent = player->parent;
    uint64_t weight;

    player->stake.entry = task_find(surw, player->id);
    if (player->stake.entry == NOWHERE && surw->profiles)
        player->stake.entry = task_learn(surw, player);
    weight = surw->selects && player->stake.entry < surw->weights_capacity
                 ? surw->weights[player->stake.entry]
                 : 0;
    weigh_player(surw, player, weight);
    if (weight > 0)
        player->stake.likeness = surw->tasks[player->stake.entry].likeness;
    if (parent && weight > 0) {
        uint64_t before = parent->stake.weight;

        weigh_player(surw, parent, before > weight ? before - weight : 0);
        if (surw->intended == parent && oracle_below(sim->oracle, before ? before : 1) < weight)
            surw->intended = player;
    }
    if (surw->alive_count < surw->alive_capacity ||
        thrum_memory_reserve(&surw->alive, surw->alive_count, &surw->alive_capacity,
                             sizeof *surw->alive))
        surw->alive[surw->alive_count++] = player;
}

static void died(void *self, struct sim *sim, struct player *player)
{
    struct surw *surw = self;
    size_t i = 0;

    (void)sim;
    weigh_player(surw, player, 0);
    if (surw->intended == player)
        surw->intended = NULL;
    while (i < surw->alive_count && surw->alive[i] != player)
        i++;
    if (i < surw->alive_count)
        surw->alive[i] = surw->alive[--surw->alive_count];
}

/* Of those alive, or of one kind of them, whose weights amount to that: in proportion to weight. */
static void intend_among(struct surw *surw, struct sim *sim, uint64_t total,
                         const struct surw_kind *kind)
{
    uint64_t at = oracle_below(sim->oracle, total);

    for (size_t i = 0; i < surw->alive_count; i++) {
        struct player *player = surw->alive[i];

        if (kind && player->stake.likeness != kind->likeness)
            continue;
        if (at < player->stake.weight) {
            surw->intended = player;
            return;
        }
        at -= player->stake.weight;
    }
}

static struct surw_kind *kind_of(struct surw *surw, const struct player *player)
{
    for (size_t i = 0; i < surw->kinds_count; i++)
        if (surw->kinds[i].likeness == player->stake.likeness)
            return &surw->kinds[i];
    if (surw->kinds_count == surw->kinds_capacity &&
        !thrum_memory_reserve(&surw->kinds, surw->kinds_count, &surw->kinds_capacity,
                              sizeof *surw->kinds))
        return NULL;
    surw->kinds[surw->kinds_count] = (struct surw_kind){.likeness = player->stake.likeness};
    return &surw->kinds[surw->kinds_count++];
}

static void intend_alike(struct surw *surw, struct sim *sim)
{
    uint64_t total = 0, at;
    size_t i = 0;

    surw->kinds_count = 0;
    for (size_t k = 0; k < surw->alive_count; k++) {
        uint64_t weight = surw->alive[k]->stake.weight;
        struct surw_kind *kind = weight ? kind_of(surw, surw->alive[k]) : NULL;

        if (!kind)
            continue;
        kind->one = kind->total == 0 ? surw->alive[k] : NULL;
        kind->total += weight;
        if (weight > kind->most) {
            total += weight - kind->most;
            kind->most = weight;
        }
    }
    if (total == 0)
        return;
    at = oracle_below(sim->oracle, surw->kinds_count == 1 ? 1 : total);
    while (at >= surw->kinds[i].most)
        at -= surw->kinds[i++].most;
    if (surw->kinds[i].one) {
        surw->intended = surw->kinds[i].one;
        (void)oracle_below(sim->oracle, 1);
        return;
    }
    intend_among(surw, sim, surw->kinds[i].total, &surw->kinds[i]);
}

static void intend(struct surw *surw, struct sim *sim)
{
    surw->intended = NULL;
    if (surw->alike)
        intend_alike(surw, sim);
    else if (surw->total > 0)
        intend_among(surw, sim, surw->total, NULL);
}

/* The player is about to touch an object of this history. */
static inline bool concerns(struct surw *surw, const struct player *player)
{
    size_t id = player->object_id;
    const struct surw_seen *seen;

    if (!surw->selects || id == 0)
        return false;
    if (LIKELY(id <= surw->seen_count && surw->seen[id - 1].object))
        return surw->seen[id - 1].chosen;
    seen = seen_of(surw, player);
    return seen && seen->chosen;
}

/*
 * The intended one cannot go on, or nobody else should: of those held back another is intended.
 * If there is none, anybody goes.
 */
static size_t intend_one_of(struct surw *surw, struct sim *sim, const struct choice *choice)
{
    uint64_t total = 0, at;

    for (size_t i = 0; i < choice->count; i++) {
        const struct player *player = choice_at(sim, choice, i);

        total += concerns(surw, player) ? player->stake.weight + 1 : 0;
    }
    if (total == 0)
        return oracle_below(sim->oracle, choice->count);
    at = oracle_below(sim->oracle, total);
    for (size_t i = 0; i < choice->count; i++) {
        struct player *player = choice_at(sim, choice, i);

        if (!concerns(surw, player))
            continue;
        if (at <= player->stake.weight) {
            surw->intended = player;
            return i;
        }
        at -= player->stake.weight + 1;
    }
    return 0;
}

static inline bool may(struct surw *surw, const struct player *player, bool yielded)
{
    return (yielded || !player->yielded) && (!concerns(surw, player) || player == surw->intended);
}

/* One of those that may, each with the same probability. */
static inline __attribute__((always_inline)) size_t
any_of(struct surw *surw, struct sim *sim, const struct choice *choice, bool yielded)
{
    size_t count = 0, last = choice->count, at;

    for (size_t i = 0; i < choice->count; i++) {
        struct player *player = choice_at(sim, choice, i);
        bool able = may(surw, player, yielded);

        player->stake.may = able;
        last = able ? i : last;
        count += able;
    }
    if (count == 0)
        return choice->count;
    at = oracle_below(sim->oracle, count);
    if (at == count - 1)
        return last;
    for (size_t i = 0;; i++)
        if (choice_at(sim, choice, i)->stake.may && at-- == 0)
            return i;
}

/* All others are held back, or have yielded. */
static NOINLINE size_t any_that_yielded(struct surw *surw, struct sim *sim,
                                        const struct choice *choice)
{
    size_t index = any_of(surw, sim, choice, true);

    return index < choice->count ? index : intend_one_of(surw, sim, choice);
}

static size_t choose(void *self, struct sim *sim, const struct choice *choice)
{
    struct surw *surw = self;
    size_t index;

    if (surw->selects && !surw->intended)
        intend(surw, sim);
    if (surw->since > surw->shortest + PATIENCE) { /* the others spin until those held back go */
        surw->since = 0;
        return intend_one_of(surw, sim, choice);
    }
    index = any_of(surw, sim, choice, false);
    return index < choice->count ? index : any_that_yielded(surw, sim, choice);
}

static void turn(void *self, struct sim *sim, struct player *player)
{
    struct surw *surw = self;

    if (surw->profiles)
        learn(surw, player);
    surw->since++;
    if (!concerns(surw, player))
        return;
    surw->since = 0;
    if (player->stake.weight > 0)
        weigh_player(surw, player, player->stake.weight - 1);
    if (player == surw->intended)
        intend(surw, sim);
}

const struct strategy thrum_surw_strategy = {
    .begin = begin, .born = born, .died = died, .choose = choose, .turn = turn, .end = end};

void thrum_surw_fini(struct surw *surw)
{
    thrum_memory_put(surw->tasks);
    thrum_memory_put(surw->index);
    thrum_memory_put(surw->counts);
    thrum_memory_put(surw->names);
    thrum_memory_put(surw->seen);
    thrum_memory_put(surw->objects);
    thrum_memory_put(surw->weights);
    thrum_memory_put(surw->kinds);
    thrum_memory_put(surw->chosen);
    thrum_memory_put(surw->alive);
}
