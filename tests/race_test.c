/*
 * race_test.c - in the simulated world ThreadSanitizer finds what tasks share without more, for
 * every seed, and the same each time; and nothing where they do it right.
 *
 * Each program has a twin that differs by what orders the two accesses.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <thrum/thrum.h>

#include "runtime/plat/races.h"
#include "tests/check.h"

enum { SEEDS = 12, REPEATED = 3 };

/* What the programs share; the root begins with all of it zero. */
static struct {
    int x __attribute__((aligned(16))); /* of 8 bytes the tool knows the last four accesses */
    bool orderly __attribute__((aligned(16))); /* the twin */
    thrum_mutex mutex, other;
    thrum_rwlock rwlock;
    thrum_event event, unrelated;
    thrum_sem sem, idle;
    thrum_queue queue;
    int *ring[4], value;
    thrum_latch latch;
    thrum_barrier barrier;
    thrum_promise promise;
    thrum_cond cond;
    thrum_once once;
} here;

#define DO(call)              \
    do {                      \
        int refused = (call); \
        if (refused)          \
            return refused;   \
    } while (0)

static int together(const thrum_fn *fns, size_t n)
{
    thrum_child children[8];
    thrum_group group;

    DO(thrum_group_open(&group, NULL));
    for (size_t i = 0; i < n; i++)
        if (thrum_group_spawn_child(&group, &children[i], fns[i], NULL))
            break;
    return thrum_group_close(&group, 0, NULL);
}

#define TOGETHER(...)                         \
    together((const thrum_fn[]){__VA_ARGS__}, \
             sizeof((const thrum_fn[]){__VA_ARGS__}) / sizeof(thrum_fn))

/* ---- nothing between them, or a lock -------------------------------------------------------- */

static int count(void *arg)
{
    (void)arg;
    if (here.orderly)
        DO(thrum_mutex_lock(&here.mutex));
    here.x++;
    if (here.orderly)
        thrum_mutex_unlock(&here.mutex);
    return 0;
}

static int nothing_between(void *arg)
{
    (void)arg;
    return TOGETHER(count, count);
}

/* ---- they have slept, and yielded ----------------------------------------------------------- */

static int sleep_and_count(void *arg)
{
    DO(thrum_sleep(thrum_ms(1)));
    DO(count(arg));
    return thrum_sleep(thrum_ms(1));
}

static int slept_before(void *arg)
{
    (void)arg;
    return TOGETHER(sleep_and_count, sleep_and_count);
}

static int yield_and_count(void *arg)
{
    DO(thrum_yield());
    DO(count(arg));
    return thrum_yield();
}

static int yielded_before(void *arg)
{
    (void)arg;
    return TOGETHER(yield_and_count, yield_and_count, yield_and_count);
}

/* ---- two locks ------------------------------------------------------------------------------ */

static int count_under_other(void *arg)
{
    thrum_mutex *mutex = here.orderly ? &here.mutex : &here.other;

    (void)arg;
    DO(thrum_mutex_lock(mutex));
    here.x++;
    thrum_mutex_unlock(mutex);
    return 0;
}

static int count_under_one(void *arg)
{
    (void)arg;
    DO(thrum_mutex_lock(&here.mutex));
    here.x++;
    thrum_mutex_unlock(&here.mutex);
    return 0;
}

static int wrong_lock(void *arg)
{
    (void)arg;
    return TOGETHER(count_under_one, count_under_other);
}

/* ---- a write under a read lock, while another has it too ------------------------------------ */

static int count_reading(void *arg)
{
    (void)arg;
    DO(here.orderly ? thrum_rwlock_write(&here.rwlock) : thrum_rwlock_read(&here.rwlock));
    DO(thrum_sleep(thrum_ms(1)));
    here.x++;
    if (here.orderly)
        thrum_rwlock_write_unlock(&here.rwlock);
    else
        thrum_rwlock_read_unlock(&here.rwlock);
    return 0;
}

static int look_reading(void *arg)
{
    int seen;

    (void)arg;
    DO(thrum_rwlock_read(&here.rwlock));
    DO(thrum_sleep(thrum_ms(1)));
    seen = here.x;
    thrum_rwlock_read_unlock(&here.rwlock);
    return seen < 0;
}

static int read_lock(void *arg)
{
    (void)arg;
    return TOGETHER(look_reading, count_reading);
}

/* ---- too late: after the event, after the put, after the release ---------------------------- */

