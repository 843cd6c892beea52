/*
 * sync_semaphore_test.c - permits are neither lost nor doubled, are given in
 * order of arrival, and nobody overtakes.
 */
#include <pthread.h>

#include "racing.h"

static int plain(void *arg)
{
    thrum_sem sem = THRUM_SEM_INIT(3);

    (void)arg;
    CHECK_EQ(thrum_sem_permits(&sem), 3);
    CHECK(!thrum_sem_locked(&sem));
    CHECK_EQ(thrum_sem_acquire(&sem, 2), 0);
    CHECK_EQ(thrum_sem_try_acquire(&sem, 2), -EAGAIN);
    CHECK_EQ(thrum_sem_try_acquire(&sem, 1), 0);
    CHECK(thrum_sem_locked(&sem));
    CHECK_EQ(thrum_sem_acquire(&sem, 0), -EINVAL);
    CHECK_EQ(thrum_sem_release(&sem, 5), 0);
    CHECK_EQ(thrum_sem_permits(&sem), 5);
    thrum_sem_destroy(&sem);
    CHECK_EQ(thrum_sem_init(&sem, 2, 1), -EINVAL);
    CHECK_EQ(thrum_sem_init(&sem, UINT32_MAX, 0), -EINVAL);
    CHECK_EQ(thrum_sem_init(&sem, 0, 0), 0);
    CHECK_EQ(thrum_sem_try_acquire(&sem, 1), -EAGAIN);
    CHECK_EQ(thrum_sem_release(&sem, THRUM_PERMITS_MAX), 0);
    CHECK_EQ(thrum_sem_release(&sem, 1), -EINVAL);
    return 0;
}

TEST(permits_are_taken_and_given)
{
    run_everywhere(plain, NULL);
}

static int bounded(void *arg)
{
    thrum_sem sem = THRUM_SEM_INIT_BOUNDED(2);

    (void)arg;
    CHECK_EQ(thrum_sem_release(&sem, 1), -EINVAL);
    CHECK_EQ(thrum_sem_acquire(&sem, 3), -EINVAL);
    CHECK_EQ(thrum_sem_acquire(&sem, 2), 0);
    CHECK_EQ(thrum_sem_release(&sem, 3), -EINVAL);
    CHECK_EQ(thrum_sem_release(&sem, 1), 0);
    CHECK_EQ(thrum_sem_release(&sem, 2), -EINVAL);
    CHECK_EQ(thrum_sem_release(&sem, 1), 0);
    CHECK_EQ(thrum_sem_permits(&sem), 2);
    return 0;
}

TEST(a_bounded_semaphore_refuses_too_many)
{
    run_everywhere(bounded, NULL);
}

static int no_allocation(void *arg)
{
    thrum_sem sem = THRUM_SEM_INIT(1);

    (void)arg;
    no_allocation_begin();
    for (int i = 0; i < 10000; i++) {
        CHECK_EQ(thrum_sem_acquire(&sem, 1), 0);
        CHECK_EQ(thrum_sem_release(&sem, 1), 0);
    }
    no_allocation_end();
    return 0;
}

TEST(a_free_permit_is_taken_without_allocating)
{
    CHECK_EQ(run_with(1, no_allocation, NULL), 0);
}

/* ---- order ----------------------------------------------------------------------------------- */

struct line {
    thrum_sem sem;
    int next; /* one worker: no two at once */
};

static int stand(void *arg)
{
    struct racer *racer = arg;
    struct line *line = racer->arena;

    racer->status = thrum_sem_acquire(&line->sem, racer->number == 0 ? 5 : 1);
    if (racer->status)
        return racer->status;
    CHECK_EQ(line->next++, racer->number);
    return 0;
}

/* The first wants five, and all behind him wait until he has them. */
static int in_order(void *arg)
{
    struct line line = {THRUM_SEM_INIT(0), 0};
    struct racer racers[10];
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 10; i++) {
        racers[i] = (struct racer){&line, i, NEVER_RAN};
        CHECK_EQ(thrum_group_spawn(&group, stand, &racers[i], NULL, NULL), 0);
    }
    thrum_yield();
    CHECK_EQ(thrum_sem_release(&line.sem, 4), 0);
    CHECK_EQ(thrum_sem_permits(&line.sem), 4);
    CHECK(thrum_sem_locked(&line.sem)); /* there are some, but somebody waits */
    CHECK_EQ(thrum_sem_try_acquire(&line.sem, 1), -EAGAIN);
    thrum_yield();
    CHECK_EQ(line.next, 0);
    CHECK_EQ(thrum_sem_release(&line.sem, 1), 0);
    thrum_yield();
    CHECK_EQ(line.next, 1);
    CHECK_EQ(thrum_sem_release(&line.sem, 9), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(line.next, 10);
    thrum_sem_destroy(&line.sem);
    return 0;
}

