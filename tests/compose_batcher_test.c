/*
 * compose_batcher_test.c - every item is handed over once, or its submitter is
 * told that it was not; never too many at once, never later than was asked for.
 */
#include "tests/conformance/conform.h"
#include "racing.h"
#include "skipping.h"

#define SECOND INT64_C(1000000000)

struct item {
    uint32_t flushed; /* atomic */
    int n;
    int result;
};

struct store {
    thrum_batcher batcher;
    uint32_t batches; /* atomic */
    uint32_t items;   /* atomic */
    uint32_t most;    /* atomic: in one batch */
    uint32_t inside;  /* atomic */
    int fails;        /* what flush returns */
    thrum_event begun;
};

static int flush(void **items, int *statuses, size_t n, void *context)
{
    struct store *store = context;
    int status;

    SPAN;
    CHECK(n > 0);
    CHECK_EQ(add_acq_rel(&store->inside, 1), 0);  /* one at a time */
    add_relaxed(&store->batches, 1);              /* relaxed: counters, all of them */
    if (n > load_relaxed(&store->most))           /* relaxed */
        store_relaxed(&store->most, (uint32_t)n); /* relaxed */
    status = thrum_yield();
    for (size_t i = 0; i < n; i++) {
        struct item *item = items[i];

        CHECK_EQ(add_relaxed(&item->flushed, 1), 0); /* relaxed */
        item->result = item->n * item->n;
        statuses[i] = item->n < 0 ? -EDOM : 0;
        add_relaxed(&store->items, 1); /* relaxed */
    }
    add_acq_rel(&store->inside, (uint32_t)-1);
    return status ? status : store->fails;
}

static int flush_for_ever(void **items, int *statuses, size_t n, void *context)
{
    struct store *store = context;
    int status;

    SPAN;
    (void)items;
    (void)statuses;
    (void)n;
    raise_flag(&store->begun);
    status = rest();
    add_relaxed(&store->batches, 1); /* relaxed */
    return status;
}

static thrum_batcher_options options_for(struct store *store, size_t most, int64_t wait)
{
    thrum_batcher_options options = THRUM_BATCHER_OPTIONS_INIT;

    options.flush = flush;
    options.context = store;
    options.most = most;
    options.wait_ns = wait;
    return options;
}

struct submitter {
    struct store *store;
    struct item item;
    int status;
};

static int submit(void *arg)
{
    struct submitter *submitter = arg;

    SPAN;
    submitter->status = thrum_batcher_submit(&submitter->store->batcher, &submitter->item);
    return submitter->status == THRUM_ECANCELED ? submitter->status : 0;
}

/* So many submit at once, and all are told. */
static void submit_all(struct store *store, struct submitter *submitters, int n)
{
    thrum_group group;

    open_group(&group);
    for (int i = 0; i < n; i++) {
        submitters[i] = (struct submitter){store, {0, i, 0}, THRUM_ECANCELED};
        (void)spawn_forgotten(&group, submit, &submitters[i]);
    }
    EXPECT_EQ(close_group(&group, 0), 0);
}

static int close_if(int opened, thrum_batcher *batcher)
{
    return opened ? opened : thrum_batcher_close(batcher);
}

/* ---- batches --------------------------------------------------------------------------------- */

RULE(enough_items_make_a_batch)
{
    struct store store = {.begun = THRUM_EVENT_INIT};
    thrum_batcher_options options = options_for(&store, 4, THRUM_FOREVER);
    struct submitter submitters[12];
    thrum_group group;
    int opened;

    SPAN;
    open_group(&group);
    opened = thrum_batcher_open(&store.batcher, &group, &options);
    EXPECT_EQ(opened, 0);
    if (!opened)
        submit_all(&store, submitters, 12);
    for (int i = 0; i < 12; i++) {
        EXPECT_EQ(submitters[i].status, 0);
        EXPECT_EQ(submitters[i].item.result, i * i);
    }
    EXPECT_EQ(store.items, 12);
    CHECK_LE(store.most, 4);
    EXPECT_EQ(close_if(opened, &store.batcher), 0);
    EXPECT_EQ(close_group(&group, 0), 0);
}

RULE(the_first_item_waits_only_so_long)
{
    struct store store = {.begun = THRUM_EVENT_INIT};
    thrum_batcher_options options = options_for(&store, 1000, thrum_us(20));
    struct item item = {0, 7, 0};
    thrum_group group;
    int opened;

    SPAN;
    open_group(&group);
    opened = thrum_batcher_open(&store.batcher, &group, &options);
    if (!opened) {
        thrum_time begin = thrum_now();

        EXPECT_EQ(thrum_batcher_submit(&store.batcher, &item), 0);
        EXPECT(thrum_between(begin, thrum_now()) >= thrum_us(20));
    }
    EXPECT_EQ(item.result, 49);
    EXPECT_EQ(close_if(opened, &store.batcher), 0);
    EXPECT_EQ(close_group(&group, 0), 0);
}

