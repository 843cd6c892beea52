/*
 * stay.c - what a task holds that belongs to its thread.
 *
 * The thread remembers which, so that a sentence can be said. Its worker counts those
 * that were taken by a task while it ran it, so that a suspension looks at one word. What a
 * thread has taken outside of tasks is its own affair: it is no task's that runs there
 * in a guest's turn.
 */
#include "runtime/sched/stay.h"

#include <thrum/detect.h>

#include "runtime/base/base.h"
#include "runtime/plat/code.h"
#include "runtime/sched/worker.h"

#define STAYS_MOST 16

struct stay {
    const void *object;
    const char *what;
    const void *where;
    bool counted; /* by the worker */
};

/* None of the functions that touch it suspends. */
static __thread struct stays {
    struct stay of[STAYS_MOST];
    unsigned n;
} here;

static struct worker *worker_of_a_task(void)
{
    struct worker *worker = thrum_worker_self();

    return worker && worker->deque.lane.fiber ? worker : NULL;
}

void thrum_stay_begin_at(const void *object, const char *what, const void *where)
{
    struct worker *worker = worker_of_a_task();

    if (here.n == STAYS_MOST)
        return;
    sanitizer_hide(); /* the thread's, and no task's */
    here.of[here.n++] = (struct stay){object, what, where, worker != NULL};
    if (worker)
        worker->stays++;
    sanitizer_show();
}

void thrum_stay_begin(const void *object, const char *what)
{
    thrum_stay_begin_at(object, what, __builtin_return_address(0));
}

static bool end(const void *object)
{
    struct worker *worker = thrum_worker_self();

    for (unsigned i = here.n; i-- > 0;) {
        if (here.of[i].object != object)
            continue;
        if (here.of[i].counted && worker) /* NULL: in the child of a fork */
            worker->stays--;
        here.n--;
        for (; i < here.n; i++)
            here.of[i] = here.of[i + 1];
        return true;
    }
    return false;
}

/* The one that was taken last. */
bool thrum_stay_end(const void *object)
{
    bool was;

    sanitizer_hide();
    was = end(object);
    sanitizer_show();
    return was;
}

bool thrum_stays_any(void)
{
    return here.n != 0;
}

void thrum_stay_panic(const char *does)
{
    const struct stay *last = &here.of[here.n - 1];
    char where[128];

    thrum_code_tell(last->where, where, sizeof where);
    thrum_panic("a task %s and holds what belongs to its thread: %s (%p), taken %s; it may go "
                "on on another thread: give it back before, or use a lock that is made for tasks",
                does, last->what ? last->what : "something", last->object, where);
}
