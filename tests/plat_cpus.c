/*
 * plat_cpus.c - quotas of control groups are found in both versions and in
 * all ancestors.
 */
#define _GNU_SOURCE
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "runtime/plat/cpus.h"

/* A folder of its own for each test, with the files of a pretended system. */
static char base[PATH_MAX];

static void begin(void)
{
    const char *tmp = getenv("TEST_TMPDIR");

    snprintf(base, sizeof(base), "%s/plat_cpus.XXXXXX", tmp ? tmp : "/tmp");
    CHECK(mkdtemp(base) != NULL);
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
    (void)stat;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void end(void)
{
    CHECK_EQ(nftw(base, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static void in_base(char *path, const char *name)
{
    CHECK_LT(snprintf(path, 2 * PATH_MAX, "%s/%s", base, name), 2 * PATH_MAX);
}

static void make_file(const char *name, const char *text)
{
    char path[2 * PATH_MAX];
    FILE *file;

    in_base(path, name);
    for (char *slash = path + strlen(base) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    file = fopen(path, "w");
    CHECK(file != NULL);
    CHECK(fputs(text, file) >= 0);
    CHECK_EQ(fclose(file), 0);
}

static int quota(const char *proc_self_cgroup)
{
    char cgroup[2 * PATH_MAX];
    char root[2 * PATH_MAX];

    make_file("proc", proc_self_cgroup);
    in_base(cgroup, "proc");
    in_base(root, "fs");
    return thrum_cpus_quota(cgroup, root);
}

TEST(version_two)
{
    begin();
    make_file("fs/a/b/cpu.max", "150000 100000\n");
    CHECK_EQ(quota("0::/a/b\n"), 2); /* rounded up */
    make_file("fs/a/b/cpu.max", "max 100000\n");
    CHECK_EQ(quota("0::/a/b\n"), 0);
    make_file("fs/a/b/cpu.max", "300000 100000\n");
    CHECK_EQ(quota("0::/a/b\n"), 3);
    make_file("fs/a/b/cpu.max", "1000 100000\n");
    CHECK_EQ(quota("0::/a/b"), 1);
    end();
}

TEST(an_ancestor_limits_as_well)
{
    begin();
    make_file("fs/a/b/c/cpu.max", "max 100000\n");
    make_file("fs/a/b/cpu.max", "800000 100000\n");
    make_file("fs/a/cpu.max", "400000 100000\n");
    CHECK_EQ(quota("0::/a/b/c\n"), 4);
    make_file("fs/cpu.max", "200000 100000\n"); /* a container's own root */
    CHECK_EQ(quota("0::/a/b/c\n"), 2);
    CHECK_EQ(quota("0::/\n"), 2);
    CHECK_EQ(quota("0::/../../elsewhere\n"), 2);
    CHECK_EQ(quota("0::/not/to/be/seen\n"), 2);
    end();
}

TEST(version_one)
{
    begin();
    make_file("fs/cpu,cpuacct/a/cpu.cfs_quota_us", "250000\n");
    make_file("fs/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
    CHECK_EQ(quota("5:memory:/a\n4:cpu,cpuacct:/a\n1:name=systemd:/a\n"), 3);
    make_file("fs/cpu,cpuacct/a/cpu.cfs_quota_us", "-1\n");
    CHECK_EQ(quota("4:cpu,cpuacct:/a\n"), 0);
    make_file("fs/cpu,cpuacct/cpu.cfs_quota_us", "100000\n");
    make_file("fs/cpu,cpuacct/cpu.cfs_period_us", "50000\n");
    CHECK_EQ(quota("4:cpu,cpuacct:/a\n"), 2);
    CHECK_EQ(quota("4:cpuset,cpuacct:/a\n"), 0); /* not the controller cpu */
    end();
}

TEST(version_one_under_the_short_name)
{
    begin();
    make_file("fs/cpu/a/cpu.cfs_quota_us", "700000\n");
    make_file("fs/cpu/a/cpu.cfs_period_us", "100000\n");
    CHECK_EQ(quota("4:cpuacct,cpu:/a\n"), 7);
    end();
}

TEST(both_versions_at_once)
{
    begin();
    make_file("fs/unified/a/cpu.max", "500000 100000\n");
    make_file("fs/cpu/a/cpu.cfs_quota_us", "700000\n");
    make_file("fs/cpu/a/cpu.cfs_period_us", "100000\n");
    CHECK_EQ(quota("4:cpu:/a\n0::/a\n"), 5);
    end();
}

TEST(nonsense_is_no_limit)
{
    begin();
    CHECK_EQ(quota(""), 0);
    CHECK_EQ(quota("\n::\n:\n0\n"), 0);
    make_file("fs/a/cpu.max", "");
    CHECK_EQ(quota("0::/a\n"), 0);
    make_file("fs/a/cpu.max", "100000");
    CHECK_EQ(quota("0::/a\n"), 0);
    make_file("fs/a/cpu.max", "100000 0\n");
    CHECK_EQ(quota("0::/a\n"), 0);
    make_file("fs/a/cpu.max", "-5 100000\n");
    CHECK_EQ(quota("0::/a\n"), 0);
    make_file("fs/a/cpu.max", "9223372036854775807 1\n");
    CHECK_LT(0, quota("0::/a\n"));
    CHECK_EQ(thrum_cpus_quota("/nowhere/cgroup", "/nowhere"), 0);
    end();
}

TEST(affinity_counts)
{
    cpu_set_t all;
    cpu_set_t one;

    CHECK_LE(1, thrum_cpus_available());
    CHECK_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
    CHECK_LE(thrum_cpus_available(), CPU_COUNT(&all));
    CPU_ZERO(&one);
    for (size_t cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++) {
        if (CPU_ISSET(cpu, &all))
            CPU_SET(cpu, &one);
    }
    CHECK_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
    CHECK_EQ(thrum_cpus_available(), 1);
}
