/*
 * worker.c - how a worker goes from one fiber to the next.
 *
 *     task calls thrum_suspend
 *       its fiber leaves                 plat/context
 *     on the worker's loop:
 *       commit   make the fiber known to its waker
 *       pick     hand-off, own queues, injection queue, search.c
 *       enter    the lane becomes that of the next fiber
 *     the next fiber resumes
 *
 * While the loop decides, the worker holds no fiber: a thread stopped here
 * keeps nobody else's task from running.
 */
#include "runtime/sched/worker.h"

#include <errno.h>

#include <thrum/detail/point.h>
#include <thrum/detail/tsan.h>
#include <thrum/fault.h>

#include <string.h>

#include "runtime/atomic/asymmetric.h"
#include "runtime/base/point.h"
#include "runtime/plat/clock.h"
#include "runtime/plat/races.h"
#include "runtime/sched/internal.h"
#include "runtime/sched/stay.h"

#define INJECT_TURN 61 /* prime, as in Go: no rhythm of a program meets it always */
#define INJECT_TURN_FULL 2
#define BUDGET 128
#define FORESEEN 8 /* fibers whose memory is prefetched together */
#define LOOK_TURN 60 /* picks between two looks at the clock, while anything is armed */
#define LOOK_NS 50000 /* between two looks at descriptors, which cost as much as ten picks */
#define OVERDUE_TURN 16 /* unstarted tasks that go before a join that had its time */

/*
 * What a thread that runs no tasks has for a lane: every push and pop takes
 * the slow path, which finds no worker, and no task is current.
 */
static uint64_t nowhere; /* a fork pushes before it finds out */
static struct thrum_lane nobody = {
    .limit = 0, .floor = (uint64_t)INT64_MAX, .slots = &nowhere, .current = &nobody};

__thread struct thrum_lane *thrum_lane_here = &nobody;

NOINLINE struct thrum_lane *thrum_lane_self_slow(void)
{
    struct thrum_lane *lane = thrum_lane_here;

    __asm__ __volatile__("" : "+r"(lane) : : "memory");
    return lane;
}

struct worker *thrum_worker_self(void)
{
    struct thrum_lane *lane = thrum_lane_self();

    return lane == &nobody ? NULL : (struct worker *)(void *)lane;
}

void thrum_worker_here(struct worker *worker)
{
    thrum_lane_here = worker ? &worker->deque.lane : &nobody;
    __asm__ __volatile__("" : : : "memory");
}

struct world *thrum_world_self(void)
{
    struct worker *worker = thrum_worker_self();

    return worker ? worker->world : NULL;
}

int64_t thrum_world_now(void)
{
    struct world *world = thrum_world_self();
    int64_t now;

    if (LIKELY(!world))
        return thrum_clock_now();
    world_hide(world);
    now = world->now(world);
    world_show(world);
    return now;
}

/* For threads that run no task: numbers that differ, of no quality. */
static size_t draw_outside(size_t n)
{
    static uint64_t drawn; /* atomic */
    uint64_t step = UINT64_C(0x9e3779b97f4a7c15);

    /* relaxed: a number only */
    return (size_t)(((uint64_t)thrum_clock_now() + add_relaxed(&drawn, step)) * step % n);
}

size_t thrum_draw_below(size_t n)
{
    struct worker *worker = thrum_worker_self();

    if (UNLIKELY(!worker))
        return draw_outside(n);
    if (UNLIKELY(worker->world != NULL)) {
        if (worker->world->decides)
            return 0;
        world_hide(worker->world);
        n = worker->world->draw(worker->world, n);
        world_show(worker->world);
        return n;
    }
    return (size_t)(worker_random(worker) % n);
}

uint32_t thrum_simulated;
uint32_t thrum_faulty;

/*
 * The world of the calling task; NULL: the real one, or no task calls. One that has left its fiber is
 * the lane's current one still, while the loop decides and perhaps calls a hook.
 */
static inline struct world *world_of_task(void)
{
    struct thrum_lane *lane = thrum_lane_self();
    struct world *world;

    if (!lane->current || lane == &nobody)
        return NULL;
    world = ((struct worker *)(void *)lane)->world;
    return world && !world->decides ? world : NULL;
}

