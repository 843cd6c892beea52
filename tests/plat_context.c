/*
 * plat_context.c - flows keep their registers and stacks wherever they go on.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/atomic/verbs.h"
#include "check.h"
#include "runtime/plat/clock.h"
#include "runtime/plat/context.h"

enum { STACK_BYTES = 128 << 10 };

struct flow {
    struct context context;
    char *stack;
};

/* What a thread needs to run flows: its own flow and its loop. */
struct worker {
    struct flow loop;
    struct context thread;
};

static void flow_stack(struct flow *flow)
{
    flow->stack = aligned_alloc(4096, STACK_BYTES);
    CHECK(flow->stack != NULL);
}

static void flow_init(struct flow *flow, size_t colour, context_entry *entry, void *arg)
{
    flow_stack(flow);
    thrum_context_init(&flow->context, flow->stack, flow->stack + STACK_BYTES - 64 * colour, entry,
                       arg, NULL);
}

static void flow_fini(struct flow *flow)
{
    thrum_context_fini(&flow->context);
    free(flow->stack);
}

static void worker_init(struct worker *worker)
{
    flow_stack(&worker->loop);
    thrum_context_loop(&worker->loop.context, worker->loop.stack,
                       worker->loop.stack + STACK_BYTES);
}

static void worker_fini(struct worker *worker)
{
    flow_fini(&worker->loop);
}

/* The simplest next: arg is the context that goes on. */
static struct context *go_on(void *arg)
{
    return arg;
}

/*
 * Resuming orders nothing for ThreadSanitizer (see context.h): what a thread's
 * own flow, its loop and its visitors share are relaxed words, whose excuse is
 * that all of them run in one thread.
 */
struct pair {
    struct worker worker;
    struct flow flow;
    uint64_t count;
    uint64_t misaligned;
};

static void count_for_ever(void *arg)
{
    struct pair *pair = arg;
    char probe __attribute__((aligned(16)));

    store_relaxed(&pair->misaligned, (uintptr_t)&probe & 15); /* relaxed: same thread */
    for (uint64_t count = 1;; count++) {
        store_relaxed(&pair->count, count); /* relaxed: same thread */
        thrum_context_leave(&pair->flow.context, &pair->worker.loop.context, go_on,
                            &pair->worker.thread);
    }
}

static void pair_switch(struct pair *pair)
{
    thrum_context_leave(&pair->worker.thread, &pair->worker.loop.context, go_on,
                        &pair->flow.context);
}

static void pair_init(struct pair *pair, size_t colour)
{
    worker_init(&pair->worker);
    flow_init(&pair->flow, colour, count_for_ever, pair);
}

static void pair_fini(struct pair *pair)
{
    flow_fini(&pair->flow);
    worker_fini(&pair->worker);
}

static void pair_check(const struct pair *pair, uint64_t count)
{
    CHECK_EQ(load_relaxed(&pair->count), count);  /* relaxed: same thread */
    CHECK_EQ(load_relaxed(&pair->misaligned), 0); /* relaxed: same thread */
}

TEST(a_million_switches_arrive)
{
    static struct pair pair;
    int64_t start;
    int64_t end;

    pair_init(&pair, 3);
    pair_switch(&pair);
    start = thrum_clock_now();
    for (int i = 1; i < 500000; i++)
        pair_switch(&pair);
    end = thrum_clock_now();
    pair_check(&pair, 500000);
    printf("leave, next, resume: %.2f ns\n", (double)(end - start) / 999998.0);
    pair_fini(&pair);
}

TEST(every_colour_of_a_stack_is_aligned)
{
    static struct pair pairs[64];

    for (size_t colour = 0; colour < 64; colour++) {
        pair_init(&pairs[colour], colour);
        pair_switch(&pairs[colour]);
        pair_switch(&pairs[colour]);
        pair_check(&pairs[colour], 2);
        pair_fini(&pairs[colour]);
    }
}

static struct context *back_to_arg(void *arg)
{
    char scratch[4096];

    memset(scratch, 0xff, sizeof(scratch));
    __asm__ volatile("" : : "r"(scratch) : "memory");
    return arg;
}

TEST(a_flow_may_go_on_at_once)
{
    struct worker worker;

    worker_init(&worker);
    for (int i = 0; i < 1000; i++)
        thrum_context_leave(&worker.thread, &worker.loop.context, back_to_arg, &worker.thread);
    worker_fini(&worker);
}

/*
 * Threads pass flows to each other through slots: each takes a flow that it
 * finds there, runs it for one step and puts it into some slot. A flow holds
 * values of its own in registers during each step.
 */
enum { FLOWS = 16, THREADS = 4, STEPS = 20000 };

struct traveller {
    struct flow flow;
    uint64_t thread; /* where it is running */
    uint64_t random;
    uint64_t moves;
    uint64_t lost; /* values that were */
};

struct thread {
    struct worker worker;
    pthread_t id;
    uint64_t current; /* the visitor */
    uint64_t random;  /* of the loop */
};

