/* iter.c - iterators over arrays, queues and other iterators. */
#include <thrum/iter.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <thrum/fault.h>
#include <thrum/queue.h>

static thrum_iter iter_of(int (*next)(thrum_iter *, void *), int (*close)(thrum_iter *, int),
                          size_t item_bytes)
{
    thrum_iter iter = {next, close, item_bytes};

    return iter;
}

/* There is nothing to close. */
static int leave_it(thrum_iter *iter, int status)
{
    (void)iter;
    return status;
}

static void copy(void *to, const void *from, size_t bytes)
{
    if (bytes)
        memcpy(to, from, bytes);
}

/* ---- where values come from ------------------------------------------------------------------ */

static int array_next(thrum_iter *iter, void *item)
{
    thrum_array_iter *array = (thrum_array_iter *)iter;

    if (array->left == 0)
        return 0;
    copy(item, array->at, iter->item_bytes);
    array->at += iter->item_bytes;
    array->left--;
    return 1;
}

thrum_iter *thrum_iter_array(thrum_array_iter *array, const void *items, size_t n,
                             size_t item_bytes)
{
    array->iter = iter_of(array_next, leave_it, item_bytes);
    array->at = (const unsigned char *)items;
    array->left = n;
    return &array->iter;
}

static int queue_next(thrum_iter *iter, void *item)
{
    int status = thrum_queue_get(((thrum_queue_iter *)iter)->queue, item);

    return status == THRUM_ESHUTDOWN ? 0 : status < 0 ? status : 1;
}

thrum_iter *thrum_iter_queue(thrum_queue_iter *iter, thrum_queue *queue, size_t item_bytes)
{
    iter->iter = iter_of(queue_next, leave_it, item_bytes);
    iter->queue = queue;
    return &iter->iter;
}

/* ---- what is made of them -------------------------------------------------------------------- */

static int map_next(thrum_iter *iter, void *item)
{
    const thrum_map_iter *map = (const thrum_map_iter *)iter;
    int status = thrum_iter_next(map->source, map->room);

    if (status == 1) {
        status = map->fn(map->room, item, map->arg);
        status = status < 0 ? status : 1;
    }
    return status;
}

static int map_close(thrum_iter *iter, int status)
{
    return thrum_iter_close(((thrum_map_iter *)iter)->source, status);
}

thrum_iter *thrum_iter_map(thrum_map_iter *map, thrum_iter *source, void *room,
                           thrum_iter_map_fn fn, void *arg, size_t item_bytes)
{
    map->iter = iter_of(map_next, map_close, item_bytes);
    map->source = source;
    map->fn = fn;
    map->arg = arg;
    map->room = room;
    return &map->iter;
}

static int filter_next(thrum_iter *iter, void *item)
{
    const thrum_filter_iter *filter = (const thrum_filter_iter *)iter;
    int status;

    while ((status = thrum_iter_next(filter->source, item)) == 1) {
        int kept = filter->fn(item, filter->arg);

        if (kept)
            return kept < 0 ? kept : 1;
    }
    return status;
}

static int filter_close(thrum_iter *iter, int status)
{
    return thrum_iter_close(((thrum_filter_iter *)iter)->source, status);
}

thrum_iter *thrum_iter_filter(thrum_filter_iter *filter, thrum_iter *source,
                              thrum_iter_filter_fn fn, void *arg)
{
    filter->iter = iter_of(filter_next, filter_close, source->item_bytes);
    filter->source = source;
    filter->fn = fn;
    filter->arg = arg;
    return &filter->iter;
}

static int take_next(thrum_iter *iter, void *item)
{
    thrum_take_iter *take = (thrum_take_iter *)iter;
    int status = take->left ? thrum_iter_next(take->source, item) : 0;

    if (status == 1)
        take->left--;
    return status;
}

static int take_close(thrum_iter *iter, int status)
{
    return thrum_iter_close(((thrum_take_iter *)iter)->source, status);
}

thrum_iter *thrum_iter_take(thrum_take_iter *take, thrum_iter *source, size_t n)
{
    take->iter = iter_of(take_next, take_close, source->item_bytes);
    take->source = source;
    take->left = n;
    return &take->iter;
}

static int batch_next(thrum_iter *iter, void *item)
{
    thrum_batch_iter *batch = (thrum_batch_iter *)iter;
    size_t bytes = batch->source->item_bytes;
    thrum_batch *out = (thrum_batch *)item;
    int status = 1;

    while (batch->count < batch->most && status == 1) {
        status = thrum_iter_next(batch->source, batch->room + batch->count * bytes);
        batch->count += status == 1;
    }
    if (status < 0 || batch->count == 0)
        return status < 0 ? status : 0;
    out->items = batch->room;
    out->n = batch->count;
    batch->count = 0;
    return 1;
}

static int batch_close(thrum_iter *iter, int status)
{
    return thrum_iter_close(((thrum_batch_iter *)iter)->source, status);
}

thrum_iter *thrum_iter_batch(thrum_batch_iter *batch, thrum_iter *source, void *room, size_t n)
{
    batch->iter = iter_of(batch_next, batch_close, sizeof(thrum_batch));
    batch->source = source;
    batch->room = (unsigned char *)room;
    batch->most = n;
    batch->count = 0;
    return &batch->iter;
}

/* ---- where they go --------------------------------------------------------------------------- */

struct vector {
    unsigned char *items;
    size_t n;
    size_t room;
};

static bool vector_grow(struct vector *vector, size_t bytes)
{
    size_t room = vector->room ? 2 * vector->room : 16;
    void *items = NULL;

    if (bytes <= SIZE_MAX / room && !thrum_fault(THRUM_FAULT_MEMORY)) /* the user will free it */
        items = realloc(vector->items, bytes ? room * bytes : 1);
    if (!items)
        return false;
    vector->items = (unsigned char *)items;
    vector->room = room;
    return true;
}

static int collect(thrum_iter *iter, struct vector *vector)
{
    int status = 1;

    while (status == 1) {
        if (vector->n == vector->room && !vector_grow(vector, iter->item_bytes))
            return -ENOMEM;
        status = thrum_iter_next(iter, vector->items + vector->n * iter->item_bytes);
        vector->n += status == 1;
    }
    return status;
}

int thrum_iter_collect(thrum_iter *iter, void **items, size_t *n)
{
    struct vector vector = {NULL, 0, 0};
    int status = thrum_iter_close(iter, collect(iter, &vector));

    if (status < 0) {
        free(vector.items);
        vector.items = NULL;
        vector.n = 0;
    }
    *items = vector.items;
    *n = vector.n;
    return status;
}
