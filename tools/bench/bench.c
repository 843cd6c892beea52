/*
 * bench - small workloads, one line each, for comparing Thrum with other
 * runtimes.
 *
 *     bench WORKLOAD N WORKERS [K]
 *
 * prints
 *
 *     workload  peer  workers  n  seconds  ns_per_op  peak_rss_kib  check
 *
 * separated by tabs. `seconds` is wall time inside the started runtime;
 * `check` is the computed result.
 *
 *   fib N W        naive fib(N), a group and a task per two calls
 *   fib N W pair   the same with fork and join (peer thrum-pair)
 *   nqueens N W    all solutions, a child per placed queen
 *   skynet N W     10-ary tree of children with N leaves
 *   flat N W       one parent spawns N children, one spawn each, and joins them
 *   slab N W K     N tasks in the runtime's memory, in groups of K (default 1000)
 *   grain N W K    one parent spawns N children of K dependent multiplications each
 *   yield N W K    N tasks yield K times each
 *   blocked N W    N tasks wait for one event; peak memory and mappings
 *   pingpong N W   N round trips of two tasks over two queues of one
 *   mpmc N W       N items from 4 producers to 4 consumers, over a queue of 100
 *   mutex N W      8 tasks lock a mutex N times; each yields with it every 64th time
 *   sleepers N W K N tasks sleep 5 s each, K times over (default 1)
 *   timers N W     N timeouts of 5 s around a yield each, on a task for each worker
 *   cancel N W K   N tasks asleep for an hour are cancelled and joined, K times over (default 1)
 *   cancel1 N W K  beside N sleepers K groups of one sleeping task are cancelled and joined
 *   fibcancel N W K   fib(N) beside a task that cancels K such groups a second
 *   tothread N W K   N calls on threads of the runtime's own executor, by K tasks at once
 *   deadline N W   N times spawn-join work on all workers with a timeout of 50 ms: how
 *                  late it ends
 *   parallel_for N W K   a loop over N indices that does nothing, K times
 *   sort N W K     N integers, a typed sort; the best of K (default 1). K = -1: by comparator
 *   echo N W       a TCP echo server; prints its port, and serves until it is killed
 */
#include "tools/bench/bench.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

long status_kib(const char *key)
{
    char line[256];
    long value = -1;
    FILE *file = fopen("/proc/self/status", "r");

    if (!file)
        return -1;
    while (fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0)
            value = strtol(line + strlen(key) + 1, NULL, 10);
    fclose(file);
    return value;
}

static void die_if(int status)
{
    if (status >= 0)
        return;
    fprintf(stderr, "bench: %s\n", thrum_strerror(status));
    exit(1);
}

/* ---- fib --------------------------------------------------------------------------------- */

/* The leaves first, so that they need no stack frame. */
static int fib_group_inner(struct fib *self);

static int fib_group(void *arg)
{
    struct fib *self = arg;

    if (self->n >= 2)
        return fib_group_inner(self);
    self->result = self->n;
    return 0;
}

static __attribute__((noinline)) int fib_group_inner(struct fib *self)
{
    struct fib left, right;
    thrum_group group;
    thrum_child child;
    int status;

    left.n = self->n - 1;
    right.n = self->n - 2;
    status = thrum_group_open(&group, NULL);
    if (status)
        return status;
    status = thrum_group_spawn_child(&group, &child, fib_group, &left);
    if (!status)
        status = fib_group(&right);
    status = thrum_group_close(&group, status, NULL);
    self->result = left.result + right.result;
    return status;
}

static int fib_pair_inner(struct fib *self);

int fib_pair(void *arg)
{
    struct fib *self = arg;

    if (self->n >= 2)
        return fib_pair_inner(self);
    self->result = self->n;
    return 0;
}

static __attribute__((noinline)) int fib_pair_inner(struct fib *self)
{
    struct fib left, right;
    thrum_branch branch;
    int status, joined;

    left.n = self->n - 1;
    right.n = self->n - 2;
    status = thrum_fork(&branch, fib_pair, &left);
    if (status)
        return status;
    status = fib_pair(&right);
    joined = thrum_join(&branch, fib_pair, &left);
    self->result = left.result + right.result;
    return status ? status : joined;
}

