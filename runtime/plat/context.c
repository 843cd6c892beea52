/*
 * context.c - the part of a switch that is the same on every machine.
 *
 * The port saves and resumes registers; here the tools are told. In
 * production the loop runs next() itself. Under a sanitizer it runs watch(),
 * which runs next() as the loop and becomes the flow only after next() has
 * returned, so that every function is entered and left by the same flow.
 */
#include "runtime/plat/context.h"

/* Lies at the top of a watched flow's stack until the flow starts. */
struct start {
    context_entry *entry;
    void *arg;
};

SANITIZER_UNSEEN static void watched_entry(void *arg)
{
    const struct start *start = arg;

    sanitizer_address_started();
    start->entry(start->arg);
}

SANITIZER_UNSEEN static void *watched_flow(void *low, void *top, context_entry *entry, void *arg)
{
    struct start *start = (struct start *)top - 1;

    start->entry = entry;
    start->arg = arg;
    return thrum_context_port_flow(low, start, watched_entry, start);
}

void thrum_context_init(struct context *self, void *low, void *top, context_entry *entry,
                        void *arg, const struct context *apart)
{
    if (apart)
        sanitizer_init_apart(&self->sanitizer, low, top, &apart->sanitizer);
    else
        sanitizer_init(&self->sanitizer, low, top);
    if (SANITIZER_WATCHES)
        self->sp = watched_flow(low, top, entry, arg);
    else
        self->sp = thrum_context_port_flow(low, top, entry, arg);
}

void thrum_context_loop(struct context *loop, void *low, void *top)
{
    sanitizer_init(&loop->sanitizer, low, top);
    loop->sp = thrum_context_port_loop(low, top);
}

void thrum_context_fini(struct context *self)
{
    sanitizer_fini(&self->sanitizer);
}

struct watch {
    struct context *self;
    struct context *loop;
    context_next *next;
    void *arg;
};

/*
 * Runs on the loop's stack. *watch lies on the stack of the flow that left,
 * which may go on elsewhere as soon as next() runs: it is read before.
 */
SANITIZER_UNSEEN static struct context *watch(void *arg)
{
    const struct watch *watch = arg;
    const struct context *loop = watch->loop;
    context_next *next = watch->next;
    void *next_arg = watch->arg;
    struct context *flow;

    sanitizer_address_arrive(&watch->self->sanitizer);
    flow = next(next_arg);
    sanitizer_address_resume(&flow->sanitizer);
    sanitizer_thread_resume(&flow->sanitizer, &loop->sanitizer);
    return flow;
}

SANITIZER_UNSEEN void thrum_context_leave_watched(struct context *self, struct context *loop,
                                                  context_next *next, void *arg)
{
    struct watch left = {self, loop, next, arg};

    sanitizer_address_leave(&self->sanitizer, &loop->sanitizer);
    sanitizer_thread_leave(&self->sanitizer, &loop->sanitizer);
    thrum_context_port_leave(self, loop, watch, &left);
    sanitizer_address_resumed(&self->sanitizer);
}
