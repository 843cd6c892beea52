/*
 * explore.c - a bug that needs a rare order of tasks, found, told shortly, and done again.
 *
 * Two tasks take money out of an account, each after a look at what is there. In the ordinary order
 * all is well. thrum_explore runs the program in others until the balance is negative, and finds
 * the one place that makes the difference. Under a lock there is none: all orders with up to three
 * delays are tried.
 *
 * Prints:
 *     in order: fine
 *     explored: overdrawn
 *     in short: 2@2>1
 *     the same again: overdrawn
 *     under a lock, all orders with 3 delays: fine
 */
#include <stdio.h>

#include <thrum/thrum.h>

enum { OVERDRAWN = -1001 };

struct account {
    thrum_mutex mutex;
    bool locked; /* it is to be used under its mutex */
    int balance;
};

static int withdraw(struct account *account, int sum)
{
    if (thrum_shared_load(&account->balance) < sum)
        return 0; /* not enough there */
    thrum_shared_store(&account->balance, thrum_shared_load(&account->balance) - sum);
    return sum;
}

static int take_eighty(void *arg)
{
    struct account *account = arg;
    int status = account->locked ? thrum_mutex_lock(&account->mutex) : 0;

    if (status)
        return status;
    withdraw(account, 80);
    if (account->locked)
        thrum_mutex_unlock(&account->mutex);
    return 0;
}

static int two_tasks(struct account *account)
{
    thrum_child children[2];
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    if (status)
        return status;
    for (int i = 0; i < 2 && !status; i++)
        status = thrum_group_spawn_child(&group, &children[i], take_eighty, account);
    status = thrum_group_close(&group, status, NULL);
    if (status)
        return status;
    return account->balance < 0 ? OVERDRAWN : 0;
}

static int without_lock(void *arg)
{
    struct account account = {THRUM_MUTEX_INIT, false, 100};

    (void)arg;
    return two_tasks(&account);
}

static int with_lock(void *arg)
{
    struct account account = {THRUM_MUTEX_INIT, true, 100};

    (void)arg;
    return two_tasks(&account);
}

static const char *word(int status)
{
    return status == 0 ? "fine" : status == OVERDRAWN ? "overdrawn" : thrum_errname(status);
}

int main(void)
{
    thrum_explore_options options = THRUM_EXPLORE_OPTIONS_INIT;
    thrum_options world = THRUM_OPTIONS_INIT;
    thrum_explore_result result;

    world.flags = THRUM_SIMULATE; /* seed 0: the ordinary order */
    printf("in order: %s\n", word(thrum_run(without_lock, NULL, &world, NULL)));

    options.flags = THRUM_EXPLORE_QUIET; /* else it prints what happened, turn by turn */
    options.seed = 1;                    /* any will do; from this one the way is shortest */
    printf("explored: %s\n", word(thrum_explore(&options, without_lock, NULL, &result)));
    printf("in short: %s\n", result.replay); /* when 2 came to its second point, 1 went on instead */
    printf("the same again: %s\n", word(thrum_replay(result.replay, without_lock, NULL, NULL)));

    options.strategy = THRUM_STRATEGY_SYSTEMATIC;
    options.delays = 3;
    printf("under a lock, all orders with 3 delays: %s\n",
           word(thrum_explore(&options, with_lock, NULL, &result)));
    return result.complete ? 0 : 1;
}
