/*
 * parallel.c - loops over ranges, and sorting: see bench.c.
 */
#include "tools/bench/bench.h"

#include <stdlib.h>

#define NO_MEMORY (-12)

/* The compiler must not see that the loop does nothing. */
static int nothing(size_t begin, size_t end, void *arg)
{
    for (size_t i = begin; i < end; i++)
        __asm__ volatile("" : : "r"(i), "r"(arg));
    return 0;
}

int parallel_for(void *arg)
{
    struct job *job = arg;
    long times = job->k > 0 ? job->k : 1;
    int status = 0;

    for (int warm = 0; warm < 2 && !status; warm++) {
        double begin = now();

        for (long i = 0; i < times && !status; i++)
            status = thrum_parallel_for(0, (size_t)job->n, 0, nothing, NULL);
        job->seconds = (now() - begin) / (double)times;
    }
    job->ops = (double)job->n;
    job->check = (unsigned long long)job->n;
    return status;
}

#define UP(a, b) (*(a) < *(b))

THRUM_SORT(sort_typed, int, UP)

static int up(const void *a, const void *b)
{
    int left = *(const int *)a, right = *(const int *)b;

    return left < right ? -1 : left > right;
}

static void fill(int *numbers, size_t n)
{
    unsigned seed = 1;

    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        numbers[i] = (int)seed;
    }
}

int sort(void *arg)
{
    struct job *job = arg;
    size_t n = (size_t)job->n;
    int *numbers = malloc(n * sizeof *numbers);
    int status = 0;

    if (!numbers)
        return NO_MEMORY;
    for (long i = 0; i < labs(job->k) && !status; i++) {
        double begin;

        fill(numbers, n);
        begin = now();
        status = job->k < 0 ? thrum_parallel_sort(numbers, n, sizeof *numbers, up)
                            : sort_typed(numbers, n);
        if (i == 0 || now() - begin < job->seconds)
            job->seconds = now() - begin;
    }
    job->ops = (double)n;
    job->check = n > 0;
    for (size_t i = 1; i < n; i++)
        job->check += numbers[i - 1] <= numbers[i];
    free(numbers);
    return status;
}
