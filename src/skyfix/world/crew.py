"""Threads that render, and folders that are whole when they are there."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from skyfix.errors import SkyfixError
from skyfix.progress import Counter, counting

Job = Callable[[], None]


@dataclass(frozen=True)
class Crew:
    """The threads that render, and the bar that they move."""

    pool: ThreadPoolExecutor
    counter: Counter

    def work(self, jobs: Iterable[Job]) -> None:
        """Do the jobs, each of which moves the bar by one."""
        for _ in self.pool.map(lambda job: job(), jobs):
            self.counter.advance()


@contextmanager
def start_crew(description: str, total: int, unit: str, workers: int = 2) -> Iterator[Crew]:
    """A crew while the block runs."""
    with counting(description, total, unit) as counter, ThreadPoolExecutor(workers) as pool:
        yield Crew(pool, counter)


def whole_folder(path: Path, make: Callable[[Path], None]) -> None:
    """Make a folder under a passing name and rename it, so that it is whole when it is there.

    Args:
        path: the folder; it may be there already if it is empty.
        make: makes it under the name that is given.

    Raises:
        SkyfixError: it holds something already or cannot be written.
    """
    whole = path.absolute()
    passing = whole.with_name(f".{whole.name}.part")
    try:
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise SkyfixError(f"{path} holds something already. Choose a new or empty folder.")
        shutil.rmtree(passing, ignore_errors=True)
        passing.mkdir(parents=True)
        make(passing)
        passing.rename(whole)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SkyfixError(
            f"Cannot write {path}: {reason}. Free space or choose another folder."
        ) from error
    finally:
        shutil.rmtree(passing, ignore_errors=True)
