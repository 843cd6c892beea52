/*
 * failures.c - a group whose tasks fail, and what is made of it.
 *
 * By default the first failure cancels the others. With THRUM_COLLECT all run to their end, and
 * close hands out a tree of all failures: by task, with messages, causes, and trees of groups within.
 * Parts of a tree can be taken out and dealt with, as `except*` does.
 *
 * Prints (and where each was spawned):
 *     house: THRUM_EGROUP: a task of the group failed
 *       door: EPERM: nobody has the key
 *       disks: THRUM_EGROUP: a task of the group failed
 *         EIO: disk 1 does not answer
 *           caused by: ETIMEDOUT: waited for 30 s
 *         EIO: disk 2 does not answer
 *           caused by: ETIMEDOUT: waited for 30 s
 *     to be replaced: disk 1 does not answer
 *     to be replaced: disk 2 does not answer
 *     left: door, EPERM
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <thrum/thrum.h>

static int open_door(void *arg)
{
    (void)arg;
    return thrum_fail(-EPERM, "nobody has the key");
}

/* Fails, and says why: what it was handling is the cause. */
static int read_disk(void *arg)
{
    thrum_error *cause = thrum_error_new(-ETIMEDOUT, "waited for %d s", 30);
    thrum_error *error = thrum_error_wrap(-EIO, cause, "disk %d does not answer", *(int *)arg);

    thrum_error_free(cause);
    return error ? thrum_fail_with(error) : -EIO;
}

/* Its group's tree becomes its own, since it passes NULL to close and returns the status. */
static int read_disks(void *arg)
{
    static int numbers[] = {1, 2};
    thrum_group_options options = THRUM_GROUP_OPTIONS_INIT;
    thrum_group group;
    int status;

    (void)arg;
    options.flags = THRUM_COLLECT;
    status = thrum_group_open(&group, &options);
    if (status)
        return status;
    for (size_t i = 0; i < 2 && !status; i++) {
        status = thrum_group_spawn(&group, read_disk, &numbers[i], NULL, NULL);
        if (!status)
            status = thrum_yield(); /* so that they fail in this order, for whom compares */
    }
    return thrum_group_close(&group, status, NULL);
}

static int run_house(thrum_error **errors)
{
    thrum_group_options options = THRUM_GROUP_OPTIONS_INIT;
    thrum_task_options door = THRUM_TASK_OPTIONS_INIT, disks = THRUM_TASK_OPTIONS_INIT;
    thrum_group group;
    int status;

    options.name = "house";
    options.flags = THRUM_COLLECT;
    door.name = "door";
    disks.name = "disks";
    status = thrum_group_open(&group, &options);
    if (status)
        return status;
    status = thrum_group_spawn(&group, open_door, NULL, &door, NULL);
    if (!status)
        status = thrum_group_spawn(&group, read_disks, NULL, &disks, NULL);
    return thrum_group_close(&group, status, errors);
}

static void replace(const thrum_error *leaf, void *context)
{
    (void)context;
    printf("to be replaced: %s\n", thrum_error_message(leaf));
}

static int root(void *arg)
{
    int code = -EIO;
    thrum_error *errors, *disks, *others;

    (void)arg;
    if (run_house(&errors) != THRUM_EGROUP || thrum_error_print(errors, STDOUT_FILENO))
        return -EINVAL;
    if (thrum_error_split(errors, thrum_error_match_code, &code, &disks, &others))
        return -ENOMEM;
    thrum_error_leaves(disks, replace, NULL);
    printf("left: %s, %s\n", thrum_error_name(thrum_error_child(others, 0)),
           thrum_errname(thrum_error_code(thrum_error_child(others, 0))));
    thrum_error_free(errors);
    thrum_error_free(disks);
    thrum_error_free(others);
    return 0;
}

int main(void)
{
    thrum_options options = THRUM_OPTIONS_INIT;

    options.workers = 1; /* one worker: failures come in the order of the spawns */
    return thrum_run(root, NULL, &options, NULL) ? 1 : 0;
}
