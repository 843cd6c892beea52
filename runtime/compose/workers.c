/*
 * workers.c - a worker pool.
 *
 * One task of the caller's group, the boss, has the workers in a group of its
 * own: so they are cancelled and waited for as one. Each worker takes jobs from
 * the queue, runs each as a task in a group around it alone, and resolves its
 * promise. When the boss has ended, even if it never ran, the queue is shut
 * down and what is left in it cancelled (`desert`). So no job is forgotten.
 *
 * `task` of a job
 *
 *   WAITING --publish--> the task's handle --over--> OVER
 *      \                   /                          /
 *       `--cancel--> CANCELLED ----------------------'
 *
 * The handle's reference belongs to whoever takes it out of the word.
 *
 * Edges
 *   job.task   publish -> cancel   the handle
 */
#include <thrum/workers.h>

#include <errno.h>

#include <thrum/detail/atomic.h>

enum { WAITING = 0, CANCELLED = 1, OVER = 2 };

/* Jobs that were submitted by one call, of which the first that fails cancels the others. */
struct thrum_job_map {
    thrum_job *jobs;
    size_t n;
    uint64_t failed; /* atomic: 1: one has */
};

static bool is_handle(uint64_t word)
{
    return word > OVER;
}

static thrum_task *handle_of(uint64_t word)
{
    return (thrum_task *)(uintptr_t)word;
}

/* ---- one job --------------------------------------------------------------------------------- */

static const thrum_outcome cancelled = {THRUM_CANCELLED, THRUM_ECANCELED, NULL};

static void job_init(thrum_job *job, thrum_fn fn, void *arg, const struct thrum_site *site)
{
    job->outcome = cancelled;
    job->fn = fn;
    job->arg = arg;
    job->site = site;
    job->map = NULL;
    job->task = WAITING;
    thrum_promise_init(&job->ended, NULL, 0);
}

/* It has ended like this, and is its submitter's again. */
static void resolve(thrum_job *job, thrum_outcome outcome)
{
    uint64_t word = thrum_exchange_acquire_64(&job->task, OVER); /* EDGE job.task */

    if (is_handle(word))
        thrum_task_unref(handle_of(word));
    job->outcome = outcome;
    (void)thrum_promise_set(&job->ended, NULL);
}

/* If it was cancelled before, so is the task. */
static void publish(thrum_job *job, thrum_task *task)
{
    uint64_t waiting = WAITING;

    if (thrum_cas_release_64(&job->task, &waiting, (uint64_t)(uintptr_t)thrum_task_ref(task)))
        return; /* EDGE job.task */
    thrum_task_unref(task);
    (void)thrum_task_cancel(task, 0, NULL);
}

bool thrum_job_cancel_at(thrum_job *job, int code, const char *text, const char *file, int line)
{
    uint64_t word = thrum_load_relaxed_64(&job->task); /* relaxed: a guess */

    while (word == WAITING || is_handle(word)) {
        if (!thrum_cas_acquire_64(&job->task, &word, CANCELLED)) /* EDGE job.task */
            continue;
        if (is_handle(word)) {
            (void)thrum_task_cancel_at(handle_of(word), code, text, file, line);
            thrum_task_unref(handle_of(word));
        }
        return true;
    }
    return word == CANCELLED;
}

bool thrum_job_ended(const thrum_job *job)
{
    return thrum_promise_resolved(&job->ended, NULL);
}

/* Until it has ended, come what may. THRUM_ECANCELED: a cancel came meanwhile. */
static int await_end(thrum_job *job)
{
    thrum_shield shield;

    thrum_shield_begin(&shield);
    while (thrum_promise_wait(&job->ended, NULL))
        (void)thrum_yield(); /* no memory to sleep with */
    return thrum_shield_end(&shield);
}

int thrum_job_join(thrum_job *job, thrum_outcome *outcome)
{
    int status = thrum_promise_wait(&job->ended, NULL);

    if (status == THRUM_ECANCELED)
        (void)thrum_job_cancel(job, status, "who waits for the job was cancelled");
    if (status && await_end(job))
        status = THRUM_ECANCELED;
    thrum_promise_destroy(&job->ended);
    if (outcome)
        *outcome = job->outcome;
    else
        thrum_error_free(job->outcome.error);
    return status == THRUM_ECANCELED ? status : 0;
}

