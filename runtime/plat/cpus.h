/*
 * cpus.h - how many processors this process may use.
 */
#ifndef THRUM_PLAT_CPUS_H
#define THRUM_PLAT_CPUS_H

/*
 * The smaller of the processors that the scheduler lets us run on and, rounded
 * up, those that our control groups pay for. At least 1.
 */
int thrum_cpus_available(void);

/*
 * The processors that the control groups listed in the file
 * proc_self_cgroup_path pay for, their ancestors included, rounded up; 0 if
 * there is no limit. The hierarchies (versions 1 and 2) are below cgroup_root.
 */
int thrum_cpus_quota(const char *proc_self_cgroup_path, const char *cgroup_root);

#endif
