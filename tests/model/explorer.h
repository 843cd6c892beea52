/*
 * explorer.h - Thrum's model checker: all interleavings and all stale reads,
 * up to a bound, of small programs over the runtime's own lock-free sources.
 *
 * A model is a few threads over some shared state, and a check that must hold
 * at the end of every execution. The sources under test are compiled with
 * THRUM_MODEL, which turns each atomic verb into a call of the explorer: a
 * point at which another thread may run, and for a load a choice of the store
 * it reads from. An execution fails by a failed MODEL_CHECK, a data race on
 * plain data, an access to freed memory, a deadlock (a lost wake-up) or by
 * never ending. The failing execution is printed step by step.
 *
 * tests/model/README.md says what the memory model covers and what not.
 */
#ifndef THRUM_TESTS_MODEL_EXPLORER_H
#define THRUM_TESTS_MODEL_EXPLORER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_THREADS 8 /* at most */

enum model_order {
    MODEL_RELAXED,
    MODEL_ACQUIRE,
    MODEL_RELEASE,
    MODEL_ACQ_REL,
    MODEL_SEQ,
    MODEL_REMOVED /* only in mutants: a fence that is not there */
};

/*
 * One ordered operation in the source. Sites lie side by side in a section of
 * their own, so that those never reached are known too; the alignment equals
 * the size, so that nothing lies between them.
 */
struct model_site {
    const char *file;
    const char *verb;
    struct model_site *first; /* of the sites of the same line and verb */
    uint64_t hits;
    int line;
    uint8_t order; /* as written */
    uint8_t now;   /* as run: a mutant weakens one site */
} __attribute__((aligned(64)));

extern struct model_site __start_model_sites[], __stop_model_sites[];

#define MODEL_SITE(verb, order)                                                            \
    __extension__({                                                                        \
        static struct model_site model_site_                                               \
            __attribute__((section("model_sites"))) = {__FILE__, verb, 0, 0, __LINE__,     \
                                                       (order), (order)};                  \
        &model_site_;                                                                      \
    })

struct thrum_pair;

/* The operations behind the verbs of tests/model/atomic.h; size is 4 or 8. */
uint64_t model_load(struct model_site *site, const void *at, size_t size);
void model_store(struct model_site *site, void *at, size_t size, uint64_t value);
uint64_t model_exchange(struct model_site *site, void *at, size_t size, uint64_t value);
uint64_t model_add(struct model_site *site, void *at, size_t size, uint64_t value);
bool model_cas(struct model_site *site, void *at, size_t size, void *seen, uint64_t value);
bool model_cas_pair(struct model_site *site, struct thrum_pair *at, struct thrum_pair *seen,
                    const struct thrum_pair *value);
void model_fence(struct model_site *site);

/*
 * membarrier(2): a full fence in the caller at call and at return, and in each
 * other thread one full fence at some point between, each on its own. Never
 * one atomic step: the owner of a deque may pass its fence before another does.
 */
void model_membarrier_at(struct model_site *site);
void model_membarrier(void);

/* A wait on another thread's progress: the caller runs on only after a store. */
#define model_yield() model_yield_at(MODEL_SITE("yield", MODEL_RELAXED))
void model_yield_at(struct model_site *site);

/*
 * futex(2). Sleeps iff *word holds `expected`; no order comes with it. A wait
 * may also return for no reason if the options allow it.
 */
#define model_futex_wait(word, expected) \
    model_futex_wait_at(MODEL_SITE("futex_wait", MODEL_RELAXED), word, expected)
#define model_futex_wake(word, count) \
    model_futex_wake_at(MODEL_SITE("futex_wake", MODEL_RELAXED), word, count)
void model_futex_wait_at(struct model_site *site, const uint32_t *word, uint32_t expected);
int model_futex_wake_at(struct model_site *site, const uint32_t *word, int count);

/*
 * Sleep until ready(arg) holds, for eventfd and the like. `ready` reads plain
 * memory of the model, changed right after a model_point: the kernel's own.
 */
#define model_sleep(ready, arg) \
    model_sleep_at(MODEL_SITE("sleep", MODEL_RELAXED), ready, arg)
void model_sleep_at(struct model_site *site, bool (*ready)(void *arg), void *arg);

/* A scheduling point before a step of the model's own (a system call). */
#define model_point(what) model_point_at(MODEL_SITE(what, MODEL_RELAXED))
void model_point_at(struct model_site *site);

/* 0 to n - 1, each in some execution: an input that is not known. */
unsigned model_choose(unsigned n);

/* The number of the calling thread, -1 in init and check. */
int model_self(void);

/* Unless NULL, called when a thread begins or goes on: for what is thread-local in the source. */
extern void (*model_resumes)(int number);

/* Plain accesses that must be ordered by happens-before. */
#define model_read(at) \
    (model_plain(MODEL_SITE("plain read", MODEL_RELAXED), (at), false), *(at))
#define model_write(at, value) \
    (model_plain(MODEL_SITE("plain write", MODEL_RELAXED), (at), true), *(at) = (value))
void model_plain(struct model_site *site, const void *at, bool write);

/*
 * The thread relies on the last load of a word with this value: nobody may
 * overwrite the word without happening after that load. Without such an order
 * hardware may let the load see the later store (load buffering, which the
 * explorer does not execute). For words read on a guess and checked by a
 * compare-and-swap: call it when the swap has succeeded.
 */
void model_relied_on(uint64_t value);

/*
 * Memory that is gone after the execution, at the same addresses in each. A
 * freed block is not used again in the execution; any access to it fails.
 */
void *model_alloc(size_t bytes);
void model_free(void *memory);

/* A name for a word in printed traces; `text` is kept. */
void model_name(const void *at, const char *text);

#define MODEL_CHECK(condition) \
    ((condition) ? (void)0 : model_fail(__FILE__, __LINE__, #condition))
void model_fail(const char *file, int line, const char *what) __attribute__((noreturn));

/* A model; every member without a comment is needed. */
struct model {
    const char *name;
    void (*init)(void);
    void (*threads[MODEL_THREADS])(void); /* up to the first null pointer */
    void (*check)(void);                  /* may be null */
    int bound_less;  /* preemptions below the bound asked for (large models) */
    int stale_less;  /* stale reads below those asked for (negative: above) */
    bool spurious;   /* futex waits may return for no reason */
};

struct model_options {
    int preemptions;         /* switches away from a thread that could run on; and the same
                                number of fences of membarriers in the midst of a run */
    int stale;               /* reads of an old store, stores behind a newer one */
    uint64_t max_executions; /* 0: no limit */
    uint64_t max_steps;      /* in one execution; more is called a livelock */
    bool quiet;              /* print no trace */
};

struct model_result {
    uint64_t executions;
    uint64_t steps;
    double seconds;
    bool exhausted;
    bool failed;
    char why[160];
};

struct model_result model_run(const struct model_options *options, const struct model *model);

/*
 * The main function of a model program. `subjects` is a null-terminated list
 * of path fragments; the mutants of sites in matching files are this
 * program's. Returns the exit status.
 */
int model_main(int argc, char **argv, const struct model *models, size_t count,
               const char *const *subjects);

#endif
