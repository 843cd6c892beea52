/*
 * go_channels.c - bugs of Go programs with channels, after the kinds that GoKer collects; no code
 * of theirs. A context that is cancelled is a channel that is closed, as in Go.
 */
#include "tests/bugs/chan.h"

static struct {
    thrum_mutex a;
    thrum_rwlock rw;
    thrum_latch latch;
    struct chan c, d, done;
    int x, y;
} go;

static int make(size_t c, size_t d, uint32_t latch)
{
    memset(&go, 0, sizeof go);
    thrum_latch_init(&go.latch, latch);
    DO(chan_make(&go.c, c));
    DO(chan_make(&go.d, d));
    return chan_make(&go.done, 0);
}

/* The rooms of two channels, the WaitGroup's count, and the goroutines. */
#define KERNEL(name, c, d, latch, ...) \
    static int name(void *arg)         \
    {                                  \
        (void)arg;                     \
        DO(make(c, d, latch));         \
        return TOGETHER(__VA_ARGS__);  \
    }

#define TASK(name) static int name(void *arg)

/* ---- nobody receives any more ------------------------------------------------------------------------ */

/* The caller gives up when the context ends; the answer has no room. */
TASK(answers)
{
    (void)arg;
    SEND(go.c, 1);
    return 0;
}

TASK(takes_answer_or_gives_up)
{
    int which;

    (void)arg;
    which = chan_either(&go.c, &go.done);
    return which < 0 ? which : 0;
}

TASK(cancels)
{
    (void)arg;
    chan_close(&go.done);
    return 0;
}
KERNEL(answer_after_cancel, 0, 0, 0, answers, takes_answer_or_gives_up, cancels)
KERNEL(answer_after_cancel_first, 0, 0, 0, cancels, answers, takes_answer_or_gives_up)

/* Of two that answer only one is heard. */
TASK(takes_one)
{
    (void)arg;
    RECEIVE(go.c);
    return 0;
}
KERNEL(two_answers_one_heard, 0, 0, 0, answers, answers, takes_one)

/* The receiver goes at the first error. */
TASK(sends_an_error)
{
    (void)arg;
    LOCK(go.a);
    STORE(go.x, 1);
    UNLOCK(go.a);
    SEND(go.c, -1);
    return 0;
}

TASK(receives_until_error)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        int item;

        DO(chan_receive(&go.c, &item));
        if (item < 0)
            return 0;
    }
    return 0;
}
KERNEL(gone_at_first_error, 0, 0, 0, answers, sends_an_error, receives_until_error)

/* ---- a lock held over a send ------------------------------------------------------------------------ */

TASK(sends_with_lock)
{
    int status;

    (void)arg;
    LOCK(go.a);
    status = chan_send(&go.c, 1);
    UNLOCK(go.a);
    return status;
}

TASK(locks_then_receives)
{
    (void)arg;
    LOCK(go.a);
    ADD(go.x, 1);
    UNLOCK(go.a);
    RECEIVE(go.c);
    return 0;
}
KERNEL(send_with_lock, 0, 0, 0, sends_with_lock, locks_then_receives)
KERNEL(send_with_lock_among_six, 1, 0, 0, sends_with_lock, sends_with_lock, locks_then_receives,
       locks_then_receives, sends_with_lock, locks_then_receives)

/* With room for one the second send waits. */
TASK(sends_twice_with_lock)
{
    int status;

    (void)arg;
    LOCK(go.a);
    status = chan_send(&go.c, 1);
    if (!status && LOAD(go.x) == 0)
        status = chan_send(&go.c, 2);
    UNLOCK(go.a);
    return status;
}

TASK(takes_both)
{
    (void)arg;
    LOCK(go.a);
    ADD(go.x, 1);
    UNLOCK(go.a);
    RECEIVE(go.c);
    return 0;
}
KERNEL(second_send_with_lock, 1, 0, 0, takes_both, sends_twice_with_lock)

