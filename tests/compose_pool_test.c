/*
 * compose_pool_test.c - every resource is lent to one task at a time, used
 * again, and destroyed exactly once; no place is lost, whatever happens.
 */
#include "tests/conformance/conform.h"
#include "racing.h"
#include "skipping.h"

#define SECOND INT64_C(1000000000)

/* A depot of resources. */
struct resource {
    uint32_t users; /* atomic */
    bool sick;
    bool dead;
};

enum { MOST = 4096 };

struct depot {
    struct resource all[MOST];
    uint32_t made;      /* atomic */
    uint32_t destroyed; /* atomic */
    uint32_t existing;  /* atomic */
    uint32_t most;      /* limit */
    int refuse;         /* so many times create fails */
};

static int make(void **resource, void *context)
{
    struct depot *depot = context;
    uint32_t existing;

    SPAN;
    if (thrum_yield())
        return THRUM_ECANCELED;
    if (depot->refuse && depot->refuse-- > 0)
        return -ECONNREFUSED;
    existing = add_relaxed(&depot->existing, 1) + 1; /* relaxed: counters, all of them */
    CHECK_LE(existing, depot->most);
    *resource = &depot->all[add_relaxed(&depot->made, 1) % MOST]; /* relaxed */
    return 0;
}

static int check(void *arg, void *context)
{
    struct resource *resource = arg;

    (void)context;
    SPAN;
    CHECK(!resource->dead);
    if (thrum_yield())
        return THRUM_ECANCELED;
    return resource->sick ? -EPIPE : 0;
}

static void destroy(void *arg, void *context)
{
    struct resource *resource = arg;
    struct depot *depot = context;

    SPAN;
    CHECK_EQ(resource->users, 0);
    CHECK(!resource->dead);
    resource->dead = true;
    EXPECT_EQ(thrum_yield(), 0);                 /* no cancel gets in here */
    add_relaxed(&depot->existing, (uint32_t)-1); /* relaxed */
    add_relaxed(&depot->destroyed, 1);           /* relaxed */
}

static struct depot *depot_new(uint32_t limit)
{
    struct depot *depot = calloc(1, sizeof *depot);

    CHECK(depot != NULL);
    depot->most = limit;
    return depot;
}

static thrum_pool_options options_for(struct depot *depot)
{
    thrum_pool_options options = THRUM_POOL_OPTIONS_INIT;

    options.limit = depot->most;
    options.create = make;
    options.check = check;
    options.destroy = destroy;
    options.context = depot;
    return options;
}

static void pool_begin(thrum_pool *pool, struct depot *depot)
{
    thrum_pool_options options = options_for(depot);

    CHECK_EQ(thrum_pool_init(pool, &options), 0);
}

/* However it goes, nothing is left. */
static void pool_end(thrum_pool *pool, struct depot *depot)
{
    int status = thrum_pool_close(pool);

    EXPECT_EQ(status, 0);
    while (status)
        status = thrum_pool_close(pool);
    CHECK_EQ(thrum_pool_existing(pool), 0);
    CHECK_EQ(depot->made, depot->destroyed);
    CHECK_EQ(thrum_pool_destroy(pool), 0);
    free(depot);
}

static void use(thrum_pooled *lent)
{
    struct resource *resource = lent->resource;

    CHECK(!resource->dead);
    CHECK_EQ(add_acq_rel(&resource->users, 1), 0);
    (void)thrum_yield();
    CHECK_EQ(add_acq_rel(&resource->users, (uint32_t)-1), 1);
}

/* ---- using again ----------------------------------------------------------------------------- */

RULE(a_resource_is_used_again)
{
    struct depot *depot = depot_new(3);
    thrum_pool pool;

    SPAN;
    pool_begin(&pool, depot);
    for (int i = 0; i < 5; i++) {
        thrum_pooled *lent;
        int status = thrum_pool_acquire(&pool, &lent);

        EXPECT_EQ(status, 0);
        if (status)
            continue;
        EXPECT_EQ(thrum_pool_available(&pool), 2);
        use(lent);
        EXPECT_EQ(thrum_pool_release(&pool, lent), 0);
        EXPECT_EQ(thrum_pool_release(&pool, lent), -EINVAL);
        EXPECT_EQ(thrum_pool_discard(&pool, lent), -EINVAL);
    }
    EXPECT_EQ(depot->made, 1);
    EXPECT_EQ(thrum_pool_existing(&pool), 1);
    pool_end(&pool, depot);
}

