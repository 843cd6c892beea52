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

#define SPIN_NS 20000       /* how long to look before sleeping */
#define SPIN_POLLER_NS 5000 /* the same for who will sleep in the poller, for descriptors */
#define SPIN_LOOK_NS 2000   /* between two looks at descriptors meanwhile */
#define REVOKE_NS 50000     /* how long an owner may leave a request unanswered */
#define PAUSES 32           /* between two rounds */
#define SHORT_NS 200        /* a stolen task that was not worth it, with what the steal took */
#define VAIN_FREE 8         /* such tasks in a row before a thief becomes patient */
#define VAIN_MAX 13
#define PATIENCE_NS 250 /* half of the first pause; the last is 8 us */

#ifndef YOUNG_NS      /* models have 0: nothing is too young */
#define YOUNG_NS 2000 /* a fiber that has been ready for so long may be stolen */
#endif
#define YOUNG_DOUBLINGS 2 /* and longer, while owners run them sooner */

enum { NOTIFY_NONE = 0, NOTIFY_RUN = 1 };

/* ---- stealing ------------------------------------------------------------------------------ */

struct round {
    int64_t now;
    bool patient;               /* leave what others have to them for the moment */
    bool revoke;                /* take without asking */
    bool work;                  /* somebody has something that we did not get */
    bool task;                  /* what was found is an unstarted task */
    const struct worker *young; /* this one has ready fibers that nobody has seen before */
    uint64_t tail;              /* and its queue ends here */
};

/*
 * Who was made ready a moment ago had best be left where it was woken: its waker is often about
 * to wait itself, what both of them touch is in that CPU's cache, and the other one would cost each
 * of them a cache miss for every line of it. So only what was there at an earlier look is taken.
 */
static struct fiber *steal_ready(struct worker *worker, struct worker *victim, struct round *round)
{
    struct sight *sight = &worker->sight;
    uint64_t seen = sight->victim == victim->index ? sight->tail : 0;
    struct fiber *fiber;
    uint64_t tail;

    if (!thrum_ready_shares(&victim->ready, &tail))
        return NULL;
    fiber = thrum_ready_steal(&victim->ready, YOUNG_NS == 0 ? READY_ANY : seen);
    if (fiber) {
        sight->doublings = 0;
        return fiber;
    }
    round->young = victim;
    round->tail = tail;
    return NULL;
}

static void remember_sight(struct worker *worker, const struct round *round)
{
    struct sight *sight = &worker->sight;

    if (!round->young)
        return;
    sight->victim = round->young->index;
    sight->tail = round->tail;
    sight->at = round->now;
    sight->pause = (int64_t)YOUNG_NS << sight->doublings;
    if (sight->doublings < YOUNG_DOUBLINGS)
        sight->doublings++;
}

static struct fiber *steal_from(struct worker *worker, struct worker *victim, struct round *round)
{
    struct fiber *fiber = steal_ready(worker, victim, round);
    void *task;

    if (fiber)
        return fiber;
    task = thrum_deque_steal(&victim->deque);
    round->task = task != NULL;
    return task ? thrum_fiber_for(worker, task) : NULL;
}

static void look(struct worker *victim, struct round *round)
{
    if (!thrum_ready_empty(&victim->ready) || !thrum_deque_empty(&victim->deque))
        round->work = true;
}

/* The owner has something, but has not shared it: ask for it, or take it. */
static struct fiber *insist(struct worker *worker, struct worker *victim, struct round *round)
{
    uint64_t tail;

    if (!thrum_deque_empty(&victim->deque)) {
        if (!round->revoke)
            thrum_deque_ask(&victim->deque);
        else if (thrum_deque_revoke(&victim->deque))
            return steal_from(worker, victim, round);
    }
    if (thrum_ready_empty(&victim->ready) || thrum_ready_shares(&victim->ready, &tail))
        return NULL;
    if (round->revoke)
        return thrum_ready_revoke(&victim->ready);
    thrum_ready_ask(&victim->ready);
    return NULL;
}

