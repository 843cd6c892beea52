/*
 * context.h - flows of control that leave a thread and go on in another.
 *
 * A flow is a stack and the registers that a called function must keep. Flows
 * never jump to each other. The flow that leaves is saved; then, on a stack
 * that belongs to the thread and holds nothing between calls (its loop),
 * next(arg) says who goes on, and that flow is resumed:
 *
 *     flow A --leave--> loop of the thread: next(arg) --resume--> flow B
 *
 * So whoever runs in next() may publish A: A has left its stack, and may be
 * resumed by another thread before next() returns.
 *
 * Not switched: the control words of SSE and x87 (MXCSR, FPCR on AArch64),
 * the signal mask, errno and everything else that is thread-local. They belong
 * to the thread; a flow that changes a control word puts it back before it
 * leaves. No support for hardware shadow stacks: the objects are not marked
 * as fit for them, so a process that loads us runs without.
 *
 * Under ThreadSanitizer both switches carry an edge, as they do on the machine,
 * but for loops that stand apart (races.h).
 *
 * A port is one file: context_x86_64.S, context_aarch64.S or
 * context_portable.c. Switching (leave, next, resume) costs 2.9 ns with the
 * first, measured by tests/plat_context.c.
 */
#ifndef THRUM_PLAT_CONTEXT_H
#define THRUM_PLAT_CONTEXT_H

#include "runtime/plat/sanitizer.h"

/* Who holds a flow while it is saved. The first field is known to assembly. */
struct context {
    void *sp;                         /* the saved flow; of a loop, its fresh top */
    struct sanitizer_fiber sanitizer; /* what the checking tools want to know */
};

typedef void context_entry(void *arg);

/* Says who goes on. Runs on the loop's stack. */
typedef struct context *context_next(void *arg);

/*
 * Make *self a flow that runs entry(arg) on the stack [low, top) when it is
 * first resumed. entry never returns. top is a multiple of 64. `apart`, unless
 * NULL: the loop of a simulated world, whose flows the tools know by what runs
 * on them (races.h).
 */
void thrum_context_init(struct context *self, void *low, void *top, context_entry *entry,
                        void *arg, const struct context *apart);

/* Make *loop a loop on the stack [low, top). Used by one thread at a time. */
void thrum_context_loop(struct context *loop, void *low, void *top);

/*
 * After init or loop, before the stack is used otherwise; the flow is not
 * running. A thread's own flow needs neither init nor fini.
 */
void thrum_context_fini(struct context *self);

/* The port. What they do stands at the functions above and below. */
void *thrum_context_port_flow(void *low, void *top, context_entry *entry, void *arg);
void *thrum_context_port_loop(void *low, void *top);
void thrum_context_port_leave(struct context *self, struct context *loop, context_next *next,
                              void *arg);

/* As leave, and tells the tools. */
void thrum_context_leave_watched(struct context *self, struct context *loop, context_next *next,
                                 void *arg);

/*
 * Save the calling flow in *self, call next(arg) on the loop's stack and
 * resume the flow it returns, which may be *self. Returns when somebody
 * resumes *self, perhaps in another thread.
 */
SANITIZER_UNSEEN static inline void thrum_context_leave(struct context *self, struct context *loop,
                                       context_next *next, void *arg)
{
    if (SANITIZER_WATCHES)
        thrum_context_leave_watched(self, loop, next, arg);
    else
        thrum_context_port_leave(self, loop, next, arg);
}

#endif
