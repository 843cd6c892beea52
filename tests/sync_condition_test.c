/*
 * sync_condition_test.c - a task that waits for a condition wakes with the
 * mutex, whatever has become of it, and no notification is lost.
 */
#include "racing.h"
#include "runtime/sync/mutex.h"

struct box {
    thrum_mutex mutex;
    thrum_cond cond;
    int tokens;   /* mutex */
    int waiting;  /* mutex */
    int taken;    /* mutex */
    int last;     /* mutex: number of who took the last one */
};

#define BOX_INIT {THRUM_MUTEX_INIT, THRUM_COND_INIT, 0, 0, 0, -1}

static void lock(struct box *box)
{
    CHECK_EQ(thrum_mutex_lock(&box->mutex), 0);
}

static void unlock(struct box *box)
{
    thrum_mutex_unlock(&box->mutex);
}

static void put(struct box *box, int tokens)
{
    lock(box);
    box->tokens += tokens;
    thrum_cond_notify(&box->cond, (size_t)tokens);
    unlock(box);
}

/* Wait for a token, and take it. */
static int take(void *arg)
{
    struct racer *racer = arg;
    struct box *box = racer->arena;
    int status = thrum_mutex_lock(&box->mutex);

    racer->status = status;
    if (status)
        return status;
    box->waiting++;
    while (box->tokens == 0 && !status)
        status = thrum_cond_wait(&box->cond, &box->mutex);
    CHECK_EQ(thrum_mutex_trylock(&box->mutex), -EBUSY);
    box->waiting--;
    if (!status) {
        box->tokens--;
        box->taken++;
        box->last = racer->number;
    }
    unlock(box);
    racer->status = status;
    return status;
}

static void await_waiting(struct box *box, int n)
{
    for (;;) {
        int waiting;

        lock(box);
        waiting = box->waiting;
        unlock(box);
        if (waiting == n)
            return;
        thrum_yield();
    }
}

static int wakes(void *arg)
{
    struct box box = BOX_INIT;
    struct racer racers[20];
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 20; i++) {
        racers[i] = (struct racer){&box, i, NEVER_RAN};
        CHECK_EQ(thrum_group_spawn(&group, take, &racers[i], NULL, NULL), 0);
    }
    await_waiting(&box, 20);
    put(&box, 3);
    await_waiting(&box, 17);
    lock(&box);
    CHECK_EQ(box.taken, 3);
    box.tokens = 17;
    thrum_cond_notify_all(&box.cond);
    unlock(&box);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(box.tokens, 0);
    thrum_cond_destroy(&box.cond);
    thrum_cond_init(&box.cond);
    thrum_cond_notify_all(&box.cond); /* nobody is there */
    thrum_cond_destroy(&box.cond);
    return 0;
}

TEST(as_many_wake_as_are_notified)
{
    run_everywhere(wakes, NULL);
}

static int in_order(void *arg)
{
    struct box box = BOX_INIT;
    struct racer racers[20];
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 20; i++) {
        racers[i] = (struct racer){&box, i, NEVER_RAN};
        CHECK_EQ(thrum_group_spawn(&group, take, &racers[i], NULL, NULL), 0);
    }
    await_waiting(&box, 20);
    for (int i = 0; i < 20; i++) {
        put(&box, 1);
        await_waiting(&box, 19 - i);
        CHECK_EQ(box.last, i);
    }
    return thrum_group_close(&group, 0, NULL);
}

TEST(they_wake_in_order_of_arrival)
{
    IN_ORDER_ONLY;
    CHECK_EQ(run_with(1, in_order, NULL), 0);
}

/* ---- cancels --------------------------------------------------------------------------------- */

