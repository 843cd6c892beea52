/*
 * pool_model.c - the store of batches (runtime/work/pool.c) in the explorer.
 *
 * Oracle: no item is held by two, none is lost, and who gets one sees what
 * was written before it was given away. Caches of one item, so that every get
 * and flush goes to the store, and heads come back.
 */
#include "runtime/work/pool.h"

#include <string.h>

enum { ITEMS = 4, CACHES = 3 };

static struct pool_store store;
static struct pool_cache caches[CACHES];
static struct object {
    struct pool_item item;
    uint64_t content;
    int holder; /* -1: in the pool */
} objects[ITEMS];

static void give(struct pool_cache *cache, struct object *object)
{
    MODEL_CHECK(object->holder == model_self());
    object->holder = -1;
    model_write(&object->content, (uint64_t)(object - objects));
    model_plain(MODEL_SITE("plain next", MODEL_RELAXED), &object->item.next, true);
    thrum_pool_put(cache, &object->item);
}

static struct object *get(struct pool_cache *cache)
{
    struct pool_item *item = thrum_pool_get(cache);
    struct object *object;

    if (!item)
        return NULL;
    object = container_of(item, struct object, item);
    MODEL_CHECK(object >= objects && object < objects + ITEMS);
    model_plain(MODEL_SITE("plain next", MODEL_RELAXED), &object->item.next, false);
    MODEL_CHECK(model_read(&object->content) == (uint64_t)(object - objects));
    MODEL_CHECK(object->holder == -1);
    object->holder = model_self();
    return object;
}

static void put_in_store(struct pool_cache *cache, struct object *object)
{
    give(cache, object);
    thrum_pool_flush(cache);
}

static void begin_with(int count)
{
    memset(&store, 0, sizeof(store));
    memset(caches, 0, sizeof(caches));
    model_name(&store.head.lo, "head");
    model_name(&store.head.hi, "version");
    for (int i = 0; i < CACHES; i++)
        caches[i].store = &store;
    for (int i = 0; i < ITEMS; i++) {
        memset(&objects[i], 0, sizeof(objects[i]));
        objects[i].holder = i < count ? -1 : i - count;
        objects[i].content = (uint64_t)i;
        if (i < count) {
            thrum_pool_put(&caches[0], &objects[i].item);
            thrum_pool_flush(&caches[0]);
        }
    }
}
static void begin_0(void) { begin_with(0); }
static void begin_2(void) { begin_with(2); }

static void check(void)
{
    int found = 0, held = 0;

    for (int i = 0; i < CACHES; i++)
        thrum_pool_flush(&caches[i]);
    for (int i = 0; i < ITEMS; i++)
        held += objects[i].holder >= 0;
    while (get(&caches[0]))
        found++;
    MODEL_CHECK(found + held == ITEMS);
}

/* Thread n owns object n where none is in the pool, and cache n. */
static void put_own(void) { put_in_store(&caches[model_self()], &objects[model_self()]); }
static void get_one(void) { get(&caches[model_self()]); }
static void get_two(void) { get_one(); get_one(); }

/* Takes the head away and brings it back in front of another. */
static void again(void)
{
    struct pool_cache *cache = &caches[model_self()];
    struct object *first = get(cache), *second = get(cache);

    if (first)
        put_in_store(cache, first);
    (void)second; /* kept */
}

#define T(text, start, ...) {text, start, {__VA_ARGS__}, check, 0, 0, false}

static const struct model models[] = {
    T("put and get", begin_0, put_own, get_one),
    T("put and put", begin_0, put_own, put_own),
    T("get and get", begin_2, get_two, get_one),
    T("a head that comes back", begin_2, again, get_one),
    T("three", begin_0, put_own, put_own, get_two),
    T("three again", begin_2, again, get_one, get_one),
};

int main(int argc, char **argv)
{
    static const char *const subjects[] = {"runtime/work/pool.", NULL};

    return model_main(argc, argv, models, sizeof(models) / sizeof(*models), subjects);
}
