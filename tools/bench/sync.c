/*
 * sync.c - workloads of tasks that wait for one another: two that take turns,
 * producers and consumers, and one lock for all.
 */
#include <stdlib.h>

#include "tools/bench/bench.h"

/* ---- pingpong ---------------------------------------------------------------------------- */

struct table {
    thrum_queue there;
    thrum_queue back;
    long n;
    unsigned long long sum;
};

static int pong(void *arg)
{
    struct table *table = arg;
    int status = 0;

    for (long i = 0; i < table->n && !status; i++) {
        long ball;

        status = thrum_queue_get(&table->there, &ball);
        if (!status)
            status = thrum_queue_put(&table->back, &ball);
    }
    return status;
}

static int ping(void *arg)
{
    struct table *table = arg;
    int status = 0;

    for (long i = 0; i < table->n && !status; i++) {
        long ball = i;

        status = thrum_queue_put(&table->there, &ball);
        if (!status)
            status = thrum_queue_get(&table->back, &ball);
        table->sum += (unsigned long long)ball;
    }
    return status;
}

static int play(struct table *table)
{
    thrum_child players[2];
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    if (status)
        return status;
    status = thrum_group_spawn_child(&group, &players[0], pong, table);
    if (!status)
        status = thrum_group_spawn_child(&group, &players[1], ping, table);
    return thrum_group_close(&group, status, NULL);
}

int pingpong(void *arg)
{
    struct job *job = arg;
    struct table table = {.n = job->n};
    thrum_queue_options options = THRUM_QUEUE_OPTIONS_INIT;
    double begin = now();
    int status;

    options.limit = 1;
    status = thrum_queue_init(&table.there, sizeof(long), &options);
    if (status)
        return status;
    status = thrum_queue_init(&table.back, sizeof(long), &options);
    if (!status) {
        status = play(&table);
        thrum_queue_destroy(&table.back);
    }
    thrum_queue_destroy(&table.there);
    job->seconds = now() - begin;
    job->ops = (double)job->n;
    job->check = table.sum;
    return status;
}

/* ---- mpmc -------------------------------------------------------------------------------- */

enum { SIDES = 4, ROOM = 100, LOCKERS = 8 };

struct side {
    thrum_queue *queue;
    long from, to;
    unsigned long long sum;
};

/* The k-th of so many shares of n begins here. */
static long share(long n, int k, int shares)
{
    return n / shares * k + (k < n % shares ? k : n % shares);
}

static int produce(void *arg)
{
    struct side *side = arg;
    int status = 0;

    for (long i = side->from; i < side->to && !status; i++)
        status = thrum_queue_put(side->queue, &i);
    return status;
}

static int consume(void *arg)
{
    struct side *side = arg;
    long item;
    int status;

    while ((status = thrum_queue_get(side->queue, &item)) == 0)
        side->sum += (unsigned long long)item;
    return status == THRUM_ESHUTDOWN ? 0 : status;
}

static int run_sides(struct side *sides, thrum_fn fn)
{
    thrum_child children[SIDES];
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    if (status)
        return status;
    status = thrum_group_spawn_n(&group, children, SIDES, fn, sides, sizeof *sides);
    return thrum_group_close(&group, status, NULL);
}

static int produce_all(void *arg)
{
    struct side *sides = arg;
    int status = run_sides(sides, produce);

    thrum_queue_shutdown(sides->queue, false);
    return status;
}

static int trade(struct side *producers, struct side *consumers)
{
    thrum_child children[1];
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    if (status)
        return status;
    status = thrum_group_spawn_child(&group, &children[0], produce_all, producers);
    if (!status)
        status = run_sides(consumers, consume);
    return thrum_group_close(&group, status, NULL);
}

int mpmc(void *arg)
{
    struct job *job = arg;
    struct side producers[SIDES], consumers[SIDES];
    thrum_queue_options options = THRUM_QUEUE_OPTIONS_INIT;
    thrum_queue queue;
    double begin = now();
    int status;

    options.limit = ROOM;
    status = thrum_queue_init(&queue, sizeof(long), &options);
    if (status)
        return status;
    for (int i = 0; i < SIDES; i++) {
        producers[i] =
            (struct side){&queue, share(job->n, i, SIDES), share(job->n, i + 1, SIDES), 0};
        consumers[i] = (struct side){.queue = &queue};
    }
    status = trade(producers, consumers);
    thrum_queue_destroy(&queue);
    job->seconds = now() - begin;
    job->ops = (double)job->n;
    for (int i = 0; i < SIDES; i++)
        job->check += consumers[i].sum;
    return status;
}

/* ---- mutex ------------------------------------------------------------------------------- */

struct counter {
    thrum_mutex mutex;
    unsigned long long count;
};

struct locker {
    struct counter *counter;
    long times;
};

static int count(void *arg)
{
    struct locker *self = arg;

    for (long i = 0; i < self->times; i++) {
        int status = thrum_mutex_lock(&self->counter->mutex);

        if (status)
            return status;
        self->counter->count++;
        if (i % 64 == 0)
            thrum_yield();
        thrum_mutex_unlock(&self->counter->mutex);
    }
    return 0;
}

int mutex(void *arg)
{
    struct job *job = arg;
    struct counter counter = {THRUM_MUTEX_INIT, 0};
    struct locker lockers[LOCKERS];
    thrum_child children[LOCKERS];
    thrum_group group;
    double begin = now();
    int status;

    for (int i = 0; i < LOCKERS; i++)
        lockers[i] = (struct locker){
            &counter, share(job->n, i + 1, LOCKERS) - share(job->n, i, LOCKERS)};
    status = thrum_group_open(&group, NULL);
    if (status)
        return status;
    status = thrum_group_spawn_n(&group, children, LOCKERS, count, lockers, sizeof *lockers);
    status = thrum_group_close(&group, status, NULL);
    job->seconds = now() - begin;
    job->ops = (double)job->n;
    job->check = counter.count;
    return status;
}