void thrum_point_slow(unsigned what, const void *object)
{
    struct world *world = world_of_task();

    if (!world)
        return;
    world_hide(world);
    world->point(world, what, object);
    world_show(world);
}

void thrum_has_slow(const void *object, const char *what, int n)
{
    struct world *world = world_of_task();

    if (!world)
        return;
    world_hide(world);
    world->has(world, object, what, n);
    world_show(world);
}

/* The same wherever the program was built. */
static uint64_t place_of(const char *file, int line)
{
    const char *name = strrchr(file, '/');
    uint64_t place = (uint64_t)line;

    for (name = name ? name + 1 : file; *name; name++)
        place = (place ^ (unsigned char)*name) * UINT64_C(0x100000001b3); /* as FNV does */
    return place;
}

static NOINLINE uint32_t fault_of(struct world *world, uint32_t kind, const char *file, int line)
{
    world_hide(world);
    kind = world->fault(world, kind, kind == THRUM_FAULT_BUGGIFY ? place_of(file, line) : 0);
    world_show(world);
    return kind;
}

uint32_t thrum_fault_slow(uint32_t kind, const char *file, int line)
{
    struct world *world = world_of_task();

    return world && UNLIKELY(world->refuses) ? fault_of(world, kind, file, line) : 0;
}

#ifdef THRUM_TSAN

void thrum_tsan_hide(void)
{
    world_hide(thrum_world_self());
}

void thrum_tsan_show(void)
{
    world_show(thrum_world_self());
}

/* The stack that is used, below the calling function. */
SANITIZER_UNSEEN static void *low_of(const struct worker *worker, const struct fiber *fiber)
{
    return (void *)(fiber->stack_limit - worker->source.arena.stack_bytes / 2);
}

SANITIZER_UNSEEN int thrum_run_here(thrum_fn fn, void *arg, const void *task)
{
    struct sanitizer_fiber owner = {.fiber = __tsan_get_current_fiber()};
    const struct worker *worker = thrum_worker_self();
    const struct fiber *fiber;
    int status;

    if (!worker || !world_races(worker->world))
        return fn(arg);
    fiber = worker->deque.lane.fiber;
    sanitizer_forget(worker, sizeof *worker);
    sanitizer_forget(fiber, sizeof *fiber + FIBER_ABOVE_BYTES);
    sanitizer_be(&worker->loop.sanitizer);
    thrum_identity_begin(low_of(worker, fiber), __builtin_frame_address(0), task);
    status = fn(arg);
    sanitizer_release(task);
    thrum_identity_end(&owner);
    sanitizer_acquire(task);
    return status;
}

#endif

struct fiber *thrum_fiber_self(void)
{
    return thrum_lane_self()->fiber;
}

/* ---- a task on a fiber of its own --------------------------------------------------------- */

static void retire(void *arg, struct fiber *fiber)
{
    struct worker *worker = arg;

    thrum_pool_put(&worker->fibers, &fiber->item);
}

/* In a simulated world: plat/races.h. */
SANITIZER_UNSEEN static void run_apart(struct fiber *fiber)
{
    void *task = fiber->task;

    thrum_identity_begin(fiber->low, (char *)fiber_above(fiber) + FIBER_ABOVE_BYTES, task);
    fiber->home->verbs->run(task);
    sanitizer_release(fiber->home); /* for who drives, when all have ended */
    thrum_identity_end(&thrum_worker_self()->loop.sanitizer);
}

/* Unseen, as thrum_suspend is: it is entered by the loop's identity and left by another's. */
SANITIZER_UNSEEN static void fiber_main(void *arg)
{
    struct fiber *fiber = arg;

    for (;;) {
        if (world_races(fiber->home->world))
            run_apart(fiber);
        else
            fiber->home->verbs->run(fiber->task);
        thrum_suspend(retire, thrum_worker_self());
    }
}

/* A fiber that has not run for long, or never: the top of its stack, itself, and what is above. */
static void prefetch_cold(const void *fiber)
{
    for (int line = fiber ? -7 : 7; line <= 6; line++)
        __builtin_prefetch((const char *)fiber + line * CACHE_LINE);
}

