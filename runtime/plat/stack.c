/*
 * stack.c - arenas, guards, and the registry by which an address is known to
 * lie in a guard.
 *
 * A chunk is STACKS_PER_CHUNK times
 *
 *     guard | stack
 *
 * from low to high addresses. Guards are installed when a stack is carved, so
 * a program pays for the stacks it uses. One that uses many gets them in
 * batches, with the first page of each: of the 2.0 us that a guard and a first
 * touch take by themselves, 0.5 are the way into the kernel and out of it.
 * Neighbouring chunks have the same attributes and become one mapping in the
 * kernel.
 *
 * The registry lists the chunks of all arenas. It is read by the handler of
 * an overflow, so its nodes are never freed; those of unmapped chunks are
 * used again.
 *
 * Edges
 *   registry.listed  registry_get -> thrum_stack_guard_at  the node's next
 *   registry.chunk   registry_set -> thrum_stack_guard_at  what the chunk is
 *   registry.free    chunk_unmap -> registry_get           nobody uses the node
 */
#define _GNU_SOURCE
#include "runtime/plat/stack.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "runtime/atomic/verbs.h"
#include "runtime/plat/fault.h"
#include "runtime/plat/memory.h"
#include "runtime/plat/sanitizer.h"

/* Newer than the headers may be. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#ifndef PIDFD_SELF_THREAD_GROUP
#define PIDFD_SELF_THREAD_GROUP (-10001)
#endif
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif

/* Stacks that are made ready together: at most so many, and one for so many that there are. */
#define BATCH_MOST 32
#define BATCH_SHARE 16

/* Mappings that are left to the rest of the process. */
#define MAPPINGS_SPARED 4096
#define MAPPINGS_DEFAULT 65530

/* Values of base that are no chunk. */
#define BASE_FREE ((uint64_t)0)
#define BASE_CLAIMED ((uint64_t)1)

struct stack_chunk {
    uint64_t base;        /* atomic: where it is mapped, or one of the above */
    uint64_t stack_bytes; /* atomic */
    uint64_t listed;      /* the next in the registry; constant once listed */

    /* owner: the arena */
    struct stack_chunk *next;
    uint32_t mprotected; /* guards that are mappings */
};

static uint64_t registry; /* atomic: the first struct stack_chunk */

static pthread_once_t guard_once = PTHREAD_ONCE_INIT;
static enum stack_guard guard_kind;
static uint64_t mprotect_limit;
static uint32_t batch_most; /* atomic: BATCH_MOST; 1: the kernel takes none, or one was refused */

static uint64_t mprotect_count; /* atomic: guards that are mappings */

uint32_t thrum_stack_fail_after;

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* Does the kernel refuse to read a guarded page? Emulators only say so. */
static bool guard_works(const void *guard)
{
    int ends[2];
    bool refused;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    refused = write(ends[1], guard, 1) == -1 && errno == EFAULT;
    close(ends[0]);
    close(ends[1]);
    return refused;
}

static bool madvise_works(void)
{
    const char *wanted = secure_getenv("THRUM_STACK_GUARD");
    size_t bytes = page_bytes();
    void *page;
    bool works;

    if (wanted && strcmp(wanted, "mprotect") == 0)
        return false;
    page = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return false;
    works = madvise(page, bytes, MADV_GUARD_INSTALL) == 0 && guard_works(page);
    munmap(page, bytes);
    return works;
}

static uint64_t count_lines(int fd)
{
    char text[4096];
    uint64_t lines = 0;
    ssize_t got;

    while ((got = read(fd, text, sizeof(text))) > 0) {
        for (ssize_t i = 0; i < got; i++)
            lines += text[i] == '\n';
    }
    return lines;
}

static uint64_t mappings_used(void)
{
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    uint64_t used;

    if (fd < 0)
        return 0;
    used = count_lines(fd);
    close(fd);
    return used;
}

static uint64_t mappings_allowed(void)
{
    int fd = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
    char text[32];
    ssize_t got;

    if (fd < 0)
        return MAPPINGS_DEFAULT;
    got = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (got <= 0)
        return MAPPINGS_DEFAULT;
    text[got] = '\0';
    return strtoull(text, NULL, 10);
}

/* Each guard splits a mapping: two more for each. */
static uint64_t choose_limit(void)
{
    uint64_t allowed = mappings_allowed();
    uint64_t taken = mappings_used() + MAPPINGS_SPARED;

    return taken < allowed ? (allowed - taken) / 2 : 0;
}

static void choose_guard(void)
{
    guard_kind = madvise_works() ? STACK_GUARD_MADVISE : STACK_GUARD_MPROTECT;
    mprotect_limit = choose_limit();
    if (guard_kind == STACK_GUARD_MADVISE && !sanitizer_valgrind_runs()) /* it knows no such call */
        store_relaxed(&batch_most, BATCH_MOST); /* relaxed: a number only */
}

