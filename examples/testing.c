/*
 * testing.c - tests: fixtures, mocks, time that costs nothing, and orders of tasks.
 *
 * What is tested is a client that asks a server for a user's name, and asks again if that fails.
 * Each test is run in the simulated world with 20 seeds, then in the real one with 1, 2 and 8
 * workers: `ok` stands for all of them. Seconds and hours pass at once in both.
 *
 * Prints:
 *     ok a_name_is_fetched
 *     ok failures_are_tried_again
 *     ok a_slow_server_is_given_up
 *     ok a_task_that_is_cancelled_says_so
 *     ok two_who_ask_at_once_share_one_answer
 *     ok a_session_is_renewed_every_hour
 *     6 passed, 0 failed
 */
#include <errno.h>

#include <thrum/thrum.h>

/* ---- the client ------------------------------------------------------------------------------ */

struct name {
    char text[32];
};

struct client {
    int (*get)(struct client *client, const char *path, struct name *name); /* of the network */
    thrum_mutex mutex; /* one question at a time; the next two */
    bool known;
    struct name name;
    uint32_t renewed;
};

#define TRIES 3

static int fetch_name(struct client *client, struct name *name)
{
    int status = -EIO;

    for (int i = 0; i < TRIES && status == -EIO; i++) {
        if (i > 0)
            status = thrum_sleep(thrum_s(1) << i);
        if (i == 0 || !status)
            status = client->get(client, "/name", name);
    }
    return status;
}

/* The same, but only the first one asks. */
static int cached_name(struct client *client)
{
    int status = thrum_mutex_lock(&client->mutex);

    if (status)
        return status;
    if (!client->known)
        status = fetch_name(client, &client->name);
    client->known = status == 0;
    thrum_mutex_unlock(&client->mutex);
    return status;
}

static int cached_name_task(void *arg)
{
    return cached_name(arg);
}

static int renew_session(void *arg)
{
    struct client *client = arg;
    int status = 0;

    while (!status) {
        status = thrum_sleep(thrum_s(3600));
        if (!status)
            client->renewed++;
    }
    return status;
}

/* ---- what the tests share -------------------------------------------------------------------- */

static thrum_mock get = THRUM_MOCK_INIT("get");

static int get_mock(struct client *client, const char *path, struct name *name)
{
    (void)client;
    return thrum_mock_call(&get, name, sizeof *name, THRUM_ARGS(path));
}

static int get_for_real(struct client *client, const char *path, struct name *name)
{
    (void)client, (void)path, (void)name;
    return -ENETUNREACH;
}

static int connect_client(void *arg)
{
    struct client *client = arg;

    client->get = get_for_real;
    return thrum_sleep(thrum_ms(1)); /* a hello on the network */
}

static int disconnect_client(void *arg)
{
    (void)arg;
    return thrum_sleep(thrum_ms(1)); /* a goodbye, whatever has happened */
}

static const thrum_fixture a_client = {"client", sizeof(struct client), connect_client,
                                       disconnect_client};

static const struct name ada = {"Ada"};

/* ---- the tests ------------------------------------------------------------------------------- */

THRUM_TEST(a_name_is_fetched)
{
    struct client *client = THRUM_USE(&a_client);
    struct name name;

    THRUM_PATCH(client->get, get_mock);
    THRUM_ANSWERS(&get, .value = &ada, .size = sizeof ada);
    THRUM_REQUIRE_OK(fetch_name(client, &name));
    THRUM_EXPECT_STR(name.text, "Ada");
    THRUM_EXPECT_CALLS(&get, 1);
    THRUM_EXPECT_CALLED_WITH(&get, 0, "/name");
    return 0;
}

static int fetch_name_task(void *arg)
{
    struct name name;

    return fetch_name(arg, &name);
}

