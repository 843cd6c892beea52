/*
 * error.c - nodes of error trees: made, collected, sorted, freed.
 *
 * Tasks that fail push a node onto their group's list, newest first, from any
 * thread; close turns the list round and hangs it under a node for the group.
 * From then on nothing of a tree changes but its counts of references.
 *
 * Nothing here calls itself: a tree is as deep as a program likes, and a
 * task's stack is not.
 *
 * Edges
 *   error.add    thrum_error_push -> close   the node
 *   error.drop   drop -> the last drop       others have read what is freed now
 */
#include "runtime/task/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/base.h"
#include "runtime/sched/lent.h"

#define NAME_LIMIT 27
#define MESSAGE_LIMIT 200

/* ---- nodes ----------------------------------------------------------------------------------- */

/* What a node is made of, but for the children themselves. */
struct parts {
    int code;
    int line;
    const char *name;
    const char *message;
    const char *file;
    struct thrum_error *cause;
    size_t lost;
    size_t count;
};

static struct parts parts_of(const struct thrum_error *error)
{
    return (struct parts){error->code, error->line,  error->name, error->message,
                          error->file, error->cause, error->lost, error->count};
}

/* How much of a text to copy: no more than the limit, and no half of a UTF-8 character. */
static size_t cut(const char *text, size_t limit)
{
    size_t length = strnlen(text, limit + 1);

    if (length <= limit)
        return length;
    for (size_t i = limit; i + 3 >= limit && i > 0; i--)
        if (((unsigned char)text[i] & 0xC0) != 0x80)
            return i;
    return limit;
}

/* Put a text where there is room, and return it; the room then begins behind it. */
static const char *put(char **room, const char *text, size_t length)
{
    char *start = *room;

    memcpy(start, text, length);
    start[length] = '\0';
    *room += length + 1;
    return start;
}

/* A node with one reference, and with room for its children; NULL: no memory. */
static struct thrum_error *error_new(const struct parts *parts)
{
    const char *name = parts->name ? parts->name : "";
    size_t name_length = cut(name, NAME_LIMIT), message_length = cut(parts->message, MESSAGE_LIMIT);
    size_t fixed = sizeof(struct thrum_error) + parts->count * sizeof(struct thrum_error *);
    struct thrum_error *error = thrum_lent_get(fixed + name_length + message_length + 2, 16);
    char *room;

    if (!error)
        return NULL;
    room = (char *)error + fixed;
    error->references = 1;
    error->cause = thrum_error_ref(parts->cause);
    error->count = parts->count;
    error->lost = parts->lost;
    error->name = put(&room, name, name_length);
    error->message = put(&room, parts->message, message_length);
    error->file = parts->file ? parts->file : "";
    error->line = parts->line;
    error->code = parts->code;
    return error;
}

/* Shared subtrees count each time, so there may be more nodes than numbers. */
static size_t sum(size_t a, size_t b)
{
    return a > SIZE_MAX - b ? SIZE_MAX : a + b;
}

/* The node has got its children: it is complete. */
static struct thrum_error *complete(struct thrum_error *error)
{
    error->size = 1;
    error->span = error->cause ? sum(1, error->cause->span) : 1;
    for (size_t i = 0; i < error->count; i++) {
        error->size = sum(error->size, error->children[i]->size);
        error->span = sum(error->span, error->children[i]->span);
    }
    return error;
}

thrum_error *thrum_error_ref(const thrum_error *error)
{
    /* Nodes are made writable; only their readers call them constant. */
    struct thrum_error *writable = pointer_of(word_of(error));

    if (writable)
        (void)add_relaxed(&writable->references, 1); /* relaxed: there is one already */
    return writable;
}

/* One reference less. If it was the last, the node joins the dead. */
static void drop(struct thrum_error *error, struct thrum_error **dead)
{
    if (!error)
        return;
    if (load_acquire(&error->references) != 1 &&            /* EDGE error.drop */
        add_acq_rel(&error->references, (uint64_t)-1) != 1) /* EDGE error.drop */
        return;
    error->next = *dead;
    *dead = error;
}

void thrum_error_free(thrum_error *error)
{
    struct thrum_error *dead = NULL;

    drop(error, &dead);
    while (dead) {
        error = dead;
        dead = error->next;
        drop(error->cause, &dead);
        for (size_t i = 0; i < error->count; i++)
            drop(error->children[i], &dead);
        thrum_lent_put(error);
    }
}

/* ---- errors of the program's own ------------------------------------------------------------- */