/* The mutex is held when the cancel comes, and for some time after. */
static int cancelled(void *arg)
{
    struct box box = BOX_INIT;
    struct racer racer = {&box, 0, NEVER_RAN};
    thrum_task *task;
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, take, &racer, NULL, &task), 0);
    await_waiting(&box, 1);
    lock(&box);
    thrum_task_cancel(task, 0, NULL);
    thrum_task_cancel(task, 0, NULL);
    for (int i = 0; i < 10; i++)
        thrum_yield();
    thrum_task_cancel(task, 0, NULL);
    CHECK_EQ(box.waiting, 1); /* it waits for the mutex */
    unlock(&box);
    thrum_task_unref(task);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(racer.status, THRUM_ECANCELED);
    CHECK_EQ(box.waiting, 0);
    CHECK(!thrum_mutex_locked(&box.mutex));
    return 0;
}

TEST(a_cancelled_wait_has_the_mutex_again)
{
    run_everywhere(cancelled, NULL);
}

/* Every one that was not cancelled gets a token: a notification goes on to the next. */
static int put_all(void *arg)
{
    for (int i = 0; i < RACERS; i++)
        put(arg, 1);
    return 0;
}

static int races(void *arg)
{
    struct box box = BOX_INIT;
    uint64_t seed = 88172645463325252u;

    (void)arg;
    for (int i = 0; i < race_rounds(); i++) {
        struct race it = {.wait = take, .wake = put_all, .arena = &box};
        int left = 0;

        race(&it, random_next(&seed));
        for (int k = 0; k < RACERS; k++)
            left += it.racers[k].status != 0;
        CHECK_EQ(box.tokens, left);
        CHECK_EQ(box.waiting, 0);
        box.tokens = 0;
        thrum_cond_destroy(&box.cond);
    }
    return 0;
}

TEST(a_cancel_races_with_the_notification)
{
    run_everywhere(races, NULL);
}

/* One notification, two who wait, one of them cancelled: if it was not in time, the other hears. */
static int passed_on(void *arg)
{
    (void)arg;
    for (int i = 0; i < race_rounds(); i++) {
        struct box box = BOX_INIT;
        struct racer racers[2];
        thrum_task *first;
        thrum_group group;

        CHECK_EQ(thrum_group_open(&group, NULL), 0);
        for (int k = 0; k < 2; k++) {
            racers[k] = (struct racer){&box, k, NEVER_RAN};
            CHECK_EQ(thrum_group_spawn(&group, take, &racers[k], NULL, k ? NULL : &first), 0);
        }
        await_waiting(&box, 2);
        if (i & 1)
            thrum_task_cancel(first, 0, NULL);
        put(&box, 1);
        if (!(i & 1))
            thrum_task_cancel(first, 0, NULL);
        while (!thrum_task_ended(first, NULL))
            thrum_yield();
        if (racers[0].status == 0)
            put(&box, 1); /* the other waits for his own */
        CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
        CHECK_EQ(racers[1].status, 0);
        thrum_task_unref(first);
    }
    return 0;
}

TEST(a_notification_of_a_cancelled_one_goes_to_the_next)
{
    run_everywhere(passed_on, NULL);
}

/*
 * Notified, and cancelled before it has the mutex again, which the notifier still has: either it
 * takes what there is, or the notification goes on to the other. Nothing is lost.
 */
static int notified_and_cancelled(void *arg)
{
    (void)arg;
    for (int i = 0; i < many(2000) + 1; i++) {
        struct box box = BOX_INIT;
        struct racer racers[2];
        thrum_task *first;
        thrum_group group;

        CHECK_EQ(thrum_group_open(&group, NULL), 0);
        for (int k = 0; k < 2; k++) {
            racers[k] = (struct racer){&box, k, NEVER_RAN};
            CHECK_EQ(thrum_group_spawn(&group, take, &racers[k], NULL, k ? NULL : &first), 0);
        }
        await_waiting(&box, 2);
        lock(&box);
        box.tokens = 1;
        thrum_cond_notify(&box.cond, 1);
        if (i & 1)
            thrum_yield();
        thrum_task_cancel(first, 0, NULL);
        if (i & 2)
            thrum_yield();
        CHECK_EQ(box.waiting, 2); /* both still have to have the mutex */
        unlock(&box);
        while (!thrum_task_ended(first, NULL))
            thrum_yield();
        if (racers[0].status == 0)
            put(&box, 1); /* the other waits for his own */
        CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
        CHECK_EQ(racers[1].status, 0);
        CHECK_EQ(box.tokens, 0);
        CHECK(!thrum_mutex_locked(&box.mutex));
        thrum_task_unref(first);
    }
    return 0;
}

