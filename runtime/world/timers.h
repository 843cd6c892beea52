/*
 * timers.h - the deadlines of a simulated world, in one order: by time, and by who armed first.
 *
 * Calling off leaves an entry where it is, as in the real world; whoever comes to it asks
 * whether it is still wanted.
 */
#ifndef THRUM_WORLD_TIMERS_H
#define THRUM_WORLD_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct player;
struct timer;
struct task_verbs;

struct sim_timer {
    int64_t when;
    uint64_t serial; /* of all that were armed */
    struct timer *timer;
    uint64_t key;
    struct player *armer; /* as long as it is wanted */
};

/* Zero-filled: empty. */
struct sim_timers {
    struct sim_timer *heap;
    size_t count, capacity;
    uint64_t serial;
    const struct task_verbs *verbs; /* they say what is wanted */
};

void thrum_sim_timers_fini(struct sim_timers *timers);

/* 0 or -ENOMEM. */
int thrum_sim_timers_add(struct sim_timers *timers, int64_t when, struct timer *timer, uint64_t key,
                         struct player *armer);

/* The first that is still wanted; NULL: none is. */
struct sim_timer *thrum_sim_timers_first(struct sim_timers *timers);

/*
 * The first n that are wanted and not later than `limit`, in order: the places in the heap, until it
 * changes. How many there are.
 */
#define SIM_TIMERS_MOST 16
size_t thrum_sim_timers_list(const struct sim_timers *timers, int64_t limit, size_t n,
                             size_t places[SIM_TIMERS_MOST]);

/* Take it out. */
struct sim_timer thrum_sim_timers_take(struct sim_timers *timers, size_t place);

#endif
