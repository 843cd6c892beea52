/*
 * rwlock.c - a lock that many may have for reading, or one for writing.
 *
 * `state` counts the readers; WRITING says that somebody has it for writing,
 * and WAITED that somebody waits. Without WAITED it is changed by
 * compare-and-swap alone; with it, only under the lock, so that nobody
 * overtakes.
 *
 * Edges
 *   rwlock.held   unlock -> lock   what was done under the lock
 */
#include <thrum/detail/point.h>

#include <thrum/rwlock.h>

#include <errno.h>

#include "runtime/sched/worker.h"
#include "runtime/sched/world.h"
#include "runtime/sync/select.h"
#include "runtime/task/detect.h"
#include "runtime/task/waiters.h"

#define WAITED 0x80000000u
#define WRITING 0x40000000u

/* What a waiter wants, in its stamp. */
enum wish { READ = 0, WRITE = 1 };

_Static_assert(offsetof(thrum_rwlock, state) == offsetof(struct waiters, state),
               "a lock begins like a list of waiters");
_Static_assert(sizeof(thrum_rwlock) == 32, "the size that the header promises");

static struct waiters *list_of(const thrum_rwlock *rwlock)
{
    return (struct waiters *)(uintptr_t)rwlock;
}

static bool owned(const thrum_rwlock *rwlock)
{
    return load_relaxed(&rwlock->owner) == task_here(); /* relaxed: only its owner finds itself */
}

static void own(thrum_rwlock *rwlock, enum wish wish)
{
    if (wish == WRITE)
        store_relaxed(&rwlock->owner, task_here()); /* relaxed: only its owner finds itself */
}

void thrum_rwlock_init(thrum_rwlock *rwlock)
{
    *rwlock = (thrum_rwlock)THRUM_RWLOCK_INIT;
}

void thrum_rwlock_destroy(thrum_rwlock *rwlock)
{
    waiters_lock_last(list_of(rwlock)); /* the last unlock may still be leaving */
    if (load_relaxed(&rwlock->state)) /* relaxed: nobody else is left */
        thrum_panic("thrum_rwlock_destroy was called on a lock that is locked");
    waiters_unlock(list_of(rwlock));
}

/* Can it be had, whoever waits? What is the state then? */
static bool can_have(uint32_t state, enum wish wish)
{
    return wish == READ ? !(state & WRITING) : !(state & ~WAITED);
}

static uint32_t had(uint32_t state, enum wish wish)
{
    return wish == READ ? state + 1 : state | WRITING;
}

static bool take(thrum_rwlock *rwlock, enum wish wish)
{
    uint32_t seen = load_relaxed(&rwlock->state); /* relaxed: a guess */

    while (!(seen & WAITED) && can_have(seen, wish)) {
        if (cas_acquire(&rwlock->state, &seen, had(seen, wish))) { /* EDGE rwlock.held */
            own(rwlock, wish);
            if (wish == READ)
                thrum_has(rwlock, "read lock", 1);
            return true;
        }
    }
    return false;
}

static bool first_can_have(const struct waiters *list, uint32_t state)
{
    return list->first && can_have(state, (enum wish)list->first->stamp);
}

/* Lock held. Those go on who come first and can have it. True: there are more of them. */
static bool grant(void *arg, struct woken *woken)
{
    struct waiters *list = arg;
    uint32_t seen = load_relaxed(&list->state); /* relaxed: the lock, if somebody waits */
    uint32_t state = seen & ~WAITED;

    if (!(seen & WAITED)) /* nobody does */
        return false;
    for (unsigned k = 0; k < WAKE_BATCH && first_can_have(list, state); k++) {
        enum wish wish = (enum wish)list->first->stamp;

        if (thrum_waiters_claim_first(list, woken))
            state = had(state, wish);
    }
    store_release(&list->state, state | (list->first ? WAITED : 0)); /* EDGE rwlock.held */
    return first_can_have(list, state);
}

static bool left(struct waiters *list, struct waiter *self, struct woken *woken)
{
    (void)self;
    return grant(list, woken);
}

/* Lock held. Say that somebody waits, unless it can be had and he is the `next`. */
static bool must_wait(thrum_rwlock *rwlock, enum wish wish, bool next)
{
    uint32_t seen = load_relaxed(&rwlock->state); /* relaxed: a guess */

    for (;;) {
        bool free = next && can_have(seen, wish);
        uint32_t state = free ? had(seen, wish) : seen | WAITED;

        if (cas_acquire(&rwlock->state, &seen, state)) /* EDGE rwlock.held */
            return !free;
    }
}

static bool is_next(const struct waiters *list, const struct waiter *self)
{
    return !self->linked || list->first == self;
}

static bool again(struct waiters *list, struct waiter *self)
{
    return !must_wait((thrum_rwlock *)(void *)list, (enum wish)self->stamp, is_next(list, self));
}

static bool ready(struct waiters *list, struct waiter *self)
{
    uint32_t seen = load_relaxed(&list->state); /* relaxed: a guess */

    do {
        if (is_next(list, self) && can_have(seen, (enum wish)self->stamp))
            return true;
    } while (!cas_relaxed(&list->state, &seen, seen | WAITED)); /* relaxed: the lock orders it for
                                                                   who sees it */
    return false;
}

/*
 * The writer who has it; else, of who wants to read, the last one in front of him who wants to write.
 * Who has it for reading it does not know.
 */
