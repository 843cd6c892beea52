/*
 * check.c - the runner behind check.h.
 *
 *     TEST_PROGRAM [--list] [--only PATTERN] [--no-fork]
 *
 *   --list           name the tests, run none
 *   --only PATTERN   run those whose name matches (as in the shell: * and ?);
 *                    the variable TESTBRIDGE_TEST_ONLY (--test_filter) does the same
 *   --no-fork        run in this process, without a watchdog: for a debugger
 *
 * Prints `ok NAME`, `skip NAME` or `FAIL NAME` for each test, at the end
 * `N passed, M failed`, and exits with 0 only if nothing failed and something
 * was there to run. A test that is not done after CHECK_TIMEOUT seconds (60)
 * is killed, together with whatever it started, after a list of its threads.
 */
#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { DEFAULT_TIMEOUT_S = 60, STATUS_SKIP = 77, DEATH_OUTPUT = 64 * 1024 };

struct death {
    pid_t pid;
    int from;
};

struct tally {
    int passed, failed, skipped;
};

static struct check_test *tests;
static struct check_test **last = &tests;
static _Thread_local struct death death;

void check_register(struct check_test *test)
{
    *last = test;
    last = &test->next;
}

_Noreturn static void leave(int status)
{
    fflush(NULL);
    _exit(status);
}

_Noreturn void check_fail(const struct check_site *site)
{
    fprintf(stderr, "%s:%d: not true: %s\n", site->file, site->line, site->text);
    leave(1);
}

_Noreturn void check_fail_values(const struct check_site *site, intmax_t a, intmax_t b)
{
    fprintf(stderr, "%s:%d: not true: %s (%jd and %jd; %#jx and %#jx)\n", site->file, site->line,
            site->text, a, b, (uintmax_t)a, (uintmax_t)b);
    leave(1);
}

_Noreturn void check_skip(const char *reason)
{
    fprintf(stderr, "skipped: %s\n", reason);
    leave(STATUS_SKIP);
}

void check_str_eq(const struct check_site *site, const char *a, const char *b)
{
    if (a && b && strcmp(a, b) == 0)
        return;
    fprintf(stderr, "%s:%d: not true: %s\n  left:  %s\n  right: %s\n", site->file, site->line,
            site->text, a ? a : "(null)", b ? b : "(null)");
    leave(1);
}

static void die_of(const char *what)
{
    fprintf(stderr, "check: %s: %s\n", what, strerror(errno));
    leave(1);
}

bool check_death_begin(void)
{
    int ends[2];

    fflush(NULL);
    if (pipe(ends) != 0)
        die_of("pipe");
    death.pid = fork();
    if (death.pid < 0)
        die_of("fork");
    if (death.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        return true;
    }
    close(ends[1]);
    death.from = ends[0];
    return false;
}

_Noreturn void check_death_survived(const struct check_site *site)
{
    fprintf(stderr, "survived: %s\n", site->text);
    leave(0);
}

/* Everything that the dying process says; what exceeds `size` is dropped. */
static void read_all(int from, char *text, size_t size)
{
    char rest[512];
    size_t used = 0;
    ssize_t n;

    do {
        if (used + 1 < size)
            n = read(from, text + used, size - 1 - used);
        else
            n = read(from, rest, sizeof(rest));
        if (n > 0 && used + 1 < size)
            used += (size_t)n;
    } while (n > 0 || (n < 0 && errno == EINTR));
    text[used] = '\0';
}

static int wait_for(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            die_of("waitpid");
    return status;
}

void check_death_end(const struct check_site *site, const char *text)
{
    static char said[DEATH_OUTPUT];
    int status;

    read_all(death.from, said, sizeof(said));
    close(death.from);
    status = wait_for(death.pid);
    if (status != 0 && strstr(said, text))
        return;
    fprintf(stderr,
            "%s:%d: not true: %s\n  wait status %#x\n  expected on stderr: %s\n"
            "  found: %s\n",
            site->file, site->line, site->text, (unsigned)status, text, said);
    leave(1);
}

static int timeout_s(void)
{
    const char *text = getenv("CHECK_TIMEOUT");
    int seconds = text ? atoi(text) : 0;

    return seconds > 0 ? seconds : DEFAULT_TIMEOUT_S;
}

/* The file's first line up to and with `until`, and `more` characters after. */
static void print_file(const char *path, char until, size_t more)
{
    char line[256] = "";
    FILE *file = fopen(path, "r");
    char *end;

    if (file) {
        if (fgets(line, sizeof(line), file))
            line[strcspn(line, "\n")] = '\0';
        fclose(file);
    }
    end = strrchr(line, until);
    if (end && strlen(end) > more)
        end[more + 1] = '\0';
    fprintf(stderr, "  %s", line[0] ? line : "-");
}

