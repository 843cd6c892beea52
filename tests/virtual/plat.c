/*
 * plat.c - what runtime/plat promises, kept by the machine in the kernel's place.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/base.h"
#include "runtime/plat/clock.h"
#include "runtime/plat/cpus.h"
#include "runtime/plat/futex.h"
#include "runtime/plat/membarrier.h"
#include "runtime/plat/overflow.h"
#include "runtime/plat/poll.h"
#include "runtime/plat/thread.h"
#include "virtual/plat.h"

void thrum_panic(const char *format, ...)
{
    char text[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    machine_fail("%s", text);
}

/* ---- threads ---------------------------------------------------------------------------------- */

uint32_t thrum_thread_fail_after;

int thrum_thread_create(pthread_t *out, void *(*fn)(void *), void *arg, const char *name)
{
    static char names[64][16]; /* the caller's need not last */
    static unsigned next;
    char *kept = names[next++ % 64];

    snprintf(kept, sizeof names[0], "%s", name);
    *out = (pthread_t)machine_thread(fn, arg, kept);
    return 0;
}

int virtual_join(pthread_t thread, void **value)
{
    (void)value;
    machine_join((unsigned)thread);
    return 0;
}

int virtual_mutex_lock(pthread_mutex_t *mutex)
{
    machine_point(MACHINE_SITE);
    while (pthread_mutex_trylock(mutex))
        (void)virtual_yield();
    return 0;
}

int virtual_yield(void)
{
    for (int i = 0; i < 32; i++)
        machine_pause(MACHINE_SITE);
    return 0;
}

int virtual_cpus = 4;

int thrum_cpus_available(void)
{
    return virtual_cpus;
}

bool thrum_membarrier_setup(void)
{
    return true;
}

/* ---- time, sleep ------------------------------------------------------------------------------ */

int64_t thrum_clock_now(void)
{
    return machine_now(MACHINE_SITE);
}

void thrum_clock_skip(int64_t ns)
{
    (void)ns;
    thrum_panic("the virtual clock cannot be skipped");
}

int thrum_futex_wait(const uint32_t *word, uint32_t expected, int64_t timeout_ns)
{
    machine_point(MACHINE_SITE);
    if (*(const volatile uint32_t *)word != expected)
        return -EAGAIN;
    if (machine_below(64) == 0)
        return 0; /* for no reason */
    return machine_sleep(word, "futex", timeout_ns) ? 0 : -ETIMEDOUT;
}

void thrum_futex_wake(const uint32_t *word, int n)
{
    machine_point(MACHINE_SITE);
    machine_wake(word, n);
}

/* ---- descriptors ------------------------------------------------------------------------------ */

static struct descriptor {
    struct poll *poll;
    uint64_t key;
    uint32_t events; /* armed for; 0: not armed */
    uint32_t ready;  /* is */
    bool known;
} descriptors[VIRTUAL_DESCRIPTORS];

int thrum_poll_init(struct poll *poll)
{
    poll->epoll_fd = poll->event_fd = 0;
    memset(descriptors, 0, sizeof descriptors);
    return 0;
}

void thrum_poll_fini(struct poll *poll)
{
    (void)poll;
}

static bool is_due(const struct descriptor *one, const struct poll *poll)
{
    return one->poll == poll && one->events & one->ready;
}

void virtual_set_ready(int fd, uint32_t events)
{
    struct descriptor *one = &descriptors[fd];

    machine_point(MACHINE_SITE);
    one->ready = events;
    if (one->poll && is_due(one, one->poll))
        machine_wake(one->poll, 1);
}

bool thrum_poll_valid(int fd)
{
    return fd >= 0 && fd < VIRTUAL_DESCRIPTORS;
}

int thrum_poll_peek(int fd, uint32_t events)
{
    machine_point(MACHINE_SITE);
    return thrum_poll_valid(fd) ? (int)(descriptors[fd].ready & events) : -EBADF;
}

int thrum_poll_arm(struct poll *poll, int fd, uint32_t events, uint64_t key, bool *known)
{
    struct descriptor *one = &descriptors[fd];

    if (!thrum_poll_valid(fd))
        return -EBADF;
    machine_point(MACHINE_SITE);
    *known = one->known;
    *one = (struct descriptor){poll, key, events, one->ready, true};
    if (is_due(one, poll))
        machine_wake(poll, 1);
    return 0;
}

void thrum_poll_forget(struct poll *poll, int fd)
{
    (void)poll;
    machine_point(MACHINE_SITE);
    descriptors[fd].events = 0;
}

int thrum_poll_look(struct poll *poll, struct poll_event found[POLL_MOST])
{
    int n = 0;

    machine_point(MACHINE_SITE);
    for (int fd = 0; fd < VIRTUAL_DESCRIPTORS; fd++)
        if (is_due(&descriptors[fd], poll)) {
            found[n++] = (struct poll_event){descriptors[fd].key,
                                             descriptors[fd].events & descriptors[fd].ready};
            descriptors[fd].events = 0;
        }
    return n;
}

int thrum_poll_wait(struct poll *poll, int64_t timeout_ns, struct poll_event found[POLL_MOST])
{
    int n = thrum_poll_look(poll, found);

    if (n == 0 && poll->event_fd == 0 && machine_below(64) != 0)
        (void)machine_sleep(poll, "poller", timeout_ns);
    poll->event_fd = 0;
    return n ? n : thrum_poll_look(poll, found);
}

void thrum_poll_wake(struct poll *poll)
{
    machine_point(MACHINE_SITE);
    poll->event_fd = 1;
    machine_wake(poll, 1);
}

/* ---- nothing here ----------------------------------------------------------------------------- */

int thrum_overflow_install(void)
{
    return 0;
}

int thrum_overflow_thread_init(void)
{
    return 0;
}

void thrum_overflow_thread_fini(void)
{
}

void thrum_overflow_set_namer(const char *(*namer)(void))
{
    (void)namer;
}
