/*
 * task_model.c - tasks with handles in the explorer: task.c, done.c, counted.c
 * and sleep.c of runtime/task, over the cancelling below them.
 *
 * The task is started and ended as run.c does it, by a thread whose other half
 * is a cancel, a join, a done-function or a second reference.
 *
 * Oracles: a cancel that was accepted is told or is how the task ends, and none
 * is that was not; what was taken back is neither. Who joins sees what the task
 * did. The last reference frees the task, once, after all use. A done-function is
 * called once or was taken back, and not afterwards. A group has never more tasks
 * than its limit, and a place that is given wakes who waits for one. A timer ends
 * no sleep but its own.
 */
#include "tests/model/world.h"

static thrum_event never, event;
static thrum_scope scope;  /* of top */
static thrum_group group;  /* of top, in the scope */
static thrum_task *task;   /* of the group */
static struct ending how;  /* it ended */
static uint64_t result;    /* plain: what the task did */
static uint32_t done_calls; /* plain: of done-functions */
static uint32_t freed;     /* plain */
static uint32_t inside;    /* plain, by who has the group's only place */
static uint32_t due;       /* atomic: the second timer may expire */
static bool accepted, taken_back;

/* What group.c does, of which there is nothing else here. */
bool thrum_group_flag(struct thrum_group *of, uint64_t bit)
{
    uint64_t seen = load_relaxed(&of->failures); /* relaxed: a guess */

    while (!(seen & bit))
        if (cas_acq_rel(&of->failures, &seen, seen | bit))
            return true;
    return false;
}

/* Who frees it has the last reference: whoever used it happened before. */
void thrum_slab_put_to(struct slabs *store, enum slab_kind kind, void *object)
{
    (void)store;
    MODEL_CHECK(kind == SLAB_TASK && object == task);
    model_write(&freed, freed + 1);
    model_free(object);
}

/* ---- beginnings ------------------------------------------------------------------------------ */

static void begin(void)
{
    begin_world();
    never = event = (thrum_event)THRUM_EVENT_INIT;
    result = 0;
    done_calls = freed = inside = due = 0;
    accepted = taken_back = false;
    how = (struct ending){.status = 1};
    start_in(TOP, &root);
    enter_thread(TOP);
    MODEL_CHECK(thrum_scope_begin(&scope, 0) == 0);
    thrum_scope_look();
    open_in(TOP, &group);
}

/* A task of the group that somebody has a handle to: as thrum_group_spawn_at makes it. */
static void begin_task(void)
{
    begin();
    task = thrum_slab_get(SLAB_TASK);
    *task = (struct thrum_task){.child = {NULL, NULL, word_of(&group.scope) | KIND_TASK},
                                .requests = TASK_HANDLED,
                                .name = "",
                                .scope = {.flags = SCOPE_TASK},
                                .slabs = &runtime.slabs,
                                .references = 2};
    tasks[0].owner = task->child.owner;
    model_name(&task->requests, "requests");
    model_name(&task->references, "references");
    model_name(&task->state, "state");
}

/* Thread 1 is a task beside it. */
static void begin_join(void)
{
    begin_task();
    start_in(1, &group.scope);
    hear(1);
}

static void begin_two_handles(void)
{
    begin_task();
    thrum_task_ref(task);
}

/* A group that takes one at a time. */
static void begin_limit(void)
{
    begin();
    group.policy = (uint64_t)1 << 32;
    thrum_counted_open(&group);
    for (int i = 0; i < 3; i++) {
        start_in(i, &group.scope);
        hear(i);
    }
}

/* The place is taken, and thread 0 or 1, or both, will wait for it. */
static void begin_full(void)
{
    begin_limit();
    MODEL_CHECK(thrum_counted_enter(&group, false) == 0);
}

/* One that is over when only daemons are left, of which thread 0 is one, and thread 1 is none. */
static void begin_daemons(void)
{
    begin();
    group.policy = THRUM_DAEMONS;
    thrum_counted_open(&group);
    start_in(0, &group.scope);
    hear(0);
    MODEL_CHECK(thrum_counted_enter(&group, false) == 0);
}

static void begin_sleeper(void)
{
    begin();
    start_in(0, &group.scope);
    hear(0);
}

/* ---- the task's life, as in run.c ------------------------------------------------------------ */

