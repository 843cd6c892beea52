/*
 * error.c - trees of failures.
 *
 * Tasks that fail push a node onto their group's list, newest first, from any
 * thread; close turns the list round and hangs it under a node for the group.
 * The low bit of the list's head says that a failure was lost for want of
 * memory.
 *
 * Edges
 *   error.add   thrum_error_add -> close   the node
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/plat/memory.h"
#include "runtime/task/task.h"

#define LOST ((uint64_t)1)

struct thrum_error {
    struct thrum_error *next;  /* sibling that ended later; newest first while in the list */
    struct thrum_error *first; /* child that ended first */
    size_t count;
    size_t lost;
    int code;
    char name[28];
};

static struct thrum_error *error_new(int code, const char *name)
{
    struct thrum_error *error = thrum_memory_get(sizeof *error, 16);

    if (error) {
        error->code = code;
        strncat(error->name, name ? name : "", sizeof error->name - 1);
    }
    return error;
}

void thrum_error_add(uint64_t *failures, int status, const char *name)
{
    struct thrum_error *error = error_new(status, name);
    uint64_t seen = load_relaxed(failures); /* relaxed: a guess */
    uint64_t head;

    do {
        head = seen | LOST;
        if (error) {
            error->next = pointer_of(seen & ~LOST);
            head = word_of(error) | (seen & LOST);
        }
    } while (!cas_acq_rel(failures, &seen, head)); /* EDGE error.add */
}

struct thrum_error *thrum_error_of(uint64_t failures, const char *name)
{
    struct thrum_error *group = error_new(THRUM_EGROUP, name);
    struct thrum_error *newest = pointer_of(failures & ~LOST);

    while (newest) {
        struct thrum_error *next = newest->next;

        if (group) {
            newest->next = group->first;
            group->first = newest;
            group->count++;
        } else {
            thrum_error_free(newest);
        }
        newest = next;
    }
    if (group)
        group->lost = failures & LOST;
    return group;
}

void thrum_error_free(thrum_error *error)
{
    struct thrum_error *child = error ? error->first : NULL;

    while (child) {
        struct thrum_error *next = child->next;

        thrum_error_free(child);
        child = next;
    }
    thrum_memory_put(error);
}

int thrum_error_code(const thrum_error *error)
{
    return error->code;
}

const char *thrum_error_name(const thrum_error *error)
{
    return error->name;
}

size_t thrum_error_count(const thrum_error *error)
{
    return error->count;
}

size_t thrum_error_lost(const thrum_error *error)
{
    return error->lost;
}

const thrum_error *thrum_error_child(const thrum_error *error, size_t i)
{
    const struct thrum_error *child = error->first;

    while (child && i-- > 0)
        child = child->next;
    return child;
}

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

static int print(const thrum_error *error, int fd, int depth)
{
    char line[256];
    int length = snprintf(line, sizeof line, "%*s%s%s%s: %s\n", depth * 2, "", error->name,
                          error->name[0] ? ": " : "", thrum_errname(error->code),
                          thrum_strerror(error->code));
    int err = write_all(fd, line, (size_t)length < sizeof line ? (size_t)length : sizeof line - 1);

    for (const thrum_error *child = error->first; child && !err; child = child->next)
        err = print(child, fd, depth + 1);
    return err;
}

int thrum_error_print(const thrum_error *error, int fd)
{
    return print(error, fd, 0);
}
