/*
 * generator.c - functions that hand out values one by one.
 *
 *   FRESH ---next---> RUNNING <--next, yield--> YIELDED
 *     |                  |                         |
 *     |                return                    close ---> CLOSING
 *     |                  v                                     |
 *     |                OVER                                  return
 *     v                  v                                     v
 *   CLOSED <--close-- CLOSED                                CLOSED
 *
 * The body runs on a coroutine (sched/coroutine.h), as part of the task that
 * has called next. What it leaves in the chain of its consumer when it yields
 * can only be what stays: the record, and what holds locals.
 *
 * Whose a generator is: the record of a task counts those that it has opened,
 * and a generator those that its body has, which may go on in another task.
 */
#include <errno.h>
#include <string.h>

#include "runtime/sched/coroutine.h"
#include "runtime/task/error.h"
#include "runtime/task/scope.h"
#include "runtime/task/task.h"

enum { CLOSED, FRESH, RUNNING, YIELDED, CLOSING, OVER };

static bool is_running(const thrum_generator *generator)
{
    return generator->state == RUNNING || generator->state == CLOSING;
}

/* Whose body runs here as part of the running task, the innermost; NULL: none. */
static thrum_generator *generator_in(const struct thrum_lane *lane)
{
    thrum_generator *generator = strand_of(lane->fiber)->generator;

    return generator && generator->consumer == lane->current ? generator : NULL;
}

static bool is_task(const struct thrum_lane *lane)
{
    return lane->fiber && lane->current;
}

/* ---- inside ---------------------------------------------------------------------------------- */

/* Whatever the running task has open inside of the generator's `inside`, but for what stays. */
static const struct thrum_scope *opened(const thrum_generator *generator)
{
    const struct thrum_lane *lane = thrum_lane_self();
    const struct thrum_scope *scope = lane->scope;

    while (scope && scope != generator->inside && scope_owner(scope) == lane->current &&
           scope_flags(scope) & (SCOPE_RECORD | SCOPE_LOCALS))
        scope = scope_outer(scope);
    return scope;
}

static NOINLINE void check_scopes(const thrum_generator *generator, const char *what)
{
    const struct thrum_scope *scope = opened(generator);

    if (scope == generator->inside)
        return;
    if (scope && scope_owner(scope) == generator->consumer)
        thrum_panic("a generator's body has %s with a %s open; what it opens it closes before "
                    "that, and what is to be around its consumer the consumer opens",
                    what, thrum_scope_kind(scope));
    thrum_panic("a generator's body has %s after it has closed what its consumer opened", what);
}

static void run(void *arg)
{
    thrum_generator *generator = arg;

    generator->status = generator->fn(generator, generator->arg);
    thrum_task_check_process();
    check_scopes(generator, "returned");
    if (UNLIKELY(generator->generators != 0))
        thrum_panic("a generator's body has returned and left a generator open; every "
                    "thrum_generator_open needs its thrum_generator_close on every path");
}

int thrum_generator_yield(thrum_generator *generator, const void *item)
{
    const struct thrum_lane *lane = thrum_lane_self();

    if (UNLIKELY(!is_task(lane) || generator_in(lane) != generator))
        thrum_panic("thrum_generator_yield was called outside of the generator's body; no other "
                    "task and no other body can yield for it");
    if (UNLIKELY(generator->state == CLOSING))
        thrum_panic("a generator's body has yielded after THRUM_ECLOSED; it must tidy up and "
                    "return");
    if (UNLIKELY(lane->scope != generator->inside))
        check_scopes(generator, "yielded");
    if (generator->iter.item_bytes != 0)
        memcpy(generator->item, item, generator->iter.item_bytes);
    coroutine_leave(generator->coroutine);
    return generator->state == CLOSING ? THRUM_ECLOSED : 0;
}

/* ---- outside --------------------------------------------------------------------------------- */

/*
 * Let the body go on. True: it has yielded. (Inline: each return on the way from
 * one stack to the other is one that the processor foresees wrongly.)
 */
static inline __attribute__((always_inline)) bool go_on(thrum_generator *generator, uint32_t state)
{
    const struct thrum_lane *lane = thrum_lane_self();
    struct strand *strand = strand_of(lane->fiber);
    thrum_generator *outer = strand->generator;

    generator->state = state;
    generator->consumer = lane->current;
    generator->inside = lane->scope;
    strand->generator = generator;
    if (LIKELY(coroutine_resume(generator->coroutine))) {
        strand->generator = outer;
        generator->state = YIELDED;
        return true;
    }
    strand->generator = outer;
    generator->state = OVER;
    thrum_coroutine_put(generator->coroutine);
    return false;
}

/* Who runs here: a body, or else the task. */
static const void *opener_here(void)
{
    const thrum_generator *outer = generator_in(thrum_lane_self());

    return outer ? (const void *)outer : thrum_lane_self()->current;
}

