/* group.c - groups that count, fail, and are over at the first success; handles; generators. */
#include "tests/seeded/kit.h"

static struct {
    thrum_group *group;
    thrum_event go;
    int inside;
    int ran;
    int ended;
    int called;
    int cancelled;
} g;

static void begin(void)
{
    memset(&g, 0, sizeof g);
    thrum_event_init(&g.go);
}

/* ---- a limit --------------------------------------------------------------------------------- */

static int one_of_two(void *arg)
{
    (void)arg;
    g.inside++;
    EXPECT(g.inside <= 2, INSIDE);
    if (thrum_yield() || thrum_sleep(thrum_ms(1)))
        g.cancelled++;
    g.inside--;
    g.ran++;
    return 0;
}

static int limited(void)
{
    thrum_group_options options = THRUM_GROUP_OPTIONS_INIT;
    thrum_group group;
    int status = 0;

    options.limit = 2;
    DO(thrum_group_open(&group, &options));
    for (int i = 0; i < 5 && !status; i++)
        status = thrum_group_spawn(&group, one_of_two, NULL, NULL, NULL);
    if (!status)
        status = thrum_sleep(thrum_ms(10));
    for (int i = 0; i < 5 && !status; i++)
        status = thrum_group_spawn(&group, one_of_two, NULL, NULL, NULL);
    return all_ended(&group);
}

static int group_limit(void *arg)
{
    (void)arg;
    begin();
    DO(limited());
    EXPECT(g.ran == 10, LOST);
    return 0;
}

/* Who waits for room gives up just when there is some: it stays for the next one. */
static int until_ten(void *arg)
{
    (void)arg;
    g.inside++;
    EXPECT(g.inside == 1, INSIDE);
    AT(10);
    g.inside--;
    g.ran++;
    return 0;
}

static int group_room_given_up(void *arg)
{
    thrum_group_options options = THRUM_GROUP_OPTIONS_INIT;
    thrum_timeout timeout;
    thrum_group group;
    int status, spawned = 0;

    (void)arg;
    begin();
    options.limit = 1;
    DO(thrum_group_open(&group, &options));
    spawned += thrum_group_spawn(&group, until_ten, NULL, NULL, NULL) == 0;
    DO(thrum_timeout_begin(&timeout, thrum_ms(10)));
    status = thrum_group_spawn(&group, until_ten, NULL, NULL, NULL);
    spawned += status == 0;
    status = thrum_timeout_end(&timeout, status);
    spawned += thrum_group_spawn(&group, until_ten, NULL, NULL, NULL) == 0;
    DO(all_ended(&group));
    EXPECT(status == 0 || status == THRUM_ETIMEOUT, WRONG);
    EXPECT(g.ran == spawned && spawned >= 2, LOST);
    return 0;
}

/* ---- daemons --------------------------------------------------------------------------------- */

static int daemon_until_cancelled(void *arg)
{
    int status = thrum_event_wait(&g.go);

    (void)arg;
    EXPECT(g.ended == 2, EARLY);
    g.cancelled++;
    return status;
}

static int work(void *arg)
{
    (void)arg;
    DO(thrum_yield());
    g.ended++;
    return 0;
}

static int group_daemons(void *arg)
{
    thrum_group_options options = THRUM_GROUP_OPTIONS_INIT;
    thrum_group group;

    (void)arg;
    begin();
    options.flags = THRUM_DAEMONS;
    DO(thrum_group_open(&group, &options));
    DO(thrum_group_daemon(&group, daemon_until_cancelled, NULL, NULL, NULL));
    DO(thrum_group_spawn(&group, work, NULL, NULL, NULL));
    DO(thrum_group_spawn(&group, work, NULL, NULL, NULL));
    DO(all_ended(&group));
    EXPECT(g.ended == 2, LOST);
    return 0;
}

/* ---- how groups end -------------------------------------------------------------------------- */

static int wait_for_ever(void *arg)
{
    int status;

    (void)arg;
    g.ran++;
    status = thrum_event_wait(&g.go);
    g.ended++;
    return status;
}

