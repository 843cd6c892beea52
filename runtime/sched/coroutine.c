/*
 * coroutine.c - going from one stack of a fiber to the other.
 *
 * Flows never jump to each other (plat/context.h): the switch leads over the
 * worker's loop, which only says who goes on.
 */
#include "runtime/sched/coroutine.h"

#include <thrum/fault.h>

#include "runtime/plat/races.h"
#include "runtime/sched/internal.h"
#include "runtime/sched/lent.h"

struct context *thrum_coroutine_pass(void *next)
{
    return next;
}

static void run(struct coroutine *coroutine)
{
    coroutine->body(coroutine->arg);
    coroutine->over = true;
}

/* In a simulated world: plat/races.h. */
SANITIZER_UNSEEN static void run_apart(struct coroutine *coroutine)
{
    thrum_identity_begin(coroutine->low, coroutine, coroutine);
    run(coroutine);
    sanitizer_release(coroutine);
    thrum_identity_end(&worker_here()->loop.sanitizer);
}

SANITIZER_UNSEEN static void coroutine_main(void *arg)
{
    struct coroutine *coroutine = arg;

    for (;;) {
        if (world_races(worker_here()->world))
            run_apart(coroutine);
        else
            run(coroutine);
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
    coroutine->low = stack.low;
    coroutine->older = source->coroutines;
    source->coroutines = coroutine;
    thrum_context_init(&coroutine->inside, stack.low, top, coroutine_main, coroutine,
                       thrum_world_loop(source->scheduler));
    return coroutine;
}

struct coroutine *thrum_coroutine_get(void (*body)(void *arg), void *arg)
{
    struct worker *worker = worker_here();
    struct coroutine *coroutine;
    struct pool_item *item;

    if (thrum_fault(THRUM_FAULT_MEMORY))
        return NULL;
    world_hide(worker->world);
    item = thrum_pool_get(&worker->coroutines);
    coroutine = item ? container_of(item, struct coroutine, item) : coroutine_new(&worker->source);
    world_show(worker->world);
    if (!coroutine)
        return NULL;
    if (world_races(worker->world))
        sanitizer_forget(coroutine, sizeof *coroutine);
    coroutine->body = body;
    coroutine->arg = arg;
    coroutine->over = false;
    thrum_lent_note(LENT_GENERATOR, 1);
    return coroutine;
}

void thrum_coroutine_put(struct coroutine *coroutine)
{
    struct worker *worker = worker_here();

    thrum_lent_note(LENT_GENERATOR, -1);
    world_hide(worker->world);
    thrum_pool_put(&worker->coroutines, &coroutine->item);
    world_show(worker->world);
}

void thrum_coroutines_fini(struct fiber_source *source)
{
    for (struct coroutine *coroutine = source->coroutines; coroutine; coroutine = coroutine->older)
        thrum_context_fini(&coroutine->inside);
}
