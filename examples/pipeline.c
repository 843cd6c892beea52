/*
 * pipeline.c - stages with queues between them, all at work at the same time.
 *
 * Each stage is a task that takes from the queue before it and puts into the one behind it. A
 * stage that has no more shuts down the queue behind it, and so the end travels through; if one
 * fails, its group cancels the others. Queues are short, so no stage runs far ahead.
 *
 * Prints:
 *     3 squared is 9
 *     14 squared is 196
 *     159 squared is 25281
 *     2653 squared is 7038409
 *     a stage fails: THRUM_EGROUP
 *       pipeline: THRUM_EGROUP: a task of the group failed
 *         parse: EINVAL: "x" is not a number
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <thrum/thrum.h>

struct number {
    long n;
    long square;
};

struct pipeline {
    const char *const *words; /* up to a NULL */
    thrum_queue texts;        /* of const char * */
    thrum_queue numbers;      /* of struct number */
    thrum_queue squares;      /* of struct number */
};

static int read_words(void *arg)
{
    struct pipeline *line = arg;
    int status = 0;

    for (int i = 0; line->words[i] && !status; i++)
        status = thrum_queue_put(&line->texts, &line->words[i]);
    thrum_queue_shutdown(&line->texts, false);
    return status;
}

static int parse(void *arg)
{
    struct pipeline *line = arg;
    const char *text;
    int status;

    while ((status = thrum_queue_get(&line->texts, &text)) == 0) {
        char *end;
        struct number number = {strtol(text, &end, 10), 0};

        if (*end || end == text)
            return thrum_fail(-EINVAL, "\"%s\" is not a number", text);
        status = thrum_queue_put(&line->numbers, &number);
        if (status)
            return status;
    }
    thrum_queue_shutdown(&line->numbers, false);
    return status == THRUM_ESHUTDOWN ? 0 : status;
}

static int square(void *arg)
{
    struct pipeline *line = arg;
    struct number number;
    int status;

    while ((status = thrum_queue_get(&line->numbers, &number)) == 0) {
        number.square = number.n * number.n;
        status = thrum_queue_put(&line->squares, &number);
        if (status)
            return status;
    }
    thrum_queue_shutdown(&line->squares, false);
    return status == THRUM_ESHUTDOWN ? 0 : status;
}

static int print(void *arg)
{
    struct pipeline *line = arg;
    struct number number;
    int status;

    while ((status = thrum_queue_get(&line->squares, &number)) == 0)
        printf("%ld squared is %ld\n", number.n, number.square);
    return status == THRUM_ESHUTDOWN ? 0 : status;
}

static const struct stage {
    thrum_fn fn;
    const char *name;
} stages[] = {{read_words, "read"}, {parse, "parse"}, {square, "square"}, {print, "print"}};

static int run_stages(struct pipeline *line, thrum_error **errors)
{
    thrum_group_options options = THRUM_GROUP_OPTIONS_INIT;
    thrum_group group;
    int status;

    options.name = "pipeline";
    status = thrum_group_open(&group, &options);
    if (status)
        return status;
    for (int i = 0; i < 4 && !status; i++) {
        thrum_task_options task = THRUM_TASK_OPTIONS_INIT;

        task.name = stages[i].name;
        status = thrum_group_spawn(&group, stages[i].fn, line, &task, NULL);
    }
    if (status == THRUM_ESHUTDOWN) /* one has failed before all were spawned: it says so itself */
        status = 0;
    return thrum_group_close(&group, status, errors);
}

static int run_line(const char *const *words, thrum_error **errors)
{
    thrum_queue_options options = THRUM_QUEUE_OPTIONS_INIT;
    struct pipeline line = {.words = words};
    int status;

    options.limit = 2;
    *errors = NULL;
    status = thrum_queue_init(&line.texts, sizeof(const char *), &options);
    if (status)
        return status;
    status = thrum_queue_init(&line.numbers, sizeof(struct number), &options);
    if (status)
        goto destroy_texts;
    status = thrum_queue_init(&line.squares, sizeof(struct number), &options);
    if (status)
        goto destroy_numbers;
    status = run_stages(&line, errors);
    thrum_queue_destroy(&line.squares);
destroy_numbers:
    thrum_queue_destroy(&line.numbers);
destroy_texts:
    thrum_queue_destroy(&line.texts);
    return status;
}

static int root(void *arg)
{
    static const char *const good[] = {"3", "14", "159", "2653", NULL};
    static const char *const bad[] = {"x", NULL};
    thrum_error *errors;
    char text[512];
    int status = run_line(good, &errors);

    (void)arg;
    if (status)
        return status;
    status = run_line(bad, &errors);
    printf("a stage fails: %s\n", thrum_errname(status));
    (void)thrum_error_format(errors, text, sizeof text);
    for (char *at = text, *end; *at; at = end + 1) {
        end = at;
        while (*end != '\n')
            end++;
        printf("  %.*s\n", (int)(end - at), at);
    }
    thrum_error_free(errors);
    return 0;
}

int main(void)
{
    return thrum_run(root, NULL, NULL, NULL) ? 1 : 0;
}
