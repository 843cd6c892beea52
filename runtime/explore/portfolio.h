/*
 * portfolio.h - several strategies take turns, and those that show more get more of them.
 *
 * Half of the runs are dealt out in turn, so that none starves; the other half by chance, in
 * proportion to how many new pairs (coverage.h) a strategy has brought for each of its late
 * runs. All of it follows from the seed, and the shard.
 */
#ifndef THRUM_EXPLORE_PORTFOLIO_H
#define THRUM_EXPLORE_PORTFOLIO_H

#include <stdint.h>

enum portfolio_arm {
    ARM_SURW,       /* one object */
    ARM_SURW_ALIKE, /* the same, and tasks that do the like count as one */
    ARM_SURW_ALL,   /* all objects */
    ARM_POS,
    ARM_PCT,
    ARM_DELAY,
    ARM_RANDOM,
    ARMS
};

/* Zero-filled at first. */
struct portfolio {
    uint64_t runs[ARMS];    /* of late: now and then both are halved */
    uint64_t reward[ARMS];  /* pairs that they have brought */
    uint64_t made;          /* runs */
    enum portfolio_arm arm; /* of the last */
};

/* Whose turn it is; the run's seed decides where chance does. */
enum portfolio_arm thrum_portfolio_choose(struct portfolio *portfolio, uint64_t seed);

/* What came of it. */
void thrum_portfolio_learn(struct portfolio *portfolio, uint64_t fresh);

#endif
