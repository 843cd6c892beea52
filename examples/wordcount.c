/*
 * wordcount.c FILE - the most frequent words of a text: map and reduce on a worker pool.
 *
 * The text is cut into chunks between words. Map: workers count the words of each chunk. Reduce:
 * they add the counts of two chunks, of two pairs, and so on.
 *
 * Prints, for this project's LICENSE:
 *     1580 words, 449 different ones
 *     the    100
 *     or     68
 *     of     67
 *     and    45
 *     to     40
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <thrum/thrum.h>

enum { CHUNKS = 16, SLOTS = 4096, LONGEST = 31 }; /* more words than SLOTS are too many */

struct count {
    char word[LONGEST + 1]; /* "": free */
    size_t n;
};

/* The words of a part of the text: a hash table with open addressing. */
struct chunk {
    const char *begin;
    const char *end;
    struct count *counts; /* SLOTS */
    size_t words;
    size_t different;
};

/* ---- one chunk ------------------------------------------------------------------------------- */

static uint32_t hash(const char *word)
{
    uint32_t h = 2166136261u; /* FNV-1a */

    while (*word)
        h = (h ^ (unsigned char)*word++) * 16777619u;
    return h;
}

static int add(struct chunk *chunk, const char *word, size_t n)
{
    uint32_t at = hash(word) % SLOTS;

    while (chunk->counts[at].n && strcmp(chunk->counts[at].word, word) != 0)
        at = (at + 1) % SLOTS;
    if (!chunk->counts[at].n) {
        if (++chunk->different == SLOTS)
            return -E2BIG;
        strcpy(chunk->counts[at].word, word);
    }
    chunk->counts[at].n += n;
    chunk->words += n;
    return 0;
}

static bool is_part(char c)
{
    return !isspace((unsigned char)c);
}

/* Up to LONGEST letters and digits of the word that begins here, in lower case. */
static const char *next_word(const char *at, const char *end, char *word)
{
    size_t n = 0;

    for (; at < end && is_part(*at); at++)
        if (isalnum((unsigned char)*at) && n < LONGEST)
            word[n++] = (char)tolower((unsigned char)*at);
    word[n] = 0;
    return at;
}

static int map(void *arg)
{
    struct chunk *chunk = arg;
    const char *at = chunk->begin;
    int status = 0;

    while (!status && at < chunk->end) {
        char word[LONGEST + 1];

        if (!is_part(*at)) {
            at++;
            continue;
        }
        at = next_word(at, chunk->end, word);
        if (*word)
            status = add(chunk, word, 1);
    }
    return status;
}

/* Two chunks become one. */
struct pair {
    struct chunk *left;
    const struct chunk *right;
};

static int reduce(void *arg)
{
    const struct pair *pair = arg;
    int status = 0;

    for (size_t i = 0; i < SLOTS && !status; i++)
        if (pair->right->counts[i].n)
            status = add(pair->left, pair->right->counts[i].word, pair->right->counts[i].n);
    return status;
}

/* ---- all of them ----------------------------------------------------------------------------- */

struct text {
    const char *path;
    char *bytes;
    size_t size;
    struct count *counts; /* of all chunks */
    struct chunk chunks[CHUNKS];
};

/* Blocks; runs on a thread of its own. */
static int read_text(void *arg)
{
    struct text *text = arg;
    FILE *file = fopen(text->path, "rb");
    long size = -1;

    if (!file)
        return -ENOENT;
    if (fseek(file, 0, SEEK_END) == 0)
        size = ftell(file);
    rewind(file);
    text->bytes = size > 0 ? malloc((size_t)size) : NULL;
    if (text->bytes)
        text->size = fread(text->bytes, 1, (size_t)size, file);
    fclose(file);
    return text->bytes && text->size == (size_t)size ? 0 : -EIO;
}

static void cut(struct text *text)
{
    const char *end = text->bytes + text->size;
    const char *at = text->bytes;

    for (size_t i = 0; i < CHUNKS; i++) {
        const char *to = text->bytes + text->size * (i + 1) / CHUNKS;

        if (to < at)
            to = at;
        while (to < end && is_part(*to))
            to++;
        text->chunks[i] = (struct chunk){at, to, text->counts + i * SLOTS, 0, 0};
        at = to;
    }
}

/* At the end the first chunk has all. */
static int map_and_reduce(thrum_workers *workers, struct text *text)
{
    thrum_job jobs[CHUNKS];
    struct pair pairs[CHUNKS];
    int status = thrum_workers_map(workers, jobs, CHUNKS, THRUM_FAIL_FAST, map, text->chunks,
                                   sizeof text->chunks[0]);

    for (size_t step = 1; step < CHUNKS && !status; step *= 2) {
        size_t n = 0;

        for (size_t i = 0; i + step < CHUNKS; i += 2 * step)
            pairs[n++] = (struct pair){&text->chunks[i], &text->chunks[i + step]};
        status =
            thrum_workers_map(workers, jobs, n, THRUM_FAIL_FAST, reduce, pairs, sizeof pairs[0]);
    }
    return status;
}

static int count_words(struct text *text)
{
    thrum_workers workers;
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    if (status)
        return status;
    status = thrum_workers_open(&workers, &group, NULL);
    if (!status) {
        int closed;

        status = map_and_reduce(&workers, text);
        closed = thrum_workers_close(&workers);
        status = status ? status : closed;
    }
    return thrum_group_close(&group, status, NULL);
}

static int by_count(const void *a, const void *b)
{
    const struct count *one = a, *other = b;

    if (one->n != other->n)
        return one->n > other->n ? -1 : 1;
    return strcmp(one->word, other->word);
}

static int root(void *arg)
{
    struct text text = {.path = arg};
    int status = thrum_to_thread(NULL, read_text, &text);

    text.counts = calloc((size_t)CHUNKS * SLOTS, sizeof *text.counts);
    if (!status && !text.counts)
        status = -ENOMEM;
    if (!status) {
        cut(&text);
        status = count_words(&text);
    }
    if (!status) {
        qsort(text.counts, SLOTS, sizeof *text.counts, by_count); /* the first chunk's */
        printf("%zu words, %zu different ones\n", text.chunks[0].words, text.chunks[0].different);
        for (int i = 0; i < 5; i++)
            printf("%-6s %zu\n", text.counts[i].word, text.counts[i].n);
    }
    free(text.counts);
    free(text.bytes);
    return status;
}

int main(int argc, char **argv)
{
    int status;

    if (argc != 2) {
        fprintf(stderr, "usage: wordcount FILE\n");
        return 2;
    }
    status = thrum_run(root, argv[1], NULL, NULL);
    if (status)
        fprintf(stderr, "wordcount: %s\n", thrum_strerror(status));
    return status ? 1 : 0;
}
