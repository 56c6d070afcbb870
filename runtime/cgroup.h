/*
 * cgroup.h - the one door to the control groups' files.
 *
 * Owns:   finding the process's group, and reading its limits.
 * Never:  decides what a limit is good for; writes to any of the files.
 *
 * Both versions are read, whichever has the controller. A limit of a group holds
 * for all groups inside it, so each group from the process's own up to the root of
 * the mount counts. What lies above a container's mount cannot be read from inside.
 */
#ifndef ZK_RUNTIME_CGROUP_H
#define ZK_RUNTIME_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a controller has the process. */
struct zk_cgroup {
    int version;     /* 1 or 2; 0: no such controller here */
    size_t mount;    /* bytes of the path that are the mount point */
    char path[4096]; /* of the process's own group */
};

/*
 * Finds the group of the calling process. `root` stands in front of every path
 * that is read; "" but for tests. False: there is none, or /proc cannot be read.
 */
bool zk__cgroup_find(struct zk_cgroup *g, const char *root,
                     const char *controller);

/* Memory, as the tightest of the groups has it. */
struct zk_cgroup_memory {
    size_t limit; /* the least; SIZE_MAX: there is none */
    /*
     * Bytes that the process may still have, the least of all groups: limit less
     * margin, less what is in use, page cache not counted, since the kernel drops
     * that before it kills. Negative where that is too much already. INT64_MAX:
     * there is no limit.
     */
    int64_t room;
};

/*
 * Reads limits and use. Groups whose files are not there have none.
 *
 * Thread: any; allocates nothing.
 * Cost:   two or three short files for each group that has a limit
 */
struct zk_cgroup_memory zk__cgroup_memory(const struct zk_cgroup *g);

/*
 * CPU time that the process may use, of the controller "cpu", in percent of one
 * CPU: the least of all groups, 1 at the least. 0: as much as it likes.
 */
unsigned zk__cgroup_cpu_percent(const struct zk_cgroup *g);

/*
 * CPUs that the group may use, of the controller "cpuset"; 0: it does not say.
 */
unsigned zk__cgroup_cpus(const struct zk_cgroup *g);

#endif