/* For each thread of a hung test: its state and where in the kernel it waits. */
static void print_threads(pid_t pid)
{
    char path[320];
    struct dirent *entry;
    DIR *dir;

    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    dir = opendir(path);
    while (dir && (entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        fprintf(stderr, "  thread");
        snprintf(path, sizeof(path), "/proc/%d/task/%s/stat", (int)pid, entry->d_name);
        print_file(path, ')', 2); /* NUMBER (NAME) STATE */
        snprintf(path, sizeof(path), "/proc/%d/task/%s/wchan", (int)pid, entry->d_name);
        print_file(path, '\0', 0);
        fputc('\n', stderr);
    }
    if (dir)
        closedir(dir);
}

/* The test's own process group is its own to be killed by. */
static void begin_process(const sigset_t *mask)
{
    struct rlimit no_core = {0, 0};

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_CORE, &no_core);
    sigprocmask(SIG_SETMASK, mask, NULL);
}

/* False once the time is up. SIGCHLD is blocked, so none is missed in between. */
static bool wait_until_done(pid_t pid, int *status, const sigset_t *child_signal)
{
    struct timespec now, end, left;

    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += timeout_s();
    for (;;) {
        pid_t done = waitpid(pid, status, WNOHANG);

        if (done == pid)
            return true;
        if (done < 0 && errno != EINTR)
            die_of("waitpid");
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec >= end.tv_sec)
            return false;
        left = (struct timespec){1, 0}; /* seconds are exact enough */
        sigtimedwait(child_signal, NULL, &left);
    }
}

static int run_forked(const struct check_test *test)
{
    sigset_t child_signal, mask;
    int status = 0;
    pid_t pid;

    sigemptyset(&child_signal);
    sigaddset(&child_signal, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child_signal, &mask);
    fflush(NULL);
    pid = fork();
    if (pid < 0)
        die_of("fork");
    if (pid == 0) {
        begin_process(&mask);
        test->run();
        exit(0);
    }
    setpgid(pid, pid); /* whichever of the two comes first */
    if (!wait_until_done(pid, &status, &child_signal)) {
        fprintf(stderr, "%s: still running after %d s\n", test->name, timeout_s());
        print_threads(pid);
        kill(-pid, SIGKILL);
        status = wait_for(pid);
    }
    kill(-pid, SIGKILL); /* what the test left behind */
    sigprocmask(SIG_SETMASK, &mask, NULL);
    return status;
}

static void print_end(int status)
{
    if (WIFSIGNALED(status))
        printf(" (signal %d, %s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        printf(" (exit status %d)", WEXITSTATUS(status));
}

static void run_one(const struct check_test *test, bool forked, struct tally *tally)
{
    int status = 0;

    if (forked)
        status = run_forked(test);
    else
        test->run();
    if (status == 0) {
        tally->passed++;
        printf("ok %s\n", test->name);
    } else if (WIFEXITED(status) && WEXITSTATUS(status) == STATUS_SKIP) {
        tally->skipped++;
        printf("skip %s\n", test->name);
    } else {
        tally->failed++;
        printf("FAIL %s", test->name);
        print_end(status);
        putchar('\n');
    }
    fflush(stdout);
}

static bool wanted(const struct check_test *test, const char *pattern)
{
    return !pattern || fnmatch(pattern, test->name, 0) == 0;
}

static int list(const char *pattern)
{
    for (struct check_test *test = tests; test; test = test->next)
        if (wanted(test, pattern))
            puts(test->name);
    return 0;
}

static int run_all(const char *pattern, bool forked)
{
    struct tally tally = {0, 0, 0};

    for (struct check_test *test = tests; test; test = test->next)
        if (wanted(test, pattern))
            run_one(test, forked, &tally);
    if (tally.skipped)
        printf("%d skipped\n", tally.skipped);
    printf("%d passed, %d failed\n", tally.passed, tally.failed);
    return tally.failed == 0 && tally.passed + tally.skipped > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    const char *pattern = getenv("TESTBRIDGE_TEST_ONLY");
    bool only_list = false;
    bool forked = true;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--list") == 0) {
            only_list = true;
        } else if (strcmp(argv[i], "--no-fork") == 0) {
            forked = false;
        } else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
            pattern = argv[++i];
        } else {
            fprintf(stderr, "usage: %s [--list] [--only PATTERN] [--no-fork]\n", argv[0]);
            return 2;
        }
    }
    return only_list ? list(pattern) : run_all(pattern, forked);
}
