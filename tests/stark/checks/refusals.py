"""
proofs: changed proofs, each of which zkverify must refuse with exit status 1
        and a sentence.
cells:  wrong traces (tests/stark/cells_test.c).
"""

import os
import shutil
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from run import KIB, digest_of

# How often each kind of change is made, in per cent.
KINDS = {"bit": 55, "truncated": 25, "header": 5, "zeros": 5, "noise": 5,
         "other": 3, "longer": 2}

HEADER_BYTES = 24


def changed(rng, proof, other):
    """A proof with one change, which may be in vain."""
    kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
    b = bytearray(proof)
    at = rng.randrange(len(b))
    run = rng.randint(1, 64)

    if kind == "bit":
        b[at] ^= 1 << rng.randrange(8)
    elif kind == "truncated":
        del b[at:]
    elif kind == "header":
        b[rng.randrange(HEADER_BYTES)] = rng.randrange(256)
    elif kind == "zeros":
        b[at:at + run] = bytes(len(b[at:at + run]))
    elif kind == "noise":
        b[at:at + run] = rng.randbytes(len(b[at:at + run]))
    elif kind == "other":
        b[at:] = other[at:]
    else:
        b += rng.randbytes(run)
    return kind, bytes(b)


def samples(bench):
    """Proofs of three lengths: the shortest traces, and one with two folds."""
    made = []
    for size in (42, 5000, 60 * KIB):
        proof = bench.work / f"proof-{size}"
        bench.prove(bench.file(size), proof, "--quiet")
        if bench.verify(digest_of(proof), proof).status != 0:
            bench.wrong(f"the proof of {size} bytes is not accepted as it is")
        made.append(proof)
    return made


def refusal(done):
    """The sentence of a proper refusal, or None."""
    start = "zkverify: refused: "
    one_line = done.err.count("\n") == 1 and done.err.endswith("\n")
    if done.status != 1 or not done.err.startswith(start) or not one_line:
        return None
    return done.err[len(start):].strip()


def keep(path):
    handle, name = tempfile.mkstemp(prefix="zkrt-not-refused-")
    os.close(handle)
    shutil.copy(path, name)
    return name


def try_one(bench, digest, kind, path, data):
    path.write_bytes(data)
    done = bench.verify(digest, path)
    why = refusal(done)
    if why is None:
        bench.wrong(f"{kind}: exit {done.status}, {done.err.strip()!r};"
                    f" with {digest}: {keep(path)}")
    path.unlink()
    return kind, why


def proofs(bench):
    print(f"seed {bench.seed}: tools/check --seed {bench.seed}"
          f" --count {bench.count} proofs")
    made = samples(bench)
    data = [p.read_bytes() for p in made]
    kinds, reasons, vain = Counter(), Counter(), 0

    def jobs():
        nonlocal vain
        for i in range(bench.count):
            which = i % len(made)
            while True:
                kind, b = changed(bench.random, data[which],
                                  data[which - 1])
                if b != data[which]:
                    break
                vain += 1
            yield digest_of(made[which]), kind, bench.work / f"try-{i}", b

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        batch = []
        for job in jobs():
            batch.append(pool.submit(try_one, bench, *job))
            if len(batch) < 256:
                continue
            count(batch, kinds, reasons)
        count(batch, kinds, reasons)

    for kind, n in kinds.most_common():
        print(f"{n:>8} {kind}")
    print(f"{sum(reasons.values())} of {bench.count} refused"
          f" ({vain} that changed nothing were drawn again):")
    for why, n in reasons.most_common():
        print(f"{n:>8} {why}")
    strangers(bench, made)


def count(batch, kinds, reasons):
    for future in batch:
        kind, why = future.result()
        kinds[kind] += 1
        if why is not None:
            reasons[why] += 1
    batch.clear()


def strangers(bench, made):
    for proof in made:
        for other in made:
            if other == proof:
                continue
            why = refusal(bench.verify(digest_of(other), proof))
            if why is None:
                bench.wrong(f"{Path(proof).name} passes for {other.name}")
    print(f"{len(made) * (len(made) - 1)} proofs of another file refused:"
          f" {why}")


def cells(bench):
    done = bench.run(bench.tests / "stark_cells_test",
                     STARK_TEST_SEED=str(bench.seed))
    for line in done.out.splitlines():
        if "SEED" in line or "columns" in line:
            print(line)
    if done.status != 0:
        bench.wrong(f"exit {done.status}: {done.out}{done.err}")
