/*
 * sync_model.c - the lock of a wait list, the wait list, and what is built on
 * them, in the explorer: task/lock.c, task/waiters.c, sync/event.c, mutex.c,
 * semaphore.c, queue.c, each with those who wake, those who cancel, and those
 * whose cancel is not for the sleeper.
 *
 * Oracle: one at a time under the lock; nobody sleeps for ever (the explorer
 * calls it a deadlock); a mutex has one owner, who sees all that was done under
 * it; permits and items are neither lost nor doubled, and who was cancelled has
 * none; nobody touches an object after it was destroyed.
 *
 * Each thread is a task with a fiber of its own. Of cancelling there is what
 * wait.c needs: a mark, the alert, a look before the sleep (see wait_model.c).
 */
#include <string.h>

#include <thrum/event.h>
#include <thrum/mutex.h>
#include <thrum/queue.h>
#include <thrum/semaphore.h>

#include "runtime/plat/futex.h"
#include "runtime/sched/lent.h"
#include "runtime/task/scope.h"
#include "runtime/task/task.h"
#include "runtime/task/waiters.h"

#define TASKS 4

bool thrum_asymmetric;

static struct worker workers[TASKS]; /* one for each thread */
static struct worker nobody;
static struct place places[TASKS];
static struct thrum_child tasks[TASKS];
static struct scheduler scheduler;
static uint64_t registers[TASKS]; /* plain: saved before the commit, read by who resumes */
static uint32_t runnable[TASKS];  /* atomic, futex */
static uint64_t marks[TASKS];     /* atomic: cancels of each */
static uint64_t delivered[TASKS]; /* of them */
static uint64_t guarded;          /* plain: what a lock is for */
static uint32_t step;             /* atomic: what threads wait for from each other */
static unsigned got[TASKS];       /* what each has got, and how its wait ended */
static int status_of[TASKS];

/* ---- the world below and around -------------------------------------------------------------- */

__thread struct thrum_lane *thrum_lane_here;

static void enter_thread(int number)
{
    thrum_lane_here = number < 0 ? &nobody.deque.lane : &workers[number].deque.lane;
}

struct worker *thrum_worker_self(void)
{
    return model_self() < 0 ? NULL : &workers[model_self()];
}

static int number_of(const struct fiber *fiber)
{
    return (int)(container_of(fiber, const struct place, fiber) - places);
}

void thrum_ready(struct fiber *woken)
{
    int number = number_of(woken);

    MODEL_CHECK(model_read(&registers[number]) == 1);
    MODEL_CHECK(runnable[number] == 0);
    store_release(&runnable[number], 1);
    model_futex_wake(&runnable[number], 1);
}

void thrum_suspend(void (*commit)(void *arg, struct fiber *left), void *arg)
{
    int number = model_self();

    model_write(&registers[number], 1);
    commit(arg, &places[number].fiber);
    while (load_acquire(&runnable[number]) == 0)
        model_futex_wait(&runnable[number], 0);
    store_relaxed(&runnable[number], 0); /* relaxed: nobody wakes it before it sleeps again */
    model_write(&registers[number], 0);
}

void thrum_spend(void)
{
}

int thrum_futex_wait(const uint32_t *word, uint32_t expected, int64_t timeout_ns)
{
    (void)timeout_ns;
    model_futex_wait(word, expected);
    return 0;
}

void thrum_futex_wake(const uint32_t *word, int n)
{
    model_futex_wake(word, n);
}

void *thrum_lent_get_raw(size_t bytes, size_t align)
{
    (void)bytes;
    (void)align;
    return NULL; /* no model's queue grows */
}

void thrum_lent_put(void *memory)
{
    (void)memory;
}

void thrum_strand_waits(struct strand *strand, const struct wait_kind *kind, const void *object)
{
    (void)strand;
    (void)kind;
    (void)object;
}

int thrum_strand_enter(struct strand *strand)
{
    (void)strand;
    return 0;
}

