/*
 * deque_model.c - the split deque (runtime/work/deque.c, thrum/detail/lane.h)
 * in the explorer: an owner against thieves that steal, ask and revoke, with
 * rings so small that they wrap and grow.
 *
 * Oracle: every task that was pushed is taken exactly once or still in the
 * deque, who takes it sees what was written before the push, and after a pop
 * that found nothing the owner's deque is empty.
 *
 * Each model stands here twice: with membarrier, and with the full fences
 * that stand for it where it is missing.
 */
#include "runtime/work/deque.h"

#include <errno.h>
#include <string.h>

#include "runtime/atomic/asymmetric.h"
#include "runtime/plat/memory.h"

enum { TASKS = 6 };

struct task {
    uint64_t content;
    unsigned pushed;
    unsigned taken;
};

static struct deque deque;
static struct task tasks[TASKS];
static bool owner_found_nothing;
static bool memory_is_short;

void *thrum_memory_get(size_t bytes, size_t align)
{
    (void)align;
    return memory_is_short ? NULL : memset(model_alloc(bytes), 0, bytes);
}

void *thrum_memory_get_raw(size_t bytes, size_t align)
{
    (void)align;
    return memory_is_short ? NULL : model_alloc(bytes);
}

void thrum_memory_put(void *memory)
{
    model_free(memory);
}

/* ---- the steps of models ------------------------------------------------ */

static void use(struct task *task)
{
    if (!task)
        return;
    MODEL_CHECK(task >= tasks && task < tasks + TASKS);
    MODEL_CHECK(model_read(&task->content) == (uint64_t)(task - tasks) + 1);
    task->taken++;
    MODEL_CHECK(task->taken == 1);
}

static void push(int number)
{
    struct task *task = &tasks[number];

    model_write(&task->content, (uint64_t)number + 1);
    task->pushed = 1;
    owner_found_nothing = false;
    if (!thrum_lane_push(&deque.lane, task))
        MODEL_CHECK(thrum_deque_pushed(&deque) == 0);
}

static struct task *pop(void)
{
    struct task *task = thrum_lane_pop(&deque.lane);

    if (!task)
        task = thrum_deque_pop(&deque);
    use(task);
    owner_found_nothing = !task;
    return task;
}

static struct task *take(void)
{
    struct task *task = thrum_deque_take(&deque);

    use(task);
    owner_found_nothing = !task;
    return task;
}

static void pop_all(void)
{
    while (pop())
        continue;
}

static void steal(void)
{
    struct task *task = thrum_deque_steal(&deque);

    if (task)
        model_relied_on(word_of(task));
    use(task);
}

static void ask(void)
{
    thrum_deque_ask(&deque);
}

static void revoke(void)
{
    thrum_deque_revoke(&deque);
}

/* ---- beginnings and ends ------------------------------------------------ */

static void begin(bool asymmetric, uint64_t capacity)
{
    thrum_asymmetric = asymmetric;
    owner_found_nothing = memory_is_short = false;
    memset(&deque, 0, sizeof(deque));
    memset(tasks, 0, sizeof(tasks));
    MODEL_CHECK(thrum_deque_init(&deque, capacity) == 0);
    model_name(&deque.lane.bottom, "bottom");
    model_name(&deque.lane.limit, "lane.limit");
    model_name(&deque.lane.floor, "lane.floor");
    model_name(&deque.limit, "limit");
    model_name(&deque.floor, "floor");
    model_name(&deque.shared.lo, "top");
    model_name(&deque.shared.hi, "count");
    model_name(&deque.ring, "ring");
}

static void begin_2(void) { begin(true, 2); }
static void begin_2_fences(void) { begin(false, 2); }
static void begin_4(void) { begin(true, 4); }
static void begin_4_fences(void) { begin(false, 4); }

/* One task there, shared. */
static void shared_1(void) { push(0); thrum_deque_revoke(&deque); }
static void begin_shared_1(void) { begin_2(); shared_1(); }
static void begin_shared_1_fences(void) { begin_2_fences(); shared_1(); }

/* One private task, two, three. */
static void begin_private_1(void) { begin_2(); push(0); }
static void begin_private_1_fences(void) { begin_2_fences(); push(0); }
static void begin_private_2(void) { begin_2(); push(0); push(1); }
static void begin_private_2_fences(void) { begin_2_fences(); push(0); push(1); }
static void begin_private_3(void) { begin_4(); push(0); push(1); push(2); }
static void begin_private_3_fences(void) { begin_4_fences(); push(0); push(1); push(2); }

static void check(void)
{
    if (owner_found_nothing)
        MODEL_CHECK(thrum_deque_empty(&deque));
    pop_all();
    for (int i = 0; i < TASKS; i++)
        MODEL_CHECK(tasks[i].taken == tasks[i].pushed);
    MODEL_CHECK(thrum_deque_empty(&deque));
    thrum_deque_fini(&deque);
}

/* ---- threads ------------------------------------------------------------ */

static void owner_pop(void) { pop(); }
static void owner_pop_all(void) { pop_all(); }
static void owner_pop_push_pop(void) { pop(); push(4); pop(); }
static void owner_take_all(void) { while (take()) continue; }
static void owner_take_push(void) { take(); push(4); }
static void owner_fill(void) { push(3); push(4); push(5); }

/* The oldest that is shared then stands in the second ring only. */
static void owner_fill_and_take(void)
{
    owner_fill();
    take();
    take();
    ask();
    push(1);
}

static void owner_push_pop(void) { push(4); pop(); pop(); }

/* The same cell twice: popped, pushed anew, shared anew. */
static void owner_again(void) { pop(); push(4); push(5); pop(); }

