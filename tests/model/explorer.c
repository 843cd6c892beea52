/*
 * explorer.c - the search, the scheduler and the memory of the model checker.
 *
 * Search     Each execution runs the model from its start and takes decisions:
 *            who runs next, which store a load reads. The decisions stand in
 *            `path`; the next execution repeats all but the last one that has
 *            an alternative left. Nothing else differs between executions, so
 *            a failure can be printed and is found again.
 * Threads    Fibers on one OS thread. A thread keeps running until a decision
 *            taken at one of its own operations says otherwise.
 * Memory     Views, as in the operational models of C11 without load
 *            buffering. Each word has its stores in modification order, each
 *            with a stamp; a thread's view holds for each word the stamp of
 *            the newest store that it must not read behind. A release store
 *            carries the view of its thread, an acquire load joins it.
 * Private    An operation on a word that only one thread uses, or that nobody
 *            writes, is no scheduling point: it commutes with all others. Which
 *            words these are is learned: when one turns out to be shared, the
 *            search starts again with that knowledge.
 */
#include "model/explorer.h"

#include <thrum/detail/atomic.h>

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PLACES 160           /* words in use by one model */
#define MESSAGES 64          /* stores to one word in one execution */
#define SHADOWS 8192         /* plain variables; a power of two */
#define SLOTS 1024           /* of the hash table of places; a power of two */
#define DEPTH (1u << 20)     /* decisions in one execution */
#define EVENTS 2048          /* remembered steps; a power of two */
#define STACK_BYTES (64u << 10)
#define ARENA_BYTES (1u << 20)
#define LOADS 32             /* a thread's latest loads that are remembered */
#define GAP (1 << 16)        /* between the stamps of neighbouring stores */

/* First the vector clock, which orders plain accesses; then the words. */
struct view {
    int32_t at[MODEL_THREADS + PLACES];
};

struct message {
    uint64_t value;
    int32_t stamp;
    int8_t writer;
    bool rmw;     /* nothing may come between it and the one before */
    bool carries; /* `view` is not empty */
    int32_t clock[MODEL_THREADS]; /* of who stored it */
    struct view view;
};

struct place {
    const void *at;
    const char *name;
    uint64_t execution; /* the one that `count` and `mo` belong to */
    size_t size;
    int count;
    int8_t user;  /* the only thread seen here; learned */
    bool shared;  /* used by two threads; learned */
    bool written; /* learned */
    int32_t relied[MODEL_THREADS]; /* clocks of loads that no later store may be unordered to */
    struct message mo[MESSAGES];
};

struct shadow {
    const void *at;
    uint64_t execution;
    int32_t read[MODEL_THREADS];
    int32_t written;
    int8_t writer;
};

struct load {
    struct place *place;
    uint64_t value;
    int32_t stamp; /* of the store that was read */
    int32_t clock; /* of who read it */
};

enum state { READY, YIELDED, ON_FUTEX, ASLEEP, IN_BARRIER, DONE };

struct thread {
    void *sp;
    enum state state;
    const uint32_t *futex;
    bool (*ready)(void *arg);
    void *arg;
    uint8_t barriers; /* bit c: the fence that thread c's membarrier wants here */
    bool fenced;      /* `released` is not empty */
    struct view now;      /* what it must not read behind */
    struct view acquired; /* what a fence would add to `now` */
    struct view released; /* `now` at its last fence */
    struct load loads[LOADS];
    unsigned load_count;
};

struct event {
    const struct model_site *site;
    const struct place *place;
    const void *at;
    uint64_t value;
    uint64_t latest;
    int8_t thread;
    bool stale;
    bool failed;
};

struct decision {
    uint16_t pick;
    uint16_t of;
};

/* What outlives an execution. */
static struct place places[PLACES];
static int place_count;
static uint8_t slots[SLOTS]; /* place + 1 */
static struct shadow shadows[SHADOWS];
static struct decision path[DEPTH];
static unsigned path_length;
static bool learned;
static struct model_options options;
static const struct model *model;
static uint64_t execution;

/* One execution. */
static struct thread threads[MODEL_THREADS];
static int thread_count;
static int self = -1;
static struct view sc;
static unsigned depth;
static int preemptions_left;
static int interrupts_left; /* fences of membarriers between two steps of a thread's run */
static int stale_left;
static bool spurious_left;
static uint64_t steps;
static struct event events[EVENTS];
static uint64_t event_count;
static char why[160];
static bool failed;

static void *main_sp;
static jmp_buf main_out;
static unsigned char stacks[MODEL_THREADS][STACK_BYTES] __attribute__((aligned(64)));
static unsigned char arena[ARENA_BYTES] __attribute__((aligned(4096)));
static uint8_t arena_state[ARENA_BYTES / 16]; /* 0 unused, 1 live, 2 freed */
static uint32_t arena_bytes[ARENA_BYTES / 64]; /* of the block that begins here */
static size_t arena_used;

/* ---- switching ---------------------------------------------------------- */

