/*
 * thread.c - pthreads with a known stack size and signal mask.
 */
#define _GNU_SOURCE
#include "runtime/plat/thread.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "runtime/base/base.h"
#include "runtime/plat/fault.h"

/* Not the default, which is 8 MiB with glibc and 128 KiB with musl. */
#define STACK_BYTES ((size_t)1 << 20)

uint32_t thrum_thread_fail_after;

static void most_signals(sigset_t *set)
{
    static const int kept[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGPROF};

    sigfillset(set);
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        sigdelset(set, kept[i]);
}

static void set_name(pthread_t thread, const char *name)
{
    char cut[16] = "";

    strncpy(cut, name, sizeof(cut) - 1);
    pthread_setname_np(thread, cut); /* a thread without a name works as well */
}

/* The new thread inherits the mask of this one. */
static int create_masked(pthread_t *out, const pthread_attr_t *attributes, void *(*fn)(void *),
                         void *arg)
{
    sigset_t blocked;
    sigset_t before;
    int err;

    if (fault_due(&thrum_thread_fail_after))
        return -EAGAIN;
    most_signals(&blocked);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    err = -pthread_create(out, attributes, fn, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}

int thrum_thread_create(pthread_t *out, void *(*fn)(void *), void *arg, const char *name)
{
    pthread_attr_t attributes;
    pthread_t thread;
    int err = -pthread_attr_init(&attributes);

    if (err)
        return err;
    err = -pthread_attr_setstacksize(&attributes, STACK_BYTES);
    if (!err)
        err = create_masked(&thread, &attributes, fn, arg);
    pthread_attr_destroy(&attributes);
    if (err)
        return err;
    set_name(thread, name);
    *out = thread;
    return 0;
}
