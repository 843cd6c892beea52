/*
 * timers.c - arming, calling off, expiring.
 *
 * Calling off leaves the entry where it is, but for one that has just been
 * added: most timeouts are called off long before their time, and a count
 * costs less than to mend the heap, whose entries then need not know where
 * they stand. If many are stale, each arming and calling off sweeps a few
 * entries more away than it adds, so that no call has to do it all. An entry
 * that has not moved since it was added, as none does if all timers run for the
 * same time, is made void in its place, so that the sweep need not ask its timer,
 * whose memory is cold: that was a fifth of the time of a cancel of 100,000 sleepers.
 *
 * A worker that is stopped, or computes, has others' deadlines in its heap.
 * The clock scans it (work/heap.c) when it is late, and reads time and key from
 * the timers themselves, for an entry may be torn. It takes nothing out; the
 * owner finds later that nobody wants these any more. So an arming may be
 * ended twice, or with a key of the past: the key decides, in one
 * read-modify-write of the layer above.
 *
 * Edges
 *   timer.key   arm -> rescue   the time of this key, or of a later one
 */
#include "runtime/sched/timers.h"

#include <thrum/fault.h>

#include <errno.h>

#include "runtime/base/point.h"
#include "runtime/plat/clock.h"
#include "runtime/sched/internal.h"

#define EXPIRE_MOST 128 /* at a time; then fibers may run */
#define AHEAD 6         /* entries; what they are for is cold */
#define ASK_ROUND 8     /* the sweep asks all timers in one of so many rounds at least */
#define SWEEP 4         /* entries to look at for each that becomes stale */
#define TIDY 64         /* the same for a worker without work */
#define SCAN_SHARE 4    /* a scan is followed by a pause this much as long */

void thrum_timers_init(struct timers *timers)
{
    timers->next_due = (uint64_t)TIMER_NEVER;
}

void thrum_timers_fini(struct timers *timers)
{
    thrum_heap_fini(&timers->heap);
}

static bool wanted(const struct worker *worker, const struct heap_entry *entry)
{
    return entry->key != 0 && worker->scheduler->verbs->pending(entry->item, entry->key);
}

/* relaxed: the clock reads it as a hint; what is armed it reads from the heap. */
static void publish_next(struct timers *timers)
{
    int64_t next = TIMER_NEVER;

    if (thrum_heap_count(&timers->heap) > 0)
        next = thrum_heap_at(&timers->heap, 0).when;
    store_relaxed(&timers->next_due, (uint64_t)next); /* relaxed: see above */
}

/* ---- what is no longer wanted --------------------------------------------------------------- */

static void forget(struct timers *timers, size_t index)
{
    bool is_void = thrum_heap_at(&timers->heap, index).key == 0;

    thrum_heap_remove(&timers->heap, index);
    if (is_void) {
        timers->voided--;
        return;
    }
    timers->forgotten++;
    if (timers->stale > 0)
        timers->stale--;
}

/* Is it to be forgotten? Its timer is asked only in some rounds. */
static bool is_stale(const struct worker *worker, const struct heap_entry *entry)
{
    return entry->key == 0 || (worker->timers.asks && !wanted(worker, entry));
}

/*
 * A round that found not even half of what was to be found: so much there is not. (It may be that
 * they have come while it was under way. Then there are more than is counted, so that now and then
 * a round asks for nothing.)
 */
static void next_round(struct timers *timers)
{
    if (timers->asks && timers->forgotten < timers->expected / 2)
        timers->stale /= 2;
    timers->expected = timers->stale;
    timers->forgotten = 0;
    timers->cursor = thrum_heap_count(&timers->heap);
    timers->asks = timers->stale > 0 || ++timers->rounds % ASK_ROUND == 0;
}

/* Entries that a move takes past the cursor are met in the next round. */
static void sweep(struct worker *worker, unsigned most)
{
    struct timers *timers = &worker->timers;

    for (; most > 0 && thrum_heap_count(&timers->heap) > 0; most--) {
        struct heap_entry entry;

        if (timers->cursor == 0 || timers->cursor > thrum_heap_count(&timers->heap))
            next_round(timers);
        if (timers->asks && timers->cursor > AHEAD)
            __builtin_prefetch(thrum_heap_at(&timers->heap, timers->cursor - AHEAD).item);
        entry = thrum_heap_at(&timers->heap, --timers->cursor);
        if (is_stale(worker, &entry))
            forget(timers, timers->cursor);
    }
    publish_next(timers);
}

static void sweep_if_stale(struct worker *worker, unsigned most)
{
    struct timers *timers = &worker->timers;
    uint64_t remote = load_relaxed(&timers->remote); /* relaxed: a counter */

    timers->stale += remote - timers->counted;
    timers->counted = remote;
    if (timers->stale + timers->voided > thrum_heap_count(&timers->heap) / 4)
        sweep(worker, most);
}

