/*
 * futex.c - the system call behind futex.h.
 */
#include "runtime/plat/futex.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000

int thrum_futex_wait(const uint32_t *word, uint32_t expected, int64_t timeout_ns)
{
    struct timespec timeout = {
        .tv_sec = timeout_ns / NS_PER_S,
        .tv_nsec = timeout_ns % NS_PER_S,
    };
    const struct timespec *at_most = timeout_ns < 0 ? NULL : &timeout;

    return syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, at_most) == 0 ? 0 : -errno;
}

/* Cannot fail: the word is the caller's, aligned and mapped. */
void thrum_futex_wake(const uint32_t *word, int n)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n);
}
