/*
 * poller.c - descriptors: who looks at them, and what becomes of what is found.
 *
 * A worker that sleeps in the poller (search.c) finds them at once. While none
 * does, those that are awake look now and then: who searches, every few
 * microseconds; who has fibers to run, every LOOK_TURN picks, but not more often
 * than every 50 us; and the clock's thread at each of its looks, whatever the
 * others do. README.md has the proof that somebody always will.
 *
 * What was found is told upwards by who counts as awake. An arming is for one
 * event, so nobody else will find it: it lies in the worker's hand, a list from
 * which whoever takes an entry tells it. That is the worker; but if it has been
 * stopped, the clock.
 *
 * Edges
 *   poller.hand   hold -> take   what was found; take -> hold: all has been taken
 */
#include <errno.h>

#include "runtime/base/point.h"
#include "runtime/sched/internal.h"

void thrum_poller_expect(struct scheduler *scheduler)
{
    add_relaxed(&scheduler->watches, 1); /* relaxed: brought by busy */
}

void thrum_poller_dismiss(struct scheduler *scheduler)
{
    add_relaxed(&scheduler->watches, (uint64_t)-1); /* relaxed: brought by busy */
}

int thrum_poller_arm(struct scheduler *scheduler, int fd, uint32_t events, uint64_t key,
                     bool *known)
{
    if (UNLIKELY(scheduler->world != NULL)) {
        int err;

        world_hide(scheduler->world);
        err = scheduler->world->arm(scheduler->world, fd, events, key, known);
        world_show(scheduler->world);
        return err;
    }
    return thrum_poll_arm(&scheduler->poll, fd, events, key, known);
}

void thrum_poller_forget(struct scheduler *scheduler, int fd)
{
    if (UNLIKELY(scheduler->world != NULL)) {
        world_hide(scheduler->world);
        scheduler->world->forget(scheduler->world, fd);
        world_show(scheduler->world);
    } else
        thrum_poll_forget(&scheduler->poll, fd);
}

bool thrum_poller_valid(struct scheduler *scheduler, int fd)
{
    struct world *world = scheduler->world;

    if (UNLIKELY(fd & FD_OF_WORLD))
        return world && world->valid(world, fd);
    return thrum_poll_valid(fd);
}

int thrum_poller_peek(struct scheduler *scheduler, int fd, uint32_t events)
{
    struct world *world = scheduler->world;

    if (UNLIKELY(fd > 0 && fd & FD_OF_WORLD))
        return world ? world->peek(world, fd, events) : -EBADF;
    return thrum_poll_peek(fd, events);
}

/* ---- a hand: the number of the list, its length, how many were taken --------------------------- */

#define HAND_ONE ((uint64_t)1 << 16)

static unsigned length_of(uint64_t hand)
{
    return (unsigned)(hand >> 8 & 0xff);
}

static unsigned taken_of(uint64_t hand)
{
    return (unsigned)(hand & 0xff);
}

static bool empty(uint64_t hand)
{
    return taken_of(hand) == length_of(hand);
}

/* Owner, when the last list has been taken. */
static void hold(struct worker *worker, const struct poll_event *found, unsigned n)
{
    uint64_t hand = load_acquire(&worker->hand); /* EDGE poller.hand */

    if (n == 0)
        return;
    ASSERT(empty(hand));
    for (unsigned i = 0; i < n; i++) {
        store_relaxed(&worker->found[i].key, found[i].key);       /* relaxed: released below */
        store_relaxed(&worker->found[i].events, found[i].events); /* relaxed: likewise */
    }
    hand = (hand & ~(HAND_ONE - 1)) + HAND_ONE;
    store_release(&worker->hand, hand | n << 8); /* EDGE poller.hand */
}

/* Any thread. The list cannot have changed while it was read if the swap succeeds. */
static bool take(struct worker *worker, struct poll_event *event)
{
    uint64_t hand = load_acquire(&worker->hand); /* EDGE poller.hand */

    do {
        const struct found *found = &worker->found[taken_of(hand) % POLL_MOST];

        if (empty(hand))
            return false;
        event->key = load_relaxed(&found->key);                 /* relaxed: see above */
        event->events = (uint32_t)load_relaxed(&found->events); /* relaxed: likewise */
    } while (!cas_acq_rel(&worker->hand, &hand, hand + 1));     /* EDGE poller.hand */
    return true;
}

static void tell(struct scheduler *scheduler, const struct poll_event *event)
{
    POINT("poller.tell");
    scheduler->verbs->polled(scheduler, event->key, event->events);
}

bool thrum_poller_tell(struct worker *worker)
{
    struct poll_event event;
    bool any = false;

    while (take(worker, &event)) {
        tell(worker->scheduler, &event);
        any = true;
    }
    return any;
}

void thrum_poller_rescue_hand(struct worker *worker, uint64_t *hand)
{
    uint64_t before = *hand;

    *hand = load_acquire(&worker->hand); /* EDGE poller.hand */
    if (empty(*hand) || *hand != before)
        return;
    thrum_worker_stirs(worker->scheduler); /* nobody takes us for at rest meanwhile */
    thrum_poller_tell(worker);
    thrum_worker_rests(worker->scheduler);
}

/* ---- looking --------------------------------------------------------------------------------- */

bool thrum_poller_sleep(struct worker *worker, int64_t timeout_ns)
{
    struct poll_event found[POLL_MOST];
    int n = thrum_poll_wait(&worker->scheduler->poll, timeout_ns, found);

    hold(worker, found, (unsigned)n);
    return n > 0;
}

bool thrum_poller_look(struct worker *worker, int64_t now, int64_t every)
{
    struct scheduler *scheduler = worker->scheduler;
    struct poll_event found[POLL_MOST];

    if (LIKELY(!poller_wanted(scheduler)))
        return false;
    if (load_relaxed(&scheduler->poller) || /* relaxed: a hint; the clock looks too */
        now - (int64_t)load_relaxed(&scheduler->looked_at) < every) /* relaxed: likewise */
        return false;
    store_relaxed(&scheduler->looked_at, (uint64_t)now); /* relaxed: a hint */
    hold(worker, found, (unsigned)thrum_poll_look(&scheduler->poll, found));
    return thrum_poller_tell(worker);
}

void thrum_poller_rescue(struct scheduler *scheduler)
{
    struct poll_event found[POLL_MOST];
    int n = thrum_poll_look(&scheduler->poll, found);

    if (n == 0)
        return;
    thrum_worker_stirs(scheduler); /* as above */
    for (int i = 0; i < n; i++)
        tell(scheduler, &found[i]);
    thrum_worker_rests(scheduler);
}
