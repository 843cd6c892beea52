/*
 * counted.c - groups that must know at any time who is left: those with a
 * limit, those with daemons, those that are over at the first success.
 *
 * Their tasks never run inside close, and all of them are counted in the
 * group's `remote`. Beside that
 *
 *   alive   counts the owner's body and all tasks but daemons. Whoever brings
 *           it to 0 cancels the daemons; he is still counted in `remote`
 *           himself, or is the owner, so that the group stays.
 *   room    is who waits to spawn into a full group; `state` is how many tasks
 *           there are that are no daemons. Who ends hands his place on.
 */
#include "runtime/base/point.h"
#include "runtime/task/cancel.h"
#include "runtime/task/scope.h"
#include "runtime/task/task.h"

_Static_assert(offsetof(struct thrum_group, state) - offsetof(struct thrum_group, first) ==
                   offsetof(struct waiters, state),
               "a group's room is a list of waiters");

static struct waiters *room_of(struct thrum_group *group)
{
    return (struct waiters *)(void *)&group->first;
}

static struct thrum_group *group_from(struct waiters *room)
{
    return container_of((void **)(void *)room, struct thrum_group, first);
}

static uint32_t limit_of(const struct thrum_group *group)
{
    return (uint32_t)(group->policy >> 32);
}

void thrum_counted_open(struct thrum_group *group)
{
    struct waiters *room = room_of(group);

    room->first = room->last = NULL;
    store_relaxed(&room->lock, 0);    /* relaxed: nobody knows the group yet */
    store_relaxed(&room->state, 0);   /* relaxed: likewise */
    store_relaxed(&group->alive, 1);  /* relaxed: likewise */
    group->scope.flags |= SCOPE_COUNTED;
    group->scope.owner |= 1;
}

/* ---- room ------------------------------------------------------------------------------------ */

/* Lock held. Take a place if there is one. */
static bool take(struct waiters *room)
{
    uint32_t taken = load_relaxed(&room->state); /* relaxed: the lock */

    if (taken >= limit_of(group_from(room)))
        return false;
    store_relaxed(&room->state, taken + 1); /* relaxed: the lock */
    return true;
}

static bool again(struct waiters *room, struct waiter *self)
{
    (void)self;
    return take(room);
}

static const struct waiters_kind kind = {.again = again, .wait = {.what = "place in a group"}};

/* A place, which may have to be waited for. 0, THRUM_ECANCELED, -ENOMEM. */
static int place_take(struct waiters *room)
{
    struct waiter self;
    bool taken;

    waiters_lock(room);
    taken = take(room);
    waiters_unlock(room);
    POINT("group.full");
    return taken ? 0 : thrum_waiter_wait(room, &self, &kind);
}

/* A place becomes free: whoever waits longest has it now. */
static void place_give(struct waiters *room)
{
    struct woken woken = {NULL, NULL, 0};

    waiters_lock(room);
    if (!thrum_waiters_claim(room, &woken))
        store_relaxed(&room->state, load_relaxed(&room->state) - 1); /* relaxed: the lock */
    waiters_unlock(room);
    thrum_woken_ready(&woken);
}

/* ---- coming and going ------------------------------------------------------------------------ */

int thrum_counted_enter(struct thrum_group *group, bool daemon)
{
    bool limited = !daemon && limit_of(group) != 0;
    int status = limited ? place_take(room_of(group)) : 0;

    if (status)
        return status;
    if (group_shuts_down(group)) { /* while we waited */
        if (limited)
            place_give(room_of(group));
        return THRUM_ESHUTDOWN;
    }
    if (!daemon)
        add_relaxed(&group->alive, 1); /* relaxed: we are in it, unless a daemon spawns: see leave */
    add_relaxed(&group->remote, 1);    /* relaxed: a counter that cannot reach 0, we are in it */
    return 0;
}

/* If a daemon spawns just then, its task comes too late and is cancelled with it. */
static void leave(struct thrum_group *group)
{
    if (add_relaxed(&group->alive, (uint64_t)-1) != 1) /* relaxed: a counter; a cancel has edges
                                                          of its own */
        return;
    POINT("group.daemons");
    if ((group->policy & THRUM_DAEMONS) && thrum_group_flag(group, FAILURES_CANCELLED))
        thrum_cancel_scope(&group->scope, 0, "all other tasks of the group have ended", NULL, 0);
}

void thrum_counted_leave(struct thrum_group *group, bool daemon)
{
    if (daemon)
        return;
    if (limit_of(group) != 0)
        place_give(room_of(group));
    leave(group);
}

void thrum_counted_close(struct thrum_group *group)
{
    leave(group);
}

void thrum_counted_succeeded(struct thrum_group *group)
{
    if (!(group->policy & THRUM_FIRST_OK) || !thrum_group_flag(group, FAILURES_SUCCEEDED))
        return;
    if (thrum_group_flag(group, FAILURES_CANCELLED))
        thrum_cancel_scope(&group->scope, 0, "a task of the group has succeeded", NULL, 0);
}