static int fail(void *arg)
{
    (void)arg;
    DO(thrum_yield());
    return -EIO;
}

static int succeed(void *arg)
{
    (void)arg;
    return thrum_yield();
}

static int group_fail_fast(void *arg)
{
    thrum_group group;

    (void)arg;
    begin();
    DO(thrum_group_open(&group, NULL));
    DO(thrum_group_spawn(&group, wait_for_ever, NULL, NULL, NULL));
    DO(thrum_group_spawn(&group, fail, NULL, NULL, NULL));
    DO(thrum_group_spawn(&group, wait_for_ever, NULL, NULL, NULL));
    EXPECT(all_ended(&group) == -EIO, WRONG);
    EXPECT(g.ended == g.ran, LOST);
    EXPECT(thrum_sleep(thrum_ms(1)) == 0, LEFT_OVER); /* the cancel was the group's */
    return 0;
}

static int group_first_ok(void *arg)
{
    thrum_group_options options = THRUM_GROUP_OPTIONS_INIT;
    thrum_group group;

    (void)arg;
    begin();
    options.flags = THRUM_FIRST_OK;
    DO(thrum_group_open(&group, &options));
    DO(thrum_group_spawn(&group, fail, NULL, NULL, NULL));
    DO(thrum_group_spawn(&group, wait_for_ever, NULL, NULL, NULL));
    DO(thrum_group_spawn(&group, succeed, NULL, NULL, NULL));
    DO(all_ended(&group));
    EXPECT(g.ended == g.ran, LOST);
    EXPECT(thrum_sleep(thrum_ms(1)) == 0, LEFT_OVER);
    return 0;
}

/* ---- handles --------------------------------------------------------------------------------- */

static void count_call(thrum_task *task, void *arg)
{
    (void)arg;
    g.called++;
    if (!thrum_task_ended(task, NULL))
        g.called = 100;
}

static int cleanup_slowly(void *arg)
{
    int status = thrum_event_wait(&g.go);
    thrum_shield shield;

    (void)arg;
    thrum_shield_begin(&shield);
    DO(thrum_sleep(thrum_ms(5)));
    g.ended = 1;
    (void)!thrum_shield_end(&shield);
    return status;
}

/* A cancel is passed on to whom one joins, and his end waited for all the same. */
static int join_zero(void *arg)
{
    thrum_outcome outcome = {THRUM_OK, 0, NULL};
    thrum_done done;
    int status;

    (void)arg;
    thrum_task_on_end(crew.tasks[0], &done, count_call, NULL);
    status = thrum_task_join(crew.tasks[0], &outcome);
    EXPECT(g.ended == 1 || outcome.kind == THRUM_CANCELLED, EARLY);
    EXPECT(thrum_task_ended(crew.tasks[0], NULL), EARLY);
    EXPECT(!thrum_task_off_end(crew.tasks[0], &done), LOST);
    EXPECT(g.called == 1, LOST);
    return status;
}

static int join_shielded(void *arg)
{
    int status = thrum_shield_join(crew.tasks[0], NULL);

    (void)arg;
    EXPECT(status || thrum_task_ended(crew.tasks[0], NULL), EARLY);
    return status;
}

static int cancel_one_and_two(void *arg)
{
    (void)arg;
    AT(1);
    crew_cancel(2);
    crew_cancel(1);
    return 0;
}

static int take_back(void *arg)
{
    thrum_done done;

    (void)arg;
    thrum_task_on_end(crew.tasks[0], &done, count_call, NULL);
    thrum_point();
    if (!thrum_task_off_end(crew.tasks[0], &done))
        g.called--;
    return 0;
}

static int task_join(void *arg)
{
    (void)arg;
    begin();
    return CREW(cleanup_slowly, join_zero, join_shielded, cancel_one_and_two, take_back);
}

/* Says that it has started, or is cancelled before. */
static int starter(void *arg)
{
    (void)arg;
    DO(thrum_sleep(thrum_ms(10)));
    g.ran++;
    EXPECT(thrum_started(&g.ran) == 0, WRONG);
    DO(thrum_sleep(thrum_ms(10)));
    g.ended++;
    return 0;
}

