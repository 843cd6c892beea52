/*
 * select_race_test.c - selects, their wake-ups and their cancels at once, a
 * million times: nothing is lost, nothing comes twice, and nobody who was not
 * cancelled waits for ever.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "racing.h"

/* ---- tokens: what anybody takes must have been there, once ------------------------------------- */

/*
 * Four racers each take one of four tokens: items of two queues, or permits of
 * one semaphore. Some of them wait for one of these alone, the others for
 * several, into one place; some have a time, too, that is never up, or is soon.
 */
struct tokens {
    thrum_queue left, right;
    thrum_sem sem;
    thrum_event never;
    uint64_t bits;              /* of the race */
    bool impatient;             /* times are up soon */
    uint32_t items[RACERS + 1]; /* atomic: how often each item was taken; 0: none of them */
    uint32_t permits;           /* atomic: permits that were taken */
    uint32_t timed_out;         /* atomic */
};

static void took_item(struct tokens *tokens, int item)
{
    CHECK(item > 0 && item <= RACERS);
    add_relaxed(&tokens->items[item], 1); /* relaxed: a counter */
}

static int select_token(struct tokens *tokens, uint64_t bits)
{
    int item = 0;
    thrum_case cases[6];
    size_t n = 0;
    int chosen;

    cases[n++] = thrum_case_get(&tokens->left, &item);
    cases[n++] = thrum_case_get(&tokens->right, &item);
    cases[n++] = thrum_case_acquire(&tokens->sem, 1);
    cases[n++] = thrum_case_event(&tokens->never);
    if (bits & 1)
        cases[n++] = thrum_case_get(&tokens->left, &item);
    if (tokens->impatient)
        cases[n++] = thrum_case_after((int64_t)(bits >> 2 & 15) * 500);
    else if (bits & 2)
        cases[n++] = thrum_case_after(thrum_s(1000000));
    chosen = thrum_select(cases, n, 0);
    if (chosen < 0)
        return chosen;
    CHECK_EQ(cases[chosen].result, 0);
    switch (cases[chosen].kind) {
    case THRUM_CASE_GET:
        took_item(tokens, item);
        break;
    case THRUM_CASE_ACQUIRE:
        CHECK_EQ(item, 0);
        add_relaxed(&tokens->permits, 1); /* relaxed: a counter */
        break;
    default:
        CHECK_EQ(cases[chosen].kind, THRUM_CASE_TIME);
        CHECK(tokens->impatient);
        CHECK_LE(cases[chosen].when, thrum_now().ns);
        CHECK_EQ(item, 0);
        add_relaxed(&tokens->timed_out, 1); /* relaxed: a counter */
    }
    return 0;
}

static int wait_for_token(void *arg)
{
    struct racer *racer = arg;
    struct tokens *tokens = racer->arena;

    racer->status = select_token(tokens, tokens->bits >> 4 * racer->number);
    return racer->status;
}

/* Item i or a permit, as the bits say. */
static int give_tokens(void *arg)
{
    struct tokens *tokens = arg;

    for (int i = 1; i <= RACERS; i++) {
        uint64_t where = tokens->bits >> (16 + 2 * i) & 3;

        if (where == 0)
            CHECK_EQ(thrum_queue_put(&tokens->left, &i), 0);
        else if (where == 1)
            CHECK_EQ(thrum_queue_put(&tokens->right, &i), 0);
        else
            CHECK_EQ(thrum_sem_release(&tokens->sem, 1), 0);
        if (tokens->bits >> (26 + i) & 1)
            thrum_yield();
    }
    return 0;
}

static void take_rest(struct tokens *tokens, thrum_queue *queue)
{
    int item;

    while (thrum_queue_try_get(queue, &item) == 0)
        took_item(tokens, item);
}

/* All that was given was taken, by a racer or here. */
static void check_tokens(struct tokens *tokens, const struct race *it)
{
    uint32_t free = thrum_sem_permits(&tokens->sem);
    uint32_t taken = tokens->permits;
    uint32_t succeeded = 0;
    uint32_t permits = free + tokens->permits;

    for (int i = 1; i <= RACERS; i++)
        taken += tokens->items[i];
    for (int k = 0; k < RACERS; k++)
        succeeded += it->racers[k].status == 0;
    CHECK_EQ(taken + tokens->timed_out, succeeded);
    take_rest(tokens, &tokens->left);
    take_rest(tokens, &tokens->right);
    for (int i = 1; i <= RACERS; i++) {
        bool is_item = (tokens->bits >> (16 + 2 * i) & 3) < 2;

        CHECK_EQ(tokens->items[i], is_item);
        permits -= !is_item;
    }
    CHECK_EQ(permits, 0);
    CHECK_EQ(thrum_sem_locked(&tokens->sem), free == 0);
    if (free)
        CHECK_EQ(thrum_sem_try_acquire(&tokens->sem, free), 0);
}

