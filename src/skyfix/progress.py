"""Progress bars: rate and time left on a terminal, silence elsewhere."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

Item = TypeVar("Item")


def is_first_process() -> bool:
    """Whether this process speaks for all that torchrun started."""
    return "TORCHELASTIC_RUN_ID" not in os.environ or os.environ["RANK"] == "0"


class _RateColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        unit = task.fields.get("unit", "")
        return Text(f"{speed:.1f} {unit}/s" if speed else "", style="progress.data.speed")


class Counter:
    """Handle of one running bar."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def advance(self, steps: int = 1, note: str | None = None) -> None:
        """Count ``steps`` more; ``note`` is shown behind the description (a loss, a name)."""
        if note is not None:
            self._progress.update(self._task, note=note)
        self._progress.update(self._task, advance=steps)


@contextmanager
def counting(
    description: str | None, total: int | None, unit: str = "", done: int = 0
) -> Iterator[Counter]:
    """A progress bar on standard error while the block runs.

    Nothing is shown without a description, when standard error is not a terminal, or by other
    processes of torchrun than the first.
    """
    console = Console(file=sys.stderr)
    hidden = description is None or not console.is_terminal or not is_first_process()
    columns = (
        TextColumn("{task.description} {task.fields[note]}"),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=hidden) as progress:
        task = progress.add_task(description or "", total=total, completed=done, unit=unit, note="")
        yield Counter(progress, task)


def tracked(items: Iterable[Item], description: str, total: int, unit: str = "") -> Iterator[Item]:
    """Yield ``items`` under a progress bar."""
    with counting(description, total, unit) as counter:
        for item in items:
            yield item
            counter.advance()
