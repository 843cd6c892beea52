/*
 * timeout.c - scopes that are cancelled when their time is up.
 *
 * The deadline's word says what its timer may do. Whoever moves it decides:
 * the timer from ARMED to EXPIRED, which is the cancel itself, or the owner to
 * IDLE, with the next key. Its upper part, the key, never comes back.
 *
 *   ARMED --timer--> EXPIRED --end--> IDLE (key + 1)
 *     \------------end, reschedule------/
 *
 * The scope is in the caller's memory and may be gone when the timer, having
 * moved the word, wakes who sleeps below it: it goes by what the deadline says,
 * as long as the word is still EXPIRED.
 *
 * Edges
 *   deadline.armed   arm -> expire, sum          where the scope is; the deadline
 *   deadline.open    expire -> sum; end -> walk  it has expired; it is over
 */
#include "runtime/task/timeout.h"

#include <errno.h>
#include <thrum/detail/point.h>

#include "runtime/base/point.h"
#include "runtime/plat/clock.h"
#include "runtime/task/cancel.h"
#include "runtime/task/scope.h"
#include "runtime/task/slab.h"

enum deadline_state { DEADLINE_IDLE = 0, DEADLINE_ARMED = 1, DEADLINE_EXPIRED = 2 };

#define STATE_MASK ((uint64_t)7)
#define KEY_ONE ((uint64_t)8)

/* What a timeout without a timer remembers. */
enum timeout_state { TIMEOUT_OPEN = 0, TIMEOUT_OVER = 1, TIMEOUT_OVER_EXPIRED = 2 };

static struct deadline *deadline_of(const thrum_timeout *timeout)
{
    /* MUTANT-OK acquire: type-stable, and its word says the rest */
    return pointer_of(load_acquire(&timeout->deadline)); /* EDGE deadline.armed */
}

static uint64_t key_now(const thrum_timeout *timeout)
{
    return load_relaxed(&timeout->key); /* relaxed: only the owner writes it; others compare it */
}

/* Others who look meanwhile find that it has not expired, and that is so. */
static void set_key(thrum_timeout *timeout, uint64_t key)
{
    store_relaxed(&timeout->key, key); /* relaxed: an expiry brings it to who must see it */
}

bool thrum_deadline_expired(const thrum_timeout *timeout)
{
    const struct deadline *deadline = deadline_of(timeout);

    /* MUTANT-OK acquire: the alert brings what belongs to an expiry */
    return deadline && load_acquire(&deadline->word) == (key_now(timeout) | DEADLINE_EXPIRED);
    /* EDGE deadline.open */
}

/* ---- the timer's side ------------------------------------------------------------------------ */

static struct deadline *deadline_from(struct timer *timer)
{
    return container_of(timer, struct deadline, timer);
}

/* A timer's key is the word's, with the lowest bit set. */
static uint64_t key_of(uint64_t timer_key)
{
    return timer_key & ~STATE_MASK;
}

bool thrum_deadline_pending(struct timer *timer, uint64_t key)
{
    return load_relaxed(&deadline_from(timer)->word) == (key_of(key) | DEADLINE_ARMED);
    /* relaxed: a hint; the swap decides */
}

void thrum_deadline_expire(struct timer *timer, uint64_t key)
{
    struct deadline *deadline = deadline_from(timer);
    uint64_t seen = key_of(key) | DEADLINE_ARMED;
    struct cancel_target target = {
        .strand = pointer_of(load_relaxed(&deadline->strand)), /* relaxed: void unless the swap */
        .life = load_relaxed(&deadline->life),                 /* succeeds: it carries the key */
        .depth = (uint32_t)load_relaxed(&deadline->depth),
        .word = &deadline->word,
        .value = key_of(key) | DEADLINE_EXPIRED};

    POINT("deadline.expire");
    /* MUTANT-OK seq: the alert behind it is a full fence */
    if (!cas_seq(&deadline->word, &seen, target.value)) /* EDGE deadline.armed, deadline.open */
        return;
    POINT("deadline.expired");
    thrum_cancel_spread(&target);
}

/* ---- the owner's side ------------------------------------------------------------------------ */

static int arm(thrum_timeout *timeout, int64_t when)
{
    struct deadline *deadline = deadline_of(timeout);
    uint64_t key;
    int err;

    store_relaxed((uint64_t *)&timeout->when, (uint64_t)when); /* relaxed: for those inside */
    if (when == INT64_MAX)
        return 0;
    if (!deadline) {
        struct strand *strand = strand_of(timeout->scope.fiber);

        deadline = thrum_slab_get(SLAB_DEADLINE);
        if (!deadline)
            return -ENOMEM;
        store_relaxed(&deadline->strand, word_of(strand));            /* relaxed: released below */
        store_relaxed(&deadline->life, load_relaxed(&strand->life));  /* relaxed: likewise */
        store_relaxed(&deadline->depth, thrum_scope_depth(&timeout->scope)); /* relaxed: likewise */
        set_key(timeout, load_relaxed(&deadline->word) & ~STATE_MASK); /* relaxed: ours */
        /* MUTANT-OK release: type-stable, and its word says the rest */
        store_release(&timeout->deadline, word_of(deadline)); /* EDGE deadline.armed */
    }
    key = key_now(timeout);
    /* MUTANT-OK release: the timer's key releases it too */
    store_release(&deadline->word, key | DEADLINE_ARMED); /* EDGE deadline.armed */
    err = thrum_timer_arm(&deadline->timer, when, key | 1);
    if (err)
        /* MUTANT-OK release: nobody knows the key */
        store_release(&deadline->word, key | DEADLINE_IDLE); /* EDGE deadline.open */
    return err;
}

