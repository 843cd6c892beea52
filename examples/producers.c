/*
 * producers.c - producers and consumers with a bounded queue between them.
 *
 * The queue holds four items, so producers that are faster wait. When the last of them has
 * ended the queue is shut down: consumers take what is left, and then end, however many they are.
 * No item of a special value has to be put for each of them.
 *
 * Prints:
 *     put 60 items, with the sum 1770
 *     took 60 items, with the sum 1770
 */
#include <stdio.h>

#include <thrum/thrum.h>

enum { PRODUCERS = 2, CONSUMERS = 3, EACH = 30 };

struct producer {
    thrum_queue *queue;
    int first;
    int sum;
};

struct consumer {
    thrum_queue *queue;
    int items;
    int sum;
};

static int produce(void *arg)
{
    struct producer *producer = arg;

    for (int i = 0; i < EACH; i++) {
        int item = producer->first + i;
        int status = thrum_queue_put(producer->queue, &item);

        if (status)
            return status;
        producer->sum += item;
    }
    return 0;
}

static int consume(void *arg)
{
    struct consumer *consumer = arg;
    int item, status;

    while ((status = thrum_queue_get(consumer->queue, &item)) == 0) {
        consumer->items++;
        consumer->sum += item;
    }
    return status == THRUM_ESHUTDOWN ? 0 : status;
}

/* All producers at once; when they have ended, there will be no more. */
static int produce_all(thrum_queue *queue, struct producer *producers)
{
    thrum_child children[PRODUCERS];
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    if (status)
        return status;
    for (int i = 0; i < PRODUCERS && !status; i++) {
        producers[i] = (struct producer){queue, i * EACH, 0};
        status = thrum_group_spawn_child(&group, &children[i], produce, &producers[i]);
    }
    status = thrum_group_close(&group, status, NULL);
    thrum_queue_shutdown(queue, false);
    return status;
}

static void print(const struct producer *producers, const struct consumer *consumers)
{
    int put = 0, taken = 0, items = 0;

    for (int i = 0; i < PRODUCERS; i++)
        put += producers[i].sum;
    for (int i = 0; i < CONSUMERS; i++) {
        items += consumers[i].items;
        taken += consumers[i].sum;
    }
    printf("put %d items, with the sum %d\n", PRODUCERS * EACH, put);
    printf("took %d items, with the sum %d\n", items, taken);
}

static int root(void *arg)
{
    struct producer producers[PRODUCERS];
    struct consumer consumers[CONSUMERS];
    thrum_child children[CONSUMERS];
    thrum_queue_options options = THRUM_QUEUE_OPTIONS_INIT;
    thrum_queue queue;
    thrum_group group;
    int status;

    (void)arg;
    options.limit = 4;
    status = thrum_queue_init(&queue, sizeof(int), &options);
    if (status)
        return status;
    status = thrum_group_open(&group, NULL);
    if (status)
        goto destroy_queue;
    for (int i = 0; i < CONSUMERS && !status; i++) {
        consumers[i] = (struct consumer){&queue, 0, 0};
        status = thrum_group_spawn_child(&group, &children[i], consume, &consumers[i]);
    }
    if (!status)
        status = produce_all(&queue, producers);
    status = thrum_group_close(&group, status, NULL);
    if (!status)
        print(producers, consumers);
destroy_queue:
    thrum_queue_destroy(&queue);
    return status;
}

int main(void)
{
    return thrum_run(root, NULL, NULL, NULL) ? 1 : 0;
}
