/*
 * gather.c - several calls at once: all of them, or the first that succeeds.
 *
 * Both are a group with a policy, and its tasks' outcomes. In a race two
 * things are added: the next call waits for its time or for the failure of the
 * one before; and who succeeds leaves word whether he was the first, before
 * anybody else can know.
 */
#include <thrum/gather.h>

#include <errno.h>

#include <thrum/detail/atomic.h>
#include <thrum/time.h>

static void calls_begin(thrum_call *calls, size_t n)
{
    for (size_t i = 0; i < n; i++)
        calls[i].task = NULL;
}

/* What a spawn said, for close: that it was over before all were spawned is no error. */
static int calls_spawned(int status)
{
    return status == THRUM_ESHUTDOWN ? 0 : status;
}

/* All have ended. Has one succeeded? */
static bool calls_end(thrum_call *calls, size_t n)
{
    bool succeeded = false;

    for (size_t i = 0; i < n; i++) {
        thrum_outcome outcome = {THRUM_CANCELLED, THRUM_ECANCELED, NULL}; /* never spawned */

        if (calls[i].task)
            (void)thrum_task_outcome(calls[i].task, &outcome);
        thrum_task_unref(calls[i].task);
        calls[i].task = NULL;
        calls[i].outcome = outcome;
        succeeded |= outcome.kind == THRUM_OK;
    }
    return succeeded;
}

/* ---- gather ---------------------------------------------------------------------------------- */

/* What COLLECT makes of failures: nothing. But a cancel that came with them is to be told now. */
static int forget(thrum_error *errors, int spawned)
{
    thrum_error_free(errors);
    return spawned && spawned != THRUM_ECANCELED ? spawned : thrum_checkpoint();
}

int thrum_gather_at(thrum_call *calls, size_t n, unsigned policy, uint32_t limit,
                    thrum_error **errors, const struct thrum_site *site)
{
    bool collects = policy == THRUM_COLLECT;
    thrum_group_options options = THRUM_GROUP_OPTIONS_INIT;
    thrum_error *failures = NULL;
    thrum_group group;
    int spawned = 0, status;
    bool succeeded;

    if (policy != THRUM_FAIL_FAST && policy != THRUM_COLLECT && policy != THRUM_FIRST_OK)
        return -EINVAL;
    if (errors)
        *errors = NULL;
    if (n == 0)
        return 0;
    options.flags = policy;
    options.limit = limit < n ? limit : 0;
    status = thrum_group_open(&group, &options);
    if (status)
        return status;
    calls_begin(calls, n);
    for (size_t i = 0; i < n && !spawned; i++)
        spawned = thrum_group_spawn_at(&group, calls[i].fn, calls[i].arg, NULL, &calls[i].task,
                                       site);
    spawned = calls_spawned(spawned);
    status = thrum_group_close(&group, spawned, collects ? &failures : errors);
    succeeded = calls_end(calls, n);
    if (collects && status == THRUM_EGROUP)
        return forget(failures, spawned);
    return status == 0 && policy == THRUM_FIRST_OK && !succeeded ? THRUM_ECANCELED : status;
}

/* ---- race ------------------------------------------------------------------------------------ */

struct race {
    uint64_t winner; /* atomic: thrum_call *, NULL: nobody yet */
};

static int run(void *arg)
{
    thrum_call *call = (thrum_call *)arg;
    struct race *race = (struct race *)call->race;
    int status = call->fn(call->arg);
    uint64_t nobody = 0;

    if (status >= 0)
        (void)thrum_cas_relaxed_64(&race->winner, &nobody, (uint64_t)(uintptr_t)call);
    return status; /* relaxed: it is read when all have ended */
}

/* Until it is the next one's turn: 0; or until it is all over: THRUM_ECANCELED. */
static int await_turn(thrum_call *call, int64_t stagger)
{
    thrum_timeout timeout;
    int status = stagger ? thrum_timeout_begin(&timeout, stagger) : 0;

    if (!stagger || status)
        return status;
    status = thrum_timeout_end(&timeout, thrum_shield_join(call->task, NULL));
    return status == THRUM_ETIMEOUT ? 0 : status;
}

static int start_all(struct race *race, thrum_call *calls, size_t n, int64_t stagger,
                     thrum_group *group, const struct thrum_site *site)
{
    for (size_t i = 0; i < n; i++) {
        int status = i ? await_turn(&calls[i - 1], stagger) : 0;

        calls[i].race = race;
        if (!status)
            status = thrum_group_spawn_at(group, run, &calls[i], NULL, &calls[i].task, site);
        if (status)
            return status;
    }
    return 0;
}

int thrum_race_at(thrum_call *calls, size_t n, int64_t stagger, size_t *winner,
                  const struct thrum_site *site)
{
    thrum_group_options options = THRUM_GROUP_OPTIONS_INIT;
    struct race race = {0};
    const thrum_call *first;
    thrum_group group;
    int status;

    if (n == 0 || stagger < 0)
        return -EINVAL;
    options.flags = THRUM_FIRST_OK;
    status = thrum_group_open(&group, &options);
    if (status)
        return status;
    calls_begin(calls, n);
    status = calls_spawned(start_all(&race, calls, n, stagger, &group, site));
    status = thrum_group_close(&group, status, NULL);
    (void)calls_end(calls, n);
    first = (const thrum_call *)(uintptr_t)thrum_load_relaxed_64(&race.winner);
    /* relaxed: all have ended */
    if (winner)
        *winner = first ? (size_t)(first - calls) : n;
    return status == 0 && !first ? THRUM_ECANCELED : status;
}
