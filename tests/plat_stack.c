/*
 * plat_stack.c - stacks have guards, whoever runs into one is named, and what
 * fails leaves nothing half made.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "runtime/atomic/verbs.h"
#include "runtime/plat/context.h"
#include "runtime/plat/overflow.h"
#include "runtime/plat/stack.h"

#define STACK_BYTES ((size_t)64 << 10)

static uint64_t count_lines(const char *path)
{
    FILE *file = fopen(path, "r");
    uint64_t lines = 0;
    int byte;

    CHECK(file != NULL);
    while ((byte = getc(file)) != EOF)
        lines += byte == '\n';
    fclose(file);
    return lines;
}

/* Does the kernel refuse to read this byte for us? */
static bool guarded(const char *at)
{
    int ends[2];
    bool refused;

    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    refused = write(ends[1], at, 1) == -1 && errno == EFAULT;
    close(ends[0]);
    close(ends[1]);
    return refused;
}

static void check_stacks(int count)
{
    struct stack_arena arena;
    struct stack stack;
    uint32_t number;
    size_t bytes;

    thrum_stack_arena_init(&arena, STACK_BYTES);
    for (int i = 0; i < count; i++) {
        char *low;
        char *top;

        CHECK_EQ(thrum_stack_new(&arena, &stack, &number), 0);
        CHECK_EQ(number, i);
        low = stack.low;
        top = stack.top;
        CHECK_EQ(top - low, STACK_BYTES);
        CHECK_EQ((uintptr_t)low % 4096, 0);
        memset(low, 'x', STACK_BYTES);
        CHECK(guarded(low - 1));
        CHECK(guarded(low - STACK_GUARD_BYTES));
        CHECK(!guarded(low));
        CHECK(thrum_stack_guard_at(low - 1, &bytes));
        CHECK_EQ(bytes, STACK_BYTES);
        CHECK(thrum_stack_guard_at(low - STACK_GUARD_BYTES, &bytes));
        CHECK(!thrum_stack_guard_at(low, &bytes));
        CHECK(!thrum_stack_guard_at(top - 1, &bytes));
    }
    thrum_stack_arena_fini(&arena);
    CHECK(!thrum_stack_guard_at((char *)stack.low - 1, &bytes));
}

static void use_mprotect(void)
{
    CHECK_EQ(setenv("THRUM_STACK_GUARD", "mprotect", 1), 0);
    CHECK_EQ(thrum_stack_guard_kind(), STACK_GUARD_MPROTECT);
}

TEST(every_stack_has_a_guard)
{
    check_stacks(600);
}

TEST(every_stack_has_a_guard_made_by_mprotect)
{
    use_mprotect();
    check_stacks(600);
}

TEST(a_guard_survives_trimming)
{
    struct stack_arena arena;
    struct stack stack;
    uint32_t number;
    char *low;

    thrum_stack_arena_init(&arena, STACK_BYTES);
    CHECK_EQ(thrum_stack_new(&arena, &stack, &number), 0);
    low = stack.low;
    memset(low, 'x', STACK_BYTES);
    thrum_stack_trim(low, low + STACK_BYTES - 100);
    CHECK_EQ(low[0], 0);
    CHECK_EQ(low[STACK_BYTES / 2], 0);
    CHECK_EQ(low[STACK_BYTES - 101], 'x'); /* shares its page with what is kept */
    CHECK_EQ(low[STACK_BYTES - 1], 'x');
    CHECK(guarded(low - 1));
    thrum_stack_trim(low + 1, low + 2); /* no whole page */
    thrum_stack_arena_fini(&arena);
}

TEST(many_stacks_take_few_mappings)
{
    enum { STACKS = 100000 };
    uint64_t few = SANITIZER_WATCHES ? STACKS / 64 : 16; /* a sanitizer's shadow has its own */
    uint64_t before = count_lines("/proc/self/maps");
    struct stack_arena arena;
    struct stack stack;
    uint32_t number;

    if (thrum_stack_guard_kind() != STACK_GUARD_MADVISE)
        SKIP("this kernel has no guards without mappings");
    thrum_stack_arena_init(&arena, STACK_BYTES);
    for (int i = 0; i < STACKS; i++)
        CHECK_EQ(thrum_stack_new(&arena, &stack, &number), 0);
    CHECK_LE(count_lines("/proc/self/maps"), before + few);
    thrum_stack_arena_fini(&arena);
    CHECK_LE(count_lines("/proc/self/maps"), before + few);
}

