/*
 * sim_net_test.c - the simulated network behind the table of sched/io.h: streams keep their
 * bytes in order whatever the oracle does, and what goes wrong is found, told and done again.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runtime/world/sim.h"
#include "tests/check.h"
#include "tests/workers.h"

enum { SERVER = 1, CLIENT = 2, PORT = 80 };
enum { ERR_SHORT = -2101, ERR_SLOW = -2102, ERR_WRONG = -2103, ERR_RESET = -2104 };

/* ---- what the layer above will do ------------------------------------------------------------ */

static const struct io_verbs *io(struct world **world)
{
    *world = thrum_world_self();
    return (*world)->io;
}

static struct sim *sim_here(void)
{
    return sim_of(thrum_world_self());
}

static int listen_at(uint32_t node, unsigned backlog)
{
    struct world *world;
    const struct io_verbs *verbs = io(&world);

    return verbs->listen(world, (struct io_address){node, PORT}, backlog);
}

static int accept_one(int listener)
{
    struct world *world;
    const struct io_verbs *verbs = io(&world);
    int fd;

    while ((fd = verbs->accept(world, listener)) == -EAGAIN) {
        int ready = thrum_fd_wait(listener, THRUM_FD_READ);

        if (ready < 0)
            return ready;
    }
    return fd;
}

static void close_it(int fd)
{
    struct world *world;
    const struct io_verbs *verbs = io(&world);

    thrum_fd_closing(fd);
    CHECK_EQ(verbs->close(world, fd), 0);
}

/* A number, or a status, and then nothing is open. */
static int connect_to(uint32_t from, uint32_t node)
{
    struct world *world;
    const struct io_verbs *verbs = io(&world);
    int fd = verbs->connect(world, from, (struct io_address){node, PORT});
    int status;

    if (fd < 0)
        return fd;
    while ((status = verbs->outcome(world, fd)) == -EAGAIN) {
        status = thrum_fd_wait(fd, THRUM_FD_WRITE);
        if (status < 0)
            break;
    }
    if (status == 0)
        return fd;
    close_it(fd);
    return status;
}

static ssize_t read_some(int fd, void *bytes, size_t size)
{
    struct world *world;
    const struct io_verbs *verbs = io(&world);
    ssize_t got;

    while ((got = verbs->read(world, fd, bytes, size)) == -EAGAIN) {
        int ready = thrum_fd_wait(fd, THRUM_FD_READ);

        if (ready < 0)
            return ready;
    }
    return got;
}

static int write_all(int fd, const char *bytes, size_t size)
{
    struct world *world;
    const struct io_verbs *verbs = io(&world);

    while (size > 0) {
        ssize_t put = verbs->write(world, fd, bytes, size);

        if (put >= 0) {
            bytes += put;
            size -= (size_t)put;
        } else if (put == -EAGAIN) {
            int ready = thrum_fd_wait(fd, THRUM_FD_WRITE);

            if (ready < 0)
                return ready;
        } else {
            return (int)put;
        }
    }
    return 0;
}

/* 0; 1: it has ended before; or a status. */
static int read_whole(int fd, char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t got = read_some(fd, bytes, size);

        if (got <= 0)
            return got < 0 ? (int)got : 1;
        bytes += got;
        size -= (size_t)got;
    }
    return 0;
}

/* ---- an echo server and its clients ---------------------------------------------------------- */

enum { CLIENTS = 3, MESSAGES = 4, MESSAGE = 100 };

struct echo {
    int listener;
    thrum_task *server;
    bool naive; /* clients take for granted that a message comes in one piece */
    int64_t patience;
    int answers;
    int failures;
};

static int serve(void *arg)
{
    int *mine = arg;
    int fd = *mine;
    char bytes[3 * MESSAGE];
    ssize_t got;
    int status = 0;

    *mine = -1; /* it is ours */
    while (!status && (got = read_some(fd, bytes, sizeof bytes)) != 0)
        status = got < 0 ? (int)got : write_all(fd, bytes, (size_t)got);
    close_it(fd);
    return status == THRUM_ECANCELED ? status : 0;
}

static int serve_all(void *arg)
{
    struct echo *echo = arg;
    thrum_group group;
    int fds[2 * CLIENTS + 1];
    int status = 0, n = 0;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    while (!status && n < 2 * CLIENTS + 1) {
        fds[n] = accept_one(echo->listener);
        status = fds[n] < 0 ? fds[n] : thrum_group_spawn(&group, serve, &fds[n], NULL, NULL);
        n++;
    }
    status = thrum_group_close(&group, status, NULL);
    for (int i = 0; i < n; i++)
        if (fds[i] >= 0)
            close_it(fds[i]); /* nobody has taken it */
    return status;
}

