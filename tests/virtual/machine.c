/*
 * machine.c - whose turn it is among virtual threads.
 *
 * Who is asked at a point goes on for some more of them, its credit. How long, and who is next, is
 * the strategy's:
 *
 *   random   anybody, after some few points
 *   pct      the one of highest priority; at a few points the one that runs is put below all
 *            others (Burckhardt et al., ASPLOS 2010), and so is who waits in a loop
 *   stall    random, but now and then one is stopped for long, as a kernel stops threads
 *
 * A thread's own variables (`__thread`) are copied in and out at each switch.
 */
#define _GNU_SOURCE
#include "virtual/machine.h"

#include <link.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/plat/context.h"

#define THREADS 64
#define STACK_BYTES ((size_t)64 << 10)
#define LOCALS_BYTES 1024
#define BEGIN_NS 1000000000
#define POINTS_MOST 3000000 /* in a schedule */
#define PCT_DEPTH 6
#define PCT_PATIENCE 10000 /* points after which who runs has to let others go first */
#define FOREVER (INT64_MAX / 2)

enum strategy { RANDOM, PCT, STALL, STRATEGIES };
static const char *const strategies[] = {"random", "pct", "stall"};

enum state { NONE, RUNS, SLEEPS, ENDED };

struct thread {
    struct context flow;
    enum state state;
    const void *on;    /* sleeps there, */
    const char *what;  /* which is that, */
    int64_t until;     /* at most until then */
    bool late;         /* it was */
    uint64_t came;     /* orders those who sleep */
    uint64_t priority; /* pct: the highest goes on */
    uint64_t stalled;  /* stall: until so many points have passed */
    const char *site;  /* where it was last seen */
    const char *name;
    void *(*fn)(void *arg);
    void *arg;
    char locals[LOCALS_BYTES];
};

static struct machine {
    struct thread threads[THREADS];
    unsigned count;
    struct thread *running, *next;
    uint64_t seed, random, hash;
    enum strategy strategy;
    uint64_t every;             /* points between two choices, on average */
    uint64_t change[PCT_DEPTH]; /* pct: at which points */
    uint64_t low;               /* pct: the next priority below all others */
    int64_t now, step_ns;
    uint64_t points, switches, sleeps;
    uint64_t since; /* the running thread runs since that point */
    int64_t credit; /* as it was given */
    unsigned pauses;
    const char *name;
    bool trace, runs;
    char *locals; /* the running thread's own variables, */
    size_t locals_bytes;
    char locals_first[LOCALS_BYTES]; /* and what they begin with */
    struct context loop;
    char *loop_stack;
    char *stacks[THREADS];
} machine;

int64_t machine_credit = FOREVER;
void (*machine_all_sleep)(void);

/* ---- chance ---------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t word)
{
    word = (word ^ word >> 30) * UINT64_C(0xbf58476d1ce4e5b9); /* splitmix64's finaliser */
    word = (word ^ word >> 27) * UINT64_C(0x94d049bb133111eb);
    return word ^ word >> 31;
}

uint64_t machine_below(uint64_t n)
{
    return mix(machine.random += UINT64_C(0x9e3779b97f4a7c15)) % n;
}

uint64_t machine_points(void)
{
    return machine.points;
}

uint64_t machine_switches(void)
{
    return machine.switches;
}

/* ---- failing --------------------------------------------------------------------------------- */

static void show(const struct thread *thread)
{
    static const char *const states[] = {"none", "runs", "sleeps", "has ended"};

    fprintf(stderr, "  %2d %-14s %s", (int)(thread - machine.threads), thread->name,
            states[thread->state]);
    if (thread->state == SLEEPS)
        fprintf(stderr, " on %s %p", thread->what, thread->on);
    if (thread->state == SLEEPS && thread->until != MACHINE_NEVER)
        fprintf(stderr, " for %lld ns", (long long)(thread->until - machine.now));
    fprintf(stderr, ", at %s\n", thread->site ? thread->site : "its beginning");
}

void machine_fail(const char *format, ...)
{
    va_list arguments;

    machine_credit = FOREVER;
    fprintf(stderr, "seed %llu (%s, %s, point %llu): ", (unsigned long long)machine.seed,
            machine.name, strategies[machine.strategy], (unsigned long long)machine.points);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    for (unsigned i = 0; i < machine.count; i++)
        show(&machine.threads[i]);
    fflush(NULL);
    _Exit(1);
}

/* ---- who is next ------------------------------------------------------------------------------ */

static bool may_run(const struct thread *thread)
{
    return thread->state == RUNS || (thread->state == SLEEPS && thread->until <= machine.now);
}

static bool is_stalled(const struct thread *thread)
{
    return thread->stalled > machine.points;
}

/* Those who may run, the stalled ones only if there is nobody else. */
static unsigned all_who_may(struct thread *who[THREADS], const struct thread *but)
{
    unsigned n = 0, any = 0;

    for (unsigned i = 0; i < machine.count; i++)
        any += may_run(&machine.threads[i]) && &machine.threads[i] != but &&
               !is_stalled(&machine.threads[i]);
    for (unsigned i = 0; i < machine.count; i++)
        if (may_run(&machine.threads[i]) && &machine.threads[i] != but &&
            (!any || !is_stalled(&machine.threads[i])))
            who[n++] = &machine.threads[i];
    return n;
}