static int slow_batches(void *arg)
{
    struct store store = {.begun = THRUM_EVENT_INIT};
    thrum_batcher_options options = options_for(&store, 1000, 3600 * SECOND);
    struct submitter submitters[5];
    thrum_time begin = thrum_now();
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_batcher_open(&store.batcher, &group, &options), 0);
    submit_all(&store, submitters, 5);
    CHECK_LE(3600 * SECOND, thrum_between(begin, thrum_now()));
    CHECK_EQ(store.items, 5);
    CHECK_EQ(thrum_batcher_close(&store.batcher), 0);
    return thrum_group_close(&group, 0, NULL);
}

static int slow_batches_fly(void *arg)
{
    return run_flying(60 * SECOND, slow_batches, arg);
}

TEST(an_hour_is_an_hour)
{
    run_everywhere(slow_batches_fly, NULL);
}

/* Nothing but a hurry, or the close, would hand these over. */
RULE(what_waits_is_handed_over_by_a_hurry_and_by_the_close)
{
    for (int hurry = 0; hurry < 2; hurry++) {
        struct store store = {.begun = THRUM_EVENT_INIT};
        thrum_batcher_options options = options_for(&store, 1000, THRUM_FOREVER);
        struct submitter submitter = {&store, {0, 5, 0}, THRUM_ECANCELED};
        thrum_group group, inner;
        int opened, closed = THRUM_ESTATE;

        SPAN;
        open_group(&group);
        opened = thrum_batcher_open(&store.batcher, &group, &options);
        open_group(&inner);
        if (!opened)
            (void)spawn_forgotten(&inner, submit, &submitter);
        while (!opened && !disturbed() && thrum_batcher_waiting(&store.batcher) == 0)
            EXPECT_EQ(thrum_sleep(thrum_us(50)), 0);
        if (!opened && hurry)
            thrum_batcher_hurry(&store.batcher);
        else
            closed = close_if(opened, &store.batcher);
        if (disturbed())
            thrum_group_cancel(&inner, 0, NULL); /* it may have come after the hurry */
        EXPECT_EQ(close_group(&inner, 0), 0);
        if (closed == THRUM_ESTATE)
            closed = close_if(opened, &store.batcher);
        EXPECT_EQ(closed, 0);
        EXPECT_EQ(submitter.status, 0);
        EXPECT_EQ(submitter.item.result, 25);
        EXPECT_EQ(close_group(&group, 0), 0);
    }
}

/* ---- failures -------------------------------------------------------------------------------- */

RULE(failures_are_told_to_those_who_have_submitted)
{
    for (int whole = 0; whole < 2; whole++) {
        struct store store = {.fails = whole ? -EIO : 0, .begun = THRUM_EVENT_INIT};
        thrum_batcher_options options = options_for(&store, 2, thrum_us(10));
        struct item good = {0, 1, 0}, bad = {0, -1, 0};
        thrum_group group;
        int opened;

        SPAN;
        open_group(&group);
        opened = thrum_batcher_open(&store.batcher, &group, &options);
        if (!opened) {
            EXPECT_EQ(thrum_batcher_submit(&store.batcher, &bad), whole ? -EIO : -EDOM);
            EXPECT_EQ(thrum_batcher_submit(&store.batcher, &good), whole ? -EIO : 0);
        }
        EXPECT_EQ(close_if(opened, &store.batcher), 0);
        EXPECT_EQ(close_group(&group, 0), 0); /* it is theirs, and not the group's */
    }
}

TEST(options_out_of_range_are_refused)
{
    struct store store = {.fails = 0};
    thrum_batcher_options options = options_for(&store, 0, 0);

    CHECK_EQ(thrum_batcher_open(&store.batcher, NULL, &options), -EINVAL);
    options.most = 1;
    options.wait_ns = -1;
    CHECK_EQ(thrum_batcher_open(&store.batcher, NULL, &options), -EINVAL);
    options.wait_ns = 0;
    options.flush = NULL;
    CHECK_EQ(thrum_batcher_open(&store.batcher, NULL, &options), -EINVAL);
}

/* ---- cancels --------------------------------------------------------------------------------- */

