/* history.c - reading and writing files of histories: see history.h. */
#include "runtime/explore/history.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/plat/memory.h"

#define LINE_BYTES 1024 /* that a line may have */

struct reader {
    const char *at, *end;
    size_t number;         /* of the line */
    char line[LINE_BYTES]; /* without its end */
    struct history *history;
    unsigned facts;   /* that were told, a bit for each */
    size_t announced; /* deltas */
    const char *wrong;
};

static bool refuse(struct reader *reader, const char *reason)
{
    if (!reader->wrong)
        reader->wrong = reason;
    return false;
}

/* ---- lines ---------------------------------------------------------------------------------- */

static bool has_control(const char *line, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 127)
            return true;
    return false;
}

/* The next line that is no remark. False: there is none, or it is no line. */
static bool next_line(struct reader *reader)
{
    do {
        const char *end;
        size_t length;

        if (reader->at == reader->end)
            return false;
        reader->number++;
        end = memchr(reader->at, '\n', (size_t)(reader->end - reader->at));
        if (!end)
            return refuse(reader, "the file ends in the middle of this line");
        length = (size_t)(end - reader->at);
        if (length >= sizeof reader->line)
            return refuse(reader, "the line is too long");
        if (has_control(reader->at, length))
            return refuse(reader, "there is a control character in the line");
        memcpy(reader->line, reader->at, length);
        reader->line[length] = '\0';
        reader->at = end + 1;
    } while (reader->line[0] == '\0' || reader->line[0] == '#');
    return true;
}

/* ---- facts ---------------------------------------------------------------------------------- */

/* Digits only, and it must fit. */
static bool whole_number(const char *text, uint64_t *number)
{
    uint64_t value = 0;

    if (*text == '\0')
        return false;
    for (; *text >= '0' && *text <= '9'; text++) {
        unsigned digit = (unsigned)(*text - '0');

        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = 10 * value + digit;
    }
    *number = value;
    return *text == '\0';
}

static bool read_status(const char *value, int *status)
{
    bool negative = *value == '-';
    uint64_t number;

    if (!whole_number(value + negative, &number) || number > INT32_MAX)
        return false;
    *status = negative ? -(int)number : (int)number;
    return true;
}

/* 16 hexadecimal digits. */
static bool read_hash(const char *value, uint64_t *hash)
{
    static const char digits[] = "0123456789abcdef";

    *hash = 0;
    for (int i = 0; i < 16; i++) {
        const char *digit = value[i] ? strchr(digits, value[i]) : NULL;

        if (!digit)
            return false;
        *hash = *hash << 4 | (uint64_t)(digit - digits);
    }
    return value[16] == '\0';
}

static bool read_word(const char *value, char *word, size_t size)
{
    if (*value == '\0' || strlen(value) >= size)
        return false;
    strcpy(word, value);
    return true;
}

enum fact { PROGRAM, STATUS, STRATEGY, SEED, RUN, HASH, DELTAS, FACTS };

static const struct {
    const char *name;
    const char *wrong;
} facts[] = {[PROGRAM] = {"program", "the program's name should be 1 to 63 bytes long"},
             [STATUS] = {"status", "the status should be a number of 32 bits"},
             [STRATEGY] = {"strategy", "the strategy should be a word of 1 to 15 bytes"},
             [SEED] = {"seed", "the seed should be a number of 64 bits"},
             [RUN] = {"run", "the run should be a number of 64 bits"},
             [HASH] = {"hash", "the hash should be 16 hexadecimal digits"},
             [DELTAS] = {"deltas", "there should be the number of deltas, at most 4096"}};

static bool read_value(struct reader *reader, enum fact fact, const char *value)
{
    struct history *history = reader->history;
    uint64_t number = 0;

    switch (fact) {
    case PROGRAM:
        return read_word(value, history->program, sizeof history->program);
    case STATUS:
        return read_status(value, &history->status);
    case STRATEGY:
        return read_word(value, history->strategy, sizeof history->strategy);
    case SEED:
        return whole_number(value, &history->seed);
    case RUN:
        return whole_number(value, &history->run);
    case HASH:
        return read_hash(value, &history->hash);
    default:
        if (!whole_number(value, &number) || number > DELTAS_MAX)
            return false;
        reader->announced = (size_t)number;
        return true;
    }
}

/* "name value". *last: it was the number of deltas, which follow. */
static bool read_fact(struct reader *reader, bool *last)
{
    size_t length = strcspn(reader->line, " ");
    const char *value = reader->line + length + (reader->line[length] == ' ');

    for (unsigned fact = 0; fact < FACTS; fact++) {
        if (strlen(facts[fact].name) != length ||
            strncmp(facts[fact].name, reader->line, length) != 0)
            continue;
        if (reader->facts & 1u << fact)
            return refuse(reader, "this was told before");
        reader->facts |= 1u << fact;
        *last = fact == DELTAS;
        return read_value(reader, (enum fact)fact, value) || refuse(reader, facts[fact].wrong);
    }
    return refuse(reader, "no such fact is known in this version");
}

/* ---- the whole ------------------------------------------------------------------------------ */

static bool read_head(struct reader *reader)
{
    static const char head[] = "thrum-history ";
    uint64_t version;

    if (!next_line(reader))
        return refuse(reader, "the file is empty");
    if (strncmp(reader->line, head, sizeof head - 1) != 0)
        return refuse(reader, "this is no history: it should begin with 'thrum-history 1'");
    if (!whole_number(reader->line + sizeof head - 1, &version))
        return refuse(reader, "the version should be a number");
    if (version != HISTORY_VERSION)
        return refuse(reader, "this version is not known; version 1 is");
    return true;
}

