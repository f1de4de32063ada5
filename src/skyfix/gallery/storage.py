"""Where the files of a gallery are kept."""

import contextlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from skyfix.errors import SkyfixError
from skyfix.files import atomic_path
from skyfix.gallery.lock import sole_writer


class Storage(Protocol):
    """A folder, or what serves as one. Names are relative, with forward slashes."""

    @property
    def uri(self) -> str:
        """What Lance opens, and what messages name."""

    @property
    def storage_options(self) -> dict[str, str] | None:
        """What Lance needs to know beyond the uri."""

    def entries(self) -> list[str]:
        """Names of what lies directly in it; none where it does not exist yet."""

    def sizes(self, folder: str = "") -> dict[str, int]:
        """Bytes of every file below a folder, by name relative to it."""

    def read(self, name: str) -> bytes:
        """Content of a file; a SkyfixError where it cannot be read."""

    def write(self, name: str, content: bytes) -> None:
        """Write a file: readers see the old content or the new."""

    def put_folder(self, name: str, make: Callable[[Path], None], last: str) -> None:
        """Keep the folder that ``make`` fills; its file ``last`` appears when it is whole."""

    def local_folder(self, name: str) -> contextlib.AbstractContextManager[Path]:
        """A folder on disk with the files of a kept one."""

    def derived(self, name: str) -> Path | None:
        """Where a folder that can be made anew lies on disk; None for storage elsewhere."""

    def sole_writer(self) -> contextlib.AbstractContextManager[None]:
        """Keep other writers out, as far as the storage can."""


def storage_of(path: Path | str) -> Storage:
    """The storage behind a path on a local disk or an address s3://bucket/folder.

    Raises:
        SkyfixError: an address of another kind.
    """
    scheme = re.match(r"([a-z0-9+]{2,}):/", str(path))
    if scheme is None:
        return Folder(Path(path))
    if scheme[1] != "s3" or isinstance(path, Path):
        raise SkyfixError(
            f"{path} is no place for a gallery. Give a folder on a local disk or the text "
            "s3://bucket/folder."
        )
    from skyfix.gallery.bucket import Bucket

    return Bucket(path)


def read_json(storage: Storage, name: str, what: str) -> Any:
    """Read a JSON file; ``what`` names it in the error.

    Raises:
        SkyfixError: missing, unreadable or not JSON.
    """
    try:
        return json.loads(storage.read(name).decode())
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise SkyfixError(
            f"Cannot read the {what} {storage.uri}/{name}: {error}. Make it anew."
        ) from error


def write_json(storage: Storage, name: str, value: Any) -> None:
    """Write ``value`` as indented JSON, in one step."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    storage.write(name, text.encode())


class Folder:
    """A folder on a local disk; see ``Storage``."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def uri(self) -> str:
        """The path."""
        return str(self._path)

    @property
    def storage_options(self) -> None:
        """None are needed."""
        return

    def entries(self) -> list[str]:
        """Names in the folder.

        Raises:
            SkyfixError: a file is in its place.
        """
        if self._path.exists() and not self._path.is_dir():
            raise SkyfixError(f"{self._path} is a file. Choose a new folder for the gallery.")
        return sorted(entry.name for entry in self._path.iterdir()) if self._path.exists() else []

    def sizes(self, folder: str = "") -> dict[str, int]:
        """Bytes of files, by relative name."""
        root = self._path / folder
        return {
            entry.relative_to(root).as_posix(): entry.stat().st_size
            for entry in root.rglob("*")
            if entry.is_file()
        }

    def read(self, name: str) -> bytes:
        """Content of a file."""
        try:
            return (self._path / name).read_bytes()
        except OSError as error:
            raise SkyfixError(f"Cannot read {self._path / name}: {error.strerror}.") from error

    def write(self, name: str, content: bytes) -> None:
        """Write a file by renaming."""
        with atomic_path(self._path / name) as temporary:
            temporary.write_bytes(content)

    def put_folder(self, name: str, make: Callable[[Path], None], last: str) -> None:
        """Fill a hidden folder, then rename it."""
        partial = self._path / f".{name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        make(partial)
        partial.rename(self._path / name)

    @contextlib.contextmanager
    def local_folder(self, name: str) -> Iterator[Path]:
        """The folder itself."""
        yield self._path / name

    def derived(self, name: str) -> Path:
        """A folder inside."""
        return self._path / name

    def sole_writer(self) -> contextlib.AbstractContextManager[None]:
        """A lock on a file, which the system frees when a process dies."""
        return sole_writer(self._path)
