/*
 * fd.c - tasks that wait for descriptors.
 *
 * Each number has a watch: a list of who waits for it. One arming stands for all
 * of them. Whoever comes arms anew, and so does who has woken some of them while
 * others are left. An arming's key has the number and a generation, which
 * counts the armings of this number: what was found for an earlier one is
 * dropped. Nothing is lost by that, for the kernel looks at the descriptor at
 * each arming, and a number that was closed and opened again cannot be woken by
 * what happened to the old one.
 *
 * Who brings an event, be it a worker or the clock, has others' in its hands and
 * waits for no lock: it posts the event at the watch, and sees to it if the lock
 * is free. If it is not, who holds it sees to it before or after he leaves.
 *
 * Edges
 *   fd.chunk    make -> find      the watches, zero-filled
 *   fd.posted   post <-> leave    who posts finds the lock free, or who leaves sees the post
 */
#include <thrum/fault.h>
#include <thrum/fd.h>

#include <errno.h>
#include <stdio.h>

#include <thrum/detail/point.h>

#include "runtime/base/point.h"
#include "runtime/plat/memory.h"
#include "runtime/task/task.h"

_Static_assert((int)THRUM_FD_READ == (int)POLL_READ && (int)THRUM_FD_WRITE == (int)POLL_WRITE,
               "events have the same names everywhere");

#define FIRST_CHUNK 64u /* watches */

/* ---- the table ------------------------------------------------------------------------------- */

static struct fds *fds_of(struct scheduler *scheduler)
{
    return &runtime_of(scheduler)->fds;
}

/* Where its chunk is, how long that is, and which of its watches. */
static uint64_t *chunk_of(struct scheduler *scheduler, int fd, size_t *length, unsigned *index)
{
    unsigned place = ((unsigned)fd & ~(unsigned)FD_OF_WORLD) + FIRST_CHUNK;
    unsigned chunk = 25 - (unsigned)__builtin_clz(place);

    *length = (size_t)FIRST_CHUNK << chunk;
    *index = place - (FIRST_CHUNK << chunk);
    return &fds_of(scheduler)->chunks[(fd & FD_OF_WORLD) != 0][chunk];
}

/* NULL: nobody has waited for this number, or one near it. */
static struct watch *find(struct scheduler *scheduler, int fd)
{
    size_t length;
    unsigned index;
    uint64_t *chunk = chunk_of(scheduler, fd, &length, &index);
    struct watch *watches = pointer_of(load_acquire(chunk)); /* EDGE fd.chunk */

    return watches ? &watches[index] : NULL;
}

/* 0 or -ENOMEM. */
static int make(struct scheduler *scheduler, int fd)
{
    size_t length;
    unsigned index;
    uint64_t *chunk = chunk_of(scheduler, fd, &length, &index);
    struct watch *watches = thrum_memory_get(length * sizeof *watches, 64);
    uint64_t none = 0;

    if (!watches)
        return -ENOMEM;
    if (!cas_acq_rel(chunk, &none, word_of(watches))) /* EDGE fd.chunk */
        thrum_memory_put(watches);
    return 0;
}

/* Memory is spent only on a number that is a descriptor's. 0, -EBADF, -ENOMEM. */
static int find_or_make(struct scheduler *scheduler, int fd, struct watch **out)
{
    int err;

    if (fd < 0)
        return -EBADF;
    if (thrum_fault(THRUM_FAULT_MEMORY))
        return -ENOMEM;
    *out = find(scheduler, fd);
    if (LIKELY(*out != NULL))
        return 0;
    if (!thrum_poller_valid(scheduler, fd))
        return -EBADF;
    err = make(scheduler, fd);
    *out = find(scheduler, fd);
    return err;
}

void thrum_fds_free(struct fds *fds)
{
    for (unsigned i = 0; i < FD_CHUNKS; i++) {
        thrum_memory_put(pointer_of(load_acquire(&fds->chunks[0][i]))); /* EDGE fd.chunk */
        thrum_memory_put(pointer_of(load_acquire(&fds->chunks[1][i]))); /* EDGE fd.chunk */
    }
}

/* ---- events, under the lock ------------------------------------------------------------------ */

/* A new generation: what is on its way for earlier ones is void. */
static uint64_t next_key(struct watch *watch, int fd)
{
    uint32_t generation = watch->list.state + 1;

    if (generation == 0)
        generation = 1;
    watch->list.state = generation;
    store_release(&watch->posted, (uint64_t)generation << 32); /* EDGE fd.posted */
    return (uint64_t)generation << 32 | (uint32_t)fd;
}

static void give(struct watch *watch, struct waiter *one, int result)
{
    one->item = pointer_of((uint64_t)(int64_t)result);
    thrum_waiters_claim_this(&watch->list, one, &watch->woken);
}

int thrum_fd_result(const struct waiter *self)
{
    return (int)(int64_t)word_of(self->item);
}

