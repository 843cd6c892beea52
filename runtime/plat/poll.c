/*
 * poll.c - epoll, one-shot, and an eventfd for the wake.
 */
#define _GNU_SOURCE
#include "runtime/plat/poll.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
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
    int got = epoll_wait(fd, events, POLL_MOST, milliseconds(timeout_ns));

    return got >= 0 ? got : -errno;
}

static int wait_ns(int fd, struct epoll_event *events, int64_t timeout_ns)
{
    struct {
        int64_t s; /* as the kernel wants it on every machine */
        int64_t ns;
    } timeout = {timeout_ns / NS_PER_S, timeout_ns % NS_PER_S};
    long got = syscall(SYS_epoll_pwait2, fd, events, POLL_MOST, timeout_ns < 0 ? NULL : &timeout,
                       NULL, (size_t)0);

    return got >= 0 ? (int)got : -errno;
}

/* Sandboxes answer EPERM to calls that they do not know. */
static int wait_events(int fd, struct epoll_event *events, int64_t timeout_ns)
{
    int got;

    if (timeout_ns <= 0 || load_relaxed(&no_pwait2)) /* relaxed: a guess */
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

/* ---- descriptors ----------------------------------------------------------------------------- */

static uint32_t wanted(uint32_t events)
{
    return (events & POLL_READ ? EPOLLIN : 0) | (events & POLL_WRITE ? EPOLLOUT : 0);
}

static uint32_t found_in(uint32_t events)
{
    uint32_t found = events & (EPOLLERR | EPOLLHUP) ? POLL_BOTH : 0;

    found |= events & EPOLLIN ? POLL_READ : 0;
    return found | (events & EPOLLOUT ? POLL_WRITE : 0);
}

static int control(struct poll *poll, int how, int fd, struct epoll_event *event)
{
    return epoll_ctl(poll->epoll_fd, how, fd, event) == 0 ? 0 : -errno;
}

/*
 * The kernel knows a descriptor by its number and its file: a number that was closed and came
 * back is a new one, and one whose file lives on under another number is still the old.
 */
int thrum_poll_arm(struct poll *poll, int fd, uint32_t events, uint64_t key, bool *known)
{
    struct epoll_event event = {.events = wanted(events) | EPOLLONESHOT, .data = {.u64 = key}};
    int err = control(poll, *known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);

    if (err == -ENOENT || err == -EEXIST) {
        *known = !*known;
        err = control(poll, *known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    }
    return err;
}

void thrum_poll_forget(struct poll *poll, int fd)
{
    struct epoll_event unused = {.events = 0};

    (void)control(poll, EPOLL_CTL_DEL, fd, &unused);
}

bool thrum_poll_valid(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

int thrum_poll_peek(int fd, uint32_t events)
{
    struct pollfd one = {.fd = fd};
    uint32_t found;

    if (fd < 0)
        return -EBADF;
    one.events = (short)((events & POLL_READ ? POLLIN : 0) | (events & POLL_WRITE ? POLLOUT : 0));
    if (poll(&one, 1, 0) <= 0)
        return 0;
    if (one.revents & POLLNVAL)
        return -EBADF;
    found = one.revents & (POLLERR | POLLHUP) ? POLL_BOTH : 0;
    found |= (one.revents & POLLIN ? POLL_READ : 0) | (one.revents & POLLOUT ? POLL_WRITE : 0);
    return (int)(found & events);
}

/* *woken: somebody has said so. */
static int wait_found(struct poll *poll, int64_t timeout_ns, struct poll_event *found, bool *woken)
{
    struct epoll_event events[POLL_MOST];
    int got = wait_events(poll->epoll_fd, events, timeout_ns);
    int ready = 0;

    if (got < 0 && got != -EINTR)
        thrum_panic("epoll failed with error %d: its descriptor was closed by somebody else", -got);
    for (int i = 0; i < got; i++) {
        if (events[i].data.u64 == 0)
            *woken = true;
        else
            found[ready++] = (struct poll_event){events[i].data.u64, found_in(events[i].events)};
    }
    return ready;
}

int thrum_poll_wait(struct poll *poll, int64_t timeout_ns, struct poll_event found[POLL_MOST])
{
    bool woken = false;
    int ready = wait_found(poll, timeout_ns, found, &woken);

    if (woken)
        drain(poll->event_fd);
    return ready;
}

int thrum_poll_look(struct poll *poll, struct poll_event found[POLL_MOST])
{
    bool woken;

    return wait_found(poll, 0, found, &woken);
}

/* Fails only if the count is full, and then a wake is pending anyway. */
void thrum_poll_wake(struct poll *poll)
{
    uint64_t one = 1;
    ssize_t ignored = write(poll->event_fd, &one, sizeof(one));

    (void)ignored;
}
