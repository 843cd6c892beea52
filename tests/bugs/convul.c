/*
 * convul.c - races of the Linux kernel and of Firefox that became CVEs, as small as ConVul tells
 * them, in our own words. To free is to write to the object, to use it is to read.
 */
#include "tests/bugs/kit.h"

enum { GONE = -1 };

static struct {
    thrum_mutex mutex, other;
    int a, b, c, d, memory, frees;
} s;

static int use(void)
{
    ASSERT(LOAD(s.memory) != GONE);
    return 0;
}

static int release(void)
{
    ASSERT(LOAD(s.memory) != GONE);
    STORE(s.memory, GONE);
    return 0;
}

#define CVE(name, ...)                \
    static int cve_##name(void *arg)  \
    {                                 \
        (void)arg;                    \
        memset(&s, 0, sizeof s);      \
        s.a = 1;                      \
        return TOGETHER(__VA_ARGS__); \
    }

/* A pipe is opened, while the last reader leaves and the inode loses it. */
static int pipe_open(void *arg)
{
    (void)arg;
    if (LOAD(s.a) == 0)
        return 0;
    LOCK(s.mutex);
    ASSERT(LOAD(s.a) != 0); /* what it points to is used here */
    ADD(s.b, 1);
    UNLOCK(s.mutex);
    return 0;
}

static int pipe_release(void *arg)
{
    (void)arg;
    LOCK(s.mutex);
    STORE(s.a, 0);
    UNLOCK(s.mutex);
    return 0;
}
CVE(2009_3547, pipe_open, pipe_release)

/* A scanner's cursor stands on a slot that another takes from the list. */
static int scan(void *arg)
{
    int slot = LOAD(s.a);

    (void)arg;
    if (slot == 0)
        return 0;
    LOCK(s.mutex);
    STORE(s.b, slot);
    UNLOCK(s.mutex);
    return use();
}

static int leave_list(void *arg)
{
    bool free_it;

    (void)arg;
    LOCK(s.mutex);
    free_it = LOAD(s.b) == 0;
    if (free_it)
        STORE(s.a, 0);
    UNLOCK(s.mutex);
    return free_it ? release() : 0;
}
CVE(2011_2183, scan, leave_list)

/* Two key rings are installed one after the other; whoever sees the first takes both for there. */
static int keyring_install(void *arg)
{
    (void)arg;
    if (LOAD(s.b) != 0) {
        ASSERT(LOAD(s.c) != 0);
        return 0;
    }
    LOCK(s.mutex);
    if (LOAD(s.b) == 0) {
        STORE(s.b, 1);
        STORE(s.c, 1);
    }
    UNLOCK(s.mutex);
    return 0;
}
CVE(2013_1792, keyring_install, keyring_install)

/* A key is looked at, and read after it was revoked. */
static int key_read(void *arg)
{
    (void)arg;
    if (LOAD(s.b) != 0) /* revoked */
        return 0;
    LOCK(s.mutex);
    ASSERT(LOAD(s.a) != 0); /* its payload */
    UNLOCK(s.mutex);
    return 0;
}

static int key_revoke(void *arg)
{
    (void)arg;
    LOCK(s.mutex);
    STORE(s.b, 1);
    STORE(s.a, 0);
    UNLOCK(s.mutex);
    return 0;
}
CVE(2015_7550, key_read, key_revoke)

/* Each user of a library counts itself in, and the last one out frees the lock the next one waits for. */
static int once_user(void *arg)
{
    (void)arg;
    if (add(&s.b, 1) == 1)
        STORE(s.memory, 1); /* made by the first */
    else
        DO(use());
    LOCK(s.mutex);
    if (LOAD(s.c) == 0) {
        ADD(s.d, 1);
        STORE(s.c, 1);
    }
    UNLOCK(s.mutex);
    if (add(&s.b, -1) == 0)
        return release();
    return 0;
}
CVE(2016_1972, once_user, once_user)

/* Two let go of one thing, each after looking whether it is there. */
static int drop(void *arg)
{
    (void)arg;
    if (LOAD(s.a) == 0)
        return 0;
    DO(release());
    STORE(s.a, 0);
    return 0;
}
CVE(2016_1973, drop, drop)

/* The priority of a task is asked for, while it exits. */
static int priority_get(void *arg)
{
    (void)arg;
    if (LOAD(s.a) == 0)
        return 0;
    return use();
}

static int task_exit(void *arg)
{
    (void)arg;
    LOCK(s.mutex);
    STORE(s.a, 0);
    UNLOCK(s.mutex);
    return release();
}
CVE(2016_7911, priority_get, task_exit)

/* A dump ends; before its buffer is freed another begins, and frees what it finds. */
static int dump(void *arg)
{
    int buffer;

    (void)arg;
    LOCK(s.mutex);
    if (LOAD(s.b)) { /* it runs already */
        UNLOCK(s.mutex);
        return 0;
    }
    STORE(s.b, 1);
    UNLOCK(s.mutex);
    LOCK(s.mutex);
    STORE(s.b, 0);
    UNLOCK(s.mutex);
    buffer = LOAD(s.a);
    if (buffer) {
        ASSERT(add(&s.frees, 1) == 1);
        STORE(s.a, 0);
    }
    return 0;
}
CVE(2016_9806, dump, dump)

/* A port is put into the list before it has its name; another client deletes it. */
static int port_create(void *arg)
{
    (void)arg;
    LOCK(s.mutex);
    STORE(s.b, 1);
    UNLOCK(s.mutex);
    DO(use());
    STORE(s.c, 1);
    return 0;
}

static int port_delete(void *arg)
{
    int found;

    (void)arg;
    LOCK(s.mutex);
    found = LOAD(s.b);
    STORE(s.b, 0);
    UNLOCK(s.mutex);
    return found ? release() : 0;
}
CVE(2017_15265, port_create, port_delete)

/* A socket joins a fan-out, while its hook is being taken away and all that it had freed. */
static int fanout_add(void *arg)
{
    (void)arg;
    if (LOAD(s.a) == 0) /* running */
        return 0;
    LOCK(s.mutex);
    STORE(s.b, 1);
    UNLOCK(s.mutex);
    return use();
}

static int fanout_unregister(void *arg)
{
    (void)arg;
    LOCK(s.other);
    STORE(s.a, 0);
    UNLOCK(s.other);
    LOCK(s.mutex);
    if (LOAD(s.b)) {
        UNLOCK(s.mutex);
        return release();
    }
    UNLOCK(s.mutex);
    return 0;
}
CVE(2017_6346, fanout_add, fanout_unregister)

#define ROW(name, number, pct, pos, surw)                                \
    {                                                                    \
        "ConVul/CVE-" name, cve_##number, BUG, 10000, pct, pos, surw, "" \
    }

const struct bug bugs_convul[] = {ROW("2009-3547", 2009_3547, "4", "3", "4"),
                                  ROW("2011-2183", 2011_2183, "5", "2", "3"),
                                  ROW("2013-1792", 2013_1792, "95", "39", "15"),
                                  ROW("2015-7550", 2015_7550, "9", "6", "6"),
                                  ROW("2016-1972", 2016_1972, "4902 (16)", "34", "11"),
                                  ROW("2016-1973", 2016_1973, "10", "5", "5"),
                                  ROW("2016-7911", 2016_7911, "20", "11", "8"),
                                  ROW("2016-9806", 2016_9806, "7", "7", "3"),
                                  ROW("2017-15265", 2017_15265, "never", "never", "never"),
                                  ROW("2017-6346", 2017_6346, "24", "10", "15"),
                                  {0}};
