"""
The peers' settings: each as a user gets it, and told to keep its pages.

An allocator is tuned by the environment alone, as a user would: the same
program, the same library. What each setting does is in docs/benchmarks.md.
"""

from dataclasses import dataclass, field

OPENMP = {"OMP_PROC_BIND": "true", "OMP_PLACES": "cores",
          "OMP_STACKSIZE": "64M"}

KEEP_GLIBC = {"GLIBC_TUNABLES": "glibc.malloc.mmap_max=0:"
              "glibc.malloc.trim_threshold=17592186044416:"
              "glibc.malloc.top_pad=67108864"}
# Arenas but the first consist of heaps of 64 MiB, and empty ones go.
KEEP_GLIBC_ONE_ARENA = {"GLIBC_TUNABLES": KEEP_GLIBC["GLIBC_TUNABLES"] +
                        ":glibc.malloc.arena_max=1"}
KEEP_TCMALLOC = {"TCMALLOC_RELEASE_RATE": "0",
                 "TCMALLOC_MAX_TOTAL_THREAD_CACHE_BYTES": "268435456"}
KEEP_JEMALLOC = {"MALLOC_CONF":
                 "dirty_decay_ms:-1,muzzy_decay_ms:-1,oversize_threshold:0"}
KEEP_MIMALLOC = {"MIMALLOC_RESERVE_OS_MEMORY": "8GiB",
                 "MIMALLOC_DECOMMIT_DELAY": "10000000",
                 "MIMALLOC_SEGMENT_DECOMMIT_DELAY": "10000000"}
KEEP_TBBMALLOC = {"TBB_MALLOC_SET_HUGE_SIZE_THRESHOLD": "4096"}


@dataclass
class Malloc:
    """One malloc under one name: a library to preload and its environment."""
    name: str
    preload: str = ""
    env: dict = field(default_factory=dict)


# What a quick run has of them.
QUICK = ("glibc", "glibc tuned", "tcmalloc", "mimalloc")


def fewer(found, size):
    """Those of the mallocs that a run of this size has."""
    return [m for m in found if size.name != "quick" or m.name in QUICK]


def mallocs(one_arena):
    """
    Every malloc, usual and tuned. `one_arena`: buffers of many MiB from two
    threads, for which glibc keeps pages only in its first arena.
    """
    glibc = KEEP_GLIBC_ONE_ARENA if one_arena else KEEP_GLIBC
    return [
        Malloc("glibc"),
        Malloc("glibc tuned", "", glibc),
        Malloc("tcmalloc", "libtcmalloc_minimal.so.4"),
        Malloc("tcmalloc tuned", "libtcmalloc_minimal.so.4", KEEP_TCMALLOC),
        Malloc("jemalloc", "libjemalloc.so.2"),
        Malloc("jemalloc tuned", "libjemalloc.so.2", KEEP_JEMALLOC),
        Malloc("mimalloc", "libmimalloc.so.2"),
        Malloc("mimalloc tuned", "libmimalloc.so.2", KEEP_MIMALLOC),
        Malloc("tbbmalloc", "libtbbmalloc_proxy.so.2"),
        Malloc("tbbmalloc tuned", "libtbbmalloc_proxy.so.2", KEEP_TBBMALLOC),
    ]
