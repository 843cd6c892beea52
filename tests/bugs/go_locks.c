/*
 * go_locks.c - bugs of Go programs with locks and conditions, after the kinds that GoKer
 * collects; no code of theirs. A goroutine is a task; one that nobody waits for is one all the same,
 * for it is to end.
 */
#include <errno.h>

#include "tests/bugs/kit.h"

static struct {
    thrum_mutex a, b, c;
    thrum_rwlock rw;
    thrum_cond cond;
    thrum_latch latch;
    int x, y, stopped;
} go;

#define KERNEL(name, ...)             \
    static int name(void *arg)        \
    {                                 \
        (void)arg;                    \
        memset(&go, 0, sizeof go);    \
        return TOGETHER(__VA_ARGS__); \
    }

#define TASK(name) static int name(void *arg)

/* ---- two locks in two orders ---------------------------------------------------------------------- */

static int nested(thrum_mutex *first, thrum_mutex *second)
{
    LOCK(*first);
    DO(thrum_mutex_lock(second));
    ADD(go.x, 1);
    thrum_mutex_unlock(second);
    UNLOCK(*first);
    return 0;
}

TASK(ab)
{
    (void)arg;
    return nested(&go.a, &go.b);
}

TASK(ba)
{
    (void)arg;
    return nested(&go.b, &go.a);
}

TASK(bc)
{
    (void)arg;
    return nested(&go.b, &go.c);
}

TASK(ca)
{
    (void)arg;
    return nested(&go.c, &go.a);
}
KERNEL(two_locks, ab, ba)
KERNEL(three_locks, ab, bc, ca)
KERNEL(two_locks_three_tasks, ab, ab, ba)

/* One takes the second lock only if it finds a flag that the other sets. */
TASK(ab_if_set)
{
    (void)arg;
    LOCK(go.a);
    if (LOAD(go.x)) {
        LOCK(go.b);
        UNLOCK(go.b);
    }
    UNLOCK(go.a);
    return 0;
}

TASK(ba_and_set)
{
    (void)arg;
    LOCK(go.b);
    STORE(go.x, 1);
    LOCK(go.a);
    UNLOCK(go.a);
    UNLOCK(go.b);
    return 0;
}
KERNEL(second_lock_if_set, ab_if_set, ba_and_set)

/* ---- a lock is not given back on an early return ---------------------------------------------------- */

TASK(forgets_to_unlock)
{
    (void)arg;
    LOCK(go.a);
    if (LOAD(go.x))
        return 0; /* the goroutine is gone, and its lock is never given back */
    UNLOCK(go.a);
    return 0;
}

TASK(sets_x)
{
    (void)arg;
    STORE(go.x, 1);
    return 0;
}

TASK(locks_a)
{
    (void)arg;
    LOCK(go.a);
    ADD(go.y, 1);
    UNLOCK(go.a);
    thrum_latch_count_down(&go.latch, 1);
    return 0;
}

static int no_unlock_on_early_return(void *arg)
{
    (void)arg;
    memset(&go, 0, sizeof go);
    thrum_latch_init(&go.latch, 1);
    return TOGETHER(forgets_to_unlock, sets_x, locks_a);
}

/* ---- a lock twice, by a function that calls another ---------------------------------------------- */

static int locks_again(void)
{
    LOCK(go.a);
    UNLOCK(go.a);
    return 0;
}

TASK(locks_twice)
{
    int status = 0;

    (void)arg;
    LOCK(go.a);
    if (LOAD(go.x))
        status = locks_again();
    UNLOCK(go.a);
    return status == -EDEADLK ? BUG : status; /* Go's would sleep for ever */
}
KERNEL(lock_twice_if_set, locks_twice, sets_x)

TASK(sets_x_locked)
{
    (void)arg;
    LOCK(go.b);
    STORE(go.x, 1);
    UNLOCK(go.b);
    LOCK(go.a);
    UNLOCK(go.a);
    return 0;
}
KERNEL(lock_twice_among_three, sets_x_locked, locks_twice, locks_a)

/* ---- a reader reads again behind a writer who waits -------------------------------------------- */

static int read_and_read(void)
{
    DO(thrum_rwlock_read(&go.rw));
    (void)LOAD(go.x);
    DO(thrum_rwlock_read(&go.rw));
    (void)LOAD(go.y);
    thrum_rwlock_read_unlock(&go.rw);
    thrum_rwlock_read_unlock(&go.rw);
    return 0;
}

TASK(reads_twice)
{
    (void)arg;
    return read_and_read();
}

TASK(writes)
{
    (void)arg;
    DO(thrum_rwlock_write(&go.rw));
    ADD(go.x, 1);
    thrum_rwlock_write_unlock(&go.rw);
    return 0;
}
KERNEL(read_twice, reads_twice, writes)
KERNEL(read_twice_among_three, reads_twice, reads_twice, writes)

/* Read lock and mutex in two orders, with a writer in between. */
TASK(mutex_then_read)
{
    (void)arg;
    LOCK(go.a);
    DO(thrum_rwlock_read(&go.rw));
    (void)LOAD(go.x);
    thrum_rwlock_read_unlock(&go.rw);
    UNLOCK(go.a);
    return 0;
}

TASK(read_then_mutex)
{
    (void)arg;
    DO(thrum_rwlock_read(&go.rw));
    LOCK(go.a);
    ADD(go.y, 1);
    UNLOCK(go.a);
    thrum_rwlock_read_unlock(&go.rw);
    return 0;
}
KERNEL(mutex_and_read_lock, mutex_then_read, read_then_mutex, writes)

