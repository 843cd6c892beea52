/*
 * systematic.c - all histories that differ from the default in few places, one
 * after the other.
 *
 * A history is the list of its choices. The next one is the last's, with the
 * last choice that can still be raised one higher, and what follows by default.
 * To choose the k-th of those that stand in line costs k delays (Emmi, Qadeer,
 * Rakamaric: Delay-Bounded Scheduling, POPL 2011), so that the bound holds the
 * number of histories down to a polynomial of their length; without one it is
 * all there are.
 */
#include "runtime/plat/memory.h"
#include "runtime/world/faults.h"
#include "runtime/world/strategies.h"
#include "runtime/world/tempo.h"

#define CHOICES_MOST 65536 /* of so many one is a choice; of more a number to begin chance with */

static void begin(void *self, struct sim *sim)
{
    struct systematic *all = self;

    (void)sim;
    all->depth = 0;
    all->spent = 0;
}

static size_t branch(struct systematic *all, size_t count)
{
    struct branching *here;

    if (!thrum_memory_reserve(&all->path, all->depth, &all->capacity, sizeof *all->path)) {
        all->incomplete = true;
        return 0;
    }
    here = &all->path[all->depth++];
    if (all->depth > all->given)
        *here = (struct branching){.index = 0, .count = (uint32_t)count};
    else if (here->count != count) { /* the program is not the same each time */
        all->diverged = true;
        here->count = (uint32_t)count;
        if (here->index >= here->count)
            here->index = 0;
    }
    all->spent += here->index;
    return here->index;
}

static size_t choose(void *self, struct sim *sim, const struct choice *choice)
{
    (void)sim;
    return branch(self, choice->count);
}

static size_t draw(void *self, struct sim *sim, size_t n)
{
    (void)sim;
    return n > CHOICES_MOST ? 0 : branch(self, n);
}

static uint32_t fault(void *self, struct sim *sim, const struct player *player, uint32_t kind)
{
    (void)player;
    return thrum_faults_concern(sim->oracle->faults, kind) ? (uint32_t)branch(self, 2) : 0;
}

static size_t tempo(void *self, struct sim *sim, const struct tempo_question *question)
{
    return sim->oracle->tempo ? branch(self, question->count) : 0;
}

bool thrum_systematic_next(struct systematic *all)
{
    uint64_t spent = all->spent;

    while (all->depth > 0) {
        struct branching *last = &all->path[all->depth - 1];

        if (last->index + 1 < last->count && spent < all->bound) {
            last->index++;
            all->given = all->depth;
            return true;
        }
        spent -= last->index;
        all->depth--;
    }
    return false;
}

void thrum_systematic_fini(struct systematic *all)
{
    thrum_memory_put(all->path);
}

const struct strategy thrum_systematic_strategy = {
    .begin = begin, .choose = choose, .draw = draw, .fault = fault, .tempo = tempo};