void thrum_panic(const char *format, ...)
{
    MODEL_CHECK(format == NULL);
    __builtin_unreachable();
}

/* ---- cancels ---------------------------------------------------------------------------------- */

int thrum_cancel_deliver(void)
{
    int number = model_self();
    uint64_t seen = load_acquire(&marks[number]);

    if (seen == delivered[number])
        return 0;
    delivered[number] = seen;
    return THRUM_ECANCELED;
}

int thrum_cancel_check(void)
{
    return thrum_cancel_deliver();
}

/* As scope.c does: what was seen goes with the alert that was read before. */
bool thrum_scope_look_for(struct fiber *fiber)
{
    uint64_t alert = load_acquire(&scheduler.alert);
    int number = number_of(fiber);

    store_relaxed(&places[number].strand.looked, alert); /* relaxed: read with a sleep's key */
    return load_acquire(&marks[number]) != delivered[number];
}

/* As cancel.c does: mark, alert, look at the sleep. */
static void fire(int number)
{
    uint64_t alert = add_seq(&scheduler.alert, 1) + 1;
    struct strand *strand = &places[number].strand;
    struct wait wait;

    /* relaxed: goes with the key */
    if (thrum_wait_of(strand, &wait) && load_relaxed(&strand->looked) < alert)
        thrum_wait_fire(&wait, WAIT_CANCELLED);
}

static void cancel_0(void)
{
    add_acq_rel(&marks[0], 1);
    fire(0);
}

/* It was meant for somebody else. */
static void mistake_0(void)
{
    fire(0);
}

/* ---- beginnings ------------------------------------------------------------------------------- */

static thrum_event *event;
static thrum_mutex mutex;
static thrum_sem sem;
static thrum_queue queue;
static unsigned char ring[2];
static uint32_t *lock;

static void begin_in(bool asymmetric)
{
    thrum_asymmetric = asymmetric;
    model_resumes = enter_thread;
    enter_thread(-1);
    memset(workers, 0, sizeof workers);
    memset(places, 0, sizeof places);
    memset(tasks, 0, sizeof tasks);
    memset(&scheduler, 0, sizeof scheduler);
    memset(registers, 0, sizeof registers);
    memset(runnable, 0, sizeof runnable);
    memset(marks, 0, sizeof marks);
    memset(delivered, 0, sizeof delivered);
    memset(got, 0, sizeof got);
    memset(thrum_lock_sleepers, 0, sizeof thrum_lock_sleepers);
    guarded = 0;
    step = 0;
    for (int i = 0; i < TASKS; i++) {
        struct thrum_lane *lane = &workers[i].deque.lane;

        places[i].fiber.home = &scheduler;
        places[i].strand.slot = word_of(&places[i]); /* it is entered */
        workers[i].scheduler = &scheduler;
        lane->fiber = &places[i].fiber;
        lane->current = &tasks[i];
        status_of[i] = 1;
        model_name(&places[i].strand.word, i == 0 ? "word 0" : i == 1 ? "word 1" : "word");
    }
    model_name(&scheduler.alert, "alert");
    model_name(thrum_lock_sleepers, "sleepers");
}

static void begin_lock(void)
{
    begin_in(true);
    lock = memset(model_alloc(sizeof *lock), 0, sizeof *lock);
    model_name(lock, "lock");
}

static void begin_lock_fences(void)
{
    begin_lock();
    thrum_asymmetric = false;
}

/* With full fences, which are one step and not one of each thread: the lock's own models have both. */
static void begin_event(void)
{
    begin_in(false);
    event = model_alloc(sizeof *event);
    thrum_event_init(event);
    model_name(&event->lock, "lock");
    model_name(&event->state, "state");
}

static void begin_mutex(void)
{
    begin_in(false);
    thrum_mutex_init(&mutex);
    model_name(&mutex.lock, "lock");
    model_name(&mutex.state, "state");
}

