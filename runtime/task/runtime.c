/* runtime.c - runtimes: creating, resizing, closing. */
#include <errno.h>

#include "runtime/plat/cpus.h"
#include "runtime/plat/futex.h"
#include "runtime/plat/memory.h"
#include "runtime/plat/overflow.h"
#include "runtime/task/cancel.h"
#include "runtime/task/detect.h"
#include "runtime/task/registry.h"
#include "runtime/task/scope.h"
#include "runtime/task/sigint.h"
#include "runtime/task/task.h"
#include "runtime/world/sim.h"
#include "runtime/world/strategies.h"

#define STACK_BYTES_DEFAULT ((uint64_t)64 << 10)
#define STACK_BYTES_MIN ((uint64_t)32 << 10)
#define STACK_BYTES_MAX ((uint64_t)1 << 30)

#define FLAGS (THRUM_STRICT | THRUM_HANDLE_SIGINT | THRUM_SIMULATE | THRUM_GUEST | THRUM_DETECT)

static int check_options(const thrum_options *options)
{
    if (options->size != sizeof *options || options->layout != THRUM_LAYOUT)
        return THRUM_ELAYOUT;
    if (options->flags & ~FLAGS || options->workers < 0 || options->workers > THRUM_WORKERS_MAX)
        return -EINVAL;
    if (options->flags & THRUM_GUEST && (options->workers > 1 || options->flags & THRUM_SIMULATE))
        return -EINVAL;
    if (options->abandoned_ns < 0 || options->unused != 0)
        return -EINVAL;
    if (options->stack_bytes != 0 &&
        (options->stack_bytes < STACK_BYTES_MIN || options->stack_bytes > STACK_BYTES_MAX))
        return -EINVAL;
    return 0;
}

/* The scope around all roots, and the place in the tree of fibers on which it is. */
static void root_scope_init(struct thrum_runtime *runtime)
{
    runtime->scope = (struct thrum_scope){.fiber = &runtime->place.fiber, .flags = SCOPE_ROOT};
    runtime->scope.owner = word_of(runtime);
    runtime->place.fiber.home = &runtime->scheduler;
    store_relaxed(&runtime->place.fiber.heard, 1); /* relaxed: nobody knows it yet */
}

static uint64_t stack_bytes_of(const struct thrum_runtime *runtime)
{
    uint64_t stack_bytes = runtime->options.stack_bytes;

    return stack_bytes ? stack_bytes : STACK_BYTES_DEFAULT;
}

static void end_simulation(struct thrum_runtime *runtime)
{
    if (runtime->sim)
        thrum_sim_free(runtime->sim);
    if (runtime->oracle)
        thrum_oracle_free(runtime->oracle);
}

/* Nobody sees how many workers there are, but a program may ask. */
static int start_simulation(struct thrum_runtime *runtime)
{
    const thrum_options *options = &runtime->options;
    int err = -ENOMEM;

    store_relaxed(&runtime->workers, (uint32_t)(options->workers ? options->workers : 1));
    /* relaxed: nobody knows it yet */
    runtime->oracle = thrum_oracle_random(options->seed);
    runtime->sim = runtime->oracle ? thrum_sim_new(&thrum_task_verbs, runtime->oracle) : NULL;
    if (runtime->sim)
        err = thrum_scheduler_init_simulated(&runtime->scheduler, &runtime->sim->verbs,
                                             stack_bytes_of(runtime), &runtime->sim->world);
    if (err)
        end_simulation(runtime);
    return err;
}

/* The scheduler, with its workers. */
static int start_workers(struct thrum_runtime *runtime)
{
    const thrum_options *options = &runtime->options;
    int workers = options->workers ? options->workers : thrum_cpus_available();
    int err;

    if (options->flags & THRUM_SIMULATE)
        return start_simulation(runtime);
    err = thrum_scheduler_init(&runtime->scheduler, &thrum_task_verbs, THRUM_WORKERS_MAX,
                               stack_bytes_of(runtime));
    if (err)
        return err;
    if (runtime_is_guest(runtime)) {
        workers = 1;
        err = thrum_scheduler_add_guest(&runtime->scheduler);
    } else {
        err = thrum_scheduler_resize(&runtime->scheduler, (unsigned)workers);
    }
    store_relaxed(&runtime->workers, (uint32_t)workers); /* relaxed: nobody knows it yet */
    if (err)
        thrum_scheduler_fini(&runtime->scheduler);
    else if (runtime_is_guest(runtime))
        thrum_scheduler_hold(&runtime->scheduler); /* the loop may wake tasks at any time */
    return err;
}

static struct thrum_runtime *runtime_new(const thrum_options *options)
{
    struct thrum_runtime *runtime = thrum_memory_get(sizeof *runtime, CACHE_LINE);

    if (!runtime)
        return NULL;
    pthread_mutex_init(&runtime->control, NULL);
    pthread_mutex_init(&runtime->roots_lock, NULL);
    pthread_mutex_init(&runtime->driving, NULL);
    runtime->options = *options;
    if (!runtime_is_guest(runtime) && thrum_simulation_wanted(&runtime->options.seed))
        runtime->options.flags |= THRUM_SIMULATE;
    thrum_detect_begin(runtime);
    root_scope_init(runtime);
    return runtime;
}

static void runtime_free(struct thrum_runtime *runtime)
{
    thrum_detect_end(runtime);
    thrum_fds_free(&runtime->fds);
    thrum_slabs_free(&runtime->slabs);
    thrum_reason_free(&runtime->scope);
    pthread_mutex_destroy(&runtime->driving);
    pthread_mutex_destroy(&runtime->roots_lock);
    pthread_mutex_destroy(&runtime->control);
    thrum_memory_put(runtime);
}

