/*
 * select_step_test.c - whatever happens between any two steps of a select.
 *
 * A task selects among an event, a queue and a semaphore, in a shield. At up to
 * three of the steps that it passes, one of these happens, on the same thread:
 * the event is set for a moment, an item is put or taken away, a permit is, it is
 * cancelled, or its task is, outside of its shield, which is for nobody. All sets
 * of three such steps are tried. Then nothing may be lost, and the task may not
 * sleep if there is something for it.
 *
 * Without THRUM_POINTS there are no steps.
 */
#include <string.h>

#include "racing.h"
#include "runtime/base/point.h"

enum happening { NOTHING, FLASH, PUT, TAKE, RELEASE, STEAL, CANCEL, CANCEL_OUTSIDE, HAPPENINGS };
enum { STEPS = 13, AT_ONCE = 3, AFTERWARDS = 99 };

struct happens {
    int step;
    enum happening what;
};

struct play {
    struct happens happens[AT_ONCE];
    thrum_event event;
    thrum_queue queue;
    thrum_sem sem;
    thrum_scope scope;
    thrum_task *task;
    bool selecting; /* one worker: no two at once */
    int step;
    int flashes; /* since the event was waited for */
    int given;   /* items that were put and not taken away */
    int first;   /* the oldest of them */
    int next;    /* to be put */
    int permits;
    bool cancelled;
    int item;
    int status; /* 1000: not yet */
};

static struct play *playing;

/* Under the lock of a list nothing may be done that takes it. */
static void happen(struct play *play, enum happening what, bool locked)
{
    int item;

    switch (what) {
    case FLASH:
        if (locked)
            break;
        thrum_event_set(&play->event);
        thrum_event_clear(&play->event);
        play->flashes += play->step > 0;
        break;
    case PUT:
        if (locked)
            break;
        CHECK_EQ(thrum_queue_try_put(&play->queue, &play->next), 0);
        play->next++;
        play->given++;
        break;
    case TAKE:
        if (locked || thrum_queue_try_get(&play->queue, &item) != 0)
            break;
        play->first = item + 1;
        play->given--;
        break;
    case RELEASE:
        if (!locked)
            CHECK_EQ(thrum_sem_release(&play->sem, 1), 0);
        play->permits += !locked;
        break;
    case STEAL: /* lock-free */
        play->permits -= thrum_sem_try_acquire(&play->sem, 1) == 0;
        break;
    case CANCEL:
        play->cancelled = true;
        thrum_scope_cancel(&play->scope, 0, NULL);
        break;
    case CANCEL_OUTSIDE:
        thrum_task_cancel(play->task, 0, NULL);
        break;
    default:
        break;
    }
}

static void step(const char *name)
{
    struct play *play = playing;
    bool locked = strcmp(name, "select.ready") == 0;

    if (!play || !play->selecting ||
        (!locked && strcmp(name, "select.enter") != 0 && strcmp(name, "select.leave") != 0))
        return;
    play->selecting = false;
    for (int i = 0; i < AT_ONCE; i++)
        if (play->happens[i].step == play->step)
            happen(play, play->happens[i].what, locked);
    play->step++;
    play->selecting = true;
}

static int select_any(void *arg)
{
    struct play *play = arg;
    thrum_case cases[] = {thrum_case_event(&play->event), thrum_case_get(&play->queue, &play->item),
                          thrum_case_acquire(&play->sem, 1)};
    thrum_shield shield;

    thrum_shield_begin(&shield);
    CHECK_EQ(thrum_scope_begin(&play->scope, 0), 0);
    play->selecting = true;
    play->status = thrum_select(cases, 3, 0);
    play->selecting = false;
    (void)thrum_scope_end(&play->scope, 0);
    return thrum_shield_end(&shield);
}

static void check_play(struct play *play)
{
    int left = (int)thrum_queue_count(&play->queue);
    int free = (int)thrum_sem_permits(&play->sem);

    switch (play->status) {
    case 0:
        CHECK_LE(1, play->flashes);
        break;
    case 1:
        CHECK_LE(play->item, play->first); /* the oldest then */
        left++;
        break;
    case 2:
        free++;
        break;
    case 1000: /* it sleeps: there is nothing for it */
        CHECK_EQ(play->flashes, 0);
        CHECK_EQ(left, 0);
        CHECK_EQ(free, 0);
        CHECK(!play->cancelled);
        break;
    default:
        CHECK_EQ(play->status, THRUM_ECANCELED);
        CHECK(play->cancelled);
    }
    if (play->status != 1)
        CHECK_EQ(play->item, -1);
    CHECK_EQ(left, play->given);
    CHECK_EQ(free, play->permits);
}

/* Once it has come to rest: what was to happen, and did not, does; and at last an item comes. */
static void play_once(struct play *play)
{
    thrum_group group;

    play->step = play->flashes = play->given = play->first = play->next = play->permits = 0;
    play->item = -1;
    play->status = 1000;
    play->cancelled = false;
    CHECK_EQ(thrum_group_open(&group, collecting()), 0);
    CHECK_EQ(thrum_group_spawn(&group, select_any, play, NULL, &play->task), 0);
    CHECK_EQ(thrum_yield(), 0);
    check_play(play);
    for (int i = 0; i < AT_ONCE && play->status == 1000; i++)
        if (play->happens[i].step == AFTERWARDS)
            happen(play, play->happens[i].what, false);
    CHECK_EQ(thrum_yield(), 0);
    CHECK_EQ(thrum_yield(), 0);
    check_play(play);
    if (play->status == 1000)
        happen(play, PUT, false);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    check_play(play);
    thrum_task_unref(play->task);
    while (thrum_queue_try_get(&play->queue, &play->item) == 0)
        continue;
    while (thrum_sem_try_acquire(&play->sem, 1) == 0)
        continue;
    CHECK(!thrum_sem_locked(&play->sem) || thrum_sem_permits(&play->sem) == 0);
    CHECK(!play->event.first);
}

static int play_all(void *arg)
{
    struct play play = {.event = THRUM_EVENT_INIT, .sem = THRUM_SEM_INIT(0)};
    unsigned long plays = 1;

    (void)arg;
    CHECK_EQ(thrum_queue_init(&play.queue, sizeof(int), NULL), 0);
    playing = &play;
    for (int i = 0; i < AT_ONCE; i++)
        plays *= STEPS * (HAPPENINGS - 1);
    for (unsigned long n = 0; n < plays; n += WORKERS_SLOW ? 7 : 1) {
        unsigned long rest = n;
        bool ordered = true;

        for (int i = 0; i < AT_ONCE; i++) {
            int at = (int)(rest % STEPS);

            play.happens[i].step = at == STEPS - 1 ? AFTERWARDS : at;
            rest /= STEPS;
            play.happens[i].what = (enum happening)(1 + rest % (HAPPENINGS - 1));
            rest /= HAPPENINGS - 1;
            ordered = ordered && (i == 0 || play.happens[i - 1].step <= play.happens[i].step);
        }
        if (ordered)
            play_once(&play);
    }
    playing = NULL;
    thrum_queue_destroy(&play.queue);
    thrum_sem_destroy(&play.sem);
    thrum_event_destroy(&play.event);
    return 0;
}

#ifdef THRUM_POINTS
void (*thrum_point_hook)(const char *name) = step;
#endif

TEST(whatever_happens_between_two_steps)
{
#ifndef THRUM_POINTS
    (void)step;
    SKIP("built without THRUM_POINTS");
#endif
    CHECK_EQ(run_with(1, play_all, NULL), 0);
}