/* A recycled fiber, else a new one; NULL: there was no memory. */
static struct fiber *fiber_get(struct pool_cache *cache, struct fiber_source *source, void *task)
{
    struct pool_item *item = thrum_pool_get(cache);
    struct fiber *fiber = item ? container_of(item, struct fiber, item)
                               : thrum_fiber_new(source, fiber_main);

    if (!fiber)
        return NULL;
    prefetch_cold(cache->items);
    fiber->task = task;
    fiber->current = NULL;
    fiber->scope = NULL;
    fiber->player = NULL;
    store_relaxed(&fiber->heard, 0); /* relaxed: nobody runs it */
    return fiber;
}

struct fiber *thrum_fiber_for(struct worker *worker, void *task)
{
    struct fiber *fiber = fiber_get(&worker->fibers, &worker->source, task);

    POINT("fiber.made");
    if (!fiber)
        worker->scheduler->verbs->refuse(task, -ENOMEM);
    return fiber;
}

/* ---- making runnable ----------------------------------------------------------------------- */

/* Tasks below `stamp` go first. */
static void push_behind(struct worker *worker, struct fiber *fiber, uint64_t stamp)
{
    store_relaxed(&fiber->stamp, stamp); /* relaxed: a hint, read by this worker */
    POINT("ready.push");
    if (LIKELY(ready_push(&worker->ready, fiber)))
        return;
    worker->inject_turn = INJECT_TURN_FULL;
    worker->until_inject = INJECT_TURN_FULL;
    thrum_inject_push(&worker->scheduler->inject, fiber->node, fiber);
}

static void push(struct worker *worker, struct fiber *fiber)
{
    push_behind(worker, fiber, load_relaxed(&worker->deque.lane.bottom));
    /* relaxed: only we write it */
}

static void inject(struct scheduler *scheduler, struct fiber *fiber)
{
    thrum_inject_push(&scheduler->inject, fiber->node, fiber);
    fence_light(); /* EDGE idle.search */
    thrum_notify(scheduler);
}

/* From a thread that is none of our workers: it counts as awake until it has notified. */
static void ready_from_outside(struct scheduler *scheduler, struct fiber *fiber)
{
    thrum_scheduler_here(scheduler);
    add_relaxed(&scheduler->visitors, 1); /* relaxed: the fiber keeps the scheduler, until it runs */
    thrum_worker_stirs(scheduler);
    if (UNLIKELY(!load_relaxed(&scheduler->holds))) /* relaxed: the caller's own hold it sees */
        add_relaxed(&scheduler->foreign, 1);        /* relaxed: a counter, brought by busy */
    inject(scheduler, fiber);
    thrum_worker_rests(scheduler);
    add_release(&scheduler->visitors, (uint32_t)-1); /* EDGE sched.visit; it may be gone now */
}

int thrum_scheduler_start(struct scheduler *scheduler, void *task)
{
    struct fiber *fiber = fiber_get(&scheduler->roots, &scheduler->outside, task);

    if (!fiber)
        return -ENOMEM;
    sanitizer_release(task);
    thrum_worker_stirs(scheduler);
    add_relaxed(&scheduler->runs, 1); /* relaxed: brought by busy */
    inject(scheduler, fiber);
    thrum_worker_rests(scheduler);
    return 0;
}

void thrum_scheduler_ended(struct scheduler *scheduler)
{
    add_relaxed(&scheduler->runs, (uint64_t)-1); /* relaxed: brought by busy */
}

void thrum_ready(struct fiber *fiber)
{
    struct worker *worker = thrum_worker_self();
    struct scheduler *scheduler = fiber->home;
    struct world *world = scheduler->world;

    if (world_races(world))
        sanitizer_release(fiber);
    world_hide(world);
    if (!worker || worker->scheduler != scheduler) {
        ready_from_outside(scheduler, fiber);
        world_show(world);
        return;
    }
    push(worker, fiber);
    POINT("ready.pushed");
    fence_light(); /* EDGE idle.search */
    thrum_notify(scheduler);
    world_show(world);
}

