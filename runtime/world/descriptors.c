/* descriptors.c - looking at the kernel's descriptors, and when what is found is told. */
#include "runtime/world/descriptors.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "runtime/plat/memory.h"
#include "runtime/plat/races.h"
#include "runtime/sched/internal.h"
#include "runtime/world/sim.h"

/*
 * A segment on the loopback interface is there when send returns, unless the kernel is too busy
 * and leaves it to a thread of its own. So long it gets, in real time, when all wait.
 */
#define SETTLE_NS ((int64_t)20000000)

static struct poll *poll_of(const struct sim *sim)
{
    return &sim->worker->scheduler->poll;
}

/* ---- arming ---------------------------------------------------------------------------------- */

/* NULL: out of memory. */
static struct descriptor *find_or_make(struct descriptors *descriptors, int fd)
{
    struct descriptor *one;

    while (descriptors->count <= (size_t)fd) {
        if (!thrum_memory_reserve(&descriptors->all, descriptors->count, &descriptors->capacity,
                                  sizeof(struct descriptor *)))
            return NULL;
        descriptors->all[descriptors->count++] = NULL;
    }
    while (descriptors->found_capacity < descriptors->count)
        if (!thrum_memory_reserve(&descriptors->found, descriptors->found_capacity,
                                  &descriptors->found_capacity, sizeof(struct descriptor *)))
            return NULL;
    if (descriptors->all[fd])
        return descriptors->all[fd];
    one = thrum_memory_get(sizeof *one, 16);
    if (!one)
        return NULL;
    return descriptors->all[fd] = one;
}

static bool is_network(int fd)
{
    int domain;
    socklen_t size = sizeof domain;

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain != AF_UNIX;
}

/* The number stands for another file than it did, as far as we know. */
static void learn(struct descriptors *descriptors, struct descriptor *one, int fd)
{
    descriptors->networks -= one->network;
    one->network = is_network(fd);
    descriptors->networks += one->network;
}

int thrum_descriptors_arm(struct sim *sim, int fd, uint32_t events, uint64_t key, bool *known)
{
    struct descriptors *descriptors = &sim->descriptors;
    struct descriptor *one = find_or_make(descriptors, fd);
    int err = one ? thrum_notice_arm(sim, &one->notice, key) : -ENOMEM;

    if (err)
        return err;
    if (!*known)
        learn(descriptors, one, fd);
    one->order = ++descriptors->armings;
    return thrum_poll_arm(poll_of(sim), fd, events, key, known);
}

void thrum_descriptors_forget(struct sim *sim, int fd)
{
    thrum_poll_forget(poll_of(sim), fd);
    if ((size_t)fd < sim->descriptors.count && sim->descriptors.all[fd])
        thrum_happening_call_off(sim, &sim->descriptors.all[fd]->notice.noticed);
}

/* ---- looking --------------------------------------------------------------------------------- */

/* One that was found ready before and not noticed yet keeps its place. */
static size_t note(struct descriptors *descriptors, const struct poll_event *event, size_t n)
{
    struct descriptor *one = descriptors->all[(uint32_t)event->key];

    if (thrum_notice_found(&one->notice, event->key, event->events))
        descriptors->found[n++] = one;
    return n;
}

static int by_order(const void *left, const void *right)
{
    const struct descriptor *a = *(struct descriptor *const *)left;
    const struct descriptor *b = *(struct descriptor *const *)right;

    return a->order < b->order ? -1 : a->order > b->order;
}

static void begin(struct sim *sim, size_t n)
{
    struct descriptor **found = sim->descriptors.found;

    if (n > 1)
        qsort(found, n, sizeof(struct descriptor *), by_order);
    for (size_t i = 0; i < n; i++)
        thrum_notice_begin(sim, &found[i]->notice);
}

void thrum_descriptors_look(struct sim *sim)
{
    struct poll_event events[POLL_MOST];
    size_t n = 0;
    int got;

    do {
        got = thrum_poll_look(poll_of(sim), events);
        for (int i = 0; i < got; i++)
            n = note(&sim->descriptors, &events[i], n);
    } while (got >= POLL_MOST - 1); /* one may have been a wake */
    begin(sim, n);
}

static void note_and_begin(struct sim *sim, const struct poll_event *events, int got)
{
    size_t n = 0;

    for (int i = 0; i < got; i++)
        n = note(&sim->descriptors, &events[i], n);
    begin(sim, n);
}

bool thrum_descriptors_settle(struct sim *sim)
{
    struct poll_event events[POLL_MOST];
    int got;

    if (!poller_wanted(sim->worker->scheduler) || sim->descriptors.networks == 0)
        return false;
    got = thrum_poll_wait(poll_of(sim), SETTLE_NS, events);
    note_and_begin(sim, events, got);
    return got > 0;
}

void thrum_descriptors_wait_outside(struct sim *sim, int64_t patience)
{
    struct poll_event events[POLL_MOST];
    bool waited_for = poller_wanted(sim->worker->scheduler);
    unsigned got = thrum_worker_wait_outside(sim->worker, patience, events);

    sim->descriptors.outside += waited_for;
    note_and_begin(sim, events, (int)got);
}

/* ---- histories ------------------------------------------------------------------------------- */

void thrum_descriptors_restart(struct sim *sim)
{
    struct descriptors *descriptors = &sim->descriptors;

    for (size_t i = 0; i < descriptors->count; i++)
        if (descriptors->all[i])
            thrum_happening_call_off(sim, &descriptors->all[i]->notice.noticed);
    descriptors->armings = 0;
    descriptors->outside = 0;
}

void thrum_descriptors_fini(struct sim *sim)
{
    struct descriptors *descriptors = &sim->descriptors;

    for (size_t i = 0; i < descriptors->count; i++)
        thrum_memory_put(descriptors->all[i]);
    thrum_memory_put(descriptors->all);
    thrum_memory_put(descriptors->found);
}
