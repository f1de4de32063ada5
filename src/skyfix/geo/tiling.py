"""Cutting a map into overlapping square tiles of equal size on the ground."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skyfix.errors import SkyfixError
from skyfix.geo.crs import GeoReference, GroundScale
from skyfix.geo.region import Region

MAX_TILES = 20_000_000
"""A plan above this many tiles is refused: it is a mistake in the sizes or in the raster."""

MIN_TILE_PX = 8
"""Tiles of fewer map pixels a side show nothing."""

PANEL_TILES = 32
"""Tiles are ordered in panels of this many tile widths, so that a reader that walks down a panel
holds no more than one line of it in memory, however wide the raster is."""

_SLACK_PX = 0.5
_DENSE_KNOTS = 4096
_BATCH_TILES = 2_000_000
_COLUMNS = ("columns", "rows", "widths", "heights", "panels", "lines")


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
        outside: tiles that would fit into the raster and are left out, outside the region.
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
    outside: int = 0

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


def plan_tiles(
    geo: GeoReference, tile_m: float, stride_m: float, name: str, region: Region | None = None
) -> TilePlan:
    """Plan all tiles that lie fully inside a raster, with their centre in a region if one is given.

    The first tile lies in the upper left corner. Neighbours are ``stride_m`` apart, or up to half
    a pixel less where one more line of tiles then fits; what remains at the right and lower edge
    is less than a stride wide. A region takes tiles away and moves none.

    Args:
        geo: the raster's georeference.
        tile_m: side of a tile, ground metres.
        stride_m: distance between neighbouring tiles, ground metres.
        name: the raster's name for messages.
        region: where the tiles' centres have to lie; the plan may then be empty.

    Raises:
        SkyfixError: sizes that are not positive numbers, too small for the map's pixels, a
            raster smaller than one tile, or more than ``MAX_TILES`` tiles.
    """
    _check_sizes(tile_m, stride_m)
    axis_rows, down_m = _down(geo)
    extent_x_m, extent_y_m = float(_right(geo, geo.height_px / 2)[1][-1]), float(down_m[-1])
    _check_scale(geo, tile_m, stride_m, (extent_x_m, extent_y_m), name)
    if region is None:
        _check_count(extent_x_m * extent_y_m / stride_m**2, stride_m, name)
    starts_m = _starts(extent_y_m, tile_m, stride_m, extent_y_m / geo.height_px)
    centre_rows = np.interp(starts_m + tile_m / 2, down_m, axis_rows)
    window = None if region is None else region.window(geo)
    batches, fitting = [], 0
    for lines in _line_batches(len(starts_m), extent_x_m / stride_m):
        columns = [_line(geo, row, tile_m, stride_m) for row in centre_rows[lines]]
        fitting += sum(map(len, columns))
        if region is not None:
            columns = _crossing(columns, centre_rows[lines], window)
        batch = _windows(geo, tile_m, stride_m, columns, centre_rows[lines], lines.start)
        batches.append(batch if region is None else _inside(batch, region))
        _check_count(sum(map(len, batches)), stride_m, name)
    if not fitting:
        raise SkyfixError(
            f"Raster smaller than one tile: {name} covers {extent_x_m:.1f} x {extent_y_m:.1f} m, "
            f"a tile is {tile_m:g} m. Use smaller tiles or a larger raster."
        )
    return _joined(batches, fitting)


def _line_batches(lines: int, tiles_a_line: float) -> list[slice]:
    """All lines, so many at once that leaving tiles out keeps the memory of a large map small."""
    at_once = max(1, int(_BATCH_TILES / max(tiles_a_line, 1.0)))
    return [slice(first, min(first + at_once, lines)) for first in range(0, lines, at_once)]


def _windows(
    geo: GeoReference,
    tile_m: float,
    stride_m: float,
    lines_of_columns: list[np.ndarray],
    rows_of_lines: np.ndarray,
    first_line: int,
) -> TilePlan:
    """Windows of whole lines, given the centres of their tiles."""
    tiles_of_lines = [len(columns) for columns in lines_of_columns]
    centre_columns = np.concatenate(lines_of_columns)
    centre_rows = np.repeat(rows_of_lines, tiles_of_lines)
    numbers = np.arange(first_line, first_line + len(rows_of_lines), dtype=np.int32)
    lines = np.repeat(numbers, tiles_of_lines)
    scale = geo.scales.at(centre_columns, centre_rows)
    widths = np.minimum(tile_m / scale.x_m, geo.width_px)
    heights = np.minimum(tile_m / scale.y_m, geo.height_px)
    columns = np.clip(centre_columns - widths / 2, 0.0, geo.width_px - widths)
    rows = np.clip(centre_rows - heights / 2, 0.0, geo.height_px - heights)
    widest = min(tile_m / geo.scales.knots.x_m.min(), geo.width_px)
    panels = (columns // (PANEL_TILES * widest)).astype(np.int32)
    # Within a line the columns ascend, and so do the panels.
    starts = np.flatnonzero(np.diff(panels, prepend=-1) | np.diff(lines, prepend=-1))
    tiles = np.diff(starts, append=len(columns))
    # The middle tile stands for its line: a panel is so narrow that the scale hardly differs.
    middles = starts + tiles // 2
    return TilePlan(
        geo,
        tile_m,
        stride_m,
        columns,
        np.repeat(rows[middles], tiles),
        widths,
        np.repeat(heights[middles], tiles),
        panels,
        lines,
    )


def _crossing(
    lines_of_columns: list[np.ndarray],
    rows_of_lines: np.ndarray,
    window: tuple[float, float, float, float] | None,
) -> list[np.ndarray]:
    """The lines, emptied where they do not cross the window: no work is done for those."""
    top, bottom = (np.inf, -np.inf) if window is None else (window[1], window[3])
    crosses = (top <= rows_of_lines) & (rows_of_lines <= bottom)
    return [
        columns if kept else columns[:0]
        for columns, kept in zip(lines_of_columns, crosses, strict=True)
    ]


def _inside(plan: TilePlan, region: Region) -> TilePlan:
    """The tiles with their centre in the region."""
    kept = region.contains(*plan.centres())
    return replace(plan, **{name: getattr(plan, name)[kept] for name in _COLUMNS})


def _joined(plans: list[TilePlan], fitting: int) -> TilePlan:
    """One plan of several, in reading order."""
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(plan, name) for plan in plans]) for name in _COLUMNS
    }
    order = np.lexsort((joined["columns"], joined["lines"], joined["panels"]))
    ordered = {name: values[order] for name, values in joined.items()}
    return replace(plans[0], outside=fitting - len(order), **ordered)


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


def _check_count(tiles: float, stride_m: float, name: str) -> None:
    if tiles > MAX_TILES:
        raise SkyfixError(
            f"{name} is large: a stride of {stride_m:g} m makes about {tiles / 1e6:.0f} million "
            f"tiles, the limit is {MAX_TILES // 1_000_000} million. Use a larger stride, a region "
            "of interest (--roi), or crop the raster."
        )
