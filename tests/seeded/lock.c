/* lock.c - mutex, rwlock, semaphore, condition. */
#include "tests/seeded/kit.h"

/* ---- mutexes --------------------------------------------------------------------------------- */

static struct {
    thrum_mutex mutex;
    thrum_cond cond;
    struct log log;
    int inside;
    uint32_t entered[16];
    uint32_t entries;
    bool here[CREW_MAX];
    int woken;
    int waiting;
} m;

static void mutex_begin(void)
{
    memset(&m, 0, sizeof m);
    log_init(&m.log);
    thrum_mutex_init(&m.mutex);
    thrum_cond_init(&m.cond);
}

static int mutex_end(int status)
{
    if (!status)
        status = log_check(&m.log, model_lock);
    if (status)
        return status;
    EXPECT(!thrum_mutex_locked(&m.mutex), LEFT_OVER);
    thrum_mutex_destroy(&m.mutex);
    thrum_cond_destroy(&m.cond);
    return 0;
}

/* It is locked: nobody else is in there. */
static int stay_inside(uint32_t lane)
{
    EXPECT(m.inside++ == 0, INSIDE);
    m.entered[m.entries++] = lane;
    m.here[lane] = true;
    thrum_point();
    EXPECT(m.inside-- == 1, INSIDE);
    return 0;
}

static int lock(uint32_t lane)
{
    uint32_t call = log_begin(&m.log, lane, LOCK_WRITE, 0);

    return log_end(&m.log, call, thrum_mutex_lock(&m.mutex), 0);
}

static void unlock(uint32_t lane)
{
    uint32_t call = log_begin(&m.log, lane, LOCK_WRITE_UNLOCK, 0);

    thrum_mutex_unlock(&m.mutex);
    log_end(&m.log, call, 0, 0);
}

static int lock_twice(void *arg)
{
    for (int i = 0; i < 2; i++) {
        DO(lock(LANE));
        DO(stay_inside(LANE));
        unlock(LANE);
    }
    return 0;
}

static int try_lock(void *arg)
{
    uint32_t call = log_begin(&m.log, LANE, LOCK_TRY_WRITE, 0);
    int status = log_end(&m.log, call, thrum_mutex_trylock(&m.mutex), 0);

    if (status == -EBUSY)
        return 0;
    DO(status);
    DO(stay_inside(LANE));
    unlock(LANE);
    return 0;
}

static int cancel_first(void *arg)
{
    (void)arg;
    crew_cancel(0);
    return 0;
}

static int mutex_mix(void *arg)
{
    (void)arg;
    mutex_begin();
    return mutex_end(CREW(lock_twice, lock_twice, lock_twice, try_lock, cancel_first));
}

/* Who holds it lets go at 10; the others came one after the other; one of them gives up then. */
static int hold_until_ten(void *arg)
{
    DO(lock(LANE));
    AT(10);
    unlock(LANE);
    return 0;
}

static int lock_in_turn(void *arg)
{
    AT(LANE);
    DO(lock(LANE));
    DO(stay_inside(LANE));
    unlock(LANE);
    return 0;
}

static int cancel_second_at_ten(void *arg)
{
    (void)arg;
    AT(10);
    crew_cancel(2);
    return 0;
}

/* If it gets in before those who wait, it was out of turn. */
static int come_late(void *arg)
{
    AT(10);
    if (thrum_mutex_trylock(&m.mutex))
        return 0;
    m.entered[m.entries++] = LANE;
    thrum_mutex_unlock(&m.mutex);
    return 0;
}

static int mutex_turn(void *arg)
{
    (void)arg;
    mutex_begin();
    DO(mutex_end(CREW(hold_until_ten, lock_in_turn, lock_in_turn, lock_in_turn, lock_in_turn,
                      cancel_second_at_ten, come_late)));
    for (uint32_t i = 1; i < m.entries; i++)
        EXPECT(m.entered[i - 1] < m.entered[i], TURN);
    EXPECT(m.here[1] && m.here[3] && m.here[4], LOST);
    return 0;
}

/* The only one who waits gives up; who comes then finds it free. */
static int cancel_only(void *arg)
{
    (void)arg;
    AT(10);
    crew_cancel(1);
    return 0;
}

static int mutex_give_up(void *arg)
{
    (void)arg;
    mutex_begin();
    return mutex_end(CREW(hold_until_ten, lock_in_turn, cancel_only, try_lock));
}