static int ask(const struct echo *echo, int fd, int n)
{
    char sent[MESSAGE], back[MESSAGE];
    thrum_timeout timeout;
    int status;

    memset(sent, 'a' + n, sizeof sent);
    CHECK_EQ(thrum_timeout_begin(&timeout, echo->patience), 0);
    status = write_all(fd, sent, sizeof sent);
    if (!status && echo->naive) {
        ssize_t got = read_some(fd, back, sizeof back);

        status = got < 0 ? (int)got : got == 0 ? -ECONNRESET : got < MESSAGE ? ERR_SHORT : 0;
    } else if (!status) {
        status = read_whole(fd, back, sizeof back);
    }
    status = thrum_timeout_end(&timeout, status == 1 ? -ECONNRESET : status);
    return status ? status : memcmp(sent, back, sizeof sent) ? ERR_WRONG : 0;
}

static bool is_bad_luck(int status)
{
    return status == -ECONNRESET || status == -ECONNREFUSED || status == -EPIPE;
}

/* Who is refused or reset comes again, once. */
static int talk(void *arg)
{
    struct echo *echo = arg;
    int status = 0;

    for (int twice = 0; twice < 2; twice++) {
        int fd = connect_to(CLIENT, SERVER);

        status = fd < 0 ? fd : 0;
        for (int i = 0; !status && i < MESSAGES; i++) {
            status = ask(echo, fd, i);
            echo->answers += status == 0;
        }
        if (fd >= 0)
            close_it(fd);
        if (!is_bad_luck(status))
            return status;
        echo->failures++;
    }
    return 0;
}

static int converse(struct echo *echo)
{
    thrum_group clients, servers;
    int status;

    echo->listener = listen_at(SERVER, 8);
    CHECK_LE(FD_OF_WORLD, echo->listener);
    status = thrum_group_open(&servers, NULL);
    if (!status)
        status = thrum_group_spawn(&servers, serve_all, echo, NULL, &echo->server);
    if (!status)
        status = thrum_group_open(&clients, NULL);
    if (!status) {
        for (int i = 0; i < CLIENTS && !status; i++)
            status = thrum_group_spawn(&clients, talk, echo, NULL, NULL);
        status = thrum_group_close(&clients, status, NULL);
    }
    thrum_task_cancel(echo->server, 0, NULL);
    thrum_task_unref(echo->server);
    status = thrum_group_close(&servers, status, NULL);
    close_it(echo->listener);
    CHECK_EQ(thrum_net_open(sim_here()), 0);
    return status;
}

static int echo_all(void *arg)
{
    struct echo echo = {.patience = THRUM_FOREVER};
    int status = converse(&echo);

    (void)arg;
    if (status)
        return status;
    return echo.failures ? ERR_RESET : echo.answers == CLIENTS * MESSAGES ? 0 : ERR_WRONG;
}

/* Each that was not answered has been told why. */
static int echo_with_luck(void *arg)
{
    struct echo echo = {.patience = THRUM_FOREVER};
    int status = converse(&echo);

    (void)arg;
    if (status)
        return status;
    return echo.answers == CLIENTS * MESSAGES || echo.failures ? 0 : ERR_WRONG;
}

static int echo_naively(void *arg)
{
    struct echo echo = {.patience = THRUM_FOREVER, .naive = true};

    (void)arg;
    return converse(&echo);
}

static int echo_impatiently(void *arg)
{
    struct echo echo = {.patience = thrum_ms(1)};
    int status = converse(&echo);

    (void)arg;
    return status == THRUM_ETIMEOUT || status == THRUM_EGROUP ? ERR_SLOW : status;
}

static thrum_explore_options quiet(thrum_strategy strategy, uint64_t schedules)
{
    thrum_explore_options options = THRUM_EXPLORE_OPTIONS_INIT;

    options.strategy = (uint32_t)strategy;
    options.flags = THRUM_EXPLORE_QUIET;
    options.schedules = schedules;
    return options;
}

static const thrum_strategy strategies[] = {THRUM_STRATEGY_DEFAULT, THRUM_STRATEGY_RANDOM,
                                            THRUM_STRATEGY_PCT, THRUM_STRATEGY_POS,
                                            THRUM_STRATEGY_SURW};

#define STRATEGIES (sizeof strategies / sizeof strategies[0])

