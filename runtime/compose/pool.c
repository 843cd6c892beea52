/*
 * pool.c - a resource pool: a queue of places.
 *
 * A place that is not lent stands in the queue: those with a resource before
 * those without, the one used last before all others. So who waits, in what
 * order, and that a cancelled wait has taken nothing, is the queue's business;
 * and since a resource never leaves its place there are never more than places.
 *
 * When the pool is being closed the queue takes nothing back. What is given back
 * then goes to a list, which who closes empties; and since the pool may be gone once
 * all is back, who closes also waits until those who gave have left.
 *
 * Edges
 *   pool.returned   give -> take_returned   the place
 *   pool.left       give -> see_off         all that who gave did with the pool
 *   pool.user       use <-> shutdown        the task is seen there, or the shutdown here
 */
#include <thrum/pool.h>

#include <errno.h>

#include <thrum/detail/atomic.h>
#include <thrum/error.h>
#include <thrum/fault.h>
#include <thrum/group.h>
#include <thrum/scope.h>
#include <thrum/time.h>

/* Which of two places is lent first? */
static bool better(const void *a, const void *b)
{
    const thrum_pooled *one = *(thrum_pooled *const *)a;
    const thrum_pooled *other = *(thrum_pooled *const *)b;

    if (!one->resource || !other->resource)
        return one->resource != NULL;
    return one->since > other->since;
}

/* ---- beginning and ending -------------------------------------------------------------------- */

static bool in_range(const thrum_pool_options *options)
{
    return options->size == sizeof *options && options->limit && options->create &&
           options->destroy && options->idle_ns >= 0;
}

int thrum_pool_init(thrum_pool *pool, const thrum_pool_options *options)
{
    thrum_queue_options queue = THRUM_QUEUE_OPTIONS_INIT;
    int status;

    if (!in_range(options))
        return -EINVAL;
    *pool = (thrum_pool){
        .places = options->places,
        .create = options->create,
        .check = options->check,
        .destroy = options->destroy,
        .context = options->context,
        .idle_ns = options->idle_ns,
        .limit = options->limit,
        .left = options->limit,
        .came_back = THRUM_EVENT_INIT,
        .closed = THRUM_EVENT_INIT,
    };
    queue.order = THRUM_PRIORITY;
    queue.limit = options->limit;
    queue.before = better;
    status = thrum_queue_init(&pool->free, sizeof(thrum_pooled *), &queue);
    if (status)
        return status;
    if (!pool->places)
        pool->places = pool->own = (thrum_pooled *)thrum_malloc(pool->limit * sizeof *pool->places);
    if (!pool->places) {
        thrum_queue_destroy(&pool->free);
        return -ENOMEM;
    }
    for (size_t i = 0; i < pool->limit; i++) {
        thrum_pooled *place = &pool->places[i];

        *place = (thrum_pooled){NULL, 0, 0, 0, false};
        (void)!thrum_queue_try_put(&pool->free, &place); /* there is room */
    }
    return 0;
}

int thrum_pool_destroy(thrum_pool *pool)
{
    bool unused = !thrum_pool_existing(pool) && thrum_pool_available(pool) == pool->limit;

    if (pool->left && !unused)
        return -EBUSY;
    thrum_event_destroy(&pool->came_back);
    thrum_event_destroy(&pool->closed);
    thrum_queue_destroy(&pool->free);
    thrum_free(pool->own);
    return 0;
}

size_t thrum_pool_existing(const thrum_pool *pool)
{
    return (size_t)thrum_load_relaxed_64(&pool->existing); /* relaxed: a glance */
}

size_t thrum_pool_available(thrum_pool *pool)
{
    return thrum_queue_count(&pool->free);
}

/* ---- places ---------------------------------------------------------------------------------- */

static bool is_closing(const thrum_pool *pool)
{
    return thrum_load_relaxed_64(&pool->closing) != 0; /* relaxed: who is late notices later */
}

/* The place is nobody's any more. */
static void give(thrum_pool *pool, thrum_pooled *place)
{
    uint64_t newest;

    if (thrum_queue_try_put(&pool->free, &place) == 0)
        return;
    thrum_add_relaxed_64(&pool->giving, 1); /* relaxed: whoever has the place knows of it */
    newest = thrum_load_relaxed_64(&pool->returned); /* relaxed: a guess */
    do
        place->next = newest;
    while (!thrum_cas_release_64(&pool->returned, &newest, (uint64_t)(uintptr_t)place));
    /* EDGE pool.returned */
    thrum_event_set(&pool->came_back);
    thrum_add_release_64(&pool->giving, (uint64_t)-1); /* EDGE pool.left */
}

static int create(thrum_pool *pool, thrum_pooled *place)
{
    int status = pool->create(&place->resource, pool->context);

    if (status >= 0 && !place->resource)
        status = -EINVAL;
    if (status < 0) {
        place->resource = NULL;
        return status;
    }
    thrum_add_relaxed_64(&pool->existing, 1); /* relaxed: a counter */
    return 0;
}

