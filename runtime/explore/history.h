/*
 * history.h - a failing history as a file, for people and for //tools/replay:
 *
 *     thrum-history 1
 *     program two counters
 *     status -1001
 *     strategy default
 *     seed 0
 *     run 3
 *     hash 9f1c52aa01e4b3d7
 *     deltas 2
 *     1@3>2
 *     2@1>1
 *     end
 *
 * The first line says what it is, and in which version. Then come facts in any order, each at most
 * once; whoever reads needs only the deltas. Lines that begin with '#' and empty ones are remarks.
 * The deltas (text.h) stand one in a line, and "end" says that nothing is missing.
 *
 * Nothing that is read is trusted.
 */
#ifndef THRUM_EXPLORE_HISTORY_H
#define THRUM_EXPLORE_HISTORY_H

#include <stdbool.h>
#include <stdio.h>

#include "runtime/explore/text.h"

#define HISTORY_VERSION 1
#define HISTORY_BYTES ((size_t)1 << 20) /* that a file may have */

struct history {
    char program[64];  /* "": not said */
    char strategy[16]; /* likewise */
    int status;        /* how it failed; 0: not said */
    uint64_t seed;
    uint64_t run;
    uint64_t hash; /* of the run that these deltas make; 0: not said */
    struct delta *deltas;
    struct places *places; /* of each */
    size_t count;
};

/* Why it could not be read. */
struct history_error {
    size_t line; /* from 1 */
    const char *reason;
};

/* What the bytes say. 0; -EINVAL: *error says why; -ENOMEM. */
int thrum_history_read(const char *bytes, size_t length, struct history *history,
                       struct history_error *error);

/* The same of a text. 0, or a negative code, after a line on standard error has said why. */
int thrum_history_text(const char *text, struct history *history);

/* The same of a file, if there is a '/' in its name; else of a text. */
int thrum_history_get(const char *wanted, struct history *history);

void thrum_history_fini(struct history *history);

/* False: there are players without names, or the file could not be written. */
bool thrum_history_write(const struct history *history, const struct delta_paths *paths,
                         FILE *file);

#endif
