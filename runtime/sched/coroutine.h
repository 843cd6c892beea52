/*
 * coroutine.h - a second stack for a fiber: a flow that goes back and forth
 * between the two, and is one task all the time.
 *
 *     the fiber's stack                      the coroutine's
 *     thrum_coroutine_resume   ----------->  body(arg)
 *       returns true           <-----------    thrum_coroutine_leave
 *     thrum_coroutine_resume   ----------->      returns
 *       returns false          <-----------  body returns
 *
 * The scheduler knows nothing of it. Who waits inside of the body leaves by
 * thrum_suspend as anywhere: what is saved is where the fiber is, on whichever
 * stack. So the whole fiber sleeps, and wakes inside of the body. Coroutines
 * nest: a body may resume another. Between two resumes a coroutine belongs to
 * no fiber; the next resume may come from any of its scheduler's.
 *
 * They stand at the top of their own stacks, in different colours, and are
 * recycled: as fibers are, and beside them (fiber.c).
 */
#ifndef THRUM_SCHED_COROUTINE_H
#define THRUM_SCHED_COROUTINE_H

#include <stdbool.h>

#include "runtime/sched/worker.h"

struct coroutine {
    struct pool_item item;  /* first: while it is free */
    struct context inside;  /* while it is left, */
    struct context outside; /* and who resumed it, while it is not */
    void (*body)(void *arg);
    void *arg;
    bool over;               /* the body has returned */
    void *low;               /* constant: lowest usable byte of the stack */
    uintptr_t stack_limit;   /* constant: the lane's and the fiber's, inside */
    struct coroutine *older; /* constant: all of its source */
} __attribute__((aligned(16)));

/* One that will run body(arg) when it is first resumed; NULL: out of memory. */
struct coroutine *thrum_coroutine_get(void (*body)(void *arg), void *arg);

/* Give it back: its body has returned, or was never begun. */
void thrum_coroutine_put(struct coroutine *coroutine);

/* Go inside. True: it was left, and can be resumed; false: the body has returned. */
bool thrum_coroutine_resume(struct coroutine *coroutine);

/* Inside: go back to who resumed it. Returns at the next resume. */
void thrum_coroutine_leave(struct coroutine *coroutine);

/* Are we on its stack? */
bool thrum_coroutine_is_here(const struct coroutine *coroutine);

/* With the scheduler: all that came from here. */
void thrum_coroutines_fini(struct fiber_source *source);

#endif