static void begin_sem(void)
{
    begin_in(false);
    MODEL_CHECK(thrum_sem_init(&sem, 0, 0) == 0);
    model_name(&sem.lock, "lock");
    model_name(&sem.state, "state");
}

static void begin_sem_one(void)
{
    begin_sem();
    MODEL_CHECK(thrum_sem_release(&sem, 1) == 0);
}

static void begin_queue(void)
{
    thrum_queue_options options = THRUM_QUEUE_OPTIONS_INIT;

    begin_in(false);
    options.limit = 1;
    options.ring = ring;
    MODEL_CHECK(thrum_queue_init(&queue, 1, &options) == 0);
    model_name(&queue.lock, "lock");
}

/* With the lock's light fences, which order nothing else. */
static void light(void)
{
    thrum_asymmetric = true;
}
static void begin_event_light(void) { begin_event(); light(); }
static void begin_mutex_light(void) { begin_mutex(); light(); }
static void begin_sem_light(void) { begin_sem_one(); light(); }

static void begin_full(void)
{
    begin_queue();
    MODEL_CHECK(thrum_queue_try_put(&queue, &(unsigned char){1}) == 0);
}

/* ---- the lock --------------------------------------------------------------------------------- */

static void locker(void)
{
    lock_enter(lock);
    model_write(&guarded, model_read(&guarded) + 1);
    lock_leave(lock);
}

static void pinner(void)
{
    lock_enter(lock);
    lock_pin(lock);
    store_release(&step, 1);
    lock_leave(lock);
    lock_enter(lock);
    model_write(&guarded, model_read(&guarded) + 1);
    thrum_lock_unpin(lock);
}

/* Who destroys knows that the others' calls have begun, and no more will. */
static void destroyer(void)
{
    while (load_acquire(&step) == 0)
        model_yield();
    thrum_lock_enter_last(lock);
    MODEL_CHECK(model_read(&guarded) == 1);
    lock_leave(lock);
    model_free(lock);
}

static void all_locked(void)
{
    MODEL_CHECK(guarded == 2 || guarded == 3);
    MODEL_CHECK(thrum_lock_sleepers[0] == 0);
}

static void one_locked(void)
{
    MODEL_CHECK(guarded == 1 && thrum_lock_sleepers[0] == 0);
}

/* ---- the event -------------------------------------------------------------------------------- */

static void event_waiter(void)
{
    int number = model_self();

    status_of[number] = thrum_event_wait(event);
    if (status_of[number] == 0)
        MODEL_CHECK(model_read(&guarded) == 1);
    if (number == 0)
        add_acq_rel(&step, 1);
}

static void event_setter(void)
{
    model_write(&guarded, 1);
    thrum_event_set(event);
}

/* Who waited is woken all the same. */
static void event_pulser(void)
{
    model_write(&guarded, 1);
    thrum_event_set(event);
    thrum_event_clear(event);
    thrum_event_set(event);
}

/* On the waiter's stack: gone once it has returned. */
static void event_owner(void)
{
    MODEL_CHECK(thrum_event_wait(event) == 0);
    thrum_event_destroy(event);
    model_free(event);
}

static void nobody_cancelled(void)
{
    for (int i = 0; i < TASKS; i++)
        MODEL_CHECK(status_of[i] == 0 || status_of[i] == 1);
}

static void first_may_be_cancelled(void)
{
    MODEL_CHECK(status_of[0] == 0 || status_of[0] == THRUM_ECANCELED);
    for (int i = 1; i < TASKS; i++)
        MODEL_CHECK(status_of[i] == 0 || status_of[i] == 1);
}

/* ---- the mutex -------------------------------------------------------------------------------- */

static void mutex_user(void)
{
    int number = model_self();

    status_of[number] = thrum_mutex_lock(&mutex);
    if (status_of[number])
        return;
    got[number] = 1;
    model_write(&guarded, model_read(&guarded) + 1);
    thrum_mutex_unlock(&mutex);
}