/* Its timer will do no more. False: it has expired. */
static bool disarm(thrum_timeout *timeout)
{
    struct deadline *deadline = deadline_of(timeout);
    uint64_t key = key_now(timeout);
    uint64_t seen = key | DEADLINE_ARMED;

    if (!deadline)
        return true;
    /* MUTANT-OK acquire: it has expired, and that is all that is wanted */
    /* MUTANT-OK release: who comes later finds another key, and touches nothing */
    if (!cas_acq_rel(&deadline->word, &seen, key + KEY_ONE)) /* EDGE deadline.open */
        return seen != (key | DEADLINE_EXPIRED);
    thrum_timer_disarm(&deadline->timer, key | 1);
    set_key(timeout, key + KEY_ONE);
    return true;
}

static int begin(thrum_timeout *timeout, thrum_time when, bool due)
{
    int err;

    timeout->deadline = 0;
    timeout->key = 0;
    timeout->state = TIMEOUT_OPEN;
    thrum_scope_push(&timeout->scope, SCOPE_TIMEOUT);
    err = arm(timeout, when.ns);
    if (!err && due)
        thrum_deadline_expire(&deadline_of(timeout)->timer, key_now(timeout) | 1);
    if (err) {
        thrum_scope_pop(&timeout->scope, 0, 0, false);
        if (timeout->deadline)
            thrum_slab_put(SLAB_DEADLINE, deadline_of(timeout));
    }
    return err;
}

int thrum_timeout_begin_at(thrum_timeout *timeout, thrum_time when)
{
    thrum_check_inside("thrum_timeout_begin_at");
    return begin(timeout, when, when.ns <= thrum_world_now());
}

int thrum_timeout_begin(thrum_timeout *timeout, int64_t duration)
{
    thrum_check_inside("thrum_timeout_begin");
    return duration < 0 ? -EINVAL : begin(timeout, thrum_in(duration), duration == 0);
}

int thrum_timeout_reschedule_at(thrum_timeout *timeout, thrum_time when)
{
    int err;

    thrum_check_inside("thrum_timeout_reschedule_at");
    if (timeout->state == TIMEOUT_OPEN && scope_owner(&timeout->scope) != thrum_lane_self()->current)
        thrum_panic("thrum_timeout_reschedule was called by a task that did not open the timeout");
    if (timeout->state != TIMEOUT_OPEN || !disarm(timeout))
        return THRUM_ESTATE;
    err = arm(timeout, when.ns);
    if (!err && when.ns <= thrum_world_now())
        thrum_deadline_expire(&deadline_of(timeout)->timer, key_now(timeout) | 1);
    return err;
}

int thrum_timeout_reschedule(thrum_timeout *timeout, int64_t duration)
{
    return duration < 0 ? -EINVAL : thrum_timeout_reschedule_at(timeout, thrum_in(duration));
}

int thrum_timeout_end(thrum_timeout *timeout, int status)
{
    struct deadline *deadline = deadline_of(timeout);
    bool expired;

    thrum_scope_check(&timeout->scope, "thrum_timeout_end");
    expired = !disarm(timeout);
    status = thrum_scope_pop(&timeout->scope, status, THRUM_ETIMEOUT, false);
    timeout->state = expired ? TIMEOUT_OVER_EXPIRED : TIMEOUT_OVER;
    if (deadline) {
        if (expired)
            /* MUTANT-OK release: who has not seen it wakes somebody for nothing */
            store_release(&deadline->word, key_now(timeout) + KEY_ONE); /* EDGE deadline.open */
        thrum_slab_put(SLAB_DEADLINE, deadline);
    }
    return status;
}

bool thrum_timeout_expired(const thrum_timeout *timeout)
{
    return timeout->state == TIMEOUT_OPEN ? thrum_deadline_expired(timeout)
                                          : timeout->state == TIMEOUT_OVER_EXPIRED;
}

thrum_time thrum_timeout_when(const thrum_timeout *timeout)
{
    const uint64_t *when = (const uint64_t *)&timeout->when;

    return (thrum_time){(int64_t)load_relaxed(when)}; /* relaxed: its owner may give it another */
}

thrum_time thrum_deadline(void)
{
    const struct thrum_scope *scope;
    thrum_time earliest = thrum_never();
    uint32_t steps = 0;

    thrum_point_at(THRUM_POINT_HERE, NULL);
    thrum_check_inside("thrum_deadline");
    for (scope = thrum_lane_self()->scope; scope && !(scope_flags(scope) & SCOPE_SHIELD);
         scope = scope_next(scope, &steps))
        if (scope_flags(scope) & SCOPE_TIMEOUT) {
            thrum_time when = thrum_timeout_when(container_of(scope, thrum_timeout, scope));

            if (when.ns < earliest.ns)
                earliest = when;
        }
    return earliest;
}

int thrum_wait_for(thrum_fn fn, void *arg, int64_t duration)
{
    thrum_timeout timeout;
    int status;

    if (duration == 0) {
        thrum_check_inside("thrum_wait_for");
        return THRUM_ETIMEOUT;
    }
    status = thrum_timeout_begin(&timeout, duration);
    return status ? status : thrum_timeout_end(&timeout, fn(arg));
}
