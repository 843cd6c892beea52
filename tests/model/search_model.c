/*
 * search_model.c - sleeping and waking (runtime/sched/search.c, poller.c,
 * runtime/work/idle.c, runtime/sched/ready.h) in the explorer, over the real
 * deques and the real injection queue.
 *
 * Workers search until they have found something; publishers publish and then
 * are busy for good. There are as many things as searchers, so that a searcher
 * that sleeps for ever is a lost wake-up, which the explorer calls a deadlock.
 * So it is if a descriptor is ready and nobody polls.
 *
 * The clock moves by a fixed step at each look: far enough that a searcher
 * without work sleeps after one round, not so far that it never asks before it
 * revokes.
 */
#include <sched.h>
#include <string.h>

#include "runtime/atomic/asymmetric.h"
#include "runtime/plat/clock.h"
#include "runtime/plat/futex.h"
#include "runtime/plat/memory.h"
#include "runtime/sched/internal.h"

enum { WORKERS = 3, FIBERS = 4, CLOCK_STEP = 30000 };

static struct scheduler scheduler;
static struct worker workers[WORKERS];
static struct inject_node nodes[FIBERS + 1];
static struct fiber fibers[FIBERS];
static unsigned published[FIBERS], found[FIBERS];
static int64_t now;
static uint32_t eventfd;

/* ---- the world below ---------------------------------------------------- */

void *thrum_memory_get(size_t bytes, size_t align)
{
    (void)align;
    return memset(model_alloc(bytes), 0, bytes);
}

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
    return now += CLOCK_STEP;
}

int sched_yield(void)
{
    model_yield();
    return 0;
}

int thrum_futex_wait(const uint32_t *word, uint32_t expected, int64_t timeout_ns)
{
    (void)timeout_ns;
    model_futex_wait(word, expected);
    return 0;
}

void thrum_futex_wake(const uint32_t *word, int n)
{
    model_futex_wake(word, n);
}

/*
 * An eventfd, and one descriptor that will be ready once. The kernel writes and reads them under
 * one lock, which orders memory.
 */
enum { WAKE = 1, READY = 2, KEY = 7 };

static uint32_t kernel_take(uint32_t what)
{
    uint32_t seen = load_relaxed(&eventfd);

    while (seen & what && !cas_acquire(&eventfd, &seen, seen & ~what))
        continue;
    return seen & what;
}

static void kernel_add(uint32_t what)
{
    uint32_t seen = load_relaxed(&eventfd);

    while (!cas_release(&eventfd, &seen, seen | what))
        continue;
    model_futex_wake(&eventfd, 1);
}

static int found_in(uint32_t taken, struct poll_event *events)
{
    if (!(taken & READY))
        return 0;
    events[0] = (struct poll_event){KEY, POLL_READ};
    return 1;
}

int thrum_poll_wait(struct poll *poll, int64_t timeout_ns, struct poll_event events[POLL_MOST])
{
    uint32_t taken;

    (void)poll;
    (void)timeout_ns;
    while ((taken = kernel_take(WAKE | READY)) == 0)
        model_futex_wait(&eventfd, 0);
    return found_in(taken, events);
}

int thrum_poll_look(struct poll *poll, struct poll_event events[POLL_MOST])
{
    (void)poll;
    return found_in(kernel_take(READY), events);
}

void thrum_poll_wake(struct poll *poll)
{
    (void)poll;
    kernel_add(WAKE);
}

int thrum_poll_arm(struct poll *poll, int fd, uint32_t events, uint64_t key, bool *known)
{
    (void)poll, (void)fd, (void)events, (void)key, (void)known;
    return 0;
}

void thrum_poll_forget(struct poll *poll, int fd)
{
    (void)poll, (void)fd;
}

int thrum_poll_peek(int fd, uint32_t events)
{
    (void)fd, (void)events;
    return 0;
}

bool thrum_poll_valid(int fd)
{
    return fd >= 0;
}

/* A task in a deque is the fiber that will run it. */
struct fiber *thrum_fiber_for(struct worker *worker, void *task)
{
    (void)worker;
    return task;
}

