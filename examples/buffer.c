/*
 * buffer.c - a bounded buffer by hand: one mutex, and two conditions.
 *
 * With a single condition for both, a notification may wake another one who puts where one who
 * takes was meant, and all wait. So each kind of waiter has a condition of its own. (Whoever just
 * needs such a buffer takes thrum_queue.)
 *
 * Prints:
 *     40 items went through 3 places
 *     the sum is 780
 */
#include <stdio.h>

#include <thrum/thrum.h>

enum { ROOM = 3, TASKS = 2, EACH = 20 };

struct buffer {
    thrum_mutex mutex;
    thrum_cond not_full;
    thrum_cond not_empty;
    int items[ROOM];
    int head;
    int count;
    int most;
};

static int put(struct buffer *buffer, int item)
{
    int status = thrum_mutex_lock(&buffer->mutex);

    if (status)
        return status;
    while (buffer->count == ROOM && !status)
        status = thrum_cond_wait(&buffer->not_full, &buffer->mutex);
    if (!status) {
        buffer->items[(buffer->head + buffer->count++) % ROOM] = item;
        if (buffer->most < buffer->count)
            buffer->most = buffer->count;
        thrum_cond_notify(&buffer->not_empty, 1);
    }
    thrum_mutex_unlock(&buffer->mutex); /* after a cancelled wait too it is locked */
    return status;
}

static int take(struct buffer *buffer, int *item)
{
    int status = thrum_mutex_lock(&buffer->mutex);

    if (status)
        return status;
    while (buffer->count == 0 && !status)
        status = thrum_cond_wait(&buffer->not_empty, &buffer->mutex);
    if (!status) {
        *item = buffer->items[buffer->head];
        buffer->head = (buffer->head + 1) % ROOM;
        buffer->count--;
        thrum_cond_notify(&buffer->not_full, 1);
    }
    thrum_mutex_unlock(&buffer->mutex);
    return status;
}

struct worker {
    struct buffer *buffer;
    int first;
    int sum;
};

static int put_all(void *arg)
{
    const struct worker *worker = arg;
    int status = 0;

    for (int i = 0; i < EACH && !status; i++)
        status = put(worker->buffer, worker->first + i);
    return status;
}

static int take_all(void *arg)
{
    struct worker *worker = arg;
    int status = 0, item = 0;

    for (int i = 0; i < EACH && !status; i++) {
        status = take(worker->buffer, &item);
        worker->sum += item;
    }
    return status;
}

static int root(void *arg)
{
    struct buffer buffer = {
        .mutex = THRUM_MUTEX_INIT, .not_full = THRUM_COND_INIT, .not_empty = THRUM_COND_INIT};
    struct worker putters[TASKS], takers[TASKS];
    thrum_child children[2 * TASKS];
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    (void)arg;
    if (status)
        return status;
    for (int i = 0; i < TASKS && !status; i++) {
        putters[i] = (struct worker){&buffer, i * EACH, 0};
        takers[i] = (struct worker){&buffer, 0, 0};
        status = thrum_group_spawn_child(&group, &children[2 * i], take_all, &takers[i]);
        if (!status)
            status = thrum_group_spawn_child(&group, &children[2 * i + 1], put_all, &putters[i]);
    }
    status = thrum_group_close(&group, status, NULL);
    if (status)
        return status;
    printf("%d items went through %d places\n", TASKS * EACH, ROOM);
    printf("the sum is %d\n", takers[0].sum + takers[1].sum);
    return buffer.most <= ROOM && buffer.count == 0 ? 0 : THRUM_ESTATE;
}

int main(void)
{
    return thrum_run(root, NULL, NULL, NULL) ? 1 : 0;
}
