/*
 * sort.c - merge sort by halves, between the array and a copy of it, on the
 * public headers alone.
 *
 * A cancel loses no element: at any time but in the middle of a merge into the
 * array it holds all of them, in some order. So a sort can be left where it is,
 * and only merges are ended once they have begun: what is left of one that is
 * cancelled is copied as it comes, be it by who forked a branch that was never run.
 */
#include <errno.h>
#include <string.h>

#include <thrum/branch.h>
#include <thrum/fault.h>
#include <thrum/scope.h>
#include <thrum/sort.h>

#define SORT_GRAIN 4096   /* elements that one task sorts */
#define MERGE_GRAIN 32768 /* elements that one task merges */

/* What is done to a part of the array. */
struct part {
    const struct thrum_sort_kind *kind;
    int (*work)(const struct part *part);
    bool begun;
    unsigned char *left;  /* of a sort: all */
    unsigned char *right; /* of a sort: room for all */
    unsigned char *to;    /* of a merge */
    size_t n_left;
    size_t n_right;
    bool into_right; /* of a sort: the result goes into that room */
};

static int do_part(void *arg)
{
    struct part *part = arg;

    part->begun = true;
    return part->work(part);
}

/* Both, in parallel unless there is no memory for it. The other may never begin, for a cancel. */
static int do_both(struct part *one, struct part *other)
{
    thrum_branch branch;
    int status;

    if (thrum_fork(&branch, do_part, other)) {
        status = do_part(one);
        return thrum_join_first(status, do_part(other));
    }
    status = do_part(one);
    return thrum_join_first(status, thrum_join(&branch, do_part, other));
}

/* ---- merging ---------------------------------------------------------------------------------- */

static void copy(const struct part *part)
{
    size_t bytes = part->kind->bytes;

    memcpy(part->to, part->left, part->n_left * bytes);
    memcpy(part->to + part->n_left * bytes, part->right, part->n_right * bytes);
}

static int do_merge(const struct part *part)
{
    const struct thrum_sort_kind *kind = part->kind;
    size_t k = (part->n_left + part->n_right) / 2;
    struct part one = *part, other = *part;
    int status;

    if (k <= MERGE_GRAIN / 2) {
        status = thrum_checkpoint();
        if (status)
            copy(part);
        else
            kind->merge(part->left, part->n_left, part->right, part->n_right, part->to,
                        kind->order);
        return status;
    }
    one.n_left = kind->split(part->left, part->n_left, part->right, part->n_right, k, kind->order);
    one.n_right = k - one.n_left;
    other.begun = false;
    other.left += one.n_left * kind->bytes;
    other.right += one.n_right * kind->bytes;
    other.to += k * kind->bytes;
    other.n_left -= one.n_left;
    other.n_right -= one.n_right;
    status = do_both(&one, &other);
    if (!other.begun)
        copy(&other);
    return status;
}

/* ---- sorting ---------------------------------------------------------------------------------- */

static int do_sort(const struct part *part);

static struct part half_of(const struct part *whole, size_t begin, size_t n)
{
    size_t offset = begin * whole->kind->bytes;

    return (struct part){.kind = whole->kind,
                         .work = do_sort,
                         .left = whole->left + offset,
                         .right = whole->right + offset,
                         .n_left = n,
                         .into_right = !whole->into_right};
}

static int do_sort(const struct part *part)
{
    const struct thrum_sort_kind *kind = part->kind;
    size_t n = part->n_left, half = n / 2;
    struct part left = half_of(part, 0, half), right = half_of(part, half, n - half);
    unsigned char *source = part->into_right ? part->left : part->right;
    struct part both = {.kind = kind,
                        .work = do_merge,
                        .left = source,
                        .right = source + half * kind->bytes,
                        .to = part->into_right ? part->right : part->left,
                        .n_left = half,
                        .n_right = n - half};
    int status;

    if (n <= SORT_GRAIN) {
        status = thrum_checkpoint();
        if (!status)
            kind->sort(part->left, part->right, n, part->into_right, kind->order);
        return status;
    }
    status = do_both(&left, &right);
    return status ? status : do_part(&both);
}

int thrum_sort_by(void *base, size_t n, const struct thrum_sort_kind *kind)
{
    struct part whole = {.kind = kind, .work = do_sort, .left = base, .n_left = n};
    int status;

    if (n < 2 || kind->bytes == 0)
        return 0;
    whole.right = n <= SIZE_MAX / kind->bytes ? thrum_malloc(n * kind->bytes) : NULL;
    if (!whole.right)
        return -ENOMEM;
    status = do_part(&whole);
    thrum_free(whole.right);
    return status;
}

