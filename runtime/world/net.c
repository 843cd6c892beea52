/*
 * net.c - the simulated network.
 *
 * An end is a listener, or one of the two of a stream. It lives until both are closed and nothing
 * is on their wires; until then its number is taken. Each wire is a queue, whose first segment is
 * what may happen next there, as long as the link is not cut.
 *
 * What a stream of the real world does as well: what was written before a close arrives; who writes
 * to an end that is closed, or has crashed, is reset, but only when that has arrived; who only
 * reads hears nothing of a crash. What it leaves out: the window opens when bytes are read, without
 * a segment of its own; an answer to a connect takes no time of its own.
 */
#include "runtime/world/net.h"

#include <errno.h>
#include <string.h>

#include <thrum/fault.h>

#include "runtime/plat/memory.h"
#include "runtime/world/sim.h"

/* Places that are buggified (thrum/fault.h). */
enum place {
    PLACE_READ = 0x6e657401, /* shorter than it could be */
    PLACE_WRITE,             /* likewise */
    PLACE_REFUSE,            /* a connect */
    PLACE_RESET,             /* a stream, at a write */
    PLACE_CUT                /* a link, at a connect or write */
};

#define CUT_LEAST 10  /* a link that is cut by chance: for 2 to that power of nanoseconds, */
#define CUT_POWERS 24 /* or to one of so many that follow */

enum segment_kind { SEGMENT_CONNECT, SEGMENT_DATA, SEGMENT_FINISH, SEGMENT_RESET };

struct segment {
    struct segment *next;
    enum segment_kind kind;
    int64_t due; /* it does not arrive before */
    size_t size;
    size_t taken; /* of it, by the reader */
    unsigned char bytes[];
};

struct segments {
    struct segment *first;
    struct segment *last;
};

struct wire {
    struct happening arrives; /* the first of the segments */
    struct segments on_it;
};

enum end_kind { END_FREE, END_LISTENER, END_STREAM };

struct socket_end {
    struct notice notice; /* first */
    uint32_t wanted;      /* events of an arming that has found nothing yet */
    enum end_kind kind;
    bool closed;     /* its number is none any more */
    bool connecting; /* the answer has not come */
    bool finished;   /* nothing more is written */
    bool over;       /* nothing more comes */
    int error;       /* of the stream, when what has come is read */
    struct io_address at;
    struct io_address to;
    struct socket_end *peer; /* of a stream that is connected */
    struct wire out;
    struct segments in;         /* what has come */
    size_t pending;             /* bytes written, which the peer has not read */
    struct socket_end *next;    /* in `waiting` */
    struct socket_end *waiting; /* listener: to be accepted, in order */
    unsigned waiting_count;
    unsigned backlog;
};

struct link {
    struct happening mends; /* if it was cut by chance */
    struct link *next;
    uint32_t a, b; /* nodes, the smaller one first */
    bool cut;
};

static struct net *net_of(struct sim *sim)
{
    return &sim->net;
}

/* ---- segments -------------------------------------------------------------------------------- */

static void append(struct segments *segments, struct segment *one)
{
    one->next = NULL;
    if (segments->last)
        segments->last->next = one;
    else
        segments->first = one;
    segments->last = one;
}

static struct segment *take_first(struct segments *segments)
{
    struct segment *first = segments->first;

    segments->first = first->next;
    if (!segments->first)
        segments->last = NULL;
    return first;
}

static void drop_all(struct segments *segments)
{
    while (segments->first)
        thrum_memory_put(take_first(segments));
}

/* ---- ends ------------------------------------------------------------------------------------ */

static struct socket_end *end_at(struct sim *sim, int fd)
{
    const struct net *net = net_of(sim);
    size_t index = (size_t)(fd & ~FD_OF_WORLD);
    struct socket_end *end = fd & FD_OF_WORLD && index < net->count ? net->ends[index] : NULL;

    return end && end->kind != END_FREE && !end->closed ? end : NULL;
}

static int number_of(struct sim *sim, const struct socket_end *end)
{
    int index = 0;

    while (net_of(sim)->ends[index] != end)
        index++;
    return FD_OF_WORLD | index;
}

/* The lowest number that is free. NULL: out of memory. */
static struct socket_end *end_new(struct sim *sim, enum end_kind kind)
{
    struct net *net = net_of(sim);
    struct socket_end *end;
    size_t i = 0;

