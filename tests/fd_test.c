/*
 * fd_test.c - tasks that wait for descriptors: pipes and sockets, one task and
 * several, cancels, closed descriptors, workers that sleep and workers that
 * compute.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "racing.h"

static const int counts[] = {1, 2, 8};

#define COUNTS (sizeof counts / sizeof counts[0])

static void make_pipe(int fds[2])
{
    CHECK_EQ(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
}

static void make_sockets(int fds[2])
{
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
}

static void close_both(const int fds[2])
{
    CHECK_EQ(close(fds[0]), 0);
    CHECK_EQ(close(fds[1]), 0);
}

/* One byte, or -1: there is none yet. Out of line: errno is that of the thread it runs on. */
static __attribute__((noinline)) int try_read(int fd)
{
    unsigned char byte;
    ssize_t got = read(fd, &byte, 1);

    CHECK(got == 1 || (got == -1 && errno == EAGAIN));
    return got == 1 ? byte : -1;
}

static __attribute__((noinline)) bool try_write(int fd, unsigned char byte)
{
    ssize_t put = write(fd, &byte, 1);

    CHECK(put == 1 || (put == -1 && errno == EAGAIN));
    return put == 1;
}

/* 0 to 255, or the status of the wait. */
static int read_byte(int fd)
{
    int byte;

    while ((byte = try_read(fd)) < 0) {
        int ready = thrum_fd_wait(fd, THRUM_FD_READ);

        if (ready < 0)
            return ready;
        CHECK_EQ(ready, THRUM_FD_READ);
    }
    return byte;
}

static int write_byte(int fd, unsigned char byte)
{
    while (!try_write(fd, byte)) {
        int ready = thrum_fd_wait(fd, THRUM_FD_WRITE);

        if (ready < 0)
            return ready;
        CHECK_EQ(ready, THRUM_FD_WRITE);
    }
    return 0;
}

/* ---- there and back -------------------------------------------------------------------------- */

#define ROUNDS 5000

struct talk {
    int there[2], back[2];
};

static int answer(void *arg)
{
    const struct talk *talk = arg;

    for (int i = 0; i < many(ROUNDS); i++) {
        int byte = read_byte(talk->there[0]);

        CHECK_EQ(byte, i % 256);
        CHECK_EQ(write_byte(talk->back[1], (unsigned char)byte), 0);
    }
    return 0;
}

static int converse(void *arg)
{
    struct talk talk;
    thrum_group group;

    (void)arg;
    make_pipe(talk.there);
    make_pipe(talk.back);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, answer, &talk, NULL, NULL), 0);
    for (int i = 0; i < many(ROUNDS); i++) {
        CHECK_EQ(write_byte(talk.there[1], (unsigned char)i), 0);
        CHECK_EQ(read_byte(talk.back[0]), i % 256);
    }
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    close_both(talk.there);
    close_both(talk.back);
    return 0;
}

TEST(bytes_go_there_and_back)
{
    run_everywhere(converse, NULL);
}

static int converse_at_once(void *arg)
{
    (void)arg;
    crowd(20, converse, NULL);
    return 0;
}

TEST(many_talk_at_once)
{
    run_everywhere(converse_at_once, NULL);
}

/* ---- several on one descriptor --------------------------------------------------------------- */

struct stream {
    int fds[2];
    uint32_t sum; /* atomic */
};

#define BYTES 200000

static int write_many(void *arg)
{
    const struct stream *stream = arg;

    for (int i = 0; i < many(BYTES); i++)
        CHECK_EQ(write_byte(stream->fds[0], (unsigned char)i), 0);
    return 0;
}

static int read_many(void *arg)
{
    const struct stream *stream = arg;

    for (int i = 0; i < many(BYTES); i++)
        CHECK_EQ(read_byte(stream->fds[0]), i % 256);
    return 0;
}

static int reflect(void *arg)
{
    const struct stream *stream = arg;

    for (int i = 0; i < many(BYTES); i++) {
        int byte = read_byte(stream->fds[1]);

        CHECK_EQ(write_byte(stream->fds[1], (unsigned char)byte), 0);
    }
    return 0;
}

