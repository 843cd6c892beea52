/* unhandled.c - errors that nobody took. */
#include "runtime/task/unhandled.h"

#include <unistd.h>

static void print(const struct thrum_error *error)
{
    static const char head[] = "thrum: an error that nobody took:\n";
    ssize_t ignored = write(STDERR_FILENO, head, sizeof head - 1);

    (void)ignored;
    (void)thrum_error_print(error, STDERR_FILENO);
}

void thrum_unhandled(struct thrum_runtime *runtime, struct thrum_error *error)
{
    const thrum_options *options = &runtime->options;

    if (!error)
        return;
    add_relaxed(&runtime->unhandled, 1); /* relaxed: a counter */
    if (options->unhandled)
        options->unhandled(error, options->context);
    if (!options->unhandled || options->flags & THRUM_STRICT)
        print(error);
    if (options->flags & THRUM_STRICT)
        thrum_panic("an error was not taken, and the runtime is strict: pass `errors` to "
                    "thrum_group_close, or return THRUM_EGROUP");
    thrum_error_free(error);
}

void thrum_drop(struct thrum_error *detail)
{
    if (thrum_error_code(detail) == THRUM_EGROUP)
        thrum_unhandled(runtime_of(thrum_worker_self()->scheduler), detail);
    else
        thrum_error_free(detail);
}

uint64_t thrum_runtime_unhandled(thrum_runtime *runtime)
{
    return load_relaxed(&runtime->unhandled); /* relaxed: a figure only */
}
