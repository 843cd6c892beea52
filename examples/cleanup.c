/*
 * cleanup.c - a task that is cancelled, finds out why, and tidies up before it goes.
 *
 * A cancel is told once, at a suspension: the call returns THRUM_ECANCELED. The task undoes what it
 * has done, and may suspend and even run tasks for that. Then it returns the status, and so counts
 * as cancelled, not as failed.
 *
 * Prints:
 *     serving
 *     told at cleanup.c: enough for today (code 7)
 *     saying goodbye to guest 0
 *     saying goodbye to guest 1
 *     closed
 *     the server was cancelled
 */
#include <stdio.h>
#include <string.h>

#include <thrum/thrum.h>

enum { GUESTS = 2 };

struct server {
    thrum_event serving;
    int guests[GUESTS];
};

static int say_goodbye(void *arg)
{
    *(int *)arg = -1;
    return thrum_yield(); /* it is not cancelled: the group was opened after the server was told */
}

/* The cleanup has a group of its own, and waits for it. */
static int close_server(struct server *server)
{
    thrum_child children[GUESTS];
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    if (status)
        return status;
    for (int i = 0; i < GUESTS && !status; i++) {
        printf("saying goodbye to guest %d\n", server->guests[i]);
        status = thrum_group_spawn_child(&group, &children[i], say_goodbye, &server->guests[i]);
    }
    status = thrum_group_close(&group, status, NULL);
    if (!status)
        printf("closed\n");
    return status;
}

static int serve(void *arg)
{
    struct server *server = arg;
    thrum_reason reason;
    int status;

    printf("serving\n");
    thrum_event_set(&server->serving);
    status = thrum_sleep(THRUM_FOREVER);
    if (status == THRUM_ECANCELED && thrum_cancel_reason(&reason) == 0) {
        const char *file = strrchr(reason.file, '/');

        printf("told at %s: %s (code %d)\n", file ? file + 1 : reason.file, reason.text,
               reason.code);
    }
    (void)close_server(server);
    return status;
}

static int root(void *arg)
{
    struct server server = {.serving = THRUM_EVENT_INIT, .guests = {0, 1}};
    thrum_outcome outcome = {THRUM_OK, 0, NULL};
    thrum_group group;
    thrum_task *task;
    int status = thrum_group_open(&group, NULL);

    (void)arg;
    if (status)
        return status;
    status = thrum_group_spawn(&group, serve, &server, NULL, &task);
    if (!status) {
        status = thrum_event_wait(&server.serving);
        thrum_task_cancel(task, 7, "enough for today");
        if (!status)
            status = thrum_task_join(task, &outcome);
        thrum_task_unref(task);
    }
    printf("the server was %s\n", outcome.kind == THRUM_CANCELLED ? "cancelled" : "not cancelled");
    status = thrum_group_close(&group, status, NULL); /* a cancelled task is no failure */
    thrum_event_destroy(&server.serving);
    return status;
}

int main(void)
{
    return thrum_run(root, NULL, NULL, NULL) ? 1 : 0;
}