/* ---- conditions ------------------------------------------------------------------------------ */

/* Woken: before the 20th millisecond it was by the one notification. */
static int wait_for_notice(void *arg)
{
    int64_t begin = thrum_now().ns;
    int status;

    AT(LANE + 1);
    DO(thrum_mutex_lock(&m.mutex));
    status = thrum_cond_wait(&m.cond, &m.mutex);
    EXPECT(m.inside++ == 0, INSIDE);
    thrum_point();
    m.inside--;
    if (status == 0 && thrum_now().ns - begin < thrum_ms(20))
        m.woken++;
    thrum_mutex_unlock(&m.mutex);
    return status;
}

static int notify_one(void *arg)
{
    (void)arg;
    AT(10);
    thrum_cond_notify(&m.cond, 1);
    AT(10);
    EXPECT(m.woken >= 1, LOST);
    EXPECT(m.woken <= 1, TWICE);
    thrum_cond_notify_all(&m.cond);
    return 0;
}

static int cancel_first_at_ten(void *arg)
{
    (void)arg;
    AT(10);
    crew_cancel(0);
    return 0;
}

/* Somebody is inside when the waiters come back. */
static int be_inside(void *arg)
{
    (void)arg;
    AT(10);
    DO(thrum_mutex_lock(&m.mutex));
    EXPECT(m.inside++ == 0, INSIDE);
    DO(thrum_yield());
    m.inside--;
    thrum_mutex_unlock(&m.mutex);
    return 0;
}

static int cond_notify(void *arg)
{
    (void)arg;
    mutex_begin();
    return mutex_end(CREW(wait_for_notice, wait_for_notice, wait_for_notice, notify_one,
                          cancel_first_at_ten, be_inside));
}

static int notify_two(void *arg)
{
    (void)arg;
    AT(10);
    thrum_cond_notify(&m.cond, 2);
    AT(10);
    EXPECT(m.woken >= 2, LOST);
    EXPECT(m.woken <= 2, TWICE);
    thrum_cond_notify_all(&m.cond);
    return 0;
}

static int cond_notify_two(void *arg)
{
    (void)arg;
    mutex_begin();
    return mutex_end(CREW(wait_for_notice, wait_for_notice, wait_for_notice, wait_for_notice,
                          notify_two, cancel_first_at_ten));
}

/* All are notified, the one whom a cancel disturbs just then too. */
static int wait_shielded(void *arg)
{
    thrum_shield shield;
    int status;

    thrum_shield_begin(&shield);
    status = wait_for_notice(arg);
    if (thrum_shield_end(&shield) && status == 0)
        status = THRUM_ECANCELED;
    return status;
}

static int notify_all(void *arg)
{
    (void)arg;
    AT(10);
    thrum_cond_notify_all(&m.cond);
    return 0;
}

static int cond_shielded(void *arg)
{
    (void)arg;
    mutex_begin();
    return mutex_end(
        CREW(wait_shielded, wait_for_notice, wait_shielded, notify_all, cancel_first_at_ten));
}

/* ---- locks for reading and writing ----------------------------------------------------------- */

static struct {
    thrum_rwlock rwlock;
    thrum_event in;
    struct log log;
    int readers, writers;
    bool written;
    bool write_cancelled;
} rw;

static void rw_begin(void)
{
    memset(&rw, 0, sizeof rw);
    log_init(&rw.log);
    thrum_rwlock_init(&rw.rwlock);
    thrum_event_init(&rw.in);
}

static int rw_end(int status)
{
    if (!status)
        status = log_check(&rw.log, model_lock);
    if (status)
        return status;
    EXPECT(thrum_rwlock_try_write(&rw.rwlock) == 0, LEFT_OVER);
    thrum_rwlock_write_unlock(&rw.rwlock);
    thrum_rwlock_destroy(&rw.rwlock);
    thrum_event_destroy(&rw.in);
    return 0;
}

static int rw_lock(uint32_t lane, bool write)
{
    uint32_t call = log_begin(&rw.log, lane, write ? LOCK_WRITE : LOCK_READ, 0);
    int status = write ? thrum_rwlock_write(&rw.rwlock) : thrum_rwlock_read(&rw.rwlock);

    DO(log_end(&rw.log, call, status, 0));
    rw.readers += !write;
    rw.writers += write;
    EXPECT(rw.writers == 0 || (rw.writers == 1 && rw.readers == 0), INSIDE);
    thrum_point();
    return 0;
}

