/*
 * left_test.c - what a run leaves behind is a failure, and is named.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/workers.h"

static const thrum_strategy strategies[] = {THRUM_STRATEGY_DEFAULT, THRUM_STRATEGY_RANDOM,
                                            THRUM_STRATEGY_SYSTEMATIC};

#define STRATEGIES (sizeof strategies / sizeof strategies[0])

static thrum_explore_options looking(thrum_strategy strategy, uint32_t flags)
{
    thrum_explore_options options = THRUM_EXPLORE_OPTIONS_INIT;

    options.strategy = (uint32_t)strategy;
    options.flags = flags;
    options.schedules = 200;
    options.delays = 1;
    return options;
}

/* What exploring writes on standard error. */
static int explore_aloud(const thrum_explore_options *options, thrum_fn fn, void *arg, char *text,
                         size_t size)
{
    char path[] = "/tmp/thrum-left-XXXXXX";
    int file = mkstemp(path), before = dup(STDERR_FILENO), status;
    ssize_t length;

    CHECK_LE(0, file);
    CHECK_EQ(unlink(path), 0);
    CHECK_LE(0, dup2(file, STDERR_FILENO));
    status = thrum_explore(options, fn, arg, NULL);
    CHECK_LE(0, dup2(before, STDERR_FILENO));
    CHECK_EQ(close(before), 0);
    length = pread(file, text, size - 1, 0);
    CHECK_LE(0, length);
    text[length] = '\0';
    CHECK_EQ(close(file), 0);
    return status;
}

/*
 * The program does something only if the flag says so: then every strategy sees it, and the words
 * are said; and if not, nothing is seen. It leaves a process as it was, for there are more runs.
 */
static void leaves(thrum_fn fn, uint32_t flags, const char *words)
{
    for (size_t i = 0; i < STRATEGIES; i++) {
        thrum_explore_options options = looking(strategies[i], flags);
        thrum_explore_result result;
        char text[4096];
        bool leave = true;

        CHECK_EQ(explore_aloud(&options, fn, &leave, text, sizeof text), THRUM_ELEFT);
        if (!strstr(text, words))
            CHECK_STR_EQ(text, words);
        options.flags |= THRUM_EXPLORE_QUIET;
        CHECK_EQ(thrum_explore(&options, fn, &leave, &result), THRUM_ELEFT);
        CHECK_EQ(result.failing, 1);
        CHECK_EQ(result.deltas, 0);
        leave = false;
        options.flags |= THRUM_EXPLORE_TWICE;
        CHECK_EQ(thrum_explore(&options, fn, &leave, NULL), 0);
    }
}

/* ---- locks ------------------------------------------------------------------------------------ */

static int use_mutex(void *arg)
{
    thrum_mutex mutex = THRUM_MUTEX_INIT;
    int status = thrum_mutex_lock(&mutex);

    if (!status && !*(bool *)arg)
        thrum_mutex_unlock(&mutex);
    return status;
}

static int use_write_lock(void *arg)
{
    thrum_rwlock lock = THRUM_RWLOCK_INIT;
    int status = thrum_rwlock_write(&lock);

    if (!status && !*(bool *)arg)
        thrum_rwlock_write_unlock(&lock);
    return status;
}

static int use_read_lock(void *arg)
{
    thrum_rwlock lock = THRUM_RWLOCK_INIT;
    int status = thrum_rwlock_read(&lock);

    if (!status)
        status = thrum_rwlock_try_read(&lock);
    if (!status)
        thrum_rwlock_read_unlock(&lock);
    if (!status && !*(bool *)arg)
        thrum_rwlock_read_unlock(&lock);
    return status;
}

static int use_permits(void *arg)
{
    thrum_sem sem = THRUM_SEM_INIT(5);
    int status = thrum_sem_acquire(&sem, 3);

    if (!status)
        status = thrum_sem_release(&sem, *(bool *)arg ? 2 : 3);
    return status;
}

/* Another gives back what one has, and a child ends with a lock. */
static int in_child(void *arg)
{
    thrum_child child;
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    if (!status)
        status = thrum_group_spawn_child(&group, &child, use_mutex, arg);
    return status ? status : thrum_group_close(&group, 0, NULL);
}

