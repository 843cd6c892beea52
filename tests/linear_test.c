/*
 * linear_test.c - the checker of histories: what is linearizable and what is not, against a
 * search without any cleverness; histories of Thrum's own objects in both worlds.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/check.h"
#include "tests/seeded/models.h"
#include "tests/workers.h"

#define ROOM 64

static thrum_record records[ROOM];

static thrum_history empty(void)
{
    return (thrum_history)THRUM_HISTORY_INIT(records, ROOM);
}

/* A call that overlaps no other. */
static void did(thrum_history *history, uint32_t lane, uint32_t what, int64_t given, int status,
                int64_t got)
{
    thrum_history_end(history, thrum_history_begin(history, lane, what, given), status, got);
}

static int check(const thrum_history *history, const thrum_model *model)
{
    return thrum_history_check(history, model, NULL);
}

/* ---- what is and what is not ------------------------------------------------------------------ */

TEST(no_calls_are_in_order)
{
    thrum_history history = empty();

    CHECK_EQ(check(&history, &model_register), 0);
}

TEST(a_register_forgets_nothing)
{
    thrum_history history = empty();

    did(&history, 0, REGISTER_WRITE, 1, 0, 0);
    did(&history, 1, REGISTER_READ, 0, 0, 1);
    CHECK_EQ(check(&history, &model_register), 0);
    did(&history, 1, REGISTER_READ, 0, 0, 0);
    CHECK_EQ(check(&history, &model_register), THRUM_EUNORDERED);
}

/* A read may see a write that is under way, but not a second one the value before it. */
TEST(a_value_once_seen_stays)
{
    for (int second = 0; second <= 1; second++) {
        thrum_history history = empty();
        uint32_t write = thrum_history_begin(&history, 0, REGISTER_WRITE, 1);

        did(&history, 1, REGISTER_READ, 0, 0, 1);
        did(&history, 2, REGISTER_READ, 0, 0, second);
        thrum_history_end(&history, write, 0, 0);
        CHECK_EQ(check(&history, &model_register), second ? 0 : THRUM_EUNORDERED);
    }
}

TEST(a_call_that_has_not_returned_may_have_had_its_effect)
{
    for (int seen = 0; seen <= 2; seen++) {
        thrum_history history = empty();

        (void)thrum_history_begin(&history, 0, REGISTER_WRITE, 1);
        did(&history, 1, REGISTER_READ, 0, 0, 0);
        did(&history, 1, REGISTER_READ, 0, 0, seen);
        CHECK_EQ(check(&history, &model_register), seen == 2 ? THRUM_EUNORDERED : 0);
    }
}

static const struct model_queue fifo = {THRUM_FIFO, 0};

TEST(items_come_out_in_order)
{
    thrum_model model = model_queue(&fifo);

    for (int first = 1; first <= 2; first++) {
        thrum_history history = empty();

        did(&history, 0, QUEUE_PUT, 1, 0, 0);
        did(&history, 0, QUEUE_PUT, 2, 0, 0);
        did(&history, 1, QUEUE_GET, 0, 0, first);
        did(&history, 1, QUEUE_GET, 0, 0, 3 - first);
        CHECK_EQ(check(&history, &model), first == 1 ? 0 : THRUM_EUNORDERED);
    }
}

TEST(items_put_at_once_come_out_in_any_order)
{
    thrum_model model = model_queue(&fifo);

    for (int first = 1; first <= 2; first++) {
        thrum_history history = empty();
        uint32_t one = thrum_history_begin(&history, 0, QUEUE_PUT, 1);
        uint32_t other = thrum_history_begin(&history, 1, QUEUE_PUT, 2);

        thrum_history_end(&history, one, 0, 0);
        thrum_history_end(&history, other, 0, 0);
        did(&history, 2, QUEUE_GET, 0, 0, first);
        did(&history, 2, QUEUE_GET, 0, 0, 3 - first);
        CHECK_EQ(check(&history, &model), 0);
    }
}

TEST(what_is_lost_or_doubled_is_found)
{
    thrum_model model = model_queue(&fifo);
    thrum_history history = empty();

    did(&history, 0, QUEUE_PUT, 1, 0, 0);
    did(&history, 1, QUEUE_TRY_GET, 0, -EAGAIN, 0);
    CHECK_EQ(check(&history, &model), THRUM_EUNORDERED);
    history = empty();
    did(&history, 0, QUEUE_PUT, 1, 0, 0);
    did(&history, 1, QUEUE_GET, 0, 0, 1);
    did(&history, 2, QUEUE_GET, 0, 0, 1);
    CHECK_EQ(check(&history, &model), THRUM_EUNORDERED);
}

