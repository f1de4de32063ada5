"""One writer at a time."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from skyfix.errors import SkyfixError

LOCK_FILE = ".lock"


@contextlib.contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Hold the folder's lock while the block runs; the system frees it when a process dies.

    Raises:
        SkyfixError: another process writes to this gallery, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / LOCK_FILE).open("ab")
    except OSError as error:
        raise SkyfixError(
            f"Cannot write {folder}: {error.strerror}. Choose another folder."
        ) from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SkyfixError(
                f"Another process is building {folder}. Wait for it, or choose another folder."
            ) from None
        except OSError as error:
            raise SkyfixError(f"Cannot lock {folder}: {error.strerror}.") from error
        yield
