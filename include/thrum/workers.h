/*
 * workers.h - a worker pool: a few tasks that do jobs from a queue, each job
 * with a result.
 *
 *     thrum_workers workers;
 *     thrum_job job;
 *     thrum_outcome outcome;
 *
 *     status = thrum_workers_open(&workers, &group, &options);
 *     ...
 *     status = thrum_workers_submit(&workers, &job, fetch, &page);
 *     if (!status)
 *         status = thrum_job_join(&job, &outcome);
 *     ...
 *     status = thrum_workers_close(&workers);
 *
 * The tasks belong to a group of the caller's. Every job that was submitted
 * ends, whatever happens to them: if they are cancelled, so are the jobs that
 * they had under way and those that they never took, and who waits for one is
 * told.
 *
 * For a plain limit of how many tasks there are at once, the limit of a group
 * (group.h) or of thrum_gather (gather.h) will do.
 *
 *   class   one lock bit, of the queue; a thread stopped there delays only
 *           users of these workers
 */
#ifndef THRUM_WORKERS_H
#define THRUM_WORKERS_H

#include <thrum/promise.h>
#include <thrum/queue.h>
#include <thrum/task.h>
#include <thrum/types.h>

THRUM_BEGIN_DECLS

/* Its fields are the library's own. Never copy one. */
typedef struct thrum_workers {
    thrum_queue queue; /* of thrum_job * */
    thrum_task *boss;
    thrum_done done;
    uint32_t count;
    uint32_t unused;
} thrum_workers;

typedef struct thrum_workers_options {
    uint32_t size;  /* sizeof(thrum_workers_options), set by THRUM_WORKERS_OPTIONS_INIT */
    uint32_t count; /* of workers, at least 1 */
    size_t limit;   /* how many jobs may wait in the queue; 0: any number */
} thrum_workers_options;

/* Four workers. */
#define THRUM_WORKERS_OPTIONS_INIT          \
    {                                       \
        sizeof(thrum_workers_options), 4, 0 \
    }

/*
 * In the caller's memory, from submit until join has returned. Its fields are
 * the library's own; so is a job that thrum_workers_map has made, but for `outcome`.
 */
typedef struct thrum_job {
    thrum_outcome outcome;
    thrum_fn fn;
    void *arg;
    const struct thrum_site *site;
    struct thrum_job_map *map;
    uint64_t task; /* atomic: see runtime/compose/workers.c */
    thrum_promise ended;
} thrum_job;

/*
 * Start workers, as tasks of the group. `options` may be NULL. To be closed before
 * the group is, by whoever closes the group or a task of it.
 *
 *   context   the group's owner, or any task below the group
 *   suspends  as thrum_group_spawn (task.h)
 *   returns   0; -EINVAL: an option is out of range; -ENOMEM; what thrum_group_spawn says
 */
THRUM_API THRUM_NODISCARD int thrum_workers_open(thrum_workers *workers, thrum_group *group,
                                                 const thrum_workers_options *options);

/*
 * No more jobs are taken: submits, and those that wait for room, get
 * THRUM_ESHUTDOWN. What was submitted is done; with `immediate` it is cancelled, what
 * is under way and what is not begun.
 *
 *   context   any thread
 *   suspends  no
 */
THRUM_API void thrum_workers_shutdown(thrum_workers *workers, bool immediate);

/*
 * The same, and wait until all jobs have ended and the workers with them. A cancel of the
 * caller makes it immediate, and they are waited for all the same. Nobody may
 * submit any more when it has returned 0 or THRUM_ECANCELED.
 *
 *   context   task
 *   suspends  until they have ended
 *   returns   0; THRUM_ECANCELED; -EDEADLK: called by one of the jobs, which it would wait for;
 *             -ENOMEM: nothing was waited for, close it again; THRUM_ESTATE: it was closed before
 */
THRUM_API THRUM_NODISCARD int thrum_workers_close(thrum_workers *workers);

