/*
 * select.c - waiting for the first of several things.
 *
 * A task has one sleep at a time, and each case enters a waiter for it into the
 * list of its object. Whoever wakes claims the sleep, as ever, under the lock of
 * one list: with that the case has happened, and no other can. So a select never
 * holds two locks, and what it commits against is one object's state, never
 * another select's.
 *
 *   look    at all cases, without locks; if some are ready, take one of them:
 *           under its object's lock, which decides
 *   enter   begin the sleep; link a waiter for each case, one lock after the
 *           other. If a case is ready now, others may already have been claimed:
 *           who can claim his own sleep may take it
 *   sleep   until one is claimed, a cancel comes, or the time is up
 *   leave   look into each list, with its lock: the waiter was claimed, or goes.
 *           A waiter that was passed over because the sleep had ended stands in no
 *           list; what it would have been given has gone to the next
 *
 * Permits and locks can be taken without the lock by somebody who is faster,
 * between the claim of one's own sleep and the taking. Then the sleep is used up,
 * and another one begins, with the waiters where they are: as after a cancel that
 * was for nobody. A waiter that was passed over meanwhile asks again first, and
 * stands before all others then. That it stands in no list is how some objects
 * tell it that it was; so it is linked again only once it has been told.
 */
#include <thrum/detail/point.h>

#include <thrum/select.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/point.h"
#include "runtime/plat/clock.h"
#include "runtime/sync/select.h"
#include "runtime/task/fd.h"
#include "runtime/task/scope.h"
#include "runtime/task/task.h"

_Static_assert(sizeof(struct waiter) == sizeof((thrum_case *)0)->waiter, "there is room for it");

/* ---- the cases ------------------------------------------------------------------------------- */

static struct waiters *list_of_task(void *task)
{
    return &((struct thrum_task *)task)->waiters;
}

static int check_task(thrum_case *one)
{
    return thrum_task_over(one->object, NULL) ? 0
                                               : thrum_task_check_join(one->object, "thrum_select");
}

static bool glance_at_task(const thrum_case *one)
{
    return thrum_task_over(one->object, NULL);
}

static int status_of_task(thrum_case *one, const struct waiter *self)
{
    int status = 0;

    (void)self;
    (void)thrum_task_over(one->object, &status);
    return status;
}

static const struct select_kind the_end = {.waiters = &thrum_task_joiners,
                                           .list = list_of_task,
                                           .check = check_task,
                                           .glance = glance_at_task,
                                           .result = status_of_task};

/* The object is the watch, once it has been checked. */
static int check_descriptor(thrum_case *one)
{
    return thrum_fd_select(one->fd, one->permits, &one->object);
}

static bool glance_at_descriptor(const thrum_case *one)
{
    return thrum_fd_glance(one->fd, one->permits);
}

static void come_to_descriptor(thrum_case *one, struct waiter *self)
{
    self->stamp = one->permits;
}

static int events_of_descriptor(thrum_case *one, const struct waiter *self)
{
    (void)one;
    return thrum_fd_result(self);
}

static const struct select_kind readiness = {.waiters = &thrum_fd_waiters,
                                             .check = check_descriptor,
                                             .glance = glance_at_descriptor,
                                             .enter = come_to_descriptor,
                                             .result = events_of_descriptor,
                                             .unlock = thrum_fd_unlock};

/* NULL: there is no object to wait for. */
static const struct select_kind *kind_of_case(const thrum_case *one)
{
    static const struct select_kind *const kinds[] = {[THRUM_CASE_GET] = &thrum_select_get,
                                                      [THRUM_CASE_PUT] = &thrum_select_put,
                                                      [THRUM_CASE_EVENT] = &thrum_select_event,
                                                      [THRUM_CASE_ACQUIRE] = &thrum_select_acquire,
                                                      [THRUM_CASE_LOCK] = &thrum_select_lock,
                                                      [THRUM_CASE_LATCH] = &thrum_select_latch,
                                                      [THRUM_CASE_PROMISE] = &thrum_select_promise,
                                                      [THRUM_CASE_ENDED] = &the_end,
                                                      [THRUM_CASE_NOW] = NULL,
                                                      [THRUM_CASE_FD] = &readiness,
                                                      [THRUM_CASE_READ] = &thrum_select_read,
                                                      [THRUM_CASE_WRITE] = &thrum_select_write};

    return kinds[one->kind];
}

