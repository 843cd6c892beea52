/*
 * clock.c - a thread that acts while all workers compute, or one has stopped.
 *
 * It sleeps while nobody is awake: no worker, and no thread that publishes
 * from outside. Else it looks, every TICK_NS, for
 *
 *   workers that have made no pick for two ticks: a task that only spawns and
 *   joins runs everything inline and never comes back to its loop. It asks
 *   them to give way at their next inline join, and to share what they have.
 *
 *   work that lies about while workers are parked. The event count wakes
 *   nobody while somebody searches, and the kernel may have stopped that one;
 *   or one that has claimed a sleeper and not called it, or published and not
 *   notified. It calls a parked worker, whatever the count says.
 *
 * And it looks, when the time comes, for timers that are due: it asks a worker
 * that is awake to see to them, and if that has not happened LATE_NS later, it
 * ends them itself; at once, if that worker computes. That it does even while
 * nobody is awake: the kernel may have stopped the sleeper.
 *
 * At its looks it looks at descriptors too, if any task waits for them: all
 * workers may compute, and who sleeps in the poller may have been stopped. While
 * nobody is awake it does so more and more seldom.
 *
 * Edges
 *   sched.busy   stirs <-> sleep   one sees the other (rest.c)
 *   sched.rest   rests -> sleep    when the sleeper's first timer is due
 */
#include "runtime/plat/clock.h"
#include "runtime/plat/futex.h"
#include "runtime/plat/thread.h"
#include "runtime/sched/internal.h"

#define TICK_NS 5000000
#define AWAY_TICKS 2 /* a worker that has made no pick for so long computes */
#define LATE_NS 5000000
#define NAP_NS 500000 /* at least, between two looks at the timers */
#define LOOK_MOST_NS 8000000000 /* at most, between two looks at descriptors */

struct watch {
    uint32_t visits;
    unsigned ticks; /* since visits last changed */
    struct rescue rescue;
    uint64_t hand; /* what it had found when we looked */
};

struct clock {
    struct watch watches[IDLE_WORKERS_MAX];
    unsigned in_sight; /* ticks for which there has been work to take */
    unsigned next;     /* whom to look at first, so that each has its turn */
    int64_t tick;      /* when to look at the workers */
    int64_t due;       /* when to look at the timers */
    int64_t look_ns;   /* while nobody is awake: until the next look at descriptors */
};

static void ask(struct worker *worker, uint32_t what)
{
    uint32_t asked = load_relaxed(&worker->overdue); /* relaxed: one answered stays too long */

    store_relaxed(&worker->overdue, asked | what); /* relaxed: a request, sent again if lost */
}

static void hurry(struct scheduler *scheduler, struct watch *watches)
{
    unsigned n = load_acquire(&scheduler->known); /* EDGE sched.worker */

    for (unsigned i = 0; i < n; i++) {
        struct worker *worker = worker_at(scheduler, i);
        uint32_t visits = load_relaxed(&worker->visits); /* relaxed: a hint */
        struct watch *watch = &watches[i];

        watch->ticks = visits == watch->visits ? watch->ticks + 1 : 0;
        watch->visits = visits;
        if (watch->ticks < AWAY_TICKS)
            continue;
        ask(worker, OVERDUE_JOIN);
        thrum_deque_ask(&worker->deque);
    }
}

static void rouse(struct scheduler *scheduler, struct clock *clock)
{
    unsigned n = load_acquire(&scheduler->known); /* EDGE sched.worker */

    clock->in_sight = thrum_work_in_sight(scheduler) ? clock->in_sight + 1 : 0;
    if (clock->in_sight < 2)
        return;
    for (unsigned i = 0; i < n; i++) {
        struct worker *worker = worker_at(scheduler, clock->next++ % n);

        if (load_relaxed(&worker->parked)) { /* relaxed: a hint, we look again */
            thrum_worker_call(worker);
            return;
        }
    }
}

/* Descriptors that nobody looks at, and what stopped workers have found. */
static void look_at_descriptors(struct scheduler *scheduler, struct clock *clock)
{
    unsigned n = load_acquire(&scheduler->known); /* EDGE sched.worker */

    if (LIKELY(!poller_wanted(scheduler)))
        return;
    thrum_poller_rescue(scheduler);
    for (unsigned i = 0; i < n; i++)
        thrum_poller_rescue_hand(worker_at(scheduler, i), &clock->watches[i].hand);
}

static int64_t later(int64_t a, int64_t ns)
{
    return a > INT64_MAX - ns ? INT64_MAX : a + ns;
}

