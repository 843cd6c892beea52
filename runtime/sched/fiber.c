/*
 * fiber.c - making fibers.
 *
 * Stack tops are coloured: each fiber stands a different multiple of 64 bytes
 * below the end of its stack, within the same page, or the hot lines of all
 * fibers would share a few sets of the L1 cache (1,000 fibers: 38 ns for a
 * bare switch without, 10 ns with).
 */
#include "runtime/sched/fiber.h"

#include "runtime/plat/memory.h"
#include "runtime/sched/coroutine.h"
#include "runtime/sched/internal.h"

#define COLOURS 32 /* half a page; the other half is for the frames */
#define NODES_PER_CHUNK 256

/* An inline start wants this share of the stack to be left. */
#define INLINE_RESERVE(bytes) ((bytes) / 2)

void thrum_fiber_source_init(struct fiber_source *source, struct scheduler *scheduler,
                             size_t stack_bytes)
{
    source->scheduler = scheduler;
    source->newest = NULL;
    source->coroutines = NULL;
    source->nodes = NULL;
    source->nodes_left = 0;
    thrum_stack_arena_init(&source->arena, stack_bytes);
}

void thrum_fiber_source_fini(struct fiber_source *source)
{
    struct inject_node *chunk = source->nodes;

    if (sanitizer_follows()) /* else a million pages would be touched for nothing */
        for (struct fiber *fiber = source->newest; fiber; fiber = fiber->older)
            thrum_context_fini(&fiber->context);
    thrum_coroutines_fini(source);
    while (chunk) {
        struct inject_node *older = pointer_of(chunk->value);

        thrum_memory_put(chunk);
        chunk = older;
    }
    thrum_stack_arena_fini(&source->arena);
}

struct inject_node *thrum_fiber_node(struct fiber_source *source)
{
    if (source->nodes_left == 0) {
        struct inject_node *chunk =
            thrum_memory_get(NODES_PER_CHUNK * sizeof *chunk, CACHE_LINE);

        if (!chunk)
            return NULL;
        chunk->value = word_of(source->nodes);
        source->nodes = chunk;
        source->nodes_left = NODES_PER_CHUNK - 1;
    }
    return &source->nodes[source->nodes_left--];
}

char *thrum_fiber_stack(struct fiber_source *source, size_t bytes, struct stack *stack)
{
    uint32_t number;

    if (thrum_stack_new(&source->arena, stack, &number))
        return NULL;
    return (char *)stack->top - number % COLOURS * CACHE_LINE -
           ((bytes + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1));
}

uintptr_t thrum_fiber_limit(const struct stack *stack)
{
    return (uintptr_t)stack->low +
           INLINE_RESERVE((size_t)((const char *)stack->top - (const char *)stack->low));
}

struct fiber *thrum_fiber_new(struct fiber_source *source, context_entry *entry)
{
    struct inject_node *node = thrum_fiber_node(source);
    struct stack stack;
    struct fiber *fiber;
    char *top;

    if (!node)
        return NULL;
    top = thrum_fiber_stack(source, sizeof *fiber + FIBER_ABOVE_BYTES, &stack);
    if (!top) {
        source->nodes_left++;
        return NULL;
    }
    fiber = (struct fiber *)(void *)top;
    fiber->node = node;
    fiber->home = source->scheduler;
    fiber->low = stack.low;
    fiber->older = source->newest;
    source->newest = fiber;
    fiber->stack_limit = thrum_fiber_limit(&stack);
    thrum_context_init(&fiber->context, stack.low, top, entry, fiber,
                       thrum_world_loop(source->scheduler));
    return fiber;
}
