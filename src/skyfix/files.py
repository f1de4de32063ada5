"""Writing files so that a crash leaves either the old content or the new, never half."""

import contextlib
import csv
import io
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from skyfix.errors import SkyfixError


@contextlib.contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it replaces ``path`` in one step.

    Raises:
        SkyfixError: the folder cannot be written or the disk is full.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    except OSError as error:
        raise _unwritable(path, error) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        _flush_to_disk(temporary)
        temporary.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def require_writable(folder: Path | str) -> None:
    """Make a folder if it is missing and try to write to it, before hours of work for it.

    Raises:
        SkyfixError: it cannot be written.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _unwritable(Path(folder), error) from error


def write_text(path: Path | str, text: str) -> None:
    """Write ``text`` atomically (UTF-8)."""
    with atomic_path(path) as temporary:
        # A file name that is no UTF-8 comes as lone surrogates, which are written as \udcff.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_csv(path: Path | str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table atomically, commas between the columns."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    write_text(path, text.getvalue())


def write_json(path: Path | str, value: Any) -> None:
    """Write ``value`` atomically as indented JSON."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path | str, what: str) -> Any:
    """Read a JSON file; ``what`` names it in the error.

    Raises:
        SkyfixError: missing, unreadable or not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SkyfixError(f"No {what} at {path}.") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise SkyfixError(f"Cannot read the {what} {path}: {error}. Make it anew.") from error


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _flush_to_disk(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def _unwritable(path: Path, error: OSError) -> SkyfixError:
    reason = error.strerror or str(error)
    return SkyfixError(f"Cannot write {path}: {reason}. Free space or choose another folder.")