/* Tasks that only `bottom` has published. */
static void owner_push_two(void) { push(4); push(5); }
static void owner_push_two_pop(void) { push(4); push(5); pop(); }

static void thief(void) { steal(); }
static void thief_twice(void) { steal(); steal(); }
static void asker(void) { ask(); steal(); }
static void revoker(void) { revoke(); steal(); }
static void revoker_twice(void) { revoke(); steal(); steal(); }
static void revoker_only(void) { revoke(); }
static void ask_and_revoke(void) { ask(); revoke(); steal(); }

/* Going to sleep against a push: the scheduler's use of alarm and empty. */

static uint32_t awake;    /* 0: sleeps, or is about to */
static uint64_t sleepers; /* atomic */

static void begin_alarm_in(bool asymmetric)
{
    begin(asymmetric, 4);
    awake = 0;
    sleepers = 0;
    model_name(&awake, "awake");
    model_name(&sleepers, "sleepers");
}
static void begin_alarm(void) { begin_alarm_in(true); }
static void begin_alarm_fences(void) { begin_alarm_in(false); }

static void push_and_wake(int number)
{
    model_write(&tasks[number].content, (uint64_t)number + 1);
    tasks[number].pushed = 1;
    owner_found_nothing = false;
    if (thrum_lane_push(&deque.lane, &tasks[number]))
        return;
    MODEL_CHECK(thrum_deque_pushed(&deque) == 0);
    if (load_relaxed(&sleepers) == 0) /* relaxed: behind the fence of thrum_deque_pushed */
        return;
    store_release(&awake, 1);
    model_futex_wake(&awake, 1);
}

static void owner_wakes(void) { push_and_wake(4); }

/* The first push puts the limit back. */
static void begin_alarm_asked(void) { begin_alarm(); ask(); }
static void begin_alarm_asked_fences(void) { begin_alarm_fences(); ask(); }
static void owner_wakes_again(void) { push_and_wake(4); pop(); push_and_wake(5); }

static void sleeper(void)
{
    store_relaxed(&sleepers, 1); /* relaxed: the fence orders it */
    fence_seq();
    thrum_deque_alarm(&deque);
    fence_heavy();
    while (thrum_deque_empty(&deque) && load_acquire(&awake) == 0)
        model_futex_wait(&awake, 0);
    revoke();
    steal();
}

static void owner_short_of_memory(void)
{
    memory_is_short = true;
    for (int i = 3; i < 6; i++) {
        struct task *task = &tasks[i];
        int err = 0;

        model_write(&task->content, (uint64_t)i + 1);
        task->pushed = 1;
        if (!thrum_lane_push(&deque.lane, task))
            err = thrum_deque_pushed(&deque);
        MODEL_CHECK(err == 0 || err == -ENOMEM);
        task->pushed = err == 0;
    }
}

#define BOTH(text, start, ...)                                                     \
    {text, start, {__VA_ARGS__}, check, 0, 0, false},                              \
    {text ", fences", start##_fences, {__VA_ARGS__}, check, 0, 0, false}
#define LESS(text, start, ...)                                                     \
    {text, start, {__VA_ARGS__}, check, 1, 1, false},                              \
    {text ", fences", start##_fences, {__VA_ARGS__}, check, 1, 1, false}

static const struct model models[] = {
    BOTH("last", begin_shared_1, owner_pop, thief),
    BOTH("last of two", begin_shared_1, owner_pop_all, thief, thief),
    BOTH("first push", begin_2, owner_push_pop, asker),
    BOTH("ask", begin_private_2, owner_pop_push_pop, asker),
    BOTH("revoke", begin_private_2, owner_pop_all, revoker),
    BOTH("revoke and again", begin_private_2, owner_again, revoker),
    BOTH("revoke twice", begin_private_2, owner_again, revoker_twice),
    BOTH("revoke three", begin_private_3, owner_pop_all, revoker),
    BOTH("take", begin_private_2, owner_take_all, revoker),
    BOTH("take asked", begin_private_2, owner_take_all, asker),
    BOTH("revoke the fresh", begin_4, owner_push_two, revoker),
    BOTH("revoke behind a pop", begin_4, owner_push_two_pop, revoker),
    BOTH("alarm", begin_alarm, owner_wakes, sleeper),
    BOTH("alarm after a request", begin_alarm_asked, owner_wakes_again, sleeper),
    BOTH("grow", begin_private_2, owner_fill, revoker),
    BOTH("grow shared", begin_shared_1, owner_fill, thief_twice),
    BOTH("grow and take", begin_shared_1, owner_fill_and_take, thief),
    BOTH("no memory", begin_private_2, owner_short_of_memory, revoker),
    BOTH("wrap", begin_shared_1, owner_again, asker),
    LESS("wrap, two thieves", begin_shared_1, owner_again, asker, thief),
    LESS("revoke for another", begin_4, owner_push_two, revoker_only, thief),
    {"two revokers", begin_private_2, {owner_pop_all, revoker, revoker_only}, check, 2, 1, false},
    {"two revokers, fences", begin_private_2_fences, {owner_pop_all, revoker, revoker_only}, check,
     1, 1, false},
    LESS("take and push, two revokers", begin_private_1, owner_take_push, revoker, revoker),
    LESS("ask and revoke", begin_private_2, owner_pop_push_pop, asker, revoker),
    LESS("ask and revoke, one", begin_private_3, owner_pop_all, ask_and_revoke, thief),
};

int main(int argc, char **argv)
{
    static const char *const subjects[] = {"runtime/work/deque.", "thrum/detail/lane.h", NULL};

    return model_main(argc, argv, models, sizeof(models) / sizeof(*models), subjects);
}
