/*
 * cancel_race_test.c - a cancel against the completion of a wait, a million
 * times for each kind: nothing is lost, nothing comes twice.
 *
 * A race is a task, the victim, that waits; something that completes its wait,
 * done by one racer; and a cancel of the victim through its handle, done by
 * another. A hundred thousand races each under sanitizers, and 5,000 with
 * CHECK_FEW=1.
 *
 * The oracle of all kinds: the wait returns once, with 0 or THRUM_ECANCELED
 * (timeouts: or THRUM_ETIMEOUT), and the victim's outcome is "cancelled" if and
 * only if thrum_task_cancel said that it would hear of it. Each kind adds what
 * it knows of its own.
 */
#include <errno.h>
#include <stdio.h>

#include "runtime/atomic/verbs.h"
#include "runtime/plat/clock.h"
#include "workers.h"

enum { BATCH = 32, FEW = 5000, SANITIZED = 100000, FULL = 1000000 };

struct race {
    const struct kind *kind;
    thrum_event event;  /* completes the wait */
    thrum_task *victim;
    thrum_task *awaited; /* joins: the task waited for */
    int64_t when;       /* sleeps and timeouts: completes it, or ends it */
    uint32_t *waiting;  /* atomic: victims that are about to wait */
    uint32_t returns;   /* atomic: of the wait */
    uint32_t below;     /* atomic: tasks below that have ended */
    int result;         /* of the wait */
    bool cancels;       /* is there a cancel at all? */
    bool heard;         /* what the cancel said */
    bool expired;
};

struct kind {
    thrum_fn victim;
    void (*prepare)(struct race *race, thrum_group *group); /* NULL: nothing to do */
    void (*check)(struct race *race, const thrum_outcome *outcome);
    bool timed; /* the clock takes part */
    bool half;  /* every second one is not cancelled */
};

static uint32_t random_below(uint32_t n)
{
    static _Thread_local uint32_t state = 2463534242u;

    state ^= state << 13; /* xorshift32 (Marsaglia 2003) */
    state ^= state >> 17;
    state ^= state << 5;
    return state % n;
}

/* Out of line, and asked for once a call: a task may wake on another thread. */
static __attribute__((noinline)) void dawdle(void)
{
    for (uint32_t n = random_below(200); n > 0; n--)
        cpu_pause();
}

static void about_to_wait(struct race *race)
{
    add_acq_rel(race->waiting, 1);
}

static int came_back(struct race *race, int result)
{
    add_relaxed(&race->returns, 1); /* relaxed: a counter */
    race->result = result;
    return result;
}

/* ---- event: a second task waits for it too, and nobody cancels that one ------------------------ */

static int wait_beside(void *arg)
{
    struct race *race = arg;

    CHECK_EQ(thrum_event_wait(&race->event), 0);
    add_relaxed(&race->below, 1); /* relaxed: a counter */
    return 0;
}

static void prepare_event(struct race *race, thrum_group *group)
{
    CHECK_EQ(thrum_group_spawn(group, wait_beside, race, NULL, NULL), 0);
}

static int victim_event(void *arg)
{
    struct race *race = arg;

    about_to_wait(race);
    return came_back(race, thrum_event_wait(&race->event));
}

/* It is looked at after the group is closed: whoever waited beside has been woken. */
static void check_event(struct race *race, const thrum_outcome *outcome)
{
    (void)outcome;
    CHECK_EQ(race->below, 1);
}

/* ---- sleep ------------------------------------------------------------------------------------ */

static int victim_sleep(void *arg)
{
    struct race *race = arg;
    int status;

    about_to_wait(race);
    status = thrum_sleep_until((thrum_time){race->when});
    if (status == 0)
        CHECK_LE(race->when, thrum_clock_now());
    return came_back(race, status);
}

/* ---- joins ------------------------------------------------------------------------------------ */

static int wait_for_event(void *arg)
{
    struct race *race = arg;
    int status = thrum_event_wait(&race->event);

    add_acq_rel(&race->below, 1);
    return status;
}

static void prepare_join(struct race *race, thrum_group *group)
{
    CHECK_EQ(thrum_group_spawn(group, wait_for_event, race, NULL, &race->awaited), 0);
}

