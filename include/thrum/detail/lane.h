/*
 * lane.h - the part of a worker that inline spawn and join touch.
 *
 * Not an interface for users: the public inline functions are built on it, and
 * its layout is covered by THRUM_LAYOUT.
 *
 * A lane is the owner's end of the worker's deque of unstarted tasks
 * (runtime/work/deque.c tells the whole story) and three words about the task
 * that runs. Every rare condition is folded into two compares that the owner
 * makes anyway, by poisoning: whoever wants the owner's attention stores 0 to
 * `limit` or INT64_MAX to `floor`, and the next push or pop takes the slow
 * path, which finds out why.
 */
#ifndef THRUM_DETAIL_LANE_H
#define THRUM_DETAIL_LANE_H

#include <thrum/detail/atomic.h>
#include <thrum/types.h>

THRUM_BEGIN_DECLS

struct thrum_reason;

/*
 * A span of a task's execution that can be cancelled: the head of groups,
 * timeouts, shields (scope.h) and of what a task keeps about itself. Scopes
 * form a chain from the innermost of the running task out to the runtime's.
 */
struct thrum_scope {
    uint64_t owner;            /* atomic: identity of the task that opened it; 0: closed. For the
                                  lowest bit see runtime/task/group.c */
    uint64_t outer;            /* atomic: struct thrum_scope *, what was innermost before */
    void *fiber;               /* constant: where that task runs; struct fiber */
    uint32_t cancels;          /* atomic: how many times it was cancelled */
    uint32_t flags;            /* atomic, owner: enum scope_flags in runtime/task/scope.h */
    uint64_t reason;           /* atomic: thrum_reason *, of the first cancel */
    uint64_t seen;             /* atomic, owner: see runtime/task/scope.c */
    uint64_t base;             /* constant: see there */
};

/*
 * current and scope do not stand side by side: compilers would copy both with
 * one wide load, and wait until the two narrow stores before it have left the
 * store buffer (4 ns for every group).
 */
struct thrum_lane {
    uint64_t bottom;           /* atomic, written by the owner: index of the next push */
    uint64_t limit;            /* atomic: a push that reaches it takes the slow path */
    uint64_t floor;            /* atomic: a pop below it takes the slow path */
    uint64_t *slots;           /* owner: the ring, mask + 1 words, atomic */
    uint64_t mask;             /* owner */
    const void *current;       /* owner: identity of the running task */
    uintptr_t stack_limit;     /* owner: no inline start with the stack below this */
    struct thrum_scope *scope; /* owner: innermost open scope of the running task */
    void *fiber;               /* owner: struct fiber of the running task */
} __attribute__((aligned(64)));

/*
 * The calling thread's lane. Threads that run no tasks have one that is
 * always poisoned and never current.
 *
 * The address of a thread-local variable must not be kept across a suspension:
 * the task may wake on another thread. Compilers do keep it (GCC and Clang, at
 * -O2, for __thread as for errno), so it is read by assembly that they cannot
 * move, and again after everything that may suspend.
 */
extern THRUM_API __thread struct thrum_lane *thrum_lane_here __attribute__((tls_model("initial-exec")));

THRUM_API struct thrum_lane *thrum_lane_self_slow(void);

static inline struct thrum_lane *thrum_lane_self(void)
{
#if defined(__x86_64__) && !defined(__ILP32__)
    struct thrum_lane *lane;

    __asm__ __volatile__("movq thrum_lane_here@gottpoff(%%rip), %0\n\tmovq %%fs:(%0), %0"
                         : "=r"(lane)
                         :
                         : "memory");
    return lane;
#elif defined(__aarch64__)
    struct thrum_lane *lane;
    uintptr_t base;

    __asm__ __volatile__("mrs %1, tpidr_el0\n\t"
                         "adrp %0, :gottprel:thrum_lane_here\n\t"
                         "ldr %0, [%0, :gottprel_lo12:thrum_lane_here]\n\t"
                         "ldr %0, [%1, %0]"
                         : "=&r"(lane), "=&r"(base)
                         :
                         : "memory");
    return lane;
#else
    return thrum_lane_self_slow();
#endif
}

static inline uintptr_t thrum_stack_pointer(void)
{
    uintptr_t here;

#if defined(__x86_64__)
    __asm__ __volatile__("movq %%rsp, %0" : "=r"(here));
#elif defined(__aarch64__)
    __asm__ __volatile__("mov %0, sp" : "=r"(here));
#else
    here = (uintptr_t)__builtin_frame_address(0);
#endif
    return here;
}

/*
 * Is too little stack left for an inline start, or is the owner to look before
 * one? (Written out, the compare takes an instruction less.)
 */
static inline bool thrum_lane_is_short(const struct thrum_lane *lane)
{
#if defined(__x86_64__) && defined(__GCC_ASM_FLAG_OUTPUTS__)
    bool is;

    __asm__ __volatile__("cmpq %%rsp, %1" : "=@ccae"(is) : "m"(lane->stack_limit));
    return is;
#else
    return thrum_stack_pointer() <= lane->stack_limit;
#endif
}

/*
 * Push a task. False: the push is done, but somebody wants the owner's
 * attention or the ring is full; the caller must call its slow path.
 * There is always room for one.
 *
 * The store to `bottom` stands before the load of `limit`: one half of an
 * asymmetric Dekker, whose other half fences this thread from outside
 * (EDGE deque.attention, runtime/work/deque.c).
 */
static inline bool thrum_lane_push(struct thrum_lane *lane, const void *task)
{
    uint64_t bottom = thrum_load_relaxed_64(&lane->bottom); /* relaxed: only we write it */

    thrum_store_relaxed_64(&lane->slots[bottom & lane->mask], (uint64_t)(uintptr_t)task);
    thrum_store_release_64(&lane->bottom, bottom + 1); /* EDGE deque.publish */
    thrum_fence_compiler();
    return bottom + 1 < thrum_load_relaxed_64(&lane->limit); /* EDGE deque.attention */
}

/*
 * Pop the newest task. NULL: the pop is begun (bottom is lowered), and the
 * slow path must finish it. MUTANT notes and the proof are in deque.c.
 */
static inline void *thrum_lane_pop(struct thrum_lane *lane)
{
    uint64_t bottom = thrum_load_relaxed_64(&lane->bottom) - 1; /* relaxed: only we write it */

    thrum_store_release_64(&lane->bottom, bottom); /* EDGE deque.publish */
    thrum_fence_compiler();
    if ((int64_t)bottom < (int64_t)thrum_load_relaxed_64(&lane->floor)) /* EDGE deque.attention */
        return NULL;
    return (void *)(uintptr_t)thrum_load_relaxed_64(&lane->slots[bottom & lane->mask]);
}

THRUM_END_DECLS

#endif