TEST(every_byte_comes_back_in_order)
{
    for (size_t i = 0; i < STRATEGIES; i++) {
        thrum_explore_options options = quiet(strategies[i], 100);
        thrum_explore_result first, second;

        options.flags |= THRUM_EXPLORE_TWICE;
        CHECK_EQ(thrum_explore(&options, echo_all, NULL, &first), 0);
        CHECK_EQ(thrum_explore(&options, echo_all, NULL, &second), 0);
        CHECK(first.hash == second.hash);
    }
}

TEST(whatever_goes_wrong_somebody_is_told)
{
    for (size_t i = 0; i < STRATEGIES; i++) {
        thrum_explore_options options = quiet(strategies[i], 300);

        options.flags |= THRUM_EXPLORE_TWICE;
        options.faults = THRUM_FAULT_BUGGIFY | THRUM_FAULT_LATENCY;
        CHECK_EQ(thrum_explore(&options, echo_with_luck, NULL, NULL), 0);
    }
}

TEST(it_can_be_cancelled_anywhere)
{
    thrum_explore_options options = quiet(THRUM_STRATEGY_DEFAULT, 500);

    options.flags |= THRUM_EXPLORE_CANCEL;
    CHECK_EQ(thrum_explore(&options, echo_all, NULL, NULL), 0);
}

/* What the faults find, and how short it is told. */
static void is_found(thrum_fn fn, uint32_t faults, int error)
{
    thrum_explore_options options = quiet(THRUM_STRATEGY_DEFAULT, 1000);
    thrum_explore_result result;
    size_t matched;

    CHECK_EQ(thrum_explore(&options, fn, NULL, NULL), 0);
    options.faults = faults;
    CHECK_EQ(thrum_explore(&options, fn, NULL, &result), error);
    CHECK_LE(result.deltas, 3);
    CHECK(strchr(result.replay, '#') != NULL);
    CHECK_EQ(thrum_replay(result.replay, fn, NULL, &matched), error);
    CHECK_EQ(matched, result.deltas);
}

static int group_as_short(void *arg)
{
    int status = echo_naively(arg);

    return status == THRUM_EGROUP ? ERR_SHORT : status;
}

TEST(who_counts_on_whole_messages_is_found)
{
    is_found(group_as_short, THRUM_FAULT_BUGGIFY, ERR_SHORT);
}

TEST(who_counts_on_a_fast_network_is_found)
{
    is_found(echo_impatiently, THRUM_FAULT_LATENCY, ERR_SLOW);
}

TEST(who_counts_on_connections_is_found)
{
    is_found(echo_all, THRUM_FAULT_BUGGIFY, ERR_RESET);
}

/* ---- a pair ---------------------------------------------------------------------------------- */

/* Two ends of a stream: there is nobody else. */
static void make_pair(int pair[2])
{
    int listener = listen_at(SERVER, 1);

    CHECK_LE(0, listener);
    pair[0] = connect_to(CLIENT, SERVER);
    CHECK_LE(0, pair[0]);
    pair[1] = accept_one(listener);
    CHECK_LE(0, pair[1]);
    close_it(listener);
}

