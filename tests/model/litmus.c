/*
 * litmus.c - the explorer's own test: textbook litmus tests with the outcomes
 * that C11 allows and forbids, and small programs with seeded bugs that must
 * be found.
 */
#include <thrum/detail/atomic.h>

#include "model/explorer.h"

#include <stdio.h>
#include <string.h>

static uint64_t x, y, z;
static uint32_t word;
static uint64_t a, b, c, d;
static uint64_t plain;
static uint64_t outcomes; /* bit n: outcome n was seen */
static thrum_pair pair;

static void init(void)
{
    x = y = z = 0;
    a = b = c = d = 0;
    plain = 0;
    word = 0;
    pair = (thrum_pair){0, 0};
    model_name(&x, "x");
    model_name(&y, "y");
    model_name(&z, "z");
    model_name(&word, "word");
    model_name(&pair.lo, "pair.lo");
    model_name(&pair.hi, "pair.hi");
}

static void saw(uint64_t outcome)
{
    outcomes |= (uint64_t)1 << outcome;
}

static void saw_ab(void)
{
    saw(a * 2 + b);
}

/* Store buffering, message passing, load buffering. */

static void sb_0(void) { store_relaxed(&x, 1); a = load_relaxed(&y); }
static void sb_1(void) { store_relaxed(&y, 1); b = load_relaxed(&x); }
static void sb_fence_0(void) { store_relaxed(&x, 1); fence_seq(); a = load_relaxed(&y); }
static void sb_fence_1(void) { store_relaxed(&y, 1); fence_seq(); b = load_relaxed(&x); }
static void sb_rmw_0(void) { exchange_seq(&x, 1); a = load_relaxed(&y); }
static void sb_rmw_1(void) { add_seq(&y, 1); b = load_relaxed(&x); }
static void sb_acq_rel_0(void) { exchange_acq_rel(&x, 1); a = load_acquire(&y); }
static void sb_acq_rel_1(void) { exchange_acq_rel(&y, 1); b = load_acquire(&x); }
static void sb_barrier_1(void) { store_relaxed(&y, 1); model_membarrier(); b = load_relaxed(&x); }
static void mp_0(void) { store_relaxed(&x, 1); store_release(&y, 1); }
static void mp_relaxed_0(void) { store_relaxed(&x, 1); store_relaxed(&y, 1); }
static void mp_1(void) { a = load_acquire(&y); b = load_relaxed(&x); }
static void mp_relaxed_1(void) { a = load_relaxed(&y); b = load_relaxed(&x); }
static void mp_fence_0(void) { store_relaxed(&x, 1); fence_seq(); store_relaxed(&y, 1); }
static void mp_fence_1(void) { a = load_relaxed(&y); fence_seq(); b = load_relaxed(&x); }
static void lb_0(void) { a = load_relaxed(&x); store_relaxed(&y, 1); }
static void lb_1(void) { b = load_relaxed(&y); store_relaxed(&x, 1); }

/* Release sequences: only read-modify-writes carry on. */

static void sequence_0(void) { store_relaxed(&x, 1); store_release(&y, 1); }
static void sequence_rmw(void) { uint64_t one = 1; cas_relaxed(&y, &one, 2); }
static void sequence_1(void) { a = load_acquire(&y) == 2; b = load_relaxed(&x); }
static void republish_0(void)
{
    store_relaxed(&x, 1);
    store_release(&y, 1);
    store_relaxed(&y, 2);
}

/* Four threads: two writers, two readers that disagree on the order. */

static void write_x(void) { store_release(&x, 1); }
static void write_y(void) { store_release(&y, 1); }
static void iriw_2(void) { a = load_acquire(&x); b = load_acquire(&y); }
static void iriw_3(void) { c = load_acquire(&y); d = load_acquire(&x); }
static void iriw_fence_2(void) { a = load_relaxed(&x); fence_seq(); b = load_relaxed(&y); }
static void iriw_fence_3(void) { c = load_relaxed(&y); fence_seq(); d = load_relaxed(&x); }
static void saw_iriw(void) { saw(a && !b && c && !d); }

/* Coherence: two reads of one word never go back; two readers agree. */

static void co_0(void) { store_relaxed(&x, 1); }
static void co_1(void) { store_relaxed(&x, 2); }
static void co_2(void) { a = load_relaxed(&x); b = load_relaxed(&x); }
static void co_3(void) { c = load_relaxed(&x); d = load_relaxed(&x); }
static void saw_coherence(void) { saw(a == 1 && b == 2 && c == 2 && d == 1); }
static void saw_back(void) { saw(a == 1 && b == 0); }

