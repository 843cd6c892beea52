/*
 * barrier.c - a number of tasks that wait for one another, again and again.
 *
 * All is changed under the lock. Who comes last claims all who wait, and those
 * who come after him wait for the next round: nobody has to be kept out while
 * a round leaves. A waiter whose cancel came while the last one came is counted:
 * it had come.
 */
#include <thrum/barrier.h>

#include <errno.h>

#include "runtime/base/point.h"
#include "runtime/task/waiters.h"

#define BROKEN 1u

/* What a waiter is told by who claims it. */
enum told { TOLD_NOTHING = 0, TOLD_PASS = 1, TOLD_BROKEN = 2 };

_Static_assert(offsetof(thrum_barrier, parties) == sizeof(struct waiters),
               "a barrier begins like a list of waiters");
_Static_assert(sizeof(thrum_barrier) == 32, "the size that the header promises");

static struct waiters *list_of(thrum_barrier *barrier)
{
    return (struct waiters *)(void *)barrier;
}

int thrum_barrier_init(thrum_barrier *barrier, uint32_t parties)
{
    if (parties == 0)
        return -EINVAL;
    *barrier = (thrum_barrier){.parties = parties};
    return 0;
}

void thrum_barrier_destroy(thrum_barrier *barrier)
{
    waiters_lock(list_of(barrier)); /* the last call may still be leaving */
    if (barrier->first)
        thrum_panic("thrum_barrier_destroy was called while a task waits at the barrier");
    waiters_unlock(list_of(barrier));
}

/* Lock held. All who wait are told the same, and their places; nobody waits any more. */
static void tell(thrum_barrier *barrier, enum told told, struct woken *woken)
{
    struct waiters *list = list_of(barrier);

    for (uint32_t place = 0; list->first; place++) {
        list->first->stamp = told;
        *(uint32_t *)list->first->item = place;
        thrum_waiters_claim_first(list, woken);
    }
    barrier->waiting = 0;
}

static bool again(struct waiters *list, struct waiter *self)
{
    (void)list;
    return self->stamp != TOLD_NOTHING;
}

/* A waiter has given up: it has not come, unless its round is over. */
static void left(struct waiters *list, struct waiter *self, struct woken *woken)
{
    (void)woken;
    if (self->stamp == TOLD_NOTHING)
        ((thrum_barrier *)(void *)list)->waiting--;
}

static const struct waiters_kind kind = {
    .again = again, .left = left, .wait = {.what = "barrier"}};

/* 0: the last one has come, and all go on; THRUM_EBROKEN; -EAGAIN: `self`, unless NULL, is linked. */
static int come(thrum_barrier *barrier, struct waiter *self, uint32_t *index)
{
    struct woken woken = {NULL, NULL, 0};
    int status = 0;

    waiters_lock(list_of(barrier));
    if (list_of(barrier)->state & BROKEN) {
        status = THRUM_EBROKEN;
    } else if (barrier->waiting + 1 == barrier->parties) {
        tell(barrier, TOLD_PASS, &woken);
        *index = barrier->parties - 1;
    } else {
        status = -EAGAIN;
        barrier->waiting += self ? 1 : 0;
        if (self)
            thrum_waiters_link(list_of(barrier), self);
    }
    waiters_unlock(list_of(barrier));
    POINT("barrier.come");
    thrum_woken_ready(&woken);
    return status;
}

static int wait_for_others(thrum_barrier *barrier, uint32_t *index)
{
    struct waiter self;
    int status = thrum_waiter_begin(&self);

    if (status)
        return status;
    self.stamp = TOLD_NOTHING;
    self.item = index;
    status = come(barrier, &self, index);
    if (status != -EAGAIN)
        return status;
    status = thrum_waiter_sleep(&list_of(barrier)->lock, list_of(barrier), &self, &kind);
    return status ? status : self.stamp == TOLD_BROKEN ? THRUM_EBROKEN : 0;
}

int thrum_barrier_wait(thrum_barrier *barrier, uint32_t *index)
{
    uint32_t place = 0;
    int status;

    if (!thrum_worker_self())
        thrum_panic("thrum_barrier_wait was called outside a task");
    status = come(barrier, NULL, &place);
    if (status == -EAGAIN)
        status = wait_for_others(barrier, &place);
    else
        thrum_spend();
    if (index && status == 0)
        *index = place;
    return status;
}

static void end_round(thrum_barrier *barrier, uint32_t state)
{
    struct woken woken = {NULL, NULL, 0};

    waiters_lock(list_of(barrier));
    list_of(barrier)->state = state;
    tell(barrier, TOLD_BROKEN, &woken);
    waiters_unlock(list_of(barrier));
    POINT("barrier.ready");
    thrum_woken_ready(&woken);
}

void thrum_barrier_reset(thrum_barrier *barrier)
{
    end_round(barrier, 0);
}

void thrum_barrier_abort(thrum_barrier *barrier)
{
    end_round(barrier, BROKEN);
}

uint32_t thrum_barrier_waiting(thrum_barrier *barrier)
{
    uint32_t waiting;

    waiters_lock(list_of(barrier));
    waiting = barrier->waiting;
    waiters_unlock(list_of(barrier));
    return waiting;
}

bool thrum_barrier_broken(thrum_barrier *barrier)
{
    bool broken;

    waiters_lock(list_of(barrier));
    broken = list_of(barrier)->state & BROKEN;
    waiters_unlock(list_of(barrier));
    return broken;
}
