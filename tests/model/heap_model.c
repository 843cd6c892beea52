/*
 * heap_model.c - the heap of deadlines (runtime/work/heap.c) and its timers
 * (runtime/sched/timers.c) in the explorer: one owner, and somebody who looks.
 *
 * Oracles: a scan that calls itself exact has seen all that was there from its
 * beginning to its end, wherever the owner stands; a worker's timers that are
 * due have been ended, each of them, after an exact rescue and, together, when
 * owner and rescuer are done; nobody ends one early or one that was called off.
 */
#include <string.h>

#include "runtime/plat/clock.h"
#include "runtime/plat/memory.h"
#include "runtime/sched/internal.h"

enum { ITEMS = 12, SLEEPS = 4 };

static struct worker worker;
static struct scheduler scheduler;
static int64_t owners_now, rescuers_now;

/* ---- the world below ------------------------------------------------------------------------ */

void *thrum_memory_get_raw(size_t bytes, size_t align)
{
    (void)align;
    return model_alloc(bytes);
}

void thrum_memory_put(void *memory)
{
    model_free(memory);
}

void thrum_panic(const char *format, ...)
{
    model_fail(__FILE__, __LINE__, format);
}

int64_t thrum_clock_now(void)
{
    return model_self() == 1 ? rescuers_now : owners_now;
}

/* Whether a scheduler is at rest is not the question here. */
void thrum_worker_stirs(struct scheduler *where)
{
    (void)where;
}

void thrum_worker_rests(struct scheduler *where)
{
    (void)where;
}

/* Only the owner arms. */
__thread struct thrum_lane *thrum_lane_here = &worker.deque.lane;

/* The owner's thread is the first; and so is what came before. */
struct worker *thrum_worker_self(void)
{
    return model_self() <= 0 ? &worker : NULL;
}

/* ---- scans ---------------------------------------------------------------------------------- */

static struct item {
    uint64_t there; /* atomic: in the heap; cleared before it is taken out */
    int64_t when;
    bool seen;      /* and if that was its time, it would be ended */
    uint64_t made;  /* plain: before it is in the heap */
} items[ITEMS];

static struct heap *const heap = &worker.timers.heap;

static void add(int number, int64_t when)
{
    items[number].when = when;
    model_write(&items[number].made, 1);
    MODEL_CHECK(thrum_heap_reserve(heap) == 0);
    thrum_heap_push(heap, (struct heap_entry){when, &items[number], (uint64_t)when});
    store_release(&items[number].there, 1);
}

static void take(size_t index)
{
    struct item *item = thrum_heap_at(heap, index).item;

    store_release(&item->there, 0);
    thrum_heap_remove(heap, index);
}

static bool see(void *arg, int64_t when, void *visited)
{
    struct item *item = visited;

    (void)arg;
    MODEL_CHECK(item >= items && item < items + ITEMS);
    item->seen = item->seen || when <= item->when;
    return true;
}

static bool scan(void)
{
    bool before[ITEMS];
    uint64_t version;

    for (int i = 0; i < ITEMS; i++) {
        before[i] = load_acquire(&items[i].there) != 0;
        items[i].seen = false;
    }
    if (!thrum_heap_scan(heap, see, NULL, &version))
        return false;
    for (int i = 0; i < ITEMS; i++)
        MODEL_CHECK(!before[i] || items[i].seen || load_acquire(&items[i].there) == 0);
    return true;
}
static void scanner(void) { scan(); }

/* What is first has been made. */
static bool meet(void *arg, int64_t when, void *visited)
{
    struct item *item = visited;

    (void)arg, (void)when;
    MODEL_CHECK(item >= items && item < items + ITEMS && model_read(&item->made) == 1);
    return false;
}

static void glance(void)
{
    uint64_t version;

    (void)thrum_heap_scan(heap, meet, NULL, &version);
}

static void begin_empty(void)
{
    memset(&worker.timers, 0, sizeof(worker.timers));
    thrum_timers_init(&worker.timers);
    memset(items, 0, sizeof(items));
    model_name(&heap->version, "version");
    model_name(&heap->count, "count");
}

static void begin_with(const int64_t *whens)
{
    begin_empty();
    for (int i = 0; whens[i] != 0; i++)
        add(i, whens[i]);
}
static void begin_few(void) { begin_with((const int64_t[]){5, 7, 9, 0}); }
static void begin_deep(void) { begin_with((const int64_t[]){1, 2, 8, 9, 8, 3, 4, 0}); }
/* The last is earlier than the parent of the first child's children. */
static void begin_skew(void)
{
    begin_with((const int64_t[]){1, 20, 2, 3, 4, 21, 22, 23, 24, 5, 0});
}

static void push_first(void) { add(9, 1); }
static void push_last(void) { add(9, 11); }
static void pop(void) { take(0); }
static void pop_two(void) { take(0); take(0); }
static void pop_push(void) { take(0); add(9, 1); }
static void push_pop(void) { add(9, 1); take(0); }
static void remove_leaf(void) { take(5); }

/* Once the owner has gone, a scan is exact. */
static void check_scan(void)
{
    bool exact = scan();

    MODEL_CHECK(exact);
    thrum_heap_fini(heap);
}

/* ---- timers --------------------------------------------------------------------------------- */