RULE(an_item_that_is_in_no_batch_is_taken_back)
{
    struct store store = {.begun = THRUM_EVENT_INIT};
    thrum_batcher_options options = options_for(&store, 1000, THRUM_FOREVER);
    struct item item = {0, 5, 0};
    thrum_timeout timeout;
    thrum_group group;
    int opened, status;

    SPAN;
    open_group(&group);
    opened = thrum_batcher_open(&store.batcher, &group, &options);
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_us(30)), 0);
    status = opened ? opened : thrum_batcher_submit(&store.batcher, &item);
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
    EXPECT_EQ(close_if(opened, &store.batcher), 0);
    CHECK_EQ(item.flushed, 0);
    EXPECT_EQ(close_group(&group, 0), 0);
}

static int end_soon(void *arg)
{
    thrum_batcher *batcher = arg;

    SPAN;
    (void)!thrum_sleep(thrum_us(50));
    return thrum_task_cancel(batcher->task, 0, NULL) ? 0 : 1;
}

/* Its batch is under way: it is waited for, since it has the item. */
RULE(an_item_that_is_in_a_batch_is_waited_for)
{
    struct store store = {.begun = THRUM_EVENT_INIT};
    thrum_batcher_options options = options_for(&store, 1, 0);
    struct item item = {0, 5, 0};
    thrum_timeout timeout;
    thrum_group group, inner;
    int opened, status;

    SPAN;
    options.flush = flush_for_ever;
    open_group(&group);
    opened = thrum_batcher_open(&store.batcher, &group, &options);
    open_group(&inner);
    if (!opened && spawn_forgotten(&inner, end_soon, &store.batcher))
        (void)thrum_task_cancel(store.batcher.task, 0, NULL);
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_us(20)), 0);
    status = opened ? opened : thrum_batcher_submit(&store.batcher, &item);
    EXPECT(status == THRUM_ECANCELED || status == THRUM_EBROKEN);
    (void)thrum_timeout_end(&timeout, status);
    if (raised(&store.begun))
        EXPECT_EQ(store.batches, 1); /* it has ended */
    EXPECT_EQ(close_group(&inner, 0), 0);
    EXPECT_EQ(close_if(opened, &store.batcher), 0);
    EXPECT_EQ(close_group(&group, 0), 0);
}

/* The batcher's group is cancelled, with a batch under way or before it has begun. */
RULE(who_waits_for_a_batch_that_is_never_done_is_told)
{
    for (int early = 0; early < 2; early++) {
        struct store store = {.begun = THRUM_EVENT_INIT};
        thrum_batcher_options options = options_for(&store, 2, THRUM_FOREVER);
        struct submitter submitters[5];
        thrum_group group, inner;
        int opened;

        SPAN;
        options.flush = flush_for_ever;
        open_group(&group);
        opened = thrum_batcher_open(&store.batcher, &group, &options);
        open_group(&inner);
        for (int i = 0; i < 5; i++) {
            submitters[i] = (struct submitter){&store, {0, i, 0}, THRUM_EBROKEN};
            if (!opened)
                (void)spawn_forgotten(&inner, submit, &submitters[i]);
        }
        if (!early && !opened)
            AWAIT(&store.begun);
        if (!opened)
            (void)thrum_task_cancel(store.batcher.task, 0, NULL);
        EXPECT_EQ(close_group(&inner, 0), 0);
        for (int i = 0; i < 5; i++)
            EXPECT(submitters[i].status == THRUM_EBROKEN ||
                   submitters[i].status == THRUM_ESHUTDOWN);
        EXPECT_EQ(close_if(opened, &store.batcher), 0);
        EXPECT_EQ(close_group(&group, 0), 0);
    }
}

RULE(a_cancelled_close_cancels_the_batch_and_waits)
{
    struct store store = {.begun = THRUM_EVENT_INIT};
    thrum_batcher_options options = options_for(&store, 1, THRUM_FOREVER);
    struct submitter submitter = {&store, {0, 5, 0}, THRUM_EBROKEN};
    thrum_timeout timeout;
    thrum_group group, inner;
    int opened, status;

    SPAN;
    options.flush = flush_for_ever;
    open_group(&group);
    opened = thrum_batcher_open(&store.batcher, &group, &options);
    open_group(&inner);
    if (!opened && !spawn_forgotten(&inner, submit, &submitter))
        AWAIT(&store.begun);
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_us(20)), 0);
    status = close_if(opened, &store.batcher);
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
    EXPECT_EQ(close_group(&inner, 0), 0);
    EXPECT_EQ(submitter.status, THRUM_EBROKEN);
    EXPECT_EQ(close_group(&group, 0), 0);
}

static int close_inside(void **items, int *statuses, size_t n, void *context)
{
    struct store *store = context;

    SPAN;
    (void)items;
    (void)statuses;
    (void)n;
    return thrum_batcher_close(&store->batcher);
}

