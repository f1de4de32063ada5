"""How alike a photo and the places of a gallery are, on a coarse grid."""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from skyfix.gallery.tiles import Tiles
from skyfix.geo.ground import distance_m

MOST_CELLS = 64
"""Columns and rows of the grid at most."""


def similarity_grid(
    tiles: Tiles, rows: np.ndarray, scores: np.ndarray, stride_m: float
) -> dict[str, Any]:
    """Best score of the tiles in each cell of a grid in degrees, from the north-west.

    Args:
        tiles: of the gallery.
        rows: (T,) tiles that were searched, at least one.
        scores: (T,) their scores.
        stride_m: distance of neighbouring tiles: a cell is as large, or larger where there would
            be more than ``MOST_CELLS``.

    Returns:
        bounds [west, south, east, north], columns, rows, values; a value is None where no tile
        was searched.
    """
    lon, lat = tiles.lon[rows], tiles.lat[rows]
    cells = replace(tiles.at(rows), size_m=np.full(len(rows), stride_m))
    west, south, east, north = cells.bounds()
    width_deg = (east - west) % 360.0
    middle = (south + north) / 2
    columns = _cells(distance_m(west, middle, west + width_deg, middle), stride_m)
    lines = _cells(distance_m(west, south, west, north), stride_m)
    column = ((lon - west) % 360.0 / width_deg * columns).astype(int)
    line = ((north - lat) / (north - south) * lines).astype(int)
    best = np.full(columns * lines, -np.inf)
    cell = np.clip(line, 0, lines - 1) * columns + np.clip(column, 0, columns - 1)
    np.maximum.at(best, cell, scores)
    return {
        "bounds": [west, south, east, north],
        "columns": columns,
        "rows": lines,
        "values": [round(float(one), 3) if np.isfinite(one) else None for one in best],
    }


def _cells(size_m: float | np.ndarray, stride_m: float) -> int:
    return min(max(1, math.floor(float(size_m) / stride_m + 0.5)), MOST_CELLS)
