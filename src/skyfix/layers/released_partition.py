"""What SDPL's published code makes of a map, holes and misplaced cells included."""

from functools import lru_cache

import numpy as np

from skyfix.errors import SkyfixError
from skyfix.layers.partition import (
    Divisor,
    Partition,
    check_rings,
    dense_parts,
    squares_around,
)

RELEASED_SHIFTS = (-2, 0, 2)
"""Offsets of the three partitions in cells."""


@lru_cache(maxsize=32)
def released_dense_parts(
    height: int,
    width: int,
    divisor: Divisor = "square",
    shifts: tuple[int, ...] = RELEASED_SHIFTS,
) -> Partition:
    """What SDPL's published code computes: four squares, shifts of -2, 0 and +2 cells.

    It differs from the paper in three ways. The map loses its inner square after each shift, so
    the second and third shifts see holes and the last part equals the outer ring. Parts 6 and 8
    lay rings that are centred in the map over a hole that is not, so some cells add up.
    The shift is 2 cells at every size; ``shifts`` of 0 alone is that code's form without any.

    Raises:
        SkyfixError: a size at which the published code stops (only squares of 16, 24, 32, ...
            cells run).
    """
    check_rings(4, divisor)
    if height != width or height % 8 or height < 16:
        raise SkyfixError(
            f"SDPL's released code runs on square maps of 16, 24, 32, ... cells only, not "
            f"{height} x {width}. Use a square input that is a multiple of 128 px, from 256 px "
            f"on, or variant='paper'."
        )
    overlaps = _OverlapBook(height * width)
    alive = np.ones((height, width), dtype=bool)
    rows = []
    for shift in shifts:
        rows += _released_rows(alive, shift, divisor, overlaps)
        alive &= ~_square_mask(height, width, 3 * height // 8, shift, shift)
    columns = height * width + len(overlaps.pairs)
    weights = np.zeros((len(rows), columns), dtype=np.float32)
    for index, (cells, share) in enumerate(rows):
        weights[index, cells] = share
    pairs = np.array(overlaps.pairs, dtype=np.int64).reshape(-1, 2).T.copy()
    return Partition(weights, pairs)


class _OverlapBook:
    """Numbers the pairs of cells that the released code adds up."""

    def __init__(self, cells: int) -> None:
        self._cells = cells
        self.pairs: list[tuple[int, int]] = []
        self._columns: dict[tuple[int, int], int] = {}

    def column(self, first: int, second: int) -> int:
        key = (first, second)
        if key not in self._columns:
            self._columns[key] = self._cells + len(self.pairs)
            self.pairs.append(key)
        return self._columns[key]


def _released_rows(
    alive: np.ndarray, shift: int, divisor: Divisor, overlaps: _OverlapBook
) -> list[tuple[np.ndarray, float]]:
    side = alive.shape[0]
    squares = squares_around(side, side, 4, shift, shift)
    rows = []
    for index, (outer, inner) in enumerate(dense_parts(4)):
        area = int(squares[outer].sum())
        count = area - int(squares[inner].sum()) if divisor == "ring" else area
        if index in (6, 8):
            ring = squares[3] & ~squares[inner] & alive
            cells = _misaligned_cells(alive & ~squares[3], ring, shift, overlaps)
        else:
            hole = squares[3] if outer == 4 else squares[inner]
            cells = np.flatnonzero(squares[outer] & ~hole & alive)
        rows.append((cells, 1.0 / count))
    return rows


def _misaligned_cells(
    frame: np.ndarray, ring: np.ndarray, shift: int, overlaps: _OverlapBook
) -> np.ndarray:
    """Columns of ``frame`` plus ``ring`` moved back to the centre of the map."""
    width = frame.shape[1]
    columns = set(np.flatnonzero(frame).tolist())
    for y, x in zip(*np.nonzero(ring), strict=True):
        source = int(y * width + x)
        target = int((y - shift) * width + (x - shift))
        if target in columns:
            columns.remove(target)
            columns.add(overlaps.column(target, source))
        else:
            columns.add(source)
    return np.array(sorted(columns), dtype=np.int64)


def _square_mask(height: int, width: int, half: int, shift_y: int, shift_x: int) -> np.ndarray:
    mask = np.zeros((height, width), dtype=bool)
    top, left = height // 2 + shift_y, width // 2 + shift_x
    mask[top - half : top + half, left - half : left + half] = True
    return mask
