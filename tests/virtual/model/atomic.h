/*
 * atomic.h - the backend of the atomic verbs for virtual workers.
 *
 * Read by thrum/detail/atomic.h and runtime/atomic/verbs.h when THRUM_MODEL is
 * defined and tests/virtual comes first in the search for headers. All workers are fibers of one
 * thread, so a verb is a plain access after a point at which another may go first: all orders mean
 * the same, sequential consistency. What weaker orders allow is tests/model's business.
 */
#ifndef THRUM_TESTS_VIRTUAL_ATOMIC_H
#define THRUM_TESTS_VIRTUAL_ATOMIC_H

#include "virtual/machine.h"

/* The value type of a word; refuses what is not one. */
#define VIRTUAL_WORD(at)                                                              \
    __typeof__(_Generic((at), uint32_t *: (uint32_t)0, const uint32_t *: (uint32_t)0, \
                        uint64_t *: (uint64_t)0, const uint64_t *: (uint64_t)0))

#define VIRTUAL_LOAD(at) (machine_point(MACHINE_SITE), *(const volatile VIRTUAL_WORD(at) *)(at))
#define VIRTUAL_STORE(at, v)                                  \
    (machine_point(MACHINE_SITE),                             \
     (void)(*(volatile VIRTUAL_WORD(at) *)(at) = (VIRTUAL_WORD(at))(v)))
#define VIRTUAL_RMW(at, result)                                        \
    __extension__({                                                    \
        VIRTUAL_WORD(at) *virtual_at = (at);                           \
        VIRTUAL_WORD(at) virtual_was;                                  \
                                                                       \
        machine_point(MACHINE_SITE);                                   \
        virtual_was = *virtual_at;                                     \
        *(volatile VIRTUAL_WORD(at) *)virtual_at = (VIRTUAL_WORD(at))(result); \
        virtual_was;                                                   \
    })
#define VIRTUAL_CAS(at, seen, v)                                                          \
    (machine_point(MACHINE_SITE),                                                         \
     machine_cas((at), (1 ? (seen) : (VIRTUAL_WORD(at) *)0), sizeof(*(at)), (uint64_t)(v)))

#define load_relaxed(at) VIRTUAL_LOAD(at)
#define load_acquire(at) VIRTUAL_LOAD(at)
#define store_relaxed(at, v) VIRTUAL_STORE(at, v)
#define store_release(at, v) VIRTUAL_STORE(at, v)
#define cas_relaxed(at, seen, v) VIRTUAL_CAS(at, seen, v)
#define cas_acquire(at, seen, v) VIRTUAL_CAS(at, seen, v)
#define cas_release(at, seen, v) VIRTUAL_CAS(at, seen, v)
#define cas_acq_rel(at, seen, v) VIRTUAL_CAS(at, seen, v)
#define cas_seq(at, seen, v) VIRTUAL_CAS(at, seen, v)
#define exchange_relaxed(at, v) VIRTUAL_RMW(at, v)
#define exchange_acquire(at, v) VIRTUAL_RMW(at, v)
#define exchange_release(at, v) VIRTUAL_RMW(at, v)
#define exchange_acq_rel(at, v) VIRTUAL_RMW(at, v)
#define exchange_seq(at, v) VIRTUAL_RMW(at, v)
#define add_relaxed(at, v) VIRTUAL_RMW(at, virtual_was + (v))
#define add_acquire(at, v) VIRTUAL_RMW(at, virtual_was + (v))
#define add_release(at, v) VIRTUAL_RMW(at, virtual_was + (v))
#define add_acq_rel(at, v) VIRTUAL_RMW(at, virtual_was + (v))
#define add_seq(at, v) VIRTUAL_RMW(at, virtual_was + (v))
#define fence_seq() ((void)0)
#define fence_compiler() ((void)0)
#define cas_acq_rel_pair(at, seen, v) thrum_cas_acq_rel_pair(at, seen, v)

