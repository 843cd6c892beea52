/*
 * exit_stack.c - what is to be done on the way out.
 *
 * What goes wrong is kept in order, and becomes a tree if there is more than
 * one of it. That needs memory only then; if there is none, the status says so
 * all the same.
 */
#include <thrum/exit_stack.h>

#include <string.h>

#include <thrum/fault.h>
#include <thrum/scope.h>

#define FEW 4 /* failures that need no memory but the stack's */

struct failures {
    thrum_error *few[FEW];
    thrum_error **all; /* `few`, or allocated */
    size_t n;          /* what is kept, */
    size_t room;
    size_t count; /* and what there was */
};

static bool is_error(int status)
{
    return thrum_kind_of(status) == THRUM_FAILED;
}

static bool grow(struct failures *failures)
{
    thrum_error **more = (thrum_error **)thrum_malloc(2 * failures->room * sizeof(thrum_error *));

    if (!more)
        return false;
    memcpy(more, failures->all, failures->n * sizeof(thrum_error *));
    if (failures->all != failures->few)
        thrum_free(failures->all);
    failures->all = more;
    failures->room *= 2;
    return true;
}

/* What the task has just failed with. Returns the status to go on with. */
static int add(struct failures *failures, int status)
{
    thrum_error *error = thrum_fail_take(status);

    failures->count++;
    if (failures->n < failures->room || grow(failures))
        failures->all[failures->n++] = error;
    else
        thrum_error_free(error);
    return failures->count > 1 ? THRUM_EGROUP : status;
}

static void forget(struct failures *failures)
{
    for (size_t i = 0; i < failures->n; i++)
        thrum_error_free(failures->all[i]);
    failures->n = 0;
    failures->count = 0;
}

/* One failure stays what it was; several are one. */
static thrum_error *merge(const struct failures *failures)
{
    thrum_error *tree;

    if (failures->count == 1)
        return failures->n ? thrum_error_ref(failures->all[0]) : NULL;
    return thrum_error_merge(NULL, failures->all, failures->n, &tree) ? NULL : tree;
}

/* Hand them out, or let the task say it. */
static void tell(struct failures *failures, int status, thrum_error **errors)
{
    if (failures->count != 0) {
        thrum_error *tree = merge(failures);

        if (errors && status == THRUM_EGROUP)
            *errors = tree;
        else
            (void)thrum_fail_with(tree);
    }
    forget(failures);
    if (failures->all != failures->few)
        thrum_free(failures->all);
}

static int leave(const thrum_exit *exit, int status)
{
    if (exit->fn)
        return exit->fn(exit->arg, status);
    exit->plain(exit->arg);
    return 0;
}

static int leave_all(thrum_exit_stack *stack, struct failures *failures, int status)
{
    if (is_error(status))
        status = add(failures, status);
    while (stack->top) {
        thrum_exit exit = *stack->top; /* whose memory may go with what it is about */
        int said;

        stack->top = exit.next;
        said = leave(&exit, status);
        if (said == THRUM_SWALLOW && status < 0) {
            forget(failures);
            status = 0;
        } else if (is_error(said) && said != status) {
            status = add(failures, said);
        } else if (said == THRUM_ECANCELED && status >= 0) {
            status = said;
        }
    }
    return status;
}

int thrum_exit_stack_close(thrum_exit_stack *stack, int status, thrum_error **errors)
{
    struct failures failures = {.all = failures.few, .room = FEW};
    thrum_shield shield;
    int cancelled;

    if (errors)
        *errors = NULL;
    thrum_shield_begin(&shield);
    status = leave_all(stack, &failures, status);
    cancelled = thrum_shield_end(&shield);
    tell(&failures, status, errors);
    return cancelled && status >= 0 ? cancelled : status;
}

void thrum_exit_stack_pop_all(thrum_exit_stack *from, thrum_exit_stack *to)
{
    thrum_exit **last = &from->top;

    while (*last)
        last = &(*last)->next;
    *last = to->top;
    to->top = from->top;
    from->top = NULL;
}