/* Nobody may run: the first who waits for a time has waited. */
static void let_time_pass(void)
{
    int64_t first = MACHINE_NEVER, credit = machine_credit;

    machine_credit = FOREVER;
    if (machine_all_sleep)
        machine_all_sleep();
    machine_credit = credit;
    for (unsigned i = 0; i < machine.count; i++)
        if (machine.threads[i].state == SLEEPS && machine.threads[i].until < first)
            first = machine.threads[i].until;
    if (first == MACHINE_NEVER)
        machine_fail("all sleep, and nothing can wake anybody");
    machine.now = first;
    if (++machine.sleeps > 10000)
        machine_fail("all have slept 10000 times, and nothing has come of it");
}

static struct thread *highest(struct thread *who[THREADS], unsigned n)
{
    struct thread *best = who[0];

    for (unsigned i = 1; i < n; i++)
        if (who[i]->priority > best->priority)
            best = who[i];
    return best;
}

/* The running thread's turn is over: by its credit, or because it waits for others. */
static struct thread *choose(bool yields)
{
    struct thread *who[THREADS];
    struct thread *self = machine.running;
    unsigned n;

    if (machine.strategy == PCT && yields)
        self->priority = --machine.low;
    if (machine.strategy == STALL && !yields && machine_below(16) == 0)
        self->stalled = machine.points + machine_below(4000);
    n = all_who_may(who, yields && machine.strategy != PCT ? self : NULL);
    if (n == 0 && may_run(self))
        return self;
    while (n == 0) {
        let_time_pass();
        n = all_who_may(who, NULL);
    }
    return machine.strategy == PCT ? highest(who, n) : who[machine_below(n)];
}

/* How many points the chosen one may pass. */
static int64_t credit(void)
{
    uint64_t least = FOREVER;

    if (machine.strategy != PCT)
        return (int64_t)(1 + machine_below(2 * machine.every));
    for (unsigned i = 0; i < PCT_DEPTH; i++)
        if (machine.change[i] > machine.points && machine.change[i] - machine.points < least)
            least = machine.change[i] - machine.points;
    return (int64_t)(least < 4096 ? least : 4096);
}

/* ---- switching -------------------------------------------------------------------------------- */

/* On the machine's own stack: the one has left its own. */
static struct context *swap(void *arg)
{
    (void)arg;
    memcpy(machine.running->locals, machine.locals, machine.locals_bytes);
    machine.running = machine.next;
    memcpy(machine.locals, machine.running->locals, machine.locals_bytes);
    return &machine.running->flow;
}

static void count_points(void)
{
    machine.points += (uint64_t)(machine.credit - machine_credit);
    machine.credit = machine_credit;
    if (machine.points > POINTS_MOST)
        machine_fail("it does not end");
}

/* Unbuffered streams take more stack than some have. */
static void tell_switch(const struct thread *from, const struct thread *to, const char *site)
{
    static char line[256];
    int length =
        snprintf(line, sizeof line, "%8llu %12lld ns  %2d -> %2d %-14s at %s\n",
                 (unsigned long long)machine.points, (long long)machine.now,
                 (int)(from - machine.threads), (int)(to - machine.threads), to->name, site);

    if (write(STDERR_FILENO, line, (size_t)length) < 0)
        abort();
}

static void go_on(struct thread *thread, const char *site)
{
    struct thread *self = machine.running;

    self->site = site;
    machine.credit = machine_credit = credit();
    machine.hash = mix(machine.hash ^ machine.points ^ (uint64_t)(thread - machine.threads) << 56);
    thread->late = thread->state == SLEEPS;
    if (thread->state == SLEEPS)
        thread->state = RUNS;
    if (thread == self)
        return;
    machine.switches++;
    machine.since = machine.points;
    if (machine.trace)
        tell_switch(self, thread, site);
    machine.next = thread;
    thrum_context_leave(&self->flow, &machine.loop, swap, NULL);
}

void machine_preempt(const char *site)
{
    if (!machine.runs) {
        machine_credit = FOREVER;
        return;
    }
    count_points();
    for (unsigned i = 0; machine.strategy == PCT && i < PCT_DEPTH; i++)
        if (machine.change[i] == machine.points)
            machine.running->priority = --machine.low;
    if (machine.strategy == PCT && machine.points - machine.since > PCT_PATIENCE)
        machine.running->priority = --machine.low;
    go_on(choose(false), site);
}

static void yield(const char *site)
{
    machine_credit--; /* or who is stalled might be so for ever */
    count_points();
    go_on(choose(true), site);
}

void machine_pause(const char *site)
{
    if (machine.runs && ++machine.pauses % 32 == 0)
        yield(site);
}

/* ---- sleeping --------------------------------------------------------------------------------- */

int64_t machine_now(const char *site)
{
    machine_point(site);
    return machine.now += machine.step_ns;
}

