/*
 * sync_many_test.c - hundreds that are woken together: they are woken in
 * batches, between which anybody may use the object. None is lost, none
 * overtakes, who comes later is not among them, and the object may go as soon
 * as the last of them has returned.
 */
#include <string.h>

#include "racing.h"

#define MANY 500 /* some batches */

struct crowd;

/* An object that many can wait for, and what lets them all go on. */
struct object {
    void (*make)(struct crowd *crowd);
    int (*wait)(struct crowd *crowd, unsigned number);
    int (*wake)(struct crowd *crowd); /* by a task */
    void (*destroy)(struct crowd *crowd); /* NULL: it must last until all calls have returned */
};

struct crowd {
    const struct object *object;
    union {
        thrum_event event;
        thrum_latch latch;
        thrum_promise promise;
        thrum_cond cond;
        thrum_barrier barrier;
        thrum_sem sem;
        thrum_rwlock rwlock;
        thrum_broadcast broadcast;
        thrum_once once;
        thrum_queue queue;
    } at;
    thrum_mutex mutex;
    thrum_event begun; /* once: somebody is at it; a task to join: it may end */
    thrum_event go;
    thrum_task *task;
    bool ready;
    int item;
    uint32_t coming;   /* atomic: are about to wait */
    uint32_t returned; /* atomic: in which order */
    struct member {
        struct crowd *crowd;
        unsigned number;
        uint32_t place; /* atomic: who returned first, and so on */
        int status;     /* NEVER_RAN: cancelled before its start */
    } members[MANY];
};

/* ---- the objects ----------------------------------------------------------------------------- */

static void make_nothing(struct crowd *crowd)
{
    memset(&crowd->at, 0, sizeof crowd->at); /* THRUM_EVENT_INIT and the like */
}

static int event_wait(struct crowd *crowd, unsigned number)
{
    (void)number;
    return thrum_event_wait(&crowd->at.event);
}

/* Cleared again at once: who waited goes on all the same. */
static int event_wake(struct crowd *crowd)
{
    thrum_event_set(&crowd->at.event);
    return 0;
}

static void event_destroy(struct crowd *crowd)
{
    thrum_event_destroy(&crowd->at.event);
}

static void latch_make(struct crowd *crowd)
{
    thrum_latch_init(&crowd->at.latch, 1);
}

static int latch_wait(struct crowd *crowd, unsigned number)
{
    (void)number;
    return thrum_latch_wait(&crowd->at.latch);
}

static int latch_wake(struct crowd *crowd)
{
    return thrum_latch_count_down(&crowd->at.latch, 1);
}

static void latch_destroy(struct crowd *crowd)
{
    thrum_latch_destroy(&crowd->at.latch);
}

static void promise_make(struct crowd *crowd)
{
    thrum_promise_init(&crowd->at.promise, &crowd->item, sizeof crowd->item);
}

static int promise_wait(struct crowd *crowd, unsigned number)
{
    int value = 0;
    int status = thrum_promise_wait(&crowd->at.promise, &value);

    (void)number;
    CHECK(status || value == 7);
    return status;
}

static int promise_wake(struct crowd *crowd)
{
    return thrum_promise_set(&crowd->at.promise, &(int){7});
}

static void promise_destroy(struct crowd *crowd)
{
    thrum_promise_destroy(&crowd->at.promise);
}

static int cond_wait(struct crowd *crowd, unsigned number)
{
    int status = thrum_mutex_lock(&crowd->mutex);

    (void)number;
    if (status)
        return status;
    while (!crowd->ready && !status)
        status = thrum_cond_wait(&crowd->at.cond, &crowd->mutex);
    thrum_mutex_unlock(&crowd->mutex);
    return status;
}

static int cond_wake_n(struct crowd *crowd, size_t n)
{
    CHECK_EQ(thrum_mutex_lock(&crowd->mutex), 0);
    crowd->ready = true;
    thrum_mutex_unlock(&crowd->mutex);
    if (n)
        thrum_cond_notify(&crowd->at.cond, n);
    else
        thrum_cond_notify_all(&crowd->at.cond);
    return 0;
}

static int cond_wake(struct crowd *crowd)
{
    return cond_wake_n(crowd, 0);
}

static int cond_wake_that_many(struct crowd *crowd)
{
    return cond_wake_n(crowd, MANY);
}

static void cond_destroy(struct crowd *crowd)
{
    thrum_cond_destroy(&crowd->at.cond);
}

