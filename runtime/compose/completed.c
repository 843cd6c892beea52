/*
 * completed.c - tasks as they end.
 *
 * Each task that ends pushes its node onto a list, newest first, and sets an
 * event. Who hands them out takes the whole list and turns it round. The event
 * is cleared before the last look at the list, so that who waits for it then
 * misses none: either the look finds the node, or the set comes after the
 * clear.
 *
 * Edges
 *   completed.arrived   arrive -> take   the node's next
 */
#include <thrum/completed.h>

#include <errno.h>

#include <thrum/detail/atomic.h>

/* A task has ended. Until this has returned, thrum_completed_end does not. */
static void arrive(thrum_task *task, void *arg)
{
    thrum_completion *node = (thrum_completion *)arg;
    thrum_completed *all = node->all;
    uint64_t newest = thrum_load_relaxed_64(&all->arrived); /* relaxed: a guess */

    (void)task;
    do
        node->next = (thrum_completion *)(uintptr_t)newest;
    while (!thrum_cas_release_64(&all->arrived, &newest, (uint64_t)(uintptr_t)node));
    /* EDGE completed.arrived */
    thrum_event_set(&all->event);
}

/* ---- beginning and ending -------------------------------------------------------------------- */

static size_t hash(const thrum_task *task, size_t n)
{
    uint64_t mixed = (uint64_t)(uintptr_t)task * 0x9E3779B97F4A7C15u; /* Fibonacci hashing */

    return (size_t)(mixed >> 32) % n;
}

/* Nodes before this one are entered. True: so is its task. */
static bool enter(thrum_completed *all, thrum_completion *node)
{
    thrum_completion *chain = &all->nodes[hash(node->task, all->n)];

    for (const thrum_completion *other = chain->head; other; other = other->same)
        if (other->task == node->task)
            return true;
    node->same = chain->head;
    chain->head = node;
    return false;
}

void thrum_completed_begin(thrum_completed *all, thrum_completion *nodes,
                           thrum_task *const *tasks, size_t n)
{
    thrum_event_init(&all->event);
    all->arrived = 0;
    all->ready = NULL;
    all->nodes = nodes;
    all->n = n;
    all->left = 0;
    for (size_t i = 0; i < n; i++) {
        nodes[i].all = all;
        nodes[i].task = tasks[i];
        nodes[i].head = NULL;
    }
    for (size_t i = 0; i < n; i++) {
        if (enter(all, &nodes[i]))
            nodes[i].task = NULL;
        else
            all->left++;
    }
    for (size_t i = 0; i < n; i++)
        if (nodes[i].task)
            thrum_task_on_end(nodes[i].task, &nodes[i].done, arrive, &nodes[i]);
}

void thrum_completed_end(thrum_completed *all)
{
    for (size_t i = 0; i < all->n; i++)
        if (all->nodes[i].task)
            (void)thrum_task_off_end(all->nodes[i].task, &all->nodes[i].done);
    thrum_event_destroy(&all->event);
    all->n = 0;
    all->left = 0;
}

/* ---- handing out ----------------------------------------------------------------------------- */

/* All that have ended since, the oldest first. True: there are some. */
static bool take(thrum_completed *all)
{
    uint64_t newest = thrum_exchange_acquire_64(&all->arrived, 0); /* EDGE completed.arrived */
    thrum_completion *node = (thrum_completion *)(uintptr_t)newest;

    while (node) {
        thrum_completion *older = node->next;

        node->next = all->ready;
        all->ready = node;
        node = older;
    }
    return all->ready != NULL;
}

static int wait_for_one(thrum_completed *all)
{
    while (!take(all)) {
        int status;

        thrum_event_clear(&all->event);
        if (take(all))
            return 0;
        status = thrum_event_wait(&all->event);
        if (status)
            return status;
    }
    return 0;
}

int thrum_completed_next(thrum_completed *all, thrum_task **task)
{
    if (all->left == 0)
        return -ENOENT;
    if (!all->ready) {
        int status = wait_for_one(all);

        if (status)
            return status;
    }
    *task = all->ready->task;
    all->ready = all->ready->next;
    all->left--;
    return 0;
}