    while (i < net->count && net->ends[i]->kind != END_FREE)
        i++;
    if (i == net->count) {
        if (!thrum_memory_reserve(&net->ends, net->count, &net->capacity,
                                  sizeof(struct socket_end *)))
            return NULL;
        end = thrum_memory_get(sizeof *end, 16);
        if (!end)
            return NULL;
        net->ends[net->count++] = end;
    }
    end = net->ends[i];
    *end = (struct socket_end){.kind = kind};
    return end;
}

static bool rests(const struct socket_end *end)
{
    return end->closed && !end->out.on_it.first;
}

static void end_free(struct sim *sim, struct socket_end *end)
{
    thrum_happening_call_off(sim, &end->notice.noticed);
    thrum_happening_call_off(sim, &end->out.arrives);
    drop_all(&end->out.on_it);
    drop_all(&end->in);
    end->kind = END_FREE;
}

/* If nobody needs it any more, nor its peer. */
static void free_at_rest(struct sim *sim, struct socket_end *end)
{
    struct socket_end *peer = end->peer;

    if (!rests(end) || (peer && !rests(peer)))
        return;
    end_free(sim, end);
    if (peer)
        end_free(sim, peer);
}

/* ---- readiness ------------------------------------------------------------------------------- */

static bool is_broken(const struct socket_end *end)
{
    return end->closed || end->error;
}

static uint32_t ready_for(const struct socket_end *end)
{
    uint32_t ready = 0;

    if (end->kind == END_LISTENER)
        return end->closed ? POLL_BOTH : end->waiting ? POLL_READ : 0;
    if (is_broken(end))
        return POLL_BOTH;
    if (end->connecting)
        return 0;
    if (end->in.first || end->over)
        ready |= POLL_READ;
    if (end->finished || end->pending < NET_WINDOW)
        ready |= POLL_WRITE;
    return ready;
}

/* What it is ready for may have changed. */
static void changed(struct sim *sim, struct socket_end *end)
{
    uint32_t found = ready_for(end) & end->wanted;

    if (!found)
        return;
    end->wanted = 0;
    if (thrum_notice_found(&end->notice, end->notice.armed, found))
        thrum_notice_begin(sim, &end->notice);
}

int thrum_net_arm(struct sim *sim, int fd, uint32_t events, uint64_t key, bool *known)
{
    struct socket_end *end = end_at(sim, fd);
    int err = end ? thrum_notice_arm(sim, &end->notice, key) : -EBADF;

    *known = end != NULL;
    if (err)
        return err;
    end->wanted = events;
    changed(sim, end);
    return 0;
}

void thrum_net_forget(struct sim *sim, int fd)
{
    struct socket_end *end = end_at(sim, fd);

    if (!end)
        return;
    end->wanted = 0;
    thrum_happening_call_off(sim, &end->notice.noticed);
}

bool thrum_net_valid(struct sim *sim, int fd)
{
    return end_at(sim, fd) != NULL;
}

int thrum_net_peek(struct sim *sim, int fd, uint32_t events)
{
    const struct socket_end *end = end_at(sim, fd);

    return end ? (int)(ready_for(end) & events) : -EBADF;
}

/* ---- links ----------------------------------------------------------------------------------- */

static struct link *link_between(struct sim *sim, uint32_t a, uint32_t b)
{
    struct link *link = net_of(sim)->links;

    while (link && (link->a != (a < b ? a : b) || link->b != (a < b ? b : a)))
        link = link->next;
    return link;
}

static bool is_cut(struct sim *sim, uint32_t a, uint32_t b)
{
    const struct link *link = link_between(sim, a, b);

    return link && link->cut;
}

static void move(struct sim *sim, struct socket_end *end);

static void mend(struct sim *sim, struct link *link)
{
    struct net *net = net_of(sim);

    thrum_happening_call_off(sim, &link->mends);
    link->cut = false;
    for (size_t i = 0; i < net->count; i++)
        move(sim, net->ends[i]);
}

static void mends(struct sim *sim, struct happening *happening)
{
    mend(sim, container_of(happening, struct link, mends));
}

/* NULL: out of memory. */
static struct link *cut(struct sim *sim, uint32_t a, uint32_t b)
{
    struct net *net = net_of(sim);
    struct link *link = link_between(sim, a, b);

    if (!link) {
        link = thrum_memory_get(sizeof *link, 16);
        if (!link)
            return NULL;
        *link = (struct link){.next = net->links, .a = a < b ? a : b, .b = a < b ? b : a};
        link->mends.happens = mends;
        net->links = link;
    }
    link->cut = true;
    for (size_t i = 0; i < net->count; i++)
        if (is_cut(sim, net->ends[i]->at.node, net->ends[i]->to.node))
            thrum_happening_call_off(sim, &net->ends[i]->out.arrives);
    return link;
}

