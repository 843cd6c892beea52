/*
 * sort_test.c - arrays come out sorted, in the order in which equal elements
 * came, on any number of workers; a cancel loses none of them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/atomic/verbs.h"
#include "workers.h"

static uint64_t seed = 88172645463325252u;

static uint32_t random_below(uint32_t n)
{
    seed ^= seed << 13; /* xorshift64 (Marsaglia 2003) */
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 32) % n;
}

#define UP(a, b) (*(a) < *(b))

THRUM_SORT(sort_numbers, uint32_t, UP)

static int by_number(const void *a, const void *b)
{
    uint32_t left, right;

    memcpy(&left, a, sizeof left);
    memcpy(&right, b, sizeof right);
    return left < right ? -1 : left > right;
}

/* ---- numbers ----------------------------------------------------------------------------------- */

enum shape { RANDOM, FEW, ASCENDING, DESCENDING, ORGAN_PIPE, SHAPES };

static uint32_t number_of(enum shape shape, size_t i, size_t n)
{
    switch (shape) {
    case FEW:
        return random_below(3);
    case ASCENDING:
        return (uint32_t)i;
    case DESCENDING:
        return (uint32_t)(n - i);
    case ORGAN_PIPE:
        return (uint32_t)(i < n / 2 ? i : n - i);
    default:
        return random_below(UINT32_MAX);
    }
}

static void check_numbers(enum shape shape, size_t n)
{
    uint32_t *numbers = malloc((n + 1) * sizeof *numbers);
    uint32_t *others = malloc((n + 1) * sizeof *others);

    for (size_t i = 0; i < n; i++)
        others[i] = numbers[i] = number_of(shape, i, n);
    numbers[n] = 0xabcdef;
    CHECK_EQ(sort_numbers(numbers, n), 0);
    CHECK_EQ(thrum_parallel_sort(others, n, sizeof *others, by_number), 0);
    for (size_t i = 1; i < n; i++)
        CHECK_LE(numbers[i - 1], numbers[i]);
    CHECK(memcmp(numbers, others, n * sizeof *numbers) == 0);
    CHECK_EQ(numbers[n], 0xabcdef);
    qsort(others, n, sizeof *others, by_number);
    CHECK(memcmp(numbers, others, n * sizeof *numbers) == 0);
    free(numbers);
    free(others);
}

static int numbers(void *arg)
{
    static const size_t sizes[] = {4095, 4096, 4097, 8192, 32767, 32768, 32769, 65537, 100003};

    (void)arg;
    for (int shape = 0; shape < SHAPES; shape++) {
        for (size_t n = 0; n < 50; n++)
            check_numbers((enum shape)shape, n);
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
            check_numbers((enum shape)shape, sizes[i]);
    }
    return 0;
}

TEST(numbers_come_out_sorted)
{
    run_everywhere(numbers, NULL);
}

static int one_large(void *arg)
{
    (void)arg;
    check_numbers(RANDOM, (size_t)many(1000000));
    return 0;
}

TEST(a_million_numbers)
{
    run_everywhere(one_large, NULL);
}

/* ---- stability, for elements of several sizes --------------------------------------------------- */

struct item {
    uint32_t key;
    uint32_t place;
    char rest[300];
};

#define BY_KEY(a, b) ((a)->key < (b)->key)

THRUM_SORT(sort_items, struct item, BY_KEY)

static int by_key(const void *a, const void *b)
{
    return by_number(a, b);
}

static void check_item(const struct item *item)
{
    for (size_t j = 0; j < sizeof item->rest; j++)
        CHECK_EQ((unsigned char)item->rest[j], item->place % 251);
}

static int large_items(void *arg)
{
    size_t n = (size_t)many(20000);
    struct item *items = calloc(n, sizeof *items);

    (void)arg;
    for (int typed = 0; typed < 2; typed++) {
        for (size_t i = 0; i < n; i++) {
            items[i].key = (uint32_t)(i * 7919 % 13);
            items[i].place = (uint32_t)i;
            memset(items[i].rest, (int)(items[i].place % 251), sizeof items[i].rest);
        }
        if (typed)
            CHECK_EQ(sort_items(items, n), 0);
        else
            CHECK_EQ(thrum_parallel_sort(items, n, sizeof *items, by_key), 0);
        for (size_t i = 0; i < n; i++) {
            CHECK(i == 0 || items[i - 1].key < items[i].key ||
                  (items[i - 1].key == items[i].key && items[i - 1].place < items[i].place));
            check_item(&items[i]);
        }
    }
    free(items);
    return 0;
}

TEST(equal_elements_keep_their_order)
{
    run_everywhere(large_items, NULL);
}

static int first_byte(const void *a, const void *b)
{
    return *(const unsigned char *)a - *(const unsigned char *)b;
}