TEST(nobody_who_wants_few_overtakes_who_wants_many)
{
    IN_ORDER_ONLY;
    CHECK_EQ(run_with(1, in_order, NULL), 0);
}

/* The first, who wants five, gives up: those behind him get what is there. */
static int first_gives_up(void *arg)
{
    struct line line = {THRUM_SEM_INIT(4), 1};
    struct racer racers[5];
    thrum_task *first;
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 5; i++) {
        racers[i] = (struct racer){&line, i, NEVER_RAN};
        CHECK_EQ(thrum_group_spawn(&group, stand, &racers[i], NULL, i ? NULL : &first), 0);
    }
    thrum_yield();
    CHECK_EQ(line.next, 1);
    thrum_task_cancel(first, 0, NULL);
    thrum_task_unref(first);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(racers[0].status, THRUM_ECANCELED);
    CHECK_EQ(line.next, 5);
    CHECK_EQ(thrum_sem_permits(&line.sem), 0);
    return 0;
}

TEST(who_gives_up_lets_those_behind_him_go)
{
    IN_ORDER_ONLY;
    CHECK_EQ(run_with(1, first_gives_up, NULL), 0);
}

/* Some in the middle give up: the permits go to the others, in their order. */
static int middle_gives_up(void *arg)
{
    struct line line = {THRUM_SEM_INIT(0), 1};
    struct racer racers[7];
    thrum_task *tasks[7];
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 1; i < 7; i++) { /* of whom 2 and 3 give up */
        racers[i] = (struct racer){&line, i < 4 ? i : i - 2, NEVER_RAN};
        CHECK_EQ(thrum_group_spawn(&group, stand, &racers[i], NULL, &tasks[i]), 0);
    }
    thrum_yield();
    for (int i = 2; i < 4; i++)
        CHECK(thrum_task_cancel(tasks[i], 0, NULL));
    CHECK_EQ(thrum_sem_release(&line.sem, 2), 0); /* they may not have left yet */
    thrum_yield();
    CHECK_EQ(line.next, 3);
    CHECK_EQ(thrum_sem_release(&line.sem, 3), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(line.next, 5);
    CHECK_EQ(thrum_sem_permits(&line.sem), 1);
    for (int i = 1; i < 7; i++) {
        CHECK_EQ(racers[i].status, i == 2 || i == 3 ? THRUM_ECANCELED : 0);
        thrum_task_unref(tasks[i]);
    }
    return 0;
}

TEST(who_gives_up_in_the_middle_changes_no_order)
{
    IN_ORDER_ONLY;
    CHECK_EQ(run_with(1, middle_gives_up, NULL), 0);
}

/* ---- cancel against release ------------------------------------------------------------------ */

static uint32_t wants(int number)
{
    return 1 + (uint32_t)number % 3;
}

static int acquire(void *arg)
{
    struct racer *racer = arg;

    racer->status = thrum_sem_acquire(racer->arena, wants(racer->number));
    return racer->status;
}

static int release_all(void *arg)
{
    uint32_t all = 0;

    for (int i = 0; i < RACERS; i++)
        all += wants(i);
    for (uint32_t n = 1; all; n = n % 2 + 1) {
        n = n < all ? n : all;
        CHECK_EQ(thrum_sem_release(arg, n), 0);
        all -= n;
    }
    return 0;
}

static int races(void *arg)
{
    thrum_sem sem = THRUM_SEM_INIT(0);
    uint64_t seed = 88172645463325252u;

    (void)arg;
    for (int i = 0; i < race_rounds(); i++) {
        struct race it = {.wait = acquire, .wake = release_all, .arena = &sem};
        uint32_t left = 0;

        race(&it, random_next(&seed));
        for (int k = 0; k < RACERS; k++)
            left += it.racers[k].status ? wants(k) : 0;
        CHECK_EQ(thrum_sem_permits(&sem), left);
        CHECK_EQ(thrum_sem_locked(&sem), left == 0);
        if (left)
            CHECK_EQ(thrum_sem_try_acquire(&sem, left), 0);
        thrum_sem_destroy(&sem);
    }
    return 0;
}