/* One end is read and written by two tasks at once, and both sides fill up. */
static int both_ways(void *arg)
{
    struct stream stream;
    thrum_group group;

    (void)arg;
    make_sockets(stream.fds);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, write_many, &stream, NULL, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, read_many, &stream, NULL, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, reflect, &stream, NULL, NULL), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    close_both(stream.fds);
    return 0;
}

TEST(one_descriptor_is_read_and_written_at_once)
{
    run_everywhere(both_ways, NULL);
}

#define READERS 8

static int read_one(void *arg)
{
    struct stream *stream = arg;
    int byte = read_byte(stream->fds[0]);

    CHECK_LE(0, byte);
    add_relaxed(&stream->sum, (uint32_t)byte); /* relaxed: a counter */
    return 0;
}

/* As many bytes as readers, one at a time: each reader gets one. */
static int several_readers(void *arg)
{
    struct stream stream = {.sum = 0};
    thrum_group group;

    (void)arg;
    make_pipe(stream.fds);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < READERS; i++)
        CHECK_EQ(thrum_group_spawn(&group, read_one, &stream, NULL, NULL), 0);
    for (int i = 0; i < READERS; i++) {
        CHECK_EQ(thrum_yield(), 0);
        CHECK(try_write(stream.fds[1], 7));
    }
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(stream.sum, 7 * READERS);
    close_both(stream.fds);
    return 0;
}

static int several_readers_often(void *arg)
{
    for (int i = 0; i < many(1000); i++)
        CHECK_EQ(several_readers(arg), 0);
    return 0;
}

TEST(several_tasks_read_one_descriptor)
{
    run_everywhere(several_readers_often, NULL);
}

static int wait_both(void *arg)
{
    const int *fds = arg;

    CHECK_EQ(thrum_fd_wait(fds[0], THRUM_FD_READ | THRUM_FD_WRITE), THRUM_FD_WRITE);
    CHECK(try_write(fds[1], 1));
    CHECK_EQ(thrum_fd_wait(fds[0], THRUM_FD_READ | THRUM_FD_WRITE), THRUM_FD_READ | THRUM_FD_WRITE);
    CHECK_EQ(thrum_fd_wait(fds[0], THRUM_FD_READ), THRUM_FD_READ);
    CHECK_EQ(try_read(fds[0]), 1);
    CHECK_EQ(thrum_fd_wait(fds[0], THRUM_FD_WRITE), THRUM_FD_WRITE);
    return 0;
}

TEST(what_has_come_is_told)
{
    for (size_t i = 0; i < COUNTS; i++) {
        int fds[2];

        make_sockets(fds);
        CHECK_EQ(run_with(counts[i], wait_both, fds), 0);
        close_both(fds);
    }
}

/* ---- what cannot be waited for --------------------------------------------------------------- */

static int refusals(void *arg)
{
    int fds[2], file;
    char name[] = "/tmp/fd_test_XXXXXX";

    (void)arg;
    CHECK_EQ(thrum_fd_wait(-1, THRUM_FD_READ), -EBADF);
    CHECK_EQ(thrum_fd_wait(INT32_MAX, THRUM_FD_READ), -EBADF);
    CHECK_EQ(thrum_fd_wait(1 << 20, THRUM_FD_READ), -EBADF);
    make_pipe(fds);
    CHECK_EQ(thrum_fd_wait(fds[0], 0), -EINVAL);
    CHECK_EQ(thrum_fd_wait(fds[0], 4), -EINVAL);
    close_both(fds);
    CHECK_EQ(thrum_fd_wait(fds[0], THRUM_FD_READ), -EBADF);
    file = mkstemp(name);
    CHECK_LE(0, file);
    CHECK_EQ(unlink(name), 0);
    CHECK_EQ(thrum_fd_wait(file, THRUM_FD_READ), -EPERM);
    CHECK_EQ(close(file), 0);
    thrum_fd_closing(-1);
    thrum_fd_closing(1 << 20);
    return 0;
}

TEST(what_is_no_descriptor_or_a_file_is_refused)
{
    for (size_t i = 0; i < COUNTS; i++)
        CHECK_EQ(run_with(counts[i], refusals, NULL), 0);
}