thrum_error *thrum_error_say(int code, struct thrum_error *cause, const char *format, va_list arguments)
{
    char message[MESSAGE_LIMIT + 2] = ""; /* one more than wanted: cut looks at it */
    struct parts parts = {.code = code, .message = message, .cause = cause};
    struct thrum_error *error;

    if (code >= 0)
        thrum_panic("an error was made with the code %d; codes of failures are negative", code);
    if (format && vsnprintf(message, sizeof message, format, arguments) < 0)
        message[0] = '\0';
    error = error_new(&parts);
    return error ? complete(error) : NULL;
}

thrum_error *thrum_error_new(int code, const char *format, ...)
{
    va_list arguments;
    thrum_error *error;

    va_start(arguments, format);
    error = thrum_error_say(code, NULL, format, arguments);
    va_end(arguments);
    return error;
}

thrum_error *thrum_error_wrap(int code, const thrum_error *cause, const char *format, ...)
{
    va_list arguments;
    thrum_error *error;

    va_start(arguments, format);
    error = thrum_error_say(code, pointer_of(word_of(cause)), format, arguments);
    va_end(arguments);
    return error;
}

/* ---- a group's failures ---------------------------------------------------------------------- */

struct thrum_error *thrum_error_leaf(int status, const char *name, const char *file, int line,
                                     struct thrum_error *detail)
{
    struct parts parts = {.message = ""};
    struct thrum_error *error;

    if (detail && detail->code == status)
        parts = parts_of(detail);
    else if (detail && detail->code == THRUM_EGROUP)
        parts.cause = detail; /* tasks failed, and the task made something else of it */
    parts.code = status;
    if (name && name[0])
        parts.name = name;
    if (file) {
        parts.file = file;
        parts.line = line;
    }
    error = error_new(&parts);
    if (error) {
        for (size_t i = 0; i < parts.count; i++)
            error->children[i] = thrum_error_ref(detail->children[i]);
        complete(error);
    }
    thrum_error_free(detail);
    return error;
}

void thrum_error_push(uint64_t *failures, struct thrum_error *leaf)
{
    uint64_t seen = load_relaxed(failures); /* relaxed: a guess */
    uint64_t head;

    do {
        head = seen | FAILURES_LOST;
        if (leaf) {
            leaf->next = pointer_of(seen & ~FAILURES_FLAGS);
            head = word_of(leaf) | (seen & FAILURES_FLAGS);
        }
    } while (!cas_acq_rel(failures, &seen, head)); /* EDGE error.add */
}

void thrum_error_add(uint64_t *failures, int status, const char *name)
{
    thrum_error_push(failures, thrum_error_leaf(status, name, NULL, 0, NULL));
}

/* Hang the list, newest first, under the group's node; without a node it is freed. */
static void hang(struct thrum_error *newest, struct thrum_error *group)
{
    size_t i = group ? group->count : 0;

    while (newest) {
        struct thrum_error *next = newest->next;

        if (group)
            group->children[--i] = newest;
        else
            thrum_error_free(newest);
        newest = next;
    }
}

struct thrum_error *thrum_error_of(uint64_t failures, const char *name)
{
    struct thrum_error *newest = pointer_of(failures & ~FAILURES_FLAGS), *group;
    struct parts parts = {.code = THRUM_EGROUP, .name = name, .message = ""};

    parts.lost = failures & FAILURES_LOST;
    for (const struct thrum_error *error = newest; error; error = error->next)
        parts.count++;
    if (parts.count == 0 && parts.lost == 0)
        return NULL;
    group = error_new(&parts);
    hang(newest, group);
    return group ? complete(group) : NULL;
}

int thrum_error_merge(const char *name, thrum_error *const *errors, size_t n, thrum_error **out)
{
    struct parts parts = {.code = THRUM_EGROUP, .name = name, .message = ""};
    struct thrum_error *group;
    size_t count = 0;

    *out = NULL;
    for (size_t i = 0; i < n; i++)
        parts.count += errors[i] != NULL;
    if (parts.count == 0)
        return 0;
    group = error_new(&parts);
    if (!group)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        if (errors[i])
            group->children[count++] = thrum_error_ref(errors[i]);
    *out = complete(group);
    return 0;
}

/* ---- sorting --------------------------------------------------------------------------------- */

/*
 * A node of the tree and the two that are made of it, either of which may be
 * NULL. They stand in preorder: the first child of the node at `at` is at
 * at + 1, and each other child behind all of the one before.
 */
struct half {
    const struct thrum_error *node;
    struct thrum_error *to[2]; /* [0]: no, [1]: yes; references */
};

