/* other.c - two programs of Inspect, and SafeStack. */
#include "tests/bugs/kit.h"

/* ---- boundedBuffer: producers and consumers share one condition, and wake one of them ------------- */

enum { ROOM = 1, EACH = 2 };

static struct {
    thrum_mutex mutex;
    thrum_cond cond;
    int count;
} buffer;

static int buffer_put(void *arg)
{
    (void)arg;
    for (int i = 0; i < EACH; i++) {
        LOCK(buffer.mutex);
        while (LOAD(buffer.count) == ROOM)
            WAIT(buffer.cond, buffer.mutex);
        ADD(buffer.count, 1);
        thrum_cond_notify(&buffer.cond, 1);
        UNLOCK(buffer.mutex);
    }
    return 0;
}

static int buffer_get(void *arg)
{
    (void)arg;
    for (int i = 0; i < EACH; i++) {
        LOCK(buffer.mutex);
        while (LOAD(buffer.count) == 0)
            WAIT(buffer.cond, buffer.mutex);
        ADD(buffer.count, -1);
        thrum_cond_notify(&buffer.cond, 1);
        UNLOCK(buffer.mutex);
    }
    return 0;
}

static int boundedBuffer(void *arg)
{
    (void)arg;
    memset(&buffer, 0, sizeof buffer);
    return TOGETHER(buffer_put, buffer_put, buffer_get, buffer_get);
}

/* ---- qsort_mt: a helper looks for work without the lock, and then sleeps; its signal is lost -------- */

enum { HELPERS = 2, PIECES = 3 };

static struct {
    thrum_mutex mutex;
    struct {
        thrum_mutex mutex;
        thrum_cond cond;
        int state; /* 0 idle, 1 has work, 2 is to end */
    } helpers[HELPERS];
    int idle;
    int work[PIECES];
} sort;

static int sort_piece(int piece)
{
    ADD(sort.work[piece], 1);
    return 0;
}

/* Give work to a helper that is idle. */
static int sort_give(int piece)
{
    int chosen = -1;

    LOCK(sort.mutex);
    for (int i = 0; i < HELPERS && chosen < 0; i++)
        if (LOAD(sort.helpers[i].state) == 0)
            chosen = i;
    if (chosen >= 0) {
        STORE(sort.helpers[chosen].state, 1);
        ADD(sort.idle, -1);
    }
    UNLOCK(sort.mutex);
    if (chosen < 0)
        return sort_piece(piece);
    thrum_cond_notify(&sort.helpers[chosen].cond, 1); /* without its lock */
    return 0;
}

static int sort_help(int self)
{
    for (;;) {
        LOCK(sort.helpers[self].mutex);
        while (LOAD(sort.helpers[self].state) == 0)
            WAIT(sort.helpers[self].cond, sort.helpers[self].mutex);
        UNLOCK(sort.helpers[self].mutex);
        if (LOAD(sort.helpers[self].state) == 2)
            return 0;
        DO(sort_piece(self));
        LOCK(sort.mutex);
        STORE(sort.helpers[self].state, 0);
        ADD(sort.idle, 1);
        if (LOAD(sort.idle) == HELPERS + 1) /* all is done: the last one ends all */
            for (int i = 0; i < HELPERS; i++) {
                LOCK(sort.helpers[i].mutex);
                STORE(sort.helpers[i].state, 2);
                thrum_cond_notify(&sort.helpers[i].cond, 1);
                UNLOCK(sort.helpers[i].mutex);
            }
        UNLOCK(sort.mutex);
    }
}

static int sort_help_0(void *arg)
{
    (void)arg;
    return sort_help(0);
}

static int sort_help_1(void *arg)
{
    (void)arg;
    return sort_help(1);
}

static int sort_main(void *arg)
{
    (void)arg;
    for (int i = 0; i < PIECES; i++)
        DO(sort_give(i));
    LOCK(sort.mutex);
    ADD(sort.idle, 1);
    if (LOAD(sort.idle) == HELPERS + 1)
        for (int i = 0; i < HELPERS; i++) {
            LOCK(sort.helpers[i].mutex);
            STORE(sort.helpers[i].state, 2);
            thrum_cond_notify(&sort.helpers[i].cond, 1);
            UNLOCK(sort.helpers[i].mutex);
        }
    UNLOCK(sort.mutex);
    return 0;
}

static int qsort_mt(void *arg)
{
    (void)arg;
    memset(&sort, 0, sizeof sort);
    sort.idle = HELPERS;
    return TOGETHER(sort_help_0, sort_help_1, sort_main);
}

/* ---- SafeStack: a free list by index (Vyukov), in which an index is given to two, after 15 switches - */

enum { SLOTS = 3 };

static struct {
    int head, count;
    int next[SLOTS], value[SLOTS];
} safe;

static int safe_pop(void)
{
    while (LOAD(safe.count) > 1) {
        int first = LOAD(safe.head);
        int second = exchange(&safe.next[first], -1);

        if (second < 0)
            continue;
        if (swap_if(&safe.head, first, second)) {
            add(&safe.count, -1);
            return first;
        }
        exchange(&safe.next[first], second);
    }
    return -1;
}

static void safe_push(int index)
{
    int first;

    do {
        first = LOAD(safe.head);
        STORE(safe.next[index], first);
    } while (!swap_if(&safe.head, first, index));
    add(&safe.count, 1);
}

static int safe_user(int self)
{
    for (int i = 0; i < 2; i++) {
        int index = safe_pop();

        while (index < 0) {
            DO(thrum_checkpoint());
            index = safe_pop();
        }
        STORE(safe.value[index], self);
        ASSERT(LOAD(safe.value[index]) == self);
        safe_push(index);
    }
    return 0;
}

static int safe_1(void *arg)
{
    (void)arg;
    return safe_user(1);
}

static int safe_2(void *arg)
{
    (void)arg;
    return safe_user(2);
}

static int safe_3(void *arg)
{
    (void)arg;
    return safe_user(3);
}

static int SafeStack(void *arg)
{
    (void)arg;
    memset(&safe, 0, sizeof safe);
    safe.count = SLOTS;
    safe.next[0] = 1;
    safe.next[1] = 2;
    safe.next[2] = -1;
    return TOGETHER(safe_1, safe_2, safe_3);
}

const struct bug bugs_other[] = {
    {"Inspect/boundedBuffer", boundedBuffer, THRUM_EDEADLOCK, 10000, "20", "5", "9",
     "- ? condition"},
    {"Inspect/qsort_mt", qsort_mt, THRUM_EDEADLOCK, 10000, "4714 (14)", "3004 (18)", "3048 (19)",
     "? condition? ? condition?"},
    {"SafeStack", SafeStack, BUG, 2000000, "never", "never", "368921 (19)", ""},
    {0}};
