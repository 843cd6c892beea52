/* registry.h - all runtimes of this process, for who asks about all of them. */
#ifndef THRUM_TASK_REGISTRY_H
#define THRUM_TASK_REGISTRY_H

#include <stdbool.h>

struct thrum_runtime;

/* 0 or -ENOMEM. */
int thrum_registry_add(struct thrum_runtime *runtime);
/* Returns when nobody looks at it any more. */
void thrum_registry_remove(struct thrum_runtime *runtime);

/* Is it a runtime that has not been closed, of this process's or inherited in a fork? */
bool thrum_registry_has(const struct thrum_runtime *runtime);

/* Calls visit for each, until one returns not 0, which it returns. None is closed meanwhile. */
int thrum_registry_visit(int (*visit)(struct thrum_runtime *runtime, void *arg), void *arg);

#endif
