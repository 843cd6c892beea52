/*
 * error_walk.c - through an error tree from node to node, and what is asked
 * and shown on the way.
 *
 * Nodes are shared and never change, so a walk can leave no marks in them; a
 * task's stack has no room for a frame of each level; and a failure must be
 * shown even when there is no memory. So a walk keeps the frames of the last
 * levels only. When it comes up above them it looks for the way down to where
 * it is again, from the root: each node knows how many are below it, and the
 * walk knows how many it has passed.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/base.h"
#include "runtime/task/error.h"

/* ---- the walk -------------------------------------------------------------------------------- */

#define FRAMES 256 /* 4 KiB of stack; the way down is looked for once in so many levels */

/* A level of the way down: a node, and which of those below it the walk has gone to. */
struct frame {
    const struct thrum_error *node;
    size_t link;
};

struct walk {
    const struct thrum_error *root;
    const struct thrum_error *node; /* where it is */
    bool causes;                    /* a cause is walked like a first child */
    size_t passed;                  /* nodes before this one */
    size_t depth;                   /* levels above this one */
    size_t known;                   /* the first of them whose frame is still there */
    struct frame frames[FRAMES];
};

static bool has_cause(const struct walk *walk, const struct thrum_error *node)
{
    return walk->causes && node->cause;
}

static size_t links(const struct walk *walk, const struct thrum_error *node)
{
    return node->count + has_cause(walk, node);
}

static const struct thrum_error *follow(const struct walk *walk, const struct thrum_error *node,
                                        size_t link)
{
    if (!has_cause(walk, node))
        return node->children[link];
    return link == 0 ? node->cause : node->children[link - 1];
}

static size_t nodes(const struct walk *walk, const struct thrum_error *node)
{
    return walk->causes ? node->span : node->size;
}

static struct frame *frame_at(struct walk *walk, size_t level)
{
    return &walk->frames[level % FRAMES];
}

static void walk_begin(struct walk *walk, const struct thrum_error *root, bool causes)
{
    walk->root = root;
    walk->node = root;
    walk->causes = causes;
    walk->passed = 0;
    walk->depth = 0;
    walk->known = 0;
}

static void go_down(struct walk *walk, const struct thrum_error *from, size_t link)
{
    *frame_at(walk, walk->depth) = (struct frame){from, link};
    walk->node = follow(walk, from, link);
    walk->depth++;
    walk->passed++;
    if (walk->depth - walk->known > FRAMES)
        walk->known = walk->depth - FRAMES;
}

/* Go down from the root again as far as `depth`, to have the frames above it. */
static void look_for_way(struct walk *walk)
{
    const struct thrum_error *node = walk->root;
    size_t left = walk->passed;

    for (size_t level = 0; level < walk->depth; level++) {
        size_t link = 0;

        left--; /* the node itself */
        while (left >= nodes(walk, follow(walk, node, link)))
            left -= nodes(walk, follow(walk, node, link++));
        *frame_at(walk, level) = (struct frame){node, link};
        node = follow(walk, node, link);
    }
    walk->known = walk->depth > FRAMES ? walk->depth - FRAMES : 0;
}

/* On to the next node, above before below; walk->node is NULL after the last. */
static void walk_next(struct walk *walk)
{
    if (links(walk, walk->node) > 0) {
        go_down(walk, walk->node, 0);
        return;
    }
    while (walk->depth > 0) {
        struct frame frame;

        if (walk->depth == walk->known)
            look_for_way(walk);
        frame = *frame_at(walk, --walk->depth);
        if (frame.link + 1 < links(walk, frame.node)) {
            go_down(walk, frame.node, frame.link + 1);
            return;
        }
    }
    walk->node = NULL;
}

/* Is this node the cause of the one above it? */
static bool is_cause(struct walk *walk)
{
    const struct frame *above = frame_at(walk, walk->depth - 1);

    return walk->depth > 0 && above->link == 0 && has_cause(walk, above->node);
}

/* ---- asking ---------------------------------------------------------------------------------- */

