/* stay.h - what a task holds that belongs to its thread: it must not leave with it. */
#ifndef THRUM_SCHED_STAY_H
#define THRUM_SCHED_STAY_H

#include <stdbool.h>

/* The process stops: the task `does` what it must not do, and has some. */
__attribute__((noreturn, cold)) void thrum_stay_panic(const char *does);

/* Has the calling thread any, whoever has taken them? */
bool thrum_stays_any(void);

#endif
