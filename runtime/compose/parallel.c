/*
 * parallel.c - loops over ranges on all cores, on the public headers alone.
 *
 * A part that fails cancels the scope around all parts. What the whole returns
 * is the failure of the leftmost part that failed; that others were cancelled
 * for it does not count.
 */
#include <errno.h>
#include <string.h>

#include <thrum/branch.h>
#include <thrum/fault.h>
#include <thrum/parallel.h>
#include <thrum/scope.h>

#define PARTS 1024

/* Of two statuses the one to tell: a failure rather than a cancel, the left rather than the right. */
static int told(int left, int right)
{
    if (left < 0 && left != THRUM_ECANCELED)
        return left;
    return right < 0 && right != THRUM_ECANCELED ? right : thrum_join_first(left, right);
}

static size_t grain_for(size_t n, size_t grain)
{
    return grain ? grain : n / PARTS + 1;
}

/* What all parts of a loop share. */
struct loop {
    thrum_scope scope;
    size_t grain;
    thrum_range_fn each;
    thrum_map_fn map;
    thrum_join_fn join;
    const void *neutral;
    size_t sum_bytes;
    void *arg;
};

struct part {
    struct loop *loop;
    size_t begin;
    size_t end;
    void *sum; /* of a reduction */
};

/* One part that is not halved any more. */
static int do_part(const struct part *part)
{
    struct loop *loop = part->loop;
    int status = thrum_checkpoint();

    if (status)
        return status;
    if (loop->map)
        status = loop->map(part->begin, part->end, part->sum, loop->arg);
    else
        status = loop->each(part->begin, part->end, loop->arg);
    if (status < 0 && status != THRUM_ECANCELED)
        thrum_scope_cancel(&loop->scope, status, "another part failed");
    return status < 0 ? status : 0;
}

static int do_range(void *arg);

/* Both halves, in parallel unless there is no memory for it. */
static int do_halves(struct part *left, struct part *right)
{
    thrum_branch branch;
    int status;

    if (thrum_fork(&branch, do_range, right))
        return told(do_range(left), do_range(right));
    status = do_range(left);
    return told(status, thrum_join(&branch, do_range, right));
}

static int do_sum(const struct part *whole, struct part *left, struct part *right)
{
    const struct loop *loop = whole->loop;
    unsigned char sum[THRUM_SUM_MAX] __attribute__((aligned(16)));
    int status;

    memcpy(sum, loop->neutral, loop->sum_bytes);
    right->sum = sum;
    status = do_halves(left, right);
    if (status == 0)
        loop->join(left->sum, sum, loop->arg);
    return status;
}

static int do_range(void *arg)
{
    const struct part *whole = arg;
    size_t n = whole->end - whole->begin;
    size_t middle = whole->begin + n / 2;
    struct part left = {whole->loop, whole->begin, middle, whole->sum};
    struct part right = {whole->loop, middle, whole->end, NULL};

    if (n <= whole->loop->grain)
        return do_part(whole);
    return whole->loop->map ? do_sum(whole, &left, &right) : do_halves(&left, &right);
}

static int do_loop(struct loop *loop, size_t begin, size_t end, size_t grain, void *sum)
{
    struct part whole = {loop, begin, end, sum};
    int status;

    if (begin >= end)
        return begin == end ? 0 : -EINVAL;
    loop->grain = grain_for(end - begin, grain);
    status = thrum_scope_begin(&loop->scope, 0);
    return status ? status : thrum_scope_end(&loop->scope, do_range(&whole));
}

int thrum_parallel_for(size_t begin, size_t end, size_t grain, thrum_range_fn fn, void *arg)
{
    struct loop loop = {.each = fn, .arg = arg};

    return do_loop(&loop, begin, end, grain, NULL);
}

int thrum_parallel_reduce(size_t begin, size_t end, size_t grain, thrum_map_fn map,
                          thrum_join_fn join, void *sum, size_t sum_bytes, void *arg)
{
    unsigned char neutral[THRUM_SUM_MAX] __attribute__((aligned(16)));
    struct loop loop = {
        .map = map, .join = join, .neutral = neutral, .sum_bytes = sum_bytes, .arg = arg};

    if (sum_bytes == 0 || sum_bytes > THRUM_SUM_MAX)
        return -EINVAL;
    memcpy(neutral, sum, sum_bytes);
    return do_loop(&loop, begin, end, grain, sum);
}

/* ---- scans: sums of parts, what stands before each part, and then each part with that ---------- */

struct scan {
    size_t begin;
    size_t end;
    size_t grain;
    thrum_map_fn map;
    unsigned char *sums; /* of a part; of all before it; of these and the part */
    size_t sum_bytes;
    void *arg;
};

static int scan_parts(size_t first, size_t last, void *arg)
{
    const struct scan *scan = arg;

    for (size_t part = first; part < last; part++) {
        size_t begin = scan->begin + part * scan->grain;
        size_t end = scan->end - begin > scan->grain ? begin + scan->grain : scan->end;
        int status = scan->map(begin, end, scan->sums + part * scan->sum_bytes, scan->arg);

        if (status < 0)
            return status;
    }
    return 0;
}

/* Each part's sum becomes that of all before it. */
static void sums_before(const struct scan *scan, size_t parts, thrum_join_fn join, const void *none)
{
    unsigned char own[THRUM_SUM_MAX] __attribute__((aligned(16)));
    unsigned char all[THRUM_SUM_MAX] __attribute__((aligned(16)));

    memcpy(all, none, scan->sum_bytes);
    for (size_t part = 0; part < parts; part++) {
        memcpy(own, scan->sums + part * scan->sum_bytes, scan->sum_bytes);
        memcpy(scan->sums + part * scan->sum_bytes, all, scan->sum_bytes);
        join(all, own, scan->arg);
    }
}

int thrum_parallel_scan(size_t begin, size_t end, size_t grain, thrum_map_fn map,
                        thrum_map_fn write, thrum_join_fn join, void *sum, size_t sum_bytes,
                        void *arg)
{
    struct scan scan = {begin, end, grain_for(end - begin, grain), map, NULL, sum_bytes, arg};
    size_t parts;
    int status;

    if (begin > end || sum_bytes == 0 || sum_bytes > THRUM_SUM_MAX)
        return -EINVAL;
    if (begin == end)
        return 0;
    parts = (end - begin - 1) / scan.grain + 1;
    scan.sums = parts <= SIZE_MAX / sum_bytes ? thrum_malloc(parts * sum_bytes) : NULL;
    if (!scan.sums)
        return -ENOMEM;
    for (size_t part = 0; part < parts; part++)
        memcpy(scan.sums + part * sum_bytes, sum, sum_bytes);
    status = thrum_parallel_for(0, parts, 1, scan_parts, &scan);
    if (!status) {
        sums_before(&scan, parts, join, sum);
        scan.map = write;
        status = thrum_parallel_for(0, parts, 1, scan_parts, &scan);
    }
    if (!status)
        memcpy(sum, scan.sums + (parts - 1) * sum_bytes, sum_bytes);
    thrum_free(scan.sums);
    return status;
}

static int invoke(size_t begin, size_t end, void *arg)
{
    const thrum_invocation *calls = arg;

    (void)end; /* begin + 1 */
    return calls[begin].fn(calls[begin].arg);
}

int thrum_parallel_invoke(const thrum_invocation *calls, size_t n)
{
    return thrum_parallel_for(0, n, 1, invoke, (void *)(uintptr_t)calls);
}
