/*
 * task_handle_test.c - handles of tasks: has it ended, how, what was its name;
 * and what a task knows about itself.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "runtime/atomic/verbs.h"
#include "workers.h"

static int wait_for(void *arg)
{
    return thrum_event_wait(arg);
}

static int fail(void *arg)
{
    return *(int *)arg;
}

static int outlives(void *arg)
{
    thrum_event event = THRUM_EVENT_INIT;
    thrum_task *sleeper, *failed;
    thrum_group group;
    int status = -EIO;
    int seen = 17;

    (void)arg;
    CHECK_EQ(thrum_group_open(&group, collecting()), 0);
    CHECK_EQ(thrum_group_spawn(&group, wait_for, &event, NULL, &sleeper), 0);
    CHECK_EQ(thrum_group_spawn(&group, fail, &status, NULL, &failed), 0);
    thrum_yield();
    CHECK(!thrum_task_ended(sleeper, &seen));
    CHECK_EQ(seen, 17);
    thrum_event_set(&event);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), THRUM_EGROUP);
    CHECK(thrum_task_ended(sleeper, NULL));
    CHECK(thrum_task_ended(sleeper, &seen));
    CHECK_EQ(seen, 0);
    CHECK(thrum_task_ended(failed, &seen));
    CHECK_EQ(seen, -EIO);
    CHECK_STR_EQ(thrum_task_name(failed), "");
    thrum_task_unref(sleeper);
    CHECK(thrum_task_ref(failed) == failed);
    thrum_task_unref(failed);
    CHECK(thrum_task_ended(failed, &seen));
    thrum_task_unref(failed);
    thrum_task_unref(NULL);
    thrum_event_destroy(&event);
    return 0;
}

TEST(a_handle_outlives_its_group)
{
    run_everywhere(outlives, NULL);
}

struct knowing {
    thrum_task *self;
    bool missed;
};

static int know_yourself(void *arg)
{
    struct knowing *knowing = arg;

    knowing->missed = !knowing->self || thrum_task_ended(knowing->self, NULL);
    return 0;
}

static int spawn_knowing(void *arg)
{
    (void)arg;
    for (long i = 0; i < many(1000); i++) {
        struct knowing knowing = {NULL, false};
        thrum_group group;

        CHECK_EQ(thrum_group_open(&group, NULL), 0);
        CHECK_EQ(thrum_group_spawn(&group, know_yourself, &knowing, NULL, &knowing.self), 0);
        CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
        CHECK(!knowing.missed);
        thrum_task_unref(knowing.self);
    }
    return 0;
}

TEST(a_task_finds_its_handle_where_its_spawner_has_it)
{
    run_everywhere(spawn_knowing, NULL);
}

#define MANY 200

static int nothing(void *arg)
{
    return (int)(intptr_t)arg;
}

static int many_handles(void *arg)
{
    thrum_task *tasks[MANY];
    thrum_group group;

    (void)arg;
    for (int round = 0; round < 20; round++) {
        CHECK_EQ(thrum_group_open(&group, NULL), 0);
        for (intptr_t i = 0; i < MANY; i++)
            CHECK_EQ(thrum_group_spawn(&group, nothing, (void *)i, NULL, &tasks[i]), 0);
        for (int i = 0; i < MANY / 2; i++) { /* before or after it has ended */
            thrum_task_unref(tasks[i]);
            if (i % 10 == 0)
                thrum_yield();
        }
        CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
        for (int i = MANY / 2; i < MANY; i++) {
            int status;

            CHECK(thrum_task_ended(tasks[i], &status));
            CHECK_EQ(status, i);
            thrum_task_unref(tasks[i]);
        }
    }
    return 0;
}

TEST(handles_are_given_back_before_and_after_the_end)
{
    run_everywhere(many_handles, NULL);
}

struct keep {
    thrum_task *task;
};

static int keep_handle(void *arg)
{
    struct keep *keep = arg;
    thrum_group group;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, nothing, (void *)(intptr_t)5, NULL, &keep->task), 0);
    return thrum_group_close(&group, 0, NULL);
}

