/*
 * sim_fd_test.c - descriptors in the simulated world: when what is ready is noticed
 * is a decision, time is virtual, and what comes from outside needs a hold.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/atomic/verbs.h"
#include "runtime/plat/clock.h"
#include "tests/check.h"
#include "tests/workers.h"

enum { ERR_ORDER = -2001, ERR_LOST = -2002 };

static __attribute__((noinline)) int try_read(int fd)
{
    unsigned char byte;
    ssize_t got = read(fd, &byte, 1);

    CHECK(got == 1 || (got == -1 && errno == EAGAIN));
    return got == 1 ? byte : -1;
}

/* 0 to 255, or a status. */
static int read_byte(int fd)
{
    int byte;

    while ((byte = try_read(fd)) < 0) {
        int ready = thrum_fd_wait(fd, THRUM_FD_READ);

        if (ready < 0)
            return ready;
    }
    return byte;
}

static void write_byte(int fd, unsigned char byte)
{
    CHECK_EQ(write(fd, &byte, 1), 1);
}

static void make_pipe(int fds[2])
{
    CHECK_EQ(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
}

static void close_both(const int fds[2])
{
    CHECK_EQ(close(fds[0]), 0);
    CHECK_EQ(close(fds[1]), 0);
}

static thrum_explore_options quiet(thrum_strategy strategy)
{
    thrum_explore_options options = THRUM_EXPLORE_OPTIONS_INIT;

    options.strategy = (uint32_t)strategy;
    options.flags = THRUM_EXPLORE_QUIET;
    return options;
}

static const thrum_strategy strategies[] = {THRUM_STRATEGY_DEFAULT, THRUM_STRATEGY_RANDOM,
                                            THRUM_STRATEGY_PCT,     THRUM_STRATEGY_POS,
                                            THRUM_STRATEGY_SURW,    THRUM_STRATEGY_SYSTEMATIC};

#define STRATEGIES (sizeof strategies / sizeof strategies[0])

/* ---- decisions ------------------------------------------------------------------------------- */

struct two {
    int fds[2][2];
    int order[2];
    int n;
};

static int read_first(void *arg)
{
    struct two *two = arg;
    int byte = read_byte(two->fds[0][0]);

    if (byte >= 0)
        two->order[two->n++] = 0;
    return byte < 0 ? byte : 0;
}

static int read_second(void *arg)
{
    struct two *two = arg;
    int byte = read_byte(two->fds[1][0]);

    if (byte >= 0)
        two->order[two->n++] = 1;
    return byte < 0 ? byte : 0;
}

/* Two tasks wait; both become ready between two points. 0: they were told in the order 0, 1. */
static int both_at_once(void *arg)
{
    struct two two = {.n = 0};
    thrum_group group;
    int status;

    (void)arg;
    make_pipe(two.fds[0]);
    make_pipe(two.fds[1]);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, read_first, &two, NULL, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, read_second, &two, NULL, NULL), 0);
    status = thrum_sleep(1); /* both wait by now */
    write_byte(two.fds[1][1], 1);
    write_byte(two.fds[0][1], 1);
    status = thrum_group_close(&group, status, NULL);
    close_both(two.fds[0]);
    close_both(two.fds[1]);
    return status ? status : two.order[0] == 0 ? 0 : ERR_ORDER;
}

/* Who was armed first is told first, whatever the kernel says; every strategy finds the other way. */
TEST(ties_are_structural_and_their_order_is_a_decision)
{
    CHECK_EQ(thrum_replay("", both_at_once, NULL, NULL), 0);
    for (size_t i = 0; i < STRATEGIES; i++) {
        thrum_explore_options options = quiet(strategies[i]);
        thrum_explore_result result;
        size_t matched;

        options.schedules = 200;
        CHECK_EQ(thrum_explore(&options, both_at_once, NULL, &result), ERR_ORDER);
        CHECK_EQ(result.deltas, 1);
        CHECK_EQ(thrum_replay(result.replay, both_at_once, NULL, &matched), ERR_ORDER);
        CHECK_EQ(matched, 1);
    }
    CHECK_EQ(thrum_replay("1.d1@0>2.d1", both_at_once, NULL, NULL), ERR_ORDER);
    CHECK_EQ(thrum_replay("1.d@0>2", both_at_once, NULL, NULL), -EINVAL);
    CHECK_EQ(thrum_replay("1.d2147483648@0>2", both_at_once, NULL, NULL), -EINVAL);
    CHECK_EQ(thrum_replay("rd1@0>2", both_at_once, NULL, NULL), -EINVAL);
}