#if defined(__x86_64__)

void model_switch(void **save, void *to);
__asm__(".text\n"
        ".globl model_switch\n"
        ".type model_switch, @function\n"
        "model_switch:\n"
        "    endbr64\n"
        "    popq %rdx\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    pushq %rdx\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %rdx\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    jmp *%rdx\n"
        ".size model_switch, . - model_switch\n");

static void *fiber_make(unsigned char *stack, void (*entry)(void))
{
    uint64_t *sp = (uint64_t *)(void *)(stack + STACK_BYTES) - 10;

    memset(sp, 0, 10 * sizeof(*sp));
    sp[0] = (uint64_t)(uintptr_t)entry; /* then six registers, then 8 mod 16 */
    return sp;
}

#elif defined(__aarch64__)

void model_switch(void **save, void *to);
__asm__(".text\n"
        ".globl model_switch\n"
        ".type model_switch, %function\n"
        "model_switch:\n"
        "    sub sp, sp, #160\n"
        "    stp x19, x20, [sp, #0]\n"
        "    stp x21, x22, [sp, #16]\n"
        "    stp x23, x24, [sp, #32]\n"
        "    stp x25, x26, [sp, #48]\n"
        "    stp x27, x28, [sp, #64]\n"
        "    stp x29, x30, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n"
        "    stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n"
        "    stp d14, d15, [sp, #144]\n"
        "    mov x9, sp\n"
        "    str x9, [x0]\n"
        "    mov sp, x1\n"
        "    ldp x19, x20, [sp, #0]\n"
        "    ldp x21, x22, [sp, #16]\n"
        "    ldp x23, x24, [sp, #32]\n"
        "    ldp x25, x26, [sp, #48]\n"
        "    ldp x27, x28, [sp, #64]\n"
        "    ldp x29, x30, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n"
        "    ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    add sp, sp, #160\n"
        "    ret\n"
        ".size model_switch, . - model_switch\n");

static void *fiber_make(unsigned char *stack, void (*entry)(void))
{
    uint64_t *sp = (uint64_t *)(void *)(stack + STACK_BYTES) - 20;

    memset(sp, 0, 20 * sizeof(*sp));
    sp[11] = (uint64_t)(uintptr_t)entry; /* x30 */
    return sp;
}

#else
#error "the explorer knows x86-64 and AArch64"
#endif

__asm__(".section .note.GNU-stack,\"\",%progbits\n.text\n");

/* ---- failing ------------------------------------------------------------ */

static const char *base_name(const char *file)
{
    const char *slash = strrchr(file, '/');

    return slash ? slash + 1 : file;
}

/* End the execution from wherever it is. */
static _Noreturn void give_up(void)
{
    void *gone;

    failed = true;
    if (self < 0)
        longjmp(main_out, 1);
    self = -1;
    model_switch(&gone, main_sp);
    abort();
}

static _Noreturn void fail(const char *text)
{
    snprintf(why, sizeof(why), "%s", text);
    give_up();
}

void model_fail(const char *file, int line, const char *what)
{
    snprintf(why, sizeof(why), "%s:%d: %s does not hold", base_name(file), line, what);
    give_up();
}

static struct event *note(const struct model_site *site, const struct place *place,
                          const void *at, uint64_t value)
{
    struct event *event = &events[event_count++ % EVENTS];

    *event = (struct event){.site = site, .place = place, .at = at, .value = value,
                            .thread = (int8_t)self};
    return event;
}

static void print_event(uint64_t number, const struct event *event)
{
    const struct model_site *site = event->site;
    char where[64], what[64];

    snprintf(where, sizeof(where), "%s:%d", base_name(site->file), site->line);
    if (event->place && event->place->name)
        snprintf(what, sizeof(what), "%s", event->place->name);
    else if (event->place)
        snprintf(what, sizeof(what), "word%d", (int)(event->place - places));
    else if (event->at)
        snprintf(what, sizeof(what), "%p", event->at);
    else
        what[0] = 0;
    printf("  %4llu  %*sT%d  %-22s %-18s %s", (unsigned long long)number, event->thread * 2, "",
           event->thread, where, site->verb, what);
    if (event->place)
        printf(" = %#llx", (unsigned long long)event->value);
    if (event->failed)
        printf(", not what was wanted");
    if (event->stale)
        printf("  (stale: %#llx is newer)", (unsigned long long)event->latest);
    if (site->now != site->order)
        printf("  MUTANT");
    printf("\n");
}

static void print_trace(void)
{
    uint64_t from = event_count > EVENTS ? event_count - EVENTS : 0;

    if (options.quiet)
        return;
    if (event_count - from > 300)
        from = event_count - 300;
    printf("\n%s: %s\n", model->name, why);
    for (uint64_t i = from; i < event_count; i++)
        print_event(i, &events[i % EVENTS]);
    printf("  decisions:");
    for (unsigned i = 0; i < path_length && i < 200; i++)
        printf(" %u/%u", path[i].pick, path[i].of);
    printf("\n");
    fflush(stdout);
}