static void sem_make(struct crowd *crowd)
{
    CHECK_EQ(thrum_sem_init(&crowd->at.sem, 0, 0), 0);
}

static int sem_wait(struct crowd *crowd, unsigned number)
{
    return thrum_sem_acquire(&crowd->at.sem, 1 + number % 2);
}

static int sem_wake(struct crowd *crowd)
{
    return thrum_sem_release(&crowd->at.sem, 2 * MANY);
}

static void sem_destroy(struct crowd *crowd)
{
    thrum_sem_destroy(&crowd->at.sem);
}

/* Whoever wakes has it for writing meanwhile. */
static void rwlock_make(struct crowd *crowd)
{
    make_nothing(crowd);
    crowd->ready = false;
}

static int rwlock_wait(struct crowd *crowd, unsigned number)
{
    int status = thrum_event_wait(&crowd->begun);

    (void)number;
    if (!status)
        status = thrum_rwlock_read(&crowd->at.rwlock);
    if (!status)
        thrum_rwlock_read_unlock(&crowd->at.rwlock);
    return status;
}

static int rwlock_hold(struct crowd *crowd)
{
    int status = thrum_rwlock_write(&crowd->at.rwlock);

    thrum_event_set(&crowd->begun);
    CHECK_EQ(thrum_event_wait(&crowd->go), 0);
    thrum_rwlock_write_unlock(&crowd->at.rwlock);
    return status;
}

static void rwlock_destroy(struct crowd *crowd)
{
    thrum_rwlock_destroy(&crowd->at.rwlock);
}

static void broadcast_make(struct crowd *crowd)
{
    CHECK_EQ(thrum_broadcast_init(&crowd->at.broadcast, sizeof(int), 1, &crowd->item), 0);
}

static int broadcast_wait(struct crowd *crowd, unsigned number)
{
    thrum_subscriber subscriber = {&crowd->at.broadcast, 0};
    uint64_t missed;
    int item = 0;
    int status = thrum_broadcast_receive(&subscriber, &item, &missed);

    (void)number;
    CHECK(status || item == 7);
    return status;
}

static int broadcast_wake(struct crowd *crowd)
{
    return thrum_broadcast_send(&crowd->at.broadcast, &(int){7});
}

static void broadcast_destroy(struct crowd *crowd)
{
    thrum_broadcast_destroy(&crowd->at.broadcast);
}

static void queue_make(struct crowd *crowd)
{
    CHECK_EQ(thrum_queue_init(&crowd->at.queue, sizeof(int), NULL), 0);
}

static int queue_wait(struct crowd *crowd, unsigned number)
{
    int item;
    int status = thrum_queue_get(&crowd->at.queue, &item);

    (void)number;
    return status == THRUM_ESHUTDOWN ? 0 : status;
}

static int queue_wake(struct crowd *crowd)
{
    thrum_queue_shutdown(&crowd->at.queue, false);
    return 0;
}

static void queue_destroy(struct crowd *crowd)
{
    thrum_queue_destroy(&crowd->at.queue);
}

static void joined_make(struct crowd *crowd)
{
    queue_make(crowd);
    CHECK_EQ(thrum_queue_try_put(&crowd->at.queue, &(int){7}), 0);
}

static int joined_wait(struct crowd *crowd, unsigned number)
{
    (void)number;
    return thrum_queue_join(&crowd->at.queue);
}

static int joined_wake(struct crowd *crowd)
{
    return thrum_queue_task_done(&crowd->at.queue);
}

static int do_it(void *arg)
{
    struct crowd *crowd = arg;

    thrum_event_set(&crowd->begun);
    return thrum_event_wait(&crowd->go);
}

static int once_wait(struct crowd *crowd, unsigned number)
{
    int status = thrum_event_wait(&crowd->begun);

    (void)number;
    return status ? status : thrum_once_run(&crowd->at.once, do_it, crowd);
}

static int once_do(struct crowd *crowd)
{
    return thrum_once_run(&crowd->at.once, do_it, crowd);
}

static int task_wait(struct crowd *crowd, unsigned number)
{
    int status = thrum_event_wait(&crowd->begun);

    (void)number;
    return status ? status : thrum_shield_join(crowd->task, NULL);
}

static int task_wake(struct crowd *crowd)
{
    thrum_group group;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, do_it, crowd, NULL, &crowd->task), 0);
    return thrum_group_close(&group, 0, NULL);
}

static void task_destroy(struct crowd *crowd)
{
    thrum_task_unref(crowd->task);
}