static int fib(void *arg)
{
    struct job *job = arg;
    struct fib fib = {job->n, 0};
    double a = 1, b = 1, begin;
    int status;

    for (long i = 0; i < job->n; i++) {
        double c = a + b;

        a = b;
        b = c;
    }
    job->ops = 2 * a - 1; /* calls; half of them are spawned */
    begin = now();
    status = strcmp(job->variant, "pair") == 0 ? fib_pair(&fib) : fib_group(&fib);
    job->seconds = now() - begin;
    job->check = (unsigned long long)fib.result;
    return status;
}

/* ---- nqueens ----------------------------------------------------------------------------- */

struct queens {
    thrum_child child;
    uint32_t columns, left, right, free;
    long result;
};

static uint32_t queens_all;

static uint32_t queens_free(uint32_t columns, uint32_t left, uint32_t right)
{
    return queens_all & ~(columns | left | right);
}

static int queens_place(struct queens *self);

/* The leaves first, so that they need no group. */
static int queens(void *arg)
{
    struct queens *self = arg;

    if (self->free)
        return queens_place(self);
    self->result = self->columns == queens_all;
    return 0;
}

static __attribute__((noinline)) int queens_place(struct queens *self)
{
    uint32_t columns = self->columns, left = self->left, right = self->right;
    struct queens next[16];
    thrum_group group;
    int n = 0, status;
    long result = 0;

    status = thrum_group_open(&group, NULL);
    if (status)
        return status;
    for (uint32_t free = self->free; free && !status; free &= free - 1) {
        uint32_t bit = free & -free;
        struct queens *sub = &next[n++];

        sub->columns = columns | bit;
        sub->left = (left | bit) << 1;
        sub->right = (right | bit) >> 1;
        sub->free = queens_free(sub->columns, sub->left, sub->right);
        status = thrum_group_spawn_child(&group, &sub->child, queens, sub);
    }
    status = thrum_group_close(&group, status, NULL);
    while (n > 0)
        result += next[--n].result;
    self->result = result;
    return status;
}

static int nqueens(void *arg)
{
    static const double placed[] = {0,    1,    2,     5,      16,     53,     152,
                                    551,  2056, 8393,  35538,  166925, 856188, 4674889};
    struct job *job = arg;
    struct queens root = {.columns = 0};
    double begin = now();
    int status;

    queens_all = ((uint32_t)1 << job->n) - 1;
    root.free = queens_all;
    status = queens(&root);
    job->seconds = now() - begin;
    job->ops = placed[job->n];
    job->check = (unsigned long long)root.result;
    return status;
}

/* ---- skynet ------------------------------------------------------------------------------ */

struct skynet {
    thrum_child child;
    long base, size, result;
};

static int skynet_node(void *arg)
{
    struct skynet *self = arg;
    struct skynet sub[10];
    thrum_group group;
    int status;

    if (self->size == 1) {
        self->result = self->base;
        return 0;
    }
    status = thrum_group_open(&group, NULL);
    if (status)
        return status;
    for (int i = 0; i < 10 && !status; i++) {
        sub[i].base = self->base + i * (self->size / 10);
        sub[i].size = self->size / 10;
        status = thrum_group_spawn_child(&group, &sub[i].child, skynet_node, &sub[i]);
    }
    status = thrum_group_close(&group, status, NULL);
    self->result = 0;
    for (int i = 0; i < 10; i++)
        self->result += sub[i].result;
    return status;
}

static int skynet(void *arg)
{
    struct job *job = arg;
    struct skynet root = {.base = 0, .size = job->n};
    double begin = now();
    int status = skynet_node(&root);

    job->seconds = now() - begin;
    job->ops = ((double)job->n * 10 - 1) / 9;
    job->check = (unsigned long long)root.result;
    return status;
}

/* ---- flat -------------------------------------------------------------------------------- */

static uint32_t *results;

static int trivial(void *arg)
{
    uint32_t *slot = arg;

    *slot = (uint32_t)(slot - results);
    return 0;
}

static int flat_children(thrum_group *group, thrum_child *children, long n)
{
    for (long i = 0; i < n; i++) {
        int status = thrum_group_spawn_child(group, &children[i], trivial, &results[i]);

        if (status)
            return status;
    }
    return 0;
}

