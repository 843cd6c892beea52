/*
 * wait_model.c - the three words that a task sleeps on, in the explorer: the
 * wait (runtime/task/wait.c), the branch (branch.c) and the group's count
 * (group.c), each against those who end the sleep.
 *
 * Oracle: the sleeper wakes exactly once, after it has gone to sleep in full
 * or not at all; it sees what who woke it did before; nobody touches the word
 * once the sleeper may have left; and of two who end a wait one wins.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/task/task.h"
#include "runtime/task/wait.h"

static struct fiber fiber;
static struct worker worker;
static uint64_t registers;   /* plain: saved before the commit, read by who resumes */
static uint32_t runnable;    /* atomic, futex: thrum_ready has been called */
static uint64_t message[3];  /* plain: what ends a sleep says first */
static uint64_t announced;   /* atomic: where the wait is */
static unsigned wakes, wins;
static struct wait still;    /* a wait that outlives its sleep */
static void *popped; /* by the owner's slow path */
static thrum_branch *branch;
static thrum_group *group;

/* ---- the scheduler below ------------------------------------------------- */

__thread struct thrum_lane *thrum_lane_here;

struct worker *thrum_worker_self(void)
{
    return &worker;
}

struct fiber *thrum_fiber_self(void)
{
    return &fiber;
}

void thrum_ready(struct fiber *woken)
{
    MODEL_CHECK(woken == &fiber);
    MODEL_CHECK(model_read(&registers) == 1);
    wakes++;
    MODEL_CHECK(wakes == 1);
    store_release(&runnable, 1);
    model_futex_wake(&runnable, 1);
}

void thrum_suspend(void (*commit)(void *arg, struct fiber *left), void *arg)
{
    model_write(&registers, 1);
    commit(arg, &fiber);
    while (load_acquire(&runnable) == 0)
        model_futex_wait(&runnable, 0);
    model_write(&registers, 0);
}

void thrum_suspend_for(void *task, void (*commit)(void *arg, struct fiber *left), void *arg)
{
    (void)task;
    thrum_suspend(commit, arg);
}

void thrum_give_way_briefly(void)
{
}

int thrum_worker_pushed(void)
{
    return 0;
}

void *thrum_worker_pop(bool *overdue)
{
    *overdue = false;
    return popped;
}

void thrum_task_end(struct thrum_task *task, int status)
{
    (void)task;
    (void)status;
}

void thrum_error_add(uint64_t *failures, int status, const char *name)
{
    (void)failures;
    (void)status;
    (void)name;
}

struct thrum_error *thrum_error_of(uint64_t failures, const char *name)
{
    (void)failures;
    (void)name;
    return NULL;
}

void thrum_error_free(thrum_error *error)
{
    (void)error;
}

void thrum_panic(const char *format, ...)
{
    (void)format;
    abort();
}

/* ---- beginnings and ends ------------------------------------------------- */

static void begin(void)
{
    thrum_lane_here = &worker.deque.lane;
    memset(&worker.deque.lane, 0, sizeof(worker.deque.lane));
    worker.deque.lane.floor = INT64_MAX;
    registers = 0;
    runnable = 0;
    memset(message, 0, sizeof(message));
    announced = 0;
    popped = NULL;
    wakes = wins = 0;
    memset(&still, 0, sizeof(still));
    model_name(&runnable, "runnable");
    model_name(&announced, "announced");
    model_name(&still.state, "state");
}

static void begin_branch(void)
{
    begin();
    branch = memset(model_alloc(sizeof(*branch)), 0, sizeof(*branch));
    model_name(&branch->state, "branch");
}

/* Not stolen, but the stack is short: it starts on a fiber while the joiner waits. */
static void begin_branch_here(void)
{
    begin_branch();
    popped = branch;
}

/* Two children elsewhere. */
static void begin_group(void)
{
    begin();
    group = memset(model_alloc(sizeof(*group)), 0, sizeof(*group));
    group->own = 2;
    group->owner = worker.deque.lane.current = &worker;
    group->remote = THRUM_GROUP_REMOTE_NONE;
    worker.deque.lane.scope = group;
    model_name(&group->remote, "remote");
}

static void begin_group_1(void)
{
    begin_group();
    group->own = 1;
}

static void check(void)
{
    MODEL_CHECK(wakes <= 1);
}

static void check_one_wins(void)
{
    MODEL_CHECK(wins == 1);
    check();
}

/* ---- threads -------------------------------------------------------------- */

/* On the sleeper's stack: gone when the sleep is over. */
static void sleeper(void)
{
    struct wait *wait = model_alloc(sizeof(*wait));

    thrum_wait_begin(wait);
    store_release(&announced, word_of(wait));
    MODEL_CHECK(thrum_wait_sleep(wait) == -1);
    MODEL_CHECK(model_read(&message[1]) == 1);
    model_free(wait);
}

static void firer(void)
{
    struct wait *wait;

    while (!(wait = pointer_of(load_acquire(&announced))))
        model_yield();
    model_write(&message[1], 1);
    MODEL_CHECK(thrum_wait_fire(wait, -1));
}

/* Two may end it; what the winner said is seen. */
static void begin_still(void)
{
    begin();
    thrum_wait_begin(&still);
}

static void still_sleeper(void)
{
    int result = thrum_wait_sleep(&still);

    MODEL_CHECK(result == -1 || result == -2);
    MODEL_CHECK(model_read(&message[-result]) == 1);
}

static void fire_still(int result)
{
    model_write(&message[-result], 1);
    if (thrum_wait_fire(&still, result))
        wins++;
}
static void firer_1(void) { fire_still(-1); }
static void firer_2(void) { fire_still(-2); }

static void joiner(void)
{
    int status = 0;

    MODEL_CHECK(!thrum_join_slow(branch, NULL, &status));
    MODEL_CHECK(status == -7);
    MODEL_CHECK(model_read(&message[0]) == 1);
    model_free(branch);
}

static void joiner_short(void)
{
    MODEL_CHECK(thrum_join_short(branch) == -7);
    MODEL_CHECK(model_read(&message[0]) == 1);
    model_free(branch);
}

static void ender(void)
{
    model_write(&message[0], 1);
    thrum_branch_end(branch, -7);
}

static void closer(void)
{
    uint64_t children = group->own;

    MODEL_CHECK(thrum_group_close_slow(group, 0, NULL) == 0);
    for (uint64_t i = 1; i <= children; i++)
        MODEL_CHECK(model_read(&message[i]) == 1);
    model_free(group);
}

static void child(int number)
{
    model_write(&message[number], 1);
    thrum_group_ended(group);
}
static void child_1(void) { child(1); }
static void child_2(void) { child(2); }

#define T(text, start, end, ...) {text, start, {__VA_ARGS__}, end, 0, 0, false}

static const struct model models[] = {
    T("wait", begin, check, sleeper, firer),
    T("wait, two", begin_still, check_one_wins, still_sleeper, firer_1, firer_2),
    T("branch", begin_branch, check, joiner, ender),
    T("branch, short stack", begin_branch, check, joiner_short, ender),
    T("branch, short stack, here", begin_branch_here, check, joiner_short, ender),
    T("group of one", begin_group_1, check, closer, child_1),
    T("group of two", begin_group, check, closer, child_1, child_2),
};

int main(int argc, char **argv)
{
    static const char *const subjects[] = {"runtime/task/wait.", "runtime/task/branch.",
                                           "runtime/task/group.", NULL};

    return model_main(argc, argv, models, sizeof(models) / sizeof(*models), subjects);
}
