"""A pyramid of web-map tiles read as one map: RGB and a mask of what is valid, by windows."""

import math
from functools import lru_cache
from pathlib import Path

import numpy as np

from skyfix.geo.crs import GeoReference
from skyfix.geo.geotiff import RasterError
from skyfix.geo.resampling import EXACT_PX, Pixels, is_whole, resampling_filter, resized
from skyfix.geo.tile_grid import Level, TileStore, vector_tiles
from skyfix.geo.window import check_window
from skyfix.images import ImageError, decode_rgb

TILE_SIZES_PX = (256, 512)

_CACHE_BYTES = 96 * 2**20
"""Decoded tiles kept: rows of tiles that two strips of a panel share are decoded once."""

_MOST_STEPS = 8
"""A tile eight zooms up still has a pixel or more for each of the tiles it stands for."""

_BLOCK_PX = 2048


class TilePyramid:
    """An open pyramid at its deepest zoom; the interface of ``Raster``, see there.

    The map is the rectangle around all tiles of the deepest zoom, in EPSG:3857; where it has no
    tile, or a tile is transparent, nothing is valid. Windows that are read reduced by 2 or more
    come from a lower zoom, if that has a tile for all ground that the deepest one shows.

    Args:
        store: where the tiles are; closed together with the map.

    Raises:
        RasterError: no tiles, vector tiles, tiles of another size than 256 or 512 px.
    """

    bands: tuple[int, ...] = ()
    all_valid = False

    def __init__(self, store: TileStore) -> None:
        self._store = store
        try:
            self._zooms = store.zooms()
            if not self._zooms:
                raise RasterError(f"{store.path} holds no image tiles. Give a pyramid of imagery.")
            self._level = Level(store.path, self._zooms[-1], store.tiles(self._zooms[-1]))
            self._tile_px = self._first_tile_px()
        except RasterError:
            self.close()
            raise
        self.geo: GeoReference = self._level.georeference(self._tile_px)
        kept = _CACHE_BYTES // (4 * self._tile_px**2)
        self._decoded = lru_cache(maxsize=kept)(self._decode)
        self._reduced = lru_cache(maxsize=_MOST_STEPS)(self._reduced_level)

    @property
    def path(self) -> Path:
        """The folder or file of the tiles."""
        return self._store.path

    @property
    def width_px(self) -> int:
        """Columns."""
        return self.geo.width_px

    @property
    def height_px(self) -> int:
        """Rows."""
        return self.geo.height_px

    def read(
        self,
        column: float,
        row: float,
        width: float,
        height: float,
        size_px: tuple[int, int],
    ) -> Pixels:
        """A window, resampled; lower zooms serve large windows.

        Args:
            column, row: upper left corner in px, may lie between pixels.
            width, height: extent in px, inside the map.
            size_px: (h, w) of the result.

        Returns:
            RGB ``(h, w, 3)`` uint8, black where not valid, and the valid mask ``(h, w)`` bool.

        Raises:
            RasterError: the window leaves the map, or a tile cannot be decoded.
        """
        check_window(self.path, self.geo, column, row, width, height)
        level, steps = self._level_for(min(height / size_px[0], width / size_px[1]))
        reader = _LevelReader(self, level, steps)
        scale = 2.0**-steps
        step_x, step_y = width * scale / size_px[1], height * scale / size_px[0]
        rgb = np.empty((*size_px, 3), np.uint8)
        valid = np.empty(size_px, bool)
        # Piece by piece: a window over the whole map would not fit into memory unreduced.
        down, across = max(1, int(_BLOCK_PX / step_y)), max(1, int(_BLOCK_PX / step_x))
        for top in range(0, size_px[0], down):
            for left in range(0, size_px[1], across):
                bottom, right = min(top + down, size_px[0]), min(left + across, size_px[1])
                box = (
                    column * scale + left * step_x,
                    row * scale + top * step_y,
                    column * scale + right * step_x,
                    row * scale + bottom * step_y,
                )
                part = np.s_[top:bottom, left:right]
                rgb[part], valid[part] = reader.resampled(box, (bottom - top, right - left))
        return rgb, valid

    def tile(self, zoom: int, column: int, row: int) -> tuple[np.ndarray, np.ndarray | None]:
        """A decoded tile, side ``tile_px``: RGB, and where it is not transparent (None: all)."""
        return self._decoded(zoom, column, row)

    @property
    def tile_px(self) -> int:
        """Side of a tile."""
        return self._tile_px

    @property
    def deepest(self) -> Level:
        """The zoom level whose pixels are the map's."""
        return self._level

    def close(self) -> None:
        """Close the files."""
        self._store.close()

    def __enter__(self) -> "TilePyramid":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _level_for(self, shrink: float) -> tuple[Level, int]:
        """The zoom level to read a window from, and how far above the deepest it is."""
        for steps in range(min(int(math.log2(max(shrink, 1.0))), _MOST_STEPS), 0, -1):
            level = self._reduced(steps)
            if level is not None:
                return level, steps
        return self._level, 0

    def _reduced_level(self, steps: int) -> Level | None:
        zoom = self._level.zoom - steps
        if zoom not in self._zooms:
            return None
        level = Level(self.path, zoom, self._store.tiles(zoom))
        return level if level.covers(self._level) else None

    def _first_tile_px(self) -> int:
        zoom, (column, row) = self._level.zoom, self._level.first_tile()
        allowed = [(side, side) for side in TILE_SIZES_PX]
        return len(self._decode_as(zoom, column, row, allowed)[0])

    def _decode(self, zoom: int, column: int, row: int) -> tuple[np.ndarray, np.ndarray | None]:
        return self._decode_as(zoom, column, row, [(self._tile_px, self._tile_px)])

    def _decode_as(
        self, zoom: int, column: int, row: int, sizes_px: list[tuple[int, int]]
    ) -> tuple[np.ndarray, np.ndarray | None]:
        content = self._store.read(zoom, column, row)
        if _is_vector(content):
            raise vector_tiles(self.path)
        try:
            return decode_rgb(content, f"tile {zoom}/{column}/{row} of {self.path}", sizes_px)
        except ImageError as error:
            raise RasterError(str(error)) from error


