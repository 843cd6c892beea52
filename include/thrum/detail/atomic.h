/*
 * atomic.h - the atomic verbs: every operation carries its order in its name.
 *
 * The only file of Thrum in which ck_pr_* or __atomic_* appears. It is public
 * because the inline spawn and join use three of the verbs; it is not an
 * interface for users. The runtime reads it through runtime/atomic/verbs.h,
 * which adds short, type-generic names.
 *
 * One set of verbs, three backends:
 *
 *   production   Concurrency Kit's ck_pr operations and fences
 *   TSan, C++    the compiler's __atomic builtins with exactly that order.
 *                ThreadSanitizer cannot see ck_pr's inline assembly, and
 *                ck_pr.h is not C++.
 *   explorer     THRUM_MODEL: every operation is a scheduling point over a
 *                C11 memory model (tests/model)
 *
 * What the orders mean
 *
 *   relaxed   only that the access is whole
 *   acquire   what the releasing side wrote before is visible after
 *   release   what was written before is visible to who acquires
 *   acq_rel   both, on a read-modify-write
 *   seq       a full fence before and after a read-modify-write
 *   fence_seq one full fence; orders an earlier store against a later load
 *
 * fence_compiler is the light half of an asymmetric fence (the heavy half is
 * membarrier) and orders nothing by itself.
 *
 * A failed compare-and-swap acquires as its name says and releases nothing.
 * ck_pr's read-modify-writes are full barriers on x86 and none on AArch64;
 * the fences below make both sides mean what the name says.
 */
#ifndef THRUM_DETAIL_ATOMIC_H
#define THRUM_DETAIL_ATOMIC_H

#include <stdbool.h>
#include <stdint.h>

/* Two words that are compared and swapped as one. */
typedef struct thrum_pair {
    uint64_t lo;
    uint64_t hi;
} __attribute__((aligned(16))) thrum_pair;

#if defined(THRUM_MODEL)

#include "model/atomic.h" /* tests/model */

#else

#if defined(__cplusplus) || defined(__SANITIZE_THREAD__)
#define THRUM_ATOMIC_BUILTIN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THRUM_ATOMIC_BUILTIN 1
#endif
#endif

#ifdef THRUM_ATOMIC_BUILTIN

#define THRUM_ATOMIC_DEFINE(bits)                                                         \
    static inline uint##bits##_t thrum_load_relaxed_##bits(const uint##bits##_t *at)      \
    {                                                                                     \
        return __atomic_load_n(at, __ATOMIC_RELAXED);                                     \
    }                                                                                     \
    static inline uint##bits##_t thrum_load_acquire_##bits(const uint##bits##_t *at)      \
    {                                                                                     \
        return __atomic_load_n(at, __ATOMIC_ACQUIRE);                                     \
    }                                                                                     \
    static inline void thrum_store_relaxed_##bits(uint##bits##_t *at, uint##bits##_t v)   \
    {                                                                                     \
        __atomic_store_n(at, v, __ATOMIC_RELAXED);                                        \
    }                                                                                     \
    static inline void thrum_store_release_##bits(uint##bits##_t *at, uint##bits##_t v)   \
    {                                                                                     \
        __atomic_store_n(at, v, __ATOMIC_RELEASE);                                        \
    }                                                                                     \
    THRUM_ATOMIC_CAS(bits, relaxed, __ATOMIC_RELAXED, __ATOMIC_RELAXED)                   \
    THRUM_ATOMIC_CAS(bits, acquire, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)                   \
    THRUM_ATOMIC_CAS(bits, release, __ATOMIC_RELEASE, __ATOMIC_RELAXED)                   \
    THRUM_ATOMIC_CAS(bits, acq_rel, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)                   \
    THRUM_ATOMIC_CAS(bits, seq, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)                       \
    THRUM_ATOMIC_RMW(bits, exchange, __atomic_exchange_n)                                 \
    THRUM_ATOMIC_RMW(bits, add, __atomic_fetch_add)

#define THRUM_ATOMIC_CAS(bits, order, success, failure)                                   \
    static inline bool thrum_cas_##order##_##bits(uint##bits##_t *at,                     \
                                                  uint##bits##_t *seen, uint##bits##_t v) \
    {                                                                                     \
        return __atomic_compare_exchange_n(at, seen, v, false, success, failure);         \
    }