static inline bool machine_cas(void *at, void *seen, size_t size, uint64_t v)
{
    uint64_t narrow = size == 4 ? UINT32_MAX : UINT64_MAX;
    uint64_t was = size == 4 ? *(uint32_t *)at : *(uint64_t *)at;
    uint64_t expected = size == 4 ? *(uint32_t *)seen : *(uint64_t *)seen;

    if (was != expected)
        return size == 4 ? (*(uint32_t *)seen = (uint32_t)was, false)
                         : (*(uint64_t *)seen = was, false);
    if (size == 4)
        *(uint32_t *)at = (uint32_t)(v & narrow);
    else
        *(uint64_t *)at = v;
    return true;
}

static inline bool thrum_cas_acq_rel_pair(thrum_pair *at, thrum_pair *seen, thrum_pair v)
{
    machine_point(MACHINE_SITE);
    if (at->lo != seen->lo || at->hi != seen->hi) {
        *seen = *at;
        return false;
    }
    *at = v;
    return true;
}

/* The long names, as the public headers use them. */
#define thrum_load_relaxed_32(at) load_relaxed(at)
#define thrum_load_relaxed_64(at) load_relaxed(at)
#define thrum_load_acquire_32(at) load_acquire(at)
#define thrum_load_acquire_64(at) load_acquire(at)
#define thrum_store_relaxed_32(at, v) store_relaxed(at, v)
#define thrum_store_relaxed_64(at, v) store_relaxed(at, v)
#define thrum_store_release_32(at, v) store_release(at, v)
#define thrum_store_release_64(at, v) store_release(at, v)
#define thrum_cas_relaxed_32(at, seen, v) cas_relaxed(at, seen, v)
#define thrum_cas_relaxed_64(at, seen, v) cas_relaxed(at, seen, v)
#define thrum_cas_acquire_32(at, seen, v) cas_acquire(at, seen, v)
#define thrum_cas_acquire_64(at, seen, v) cas_acquire(at, seen, v)
#define thrum_cas_release_32(at, seen, v) cas_release(at, seen, v)
#define thrum_cas_release_64(at, seen, v) cas_release(at, seen, v)
#define thrum_cas_acq_rel_32(at, seen, v) cas_acq_rel(at, seen, v)
#define thrum_cas_acq_rel_64(at, seen, v) cas_acq_rel(at, seen, v)
#define thrum_cas_seq_32(at, seen, v) cas_seq(at, seen, v)
#define thrum_cas_seq_64(at, seen, v) cas_seq(at, seen, v)
#define thrum_exchange_relaxed_32(at, v) exchange_relaxed(at, v)
#define thrum_exchange_relaxed_64(at, v) exchange_relaxed(at, v)
#define thrum_exchange_acquire_32(at, v) exchange_acquire(at, v)
#define thrum_exchange_acquire_64(at, v) exchange_acquire(at, v)
#define thrum_exchange_release_32(at, v) exchange_release(at, v)
#define thrum_exchange_release_64(at, v) exchange_release(at, v)
#define thrum_exchange_acq_rel_32(at, v) exchange_acq_rel(at, v)
#define thrum_exchange_acq_rel_64(at, v) exchange_acq_rel(at, v)
#define thrum_exchange_seq_32(at, v) exchange_seq(at, v)
#define thrum_exchange_seq_64(at, v) exchange_seq(at, v)
#define thrum_add_relaxed_32(at, v) add_relaxed(at, v)
#define thrum_add_relaxed_64(at, v) add_relaxed(at, v)
#define thrum_add_acquire_32(at, v) add_acquire(at, v)
#define thrum_add_acquire_64(at, v) add_acquire(at, v)
#define thrum_add_release_32(at, v) add_release(at, v)
#define thrum_add_release_64(at, v) add_release(at, v)
#define thrum_add_acq_rel_32(at, v) add_acq_rel(at, v)
#define thrum_add_acq_rel_64(at, v) add_acq_rel(at, v)
#define thrum_add_seq_32(at, v) add_seq(at, v)
#define thrum_add_seq_64(at, v) add_seq(at, v)
#define thrum_fence_seq() fence_seq()
#define thrum_fence_compiler() fence_compiler()
#define thrum_cpu_pause() machine_pause(MACHINE_SITE)

/* Both halves of an asymmetric fence (runtime/atomic/asymmetric.h). */
#define fence_light() ((void)thrum_asymmetric)
#define fence_heavy() machine_point(MACHINE_SITE)

#endif