/* Three are lent and released: the one that was released last is lent first. */
RULE(the_one_used_last_is_lent_first)
{
    struct depot *depot = depot_new(4);
    thrum_pooled *lent[3] = {NULL, NULL, NULL}, *again;
    thrum_pool pool;
    int acquired = 0;

    SPAN;
    pool_begin(&pool, depot);
    for (int i = 0; i < 3; i++)
        acquired += thrum_pool_acquire(&pool, &lent[i]) == 0;
    EXPECT_EQ(acquired, 3);
    for (int i = 0; i < 3; i++) {
        skip(1);
        if (lent[2 - i])
            CHECK_EQ(thrum_pool_release(&pool, lent[2 - i]), 0);
    }
    if (thrum_pool_acquire(&pool, &again) == 0) {
        EXPECT(again == lent[0]);
        (void)thrum_pool_release(&pool, again);
    }
    pool_end(&pool, depot);
}

RULE(a_broken_one_is_destroyed_and_another_made)
{
    struct depot *depot = depot_new(1);
    thrum_pooled *lent;
    thrum_pool pool;

    SPAN;
    pool_begin(&pool, depot);
    for (int i = 0; i < 3; i++) {
        int status = thrum_pool_acquire(&pool, &lent);

        EXPECT_EQ(status, 0);
        if (!status)
            EXPECT_EQ(thrum_pool_discard(&pool, lent), 0);
    }
    EXPECT_EQ(depot->made, 3);
    EXPECT_EQ(depot->destroyed, 3);
    EXPECT_EQ(thrum_pool_existing(&pool), 0);
    pool_end(&pool, depot);
}

RULE(a_sick_one_is_not_lent)
{
    struct depot *depot = depot_new(1);
    thrum_pooled *lent;
    thrum_pool pool;

    SPAN;
    pool_begin(&pool, depot);
    for (int i = 0; i < 3; i++) {
        int status = thrum_pool_acquire(&pool, &lent);

        EXPECT_EQ(status, 0);
        if (status)
            continue;
        EXPECT(!((struct resource *)lent->resource)->sick);
        ((struct resource *)lent->resource)->sick = true;
        CHECK_EQ(thrum_pool_release(&pool, lent), 0);
    }
    EXPECT_EQ(depot->made, 3);
    EXPECT_EQ(depot->destroyed, 2);
    pool_end(&pool, depot);
}

RULE(a_failure_to_make_one_is_told_and_loses_no_place)
{
    struct depot *depot = depot_new(1);
    thrum_pooled *lent;
    thrum_pool pool;
    int status;

    SPAN;
    depot->refuse = 2;
    pool_begin(&pool, depot);
    EXPECT_EQ(thrum_pool_acquire(&pool, &lent), -ECONNREFUSED);
    EXPECT_EQ(thrum_pool_acquire(&pool, &lent), -ECONNREFUSED);
    status = thrum_pool_acquire(&pool, &lent);
    EXPECT_EQ(status, 0);
    if (!status)
        CHECK_EQ(thrum_pool_release(&pool, lent), 0);
    CHECK_EQ(thrum_pool_available(&pool), 1);
    pool_end(&pool, depot);
}

TEST(options_out_of_range_are_refused)
{
    struct depot *depot = depot_new(1);
    thrum_pool_options options = options_for(depot);
    thrum_pool pool;

    options.limit = 0;
    CHECK_EQ(thrum_pool_init(&pool, &options), -EINVAL);
    options.limit = 1;
    options.idle_ns = -1;
    CHECK_EQ(thrum_pool_init(&pool, &options), -EINVAL);
    options.idle_ns = 0;
    options.destroy = NULL;
    CHECK_EQ(thrum_pool_init(&pool, &options), -EINVAL);
    options.destroy = destroy;
    CHECK_EQ(thrum_pool_init(&pool, &options), 0);
    CHECK_EQ(thrum_pool_destroy(&pool), 0);
    free(depot);
}