/* 2+2W and R: stores behind newer ones. */

static void ww_0(void) { store_relaxed(&x, 1); store_relaxed(&y, 2); }
static void ww_1(void) { store_relaxed(&y, 1); store_relaxed(&x, 2); }
static void ww_fence_0(void) { store_relaxed(&x, 1); fence_seq(); store_relaxed(&y, 2); }
static void ww_fence_1(void) { store_relaxed(&y, 1); fence_seq(); store_relaxed(&x, 2); }
static void saw_ww(void) { saw(load_relaxed(&x) == 1 && load_relaxed(&y) == 1); }

/* Write to read causality: release and acquire are transitive. */

static void wrc_1(void) { if (load_acquire(&x)) store_release(&y, 1); }
static void wrc_2(void) { a = load_acquire(&y); b = load_relaxed(&x); }

/* Atomicity. */

static void increment(void) { add_relaxed(&x, 1); }
static void saw_x(void) { saw(load_relaxed(&x)); }
static void swap_pair(void)
{
    thrum_pair seen = {0, 0};

    while (!cas_acq_rel_pair(&pair, &seen, ((thrum_pair){seen.lo + 1, seen.hi + 2})))
        continue;
}
static void saw_pair(void) { saw(pair.lo == 2 && pair.hi == 4); }

/*
 * A membarrier is one fence for each other thread, not one step: two of them
 * may pass theirs on different sides of a third party's store. The caller
 * stores x; each reader stores its own word, then reads the other's; with one
 * atomic fence in both at once, both could not read 0.
 */

static void barrier_sb_0(void) { store_relaxed(&x, 1); a = load_relaxed(&y); }
static void barrier_sb_1(void) { store_relaxed(&y, 1); b = load_relaxed(&x); }
static void barrier_2(void) { model_membarrier(); }

/* Races and their absence. */

static void race_0(void) { model_write(&plain, 1); store_release(&x, 1); }
static void race_1(void) { if (load_acquire(&x)) a = model_read(&plain); }
static void race_relaxed_1(void) { if (load_relaxed(&x)) a = model_read(&plain); }
static void race_write_1(void) { if (load_relaxed(&x)) model_write(&plain, 2); }
static void race_fence_0(void) { model_write(&plain, 1); fence_seq(); store_relaxed(&x, 1); }
static void race_fence_1(void)
{
    uint64_t seen = load_relaxed(&x);

    fence_seq();
    if (seen)
        a = model_read(&plain);
}

/* Freed memory. */

static uint64_t *block;

static void block_init(void)
{
    init();
    block = model_alloc(sizeof(*block));
    *block = 0;
}

static void block_0(void) { store_relaxed(block, 1); add_acq_rel(&x, 1); }
static void block_1(void) { if (load_acquire(&x)) model_free(block); }
static void block_early_1(void) { model_free(block); }

/* Sleeping. */

static void sleeper(void)
{
    while (load_acquire(&word) == 0)
        model_futex_wait(&word, 0);
}
static void waker(void) { store_release(&word, 1); model_futex_wake(&word, 1); }
static void waker_early(void) { model_futex_wake(&word, 1); store_release(&word, 1); }
static void spinner(void) { while (load_acquire(&x) == 0) model_yield(); }

static bool flag_up(void *arg) { return *(uint64_t *)arg != 0; }
static void kernel_sleeper(void) { model_sleep(flag_up, &plain); }
static void kernel_waker(void) { model_point("signal"); plain = 1; }

/* Chase-Lev with two cells, as published for C11, and with bugs. */

enum bug {
    NO_BUG,
    NO_FENCE_IN_TAKE,
    NO_FENCE_IN_STEAL,
    LAST_WITHOUT_CAS,
    LOADS_SWAPPED,
    SLOT_AFTER_CAS,
    RELAXED_PUSH,
    RELAXED_REPUSH,
    ACQ_REL_FENCES
};

enum { EMPTY = 100, CELLS = 2, ITEMS = 4 };

static enum bug bug;
static uint64_t top, bottom, cells[CELLS], contents[ITEMS];
static unsigned taken[ITEMS];

static void deque_init(void)
{
    top = bottom = 0;
    memset(taken, 0, sizeof(taken));
    memset(contents, 0, sizeof(contents));
    memset(cells, 0, sizeof(cells));
    model_name(&top, "top");
    model_name(&bottom, "bottom");
    model_name(&cells[0], "cell 0");
    model_name(&cells[1], "cell 1");
}