/* Forget the first ones, as far as they are no longer wanted, but not without end. */
static void drop_first(struct worker *worker, size_t most)
{
    struct timers *timers = &worker->timers;

    for (; most > 0 && thrum_heap_count(&timers->heap) > 0; most--) {
        struct heap_entry first = thrum_heap_at(&timers->heap, 0);

        if (wanted(worker, &first))
            break;
        forget(timers, 0);
    }
    publish_next(timers);
}

void thrum_timers_tidy(struct worker *worker)
{
    sweep_if_stale(worker, TIDY);
    drop_first(worker, TIDY);
}

/* ---- arming and calling off ----------------------------------------------------------------- */

/* In a simulated world, which finds out by itself what was called off. */
static NOINLINE int arm_apart(struct world *world, struct timer *timer, int64_t when_ns,
                              uint64_t key)
{
    int err;

    store_relaxed(&timer->home, 0); /* relaxed: for who calls it off, after us */
    if (when_ns == TIMER_NEVER)
        return 0;
    if (thrum_fault(THRUM_FAULT_MEMORY))
        return -ENOMEM;
    world_hide(world);
    err = world->timer(world, timer, when_ns, key);
    world_show(world);
    return err;
}

int thrum_timer_arm(struct timer *timer, int64_t when_ns, uint64_t key)
{
    struct worker *worker = worker_here();
    struct timers *timers = &worker->timers;
    int err;

    if (UNLIKELY(worker->world != NULL))
        return arm_apart(worker->world, timer, when_ns, key);
    if (when_ns == TIMER_NEVER) {
        store_relaxed(&timer->home, 0); /* relaxed: for who calls it off, after us */
        return 0;
    }
    err = thrum_heap_reserve(&timers->heap);
    if (err)
        return err;
    store_relaxed(&timer->home, word_of(timers));     /* relaxed: as above */
    store_relaxed(&timer->when, (uint64_t)when_ns); /* relaxed: the key releases it */
    store_release(&timer->key, key);                /* EDGE timer.key */
    POINT("timer.arm");
    timer->place = thrum_heap_push(&timers->heap, (struct heap_entry){when_ns, timer, key});
    if (when_ns < (int64_t)load_relaxed(&timers->next_due))     /* relaxed: only we write it */
        store_relaxed(&timers->next_due, (uint64_t)when_ns); /* relaxed: see publish_next */
    sweep_if_stale(worker, SWEEP);
    return 0;
}

/* Those at the end go without any sifting. They do if many are called off in order of arming. */
static void drop_last(struct worker *worker)
{
    struct timers *timers = &worker->timers;

    for (unsigned i = 0; i < SWEEP && timers->stale + timers->voided > 0; i++) {
        size_t count = thrum_heap_count(&timers->heap);
        struct heap_entry last;

        if (count == 0)
            return;
        last = thrum_heap_at(&timers->heap, count - 1);
        if (!is_stale(worker, &last))
            return;
        forget(timers, count - 1);
    }
}

static bool stands_at(const struct timers *timers, size_t index, const struct timer *timer,
                      uint64_t key)
{
    struct heap_entry entry;

    if (index >= thrum_heap_count(&timers->heap))
        return false;
    entry = thrum_heap_at(&timers->heap, index);
    return entry.item == timer && entry.key == key;
}

static void disarm_here(struct worker *worker, struct timer *timer, uint64_t key)
{
    struct timers *timers = &worker->timers;
    size_t count = thrum_heap_count(&timers->heap);

    if (count == 0)
        return;
    if (stands_at(timers, count - 1, timer, key)) {
        thrum_heap_remove(&timers->heap, count - 1);
    } else if (stands_at(timers, timer->place, timer, key)) {
        thrum_heap_void(&timers->heap, timer->place);
        timers->voided++;
    } else {
        timers->stale++;
    }
    drop_last(worker);
    if (thrum_heap_count(&timers->heap) == 0)
        publish_next(timers);
    else
        sweep_if_stale(worker, SWEEP);
}

static NOINLINE void disarm(struct timers *home, struct timer *timer, uint64_t key)
{
    struct worker *worker = thrum_worker_self();

    if (worker && home == &worker->timers) {
        world_hide(worker->world);
        disarm_here(worker, timer, key);
        world_show(worker->world);
    } else {
        add_relaxed(&home->remote, 1); /* relaxed: a counter */
    }
}

void thrum_timer_disarm(struct timer *timer, uint64_t key)
{
    struct timers *home = pointer_of(load_relaxed(&timer->home)); /* relaxed: armed before */

    if (home)
        disarm(home, timer, key);
}

