/*
 * tempo.h - which is faster, a task or its time?
 *
 * By default nothing happens as long as somebody may go on, and then all that is due
 * expires, in the order of times, and of arming. In a real program a task may be held up, and
 * whatever comes due meanwhile expires first, or of two timers the later one. If that is to be explored,
 * timers expire one by one, and before each turn the oracle is asked.
 *
 * Time goes on to the timer that was chosen: nobody ever wakes before his time.
 */
#ifndef THRUM_WORLD_TEMPO_H
#define THRUM_WORLD_TEMPO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct player;
struct sim;

/* Zero-filled at first, but for the slack. */
struct tempo {
    int64_t slack;  /* for so long a task that may go on may be held up, in ns */
    uint64_t seed;  /* of this history */
    uint64_t drawn; /* random numbers so far */
    unsigned power; /* one turn in 2 to this power is held up; 0: none, and all is in order */
};

/* What is asked: which of `count` comes first, the default being the first of them. */
struct tempo_question {
    uint64_t at; /* who would have his turn, or has armed the timer that would be first, */
    uint32_t op;
    uint32_t before;
    uint32_t kind; /* DELTA_EARLY, DELTA_TIE */
    size_t count;
    bool due; /* there are timers that should have expired */
};

/* A history begins. */
void thrum_tempo_begin(struct tempo *tempo, uint64_t seed);

/* An answer by chance. */
size_t thrum_tempo_draw(struct tempo *tempo, const struct tempo_question *question);

/* All that is due expires. */
void thrum_tempo_expire(struct sim *sim);

/* Nobody may go on. False: nothing is to be waited for. */
bool thrum_tempo_pass(struct sim *sim);

/* The player would be asked first whether he goes on. Perhaps some timers are faster. */
void thrum_tempo_hurry(struct sim *sim, struct player *player);

#endif
