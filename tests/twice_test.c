/*
 * twice_test.c - a program that depends on more than the order of its tasks is found when each run
 * is made twice, and it is said where the two part.
 *
 * Each has a twin that does not, and is not suspected.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <thrum/thrum.h>

#include "tests/check.h"
#include "tests/workers.h"

#if defined(__SANITIZE_ADDRESS__)
#define HEAP_IS_WATCHED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HEAP_IS_WATCHED true
#endif
#endif
#ifndef HEAP_IS_WATCHED
#define HEAP_IS_WATCHED false /* by a tool, which fills it, and gives blocks again much later */
#endif

enum { RUNS = 50 };

struct table {
    thrum_mutex first, second;
    int n;
};

/* Functions of their own, or compilers put the two calls into one. */
__attribute__((noinline)) static int visit_first(struct table *table)
{
    int status;

    status = thrum_mutex_lock(&table->first);
    if (status == 0)
        thrum_mutex_unlock(&table->first);
    return status;
}

enum { FIRST_LINE = __LINE__ - 6 };

__attribute__((noinline)) static int visit_second(struct table *table)
{
    int status;

    table->n++;
    status = thrum_mutex_lock(&table->second);
    if (status == 0)
        thrum_mutex_unlock(&table->second);
    return status;
}

enum { SECOND_LINE = __LINE__ - 6 };

/* Bit by bit, as a hash table's buckets are chosen. */
static bool is_odd(uint64_t word)
{
    return __builtin_popcountll(word & 0xfffff0) & 1;
}

/* What a task does may depend on `odd`. */
static int go(struct table *table, bool odd)
{
    int status = visit_first(table);

    if (status)
        return status;
    return odd ? visit_first(table) : visit_second(table);
}

static int together(thrum_fn fn)
{
    struct table table = {.n = 0};
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    for (int i = 0; i < 3 && !status; i++)
        status = thrum_group_spawn(&group, fn, &table, NULL, NULL);
    return thrum_group_close(&group, status, NULL);
}

/* ---- what they depend on -------------------------------------------------------------------- */

static int by_nothing(void *arg)
{
    char *block = malloc(100);
    int here = 0, status = go(arg, false);

    (void)here;
    free(block);
    return status;
}

static int by_stack_address(void *arg)
{
    char here;

    return go(arg, is_odd((uintptr_t)&here));
}

static int by_heap_address(void *arg)
{
    char *block = malloc(100);
    int status = go(arg, is_odd((uintptr_t)block));

    free(block);
    return status;
}

static int by_order_of_addresses(void *arg)
{
    char *one = malloc(40), *two = malloc(40);
    int status = go(arg, (uintptr_t)one < (uintptr_t)two);

    free(one);
    free(two);
    return status;
}

/* From the compiler, who would know that nobody has written there. */
static void *hidden(void *memory)
{
    __asm__ volatile("" : "+r"(memory) : : "memory");
    return memory;
}

static int by_heap_contents(void *arg)
{
    unsigned char *block = hidden(malloc(200));
    int status = go(arg, block && block[100] & 1);

    free(block);
    return status;
}

static int by_lent_contents(void *arg)
{
    unsigned char *block = hidden(thrum_malloc(200));
    int status = go(arg, block && block[100] & 1);

    thrum_free(block);
    return status;
}

__attribute__((noinline)) static bool stack_is_odd(void)
{
    unsigned char frame[1024], *bytes = hidden(frame);

    return bytes[64] & 1;
}

static int by_stack_contents(void *arg)
{
    return go(arg, stack_is_odd());
}

static int by_time(void *arg)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return go(arg, is_odd((uint64_t)now.tv_nsec * 16));
}

static int by_process(void *arg)
{
    return go(arg, is_odd((uint64_t)getpid() * 16));
}

static int by_environment(void *arg)
{
    size_t count = 0;

    while (environ[count])
        count++;
    return go(arg, count & 1);
}

static int by_order_of_environment(void *arg)
{
    return go(arg, strncmp(environ[0], "THRUM_TEST_FIRST=", 17) == 0);
}

/* A value, wherever it stands, is the same. */
static int by_variable(void *arg)
{
    const char *value = getenv("THRUM_TEST_FIRST");

    return go(arg, value && *value == '1');
}

static int by_what_was(void *arg)
{
    static unsigned calls;

    return go(arg, ++calls % 4 == 0);
}

static int by_number(void *arg)
{
    struct table *table = arg;
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    (void)thrum_choose(2 + (size_t)(now.tv_nsec % 64));
    return go(table, false);
}