/* The key in the first byte, then the place, in as many bytes as there are, of which 2 are enough. */
static int of_each_size(void *arg)
{
    size_t n = 30000;
    unsigned char *array = malloc(n * 24 + 1);

    (void)arg;
    for (size_t bytes = 3; bytes <= 24; bytes++) {
        unsigned char *at = array + bytes % 2; /* aligned or not */

        for (size_t i = 0; i < n; i++) {
            memset(at + i * bytes, 0, bytes);
            at[i * bytes] = (unsigned char)random_below(5);
            at[i * bytes + 1] = (unsigned char)(i >> 8);
            at[i * bytes + 2] = (unsigned char)i;
        }
        CHECK_EQ(thrum_parallel_sort(at, n, bytes, first_byte), 0);
        for (size_t i = 1; i < n; i++)
            CHECK(memcmp(at + (i - 1) * bytes, at + i * bytes, 3) < 0);
    }
    free(array);
    return 0;
}

TEST(elements_of_any_size_and_at_any_address)
{
    CHECK_EQ(run_with(2, of_each_size, NULL), 0);
}

/* ---- what goes wrong ---------------------------------------------------------------------------- */

static int refusals(void *arg)
{
    uint32_t one = 1;

    (void)arg;
    CHECK_EQ(thrum_parallel_sort(&one, SIZE_MAX / 2, sizeof one, by_number), -ENOMEM);
    CHECK_EQ(thrum_parallel_sort(&one, 1, sizeof one, by_number), 0);
    CHECK_EQ(thrum_parallel_sort(&one, 0, sizeof one, by_number), 0);
    CHECK_EQ(thrum_parallel_sort(NULL, 0, sizeof one, by_number), 0);
    return 0;
}

TEST(what_cannot_be_held_is_refused)
{
    CHECK_EQ(run_with(1, refusals, NULL), 0);
}

#define CANCEL_N 200000

static thrum_scope *scope;
static uint32_t until_cancel; /* atomic: comparisons */

static int cancel_somewhere(const void *a, const void *b)
{
    if (add_relaxed(&until_cancel, (uint32_t)-1) == 1) /* relaxed: a counter */
        thrum_scope_cancel(scope, 0, NULL);
    return by_number(a, b);
}

static int cancelled(void *arg)
{
    size_t n = (size_t)many(CANCEL_N);
    uint32_t *array = malloc(n * sizeof *array);
    thrum_scope here;

    (void)arg;
    for (int round = 0; round < 30; round++) {
        int status;

        for (size_t i = 0; i < n; i++)
            array[i] =
                (uint32_t)(i * 7919 % n); /* each number once: 7919 is prime, and divides none */
        until_cancel = 1 + random_below((uint32_t)n * 10);
        scope = &here;
        CHECK_EQ(thrum_scope_begin(&here, 0), 0);
        status = thrum_parallel_sort(array, n, sizeof *array, cancel_somewhere);
        CHECK(status == THRUM_ECANCELED || status == 0);
        CHECK_EQ(thrum_scope_end(&here, status), 0);
        qsort(array, n, sizeof *array, by_number);
        for (size_t i = 0; i < n; i++)
            CHECK_EQ(array[i], i);
    }
    free(array);
    return 0;
}

TEST(a_cancel_loses_no_element)
{
    run_everywhere(cancelled, NULL);
}

/* Says anything: the result is anything, too, but no memory beside the array is touched. */
static int contradicts_itself(const void *a, const void *b)
{
    static uint32_t calls;               /* atomic */
    uint32_t x = add_relaxed(&calls, 1); /* relaxed: a counter */

    (void)a, (void)b;
    return (x * 2654435761u >> 30) != 0 ? -1 : 1;
}

static uint32_t contradictions; /* atomic */

#define NONSENSE(a, b) \
    ((void)(a), (void)(b), add_relaxed(&contradictions, 1) * 2654435761u >> 30 != 0)

THRUM_SORT(sort_nonsense, uint64_t, NONSENSE)

static int nonsense(void *arg)
{
    size_t n = (size_t)many(100000);
    uint64_t *array = calloc(n + 2, sizeof *array);

    (void)arg;
    array[0] = array[n + 1] = 0x123456789abcdef;
    CHECK_EQ(sort_nonsense(array + 1, n), 0);
    CHECK_EQ(thrum_parallel_sort(array + 1, n, sizeof *array, contradicts_itself), 0);
    CHECK_EQ(array[0], 0x123456789abcdef);
    CHECK_EQ(array[n + 1], 0x123456789abcdef);
    free(array);
    return 0;
}

TEST(an_order_that_contradicts_itself_harms_nobody_else)
{
    run_everywhere(nonsense, NULL);
}
