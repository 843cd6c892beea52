/*
 * sanitizer.h - telling AddressSanitizer, ThreadSanitizer and valgrind of
 * stacks and switches.
 *
 * The only file that knows which tool is compiled in. In production every
 * function here is empty, but for valgrind's two requests, which are a few
 * instructions without effect, once in the life of a stack.
 */
#ifndef THRUM_PLAT_SANITIZER_H
#define THRUM_PLAT_SANITIZER_H

#include <stdbool.h>
#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZER_ADDRESS 1
#endif
#if defined(__SANITIZE_THREAD__)
#define SANITIZER_THREAD 1
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZER_ADDRESS 1
#endif
#if __has_feature(thread_sanitizer)
#define SANITIZER_THREAD 1
#endif
#endif
#ifdef THRUM_MODEL /* instrumented for the explorer, or not: the layouts are the same */
#undef SANITIZER_THREAD
#endif

/*
 * A function that changes the current fiber: the tool must not count its
 * entry for one fiber and its exit for another.
 */
#if defined(__clang__)
#define SANITIZER_UNSEEN __attribute__((disable_sanitizer_instrumentation))
#else
#define SANITIZER_UNSEEN __attribute__((no_sanitize("address", "thread", "undefined")))
#endif

#if defined(SANITIZER_ADDRESS) || defined(SANITIZER_THREAD)
#define SANITIZER_WATCHES 1
#else
#define SANITIZER_WATCHES 0
#endif

/* Does anybody look for races? */
#ifdef SANITIZER_THREAD
#define SANITIZER_RACES 1
#else
#define SANITIZER_RACES 0
#endif

struct sanitizer_fiber {
    unsigned valgrind_stack; /* valgrind's name of the stack */
#ifdef SANITIZER_ADDRESS
    void *fake_stack; /* of a saved flow */
    const void *low;
    size_t bytes;
#endif
#ifdef SANITIZER_THREAD
    void *fiber;
    bool lent;  /* it is another's */
    bool apart; /* of a loop: see sanitizer_stand_apart */
#endif
};

#ifdef __has_include
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#define SANITIZER_VALGRIND 1
#endif
#endif

static inline unsigned sanitizer_valgrind_register(void *low, void *top)
{
#ifdef SANITIZER_VALGRIND
    return (unsigned)VALGRIND_STACK_REGISTER(low, (char *)top - 1);
#else
    (void)low;
    (void)top;
    return 0;
#endif
}

static inline void sanitizer_valgrind_deregister(unsigned stack)
{
#ifdef SANITIZER_VALGRIND
    VALGRIND_STACK_DEREGISTER(stack);
#else
    (void)stack;
#endif
}

/* For tests that ask for more than valgrind can follow. */
static inline bool sanitizer_valgrind_runs(void)
{
#ifdef SANITIZER_VALGRIND
    return RUNNING_ON_VALGRIND != 0;
#else
    return false;
#endif
}

#ifdef SANITIZER_ADDRESS

void __asan_unpoison_memory_region(const volatile void *low, size_t bytes);
void __sanitizer_start_switch_fiber(void **fake_stack_save, const void *low, size_t bytes);
void __sanitizer_finish_switch_fiber(void *fake_stack, const void **low_old, size_t *bytes_old);

/* Frames that never returned leave their poison behind. */
static inline void sanitizer_address_fresh(struct sanitizer_fiber *self)
{
    __asan_unpoison_memory_region(self->low, self->bytes);
}

static inline void sanitizer_address_init(struct sanitizer_fiber *self, void *low, void *top)
{
    self->fake_stack = NULL;
    self->low = low;
    self->bytes = (size_t)((char *)top - (char *)low);
    sanitizer_address_fresh(self);
}

SANITIZER_UNSEEN static inline void sanitizer_address_leave(struct sanitizer_fiber *self,
                                                            const struct sanitizer_fiber *loop)
{
    __sanitizer_start_switch_fiber(&self->fake_stack, loop->low, loop->bytes);
}

/* Tells the stack that was left: the only way to know a thread's own. */
SANITIZER_UNSEEN static inline void sanitizer_address_arrive(struct sanitizer_fiber *self)
{
    __sanitizer_finish_switch_fiber(NULL, &self->low, &self->bytes);
}