enum stack_guard thrum_stack_guard_kind(void)
{
    pthread_once(&guard_once, choose_guard);
    return guard_kind;
}

/* Of the stack with this index in the newest chunk. */
static char *guard_of(const struct stack_arena *arena, size_t index)
{
    char *base = pointer_of(load_relaxed(&arena->chunks->base)); /* relaxed: ours */

    return base + index * (STACK_GUARD_BYTES + arena->stack_bytes);
}

static int guard_mprotect(struct stack_chunk *chunk, void *guard)
{
    uint64_t count = add_relaxed(&mprotect_count, 1); /* relaxed: a counter */

    if (count >= mprotect_limit || fault_due(&thrum_stack_fail_after) ||
        mprotect(guard, STACK_GUARD_BYTES, PROT_NONE) != 0) {
        add_relaxed(&mprotect_count, UINT64_MAX); /* relaxed: a counter */
        return -ENOMEM;
    }
    chunk->mprotected++;
    return 0;
}

static int guard_install(struct stack_chunk *chunk, void *guard)
{
    if (thrum_stack_guard_kind() == STACK_GUARD_MPROTECT)
        return guard_mprotect(chunk, guard);
    if (fault_due(&thrum_stack_fail_after))
        return -ENOMEM;
    if (madvise(guard, STACK_GUARD_BYTES, MADV_GUARD_INSTALL) == 0)
        return 0;
    if (errno == EINVAL) /* locked memory */
        return guard_mprotect(chunk, guard);
    return -ENOMEM;
}

static long advise_all(const struct iovec *ranges, unsigned n, int advice)
{
    return syscall(SYS_process_madvise, PIDFD_SELF_THREAD_GROUP, ranges, n, advice, 0);
}

/*
 * The same for the next n in the newest chunk, and their first pages. How many have a guard now;
 * 0: it has to be done one by one.
 */
static unsigned guard_many(const struct stack_arena *arena, unsigned n)
{
    char *guard = guard_of(arena, arena->used);
    size_t stride = STACK_GUARD_BYTES + arena->stack_bytes;
    size_t page = page_bytes();
    struct iovec guards[BATCH_MOST];
    struct iovec pages[BATCH_MOST];
    long done;

    for (unsigned i = 0; i < n; i++) {
        guards[i] = (struct iovec){guard + i * stride, STACK_GUARD_BYTES};
        pages[i] = (struct iovec){guard + (i + 1) * stride - page, page};
    }
    done = advise_all(guards, n, MADV_GUARD_INSTALL);
    n = done < 0 ? 0 : (unsigned)((size_t)done / STACK_GUARD_BYTES);
    if (n == 0)
        store_relaxed(&batch_most, 1); /* relaxed: a number only */
    else
        (void)advise_all(pages, n, MADV_POPULATE_WRITE); /* else whoever touches them will do it */
    return n;
}

static struct stack_chunk *registry_reuse(void)
{
    struct stack_chunk *chunk = pointer_of(load_acquire(&registry)); /* EDGE registry.listed */

    for (; chunk; chunk = pointer_of(chunk->listed)) {
        uint64_t seen = BASE_FREE;

        if (cas_acquire(&chunk->base, &seen, BASE_CLAIMED)) /* EDGE registry.free */
            return chunk;
    }
    return NULL;
}

/* A node that is listed and ours, or NULL. */
static struct stack_chunk *registry_get(void)
{
    struct stack_chunk *chunk = registry_reuse();
    uint64_t first = load_relaxed(&registry); /* relaxed: a guess */

    if (chunk)
        return chunk;
    chunk = thrum_memory_get(sizeof(*chunk), _Alignof(max_align_t));
    if (!chunk)
        return NULL;
    chunk->base = BASE_CLAIMED;
    do {
        chunk->listed = first;
    } while (!cas_release(&registry, &first, word_of(chunk))); /* EDGE registry.listed */
    return chunk;
}

static void registry_set(struct stack_chunk *chunk, void *base, size_t stack_bytes)
{
    store_relaxed(&chunk->stack_bytes, stack_bytes); /* relaxed: base publishes it */
    store_release(&chunk->base, word_of(base));      /* EDGE registry.chunk */
}

static void registry_put(struct stack_chunk *chunk)
{
    store_release(&chunk->base, BASE_FREE); /* EDGE registry.free */
}

bool thrum_stack_guard_at(const void *address, size_t *stack_bytes)
{
    struct stack_chunk *chunk = pointer_of(load_acquire(&registry)); /* EDGE registry.listed */

    for (; chunk; chunk = pointer_of(chunk->listed)) {
        uint64_t base = load_acquire(&chunk->base);         /* EDGE registry.chunk */
        uint64_t bytes = load_relaxed(&chunk->stack_bytes); /* relaxed: base published it */
        uint64_t offset = word_of(address) - base;          /* huge if below */

        if (base <= BASE_CLAIMED || offset / STACKS_PER_CHUNK >= STACK_GUARD_BYTES + bytes)
            continue;
        *stack_bytes = bytes;
        return offset % (STACK_GUARD_BYTES + bytes) < STACK_GUARD_BYTES;
    }
    return false;
}

