/*
 * happen.h - what happens in a simulated world without a task that does it: a
 * descriptor becomes ready, bytes arrive.
 *
 * What may happen stands among those that may go on, as a player of its own; its
 * turn is that it happens. So when it does, and who goes on before it, is a
 * decision like any other, and a text can name it: 1.d2 is the second thing that
 * came of what the first task has done.
 *
 * Announced it has its name; begun it may happen, if a time was given then not
 * before that has passed.
 */
#ifndef THRUM_WORLD_HAPPEN_H
#define THRUM_WORLD_HAPPEN_H

#include <stdbool.h>
#include <stdint.h>

struct player;
struct sim;

enum happening_state { HAPPENING_NONE, HAPPENING_ANNOUNCED, HAPPENING_LATER, HAPPENING_DUE };

/* Zero-filled but for the function: nothing is under way. */
struct happening {
    /* On the loop, with nothing under way any more: it may be announced again. */
    void (*happens)(struct sim *sim, struct happening *happening);
    struct player *player;
    struct happening *next; /* of those that are LATER, by time */
    int64_t when;
    enum happening_state state;
};

/* In the number of a player that is no task. */
#define HAPPENING_NUMBER ((uint32_t)1 << 31)

/* The running player causes it; what was announced before is no more. 0 or -ENOMEM. */
int thrum_happening_announce(struct sim *sim, struct happening *happening);

/* It has been announced. It may happen when so many nanoseconds have passed. */
void thrum_happening_begin(struct sim *sim, struct happening *happening, int64_t delay);

/* It will not happen. Allowed in every state. */
void thrum_happening_call_off(struct sim *sim, struct happening *happening);

/* When the first of those that are LATER is due; INT64_MAX: there are none. */
int64_t thrum_happenings_first(const struct sim *sim);

/* Time has passed: what is due now stands among those that may go on. */
void thrum_happenings_pass(struct sim *sim);

#endif