/* NULL: nothing on the loop's stack is wanted again. */
SANITIZER_UNSEEN static inline void sanitizer_address_resume(const struct sanitizer_fiber *flow)
{
    __sanitizer_start_switch_fiber(NULL, flow->low, flow->bytes);
}

SANITIZER_UNSEEN static inline void sanitizer_address_started(void)
{
    __sanitizer_finish_switch_fiber(NULL, NULL, NULL);
}

SANITIZER_UNSEEN static inline void sanitizer_address_resumed(const struct sanitizer_fiber *self)
{
    __sanitizer_finish_switch_fiber(self->fake_stack, NULL, NULL);
}

#else

static inline void sanitizer_address_fresh(struct sanitizer_fiber *self)
{
    (void)self;
}

static inline void sanitizer_address_init(struct sanitizer_fiber *self, void *low, void *top)
{
    (void)self;
    (void)low;
    (void)top;
}

SANITIZER_UNSEEN static inline void sanitizer_address_leave(struct sanitizer_fiber *self,
                                                            const struct sanitizer_fiber *loop)
{
    (void)self;
    (void)loop;
}

SANITIZER_UNSEEN static inline void sanitizer_address_arrive(struct sanitizer_fiber *self)
{
    (void)self;
}

SANITIZER_UNSEEN static inline void sanitizer_address_resume(const struct sanitizer_fiber *flow)
{
    (void)flow;
}

SANITIZER_UNSEEN static inline void sanitizer_address_started(void)
{
}

SANITIZER_UNSEEN static inline void sanitizer_address_resumed(const struct sanitizer_fiber *self)
{
    (void)self;
}

#endif

#ifdef SANITIZER_THREAD

void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);
void __tsan_acquire(void *address);
void __tsan_release(void *address);
void __tsan_java_alloc(void *low, size_t bytes);
void __tsan_java_free(void *low, size_t bytes);
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
void AnnotateIgnoreSyncBegin(const char *file, int line);
void AnnotateIgnoreSyncEnd(const char *file, int line);

#define SANITIZER_NO_SYNC 1u /* the switch orders nothing */

static inline void sanitizer_thread_init(struct sanitizer_fiber *self)
{
    self->fiber = __tsan_create_fiber(0);
    self->lent = self->apart = false;
}

static inline void sanitizer_thread_lend(struct sanitizer_fiber *self,
                                         const struct sanitizer_fiber *loop)
{
    *self = *loop;
    self->lent = true;
}

/* 0: what the flow did happens before next(). */
SANITIZER_UNSEEN static inline void sanitizer_thread_leave(struct sanitizer_fiber *self,
                                                           const struct sanitizer_fiber *loop)
{
    self->fiber = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(loop->fiber, loop->apart ? SANITIZER_NO_SYNC : 0);
}

/*
 * 0: what next() did happens before the flow goes on, as it does on the
 * machine. Tasks that share a worker may thereby hide their races from the
 * tool; without it every word that a loop hands to its fibers is reported.
 */
SANITIZER_UNSEEN static inline void sanitizer_thread_resume(const struct sanitizer_fiber *flow,
                                                            const struct sanitizer_fiber *loop)
{
    __tsan_switch_to_fiber(flow->fiber, loop->apart ? SANITIZER_NO_SYNC : 0);
}

/*
 * Until sanitizer_show the calling flow's accesses are not looked at and its
 * atomic operations order nothing. They nest.
 */
static inline void sanitizer_hide(void)
{
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreSyncBegin(__FILE__, __LINE__);
}

static inline void sanitizer_show(void)
{
    AnnotateIgnoreSyncEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
}

/* For the same address: what was done before the one happens before what is done after the other. */
static inline void sanitizer_release(const void *address)
{
    __tsan_release((void *)(size_t)address);
}

static inline void sanitizer_acquire(const void *address)
{
    __tsan_acquire((void *)(size_t)address);
}

/*
 * This memory begins another life: nothing that was done to it counts. The tool has that for heaps
 * that it does not know, such as Java's.
 */
