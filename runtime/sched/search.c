/*
 * search.c - a worker without work: steal, and if there is nothing, sleep.
 *
 * README.md has the proof. In short: who publishes work looks, after a light
 * fence, whether somebody sleeps and nobody searches, and then wakes one; who
 * goes to sleep as the last searcher poisons all deques, passes a heavy
 * fence, and looks at everything once more.
 *
 * One of the sleepers waits in the poller, the others on futexes.
 *
 * Edges
 *   sched.notify   notify -> park       what the notifier did before
 *   sched.poller   park <-> notify      the sleeper's place, against the notification
 */
#include <sched.h>

#include "runtime/atomic/asymmetric.h"
#include "runtime/base/point.h"
#include "runtime/plat/clock.h"
#include "runtime/plat/futex.h"
#include "runtime/sched/internal.h"

#define SPIN_NS 20000   /* how long to look before sleeping */
#define REVOKE_NS 50000 /* how long an owner may leave a request unanswered */
#define PAUSES 32       /* between two rounds */

enum { NOTIFY_NONE = 0, NOTIFY_RUN = 1 };

/* ---- stealing ------------------------------------------------------------------------------ */

static uint64_t random_next(struct worker *worker)
{
    uint64_t x = worker->random; /* xorshift64 (Marsaglia 2003) */

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return worker->random = x;
}

static struct fiber *steal_from(struct worker *worker, struct worker *victim)
{
    struct fiber *fiber = thrum_ready_steal(&victim->ready);
    void *task;

    if (fiber)
        return fiber;
    task = thrum_deque_steal(&victim->deque);
    return task ? thrum_fiber_for(worker, task) : NULL;
}

struct round {
    bool work; /* somebody has something that he has not shared, or another thief was faster */
};

static void look(struct worker *victim, struct round *round)
{
    if (!thrum_ready_empty(&victim->ready) || !thrum_deque_empty(&victim->deque))
        round->work = true;
}

/* The owner has something, but has not shared it: ask for it, or take it. */
static struct fiber *insist(struct worker *worker, struct worker *victim, bool revoke)
{
    if (!thrum_deque_empty(&victim->deque)) {
        if (!revoke)
            thrum_deque_ask(&victim->deque);
        else if (thrum_deque_revoke(&victim->deque))
            return steal_from(worker, victim);
    }
    if (revoke && !thrum_ready_empty(&victim->ready))
        return thrum_ready_revoke(&victim->ready);
    return NULL;
}

/* One look at everybody, from a random one on. */
static struct fiber *steal_round(struct worker *worker, bool revoke, struct round *round)
{
    struct scheduler *scheduler = worker->scheduler;
    /* MUTANT-OK acquire: in the models no worker comes later; TSan sees those that do */
    unsigned n = load_acquire(&scheduler->known); /* EDGE sched.worker */
    unsigned first = (unsigned)(random_next(worker) % n);
    struct inject_node *spare;
    struct fiber *fiber = thrum_inject_take(&scheduler->inject, &spare);

    if (fiber) {
        fiber->node = spare;
        return fiber;
    }
    for (unsigned i = 0; i < n; i++) {
        struct worker *victim = worker_at(scheduler, (first + i) % n);

        fiber = steal_from(worker, victim);
        if (fiber)
            return fiber;
        look(victim, round);
        fiber = insist(worker, victim, revoke);
        if (fiber)
            return fiber;
    }
    return NULL;
}

bool thrum_work_in_sight(struct scheduler *scheduler)
{
    /* MUTANT-OK acquire: in the models no worker comes later; TSan sees those that do */
    unsigned n = load_acquire(&scheduler->known); /* EDGE sched.worker */
    struct round round = {false};

    for (unsigned i = 0; i < n; i++)
        look(worker_at(scheduler, i), &round);
    return round.work || !thrum_inject_empty(&scheduler->inject);
}

static bool must_leave(struct worker *worker)
{
    /* MUTANT-OK acquire: a worker that leaves reads nothing of who told it */
    return load_acquire(&worker->retiring) != 0; /* EDGE sched.leave */
}

static void pause_between(const struct scheduler *scheduler)
{
    if (load_relaxed(&scheduler->oversubscribed)) { /* relaxed: a hint */
        sched_yield();
        return;
    }
    for (unsigned i = 0; i < PAUSES; i++)
        cpu_pause();
}

/* Steals until SPIN_NS have passed with nothing in sight. */
static struct fiber *spin(struct worker *worker)
{
    bool impatient = load_relaxed(&worker->scheduler->oversubscribed) != 0; /* relaxed: a hint */
    int64_t begin = thrum_clock_now();
    int64_t empty_since = begin;
    int64_t asked_since = begin;

    while (!must_leave(worker)) {
        int64_t now = thrum_clock_now();
        struct round round = {false};
        bool revoke = now - asked_since > REVOKE_NS;
        struct fiber *fiber = steal_round(worker, revoke, &round);

        if (fiber)
            return fiber;
        if (!round.work || revoke)
            asked_since = now;
        if (round.work)
            empty_since = now;
        else if (now - empty_since > SPIN_NS || impatient)
            return NULL;
        pause_between(worker->scheduler);
    }
    return NULL;
}

/* ---- sleeping ------------------------------------------------------------------------------ */

