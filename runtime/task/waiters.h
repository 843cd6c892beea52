/*
 * waiters.h - the tasks that wait for one object, in order of arrival.
 *
 *     struct waiter self;
 *
 *     if (what is waited for is there)
 *         take it, done;
 *     return thrum_waiter_wait(list, &self, &kind);
 *
 * which begins a sleep, links it, looks once more under the lock (kind.again),
 * and sleeps until somebody claims it.
 *
 * A sleep that a cancel has ended unlinks itself. Whoever wakes claims under
 * the lock, which decides against the cancel, and makes ready after it; who
 * cannot claim goes on to the next, so that nothing is lost. Who has many to wake
 * takes them off the list, into one of its own under the same lock, and comes
 * back for each batch of them.
 *
 * One sleep may have waiters in several lists, or several in one (sync/select.c).
 * The first claim ends it; the others fail, as after a cancel. Such a sleeper
 * takes the lock of each of its lists before it goes on.
 *
 *   class   one lock bit for each list; a thread stopped there delays only
 *           users of that object
 */
#ifndef THRUM_TASK_WAITERS_H
#define THRUM_TASK_WAITERS_H

#include "runtime/task/lock.h"
#include "runtime/task/wait.h"

struct waiter {
    struct wait wait;
    struct waiter *next; /* lock */
    struct waiter *prev; /* lock */
    bool linked;         /* lock */
    bool claimed;        /* lock: valid if shared: it was through this one that the sleep ended */
    bool shared;         /* constant while linked: other waiters stand for the same sleep */
    uint32_t stamp;      /* the object's */
    void *item;          /* the object's */
};

/* Laid out as the public objects begin. */
struct waiters {
    struct waiter *first; /* lock */
    struct waiter *last;  /* lock */
    uint32_t lock;
    uint32_t state; /* the object's */
};

/* Fibers that were claimed and are to be made ready after the lock: nobody else knows them. */
struct woken {
    struct pool_item *first;
    struct pool_item *last;
    unsigned n; /* claimed, those included that were not asleep yet */
};

static inline void waiters_lock(struct waiters *list)
{
    lock_enter(&list->lock);
}

/* Before it is destroyed. */
static inline void waiters_lock_last(struct waiters *list)
{
    thrum_lock_enter_last(&list->lock);
}

static inline void waiters_unlock(struct waiters *list)
{
    lock_leave(&list->lock);
}

/* Lock held. Before all others: it had come to its turn; behind all others. */
void thrum_waiters_link_first(struct waiters *list, struct waiter *self);

static inline void thrum_waiters_link(struct waiters *list, struct waiter *self)
{
    self->next = NULL;
    self->prev = list->last;
    self->linked = true;
    POINT("waiters.link");
    if (list->last)
        list->last->next = self;
    else
        list->first = self;
    list->last = self;
}

/* What an object adds to the sleeps of its waiters. The functions may be NULL. Lock held: */
struct waiters_kind {
    /*
     * Does it have now what it waits for, so that it need not sleep? It has come, and is linked;
     * or its sleep was ended by a cancel that was not for it: if somebody has passed it over
     * meanwhile it is not linked, and if it still has to wait, it waits before all others.
     */
    bool (*again)(struct waiters *list, struct waiter *self);
    /*
     * For a select, before `again`: could that say yes? Nothing is taken; but if it says no, the
     * object knows from now on that somebody waits. NULL: `again` takes nothing, and is asked.
     */
    bool (*ready)(struct waiters *list, struct waiter *self);
    /*
     * A waiter goes without having been claimed, unlinked: does it leave room for others? True:
     * there are more to be woken than one may under one hold of the lock; ask again.
     */
    bool (*left)(struct waiters *list, struct waiter *self, struct woken *woken);
    struct wait_kind wait; /* what its waiters wait for; the list is the object */
};

