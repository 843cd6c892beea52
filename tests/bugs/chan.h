/* chan.h - Go's channels, made of queues: without room a send waits until it was received. */
#ifndef TESTS_BUGS_CHAN_H
#define TESTS_BUGS_CHAN_H

#include "tests/bugs/kit.h"

enum { CHAN_ROOM = 4 };

struct chan {
    thrum_queue items, taken;
    int ring[CHAN_ROOM], taken_ring[CHAN_ROOM];
    bool unbuffered;
};

static inline int chan_make(struct chan *chan, size_t room)
{
    thrum_queue_options options = THRUM_QUEUE_OPTIONS_INIT;

    chan->unbuffered = room == 0;
    options.limit = room ? room : 1;
    options.ring = chan->ring;
    DO(thrum_queue_init(&chan->items, sizeof(int), &options));
    options.limit = CHAN_ROOM;
    options.ring = chan->taken_ring;
    return thrum_queue_init(&chan->taken, sizeof(int), &options);
}

/* Into a closed one: Go's would panic. */
static inline int chan_send(struct chan *chan, int item)
{
    int status = thrum_queue_put(&chan->items, &item);

    if (!status && chan->unbuffered)
        status = thrum_queue_get(&chan->taken, &item);
    return status == THRUM_ESHUTDOWN ? BUG : status;
}

/* What the receiver owes after it has got an item, by a select for instance. */
static inline int chan_took(struct chan *chan)
{
    int item = 0;

    return chan->unbuffered ? thrum_queue_put(&chan->taken, &item) : 0;
}

/* THRUM_ESHUTDOWN: it is closed. */
static inline int chan_receive(struct chan *chan, int *item)
{
    int ignored;
    int status = thrum_queue_get(&chan->items, item ? item : &ignored);

    return status ? status : chan_took(chan);
}

static inline void chan_close(struct chan *chan)
{
    thrum_queue_shutdown(&chan->items, false);
}

/* Receive, or find it closed; the first of two channels. -1 or lower: refused; else which. */
static inline int chan_either(struct chan *one, struct chan *other)
{
    int item;
    thrum_case cases[] = {thrum_case_get(&one->items, &item), thrum_case_get(&other->items, &item)};
    int which = thrum_select(cases, 2, 0);

    if (which >= 0 && cases[which].result == 0)
        DO(chan_took(which ? other : one));
    return which;
}

#define SEND(chan, item) DO(chan_send(&(chan), (item)))
#define RECEIVE(chan)                                \
    do {                                             \
        int received = chan_receive(&(chan), NULL);  \
        if (received && received != THRUM_ESHUTDOWN) \
            return received;                         \
    } while (0)

#endif