int thrum_runtime_create(thrum_runtime **out, const thrum_options *options)
{
    static const thrum_options defaults = THRUM_OPTIONS_INIT;
    struct thrum_runtime *runtime;
    int err;

    if (!options)
        options = &defaults;
    err = thrum_worker_self() ? THRUM_ENESTED : check_options(options);
    if (!err)
        err = thrum_overflow_install();
    if (err)
        return err;
    thrum_overflow_set_namer(thrum_self_name);
    runtime = runtime_new(options);
    if (!runtime)
        return -ENOMEM;
    err = start_workers(runtime);
    if (err)
        goto free_runtime;
    err = thrum_sigint_take(runtime);
    if (err)
        goto fini_scheduler;
    err = thrum_registry_add(runtime);
    if (err)
        goto give_back;
    *out = runtime;
    return 0;

give_back:
    thrum_sigint_give_back(runtime);
fini_scheduler:
    thrum_scheduler_fini(&runtime->scheduler);
    end_simulation(runtime);
free_runtime:
    runtime_free(runtime);
    return err;
}

/* A guest's: somebody has to take the turns. */
static void take_turns(struct thrum_runtime *runtime)
{
    int64_t next = 0;

    if (!runtime_is_guest(runtime))
        return;
    thrum_scheduler_release(&runtime->scheduler);
    while (load_relaxed(&runtime->scheduler.runs) != 0) /* relaxed: they end here */
        if (!thrum_scheduler_turn(&runtime->scheduler, next == INT64_MAX ? -1 : next, INT64_MAX,
                                  &next))
            thrum_panic("thrum_runtime_close was called while another thread takes a turn; end "
                        "the loop first");
}

/* No run begins any more; those under way are cancelled, and have returned to who asked for them. */
static void end_runs(struct thrum_runtime *runtime)
{
    uint32_t runs;

    pthread_mutex_lock(&runtime->control);
    runs = add_acq_rel(&runtime->runs, RUNS_CLOSED) + RUNS_CLOSED; /* EDGE run.left */
    pthread_mutex_unlock(&runtime->control);
    if (runs != RUNS_CLOSED)
        thrum_runtime_cancel_at(runtime, THRUM_ESHUTDOWN, "the runtime closes", NULL, 0);
    take_turns(runtime);
    while ((runs = load_acquire(&runtime->runs)) != RUNS_CLOSED) /* EDGE run.left */
        thrum_futex_wait(&runtime->runs, runs, -1);
    pthread_mutex_lock(&runtime->control); /* who left last may still hold it */
    pthread_mutex_unlock(&runtime->control);
}

/* The executor of its own, if it has one. */
static int end_executor(struct thrum_runtime *runtime)
{
    int (*end)(struct thrum_runtime *runtime);

    if (!load_acquire(&runtime->executor)) /* EDGE executor.own */
        return 0;
    end = (int (*)(struct thrum_runtime *))(uintptr_t)load_relaxed(&runtime->executor_end);
    return end(runtime); /* relaxed: brought by the executor */
}

int thrum_runtime_close(thrum_runtime *runtime)
{
    int status;

    if (!runtime)
        return 0;
    if (thrum_worker_self())
        return THRUM_ENESTED;
    if (!thrum_registry_has(runtime)) /* its memory is gone: nothing of it may be looked at */
        thrum_panic("thrum_runtime_close was called on what is no runtime; close it once");
    if (!thrum_scheduler_is_here(&runtime->scheduler))
        return THRUM_ESTATE;
    end_runs(runtime);
    status = end_executor(runtime);
    thrum_holds_wait(runtime);
    thrum_registry_remove(runtime);
    thrum_sigint_give_back(runtime);
    thrum_scheduler_fini(&runtime->scheduler);
    if (runtime_is_guest(runtime))
        thrum_overflow_thread_fini(); /* what the turns on this thread have set up */
    end_simulation(runtime);
    runtime_free(runtime);
    return status;
}

int thrum_run(thrum_fn fn, void *arg, const thrum_options *options, thrum_error **errors)
{
    thrum_runtime *runtime;
    int status = thrum_runtime_create(&runtime, options);

    if (errors)
        *errors = NULL;
    if (status)
        return status;
    status = thrum_runtime_run(runtime, fn, arg, errors);
    thrum_runtime_close(runtime);
    return status;
}

thrum_runtime *thrum_runtime_self(void)
{
    const struct worker *worker = thrum_worker_self();

    return worker ? runtime_of(worker->scheduler) : NULL;
}

int thrum_runtime_set_workers(thrum_runtime *runtime, int workers)
{
    int err;

    if (thrum_worker_self())
        return THRUM_ENESTED;
    if (!thrum_scheduler_is_here(&runtime->scheduler))
        return THRUM_ESTATE;
    if (runtime_is_guest(runtime))
        return THRUM_ESTATE;
    if (workers < 1 || workers > THRUM_WORKERS_MAX)
        return -EINVAL;
    if (runtime->sim) {
        store_relaxed(&runtime->workers, (uint32_t)workers); /* relaxed: a figure only */
        return 0;
    }
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

void thrum_runtime_cancel_at(thrum_runtime *runtime, int code, const char *text, const char *file,
                             int line)
{
    thrum_scheduler_here(&runtime->scheduler);
    thrum_cancel_scope(&runtime->scope, code, text, file, line);
}
