/*
 * treehash.c - SHA-256 of every regular file under some directories, on all cores.
 *
 * Prints, byte for byte, what
 *
 *     find DIRECTORY... -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
 *
 * prints. What cannot be read is told at the end and keeps nothing else from being hashed.
 *
 * The shape of the work is the shape of the tree. A directory is a task: it lists what it holds,
 * opens a group, spawns one child for each thing found, and closes the group, which waits for
 * them all. A file is a task that reads and hashes. Since no child outlives its group, nothing here
 * needs a lock: who lists an entry owns it, lends it to its task, and has it back when the group
 * is closed.
 *
 * No task suspends with a descriptor open, for reads hold their worker. So a worker has two open
 * at most, however deep and wide the tree is.
 */
#define _GNU_SOURCE /* O_PATH, memrchr */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <thrum/thrum.h>

enum {
    DIGEST_BYTES = 32,
    BUFFER_LEAST = 4 << 10, /* a page at least: files in /proc say that they are empty */
    BUFFER_MOST = 128 << 10,
    PROGRESS_NS = 100 * 1000 * 1000
};

enum { EXIT_BAD_ARGUMENTS = 2 };

/* One path, from its finding to the line printed about it. */
struct entry {
    thrum_child child;    /* the runtime's until the group is closed */
    thrum_fn task;        /* walk_directory or hash_file; NULL: not even looked at */
    struct entry *next;   /* found beside it */
    struct entry *inside; /* found in it */
    int status;           /* 0, or the negative code of what went wrong */
    unsigned char digest[DIGEST_BYTES];
    char path[];
};

/* Fetched once: looking it up by name for each file costs as much as hashing a short one. */
static EVP_MD *sha256;

/* ---- Progress: one line on a terminal, rewritten by whichever task finds it old ---------- */

static struct {
    bool shown;
    atomic_llong files;
    atomic_llong bytes;
    atomic_llong next_ns; /* who moves it on has the right to write */
} progress;

/* Written whole by one call, so that two workers never mix; a terminal gone is no error. */
static void progress_write(const char *line, size_t length)
{
    ssize_t ignored = write(STDERR_FILENO, line, length);

    (void)ignored;
}

static long long now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail with this clock */
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* Relaxed throughout: counters, and a line that may be a moment old. */
static void progress_add(long long files, long long bytes)
{
    char line[80];
    long long now, next;

    if (!progress.shown)
        return;
    files += atomic_fetch_add_explicit(&progress.files, files, memory_order_relaxed);
    bytes += atomic_fetch_add_explicit(&progress.bytes, bytes, memory_order_relaxed);

    now = now_ns();
    next = atomic_load_explicit(&progress.next_ns, memory_order_relaxed);
    if (now < next || !atomic_compare_exchange_strong_explicit(
                          &progress.next_ns, &next, now + PROGRESS_NS, memory_order_relaxed,
                          memory_order_relaxed))
        return;
    snprintf(line, sizeof(line), "\r%9lld files, %9lld MiB", files, bytes >> 20);
    progress_write(line, strlen(line));
}

static void progress_clear(void)
{
    static const char blank[] = "\r                              \r";

    if (progress.shown)
        progress_write(blank, sizeof(blank) - 1);
}

/* ---- Paths ------------------------------------------------------------------------------- */

/*
 * The entry of a name in a directory, or of a path given (directory == NULL); NULL: no memory.
 * Its status is what a task leaves that never starts, there being no memory for it.
 */
static struct entry *entry_create(const char *directory, const char *name, thrum_fn task)
{
    size_t before = directory ? strlen(directory) : 0;
    size_t slash = before > 0 && directory[before - 1] != '/';
    size_t length = strlen(name);
    struct entry *entry = malloc(sizeof(*entry) + before + slash + length + 1);

    if (!entry)
        return NULL;
    *entry = (struct entry){.task = task, .status = -ENOMEM};
    if (directory)
        memcpy(entry->path, directory, before);
    if (slash)
        entry->path[before] = '/';
    memcpy(entry->path + before + slash, name, length + 1);
    return entry;
}

/* The task for what stands at this name, or NULL for what find -type f passes over. */
static thrum_fn task_for(mode_t mode);

static int open_at(int directory, const char *path, int flags)
{
    int fd = openat(directory, path, flags | O_CLOEXEC | O_NOCTTY);

    return fd >= 0 ? fd : -errno;
}

/*
 * Open a path of any length. The kernel takes less than PATH_MAX bytes at a time, so a longer
 * path is walked in pieces; it is cut in place, and whole again on return. A descriptor or a
 * negative code.
 */
