/*
 * runner.c - all tests of a program, each in all worlds: see thrum/test.h.
 *
 * Each run is a process, forked from one that never has a second thread, so that
 * it begins with the program's variables as they were. What it says goes to a
 * file in memory, and on if it has failed.
 */
#include <errno.h>
#include <fnmatch.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thrum/explore.h>
#include <thrum/hold.h>
#include <thrum/run.h>

#include "runtime/kit/kit.h"

#define SEEDS 20
#define WORKERS_MOST 16 /* numbers of them in --workers */
#define PATIENCE_S 60
#define LAST_PATIENCE_S 5 /* from the cancel of a test that hangs to its end */
#define DAY_NS ((int64_t)86400 * 1000000000)
#define STATUS_SKIPPED 77

/* One of the worlds. */
struct world {
    bool simulated;
    uint64_t seed;
    uint64_t schedules; /* simulated: so many orders, instead of the one that the seed gives */
    int workers;
};

struct program {
    const char *name;
    const char *only; /* NULL: all */
    const char *sim;  /* THRUM_SIM, or NULL */
    bool replay;      /* THRUM_REPLAY is there */
    long seeds;
    long schedules; /* to be explored */
    int workers[WORKERS_MOST];
    size_t workers_count;
    long shard, shards; /* this is one of so many programs that share the tests */
    bool list;
    bool here; /* do not fork */
};

static const char *program_name;
static thrum_test *tests;
static thrum_test **last = &tests;

void thrum_test_register(thrum_test *test)
{
    test->next = NULL;
    *last = test;
    last = &test->next;
}

/* ---- real time ------------------------------------------------------------------------------- */

struct watch {
    thrum_runtime *runtime;
    int ends[2]; /* of a pipe: closed at the one end, the other one says so */
    pthread_t thread;
};

static int patience_s(void)
{
    const char *text = getenv("THRUM_TEST_PATIENCE");
    int seconds = text ? atoi(text) : 0;

    return seconds > 0 ? seconds : PATIENCE_S;
}

/* False: the time is up. */
static bool done_within(const struct watch *watch, int seconds)
{
    struct pollfd end = {watch->ends[0], POLLIN, 0};
    int ready;

    do
        ready = poll(&end, 1, seconds * 1000);
    while (ready < 0 && errno == EINTR);
    return ready != 0;
}

static void *watch_over(void *arg)
{
    const struct watch *watch = arg;

    if (done_within(watch, patience_s()))
        return NULL;
    thrum_test_fail(NULL,
                    "not done after %d s of real time; who waits for what then:", patience_s());
    (void)thrum_dump(STDERR_FILENO);
    thrum_runtime_cancel(watch->runtime, THRUM_ETIMEOUT, "nobody has the patience");
    if (done_within(watch, LAST_PATIENCE_S))
        return NULL;
    thrum_kit_say("it does not end when it is cancelled");
    _exit(1);
}

static int watch_begin(struct watch *watch, thrum_runtime *runtime)
{
    int err;

    watch->runtime = runtime;
    if (pipe(watch->ends))
        return -errno;
    err = pthread_create(&watch->thread, NULL, watch_over, watch);
    if (err) {
        close(watch->ends[0]);
        close(watch->ends[1]);
    }
    return -err;
}

static void watch_end(struct watch *watch)
{
    close(watch->ends[1]);
    pthread_join(watch->thread, NULL);
    close(watch->ends[0]);
}

/* ---- one run --------------------------------------------------------------------------------- */

static void check_status(int status)
{

    if (status < 0)
        thrum_test_fail(NULL, "its run ended with %s: %s", thrum_errname(status),
                        thrum_strerror(status));
}

static void run_watched(struct kit_run *run, thrum_runtime *runtime)
{
    struct watch watch;
    int status = watch_begin(&watch, runtime);

    if (!status) {
        status = thrum_runtime_run(runtime, thrum_kit_root, run, NULL);
        watch_end(&watch);
    }
    check_status(status);
    if (thrum_runtime_unhandled(runtime))
        thrum_test_fail(NULL, "there were errors that nobody took");
}

