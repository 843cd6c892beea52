/* cycle.c - who waits for whom: see cycle.h. */
#include "runtime/task/cycle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/plat/memory.h"
#include "runtime/world/sim.h"

#define NOBODY SLEEPERS_MAX
#define HOW_BYTES 32

enum certainty { NO_EDGE, UNLIKE, POSSIBLE, CERTAIN };

/* How one waits for another. */
struct edge {
    enum certainty kind;
    char how[HOW_BYTES]; /* "held by" */
};

struct cycle {
    const struct sleepers *sleepers;
    bool blocked
        [SLEEPERS_MAX]; /* it is known for whom this one waits, whether that one sleeps or not */
    struct edge edges[SLEEPERS_MAX][SLEEPERS_MAX];
    size_t steps[SLEEPERS_MAX]; /* a circle */
    size_t length;
};

static const struct sleeper *sleeper_at(const struct cycle *cycle, size_t index)
{
    return &cycle->sleepers->all[index];
}

/* ---- edges ---------------------------------------------------------------------------------- */

static void link_to(struct cycle *cycle, size_t from, size_t to, enum certainty kind,
                    const char *how)
{
    struct edge *edge = &cycle->edges[from][to];

    if (edge->kind >= kind)
        return;
    edge->kind = kind;
    snprintf(edge->how, sizeof edge->how, "%s", how);
}

/* What an object calls with whoever keeps the asker waiting. */
struct asking {
    struct blockers blockers; /* first */
    struct cycle *cycle;
    size_t from;
};

static void add(struct blockers *blockers, uint64_t task, const char *how)
{
    struct asking *asking = (struct asking *)(void *)blockers;
    struct cycle *cycle = asking->cycle;

    cycle->blocked[asking->from] = true;
    for (size_t i = 0; task && i < cycle->sleepers->count; i++)
        if (task_of_who(sleeper_at(cycle, i)->sleep.who) == task)
            link_to(cycle, asking->from, i, CERTAIN, how);
}

static uint64_t player_of(const struct sleeper *sleeper)
{
    const struct player *player = fiber_of(sleeper->strand)->player;

    return player ? player->id : 0;
}

/* Those who have it, as the simulated world knows. */
static void link_holders(struct cycle *cycle, size_t from)
{
    const struct sim *sim = cycle->sleepers->sim;
    const void *object = sleeper_at(cycle, from)->sleep.object;

    for (size_t k = 0; sim && k < sim->holdings_count; k++) {
        if (sim->holdings[k].object != object)
            continue;
        cycle->blocked[from] = true;
        for (size_t i = 0; i < cycle->sleepers->count; i++)
            if (player_of(sleeper_at(cycle, i)) == sim->holdings[k].player)
                link_to(cycle, from, i, CERTAIN, "held by");
    }
}

/* Does it wait for the end of tasks of its own? They stand below it. */
static bool joins(const struct sleeper *sleeper)
{
    return load_relaxed(&sleeper->strand->joins); /* relaxed: everybody sleeps */
}

static void link_below(struct cycle *cycle, size_t from)
{
    uint32_t depth = sleeper_at(cycle, from)->depth;

    cycle->blocked[from] = true;
    for (size_t i = from + 1; i < cycle->sleepers->count; i++) {
        uint32_t its = sleeper_at(cycle, i)->depth;

        if (its <= depth)
            return;
        if (its == depth + 1)
            link_to(cycle, from, i, CERTAIN, "among them");
    }
}

static void link_known(struct cycle *cycle, size_t from)
{
    const struct sleeper *sleeper = sleeper_at(cycle, from);
    const struct wait_kind *what = sleeper->sleep.what;
    struct asking asking = {{add}, cycle, from};

    if (joins(sleeper))
        link_below(cycle, from);
    else if (what && what->blockers)
        what->blockers(sleeper->sleep.object, sleeper->strand, &asking.blockers);
    if (!cycle->blocked[from])
        link_holders(cycle, from);
}

/*
 * Anybody who waits for something else might have come to help, but for those who only join. Who
 * waits for the like is rather a companion in misfortune: two senders, say.
 */
static void link_possible(struct cycle *cycle, size_t from)
{
    const struct strand_sleep *sleep = &sleeper_at(cycle, from)->sleep;

    for (size_t i = 0; i < cycle->sleepers->count; i++) {
        const struct strand_sleep *other = &sleeper_at(cycle, i)->sleep;
        bool alike = sleep->what && other->what && sleep->what->what == other->what->what;

        if (i != from && !joins(sleeper_at(cycle, i)) && other->object != sleep->object)
            link_to(cycle, from, i, alike ? UNLIKE : POSSIBLE, "perhaps from");
    }
}