bool thrum_error_has(const thrum_error *error, int code)
{
    struct walk walk;

    walk_begin(&walk, error, false);
    while (walk.node && walk.node->code != code)
        walk_next(&walk);
    return walk.node != NULL;
}

size_t thrum_error_leaves(const thrum_error *error, thrum_error_visit_fn visit, void *context)
{
    struct walk walk;
    size_t n = 0;

    for (walk_begin(&walk, error, false); walk.node; walk_next(&walk))
        if (walk.node->count == 0) {
            visit(walk.node, context);
            n++;
        }
    return n;
}

/* ---- showing --------------------------------------------------------------------------------- */

#define INDENT_LIMIT 40

/* Where text goes: to a descriptor each time it is full, or else no further. */
struct sink {
    char *text;
    size_t size;
    size_t used;
    size_t total;
    bool drains;
    int fd;
    int err;
};

static int write_all(int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t done = write(fd, text, length);
        int err = done < 0 ? errno : 0;

        if (err == EINTR)
            continue;
        if (err)
            return -err;
        text += done;
        length -= (size_t)done;
    }
    return 0;
}

static void drain(struct sink *sink)
{
    if (!sink->err)
        sink->err = write_all(sink->fd, sink->text, sink->used);
    sink->used = 0;
}

static void put_char(struct sink *sink, char c)
{
    sink->total++;
    if (sink->used == sink->size && sink->drains)
        drain(sink);
    if (sink->used < sink->size)
        sink->text[sink->used++] = c;
}

/* A node is one line: what would break it becomes a question mark. */
static void put(struct sink *sink, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        put_char(sink, c < ' ' || c == 0x7F ? '?' : *text);
    }
}

static void put_number(struct sink *sink, const char *before, intmax_t number, const char *after)
{
    char digits[24];

    (void)snprintf(digits, sizeof digits, "%jd", number);
    put(sink, before);
    put(sink, digits);
    put(sink, after);
}

static void put_code(struct sink *sink, int code)
{
    const char *name = thrum_errname(code);

    if (strcmp(name, thrum_errname(INT_MIN)) == 0) /* which nothing has for a code */
        put_number(sink, "status ", code, "");
    else
        put(sink, name);
}

static void put_place(struct sink *sink, size_t depth, bool cause)
{
    for (size_t i = 0; i < depth && i < INDENT_LIMIT; i++)
        put(sink, "  ");
    if (depth > INDENT_LIMIT)
        put_number(sink, "[", (intmax_t)depth, "] ");
    if (cause)
        put(sink, "caused by: ");
}

static void put_node(struct sink *sink, const struct thrum_error *error)
{
    put(sink, error->name);
    put(sink, error->name[0] ? ": " : "");
    put_code(sink, error->code);
    put(sink, ": ");
    put(sink, error->message[0] ? error->message : thrum_strerror(error->code));
    if (error->file[0]) {
        put(sink, " (spawned at ");
        put(sink, error->file);
        put_number(sink, ":", error->line, ")");
    }
    if (error->lost > 0)
        put_number(sink, " (and at least ", (intmax_t)error->lost,
                   " more, lost for want of memory)");
    put_char(sink, '\n');
}

static void put_tree(struct sink *sink, const struct thrum_error *error)
{
    struct walk walk;

    for (walk_begin(&walk, error, true); walk.node && !sink->err; walk_next(&walk)) {
        put_place(sink, walk.depth, is_cause(&walk));
        put_node(sink, walk.node);
        if (sink->drains)
            drain(sink); /* lines of several threads mix less */
    }
}

int thrum_error_print(const thrum_error *error, int fd)
{
    char text[512];
    struct sink sink = {.text = text, .size = sizeof text, .drains = true, .fd = fd};

    put_tree(&sink, error);
    return sink.err;
}

size_t thrum_error_format(const thrum_error *error, char *text, size_t size)
{
    struct sink sink = {.text = text, .size = size ? size - 1 : 0};

    put_tree(&sink, error);
    if (size > 0)
        text[sink.used] = '\0';
    return sink.total;
}