TEST(cancelled_calls_have_no_effect)
{
    thrum_model model = model_queue(&fifo);
    thrum_history history = empty();

    did(&history, 0, QUEUE_PUT, 1, THRUM_ECANCELED, 0);
    did(&history, 1, QUEUE_TRY_GET, 0, -EAGAIN, 0);
    CHECK_EQ(check(&history, &model), 0);
    did(&history, 1, QUEUE_GET, 0, 0, 1);
    CHECK_EQ(check(&history, &model), THRUM_EUNORDERED);
}

/* ---- what it says ----------------------------------------------------------------------------- */

/* The shortest part: from the last calm moment on. */
TEST(the_part_that_shows_it_is_named)
{
    thrum_model model = model_queue(&fifo);
    thrum_history history = empty();
    thrum_linearity found;
    uint32_t put;

    did(&history, 0, QUEUE_PUT, 1, 0, 0); /* 1 2 */
    did(&history, 1, QUEUE_GET, 0, 0, 1); /* 3 4 */
    put = thrum_history_begin(&history, 0, QUEUE_PUT, 2);
    did(&history, 1, QUEUE_GET, 0, 0, 3); /* 6 7 */
    thrum_history_end(&history, put, 0, 0);
    did(&history, 1, QUEUE_GET, 0, 0, 4); /* wrong too, but later */
    CHECK_EQ(thrum_history_check(&history, &model, &found), THRUM_EUNORDERED);
    CHECK_EQ(found.wrong, 3);
    CHECK_EQ(found.from, 5);
    CHECK_EQ(found.to, 7);
}

static char drawing[4096];

static void append(const char *line, void *context)
{
    (void)context;
    strcat(strcat(drawing, line), "\n");
}

TEST(a_history_is_drawn_in_lanes)
{
    thrum_model model = model_queue(&fifo);
    thrum_history history = empty();
    thrum_linearity found;
    uint32_t get;

    did(&history, 7, QUEUE_PUT, 1, 0, 0);
    get = thrum_history_begin(&history, 3, QUEUE_GET, 0);
    did(&history, 7, QUEUE_PUT, 2, 0, 0);
    thrum_history_end(&history, get, 0, 2);
    did(&history, 3, QUEUE_GET, 0, 0, 1);
    CHECK_EQ(thrum_history_check(&history, &model, &found), THRUM_EUNORDERED);
    thrum_history_tell(&history, &model, &found, append, NULL);
    CHECK_STR_EQ(drawing, "fifo\n"
                          "       3               7\n"
                          "    1                  put 1\n"
                          "    2                  = 0\n"
                          ">   3  get 0\n"
                          ">   4  |               put 2\n"
                          ">   5  |               = 0\n"
                          ">   6  = 2   <- no order explains this\n"
                          "    7  get 0\n"
                          "    8  = 1\n");
}

TEST(lanes_beyond_eight_have_no_column)
{
    thrum_history history = empty();

    for (uint32_t lane = 12; lane > 0; lane--)
        did(&history, lane, REGISTER_WRITE, lane, 0, 0);
    thrum_history_tell(&history, &model_register, NULL, append, NULL);
    CHECK(strstr(drawing, "       1               2  ") != NULL);
    CHECK(strstr(drawing, "8   (and others)") != NULL);
    CHECK(strstr(drawing, "write 9") == NULL);
    CHECK(strstr(drawing, "write 8") != NULL);
}

/* ---- bounds ----------------------------------------------------------------------------------- */

TEST(a_history_without_room_is_not_judged)
{
    thrum_history history = THRUM_HISTORY_INIT(records, 2);

    did(&history, 0, REGISTER_WRITE, 1, 0, 0);
    did(&history, 0, REGISTER_WRITE, 2, 0, 0);
    CHECK_EQ(check(&history, &model_register), 0);
    did(&history, 0, REGISTER_WRITE, 3, 0, 0);
    CHECK_EQ(check(&history, &model_register), -E2BIG);
}

TEST(a_thousand_calls_are_judged_and_no_more)
{
    static thrum_record many[THRUM_HISTORY_CALLS + 1];
    thrum_history history = THRUM_HISTORY_INIT(many, THRUM_HISTORY_CALLS + 1);

    for (uint32_t i = 0; i < THRUM_HISTORY_CALLS; i++)
        did(&history, i % 3, i % 2 ? REGISTER_READ : REGISTER_WRITE, i, 0, (int64_t)i - 1);
    CHECK_EQ(check(&history, &model_register), 0);
    did(&history, 0, REGISTER_READ, 0, 0, 0);
    CHECK_EQ(check(&history, &model_register), -E2BIG);
}

