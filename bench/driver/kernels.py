"""The group of a prover's kernels, each beside its sequential twin."""

from peers import OPENMP
from rows import Group, Row, keys
from run import Job

KERNELS = [("ntt", "transform of 2^20"), ("lde", "64 columns extended"),
           ("merkle", "Merkle tree"), ("msm", "shape of an MSM"),
           ("sumcheck", "sumcheck"), ("bitrev", "bit reversal of 2^22")]


def kernels(size):
    repeats, shrink = str(size.of(2, 1, 1)), str(size.of(0, 2, 8))
    peers = ["libgomp", "libomp", "oneTBB"]
    jobs, rows, derived = [], [], []
    for threads in ("1", "2"):
        argv = [threads, repeats, shrink]
        jobs += [
            Job("zkrt", ["kernels_zkrt"] + argv, test=threads),
            Job("libgomp", ["kernels_libgomp"] + argv, OPENMP, test=threads),
            Job("libomp", ["kernels_libomp"] + argv, OPENMP, test=threads),
            Job("oneTBB", ["kernels_tbb"] + argv, test=threads),
        ]
    for threads, words in (("2", "2 workers"), ("1", "1 worker")):
        for name, title in KERNELS:
            rows.append(Row(f"{title}: gain of {words} over the twin", "x",
                            f"zkrt/{name}_gain_{threads}",
                            keys(f"{name}_gain_{threads}", *peers),
                            more_is_better=True))
    for name, title in KERNELS:
        rows.append(Row(f"{title}, 2 workers", "ms", f"zkrt/{name}_2",
                        keys(f"{name}_2", *peers), [f"twin/{name}_2"]))
        derived.append((f"twin/{name}_2", lambda x: x, f"zkrt/{name}_twin_2"))
    return Group("what a prover computes, beside a sequential twin of each",
                 jobs, rows, derived)
