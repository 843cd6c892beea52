/* queue.c - queues and broadcasts. */
#include "tests/seeded/kit.h"

static struct {
    thrum_queue queue;
    struct model_queue kind;
    struct log log;
    int64_t got[CREW_MAX];
    int done;
} q;

static bool smaller(const void *a, const void *b)
{
    return *(const int64_t *)a < *(const int64_t *)b;
}

static int begin(enum thrum_order order, uint32_t limit)
{
    thrum_queue_options options = THRUM_QUEUE_OPTIONS_INIT;

    memset(&q, 0, sizeof q);
    log_init(&q.log);
    q.kind = (struct model_queue){order, limit};
    options.order = (uint32_t)order;
    options.limit = limit;
    options.before = order == THRUM_PRIORITY ? smaller : NULL;
    return thrum_queue_init(&q.queue, sizeof(int64_t), &options);
}

static int put(uint32_t lane, int64_t item)
{
    uint32_t call = log_begin(&q.log, lane, QUEUE_PUT, item);

    return log_end(&q.log, call, thrum_queue_put(&q.queue, &item), 0);
}

static int try_put(uint32_t lane, int64_t item)
{
    uint32_t call = log_begin(&q.log, lane, QUEUE_TRY_PUT, item);

    return log_end(&q.log, call, thrum_queue_try_put(&q.queue, &item), 0);
}

static int get(uint32_t lane, int64_t *item)
{
    uint32_t call = log_begin(&q.log, lane, QUEUE_GET, 0);
    int status = thrum_queue_get(&q.queue, item);

    return log_end(&q.log, call, status, *item);
}

static int try_get(uint32_t lane, int64_t *item)
{
    uint32_t call = log_begin(&q.log, lane, QUEUE_TRY_GET, 0);
    int status = thrum_queue_try_get(&q.queue, item);

    return log_end(&q.log, call, status, *item);
}

static void shut(uint32_t lane, bool now)
{
    uint32_t call = log_begin(&q.log, lane, now ? QUEUE_SHUT_NOW : QUEUE_SHUT, 0);

    thrum_queue_shutdown(&q.queue, now);
    log_end(&q.log, call, 0, 0);
}

/* Take out what is left, and judge all. */
static int end(int status)
{
    int64_t item = 0;

    for (int i = 0; !status && i < CALLS_MAX && try_get(CREW_MAX, &item) == 0; i++)
        continue;
    if (!status)
        status = log_check(&q.log, model_queue(&q.kind));
    if (!status)
        thrum_queue_destroy(&q.queue); /* else somebody may still stand in it */
    return status;
}

/* ---- all that a queue can do, in any order --------------------------------------------------- */

static int producer(void *arg)
{
    DO(put(LANE, 10 * LANE + 2));
    DO(put(LANE, 10 * LANE + 1));
    return 0;
}

static int consumer(void *arg)
{
    int64_t item = 0;
    int status;

    while ((status = get(LANE, &item)) == 0)
        continue;
    return status == THRUM_ESHUTDOWN ? 0 : status;
}

static int cancel_consumer(void *arg)
{
    (void)arg;
    crew_cancel(3);
    return 0;
}

static int cancel_producer(void *arg)
{
    (void)arg;
    crew_cancel(1);
    return 0;
}

static int closer(void *arg)
{
    DO(thrum_task_join(crew.tasks[0], NULL));
    DO(thrum_task_join(crew.tasks[1], NULL));
    shut(LANE, false);
    return 0;
}

static int mix(enum thrum_order order, uint32_t limit)
{
    DO(begin(order, limit));
    return end(
        CREW(producer, producer, consumer, consumer, cancel_consumer, cancel_producer, closer));
}

static int queue_fifo(void *arg)
{
    (void)arg;
    return mix(THRUM_FIFO, 2);
}

static int queue_lifo(void *arg)
{
    (void)arg;
    return mix(THRUM_LIFO, 2);
}

static int queue_priority(void *arg)
{
    static const int64_t first[] = {25, 3, 30, 14, 8};

    (void)arg;
    DO(begin(THRUM_PRIORITY, 6));
    for (int i = 0; i < 5; i++)
        DO(try_put(CREW_MAX, first[i]));
    return end(CREW(producer, producer, consumer, consumer, cancel_consumer, closer));
}

static int queue_unbounded(void *arg)
{
    (void)arg;
    return mix(THRUM_FIFO, 0);
}

/* Two who never wait, beside one who puts and one who gets. */
static int trier(void *arg)
{
    int64_t item = 0;

    (void)!try_put(LANE, 10 * LANE + 1);
    (void)!try_get(LANE, &item);
    (void)!try_put(LANE, 10 * LANE + 2);
    return 0;
}