/* ---- circles -------------------------------------------------------------------------------- */

/* The shortest way round from `start`, over such edges. False: there is none, or none shorter. */
static bool go_round(struct cycle *cycle, size_t start, enum certainty kind)
{
    size_t before[SLEEPERS_MAX], queue[SLEEPERS_MAX], far[SLEEPERS_MAX];
    size_t n = cycle->sleepers->count, head = 0, tail = 0;

    for (size_t i = 0; i < n; i++)
        before[i] = NOBODY;
    queue[tail++] = start;
    far[start] = 1;
    while (head < tail) {
        size_t at = queue[head++];

        if (cycle->length && far[at] >= cycle->length)
            return false;
        if (cycle->edges[at][start].kind >= kind) {
            cycle->length = far[at];
            for (size_t k = far[at]; k-- > 0; at = before[at])
                cycle->steps[k] = at;
            return true;
        }
        for (size_t i = 0; i < n; i++)
            if (cycle->edges[at][i].kind >= kind && i != start && before[i] == NOBODY) {
                before[i] = at;
                far[i] = far[at] + 1;
                queue[tail++] = i;
            }
    }
    return false;
}

static void search(struct cycle *cycle)
{
    static const enum certainty from[] = {CERTAIN, POSSIBLE, UNLIKE};

    for (size_t k = 0; k < 3 && !cycle->length; k++)
        for (size_t i = 0; i < cycle->sleepers->count; i++)
            (void)go_round(cycle, i, from[k]);
}

/* ---- words ---------------------------------------------------------------------------------- */

static void put_object(const struct sleeper *sleeper, char *text, size_t size)
{
    const struct wait_kind *what = sleeper->sleep.what;

    if (what && what->tell)
        what->tell(sleeper->sleep.object, false, text, size);
    else
        snprintf(text, size, "%s %p", what && what->what ? what->what : "something",
                 sleeper->sleep.object);
}

/* The first name in alphabetical order begins, so that the same circle is told in the same way. */
static size_t first_step(const struct cycle *cycle)
{
    size_t first = 0;

    for (size_t k = 1; k < cycle->length; k++)
        if (strcmp(sleeper_at(cycle, cycle->steps[k])->name,
                   sleeper_at(cycle, cycle->steps[first])->name) < 0)
            first = k;
    return first;
}

static void tell_circle(const struct cycle *cycle, void (*line)(void *arg, const char *text),
                        void *arg)
{
    size_t first = first_step(cycle);

    line(arg, "  the cycle:");
    for (size_t k = 0; k < cycle->length; k++) {
        size_t at = cycle->steps[(first + k) % cycle->length];
        size_t next = cycle->steps[(first + k + 1) % cycle->length];
        char object[96], text[320];

        put_object(sleeper_at(cycle, at), object, sizeof object);
        snprintf(text, sizeof text, "    %s waits for %s, %s %s", sleeper_at(cycle, at)->name,
                 object, cycle->edges[at][next].how, sleeper_at(cycle, next)->name);
        line(arg, text);
    }
}

/* Nobody waits for one who waits: those who could have helped have gone. */
static void tell_ends(const struct cycle *cycle, void (*line)(void *arg, const char *text),
                      void *arg)
{
    for (size_t i = 0; i < cycle->sleepers->count; i++) {
        const struct sleeper *sleeper = sleeper_at(cycle, i);
        char object[96], text[320];

        if (joins(sleeper))
            continue;
        put_object(sleeper, object, sizeof object);
        snprintf(text, sizeof text, "  no cycle: %s waits for %s, and %s", sleeper->name, object,
                 cycle->blocked[i] ? "whoever has it is not among those who wait"
                                   : "nobody is left who could help");
        line(arg, text);
    }
}

void thrum_cycle_tell(struct sleepers *sleepers, void (*line)(void *arg, const char *text),
                      void *arg)
{
    struct cycle *cycle = thrum_memory_get(sizeof *cycle, 16);

    if (!cycle)
        return;
    cycle->sleepers = sleepers;
    for (size_t i = 0; i < sleepers->count; i++)
        link_known(cycle, i);
    for (size_t i = 0; i < sleepers->count; i++)
        if (!cycle->blocked[i])
            link_possible(cycle, i);
    search(cycle);
    if (cycle->length)
        tell_circle(cycle, line, arg);
    else
        tell_ends(cycle, line, arg);
    thrum_memory_put(cycle);
}