/* ---- */

#define PROGRAM(name)                \
    static int run_##name(void *arg) \
    {                                \
        (void)arg;                   \
        return together(name);       \
    }

PROGRAM(by_nothing)
PROGRAM(by_stack_address)
PROGRAM(by_heap_address)
PROGRAM(by_order_of_addresses)
PROGRAM(by_heap_contents)
PROGRAM(by_lent_contents)
PROGRAM(by_stack_contents)
PROGRAM(by_time)
PROGRAM(by_process)
PROGRAM(by_environment)
PROGRAM(by_order_of_environment)
PROGRAM(by_variable)
PROGRAM(by_what_was)
PROGRAM(by_number)

static thrum_explore_result explored(thrum_fn fn, uint32_t flags, int expected)
{
    thrum_explore_options options = THRUM_EXPLORE_OPTIONS_INIT;
    thrum_explore_result result;
    int status;

    options.flags = THRUM_EXPLORE_QUIET | THRUM_EXPLORE_TWICE | flags;
    options.schedules = RUNS;
    status = thrum_explore(&options, fn, NULL, &result);
    fprintf(stderr, "%s\n", result.divergence);
    CHECK_EQ(status, expected);
    return result;
}

static bool names(const char *text, int line)
{
    char name[32];

    snprintf(name, sizeof name, "twice_test.c:%d", line);
    return strstr(text, name) != NULL;
}

/* Where they part a task visits the one or the other. Not each build has lines. */
static void parts(thrum_fn fn, uint32_t flags)
{
    thrum_explore_result result = explored(fn, flags, THRUM_EDIVERGED);
    const char *second = strstr(result.divergence, "; then task ");
    const char *where = strchr(result.divergence, '(');

    CHECK(strncmp(result.divergence, "at step ", 8) == 0);
    CHECK(strstr(result.divergence, ", decision ") != NULL);
    CHECK(strstr(result.divergence, ": task ") != NULL);
    CHECK(second != NULL);
    CHECK(strstr(second, " wants object ") != NULL);
    CHECK(where != NULL);
    CHECK(strchr(second, '(') != NULL);
    if (!strstr(where, "twice_test.c:"))
        return;
    CHECK(names(result.divergence, FIRST_LINE) && names(result.divergence, SECOND_LINE));
    CHECK(names(second, FIRST_LINE) != names(second, SECOND_LINE));
}

TEST(what_depends_on_its_order_alone_is_the_same_twice)
{
    static const uint32_t flags[] = {0, THRUM_EXPLORE_CANCEL, THRUM_EXPLORE_TIMERS};

    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        thrum_explore_result result = explored(run_by_nothing, flags[i], 0);

        CHECK_EQ(result.schedules, RUNS);
        CHECK_STR_EQ(result.divergence, "");
    }
    if (!WORKERS_SLOW) /* TSan sleeps for a second in every child that ends */
        explored(run_by_nothing, THRUM_EXPLORE_ISOLATE, 0);
}

TEST(addresses)
{
    parts(run_by_stack_address, 0);
    parts(run_by_heap_address, 0);
    if (!HEAP_IS_WATCHED)
        parts(run_by_order_of_addresses, 0);
}

TEST(memory_that_nobody_has_written)
{
    parts(run_by_lent_contents, 0);
    parts(run_by_stack_contents, 0);
    if (!HEAP_IS_WATCHED)
        parts(run_by_heap_contents, 0);
}

TEST(real_time)
{
    parts(run_by_time, 0);
}

TEST(the_number_of_a_process)
{
    explored(run_by_process, 0, 0); /* it is one */
    if (!WORKERS_SLOW)              /* see above */
        parts(run_by_process, THRUM_EXPLORE_ISOLATE);
}

TEST(the_environment)
{
    CHECK_EQ(setenv("THRUM_TEST_FIRST", "1", 1), 0);
    parts(run_by_environment, 0);
    explored(run_by_variable, 0, 0);
    environ = (char *[]){(char[]){"THRUM_TEST_FIRST=1"}, (char[]){"B=2"}, NULL};
    parts(run_by_order_of_environment, 0);
    CHECK_STR_EQ(environ[0], "THRUM_TEST_FIRST=1");
}

TEST(what_an_earlier_run_has_left)
{
    parts(run_by_what_was, 0);
}

TEST(how_many_there_are_to_choose_from)
{
    thrum_explore_result result = explored(run_by_number, 0, THRUM_EDIVERGED);

    CHECK(strstr(result.divergence, "chooses one of ") != NULL);
}
