/*
 * sync_rwlock_test.c - readers go together, a writer alone, and nobody
 * overtakes or is forgotten.
 */
#include "racing.h"

static int plain(void *arg)
{
    thrum_rwlock rwlock = THRUM_RWLOCK_INIT;

    (void)arg;
    no_allocation_begin();
    for (int i = 0; i < 1000; i++) {
        CHECK_EQ(thrum_rwlock_read(&rwlock), 0);
        CHECK_EQ(thrum_rwlock_try_read(&rwlock), 0);
        CHECK_EQ(thrum_rwlock_try_write(&rwlock), -EBUSY);
        thrum_rwlock_read_unlock(&rwlock);
        thrum_rwlock_read_unlock(&rwlock);
        CHECK_EQ(thrum_rwlock_write(&rwlock), 0);
        CHECK_EQ(thrum_rwlock_try_read(&rwlock), -EBUSY);
        CHECK_EQ(thrum_rwlock_write(&rwlock), -EDEADLK);
        CHECK_EQ(thrum_rwlock_read(&rwlock), -EDEADLK);
        thrum_rwlock_write_unlock(&rwlock);
        CHECK_EQ(thrum_rwlock_try_write(&rwlock), 0);
        thrum_rwlock_write_unlock(&rwlock);
    }
    no_allocation_end();
    thrum_rwlock_destroy(&rwlock);
    thrum_rwlock_init(&rwlock);
    return 0;
}

TEST(many_read_or_one_writes_without_allocating)
{
    CHECK_EQ(run_with(1, plain, NULL), 0);
}

/* ---- order ----------------------------------------------------------------------------------- */

struct line {
    thrum_rwlock rwlock;
    int next;    /* one worker: no two at once */
    int readers;
    int most;
};

static int stand(void *arg)
{
    struct racer *racer = arg;
    struct line *line = racer->arena;
    bool writes = racer->number % 4 == 3;

    racer->status = writes ? thrum_rwlock_write(&line->rwlock) : thrum_rwlock_read(&line->rwlock);
    if (racer->status)
        return racer->status;
    CHECK_EQ(line->next++, racer->number);
    if (writes) {
        CHECK_EQ(line->readers, 0);
        thrum_yield();
        CHECK_EQ(line->next, racer->number + 1);
        thrum_rwlock_write_unlock(&line->rwlock);
        return 0;
    }
    line->readers++;
    line->most = line->readers > line->most ? line->readers : line->most;
    thrum_yield();
    line->readers--;
    thrum_rwlock_read_unlock(&line->rwlock);
    return 0;
}

/* Three readers, a writer, and so on. */
static int in_order(void *arg)
{
    struct line line = {.rwlock = THRUM_RWLOCK_INIT};
    struct racer racers[40];
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_rwlock_write(&line.rwlock), 0);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 40; i++) {
        racers[i] = (struct racer){&line, i, NEVER_RAN};
        CHECK_EQ(thrum_group_spawn(&group, stand, &racers[i], NULL, NULL), 0);
    }
    thrum_yield();
    CHECK_EQ(line.next, 0);
    thrum_rwlock_write_unlock(&line.rwlock);
    CHECK_EQ(thrum_rwlock_try_read(&line.rwlock), -EBUSY); /* a writer waits */
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(line.next, 40);
    CHECK_EQ(line.most, 3);
    thrum_rwlock_destroy(&line.rwlock);
    return 0;
}

TEST(readers_go_together_and_overtake_no_writer)
{
    IN_ORDER_ONLY;
    CHECK_EQ(run_with(1, in_order, NULL), 0);
}

/* A writer who gives up lets the readers behind him go. */
static int writer_gives_up(void *arg)
{
    struct line line = {.rwlock = THRUM_RWLOCK_INIT, .next = 4};
    struct racer racers[3];
    thrum_task *writer;
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_rwlock_read(&line.rwlock), 0);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 3; i++) {
        racers[i] = (struct racer){&line, 3 + i, NEVER_RAN};
        CHECK_EQ(thrum_group_spawn(&group, stand, &racers[i], NULL, i ? NULL : &writer), 0);
    }
    thrum_yield();
    CHECK_EQ(line.next, 4);
    thrum_task_cancel(writer, 0, NULL);
    thrum_task_unref(writer);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(racers[0].status, THRUM_ECANCELED);
    CHECK_EQ(line.next, 6);
    thrum_rwlock_read_unlock(&line.rwlock);
    return 0;
}

TEST(a_writer_who_gives_up_lets_readers_go)
{
    IN_ORDER_ONLY;
    CHECK_EQ(run_with(1, writer_gives_up, NULL), 0);
}

/* ---- races, crowds --------------------------------------------------------------------------- */

struct guarded {
    thrum_rwlock rwlock;
    long value;       /* rwlock */
    uint32_t readers; /* atomic */
    uint32_t number;  /* atomic */
};

