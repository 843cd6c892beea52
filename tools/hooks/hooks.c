/*
 * hooks.c - every plain access of a program is a point of the simulated world.
 *
 * A program whose own sources are compiled with -fsanitize=thread, and that links the target
 * //:thrum_hooks instead of the tool's runtime, calls these functions before its accesses to
 * memory. In a task of a simulated world others may go first there, as at thrum_shared_load and
 * thrum_shared_store (shared.h); elsewhere it costs a call, a load and a branch.
 *
 * What is no point:
 *
 *   - what the running task has on its own stack. Of one that its owner's join runs there that
 *     ends where it began: the frames above are its owner's, and shared;
 *   - what Thrum's inline functions do with their worker, its deque, and the group that they close:
 *     a task that left in between would leave it half done;
 *   - anything while the task holds what belongs to its thread (thrum_stay_begin, detect.h);
 *   - what shared.h tells of by itself.
 *
 * What the optimiser has removed is no access. A copy of several words is one read and one write.
 * Atomic operations are done here, with the strongest order.
 */
#include <thrum/thrum.h>

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "runtime/plat/stack.h"
#include "runtime/sched/fiber.h"
#include "runtime/sched/worker.h"

#ifndef THRUM_TSAN /* where all is built with the tool, its own runtime does this */

/* As thrum/detail/tsan.h declares them for sources that are compiled so. */
int thrum_run_here(thrum_fn fn, void *arg, const void *task);
void thrum_tsan_hide(void);
void thrum_tsan_show(void);

#pragma GCC visibility push(default)

/* ---- where the running task began ------------------------------------------------------------ */

/* A task that runs on its owner's stack, in the simulated world of this thread. */
struct inline_task {
    const void *fiber;
    uintptr_t top; /* of its part of the stack */
    struct inline_task *newer, *older;
};

static __thread struct inline_task *newest; /* on whatever stack */
static __thread unsigned hidden;            /* nobody leaves while it is not 0 */

static uintptr_t top_of(const struct fiber *fiber)
{
    for (const struct inline_task *one = newest; one; one = one->older)
        if (one->fiber == fiber)
            return one->top;
    return (uintptr_t)fiber; /* it lies above its stack */
}

int thrum_run_here(thrum_fn fn, void *arg, const void *task)
{
    struct inline_task self = {.fiber = thrum_lane_self()->fiber,
                               .top = (uintptr_t)__builtin_frame_address(0),
                               .older = newest};
    int status;

    (void)task;
    if (worker_here()->world == NULL)
        return fn(arg);
    if (newest)
        newest->newer = &self;
    newest = &self;
    status = fn(arg);
    /* The same thread: a simulated world. Others may have begun meanwhile, on other stacks. */
    if (self.newer)
        self.newer->older = self.older;
    else
        newest = self.older;
    if (self.older)
        self.older->newer = self.newer;
    return status;
}

void thrum_tsan_hide(void)
{
    hidden++;
}

void thrum_tsan_show(void)
{
    hidden--;
}

/* ---- is it a point? -------------------------------------------------------------------------- */

static bool lies_in(uintptr_t at, uintptr_t from, size_t bytes)
{
    return at - from < bytes;
}

static bool is_own(uintptr_t at, uintptr_t here, const struct fiber *fiber)
{
    if (lies_in(here, (uintptr_t)fiber->low, (uintptr_t)fiber - (uintptr_t)fiber->low))
        return at >= here && at < top_of(fiber);
    return lies_in(at, here, STACK_GUARD_BYTES); /* a generator's: a guard lies between stacks */
}

static bool is_runtimes(uintptr_t at, const struct worker *worker)
{
    const struct thrum_lane *lane = &worker->deque.lane;

    return lies_in(at, (uintptr_t)worker, sizeof *worker) ||
           lies_in(at, (uintptr_t)lane->slots, (lane->mask + 1) * sizeof *lane->slots) ||
           lies_in(at, (uintptr_t)lane->scope - offsetof(thrum_group, scope),
                   sizeof(thrum_group)) ||
           at == (uintptr_t)&thrum_simulated || at == (uintptr_t)&thrum_faulty;
}

