"""
Counts the system calls by which a warm proof talks to the kernel about memory.
A run of its own, under strace: what is traced is not timed.
"""

import os
import shutil
import subprocess
import tempfile

import run

CALLS = "mmap,munmap,mremap,madvise,mprotect,brk"
MARK = "getppid"
WARM_PROOFS = 2


def count(job, directory):
    """Memory calls of one warm proof, or None without strace."""
    strace = shutil.which("strace")
    if strace is None or run.available(job, directory) is not None:
        return None
    argv = [os.path.join(directory, job.argv[0]), job.argv[1],
            str(WARM_PROOFS), "mark"] + job.argv[4:]
    library = run.find_library(job.preload) if job.preload else None
    changes = [f"--env={name}={value}" for name, value in job.env.items()]
    if library:
        changes.append(f"--env=LD_PRELOAD={library}")
    with tempfile.NamedTemporaryFile("r") as log:
        done = subprocess.run(
            [strace, "-f", "-qq", "-o", log.name,
             "-e", f"trace={CALLS},{MARK}", "-e", "signal=none", *changes,
             *argv],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=run.environment(run.Job("", []), None), check=False)
        if done.returncode != 0:
            return None
        marks, calls = 0, 0
        for line in log:
            if "resumed>" in line:
                continue
            if f"{MARK}(" in line:
                marks += 1
            elif marks % 2 == 1:
                calls += 1
    return calls / WARM_PROOFS if marks == 2 * WARM_PROOFS else None