/* When to look at its timers again; those that are due have been seen to. */
static int64_t see_to(struct worker *worker, struct watch *watch, int64_t now)
{
    int64_t due = (int64_t)load_relaxed(&worker->timers.next_due); /* relaxed: sched.rest */
    bool parked = load_relaxed(&worker->parked) != 0;               /* relaxed: a hint */
    int64_t grace = parked || watch->ticks < AWAY_TICKS ? LATE_NS : 0;

    if (due == TIMER_NEVER || (due > now && !parked))
        return due;
    if (due <= now - grace) {
        thrum_timers_rescue(worker, &watch->rescue, now);
        return grace == 0 && watch->rescue.exact ? watch->rescue.next : later(now, LATE_NS);
    }
    if (!parked)
        ask(worker, OVERDUE_TIMERS);
    return later(due, LATE_NS);
}

static void see_to_timers(struct scheduler *scheduler, struct clock *clock, int64_t now)
{
    unsigned n = load_acquire(&scheduler->known); /* EDGE sched.worker */

    clock->due = TIMER_NEVER;
    for (unsigned i = 0; i < n; i++) {
        int64_t due = see_to(worker_at(scheduler, i), &clock->watches[i], now);

        clock->due = due < clock->due ? due : clock->due;
    }
}

/* From `now` until the timers are to be looked at. */
static int64_t patience(const struct clock *clock, int64_t now)
{
    return clock->due - now > NAP_NS ? clock->due - now : NAP_NS;
}

/* The same, or until the descriptors are; negative: neither. */
static int64_t patience_idle(struct scheduler *scheduler, struct clock *clock, int64_t now)
{
    int64_t ns = clock->due == TIMER_NEVER ? -1 : patience(clock, now);

    if (LIKELY(!poller_wanted(scheduler)))
        return ns;
    look_at_descriptors(scheduler, clock);
    clock->look_ns = clock->look_ns < LOOK_MOST_NS ? 2 * clock->look_ns : LOOK_MOST_NS;
    return ns < 0 || clock->look_ns < ns ? clock->look_ns : ns;
}

static void sleep_while_idle(struct scheduler *scheduler, struct clock *clock)
{
    uint64_t busy;
    int64_t now;

    exchange_seq(&scheduler->clock_asleep, 1); /* EDGE sched.busy */
    busy = load_acquire(&scheduler->busy);     /* EDGE sched.busy, sched.rest */
    if (busy_in(busy) == 0) {
        now = thrum_clock_now();
        see_to_timers(scheduler, clock, now);
        thrum_futex_wait(busy_futex(scheduler), (uint32_t)busy,
                         patience_idle(scheduler, clock, now));
        clock->tick = later(thrum_clock_now(), TICK_NS);
        if (load_relaxed(&scheduler->busy) != busy) /* relaxed: a hint */
            clock->look_ns = TICK_NS;
    }
    store_relaxed(&scheduler->clock_asleep, 0); /* relaxed: a wake too many does no harm */
}

static void look_around(struct scheduler *scheduler, struct clock *clock)
{
    int64_t now = thrum_clock_now();

    if (now >= clock->tick) {
        hurry(scheduler, clock->watches);
        rouse(scheduler, clock);
        look_at_descriptors(scheduler, clock);
        clock->tick = later(now, TICK_NS);
    }
    see_to_timers(scheduler, clock, now);
}

static void nap(struct scheduler *scheduler, const struct clock *clock)
{
    int64_t now = thrum_clock_now();
    int64_t ns = patience(clock, now);

    if (clock->tick - now < ns)
        ns = clock->tick > now ? clock->tick - now : 0;
    thrum_futex_wait(&scheduler->clock_stop, 0, ns < TICK_NS ? ns : TICK_NS);
}

static void *clock_main(void *arg)
{
    struct scheduler *scheduler = arg;
    struct clock clock = {.look_ns = TICK_NS};

    while (!load_acquire(&scheduler->clock_stop)) { /* EDGE sched.clock */
        if (busy_in(load_relaxed(&scheduler->busy)) == 0) /* relaxed: looked at again */
            sleep_while_idle(scheduler, &clock);
        else
            nap(scheduler, &clock);
        look_around(scheduler, &clock);
    }
    return NULL;
}

int thrum_clock_start(struct scheduler *scheduler)
{
    int err = thrum_thread_create(&scheduler->clock_thread, clock_main, scheduler, "thrum-clock");

    scheduler->clock_started = err == 0;
    return err;
}

void thrum_clock_call(struct scheduler *scheduler)
{
    add_seq(&scheduler->busy, BUSY_CAME); /* EDGE sched.busy */
    thrum_futex_wake(busy_futex(scheduler), 1);
}

void thrum_clock_stop(struct scheduler *scheduler)
{
    if (!scheduler->clock_started)
        return;
    store_release(&scheduler->clock_stop, 1); /* EDGE sched.clock */
    thrum_worker_stirs(scheduler); /* or it might sleep for want of a busy worker */
    thrum_futex_wake(&scheduler->clock_stop, 1);
    pthread_join(scheduler->clock_thread, NULL);
}