/* The task layer: a word that is the pending key, or 0. */
static struct sleep {
    struct timer timer;
    uint64_t word;  /* atomic */
    uint64_t armed; /* atomic: the key whose arming has returned */
    uint64_t key;
    int64_t when[3]; /* of each key */
    unsigned expired;
} sleeps[SLEEPS];

static bool pending(struct timer *timer, uint64_t key)
{
    struct sleep *sleep = container_of(timer, struct sleep, timer);

    MODEL_CHECK(sleep >= sleeps && sleep < sleeps + SLEEPS);
    return load_relaxed(&sleep->word) == key;
}

static void expire(struct timer *timer, uint64_t key)
{
    struct sleep *sleep = container_of(timer, struct sleep, timer);
    uint64_t seen = key;

    if (!cas_acq_rel(&sleep->word, &seen, 0))
        return;
    MODEL_CHECK(model_read(&sleep->when[key]) <= thrum_clock_now());
    sleep->expired++;
}

static const struct task_verbs verbs = {.pending = pending, .expire = expire};

static void arm(int number, int64_t when)
{
    struct sleep *sleep = &sleeps[number];

    sleep->key++;
    model_write(&sleep->when[sleep->key], when);
    store_release(&sleep->word, sleep->key);
    MODEL_CHECK(thrum_timer_arm(&sleep->timer, when, sleep->key) == 0);
    store_release(&sleep->armed, sleep->key);
}

static void call_off(int number)
{
    struct sleep *sleep = &sleeps[number];
    uint64_t seen = sleep->key;

    store_release(&sleep->armed, 0);
    if (cas_acq_rel(&sleep->word, &seen, 0))
        thrum_timer_disarm(&sleep->timer, sleep->key);
}

static void begin_timers(void)
{
    begin_empty();
    memset(sleeps, 0, sizeof(sleeps));
    worker.scheduler = &scheduler;
    scheduler.verbs = &verbs;
    owners_now = rescuers_now = 100;
    for (int i = 0; i < SLEEPS; i++)
        model_name(&sleeps[i].word, "sleep");
}

/* What an exact rescue leaves: nothing that is due, of what was armed before. */
static void rescue_times(int times)
{
    struct rescue rescue = {.exact = false};

    for (; times-- > 0; rescuers_now = 300) {
        uint64_t before[SLEEPS];

        for (int i = 0; i < SLEEPS; i++)
            before[i] = load_acquire(&sleeps[i].armed);
        rescue.not_before = 0;
        thrum_timers_rescue(&worker, &rescue, rescuers_now);
        for (int i = 0; rescue.exact && i < SLEEPS; i++)
            MODEL_CHECK(before[i] == 0 || add_relaxed(&sleeps[i].word, 0) != before[i] ||
                        sleeps[i].when[before[i]] > rescuers_now);
    }
}
static void rescuer(void) { rescue_times(1); }
static void rescuer_twice(void) { rescue_times(2); }
static void rescuer_thrice(void) { rescue_times(3); }

static void begin_far(void)
{
    begin_timers();
    arm(0, 200);
}
static void arm_one(void) { arm(1, 50); }
static void arm_two(void) { arm(0, 50); arm(1, 40); }
static void arm_and_expire(void) { arm_two(); thrum_timers_expire(&worker, owners_now); }
static void arm_again(void) { arm(0, 50); call_off(0); arm(0, 200); }
static void arm_sooner(void) { arm(0, 200); call_off(0); arm(0, 50); }
static void arm_call_off(void) { arm(0, 50); arm(1, 60); call_off(0); arm(2, 70); }

/* All have gone, and the clock looks once more. */
static void check_timers(void)
{
    owners_now = 300;
    rescue_times(1);
    for (int i = 0; i < SLEEPS; i++)
        MODEL_CHECK(sleeps[i].expired <= sleeps[i].key);
    thrum_heap_fini(heap);
}

#define T(text, start, check, ...) {text, start, {__VA_ARGS__}, check, 0, 0, false}

static const struct model models[] = {
    T("push first", begin_few, check_scan, push_first, scanner),
    T("push last", begin_few, check_scan, push_last, scanner),
    T("pop", begin_deep, check_scan, pop, scanner),
    T("pop two", begin_deep, check_scan, pop_two, scanner),
    T("pop and push", begin_deep, check_scan, pop_push, scanner),
    T("push and pop", begin_deep, check_scan, push_pop, scanner),
    T("remove", begin_skew, check_scan, remove_leaf, scanner),
    T("glance", begin_few, check_scan, push_first, glance),
    T("glance at an empty one", begin_empty, check_scan, push_first, glance),
    T("arm", begin_timers, check_timers, arm_two, rescuer),
    T("arm, two looks", begin_timers, check_timers, arm_two, rescuer_twice),
    T("arm, another waits", begin_far, check_timers, arm_one, rescuer_thrice),
    T("expire", begin_timers, check_timers, arm_and_expire, rescuer),
    T("later", begin_timers, check_timers, arm_again, rescuer_twice),
    T("sooner", begin_timers, check_timers, arm_sooner, rescuer_twice),
    T("call off", begin_timers, check_timers, arm_call_off, rescuer),
};

int main(int argc, char **argv)
{
    static const char *const subjects[] = {"runtime/work/heap.", "runtime/sched/timers.", NULL};

    return model_main(argc, argv, models, sizeof(models) / sizeof(*models), subjects);
}