/* The children's memory is the caller's, as the results are: touched before the clock starts. */
static int flat(void *arg)
{
    struct job *job = arg;
    size_t n = (size_t)job->n;
    thrum_child *children = malloc(n * sizeof *children);
    thrum_group group;
    double begin;
    int status;

    results = malloc(n * sizeof *results);
    if (!children || !results)
        return -12;
    memset(children, 1, n * sizeof *children);
    memset(results, 1, n * sizeof *results);
    begin = now();
    status = thrum_group_open(&group, NULL);
    if (status)
        return status;
    status = flat_children(&group, children, job->n);
    status = thrum_group_close(&group, status, NULL);
    job->seconds = now() - begin;
    job->ops = (double)job->n;
    for (size_t i = 0; i < n; i++)
        job->check += results[i];
    free(results);
    free(children);
    return status;
}

/* ---- grain ------------------------------------------------------------------------------- */

static long grain_turns;

static int grain_one(void *arg)
{
    uint32_t *slot = arg;
    uint32_t x = (uint32_t)(slot - results) | 1;

    for (long i = 0; i < grain_turns; i++)
        x = x * 1664525u + 1013904223u;
    *slot = x | 1;
    return 0;
}

/* One parent, N children that compute for K dependent multiplications each. */
static int grain(void *arg)
{
    struct job *job = arg;
    size_t n = (size_t)job->n;
    thrum_child *children = calloc(n, sizeof *children);
    thrum_group group;
    double begin;
    int status;

    grain_turns = job->k;
    results = calloc(n, sizeof *results);
    if (!children || !results)
        return -12;
    begin = now();
    status = thrum_group_open(&group, NULL);
    if (status)
        return status;
    for (size_t i = 0; i < n && !status; i++)
        status = thrum_group_spawn_child(&group, &children[i], grain_one, &results[i]);
    status = thrum_group_close(&group, status, NULL);
    job->seconds = now() - begin;
    job->ops = (double)job->n;
    for (size_t i = 0; i < n; i++)
        job->check += results[i] & 1;
    free(results);
    free(children);
    return status;
}

/* ---- slab -------------------------------------------------------------------------------- */

/* Groups of k tasks in the runtime's memory, one after the other. */
static int slab(void *arg)
{
    struct job *job = arg;
    long wave = job->k > 0 ? job->k : 1000;
    double begin;
    int status = 0;

    results = calloc((size_t)job->n, sizeof *results);
    if (!results)
        return -12;
    begin = now();
    for (long i = 0; i < job->n && !status; i += wave) {
        long end = i + wave < job->n ? i + wave : job->n;
        thrum_group group;

        status = thrum_group_open(&group, NULL);
        if (status)
            return status;
        for (long j = i; j < end && !status; j++)
            status = thrum_group_spawn(&group, trivial, &results[j], NULL, NULL);
        status = thrum_group_close(&group, status, NULL);
    }
    job->seconds = now() - begin;
    job->ops = (double)job->n;
    for (long i = 0; i < job->n; i++)
        job->check += results[i];
    free(results);
    return status;
}

/* ---- yield ------------------------------------------------------------------------------- */

struct yielder {
    thrum_child child;
    long times;
    unsigned long long done;
};

static int yielder(void *arg)
{
    struct yielder *self = arg;

    for (long i = 0; i < self->times; i++) {
        thrum_yield();
        self->done++;
    }
    return 0;
}

static int yield(void *arg)
{
    struct job *job = arg;
    struct yielder *tasks = calloc((size_t)job->n, sizeof *tasks);
    thrum_group group;
    double begin = now();
    int status;

    if (!tasks)
        return -12;
    status = thrum_group_open(&group, NULL);
    if (status)
        return status;
    for (long i = 0; i < job->n && !status; i++) {
        tasks[i].times = job->k;
        status = thrum_group_spawn_child(&group, &tasks[i].child, yielder, &tasks[i]);
    }
    status = thrum_group_close(&group, status, NULL);
    job->seconds = now() - begin;
    job->ops = (double)job->n * (double)job->k;
    for (long i = 0; i < job->n; i++)
        job->check += tasks[i].done;
    free(tasks);
    return status;
}

/* ---- blocked ----------------------------------------------------------------------------- */

static thrum_event gate = THRUM_EVENT_INIT;

static atomic_long arrived;

static int blocked_one(void *arg)
{
    (void)arg;
    atomic_fetch_add(&arrived, 1);
    return thrum_event_wait(&gate);
}

