/*
 * sync_mutex_test.c - one task at a time has the mutex, they get it in order
 * of arrival, and a cancelled one leaves no trace.
 */
#include "racing.h"

static int plain(void *arg)
{
    thrum_mutex mutex = THRUM_MUTEX_INIT;

    (void)arg;
    CHECK(!thrum_mutex_locked(&mutex));
    CHECK_EQ(thrum_mutex_lock(&mutex), 0);
    CHECK(thrum_mutex_locked(&mutex));
    CHECK_EQ(thrum_mutex_lock(&mutex), -EDEADLK);
    CHECK_EQ(thrum_mutex_trylock(&mutex), -EBUSY);
    thrum_mutex_unlock(&mutex);
    CHECK_EQ(thrum_mutex_trylock(&mutex), 0);
    thrum_mutex_unlock(&mutex);
    thrum_mutex_destroy(&mutex);
    thrum_mutex_init(&mutex);
    CHECK(!thrum_mutex_locked(&mutex));
    thrum_mutex_destroy(&mutex);
    return 0;
}

TEST(a_mutex_is_locked_once)
{
    run_everywhere(plain, NULL);
}

static int no_allocation(void *arg)
{
    thrum_mutex mutex = THRUM_MUTEX_INIT;

    (void)arg;
    no_allocation_begin();
    for (int i = 0; i < 10000; i++) {
        CHECK_EQ(thrum_mutex_lock(&mutex), 0);
        thrum_mutex_unlock(&mutex);
    }
    no_allocation_end();
    return 0;
}

TEST(a_free_mutex_is_locked_without_allocating)
{
    CHECK_EQ(run_with(1, no_allocation, NULL), 0);
}

/* ---- order ----------------------------------------------------------------------------------- */

struct line {
    thrum_mutex mutex;
    int last;
    int got;
};

static int stand(void *arg)
{
    struct racer *racer = arg;
    struct line *line = racer->arena;

    racer->status = thrum_mutex_lock(&line->mutex);
    if (racer->status)
        return racer->status;
    CHECK_LT(line->last, racer->number);
    line->last = racer->number;
    line->got++;
    thrum_yield();
    thrum_mutex_unlock(&line->mutex);
    return 0;
}

/* With one worker they come in the order in which they were spawned. */
static int in_order(void *arg)
{
    enum { N = 300 };
    struct line line = {THRUM_MUTEX_INIT, -1, 0};
    struct racer racers[N];
    thrum_task *tasks[N];
    thrum_group group;
    int cancelled = 0;

    (void)arg;
    CHECK_EQ(thrum_mutex_lock(&line.mutex), 0);
    CHECK_EQ(thrum_group_open(&group, collecting()), 0);
    for (int i = 0; i < N; i++) {
        racers[i] = (struct racer){&line, i, NEVER_RAN};
        CHECK_EQ(thrum_group_spawn(&group, stand, &racers[i], NULL, &tasks[i]), 0);
    }
    thrum_yield();
    thrum_mutex_unlock(&line.mutex);
    CHECK_EQ(thrum_mutex_trylock(&line.mutex), -EBUSY); /* nobody overtakes */
    for (int i = 1; i < N; i += 3)
        cancelled += thrum_task_cancel(tasks[i], 0, NULL);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(line.got, N - cancelled);
    for (int i = 0; i < N; i++)
        thrum_task_unref(tasks[i]);
    thrum_mutex_destroy(&line.mutex);
    return 0;
}

TEST(they_get_it_in_order_of_arrival_cancelled_ones_apart)
{
    IN_ORDER_ONLY;
    CHECK_EQ(run_with(1, in_order, NULL), 0);
}

/* ---- cancel against unlock ------------------------------------------------------------------- */

struct guarded {
    thrum_mutex mutex;
    long inside; /* mutex */
    long times;  /* mutex */
};

static void use(struct guarded *guarded)
{
    CHECK_EQ(guarded->inside++, 0);
    guarded->times++;
    CHECK_EQ(--guarded->inside, 0);
}

