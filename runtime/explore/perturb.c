/* perturb.c - what a run must not depend on. */
#include "runtime/explore/perturb.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/sched/lent.h"
#include "runtime/sched/worker.h"

#define SIZES 28 /* of blocks: 16 to 384 bytes in steps, and some larger ones */
#define STEP 16
#define STEPS 24
#define BLOCKS 10 /* of each: more than malloc keeps apart for a thread */
#define KEPT 2    /* of those */
#define FRAMES 16 /* by which tasks start further down, at most */
#define HANDLES 8 /* of a cache, that come in another order */

_Static_assert(SIZES *KEPT <= PERTURB_KEPT, "there is a place for each");

struct dice {
    uint64_t seed, thrown;
};

static unsigned below(struct dice *dice, unsigned n)
{
    uint64_t word = sim_mix(dice->seed + ++dice->thrown * UINT64_C(0x9e3779b97f4a7c15));

    return (unsigned)((word >> 32) * n >> 32);
}

/* ---- the heap -------------------------------------------------------------------------------- */

static size_t size_of(unsigned i)
{
    return i < STEPS ? (i + 1) * (size_t)STEP : (size_t)512 << (i - STEPS);
}

static void shuffle(struct dice *dice, void **blocks)
{
    for (unsigned i = BLOCKS; i > 1; i--) {
        unsigned k = below(dice, i);
        void *block = blocks[i - 1];

        blocks[i - 1] = blocks[k];
        blocks[k] = block;
    }
}

/* As many free blocks of each size as the last time, but others. */
static void perturb_heap(struct perturbed *perturbed, struct dice *dice, unsigned char byte)
{
    void *blocks[SIZES][BLOCKS];
    unsigned first = below(dice, SIZES);

    for (unsigned k = 0; k < BLOCKS; k++)
        for (unsigned i = 0; i < SIZES; i++) {
            unsigned at = (first + i) % SIZES;

            blocks[at][k] = malloc(size_of(at));
            if (blocks[at][k])
                memset(blocks[at][k], byte, size_of(at));
            __asm__ volatile("" : : "r"(blocks[at][k]) : "memory"); /* it is not for nothing */
        }
    for (unsigned i = 0; i < SIZES; i++) {
        shuffle(dice, blocks[i]);
        for (unsigned k = 0; k < BLOCKS - KEPT; k++)
            free(blocks[i][k]);
        for (unsigned k = BLOCKS - KEPT; k < BLOCKS; k++)
            perturbed->kept[perturbed->kept_count++] = blocks[i][k];
    }
}

static void mend_heap(struct perturbed *perturbed)
{
    while (perturbed->kept_count > 0)
        free(perturbed->kept[--perturbed->kept_count]);
}

/* ---- handles --------------------------------------------------------------------------------- */

static void turn_round(struct pool_cache *cache)
{
    struct pool_item *items[HANDLES];
    unsigned count = 0;

    if (!cache->store)
        return;
    while (count < HANDLES && (items[count] = thrum_pool_get(cache)) != NULL)
        count++;
    for (unsigned i = 0; i < count; i++)
        thrum_pool_put(cache, items[i]);
}

static void perturb_handles(struct worker *worker)
{
    for (unsigned i = 0; worker && i < WORKER_CACHES; i++)
        turn_round(&worker->above[i]);
}

/* ---- the environment ------------------------------------------------------------------------- */

static void perturb_environment(struct perturbed *perturbed)
{
    static char more[] = "THRUM_TWIN=the second of two runs";
    size_t count = 0;
    char **copy;

    while (environ && environ[count])
        count++;
    copy = malloc((count + 2) * sizeof *copy);
    if (!copy)
        return;
    copy[0] = more;
    for (size_t i = 0; i < count; i++)
        copy[1 + i] = environ[count - 1 - i];
    copy[count + 1] = NULL;
    perturbed->environment = environ;
    perturbed->copy = copy;
    environ = copy;
}

/* The program may have made one of its own meanwhile, out of ours. */
static void mend_environment(struct perturbed *perturbed)
{
    if (!perturbed->copy)
        return;
    if (environ == perturbed->copy)
        environ = perturbed->environment;
    free(perturbed->copy);
    perturbed->copy = perturbed->environment = NULL;
}

/* ---- all ------------------------------------------------------------------------------------- */

void thrum_perturb_begin(struct perturbed *perturbed, struct sim *sim, uint64_t seed, bool second)
{
    struct dice dice = {.seed = sim_mix(seed)};
    unsigned char byte = (unsigned char)(below(&dice, 3) ? below(&dice, 256) : 0);
    unsigned lower = below(&dice, FRAMES);

    if (second) {
        byte = (unsigned char)~byte;
        lower = (lower + 1 + below(&dice, FRAMES - 1)) % FRAMES;
        dice.seed = ~dice.seed;
        perturb_handles(sim->worker);
        perturb_environment(perturbed);
    }
    sim->unlike = (struct unlike){.dirty = true, .byte = byte, .lower = lower, .turned = second};
    thrum_lent_dirt(byte);
    perturb_heap(perturbed, &dice, byte);
}

void thrum_perturb_end(struct perturbed *perturbed, struct sim *sim)
{
    sim->unlike = (struct unlike){.dirty = false};
    thrum_lent_dirt(-1);
    mend_heap(perturbed);
    mend_environment(perturbed);
}
