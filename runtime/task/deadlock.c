/*
 * deadlock.c - all tasks wait and nothing can wake them; and who waits for what.
 *
 * The first time what is under way is cancelled, once. If all comes to rest
 * again and the same roots are still there, somebody does not listen, and the
 * process stops. When there is nothing more to happen sched/rest.c knows.
 *
 * The report walks the tree of fibers. While all are at rest it sees every
 * sleeper where it is; thrum_dump, while they go on, may miss those that come
 * and go.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "runtime/plat/memory.h"
#include "runtime/task/cycle.h"
#include "runtime/task/registry.h"
#include "runtime/task/task.h"
#include "runtime/task/walk.h"
#include "runtime/world/sim.h"

#define REPORTED SLEEPERS_MAX /* sleepers that a report lists; it says how many there are */
#define INDENT 40    /* levels; further down the number leads the line */

struct teller {
    int (*line)(void *arg, const char *text); /* not 0: stop */
    void *arg;
    bool still;           /* nothing moves: objects can be looked at */
    unsigned long most;   /* sleepers to show */
    unsigned long asleep; /* sleepers met */
    struct sim *sim;      /* the simulated world, or NULL */
    struct sleepers *met; /* they are kept here; or NULL */
    int err;
};

static void line(struct teller *teller, const char *text)
{
    if (!teller->err)
        teller->err = teller->line(teller->arg, text);
}

static void put_who(uint64_t who, char *text, size_t size)
{
    static const char *const kinds[] = {
        [KIND_CHILD] = "child", [KIND_BRANCH] = "branch", [KIND_ROOT] = "root task"};
    const struct thrum_child *child = pointer_of(who & ~(KIND_MASK | WHO_NAMED));

    if ((who & KIND_MASK) == KIND_TASK)
        thrum_task_tell(container_of(child, const struct thrum_task, child), who & WHO_NAMED, text,
                        size);
    else
        snprintf(text, size, "%s %p", kinds[who & KIND_MASK], (const void *)child);
}

static void put_what(const struct strand_sleep *sleep, bool still, char *text, size_t size)
{
    if (!sleep->what || !(sleep->what->what || sleep->what->tell))
        snprintf(text, size, "something");
    else if (sleep->what->tell)
        sleep->what->tell(sleep->object, still, text, size);
    else
        snprintf(text, size, "%s %p", sleep->what->what, sleep->object);
}

/* In a simulated world a task has a path, by which a history calls it. */
static bool put_path(const struct teller *teller, const struct strand *strand, char *text,
                     size_t size)
{
    const struct player *player = teller->sim ? fiber_of(strand)->player : NULL;

    return player && thrum_player_path(player, text, size) < size;
}

static void keep(struct teller *teller, unsigned depth, struct strand *strand,
                 const struct strand_sleep *sleep)
{
    struct sleeper *sleeper;

    if (!teller->met || teller->met->count == SLEEPERS_MAX)
        return;
    sleeper = &teller->met->all[teller->met->count++];
    *sleeper = (struct sleeper){.strand = strand, .sleep = *sleep, .depth = depth};
    if (!put_path(teller, strand, sleeper->name, sizeof sleeper->name))
        put_who(sleep->who, sleeper->name, sizeof sleeper->name);
}

static void tell(struct teller *teller, unsigned depth, struct strand *strand,
                 const struct strand_sleep *sleep)
{
    char who[64], what[128], text[384], level[16] = "", path[32] = "";

    if (teller->asleep++ >= teller->most)
        return;
    keep(teller, depth, strand, sleep);
    put_who(sleep->who, who, sizeof who);
    if (!put_path(teller, strand, path, sizeof path))
        path[0] = '\0';
    put_what(sleep, teller->still, what, sizeof what);
    if (depth > INDENT)
        snprintf(level, sizeof level, "%u: ", depth);
    snprintf(text, sizeof text, "%*s%s%s%s%s waits for %s",
             2 * (int)(depth > INDENT ? INDENT : depth), "", level, path, path[0] ? ": " : "", who,
             what);
    line(teller, text);
}

static void tell_all(struct teller *teller, struct thrum_runtime *runtime)
{
    struct strand *strand = &runtime->place.strand;
    struct walk walk;

    thrum_walk_begin(&walk, strand, load_relaxed(&strand->life), 0); /* relaxed: constant */
    while (!teller->err && (strand = thrum_walk_next(&walk)) != NULL) {
        uint64_t life = load_acquire(&strand->life); /* EDGE strand.life */
        struct strand_sleep sleep;

        if (!thrum_walk_holds(&walk, strand, 0))
            continue;
        if (thrum_strand_sleep(strand, &sleep))
            tell(teller, walk_depth(&walk), strand, &sleep);
        if (load_acquire(&strand->tiers) && /* EDGE strand.tier */
            thrum_walk_stands_here(&walk, strand))
            thrum_walk_descend(&walk, strand, life);
    }
    if (walk.lost)
        line(teller, "  tasks have ended meanwhile; others may be missing here");
}