/* ---- what goes wrong ------------------------------------------------------------------------- */

static bool buggify(struct sim *sim, enum place place)
{
    return thrum_oracle_fault(sim->oracle, sim, sim->running, THRUM_FAULT_BUGGIFY,
                              (uint64_t)place) != 0;
}

static size_t maybe_less(struct sim *sim, enum place place, size_t size)
{
    return size > 1 && buggify(sim, place) ? size / 2 : size;
}

/* For a while. */
static void maybe_cut(struct sim *sim, uint32_t a, uint32_t b)
{
    struct link *link;

    if (a == b || is_cut(sim, a, b) || !buggify(sim, PLACE_CUT))
        return;
    link = cut(sim, a, b);
    if (link && thrum_happening_announce(sim, &link->mends) == 0)
        thrum_happening_begin(sim, &link->mends,
                              (int64_t)1
                                  << (CUT_LEAST + thrum_oracle_draw(sim->oracle, sim, CUT_POWERS)));
    else if (link)
        mend(sim, link);
}

/* ---- wires ----------------------------------------------------------------------------------- */

/* Lets the first segment arrive, if it can and does not yet. */
static void move(struct sim *sim, struct socket_end *end)
{
    const struct segment *first = end->out.on_it.first;

    if (!first || end->out.arrives.state != HAPPENING_NONE ||
        is_cut(sim, end->at.node, end->to.node))
        return;
    if (thrum_happening_announce(sim, &end->out.arrives))
        thrum_panic("a simulated network has no memory for what happens");
    thrum_happening_begin(sim, &end->out.arrives, first->due - sim->now);
}

static void fail(struct sim *sim, struct socket_end *end, int error)
{
    end->connecting = false;
    if (!end->error)
        end->error = error;
    changed(sim, end);
}

static struct socket_end *listener_at(struct sim *sim, struct io_address at)
{
    const struct net *net = net_of(sim);

    for (size_t i = 0; i < net->count; i++) {
        struct socket_end *end = net->ends[i];

        if (end->kind == END_LISTENER && !end->closed && end->at.node == at.node &&
            end->at.port == at.port)
            return end;
    }
    return NULL;
}

/* Somebody wants to connect. */
static void knock(struct sim *sim, struct socket_end *from)
{
    struct socket_end *listener = listener_at(sim, from->to);
    struct socket_end *other = NULL, **place;

    if (listener && listener->waiting_count < listener->backlog)
        other = end_new(sim, END_STREAM);
    if (!other) {
        fail(sim, from, -ECONNREFUSED);
        return;
    }
    other->at = from->to;
    other->to = from->at;
    other->peer = from;
    from->peer = other;
    from->connecting = false;
    for (place = &listener->waiting; *place; place = &(*place)->next)
        continue;
    *place = other;
    listener->waiting_count++;
    changed(sim, listener);
    changed(sim, from);
}

/* A segment has arrived at the other end, and is to be freed unless it is kept there. */
static bool keep(struct sim *sim, struct socket_end *from, struct segment *segment)
{
    struct socket_end *at = from->peer;

    if (segment->kind == SEGMENT_CONNECT) {
        if (!from->closed)
            knock(sim, from);
        return false;
    }
    if (at->closed) { /* nobody is there any more */
        if (segment->kind != SEGMENT_RESET)
            fail(sim, from, -ECONNRESET);
        return false;
    }
    if (segment->kind == SEGMENT_DATA)
        append(&at->in, segment);
    else if (segment->kind == SEGMENT_FINISH)
        at->over = true;
    else
        fail(sim, at, -ECONNRESET);
    changed(sim, at);
    return segment->kind == SEGMENT_DATA;
}

static void arrives(struct sim *sim, struct happening *happening)
{
    struct wire *wire = container_of(happening, struct wire, arrives);
    struct socket_end *from = container_of(wire, struct socket_end, out);
    struct segment *segment = take_first(&wire->on_it);

    if (!keep(sim, from, segment))
        thrum_memory_put(segment);
    move(sim, from);
    free_at_rest(sim, from);
}

/* 0 or -ENOMEM. */
static int post(struct sim *sim, struct socket_end *end, enum segment_kind kind, const void *bytes,
                size_t size)
{
    struct segment *segment = thrum_memory_get(sizeof *segment + size, 16);

    if (!segment)
        return -ENOMEM;
    *segment = (struct segment){.kind = kind, .due = sim->now + thrum_latency(sim), .size = size};
    if (size)
        memcpy(segment->bytes, bytes, size);
    append(&end->out.on_it, segment);
    end->out.arrives.happens = arrives;
    move(sim, end);
    return 0;
}

