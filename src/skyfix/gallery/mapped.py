"""The descriptors of a large gallery as one matrix in half precision, mapped from a file.

The file is derived from the tiles and lies in a hidden folder beside them; it is made at the first
search, and anew after the gallery changed. Mapped, it takes no memory but what the system keeps of
it, is shared by processes and opens at once. Numbers are widened piece by piece, in the processor's
cache, to exactly what ``halves.unit_matrix`` gives.
"""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from skyfix.errors import SkyfixError
from skyfix.files import atomic_path
from skyfix.gallery.place import Place
from skyfix.gallery.reader import TileReader
from skyfix.progress import counting

FOLDER = ".search"

Rows = np.ndarray | range
"""Rows in increasing order; a range where they are all there are between two of them."""

_PIECE_NUMBERS = 2**20
"""Four megabytes in single precision: caches hold them, and calls of NumPy are few."""


_HALF_TO_SINGLE = 2.0**112
_SIGN_AND_REST = np.uint32(0x8FFFE000).view(np.int32)
_BATCH_ROWS = 8192


def as_array(rows: Rows) -> np.ndarray:
    """Rows as an array; NumPy itself takes a range number by number."""
    return np.arange(rows.start, rows.stop) if isinstance(rows, range) else rows


class MappedDescriptors:
    """Half-precision rows and what makes them unit ones.

    Args:
        half: (T, d) float16.
        scales: (T,) float32, their inverse lengths.
    """

    def __init__(self, half: np.ndarray, scales: np.ndarray) -> None:
        # As plain arrays: memmap's own indexing is slow.
        self._bits = np.asarray(half).view(np.int16)
        self._factors = scales * np.float32(_HALF_TO_SINGLE)
        self._rooms = threading.local()
        self._piece_rows = max(1024, _PIECE_NUMBERS // half.shape[1])

    def of(self, rows: np.ndarray) -> np.ndarray:
        """Those of some rows, (n, d) float32 of unit length."""
        out = np.empty((len(rows), self._bits.shape[1]), np.float32)
        start = 0
        for part, block in self.blocks(rows):
            out[start : start + len(part)] = block
            start += len(part)
        return out

    def __len__(self) -> int:
        return len(self._bits)

    def blocks(self, rows: Rows) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Rows and their descriptors float32 of unit length, in order, in pieces.

        Each piece of descriptors is overwritten by the next that the thread asks for.
        """
        halves, singles = self._room()
        for start in range(0, len(rows), self._piece_rows):
            part = as_array(rows[start : start + self._piece_rows])
            block = singles[: len(part)]
            self._widen(part, halves[: len(part)], block)
            yield part, block

    def _room(self) -> tuple[np.ndarray, np.ndarray]:
        """The thread's arrays for a piece: new ones would be paid for with page faults."""
        if not hasattr(self._rooms, "pair"):
            shape = min(self._piece_rows, len(self)), self._bits.shape[1]
            self._rooms.pair = np.empty(shape, np.int16), np.empty(shape, np.float32)
        pair: tuple[np.ndarray, np.ndarray] = self._rooms.pair
        return pair

    def _widen(self, rows: np.ndarray, halves: np.ndarray, out: np.ndarray) -> None:
        """Unit rows, exactly as ``halves.unit_matrix`` makes them but four times as fast.

        NumPy widens half precision number by number; shifting the bits of whole arrays to where
        single precision has them leaves an exponent that is 112 too small.
        """
        first, last = int(rows[0]), int(rows[-1])
        # Neighbours on the ground are often neighbours in the file: then nothing is gathered.
        together = last - first + 1 == len(rows)
        if together:
            halves = self._bits[first : last + 1]
        else:
            # With a mode other than raise NumPy writes to the given memory itself.
            self._bits.take(rows, axis=0, out=halves, mode="clip")
        bits = out.view(np.int32)
        np.copyto(bits, halves)
        bits <<= 13
        bits &= _SIGN_AND_REST
        out *= self._factors[first : last + 1, None] if together else self._factors[rows, None]


def mapped(place: Place, reader: TileReader, dimensions: int) -> MappedDescriptors | None:
    """The mapped descriptors of a gallery, written first where they are not there yet.

    Args:
        place: the gallery.
        reader: of its tiles.
        dimensions: length d of a stored descriptor.

    Returns:
        None where the place cannot keep them: on object storage, in a folder that cannot be
        written to, on a full disk.
    """
    folder = place.derived(FOLDER)
    if folder is None:
        return None
    matrix, scales = (folder / f"{reader.digest}.{kind}.npy" for kind in ("half", "scales"))
    found = _opened(matrix, scales, (reader.rows, dimensions))
    if found is not None:
        return found
    for old in folder.glob("*.npy"):
        with contextlib.suppress(OSError):
            old.unlink()
    try:
        _write(matrix, scales, reader, dimensions)
    except SkyfixError:
        # Searching does without; a damaged gallery is told by whoever reads it next.
        return None
    return _opened(matrix, scales, (reader.rows, dimensions))


def _opened(matrix: Path, scales: Path, shape: tuple[int, int]) -> MappedDescriptors | None:
    """What is there already; None where it is missing or not what it should be."""
    try:
        # "c" maps privately: torch wants arrays that it could write to.
        half = np.load(matrix, mmap_mode="c", allow_pickle=False)
        rows = np.load(scales, allow_pickle=False)
    except (OSError, ValueError):
        return None
    fits = half.shape == shape and rows.shape == shape[:1] and half.dtype == np.float16
    return MappedDescriptors(half, rows) if fits else None


def _write(matrix: Path, scales: Path, reader: TileReader, dimensions: int) -> None:
    found: list[np.ndarray] = []
    # The scales come last: with them the matrix is whole.
    with (
        counting("Mapping", reader.rows, "tiles") as counter,
        atomic_path(matrix) as temporary,
        temporary.open("wb") as stream,
    ):
        header = {"descr": "<f2", "fortran_order": False, "shape": (reader.rows, dimensions)}
        np.lib.format.write_array_header_1_0(stream, header)
        for half, factors in reader.stored_blocks(_BATCH_ROWS):
            stream.write(half.astype("<f2", copy=False).tobytes())
            found.append(factors)
            counter.advance(len(factors))
    with atomic_path(scales) as temporary, temporary.open("wb") as stream:
        np.save(stream, np.concatenate(found), allow_pickle=False)
