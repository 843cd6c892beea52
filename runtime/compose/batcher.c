/*
 * batcher.c - many small requests made one large one.
 *
 * Entries stand on the stacks of those who submit, in a list under the lock, until a batch
 * takes them; from then on they belong to the batch until their promise is resolved. The lock is
 * a semaphore's one permit: who does not get it sleeps, as a task; what any thread may call only
 * sets a flag. Whoever submits waits for his promise, or for the end of the task, whose
 * done-callback sets `over`, even if it never ran.
 *
 * Who is late, when the batcher is being closed or is gone, sees `closing` and touches nothing
 * else; whoever has not seen it is seen by who closes.
 *
 * Edges
 *   batcher.left      submit -> close    all that who submitted did with the batcher
 *   batcher.closing   submit <-> close   who submits is counted there, or the close is seen here
 */
#include <thrum/batcher.h>

#include <errno.h>

#include <thrum/detail/atomic.h>
#include <thrum/error.h>
#include <thrum/fault.h>
#include <thrum/promise.h>
#include <thrum/scope.h>
#include <thrum/select.h>
#include <thrum/time.h>

struct entry {
    void *item;
    struct entry *next; /* lock */
    struct entry *prev; /* lock */
    thrum_time since;
    thrum_promise done;
    bool taken; /* lock */
};

/* ---- the lock -------------------------------------------------------------------------------- */

/* 0; THRUM_ECANCELED, -ENOMEM: not locked. */
static int lock(thrum_batcher *batcher)
{
    return thrum_sem_acquire(&batcher->lock, 1);
}

/* Come what may; inside of a shield. */
static void lock_surely(thrum_batcher *batcher)
{
    while (lock(batcher))
        (void)thrum_yield(); /* no memory to sleep with */
}

static void unlock(thrum_batcher *batcher)
{
    (void)thrum_sem_release(&batcher->lock, 1);
}

/* ---- the list, under the lock ---------------------------------------------------------------- */

static uint64_t count_of(const thrum_batcher *batcher)
{
    return thrum_load_relaxed_64(&batcher->count); /* relaxed: the lock, or a glance */
}

static void count(thrum_batcher *batcher, uint64_t more)
{
    thrum_store_relaxed_64(&batcher->count, count_of(batcher) + more); /* relaxed: the lock */
}

static void link_last(thrum_batcher *batcher, struct entry *entry)
{
    entry->next = NULL;
    entry->prev = (struct entry *)batcher->last;
    if (entry->prev)
        entry->prev->next = entry;
    else
        batcher->first = entry;
    batcher->last = entry;
    count(batcher, 1);
}

static void unlink_entry(thrum_batcher *batcher, struct entry *entry)
{
    if (entry->prev)
        entry->prev->next = entry->next;
    else
        batcher->first = entry->next;
    if (entry->next)
        entry->next->prev = entry->prev;
    else
        batcher->last = entry->prev;
    count(batcher, (uint64_t)-1);
}

/* At most n of them; the first, the others linked behind. */
static struct entry *take(thrum_batcher *batcher, size_t n)
{
    struct entry *first = (struct entry *)batcher->first;
    struct entry *last = NULL;

    for (size_t i = 0; i < n && batcher->first; i++) {
        last = (struct entry *)batcher->first;
        last->taken = true;
        batcher->first = last->next;
        count(batcher, (uint64_t)-1);
    }
    if (!batcher->first)
        batcher->last = NULL;
    else if (last)
        ((struct entry *)batcher->first)->prev = NULL;
    if (last)
        last->next = NULL;
    return last ? first : NULL;
}

/* ---- the task -------------------------------------------------------------------------------- */

static bool is_closing(const thrum_batcher *batcher)
{
    return thrum_load_relaxed_64(&batcher->closing) != 0; /* relaxed: who sets it sets `news` */
}

static bool hurries(const thrum_batcher *batcher)
{
    return thrum_load_relaxed_64(&batcher->hurry) != 0; /* relaxed: likewise */
}

/* Lock held. When is the next batch to be handed over? In the past: now. */
static thrum_time due(const thrum_batcher *batcher)
{
    const struct entry *first = (const struct entry *)batcher->first;

    if (!first)
        return is_closing(batcher) ? (thrum_time){0} : thrum_never();
    if (count_of(batcher) >= batcher->most || hurries(batcher) || is_closing(batcher))
        return (thrum_time){0};
    return thrum_later(first->since, batcher->wait_ns);
}