#define THRUM_ATOMIC_RMW(bits, verb, builtin)                                             \
    static inline uint##bits##_t thrum_##verb##_acquire_##bits(uint##bits##_t *at,        \
                                                               uint##bits##_t v)          \
    {                                                                                     \
        return builtin(at, v, __ATOMIC_ACQUIRE);                                          \
    }                                                                                     \
    static inline uint##bits##_t thrum_##verb##_release_##bits(uint##bits##_t *at,        \
                                                               uint##bits##_t v)          \
    {                                                                                     \
        return builtin(at, v, __ATOMIC_RELEASE);                                          \
    }                                                                                     \
    static inline uint##bits##_t thrum_##verb##_relaxed_##bits(uint##bits##_t *at,        \
                                                               uint##bits##_t v)          \
    {                                                                                     \
        return builtin(at, v, __ATOMIC_RELAXED);                                          \
    }                                                                                     \
    static inline uint##bits##_t thrum_##verb##_acq_rel_##bits(uint##bits##_t *at,        \
                                                               uint##bits##_t v)          \
    {                                                                                     \
        return builtin(at, v, __ATOMIC_ACQ_REL);                                          \
    }                                                                                     \
    static inline uint##bits##_t thrum_##verb##_seq_##bits(uint##bits##_t *at,            \
                                                           uint##bits##_t v)              \
    {                                                                                     \
        return builtin(at, v, __ATOMIC_SEQ_CST);                                          \
    }

THRUM_ATOMIC_DEFINE(32)
THRUM_ATOMIC_DEFINE(64)

#ifndef __cplusplus
static inline bool thrum_cas_acq_rel_pair(thrum_pair *at, thrum_pair *seen, thrum_pair v)
{
    __extension__ typedef unsigned __int128 both;
    both expected = (both)seen->hi << 64 | seen->lo;
    both desired = (both)v.hi << 64 | v.lo;
    bool done = __atomic_compare_exchange_n((both *)(void *)at, &expected, desired, false,
                                            __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);

    seen->lo = (uint64_t)expected;
    seen->hi = (uint64_t)(expected >> 64);
    return done;
}
#endif

/* Keeps the compiler, not the CPU, from moving accesses across it. */
static inline void thrum_fence_compiler(void)
{
    __asm__ __volatile__("" ::: "memory");
}

static inline void thrum_cpu_pause(void)
{
    thrum_fence_compiler();
}

/*
 * Empty under ThreadSanitizer on purpose: it does not know fences, and an
 * operation that it does know would add edges that the fence does not give
 * and so hide races. Fences are the explorer's business.
 */
static inline void thrum_fence_seq(void)
{
}

#else /* production */

#include <ck_pr.h>

#if defined(__x86_64__) && !defined(CK_MD_TSO)
#error "ck_md.h belongs to another architecture: on x86-64 it must define CK_MD_TSO"
#elif defined(__aarch64__) && !defined(CK_MD_RMO)
#error "ck_md.h belongs to another architecture: on AArch64 it must define CK_MD_RMO"
#endif

#define THRUM_ATOMIC_DEFINE(bits)                                                         \
    static inline uint##bits##_t thrum_load_relaxed_##bits(const uint##bits##_t *at)      \
    {                                                                                     \
        return ck_pr_load_##bits(at);                                                     \
    }                                                                                     \
    static inline uint##bits##_t thrum_load_acquire_##bits(const uint##bits##_t *at)      \
    {                                                                                     \
        uint##bits##_t v = ck_pr_load_##bits(at);                                         \
                                                                                          \
        ck_pr_fence_acquire();                                                            \
        return v;                                                                         \
    }                                                                                     \
    static inline void thrum_store_relaxed_##bits(uint##bits##_t *at, uint##bits##_t v)   \
    {                                                                                     \
        ck_pr_store_##bits(at, v);                                                        \
    }                                                                                     \
    static inline void thrum_store_release_##bits(uint##bits##_t *at, uint##bits##_t v)   \
    {                                                                                     \
        ck_pr_fence_release();                                                            \
        ck_pr_store_##bits(at, v);                                                        \
    }                                                                                     \
    THRUM_ATOMIC_CAS(bits, relaxed, (void)0, (void)0)                                     \
    THRUM_ATOMIC_CAS(bits, acquire, (void)0, ck_pr_fence_acquire())                       \
    THRUM_ATOMIC_CAS(bits, release, ck_pr_fence_release(), (void)0)                       \
    THRUM_ATOMIC_CAS(bits, acq_rel, ck_pr_fence_release(), ck_pr_fence_acquire())         \
    THRUM_ATOMIC_CAS(bits, seq, THRUM_ATOMIC_FULL(), THRUM_ATOMIC_FULL())                 \
    THRUM_ATOMIC_RMW(bits, exchange, fas)                                                 \
    THRUM_ATOMIC_RMW(bits, add, faa)

