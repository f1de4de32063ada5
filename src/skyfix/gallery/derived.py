"""Arrays derived from a gallery's tiles: kept in a hidden folder beside them, mapped when used.

They are made at the first search, and anew after the gallery changed. Mapped, they take no memory
but what the system keeps of them, are shared by processes and open at once.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from skyfix.files import atomic_path
from skyfix.gallery.reader import TileReader
from skyfix.gallery.storage import Storage

FOLDER = ".search"


class Derived:
    """The arrays of one state of a gallery.

    Args:
        folder: where they lie.
        digest: of the state, see ``TileReader.digest``.
    """

    def __init__(self, folder: Path, digest: str) -> None:
        self._folder, self._digest = folder, digest

    @classmethod
    def of(cls, storage: Storage, reader: TileReader) -> "Derived | None":
        """Those of a gallery as it is now; None where it lies on object storage."""
        folder = storage.derived(FOLDER)
        return None if folder is None else cls(folder, reader.digest)

    def open(self, kind: str, shape: tuple[int, ...], number: str) -> np.ndarray | None:
        """An array, mapped; None where it is missing or not what it should be.

        Args:
            kind: its name.
            shape: what it should have.
            number: the type of its numbers, such as ``<f2``.
        """
        try:
            # "c" maps privately: torch wants arrays that it could write to.
            found = np.load(self._path(kind), mmap_mode="c", allow_pickle=False)
        except (OSError, ValueError):
            return None
        # As a plain array: memmap's own indexing is slow.
        return np.asarray(found) if found.shape == shape and found.dtype == number else None

    @contextlib.contextmanager
    def writing(
        self, kind: str, shape: tuple[int, ...], number: str
    ) -> Iterator[Callable[[np.ndarray], object]]:
        """Write an array, piece by piece, in order; it appears when it is whole.

        Args:
            kind, shape, number: as for ``open``.

        Raises:
            SkyfixError: the folder cannot be written to, or the disk is full.
        """
        # Of earlier states, and what is left of writers that were killed then.
        for old in self._folder.glob("*"):
            if not old.name.lstrip(".").startswith(self._digest):
                with contextlib.suppress(OSError):
                    old.unlink()
        with atomic_path(self._path(kind)) as temporary, temporary.open("wb") as stream:
            header = {"descr": number, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(stream, header)
            yield lambda part: stream.write(part.astype(number, copy=False).tobytes())

    def _path(self, kind: str) -> Path:
        return self._folder / f"{self._digest}.{kind}.npy"