/* ---- the verbs ------------------------------------------------------------------------------- */

/* Others may go first; then what the number stands for. */
static struct socket_end *enter(struct world *world, int fd, enum thrum_point_kind what)
{
    struct sim *sim = sim_of(world);

    world->point(world, what, end_at(sim, fd));
    return end_at(sim, fd);
}

static int net_listen(struct world *world, struct io_address at, unsigned backlog)
{
    struct sim *sim = sim_of(world);
    struct socket_end *end;

    world->point(world, THRUM_POINT_HERE, NULL);
    if (listener_at(sim, at))
        return -EADDRINUSE;
    end = end_new(sim, END_LISTENER);
    if (!end)
        return -ENOMEM;
    end->at = end->to = at;
    end->backlog = backlog ? backlog : 1;
    return number_of(sim, end);
}

static int net_accept(struct world *world, int fd)
{
    struct socket_end *end = enter(world, fd, THRUM_POINT_ACQUIRE);
    struct socket_end *first;

    if (!end)
        return -EBADF;
    if (end->kind != END_LISTENER)
        return -EINVAL;
    first = end->waiting;
    if (!first)
        return -EAGAIN;
    end->waiting = first->next;
    end->waiting_count--;
    return number_of(sim_of(world), first);
}

static int net_connect(struct world *world, uint32_t from_node, struct io_address to)
{
    struct sim *sim = sim_of(world);
    struct socket_end *end;
    int err;

    world->point(world, THRUM_POINT_HERE, NULL);
    end = end_new(sim, END_STREAM);
    if (!end)
        return -ENOMEM;
    end->at.node = from_node;
    end->to = to;
    if (buggify(sim, PLACE_REFUSE)) {
        end->error = -ECONNREFUSED;
        return number_of(sim, end);
    }
    maybe_cut(sim, from_node, to.node);
    end->connecting = true;
    err = post(sim, end, SEGMENT_CONNECT, NULL, 0);
    if (err) {
        end_free(sim, end);
        return err;
    }
    return number_of(sim, end);
}

static int net_outcome(struct world *world, int fd)
{
    const struct socket_end *end = enter(world, fd, THRUM_POINT_READ);

    if (!end)
        return -EBADF;
    if (end->kind != END_STREAM)
        return -EINVAL;
    return end->connecting ? -EAGAIN : end->error;
}

/* What has come, across segments. */
static size_t take_bytes(struct socket_end *end, unsigned char *bytes, size_t size)
{
    size_t done = 0;

    while (done < size && end->in.first) {
        struct segment *first = end->in.first;
        size_t left = first->size - first->taken;
        size_t n = left < size - done ? left : size - done;

        memcpy(bytes + done, first->bytes + first->taken, n);
        first->taken += n;
        done += n;
        if (first->taken == first->size)
            thrum_memory_put(take_first(&end->in));
    }
    return done;
}

static ssize_t net_read(struct world *world, int fd, void *bytes, size_t size)
{
    struct sim *sim = sim_of(world);
    struct socket_end *end = enter(world, fd, THRUM_POINT_ACQUIRE);
    size_t got;

    if (!end)
        return -EBADF;
    if (end->kind != END_STREAM)
        return -EINVAL;
    if (end->connecting)
        return -EAGAIN;
    if (size == 0)
        return 0;
    if (!end->in.first)
        return end->error ? end->error : end->over ? 0 : -EAGAIN;
    got = take_bytes(end, bytes, maybe_less(sim, PLACE_READ, size));
    end->peer->pending -= got;
    changed(sim, end->peer);
    return (ssize_t)got;
}

/* Why nothing can be written; 0: it can. */
static int unwritable(const struct socket_end *end)
{
    if (end->kind != END_STREAM)
        return -EINVAL;
    if (end->connecting)
        return -EAGAIN;
    if (end->error)
        return end->error;
    if (end->finished)
        return -EPIPE;
    return end->pending < NET_WINDOW ? 0 : -EAGAIN;
}

static ssize_t net_write(struct world *world, int fd, const void *bytes, size_t size)
{
    struct sim *sim = sim_of(world);
    struct socket_end *end = enter(world, fd, THRUM_POINT_RELEASE);
    int err = end ? unwritable(end) : -EBADF;

    if (err || size == 0)
        return err;
    if (buggify(sim, PLACE_RESET)) {
        (void)post(sim, end, SEGMENT_RESET, NULL,
                   0); /* without memory the other side hears nothing */
        fail(sim, end, -ECONNRESET);
        return -ECONNRESET;
    }
    maybe_cut(sim, end->at.node, end->to.node);
    if (size > NET_WINDOW - end->pending)
        size = NET_WINDOW - end->pending;
    size = maybe_less(sim, PLACE_WRITE, size);
    err = post(sim, end, SEGMENT_DATA, bytes, size);
    if (err)
        return err;
    end->pending += size;
    return (ssize_t)size;
}

