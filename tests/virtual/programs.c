/*
 * programs.c - small programs that use the whole scheduler, and know what must have happened.
 */
#include "virtual/programs.h"

#include <stdlib.h>

#include <thrum/thrum.h>

#include "runtime/plat/poll.h"
#include "virtual/plat.h"

#define EXPECT(condition) \
    ((condition) ? (void)0 : machine_fail("%s:%d: not true: %s", __FILE__, __LINE__, #condition))

#define MANY 12

/* ---- each runs once -------------------------------------------------------------------------- */

struct counted {
    int runs[MANY];
    thrum_child children[MANY];
};

static int count(void *arg)
{
    ++*(int *)arg;
    return 0;
}

static int count_and_yield(void *arg)
{
    int status = thrum_yield();

    ++*(int *)arg;
    return status;
}

static int children(void *arg)
{
    struct counted counted = {{0}, {{0}}};
    int n = 1 + (int)machine_below(MANY);
    thrum_group group;

    (void)arg;
    EXPECT(thrum_group_open(&group, NULL) == 0);
    for (int i = 0; i < n; i++)
        EXPECT(thrum_group_spawn_child(&group, &counted.children[i],
                                       machine_below(2) ? count : count_and_yield,
                                       &counted.runs[i]) == 0);
    EXPECT(thrum_group_close(&group, 0, NULL) == 0);
    for (int i = 0; i < n; i++)
        EXPECT(counted.runs[i] == 1);
    return 0;
}

static int tree(void *arg)
{
    int depth = *(int *)arg - 1, left = depth, right = depth;
    thrum_branch branch;
    int status;

    if (depth < 0)
        return machine_below(4) ? 1 : (thrum_yield(), 1);
    status = thrum_fork(&branch, tree, &left);
    EXPECT(status == 0);
    status = tree(&right);
    return status + thrum_join(&branch, tree, &left);
}

static int branches(void *arg)
{
    int depth = 1 + (int)machine_below(4);
    int all = 1 << depth;

    (void)arg;
    EXPECT(tree(&depth) == all);
    return 0;
}

/* ---- waking ---------------------------------------------------------------------------------- */

struct talk {
    thrum_queue to, back;
    int rounds;
};

static int answer(void *arg)
{
    struct talk *talk = arg;

    for (int i = 0; i < talk->rounds; i++) {
        int item;

        EXPECT(thrum_queue_get(&talk->to, &item) == 0);
        EXPECT(item == i);
        EXPECT(thrum_queue_put(&talk->back, &item) == 0);
    }
    return 0;
}

static int ask(void *arg)
{
    struct talk *talk = arg;

    for (int i = 0; i < talk->rounds; i++) {
        int item = i;

        EXPECT(thrum_queue_put(&talk->to, &item) == 0);
        EXPECT(thrum_queue_get(&talk->back, &item) == 0);
        EXPECT(item == i);
    }
    return 0;
}

static int conversation(void *arg)
{
    struct talk talk = {.rounds = 1 + (int)machine_below(4)};
    thrum_queue_options options = THRUM_QUEUE_OPTIONS_INIT;
    thrum_child children[2];
    thrum_group group;

    (void)arg;
    options.limit = 1;
    EXPECT(thrum_queue_init(&talk.to, sizeof(int), &options) == 0);
    EXPECT(thrum_queue_init(&talk.back, sizeof(int), &options) == 0);
    EXPECT(thrum_group_open(&group, NULL) == 0);
    EXPECT(thrum_group_spawn_child(&group, &children[0], ask, &talk) == 0);
    EXPECT(thrum_group_spawn_child(&group, &children[1], answer, &talk) == 0);
    EXPECT(thrum_group_close(&group, 0, NULL) == 0);
    thrum_queue_destroy(&talk.to);
    thrum_queue_destroy(&talk.back);
    return 0;
}

struct gate {
    thrum_event event;
    int passed[MANY];
    struct at_gate {
        struct gate *gate;
        int *passed;
    } at[MANY];
};

static int pass(void *arg)
{
    struct at_gate *at = arg;

    EXPECT(thrum_event_wait(&at->gate->event) == 0);
    ++*at->passed;
    return 0;
}

static int let_pass(void *arg)
{
    int status = machine_below(2) ? thrum_yield() : 0;

    thrum_event_set(&((struct gate *)arg)->event);
    return status;
}

static int gates(void *arg)
{
    struct gate gate = {.event = THRUM_EVENT_INIT};
    int n = 1 + (int)machine_below(MANY);
    thrum_group group;

    (void)arg;
    EXPECT(thrum_group_open(&group, NULL) == 0);
    for (int i = 0; i < n; i++) {
        gate.at[i] = (struct at_gate){&gate, &gate.passed[i]};
        EXPECT(thrum_group_spawn(&group, pass, &gate.at[i], NULL, NULL) == 0);
    }
    EXPECT(thrum_group_spawn(&group, let_pass, &gate, NULL, NULL) == 0);
    EXPECT(thrum_group_close(&group, 0, NULL) == 0);
    for (int i = 0; i < n; i++)
        EXPECT(gate.passed[i] == 1);
    thrum_event_destroy(&gate.event);
    return 0;
}

/* ---- cancels, time --------------------------------------------------------------------------- */

struct sleepers {
    thrum_event never;
    int begun, ended;
};

static int sleep_for_ever(void *arg)
{
    struct sleepers *all = arg;
    int status;

    all->begun++;
    status = machine_below(2) ? thrum_event_wait(&all->never) : thrum_sleep(thrum_s(3600));
    all->ended++;
    return status;
}

static int cancels(void *arg)
{
    struct sleepers all = {.never = THRUM_EVENT_INIT};
    int n = 1 + (int)machine_below(6), yields = (int)machine_below(4);
    thrum_child children[6];
    thrum_group group;
    thrum_time begin = thrum_now();

    (void)arg;
    EXPECT(thrum_group_open(&group, NULL) == 0);
    for (int i = 0; i < n; i++)
        EXPECT(thrum_group_spawn_child(&group, &children[i], sleep_for_ever, &all) == 0);
    for (int i = 0; i < yields; i++)
        EXPECT(thrum_yield() == 0);
    thrum_group_cancel(&group, THRUM_ECANCELED, "enough");
    EXPECT(thrum_group_close(&group, 0, NULL) == 0);
    EXPECT(all.begun == all.ended);
    EXPECT(thrum_between(begin, thrum_now()) < thrum_s(3600));
    thrum_event_destroy(&all.never);
    return 0;
}

static int nap(void *arg)
{
    thrum_time end = thrum_in(thrum_us(1 + (int64_t)machine_below(20000)));

    EXPECT(thrum_sleep_until(end) == 0);
    EXPECT(thrum_between(end, thrum_now()) >= 0);
    ++*(int *)arg;
    return 0;
}

static int times(void *arg)
{
    struct counted counted = {{0}, {{0}}};
    int n = 1 + (int)machine_below(5);
    thrum_timeout timeout;
    thrum_event never = THRUM_EVENT_INIT;
    thrum_group group;

    (void)arg;
    EXPECT(thrum_group_open(&group, NULL) == 0);
    for (int i = 0; i < n; i++)
        EXPECT(thrum_group_spawn_child(&group, &counted.children[i], nap, &counted.runs[i]) == 0);
    EXPECT(thrum_timeout_begin(&timeout, thrum_ms(3)) == 0);
    EXPECT(thrum_timeout_end(&timeout, thrum_event_wait(&never)) == THRUM_ETIMEOUT);
    EXPECT(thrum_group_close(&group, 0, NULL) == 0);
    for (int i = 0; i < n; i++)
        EXPECT(counted.runs[i] == 1);
    thrum_event_destroy(&never);
    return 0;
}

/* ---- descriptors ----------------------------------------------------------------------------- */

static int wait_for_descriptor(void *arg)
{
    int fd = *(int *)arg;

    EXPECT(thrum_fd_wait(fd, THRUM_FD_READ) & THRUM_FD_READ);
    thrum_fd_closing(fd);
    return 0;
}

static void *outside(void *arg)
{
    int n = *(int *)arg;

    for (int fd = 0; fd < n; fd++) {
        for (uint64_t pauses = machine_below(400); pauses > 0; pauses--)
            machine_pause(MACHINE_SITE);
        virtual_set_ready(fd, POLL_READ);
    }
    return NULL;
}

static int descriptors(void *arg)
{
    int n = 1 + (int)machine_below(4), fds[4] = {0, 1, 2, 3}, runs[4] = {0};
    thrum_child children[4], others[4];
    unsigned thread = machine_thread(outside, &n, "outside");
    thrum_group group;

    (void)arg;
    EXPECT(thrum_group_open(&group, NULL) == 0);
    for (int i = 0; i < n; i++) {
        EXPECT(thrum_group_spawn_child(&group, &children[i], wait_for_descriptor, &fds[i]) == 0);
        EXPECT(thrum_group_spawn_child(&group, &others[i], count_and_yield, &runs[i]) == 0);
    }
    EXPECT(thrum_group_close(&group, 0, NULL) == 0);
    for (int i = 0; i < n; i++)
        EXPECT(runs[i] == 1);
    machine_join(thread);
    return 0;
}

/* ---- owners that never look ------------------------------------------------------------------ */

struct busy {
    int got;
    thrum_child child;
};

static int set(void *arg)
{
    *(volatile int *)arg = 1;
    return 0;
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* The child must be stolen, or given way to, for its owner never suspends before it has run. */
static int computes(void *arg)
{
    struct busy busy = {.got = 0};
    thrum_group group;

    (void)arg;
    EXPECT(thrum_group_open(&group, NULL) == 0);
    EXPECT(thrum_group_spawn_child(&group, &busy.child, set, &busy.got) == 0);
    while (!*(volatile int *)&busy.got) {
        thrum_branch branch;

        EXPECT(thrum_fork(&branch, nothing, NULL) == 0);
        EXPECT(thrum_join(&branch, nothing, NULL) == 0);
        (void)thrum_now();
    }
    EXPECT(thrum_group_close(&group, 0, NULL) == 0);
    return 0;
}

/* Runs on without a look at its worker until another task has set the word. */
static void spin_until(const int *word)
{
    while (!*(volatile const int *)word)
        machine_pause(MACHINE_SITE);
}

/* It never even joins: only by force can the child be had. */
static int is_silent(void *arg)
{
    struct busy busy = {.got = 0};
    thrum_group group;

    if (thrum_runtime_workers(thrum_runtime_self()) == 1)
        return computes(arg);
    EXPECT(thrum_group_open(&group, NULL) == 0);
    EXPECT(thrum_group_spawn_child(&group, &busy.child, set, &busy.got) == 0);
    spin_until(&busy.got);
    EXPECT(thrum_group_close(&group, 0, NULL) == 0);
    return 0;
}

struct woken {
    thrum_event event;
    int is;
};

static int is_woken(void *arg)
{
    struct woken *woken = arg;

    EXPECT(thrum_event_wait(&woken->event) == 0);
    return set(&woken->is);
}

/* What it has made ready must run elsewhere, and what has let it go first, too. */
static int wakes(void *arg)
{
    struct woken woken = {THRUM_EVENT_INIT, 0};
    thrum_child child;
    thrum_group group;

    if (thrum_runtime_workers(thrum_runtime_self()) == 1)
        return gates(arg);
    EXPECT(thrum_group_open(&group, NULL) == 0);
    EXPECT(thrum_group_spawn_child(&group, &child, is_woken, &woken) == 0);
    for (uint64_t yields = machine_below(4); yields > 0; yields--)
        EXPECT(thrum_yield() == 0);
    thrum_event_set(&woken.event);
    spin_until(&woken.is);
    EXPECT(thrum_group_close(&group, 0, NULL) == 0);
    thrum_event_destroy(&woken.event);
    return 0;
}

static int waits_for_its_owner(void *arg)
{
    spin_until(arg);
    return 0;
}

static int gives_way(void *arg)
{
    thrum_child child;
    thrum_group group;
    int word = 0;

    if (thrum_runtime_workers(thrum_runtime_self()) == 1)
        return gates(arg);
    EXPECT(thrum_group_open(&group, NULL) == 0);
    EXPECT(thrum_group_spawn_child(&group, &child, waits_for_its_owner, &word) == 0);
    EXPECT(thrum_yield() == 0);
    *(volatile int *)&word = 1;
    EXPECT(thrum_group_close(&group, 0, NULL) == 0);
    return 0;
}

/* ---- threads --------------------------------------------------------------------------------- */

struct visitor {
    thrum_runtime *runtime;
    int runs;
};

static void *visit(void *arg)
{
    struct visitor *visitor = arg;

    EXPECT(thrum_runtime_run(visitor->runtime, count_and_yield, &visitor->runs, NULL) == 0);
    return NULL;
}

/* Without keeping a worker from what that thread waits for. */
static void join_outside(unsigned thread)
{
    thrum_blocking blocking;

    EXPECT(thrum_blocking_begin(&blocking) >= 0);
    machine_join(thread);
    thrum_blocking_end(&blocking);
}

static int visitors(void *arg)
{
    struct visitor all[3];
    unsigned threads[3], n = 1 + (unsigned)machine_below(3);
    int runs = 0;
    thrum_child child;
    thrum_group group;

    (void)arg;
    EXPECT(thrum_group_open(&group, NULL) == 0);
    EXPECT(thrum_group_spawn_child(&group, &child, count_and_yield, &runs) == 0);
    for (unsigned i = 0; i < n; i++) {
        all[i] = (struct visitor){thrum_runtime_self(), 0};
        threads[i] = machine_thread(visit, &all[i], "visitor");
    }
    EXPECT(thrum_group_close(&group, 0, NULL) == 0);
    EXPECT(runs == 1);
    for (unsigned i = 0; i < n; i++) {
        join_outside(threads[i]);
        EXPECT(all[i].runs == 1);
    }
    return 0;
}

static int blocks(void *arg)
{
    for (int i = 0; i < 2; i++) {
        thrum_blocking blocking;

        EXPECT(thrum_blocking_begin(&blocking) >= 0);
        for (uint64_t pauses = machine_below(300); pauses > 0; pauses--)
            machine_pause(MACHINE_SITE);
        thrum_blocking_end(&blocking);
        EXPECT(thrum_yield() == 0);
    }
    ++*(int *)arg;
    return 0;
}

static int blocking(void *arg)
{
    struct counted counted = {{0}, {{0}}};
    int n = 1 + (int)machine_below(4);
    thrum_group group;

    (void)arg;
    EXPECT(thrum_group_open(&group, NULL) == 0);
    for (int i = 0; i < n; i++)
        EXPECT(thrum_group_spawn_child(&group, &counted.children[i],
                                       i % 2 ? count_and_yield : blocks, &counted.runs[i]) == 0);
    EXPECT(thrum_group_close(&group, 0, NULL) == 0);
    for (int i = 0; i < n; i++)
        EXPECT(counted.runs[i] == 1);
    return 0;
}

static void *resize(void *arg)
{
    for (int i = 0; i < 3; i++) {
        for (uint64_t pauses = machine_below(200); pauses > 0; pauses--)
            machine_pause(MACHINE_SITE);
        EXPECT(thrum_runtime_set_workers(arg, 1 + (int)machine_below(4)) == 0);
    }
    return NULL;
}

static int resizes(void *arg)
{
    struct counted counted = {{0}, {{0}}};
    unsigned thread = machine_thread(resize, thrum_runtime_self(), "controller");
    int n = (int)machine_below(MANY + 1), yields = (int)machine_below(20);
    thrum_group group;

    (void)arg;
    EXPECT(thrum_group_open(&group, NULL) == 0);
    for (int i = 0; i < n; i++)
        EXPECT(thrum_group_spawn_child(&group, &counted.children[i], i % 3 ? count_and_yield : nap,
                                       &counted.runs[i]) == 0);
    for (int i = 0; i < yields; i++)
        EXPECT(thrum_yield() == 0);
    EXPECT(thrum_group_close(&group, 0, NULL) == 0);
    for (int i = 0; i < n; i++)
        EXPECT(counted.runs[i] == 1);
    join_outside(thread);
    return 0;
}

const struct program programs[] = {
    {"children", children},         {"branches", branches},
    {"conversation", conversation}, {"gates", gates},
    {"cancels", cancels},           {"times", times},
    {"descriptors", descriptors},   {"computes", computes},
    {"silent", is_silent},          {"wakes", wakes},
    {"gives way", gives_way},       {"visitors", visitors},
    {"blocking", blocking},         {"resizes", resizes},
};
const unsigned programs_count = sizeof programs / sizeof programs[0];
