/*
 * text.h - a history as text: "1@3>2 2.1@7:1>1", a word for each delta. The second says: when 2.1
 * is asked for at its seventh point for the second time.
 */
#ifndef THRUM_EXPLORE_TEXT_H
#define THRUM_EXPLORE_TEXT_H

#include "runtime/world/oracle.h"

#define DELTAS_MAX 4096 /* that a text may have; more is nobody's shrunk history */
#define DELTA_BYTES 192 /* that one has at most, as a word */

/* Who a player is: a root, and of it or its child which child, and so on. */
#define PATH_DEPTH 16 /* of which the numbers are kept */

struct path {
    uint64_t id;
    uint32_t depth;               /* how many numbers there are: 1 for a root */
    uint32_t numbers[PATH_DEPTH]; /* the first of them */
};

/* One step further: to a root, if the path is zero-filled, or a child. */
void thrum_path_step(struct path *path, uint32_t number);

/* Of a delta: who would have gone first, and who did. */
struct places {
    struct path at, chosen;
};

/*
 * Read one, and move *at behind it; to where it went wrong if it did: NULL is returned, or what was
 * expected there.
 */
const char *thrum_delta_read(const char **at, struct delta *delta, struct places *places);

/*
 * Read a text. *deltas and *places are the caller's, to be put back. Their number; -EINVAL, -ENOMEM.
 */
int thrum_deltas_read(const char *text, struct delta **deltas, struct places **places);

/*
 * Write them, `paths` being those of each delta's two players, one after the other. False: there
 * was not enough room; what there is ends before the word that did not fit.
 */
struct delta_paths {
    char at[64];
    char chosen[64];
};

/* One of them. Its length, as snprintf's. */
size_t thrum_delta_write(const struct delta *delta, const struct delta_paths *paths, char *text,
                         size_t size);

bool thrum_deltas_write(const struct delta *deltas, const struct delta_paths *paths, size_t count,
                        char *text, size_t size);

#endif
