/* left.c - counting before and after. */
#include "runtime/explore/left.h"

#include <inttypes.h>
#include <stdio.h>

#include "runtime/explore/explorer.h"
#include "runtime/plat/code.h"
#include "runtime/task/task.h"

#define NAMED 8 /* of a kind */

static bool wants_descriptors(const struct explorer *explorer)
{
    return explorer->options.flags & THRUM_EXPLORE_FDS;
}

static int64_t counted(const struct explorer *explorer)
{
    return explorer->options.count ? explorer->options.count(explorer->arg) : 0;
}

void thrum_left_begin(struct explorer *explorer, struct left *left)
{
    for (int kind = 0; kind < LENT_KINDS; kind++)
        left->lent[kind] = thrum_lent_count((enum lent_kind)kind);
    left->counted = counted(explorer);
    if (wants_descriptors(explorer))
        thrum_descriptors_open(&left->open);
}

/* The explorer itself has nothing open that it had not before: all is made with the runtime. */
static bool descriptors_left(const struct explorer *explorer, const struct left *left)
{
    struct descriptors_open now;
    bool any = false;

    if (!wants_descriptors(explorer))
        return false;
    thrum_descriptors_open(&now);
    for (unsigned fd = 0; fd < DESCRIPTORS_MOST; fd++) {
        if (!descriptor_is_open(&now, fd) || descriptor_is_open(&left->open, fd))
            continue;
        any = true;
        if (explorer->talks)
            fprintf(stderr, "thrum: the run has ended, and descriptor %u is open\n", fd);
    }
    return any;
}

static void tell_lock(const struct held_lock *lock)
{
    char path[64], where[112] = "in a select";

    thrum_player_path(lock->player, path, sizeof path);
    if (lock->where)
        thrum_code_tell(lock->where, where, sizeof where);
    fprintf(stderr, "thrum: the run has ended, and task %s has %s %p, which it locked %s\n", path,
            lock->what, lock->object, where);
}

static bool locks_left(const struct explorer *explorer)
{
    const struct held_locks *held = &explorer->sim->held;

    for (size_t i = 0; i < held->count && i < NAMED && explorer->talks; i++)
        tell_lock(&held->locks[i]);
    return held->count > 0;
}

/* Whoever has permits need not be who gives them back: that is looked at if it is asked for. */
static bool concerns(const struct explorer *explorer, const struct holding *holding)
{
    return holding->what[0] != 's' || explorer->options.flags & THRUM_EXPLORE_PERMITS;
}

static bool holdings_left(const struct explorer *explorer)
{
    const struct sim *sim = explorer->sim;
    size_t count = 0;

    for (size_t i = 0; i < sim->holdings_count; i++) {
        const struct holding *holding = &sim->holdings[i];

        if (concerns(explorer, holding) && count++ < NAMED && explorer->talks)
            fprintf(stderr, "thrum: the run has ended, and task %s has %s %p, %u times\n",
                    holding->path, holding->what, holding->object, holding->n);
    }
    return count > 0;
}

static bool tasks_left(const struct explorer *explorer)
{
    uint64_t runs = load_relaxed(&explorer->runtime->scheduler.runs); /* relaxed: nobody runs */
    size_t alive = explorer->sim->alive;

    if (alive == 0 && runs == 0)
        return false;
    if (explorer->talks)
        fprintf(stderr,
                "thrum: the run has ended, and %zu tasks have not (%" PRIu64 " were submitted)\n",
                alive, runs);
    return true;
}

static bool lent_left(const struct explorer *explorer, const struct left *left)
{
    bool any = false;

    for (int kind = 0; kind < LENT_KINDS; kind++) {
        int64_t n = thrum_lent_count((enum lent_kind)kind) - left->lent[kind];

        if (n == 0)
            continue;
        any = true;
        if (explorer->talks)
            fprintf(stderr, "thrum: the run has ended, and %" PRId64 " %s were not given back\n", n,
                    thrum_lent_name((enum lent_kind)kind));
    }
    return any;
}

static bool count_left(const struct explorer *explorer, const struct left *left)
{
    int64_t n = counted(explorer) - left->counted;

    if (n != 0 && explorer->talks)
        fprintf(stderr, "thrum: the run has ended, and the program counts %" PRId64 " more\n", n);
    return n != 0;
}

bool thrum_left_any(struct explorer *explorer, const struct left *left)
{
    bool tasks = tasks_left(explorer), locks = locks_left(explorer);
    bool holdings = holdings_left(explorer);
    bool lent = lent_left(explorer, left), count = count_left(explorer, left);

    return descriptors_left(explorer, left) || tasks || locks || holdings || lent || count;
}