TASK(write_then_mutex)
{
    (void)arg;
    DO(thrum_rwlock_write(&go.rw));
    LOCK(go.a);
    ADD(go.x, 1);
    UNLOCK(go.a);
    thrum_rwlock_write_unlock(&go.rw);
    return 0;
}
KERNEL(mutex_and_write_lock, mutex_then_read, write_then_mutex)

/* ---- conditions -------------------------------------------------------------------------------------- */

/* The flag is looked at before the lock is taken. */
TASK(looks_then_waits)
{
    (void)arg;
    if (LOAD(go.x))
        return 0;
    LOCK(go.a);
    WAIT(go.cond, go.a);
    UNLOCK(go.a);
    return 0;
}

TASK(sets_and_signals)
{
    (void)arg;
    LOCK(go.a);
    STORE(go.x, 1);
    thrum_cond_notify(&go.cond, 1);
    UNLOCK(go.a);
    return 0;
}
KERNEL(look_then_wait, looks_then_waits, sets_and_signals)

/* One signal for two who wait. */
TASK(waits_for_x)
{
    (void)arg;
    LOCK(go.a);
    while (!LOAD(go.x))
        WAIT(go.cond, go.a);
    UNLOCK(go.a);
    return 0;
}
KERNEL(one_signal_for_two, waits_for_x, waits_for_x, sets_and_signals)

/* The flag is set without the lock, between the look and the wait. */
TASK(sets_without_lock)
{
    (void)arg;
    STORE(go.x, 1);
    thrum_cond_notify_all(&go.cond);
    return 0;
}
KERNEL(signal_without_lock, waits_for_x, sets_without_lock)

/* ---- WaitGroups ---------------------------------------------------------------------------------------- */

/* Done is not said on one way out. */
TASK(done_if_not_stopped)
{
    (void)arg;
    if (LOAD(go.stopped))
        return 0;
    ADD(go.x, 1);
    thrum_latch_count_down(&go.latch, 1);
    return 0;
}

TASK(stops_and_waits)
{
    (void)arg;
    STORE(go.stopped, 1);
    return thrum_latch_wait(&go.latch);
}

static int no_done_when_stopped(void *arg)
{
    (void)arg;
    memset(&go, 0, sizeof go);
    thrum_latch_init(&go.latch, 2);
    return TOGETHER(done_if_not_stopped, done_if_not_stopped, stops_and_waits);
}

/* Who waits for all holds the lock that the last one needs. */
TASK(done_with_lock)
{
    (void)arg;
    LOCK(go.a);
    ADD(go.x, 1);
    UNLOCK(go.a);
    thrum_latch_count_down(&go.latch, 1);
    return 0;
}

TASK(waits_with_lock)
{
    int status;

    (void)arg;
    LOCK(go.a);
    status = thrum_latch_wait(&go.latch);
    UNLOCK(go.a);
    return status;
}

static int wait_with_lock(void *arg)
{
    (void)arg;
    memset(&go, 0, sizeof go);
    thrum_latch_init(&go.latch, 2);
    return TOGETHER(done_with_lock, done_with_lock, waits_with_lock);
}

/* Add is said by the one that is waited for: the wait is over before. */
TASK(adds_itself)
{
    (void)arg;
    add(&go.y, 1);
    ADD(go.x, 1);
    add(&go.y, -1);
    return 0;
}

TASK(waits_for_none)
{
    int before;

    (void)arg;
    before = LOAD(go.x);
    if (LOAD(go.y) == 0)
        ASSERT(LOAD(go.x) == before); /* it may close what they use */
    return 0;
}
KERNEL(add_after_wait, adds_itself, waits_for_none)

#define LOCKED(name, cycle)                                         \
    {                                                               \
        "Go/" #name, name, THRUM_EDEADLOCK, 1000, "", "", "", cycle \
    }

const struct bug bugs_go_locks[] = {
    LOCKED(two_locks, "1 mutex 2 mutex"),
    LOCKED(three_locks, "1 mutex 2 mutex 3 mutex"),
    LOCKED(two_locks_three_tasks, "[12] mutex 3 mutex"),
    LOCKED(second_lock_if_set, "1 mutex 2 mutex"),
    LOCKED(no_unlock_on_early_return, "- 3 mutex"),
    {"Go/lock_twice_if_set", lock_twice_if_set, BUG, 1000, "", "", "", ""},
    {"Go/lock_twice_among_three", lock_twice_among_three, BUG, 1000, "", "", "", ""},
    LOCKED(read_twice, "1 rwlock 2 rwlock"),
    LOCKED(read_twice_among_three, "[12] rwlock 3 rwlock"),
    LOCKED(mutex_and_read_lock, "1 rwlock 3 rwlock 2 mutex"),
    LOCKED(mutex_and_write_lock, "1 rwlock 2 mutex"),
    LOCKED(look_then_wait, "- 1 condition"),
    LOCKED(one_signal_for_two, "- [12] condition"),
    LOCKED(signal_without_lock, "- 1 condition"),
    LOCKED(no_done_when_stopped, "- 3 latch"),
    LOCKED(wait_with_lock, "[12] mutex 3 latch?"),
    {"Go/add_after_wait", add_after_wait, BUG, 1000, "", "", "", ""},
    {0}};