/* One look at everybody, from a random one on. */
static struct fiber *steal_round(struct worker *worker, struct round *round)
{
    struct scheduler *scheduler = worker->scheduler;
    /* MUTANT-OK acquire: in the models no worker comes later; TSan sees those that do */
    unsigned n = load_acquire(&scheduler->known); /* EDGE sched.worker */
    unsigned first = (unsigned)(worker_random(worker) % n);
    struct inject_node *spare;
    struct fiber *fiber = thrum_inject_take(&scheduler->inject, &spare);

    if (fiber) {
        fiber->node = spare;
        return fiber;
    }
    if (round->patient) { /* not even a look, which would cost the owners a cache miss */
        round->work = true;
        return NULL;
    }
    for (unsigned i = 0; i < n; i++) {
        struct worker *victim = worker_at(scheduler, (first + i) % n);

        fiber = steal_from(worker, victim, round);
        if (fiber)
            return fiber;
        look(victim, round);
        fiber = insist(worker, victim, round);
        if (fiber)
            return fiber;
    }
    return NULL;
}

bool thrum_work_in_sight(struct scheduler *scheduler)
{
    /* MUTANT-OK acquire: in the models no worker comes later; TSan sees those that do */
    unsigned n = load_acquire(&scheduler->known); /* EDGE sched.worker */
    struct round round = {.work = false};

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

/*
 * Stolen tasks that end at once cost more than they save: their memory moves
 * here and back. After a few of them in a row a thief leaves the owners alone
 * for a while, and longer each time. A task that was worth it, or anything
 * else found, ends that.
 *
 * Returns how long to be patient.
 */
static int64_t weigh_last_steal(struct worker *worker, int64_t now)
{
    if (now - worker->stole_at > SHORT_NS)
        worker->in_vain = 0;
    else if (worker->in_vain < VAIN_MAX)
        worker->in_vain++;
    if (worker->in_vain <= VAIN_FREE)
        return 0;
    return (int64_t)PATIENCE_NS << (worker->in_vain - VAIN_FREE);
}

/* What timers and descriptors have made ready stands in the own queue. */
static struct fiber *from_outside(struct worker *worker, int64_t now)
{
    if (UNLIKELY(timers_due(&worker->timers, now)))
        thrum_timers_expire(worker, now);
    thrum_poller_look(worker, now, SPIN_LOOK_NS);
    return ready_take(&worker->ready, false);
}

void thrum_worker_hasten(void)
{
    struct worker *worker = thrum_worker_self();

    worker->hasty_tick = worker->tick + 1;
}

/* Who is about to sleep in the poller, for descriptors, hears there of whatever comes. */
static int64_t spin_ns(const struct scheduler *scheduler)
{
    /* relaxed: a hint */
    return poller_wanted(scheduler) && !load_relaxed(&scheduler->poller) ? SPIN_POLLER_NS : SPIN_NS;
}

/* Steals until that has passed with nothing in sight. */
static struct fiber *spin(struct worker *worker)
{
    bool impatient = load_relaxed(&worker->scheduler->oversubscribed) || /* relaxed: a hint */
                     worker->tick == worker->hasty_tick || worker->guest;
    int64_t begin = thrum_clock_now();
    int64_t empty_since = begin;
    int64_t asked_since = begin;
    int64_t patience = weigh_last_steal(worker, begin);

    while (!must_leave(worker)) {
        int64_t now = thrum_clock_now();
        bool patient = now - begin < patience || now - worker->sight.at < worker->sight.pause;
        struct round round = {
            .now = now, .patient = patient, .revoke = !patient && now - asked_since > REVOKE_NS};
        struct fiber *fiber = from_outside(worker, now);

        if (!fiber)
            fiber = steal_round(worker, &round);
        if (fiber) {
            worker->stole_at = round.task ? now : 0;
            return fiber;
        }
        remember_sight(worker, &round);
        if (!round.work || round.revoke)
            asked_since = now;
        if (round.work)
            empty_since = now;
        else if (impatient || now - empty_since > spin_ns(worker->scheduler))
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

/* Waits in the poller until notified, a descriptor is ready or its first timer is due. */
static void park_polling(struct worker *worker)
{
    struct scheduler *scheduler = worker->scheduler;
    int64_t patience;

    POINT("park.poller");
    fence_seq(); /* EDGE sched.poller */
    while (!notified(worker) && (patience = thrum_timers_patience(&worker->timers)) != 0 &&
           !thrum_poller_sleep(worker, patience))
        continue;
    POINT("park.polled");
    /* MUTANT-OK release: who comes next finds nothing of ours */
    store_release(&scheduler->poller, 0);
}

static void park_alone(struct worker *worker)
{
    int64_t patience;

    while (!notified(worker) && (patience = thrum_timers_patience(&worker->timers)) != 0) {
        POINT("park.futex");
        thrum_futex_wait(&worker->notified, NOTIFY_NONE, patience);
    }
}

static void hear(struct worker *worker)
{
    /*
     * An exchange: a call that it swallows has been heard, with what the caller did before, or
     * a worker that is to leave might sleep again.
     * MUTANT-OK acquire: the models have one caller too few for a call to be swallowed
     */
    exchange_acquire(&worker->notified, NOTIFY_NONE); /* EDGE sched.notify */
}

static void park(struct worker *worker)
{
    if (become_poller(worker))
        park_polling(worker);
    else
        park_alone(worker);
    hear(worker);
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
    int sleeper;

    if (LIKELY(!thrum_idle_wants(&scheduler->idle)))
        return;
    thrum_worker_stirs(scheduler); /* for the sleeper: once claimed it may wake by itself */
    sleeper = thrum_idle_claim(&scheduler->idle);
    if (sleeper >= 0)
        thrum_worker_call(worker_at(scheduler, (unsigned)sleeper));
    else
        thrum_worker_rests(scheduler);
}

static void alarm_all(struct scheduler *scheduler)
{
    /* MUTANT-OK acquire: in the models no worker comes later; TSan sees those that do */
    unsigned n = load_acquire(&scheduler->known); /* EDGE sched.worker */

    for (unsigned i = 0; i < n; i++)
        thrum_deque_alarm(&worker_at(scheduler, i)->deque);
}

/*
 * If we were called but not claimed, our bit is still set, and we do not count yet. Count
 * first: a publisher that takes us for a searcher may be the last to rest.
 */
static void count_again(struct worker *worker)
{
    struct scheduler *scheduler = worker->scheduler;

    if (LIKELY(!thrum_idle_sleeps(&scheduler->idle, worker->index)))
        return;
    thrum_worker_stirs(scheduler);
    if (!thrum_idle_unsleep(&scheduler->idle, worker->index))
        thrum_worker_rests(scheduler);
}

/* A searcher has found nothing. False: there is something after all, it still is one. */
static bool fall_asleep(struct worker *worker)
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
            return false;
    }
    while (!thrum_worker_may_rest(scheduler))
        if (thrum_idle_unsleep(&scheduler->idle, worker->index))
            return false;
    POINT("park.begin");
    store_relaxed(&worker->parked, 1); /* relaxed: a hint */
    return true;
}

/* As a searcher again. */
static void wake_up(struct worker *worker)
{
    store_relaxed(&worker->parked, 0); /* relaxed: a hint */
    POINT("park.end");
    count_again(worker);
    thrum_poller_tell(worker);
}

static void sleep_until_called(struct worker *worker)
{
    if (!fall_asleep(worker))
        return;
    park(worker);
    wake_up(worker);
}

/*
 * A guest sleeps outside of its turns, and has the poller's place meanwhile, so that a call makes
 * the descriptor readable. False: it was called at once.
 */
static bool doze(struct worker *worker)
{
    if (!fall_asleep(worker))
        return false;
    become_poller(worker);
    /* MUTANT-OK fence: no model has a guest; it is as park_polling's */
    fence_seq(); /* EDGE sched.poller */
    if (!notified(worker) && thrum_timers_patience(&worker->timers) != 0) {
        worker->dozes = true;
        return true;
    }
    /* MUTANT-OK release: nobody else comes */
    store_release(&worker->scheduler->poller, 0);
    hear(worker);
    wake_up(worker);
    return false;
}

void thrum_guest_wakes(struct worker *worker, int64_t patience)
{
    (void)thrum_poller_sleep(worker, patience);
    if (!worker->dozes) {
        thrum_poller_tell(worker);
        return;
    }
    worker->dozes = false;
    /* MUTANT-OK release: nobody else comes */
    store_release(&worker->scheduler->poller, 0);
    hear(worker);
    wake_up(worker);
    (void)thrum_idle_found(&worker->scheduler->idle); /* the walk begins as that of one who works */
}

struct fiber *thrum_worker_search(struct worker *worker)
{
    struct scheduler *scheduler = worker->scheduler;
    struct fiber *fiber;

    thrum_idle_search(&scheduler->idle);
    POINT("search.begin");
    while ((fiber = spin(worker)) == NULL && !must_leave(worker)) {
        thrum_timers_tidy(worker);
        if (!worker->guest)
            sleep_until_called(worker);
        else if (doze(worker))
            return NULL;
    }
    POINT("search.found");
    if (thrum_idle_found(&scheduler->idle)) {
        POINT("search.last");
        /* MUTANT-OK fence: one word counts both, and the subtraction has read it */
        fence_light(); /* EDGE idle.search */
        thrum_notify(scheduler);
    }
    return fiber;
}

unsigned thrum_worker_wait_outside(struct worker *worker, int64_t patience,
                                   struct poll_event found[POLL_MOST])
{
    struct scheduler *scheduler = worker->scheduler;
    int64_t until = patience < 0 ? -1 : thrum_clock_now() + patience;
    int n = 0;

    thrum_idle_search(&scheduler->idle);
    thrum_idle_sleep(&scheduler->idle, worker->index);
    (void)become_poller(worker);
    fence_heavy(); /* EDGE idle.search, sched.poller: who publishes or notifies sees that we sleep,
                      and where, or we see what it has */
    while (n == 0 && patience != 0 && thrum_inject_empty(&scheduler->inject) && !notified(worker)) {
        n = thrum_poll_wait(&scheduler->poll, patience, found);
        if (until >= 0)
            patience = until > thrum_clock_now() ? until - thrum_clock_now() : 0;
    }
    /* MUTANT-OK release: nobody else comes */
    store_release(&scheduler->poller, 0);
    hear(worker);
    if (thrum_idle_sleeps(&scheduler->idle, worker->index) &&
        !thrum_idle_unsleep(&scheduler->idle, worker->index))
        thrum_worker_rests(scheduler);
    thrum_idle_found(&scheduler->idle);
    return (unsigned)n;
}

/*
 * A worker that is to leave stays for its timers, asleep, outside of the event
 * count. It ends them as a thread that is none of the workers.
 */
bool thrum_worker_linger(struct worker *worker)
{
    uint32_t leaves = WORKER_LEAVES;

    /* MUTANT-OK acquire: what it does next it does as one that has just come */
    while (load_acquire(&worker->retiring) == WORKER_LEAVES) { /* EDGE sched.leave */
        bool any;

        thrum_worker_stirs(worker->scheduler);
        thrum_timers_expire(worker, thrum_clock_now());
        thrum_timers_tidy(worker);
        any = timers_any(&worker->timers);
        thrum_worker_rests(worker->scheduler);
        if (!any)
            /* MUTANT-OK release: the models join nobody */
            return cas_release(&worker->retiring, &leaves, WORKER_GONE) || /* EDGE sched.leave */
                   leaves == WORKER_ENDS;
        park_alone(worker);
        hear(worker);
    }
    return load_relaxed(&worker->retiring) == WORKER_ENDS; /* relaxed: a join orders it */
}
