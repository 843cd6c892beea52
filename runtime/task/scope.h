/*
 * scope.h - chains of scopes, and whether a cancel is to be delivered.
 */
#ifndef THRUM_TASK_SCOPE_H
#define THRUM_TASK_SCOPE_H

#include <thrum/group.h>
#include <thrum/scope.h>

#include "runtime/atomic/verbs.h"
#include "runtime/base/base.h"

enum scope_flags {
    SCOPE_LEVEL = THRUM_LEVEL, /* its cancels are delivered at every suspension */
    SCOPE_GROUP = 1u << 8,     /* set when it is asked for: see is_group */
    SCOPE_TIMEOUT = 1u << 9,
    SCOPE_SHIELD = 1u << 10,
    SCOPE_RECORD = 1u << 11,
    SCOPE_TASK = 1u << 12,
    SCOPE_PLAIN = 1u << 13,
    SCOPE_ROOT = 1u << 14,
    SCOPE_BASE = 1u << 15, /* `base` is valid; else 0 */
    SCOPE_OPTIONS = 1u << 17, /* a group that was opened with options */
    SCOPE_COUNTED = 1u << 18, /* a group of those in counted.c */
    SCOPE_LOCALS = 1u << 19,  /* holds values that are inherited: see locals.c */
    SCOPE_STAMP = 1u << 20,   /* likewise, for what is spawned into the group right outside */
    SCOPE_SEEN = 1u << 16  /* `seen` is valid: of what is further out, this much was seen */
};

#define SCOPE_KINDS \
    (SCOPE_TIMEOUT | SCOPE_SHIELD | SCOPE_RECORD | SCOPE_TASK | SCOPE_PLAIN | SCOPE_ROOT | \
     SCOPE_LOCALS)

static inline uint32_t scope_flags(const struct thrum_scope *scope)
{
    return load_relaxed(&scope->flags); /* relaxed: kinds are constant, the rest is the owner's */
}

/* Groups set no flag when they are opened. */
static inline bool scope_is_group(const struct thrum_scope *scope)
{
    return !(scope_flags(scope) & SCOPE_KINDS);
}

static inline struct thrum_scope *scope_outer(const struct thrum_scope *scope)
{
    return pointer_of(load_acquire(&scope->outer)); /* EDGE record.made */
}

/* The process stops: a scope that was open has been opened again, and stands in its own chain. */
__attribute__((noreturn, cold)) void thrum_scope_ring(void);

/* The next one further out, for who walks all the way; *steps counts from 0. */
static inline struct thrum_scope *scope_next(const struct thrum_scope *scope, uint32_t *steps)
{
    if (UNLIKELY(++*steps == UINT32_C(1) << 26)) /* no program has as many */
        thrum_scope_ring();
    return scope_outer(scope);
}

/* The identity of who opened it: the lowest bit is the group's own. */
static inline const void *scope_owner(const struct thrum_scope *scope)
{
    return pointer_of(load_relaxed(&scope->owner) & ~(uint64_t)1); /* relaxed: constant but for it */
}

/* By the owner of a group: its spawns and its close are to take their slow paths. */
static inline void scope_tag(struct thrum_scope *scope)
{
    store_relaxed(&scope->owner, word_of(scope_owner(scope)) | 1); /* relaxed: for ourselves */
}

/* The group of which this is a child's start scope; NULL: of another task. */
static inline struct thrum_group *scope_start_group(struct thrum_scope *start)
{
    if (scope_flags(start) & SCOPE_STAMP)
        start = scope_outer(start);
    return scope_is_group(start) ? container_of(start, struct thrum_group, scope) : NULL;
}

/* Open a scope in the running task, of the kind that `flags` say. */
void thrum_scope_push(struct thrum_scope *scope, uint32_t flags);

/* The process stops unless a task calls. */
void thrum_check_inside(const char *call);

/* The process stops unless the running task may close this scope now. */
void thrum_scope_check(const struct thrum_scope *scope, const char *call);

/*
 * Close it. `status` is what it becomes if it is THRUM_ECANCELED and the
 * cancel was this scope's alone: `mine`; else the status stays. `again`: what
 * was cancelled outside is to be delivered once more.
 */
int thrum_scope_pop(struct thrum_scope *scope, int status, int mine, bool again);

/* What a user calls it. */
const char *thrum_scope_kind(const struct thrum_scope *scope);

/* Why: the reason of the innermost cancelled scope from here on. Unchanged if there is none. */
void thrum_scope_reason(const struct thrum_scope *scope, thrum_reason *reason);

/* How many cancels of this very scope there were. */
uint32_t thrum_scope_cancels(const struct thrum_scope *scope);

/* Would a task that starts in this scope be cancelled before? Any thread, while it is open. */
bool thrum_scope_start_cancelled(struct thrum_scope *scope);

/* The running task: was anything in its chain from here on cancelled since it was spawned? */
bool thrum_scope_cancelled_from(struct thrum_scope *scope);

/* What the running task had seen when it started. */
uint64_t thrum_scope_seen_at_start(void);

/* The process stops: a task ended and left this scope open. */
__attribute__((noreturn)) void thrum_scope_left_open(const struct thrum_scope *scope);

/* The running task's chain may have been cancelled, or may no longer be: find out. */
void thrum_scope_look(void);

/* Is the running task in a scope that was cancelled and is of the level style? */
bool thrum_scope_level(void);

/*
 * The running task's own scope: so many cancels of it there were when it took back the last
 * request, and those among them that it was not told of are void.
 */
void thrum_scope_forget(struct thrum_scope *own, uint32_t cancels);

/* 0, or THRUM_ECANCELED if a cancel is deliverable; it is then delivered. */
int thrum_cancel_check(void);

/* The running task's sleep was ended by a cancel: THRUM_ECANCELED, or 0 if it was none of its. */
int thrum_cancel_deliver(void);

/*
 * On the loop, for a fiber that is about to sleep: is a cancel deliverable to
 * it? Nobody else can wake it meanwhile.
 */
struct fiber;
bool thrum_scope_look_for(struct fiber *fiber);

#endif