bool machine_sleep(const void *on, const char *what, int64_t timeout_ns)
{
    struct thread *self = machine.running;

    count_points();
    self->on = on;
    self->what = what;
    self->until = timeout_ns < 0 || timeout_ns > MACHINE_NEVER - machine.now
                      ? MACHINE_NEVER
                      : machine.now + timeout_ns;
    self->came = machine.points;
    self->state = SLEEPS;
    go_on(choose(true), self->site);
    return !self->late;
}

void machine_wake(const void *on, int n)
{
    for (; n > 0; n--) {
        struct thread *who[THREADS];
        unsigned count = 0;

        for (unsigned i = 0; i < machine.count; i++)
            if (machine.threads[i].state == SLEEPS && machine.threads[i].on == on)
                who[count++] = &machine.threads[i];
        if (count == 0)
            return;
        who[machine_below(count)]->state = RUNS;
        machine.sleeps = 0;
    }
}

/* ---- threads ---------------------------------------------------------------------------------- */

static void thread_main(void *arg)
{
    struct thread *self = arg;

    self->fn(self->arg);
    self->state = ENDED;
    machine_wake(self, THREADS);
    yield("its end");
    abort();
}

unsigned machine_thread(void *(*fn)(void *), void *arg, const char *name)
{
    unsigned number = machine.count++;
    struct thread *thread = &machine.threads[number];

    if (number == THREADS)
        machine_fail("too many threads");
    if (!machine.stacks[number])
        machine.stacks[number] = aligned_alloc(4096, STACK_BYTES);
    *thread = (struct thread){.state = RUNS, .name = name, .fn = fn, .arg = arg};
    thread->priority = machine_below(UINT64_C(1) << 62) | UINT64_C(1) << 62;
    memcpy(thread->locals, machine.locals_first, machine.locals_bytes);
    thrum_context_init(&thread->flow, machine.stacks[number], machine.stacks[number] + STACK_BYTES,
                       thread_main, thread, NULL);
    machine_point("a new thread");
    return number;
}

void machine_join(unsigned number)
{
    struct thread *thread = &machine.threads[number];

    while (thread->state != ENDED)
        (void)machine_sleep(thread, "the end of thread", -1);
}

/* ---- schedules -------------------------------------------------------------------------------- */

/* The variables of the program itself, whose sources are linked into it. */
static int find_locals(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size, (void)arg;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_TLS) {
            machine.locals = info->dlpi_tls_data;
            machine.locals_bytes = info->dlpi_phdr[i].p_memsz;
        }
    return 1; /* the first is the program */
}

/* On a stack of its own: whose it came on may be full. */
static void on_signal(int number)
{
    machine_fail("signal %d", number);
}

static void catch_signals(void)
{
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)(SA_ONSTACK | SA_RESETHAND)};
    stack_t stack = {.ss_sp = aligned_alloc(4096, STACK_BYTES), .ss_size = STACK_BYTES};

    sigaltstack(&stack, NULL);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sigaction(numbers[i], &action, NULL);
}

static void prepare(void)
{
    if (machine.locals)
        return;
    catch_signals();
    dl_iterate_phdr(find_locals, NULL);
    if (!machine.locals || machine.locals_bytes > LOCALS_BYTES)
        machine_fail("the threads' own variables were not found, or have no room");
    memcpy(machine.locals_first, machine.locals, machine.locals_bytes);
    machine.loop_stack = aligned_alloc(4096, STACK_BYTES);
    thrum_context_loop(&machine.loop, machine.loop_stack, machine.loop_stack + STACK_BYTES);
}

void machine_begin(uint64_t seed, const char *name, bool trace)
{
    static const uint64_t every[] = {2, 8, 32, 128};
    static const int64_t steps_ns[] = {400, 2000, 8000, 30000};

    prepare();
    machine.seed = seed;
    machine.random = mix(seed);
    machine.hash = 0;
    machine.name = name;
    machine.trace = trace;
    machine.strategy = (enum strategy)machine_below(STRATEGIES);
    machine.every = every[machine_below(4)];
    machine.step_ns = steps_ns[machine_below(4)];
    machine.now = BEGIN_NS;
    machine.points = machine.switches = machine.sleeps = machine.since = 0;
    machine.pauses = 0;
    machine.low = UINT64_C(1) << 62;
    for (unsigned i = 0; i < PCT_DEPTH; i++)
        machine.change[i] = 1 + machine_below(UINT64_C(256) << machine_below(6));
    machine.count = 1;
    machine.threads[0] = (struct thread){.state = RUNS, .name = "first"};
    machine.threads[0].priority = UINT64_C(1) << 62;
    machine.running = &machine.threads[0];
    machine.runs = true;
    machine.credit = machine_credit = credit();
}

uint64_t machine_end(void)
{
    count_points();
    machine.runs = false;
    machine_credit = FOREVER;
    for (unsigned i = 1; i < machine.count; i++)
        if (machine.threads[i].state != ENDED)
            machine_fail("thread %u was not joined", i);
    return mix(machine.hash ^ machine.points);
}