static void race_for_tokens(struct tokens *tokens, uint64_t *seed)
{
    struct race it = {.wait = wait_for_token, .wake = give_tokens, .arena = tokens};
    uint64_t bits = random_next(seed);

    tokens->bits = random_next(seed);
    tokens->permits = 0;
    tokens->timed_out = 0;
    memset(tokens->items, 0, sizeof tokens->items);
    race(&it, bits);
    check_tokens(tokens, &it);
}

static int tokens(void *arg)
{
    struct tokens tokens = {
        .sem = THRUM_SEM_INIT(0), .never = THRUM_EVENT_INIT, .impatient = *(bool *)arg};
    uint64_t seed = 88172645463325252u;

    CHECK_EQ(thrum_queue_init(&tokens.left, sizeof(int), NULL), 0);
    CHECK_EQ(thrum_queue_init(&tokens.right, sizeof(int), NULL), 0);
    for (int i = 0; i < race_rounds(); i++)
        race_for_tokens(&tokens, &seed);
    thrum_queue_destroy(&tokens.left);
    thrum_queue_destroy(&tokens.right);
    thrum_sem_destroy(&tokens.sem);
    thrum_event_destroy(&tokens.never);
    return 0;
}

TEST(a_cancel_races_with_what_is_given)
{
    run_everywhere(tokens, &(bool){false});
}

TEST(so_does_a_time_that_is_up_soon)
{
    run_everywhere(tokens, &(bool){true});
}

/* ---- bytes: a descriptor beside a queue -------------------------------------------------------- */

/* Four tokens, each an item or a byte in a pipe. Racers take one each, some from the pipe alone. */
struct wire {
    int pipe[2];
    thrum_queue queue;
    uint64_t bits;              /* of the race */
    bool impatient;             /* times are up soon */
    uint32_t taken[RACERS + 1]; /* atomic: how often each was taken */
    uint32_t timed_out;         /* atomic */
};

/* One byte, or -1. Out of line: errno is that of the thread it runs on. */
static __attribute__((noinline)) int try_read(int fd)
{
    unsigned char byte;
    ssize_t got = read(fd, &byte, 1);

    CHECK(got == 1 || (got == -1 && errno == EAGAIN));
    return got == 1 ? byte : -1;
}

static __attribute__((noinline)) void write_byte(int fd, int byte)
{
    unsigned char one = (unsigned char)byte;

    CHECK_EQ(write(fd, &one, 1), 1);
}

static void took(struct wire *wire, int token)
{
    CHECK(token > 0 && token <= RACERS);
    add_relaxed(&wire->taken[token], 1); /* relaxed: a counter */
}

/* Somebody else may be faster with the byte. */
static int take_token(void *arg)
{
    struct racer *racer = arg;
    struct wire *wire = racer->arena;
    uint64_t bits = wire->bits >> 4 * racer->number;
    int chosen, token = -1;

    do {
        thrum_case cases[3];
        int item;

        cases[0] = thrum_case_fd(wire->pipe[0], THRUM_FD_READ);
        cases[1] = thrum_case_get(&wire->queue, &item);
        cases[2] = wire->impatient ? thrum_case_after((int64_t)(bits >> 2 & 15) * 500)
                                   : thrum_case_at(thrum_never());
        chosen = thrum_select(cases, 3, bits & 1 ? THRUM_SELECT_ORDERED : 0);
        if (chosen == 0) {
            CHECK_EQ(cases[0].result, THRUM_FD_READ);
            token = try_read(wire->pipe[0]);
        } else if (chosen == 1) {
            CHECK_EQ(cases[1].result, 0);
            token = item;
        }
    } while ((chosen == 0 || chosen == 1) && token < 0);
    if (chosen == 2)
        add_relaxed(&wire->timed_out, 1); /* relaxed: a counter */
    else if (chosen >= 0)
        took(wire, token);
    racer->status = chosen < 0 ? chosen : 0;
    return racer->status;
}

static int give_bytes_and_items(void *arg)
{
    struct wire *wire = arg;

    for (int i = 1; i <= RACERS; i++) {
        if (wire->bits >> (16 + i) & 1)
            write_byte(wire->pipe[1], i);
        else
            CHECK_EQ(thrum_queue_put(&wire->queue, &i), 0);
        if (wire->bits >> (26 + i) & 1)
            thrum_yield();
    }
    return 0;
}

