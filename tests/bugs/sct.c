/* sct.c - the programs "CS" and "CB" of SCTBench, in our own words. */
#include "tests/bugs/kit.h"

/* ---- account: the check at the end reckons wrongly ---------------------------------------------- */

static struct {
    thrum_mutex mutex;
    int balance, deposited, withdrawn;
} account_;

static int account_deposit(void *arg)
{
    (void)arg;
    LOCK(account_.mutex);
    ADD(account_.balance, 2);
    STORE(account_.deposited, 1);
    UNLOCK(account_.mutex);
    return 0;
}

static int account_withdraw(void *arg)
{
    (void)arg;
    LOCK(account_.mutex);
    ADD(account_.balance, -4);
    STORE(account_.withdrawn, 1);
    UNLOCK(account_.mutex);
    return 0;
}

static int account_check(void *arg)
{
    int wrong;

    (void)arg;
    LOCK(account_.mutex);
    wrong =
        LOAD(account_.deposited) && LOAD(account_.withdrawn) && LOAD(account_.balance) != 1 - 2 - 4;
    UNLOCK(account_.mutex);
    ASSERT(!wrong);
    return 0;
}

static int account(void *arg)
{
    (void)arg;
    memset(&account_, 0, sizeof account_);
    account_.balance = 1;
    return TOGETHER(account_check, account_withdraw, account_deposit);
}

/* ---- bluetooth_driver: the driver stops between another's look and its entry --------------------- */

static struct {
    int pending, stopping, event, stopped;
} driver;

static void driver_leave(void)
{
    if (add(&driver.pending, -1) == 0)
        STORE(driver.event, 1);
}

static int driver_stop(void *arg)
{
    (void)arg;
    STORE(driver.stopping, 1);
    driver_leave();
    if (LOAD(driver.event))
        STORE(driver.stopped, 1);
    return 0;
}

static int driver_add(void *arg)
{
    (void)arg;
    if (!LOAD(driver.stopping)) {
        add(&driver.pending, 1);
        ASSERT(!LOAD(driver.stopped));
    }
    driver_leave();
    return 0;
}

static int bluetooth_driver(void *arg)
{
    (void)arg;
    memset(&driver, 0, sizeof driver);
    driver.pending = 1;
    return TOGETHER(driver_stop, driver_add);
}

/* ---- carter01: the first in takes a lock for all, while it holds another ----------------------- */

static struct {
    thrum_mutex door, room;
    int a, b;
} carter;

static int carter_visit(int *inside)
{
    LOCK(carter.door);
    ADD(*inside, 1);
    if (LOAD(*inside) == 1)
        LOCK(carter.room);
    UNLOCK(carter.door);
    LOCK(carter.door);
    ADD(*inside, -1);
    if (LOAD(*inside) == 0)
        UNLOCK(carter.room);
    UNLOCK(carter.door);
    return 0;
}

static int carter_a(void *arg)
{
    (void)arg;
    return carter_visit(&carter.a);
}

static int carter_b(void *arg)
{
    (void)arg;
    return carter_visit(&carter.b);
}

static int carter_idle(void *arg)
{
    (void)arg;
    return 0;
}

static int carter01(void *arg)
{
    (void)arg;
    memset(&carter, 0, sizeof carter);
    return TOGETHER(carter_a, carter_b, carter_idle, carter_idle);
}

/* ---- circular_buffer, queue, stack: who takes counts on turns that nobody grants ------------------ */

enum { RING = 7, QUEUE = 20, STACK = 10 };

static struct {
    thrum_mutex mutex;
    int items[QUEUE + 1], first, next, put, get;
    int stored[QUEUE + 1];
} ring;

static int ring_put(void *arg)
{
    (void)arg;
    for (int i = 0; i < RING; i++) {
        LOCK(ring.mutex);
        if (LOAD(ring.put)) {
            STORE(ring.items[LOAD(ring.next)], i);
            ADD(ring.next, 1);
            STORE(ring.put, 0);
            STORE(ring.get, 1);
        }
        UNLOCK(ring.mutex);
    }
    return 0;
}