static int run_body(int (*body)(void))
{
    struct thrum_scope *around = thrum_task_start(task);
    int status = body();
    struct remains remains = thrum_record_close(around, status);

    how = (struct ending){.status = status,
                          .told = remains.delivered,
                          .cancelled = status == THRUM_ECANCELED && remains.delivered};
    return status;
}

static void run(int (*body)(void))
{
    struct thrum_lane *lane = thrum_lane_self();

    start_in(0, &group.scope);
    lane->current = &task->child;
    (void)thrum_cancel_pending();
    if (task_cancelled(task) || thrum_scope_start_cancelled(&group.scope))
        how = (struct ending){.status = THRUM_ECANCELED, .cancelled = true};
    else
        (void)run_body(body);
    lane->current = NULL;
    lane->scope = NULL;
    thrum_strand_end(&places[0].strand);
    how = task_settled(task, how);
    thrum_task_end(task, how, NULL);
}

static int sleeps(void)
{
    thrum_reason reason;

    MODEL_CHECK(thrum_event_wait(&never) == THRUM_ECANCELED);
    MODEL_CHECK(thrum_cancel_reason(&reason) == 0 && (reason.code == 1 || reason.code == 2));
    return THRUM_ECANCELED;
}

static int works(void)
{
    model_write(&result, 7);
    return 0;
}

/* What has come, and it was not told of, it takes back. */
static int takes_back(void)
{
    if (thrum_cancelling() == 1) {
        taken_back = true;
        MODEL_CHECK(thrum_uncancel() == 0);
        MODEL_CHECK(thrum_cancel_check() == 0);
    }
    return 0;
}

static void runs_sleeper(void) { run(sleeps); }
static void runs_worker(void) { run(works); }
static void runs_regret(void) { run(takes_back); }

/* ---- the other half -------------------------------------------------------------------------- */

static void cancel(void)
{
    accepted = thrum_task_cancel(task, 1, "one");
    thrum_task_unref(task);
}

static void cancel_2(void)
{
    (void)thrum_task_cancel(task, 2, "two");
    thrum_task_unref(task);
}

/* And its reason. */
static void check_freed(void)
{
    MODEL_CHECK(freed == 1 && blocks == (scope.cancels != 0));
}

static void check_cancelled(void)
{
    check_freed();
    MODEL_CHECK(how.cancelled);
}

/* Exactly if it was accepted, and not taken back, the task ended cancelled. */
static void check_accepted(void)
{
    check_freed();
    MODEL_CHECK(how.cancelled == (accepted && !taken_back));
}

static void joins(void)
{
    thrum_outcome outcome;

    MODEL_CHECK(thrum_task_join(task, &outcome) == 0);
    MODEL_CHECK(outcome.kind == THRUM_OK && model_read(&result) == 7);
    thrum_task_unref(task);
    end(1);
}

/* Its own cancel goes on to the task, unless that has ended for it before. */
static void joins_cancelled(void)
{
    thrum_outcome outcome;
    int status = thrum_task_join(task, &outcome);

    MODEL_CHECK((status == 0 || status == THRUM_ECANCELED) && outcome.kind == THRUM_CANCELLED);
    thrum_task_unref(task);
    end(1);
}

static void cancel_scope(void) { thrum_scope_cancel(&scope, 1, "all"); }
static void cancel_group(void) { thrum_scope_cancel(&group.scope, 1, "the group"); }

static void looks(void)
{
    int status;

    if (thrum_task_ended(task, &status))
        MODEL_CHECK(status == 0 && model_read(&result) == 7);
    thrum_task_unref(task);
}

/* ---- done-functions -------------------------------------------------------------------------- */

static void note(thrum_task *ended, void *arg)
{
    int status;

    MODEL_CHECK(arg == &done_calls && thrum_task_ended(ended, &status));
    model_write(&done_calls, done_calls + 1);
}

static void wants_to_know(void)
{
    thrum_done *done = model_alloc(sizeof(*done));

    thrum_task_on_end(task, done, note, &done_calls);
    thrum_task_unref(task);
}

static void changes_its_mind(void)
{
    thrum_done *done = model_alloc(sizeof(*done));
    bool never_called;

    thrum_task_on_end(task, done, note, &done_calls);
    never_called = thrum_task_off_end(task, done);
    MODEL_CHECK(model_read(&done_calls) == (never_called ? 0 : 1));
    model_free(done);
    thrum_task_unref(task);
}

static void check_called(void)
{
    check_freed();
    MODEL_CHECK(done_calls == 1);
}

/* ---- groups that count ----------------------------------------------------------------------- */