/*
 * Have fn(arg) done by one of the workers, as a task of its own. Jobs are begun
 * in the order in which they were submitted. Every one that was submitted must be joined.
 *
 *   context   task
 *   suspends  while the queue is full; now and then even so, to let others run
 *   returns   0; THRUM_ECANCELED; THRUM_ESHUTDOWN; -ENOMEM: it was not submitted, do not join
 */
#define thrum_workers_submit(workers, job, fn, arg) \
    thrum_workers_submit_at(workers, job, fn, arg, THRUM_SITE)
THRUM_API THRUM_NODISCARD int thrum_workers_submit_at(thrum_workers *workers, thrum_job *job,
                                                      thrum_fn fn, void *arg,
                                                      const struct thrum_site *site);

/* The same, if there is room. -EAGAIN: there is none. */
#define thrum_workers_try_submit(workers, job, fn, arg) \
    thrum_workers_try_submit_at(workers, job, fn, arg, THRUM_SITE)
THRUM_API THRUM_NODISCARD int thrum_workers_try_submit_at(thrum_workers *workers, thrum_job *job,
                                                          thrum_fn fn, void *arg,
                                                          const struct thrum_site *site);

/*
 * Wait until the job has ended. *outcome, unless NULL, is how (task.h): of one that
 * failed the caller frees outcome.error. If the calling task is cancelled
 * meanwhile, the cancel is passed on to the job, and its end waited for all the same.
 *
 * A job may submit jobs, but if all workers join jobs that none of them can
 * begin, they wait for ever.
 *
 *   context   task; once for each job
 *   suspends  unless it has ended
 *   returns   0; THRUM_ECANCELED: likewise, and a cancel was delivered here
 */
THRUM_API int thrum_job_join(thrum_job *job, thrum_outcome *outcome);

/*
 * Cancel it: one that was not begun never will be.
 *
 *   context   any thread, until join is called
 *   suspends  no
 *   returns   true: it will hear of it, or has been told before; false: it has ended
 */
#define thrum_job_cancel(job, code, text) thrum_job_cancel_at(job, code, text, __FILE__, __LINE__)
THRUM_API bool thrum_job_cancel_at(thrum_job *job, int code, const char *text, const char *file,
                                   int line);

/* Has it ended? Any thread, until join is called. */
THRUM_API bool thrum_job_ended(const thrum_job *job);

/* Submit and join. What either of them says; *outcome is set if it was submitted. */
#define thrum_workers_call(workers, fn, arg, outcome) \
    thrum_workers_call_at(workers, fn, arg, outcome, THRUM_SITE)
THRUM_API THRUM_NODISCARD int thrum_workers_call_at(thrum_workers *workers, thrum_fn fn, void *arg,
                                                    thrum_outcome *outcome,
                                                    const struct thrum_site *site);

/*
 * Do fn(base + i * stride) for each i below n, and wait for all of it. How each has ended stands
 * in jobs[i].outcome then; of those that failed the caller frees outcome.error. One that
 * could not be submitted counts as cancelled.
 *
 *   THRUM_FAIL_FAST   the first that fails cancels the others
 *   THRUM_COLLECT     a failure is an outcome like any other
 *
 *   context   task
 *   suspends  until all have ended
 *   returns   0; THRUM_EGROUP: one has failed (THRUM_FAIL_FAST); THRUM_ECANCELED; THRUM_ESHUTDOWN,
 *             -ENOMEM: those that had been submitted were cancelled; -EINVAL: no such policy
 */
#define thrum_workers_map(workers, jobs, n, policy, fn, base, stride) \
    thrum_workers_map_at(workers, jobs, n, policy, fn, base, stride, THRUM_SITE)
THRUM_API THRUM_NODISCARD int thrum_workers_map_at(thrum_workers *workers, thrum_job *jobs,
                                                   size_t n, unsigned policy, thrum_fn fn,
                                                   void *base, size_t stride,
                                                   const struct thrum_site *site);

THRUM_END_DECLS

#endif
