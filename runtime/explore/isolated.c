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

#include "runtime/explore/failure.h"

#define DELTAS 65536 /* of a run; a longer one cannot be shrunk */
#define TURNS 4096   /* the last ones, that are told of a shrunk one */

/* What parent and children share. */
struct box {
    thrum_explore_result result;
    struct oracle oracle;
    int status;
    bool finished; /* the status is valid */
    struct delta deltas[DELTAS];
    struct story story;
    struct turn turns[TURNS];
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
                  struct story *story)
{
    struct retelling retelling = {.story = story, .recorded = &isolated->box->oracle};
    struct explorer explorer;
    int status = thrum_explorer_init(&explorer, isolated->options, isolated->fn, isolated->arg);

    if (status)
        return status;
    explorer.talks = story && !(isolated->options->flags & THRUM_EXPLORE_QUIET);
    return thrum_explorer_replay(&explorer, deltas, count, &retelling);
}

/* The story is the box's, if any: it outlives a crash. */
static int attempt(void *arg, const struct delta *deltas, size_t count, struct story *story,
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
        if (!story || isolated->options->flags & THRUM_EXPLORE_QUIET)
            be_quiet();
        box->status = replay(isolated, deltas, count, story);
        box->finished = true;
        _exit(0);
    }
    status = wait_for(pid, box);
    *recorded = box->deltas;
    *recorded_count = box->oracle.deltas_count;
    return status;
}

static int investigate(struct isolated *isolated, thrum_explore_result *result)
{
    struct attempts attempts = {.attempt = attempt, .arg = isolated};
    struct box *box = isolated->box;
    int err;

    box->story.report = (struct report){.turns = box->turns, .capacity = TURNS, .lent = true};
    err = thrum_failure_investigate(&attempts, isolated->options, box->deltas,
                                    box->oracle.deltas_count, &box->story, result);
    return err ? err : result->status;
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
