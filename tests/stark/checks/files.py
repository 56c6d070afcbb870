"""
sizes: each file is proved and its proof accepted, or it is refused at once.
bytes: the proof is a function of the file.
"""

import hashlib
from pathlib import Path

from run import KIB, LIMIT, MIB, digest_of, size_words

SIZES = [0, 1, 31, 32, 33, 1 * MIB, 4 * MIB, LIMIT]

# Resident bytes per byte of file, with some to spare (README.md says 540
# bytes, in steps of two).
MEMORY_FACTOR = 560


def available():
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * KIB
    return 0


def sizes(bench):
    proof = bench.work / "proof"

    print(f"{'file':>16} {'proof':>8} {'first':>9} {'peak':>9}  verdict")
    for size in SIZES:
        if size * MEMORY_FACTOR > available():
            print(f"{size_words(size):>16}  skipped: too little memory here")
            continue
        made = bench.prove(bench.file(size), proof, "--quiet")
        if made.status != 0:
            continue
        seen = bench.verify(digest_of(proof), proof)
        print(f"{size_words(size):>16} {proof.stat().st_size:>8}"
              f" {made.seconds:>7.2f} s {made.peak_mib:>5.0f} MiB"
              f"  {seen.out.strip()[:8]}", flush=True)
        if seen.status != 0 or f"string of {size} bytes" not in seen.out:
            bench.wrong(f"{size} bytes: {seen.out}{seen.err}")
    too_long(bench)


def too_long(bench):
    """A file over the limit: before any work, so its bytes are not read."""
    path, proof = bench.work / "long", bench.work / "long.proof"
    with path.open("wb") as f:
        f.truncate(LIMIT + 1)
    done = bench.run(*bench.prove_command(path, proof))
    print(f"{LIMIT + 1:>10} bytes {'none':>8} {done.seconds:>7.3f} s"
          f" {done.peak_mib:>5.0f} MiB  exit {done.status}:"
          f" {done.err.strip().replace(str(path), 'FILE')}")
    if done.status != 1 or f"the limit is {LIMIT} bytes" not in done.err:
        bench.wrong(f"a file over the limit: exit {done.status}")
    if proof.exists() or digest_of(proof).exists():
        bench.wrong("a file over the limit left a proof")


def same_bytes(bench):
    proof = bench.work / "proof"

    for size in (64 * KIB, 1 * MIB):
        seen = {}
        for workers in (1, 2, 3, 8):
            for options in ((), ("--allocator", "system"), ("--repeat", "2")):
                bench.prove(bench.file(size), proof, "--quiet", *options,
                            ZK_NUM_WORKERS=str(workers))
                sha = hashlib.sha256(proof.read_bytes()).hexdigest()
                seen.setdefault(sha, []).append(workers)
        for sha, workers in seen.items():
            print(f"{size_words(size):>8}: sha256 {sha[:16]}... from"
                  f" {len(workers)} runs with"
                  f" {', '.join(map(str, sorted(set(workers))))} workers")
        if len(seen) != 1:
            bench.wrong(f"{size_words(size)}: {len(seen)} different proofs")
