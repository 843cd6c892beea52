/* blocking.c - sections of a task that block. The work is done by sched/seat.c. */
#include <thrum/blocking.h>

#include <errno.h>

#include "runtime/sched/seat.h"
#include "runtime/sched/stay.h"
#include "runtime/sched/worker.h"
#include "runtime/task/locals.h"
#include "runtime/task/scope.h"

enum { BLOCKING_NONE = 0, BLOCKING_HERE = 1, BLOCKING_AWAY = 2 };

int thrum_blocking_begin(thrum_blocking *blocking)
{
    if (thrum_worker_given_away())
        thrum_panic("thrum_blocking_begin was called between another one and its "
                    "thrum_blocking_end");
    thrum_check_inside("thrum_blocking_begin");
    if (worker_here()->stays != 0)
        thrum_stay_panic("calls thrum_blocking_begin, whose end is a suspension,");
    blocking->locals = thrum_locals_lend();
    blocking->away = thrum_worker_give_away() ? BLOCKING_AWAY : BLOCKING_HERE;
    if (blocking->away == BLOCKING_HERE)
        return -EAGAIN;
    thrum_locals_borrow(blocking->locals);
    return 0;
}

void thrum_blocking_end(thrum_blocking *blocking)
{
    uint64_t away = blocking->away;

    if (away != BLOCKING_HERE && (away != BLOCKING_AWAY || !thrum_worker_given_away()))
        thrum_panic("thrum_blocking_end was called without a thrum_blocking_begin before it");
    blocking->away = BLOCKING_NONE;
    if (away == BLOCKING_AWAY) {
        if (thrum_stays_any())
            thrum_stay_panic("calls thrum_blocking_end, which suspends,");
        thrum_locals_borrow(NULL);
        thrum_worker_come_back();
    }
    thrum_locals_put(blocking->locals);
}
