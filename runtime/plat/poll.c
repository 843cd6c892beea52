/*
 * poll.c - epoll, and an eventfd for the wake.
 */
#define _GNU_SOURCE
#include "runtime/plat/poll.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime/atomic/verbs.h"
#include "runtime/base/base.h"

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

#define NS_PER_S 1000000000
#define NS_PER_MS 1000000

enum { EVENTS = 64 };

static uint32_t no_pwait2; /* atomic: the kernel does not have it */

int thrum_poll_init(struct poll *poll)
{
    struct epoll_event wake = {.events = EPOLLIN, .data = {.u64 = 0}};
    struct poll new;
    int err;

    new.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (new.epoll_fd < 0)
        return -errno;
    new.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (new.event_fd < 0) {
        err = -errno;
        goto close_epoll;
    }
    if (epoll_ctl(new.epoll_fd, EPOLL_CTL_ADD, new.event_fd, &wake) != 0) {
        err = -errno;
        goto close_event;
    }
    *poll = new;
    return 0;

close_event:
    close(new.event_fd);
close_epoll:
    close(new.epoll_fd);
    return err;
}

void thrum_poll_fini(struct poll *poll)
{
    close(poll->event_fd);
    close(poll->epoll_fd);
}

/* Rounded up: waking early would mean going round again. */
static int milliseconds(int64_t timeout_ns)
{
    int64_t ms = timeout_ns / NS_PER_MS + (timeout_ns % NS_PER_MS != 0);

    if (timeout_ns < 0)
        return -1;
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

static int wait_ms(int fd, struct epoll_event *events, int64_t timeout_ns)
{
    int got = epoll_wait(fd, events, EVENTS, milliseconds(timeout_ns));

    return got >= 0 ? got : -errno;
}

static int wait_ns(int fd, struct epoll_event *events, int64_t timeout_ns)
{
    struct {
        int64_t s; /* as the kernel wants it on every machine */
        int64_t ns;
    } timeout = {timeout_ns / NS_PER_S, timeout_ns % NS_PER_S};
    long got = syscall(SYS_epoll_pwait2, fd, events, EVENTS, timeout_ns < 0 ? NULL : &timeout,
                       NULL, (size_t)0);

    return got >= 0 ? (int)got : -errno;
}

/* Sandboxes answer EPERM to calls that they do not know. */
static int wait_events(int fd, struct epoll_event *events, int64_t timeout_ns)
{
    int got;

    if (timeout_ns < 0 || load_relaxed(&no_pwait2)) /* relaxed: a guess */
        return wait_ms(fd, events, timeout_ns);
    got = wait_ns(fd, events, timeout_ns);
    if (got != -ENOSYS && got != -EPERM)
        return got;
    store_relaxed(&no_pwait2, 1); /* relaxed: a guess */
    return wait_ms(fd, events, timeout_ns);
}

static void drain(int event_fd)
{
    uint64_t count;
    ssize_t ignored = read(event_fd, &count, sizeof(count));

    (void)ignored;
}

int thrum_poll_wait(struct poll *poll, int64_t timeout_ns)
{
    struct epoll_event events[EVENTS];
    int got = wait_events(poll->epoll_fd, events, timeout_ns);
    int ready = 0;

    if (got < 0 && got != -EINTR)
        thrum_panic("epoll failed with error %d: its descriptor was closed by somebody else",
                    -got);
    for (int i = 0; i < got; i++) {
        if (events[i].data.u64 == 0)
            drain(poll->event_fd);
        else
            ready++;
    }
    return ready;
}

/* Fails only if the count is full, and then a wake is pending anyway. */
void thrum_poll_wake(struct poll *poll)
{
    uint64_t one = 1;
    ssize_t ignored = write(poll->event_fd, &one, sizeof(one));

    (void)ignored;
}
