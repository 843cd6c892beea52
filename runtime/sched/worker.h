/*
 * worker.h - the threads that run tasks, and what they share.
 *
 * The scheduler moves fibers and unstarted tasks; what a task is, it is told
 * by two functions. Two doors lead in: thrum_ready makes a fiber runnable,
 * thrum_lane_push (and thrum_worker_pushed behind it) an unstarted task. One
 * leads out: thrum_suspend.
 *
 * README.md has the walk of a worker and the proof that no wake-up is lost.
 */
#ifndef THRUM_SCHED_WORKER_H
#define THRUM_SCHED_WORKER_H

#include <pthread.h>

#include "runtime/plat/poll.h"
#include "runtime/sched/fiber.h"
#include "runtime/sched/ready.h"
#include "runtime/sched/seat.h"
#include "runtime/sched/timers.h"
#include "runtime/sched/world.h"
#include "runtime/work/deque.h"
#include "runtime/work/idle.h"

struct scheduler;

/* What the layer above does with an unstarted task that came out of a deque, and with timers. */
struct task_verbs {
    void (*run)(void *task);             /* on a fiber; returns when the task has ended */
    void (*refuse)(void *task, int err); /* it cannot be run: no memory for a fiber */
    /* In a simulated world. Is the unstarted task one that the join of `joined` waits for? */
    bool (*joins)(const void *task, const void *joined);
    /* Any thread. Has this arming neither expired nor been called off? */
    bool (*pending)(struct timer *timer, uint64_t key);
    /*
     * Any thread. Its time has come. It may come twice, late, or with a key of the past: whether
     * the arming was still pending, one read-modify-write must decide.
     */
    void (*expire)(struct timer *timer, uint64_t key);
    /*
     * Everything is at rest, runs are under way, and nothing that the scheduler knows of can wake
     * anybody (rest.c). Any of our threads, or one that has just left; on no fiber. May make
     * fibers ready. NULL: then nobody looks. `moment` is the one at which that was so; moments
     * grow.
     */
    void (*stuck)(struct scheduler *scheduler, uint64_t moment);
    /*
     * The same, but somebody waits for just that (scheduler.settling), and there may be timers: time
     * does not count. Makes one of them ready.
     */
    void (*settled)(struct scheduler *scheduler);
    /*
     * Any thread that counts as awake; on no fiber. A descriptor that was armed with this key is
     * ready. It may come late, when it has long been armed with another. May make fibers ready, and
     * must not wait for anybody.
     */
    void (*polled)(struct scheduler *scheduler, uint64_t key, uint32_t events);
};

#define WORKER_CACHES 5

/* What the clock asks a worker for. */
enum {
    OVERDUE_JOIN = 1,
    OVERDUE_TIMERS = 2,
    OVERDUE_WORLD = 4, /* always, in a simulated world */
    OVERDUE_TURN = 8   /* always, of a guest */
};

/* What is to become of a worker's thread. Once it is GONE it can be joined. */
enum { WORKER_STAYS = 0, WORKER_LEAVES, WORKER_GONE, WORKER_ENDS };

struct worker {
    struct deque deque; /* first, and the lane first in it */
    struct ready_queue ready;