static int ring_get(void *arg)
{
    (void)arg;
    for (int i = 0; i < RING; i++) {
        LOCK(ring.mutex);
        if (LOAD(ring.get)) {
            ASSERT(LOAD(ring.items[LOAD(ring.first)]) == i);
            ADD(ring.first, 1);
            STORE(ring.get, 0);
            STORE(ring.put, 1);
        }
        UNLOCK(ring.mutex);
    }
    return 0;
}

static int circular_buffer(void *arg)
{
    (void)arg;
    memset(&ring, 0, sizeof ring);
    ring.put = 1;
    return TOGETHER(ring_put, ring_get);
}

static int queue_put(void *arg)
{
    (void)arg;
    LOCK(ring.mutex);
    STORE(ring.items[LOAD(ring.next)], 100);
    ADD(ring.next, 1);
    STORE(ring.stored[0], 100);
    ASSERT(LOAD(ring.first) != LOAD(ring.next));
    UNLOCK(ring.mutex);
    for (int i = 1; i < QUEUE; i++) {
        LOCK(ring.mutex);
        if (LOAD(ring.put)) {
            STORE(ring.items[LOAD(ring.next)], 100 + i);
            ADD(ring.next, 1);
            STORE(ring.stored[i], 100 + i);
            STORE(ring.put, 0);
            STORE(ring.get, 1);
        }
        UNLOCK(ring.mutex);
    }
    return 0;
}

static int queue_get(void *arg)
{
    (void)arg;
    for (int i = 0; i < QUEUE; i++) {
        LOCK(ring.mutex);
        if (LOAD(ring.get)) {
            ASSERT(LOAD(ring.first) != LOAD(ring.next));
            ASSERT(LOAD(ring.items[LOAD(ring.first)]) == LOAD(ring.stored[i]));
            ADD(ring.first, 1);
            STORE(ring.get, 0);
            STORE(ring.put, 1);
        }
        UNLOCK(ring.mutex);
    }
    return 0;
}

static int queue(void *arg)
{
    (void)arg;
    memset(&ring, 0, sizeof ring);
    ring.put = 1;
    return TOGETHER(queue_put, queue_get);
}

static int stack_push(void *arg)
{
    (void)arg;
    for (int i = 0; i < STACK; i++) {
        LOCK(ring.mutex);
        STORE(ring.items[LOAD(ring.next)], i);
        ADD(ring.next, 1);
        STORE(ring.get, 1);
        UNLOCK(ring.mutex);
    }
    return 0;
}

static int stack_pop(void *arg)
{
    (void)arg;
    for (int i = 0; i < STACK; i++) {
        LOCK(ring.mutex);
        if (LOAD(ring.get)) {
            ASSERT(LOAD(ring.next) > 0);
            ADD(ring.next, -1);
            (void)LOAD(ring.items[LOAD(ring.next)]);
        }
        UNLOCK(ring.mutex);
    }
    return 0;
}

static int stack(void *arg)
{
    (void)arg;
    memset(&ring, 0, sizeof ring);
    return TOGETHER(stack_push, stack_pop);
}

/* ---- deadlock01: two locks in two orders ---------------------------------------------------------- */

static struct {
    thrum_mutex a, b;
    int n;
} embrace;

static int embrace_ab(void *arg)
{
    (void)arg;
    LOCK(embrace.a);
    LOCK(embrace.b);
    ADD(embrace.n, 1);
    UNLOCK(embrace.b);
    UNLOCK(embrace.a);
    return 0;
}

static int embrace_ba(void *arg)
{
    (void)arg;
    LOCK(embrace.b);
    LOCK(embrace.a);
    ADD(embrace.n, -1);
    UNLOCK(embrace.a);
    UNLOCK(embrace.b);
    return 0;
}

static int deadlock01(void *arg)
{
    (void)arg;
    memset(&embrace, 0, sizeof embrace);
    return TOGETHER(embrace_ab, embrace_ba);
}

/* ---- lazy01: the third one hopes not to be the last --------------------------------------------- */

static struct {
    thrum_mutex mutex;
    int data;
} lazy;

static int lazy_one(void *arg)
{
    (void)arg;
    LOCK(lazy.mutex);
    ADD(lazy.data, 1);
    UNLOCK(lazy.mutex);
    return 0;
}