/* Lock held. Only unlink it. */
static inline void thrum_waiters_unlink(struct waiters *list, struct waiter *self)
{
    if (self->prev)
        self->prev->next = self->next;
    else
        list->first = self->next;
    if (self->next)
        self->next->prev = self->prev;
    else
        list->last = self->prev;
    self->linked = false;
}

/*
 * Lock held. Unlink this one and claim it. False: it was cancelled, and finds that it is not
 * linked. What it is to find, it must have been given before: it may run already.
 */
static inline bool thrum_waiters_claim_this(struct waiters *list, struct waiter *one,
                                            struct woken *woken)
{
    struct fiber *asleep;

    thrum_waiters_unlink(list, one);
    one->claimed = true; /* once it is, it may be gone, unless it is shared */
    POINT("waiters.claim");
    if (!thrum_wait_claim(&one->wait, WAIT_WOKEN, &asleep)) {
        one->claimed = false;
        return false; /* cancelled, say; it will find that it is not linked */
    }
    woken->n++;
    if (!asleep)
        return true; /* it goes on by itself */
    asleep->item.next = NULL;
    if (woken->last)
        woken->last->next = &asleep->item;
    else
        woken->first = &asleep->item;
    woken->last = &asleep->item;
    return true;
}

/*
 * Lock held. Unlink the first waiter and claim it. False: it was cancelled. What it is to
 * find, it must have been given before: it may run already.
 */
static inline bool thrum_waiters_claim_first(struct waiters *list, struct woken *woken)
{
    return thrum_waiters_claim_this(list, list->first, woken);
}

/* Lock held. Claim the one that came first and has not been cancelled. False: there is none. */
bool thrum_waiters_claim(struct waiters *list, struct woken *woken);

/* Lock free again. */
void thrum_woken_ready_all(const struct woken *woken);

static inline void thrum_woken_ready(const struct woken *woken)
{
    if (woken->first)
        thrum_woken_ready_all(woken);
}

/* How many are claimed under one hold of a lock. */
#define WAKE_BATCH 64

/*
 * Lock held; it is left. Call some(arg, &woken) under the lock, which claims WAKE_BATCH at most,
 * until it says that there are no more, and make ready after each call. Nobody destroys the object
 * meanwhile; when it returns it may be gone.
 */
void thrum_waiters_wake(uint32_t *lock, bool (*some)(void *arg, struct woken *woken), void *arg);

/* What a waiter is told before it is claimed. */
typedef void tell_fn(struct waiter *waiter, void *arg);

/*
 * The same for all who are linked now, in the order in which they came; who comes later is not
 * among them. tell(waiter, arg), unless NULL, comes before each claim.
 */
void thrum_waiters_wake_all(uint32_t *lock, struct waiters *list, tell_fn *tell, void *arg);

/*
 * Begin, and sleep until somebody claims, unless it has already what it waits for. `kind` and its
 * `again` may not be NULL. 0, THRUM_ECANCELED, -ENOMEM.
 */
int thrum_waiter_wait(struct waiters *list, struct waiter *self, const struct waiters_kind *kind);

/* The same for one of several lists that share a lock. */
int thrum_waiter_wait_under(uint32_t *lock, struct waiters *list, struct waiter *self,
                            const struct waiters_kind *kind);

/* The same in steps, for who has something to do between them. The running task is going to wait: */
int thrum_waiter_begin(struct waiter *self);

/* Likewise, and a lock may be held. False: it has to do something else first, as begin does. */
static inline bool thrum_waiter_begin_now(struct waiter *self)
{
    self->shared = false;
    return thrum_wait_begin_now(&self->wait);
}

/* It has begun to. */
int thrum_waiter_stay(uint32_t *lock, struct waiters *list, struct waiter *self,
                      const struct waiters_kind *kind);

/* Lock held; free afterwards. It goes without having been claimed. */
void thrum_waiter_leave(uint32_t *lock, struct waiters *list, struct waiter *self,
                        const struct waiters_kind *kind);

/* It is linked. */
int thrum_waiter_sleep(uint32_t *lock, struct waiters *list, struct waiter *self,
                       const struct waiters_kind *kind);

#endif
