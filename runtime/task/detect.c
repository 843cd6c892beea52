/*
 * detect.c - mistakes of tasks: locks that are never unlocked, cancels that are swallowed.
 *
 * All that is remembered stands in the task's record. A runtime that does not ask for
 * it shares one load with those that do.
 */
#include "runtime/task/detect.h"

#include <thrum/detect.h>

#include <stdio.h>
#include <stdlib.h>

#include "runtime/plat/code.h"
#include "runtime/plat/memory.h"
#include "runtime/task/record.h"
#include "runtime/task/scope.h"
#include "runtime/task/task.h"

/* A lock that the task has. */
struct held {
    struct held *next;
    const void *object;
    const char *what;
    const void *where;
};

uint32_t thrum_detecting;

static bool wanted_by_environment(void)
{
    const char *text = getenv("THRUM_DETECT");

    return text && *text && *text != '0';
}

void thrum_detect_begin(struct thrum_runtime *runtime)
{
    if (wanted_by_environment())
        runtime->options.flags |= THRUM_DETECT;
    if (runtime->options.flags & THRUM_DETECT)
        add_relaxed(&thrum_detecting, 1); /* relaxed: see detecting */
}

void thrum_detect_end(struct thrum_runtime *runtime)
{
    if (runtime->options.flags & THRUM_DETECT)
        add_relaxed(&thrum_detecting, (uint32_t)-1); /* relaxed: no task of its is left */
}

void thrum_detect_count(int n)
{
    add_relaxed(&thrum_detecting, (uint32_t)n); /* relaxed: see detecting */
}

/* The calling task's runtime, if it wants to know; else NULL. */
static struct thrum_runtime *who_wants(void)
{
    struct thrum_runtime *runtime = runtime_of(worker_here()->scheduler);

    return runtime->options.flags & THRUM_DETECT ? runtime : NULL;
}

/* Its fibers have never heard: they open groups and join in the slow way, which looks. */
bool thrum_detects(void)
{
    return who_wants() != NULL;
}

/* ---- what was found -------------------------------------------------------------------------- */

/* The running task: "task 0x... "fetch", spawned at main.c:10"; of others, what they run. */
static void put_self(char *text, size_t size)
{
    static const char *const kinds[] = {[KIND_CHILD] = "child",
                                        [KIND_BRANCH] = "branch",
                                        [KIND_TASK] = "task",
                                        [KIND_ROOT] = "root task"};
    const struct thrum_child *child = thrum_lane_self()->current;
    const struct thrum_task *task = container_of(child, const struct thrum_task, child);
    const struct thrum_site *site = kind_of(child) == KIND_TASK ? task->site : NULL;
    const char *name = thrum_self_name();
    char place[96];

    if (site)
        snprintf(place, sizeof place, "spawned at %.64s:%d", site->file, site->line);
    else
        thrum_code_tell((const char *)(uintptr_t)child->fn + 1, place, sizeof place);
    snprintf(text, size, "%s %p%s%s%s, %s%s,", kinds[kind_of(child)], (const void *)child,
             name[0] ? " \"" : "", name, name[0] ? "\"" : "", site ? "" : "whose function is ",
             place);
}

/* The running task `does` it. */
static void found(struct thrum_runtime *runtime, const char *does)
{
    char who[192], text[480];

    put_self(who, sizeof who);
    snprintf(text, sizeof text, "thrum: detected: %s %s", who, does);
    add_relaxed(&runtime->findings, 1); /* relaxed: a counter */
    thrum_runtime_say(runtime, text);
    if (runtime->options.flags & THRUM_STRICT)
        thrum_panic("a mistake was detected, and the runtime is strict: %s %s", who, does);
}

uint64_t thrum_runtime_findings(thrum_runtime *runtime)
{
    return load_relaxed(&runtime->findings); /* relaxed: a figure only */
}

/* ---- locks ----------------------------------------------------------------------------------- */

static void hold(const void *object, const char *what, const void *where)
{
    struct record *record = who_wants() ? thrum_record_get() : NULL;
    struct held *held = record ? thrum_memory_get(sizeof *held, 16) : NULL;

    if (!held) /* for want of memory it is not known */
        return;
    *held = (struct held){record->held, object, what, where};
    record->held = held;
}

void thrum_detect_held(const void *object, const char *what, const void *where)
{
    struct world *world = thrum_world_self();

    if (world) {
        world_hide(world);
        world->held(world, object, what, where);
        world_show(world);
    }
    hold(object, what, where);
}

void thrum_detect_released(const void *object)
{
    struct record *record = who_wants() ? thrum_record_find() : NULL;
    struct world *world = thrum_world_self();

    if (world) {
        world_hide(world);
        world->released(world, object);
        world_show(world);
    }
    if (!record)
        return;
    for (struct held **at = &record->held; *at; at = &(*at)->next) {
        struct held *held = *at;

        if (held->object != object)
            continue;
        *at = held->next;
        thrum_memory_put(held);
        return;
    }
}

static void left_locked(struct thrum_runtime *runtime, struct record *record)
{
    struct held *held;

    while ((held = record->held) != NULL) {
        char where[112], text[240];

        thrum_code_tell(held->where, where, sizeof where);
        snprintf(text, sizeof text,
                 "has ended and not unlocked the %s %p, which it locked %s; nobody else can",
                 held->what, held->object, held->where ? where : "in a select");
        record->held = held->next;
        thrum_memory_put(held);
        found(runtime, text);
    }
}