TEST(outside_a_task_it_is_misuse)
{
    CHECK_DEATH((void)!thrum_fd_wait(0, THRUM_FD_READ), "thrum_fd_wait was called outside a task");
    CHECK_DEATH(thrum_fd_closing(0), "thrum_fd_closing was called outside a task");
}

struct one {
    int fd;
    unsigned events;
    int result;
    uint32_t *ended; /* atomic */
};

static int wait_one(void *arg)
{
    struct one *one = arg;

    one->result = thrum_fd_wait(one->fd, one->events);
    add_acq_rel(one->ended, 1);
    return 0;
}

/* Whether a task waits yet nobody can tell: so it is told until it knows. */
static void close_until(int fd, const uint32_t *ended, uint32_t n)
{
    while (load_acquire(ended) < n) {
        thrum_fd_closing(fd);
        CHECK_EQ(thrum_yield(), 0);
    }
}

/* A task that wants to write to a full socket, and two that want to read from it. */
static int tell_that_it_closes(void *arg)
{
    int fds[2], again[2];

    (void)arg;
    make_sockets(fds);
    while (try_write(fds[0], 1))
        continue;
    for (int round = 0; round < many(200); round++) {
        uint32_t ended = 0;
        struct one ones[] = {{fds[0], THRUM_FD_READ, 0, &ended},
                             {fds[0], THRUM_FD_WRITE, 0, &ended},
                             {fds[0], THRUM_FD_READ, 0, &ended}};
        thrum_group group;

        CHECK_EQ(thrum_group_open(&group, NULL), 0);
        for (int i = 0; i < 3; i++)
            CHECK_EQ(thrum_group_spawn(&group, wait_one, &ones[i], NULL, NULL), 0);
        close_until(fds[0], &ended, 3);
        CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
        for (int i = 0; i < 3; i++)
            CHECK_EQ(ones[i].result, -EBADF);
    }
    close_both(fds);
    make_pipe(again); /* the same numbers */
    CHECK_EQ(again[0], fds[0]);
    CHECK(try_write(again[1], 5));
    CHECK_EQ(thrum_fd_wait(again[0], THRUM_FD_READ), THRUM_FD_READ);
    CHECK_EQ(try_read(again[0]), 5);
    close_both(again);
    return 0;
}

TEST(who_waits_is_told_that_it_closes)
{
    for (size_t i = 0; i < COUNTS; i++)
        CHECK_EQ(run_with(counts[i], tell_that_it_closes, NULL), 0);
}

/* Nobody said so; the next who waits for that number brings it to light. */
static int close_without_a_word(void *arg)
{
    int fds[2], again[2];
    uint32_t ended = 0;
    struct one one = {.events = THRUM_FD_READ, .ended = &ended};
    thrum_group group;

    (void)arg;
    make_pipe(fds);
    one.fd = fds[0];
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, wait_one, &one, NULL, NULL), 0);
    CHECK_EQ(thrum_sleep(thrum_ms(1)),
             0); /* it may wait by now, or for the next pipe; both are fine */
    close_both(fds);
    make_pipe(again);
    CHECK_EQ(again[0], fds[0]);
    for (int i = 0; i < 100; i++) {
        CHECK(try_write(again[1], 5));
        CHECK_EQ(thrum_fd_wait(again[0], THRUM_FD_READ), THRUM_FD_READ);
        CHECK_EQ(try_read(again[0]), 5);
    }
    close_until(again[0], &ended, 1);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK(one.result == -EBADF || one.result == THRUM_FD_READ);
    close_both(again);
    return 0;
}

TEST(a_number_that_comes_back_is_another_descriptor)
{
    for (size_t i = 0; i < COUNTS; i++)
        CHECK_EQ(run_with(counts[i], close_without_a_word, NULL), 0);
}