static bool deque_push(uint64_t item)
{
    uint64_t at = load_relaxed(&bottom);

    if (at - load_acquire(&top) == CELLS)
        return false;
    model_write(&contents[item], item);
    store_relaxed(&cells[at % CELLS], item);
    if (bug == RELAXED_PUSH)
        store_relaxed(&bottom, at + 1);
    else
        store_release(&bottom, at + 1);
    return true;
}

static void fence_unless(enum bug without)
{
    if (bug != without)
        fence_seq();
}

static void bottom_set(uint64_t value)
{
    if (bug == RELAXED_REPUSH)
        store_relaxed(&bottom, value);
    else
        store_release(&bottom, value);
}

static uint64_t deque_take(void)
{
    uint64_t at = load_relaxed(&bottom) - 1, first, item;

    bottom_set(at);
    fence_unless(NO_FENCE_IN_TAKE);
    first = load_relaxed(&top);
    if ((int64_t)(at - first) < 0) {
        bottom_set(at + 1);
        return EMPTY;
    }
    item = load_relaxed(&cells[at % CELLS]);
    if (at == first) {
        if (bug != LAST_WITHOUT_CAS && !cas_acq_rel(&top, &first, first + 1))
            item = EMPTY;
        bottom_set(at + 1);
    }
    return item;
}

static uint64_t deque_steal(void)
{
    uint64_t last = bug == LOADS_SWAPPED ? load_acquire(&bottom) : 0;
    uint64_t first = load_acquire(&top), item;

    fence_unless(NO_FENCE_IN_STEAL);
    if (bug != LOADS_SWAPPED)
        last = load_acquire(&bottom);
    if ((int64_t)(last - first) <= 0)
        return EMPTY;
    item = load_relaxed(&cells[first % CELLS]);
    if (!cas_acq_rel(&top, &first, first + 1))
        return EMPTY;
    return bug == SLOT_AFTER_CAS ? load_relaxed(&cells[first % CELLS]) : item;
}

static void use(uint64_t item)
{
    if (item == EMPTY)
        return;
    MODEL_CHECK(item < ITEMS);
    MODEL_CHECK(model_read(&contents[item]) == item);
    taken[item]++;
}

static void owner(void)
{
    uint64_t pushed = 0;

    pushed += deque_push(0);
    pushed += deque_push(1);
    MODEL_CHECK(pushed == 2);
    use(deque_take());
    use(deque_take());
    if (deque_push(2) && deque_push(3))
        use(deque_take());
}

static void thief(void)
{
    use(deque_steal());
}

static void thief_twice(void)
{
    use(deque_steal());
    use(deque_steal());
}

static void deque_check(void)
{
    for (uint64_t i = top; (int64_t)(bottom - i) > 0; i++)
        taken[cells[i % CELLS]]++;
    for (int i = 0; i < ITEMS; i++)
        MODEL_CHECK(taken[i] == 1);
}

/* What must be seen, and what must not. A table of bits of outcomes. */

struct litmus {
    struct model model;
    uint64_t seen;      /* outcomes that must all be seen; nothing else may be */
    const char *failure; /* a failure that must be found instead */
    enum bug bug;
};

#define AB(a, b) ((uint64_t)1 << ((a) * 2 + (b)))
#define ALL (AB(0, 0) | AB(0, 1) | AB(1, 0) | AB(1, 1))
#define NEVER 1 /* outcome 1 is what must not be seen */
#define BOTH 3
#define DEQUE(text, which, why)                                                        \
    {{text, deque_init, {owner, thief_twice}, deque_check, 0, 0, false}, 0, why, which}, \
    {{text " 3", deque_init, {owner, thief, thief}, deque_check, 0, 0, false}, 0, why, which}
#define T(text, check, expected, ...) \
    {{text, init, {__VA_ARGS__}, check, 0, 0, false}, expected, NULL, NO_BUG}
#define BAD(text, begin, why, ...) \
    {{text, begin, {__VA_ARGS__}, NULL, 0, 0, false}, 0, why, NO_BUG}

