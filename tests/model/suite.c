/*
 * suite.c - the main function of a model program: run its models at a bound,
 * or run them once for each mutant and count those that no model notices.
 *
 * A mutant is one ordered operation of the source under test, weakened one
 * step. A survivor is justified by a comment beside the operation,
 *
 *     MUTANT-OK acquire: why nothing is lost without it
 *
 * where the word says what was taken away: acquire, release, seq, fence or
 * membarrier. A justification of a mutant that is killed is an error too. A
 * mutant that survives takes as long as all models do: --trust takes the
 * comments' word for it.
 */
#include "model/explorer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct suite {
    const struct model *models;
    size_t count;
    const char *const *subjects;
    const char *only; /* the model to run; null: all */
    const char *root; /* where the sources' paths begin */
    struct model_options options;
    int mutant; /* the one to run; -1: none */
    bool mutants;
    bool trust; /* not those that a comment justifies */
    bool first; /* stop at the first failure */
};

struct mutant {
    struct model_site *site;
    enum model_order now;
    const char *lost;
};

/* What a mutant's process tells: shared memory. */
struct verdict {
    char model[40];
    char why[160];
};

/* ---- sites -------------------------------------------------------------- */

/* One line may be compiled into several programs' parts: the first stands for all. */
static void link_sites(void)
{
    for (struct model_site *site = __start_model_sites; site < __stop_model_sites; site++) {
        site->first = site;
        for (struct model_site *other = __start_model_sites; other < site; other++) {
            if (other->line == site->line && !strcmp(other->verb, site->verb) &&
                !strcmp(other->file, site->file)) {
                site->first = other->first;
                break;
            }
        }
    }
}

static bool is_subject(const struct suite *suite, const struct model_site *site)
{
    for (const char *const *subject = suite->subjects; subject && *subject; subject++)
        if (strstr(site->file, *subject))
            return true;
    return false;
}

static size_t add_mutants(struct mutant *list, struct model_site *site)
{
    bool membarrier = !strcmp(site->verb, "membarrier");

    if (membarrier || !strncmp(site->verb, "fence_", 6)) {
        list[0] = (struct mutant){site, MODEL_REMOVED, membarrier ? "membarrier" : "fence"};
        return 1;
    }
    switch (site->order) {
    case MODEL_ACQUIRE:
        list[0] = (struct mutant){site, MODEL_RELAXED, "acquire"};
        return 1;
    case MODEL_RELEASE:
        list[0] = (struct mutant){site, MODEL_RELAXED, "release"};
        return 1;
    case MODEL_ACQ_REL:
        list[0] = (struct mutant){site, MODEL_RELEASE, "acquire"};
        list[1] = (struct mutant){site, MODEL_ACQUIRE, "release"};
        return 2;
    case MODEL_SEQ:
        list[0] = (struct mutant){site, MODEL_ACQ_REL, "seq"};
        return 1;
    default:
        return 0;
    }
}

static int by_place(const void *a, const void *b)
{
    const struct mutant *one = a, *two = b;
    int order = strcmp(one->site->file, two->site->file);

    if (order)
        return order;
    if (one->site->line != two->site->line)
        return one->site->line - two->site->line;
    return strcmp(one->lost, two->lost);
}

static size_t list_mutants(const struct suite *suite, struct mutant **list)
{
    size_t sites = (size_t)(__stop_model_sites - __start_model_sites), n = 0;

    *list = calloc(2 * sites + 1, sizeof(**list));
    if (!*list)
        abort();
    for (struct model_site *site = __start_model_sites; site < __stop_model_sites; site++)
        if (site->first == site && is_subject(suite, site))
            n += add_mutants(*list + n, site);
    qsort(*list, n, sizeof(**list), by_place);
    return n;
}

static void apply(const struct mutant *mutant)
{
    for (struct model_site *site = __start_model_sites; site < __stop_model_sites; site++)
        if (site->first == mutant->site)
            site->now = (uint8_t)mutant->now;
}

/* ---- justifications ----------------------------------------------------- */

static bool is_comment(const char *line)
{
    line += strspn(line, " \t");
    return !strncmp(line, "/*", 2) || *line == '*';
}

/* Does the text at or above line `number` of the file justify the loss? */
static bool justified(const struct suite *suite, const struct mutant *mutant)
{
    enum { BACK = 32 };
    static char lines[BACK][512];
    char path[512], mark[64];
    int number = 0;
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", suite->root, mutant->site->file);
    snprintf(mark, sizeof(mark), "MUTANT-OK %s:", mutant->lost);
    file = fopen(mutant->site->file[0] == '/' ? mutant->site->file : path, "r");
    if (!file) {
        printf("cannot read %s (wanted for MUTANT-OK comments; see --root)\n", path);
        return false;
    }
    while (number < mutant->site->line && fgets(lines[number % BACK], 512, file))
        number++;
    fclose(file);
    if (number != mutant->site->line)
        return false;
    number--;
    if (strstr(lines[number % BACK], mark))
        return true;
    for (int back = 1; back < BACK && back <= number; back++) {
        const char *line = lines[(number - back) % BACK];

        if (!is_comment(line))
            return false;
        if (strstr(line, mark))
            return true;
    }
    return false;
}

/* ---- running ------------------------------------------------------------ */

static struct model_result run_model(const struct suite *suite, const struct model *model)
{
    struct model_result result = model_run(&suite->options, model);

    if (suite->options.quiet)
        return result;
    printf("%-28s %9llu executions %10llu steps %7.2f s  %s%s\n", model->name,
           (unsigned long long)result.executions, (unsigned long long)result.steps,
           result.seconds,
           result.failed ? "FAILED: " : result.exhausted ? "exhausted" : "cut short",
           result.why);
    fflush(stdout);
    return result;
}