static __attribute__((noinline)) void look(unsigned what, const void *object)
{
    const struct thrum_lane *lane = thrum_lane_self();
    uintptr_t at = (uintptr_t)object;
    int saved = errno;

    /* What is called on the loop itself, the hook of a deadlock's report, is on no fiber. */
    if (!lane->fiber || !lane->current || worker_here()->world == NULL ||
        worker_here()->stays != 0 || hidden != 0)
        return;
    if (is_own(at, (uintptr_t)__builtin_frame_address(0), lane->fiber) ||
        is_runtimes(at, worker_here()) || object == &errno)
        return;
    thrum_point_at(what, object);
    errno = saved; /* nobody expects others to have gone first; it is still this thread's */
}

static inline void point(unsigned what, const volatile void *object)
{
    if (THRUM_UNLIKELY(thrum_load_relaxed_32(&thrum_simulated))) /* relaxed: a task of such a world
                                                                    comes after its making */
        look(what, (const void *)(uintptr_t)object);
}

/* ---- plain accesses -------------------------------------------------------------------------- */

#define HOOK(name, what)          \
    void __tsan_##name(void *at); \
    void __tsan_##name(void *at)  \
    {                             \
        point(what, at);          \
    }
#define HOOKS(bytes)                              \
    HOOK(read##bytes, THRUM_POINT_READ)           \
    HOOK(write##bytes, THRUM_POINT_WRITE)         \
    HOOK(unaligned_read##bytes, THRUM_POINT_READ) \
    HOOK(unaligned_write##bytes, THRUM_POINT_WRITE)
HOOKS(1)
HOOKS(2)
HOOKS(4)
HOOKS(8)
HOOKS(16)
HOOK(vptr_read, THRUM_POINT_READ)

void __tsan_init(void);
void __tsan_func_entry(void *caller);
void __tsan_func_exit(void);
void __tsan_vptr_update(void **at, void *now);
void __tsan_read_range(void *at, size_t bytes);
void __tsan_write_range(void *at, size_t bytes);
void *__tsan_memcpy(void *to, const void *from, size_t bytes);
void *__tsan_memmove(void *to, const void *from, size_t bytes);
void *__tsan_memset(void *at, int byte, size_t bytes);

void __tsan_init(void)
{
}

void __tsan_func_entry(void *caller)
{
    (void)caller;
}

void __tsan_func_exit(void)
{
}

void __tsan_vptr_update(void **at, void *now)
{
    if (*at != now)
        point(THRUM_POINT_WRITE, at);
}

void __tsan_read_range(void *at, size_t bytes)
{
    if (bytes)
        point(THRUM_POINT_READ, at);
}

void __tsan_write_range(void *at, size_t bytes)
{
    if (bytes)
        point(THRUM_POINT_WRITE, at);
}

void *__tsan_memcpy(void *to, const void *from, size_t bytes)
{
    return __tsan_memmove(to, from, bytes); /* compilers copy a struct onto itself with it */
}

void *__tsan_memmove(void *to, const void *from, size_t bytes)
{
    if (bytes) {
        point(THRUM_POINT_READ, from);
        point(THRUM_POINT_WRITE, to);
    }
    return memmove(to, from, bytes);
}

void *__tsan_memset(void *at, int byte, size_t bytes)
{
    if (bytes)
        point(THRUM_POINT_WRITE, at);
    return memset(at, byte, bytes);
}

/* ---- atomic operations ----------------------------------------------------------------------- */

/* `order` is a memory_order, of which the strongest is as good as any. */
#define RMW(bits, verb)                                                                        \
    uint##bits##_t __tsan_atomic##bits##_##verb(volatile uint##bits##_t *at, uint##bits##_t v, \
                                                int order);                                    \
    uint##bits##_t __tsan_atomic##bits##_##verb(volatile uint##bits##_t *at, uint##bits##_t v, \
                                                int order)                                     \
    {                                                                                          \
        (void)order;                                                                           \
        point(THRUM_POINT_RMW, at);                                                            \
        return __atomic_##verb(at, v, __ATOMIC_SEQ_CST);                                       \
    }

#define CAS(bits, strength)                                                                        \
    bool __tsan_atomic##bits##_compare_exchange_##strength(volatile uint##bits##_t *at,            \
                                                           uint##bits##_t *seen, uint##bits##_t v, \
                                                           int order, int failed);                 \
    bool __tsan_atomic##bits##_compare_exchange_##strength(volatile uint##bits##_t *at,            \
                                                           uint##bits##_t *seen, uint##bits##_t v, \
                                                           int order, int failed)                  \
    {                                                                                              \
        (void)order, (void)failed;                                                                 \
        point(THRUM_POINT_RMW, at);                                                                \
        return __atomic_compare_exchange_n(at, seen, v, false, __ATOMIC_SEQ_CST,                   \
                                           __ATOMIC_SEQ_CST);                                      \
    }

