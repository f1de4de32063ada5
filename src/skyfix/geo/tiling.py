"""Cutting a map into overlapping square tiles of equal size on the ground."""

import math
from dataclasses import dataclass

import numpy as np

from skyfix.errors import SkyfixError
from skyfix.geo.crs import GeoReference, GroundScale

MAX_TILES = 20_000_000
"""A plan above this many tiles is refused: it is a mistake in the sizes or in the raster."""

MIN_TILE_PX = 8
"""Tiles of fewer map pixels a side show nothing."""

PANEL_TILES = 32
"""Tiles are ordered in panels of this many tile widths, so that a reader that walks down a panel
holds no more than one line of it in memory, however wide the raster is."""

_SLACK_PX = 0.5
_DENSE_KNOTS = 4096


@dataclass(frozen=True)
class TilePlan:
    """Windows of all tiles of one raster, in reading order.

    The order is by panel from left to right, by line from top to bottom within a panel, by column
    within a line. Windows are axis-aligned, lie inside the raster, and may start between pixels;
    those of one line of one panel share their rows.

    Attributes:
        geo: the raster's georeference.
        tile_m, stride_m: side of a tile and distance between neighbours, ground metres.
        columns, rows: upper left corners, px, float64 (T,).
        widths, heights: extents, px, float64 (T,); they follow the local ground scale.
        panels, lines: numbers of the panel and of the line, int32 (T,).
    """

    geo: GeoReference
    tile_m: float
    stride_m: float
    columns: np.ndarray
    rows: np.ndarray
    widths: np.ndarray
    heights: np.ndarray
    panels: np.ndarray
    lines: np.ndarray

    def __len__(self) -> int:
        return len(self.columns)

    def centres(self, tiles: slice | np.ndarray = slice(None)) -> tuple[np.ndarray, np.ndarray]:
        """Longitude and latitude in degrees of the tiles' centres."""
        return self.geo.lonlat(*self._centre_px(tiles))

    def scale(self, tiles: slice | np.ndarray = slice(None)) -> GroundScale:
        """Ground metres a pixel and direction of up, at the tiles' centres."""
        return self.geo.scales.at(*self._centre_px(tiles))

    def _centre_px(self, tiles: slice | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return (
            self.columns[tiles] + self.widths[tiles] / 2,
            self.rows[tiles] + self.heights[tiles] / 2,
        )


def plan_tiles(geo: GeoReference, tile_m: float, stride_m: float, name: str) -> TilePlan:
    """Plan all tiles that lie fully inside a raster.

    The first tile lies in the upper left corner. Neighbours are ``stride_m`` apart, or up to half
    a pixel less where one more line of tiles then fits; what remains at the right and lower edge
    is less than a stride wide.

    Args:
        geo: the raster's georeference.
        tile_m: side of a tile, ground metres.
        stride_m: distance between neighbouring tiles, ground metres.
        name: the raster's name for messages.

    Raises:
        SkyfixError: sizes that are not positive numbers, too small for the map's pixels, a
            raster smaller than one tile, or more than ``MAX_TILES`` tiles.
    """
    _check_sizes(tile_m, stride_m)
    axis_rows, down_m = _down(geo)
    extent_x_m, extent_y_m = float(_right(geo, geo.height_px / 2)[1][-1]), float(down_m[-1])
    _check_scale(geo, tile_m, stride_m, (extent_x_m, extent_y_m), name)
    starts_m = _starts(extent_y_m, tile_m, stride_m, extent_y_m / geo.height_px)
    centre_rows = np.interp(starts_m + tile_m / 2, down_m, axis_rows)
    lines = [_line(geo, row, tile_m, stride_m) for row in centre_rows]
    if not any(len(columns) for columns in lines):
        raise SkyfixError(
            f"Raster smaller than one tile: {name} covers {extent_x_m:.1f} x {extent_y_m:.1f} m, "
            f"a tile is {tile_m:g} m. Use smaller tiles or a larger raster."
        )
    line = np.repeat(np.arange(len(lines), dtype=np.int32), [len(columns) for columns in lines])
    return _windows(geo, tile_m, stride_m, np.concatenate(lines), centre_rows[line], line)


def _windows(
    geo: GeoReference,
    tile_m: float,
    stride_m: float,
    centre_columns: np.ndarray,
    centre_rows: np.ndarray,
    lines: np.ndarray,
) -> TilePlan:
    scale = geo.scales.at(centre_columns, centre_rows)
    widths = np.minimum(tile_m / scale.x_m, geo.width_px)
    heights = np.minimum(tile_m / scale.y_m, geo.height_px)
    columns = np.clip(centre_columns - widths / 2, 0.0, geo.width_px - widths)
    rows = np.clip(centre_rows - heights / 2, 0.0, geo.height_px - heights)
    panels = (columns // (PANEL_TILES * widths.max())).astype(np.int32)
    order = np.lexsort((columns, lines, panels))
    panels, lines = panels[order], lines[order]
    starts = np.flatnonzero(np.diff(panels, prepend=-1) | np.diff(lines, prepend=-1))
    tiles = np.diff(starts, append=len(order))
    # The middle tile stands for its line: a panel is so narrow that the scale hardly differs.
    middles = order[starts + tiles // 2]
    return TilePlan(
        geo,
        tile_m,
        stride_m,
        columns[order],
        np.repeat(rows[middles], tiles),
        widths[order],
        np.repeat(heights[middles], tiles),
        panels,
        lines,
    )


def _down(geo: GeoReference) -> tuple[np.ndarray, np.ndarray]:
    """Rows, and the ground metres walked down the middle column up to each of them."""
    rows = np.linspace(0.0, geo.height_px, min(geo.height_px, _DENSE_KNOTS) + 1)
    return rows, _walked(rows, geo.scales.at(geo.width_px / 2, rows).y_m)


def _right(geo: GeoReference, row: float) -> tuple[np.ndarray, np.ndarray]:
    """Columns, and the ground metres walked right along ``row`` up to each of them."""
    columns = np.linspace(0.0, geo.width_px, min(geo.width_px, _DENSE_KNOTS) + 1)
    return columns, _walked(columns, geo.scales.at(columns, row).x_m)


def _walked(pixels: np.ndarray, gsd_m: np.ndarray) -> np.ndarray:
    steps_m = (gsd_m[1:] + gsd_m[:-1]) / 2 * np.diff(pixels)
    return np.concatenate([[0.0], np.cumsum(steps_m)])


def _line(geo: GeoReference, row: float, tile_m: float, stride_m: float) -> np.ndarray:
    """Centre columns of the tiles of one line."""
    columns, right_m = _right(geo, row)
    extent_m = float(right_m[-1])
    starts_m = _starts(extent_m, tile_m, stride_m, extent_m / geo.width_px)
    return np.interp(starts_m + tile_m / 2, right_m, columns)


def _starts(extent_m: float, tile_m: float, stride_m: float, gsd_m: float) -> np.ndarray:
    """Starts of tiles along one axis in ground metres; empty when not even one fits."""
    room_m, slack_m = extent_m - tile_m, _SLACK_PX * gsd_m
    if room_m < -slack_m:
        return np.empty(0)
    strides = math.floor(max(room_m, 0.0) / stride_m)
    if room_m / (strides + 1) >= stride_m - slack_m:
        return np.linspace(0.0, room_m, strides + 2)
    return np.arange(strides + 1) * stride_m


def _check_sizes(tile_m: float, stride_m: float) -> None:
    for name, value in (("tile_m", tile_m), ("stride_m", stride_m)):
        if not (math.isfinite(value) and value > 0):
            raise SkyfixError(f"{name} is {value:g}. Give ground metres above 0.")


def _check_scale(
    geo: GeoReference,
    tile_m: float,
    stride_m: float,
    extent_m: tuple[float, float],
    name: str,
) -> None:
    gsd_m = max(extent_m[0] / geo.width_px, extent_m[1] / geo.height_px)
    if tile_m < MIN_TILE_PX * gsd_m:
        raise SkyfixError(
            f"A tile of {tile_m:g} m is only {tile_m / gsd_m:.1f} px of {name} ({gsd_m:.3g} m/px). "
            f"Use tiles of at least {MIN_TILE_PX} px, or sharper imagery."
        )
    if stride_m < gsd_m:
        raise SkyfixError(
            f"A stride of {stride_m:g} m is less than a pixel of {name} ({gsd_m:.3g} m/px). "
            "Use a larger stride."
        )
    expected = extent_m[0] / stride_m * extent_m[1] / stride_m
    if expected > MAX_TILES:
        raise SkyfixError(
            f"{name} covers {extent_m[0] / 1000:.0f} x {extent_m[1] / 1000:.0f} km: a stride of "
            f"{stride_m:g} m makes about {expected / 1e6:.0f} million tiles, the limit is "
            f"{MAX_TILES // 1_000_000} million. Use a larger stride or crop the raster."
        )
