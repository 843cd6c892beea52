/*
 * io.h - what a world has of the outside: the table through which sockets go, and files will.
 *
 * Descriptors are numbers, and calls do not block: what cannot be done yet is -EAGAIN, and then
 * thrum_fd_wait waits for the number, as for any. So the layer above is written once, and
 * whether the kernel or a simulated network answers is the world's business:
 *
 *     while ((got = io->read(world, fd, bytes, size)) == -EAGAIN) {
 *         int ready = thrum_fd_wait(fd, THRUM_FD_READ);
 *
 *         if (ready < 0)
 *             return ready;
 *     }
 *
 * world/net.c is the simulated one. There is none yet for the real world, and no public header
 * leads here: world/README.md says what is missing.
 */
#ifndef THRUM_SCHED_IO_H
#define THRUM_SCHED_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct world;

/* Numbers with this bit are not the kernel's, but a world's own. */
#define FD_OF_WORLD ((int)1 << 30)

/* A node is what an IPv4 address is in the real world: what can crash and be cut off. */
struct io_address {
    uint32_t node;
    uint32_t port;
};

/* In a task of the world. All return a negative errno if the world refuses. */
struct io_verbs {
    /* A number that is ready to be read when there is somebody to accept. -EADDRINUSE */
    int (*listen)(struct world *world, struct io_address at, unsigned backlog);
    /* The number of a connection. -EAGAIN: nobody has come */
    int (*accept)(struct world *world, int fd);
    /* A number at once; it is ready to be written when `outcome` knows. */
    int (*connect)(struct world *world, uint32_t from_node, struct io_address to);
    /* 0: connected; -EAGAIN: not known yet; -ECONNREFUSED and others: it is not, and never will */
    int (*outcome)(struct world *world, int fd);
    /* How many bytes, maybe fewer than there are; 0: the other side has finished. -ECONNRESET */
    ssize_t (*read)(struct world *world, int fd, void *bytes, size_t size);
    /* How many were taken, maybe fewer than there is room for. -EPIPE, -ECONNRESET */
    ssize_t (*write)(struct world *world, int fd, const void *bytes, size_t size);
    /* Nothing more is written; what was written arrives, and then the other side reads 0. */
    int (*finish)(struct world *world, int fd);
    /* The number is free. What was written still arrives, unless something is unread here. */
    int (*close)(struct world *world, int fd);
};

#endif
