/*
 * cpus.c - reading the affinity mask and the control groups.
 *
 * /proc/self/cgroup has one line for each hierarchy, ID:CONTROLLERS:PATH. That
 * of version 2 has the id 0 and no controllers, and its limits are in cpu.max,
 * "QUOTA PERIOD" or "max PERIOD". In version 1 the hierarchy that has the
 * controller cpu keeps them in two files; a quota below 0 is none. Every
 * ancestor limits as well. A container may see only the end of its path: what
 * does not exist is passed over, and the root of the hierarchy is its own.
 */
#define _GNU_SOURCE
#include "runtime/plat/cpus.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CGROUP_LINE_MAX 4096
#define CPUS_MAX (1 << 16)

/* The first bytes of a small file as a string; false if it cannot be read. */
static bool read_file(const char *path, char *text, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got;

    if (fd < 0)
        return false;
    got = read(fd, text, room - 1);
    close(fd);
    if (got <= 0)
        return false;
    text[got] = '\0';
    return true;
}

static bool read_in(const char *folder, const char *name, char *text, size_t room)
{
    char path[2 * PATH_MAX];
    int length = snprintf(path, sizeof(path), "%s/%s", folder, name);

    return length > 0 && (size_t)length < sizeof(path) && read_file(path, text, room);
}

/* 0 is no limit. */
static int smaller(int a, int b)
{
    if (a == 0 || b == 0)
        return a + b;
    return a < b ? a : b;
}

static int round_up(long long quota, long long period)
{
    long long cpus;

    if (quota <= 0 || period <= 0)
        return 0;
    cpus = quota / period + (quota % period != 0);
    return cpus < CPUS_MAX ? (int)cpus : CPUS_MAX;
}

static int quota_v2(const char *folder)
{
    char text[64];
    char *end;
    long long quota;

    if (!read_in(folder, "cpu.max", text, sizeof(text)))
        return 0;
    quota = strtoll(text, &end, 10); /* "max": 0 */
    return round_up(quota, strtoll(end, NULL, 10));
}

static int quota_v1(const char *folder)
{
    char quota[32];
    char period[32];

    if (!read_in(folder, "cpu.cfs_quota_us", quota, sizeof(quota)) ||
        !read_in(folder, "cpu.cfs_period_us", period, sizeof(period)))
        return 0;
    return round_up(strtoll(quota, NULL, 10), strtoll(period, NULL, 10));
}

/* The least of root/path and all above it, down to root itself. */
static int quota_upwards(const char *root, const char *path, int (*quota_of)(const char *folder))
{
    char folder[PATH_MAX];
    size_t root_length = strlen(root);
    bool outside = strstr(path, "/..") != NULL; /* of our namespace: not ours to read */
    int length = snprintf(folder, sizeof(folder), "%s%s", root, outside ? "" : path);
    int least = 0;
    char *slash;

    if (length < 0 || (size_t)length >= sizeof(folder))
        return 0;
    for (;;) {
        least = smaller(least, quota_of(folder));
        slash = strrchr(folder + root_length, '/');
        if (!slash)
            return least;
        *slash = '\0';
    }
}

static bool has_cpu(const char *controllers)
{
    size_t length;

    for (; *controllers; controllers += length + (controllers[length] == ',')) {
        length = strcspn(controllers, ",");
        if (length == 3 && strncmp(controllers, "cpu", 3) == 0)
            return true;
    }
    return false;
}

/* The hierarchy may be mounted at cgroup_root itself or in a folder of it. */
static int quota_in(const char *cgroup_root, const char *mount, const char *path,
                    int (*quota_of)(const char *folder))
{
    char root[PATH_MAX];
    int length = snprintf(root, sizeof(root), "%s/%s", cgroup_root, mount);

    if (length < 0 || (size_t)length >= sizeof(root))
        return 0;
    return quota_upwards(root, path, quota_of);
}

static int quota_of_line(char *line, const char *cgroup_root)
{
    char *controllers = strchr(line, ':');
    char *path = controllers ? strchr(controllers + 1, ':') : NULL;

    if (!path)
        return 0;
    *path++ = '\0';
    controllers++;
    path[strcspn(path, "\n")] = '\0';
    if (*controllers == '\0')
        return smaller(quota_upwards(cgroup_root, path, quota_v2),
                       quota_in(cgroup_root, "unified", path, quota_v2));
    if (!has_cpu(controllers))
        return 0;
    return smaller(quota_in(cgroup_root, controllers, path, quota_v1),
                   quota_in(cgroup_root, "cpu", path, quota_v1));
}

int thrum_cpus_quota(const char *proc_self_cgroup_path, const char *cgroup_root)
{
    FILE *file = fopen(proc_self_cgroup_path, "re");
    char line[CGROUP_LINE_MAX];
    int least = 0;

    if (!file)
        return 0;
    while (fgets(line, sizeof(line), file))
        least = smaller(least, quota_of_line(line, cgroup_root));
    fclose(file);
    return least;
}

/* The kernel refuses sets that are smaller than its own. */
static int affinity(void)
{
    for (int cpus = CPU_SETSIZE; cpus <= CPUS_MAX; cpus *= 2) {
        cpu_set_t *set = CPU_ALLOC((size_t)cpus);
        size_t bytes = CPU_ALLOC_SIZE((size_t)cpus);
        int count = 0;

        if (set && sched_getaffinity(0, bytes, set) == 0)
            count = CPU_COUNT_S(bytes, set);
        CPU_FREE(set);
        if (count > 0)
            return count;
    }
    return 1;
}

int thrum_cpus_available(void)
{
    return smaller(affinity(), thrum_cpus_quota("/proc/self/cgroup", "/sys/fs/cgroup"));
}