/* Any order of 30 writes, none of which explains the read. */
TEST(a_search_that_takes_too_long_is_given_up)
{
    thrum_history history = empty();
    thrum_linearity found;
    uint32_t calls[30];

    for (uint32_t i = 0; i < 30; i++)
        calls[i] = thrum_history_begin(&history, i, REGISTER_WRITE, i + 1);
    for (uint32_t i = 0; i < 30; i++)
        thrum_history_end(&history, calls[i], 0, 0);
    did(&history, 30, REGISTER_READ, 0, 0, 99);
    CHECK_EQ(thrum_history_check(&history, &model_register, &found), -E2BIG);
    CHECK_EQ(found.states, THRUM_HISTORY_STATES);
}

/* ---- against a search without memory ---------------------------------------------------------- */

static uint64_t random_state;

static uint32_t draw(uint32_t n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % n;
}

/* May this one be next: has every call that ended before it began been made? */
static bool may_be_next(const thrum_history *history, uint32_t made, uint32_t call)
{
    for (uint32_t i = 0; i < history->count; i++)
        if (!(made >> i & 1) && records[i].ended && records[i].ended < records[call].began)
            return false;
    return true;
}

/* All orders, one after the other. */
static bool some_order(const thrum_history *history, const thrum_model *model, uint32_t made,
                       const void *state)
{
    _Alignas(16) unsigned char after[512];
    bool over = true;

    for (uint32_t i = 0; i < history->count; i++) {
        over &= made >> i & 1 || records[i].ended == 0;
        if (made >> i & 1 || !may_be_next(history, made, i))
            continue;
        memcpy(after, state, model->state_bytes);
        if (model->step(after, &records[i], model->context) &&
            some_order(history, model, made | 1u << i, after))
            return true;
    }
    return over;
}

/* Up to six calls of three lanes, with results by chance; some do not return. */
static thrum_history any_history(uint32_t writes, uint32_t reads)
{
    thrum_history history = empty();
    uint32_t open[3] = {0, 0, 0}; /* the lane's call + 1 */

    for (uint32_t left = 6; left > 0;) {
        uint32_t lane = draw(3);

        if (open[lane]) {
            thrum_history_end(&history, open[lane] - 1, 0,
                              records[open[lane] - 1].what == reads ? draw(3) : 0);
            open[lane] = 0;
        } else {
            uint32_t what = draw(2) ? writes : reads;

            open[lane] =
                thrum_history_begin(&history, lane, what, what == writes ? draw(3) : 0) + 1;
            left--;
        }
    }
    for (uint32_t lane = 0; lane < 3; lane++)
        if (open[lane] && draw(4))
            thrum_history_end(&history, open[lane] - 1, 0,
                              records[open[lane] - 1].what == reads ? draw(3) : 0);
    return history;
}

static void agrees(const thrum_model *model, uint32_t writes, uint32_t reads)
{
    _Alignas(16) unsigned char state[512] = {0};
    unsigned good = 0, bad = 0;

    CHECK_LE(model->state_bytes, sizeof state);
    for (int i = 0; i < 20000; i++) {
        thrum_history history = any_history(writes, reads);
        bool ordered = some_order(&history, model, 0, state);

        CHECK_EQ(check(&history, model), ordered ? 0 : THRUM_EUNORDERED);
        good += ordered;
        bad += !ordered;
    }
    CHECK_LE(1000, good);
    CHECK_LE(1000, bad);
}

TEST(it_agrees_with_a_search_of_all_orders)
{
    static const struct model_queue kinds[] = {
        {THRUM_FIFO, 0}, {THRUM_LIFO, 0}, {THRUM_PRIORITY, 0}, {THRUM_FIFO, 2}};

    agrees(&model_register, REGISTER_WRITE, REGISTER_READ);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        thrum_model model = model_queue(&kinds[i]);

        agrees(&model, QUEUE_PUT, QUEUE_GET);
    }
}

/* What is said to be the shortest part that is wrong is; without its last return it is not. */
TEST(no_shorter_history_is_wrong)
{
    thrum_model model = model_queue(&fifo);
    unsigned cut = 0;

    for (int i = 0; i < 20000; i++) {
        thrum_history history = any_history(QUEUE_PUT, QUEUE_GET);
        thrum_linearity found;

        if (thrum_history_check(&history, &model, &found) == 0)
            continue;
        for (uint32_t call = 0; call < history.count; call++) /* what came later */
            if (records[call].ended > found.to)
                records[call].ended = 0;
        for (uint32_t call = history.count; call-- > 0;)
            if (records[call].began > found.to)
                history.count = call; /* they stand in the order of their begins */
        history.clock = found.to;
        CHECK_EQ(records[found.wrong].ended, found.to);
        /* a return that is cut off says less: then it may be explained */
        if (check(&history, &model) == THRUM_EUNORDERED)
            cut++;
        records[found.wrong].ended = 0;
        history.clock = found.to - 1;
        CHECK_EQ(check(&history, &model), 0);
    }
    CHECK_LE(1000, cut);
}

