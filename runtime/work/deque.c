/*
 * deque.c - the split deque.
 *
 *        top           split            bottom
 *         |   shared     |    private     |
 *     ----+--------------+----------------+----
 *     thieves take here      the owner pushes and pops here
 *
 * After Lace (van Dijk, van de Pol 2014) and Wool: new tasks are private to
 * the owner, whose push and pop are plain loads and stores. Thieves take from
 * the shared part by compare-and-swap. Three things move the split:
 *
 *   the owner, when a thief asked (it lowers or raises it at will);
 *   the owner, when its private part is empty and it takes shared ones back;
 *   a thief, when the owner does not come by: revocation.
 *
 * `shared` is a double word {top, version | count}; split = top + count. Every
 * change of it raises the version, so a compare-and-swap that succeeds has
 * seen no change since its expected value was read: the slot read in between
 * is the right one even if the owner took the task back, pushed another into
 * the same cell and shared that (the ABA of split deques without a version).
 *
 * The owner knows the split as `floor` and pops privately only at or above
 * it. Anybody may poison floor (INT64_MAX) and limit (0) to be noticed.
 *
 * Revocation
 *
 *   thief                               owner, pop
 *   R1 w = shared                       P1 bottom = b
 *   R2 floor = POISON                   P2 (light fence)
 *   R3 heavy fence                      P3 f = floor; b < f: slow
 *   R4 b' = bottom                      P4 slot b is mine
 *   R5 cas shared w -> more
 *                                       slow: U1 floor = split
 *                                             U2 cas shared, version + 1
 *
 * Claim: no index is both popped at P4 and below the split set by R5. The
 * heavy fence puts a full fence F into the owner's execution. A pop with P1
 * before F is seen by R4, so R5 stays at or below its b (a later push of the
 * same index is a new task). A pop with P1 after F has P3 after F and reads
 * the poison or something later in floor's order. Later than the poison and
 * not poison is only U1 of the owner, followed by U2. If U2 comes before R5
 * in the order of `shared`, R5 fails: had R1 read U2's value or a later one,
 * U1 would happen before R2 and not be later than the poison. If R5 comes
 * first, U2 fails, sees the raised split and starts over with it. So the
 * owner's un-poisoning aborts every revocation under way, and nobody waits
 * for anybody. It must not stop at a U2 that failed, not even where nothing is
 * left to share: a revocation that began after the change would then find
 * its poison gone and `shared` as it was. (In take a steal of the owner's own
 * stands for U2: it raises the version after U1 as well.)
 *
 * Where membarrier is missing, lane.limit and lane.floor are poisoned for
 * good: every push and pop takes the slow path, which fences and then looks
 * at the deque's own limit and floor.
 *
 * Edges
 *   deque.publish    push, pop -> revoke      slots below bottom, and the tasks behind them
 *   deque.share      owner, thief -> steal    the slots below the split; the ring
 *   deque.vacate     steal -> push            the slot was read and may be reused
 *   deque.attention  push, pop <-> alarm, revoke   one sees the other's store
 */
#include "runtime/work/deque.h"

#include <errno.h>

#include "runtime/atomic/asymmetric.h"
#include "runtime/base/point.h"
#include "runtime/plat/memory.h"

#define FLOOR_POISON ((uint64_t)INT64_MAX)
#define LIMIT_POISON ((uint64_t)0)
#define VERSION_ONE ((uint64_t)1 << 16)

bool thrum_asymmetric;

/* The words that stand for limit and floor: the lane's own, or their deputies. */
static uint64_t *limit_of(struct deque *deque)
{
    return thrum_asymmetric ? &deque->lane.limit : &deque->limit;
}

static uint64_t *floor_of(struct deque *deque)
{
    return thrum_asymmetric ? &deque->lane.floor : &deque->floor;
}

static uint64_t count_of(thrum_pair shared)
{
    return shared.hi & DEQUE_SHARED_MAX;
}