/* A read lock, and a writer who stands between. */
TASK(reads_then_sends)
{
    int status;

    (void)arg;
    DO(thrum_rwlock_read(&go.rw));
    status = chan_send(&go.c, 1);
    thrum_rwlock_read_unlock(&go.rw);
    return status;
}

TASK(writes_then_receives)
{
    (void)arg;
    DO(thrum_rwlock_write(&go.rw));
    ADD(go.x, 1);
    thrum_rwlock_write_unlock(&go.rw);
    RECEIVE(go.c);
    return 0;
}
KERNEL(send_with_read_lock, 0, 0, 0, reads_then_sends, writes_then_receives)

/* ---- two channels in two orders ---------------------------------------------------------------------- */

TASK(sends_c_then_d)
{
    (void)arg;
    SEND(go.c, 1);
    SEND(go.d, 1);
    return 0;
}

TASK(takes_d_first_if_set)
{
    (void)arg;
    if (LOAD(go.x)) {
        RECEIVE(go.d);
        RECEIVE(go.c);
    } else {
        RECEIVE(go.c);
        RECEIVE(go.d);
    }
    return 0;
}

TASK(sets_x)
{
    (void)arg;
    STORE(go.x, 1);
    return 0;
}
KERNEL(channels_in_two_orders, 0, 0, 0, sends_c_then_d, takes_d_first_if_set, sets_x)

/* Each sends to the other twice, unless the other was there first; there is room for one. */
TASK(c_then_takes_d)
{
    bool first;

    (void)arg;
    first = LOAD(go.y) == 0;
    STORE(go.x, 1);
    SEND(go.c, 1);
    if (first)
        SEND(go.c, 2);
    RECEIVE(go.d);
    return 0;
}

TASK(d_then_takes_c)
{
    bool first;

    (void)arg;
    first = LOAD(go.x) == 0;
    STORE(go.y, 1);
    SEND(go.d, 1);
    if (first)
        SEND(go.d, 2);
    RECEIVE(go.c);
    return 0;
}
KERNEL(both_send_twice, 1, 1, 0, c_then_takes_d, d_then_takes_c)

/* ---- close ------------------------------------------------------------------------------------------- */

/* Twice, for each looks first. */
TASK(closes_once)
{
    (void)arg;
    if (LOAD(go.x) == 0) {
        STORE(go.x, 1);
        ASSERT(exchange(&go.y, 1) == 0); /* Go panics at the second close */
        chan_close(&go.c);
    }
    return 0;
}
KERNEL(close_twice, 0, 0, 0, closes_once, closes_once)

/* A send into a channel that another closes. */
TASK(sends_if_open)
{
    (void)arg;
    if (LOAD(go.x) == 0)
        SEND(go.c, 1);
    return 0;
}

TASK(sets_and_closes)
{
    (void)arg;
    STORE(go.x, 1);
    chan_close(&go.c);
    return 0;
}
KERNEL(send_to_closed, 2, 0, 0, sends_if_open, sets_and_closes)
KERNEL(two_send_to_closed, 2, 0, 0, sends_if_open, sends_if_open, sets_and_closes)

/* It is never closed, when the sender has stopped; the receiver ranges over it. */
TASK(sends_and_closes_if_on)
{
    (void)arg;
    SEND(go.c, 1);
    if (LOAD(go.x))
        return 0;
    chan_close(&go.c);
    return 0;
}

TASK(ranges)
{
    int status = 0;

    (void)arg;
    while (!status)
        status = chan_receive(&go.c, NULL);
    return status == THRUM_ESHUTDOWN ? 0 : status;
}
KERNEL(never_closed, 1, 0, 0, sends_and_closes_if_on, ranges, sets_x)

/* ---- select ------------------------------------------------------------------------------------------- */

/* Both are ready: stop and tick; the tick is taken, and then nobody says stop again. */
TASK(ticks)
{
    (void)arg;
    SEND(go.c, 1);
    return 0;
}