/* Returns how many models failed. */
static int run_models(const struct suite *suite, struct verdict *verdict)
{
    int failures = 0;

    for (size_t i = 0; i < suite->count; i++) {
        struct model_result result;

        if (suite->only && strcmp(suite->only, suite->models[i].name))
            continue;
        if (verdict)
            snprintf(verdict->model, sizeof(verdict->model), "%s", suite->models[i].name);
        result = run_model(suite, &suite->models[i]);
        failures += result.failed;
        if (verdict && result.failed)
            memcpy(verdict->why, result.why, sizeof(verdict->why));
        if (suite->first && result.failed)
            break;
    }
    return failures;
}

/* In a process of its own: a mutant may crash. */
static bool killed(struct suite *suite, const struct mutant *mutant, struct verdict *verdict)
{
    int status;
    pid_t child;

    memset(verdict, 0, sizeof(*verdict));
    fflush(stdout);
    child = fork();
    if (child == 0) {
        alarm(120);
        suite->options.quiet = true;
        suite->first = true;
        apply(mutant);
        _exit(run_models(suite, verdict) ? 1 : 0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        abort();
    if (WIFSIGNALED(status)) {
        snprintf(verdict->why, sizeof(verdict->why), "ended by signal %d%s", WTERMSIG(status),
                 WTERMSIG(status) == 14 ? ": out of time, not counted as killed" : "");
        return WTERMSIG(status) != 14;
    }
    if (WEXITSTATUS(status) && !verdict->why[0])
        snprintf(verdict->why, sizeof(verdict->why), "crashed");
    return WEXITSTATUS(status) != 0;
}

static int run_mutants(struct suite *suite)
{
    struct verdict *verdict = mmap(NULL, sizeof(*verdict), PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct mutant *list;
    size_t count = list_mutants(suite, &list), dead = 0, excused = 0, wrong = 0;

    if (verdict == MAP_FAILED)
        abort();
    for (size_t i = 0; i < count; i++) {
        const struct mutant *mutant = &list[i];
        bool excuse = justified(suite, mutant);
        bool run = mutant->site->hits && (!excuse || !suite->trust);
        bool kill = run && killed(suite, mutant, verdict);

        printf("%3zu %-30s:%-4d %-17s without %-10s ", i, mutant->site->file,
               mutant->site->line, mutant->site->verb, mutant->lost);
        if (kill)
            printf("killed by %s: %s\n", verdict->model, verdict->why);
        else
            printf("%s%s\n", !excuse ? "SURVIVES" : run ? "survives, justified" : "justified",
                   mutant->site->hits ? "" : " (never reached)");
        if (kill && excuse)
            printf("    its MUTANT-OK comment is wrong: it was killed\n");
        dead += kill;
        excused += !kill && excuse;
        wrong += kill && excuse;
    }
    printf("killed %zu of %zu; %zu more survive with a justification\n", dead, count - excused,
           excused);
    free(list);
    return dead != count - excused || wrong;
}

/* ---- arguments ---------------------------------------------------------- */

static void usage(const char *program)
{
    printf("usage: %s [--bound N] [--stale N] [--max N] [--model NAME] [--list]\n"
           "       [--first] [--mutants] [--trust] [--mutant N] [--root DIR]\n"
           "  --bound N    preemptions in one execution (2)\n"
           "  --stale N    stale reads in one execution (2)\n"
           "  --max N      executions of one model (no limit)\n"
           "  --mutants    run the models on each mutant of the sources under test\n"
           "  --trust      but not on those that a comment justifies\n"
           "  --first      stop at the first model that fails\n"
           "  --mutant N   run the models on mutant N and show the failing execution\n"
           "  --root DIR   where the sources lie, for their MUTANT-OK comments (.)\n",
           program);
    exit(2);
}

static void parse(struct suite *suite, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (!strcmp(name, "--mutants")) {
            suite->mutants = true;
            continue;
        }
        if (!strcmp(name, "--trust")) {
            suite->trust = true;
            continue;
        }
        if (!strcmp(name, "--first")) {
            suite->first = true;
            continue;
        }
        if (!strcmp(name, "--list")) {
            for (size_t k = 0; k < suite->count; k++)
                printf("%s\n", suite->models[k].name);
            exit(0);
        }
        if (!value)
            usage(argv[0]);
        i++;
        if (!strcmp(name, "--bound"))
            suite->options.preemptions = atoi(value);
        else if (!strcmp(name, "--stale"))
            suite->options.stale = atoi(value);
        else if (!strcmp(name, "--max"))
            suite->options.max_executions = strtoull(value, NULL, 10);
        else if (!strcmp(name, "--model"))
            suite->only = value;
        else if (!strcmp(name, "--root"))
            suite->root = value;
        else if (!strcmp(name, "--mutant"))
            suite->mutant = atoi(value);
        else
            usage(argv[0]);
    }
}

int model_main(int argc, char **argv, const struct model *models, size_t count,
               const char *const *subjects)
{
    struct suite suite = {.models = models, .count = count, .subjects = subjects, .root = ".",
                          .options = {.preemptions = 2, .stale = 2}, .mutant = -1};
    int failures;

    link_sites();
    parse(&suite, argc, argv);
    if (suite.mutant >= 0) {
        struct mutant *list;
        size_t n = list_mutants(&suite, &list);

        if ((size_t)suite.mutant >= n)
            usage(argv[0]);
        apply(&list[suite.mutant]);
        free(list);
    }
    failures = run_models(&suite, NULL);
    if (!failures && suite.mutants)
        return run_mutants(&suite);
    return failures ? 1 : 0;
}
