/*
 * fault.h - what goes wrong once in a while, and what is free to be chosen.
 *
 * Code for errors that hardly ever come is hardly ever run. A program says where
 * something may go wrong,
 *
 *     if (thrum_buggify())
 *         return -EIO;
 *
 * and when it is explored with faults (explore.h) the simulated world lets it happen,
 * at some of these places, in some runs, and remembers when: the history that fails
 * can be replayed and is shrunk to the faults that matter, as it is to the turns. In a
 * text they are "1@3#1": at its third point the first task was dealt a fault.
 *
 * In the real world, and in a run without faults, nothing ever does: it is one load of a word
 * that nobody writes, and a branch. The idea is FoundationDB's (Zhou et al.: FoundationDB:
 * A Distributed Unbundled Transactional Key Value Store, SIGMOD 2021, section 4).
 *
 *   context   anywhere; only inside a task of a simulated world anything happens
 *   suspends  no
 */
#ifndef THRUM_FAULT_H
#define THRUM_FAULT_H

#include <thrum/detail/draw.h>
#include <thrum/detail/point.h>

THRUM_BEGIN_DECLS

/*
 * Kinds, to be put together for thrum_explore_options.
 *
 *   THRUM_FAULT_BUGGIFY  thrum_buggify is true. In each run a place is active with a probability
 *                        of 1/4, and each time that it is passed then, likewise
 *   THRUM_FAULT_MEMORY   an allocation for a task fails, Thrum's own (tasks, stacks, timers, errors,
 *                        queues ...) and thrum_malloc: in the first runs one after the other, each
 *                        once; then one by chance, or some, or none
 *   THRUM_FAULT_THREAD   thrum_to_thread finds no thread: -EAGAIN. Chosen like that, too
 *   THRUM_FAULT_LATENCY  a call of thrum_to_thread takes 2 ns to 1 s, each power of two as often;
 *                        likewise it takes so long until a ready descriptor is noticed (fd.h).
 *                        Not with the systematic strategy
 */
#define THRUM_FAULT_BUGGIFY 1u
#define THRUM_FAULT_MEMORY 2u
#define THRUM_FAULT_THREAD 4u
#define THRUM_FAULT_LATENCY 8u

/* Atomic: in how many simulated worlds anything may go wrong now. */
extern THRUM_API uint32_t thrum_faulty;

/* The world's answer, 0: no fault. `site` is the same each time that a place is passed. */
THRUM_API THRUM_COLD uint32_t thrum_fault_slow(uint32_t kind, const char *file, int line);

#ifdef THRUM_MODEL
#define thrum_fault(kind) (0u * (kind))
#else
#define thrum_fault(kind)                                                            \
    (THRUM_UNLIKELY(thrum_load_relaxed_32(&thrum_faulty)) /* relaxed: see point.h */ \
         ? thrum_fault_slow((kind), __FILE__, __LINE__)                              \
         : 0u)
#endif

/* Is something to go wrong here? */
#define thrum_buggify() (thrum_fault(THRUM_FAULT_BUGGIFY) != 0)

/*
 * A number below n: in a simulated world one of its choices, explored, replayed and shrunk
 * towards 0 ("1@3=2" in a text); in the real world by chance.
 */
static inline size_t thrum_choose(size_t n)
{
    return thrum_draw_below(n);
}

/*
 * malloc, calloc, realloc and free for memory that tasks have: a simulated world may refuse it, and when a
 * run has ended misses what was not given back (THRUM_ELEFT). To be freed by thrum_free.
 *
 *   context   any thread
 *   returns   NULL: there was no memory
 */
THRUM_API void *thrum_malloc(size_t bytes);
THRUM_API void *thrum_calloc(size_t n, size_t bytes);
THRUM_API void *thrum_realloc(void *memory, size_t bytes);
THRUM_API void thrum_free(void *memory);

THRUM_END_DECLS

#endif
