/*
 * sigint.c - the first SIGINT cancels what runs, the second ends the process.
 *
 * The handler may run in any thread that does not block the signal, at any
 * moment, even after the runtime has gone: it touches only what stands here, and
 * calls nothing that is not async-signal-safe. A thread of its own performs the
 * cancel.
 *
 *     OFF --first run begins--> READY --SIGINT--> PRESSED --cancelled--> DONE
 *     any of them --last run has ended--> OFF        STOP: the thread ends
 *
 * In any other state than READY the signal does what it does by default.
 * While the signal may still cancel something it counts as a loose hold: whoever
 * waits for it is not stuck, but nobody waits for it to come.
 *
 * Edges
 *   sigint.state   any -> watcher, watch   who runs, and what has been done
 */
#include "runtime/task/sigint.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "runtime/plat/futex.h"
#include "runtime/plat/thread.h"
#include "runtime/task/task.h"

enum { OFF, READY, PRESSED, DONE, STOP };

static uint64_t owner;            /* atomic: struct thrum_runtime *, or 0 */
static uint32_t state;            /* atomic, futex */
static struct sigaction previous; /* owner's */
static pthread_t watcher;         /* owner's */

static bool move(uint32_t from, uint32_t to)
{
    if (!cas_acq_rel(&state, &from, to)) /* EDGE sigint.state */
        return false;
    thrum_futex_wake(&state, 1);
    return true;
}

static void pressed(int number)
{
    int kept = errno;

    if (!move(READY, PRESSED)) {
        signal(number, SIG_DFL);
        raise(number); /* delivered when we return */
    }
    errno = kept;
}

static void *watch(void *arg)
{
    struct thrum_runtime *runtime = arg;
    uint32_t seen;

    while ((seen = load_acquire(&state)) != STOP) { /* EDGE sigint.state */
        if (seen != PRESSED) {
            thrum_futex_wait(&state, seen, -1);
            continue;
        }
        thrum_roots_cancel(runtime, UINT64_MAX, -EINTR, "SIGINT");
        if (move(PRESSED, DONE))
            thrum_scheduler_release_loosely(&runtime->scheduler);
    }
    return NULL;
}

static bool concerns(const struct thrum_runtime *runtime)
{
    return runtime->options.flags & THRUM_HANDLE_SIGINT;
}

void thrum_sigint_watch(struct thrum_runtime *runtime)
{
    if (!concerns(runtime))
        return;
    thrum_scheduler_hold_loosely(&runtime->scheduler);
    store_release(&state, READY); /* EDGE sigint.state */
}

/* Whoever takes it out of READY or PRESSED gives the hold back. */
void thrum_sigint_rest(struct thrum_runtime *runtime)
{
    if (!concerns(runtime))
        return;
    if (move(READY, OFF) || move(PRESSED, OFF))
        thrum_scheduler_release_loosely(&runtime->scheduler);
    else
        move(DONE, OFF);
}

int thrum_sigint_take(struct thrum_runtime *runtime)
{
    struct sigaction action = {.sa_handler = pressed, .sa_flags = SA_RESTART};
    uint64_t none = 0;
    int err;

    if (!concerns(runtime))
        return 0;
    if (!cas_acq_rel(&owner, &none, word_of(runtime))) /* EDGE sigint.state */
        return -EBUSY;
    store_release(&state, OFF); /* EDGE sigint.state */
    err = thrum_thread_create(&watcher, watch, runtime, "thrum-sigint");
    if (err) {
        store_release(&owner, 0); /* EDGE sigint.state */
        return err;
    }
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, &previous);
    return 0;
}

void thrum_sigint_give_back(struct thrum_runtime *runtime)
{
    struct sigaction now;

    if (!concerns(runtime))
        return;
    sigaction(SIGINT, NULL, &now);
    if (now.sa_handler == pressed) /* and not somebody else's, who came later */
        sigaction(SIGINT, &previous, NULL);
    store_release(&state, STOP); /* EDGE sigint.state */
    thrum_futex_wake(&state, 1);
    pthread_join(watcher, NULL);
    store_release(&owner, 0); /* EDGE sigint.state */
}

void thrum_sigint_forked(void)
{
    store_relaxed(&state, OFF); /* relaxed: nobody else is there */
    store_relaxed(&owner, 0);   /* relaxed: likewise */
}