static int queue_try(void *arg)
{
    (void)arg;
    DO(begin(THRUM_FIFO, 1));
    return end(CREW(producer, producer, trier, consumer, trier, closer));
}

/* Some hear of no cancel, and are disturbed by it while they wait. */
static int shielded(thrum_fn fn, void *arg)
{
    thrum_shield shield;
    int status;

    thrum_shield_begin(&shield);
    status = fn(arg);
    if (thrum_shield_end(&shield) && status == 0)
        status = THRUM_ECANCELED;
    return status;
}

static int shielded_producer(void *arg)
{
    return shielded(producer, arg);
}

static int shielded_consumer(void *arg)
{
    return shielded(consumer, arg);
}

static int queue_shielded(void *arg)
{
    (void)arg;
    DO(begin(THRUM_FIFO, 1));
    return end(CREW(producer, shielded_producer, consumer, shielded_consumer, cancel_consumer,
                    cancel_producer, closer));
}

/* ---- turns ----------------------------------------------------------------------------------- */

/* One after the other they wait; then three items come, while the first or second gives up. */
static int getter_in_turn(void *arg)
{
    int64_t item = 0;

    AT(LANE + 1);
    DO(get(LANE, &item));
    q.got[LANE] = item;
    return 0;
}

static int put_three(void *arg)
{
    AT(10);
    for (int64_t item = 1; item <= 3; item++)
        DO(try_put(LANE, item));
    return 0;
}

/* When all is quiet again. */
static int put_late(void *arg)
{
    AT(5);
    return put_three(arg);
}

static int cancel_first(void *arg)
{
    (void)arg;
    AT(10);
    crew_cancel(0);
    return 0;
}

static int cancel_second(void *arg)
{
    (void)arg;
    AT(10);
    crew_cancel(1);
    return 0;
}

static int queue_get_turn(void *arg)
{
    int64_t last = 0;

    (void)arg;
    DO(begin(THRUM_FIFO, 8));
    DO(end(CREW(getter_in_turn, getter_in_turn, getter_in_turn, put_three, cancel_first,
                cancel_second)));
    EXPECT(q.got[2] != 0, LOST);
    for (int i = 0; i < 3; i++) {
        EXPECT(q.got[i] == 0 || q.got[i] > last, TURN);
        last = q.got[i] ? q.got[i] : last;
    }
    return 0;
}

static int putter_in_turn(void *arg)
{
    AT(LANE + 1);
    return put(LANE, LANE + 1);
}

static int get_all(void *arg)
{
    int64_t item = 0, last = 0;
    int status;

    AT(10);
    while ((status = get(LANE, &item)) == 0) {
        EXPECT(item > last, TURN);
        last = item;
    }
    EXPECT(last == 4, LOST);
    return status == THRUM_ESHUTDOWN ? 0 : status;
}

static int close_after_putters(void *arg)
{
    for (int i = 0; i < 4; i++)
        DO(thrum_task_join(crew.tasks[i], NULL));
    shut(LANE, false);
    return 0;
}

/* The first one fills it, the others wait to put; one of them gives up. */
static int queue_put_turn(void *arg)
{
    (void)arg;
    DO(begin(THRUM_FIFO, 1));
    return end(CREW(putter_in_turn, putter_in_turn, putter_in_turn, putter_in_turn, get_all,
                    cancel_second, close_after_putters));
}

/* ---- work that is done ----------------------------------------------------------------------- */

static int do_work(void *arg)
{
    int64_t item = 0;

    (void)arg;
    for (int i = 0; i < 2; i++) {
        DO(get(LANE, &item));
        DO(thrum_yield());
        q.done++;
        DO(thrum_queue_task_done(&q.queue));
    }
    return 0;
}

static int joiner(void *arg)
{
    (void)arg;
    DO(thrum_queue_join(&q.queue));
    EXPECT(q.done == 2, EARLY);
    return 0;
}

static int joiner_cancelled(void *arg)
{
    DO(joiner(arg));
    return 0;
}

static int cancel_joiner(void *arg)
{
    (void)arg;
    crew_cancel(2);
    return 0;
}

static int queue_join(void *arg)
{
    int64_t item = 1;

    (void)arg;
    DO(begin(THRUM_FIFO, 4));
    DO(try_put(CREW_MAX, item));
    DO(try_put(CREW_MAX, item));
    return end(CREW(do_work, joiner, joiner_cancelled, cancel_joiner, joiner));
}

/* ---- shutting down --------------------------------------------------------------------------- */

static int put_until_shut(void *arg)
{
    int status = put(LANE, LANE + 1);

    return status == THRUM_ESHUTDOWN ? 0 : status;
}

static int get_until_shut(void *arg)
{
    int64_t item = 0;
    int status = get(LANE, &item);

    return status == THRUM_ESHUTDOWN ? 0 : status;
}

