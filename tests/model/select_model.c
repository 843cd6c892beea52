/*
 * select_model.c - sync/select.c in the explorer, over events and a semaphore:
 * one sleep in several lists, against those who wake, take, wait too and cancel.
 *
 * Oracles: one case is chosen, and what it says has happened; of the others
 * nothing: no waiter is left, no permit is lost or doubled, and nobody who waits
 * beside is passed over for good, which the explorer calls a deadlock.
 */
#include "model/world.h"

#include <errno.h>

#include <thrum/select.h>

static thrum_event event, second, never;
static thrum_sem sem;
static thrum_scope scope;   /* of top: what is cancelled */
static thrum_group group;   /* of top: threads 0 and 1 are its tasks */
static uint64_t held;       /* plain: permits that somebody has; the semaphore guards it */
static uint64_t given[2];   /* plain: what two who release have done before */
static int chosen;

/* Whichever comes first: the order of the cases is as good. */
const struct wait_kind thrum_sleep_wait = {.what = "time"};

size_t thrum_draw_below(size_t n)
{
    (void)n;
    return 0;
}

/* ---- beginnings ------------------------------------------------------------------------------ */

static void begin_with(uint32_t permits)
{
    begin_world();
    event = second = never = (thrum_event)THRUM_EVENT_INIT;
    sem = (thrum_sem)THRUM_SEM_INIT(permits);
    held = given[0] = given[1] = 0;
    chosen = -1;
    start_in(TOP, &root);
    enter_thread(TOP);
    MODEL_CHECK(thrum_scope_begin(&scope, 0) == 0);
    thrum_scope_look();
    open_in(TOP, &group);
    for (int i = 0; i < 2; i++) {
        start_in(i, &group.scope);
        hear(i);
        MODEL_CHECK(thrum_strand_enter(&places[i].strand) == 0);
    }
}

static void begin(void)
{
    begin_with(0);
}

static void begin_with_permit(void)
{
    begin_with(1);
}

/* ---- who selects ----------------------------------------------------------------------------- */

/* The cases are gone when it has returned: who touches them later is found out. */
static int select_two(thrum_case one, thrum_case other)
{
    thrum_case *cases = model_alloc(2 * sizeof *cases);

    cases[0] = one;
    cases[1] = other;
    chosen = thrum_select(cases, 2, 0);
    model_free(cases);
    return chosen;
}

static void give_back(void)
{
    model_write(&held, 0);
    MODEL_CHECK(thrum_sem_release(&sem, 1) == 0);
}

static void got(void)
{
    MODEL_CHECK(model_read(&held) == 0);
    model_write(&held, 1);
}

static void select_events(void)
{
    int which = select_two(thrum_case_event(&event), thrum_case_event(&second));

    MODEL_CHECK(thrum_event_is_set(which == 0 ? &event : &second));
    end(0);
}

/* Set for a moment: that was enough. */
static void select_moment(void)
{
    MODEL_CHECK(select_two(thrum_case_event(&never), thrum_case_event(&event)) == 1);
    end(0);
}

static void select_permit(void)
{
    int which = select_two(thrum_case_acquire(&sem, 1), thrum_case_event(&event));

    MODEL_CHECK(which >= 0 || which == THRUM_ECANCELED);
    if (which == 0) {
        got();
        give_back();
    }
    end(0);
}

/* Two permits, of which each brings something. */
static void select_two_permits(void)
{
    MODEL_CHECK(select_two(thrum_case_event(&never), thrum_case_acquire(&sem, 2)) == 1);
    MODEL_CHECK(model_read(&given[0]) == 1 && model_read(&given[1]) == 1);
    MODEL_CHECK(thrum_sem_release(&sem, 1) == 0);
    end(0);
}

/* Twice the same. */
static void select_permits(void)
{
    int which = select_two(thrum_case_acquire(&sem, 1), thrum_case_acquire(&sem, 1));

    MODEL_CHECK(which >= 0);
    got();
    give_back();
    end(0);
}

/* Nothing else will do. */
static void select_only_permit(void)
{
    MODEL_CHECK(select_two(thrum_case_event(&never), thrum_case_acquire(&sem, 1)) == 1);
    got();
    give_back();
    end(0);
}