static void race_for_bytes(struct wire *wire, uint64_t *seed)
{
    struct race it = {.wait = take_token, .wake = give_bytes_and_items, .arena = wire};
    uint64_t bits = random_next(seed);
    uint32_t taken = 0, succeeded = 0;
    int token;

    wire->bits = random_next(seed);
    wire->timed_out = 0;
    memset(wire->taken, 0, sizeof wire->taken);
    race(&it, bits);
    for (int i = 1; i <= RACERS; i++)
        taken += wire->taken[i];
    for (int i = 0; i < RACERS; i++)
        succeeded += it.racers[i].status == 0;
    CHECK_EQ(taken + wire->timed_out, succeeded);
    while ((token = try_read(wire->pipe[0])) >= 0 || thrum_queue_try_get(&wire->queue, &token) == 0)
        took(wire, token);
    for (int i = 1; i <= RACERS; i++)
        CHECK_EQ(wire->taken[i], 1);
}

static int bytes(void *arg)
{
    struct wire wire = {.impatient = *(bool *)arg};
    uint64_t seed = 88172645463325252u;

    CHECK_EQ(pipe2(wire.pipe, O_NONBLOCK | O_CLOEXEC), 0);
    CHECK_EQ(thrum_queue_init(&wire.queue, sizeof(int), NULL), 0);
    for (int i = 0; i < race_rounds() / 4; i++)
        race_for_bytes(&wire, &seed);
    thrum_queue_destroy(&wire.queue);
    CHECK_EQ(close(wire.pipe[0]), 0);
    CHECK_EQ(close(wire.pipe[1]), 0);
    return 0;
}

TEST(a_cancel_races_with_bytes_and_items)
{
    run_everywhere(bytes, &(bool){false});
}

TEST(a_time_that_is_up_soon_races_with_bytes_and_items)
{
    run_everywhere(bytes, &(bool){true});
}

/* ---- selects that put, selects that get -------------------------------------------------------- */

/* Two queues with room for one item. Two racers put one item each, two get one each. */
struct trade {
    thrum_queue left, right;
    uint64_t bits;
    uint32_t put[RACERS]; /* atomic: of each racer's item; how often */
    uint32_t got[RACERS]; /* atomic */
};

static int trade(void *arg)
{
    struct racer *racer = arg;
    struct trade *all = racer->arena;
    bool puts = racer->number % 2;
    bool alone = all->bits >> racer->number & 1;
    thrum_queue *first = all->bits >> (4 + racer->number) & 1 ? &all->left : &all->right;
    thrum_queue *second = first == &all->left ? &all->right : &all->left;
    int item = puts ? racer->number : -1;
    int result;

    if (alone) {
        result = puts ? thrum_queue_put(first, &item) : thrum_queue_get(first, &item);
    } else {
        thrum_case cases[2];

        cases[0] = puts ? thrum_case_put(first, &item) : thrum_case_get(first, &item);
        cases[1] = puts ? thrum_case_put(second, &item) : thrum_case_get(second, &item);
        result = thrum_select(cases, 2, 0);
        if (result >= 0)
            result = cases[result].result;
    }
    if (result == 0)
        add_relaxed(puts ? &all->put[item] : &all->got[item], 1); /* relaxed: a counter */
    racer->status = result == THRUM_ESHUTDOWN ? 0 : result;
    return racer->status;
}

/* Who still waits need not any more. */
static int end_trade(void *arg)
{
    struct trade *all = arg;

    thrum_queue_shutdown(&all->left, false);
    if (all->bits >> 8 & 1)
        thrum_yield();
    thrum_queue_shutdown(&all->right, false);
    return 0;
}

static int trades(void *arg)
{
    thrum_queue_options one = THRUM_QUEUE_OPTIONS_INIT;
    uint64_t seed = 88172645463325252u;
    int rings[2];

    (void)arg;
    one.limit = 1;
    for (int i = 0; i < race_rounds(); i++) {
        struct trade all = {.bits = random_next(&seed)};
        struct race it = {.wait = trade, .wake = end_trade, .arena = &all};
        int item;

        one.ring = &rings[0];
        CHECK_EQ(thrum_queue_init(&all.left, sizeof(int), &one), 0);
        one.ring = &rings[1];
        CHECK_EQ(thrum_queue_init(&all.right, sizeof(int), &one), 0);
        race(&it, random_next(&seed));
        while (thrum_queue_try_get(&all.left, &item) == 0 ||
               thrum_queue_try_get(&all.right, &item) == 0)
            all.got[item]++;
        for (int k = 0; k < RACERS; k++) {
            CHECK_EQ(all.put[k], all.got[k]);
            CHECK_LE(all.got[k], k % 2);
        }
        thrum_queue_destroy(&all.left);
        thrum_queue_destroy(&all.right);
    }
    return 0;
}