/* ---- elements of any size, compared by a function ---------------------------------------------- */

#define SMALL 12 /* elements that insertion sorts */

struct order {
    size_t bytes;
    int (*compare)(const void *a, const void *b);
};

static void insertion_sort(const struct order *order, unsigned char *base, size_t n)
{
    size_t bytes = order->bytes;
    unsigned char held[256];

    for (size_t i = 1; i < n; i++) {
        size_t at = i;

        while (at > 0 && order->compare(base + i * bytes, base + (at - 1) * bytes) < 0)
            at--;
        for (size_t done = 0; at < i && done < bytes;) { /* turn by one place, a piece at a time */
            size_t piece = bytes - done < sizeof held ? bytes - done : sizeof held;

            memcpy(held, base + i * bytes + done, piece);
            for (size_t j = i; j > at; j--)
                memcpy(base + j * bytes + done, base + (j - 1) * bytes + done, piece);
            memcpy(base + at * bytes + done, held, piece);
            done += piece;
        }
    }
}

static void merge_any(const void *left, size_t n_left, const void *right, size_t n_right, void *to,
                      const void *arg)
{
    const struct order *order = arg;
    size_t bytes = order->bytes;
    const unsigned char *l = left, *l_end = l + n_left * bytes;
    const unsigned char *r = right, *r_end = r + n_right * bytes;
    unsigned char *at = to;

    for (; l < l_end && r < r_end; at += bytes) {
        bool from_right = order->compare(r, l) < 0;

        memcpy(at, from_right ? r : l, bytes);
        l += from_right ? 0 : bytes;
        r += from_right ? bytes : 0;
    }
    memcpy(at, l, (size_t)(l_end - l));
    memcpy(at + (l_end - l), r, (size_t)(r_end - r));
}

static size_t split_any(const void *left, size_t n_left, const void *right, size_t n_right,
                        size_t k, const void *arg)
{
    const struct order *order = arg;
    const unsigned char *l = left, *r = right;
    size_t low = k > n_right ? k - n_right : 0, high = k < n_left ? k : n_left;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (order->compare(r + (k - middle - 1) * order->bytes, l + middle * order->bytes) < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void sort_any(void *from, void *spare, size_t n, bool into_spare, const void *arg)
{
    const struct order *order = arg;
    size_t half = n / 2, offset = half * order->bytes;
    unsigned char *source = into_spare ? from : spare;

    if (n <= SMALL) {
        insertion_sort(order, from, n);
        if (into_spare)
            memcpy(spare, from, n * order->bytes);
        return;
    }
    sort_any(from, spare, half, !into_spare, arg);
    sort_any((unsigned char *)from + offset, (unsigned char *)spare + offset, n - half, !into_spare,
             arg);
    merge_any(source, half, source + offset, n - half, into_spare ? spare : from, arg);
}

/* Those of a few sizes as words, which need not be aligned as such. */
typedef uint32_t word4 __attribute__((may_alias, aligned(1)));
typedef uint64_t word8 __attribute__((may_alias, aligned(1)));
typedef struct {
    word8 words[2];
} __attribute__((may_alias)) word16;

#define LESS(a, b) (((const struct order *)order)->compare(a, b) < 0)

THRUM_SORT_PARTS(sort_4, word4, LESS)
THRUM_SORT_PARTS(sort_8, word8, LESS)
THRUM_SORT_PARTS(sort_16, word16, LESS)

int thrum_parallel_sort(void *base, size_t n, size_t bytes,
                        int (*compare)(const void *a, const void *b))
{
    struct order order = {bytes, compare};
    struct thrum_sort_kind any = {bytes, sort_any, merge_any, split_any, &order};
    struct thrum_sort_kind by_4 = {bytes, sort_4_run, sort_4_merge, sort_4_split, &order};
    struct thrum_sort_kind by_8 = {bytes, sort_8_run, sort_8_merge, sort_8_split, &order};
    struct thrum_sort_kind by_16 = {bytes, sort_16_run, sort_16_merge, sort_16_split, &order};

    switch (bytes) {
    case 4:
        return thrum_sort_by(base, n, &by_4);
    case 8:
        return thrum_sort_by(base, n, &by_8);
    case 16:
        return thrum_sort_by(base, n, &by_16);
    default:
        return thrum_sort_by(base, n, &any);
    }
}
