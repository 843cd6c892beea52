/* internal.h - what the scheduler's own files share. */
#ifndef THRUM_SCHED_INTERNAL_H
#define THRUM_SCHED_INTERNAL_H

#include "runtime/sched/worker.h"

/* worker.c: the loop's decision; for thrum_context_leave. */
struct context *thrum_worker_next(void *worker);
void thrum_worker_here(struct worker *worker);
/*
 * By a simulated world, on the fiber of its running task: it leaves, and the world's `pick` says
 * who goes on. Nobody has to be told.
 */
void thrum_suspend_apart(void);
/* A fiber that will run the task; NULL: there was no memory, the task was refused. */
struct fiber *thrum_fiber_for(struct worker *worker, void *task);

/* scheduler.c: the loop of a world whose tasks are watched for races; NULL: it is none. */
const struct context *thrum_world_loop(const struct scheduler *scheduler);

/* scheduler->busy: how many, and above it who came so far: no value comes again. */
#define BUSY_ONE ((uint64_t)1)
#define BUSY_CAME ((uint64_t)1 << 16)

static inline unsigned busy_in(uint64_t word)
{
    return (unsigned)(word & (BUSY_CAME - 1));
}

/* The lower half, for which a futex can wait. */
static inline const uint32_t *busy_futex(const struct scheduler *scheduler)
{
    return (const uint32_t *)(const void *)&scheduler->busy +
           (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
}

/* search.c: steal or sleep until there is something; NULL: the worker must leave. */
struct fiber *thrum_worker_search(struct worker *worker);
/*
 * scheduler.c: run tasks, on the seat's thread, until told to leave: true; or until the worker was
 * given away. It counts as awake already, and does not when it returns true.
 */
bool thrum_worker_stay(struct worker *worker, struct seat *seat);

/* scheduler.c: a worker that nobody runs. 0 or -ENOMEM. */
int thrum_worker_make(struct scheduler *scheduler, unsigned index);

/* search.c: a guest's turn begins. If it slept it waits for something to do, at most so long. */
void thrum_guest_wakes(struct worker *worker, int64_t patience);
/* guest.c */
bool thrum_turn_is_over(const struct worker *worker);

/* Wake a worker without giving it work: it has something to look at. */
void thrum_worker_call(struct worker *worker);
/*
 * In a simulated world, where nothing can go on: until somebody outside has come, or descriptors
 * are ready, and then how many; or so many nanoseconds have really passed (-1: however many).
 */
unsigned thrum_worker_wait_outside(struct worker *worker, int64_t patience,
                                   struct poll_event found[POLL_MOST]);
/* Its thread, with no lane: ends its timers until it is to stay (false) or has gone (true). */
bool thrum_worker_linger(struct worker *worker);

/* Is there anything for anybody? */
bool thrum_work_in_sight(struct scheduler *scheduler);

/*
 * Somebody goes to sleep, is awake: the clock runs while anybody is. Who claims
 * a sleeper counts it as awake, for the sleeper may not get so far. The last
 * who goes to sleep looks whether anything can wake somebody (rest.c).
 */
void thrum_worker_rests(struct scheduler *scheduler);
void thrum_worker_stirs(struct scheduler *scheduler);

/* As rests. False: we were the last, nothing could wake anybody, somebody was woken: look again. */
bool thrum_worker_may_rest(struct scheduler *scheduler);

/* poller.c */
/*
 * Owner, on its loop. Look at the descriptors, unless somebody polls or they were looked at less
 * than `every` ns ago. True: somebody was made ready.
 */
bool thrum_poller_look(struct worker *worker, int64_t now, int64_t every);
/* Owner. Sleep until the poller is woken, or a descriptor is ready. True: there is one to tell. */
bool thrum_poller_sleep(struct worker *worker, int64_t timeout_ns);
/* Owner, counted as awake: tell what it has found. True: there was something. */
bool thrum_poller_tell(struct worker *worker);
/* The clock: look, whoever else does or should. */
void thrum_poller_rescue(struct scheduler *scheduler);
/* The clock: tell what the worker has found, if it is still at what it was at *hand. */
void thrum_poller_rescue_hand(struct worker *worker, uint64_t *hand);

static inline bool poller_wanted(const struct scheduler *scheduler)
{
    return UNLIKELY(load_relaxed(&scheduler->watches) != 0); /* relaxed: a hint, or brought by busy */
}

/* clock.c */
int thrum_clock_start(struct scheduler *scheduler);
void thrum_clock_stop(struct scheduler *scheduler);
/* The clock, if it sleeps, looks at the time again. */
void thrum_clock_call(struct scheduler *scheduler);

static inline struct worker *worker_at(const struct scheduler *scheduler, unsigned index)
{
    return pointer_of(load_acquire(&scheduler->workers[index])); /* EDGE sched.worker */
}

#endif
