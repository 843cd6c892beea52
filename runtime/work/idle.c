/*
 * idle.c - the event count.
 *
 * At most one sleeper is woken at a time: while somebody searches, new work
 * wakes nobody, for the searcher will see it. A searcher that finds work and
 * was the last passes the search on by waking another. The last searcher that
 * finds nothing looks once more, after a heavy fence, at everything that
 * could have been published by one who saw it searching.
 *
 * Searchers and sleepers are counted in one word, so that a publisher learns
 * from one load that nobody needs to be woken. Who a sleeper is, its bit says:
 * set before it is counted, and cleared, by whoever takes it away, before the
 * count goes down.
 *
 * Edges
 *   idle.search   sleep, found <-> claim   one sees the other: with the heavy fence of the
 *                                          last searcher against the light one of the publisher
 *   idle.asleep   sleep -> claim           the sleeper's bit, before it stops searching
 */
#include "runtime/work/idle.h"

#include "runtime/base/point.h"

#define SEARCHER ((uint64_t)1)
#define SLEEPER ((uint64_t)1 << 32)

static uint64_t searchers_in(uint64_t state)
{
    return state & (SLEEPER - 1);
}

void thrum_idle_init(struct idle *idle, unsigned workers_max)
{
    idle->state = 0;
    idle->words = (workers_max + 63) / 64;
    for (unsigned i = 0; i < IDLE_WORDS; i++)
        idle->sleeping[i] = 0;
}

/* Clears `bit`; false: it was clear. */
static bool bit_clear(uint64_t *word, uint64_t bit)
{
    uint64_t seen = load_relaxed(word); /* relaxed: a guess */

    do {
        if (!(seen & bit))
            return false;
        /* MUTANT-OK acquire: a bit says only who has it. MUTANT-OK release: likewise */
    } while (!cas_acq_rel(word, &seen, seen & ~bit)); /* EDGE idle.asleep */
    return true;
}

/* Takes a sleeper's bit away; -1: nobody sleeps. */
static int sleeper_take(struct idle *idle)
{
    for (unsigned i = 0; i < idle->words; i++) {
        /* MUTANT-OK acquire: nothing is read through a bit; the swap of state has brought it */
        uint64_t seen = load_acquire(&idle->sleeping[i]); /* EDGE idle.asleep */

        while (seen) {
            uint64_t bit = seen & -seen;

            if (bit_clear(&idle->sleeping[i], bit))
                return (int)(i * 64) + __builtin_ctzll(bit);
            /* MUTANT-OK acquire: as above */
            seen = load_acquire(&idle->sleeping[i]); /* EDGE idle.asleep */
        }
    }
    return -1;
}

static bool anybody_sleeps(const struct idle *idle)
{
    for (unsigned i = 0; i < idle->words; i++)
        /* MUTANT-OK acquire: as above */
        if (load_acquire(&idle->sleeping[i])) /* EDGE idle.asleep */
            return true;
    return false;
}

bool thrum_idle_wants(const struct idle *idle)
{
    uint64_t seen = load_relaxed(&idle->state); /* relaxed: the light fence orders it */
                                                /* EDGE idle.search */
    return searchers_in(seen) == 0 && seen != 0;
}

int thrum_idle_claim(struct idle *idle)
{
    uint64_t seen = load_relaxed(&idle->state); /* relaxed: the light fence orders it */
                                                /* EDGE idle.search */
    while (searchers_in(seen) == 0 && seen != 0) {
        int worker;

        /*
         * MUTANT-OK acquire: a finder has acquired the sleepers' bits when it left the count. This
         * or that is needed, and this alone is enough.
         * MUTANT-OK release: a claim tells nobody anything
         */
        if (!cas_acq_rel(&idle->state, &seen, seen + SEARCHER)) /* EDGE idle.search */
            continue;
        POINT("idle.claim");
        worker = sleeper_take(idle);
        POINT("idle.claimed");
        if (worker >= 0) {
            /* MUTANT-OK acquire: a counter. MUTANT-OK release: likewise */
            add_acq_rel(&idle->state, -SLEEPER);
            return worker;
        }
        /* Who went to sleep since may have taken us for a searcher: look again. */
        if (!thrum_idle_found(idle) || !anybody_sleeps(idle))
            return -1;
        seen = load_relaxed(&idle->state); /* relaxed: a guess */
    }
    return -1;
}

void thrum_idle_search(struct idle *idle)
{
    /* MUTANT-OK acquire: a counter. MUTANT-OK release: likewise */
    add_acq_rel(&idle->state, SEARCHER); /* EDGE idle.search */
}

bool thrum_idle_found(struct idle *idle)
{
    /* MUTANT-OK acquire: claim's swap acquires it again. MUTANT-OK release: a counter */
    return searchers_in(add_acq_rel(&idle->state, -SEARCHER)) == 1; /* EDGE idle.search */
}

bool thrum_idle_sleep(struct idle *idle, unsigned worker)
{
    uint64_t seen;

    /* MUTANT-OK acquire: nothing is read. MUTANT-OK release: the count below releases it */
    add_acq_rel(&idle->sleeping[worker / 64], (uint64_t)1 << worker % 64); /* EDGE idle.asleep */
    POINT("idle.sleep");
    /* MUTANT-OK acquire: what a last searcher looks at is behind its heavy fence */
    seen = add_acq_rel(&idle->state, SLEEPER - SEARCHER); /* EDGE idle.search, idle.asleep */
    return searchers_in(seen) == 1;
}

bool thrum_idle_sleeps(const struct idle *idle, unsigned worker)
{
    /* relaxed: only we set it; who cleared it has called us after */
    return load_relaxed(&idle->sleeping[worker / 64]) & (uint64_t)1 << worker % 64;
}

bool thrum_idle_unsleep(struct idle *idle, unsigned worker)
{
    if (!bit_clear(&idle->sleeping[worker / 64], (uint64_t)1 << worker % 64))
        return false;
    /* MUTANT-OK acquire: a counter. MUTANT-OK release: likewise */
    add_acq_rel(&idle->state, SEARCHER - SLEEPER); /* EDGE idle.search */
    return true;
}
