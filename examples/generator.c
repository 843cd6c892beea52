/*
 * generator.c - streaming: a paginator as a generator, lines made of its pages by another one,
 * filtered, and collected in batches; a loop that has had enough closes all of them there and then.
 *
 * Prints:
 *     fetching page 1
 *     apple
 *     avocado
 *     fetching page 2
 *     apricot
 *     enough: the connection is closed
 *     fetching page 1
 *     fetching page 2
 *     batch of 4: apple pear avocado plum
 *     fetching page 3
 *     the connection is closed
 *     batch of 3: cherry apricot fig
 */
#include <stdio.h>

#include <thrum/macros.h>
#include <thrum/thrum.h>

enum { PER_PAGE = 3, BATCH = 4 };

static const char *const fruit[] = {"apple", "pear", "avocado", "plum", "cherry", "apricot", "fig"};
static const size_t n_fruit = sizeof fruit / sizeof fruit[0];

struct page {
    const char *names[PER_PAGE];
    size_t n;
};

struct api {
    const char *why; /* the connection is closed */
};

static int fetch(size_t number, struct page *page)
{
    printf("fetching page %zu\n", number);
    page->n = 0;
    for (size_t i = (number - 1) * PER_PAGE; i < n_fruit && page->n < PER_PAGE; i++)
        page->names[page->n++] = fruit[i];
    return thrum_sleep(thrum_us(10));
}

/* A page each time, until one is not full. A connection is open meanwhile. */
static int pages(thrum_generator *generator, void *arg)
{
    const struct api *api = arg;
    struct page page = {.n = PER_PAGE};
    int status = 0;

    for (size_t number = 1; !status && page.n == PER_PAGE; number++) {
        status = fetch(number, &page);
        if (!status)
            status = thrum_generator_yield(generator, &page);
    }
    printf("%sthe connection is closed\n", status == THRUM_ECLOSED ? api->why : "");
    return status;
}

/* Name by name what the pages have. */
static int names(thrum_generator *generator, void *arg)
{
    thrum_generator source;
    int status = thrum_generator_open(&source, pages, arg, sizeof(struct page));

    if (status)
        return status;
    THRUM_FOREACH (struct page, page, &source.iter, status)
        for (size_t i = 0; i < page.n && !status; i++)
            status = thrum_generator_yield(generator, &page.names[i]);
    return status;
}

static int begins_with_a(const void *item, void *arg)
{
    (void)arg;
    return (*(const char *const *)item)[0] == 'a';
}

static int print_some(struct api *api)
{
    thrum_generator generator;
    thrum_filter_iter filter;
    int left = 3;
    int status = thrum_generator_open(&generator, names, api, sizeof(const char *));

    if (status)
        return status;
    THRUM_FOREACH (const char *, name,
                   thrum_iter_filter(&filter, &generator.iter, begins_with_a, NULL), status) {
        printf("%s\n", name);
        if (--left == 0)
            break;
    }
    return status;
}

static int print_batches(struct api *api)
{
    const char *room[BATCH];
    thrum_generator generator;
    thrum_batch_iter batch;
    int status = thrum_generator_open(&generator, names, api, sizeof(const char *));

    if (status)
        return status;
    THRUM_FOREACH (thrum_batch, some, thrum_iter_batch(&batch, &generator.iter, room, BATCH),
                   status) {
        printf("batch of %zu:", some.n);
        for (size_t i = 0; i < some.n; i++)
            printf(" %s", room[i]);
        printf("\n");
    }
    return status;
}

static int root(void *arg)
{
    struct api api = {.why = "enough: "};
    int status = print_some(&api);

    (void)arg;
    return status ? status : print_batches(&api);
}

int main(void)
{
    return thrum_run(root, NULL, NULL, NULL) ? 1 : 0;
}
