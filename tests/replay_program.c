/* replay_program.c - two explorations that fail, for replay_test.sh. */
#include <stdio.h>
#include <thrum/thrum.h>

enum { LOST = -1001 };

static int counter;

static int count_up(void *arg)
{
    (void)arg;
    thrum_shared_store(&counter, thrum_shared_load(&counter) + 1);
    return 0;
}

static int count(void *arg)
{
    size_t n = *(const size_t *)arg;
    thrum_child children[4];
    thrum_group group;
    int status;

    counter = 0;
    status = thrum_group_open(&group, NULL);
    for (size_t i = 0; !status && i < n; i++)
        status = thrum_group_spawn_child(&group, &children[i], count_up, NULL);
    status = thrum_group_close(&group, status, NULL);
    return status ? status : counter == (int)n ? 0 : LOST;
}

static int explore(const char *name, size_t n)
{
    thrum_explore_options options = THRUM_EXPLORE_OPTIONS_INIT;
    thrum_explore_result result;
    int status;

    options.name = name;
    status = thrum_explore(&options, count, &n, &result);
    printf("%s: %d, %d runs\n", name, status, (int)result.schedules);
    return status == LOST;
}

int main(void)
{
    int two = explore("two counters", 2);
    int three = explore("three counters", 3);

    return two + three;
}