static const struct object objects[] = {
    {make_nothing, event_wait, event_wake, event_destroy},
    {latch_make, latch_wait, latch_wake, latch_destroy},
    {promise_make, promise_wait, promise_wake, promise_destroy},
    {make_nothing, cond_wait, cond_wake, cond_destroy},
    {make_nothing, cond_wait, cond_wake_that_many, cond_destroy},
    {sem_make, sem_wait, sem_wake, sem_destroy},
    {broadcast_make, broadcast_wait, broadcast_wake, broadcast_destroy},
    {queue_make, queue_wait, queue_wake, queue_destroy},
    {joined_make, joined_wait, joined_wake, queue_destroy},
    /* who wakes has begun before anybody waits, and goes on at `go` */
    {rwlock_make, rwlock_wait, rwlock_hold, rwlock_destroy},
    {make_nothing, once_wait, once_do, NULL},
    {make_nothing, task_wait, task_wake, task_destroy},
};

#define OBJECTS (sizeof objects / sizeof objects[0])

/* ---- one wake-up of all ---------------------------------------------------------------------- */

static int wait_once(void *arg)
{
    struct member *member = arg;
    struct crowd *crowd = member->crowd;

    add_acq_rel(&crowd->coming, 1);
    member->status = crowd->object->wait(crowd, member->number);
    store_relaxed(&member->place, add_relaxed(&crowd->returned, 1)); /* relaxed: joined later */
    return 0;
}

static int wake(void *arg)
{
    struct crowd *crowd = arg;

    CHECK_EQ(crowd->object->wake(crowd), 0);
    return 0;
}

static bool begins_early(const struct object *object)
{
    return object->wake == rwlock_hold || object->wake == once_do || object->wake == task_wake;
}

/* Else all were cancelled, and who is to wake them may not even have begun. */
static bool one_was_woken(const struct crowd *crowd)
{
    for (unsigned i = 0; i < MANY; i++)
        if (crowd->members[i].status == 0)
            return true;
    return false;
}

/* All wait; all are woken; each `cancelled`-th, unless 0, is cancelled meanwhile. */
static void wake_all(struct crowd *crowd, const struct object *object, unsigned cancelled)
{
    static const thrum_event clear = THRUM_EVENT_INIT;
    thrum_task *tasks[MANY];
    thrum_group waker, group;
    bool early; /* the object is to go before who has woken them has left */

    *crowd = (struct crowd){.object = object, .begun = clear, .go = clear};
    object->make(crowd);
    CHECK_EQ(thrum_group_open(&waker, NULL), 0);
    if (begins_early(object)) {
        CHECK_EQ(thrum_group_spawn(&waker, wake, crowd, NULL, NULL), 0);
        CHECK_EQ(thrum_event_wait(&crowd->begun), 0);
    }
    CHECK_EQ(thrum_group_open(&group, collecting()), 0);
    for (unsigned i = 0; i < MANY; i++) {
        crowd->members[i] = (struct member){crowd, i, 0, NEVER_RAN};
        CHECK_EQ(thrum_group_spawn(&group, wait_once, &crowd->members[i], NULL, &tasks[i]), 0);
    }
    while (load_acquire(&crowd->coming) != MANY)
        CHECK_EQ(thrum_yield(), 0);
    if (begins_early(object))
        thrum_event_set(&crowd->go);
    else
        CHECK_EQ(thrum_group_spawn(&waker, wake, crowd, NULL, NULL), 0);
    if (cancelled)
        CHECK_EQ(thrum_yield(), 0);
    for (unsigned i = 0; cancelled && i < MANY; i += cancelled)
        thrum_task_cancel(tasks[MANY - 1 - i], 0, NULL); /* towards those who are woken first */
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    early = one_was_woken(crowd);
    if (!early)
        CHECK_EQ(thrum_group_close(&waker, 0, NULL), 0);
    if (object->destroy) {
        object->destroy(crowd);
        memset(&crowd->at, 0xff, sizeof crowd->at);
    }
    if (early)
        CHECK_EQ(thrum_group_close(&waker, 0, NULL), 0);
    for (unsigned i = 0; i < MANY; i++) {
        bool victim = cancelled && (MANY - 1 - i) % cancelled == 0;
        int status = crowd->members[i].status;

        CHECK(status == 0 || (victim && status == THRUM_ECANCELED));
        thrum_task_unref(tasks[i]);
    }
}

