/*
 * atomic.h - the explorer's backend of the atomic verbs.
 *
 * Read by thrum/detail/atomic.h and runtime/atomic/verbs.h when THRUM_MODEL is
 * defined. The verbs are macros, so that each use is a site with a file, a
 * line and an order that a mutant can weaken.
 */
#ifndef THRUM_TESTS_MODEL_ATOMIC_H
#define THRUM_TESTS_MODEL_ATOMIC_H

#include "model/explorer.h"

/* The value type of a word; refuses what is not one. */
#define MODEL_WORD(at)                                                           \
    __typeof__(_Generic((at), uint32_t *: (uint32_t)0, const uint32_t *: (uint32_t)0, \
                        uint64_t *: (uint64_t)0, const uint64_t *: (uint64_t)0))

#define MODEL_LOAD(at, verb, order) \
    ((MODEL_WORD(at))model_load(MODEL_SITE(verb, order), (at), sizeof(*(at))))
#define MODEL_STORE(at, v, verb, order) \
    model_store(MODEL_SITE(verb, order), (at), sizeof(*(at)), (MODEL_WORD(at))(v))
#define MODEL_RMW(name, at, v, verb, order)                                              \
    __extension__({ /* the result may be ignored */                                      \
        (MODEL_WORD(at))model_##name(MODEL_SITE(verb, order), (at), sizeof(*(at)),       \
                                     (MODEL_WORD(at))(v));                               \
    })
#define MODEL_CAS(at, seen, v, verb, order)                           \
    model_cas(MODEL_SITE(verb, order), (at), sizeof(*(at)),           \
              (1 ? (seen) : (MODEL_WORD(at) *)0), (MODEL_WORD(at))(v))

#define load_relaxed(at) MODEL_LOAD(at, "load_relaxed", MODEL_RELAXED)
#define load_acquire(at) MODEL_LOAD(at, "load_acquire", MODEL_ACQUIRE)
#define store_relaxed(at, v) MODEL_STORE(at, v, "store_relaxed", MODEL_RELAXED)
#define store_release(at, v) MODEL_STORE(at, v, "store_release", MODEL_RELEASE)
#define cas_relaxed(at, seen, v) MODEL_CAS(at, seen, v, "cas_relaxed", MODEL_RELAXED)
#define cas_acquire(at, seen, v) MODEL_CAS(at, seen, v, "cas_acquire", MODEL_ACQUIRE)
#define cas_release(at, seen, v) MODEL_CAS(at, seen, v, "cas_release", MODEL_RELEASE)
#define cas_acq_rel(at, seen, v) MODEL_CAS(at, seen, v, "cas_acq_rel", MODEL_ACQ_REL)
#define cas_seq(at, seen, v) MODEL_CAS(at, seen, v, "cas_seq", MODEL_SEQ)
#define exchange_relaxed(at, v) MODEL_RMW(exchange, at, v, "exchange_relaxed", MODEL_RELAXED)
#define exchange_acquire(at, v) MODEL_RMW(exchange, at, v, "exchange_acquire", MODEL_ACQUIRE)
#define exchange_release(at, v) MODEL_RMW(exchange, at, v, "exchange_release", MODEL_RELEASE)
#define exchange_acq_rel(at, v) MODEL_RMW(exchange, at, v, "exchange_acq_rel", MODEL_ACQ_REL)
#define exchange_seq(at, v) MODEL_RMW(exchange, at, v, "exchange_seq", MODEL_SEQ)
#define add_relaxed(at, v) MODEL_RMW(add, at, v, "add_relaxed", MODEL_RELAXED)
#define add_acquire(at, v) MODEL_RMW(add, at, v, "add_acquire", MODEL_ACQUIRE)
#define add_release(at, v) MODEL_RMW(add, at, v, "add_release", MODEL_RELEASE)
#define add_acq_rel(at, v) MODEL_RMW(add, at, v, "add_acq_rel", MODEL_ACQ_REL)
#define add_seq(at, v) MODEL_RMW(add, at, v, "add_seq", MODEL_SEQ)
#define fence_seq() model_fence(MODEL_SITE("fence_seq", MODEL_SEQ))
#define fence_compiler() ((void)0) /* the explorer keeps program order */
#define cas_acq_rel_pair(at, seen, v) thrum_cas_acq_rel_pair(at, seen, v)

#define thrum_cas_acq_rel_pair(at, seen, v) \
    model_pair(MODEL_SITE("cas_acq_rel_pair", MODEL_ACQ_REL), (at), (seen), (v))

static inline bool model_pair(struct model_site *site, thrum_pair *at, thrum_pair *seen,
                              thrum_pair v)
{
    return model_cas_pair(site, at, seen, &v);
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

#define thrum_cpu_pause() model_yield()

/*
 * The asymmetric fences of runtime/atomic/asymmetric.h, whose variable chooses:
 * macros, so that each use is a site and a mutant of its own.
 */
#define fence_light() \
    (thrum_asymmetric ? (void)0 : model_fence(MODEL_SITE("fence_light", MODEL_SEQ)))
#define fence_heavy()                                                         \
    (thrum_asymmetric ? model_membarrier_at(MODEL_SITE("membarrier", MODEL_SEQ)) \
                      : model_fence(MODEL_SITE("fence_heavy", MODEL_SEQ)))

#endif