static void blockers(const void *object, const struct strand *strand, struct blockers *blockers)
{
    const thrum_rwlock *rwlock = object;
    const struct waiter *writer = NULL;
    struct strand_sleep sleep;

    if (load_relaxed(&rwlock->state) & WRITING) { /* relaxed: everybody sleeps */
        blockers->add(blockers, load_relaxed(&rwlock->owner), "held by"); /* relaxed: likewise */
        return;
    }
    for (const struct waiter *at = list_of(rwlock)->first; at && at->wait.strand != strand;
         at = at->next)
        if (at->stamp == WRITE)
            writer = at;
    if (writer && thrum_strand_sleep(writer->wait.strand, &sleep))
        blockers->add(blockers, sleep.who & ~WHO_KIND, "behind");
}

static const struct waiters_kind kind = {
    .again = again,
    .ready = ready,
    .left = left,
    .wait = {.what = "rwlock", .blockers = blockers}};

static int wait_for(thrum_rwlock *rwlock, enum wish wish)
{
    struct waiter self = {.stamp = wish};
    int status = thrum_waiter_wait(list_of(rwlock), &self, &kind);

    if (!status)
        own(rwlock, wish);
    if (!status && wish == READ)
        thrum_has(rwlock, "read lock", 1);
    return status;
}

static int lock(thrum_rwlock *rwlock, enum wish wish)
{
    if (!task_calls())
        thrum_panic("a thrum_rwlock was to be locked outside a task");
    if (LIKELY(can_have(load_relaxed(&rwlock->state), wish))) { /* relaxed: a guess */
        thrum_spend(); /* before: who gives way keeps nobody waiting */
        if (LIKELY(take(rwlock, wish)))
            return 0;
    }
    return owned(rwlock) ? -EDEADLK : wait_for(rwlock, wish);
}

static int try_lock(thrum_rwlock *rwlock, enum wish wish)
{
    if (!task_calls())
        thrum_panic("a thrum_rwlock was to be locked outside a task");
    return take(rwlock, wish) ? 0 : -EBUSY;
}

/* Whoever has it for writing is known to detect.c. */
static int known(thrum_rwlock *rwlock, int status, const void *where)
{
    if (detecting() && !status)
        thrum_detect_held(rwlock, "write lock", where);
    return status;
}

int thrum_rwlock_read(thrum_rwlock *rwlock)
{
    thrum_point_at(THRUM_POINT_ACQUIRE, rwlock);
    return lock(rwlock, READ);
}

int thrum_rwlock_write(thrum_rwlock *rwlock)
{
    thrum_point_at(THRUM_POINT_ACQUIRE, rwlock);
    return known(rwlock, lock(rwlock, WRITE), __builtin_return_address(0));
}

int thrum_rwlock_try_read(thrum_rwlock *rwlock)
{
    thrum_point_at(THRUM_POINT_ACQUIRE, rwlock);
    return try_lock(rwlock, READ);
}

int thrum_rwlock_try_write(thrum_rwlock *rwlock)
{
    thrum_point_at(THRUM_POINT_ACQUIRE, rwlock);
    return known(rwlock, try_lock(rwlock, WRITE), __builtin_return_address(0));
}

/* One reader or the writer less. */
static void unlock(thrum_rwlock *rwlock, uint32_t less)
{
    uint32_t seen = load_relaxed(&rwlock->state); /* relaxed: a guess */

    while (!(seen & WAITED))
        if (cas_release(&rwlock->state, &seen, seen - less)) /* EDGE rwlock.held */
            return;
    waiters_lock(list_of(rwlock));
    seen = load_relaxed(&rwlock->state); /* relaxed: a guess */
    while (!cas_acq_rel(&rwlock->state, &seen, seen - less)) /* EDGE rwlock.held */
        continue;
    thrum_waiters_wake(&rwlock->lock, grant, list_of(rwlock));
}

void thrum_rwlock_read_unlock(thrum_rwlock *rwlock)
{
    if (!(load_relaxed(&rwlock->state) & ~(WAITED | WRITING))) /* relaxed: the caller is counted */
        thrum_panic("thrum_rwlock_read_unlock was called on a lock that nobody has for reading");
    thrum_has(rwlock, "read lock", -1);
    unlock(rwlock, 1);
}

void thrum_rwlock_write_unlock(thrum_rwlock *rwlock)
{
    if (!task_calls() || !owned(rwlock))
        thrum_panic("thrum_rwlock_write_unlock was called by a task that has not locked it for "
                    "writing");
    store_relaxed(&rwlock->owner, 0); /* relaxed: only its owner finds itself */
    if (detecting())
        thrum_detect_released(rwlock);
    unlock(rwlock, WRITING);
}

/* ---- in a select ----------------------------------------------------------------------------- */

static int check(thrum_case *one)
{
    return owned(one->object) ? -EDEADLK : 0;
}

static uint32_t state_of(const thrum_case *one)
{
    return load_relaxed(&((const thrum_rwlock *)one->object)->state); /* relaxed: a guess */
}

static bool glance_to_read(const thrum_case *one)
{
    return can_have(state_of(one), READ);
}

static bool glance_to_write(const thrum_case *one)
{
    return can_have(state_of(one), WRITE);
}

static void come_to_read(thrum_case *one, struct waiter *self)
{
    (void)one;
    self->stamp = READ;
}

static void come_to_write(thrum_case *one, struct waiter *self)
{
    (void)one;
    self->stamp = WRITE;
}

static int result(thrum_case *one, const struct waiter *self)
{
    own(one->object, (enum wish)self->stamp);
    if (self->stamp == READ)
        thrum_has(one->object, "read lock", 1);
    return self->stamp == WRITE ? known(one->object, 0, NULL) : 0;
}

const struct select_kind thrum_select_read = {.waiters = &kind,
                                              .check = check,
                                              .glance = glance_to_read,
                                              .enter = come_to_read,
                                              .result = result};

const struct select_kind thrum_select_write = {.waiters = &kind,
                                               .check = check,
                                               .glance = glance_to_write,
                                               .enter = come_to_write,
                                               .result = result};
