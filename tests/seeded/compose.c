/* compose.c - what is built on the rest: pools, rates, limiters, exits, batches, jobs, services. */
#include "tests/seeded/kit.h"

static int cancel_0(void *arg)
{
    (void)arg;
    crew_cancel(0);
    return 0;
}

static int cancel_1(void *arg)
{
    (void)arg;
    crew_cancel(1);
    return 0;
}

static int cancel_1_at_ten(void *arg)
{
    (void)arg;
    AT(10);
    crew_cancel(1);
    return 0;
}

/* ---- pools ----------------------------------------------------------------------------------- */

static struct {
    thrum_pool pool;
    thrum_pooled places[2];
    int things[64];
    bool used[64];
    bool broken[64];
    int made;
    int exist;
    int uses;
    int checks;
} po;

static int create(void **resource, void *context)
{
    (void)context;
    EXPECT(po.exist < 2, INSIDE);
    po.exist++;
    *resource = &po.things[po.made++];
    if (thrum_yield()) {
        po.exist--;
        return THRUM_ECANCELED;
    }
    return 0;
}

static int check(void *resource, void *context)
{
    int status = thrum_yield();

    (void)context;
    po.checks++;
    if (status)
        return status;
    return po.broken[(int *)resource - po.things] ? -EIO : 0;
}

static void destroy(void *resource, void *context)
{
    (void)context;
    if (thrum_yield() || po.used[(int *)resource - po.things])
        po.exist = 1000; /* a cancel has come in, or it is still being used */
    po.exist--;
}

static int pool_begin(int64_t idle_ns)
{
    thrum_pool_options options = THRUM_POOL_OPTIONS_INIT;

    memset(&po, 0, sizeof po);
    options.limit = 2;
    options.create = create;
    options.check = check;
    options.destroy = destroy;
    options.idle_ns = idle_ns;
    options.places = po.places;
    return thrum_pool_init(&po.pool, &options);
}

static int pool_end(int status)
{
    DO(status);
    DO(thrum_pool_close(&po.pool));
    EXPECT(po.exist == 0, LEFT_OVER);
    EXPECT(thrum_pool_existing(&po.pool) == 0, LEFT_OVER);
    EXPECT(thrum_pool_destroy(&po.pool) == 0, LEFT_OVER);
    return 0;
}

static int borrow(void *arg)
{
    for (int i = 0; i < 2; i++) {
        thrum_pooled *lent = NULL;
        int thing;

        DO(thrum_pool_acquire(&po.pool, &lent));
        EXPECT(lent && lent->resource, WRONG);
        thing = (int)((int *)lent->resource - po.things);
        EXPECT(!po.used[thing], TWICE);
        EXPECT(!po.broken[thing], WRONG);
        po.used[thing] = true;
        thrum_point();
        po.uses++;
        po.used[thing] = false;
        if (LANE == 0)
            po.broken[thing] = true;
        if (LANE == 1)
            DO(thrum_pool_discard(&po.pool, lent));
        else
            DO(thrum_pool_release(&po.pool, lent));
    }
    return 0;
}

static int pool(void *arg)
{
    (void)arg;
    DO(pool_begin(THRUM_FOREVER));
    return pool_end(CREW(borrow, borrow, borrow, borrow, cancel_0, cancel_1));
}

/* Closed while some are lent and others wait. */
static int borrow_until_shut(void *arg)
{
    int status = borrow(arg);

    return status == THRUM_ESHUTDOWN ? 0 : status;
}

static int close_pool(void *arg)
{
    (void)arg;
    DO(thrum_pool_close(&po.pool));
    EXPECT(po.exist == 0, LEFT_OVER);
    return 0;
}

static int pool_close(void *arg)
{
    (void)arg;
    DO(pool_begin(THRUM_FOREVER));
    DO(CREW(borrow_until_shut, borrow_until_shut, borrow_until_shut, close_pool));
    return pool_end(0);
}

/* What is idle for 5 ms goes; what is younger stays. */
static int borrow_and_rest(void *arg)
{
    for (int i = 0; i < 3; i++) {
        thrum_pooled *lent = NULL;
        int made = po.made;

        DO(thrum_pool_acquire(&po.pool, &lent));
        EXPECT(i == 0 || (po.made > made) == (i == 2), WRONG);
        DO(thrum_pool_release(&po.pool, lent));
        AT(i == 0 ? 4 : 6);
    }
    (void)arg;
    thrum_pool_shutdown(&po.pool, false);
    return 0;
}

