"""What the benchmarks share: alternating runs, the machine, tables, sections of docs/speed.md."""

import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from skyfix.files import write_text


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


def milliseconds(ask: Callable[[int], object], number: int) -> list[float]:
    """Of calls with 0, 1, ..., after one that warms up."""
    ask(0)
    spent = []
    for index in range(number):
        start = time.perf_counter()
        ask(index)
        spent.append(1000 * (time.perf_counter() - start))
    return spent


def machine() -> str:
    """Processor, threads, versions and commit, for the head of a table."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    return (
        f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}, "
        f"commit {commit or 'unknown'}, {time.strftime('%Y-%m-%d')}"
    )


def table(header: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """A Markdown table; all but the first ``words`` columns are numbers."""
    rule = ["---"] * words + ["---:"] * (len(header) - words)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, rule, *rows))


def publish(title: str, text: str, path: Path | None) -> None:
    """Print a section and, with a path, put it in the place of the file's section of that title."""
    section = f"## {title}\n\n{text.strip()}\n"
    print(section)
    if path is None:
        return
    old = path.read_text(encoding="utf-8") if path.exists() else "# Speed\n"
    head, *sections = old.split("\n## ")
    by_title = {one.partition("\n")[0]: f"## {one.strip()}\n" for one in sections}
    by_title[title] = section
    write_text(path, "\n".join([f"{head.strip()}\n", *by_title.values()]))