static int say(void *arg)
{
    (void)arg;
    if (here.orderly)
        here.x = 1;
    thrum_event_set(&here.event);
    if (!here.orderly)
        here.x = 1;
    return 0;
}

static int hear(void *arg)
{
    (void)arg;
    DO(thrum_event_wait(&here.event));
    return here.x > 1;
}

static int after_event(void *arg)
{
    (void)arg;
    return TOGETHER(hear, say);
}

static int put(void *arg)
{
    int *item = &here.x;

    (void)arg;
    if (here.orderly)
        here.x = 1;
    DO(thrum_queue_put(&here.queue, &item));
    if (!here.orderly)
        here.x = 1;
    return 0;
}

static int get(void *arg)
{
    int *item;

    (void)arg;
    DO(thrum_queue_get(&here.queue, &item));
    return *item > 1;
}

static int after_put(void *arg)
{
    (void)arg;
    return TOGETHER(get, put);
}

static int release(void *arg)
{
    (void)arg;
    if (here.orderly)
        here.x = 1;
    DO(thrum_sem_release(&here.sem, 1));
    if (!here.orderly)
        here.x = 1;
    return 0;
}

static int acquire(void *arg)
{
    (void)arg;
    DO(thrum_sem_acquire(&here.sem, 1));
    return here.x > 1;
}

static int after_release(void *arg)
{
    (void)arg;
    return TOGETHER(acquire, release);
}

/* ---- both were woken by the same one -------------------------------------------------------- */

static int hear_and_count(void *arg)
{
    DO(thrum_event_wait(&here.event));
    return count(arg);
}

static int two_woken(void *arg)
{
    (void)arg;
    return TOGETHER(hear_and_count, hear_and_count, say);
}

/* ---- each has done something with somebody else --------------------------------------------- */

static int count_and_tell(void *arg)
{
    DO(count(arg));
    thrum_event_set(&here.unrelated);
    return thrum_yield();
}

static int only_hear(void *arg)
{
    (void)arg;
    return thrum_event_wait(&here.unrelated);
}

static int acquire_and_count(void *arg)
{
    DO(thrum_sem_acquire(&here.idle, 1));
    return count(arg);
}

static int only_release(void *arg)
{
    (void)arg;
    return thrum_sem_release(&here.idle, 1);
}

static int unrelated_wakes(void *arg)
{
    (void)arg;
    return TOGETHER(only_hear, acquire_and_count, only_release, count_and_tell);
}

/* ---- parents, children, stacks -------------------------------------------------------------- */

static int one_child(void *arg)
{
    (void)arg;
    return TOGETHER(count);
}

/* The second child has the stack on which the first has ended. */
static int same_stack(void *arg)
{
    (void)arg;
    return TOGETHER(one_child, one_child, one_child);
}

static int owner_counts(void *arg)
{
    thrum_child child;
    thrum_group group;
    int status = 0;

    DO(thrum_group_open(&group, NULL));
    if (!thrum_group_spawn_child(&group, &child, count, arg))
        status = count(arg);
    return thrum_group_close(&group, status, NULL);
}

static int add_one(void *arg)
{
    *(int *)arg += 1;
    return 0;
}

/* Forked, and done here as well: before the join, or after it. */
static int forked(void *arg)
{
    thrum_branch branch;
    int status;

    (void)arg;
    DO(thrum_fork(&branch, add_one, &here.x));
    if (!here.orderly)
        here.x++;
    status = thrum_join(&branch, add_one, &here.x);
    if (here.orderly)
        here.x++;
    return status;
}

/* ---- a generator's body is its consumer's task ---------------------------------------------- */

static int body(thrum_generator *generator, void *arg)
{
    for (int i = 0; i < 3; i++) {
        DO(count(arg));
        DO(thrum_generator_yield(generator, &i));
    }
    return 0;
}

static int consume(void *arg)
{
    thrum_generator generator;
    int item, status;

    DO(thrum_generator_open(&generator, body, arg, sizeof item));
    while ((status = thrum_generator_next(&generator, &item)) == 1)
        DO(thrum_yield());
    return thrum_generator_close(&generator, status);
}

static int generators(void *arg)
{
    (void)arg;
    return TOGETHER(consume, consume);
}

/* ---- only what is orderly ------------------------------------------------------------------- */

static int fill(void *arg)
{
    (void)arg;
    here.x = 1;
    return 0;
}

