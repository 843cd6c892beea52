/* guest.c - runtimes that run in turns: what a loop calls. */
#include <thrum/guest.h>

#include <errno.h>
#include <thrum/time.h>

#include "runtime/plat/overflow.h"
#include "runtime/task/task.h"

int thrum_poll_fd(const thrum_runtime *runtime)
{
    return runtime_is_guest(runtime) ? runtime->scheduler.poll.epoll_fd : THRUM_ESTATE;
}

int thrum_turn(thrum_runtime *runtime, int64_t budget, int64_t *next)
{
    int64_t ignored;

    if (thrum_worker_self())
        return THRUM_ENESTED;
    if (budget < 0)
        return -EINVAL;
    if (!runtime_is_guest(runtime) || !thrum_scheduler_is_here(&runtime->scheduler))
        return THRUM_ESTATE;
    (void)thrum_overflow_thread_init(); /* without it, an overflow has no sentence */
    return thrum_scheduler_turn(&runtime->scheduler, 0, budget, next ? next : &ignored)
               ? 0
               : THRUM_ESTATE;
}
