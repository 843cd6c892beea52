/*
 * record.h - what a task keeps about itself once something has happened to it:
 * made on first use, so that a task to which nothing happens costs nothing.
 *
 * A record is a scope, and stands in the chain outside of all others that its
 * task has opened, so that it is found by walking the chain.
 */
#ifndef THRUM_TASK_RECORD_H
#define THRUM_TASK_RECORD_H

#include <thrum/error.h>
#include <thrum/scope.h>

#include "runtime/work/pool.h"

struct record {
    struct thrum_scope scope; /* first; `seen` is the task's, outside of its shields */
    struct pool_item item;    /* of those that a strand has no room for */
    struct thrum_error *detail; /* what the task has to say of its failure, or NULL */
    unsigned tokens;            /* of locals that it has swapped and not reset */
    uint32_t generators;        /* that it has opened and not closed */
    bool delivered;             /* a cancel was delivered to it */
    bool pooled;
    bool absorbs;               /* detect.c: what it makes of cancels is its own affair */
    bool outside;               /* likewise: it was told of one from outside of all its scopes, */
    unsigned waits;             /* and so often it has begun to wait since */
    unsigned returns;           /* likewise: so many calls in a row have told it of a cancel */
    struct held *held;          /* likewise: locks that it has, */
    unsigned branches;          /* and those that it has forked and not joined */
    thrum_reason reason; /* valid if delivered: why */
};

/* The running task's, or NULL. */
struct record *thrum_record_find(void);

/* The same, made if need be; NULL: out of memory. */
struct record *thrum_record_get(void);

/* What a task leaves behind for whoever records how it ended. */
struct remains {
    bool delivered;
    struct thrum_error *detail; /* or NULL */
};

/*
 * The task that calls it, whose start scope is given, is about to end with this status: its
 * record goes. The process stops if it has left a scope open.
 */
struct remains thrum_record_close(struct thrum_scope *start, int status);

#endif