/* THRUM_ECANCELED: a cancel came meanwhile; it is destroyed all the same. */
static int destroy(thrum_pool *pool, thrum_pooled *place)
{
    thrum_shield shield;

    if (!place->resource)
        return 0;
    thrum_shield_begin(&shield);
    pool->destroy(place->resource, pool->context);
    place->resource = NULL;
    thrum_add_relaxed_64(&pool->existing, (uint64_t)-1); /* relaxed: a counter */
    return thrum_shield_end(&shield);
}

/* When is a resource that is not used too old? */
static thrum_time end_of(const thrum_pool *pool, const thrum_pooled *place)
{
    return thrum_later((thrum_time){place->since}, pool->idle_ns);
}

static bool is_stale(const thrum_pool *pool, const thrum_pooled *place)
{
    return place->resource && thrum_between(thrum_now(), end_of(pool, place)) <= 0;
}

/* Is it good? If not it is no more. THRUM_ECANCELED: the caller was cancelled. */
static int examine(thrum_pool *pool, thrum_pooled *place)
{
    int found, status;

    if (is_stale(pool, place))
        return destroy(pool, place);
    found = place->resource && pool->check ? pool->check(place->resource, pool->context) : 0;
    if (found >= 0)
        return 0;
    status = destroy(pool, place);
    return found == THRUM_ECANCELED ? found : status;
}

int thrum_pool_acquire(thrum_pool *pool, thrum_pooled **lent)
{
    thrum_pooled *place;
    int status = thrum_queue_get(&pool->free, &place);

    if (status)
        return status;
    status = is_closing(pool) ? THRUM_ESHUTDOWN : examine(pool, place);
    if (!status && !place->resource)
        status = create(pool, place);
    if (status) {
        give(pool, place);
        return status;
    }
    place->lent = true;
    *lent = place;
    return 0;
}

int thrum_pool_release(thrum_pool *pool, thrum_pooled *lent)
{
    if (!lent->lent)
        return -EINVAL;
    lent->lent = false;
    lent->since = thrum_now().ns;
    give(pool, lent);
    return 0;
}

int thrum_pool_discard(thrum_pool *pool, thrum_pooled *lent)
{
    int status;

    if (!lent->lent)
        return -EINVAL;
    lent->lent = false;
    status = destroy(pool, lent);
    give(pool, lent);
    return status;
}

/* ---- using ----------------------------------------------------------------------------------- */

struct use {
    thrum_pool_use_fn fn;
    void *resource;
    void *arg;
};

static int use(void *arg)
{
    const struct use *use = (const struct use *)arg;

    return use->fn(use->resource, use->arg);
}

static void cancel_use(thrum_pooled *place)
{
    uint64_t user = thrum_exchange_seq_64(&place->user, 0); /* EDGE pool.user */
    thrum_task *task = (thrum_task *)(uintptr_t)user;

    if (task)
        (void)thrum_task_cancel(task, THRUM_ESHUTDOWN, "the pool is shut down");
    thrum_task_unref(task);
}

/* Run it in a group around it alone, where a shutdown can find it. */
static int run_use(thrum_pool *pool, thrum_pooled *place, struct use *how, thrum_outcome *outcome,
                   const struct thrum_site *site)
{
    thrum_group_options options = THRUM_GROUP_OPTIONS_INIT;
    thrum_error *errors = NULL;
    thrum_task *task = NULL;
    thrum_group group;
    int status;

    options.flags = THRUM_COLLECT;
    status = thrum_group_open(&group, &options);
    if (status)
        return status;
    status = thrum_group_spawn_at(&group, use, how, NULL, &task, site);
    if (!status) {
        uint64_t user = (uint64_t)(uintptr_t)thrum_task_ref(task);

        (void)thrum_exchange_seq_64(&place->user, user); /* EDGE pool.user */
        if (thrum_load_acquire_64(&pool->immediate))
            cancel_use(place);
    }
    status = thrum_group_close(&group, status, &errors);
    thrum_error_free(errors);
    if (task) {
        (void)thrum_task_outcome(task, outcome);
        thrum_task_unref((thrum_task *)(uintptr_t)thrum_exchange_seq_64(&place->user, 0));
        thrum_task_unref(task); /* EDGE pool.user */
    }
    return status == THRUM_EGROUP ? 0 : status;
}

int thrum_pool_run_at(thrum_pool *pool, thrum_pool_use_fn fn, void *arg,
                      const struct thrum_site *site)
{
    thrum_outcome outcome = {THRUM_CANCELLED, THRUM_ECANCELED, NULL};
    thrum_pooled *lent;
    struct use how;
    int status = thrum_pool_acquire(pool, &lent);

    if (status)
        return status;
    how = (struct use){fn, lent->resource, arg};
    status = run_use(pool, lent, &how, &outcome, site);
    if (outcome.kind != THRUM_CANCELLED)
        (void)thrum_pool_release(pool, lent);
    else if (thrum_pool_discard(pool, lent))
        status = THRUM_ECANCELED;
    if (status) {
        thrum_error_free(outcome.error);
        return status;
    }
    if (outcome.error)
        (void)thrum_fail_with(outcome.error);
    return outcome.kind == THRUM_CANCELLED ? THRUM_ESHUTDOWN : outcome.status;
}