struct late {
    int fds[2];
    thrum_task *reader;
    int status;
};

static int read_late(void *arg)
{
    struct late *late = arg;

    late->status = thrum_fd_wait(late->fds[0], THRUM_FD_READ);
    return late->status < 0 ? late->status : 0;
}

/* It is cancelled after its byte was written. ERR_LOST: the cancel was noticed and the byte not. */
static int cancel_after_write(void *arg)
{
    struct late late = {.status = 1};
    thrum_group group;
    int status;

    (void)arg;
    make_pipe(late.fds);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, read_late, &late, NULL, &late.reader), 0);
    status = thrum_sleep(1);
    write_byte(late.fds[1], 7);
    thrum_point(); /* here it is found ready; that it is noticed is another matter */
    thrum_task_cancel(late.reader, 0, NULL);
    status = thrum_group_close(&group, status, NULL);
    thrum_task_unref(late.reader);
    CHECK_EQ(try_read(late.fds[0]), 7); /* whatever came of the wait, nothing was taken */
    close_both(late.fds);
    if (status)
        return status;
    return late.status == THRUM_ECANCELED ? ERR_LOST : 0;
}

TEST(a_ready_descriptor_may_be_noticed_late)
{
    thrum_explore_options options = quiet(THRUM_STRATEGY_SYSTEMATIC);
    thrum_explore_result result;

    options.flags |= THRUM_EXPLORE_ALL;
    options.delays = 2;
    CHECK_EQ(thrum_explore(&options, cancel_after_write, NULL, &result), ERR_LOST);
    CHECK(result.complete);
    CHECK_LE(1, result.failures);
    CHECK_LE(result.failures + 1, result.schedules); /* and noticed in time */
}

/* ---- selects --------------------------------------------------------------------------------- */

struct choices {
    int fds[2][2];
    thrum_event stop;
    thrum_task *task;
    int got; /* bytes */
    int status;
};

/* Takes both bytes, from wherever they come first. */
static int take_two(void *arg)
{
    struct choices *all = arg;

    while (all->got < 2) {
        thrum_case cases[] = {thrum_case_fd(all->fds[0][0], THRUM_FD_READ),
                              thrum_case_fd(all->fds[1][0], THRUM_FD_READ),
                              thrum_case_event(&all->stop), thrum_case_after(thrum_ms(10))};
        int chosen = thrum_select(cases, 4, 0);

        if (chosen < 0 || chosen > 1) {
            all->status = chosen;
            return chosen < 0 ? chosen : 0;
        }
        CHECK_EQ(cases[chosen].result, THRUM_FD_READ);
        CHECK_EQ(try_read(all->fds[chosen][0]), chosen);
        all->got++;
    }
    return 0;
}

static int write_both(void *arg)
{
    struct choices *all = arg;

    for (unsigned char i = 0; i < 2; i++) {
        int status = thrum_sleep(thrum_ms(i));

        if (status)
            return status;
        write_byte(all->fds[1 - i][1], (unsigned char)(1 - i));
    }
    return 0;
}

static int cancel_it(void *arg)
{
    struct choices *all = arg;

    thrum_task_cancel(all->task, 0, NULL);
    return 0;
}

/* What was not taken is still there, however the two, the cancel and the time meet. */
static int choose(void *arg)
{
    struct choices all = {.stop = THRUM_EVENT_INIT, .status = 0};
    thrum_group group;
    int status, left = 0;

    make_pipe(all.fds[0]);
    make_pipe(all.fds[1]);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, take_two, &all, NULL, &all.task), 0);
    CHECK_EQ(thrum_group_spawn(&group, write_both, &all, NULL, NULL), 0);
    if (arg)
        CHECK_EQ(thrum_group_spawn(&group, cancel_it, &all, NULL, NULL), 0);
    status = thrum_group_close(&group, 0, NULL);
    thrum_task_unref(all.task);
    for (int i = 0; i < 2; i++) {
        left += try_read(all.fds[i][0]) == i;
        close_both(all.fds[i]);
    }
    if (status)
        return status;
    CHECK_EQ(all.got + left, 2);
    return arg || all.got == 2 ? 0 : ERR_LOST;
}

