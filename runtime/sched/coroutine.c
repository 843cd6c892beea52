/*
 * coroutine.c - going from one stack of a fiber to the other.
 *
 * Flows never jump to each other (plat/context.h): the switch leads over the
 * worker's loop, which only says who goes on.
 *
 * The limit for inline starts is that of the stack one is on. The fiber's
 * changes with it, so that whoever looks for cancels or is resumed by another
 * worker finds the right one.
 */
#include "runtime/sched/coroutine.h"

static struct context *pass(void *next)
{
    return next;
}

/* The lane may have been told to look before inline starts: that stays. */
static void use_limit(uintptr_t limit)
{
    struct thrum_lane *lane = thrum_lane_self();
    struct fiber *fiber = lane->fiber;

    fiber->stack_limit = limit;
    if (lane->stack_limit != UINTPTR_MAX)
        lane->stack_limit = limit;
}

void thrum_coroutine_leave(struct coroutine *coroutine)
{
    thrum_context_leave(&coroutine->inside, &worker_here()->loop, pass, &coroutine->outside);
}

bool thrum_coroutine_resume(struct coroutine *coroutine)
{
    uintptr_t limit = thrum_fiber_self()->stack_limit;

    use_limit(coroutine->stack_limit);
    thrum_context_leave(&coroutine->outside, &worker_here()->loop, pass, &coroutine->inside);
    use_limit(limit); /* the same fiber, perhaps another worker */
    return !coroutine->over;
}

bool thrum_coroutine_is_here(const struct coroutine *coroutine)
{
    uintptr_t here = thrum_stack_pointer();

    return here >= (uintptr_t)coroutine->low && here < (uintptr_t)coroutine;
}

static void coroutine_main(void *arg)
{
    struct coroutine *coroutine = arg;

    for (;;) {
        coroutine->body(coroutine->arg);
        coroutine->over = true;
        thrum_coroutine_leave(coroutine);
    }
}

static struct coroutine *coroutine_new(struct fiber_source *source)
{
    struct stack stack;
    struct coroutine *coroutine;
    char *top = thrum_fiber_stack(source, sizeof *coroutine, &stack);

    if (!top)
        return NULL;
    coroutine = (struct coroutine *)(void *)top;
    coroutine->low = stack.low;
    coroutine->stack_limit = thrum_fiber_limit(&stack);
    coroutine->older = source->coroutines;
    source->coroutines = coroutine;
    thrum_context_init(&coroutine->inside, stack.low, top, coroutine_main, coroutine);
    return coroutine;
}

struct coroutine *thrum_coroutine_get(void (*body)(void *arg), void *arg)
{
    struct worker *worker = worker_here();
    struct pool_item *item = thrum_pool_get(&worker->coroutines);
    struct coroutine *coroutine =
        item ? container_of(item, struct coroutine, item) : coroutine_new(&worker->source);

    if (!coroutine)
        return NULL;
    coroutine->body = body;
    coroutine->arg = arg;
    coroutine->over = false;
    return coroutine;
}

void thrum_coroutine_put(struct coroutine *coroutine)
{
    thrum_pool_put(&worker_here()->coroutines, &coroutine->item);
}

void thrum_coroutines_fini(struct fiber_source *source)
{
    for (struct coroutine *coroutine = source->coroutines; coroutine; coroutine = coroutine->older)
        thrum_context_fini(&coroutine->inside);
}