static int keep(void *arg)
{
    (void)arg;
    return thrum_pool_keep(&po.pool);
}

static int pool_idle(void *arg)
{
    (void)arg;
    DO(pool_begin(thrum_ms(5)));
    return pool_end(CREW(borrow_and_rest, keep));
}

/* Uses that are cancelled by a shutdown. */
static int use_resource(void *resource, void *arg)
{
    int thing = (int)((int *)resource - po.things);
    int status;

    (void)arg;
    EXPECT(!po.used[thing], TWICE);
    po.used[thing] = true;
    status = thrum_sleep(thrum_s(1));
    po.used[thing] = false;
    po.uses++;
    return status;
}

static int run_in_pool(void *arg)
{
    int status = thrum_pool_run(&po.pool, use_resource, NULL);

    (void)arg;
    return status == THRUM_ESHUTDOWN ? 0 : status;
}

static int shut_pool(void *arg)
{
    int64_t begin = thrum_now().ns;

    (void)arg;
    AT(1);
    thrum_pool_shutdown(&po.pool, true);
    DO(thrum_pool_close(&po.pool));
    EXPECT(thrum_now().ns - begin < thrum_ms(500), LOST);
    return 0;
}

static int pool_run(void *arg)
{
    (void)arg;
    DO(pool_begin(THRUM_FOREVER));
    return pool_end(CREW(run_in_pool, run_in_pool, run_in_pool, shut_pool));
}

/* ---- rates ----------------------------------------------------------------------------------- */

static struct {
    thrum_rate rate;
    int64_t times[CREW_MAX];
    int64_t begin;
    int taken;
} ra;

/* Two at once, then one every ten milliseconds: no span has more. */
static int take_token(void *arg)
{
    DO(thrum_rate_acquire(&ra.rate, 1));
    ra.times[LANE] = thrum_now().ns - ra.begin;
    ra.taken++;
    return 0;
}

static int impatient(void *arg)
{
    int status = thrum_rate_acquire_within(&ra.rate, 1, thrum_ms(15));

    if (status == -EAGAIN)
        return 0;
    DO(status);
    ra.times[LANE] = thrum_now().ns - ra.begin;
    EXPECT(ra.times[LANE] <= thrum_ms(15), WRONG);
    ra.taken++;
    return 0;
}

static int rate(void *arg)
{
    int within[10] = {0};
    int64_t last = 0;

    (void)arg;
    memset(&ra, 0, sizeof ra);
    DO(thrum_rate_init(&ra.rate, 1, thrum_ms(10), 2));
    ra.begin = thrum_now().ns;
    for (int i = 0; i < CREW_MAX; i++)
        ra.times[i] = -1;
    DO(CREW(take_token, take_token, take_token, take_token, impatient, cancel_1_at_ten));
    for (int i = 0; i < CREW_MAX; i++) {
        if (ra.times[i] < 0)
            continue;
        EXPECT(ra.times[i] % thrum_ms(10) == 0 && ra.times[i] <= thrum_ms(30), WRONG);
        within[ra.times[i] / thrum_ms(10)]++;
        last = ra.times[i] > last ? ra.times[i] : last;
    }
    EXPECT(within[0] <= 2 && within[1] <= 1 && within[2] <= 1 && within[3] <= 1, EARLY);
    EXPECT(ra.taken >= 3, LOST);
    /* the cancelled one's token is not paid for twice */
    EXPECT(thrum_rate_wait(&ra.rate, 1) <= thrum_ms(10), LOST);
    return 0;
}

/* The last in line gives up: its place is there again. */
static int give_up_last(void *arg)
{
    (void)arg;
    AT(1);
    return thrum_rate_acquire(&ra.rate, 2);
}

static int look_after_that(void *arg)
{
    (void)arg;
    AT(5);
    EXPECT(thrum_rate_wait(&ra.rate, 1) == thrum_ms(25), WRONG);
    crew_cancel(0);
    AT(1);
    EXPECT(thrum_rate_wait(&ra.rate, 1) == thrum_ms(4), LOST);
    return 0;
}

static int rate_give_back(void *arg)
{
    (void)arg;
    memset(&ra, 0, sizeof ra);
    DO(thrum_rate_init(&ra.rate, 1, thrum_ms(10), 2));
    DO(thrum_rate_acquire(&ra.rate, 2));
    return CREW(give_up_last, look_after_that);
}