static int lock_once(void *arg)
{
    struct racer *racer = arg;
    struct guarded *guarded = racer->arena;

    racer->status = thrum_mutex_lock(&guarded->mutex);
    if (racer->status)
        return racer->status;
    use(guarded);
    thrum_mutex_unlock(&guarded->mutex);
    return 0;
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int races(void *arg)
{
    struct guarded guarded = {THRUM_MUTEX_INIT, 0, 0};
    uint64_t seed = 88172645463325252u;

    (void)arg;
    for (int i = 0; i < race_rounds(); i++) {
        struct race it = {.wait = lock_once, .wake = nothing, .arena = &guarded};
        uint64_t bits = random_next(&seed);
        long got = guarded.times;

        if (bits & 32) { /* taken while they come, given back among them */
            CHECK_EQ(thrum_mutex_lock(&guarded.mutex), 0);
            use(&guarded);
            got++;
            thrum_mutex_unlock(&guarded.mutex);
        }
        race(&it, bits);
        for (int k = 0; k < RACERS; k++)
            got += it.racers[k].status == 0;
        CHECK_EQ(got, guarded.times);
        CHECK(!thrum_mutex_locked(&guarded.mutex));
        thrum_mutex_destroy(&guarded.mutex);
    }
    return 0;
}

TEST(a_cancel_races_with_locks)
{
    run_everywhere(races, NULL);
}

/* The owner holds it while they come; who unlocks is the owner. */
static int held_races(void *arg)
{
    struct guarded guarded = {THRUM_MUTEX_INIT, 0, 0};
    uint64_t seed = 88172645463325252u;

    (void)arg;
    for (int i = 0; i < race_rounds(); i++) {
        uint64_t bits = random_next(&seed);
        struct racer racers[RACERS];
        thrum_task *tasks[RACERS];
        thrum_group group;

        CHECK_EQ(thrum_mutex_lock(&guarded.mutex), 0);
        CHECK_EQ(thrum_group_open(&group, collecting()), 0);
        for (int k = 0; k < RACERS; k++) {
            racers[k] = (struct racer){&guarded, k, NEVER_RAN};
            CHECK_EQ(thrum_group_spawn(&group, lock_once, &racers[k], NULL, &tasks[k]), 0);
        }
        maybe_yield(bits >> 8);
        for (int k = 0; k < RACERS; k++) {
            if ((int)(bits >> 16 & 3) == k)
                thrum_mutex_unlock(&guarded.mutex);
            if (bits >> k & 1)
                thrum_task_cancel(tasks[k], 0, NULL);
        }
        CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
        for (int k = 0; k < RACERS; k++) {
            CHECK(racers[k].status == 0 || bits >> k & 1);
            thrum_task_unref(tasks[k]);
        }
        CHECK(!thrum_mutex_locked(&guarded.mutex));
    }
    return 0;
}

TEST(a_cancel_races_with_the_unlock)
{
    run_everywhere(held_races, NULL);
}

/* ---- crowds ---------------------------------------------------------------------------------- */

static int hammer(void *arg)
{
    struct guarded *guarded = arg;

    for (int i = 0; i < 10; i++) {
        CHECK_EQ(thrum_mutex_lock(&guarded->mutex), 0);
        use(guarded);
        if (i == 5)
            thrum_yield();
        thrum_mutex_unlock(&guarded->mutex);
    }
    return 0;
}

static int crowds(void *arg)
{
    struct guarded guarded = {THRUM_MUTEX_INIT, 0, 0};

    (void)arg;
    crowd(crowd_size(), hammer, &guarded);
    CHECK_EQ(guarded.times, crowd_size() * 10);
    thrum_mutex_destroy(&guarded.mutex);
    return 0;
}

TEST(ten_thousand_tasks_hammer_it)
{
    run_everywhere(crowds, NULL);
}

/* ---- misuse ---------------------------------------------------------------------------------- */

static int unlock_other(void *arg)
{
    thrum_mutex_unlock(arg);
    return 0;
}

static int misuse(void *arg)
{
    thrum_mutex mutex = THRUM_MUTEX_INIT;

    (void)arg;
    CHECK_DEATH(thrum_mutex_unlock(&mutex), "not locked");
    CHECK_EQ(thrum_mutex_lock(&mutex), 0);
    CHECK_DEATH(thrum_mutex_destroy(&mutex), "locked");
    thrum_mutex_unlock(&mutex);
    return 0;
}

static int unlock_another_s(void *arg)
{
    thrum_mutex mutex = THRUM_MUTEX_INIT;
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_mutex_lock(&mutex), 0);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, unlock_other, &mutex, NULL, NULL), 0);
    return thrum_group_close(&group, 0, NULL);
}

TEST(a_mutex_is_unlocked_by_who_has_it)
{
    CHECK_EQ(run_with(1, misuse, NULL), 0);
    CHECK_DEATH((void)!run_with(1, unlock_another_s, NULL), "has not locked");
    CHECK_DEATH((void)!thrum_mutex_lock(&(thrum_mutex)THRUM_MUTEX_INIT), "outside a task");
}