TEST(a_lock_that_a_task_has_when_it_ends)
{
    leaves(use_mutex, 0, "task 0 has mutex ");
    leaves(use_write_lock, 0, "task 0 has write lock ");
    leaves(use_read_lock, 0, "task 0 has read lock ");
    leaves(in_child, 0, "task 1 has mutex ");
    leaves(use_permits, THRUM_EXPLORE_PERMITS, "task 0 has semaphore ");
}

TEST(nobody_looks_if_that_is_asked_for)
{
    thrum_explore_options options = looking(THRUM_STRATEGY_DEFAULT, THRUM_EXPLORE_LEAVE);
    bool leave = true;

    CHECK_EQ(thrum_explore(&options, use_mutex, &leave, NULL), 0);
}

TEST(permits_are_looked_at_if_that_is_asked_for)
{
    thrum_explore_options options = looking(THRUM_STRATEGY_DEFAULT, 0);
    bool leave = true;

    CHECK_EQ(thrum_explore(&options, use_permits, &leave, NULL), 0);
}

/* A lock that is waited for, and one taken by a condition's end, are let go of, too. */
struct meeting {
    thrum_mutex mutex;
    thrum_cond cond;
    bool met;
};

static int come(void *arg)
{
    struct meeting *meeting = arg;
    int status = thrum_mutex_lock(&meeting->mutex);

    if (status)
        return status;
    if (meeting->met) {
        thrum_cond_notify_all(&meeting->cond);
    } else {
        meeting->met = true;
        status = thrum_cond_wait(&meeting->cond, &meeting->mutex);
    }
    thrum_mutex_unlock(&meeting->mutex);
    return status;
}

static int meet(void *arg)
{
    struct meeting meeting = {THRUM_MUTEX_INIT, THRUM_COND_INIT, false};
    thrum_child children[2];
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    (void)arg;
    for (int i = 0; i < 2 && !status; i++)
        status = thrum_group_spawn_child(&group, &children[i], come, &meeting);
    return thrum_group_close(&group, status, NULL);
}

TEST(locks_that_are_let_go_of_are_no_failure)
{
    for (size_t i = 0; i < STRATEGIES; i++) {
        thrum_explore_options options = looking(strategies[i], THRUM_EXPLORE_TWICE);

        options.flags |= THRUM_EXPLORE_CANCEL | THRUM_EXPLORE_QUIET;
        CHECK_EQ(thrum_explore(&options, meet, NULL, NULL), 0);
    }
}

/* ---- memory ----------------------------------------------------------------------------------- */

/* What the runs have lost, so that the test does not. */
static void *blocks[4096];
static thrum_error *errors[4096];
static size_t blocks_count, errors_count;

static int use_memory(void *arg)
{
    void *block = thrum_malloc(100);

    if (*(bool *)arg)
        blocks[blocks_count++] = block;
    else
        thrum_free(block);
    return 0;
}

static int use_error(void *arg)
{
    thrum_error *error = thrum_error_new(-EIO, "it was kept");

    if (*(bool *)arg)
        errors[errors_count++] = error;
    else
        thrum_error_free(error);
    return 0;
}

static void find_again(void)
{
    while (blocks_count > 0)
        thrum_free(blocks[--blocks_count]);
    while (errors_count > 0)
        thrum_error_free(errors[--errors_count]);
}

static int use_queue(void *arg)
{
    thrum_queue queue;
    int status = thrum_queue_init(&queue, sizeof(int), NULL);

    if (!status && !*(bool *)arg)
        thrum_queue_destroy(&queue);
    return status;
}

static int answer(void *arg)
{
    (void)arg;
    return 0;
}

static int use_handle(void *arg)
{
    thrum_task *task;
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    if (!status)
        status = thrum_group_spawn(&group, answer, NULL, NULL, &task);
    if (!status && !*(bool *)arg)
        thrum_task_unref(task);
    return status ? status : thrum_group_close(&group, 0, NULL);
}

static int use_executor(void *arg)
{
    thrum_executor *executor;
    int status = thrum_executor_create(&executor, NULL);

    if (!status && !*(bool *)arg)
        status = thrum_executor_close(executor, 0, NULL);
    return status;
}