/* What is saved up is no more than the burst. */
static int rate_rest(void *arg)
{
    (void)arg;
    memset(&ra, 0, sizeof ra);
    DO(thrum_rate_init(&ra.rate, 1, thrum_ms(10), 2));
    DO(CREW(take_token, take_token));
    AT(100);
    EXPECT(thrum_rate_try_acquire(&ra.rate, 2) == 0, LOST);
    EXPECT(thrum_rate_try_acquire(&ra.rate, 1) == -EAGAIN, EARLY);
    return 0;
}

/* ---- limiters -------------------------------------------------------------------------------- */

static struct {
    thrum_limiter *limiter;
    int called;
    int dropped;
    int given;
} li;

static int call(void *arg)
{
    (void)arg;
    li.called++;
    return 0;
}

static void drop(void *arg)
{
    (void)arg;
    li.dropped++;
}

static int call_plainly(void *arg)
{
    (void)arg;
    return thrum_limiter_call(li.limiter, NULL, call, NULL);
}

static int call_with_copy(void *arg)
{
    int copy = 1;

    (void)arg;
    li.given++;
    return thrum_limiter_call_copy(li.limiter, NULL, call, &copy, sizeof copy, drop);
}

static int limiter(void *arg)
{
    int status;

    (void)arg;
    memset(&li, 0, sizeof li);
    DO(thrum_limiter_create(&li.limiter, 1));
    status = CREW(call_plainly, call_with_copy, call_with_copy, cancel_0, cancel_1_at_ten);
    DO(status);
    EXPECT(li.dropped == li.given, li.dropped < li.given ? LOST : TWICE);
    EXPECT(thrum_limiter_room(li.limiter) == 1, LOST);
    thrum_limiter_close(li.limiter);
    return 0;
}

/* ---- exits ----------------------------------------------------------------------------------- */

static struct {
    int order;
    int exits;
    thrum_event never;
} ex;

static int exit_with(void *arg, int status)
{
    int number = (int)(intptr_t)arg;

    EXPECT(number == 3 - ex.order, TURN);
    ex.order++;
    if (thrum_sleep(thrum_ms(1))) /* cancels do not come in here */
        return WRONG;
    ex.exits++;
    return number == 2 ? -EIO : status == THRUM_SWALLOW ? WRONG : 0;
}

static int with_exits(void *arg)
{
    thrum_exit_stack stack = THRUM_EXIT_STACK_INIT, kept = THRUM_EXIT_STACK_INIT;
    thrum_exit exits[3];
    int status;

    (void)arg;
    thrum_exit_stack_push(&kept, &exits[0], exit_with, (void *)(intptr_t)1);
    thrum_exit_stack_push(&stack, &exits[1], exit_with, (void *)(intptr_t)2);
    thrum_exit_stack_push(&stack, &exits[2], exit_with, (void *)(intptr_t)3);
    thrum_exit_stack_pop_all(&stack, &kept);
    status = thrum_event_wait(&ex.never);
    EXPECT(status == THRUM_ECANCELED, WRONG);
    EXPECT(thrum_exit_stack_close(&stack, 0, NULL) == 0, WRONG);
    status = thrum_exit_stack_close(&kept, status, NULL);
    EXPECT(ex.exits == 3, LOST);
    EXPECT(status == -EIO, WRONG); /* a failure is more than a cancel */
    return 0;
}

static int exits(void *arg)
{
    (void)arg;
    memset(&ex, 0, sizeof ex);
    thrum_event_init(&ex.never);
    return CREW(with_exits, cancel_0, cancel_0);
}

/* ---- as they end ----------------------------------------------------------------------------- */

static int end_at(void *arg)
{
    AT(5 * (LANE + 1));
    return 0;
}

static int end_at_ten(void *arg)
{
    (void)arg;
    AT(10);
    return 0;
}