TEST(a_select_of_descriptors_loses_nothing)
{
    for (size_t i = 0; i < STRATEGIES; i++)
        for (int cancels = 0; cancels < 2; cancels++) {
            thrum_explore_options options = quiet(strategies[i]);
            int yes;

            options.flags |= THRUM_EXPLORE_TWICE;
            options.schedules = 500;
            CHECK_EQ(thrum_explore(&options, choose, cancels ? &yes : NULL, NULL), 0);
        }
}

TEST(a_select_of_descriptors_can_be_cancelled_anywhere)
{
    thrum_explore_options options = quiet(THRUM_STRATEGY_DEFAULT);

    options.flags |= THRUM_EXPLORE_CANCEL;
    options.schedules = 1000;
    CHECK_EQ(thrum_explore(&options, choose, NULL, NULL), 0);
}

/* ---- the same again -------------------------------------------------------------------------- */

struct talk {
    int there[2], back[2], bell;
    int answers;
};

static int answer(void *arg)
{
    struct talk *talk = arg;

    for (int i = 0; i < 3; i++) {
        int byte = read_byte(talk->there[0]);

        if (byte < 0)
            return byte;
        write_byte(talk->back[1], (unsigned char)(byte + 1));
    }
    CHECK_EQ(eventfd_write(talk->bell, 1), 0);
    return 0;
}

static int ask(void *arg)
{
    struct talk *talk = arg;

    for (int i = 0; i < 3; i++) {
        thrum_timeout timeout;
        int byte;

        write_byte(talk->there[1], (unsigned char)(10 * i));
        CHECK_EQ(thrum_timeout_begin(&timeout, thrum_ms(5)), 0);
        byte = read_byte(talk->back[0]);
        byte = thrum_timeout_end(&timeout, byte);
        if (byte < 0)
            return byte;
        CHECK_EQ(byte, 10 * i + 1);
        talk->answers++;
    }
    return 0;
}

static int hear_bell(void *arg)
{
    const struct talk *talk = arg;
    int ready = thrum_fd_wait(talk->bell, THRUM_FD_READ);

    return ready < 0 ? ready : 0;
}

static int converse(void *arg)
{
    struct talk talk = {.answers = 0};
    thrum_group group;
    int status;

    (void)arg;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, talk.there), 0);
    make_pipe(talk.back);
    talk.bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, hear_bell, &talk, NULL, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, ask, &talk, NULL, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, answer, &talk, NULL, NULL), 0);
    status = thrum_group_close(&group, 0, NULL);
    close_both(talk.there);
    close_both(talk.back);
    CHECK_EQ(close(talk.bell), 0);
    return status ? status : talk.answers == 3 ? 0 : ERR_LOST;
}

/* Whatever numbers the descriptors have. */
TEST(a_seed_does_the_same_with_descriptors)
{
    for (size_t i = 0; i < STRATEGIES; i++) {
        thrum_explore_options options = quiet(strategies[i]);
        thrum_explore_result first, second;
        int others[2];

        options.schedules = 300;
        options.flags |= THRUM_EXPLORE_TWICE;
        CHECK_EQ(thrum_explore(&options, converse, NULL, &first), 0);
        make_pipe(others);
        CHECK_EQ(thrum_explore(&options, converse, NULL, &second), 0);
        close_both(others);
        CHECK(first.hash == second.hash);
        CHECK_EQ(first.decisions, second.decisions);
    }
}

/* At every turn, those included in which a descriptor is noticed. */
TEST(a_program_with_descriptors_can_be_cancelled_anywhere)
{
    thrum_explore_options options = quiet(THRUM_STRATEGY_DEFAULT);

    options.flags |= THRUM_EXPLORE_CANCEL | THRUM_EXPLORE_TWICE;
    options.schedules = 500;
    CHECK_EQ(thrum_explore(&options, converse, NULL, NULL), 0);
}

/* ---- time ------------------------------------------------------------------------------------ */

static int wait_for_years(void *arg)
{
    int64_t begin = thrum_now().ns;
    int fds[2];

    (void)arg;
    make_pipe(fds);
    for (int i = 0; i < 100; i++) {
        thrum_timeout timeout;

        CHECK_EQ(thrum_timeout_begin(&timeout, thrum_s(365 * 86400)), 0);
        CHECK_EQ(thrum_timeout_end(&timeout, thrum_fd_wait(fds[0], THRUM_FD_READ)), THRUM_ETIMEOUT);
    }
    CHECK_EQ(thrum_now().ns - begin, 100 * thrum_s(365 * 86400));
    close_both(fds);
    return 0;
}

TEST(timeouts_around_a_wait_are_virtual)
{
    CHECK_EQ(thrum_replay("", wait_for_years, NULL, NULL), 0);
}

