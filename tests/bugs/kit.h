/*
 * kit.h - small programs, each with one bug that only some orders show.
 *
 * They are our own words for what is told about the programs of published tables: names, numbers
 * of threads and sizes are those of the originals, the code is not. A thread is a task. Every
 * access to memory that the original shares is told to the simulated world, nothing else is, and
 * no yields were added.
 */
#ifndef TESTS_BUGS_KIT_H
#define TESTS_BUGS_KIT_H

#include <string.h>
#include <thrum/thrum.h>

#include "tests/bugs/edits.h"

enum { BUG = -1001 }; /* what a check says that has failed */

struct bug {
    const char *name;
    thrum_fn fn;
    int status;      /* how it fails: BUG or THRUM_EDEADLOCK */
    uint64_t limit;  /* how many schedules may be spent */
    const char *pct; /* the published columns: mean schedules to the bug, and found of 20 */
    const char *pos;
    const char *surw;
    /*
     * Of a deadlock, what the report must say, as fnmatch has patterns: "1 mutex 2 mutex": 1 waits
     * for a mutex of 2, and 2 for one of 1; "queue?": perhaps from the next one; "- 3 condition":
     * there is no cycle, and nobody helps 3.
     */
    const char *cycle;
};

/* The families: each ends with a NULL name. And all of them, up to a NULL. */
extern const struct bug bugs_sct[], bugs_chess[], bugs_convul[], bugs_other[], bugs_go_locks[],
    bugs_go_channels[], bugs_go_races[];
extern const struct bug *const bugs_all[];

#define LOAD(place) thrum_shared_load(&(place))
#define STORE(place, value) (edited_write(), thrum_shared_store(&(place), (value)))
#define ADD(place, n) STORE(place, LOAD(place) + (n)) /* two accesses: a plain increment */

/* Return from the task if the call was refused, by a cancel for instance. */
#define DO(call)              \
    do {                      \
        int refused = (call); \
        if (refused)          \
            return refused;   \
    } while (0)

#define ASSERT(condition) \
    do {                  \
        if (!(condition)) \
            return BUG;   \
    } while (0)

#define LOCK(mutex) DO(thrum_mutex_lock(&(mutex)))
#define UNLOCK(mutex) thrum_mutex_unlock(&(mutex))

/* Wait for a condition; a refused wait leaves the lock behind. */
static inline int wait_for(thrum_cond *cond, thrum_mutex *mutex)
{
    int status = thrum_cond_wait(cond, mutex);

    if (status)
        thrum_mutex_unlock(mutex);
    return status;
}

#define WAIT(cond, mutex) DO(wait_for(&(cond), &(mutex)))

/* An atomic compare and swap. */
static inline bool swap_if(int *at, int expected, int value)
{
    bool equal = thrum_shared_rmw(at, == expected);

    if (equal)
        *at = value;
    return equal;
}

/* An atomic addition; the value after it. */
static inline int add(int *at, int n)
{
    return thrum_shared_rmw(at, += n);
}

/* An atomic exchange; the value before it. */
static inline int exchange(int *at, int value)
{
    int before = thrum_shared_rmw(at, +0);

    *at = value;
    return before;
}

#define TASKS_MAX 128

/* Close, and say how the first task has failed. */
static inline int all_ended(thrum_group *group)
{
    thrum_error *errors;
    int status = thrum_group_close(group, 0, &errors);

    if (status == THRUM_EGROUP)
        status = thrum_error_code(thrum_error_child(errors, 0));
    thrum_error_free(errors);
    return status;
}

/* Run several functions as tasks, and wait for them. */
static inline int together(const thrum_fn *fns, size_t n, void *arg)
{
    thrum_child children[TASKS_MAX];
    thrum_group group;

    if (bugs_edits)
        return edited_together(fns, n, arg);
    DO(thrum_group_open(&group, NULL));
    for (size_t i = 0; i < n && i < TASKS_MAX; i++)
        if (thrum_group_spawn_child(&group, &children[i], fns[i], arg))
            break;
    return all_ended(&group);
}

#define TOGETHER(...)                         \
    together((const thrum_fn[]){__VA_ARGS__}, \
             sizeof((const thrum_fn[]){__VA_ARGS__}) / sizeof(thrum_fn), NULL)

/* So many tasks of one function, then so many of another. */
static inline int crowd(thrum_fn one, size_t n, thrum_fn other, size_t m)
{
    thrum_fn fns[TASKS_MAX];

    for (size_t i = 0; i < n + m && i < TASKS_MAX; i++)
        fns[i] = i < n ? one : other;
    return together(fns, n + m, NULL);
}

#endif
