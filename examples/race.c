/*
 * race.c - several ways to the same answer: the first that has it ends the others.
 *
 * A group with THRUM_FIRST_OK is over when one of its tasks has succeeded. Those that failed before
 * do not count then; those that still run are cancelled, and the group waits for them as always.
 *
 * Prints:
 *     winner: near mirror
 *     all fail: far mirror ENETUNREACH, old mirror EHOSTDOWN
 */
#include <errno.h>
#include <stdio.h>

#include <thrum/macros.h>
#include <thrum/thrum.h>

struct mirror {
    const char *name;
    int64_t answers_after;
    int status; /* what it answers */
};

/* Fetch from a mirror: who comes first says so. */
THRUM_FN(fetch, const struct mirror *, mirror, const char **, winner)
{
    int status = thrum_sleep(mirror->answers_after);

    if (!status)
        status = mirror->status;
    if (!status)
        *winner = mirror->name; /* only one succeeds here: the others fail, or wait for ever */
    return status;
}

static int race(const struct mirror *mirrors, size_t n, const char **winner, thrum_error **errors)
{
    thrum_group_options options = THRUM_GROUP_OPTIONS_INIT;
    thrum_group group;
    int status;

    options.flags = THRUM_FIRST_OK;
    status = thrum_group_open(&group, &options);
    if (status)
        return status;
    for (size_t i = 0; i < n && !status; i++) {
        thrum_task_options task = THRUM_TASK_OPTIONS_INIT;

        task.name = mirrors[i].name;
        status = THRUM_SPAWN_TASK(&group, &task, NULL, fetch, &mirrors[i], winner);
    }
    if (status == THRUM_ESHUTDOWN) /* one has won before all were spawned */
        status = 0;
    return thrum_group_close(&group, status, errors);
}

static int root(void *arg)
{
    static const struct mirror mirrors[] = {
        {"far mirror", 0, -ENETUNREACH}, {"near mirror", 0, 0}, {"slow mirror", THRUM_FOREVER, 0}};
    static const struct mirror dead[] = {{"far mirror", 0, -ENETUNREACH},
                                         {"old mirror", 0, -EHOSTDOWN}};
    const char *winner = "nobody";
    thrum_error *errors;
    int status;

    (void)arg;
    status = race(mirrors, 3, &winner, &errors);
    if (status)
        return status;
    printf("winner: %s\n", winner);
    status = race(dead, 2, &winner, &errors);
    printf("all fail:");
    for (size_t i = 0; i < thrum_error_count(errors); i++)
        printf("%s %s %s", i ? "," : "", thrum_error_name(thrum_error_child(errors, i)),
               thrum_errname(thrum_error_code(thrum_error_child(errors, i))));
    printf("\n");
    thrum_error_free(errors);
    return status == THRUM_EGROUP ? 0 : -EINVAL;
}

int main(void)
{
    thrum_options options = THRUM_OPTIONS_INIT;

    options.workers = 1; /* one worker: they fail in the order of the spawns */
    return thrum_run(root, NULL, &options, NULL) ? 1 : 0;
}