static void on_signal(int number)
{
    snprintf(why, sizeof(why), "the code under test crashed (signal %d)", number);
    if (model)
        print_trace();
    _exit(1);
}

static void catch_signals(void)
{
    static unsigned char stack[32 << 10];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

    sigaltstack(&alternate, NULL);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
        sigaction(numbers[i], &action, NULL);
}

/* ---- decisions ---------------------------------------------------------- */

/* 0 to n - 1; 0 first. */
static unsigned choose(unsigned n)
{
    if (n < 2)
        return 0;
    if (depth == DEPTH)
        fail("too many decisions in one execution");
    if (depth == path_length) {
        path[path_length++] = (struct decision){0, (uint16_t)n};
    } else if (path[depth].of != n) {
        fail("the model is not deterministic: a repeated execution went another way");
    }
    return path[depth++].pick;
}

/* Turn the last decision that has an alternative left; false: none has. */
static bool next_path(void)
{
    while (path_length && path[path_length - 1].pick + 1 == path[path_length - 1].of)
        path_length--;
    if (!path_length)
        return false;
    path[path_length - 1].pick++;
    return true;
}

/* ---- views -------------------------------------------------------------- */

static void join_from(struct view *view, const struct view *other, int from)
{
    for (int i = from; i < MODEL_THREADS + PLACES; i++)
        view->at[i] = view->at[i] > other->at[i] ? view->at[i] : other->at[i];
}

static void join(struct view *view, const struct view *other)
{
    join_from(view, other, 0);
}

/*
 * A full fence in thread t. The order of all fences is that of execution. It
 * orders words, not clocks: two fences alone make no happens-before.
 */
static void fence_in(struct thread *t, int number)
{
    join(&t->now, &t->acquired);
    join_from(&t->now, &sc, MODEL_THREADS);
    join_from(&sc, &t->now, MODEL_THREADS);
    t->released = t->now;
    t->fenced = true;
    t->now.at[number]++;
}

static bool acquires(const struct model_site *site)
{
    return site->now == MODEL_ACQUIRE || site->now == MODEL_ACQ_REL || site->now == MODEL_SEQ;
}

static bool releases(const struct model_site *site)
{
    return site->now == MODEL_RELEASE || site->now == MODEL_ACQ_REL || site->now == MODEL_SEQ;
}

/* ---- scheduling --------------------------------------------------------- */

enum { BARRIER = 64 }; /* BARRIER + 8 * caller + thread stands for a fence there */

static bool runnable(struct thread *t)
{
    return t->state == READY || (t->state == ASLEEP && t->ready(t->arg));
}

static void fire(unsigned code)
{
    static struct model_site ipi = {"membarrier", "fence here", 0, 0, 0, 0, 0};
    int caller = (int)(code - BARRIER) / 8;
    int target = (int)(code - BARRIER) % 8;
    int running = self;
    bool pending = false;

    fence_in(&threads[target], target);
    threads[target].barriers &= (uint8_t)~(1u << caller);
    for (int i = 0; i < thread_count; i++)
        pending |= threads[i].barriers >> caller & 1;
    if (!pending)
        threads[caller].state = READY;
    self = target;
    note(&ipi, NULL, NULL, 0);
    self = running;
}

static unsigned add_barriers(unsigned *list, unsigned n, int target)
{
    for (int caller = 0; caller < thread_count; caller++)
        if (threads[target].barriers >> caller & 1)
            list[n++] = BARRIER + 8 * (unsigned)caller + (unsigned)target;
    return n;
}

/* All fences that the caller's membarrier still wants. */
static void complete(int caller)
{
    for (int i = 0; i < thread_count; i++)
        if (threads[i].barriers >> caller & 1)
            fire(BARRIER + 8 * (unsigned)caller + (unsigned)i);
}

/*
 * Who may act next: a thread, the fence of a membarrier in one, or, for a
 * caller's own number, all fences that it waits for and then the caller. A
 * single fence commutes with what other threads do, but for their fences: it is
 * offered only where its place matters. Fences at the ends of a thread's run are
 * free, one in its midst is an interrupt.
 */
static unsigned candidates(unsigned *list, bool may_stay, bool fence)
{
    unsigned n = 0;

    if (may_stay)
        list[n++] = (unsigned)self;
    if (!may_stay || preemptions_left > 0)
        for (int i = 0; i < thread_count; i++)
            if (!(may_stay && i == self) &&
                (runnable(&threads[i]) || threads[i].state == IN_BARRIER))
                list[n++] = (unsigned)i;
    for (int i = 0; i < thread_count && may_stay && interrupts_left > 0; i++)
        if (fence || i == self)
            n = add_barriers(list, n, i);
    return n;
}

static bool any_yielded(void)
{
    bool any = false;

    for (int i = 0; i < thread_count; i++) {
        if (threads[i].state == YIELDED) {
            threads[i].state = READY;
            any = true;
        }
    }
    return any;
}