TEST(who_is_cancelled_before_it_has_the_mutex_loses_no_notification)
{
    run_everywhere(notified_and_cancelled, NULL);
}

/* ---- two conditions, crowds, misuse ---------------------------------------------------------- */

struct buffer {
    thrum_mutex mutex;
    thrum_cond filled, emptied;
    int held;     /* mutex */
    int total;    /* mutex */
    int number;   /* mutex: of tasks that have come */
};

/* Half of them fill a buffer for three, half of them empty it. */
static int hammer(void *arg)
{
    struct buffer *buffer = arg;
    bool fills;

    CHECK_EQ(thrum_mutex_lock(&buffer->mutex), 0);
    fills = buffer->number++ % 2;
    for (int i = 0; i < 10; i++) {
        while (buffer->held == (fills ? 3 : 0))
            CHECK_EQ(thrum_cond_wait(fills ? &buffer->emptied : &buffer->filled, &buffer->mutex),
                     0);
        buffer->held += fills ? 1 : -1;
        buffer->total++;
        thrum_cond_notify(fills ? &buffer->filled : &buffer->emptied, 1);
    }
    thrum_mutex_unlock(&buffer->mutex);
    return 0;
}

static int crowds(void *arg)
{
    struct buffer buffer = {THRUM_MUTEX_INIT, THRUM_COND_INIT, THRUM_COND_INIT, 0, 0, 0};

    (void)arg;
    crowd(crowd_size(), hammer, &buffer);
    CHECK_EQ(buffer.total, crowd_size() * 10);
    CHECK_EQ(buffer.held, 0);
    return 0;
}

TEST(ten_thousand_tasks_share_a_mutex_and_two_conditions)
{
    run_everywhere(crowds, NULL);
}

/* ---- until it is so -------------------------------------------------------------------------- */

enum { PLAYERS = 20 };

struct round {
    struct box box;
    int turn;  /* mutex */
    int asked; /* mutex: how often */
};

struct player {
    struct round *round;
    int number;
};

static bool is_my_turn(void *arg)
{
    const struct player *player = arg;

    CHECK(thrum_mutex_owned(&player->round->box.mutex));
    player->round->asked++;
    return player->round->turn == player->number;
}

static int await_turn(void *arg)
{
    struct player *player = arg;
    struct round *round = player->round;

    lock(&round->box);
    CHECK_EQ(thrum_cond_await(&round->box.cond, &round->box.mutex, is_my_turn, player), 0);
    CHECK_EQ(round->turn++, player->number);
    thrum_cond_notify_all(&round->box.cond);
    unlock(&round->box);
    return 0;
}

static int in_turn(void *arg)
{
    struct round round = {.box = BOX_INIT};
    struct player players[PLAYERS];
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = PLAYERS; i-- > 0;) {
        players[i] = (struct player){&round, i};
        CHECK_EQ(thrum_group_spawn(&group, await_turn, &players[i], NULL, NULL), 0);
    }
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(round.turn, PLAYERS);
    CHECK_LE(PLAYERS, round.asked);
    return 0;
}

TEST(an_await_asks_until_it_is_so)
{
    run_everywhere(in_turn, NULL);
}

/* What is true already is not waited for, and a cancel is no matter then. */
static int true_at_once(void *arg)
{
    struct round round = {.box = BOX_INIT};
    struct player player = {&round, 0};

    (void)arg;
    lock(&round.box);
    no_allocation_begin();
    CHECK_EQ(thrum_cond_await(&round.box.cond, &round.box.mutex, is_my_turn, &player), 0);
    no_allocation_end();
    CHECK_EQ(round.asked, 1);
    unlock(&round.box);
    return 0;
}