static uint64_t split_of(thrum_pair shared)
{
    return shared.lo + count_of(shared);
}

/* The next version, with another top and count. */
static thrum_pair shared_with(thrum_pair shared, uint64_t top, uint64_t count)
{
    uint64_t version = (shared.hi & ~(uint64_t)DEQUE_SHARED_MAX) + VERSION_ONE;

    return (thrum_pair){top, version | count};
}

/* Two loads; a torn result fails the compare-and-swap that follows. */
static thrum_pair shared_load(const struct deque *deque)
{
    thrum_pair shared;

    shared.hi = load_acquire(&deque->shared.hi); /* EDGE deque.share, deque.vacate */
    shared.lo = load_relaxed(&deque->shared.lo); /* relaxed: checked by the swap */
    return shared;
}

static struct deque_ring *ring_new(uint64_t capacity)
{
    struct deque_ring *ring =
        thrum_memory_get_raw(sizeof *ring + capacity * sizeof ring->slots[0], CACHE_LINE);

    if (ring) {
        ring->older = NULL;
        ring->mask = capacity - 1;
    }
    return ring;
}

/* Thieves that read the old ring find the same tasks there: it is never written again. */
static void ring_use(struct deque *deque, struct deque_ring *ring)
{
    deque->lane.slots = ring->slots;
    deque->lane.mask = ring->mask;
    POINT("deque.grow");
    store_release(&deque->ring, word_of(ring)); /* EDGE deque.share */
}

int thrum_deque_init(struct deque *deque, uint64_t capacity)
{
    struct deque_ring *ring = ring_new(capacity);

    if (!ring)
        return -ENOMEM;
    deque->lane.bottom = 0;
    deque->shared = (thrum_pair){0, 0};
    ring_use(deque, ring);
    deque->lane.limit = LIMIT_POISON;
    deque->lane.floor = FLOOR_POISON;
    *limit_of(deque) = capacity;
    *floor_of(deque) = 0;
    return 0;
}

void thrum_deque_fini(struct deque *deque)
{
    struct deque_ring *ring = pointer_of(load_relaxed(&deque->ring)); /* relaxed: alone now */

    while (ring) {
        struct deque_ring *older = ring->older;

        thrum_memory_put(ring);
        ring = older;
    }
}

/*
 * In large steps at first: what is not touched costs nothing, and to copy is
 * to touch the memory twice.
 */
static uint64_t next_capacity(uint64_t capacity)
{
    return capacity >= 256 && capacity < 1 << 20 ? capacity * 8 : capacity * 2;
}

static bool grow(struct deque *deque, uint64_t top, uint64_t bottom)
{
    struct deque_ring *old = pointer_of(load_relaxed(&deque->ring)); /* relaxed: only we write it */
    struct deque_ring *ring = ring_new(next_capacity(old->mask + 1));

    if (!ring)
        return false;
    for (uint64_t i = top; i != bottom; i++) /* relaxed: only we write slots */
        store_relaxed(&ring->slots[i & ring->mask], load_relaxed(&old->slots[i & old->mask]));
    ring->older = old;
    ring_use(deque, ring);
    return true;
}

/*
 * Owner. Move the split to `split` and un-poison floor, which aborts all
 * revocations under way. False: a thief changed *seen first; look again.
 */
static bool settle(struct deque *deque, thrum_pair *seen, uint64_t split)
{
    uint64_t count = split - seen->lo;

    store_relaxed(floor_of(deque), split); /* relaxed: the swap below releases it */
    POINT("deque.settle");
    /*
     * MUTANT-OK acquire: the owner reads only slots that it wrote, and acquires the top that it
     * overwrites slots by (make_room). A poison older than the swap may then outlast the store
     * above: one slow path more.
     */
    return cas_acq_rel_pair(&deque->shared, seen, shared_with(*seen, seen->lo, count));
    /* EDGE deque.share, deque.vacate */
}