static int open_path(char *path, int flags)
{
    int directory = AT_FDCWD;
    int fd;

    while (strlen(path) >= PATH_MAX) {
        char *cut = memrchr(path + 1, '/', PATH_MAX - 2);

        if (!cut) {
            fd = -ENAMETOOLONG;
            goto close_directory;
        }
        *cut = '\0';
        fd = open_at(directory, path, O_PATH | O_DIRECTORY);
        *cut = '/';
        if (fd < 0)
            goto close_directory;
        if (directory != AT_FDCWD)
            close(directory);
        directory = fd;
        path = cut + strspn(cut, "/"); /* a slash in front would start again at the root */
    }
    fd = open_at(directory, path, flags);

close_directory:
    if (directory != AT_FDCWD)
        close(directory);
    return fd;
}

/* ---- A file ------------------------------------------------------------------------------ */

/* Feeds the whole file to the digest, a buffer at a time. */
static int digest_contents(EVP_MD_CTX *digest, int fd, unsigned char *buffer, size_t size)
{
    for (;;) {
        ssize_t got = read(fd, buffer, size);

        if (got < 0)
            return -errno;
        if (got == 0)
            return 0;
        if (!EVP_DigestUpdate(digest, buffer, (size_t)got))
            return -ENOMEM;
        progress_add(0, got);
    }
}

/* libcrypto says only yes or no; short of memory is the one reason it has to say no here. */
static int digest_file(int fd, size_t size, unsigned char *result)
{
    unsigned char *buffer = malloc(size);
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    int status = -ENOMEM;

    if (buffer && digest && EVP_DigestInit_ex(digest, sha256, NULL))
        status = digest_contents(digest, fd, buffer, size);
    if (status == 0 && !EVP_DigestFinal_ex(digest, result, NULL))
        status = -ENOMEM;
    EVP_MD_CTX_free(digest);
    free(buffer);
    return status;
}

static size_t buffer_size(off_t file_size)
{
    if (file_size < BUFFER_LEAST)
        return BUFFER_LEAST;
    return file_size < BUFFER_MOST ? (size_t)file_size : BUFFER_MOST;
}

/* The task of a file. O_NONBLOCK: were it now a pipe, the open would wait for a writer. */
static int hash_file(void *arg)
{
    struct entry *file = arg;
    struct stat about;
    int fd = open_path(file->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0) {
        file->status = fd;
        return 0;
    }
    if (fstat(fd, &about))
        file->status = -errno;
    else if (!S_ISREG(about.st_mode))
        file->status = -ENOENT; /* something else has taken its name since */
    else
        file->status = digest_file(fd, buffer_size(about.st_size), file->digest);
    close(fd);
    progress_add(1, 0);
    return 0;
}

/* ---- A directory ------------------------------------------------------------------------- */

/*
 * Spawns the task of each entry in the list and waits for them all. The tasks themselves report
 * in their entries and end well; so the group's failures are tasks that never started, whose
 * entries say so.
 */
static int visit_all(struct entry *first)
{
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    if (status)
        return status;
    for (struct entry *entry = first; entry; entry = entry->next) {
        if (!entry->task)
            continue;
        status = thrum_group_spawn_child(&group, &entry->child, entry->task, entry);
        if (status)
            entry->status = status; /* not spawned, so still ours to write */
    }
    status = thrum_group_close(&group, 0, NULL);
    return status == THRUM_EGROUP ? 0 : status;
}

/* What a name in an open directory is, without following it. */
static int mode_at(int directory, const char *name, mode_t *mode)
{
    struct stat about;

    if (fstatat(directory, name, &about, AT_SYMLINK_NOFOLLOW))
        return -errno;
    *mode = about.st_mode;
    return 0;
}

/* Puts what is to be visited for one name in front of the list. */
static int list_name(struct entry *directory, int fd, const struct dirent *found)
{
    mode_t mode = (mode_t)DTTOIF(found->d_type);
    struct entry *entry;
    int status = 0;

    if (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0)
        return 0;
    if (found->d_type == DT_UNKNOWN)
        status = mode_at(fd, found->d_name, &mode);
    if (status == 0 && !task_for(mode))
        return 0;

    entry = entry_create(directory->path, found->d_name, status ? NULL : task_for(mode));
    if (!entry)
        return -ENOMEM;
    if (!entry->task)
        entry->status = status;
    entry->next = directory->inside;
    directory->inside = entry;
    return 0;
}

static int list_stream(struct entry *directory, DIR *stream)
{
    for (;;) {
        struct dirent *found;
        int status;

        errno = 0; /* else the end could not be told from an error */
        found = readdir(stream);
        if (!found)
            return -errno;
        status = list_name(directory, dirfd(stream), found);
        if (status)
            return status;
    }
}

