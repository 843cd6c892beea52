/*
 * record.c - making and closing the records of tasks.
 *
 * Edges
 *   record.made   record_get -> scope_outer   the record, entered in a chain that others read
 */
#include "runtime/task/record.h"

#include <string.h>

#include "runtime/task/detect.h"
#include "runtime/task/error.h"
#include "runtime/task/locals.h"
#include "runtime/task/scope.h"
#include "runtime/task/slab.h"
#include "runtime/task/strand.h"

struct record *thrum_record_find(void)
{
    const struct thrum_lane *lane = thrum_lane_self();
    struct thrum_scope *scope = lane->scope;
    uint32_t steps = 0;

    for (; scope && scope_owner(scope) == lane->current; scope = scope_next(scope, &steps))
        if (scope_flags(scope) & SCOPE_RECORD)
            return container_of(scope, struct record, scope);
    return NULL;
}

/* The strand's own if it is free, else one from the slab. */
static struct record *record_new(struct strand *strand)
{
    struct record *record = &strand->record;

    if (!record->scope.owner) {
        record->pooled = false;
        return record;
    }
    record = thrum_slab_get(SLAB_RECORD);
    if (record)
        record->pooled = true;
    return record;
}

/* Outside of all that the task has opened, inside of its own scope if it has a handle. */
static void insert(struct thrum_lane *lane, struct record *record)
{
    struct thrum_scope *last = NULL;
    struct thrum_scope *scope = lane->scope;

    while (scope && scope_owner(scope) == lane->current && !(scope_flags(scope) & SCOPE_TASK)) {
        last = scope;
        scope = scope_outer(scope);
    }
    record->scope.outer = word_of(scope);
    if (last)
        store_release(&last->outer, word_of(&record->scope)); /* EDGE record.made */
    else
        lane->scope = &record->scope;
}

struct record *thrum_record_get(void)
{
    struct record *record = thrum_record_find();
    struct thrum_lane *lane = thrum_lane_self();

    if (record)
        return record;
    record = record_new(strand_of(lane->fiber));
    if (!record)
        return NULL;
    record->scope = (struct thrum_scope){
        .owner = word_of(lane->current),
        .fiber = lane->fiber,
        .flags = SCOPE_RECORD | SCOPE_BASE,
        .seen = thrum_scope_seen_at_start(),
        .base = thrum_scope_seen_at_start(),
    };
    record->detail = NULL;
    record->tokens = 0;
    record->generators = 0;
    record->delivered = false;
    record->absorbs = false;
    record->outside = false;
    record->waits = 0;
    record->returns = 0;
    record->held = NULL;
    record->branches = 0;
    insert(lane, record);
    return record;
}

struct remains thrum_record_close(struct thrum_scope *start, int status)
{
    struct remains remains = {false, NULL};
    struct thrum_lane *lane = thrum_lane_self();
    struct thrum_scope *scope;
    struct record *record;

    thrum_locals_leave();
    scope = lane->scope;
    if (scope == start)
        return remains;
    record = container_of(scope, struct record, scope);
    if (!scope || !(scope_flags(scope) & SCOPE_RECORD) || scope_outer(scope) != start)
        thrum_scope_left_open(scope);
    remains.delivered = record->delivered;
    remains.detail = record->detail;
    if (record->tokens)
        thrum_panic("a task ended that had swapped a local and not reset it; every "
                    "thrum_local_swap needs its thrum_local_reset on every path");
    if (record->generators)
        thrum_panic("a task ended and left a generator open; every thrum_generator_open needs its "
                    "thrum_generator_close on every path");
    if (detecting())
        thrum_detect_ending(record, status);
    lane->scope = start;
    scope->owner = 0;
    if (record->pooled)
        thrum_slab_put(SLAB_RECORD, record);
    return remains;
}
