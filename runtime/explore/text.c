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

/* The id of who has this path. */
static bool read_path(const char **at, uint64_t *id)
{
    uint32_t number;
    bool other = **at == 'r';

    *at += other;
    if (!read_number(at, &number))
        return false;
    if (other || number == 0)
        *id = thrum_player_id(NULL, number);
    else {
        uint64_t root = thrum_player_id(NULL, 0);

        *id = thrum_player_id(&root, number);
    }
    while (**at == '.') {
        uint64_t parent = *id;

        ++*at;
        if (!read_number(at, &number))
            return false;
        *id = thrum_player_id(&parent, number);
    }
    return true;
}

static bool read_delta(const char **at, struct delta *delta)
{
    if (!read_path(at, &delta->at) || *(*at)++ != '@' || !read_number(at, &delta->op))
        return false;
    if (**at == ':') {
        ++*at;
        if (!read_number(at, &delta->before))
            return false;
    }
    if (**at == '!') {
        ++*at;
        delta->kind = DELTA_CANCELLED;
        return true;
    }
    if (**at == '=') {
        uint32_t number;

        ++*at;
        delta->kind = DELTA_DRAWN;
        if (!read_number(at, &number))
            return false;
        delta->chosen = number;
        return true;
    }
    return *(*at)++ == '>' && read_path(at, &delta->chosen);
}

int thrum_deltas_read(const char *text, struct delta **out)
{
    size_t most = strlen(text) / 5 + 1; /* "1@2>3" */
    struct delta *deltas;
    int count = 0;

    if (most > DELTAS_MAX)
        return -EINVAL;
    deltas = thrum_memory_get(most * sizeof *deltas, 16);
    if (!deltas)
        return -ENOMEM;
    while (*text == ' ')
        text++;
    while (*text) {
        if ((size_t)count == most || !read_delta(&text, &deltas[count]) ||
            (*text && *text != ' ')) {
            thrum_memory_put(deltas);
            return -EINVAL;
        }
        count++;
        while (*text == ' ')
            text++;
    }
    *out = deltas;
    return count;
}

bool thrum_deltas_write(const struct delta *deltas, const struct delta_paths *paths, size_t count,
                        char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        char again[16] = "", number[24] = "";
        const char *chosen = number;
        int length;

        if (deltas[i].before)
            snprintf(again, sizeof again, ":%u", deltas[i].before);
        if (deltas[i].kind == DELTA_GOES)
            chosen = paths[i].chosen;
        if (deltas[i].kind == DELTA_DRAWN)
            snprintf(number, sizeof number, "%" PRIu64, deltas[i].chosen);
        length = snprintf(text + used, size - used, "%s%s@%u%s%c%s", i ? " " : "", paths[i].at,
                          deltas[i].op, again, ">=!"[deltas[i].kind], chosen);
        if ((size_t)length >= size - used) {
            text[used] = '\0';
            return false;
        }
        used += (size_t)length;
    }
    return true;
}
