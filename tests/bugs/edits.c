/* edits.c - see edits.h. */
#include "tests/bugs/edits.h"

#include "tests/bugs/kit.h"

unsigned bugs_edits;

static struct {
    thrum_mutex mutex;
    int first, second, lines, work;
} other;

static void log_line(void)
{
    (void)thrum_shared_rmw(&other.lines, += 1);
}

void edited_write(void)
{
    if (bugs_edits & EDIT_LOG_WRITES)
        log_line();
}

static int other_work(void *arg)
{
    (void)arg;
    thrum_shared_store(&other.work, thrum_shared_load(&other.work) + 1);
    return 0;
}

static int sleeper(void *arg)
{
    (void)arg;
    DO(thrum_yield());
    other_work(NULL);
    DO(thrum_sleep(thrum_ms(1)));
    return other_work(NULL);
}

/* ---- the tasks ------------------------------------------------------------------------------ */

struct task {
    struct edited original;
    bool first;
};

static int edited_task(void *arg)
{
    const struct task *task = arg;

    if (bugs_edits & EDIT_LOG)
        log_line();
    if (bugs_edits & EDIT_LOCK && task->first) {
        LOCK(other.mutex);
        UNLOCK(other.mutex);
    }
    return task->original.fn(task->original.arg);
}

static int other_group(void)
{
    thrum_child child;
    thrum_group group;

    DO(thrum_group_open(&group, NULL));
    return thrum_group_close(&group, thrum_group_spawn_child(&group, &child, other_work, NULL),
                             NULL);
}

static void declare(void)
{
    if (!(bugs_edits & EDIT_DECLARATIONS))
        return;
    thrum_shared_store(&other.second, 1);
    thrum_shared_store(&other.first, 2);
}

int edited_together(const thrum_fn *fns, size_t n, void *arg)
{
    thrum_child children[TASKS_MAX + 2];
    struct task tasks[TASKS_MAX];
    thrum_group group;
    int status = 0;

    declare();
    if (bugs_edits & EDIT_OTHER_GROUP)
        DO(other_group());
    DO(thrum_group_open(&group, NULL));
    if (bugs_edits & EDIT_FRONT)
        status = thrum_group_spawn_child(&group, &children[TASKS_MAX], other_work, NULL);
    for (size_t i = 0; !status && i < n && i < TASKS_MAX; i++) {
        tasks[i] = (struct task){{fns[i], arg}, i == 0};
        status = thrum_group_spawn_child(&group, &children[i], edited_task, &tasks[i]);
    }
    if (!status && bugs_edits & EDIT_SLEEPER)
        (void)!thrum_group_spawn_child(&group, &children[TASKS_MAX + 1], sleeper, NULL);
    return all_ended(&group);
}

/* ---- what goes around ----------------------------------------------------------------------- */

static int in_a_group(const struct edited *edited)
{
    thrum_child child;
    thrum_group group;

    DO(thrum_group_open(&group, NULL));
    (void)!thrum_group_spawn_child(&group, &child, edited->fn, edited->arg);
    return all_ended(&group);
}

static int inside(const struct edited *edited)
{
    return bugs_edits & EDIT_OUTER_GROUP ? in_a_group(edited) : edited->fn(edited->arg);
}

int edited_root(void *arg)
{
    thrum_timeout timeout;

    memset(&other, 0, sizeof other);
    if (!(bugs_edits & EDIT_TIMEOUT))
        return inside(arg);
    DO(thrum_timeout_begin(&timeout, thrum_s(1000000)));
    return thrum_timeout_end(&timeout, inside(arg));
}
