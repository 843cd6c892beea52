/*
 * cancel.h - cancelling: marking a scope, and waking who sleeps below it.
 */
#ifndef THRUM_TASK_CANCEL_H
#define THRUM_TASK_CANCEL_H

#include "runtime/task/scope.h"
#include "runtime/task/strand.h"

/* Where in the tree of fibers a cancel begins. */
struct cancel_target {
    struct strand *strand; /* on which the scope is, */
    uint64_t life;         /* in this life, */
    uint32_t depth;        /* that deep; 0: the whole fiber */
    /* The scope is open while *word is value; NULL: the caller sees to that. */
    const uint64_t *word;
    uint64_t value;
};

/* Count one more cancel of the scope, and give it a reason if it has none. */
void thrum_cancel_mark(struct thrum_scope *scope, int code, const char *text, const char *file,
                       int line);

/* A reason, unless there is one or no memory: that of the first stays. */
void thrum_cancel_keep_reason(struct thrum_scope *scope, const thrum_reason *given);

/* The reason alone, before a mark that the caller makes. */
void thrum_cancel_explain(struct thrum_scope *scope, int code, const char *text, const char *file,
                          int line);

/* Wake all that sleep below, after the mark. */
void thrum_cancel_spread(const struct cancel_target *target);

/* Mark and spread; the scope stays open meanwhile. */
void thrum_cancel_scope(struct thrum_scope *scope, int code, const char *text, const char *file,
                        int line);

/* The scope is closed, and nobody below it is left. */
void thrum_reason_free(struct thrum_scope *scope);

#endif
