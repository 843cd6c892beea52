/*
 * inject_model.c - the injection queue (runtime/work/inject.c) in the
 * explorer.
 *
 * Oracle: every item is taken exactly once, in the order of arrival; who takes
 * it sees what was written before the push; and "empty" is never said while an
 * item is there. Nodes wander from takers back into pushes, so that a sleeper
 * meets a node again in another place.
 */
#include "runtime/work/inject.h"

#include <string.h>

enum { ITEMS = 6, NODES = 8 };

static struct inject queue;
static struct inject_node nodes[NODES];
static struct item {
    uint64_t content;
    unsigned pushed;
    unsigned taken;
} items[ITEMS];

static void begin(void)
{
    static const char *const names[] = {"node 0", "node 1", "node 2", "node 3",
                                        "node 4", "node 5", "node 6", "node 7"};

    memset(nodes, 0, sizeof(nodes));
    memset(items, 0, sizeof(items));
    thrum_inject_init(&queue, &nodes[0]);
    model_name(&queue.head.lo, "head");
    model_name(&queue.head.hi, "head version");
    model_name(&queue.tail.lo, "tail");
    model_name(&queue.tail.hi, "tail version");
    for (int i = 0; i < NODES; i++)
        model_name(&nodes[i].next.lo, names[i]);
}

static void push_with(struct inject_node *node, int number)
{
    model_write(&items[number].content, (uint64_t)number + 1);
    items[number].pushed = 1;
    thrum_inject_push(&queue, node, &items[number]);
}

/* Item n comes with node n + 1. */
static void push(int number)
{
    push_with(&nodes[number + 1], number);
}

/* -1: empty. */
static int take(struct inject_node **spare)
{
    struct item *item = thrum_inject_take(&queue, spare);

    if (!item)
        return -1;
    model_relied_on(word_of(item));
    MODEL_CHECK(item >= items && item < items + ITEMS);
    MODEL_CHECK(model_read(&item->content) == (uint64_t)(item - items) + 1);
    item->taken++;
    MODEL_CHECK(item->taken == 1);
    return (int)(item - items);
}

static void check(void)
{
    struct inject_node *spare;

    while (take(&spare) >= 0)
        continue;
    MODEL_CHECK(thrum_inject_empty(&queue));
    for (int i = 0; i < ITEMS; i++)
        MODEL_CHECK(items[i].taken == items[i].pushed);
}

static void begin_1(void) { begin(); push(0); }
static void begin_2(void) { begin(); push(0); push(1); }

static void push_2(void) { push(2); }
static void push_3(void) { push(3); }
static void push_two(void) { push(2); push(3); }

static void take_one(void)
{
    struct inject_node *spare;

    take(&spare);
}

/* The two items of one pusher come in their order. */
static void take_two(void)
{
    struct inject_node *spare;
    int first = take(&spare), second = take(&spare);

    MODEL_CHECK(first < 0 || second < 0 || first < second);
}

static void take_any_two(void)
{
    take_one();
    take_one();
}

/* As many takes as pushes, never before them: none may find it empty. */
static void push_take(int number)
{
    struct inject_node *spare;

    push(number);
    MODEL_CHECK(take(&spare) >= 0);
}
static void push_take_2(void) { push_take(2); }
static void push_take_3(void) { push_take(3); }

static void must_take(void)
{
    struct inject_node *spare;

    MODEL_CHECK(!thrum_inject_empty(&queue));
    MODEL_CHECK(take(&spare) >= 0);
}

/* A spare goes back at once: the same node, in another place. */
static void recycle(void)
{
    struct inject_node *spare;

    if (take(&spare) >= 0)
        push_with(spare, 4);
}

static void recycle_twice(void)
{
    struct inject_node *spare;

    if (take(&spare) >= 0)
        push_with(spare, 4);
    if (take(&spare) >= 0)
        push_with(spare, 5);
}

/* Wait until the queue says that it is not empty: then an item is there. */
static void watch(void)
{
    struct inject_node *spare;

    while (thrum_inject_empty(&queue))
        model_yield();
    MODEL_CHECK(take(&spare) >= 0);
}

#define T(text, start, ...) {text, start, {__VA_ARGS__}, check, 0, 0, false}

static const struct model models[] = {
    T("push and take", begin, push_2, take_one),
    T("order", begin, push_two, take_two),
    T("two pushers", begin, push_2, push_3),
    T("two takers", begin_2, must_take, must_take),
    T("watch", begin, push_2, watch),
    T("never empty", begin, push_take_2, push_take_3),
    {"never empty, recycled", begin_1, {push_take_2, recycle}, check, 1, -2, false},
    {"never empty, recycled twice", begin_1, {push_take_2, recycle_twice}, check, 0, 1, false},
    T("recycle", begin_1, recycle, push_2),
    T("recycle twice", begin_2, recycle_twice, push_2),
    T("recycle against a taker", begin_2, recycle_twice, take_two),
    T("two pushers, a taker", begin, push_2, push_3, take_any_two),
    T("two takers, a pusher", begin_1, recycle, take_one, push_2),
};

int main(int argc, char **argv)
{
    static const char *const subjects[] = {"runtime/work/inject.", NULL};

    return model_main(argc, argv, models, sizeof(models) / sizeof(*models), subjects);
}
