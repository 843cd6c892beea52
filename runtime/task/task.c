/*
 * task.c - tasks in the runtime's memory, with a handle and a name.
 *
 * They come from chunks that live as long as the runtime, through a pool.
 *
 * Edges
 *   task.ended       thrum_task_end -> thrum_task_ended   the status
 *   task.reference   unref -> unref, end                  all use before the memory is reused
 */
#include <errno.h>
#include <string.h>

#include "runtime/plat/memory.h"
#include "runtime/base/point.h"
#include "runtime/task/task.h"

#define CHUNK_TASKS 64

struct chunk {
    uint64_t older; /* struct chunk * */
    struct thrum_task tasks[CHUNK_TASKS];
};

static struct thrum_task *carve(struct thrum_runtime *runtime, struct pool_cache *cache)
{
    struct chunk *chunk = thrum_memory_get(sizeof *chunk, CACHE_LINE);

    if (!chunk)
        return NULL;
    chunk->older = load_relaxed(&runtime->chunks); /* relaxed: a guess */
    while (!cas_acq_rel(&runtime->chunks, &chunk->older, word_of(chunk)))
        continue;
    for (unsigned i = 0; i < CHUNK_TASKS; i++) {
        chunk->tasks[i].store = &runtime->tasks;
        thrum_pool_put(cache, &chunk->tasks[i].item);
    }
    return container_of(thrum_pool_get(cache), struct thrum_task, item);
}

static struct thrum_task *task_new(struct worker *worker)
{
    struct thrum_runtime *runtime =
        container_of(worker->scheduler, struct thrum_runtime, scheduler);
    struct pool_item *item;

    worker->tasks.store = &runtime->tasks;
    item = thrum_pool_get(&worker->tasks);
    return item ? container_of(item, struct thrum_task, item) : carve(runtime, &worker->tasks);
}

int thrum_group_spawn(thrum_group *group, thrum_fn fn, void *arg, const thrum_task_options *options,
                      thrum_task **out)
{
    struct worker *worker = thrum_worker_self();
    bool owned = worker && group->owner == worker->deque.lane.current;
    struct thrum_task *task;
    int err;

    thrum_group_check_spawn(group);
    if (options && (options->size != sizeof *options || options->unused != 0))
        return -EINVAL;
    task = task_new(worker);
    if (!task)
        return -ENOMEM;
    task->child = (struct thrum_child){fn, arg, word_of(group) | KIND_TASK};
    task->references = out ? 2 : 1;
    task->ended = 0;
    task->name[0] = '\0';
    if (options && options->name)
        strncat(task->name, options->name, sizeof task->name - 1);
    if (owned)
        group->own++;
    else
        add_relaxed(&group->remote, 1); /* relaxed: a counter that cannot reach 0, we are in it */
    POINT("task.spawn");
    err = thrum_lane_push(&worker->deque.lane, task) ? 0 : thrum_worker_pushed();
    if (UNLIKELY(err)) {
        if (owned)
            group->own--;
        else
            add_relaxed(&group->remote, (uint64_t)-1); /* relaxed: likewise */
        thrum_pool_put(&worker->tasks, &task->item);
        return err;
    }
    if (out)
        *out = task;
    return 0;
}

void thrum_task_chunks_free(struct thrum_runtime *runtime)
{
    struct chunk *chunk = pointer_of(load_relaxed(&runtime->chunks)); /* relaxed: alone now */

    while (chunk) {
        struct chunk *older = pointer_of(chunk->older);

        thrum_memory_put(chunk);
        chunk = older;
    }
}

static void task_free(struct thrum_task *task)
{
    struct worker *worker = thrum_worker_self();

    if (worker && worker->tasks.store == task->store) {
        thrum_pool_put(&worker->tasks, &task->item);
    } else {
        struct pool_cache cache = {.store = task->store};

        thrum_pool_put(&cache, &task->item);
        thrum_pool_flush(&cache);
    }
}

void thrum_task_end(struct thrum_task *task, int status)
{
    task->status = status;
    if (load_acquire(&task->references) == 1) { /* EDGE task.reference: nobody else can look */
        task_free(task);
        return;
    }
    store_release(&task->ended, 1); /* EDGE task.ended */
    thrum_task_unref(task);
}

thrum_task *thrum_task_ref(thrum_task *task)
{
    add_relaxed(&task->references, 1); /* relaxed: the caller has one already */
    return task;
}

void thrum_task_unref(thrum_task *task)
{
    if (task && add_acq_rel(&task->references, (uint32_t)-1) == 1) /* EDGE task.reference */
        task_free(task);
}

bool thrum_task_ended(const thrum_task *task, int *status)
{
    if (!load_acquire(&task->ended)) /* EDGE task.ended */
        return false;
    if (status)
        *status = task->status;
    return true;
}

const char *thrum_task_name(const thrum_task *task)
{
    return task->name;
}
