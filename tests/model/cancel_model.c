/*
 * cancel_model.c - cancelling in the explorer: cancel.c, strand.c, scope.c,
 * wait.c, waiters.c, timeout.c, record.c of runtime/task, with real rosters and
 * events, walks that remember one fiber of their way, and rosters of three.
 *
 * A tree of tasks: `top` has a scope and in it a group, in which the victims
 * start; cancellers are other threads. Each of the explorer's threads has a
 * fiber and a lane of its own, and a worker that does nothing else.
 *
 * Oracles: who is below the cancelled scope is told, or does not start; who is
 * not, is not; each once; with the reason; by a sleep that ends once, after the
 * fiber has left its stack. Who is never told sleeps for ever, which the
 * explorer calls a deadlock. What stood on a stack is not touched any more.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/plat/clock.h"
#include "runtime/plat/futex.h"
#include "runtime/plat/memory.h"
#include "runtime/task/cancel.h"
#include "runtime/task/locals.h"
#include "runtime/task/task.h"
#include "runtime/task/timeout.h"

enum { THREADS = 4, TOP = THREADS, MIDDLE, ELSEWHERE, ROOT, PLACES };

static struct place places[PLACES];
static struct thrum_lane lanes[PLACES];
static struct thrum_lane nobody;
static struct thrum_child tasks[PLACES];
static struct scheduler scheduler;
static struct thrum_scope root;
static uint64_t registers[PLACES]; /* plain */
static uint32_t runnable[PLACES];  /* atomic, futex */
static void *slabs[SLAB_KINDS][THREADS + 1][8];
static unsigned in_slab[SLAB_KINDS][THREADS + 1];
static thrum_event never, event, second;
static uint32_t step; /* atomic: what threads wait for from each other */

static thrum_scope scope;      /* of top: what is cancelled */
static thrum_scope inner;      /* of top, inside the group */
static thrum_shield shield;    /* of top, around the group */
static thrum_group group;      /* of top */
static thrum_group below;      /* of middle, who is a child of top */
static thrum_group far;        /* of elsewhere */

/* ---- the world below ------------------------------------------------------------------------ */

__thread struct thrum_lane *thrum_lane_here;

static void enter_thread(int number)
{
    thrum_lane_here = number < 0 ? &nobody : &lanes[number];
}

struct worker *thrum_worker_self(void)
{
    static struct worker here = {.scheduler = &scheduler};

    return &here;
}

static int number_of(const struct fiber *fiber)
{
    return (int)(container_of(fiber, const struct place, fiber) - places);
}

void thrum_ready(struct fiber *woken)
{
    int number = number_of(woken);

    MODEL_CHECK(model_read(&registers[number]) == 1);
    MODEL_CHECK(runnable[number] == 0);
    store_release(&runnable[number], 1);
    model_futex_wake(&runnable[number], 1);
}

void thrum_suspend(void (*commit)(void *arg, struct fiber *left), void *arg)
{
    struct thrum_lane *lane = thrum_lane_self();
    struct fiber *fiber = lane->fiber;
    int number = number_of(fiber);

    fiber->current = lane->current;
    fiber->scope = lane->scope;
    lane->fiber = NULL;
    lane->scope = NULL;
    model_write(&registers[number], 1);
    commit(arg, fiber);
    while (load_acquire(&runnable[number]) == 0)
        model_futex_wait(&runnable[number], 0);
    store_relaxed(&runnable[number], 0); /* relaxed: nobody wakes it before it sleeps again */
    model_write(&registers[number], 0);
    lane->fiber = fiber;
    lane->current = fiber->current;
    lane->scope = fiber->scope;
}

void thrum_give_way(void)
{
    abort(); /* no model is told so often */
}

void thrum_spend(void)
{
}

void thrum_scheduler_hold(struct scheduler *at)
{
    (void)at;
}

void thrum_scheduler_release(struct scheduler *at)
{
    (void)at;
}

uint64_t thrum_alert(struct scheduler *of)
{
    return add_seq(&of->alert, 1) + 1;
}