/* ---- expiring ------------------------------------------------------------------------------- */

/*
 * One of the first's children is the next to expire. What the layer above
 * will look at is cold.
 */
static void foresee(const struct timers *timers)
{
    size_t count = thrum_heap_count(&timers->heap);

    for (size_t i = 1; i <= 4 && i < count; i++)
        __builtin_prefetch((const char *)thrum_heap_at(&timers->heap, i).item - TIMER_BEHIND);
}

/* The verb may arm and call off, so that another stands first when it returns. */
static void end_first(struct worker *worker)
{
    struct timers *timers = &worker->timers;
    struct heap_entry entry = thrum_heap_at(&timers->heap, 0), first;
    bool pending = wanted(worker, &entry);

    foresee(timers);
    POINT("timer.expire");
    if (pending)
        worker->scheduler->verbs->expire(entry.item, entry.key);
    if (thrum_heap_count(&timers->heap) == 0)
        return;
    first = thrum_heap_at(&timers->heap, 0);
    if (first.item != entry.item || first.key != entry.key)
        return;
    if (pending)
        thrum_heap_remove(&timers->heap, 0);
    else
        forget(timers, 0);
}

void thrum_timers_expire(struct worker *worker, int64_t now)
{
    struct timers *timers = &worker->timers;

    for (int i = 0; i < EXPIRE_MOST && timers_due(timers, now); i++) {
        end_first(worker);
        publish_next(timers);
    }
    sweep_if_stale(worker, SWEEP);
}

int64_t thrum_timers_patience(const struct timers *timers)
{
    int64_t due = (int64_t)load_relaxed(&timers->next_due); /* relaxed: only we write it */
    int64_t now;

    if (due == TIMER_NEVER)
        return -1;
    now = thrum_clock_now();
    return due > now ? due - now : 0;
}

/* ---- the clock ------------------------------------------------------------------------------ */

struct search {
    struct scheduler *scheduler;
    int64_t now;
    int64_t done; /* what was due then has been ended */
    int64_t next; /* the first that is not due */
};

static bool end_if_due(void *arg, int64_t when, void *item)
{
    struct search *search = arg;
    struct timer *timer = item;
    uint64_t key;

    if (when > search->now) {
        search->next = when < search->next ? when : search->next;
        return true;
    }
    if (when <= search->done)
        return true;
    key = load_acquire(&timer->key);                                /* EDGE timer.key */
    if ((int64_t)load_relaxed(&timer->when) > search->now) /* relaxed: the key brings it */
        return true;
    if (!search->scheduler->verbs->pending(timer, key))
        return true;
    thrum_worker_stirs(search->scheduler); /* nobody takes us for at rest meanwhile */
    search->scheduler->verbs->expire(timer, key);
    thrum_worker_rests(search->scheduler);
    return true;
}

void thrum_timers_rescue(struct worker *worker, struct rescue *rescue, int64_t now)
{
    const struct heap *heap = &worker->timers.heap;
    bool same = rescue->exact && rescue->version == load_relaxed(&heap->version); /* relaxed: the
                                                                     scan looks again */
    struct search search = {worker->scheduler, now, same ? rescue->done : INT64_MIN, TIMER_NEVER};
    uint64_t version;
    bool exact;
    int64_t end;

    if (now < rescue->not_before || (same && now < rescue->next))
        return;
    exact = thrum_heap_scan(heap, end_if_due, &search, &version);
    rescue->exact = exact && (!same || version == rescue->version);
    rescue->version = version;
    rescue->done = now;
    rescue->next = search.next;
    end = thrum_clock_now();
    rescue->not_before = end + (end - now) * SCAN_SHARE;
}

/* ---- everybody at rest ----------------------------------------------------------------------- */

struct wanted {
    const struct task_verbs *verbs;
    bool found;
};

static bool note_wanted(void *arg, int64_t when, void *item)
{
    struct wanted *wanted = arg;
    struct timer *timer = item;

    (void)when;
    /* relaxed: who armed it has come to rest, and that was acquired */
    wanted->found = wanted->verbs->pending(timer, load_relaxed(&timer->key));
    return !wanted->found; /* most often the first one is, and there may be a million more */
}

bool thrum_timers_wanted(const struct worker *worker)
{
    const struct heap *heap = &worker->timers.heap;
    struct wanted wanted = {worker->scheduler->verbs, false};
    uint64_t version;

    if (load_relaxed(&worker->timers.next_due) != (uint64_t)TIMER_NEVER) /* relaxed: as above */
        (void)thrum_heap_scan(heap, note_wanted, &wanted, &version);
    return wanted.found;
}