/* A copy keeps the old file alive: what happens to it is none of the new one's business. */
static int reuse_under_a_copy(void *arg)
{
    int fds[2], again[2], copy;
    thrum_timeout timeout;

    (void)arg;
    make_pipe(fds);
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_us(100)), 0);
    CHECK_EQ(thrum_timeout_end(&timeout, thrum_fd_wait(fds[0], THRUM_FD_READ)), THRUM_ETIMEOUT);
    copy = dup(fds[0]);
    CHECK_LE(0, copy);
    CHECK_EQ(close(fds[0]), 0);
    CHECK_EQ(pipe2(again, O_NONBLOCK | O_CLOEXEC), 0);
    CHECK_EQ(again[0], fds[0]);
    CHECK(try_write(fds[1], 1)); /* the old file is ready, armed under the new one's number */
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_ms(2)), 0);
    CHECK_EQ(thrum_timeout_end(&timeout, thrum_fd_wait(again[0], THRUM_FD_READ)), THRUM_ETIMEOUT);
    CHECK_EQ(close(copy), 0);
    CHECK_EQ(close(fds[1]), 0);
    close_both(again);
    return 0;
}

TEST(a_late_event_is_not_the_next_one_s)
{
    for (size_t i = 0; i < COUNTS; i++)
        CHECK_EQ(run_with(counts[i], reuse_under_a_copy, NULL), 0);
}

static int hang_up(void *arg)
{
    int fds[2];
    uint32_t ended = 0;
    struct one one = {.events = THRUM_FD_READ, .ended = &ended};
    thrum_group group;

    (void)arg;
    make_pipe(fds);
    one.fd = fds[0];
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, wait_one, &one, NULL, NULL), 0);
    CHECK_EQ(thrum_yield(), 0);
    CHECK_EQ(close(fds[1]), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(one.result, THRUM_FD_READ);
    CHECK_EQ(close(fds[0]), 0);
    return 0;
}

TEST(a_reader_hears_that_the_writer_is_gone)
{
    run_everywhere(hang_up, NULL);
}

/* ---- cancels --------------------------------------------------------------------------------- */

struct arena {
    int fds[2];
    uint32_t got; /* atomic: bytes read */
};

static int read_one_or_none(void *arg)
{
    struct racer *racer = arg;
    struct arena *arena = racer->arena;
    int byte = read_byte(arena->fds[0]);

    racer->status = byte < 0 ? byte : 0;
    if (byte >= 0)
        add_relaxed(&arena->got, 1); /* relaxed: a counter */
    return racer->status;
}

static int write_for_all(void *arg)
{
    const struct arena *arena = arg;

    for (int i = 0; i < RACERS; i++)
        CHECK(try_write(arena->fds[1], 1));
    return 0;
}

static int races(void *arg)
{
    uint64_t seed = 88172645463325252u;
    struct arena arena = {.got = 0};
    struct race one = {.wait = read_one_or_none, .wake = write_for_all, .arena = &arena};

    (void)arg;
    make_pipe(arena.fds);
    for (int i = 0; i < race_rounds() / 4; i++) {
        int left = 0;

        arena.got = 0;
        race(&one, random_next(&seed));
        while (try_read(arena.fds[0]) >= 0)
            left++;
        CHECK_EQ((int)arena.got + left, RACERS); /* a cancelled wait has taken nothing */
    }
    close_both(arena.fds);
    return 0;
}

TEST(a_cancelled_wait_has_taken_nothing)
{
    run_everywhere(races, NULL);
}

static int time_out(void *arg)
{
    int fds[2];

    (void)arg;
    make_pipe(fds);
    for (int i = 0; i < many(200); i++) {
        thrum_timeout timeout;
        int status;

        CHECK_EQ(thrum_timeout_begin(&timeout, thrum_us(i % 50)), 0);
        status = thrum_timeout_end(&timeout, thrum_fd_wait(fds[0], THRUM_FD_READ));
        CHECK_EQ(status, THRUM_ETIMEOUT);
    }
    CHECK(try_write(fds[1], 9));
    CHECK_EQ(read_byte(fds[0]), 9);
    close_both(fds);
    return 0;
}

TEST(a_wait_that_has_timed_out_has_taken_nothing)
{
    run_everywhere(time_out, NULL);
}

/* ---- many ------------------------------------------------------------------------------------ */

#define PIPES 400

static int pipes[PIPES][2];

static int read_numbered(void *arg)
{
    const int *fds = arg;

    CHECK_EQ(read_byte(fds[0]), (fds - pipes[0]) / 2 % 256);
    return 0;
}

