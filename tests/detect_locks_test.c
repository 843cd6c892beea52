/*
 * detect_locks_test.c - linked with //:detect, which wraps the C library's locks: whoever suspends
 * with one is stopped, and nothing else has changed.
 */
#include <errno.h>
#include <pthread.h>
#include <threads.h>
#include <time.h>

#include "workers.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_spinlock_t spinlock;
static mtx_t c_mutex;

/* A minute from now, on the clock that these calls take. */
static struct timespec soon(clockid_t clock)
{
    struct timespec until;

    CHECK_EQ(clock_gettime(clock, &until), 0);
    until.tv_sec += 60;
    return until;
}

static int lock_timed(void)
{
    struct timespec until = soon(CLOCK_REALTIME);

    return pthread_mutex_timedlock(&mutex, &until);
}

static int read_timed(void)
{
    struct timespec until = soon(CLOCK_REALTIME);

    return pthread_rwlock_timedrdlock(&rwlock, &until);
}

static int write_timed(void)
{
    struct timespec until = soon(CLOCK_REALTIME);

    return pthread_rwlock_timedwrlock(&rwlock, &until);
}

static int lock_mtx_timed(void)
{
    struct timespec until = soon(CLOCK_REALTIME);

    return mtx_timedlock(&c_mutex, &until);
}

/* Each way to have a lock, and back. */
static int way_n(int n, bool take)
{
    switch (n) {
    case 0:
        return take ? pthread_mutex_lock(&mutex) : pthread_mutex_unlock(&mutex);
    case 1:
        return take ? pthread_mutex_trylock(&mutex) : pthread_mutex_unlock(&mutex);
    case 2:
        return take ? lock_timed() : pthread_mutex_unlock(&mutex);
    case 3:
        return take ? pthread_rwlock_rdlock(&rwlock) : pthread_rwlock_unlock(&rwlock);
    case 4:
        return take ? pthread_rwlock_wrlock(&rwlock) : pthread_rwlock_unlock(&rwlock);
    case 5:
        return take ? pthread_rwlock_tryrdlock(&rwlock) : pthread_rwlock_unlock(&rwlock);
    case 6:
        return take ? pthread_rwlock_trywrlock(&rwlock) : pthread_rwlock_unlock(&rwlock);
    case 7:
        return take ? read_timed() : pthread_rwlock_unlock(&rwlock);
    case 8:
        return take ? write_timed() : pthread_rwlock_unlock(&rwlock);
    case 9:
        return take ? pthread_spin_lock(&spinlock) : pthread_spin_unlock(&spinlock);
    case 10:
        return take ? pthread_spin_trylock(&spinlock) : pthread_spin_unlock(&spinlock);
    case 11:
        return take ? mtx_lock(&c_mutex) : mtx_unlock(&c_mutex);
    case 12:
        return take ? mtx_trylock(&c_mutex) : mtx_unlock(&c_mutex);
    default:
        return take ? lock_mtx_timed() : mtx_unlock(&c_mutex);
    }
}

#define WAYS 14

static const char *what_of(int n)
{
    return n < 3    ? "holds what belongs to its thread: a pthread mutex"
           : n < 9  ? "holds what belongs to its thread: a pthread rwlock"
           : n < 11 ? "holds what belongs to its thread: a pthread spinlock"
                    : "holds what belongs to its thread: an mtx_t";
}

static void init(void)
{
    CHECK_EQ(pthread_spin_init(&spinlock, PTHREAD_PROCESS_PRIVATE), 0);
    CHECK_EQ(mtx_init(&c_mutex, mtx_timed | mtx_plain), thrd_success);
}

static int suspends_with(void *arg)
{
    CHECK_EQ(way_n(*(const int *)arg, true), 0);
    return thrum_sleep(1000);
}

TEST(who_has_a_lock_of_the_c_library_s_must_not_suspend)
{
    init();
    for (int n = 0; n < WAYS; n++) {
        CHECK_DEATH((void)run_with(1, suspends_with, &n), what_of(n));
        CHECK_DEATH((void)run_with(2, suspends_with, &n), what_of(n));
    }
}

static int unlocks_before(void *arg)
{
    (void)arg;
    for (int round = 0; round < 100; round++) {
        for (int n = 0; n < WAYS; n++) {
            while (way_n(n, true) != 0) /* tried in vain */
                CHECK_EQ(thrum_yield(), 0);
            CHECK_EQ(way_n(n, false), 0);
        }
        CHECK_EQ(thrum_yield(), 0);
    }
    return 0;
}

static int all_unlock_before(void *arg)
{
    thrum_child children[8];
    thrum_group group;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 8; i++)
        CHECK_EQ(thrum_group_spawn_child(&group, &children[i], unlocks_before, arg), 0);
    return thrum_group_close(&group, 0, NULL);
}

TEST(who_unlocks_before_may)
{
    init();
    run_everywhere(all_unlock_before, NULL);
}

/* Waiting for a condition lets go of the mutex and has it again: on the same thread. */
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static bool told;

static void *tell(void *arg)
{
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    told = true;
    CHECK_EQ(pthread_cond_signal(&cond), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    return arg;
}

static int waits_for_a_condition(void *arg)
{
    pthread_t thread;

    told = false;
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    CHECK_EQ(pthread_create(&thread, NULL, tell, arg), 0);
    while (!told)
        CHECK_EQ(pthread_cond_wait(&cond, &mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    return thrum_yield();
}

TEST(a_condition_gives_the_mutex_back_and_takes_it_again)
{
    run_everywhere(waits_for_a_condition, NULL);
}

/* Where others run in its place, a section for blocking may have locks of its own. */
static int locks_in_a_section(void *arg)
{
    thrum_blocking blocking;

    (void)!thrum_blocking_begin(&blocking);
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    thrum_blocking_end(&blocking);
    (void)arg;
    return thrum_yield();
}

static int locks_on_a_thread(void *arg)
{
    (void)arg;
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    return 0;
}

static int offloads(void *arg)
{
    CHECK_EQ(thrum_to_thread(NULL, locks_on_a_thread, arg), 0);
    return locks_in_a_section(arg);
}

TEST(threads_and_sections_have_locks_of_their_own)
{
    run_everywhere(offloads, NULL);
}
