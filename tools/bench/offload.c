/*
 * offload.c - calls on other threads.
 */
#include <stdlib.h>

#include "tools/bench/bench.h"

struct caller {
    thrum_child child;
    long from;
    long to;
    unsigned long long sum;
};

struct errand {
    long in;
    long out;
};

static int run_errand(void *arg)
{
    struct errand *errand = arg;

    errand->out = errand->in;
    return 0;
}

static int caller(void *arg)
{
    struct caller *self = arg;
    int status = 0;

    for (long i = self->from; i < self->to && !status; i++) {
        struct errand errand = {i, 0};

        status = thrum_to_thread(NULL, run_errand, &errand);
        self->sum += (unsigned long long)errand.out;
    }
    return status;
}

/* n calls in all, by k callers at once. */
int tothread(void *arg)
{
    struct job *job = arg;
    long k = job->k > 0 ? job->k : 1;
    struct caller *callers = calloc((size_t)k, sizeof *callers);
    double begin = now();
    thrum_group group;
    int status;

    if (!callers)
        return -12;
    status = thrum_group_open(&group, NULL);
    if (status)
        return status;
    for (long i = 0, from = 0; i < k && !status; i++) {
        callers[i].from = from;
        callers[i].to = from = from + job->n / k + (i < job->n % k);
        status = thrum_group_spawn_child(&group, &callers[i].child, caller, &callers[i]);
    }
    status = thrum_group_close(&group, status, NULL);
    job->seconds = now() - begin;
    job->ops = (double)job->n;
    for (long i = 0; i < k; i++)
        job->check += callers[i].sum;
    free(callers);
    return status;
}
