/*
 * sim.h - the simulated world: one thread, virtual time, and an oracle that is
 * asked whose turn it is.
 *
 * A *player* is whoever can have a turn: a task that has a fiber of its own, or
 * has not started yet. At each point (detail/point.h), and whenever a task
 * sleeps or ends, all that may go on stand in one order: who runs now, then the
 * others by arrival. The first of them goes on by default: a task runs until it
 * must wait, and then the one that has waited longest. The oracle may choose
 * another. Nothing else is left to chance, so that its choices are the whole
 * history.
 *
 * What happens without a task is a player too (happen.h).
 *
 * Players are known by their path: of the root's third child the first one is
 * 3.1, whatever happened elsewhere.
 */
#ifndef THRUM_WORLD_SIM_H
#define THRUM_WORLD_SIM_H

#include <thrum/detail/point.h>

#include "runtime/sched/worker.h"
#include "runtime/world/coverage.h"
#include "runtime/world/descriptors.h"
#include "runtime/world/held.h"
#include "runtime/world/net.h"
#include "runtime/world/oracle.h"
#include "runtime/world/timers.h"
#include "runtime/world/twin.h"

struct player {
    struct player *parent;
    struct player *next; /* of those that are free */
    uint64_t id;         /* of its path */
    void *task;          /* unstarted, or NULL */
    const void *here;    /* runs inside a join of its parent, on its fiber: the task; or NULL */
    struct player *newest; /* of its children that have not started */
    struct player *older;  /* of its parent's, while it has not started itself: the one before, */
    struct player *newer;  /* and after it */
    struct fiber *fiber; /* or NULL */
    uint32_t number;     /* the parent's how-manieth child; with HAPPENING_NUMBER: happening */
    uint32_t children;   /* so far */
    uint32_t happenings; /* that it has caused so far */
    uint32_t references; /* by its children, and by itself until it has ended */
    uint32_t op;         /* how many points it has come to */
    uint32_t asked;      /* how often it has stood first at this one, when the oracle was asked */
    uint32_t turns;      /* how many it has had at this one, if cancels are explored */
    uint32_t faced;      /* how many requests it has made at this one, if faults are explored */
    uint32_t hurried;    /* how often it was asked whether time is faster, likewise */
    uint32_t what;       /* what it is about to do: enum thrum_point_kind or SIM_HAPPENS, */
    uint32_t object_id;  /* with which object: by order of the first touch, 0: none */
    const void *object;
    uint32_t depth;     /* how many joins it runs inside of, one in the other, on its fiber */
    uint32_t came;      /* how often it has come back after it had left by itself */
    bool yielded; /* it has let others go first, and none has since gone */
    bool ended;
    int64_t since;      /* it may go on, or has its turn */
    struct happening *happening; /* it is no task, but this; or NULL */
    struct stake stake;          /* the strategy's */
};

/* What a happening does at its turn: another enum thrum_point_kind. */
enum { SIM_HAPPENS = THRUM_POINT_HERE + 1 };

struct sim_object {
    const void *address;
    uint32_t id;
    uint32_t age; /* of which history */
};

/* holdings.c */
struct holding {
    const void *object;
    const char *what; /* "semaphore" */
    uint64_t player;  /* its id */
    uint32_t n;
    char path[44];
};

/* As explore/perturb.c has it; zero-filled: as ever. */
struct unlike {
    bool dirty;         /* the stack that a task finds is filled with this byte */
    unsigned char byte;
    unsigned lower;     /* frames by which a task begins further down on it */
    unsigned turned;    /* fibers by which their row is turned */
};

struct sim {
    struct world world;      /* first */
    struct task_verbs verbs; /* as the scheduler sees them */
    const struct task_verbs *inner;
    struct worker *worker;
    struct oracle *oracle;  /* of this history; may change between two */
    struct player *running; /* whose turn it is */
    struct player *next;    /* chosen at a point, while the other leaves */
    struct player *free;
    struct player_chunk *chunks;
    struct player **waiting; /* may go on, by arrival: `count` from `first`; `capacity` long */
    size_t first;
    size_t count;
    size_t capacity;
    struct choice choice;      /* what the oracle was asked last */
    struct coverage *coverage; /* is told of all turns; or NULL */
    struct twin *twin;         /* likewise, and of births and draws */
    struct unlike unlike;      /* what this history must not depend on */
    struct held_locks held;
    size_t alive; /* tasks that were started in this history and have not ended */
    struct sim_timers timers;
    bool drains; /* time has passed to a timer, and others are due with it: tempo.c */
    int64_t now;
    int64_t outside_ns; /* really passed since then, while somebody outside was waited for */
    struct happening *later; /* what is to happen when its time has come, the first one first */
    struct descriptors descriptors;
    struct net net;
    uint64_t steps;     /* turns so far, in this history */
    uint64_t steps_max; /* when exceeded(arg) is called, */
    void (*exceeded)(void *arg);
    void (*cancel)(void *arg); /* the root */
    void *arg;                 /* for both */
    bool fair;                 /* and from then on everybody has a turn in turn */
    unsigned streak;           /* turns of the running player without anybody else's */
    size_t vain;               /* turns in a row in which nothing was done but look and yield */
    unsigned vain_rounds;      /* of all, likewise */
    uint64_t hash;             /* of all turns in this history */
    struct sim_object *objects;
    size_t objects_mask;
    uint32_t objects_known; /* in this history */
    uint32_t age;           /* counts histories */
    uint32_t roots;         /* started in this history */
    struct holding *holdings; /* in this history */
    size_t holdings_count, holdings_capacity;
    bool out_of_memory;
    bool refused; /* the world has refused something in this history */
    bool counted; /* in thrum_simulated */
    bool looks;   /* somebody wants to know what was left locked */
};

/* NULL: out of memory. */
struct sim *thrum_sim_new(const struct task_verbs *verbs, struct oracle *oracle);
void thrum_sim_free(struct sim *sim);

/* Nothing runs. A new history begins: time, paths and everything else start over. */
void thrum_sim_restart(struct sim *sim, struct oracle *oracle);

/* For happen.c. A player for what the running one causes; NULL: out of memory. */
struct player *thrum_sim_cause(struct sim *sim, struct happening *happening);
/* It stands behind all others that may go on; it does no more; it has ended. */
void thrum_sim_arrive(struct sim *sim, struct player *player);
void thrum_sim_depart(struct sim *sim, const struct player *player);
void thrum_sim_end(struct sim *sim, struct player *player);

/* holdings.c: the player has n more of it; n < 0: less. */
void thrum_sim_has(struct sim *sim, const struct player *player, const void *object,
                   const char *what, int n);
/* One reference less. */
void thrum_sim_unref(struct sim *sim, struct player *player);

static inline struct sim *sim_of(struct world *world)
{
    return (struct sim *)(void *)world;
}

/* Of those that may go on, who runs not counted, the index-th by arrival. */
static inline struct player *sim_waiting(const struct sim *sim, size_t index)
{
    return sim->waiting[sim->first + index];
}

static inline struct player *choice_at(const struct sim *sim, const struct choice *choice,
                                       size_t index)
{
    if (!choice->runs)
        return sim_waiting(sim, index);
    return index == 0 ? choice->runs : sim_waiting(sim, index - 1);
}

/* The id of a player whose parent has that id; NULL: of a root. */
uint64_t thrum_player_id(const uint64_t *parent, uint32_t number);

/* Its path, "0" for the root ("r1" for a second one), as far as there is room. Returns its length. */
size_t thrum_player_path(const struct player *player, char *text, size_t size);

#endif
