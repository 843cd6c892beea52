/* runtime.c - runtimes: creating, resizing, closing. */
#include <errno.h>

#include "runtime/plat/cpus.h"
#include "runtime/plat/memory.h"
#include "runtime/plat/overflow.h"
#include "runtime/task/task.h"

#define STACK_BYTES_DEFAULT ((uint64_t)64 << 10)
#define STACK_BYTES_MIN ((uint64_t)32 << 10)
#define STACK_BYTES_MAX ((uint64_t)1 << 30)

static int check_options(const thrum_options *options)
{
    if (options->size != sizeof *options || options->layout != THRUM_LAYOUT)
        return THRUM_ELAYOUT;
    if (options->unused != 0 || options->workers < 0 || options->workers > THRUM_WORKERS_MAX)
        return -EINVAL;
    if (options->stack_bytes != 0 &&
        (options->stack_bytes < STACK_BYTES_MIN || options->stack_bytes > STACK_BYTES_MAX))
        return -EINVAL;
    return 0;
}

int thrum_runtime_create(thrum_runtime **out, const thrum_options *options)
{
    static const thrum_options defaults = THRUM_OPTIONS_INIT;
    struct thrum_runtime *runtime;
    uint64_t stack_bytes;
    int workers;
    int err;

    if (!options)
        options = &defaults;
    err = thrum_worker_self() ? THRUM_ENESTED : check_options(options);
    if (err)
        return err;
    runtime = thrum_memory_get(sizeof *runtime, CACHE_LINE);
    if (!runtime)
        return -ENOMEM;
    pthread_mutex_init(&runtime->control, NULL);
    err = thrum_overflow_install();
    if (err)
        goto free_runtime;
    thrum_overflow_set_namer(thrum_self_name);
    stack_bytes = options->stack_bytes ? options->stack_bytes : STACK_BYTES_DEFAULT;
    err = thrum_scheduler_init(&runtime->scheduler, &thrum_task_verbs, THRUM_WORKERS_MAX,
                               stack_bytes);
    if (err)
        goto free_runtime;
    workers = options->workers ? options->workers : thrum_cpus_available();
    store_relaxed(&runtime->workers, (uint32_t)workers); /* relaxed: nobody knows it yet */
    err = thrum_scheduler_resize(&runtime->scheduler, (unsigned)workers);
    if (err)
        goto fini_scheduler;
    *out = runtime;
    return 0;

fini_scheduler:
    thrum_scheduler_fini(&runtime->scheduler);
free_runtime:
    pthread_mutex_destroy(&runtime->control);
    thrum_memory_put(runtime);
    return err;
}

int thrum_runtime_close(thrum_runtime *runtime)
{
    bool running;

    if (!runtime)
        return 0;
    if (thrum_worker_self())
        return THRUM_ENESTED;
    pthread_mutex_lock(&runtime->control);
    running = runtime->runs != 0;
    pthread_mutex_unlock(&runtime->control);
    if (running)
        return THRUM_ESTATE;
    thrum_scheduler_fini(&runtime->scheduler);
    thrum_task_chunks_free(runtime);
    pthread_mutex_destroy(&runtime->control);
    thrum_memory_put(runtime);
    return 0;
}

int thrum_run(thrum_fn fn, void *arg, const thrum_options *options)
{
    thrum_runtime *runtime;
    int status = thrum_runtime_create(&runtime, options);

    if (status)
        return status;
    status = thrum_runtime_run(runtime, fn, arg);
    thrum_runtime_close(runtime);
    return status;
}

int thrum_runtime_set_workers(thrum_runtime *runtime, int workers)
{
    int err;

    if (thrum_worker_self())
        return THRUM_ENESTED;
    if (workers < 1 || workers > THRUM_WORKERS_MAX)
        return -EINVAL;
    pthread_mutex_lock(&runtime->control);
    err = thrum_scheduler_resize(&runtime->scheduler, (unsigned)workers);
    store_relaxed(&runtime->workers, thrum_scheduler_size(&runtime->scheduler)); /* relaxed: a
                                                                                   figure only */
    pthread_mutex_unlock(&runtime->control);
    return err;
}

int thrum_runtime_workers(thrum_runtime *runtime)
{
    return (int)load_relaxed(&runtime->workers); /* relaxed: a figure only */
}
