/*
 * base.h - the small things that every file needs: branch hints, container_of,
 * assertions, and the sentence with which a broken contract ends the process.
 */
#ifndef THRUM_BASE_H
#define THRUM_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define NOINLINE __attribute__((noinline))

#define CACHE_LINE 64

#define container_of(pointer, type, member) \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/*
 * The caller broke the contract: say what was wrong and what to do, and stop
 * the process, in every build.
 */
__attribute__((noreturn, cold, format(printf, 1, 2))) void thrum_panic(const char *format, ...);

/* We broke an invariant. Checked in debug builds (no NDEBUG). */
#ifdef NDEBUG
#define ASSERT(condition) ((void)sizeof(condition))
#else
#define ASSERT(condition)                                                              \
    ((condition) ? (void)0                                                             \
                 : thrum_panic("internal error at %s:%d: %s does not hold; please " \
                               "report it",                                            \
                               __FILE__, __LINE__, #condition))
#endif

#endif
