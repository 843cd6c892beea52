/*
 * random_test.c - random programs of all that there is: groups, timeouts,
 * shields, cancels, joins, forks, waits and calls on threads, one inside the
 * other. Whatever happens, every task ends before its owner goes on, every call
 * returns one of the statuses that it may, and nothing hangs.
 *
 *   RANDOM_SEED=N   another set of programs (they do not decide who runs when)
 *   RANDOM_RUNS=N   how many
 */
#include <errno.h>
#include <stdlib.h>

#include "runtime/atomic/verbs.h"
#include "workers.h"

#define FANOUT 6
#define DEPTH 4
#define STEPS 4

static thrum_executor *executor;
static thrum_mutex mutex = THRUM_MUTEX_INIT;
static thrum_sem sem = THRUM_SEM_INIT(2);
static uint32_t alive; /* atomic: tasks between their begin and end */

/* What a task of a random program is given. */
struct part {
    uint64_t seed;
    int depth;          /* how many more levels there may be below */
    thrum_group *group; /* whose task it is, or NULL */
    thrum_event *event; /* shared with its siblings */
};

static int part(void *arg);

static uint64_t draw(uint64_t *seed)
{
    *seed ^= *seed << 13; /* xorshift64 (Marsaglia 2003) */
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static bool one_in(uint64_t *seed, unsigned n)
{
    return draw(seed) % n == 0;
}

static int nap(uint64_t *seed, unsigned us)
{
    return thrum_sleep(thrum_us((int64_t)(draw(seed) % us)));
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int under_timeout(const struct part *self, uint64_t *seed)
{
    struct part below = {draw(seed), self->depth - 1, self->group, self->event};
    thrum_timeout timeout;
    int status = thrum_timeout_begin(&timeout, thrum_us((int64_t)(draw(seed) % 60)));

    CHECK_EQ(status, 0);
    status = self->depth > 0 ? part(&below) : nap(seed, 50);
    status = thrum_timeout_end(&timeout, status);
    if (status == THRUM_ETIMEOUT)
        CHECK(thrum_timeout_expired(&timeout));
    return status == THRUM_ETIMEOUT ? 0 : status;
}

static int under_shield(uint64_t *seed)
{
    thrum_shield shield;

    thrum_shield_begin(&shield);
    CHECK_EQ(nap(seed, 20), 0); /* whatever goes on outside */
    return thrum_shield_end(&shield);
}

static int in_scope(const struct part *self, uint64_t *seed)
{
    struct part below = {draw(seed), self->depth - 1, self->group, self->event};
    thrum_scope scope;
    int status;

    CHECK_EQ(thrum_scope_begin(&scope, one_in(seed, 4) ? THRUM_LEVEL : 0), 0);
    if (one_in(seed, 2))
        thrum_scope_cancel(&scope, -1, "at once");
    status = self->depth > 0 ? part(&below) : thrum_yield();
    return thrum_scope_end(&scope, status);
}

static int forked(const struct part *self, uint64_t *seed)
{
    struct part below = {draw(seed), self->depth - 1, self->group, self->event};
    thrum_fn fn = self->depth > 0 ? part : nothing;
    thrum_branch branch;
    int here;
    int there;

    CHECK_EQ(thrum_fork(&branch, fn, &below), 0);
    here = thrum_yield();
    there = thrum_join(&branch, fn, &below);
    return here ? here : there == THRUM_ECANCELED ? there : 0;
}

static int locked(uint64_t *seed)
{
    int status = thrum_mutex_lock(&mutex);

    if (status)
        return status;
    status = one_in(seed, 2) ? thrum_yield() : 0;
    thrum_mutex_unlock(&mutex);
    return status;
}

static int permitted(uint64_t *seed)
{
    uint32_t n = 1 + (uint32_t)(draw(seed) % 2);
    int status = thrum_sem_acquire(&sem, n);

    if (status)
        return status;
    status = one_in(seed, 2) ? nap(seed, 50) : 0;
    CHECK_EQ(thrum_sem_release(&sem, n), 0);
    return status;
}

static int on_thread(uint64_t *seed)
{
    int value = 0;

    return one_in(seed, 2) ? thrum_to_thread(executor, nothing, NULL)
                           : thrum_to_thread_copy(executor, nothing, &value, sizeof value, NULL);
}

/* Wait for a task a little while, in one of two ways. */
static int joined(thrum_task *task, uint64_t *seed)
{
    thrum_outcome outcome = {.error = NULL};
    thrum_timeout timeout;
    int status;

    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_us(200)), 0);
    status = one_in(seed, 2) ? thrum_task_join(task, &outcome) : thrum_shield_join(task, &outcome);
    thrum_error_free(outcome.error);
    status = thrum_timeout_end(&timeout, status);
    return status == THRUM_ETIMEOUT ? 0 : status;
}

struct company {
    thrum_group group;
    thrum_event event;
    thrum_child children[FANOUT];
    thrum_task *tasks[FANOUT];
    struct part parts[FANOUT];
};

