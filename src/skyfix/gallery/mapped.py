"""The descriptors of a large gallery as one matrix in half precision, mapped from a file.

The file is derived from the tiles and lies in a hidden folder beside them; it is made at the first
search, and anew after the gallery changed. Mapped, it takes no memory but what the system keeps of
it, is shared by processes and opens at once. Numbers are widened piece by piece, in the processor's
cache, to exactly what ``halves.unit_matrix`` gives.
"""

import contextlib
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

_CACHED_NUMBERS = 2**20
_HALF_TO_SINGLE = 2.0**112
_SIGN_AND_REST = np.uint32(0x8FFFE000).view(np.int32)
_BATCH_ROWS = 8192


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
        self.block_rows = max(1024, _CACHED_NUMBERS // half.shape[1])

    def of(self, rows: np.ndarray) -> np.ndarray:
        """Those of some rows, (n, d) float32 of unit length."""
        out = np.empty((len(rows), self._bits.shape[1]), np.float32)
        for start in range(0, len(rows), self.block_rows):
            stop = min(start + self.block_rows, len(rows))
            self._widen(rows[start:stop], out[start:stop])
        return out

    def __len__(self) -> int:
        return len(self._bits)

    def blocks(self, size: int, rows: Rows) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Rows and their descriptors float32, in order, at most ``size`` at a time.

        Each block of descriptors is overwritten by the next.
        """
        buffer = np.empty((min(size, len(rows)), self._bits.shape[1]), np.float32)
        for start in range(0, len(rows), size):
            part = np.asarray(rows[start : start + size])
            block = buffer[: len(part)]
            self._widen(part, block)
            yield part, block

    def _widen(self, rows: np.ndarray, out: np.ndarray) -> None:
        """Unit rows, exactly as ``halves.unit_matrix`` makes them but four times as fast.

        NumPy widens half precision number by number; shifting the bits of whole arrays to where
        single precision has them leaves an exponent that is 112 too small.
        """
        first, last = int(rows[0]), int(rows[-1])
        # Neighbours on the ground are often neighbours in the file: then nothing is gathered.
        together = last - first + 1 == len(rows)
        taken = slice(first, last + 1) if together else rows
        halves = self._bits[taken] if together else self._bits.take(rows, axis=0)
        bits = out.view(np.int32)
        np.copyto(bits, halves)
        bits <<= 13
        bits &= _SIGN_AND_REST
        out *= self._factors[taken, None]


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