static uint64_t slots[FLOWS]; /* flows that can be taken, or 0 */
static uint64_t ended;

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* On the loop: others may run the flow that has left, now. */
static struct context *publish(void *arg)
{
    struct thread *thread = arg;
    uint64_t flow = load_relaxed(&thread->current); /* relaxed: same thread */

    while (flow)
        flow = exchange_acq_rel(&slots[next_random(&thread->random) % FLOWS], flow);
    return &thread->worker.thread;
}

static struct context *bury(void *arg)
{
    struct thread *thread = arg;

    add_acq_rel(&ended, 1);
    return &thread->worker.thread;
}

static void leave(struct traveller *traveller, context_next *next)
{
    struct thread *thread = pointer_of(load_relaxed(&traveller->thread)); /* relaxed: same thread */

    thrum_context_leave(&traveller->flow.context, &thread->worker.loop.context, next, thread);
    traveller->moves += load_relaxed(&traveller->thread) != word_of(thread); /* relaxed: as above */
}

/* The compiler cannot know what the value is, so it has to keep it. */
#define IN_REGISTER(value) __asm__ volatile("" : "+r"(value))
#define IN_FLOAT_REGISTER(value) __asm__ volatile("" : "+" FLOAT_REGISTER(value))

#ifdef __x86_64__
#define FLOAT_REGISTER "x"
#else
#define FLOAT_REGISTER "w"
#endif

static bool differ(double a, double b)
{
    return a < b || a > b;
}

/* With more values than a call keeps registers, all of those are in use. */
static void step(struct traveller *traveller)
{
    uint64_t a = next_random(&traveller->random);
    uint64_t b = a * 3;
    uint64_t c = a * 5;
    uint64_t d = a * 7;
    uint64_t e = a * 9;
    uint64_t f = a * 11;
    uint64_t g = a * 13;
    uint64_t h = a * 15;
    uint64_t i = a * 17;
    uint64_t j = a * 19;
    double k = (double)a;
    double l = k * 3;
    double m = k * 5;
    double n = k * 7;
    double o = k * 9;
    double p = k * 11;
    double q = k * 13;
    double r = k * 15;

    IN_REGISTER(b);
    IN_REGISTER(c);
    IN_REGISTER(d);
    IN_REGISTER(e);
    IN_REGISTER(f);
    IN_REGISTER(g);
    IN_REGISTER(h);
    IN_REGISTER(i);
    IN_REGISTER(j);
    IN_FLOAT_REGISTER(l);
    IN_FLOAT_REGISTER(m);
    IN_FLOAT_REGISTER(n);
    IN_FLOAT_REGISTER(o);
    IN_FLOAT_REGISTER(p);
    IN_FLOAT_REGISTER(q);
    IN_FLOAT_REGISTER(r);
    leave(traveller, publish);
    IN_REGISTER(a);
    traveller->lost += b != a * 3 || c != a * 5 || d != a * 7 || e != a * 9 || f != a * 11;
    traveller->lost += g != a * 13 || h != a * 15 || i != a * 17 || j != a * 19;
    k = (double)a;
    traveller->lost += differ(l, k * 3) || differ(m, k * 5) || differ(n, k * 7) ||
                       differ(o, k * 9) || differ(p, k * 11) || differ(q, k * 13) ||
                       differ(r, k * 15);
}

static void travel(void *arg)
{
    struct traveller *traveller = arg;

    for (int i = 0; i < STEPS; i++)
        step(traveller);
    leave(traveller, bury);
}

static struct context *visitor(void *arg)
{
    struct traveller *traveller = arg;

    return &traveller->flow.context;
}

static void *host(void *arg)
{
    struct thread *thread = arg;
    uint64_t random = thread->random;

    worker_init(&thread->worker);
    while (load_acquire(&ended) != FLOWS) {
        uint64_t flow = exchange_acq_rel(&slots[next_random(&random) % FLOWS], 0);
        struct traveller *traveller;

        if (!flow)
            continue;
        store_relaxed(&thread->current, flow); /* relaxed: same thread */
        traveller = pointer_of(flow);
        store_relaxed(&traveller->thread, word_of(thread)); /* relaxed: same thread */
        thrum_context_leave(&thread->worker.thread, &thread->worker.loop.context, visitor,
                            traveller);
    }
    worker_fini(&thread->worker);
    return NULL;
}

TEST(flows_keep_their_registers_in_every_thread)
{
    static struct traveller travellers[FLOWS];
    static struct thread threads[THREADS];
    uint64_t moves = 0;

    for (size_t i = 0; i < FLOWS; i++) {
        travellers[i].random = i;
        flow_init(&travellers[i].flow, i, travel, &travellers[i]);
        store_release(&slots[i], word_of(&travellers[i]));
    }
    for (size_t i = 0; i < THREADS; i++) {
        threads[i].random = i;
        CHECK_EQ(pthread_create(&threads[i].id, NULL, host, &threads[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(threads[i].id, NULL), 0);
    CHECK_EQ(load_acquire(&ended), FLOWS);
    for (size_t i = 0; i < FLOWS; i++) {
        CHECK_EQ(travellers[i].lost, 0);
        moves += travellers[i].moves;
        flow_fini(&travellers[i].flow);
    }
    CHECK_LT(0, moves);
}