static inline void sanitizer_forget(const void *low, size_t bytes)
{
    size_t first = (size_t)low & ~(size_t)7, last = ((size_t)low + bytes + 7) & ~(size_t)7;

    __tsan_java_alloc((void *)first, last - first);
    __tsan_java_free((void *)first, last - first);
}

/* The calling thread goes on as another, on the same stack; switches of this kind order nothing. */
SANITIZER_UNSEEN static inline void sanitizer_be(const struct sanitizer_fiber *other)
{
    __tsan_switch_to_fiber(other->fiber, SANITIZER_NO_SYNC);
}

/*
 * The loop's flows are ordered by nothing that it does (races.h), and itself it is not looked at.
 */
SANITIZER_UNSEEN static inline void sanitizer_stand_apart(struct sanitizer_fiber *loop)
{
    void *self = __tsan_get_current_fiber();

    loop->apart = true;
    __tsan_switch_to_fiber(loop->fiber, SANITIZER_NO_SYNC);
    sanitizer_hide();
    __tsan_switch_to_fiber(self, SANITIZER_NO_SYNC);
}

SANITIZER_UNSEEN static inline void sanitizer_thread_fini(struct sanitizer_fiber *self)
{
    void *caller = __tsan_get_current_fiber();

    if (self->lent)
        return;
    if (self->apart) { /* nobody may end hidden */
        __tsan_switch_to_fiber(self->fiber, SANITIZER_NO_SYNC);
        sanitizer_show();
        __tsan_switch_to_fiber(caller, SANITIZER_NO_SYNC);
    }
    __tsan_destroy_fiber(self->fiber);
}

#else

static inline void sanitizer_thread_init(struct sanitizer_fiber *self)
{
    (void)self;
}

static inline void sanitizer_thread_lend(struct sanitizer_fiber *self,
                                         const struct sanitizer_fiber *loop)
{
    (void)self;
    (void)loop;
}

static inline void sanitizer_thread_fini(struct sanitizer_fiber *self)
{
    (void)self;
}

SANITIZER_UNSEEN static inline void sanitizer_thread_leave(struct sanitizer_fiber *self,
                                                           const struct sanitizer_fiber *loop)
{
    (void)self;
    (void)loop;
}

SANITIZER_UNSEEN static inline void sanitizer_thread_resume(const struct sanitizer_fiber *flow,
                                                            const struct sanitizer_fiber *loop)
{
    (void)flow;
    (void)loop;
}

static inline void sanitizer_hide(void)
{
}

static inline void sanitizer_show(void)
{
}

static inline void sanitizer_release(const void *address)
{
    (void)address;
}

static inline void sanitizer_acquire(const void *address)
{
    (void)address;
}

static inline void sanitizer_forget(const void *low, size_t bytes)
{
    (void)low;
    (void)bytes;
}

static inline void sanitizer_be(const struct sanitizer_fiber *other)
{
    (void)other;
}

static inline void sanitizer_stand_apart(struct sanitizer_fiber *loop)
{
    (void)loop;
}

#endif

/* A stack begins its life: of a flow, or of a loop. */
static inline void sanitizer_init(struct sanitizer_fiber *self, void *low, void *top)
{
    self->valgrind_stack = sanitizer_valgrind_register(low, top);
    sanitizer_address_init(self, low, top);
    sanitizer_thread_init(self);
}

/* Of a flow of a loop that stands apart: who it is, its tasks say. */
static inline void sanitizer_init_apart(struct sanitizer_fiber *self, void *low, void *top,
                                        const struct sanitizer_fiber *loop)
{
    sanitizer_thread_lend(self, loop);
    self->valgrind_stack = sanitizer_valgrind_register(low, top);
    sanitizer_address_init(self, low, top);
}

/* Does anybody want to be told of flows that are gone? */
static inline bool sanitizer_follows(void)
{
    return SANITIZER_WATCHES || sanitizer_valgrind_runs();
}

static inline void sanitizer_fini(struct sanitizer_fiber *self)
{
    sanitizer_thread_fini(self);
    sanitizer_address_fresh(self);
    sanitizer_valgrind_deregister(self->valgrind_stack);
}

#endif
