"""The grid of web-map tiles: which tiles a zoom level has, and where they lie on Earth.

Zoom ``z`` cuts the square of EPSG:3857 into 2**z columns, counted from 180 degrees west, and as
many rows, counted from the north: the numbering known as XYZ.
"""

from pathlib import Path
from typing import Protocol

import numpy as np
from pyproj import CRS
from rasterio import Affine

from skyfix.geo.crs import MERCATOR_PERIOD_M, GeoReference
from skyfix.geo.geotiff import RasterError

MAX_ZOOM = 24
"""Deeper zooms would have pixels below a centimetre."""

MAX_LEVEL_TILES = 20_000_000
"""A zoom level above this many tiles is refused: the list alone would take gigabytes."""


class TileStore(Protocol):
    """Encoded tiles by zoom, column and row, wherever they are kept."""

    path: Path

    def zooms(self) -> list[int]:
        """Zoom levels that have tiles, ascending."""

    def tiles(self, zoom: int) -> np.ndarray:
        """Column and row of the level's tiles, (T, 2) int64, in any order."""

    def read(self, zoom: int, column: int, row: int) -> bytes:
        """The image file of a tile that exists."""

    def close(self) -> None:
        """Let go of the files."""


class Level:
    """The tiles of one zoom level.

    Columns may count on past 2**zoom, where tiles lie on both sides of the antimeridian.

    Args:
        path: names the pyramid in errors.
        zoom: zoom level.
        tiles: column and row of each, (T, 2) int64.

    Raises:
        RasterError: no tiles, too many, or some outside the grid.
    """

    def __init__(self, path: Path, zoom: int, tiles: np.ndarray) -> None:
        self.zoom = zoom
        side = 2**zoom
        if not len(tiles):
            raise RasterError(f"{path} holds no image tiles. Give a pyramid of imagery.")
        if tiles.min() < 0 or tiles.max() >= side:
            raise RasterError(
                f"{path} has tiles outside the grid of zoom {zoom} (0 to {side - 1}). "
                "Give tiles of the usual web-map grid (EPSG:3857)."
            )
        columns, rows = tiles[:, 0], tiles[:, 1]
        self._keys = np.unique(columns << 32 | rows)
        self.first_column, self.columns = _narrowest_span(np.unique(columns), side)
        self.first_row = int(rows.min())
        self.rows = int(rows.max()) - self.first_row + 1

    def has(self, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Whether tiles exist; int64 arrays that broadcast, columns taken around the Earth."""
        keys = (columns % 2**self.zoom) << 32 | rows
        return self._keys[np.searchsorted(self._keys, keys).clip(max=len(self._keys) - 1)] == keys

    def covers(self, deeper: "Level") -> bool:
        """Whether every tile of a deeper level lies in a tile of this one."""
        steps = deeper.zoom - self.zoom
        columns, rows = deeper._keys >> 32, deeper._keys & 0xFFFFFFFF
        parents = np.unique((columns >> steps) << 32 | (rows >> steps))
        return bool(np.isin(parents, self._keys, assume_unique=True).all())

    def first_tile(self) -> tuple[int, int]:
        """Column and row of one tile."""
        return int(self._keys[0] >> 32), int(self._keys[0] & 0xFFFFFFFF)

    def georeference(self, tile_px: int) -> GeoReference:
        """Where the rectangle around all tiles lies, at ``tile_px`` pixels a tile."""
        pixel_m = MERCATOR_PERIOD_M / (tile_px * 2**self.zoom)
        left = self.first_column * tile_px * pixel_m - MERCATOR_PERIOD_M / 2
        top = MERCATOR_PERIOD_M / 2 - self.first_row * tile_px * pixel_m
        return GeoReference(
            CRS("EPSG:3857"),
            Affine(pixel_m, 0.0, left, 0.0, -pixel_m, top),
            self.columns * tile_px,
            self.rows * tile_px,
        )


def check_level(path: Path, zoom: int, tiles: int) -> None:
    """Refuse a level before its tiles are listed.

    Raises:
        RasterError: deeper than ``MAX_ZOOM``, or above ``MAX_LEVEL_TILES`` tiles.
    """
    if not 0 <= zoom <= MAX_ZOOM:
        raise RasterError(
            f"{path} has zoom level {zoom}; 0 to {MAX_ZOOM} are supported. Check the tiles."
        )
    if tiles > MAX_LEVEL_TILES:
        raise RasterError(
            f"{path} has {tiles / 1e6:.0f} million tiles at zoom {zoom}, the limit is "
            f"{MAX_LEVEL_TILES // 1_000_000} million. Extract the area that is needed."
        )


def _narrowest_span(columns: np.ndarray, side: int) -> tuple[int, int]:
    """First column and number of columns of the shortest way around the Earth that has all.

    Args:
        columns: ascending, without repetition.
        side: columns around the Earth.
    """
    inner = np.diff(columns)
    outer = int(columns[0] + side - columns[-1])
    if not len(inner) or inner.max() <= outer:
        return int(columns[0]), int(columns[-1] - columns[0]) + 1
    widest = int(np.argmax(inner))
    return int(columns[widest + 1]), side - int(inner[widest]) + 1


def vector_tiles(path: Path) -> RasterError:
    """The error for tiles that are no pictures."""
    return RasterError(
        f"{path} holds vector tiles (drawn streets and names); imagery is needed. "
        "Give tiles in PNG, JPEG or WebP."
    )
