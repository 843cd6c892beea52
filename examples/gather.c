/*
 * gather.c - several calls at once, and how each of them ended.
 *
 * With THRUM_COLLECT a failure is an outcome like any other; with THRUM_FAIL_FAST the first one
 * cancels the rest. Either way nobody is left behind when thrum_gather returns.
 *
 * Prints:
 *     collect: 81, 16, failed: ENOENT
 *     fail fast: THRUM_EGROUP, and the one that would wait for ever was cancelled
 */
#include <errno.h>
#include <stdio.h>

#include <thrum/gather.h>
#include <thrum/thrum.h>

struct square {
    int n; /* 0: there is none */
    int result;
};

static int compute(void *arg)
{
    struct square *square = arg;

    if (square->n == 0)
        return -ENOENT;
    square->result = square->n * square->n;
    return thrum_yield();
}

static int wait_for_ever(void *arg)
{
    (void)arg;
    return thrum_sleep(THRUM_FOREVER);
}

static int root(void *arg)
{
    struct square squares[] = {{9, 0}, {4, 0}, {0, 0}};
    thrum_call all[] = {THRUM_CALL(compute, &squares[0]), THRUM_CALL(compute, &squares[1]),
                        THRUM_CALL(compute, &squares[2])};
    thrum_call two[] = {THRUM_CALL(wait_for_ever, NULL), THRUM_CALL(compute, &squares[2])};
    thrum_error *errors;
    int status = thrum_gather(all, 3, THRUM_COLLECT, 2, NULL); /* two at a time */

    (void)arg;
    if (status)
        return status;
    printf("collect: %d, %d, failed: %s\n", squares[0].result, squares[1].result,
           thrum_errname(all[2].outcome.status));
    thrum_error_free(all[2].outcome.error);

    status = thrum_gather(two, 2, THRUM_FAIL_FAST, 0, &errors);
    printf("fail fast: %s, and the one that would wait for ever %s\n", thrum_errname(status),
           two[0].outcome.kind == THRUM_CANCELLED ? "was cancelled" : "was not cancelled");
    thrum_error_free(errors);
    thrum_error_free(two[1].outcome.error);
    return 0;
}

int main(void)
{
    return thrum_run(root, NULL, NULL, NULL) ? 1 : 0;
}