/* ---- waiting --------------------------------------------------------------------------------- */

struct line {
    thrum_pool pool;
    int arrived;
    int next;
};

static int stand(void *arg)
{
    struct line *line = arg;
    int mine = thrum_shared_rmw(&line->arrived, += 1) - 1; /* nothing else orders them */
    thrum_pooled *lent;

    CHECK_EQ(thrum_pool_acquire(&line->pool, &lent), 0);
    CHECK_EQ(line->next++, mine);
    use(lent);
    CHECK_EQ(mine % 3 ? thrum_pool_release(&line->pool, lent)
                      : thrum_pool_discard(&line->pool, lent),
             0);
    return 0;
}

static int line_up(void *arg)
{
    struct depot *depot = depot_new(1);
    struct line line = {.next = 0};
    thrum_group group;

    (void)arg;
    pool_begin(&line.pool, depot);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(thrum_group_spawn(&group, stand, &line, NULL, NULL), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(line.next, 20);
    pool_end(&line.pool, depot);
    return 0;
}

/* With one worker, so that they come one after the other. */
TEST(places_go_to_who_came_first)
{
    IN_ORDER_ONLY;
    CHECK_EQ(run_with(1, line_up, NULL), 0);
}

RULE(a_wait_for_a_place_that_is_cancelled_takes_none)
{
    struct depot *depot = depot_new(1);
    thrum_pooled *lent, *other;
    thrum_timeout timeout;
    thrum_pool pool;
    int first, status;

    SPAN;
    pool_begin(&pool, depot);
    first = thrum_pool_acquire(&pool, &lent);
    EXPECT_EQ(first, 0);
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_us(30)), 0);
    status = first ? first : thrum_pool_acquire(&pool, &other);
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
    if (!first)
        CHECK_EQ(thrum_pool_release(&pool, lent), 0);
    CHECK_EQ(thrum_pool_available(&pool), 1);
    pool_end(&pool, depot);
}

static int check_for_ever(void *arg, void *context)
{
    (void)arg;
    (void)context;
    SPAN;
    return rest();
}

/* A resource that was asked and has not answered yet is no good for anybody. */
RULE(a_check_that_is_cancelled_destroys_what_it_checked)
{
    struct depot *depot = depot_new(1);
    thrum_pool_options options = options_for(depot);
    thrum_pooled *lent;
    thrum_timeout timeout;
    thrum_pool pool;
    int status;

    SPAN;
    options.check = check_for_ever;
    CHECK_EQ(thrum_pool_init(&pool, &options), 0);
    status = thrum_pool_acquire(&pool, &lent);
    EXPECT_EQ(status, 0);
    if (!status)
        CHECK_EQ(thrum_pool_release(&pool, lent), 0);
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_us(30)), 0);
    status = disturbed() ? THRUM_ECANCELED : thrum_pool_acquire(&pool, &lent);
    if (!status)
        CHECK_EQ(thrum_pool_release(&pool, lent), 0);
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
    EXPECT_EQ(depot->made, 1);
    EXPECT_EQ(depot->destroyed, 1);
    CHECK_EQ(thrum_pool_available(&pool), 1);
    pool_end(&pool, depot);
}

/* ---- idle ------------------------------------------------------------------------------------ */