TEST(what_is_so_is_not_awaited)
{
    CHECK_EQ(run_with(1, true_at_once, NULL), 0);
}

static int never_so(void *arg)
{
    struct player *player = arg;
    struct round *round = player->round;
    int status;

    lock(&round->box);
    status = thrum_cond_await(&round->box.cond, &round->box.mutex, is_my_turn, player);
    CHECK_EQ(status, THRUM_ECANCELED);
    CHECK(thrum_mutex_owned(&round->box.mutex));
    unlock(&round->box);
    return status;
}

/* It is woken again and again for nothing, and then cancelled. */
static int in_vain(void *arg)
{
    struct round round = {.box = BOX_INIT};
    struct player player = {&round, -1};
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, never_so, &player, NULL, NULL), 0);
    for (int asked = 1; asked <= 5; asked++) {
        CHECK_EQ(thrum_settle(), 0);
        lock(&round.box);
        CHECK_EQ(round.asked, asked);
        thrum_cond_notify(&round.box.cond, 1);
        unlock(&round.box);
    }
    CHECK_EQ(thrum_settle(), 0);
    thrum_group_cancel(&group, 0, NULL);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK(!thrum_mutex_locked(&round.box.mutex));
    return 0;
}

TEST(a_cancelled_await_has_the_mutex_again)
{
    run_everywhere(in_vain, NULL);
}

static bool has_tokens(void *arg)
{
    return ((struct box *)arg)->tokens != 0;
}

/* As `take`, by an await. */
static int take_when_there(void *arg)
{
    struct racer *racer = arg;
    struct box *box = racer->arena;

    racer->status = thrum_mutex_lock(&box->mutex);
    if (racer->status)
        return racer->status;
    racer->status = thrum_cond_await(&box->cond, &box->mutex, has_tokens, box);
    CHECK(thrum_mutex_owned(&box->mutex));
    if (!racer->status) {
        box->tokens--;
        box->taken++;
    }
    unlock(box);
    return racer->status;
}

static int give_one_each(void *arg)
{
    put(arg, RACERS);
    return 0;
}

/* Who is cancelled takes none, and nobody who is not waits beside a token. */
static int await_races(void *arg)
{
    uint64_t bits = 88172645463325252u;

    (void)arg;
    for (int i = 0; i < many(4000); i++) {
        struct box box = BOX_INIT;
        struct race one = {take_when_there, give_one_each, &box, {{0}}};
        int taken = 0;

        race(&one, random_next(&bits));
        for (int j = 0; j < RACERS; j++)
            taken += one.racers[j].status == 0;
        CHECK_EQ(box.taken, taken);
        CHECK_EQ(box.tokens, RACERS - taken);
    }
    return 0;
}

TEST(a_cancel_races_with_what_is_awaited)
{
    run_everywhere(await_races, NULL);
}

static int notify(void *arg)
{
    thrum_cond cond = THRUM_COND_INIT;

    (void)arg;
    no_allocation_begin();
    for (int i = 0; i < 1000; i++)
        thrum_cond_notify(&cond, 1);
    no_allocation_end();
    return 0;
}

TEST(a_notification_does_not_allocate)
{
    CHECK_EQ(run_with(1, notify, NULL), 0);
}

static int misuse(void *arg)
{
    struct box box = BOX_INIT;

    (void)arg;
    CHECK_DEATH((void)!thrum_cond_wait(&box.cond, &box.mutex), "has not locked the mutex");
    CHECK_DEATH((void)!thrum_cond_await(&box.cond, &box.mutex, has_tokens, &box),
                "thrum_cond_await was called by a task that has not locked the mutex");
    return 0;
}

TEST(who_waits_has_locked_the_mutex)
{
    CHECK_EQ(run_with(1, misuse, NULL), 0);
}