TEST(selects_that_put_and_selects_that_get_find_each_other)
{
    run_everywhere(trades, NULL);
}

/* ---- things that stay ------------------------------------------------------------------------- */

struct signals {
    thrum_event event;
    thrum_latch latch;
    thrum_promise promise;
    thrum_mutex mutex;
    uint64_t bits;
    uint32_t inside; /* atomic: have the mutex */
};

static int wait_for_signal(void *arg)
{
    struct racer *racer = arg;
    struct signals *all = racer->arena;
    thrum_case cases[] = {thrum_case_event(&all->event), thrum_case_promise(&all->promise, NULL),
                          thrum_case_lock(&all->mutex), thrum_case_latch(&all->latch)};
    int chosen = thrum_select(cases, 4, racer->number % 2 ? THRUM_SELECT_ORDERED : 0);

    if (chosen == 2) {
        CHECK_EQ(add_relaxed(&all->inside, 1), 0); /* relaxed: a counter */
        maybe_yield(all->bits >> 8);
        add_relaxed(&all->inside, (uint32_t)-1); /* relaxed: a counter */
        thrum_mutex_unlock(&all->mutex);
    } else if (chosen == 1) {
        CHECK_EQ(cases[1].result, THRUM_EBROKEN);
    }
    racer->status = chosen < 0 ? chosen : 0;
    return racer->status;
}

/* One of them is enough: who waits for it gets it, even if it is taken back at once. */
static int signal_all(void *arg)
{
    struct signals *all = arg;

    switch (all->bits & 3) {
    case 0:
        thrum_event_set(&all->event);
        break;
    case 1:
        CHECK_EQ(thrum_promise_drop(&all->promise), 0);
        break;
    case 2:
        CHECK_EQ(thrum_latch_count_down(&all->latch, 1), 0);
        break;
    default: /* two at once: one of them wins, the other has no effect */
        CHECK_EQ(thrum_latch_count_down(&all->latch, 1), 0);
        thrum_event_set(&all->event);
    }
    return 0;
}

static int signals(void *arg)
{
    uint64_t seed = 88172645463325252u;

    (void)arg;
    for (int i = 0; i < race_rounds(); i++) {
        struct signals all = {.event = THRUM_EVENT_INIT,
                              .latch = THRUM_LATCH_INIT(1),
                              .promise = THRUM_PROMISE_INIT(NULL, 0),
                              .mutex = THRUM_MUTEX_INIT,
                              .bits = random_next(&seed)};
        struct race it = {.wait = wait_for_signal, .wake = signal_all, .arena = &all};
        bool held = all.bits & 16;

        if (held)
            CHECK_EQ(thrum_mutex_lock(&all.mutex), 0);
        race(&it, random_next(&seed));
        if (held)
            thrum_mutex_unlock(&all.mutex);
        CHECK(!all.mutex.first);
        thrum_mutex_destroy(&all.mutex);
        thrum_event_destroy(&all.event);
        thrum_latch_destroy(&all.latch);
        thrum_promise_destroy(&all.promise);
    }
    return 0;
}

TEST(a_cancel_races_with_events_latches_promises_and_a_mutex)
{
    run_everywhere(signals, NULL);
}

/* ---- crowds ---------------------------------------------------------------------------------- */

/* One of two rooms, and a permit of the hall, whichever is free; never two in a room. */
struct rooms {
    thrum_mutex rooms[2];
    thrum_sem hall;
    uint32_t inside[3]; /* atomic */
    uint32_t entered;   /* atomic */
};

static int visit(void *arg)
{
    struct rooms *all = arg;

    for (int i = 0; i < 10; i++) {
        thrum_case cases[] = {thrum_case_lock(&all->rooms[0]), thrum_case_lock(&all->rooms[1]),
                              thrum_case_acquire(&all->hall, 2)};
        int chosen = thrum_select(cases, 3, 0);

        CHECK_LE((unsigned)chosen, 2);
        CHECK_LE(add_relaxed(&all->inside[chosen], 1), chosen == 2 ? 2 : 0); /* relaxed: counters */
        if (i % 4 == 0)
            thrum_yield();
        add_relaxed(&all->inside[chosen], (uint32_t)-1); /* relaxed: likewise */
        add_relaxed(&all->entered, 1);                   /* relaxed: likewise */
        if (chosen == 2)
            CHECK_EQ(thrum_sem_release(&all->hall, 2), 0);
        else
            thrum_mutex_unlock(&all->rooms[chosen]);
    }
    return 0;
}

