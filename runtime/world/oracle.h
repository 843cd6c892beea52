/*
 * oracle.h - who is asked whose turn it is, and what is remembered of it.
 *
 * An oracle has a strategy, which sees all that happens and chooses. What it
 * chose differently from the default is a *delta*: at this player's n-th point,
 * when it would have gone on, that one did. The deltas are the history: whoever
 * replays them gets it again, and they mean something even after the program
 * has changed elsewhere.
 */
#ifndef THRUM_WORLD_ORACLE_H
#define THRUM_WORLD_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct faults;
struct player;
struct sim;
struct tempo;
struct tempo_question;

/* What a strategy keeps of a player. */
struct stake {
    uint64_t priority;
    uint64_t weight;   /* surw.c: how many events are expected of it and its children to come */
    uint64_t likeness; /* surw.c: equal for those that do the like */
    uint32_t entry;    /* surw.c: in the profile, or ~0 */
    uint32_t drawn;    /* pos.c: for which point the priority was drawn */
    bool may;          /* surw.c: go on, in this choice */
};

/* Those that may go on, in the default order: sim.h has choice_at. */
struct choice {
    struct player *runs; /* the first of them, if it runs already; else NULL */
    size_t count;        /* at least 2 */
};

struct strategy {
    void (*begin)(void *self, struct sim *sim);
    /* A player has come to be. */
    void (*born)(void *self, struct sim *sim, struct player *player);
    /* It has ended. */
    void (*died)(void *self, struct sim *sim, struct player *player);
    /* Index of who goes on. */
    size_t (*choose)(void *self, struct sim *sim, const struct choice *choice);
    /* A number below n, which is at least 2, for the running player. NULL: any. */
    size_t (*draw)(void *self, struct sim *sim, size_t n);
    /* The root is to be cancelled before this turn. NULL: at the turn number cancel_at. */
    bool (*cancels)(void *self, struct sim *sim, const struct player *player);
    /* The running player is dealt a fault of that kind: what, or 0. NULL: as `faults` say. */
    uint32_t (*fault)(void *self, struct sim *sim, const struct player *player, uint32_t kind);
    /* Which comes first? NULL: as `tempo` says. */
    size_t (*tempo)(void *self, struct sim *sim, const struct tempo_question *question);
    /* The player has its turn and does what it was about to. NULL: nothing to do. */
    void (*turn)(void *self, struct sim *sim, struct player *player);
    /* The history has ended. */
    void (*end)(void *self, struct sim *sim);
};

enum delta_kind {
    DELTA_GOES,      /* another went on */
    DELTA_DRAWN,     /* a number was drawn */
    DELTA_CANCELLED, /* the root was cancelled */
    DELTA_FAULT,     /* a fault was dealt */
    DELTA_EARLY,     /* a timer was faster than a task, or a task than one that was due */
    DELTA_TIE        /* of several timers another was the first */
};

struct delta {
    uint64_t at;     /* id of who would have gone on, */
    uint64_t chosen; /* and of who did; or a number that was drawn there, or what was dealt, */
    uint32_t op;     /* at how many points the first had been, */
    uint32_t before; /* and how often it had been asked for there before */
    uint32_t kind;   /* enum delta_kind */
};

struct oracle {
    const struct strategy *strategy;
    void *self;
    uint64_t seed;         /* of this history */
    uint64_t drawn;        /* random numbers so far */
    uint64_t decisions;    /* with more than one answer */
    uint64_t cancel_at;    /* the number of a turn, from 1; 0: none */
    bool may_cancel;       /* ask for each turn */
    bool may_fault;        /* ask for each request */
    bool may_hurry;        /* timers expire one by one, and may be faster than tasks */
    struct tempo *tempo;   /* how, in this history; NULL: only as replayed */
    struct faults *faults; /* of this history; NULL: none but those that are replayed */
    struct delta *deltas;
    size_t deltas_count;
    size_t deltas_capacity;
    bool forgets;  /* nobody wants the deltas */
    bool lent;     /* the memory for them is somebody else's, and cannot grow */
    bool overflow; /* there was no memory for more deltas */
};

void thrum_oracle_fini(struct oracle *oracle);

/* Who goes on. */
size_t thrum_oracle_choose(struct oracle *oracle, struct sim *sim, const struct choice *choice);

/* A number below n for the running player. */
size_t thrum_oracle_draw(struct oracle *oracle, struct sim *sim, size_t n);

/* Is the root to be cancelled before the player's turn? */
bool thrum_oracle_cancels(struct oracle *oracle, struct sim *sim, struct player *player);

/* What the player is dealt at that place; 0: nothing. */
uint32_t thrum_oracle_fault(struct oracle *oracle, struct sim *sim, struct player *player,
                            uint32_t kind, uint64_t place);

/* Which comes first. */
size_t thrum_oracle_tempo(struct oracle *oracle, struct sim *sim,
                          const struct tempo_question *question);

/* Mix: every bit of the result depends on every bit of the word (splitmix64's finaliser). */
static inline uint64_t sim_mix(uint64_t word)
{
    word ^= word >> 30;
    word *= UINT64_C(0xbf58476d1ce4e5b9);
    word ^= word >> 27;
    word *= UINT64_C(0x94d049bb133111eb);
    return word ^ word >> 31;
}

/* The next random number of this history. */
static inline uint64_t oracle_random(struct oracle *oracle)
{
    return sim_mix(oracle->seed + ++oracle->drawn * UINT64_C(0x9e3779b97f4a7c15));
}

/* Less than n, which is far below 2^32; without a division (Lemire 2019). */
static inline size_t oracle_below(struct oracle *oracle, size_t n)
{
    if (n == 1) { /* whatever the number: it counts */
        oracle->drawn++;
        return 0;
    }
    return (size_t)((oracle_random(oracle) >> 32) * n >> 32);
}

#endif
