/* failure.c - shrunk, told and written down: see failure.h. */
#include "runtime/explore/failure.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/plat/memory.h"

#define REPORTED 40    /* turns that are printed: the last */
#define CHANCES 100    /* runs by chance after each delta */
#define EXPLAINED 8    /* deltas that a history may have for that */
#define FILE_NAME 4096 /* bytes */

const char *const thrum_strategy_names[] = {
    "default", "random", "pct", "pos", "surw", "systematic", "delay", "portfolio"};

void thrum_program_name(const thrum_explore_options *options, char name[64])
{
    snprintf(name, 64, "%s", options->name ? options->name : "");
    for (char *at = name; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 127)
            *at = ' ';
}

static void tell(const thrum_explore_options *options, const thrum_explore_result *result)
{
    const char *name = options->name;

    fprintf(stderr,
            "thrum: %s%srun %" PRIu64 " (%s, seed %" PRIu64 ") failed: %s (%d); the same again: "
            "THRUM_REPLAY='%s'\n",
            name ? name : "", name ? ": " : "", result->failing,
            thrum_strategy_names[options->strategy], options->seed, thrum_errname(result->status),
            result->status, result->replay);
}

static void complain(const char *path)
{
    fprintf(stderr, "thrum: %s could not be written: %s\n", path, strerror(errno));
}

bool thrum_story_text(const struct story *story, const struct delta *deltas, size_t count,
                      char *text, size_t size)
{
    bool all = count <= STORY_DELTAS;

    return thrum_deltas_write(deltas, story->paths, all ? count : STORY_DELTAS, text, size) && all;
}

/* ---- the page ------------------------------------------------------------------------------- */

static bool is_page(const char *path)
{
    size_t length = strlen(path);

    return length < 4 || strcmp(path + length - 4, ".txt") != 0;
}

static void write_page(const char *path, const struct story *story,
                       const thrum_explore_options *options, int status, const char *replay)
{
    char title[192], name[64];
    FILE *file = fopen(path, "w");

    thrum_program_name(options, name);
    snprintf(title, sizeof title, "%s: %s (%d)", name[0] ? name : "a run", thrum_errname(status),
             status);
    if (file && is_page(path))
        thrum_report_html(&story->report, file, title, replay);
    else if (file)
        thrum_report_text(&story->report, file, SIZE_MAX);
    if (!file || fclose(file))
        complain(path);
}

void thrum_failure_page(const struct story *story, const thrum_explore_options *options, int status,
                        const char *replay)
{
    const char *path = getenv("THRUM_REPORT");

    if (path && *path)
        write_page(path, story, options, status, replay);
}

/* ---- files ---------------------------------------------------------------------------------- */

/* THRUM_ARTIFACTS: DIRECTORY/PROGRAM.ending. False: there is no such directory wanted. */
static bool artifact(const thrum_explore_options *options, const char *ending, char *path,
                     size_t size)
{
    const char *directory = getenv("THRUM_ARTIFACTS");
    char name[64];

    if (!directory || !*directory)
        return false;
    thrum_program_name(options, name);
    for (char *at = name; *at; at++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", *at))
            *at = '_';
    snprintf(path, size, "%s/%s.%s", directory, name[0] ? name : "program", ending);
    return true;
}

static void write_history(const char *path, const struct story *story,
                          const thrum_explore_options *options, struct delta *deltas, size_t count,
                          const thrum_explore_result *result)
{
    struct history history = {.status = result->status,
                              .seed = options->seed,
                              .run = result->failing,
                              .hash = story->hash,
                              .deltas = deltas,
                              .count = count};
    FILE *file = fopen(path, "w");
    bool fine;

    thrum_program_name(options, history.program);
    snprintf(history.strategy, sizeof history.strategy, "%s",
             thrum_strategy_names[options->strategy]);
    if (!file) {
        complain(path);
        return;
    }
    fine = thrum_history_write(&history, story->paths, file);
    if (fclose(file) || !fine)
        complain(path);
    else if (!(options->flags & THRUM_EXPLORE_QUIET))
        fprintf(stderr, "thrum: written to %s\n", path);
}

static void write_artifacts(const struct story *story, const thrum_explore_options *options,
                            struct delta *deltas, size_t count, const thrum_explore_result *result)
{
    char path[FILE_NAME];

    if (artifact(options, "html", path, sizeof path))
        write_page(path, story, options, result->status, result->replay);
    if (count > STORY_DELTAS)
        return;
    if (artifact(options, "history", path, sizeof path))
        write_history(path, story, options, deltas, count, result);
}

/* ---- how it came about ---------------------------------------------------------------------- */

/* Is anybody going to see it? */
static bool explained(const thrum_explore_options *options)
{
    return !(options->flags & THRUM_EXPLORE_QUIET) || getenv("THRUM_REPORT") ||
           getenv("THRUM_ARTIFACTS");
}

/* With so many of the deltas, and then by chance: how often does it fail? */
static void explain(const struct attempts *attempts, const struct delta *deltas, size_t count,
                    struct story *story, int status)
{
    struct report *report = &story->report;

    report->deltas = count < REPORT_DELTAS ? (uint32_t)count : 0;
    for (size_t i = 0; i < report->deltas; i++)
        (void)thrum_delta_write(&deltas[i], &story->paths[i], report->words[i],
                                sizeof report->words[i]);
    if (!attempts->failing || count > EXPLAINED)
        return;
    report->chances = CHANCES;
    for (size_t i = 0; i <= report->deltas; i++)
        report->failed[i] = attempts->failing(attempts->arg, deltas, i, status, CHANCES);
}

int thrum_failure_investigate(const struct attempts *attempts, const thrum_explore_options *options,
                              const struct delta *given, size_t count, struct story *story,
                              thrum_explore_result *result)
{
    struct delta *deltas = thrum_memory_get((count + 1) * sizeof *deltas, 16);
    const struct delta *ignored;
    size_t ignored_count;

    if (!deltas)
        return -ENOMEM;
    if (count)
        memcpy(deltas, given, count * sizeof *deltas);
    count = thrum_shrink(attempts, deltas, count, result->status, &result->shrunk);
    result->deltas = (uint32_t)count;
    (void)attempts->attempt(attempts->arg, deltas, count, story, &ignored, &ignored_count);
    (void)thrum_story_text(story, deltas, count, result->replay, sizeof result->replay);
    if (explained(options))
        explain(attempts, deltas, count, story, result->status);
    if (!(options->flags & THRUM_EXPLORE_QUIET)) {
        thrum_report_text(&story->report, stderr, REPORTED);
        tell(options, result);
    }
    thrum_failure_page(story, options, result->status, result->replay);
    write_artifacts(story, options, deltas, count, result);
    thrum_memory_put(deltas);
    return 0;
}
