/*
 * stack.h - memory for stacks, each with a guard below it.
 *
 * An arena carves stacks out of large mappings (chunks). Below every stack
 * lie 64 KiB that cannot be touched: a task that uses up its stack stops the
 * process there instead of writing into a neighbour. 64 KiB, because compilers
 * probe large frames no more finely than that on AArch64.
 *
 * Guards come in two kinds, chosen once per process:
 *
 *   STACK_GUARD_MADVISE   a mark in the page table (Linux 6.13 and later);
 *                         a million stacks take a few mappings
 *   STACK_GUARD_MPROTECT  a mapping of its own. The kernel allows a process
 *                         some 65,000, so the number of stacks is limited to
 *                         what leaves enough for everybody else (-ENOMEM).
 *
 * After mlockall() the kernel refuses the first kind; such stacks get the
 * second. THRUM_STACK_GUARD=mprotect in the environment asks for the second.
 * There is no stack without a guard.
 */
#ifndef THRUM_PLAT_STACK_H
#define THRUM_PLAT_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STACK_GUARD_BYTES ((size_t)64 << 10)
#define STACKS_PER_CHUNK 256

enum stack_guard {
    STACK_GUARD_MADVISE,
    STACK_GUARD_MPROTECT,
};

struct stack_chunk;

/* Used by one thread at a time. */
struct stack_arena {
    size_t stack_bytes;         /* of each stack; whole pages */
    struct stack_chunk *chunks; /* newest first */
    uint32_t used;              /* stacks carved from the newest chunk */
    uint32_t ready;             /* those included that have a guard, and wait to be carved */
    uint32_t count;             /* stacks carved so far */
};

struct stack {
    void *low;
    void *top;
};

/* stack_bytes is rounded up to whole pages. */
void thrum_stack_arena_init(struct stack_arena *arena, size_t stack_bytes);

/* Unmap all stacks of the arena. */
void thrum_stack_arena_fini(struct stack_arena *arena);

/*
 * A new stack, page-aligned, and its running number in the arena, from 0.
 * It cannot be given back alone. Returns 0 or -ENOMEM, and then nothing has
 * changed.
 */
int thrum_stack_new(struct stack_arena *arena, struct stack *out, uint32_t *number);

/* Give the whole pages of [low, keep_from) back; they read as zeros after. */
void thrum_stack_trim(void *low, void *keep_from);

enum stack_guard thrum_stack_guard_kind(void);

/*
 * Does *address lie in a guard of any arena? Then *stack_bytes is the size of
 * the stack above it. Async-signal-safe.
 */
bool thrum_stack_guard_at(const void *address, size_t *stack_bytes);

/* For tests: see fault.h. Counts every step of thrum_stack_new that may fail. */
extern uint32_t thrum_stack_fail_after;

#endif
