/*
 * fiber.h - a stack on which tasks run, and the flow that left it.
 *
 * The struct stands at the top of its own stack, in the page that is touched
 * anyway. Fibers are type-stable: recycled through a pool, unmapped only with
 * the scheduler.
 */
#ifndef THRUM_SCHED_FIBER_H
#define THRUM_SCHED_FIBER_H

#include "runtime/plat/context.h"
#include "runtime/plat/stack.h"
#include "runtime/work/inject.h"
#include "runtime/work/pool.h"

struct thrum_group;

struct fiber {
    struct pool_item item;     /* first: while it is free */
    struct context context;    /* while it is suspended */
    const void *current;       /* while it is suspended: the lane's current */
    struct thrum_group *scope; /* while it is suspended: the lane's scope */
    void *task;                /* what to run, before it starts */
    uint64_t stamp;            /* atomic: which unstarted tasks came before it */
    struct inject_node *node;  /* for its next stay in the injection queue */
    struct scheduler *home;    /* constant */
    uintptr_t stack_limit;     /* constant: the lane's, while it runs */
    void *low;                 /* constant: lowest usable byte of the stack */
    struct fiber *older;       /* constant: all fibers of its source */
};

/* Where a thread gets new fibers from. One thread at a time. */
struct fiber_source {
    struct scheduler *scheduler;
    struct stack_arena arena;
    struct fiber *newest;
    struct inject_node *nodes; /* chunk in use; its first node links the chunks */
    unsigned nodes_left;
};

void thrum_fiber_source_init(struct fiber_source *source, struct scheduler *scheduler,
                             size_t stack_bytes);
/* Unmaps all fibers that came from here. */
void thrum_fiber_source_fini(struct fiber_source *source);

/* A fiber that will call entry(fiber) when first resumed; NULL: out of memory. */
struct fiber *thrum_fiber_new(struct fiber_source *source, context_entry *entry);

/* A node for an injection queue; NULL: out of memory. */
struct inject_node *thrum_fiber_node(struct fiber_source *source);

#endif
