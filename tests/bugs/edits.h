/*
 * edits.h - changes of a program that have nothing to do with its bug, as somebody makes them
 * between the day on which a history was kept and the day on which it is run again.
 */
#ifndef TESTS_BUGS_EDITS_H
#define TESTS_BUGS_EDITS_H

#include <thrum/thrum.h>

enum edit {
    EDIT_LOG = 1,           /* each task begins with a line in a log */
    EDIT_LOG_WRITES = 2,    /* there is a line in the log before each write */
    EDIT_LOCK = 4,          /* the first task locks and unlocks something else first */
    EDIT_DECLARATIONS = 8,  /* the root sets up other variables first, in another order */
    EDIT_OTHER_GROUP = 16,  /* it opens another group before, with a task, and closes it */
    EDIT_FRONT = 32,        /* the group has another task in front */
    EDIT_SLEEPER = 64,      /* and one behind that yields and sleeps */
    EDIT_OUTER_GROUP = 128, /* all of it runs in a task of an outer group */
    EDIT_TIMEOUT = 256,     /* within a time-out */
    EDITS = 9
};

/* Those that are made: set between runs. */
extern unsigned bugs_edits;

/* As together in kit.h. */
int edited_together(const thrum_fn *fns, size_t n, void *arg);

/* A root: the function, with what goes around it. */
struct edited {
    thrum_fn fn;
    void *arg;
};
int edited_root(void *edited);

void edited_write(void);

#endif
