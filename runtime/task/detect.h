/* detect.h - mistakes of tasks, looked for on runtimes that ask for it (include/thrum/detect.h). */
#ifndef THRUM_TASK_DETECT_H
#define THRUM_TASK_DETECT_H

#include "runtime/atomic/verbs.h"
#include "runtime/base/base.h"

struct record;
struct thrum_runtime;

/* Atomic: how many such runtimes there are. */
extern uint32_t thrum_detecting;

/* Is there one at all? What follows is called then, and finds out whether it is the caller's. */
static inline bool detecting(void)
{
#ifdef THRUM_MODEL /* there is none */
    return false;
#endif
    return UNLIKELY(load_relaxed(&thrum_detecting) != 0); /* relaxed: a task of such a runtime
                                                              comes after its making */
}

/* Is the running task's runtime one? */
bool thrum_detects(void);

/* A runtime that was just made: does it ask for it, or the environment? It ends. */
void thrum_detect_begin(struct thrum_runtime *runtime);
void thrum_detect_end(struct thrum_runtime *runtime);

/* One more wants to know, without a runtime of its own, or (-1) does not any more. */
void thrum_detect_count(int n);

/* The running task has locked the object, in a call that returns to `where`; has unlocked it. */
void thrum_detect_held(const void *object, const char *what, const void *where);
void thrum_detect_released(const void *object);

/* It starts; it has forked a branch; it joins one. What goes the quick way is not seen. */
void thrum_detect_started(void);
void thrum_detect_forked(void);
void thrum_detect_joined(void);

/* It was told of a cancel. */
void thrum_detect_delivered(struct record *record);

/* It is about to wait and has looked: it was told of one, or of all that there are long ago. */
void thrum_detect_looked(bool told);

/* It ends with this status; the record is about to go. */
void thrum_detect_ending(struct record *record, int status);

#endif