/* What is armed is far away: who sleeps for it sleeps until called. */
void thrum_timers_expire(struct worker *worker, int64_t at)
{
    (void)worker;
    (void)at;
}

void thrum_timers_tidy(struct worker *worker)
{
    (void)worker;
}

bool thrum_timers_wanted(const struct worker *worker)
{
    (void)worker;
    return false;
}

int64_t thrum_scheduler_due(const struct scheduler *ours)
{
    (void)ours;
    return TIMER_NEVER;
}

int64_t thrum_scheduler_jump(struct scheduler *ours, int64_t due, int64_t most)
{
    (void)ours, (void)due, (void)most;
    return 0;
}

struct worker *thrum_worker_self(void)
{
    return NULL;
}

void thrum_scheduler_here(const struct scheduler *at)
{
    (void)at;
}

int64_t thrum_timers_patience(const struct timers *timers)
{
    (void)timers;
    return -1;
}

/* ---- beginnings and ends ------------------------------------------------ */

static void begin_worker(unsigned index)
{
    struct worker *worker = &workers[index];

    memset(&worker->deque, 0, sizeof(worker->deque));
    worker->ready.mine = worker->ready.ceiling = worker->ready.tail = 0;
    worker->ready.shared = (thrum_pair){0, 0};
    MODEL_CHECK(thrum_deque_init(&worker->deque, 4) == 0);
    worker->scheduler = &scheduler;
    worker->random = 1;
    worker->stole_at = 0;
    worker->in_vain = 0;
    worker->sight = (struct sight){0};
    worker->index = index;
    worker->notified = worker->retiring = 0;
    worker->timers.next_due = (uint64_t)TIMER_NEVER;
    worker->hand = 0;
    scheduler.workers[index] = word_of(worker);
}

static void name_words(void)
{
    static const char *const bottoms[] = {"bottom 0", "bottom 1", "bottom 2"};
    static const char *const limits[] = {"limit 0", "limit 1", "limit 2"};
    static const char *const notified[] = {"notified 0", "notified 1", "notified 2"};

    for (unsigned i = 0; i < WORKERS; i++) {
        model_name(&workers[i].deque.lane.bottom, bottoms[i]);
        model_name(&workers[i].deque.lane.limit, limits[i]);
        model_name(&workers[i].notified, notified[i]);
    }
    model_name(&scheduler.idle.state, "searchers");
    model_name(&scheduler.idle.sleeping[0], "sleeping");
    model_name(&scheduler.poller, "poller");
    model_name(&eventfd, "eventfd");
    model_name(&scheduler.inject.head.lo, "inject head");
}

static void begin(bool asymmetric, unsigned count)
{
    thrum_asymmetric = asymmetric;
    now = 0;
    eventfd = 0;
    memset(nodes, 0, sizeof(nodes));
    memset(fibers, 0, sizeof(fibers));
    memset(published, 0, sizeof(published));
    memset(found, 0, sizeof(found));
    thrum_idle_init(&scheduler.idle, WORKERS);
    thrum_inject_init(&scheduler.inject, &nodes[FIBERS]);
    scheduler.workers_max = WORKERS;
    scheduler.oversubscribed = true;
    scheduler.known = count;
    scheduler.busy = count;
    scheduler.poller = 0;
    scheduler.watches = 0;
    scheduler.looked_at = 0;
    for (unsigned i = 0; i < count; i++)
        begin_worker(i);
    for (unsigned i = 0; i < FIBERS; i++)
        fibers[i].node = &nodes[i];
    name_words();
}

static void begin_2(void) { begin(true, 2); }
static void begin_2_fences(void) { begin(false, 2); }
static void begin_3(void) { begin(true, 3); }
static void begin_3_fences(void) { begin(false, 3); }

static void check(void)
{
    for (int i = 0; i < FIBERS; i++)
        MODEL_CHECK(found[i] == published[i]);
}

/* ---- threads ------------------------------------------------------------ */

static struct worker *searching[MODEL_THREADS]; /* the worker that a thread is */

static void prepare(unsigned number)
{
    model_write(&fibers[number].task, &fibers[number]);
    published[number] = 1;
}

