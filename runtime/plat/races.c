/* races.c - tasks as threads of ThreadSanitizer, and what it reports of them. */
#include "runtime/plat/races.h"

#ifdef SANITIZER_THREAD

#include <stdio.h>
#include <stdlib.h>

#define IDENTITIES_MAX 4000 /* the tool knows some 8000 threads */
#define CROWD 64            /* beyond that tasks share identities, each of so many */
#define DEAD 128            /* kept, so that it can still say what they did */
#define KNOWN 64            /* places of races, of one history */

/* Of the thread that drives the world. */
static __thread void *dead[DEAD];
static __thread unsigned dead_next;
static __thread unsigned alive;
static __thread void *crowd[CROWD];
static __thread unsigned crowd_next;

SANITIZER_UNSEEN static void bury(void *fiber)
{
    if (dead[dead_next])
        __tsan_destroy_fiber(dead[dead_next]);
    dead[dead_next] = fiber;
    dead_next = (dead_next + 1) % DEAD;
}

SANITIZER_UNSEEN static void *identity(void)
{
    void **shared = &crowd[crowd_next];

    if (alive < IDENTITIES_MAX) {
        alive++;
        return __tsan_create_fiber(0);
    }
    if (!*shared)
        *shared = __tsan_create_fiber(0);
    crowd_next = (crowd_next + 1) % CROWD;
    return *shared;
}

SANITIZER_UNSEEN static bool is_shared(const void *fiber)
{
    for (unsigned i = 0; i < CROWD && crowd[i]; i++)
        if (crowd[i] == fiber)
            return true;
    return false;
}

SANITIZER_UNSEEN void thrum_identity_begin(void *low, void *top, const void *spawned)
{
    if (low != top)
        sanitizer_forget(low, (size_t)((char *)top - (char *)low));
    __tsan_switch_to_fiber(identity(), SANITIZER_NO_SYNC);
    sanitizer_acquire(spawned);
}

SANITIZER_UNSEEN void thrum_identities_forget(void)
{
    for (unsigned i = 0; i < DEAD; i++) {
        if (dead[i])
            __tsan_destroy_fiber(dead[i]);
        dead[i] = NULL;
    }
}

void __tsan_set_fiber_name(void *fiber, const char *name);

SANITIZER_UNSEEN void thrum_identity_name(const char *name)
{
    __tsan_set_fiber_name(__tsan_get_current_fiber(), name);
}

SANITIZER_UNSEEN void thrum_identity_end(const struct sanitizer_fiber *loop)
{
    void *self = __tsan_get_current_fiber();

    __tsan_switch_to_fiber(loop->fiber, SANITIZER_NO_SYNC);
    if (is_shared(self))
        return;
    alive -= alive > 0; /* another thread may have begun it */
    bury(self);
}

/* ---- reports -------------------------------------------------------------------------------- */

int __tsan_get_report_mop(void *report, unsigned long index, int *thread, void **address, int *size,
                          int *write, int *atomic, void **trace, unsigned long trace_size);

static bool watched, told;
static uint64_t seen;
static struct race last;
static const void *places[KNOWN];
static unsigned places_count;

bool thrum_races_possible(void)
{
    return true;
}

static bool wanted;

bool thrum_races_wanted(void)
{
    return wanted || getenv("THRUM_RACES");
}

void thrum_races_want(bool want)
{
    wanted = want;
}

/* The tool marks where it has found a race, and would not look there again. */
SANITIZER_UNSEEN void thrum_races_begin(bool tell)
{
    for (unsigned i = 0; i < places_count; i++)
        sanitizer_forget(places[i], 8);
    places_count = 0;
    seen = 0;
    watched = true;
    told = tell;
}

SANITIZER_UNSEEN uint64_t thrum_races_end(void)
{
    watched = false;
    return seen;
}

struct race thrum_races_last(void)
{
    return last;
}

SANITIZER_UNSEEN static bool access_of(void *report, unsigned long index)
{
    int thread, size, write, atomic;
    void *trace[2] = {NULL, NULL}, *address = NULL;

    if (!__tsan_get_report_mop(report, index, &thread, &address, &size, &write, &atomic, trace,
                               2) ||
        !address)
        return false;
    last.pcs[index] = trace[0];
    last.address = address;
    if (places_count < KNOWN)
        places[places_count++] = address;
    return true;
}

/*
 * What the tool asks before it prints a report (tsan_rtl_report.cpp: OnReport, made to be
 * replaced).
 * True: it is not printed, and counts for nothing there.
 */
bool thrum_races_on_report(void *report,
                           bool suppressed) __asm__("_ZN6__tsan8OnReportEPKNS_10ReportDescEb");

SANITIZER_UNSEEN bool thrum_races_on_report(void *report, bool suppressed)
{
    const char *seed = getenv("THRUM_SIM");

    if (suppressed)
        return true;
    if (!access_of(report, 0) || !access_of(report, 1))
        return false; /* no race */
    seen++;
    if (watched)
        return !told;
    if (seed)
        fprintf(stderr, "thrum: in the simulated world; the same again: THRUM_SIM=%s\n", seed);
    return false;
}

/* Equal races are reported each time: another history is another find. */
const char *__tsan_default_options(void);

SANITIZER_UNSEEN const char *__tsan_default_options(void)
{
    return "suppress_equal_stacks=0:suppress_equal_addresses=0";
}

#else

bool thrum_races_possible(void)
{
    return false;
}

bool thrum_races_wanted(void)
{
    return false;
}

void thrum_races_want(bool want)
{
    (void)want;
}

void thrum_races_begin(bool told)
{
    (void)told;
}

uint64_t thrum_races_end(void)
{
    return 0;
}

struct race thrum_races_last(void)
{
    return (struct race){{0}, 0};
}

#endif