static struct waiters *list_of(const thrum_case *one)
{
    const struct select_kind *kind = kind_of_case(one);

    return kind->list ? kind->list(one->object) : one->object;
}

static uint32_t *lock_of(const thrum_case *one)
{
    const struct select_kind *kind = kind_of_case(one);

    return kind->lock ? kind->lock(one->object) : &list_of(one)->lock;
}

static struct waiter *waiter_of(thrum_case *one)
{
    return (struct waiter *)(void *)one->waiter;
}

/* ---- a select -------------------------------------------------------------------------------- */

struct selection {
    thrum_case *cases;
    size_t n;
    size_t chosen;    /* n: none yet */
    size_t otherwise; /* if nothing can happen at once; n: wait */
    size_t timed;     /* whose time comes first; n: none */
    size_t objects;   /* how many cases have one */
    bool descriptors; /* some do */
    size_t entered;   /* those before this one have been */
    int64_t now;      /* when it was called, if there is a time */
    struct wait wait; /* the sleep */
};

/* Where a select has a choice, this is it: one of n. */
static size_t draw(size_t n)
{
    return n == 1 ? 0 : thrum_draw_below(n);
}

/* 0, or what is wrong with the case. Note what it is for all. */
static int consider(struct selection *all, size_t i)
{
    thrum_case *one = &all->cases[i];
    const struct select_kind *kind;

    if (one->kind < THRUM_CASE_GET || one->kind > THRUM_CASE_WRITE)
        return -EINVAL;
    kind = kind_of_case(one);
    all->objects += kind != NULL;
    all->descriptors |= one->kind == THRUM_CASE_FD;
    if (one->kind == THRUM_CASE_NOW && all->otherwise == all->n)
        all->otherwise = i;
    if (one->kind == THRUM_CASE_TIME && one->when != INT64_MAX &&
        (all->timed == all->n || one->when < all->cases[all->timed].when))
        all->timed = i;
    return kind && kind->check ? kind->check(one) : 0;
}

/* What came of the case that was chosen. The object's lock is held, if there is one. */
static void settle(struct selection *all, size_t i)
{
    thrum_case *one = &all->cases[i];
    const struct select_kind *kind = kind_of_case(one);

    all->chosen = i;
    one->result = kind && kind->result ? kind->result(one, waiter_of(one)) : 0;
}

/* Lock held. Its waiter is behind all who have come before. */
static void link_new(struct selection *all, thrum_case *one)
{
    const struct select_kind *kind = kind_of_case(one);
    struct waiter *self = waiter_of(one);

    self->wait = all->wait;
    self->claimed = false;
    self->shared = true;
    if (kind->enter)
        kind->enter(one, self);
    thrum_waiters_link(list_of(one), self);
}

/* Lock held, linked or passed over. Could it be taken? */
static bool is_ready(thrum_case *one)
{
    const struct waiters_kind *waiters = kind_of_case(one)->waiters;

    return (waiters->ready ? waiters->ready : waiters->again)(list_of(one), waiter_of(one));
}

/* The same. Take it. False: somebody was faster. */
static bool take(thrum_case *one)
{
    return kind_of_case(one)->waiters->again(list_of(one), waiter_of(one));
}

/* Lock held; free afterwards. */
static void unlock(const thrum_case *one)
{
    const struct select_kind *kind = kind_of_case(one);

    if (kind->unlock)
        kind->unlock(one->object);
    else
        lock_leave(lock_of(one));
}

/* The same. */
static void leave(thrum_case *one)
{
    const struct select_kind *kind = kind_of_case(one);
    struct waiter *self = waiter_of(one);

    if (!kind->unlock) {
        thrum_waiter_leave(lock_of(one), list_of(one), self, kind->waiters);
        return;
    }
    if (self->linked)
        thrum_waiters_unlink(list_of(one), self);
    kind->unlock(one->object);
}

/* ---- look ------------------------------------------------------------------------------------ */

static bool glance(const struct selection *all, size_t i)
{
    const thrum_case *one = &all->cases[i];
    const struct select_kind *kind = kind_of_case(one);

    return kind ? kind->glance(one) : one->kind == THRUM_CASE_TIME && one->when <= all->now;
}