    struct scheduler *scheduler __attribute__((aligned(CACHE_LINE))); /* constant */
    void (*commit)(void *arg, struct fiber *left); /* owner: for the fiber that left */
    void *commit_arg;
    void *handoff;         /* owner: unstarted task to run next */
    unsigned stays;        /* owner: what its task holds that belongs to the thread: stay.c */
    uint64_t random;       /* owner */
    int64_t stole_at;      /* owner: when it last stole an unstarted task; 0: something else came */
    unsigned in_vain;      /* owner: stolen tasks in a row that ended at once */
    struct sight {          /* owner: the last look at ready fibers that it had not seen before */
        unsigned victim;    /* the worker that has them */
        uint64_t tail;      /* where its queue ended */
        int64_t at;         /* when that was */
        int64_t pause;      /* so long after it nobody is looked at again */
        unsigned doublings; /* of that pause */
    } sight;
    uint32_t tick;         /* owner: picks made */
    uint32_t hasty_tick;   /* owner: a thread was woken for a task that was then picked: see hasten */
    uint32_t inject_turn;  /* owner: picks between two looks at the injection queue */
    uint32_t until_inject; /* owner: picks until the next one */
    uint32_t budget;       /* owner: ready objects that may be passed without a yield */
    unsigned foreseen;     /* owner: of those next in the injection queue, prefetched */
    unsigned index;        /* constant */
    struct world *world;   /* constant: the simulated one; NULL: the real one */
    struct pool_cache fibers;
    struct pool_cache coroutines;
    struct pool_cache above[WORKER_CACHES]; /* for the layer above */
    struct fiber_source source;
    struct context loop; /* where decisions are made; its stack holds nothing between them */
    struct context *home; /* the flow of the thread that runs it */
    uint64_t seat;        /* atomic: struct seat *, the thread that runs it, or is about to */
    bool started; /* controller: there is a thread that must be joined */
    bool guest;   /* constant: it has no thread: guest.c */
    bool dozes;   /* who takes the turns: it sleeps */
    int64_t turn_until; /* likewise: when the turn is over, */
    uint32_t turn_tick; /* and its first pick */

    uint32_t notified __attribute__((aligned(CACHE_LINE))); /* atomic, futex: NOTIFY_* */
    uint32_t parked;   /* atomic, written by the owner: sleeps, or is about to; for the clock */
    uint32_t retiring; /* atomic: WORKER_* */
    uint32_t visits;  /* atomic, written by the owner: counts picks, for the clock */
    uint32_t overdue; /* atomic: OVERDUE_* */

    struct timers timers;
    uint64_t hand;             /* atomic: which of these have not been told: poller.c */
    struct found {             /* descriptors that are ready */
        uint64_t key;          /* atomic, written by the owner */
        uint64_t events;       /* likewise */
    } found[POLL_MOST];
};

struct scheduler {
    struct idle idle;
    struct inject inject;
    struct pool_store fibers;
    struct pool_store coroutines;
    const struct task_verbs *verbs; /* constant */
    size_t stack_bytes;             /* constant */
    struct world *world;            /* constant: NULL: the real one */
    struct poll poll;
    unsigned workers_max;           /* constant */
    uint32_t oversubscribed;        /* atomic: more workers than CPUs: do not spin */
    uint32_t known;                 /* atomic: workers[0, known) exist */
    uint64_t busy __attribute__((aligned(CACHE_LINE))); /* atomic, its lower half a futex: workers,
                                                           publishers and others that do not
                                                           sleep; BUSY_* */
    uint32_t clock_asleep; /* atomic */
    uint32_t turning;      /* atomic: a guest takes its turn */
    uint32_t visitors;     /* atomic: foreign threads that are making a fiber ready */
    /* What may wake somebody while all are at rest; changed only by who counts as busy: rest.c */
    uint64_t runs;    /* atomic: root tasks that have not ended */
    uint64_t holds;   /* atomic: threads outside that will wake somebody, */
    uint64_t loose;   /* atomic: and of those, the ones that may not */
    uint64_t foreign; /* atomic: fibers made ready from outside with no hold out */
    uint64_t watches; /* atomic: tasks that wait for descriptors */
    uint64_t settling; /* atomic: tasks that wait until all others do: task/settle.c */
    uint32_t jumps;    /* atomic: when there is nothing but timers the clock is set forward */
    uint64_t alert __attribute__((aligned(CACHE_LINE))); /* atomic: fibers must look before inline
                                                            starts when it has moved; from 1 */
    uint32_t poller;                /* atomic: index + 1 of the worker that polls */
    uint64_t looked_at;             /* atomic: when one that does not has looked at descriptors */
    uint64_t workers[IDLE_WORKERS_MAX]; /* atomic: struct worker *, type-stable */
    uint32_t forks;                 /* constant: thrum_forks when it was made */
    unsigned size;                  /* controller: workers that are to be there */
    struct fiber_source outside;    /* controller: root fibers, the queue's first node */
    struct pool_cache roots;        /* controller: root fibers that workers have given back */
    struct stack_arena loops;       /* controller: the workers' loop stacks */
    pthread_mutex_t spares_lock; /* for a few steps at a time; `spares` */
    struct seat *spares;         /* threads without a worker */
    pthread_t clock_thread;
    bool clock_started;
    uint32_t clock_stop; /* atomic */
};

