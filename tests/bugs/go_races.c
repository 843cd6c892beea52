/*
 * go_races.c - data races of Go programs, after the kinds that GoKer collects; no code of theirs.
 */
#include "tests/bugs/chan.h"

static struct {
    thrum_mutex a;
    struct chan c;
    int x, y, map, slice[4], length, freed, ready;
} go;

#define KERNEL(name, ...)             \
    static int name(void *arg)        \
    {                                 \
        (void)arg;                    \
        memset(&go, 0, sizeof go);    \
        DO(chan_make(&go.c, 1));      \
        return TOGETHER(__VA_ARGS__); \
    }

#define TASK(name) static int name(void *arg)

/* A map says so itself, if two write to it at a time: it keeps a mark while it is written to. */
TASK(map_write)
{
    (void)arg;
    ASSERT(LOAD(go.map) == 0);
    STORE(go.map, 1);
    STORE(go.map, 0);
    return 0;
}

TASK(map_write_locked)
{
    (void)arg;
    LOCK(go.a);
    DO(map_write(NULL));
    UNLOCK(go.a);
    return 0;
}

TASK(map_read)
{
    (void)arg;
    ASSERT(LOAD(go.map) == 0);
    return 0;
}
KERNEL(map_two_writers, map_write_locked, map_write)
KERNEL(map_read_unlocked, map_write_locked, map_write_locked, map_read)

/* Two append: one of the elements is lost. */
TASK(appends)
{
    int length;

    (void)arg;
    length = LOAD(go.length);
    STORE(go.slice[length], 1);
    STORE(go.length, length + 1);
    add(&go.y, 1);
    if (LOAD(go.y) == 2)
        ASSERT(LOAD(go.length) == 2);
    return 0;
}
KERNEL(two_append, appends, appends)

/* Made at the first use, by each who finds it missing. */
TASK(makes_once)
{
    (void)arg;
    if (LOAD(go.x) == 0) {
        STORE(go.x, 1);
        ASSERT(add(&go.y, 1) == 1);
    }
    return 0;
}
KERNEL(made_twice, makes_once, makes_once)

/* Seen to be ready before it is. */
TASK(publishes)
{
    (void)arg;
    STORE(go.ready, 1);
    STORE(go.x, 7);
    return 0;
}

TASK(looks)
{
    (void)arg;
    if (LOAD(go.ready))
        ASSERT(LOAD(go.x) == 7);
    return 0;
}
KERNEL(ready_too_soon, publishes, looks)

/* Used after it was set to nil. */
TASK(uses_if_there)
{
    (void)arg;
    if (LOAD(go.freed) == 0)
        ASSERT(LOAD(go.freed) == 0);
    return 0;
}

TASK(sets_to_nil)
{
    (void)arg;
    LOCK(go.a);
    STORE(go.freed, 1);
    UNLOCK(go.a);
    return 0;
}
KERNEL(nil_after_look, uses_if_there, sets_to_nil)

/* A loop's variable is shared by what the loop has started. */
TASK(loop_variable)
{
    int seen;

    (void)arg;
    seen = LOAD(go.x);
    ASSERT(swap_if(&go.slice[seen], 0, 1));
    return 0;
}

TASK(loop_goes_on)
{
    (void)arg;
    STORE(go.x, 1);
    return 0;
}
KERNEL(loop_variable_shared, loop_variable, loop_goes_on, loop_variable)

/* A counter is read without the lock under which it is counted. */
TASK(counts)
{
    (void)arg;
    LOCK(go.a);
    ADD(go.x, 1);
    ADD(go.y, 1);
    UNLOCK(go.a);
    return 0;
}

TASK(compares)
{
    (void)arg;
    ASSERT(LOAD(go.x) == LOAD(go.y));
    return 0;
}
KERNEL(counters_read_unlocked, counts, counts, compares)

/* What was sent is changed after the send. */
TASK(sends_then_changes)
{
    (void)arg;
    STORE(go.x, 1);
    SEND(go.c, 1);
    STORE(go.x, 2);
    return 0;
}

TASK(receives_and_reads)
{
    (void)arg;
    RECEIVE(go.c);
    ASSERT(LOAD(go.x) == 1);
    return 0;
}
KERNEL(changed_after_send, sends_then_changes, receives_and_reads)

#define RACES(name)                                  \
    {                                                \
        "Go/" #name, name, BUG, 1000, "", "", "", "" \
    }

const struct bug bugs_go_races[] = {RACES(map_two_writers),      RACES(map_read_unlocked),
                                    RACES(two_append),           RACES(made_twice),
                                    RACES(ready_too_soon),       RACES(nil_after_look),
                                    RACES(loop_variable_shared), RACES(counters_read_unlocked),
                                    RACES(changed_after_send),   {0}};