static int start_it(void *arg)
{
    void *value = NULL;
    thrum_group group;
    int status;

    (void)arg;
    DO(thrum_group_open(&group, NULL));
    status = thrum_group_start(&group, starter, NULL, NULL, &value);
    EXPECT(status || value == &g.ran, WRONG);
    EXPECT(status || g.ran == 1, EARLY);
    EXPECT(status == 0 || status == THRUM_ECANCELED, WRONG);
    status = thrum_group_close(&group, status, NULL);
    EXPECT(status || g.ended == 1, EARLY);
    return status;
}

static int cancel_zero(void *arg)
{
    (void)arg;
    AT(10);
    crew_cancel(0);
    return 0;
}

static int task_start(void *arg)
{
    (void)arg;
    begin();
    return CREW(start_it, cancel_zero);
}

/* ---- generators ------------------------------------------------------------------------------ */

static int numbers(thrum_generator *generator, void *arg)
{
    int status = 0;

    (void)arg;
    g.inside++;
    for (int64_t n = 1; !status && n <= 5; n++) {
        status = thrum_sleep(thrum_ms(1));
        if (!status)
            status = thrum_generator_yield(generator, &n);
    }
    if (status == THRUM_ECLOSED && thrum_sleep(thrum_ms(1)))
        return WRONG; /* what it does now is shielded */
    g.inside--;
    return status;
}

static int consume_three(void *arg)
{
    thrum_generator generator;
    int64_t n = 0, last = 0;
    int status;

    (void)arg;
    DO(thrum_generator_open(&generator, numbers, NULL, sizeof n));
    while ((status = thrum_generator_next(&generator, &n)) > 0 && n < 3) {
        EXPECT(n == last + 1, LOST);
        last = n;
    }
    status = thrum_generator_close(&generator, status);
    EXPECT(!crew.told[LANE] || status < 0, LOST); /* the cancel came before that */
    g.ended++;
    return status < 0 ? status : 0;
}

static int cancel_at_three(void *arg)
{
    (void)arg;
    AT(3);
    crew_cancel(0);
    return 0;
}

static int generator(void *arg)
{
    (void)arg;
    begin();
    DO(CREW(consume_three, consume_three, cancel_at_three));
    EXPECT(g.inside == 0, LEFT_OVER);
    EXPECT(g.ended == 2 || crew.cancelled[0], LOST);
    return 0;
}

/* ---- scopes ---------------------------------------------------------------------------------- */

/* A cancel of the scope ends what is in it, and nothing else. */
static int in_scope(void *arg)
{
    thrum_scope scope;
    int status;

    (void)arg;
    DO(thrum_scope_begin(&scope, 0));
    g.group = (thrum_group *)(void *)&scope; /* where it is */
    status = thrum_event_wait(&g.go);
    EXPECT(status == THRUM_ECANCELED, WRONG);
    EXPECT(thrum_sleep(thrum_ms(1)) == 0, TWICE);
    g.group = NULL;
    DO(thrum_scope_end(&scope, status));
    DO(thrum_sleep(thrum_ms(1)));
    g.ended++;
    return 0;
}

static int cancel_scope_twice(void *arg)
{
    (void)arg;
    AT(5);
    thrum_scope_cancel((thrum_scope *)(void *)g.group, -1, "by the program");
    return 0;
}

static int scope(void *arg)
{
    (void)arg;
    begin();
    DO(CREW(in_scope, cancel_scope_twice));
    EXPECT(g.ended == 1, LOST);
    return 0;
}

const struct program programs_group[] = {{"group_limit", group_limit},
                                         {"group_room_given_up", group_room_given_up},
                                         {"group_daemons", group_daemons},
                                         {"group_fail_fast", group_fail_fast},
                                         {"group_first_ok", group_first_ok},
                                         {"task_join", task_join},
                                         {"task_start", task_start},
                                         {"generator", generator},
                                         {"scope", scope},
                                         {NULL, NULL}};