TEST(a_cancel_races_with_the_release)
{
    run_everywhere(races, NULL);
}

/* ---- crowds ---------------------------------------------------------------------------------- */

struct pool {
    thrum_sem sem;
    uint32_t inside; /* atomic */
};

static int hammer(void *arg)
{
    struct pool *pool = arg;

    for (uint32_t i = 0; i < 10; i++) {
        uint32_t n = 1 + i % 3;

        CHECK_EQ(thrum_sem_acquire(&pool->sem, n), 0);
        CHECK_LE(add_relaxed(&pool->inside, n) + n, 7); /* relaxed: a counter */
        if (i == 5)
            thrum_yield();
        add_relaxed(&pool->inside, (uint32_t)-n); /* relaxed: a counter */
        CHECK_EQ(thrum_sem_release(&pool->sem, n), 0);
    }
    return 0;
}

static int crowds(void *arg)
{
    struct pool pool = {THRUM_SEM_INIT_BOUNDED(7), 0};

    (void)arg;
    crowd(crowd_size(), hammer, &pool);
    CHECK_EQ(thrum_sem_permits(&pool.sem), 7);
    thrum_sem_destroy(&pool.sem);
    return 0;
}

TEST(ten_thousand_tasks_hammer_it)
{
    run_everywhere(crowds, NULL);
}

/* ---- other threads --------------------------------------------------------------------------- */

static void *give(void *arg)
{
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(thrum_sem_release(arg, 1), 0);
    return NULL;
}

