/*
 * twice.c - is a run its order's alone?
 *
 * The second run is one in the same process, or, if runs are isolated, in a child of it, which has
 * another number, another runtime and other time. What differs first is kept with no more than
 * numbers: looking up where in the program every step stands would take longer than all the rest.
 * So if a pair differs, pairs of the same history are made again with the places noted, until one
 * of them differs too.
 */
#include "runtime/explore/twice.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/explore/failure.h"
#include "runtime/plat/code.h"
#include "runtime/plat/memory.h"

#define AGAIN 32 /* pairs, to find out where */

int thrum_twice_init(struct explorer *explorer)
{
    explorer->twice = thrum_memory_get(sizeof *explorer->twice, 16);
    return explorer->twice ? 0 : -ENOMEM;
}

void thrum_twice_fini(struct explorer *explorer)
{
    if (!explorer->twice)
        return;
    thrum_twin_fini(&explorer->twice->twin);
    thrum_memory_put(explorer->twice);
    explorer->twice = NULL;
}

/* ---- a pair ---------------------------------------------------------------------------------- */

static void first_begins(struct explorer *explorer, bool places)
{
    struct twice *twice = explorer->twice;

    thrum_twin_first(&twice->twin, places);
    explorer->sim->twin = &twice->twin;
    thrum_perturb_begin(&twice->perturbed, explorer->sim, twice->seed, false);
}

void thrum_twice_leave(struct explorer *explorer)
{
    thrum_perturb_end(&explorer->twice->perturbed, explorer->sim);
    explorer->sim->twin = NULL;
}

/* The second: its status. */
static int second(struct explorer *explorer, const struct oracle *oracle)
{
    struct twice *twice = explorer->twice;
    int status;

    thrum_twin_second(&twice->twin);
    explorer->sim->twin = &twice->twin;
    thrum_perturb_begin(&twice->perturbed, explorer->sim, twice->seed, true);
    status = thrum_explorer_replay(explorer, oracle->deltas, oracle->deltas_count,
                                   &(struct retelling){.matched = NULL});
    thrum_twice_leave(explorer);
    thrum_twin_end(&twice->twin);
    return status;
}

/* What is known of a second run. */
struct verdict {
    bool finished;
    int status;
    uint64_t hash;
    bool differs;
    size_t at;
    struct twin_step step; /* where it differs */
    char path[64];         /* of who did it */
};

static void run_second(struct explorer *explorer, const struct oracle *oracle,
                       struct verdict *verdict)
{
    const struct twin *twin = &explorer->twice->twin;

    verdict->status = second(explorer, oracle);
    verdict->hash = explorer->hash;
    verdict->differs = twin->differs;
    verdict->at = twin->at;
    verdict->step = twin->second;
    thrum_twin_path(twin, twin->second.player, verdict->path, sizeof verdict->path);
    verdict->finished = true;
}

/* In a process of its own: a runtime of its own, with the notes of the first. */
static void run_apart(struct explorer *explorer, const struct oracle *oracle,
                      struct verdict *verdict)
{
    struct explorer own;
    pid_t pid = fork();

