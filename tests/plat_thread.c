/*
 * plat_thread.c - threads, futexes, the clock, membarrier and the poller do
 * what their headers say.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "check.h"
#include "runtime/atomic/verbs.h"
#include "runtime/plat/clock.h"
#include "runtime/plat/futex.h"
#include "runtime/plat/membarrier.h"
#include "runtime/plat/poll.h"
#include "runtime/plat/thread.h"

#define MS 1000000

struct seen {
    sigset_t mask;
    char name[16];
    size_t stack_bytes;
    uint32_t named; /* atomic: the creator has named us */
};

static void *look(void *arg)
{
    struct seen *seen = arg;
    pthread_attr_t attributes;

    while (!load_acquire(&seen->named))
        thrum_futex_wait(&seen->named, 0, -1);
    pthread_sigmask(SIG_SETMASK, NULL, &seen->mask);
    pthread_getname_np(pthread_self(), seen->name, sizeof(seen->name));
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstacksize(&attributes, &seen->stack_bytes);
    pthread_attr_destroy(&attributes);
    return arg;
}

TEST(a_thread_has_a_name_a_stack_and_few_signals)
{
    static struct seen seen;
    sigset_t before;
    sigset_t after;
    pthread_t thread;
    void *result;

    pthread_sigmask(SIG_SETMASK, NULL, &before);
    CHECK_EQ(thrum_thread_create(&thread, look, &seen, "a-name-that-is-too-long"), 0);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    store_release(&seen.named, 1);
    thrum_futex_wake(&seen.named, 1);
    CHECK_EQ(pthread_join(thread, &result), 0);
    CHECK(result == &seen);
    CHECK_STR_EQ(seen.name, "a-name-that-is-");
    CHECK_LE(256 << 10, seen.stack_bytes);
    CHECK(sigismember(&seen.mask, SIGINT));
    CHECK(sigismember(&seen.mask, SIGTERM));
    CHECK(sigismember(&seen.mask, SIGALRM));
    CHECK(!sigismember(&seen.mask, SIGSEGV));
    CHECK(!sigismember(&seen.mask, SIGPROF));
    for (int signal = 1; signal < 32; signal++)
        CHECK_EQ(sigismember(&before, signal), sigismember(&after, signal));
}

static void *nothing(void *arg)
{
    return arg;
}