/* Lists a directory; after an error, what was found before it. */
static int list_directory(struct entry *directory)
{
    int fd = open_path(directory->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    DIR *stream;
    int status;

    if (fd < 0)
        return fd;
    stream = fdopendir(fd);
    if (!stream) {
        status = -errno;
        close(fd);
        return status;
    }
    status = list_stream(directory, stream);
    closedir(stream);
    return status;
}

/* The task of a directory. */
static int walk_directory(void *arg)
{
    struct entry *directory = arg;
    int listed = list_directory(directory);
    int visited = visit_all(directory->inside);

    directory->status = listed ? listed : visited;
    return 0;
}

static thrum_fn task_for(mode_t mode)
{
    return S_ISDIR(mode) ? walk_directory : S_ISREG(mode) ? hash_file : NULL;
}

/* ---- The whole: the first task, and what the main thread makes of the results ------------- */

static int visit_roots(void *arg)
{
    return visit_all(arg);
}

/* The entries of the paths given, as one list; false: no memory. */
static bool list_roots(char **paths, struct entry **list)
{
    for (; *paths; paths++) {
        mode_t mode = 0;
        int status = mode_at(AT_FDCWD, *paths, &mode);
        struct entry *root = entry_create(NULL, *paths, status ? NULL : task_for(mode));

        if (!root)
            return false;
        if (!root->task)
            root->status = status;
        root->next = *list;
        *list = root;
    }
    return true;
}

/* Lays the tree out in one list, each directory followed by what it holds. */
static size_t flatten(struct entry *first)
{
    size_t count = 0;

    for (struct entry *entry = first; entry; entry = entry->next, count++) {
        struct entry *last = entry->inside;

        if (!last)
            continue;
        while (last->next)
            last = last->next;
        last->next = entry->next;
        entry->next = entry->inside;
    }
    return count;
}

static int by_path(const void *left, const void *right)
{
    const struct entry *const *a = left, *const *b = right;

    return strcmp((*a)->path, (*b)->path);
}

static struct entry **sorted(struct entry *first, size_t count)
{
    struct entry **entries = malloc((count + 1) * sizeof(*entries));
    size_t i = 0;

    if (!entries)
        return NULL;
    for (struct entry *entry = first; entry; entry = entry->next)
        entries[i++] = entry;
    qsort(entries, count, sizeof(*entries), by_path);
    return entries;
}

/* A path on one line, as sha256sum writes it. */
static void print_path(FILE *out, const char *path)
{
    size_t plain = strcspn(path, "\\\n\r");

    fwrite(path, 1, plain, out);
    for (path += plain; *path; path++) {
        switch (*path) {
        case '\\': fputs("\\\\", out); break;
        case '\n': fputs("\\n", out); break;
        case '\r': fputs("\\r", out); break;
        default: putc(*path, out);
        }
    }
}

static void print_hash(const struct entry *file)
{
    static const char digits[] = "0123456789abcdef";
    char text[2 * DIGEST_BYTES + 1];

    for (size_t i = 0; i < DIGEST_BYTES; i++) {
        text[2 * i] = digits[file->digest[i] >> 4];
        text[2 * i + 1] = digits[file->digest[i] & 15];
    }
    text[2 * DIGEST_BYTES] = '\0';
    if (strpbrk(file->path, "\\\n\r"))
        putchar('\\'); /* says that the path is not to be taken literally */
    printf("%s  ", text);
    print_path(stdout, file->path);
    putchar('\n');
}

static void print_error(const struct entry *entry)
{
    fputs("treehash: ", stderr);
    print_path(stderr, entry->path);
    fprintf(stderr, ": %s\n", thrum_strerror(entry->status));
}

static int fail(const char *what, int status)
{
    fprintf(stderr, "treehash: %s: %s\n", what, thrum_strerror(status));
    return EXIT_FAILURE;
}

/* Stops at the first error, so that errno still tells which. */
static int print_hashes(struct entry *const *entries, size_t count)
{
    for (size_t i = 0; i < count && !ferror(stdout); i++)
        if (entries[i]->task == hash_file && entries[i]->status == 0)
            print_hash(entries[i]);
    return ferror(stdout) || fflush(stdout) ? -errno : 0;
}

/* Hashes first, then what went wrong. The exit status. */
static int report(struct entry *const *entries, size_t count)
{
    int status = print_hashes(entries, count);
    int exit_status = status ? fail("standard output", status) : EXIT_SUCCESS;

    for (size_t i = 0; i < count; i++) {
        if (entries[i]->status == 0)
            continue;
        print_error(entries[i]);
        exit_status = EXIT_FAILURE;
    }
    return exit_status;
}

static void destroy_all(struct entry *entry)
{
    while (entry) {
        struct entry *next = entry->next;

        free(entry);
        entry = next;
    }
}

/* Hashes what the paths name and reports it. The exit status. */
static int treehash(char **paths, int workers)
{
    thrum_options options = THRUM_OPTIONS_INIT;
    struct entry *list = NULL, **entries = NULL;
    int status, exit_status;
    size_t count;

    options.workers = workers;
    status = list_roots(paths, &list) ? thrum_run(visit_roots, list, &options, NULL) : -ENOMEM;
    progress_clear();
    count = flatten(list);
    if (status == 0) {
        entries = sorted(list, count);
        if (!entries)
            status = -ENOMEM;
    }
    exit_status = status ? fail("cannot run", status) : report(entries, count);
    free(entries);
    destroy_all(list);
    return exit_status;
}

/* ---- The command line -------------------------------------------------------------------- */

static const char help[] =
    "usage: treehash [--workers N] [--] [DIRECTORY]...\n"
    "\n"
    "Prints the SHA-256 of every regular file under the directories, sorted by path, in\n"
    "the format of sha256sum. Without a directory: the workspace under 'bazel run', else\n"
    "the current directory.\n"
    "\n"
    "  --workers N  run on N threads; without it, on as many as there are cores to use\n"
    "  --help       print this text\n"
    "\n"
    "Symbolic links are not followed, not even one given as DIRECTORY; LINK/ enters it.\n"
    "What cannot be read is named on standard error at the end.\n"
    "Exit status: 0, 1 if something could not be read or written, 2 for bad arguments.\n";

struct arguments {
    int workers; /* 0: as many as there are cores to use */
    bool help;
    char **directories;
};

static bool refuse(const char *argument, const char *why)
{
    fprintf(stderr, "treehash: %s: %s; see treehash --help\n", argument, why);
    return false;
}

static bool parse_workers(const char *text, int *workers)
{
    size_t digits = text ? strspn(text, "0123456789") : 0;
    long number = digits ? strtol(text, NULL, 10) : 0;

    if (number < 1 || number > THRUM_WORKERS_MAX || text[digits] != '\0') {
        fprintf(stderr, "treehash: --workers wants a number from 1 to %d; see treehash --help\n",
                THRUM_WORKERS_MAX);
        return false;
    }
    *workers = (int)number;
    return true;
}

/* Sorts the options out of argv; what stays, moved together, are the directories. */
static bool parse_arguments(char **argv, struct arguments *arguments)
{
    static const char workers_is[] = "--workers=";
    const size_t prefix = sizeof(workers_is) - 1;
    char **directory = argv;
    bool options = true;

    *arguments = (struct arguments){.directories = argv};
    for (; *argv; argv++) {
        if (!options || argv[0][0] != '-' || argv[0][1] == '\0') {
            *directory++ = *argv;
        } else if (strcmp(*argv, "--") == 0) {
            options = false;
        } else if (strcmp(*argv, "--help") == 0) {
            arguments->help = true;
        } else if (strcmp(*argv, "--workers") == 0) {
            if (!parse_workers(argv[1], &arguments->workers))
                return false;
            argv++;
        } else if (strncmp(*argv, workers_is, prefix) == 0) {
            if (!parse_workers(*argv + prefix, &arguments->workers))
                return false;
        } else {
            return refuse(*argv, "no such option");
        }
    }
    *directory = NULL;
    return true;
}

static int print_help(void)
{
    return fputs(help, stdout) < 0 || fflush(stdout) ? fail("standard output", -errno)
                                                     : EXIT_SUCCESS;
}

/* 'bazel run' starts a program far from where it was typed and says where that was. */
static int enter_working_directory(void)
{
    const char *directory = getenv("BUILD_WORKING_DIRECTORY");

    return directory && chdir(directory) ? -errno : 0;
}

static char *default_directory(void)
{
    static char here[] = ".";
    char *workspace = getenv("BUILD_WORKSPACE_DIRECTORY");

    return workspace ? workspace : here;
}

int main(int argc, char **argv)
{
    char *defaults[] = {default_directory(), NULL};
    struct arguments arguments;
    int status;

    if (!parse_arguments(argv + (argc > 0), &arguments))
        return EXIT_BAD_ARGUMENTS;
    if (arguments.help)
        return print_help();
    if (!arguments.directories[0])
        arguments.directories = defaults;

    status = enter_working_directory();
    if (status)
        return fail("cannot enter the working directory", status);
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (!sha256)
        return fail("libcrypto has no SHA-256", -ENOSYS);
    progress.shown = isatty(STDERR_FILENO);
    status = treehash(arguments.directories, arguments.workers);
    EVP_MD_free(sha256);
    return status;
}