static int use(struct guarded *guarded, bool writes)
{
    int status = writes ? thrum_rwlock_write(&guarded->rwlock) : thrum_rwlock_read(&guarded->rwlock);

    if (status)
        return status;
    if (writes) {
        CHECK_EQ(load_relaxed(&guarded->readers), 0); /* relaxed: a counter */
        guarded->value++;
        thrum_rwlock_write_unlock(&guarded->rwlock);
    } else {
        add_relaxed(&guarded->readers, 1); /* relaxed: a counter */
        CHECK_LE(0, guarded->value);
        add_relaxed(&guarded->readers, (uint32_t)-1); /* relaxed: a counter */
        thrum_rwlock_read_unlock(&guarded->rwlock);
    }
    return 0;
}

static int use_once(void *arg)
{
    struct racer *racer = arg;

    racer->status = use(racer->arena, racer->number % 2);
    return racer->status;
}

static int use_here(void *arg)
{
    return use(arg, true);
}

static int races(void *arg)
{
    struct guarded guarded = {.rwlock = THRUM_RWLOCK_INIT};
    uint64_t seed = 88172645463325252u;

    (void)arg;
    for (int i = 0; i < race_rounds(); i++) {
        struct race it = {.wait = use_once, .wake = use_here, .arena = &guarded};
        long value = guarded.value + 1;

        race(&it, random_next(&seed));
        for (int k = 1; k < RACERS; k += 2)
            value += it.racers[k].status == 0;
        CHECK_EQ(guarded.value, value);
        thrum_rwlock_destroy(&guarded.rwlock);
    }
    return 0;
}

TEST(a_cancel_races_with_the_unlock)
{
    run_everywhere(races, NULL);
}

/* It is held, for reading, across yields, while they come and are cancelled. */
static int held_races(void *arg)
{
    struct guarded guarded = {.rwlock = THRUM_RWLOCK_INIT};
    uint64_t seed = 88172645463325252u;

    (void)arg;
    for (int i = 0; i < race_rounds(); i++) {
        uint64_t bits = random_next(&seed);
        struct racer racers[RACERS];
        thrum_task *tasks[RACERS];
        thrum_group group;

        CHECK_EQ(bits & 32 ? thrum_rwlock_read(&guarded.rwlock) : thrum_rwlock_write(&guarded.rwlock),
                 0);
        CHECK_EQ(thrum_group_open(&group, collecting()), 0);
        for (int k = 0; k < RACERS; k++) {
            racers[k] = (struct racer){&guarded, k, NEVER_RAN};
            CHECK_EQ(thrum_group_spawn(&group, use_once, &racers[k], NULL, &tasks[k]), 0);
        }
        maybe_yield(bits >> 8);
        for (int k = 0; k < RACERS; k++) {
            if ((int)(bits >> 16 & 3) == k && bits & 32)
                thrum_rwlock_read_unlock(&guarded.rwlock);
            if ((int)(bits >> 16 & 3) == k && !(bits & 32))
                thrum_rwlock_write_unlock(&guarded.rwlock);
            if (bits >> k & 1)
                thrum_task_cancel(tasks[k], 0, NULL);
        }
        CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
        for (int k = 0; k < RACERS; k++) {
            CHECK(racers[k].status == 0 || bits >> k & 1);
            thrum_task_unref(tasks[k]);
        }
        thrum_rwlock_destroy(&guarded.rwlock);
    }
    return 0;
}

TEST(a_cancel_races_while_it_is_held)
{
    run_everywhere(held_races, NULL);
}

static int hammer(void *arg)
{
    struct guarded *guarded = arg;
    uint32_t number = add_relaxed(&guarded->number, 1); /* relaxed: a counter */

    for (uint32_t i = 0; i < 10; i++)
        CHECK_EQ(use(guarded, (number + i) % 5 == 0), 0);
    return 0;
}

static int crowds(void *arg)
{
    struct guarded guarded = {.rwlock = THRUM_RWLOCK_INIT};

    (void)arg;
    crowd(crowd_size(), hammer, &guarded);
    CHECK_EQ(guarded.value, crowd_size() * 2);
    thrum_rwlock_destroy(&guarded.rwlock);
    return 0;
}

TEST(ten_thousand_tasks_hammer_it)
{
    run_everywhere(crowds, NULL);
}

static int misuse(void *arg)
{
    thrum_rwlock rwlock = THRUM_RWLOCK_INIT;

    (void)arg;
    CHECK_DEATH(thrum_rwlock_read_unlock(&rwlock), "nobody has for reading");
    CHECK_DEATH(thrum_rwlock_write_unlock(&rwlock), "has not locked it for writing");
    CHECK_EQ(thrum_rwlock_read(&rwlock), 0);
    CHECK_DEATH(thrum_rwlock_destroy(&rwlock), "is locked");
    thrum_rwlock_read_unlock(&rwlock);
    return 0;
}

TEST(it_is_unlocked_as_it_was_locked)
{
    CHECK_EQ(run_with(1, misuse, NULL), 0);
}
