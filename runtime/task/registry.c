/*
 * registry.c - all runtimes of this process.
 *
 * The child of a fork begins with none: its parent's are not its own.
 */
#include "runtime/task/registry.h"

#include <pthread.h>

#include "runtime/task/sigint.h"
#include "runtime/task/task.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct thrum_runtime *first; /* lock */
static struct thrum_runtime *inherited; /* lock: the parent's, in the child of a fork */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int once_err;

static void before_fork(void)
{
    pthread_mutex_lock(&lock);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&lock);
}

static void in_child(void)
{
    struct thrum_runtime **end = &inherited;

    while (*end)
        end = &(*end)->next;
    *end = first;
    first = NULL;
    thrum_sigint_forked();
    pthread_mutex_unlock(&lock);
}

static void prepare(void)
{
    once_err = -pthread_atfork(before_fork, after_fork, in_child);
}

int thrum_registry_add(struct thrum_runtime *runtime)
{
    pthread_once(&once, prepare);
    if (once_err)
        return once_err;
    pthread_mutex_lock(&lock);
    runtime->next = first;
    first = runtime;
    pthread_mutex_unlock(&lock);
    return 0;
}

void thrum_registry_remove(struct thrum_runtime *runtime)
{
    struct thrum_runtime **at = &first;

    pthread_mutex_lock(&lock);
    while (*at != runtime)
        at = &(*at)->next;
    *at = runtime->next;
    pthread_mutex_unlock(&lock);
}

bool thrum_registry_has(const struct thrum_runtime *runtime)
{
    const struct thrum_runtime *one;

    pthread_mutex_lock(&lock);
    for (one = first; one && one != runtime; one = one->next)
        continue;
    if (!one)
        for (one = inherited; one && one != runtime; one = one->next)
            continue;
    pthread_mutex_unlock(&lock);
    return one != NULL;
}

int thrum_registry_visit(int (*visit)(struct thrum_runtime *runtime, void *arg), void *arg)
{
    int err = 0;

    pthread_mutex_lock(&lock);
    for (struct thrum_runtime *runtime = first; runtime && !err; runtime = runtime->next)
        err = visit(runtime, arg);
    pthread_mutex_unlock(&lock);
    return err;
}