/* The split that gives half of what lies in [split, end) away, at least one. */
static uint64_t split_for(thrum_pair shared, uint64_t end)
{
    uint64_t split = split_of(shared);
    uint64_t room = DEQUE_SHARED_MAX - count_of(shared);
    uint64_t give = (end - split + 1) / 2;

    return split + (give < room ? give : room);
}

static bool asked(struct deque *deque)
{
    return load_relaxed(floor_of(deque)) == FLOOR_POISON; /* relaxed: a hint */
}

/* Owner. Share half of the private part. */
static void share(struct deque *deque, uint64_t bottom)
{
    thrum_pair seen = shared_load(deque);

    while (!settle(deque, &seen, split_for(seen, bottom)))
        continue;
}

static int make_room(struct deque *deque, uint64_t bottom)
{
    /* MUTANT-OK acquire: the fence below acquires too, before the next push writes a slot */
    uint64_t top = load_acquire(&deque->shared.lo); /* EDGE deque.vacate */
    int err = 0;

    if (bottom - top > deque->lane.mask && !grow(deque, top, bottom))
        err = -ENOMEM;
    store_relaxed(limit_of(deque), top + deque->lane.mask + 1); /* relaxed: the fence orders it */
    fence_seq(); /* EDGE deque.attention: if this hides an alarm, our caller sees who sleeps */
    return err;
}

int thrum_deque_pushed(struct deque *deque)
{
    uint64_t bottom = load_relaxed(&deque->lane.bottom); /* relaxed: only we write it */
    int err;

    fence_light(); /* EDGE deque.attention */
    if (bottom < load_relaxed(limit_of(deque))) /* relaxed: the fence orders it */
        return 0;
    POINT("deque.pushed");
    err = make_room(deque, bottom);
    POINT("deque.room");
    if (asked(deque))
        share(deque, bottom);
    if (!err)
        return 0;
    if (!thrum_lane_pop(&deque->lane) && !thrum_deque_pop(deque))
        return make_room(deque, load_relaxed(&deque->lane.bottom)); /* relaxed: only we write it */
    return err;
}

static void *slot_load(const struct deque *deque, uint64_t index)
{
    return pointer_of(load_relaxed(&deque->lane.slots[index & deque->lane.mask]));
    /* relaxed: only we write slots */
}

void *thrum_deque_pop(struct deque *deque)
{
    uint64_t bottom = load_relaxed(&deque->lane.bottom); /* relaxed: only we write it */
    thrum_pair seen;
    uint64_t split;

    POINT("deque.pop");
    fence_light(); /* EDGE deque.attention */
    if ((int64_t)bottom >= (int64_t)load_relaxed(floor_of(deque))) /* relaxed: the fence orders it */
        return slot_load(deque, bottom);
    seen = shared_load(deque);
    do {
        if ((int64_t)(bottom - seen.lo) < 0) { /* the last one was stolen */
            /* MUTANT-OK release: all below was stolen; who still sees an older top cannot swap */
            store_release(&deque->lane.bottom, bottom + 1);
            POINT("deque.stolen");
            while (!settle(deque, &seen, split_of(seen)))
                continue;
            return NULL;
        }
        split = split_of(seen);
        if (bottom < split) /* only shared ones are left: take half back */
            split = seen.lo + count_of(seen) / 2;
        else if (asked(deque)) /* give half away, but for the one that we pop */
            split = bottom == split ? split : split_for(seen, bottom);
    } while (!settle(deque, &seen, split));
    return slot_load(deque, bottom);
}

/* relaxed, in these three: nobody else looks */
void *thrum_deque_unpush(struct deque *deque)
{
    uint64_t bottom = load_relaxed(&deque->lane.bottom) - 1; /* relaxed: see above */

    store_relaxed(&deque->lane.bottom, bottom); /* relaxed: see above */
    return slot_load(deque, bottom);
}