/* The request that has led into a slow path may have been an alert's, and is answered. */
static void mind_the_alert(struct worker *worker)
{
    struct thrum_lane *lane = &worker->deque.lane;
    const struct fiber *fiber = lane->fiber;

    if (load_relaxed(&fiber->heard) != load_relaxed(&worker->scheduler->alert)) /* relaxed: what */
        lane->stack_limit = UINTPTR_MAX; /* must be seen happened before */
}

static int pushed_apart(struct worker *worker)
{
    void *task = thrum_deque_unpush(&worker->deque);
    int err;

    sanitizer_release(task);
    world_hide(worker->world);
    err = worker->world->pushed(worker->world, task);
    world_show(worker->world);
    return err;
}

int thrum_worker_pushed(void)
{
    struct worker *worker = thrum_worker_self();
    int err;

    if (!worker)
        thrum_panic("a task was spawned from a thread that runs no task; use thrum_run first");
    if (UNLIKELY(worker->world != NULL))
        return pushed_apart(worker);
    err = thrum_deque_pushed(&worker->deque);
    mind_the_alert(worker);
    POINT("spawn.notify");
    thrum_notify(worker->scheduler); /* thrum_deque_pushed has passed a light fence */
    return err;
}

void *thrum_worker_pop(const void *joined, bool *overdue)
{
    struct worker *worker = thrum_worker_self();
    void *task;

    if (!worker)
        thrum_panic("a task was joined from a thread that runs no task");
    if (UNLIKELY(worker->world != NULL)) {
        *overdue = false;
        thrum_deque_unpop(&worker->deque);
        world_hide(worker->world);
        task = worker->world->pop(worker->world, joined);
        world_show(worker->world);
        return task;
    }
    *overdue = load_relaxed(&worker->overdue) & OVERDUE_JOIN; /* relaxed: sent again if lost */
    return thrum_deque_pop(&worker->deque);
}

/* ---- who goes on --------------------------------------------------------------------------- */

/*
 * Who comes next from the injection queue has most likely been asleep for long.
 * Several at once: their misses of the TLB, of which a prefetch waits for its
 * own, overlap.
 */
static void foresee(struct worker *worker)
{
    void *next[FORESEEN];
    unsigned n;

    if (worker->foreseen > 0) {
        worker->foreseen--;
        return;
    }
    n = thrum_inject_glance(&worker->scheduler->inject, next, FORESEEN);
    worker->foreseen = n;
    for (unsigned i = 0; i < n; i++)
        __builtin_prefetch(next[i]);
    for (unsigned i = 0; i < n; i++)
        prefetch_cold(next[i]);
}

static struct fiber *from_inject(struct worker *worker)
{
    struct inject_node *spare;
    struct fiber *fiber = thrum_inject_take(&worker->scheduler->inject, &spare);

    worker->until_inject = fiber ? worker->inject_turn : INJECT_TURN;
    if (fiber) {
        fiber->node = spare;
        foresee(worker);
    } else
        worker->inject_turn = INJECT_TURN;
    return fiber;
}

/*
 * The oldest of the own ready fibers and the own unstarted tasks. A fiber's
 * stamp is the deque's bottom when it became ready: tasks below it are older.
 * Since the top only grows, finitely many tasks go before it, and whatever is
 * pushed or made ready later goes behind.
 */
static struct fiber *from_own(struct worker *worker)
{
    for (;;) {
        struct fiber *fiber = ready_peek(&worker->ready);
        uint64_t top = thrum_deque_top(&worker->deque);
        void *task = NULL;

        if (!fiber || (int64_t)(top - load_relaxed(&fiber->stamp)) < 0) /* relaxed: a hint */
            task = thrum_deque_take(&worker->deque);
        if (UNLIKELY(task != NULL)) {
            struct fiber *fresh = thrum_fiber_for(worker, task);

            if (fresh)
                return fresh;
            continue;
        }
        if (!fiber && !ready_more(&worker->ready))
            return NULL; /* not even what was stolen and takes room */
        fiber = ready_take(&worker->ready, thrum_idle_none(&worker->scheduler->idle));
        if (LIKELY(fiber != NULL))
            return fiber;
    }
}