static void come_and_go(int number, bool may_be_cancelled)
{
    int status = thrum_counted_enter(&group, false);

    if (status == 0) {
        MODEL_CHECK(model_read(&inside) == 0);
        model_write(&inside, 1);
        model_write(&inside, 0);
        thrum_counted_leave(&group, false);
    } else {
        MODEL_CHECK(may_be_cancelled && (status == THRUM_ECANCELED || status == THRUM_ESHUTDOWN));
    }
    end(number);
}
static void comes_0(void) { come_and_go(0, false); }
static void comes_1(void) { come_and_go(1, false); }
static void comes_2(void) { come_and_go(2, false); }
static void may_come_0(void) { come_and_go(0, true); }
static void may_come_1(void) { come_and_go(1, true); }

/* Nobody has a place, and nobody waits for one. */
static void check_room(void)
{
    MODEL_CHECK(group.state == 0 && group.first == NULL && group.alive == 1);
}

/* One that thinks that the sleep is its to end. */
static void mistake(void)
{
    struct wait wait;

    if (thrum_wait_of(&places[0].strand, &wait))
        thrum_wait_fire(&wait, WAIT_CANCELLED);
}

static void is_daemon(void)
{
    MODEL_CHECK(thrum_event_wait(&never) == THRUM_ECANCELED);
    end(0);
}
static void last_one(void) { thrum_counted_leave(&group, false); }
static void owner(void) { thrum_counted_close(&group); }

static void check_over(void)
{
    MODEL_CHECK(group.alive == 0 && group.scope.cancels == 1);
}

/* ---- timers: the key of a sleep that is over --------------------------------------------------- */

static void sleeps_twice(void)
{
    MODEL_CHECK(thrum_sleep(1) == 0);
    MODEL_CHECK(thrum_sleep(2) == 0);
    MODEL_CHECK(load_acquire(&due) == 1);
    end(0);
}

static void expire(uint64_t key)
{
    thrum_timer_expire(pointer_of(load_relaxed(&armed_timer)), key); /* relaxed: with the key */
}

/* The first timer, twice, and then the second. */
static void expires_both(void)
{
    uint64_t first, second;

    while ((first = load_acquire(&armed_key)) == 0)
        model_yield();
    store_release(&old_key, first);
    expire(first);
    while ((second = load_acquire(&armed_key)) == first)
        model_yield();
    expire(first);
    store_release(&due, 1);
    expire(second);
}

/* At any time. */
static void expires_late(void)
{
    uint64_t key = load_acquire(&old_key);

    if (key)
        expire(key);
}

#define T(text, start, after, ...) {text, start, {__VA_ARGS__}, after, 0, 0, false}
#define LARGE(text, start, after, ...) {text, start, {__VA_ARGS__}, after, 1, 1, false}

static const struct model models[] = {
    T("look", begin_task, check_freed, runs_worker, looks),
    T("join", begin_join, check_freed, runs_worker, joins),
    T("cancel a task that works", begin_task, check_accepted, runs_worker, cancel),
    T("cancel and take back", begin_task, check_accepted, runs_regret, cancel),
    T("cancel a sleeper", begin_task, check_cancelled, runs_sleeper, cancel),
    T("done", begin_task, check_called, runs_worker, wants_to_know),
    T("done or not", begin_task, check_freed, runs_worker, changes_its_mind),
    T("two for one place", begin_limit, check_room, comes_0, comes_1),
    T("daemons", begin_daemons, check_over, is_daemon, last_one, owner),
    LARGE("timers", begin_sleeper, NULL, sleeps_twice, expires_both, expires_late),
    LARGE("two cancels", begin_two_handles, check_cancelled, runs_sleeper, cancel, cancel_2),
    {"a cancelled join", begin_join, {runs_sleeper, joins_cancelled, cancel_scope},
     check_cancelled, 1, 2, false},
    LARGE("three for one place", begin_limit, check_room, comes_0, comes_1, comes_2),
    {"a place and a mistake", begin_full, {comes_0, comes_1, last_one, mistake}, check_room, 1, 2,
     false},
    LARGE("a place and a cancel", begin_limit, check_room, may_come_0, may_come_1, cancel_group),
};

int main(int argc, char **argv)
{
    static const char *const subjects[] = {"runtime/task/task.", "runtime/task/done.",
                                           "runtime/task/counted.", "runtime/task/sleep.", NULL};

    return model_main(argc, argv, models, sizeof(models) / sizeof(*models), subjects);
}
