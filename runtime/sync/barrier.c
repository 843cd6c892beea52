/*
 * barrier.c - a number of tasks that wait for one another, again and again.
 *
 * All is changed under the lock. Who comes last ends the round: he takes all who
 * wait off the list and wakes them, and those who come after him wait for the
 * next: nobody has to be kept out while a round leaves. A waiter whose cancel came
 * while the last one came is counted: it had come.
 *
 * `state` is BROKEN and the number of the round; a waiter's stamp is the round in
 * which it has come, and what it was told.
 */
#include <thrum/detail/point.h>

#include <thrum/barrier.h>

#include <errno.h>

#include "runtime/task/waiters.h"

#define BROKEN 1u
#define ROUND_ONE 4u

/* What a waiter is told by who claims it. */
enum told { TOLD_NOTHING = 0, TOLD_PASS = 1, TOLD_BROKEN = 2, TOLD = 3 };

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
    waiters_lock_last(list_of(barrier)); /* the last call may still be leaving */
    if (barrier->first)
        thrum_panic("thrum_barrier_destroy was called while a task waits at the barrier");
    waiters_unlock(list_of(barrier));
}

/* What all of a round are told, and the place of the next one. */
struct verdict {
    enum told told;
    uint32_t place;
};

static void tell(struct waiter *waiter, void *arg)
{
    struct verdict *verdict = arg;

    waiter->stamp |= verdict->told;
    *(uint32_t *)waiter->item = verdict->place++;
}

/* Lock held; free afterwards. All who wait are told the same; nobody waits any more. */
static void end_round(thrum_barrier *barrier, enum told told)
{
    struct waiters *list = list_of(barrier);
    struct verdict verdict = {told, 0};

    list->state += ROUND_ONE;
    barrier->waiting = 0;
    thrum_waiters_wake_all(&list->lock, list, tell, &verdict);
}

static bool again(struct waiters *list, struct waiter *self)
{
    (void)list;
    return (self->stamp & TOLD) != TOLD_NOTHING;
}

/* A waiter has given up: it has not come, unless its round is over. */
static bool left(struct waiters *list, struct waiter *self, struct woken *woken)
{
    (void)woken;
    if (self->stamp == (list->state & ~BROKEN))
        ((thrum_barrier *)(void *)list)->waiting--;
    return false;
}

static const struct waiters_kind kind = {
    .again = again, .left = left, .wait = {.what = "barrier"}};

/* 0: the last one has come, and all go on; THRUM_EBROKEN; -EAGAIN: `self`, unless NULL, is linked. */
static int come(thrum_barrier *barrier, struct waiter *self, uint32_t *index)
{
    struct waiters *list = list_of(barrier);
    int status = -EAGAIN;

    waiters_lock(list);
    if (list->state & BROKEN) {
        status = THRUM_EBROKEN;
    } else if (barrier->waiting + 1 == barrier->parties) {
        *index = barrier->parties - 1;
        end_round(barrier, TOLD_PASS);
        return 0;
    } else if (UNLIKELY(barrier->parties == 0)) {
        thrum_panic("a thrum_barrier was used that was never initialised (thrum_barrier_init)");
    } else if (self) {
        barrier->waiting++;
        self->stamp = list->state;
        thrum_waiters_link(list, self);
    }
    waiters_unlock(list);
    return status;
}

static int wait_for_others(thrum_barrier *barrier, uint32_t *index)
{
    struct waiter self;
    int status = thrum_waiter_begin(&self);

    if (status)
        return status;
    self.item = index;
    status = come(barrier, &self, index);
    if (status != -EAGAIN)
        return status;
    status = thrum_waiter_sleep(&list_of(barrier)->lock, list_of(barrier), &self, &kind);
    return status ? status : self.stamp & TOLD_BROKEN ? THRUM_EBROKEN : 0;
}

int thrum_barrier_wait(thrum_barrier *barrier, uint32_t *index)
{
    uint32_t place = 0;
    int status;

    thrum_point_at(THRUM_POINT_ACQUIRE, barrier);
    if (!task_calls())
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

void thrum_barrier_reset(thrum_barrier *barrier)
{
    thrum_point_at(THRUM_POINT_RELEASE, barrier);
    waiters_lock(list_of(barrier));
    list_of(barrier)->state &= ~BROKEN;
    end_round(barrier, TOLD_BROKEN);
}

void thrum_barrier_abort(thrum_barrier *barrier)
{
    thrum_point_at(THRUM_POINT_RELEASE, barrier);
    waiters_lock(list_of(barrier));
    list_of(barrier)->state |= BROKEN;
    end_round(barrier, TOLD_BROKEN);
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

    thrum_point_at(THRUM_POINT_READ, barrier);
    waiters_lock(list_of(barrier));
    broken = list_of(barrier)->state & BROKEN;
    waiters_unlock(list_of(barrier));
    return broken;
}