static bool all_done(void)
{
    for (int i = 0; i < thread_count; i++)
        if (threads[i].state != DONE)
            return false;
    return true;
}

void (*model_resumes)(int number);

static void resume(int number)
{
    int from = self;

    threads[number].state = READY;
    self = number;
    if (model_resumes)
        model_resumes(number);
    if (number != from)
        model_switch(&threads[from].sp, threads[number].sp);
}

/* A thread that goes on may first pass the fences that are due in it. */
static void arrive(unsigned number)
{
    unsigned list[MODEL_THREADS + 1], n = 0, pick;

    if (threads[number].state == IN_BARRIER)
        complete((int)number);
    do {
        n = add_barriers(list, 0, (int)number);
        pick = choose(n + 1); /* 0: none now */
        if (pick)
            fire(list[pick - 1]);
    } while (pick);
}

static _Noreturn void leave(void)
{
    void *gone;

    if (!all_done())
        fail("deadlock: a wake-up is lost");
    self = -1;
    model_switch(&gone, main_sp);
    abort();
}

/* Decide who acts until a thread runs; return when it is the caller. */
static void schedule(bool may_stay, bool fence)
{
    unsigned list[MODEL_THREADS * (MODEL_THREADS + 1)], n, pick;

    for (;;) {
        n = candidates(list, may_stay, fence);
        if (!n && any_yielded())
            continue;
        if (!n)
            leave();
        pick = list[choose(n)];
        if (pick < BARRIER)
            break;
        fire(pick);
        interrupts_left--;
    }
    if (!may_stay || pick != (unsigned)self)
        arrive(pick);
    if (may_stay && pick != (unsigned)self)
        preemptions_left--;
    resume((int)pick);
}

static void point(bool fence)
{
    if (++steps > options.max_steps)
        fail("no end: the step limit was reached");
    schedule(true, fence);
}

/* A store may be what a yielded thread waits for. */
static void wake_yielded(void)
{
    for (int i = 0; i < thread_count; i++)
        if (i != self && threads[i].state == YIELDED)
            threads[i].state = READY;
}

static void fiber_main(void)
{
    unsigned list[MODEL_THREADS + 1];

    model->threads[self]();
    threads[self].state = DONE;
    for (unsigned n = add_barriers(list, 0, self); n > 0; n--)
        fire(list[n - 1]);
    wake_yielded();
    schedule(false, false);
    abort();
}

/* ---- words -------------------------------------------------------------- */

static uint64_t raw_load(const void *at, size_t size)
{
    return size == 4 ? *(const uint32_t *)at : *(const uint64_t *)at;
}

static void raw_store(void *at, size_t size, uint64_t value)
{
    if (size == 4)
        *(uint32_t *)at = (uint32_t)value;
    else
        *(uint64_t *)at = value;
}

static unsigned hash(const void *at)
{
    return (unsigned)(((uint64_t)(uintptr_t)at >> 2) * 0x9e3779b97f4a7c15u >> 40);
}

static struct place *find_place(const void *at)
{
    unsigned slot = hash(at) % SLOTS;

    for (; slots[slot]; slot = (slot + 1) % SLOTS)
        if (places[slots[slot] - 1].at == at)
            return &places[slots[slot] - 1];
    if (place_count == PLACES)
        fail("more words than the explorer has room for");
    slots[slot] = (uint8_t)++place_count;
    places[place_count - 1] = (struct place){.at = at, .user = -1};
    return &places[place_count - 1];
}

static void check_live(const void *at)
{
    uintptr_t offset = (uintptr_t)at - (uintptr_t)arena;

    if (offset < ARENA_BYTES && arena_state[offset / 16] != 1)
        fail(arena_state[offset / 16] ? "freed memory was used" : "wild memory was used");
}

/* Its first use in this execution: one store, by nobody, that all have seen. */
static void begin_place(struct place *place, size_t size)
{
    place->execution = execution;
    place->size = size;
    place->count = 1;
    place->mo[0].value = raw_load(place->at, size);
    place->mo[0].stamp = GAP;
    place->mo[0].writer = -1;
    place->mo[0].rmw = false;
    place->mo[0].carries = false;
    memset(place->mo[0].clock, 0, sizeof(place->mo[0].clock));
    memset(place->relied, 0, sizeof(place->relied));
}

static void learn(struct place *place, bool write)
{
    bool was = place->shared && place->written;

    if (place->user < 0)
        place->user = (int8_t)self;
    else if (place->user != self)
        place->shared = true;
    place->written |= write;
    if (!was && place->shared && place->written)
        learned = true;
}

/* Every operation on a word comes through here, and past the scheduler. */
static struct place *enter(struct model_site *site, const void *at, size_t size, bool write)
{
    struct place *place = find_place(at);

    site->first->hits++;
    if (place->execution != execution)
        begin_place(place, size);
    learn(place, write);
    if ((place->shared && place->written) || site->now == MODEL_SEQ)
        point(site->now == MODEL_SEQ);
    check_live(at);
    if (place->size != size)
        fail("a word was used with two sizes");
    if (place->mo[place->count - 1].value != raw_load(at, size))
        fail("a word was written without a verb");
    return place;
}

