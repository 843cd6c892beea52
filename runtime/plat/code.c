/* code.c - names of places in code: dladdr, which all C libraries of ours have. */
#include "runtime/plat/code.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CODE_CALLS 8 /* that are looked up */

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

void thrum_code_tell(const void *where, char *text, size_t size)
{
    const char *call = where;
    Dl_info info;

    if (!call) {
        snprintf(text, size, "at a place that is not known");
        return;
    }
    call--; /* the call stands before */
    if (dladdr(call, &info) == 0 || !info.dli_fname)
        snprintf(text, size, "at %p", (const void *)call);
    else if (info.dli_sname)
        snprintf(text, size, "at %.40s+0x%tx (%.40s)", last_part(info.dli_fname),
                 call - (const char *)info.dli_fbase, info.dli_sname);
    else
        snprintf(text, size, "at %.40s+0x%tx", last_part(info.dli_fname),
                 call - (const char *)info.dli_fbase);
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* Which file addr2line is to look into, and the address of the call in there. */
static bool find_file(const void *where, char *file, size_t size, uintptr_t *at)
{
    const char *call = (const char *)where - 1;
    const ElfW(Ehdr) * head;
    Dl_info info;
    ssize_t length;

    if (dladdr(call, &info) == 0 || !info.dli_fname || !info.dli_fbase)
        return false;
    head = info.dli_fbase;
    *at = (uintptr_t)call - (head->e_type == ET_EXEC ? 0 : (uintptr_t)info.dli_fbase);
    if (access(info.dli_fname, R_OK) == 0)
        return (size_t)snprintf(file, size, "%s", info.dli_fname) < size;
    length = readlink("/proc/self/exe", file, size - 1); /* argv[0] is not always a path */
    if (length < 0)
        return false;
    file[length] = '\0';
    return true;
}

/* What its standard output says. */
static size_t ask(char *const *words, char *answer, size_t size)
{
    posix_spawn_file_actions_t actions;
    size_t length = 0;
    ssize_t n;
    pid_t pid;
    int pipe[2];

    if (pipe2(pipe, O_CLOEXEC))
        return 0;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    if (posix_spawnp(&pid, words[0], &actions, NULL, words, environ))
        pid = -1;
    posix_spawn_file_actions_destroy(&actions);
    close(pipe[1]);
    while (length < size - 1 && (n = read(pipe[0], answer + length, size - 1 - length)) != 0) {
        if (n > 0)
            length += (size_t)n;
        else if (errno != EINTR)
            break;
    }
    close(pipe[0]);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    answer[length] = '\0';
    return length;
}

static bool is_known(const char *line)
{
    size_t length = strlen(line);

    return length > 2 && *line != '?' && line[length - 1] != '?';
}

static bool is_ours(const char *line)
{
    return strstr(line, "runtime/") != NULL || strstr(line, "include/thrum/") != NULL;
}

/* "orders.c:41 < orders.c:97", the nearest two that are not ours. False: there is none. */
static bool put_lines(char *answer, char *text, size_t size)
{
    char *line, *rest = answer;
    size_t length = 0;

    for (unsigned found = 0; found < 2 && length < size && (line = strsep(&rest, "\n")) != NULL;) {
        line[strcspn(line, " ")] = '\0'; /* "(discriminator 2)" */
        if (!is_known(line) || is_ours(line))
            continue;
        length += (size_t)snprintf(text + length, size - length, "%s%.60s", found ? " < " : "",
                                   last_part(line));
        found++;
    }
    return length > 0;
}

void thrum_code_line(const void *const *where, size_t count, char *text, size_t size)
{
    char file[512], addresses[CODE_CALLS][20], answer[4096];
    char *words[CODE_CALLS + 5] = {(char[]){"addr2line"}, (char[]){"-i"}, (char[]){"-e"}, file};
    unsigned known = 0;
    uintptr_t at;

    while (known < CODE_CALLS && known < count && where[known] &&
           find_file(where[known], file, sizeof file, &at)) {
        snprintf(addresses[known], sizeof addresses[known], "%#" PRIxPTR, at);
        words[4 + known] = addresses[known];
        known++;
    }
    if (known == 0 || ask(words, answer, sizeof answer) == 0 || !put_lines(answer, text, size))
        thrum_code_tell(count ? where[0] : NULL, text, size);
}