int thrum_scheduler_init(struct scheduler *scheduler, const struct task_verbs *verbs,
                         unsigned workers_max, size_t stack_bytes);
/* In a simulated world: there is one worker, and no thread. */
int thrum_scheduler_init_simulated(struct scheduler *scheduler, const struct task_verbs *verbs,
                                   size_t stack_bytes, struct world *world);
/* In a simulated world: be its worker until *done is not 0. One thread at a time. */
void thrum_scheduler_drive(struct scheduler *scheduler, const uint32_t *done);
/* Stops and joins all threads; nothing may be ready or running. */
void thrum_scheduler_fini(struct scheduler *scheduler);

/*
 * Controller. Have n workers, at least 1. -errno: as many as could be had. Does not wait for
 * those that are to leave: they finish what they are at, and their timers.
 */
int thrum_scheduler_resize(struct scheduler *scheduler, unsigned n);

/*
 * Controller, instead of a resize. One worker without a thread: it runs when somebody takes a turn
 * for it. 0 or -ENOMEM. The poller's descriptor is readable when a turn is due.
 */
int thrum_scheduler_add_guest(struct scheduler *scheduler);

/*
 * Any thread that runs no task. Run what is ready, and if there is nothing wait for it, at most
 * `patience` nanoseconds (negative: for ever). About `budget` nanoseconds later it returns even so.
 * *next: how long the next turn can wait, unless the descriptor becomes readable before. False:
 * another thread is taking a turn.
 */
bool thrum_scheduler_turn(struct scheduler *scheduler, int64_t patience, int64_t budget,
                          int64_t *next);

/* Controller. How many workers there are. */
unsigned thrum_scheduler_size(const struct scheduler *scheduler);

/* Any thread, after the clock was skipped: who sleeps looks at it again. */
void thrum_scheduler_stir(struct scheduler *scheduler);

/*
 * When the first timer is due, or earlier; TIMER_NEVER: none is armed. Exact but for those that
 * were called off, if everybody else is at rest.
 */
int64_t thrum_scheduler_due(const struct scheduler *scheduler);

/*
 * Set the clock of the process forward to the time `due`, but by `most` nanoseconds at most, and
 * let everybody look at it. By how much it was.
 */
int64_t thrum_scheduler_jump(struct scheduler *scheduler, int64_t due, int64_t most);

/*
 * By a task. A number that is another one after each time that it has waited or given way. In a
 * simulated world: that it has left by itself, not that others went first at a point.
 */
uint64_t thrum_scheduler_turn_here(void);

/*
 * Controller. Run a task on a fiber of its own, from outside. 0 or -ENOMEM. It is under way
 * until it calls thrum_scheduler_ended.
 */
int thrum_scheduler_start(struct scheduler *scheduler, void *task);
void thrum_scheduler_ended(struct scheduler *scheduler);

/*
 * Any thread. From here until the release somebody outside may wake a fiber, so that nothing is
 * stuck however long all sleep. They nest.
 */
void thrum_scheduler_hold(struct scheduler *scheduler);
void thrum_scheduler_release(struct scheduler *scheduler);

/*
 * The same for somebody who may never come: nothing is stuck, but all may be settled, and time
 * that jumps does not wait for him.
 */
void thrum_scheduler_hold_loosely(struct scheduler *scheduler);
void thrum_scheduler_release_loosely(struct scheduler *scheduler);

/* Any thread. How many of us do not sleep. A glance. */
unsigned thrum_scheduler_awake(const struct scheduler *scheduler);

/*
 * On a worker. A task is going to wait for descriptors, and does not any more: while there are
 * any, they are looked at, and nothing is stuck.
 */
void thrum_poller_expect(struct scheduler *scheduler);
void thrum_poller_dismiss(struct scheduler *scheduler);

