/*
 * kit.h - programs over Thrum's own objects, right in every order. Each has an oracle that a bug
 * seeded into one of the objects (bugs.txt) is to be found by.
 *
 * A program is a crew of tasks; which lane a task is, is its argument. To bring tasks into a known
 * order they sleep: virtual time goes on when all of them wait. What happens at the same time then
 * happens in any order.
 */
#ifndef TESTS_SEEDED_KIT_H
#define TESTS_SEEDED_KIT_H

#include <errno.h>
#include <string.h>
#include <thrum/thrum.h>

#include "tests/seeded/models.h"

/* What an oracle says. Besides: THRUM_EUNORDERED, THRUM_EDEADLOCK, THRUM_ECRASHED, ... */
enum {
    LOST = -1001,     /* an item, a permit, a wake-up */
    TWICE = -1002,    /* the same, handed out more than once */
    TURN = -1003,     /* somebody was served out of turn */
    INSIDE = -1004,   /* more tasks are inside than may be */
    WRONG = -1005,    /* a result that cannot be */
    EARLY = -1006,    /* somebody goes on before he may */
    LEFT_OVER = -1007 /* something is still there when all is over */
};

struct program {
    const char *name;
    thrum_fn fn;
};

/* The families: each ends with a NULL name. And all of them, up to a NULL. */
extern const struct program programs_queue[], programs_lock[], programs_wait[], programs_group[],
    programs_compose[];

#define LANE ((uint32_t)(uintptr_t)arg)

/* Return from the task if the call was refused, by a cancel for instance. */
#define DO(call)              \
    do {                      \
        int refused = (call); \
        if (refused)          \
            return refused;   \
    } while (0)

#define EXPECT(condition, code) \
    do {                        \
        if (!(condition))       \
            return code;        \
    } while (0)

#define AT(ms) DO(thrum_sleep(thrum_ms(ms)))

/* ---- crews ----------------------------------------------------------------------------------- */

#define CREW_MAX 8

struct crew {
    thrum_task *tasks[CREW_MAX];
    bool cancelled[CREW_MAX]; /* by us, or it is about to be; */
    bool told[CREW_MAX];      /* and it was */
};

extern struct crew crew;

/* Run them all; how the first one has failed, or 0. Their handles are known while they run. */
int crew_run(const thrum_fn *fns, size_t n);

#define CREW(...)                             \
    crew_run((const thrum_fn[]){__VA_ARGS__}, \
             sizeof((const thrum_fn[]){__VA_ARGS__}) / sizeof(thrum_fn))

void crew_cancel(uint32_t lane);

/* Close, and say how the first task has failed. */
int all_ended(thrum_group *group);

/* ---- histories ------------------------------------------------------------------------------- */

#define CALLS_MAX 48

struct log {
    thrum_record records[CALLS_MAX];
    thrum_history history;
};

static inline void log_init(struct log *log)
{
    log->history = (thrum_history)THRUM_HISTORY_INIT(log->records, CALLS_MAX);
}

static inline uint32_t log_begin(struct log *log, uint32_t lane, uint32_t what, int64_t given)
{
    return thrum_history_begin(&log->history, lane, what, given);
}

static inline int log_end(struct log *log, uint32_t call, int status, int64_t got)
{
    thrum_history_end(&log->history, call, status, got);
    return status;
}

/* 0 or THRUM_EUNORDERED; then it is drawn, if SEEDED_DRAW is in the environment. */
int log_check(const struct log *log, thrum_model model);

#endif