/* Until something has changed, or then. 0; a cancel. */
static int wait_for_news(thrum_batcher *batcher, thrum_time until)
{
    thrum_timeout timeout;
    int status = thrum_timeout_begin_at(&timeout, until);

    if (status)
        return status;
    status = thrum_timeout_end(&timeout, thrum_event_wait(&batcher->news));
    return status == THRUM_ETIMEOUT ? 0 : status;
}

/* The next batch when it is due. *batch is NULL: there will be no more. */
static int next_batch(thrum_batcher *batcher, struct entry **batch)
{
    for (;;) {
        thrum_time now = thrum_now(), when;
        int status;

        thrum_event_clear(&batcher->news); /* before the look: see completed.c */
        status = lock(batcher);
        if (status)
            return status;
        when = due(batcher);
        if (thrum_between(now, when) <= 0) {
            *batch = take(batcher, batcher->most);
            if (!batcher->first)
                thrum_store_relaxed_64(&batcher->hurry, 0); /* relaxed: a wish, fulfilled */
            unlock(batcher);
            return 0;
        }
        unlock(batcher);
        status = wait_for_news(batcher, when);
        if (status)
            return status;
    }
}

static void resolve(struct entry *entry, int status)
{
    if (status < 0)
        (void)thrum_promise_fail(&entry->done, status);
    else
        (void)thrum_promise_set(&entry->done, NULL);
}

/* What is told if the batcher itself was cancelled is not mistaken for one's own cancel. */
static int told(int status)
{
    return status == THRUM_ECANCELED ? THRUM_EBROKEN : status;
}

static int hand_over(thrum_batcher *batcher, struct entry *batch)
{
    size_t n = 0;
    int status;

    for (const struct entry *entry = batch; entry; entry = entry->next) {
        batcher->statuses[n] = 0;
        batcher->items[n++] = entry->item;
    }
    status = batcher->flush(batcher->items, batcher->statuses, n, batcher->context);
    for (size_t i = 0; i < n; i++) {
        struct entry *entry = batch;

        batch = entry->next; /* it is gone when it is resolved */
        resolve(entry, told(status < 0 ? status : batcher->statuses[i]));
    }
    if (status < 0 && status != THRUM_ECANCELED)
        thrum_error_free(thrum_fail_take(status));
    return status == THRUM_ECANCELED ? status : 0;
}

static int collect(void *arg)
{
    thrum_batcher *batcher = (thrum_batcher *)arg;
    struct entry *batch;
    int status;

    while ((status = next_batch(batcher, &batch)) == 0 && batch)
        if ((status = hand_over(batcher, batch)))
            break;
    return status;
}

/* No batch will be handed over any more. */
static void desert(thrum_task *task, void *arg)
{
    (void)task;
    thrum_event_set(&((thrum_batcher *)arg)->over);
}

/* ---- opening and closing --------------------------------------------------------------------- */

static void fini(thrum_batcher *batcher)
{
    thrum_event_destroy(&batcher->news);
    thrum_event_destroy(&batcher->over);
    thrum_sem_destroy(&batcher->lock);
    thrum_free(batcher->items);
    thrum_free(batcher->statuses);
}

int thrum_batcher_open(thrum_batcher *batcher, thrum_group *group,
                       const thrum_batcher_options *options)
{
    int status;

    if (options->size != sizeof *options || !options->flush || options->most == 0 ||
        options->wait_ns < 0)
        return -EINVAL;
    *batcher = (thrum_batcher){
        .lock = THRUM_SEM_INIT(1),
        .news = THRUM_EVENT_INIT,
        .over = THRUM_EVENT_INIT,
        .flush = options->flush,
        .context = options->context,
        .wait_ns = options->wait_ns,
        .most = options->most,
        .items = (void **)thrum_calloc(options->most, sizeof(void *)),
        .statuses = (int *)thrum_calloc(options->most, sizeof(int)),
    };
    status = batcher->items && batcher->statuses ? 0 : -ENOMEM;
    if (!status)
        status = thrum_group_spawn(group, collect, batcher, NULL, &batcher->task);
    if (status) {
        fini(batcher);
        return status;
    }
    thrum_task_on_end(batcher->task, &batcher->done, desert, batcher);
    return 0;
}

void thrum_batcher_hurry(thrum_batcher *batcher)
{
    if (count_of(batcher) == 0)
        return;
    thrum_store_relaxed_64(&batcher->hurry, 1); /* relaxed: the event brings it */
    thrum_event_set(&batcher->news);
}

