/*
 * ready_model.c - a worker's ready queue (runtime/sched/ready.c) in the
 * explorer, with four slots and windows of two.
 *
 * Oracle: every fiber that was pushed is taken exactly once or still there,
 * who takes it sees what was written before the push, the owner takes in the
 * order of its pushes, and an owner that found nothing has room for a push.
 */
#include "runtime/sched/ready.h"

#include <string.h>

_Static_assert(READY_SLOTS == 4 && READY_WINDOW == 2, "compile with these two defined so");

enum { ITEMS = 8 };

bool thrum_asymmetric;

static struct ready_queue queue;
static struct item {
    uint64_t content;
    unsigned pushed;
    unsigned taken;
} items[ITEMS];
static int newest_own; /* of those that the owner took */
static bool owner_found_nothing;
static bool open; /* the windows that it makes */

static void begin_in(bool asymmetric)
{
    static const char *const slots[] = {"slot 0", "slot 1", "slot 2", "slot 3"};

    thrum_asymmetric = asymmetric;
    newest_own = -1;
    owner_found_nothing = false;
    open = false;
    memset(&queue, 0, sizeof(queue));
    memset(items, 0, sizeof(items));
    model_name(&queue.mine, "mine");
    model_name(&queue.ceiling, "ceiling");
    model_name(&queue.tail, "tail");
    model_name(&queue.shared.lo, "head");
    model_name(&queue.shared.hi, "gap");
    for (int i = 0; i < READY_SLOTS; i++)
        model_name(&queue.slots[i], slots[i]);
}

static int use(struct item *item)
{
    if (!item)
        return -1;
    MODEL_CHECK(item >= items && item < items + ITEMS);
    MODEL_CHECK(model_read(&item->content) == (uint64_t)(item - items) + 1);
    item->taken++;
    MODEL_CHECK(item->taken == 1);
    return (int)(item - items);
}

static bool push(int number)
{
    model_write(&items[number].content, (uint64_t)number + 1);
    items[number].pushed = ready_push(&queue, &items[number]);
    owner_found_nothing = false;
    return items[number].pushed;
}

static bool take(void)
{
    struct item *shown = ready_peek(&queue);
    int number = use(ready_take(&queue, open));

    MODEL_CHECK(number < 0 || shown); /* shown and gone is possible, not the reverse */
    MODEL_CHECK(number < 0 || number > newest_own);
    if (number >= 0)
        newest_own = number;
    owner_found_nothing = number < 0;
    return number >= 0;
}

static void steal(void)
{
    struct item *item = thrum_ready_steal(&queue, READY_ANY);

    if (item)
        model_relied_on(word_of(item));
    use(item);
}

static void revoke(void)
{
    struct item *item = thrum_ready_revoke(&queue);

    if (item)
        model_relied_on(word_of(item));
    use(item);
}

static void check(void)
{
    if (owner_found_nothing)
        MODEL_CHECK(thrum_ready_empty(&queue));
    while (take())
        continue;
    MODEL_CHECK(thrum_ready_empty(&queue));
    for (int i = 0; i < ITEMS; i++)
        MODEL_CHECK(items[i].taken == items[i].pushed);
    for (int i = 0; i < READY_SLOTS; i++)
        MODEL_CHECK(ready_push(&queue, &items[0]));
}

/* Empty; two shared; a window of two and one shared. */
static void begin(void) { begin_in(true); }
static void begin_fences(void) { begin_in(false); }
static void two(void) { push(0); push(1); }
static void begin_2(void) { begin(); two(); }
static void begin_2_fences(void) { begin_fences(); two(); }
static void window(void) { two(); push(2); take(); push(3); }
static void begin_window(void) { begin(); window(); }
static void begin_window_fences(void) { begin_fences(); window(); }

/*
 * The same, and open windows from here on; one with a fiber; one with room for a fiber.
 */
static void begin_open(void) { begin_window(); open = true; }
static void begin_open_fences(void) { begin_window_fences(); open = true; }
static void ajar(void) { open = true; two(); take(); take(); push(2); take(); push(3); }
static void begin_ajar(void) { begin(); ajar(); }
static void begin_ajar_fences(void) { begin_fences(); ajar(); }
static void roomy(void) { open = true; push(0); take(); }
static void begin_roomy(void) { begin(); roomy(); }
static void begin_roomy_fences(void) { begin_fences(); roomy(); }

static void owner_take(void) { take(); }
static void owner_take_two(void) { take(); take(); }
static void owner_take_all(void) { while (take()) continue; }
static void owner_push_two(void) { push(4); push(5); }
static void owner_push_take(void) { push(4); take(); take(); }
static void owner_round(void) { take(); push(4); push(5); take(); take(); }
static void owner_overwrite(void) { take(); take(); push(4); push(5); push(6); take(); }

static void owner_keep(void) { thrum_ready_keep(&queue); take(); }
static void owner_keep_all(void) { take(); thrum_ready_keep(&queue); while (take()) continue; }
static void owner_push_keep(void) { push(4); thrum_ready_keep(&queue); push(5); take(); take(); }