static bool read_deltas(struct reader *reader)
{
    struct history *history = reader->history;

    for (; history->count < reader->announced; history->count++) {
        const char *at = reader->line;
        const char *wrong;

        if (!next_line(reader))
            return refuse(reader, "the file ends before all deltas were told");
        wrong = thrum_delta_read(&at, &history->deltas[history->count],
                                 &history->places[history->count]);
        if (wrong)
            return refuse(reader, wrong);
        if (*at)
            return refuse(reader, "there should be nothing behind the delta");
    }
    return true;
}

static bool read_end(struct reader *reader)
{
    if (!next_line(reader))
        return refuse(reader, "the file ends before 'end'");
    if (strcmp(reader->line, "end") != 0)
        return refuse(reader, "'end' should stand here: there are more deltas than announced");
    return !next_line(reader) || refuse(reader, "there should be nothing behind 'end'");
}

int thrum_history_read(const char *bytes, size_t length, struct history *history,
                       struct history_error *error)
{
    struct reader reader = {.at = bytes, .end = bytes + length, .history = history};
    bool last = false;
    bool fine;

    *history = (struct history){.count = 0};
    fine = length <= HISTORY_BYTES || refuse(&reader, "the file is too large");
    fine = fine && read_head(&reader);
    while (fine && !last)
        fine = next_line(&reader) ? read_fact(&reader, &last)
                                  : refuse(&reader, "the file ends before the deltas");
    if (fine) {
        history->deltas = thrum_memory_get((reader.announced + 1) * sizeof *history->deltas, 16);
        history->places = thrum_memory_get((reader.announced + 1) * sizeof *history->places, 16);
        if (!history->deltas || !history->places) {
            thrum_history_fini(history);
            return -ENOMEM;
        }
    }
    if (fine && read_deltas(&reader) && read_end(&reader) && !reader.wrong)
        return 0;
    thrum_history_fini(history);
    *error = (struct history_error){reader.number ? reader.number : 1, reader.wrong};
    return -EINVAL;
}

void thrum_history_fini(struct history *history)
{
    thrum_memory_put(history->deltas);
    thrum_memory_put(history->places);
    history->deltas = NULL;
    history->places = NULL;
    history->count = 0;
}

/* ---- files ---------------------------------------------------------------------------------- */

/* All of it, and a byte more than it may have if there is more. Its length, or a negative code. */
static long load(const char *path, char *bytes)
{
    FILE *file = fopen(path, "rb");
    size_t length;
    int err = 0;

    if (!file)
        return -errno;
    length = fread(bytes, 1, HISTORY_BYTES + 1, file);
    if (ferror(file))
        err = errno ? -errno : -EIO;
    fclose(file);
    return err ? err : (long)length;
}

static int from_file(const char *path, struct history *history)
{
    char *bytes = thrum_memory_get_raw(HISTORY_BYTES + 1, 16);
    struct history_error error = {0, NULL};
    long length;
    int status;

    *history = (struct history){.count = 0};
    if (!bytes)
        return -ENOMEM;
    length = load(path, bytes);
    if (length < 0) {
        fprintf(stderr, "thrum: %s: %s\n", path, strerror((int)-length));
        status = (int)length;
    } else {
        status = thrum_history_read(bytes, (size_t)length, history, &error);
        if (error.reason)
            fprintf(stderr, "thrum: %s:%zu: %s\n", path, error.line, error.reason);
    }
    thrum_memory_put(bytes);
    return status;
}

/* Which word of a text is wrong. */
static void explain(const char *text)
{
    const char *at = text;
    struct places places;
    struct delta delta;

    for (size_t word = 1;; word++) {
        const char *wrong;

        at += strspn(at, " ");
        if (!*at)
            break;
        wrong = thrum_delta_read(&at, &delta, &places);
        if (!wrong && *at && *at != ' ')
            wrong = "there should be nothing behind the delta";
        if (wrong) {
            fprintf(stderr, "thrum: a history's word %zu, at '%.20s': %s\n", word, at, wrong);
            return;
        }
    }
    fprintf(stderr, "thrum: a history is longer than that of %d deltas\n", DELTAS_MAX);
}

int thrum_history_text(const char *text, struct history *history)
{
    int count;

    *history = (struct history){.count = 0};
    count = thrum_deltas_read(text, &history->deltas, &history->places);
    if (count == -EINVAL)
        explain(text);
    if (count < 0)
        return count;
    history->count = (size_t)count;
    return 0;
}

int thrum_history_get(const char *wanted, struct history *history)
{
    return strchr(wanted, '/') ? from_file(wanted, history) : thrum_history_text(wanted, history);
}

bool thrum_history_write(const struct history *history, const struct delta_paths *paths, FILE *file)
{
    fprintf(file, "thrum-history %d\n", HISTORY_VERSION);
    if (history->program[0])
        fprintf(file, "program %s\n", history->program);
    fprintf(file, "status %d\nstrategy %s\nseed %" PRIu64 "\nrun %" PRIu64 "\n", history->status,
            history->strategy, history->seed, history->run);
    if (history->hash)
        fprintf(file, "hash %016" PRIx64 "\n", history->hash);
    fprintf(file, "deltas %zu\n", history->count);
    for (size_t i = 0; i < history->count; i++) {
        char word[DELTA_BYTES];

        if (!paths[i].at[0] || (history->deltas[i].kind == DELTA_GOES && !paths[i].chosen[0]))
            return false;
        if (thrum_delta_write(&history->deltas[i], &paths[i], word, sizeof word) >= sizeof word)
            return false;
        fprintf(file, "%s\n", word);
    }
    fputs("end\n", file);
    return !ferror(file);
}
