/* text.c - reading and writing histories. Nothing that is read is trusted. */
#include "runtime/explore/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/base.h"
#include "runtime/plat/memory.h"
#include "runtime/world/sim.h"

/* A number below 2^32 without sign or space. */
static bool read_number(const char **at, uint32_t *number)
{
    const char *begin = *at;
    uint64_t value = 0;

    while (**at >= '0' && **at <= '9' && *at - begin < 10)
        value = 10 * value + (uint64_t)(*(*at)++ - '0');
    *number = (uint32_t)value;
    return *at > begin && value <= UINT32_MAX && !(**at >= '0' && **at <= '9');
}

/* The how-manieth of its parent: "d" says that it is no task. */
static bool read_place(const char **at, uint32_t *number)
{
    bool happens = **at == 'd';

    *at += happens;
    if (!read_number(at, number) || (happens && *number & HAPPENING_NUMBER))
        return false;
    *number |= happens ? HAPPENING_NUMBER : 0;
    return true;
}

void thrum_path_step(struct path *path, uint32_t number)
{
    uint64_t parent = path->id;

    path->id = thrum_player_id(path->depth ? &parent : NULL, number);
    if (path->depth < PATH_DEPTH)
        path->numbers[path->depth] = number;
    path->depth++;
}

/* "0" is the first root, "2" its second child, "r1" another root. */
static bool read_path(const char **at, struct path *path)
{
    bool other = **at == 'r';
    uint32_t number;

    *at += other;
    if (!(other ? read_number(at, &number) : read_place(at, &number)))
        return false;
    *path = (struct path){.depth = 0};
    thrum_path_step(path, other ? number : 0);
    if (!other && number)
        thrum_path_step(path, number);
    while (**at == '.') {
        ++*at;
        if (!read_place(at, &number))
            return false;
        thrum_path_step(path, number);
    }
    return true;
}

/* What the words after it say. */
static const char *read_outcome(const char **at, struct delta *delta, struct path *chosen)
{
    uint32_t number;

    switch (*(*at)++) {
    case '!':
        delta->kind = DELTA_CANCELLED;
        return NULL;
    case '=':
        delta->kind = DELTA_DRAWN;
        if (!read_number(at, &number))
            return "the number that was drawn should stand here";
        delta->chosen = number;
        return NULL;
    case '#':
        delta->kind = DELTA_FAULT;
        if (!read_number(at, &number))
            return "the fault that was dealt should stand here";
        delta->chosen = number;
        return NULL;
    case '~':
    case '^':
        delta->kind = (*at)[-1] == '~' ? DELTA_EARLY : DELTA_TIE;
        if (!read_number(at, &number))
            return "which of the timers was first should stand here";
        delta->chosen = number;
        return NULL;
    case '>':
        if (!read_path(at, chosen))
            return "the task that went first should stand here";
        delta->chosen = chosen->id;
        return NULL;
    default:
        --*at;
        return "'>', '=', '!', '#', '~' or '^' should stand here";
    }
}

const char *thrum_delta_read(const char **at, struct delta *delta, struct places *places)
{
    *delta = (struct delta){.kind = DELTA_GOES};
    if (!read_path(at, &places->at))
        return "a task should stand here";
    delta->at = places->at.id;
    if (**at != '@')
        return "'@' should stand here";
    ++*at;
    if (!read_number(at, &delta->op))
        return "the number of a point should stand here";
    if (**at == ':') {
        ++*at;
        if (!read_number(at, &delta->before))
            return "how often it was asked before should stand here";
    }
    return read_outcome(at, delta, &places->chosen);
}

static void skip(const char **text)
{
    while (**text == ' ')
        ++*text;
}

/* At most `most`; *count is how many there are. */
static bool read_all(const char *text, struct delta *deltas, struct places *places, size_t most,
                     size_t *count)
{
    *count = 0;
    for (skip(&text); *text; skip(&text)) {
        if (*count == most || thrum_delta_read(&text, &deltas[*count], &places[*count]) ||
            (*text && *text != ' '))
            return false;
        ++*count;
    }
    return true;
}

int thrum_deltas_read(const char *text, struct delta **deltas, struct places **places)
{
    size_t most = strlen(text) / 4 + 1; /* "1@2!" */
    size_t count;
    int status = -ENOMEM;

    *deltas = NULL;
    *places = NULL;
    if (most > DELTAS_MAX)
        return -EINVAL;
    *deltas = thrum_memory_get(most * sizeof **deltas, 16);
    *places = thrum_memory_get(most * sizeof **places, 16);
    if (*deltas && *places)
        status = read_all(text, *deltas, *places, most, &count) ? (int)count : -EINVAL;
    if (status >= 0)
        return status;
    thrum_memory_put(*deltas);
    thrum_memory_put(*places);
    *deltas = NULL;
    *places = NULL;
    return status;
}

size_t thrum_delta_write(const struct delta *delta, const struct delta_paths *paths, char *text,
                         size_t size)
{
    char again[16] = "", number[24] = "";
    const char *chosen = number;

    if (delta->before)
        snprintf(again, sizeof again, ":%u", delta->before);
    if (delta->kind == DELTA_GOES)
        chosen = paths->chosen;
    else if (delta->kind != DELTA_CANCELLED)
        snprintf(number, sizeof number, "%" PRIu64, delta->chosen);
    return (size_t)snprintf(text, size, "%s@%u%s%c%s", paths->at, delta->op, again,
                            ">=!#~^"[delta->kind], chosen);
}

bool thrum_deltas_write(const struct delta *deltas, const struct delta_paths *paths, size_t count,
                        char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        char word[DELTA_BYTES];
        size_t length = thrum_delta_write(&deltas[i], &paths[i], word, sizeof word);

        if (length + (i > 0) >= size - used)
            return false;
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? " " : "", word);
    }
    return true;
}