static bool notified(struct worker *worker)
{
    /* MUTANT-OK acquire: it is not lost without, only seen late: the last searcher fences */
    return load_acquire(&worker->notified) != NOTIFY_NONE; /* EDGE sched.notify */
}

static bool become_poller(struct worker *worker)
{
    uint32_t none = 0;

    /* MUTANT-OK acquire: park_polling fences. MUTANT-OK release: likewise */
    return cas_acq_rel(&worker->scheduler->poller, &none, worker->index + 1);
}

/* Waits in the poller until notified or until somebody wakes the poller. */
static void park_polling(struct worker *worker)
{
    struct scheduler *scheduler = worker->scheduler;

    POINT("park.poller");
    fence_seq(); /* EDGE sched.poller */
    while (!notified(worker))
        thrum_poll_wait(&scheduler->poll, -1);
    POINT("park.polled");
    /* MUTANT-OK release: who comes next finds nothing of ours */
    store_release(&scheduler->poller, 0);
}

static void park(struct worker *worker)
{
    if (become_poller(worker))
        park_polling(worker);
    else
        while (!notified(worker)) {
            POINT("park.futex");
            thrum_futex_wait(&worker->notified, NOTIFY_NONE, -1);
        }
    /*
     * An exchange: a call that it swallows has been heard, with what the caller did before, or
     * a worker that is to leave might sleep again.
     * MUTANT-OK acquire: the models have one caller too few for a call to be swallowed
     */
    exchange_acquire(&worker->notified, NOTIFY_NONE); /* EDGE sched.notify */
}

void thrum_worker_call(struct worker *worker)
{
    exchange_seq(&worker->notified, NOTIFY_RUN); /* EDGE sched.notify, sched.poller */
    POINT("wake.noted");
    /* MUTANT-OK acquire: the exchange fences */
    if (load_acquire(&worker->scheduler->poller) == worker->index + 1)
        thrum_poll_wake(&worker->scheduler->poll);
    else
        thrum_futex_wake(&worker->notified, 1);
}

void thrum_notify(struct scheduler *scheduler)
{
    int sleeper = thrum_idle_claim(&scheduler->idle);

    if (UNLIKELY(sleeper >= 0)) {
        thrum_worker_stirs(scheduler); /* for the sleeper */
        thrum_worker_call(worker_at(scheduler, (unsigned)sleeper));
    }
}

void thrum_worker_rests(struct scheduler *scheduler)
{
    /* MUTANT-OK release: a counter */
    add_release(&scheduler->busy, (uint32_t)-1); /* a counter; the clock reads it */
}

void thrum_worker_stirs(struct scheduler *scheduler)
{
    /* MUTANT-OK seq: the clock's sleep is not in the models; the futex looks at busy itself */
    add_seq(&scheduler->busy, 1); /* EDGE sched.busy */
    if (UNLIKELY(load_relaxed(&scheduler->clock_asleep))) /* relaxed: the add orders it */
        thrum_futex_wake(&scheduler->busy, 1);
}

static void alarm_all(struct scheduler *scheduler)
{
    /* MUTANT-OK acquire: in the models no worker comes later; TSan sees those that do */
    unsigned n = load_acquire(&scheduler->known); /* EDGE sched.worker */

    for (unsigned i = 0; i < n; i++)
        thrum_deque_alarm(&worker_at(scheduler, i)->deque);
}

/* Returns as a searcher again. */
static void sleep_until_called(struct worker *worker)
{
    struct scheduler *scheduler = worker->scheduler;

    if (thrum_idle_sleep(&scheduler->idle, worker->index)) {
        POINT("sleep.last");
        /*
         * MUTANT-OK fence: the count's read-modify-write is a full fence on every machine that
         * we know, and the models are too small to need more than it says.
         */
        fence_seq(); /* EDGE deque.attention: who hides our alarm sees that we sleep */
        alarm_all(scheduler);
        /* MUTANT-OK fence: without membarrier the fence above does, for every push looks */
        fence_heavy(); /* EDGE idle.search */
        POINT("sleep.look");
        if ((thrum_work_in_sight(scheduler) || must_leave(worker)) &&
            thrum_idle_unsleep(&scheduler->idle, worker->index))
            return;
    }
    thrum_worker_rests(scheduler);
    POINT("park.begin");
    store_relaxed(&worker->parked, 1); /* relaxed: a hint */
    park(worker);
    store_relaxed(&worker->parked, 0); /* relaxed: a hint */
    POINT("park.end");
    /* If we were called but not claimed, our bit is still set, and we do not count yet. */
    if (thrum_idle_unsleep(&scheduler->idle, worker->index))
        thrum_worker_stirs(scheduler);
}

struct fiber *thrum_worker_search(struct worker *worker)
{
    struct scheduler *scheduler = worker->scheduler;
    struct fiber *fiber;

    thrum_idle_search(&scheduler->idle);
    POINT("search.begin");
    while ((fiber = spin(worker)) == NULL && !must_leave(worker))
        sleep_until_called(worker);
    POINT("search.found");
    if (thrum_idle_found(&scheduler->idle)) {
        POINT("search.last");
        /* MUTANT-OK fence: one word counts both, and the subtraction has read it */
        fence_light(); /* EDGE idle.search */
        thrum_notify(scheduler);
    }
    return fiber;
}
