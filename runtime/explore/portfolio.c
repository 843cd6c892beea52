/* portfolio.c - the bandit, in integers. */
#include "runtime/explore/portfolio.h"

#include "runtime/world/oracle.h"

#define FORGET 256   /* runs after which what was learned counts half */
#define SCALE 256    /* of a score: new pairs per run */
#define SCORE_MIN 16 /* of who has brought nothing of late */

static uint64_t score(const struct portfolio *portfolio, unsigned arm)
{
    return SCORE_MIN + SCALE * portfolio->reward[arm] / (portfolio->runs[arm] + 1);
}

static enum portfolio_arm by_chance(const struct portfolio *portfolio, uint64_t seed)
{
    uint64_t total = 0, at;
    unsigned arm = 0;

    for (unsigned i = 0; i < ARMS; i++)
        total += score(portfolio, i);
    at = sim_mix(seed ^ UINT64_C(0x706f7274666f)) % total;
    while (at >= score(portfolio, arm))
        at -= score(portfolio, arm++);
    return (enum portfolio_arm)arm;
}

enum portfolio_arm thrum_portfolio_choose(struct portfolio *portfolio, uint64_t seed)
{
    uint64_t turn = portfolio->made++;

    portfolio->arm = turn % 2 ? by_chance(portfolio, seed) : (enum portfolio_arm)(turn / 2 % ARMS);
    return portfolio->arm;
}

void thrum_portfolio_learn(struct portfolio *portfolio, uint64_t fresh)
{
    portfolio->runs[portfolio->arm]++;
    portfolio->reward[portfolio->arm] += fresh;
    if (portfolio->made % FORGET != 0)
        return;
    for (unsigned i = 0; i < ARMS; i++) {
        portfolio->runs[i] /= 2;
        portfolio->reward[i] /= 2;
    }
}
