/*
 * idle.h - the event count: who sleeps, who searches, and whom to wake.
 *
 * sched/README.md has the proof that no wake-up is lost.
 *
 *   class   lock-free
 */
#ifndef THRUM_WORK_IDLE_H
#define THRUM_WORK_IDLE_H

#include "runtime/atomic/verbs.h"
#include "runtime/base/base.h"

#define IDLE_WORKERS_MAX 1024
#define IDLE_WORDS (IDLE_WORKERS_MAX / 64)

struct idle {
    uint64_t state __attribute__((aligned(CACHE_LINE))); /* atomic: searchers, and sleepers << 32 */
    uint64_t words;                                      /* constant: of sleeping that are used */
    uint64_t sleeping[IDLE_WORDS];                       /* atomic: a bit for each sleeper */
};

void thrum_idle_init(struct idle *idle, unsigned workers_max);

/*
 * Any thread that has published work and then passed a light fence. The
 * number of a sleeper that the caller must now notify, and that counts as
 * searching from here on; -1: none needs to be woken.
 */
int thrum_idle_claim(struct idle *idle);

/* Would a claim find a sleeper, and nobody that searches? It may be wrong the next moment. */
bool thrum_idle_wants(const struct idle *idle);

/* Does nobody sleep and nobody search? It may be wrong the next moment. */
static inline bool thrum_idle_none(const struct idle *idle)
{
    return load_relaxed(&idle->state) == 0; /* relaxed: a glance */
}

/* A worker has run out of work of its own. */
void thrum_idle_search(struct idle *idle);

/* A searcher has found work. True: it was the last, and must claim another. */
bool thrum_idle_found(struct idle *idle);

/*
 * A searcher goes to sleep. True: it was the last and must alarm all deques,
 * pass a heavy fence and look at all queues once more before it sleeps.
 */
bool thrum_idle_sleep(struct idle *idle, unsigned worker);

/* By the worker. Does it sleep, not having been claimed? It may be the next moment. */
bool thrum_idle_sleeps(const struct idle *idle, unsigned worker);

/*
 * The sleeper changed its mind and searches again. False: it has been claimed
 * meanwhile, counts as searching already, and a notification is on its way.
 */
bool thrum_idle_unsleep(struct idle *idle, unsigned worker);

#endif
