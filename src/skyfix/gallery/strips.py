"""Reading down a map in strips, so that overlapping tiles share decoding and resizing."""

import math

import numpy as np
from PIL import Image

from skyfix.geo.maps import Map


class Strip:
    """One line of tiles in memory; positions in reduced px of the map.

    Args:
        rgb: (h, w, 3) uint8.
        valid: (h, w) bool, or None where all pixels are valid.
        column: position of the left edge on the reduced map.
        rows: top and bottom of the tiles within ``rgb``, may lie between pixels.
        tile_rows: height of the tile images.
    """

    def __init__(
        self,
        rgb: np.ndarray,
        valid: np.ndarray | None,
        column: int,
        rows: tuple[float, float],
        tile_rows: int,
    ) -> None:
        self.rgb, self.valid, self._column = rgb, valid, column
        self._width = rgb.shape[1]
        # Resizing is separable: the vertical half is done once for all tiles of the line.
        self._squeezed = Image.fromarray(rgb).resize(
            (self._width, tile_rows),
            Image.Resampling.BICUBIC,
            box=(0, rows[0], self._width, rows[1]),
        )

    def span(self, column: float, width: float) -> tuple[float, float]:
        """Left and right edge within the strip of a tile at ``column``, ``width`` wide."""
        left = max(column - self._column, 0.0)
        return left, min(column - self._column + width, float(self._width))

    def tile(self, span: tuple[float, float], tile_columns: int) -> np.ndarray:
        """The tile between two edges; bicubic with antialiasing, as ``Embedder`` resizes.

        Returns:
            (tile_rows, tile_columns, 3) uint8.
        """
        rows = self._squeezed.height
        box = (span[0], 0, span[1], rows)
        return np.asarray(
            self._squeezed.resize((tile_columns, rows), Image.Resampling.BICUBIC, box=box)
        )


class StripReader:
    """Slides a strip down a map: rows still needed are kept, new ones are read.

    One reduced px is ``factor`` x ``factor`` map px, averaged, from overviews where the file has
    them.

    Args:
        raster: the open map.
        factor: reduction, a power of two.
        first, end: range of columns to read, reduced px.
    """

    def __init__(self, raster: Map, factor: int, first: int, end: int) -> None:
        self._raster, self._factor = raster, factor
        self._rows_in_map = raster.height_px // factor
        self._first = first
        self._columns = min(end, raster.width_px // factor) - first
        self._start = 0
        self._rgb = np.empty((0, self._columns, 3), np.uint8)
        self._valid = np.empty((0, self._columns), bool)

    def move(self, top: float, bottom: float, tile_rows: int) -> Strip:
        """The strip of tiles from ``top`` to ``bottom``, reduced px; strips must move downwards."""
        start, end = int(top), min(math.ceil(bottom), self._rows_in_map)
        self._drop_before(start)
        have = self._start + len(self._rgb)
        if end > have:
            self._read(have, end)
        rows = end - start
        return Strip(
            self._rgb[:rows],
            None if self._raster.all_valid else self._valid[:rows],
            self._first,
            (top - start, min(bottom - start, rows)),
            tile_rows,
        )

    def _drop_before(self, start: int) -> None:
        passed = start - self._start
        self._rgb, self._valid = self._rgb[passed:], self._valid[passed:]
        self._start = start

    def _read(self, start: int, end: int) -> None:
        factor = self._factor
        rgb, valid = self._raster.read(
            self._first * factor,
            start * factor,
            self._columns * factor,
            (end - start) * factor,
            (end - start, self._columns),
        )
        self._rgb = np.concatenate([self._rgb, rgb])
        self._valid = np.concatenate([self._valid, valid])
