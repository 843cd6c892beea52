/*
 * body.c - one run of a test: its body in a task of its own, and a root that
 * looks at the clock.
 *
 * What the body uses is torn down by its own task, whatever has become of it.
 * A body whose time is up is cancelled, and again if it goes on, for it may have
 * taken the first cancel for something else.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <thrum/hold.h>

#include "runtime/kit/kit.h"

#define PATIENCE_NS ((int64_t)1000000000) /* between two cancels, */
#define CANCELS 100                       /* of which there are at most so many */

/* ---- the body -------------------------------------------------------------------------------- */

static void tell_reason(const struct thrum_site *site)
{
    thrum_reason reason;

    if (thrum_cancel_reason(&reason))
        thrum_test_fail(site, "the body returned THRUM_ECANCELED, and nobody has cancelled it");
    else if (thrum_test_failures() == 0 || reason.code != THRUM_ETIMEOUT)
        thrum_test_fail(site, "the body was cancelled (%s%s%s)", thrum_errname(reason.code),
                        reason.text[0] ? ": " : "", reason.text);
}

static void tell_error(const struct thrum_site *site, int status)
{
    thrum_error *error = thrum_fail_take(status);

    if (status != THRUM_ECHECK || thrum_test_failures() == 0) {
        thrum_test_fail(site, "the body returned %s: %s", thrum_errname(status),
                        thrum_strerror(status));
        if (thrum_error_count(error) != 0 || thrum_error_message(error)[0])
            (void)thrum_error_print(error, STDERR_FILENO);
    }
    thrum_error_free(error);
}

static int body(void *arg)
{
    const struct kit_run *run = arg;
    int status;

    thrum_kit_fixtures_begin(run->limit);
    status = run->test->run();
    if (thrum_kind_of(status) == THRUM_CANCELLED)
        tell_reason(run->test->site);
    else if (status < 0)
        tell_error(run->test->site, status);
    thrum_kit_fixtures_end();
    return 0;
}

/* ---- its time -------------------------------------------------------------------------------- */

/* THRUM_ETIMEOUT: it has not ended within that; THRUM_ECANCELED: the root was cancelled. */
static int wait_for(thrum_task *task, int64_t limit)
{
    thrum_timeout timeout;
    int status = thrum_timeout_begin(&timeout, limit);

    return status ? status : thrum_timeout_end(&timeout, thrum_shield_join(task, NULL));
}

static int end_in_time(const struct kit_run *run, thrum_task *task)
{
    int status = wait_for(task, run->limit);
    char time[32];

    if (status != THRUM_ETIMEOUT)
        return status;
    thrum_test_fail(run->test->site, "not done after %s of its time; who waits for what then:",
                    thrum_kit_duration(run->limit, time, sizeof time));
    (void)thrum_dump(STDERR_FILENO);
    for (int i = 0; i < CANCELS && status == THRUM_ETIMEOUT; i++) {
        thrum_task_cancel(task, THRUM_ETIMEOUT, "the test's time is up");
        status = wait_for(task, PATIENCE_NS);
    }
    return status;
}

int thrum_kit_root(void *arg)
{
    const struct kit_run *run = arg;
    thrum_group_options group_options = THRUM_GROUP_OPTIONS_INIT;
    thrum_task_options task_options = THRUM_TASK_OPTIONS_INIT;
    thrum_error *errors = NULL;
    thrum_group group;
    thrum_task *task;
    int status;

    group_options.flags = THRUM_COLLECT;
    task_options.name = run->test->name;
    status = thrum_group_open(&group, &group_options);
    if (status)
        return status;
    status = thrum_group_spawn(&group, body, arg, &task_options, &task);
    if (!status) {
        status = end_in_time(run, task);
        thrum_task_unref(task);
    }
    status = thrum_group_close(&group, status, &errors);
    thrum_error_free(errors);
    return status;
}