TEST(a_thread_that_runs_no_task_looks_at_a_handle)
{
    thrum_runtime *runtime = runtime_with(2);
    struct keep keep;
    int status;

    for (int i = 0; i < 100; i++) {
        CHECK_EQ(thrum_runtime_run(runtime, keep_handle, &keep, NULL), 0);
        CHECK(thrum_task_ended(keep.task, &status));
        CHECK_EQ(status, 5);
        thrum_task_unref(keep.task);
    }
    CHECK_EQ(thrum_runtime_close(runtime), 0);
}

/* Handles on their way from the task that spawns to a thread that looks. */
#define SHOWN 500

struct show {
    uint64_t tasks[SHOWN]; /* atomic: thrum_task *, NULL: not spawned yet */
    thrum_runtime *runtime;
};

static int show_handles(void *arg)
{
    struct show *show = arg;
    thrum_group group;

    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (intptr_t i = 0; i < SHOWN; i++) {
        thrum_task *task;

        CHECK_EQ(thrum_group_spawn(&group, nothing, (void *)i, NULL, &task), 0);
        store_release(&show->tasks[i], (uint64_t)(uintptr_t)task);
        if (i % 5 == 0)
            thrum_yield();
    }
    return thrum_group_close(&group, 0, NULL);
}

static void *look_at_handles(void *arg)
{
    struct show *show = arg;

    for (int i = 0; i < SHOWN; i++) {
        thrum_task *task;
        int status;

        while (!(task = (thrum_task *)(uintptr_t)load_acquire(&show->tasks[i])))
            sched_yield();
        CHECK_STR_EQ(thrum_task_name(task), "");
        while (i % 2 && !thrum_task_ended(task, &status))
            sched_yield();
        if (i % 2)
            CHECK_EQ(status, i);
        thrum_task_unref(task);
    }
    return NULL;
}

TEST(a_thread_that_runs_no_task_gives_handles_back_while_tasks_run)
{
    static const int counts[] = {1, 2, 8, 64};

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct show show = {{0}, runtime_with(counts[i])};
        pthread_t thread;

        CHECK_EQ(pthread_create(&thread, NULL, look_at_handles, &show), 0);
        CHECK_EQ(thrum_runtime_run(show.runtime, show_handles, &show, NULL), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        CHECK_EQ(thrum_runtime_close(show.runtime), 0);
    }
}

/* ---- names --------------------------------------------------------------------------------- */

static int knows_its_name(void *arg)
{
    CHECK_STR_EQ(thrum_self_name(), arg);
    thrum_yield();
    CHECK_STR_EQ(thrum_self_name(), arg);
    return 0;
}

static int names(void *arg)
{
    static const char *const given[][2] = {
        {"", ""},
        {"short", "short"},
        {"twenty-three characters", "twenty-three characters"},
        {"twenty-four characters..", "twenty-four characters."},
    };
    thrum_child child;
    thrum_group group;

    (void)arg;
    CHECK_STR_EQ(thrum_self_name(), "");
    for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
        thrum_task_options options = THRUM_TASK_OPTIONS_INIT;
        thrum_task *task;
        char copied[64];

        strcpy(copied, given[i][0]);
        options.name = copied;
        CHECK_EQ(thrum_group_open(&group, NULL), 0);
        CHECK_EQ(thrum_group_spawn(&group, knows_its_name, (void *)(uintptr_t)given[i][1],
                                   &options, &task), 0);
        CHECK_EQ(thrum_group_spawn_child(&group, &child, knows_its_name, (void *)(uintptr_t) ""),
                 0);
        memset(copied, 'x', sizeof(copied));
        CHECK_STR_EQ(thrum_self_name(), "");
        CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
        CHECK_STR_EQ(thrum_self_name(), "");
        CHECK_STR_EQ(thrum_task_name(task), given[i][1]);
        thrum_task_unref(task);
    }
    return 0;
}

TEST(a_task_knows_its_name)
{
    run_everywhere(names, NULL);
    CHECK_STR_EQ(thrum_self_name(), "");
}

/* ---- identity ------------------------------------------------------------------------------ */

struct family {
    uint64_t parent;
    uint64_t seen;
    bool inner; /* opens a group of its own */
};