static int victim_join(void *arg)
{
    struct race *race = arg;
    thrum_outcome outcome;
    int status;

    about_to_wait(race);
    status = thrum_task_join(race->awaited, &outcome);
    CHECK(thrum_task_ended(race->awaited, NULL));
    CHECK(outcome.kind == THRUM_OK || status == THRUM_ECANCELED);
    return came_back(race, status);
}

static int victim_shield_join(void *arg)
{
    struct race *race = arg;
    thrum_outcome outcome;
    int status;

    about_to_wait(race);
    status = thrum_shield_join(race->awaited, &outcome);
    if (status == 0)
        CHECK_EQ(outcome.kind, THRUM_OK);
    return came_back(race, status);
}

static void check_join(struct race *race, const thrum_outcome *outcome)
{
    (void)outcome;
    thrum_task_unref(race->awaited);
}

static void check_shield_join(struct race *race, const thrum_outcome *outcome)
{
    int status;

    (void)outcome;
    CHECK(thrum_task_ended(race->awaited, &status));
    CHECK_EQ(status, 0);
    CHECK_EQ(race->below, 1);
    thrum_task_unref(race->awaited);
}

/* ---- group close ------------------------------------------------------------------------------ */

static int victim_close(void *arg)
{
    struct race *race = arg;
    thrum_child children[2];
    thrum_group group;
    int status;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn_child(&group, &children[0], wait_for_event, race), 0);
    CHECK_EQ(thrum_group_spawn_child(&group, &children[1], wait_for_event, race), 0);
    about_to_wait(race);
    status = thrum_group_close(&group, 0, NULL);
    CHECK(status != 0 || load_acquire(&race->below) == 2);
    return came_back(race, status);
}

/* ---- timeout: its expiry against the event, with and without a cancel -------------------------- */

static int victim_timeout(void *arg)
{
    struct race *race = arg;
    thrum_timeout timeout;
    int waited, status;

    CHECK_EQ(thrum_timeout_begin_at(&timeout, (thrum_time){race->when}), 0);
    about_to_wait(race);
    waited = thrum_event_wait(&race->event);
    status = thrum_timeout_end(&timeout, waited);
    race->expired = thrum_timeout_expired(&timeout);
    CHECK_EQ(status == 0, waited == 0);
    CHECK(status != THRUM_ETIMEOUT || race->expired);
    if (!race->cancels) {
        CHECK(status == 0 || status == THRUM_ETIMEOUT);
        CHECK_EQ(thrum_cancel_pending(), false); /* nothing of it is left */
    }
    (void)came_back(race, status);
    return status == THRUM_ETIMEOUT ? 0 : status;
}

/* ---- branch join ------------------------------------------------------------------------------ */

static int victim_branch(void *arg)
{
    struct race *race = arg;
    thrum_branch branch;
    int status;

    CHECK_EQ(thrum_fork(&branch, wait_for_event, race), 0);
    about_to_wait(race);
    status = thrum_join(&branch, wait_for_event, race);
    CHECK_LE(load_acquire(&race->below), 1);
    CHECK(status != 0 || load_acquire(&race->below) == 1);
    (void)came_back(race, status);
    /* The branch was told, and we may not have been: then we end cancelled all the same. */
    return 0;
}

/* ---- one batch -------------------------------------------------------------------------------- */

/* How the waits ended, to see that they were races. */
struct tally {
    unsigned completed, cancelled, timed_out;
};

struct batch {
    const struct kind *kind;
    struct race races[BATCH];
    uint32_t waiting; /* atomic */
    uint32_t racers;  /* atomic: at the start */
};

/* Both racers leave at once, if there are workers for both. */
static void line_up(struct batch *batch)
{
    add_acq_rel(&batch->racers, 1);
    while (load_acquire(&batch->racers) != 2)
        CHECK_EQ(thrum_yield(), 0);
}

static int completer(void *arg)
{
    struct batch *batch = arg;

    line_up(batch);
    for (int i = 0; i < BATCH; i++) {
        dawdle();
        thrum_event_set(&batch->races[i].event);
    }
    return 0;
}

static void cancel_all(struct batch *batch)
{
    line_up(batch);
    for (int i = 0; i < BATCH; i++) {
        struct race *race = &batch->races[i];

        dawdle();
        if (race->cancels)
            race->heard = thrum_task_cancel(race->victim, 0, NULL);
    }
}