static int corners(void *arg)
{
    struct world *world;
    const struct io_verbs *verbs = io(&world);
    char bytes[16];
    int pair[2], listener, third, file;

    (void)arg;
    make_pair(pair);
    CHECK_EQ(verbs->read(world, pair[0], bytes, 0), 0);
    CHECK_EQ(verbs->read(world, pair[0], bytes, 4), -EAGAIN);
    CHECK_EQ(verbs->write(world, pair[0], "four", 4), 4);
    CHECK_EQ(verbs->finish(world, pair[0]), 0);
    CHECK_EQ(verbs->finish(world, pair[0]), 0);
    CHECK_EQ(verbs->write(world, pair[0], "more", 4), -EPIPE);
    CHECK_EQ(read_whole(pair[1], bytes, 4), 0);
    CHECK_EQ(memcmp(bytes, "four", 4), 0);
    CHECK_EQ(read_some(pair[1], bytes, 4), 0); /* and it stays so */
    CHECK_EQ(read_some(pair[1], bytes, 4), 0);
    CHECK_EQ(write_all(pair[1], "back", 4), 0); /* the other direction is open */
    CHECK_EQ(read_whole(pair[0], bytes, 4), 0);
    close_it(pair[1]);
    CHECK_EQ(read_some(pair[0], bytes, 4), 0);
    close_it(pair[0]);
    CHECK_EQ(verbs->read(world, pair[0], bytes, 4), -EBADF);
    CHECK_EQ(verbs->close(world, pair[0]), -EBADF);
    CHECK_EQ(thrum_fd_wait(pair[0], THRUM_FD_READ), -EBADF);

    make_pair(pair); /* closed with something unread: the writer is reset */
    CHECK_EQ(write_all(pair[0], "lost", 4), 0);
    CHECK_EQ(thrum_fd_wait(pair[1], THRUM_FD_READ), THRUM_FD_READ);
    close_it(pair[1]);
    CHECK_EQ(read_some(pair[0], bytes, 4), -ECONNRESET);
    CHECK_EQ(verbs->write(world, pair[0], "more", 4), -ECONNRESET);
    close_it(pair[0]);

    CHECK_EQ(connect_to(CLIENT, SERVER), -ECONNREFUSED); /* nobody listens */
    listener = listen_at(SERVER, 1);
    CHECK_EQ(listen_at(SERVER, 1), -EADDRINUSE);
    CHECK_EQ(verbs->accept(world, listener), -EAGAIN);
    CHECK_EQ(verbs->read(world, listener, bytes, 4), -EINVAL);
    pair[0] = connect_to(CLIENT, SERVER);
    CHECK_LE(0, pair[0]);
    CHECK_EQ(connect_to(CLIENT, SERVER), -ECONNREFUSED); /* one waits, no room for two */
    close_it(listener);
    CHECK_EQ(read_some(pair[0], bytes, 4), -ECONNRESET); /* it was never accepted */
    CHECK_EQ(verbs->accept(world, pair[0]), -EINVAL);
    close_it(pair[0]);

    listener = listen_at(SERVER, 4);
    third = connect_to(CLIENT, SERVER);
    CHECK_EQ(write_all(third, "early", 5), 0); /* before it is accepted */
    close_it(third);
    file = accept_one(listener);
    CHECK_EQ(read_whole(file, bytes, 5), 0);
    CHECK_EQ(memcmp(bytes, "early", 5), 0);
    CHECK_EQ(read_some(file, bytes, 5), 0);
    close_it(file);
    close_it(listener);
    CHECK_EQ(thrum_net_open(sim_here()), 0);
    return 0;
}

TEST(corners_of_a_stream)
{
    for (size_t i = 0; i < STRATEGIES; i++) {
        thrum_explore_options options = quiet(strategies[i], 50);

        CHECK_EQ(thrum_explore(&options, corners, NULL, NULL), 0);
    }
}

/* ---- windows --------------------------------------------------------------------------------- */

enum { STREAM_BYTES = 5 * NET_WINDOW + 123 };

static int write_stream(void *arg)
{
    int fd = *(const int *)arg;
    char bytes[1000];
    int status = 0;

    for (size_t at = 0; at < STREAM_BYTES && !status;) {
        size_t n = STREAM_BYTES - at < sizeof bytes ? STREAM_BYTES - at : sizeof bytes;

        for (size_t i = 0; i < n; i++)
            bytes[i] = (char)((at + i) % 251);
        status = write_all(fd, bytes, n);
        at += n;
    }
    close_it(fd);
    return status;
}

static int through_a_window(void *arg)
{
    unsigned char bytes[700];
    thrum_group group;
    size_t at = 0;
    ssize_t got;
    int pair[2];

    (void)arg;
    make_pair(pair);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, write_stream, &pair[0], NULL, NULL), 0);
    CHECK_EQ(thrum_sleep(thrum_ms(1)), 0); /* it has filled the window, and waits */
    CHECK_EQ(thrum_net_peek(sim_here(), pair[0], THRUM_FD_WRITE), 0);
    while ((got = read_some(pair[1], bytes, sizeof bytes)) > 0) {
        for (ssize_t i = 0; i < got; i++)
            CHECK_EQ(bytes[i], (at + (size_t)i) % 251);
        at += (size_t)got;
    }
    CHECK_EQ(got, 0);
    CHECK_EQ(at, STREAM_BYTES);
    close_it(pair[1]);
    return thrum_group_close(&group, 0, NULL);
}

TEST(who_writes_more_than_is_read_waits)
{
    for (size_t i = 0; i < STRATEGIES; i++) {
        thrum_explore_options options = quiet(strategies[i], 30);

        options.flags |= THRUM_EXPLORE_TWICE;
        CHECK_EQ(thrum_explore(&options, through_a_window, NULL, NULL), 0);
    }
}

/* ---- cut, and crashed ------------------------------------------------------------------------ */