/* The pauses between are the clock's business: nobody waits for them. */
THRUM_TEST(failures_are_tried_again)
{
    struct client *client = THRUM_USE(&a_client);
    thrum_task *task;
    thrum_group group;

    THRUM_PATCH(client->get, get_mock);
    THRUM_THEN(&get, .status = -EIO);
    THRUM_THEN(&get, .status = -EIO);
    THRUM_THEN(&get, .value = &ada, .size = sizeof ada);
    THRUM_REQUIRE_OK(thrum_group_open(&group, NULL));
    THRUM_EXPECT_STATUS(thrum_group_spawn(&group, fetch_name_task, client, NULL, &task), 0);
    THRUM_EXPECT_STATUS(thrum_settle(), 0);
    THRUM_EXPECT_CALLS(&get, 1);
    THRUM_EXPECT_STATUS(thrum_advance(thrum_s(2)), 0);
    THRUM_EXPECT_CALLS(&get, 2);
    THRUM_EXPECT_STATUS(thrum_advance(thrum_s(4)), 0);
    THRUM_EXPECT_CALLS(&get, 3);
    THRUM_EXPECT(thrum_task_ended(task, NULL));
    thrum_task_unref(task);
    return thrum_group_close(&group, 0, NULL);
}

THRUM_TEST(a_slow_server_is_given_up)
{
    struct client *client = THRUM_USE(&a_client);
    thrum_event never = THRUM_EVENT_INIT;

    THRUM_PATCH(client->get, get_mock);
    THRUM_ANSWERS(&get, .until = &never);
    THRUM_EXPECT_STATUS(thrum_wait_for(fetch_name_task, client, thrum_s(30)), THRUM_ETIMEOUT);
    THRUM_EXPECT_EQ(thrum_mock_done(&get), 0);
    return 0;
}

THRUM_TEST(a_task_that_is_cancelled_says_so)
{
    struct client *client = THRUM_USE(&a_client);
    thrum_event never = THRUM_EVENT_INIT;
    thrum_outcome outcome;
    thrum_task *task;
    thrum_group group;

    THRUM_PATCH(client->get, get_mock);
    THRUM_ANSWERS(&get, .until = &never);
    THRUM_REQUIRE_OK(thrum_group_open(&group, NULL));
    THRUM_EXPECT_STATUS(thrum_group_spawn(&group, fetch_name_task, client, NULL, &task), 0);
    THRUM_EXPECT_STATUS(thrum_settle(), 0); /* it is in the middle of it */
    thrum_task_cancel(task, 0, "enough");
    THRUM_EXPECT_STATUS(thrum_task_join(task, &outcome), 0);
    THRUM_EXPECT_EQ(outcome.kind, THRUM_CANCELLED);
    thrum_task_unref(task);
    return thrum_group_close(&group, 0, NULL);
}

/* Without the mutex some seeds, and now and then two workers, would ask twice. */
THRUM_TEST(two_who_ask_at_once_share_one_answer)
{
    struct client *client = THRUM_USE(&a_client);
    thrum_child children[2];
    thrum_group group;

    THRUM_PATCH(client->get, get_mock);
    THRUM_ANSWERS(&get, .value = &ada, .size = sizeof ada, .delay = thrum_ms(1));
    THRUM_REQUIRE_OK(thrum_group_open(&group, NULL));
    for (int i = 0; i < 2; i++)
        THRUM_EXPECT_STATUS(thrum_group_spawn_child(&group, &children[i], cached_name_task, client),
                            0);
    THRUM_REQUIRE_OK(thrum_group_close(&group, 0, NULL));
    THRUM_EXPECT_CALLS(&get, 1);
    return 0;
}

THRUM_TEST(a_session_is_renewed_every_hour)
{
    struct client *client = THRUM_USE(&a_client);
    thrum_child child;
    thrum_group group;

    THRUM_REQUIRE_OK(thrum_group_open(&group, NULL));
    THRUM_EXPECT_STATUS(thrum_group_spawn_child(&group, &child, renew_session, client), 0);
    THRUM_EXPECT_STATUS(thrum_advance(thrum_s(12 * 3600)), 0);
    THRUM_EXPECT_EQ(client->renewed, 12);
    thrum_group_cancel(&group, 0, NULL);
    return thrum_group_close(&group, 0, NULL);
}

THRUM_TEST_MAIN
