"""What the benchmarks share: alternating runs, medians, and a line about the machine."""

import platform
import statistics
import subprocess
import time
from collections.abc import Callable

import torch


def alternate(candidates: dict[str, Callable[[], object]], runs: int) -> dict[str, float]:
    """Median seconds of each candidate; they take turns, after one warm-up each."""
    for candidate in candidates.values():
        candidate()
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(runs):
        for name, candidate in candidates.items():
            start = time.perf_counter()
            candidate()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def machine() -> str:
    """Processor, threads, versions and commit, for the head of a table."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    return (
        f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}, "
        f"commit {commit or 'unknown'}, {time.strftime('%Y-%m-%d')}"
    )