/* All but one, or NULL, wait for what has been closed. */
static void fail(struct watch *watch, const struct waiter *but)
{
    struct waiter *next;

    for (struct waiter *one = watch->list.first; one; one = next) {
        next = one->next;
        if (one != but)
            give(watch, one, -EBADF);
    }
}

/*
 * For all who wait, and `comer`, or NULL, linked or not; if that cannot be, they are told, but not
 * he, whose the status is.
 */
static int arm(struct scheduler *scheduler, struct watch *watch, int fd, const struct waiter *comer)
{
    bool known = watch->known;
    uint32_t events = comer ? comer->stamp : 0;
    int err;

    for (const struct waiter *one = watch->list.first; one; one = one->next)
        events |= one->stamp;
    POINT("fd.arm");
    err = thrum_poller_arm(scheduler, fd, events, next_key(watch, fd), &known);
    if (err || (watch->known && !known))
        fail(watch, comer);
    watch->known = err == 0;
    return err;
}

/* Not without end under one hold of the lock: the arming for the rest finds it ready again. */
static void see_to_posted(struct scheduler *scheduler, struct watch *watch, int fd)
{
    uint32_t events = (uint32_t)load_acquire(&watch->posted); /* EDGE fd.posted */
    struct waiter *next;

    if (!events)
        return;
    store_relaxed(&watch->posted, (uint64_t)watch->list.state << 32); /* relaxed: an arming finds
                                                                         one event at most */
    for (struct waiter *one = watch->list.first; one && watch->woken.n < WAKE_BATCH; one = next) {
        next = one->next;
        if (one->stamp & events)
            give(watch, one, (int)(one->stamp & events));
    }
    if (watch->list.first)
        (void)arm(scheduler, watch, fd, NULL);
}

/* ---- the lock -------------------------------------------------------------------------------- */

/* Leave the lock, and wake whom we have claimed. */
static void leave(struct scheduler *scheduler, struct watch *watch, int fd)
{
    for (;;) {
        struct woken woken;

        see_to_posted(scheduler, watch, fd);
        woken = watch->woken;
        watch->woken = (struct woken){NULL, NULL, 0};
        waiters_unlock(&watch->list);
        POINT("fd.left");
        thrum_woken_ready(&woken);
        fence_seq();                                   /* EDGE fd.posted */
        if (!(uint32_t)load_acquire(&watch->posted) || /* EDGE fd.posted */
            !lock_try(&watch->list.lock))
            return;
    }
}

/* False: it is late. */
static bool post(struct watch *watch, uint64_t generation, uint32_t events)
{
    uint64_t seen = load_relaxed(&watch->posted); /* relaxed: a guess */

    do {
        if (seen >> 32 != generation)
            return false;
    } while (!cas_acq_rel(&watch->posted, &seen, seen | events)); /* EDGE fd.posted */
    return true;
}

void thrum_fd_polled(struct scheduler *scheduler, uint64_t key, uint32_t events)
{
    int fd = (int)(uint32_t)key;
    struct watch *watch = find(scheduler, fd);

    if (!post(watch, key >> 32, events))
        return;
    POINT("fd.posted");
    fence_seq(); /* EDGE fd.posted */
    if (lock_try(&watch->list.lock))
        leave(scheduler, watch, fd);
}

/* ---- waiting --------------------------------------------------------------------------------- */

/* For reports: number and events as one word. */
static const void *object_of(int fd, uint32_t events)
{
    return pointer_of((uint64_t)(uint32_t)fd << 2 | events);
}

static void tell(const void *object, bool still, char *text, size_t size)
{
    static const char *const what[] = {"", "read", "write", "read or write"};
    uint64_t word = word_of(object);

    (void)still;
    snprintf(text, size, "%sdescriptor %d, to %s", word >> 2 & FD_OF_WORLD ? "simulated " : "",
             (int)(word >> 2 & ~(uint64_t)FD_OF_WORLD), what[word & POLL_BOTH]);
}

static const struct wait_kind kind = {.what = "descriptor", .tell = tell};

/* Ended by what was no event; *status says whether by a cancel. True: sleep on, in its place. */
static bool sleep_again(struct scheduler *scheduler, struct watch *watch, int fd,
                        struct waiter *self, int *status)
{
    struct wait wait;
    bool again;

    if (!*status)
        *status = thrum_wait_begin(&wait);
    waiters_lock(&watch->list);
    again = self->linked && !*status;
    if (again)
        self->wait = wait;
    else if (self->linked)
        thrum_waiters_unlink(&watch->list, self);
    else if (!*status)
        *status = thrum_fd_result(self); /* its event came when it looked asleep no more */
    leave(scheduler, watch, fd);
    return again;
}

static int wait_for(struct scheduler *scheduler, struct watch *watch, int fd, struct waiter *self)
{
    const void *object = object_of(fd, self->stamp);
    int status;

    do {
        thrum_strand_waits(self->wait.strand, &kind, object);
        if (thrum_wait_sleep(&self->wait) == WAIT_WOKEN)
            return thrum_fd_result(self);
        status = thrum_cancel_deliver();
    } while (sleep_again(scheduler, watch, fd, self, &status));
    return status;
}