static int take_as_they_end(void *arg)
{
    thrum_task *tasks[] = {crew.tasks[0], crew.tasks[1], crew.tasks[2], crew.tasks[0]};
    thrum_completion nodes[4];
    thrum_completed all;
    unsigned seen = 0;
    int status;

    (void)arg;
    thrum_completed_begin(&all, nodes, tasks, 4);
    for (;;) {
        thrum_task *task = NULL;

        status = thrum_completed_next(&all, &task);
        if (status)
            break;
        EXPECT(thrum_task_ended(task, NULL), EARLY);
        for (unsigned i = 0; i < 3; i++)
            if (task == crew.tasks[i]) {
                EXPECT(!(seen >> i & 1), TWICE);
                seen |= 1u << i;
            }
    }
    thrum_completed_end(&all);
    EXPECT(status == -ENOENT || crew.cancelled[3], WRONG);
    EXPECT(status != -ENOENT || seen == 7, LOST);
    return status == -ENOENT ? 0 : status;
}

static int cancel_3_at_ten(void *arg)
{
    (void)arg;
    AT(10);
    crew_cancel(3);
    return 0;
}

static int completed(void *arg)
{
    (void)arg;
    return CREW(end_at, end_at_ten, end_at_ten, take_as_they_end);
}

static int completed_cancel(void *arg)
{
    (void)arg;
    return CREW(end_at, end_at_ten, end_at_ten, take_as_they_end, cancel_3_at_ten);
}

/* ---- batches --------------------------------------------------------------------------------- */

static struct {
    thrum_batcher batcher;
    int flushed[CREW_MAX];
    int told[CREW_MAX];
    int largest;
} bt;

static int flush(void **items, int *statuses, size_t n, void *context)
{
    (void)context;
    bt.largest = (int)n > bt.largest ? (int)n : bt.largest;
    for (size_t i = 0; i < n; i++) {
        uint32_t lane = (uint32_t)(uintptr_t)items[i];

        bt.flushed[lane]++;
        statuses[i] = lane == 2 ? -EIO : 0;
    }
    return thrum_yield();
}

static int submit(void *arg)
{
    int status = thrum_batcher_submit(&bt.batcher, arg);

    bt.told[LANE]++;
    if (status == THRUM_ESHUTDOWN) {
        EXPECT(bt.flushed[LANE] == 0, TWICE);
        return 0;
    }
    if (status == THRUM_ECANCELED)
        return status;
    EXPECT(status == (LANE == 2 ? -EIO : 0), WRONG);
    EXPECT(bt.flushed[LANE] == 1, LOST);
    return 0;
}

static int close_at_end(void *arg)
{
    (void)arg;
    AT(LANE);
    return thrum_batcher_close(&bt.batcher);
}

static int hurry(void *arg)
{
    (void)arg;
    thrum_batcher_hurry(&bt.batcher);
    return 0;
}

static int close_now(void *arg)
{
    (void)arg;
    return thrum_batcher_close(&bt.batcher);
}

static int submit_all(const thrum_fn *fns, size_t n)
{
    thrum_batcher_options options = THRUM_BATCHER_OPTIONS_INIT;
    thrum_group group;
    int status, left;

    memset(&bt, 0, sizeof bt);
    options.flush = flush;
    options.most = 2;
    options.wait_ns = thrum_ms(2);
    DO(thrum_group_open(&group, NULL));
    DO(thrum_batcher_open(&bt.batcher, &group, &options));
    status = crew_run(fns, n);
    left = all_ended(&group);
    DO(status ? status : left);
    EXPECT(bt.largest <= 2, INSIDE);
    for (int i = 0; i < 4; i++)
        EXPECT(bt.flushed[i] <= 1, TWICE);
    return 0;
}

static int batches(void *arg)
{
    static const thrum_fn fns[] = {submit, submit, submit, submit, close_at_end, hurry, cancel_0};

    (void)arg;
    return submit_all(fns, sizeof fns / sizeof fns[0]);
}

static int batches_close(void *arg)
{
    static const thrum_fn fns[] = {submit, submit, submit, submit, close_now};

    (void)arg;
    return submit_all(fns, sizeof fns / sizeof fns[0]);
}

/* ---- jobs ------------------------------------------------------------------------------------ */

static struct {
    thrum_workers workers;
    thrum_job jobs[4];
    bool submitted[4];
    bool cancelled; /* the second one, which would take a second */
    int inside;
    int done[4];
} jo;

static int job(void *arg)
{
    int number = (int)((int *)arg - jo.done);
    int status;

    EXPECT(jo.inside++ < 2, INSIDE);
    status = number == 1 ? thrum_sleep(thrum_s(1)) : thrum_yield();
    jo.inside--;
    jo.done[number]++;
    return status;
}

