"""The descriptors of a large gallery as one matrix in half precision, mapped from a file.

Numbers are widened piece by piece, in the processor's cache, to exactly what ``halves.unit_matrix``
gives; by torch, since NumPy does it number by number.
"""

import threading
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from skyfix.errors import SkyfixError
from skyfix.gallery.derived import Derived
from skyfix.gallery.reader import TileReader
from skyfix.gallery.search import Rows, as_array
from skyfix.gallery.storage import Storage
from skyfix.progress import counting

_PIECE_NUMBERS = 2**20
"""Four megabytes in single precision: caches hold them, and calls are few."""

_BATCH_ROWS = 8192
_HALF, _SINGLE = "<f2", "<f4"


class MappedDescriptors:
    """Half-precision rows and what makes them unit ones.

    Args:
        half: (T, d) float16.
        scales: (T,) float32, their inverse lengths.
    """

    def __init__(self, half: np.ndarray, scales: np.ndarray) -> None:
        self._half, self._factors = torch.from_numpy(half), torch.from_numpy(scales)[:, None]
        self._rooms = threading.local()
        rows = max(1024, _PIECE_NUMBERS // half.shape[1])
        # As many for each thread, so that it multiplies the rows that it widened.
        self._piece_rows = rows - rows % torch.get_num_threads()

    def of(self, rows: np.ndarray) -> np.ndarray:
        """Those of some rows in increasing order, (n, d) float32 of unit length."""
        out = np.empty((len(rows), self._half.shape[1]), np.float32)
        start = 0
        for part, block in self.blocks(rows):
            out[start : start + len(part)] = block
            start += len(part)
        return out

    def __len__(self) -> int:
        return len(self._half)

    def blocks(self, rows: Rows) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Rows and their descriptors float32 of unit length, in order, in pieces.

        Each piece of descriptors is overwritten by the next that the thread asks for.
        """
        halves, singles = self._room()
        for start in range(0, len(rows), self._piece_rows):
            part = as_array(rows[start : start + self._piece_rows])
            block = singles[: len(part)]
            self._widen(part, halves[: len(part)], block)
            yield part, block.numpy()

    def _room(self) -> tuple[Tensor, Tensor]:
        """The thread's memory for a piece: new one would be paid for with page faults."""
        if not hasattr(self._rooms, "pair"):
            shape = min(self._piece_rows, len(self)), self._half.shape[1]
            self._rooms.pair = torch.empty(shape, dtype=torch.float16), torch.empty(shape)
        pair: tuple[Tensor, Tensor] = self._rooms.pair
        return pair

    def _widen(self, rows: np.ndarray, halves: Tensor, out: Tensor) -> None:
        """Unit rows, exactly as ``halves.unit_matrix`` makes them."""
        first, last = int(rows[0]), int(rows[-1])
        # Neighbours on the ground are often neighbours in the file: then nothing is gathered.
        if last - first + 1 == len(rows):
            out.copy_(self._half[first : last + 1])
            out.mul_(self._factors[first : last + 1])
        else:
            index = torch.from_numpy(rows)
            out.copy_(torch.index_select(self._half, 0, index, out=halves))
            out.mul_(self._factors[index])


def mapped(storage: Storage, reader: TileReader, dimensions: int) -> MappedDescriptors | None:
    """The mapped descriptors of a gallery, written first where they are not there yet.

    Args:
        storage: the gallery.
        reader: of its tiles.
        dimensions: length d of a stored descriptor.

    Returns:
        None where the storage cannot keep them: on object storage, in a folder that cannot be
        written to, on a full disk.
    """
    derived = Derived.of(storage, reader)
    if derived is None:
        return None
    shape = reader.rows, dimensions
    found = _opened(derived, shape)
    if found is not None:
        return found
    try:
        _write(derived, shape, reader)
    except SkyfixError:
        # Searching does without; a damaged gallery is told by whoever reads it next.
        return None
    return _opened(derived, shape)


def _opened(derived: Derived, shape: tuple[int, int]) -> MappedDescriptors | None:
    half = derived.open("half", shape, _HALF)
    scales = derived.open("scales", shape[:1], _SINGLE)
    return None if half is None or scales is None else MappedDescriptors(half, scales)


def _write(derived: Derived, shape: tuple[int, int], reader: TileReader) -> None:
    with (
        counting("Mapping", reader.rows, "tiles") as counter,
        derived.writing("half", shape, _HALF) as write_half,
        derived.writing("scales", shape[:1], _SINGLE) as write_scales,
    ):
        for half, factors in reader.stored_blocks(_BATCH_ROWS):
            write_half(half)
            write_scales(factors)
            counter.advance(len(factors))
