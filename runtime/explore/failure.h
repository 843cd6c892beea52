/*
 * failure.h - what is done with a run that has failed, wherever it was made: it is shrunk, run a
 * last time to be told, and written down.
 */
#ifndef THRUM_EXPLORE_FAILURE_H
#define THRUM_EXPLORE_FAILURE_H

#include "runtime/explore/explorer.h"
#include "runtime/explore/history.h"
#include "runtime/explore/report.h"

#define STORY_DELTAS 512 /* that a history may have whose players are named */

/* What a run tells of itself. */
struct story {
    struct delta_paths paths[STORY_DELTAS]; /* of each delta's players */
    struct report report;
    uint64_t hash;
    size_t matched; /* how many of the deltas came to pass */
};

/* How runs are made. */
struct attempts {
    /*
     * A run of some deltas: its status. *recorded, with *recorded_count of them, is what has really
     * happened then. `story`, unless NULL: the last one, to be told.
     */
    int (*attempt)(void *arg, const struct delta *deltas, size_t count, struct story *story,
                   const struct delta **recorded, size_t *recorded_count);
    /*
     * The first of the deltas, and then by chance: of `runs` runs so many have failed like this.
     * NULL: that takes too long.
     */
    unsigned (*failing)(void *arg, const struct delta *deltas, size_t count, int status,
                        unsigned runs);
    void *arg;
};

/*
 * shrink.c: find as few of the deltas as still give this status (Zeller, Hildebrandt: Simplifying
 * and Isolating Failure-Inducing Input, 2002). They are changed in place; their number is returned,
 * and *runs raised by how many it took.
 */
size_t thrum_shrink(const struct attempts *attempts, struct delta *deltas, size_t count, int status,
                    uint64_t *runs);

/*
 * What there is to know of a failure: the result is filled in, and unless options say that nothing
 * is to be printed it is told; THRUM_REPORT and THRUM_ARTIFACTS are served. `story` is the caller's
 * memory, zero-filled. 0 or -ENOMEM.
 */
int thrum_failure_investigate(const struct attempts *attempts, const thrum_explore_options *options,
                              const struct delta *deltas, size_t count, struct story *story,
                              thrum_explore_result *result);

/* Its deltas as text. False: there was not enough room. */
bool thrum_story_text(const struct story *story, const struct delta *deltas, size_t count,
                      char *text, size_t size);

/* THRUM_REPORT: a page, or a text if the name ends in .txt, about what has happened. */
void thrum_failure_page(const struct story *story, const thrum_explore_options *options, int status,
                        const char *replay);

/* A program's name, as a file has it: at most 63 bytes in one line. "": it has none. */
void thrum_program_name(const thrum_explore_options *options, char name[64]);

extern const char *const thrum_strategy_names[];

#endif