    if (pid < 0) {
        verdict->status = -errno;
        return;
    }
    if (pid == 0) {
        if (thrum_explorer_init(&own, &explorer->options, explorer->fn, explorer->arg))
            _exit(1);
        own.twice = explorer->twice;
        run_second(&own, oracle, verdict);
        _exit(0);
    }
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

static int compare(struct explorer *explorer, const struct oracle *oracle, struct verdict *verdict)
{
    struct verdict *shared;

    memset(verdict, 0, sizeof *verdict);
    if (!explorer->isolated) {
        run_second(explorer, oracle, verdict);
        return 0;
    }
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return -ENOMEM;
    run_apart(explorer, oracle, shared);
    *verdict = *shared;
    munmap(shared, sizeof *shared);
    return 0;
}

/* ---- what people see ------------------------------------------------------------------------- */

/* "task 2 at its point 3 wants object 1 (orders.c:41)" */
static size_t put_step(const struct twin_step *step, const char *path, bool places, char *text,
                       size_t size)
{
    size_t length;
    char where[128];

    if (step->what == TWIN_ENDS)
        return (size_t)snprintf(text, size, "it ends");
    length = (size_t)snprintf(text, size, "task %s at its point %" PRIu32 " ", path, step->op);
    if (length >= size)
        return length;
    if (step->what == TWIN_DRAWS)
        length +=
            (size_t)snprintf(text + length, size - length, "chooses one of %" PRIu32, step->object);
    else if (step->object)
        length += (size_t)snprintf(text + length, size - length, "%s object %" PRIu32,
                                   thrum_report_doing(step->what), step->object);
    else
        length +=
            (size_t)snprintf(text + length, size - length, "%s", thrum_report_doing(step->what));
    if (!places || !step->where[0] || length >= size)
        return length;
    thrum_code_line(step->where, TWIN_PLACES, where, sizeof where);
    return length + (size_t)snprintf(text + length, size - length, " (%s)", where);
}

static bool looks_the_same(const struct twin_step *a, const struct twin_step *b)
{
    return a->player == b->player && a->op == b->op && a->what == b->what && a->object == b->object;
}

/* The steps of both, where they part. */
static void put_parting(const struct explorer *explorer, const struct verdict *verdict, char *text,
                        size_t size)
{
    static const struct twin_step none = {.what = TWIN_ENDS};
    const struct twin *twin = &explorer->twice->twin;
    const struct twin_step *first = verdict->at < twin->count ? &twin->steps[verdict->at] : &none;
    size_t length;
    char path[64];

    length = (size_t)snprintf(text, size, "at step %zu, decision %" PRIu64 ": ", verdict->at + 1,
                              first == &none ? verdict->step.decision : first->decision);
    if (looks_the_same(first, &verdict->step)) {
        length += put_step(first, verdict->path, twin->places, text + length, size - length);
        if (length < size)
            snprintf(text + length, size - length,
                     first->now == verdict->step.now ? ", but other faults or timers came before"
                                                     : ", but at another time: %" PRId64
                                                       " and %" PRId64 " ns",
                     first->now, verdict->step.now);
        return;
    }
    thrum_twin_path(twin, first->player, path, sizeof path);
    length += put_step(first, path, twin->places, text + length, size - length);
    if (length < size)
        length += (size_t)snprintf(text + length, size - length, "; then ");
    if (length < size)
        put_step(&verdict->step, verdict->path, twin->places, text + length, size - length);
}

static void put(const struct explorer *explorer, const struct verdict *verdict, int status,
                char *text, size_t size)
{
    if (!verdict->finished)
        snprintf(text, size, "the second has ended its process");
    else if (verdict->differs)
        put_parting(explorer, verdict, text, size);
    else
        snprintf(text, size, "all %zu steps are the same, but it returns %s (%d); then %s (%d)",
                 verdict->at, thrum_errname(status), status, thrum_errname(verdict->status),
                 verdict->status);
}

/* The history, by the names of its players. */
static void put_history(const struct explorer *explorer, const struct oracle *oracle, char *text,
                        size_t size)
{
    const struct twin *twin = &explorer->twice->twin;
    struct delta_paths *paths = thrum_memory_get((oracle->deltas_count + 1) * sizeof *paths, 16);

    text[0] = '\0';
    for (size_t i = 0; paths && i < oracle->deltas_count; i++) {
        thrum_twin_path(twin, oracle->deltas[i].at, paths[i].at, sizeof paths[i].at);
        if (oracle->deltas[i].kind == DELTA_GOES)
            thrum_twin_path(twin, oracle->deltas[i].chosen, paths[i].chosen,
                            sizeof paths[i].chosen);
    }
    if (paths)
        (void)thrum_deltas_write(oracle->deltas, paths, oracle->deltas_count, text, size);
    thrum_memory_put(paths);
}

static void tell(const struct explorer *explorer, const thrum_explore_result *result)
{
    char name[64];

    if (explorer->options.flags & THRUM_EXPLORE_QUIET)
        return;
    thrum_program_name(&explorer->options, name);
    fprintf(stderr,
            "thrum: %s%srun %" PRIu64 " was repeated and was not the same, %s\n"
            "  It depends on more than its order: addresses, what stands in memory that nobody has "
            "written, time,\n  the environment, state that an earlier run has left. "
            "THRUM_REPLAY='%s'\n",
            name, name[0] ? ": " : "", result->schedules, result->divergence, result->replay);
}

/* ---- all ------------------------------------------------------------------------------------- */

void thrum_twice_begin(struct explorer *explorer, uint64_t run)
{
    explorer->twice->seed = sim_mix(explorer->options.seed + sim_mix(run));
    first_begins(explorer, false);
}

static bool is_same(const struct verdict *verdict, int status, uint64_t hash)
{
    return verdict->finished && !verdict->differs && verdict->status == status &&
           verdict->hash == hash;
}

/* Once more, with places. True: now it is known where they part. */
static bool look_closer(struct explorer *explorer, const struct oracle *oracle,
                        struct verdict *verdict, int *status)
{
    for (unsigned i = 0; i < AGAIN; i++) {
        uint64_t hash;

        explorer->twice->seed = sim_mix(explorer->twice->seed);
        first_begins(explorer, true);
        *status = thrum_explorer_replay(explorer, oracle->deltas, oracle->deltas_count,
                                        &(struct retelling){.matched = NULL});
        thrum_twice_leave(explorer);
        hash = explorer->hash;
        if (compare(explorer, oracle, verdict))
            return false;
        if (!is_same(verdict, *status, hash))
            return true;
    }
    return false;
}

int thrum_twice_end(struct explorer *explorer, const struct oracle *oracle, int status,
                    thrum_explore_result *result)
{
    uint64_t hash = explorer->hash;
    struct verdict verdict, closer;
    int again;

    if (compare(explorer, oracle, &verdict))
        return -ENOMEM;
    if (is_same(&verdict, status, hash))
        return 0;
    put_history(explorer, oracle, result->replay, sizeof result->replay);
    put(explorer, &verdict, status, result->divergence, sizeof result->divergence);
    if (look_closer(explorer, oracle, &closer, &again))
        put(explorer, &closer, again, result->divergence, sizeof result->divergence);
    tell(explorer, result);
    return THRUM_EDIVERGED;
}