/* The sleep has not begun: nobody can claim it. */
static bool take_at_once(struct selection *all, size_t i)
{
    thrum_case *one = &all->cases[i];

    if (!glance(all, i))
        return false;
    if (!kind_of_case(one)) {
        settle(all, i);
        return true;
    }
    lock_enter(lock_of(one));
    link_new(all, one);
    if (is_ready(one) && take(one))
        settle(all, i);
    leave(one);
    return all->chosen == i;
}

/* One of those that seem ready. */
static size_t any(const struct selection *all)
{
    size_t ready = 0;
    size_t skip;

    for (size_t i = 0; i < all->n; i++)
        ready += glance(all, i);
    if (ready == 0)
        return 0;
    skip = draw(ready);
    for (size_t i = 0; i < all->n; i++)
        if (glance(all, i) && skip-- == 0)
            return i;
    return 0;
}

/* True: one was chosen. */
static bool look(struct selection *all, unsigned flags)
{
    size_t first = flags & THRUM_SELECT_ORDERED || all->n == 1 ? 0 : any(all);

    for (size_t i = first; i < all->n; i++)
        if (take_at_once(all, i))
            return true;
    for (size_t i = 0; i < first; i++)
        if (take_at_once(all, i))
            return true;
    return false;
}

/* ---- enter ----------------------------------------------------------------------------------- */

enum entry {
    ENTRY_OPEN,   /* the sleep goes on */
    ENTRY_ENDED,  /* it was ended by somebody else */
    ENTRY_CHOSEN, /* by us, for a case that was ready */
    ENTRY_WASTED  /* by us, and then somebody was faster */
};

/* Lock held, linked or passed over. */
static enum entry try(struct selection *all, size_t i)
{
    struct fiber *asleep;

    if (!is_ready(&all->cases[i]))
        return ENTRY_OPEN;
    POINT("select.ready");
    if (!thrum_wait_claim(&all->wait, WAIT_WOKEN, &asleep))
        return ENTRY_ENDED;
    if (!take(&all->cases[i]))
        return ENTRY_WASTED;
    settle(all, i);
    return ENTRY_CHOSEN;
}

static enum entry enter(struct selection *all, size_t i)
{
    thrum_case *one = &all->cases[i];
    struct waiter *self = waiter_of(one);
    enum entry entry;

    lock_enter(lock_of(one));
    if (i >= all->entered)
        link_new(all, one);
    all->entered = all->entered > i ? all->entered : i + 1;
    self->wait = all->wait;
    entry = try(all, i);
    if (entry == ENTRY_CHOSEN) {
        leave(one);
        return entry;
    }
    if (entry == ENTRY_OPEN && !self->linked)
        thrum_waiters_link_first(list_of(one), self);
    unlock(one);
    return entry;
}

static enum entry enter_all(struct selection *all)
{
    enum entry entry = ENTRY_OPEN;

    for (size_t i = 0; i < all->n && entry == ENTRY_OPEN; i++) {
        POINT("select.enter");
        if (kind_of_case(&all->cases[i]))
            entry = enter(all, i);
    }
    return entry;
}

/* ---- leave ----------------------------------------------------------------------------------- */

/* Whoever has claimed a waiter under its lock has chosen that case. */
static void leave_all(struct selection *all)
{
    size_t chosen = all->chosen;

    for (size_t i = 0; i < all->entered; i++) {
        thrum_case *one = &all->cases[i];

        if (i == chosen || !kind_of_case(one))
            continue;
        POINT("select.leave");
        lock_enter(lock_of(one));
        if (waiter_of(one)->claimed) {
            settle(all, i);
            unlock(one);
        } else {
            leave(one);
        }
    }
}

/* ---- what it waits for, in reports ----------------------------------------------------------- */

static void tell_one(const thrum_case *one, char *text, size_t size)
{
    const struct wait_kind *wait = &kind_of_case(one)->waiters->wait;

    if (wait->tell)
        wait->tell(list_of(one), true, text, size);
    else
        snprintf(text, size, "%s %p", wait->what, one->object);
}

