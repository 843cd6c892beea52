/* programs.h - what virtual workers are given to do. */
#ifndef THRUM_TESTS_VIRTUAL_PROGRAMS_H
#define THRUM_TESTS_VIRTUAL_PROGRAMS_H

struct program {
    const char *name;
    int (*root)(void *arg); /* a root task; returns 0, or fails by machine_fail */
};

extern const struct program programs[];
extern const unsigned programs_count;

#endif