static const struct litmus tests[] = {
    T("SB", saw_ab, ALL, sb_0, sb_1),
    T("SB fences", saw_ab, ALL & ~AB(0, 0), sb_fence_0, sb_fence_1),
    T("SB one fence", saw_ab, ALL, sb_fence_0, sb_1),
    T("SB seq swaps", saw_ab, ALL & ~AB(0, 0), sb_rmw_0, sb_rmw_1),
    T("SB acq_rel swaps", saw_ab, ALL, sb_acq_rel_0, sb_acq_rel_1),
    T("SB membarrier", saw_ab, ALL & ~AB(0, 0), sb_0, sb_barrier_1),
    T("SB membarrier elsewhere", saw_ab, ALL, barrier_sb_0, barrier_sb_1, barrier_2),
    T("MP", saw_ab, ALL & ~AB(1, 0), mp_0, mp_1),
    T("MP relaxed store", saw_ab, ALL, mp_relaxed_0, mp_1),
    T("MP relaxed load", saw_ab, ALL, mp_0, mp_relaxed_1),
    T("MP fences", saw_ab, ALL & ~AB(1, 0), mp_fence_0, mp_fence_1),
    T("LB is not explored", saw_ab, ALL & ~AB(1, 1), lb_0, lb_1),
    T("release sequence of a swap", saw_ab, ALL & ~AB(1, 0), sequence_0, sequence_rmw, sequence_1),
    T("no release sequence of a store", saw_ab, ALL, republish_0, sequence_1),
    T("IRIW", saw_iriw, BOTH, write_x, write_y, iriw_2, iriw_3),
    T("IRIW fences", saw_iriw, NEVER, write_x, write_y, iriw_fence_2, iriw_fence_3),
    T("coherence", saw_back, NEVER, co_0, co_1, co_2),
    T("coherence of two", saw_coherence, NEVER, co_0, co_1, co_2, co_3),
    T("2+2W", saw_ww, BOTH, ww_0, ww_1),
    T("2+2W fences", saw_ww, NEVER, ww_fence_0, ww_fence_1),
    T("WRC", saw_ab, ALL & ~AB(1, 0), write_x, wrc_1, wrc_2),
    T("three increments", saw_x, 8, increment, increment, increment),
    T("pair", saw_pair, 2, swap_pair, swap_pair),
    T("published data", NULL, 0, race_0, race_1),
    T("data behind fences", NULL, 0, race_fence_0, race_fence_1),
    BAD("race of a read", init, "data race", race_0, race_relaxed_1),
    BAD("race of a write", init, "data race", race_0, race_write_1),
    {{"free", block_init, {block_0, block_1}, NULL, 0, 0, false}, 0, NULL, NO_BUG},
    BAD("early free", block_init, "freed memory", block_0, block_early_1),
    T("futex", NULL, 0, sleeper, waker),
    BAD("lost wake", init, "deadlock", sleeper, waker_early),
    {{"futex for no reason", init, {sleeper, waker}, NULL, 0, 0, true}, 0, NULL, NO_BUG},
    T("spinning", NULL, 0, spinner, write_x),
    BAD("spinning forever", init, "no end", spinner, write_y),
    T("kernel sleep", NULL, 0, kernel_sleeper, kernel_waker),
    BAD("kernel sleep, no waker", init, "deadlock", kernel_sleeper, write_x),
    DEQUE("deque", NO_BUG, NULL),
    DEQUE("deque, no fence in take", NO_FENCE_IN_TAKE, "does not hold"),
    DEQUE("deque, no fence in steal", NO_FENCE_IN_STEAL, "does not hold"),
    DEQUE("deque, last without swap", LAST_WITHOUT_CAS, "does not hold"),
    DEQUE("deque, loads swapped", LOADS_SWAPPED, ""),
    DEQUE("deque, slot after swap", SLOT_AFTER_CAS, ""),
    DEQUE("deque, relaxed push", RELAXED_PUSH, ""),
    DEQUE("deque, relaxed bottom in take", RELAXED_REPUSH, ""),
};

static bool passes(const struct litmus *test, const struct model_result *result)
{
    if (test->failure)
        return result->failed && strstr(result->why, test->failure);
    return !result->failed && result->exhausted && outcomes == test->seen;
}

int main(void)
{
    struct model_options options = {.preemptions = 2, .stale = 2, .quiet = true,
                                    .max_steps = 2000};
    int wrong = 0;

    for (struct model_site *site = __start_model_sites; site < __stop_model_sites; site++)
        site->first = site;
    for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++) {
        const struct litmus *test = &tests[i];
        struct model_result result;
        bool good;

        outcomes = 0;
        bug = test->bug;
        result = model_run(&options, &test->model);
        good = passes(test, &result);
        printf("%-8s %-36s %8llu executions %6.3f s", good ? "ok" : "WRONG", test->model.name,
               (unsigned long long)result.executions, result.seconds);
        if (good)
            printf("  %s\n", result.why);
        else
            printf("  %s (outcomes %#llx)\n", result.why, (unsigned long long)outcomes);
        wrong += !good;
    }
    return wrong != 0;
}