static int lazy_two(void *arg)
{
    (void)arg;
    LOCK(lazy.mutex);
    ADD(lazy.data, 2);
    UNLOCK(lazy.mutex);
    return 0;
}

static int lazy_check(void *arg)
{
    (void)arg;
    LOCK(lazy.mutex);
    ASSERT(LOAD(lazy.data) < 3);
    UNLOCK(lazy.mutex);
    return 0;
}

static int lazy01(void *arg)
{
    (void)arg;
    memset(&lazy, 0, sizeof lazy);
    return TOGETHER(lazy_one, lazy_two, lazy_check);
}

/* ---- reorder: one looks while all others stand between two stores --------------------------------- */

static int reorder_a, reorder_b;

static int reorder_set(void *arg)
{
    (void)arg;
    STORE(reorder_a, 1);
    STORE(reorder_b, -1);
    return 0;
}

static int reorder_check(void *arg)
{
    (void)arg;
    ASSERT((LOAD(reorder_a) == 0 && LOAD(reorder_b) == 0) ||
           (LOAD(reorder_a) == 1 && LOAD(reorder_b) == -1));
    return 0;
}

static int reorder(size_t n)
{
    reorder_a = reorder_b = 0;
    return crowd(reorder_set, n - 1, reorder_check, 1);
}

#define REORDER(n)                    \
    static int reorder_##n(void *arg) \
    {                                 \
        (void)arg;                    \
        return reorder(n);            \
    }

REORDER(3)
REORDER(4)
REORDER(5)
REORDER(10)
REORDER(20)
REORDER(50)
REORDER(100)

/* ---- token_ring: everybody passes on what it finds ---------------------------------------------- */

static struct {
    thrum_mutex mutex;
    int x[3], passed[3];
} token;

static int token_pass(int from, int to, int more)
{
    LOCK(token.mutex);
    STORE(token.x[to], (LOAD(token.x[from]) + more) % 4);
    STORE(token.passed[to], 1);
    UNLOCK(token.mutex);
    return 0;
}

static int token_1(void *arg)
{
    (void)arg;
    return token_pass(2, 0, 1);
}

static int token_2(void *arg)
{
    (void)arg;
    return token_pass(0, 1, 0);
}

static int token_3(void *arg)
{
    (void)arg;
    return token_pass(1, 2, 0);
}

static int token_check(void *arg)
{
    (void)arg;
    LOCK(token.mutex);
    if (LOAD(token.passed[0]) && LOAD(token.passed[1]) && LOAD(token.passed[2]))
        ASSERT(LOAD(token.x[0]) == LOAD(token.x[1]) && LOAD(token.x[1]) == LOAD(token.x[2]));
    UNLOCK(token.mutex);
    return 0;
}

static int token_ring(void *arg)
{
    (void)arg;
    memset(&token, 0, sizeof token);
    return TOGETHER(token_1, token_2, token_3, token_check);
}

/* ---- twostage: two fields under two locks, taken one after the other --------------------------------- */

static struct {
    thrum_mutex a, b;
    int first, second;
} stage;

static int stage_write(void *arg)
{
    (void)arg;
    LOCK(stage.a);
    STORE(stage.first, 1);
    UNLOCK(stage.a);
    LOCK(stage.b);
    STORE(stage.second, LOAD(stage.first) + 1);
    UNLOCK(stage.b);
    return 0;
}

static int stage_read(void *arg)
{
    int first, second;

    (void)arg;
    LOCK(stage.a);
    if (LOAD(stage.first) == 0) {
        UNLOCK(stage.a);
        return 0;
    }
    first = LOAD(stage.first);
    UNLOCK(stage.a);
    LOCK(stage.b);
    second = LOAD(stage.second);
    UNLOCK(stage.b);
    ASSERT(second == first + 1);
    return 0;
}

static int twostage_of(size_t writers)
{
    memset(&stage, 0, sizeof stage);
    return crowd(stage_write, writers, stage_read, 1);
}

static int twostage(void *arg)
{
    (void)arg;
    return twostage_of(1);
}