enum { ERR_TIMED = -2003 };

/* What is ready is noticed at once, however short the time, but for latency. */
static int read_in_time(void *arg)
{
    thrum_timeout timeout;
    int fds[2];
    int status;

    (void)arg;
    make_pipe(fds);
    write_byte(fds[1], 1);
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_ms(1)), 0);
    status = thrum_timeout_end(&timeout, thrum_fd_wait(fds[0], THRUM_FD_READ));
    close_both(fds);
    if (status == THRUM_ETIMEOUT)
        return ERR_TIMED;
    return status < 0 ? status : 0;
}

TEST(latency_is_virtual_explored_and_replayed)
{
    thrum_explore_options options = quiet(THRUM_STRATEGY_DEFAULT);
    thrum_explore_result result;
    size_t matched;

    options.schedules = 200;
    CHECK_EQ(thrum_explore(&options, read_in_time, NULL, NULL), 0);
    options.faults = THRUM_FAULT_LATENCY;
    CHECK_EQ(thrum_explore(&options, read_in_time, NULL, &result), ERR_TIMED);
    CHECK_EQ(result.deltas, 1);
    CHECK_EQ(thrum_replay(result.replay, read_in_time, NULL, &matched), ERR_TIMED);
    CHECK_EQ(matched, 1);
}

/* ---- outside --------------------------------------------------------------------------------- */

static char said[2048];

static void hear(const char *line, void *context)
{
    (void)context;
    strncat(said, line, sizeof said - strlen(said) - 1);
}

static int run_simulated(thrum_fn fn, void *arg)
{
    thrum_options options = THRUM_OPTIONS_INIT;

    options.flags = THRUM_SIMULATE;
    options.report = hear;
    said[0] = '\0';
    return thrum_run(fn, arg, &options, NULL);
}

static int wait_to_read(void *arg)
{
    const int *fds = arg;
    int byte = read_byte(fds[0]);

    return byte < 0 ? byte : 0;
}

TEST(what_nobody_inside_makes_ready_is_a_deadlock)
{
    char want[64];
    int fds[2];

    make_pipe(fds);
    CHECK_EQ(run_simulated(wait_to_read, fds), THRUM_EDEADLOCK);
    snprintf(want, sizeof want, "waits for descriptor %d, to read", fds[0]);
    CHECK(strstr(said, want) != NULL);
    CHECK(strstr(said, "only while there is a hold") != NULL);
    close_both(fds);
}

static int select_in_vain(void *arg)
{
    const int *fds = arg;
    thrum_event never = THRUM_EVENT_INIT;
    thrum_case cases[] = {thrum_case_event(&never), thrum_case_fd(fds[0], THRUM_FD_READ)};

    return thrum_select(cases, 2, 0);
}

TEST(a_select_in_vain_says_for_which_descriptor)
{
    char want[64];
    int fds[2];

    make_pipe(fds);
    CHECK_EQ(run_simulated(select_in_vain, fds), THRUM_EDEADLOCK);
    snprintf(want, sizeof want, ", descriptor %d, to read", fds[0]);
    CHECK(strstr(said, "the first of several: event") != NULL);
    CHECK(strstr(said, want) != NULL);
    close_both(fds);
}

struct beside {
    thrum_event event;
    pthread_t thread;
    uint32_t over; /* atomic */
};

struct outside {
    int fds[2];
    thrum_runtime *runtime;
    pthread_t thread;
};

static void *write_from_outside(void *arg)
{
    struct outside *outside = arg;

    write_byte(outside->fds[1], 3);
    return NULL;
}

static int wait_for_outside(void *arg)
{
    struct outside *outside = arg;
    thrum_runtime *runtime = thrum_runtime_self();
    int byte;

    thrum_hold(runtime, "a thread writes");
    CHECK_EQ(pthread_create(&outside->thread, NULL, write_from_outside, outside), 0);
    byte = read_byte(outside->fds[0]);
    thrum_release(runtime);
    return byte == 3 ? 0 : ERR_LOST;
}

/* Now and then the byte is there at once; in the end it was waited for. */
TEST(with_a_hold_the_outside_is_real_and_a_line_says_so)
{
    struct outside outside;
    bool waited = false;

    make_pipe(outside.fds);
    for (int i = 0; i < 10000 && !waited; i++) {
        CHECK_EQ(run_simulated(wait_for_outside, &outside), 0);
        CHECK_EQ(pthread_join(outside.thread, NULL), 0);
        waited = strstr(said, "has waited in real time for descriptors") != NULL;
    }
    CHECK(waited);
    close_both(outside.fds);
}