static void take(struct fiber *fiber)
{
    MODEL_CHECK(fiber >= fibers && fiber < fibers + FIBERS);
    MODEL_CHECK(model_read(&fiber->task) == fiber);
    found[fiber - fibers]++;
    MODEL_CHECK(found[fiber - fibers] == 1);
}

static void search(unsigned index)
{
    struct fiber *fiber;

    searching[model_self()] = &workers[index];
    fiber = thrum_worker_search(&workers[index]);

    MODEL_CHECK(fiber != NULL);
    take(fiber);
}
static void searcher_1(void) { search(1); }
static void searcher_2(void) { search(2); }

/* Until something comes from outside, which alone it has eyes for. */
static void outsider_1(void)
{
    struct poll_event events[POLL_MOST];
    struct inject_node *spare;

    searching[model_self()] = &workers[1];
    MODEL_CHECK(thrum_worker_wait_outside(&workers[1], -1, events) == 0);
    take(thrum_inject_take(&scheduler.inject, &spare));
}

/* A thread that is no worker, as thrum_ready does it. */
static void inject(unsigned number)
{
    prepare(number);
    thrum_inject_push(&scheduler.inject, fibers[number].node, &fibers[number]);
    fence_light();
    thrum_notify(&scheduler);
}
static void foreign(void) { inject(0); }
static void foreign_twice(void) { inject(0); inject(1); }

/* Worker 0 spawns, as thrum_worker_pushed does it. */
static void spawn(unsigned number)
{
    struct deque *deque = &workers[0].deque;

    prepare(number);
    if (thrum_lane_push(&deque->lane, &fibers[number]))
        return;
    MODEL_CHECK(thrum_deque_pushed(deque) == 0);
    thrum_notify(&scheduler);
}
static void spawner(void) { spawn(2); }
/* The first spawn puts an old request's limit back, and may hide an alarm. */
static void begin_asked(void) { begin_2(); thrum_deque_ask(&workers[0].deque); }
static void begin_asked_fences(void) { begin_2_fences(); thrum_deque_ask(&workers[0].deque); }
static void spawner_joins(void)
{
    struct deque *deque = &workers[0].deque;
    struct fiber *fiber;

    spawn(2);
    fiber = thrum_lane_pop(&deque->lane);
    if (!fiber)
        fiber = thrum_deque_pop(deque);
    if (fiber)
        take(fiber);
    spawn(3);
}
static void searcher_of_last(void)
{
    while (!found[3])
        search(1);
}

static void spawner_twice(void) { spawn(2); spawn(3); }

/* Worker 0 makes a fiber ready, as thrum_ready does it. */
static void make_ready(unsigned number)
{
    prepare(number);
    MODEL_CHECK(ready_push(&workers[0].ready, &fibers[number]));
    fence_light();
    thrum_notify(&scheduler);
}
static void readier(void) { make_ready(1); }

/*
 * A descriptor becomes ready, for which fiber 3 waits. Who finds that makes it ready as
 * thrum_ready does it.
 */
static void device(void) { kernel_add(READY); }
static void polled(struct scheduler *of, uint64_t key, uint32_t events)
{
    MODEL_CHECK(key == KEY && events == POLL_READ);
    prepare(3);
    MODEL_CHECK(ready_push(&searching[model_self()]->ready, &fibers[3]));
    fence_light();
    thrum_notify(of);
}
static void watch(void)
{
    static const struct task_verbs verbs = {.polled = polled};

    scheduler.verbs = &verbs;
    scheduler.watches = 1;
}
static void begin_device(void) { begin_2(); watch(); }
static void begin_device_fences(void) { begin_2_fences(); watch(); }
static void begin_device_3(void) { begin_3(); watch(); }
static void begin_device_3_fences(void) { begin_3_fences(); watch(); }

/* Worker 0 has set two fibers aside, runs one of them, and does not come by. */
static void ready_two(void)
{
    MODEL_CHECK(ready_push(&workers[0].ready, &fibers[0]));
    make_ready(1);
    published[0] = 0;
}
static void begin_ready(void) { begin_2(); ready_two(); }
static void begin_ready_fences(void) { begin_2_fences(); ready_two(); }
static void window_then_busy(void) { MODEL_CHECK(ready_take(&workers[0].ready, false) != NULL); }
static void search_or_not(void)
{
    struct fiber *fiber = thrum_worker_search(&workers[1]);

    MODEL_CHECK(fiber == &fibers[0] || fiber == &fibers[1]);
}

