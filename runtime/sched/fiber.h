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

struct thrum_scope;

struct fiber {
    struct pool_item item;     /* first: while it is free */
    struct context context;    /* while it is suspended */
    const void *current;       /* while it is suspended: the lane's current */
    struct thrum_scope *scope; /* while it is suspended: the lane's scope */
    void *task;                /* what to run, before it starts */
    void *low;                 /* constant: lowest usable byte of the stack */
    /* The next line begins here; who makes it ready needs no other. */
    struct inject_node *node;  /* for its next stay in the injection queue */
    struct scheduler *home;    /* constant */
    uintptr_t stack_limit;     /* owner: the lane's, while it runs and has heard every alert */
    uint64_t heard;            /* atomic, written by who runs it: the last alert that it need not
                                  look into; 0: it must look before each inline start */
    uint64_t stamp;            /* atomic: which unstarted tasks came before it */
    struct fiber *older;       /* constant: all fibers of its source */
    void *player;              /* for a simulated world: whose turn it is when this fiber runs */
} __attribute__((aligned(16)));

/* Room for the layer above, zero-filled before the first task: struct strand. */
#define FIBER_ABOVE_BYTES 512

static inline void *fiber_above(struct fiber *fiber)
{
    return (char *)fiber + sizeof *fiber;
}

static inline struct fiber *fiber_below(const void *above)
{
    return (struct fiber *)(uintptr_t)((const char *)above - sizeof(struct fiber));
}

/* Where a thread gets new fibers from. One thread at a time. */
struct fiber_source {
    struct scheduler *scheduler;
    struct stack_arena arena;
    struct fiber *newest;
    struct coroutine *coroutines; /* newest first */
    struct inject_node *nodes; /* chunk in use; its first node links the chunks */
    unsigned nodes_left;
};

void thrum_fiber_source_init(struct fiber_source *source, struct scheduler *scheduler,
                             size_t stack_bytes);
/* Unmaps all fibers that came from here. */
void thrum_fiber_source_fini(struct fiber_source *source);

/*
 * A stack, and the place at its top for so many bytes of what is kept there, in the next colour;
 * NULL: out of memory. And where its part for inline starts ends.
 */
char *thrum_fiber_stack(struct fiber_source *source, size_t bytes, struct stack *stack);
uintptr_t thrum_fiber_limit(const struct stack *stack);

/* A fiber that will call entry(fiber) when first resumed; NULL: out of memory. */
struct fiber *thrum_fiber_new(struct fiber_source *source, context_entry *entry);

/* A node for an injection queue; NULL: out of memory. */
struct inject_node *thrum_fiber_node(struct fiber_source *source);

#endif