static int net_finish(struct world *world, int fd)
{
    struct sim *sim = sim_of(world);
    struct socket_end *end = enter(world, fd, THRUM_POINT_RELEASE);
    int err;

    if (!end)
        return -EBADF;
    if (end->kind != END_STREAM)
        return -EINVAL;
    if (end->connecting || end->error)
        return -ENOTCONN;
    if (end->finished)
        return 0;
    err = post(sim, end, SEGMENT_FINISH, NULL, 0);
    end->finished = err == 0;
    changed(sim, end);
    return err;
}

/* Those who wait to be accepted are reset. */
static void hang_up(struct sim *sim, struct socket_end *end)
{
    bool unread = end->in.first != NULL;

    end->closed = true;
    drop_all(&end->in);
    while (end->waiting) {
        struct socket_end *first = end->waiting;

        end->waiting = first->next;
        (void)post(sim, first, SEGMENT_RESET, NULL, 0);
        first->error = -ECONNRESET;
        hang_up(sim, first);
    }
    if (end->peer && !end->error && !end->finished)
        (void)post(sim, end, unread ? SEGMENT_RESET : SEGMENT_FINISH, NULL, 0);
    free_at_rest(sim, end);
}

static int net_close(struct world *world, int fd)
{
    struct sim *sim = sim_of(world);
    struct socket_end *end = enter(world, fd, THRUM_POINT_RELEASE);

    if (!end)
        return -EBADF;
    end->wanted = 0;
    thrum_happening_call_off(sim, &end->notice.noticed);
    hang_up(sim, end);
    return 0;
}

const struct io_verbs thrum_net_verbs = {.listen = net_listen,
                                         .accept = net_accept,
                                         .connect = net_connect,
                                         .outcome = net_outcome,
                                         .read = net_read,
                                         .write = net_write,
                                         .finish = net_finish,
                                         .close = net_close};

/* ---- the test's ------------------------------------------------------------------------------ */

int thrum_net_cut(struct sim *sim, uint32_t a, uint32_t b)
{
    struct link *link;

    sim->world.point(&sim->world, THRUM_POINT_HERE, NULL);
    link = cut(sim, a, b);
    if (!link)
        return -ENOMEM;
    thrum_happening_call_off(sim, &link->mends); /* not by itself */
    return 0;
}

void thrum_net_mend(struct sim *sim, uint32_t a, uint32_t b)
{
    struct link *link;

    sim->world.point(&sim->world, THRUM_POINT_HERE, NULL);
    link = link_between(sim, a, b);
    if (link)
        mend(sim, link);
}

/* Not freed before the history ends: somebody may have to be told. */
static void crash(struct sim *sim, struct socket_end *end)
{
    thrum_happening_call_off(sim, &end->out.arrives);
    drop_all(&end->out.on_it);
    drop_all(&end->in);
    end->closed = true;
    end->waiting = NULL;
    changed(sim, end); /* who waits finds that the number is none any more */
}

void thrum_net_crash(struct sim *sim, uint32_t node)
{
    struct net *net = net_of(sim);

    sim->world.point(&sim->world, THRUM_POINT_HERE, NULL);
    for (size_t i = 0; i < net->count; i++)
        if (net->ends[i]->kind != END_FREE && net->ends[i]->at.node == node)
            crash(sim, net->ends[i]);
}

size_t thrum_net_open(const struct sim *sim)
{
    size_t open = 0;

    for (size_t i = 0; i < sim->net.count; i++)
        open += sim->net.ends[i]->kind != END_FREE && !sim->net.ends[i]->closed;
    return open;
}

/* ---- histories ------------------------------------------------------------------------------- */

void thrum_net_restart(struct sim *sim)
{
    struct net *net = net_of(sim);

    for (size_t i = 0; i < net->count; i++)
        end_free(sim, net->ends[i]);
    while (net->links) {
        struct link *link = net->links;

        net->links = link->next;
        thrum_happening_call_off(sim, &link->mends);
        thrum_memory_put(link);
    }
}

void thrum_net_fini(struct sim *sim)
{
    struct net *net = net_of(sim);

    thrum_net_restart(sim);
    for (size_t i = 0; i < net->count; i++)
        thrum_memory_put(net->ends[i]);
    thrum_memory_put(net->ends);
}
