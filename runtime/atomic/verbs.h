/*
 * verbs.h - short names for the atomic verbs, for words of 32 and 64 bits.
 *
 *     load_acquire(&queue->tail)
 *
 * What each order means, and the backends, stand in thrum/detail/atomic.h.
 * Words are uint32_t or uint64_t, pairs are thrum_pair; pointers are kept in
 * uint64_t words. A word is either always accessed through these verbs or
 * never, but for its initialisation before others can see it.
 */
#ifndef THRUM_ATOMIC_VERBS_H
#define THRUM_ATOMIC_VERBS_H

#include <thrum/detail/atomic.h>

_Static_assert(sizeof(void *) == 8, "Thrum keeps pointers in 64-bit words");

#ifndef THRUM_MODEL /* tests/model/atomic.h has its own, which know their line */

#define VERB(name, at) \
    _Generic((at), uint32_t *: name##_32, const uint32_t *: name##_32, uint64_t *: name##_64, \
             const uint64_t *: name##_64)

#define load_relaxed(at) VERB(thrum_load_relaxed, at)(at)
#define load_acquire(at) VERB(thrum_load_acquire, at)(at)
#define store_relaxed(at, v) VERB(thrum_store_relaxed, at)(at, v)
#define store_release(at, v) VERB(thrum_store_release, at)(at, v)

/* On failure *seen becomes what was found. */
#define cas_relaxed(at, seen, v) VERB(thrum_cas_relaxed, at)(at, seen, v)
#define cas_acquire(at, seen, v) VERB(thrum_cas_acquire, at)(at, seen, v)
#define cas_release(at, seen, v) VERB(thrum_cas_release, at)(at, seen, v)
#define cas_acq_rel(at, seen, v) VERB(thrum_cas_acq_rel, at)(at, seen, v)
#define cas_seq(at, seen, v) VERB(thrum_cas_seq, at)(at, seen, v)
#define cas_acq_rel_pair(at, seen, v) thrum_cas_acq_rel_pair(at, seen, v)

/* Return what was there before. */
#define exchange_relaxed(at, v) VERB(thrum_exchange_relaxed, at)(at, v)
#define exchange_acquire(at, v) VERB(thrum_exchange_acquire, at)(at, v)
#define exchange_release(at, v) VERB(thrum_exchange_release, at)(at, v)
#define exchange_acq_rel(at, v) VERB(thrum_exchange_acq_rel, at)(at, v)
#define exchange_seq(at, v) VERB(thrum_exchange_seq, at)(at, v)
#define add_relaxed(at, v) VERB(thrum_add_relaxed, at)(at, v)
#define add_acquire(at, v) VERB(thrum_add_acquire, at)(at, v)
#define add_release(at, v) VERB(thrum_add_release, at)(at, v)
#define add_acq_rel(at, v) VERB(thrum_add_acq_rel, at)(at, v)
#define add_seq(at, v) VERB(thrum_add_seq, at)(at, v)

#define fence_seq() thrum_fence_seq()
#define fence_compiler() thrum_fence_compiler()

#endif /* THRUM_MODEL */
#define cpu_pause() thrum_cpu_pause()

/* Pointers live in 64-bit words. */
static inline uint64_t word_of(const void *pointer)
{
    return (uint64_t)(uintptr_t)pointer;
}

static inline void *pointer_of(uint64_t word)
{
    return (void *)(uintptr_t)word;
}

#endif