static bool chunk_bytes(const struct stack_arena *arena, size_t *bytes)
{
    return !__builtin_add_overflow(arena->stack_bytes, STACK_GUARD_BYTES, bytes) &&
           !__builtin_mul_overflow(*bytes, (size_t)STACKS_PER_CHUNK, bytes);
}

/*
 * No huge pages: a sleeping task is to take a page or two. Where the kernel
 * has none, it says so, and that is well.
 */
static void *chunk_map(const struct stack_arena *arena)
{
    size_t bytes;
    void *base;

    if (!chunk_bytes(arena, &bytes) || fault_due(&thrum_stack_fail_after))
        return NULL;
    base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                -1, 0);
    if (base == MAP_FAILED)
        return NULL;
    madvise(base, bytes, MADV_NOHUGEPAGE);
    return base;
}

static int chunk_add(struct stack_arena *arena)
{
    struct stack_chunk *chunk = fault_due(&thrum_stack_fail_after) ? NULL : registry_get();
    void *base;

    if (!chunk)
        return -ENOMEM;
    base = chunk_map(arena);
    if (!base) {
        registry_put(chunk);
        return -ENOMEM;
    }
    chunk->mprotected = 0;
    chunk->next = arena->chunks;
    registry_set(chunk, base, arena->stack_bytes);
    arena->chunks = chunk;
    arena->used = arena->ready = 0;
    return 0;
}

/*
 * Unmapping may fail where it would split a mapping and there are too many:
 * then the pages go, and the addresses stay taken.
 */
static void chunk_unmap(const struct stack_arena *arena, struct stack_chunk *chunk)
{
    void *base = pointer_of(load_relaxed(&chunk->base)); /* relaxed: ours */
    size_t bytes;

    chunk_bytes(arena, &bytes);
    store_relaxed(&chunk->base, BASE_CLAIMED); /* relaxed: hides it, publishes nothing */
    if (munmap(base, bytes) != 0) {
        madvise(base, bytes, MADV_DONTNEED);
        return;
    }
    add_relaxed(&mprotect_count, (uint64_t)0 - chunk->mprotected); /* relaxed: a counter */
    registry_put(chunk);
}

void thrum_stack_arena_init(struct stack_arena *arena, size_t stack_bytes)
{
    size_t page = page_bytes();

    arena->stack_bytes = (stack_bytes + page - 1) & ~(page - 1);
    arena->chunks = NULL;
    arena->used = arena->ready = STACKS_PER_CHUNK;
    arena->count = 0;
}

void thrum_stack_arena_fini(struct stack_arena *arena)
{
    struct stack_chunk *chunk;

    while ((chunk = arena->chunks)) {
        arena->chunks = chunk->next;
        chunk_unmap(arena, chunk);
    }
    arena->used = arena->ready = STACKS_PER_CHUNK;
}

/* A guard for the next one at least. */
static int make_ready(struct stack_arena *arena)
{
    unsigned n = load_relaxed(&batch_most); /* relaxed: a number only */
    int err;

    n = arena->count / BATCH_SHARE < n ? arena->count / BATCH_SHARE : n;
    n = STACKS_PER_CHUNK - arena->used < n ? STACKS_PER_CHUNK - arena->used : n;
    n = n > 1 ? guard_many(arena, n) : 0;
    if (n == 0) {
        err = guard_install(arena->chunks, guard_of(arena, arena->used));
        if (err)
            return err;
        n = 1;
    }
    arena->ready = arena->used + n;
    return 0;
}

int thrum_stack_new(struct stack_arena *arena, struct stack *out, uint32_t *number)
{
    char *guard;
    int err = arena->used == STACKS_PER_CHUNK ? chunk_add(arena) : 0;

    if (!err && arena->used == arena->ready)
        err = make_ready(arena);
    if (err)
        return err;
    guard = guard_of(arena, arena->used);
    out->low = guard + STACK_GUARD_BYTES;
    out->top = guard + STACK_GUARD_BYTES + arena->stack_bytes;
    *number = arena->count++;
    arena->used++;
    return 0;
}

void thrum_stack_trim(void *low, void *keep_from)
{
    uint64_t page = page_bytes();
    uint64_t from = (word_of(low) + page - 1) & ~(page - 1);
    uint64_t to = word_of(keep_from) & ~(page - 1);

    if (from < to)
        madvise(pointer_of(from), to - from, MADV_DONTNEED); /* locked pages stay */
}