static int expire(void *arg)
{
    struct depot *depot = depot_new(3);
    thrum_pool_options options = options_for(depot);
    thrum_pooled places[3];
    thrum_pooled *lent[3];
    thrum_pool pool;

    (void)arg;
    options.idle_ns = 100 * SECOND;
    options.places = places;
    CHECK_EQ(thrum_pool_init(&pool, &options), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(thrum_pool_acquire(&pool, &lent[i]), 0);
    CHECK_EQ(thrum_pool_release(&pool, lent[0]), 0);
    skip(60 * SECOND);
    CHECK_EQ(thrum_pool_release(&pool, lent[1]), 0);
    skip(60 * SECOND);
    CHECK_EQ(thrum_pool_existing(&pool), 3);
    CHECK_EQ(thrum_pool_trim(&pool), 0);
    CHECK_EQ(thrum_pool_existing(&pool), 2); /* the first was idle for 120 s, the second for 60 */
    CHECK_EQ(thrum_pool_available(&pool), 2);
    skip(60 * SECOND);
    CHECK_EQ(thrum_pool_acquire(&pool, &lent[1]), 0); /* meets with the second */
    CHECK_EQ(depot->destroyed, 2);
    CHECK_EQ(depot->made, 4);
    skip(1000 * SECOND); /* what is lent does not grow old */
    CHECK_EQ(thrum_pool_trim(&pool), 0);
    CHECK_EQ(thrum_pool_existing(&pool), 2);
    CHECK_EQ(thrum_pool_release(&pool, lent[1]), 0);
    CHECK_EQ(thrum_pool_release(&pool, lent[2]), 0);
    pool_end(&pool, depot);
    return 0;
}

TEST(those_that_were_idle_for_too_long_are_destroyed)
{
    run_everywhere(expire, NULL);
}

static int keep(void *arg)
{
    struct depot *depot = depot_new(2);
    thrum_pool_options options = options_for(depot);
    thrum_pooled *lent;
    thrum_group group;
    thrum_pool pool;

    (void)arg;
    options.idle_ns = 100 * SECOND;
    CHECK_EQ(thrum_pool_init(&pool, &options), 0);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, thrum_pool_keep, &pool, NULL, NULL), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(thrum_pool_acquire(&pool, &lent), 0);
        CHECK_EQ(thrum_pool_release(&pool, lent), 0);
        while (thrum_pool_existing(&pool)) {
            skip(10 * SECOND);
            CHECK_EQ(thrum_yield(), 0);
        }
    }
    CHECK_EQ(thrum_pool_close(&pool), 0); /* which ends the keeper */
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    pool_end(&pool, depot);
    return 0;
}

TEST(a_keeper_trims_in_time)
{
    run_everywhere(keep, NULL);
}

RULE(a_keeper_ends_with_the_pool_or_when_cancelled)
{
    struct depot *depot = depot_new(2);
    thrum_pool_options options = options_for(depot);
    thrum_group group;
    thrum_pool pool;
    int status;

    SPAN;
    options.idle_ns = thrum_us(20);
    CHECK_EQ(thrum_pool_init(&pool, &options), 0);
    open_group(&group);
    (void)spawn_forgotten(&group, thrum_pool_keep, &pool);
    EXPECT_EQ(thrum_sleep(thrum_us(50)), 0);
    status = thrum_pool_close(&pool);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(close_group(&group, 0), 0);
    pool_end(&pool, depot);
}

/* ---- closing --------------------------------------------------------------------------------- */

static int acquire_and_hold(void *arg)
{
    struct line *line = arg;
    thrum_pooled *lent;
    int status = thrum_pool_acquire(&line->pool, &lent);

    SPAN;
    if (status)
        return status;
    use(lent);
    (void)thrum_yield();
    CHECK_EQ(thrum_pool_release(&line->pool, lent), 0);
    return 0;
}

RULE(close_refuses_who_waits_and_waits_for_what_is_lent)
{
    struct depot *depot = depot_new(1);
    struct line line = {.next = 0};
    thrum_task *waiting;
    thrum_pooled *lent;
    thrum_group group;
    int held, status;

    SPAN;
    pool_begin(&line.pool, depot);
    open_collecting(&group);
    held = thrum_pool_acquire(&line.pool, &lent);
    EXPECT_EQ(held, 0);
    waiting = spawn(&group, acquire_and_hold, &line);
    EXPECT_EQ(thrum_yield(), 0);
    if (!held) {
        thrum_timeout timeout;

        CHECK_EQ(thrum_timeout_begin(&timeout, thrum_us(30)), 0);
        status = thrum_pool_close(&line.pool);
        EXPECT_EQ(status, THRUM_ECANCELED);
        EXPECT_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
        EXPECT_EQ(finish(waiting).status, THRUM_ESHUTDOWN);
        EXPECT_EQ(thrum_pool_destroy(&line.pool), -EBUSY);
        CHECK_EQ(thrum_pool_release(&line.pool, lent), 0);
        EXPECT_EQ(thrum_pool_acquire(&line.pool, &lent), THRUM_ESHUTDOWN);
    } else {
        (void)finish(waiting);
    }
    (void)close_group(&group, 0);
    pool_end(&line.pool, depot);
}