static int twostage_20(void *arg)
{
    (void)arg;
    return twostage_of(19);
}

static int twostage_50(void *arg)
{
    (void)arg;
    return twostage_of(49);
}

static int twostage_100(void *arg)
{
    (void)arg;
    return twostage_of(99);
}

/* ---- wronglock: one field under two locks ------------------------------------------------------- */

static struct {
    thrum_mutex data, thread;
    int value;
} wrong;

static int wrong_one(void *arg)
{
    int x;

    (void)arg;
    LOCK(wrong.data);
    x = LOAD(wrong.value);
    ADD(wrong.value, 1);
    ASSERT(LOAD(wrong.value) == x + 1);
    UNLOCK(wrong.data);
    return 0;
}

static int wrong_other(void *arg)
{
    (void)arg;
    LOCK(wrong.thread);
    ADD(wrong.value, 1);
    UNLOCK(wrong.thread);
    return 0;
}

static int wronglock(void *arg)
{
    (void)arg;
    memset(&wrong, 0, sizeof wrong);
    return crowd(wrong_one, 1, wrong_other, 7);
}

static int wronglock_3(void *arg)
{
    (void)arg;
    memset(&wrong, 0, sizeof wrong);
    return crowd(wrong_one, 1, wrong_other, 3);
}

/* ---- stringbuffer-jdk1.4: a length is stale when the characters are copied -------------------------- */

static struct {
    thrum_mutex mutex;
    int length;
} text;

static int text_append(void *arg)
{
    int length;

    (void)arg;
    LOCK(text.mutex);
    length = LOAD(text.length);
    UNLOCK(text.mutex);
    LOCK(text.mutex);
    ASSERT(length <= LOAD(text.length));
    UNLOCK(text.mutex);
    return 0;
}

static int text_erase(void *arg)
{
    (void)arg;
    LOCK(text.mutex);
    STORE(text.length, 0);
    UNLOCK(text.mutex);
    LOCK(text.mutex);
    STORE(text.length, 3);
    UNLOCK(text.mutex);
    return 0;
}

static int stringbuffer(void *arg)
{
    (void)arg;
    memset(&text, 0, sizeof text);
    text.length = 3;
    return TOGETHER(text_append, text_erase);
}

#define CS(name, fails, pct, pos, surw)                     \
    {                                                       \
        "CS/" #name, name, fails, 10000, pct, pos, surw, "" \
    }

const struct bug bugs_sct[] = {
    {"CB/stringbuffer-jdk1.4", stringbuffer, BUG, 10000, "281", "23", "8", ""},
    CS(account, BUG, "4", "4", "6"),
    CS(bluetooth_driver, BUG, "112", "36", "70"),
    {"CS/carter01", carter01, THRUM_EDEADLOCK, 10000, "5", "2", "n/a", "1 mutex 2 mutex"},
    CS(circular_buffer, BUG, "9", "2", "3"),
    {"CS/deadlock01", deadlock01, THRUM_EDEADLOCK, 10000, "13", "4", "2", "1 mutex 2 mutex"},
    CS(lazy01, BUG, "5", "5", "2"),
    CS(queue, BUG, "3", "1", "2"),
    CS(reorder_3, BUG, "185", "86", "7"),
    CS(reorder_4, BUG, "554", "533", "7"),
    CS(reorder_5, BUG, "647", "2169", "10"),
    CS(reorder_10, BUG, "3225 (16)", "never", "17"),
    CS(reorder_20, BUG, "3005", "never", "6"),
    CS(reorder_50, BUG, "3304 (6)", "never", "13"),
    CS(reorder_100, BUG, "never", "never", "194"),
    CS(stack, BUG, "3", "2", "5"),
    CS(token_ring, BUG, "8", "9", "8"),
    CS(twostage, BUG, "13", "15", "8"),
    CS(twostage_20, BUG, "159", "156", "6"),
    CS(twostage_50, BUG, "1676", "1637", "20"),
    CS(twostage_100, BUG, "7466 (3)", "6674 (3)", "454"),
    CS(wronglock, BUG, "51", "10", "7"),
    CS(wronglock_3, BUG, "58", "11", "9"),
    {0}};
