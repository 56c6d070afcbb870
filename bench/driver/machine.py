"""What a figure has to be read with: machine, kernel, compiler, commit."""

import datetime
import os
import platform
import re
import shlex
import subprocess
import sys

PEERS = ["libmimalloc2.0", "libjemalloc2", "libtcmalloc-minimal4",
         "libtbbmalloc2", "libtbb12", "libgomp1", "libomp5-14", "libomp5-19",
         "libc6"]


def read(path):
    try:
        with open(path, encoding="utf-8") as f:
            return f.read().strip()
    except OSError:
        return ""


def output(*command):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True,
                              check=False)
    except OSError:
        return ""
    return done.stdout.strip()


def processor():
    text = read("/proc/cpuinfo")
    found = re.search(r"^model name\s*: (.*)$", text, re.M)
    name = found.group(1) if found else platform.machine()
    return name + (", virtual" if " hypervisor" in text else "")


def memory_mib():
    found = re.search(r"^MemTotal:\s+(\d+)", read("/proc/meminfo"), re.M)
    return int(found.group(1)) // 1024 if found else 0


def chosen(path):
    """The word in brackets, as in "always [madvise] never"."""
    found = re.search(r"\[(\w+)\]", read(path))
    return found.group(1) if found else "unknown"


def cache(build, name):
    found = re.search(rf"^{name}:\w+=(.*)$",
                      read(os.path.join(build, "CMakeCache.txt")), re.M)
    return found.group(1) if found else ""


def first_line(text):
    return text.splitlines()[0] if text else ""


def versions():
    lines = output("dpkg-query", "-W", "-f=${Package} ${Version}\n", *PEERS)
    return dict(line.split(" ", 1) for line in lines.splitlines()
                if " " in line)


def describe(build):
    kind = cache(build, "CMAKE_BUILD_TYPE")
    flags = " ".join([cache(build, "CMAKE_C_FLAGS"),
                      cache(build, f"CMAKE_C_FLAGS_{kind.upper()}")]).strip()
    return {
        "date": datetime.datetime.now().astimezone()
        .isoformat(timespec="seconds"),
        "command": shlex.join(["tools/bench"] + sys.argv[1:]),
        "commit": output("git", "rev-parse", "HEAD"),
        "modified": output("git", "status", "--porcelain", "--", "alloc",
                           "bench", "cmake", "examples", "include",
                           "runtime") != "",
        "machine": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_mib": memory_mib(),
        "kernel": platform.release(),
        "huge_pages": chosen("/sys/kernel/mm/transparent_hugepage/enabled"),
        "huge_pages_defrag":
            chosen("/sys/kernel/mm/transparent_hugepage/defrag"),
        "overcommit": read("/proc/sys/vm/overcommit_memory"),
        "compiler": first_line(
            output(cache(build, "CMAKE_C_COMPILER"), "--version")),
        "compiler_cxx": first_line(
            output(cache(build, "CMAKE_CXX_COMPILER"), "--version")),
        "compiler_libgomp": first_line(output("gcc", "--version")),
        "compiler_libomp": first_line(
            output(cache(build, "ZK_BENCH_CLANG"), "--version")),
        "flags": flags,
        "peers": versions(),
        "load": read("/proc/loadavg"),
    }