/* Until all who have submitted have left. THRUM_ECANCELED: a cancel came meanwhile. */
static int see_off(thrum_batcher *batcher)
{
    thrum_shield shield;

    thrum_shield_begin(&shield);
    while (thrum_load_acquire_64(&batcher->inside) != 0) /* EDGE batcher.left */
        (void)thrum_yield();
    return thrum_shield_end(&shield);
}

int thrum_batcher_close(thrum_batcher *batcher)
{
    int status;

    if (!batcher->task)
        return THRUM_ESTATE;
    if (thrum_task_needs_me(batcher->task))
        return -EDEADLK;
    (void)thrum_exchange_seq_64(&batcher->closing, 1); /* EDGE batcher.closing */
    thrum_event_set(&batcher->news);
    status = thrum_task_join(batcher->task, NULL);
    if (status && status != THRUM_ECANCELED)
        return status;
    if (thrum_task_off_end(batcher->task, &batcher->done))
        desert(batcher->task, batcher); /* who joins may be faster than what is called at the end */
    if (see_off(batcher))
        status = THRUM_ECANCELED;
    thrum_task_unref(batcher->task);
    batcher->task = NULL;
    fini(batcher);
    return status;
}

size_t thrum_batcher_waiting(thrum_batcher *batcher)
{
    return count_of(batcher);
}

/* ---- submitting ------------------------------------------------------------------------------ */

/*
 * Nobody waits for it any more. If it is in no batch it is taken back; else the end of the batch
 * is waited for. True: taken back.
 */
static bool withdraw(thrum_batcher *batcher, struct entry *entry)
{
    bool taken;

    lock_surely(batcher);
    taken = entry->taken;
    if (!taken)
        unlink_entry(batcher, entry);
    unlock(batcher);
    while (taken && !thrum_promise_resolved(&entry->done, NULL) &&
           thrum_promise_wait(&entry->done, NULL))
        (void)thrum_yield(); /* no memory to sleep with, or it is resolved */
    return !taken;
}

/* Link it in, if none is refused. */
static int enter(thrum_batcher *batcher, struct entry *entry)
{
    int status = lock(batcher);
    bool news;

    if (status)
        return status;
    if (is_closing(batcher))
        status = THRUM_ESHUTDOWN;
    else if (thrum_event_is_set(&batcher->over))
        status = THRUM_EBROKEN;
    else
        link_last(batcher, entry);
    news = count_of(batcher) == 1 || count_of(batcher) >= batcher->most;
    unlock(batcher);
    if (!status && news) /* who collects is to know */
        thrum_event_set(&batcher->news);
    return status;
}

/* It is in the list, or in a batch. */
static int await_batch(thrum_batcher *batcher, struct entry *entry)
{
    thrum_case cases[] = {thrum_case_promise(&entry->done, NULL),
                          thrum_case_event(&batcher->over)};
    int chosen = thrum_select(cases, 2, THRUM_SELECT_ORDERED);
    thrum_shield shield;
    bool back;

    if (chosen == 0)
        return cases[0].result;
    thrum_shield_begin(&shield);
    back = withdraw(batcher, entry);
    if (thrum_shield_end(&shield) || chosen == THRUM_ECANCELED)
        return THRUM_ECANCELED;
    if (back)
        return chosen == 1 ? THRUM_EBROKEN : chosen;
    (void)thrum_promise_resolved(&entry->done, &chosen);
    return chosen;
}

static int submit(thrum_batcher *batcher, struct entry *entry)
{
    int status;

    if (is_closing(batcher)) /* EDGE batcher.closing: there may be nothing else */
        return THRUM_ESHUTDOWN;
    if (thrum_task_needs_me(batcher->task))
        return -EDEADLK;
    status = enter(batcher, entry);
    return status ? status : await_batch(batcher, entry);
}

int thrum_batcher_submit(thrum_batcher *batcher, void *item)
{
    struct entry entry = {item, NULL, NULL, thrum_now(), THRUM_PROMISE_INIT(NULL, 0), false};
    int status;

    (void)thrum_add_seq_64(&batcher->inside, 1); /* EDGE batcher.closing */
    status = submit(batcher, &entry);
    thrum_promise_destroy(&entry.done);
    thrum_add_release_64(&batcher->inside, (uint64_t)-1); /* EDGE batcher.left */
    return status;
}
