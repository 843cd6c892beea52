/*
 * world.h - what is below the task layer, for models of it: fibers that sleep
 * and wake, slabs, memory, a clock that stands still, timers that expire when
 * they are asked to. Each of the explorer's threads has a fiber and a lane of its
 * own, and a worker that does nothing else; there are places for tasks that
 * none of the threads runs.
 *
 * Included by one file of a program.
 */
#ifndef THRUM_TESTS_MODEL_WORLD_H
#define THRUM_TESTS_MODEL_WORLD_H

#include <stdlib.h>
#include <string.h>

#include "runtime/plat/clock.h"
#include "runtime/plat/futex.h"
#include "runtime/sched/lent.h"
#include "runtime/task/cancel.h"
#include "runtime/task/locals.h"
#include "runtime/task/task.h"
#include "runtime/task/timeout.h"

enum { THREADS = 4, TOP = THREADS, MIDDLE, ELSEWHERE, ROOT, PLACES };

static struct place places[PLACES];
static struct worker workers[PLACES]; /* of which only the lanes are used */
static struct thrum_lane nobody;
static struct thrum_child tasks[PLACES];
static struct thrum_runtime runtime;
static struct thrum_scope root;
static uint64_t registers[PLACES]; /* plain */
static uint32_t runnable[PLACES];  /* atomic, futex */
static void *slabs[SLAB_KINDS][THREADS + 1][8];
static unsigned in_slab[SLAB_KINDS][THREADS + 1];

/* ---- the world below ------------------------------------------------------------------------ */

bool thrum_asymmetric = true;

__thread struct thrum_lane *thrum_lane_here;

static void enter_thread(int number)
{
    thrum_lane_here = number < 0 ? &nobody : &workers[number].deque.lane;
}

struct worker *thrum_worker_self(void)
{
    return thrum_lane_here == &nobody ? NULL : worker_here();
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

static int blocks; /* of memory that were not given back, slabs apart */

static void *fresh(size_t bytes)
{
    return memset(model_alloc(bytes), 0, bytes);
}

void *thrum_lent_get(size_t bytes, size_t align)
{
    (void)align;
    blocks++;
    return fresh(bytes);
}

void thrum_lent_put(void *memory)
{
    if (memory) {
        blocks--;
        model_free(memory);
    }
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
    return fresh(bytes_of(kind));
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

int64_t thrum_world_now(void)
{
    return 0;
}

void thrum_panic(const char *format, ...)
{
    model_fail(__FILE__, __LINE__, format);
}

/* ---- beginnings and ends --------------------------------------------------------------------- */

/* The task of this place starts, on its own lane. */
static void start_in(int number, struct thrum_scope *start)
{
    struct thrum_lane *lane = &workers[number].deque.lane;

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

/* Nothing has happened yet. */
static void begin_world(void)
{
    model_resumes = enter_thread;
    enter_thread(-1);
    memset(places, 0, sizeof(places));
    memset(&nobody, 0, sizeof(nobody));
    memset(registers, 0, sizeof(registers));
    memset(runnable, 0, sizeof(runnable));
    memset(in_slab, 0, sizeof(in_slab));
    armed_timer = armed_key = old_key = 0;
    blocks = 0;
    runtime.scheduler.alert = 1;
    for (int i = 0; i < PLACES; i++) {
        memset(&workers[i].deque.lane, 0, sizeof(workers[i].deque.lane));
        workers[i].scheduler = &runtime.scheduler;
        places[i].fiber.home = &runtime.scheduler;
    }
    root = (struct thrum_scope){.fiber = &places[ROOT].fiber, .flags = SCOPE_ROOT,
                                .owner = word_of(&root)};
    model_name(&runtime.scheduler.alert, "alert");
    model_name(&places[0].strand.word, "word 0");
    model_name(&places[1].strand.word, "word 1");
    model_name(&places[0].strand.slot, "slot 0");
    model_name(&places[1].strand.slot, "slot 1");
}

/* The task of this place ends. */
static void end(int number)
{
    struct thrum_lane *lane = &workers[number].deque.lane;

    (void)thrum_record_close(start_of(&tasks[number]), 0);
    lane->current = NULL;
    lane->scope = NULL;
    thrum_strand_end(&places[number].strand);
}

#endif