void thrum_deque_unpop(struct deque *deque)
{
    uint64_t bottom = load_relaxed(&deque->lane.bottom); /* relaxed: see above */

    store_relaxed(&deque->lane.bottom, bottom + 1); /* relaxed: see above */
}

void thrum_deque_poison(struct deque *deque)
{
    store_relaxed(&deque->lane.limit, LIMIT_POISON); /* relaxed: see above */
    store_relaxed(&deque->lane.floor, FLOOR_POISON); /* relaxed: see above */
}

void *thrum_deque_take(struct deque *deque)
{
    uint64_t bottom = load_relaxed(&deque->lane.bottom); /* relaxed: only we write it */
    thrum_pair seen = shared_load(deque);
    bool settled = true;

    while (seen.lo != bottom) {
        void *task;

        if (count_of(seen) == 0) {
            settled = settle(deque, &seen, split_for(seen, bottom));
            if (!settled)
                continue;
        }
        task = thrum_deque_steal(deque);
        if (task)
            return task;
        seen = shared_load(deque);
    }
    while (!settled) /* a floor that was put back needs its swap, empty or not: see above */
        settled = settle(deque, &seen, split_of(seen));
    return NULL;
}

void *thrum_deque_steal(struct deque *deque)
{
    thrum_pair seen = shared_load(deque);
    const struct deque_ring *ring;
    void *task;

    if (count_of(seen) == 0)
        return NULL;
    ring = pointer_of(load_acquire(&deque->ring)); /* EDGE deque.share */
    task = pointer_of(load_relaxed(&ring->slots[seen.lo & ring->mask])); /* relaxed: void unless
                                                                   the swap succeeds */
    POINT("steal.read");
    /* MUTANT-OK acquire: the swap finds the version that shared_load acquired */
    if (!cas_acq_rel_pair(&deque->shared, &seen,
                          shared_with(seen, seen.lo + 1, count_of(seen) - 1)))
        return NULL; /* EDGE deque.vacate, deque.share */
    POINT("steal.taken");
    return task;
}

void thrum_deque_ask(struct deque *deque)
{
    store_relaxed(floor_of(deque), FLOOR_POISON); /* relaxed: a request, sent again if lost */
    store_relaxed(limit_of(deque), LIMIT_POISON); /* relaxed: likewise */
}

bool thrum_deque_revoke(struct deque *deque)
{
    thrum_pair seen = shared_load(deque);
    uint64_t bottom, give;

    if (count_of(seen) != 0)
        return true;
    store_relaxed(floor_of(deque), FLOOR_POISON); /* relaxed: the heavy fence orders it */
    POINT("revoke.poisoned");
    fence_heavy(); /* EDGE deque.attention */
    POINT("revoke.fenced");
    bottom = load_acquire(&deque->lane.bottom); /* EDGE deque.publish */
    if ((int64_t)(bottom - seen.lo) <= 0)
        return false;
    give = (bottom - seen.lo + 1) / 2;
    if (give > DEQUE_SHARED_MAX)
        give = DEQUE_SHARED_MAX;
    POINT("revoke.swap");
    /* MUTANT-OK acquire: nothing is read after it; a steal acquires for itself */
    return cas_acq_rel_pair(&deque->shared, &seen, shared_with(seen, seen.lo, give));
    /* EDGE deque.share */
}

void thrum_deque_alarm(struct deque *deque)
{
    store_relaxed(limit_of(deque), LIMIT_POISON); /* relaxed: a heavy fence follows */
}

bool thrum_deque_empty(const struct deque *deque)
{
    uint64_t top = load_relaxed(&deque->shared.lo); /* relaxed: a guess, or after a heavy fence */

    /* MUTANT-OK acquire: who then takes something acquires it there */
    return (int64_t)(load_acquire(&deque->lane.bottom) - top) <= 0; /* EDGE deque.publish */
}

uint64_t thrum_deque_top(const struct deque *deque)
{
    return load_relaxed(&deque->shared.lo); /* relaxed: a guess; it only grows */
}
