/*
 * coroutine.c - going from one stack of a fiber to the other.
 *
 * Flows never jump to each other (plat/context.h): the switch leads over the
 * worker's loop, which only says who goes on.
 */
#include "runtime/sched/coroutine.h"

#include <thrum/fault.h>

#include "runtime/sched/lent.h"

struct context *thrum_coroutine_pass(void *next)
{
    return next;
}

static void coroutine_main(void *arg)
{
    struct coroutine *coroutine = arg;

    for (;;) {
        coroutine->body(coroutine->arg);
        coroutine->over = true;
        coroutine_leave(coroutine);
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
    coroutine->stack_limit = thrum_fiber_limit(&stack);
    coroutine->older = source->coroutines;
    source->coroutines = coroutine;
    thrum_context_init(&coroutine->inside, stack.low, top, coroutine_main, coroutine);
    return coroutine;
}

struct coroutine *thrum_coroutine_get(void (*body)(void *arg), void *arg)
{
    struct worker *worker = worker_here();
    struct coroutine *coroutine;
    struct pool_item *item;

    if (thrum_fault(THRUM_FAULT_MEMORY))
        return NULL;
    item = thrum_pool_get(&worker->coroutines);
    coroutine = item ? container_of(item, struct coroutine, item) : coroutine_new(&worker->source);
    if (!coroutine)
        return NULL;
    coroutine->body = body;
    coroutine->arg = arg;
    coroutine->over = false;
    thrum_lent_note(LENT_GENERATOR, 1);
    return coroutine;
}

void thrum_coroutine_put(struct coroutine *coroutine)
{
    thrum_lent_note(LENT_GENERATOR, -1);
    thrum_pool_put(&worker_here()->coroutines, &coroutine->item);
}

void thrum_coroutines_fini(struct fiber_source *source)
{
    for (struct coroutine *coroutine = source->coroutines; coroutine; coroutine = coroutine->older)
        thrum_context_fini(&coroutine->inside);
}
