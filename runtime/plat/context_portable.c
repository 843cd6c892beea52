/*
 * context_portable.c - leaving and resuming flows with ucontext.
 *
 * For machines without a port of their own. A switch costs two system calls,
 * because ucontext also switches the signal mask, which then belongs to the
 * flow. A saved flow's sp is the address of a ucontext on its stack.
 */
#include <stdint.h>
#include <string.h>
#include <ucontext.h>

#include "runtime/plat/context.h"

/* At the top of a loop's stack; a loop's sp is its address. */
struct loop {
    ucontext_t ucontext; /* made afresh for every leave */
    void *low;
};

/* makecontext hands over ints only. */
struct two_ints {
    int first;
    int second;
};

static struct two_ints ints_of(void *pointer)
{
    struct two_ints ints;

    _Static_assert(sizeof(ints) == sizeof(pointer), "a pointer is two ints");
    memcpy(&ints, &pointer, sizeof(ints));
    return ints;
}

static void *pointer_of_ints(int first, int second)
{
    struct two_ints ints = {first, second};
    void *pointer;

    memcpy(&pointer, &ints, sizeof(pointer));
    return pointer;
}

static void *below(void *top, size_t bytes)
{
    return (void *)(((uintptr_t)top - bytes) & ~(uintptr_t)63);
}

static void make(ucontext_t *ucontext, void *low, void *top, void (*run)(void), void *at)
{
    struct two_ints ints = ints_of(at);

    getcontext(ucontext);
    ucontext->uc_link = NULL;
    ucontext->uc_stack.ss_sp = low;
    ucontext->uc_stack.ss_size = (size_t)((char *)top - (char *)low);
    makecontext(ucontext, run, 2, ints.first, ints.second);
}

struct start {
    ucontext_t ucontext;
    context_entry *entry;
    void *arg;
};

static void run_flow(int first, int second)
{
    const struct start *start = pointer_of_ints(first, second);

    start->entry(start->arg);
}

void *thrum_context_port_flow(void *low, void *top, context_entry *entry, void *arg)
{
    struct start *start = below(top, sizeof(*start));

    start->entry = entry;
    start->arg = arg;
    make(&start->ucontext, low, start, (void (*)(void))run_flow, start);
    return &start->ucontext;
}

void *thrum_context_port_loop(void *low, void *top)
{
    struct loop *loop = below(top, sizeof(*loop));

    loop->low = low;
    return loop;
}

struct leave {
    context_next *next;
    void *arg;
};

static void run_loop(int first, int second)
{
    const struct leave *leave = pointer_of_ints(first, second);
    const struct context *flow = leave->next(leave->arg);

    setcontext(flow->sp);
}

void thrum_context_port_leave(struct context *self, struct context *loop, context_next *next,
                              void *arg)
{
    struct loop *on = loop->sp;
    struct leave leave = {next, arg};
    ucontext_t mine;

    self->sp = &mine;
    make(&on->ucontext, on->low, on, (void (*)(void))run_loop, &leave);
    swapcontext(&mine, &on->ucontext);
}