static int submit_job(void *arg)
{
    thrum_outcome outcome = {THRUM_FAILED, -1, NULL};
    int status;

    jo.submitted[LANE] = true;
    status = thrum_workers_submit(&jo.workers, &jo.jobs[LANE], job, &jo.done[LANE]);
    if (status)
        return status == THRUM_ESHUTDOWN ? 0 : status;
    status = thrum_job_join(&jo.jobs[LANE], &outcome);
    EXPECT(outcome.kind != THRUM_FAILED, WRONG);
    EXPECT(jo.done[LANE] <= 1, TWICE);
    EXPECT(outcome.kind != THRUM_OK || jo.done[LANE] == 1, EARLY);
    return status;
}

static int shut_workers(void *arg)
{
    (void)arg;
    thrum_workers_shutdown(&jo.workers, true);
    return 0;
}

static int jobs(void *arg)
{
    thrum_workers_options options = THRUM_WORKERS_OPTIONS_INIT;
    int64_t begin = thrum_now().ns;
    thrum_group group;
    int status, left;

    (void)arg;
    memset(&jo, 0, sizeof jo);
    options.count = 2;
    DO(thrum_group_open(&group, NULL));
    DO(thrum_workers_open(&jo.workers, &group, &options));
    status = CREW(submit_job, submit_job, submit_job, submit_job, cancel_0, shut_workers);
    left = thrum_workers_close(&jo.workers);
    DO(all_ended(&group));
    DO(status ? status : left);
    EXPECT(thrum_now().ns - begin < thrum_ms(500), LOST); /* nobody has waited for the long one */
    return 0;
}

static int cancel_job(void *arg)
{
    (void)arg;
    jo.cancelled = jo.submitted[1] && thrum_job_cancel(&jo.jobs[1], -1, "by the program");
    return 0;
}

static int jobs_cancel(void *arg)
{
    int64_t begin = thrum_now().ns;
    thrum_group group;
    int status, left;

    (void)arg;
    memset(&jo, 0, sizeof jo);
    DO(thrum_group_open(&group, NULL));
    DO(thrum_workers_open(&jo.workers, &group, NULL));
    status = CREW(submit_job, submit_job, cancel_job);
    left = thrum_workers_close(&jo.workers);
    DO(all_ended(&group));
    DO(status ? status : left);
    EXPECT((thrum_now().ns - begin < thrum_ms(500)) == jo.cancelled, LOST);
    return 0;
}

/* ---- services -------------------------------------------------------------------------------- */

static struct {
    thrum_service service;
    int handled;
    int submitted;
} sv;

static int handle(void *item, void *arg)
{
    (void)item, (void)arg;
    DO(thrum_yield());
    sv.handled++;
    return 0;
}

static int submit_item(void *arg)
{
    int status = thrum_service_submit(&sv.service, &sv.handled);

    (void)arg;
    sv.submitted += status == 0;
    return status == THRUM_ESHUTDOWN ? 0 : status;
}

static int stop_service(void *arg)
{
    (void)arg;
    DO(thrum_yield());
    return thrum_service_stop(&sv.service, thrum_s(10), NULL);
}

static int service(void *arg)
{
    thrum_service_options options = THRUM_SERVICE_OPTIONS_INIT;
    thrum_group group;
    int status, left;

    (void)arg;
    memset(&sv, 0, sizeof sv);
    options.handle = handle;
    options.item_bytes = sizeof(int);
    options.limit = 1;
    DO(thrum_group_open(&group, NULL));
    DO(thrum_service_start(&sv.service, &group, &options));
    status = CREW(submit_item, submit_item, submit_item, cancel_0);
    left = stop_service(NULL);
    DO(all_ended(&group));
    DO(status ? status : left);
    EXPECT(sv.handled == sv.submitted, LOST);
    return 0;
}

const struct program programs_compose[] = {{"pool", pool},
                                           {"pool_close", pool_close},
                                           {"pool_idle", pool_idle},
                                           {"pool_run", pool_run},
                                           {"rate", rate},
                                           {"rate_give_back", rate_give_back},
                                           {"rate_rest", rate_rest},
                                           {"limiter", limiter},
                                           {"exits", exits},
                                           {"completed", completed},
                                           {"completed_cancel", completed_cancel},
                                           {"batches", batches},
                                           {"batches_close", batches_close},
                                           {"jobs", jobs},
                                           {"jobs_cancel", jobs_cancel},
                                           {"service", service},
                                           {NULL, NULL}};