static int slot_of(const struct place *place)
{
    return MODEL_THREADS + (int)(place - places);
}

/* The oldest store that the running thread may still read. */
static int oldest(const struct place *place)
{
    int32_t seen = threads[self].now.at[slot_of(place)];
    int i = place->count - 1;

    while (i > 0 && place->mo[i].stamp > seen)
        i--;
    return i;
}

/* Does a read-modify-write follow store i at once? Then no other can. */
static bool attached(const struct place *place, int i)
{
    return i + 1 < place->count && place->mo[i + 1].rmw;
}

static bool has_gap(const struct place *place, int i)
{
    return i == place->count || place->mo[i].stamp - place->mo[i - 1].stamp > 1;
}

static void observe(const struct model_site *site, const struct place *place, int i)
{
    struct thread *t = &threads[self];
    const struct message *message = &place->mo[i];

    if (message->stamp > t->now.at[slot_of(place)])
        t->now.at[slot_of(place)] = message->stamp;
    if (message->carries)
        join(acquires(site) ? &t->now : &t->acquired, &message->view);
}

/* Put a store before number i of the modification order. */
static struct message *insert(struct place *place, int i, uint64_t value)
{
    struct message *message = &place->mo[i];

    if (place->count == MESSAGES)
        fail("more stores to one word than the explorer has room for");
    for (int j = place->count; j > i; j--)
        place->mo[j] = place->mo[j - 1];
    message->stamp = place->mo[i - 1].stamp + GAP;
    if (i < place->count)
        message->stamp = place->mo[i - 1].stamp +
                         (place->mo[i + 1].stamp - place->mo[i - 1].stamp) / 2;
    message->value = value;
    message->writer = (int8_t)self;
    message->rmw = false;
    message->carries = false;
    memcpy(message->clock, threads[self].now.at, sizeof(message->clock));
    for (int t = 0; t < thread_count; t++)
        if (place->relied[t] > message->clock[t])
            fail("a word was overwritten, unordered with a load that is relied on");
    if (i == place->count++)
        raw_store((void *)(uintptr_t)place->at, place->size, value);
    return message;
}

/* Give a store the view that who acquires it gets. */
static void publish(const struct model_site *site, const struct place *place,
                    struct message *message)
{
    struct thread *t = &threads[self];

    t->now.at[slot_of(place)] = message->stamp;
    if (releases(site)) {
        message->view = t->now;
        message->carries = true;
        t->now.at[self]++;
    } else if (t->fenced) {
        message->view = t->released;
        message->carries = true;
    }
    wake_yielded();
}

/* A read-modify-write of store i: it also carries on what that one carried. */
static void follow(const struct model_site *site, struct place *place, int i, uint64_t value)
{
    struct message *message = insert(place, i + 1, value);
    const struct message *before = &place->mo[i];

    message->rmw = true;
    publish(site, place, message);
    if (before->carries && message->carries) {
        join(&message->view, &before->view);
    } else if (before->carries) {
        message->view = before->view;
        message->carries = true;
    }
}

static void full_fence_if(const struct model_site *site)
{
    if (site->now == MODEL_SEQ)
        fence_in(&threads[self], self);
}

static void remember(struct place *place, const struct message *message)
{
    struct thread *t = &threads[self];

    t->loads[t->load_count++ % LOADS] =
        (struct load){place, message->value, message->stamp, t->now.at[self]};
}

uint64_t model_load(struct model_site *site, const void *at, size_t size)
{
    struct place *place;
    struct event *event;
    int from, i;

    if (self < 0)
        return raw_load(at, size);
    place = enter(site, at, size, false);
    from = stale_left ? oldest(place) : place->count - 1;
    i = place->count - 1 - (int)choose((unsigned)(place->count - from));
    stale_left -= i < place->count - 1;
    observe(site, place, i);
    event = note(site, place, at, place->mo[i].value);
    event->stale = i < place->count - 1;
    event->latest = place->mo[place->count - 1].value;
    remember(place, &place->mo[i]);
    return place->mo[i].value;
}

void model_relied_on(uint64_t value)
{
    struct thread *t = &threads[self];
    const struct load *load = NULL;
    struct place *place;

    if (self < 0)
        return;
    for (unsigned i = t->load_count; i > 0 && i + LOADS > t->load_count && !load; i--)
        if (t->loads[(i - 1) % LOADS].value == value)
            load = &t->loads[(i - 1) % LOADS];
    if (!load)
        fail("no load of the value that is relied on");
    place = load->place;
    for (int i = place->count - 1; i >= 0 && place->mo[i].stamp > load->stamp; i--)
        if (place->mo[i].clock[self] < load->clock)
            fail("a word was overwritten, unordered with a load that is relied on");
    if (place->relied[self] < load->clock)
        place->relied[self] = load->clock;
}