/* ---- trimming -------------------------------------------------------------------------------- */

/* Take all that are not lent; those that may stay go back at once. The others are a list. */
static thrum_pooled *take_stale(thrum_pool *pool, thrum_time *next)
{
    thrum_pooled *all = NULL, *stale = NULL, *place;

    for (size_t i = 0; i < pool->limit && thrum_queue_try_get(&pool->free, &place) == 0; i++) {
        place->next = (uint64_t)(uintptr_t)all;
        all = place;
    }
    while ((place = all)) {
        all = (thrum_pooled *)(uintptr_t)place->next;
        if (is_stale(pool, place)) {
            place->next = (uint64_t)(uintptr_t)stale;
            stale = place;
            continue;
        }
        if (place->resource && thrum_between(end_of(pool, place), *next) > 0)
            *next = end_of(pool, place);
        give(pool, place);
    }
    return stale;
}

/* *next: when the next one will be too old. */
static int trim(thrum_pool *pool, thrum_time *next)
{
    thrum_pooled *stale = take_stale(pool, next);
    int status = 0;

    while (stale) {
        thrum_pooled *place = stale;

        stale = (thrum_pooled *)(uintptr_t)place->next;
        if (destroy(pool, place))
            status = THRUM_ECANCELED;
        give(pool, place);
    }
    return status;
}

int thrum_pool_trim(thrum_pool *pool)
{
    thrum_time next = thrum_never();

    return trim(pool, &next);
}

/* Until then, or until the pool is being closed: 0 both times. */
static int sleep_until(thrum_pool *pool, thrum_time when)
{
    thrum_timeout timeout;
    int status = thrum_timeout_begin_at(&timeout, when);

    if (status)
        return status;
    status = thrum_timeout_end(&timeout, thrum_event_wait(&pool->closed));
    return status == THRUM_ETIMEOUT ? 0 : status;
}

int thrum_pool_keep(void *arg)
{
    thrum_pool *pool = (thrum_pool *)arg;
    int status = 0;

    while (!status && !is_closing(pool)) {
        thrum_time next = thrum_in(pool->idle_ns); /* for one that is released from now on */

        status = trim(pool, &next);
        if (!status)
            status = sleep_until(pool, next);
    }
    return status;
}

/* ---- closing --------------------------------------------------------------------------------- */

static thrum_pooled *take_returned(thrum_pool *pool)
{
    return (thrum_pooled *)(uintptr_t)thrum_exchange_acquire_64(&pool->returned, 0);
    /* EDGE pool.returned */
}

/* Destroy all that are not lent. THRUM_ECANCELED: a cancel came meanwhile. */
static int collect(thrum_pool *pool)
{
    thrum_pooled *place, *next;
    int status = 0;

    while (thrum_queue_try_get(&pool->free, &place) == 0) {
        status = destroy(pool, place) ? THRUM_ECANCELED : status;
        pool->left--;
    }
    for (place = take_returned(pool); place; place = next) {
        next = (thrum_pooled *)(uintptr_t)place->next;
        status = destroy(pool, place) ? THRUM_ECANCELED : status;
        pool->left--;
    }
    return status;
}

/* All is back: until those who gave it have left. THRUM_ECANCELED: a cancel came meanwhile. */
static int see_off(thrum_pool *pool)
{
    thrum_shield shield;

    if (thrum_load_acquire_64(&pool->giving) == 0) /* EDGE pool.left */
        return 0;
    thrum_shield_begin(&shield);
    while (thrum_load_acquire_64(&pool->giving) != 0) /* EDGE pool.left */
        (void)thrum_yield();
    return thrum_shield_end(&shield);
}

void thrum_pool_shutdown(thrum_pool *pool, bool immediate)
{
    thrum_store_relaxed_64(&pool->closing, 1); /* relaxed: the queue's shutdown decides */
    thrum_queue_shutdown(&pool->free, false);
    thrum_event_set(&pool->closed);
    if (!immediate)
        return;
    (void)thrum_exchange_seq_64(&pool->immediate, 1); /* EDGE pool.user */
    for (size_t i = 0; i < pool->limit; i++)
        cancel_use(&pool->places[i]);
}

int thrum_pool_close(thrum_pool *pool)
{
    int status;

    thrum_pool_shutdown(pool, false);
    for (;;) {
        thrum_event_clear(&pool->came_back); /* before the look: see completed.c */
        status = collect(pool);
        if (!pool->left && see_off(pool))
            status = THRUM_ECANCELED;
        if (status || !pool->left)
            return status;
        status = thrum_event_wait(&pool->came_back);
        if (status)
            return status;
    }
}