static int shut_now(void *arg)
{
    shut(LANE, true);
    return 0;
}

static int join_any(void *arg)
{
    (void)arg;
    return thrum_queue_join(&q.queue);
}

static int queue_shut_now(void *arg)
{
    (void)arg;
    DO(begin(THRUM_FIFO, 1));
    DO(CREW(put_until_shut, put_until_shut, put_until_shut, join_any, shut_now));
    EXPECT(thrum_queue_put(&q.queue, &(int64_t){1}) == THRUM_ESHUTDOWN, WRONG);
    EXPECT(thrum_queue_count(&q.queue) == 0, LEFT_OVER);
    return end(0);
}

static int shut_softly(void *arg)
{
    shut(LANE, false);
    return 0;
}

static int queue_shut(void *arg)
{
    (void)arg;
    DO(begin(THRUM_FIFO, 1));
    return end(CREW(put_until_shut, put_until_shut, get_until_shut, get_until_shut, get_until_shut,
                    shut_softly));
}

static int shielded_put(void *arg)
{
    return shielded(put_until_shut, arg);
}

static int queue_shielded_shut(void *arg)
{
    (void)arg;
    DO(begin(THRUM_FIFO, 1));
    return end(CREW(put_until_shut, shielded_put, shielded_put, get_until_shut, shut_softly,
                    cancel_producer));
}

/* A disturbed getter keeps its place before those who came later. */
static int shielded_getter_in_turn(void *arg)
{
    return shielded(getter_in_turn, arg);
}

static int queue_shielded_turn(void *arg)
{
    int64_t last = 0;

    (void)arg;
    DO(begin(THRUM_FIFO, 8));
    DO(end(CREW(getter_in_turn, shielded_getter_in_turn, getter_in_turn, put_late, cancel_second)));
    for (int i = 0; i < 3; i++) {
        EXPECT(q.got[i] > last, TURN);
        last = q.got[i];
    }
    return 0;
}

/* ---- broadcasts ------------------------------------------------------------------------------ */

static struct {
    thrum_broadcast broadcast;
    thrum_subscriber subscribers[CREW_MAX];
    int64_t ring[2];
    struct log log;
} b;

static int subscriber(void *arg)
{
    uint32_t call = log_begin(&b.log, LANE, BROADCAST_SUBSCRIBE, 0);
    int status = 0;

    thrum_broadcast_subscribe(&b.broadcast, &b.subscribers[LANE]);
    log_end(&b.log, call, 0, 0);
    while (!status) {
        int64_t item = 0;
        uint64_t missed = 0;

        call = log_begin(&b.log, LANE, BROADCAST_RECEIVE, 0);
        status = thrum_broadcast_receive(&b.subscribers[LANE], &item, &missed);
        log_end(&b.log, call, status, model_received(item, missed));
    }
    return status == THRUM_ESHUTDOWN ? 0 : status;
}

static int sender(void *arg)
{
    for (int64_t item = 1; item <= 4; item++) {
        uint32_t call = log_begin(&b.log, LANE, BROADCAST_SEND, item);

        log_end(&b.log, call, thrum_broadcast_send(&b.broadcast, &item), 0);
    }
    return 0;
}

static int broadcast_closer(void *arg)
{
    uint32_t call;

    DO(thrum_task_join(crew.tasks[2], NULL));
    call = log_begin(&b.log, LANE, BROADCAST_SHUT, 0);
    thrum_broadcast_shutdown(&b.broadcast);
    log_end(&b.log, call, 0, 0);
    return 0;
}

static int broadcast(void *arg)
{
    static const uint32_t limit = 2;

    (void)arg;
    memset(&b, 0, sizeof b);
    log_init(&b.log);
    DO(thrum_broadcast_init(&b.broadcast, sizeof(int64_t), limit, b.ring));
    DO(CREW(subscriber, subscriber, sender, broadcast_closer, cancel_producer));
    DO(log_check(&b.log, model_broadcast(&limit)));
    thrum_broadcast_destroy(&b.broadcast);
    return 0;
}

const struct program programs_queue[] = {{"queue_fifo", queue_fifo},
                                         {"queue_lifo", queue_lifo},
                                         {"queue_priority", queue_priority},
                                         {"queue_unbounded", queue_unbounded},
                                         {"queue_try", queue_try},
                                         {"queue_shielded", queue_shielded},
                                         {"queue_shielded_shut", queue_shielded_shut},
                                         {"queue_shielded_turn", queue_shielded_turn},
                                         {"queue_get_turn", queue_get_turn},
                                         {"queue_put_turn", queue_put_turn},
                                         {"queue_join", queue_join},
                                         {"queue_shut_now", queue_shut_now},
                                         {"queue_shut", queue_shut},
                                         {"broadcast", broadcast},
                                         {NULL, NULL}};