/* ---- branches -------------------------------------------------------------------------------- */

/* Its next fork takes the slow way. */
static void ask(void)
{
    thrum_deque_ask(&worker_here()->deque);
}

void thrum_detect_started(void)
{
    if (who_wants())
        ask();
}

void thrum_detect_forked(void)
{
    struct record *record = who_wants() ? thrum_record_get() : NULL;

    if (!record)
        return;
    record->branches++;
    ask();
}

/* One that was forked the quick way may be joined here: there are no fewer than none. */
void thrum_detect_joined(void)
{
    struct record *record = who_wants() ? thrum_record_find() : NULL;

    if (!record)
        return;
    record->branches -= record->branches != 0;
    ask();
}

static void left_unjoined(const struct record *record)
{
    char who[192];

    put_self(who, sizeof who);
    thrum_panic("%s has ended and left %u branches that it has forked; every thrum_fork needs its "
                "thrum_join on every path",
                who, record->branches);
}

/* ---- cancels --------------------------------------------------------------------------------- */

static bool cancelled_itself(const struct record *record)
{
    return record->reason.task != 0 && record->reason.task == thrum_self();
}

/* By what it has not opened itself, and it has not taken that back. */
static bool cancelled_outside(const struct record *record)
{
    struct thrum_scope *outer = scope_outer(&record->scope);

    if (scope_flags(outer) & SCOPE_TASK && thrum_cancelling() == 0)
        outer = scope_outer(outer);
    return thrum_scope_cancelled_from(outer);
}

void thrum_detect_delivered(struct record *record)
{
    if (!who_wants() || record->absorbs || cancelled_itself(record) || !cancelled_outside(record))
        return;
    record->outside = true;
    record->waits = 0;
}

/* Nobody asks these how they ended. */
static bool answers_to_nobody(void)
{
    const struct thrum_child *child = thrum_lane_self()->current;

    return kind_of(child) == KIND_ROOT ||
           (kind_of(child) == KIND_TASK &&
            task_is_daemon(container_of(child, const struct thrum_task, child)));
}

/* "THRUM_EGROUP: fetch failed, by main.c:12" */
static void put_reason(const thrum_reason *reason, char *text, size_t size)
{
    char place[80] = "";

    if (reason->file)
        snprintf(place, sizeof place, ", by %.48s:%d", reason->file, reason->line);
    snprintf(text, size, "%s%s%s%s", thrum_errname(reason->code), reason->text[0] ? ": " : "",
             reason->text, place);
}

static void swallowed(struct thrum_runtime *runtime, const struct record *record)
{
    char reason[192], text[256];

    put_reason(&record->reason, reason, sizeof reason);
    snprintf(text, sizeof text,
             "was told that it is cancelled (%.140s) and has ended with success; return "
             "THRUM_ECANCELED",
             reason);
    found(runtime, text);
}

/* A shield between: it is cleaning up, and does not want to know. */
static bool is_shielded(const struct record *record)
{
    const struct thrum_scope *scope = thrum_lane_self()->scope;

    while (scope != &record->scope && !(scope_flags(scope) & SCOPE_SHIELD))
        scope = scope_outer(scope);
    return scope != &record->scope;
}

/* It does not know more than it knew. */
static void count_wait(struct thrum_runtime *runtime, struct record *record)
{
    char reason[192], text[256];

    if (!record->outside || record->waits >= THRUM_DETECT_WAITS || is_shielded(record))
        return;
    if (++record->waits < THRUM_DETECT_WAITS || !cancelled_outside(record))
        return;
    put_reason(&record->reason, reason, sizeof reason);
    snprintf(text, sizeof text,
             "was told that it is cancelled (%.140s), and has waited %d times since; does it end?",
             reason, THRUM_DETECT_WAITS);
    found(runtime, text);
}

static void count_return(struct thrum_runtime *runtime, struct record *record)
{
    char text[128];

    if (!thrum_scope_level()) { /* each call had something new to tell */
        record->returns = 0;
        return;
    }
    if (++record->returns != THRUM_DETECT_RETURNS || record->absorbs)
        return;
    snprintf(text, sizeof text,
             "got THRUM_ECANCELED from %d calls in a row and goes on calling; let it return",
             THRUM_DETECT_RETURNS);
    found(runtime, text);
}

void thrum_detect_looked(bool told)
{
    struct thrum_runtime *runtime = who_wants();
    struct record *record = runtime ? thrum_record_find() : NULL;

    if (!record)
        return;
    if (told) {
        count_return(runtime, record);
    } else {
        record->returns = 0;
        count_wait(runtime, record);
    }
}

void thrum_detect_ending(struct record *record, int status)
{
    struct thrum_runtime *runtime = who_wants();

    if (!runtime)
        return;
    left_locked(runtime, record);
    if (record->branches)
        left_unjoined(record);
    if (record->outside && status >= 0 && !answers_to_nobody() && cancelled_outside(record))
        swallowed(runtime, record);
}

void thrum_cancel_absorb(void)
{
    struct record *record;

    thrum_check_inside("thrum_cancel_absorb");
    record = who_wants() ? thrum_record_get() : NULL;
    if (!record)
        return;
    record->absorbs = true;
    record->outside = false;
}
