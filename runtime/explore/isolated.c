/*
 * isolated.c - exploring where a crash does no harm.
 *
 * The search runs in a child process. What the oracle decides it writes into
 * memory that parent and child share, as it goes, so that the parent has the
 * history also of a run that has ended its process. Each attempt at a shorter
 * one is a child of its own, as quiet as its crash.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/explore/explorer.h"
#include "runtime/explore/text.h"
#include "runtime/plat/memory.h"

#define DELTAS 65536 /* of a run; a longer one cannot be shrunk */
#define PATHS 256    /* of a shrunk one whose players are named */

/* What parent and children share. */
struct box {
    thrum_explore_result result;
    struct oracle oracle;
    int status;
    bool finished; /* the status is valid */
    struct delta deltas[DELTAS];
    struct delta_paths paths[PATHS];
};

struct isolated {
    const thrum_explore_options *options;
    thrum_fn fn;
    void *arg;
    struct box *box;
};

static void lend(struct box *box)
{
    box->finished = false;
    box->oracle = (struct oracle){.deltas = box->deltas, .deltas_capacity = DELTAS, .lent = true};
}

/* Its status; THRUM_ECRASHED: it has not finished what it was to do. */
static int wait_for(pid_t pid, const struct box *box)
{
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    return box->finished ? box->status : THRUM_ECRASHED;
}

static void be_quiet(void)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    if (null >= 0)
        (void)dup2(null, STDERR_FILENO);
}

/* In a child: a run as the deltas tell. */
static int replay(const struct isolated *isolated, const struct delta *deltas, size_t count,
                  struct delta_paths *paths)
{
    struct explorer explorer;
    int status = thrum_explorer_init(&explorer, isolated->options, isolated->fn, isolated->arg);

    if (status)
        return status;
    explorer.talks = paths && !(isolated->options->flags & THRUM_EXPLORE_QUIET);
    return thrum_explorer_replay(&explorer, deltas, count, paths, NULL, &isolated->box->oracle);
}

static int attempt(void *arg, const struct delta *deltas, size_t count,
                   const struct delta **recorded, size_t *recorded_count)
{
    struct isolated *isolated = arg;
    struct box *box = isolated->box;
    int status;
    pid_t pid;

    lend(box);
    pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0) {
        be_quiet();
        box->status = replay(isolated, deltas, count, NULL);
        box->finished = true;
        _exit(0);
    }
    status = wait_for(pid, box);
    *recorded = box->deltas;
    *recorded_count = box->oracle.deltas_count;
    return status;
}

/* The shortest, once more, so that it can talk and its players have names. */
static void write_down(struct isolated *isolated, const struct delta *deltas, size_t count,
                       thrum_explore_result *result)
{
    struct box *box = isolated->box;
    pid_t pid;

    if (count > PATHS)
        return;
    lend(box);
    memset(box->paths, 0, sizeof box->paths);
    pid = fork();
    if (pid == 0) {
        if (isolated->options->flags & THRUM_EXPLORE_QUIET)
            be_quiet();
        box->status = replay(isolated, deltas, count, box->paths);
        box->finished = true;
        _exit(0);
    }
    if (pid > 0)
        (void)wait_for(pid, box);
    (void)thrum_deltas_write(deltas, box->paths, count, result->replay, sizeof result->replay);
}

static int investigate(struct isolated *isolated, thrum_explore_result *result)
{
    struct attempts attempts = {attempt, isolated};
    size_t count = isolated->box->oracle.deltas_count;
    struct delta *deltas = thrum_memory_get((count + 1) * sizeof *deltas, 16);

    if (!deltas)
        return -ENOMEM;
    if (count)
        memcpy(deltas, isolated->box->deltas, count * sizeof *deltas);
    count = thrum_shrink(&attempts, deltas, count, result->status, &result->shrunk);
    result->deltas = (uint32_t)count;
    write_down(isolated, deltas, count, result);
    thrum_memory_put(deltas);
    return result->status;
}

static int search_apart(struct isolated *isolated,
                        int (*search)(struct explorer *explorer, struct oracle *oracle,
                                      thrum_explore_result *result),
                        thrum_explore_result *result)
{
    struct box *box = isolated->box;
    pid_t pid;
    int status;

    lend(box);
    pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0) {
        struct explorer explorer;

        status = thrum_explorer_init(&explorer, isolated->options, isolated->fn, isolated->arg);
        explorer.isolated = true;
        box->status = status ? status : search(&explorer, &box->oracle, &box->result);
        box->finished = true;
        _exit(0);
    }
    status = wait_for(pid, box);
    *result = box->result;
    if (!box->finished) {
        result->failing = ++result->schedules;
        result->failures = 1;
        result->status = status;
    }
    return result->failing ? investigate(isolated, result) : status;
}

int thrum_explore_isolated(const thrum_explore_options *options, thrum_fn fn, void *arg,
                           int (*search)(struct explorer *explorer, struct oracle *oracle,
                                         thrum_explore_result *result),
                           thrum_explore_result *result)
{
    struct isolated isolated = {options, fn, arg, NULL};
    int status;

    isolated.box =
        mmap(NULL, sizeof *isolated.box, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (isolated.box == MAP_FAILED)
        return -errno;
    status = search_apart(&isolated, search, result);
    munmap(isolated.box, sizeof *isolated.box);
    return status;
}