static int visits(void *arg)
{
    struct rooms all = {.rooms = {THRUM_MUTEX_INIT, THRUM_MUTEX_INIT},
                        .hall = THRUM_SEM_INIT_BOUNDED(6)};

    (void)arg;
    crowd(many(10000), visit, &all);
    CHECK_EQ(all.entered, 10 * many(10000));
    CHECK_EQ(thrum_sem_permits(&all.hall), 6);
    CHECK(!thrum_sem_locked(&all.hall));
    thrum_sem_destroy(&all.hall);
    thrum_mutex_destroy(&all.rooms[0]);
    thrum_mutex_destroy(&all.rooms[1]);
    return 0;
}

TEST(ten_thousand_tasks_enter_by_the_door_that_opens)
{
    run_everywhere(visits, NULL);
}

/* Producers put into the queue that has room, consumers get from the one that has items. */
struct pipes {
    thrum_queue queues[3];
    thrum_latch producing;
    uint64_t put, got;   /* atomic: sums */
    uint32_t puts, gets; /* atomic */
};

enum { PRODUCERS = 20, ITEMS = 500 };

static int produce(void *arg)
{
    struct pipes *all = arg;

    for (uint64_t i = 1; i <= ITEMS; i++) {
        thrum_case cases[] = {thrum_case_put(&all->queues[0], &i),
                              thrum_case_put(&all->queues[1], &i),
                              thrum_case_put(&all->queues[2], &i)};
        int chosen = thrum_select(cases, 3, 0);

        CHECK_LE((unsigned)chosen, 2);
        CHECK_EQ(cases[chosen].result, 0);
        add_relaxed(&all->put, i);  /* relaxed: a sum */
        add_relaxed(&all->puts, 1); /* relaxed: likewise */
    }
    CHECK_EQ(thrum_latch_count_down(&all->producing, 1), 0);
    return 0;
}

static bool consume_one(struct pipes *all, thrum_case *cases, uint64_t *item)
{
    int chosen = thrum_select(cases, 4, THRUM_SELECT_ORDERED);

    CHECK_LE((unsigned)chosen, 3);
    CHECK_EQ(cases[chosen].result, 0);
    if (chosen == 3)
        return false;
    add_relaxed(&all->got, *item); /* relaxed: a sum */
    add_relaxed(&all->gets, 1);    /* relaxed: likewise */
    return true;
}

/* Whatever comes; and when all was put, what is left. */
static int consume(void *arg)
{
    struct pipes *all = arg;
    uint64_t item;
    thrum_case cases[] = {
        thrum_case_get(&all->queues[0], &item), thrum_case_get(&all->queues[1], &item),
        thrum_case_get(&all->queues[2], &item), thrum_case_latch(&all->producing)};

    while (consume_one(all, cases, &item))
        continue;
    cases[3] = thrum_case_now(); /* something may have been put between the looks */
    while (consume_one(all, cases, &item))
        continue;
    return 0;
}

static int pipes(void *arg)
{
    struct pipes all = {.producing = THRUM_LATCH_INIT(PRODUCERS)};
    thrum_queue_options options = THRUM_QUEUE_OPTIONS_INIT;
    thrum_group group;

    (void)arg;
    for (int i = 0; i < 3; i++) {
        options.limit = (size_t)i + 1;
        options.order = i == 1 ? THRUM_LIFO : THRUM_FIFO;
        CHECK_EQ(thrum_queue_init(&all.queues[i], sizeof(uint64_t), &options), 0);
    }
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < PRODUCERS; i++) {
        CHECK_EQ(thrum_group_spawn(&group, produce, &all, NULL, NULL), 0);
        CHECK_EQ(thrum_group_spawn(&group, consume, &all, NULL, NULL), 0);
    }
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(all.puts, PRODUCERS * ITEMS);
    CHECK_EQ(all.gets, all.puts);
    CHECK_EQ(all.got, all.put);
    for (int i = 0; i < 3; i++)
        thrum_queue_destroy(&all.queues[i]);
    return 0;
}

TEST(many_producers_many_consumers_three_queues)
{
    run_everywhere(pipes, NULL);
}
