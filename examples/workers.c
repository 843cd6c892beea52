/*
 * workers.c - a few tasks that take work from a queue, each piece with a deadline of its own.
 *
 * A piece that takes too long is given up, and its worker goes on with the next. When there is no
 * more work the queue is shut down: who waits for more is told, and ends.
 *
 * Prints:
 *     piece 0: done
 *     piece 1: done
 *     piece 2: given up after 10 ms
 *     piece 3: done
 *     piece 4: given up after 10 ms
 *     piece 5: done
 */
#include <stdio.h>

#include <thrum/thrum.h>

enum { WORKERS = 2, PIECES = 6 };

/* Nanoseconds: what it takes, what it may take, and how it went. */
struct piece {
    int64_t takes, allowed;
    int status;
};

static int do_piece(void *arg)
{
    const struct piece *piece = arg;

    return thrum_sleep(piece->takes);
}

/* Until the queue says that there is no more. A cancel from outside ends it too. */
static int work(void *arg)
{
    thrum_queue *queue = arg;
    struct piece *piece;
    int status;

    while ((status = thrum_queue_get(queue, &piece)) == 0) {
        piece->status = thrum_wait_for(do_piece, piece, piece->allowed);
        thrum_queue_task_done(queue);
        if (piece->status == THRUM_ECANCELED)
            return piece->status;
    }
    return status == THRUM_ESHUTDOWN ? 0 : status;
}

/* Puts all pieces, waits until they are done, and sends the workers home. */
static int hand_out(thrum_queue *queue, struct piece *pieces)
{
    int status = 0;

    for (int i = 0; i < PIECES && !status; i++) {
        struct piece *piece = &pieces[i];

        status = thrum_queue_put(queue, &piece);
    }
    if (!status)
        status = thrum_queue_join(queue);
    thrum_queue_shutdown(queue, false);
    return status;
}

static int root(void *arg)
{
    struct piece pieces[PIECES];
    thrum_child workers[WORKERS];
    thrum_group group;
    thrum_queue queue;
    int status;

    (void)arg;
    for (int i = 0; i < PIECES; i++)
        pieces[i] = i == 2 || i == 4
                        ? (struct piece){.takes = THRUM_FOREVER, .allowed = thrum_ms(10)}
                        : (struct piece){.takes = 0, .allowed = thrum_s(60)};
    status = thrum_queue_init(&queue, sizeof(struct piece *), NULL);
    if (status)
        return status;
    status = thrum_group_open(&group, NULL);
    if (status)
        goto destroy_queue;
    for (int i = 0; i < WORKERS && !status; i++)
        status = thrum_group_spawn_child(&group, &workers[i], work, &queue);
    if (!status)
        status = hand_out(&queue, pieces);
    status = thrum_group_close(&group, status, NULL);
    for (int i = 0; i < PIECES; i++)
        printf("piece %d: %s\n", i,
               pieces[i].status == THRUM_ETIMEOUT ? "given up after 10 ms"
               : pieces[i].status                 ? "failed"
                                                  : "done");
destroy_queue:
    thrum_queue_destroy(&queue);
    return status;
}

int main(void)
{
    return thrum_run(root, NULL, NULL, NULL) ? 1 : 0;
}