static int hire(struct company *company, const struct part *self, uint64_t *seed)
{
    int n = 1 + (int)(draw(seed) % FANOUT);
    int status = 0;

    for (int i = 0; i < n && !status; i++) {
        company->parts[i] =
            (struct part){draw(seed), self->depth - 1, &company->group, &company->event};
        if (one_in(seed, 2))
            status = thrum_group_spawn_child(&company->group, &company->children[i], part,
                                             &company->parts[i]);
        else
            status = thrum_group_spawn(&company->group, part, &company->parts[i], NULL,
                                       one_in(seed, 2) ? &company->tasks[i] : NULL);
    }
    return status == THRUM_ESHUTDOWN ? 0 : status;
}

static int meddle(struct company *company, uint64_t *seed)
{
    int status = one_in(seed, 2) ? nap(seed, 10) : 0;

    for (int i = 0; i < FANOUT; i++)
        if (company->tasks[i] && one_in(seed, 3))
            thrum_task_cancel(company->tasks[i], -1, "meddled with");
    for (int i = 0; i < FANOUT && !status; i++)
        if (company->tasks[i] && one_in(seed, 3))
            status = joined(company->tasks[i], seed);
    thrum_event_set(&company->event);
    if (one_in(seed, 2))
        thrum_group_cancel(&company->group, -1, "enough");
    return status;
}

static int grouped(const struct part *self, uint64_t *seed)
{
    struct company company = {.event = THRUM_EVENT_INIT};
    thrum_error *errors = NULL;
    int status;

    CHECK_EQ(thrum_group_open(&company.group, one_in(seed, 2) ? collecting() : NULL), 0);
    status = hire(&company, self, seed);
    if (!status)
        status = meddle(&company, seed);
    thrum_event_set(&company.event);
    status = thrum_group_close(&company.group, status, one_in(seed, 2) ? &errors : NULL);
    for (int i = 0; i < FANOUT; i++) {
        CHECK(!company.tasks[i] || thrum_task_ended(company.tasks[i], NULL));
        thrum_task_unref(company.tasks[i]);
    }
    thrum_error_free(errors);
    thrum_event_destroy(&company.event);
    CHECK(status == 0 || status == THRUM_ECANCELED || status == THRUM_EGROUP);
    return status == THRUM_EGROUP ? 0 : status;
}

static int step(const struct part *self, uint64_t *seed)
{
    switch (draw(seed) % 16) {
    case 0:
        return nap(seed, 30);
    case 1:
        return thrum_yield();
    case 2:
        return thrum_event_wait(self->event);
    case 3:
        thrum_event_set(self->event);
        return 0;
    case 4:
        thrum_event_clear(self->event);
        return thrum_checkpoint();
    case 5:
        if (self->group && one_in(seed, 8))
            thrum_group_cancel(self->group, -1, "by a task of it");
        return 0;
    case 6:
        return under_timeout(self, seed);
    case 7:
        return under_shield(seed);
    case 8:
        return in_scope(self, seed);
    case 9:
        return one_in(seed, 16) ? -EIO : 0;
    case 10:
        return forked(self, seed);
    case 11:
        return locked(seed);
    case 12:
        return permitted(seed);
    case 13:
        return one_in(seed, 4) ? on_thread(seed) : 0;
    default:
        return self->depth > 0 ? grouped(self, seed) : 0;
    }
}

static int part(void *arg)
{
    const struct part *self = arg;
    uint64_t seed = self->seed | 1;
    int status = 0;

    add_relaxed(&alive, 1); /* relaxed: a counter */
    for (int i = 0; i < STEPS && !status; i++)
        status = step(self, &seed);
    add_relaxed(&alive, (uint32_t)-1); /* relaxed: a counter */
    return status;
}

static int programs(void *arg)
{
    uint64_t seed = *(const uint64_t *)arg;

    for (int i = 0; i < 20; i++) {
        thrum_event event = THRUM_EVENT_INIT;
        struct part whole = {draw(&seed), DEPTH, NULL, &event};
        thrum_timeout timeout;
        int status;

        CHECK_EQ(thrum_timeout_begin(&timeout, thrum_ms(20)), 0); /* for events that nobody sets */
        status = thrum_timeout_end(&timeout, part(&whole));
        CHECK(status == 0 || status == -EIO || status == THRUM_ETIMEOUT);
        CHECK_EQ(alive, 0);
        thrum_event_destroy(&event);
    }
    return 0;
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 0) : otherwise;
}

TEST(random_programs_end_as_they_should)
{
    uint64_t seed = from_environment("RANDOM_SEED", 1);
    int runs = (int)from_environment("RANDOM_RUNS", (uint64_t)many(40));

    CHECK_EQ(thrum_executor_create(&executor, NULL), 0);
    for (int i = 0; i < runs; i++) {
        uint64_t mine = (seed + (uint64_t)i) * UINT64_C(0x9e3779b97f4a7c15) | 1;

        CHECK_EQ(run_with(1 << i % 4, programs, &mine), 0);
    }
    CHECK_EQ(thrum_executor_close(executor, thrum_s(3600), NULL), 0);
}
