/*
 * workers.h - running a test's task with one worker, with a few, and with more
 * than any machine of ours has CPUs.
 *
 * Where everything is slow (sanitizers, or CHECK_FEW=1 in the environment, for
 * valgrind) tests do less of the same, with at most eight workers.
 */
#ifndef THRUM_TESTS_WORKERS_H
#define THRUM_TESTS_WORKERS_H

#include <stdlib.h>
#include <string.h>

#include <thrum/thrum.h>

#include "check.h"

#ifndef WORKERS_SLOW /* campaigns say that it is not */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WORKERS_SLOW true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define WORKERS_SLOW true
#endif
#endif
#endif

#ifndef WORKERS_SLOW
#define WORKERS_SLOW (getenv("CHECK_FEW") != NULL || getenv("THRUM_SIM") != NULL)
#endif

/* Runs under THRUM_SIM: the test's own threads are not part of that world. */
#define REAL_WORLD_ONLY                                          \
    do {                                                         \
        if (getenv("THRUM_SIM") != NULL)                         \
            SKIP("its own threads take part");                   \
    } while (0)

/* Runs under THRUM_SIM with a seed other than 0: tasks start and go on in any order. */
#define IN_ORDER_ONLY                                                              \
    do {                                                                           \
        if (getenv("THRUM_SIM") != NULL && strcmp(getenv("THRUM_SIM"), "0") != 0) \
            SKIP("it counts on the order in which tasks start");                   \
    } while (0)

/* n, or a twentieth of it where everything is slow. */
static inline int many(int n)
{
    return WORKERS_SLOW ? n / 20 : n;
}

/* Run fn(arg) as the root task of a new runtime; its status. */
static inline int run_with(int workers, thrum_fn fn, void *arg)
{
    thrum_options options = THRUM_OPTIONS_INIT;

    options.workers = workers;
    return thrum_run(fn, arg, &options, NULL);
}

/* The same with 1, 2, 8 and 64 workers; the status must be 0 each time. */
static inline void run_everywhere(thrum_fn fn, void *arg)
{
    static const int counts[] = {1, 2, 8, 64};

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        if (counts[i] > 8 && WORKERS_SLOW)
            break;
        CHECK_EQ(run_with(counts[i], fn, arg), 0);
    }
}

/* Options of a group whose tasks go on when one fails. */
static inline const thrum_group_options *collecting(void)
{
    static const thrum_group_options options = {sizeof(options), THRUM_COLLECT, NULL, 0, 0};

    return &options;
}

static inline thrum_runtime *runtime_with(int workers)
{
    thrum_options options = THRUM_OPTIONS_INIT;
    thrum_runtime *runtime;

    options.workers = workers;
    CHECK_EQ(thrum_runtime_create(&runtime, &options), 0);
    return runtime;
}

#endif