void model_store(struct model_site *site, void *at, size_t size, uint64_t value)
{
    struct place *place;
    struct event *event;
    int list[MESSAGES], n = 0, i;

    if (self < 0) {
        raw_store(at, size, value);
        return;
    }
    place = enter(site, at, size, true);
    list[n++] = place->count;
    if (stale_left)
        for (i = place->count - 1; i > oldest(place); i--)
            if (!place->mo[i].rmw && has_gap(place, i))
                list[n++] = i;
    i = list[choose((unsigned)n)];
    stale_left -= i < place->count;
    event = note(site, place, at, value);
    event->stale = i < place->count;
    event->latest = place->mo[place->count - 1].value;
    publish(site, place, insert(place, i, value));
}

/*
 * The store that a read-modify-write reads: the newest, or an older one that
 * it may still follow. `wanted`: one with another value may be read as well,
 * and fails the comparison.
 */
static int choose_before(const struct place *place, const uint64_t *wanted)
{
    int list[MESSAGES], n = 0, i = place->count - 1;

    list[n++] = i;
    if (stale_left)
        while (--i >= oldest(place))
            if ((wanted && place->mo[i].value != *wanted) ||
                (!attached(place, i) && has_gap(place, i + 1)))
                list[n++] = i;
    i = list[choose((unsigned)n)];
    stale_left -= i < place->count - 1;
    return i;
}

static uint64_t modify(struct model_site *site, void *at, size_t size, uint64_t value, bool add)
{
    struct place *place = enter(site, at, size, true);
    struct event *event;
    uint64_t before;
    int i;

    full_fence_if(site);
    i = choose_before(place, NULL);
    before = place->mo[i].value;
    if (add)
        value += before;
    if (size == 4)
        value = (uint32_t)value;
    event = note(site, place, at, value);
    event->stale = i < place->count - 1;
    event->latest = place->mo[place->count - 1].value;
    observe(site, place, i);
    follow(site, place, i, value);
    full_fence_if(site);
    return before;
}

uint64_t model_exchange(struct model_site *site, void *at, size_t size, uint64_t value)
{
    uint64_t before;

    if (self >= 0)
        return modify(site, at, size, value, false);
    before = raw_load(at, size);
    raw_store(at, size, value);
    return before;
}

uint64_t model_add(struct model_site *site, void *at, size_t size, uint64_t value)
{
    uint64_t before;

    if (self >= 0)
        return modify(site, at, size, value, true);
    before = raw_load(at, size);
    raw_store(at, size, before + value);
    return before;
}

static bool raw_cas(void *at, size_t size, void *seen, uint64_t value)
{
    uint64_t before = raw_load(at, size);
    bool done = before == raw_load(seen, size);

    if (done)
        raw_store(at, size, value);
    raw_store(seen, size, before);
    return done;
}

bool model_cas(struct model_site *site, void *at, size_t size, void *seen, uint64_t value)
{
    struct place *place;
    struct event *event;
    uint64_t wanted, before;
    int i;

    if (self < 0)
        return raw_cas(at, size, seen, value);
    place = enter(site, at, size, true);
    full_fence_if(site);
    wanted = raw_load(seen, size);
    i = choose_before(place, &wanted);
    before = place->mo[i].value;
    event = note(site, place, at, before == wanted ? value : before);
    event->failed = before != wanted;
    event->stale = i < place->count - 1;
    event->latest = place->mo[place->count - 1].value;
    observe(site, place, i);
    if (before == wanted)
        follow(site, place, i, value);
    full_fence_if(site);
    raw_store(seen, size, before);
    return before == wanted;
}

static struct place *enter_half(const uint64_t *at)
{
    struct place *place = find_place(at);

    if (place->execution != execution)
        begin_place(place, sizeof(*at));
    learn(place, true);
    check_live(at);
    return place;
}

/* Two words at once; always reads the newest pair. */
static bool cas_halves(struct model_site *site, uint64_t *const at[2], uint64_t *const seen[2],
                       const uint64_t value[2])
{
    struct place *place[2];
    bool done = *at[0] == *seen[0] && *at[1] == *seen[1];

    for (int i = 0; i < 2; i++) {
        place[i] = find_place(at[i]);
        observe(site, place[i], place[i]->count - 1);
        *seen[i] = *at[i];
        note(site, place[i], at[i], done ? value[i] : *at[i])->failed = !done;
    }
    if (!done)
        return false;
    for (int i = 0; i < 2; i++) /* the view that is released has both new words */
        threads[self].now.at[slot_of(place[i])] = place[i]->mo[place[i]->count - 1].stamp + GAP;
    for (int i = 0; i < 2; i++)
        follow(site, place[i], place[i]->count - 1, value[i]);
    return true;
}

