/*
 * futex.h - sleeping until a word changes. Private to the process.
 *
 * No condition variables anywhere in Thrum: those of glibc before 2.41 can
 * lose a wake-up. Under ThreadSanitizer a futex orders nothing; the word
 * itself is accessed with the orders that are needed.
 */
#ifndef THRUM_PLAT_FUTEX_H
#define THRUM_PLAT_FUTEX_H

#include <stdint.h>

/*
 * Sleep while *word is `expected`, at most timeout_ns nanoseconds from now;
 * a negative timeout is none. Returns 0 when woken, which may be for no
 * reason; -EAGAIN if *word was something else, -EINTR, -ETIMEDOUT.
 */
int thrum_futex_wait(const uint32_t *word, uint32_t expected, int64_t timeout_ns);

/* Wake at most n of those asleep on *word. */
void thrum_futex_wake(const uint32_t *word, int n);

#endif
