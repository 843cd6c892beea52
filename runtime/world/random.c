/* random.c - anybody, with the same probability. */
#include "runtime/world/strategies.h"

#include <stdlib.h>

#include "runtime/plat/memory.h"

static size_t choose(void *self, struct sim *sim, const struct choice *choice)
{
    (void)self;
    return oracle_below(sim->oracle, choice->count);
}

const struct strategy thrum_random_strategy = {.choose = choose};

/* The default: everybody goes on until it must wait. */
static size_t first_of(void *self, struct sim *sim, const struct choice *choice)
{
    (void)self, (void)sim, (void)choice;
    return 0;
}

static size_t nought(void *self, struct sim *sim, size_t n)
{
    (void)self, (void)sim, (void)n;
    return 0;
}

static const struct strategy in_order = {.choose = first_of, .draw = nought};

struct oracle *thrum_oracle_random(uint64_t seed)
{
    struct oracle *oracle = thrum_memory_get(sizeof *oracle, CACHE_LINE);

    if (oracle)
        *oracle = (struct oracle){.strategy = seed ? &thrum_random_strategy : &in_order,
                                  .seed = sim_mix(seed),
                                  .forgets = true};
    return oracle;
}

void thrum_oracle_free(struct oracle *oracle)
{
    thrum_oracle_fini(oracle);
    thrum_memory_put(oracle);
}

bool thrum_simulation_wanted(uint64_t *seed)
{
    const char *text = getenv("THRUM_SIM");
    char *end;

    if (!text)
        return false;
    *seed = strtoull(text, &end, 0);
    if (*text == '\0' || *end != '\0')
        thrum_panic("THRUM_SIM is \"%.40s\"; it must be a number, the seed", text);
    return true;
}
