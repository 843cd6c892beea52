/*
 * unhandled.h - errors that nobody took: reported, never swallowed.
 */
#ifndef THRUM_TASK_UNHANDLED_H
#define THRUM_TASK_UNHANDLED_H

#include "runtime/task/task.h"

/* Report it as include/thrum/run.h says, and give it back. NULL is nothing. */
void thrum_unhandled(struct thrum_runtime *runtime, struct thrum_error *error);

/*
 * On a worker: a task has not taken up what it had to say. That its tasks have failed is
 * reported; what it has said about a failure of its own, which it did not return, is not.
 */
void thrum_drop(struct thrum_error *detail);

#endif
