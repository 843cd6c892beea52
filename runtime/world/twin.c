/* twin.c - what one run did, and whether the next one does it too. */
#include "runtime/world/twin.h"

#include <stdio.h>
#include <string.h>
#include <unwind.h>

#include <thrum/detail/draw.h>
#include <thrum/detail/point.h>

#include "runtime/plat/memory.h"
#include "runtime/world/happen.h"
#include "runtime/world/sim.h"

#define STEPS_MAX ((size_t)1 << 21) /* that are noted of a run */

void thrum_twin_fini(struct twin *twin)
{
    thrum_memory_put(twin->steps);
    thrum_memory_put(twin->births);
    thrum_memory_put(twin->sites);
    *twin = (struct twin){.steps = NULL};
}

void thrum_twin_first(struct twin *twin, bool places)
{
    twin->count = twin->births_count = twin->sites_count = twin->at = 0;
    twin->compares = twin->incomplete = twin->differs = false;
    twin->places = places;
}

void thrum_twin_second(struct twin *twin)
{
    twin->sites_count = twin->at = 0;
    twin->compares = true;
}

void thrum_twin_end(struct twin *twin)
{
    if (twin->differs || twin->at == twin->count)
        return;
    twin->differs = true;
    twin->second = (struct twin_step){.what = TWIN_ENDS};
}

/* ---- who ------------------------------------------------------------------------------------- */

void thrum_twin_born(struct twin *twin, const struct player *player)
{
    const struct player *parent = player->parent;

    if (twin->differs || !thrum_memory_reserve(&twin->births, twin->births_count,
                                               &twin->births_capacity, sizeof *twin->births))
        return;
    twin->births[twin->births_count++] = (struct twin_birth){.id = player->id,
                                                             .parent = parent ? parent->id : 0,
                                                             .number = player->number,
                                                             .root = !parent};
}

static const struct twin_birth *birth_of(const struct twin *twin, uint64_t id)
{
    for (size_t i = 0; i < twin->births_count; i++)
        if (twin->births[i].id == id)
            return &twin->births[i];
    return NULL;
}

/* As thrum_player_path. */
size_t thrum_twin_path(const struct twin *twin, uint64_t id, char *text, size_t size)
{
    const struct twin_birth *birth = birth_of(twin, id);
    const struct twin_birth *parent = birth && !birth->root ? birth_of(twin, birth->parent) : NULL;
    const char *before = ".";
    size_t length = 0, left;

    if (!birth)
        return (size_t)snprintf(text, size, "?");
    if (birth->root)
        before = birth->number ? "r" : "";
    else if (parent && parent->root && parent->number == 0)
        before = "";
    else
        length = thrum_twin_path(twin, birth->parent, text, size);
    left = length < size ? size - length : 0;
    return length + (size_t)snprintf(left ? text + length : NULL, left, "%s%s%u", before,
                                     birth->number & HAPPENING_NUMBER ? "d" : "",
                                     birth->number & ~HAPPENING_NUMBER);
}

/* ---- where ----------------------------------------------------------------------------------- */

struct walk {
    const void **where;
    unsigned count;
};

/* What the world itself has called, it leaves out. */
static _Unwind_Reason_Code step_up(struct _Unwind_Context *frame, void *arg)
{
    struct walk *walk = arg;
    uintptr_t pc = (uintptr_t)_Unwind_GetIP(frame);
    uintptr_t function = (uintptr_t)_Unwind_GetRegionStart(frame);

    if (pc == 0 || walk->count == TWIN_PLACES)
        return _URC_END_OF_STACK;
    if (function == (uintptr_t)thrum_point_slow || function == (uintptr_t)thrum_draw_below)
        walk->count = 0;
    else
        walk->where[walk->count++] = pointer_of(pc);
    return _URC_NO_REASON;
}

static void walk_up(const void **where)
{
    struct walk walk = {.where = where};

    (void)_Unwind_Backtrace(step_up, &walk);
    while (walk.count < TWIN_PLACES)
        where[walk.count++] = NULL;
}

static struct twin_site *site_of(const struct twin *twin, uint64_t player)
{
    for (size_t i = twin->sites_count; i-- > 0;)
        if (twin->sites[i].player == player)
            return &twin->sites[i];
    return NULL;
}

void thrum_twin_here(struct twin *twin, const struct player *player)
{
    struct twin_site *site;

    if (!twin->places || twin->differs)
        return;
    site = site_of(twin, player->id);
    if (!site) {
        if (!thrum_memory_reserve(&twin->sites, twin->sites_count, &twin->sites_capacity,
                                  sizeof *twin->sites))
            return;
        site = &twin->sites[twin->sites_count++];
        site->player = player->id;
    }
    walk_up(site->where);
}

/* ---- what ------------------------------------------------------------------------------------ */

static void put_place(const struct twin *twin, struct twin_step *step)
{
    const struct twin_site *site = twin->places ? site_of(twin, step->player) : NULL;

    if (site)
        memcpy(step->where, site->where, sizeof step->where);
}

static void note(struct twin *twin, const struct twin_step *step)
{
    if (twin->count == STEPS_MAX ||
        !thrum_memory_reserve(&twin->steps, twin->count, &twin->capacity, sizeof *twin->steps)) {
        twin->incomplete = true;
        return;
    }
    twin->steps[twin->count] = *step;
    put_place(twin, &twin->steps[twin->count]);
    twin->count++;
}

static bool is_same(const struct twin_step *a, const struct twin_step *b)
{
    return a->player == b->player && a->hash == b->hash && a->now == b->now && a->op == b->op &&
           a->object == b->object && a->what == b->what;
}

static void compare(struct twin *twin, const struct twin_step *step)
{
    if (twin->differs || (twin->at == twin->count && twin->incomplete))
        return;
    if (twin->at < twin->count && is_same(&twin->steps[twin->at], step)) {
        twin->at++;
        return;
    }
    twin->differs = true;
    twin->second = *step;
    put_place(twin, &twin->second);
}

static void tell(struct twin *twin, const struct twin_step *step)
{
    if (twin->compares)
        compare(twin, step);
    else
        note(twin, step);
}

void thrum_twin_turn(struct twin *twin, const struct sim *sim, const struct player *player)
{
    tell(twin, &(struct twin_step){.player = player->id,
                                   .hash = sim->hash,
                                   .decision = sim->oracle->decisions,
                                   .now = sim->now,
                                   .op = player->op,
                                   .object = player->object_id,
                                   .what = player->what});
}

void thrum_twin_draw(struct twin *twin, const struct sim *sim, const struct player *player,
                     size_t n)
{
    thrum_twin_here(twin, player);
    tell(twin, &(struct twin_step){.player = player->id,
                                   .hash = sim->hash,
                                   .decision = sim->oracle->decisions,
                                   .now = sim->now,
                                   .op = player->op,
                                   .object = (uint32_t)n,
                                   .what = TWIN_DRAWS});
}
