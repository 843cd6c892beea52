/*
 * fail.c - what a task says of its failure. It is kept in the task's record,
 * and goes into its error when the task has returned that code.
 */
#include <stdarg.h>

#include "runtime/task/error.h"
#include "runtime/task/record.h"
#include "runtime/task/task.h"
#include "runtime/task/unhandled.h"

void thrum_task_detail(struct thrum_error *error)
{
    struct record *record = thrum_record_get();

    if (!record) {
        thrum_drop(error);
        return;
    }
    if (record->detail && thrum_error_cause(error) == record->detail)
        thrum_error_free(record->detail);
    else
        thrum_drop(record->detail);
    record->detail = error;
}

static bool is_inside(void)
{
    return thrum_worker_self() && thrum_lane_self()->current;
}

int thrum_fail(int code, const char *format, ...)
{
    const struct record *record = is_inside() ? thrum_record_find() : NULL;
    struct thrum_error *below = record ? record->detail : NULL;
    struct thrum_error *error;
    va_list arguments;

    if (thrum_error_code(below) != THRUM_EGROUP)
        below = NULL; /* else tasks have failed, and it says something else of it */
    va_start(arguments, format);
    error = thrum_error_say(code, below, format, arguments);
    va_end(arguments);
    thrum_fail_with(error);
    return code;
}

thrum_error *thrum_fail_take(int code)
{
    struct record *record = is_inside() ? thrum_record_find() : NULL;
    struct thrum_error *detail = record ? record->detail : NULL;

    if (code >= 0)
        thrum_panic("thrum_fail_take was called with the code %d; a failure's is negative", code);
    if (record)
        record->detail = NULL;
    return thrum_error_leaf(code, "", NULL, 0, detail);
}

int thrum_fail_with(thrum_error *error)
{
    int code = thrum_error_code(error);

    if (is_inside())
        thrum_task_detail(error);
    else
        thrum_error_free(error);
    return code;
}