/* ---- workers --------------------------------------------------------------------------------- */

/* The first one of them has failed, and is still to be resolved. */
static void cancel_others(struct thrum_job_map *map)
{
    if (thrum_exchange_relaxed_64(&map->failed, 1)) /* relaxed: a number only */
        return;
    for (size_t i = 0; i < map->n; i++)
        (void)thrum_job_cancel(&map->jobs[i], THRUM_EGROUP, "another job failed");
}

static thrum_outcome outcome_of(int refused, thrum_task *task)
{
    thrum_outcome outcome = {THRUM_FAILED, refused, NULL};

    if (refused == THRUM_ECANCELED || refused == THRUM_ESHUTDOWN)
        return cancelled; /* the workers were, before it began */
    if (!refused)
        (void)thrum_task_outcome(task, &outcome);
    return outcome;
}

/* In a group around it alone. THRUM_ECANCELED: the worker was cancelled, and the job with it. */
static int do_job(thrum_job *job)
{
    thrum_group_options options = THRUM_GROUP_OPTIONS_INIT;
    thrum_error *errors = NULL;
    thrum_outcome outcome;
    thrum_task *task = NULL;
    thrum_group group;
    int refused, status;

    options.flags = THRUM_COLLECT;
    status = refused = thrum_group_open(&group, &options);
    if (!refused) {
        refused = thrum_group_spawn_at(&group, job->fn, job->arg, NULL, &task, job->site);
        if (!refused)
            publish(job, task);
        status = thrum_group_close(&group, 0, &errors);
    }
    outcome = outcome_of(refused, task);
    thrum_error_free(errors);
    thrum_task_unref(task);
    if (outcome.kind == THRUM_FAILED && job->map)
        cancel_others(job->map);
    resolve(job, outcome);
    return status;
}

static bool was_cancelled(const thrum_job *job)
{
    return thrum_load_relaxed_64(&job->task) == CANCELLED; /* relaxed: publish looks again */
}

static int work(void *arg)
{
    thrum_workers *workers = (thrum_workers *)arg;
    thrum_job *job;
    int status;

    while ((status = thrum_queue_get(&workers->queue, &job)) == 0) {
        if (was_cancelled(job))
            resolve(job, cancelled);
        else if (do_job(job) == THRUM_ECANCELED)
            return THRUM_ECANCELED;
    }
    return status == THRUM_ESHUTDOWN ? 0 : status;
}

/* No worker will come any more. */
static void desert(thrum_task *boss, void *arg)
{
    thrum_workers *workers = (thrum_workers *)arg;
    thrum_job *job;

    (void)boss;
    thrum_queue_shutdown(&workers->queue, false);
    while (thrum_queue_try_get(&workers->queue, &job) == 0)
        resolve(job, cancelled);
}

static int lead(void *arg)
{
    thrum_workers *workers = (thrum_workers *)arg;
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    if (status)
        return status;
    for (uint32_t i = 0; i < workers->count && !status; i++)
        status = thrum_group_spawn(&group, work, workers, NULL, NULL);
    return thrum_group_close(&group, status, NULL);
}

/* ---- opening and closing --------------------------------------------------------------------- */

int thrum_workers_open(thrum_workers *workers, thrum_group *group,
                       const thrum_workers_options *options)
{
    static const thrum_workers_options defaults = THRUM_WORKERS_OPTIONS_INIT;
    thrum_queue_options queue = THRUM_QUEUE_OPTIONS_INIT;
    int status;

    if (!options)
        options = &defaults;
    if (options->size != sizeof *options || options->count == 0)
        return -EINVAL;
    queue.limit = options->limit;
    status = thrum_queue_init(&workers->queue, sizeof(thrum_job *), &queue);
    if (status)
        return status;
    workers->count = options->count;
    status = thrum_group_spawn(group, lead, workers, NULL, &workers->boss);
    if (status) {
        thrum_queue_destroy(&workers->queue);
        return status;
    }
    thrum_task_on_end(workers->boss, &workers->done, desert, workers);
    return 0;
}

