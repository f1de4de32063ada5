"""Time and memory of the retrieval metrics at the size of University-1652.

    python benchmarks/evaluator.py [--dims 5120] [--runs 5] [--write docs/speed.md]

For both directions, medians of runs that take turns, the loop but once:

- product: the bare score matrix, which no evaluator can do without;
- skyfix: ``evaluate_retrieval``;
- loop: one argsort per query, as the published evaluators rank.

Peak memory is that of a child process that holds the descriptors and evaluates once.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from timing import alternate, machine, publish, table

from skyfix.evaluation.metrics import evaluate_retrieval

PREFACE = """Made by `python benchmarks/evaluator.py --dims {dims} --runs {runs}` ({machine}).
Median of alternating runs, the loop run once; noise 1 separates the places well, 8 hardly at all.
*product* is the bare score matrix; *loop* ranks each query by an argsort of its own, as published
evaluators do.
"""
HEADER = ["direction", "queries x gallery", "noise", "R@1", "product s", "skyfix s", "loop s",
          "skyfix / product", "loop / skyfix", "peak MiB"]  # fmt: skip
PLACES, QUERY_PLACES, DRONE_VIEWS = 951, 701, 54
DIRECTIONS = {"drone2satellite": (37_855, 951), "satellite2drone": (701, 51_355)}

Sides = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def descriptors(direction: str, noise: float, dims: int) -> Sides:
    """Unit rows around one centre per place: query, labels, gallery, labels."""
    rng = np.random.default_rng(7)
    centres = rng.standard_normal((PLACES, dims), dtype=np.float32)

    def side(count: int, places: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.arange(count) % places
        rows = centres[labels]
        # In blocks: the peak that is reported shall be the evaluator's, not that of these sums.
        for block in np.array_split(rows, 64):
            block += noise * rng.standard_normal(block.shape, dtype=np.float32)
            block /= np.linalg.norm(block, axis=1, keepdims=True)
        return rows, labels

    queries, gallery = DIRECTIONS[direction]
    return *side(queries, QUERY_PLACES), *side(gallery, PLACES)


def product(query: np.ndarray, _ql: np.ndarray, gallery: np.ndarray, _gl: np.ndarray) -> None:
    """The bare score matrix, whole."""
    torch.from_numpy(query) @ torch.from_numpy(gallery).T


def loop(
    query: np.ndarray, query_labels: np.ndarray, gallery: np.ndarray, gallery_labels: np.ndarray
) -> tuple[np.ndarray, float]:
    """Percent of hits up to each rank, and AP in percent: everything anew for every query."""
    gallery_rows, query_rows = torch.from_numpy(gallery), torch.from_numpy(query)
    hits, ap = torch.zeros(len(gallery), dtype=torch.int32), 0.0
    for descriptor, label in zip(query_rows, query_labels, strict=True):
        scores = torch.mm(gallery_rows, descriptor.view(-1, 1)).squeeze(1).numpy()
        ranking = np.argsort(scores)[::-1]
        good = np.argwhere(gallery_labels == label)
        junk = np.argwhere(gallery_labels == -1)
        ranking = ranking[np.isin(ranking, junk, invert=True)]
        ranks = np.argwhere(np.isin(ranking, good)).flatten()
        if len(ranks) == 0:
            continue
        hit = torch.zeros(len(gallery), dtype=torch.int32)
        hit[ranks[0] :] = 1
        hits += hit
        for found, rank in enumerate(ranks):
            before = found / rank if rank > 0 else 1.0
            ap += ((found + 1) / (rank + 1) + before) / 2 / len(ranks)
    return 100 * hits.numpy() / len(query), 100 * ap / len(query)


def peak_mib(direction: str, noise: float, dims: int) -> float:
    """Peak resident memory (MiB) of a child that makes descriptors and evaluates once."""
    command = [sys.executable, __file__, "--child", direction, "--noise", str(noise)]
    command += ["--dims", str(dims)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def child(direction: str, noise: float, dims: int) -> None:
    """Print this process's peak resident memory (MiB) after one evaluation."""
    evaluate_retrieval(*descriptors(direction, noise, dims))
    # getrusage would carry over the peak of the parent; this line starts anew at exec.
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    print(int(line.split()[1]) / 1024)


def measure(direction: str, noise: float, dims: int, runs: int) -> list[str]:
    """One row of the table."""
    sides = descriptors(direction, noise, dims)
    result = evaluate_retrieval(*sides)
    start = time.perf_counter()
    hits, ap = loop(*sides)
    slow = time.perf_counter() - start
    if not np.allclose([hits[0], hits[9], ap], [result.recall[1], result.recall[10], result.ap]):
        raise SystemExit(f"{direction}: the loop and skyfix disagree")
    seconds = alternate(
        {
            "product": lambda: product(*sides),
            "skyfix": lambda: evaluate_retrieval(*sides),
        },
        runs,
    )
    bare, ours = seconds["product"], seconds["skyfix"]
    size = "{} x {}".format(*DIRECTIONS[direction])
    return [
        direction,
        size,
        f"{noise:g}",
        f"{result.recall[1]:.1f}",
        f"{bare:.2f}",
        f"{ours:.2f}",
        f"{slow:.1f}",
        f"{ours / bare:.2f}",
        f"{slow / ours:.1f}",
        f"{peak_mib(direction, noise, dims):.0f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--dims", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--child", choices=DIRECTIONS, help=argparse.SUPPRESS)
    parser.add_argument("--noise", type=float, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.child:
        child(arguments.child, arguments.noise, arguments.dims)
        return
    rows = [
        measure(direction, noise, arguments.dims, arguments.runs)
        for direction in DIRECTIONS
        for noise in (1.0, 8.0)
    ]
    preface = PREFACE.format(runs=arguments.runs, dims=arguments.dims, machine=machine())
    title = f"Evaluator, {arguments.dims}-d descriptors"
    publish(title, preface + "\n" + table(HEADER, rows, 2), arguments.write)


if __name__ == "__main__":
    main()
