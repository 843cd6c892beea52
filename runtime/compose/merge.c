/*
 * merge.c - the values of several iterators, as they come.
 *
 * Each source is asked by a task. What it has got it shows by pushing its node
 * onto a list, newest first, and setting an event; then it waits until that was
 * taken. So a node stands in the list once at most. Who asks takes the whole
 * list and turns it round. The event is cleared before the last look at the
 * list: either the look finds a node, or the set comes after the clear.
 *
 * A task that was cancelled may have nothing to show any more, or never have
 * run; so its end sets the event too. If it has ended, and then its node is
 * not in the list, that was its end.
 *
 * Edges
 *   merge.ready   show -> look   the node, and the value behind it
 */
#include <errno.h>
#include <string.h>

#include <thrum/detail/atomic.h>
#include <thrum/iter.h>
#include <thrum/scope.h>

/* ---- a source's task ------------------------------------------------------------------------- */

/* The last that is done to it, unless it has a value. */
static void show(thrum_merge_source *node)
{
    thrum_merge_iter *merge = node->merge;
    uint64_t newest = thrum_load_relaxed_64(&merge->ready); /* relaxed: a guess */

    do
        node->next = (thrum_merge_source *)(uintptr_t)newest;
    while (!thrum_cas_release_64(&merge->ready, &newest, (uint64_t)(uintptr_t)node));
    /* EDGE merge.ready */
    thrum_event_set(&merge->event);
}

static int ask(void *arg)
{
    thrum_merge_source *node = (thrum_merge_source *)arg;
    int status;

    do {
        int said = thrum_iter_next(node->source, node->item);

        status = said == THRUM_ECANCELED ? said : 0;
        node->error = said < 0 && !status ? thrum_fail_take(said) : NULL;
        node->status = said;
        show(node);
        if (said != 1)
            return status;
        status = thrum_sem_acquire(&node->taken, 1);
    } while (!status);
    return status;
}

static void ended(thrum_task *task, void *arg)
{
    (void)task;
    thrum_event_set(&((thrum_merge_source *)arg)->merge->event);
}

/* ---- who asks -------------------------------------------------------------------------------- */

static int begin(thrum_merge_iter *merge)
{
    for (; merge->begun < merge->n; merge->begun++) {
        thrum_merge_source *node = &merge->sources[merge->begun];
        int status = -EINVAL;

        if (node->source->item_bytes == merge->iter.item_bytes)
            status = thrum_group_spawn(merge->group, ask, node, NULL, &node->task);
        if (status)
            return status;
        thrum_task_on_end(node->task, &node->done, ended, node);
    }
    return 0;
}

/* All that have shown something since, the oldest first. True: there are some. */
static bool look(thrum_merge_iter *merge)
{
    uint64_t newest = thrum_exchange_acquire_64(&merge->ready, 0); /* EDGE merge.ready */
    thrum_merge_source *node = (thrum_merge_source *)(uintptr_t)newest;

    while (node) {
        thrum_merge_source *older = node->next;

        node->next = merge->taken;
        merge->taken = node;
        node = older;
    }
    return merge->taken != NULL;
}

/* One whose task has ended and that has not said so, unless it stands in the list; or NULL. */
static thrum_merge_source *find_ended(const thrum_merge_iter *merge)
{
    for (size_t i = 0; i < merge->n; i++)
        if (!merge->sources[i].over && thrum_task_ended(merge->sources[i].task, NULL))
            return &merge->sources[i];
    return NULL;
}

static void is_over(thrum_merge_iter *merge, thrum_merge_source *node)
{
    node->over = true;
    merge->left--;
}

static int wait_for_one(thrum_merge_iter *merge)
{
    while (!look(merge)) {
        thrum_merge_source *silent;
        int status;

        thrum_event_clear(&merge->event);
        silent = find_ended(merge);
        if (look(merge))
            return 0;
        if (silent)
            is_over(merge, silent);
        status = silent ? THRUM_ECANCELED : thrum_event_wait(&merge->event);
        if (status)
            return status;
    }
    return 0;
}

/* What the source has said becomes what we say. */
static int hand_out(thrum_merge_iter *merge, thrum_merge_source *node, void *item)
{
    int status = node->status;

    if (status == 1) {
        if (merge->iter.item_bytes)
            memcpy(item, node->item, merge->iter.item_bytes);
        thrum_sem_release(&node->taken, 1);
        return 1;
    }
    is_over(merge, node);
    if (status < 0)
        (void)thrum_fail_with(node->error);
    node->error = NULL;
    return status;
}

static int merge_next(thrum_iter *iter, void *item)
{
    thrum_merge_iter *merge = (thrum_merge_iter *)iter;
    int status = begin(merge);

    while (!status && merge->left) {
        thrum_merge_source *node;

        status = merge->taken ? 0 : wait_for_one(merge);
        if (status)
            return status;
        node = merge->taken;
        merge->taken = node->next;
        status = hand_out(merge, node, item);
    }
    return status;
}

/* ---- closing --------------------------------------------------------------------------------- */

/* Joined below a shield, it ends with nothing that would be to be told. */
static void end_tasks(thrum_merge_iter *merge)
{
    for (size_t i = 0; i < merge->begun; i++)
        (void)thrum_task_cancel(merge->sources[i].task, THRUM_ECLOSED, "no more is wanted");
    for (size_t i = 0; i < merge->begun; i++) {
        thrum_merge_source *node = &merge->sources[i];

        while (thrum_task_join(node->task, NULL) == -ENOMEM) /* it uses our memory */
            thrum_yield();
        (void)thrum_task_off_end(node->task, &node->done);
        thrum_task_unref(node->task);
        thrum_error_free(node->error);
        thrum_sem_destroy(&node->taken);
    }
}

static int merge_close(thrum_iter *iter, int status)
{
    thrum_merge_iter *merge = (thrum_merge_iter *)iter;
    thrum_shield shield;
    int cancelled;

    thrum_shield_begin(&shield);
    end_tasks(merge);
    for (size_t i = merge->n; i > 0; i--)
        status = thrum_iter_close(merge->sources[i - 1].source, status);
    cancelled = thrum_shield_end(&shield);
    thrum_event_destroy(&merge->event);
    return cancelled && status >= 0 ? cancelled : status;
}

thrum_iter *thrum_iter_merge(thrum_merge_iter *merge, thrum_group *group, thrum_merge_source *nodes,
                             thrum_iter *const *sources, size_t n, void *room)
{
    size_t bytes = n ? sources[0]->item_bytes : 0;
    thrum_sem none = THRUM_SEM_INIT(0);

    memset(merge, 0, sizeof *merge);
    merge->iter.next = merge_next;
    merge->iter.close = merge_close;
    merge->iter.item_bytes = bytes;
    merge->group = group;
    merge->sources = nodes;
    merge->n = n;
    merge->left = n;
    thrum_event_init(&merge->event);
    for (size_t i = 0; i < n; i++) {
        memset(&nodes[i], 0, sizeof nodes[i]);
        nodes[i].merge = merge;
        nodes[i].source = sources[i];
        nodes[i].item = (unsigned char *)room + i * bytes;
        nodes[i].taken = none;
    }
    return &merge->iter;
}