bool model_cas_pair(struct model_site *site, struct thrum_pair *at, struct thrum_pair *seen,
                    const struct thrum_pair *value)
{
    uint64_t *const ats[2] = {&at->lo, &at->hi}, *const seens[2] = {&seen->lo, &seen->hi};
    const uint64_t values[2] = {value->lo, value->hi};

    if (self < 0) {
        bool done = at->lo == seen->lo && at->hi == seen->hi;

        *seen = *at;
        if (done)
            *at = *value;
        return done;
    }
    site->first->hits++;
    enter_half(ats[0]);
    if (enter_half(ats[1])->shared)
        point(false);
    return cas_halves(site, ats, seens, values);
}

/* ---- fences, sleeping, waking ------------------------------------------- */

void model_fence(struct model_site *site)
{
    if (self < 0)
        return;
    site->first->hits++;
    if (site->now == MODEL_REMOVED)
        return;
    point(true);
    fence_in(&threads[self], self);
    note(site, NULL, NULL, 0);
}

void model_membarrier_at(struct model_site *site)
{
    bool pending = false;

    if (self < 0)
        return;
    site->first->hits++;
    if (site->now == MODEL_REMOVED)
        return;
    point(true);
    fence_in(&threads[self], self);
    note(site, NULL, NULL, 0);
    for (int i = 0; i < thread_count; i++) {
        if (i != self && threads[i].state == DONE) {
            fence_in(&threads[i], i); /* its stores are where all see them */
        } else if (i != self) {
            threads[i].barriers |= (uint8_t)(1u << self);
            pending = true;
        }
    }
    if (pending) {
        threads[self].state = IN_BARRIER;
        schedule(false, true);
    }
    fence_in(&threads[self], self);
}

void model_membarrier(void)
{
    model_membarrier_at(MODEL_SITE("membarrier", MODEL_SEQ));
}

void model_yield_at(struct model_site *site)
{
    if (self < 0)
        return;
    site->first->hits++;
    if (++steps > options.max_steps)
        fail("no end: the step limit was reached");
    note(site, NULL, NULL, 0);
    threads[self].state = YIELDED;
    schedule(false, false);
}

void model_futex_wait_at(struct model_site *site, const uint32_t *word, uint32_t expected)
{
    struct place *place = enter(site, word, sizeof(*word), true);
    int last = place->count - 1;

    observe(site, place, last);
    note(site, place, word, place->mo[last].value)->failed = place->mo[last].value != expected;
    if (place->mo[last].value != expected)
        return;
    if (spurious_left && choose(2)) {
        spurious_left = false;
        return;
    }
    threads[self].state = ON_FUTEX;
    threads[self].futex = word;
    schedule(false, false);
}

int model_futex_wake_at(struct model_site *site, const uint32_t *word, int count)
{
    int woken = 0;

    if (self < 0)
        return 0;
    site->first->hits++;
    point(false);
    note(site, find_place(word), word, raw_load(word, sizeof(*word)));
    while (woken < count) {
        int list[MODEL_THREADS], n = 0;

        for (int i = 0; i < thread_count; i++)
            if (threads[i].state == ON_FUTEX && threads[i].futex == word)
                list[n++] = i;
        if (!n)
            break;
        threads[list[choose((unsigned)n)]].state = READY;
        woken++;
    }
    return woken;
}

void model_sleep_at(struct model_site *site, bool (*ready)(void *arg), void *arg)
{
    site->first->hits++;
    point(false);
    note(site, NULL, NULL, 0);
    while (!ready(arg)) {
        threads[self].state = ASLEEP;
        threads[self].ready = ready;
        threads[self].arg = arg;
        schedule(false, false);
    }
}

void model_point_at(struct model_site *site)
{
    if (self < 0)
        return;
    point(false);
    note(site, NULL, NULL, 0);
    wake_yielded();
}

unsigned model_choose(unsigned n)
{
    return choose(n);
}

int model_self(void)
{
    return self;
}

/* ---- plain memory ------------------------------------------------------- */

static struct shadow *find_shadow(const void *at)
{
    unsigned slot = hash(at) % SHADOWS;

    for (unsigned tries = 0; tries < SHADOWS; tries++) {
        struct shadow *shadow = &shadows[slot];

        if (shadow->execution != execution)
            *shadow = (struct shadow){.at = at, .execution = execution};
        if (shadow->at == at)
            return shadow;
        slot = (slot + 1) % SHADOWS;
    }
    fail("more plain variables than the explorer has room for");
}

static _Noreturn void race(struct model_site *site, const void *at, const char *text)
{
    note(site, NULL, at, 0);
    fail(text);
}

static void check_plain(struct model_site *site, const void *at, bool write)
{
    const int32_t *clock = threads[self].now.at;
    struct shadow *shadow;

    check_live(at);
    shadow = find_shadow(at);
    if (shadow->written > clock[shadow->writer])
        race(site, at, "data race: not ordered after a plain write");
    for (int i = 0; write && i < thread_count; i++)
        if (shadow->read[i] > clock[i])
            race(site, at, "data race: a plain write not ordered after a plain read");
    if (write) {
        shadow->written = clock[self];
        shadow->writer = (int8_t)self;
    } else {
        shadow->read[self] = clock[self];
    }
}

