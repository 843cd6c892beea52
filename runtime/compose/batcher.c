/*
 * batcher.c - many small requests made one large one.
 *
 * Entries stand on the stacks of those who submit, in a list under the lock,
 * until a batch takes them; from then on they belong to the batch until their
 * promise is resolved. Under the lock nothing of Thrum's is called.
 * When the task has ended, even if it never ran, what is left in the list is
 * broken (`desert`).
 */
#include <thrum/batcher.h>

#include <errno.h>

#include <thrum/error.h>
#include <thrum/fault.h>
#include <thrum/promise.h>
#include <thrum/scope.h>
#include <thrum/time.h>

struct entry {
    void *item;
    struct entry *next; /* lock */
    struct entry *prev; /* lock */
    thrum_time since;
    thrum_promise done;
    bool taken; /* lock */
};

/* ---- the list, under the lock ---------------------------------------------------------------- */

static void link_last(thrum_batcher *batcher, struct entry *entry)
{
    entry->next = NULL;
    entry->prev = (struct entry *)batcher->last;
    if (entry->prev)
        entry->prev->next = entry;
    else
        batcher->first = entry;
    batcher->last = entry;
    batcher->count++;
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
    batcher->count--;
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
        batcher->count--;
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

/* Lock held. When is the next batch to be handed over? In the past: now. */
static thrum_time due(const thrum_batcher *batcher)
{
    const struct entry *first = (const struct entry *)batcher->first;

    if (!first)
        return batcher->closing ? (thrum_time){0} : thrum_never();
    if (batcher->count >= batcher->most || batcher->hurry || batcher->closing)
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
        pthread_mutex_lock(&batcher->lock);
        when = due(batcher);
        if (thrum_between(now, when) <= 0) {
            *batch = take(batcher, batcher->most);
            batcher->hurry = batcher->hurry && batcher->first;
            pthread_mutex_unlock(&batcher->lock);
            return 0;
        }
        pthread_mutex_unlock(&batcher->lock);
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
    thrum_batcher *batcher = (thrum_batcher *)arg;
    struct entry *left;

    (void)task;
    pthread_mutex_lock(&batcher->lock);
    batcher->closing = true;
    left = take(batcher, batcher->count);
    pthread_mutex_unlock(&batcher->lock);
    while (left) {
        struct entry *entry = left;

        left = entry->next;
        resolve(entry, THRUM_EBROKEN);
    }
}

/* ---- opening and closing --------------------------------------------------------------------- */

static void fini(thrum_batcher *batcher)
{
    thrum_event_destroy(&batcher->news);
    pthread_mutex_destroy(&batcher->lock);
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
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .news = THRUM_EVENT_INIT,
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
    pthread_mutex_lock(&batcher->lock);
    batcher->hurry = batcher->first != NULL;
    pthread_mutex_unlock(&batcher->lock);
    thrum_event_set(&batcher->news);
}

/* Until all who have submitted have left. THRUM_ECANCELED: a cancel came meanwhile. */
static int see_off(thrum_batcher *batcher)
{
    thrum_shield shield;
    size_t inside;

    thrum_shield_begin(&shield);
    do {
        pthread_mutex_lock(&batcher->lock);
        inside = batcher->inside;
        pthread_mutex_unlock(&batcher->lock);
    } while (inside && !thrum_yield());
    return thrum_shield_end(&shield);
}

int thrum_batcher_close(thrum_batcher *batcher)
{
    int status;

    if (thrum_task_needs_me(batcher->task))
        return -EDEADLK;
    pthread_mutex_lock(&batcher->lock);
    batcher->closing = true;
    pthread_mutex_unlock(&batcher->lock);
    thrum_event_set(&batcher->news);
    status = thrum_task_join(batcher->task, NULL);
    if (status && status != THRUM_ECANCELED)
        return status;
    (void)thrum_task_off_end(batcher->task, &batcher->done);
    thrum_task_unref(batcher->task);
    if (see_off(batcher))
        status = THRUM_ECANCELED;
    fini(batcher);
    return status;
}

size_t thrum_batcher_waiting(thrum_batcher *batcher)
{
    size_t count;

    pthread_mutex_lock(&batcher->lock);
    count = batcher->count;
    pthread_mutex_unlock(&batcher->lock);
    return count;
}

/* ---- submitting ------------------------------------------------------------------------------ */

/* It is in no batch any more, or never was. THRUM_ECANCELED: a cancel came meanwhile. */
static int withdraw(thrum_batcher *batcher, struct entry *entry)
{
    thrum_shield shield;
    bool taken;

    pthread_mutex_lock(&batcher->lock);
    taken = entry->taken;
    if (!taken)
        unlink_entry(batcher, entry);
    pthread_mutex_unlock(&batcher->lock);
    if (!taken)
        return 0;
    thrum_shield_begin(&shield);
    while (!thrum_promise_resolved(&entry->done, NULL) && thrum_promise_wait(&entry->done, NULL))
        (void)thrum_yield(); /* no memory to sleep with, or it is resolved */
    return thrum_shield_end(&shield);
}

/* Link it in. True: who collects is to know. */
static bool enter(thrum_batcher *batcher, struct entry *entry, int *status)
{
    bool news;

    pthread_mutex_lock(&batcher->lock);
    *status = batcher->closing ? THRUM_ESHUTDOWN : 0;
    batcher->inside += !*status;
    if (!*status)
        link_last(batcher, entry);
    news = batcher->count == 1 || batcher->count >= batcher->most;
    pthread_mutex_unlock(&batcher->lock);
    return news && !*status;
}

static void leave(thrum_batcher *batcher)
{
    pthread_mutex_lock(&batcher->lock);
    batcher->inside--;
    pthread_mutex_unlock(&batcher->lock);
}

int thrum_batcher_submit(thrum_batcher *batcher, void *item)
{
    struct entry entry = {item, NULL, NULL, thrum_now(), THRUM_PROMISE_INIT(NULL, 0), false};
    int status;

    if (enter(batcher, &entry, &status))
        thrum_event_set(&batcher->news);
    if (status)
        return status;
    status = thrum_promise_wait(&entry.done, NULL);
    if (status && !thrum_promise_resolved(&entry.done, NULL) && withdraw(batcher, &entry))
        status = THRUM_ECANCELED;
    if (status != THRUM_ECANCELED)
        (void)thrum_promise_resolved(&entry.done, &status); /* there was no memory to wait */
    thrum_promise_destroy(&entry.done);
    leave(batcher);
    return status;
}