static void check_race(struct race *race, struct tally *tally)
{
    thrum_outcome outcome;

    tally->completed += race->result == 0;
    tally->cancelled += race->result == THRUM_ECANCELED;
    tally->timed_out += race->result == THRUM_ETIMEOUT;
    CHECK_EQ(thrum_task_join(race->victim, &outcome), 0);
    CHECK_LE(load_relaxed(&race->returns), 1); /* relaxed: it has ended */
    CHECK(load_relaxed(&race->returns) == 1 || race->heard); /* relaxed: likewise */
    CHECK_EQ(outcome.kind, race->heard ? THRUM_CANCELLED : THRUM_OK);
    if (race->returns)
        CHECK(race->result == 0 || race->result == THRUM_ECANCELED ||
              race->result == THRUM_ETIMEOUT);
    if (race->result == THRUM_ECANCELED)
        CHECK(race->heard);
    if (race->kind->check)
        race->kind->check(race, &outcome);
    thrum_task_unref(race->victim);
    thrum_event_destroy(&race->event);
}

static void begin(struct batch *batch, thrum_group *group)
{
    /* The clock and the cancels meet about here. */
    int64_t soon = thrum_clock_now() + 40000;

    for (int i = 0; i < BATCH; i++) {
        struct race *race = &batch->races[i];

        *race = (struct race){.kind = batch->kind,
                              .when = soon + i * 400,
                              .waiting = &batch->waiting,
                              .cancels = !batch->kind->half || i % 2};
        if (batch->kind->prepare)
            batch->kind->prepare(race, group);
        CHECK_EQ(thrum_group_spawn(group, batch->kind->victim, race, NULL, &race->victim), 0);
    }
    while (load_acquire(&batch->waiting) != BATCH)
        CHECK_EQ(thrum_yield(), 0);
    while (batch->kind->timed && thrum_clock_now() < soon)
        continue;
}

static void race_once(const struct kind *kind, struct tally *tally)
{
    struct batch batch = {.kind = kind};
    thrum_group group;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    begin(&batch, &group);
    CHECK_EQ(thrum_group_spawn(&group, completer, &batch, NULL, NULL), 0);
    cancel_all(&batch);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    for (int i = 0; i < BATCH; i++)
        check_race(&batch.races[i], tally);
}

struct job {
    const struct kind *kind;
    int races;
    struct tally tally;
};

static int race_on(void *arg)
{
    struct job *job = arg;

    for (int done = 0; done < job->races; done += BATCH)
        race_once(job->kind, &job->tally);
    return 0;
}

static int races_wanted(void)
{
    if (getenv("CHECK_FEW"))
        return FEW;
    return WORKERS_SLOW ? SANITIZED : FULL;
}

static void race(const struct kind *kind)
{
    struct job jobs[] = {{kind, races_wanted() / 8 * 7, {0, 0, 0}},
                         {kind, races_wanted() / 8, {0, 0, 0}}};

    CHECK_EQ(run_with(2, race_on, &jobs[0]), 0);
    CHECK_EQ(run_with(8, race_on, &jobs[1]), 0);
    for (int i = 0; i < 2; i++)
        printf("%d workers: %u completed, %u cancelled, %u timed out\n", i ? 8 : 2,
               jobs[i].tally.completed, jobs[i].tally.cancelled, jobs[i].tally.timed_out);
}

TEST(an_event_against_a_cancel)
{
    race(&(const struct kind){victim_event, prepare_event, check_event, false, false});
}

TEST(the_end_of_a_sleep_against_a_cancel)
{
    race(&(const struct kind){victim_sleep, NULL, NULL, true, false});
}

TEST(the_end_of_a_joined_task_against_a_cancel)
{
    race(&(const struct kind){victim_join, prepare_join, check_join, false, false});
}

TEST(the_end_of_a_shield_joined_task_against_a_cancel)
{
    race(&(const struct kind){victim_shield_join, prepare_join, check_shield_join, false, false});
}

TEST(the_end_of_a_group_against_a_cancel)
{
    race(&(const struct kind){victim_close, NULL, NULL, false, false});
}

TEST(an_event_against_a_timeout_and_a_cancel)
{
    race(&(const struct kind){victim_timeout, NULL, NULL, true, true});
}

TEST(the_end_of_a_branch_against_a_cancel)
{
    race(&(const struct kind){victim_branch, NULL, NULL, false, false});
}