static void mutex_free_at_end(void)
{
    first_may_be_cancelled();
    MODEL_CHECK(!thrum_mutex_locked(&mutex) && !mutex.first);
    MODEL_CHECK(guarded == got[0] + got[1] + got[2] + got[3]);
}

/* ---- the semaphore ---------------------------------------------------------------------------- */

static void take_permit(void)
{
    int number = model_self();

    status_of[number] = thrum_sem_acquire(&sem, 1);
    got[number] = status_of[number] == 0;
}

static void take_two(void)
{
    int number = model_self();

    status_of[number] = thrum_sem_acquire(&sem, 2);
    got[number] = status_of[number] == 0 ? 2 : 0;
}

/* As a lock. */
static void sem_user(void)
{
    take_permit();
    if (got[model_self()] == 0)
        return;
    model_write(&guarded, model_read(&guarded) + 1);
    got[model_self()] = 0;
    MODEL_CHECK(thrum_sem_release(&sem, 1) == 0);
}

static void give_one(void)
{
    MODEL_CHECK(thrum_sem_release(&sem, 1) == 0);
}

static void give_two(void)
{
    MODEL_CHECK(thrum_sem_release(&sem, 2) == 0);
}

static void reduce_one(void)
{
    MODEL_CHECK(thrum_sem_reduce(&sem, 1) == 0);
}

static void permits_add_up(unsigned released)
{
    first_may_be_cancelled();
    MODEL_CHECK(!sem.first && !thrum_sem_locked(&sem) == (thrum_sem_permits(&sem) != 0));
    MODEL_CHECK(thrum_sem_permits(&sem) + got[0] + got[1] + got[2] + got[3] == released);
}
static void released_1(void) { permits_add_up(1); }
static void released_2(void) { permits_add_up(2); }
static void released_3(void) { permits_add_up(3); }

/* ---- the queue -------------------------------------------------------------------------------- */

static void get_item(void)
{
    unsigned char item = 0;
    int number = model_self();

    status_of[number] = thrum_queue_get(&queue, &item);
    if (status_of[number] == 0) {
        MODEL_CHECK(item != 0);
        got[number] = item;
    }
}

static void put_item(void)
{
    unsigned char item = (unsigned char)(1u << model_self());
    int number = model_self();

    status_of[number] = thrum_queue_put(&queue, &item);
    if (status_of[number] == 0)
        add_relaxed(&step, item); /* relaxed: a sum */
}

static void shut_down(void)
{
    thrum_queue_shutdown(&queue, false);
}

/* What was put has been got, or is there. `begun`: what was there. */
static void items_add_up(unsigned begun)
{
    unsigned char item = 0;
    unsigned left = 0;

    while (thrum_queue_try_get(&queue, &item) == 0)
        left += item;
    for (int i = 0; i < TASKS; i++)
        left += got[i];
    MODEL_CHECK(left == begun + step);
    MODEL_CHECK(!queue.first && !queue.put_first);
}

static void all_got(void)
{
    first_may_be_cancelled();
    items_add_up(0);
}

static void all_got_from_full(void)
{
    first_may_be_cancelled();
    items_add_up(1);
}

static void got_or_shut(void)
{
    for (int i = 0; i < TASKS; i++)
        MODEL_CHECK(status_of[i] == 0 || status_of[i] == 1 || status_of[i] == THRUM_ESHUTDOWN);
    items_add_up(1);
}

#define T(text, start, end, ...) {text, start, {__VA_ARGS__}, end, 0, 0, false}
#define FRESH(text, start, end, ...) {text, start, {__VA_ARGS__}, end, 0, 1, false}
#define LARGE(text, start, end, ...) {text, start, {__VA_ARGS__}, end, 1, 1, false}