class _LevelReader:
    """Reads a level in its own pixels; positions count from the map's upper left corner."""

    def __init__(self, pyramid: TilePyramid, level: Level, steps: int) -> None:
        self._pyramid, self._level, self._steps = pyramid, level, steps
        deepest, side = pyramid.deepest, pyramid.tile_px
        # Whole pixels: a tile's side divides by 2**steps.
        self._left = deepest.first_column * side >> steps
        self._top = deepest.first_row * side >> steps
        self._width = math.ceil(pyramid.width_px / 2**steps)
        self._height = math.ceil(pyramid.height_px / 2**steps)

    def resampled(self, box: tuple[float, float, float, float], size_px: tuple[int, int]) -> Pixels:
        """The part within a box (left, top, right, bottom), brought to (h, w)."""
        step_x, step_y = (box[2] - box[0]) / size_px[1], (box[3] - box[1]) / size_px[0]
        margin_x, margin_y = math.ceil(step_x) + 1, math.ceil(step_y) + 1
        if is_whole(box, size_px):
            margin_x = margin_y = 0
        left = max(math.floor(box[0] + EXACT_PX) - margin_x, 0)
        top = max(math.floor(box[1] + EXACT_PX) - margin_y, 0)
        right = min(math.ceil(box[2] - EXACT_PX) + margin_x, self._width)
        bottom = min(math.ceil(box[3] - EXACT_PX) + margin_y, self._height)
        rgb, valid = self._pixels(left, top, right, bottom)
        if is_whole(box, size_px):
            return rgb, valid
        within = (
            max(box[0] - left, 0.0),
            max(box[1] - top, 0.0),
            min(box[2] - left, float(right - left)),
            min(box[3] - top, float(bottom - top)),
        )
        return resized(rgb, valid, within, size_px, resampling_filter((step_x, step_y), box))

    def _pixels(self, left: int, top: int, right: int, bottom: int) -> Pixels:
        side = self._pyramid.tile_px
        rgb = np.zeros((bottom - top, right - left, 3), np.uint8)
        valid = np.zeros((bottom - top, right - left), bool)
        left, top, right, bottom = (
            left + self._left, top + self._top, right + self._left, bottom + self._top
        )  # fmt: skip
        rows = np.arange(top // side, -(-bottom // side))
        columns = np.arange(left // side, -(-right // side))
        there = self._level.has(columns[None, :], rows[:, None])
        for i, j in zip(*np.nonzero(there), strict=True):
            x, y = int(columns[j]) * side, int(rows[i]) * side
            tile, opaque = self._tile(int(columns[j]), int(rows[i]))
            from_x, to_x = max(left, x), min(right, x + side)
            from_y, to_y = max(top, y), min(bottom, y + side)
            target = np.s_[from_y - top : to_y - top, from_x - left : to_x - left]
            source = np.s_[from_y - y : to_y - y, from_x - x : to_x - x]
            rgb[target] = tile[source]
            valid[target] = opaque[source]
        rgb[~valid] = 0
        return rgb, valid

    def _tile(self, column: int, row: int) -> Pixels:
        zoom = self._level.zoom
        tile, opaque = self._pyramid.tile(zoom, column % 2**zoom, row)
        shown = self._shown(column, row)
        return tile, shown if opaque is None else shown & opaque

    def _shown(self, column: int, row: int) -> np.ndarray:
        """Where the deepest level has tiles: a JPEG of a lower zoom is black elsewhere."""
        each = 2**self._steps
        columns = np.arange(column * each, (column + 1) * each)
        rows = np.arange(row * each, (row + 1) * each)
        there = self._pyramid.deepest.has(columns[None, :], rows[:, None])
        side = self._pyramid.tile_px // each
        return there.repeat(side, axis=0).repeat(side, axis=1)


def _is_vector(content: bytes) -> bool:
    """Whether a tile is a Mapbox vector tile, packed by gzip or not.

    A bare one starts with its first layer: field 3, which begins with the byte 0x1A.
    """
    return content[:2] == b"\x1f\x8b" or content[:1] == b"\x1a"
