/*
 * text.h - a history as text: "1@3>2 2.1@7:1>1", a word for each delta. The second says: when 2.1
 * is asked for at its seventh point for the second time.
 */
#ifndef THRUM_EXPLORE_TEXT_H
#define THRUM_EXPLORE_TEXT_H

#include "runtime/world/oracle.h"

#define DELTAS_MAX 4096 /* that a text may have; more is nobody's shrunk history */

/* Read a text. *deltas is the caller's, to be put back. Their number; -EINVAL, -ENOMEM. */
int thrum_deltas_read(const char *text, struct delta **deltas);

/*
 * Write them, `paths` being those of each delta's two players, one after the other. False: there
 * was not enough room; what there is ends before the word that did not fit.
 */
struct delta_paths {
    char at[64];
    char chosen[64];
};

bool thrum_deltas_write(const struct delta *deltas, const struct delta_paths *paths, size_t count,
                        char *text, size_t size);

#endif
