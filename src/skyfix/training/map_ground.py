"""Training ground of a map: blocks of it, sharp enough to cut tiles from."""

import math
from pathlib import Path

import numpy as np
from PIL import Image

from skyfix.datasets.grounds import (
    GROUND_COLUMNS,
    GROUND_TABLE,
    SOURCE_COLUMNS,
    SOURCE_TABLE,
    Grounds,
)
from skyfix.errors import SkyfixError
from skyfix.files import write_csv
from skyfix.geo.maps import Map, open_map
from skyfix.training.rendered_pairs import render_pairs

TILE_SIDES = (0.8, 1.25)
"""Sides of the tiles that are cut, in sides of a gallery's tile."""
_BLOCK_TILES = 4.0
_MOST_BLOCKS = 48
_LEAST_VALID, _LEAST_CONTRAST = 0.99, 4.0
_SHARPER = 1.25
"""Pixels of a block across a tile, in pixels of the network's input."""
_TOGETHER = 8
_FILLED, _APART = 0.45, 0.4
"""Squares that are thrown on a plane at random leave about half of it free."""


def map_grounds(
    path: Path,
    folder: Path,
    tile_m: float,
    input_px: int,
    batch_size: int,
    dsm: Path | None = None,
    seed: int = 0,
) -> Grounds:
    """Write blocks of a map as training ground and open it.

    Blocks lie beside each other over the whole map; those with gaps or without features are left
    out, and of more than 48 an even choice is taken.

    Args:
        path: a map that ``open_map`` opens.
        folder: an empty folder.
        tile_m: side of a gallery's tile, ground metres.
        input_px: side of the network's input.
        batch_size: pairs that must find room.
        dsm: heights of a projected GeoTIFF map: half of a batch is then rendered pairs.
        seed: decides what is rendered.

    Raises:
        RasterError: an unfit map or height model.
        SkyfixError: too little ground for a batch, or a tile size that is no length.
    """
    if not 0 < tile_m < math.inf:
        raise SkyfixError(f"tile_m is {tile_m:g}. Give ground metres above 0.")
    least, most = (math.ceil(side * _SHARPER * input_px) for side in TILE_SIDES)
    rows, room, blocks = [], 0, folder / "map"
    blocks.mkdir()
    with open_map(path) as raster:
        extents_m = _extents_m(raster)
        block_m = min(_BLOCK_TILES * tile_m, *extents_m)
        side_px = round(block_m / tile_m * _SHARPER * input_px)
        for number, corner_m in enumerate(_corners_m(extents_m, block_m)):
            pixels = _block(raster, corner_m, block_m, extents_m, side_px)
            if pixels is not None:
                name = f"block_{number}.png"
                Image.fromarray(pixels).save(blocks / name, compress_level=1)
                rows.append([name, "", least, most])
                room += _room(side_px, most)
    if room < batch_size:
        raise SkyfixError(
            f"{path} has room for about {room} tiles of {tile_m:g} m that show different ground, a "
            f"batch takes {batch_size}. Use a larger map, smaller tiles or a smaller batch."
        )
    together = max(_TOGETHER, math.ceil(2 * batch_size / len(rows)))
    write_csv(blocks / GROUND_TABLE, GROUND_COLUMNS, rows)
    sources: list[list[object]] = [["map", 1, together]]
    if dsm is not None:
        least = math.ceil(batch_size / 2)
        render_pairs(path, dsm, folder / "rendered", tile_m, input_px, least, seed)
        sources = [["map", 0.5, together], ["rendered", 0.5, least]]
    write_csv(folder / SOURCE_TABLE, SOURCE_COLUMNS, sources)
    return Grounds(folder)


def _extents_m(raster: Map) -> tuple[float, float]:
    """Width and height on the ground, measured through the middle."""
    middle = raster.geo.scale(raster.width_px / 2, raster.height_px / 2)
    return float(middle.x_m) * raster.width_px, float(middle.y_m) * raster.height_px


def _corners_m(extents_m: tuple[float, float], block_m: float) -> list[tuple[float, float]]:
    """Upper left corners (x, y) of blocks that cover the map, an even choice of them."""
    across, down = (
        np.linspace(0, extent - block_m, math.ceil(extent / block_m - 1e-6)) for extent in extents_m
    )
    corners = [(float(x), float(y)) for y in down for x in across]
    chosen = np.linspace(0, len(corners) - 1, min(len(corners), _MOST_BLOCKS)).astype(int)
    return [corners[number] for number in chosen]


def _block(
    raster: Map,
    corner_m: tuple[float, float],
    block_m: float,
    extents_m: tuple[float, float],
    side_px: int,
) -> np.ndarray | None:
    """Pixels ``(side_px, side_px, 3)`` of a square of ground; None where it shows too little."""
    sizes = (raster.width_px, raster.height_px)
    column, row = (
        at / extent * size for at, extent, size in zip(corner_m, extents_m, sizes, strict=True)
    )
    width, height = (
        min(block_m / extent * size, size - start)
        for extent, size, start in zip(extents_m, sizes, (column, row), strict=True)
    )
    pixels, valid = raster.read(column, row, width, height, (side_px, side_px))
    shows = valid.mean() >= _LEAST_VALID and pixels.std(axis=(0, 1)).max() >= _LEAST_CONTRAST
    return pixels if shows else None


def _room(side_px: int, tile_px: int) -> int:
    """About how many tiles of one block show different ground."""
    return int(_FILLED * max(0.0, side_px / tile_px - 1 + _APART) ** 2 / _APART**2)
