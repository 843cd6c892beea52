/* internal.h - what the scheduler's own files share. */
#ifndef THRUM_SCHED_INTERNAL_H
#define THRUM_SCHED_INTERNAL_H

#include "runtime/sched/worker.h"

/* worker.c: the loop's decision; for thrum_context_leave. */
struct context *thrum_worker_next(void *worker);
void thrum_worker_here(struct worker *worker);
/* A fiber that will run the task; NULL: there was no memory, the task was refused. */
struct fiber *thrum_fiber_for(struct worker *worker, void *task);

/* search.c: steal or sleep until there is something; NULL: the worker must leave. */
struct fiber *thrum_worker_search(struct worker *worker);
/* Wake a worker without giving it work: it has something to look at. */
void thrum_worker_call(struct worker *worker);

/* Is there anything for anybody? */
bool thrum_work_in_sight(struct scheduler *scheduler);

/*
 * Somebody goes to sleep, is awake: the clock runs while anybody is. Who claims
 * a sleeper counts it as awake, for the sleeper may not get so far.
 */
void thrum_worker_rests(struct scheduler *scheduler);
void thrum_worker_stirs(struct scheduler *scheduler);

/* clock.c */
int thrum_clock_start(struct scheduler *scheduler);
void thrum_clock_stop(struct scheduler *scheduler);

static inline struct worker *worker_at(const struct scheduler *scheduler, unsigned index)
{
    return pointer_of(load_acquire(&scheduler->workers[index])); /* EDGE sched.worker */
}

#endif