static int many_pipes(void *arg)
{
    thrum_group group;

    (void)arg;
    for (int round = 0; round < many(20); round++) {
        CHECK_EQ(thrum_group_open(&group, NULL), 0);
        for (int i = 0; i < PIPES; i++)
            CHECK_EQ(thrum_group_spawn(&group, read_numbered, pipes[i], NULL, NULL), 0);
        CHECK_EQ(thrum_yield(), 0);
        for (int i = 0; i < PIPES; i++)
            CHECK(try_write(pipes[i][1], (unsigned char)i));
        CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    }
    return 0;
}

TEST(hundreds_become_ready_at_once)
{
    for (int i = 0; i < PIPES; i++)
        make_pipe(pipes[i]);
    run_everywhere(many_pipes, NULL);
    for (int i = 0; i < PIPES; i++)
        close_both(pipes[i]);
}

static int warm(void *arg)
{
    int fds[2];

    (void)arg;
    make_pipe(fds);
    CHECK(try_write(fds[1], 1));
    CHECK_EQ(thrum_fd_wait(fds[0], THRUM_FD_READ), THRUM_FD_READ);
    no_allocation_begin();
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(thrum_fd_wait(fds[0], THRUM_FD_READ), THRUM_FD_READ);
    no_allocation_end();
    close_both(fds);
    return 0;
}

TEST(the_second_wait_does_not_allocate)
{
    CHECK_EQ(run_with(1, warm, NULL), 0);
}

static int without_memory(void *arg)
{
    int *fds = arg;

    thrum_memory_fail_after(0);
    CHECK_EQ(thrum_fd_wait(fds[0], THRUM_FD_READ), -ENOMEM);
    thrum_memory_fail_after(-1);
    CHECK_EQ(thrum_fd_wait(fds[0], THRUM_FD_READ), THRUM_FD_READ);
    return 0;
}

TEST(without_memory_the_first_wait_is_refused)
{
    int fds[2];

    make_pipe(fds);
    CHECK(try_write(fds[1], 1));
    CHECK_EQ(run_with(1, without_memory, fds), 0);
    close_both(fds);
}

/* ---- who looks, and when --------------------------------------------------------------------- */

struct outside {
    struct talk talk;
    int rounds;
};

/* Blocks: it is a thread of its own. */
static void *answer_from_outside(void *arg)
{
    const struct outside *outside = arg;
    unsigned char byte;

    for (int i = 0; i < outside->rounds; i++) {
        CHECK_EQ(read(outside->talk.there[0], &byte, 1), 1);
        CHECK_EQ(write(outside->talk.back[1], &byte, 1), 1);
    }
    return NULL;
}

static int ask_outside(void *arg)
{
    const struct outside *outside = arg;

    for (int i = 0; i < outside->rounds; i++) {
        CHECK(try_write(outside->talk.there[1], (unsigned char)i));
        CHECK_EQ(read_byte(outside->talk.back[0]), i % 256);
    }
    return 0;
}

static void unblock(int fd)
{
    CHECK_EQ(fcntl(fd, F_SETFL, 0), 0);
}

/* All workers sleep again and again; a hold is not needed, nobody takes it for a deadlock. */
TEST(what_comes_from_outside_wakes_sleeping_workers)
{
    REAL_WORLD_ONLY;
    for (size_t i = 0; i < COUNTS; i++) {
        struct outside outside = {.rounds = many(20000)};
        pthread_t thread;

        make_pipe(outside.talk.there);
        make_pipe(outside.talk.back);
        unblock(outside.talk.there[0]);
        CHECK_EQ(pthread_create(&thread, NULL, answer_from_outside, &outside), 0);
        CHECK_EQ(run_with(counts[i], ask_outside, &outside), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        close_both(outside.talk.there);
        close_both(outside.talk.back);
    }
}

struct busy {
    int fds[2];
    uint32_t got; /* atomic */
    thrum_fn keep_busy;
};

static int get(void *arg)
{
    struct busy *busy = arg;

    CHECK_EQ(read_byte(busy->fds[0]), 1);
    store_release(&busy->got, 1);
    return 0;
}

static int yield_until(void *arg)
{
    const struct busy *busy = arg;

    while (!load_acquire(&busy->got))
        CHECK_EQ(thrum_yield(), 0);
    return 0;
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* Never comes back to its worker's loop by itself. */
static int join_until(void *arg)
{
    const struct busy *busy = arg;

    while (!load_acquire(&busy->got)) {
        thrum_branch branch;

        CHECK_EQ(thrum_fork(&branch, nothing, NULL), 0);
        CHECK_EQ(thrum_join(&branch, nothing, NULL), 0);
    }
    return 0;
}

static int compute_meanwhile(void *arg)
{
    struct busy *busy = arg;
    thrum_group group;

    busy->got = 0;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, get, busy, NULL, NULL), 0);
    CHECK_EQ(thrum_yield(), 0);
    for (int i = 0; i < 16; i++) /* more than there are workers */
        CHECK_EQ(thrum_group_spawn(&group, busy->keep_busy, busy, NULL, NULL), 0);
    CHECK(try_write(busy->fds[1], 1));
    return thrum_group_close(&group, 0, NULL);
}