static int make_once(void *arg)
{
    (void)arg;
    DO(thrum_once_run(&here.once, fill, NULL));
    return here.x != 1;
}

static int once(void *arg)
{
    (void)arg;
    return TOGETHER(make_once, make_once, make_once);
}

static int count_down(void *arg)
{
    DO(count_under_one(arg));
    return thrum_latch_count_down(&here.latch, 1);
}

static int wait_for_all(void *arg)
{
    (void)arg;
    DO(thrum_latch_wait(&here.latch));
    return here.x != 2;
}

static int latch(void *arg)
{
    (void)arg;
    return TOGETHER(wait_for_all, count_down, count_down);
}

static int meet(void *arg)
{
    uint32_t index;

    DO(count_under_one(arg));
    DO(thrum_barrier_wait(&here.barrier, &index));
    return here.x != 3;
}

static int barrier(void *arg)
{
    (void)arg;
    return TOGETHER(meet, meet, meet);
}

static int keep(void *arg)
{
    int value = 7;

    (void)arg;
    here.x = 1;
    return thrum_promise_set(&here.promise, &value);
}

static int rely(void *arg)
{
    int value;

    (void)arg;
    DO(thrum_promise_wait(&here.promise, &value));
    return here.x != 1 || value != 7;
}

static int promise(void *arg)
{
    (void)arg;
    return TOGETHER(rely, keep, rely);
}

static int wait_for_change(void *arg)
{
    int status = 0;

    (void)arg;
    DO(thrum_mutex_lock(&here.mutex));
    while (here.x == 0 && status == 0)
        status = thrum_cond_wait(&here.cond, &here.mutex);
    thrum_mutex_unlock(&here.mutex);
    return status;
}

static int change(void *arg)
{
    DO(count_under_one(arg));
    thrum_cond_notify_all(&here.cond);
    return 0;
}

static int condition(void *arg)
{
    (void)arg;
    return TOGETHER(wait_for_change, wait_for_change, change);
}

static int give_up(void *arg)
{
    thrum_timeout timeout;

    (void)arg;
    DO(thrum_timeout_begin(&timeout, thrum_ms(2)));
    return thrum_timeout_end(&timeout, thrum_event_wait(&here.event)) != THRUM_ETIMEOUT;
}

static int timeouts(void *arg)
{
    (void)arg;
    return TOGETHER(give_up, sleep_and_count, give_up);
}

/* ---- running them --------------------------------------------------------------------------- */

static const struct program {
    const char *name;
    thrum_fn fn;
} racy[] = {{"nothing_between", nothing_between},
            {"slept_before", slept_before},
            {"yielded_before", yielded_before},
            {"wrong_lock", wrong_lock},
            {"read_lock", read_lock},
            {"after_event", after_event},
            {"after_put", after_put},
            {"after_release", after_release},
            {"two_woken", two_woken},
            {"unrelated_wakes", unrelated_wakes},
            {"same_stack", same_stack},
            {"owner_counts", owner_counts},
            {"forked", forked},
            {"generators", generators}},
  orderly[] = {{"once", once},       {"latch", latch},         {"barrier", barrier},
               {"promise", promise}, {"condition", condition}, {"timeouts", timeouts}};

#define COUNT(programs) (sizeof(programs) / sizeof(programs)[0])

static int set_up(void)
{
    thrum_queue_options options = THRUM_QUEUE_OPTIONS_INIT;
    bool is_orderly = here.orderly;

    memset(&here, 0, sizeof here);
    here.orderly = is_orderly;
    thrum_mutex_init(&here.mutex);
    thrum_mutex_init(&here.other);
    thrum_rwlock_init(&here.rwlock);
    thrum_event_init(&here.event);
    thrum_event_init(&here.unrelated);
    thrum_cond_init(&here.cond);
    options.limit = 4;
    options.ring = here.ring;
    DO(thrum_queue_init(&here.queue, sizeof(int *), &options));
    DO(thrum_barrier_init(&here.barrier, 3));
    DO(thrum_sem_init(&here.sem, 0, 0));
    DO(thrum_sem_init(&here.idle, 0, 0));
    thrum_latch_init(&here.latch, 2);
    thrum_promise_init(&here.promise, &here.value, sizeof here.value);
    return 0;
}

static int run_program(void *arg)
{
    const struct program *program = arg;

    DO(set_up());
    return program->fn(NULL);
}

struct found {
    uint64_t races;
    struct race last;
};

