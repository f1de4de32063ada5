"""Cutting a feature map into parts, written as a constant matrix.

Every partition scheme here is a matrix of pooling weights ``(parts, cells)``: pooling all parts
of all shifts is then one matrix product. Rows of the map come first: cell = y * width + x.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from skyfix.errors import SkyfixError

Divisor = Literal["square", "ring"]
DIVISORS = ("square", "ring")
Along = Literal["rows", "columns"]
ALONG = ("rows", "columns")


@dataclass(frozen=True)
class Partition:
    """Pooling weights of all parts.

    Attributes:
        weights: ``(parts, cells + overlaps)`` float32; a row sum of 1 means a plain average.
        overlaps: ``(2, overlaps)`` pairs of cells that act as one cell holding their sum.
            Only the released SDPL code has any.
    """

    weights: np.ndarray
    overlaps: np.ndarray

    def matrix(self, like: Tensor) -> Tensor:
        """The weights as a tensor of the type and on the device of ``like``."""
        return torch.from_numpy(self.weights).to(like.device, like.dtype)

    def reversed(self) -> "Partition":
        """The same parts in the opposite order."""
        return Partition(self.weights[::-1].copy(), self.overlaps)

    def members(self) -> list[np.ndarray]:
        """Cells that each part is made of, ascending."""
        return [np.flatnonzero(row) for row in self.weights]

    def shares(self, height: int, width: int) -> np.ndarray:
        """How much each cell counts in each part, ``(parts, height, width)``.

        1 for a part's most; all 0 for a part that has no cells, as the released SDPL code has.
        """
        cells = height * width
        weights = self.weights[:, :cells].copy()
        for cell in self.overlaps:
            np.add.at(weights.T, cell, self.weights[:, cells:].T)
        most = weights.max(axis=1, keepdims=True)
        return (weights / np.where(most > 0, most, 1)).reshape(-1, height, width)

    def cells(self, feature_map: Tensor) -> Tensor:
        """Flatten ``(N, C, H, W)`` to ``(N, C, H*W + overlaps)``."""
        flat = feature_map.flatten(2)
        if self.overlaps.shape[1] == 0:
            return flat
        first, second = torch.from_numpy(self.overlaps).to(flat.device)
        return torch.cat([flat, flat[..., first] + flat[..., second]], dim=2)


def dense_parts(rings: int) -> list[tuple[int, int]]:
    """(outer, inner) square of each dense part, in the order of the SDPL paper (P1, P2, ...).

    Part ``(k, j)`` is square k without square j, so the rings come first and the whole map last.
    """
    return [
        (first + span, first) for span in range(1, rings + 1) for first in range(rings + 1 - span)
    ]


@lru_cache(maxsize=32)
def strips(height: int, width: int, count: int, along: Along) -> Partition:
    """Bands of whole rows or columns, from the top or the left (LPN's ground panoramas).

    Where a size does not divide, neighbours share a row or column, as adaptive pooling has it.

    Args:
        height, width: size of the map in cells.
        count: number of bands.
        along: ``rows`` makes flat bands, ``columns`` upright ones.

    Raises:
        SkyfixError: fewer rows or columns than bands.
    """
    if along not in ALONG:
        raise SkyfixError(f"Unknown strips {along!r}. Choose one of: {', '.join(ALONG)}.")
    side = height if along == "rows" else width
    if not 1 <= count <= side:
        raise SkyfixError(f"A map with {side} {along} cannot be cut into {count} strips.")
    first = np.arange(count)[:, None] * side // count
    end = -(-np.arange(1, count + 1)[:, None] * side // count)
    lines = (np.arange(side) >= first) & (np.arange(side) < end)
    band = np.repeat(lines, width, axis=1) if along == "rows" else np.tile(lines, (1, height))
    members = band.astype(np.float32)
    return Partition(members / members.sum(axis=1, keepdims=True), _no_overlaps())


@lru_cache(maxsize=32)
def square_rings(
    height: int, width: int, rings: int, divisor: Divisor = "square", aligned: bool = True
) -> Partition:
    """LPN's square rings around the centre (Wang et al. 2021, section III-B).

    A map with fewer than ``2 * rings`` cells a side is first enlarged bilinearly, as the authors
    do; the enlargement is part of the matrix. The remainder of a size that does not divide goes
    to the outermost ring.

    Args:
        height, width: size of the map in cells.
        rings: number of rings.
        divisor: ``square`` divides each sum by the full square, hole included (the authors'
            code, all published numbers); ``ring`` by the ring alone (the paper's text).
        aligned: whether the enlargement aligns the corner cells (the authors' University-1652
            model does, their ground-to-satellite models do not).

    Raises:
        SkyfixError: the map is too narrow in one direction only.
    """
    check_rings(rings, divisor)
    tall, wide = ring_size(height, width, rings)
    if (tall, wide) != (height, width):
        fine = square_rings(tall, wide, rings, divisor)
        enlarge = _bilinear_matrix(height, width, tall, wide, aligned)
        return Partition(fine.weights @ enlarge, fine.overlaps)
    squares = squares_around(height, width, rings, 0, 0)
    parts = [(ring + 1, ring) for ring in range(rings)]
    return Partition(_average(squares, parts, divisor), _no_overlaps())


def ring_size(height: int, width: int, rings: int) -> tuple[int, int]:
    """Size (cells) that a map is enlarged to before it is cut into rings; usually its own.

    Raises:
        SkyfixError: the map is too narrow in one direction only.
    """
    small_h, small_w = height < 2 * rings, width < 2 * rings
    if small_h != small_w:
        raise SkyfixError(
            f"{rings} rings need at least {2 * rings} cells in both directions, "
            f"the map has {height} x {width}. Use a larger input or fewer rings."
        )
    return (_enlarged(height, rings), _enlarged(width, rings)) if small_h else (height, width)


@lru_cache(maxsize=32)
def shifted_dense_parts(
    height: int, width: int, rings: int, shift: int | None = None, divisor: Divisor = "square"
) -> Partition:
    """SDPL's dense partition at three shifts, each cut from the untouched map (the paper's form).

    Rows: all parts of the top-left shift, then of the centre, then of the bottom-right one.
    The last part of each is the whole map.

    Args:
        height, width: size of the map in cells, at least ``2 * rings``.
        rings: squares b; there are b (b + 1) / 2 parts a shift.
        shift: diagonal offset of the centre in cells; by default 1/16 of each side (2 cells of
            32), at least 1. Shifted squares are kept inside the map.
        divisor: ``square`` counts the hole of a part in its mean, ``ring`` does not.

    Raises:
        SkyfixError: the map is too small.
    """
    check_rings(rings, divisor)
    if min(height, width) < 2 * rings:
        raise SkyfixError(
            f"SDPL with {rings} rings needs at least {2 * rings} x {2 * rings} cells, the map has "
            f"{height} x {width}. Use an input of at least {32 * rings} px."
        )
    step_y, step_x = (_shift_cells(side, rings, shift) for side in (height, width))
    rows = [
        _average(
            squares_around(height, width, rings, sign * step_y, sign * step_x),
            dense_parts(rings),
            divisor,
        )
        for sign in (-1, 0, 1)
    ]
    return Partition(np.concatenate(rows), _no_overlaps())


def _average(
    squares: list[np.ndarray], parts: list[tuple[int, int]], divisor: Divisor
) -> np.ndarray:
    """Averaging rows ``(parts, cells)`` of the squares without their inner squares."""
    flat = np.stack([square.ravel() for square in squares]).astype(np.float32)
    outer, inner = (flat[[part[side] for part in parts]] for side in (0, 1))
    members = outer - inner
    area = (outer if divisor == "square" else members).sum(axis=1, keepdims=True)
    return members / area


def squares_around(
    height: int, width: int, rings: int, shift_y: int, shift_x: int
) -> list[np.ndarray]:
    """Masks ``(height, width)`` of squares 0 (empty), 1 .. rings - 1 and the whole map.

    Args:
        shift_y, shift_x: offset of their centre in cells.
    """
    step_y, step_x = height // (2 * rings), width // (2 * rings)
    top, left = height // 2 + shift_y, width // 2 + shift_x
    masks = [np.zeros((height, width), dtype=bool)]
    for square in range(1, rings):
        mask = np.zeros((height, width), dtype=bool)
        mask[
            top - square * step_y : top + square * step_y,
            left - square * step_x : left + square * step_x,
        ] = True
        masks.append(mask)
    return [*masks, np.ones((height, width), dtype=bool)]


def _shift_cells(side: int, rings: int, shift: int | None) -> int:
    wanted = max(1, side // 16) if shift is None else shift
    room = side // 2 - (rings - 1) * (side // (2 * rings))
    return min(wanted, room)


def _enlarged(side: int, rings: int) -> int:
    return side + 2 * (rings - side // 2)


def _bilinear_matrix(height: int, width: int, tall: int, wide: int, aligned: bool) -> np.ndarray:
    """Matrix ``(tall * wide, height * width)`` of bilinear enlargement."""
    basis = torch.eye(height * width).reshape(-1, 1, height, width)
    enlarged = F.interpolate(basis, size=(tall, wide), mode="bilinear", align_corners=aligned)
    return enlarged.flatten(1).T.numpy()


def _no_overlaps() -> np.ndarray:
    return np.zeros((2, 0), dtype=np.int64)


def check_rings(rings: int, divisor: str) -> None:
    """Refuse numbers and words that make no partition.

    Raises:
        SkyfixError: no ring, or an unknown divisor.
    """
    if rings < 1:
        raise SkyfixError(f"The number of rings must be at least 1, not {rings}.")
    if divisor not in DIVISORS:
        raise SkyfixError(f"Unknown divisor {divisor!r}. Choose one of: {', '.join(DIVISORS)}.")