/* How many those who run here have open. NULL: out of memory. */
static uint32_t *open_here(void)
{
    thrum_generator *outer = generator_in(thrum_lane_self());
    struct record *record = outer ? NULL : thrum_record_get();

    return outer ? &outer->generators : record ? &record->generators : NULL;
}

static int iter_next(thrum_iter *iter, void *item)
{
    return thrum_generator_next(container_of(iter, thrum_generator, iter), item);
}

static int iter_close(thrum_iter *iter, int status)
{
    return thrum_generator_close(container_of(iter, thrum_generator, iter), status);
}

int thrum_generator_open(thrum_generator *generator, thrum_generator_fn fn, void *arg,
                         size_t item_bytes)
{
    uint32_t *open;

    if (!is_task(thrum_lane_self()))
        thrum_panic("thrum_generator_open was called outside a task; start one with thrum_run");
    open = open_here();
    if (!open)
        return -ENOMEM;
    *generator =
        (thrum_generator){.iter = {iter_next, iter_close, item_bytes}, .fn = fn, .arg = arg};
    generator->state = FRESH;
    generator->opener = opener_here();
    ++*open;
    return 0;
}

static void check_free(const thrum_generator *generator, const char *call)
{
    if (!is_task(thrum_lane_self()))
        thrum_panic("%s was called outside a task", call);
    if (generator->state == CLOSED)
        thrum_panic("%s was called on a generator that is not open", call);
    if (is_running(generator))
        thrum_panic("%s was called on a generator whose body runs, by the body or by another task; "
                    "one asks at a time",
                    call);
}

/* It has not yielded. 1: it can begin. */
static NOINLINE int begin(thrum_generator *generator)
{
    check_free(generator, "thrum_generator_next");
    if (generator->state == OVER)
        return 0;
    generator->coroutine = thrum_coroutine_get(run, generator);
    return generator->coroutine ? 1 : -ENOMEM;
}

int thrum_generator_next(thrum_generator *generator, void *item)
{
    if (UNLIKELY(generator->state != YIELDED || !is_task(thrum_lane_self()))) {
        int begun = begin(generator);

        if (begun != 1)
            return begun;
    }
    generator->item = item;
    if (LIKELY(go_on(generator, RUNNING)))
        return 1;
    return generator->status < 0 ? generator->status : 0;
}

/* ---- closing --------------------------------------------------------------------------------- */

/* What the body says to the end. *cancelled: a cancel came meanwhile, and is delivered. */
static int end_body(thrum_generator *generator, bool *cancelled)
{
    thrum_shield shield;

    thrum_shield_begin(&shield);
    go_on(generator, CLOSING);
    *cancelled = thrum_shield_end(&shield) != 0;
    return generator->status == THRUM_ECLOSED ? 0 : generator->status;
}

/* ECLOSED is the status of another body, which has been told to end and closes us for that. */
static bool is_error(int status)
{
    return status < 0 && status != THRUM_ECANCELED && status != THRUM_ECLOSED;
}

/* The caller has failed, and then the body too. */
static int both(thrum_error *before, int body)
{
    thrum_error *errors[] = {before, thrum_fail_take(body)};
    thrum_error *tree;

    if (thrum_error_merge(NULL, errors, 2, &tree) == 0)
        (void)thrum_fail_with(tree);
    thrum_error_free(errors[0]);
    thrum_error_free(errors[1]);
    return THRUM_EGROUP;
}

/* The body waits at a yield. */
static int end_and_merge(thrum_generator *generator, int status)
{
    thrum_error *before = is_error(status) ? thrum_fail_take(status) : NULL;
    bool cancelled;
    int body = end_body(generator, &cancelled);

    if (is_error(status) && is_error(body))
        return both(before, body);
    if (is_error(status))
        (void)thrum_fail_with(before);
    else if (is_error(body))
        status = body;
    else if (status >= 0 && (cancelled || body < 0))
        status = THRUM_ECANCELED;
    return status;
}

/* How many its opener has open, if that runs here: the body, or the task that it is part of. */
static uint32_t *open_of(const thrum_generator *generator)
{
    const struct thrum_lane *lane = thrum_lane_self();
    thrum_generator *outer = generator_in(lane);

    if (outer && generator->opener == outer)
        return &outer->generators;
    if (generator->opener != lane->current)
        thrum_panic("thrum_generator_close was called by a task or a body that did not open it");
    return &thrum_record_find()->generators;
}

int thrum_generator_close(thrum_generator *generator, int status)
{
    uint32_t *open;

    check_free(generator, "thrum_generator_close");
    open = open_of(generator);
    if (generator->state == YIELDED)
        status = end_and_merge(generator, status);
    generator->state = CLOSED;
    --*open;
    return status;
}