#define ATOMIC(bits)                                                                               \
    uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t *at, int order);       \
    void __tsan_atomic##bits##_store(volatile uint##bits##_t *at, uint##bits##_t v, int order);    \
    uint##bits##_t __tsan_atomic##bits##_exchange(volatile uint##bits##_t *at, uint##bits##_t v,   \
                                                  int order);                                      \
    uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(                                     \
        volatile uint##bits##_t *at, uint##bits##_t seen, uint##bits##_t v, int order,             \
        int failed);                                                                               \
    uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t *at, int order)        \
    {                                                                                              \
        (void)order;                                                                               \
        point(THRUM_POINT_READ, at);                                                               \
        return __atomic_load_n(at, __ATOMIC_SEQ_CST);                                              \
    }                                                                                              \
    void __tsan_atomic##bits##_store(volatile uint##bits##_t *at, uint##bits##_t v, int order)     \
    {                                                                                              \
        (void)order;                                                                               \
        point(THRUM_POINT_WRITE, at);                                                              \
        __atomic_store_n(at, v, __ATOMIC_SEQ_CST);                                                 \
    }                                                                                              \
    uint##bits##_t __tsan_atomic##bits##_exchange(volatile uint##bits##_t *at, uint##bits##_t v,   \
                                                  int order)                                       \
    {                                                                                              \
        (void)order;                                                                               \
        point(THRUM_POINT_RMW, at);                                                                \
        return __atomic_exchange_n(at, v, __ATOMIC_SEQ_CST);                                       \
    }                                                                                              \
    uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(                                     \
        volatile uint##bits##_t *at, uint##bits##_t seen, uint##bits##_t v, int order, int failed) \
    {                                                                                              \
        (void)order, (void)failed;                                                                 \
        point(THRUM_POINT_RMW, at);                                                                \
        __atomic_compare_exchange_n(at, &seen, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);      \
        return seen;                                                                               \
    }                                                                                              \
    CAS(bits, strong)                                                                              \
    CAS(bits, weak)                                                                                \
    RMW(bits, fetch_add)                                                                           \
    RMW(bits, fetch_sub)                                                                           \
    RMW(bits, fetch_and)                                                                           \
    RMW(bits, fetch_or)                                                                            \
    RMW(bits, fetch_xor)                                                                           \
    RMW(bits, fetch_nand)

ATOMIC(8)
ATOMIC(16)
ATOMIC(32)
ATOMIC(64)

void __tsan_atomic_thread_fence(int order);
void __tsan_atomic_signal_fence(int order);

void __tsan_atomic_thread_fence(int order)
{
    (void)order;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void __tsan_atomic_signal_fence(int order)
{
    (void)order;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

#pragma GCC visibility pop

#endif
