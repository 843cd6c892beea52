/*
 * overflow.c - the handler of SIGSEGV and SIGBUS.
 *
 * Everything that the handler calls is async-signal-safe: no allocation, no
 * stdio, no locks. Written for a thread whose stack is used up.
 *
 * Edges
 *   overflow.namer  thrum_overflow_set_namer -> task_name  what the namer uses
 */
#define _GNU_SOURCE
#include "runtime/plat/overflow.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/atomic/verbs.h"
#include "runtime/plat/stack.h"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

#define ALTERNATE_BYTES ((size_t)64 << 10)

struct alternate {
    char *low; /* of the guard; NULL: none */
    size_t bytes;
    stack_t before;
};

static pthread_once_t install_once = PTHREAD_ONCE_INIT;
static int install_result;
static struct sigaction earlier_segv;
static struct sigaction earlier_bus;

static uint64_t task_namer; /* atomic: const char *(*)(void) */

/* Used by init and fini only, and nothing switches in between. */
static _Thread_local struct alternate alternate;

struct message {
    char text[512];
    size_t bytes;
};

static void say(struct message *message, const char *text)
{
    while (*text && message->bytes < sizeof(message->text))
        message->text[message->bytes++] = *text++;
}

static void say_number(struct message *message, size_t number)
{
    char digits[24];
    size_t at = sizeof(digits);

    digits[--at] = '\0';
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    say(message, &digits[at]);
}

static const char *task_name(void)
{
    uint64_t word = load_acquire(&task_namer); /* EDGE overflow.namer */
    const char *(*namer)(void);
    const char *name;

    memcpy(&namer, &word, sizeof(namer));
    name = namer ? namer() : NULL;
    return name ? name : "(unnamed)";
}

static void say_overflow(size_t stack_bytes)
{
    struct message message = {.bytes = 0};
    ssize_t ignored;

    say(&message, "thrum: stack overflow in task '");
    say(&message, task_name());
    say(&message, "': its stack of ");
    say_number(&message, stack_bytes >> 10);
    say(&message, " KiB is used up; give it a larger stack (thrum_options.stack_bytes)"
                  " or use less of it\n");
    ignored = write(STDERR_FILENO, message.text, message.bytes);
    (void)ignored;
}

/* Not abort(): a program's handler of SIGABRT must not run in this state. */
__attribute__((noreturn)) static void die(void)
{
    struct sigaction plain = {.sa_handler = SIG_DFL};
    sigset_t abort_only;

    sigaction(SIGABRT, &plain, NULL);
    sigemptyset(&abort_only);
    sigaddset(&abort_only, SIGABRT);
    pthread_sigmask(SIG_UNBLOCK, &abort_only, NULL);
    raise(SIGABRT);
    _exit(128 + SIGABRT);
}

/* Back to the default, under which the fault, met again, ends the process. */
static void give_up(int signal, const siginfo_t *info)
{
    struct sigaction plain = {.sa_handler = SIG_DFL};

    sigaction(signal, &plain, NULL);
    if (info->si_code <= 0) /* sent by somebody: it will not come again */
        raise(signal);
}

static void chain(int signal, siginfo_t *info, void *ucontext)
{
    const struct sigaction *earlier = signal == SIGSEGV ? &earlier_segv : &earlier_bus;

    if (earlier->sa_flags & SA_SIGINFO)
        earlier->sa_sigaction(signal, info, ucontext);
    else if (earlier->sa_handler == SIG_DFL)
        give_up(signal, info);
    else if (earlier->sa_handler != SIG_IGN)
        earlier->sa_handler(signal);
    else if (info->si_code > 0) /* the kernel does not let faults be ignored */
        give_up(signal, info);
}

static void handle(int signal, siginfo_t *info, void *ucontext)
{
    size_t stack_bytes;

    if (info->si_code <= 0 || !thrum_stack_guard_at(info->si_addr, &stack_bytes)) {
        chain(signal, info, ucontext);
        return;
    }
    say_overflow(stack_bytes);
    die();
}

static int install_for(int signal, struct sigaction *earlier)
{
    struct sigaction action = {.sa_sigaction = handle};

    if (sigaction(signal, NULL, earlier) != 0)
        return -errno;
    action.sa_mask = earlier->sa_mask;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | (earlier->sa_flags & (SA_NODEFER | SA_RESTART));
    return sigaction(signal, &action, NULL) == 0 ? 0 : -errno;
}

static void install(void)
{
    install_result = install_for(SIGSEGV, &earlier_segv);
    if (!install_result)
        install_result = install_for(SIGBUS, &earlier_bus);
}

int thrum_overflow_install(void)
{
    pthread_once(&install_once, install);
    return install_result;
}

void thrum_overflow_set_namer(const char *(*namer)(void))
{
    uint64_t word;

    _Static_assert(sizeof(word) == sizeof(namer), "a function's address is a word");
    memcpy(&word, &namer, sizeof(word));
    store_release(&task_namer, word); /* EDGE overflow.namer */
}

static size_t alternate_bytes(void)
{
    size_t needed = 4 * (size_t)getauxval(AT_MINSIGSTKSZ); /* 0 if unknown */
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t bytes = needed < ALTERNATE_BYTES ? ALTERNATE_BYTES : needed;

    return (bytes + page - 1) & ~(page - 1);
}

static char *alternate_map(size_t bytes)
{
    char *low = mmap(NULL, STACK_GUARD_BYTES + bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (low == MAP_FAILED)
        return NULL;
    if (mprotect(low, STACK_GUARD_BYTES, PROT_NONE) == 0)
        return low;
    munmap(low, STACK_GUARD_BYTES + bytes);
    return NULL;
}

int thrum_overflow_thread_init(void)
{
    struct alternate new = {.bytes = alternate_bytes()};
    stack_t stack = {.ss_size = new.bytes};
    int err;

    if (alternate.low)
        return 0;
    new.low = alternate_map(new.bytes);
    if (!new.low)
        return -ENOMEM;
    stack.ss_sp = new.low + STACK_GUARD_BYTES;
    err = sigaltstack(&stack, &new.before) == 0 ? 0 : -errno;
    if (err) {
        munmap(new.low, STACK_GUARD_BYTES + new.bytes);
        return err;
    }
    alternate = new;
    return 0;
}

void thrum_overflow_thread_fini(void)
{
    struct alternate old = alternate;

    if (!old.low)
        return;
    alternate.low = NULL;
    sigaltstack(&old.before, NULL);
    munmap(old.low, STACK_GUARD_BYTES + old.bytes);
}
