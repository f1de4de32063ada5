"""Tile sizes of a gallery."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from skyfix.errors import SkyfixError

STRIDES_A_TILE = 4
"""Without a stride, neighbouring tiles are this part of a tile apart."""

LEAST_RATIO = 1.1
"""Tile sizes closer than this show the same and could share an id."""


@dataclass(frozen=True)
class Scale:
    """One tile size.

    Attributes:
        tile_m: side of a tile, ground metres.
        stride_m: distance between neighbouring tiles, ground metres.
    """

    tile_m: float
    stride_m: float


def as_scales(
    tile_m: float | Sequence[float], stride_m: float | Sequence[float] | None
) -> tuple[Scale, ...]:
    """Tile sizes with their strides, small tiles first.

    Args:
        tile_m: one side or several, ground metres.
        stride_m: one for each side, in the same order; None for a quarter of the side.

    Raises:
        SkyfixError: not one stride for each size, no size, or sizes that hardly differ.
    """
    sides = [float(tile_m)] if isinstance(tile_m, int | float) else [float(m) for m in tile_m]
    if stride_m is None:
        strides = [side / STRIDES_A_TILE for side in sides]
    elif isinstance(stride_m, int | float):
        strides = [float(stride_m)]
    else:
        strides = [float(m) for m in stride_m]
    if not sides or len(strides) != len(sides):
        raise SkyfixError(
            f"{len(strides)} strides for {len(sides)} tile sizes. Give one stride for each size, "
            "or none for a quarter of the size."
        )
    ordered = sorted(zip(sides, strides, strict=True))
    for (small, _), (large, _) in pairwise(ordered):
        if large < LEAST_RATIO * small:
            raise SkyfixError(
                f"Tiles of {small:g} m and {large:g} m hardly differ. Use sizes at least a factor "
                f"of {LEAST_RATIO:g} apart."
            )
    return tuple(Scale(*pair) for pair in ordered)