static void *let_go(void *arg)
{
    struct outside *outside = arg;

    thrum_release(outside->runtime);
    return NULL;
}

static int wait_and_be_let_go(void *arg)
{
    struct outside *outside = arg;

    outside->runtime = thrum_runtime_self();
    thrum_hold(outside->runtime, "a thread lets go");
    CHECK_EQ(pthread_create(&outside->thread, NULL, let_go, outside), 0);
    return wait_to_read(outside->fds);
}

TEST(a_hold_that_is_let_go_leaves_a_deadlock)
{
    struct outside outside;

    make_pipe(outside.fds);
    CHECK_EQ(run_simulated(wait_and_be_let_go, &outside), THRUM_EDEADLOCK);
    CHECK_EQ(pthread_join(outside.thread, NULL), 0);
    close_both(outside.fds);
}

/* Somebody comes now and then; a deadline comes all the same, though not sooner than in truth. */
static void *set_now_and_then(void *arg)
{
    struct beside *beside = arg;

    while (!load_relaxed(&beside->over)) { /* relaxed: a flag */
        thrum_event_set(&beside->event);
        sched_yield();
    }
    return NULL;
}

static int sleep_beside_a_hold(void *arg)
{
    struct beside *beside = arg;
    int64_t virtually = thrum_now().ns, really = thrum_clock_now();
    thrum_timeout timeout;
    int status = 0;

    thrum_hold(thrum_runtime_self(), "a thread");
    CHECK_EQ(pthread_create(&beside->thread, NULL, set_now_and_then, beside), 0);
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_ms(5)), 0);
    while (!status) {
        thrum_event_clear(&beside->event);
        status = thrum_event_wait(&beside->event);
    }
    CHECK_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
    CHECK_EQ(thrum_now().ns - virtually, thrum_ms(5));
    CHECK_LE(thrum_ms(5), thrum_clock_now() - really);
    store_relaxed(&beside->over, 1); /* relaxed: a flag */
    CHECK_EQ(pthread_join(beside->thread, NULL), 0);
    thrum_release(thrum_runtime_self());
    return 0;
}

TEST(beside_a_hold_time_passes_as_it_really_does)
{
    struct beside beside = {.event = THRUM_EVENT_INIT};

    CHECK_EQ(run_simulated(sleep_beside_a_hold, &beside), 0);
}

static int sleep_long(void *arg)
{
    (void)arg;
    return thrum_sleep(thrum_s(3600));
}

/* It is not waited for. */
TEST(a_sigint_that_may_come_keeps_no_time_from_passing)
{
    thrum_options options = THRUM_OPTIONS_INIT;

    options.flags = THRUM_SIMULATE | THRUM_HANDLE_SIGINT;
    CHECK_EQ(thrum_run(sleep_long, NULL, &options, NULL), 0);
}

/* ---- many ------------------------------------------------------------------------------------ */

enum { PIPES = 200 };

struct many {
    int fds[PIPES][2];
    int order[PIPES];
    int n;
};

struct reader {
    struct many *many;
    int number;
};

static int read_numbered(void *arg)
{
    struct reader *reader = arg;
    int byte = read_byte(reader->many->fds[reader->number][0]);

    reader->many->order[reader->many->n++] = reader->number;
    return byte < 0 ? byte : 0;
}

/* More than the kernel tells of at a time; written last to first. */
static int all_at_once(void *arg)
{
    static struct many many;
    static struct reader readers[PIPES];
    thrum_group group;
    int status;

    (void)arg;
    many.n = 0;
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (int i = 0; i < PIPES; i++) {
        make_pipe(many.fds[i]);
        readers[i] = (struct reader){&many, i};
        CHECK_EQ(thrum_group_spawn(&group, read_numbered, &readers[i], NULL, NULL), 0);
    }
    CHECK_EQ(thrum_sleep(1), 0);
    for (int i = PIPES; i-- > 0;)
        write_byte(many.fds[i][1], 1);
    status = thrum_group_close(&group, 0, NULL);
    for (int i = 0; i < PIPES; i++) {
        CHECK_EQ(many.order[i], i);
        close_both(many.fds[i]);
    }
    return status;
}

TEST(hundreds_are_told_in_the_order_in_which_they_were_armed)
{
    CHECK_EQ(thrum_replay("", all_at_once, NULL, NULL), 0);
}
