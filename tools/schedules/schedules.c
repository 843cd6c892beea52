/*
 * schedules - how many schedules a second thrum_explore runs, on one core.
 *
 *     schedules [SCALE]
 *
 * The default strategy, with all that it does by default: the hash, the log of
 * decisions, and what is looked at when a history has ended. A line for each
 * program, separated by tabs:
 *
 *     program  schedules_per_cpu_second  us_each  decisions_each  hash
 *
 * the median of ROUNDS rounds, in which the programs take turns. A round is as many schedules
 * as below, SCALE times. So the hash of all is the same on every machine.
 *
 *   locks          three tasks lock one mutex twice each, and unlock it: per task four operations
 *   messages-500   a client and a server exchange 500 messages: 250 requests over one queue and
 *                  250 answers over another; whoever waits for one has a time-out
 *   messages-1000  the same with 500 requests and 500 answers
 */
#include <thrum/thrum.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 5
#define TIMEOUT_NS ((int64_t)1000000000)

/* ---- three tasks, four lock operations each -------------------------------------------------- */

static thrum_mutex mutex = THRUM_MUTEX_INIT;

static int lock_twice(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        int status = thrum_mutex_lock(&mutex);

        if (status)
            return status;
        thrum_mutex_unlock(&mutex);
    }
    return 0;
}

static int locks(void *arg)
{
    thrum_child children[3];
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    (void)arg;
    if (status)
        return status;
    for (int i = 0; i < 3 && !status; i++)
        status = thrum_group_spawn_child(&group, &children[i], lock_twice, NULL);
    return thrum_group_close(&group, status, NULL);
}

/* ---- a client and a server ------------------------------------------------------------------- */

struct wire {
    thrum_queue requests;
    thrum_queue answers;
    int n;
};

static int get_in_time(thrum_queue *queue, int *item)
{
    thrum_timeout timeout;
    int status = thrum_timeout_begin(&timeout, TIMEOUT_NS);

    if (status)
        return status;
    status = thrum_queue_get(queue, item);
    return thrum_timeout_end(&timeout, status);
}

static int serve(void *arg)
{
    struct wire *wire = arg;
    int status = 0;

    for (int i = 0; i < wire->n && !status; i++) {
        int item;

        status = get_in_time(&wire->requests, &item);
        if (status)
            break;
        item++;
        status = thrum_queue_put(&wire->answers, &item);
    }
    return status;
}

static int ask(void *arg)
{
    struct wire *wire = arg;
    int status = 0;

    for (int i = 0; i < wire->n && !status; i++) {
        int item = i;

        status = thrum_queue_put(&wire->requests, &item);
        if (!status)
            status = get_in_time(&wire->answers, &item);
        if (!status && item != i + 1)
            status = -EBADMSG;
    }
    return status;
}

static int exchange(void *arg)
{
    struct wire *wire = arg;
    thrum_child server, client;
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    if (status)
        return status;
    status = thrum_group_spawn_child(&group, &server, serve, wire);
    if (!status)
        status = thrum_group_spawn_child(&group, &client, ask, wire);
    return thrum_group_close(&group, status, NULL);
}

static int messages(void *arg)
{
    struct wire wire = {.n = *(const int *)arg / 2};
    int status = thrum_queue_init(&wire.requests, sizeof(int), NULL);

    if (status)
        return status;
    status = thrum_queue_init(&wire.answers, sizeof(int), NULL);
    if (!status) {
        status = exchange(&wire);
        thrum_queue_destroy(&wire.answers);
    }
    thrum_queue_destroy(&wire.requests);
    return status;
}

/* ---- measuring ------------------------------------------------------------------------------- */

struct program {
    const char *name;
    thrum_fn fn;
    int n;
    uint64_t schedules; /* of a round */
    double seconds[ROUNDS];
    thrum_explore_result result;
};

static double cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double explore(struct program *program)
{
    thrum_explore_options options = THRUM_EXPLORE_OPTIONS_INIT;
    double before = cpu_seconds();
    int status;

    options.schedules = program->schedules;
    status = thrum_explore(&options, program->fn, &program->n, &program->result);
    if (status) {
        fprintf(stderr, "schedules: %s: %s\n", program->name, thrum_strerror(status));
        exit(1);
    }
    return cpu_seconds() - before;
}

static int by_size(const void *a, const void *b)
{
    const double *left = a, *right = b;

    return (*left > *right) - (*left < *right);
}

static void print(struct program *program)
{
    double n = (double)program->schedules, median;

    qsort(program->seconds, ROUNDS, sizeof program->seconds[0], by_size);
    median = program->seconds[ROUNDS / 2];
    printf("%s\t%.0f\t%.2f\t%.1f\t%016" PRIx64 "\n", program->name, n / median, median / n * 1e6,
           (double)program->result.decisions / n, program->result.hash);
}

int main(int argc, char **argv)
{
    struct program programs[] = {
        {.name = "locks", .fn = locks, .schedules = 100000},
        {.name = "messages-500", .fn = messages, .n = 500, .schedules = 2000},
        {.name = "messages-1000", .fn = messages, .n = 1000, .schedules = 1000}};
    const size_t count = sizeof programs / sizeof programs[0];
    uint64_t scale = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;

    for (int round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < count; i++) {
            if (round == 0)
                programs[i].schedules *= scale;
            programs[i].seconds[round] = explore(&programs[i]);
        }
    for (size_t i = 0; i < count; i++)
        print(&programs[i]);
    return 0;
}