static int child(void *arg)
{
    struct family *family = arg;
    uint64_t self = thrum_self();
    thrum_group group;
    thrum_child below;
    struct family inner = {self, 0, false};

    CHECK_NE(self, 0);
    CHECK_NE(self, family->parent);
    family->seen = self;
    thrum_yield();
    CHECK_EQ(thrum_self(), self);
    if (!family->inner)
        return -EIO;
    CHECK_EQ(thrum_group_open(&group, collecting()), 0);
    CHECK_EQ(thrum_group_spawn_child(&group, &below, child, &inner), 0);
    CHECK_EQ(thrum_self(), self);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), THRUM_EGROUP);
    CHECK_EQ(thrum_self(), self);
    CHECK_NE(inner.seen, self);
    return 0;
}

static int identities(void *arg)
{
    uint64_t self = thrum_self();

    (void)arg;
    for (int i = 0; i < 100; i++) {
        struct family families[4];
        thrum_child children[3];
        thrum_branch branch;
        thrum_group group;

        for (int k = 0; k < 4; k++)
            families[k] = (struct family){self, 0, k % 2};
        CHECK_EQ(thrum_group_open(&group, collecting()), 0);
        CHECK_EQ(thrum_group_spawn_n(&group, children, 2, child, families, sizeof(families[0])), 0);
        CHECK_EQ(thrum_group_spawn(&group, child, &families[2], NULL, NULL), 0);
        CHECK_EQ(thrum_self(), self);
        CHECK_EQ(thrum_fork(&branch, child, &families[3]), 0);
        CHECK_EQ(thrum_self(), self);
        CHECK_EQ(thrum_join(&branch, child, &families[3]), 0);
        CHECK_EQ(thrum_self(), self);
        CHECK_EQ(thrum_group_close(&group, 0, NULL), THRUM_EGROUP);
        CHECK_EQ(thrum_self(), self);
        for (int k = 0; k < 4; k++)
            for (int l = k + 1; l < 3; l++) /* siblings that ran at the same time, perhaps */
                CHECK_NE(families[k].seen, families[l].seen);
    }
    return 0;
}

/* A child that its parent's close runs on the parent's own stack is somebody else all the same. */
TEST(parent_and_child_are_two)
{
    CHECK_EQ(thrum_self(), 0);
    run_everywhere(identities, NULL);
    CHECK_EQ(thrum_self(), 0);
}

/* ---- what a task knows of its own handle ------------------------------------------------------ */

struct known {
    uint64_t self;
    thrum_task *handle;
};

static int look_at_oneself(void *arg)
{
    struct known *known = arg;

    known->self = thrum_self();
    known->handle = thrum_task_current();
    return thrum_yield();
}

static int cancel_oneself(void *arg)
{
    thrum_task *self = thrum_task_current();

    (void)arg;
    CHECK(thrum_task_cancel(self, 7, "by itself"));
    thrum_task_unref(self);
    return thrum_yield();
}

static int handles_of_oneself(void *arg)
{
    struct known known[3] = {{.self = 0}};
    thrum_reason reason;
    thrum_child child;
    thrum_group group;
    thrum_task *task, *suicide;

    (void)arg;
    CHECK(thrum_task_current() == NULL); /* the root has none */
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, look_at_oneself, &known[0], NULL, &task), 0);
    CHECK_EQ(thrum_group_spawn(&group, look_at_oneself, &known[1], NULL, NULL), 0);
    CHECK_EQ(thrum_group_spawn_child(&group, &child, look_at_oneself, &known[2]), 0);
    CHECK_EQ(thrum_group_spawn(&group, cancel_oneself, NULL, NULL, &suicide), 0);
    CHECK_EQ(thrum_group_close(&group, 0, NULL), 0);
    CHECK_EQ(known[0].self, thrum_task_id(task));
    CHECK(known[0].handle == task);
    CHECK(!known[1].handle && !known[2].handle); /* nobody has asked for one */
    CHECK_NE(thrum_task_id(task), thrum_task_id(suicide));
    CHECK_EQ(thrum_task_reason(suicide, &reason), 0);
    CHECK_EQ(reason.task, thrum_task_id(suicide));
    thrum_task_unref(task);
    thrum_task_unref(known[0].handle);
    thrum_task_unref(suicide);
    return 0;
}

TEST(a_task_has_its_own_handle)
{
    CHECK(thrum_task_current() == NULL);
    run_everywhere(handles_of_oneself, NULL);
}