static void look_at_clock(struct worker *worker)
{
    int64_t now;

    worker->timers.looked = worker->tick;
    if (!timers_any(&worker->timers) && !poller_wanted(worker->scheduler))
        return;
    now = thrum_clock_now();
    thrum_timers_expire(worker, now);
    thrum_poller_look(worker, now, LOOK_NS);
}

/* The clock asked for something; for an inline join it is enough that we are here. */
static void answer(struct worker *worker)
{
    uint32_t asked = load_relaxed(&worker->overdue); /* relaxed: sent again if lost */

    store_relaxed(&worker->overdue, worker->guest ? OVERDUE_TURN : 0); /* relaxed: here we are */
    if (asked & OVERDUE_TIMERS)
        look_at_clock(worker);
}

static struct fiber *from_handoff(struct worker *worker)
{
    void *task = worker->handoff;

    worker->handoff = NULL;
    return task ? thrum_fiber_for(worker, task) : NULL;
}

static struct fiber *pick(struct worker *worker)
{
    struct fiber *fiber = NULL;

    store_relaxed(&worker->visits, ++worker->tick); /* relaxed: the clock's hint */
    if (UNLIKELY(load_relaxed(&worker->overdue) != 0)) { /* relaxed: a request */
        if (worker->world)
            return worker->world->pick(worker->world, worker);
        answer(worker);
        if (worker->guest && thrum_turn_is_over(worker))
            return NULL;
    }
    if (UNLIKELY(worker->handoff != NULL))
        fiber = from_handoff(worker);
    if (!fiber && UNLIKELY(--worker->until_inject == 0)) {
        if (worker->tick - worker->timers.looked >= LOOK_TURN)
            look_at_clock(worker);
        fiber = from_inject(worker);
    }
    if (!fiber && LIKELY(load_relaxed(&worker->retiring) == 0)) /* relaxed: checked each time */
        fiber = from_own(worker);
    if (!fiber && load_relaxed(&worker->retiring) == 0) /* relaxed: checked each time */
        fiber = from_inject(worker);
    if (!fiber)
        return thrum_worker_search(worker);
    return fiber;
}

/* Poisoned if the fiber has to look before it starts anything inline. */
static uintptr_t limit_of(const struct scheduler *scheduler, const struct fiber *fiber)
{
    /*
     * MUTANT-OK relaxed: an alert that the fiber is to see happened before it was made ready
     */
    uint64_t alert = load_relaxed(&scheduler->alert); /* relaxed: see above */

    return LIKELY(load_relaxed(&fiber->heard) == alert) ? fiber->stack_limit : UINTPTR_MAX;
    /* relaxed: only who runs it writes it */
}

/* The lane becomes that of `fiber`. */
static struct context *enter(struct worker *worker, struct fiber *fiber)
{
    struct thrum_lane *lane = &worker->deque.lane;

    lane->fiber = fiber;
    worker->budget = BUDGET;
    lane->current = fiber->current;
    lane->scope = fiber->scope;
    lane->stack_limit = limit_of(worker->scheduler, fiber);
    return &fiber->context;
}

/* What is coming next will be cold: its stack's top lines. */
static void prefetch_next(const struct worker *worker)
{
    uint64_t index;
    const char *fiber;

    if (!ready_window(&worker->ready, &index))
        return;
    fiber = ready_slot(&worker->ready, index);
    for (int line = -4; line <= 1; line++)
        __builtin_prefetch(fiber + line * CACHE_LINE);
}

/* It is the fiber's doing, though its stack has been left. */
static void commit_to(struct worker *worker, struct fiber *left)
{
    if (!world_races(worker->world)) {
        worker->commit(worker->commit_arg, left);
        return;
    }
    sanitizer_be(&left->context.sanitizer);
    worker->commit(worker->commit_arg, left);
    sanitizer_be(&worker->loop.sanitizer);
}

struct context *thrum_worker_next(void *arg)
{
    struct worker *worker = arg;
    struct fiber *left = worker->deque.lane.fiber;
    struct fiber *fiber;

