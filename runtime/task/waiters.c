/* waiters.c - linking, claiming and sleeping: see waiters.h. */
#include "runtime/task/waiters.h"

#include "runtime/base/point.h"
#include "runtime/task/scope.h"

void thrum_waiters_link_first(struct waiters *list, struct waiter *self)
{
    self->prev = NULL;
    self->next = list->first;
    self->linked = true;
    if (list->first)
        list->first->prev = self;
    else
        list->last = self;
    list->first = self;
}

bool thrum_waiters_claim(struct waiters *list, struct woken *woken)
{
    while (list->first)
        if (thrum_waiters_claim_first(list, woken))
            return true;
    return false;
}

void thrum_woken_ready_all(const struct woken *woken)
{
    struct pool_item *item = woken->first;

    while (item) {
        struct pool_item *next = item->next;

        POINT("waiters.ready");
        thrum_ready(container_of(item, struct fiber, item));
        item = next;
    }
}

/* ---- waking many ----------------------------------------------------------------------------- */

void thrum_waiters_wake(uint32_t *lock, bool (*some)(void *arg, struct woken *woken), void *arg)
{
    struct woken woken = {NULL, NULL, 0};
    bool pinned = false;

    while (some(arg, &woken)) {
        if (!pinned)
            lock_pin(lock);
        pinned = true;
        lock_leave(lock);
        POINT("waiters.batch");
        thrum_woken_ready(&woken);
        woken = (struct woken){NULL, NULL, 0};
        lock_enter(lock);
    }
    if (pinned)
        thrum_lock_unpin(lock);
    else
        lock_leave(lock);
    POINT("waiters.woken");
    thrum_woken_ready(&woken);
}

/* Those who are to be woken, between two that are none, so that they unlink as from any list. */
struct called {
    struct waiters *list;
    tell_fn *tell;
    void *arg;
    bool off; /* the list, and here */
    struct waiter front;
    struct waiter back;
};

static void take_off(struct called *called)
{
    struct waiters *list = called->list;

    called->front.next = list->first;
    called->back.prev = list->last;
    list->first->prev = &called->front;
    list->last->next = &called->back;
    list->first = list->last = NULL;
    called->off = true;
}

static struct waiter *next_of(const struct called *called)
{
    if (!called->off)
        return called->list->first;
    return called->front.next == &called->back ? NULL : called->front.next;
}

static bool wake_some(void *arg, struct woken *woken)
{
    struct called *called = arg;
    struct waiter *next;

    for (unsigned n = 0; (next = next_of(called)) != NULL; n++) {
        if (n == WAKE_BATCH) {
            if (!called->off)
                take_off(called);
            return true;
        }
        if (called->tell)
            called->tell(next, called->arg);
        thrum_waiters_claim_this(called->list, next, woken);
    }
    return false;
}

void thrum_waiters_wake_all(uint32_t *lock, struct waiters *list, tell_fn *tell, void *arg)
{
    struct called called; /* front and back are used if it is taken off */

    called.list = list;
    called.tell = tell;
    called.arg = arg;
    called.off = false;
    thrum_waiters_wake(lock, wake_some, &called);
}

/* ---- waiting --------------------------------------------------------------------------------- */

int thrum_waiter_begin(struct waiter *self)
{
    int status = thrum_cancel_check();

    self->linked = false;
    self->shared = false;
    return status ? status : thrum_wait_begin(&self->wait);
}

void thrum_waiter_leave(uint32_t *lock, struct waiters *list, struct waiter *self,
                        const struct waiters_kind *kind)
{
    struct woken woken = {NULL, NULL, 0};

    POINT("waiters.leave");
    if (self->linked)
        thrum_waiters_unlink(list, self);
    while (kind->left && kind->left(list, self, &woken)) {
        lock_leave(lock);
        thrum_woken_ready(&woken);
        woken = (struct woken){NULL, NULL, 0};
        lock_enter(lock);
    }
    lock_leave(lock);
    thrum_woken_ready(&woken);
}

/* The sleep was ended by a cancel that was not for it: once more, in its old place. */
static bool sleep_again(uint32_t *lock, struct waiters *list, struct waiter *self,
                        const struct waiters_kind *kind, int *status)
{
    struct wait wait;
    bool asleep;

    *status = thrum_wait_begin(&wait);
    lock_enter(lock);
    asleep = *status == 0 && !(kind->again && kind->again(list, self));
    if (asleep) {
        self->wait = wait;
        if (!self->linked)
            thrum_waiters_link_first(list, self);
        lock_leave(lock);
    } else {
        thrum_waiter_leave(lock, list, self, kind);
    }
    return asleep;
}

int thrum_waiter_sleep(uint32_t *lock, struct waiters *list, struct waiter *self,
                       const struct waiters_kind *kind)
{
    int status;

    do {
        thrum_strand_waits(self->wait.strand, &kind->wait, list);
        if (thrum_wait_sleep(&self->wait) == WAIT_WOKEN)
            return 0;
        status = thrum_cancel_deliver();
        if (status) {
            lock_enter(lock);
            thrum_waiter_leave(lock, list, self, kind);
            return status;
        }
    } while (sleep_again(lock, list, self, kind, &status));
    return status;
}

int thrum_waiter_stay(uint32_t *lock, struct waiters *list, struct waiter *self,
                      const struct waiters_kind *kind)
{
    lock_enter(lock);
    thrum_waiters_link(list, self);
    if (kind->again(list, self)) {
        thrum_waiter_leave(lock, list, self, kind);
        return 0;
    }
    lock_leave(lock);
    return thrum_waiter_sleep(lock, list, self, kind);
}

int thrum_waiter_wait_under(uint32_t *lock, struct waiters *list, struct waiter *self,
                            const struct waiters_kind *kind)
{
    int status = thrum_waiter_begin(self);

    return status ? status : thrum_waiter_stay(lock, list, self, kind);
}

int thrum_waiter_wait(struct waiters *list, struct waiter *self, const struct waiters_kind *kind)
{
    return thrum_waiter_wait_under(&list->lock, list, self, kind);
}
