/*
 * coroutine.h - a second stack for a fiber: a flow that goes back and forth
 * between the two, and is one task all the time.
 *
 *     the fiber's stack                      the coroutine's
 *     coroutine_resume         ----------->  body(arg)
 *       returns true           <-----------    coroutine_leave
 *     coroutine_resume         ----------->      returns
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
    void *low;               /* constant: lowest byte of its stack */
    uintptr_t stack_limit;   /* constant: the lane's and the fiber's, inside */
    struct coroutine *older; /* constant: all of its source */
} __attribute__((aligned(16)));

/* One that will run body(arg) when it is first resumed; NULL: out of memory. */
struct coroutine *thrum_coroutine_get(void (*body)(void *arg), void *arg);

/* Give it back: its body has returned, or was never begun. */
void thrum_coroutine_put(struct coroutine *coroutine);

struct context *thrum_coroutine_pass(void *next);

/*
 * The limit for inline starts is that of the stack one is on. The fiber's
 * changes with it, so that whoever looks for cancels or is resumed by another
 * worker finds the right one. The lane may have been told to look before inline
 * starts: that stays.
 */
static inline void coroutine_limit(struct worker *worker, struct fiber *fiber, uintptr_t limit)
{
    struct thrum_lane *lane = &worker->deque.lane;

    fiber->stack_limit = limit;
    if (LIKELY(lane->stack_limit != UINTPTR_MAX))
        lane->stack_limit = limit;
}

/* Go inside. True: it was left, and can be resumed; false: the body has returned. */
static inline bool coroutine_resume(struct coroutine *coroutine)
{
    struct worker *worker = worker_here();
    struct fiber *fiber = worker->deque.lane.fiber;
    uintptr_t limit = fiber->stack_limit;

    coroutine_limit(worker, fiber, coroutine->stack_limit);
    sanitizer_release(coroutine);
    thrum_context_leave(&coroutine->outside, &worker->loop, thrum_coroutine_pass,
                        &coroutine->inside);
    sanitizer_acquire(coroutine);
    coroutine_limit(worker_here(), fiber, limit); /* perhaps another worker */
    return !coroutine->over;
}

/* Inside: go back to who resumed it. Returns at the next resume. */
SANITIZER_UNSEEN static inline void coroutine_leave(struct coroutine *coroutine)
{
    sanitizer_release(coroutine);
    thrum_context_leave(&coroutine->inside, &worker_here()->loop, thrum_coroutine_pass,
                        &coroutine->outside);
    sanitizer_acquire(coroutine);
}

/* With the scheduler: all that came from here. */
void thrum_coroutines_fini(struct fiber_source *source);

#endif