static void compute_everywhere(thrum_fn keep_busy)
{
    struct busy busy = {.keep_busy = keep_busy};
    bool simulated = getenv("THRUM_SIM") != NULL; /* of one thread; a seed does the same each time */
    int rounds = simulated ? 1 : 5;

    make_pipe(busy.fds);
    for (size_t i = 0; i < (simulated ? 1 : COUNTS); i++)
        for (int round = 0; round < rounds; round++)
            CHECK_EQ(run_with(counts[i], compute_meanwhile, &busy), 0);
    close_both(busy.fds);
}

TEST(workers_that_have_fibers_to_run_look)
{
    compute_everywhere(yield_until);
}

TEST(while_all_workers_compute_the_clock_looks)
{
    compute_everywhere(join_until);
}

/* ---- reports --------------------------------------------------------------------------------- */

static int reports;
static char said[512];

static void hear(const char *line, void *context)
{
    (void)context;
    reports++;
    strncat(said, line, sizeof said - strlen(said) - 1);
}

static int wait_for_both(void *arg)
{
    thrum_event never = THRUM_EVENT_INIT;
    int *fds = arg;

    CHECK_EQ(read_byte(fds[0]), 1);
    return thrum_event_wait(&never);
}

static void *write_later(void *arg)
{
    int *fds = arg;

    usleep(30000); /* so that a report could be made if one were to be; none may be */
    CHECK_EQ(reports, 0);
    CHECK(try_write(fds[1], 1));
    return NULL;
}

/* While a task waits for a descriptor all is well; afterwards it is not. */
TEST(a_descriptor_may_always_become_ready)
{
    REAL_WORLD_ONLY;
    for (size_t i = 0; i < COUNTS; i++) {
        thrum_options options = THRUM_OPTIONS_INIT;
        pthread_t thread;
        int fds[2];

        reports = 0;
        make_pipe(fds);
        CHECK_EQ(pthread_create(&thread, NULL, write_later, fds), 0);
        options.workers = counts[i];
        options.report = hear;
        CHECK_EQ(thrum_run(wait_for_both, fds, &options, NULL), THRUM_EDEADLOCK);
        CHECK_LE(1, reports);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        close_both(fds);
    }
}

static int dump_while_one_waits(void *arg)
{
    int *fds = arg, out[2];
    uint32_t ended = 0;
    struct one one = {fds[0], THRUM_FD_READ, 0, &ended};
    char want[64], text[4096] = "";
    thrum_group group;

    snprintf(want, sizeof want, "waits for descriptor %d, to read", fds[0]);
    make_pipe(out);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, wait_one, &one, NULL, NULL), 0);
    while (!strstr(text, want)) {
        ssize_t got;

        CHECK_EQ(thrum_yield(), 0);
        CHECK_EQ(thrum_dump(out[1]), 0);
        got = read(out[0], text, sizeof text - 1);
        text[got > 0 ? got : 0] = '\0';
    }
    CHECK(try_write(fds[1], 1));
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    close_both(out);
    return 0;
}

TEST(the_dump_says_which_descriptor)
{
    for (size_t i = 0; i < COUNTS; i++) {
        int fds[2];

        make_pipe(fds);
        CHECK_EQ(run_with(counts[i], dump_while_one_waits, fds), 0);
        close_both(fds);
    }
}