static void rw_unlock(uint32_t lane, bool write)
{
    uint32_t call = log_begin(&rw.log, lane, write ? LOCK_WRITE_UNLOCK : LOCK_READ_UNLOCK, 0);

    rw.readers -= !write;
    rw.writers -= write;
    if (write)
        thrum_rwlock_write_unlock(&rw.rwlock);
    else
        thrum_rwlock_read_unlock(&rw.rwlock);
    log_end(&rw.log, call, 0, 0);
}

static int read_twice(void *arg)
{
    for (int i = 0; i < 2; i++) {
        DO(rw_lock(LANE, false));
        rw_unlock(LANE, false);
    }
    return 0;
}

static int write_twice(void *arg)
{
    for (int i = 0; i < 2; i++) {
        DO(rw_lock(LANE, true));
        rw_unlock(LANE, true);
    }
    return 0;
}

static int rwlock_mix(void *arg)
{
    (void)arg;
    rw_begin();
    return rw_end(CREW(write_twice, read_twice, write_twice, read_twice, cancel_first));
}

/* A reader holds it until 10; a writer waits; a reader comes later: he waits for the writer. */
static int read_until_ten(void *arg)
{
    DO(rw_lock(LANE, false));
    AT(10);
    rw_unlock(LANE, false);
    return 0;
}

static int write_at_one(void *arg)
{
    AT(1);
    DO(rw_lock(LANE, true));
    rw.written = true;
    rw_unlock(LANE, true);
    return 0;
}

static int read_at_two(void *arg)
{
    AT(2);
    DO(rw_lock(LANE, false));
    EXPECT(rw.written || crew.cancelled[1], TURN);
    rw_unlock(LANE, false);
    return 0;
}

static int try_read_at_three(void *arg)
{
    AT(3);
    EXPECT(thrum_rwlock_try_read(&rw.rwlock) == -EBUSY, TURN);
    AT(7);
    (void)arg;
    crew_cancel(1);
    return 0;
}

static int rwlock_turn(void *arg)
{
    (void)arg;
    rw_begin();
    return rw_end(CREW(read_until_ten, write_at_one, read_at_two, try_read_at_three));
}

/* The reader holds it until the other one is inside too, which is when the writer has given up. */
static int read_until_other(void *arg)
{
    DO(rw_lock(LANE, false));
    DO(thrum_event_wait(&rw.in));
    rw_unlock(LANE, false);
    return 0;
}

static int read_and_say_so(void *arg)
{
    AT(2);
    DO(rw_lock(LANE, false));
    thrum_event_set(&rw.in);
    rw_unlock(LANE, false);
    return 0;
}

static int rwlock_give_up(void *arg)
{
    (void)arg;
    rw_begin();
    return rw_end(CREW(read_until_other, write_at_one, read_and_say_so, cancel_only));
}

/* ---- permits --------------------------------------------------------------------------------- */

static struct {
    thrum_sem sem;
    struct model_sem kind;
    struct log log;
    uint32_t released;
    uint32_t taken;
} s;

static int sem_begin(uint32_t permits, uint32_t bound)
{
    memset(&s, 0, sizeof s);
    log_init(&s.log);
    s.kind = (struct model_sem){permits, bound};
    return thrum_sem_init(&s.sem, permits, bound);
}

static int acquire(uint32_t lane, uint32_t n)
{
    uint32_t call = log_begin(&s.log, lane, SEM_ACQUIRE, n);

    return log_end(&s.log, call, thrum_sem_acquire(&s.sem, n), 0);
}

static int release(uint32_t lane, uint32_t n)
{
    uint32_t call = log_begin(&s.log, lane, SEM_RELEASE, n);

    return log_end(&s.log, call, thrum_sem_release(&s.sem, n), 0);
}

static int sem_end(int status, uint32_t permits)
{
    if (!status)
        status = log_check(&s.log, model_sem(&s.kind));
    if (status)
        return status;
    EXPECT(thrum_sem_permits(&s.sem) >= permits, LOST);
    EXPECT(thrum_sem_permits(&s.sem) <= permits, TWICE);
    EXPECT(permits == 0 || !thrum_sem_locked(&s.sem), LEFT_OVER);
    thrum_sem_destroy(&s.sem);
    return 0;
}

