/*
 * locks.c - the C library's locks, wrapped at link time: whoever has one must not suspend.
 *
 * A program that links the target //:detect calls these instead, where its own objects say
 * pthread_mutex_lock and so on; -Wl,--wrap does it. What is locked inside of the C library or of
 * another shared library is not seen, and what was locked there may be unlocked here.
 */
#include <thrum/detect.h>

#include <errno.h>
#include <pthread.h>
#include <threads.h>

struct timespec;

/* The lock is the caller's, whatever else there is to say about it. */
static int took(int status, const void *lock, const char *what, const void *where)
{
    if (status == 0 || status == EOWNERDEAD)
        thrum_stay_begin_at(lock, what, where);
    return status;
}

/* Wherever the program takes a lock; `lock` is the name of the first parameter. */
#define WRAP_TAKE(name, what, parameters, arguments)                              \
    int __real_##name parameters __attribute__((weak));                           \
    int __wrap_##name parameters;                                                 \
    int __wrap_##name parameters                                                  \
    {                                                                             \
        return took(__real_##name arguments, (const void *)(uintptr_t)lock, what, \
                    __builtin_return_address(0));                                 \
    }

#define WRAP_GIVE(name, parameters)                          \
    int __real_##name parameters __attribute__((weak));      \
    int __wrap_##name parameters;                            \
    int __wrap_##name parameters                             \
    {                                                        \
        (void)thrum_stay_end((const void *)(uintptr_t)lock); \
        return __real_##name(lock);                          \
    }

#define A_MUTEX "a pthread mutex"
#define A_RWLOCK "a pthread rwlock"
#define A_SPINLOCK "a pthread spinlock"
#define AN_MTX "an mtx_t"

WRAP_TAKE(pthread_mutex_lock, A_MUTEX, (pthread_mutex_t * lock), (lock))
WRAP_TAKE(pthread_mutex_trylock, A_MUTEX, (pthread_mutex_t * lock), (lock))
WRAP_TAKE(pthread_mutex_timedlock, A_MUTEX, (pthread_mutex_t * lock, const struct timespec *until),
          (lock, until))
WRAP_TAKE(pthread_mutex_clocklock, A_MUTEX,
          (pthread_mutex_t * lock, clockid_t clock, const struct timespec *until),
          (lock, clock, until))
WRAP_GIVE(pthread_mutex_unlock, (pthread_mutex_t * lock))

WRAP_TAKE(pthread_rwlock_rdlock, A_RWLOCK, (pthread_rwlock_t * lock), (lock))
WRAP_TAKE(pthread_rwlock_wrlock, A_RWLOCK, (pthread_rwlock_t * lock), (lock))
WRAP_TAKE(pthread_rwlock_tryrdlock, A_RWLOCK, (pthread_rwlock_t * lock), (lock))
WRAP_TAKE(pthread_rwlock_trywrlock, A_RWLOCK, (pthread_rwlock_t * lock), (lock))
WRAP_TAKE(pthread_rwlock_timedrdlock, A_RWLOCK,
          (pthread_rwlock_t * lock, const struct timespec *until), (lock, until))
WRAP_TAKE(pthread_rwlock_timedwrlock, A_RWLOCK,
          (pthread_rwlock_t * lock, const struct timespec *until), (lock, until))
WRAP_GIVE(pthread_rwlock_unlock, (pthread_rwlock_t * lock))

WRAP_TAKE(pthread_spin_lock, A_SPINLOCK, (pthread_spinlock_t * lock), (lock))
WRAP_TAKE(pthread_spin_trylock, A_SPINLOCK, (pthread_spinlock_t * lock), (lock))
WRAP_GIVE(pthread_spin_unlock, (pthread_spinlock_t * lock))

/* thrd_success is 0. */
WRAP_TAKE(mtx_lock, AN_MTX, (mtx_t * lock), (lock))
WRAP_TAKE(mtx_trylock, AN_MTX, (mtx_t * lock), (lock))
WRAP_TAKE(mtx_timedlock, AN_MTX, (mtx_t * lock, const struct timespec *until), (lock, until))
WRAP_GIVE(mtx_unlock, (mtx_t * lock))