void thrum_workers_shutdown(thrum_workers *workers, bool immediate)
{
    thrum_queue_shutdown(&workers->queue, false);
    if (immediate)
        (void)thrum_task_cancel(workers->boss, THRUM_ESHUTDOWN, "the workers were shut down");
}

int thrum_workers_close(thrum_workers *workers)
{
    int status;

    if (!workers->boss)
        return THRUM_ESTATE;
    if (thrum_task_needs_me(workers->boss))
        return -EDEADLK;
    thrum_workers_shutdown(workers, false);
    status = thrum_task_join(workers->boss, NULL);
    if (status && status != THRUM_ECANCELED)
        return status;
    if (thrum_task_off_end(workers->boss, &workers->done))
        desert(workers->boss, workers); /* who joins may be faster than what is called at the end */
    thrum_task_unref(workers->boss);
    workers->boss = NULL;
    thrum_queue_destroy(&workers->queue);
    return status;
}

/* ---- submitting ------------------------------------------------------------------------------ */

int thrum_workers_submit_at(thrum_workers *workers, thrum_job *job, thrum_fn fn, void *arg,
                            const struct thrum_site *site)
{
    job_init(job, fn, arg, site);
    return thrum_queue_put(&workers->queue, &job);
}

int thrum_workers_try_submit_at(thrum_workers *workers, thrum_job *job, thrum_fn fn, void *arg,
                                const struct thrum_site *site)
{
    job_init(job, fn, arg, site);
    return thrum_queue_try_put(&workers->queue, &job);
}

int thrum_workers_call_at(thrum_workers *workers, thrum_fn fn, void *arg, thrum_outcome *outcome,
                          const struct thrum_site *site)
{
    thrum_job job;
    int status = thrum_workers_submit_at(workers, &job, fn, arg, site);

    return status ? status : thrum_job_join(&job, outcome);
}

/* Submit one after the other, until *status says why not. How many were. */
static size_t submit_all(thrum_workers *workers, thrum_job *jobs, size_t n, int *status)
{
    for (size_t i = 0; i < n; i++) {
        thrum_job *job = &jobs[i];

        *status = thrum_queue_put(&workers->queue, &job);
        if (*status)
            return i;
    }
    return n;
}

/* Those that have ended are none the worse. */
static void cancel_all(thrum_job *jobs, size_t n, int code)
{
    for (size_t i = 0; i < n; i++)
        (void)thrum_job_cancel(&jobs[i], code, "not all of the jobs will be done");
}

static bool one_has_failed(const thrum_job *jobs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (jobs[i].outcome.kind == THRUM_FAILED)
            return true;
    return false;
}

int thrum_workers_map_at(thrum_workers *workers, thrum_job *jobs, size_t n, unsigned policy,
                         thrum_fn fn, void *base, size_t stride, const struct thrum_site *site)
{
    struct thrum_job_map map = {jobs, n, 0};
    size_t submitted;
    int status = 0;

    if (policy != THRUM_FAIL_FAST && policy != THRUM_COLLECT)
        return -EINVAL;
    for (size_t i = 0; i < n; i++) { /* a sum of numbers: base may be NULL */
        job_init(&jobs[i], fn, (void *)((uintptr_t)base + i * stride), site);
        jobs[i].map = policy == THRUM_FAIL_FAST ? &map : NULL;
    }
    submitted = submit_all(workers, jobs, n, &status);
    if (status)
        cancel_all(jobs, submitted, status);
    for (size_t i = 0; i < submitted; i++) {
        int joined = thrum_job_join(&jobs[i], &jobs[i].outcome);

        if (joined && !status) {
            status = joined;
            cancel_all(jobs + i, submitted - i, status);
        }
    }
    return !status && policy == THRUM_FAIL_FAST && one_has_failed(jobs, n) ? THRUM_EGROUP : status;
}
