/*
 * rest.c - who is awake, and what it means when nobody is.
 *
 * `busy` counts everybody who may change anything: workers from waking to
 * falling asleep, those that have claimed a sleeper, threads outside while
 * they make something ready, the clock while it ends a timer. Above the count
 * it counts who ever came, so that no value of the word comes again.
 *
 * Whoever brings the count to 0 looks: is a run under way, and can nothing wake
 * its tasks, no hold, no timer and no descriptor? All that this depends on changes only while
 * its changer counts as busy. So if the word is still the same after the look,
 * it was a look at one moment, and nothing can ever happen again by itself. The
 * looker then counts as busy once more, in the same swap, and tells the layer
 * above. README.md has the proof.
 *
 * The same moment is what a test may wait for (task/settle.c), timers or not. It is told first: a
 * deadlock is one that lasts when it goes on. And while there is nothing but timers, a test's clock
 * may be set forward.
 *
 * Edges
 *   sched.rest   rests -> rests, look   what everybody did before
 *   sched.busy   stirs <-> the clock    one sees the other
 *   sched.hold   release -> a simulated world   what its holder has made ready
 */
#include "runtime/base/point.h"
#include "runtime/plat/futex.h"
#include "runtime/sched/internal.h"

void thrum_worker_stirs(struct scheduler *scheduler)
{
    /* MUTANT-OK seq: the clock's sleep is not in the models; the futex looks at busy itself */
    add_seq(&scheduler->busy, BUSY_ONE + BUSY_CAME); /* EDGE sched.busy */
    if (UNLIKELY(load_relaxed(&scheduler->clock_asleep))) /* relaxed: the add orders it */
        thrum_futex_wake(busy_futex(scheduler), 1);
}

static bool timers_wanted(const struct scheduler *scheduler)
{
    unsigned n = load_acquire(&scheduler->known); /* EDGE sched.worker */

    for (unsigned i = 0; i < n; i++)
        if (thrum_timers_wanted(worker_at(scheduler, i)))
            return true;
    return false;
}

/* What there is to be told, if all are at rest. */
enum at_rest { NOTHING, SETTLED, STUCK, EARLY };

/*
 * EARLY: *due is when the first timer is. relaxed: `busy` has brought what was written last, or has
 * moved on.
 */
static enum at_rest look(const struct scheduler *scheduler, int64_t *due)
{
    uint64_t holds = load_relaxed(&scheduler->holds); /* relaxed: see above */

    if (load_relaxed(&scheduler->runs) == 0 ||     /* relaxed: see above */
        load_relaxed(&scheduler->loose) != holds)  /* relaxed: see above */
        return NOTHING;
    if (load_relaxed(&scheduler->settling) != 0) /* relaxed: see above */
        return SETTLED;
    if (poller_wanted(scheduler) || !scheduler->verbs->stuck)
        return NOTHING;
    if (!timers_wanted(scheduler))
        return holds ? NOTHING : STUCK;
    if (!load_relaxed(&scheduler->jumps)) /* relaxed: see above */
        return NOTHING;
    *due = thrum_scheduler_due(scheduler);
    return EARLY;
}

/* `due` is of the same moment: when we come to tell, time may have woken others. */
static void tell(struct scheduler *scheduler, enum at_rest seen, uint64_t moment, int64_t due)
{
    if (seen == SETTLED)
        scheduler->verbs->settled(scheduler);
    else if (seen == STUCK)
        scheduler->verbs->stuck(scheduler, moment);
    else
        thrum_scheduler_jump(scheduler, due, INT64_MAX);
}

bool thrum_worker_may_rest(struct scheduler *scheduler)
{
    /* MUTANT-OK acquire: deadlocks are not in the models. MUTANT-OK release: a counter */
    uint64_t busy = add_acq_rel(&scheduler->busy, -BUSY_ONE) - BUSY_ONE; /* EDGE sched.rest */
    int64_t due = TIMER_NEVER;
    enum at_rest seen;

    if (LIKELY(busy_in(busy) != 0) || LIKELY((seen = look(scheduler, &due)) == NOTHING))
        return true;
    POINT("rest.stuck");
    /* MUTANT-OK acquire: as above. MUTANT-OK release: likewise */
    if (!cas_acq_rel(&scheduler->busy, &busy, busy + BUSY_ONE + BUSY_CAME)) /* EDGE sched.rest */
        return true; /* somebody has come, and looks when it rests */
    POINT("rest.tell");
    tell(scheduler, seen, busy / BUSY_CAME, due);
    return false;
}

void thrum_worker_rests(struct scheduler *scheduler)
{
    while (!thrum_worker_may_rest(scheduler))
        continue;
}

unsigned thrum_scheduler_awake(const struct scheduler *scheduler)
{
    return busy_in(load_relaxed(&scheduler->busy)); /* relaxed: a glance */
}

uint64_t thrum_scheduler_moment(const struct scheduler *scheduler)
{
    return load_relaxed(&scheduler->busy) / BUSY_CAME; /* relaxed: ours is in it */
}

/* Does the calling thread count as busy anyway? */
static bool runs_here(const struct scheduler *scheduler)
{
    const struct worker *worker = thrum_worker_self();

    return worker && worker->scheduler == scheduler;
}

static void change_holds(struct scheduler *scheduler, uint64_t by, uint64_t loose)
{
    bool here = runs_here(scheduler);

    if (!here) {
        thrum_scheduler_here(scheduler);
        thrum_worker_stirs(scheduler);
    }
    add_relaxed(&scheduler->loose, loose); /* relaxed: brought by busy, or the next */
    /* MUTANT-OK release: brought by busy, but for a simulated world, which is not in the models */
    add_release(&scheduler->holds, by); /* EDGE sched.hold */
    if (!here)
        thrum_worker_rests(scheduler);
}

/* A simulated world must see for itself what that means for it: it is called. */
static void change(struct scheduler *scheduler, uint64_t by, uint64_t loose)
{
    world_hide(scheduler->world);
    change_holds(scheduler, by, loose);
    if (UNLIKELY(scheduler->world != NULL))
        thrum_worker_call(worker_at(scheduler, 0));
    world_show(scheduler->world);
}

void thrum_scheduler_hold(struct scheduler *scheduler)
{
    change(scheduler, 1, 0);
}

void thrum_scheduler_release(struct scheduler *scheduler)
{
    change(scheduler, (uint64_t)-1, 0);
}

void thrum_scheduler_hold_loosely(struct scheduler *scheduler)
{
    change(scheduler, 1, 1);
}

void thrum_scheduler_release_loosely(struct scheduler *scheduler)
{
    change(scheduler, (uint64_t)-1, (uint64_t)-1);
}