static int64_t limit_of(const thrum_test *test, const struct world *world)
{
    if (test->options.timeout)
        return test->options.timeout;
    return world->simulated ? DAY_NS : THRUM_FOREVER;
}

static void choose(const struct world *world)
{
    char seed[24];

    snprintf(seed, sizeof seed, "%llu", (unsigned long long)world->seed);
    if (world->simulated && world->schedules == 0)
        setenv("THRUM_SIM", seed, 1);
    else
        unsetenv("THRUM_SIM");
}

static int run_once(struct kit_run *run, const struct world *world)
{
    thrum_options options = THRUM_OPTIONS_INIT;
    thrum_runtime *runtime;
    int status;

    options.workers = world->workers;
    options.stack_bytes = run->test->options.stack_bytes;
    thrum_kit_verdict_begin();
    status = thrum_runtime_create(&runtime, &options);
    if (!status && !(run->test->options.flags & THRUM_TEST_REAL_TIME))
        thrum_runtime_jump(runtime);
    if (!status) {
        run_watched(run, runtime);
        status = thrum_runtime_close(runtime);
    }
    check_status(status);
    thrum_kit_mocks_end();
    return thrum_test_failures() != 0 ? THRUM_ECHECK : 0;
}

/* ---- in many orders -------------------------------------------------------------------------- */

/* What failing runs have to say is said once. */
static int explored(void *arg)
{
    struct kit_run *run = arg;
    int status;

    thrum_kit_verdict_begin();
    thrum_kit_mute(run->failed);
    status = thrum_kit_root(run);
    thrum_kit_mocks_end();
    thrum_kit_mute(false);
    if (!status && thrum_test_failures() != 0)
        status = THRUM_ECHECK;
    run->failed |= status != 0;
    return status;
}

static int explore(struct kit_run *run, const struct world *world)
{
    thrum_explore_options options = THRUM_EXPLORE_OPTIONS_INIT;
    const char *target = getenv("TEST_TARGET");
    thrum_explore_result result;
    int status;

    options.schedules = world->schedules;
    options.name = run->test->name;
    status = thrum_explore(&options, explored, run, &result);
    if (status && !run->failed)
        check_status(status);
    else if (status && target)
        thrum_kit_say("again: bazel test %s --test_filter=%s '--test_env=THRUM_REPLAY=%s'", target,
                      run->test->name, result.replay);
    else if (status)
        thrum_kit_say("again: THRUM_REPLAY='%s' %s --only %s", result.replay, program_name,
                      run->test->name);
    return status;
}

/* The exit status. */
static int run_here(const thrum_test *test, const struct world *world)
{
    struct kit_run run = {test, limit_of(test, world), false};
    bool failed;

    choose(world);
    failed = (world->schedules ? explore(&run, world) : run_once(&run, world)) != 0;
    if (failed != !!(test->options.flags & THRUM_TEST_FAILS)) {
        if (!failed)
            thrum_kit_say("it was to fail, and has not");
        return 1;
    }
    return thrum_kit_skipped() ? STATUS_SKIPPED : 0;
}

/* ---- in a process of its own ----------------------------------------------------------------- */

static void copy(int from)
{
    char bytes[4096];
    ssize_t n;

    lseek(from, 0, SEEK_SET);
    while ((n = read(from, bytes, sizeof bytes)) > 0)
        fwrite(bytes, 1, (size_t)n, stdout);
}

static void begin_process(int output)
{
    struct rlimit no_core = {0, 0};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_CORE, &no_core);
    if (output >= 0) {
        dup2(output, STDOUT_FILENO);
        dup2(output, STDERR_FILENO);
    }
}

static int wait_for(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return 1;
    if (!WIFSIGNALED(status))
        return WEXITSTATUS(status);
    printf("it was ended by signal %d (%s)\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
    return 1;
}

static int run_forked(const thrum_test *test, const struct world *world)
{
    int output = memfd_create("test", MFD_CLOEXEC);
    int status;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        begin_process(output);
        exit(run_here(test, world));
    }
    if (pid < 0)
        printf("there is no process for it: %s\n", strerror(errno));
    status = pid < 0 ? 1 : wait_for(pid);
    if (status != 0 && status != STATUS_SKIPPED)
        copy(output);
    close(output);
    return status;
}