TEST(the_limit_of_mappings_is_an_ordinary_error)
{
    struct stack_arena arena;
    struct stack stack;
    uint32_t number;
    uint64_t made = 0;
    int err;

    if (sanitizer_valgrind_runs())
        SKIP("valgrind cannot follow so many mappings");
    use_mprotect();
    thrum_stack_arena_init(&arena, 4096);
    while (!(err = thrum_stack_new(&arena, &stack, &number)))
        made++;
    CHECK_EQ(err, -ENOMEM);
    CHECK_EQ(thrum_stack_new(&arena, &stack, &number), -ENOMEM);
    CHECK_LT(100, made);
    for (int i = 0; i < 1000; i++) { /* others still get their mappings */
        void *other = mmap(NULL, 4096, i % 2 ? PROT_READ : PROT_NONE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(other != MAP_FAILED);
    }
    thrum_stack_arena_fini(&arena);
    thrum_stack_arena_init(&arena, 4096);
    CHECK_EQ(thrum_stack_new(&arena, &stack, &number), 0);
    thrum_stack_arena_fini(&arena);
}

static void fail_at_every_step(void)
{
    struct stack_arena arena;
    struct stack stack = {NULL, NULL};
    uint32_t number;
    uint32_t step;

    thrum_stack_guard_kind();
    for (step = 1; step < 100; step++) {
        thrum_stack_arena_init(&arena, STACK_BYTES);
        store_relaxed(&thrum_stack_fail_after, step); /* relaxed: one thread */
        if (!thrum_stack_new(&arena, &stack, &number))
            break;
        CHECK(stack.low == NULL);
        CHECK_EQ(load_relaxed(&thrum_stack_fail_after), 0); /* relaxed: one thread */
        CHECK_EQ(thrum_stack_new(&arena, &stack, &number), 0);
        CHECK_EQ(number, 0);
        CHECK(guarded((char *)stack.low - 1));
        stack.low = NULL;
        thrum_stack_arena_fini(&arena);
    }
    store_relaxed(&thrum_stack_fail_after, 0); /* relaxed: one thread */
    thrum_stack_arena_fini(&arena);
    CHECK_EQ(step, 4);
}

TEST(a_failure_at_any_step_can_be_tried_again)
{
    fail_at_every_step();
}

TEST(a_failure_at_any_step_can_be_tried_again_with_mprotect)
{
    use_mprotect();
    fail_at_every_step();
}

TEST(a_size_that_cannot_be_is_refused)
{
    struct stack_arena arena;
    struct stack stack;
    uint32_t number;

    thrum_stack_arena_init(&arena, (size_t)1 << 62);
    CHECK_EQ(thrum_stack_new(&arena, &stack, &number), -ENOMEM);
    thrum_stack_arena_fini(&arena);
    thrum_stack_arena_init(&arena, (size_t)1 << 46);
    CHECK_EQ(thrum_stack_new(&arena, &stack, &number), -ENOMEM);
    thrum_stack_arena_fini(&arena);
}

TEST(locked_memory_still_gets_guards)
{
    struct stack_arena arena;
    struct stack stack;
    uint32_t number;

    thrum_stack_guard_kind();
    if (mlockall(MCL_FUTURE) != 0)
        SKIP("memory cannot be locked here");
    thrum_stack_arena_init(&arena, 4096);
    if (thrum_stack_new(&arena, &stack, &number)) {
        munlockall();
        SKIP("too little memory can be locked here");
    }
    CHECK(guarded((char *)stack.low - 1));
    thrum_stack_arena_fini(&arena);
}

/* Overflows. */

static const char *name_of_task(void)
{
    return "digger";
}

__attribute__((noinline)) static int dig(volatile char *above, size_t frame)
{
    volatile char here[512];

    here[0] = above[0];
    if (frame == 0)
        return here[0];
    return dig(here, frame - 1) + here[0];
}

static void dig_for_ever(void *arg)
{
    volatile char first = 'x';

    (void)arg;
    dig(&first, SIZE_MAX);
    abort();
}

/* One frame that reaches far below the stack's end, touched at its far end. */
static void big_frame(void *arg)
{
    volatile size_t bytes = STACK_BYTES + 4096; /* or the compiler makes less do */
    volatile char *far = __builtin_alloca(bytes);

    (void)arg;
    far[0] = 'x';
    abort();
}

static struct context *go_on(void *arg)
{
    return arg;
}

static void run_on_a_stack(context_entry *entry)
{
    struct stack_arena arena;
    struct stack loop_stack;
    struct stack stack;
    struct context thread;
    struct context loop;
    struct context flow;
    uint32_t number;

    CHECK_EQ(thrum_overflow_install(), 0);
    CHECK_EQ(thrum_overflow_thread_init(), 0);
    thrum_stack_arena_init(&arena, STACK_BYTES);
    CHECK_EQ(thrum_stack_new(&arena, &loop_stack, &number), 0);
    CHECK_EQ(thrum_stack_new(&arena, &stack, &number), 0);
    thrum_context_loop(&loop, loop_stack.low, loop_stack.top);
    thrum_context_init(&flow, stack.low, stack.top, entry, NULL, NULL);
    thrum_context_leave(&thread, &loop, go_on, &flow);
}

TEST(an_overflow_names_the_task)
{
    thrum_overflow_set_namer(name_of_task);
    CHECK_DEATH(run_on_a_stack(dig_for_ever),
                "thrum: stack overflow in task 'digger': its stack of 64 KiB is used up; give it "
                "a larger stack (thrum_options.stack_bytes) or use less of it\n");
}

TEST(an_overflow_without_a_namer_says_so)
{
    CHECK_DEATH(run_on_a_stack(dig_for_ever), "thrum: stack overflow in task '(unnamed)'");
}

TEST(an_overflow_meets_a_guard_made_by_mprotect)
{
    use_mprotect();
    CHECK_DEATH(run_on_a_stack(dig_for_ever), "thrum: stack overflow in task");
}

TEST(a_big_frame_meets_the_guard)
{
    CHECK_DEATH(run_on_a_stack(big_frame), "thrum: stack overflow in task");
}

static void exit_with_a_word(int signal)
{
    static const char word[] = "earlier handler\n";
    ssize_t ignored = write(STDERR_FILENO, word, sizeof(word) - 1);

    (void)ignored;
    _exit(signal == SIGSEGV ? 3 : 4);
}

static void fault_elsewhere(void)
{
    char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK_EQ(thrum_overflow_install(), 0);
    CHECK_EQ(thrum_overflow_thread_init(), 0);
    *(volatile char *)page = 'x';
}

static void fault_with_an_earlier_handler(void)
{
    signal(SIGSEGV, exit_with_a_word);
    fault_elsewhere();
}

static void fault_ignored(void)
{
    signal(SIGSEGV, SIG_IGN);
    fault_elsewhere();
}

static void fault_by_default(void)
{
    signal(SIGSEGV, SIG_DFL);
    fault_elsewhere();
}

static void sent_by_default(void)
{
    signal(SIGSEGV, SIG_DFL);
    CHECK_EQ(thrum_overflow_install(), 0);
    raise(SIGSEGV);
}

TEST(other_faults_go_to_who_had_them_before)
{
    CHECK_DEATH(fault_with_an_earlier_handler(), "earlier handler\n");
    CHECK_DEATH(fault_by_default(), "");
    CHECK_DEATH(fault_ignored(), "");
    CHECK_DEATH(sent_by_default(), "");
}

TEST(a_sent_signal_that_was_ignored_stays_ignored)
{
    signal(SIGSEGV, SIG_IGN);
    CHECK_EQ(thrum_overflow_install(), 0);
    raise(SIGSEGV);
}

TEST(the_earlier_alternate_stack_comes_back)
{
    static char mine[1 << 16];
    stack_t stack = {.ss_sp = mine, .ss_size = sizeof(mine)};
    stack_t before;
    stack_t now;

    CHECK_EQ(sigaltstack(&stack, &before), 0);
    CHECK_EQ(thrum_overflow_thread_init(), 0);
    CHECK_EQ(thrum_overflow_thread_init(), 0);
    CHECK_EQ(sigaltstack(NULL, &now), 0);
    CHECK(now.ss_sp != mine);
    CHECK_LE(65536, now.ss_size);
    CHECK(guarded((char *)now.ss_sp - 1));
    thrum_overflow_thread_fini();
    thrum_overflow_thread_fini();
    CHECK_EQ(sigaltstack(NULL, &now), 0);
    CHECK(now.ss_sp == mine);
    CHECK_EQ(sigaltstack(&before, NULL), 0);
}
