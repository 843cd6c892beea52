/*
 * app.c - a user's first program: squares, a child each, added up.
 */
#include <stdio.h>

#include <thrum/thrum.h>

enum { CHILDREN = 1000 };

static int square(void *arg)
{
    long *number = arg;

    *number *= *number;
    return 0;
}

static int squares(void *arg)
{
    static thrum_child children[CHILDREN];
    static long numbers[CHILDREN];
    long *sum = arg;
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    if (status != 0)
        return status;
    for (int i = 0; i < CHILDREN && status == 0; i++) {
        numbers[i] = i;
        status = thrum_group_spawn_child(&group, &children[i], square, &numbers[i]);
    }
    status = thrum_group_close(&group, status, NULL);
    for (int i = 0; i < CHILDREN; i++)
        *sum += numbers[i];
    return status;
}

int main(void)
{
    long sum = 0;
    int status = thrum_run(squares, &sum, NULL, NULL);

    printf("status %d, sum %ld\n", status, sum);
    return status == 0 && sum == 332833500 ? 0 : 1;
}