TASK(stops)
{
    (void)arg;
    SEND(go.d, 1);
    return 0;
}

TASK(takes_two_stops_at_stop)
{
    (void)arg;
    for (;;) {
        int which = chan_either(&go.c, &go.d);

        if (which)
            return which < 0 ? which : 0;
    }
}
KERNEL(stop_taken_before_tick, 0, 0, 0, ticks, takes_two_stops_at_stop, stops)

/* A time-out races with the answer that has no room. */
TASK(waits_a_second)
{
    int item;
    thrum_case cases[] = {thrum_case_get(&go.c.items, &item), thrum_case_after(thrum_s(1))};
    int which;

    (void)arg;
    which = thrum_select(cases, 2, 0);
    if (which == 0)
        return chan_took(&go.c);
    return which < 0 ? which : 0;
}

TASK(answers_after_a_second)
{
    (void)arg;
    DO(thrum_sleep(thrum_s(1)));
    SEND(go.c, 1);
    return 0;
}
KERNEL(answer_after_timeout, 0, 0, 0, waits_a_second, answers_after_a_second)

/* ---- with WaitGroups --------------------------------------------------------------------------------- */

/* All are waited for before anything is received. */
TASK(sends_and_is_done)
{
    (void)arg;
    SEND(go.c, 1);
    thrum_latch_count_down(&go.latch, 1);
    return 0;
}

TASK(waits_then_receives)
{
    (void)arg;
    if (LOAD(go.x) == 0)
        RECEIVE(go.c);
    DO(thrum_latch_wait(&go.latch));
    chan_close(&go.c);
    return ranges(NULL);
}
KERNEL(wait_before_receive, 1, 0, 2, sends_and_is_done, sends_and_is_done, waits_then_receives,
       sets_x)

/* Done is said after a send that nobody takes once the flag is up. */
TASK(takes_unless_stopped)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        if (LOAD(go.x))
            break;
        RECEIVE(go.c);
    }
    return thrum_latch_wait(&go.latch);
}
KERNEL(done_after_send, 0, 0, 2, sends_and_is_done, sends_and_is_done, takes_unless_stopped, sets_x)

#define BLOCKED(name, cycle)                                        \
    {                                                               \
        "Go/" #name, name, THRUM_EDEADLOCK, 1000, "", "", "", cycle \
    }
#define PANICS(name)                                 \
    {                                                \
        "Go/" #name, name, BUG, 1000, "", "", "", "" \
    }

const struct bug bugs_go_channels[] = {BLOCKED(answer_after_cancel, "- 1 queue"),
                                       BLOCKED(answer_after_cancel_first, "- 2 queue"),
                                       BLOCKED(two_answers_one_heard, "- [12] queue"),
                                       BLOCKED(gone_at_first_error, "- 1 queue"),
                                       BLOCKED(send_with_lock, "1 queue? 2 mutex"),
                                       BLOCKED(send_with_lock_among_six, "* queue? * mutex"),
                                       BLOCKED(second_send_with_lock, "1 mutex 2 queue?"),
                                       BLOCKED(send_with_read_lock, "1 queue? 2 rwlock"),
                                       BLOCKED(channels_in_two_orders, "1 queue? 2 queue?"),
                                       BLOCKED(both_send_twice, "1 queue? 2 queue?"),
                                       PANICS(close_twice),
                                       PANICS(send_to_closed),
                                       PANICS(two_send_to_closed),
                                       BLOCKED(never_closed, "- 2 queue"),
                                       BLOCKED(stop_taken_before_tick, "- [13] queue"),
                                       BLOCKED(answer_after_timeout, "- 2 queue"),
                                       BLOCKED(wait_before_receive, "[12] queue? 3 latch?"),
                                       BLOCKED(done_after_send, "[12] queue? 3 latch?"),
                                       {0}};
