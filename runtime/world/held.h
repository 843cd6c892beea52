/*
 * held.h - what tasks of a simulated world have locked, and not unlocked so far: mutexes, and
 * locks for writing. (Of locks for reading and permits holdings.c knows.)
 *
 * When a history has ended its tasks have, so that nobody can unlock what is still here.
 */
#ifndef THRUM_WORLD_HELD_H
#define THRUM_WORLD_HELD_H

#include <stddef.h>

struct player;
struct sim;

struct held_lock {
    const void *object;
    const char *what;  /* "mutex" */
    const void *where; /* a call that has locked it returns to, or NULL */
    struct player *player;
};

/* Zero-filled: none. */
struct held_locks {
    struct held_lock *locks;
    size_t count, capacity;
};

void thrum_held_fini(struct held_locks *held);

/* The player has it. */
void thrum_held_add(struct sim *sim, struct player *player, struct held_lock lock);

/* It is unlocked. */
void thrum_held_drop(struct sim *sim, const void *object);

/* A history begins. */
void thrum_held_clear(struct sim *sim);

#endif
