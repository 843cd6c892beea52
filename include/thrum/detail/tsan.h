/*
 * tsan.h - what the inline functions do otherwise in a program built with ThreadSanitizer.
 *
 * Not an interface for users. A task that its owner's join runs inline is for the tool what it
 * is: another one (runtime/plat/races.h).
 */
#ifndef THRUM_DETAIL_TSAN_H
#define THRUM_DETAIL_TSAN_H

#include <thrum/types.h>

#if defined(__SANITIZE_THREAD__)
#define THRUM_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THRUM_TSAN 1
#endif
#endif

#if defined(THRUM_TSAN) && !defined(THRUM_MODEL)

THRUM_BEGIN_DECLS

THRUM_API int thrum_run_here(thrum_fn fn, void *arg, const void *task);

/* In a simulated world: what is done between these the tool does not see. */
THRUM_API void thrum_tsan_hide(void);
THRUM_API void thrum_tsan_show(void);

THRUM_END_DECLS

#define THRUM_RUN_HERE(fn, arg, task) thrum_run_here((fn), (arg), (task))

#else

#define THRUM_RUN_HERE(fn, arg, task) fn(arg)

#endif

#endif