/* Worker 1 is told to leave, or finds something first. */
static void retire_1(void)
{
    store_release(&workers[1].retiring, 1);
    thrum_worker_call(&workers[1]);
}
static void searcher_leaves(void)
{
    struct fiber *fiber = thrum_worker_search(&workers[1]);

    if (fiber)
        take(fiber);
}

/* Worker 1 has left its loop. The controller wants it back, or an end. */
static bool kept, left;
static void begin_linger(void)
{
    begin_2();
    kept = left = false;
    workers[1].retiring = WORKER_LEAVES;
}
static void begin_linger_armed(void)
{
    begin_linger();
    workers[1].timers.next_due = (uint64_t)TIMER_NEVER - 1;
}
static void lingerer(void) { left = thrum_worker_linger(&workers[1]); }
static void keep_1(void)
{
    uint32_t leaves = WORKER_LEAVES;

    kept = cas_acq_rel(&workers[1].retiring, &leaves, WORKER_STAYS);
    if (kept)
        thrum_worker_call(&workers[1]);
}
static void check_kept(void) { MODEL_CHECK(kept != left); }
static void end_1(void)
{
    store_release(&workers[1].retiring, WORKER_ENDS);
    thrum_worker_call(&workers[1]);
}
static void check_left(void) { MODEL_CHECK(left); }

/* The clock calls a sleeper that nobody has claimed. */
static void caller(void) { thrum_worker_call(&workers[1]); }

#define T(text, start, ...)                                            \
    {text, start, {__VA_ARGS__}, check, 0, 0, false},                  \
    {text ", fences", start##_fences, {__VA_ARGS__}, check, 0, 0, false}
#define LESS(text, start, ...)                                         \
    {text ", fences", start##_fences, {__VA_ARGS__}, check, 1, 1, false}, \
    {text, start, {__VA_ARGS__}, check, 2, 1, false}

static const struct model models[] = {
    T("inject", begin_2, foreign, searcher_1),
    T("outside", begin_2, foreign, outsider_1),
    T("ready", begin_2, readier, searcher_1),
    T("spawn", begin_2, spawner, searcher_1),
    {"set aside", begin_ready, {window_then_busy, search_or_not}, NULL, 0, 0, false},
    {"set aside, fences", begin_ready_fences, {window_then_busy, search_or_not}, NULL, 0, 0, false},
    T("retire", begin_2, retire_1, searcher_leaves),
    {"kept", begin_linger, {keep_1, lingerer}, check_kept, 0, 0, false},
    {"kept, armed", begin_linger_armed, {keep_1, lingerer}, check_kept, 0, 0, false},
    {"ended", begin_linger, {end_1, lingerer}, check_left, 0, 0, false},
    {"ended, armed", begin_linger_armed, {end_1, lingerer}, check_left, 0, 0, false},
    {"asked before", begin_asked, {spawner_joins, searcher_of_last}, check, 1, 0, false},
    {"asked before, fences", begin_asked_fences, {spawner_joins, searcher_of_last}, check, 1, 0,
     false},
    T("device", begin_device, device, searcher_1),
    LESS("device called", begin_device, device, caller, searcher_1),
    LESS("device and inject", begin_device_3, device, foreign, searcher_1, searcher_2),
    LESS("called", begin_2, caller, foreign, searcher_1),
    LESS("inject two", begin_3, foreign_twice, searcher_1, searcher_2),
    LESS("spawn two", begin_3, spawner_twice, searcher_1, searcher_2),
    LESS("inject and spawn", begin_3, foreign, spawner, searcher_1, searcher_2),
};

int main(int argc, char **argv)
{
    static const char *const subjects[] = {"runtime/sched/search.c", NULL};

    return model_main(argc, argv, models, sizeof(models) / sizeof(*models), subjects);
}