static int read_in_time(int fd, char *bytes, int64_t ns)
{
    thrum_timeout timeout;

    CHECK_EQ(thrum_timeout_begin(&timeout, ns), 0);
    return thrum_timeout_end(&timeout, (int)read_some(fd, bytes, 1));
}

static int cut_off(void *arg)
{
    struct sim *sim = sim_here();
    char byte;
    int pair[2], third;

    (void)arg;
    make_pair(pair);
    CHECK_EQ(write_all(pair[0], "x", 1), 0);
    CHECK_EQ(thrum_net_cut(sim, SERVER, CLIENT), 0); /* it may have arrived, or not */
    CHECK_EQ(write_all(pair[0], "y", 1), 0);
    if (read_in_time(pair[1], &byte, thrum_s(3600)) == 1) {
        CHECK_EQ(byte, 'x');
        CHECK_EQ(read_in_time(pair[1], &byte, thrum_s(3600)), THRUM_ETIMEOUT);
    }
    third = listen_at(SERVER, 1);
    thrum_net_mend(sim, CLIENT, SERVER);
    do
        CHECK_EQ(read_some(pair[1], &byte, 1), 1);
    while (byte == 'x');
    CHECK_EQ(byte, 'y');
    close_it(third);
    close_it(pair[0]);
    close_it(pair[1]);
    return 0;
}

TEST(what_is_on_a_link_that_is_cut_waits)
{
    for (size_t i = 0; i < STRATEGIES; i++) {
        thrum_explore_options options = quiet(strategies[i], 50);

        options.flags |= THRUM_EXPLORE_TWICE;
        CHECK_EQ(thrum_explore(&options, cut_off, NULL, NULL), 0);
    }
}

struct crashing {
    int pair[2];
    int told;
};

static int wait_on_the_node(void *arg)
{
    struct crashing *crashing = arg;
    char byte;

    crashing->told = (int)read_some(crashing->pair[1], &byte, 1);
    return 0;
}

static int crashed(void *arg)
{
    struct crashing crashing = {.told = 1};
    struct sim *sim = sim_here();
    thrum_group group;
    char byte;

    (void)arg;
    make_pair(crashing.pair);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, wait_on_the_node, &crashing, NULL, NULL), 0);
    CHECK_EQ(thrum_sleep(1), 0);
    thrum_net_crash(sim, SERVER);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(crashing.told, -EBADF);
    /* Who only reads hears nothing; who writes is reset. */
    CHECK_EQ(read_in_time(crashing.pair[0], &byte, thrum_s(3600)), THRUM_ETIMEOUT);
    CHECK_EQ(write_all(crashing.pair[0], "z", 1), 0);
    CHECK_EQ(read_some(crashing.pair[0], &byte, 1), -ECONNRESET);
    close_it(crashing.pair[0]);
    make_pair(crashing.pair); /* it is there again */
    CHECK_EQ(write_all(crashing.pair[0], "z", 1), 0);
    CHECK_EQ(read_some(crashing.pair[1], &byte, 1), 1);
    close_it(crashing.pair[0]);
    close_it(crashing.pair[1]);
    CHECK_EQ(thrum_net_open(sim), 0);
    return 0;
}

TEST(a_node_that_crashes_forgets)
{
    for (size_t i = 0; i < STRATEGIES; i++) {
        thrum_explore_options options = quiet(strategies[i], 50);

        options.flags |= THRUM_EXPLORE_TWICE;
        CHECK_EQ(thrum_explore(&options, crashed, NULL, NULL), 0);
    }
}

/* ---- alone ----------------------------------------------------------------------------------- */

static char said[2048];

static void hear(const char *line, void *context)
{
    (void)context;
    strncat(said, line, sizeof said - strlen(said) - 1);
}

static int accept_in_vain(void *arg)
{
    (void)arg;
    return accept_one(listen_at(SERVER, 1));
}

TEST(a_listener_to_whom_nobody_comes_is_a_deadlock)
{
    thrum_options options = THRUM_OPTIONS_INIT;

    options.flags = THRUM_SIMULATE;
    options.report = hear;
    CHECK_EQ(thrum_run(accept_in_vain, NULL, &options, NULL), THRUM_EDEADLOCK);
    CHECK(strstr(said, "waits for simulated descriptor 0, to read") != NULL);
}

static int not_here(void *arg)
{
    (void)arg;
    CHECK_EQ(thrum_fd_wait(FD_OF_WORLD, THRUM_FD_READ), -EBADF);
    return 0;
}

TEST(the_real_world_has_none)
{
    REAL_WORLD_ONLY;
    CHECK_EQ(run_with(1, not_here, NULL), 0);
}