void model_plain(struct model_site *site, const void *at, bool write)
{
    if (self < 0)
        return;
    note(site, NULL, at, 0);
    check_plain(site, at, write);
}

/*
 * The sources under test may be compiled with -fsanitize=thread (and linked
 * without): the compiler then reports every plain access to these hooks. A
 * thread's own stack is left out.
 */
static void plain_at(const void *at, bool write)
{
    static struct model_site sites[2] = {{"plain", "read", 0, 0, 0, 0, 0},
                                         {"plain", "write", 0, 0, 0, 0, 0}};
    uintptr_t offset = (uintptr_t)at - (uintptr_t)stacks;

    if (self >= 0 && offset >= sizeof(stacks))
        check_plain(&sites[write], at, write);
}

#define HOOK(name, bytes, write)                                \
    void __tsan_##name##bytes(void *at);                        \
    void __tsan_##name##bytes(void *at)                         \
    {                                                           \
        for (int i = 0; i < bytes; i += 8)                      \
            plain_at((const char *)at + i, write);              \
    }
#define HOOKS(bytes) HOOK(read, bytes, false) HOOK(write, bytes, true)
HOOKS(1)
HOOKS(2)
HOOKS(4)
HOOKS(8)
HOOKS(16)

void __tsan_init(void);
void __tsan_func_entry(void *caller);
void __tsan_func_exit(void);
void __tsan_read_range(void *at, size_t bytes);
void __tsan_write_range(void *at, size_t bytes);

void __tsan_init(void)
{
}

void __tsan_func_entry(void *caller)
{
    (void)caller;
}

void __tsan_func_exit(void)
{
}

void __tsan_read_range(void *at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 8)
        plain_at((const char *)at + i, false);
}

void __tsan_write_range(void *at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 8)
        plain_at((const char *)at + i, true);
}

void *model_alloc(size_t bytes)
{
    size_t from = arena_used;

    bytes = (bytes + 63) & ~(size_t)63;
    if (bytes > ARENA_BYTES - arena_used)
        fail("the arena of the explorer is full");
    arena_used += bytes;
    memset(&arena_state[from / 16], 1, bytes / 16);
    memset(&arena[from], 0xa5, bytes);
    arena_bytes[from / 64] = (uint32_t)bytes;
    return &arena[from];
}

void model_free(void *memory)
{
    size_t from = (size_t)((uintptr_t)memory - (uintptr_t)arena);

    if (from >= ARENA_BYTES || from % 64 || arena_state[from / 16] != 1)
        fail("memory was freed twice, or never allocated");
    memset(&arena_state[from / 16], 2, arena_bytes[from / 64] / 16);
}

void model_name(const void *at, const char *text)
{
    find_place(at)->name = text;
}

/* ---- one execution, and all of them ------------------------------------- */

static void begin_execution(void)
{
    execution++;
    depth = 0;
    steps = 0;
    event_count = 0;
    memset(arena_state, 0, arena_used / 16);
    arena_used = 0;
    preemptions_left = options.preemptions - model->bound_less;
    interrupts_left = preemptions_left;
    stale_left = options.stale - model->stale_less;
    if (stale_left < 0)
        stale_left = 0;
    spurious_left = model->spurious;
    memset(&sc, 0, sizeof(sc));
    for (int i = 0; i < thread_count; i++) {
        struct thread *t = &threads[i];

        memset(t, 0, offsetof(struct thread, loads));
        t->load_count = 0;
        t->sp = fiber_make(stacks[i], fiber_main);
        t->now.at[i] = 1;
    }
}

/* The first decision is who starts. */
static void run_threads(void)
{
    self = (int)choose((unsigned)thread_count);
    if (model_resumes)
        model_resumes(self);
    model_switch(&main_sp, threads[self].sp);
    self = -1;
}

static void run_execution(void)
{
    begin_execution();
    if (setjmp(main_out))
        return;
    model->init();
    run_threads();
    if (!failed && model->check)
        model->check();
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void begin_search(const struct model_options *wanted, const struct model *what)
{
    options = *wanted;
    if (!options.max_steps)
        options.max_steps = 20000;
    model = what;
    for (thread_count = 0; thread_count < MODEL_THREADS && what->threads[thread_count];)
        thread_count++;
    memset(slots, 0, sizeof(slots));
    place_count = 0;
    path_length = 0;
    failed = false;
    learned = false;
    why[0] = 0;
}

struct model_result model_run(const struct model_options *wanted, const struct model *what)
{
    struct model_result result = {0};
    double start = seconds();

    catch_signals();
    begin_search(wanted, what);
    do {
        if (learned)
            path_length = 0;
        learned = false;
        run_execution();
        result.executions++;
        result.steps += steps;
        if (failed || result.executions == options.max_executions)
            break;
        result.exhausted = !learned && !next_path();
    } while (!result.exhausted);
    result.failed = failed;
    if (failed)
        print_trace();
    memcpy(result.why, why, sizeof(why));
    result.seconds = seconds() - start;
    return result;
}