static int use_some(void *arg)
{
    uint32_t n = LANE % 2 + 1;

    for (int i = 0; i < 2; i++) {
        DO(acquire(LANE, n));
        thrum_point();
        DO(release(LANE, n));
    }
    return 0;
}

static int try_some(void *arg)
{
    uint32_t call = log_begin(&s.log, LANE, SEM_TRY_ACQUIRE, 1);

    if (log_end(&s.log, call, thrum_sem_try_acquire(&s.sem, 1), 0) == -EAGAIN)
        return 0;
    DO(release(LANE, 1));
    return 0;
}

static int cancel_lane_one(void *arg)
{
    (void)arg;
    crew_cancel(1);
    return 0;
}

static int sem_mix(void *arg)
{
    (void)arg;
    DO(sem_begin(2, 2));
    return sem_end(CREW(use_some, use_some, use_some, use_some, try_some, cancel_lane_one), 2);
}

/* Wants two, one and one permits, in this order; four come, one by one. */
static int want(void *arg)
{
    uint32_t n = LANE ? 1 : 2;

    AT(LANE + 1);
    DO(acquire(LANE, n));
    EXPECT(s.released >= (LANE == 0 || crew.cancelled[0] ? n : 2 + LANE), TURN);
    s.taken += n;
    return 0;
}

static int release_four(void *arg)
{
    AT(10);
    for (int i = 0; i < 4; i++) {
        s.released++;
        DO(release(LANE, 1));
    }
    return 0;
}

static int try_late(void *arg)
{
    AT(10);
    (void)arg;
    if (thrum_sem_try_acquire(&s.sem, 1) == -EAGAIN)
        return 0;
    EXPECT(s.released == 4 || crew.cancelled[0], TURN);
    s.taken++;
    return 0;
}

static int sem_turn(void *arg)
{
    (void)arg;
    DO(sem_begin(0, 4));
    DO(CREW(want, want, want, release_four, cancel_first_at_ten));
    return sem_end(0, 4 - s.taken);
}

static int sem_late(void *arg)
{
    (void)arg;
    DO(sem_begin(0, 4));
    DO(CREW(want, want, release_four, try_late));
    EXPECT(thrum_sem_permits(&s.sem) == 4 - s.taken, LOST);
    return 0;
}

/* The first wants more than there is, and gives up: what there is, is for the second. */
static int want_two(void *arg)
{
    AT(1);
    DO(acquire(LANE, 2));
    return 0;
}

static int want_one(void *arg)
{
    AT(2);
    DO(acquire(LANE, 1));
    return 0;
}

static int sem_give_up(void *arg)
{
    (void)arg;
    DO(sem_begin(1, 4));
    return sem_end(CREW(want_two, want_one, cancel_first_at_ten), 0);
}

/* Never more than the bound: who would release more is told. */
static int release_one(uint32_t lane)
{
    int status = release(lane, 1);

    EXPECT(status == 0 || status == -EINVAL, WRONG);
    s.released += status == 0;
    return 0;
}

static int release_twice(void *arg)
{
    DO(release_one(LANE));
    return release_one(LANE);
}

static int use_one(void *arg)
{
    DO(acquire(LANE, 1));
    s.taken++;
    return release_one(LANE);
}

static int sem_bound(void *arg)
{
    (void)arg;
    DO(sem_begin(1, 2));
    DO(CREW(release_twice, use_one, use_one, release_twice));
    return sem_end(0, 1 + s.released - s.taken);
}

const struct program programs_lock[] = {{"mutex_mix", mutex_mix},
                                        {"mutex_turn", mutex_turn},
                                        {"mutex_give_up", mutex_give_up},
                                        {"cond_notify", cond_notify},
                                        {"cond_notify_two", cond_notify_two},
                                        {"cond_shielded", cond_shielded},
                                        {"rwlock_mix", rwlock_mix},
                                        {"rwlock_turn", rwlock_turn},
                                        {"rwlock_give_up", rwlock_give_up},
                                        {"sem_mix", sem_mix},
                                        {"sem_turn", sem_turn},
                                        {"sem_late", sem_late},
                                        {"sem_give_up", sem_give_up},
                                        {"sem_bound", sem_bound},
                                        {NULL, NULL}};