/* ---- all at rest ----------------------------------------------------------------------------- */

static int write_line(int fd, const char *text)
{
    char whole[400];
    size_t length = (size_t)snprintf(whole, sizeof whole, "%s\n", text);

    for (size_t done = 0; done < length;) {
        ssize_t wrote = write(fd, whole + done, length - done);
        int err = wrote < 0 ? -errno : 0;

        if (err && err != -EINTR)
            return err;
        done += err ? 0 : (size_t)wrote;
    }
    return 0;
}

static int to_descriptor(void *arg, const char *text)
{
    return write_line(*(const int *)arg, text);
}

static int to_hook(void *arg, const char *text)
{
    const thrum_options *options = arg;

    options->report(text, options->context);
    return 0;
}

static int standard_error = STDERR_FILENO;

void thrum_runtime_say(struct thrum_runtime *runtime, const char *text)
{
    if (runtime->options.report)
        (void)to_hook(&runtime->options, text);
    else
        (void)to_descriptor(&standard_error, text);
}

static void tell_line(void *arg, const char *text)
{
    line(arg, text);
}

static void report(struct thrum_runtime *runtime, bool again)
{
    bool hook = runtime->options.report && !again;
    struct teller teller = {.line = hook ? to_hook : to_descriptor,
                            .arg = hook ? (void *)&runtime->options : &standard_error,
                            .still = true,
                            .most = REPORTED,
                            .sim = runtime->sim,
                            .met = thrum_memory_get(sizeof *teller.met, 16)};
    char text[128];

    line(&teller, again ? "thrum: deadlock: tasks that were cancelled for it wait again:"
                        : "thrum: deadlock: every task waits, and nothing can wake one:");
    tell_all(&teller, runtime);
    if (teller.asleep > teller.most) {
        snprintf(text, sizeof text, "  and %lu more; thrum_dump shows all",
                 teller.asleep - teller.most);
        line(&teller, text);
    }
    if (teller.met) {
        teller.met->sim = runtime->sim;
        thrum_cycle_tell(teller.met, tell_line, &teller);
    }
    thrum_memory_put(teller.met);
}

void thrum_stuck(struct scheduler *scheduler, uint64_t moment)
{
    struct thrum_runtime *runtime = runtime_of(scheduler);
    uint64_t foreign = load_relaxed(&scheduler->foreign); /* relaxed: a counter */
    bool again = !thrum_roots_stuck(runtime, moment);

    report(runtime, again);
    if (runtime->sim && load_relaxed(&scheduler->watches)) /* relaxed: nobody else is there */
        thrum_runtime_say(runtime, "  a simulated run waits for what comes from outside of the "
                                   "process, or from other threads, only while there is a hold "
                                   "(thrum_hold)");
    if (load_relaxed(&scheduler->foreign) != foreign) /* relaxed: a counter */
        thrum_panic("a thread that runs no task has woken one while a deadlock was reported; "
                    "take a hold first (thrum_hold)");
    if (again)
        thrum_panic("tasks do not end after they were cancelled for a deadlock; let them return "
                    "when a call returns THRUM_ECANCELED");
    thrum_roots_cancel(runtime, moment, THRUM_EDEADLOCK, "every task waits");
}

/* ---- at any time ----------------------------------------------------------------------------- */

static int dump(struct thrum_runtime *runtime, void *arg)
{
    struct teller teller = {.line = to_descriptor, .arg = arg, .most = ULONG_MAX};
    unsigned held = load_relaxed(&runtime->held) + load_relaxed(&runtime->held_loosely);
    /* relaxed: for show */
    const char *reason = pointer_of(load_relaxed(&runtime->hold_reason)); /* relaxed: likewise */
    char text[256];

    snprintf(text, sizeof text, "thrum: runtime %p, %d workers", (void *)runtime,
             thrum_runtime_workers(runtime));
    line(&teller, text);
    if (held) {
        snprintf(text, sizeof text, "  holds out: %u, the last one for: %s", held,
                 reason && reason[0] ? reason : "no reason given");
        line(&teller, text);
    }
    tell_all(&teller, runtime);
    return teller.err;
}

int thrum_dump(int fd)
{
    return thrum_registry_visit(dump, &fd);
}