TEST(memory_that_was_not_given_back)
{
    leaves(use_memory, 0, " 1 blocks of memory ");
    leaves(use_error, 0, " 1 blocks of memory ");
    leaves(use_handle, 0, " 1 tasks ");
    find_again();
}

TEST(queues_and_executors_that_were_not_given_back)
{
    thrum_explore_options options = looking(THRUM_STRATEGY_SYSTEMATIC, THRUM_EXPLORE_QUIET);
    bool leave = false;

    CHECK_EQ(thrum_explore(&options, use_queue, &leave, NULL), 0);
    CHECK_EQ(thrum_explore(&options, use_executor, &leave, NULL), 0);
    leave = true;
    options.flags |= THRUM_EXPLORE_ISOLATE; /* what is lost is lost with a process */
    CHECK_EQ(thrum_explore(&options, use_queue, &leave, NULL), THRUM_ELEFT);
    CHECK_EQ(thrum_explore(&options, use_executor, &leave, NULL), THRUM_ELEFT);
}

/* ---- what the program counts ------------------------------------------------------------------ */

struct ledger {
    int64_t sheets;
    bool loses;
};

static int64_t sheets(void *arg)
{
    return ((struct ledger *)arg)->sheets;
}

static int use_sheets(void *arg)
{
    struct ledger *ledger = arg;

    ledger->sheets += 2;
    ledger->sheets -= ledger->loses ? 1 : 2;
    return 0;
}

TEST(what_the_program_counts)
{
    thrum_explore_options options = looking(THRUM_STRATEGY_DEFAULT, 0);
    struct ledger ledger = {7, false};
    char text[4096];

    options.count = sheets;
    CHECK_EQ(thrum_explore(&options, use_sheets, &ledger, NULL), 0);
    ledger.loses = true;
    CHECK_EQ(explore_aloud(&options, use_sheets, &ledger, text, sizeof text), THRUM_ELEFT);
    CHECK(strstr(text, "the program counts 1 more") != NULL);
}

/* ---- descriptors ------------------------------------------------------------------------------ */

static int use_descriptor(void *arg)
{
    static int last = -1;

    if (last >= 0)
        CHECK_EQ(close(last), 0);
    last = -1;
    if (!*(bool *)arg) {
        int fd = open("/dev/null", O_RDONLY);

        CHECK_LE(0, fd);
        CHECK_EQ(close(fd), 0);
        return 0;
    }
    last = open("/dev/null", O_RDONLY);
    CHECK_LE(0, last);
    last = fcntl(last, F_DUPFD, 300 + last % 2);
    return 0;
}

TEST(descriptors_if_that_is_asked_for)
{
    thrum_explore_options options = looking(THRUM_STRATEGY_DEFAULT, THRUM_EXPLORE_QUIET);
    char text[4096];
    bool leave = false;

    options.flags |= THRUM_EXPLORE_FDS;
    CHECK_EQ(thrum_explore(&options, use_descriptor, &leave, NULL), 0);
    leave = true;
    options.flags = THRUM_EXPLORE_FDS;
    CHECK_EQ(explore_aloud(&options, use_descriptor, &leave, text, sizeof text), THRUM_ELEFT);
    CHECK(strstr(text, ", and descriptor 30") != NULL);
    leave = false;
    CHECK_EQ(thrum_explore(&options, use_descriptor, &leave, NULL), 0);
}

/* ---- tasks ------------------------------------------------------------------------------------ */

static int rest(void *arg)
{
    (void)arg;
    return thrum_sleep(thrum_s(1000));
}

static int submit(void *arg)
{
    return *(bool *)arg ? thrum_post(thrum_runtime_self(), rest, NULL) : 0;
}

TEST(a_task_that_was_submitted_and_has_not_ended)
{
    thrum_explore_options options = looking(THRUM_STRATEGY_SYSTEMATIC, THRUM_EXPLORE_QUIET);
    bool leave = true;

    options.flags |= THRUM_EXPLORE_ISOLATE;
    CHECK_EQ(thrum_explore(&options, submit, &leave, NULL), THRUM_ELEFT);
    leave = false;
    CHECK_EQ(thrum_explore(&options, submit, &leave, NULL), 0);
}