void thrum_heard(uint64_t alert)
{
    struct fiber *fiber = thrum_lane_self()->fiber;

    store_relaxed(&fiber->heard, alert); /* relaxed: as in worker.c */
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

void *thrum_memory_get(size_t bytes, size_t align)
{
    (void)align;
    return memset(model_alloc(bytes), 0, bytes);
}

void thrum_memory_put(void *memory)
{
    if (memory)
        model_free(memory);
}

static size_t bytes_of(enum slab_kind kind)
{
    return kind == SLAB_SEGMENT    ? sizeof(struct roster_segment)
           : kind == SLAB_RECORD   ? sizeof(struct record)
           : kind == SLAB_DEADLINE ? sizeof(struct deadline)
           : kind == SLAB_TIER     ? sizeof(struct tier)
                                   : sizeof(struct thrum_task);
}

/* Type-stable; what a thread gives back it gets again. */
void *thrum_slab_get(enum slab_kind kind)
{
    int owner = model_self() + 1;

    if (in_slab[kind][owner])
        return slabs[kind][owner][--in_slab[kind][owner]];
    return thrum_memory_get(bytes_of(kind), 16);
}

void thrum_slab_put(enum slab_kind kind, void *object)
{
    int owner = model_self() + 1;

    slabs[kind][owner][in_slab[kind][owner]++] = object;
}

/* There are no locals. */
void thrum_locals_leave(void)
{
}

bool thrum_locals_on(const struct thrum_scope *of)
{
    (void)of;
    return false;
}

struct locals_node *thrum_locals_lift(const struct thrum_scope *of)
{
    (void)of;
    return NULL;
}

void thrum_locals_lower(struct locals_node *locals)
{
    (void)locals;
}

void thrum_error_free(struct thrum_error *error)
{
    (void)error;
}

uint64_t thrum_self(void)
{
    return 1;
}

/* ---- timers: who expires them asks for the last that was armed ------------------------------- */

static uint64_t armed_timer; /* atomic: struct timer * */
static uint64_t armed_key;   /* atomic */
static uint64_t old_key;     /* atomic: the first of two */

int thrum_timer_arm(struct timer *timer, int64_t when_ns, uint64_t key)
{
    (void)when_ns;
    store_relaxed(&armed_timer, word_of(timer)); /* relaxed: the key releases it */
    store_release(&armed_key, key);
    return 0;
}

void thrum_timer_disarm(struct timer *timer, uint64_t key)
{
    (void)timer;
    (void)key;
}

int64_t thrum_clock_now(void)
{
    return 0;
}

thrum_time thrum_in(int64_t duration)
{
    return (thrum_time){duration};
}

void thrum_panic(const char *format, ...)
{
    model_fail(__FILE__, __LINE__, format);
}

/* ---- beginnings and ends --------------------------------------------------------------------- */

/* The task of this place starts, on its own lane. */
static void start_in(int number, struct thrum_scope *start)
{
    struct thrum_lane *lane = &lanes[number];

    tasks[number].owner = word_of(start);
    lane->fiber = &places[number].fiber;
    lane->current = &tasks[number];
    lane->scope = start;
    store_relaxed(&places[number].fiber.heard, 0); /* relaxed: nobody runs it */
    thrum_strand_begin(&places[number].strand, start);
}

/* Has heard all alerts, so that its next check is a compare. */
static void hear(int number)
{
    enter_thread(number);
    thrum_scope_look();
    enter_thread(-1);
}

static void open_in(int number, thrum_group *opened)
{
    enter_thread(number);
    MODEL_CHECK(thrum_group_open(opened, NULL) == 0);
    enter_thread(-1);
}

int thrum_group_open_slow(thrum_group *opened, const thrum_group_options *options)
{
    (void)options;
    thrum_scope_push(&opened->scope, 0);
    return 0;
}

static void begin(void)
{
    model_resumes = enter_thread;
    enter_thread(-1);
    memset(places, 0, sizeof(places));
    memset(lanes, 0, sizeof(lanes));
    memset(&nobody, 0, sizeof(nobody));
    memset(registers, 0, sizeof(registers));
    memset(runnable, 0, sizeof(runnable));
    memset(in_slab, 0, sizeof(in_slab));
    never = event = second = (thrum_event)THRUM_EVENT_INIT;
    step = 0;
    armed_timer = armed_key = old_key = 0;
    scheduler.alert = 1;
    for (int i = 0; i < PLACES; i++)
        places[i].fiber.home = &scheduler;
    root = (struct thrum_scope){.fiber = &places[ROOT].fiber, .flags = SCOPE_ROOT,
                                .owner = word_of(&root)};
    model_name(&scheduler.alert, "alert");
    model_name(&scope.cancels, "cancels");
    model_name(&places[0].strand.word, "word 0");
    model_name(&places[1].strand.word, "word 1");
    model_name(&places[0].strand.slot, "slot 0");
    model_name(&places[1].strand.slot, "slot 1");
}

static void begin_top(bool with_shield, bool with_inner)
{
    begin();
    start_in(TOP, &root);
    enter_thread(TOP);
    MODEL_CHECK(thrum_scope_begin(&scope, 0) == 0);
    if (with_shield)
        thrum_shield_begin(&shield);
    thrum_scope_look();
    open_in(TOP, &group);
    enter_thread(TOP);
    if (with_inner)
        MODEL_CHECK(thrum_scope_begin(&inner, 0) == 0);
    enter_thread(-1);
}

/* Threads 0 and 1 are victims that have started, and have heard all. */
static void begin_two(void)
{
    begin_top(false, false);
    for (int i = 0; i < 2; i++) {
        start_in(i, &group.scope);
        hear(i);
    }
}

static void begin_unstarted(void)
{
    begin_top(false, false);
}

/* Their place is known before. */
static void begin_entered(void)
{
    begin_two();
    for (int i = 0; i < 2; i++)
        MODEL_CHECK(thrum_strand_enter(&places[i].strand) == 0);
}

static void begin_inner(void)
{
    begin_top(false, true);
    for (int i = 0; i < 2; i++)
        start_in(i, &group.scope);
}

static void begin_shield(void)
{
    begin_top(true, false);
    for (int i = 0; i < 2; i++)
        start_in(i, &group.scope);
}

/* Both hang below a middle one, which is not entered yet. */
static void begin_deep(void)
{
    begin_top(false, false);
    start_in(MIDDLE, &group.scope);
    open_in(MIDDLE, &below);
    for (int i = 0; i < 2; i++)
        start_in(i, &below.scope);
}

static void begin_elsewhere(void)
{
    start_in(ELSEWHERE, &root);
    open_in(ELSEWHERE, &far);
}

static void begin_lives(void)
{
    begin_entered();
    begin_elsewhere();
}

/* Thread 0 has a child in thread 1 and ends after it; thread 2 comes after them on the way. */
static void begin_ways(void)
{
    begin_top(false, false);
    begin_elsewhere();
    start_in(0, &group.scope);
    open_in(0, &below);
    start_in(1, &below.scope);
    start_in(2, &group.scope);
    for (int i = 0; i < 3; i++)
        MODEL_CHECK(thrum_strand_enter(&places[i].strand) == 0);
}

/* Thread 0 goes on as top; a child of its group is thread 1. */
static void begin_above(void)
{
    begin_top(false, false);
    lanes[0] = lanes[TOP];
    start_in(1, &group.scope);
}

static void end(int number)
{
    struct thrum_lane *lane = &lanes[number];

    (void)thrum_record_close(start_of(&tasks[number]));
    lane->current = NULL;
    lane->scope = NULL;
    thrum_strand_end(&places[number].strand);
}

/* ---- victims --------------------------------------------------------------------------------- */

static void check_reason(void)
{
    thrum_reason reason;

    MODEL_CHECK(thrum_cancel_reason(&reason) == 0);
    MODEL_CHECK(reason.code == 1 || reason.code == 2);
}

/* Nothing else wakes it. */
static void be_told(int number)
{
    MODEL_CHECK(thrum_event_wait(&never) == THRUM_ECANCELED);
    check_reason();
    MODEL_CHECK(thrum_cancel_check() == 0);
    end(number);
}
static void told_0(void) { be_told(0); }
static void told_1(void) { be_told(1); }

static void told_above(void)
{
    MODEL_CHECK(thrum_event_wait(&never) == THRUM_ECANCELED);
    check_reason();
}

static void told_2(void)
{
    MODEL_CHECK(thrum_event_wait(&never) == THRUM_ECANCELED);
    end(2);
}

/* Starts, or is dead before. */
static void start_0(void)
{
    start_in(0, &group.scope);
    if (thrum_scope_start_cancelled(&group.scope))
        end(0);
    else
        be_told(0);
}

/* By two cancellers: once, or twice. */
static void told_twice(void)
{
    MODEL_CHECK(thrum_event_wait(&never) == THRUM_ECANCELED);
    check_reason();
    (void)thrum_cancel_check();
    MODEL_CHECK(thrum_cancel_check() == 0 || load_acquire(&scope.cancels) == 2);
    end(0);
}

/* By the object or by the cancel, and then by the other. */
static void either_0(void)
{
    int status = thrum_event_wait(&event);

    MODEL_CHECK(status == 0 || status == THRUM_ECANCELED);
    MODEL_CHECK(thrum_event_wait(status ? &event : &never) == (status ? 0 : THRUM_ECANCELED));
    end(0);
}

/* Only by the object. */
static void untold_0(void)
{
    MODEL_CHECK(thrum_event_wait(&event) == 0);
    MODEL_CHECK(thrum_cancel_check() == 0);
    end(0);
}

/* One life below the scope, one elsewhere. */
static void two_lives(void)
{
    int status = thrum_event_wait(&event);

    MODEL_CHECK(status == 0 || status == THRUM_ECANCELED);
    end(0);
    start_in(0, &far.scope);
    MODEL_CHECK(thrum_event_wait(&second) == 0);
    MODEL_CHECK(thrum_cancel_check() == 0);
    end(0);
}

static void way_child(void)
{
    MODEL_CHECK(thrum_event_wait(&never) == THRUM_ECANCELED);
    end(1);
    store_release(&step, 1);
    model_futex_wake(&step, 1);
}

static void way_parent(void)
{
    struct thrum_lane *lane = thrum_lane_self();

    while (load_acquire(&step) == 0)
        model_futex_wait(&step, 0);
    lane->scope = &group.scope; /* closed */
    end(0);
    start_in(0, &far.scope);
    MODEL_CHECK(thrum_strand_enter(&places[0].strand) == 0);
}

/* ---- who ends sleeps ------------------------------------------------------------------------- */

static void cancel(void) { thrum_scope_cancel(&scope, 1, "one"); }
static void cancel_2(void) { thrum_scope_cancel(&scope, 2, "two"); }
static void cancel_inner(void) { thrum_scope_cancel(&inner, 1, "inner"); }
static void set(void) { thrum_event_set(&event); }
static void set_both(void) { thrum_event_set(&event); thrum_event_set(&second); }

/* One that thinks that the sleep is its to end. */
static void mistake(void)
{
    struct wait wait;

    if (thrum_wait_of(&places[0].strand, &wait))
        thrum_wait_fire(&wait, WAIT_CANCELLED);
}

/* ---- timeouts -------------------------------------------------------------------------------- */

static void expire(uint64_t key)
{
    thrum_deadline_expire(pointer_of(load_relaxed(&armed_timer)), key); /* relaxed: with the key */
}

/* What is armed, and what is armed in its stead, until the task has ended. */
static void expirer(void)
{
    uint64_t key = 0;

    while (!load_acquire(&step)) {
        uint64_t now = load_acquire(&armed_key);

        if (now != key)
            expire(key = now);
        else
            model_yield();
    }
}

/* Once, late or not at all. */
static void late_expirer(void)
{
    uint64_t key = load_acquire(&armed_key);

    if (key)
        expire(key);
}

static thrum_timeout *begin_timeout(int64_t duration)
{
    thrum_timeout *timeout = model_alloc(sizeof(*timeout));

    MODEL_CHECK(thrum_timeout_begin(timeout, duration) == 0);
    return timeout;
}

static void times_out(void)
{
    thrum_timeout *timeout = begin_timeout(1);

    MODEL_CHECK(thrum_timeout_end(timeout, thrum_event_wait(&never)) == THRUM_ETIMEOUT);
    model_free(timeout);
    end(0);
    store_release(&step, 1);
}

static void moves_timeout(void)
{
    thrum_timeout *timeout = begin_timeout(1);
    int status = thrum_timeout_reschedule(timeout, 2);

    MODEL_CHECK(status == 0 || status == THRUM_ESTATE);
    MODEL_CHECK(thrum_timeout_end(timeout, thrum_event_wait(&never)) == THRUM_ETIMEOUT);
    model_free(timeout);
    end(0);
    store_release(&step, 1);
}

/* It may expire; the next, in the same deadline, does not. */
static void two_timeouts(void)
{
    thrum_timeout *timeout = begin_timeout(1);
    bool expired;
    int status;

    store_release(&old_key, armed_key);
    status = thrum_event_wait(&event);
    MODEL_CHECK(status == 0 || status == THRUM_ECANCELED);
    status = thrum_timeout_end(timeout, status);
    expired = thrum_timeout_expired(timeout);
    MODEL_CHECK(status == 0 || (status == THRUM_ETIMEOUT && expired));
    model_free(timeout);
    MODEL_CHECK(thrum_cancel_check() == 0);
    timeout = begin_timeout(1);
    MODEL_CHECK(thrum_timeout_end(timeout, thrum_event_wait(&second)) == 0);
    MODEL_CHECK(!thrum_timeout_expired(timeout));
    model_free(timeout);
    end(0);
}

static void expire_old(void)
{
    uint64_t key;

    while ((key = load_acquire(&old_key)) == 0)
        model_yield();
    expire(key);
}

/* A child of top's group, while top, inside whose timeout it is, moves that. */
static thrum_timeout moved;

static void begin_moved(void)
{
    begin();
    start_in(TOP, &root);
    enter_thread(TOP);
    MODEL_CHECK(thrum_timeout_begin(&moved, THRUM_FOREVER) == 0);
    open_in(TOP, &group);
    lanes[0] = lanes[TOP];
    start_in(1, &group.scope);
}

static void mover(void)
{
    MODEL_CHECK(thrum_timeout_reschedule(&moved, 1) == 0);
    MODEL_CHECK(thrum_timeout_reschedule(&moved, 2) <= 0);
}

static void below_timeout(void)
{
    thrum_reason reason;

    (void)thrum_cancel_pending();
    MODEL_CHECK(thrum_event_wait(&never) == THRUM_ECANCELED);
    MODEL_CHECK(thrum_cancel_reason(&reason) == 0 && reason.code == THRUM_ETIMEOUT);
    end(1);
    store_release(&step, 1);
}

#define T(text, start, ...) {text, start, {__VA_ARGS__}, NULL, 0, 0, false}
#define FRESH(text, start, ...) {text, start, {__VA_ARGS__}, NULL, 0, 1, false}
#define LARGE(text, start, ...) {text, start, {__VA_ARGS__}, NULL, 1, 1, false}

static const struct model models[] = {
    T("sleep", begin_entered, told_0, cancel),
    T("enter", begin_two, told_0, cancel),
    T("start", begin_unstarted, start_0, cancel),
    T("expire", begin_two, times_out, expirer),
    T("moved", begin_two, moves_timeout, expirer),
    FRESH("mistake", begin_entered, untold_0, set, mistake),
    FRESH("object", begin_entered, either_0, set, cancel),
    FRESH("two cancels", begin_entered, told_twice, cancel, cancel_2),
    FRESH("further in", begin_inner, untold_0, set, cancel_inner),
    FRESH("behind a shield", begin_shield, untold_0, set, cancel),
    LARGE("two sleepers", begin_two, told_0, told_1, cancel),
    LARGE("two below another", begin_deep, told_0, told_1, cancel),
    LARGE("two lives", begin_lives, two_lives, set_both, cancel),
    LARGE("expire twice", begin_two, times_out, expirer, late_expirer),
    LARGE("over", begin_two, two_timeouts, set_both, expire_old),
    LARGE("moved above", begin_moved, mover, below_timeout, expirer),
    LARGE("told above", begin_above, told_above, told_1, cancel),
    {"the way back", begin_ways, {way_parent, way_child, told_2, cancel}, NULL, 1, -1, false},
};

int main(int argc, char **argv)
{
    static const char *const subjects[] = {
        "runtime/task/cancel.", "runtime/task/strand.", "runtime/task/scope.",
        "runtime/task/waiters.", "runtime/task/timeout.", "runtime/task/record.",
        "runtime/task/lock.",    NULL};

    return model_main(argc, argv, models, sizeof(models) / sizeof(*models), subjects);
}
