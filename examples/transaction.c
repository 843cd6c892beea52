/*
 * transaction.c - context managers that are told how their block went, and an exit stack.
 *
 * A session commits what went well, and rolls back what failed or was cancelled; it is closed in
 * any case, and may wait for that: exits are shielded. The exit stack opens files as long as there
 * are any to be had, and closes those that it has, the last first.
 *
 * Prints:
 *     transfer: begin, commit, close: OK
 *     overdraft: begin, roll back, close: ENOSPC
 *     slow audit: begin, roll back, close: THRUM_ETIMEOUT
 *     open ledger
 *     open journal
 *     no index: closing journal
 *     no index: closing ledger
 *     files: ENOENT
 */
#include <errno.h>
#include <stdio.h>

#include <thrum/macros.h>
#include <thrum/thrum.h>

/* ---- a session ------------------------------------------------------------------------------- */

struct session {
    const char *name;
};

static int begin(void *arg)
{
    const struct session *session = arg;

    printf("%s: begin, ", session->name);
    return thrum_yield(); /* it takes a message to the server */
}

static int commit_or_roll_back(void *arg, int status)
{
    (void)arg;
    printf("%s, ", thrum_kind_of(status) == THRUM_OK ? "commit" : "roll back");
    if (thrum_yield() == 0) /* so does this */
        printf("close: ");
    return 0;
}

static const thrum_manager transactions = {begin, commit_or_roll_back};

static int work(int64_t takes, int status)
{
    int slept = thrum_sleep(takes);

    return slept ? slept : status;
}

static void transact(const char *name, int64_t takes, int outcome)
{
    struct session session = {name};
    int status = 0;

    THRUM_TIMEOUT (timeout, thrum_ms(200), status)
        THRUM_WITH (&transactions, &session, status)
            status = work(takes, outcome);
    printf("%s\n", thrum_errname(status));
}

/* ---- files ----------------------------------------------------------------------------------- */

enum { FILES = 3 };

struct file {
    thrum_exit exit;
    const char *name;
    bool is_there;
};

static int open_file(void *arg)
{
    const struct file *file = arg;

    if (!file->is_there)
        return -ENOENT;
    printf("open %s\n", file->name);
    return 0;
}

static int close_file(void *arg, int status)
{
    const struct file *file = arg;

    printf("%sclosing %s\n", status < 0 ? "no index: " : "", file->name);
    return 0;
}

static const thrum_manager open_files = {open_file, close_file};

static int read_files(struct file *files)
{
    int status = 0;

    THRUM_EXIT_STACK (stack, status) {
        for (int i = 0; i < FILES && !status; i++)
            status = thrum_exit_stack_enter(stack, &files[i].exit, &open_files, &files[i]);
        if (!status)
            printf("all are open\n");
    }
    return status;
}

static int root(void *arg)
{
    struct file files[FILES] = {{.name = "ledger", .is_there = true},
                                {.name = "journal", .is_there = true},
                                {.name = "index"}};

    (void)arg;
    transact("transfer", 0, 0);
    transact("overdraft", 0, -ENOSPC);
    transact("slow audit", THRUM_FOREVER, 0);
    printf("files: %s\n", thrum_errname(read_files(files)));
    return 0;
}

int main(void)
{
    return thrum_run(root, NULL, NULL, NULL) ? 1 : 0;
}