static int use_well(void *arg, void *count)
{
    struct resource *resource = arg;

    SPAN;
    CHECK_EQ(add_acq_rel(&resource->users, 1), 0);
    add_relaxed((uint32_t *)count, 1); /* relaxed: a counter */
    (void)thrum_yield();
    CHECK_EQ(add_acq_rel(&resource->users, (uint32_t)-1), 1);
    return 7;
}

static int use_badly(void *resource, void *arg)
{
    SPAN;
    (void)resource;
    (void)arg;
    return thrum_fail(-EIO, "no answer");
}

struct long_use {
    thrum_pool *pool;
    thrum_event begun;
    uint32_t left; /* atomic */
    int status;
};

static int use_for_ever(void *resource, void *arg)
{
    struct long_use *how = arg;
    int status;

    SPAN;
    (void)resource;
    raise_flag(&how->begun);
    status = rest();
    add_relaxed(&how->left, 1); /* relaxed: a counter */
    return status;
}

static int run_long(void *arg)
{
    struct long_use *how = arg;

    SPAN;
    how->status = thrum_pool_run(how->pool, use_for_ever, how);
    return how->status == THRUM_ECANCELED ? how->status : 0;
}

RULE(a_resource_is_used_by_a_call)
{
    struct depot *depot = depot_new(2);
    uint32_t calls = 0;
    thrum_pool pool;

    SPAN;
    pool_begin(&pool, depot);
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(thrum_pool_run(&pool, use_well, &calls), 7);
    EXPECT_EQ(thrum_pool_run(&pool, use_badly, NULL), -EIO);
    (void)thrum_fail_with(NULL);
    EXPECT_EQ(calls, 3);
    EXPECT_EQ(depot->made, 1); /* who fails has not broken it */
    CHECK_EQ(thrum_pool_available(&pool), 2);
    pool_end(&pool, depot);
}

RULE(a_call_that_is_cancelled_discards_what_it_used)
{
    struct depot *depot = depot_new(2);
    struct long_use how = {.begun = THRUM_EVENT_INIT};
    thrum_timeout timeout;
    thrum_pool pool;
    int status;

    SPAN;
    pool_begin(&pool, depot);
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_us(30)), 0);
    status = thrum_pool_run(&pool, use_for_ever, &how);
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
    CHECK_EQ(raised(&how.begun), how.left);
    EXPECT_EQ(depot->made, depot->destroyed);
    CHECK_EQ(thrum_pool_available(&pool), 2);
    pool_end(&pool, depot);
}

RULE(an_immediate_shutdown_cancels_calls)
{
    struct depot *depot = depot_new(2);
    struct long_use first = {.begun = THRUM_EVENT_INIT};
    struct long_use others[3];
    thrum_group group;
    thrum_pool pool;

    SPAN;
    pool_begin(&pool, depot);
    open_group(&group);
    first.pool = &pool;
    if (spawn_forgotten(&group, run_long, &first) == 0)
        AWAIT(&first.begun);
    for (int i = 0; i < 3; i++) { /* some wait for a place, some may have begun */
        others[i] = (struct long_use){.pool = &pool, .begun = THRUM_EVENT_INIT};
        (void)spawn_forgotten(&group, run_long, &others[i]);
    }
    thrum_pool_shutdown(&pool, true);
    EXPECT_EQ(close_group(&group, 0), 0);
    EXPECT_EQ(first.status, THRUM_ESHUTDOWN);
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(others[i].status, THRUM_ESHUTDOWN);
        CHECK_EQ(raised(&others[i].begun), others[i].left);
    }
    pool_end(&pool, depot);
}

/* The resources come back while it is being closed, some of them broken. */
static int give_back_late(void *arg)
{
    struct line *line = arg;
    thrum_pooled *lent;
    int status = thrum_pool_acquire(&line->pool, &lent);
    uint64_t bits = thrum_self() | 1;

    if (status) {
        CHECK_EQ(status, THRUM_ESHUTDOWN);
        return 0;
    }
    use(lent);
    random_next(&bits);
    maybe_yield(bits >> 7);
    CHECK_EQ(bits & 1024 ? thrum_pool_release(&line->pool, lent)
                         : thrum_pool_discard(&line->pool, lent),
             0);
    return 0;
}