static int in_order(void *arg)
{
    struct crowd *crowd = arg;

    for (size_t k = 0; k < OBJECTS; k++) {
        wake_all(crowd, &objects[k], 0);
        for (unsigned i = 0; i < MANY; i++)
            CHECK_EQ(crowd->members[i].place, i);
    }
    return 0;
}

TEST(all_go_on_in_the_order_in_which_they_came)
{
    static struct crowd crowd;

    CHECK_EQ(run_with(1, in_order, &crowd), 0);
}

static int with_cancels(void *arg)
{
    for (int round = 0; round < many(20); round++)
        for (size_t k = 0; k < OBJECTS; k++)
            wake_all(arg, &objects[k], (unsigned)round % 4);
    return 0;
}

TEST(none_is_lost_between_batches_and_the_object_may_go)
{
    static struct crowd crowd;

    run_everywhere(with_cancels, &crowd);
}

/* ---- rounds of a barrier --------------------------------------------------------------------- */

#define ROUNDS 500

struct rounds {
    thrum_barrier barrier;
    uint32_t seen[ROUNDS][MANY / 32 + 1]; /* atomic: places of a round that somebody had */
};

static int come_again(void *arg)
{
    struct rounds *rounds = arg;

    for (int round = 0; round < ROUNDS; round++) {
        uint32_t place = MANY;
        uint32_t bit;

        CHECK_EQ(thrum_barrier_wait(&rounds->barrier, &place), 0);
        CHECK_LT(place, MANY);
        bit = 1u << place % 32;
        CHECK_EQ(add_relaxed(&rounds->seen[round][place / 32], bit) & bit, 0); /* relaxed: a set */
    }
    return 0;
}

static int many_rounds(void *arg)
{
    struct rounds *rounds = arg;

    memset(rounds, 0, sizeof *rounds);
    CHECK_EQ(thrum_barrier_init(&rounds->barrier, MANY), 0);
    crowd(MANY, come_again, rounds);
    CHECK_EQ(thrum_barrier_waiting(&rounds->barrier), 0);
    thrum_barrier_destroy(&rounds->barrier);
    return 0;
}

TEST(those_of_the_next_round_come_while_the_last_one_leaves)
{
    static struct rounds rounds;

    run_everywhere(many_rounds, &rounds);
}

/* Half of a round is cancelled while an abort tells them all: they are told the one or the other. */
static int wait_to_be_told(void *arg)
{
    struct member *member = arg;

    add_acq_rel(&member->crowd->coming, 1);
    member->status = thrum_barrier_wait(&member->crowd->at.barrier, &member->place);
    return 0;
}

static int abort_it(void *arg)
{
    struct crowd *crowd = arg;

    thrum_barrier_abort(&crowd->at.barrier);
    thrum_barrier_reset(&crowd->at.barrier);
    return 0;
}

static void abort_once(struct crowd *crowd)
{
    thrum_task *tasks[MANY];
    thrum_group group;

    *crowd = (struct crowd){.object = NULL};
    CHECK_EQ(thrum_barrier_init(&crowd->at.barrier, 2 * MANY), 0);
    CHECK_EQ(thrum_group_open(&group, collecting()), 0);
    for (unsigned i = 0; i < MANY; i++) {
        crowd->members[i] = (struct member){crowd, i, 0, NEVER_RAN};
        CHECK_EQ(thrum_group_spawn(&group, wait_to_be_told, &crowd->members[i], NULL, &tasks[i]),
                 0);
    }
    while (thrum_barrier_waiting(&crowd->at.barrier) != MANY)
        CHECK_EQ(thrum_yield(), 0);
    CHECK_EQ(thrum_group_spawn(&group, abort_it, crowd, NULL, NULL), 0);
    CHECK_EQ(thrum_yield(), 0);
    for (unsigned i = 0; i < MANY; i += 2)
        thrum_task_cancel(tasks[MANY - 1 - i], 0, NULL);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(thrum_barrier_waiting(&crowd->at.barrier), 0);
    thrum_barrier_destroy(&crowd->at.barrier);
    for (unsigned i = 0; i < MANY; i++) {
        CHECK(crowd->members[i].status == THRUM_EBROKEN ||
              (i % 2 == 1 && crowd->members[i].status == THRUM_ECANCELED));
        thrum_task_unref(tasks[i]);
    }
}

static int aborts(void *arg)
{
    for (int round = 0; round < many(40); round++)
        abort_once(arg);
    return 0;
}

TEST(a_round_that_is_broken_is_broken_for_all)
{
    static struct crowd crowd;

    run_everywhere(aborts, &crowd);
}
