/*
 * bench.h - what the files of the benchmark share.
 */
#ifndef THRUM_BENCH_H
#define THRUM_BENCH_H

#include <thrum/thrum.h>

/* A workload: what was asked for, and what came out. */
struct job {
    long n;
    long k;
    int workers;
    const char *variant;
    double seconds;
    double ops;
    unsigned long long check;
};

/* The monotonic clock, in seconds. */
double now(void);

/* A line of /proc/self/status, in KiB. */
long status_kib(const char *key);

struct fib {
    long n;
    long result;
};

/* fib with fork and join: a struct fib. */
int fib_pair(void *arg);

/* waits.c: workloads that sleep, time out and are cancelled. Each takes a struct job. */
int sleepers(void *arg);
int timers(void *arg);
int cancel(void *arg);
int cancel1(void *arg);
int fibcancel(void *arg);
int deadline(void *arg);

/* parallel.c: loops over ranges. Each takes a struct job. */
int parallel_for(void *arg);
int sort(void *arg);

/* net.c: serves until it is killed. */
int echo(void *arg);

/* sync.c: workloads of tasks that wait for one another. Each takes a struct job. */
int pingpong(void *arg);
int mpmc(void *arg);
int mutex(void *arg);

/* offload.c: a struct job. */
int tothread(void *arg);

#endif