static void select_permit_too(void)
{
    thrum_case *cases = model_alloc(2 * sizeof *cases);
    int which;

    cases[0] = thrum_case_event(&event);
    cases[1] = thrum_case_acquire(&sem, 1);
    which = thrum_select(cases, 2, 0);
    model_free(cases);
    MODEL_CHECK(which >= 0);
    if (which == 1) {
        got();
        give_back();
    }
    end(1);
}

/* ---- the others ------------------------------------------------------------------------------ */

static void acquire(int number)
{
    MODEL_CHECK(thrum_sem_acquire(&sem, 1) == 0);
    got();
    give_back();
    end(number);
}

static void acquire_0(void)
{
    acquire(0);
}

static void acquire_1(void)
{
    acquire(1);
}

static void try_acquire(void)
{
    if (thrum_sem_try_acquire(&sem, 1) == 0) {
        got();
        give_back();
    }
}

/* The first one to have it. */
static void release(void)
{
    model_write(&held, 0);
    MODEL_CHECK(thrum_sem_release(&sem, 1) == 0);
}

static void give(int which)
{
    model_write(&given[which], 1);
    MODEL_CHECK(thrum_sem_release(&sem, 1) == 0);
}

static void give_one(void)
{
    give(0);
}

static void give_other(void)
{
    give(1);
}

static void set(void)
{
    thrum_event_set(&event);
}

/* Whoever is woken by the event does not need the permit. */
static void set_and_release(void)
{
    thrum_event_set(&event);
    release();
}

static void set_second(void)
{
    thrum_event_set(&second);
}

static void release_and_set(void)
{
    release();
    set();
}

/* Once it waits: before that nobody would have missed it. */
static void flash(void)
{
    while (!load_acquire(&places[0].strand.told))
        model_yield();
    thrum_event_set(&event);
    thrum_event_clear(&event);
}

static void cancel(void)
{
    thrum_scope_cancel(&scope, 1, "one");
}

/* One that thinks that thread 0's sleep is its to end. */
static void mistake(void)
{
    struct wait wait;

    if (thrum_wait_of(&places[0].strand, &wait))
        thrum_wait_fire(&wait, WAIT_CANCELLED);
}

static void mistake_and_release(void)
{
    mistake();
    release();
}

/* ---- in the end ------------------------------------------------------------------------------ */

static void check_lines(void)
{
    MODEL_CHECK(!event.first && !second.first && !never.first && !sem.first);
}

/* All permits are back, and nobody waits. */
static void check_permit(void)
{
    check_lines();
    MODEL_CHECK(held == 0);
    MODEL_CHECK(sem.state == 1);
}

#define T(text, start, check, ...) {text, start, {__VA_ARGS__}, check, 0, 0, false}
#define LARGE(text, start, check, ...) {text, start, {__VA_ARGS__}, check, 1, 1, false}

static const struct model models[] = {
    T("two events", begin, check_lines, select_events, set, set_second),
    T("a permit or a cancel", begin, check_permit, select_permit, release, cancel),
    T("a permit or an event", begin, check_permit, select_permit, release_and_set),
    T("twice the same", begin, check_permit, select_permits, release),
    T("woken for nobody", begin, check_lines, select_events, set, mistake),
    T("for a moment", begin, check_lines, select_moment, flash, mistake),
    LARGE("passed over", begin, check_permit, select_only_permit, acquire_1, mistake_and_release),
    LARGE("passed over alone", begin, check_permit, acquire_0, acquire_1, mistake_and_release),
    T("two permits", begin, check_permit, select_two_permits, give_one, give_other),
    T("a permit that is left", begin, check_permit, select_permit, try_acquire, set_and_release),
    T("who is faster", begin_with_permit, check_permit, select_permit, try_acquire, set),
    LARGE("who waits beside", begin, check_permit, select_permit, acquire_1, release_and_set),
    LARGE("two selects", begin, check_permit, select_permit, select_permit_too, release, set),
};

int main(int argc, char **argv)
{
    static const char *const subjects[] = {"runtime/sync/select.", "runtime/sync/semaphore.",
                                           "runtime/task/waiters.", NULL};

    return model_main(argc, argv, models, sizeof(models) / sizeof(*models), subjects);
}
