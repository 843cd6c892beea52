/*
 * locals.c - who a piece of work is done for, without passing it through every call.
 *
 * A local is inherited by the tasks that are spawned while it is set: the log lines of a request
 * bear its name, whichever task writes them, on whichever worker, while others are handled.
 *
 * Prints:
 *     [GET /a] head
 *     [GET /a] part of the body
 *     [GET /b] head
 *     [GET /b] part of the body
 *     [none] 2 requests
 */
#include <stdio.h>

#include <thrum/macros.h>
#include <thrum/thrum.h>

enum { REQUESTS = 2, LINES = 2 };
typedef char line[64];

static char no_request[] = "none";
static const thrum_local request = THRUM_LOCAL_INIT(no_request, NULL);

/* Anywhere, far down: it asks for itself. */
static void log_line(char *to, const char *text)
{
    snprintf(to, sizeof(line), "[%s] %s", (const char *)thrum_local_get(&request), text);
}

THRUM_FN(write_body, char *, to)
{
    int status = thrum_yield();

    log_line(to, "part of the body");
    return status;
}

/* The task of a request: it and its own task write where they are told. */
THRUM_FN(handle, line *, lines)
{
    int status = 0;

    log_line(lines[0], "head");
    THRUM_GROUP (group, NULL, status) {
        status = THRUM_SPAWN(group, write_body, lines[1]);
    }
    return status;
}

static int root(void *arg)
{
    static char names[REQUESTS][8] = {"GET /a", "GET /b"};
    static line lines[REQUESTS][LINES];
    line last;
    int status = 0;

    (void)arg;
    THRUM_GROUP (group, NULL, status) {
        for (int i = 0; i < REQUESTS && !status; i++) {
            THRUM_LOCAL (&request, names[i], status) {
                status = THRUM_SPAWN(group, handle, lines[i]);
            }
        }
    }
    for (int i = 0; i < REQUESTS; i++)
        printf("%s\n%s\n", lines[i][0], lines[i][1]);
    log_line(last, "2 requests");
    printf("%s\n", last);
    return status;
}

int main(void)
{
    return thrum_run(root, NULL, NULL, NULL) ? 1 : 0;
}