/* ---- all worlds ------------------------------------------------------------------------------ */

static void tell_failure(const struct program *program, const thrum_test *test,
                         const struct world *world)
{
    const char *target = getenv("TEST_TARGET"); /* Bazel's */
    char how[64];

    if (world->schedules) {
        printf("FAIL %s, explored\n", test->name); /* how to do it again it has said itself */
        return;
    }
    if (world->simulated)
        snprintf(how, sizeof how, "simulated with seed %llu", (unsigned long long)world->seed);
    else
        snprintf(how, sizeof how, "with %d worker%s", world->workers,
                 world->workers == 1 ? "" : "s");
    printf("FAIL %s, %s\n", test->name, how);
    if (target && world->simulated)
        printf("  again: bazel test %s --test_filter=%s --test_env=THRUM_SIM=%llu\n", target,
               test->name, (unsigned long long)world->seed);
    else if (target)
        printf("  again: bazel test %s --test_filter=%s --test_arg=--seeds=0 "
               "--test_arg=--workers=%d\n",
               target, test->name, world->workers);
    else if (world->simulated)
        printf("  again: THRUM_SIM=%llu %s --only %s\n", (unsigned long long)world->seed,
               program->name, test->name);
    else
        printf("  again: %s --only %s --seeds 0 --workers %d\n", program->name, test->name,
               world->workers);
}

static int run_in(const struct program *program, const thrum_test *test, const struct world *world)
{
    int status = program->here ? run_here(test, world) : run_forked(test, world);

    if (status != 0 && status != STATUS_SKIPPED)
        tell_failure(program, test, world);
    return status;
}

static int run_simulated(const struct program *program, const thrum_test *test, int status)
{
    struct world world = {.simulated = true, .workers = test->options.workers};

    if (test->options.flags & THRUM_TEST_REAL || program->replay)
        return status;
    if (program->sim) {
        world.seed = strtoull(program->sim, NULL, 0);
        return run_in(program, test, &world);
    }
    for (long seed = 0; seed < program->seeds; seed++) {
        world.seed = (uint64_t)seed;
        status = run_in(program, test, &world);
        if (status)
            break;
    }
    return status;
}

static int run_explored(const struct program *program, const thrum_test *test, int status)
{
    struct world world = {.simulated = true, .workers = test->options.workers};

    if (test->options.flags & THRUM_TEST_REAL || program->sim)
        return status;
    if (program->schedules == 0 && !program->replay)
        return status;
    world.schedules = program->schedules ? (uint64_t)program->schedules : 1;
    return run_in(program, test, &world);
}

static int run_real(const struct program *program, const thrum_test *test, int status)
{
    bool one = test->options.workers != 0;

    if (program->sim || program->replay || test->options.flags & THRUM_TEST_SIMULATED)
        return status;
    for (size_t i = 0; i < program->workers_count && (i == 0 || !one); i++) {
        struct world world = {.workers = one ? test->options.workers : program->workers[i]};

        status = run_in(program, test, &world);
        if (status)
            break;
    }
    return status;
}

/* STATUS_SKIPPED also if there is no world for it here. */
static int run_everywhere(const struct program *program, const thrum_test *test)
{
    int status = run_simulated(program, test, STATUS_SKIPPED);

    if (status == 0 || status == STATUS_SKIPPED)
        status = run_explored(program, test, status);
    if (status == 0 || status == STATUS_SKIPPED)
        status = run_real(program, test, status);
    return status;
}

static bool selected(const struct program *program, const thrum_test *test)
{
    return !program->only || fnmatch(program->only, test->name, 0) == 0;
}

