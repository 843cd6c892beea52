/*
 * net.h - a simulated network: nodes, listeners, streams; behind the table of sched/io.h.
 *
 * A stream has two wires, one for each direction. What is written is a segment on its wire, and
 * that it arrives something that may happen (happen.h): later than anything else, but not
 * before what was written before it. Readiness is noticed as of any descriptor (notice.h), so
 * that who waits, waits by thrum_fd_wait.
 *
 * What goes wrong is decided by the oracle, with the faults of thrum/fault.h and in the same texts:
 *
 *   THRUM_FAULT_LATENCY   a segment takes its time
 *   THRUM_FAULT_BUGGIFY   a read or write does less than it could; a connection is refused, or
 *                         is reset; the link between two nodes is cut for a while
 *
 * and by the test itself: thrum_net_cut, thrum_net_crash.
 */
#ifndef THRUM_WORLD_NET_H
#define THRUM_WORLD_NET_H

#include "runtime/sched/io.h"
#include "runtime/world/notice.h"

#define NET_WINDOW 4096 /* bytes that were written and not read, in one direction */

struct segment;
struct socket_end;

/* Of a sim. Zero-filled: there is nothing. */
struct net {
    struct socket_end **ends; /* by number */
    size_t count, capacity;
    struct link *links; /* that are or were cut */
};

extern const struct io_verbs thrum_net_verbs;

/* As the poller's verbs of that name, for numbers with FD_OF_WORLD. */
int thrum_net_arm(struct sim *sim, int fd, uint32_t events, uint64_t key, bool *known);
void thrum_net_forget(struct sim *sim, int fd);
bool thrum_net_valid(struct sim *sim, int fd);
int thrum_net_peek(struct sim *sim, int fd, uint32_t events);

/*
 * A task's. The link between two nodes carries nothing any more; what is on it waits. It carries
 * again. 0 or -ENOMEM.
 */
int thrum_net_cut(struct sim *sim, uint32_t a, uint32_t b);
void thrum_net_mend(struct sim *sim, uint32_t a, uint32_t b);

/*
 * A task's. The node crashes and is there again at once, without its memory: what was on its wires
 * is lost, its numbers are closed (who waits for them is told), and who writes to it is
 * reset when that arrives. The tasks that are meant to run there the test has to cancel.
 */
void thrum_net_crash(struct sim *sim, uint32_t node);

/* How many numbers are open. */
size_t thrum_net_open(const struct sim *sim);

/* Nothing runs: a new history begins, with an empty network. */
void thrum_net_restart(struct sim *sim);
void thrum_net_fini(struct sim *sim);

#endif