static void lay_out(struct half *halves, const struct thrum_error *error)
{
    halves[0].node = error;
    for (size_t at = 0; at < error->size; at++) {
        const struct thrum_error *node = halves[at].node;
        size_t child = at + 1;

        for (size_t i = 0; i < node->count; i++) {
            halves[child].node = node->children[i];
            child += node->children[i]->size;
        }
    }
}

/* The node with those of its children that have gone to one side. */
static int rebuild(struct half *half, unsigned side, size_t count, size_t lost)
{
    const struct thrum_error *node = half->node;
    struct parts parts = parts_of(node);
    struct half *child = half + 1;
    struct thrum_error *error;

    parts.count = count;
    parts.lost = lost;
    error = error_new(&parts);
    if (!error)
        return -ENOMEM;
    count = 0;
    for (size_t i = 0; i < node->count; i++) {
        if (child->to[side])
            error->children[count++] = child->to[side];
        child->to[side] = NULL;
        child += node->children[i]->size;
    }
    half->to[side] = complete(error);
    return 0;
}

/* All below the node has gone to one side: so does the node itself. */
static void share(struct half *half, unsigned side)
{
    const struct thrum_error *node = half->node;
    struct half *child = half + 1;

    for (size_t i = 0; i < node->count; i++) {
        thrum_error_free(child->to[side]);
        child->to[side] = NULL;
        child += node->children[i]->size;
    }
    half->to[side] = thrum_error_ref(node);
}

/* The node's children have been sorted: sort the node. */
static int sort(struct half *half)
{
    const struct thrum_error *node = half->node;
    const struct half *child = half + 1;
    size_t counts[2] = {0, 0};
    int err;

    for (size_t i = 0; i < node->count; i++) {
        counts[0] += child->to[0] != NULL;
        counts[1] += child->to[1] != NULL;
        child += node->children[i]->size;
    }
    if (counts[1] == 0 || (counts[0] == 0 && node->lost == 0)) {
        share(half, counts[1] != 0);
        return 0;
    }
    err = rebuild(half, 1, counts[1], 0);
    return err ? err : rebuild(half, 0, counts[0], node->lost);
}

/* Children come before their parents. On failure nothing is left to free. */
static int sort_all(struct half *halves, size_t n)
{
    int err = 0;

    for (size_t at = n; at-- > 0 && !err;)
        if (halves[at].node->count > 0)
            err = sort(&halves[at]);
    for (size_t at = 0; at < n && err; at++) {
        thrum_error_free(halves[at].to[0]);
        thrum_error_free(halves[at].to[1]);
    }
    return err;
}

static void give(struct thrum_error *error, struct thrum_error **out)
{
    if (out)
        *out = error;
    else
        thrum_error_free(error);
}

int thrum_error_split(const thrum_error *error, thrum_error_match_fn match, void *context,
                      thrum_error **yes, thrum_error **no)
{
    size_t n = error ? error->size : 0;
    struct half *halves;
    int err;

    give(NULL, yes);
    give(NULL, no);
    if (n == 0)
        return 0;
    halves = n < PTRDIFF_MAX / sizeof *halves ? thrum_lent_get(n * sizeof *halves, 16) : NULL;
    if (!halves)
        return -ENOMEM;
    lay_out(halves, error);
    for (size_t at = 0; at < n; at++) {
        const struct thrum_error *node = halves[at].node;

        if (node->count == 0)
            halves[at].to[match(node, context) ? 1 : 0] = thrum_error_ref(node);
    }
    err = sort_all(halves, n);
    if (!err) {
        give(halves[0].to[1], yes);
        give(halves[0].to[0], no);
    }
    thrum_lent_put(halves);
    return err;
}

bool thrum_error_match_code(const thrum_error *leaf, void *context)
{
    const int *code = context;

    return thrum_error_code(leaf) == *code;
}

/* ---- reading --------------------------------------------------------------------------------- */

int thrum_error_code(const thrum_error *error)
{
    return error ? error->code : 0;
}

const char *thrum_error_name(const thrum_error *error)
{
    return error ? error->name : "";
}

const char *thrum_error_message(const thrum_error *error)
{
    return error ? error->message : "";
}

const thrum_error *thrum_error_cause(const thrum_error *error)
{
    return error ? error->cause : NULL;
}

size_t thrum_error_count(const thrum_error *error)
{
    return error ? error->count : 0;
}

const thrum_error *thrum_error_child(const thrum_error *error, size_t i)
{
    return i < thrum_error_count(error) ? error->children[i] : NULL;
}

size_t thrum_error_lost(const thrum_error *error)
{
    return error ? error->lost : 0;
}

const char *thrum_error_file(const thrum_error *error)
{
    return error ? error->file : "";
}

int thrum_error_line(const thrum_error *error)
{
    return error ? error->line : 0;
}