static int run_all(const struct program *program)
{
    int passed = 0, failed = 0, skipped = 0;
    long number = 0;

    for (const thrum_test *test = tests; test; test = test->next) {
        int status;

        if (!selected(program, test) || number++ % program->shards != program->shard)
            continue;
        status = run_everywhere(program, test);
        if (status == 0)
            printf("ok %s\n", test->name);
        else if (status == STATUS_SKIPPED)
            printf("skip %s\n", test->name);
        passed += status == 0;
        skipped += status == STATUS_SKIPPED;
        failed += status != 0 && status != STATUS_SKIPPED;
    }
    if (skipped)
        printf("%d skipped\n", skipped);
    printf("%d passed, %d failed\n", passed, failed);
    fflush(stdout);
    if (number == 0)
        fprintf(stderr, "no test was selected\n");
    return failed != 0 || number == 0;
}

/* ---- options --------------------------------------------------------------------------------- */

/* The value of `--name value` or `--name=value` at argv[*i]; NULL: it is something else. */
static const char *value_of(const char *name, int argc, char **argv, int *i)
{
    size_t length = strlen(name);

    if (strncmp(argv[*i], name, length) != 0)
        return NULL;
    if (argv[*i][length] == '=')
        return argv[*i] + length + 1;
    if (argv[*i][length] != '\0' || *i + 1 == argc)
        return NULL;
    return argv[++*i];
}

static bool parse_workers(struct program *program, const char *text)
{
    program->workers_count = 0;
    while (program->workers_count < WORKERS_MOST) {
        char *end;
        long n = strtol(text, &end, 10);

        if (end == text || n < 0 || n > THRUM_WORKERS_MAX)
            return false;
        if (n > 0)
            program->workers[program->workers_count++] = (int)n;
        if (*end == '\0')
            return true;
        if (*end != ',')
            return false;
        text = end + 1;
    }
    return false;
}

static bool parse_number(long *number, const char *text)
{
    char *end;

    *number = strtol(text, &end, 10);
    return end != text && *end == '\0' && *number >= 0;
}

static bool parse(struct program *program, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value;

        if (strcmp(argv[i], "--list") == 0)
            program->list = true;
        else if (strcmp(argv[i], "--no-fork") == 0)
            program->here = true;
        else if ((value = value_of("--only", argc, argv, &i)) != NULL)
            program->only = value;
        else if ((value = value_of("--seeds", argc, argv, &i)) != NULL) {
            if (!parse_number(&program->seeds, value))
                return false;
        } else if ((value = value_of("--explore", argc, argv, &i)) != NULL) {
            if (!parse_number(&program->schedules, value))
                return false;
        } else if ((value = value_of("--workers", argc, argv, &i)) == NULL ||
                   !parse_workers(program, value)) {
            return false;
        }
    }
    return true;
}

/* What Bazel, and who wants one run again, say in the environment. */
static bool parse_environment(struct program *program)
{
    const char *seeds = getenv("THRUM_SEEDS");
    const char *shards = getenv("TEST_TOTAL_SHARDS"), *shard = getenv("TEST_SHARD_INDEX");
    const char *sign = getenv("TEST_SHARD_STATUS_FILE");
    FILE *file = sign ? fopen(sign, "w") : NULL;

    if (file)
        fclose(file); /* it is there: we know of shards */
    if (!program->only)
        program->only = getenv("TESTBRIDGE_TEST_ONLY");
    program->sim = getenv("THRUM_SIM");
    program->shards = shards && atol(shards) > 0 ? atol(shards) : 1;
    program->shard = shard ? atol(shard) : 0;
    program->replay = getenv("THRUM_REPLAY") != NULL;
    return !seeds || parse_number(&program->seeds, seeds);
}

int thrum_test_main(int argc, char **argv)
{
    struct program program = {
        .name = argv[0], .seeds = SEEDS, .workers = {1, 2, 8}, .workers_count = 3};

    program_name = argv[0];
    /* What is said in the environment goes before the arguments, which may be a BUILD file's. */
    if (!parse(&program, argc, argv) || !parse_environment(&program)) {
        fprintf(stderr,
                "usage: %s [--list] [--only PATTERN] [--seeds N] [--explore N] [--workers N,N...] "
                "[--no-fork]\n",
                argv[0]);
        return 2;
    }
    if (!program.list)
        return run_all(&program);
    for (const thrum_test *test = tests; test; test = test->next)
        if (selected(&program, test))
            printf("%s\n", test->name);
    return 0;
}
