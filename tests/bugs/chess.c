/* chess.c - work-stealing queues with a step left out, after those that CHESS was shown with. */
#include "tests/bugs/kit.h"

enum { ITEMS = 4, STEALS = 2 };

/*
 * One owner pushes and pops at the tail, one thief steals at the head. Each item is to be taken
 * once. `state` is what a queue with states keeps of each slot: 0 empty, 1 full, 2 taken.
 */
static struct {
    thrum_mutex mutex;
    int head, tail;
    int items[16];
    int state[16];
    int taken[ITEMS];
} deque;

static int deque_take(int item)
{
    ASSERT(add(&deque.taken[item], 1) == 1);
    return 0;
}

static int deque_push(int item)
{
    int tail = LOAD(deque.tail);

    STORE(deque.items[tail], item);
    STORE(deque.tail, tail + 1);
    return 0;
}

/* ---- WorkStealQueue: the owner takes the last item without the lock ------------------------------- */

static int locked_pop(void)
{
    int tail = LOAD(deque.tail) - 1;

    STORE(deque.tail, tail);
    if (LOAD(deque.head) <= tail) /* equal: a thief may be at it, and only the lock would tell */
        return deque_take(LOAD(deque.items[tail]));
    STORE(deque.tail, tail + 1);
    return 0;
}

static int locked_steal(void)
{
    int head, item = -1;

    LOCK(deque.mutex);
    head = LOAD(deque.head);
    if (head < LOAD(deque.tail)) {
        item = LOAD(deque.items[head]);
        STORE(deque.head, head + 1);
    }
    UNLOCK(deque.mutex);
    return item < 0 ? 0 : deque_take(item);
}

/* ---- InterlockedWorkStealQueue: the thief does not take the head by an atomic step ------------------ */

static int interlocked_pop(void)
{
    int tail = LOAD(deque.tail) - 1, head;

    if (tail < 0)
        return 0;
    exchange(&deque.tail, tail);
    head = LOAD(deque.head);
    if (head < tail)
        return deque_take(LOAD(deque.items[tail]));
    STORE(deque.tail, tail + 1);
    if (head > tail || !swap_if(&deque.head, head, head + 1))
        return 0;
    return deque_take(LOAD(deque.items[tail]));
}

static int interlocked_steal(void)
{
    int head = LOAD(deque.head);
    int item;

    if (head >= LOAD(deque.tail))
        return 0;
    item = LOAD(deque.items[head]);
    if (LOAD(deque.head) != head) /* looked at and then changed, which is two steps */
        return 0;
    STORE(deque.head, head + 1);
    return deque_take(item);
}

/* ---- with states: a slot says whether it is full -------------------------------------------------- */

static int state_push(int item)
{
    int tail = LOAD(deque.tail);

    STORE(deque.items[tail], item);
    STORE(deque.state[tail], 1);
    STORE(deque.tail, tail + 1);
    return 0;
}

static int state_pop(void)
{
    int tail = LOAD(deque.tail) - 1;

    if (tail < 0)
        return 0;
    STORE(deque.tail, tail);
    if (LOAD(deque.state[tail]) != 1) /* looked at, */
        return 0;
    STORE(deque.state[tail], 2); /* and then changed */
    return deque_take(LOAD(deque.items[tail]));
}

static int state_steal(void)
{
    int item = -1;

    LOCK(deque.mutex);
    if (LOAD(deque.head) < LOAD(deque.tail)) {
        int head = LOAD(deque.head);

        if (LOAD(deque.state[head]) == 1) {
            item = LOAD(deque.items[head]);
            STORE(deque.state[head], 2);
            STORE(deque.head, head + 1);
        }
    }
    UNLOCK(deque.mutex);
    return item < 0 ? 0 : deque_take(item);
}

static int interlocked_state_steal(void)
{
    int head = LOAD(deque.head);

    if (head >= LOAD(deque.tail) || !swap_if(&deque.state[head], 1, 2))
        return 0;
    STORE(deque.head, head + 1);
    return deque_take(LOAD(deque.items[head]));
}

#define DEQUE(name, push, pop, steal)                \
    static int name##_owner(void *arg)               \
    {                                                \
        (void)arg;                                   \
        for (int i = 0; i < ITEMS; i += 2) {         \
            DO(push(i));                             \
            DO(push(i + 1));                         \
            DO(pop());                               \
        }                                            \
        DO(pop());                                   \
        return pop();                                \
    }                                                \
    static int name##_thief(void *arg)               \
    {                                                \
        (void)arg;                                   \
        for (int i = 0; i < STEALS; i++)             \
            DO(steal());                             \
        return 0;                                    \
    }                                                \
    static int name(void *arg)                       \
    {                                                \
        (void)arg;                                   \
        memset(&deque, 0, sizeof deque);             \
        return TOGETHER(name##_owner, name##_thief); \
    }

DEQUE(WorkStealQueue, deque_push, locked_pop, locked_steal)
DEQUE(InterlockedWorkStealQueue, deque_push, interlocked_pop, interlocked_steal)
DEQUE(StateWorkStealQueue, state_push, state_pop, state_steal)
DEQUE(InterlockedWorkStealQueueWithState, state_push, state_pop, interlocked_state_steal)

const struct bug bugs_chess[] = {
    {"Chess/InterlockedWorkStealQueue", InterlockedWorkStealQueue, BUG, 10000, "48", "14", "6", ""},
    {"Chess/InterlockedWorkStealQueueWithState", InterlockedWorkStealQueueWithState, BUG, 10000,
     "907", "5", "6", ""},
    {"Chess/StateWorkStealQueue", StateWorkStealQueue, BUG, 10000, "842", "6", "7", ""},
    {"Chess/WorkStealQueue", WorkStealQueue, BUG, 10000, "48", "12", "6", ""},
    {0}};