static void thief(void) { steal(); }
static void thief_twice(void) { steal(); steal(); }
static void revoker(void) { revoke(); }
static void ask_and_steal(void) { thrum_ready_ask(&queue); steal(); steal(); }
static void revoker_twice(void) { revoke(); revoke(); }
static void revoke_and_steal(void) { revoke(); steal(); }

/* Somebody goes to sleep: what is published before its heavy fence is seen. */

static uint32_t awake;
static uint64_t sleepers;

static void begin_sleep(void) { begin(); awake = 0; sleepers = 0; }
static void begin_sleep_fences(void) { begin_fences(); awake = 0; sleepers = 0; }

static void owner_wakes(void)
{
    push(4);
    fence_light();
    if (load_relaxed(&sleepers) == 0) /* relaxed: fenced */
        return;
    store_release(&awake, 1);
    model_futex_wake(&awake, 1);
}

static void sleeper(void)
{
    store_relaxed(&sleepers, 1); /* relaxed: the heavy fence orders it */
    fence_heavy();
    while (thrum_ready_empty(&queue) && load_acquire(&awake) == 0)
        model_futex_wait(&awake, 0);
    steal();
}

/* The same for what stands in the window: taken by who saw it. */
static void watcher(void)
{
    if (!thrum_ready_empty(&queue))
        revoke();
}

#define BOTH(text, start, ...)                                         \
    {text, start, {__VA_ARGS__}, check, 0, 0, false},                  \
    {text ", fences", start##_fences, {__VA_ARGS__}, check, 0, 0, false}
#define LESS(text, start, ...)                                         \
    {text, start, {__VA_ARGS__}, check, 1, 1, false},                  \
    {text ", fences", start##_fences, {__VA_ARGS__}, check, 1, 1, false}

static const struct model models[] = {
    BOTH("push and steal", begin, owner_push_two, thief),
    BOTH("take and steal", begin_2, owner_take, thief),
    BOTH("all and steal", begin_2, owner_take_all, thief_twice),
    BOTH("push, take and steal", begin_2, owner_push_take, thief),
    BOTH("revoke", begin_window, owner_take_two, revoker),
    LESS("revoke twice", begin_window, owner_take_all, revoker_twice),
    BOTH("revoke the fresh", begin, owner_push_take, revoker),
    BOTH("round", begin_window, owner_round, revoker),
    BOTH("round against thieves", begin_window, owner_round, thief_twice),
    LESS("overwrite", begin_window, owner_overwrite, revoke_and_steal),
    BOTH("overwrite stolen", begin_2, owner_overwrite, thief_twice),
    BOTH("keep", begin_2, owner_keep, thief_twice),
    BOTH("keep and revoke", begin_2, owner_keep, revoke_and_steal),
    BOTH("keep what there is", begin_window, owner_keep_all, revoke_and_steal),
    BOTH("keep the only one", begin, owner_push_keep, revoke_and_steal),
    LESS("keep, revoker and thief", begin_window, owner_keep_all, revoker, thief),
    BOTH("sleep", begin_sleep, owner_wakes, sleeper),
    BOTH("watch", begin_window, owner_take_two, watcher),
    {"two revokers", begin_window, {owner_take_two, revoker, revoker}, check, 1, 2, false},
    {"two revokers, fences", begin_window_fences, {owner_take_all, revoker, revoker}, check, 1, 1,
     false},
    LESS("revoker and thief", begin_window, owner_take_all, revoker, thief_twice),
    LESS("revoker, thief, round", begin_window, owner_round, revoker, thief),
    LESS("open, revoke", begin_open, owner_take_all, revoker_twice),
    BOTH("open, push", begin_open, owner_push_take, revoker),
    LESS("open, round", begin_open, owner_round, revoke_and_steal),
    BOTH("open, ask", begin_open, owner_round, ask_and_steal),
    BOTH("ajar, revoke", begin_ajar, owner_take_all, revoker_twice),
    BOTH("roomy, push", begin_roomy, owner_push_two, revoker_twice),
    BOTH("roomy, push and take", begin_roomy, owner_push_take, revoke_and_steal),
    BOTH("roomy, round", begin_roomy, owner_round, revoker),
    BOTH("ajar, push", begin_ajar, owner_push_take, revoke_and_steal),
    BOTH("ajar, round", begin_ajar, owner_round, revoke_and_steal),
    BOTH("ajar, ask", begin_ajar, owner_round, ask_and_steal),
    LESS("ajar, overwrite", begin_ajar, owner_overwrite, revoke_and_steal),
    BOTH("ajar, watch", begin_ajar, owner_push_take, watcher),
    LESS("ajar, revoker and thief", begin_ajar, owner_round, revoker, thief),
};

int main(int argc, char **argv)
{
    static const char *const subjects[] = {"runtime/sched/ready.", NULL};

    return model_main(argc, argv, models, sizeof(models) / sizeof(*models), subjects);
}