static struct found look_for_races(const struct program *program, uint64_t seed, bool is_orderly)
{
    thrum_options options = THRUM_OPTIONS_INIT;
    thrum_runtime *runtime;
    struct found found;
    int status;

    options.flags = THRUM_SIMULATE;
    options.seed = seed;
    here.orderly = is_orderly;
    thrum_races_want(true);
    CHECK_EQ(thrum_runtime_create(&runtime, &options), 0);
    thrum_races_want(false);
    thrum_races_begin(false);
    status = thrum_runtime_run(runtime, run_program, (void *)(uintptr_t)program, NULL);
    found.races = thrum_races_end();
    found.last = thrum_races_last();
    if (status)
        fprintf(stderr, "%s, seed %d\n", program->name, (int)seed);
    CHECK_EQ(status, 0);
    CHECK_EQ(thrum_runtime_close(runtime), 0);
    return found;
}

TEST(races_are_found_by_every_seed_and_each_time_the_same)
{
    if (!thrum_races_possible())
        SKIP("nobody looks for races: ThreadSanitizer does");
    for (size_t i = 0; i < COUNT(racy); i++)
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            struct found first = look_for_races(&racy[i], seed, false);

            if (first.races == 0)
                fprintf(stderr, "%s, seed %d\n", racy[i].name, (int)seed);
            CHECK_LT(0, first.races);
            for (int n = 0; n < REPEATED; n++) {
                struct found again = look_for_races(&racy[i], seed, false);

                CHECK_EQ(again.races, first.races);
                CHECK_EQ(again.last.address, first.last.address);
                CHECK_EQ(again.last.pcs[0], first.last.pcs[0]);
                CHECK_EQ(again.last.pcs[1], first.last.pcs[1]);
            }
        }
}

static void check_silent(const struct program *program)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct found found = look_for_races(program, seed, true);

        if (found.races)
            fprintf(stderr, "%s, seed %d\n", program->name, (int)seed);
        CHECK_EQ(found.races, 0);
    }
}

/* Found, told as a history, and there again when it is replayed. */
TEST(a_race_is_a_failure_of_its_history)
{
    thrum_explore_options options = THRUM_EXPLORE_OPTIONS_INIT;

    if (!thrum_races_possible())
        SKIP("nobody looks for races: ThreadSanitizer does");
    options.flags = THRUM_EXPLORE_QUIET | THRUM_EXPLORE_RACES;
    options.schedules = 50;
    here.orderly = false;
    for (size_t i = 0; i < COUNT(racy); i++) {
        void *program = (void *)(uintptr_t)&racy[i];
        thrum_explore_result result;

        CHECK_EQ(thrum_explore(&options, run_program, program, &result), THRUM_ERACE);
        CHECK_EQ(result.status, THRUM_ERACE);
        CHECK_LE(result.deltas, 2);
        setenv("THRUM_RACES", "1", 1);
        CHECK_DEATH(_exit(thrum_replay(result.replay, run_program, program, NULL) == THRUM_ERACE),
                    "data race");
        unsetenv("THRUM_RACES");
    }
}

/* Only in some orders the flag is found set, and the word behind it is read: in those it races. */
static int flag_up(void *arg)
{
    (void)arg;
    here.x = 1;
    thrum_shared_store(&here.value, 1);
    return 0;
}

static int flag_seen(void *arg)
{
    (void)arg;
    return thrum_shared_load(&here.value) && here.x != 1;
}

static int flag(void *arg)
{
    (void)arg;
    DO(set_up());
    return TOGETHER(flag_up, flag_seen);
}

TEST(a_race_of_some_orders_is_told_by_what_makes_them)
{
    thrum_explore_options options = THRUM_EXPLORE_OPTIONS_INIT;
    thrum_explore_result result;

    if (!thrum_races_possible())
        SKIP("nobody looks for races: ThreadSanitizer does");
    options.flags = THRUM_EXPLORE_QUIET | THRUM_EXPLORE_RACES;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        options.seed = seed;
        CHECK_EQ(thrum_explore(&options, flag, NULL, &result), THRUM_ERACE);
        CHECK_EQ(result.deltas, 1);
        CHECK_EQ(thrum_replay("", flag, NULL, NULL), 0);
    }
}

TEST(what_is_in_order_is_no_race)
{
    for (size_t i = 0; i < COUNT(racy); i++)
        check_silent(&racy[i]);
    for (size_t i = 0; i < COUNT(orderly); i++)
        check_silent(&orderly[i]);
}