static int submit_inside(void **items, int *statuses, size_t n, void *context)
{
    struct store *store = context;

    SPAN;
    (void)statuses;
    (void)n;
    return thrum_batcher_submit(&store->batcher, items[0]);
}

/* A batch would wait for itself. */
static void flush_in_vain(thrum_flush_fn fn)
{
    struct store store = {.begun = THRUM_EVENT_INIT};
    thrum_batcher_options options = options_for(&store, 1, 0);
    struct item item = {0, 5, 0};
    thrum_group group;
    int opened;

    options.flush = fn;
    open_group(&group);
    opened = thrum_batcher_open(&store.batcher, &group, &options);
    EXPECT_EQ(opened ? opened : thrum_batcher_submit(&store.batcher, &item), -EDEADLK);
    EXPECT_EQ(close_if(opened, &store.batcher), 0);
    EXPECT_EQ(close_group(&group, 0), 0);
}

RULE(a_batch_cannot_wait_for_its_batcher)
{
    SPAN;
    flush_in_vain(close_inside);
}

RULE(a_batch_cannot_submit_to_its_batcher)
{
    SPAN;
    flush_in_vain(submit_inside);
}

/* ---- a crowd --------------------------------------------------------------------------------- */

static int submit_often(void *arg)
{
    struct store *store = arg;
    uint64_t bits = thrum_self() | 1;

    for (int i = 0; i < 50; i++) {
        struct item item = {0, i, 0};
        thrum_timeout timeout;
        int status;

        random_next(&bits);
        CHECK_EQ(thrum_timeout_begin(&timeout, bits & 3 ? THRUM_FOREVER : (int64_t)(bits >> 46)),
                 0);
        status = thrum_batcher_submit(&store->batcher, &item);
        if (status == 0)
            CHECK_EQ(item.result, i * i);
        if (status == THRUM_ESHUTDOWN)
            CHECK_EQ(item.flushed, 0);
        status = thrum_timeout_end(&timeout, status);
        CHECK(status == 0 || status == THRUM_ETIMEOUT || status == THRUM_ESHUTDOWN);
        if ((bits >> 8 & 31) == 0)
            thrum_batcher_hurry(&store->batcher);
    }
    return 0;
}

static int busy_store(void *arg)
{
    (void)arg;
    for (int round = 0; round < many(40); round++) {
        struct store store = {.begun = THRUM_EVENT_INIT};
        thrum_batcher_options options = options_for(&store, 7, thrum_us(20));
        thrum_group group;

        CHECK_EQ(thrum_group_open(&group, NULL), 0);
        CHECK_EQ(thrum_batcher_open(&store.batcher, &group, &options), 0);
        crowd(20, submit_often, &store);
        CHECK_EQ(thrum_batcher_waiting(&store.batcher), 0);
        CHECK_EQ(thrum_batcher_close(&store.batcher), 0);
        CHECK_LE(store.most, 7);
        CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    }
    return 0;
}

TEST(a_crowd_submits_and_gives_up)
{
    run_everywhere(busy_store, NULL);
}

/* ---- those who are late ---------------------------------------------------------------------- */

/* Once refused, always refused. */
static int submit_to_the_end(void *arg)
{
    struct store *store = arg;
    uint64_t bits = thrum_self() | 1;
    int refused = 0;

    for (int i = 0; refused < 20; i++) {
        struct item item = {0, i, 0};
        int status = thrum_batcher_submit(&store->batcher, &item);

        CHECK(status == THRUM_ESHUTDOWN || (status == 0 && !refused));
        CHECK_EQ(item.flushed, status == 0);
        refused += status != 0;
        random_next(&bits);
        maybe_yield(bits >> 5);
    }
    return 0;
}

/* It is closed, and gone, while they submit. */
static int close_early(void *arg)
{
    (void)arg;
    for (int round = 0; round < many(200); round++) {
        struct store store = {.begun = THRUM_EVENT_INIT};
        thrum_batcher_options options = options_for(&store, 3, thrum_us(20));
        thrum_group group, inner;

        CHECK_EQ(thrum_group_open(&group, NULL), 0);
        CHECK_EQ(thrum_batcher_open(&store.batcher, &group, &options), 0);
        CHECK_EQ(thrum_group_open(&inner, NULL), 0);
        for (int i = 0; i < 6; i++)
            CHECK_EQ(thrum_group_spawn(&inner, submit_to_the_end, &store, NULL, NULL), 0);
        maybe_yield((uint64_t)round);
        CHECK_EQ(thrum_batcher_close(&store.batcher), 0);
        CHECK_EQ(thrum_group_close(&inner, 0, NULL), 0);
        CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    }
    return 0;
}

TEST(who_submits_too_late_is_refused)
{
    run_everywhere(close_early, NULL);
}
