/*
 * fd.h - waiting until a file descriptor is ready.
 *
 * A task calls read, write, accept or whatever on a descriptor that does not
 * block (O_NONBLOCK), and waits if there was nothing to be had:
 *
 *     while ((got = try_read(fd, bytes, size)) == -EAGAIN) {
 *         int ready = thrum_fd_wait(fd, THRUM_FD_READ);
 *
 *         if (ready < 0)
 *             return ready;
 *     }
 *
 * errno is a thread's, and a task may wake on another than it fell asleep on:
 * compilers keep errno's address over a call. So it is read in a function that
 * does not suspend, and is not inlined into one that does:
 *
 *     static __attribute__((noinline)) ssize_t try_read(int fd, void *bytes, size_t size)
 *     {
 *         ssize_t got = read(fd, bytes, size);
 *
 *         return got < 0 ? -errno : got;
 *     }
 *
 * Any number of tasks may wait for one descriptor; all whose event has come are
 * woken. So one of them may find nothing left, and must be ready to wait again.
 *
 * In the simulated world (THRUM_SIMULATE in run.h) what tasks of one run send to
 * each other through pipes, socket pairs, eventfds or sockets is ready when it was
 * sent, and noticed in an order that the seed decides, like everything else.
 * Timeouts around a wait are in virtual time. What comes from elsewhere, another
 * process, a thread or a clock (timerfd), is waited for only while there is a hold
 * (hold.h), and then in real time, while virtual time stands still, and a line says
 * that this run was not the seed's alone. Without a hold time passes over it, and if
 * there is no other deadline it is a deadlock. Sockets of a network, also on the
 * loopback interface, are the kernel's to deliver: nearly always at once; to be sure
 * that a run can be repeated take socket pairs.
 *
 * Descriptors are the program's: it opens and closes them. Waits are the
 * runtime's: one that was closed under a waiting task, without
 * thrum_fd_closing, may never wake it.
 *
 *   class   lock-free but for the wait list of a descriptor, which has a lock
 *           bit of its own: a thread stopped there delays only who waits for
 *           this one
 */
#ifndef THRUM_FD_H
#define THRUM_FD_H

#include <thrum/types.h>

THRUM_BEGIN_DECLS

/* What to wait for. One that has failed or was hung up is ready for both: the call will say so. */
enum {
    THRUM_FD_READ = 1, /* a read, accept or recv would not block */
    THRUM_FD_WRITE = 2 /* a write, send or connect would not, or has ended */
};

/*
 * Wait until the descriptor is ready for one of `events`, THRUM_FD_* or both. A call
 * that is cancelled has changed nothing: what was to be read still is. With a
 * timeout around it (time.h) it ends with that.
 *
 * It costs a system call, even if the descriptor is ready already: try first.
 *
 *   context   task
 *   suspends  yes
 *   returns   those of `events` that have come, not 0; THRUM_ECANCELED; -EINVAL: events;
 *             -EBADF: it is closed, or is being closed; -EPERM: one never waits for it, as for
 *             files on a disk; -ENOMEM, -ENOSPC: the kernel's limits
 */
THRUM_API THRUM_NODISCARD int thrum_fd_wait(int fd, unsigned events);

/*
 * The descriptor is about to be closed, and maybe its number used for another: who waits for
 * it in the runtime of the calling task wakes with -EBADF. No task may begin to wait for it
 * between this call and close(2). Not needed if nobody waits.
 *
 *   context   task
 *   suspends  no
 */
THRUM_API void thrum_fd_closing(int fd);

THRUM_END_DECLS

#endif