static long mappings(void)
{
    char line[512];
    long n = 0;
    FILE *file = fopen("/proc/self/maps", "r");

    while (file && fgets(line, sizeof line, file))
        n++;
    if (file)
        fclose(file);
    return n;
}

static int blocked(void *arg)
{
    struct job *job = arg;
    thrum_child *children = calloc((size_t)job->n, sizeof *children);
    long resident = status_kib("VmRSS:") + status_kib("VmPTE:");
    thrum_group group;
    double begin = now();
    long maps;
    int status;

    if (!children)
        return -12;
    status = thrum_group_open(&group, NULL);
    if (status)
        return status;
    status = thrum_group_spawn_n(&group, children, (size_t)job->n, blocked_one, NULL, 0);
    while (!status && atomic_load(&arrived) < job->n)
        thrum_yield();
    resident = (status_kib("VmRSS:") + status_kib("VmPTE:") - resident) * 1024 / job->n;
    maps = mappings();
    thrum_event_set(&gate);
    status = thrum_group_close(&group, status, NULL);
    job->seconds = now() - begin;
    job->ops = (double)job->n;
    job->check = (unsigned long long)job->n;
    fprintf(stderr, "blocked: %ld bytes each, %ld mappings\n", resident, maps);
    free(children);
    return status;
}

/* ------------------------------------------------------------------------------------------ */

/*
 * All workers are up before the clock starts: the kernel may leave a fresh
 * thread on a busy CPU for longer than a short workload takes. Each of these
 * keeps a worker until all have come, or for 50 ms.
 */
static atomic_int workers_up;

static int come(void *arg)
{
    const int *workers = arg;
    double begin = now();

    atomic_fetch_add(&workers_up, 1);
    while (atomic_load(&workers_up) < *workers && now() - begin < 0.05)
        continue;
    return 0;
}

static int assemble(int workers)
{
    thrum_child *children = calloc((size_t)workers, sizeof *children);
    thrum_group group;
    int status;

    if (!children)
        return -12;
    status = thrum_group_open(&group, NULL);
    if (status)
        return status;
    status = thrum_group_spawn_n(&group, children, (size_t)workers, come, &workers, 0);
    status = thrum_group_close(&group, status, NULL);
    free(children);
    return status;
}

static const struct workload {
    const char *name;
    thrum_fn fn;
} workloads[] = {
    {"fib", fib},   {"nqueens", nqueens}, {"skynet", skynet},
    {"flat", flat}, {"slab", slab}, {"grain", grain}, {"yield", yield}, {"blocked", blocked},
    {"sleepers", sleepers}, {"timers", timers}, {"cancel", cancel}, {"cancel1", cancel1},
    {"pingpong", pingpong}, {"mpmc", mpmc}, {"mutex", mutex},
    {"fibcancel", fibcancel}, {"deadline", deadline}, {"echo", echo},
    {"parallel_for", parallel_for}, {"sort", sort},
    {"tothread", tothread},
};

struct session {
    thrum_fn fn;
    struct job *job;
    int workers;
};

static int session(void *arg)
{
    struct session *self = arg;
    int status = assemble(self->workers);

    return status ? status : self->fn(self->job);
}

int main(int argc, char **argv)
{
    struct job job = {.variant = argc > 4 ? argv[4] : "", .k = argc > 4 ? atol(argv[4]) : 1};
    thrum_options options = THRUM_OPTIONS_INIT;
    const char *dash = argc > 4 && job.k == 0 ? "-" : "";

    if (argc < 4) {
        fprintf(stderr, "usage: bench WORKLOAD N WORKERS [K]\n");
        return 2;
    }
    job.n = atol(argv[2]);
    options.workers = atoi(argv[3]);
    job.workers = (int)options.workers;
    for (size_t i = 0; i < sizeof workloads / sizeof workloads[0]; i++) {
        if (strcmp(argv[1], workloads[i].name) != 0)
            continue;
        die_if(thrum_run(session, &(struct session){workloads[i].fn, &job, (int)options.workers},
                         &options, NULL));
        printf("%s\tthrum%s%s\t%s\t%ld\t%.6f\t%.2f\t%ld\t%llu\n", argv[1], dash,
               *dash ? job.variant : "", argv[3], job.n, job.seconds, job.seconds * 1e9 / job.ops,
               status_kib("VmHWM:"), job.check);
        return 0;
    }
    fprintf(stderr, "bench: no workload '%s'\n", argv[1]);
    return 2;
}