static const struct model models[] = {
    T("lock", begin_lock, all_locked, locker, locker),
    T("lock, fences", begin_lock_fences, all_locked, locker, locker),
    LARGE("lock, three", begin_lock, all_locked, locker, locker, locker),
    FRESH("lock, three, fences", begin_lock_fences, all_locked, locker, locker, locker),
    T("lock, last", begin_lock, one_locked, pinner, destroyer),
    T("event", begin_event, nobody_cancelled, event_waiter, event_setter),
    LARGE("event, light fences", begin_event_light, nobody_cancelled, event_waiter, event_setter),
    T("event, gone", begin_event, NULL, event_owner, event_setter),
    FRESH("event, two", begin_event, nobody_cancelled, event_waiter, event_waiter, event_setter),
    FRESH("event, pulse", begin_event, nobody_cancelled, event_waiter, event_pulser, mistake_0),
    FRESH("event, cancel", begin_event, first_may_be_cancelled, event_waiter, event_setter,
          cancel_0),
    T("mutex", begin_mutex, mutex_free_at_end, mutex_user, mutex_user),
    LARGE("mutex, light fences", begin_mutex_light, mutex_free_at_end, mutex_user, mutex_user),
    LARGE("mutex, light fences, three", begin_mutex_light, mutex_free_at_end, mutex_user,
          mutex_user, mutex_user),
    LARGE("mutex, three", begin_mutex, mutex_free_at_end, mutex_user, mutex_user, mutex_user),
    FRESH("mutex, cancel", begin_mutex, mutex_free_at_end, mutex_user, mutex_user, cancel_0),
    FRESH("mutex, mistake", begin_mutex, mutex_free_at_end, mutex_user, mutex_user, mistake_0),
    LARGE("mutex, cancel, three", begin_mutex, mutex_free_at_end, mutex_user, mutex_user,
          mutex_user, cancel_0),
    T("semaphore", begin_sem, released_1, take_permit, give_one),
    T("semaphore, as a lock", begin_sem_one, released_1, sem_user, sem_user),
    LARGE("semaphore, light fences", begin_sem_light, released_1, sem_user, sem_user),
    LARGE("semaphore, light fences, three", begin_sem_light, released_1, sem_user, sem_user,
          sem_user),
    LARGE("semaphore, as a lock, three", begin_sem_one, released_1, sem_user, sem_user, sem_user),
    LARGE("semaphore, as a lock, cancel", begin_sem_one, released_1, sem_user, sem_user, sem_user,
          cancel_0),
    FRESH("semaphore, two", begin_sem, released_2, take_permit, take_permit, give_two),
    FRESH("semaphore, reduced", begin_sem, released_1, take_permit, give_two, reduce_one),
    FRESH("semaphore, cancel", begin_sem, released_1, take_permit, give_one, cancel_0),
    FRESH("semaphore, mistake", begin_sem, released_1, take_permit, give_one, mistake_0),
    LARGE("semaphore, behind", begin_sem, released_3, take_two, take_permit, give_two, give_one),
    LARGE("semaphore, behind a cancelled one", begin_sem, released_1, take_two, take_permit,
          give_one, cancel_0),
    T("queue", begin_queue, all_got, get_item, put_item),
    T("queue, full", begin_full, all_got_from_full, put_item, get_item),
    FRESH("queue, get against cancel", begin_queue, all_got, get_item, put_item, cancel_0),
    FRESH("queue, put against cancel", begin_full, all_got_from_full, put_item, get_item, cancel_0),
    FRESH("queue, get, mistake", begin_queue, all_got, get_item, put_item, mistake_0),
    FRESH("queue, put, mistake", begin_full, all_got_from_full, put_item, get_item, mistake_0),
    LARGE("queue, two of each", begin_full, all_got_from_full, put_item, get_item, get_item,
          put_item),
    FRESH("queue, shut", begin_full, got_or_shut, put_item, get_item, shut_down),
};

int main(int argc, char **argv)
{
    static const char *const subjects[] = {"runtime/task/lock.",      "runtime/task/waiters.",
                                           "runtime/sync/event.",     "runtime/sync/mutex.",
                                           "runtime/sync/semaphore.", "runtime/sync/queue.", NULL};

    return model_main(argc, argv, models, sizeof(models) / sizeof(*models), subjects);
}