/* Counted as one who waits. */
static int link_and_wait(struct scheduler *scheduler, struct watch *watch, int fd,
                         struct waiter *self)
{
    int err;

    waiters_lock(&watch->list);
    thrum_waiters_link(&watch->list, self);
    err = arm(scheduler, watch, fd, self);
    if (err)
        thrum_waiters_unlink(&watch->list, self);
    leave(scheduler, watch, fd);
    return err ? err : wait_for(scheduler, watch, fd, self);
}

int thrum_fd_wait(int fd, unsigned events)
{
    struct waiter self = {.stamp = events};
    struct scheduler *scheduler;
    struct watch *watch;
    int status;

    if (!thrum_worker_self())
        thrum_panic("thrum_fd_wait was called outside a task; use poll(2) there");
    if (events == 0 || events & ~(unsigned)POLL_BOTH)
        return -EINVAL;
    scheduler = worker_here()->scheduler;
    /* the same in the world, whether anybody has waited for this number in an earlier run, or not */
    if (UNLIKELY(scheduler->world != NULL) && !thrum_poller_valid(scheduler, fd))
        return -EBADF;
    status = find_or_make(scheduler, fd, &watch);
    if (status)
        return status;
    thrum_point_at(THRUM_POINT_ACQUIRE, watch);
    status = thrum_waiter_begin(&self);
    if (status)
        return status;
    thrum_poller_expect(scheduler);
    status = link_and_wait(scheduler, watch, fd, &self);
    thrum_poller_dismiss(scheduler);
    return status;
}

void thrum_fd_closing(int fd)
{
    struct scheduler *scheduler;
    struct watch *watch;

    if (!thrum_worker_self())
        thrum_panic("thrum_fd_closing was called outside a task; use shutdown(2) there");
    thrum_point_at(THRUM_POINT_HERE, NULL); /* the same whether anybody has waited for it, or not */
    scheduler = worker_here()->scheduler;
    watch = fd < 0 ? NULL : find(scheduler, fd);
    if (!watch)
        return;
    waiters_lock(&watch->list);
    (void)next_key(watch, fd);
    fail(watch, NULL);
    if (watch->known)
        thrum_poller_forget(scheduler, fd);
    watch->known = false;
    leave(scheduler, watch, fd);
}

/* ---- selects --------------------------------------------------------------------------------- */

/* Lock held. What it waits for, or a status; 0: nothing yet, and it will be told. */
static int look(struct scheduler *scheduler, struct watch *watch, struct waiter *self)
{
    int fd = (int)load_relaxed(&watch->fd); /* relaxed: see thrum_fd_select */
    int found = thrum_poller_peek(scheduler, fd, self->stamp);
    int err = 0;

    if (found < 0)
        return found;
    if (found == 0 || !watch->known) /* what is no descriptor to wait for, arming says */
        err = arm(scheduler, watch, fd, self);
    return err ? err : found;
}

static bool is_ready(struct waiters *list, struct waiter *self)
{
    struct watch *watch = container_of(list, struct watch, list);

    self->item = pointer_of((uint64_t)(int64_t)look(worker_here()->scheduler, watch, self));
    return self->item != NULL;
}

/* Nobody takes it from it. */
static bool again(struct waiters *list, struct waiter *self)
{
    (void)list;
    return self->item != NULL;
}

/* While nothing moves: for what it is waited for, by all. */
static void tell_watch(const void *object, bool still, char *text, size_t size)
{
    const struct watch *watch = object;
    uint32_t events = 0;

    for (const struct waiter *one = still ? watch->list.first : NULL; one; one = one->next)
        events |= one->stamp;
    if (events)
        tell(object_of((int)load_relaxed(&watch->fd), events), still, text, size); /* relaxed: as
                                                                                      above */
    else
        snprintf(text, size, "descriptor %d", (int)load_relaxed(&watch->fd)); /* relaxed: as above */
}

const struct waiters_kind thrum_fd_waiters = {
    .again = again, .ready = is_ready, .wait = {.what = "descriptor", .tell = tell_watch}};

/* A number that is none has a watch for all such, which is never armed. */
int thrum_fd_select(int fd, uint32_t events, void **watch)
{
    struct scheduler *scheduler = worker_here()->scheduler;
    struct watch *found;
    int err;

    if (events == 0 || events & ~(uint32_t)POLL_BOTH)
        return -EINVAL;
    err = find_or_make(scheduler, fd, &found);
    if (err == -ENOMEM)
        return err;
    if (err)
        found = &fds_of(scheduler)->none;
    store_relaxed(&found->fd, err ? UINT32_MAX : (uint32_t)fd); /* relaxed: always the same */
    *watch = found;
    return 0;
}

bool thrum_fd_glance(int fd, uint32_t events)
{
    return thrum_poller_peek(worker_here()->scheduler, fd, events) != 0;
}

void thrum_fd_unlock(void *watch)
{
    leave(worker_here()->scheduler, watch, (int)load_relaxed(&((struct watch *)watch)->fd));
    /* relaxed: as above */
}