/* The cases may be gone, with the stack on which they stand, unless everybody sleeps. */
static void tell(const void *object, bool still, char *text, size_t size)
{
    const struct selection *all = object;
    size_t used = (size_t)snprintf(text, size, "the first of several");
    size_t left = still ? all->objects : 0;

    for (size_t i = 0; left > 0; i++) {
        char one[64];

        if (!kind_of_case(&all->cases[i]))
            continue;
        tell_one(&all->cases[i], one, sizeof one);
        if (used + strlen(one) + sizeof ":  and 2147483647 more" > size) {
            snprintf(text + used, size - used, " and %zu more", left);
            return;
        }
        used += (size_t)snprintf(text + used, size - used, "%s %s", used > 20 ? "," : ":", one);
        left--;
    }
}

static const struct wait_kind several = {.what = "select", .tell = tell};

/* With one object, or only a time, as if it were waited for alone. */
static void say_what(const struct selection *all)
{
    struct strand *strand = all->wait.strand;
    int64_t when = all->timed == all->n ? INT64_MAX : all->cases[all->timed].when;
    size_t i = 0;

    if (all->objects == 0) {
        thrum_strand_waits(strand, &thrum_sleep_wait, pointer_of((uint64_t)when));
    } else if (all->objects == 1) {
        while (!kind_of_case(&all->cases[i]))
            i++;
        thrum_strand_waits(strand, &kind_of_case(&all->cases[i])->waiters->wait,
                           list_of(&all->cases[i]));
    } else {
        thrum_strand_waits(strand, &several, all);
    }
}

/* ---- sleep ----------------------------------------------------------------------------------- */

/* 0, -ENOMEM. */
static int begin(struct selection *all)
{
    int status = thrum_wait_begin(&all->wait);

    if (status || all->timed == all->n)
        return status;
    return thrum_timer_arm(&all->wait.strand->timer, all->cases[all->timed].when, all->wait.key);
}

/* The sleep was ended by something else. */
static void call_off_timer(const struct selection *all)
{
    if (all->timed != all->n)
        thrum_timer_disarm(&all->wait.strand->timer, all->wait.key);
}

/* 0: a case has happened; -EAGAIN: none, once more; THRUM_ECANCELED. */
static int sleep_once(struct selection *all)
{
    enum entry entry = enter_all(all);
    enum wait_end end;
    int status;

    if (entry >= ENTRY_CHOSEN) {
        call_off_timer(all);
        return entry == ENTRY_CHOSEN ? 0 : -EAGAIN;
    }
    say_what(all);
    end = thrum_wait_sleep(&all->wait);
    if (end == WAIT_TIMED) {
        settle(all, all->timed);
        return 0;
    }
    call_off_timer(all);
    if (end == WAIT_WOKEN)
        return 0;
    status = thrum_cancel_deliver();
    return status ? status : -EAGAIN;
}

static int wait_for_one(struct selection *all)
{
    struct scheduler *scheduler = worker_here()->scheduler;
    int status = thrum_cancel_check();

    if (status)
        return status;
    if (all->descriptors)
        thrum_poller_expect(scheduler);
    do {
        status = begin(all);
        if (!status)
            status = sleep_once(all);
    } while (status == -EAGAIN);
    if (all->descriptors)
        thrum_poller_dismiss(scheduler);
    leave_all(all);
    ASSERT((all->chosen == all->n) == (status != 0));
    return status;
}

int thrum_select(thrum_case *cases, size_t n, unsigned flags)
{
    struct selection all = {.cases = cases, .n = n, .chosen = n, .otherwise = n, .timed = n};
    int status = 0;

    thrum_check_inside("thrum_select");
    thrum_point_at(THRUM_POINT_HERE, NULL);
    if (n == 0 || n > INT_MAX || flags & ~THRUM_SELECT_ORDERED)
        return -EINVAL;
    for (size_t i = 0; i < n && !status; i++)
        status = consider(&all, i);
    if (status)
        return status;
    all.now = all.timed == n ? 0 : thrum_world_now();
    all.wait = (struct wait){strand_of(thrum_lane_self()->fiber), 0};
    if (look(&all, flags) || all.otherwise != n) {
        if (all.chosen == n)
            settle(&all, all.otherwise);
        thrum_spend();
    } else {
        status = wait_for_one(&all);
    }
    return status ? status : (int)all.chosen;
}