/*
 * The door to descriptors, as in plat/poll.h. What is found ready goes to the verb `polled`, from
 * whoever has looked. On a worker, or where that verb runs.
 */
int thrum_poller_arm(struct scheduler *scheduler, int fd, uint32_t events, uint64_t key,
                     bool *known);
void thrum_poller_forget(struct scheduler *scheduler, int fd);
bool thrum_poller_valid(struct scheduler *scheduler, int fd);
int thrum_poller_peek(struct scheduler *scheduler, int fd, uint32_t events);

/* While a hold of the caller is out: a moment after it was taken. */
uint64_t thrum_scheduler_moment(const struct scheduler *scheduler);

/* Is it this process's, and not one that the child of a fork has inherited? */
bool thrum_scheduler_is_here(const struct scheduler *scheduler);
/* The process stops if it is not. */
void thrum_scheduler_here(const struct scheduler *scheduler);

/* The calling thread's worker; NULL: it is none. Ask again after every suspension. */
struct worker *thrum_worker_self(void);

/* The same for who runs on one. */
static inline struct worker *worker_here(void)
{
    return (struct worker *)(void *)thrum_lane_self();
}

/* Does a task call? */
static inline bool task_calls(void)
{
    return thrum_lane_self()->fiber != NULL;
}

/* What thrum_self says, for who runs on one. */
static inline uint64_t task_here(void)
{
    return word_of(thrum_lane_self()->current);
}

/* The calling task's fiber. */
struct fiber *thrum_fiber_self(void);

/* Any thread. The fiber can run. */
void thrum_ready(struct fiber *fiber);

/*
 * Any thread. Something has changed that fibers must look at before they start
 * anything inline: those that are resumed from now on find their lane's
 * stack_limit poisoned, those that run are called to their slow path. Returns
 * the new alert. A full fence.
 */
uint64_t thrum_alert(struct scheduler *scheduler);

/*
 * The calling fiber: it has looked, and need not until there is an alert after
 * `alert`; 0: it must look each time.
 */
void thrum_heard(uint64_t alert);

/* Any thread, after it published work and passed a light fence. */
void thrum_notify(struct scheduler *scheduler);

/*
 * The calling fiber leaves. When its registers are saved, commit(arg, fiber)
 * runs on the worker's loop and makes it known to who will call thrum_ready.
 */
void thrum_suspend(void (*commit)(void *arg, struct fiber *left), void *arg);

/* As thrum_suspend; the worker starts `task` next, on a fiber of its own. */
void thrum_suspend_for(void *task, void (*commit)(void *arg, struct fiber *left), void *arg);

/* Owner. A random number. */
static inline uint64_t worker_random(struct worker *worker)
{
    uint64_t x = worker->random; /* xorshift64 (Marsaglia 2003) */

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return worker->random = x;
}

/*
 * The process stops if no task runs here: what thrum_task_on_end was given is called on a task's
 * stack, and must not suspend it, nor hear its cancels.
 */
static inline void check_task_runs(void)
{
    if (UNLIKELY(!thrum_lane_self()->current))
        thrum_panic("a function that thrum_task_on_end was given has tried to wait or to "
                    "spawn; it runs in no task, and may only call what any thread may call");
}

/* The calling fiber goes behind all that is ready and all unstarted tasks here. */
void thrum_give_way(void);

/*
 * The calling fiber goes behind all that is ready and a few of the unstarted
 * tasks here: it is about to run most of them itself, for less.
 */
void thrum_give_way_briefly(void);

/*
 * The calling task passed a ready object without waiting: one unit of its
 * budget. It gives way when the budget is used up, so that nobody starves.
 */
void thrum_spend(void);

/*
 * The calling task has woken a thread that is none of ours, and will wait for it: if its worker
 * has nothing else to do it sleeps at once, for that thread may want its CPU.
 */
void thrum_worker_hasten(void);

/* Slow paths of push and pop: attention was asked for. */
int thrum_worker_pushed(void);
/*
 * For the join of `joined`, which only a simulated world asks for. *overdue: the inline joins have
 * had their time; give way before the next.
 */
void *thrum_worker_pop(const void *joined, bool *overdue);

#endif
