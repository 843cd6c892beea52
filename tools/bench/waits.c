/*
 * waits.c - workloads that sleep, time out and are cancelled: see bench.c.
 */
#include "tools/bench/bench.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define NO_MEMORY (-12)

/* ---- sleepers ---------------------------------------------------------------------------- */

static atomic_long woken;

static int sleep_5s(void *arg)
{
    int status = thrum_sleep(thrum_s(5));

    (void)arg;
    atomic_fetch_add(&woken, status == 0);
    return status;
}

static int sleep_round(thrum_child *children, long n)
{
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    for (long i = 0; i < n && !status; i++)
        status = thrum_group_spawn_child(&group, &children[i], sleep_5s, NULL);
    return thrum_group_close(&group, status, NULL);
}

/* The last round's time; each one's goes to stderr. */
int sleepers(void *arg)
{
    struct job *job = arg;
    long before = status_kib("VmHWM:") + status_kib("VmPTE:");
    thrum_child *children = malloc((size_t)job->n * sizeof *children);
    int status = 0;

    if (!children)
        return NO_MEMORY;
    for (long round = 0; round < job->k && !status; round++) {
        double begin = now();

        atomic_store(&woken, 0);
        status = sleep_round(children, job->n);
        job->seconds = now() - begin;
        fprintf(stderr, "sleepers: %.0f ns each over 5 s\n",
                (job->seconds - 5) * 1e9 / (double)job->n);
    }
    fprintf(stderr, "sleepers: %ld bytes each, with page tables\n",
            (status_kib("VmHWM:") + status_kib("VmPTE:") - before) * 1024 / job->n);
    job->ops = (double)job->n;
    job->check = (unsigned long long)atomic_load(&woken);
    free(children);
    return status;
}

/* ---- timers ------------------------------------------------------------------------------ */

struct share {
    thrum_child child;
    long times;
    unsigned long long in_time;
};

static int time_out(void *arg)
{
    struct share *self = arg;

    for (long i = 0; i < self->times; i++) {
        thrum_timeout timeout;
        int status = thrum_timeout_begin(&timeout, thrum_s(5));

        if (status)
            return status;
        self->in_time += thrum_timeout_end(&timeout, thrum_yield()) == 0;
    }
    return 0;
}

int timers(void *arg)
{
    struct job *job = arg;
    struct share *shares = calloc((size_t)job->workers, sizeof *shares);
    thrum_group group;
    double begin = now();
    int status;

    if (!shares)
        return NO_MEMORY;
    status = thrum_group_open(&group, NULL);
    for (long i = 0; i < job->workers && !status; i++) {
        shares[i].times = job->n * (i + 1) / job->workers - job->n * i / job->workers;
        status = thrum_group_spawn_child(&group, &shares[i].child, time_out, &shares[i]);
    }
    status = thrum_group_close(&group, status, NULL);
    job->seconds = now() - begin;
    job->ops = (double)job->n;
    for (long i = 0; i < job->workers; i++)
        job->check += shares[i].in_time;
    free(shares);
    return status;
}

/* ---- cancel ------------------------------------------------------------------------------ */

static atomic_long cancelled;

static int sleep_1h(void *arg)
{
    int status = thrum_sleep(thrum_s(3600));

    (void)arg;
    atomic_fetch_add(&cancelled, status == THRUM_ECANCELED);
    return status;
}

static int spawn_sleepers(thrum_group *group, thrum_child *children, long n)
{
    int status = 0;

    for (long i = 0; i < n && !status; i++)
        status = thrum_group_spawn_child(group, &children[i], sleep_1h, NULL);
    return status ? status : thrum_sleep(thrum_ms(500) + thrum_us(n)); /* until all sleep */
}

static int cancel_round(thrum_child *children, long n, double *seconds)
{
    thrum_group group;
    double begin;
    int status = thrum_group_open(&group, NULL);

    atomic_store(&cancelled, 0);
    if (!status)
        status = spawn_sleepers(&group, children, n);
    begin = now();
    thrum_group_cancel(&group, 1, "the bench is over");
    status = thrum_group_close(&group, status, NULL);
    *seconds = now() - begin;
    return status;
}

