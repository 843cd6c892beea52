/*
 * exit_stack.h - what is to be done on the way out: for resources of which
 * nobody knows beforehand how many there will be, or whether all can be had.
 *
 *     thrum_exit_stack stack = THRUM_EXIT_STACK_INIT;
 *     struct file files[FILES]; // each with a thrum_exit of its own
 *     int status = 0;
 *
 *     for (int i = 0; i < FILES && !status; i++)
 *         status = thrum_exit_stack_enter(&stack, &files[i].exit, &opened, &files[i]);
 *     if (!status)
 *         status = read_all(files);
 *     return thrum_exit_stack_close(&stack, status, NULL);
 *
 * Exits are called in reverse order, all of them whatever the others do, and
 * are told how it went: well, failed or cancelled (thrum_kind_of). They may
 * wait: they are shielded from cancels of either style, and may set themselves
 * a timeout. They run in the task that closes.
 *
 * An exit stack is no scope: it may be handed on, and closed by another task or
 * function than that which filled it. For a block that closes one on every way
 * out see macros.h.
 *
 *   class   lock-free; nothing is allocated but for failures
 */
#ifndef THRUM_EXIT_STACK_H
#define THRUM_EXIT_STACK_H

#include <thrum/error.h>
#include <thrum/task.h>
#include <thrum/types.h>

THRUM_BEGIN_DECLS

/*
 * Done on the way out. `status` is what it looks like so far: the body's, and
 * what exits before have made of it.
 *
 *   returns   0 or more: that stays; THRUM_SWALLOW: it is dealt with, go on with 0; a negative
 *             status: the exit has failed (`status` itself: it has not)
 */
typedef int (*thrum_exit_fn)(void *arg, int status);

/* No count or truth that an exit may return by mistake. */
#define THRUM_SWALLOW 0x53574c57

/* One thing to be done. In the caller's memory until it is called; it may free that itself. */
typedef struct thrum_exit {
    struct thrum_exit *next;
    thrum_exit_fn fn;
    void (*plain)(void *arg); /* if fn is NULL */
    void *arg;
} thrum_exit;

/* Its fields are the library's own. */
typedef struct thrum_exit_stack {
    thrum_exit *top;
} thrum_exit_stack;

#define THRUM_EXIT_STACK_INIT \
    {                         \
        NULL                  \
    }

static inline void thrum_exit_stack_init(thrum_exit_stack *stack)
{
    stack->top = NULL;
}

/* Call fn(arg, status) on the way out. Any thread; suspends: no. */
static inline void thrum_exit_stack_push(thrum_exit_stack *stack, thrum_exit *exit,
                                         thrum_exit_fn fn, void *arg)
{
    thrum_exit pushed = {stack->top, fn, NULL, arg};

    *exit = pushed;
    stack->top = exit;
}

/* Call fn(arg): it is told nothing, and has nothing to say. Any thread; suspends: no. */
static inline void thrum_exit_stack_defer(thrum_exit_stack *stack, thrum_exit *exit,
                                          void (*fn)(void *arg), void *arg)
{
    thrum_exit pushed = {stack->top, NULL, fn, arg};

    *exit = pushed;
    stack->top = exit;
}

/* What has to be entered, and left if that went well: a session, a lock, a file. Constant. */
typedef struct thrum_manager {
    thrum_fn enter; /* may wait. A negative status: nothing was entered */
    thrum_exit_fn exit;
} thrum_manager;

/*
 * Enter, and if that goes well leave on the way out.
 *
 *   context   task
 *   suspends  as enter does
 *   returns   what enter returned; if that is negative, nothing is to be left
 */
THRUM_NODISCARD static inline int thrum_exit_stack_enter(thrum_exit_stack *stack, thrum_exit *exit,
                                                         const thrum_manager *manager, void *arg)
{
    int status = manager->enter(arg);

    if (status >= 0)
        thrum_exit_stack_push(stack, exit, manager->exit, arg);
    return status;
}

/*
 * All that is to be done for *from is to be done for *to instead, before what
 * is there already. So a function that has got everything together can keep it:
 * what it closes on its way out is empty then. Any thread; suspends: no.
 */
THRUM_API void thrum_exit_stack_pop_all(thrum_exit_stack *from, thrum_exit_stack *to);

/*
 * Do it all, the last first. `status` is the caller's so far. What an exit
 * pushes is done too, next. The stack is empty then, and may be used again.
 *
 * Failures are the body's, if its status is one (thrum_kind_of), and those of
 * exits; an exit that swallows has dealt with all that were before.
 * *errors becomes NULL, or all of them when THRUM_EGROUP is returned (the caller
 * frees them, error.h; NULL even then if there was no memory for them). If
 * `errors` is NULL, they become what the calling task has to say if it returns
 * THRUM_EGROUP itself.
 *
 *   context   task
 *   suspends  as the exits do
 *   returns   THRUM_EGROUP: there were several failures; the status of a single one; else
 *             status, or 0 if that was swallowed; but THRUM_ECANCELED instead of 0 and more if a
 *             cancel came meanwhile
 */
THRUM_API int thrum_exit_stack_close(thrum_exit_stack *stack, int status, thrum_error **errors);

THRUM_END_DECLS

#endif