static int take_from_outside(void *arg)
{
    thrum_sem sem = THRUM_SEM_INIT(0);
    pthread_t thread;

    (void)arg;
    thrum_hold(thrum_runtime_self(), "a thread");
    CHECK_EQ(pthread_create(&thread, NULL, give, &sem), 0);
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(thrum_sem_acquire(&sem, 1), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    thrum_release(thrum_runtime_self());
    thrum_sem_destroy(&sem);
    return 0;
}

TEST(a_thread_that_runs_no_task_gives_permits)
{
    run_everywhere(take_from_outside, NULL);
}

/* ---- fewer permits --------------------------------------------------------------------------- */

static int reduced(void *arg)
{
    thrum_sem sem = THRUM_SEM_INIT(5);

    (void)arg;
    CHECK_EQ(thrum_sem_reduce(&sem, 2), 0);
    CHECK_EQ(thrum_sem_permits(&sem), 3);
    CHECK_EQ(thrum_sem_acquire(&sem, 1), 0);
    CHECK_EQ(thrum_sem_reduce(&sem, 4), 0); /* two are owed */
    CHECK_EQ(thrum_sem_permits(&sem), 0);
    CHECK(thrum_sem_locked(&sem));
    CHECK_EQ(thrum_sem_release(&sem, 1), 0);
    CHECK_EQ(thrum_sem_try_acquire(&sem, 1), -EAGAIN);
    CHECK(thrum_sem_locked(&sem));
    CHECK_EQ(thrum_sem_reduce(&sem, 0), 0);
    CHECK_EQ(thrum_sem_release(&sem, 3), 0);
    CHECK_EQ(thrum_sem_permits(&sem), 2);
    CHECK(!thrum_sem_locked(&sem));
    CHECK_EQ(thrum_sem_acquire(&sem, 2), 0);
    CHECK_EQ(thrum_sem_reduce(&sem, THRUM_PERMITS_MAX), 0);
    CHECK_EQ(thrum_sem_reduce(&sem, 1), -EINVAL);
    CHECK_EQ(thrum_sem_release(&sem, THRUM_PERMITS_MAX), 0);
    CHECK_EQ(thrum_sem_reduce(&sem, UINT32_MAX), -EINVAL);
    CHECK_EQ(thrum_sem_try_acquire(&sem, 1), -EAGAIN);
    thrum_sem_destroy(&sem);
    return 0;
}

TEST(permits_can_be_taken_away_before_they_come_back)
{
    run_everywhere(reduced, NULL);
}

enum { GUESTS = 8 };

struct house {
    thrum_sem sem;
    thrum_event may_leave[GUESTS];
    uint32_t in; /* atomic: who has come in so far */
    uint32_t order[GUESTS];
};

struct guest {
    struct house *house;
    uint32_t number;
};

static int visit(void *arg)
{
    struct guest *guest = arg;
    struct house *house = guest->house;
    int status = thrum_sem_acquire(&house->sem, 1);

    if (status)
        return status;
    house->order[add_acq_rel(&house->in, 1)] = guest->number;
    status = thrum_event_wait(&house->may_leave[guest->number]);
    thrum_sem_release(&house->sem, 1);
    return status;
}

static void let_leave(struct house *house, uint32_t number, uint32_t in)
{
    thrum_event_set(&house->may_leave[number]);
    CHECK_EQ(thrum_settle(), 0);
    CHECK_EQ(load_acquire(&house->in), in);
}

/* Three are in; for the next two that leave nobody comes. Then more may, the first first. */
static int receive(void *arg)
{
    struct house house = {.sem = THRUM_SEM_INIT(3)};
    struct guest guests[GUESTS];
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (uint32_t i = 0; i < GUESTS; i++) {
        guests[i] = (struct guest){&house, i};
        CHECK_EQ(thrum_group_spawn(&group, visit, &guests[i], NULL, NULL), 0);
        CHECK_EQ(thrum_settle(), 0);
    }
    CHECK_EQ(load_acquire(&house.in), 3);
    CHECK_EQ(thrum_sem_reduce(&house.sem, 2), 0);
    let_leave(&house, 0, 3);
    let_leave(&house, 1, 3);
    let_leave(&house, 2, 4);
    let_leave(&house, 3, 5);
    for (uint32_t i = 6; i <= 7; i++) { /* until there are three again */
        CHECK_EQ(thrum_sem_release(&house.sem, 1), 0);
        CHECK_EQ(thrum_settle(), 0);
        CHECK_EQ(load_acquire(&house.in), i);
    }
    for (uint32_t i = 0; i < 7; i++)
        CHECK_EQ(house.order[i], i);
    CHECK_EQ(thrum_sem_reduce(&house.sem, 1), 0);
    thrum_group_cancel(&group, 0, NULL);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(thrum_sem_permits(&house.sem), 2);
    thrum_sem_destroy(&house.sem);
    return 0;
}

TEST(who_holds_permits_keeps_them_when_there_are_fewer)
{
    run_everywhere(receive, NULL);
}

static int come_and_go(void *arg)
{
    int status = 0;

    for (uint32_t i = 0; !status && i < 10; i++) {
        status = thrum_sem_acquire(arg, 1 + i % 2);
        if (status)
            break;
        status = thrum_yield();
        CHECK_EQ(thrum_sem_release(arg, 1 + i % 2), 0);
    }
    return status;
}

/* What is taken away is brought back in the end; in between who comes may be cancelled. */
static int take_and_bring(void *arg)
{
    thrum_sem sem = THRUM_SEM_INIT(4);
    uint64_t bits = 88172645463325252u;

    (void)arg;
    for (int round = 0; round < many(2000); round++) {
        thrum_group group;
        uint32_t taken = 0;

        CHECK_EQ(thrum_group_open(&group, NULL), 0);
        for (int i = 0; i < 8; i++)
            CHECK_EQ(thrum_group_spawn(&group, come_and_go, &sem, NULL, NULL), 0);
        for (int i = 0; i < 6; i++) {
            uint32_t n = 1 + (uint32_t)(random_next(&bits) & 1);

            if (taken >= n && (bits & 2)) {
                CHECK_EQ(thrum_sem_release(&sem, n), 0);
                taken -= n;
            } else if (taken + n <= 2) { /* two are enough for everybody to go on */
                CHECK_EQ(thrum_sem_reduce(&sem, n), 0);
                taken += n;
            }
            maybe_yield(bits >> 8);
        }
        if (bits & 4)
            thrum_group_cancel(&group, 0, NULL);
        CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
        CHECK_EQ(thrum_sem_permits(&sem), 4 - taken);
        CHECK_EQ(thrum_sem_release(&sem, taken), 0);
        CHECK(!thrum_sem_locked(&sem));
    }
    thrum_sem_destroy(&sem);
    return 0;
}

TEST(permits_that_come_and_go_add_up)
{
    run_everywhere(take_and_bring, NULL);
}
