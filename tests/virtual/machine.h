/*
 * machine.h - threads that are fibers of one thread, and take turns where a seed says so.
 *
 * The runtime's own sources run on it unchanged, but for the files of runtime/plat that speak with
 * the kernel: plat.c has their like. At each atomic verb stands a point, at which the machine may
 * let another thread go on. Time is what the clock says: a little more at each look, and when all
 * sleep as much as the first of them has to wait.
 */
#ifndef THRUM_TESTS_VIRTUAL_MACHINE_H
#define THRUM_TESTS_VIRTUAL_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MACHINE_TEXT_OF(line) #line
#define MACHINE_TEXT(line) MACHINE_TEXT_OF(line)
#define MACHINE_SITE (__FILE__ ":" MACHINE_TEXT(__LINE__))
#define MACHINE_NEVER INT64_MAX

/* How often a schedule may go on before it is asked again: the fast half of a point. */
extern int64_t machine_credit;
void machine_preempt(const char *site);

#ifdef MACHINE_STILL /* for runtime/plat, whose state outlives schedules: no points */
#define machine_point(site) ((void)(site))
#else
static inline void machine_point(const char *site)
{
    if (--machine_credit <= 0)
        machine_preempt(site);
}
#endif

/* The calling thread waits in a loop for another one. */
void machine_pause(const char *site);

/* ---- for the test --------------------------------------------------------------------------- */

/* A schedule begins, on the calling thread, which is thread 0. `name` says what it does. */
void machine_begin(uint64_t seed, const char *name, bool trace);
/* All threads but the first have been joined. Returns a hash of all that was chosen. */
uint64_t machine_end(void);

/* Is called when every thread sleeps, before time passes; no points there. NULL: nobody. */
extern void (*machine_all_sleep)(void);

/* A random number below n, of this schedule. */
uint64_t machine_below(uint64_t n);

/* Points passed in this schedule, and in how many of them another thread went on. */
uint64_t machine_points(void);
uint64_t machine_switches(void);

/* Something is wrong: say it with the seed, show who does what, and end the process. */
__attribute__((noreturn, format(printf, 1, 2))) void machine_fail(const char *format, ...);

/* ---- for plat.c ----------------------------------------------------------------------------- */

/* A little time has passed. */
int64_t machine_now(const char *site);

/* 0: woken, perhaps for no reason; false: it is later than `timeout_ns` from now; < 0: for ever. */
bool machine_sleep(const void *on, const char *what, int64_t timeout_ns);
/* Wake at most n of those asleep on it. */
void machine_wake(const void *on, int n);

/* Returns the thread's number. */
unsigned machine_thread(void *(*fn)(void *), void *arg, const char *name);
void machine_join(unsigned thread);

#endif