/* The last round's time; each one's goes to stderr. */
int cancel(void *arg)
{
    struct job *job = arg;
    thrum_child *children = malloc((size_t)job->n * sizeof *children);
    int status = 0;

    if (!children)
        return NO_MEMORY;
    for (long round = 0; round < job->k && !status; round++) {
        status = cancel_round(children, job->n, &job->seconds);
        fprintf(stderr, "cancel: %.0f ns each\n", job->seconds * 1e9 / (double)job->n);
    }
    job->ops = (double)job->n;
    job->check = (unsigned long long)atomic_load(&cancelled);
    free(children);
    return status;
}

/* A group of one sleeping task, cancelled; the time from the cancel to its end. */
static int cancel_one(double *seconds)
{
    thrum_group group;
    thrum_child child;
    double begin;
    int status = thrum_group_open(&group, NULL);

    if (status)
        return status;
    status = thrum_group_spawn_child(&group, &child, sleep_1h, NULL);
    if (!status)
        status = thrum_yield(); /* the child goes to sleep */
    begin = now();
    thrum_group_cancel(&group, 1, "one of many");
    status = thrum_group_close(&group, status, NULL);
    *seconds += now() - begin;
    return status;
}

int cancel1(void *arg)
{
    struct job *job = arg;
    thrum_child *children = malloc((size_t)job->n * sizeof *children);
    thrum_group group;
    int status;

    if (!children)
        return NO_MEMORY;
    status = thrum_group_open(&group, NULL);
    if (!status)
        status = spawn_sleepers(&group, children, job->n);
    for (long i = 0; i < job->k && !status; i++)
        status = cancel_one(&job->seconds);
    job->check = (unsigned long long)atomic_load(&cancelled);
    thrum_group_cancel(&group, 1, "the bench is over");
    status = thrum_group_close(&group, status, NULL);
    job->ops = (double)job->k;
    free(children);
    return status;
}

/* ---- fibcancel --------------------------------------------------------------------------- */

static atomic_bool fib_done;

/* As many cancels as are due since the start, then a pause. */
static int cancel_at_rate(void *arg)
{
    const struct job *job = arg;
    double begin = now(), spent = 0;
    int status = 0;

    for (double done = 0; !atomic_load(&fib_done) && !status;) {
        for (double due = (now() - begin) * (double)job->k; done < due && !status; done++)
            status = cancel_one(&spent);
        if (!status)
            status = thrum_sleep(thrum_ms(1));
    }
    return status;
}

static double cpu_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int time_fib(long n, double *seconds, double *cpu)
{
    struct fib fib = {n, 0};
    double begin = now(), cpu_begin = cpu_now();
    int status = fib_pair(&fib);

    *seconds = now() - begin;
    *cpu = cpu_now() - cpu_begin;
    atomic_store(&fib_done, true);
    return status;
}

int fibcancel(void *arg)
{
    struct job *job = arg;
    thrum_group group;
    thrum_child child;
    double alone, cpu_alone, cpu = 0;
    int status = time_fib(job->n, &alone, &cpu_alone);

    atomic_store(&fib_done, false);
    if (!status)
        status = thrum_group_open(&group, NULL);
    if (status)
        return status;
    status = thrum_group_spawn_child(&group, &child, cancel_at_rate, job);
    if (!status)
        status = thrum_yield(); /* it starts */
    if (!status)
        status = time_fib(job->n, &job->seconds, &cpu);
    status = thrum_group_close(&group, status, NULL);
    job->check = (unsigned long long)atomic_load(&cancelled);
    job->ops = 1;
    fprintf(stderr, "fibcancel: %.1f %% of the time lost, %.1f %% of CPU time, %.0f cancels a second\n",
            (job->seconds / alone - 1) * 100, (cpu / cpu_alone - 1) * 100,
            (double)job->check / job->seconds);
    return status;
}

/* ---- deadline ---------------------------------------------------------------------------- */

/* How late spawn-join work that has no end of its own stops; `job->check` counts the timeouts. */
int deadline(void *arg)
{
    struct job *job = arg;
    double worst = 0;

    for (long i = 0; i < job->n; i++) {
        struct fib fib = {90, 0};
        double begin = now(), late;
        int status = thrum_wait_for(fib_pair, &fib, thrum_ms(50));

        late = now() - begin - 0.05;
        worst = late > worst ? late : worst;
        job->seconds += late;
        job->check += status == THRUM_ETIMEOUT;
    }
    job->ops = (double)job->n;
    fprintf(stderr, "deadline: at most %.1f ms late\n", worst * 1e3);
    return 0;
}