/* ---- Thrum's queue, in the real world --------------------------------------------------------- */

static struct {
    thrum_queue queue;
    thrum_history history;
} shared;

static int use(void *arg)
{
    uint32_t lane = (uint32_t)(uintptr_t)arg;

    for (int i = 0; i < 5; i++) {
        int64_t item = 10 * (int64_t)lane + i;
        uint32_t call = thrum_history_begin(&shared.history, lane, QUEUE_TRY_PUT, item);
        int status = thrum_queue_try_put(&shared.queue, &item);

        thrum_history_end(&shared.history, call, status, 0);
        item = 0;
        call = thrum_history_begin(&shared.history, lane, QUEUE_TRY_GET, 0);
        status = thrum_queue_try_get(&shared.queue, &item);
        thrum_history_end(&shared.history, call, status, item);
    }
    return 0;
}

static int all_use(void *arg)
{
    thrum_child children[4];
    thrum_group group;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (uintptr_t i = 0; i < 4; i++)
        CHECK_EQ(thrum_group_spawn_child(&group, &children[i], use, (void *)i), 0);
    return thrum_group_close(&group, 0, NULL);
}

TEST(what_tasks_see_of_a_queue_is_linearizable)
{
    static const int workers[] = {1, 2, 8};
    const struct model_queue bounded = {THRUM_FIFO, 3};
    thrum_model model = model_queue(&bounded);
    thrum_queue_options options = THRUM_QUEUE_OPTIONS_INIT;

    options.limit = 3;
    for (int round = 0; round < many(300); round++) {
        thrum_linearity found;

        shared.history = empty();
        CHECK_EQ(thrum_queue_init(&shared.queue, sizeof(int64_t), &options), 0);
        CHECK_EQ(run_with(workers[round % 3], all_use, NULL), 0);
        thrum_queue_destroy(&shared.queue);
        if (thrum_history_check(&shared.history, &model, &found))
            thrum_history_tell(&shared.history, &model, &found, NULL, NULL);
        CHECK_EQ(thrum_history_check(&shared.history, &model, NULL), 0);
    }
}

/* ---- a stack that is wrong, in the simulated world -------------------------------------------- */

static struct {
    int64_t items[8];
    int count;
    thrum_history history;
} stack;

/* Looks where there is room, and then writes there: others may have done so meanwhile. */
static int push_and_pop(void *arg)
{
    uint32_t lane = (uint32_t)(uintptr_t)arg;
    uint32_t call = thrum_history_begin(&stack.history, lane, QUEUE_TRY_PUT, lane + 1);
    int count = thrum_shared_load(&stack.count);
    int64_t item = 0;

    thrum_shared_store(&stack.items[count], (int64_t)lane + 1);
    thrum_shared_store(&stack.count, count + 1);
    thrum_history_end(&stack.history, call, 0, 0);
    call = thrum_history_begin(&stack.history, lane, QUEUE_TRY_GET, 0);
    count = thrum_shared_load(&stack.count);
    if (count) {
        item = thrum_shared_load(&stack.items[count - 1]);
        thrum_shared_store(&stack.count, count - 1);
    }
    thrum_history_end(&stack.history, call, count ? 0 : -EAGAIN, item);
    return 0;
}

static int use_stack(void *arg)
{
    static const struct model_queue lifo = {THRUM_LIFO, 0};
    thrum_model model = model_queue(&lifo);
    thrum_child children[2];
    thrum_group group;
    int status;

    (void)arg;
    memset(&stack, 0, sizeof stack);
    stack.history = empty();
    status = thrum_group_open(&group, NULL);
    if (status)
        return status;
    for (uintptr_t i = 0; i < 2 && !status; i++)
        status = thrum_group_spawn_child(&group, &children[i], push_and_pop, (void *)i);
    status = thrum_group_close(&group, status, NULL);
    return status ? status : thrum_history_check(&stack.history, &model, NULL);
}

TEST(a_stack_without_a_lock_is_found_out)
{
    thrum_explore_options options = THRUM_EXPLORE_OPTIONS_INIT;

    options.flags = THRUM_EXPLORE_QUIET;
    for (uint64_t seed = 0; seed < 5; seed++) {
        options.seed = seed;
        CHECK_EQ(thrum_explore(&options, use_stack, NULL, NULL), THRUM_EUNORDERED);
    }
}