#define THRUM_ATOMIC_CAS(bits, order, before, after)                                      \
    static inline bool thrum_cas_##order##_##bits(uint##bits##_t *at,                     \
                                                  uint##bits##_t *seen, uint##bits##_t v) \
    {                                                                                     \
        bool done;                                                                        \
                                                                                          \
        before;                                                                           \
        done = ck_pr_cas_##bits##_value(at, *seen, v, seen);                              \
        after;                                                                            \
        return done;                                                                      \
    }

#define THRUM_ATOMIC_RMW_ORDER(bits, verb, ck, order, before, after)                      \
    static inline uint##bits##_t thrum_##verb##_##order##_##bits(uint##bits##_t *at,      \
                                                                 uint##bits##_t v)        \
    {                                                                                     \
        before;                                                                           \
        v = ck_pr_##ck##_##bits(at, v);                                                   \
        after;                                                                            \
        return v;                                                                         \
    }

#ifdef CK_MD_TSO /* every locked instruction is already a full fence */
#define THRUM_ATOMIC_FULL() (void)0
#else
#define THRUM_ATOMIC_FULL() ck_pr_fence_memory()
#endif

#define THRUM_ATOMIC_RMW(bits, verb, ck)                                                  \
    THRUM_ATOMIC_RMW_ORDER(bits, verb, ck, relaxed, (void)0, (void)0)                     \
    THRUM_ATOMIC_RMW_ORDER(bits, verb, ck, acquire, (void)0, ck_pr_fence_acquire())       \
    THRUM_ATOMIC_RMW_ORDER(bits, verb, ck, release, ck_pr_fence_release(), (void)0)       \
    THRUM_ATOMIC_RMW_ORDER(bits, verb, ck, acq_rel, ck_pr_fence_release(),                \
                           ck_pr_fence_acquire())                                         \
    THRUM_ATOMIC_RMW_ORDER(bits, verb, ck, seq, THRUM_ATOMIC_FULL(), THRUM_ATOMIC_FULL())

THRUM_ATOMIC_DEFINE(32)
THRUM_ATOMIC_DEFINE(64)

static inline bool thrum_cas_acq_rel_pair(thrum_pair *at, thrum_pair *seen, thrum_pair v)
{
    thrum_pair was;
    bool done;

    ck_pr_fence_release();
    done = ck_pr_cas_64_2_value((uint64_t *)(void *)at, (uint64_t *)(void *)seen,
                                (uint64_t *)(void *)&v, (uint64_t *)(void *)&was);
    ck_pr_fence_acquire();
    *seen = was;
    return done;
}

/* Keeps the compiler, not the CPU, from moving accesses across it. */
static inline void thrum_fence_compiler(void)
{
    ck_pr_barrier();
}

/* Says that the CPU is waiting in a loop. */
static inline void thrum_cpu_pause(void)
{
    ck_pr_stall();
}

static inline void thrum_fence_seq(void)
{
    ck_pr_fence_memory();
}

#endif /* production */

#undef THRUM_ATOMIC_DEFINE
#undef THRUM_ATOMIC_CAS
#undef THRUM_ATOMIC_RMW
#undef THRUM_ATOMIC_RMW_ORDER
#undef THRUM_ATOMIC_FULL
#undef THRUM_ATOMIC_BUILTIN

#endif /* THRUM_MODEL */

#endif