TEST(a_thread_that_cannot_be_made_is_an_ordinary_error)
{
    pthread_t threads[3];
    pthread_t none;

    store_relaxed(&thrum_thread_fail_after, 3); /* relaxed: one thread */
    CHECK_EQ(thrum_thread_create(&threads[0], nothing, NULL, "first"), 0);
    CHECK_EQ(thrum_thread_create(&threads[1], nothing, NULL, "second"), 0);
    CHECK_EQ(thrum_thread_create(&none, nothing, NULL, "third"), -EAGAIN);
    CHECK_EQ(thrum_thread_create(&threads[2], nothing, NULL, "third"), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
}

TEST(the_clock_goes_forward)
{
    int64_t last = thrum_clock_now();

    CHECK_LT(0, last);
    for (int i = 0; i < 100000; i++) {
        int64_t now = thrum_clock_now();

        CHECK_LE(last, now);
        last = now;
    }
}

TEST(a_futex_says_why_it_returned)
{
    static uint32_t word = 5;
    int64_t start = thrum_clock_now();

    CHECK_EQ(thrum_futex_wait(&word, 4, -1), -EAGAIN);
    CHECK_EQ(thrum_futex_wait(&word, 5, 0), -ETIMEDOUT);
    CHECK_EQ(thrum_futex_wait(&word, 5, 3 * MS), -ETIMEDOUT);
    CHECK_LE(start + 3 * MS, thrum_clock_now());
    thrum_futex_wake(&word, 1);
}

/* Two threads take turns by a word: no wake-up is lost. */
enum { TURNS = 20000 };

static uint32_t turn; /* atomic: even is the one's, odd the other's */

static void take_turns(uint32_t mine)
{
    for (uint32_t i = mine; i < TURNS; i += 2) {
        uint32_t now;

        while ((now = load_acquire(&turn)) != i)
            thrum_futex_wait(&turn, now, -1);
        store_release(&turn, i + 1);
        thrum_futex_wake(&turn, 1);
    }
}

static void *second(void *arg)
{
    take_turns(1);
    return arg;
}

TEST(no_futex_wake_is_lost)
{
    pthread_t thread;

    CHECK_EQ(thrum_thread_create(&thread, second, NULL, "second"), 0);
    take_turns(0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(load_acquire(&turn), TURNS);
}

TEST(membarrier_works_where_it_is_available)
{
    if (!thrum_membarrier_setup())
        SKIP("this kernel has no membarrier");
    CHECK(thrum_membarrier_setup());
    thrum_membarrier();
}

TEST(membarrier_can_be_turned_off)
{
    CHECK_EQ(setenv("THRUM_MEMBARRIER", "0", 1), 0);
    CHECK(!thrum_membarrier_setup());
}

static int wait_in(struct poll *poll, int64_t timeout_ns)
{
    struct poll_event found[POLL_MOST];

    return thrum_poll_wait(poll, timeout_ns, found);
}

TEST(a_wake_ends_one_sleep_now_or_later)
{
    struct poll poll;

    CHECK_EQ(thrum_poll_init(&poll), 0);
    CHECK(fcntl(poll.epoll_fd, F_GETFD) & FD_CLOEXEC);
    CHECK(fcntl(poll.event_fd, F_GETFD) & FD_CLOEXEC);
    thrum_poll_wake(&poll);
    thrum_poll_wake(&poll);
    CHECK_EQ(wait_in(&poll, -1), 0);
    CHECK_EQ(wait_in(&poll, 0), 0); /* both wakes are used up */
    thrum_poll_fini(&poll);
}

TEST(a_poll_does_not_end_before_its_time)
{
    static const int64_t timeouts[] = {0, 1, 1000, MS - 1, MS + 1, 5 * MS};
    struct poll poll;

    CHECK_EQ(thrum_poll_init(&poll), 0);
    for (size_t i = 0; i < sizeof(timeouts) / sizeof(timeouts[0]); i++) {
        int64_t start = thrum_clock_now();

        CHECK_EQ(wait_in(&poll, timeouts[i]), 0);
        CHECK_LE(start + timeouts[i], thrum_clock_now());
    }
    thrum_poll_fini(&poll);
}

TEST(a_poll_counts_ready_descriptors)
{
    bool known = false;
    struct poll poll;
    int ends[2];

    CHECK_EQ(thrum_poll_init(&poll), 0);
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    CHECK_EQ(thrum_poll_arm(&poll, ends[0], POLL_READ, 1, &known), 0);
    CHECK_EQ(wait_in(&poll, 0), 0);
    CHECK_EQ(write(ends[1], "x", 1), 1);
    thrum_poll_wake(&poll);
    CHECK_EQ(wait_in(&poll, -1), 1);
    close(ends[0]);
    close(ends[1]);
    thrum_poll_fini(&poll);
}

static void *wake_poll(void *arg)
{
    thrum_poll_wake(arg);
    return NULL;
}

TEST(another_thread_wakes_a_poll)
{
    struct poll poll;
    pthread_t thread;

    CHECK_EQ(thrum_poll_init(&poll), 0);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(thrum_thread_create(&thread, wake_poll, &poll, "waker"), 0);
        CHECK_EQ(wait_in(&poll, -1), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
    thrum_poll_fini(&poll);
}

static void note_signal(int signal)
{
    (void)signal;
}

TEST(a_signal_ends_a_sleep_with_nothing_ready)
{
    struct sigaction action = {.sa_handler = note_signal};
    struct poll poll;

    CHECK_EQ(thrum_poll_init(&poll), 0);
    CHECK_EQ(sigaction(SIGALRM, &action, NULL), 0);
    alarm(1);
    CHECK_EQ(wait_in(&poll, -1), 0);
    thrum_poll_fini(&poll);
}

TEST(a_poll_without_descriptors_left_leaves_nothing_open)
{
    struct rlimit few;
    struct poll poll;
    int fds[64];
    int count = 0;
    int last;

    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &few), 0);
    few.rlim_cur = 64;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
    while (count < 64 && (fds[count] = dup(STDERR_FILENO)) >= 0)
        count++;
    CHECK_LT(0, count);
    CHECK_EQ(thrum_poll_init(&poll), -EMFILE);
    close(fds[--count]);
    CHECK_EQ(thrum_poll_init(&poll), -EMFILE); /* epoll yes, eventfd no */
    last = dup(STDERR_FILENO);
    CHECK_LE(0, last); /* what was open is closed again */
    close(last);
    while (count > 0)
        close(fds[--count]);
}