static int close_early(void *arg)
{
    (void)arg;
    for (int round = 0; round < many(200); round++) {
        struct depot *depot = depot_new(4);
        struct line line = {.next = 0};
        thrum_group group;

        pool_begin(&line.pool, depot);
        CHECK_EQ(thrum_group_open(&group, NULL), 0);
        for (int i = 0; i < 12; i++)
            CHECK_EQ(thrum_group_spawn(&group, give_back_late, &line, NULL, NULL), 0);
        maybe_yield((uint64_t)round);
        CHECK_EQ(thrum_pool_close(&line.pool), 0);
        CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
        pool_end(&line.pool, depot);
    }
    return 0;
}

TEST(a_pool_is_closed_while_it_is_used)
{
    run_everywhere(close_early, NULL);
}

/* ---- a crowd --------------------------------------------------------------------------------- */

static int borrow_often(void *arg)
{
    struct line *line = arg;
    uint64_t bits = thrum_self() | 1;

    for (int i = 0; i < 50; i++) {
        thrum_pooled *lent;
        thrum_timeout timeout;
        int status;

        random_next(&bits);
        CHECK_EQ(thrum_timeout_begin(&timeout, bits & 7 ? THRUM_FOREVER : (int64_t)(bits >> 44)),
                 0);
        status = thrum_pool_acquire(&line->pool, &lent);
        if (!status) {
            use(lent);
            ((struct resource *)lent->resource)->sick = (bits >> 8 & 15) == 0;
            status = bits >> 12 & 7 ? thrum_pool_release(&line->pool, lent)
                                    : thrum_pool_discard(&line->pool, lent);
        }
        status = thrum_timeout_end(&timeout, status);
        CHECK(status == 0 || status == THRUM_ETIMEOUT);
        if ((bits >> 16 & 15) == 0)
            CHECK_EQ(thrum_pool_trim(&line->pool), 0);
    }
    return 0;
}

static int borrow_much(void *arg)
{
    struct depot *depot = depot_new(5);
    struct line line = {.next = 0};

    (void)arg;
    pool_begin(&line.pool, depot);
    crowd(20, borrow_often, &line);
    CHECK_EQ(thrum_pool_available(&line.pool), 5);
    pool_end(&line.pool, depot);
    return 0;
}

TEST(a_crowd_borrows_breaks_and_gives_up)
{
    run_everywhere(borrow_much, NULL);
}

struct shop {
    thrum_pool pool;
    thrum_latch lent;
};

static int give_back(void *arg)
{
    struct shop *shop = arg;
    uint64_t bits = thrum_self() | 1;
    thrum_pooled *lent;

    CHECK_EQ(thrum_pool_acquire(&shop->pool, &lent), 0);
    CHECK_EQ(thrum_latch_count_down(&shop->lent, 1), 0);
    random_next(&bits);
    maybe_yield(bits >> 7);
    CHECK_EQ(bits & 1024 ? thrum_pool_release(&shop->pool, lent)
                         : thrum_pool_discard(&shop->pool, lent),
             0);
    return 0;
}

/* Who has closed it may do with its memory what he likes: who gave back touches it no more. */
static int close_and_clear(void *arg)
{
    static const thrum_pool clear;

    (void)arg;
    for (int round = 0; round < many(200); round++) {
        struct depot *depot = depot_new(4);
        struct shop shop;
        thrum_group group;

        pool_begin(&shop.pool, depot);
        thrum_latch_init(&shop.lent, 4);
        CHECK_EQ(thrum_group_open(&group, NULL), 0);
        for (int i = 0; i < 4; i++)
            CHECK_EQ(thrum_group_spawn(&group, give_back, &shop, NULL, NULL), 0);
        CHECK_EQ(thrum_latch_wait(&shop.lent), 0);
        pool_end(&shop.pool, depot);
        shop.pool = clear;
        CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
        CHECK_EQ(memcmp(&shop.pool, &clear, sizeof clear), 0);
        thrum_latch_destroy(&shop.lent);
    }
    return 0;
}

TEST(who_has_given_back_leaves_the_pool_alone)
{
    run_everywhere(close_and_clear, NULL);
}