    worker->deque.lane.fiber = NULL;
    POINT("suspend.left");
    if (left)
        commit_to(worker, left);
    POINT("suspend.committed");
    fiber = pick(worker);
    if (world_races(worker->world))
        sanitizer_forget(worker, sizeof *worker); /* it is who runs now whose it is */
    if (!fiber)
        return worker->home;
    prefetch_next(worker);
    if (ready_more(&worker->ready)) {
        POINT("pick.notify");
        fence_light(); /* EDGE idle.search */
        thrum_notify(worker->scheduler);
    }
    return enter(worker, fiber);
}

/* ---- leaving ------------------------------------------------------------------------------- */

/* The calling fiber leaves; `next` decides who goes on. */
SANITIZER_UNSEEN static inline __attribute__((always_inline)) void leave(struct worker *worker,
                                                                         context_next *next)
{
    struct fiber *fiber = worker->deque.lane.fiber;

    if (UNLIKELY(worker->stays != 0))
        thrum_stay_panic("suspends");
    fiber->current = worker->deque.lane.current;
    fiber->scope = worker->deque.lane.scope;
    thrum_context_leave(&fiber->context, &worker->loop, next, worker);
    if (world_races(fiber->home->world))
        sanitizer_acquire(fiber);
}

SANITIZER_UNSEEN void thrum_suspend(void (*commit)(void *arg, struct fiber *left), void *arg)
{
    struct worker *worker = thrum_worker_self();

    worker->commit = commit;
    worker->commit_arg = arg;
    leave(worker, thrum_worker_next);
}

/* On the loop: the world has said who goes on. */
static struct context *next_apart(void *arg)
{
    struct worker *worker = arg;
    struct fiber *fiber;

    worker->deque.lane.fiber = NULL;
    fiber = worker->world->pick(worker->world, worker);
    if (world_races(worker->world))
        sanitizer_forget(worker, sizeof *worker); /* as in thrum_worker_next */
    return fiber ? enter(worker, fiber) : worker->home;
}

SANITIZER_UNSEEN void thrum_suspend_apart(void)
{
    leave(worker_here(), next_apart);
}

void thrum_suspend_for(void *task, void (*commit)(void *arg, struct fiber *left), void *arg)
{
    thrum_worker_self()->handoff = task;
    thrum_suspend(commit, arg);
}

static void requeue(void *arg, struct fiber *left)
{
    struct worker *worker = arg;

    world_hide(worker->world);
    push(worker, left);
    world_show(worker->world);
}

void thrum_give_way(void)
{
    thrum_suspend(requeue, thrum_worker_self());
}

static void requeue_soon(void *arg, struct fiber *left)
{
    struct worker *worker = arg;

    push_behind(worker, left, thrum_deque_top(&worker->deque) + OVERDUE_TURN);
    thrum_ready_keep(&worker->ready); /* its children are here, a thief would take only it */
}

uint64_t thrum_scheduler_turn_here(void)
{
    const struct worker *worker = thrum_worker_self();

    if (worker->world) {
        uint64_t turn;

        world_hide(worker->world);
        turn = worker->world->turn(worker->world);
        world_show(worker->world);
        return turn;
    }
    return (uint64_t)worker->index << 32 | worker->tick;
}

void thrum_give_way_briefly(void)
{
    thrum_suspend(requeue_soon, thrum_worker_self());
}

uint64_t thrum_alert(struct scheduler *scheduler)
{
    uint64_t alert;
    unsigned n;

    world_hide(scheduler->world);
    alert = add_seq(&scheduler->alert, 1) + 1; /* EDGE cancel.seen */
    n = load_acquire(&scheduler->known);       /* EDGE sched.worker */
    POINT("alert.raised");
    for (unsigned i = 0; i < n; i++)
        thrum_deque_ask(&worker_at(scheduler, i)->deque);
    world_show(scheduler->world);
    return alert;
}

void thrum_heard(uint64_t alert)
{
    struct thrum_lane *lane = thrum_lane_self();
    struct fiber *fiber = lane->fiber;

    store_relaxed(&fiber->heard, alert); /* relaxed: only who runs it writes it */
    lane->stack_limit = alert ? fiber->stack_limit : UINTPTR_MAX;
}

void thrum_spend(void)
{
    if (LIKELY(--worker_here()->budget != 0))
        return;
    check_task_runs();
    thrum_give_way();
}
